"""What the machine gives this process: cores, and memory."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

_CGROUP, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the number of cores this process may use: its affinity mask, and the CPU quota of its control group."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, _quota())))


@functools.cache  # small calculations would wait for it each time
def _quota() -> float:
    """Return the least number of cores that this process's control group and those above it allow."""
    quota = math.inf
    for line in _read(_OWN_GROUPS).splitlines():
        hierarchy, controllers, group = line.split(":", 2)
        files: tuple[str, ...]
        if hierarchy == "0":  # control groups v2
            root, files = _CGROUP, ("cpu.max",)
        elif "cpu" in controllers.split(","):  # v1
            root, files = _CGROUP / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        folder = root / group.lstrip("/")
        for level in (folder, *folder.parents):
            if level.is_relative_to(root):
                numbers = " ".join(_read(level / file) for file in files).split()
                if len(numbers) == 2 and all(number.isdigit() for number in numbers):  # not "max" or -1
                    quota = min(quota, int(numbers[0]) / int(numbers[1]))
    return quota


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def available_memory() -> float:
    """Return the bytes that this process can have without swapping; infinity where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (OSError, ValueError):
        return math.inf
