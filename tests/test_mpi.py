"""Lattice fields shared among ranks of MPI: mpi_ranks.py has what they are held to, and is run by mpiexec here."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import DIPOLES

import mbfast
from mbfast import mpi


def mpiexec(ranks, *arguments):
    """Run Python on some ranks: what they print, or why they failed."""
    names = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OPENBLAS_NUM_THREADS": "1"}
    # more ranks than cores, for Open MPI 4 and 5; others do not know these
    names |= {"OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    names["PYTHONPATH"] = str(Path(mbfast.__file__).parents[1])
    command = ["mpiexec", "-n", str(ranks), sys.executable, "-m", "mpi4py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | names, timeout=300, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


@pytest.mark.compiled
def test_ranks_have_the_bits_of_one_process_and_the_errors_of_each_other():
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("the extra mpi is not installed")
    if shutil.which("mpiexec") is None:
        pytest.skip("MPI is not installed: there is no mpiexec")
    if mpiexec(2, "-c", "from mpi4py import MPI; print(MPI.COMM_WORLD.size)").split() != ["2", "2"]:
        pytest.skip("mpiexec cannot start two ranks, or is not that of the MPI that mpi4py has")
    assert mpiexec(3, str(Path(__file__).with_name("mpi_ranks.py"))) == "10 cases on 3, 2 and fewer ranks\n"


@settings(max_examples=50)
@given(st.integers(0, 200), st.integers(1, 50), st.integers(1, 20))
def test_shares_are_whole_units_nearly_alike(n, size, unit):
    shares = mpi._shares(n, size, unit)
    assert [i for share in shares for i in range(*share)] == list(range(n))
    assert all(0 <= first <= last for first, last in shares)
    assert all(first % unit == 0 for first, last in shares if first < last)
    lengths = [last - first for first, last in shares]
    assert max(lengths) - min(lengths) <= 2 * unit


def test_without_mpi4py_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"pip install 'mbfast\[mpi\]'"):
        mpi.MPILatticeField(DIPOLES, mbfast.BlockLattice((4, 4, 4), 5e-9), None)
