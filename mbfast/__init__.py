"""mbfast: a compiled numerical engine for the generic coupled-block model of glasses.

Start with ``help(mbfast.guide)``, the table of contents of the guide. Everything that ``__init__.pyi`` lists is
imported on first use, so that ``import mbfast`` costs next to nothing. Numbers such as (3.5) are equations of the
paper: D. Zhou and A. J. Leggett, arXiv:1510.05528.
"""

import lazy_loader

__version__ = "0.1.0"

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name):
    try:
        return _public(name)
    except AttributeError as error:
        import difflib  # noqa: PLC0415

        near = difflib.get_close_matches(name, __all__, 1)
        if not near or name in __all__:
            raise
        # obj=None, or Python adds its own suggestion
        raise AttributeError(f"{error}, did you mean {near[0]}?", name=name, obj=None) from None
