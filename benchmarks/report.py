"""Turn one run's JSON into a Markdown table of ratios: ``python -m benchmarks.report run.json``.

The ratio is the median over the group's first contender named in REFERENCES, so it means the same on any machine.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

REFERENCES = ("numpy cbrt", "bare")


def table(run):
    groups = defaultdict(dict)
    for entry in run["benchmarks"]:
        groups[entry["group"]][entry["name"]] = entry["stats"]["median"], entry["extra_info"].get("evaluations")
    lines = ["| case | contender | median | per evaluation | reference / this |", "|---|---|---|---|---|"]
    for group, entries in groups.items():
        reference = next((entries[name][0] for name in REFERENCES if name in entries), None)
        for name, (median, evaluations) in entries.items():
            each = f"{1e9 * median / evaluations:.2f} ns" if evaluations else ""
            ratio = f"{reference / median:.2f}" if reference else ""
            lines.append(f"| {group} | {name} | {1e3 * median:.3g} ms | {each} | {ratio} |")
    cpu, versions = run["machine_info"]["cpu"], run["machine_info"]["python_version"]
    return "\n".join([*lines, "", f"{cpu.get('brand_raw', 'unknown processor')}, Python {versions}"])


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
