"""A soak: every public call again and again, after which nothing may have grown."""

import contextlib
import gc
import os
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from test_every_argument import CALLS

ROUNDS = max(1, 10_000 // len(CALLS))
LEFT_OUT = {"viewing.show_window"}
LONG = re.compile(r"plotting|absorption$")  # take a quarter of a second: in every tenth round
MOST = 1000.0  # bytes for each call, 10 MB in all, that allocators may keep of half a gigabyte


def resident():
    """Bytes of memory that are this process's own."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def one_round(number):
    for name, (function, arguments) in CALLS.items():
        if name not in LEFT_OUT and (number % 10 == 0 or not LONG.search(name)):
            # those of files that do not exist, of results already there
            with contextlib.suppress(OSError, ValueError, TypeError, ImportError):
                function(**arguments)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_ten_thousand_calls_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for number in (0, 1, 2, 10):
        one_round(number)
    sizes, threads = [], threading.active_count()
    files, written = len(list(Path("/proc/self/fd").iterdir())), sorted(tmp_path.rglob("*"))
    for number in range(ROUNDS):
        one_round(number)
        if number % max(1, ROUNDS // 40) == 0:
            sizes.append((number * len(CALLS), resident()))
    calls, memory = np.array(sizes, dtype=float).T
    growth = np.polyfit(calls, memory, 1)[0]
    print(f"{ROUNDS * len(CALLS)} calls: {memory[0] / 1e6:.1f} to {memory[-1] / 1e6:.1f} MB, {growth:.1f} B a call")
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert sorted(tmp_path.rglob("*")) == written
    assert growth < MOST
