"""What a user waits for before the first result: imports, compilation, loading compiled kernels, the main job.

Each round is a process of its own, with an empty cache where the name of the case or of its group says "compile", if it
is timed.
"""

import itertools
import os
import subprocess
import sys

import pytest

FIRST = "import mbfast; mbfast.cutoff_length(1e10, 1e7, 1e15)"
TWO = "from mbfast._core import jit; from mbfast.cli.machine import compile_kernels as c; c(jit.all_kernels(), 2)"
SETUP = """
import numpy as np, mbfast
stress, lattice = mbfast.StressInteraction(2200, 5800, 3800), mbfast.BlockLattice((8, 8, 8), 1e-9)
x, t, omega = np.random.default_rng(0).random((100, 3)), np.ones((100, 6)), np.geomspace(1e5, 1e15, 64)
"""
CALLS = {
    "pair_field, direct": "mbfast.pair_field(stress, x, t, method='direct')",
    "LatticeField": "mbfast.LatticeField(stress, lattice)(np.ones((8, 8, 8, 6)))",
    "EwaldField": "mbfast.EwaldField(stress, x)(t)",
    "convolve, T = 0": "mbfast.convolve(omega, np.sqrt(omega))",
    "convolve, T > 0": "mbfast.convolve(omega, np.sqrt(omega), temperature=1.0)",
    "convolve, uniform": "mbfast.convolve(np.arange(1.0, 65.0), np.ones(64))",
    "kramers_kronig": "mbfast.kramers_kronig(omega, np.sqrt(omega))",
    "levels": "mbfast.susceptibility_from_levels([0, 1e-23], np.ones((2, 2, 6)), 1, 1, [1e11], 1e10)",
    "flow": "mbfast.flow(mbfast.Spectrum(omega, -1e7 * np.ones(64), -1e7 * np.ones(64), 1.0), stress, stop=1e-7)",
}
JOB = "import sys; sys.argv = ['mbfast', 'reproduce']; from mbfast.__main__ import main; main()"
FIGURES = "import tempfile; made = tempfile.TemporaryDirectory(); " + JOB.replace("e']", "e', '--figures', made.name]")
CASES = {
    "start: import": {
        "bare": "import numpy, numba",
        "mbfast": "import numpy, numba, mbfast",
        "mbfast, all names": "import numpy, numba, mbfast; [getattr(mbfast, name) for name in mbfast.__all__]",
    },
    "start: cutoff_length": {"bare": "import numpy, numba", "mbfast, compile": FIRST, "mbfast, from cache": FIRST},
    "start: first calls, compile": {"bare": SETUP, **{f"mbfast, {name}": SETUP + call for name, call in CALLS.items()}},
    "start: all kernels, compile": {"bare": "import numpy, numba", "mbfast, two processes": TWO},
    "start: main job": {
        "bare": "import numpy, numba",
        "mbfast, from cache": JOB,
        "mbfast, with figures, from cache": FIGURES,
    },
}


SLOW = {"mbfast, two processes", *(f"mbfast, {name}" for name in ("convolve, T > 0", "convolve, uniform", "levels"))}


@pytest.mark.parametrize(
    ("group", "name"),
    [
        pytest.param(group, name, marks=[pytest.mark.slow] * (name in SLOW))
        for group, names in CASES.items()
        for name in names
    ],
)
def test_startup(case, benchmark, tmp_path, tmp_path_factory, group, name):
    cold = name != "bare" and "compile" in group + name
    if benchmark.disabled and (name == "bare" or "from cache" in name):
        pytest.skip("only timed")
    command = [sys.executable, "-P", "-c", CASES[group][name]]
    warm, folders = tmp_path_factory.getbasetemp() / "kernels", itertools.count()

    def run():
        cache = {} if benchmark.disabled else {"NUMBA_CACHE_DIR": str(tmp_path / str(next(folders)) if cold else warm)}
        return subprocess.run(command, env=os.environ | cache, capture_output=True, check=True).returncode

    case(group, name, run, None if cold else 0, rounds=1 if cold or "main job" in group else 3)
