"""mbfast: a compiled numerical engine for the generic coupled-block model of glasses.

Start with ``help(mbfast.guide)``, the table of contents of the guide. Everything that ``__init__.pyi`` lists is
imported on first use, so that ``import mbfast`` costs next to nothing.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
