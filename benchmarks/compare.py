"""What has become slower: ``python -m benchmarks.compare run.json``, and ``--store`` to add the run to the history.

Ratios to the references of the same run are compared with the newest stored ones of the same processor, case by case.
The status is 1 if one fell by more than 15 % beyond the scatter of the run, 2 if a file is not readable.
"""

import argparse
from pathlib import Path

from . import runs

FALL = 0.15


def fallen(rows, stored):
    """Return (row, stored row) of cases that fell, the largest fall first, and how many were compared."""
    newest = {row.case: row for row in stored}
    both = [(row, newest[row.case]) for row in rows if row.case in newest]
    found = [(row, old) for row, old in both if row.ratio < (1.0 - FALL - row.scatter) * old.ratio]
    return sorted(found, key=lambda pair: pair[0].ratio / pair[1].ratio), len(both)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="what pytest benchmarks --benchmark-json=FILE wrote")
    parser.add_argument("--store", action="store_true", help="add the run to the history")
    parser.add_argument(
        "--history", type=Path, default=runs.HISTORY, help="the history; %(default)s unless it is given"
    )
    given = parser.parse_args()
    run = runs.read_run(given.run)
    rows, stored = runs.rows_of(run), runs.read_history(given.history)
    if run.interrupted:
        print(f"{given.run} was interrupted: what it has is compared")
    found, compared = fallen(rows, stored)
    if not any(row.processor == run.processor for row in stored):
        print(f"no stored run of {run.processor}: nothing to compare with")
    else:
        print(f"{run.processor}: {compared} of {len(rows)} cases compared with stored ones, {len(found)} fell")
    for row, old in found:
        print(
            f"{row.group}: {row.name}: {old.ratio:.3g} times as fast as {row.reference} at {old.commit}, "
            f"now {row.ratio:.3g} ({row.ratio / old.ratio - 1.0:+.0%}, scatter {row.scatter:.0%})"
        )
    if given.store:
        if run.interrupted:
            raise runs.UnreadableError(
                f"{given.run} was interrupted: it can be compared, but only whole runs are stored"
            )
        if run.changed:
            raise runs.UnreadableError(
                f"{given.run} is of a changed checkout of {run.commit}: commit first, then run again"
            )
        runs.store(rows, given.history)
        print(f"{len(rows)} cases of {run.commit} stored in {given.history}")
    return 1 if found else 0


if __name__ == "__main__":
    runs.command(main)
