"""Render the API and the guide as a site: python -W error .ci/site.py FOLDER. Needs the extra docs, and no network."""

import importlib.util
import inspect
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pdoc
from latex2mathml.converter import convert as mathml

import mbfast
from mbfast.guide import performance

_ROOT = Path(__file__).resolve().parents[1]
_SECTIONS = "Parameters|Returns|Yields|Raises|Attributes|See Also|Notes|References|Examples"  # laid out by pdoc
_HEADING = re.compile(rf"^(?!(?:{_SECTIONS})\n)(\w.*)\n-{{3,}}$", re.MULTILINE)
_SEE = re.compile(r"(?<=\n)See Also\n-+\n(?:.+\n?)+")
_NAMES = re.compile(r"^[\w., ]+(?= : )", re.MULTILINE)
_LATEX = re.compile(r"^( *)\.\. math:: (.+(?:\n\1 +.+)*)", re.MULTILINE)
_PLAIN = {r"\!": "", r"\Bigl": r"\left", r"\Bigr": r"\right", r"\tfrac": r"\frac"}  # what the converter does not know


class Written(str):
    """A type as it is written in the source: ArrayLike, where its value would fill three lines."""

    __repr__ = str.__str__


def written(annotation: Any, *_: object) -> Any:
    """Leave a type unevaluated."""
    text = getattr(annotation, "__forward_arg__", annotation)
    return Written(text) if isinstance(text, str) else text


def equation(match: re.Match[str]) -> str:
    """Turn LaTeX into MathML, which browsers draw by themselves."""
    latex = " ".join(match[2].split())
    for command, plain in _PLAIN.items():
        latex = latex.replace(command, plain)
    return f"{match[1]}<div>{mathml(latex, display='block')}</div>\n"


def without_commas(match: re.Match[str]) -> str:
    """Separate the names of a section See Also as pdoc does."""
    return _NAMES.sub(lambda names: names[0].replace(",", ""), match[0])


def markdown(docstring: str) -> str:
    """Turn what would be misread: headings, equations, lists of names, literal blocks, and < that open no tag."""
    literal, paragraphs = False, []
    docstring = _SEE.sub(without_commas, _HEADING.sub(r"## \1\n", docstring))
    for paragraph in re.split(r"\n\s*\n", docstring):
        code = paragraph.lstrip().startswith(">>>") or (literal and paragraph.startswith(" "))
        literal = paragraph.rstrip().endswith("::") or (literal and code)
        if not code:
            pieces = re.split(r"(``.+?``|`[^`]+`)", paragraph, flags=re.DOTALL)
            pieces[::2] = [piece.replace("<", "&lt;") for piece in pieces[::2]]
            paragraph = re.sub(r"::$", ":", "".join(pieces))  # noqa: PLW2901
            paragraph = re.sub(r":math:`(.+?)`", lambda match: mathml(match[1]), _LATEX.sub(equation, paragraph))  # noqa: PLW2901
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def resolve(module: types.ModuleType) -> None:
    """Import a package's lazy names; put Python functions in place of compiled ones; show what is called."""
    for name in getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]:
        member: Any = getattr(module, name)
        if isinstance(member, types.ModuleType) and member.__name__ == f"{module.__name__}.{name}":
            resolve(member)
        call = vars(member).get("__call__") if isinstance(member, type) else None
        if isinstance(call, types.FunctionType) and "@public" not in (call.__doc__ or ""):
            call.__doc__ = f"{inspect.cleandoc(call.__doc__ or '')}\n\n@public"
        dispatcher = getattr(member, "_dispatcher", member)  # of a universal function
        setattr(module, name, getattr(dispatcher, "py_func", member))


def draw_history(folder: Path) -> None:
    """Draw the stored runs of the benchmarks for the page on performance; matplotlib is of another extra."""
    rows = (_ROOT / "benchmarks" / "history.csv").read_text(encoding="utf-8").splitlines()[1:]
    if len({row.split(",")[1] for row in rows}) > 1 and importlib.util.find_spec("matplotlib"):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder.resolve() / "history.svg"
        subprocess.run([sys.executable, "-m", "benchmarks.history", str(file)], cwd=_ROOT, check=True)
        performance.__doc__ = f"{performance.__doc__}\nHistory\n-------\n![Ratios by commit](../../history.svg)\n"


def main() -> None:
    """Write the site."""
    draw_history(Path(sys.argv[1]))
    resolve(mbfast)
    convert = pdoc.docstrings.convert
    pdoc.docstrings.convert = lambda text, *rest: convert(markdown(text), *rest)  # type: ignore[assignment]
    pdoc.doc.safe_eval_type = pdoc.doc_types.safe_eval_type = written
    pdoc.render.configure(docformat="numpy", show_source=False, footer_text=f"mbfast {mbfast.__version__}")
    pdoc.pdoc("mbfast", "!mbfast.*[.]_", output_directory=Path(sys.argv[1]))


if __name__ == "__main__":
    main()
