"""Turn one run's JSON into a Markdown table of ratios: ``python -m benchmarks.report run.json``.

The ratio is the median time of the group's reference, the first of REFERENCES it has, over the contender's, so it means
the same on any machine. Where both have a number of threads, the reference with the same number is taken.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

REFERENCES = (
    *("C++", "lfmm3d", "numpy cbrt", "bare", "bare FFTs by SciPy", "magnum.np"),
    *("fftconvolve", "hilbert", "pykk", "kkcalc", "NumPy", "field", "QuSpin CSR", "SciPy CSR", "serial"),
)


def reference_of(name, entries):
    """Return the reference's median for a contender of a group: the same number of threads if there is one."""
    for reference in REFERENCES:
        candidates = {key: entry for key, entry in entries.items() if key.split(",")[0] == reference}
        if candidates:
            same = f"{reference},{name.partition(',')[2]}"
            return candidates.get(same, next(iter(candidates.values())))["stats"]["median"]
    return None


def rate(entry):
    """Return what one run achieved, in the unit its benchmark counts."""
    info, median = entry["extra_info"], entry["stats"]["median"]
    if "pairs/s" in info:
        share = f", {100 * info['share']:.0f} % of the multiply-adds" if "share" in info else ""
        return f"{1e-6 * info['pairs/s']:.0f} Mpairs/s, {info['GFlop/s']:.0f} GFlop/s{share}"
    if "error" in info:
        return f"error {info['error']:.0e}"
    return f"{1e9 * median / info['evaluations']:.2f} ns each" if "evaluations" in info else ""


def table(run):
    """Return the Markdown table of a run."""
    groups = defaultdict(dict)
    for entry in run["benchmarks"]:
        groups[entry["group"]][entry["name"]] = entry
    lines = ["| case | contender | median | rate | reference / this |", "|---|---|---|---|---|"]
    for group, entries in groups.items():
        for name, entry in entries.items():
            median, reference = entry["stats"]["median"], reference_of(name, entries)
            ratio = "" if reference is None else f"{reference / median:.2f}"
            lines.append(f"| {group} | {name} | {1e3 * median:.3g} ms | {rate(entry)} | {ratio} |")
    cpu = run["machine_info"]["cpu"].get("brand_raw", "unknown processor")
    return "\n".join([*lines, "", f"{cpu}, Python {run['machine_info']['python_version']}"])


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
