"""Runs of the suite and the stored history: how files of both are read, and the ratios of a run.

A run is what ``pytest benchmarks --benchmark-json=FILE`` writes: one JSON document at its end, and until then one line
for each benchmark that is finished. The history is a table with a row for each commit, processor and case.
"""

import csv
import itertools
import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from . import cases

HISTORY = Path(__file__).with_name("history.csv")
NEEDED = ("rounds", "min", "q1", "median", "q3", "max")
UNKNOWN = 0.15  # relative scatter of a single round, which shows none


class UnreadableError(Exception):
    """A file is not what it should be; the text says so in one line."""


class Row(NamedTuple):
    """A case of a run: its ratio is the reference's median time over the contender's, so that more is faster."""

    date: str
    commit: str
    processor: str
    group: str
    name: str
    reference: str
    ratio: float
    scatter: float

    @property
    def case(self):
        return self.processor, self.group, self.name, self.reference


class Run(NamedTuple):
    """What a run has measured: entries of pytest-benchmark by group and name."""

    date: str
    commit: str
    changed: bool
    processor: str
    python: str
    interrupted: bool
    groups: dict


def contents(path):
    """Return what a run has written, as one document, and whether it was killed."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    try:
        return json.loads(text), False
    except (json.JSONDecodeError, RecursionError):
        pass
    whole = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]  # the last line may be cut
    try:
        header, *entries = map(json.loads, whole)
        return header | {"benchmarks": entries}, True
    except (ValueError, TypeError, RecursionError):
        raise UnreadableError(f"{path} is no run of the benchmarks, or the end of it is missing") from None


def read_run(path):
    """Return a `Run`, whether or not it came to its end."""
    document, killed = contents(path)
    groups = defaultdict(dict)
    try:
        for entry in document["benchmarks"]:
            if not all(0.0 < float(entry["stats"][key]) < math.inf for key in NEEDED):
                raise ValueError
            groups[str(entry["group"])][str(entry["name"])] = entry
        machine, commit = document["machine_info"], document["commit_info"]
        cpu = machine["cpu"]
        family = f"family {cpu['family']}, model {cpu['model']}, " if "model" in cpu else ""
        processor = f"{cpu.get('brand_raw') or machine['machine']} ({family}{cpu.get('count', 'unknown')} cores)"
        run = Run(
            str(document["datetime"])[:19], str(commit["id"])[:12], bool(commit["dirty"]), processor,
            str(machine["python_version"]), killed or bool(document.get("interrupted")), dict(groups),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnreadableError(f"{path} is JSON, but no run of the benchmarks") from None
    if not groups:
        raise UnreadableError(f"{path} has no finished benchmark")
    return run


def scatter(stats):
    """Return half the range that the middle half of the rounds has, of fewer than four rounds all, by their median."""
    if stats["rounds"] < 2:
        return UNKNOWN
    low, high = (stats["min"], stats["max"]) if stats["rounds"] < 4 else (stats["q1"], stats["q3"])
    return 0.5 * (high - low) / stats["median"]


def reference_of(name, entries):
    """Return the name of the reference of a contender of a group, with as many threads if there is one; or None."""
    row = cases.of_group(entries[name]["group"])
    for reference in row.references if row else ():
        found = [key for key in entries if cases.kind(key) == reference]
        if found:
            same = f"{reference},{name.partition(',')[2]}"
            return same if same in found else found[0]
    return None


def ratio(name, reference, entries):
    """Return how many times as fast a contender is as a reference of its group, and the relative scatter of that."""
    ours, theirs = entries[name]["stats"], entries[reference]["stats"]
    return theirs["median"] / ours["median"], math.hypot(scatter(ours), scatter(theirs))


def rows_of(run):
    """Return a `Row` for each contender of mbfast that has a reference in the run."""
    rows = []
    for group, entries in run.groups.items():
        row = cases.of_group(group)
        for name in entries:
            reference = reference_of(name, entries)
            if reference not in {None, name} and cases.kind(name) in row.contenders:
                measured = ratio(name, reference, entries)
                rows.append(Row(run.date, run.commit, run.processor, group, name, reference, *measured))
    return rows


def read_history(path=HISTORY):
    """Return the stored rows, oldest first."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        if not lines or tuple(lines[0]) != Row._fields:
            raise ValueError
        return [Row(*line[:6], *map(float, line[6:])) for line in lines[1:]]
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, csv.Error):
        raise UnreadableError(f"{path} is no history of benchmarks") from None


def store(rows, path=HISTORY):
    """Add rows to the history, in the place of those of the same commit, processor and case."""
    new = {(row.commit, row.case) for row in rows}
    kept = [row for row in read_history(path) if (row.commit, row.case) not in new]
    path = Path(path)
    with path.with_suffix(".new").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows((*row[:6], f"{row.ratio:.4g}", f"{row.scatter:.2g}") for row in itertools.chain(kept, rows))
    Path(file.name).replace(path)


def command(main):
    """Run a command; what is not readable is one line and a status of 2."""
    try:
        sys.exit(main())
    except UnreadableError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
