import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(20151019)


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    library = tmp_path_factory.mktemp("reference") / "reference.so"
    flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
    done = subprocess.run([compiler, *flags, Path(__file__).with_name("reference.cpp"), "-o", library], check=False)
    if done.returncode:
        pytest.skip("the C++ reference does not compile here")
    functions = ctypes.CDLL(str(library))
    for name in ("stress_energy", "dipole_energy"):
        getattr(functions, name).restype = ctypes.c_double
    return functions
