"""What a user waits for before the first result: imports, compilation, loading compiled kernels, the main job.

Each round is a process of its own; the group's `bare` is the reference.
"""

import os
import subprocess
import sys

import pytest

FIRST = "import mbfast; mbfast.cutoff_length(1e10, 1e7, 1e15)"
JOB = "import sys; sys.argv = ['mbfast', 'reproduce']; from mbfast.__main__ import main; main()"
CASES = {
    "import": {
        "bare": "import numpy, numba",
        "mbfast": "import numpy, numba, mbfast",
        "mbfast, all names": "import numpy, numba, mbfast; [getattr(mbfast, name) for name in mbfast.__all__]",
    },
    "first cutoff_length": {"bare": "import numpy, numba", "compile": FIRST, "from cache": FIRST},
    "main job": {"bare": "import numpy, numba", "reproduce, compile": JOB, "reproduce, from cache": JOB},
}


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, names in CASES.items() for name in names])
def test_startup(benchmark, tmp_path, group, name):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    if "compile" in name:
        environment["MBFAST_CACHE"] = "0"
    command = [sys.executable, "-c", CASES[group][name]]
    benchmark.group, benchmark.name = group, name
    benchmark.pedantic(
        subprocess.run,
        (command,),
        {"env": environment, "check": True, "stdout": subprocess.DEVNULL},
        rounds=7,
        warmup_rounds=1,
    )
