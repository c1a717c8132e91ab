"""What commands print and write: lines, tables, files written whole or not at all."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeAlias

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mbfast._core.archive import Content, is_standard_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Plain: TypeAlias = Annotated[bool, typer.Option("--plain", help="The table as text with tabs, for programs.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Draw no progress bar.")]


def show(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    lines: Sequence[str] = (),
    *,
    plain: bool,
    keys: int = 1,
    red: Collection[int] = (),
    beside: Iterable[Path] = (),
) -> None:
    """Print a table and lines below it; cells of the first `keys` columns say what a row is about.

    Nothing is ever cut. Where a terminal is too narrow the last of those columns is folded; where that does not
    suffice, or would break a word, rows are stacked: what each is about, and below it the other cells with their
    headings. Plain is for programs: cells with tabs between them, lines behind a #. Rows whose number is in `red` are
    red. `beside` are the files written: where one is the standard output, all this goes to the standard error.
    """
    stream = _stream(beside)
    if stream is None:
        return
    if plain:
        csv.writer(stream, "excel-tab", lineterminator="\n").writerows([headings, *rows])
        stream.writelines(f"# {line}\n" for line in lines)
        return
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns if terminal else 1_000_000
    # cells are text, not markup
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=width, height=100, markup=False, emoji=False, highlight=False
    )
    styles = ["red" if number in red else "" for number in range(len(rows))]
    table = Table()
    for number, column in enumerate(zip(headings, *rows, strict=True)):
        if number == keys - 1:
            table.add_column(column[0], overflow="fold")
        else:
            table.add_column(column[0], no_wrap=True, min_width=max(map(cell_len, column)))
    for style, row in zip(styles, rows, strict=True):
        table.add_row(*row, style=style)
    if Measurement.get(console, console.options.update(max_width=1_000_000), table).minimum <= width:
        console.print(table)
    else:
        for style, row in zip(styles, rows, strict=True):
            console.print("  ".join(row[:keys]), style=style, overflow="fold")
            named = zip(headings[keys:], row[keys:], strict=True)
            others = "; ".join(f"{heading} {cell}" for heading, cell in named if cell)
            console.print(Padding(Text(others, style, overflow="fold"), (0, 0, 0, 2), expand=False))
    stream.write(console.file.getvalue())  # type: ignore[attr-defined]
    stream.writelines(f"{line}\n" for line in lines)


def echo(line: str, beside: Iterable[Path] = ()) -> None:
    """Print a line, where there is a standard output; `beside` as of `show`."""
    stream = _stream(beside)
    if stream is not None:
        stream.write(f"{line}\n")


def _stream(beside: Iterable[Path]) -> TextIO | None:
    return sys.stderr if any(map(is_standard_output, beside)) else sys.stdout


def figure_files(folder: Path | None, names: Iterable[str]) -> dict[Path, str]:
    """Return the files that figures and their captions go to, and the name of the figure in each.

    An ImportError without matplotlib.
    """
    if folder is None:
        return {}
    from mbfast.plotting.style import KINDS, caption_file, figure_class  # noqa: PLC0415

    figure_class()  # before the work that they are to show
    files = {name: [folder / f"{name}.{kind}" for kind in KINDS] for name in names}
    return {file: name for name, kinds in files.items() for file in (*kinds, caption_file(kinds[0]))}


def one_figure(file: Path | None, name: str) -> dict[Path, str]:
    """Return the same for one figure in a file that the user has named."""
    if file is None:
        return {}
    from mbfast.plotting.style import KINDS, caption_file, figure_class  # noqa: PLC0415

    if file.suffix.lower().removeprefix(".") not in KINDS:
        raise ValueError(f"{file}: a figure is wanted as .png, .pdf or .svg")
    figure_class()
    return {file: name, caption_file(file): name}


def rendered(figures: Mapping[str, Figure], files: Mapping[Path, str]) -> dict[Path, Content]:
    """Return what goes into the files that `figure_files` has named."""
    from mbfast.plotting.style import rendered as bytes_of  # noqa: PLC0415

    return {file: bytes_of(figures[name], file.suffix.lower().removeprefix(".")) for file, name in files.items()}
