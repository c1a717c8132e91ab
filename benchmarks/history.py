"""Draw the stored runs by commit: ``python -m benchmarks.history FILE.svg``, or .png or .pdf.

One panel for each group of the suite, one line for each contender: its ratio to the reference, with its scatter. The
processor is that of the newest row, or what --processor names.
"""

import argparse
import itertools
import math
from collections import defaultdict
from pathlib import Path

from mbfast.plotting.style import COLOURS, MARKERS, finish, new_figure, save_figure, styled

from . import runs

COLUMNS, WIDTH, HEIGHT, ROOM = 3, 210.0, 36.0, 0.09  # mm of the page and of a row of panels; of a panel a name takes
CAPTION = """Ratios of the benchmarks of mbfast by commit, {processor}: the median time of the reference, named above
each panel, over that of mbfast, so that more is faster; bars are the scatter within a run. From {first} to {last}."""


def ordered(rows, processor):
    """Return commits of a processor by date, and its rows by (group, reference) and name."""
    rows = sorted((row for row in rows if row.processor == processor), key=lambda row: row.date)
    panels = defaultdict(lambda: defaultdict(list))
    for row in rows:
        panels[row.group, row.reference][row.name].append(row)
    return list(dict.fromkeys(row.commit for row in rows)), panels


def spread(places):
    """Return places from 0 to 1 as near to the given ones as names that do not overlap allow."""
    order, found = sorted(range(len(places)), key=places.__getitem__), list(places)
    for before, after in itertools.pairwise(order):
        found[after] = max(found[after], found[before] + ROOM)
    limit = 1.0 - 0.5 * ROOM
    for place in reversed(order):  # what is above the panel goes down, and what is below it makes room
        found[place] = min(found[place], limit)
        limit = found[place] - ROOM
    return found


def draw_panel(axes, title, lines, commits):
    """Draw lines of rows by name, and the names beside their ends."""
    from matplotlib.ticker import LogLocator  # noqa: PLC0415 - an extra

    for number, rows in enumerate(lines.values()):
        x, y = [commits.index(row.commit) for row in rows], [row.ratio for row in rows]
        bars, colour = [row.ratio * min(row.scatter, 0.9) for row in rows], COLOURS[number % len(COLOURS)]
        axes.errorbar(x, y, bars, color=colour, marker=MARKERS[number % len(MARKERS)], markersize=2, linewidth=0.8)
    axes.set_yscale("log")
    low = min(row.ratio * (1.0 - min(row.scatter, 0.9)) for rows in lines.values() for row in rows)
    high = max(row.ratio * (1.0 + row.scatter) for rows in lines.values() for row in rows)
    axes.set_ylim(low / 1.3, high * 1.3)
    axes.set_xlim(-0.5, len(commits) - 0.5)
    axes.set_xticks(range(len(commits)), [commit[:7] for commit in commits], rotation=90, fontsize=4.5)
    axes.tick_params(axis="y", which="both", labelsize=5)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=50))
    axes.minorticks_off()
    group, reference = title
    axes.set_title(f"{group}\n{reference} / mbfast", fontsize=5.5, loc="left")
    (bottom, top), last = axes.get_ylim(), [rows[-1].ratio for rows in lines.values()]
    places = spread([math.log(ratio / bottom) / math.log(top / bottom) for ratio in last])
    for number, (name, place) in enumerate(zip(lines, places, strict=True)):
        axes.text(
            1.02, place, name, transform=axes.transAxes, va="center", fontsize=4.5, color=COLOURS[number % len(COLOURS)]
        )


def history_figure(rows, processor):
    """Return the figure of a processor's rows."""
    commits, panels = ordered(rows, processor)
    with styled():
        count = math.ceil(len(panels) / COLUMNS)
        height = HEIGHT * count
        figure = new_figure(WIDTH, height)
        figure.set_layout_engine("none")
        places = {"left": 0.05, "right": 0.84, "wspace": 0.75, "hspace": 0.85}
        grid = figure.add_gridspec(count, COLUMNS, **places, top=1 - 8.0 / height, bottom=10.0 / height)
        for number, (title, lines) in enumerate(panels.items()):
            draw_panel(figure.add_subplot(grid[divmod(number, COLUMNS)]), title, lines, commits)
        finish(figure, CAPTION.format(processor=processor, first=rows[0].date[:10], last=rows[-1].date[:10]))
    return figure


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="ending in .svg, .png or .pdf")
    parser.add_argument("--processor", help="as the history names it")
    parser.add_argument("--history", type=Path, default=runs.HISTORY, help="%(default)s unless it is given")
    given = parser.parse_args()
    rows = runs.read_history(given.history)
    if not rows:
        raise runs.UnreadableError(
            f"{given.history} has no run: python -m benchmarks.compare run.json --store adds one"
        )
    processor = given.processor or max(rows, key=lambda row: row.date).processor
    if processor not in {row.processor for row in rows}:
        raise runs.UnreadableError(
            f"processor must be one of {sorted({row.processor for row in rows})}, got {processor!r}"
        )
    try:
        save_figure(history_figure(rows, processor), given.file)
    except (ValueError, OSError, ImportError) as error:  # of matplotlib, an extra
        raise runs.UnreadableError(f"{given.file} cannot be written: {error}") from None


if __name__ == "__main__":
    runs.command(main)
