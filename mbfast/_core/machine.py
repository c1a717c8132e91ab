"""What the machine gives this process: cores, and memory."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_UNASKED = 5e7  # bytes that anything may take
_CGROUP, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the number of cores this process may use: its affinity mask, and the CPU quota of its control group."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, _quota())))


@functools.cache  # small calculations would wait for it each time
def _quota() -> float:
    """Return the least number of cores that this process's control group and those above it allow."""
    quota = math.inf
    for level, unified in _groups("cpu"):
        names = ("cpu.max",) if unified else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        numbers = " ".join(_read(level / name) for name in names).split()
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):  # not "max" or -1
            quota = min(quota, int(numbers[0]) / int(numbers[1]))
    return quota


def _groups(controller: str) -> Iterator[tuple[Path, bool]]:
    """Yield the folders of this process's control group and of those above it, and whether they are of version 2."""
    for line in _read(_OWN_GROUPS).splitlines():
        hierarchy, controllers, group = line.split(":", 2)
        if hierarchy != "0" and controller not in controllers.split(","):
            continue
        root = _CGROUP if hierarchy == "0" else _CGROUP / controller
        folder = root / group.lstrip("/")
        for level in (folder, *folder.parents):
            if level.is_relative_to(root):
                yield level, hierarchy == "0"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def available_memory() -> float:
    """Return the bytes that this process can have without swapping; infinity where nothing is known.

    It is the least that the system, the control groups, the limit of the address space and Slurm leave.
    """
    return max(0.0, min(_free(), _left_by_groups(), _left_of_address_space(), _left_by_slurm()))


def require_room(nbytes: float, what: str, *values: object) -> None:
    """Raise a MemoryError that says of what, ``what.format(*values)``, if so many bytes are more than are available."""
    if nbytes > _UNASKED:
        free = available_memory()
        if nbytes > free:
            taken = f"would take {nbytes / 1e9:.3g} GB, {free / 1e9:.3g} GB are available"
            raise MemoryError(f"{what.format(*values)} {taken}")


def resident_memory() -> float:
    """Return the bytes of this process that are in memory; the most there were, where no more is known."""
    now = _own_pages(1)
    if now:
        return now
    try:
        import resource  # noqa: PLC0415
    except ImportError:
        return 3e8
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


def _free() -> float:
    try:
        for line in _read(Path("/proc/meminfo")).splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _left_by_groups() -> float:
    left = math.inf
    for level, unified in _groups("memory"):
        names = ("memory.max", "memory.current") if unified else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, used = (_read(level / name).strip() for name in names)
        if limit.isdigit() and used.isdigit():
            kept = dict(line.split(" ", 1) for line in _read(level / "memory.stat").splitlines() if " " in line)
            left = min(left, float(limit) - float(used) + float(kept.get("inactive_file", 0)))  # files can go
    return left


def _left_of_address_space() -> float:
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # not a Unix system
        return math.inf
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit - _own_pages(0)


def _left_by_slurm() -> float:
    try:
        megabytes = float(os.environ.get("SLURM_MEM_PER_NODE", "0"))
        if not megabytes:
            cores = float(os.environ.get("SLURM_CPUS_ON_NODE", "1"))
            megabytes = cores * float(os.environ.get("SLURM_MEM_PER_CPU", "0"))
    except ValueError:
        return math.inf
    return megabytes * 2.0**20 - _own_pages(1) if megabytes > 0.0 else math.inf


def _own_pages(which: int) -> float:
    """Return the bytes of this process's address space (0), or those of them in memory (1)."""
    pages = _read(Path("/proc/self/statm")).split()
    return float(int(pages[which]) * os.sysconf("SC_PAGE_SIZE")) if pages else 0.0
