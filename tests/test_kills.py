"""Runs that are killed at random moments, again and again, end with the bits of undisturbed ones: ``-m slow``."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.compiled]

# Each writes its result to OUT, and keeps what is finished in KEPT, if that is given.
KINDS = {
    "pair sum": """
rng = np.random.default_rng(1)
places, moments = rng.random((12_000, 3)), rng.normal(size=(12_000, 6))
field = mbfast.pair_field(SILICA, places, moments, method="direct", threads=1, checkpoint=KEPT)
field.tofile(OUT)
""",
    "sweep of flows": """
omega = np.geomspace(1e5, 1e14, 200)
absorption = -np.multiply.outer(np.linspace(1e7, 9e7, 150), np.ones(200))
run = mbfast.flow(mbfast.Spectrum(omega, absorption, absorption, 0.1), SILICA, threads=1, checkpoint=KEPT)
run.longitudinal.tofile(OUT)
""",
    "ensemble": """
from mbfast.superblock import ensembles
from mbfast.superblock.orders import measure_orders
def drawn(rng):
    blocks = ensembles.gaussian_blocks(6, 2, 1e-24, 1e-20, rng=rng)
    return mbfast.SuperBlock(SILICA, mbfast.BlockLattice((6, 1, 1), 5e-9), blocks)
found = measure_orders(
    {"chains": drawn}, [1e10 + 1e10j], 0.1, block_volume=1e-25, members=80, rng=np.random.default_rng(1), threads=1,
    checkpoint=KEPT,
)
found.exact.tofile(OUT)
""",
    "Monte Carlo": """
import json
from mbfast.examples.monte_carlo import sweep
from mbfast.kernels import dipole
positions = np.ascontiguousarray(mbfast.BlockLattice((8, 8, 8), 1.0).positions.T)
moments, rng, done = np.tile([[0.0], [0.0], [1.0]], 512), np.random.default_rng(1), 0
kept = None if KEPT is None else mbfast.Checkpoint(KEPT, {"seed": 1}, kind="annealing")
if kept is not None and (state := kept.get("state")) is not None:
    moments, done = state["moments"], int(state["done"])
    rng.bit_generator.state = json.loads(str(state["rng"]))
for number in range(done, 300):
    field = np.zeros((3, 512))
    dipole.field(positions, positions, moments, field)
    sweep(positions, moments, field, 8.0 * 0.99**number, 2000, rng)
    if kept is not None:
        kept.put("state", moments=moments, done=number + 1, rng=json.dumps(rng.bit_generator.state))
moments.tofile(OUT)
""",
    "stored field": """
import shutil, tempfile
lattice = mbfast.BlockLattice((96, 96, 96), 5e-9)
moments = np.random.default_rng(1).normal(size=(96, 96, 96, 6))
folder = tempfile.mkdtemp(dir=".") if KEPT is None else KEPT
field = mbfast.StoredLatticeField(SILICA, lattice, folder, memory="600 MB", threads=1)
field(moments, np.empty_like(moments)).tofile(OUT)
if KEPT is None:
    shutil.rmtree(folder)
""",
}
HEAD = """
import sys, numpy as np, mbfast
SILICA = mbfast.StressInteraction(2200, 5800, 3800)
OUT, KEPT = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
"""


def started(kind, folder, *arguments):
    code = HEAD + KINDS[kind]
    return subprocess.Popen([sys.executable, "-P", "-c", code, *arguments], cwd=folder)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_kills_at_random_moments(kind, tmp_path):
    for out in ("first", "whole"):  # the first compiles
        start = time.perf_counter()
        assert started(kind, tmp_path, out).wait() == 0
        seconds = time.perf_counter() - start
    rng, kills = random.Random(1), 0
    while kills < 10:
        process = started(kind, tmp_path, "out", "kept")
        try:
            process.wait(seconds * rng.uniform(0.2, 0.5))
            break  # what was kept has brought it to its end
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert started(kind, tmp_path, "out", "kept").wait() == 0
    assert kills > 1
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    assert np.isfinite(np.fromfile(tmp_path / "out")).all()
