"""Turn one run's JSON into a Markdown table of ratios: ``python -m benchmarks.report run.json``.

The ratio is the median time of the group's reference (`benchmarks.cases`) over the contender's, so it means the same on
any machine. Where both have a number of threads, the reference with the same number is taken.
"""

import sys

from . import runs


def growth(info):
    """Return how the time of a method grows, and what it takes of one core's rates at the largest size."""
    shares = ", ".join(f"{info[what]:.2g} of the {what}" for what in ("multiply-adds", "bandwidth"))
    return f"N^({info['exponent']:.2f} ± {info['exponent_error']:.2f}), {shares}"


def rate(entry):
    """Return what one run achieved, in the unit its benchmark counts."""
    info, median = entry["extra_info"], entry["stats"]["median"]
    if "exponent" in info:
        return growth(info)
    if "pairs/s" in info:
        share = f", {100 * info['share']:.0f} % of the multiply-adds" if "share" in info else ""
        return f"{1e-6 * info['pairs/s']:.0f} Mpairs/s, {info['GFlop/s']:.0f} GFlop/s{share}"
    if "evaluations" in info:
        return f"{1e9 * median / info['evaluations']:.2f} ns each"
    return f"error {info['error']:.0e}" if "error" in info else ""


def table(run):
    """Return the Markdown table of a run."""
    lines = ["| case | contender | median | rate | reference / this |", "|---|---|---|---|---|"]
    for group, entries in run.groups.items():
        for name, entry in entries.items():
            reference, ratio = runs.reference_of(name, entries), ""
            if reference is not None:
                ratio = "{:.3g} ± {:.0%}".format(*runs.ratio(name, reference, entries))
            lines.append(f"| {group} | {name} | {1e3 * entry['stats']['median']:.3g} ms | {rate(entry)} | {ratio} |")
    whole = ", interrupted" if run.interrupted else ""
    return "\n".join([*lines, "", f"{run.processor}, Python {run.python}, commit {run.commit}{whole}"])


def main():
    if len(sys.argv) != 2:
        raise runs.UnreadableError("usage: python -m benchmarks.report run.json")
    print(table(runs.read_run(sys.argv[1])))


if __name__ == "__main__":
    runs.command(main)
