"""Lattice fields by way of a folder against those in memory, in one run, on whatever disk temporary files are.

Moments and fields are arrays in memory: what is timed beside the transforms is the way through the folder, most of it
in the system's cache at these sizes. "least memory" is the plan that has least. "set-up" is that of the kernel, which
is then in the folder.
"""

import numpy as np
import pytest

import mbfast
from mbfast.pairs import stored
from mbfast.pairs._stored.plan import planned

SILICA = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)


@pytest.fixture
def least_memory(monkeypatch):
    """Plans for the least memory that there is one for."""
    monkeypatch.setattr(stored, "planned", lambda of, _, threads: planned(of, planned(of, 0.0, threads), threads))


def given(benchmark, rng, boundary):
    n = 16 if benchmark.disabled else 64
    return (
        f"stress lattice field, {boundary}, stored",
        mbfast.BlockLattice((n, n, n), 1.0),
        rng.normal(size=(n, n, n, 6)),
    )


@pytest.mark.quick
@pytest.mark.parametrize("contender", ["in memory", "least memory", "stored, ample memory"])
@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_field(case, benchmark, rng, tmp_path, request, boundary, contender):
    group, lattice, moments = given(benchmark, rng, boundary)
    if contender == "least memory":
        request.getfixturevalue("least_memory")
    field, out = mbfast.LatticeField(SILICA, lattice, boundary=boundary), np.empty_like(moments)
    expected = field(moments)
    if contender != "in memory":
        field = mbfast.StoredLatticeField(SILICA, lattice, tmp_path / "folder", memory="1 TB", boundary=boundary)
    case(group, contender, lambda: field(moments, out=out), expected, rounds=3)


@pytest.mark.parametrize("contender", ["in memory", "stored"])
def test_set_up(case, benchmark, rng, tmp_path_factory, contender):
    group, lattice, moments = given(benchmark, rng, "open")

    def stored_one():
        folder = tmp_path_factory.mktemp("stored") / "folder"
        return mbfast.StoredLatticeField(SILICA, lattice, folder, memory="1 TB")

    function = stored_one if contender == "stored" else lambda: mbfast.LatticeField(SILICA, lattice)
    expected = mbfast.LatticeField(SILICA, lattice)(moments)
    case(
        group,
        f"{contender}, set-up",
        function,
        expected,
        of=lambda made: made(moments, out=np.empty_like(moments)),
        rounds=2,
    )
