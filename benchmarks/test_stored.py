"""Lattice fields by way of a folder against those in memory, in one run, on whatever disk temporary files are.

Moments and fields are arrays in memory: what is timed beside the transforms is the way through the folder, most of it
in the system's cache at these sizes. Plans are those for the least memory. Bits are compared first. "set-up" is that of
the kernel, which is in the folder afterwards.
"""

import numpy as np
import pytest

import mbfast
from mbfast._core.machine import usable_cores
from mbfast.pairs import stored
from mbfast.pairs._stored.plan import planned

SILICA = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)
CORES = usable_cores()


@pytest.fixture
def least_memory(monkeypatch):
    """Plans for the least memory that there is one for."""
    monkeypatch.setattr(stored, "planned", lambda of, _, threads: planned(of, planned(of, 0.0, threads), threads))


def given(benchmark, rng, boundary, contender):
    n = 16 if benchmark.disabled else 128
    benchmark.group, benchmark.name = (
        f"stress lattice field, {boundary}, {n}^3, stored",
        f"{contender}, {CORES} threads",
    )
    return mbfast.BlockLattice((n, n, n), 1.0), rng.normal(size=(n, n, n, 6))


@pytest.mark.parametrize("contender", ["in memory", "least memory", "ample memory"])
@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_field(benchmark, rng, tmp_path, request, boundary, contender):
    lattice, moments = given(benchmark, rng, boundary, contender)
    if contender == "least memory":
        request.getfixturevalue("least_memory")
    field, out = mbfast.LatticeField(SILICA, lattice, boundary=boundary), np.empty_like(moments)
    if contender != "in memory":
        expected = field(moments)
        field = mbfast.StoredLatticeField(SILICA, lattice, tmp_path / "folder", memory="1 TB", boundary=boundary)
        assert np.array_equal(field(moments, out), expected)
    benchmark.pedantic(lambda: field(moments, out=out), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("contender", ["in memory", "stored"])
def test_set_up(benchmark, rng, tmp_path_factory, contender):
    lattice, _ = given(benchmark, rng, "open", contender)
    benchmark.group += ", set-up"

    def stored_one():
        mbfast.StoredLatticeField(SILICA, lattice, tmp_path_factory.mktemp("stored") / "folder", memory="1 TB")

    made = stored_one if contender == "stored" else lambda: mbfast.LatticeField(SILICA, lattice)
    benchmark.pedantic(made, rounds=2, warmup_rounds=1)
