"""What commands print and write: lines, tables, files written whole or not at all."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def echo(line: str) -> None:
    """Print a line, where there is a standard output."""
    if sys.stdout is not None:
        sys.stdout.write(f"{line}\n")


def print_table(table: Table) -> None:
    """Print a table, as wide as the terminal or, into a pipe or a file, as wide as it wants to be."""
    # Cells are text, not markup; into a pipe or a file nobody wants lines folded at 80 columns.
    terminal = sys.stdout is not None and sys.stdout.isatty()
    plain: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
    console = Console(file=io.StringIO(), force_terminal=terminal, width=None if terminal else 200, **plain)
    console.print(table)
    echo(console.file.getvalue().rstrip("\n"))  # type: ignore[attr-defined]


def figure_files(folder: Path | None, names: Iterable[str]) -> dict[Path, str]:
    """Return the files that figures go to, and the name of the figure in each."""
    return {} if folder is None else {folder / f"{name}.{kind}": name for name in names for kind in ("png", "svg")}


def rendered(figure: Figure, file: Path) -> bytes:
    """Return the bytes of a figure, the same for the same figure; it keeps the layout of the first kind of file."""
    from matplotlib import rc_context  # noqa: PLC0415

    buffer, kind = io.BytesIO(), file.suffix.removeprefix(".")
    dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with rc_context({"svg.hashsalt": "mbfast"}):  # as without dates, the same figure gives the same bytes
        figure.savefig(buffer, format=kind, dpi=160, metadata=dates.get(kind))
    figure.set_layout_engine("none")  # a quarter of the time of every further kind
    return buffer.getvalue()


def check_writable(*files: Path | None) -> None:
    """Find out before any work whether the outputs can be written; folders are made on the way."""
    outputs = [file for file in files if file is not None]
    for file in outputs:
        if file.is_dir():
            raise ValueError(f"{file}: a file is wanted, this is a folder")
        if sum(other.resolve() == file.resolve() for other in outputs) > 1:
            raise ValueError(f"{file}: two outputs cannot go to one file")
        target = file.resolve() if file.exists() else next(p for p in file.absolute().parents if p.exists())
        if not os.access(target, os.W_OK) or not (target.is_dir() or file.exists()):
            raise ValueError(f"{file}: cannot be written, {target} is not writable")
