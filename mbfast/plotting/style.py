"""How all figures look: one style sheet, two widths, legends above the axes, captions, files.

A figure is made between `styled` and `finish`, and written by `save_figure`:

    with styled():
        figure = new_figure()
        axes = figure.add_subplot()
        axes.plot(x, y, LINES[0], color=COLOURS[1], label="what it is")
        axes.set(xlabel="$x$ (m)", ylabel="$y$")
        finish(figure, "What it shows, and what its kinks are.", conditions="a-SiO2, $T$ = 1 K")
    save_figure(figure, "name.pdf")
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbfast._core.archive import path_of, write_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, WIDE = 86.0, 140.0
"""Widths (mm) of figures in a journal: of one column, and of one and a half."""

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Those of Okabe and Ito, but yellow: readers who do not see all colours can tell them apart. Black is the first."""

LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))
"""Kinds of lines, to be used beside the colours: in print they may be all that is left."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""Kinds of points, likewise."""

STYLE: dict[str, Any] = {
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same letters on every machine
    "mathtext.fontset": "dejavusans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.6,  # long enough to tell kinds of lines apart
    "legend.borderaxespad": 0.4,
    "legend.borderpad": 0.0,
    "legend.labelspacing": 0.3,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "axes.linewidth": 0.6,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.02,
    "axes.formatter.useoffset": False,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.major.pad": 4.8,  # so that the first labels of both axes do not meet in the corner
    "xtick.top": True,
    "ytick.right": True,
    **{f"{axis}tick.{kind}.width": 0.6 for axis in "xy" for kind in ("major", "minor")},
    "text.hinting": "no_hinting",  # letters as wide in pixels as in print
    "pdf.fonttype": 42,  # TrueType, embedded, as journals want it; in SVG letters are outlines
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "mbfast",  # the same figure gives the same bytes
}
"""The style sheet: what differs from matplotlib's own defaults."""

KINDS = ("png", "pdf", "svg")
"""Kinds of files."""


def figure_class() -> type[Figure]:
    """Return matplotlib's class of figures, or raise an ImportError that says what to install.

    Examples
    --------
    >>> figure_class().__name__
    'Figure'
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise ImportError("figures need matplotlib: pip install 'mbfast[plot]'") from None
    return Figure


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of mbfast: ``with styled(): ...``, or ``@styled()`` above a function that draws.

    Settings of the user, in a matplotlibrc or by pyplot, have no influence within, and are as before behind it.
    While it lasts the settings are those of the whole process: figures are to be drawn by one thread at a time.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure_class()
    from matplotlib import style  # noqa: PLC0415

    with style.context(["default", STYLE]):
        yield


def new_figure(width: float = COLUMN, height: float = 70.0) -> Figure:
    """Return an empty figure, in mm: of the width `COLUMN` or `WIDE`, and of a height that includes its legend.

    It belongs to no window, and pyplot does not know of it. It is to be used within `styled`, which its axes take their
    looks from.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    figure = figure_class()(figsize=(width / 25.4, height / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes(height: float, width: float = COLUMN) -> tuple[Figure, Axes]:
    """Return the same with one pair of axes."""
    figure = new_figure(width, height)
    return figure, figure.add_subplot()


def tinted(colour: str, strength: float) -> tuple[float, float, float]:
    """Return a colour mixed with white, 1 being the colour: not transparent, which some journals refuse."""
    from matplotlib.colors import to_rgb  # noqa: PLC0415

    red, green, blue = (1.0 - strength * (1.0 - part) for part in to_rgb(colour))
    return red, green, blue


def finish(figure: Figure, caption: str, *, conditions: str = "", columns: int = 1) -> None:
    """Put a legend of all that has a label above the axes, in so many columns, and give a figure its caption.

    The caption says in sentences what the lines are, at which material, temperature and cutoff, and what makes their
    poles, kinks and jumps; its white space becomes that of one paragraph. The conditions (material, T, omega_c, form)
    are the line over the legend, where the figure depends on them; it is broken at a comma where it is too long.
    """
    handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    if handles or conditions:
        title = _broken(figure, conditions)
        legend = figure.legend(handles=handles, title=title, ncols=columns, loc="outside upper left")
        legend.set(alignment="left")
    figure.set_label(" ".join(caption.split()))


def _broken(figure: Figure, text: str) -> str:
    """Return a text with line breaks at those commas where it would be wider than a figure."""
    lines: list[str] = []
    for part in text.split(", "):
        longer = f"{lines[-1]}, {part}" if lines else part
        probe = figure.text(0.0, 0.0, longer, fontsize=STYLE["legend.title_fontsize"])
        fits = probe.get_window_extent().width < 0.96 * figure.bbox.width
        probe.remove()
        lines = [*lines[:-1], longer] if fits or not lines else [*lines[:-1], f"{lines[-1]},", part]
    return "\n".join(lines)


def caption_of(figure: Figure) -> str:
    """Return the caption that `finish` gave a figure.

    Examples
    --------
    >>> import mbfast
    >>> figure = mbfast.plotting.self_consistent_figure(mbfast.load_glasses(names=["a-SiO2", "BK7"]))
    >>> caption_of(figure).endswith(".")
    True
    """
    return str(figure.get_label())


def rendered(figure: Figure, kind: str) -> bytes:
    """Return the bytes of a file of one of `KINDS`, the same for the same figure, or of its caption, "txt".

    The caption is in the metadata, too. The layout is made in the figure's own pixels, by whichever kind comes first,
    and kept for all others: the bytes of a kind do not depend on those rendered before it.
    """
    if kind == "txt":
        return f"{caption_of(figure)}\n".encode()
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Description": caption_of(figure)}
    metadata = {
        "png": metadata,
        "svg": metadata | {"Date": None},  # as without dates the same figure gives the same bytes
        "pdf": {"Subject": caption_of(figure), "CreationDate": None},
    }[kind]
    with styled():
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine(None)  # by the style: with one, savefig would draw everything twice
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def caption_file(file: Path) -> Path:
    """Return where the caption of a figure in `file` goes: NAME.caption.txt beside NAME.png."""
    return file.with_name(f"{file.stem}.caption.txt")


def save_figure(figure: Figure, file: str | os.PathLike[str]) -> Path:
    """Write a figure, and beside it its caption: NAME.pdf and NAME.caption.txt.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        One of those that `mbfast.plotting` draws, or that `finish` has ended.
    file : path-like
        Ending in .png (300 dots an inch), .pdf (fonts embedded) or .svg (letters as outlines). What was there is
        replaced; folders are made.

    Returns
    -------
    pathlib.Path
        Where the caption is.

    Raises
    ------
    OSError
        If `file`, or the one of the caption, cannot be written.
    TypeError
        If `figure` is no figure of matplotlib, or `file` no path.
    ValueError
        If `file` has another ending.

    Examples
    --------
    >>> import pathlib, tempfile, mbfast
    >>> figure = mbfast.plotting.meissner_berret_figure(mbfast.load_glasses())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(mbfast.plotting.save_figure(figure, pathlib.Path(folder) / "figure1.pdf").name)
    figure1.caption.txt
    """
    if not isinstance(figure, figure_class()):
        raise TypeError(f"figure must be a figure of matplotlib, got {figure!r}")
    path = path_of("file", file)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise ValueError(f"file must end in one of {', '.join(f'.{known}' for known in KINDS)}, got {str(path)!r}")
    captions, layout = caption_file(path), figure.get_layout_engine()
    write_files({path: rendered(figure, kind), captions: rendered(figure, "txt")})
    figure.set_layout_engine(layout)  # it may be drawn into again
    return captions
