"""Ctrl-C: compiled code comes back to Python often, threads leave what nobody waits for, and all stays usable."""

import json
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from materials import DIPOLES, SILICA

import mbfast
from mbfast._core import tiles
from mbfast.pairs import pencils
from mbfast.pairs._ewald import mesh, near
from mbfast.spectra import beyond, circulant, direct, dispersion, levels
from mbfast.spectra.grid import chunks
from mbfast.superblock import lanczos, sums

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
RNG = np.random.default_rng(5)
NODES = np.geomspace(1e6, 1e10, 90)
ABSORPTION = -NODES * np.exp(-NODES / 1e9) * np.array([[1.0], [2.0], [0.5]])
PLACES, DIPOLE_MOMENTS = RNG.random((60, 3)), RNG.normal(size=(60, 3))
BOX = {"method": "ewald", "boundary": "periodic", "cell": [1.0, 1.0, 1.0], "rtol": 1e-4}
LATTICE, STRESSES = mbfast.BlockLattice((4, 3, 10), 1e-9), RNG.normal(size=(4, 3, 10, 6))
VECTORS = RNG.normal(size=(2, 10_000))
STRESS = RNG.normal(size=(9, 9, 6))
STRESS += STRESS.swapaxes(0, 1)
LEVELS = {
    "energies": np.sort(RNG.random(9)) * 1e-23, "stress": STRESS, "volume": 1e-25, "temperature": 1.0, "omega": NODES,
}  # fmt: skip


def arrays_of(result):
    """The arrays of a result, which may be in tuples."""
    return [array for part in result for array in arrays_of(part)] if isinstance(result, (tuple, list)) else [result]


def superblock(blocks):
    rng = np.random.default_rng(3)
    levels = [mbfast.Block.two_level(*(1e-24 * rng.random(2)), 1e-29 * rng.normal(size=3)) for _ in range(blocks)]
    return mbfast.SuperBlock(DIPOLES, 5e-9 * np.arange(3.0 * blocks).reshape(blocks, 3), levels)


def susceptibilities():
    lines = mbfast.susceptibility_from_levels(**LEVELS, broadening=1e9)
    return [*lines, *mbfast.susceptibility_from_levels(**LEVELS, shape="histogram")]


# where work is cut: what the sizes of the pieces are, and calls that are cut by them
PIECES = {
    "passes over a lattice": (
        {(pencils, "_NUMBERS"): 1},
        lambda: mbfast.pair_field(SILICA, LATTICE, STRESSES, method="fft", threads=1),
    ),
    "passes over a periodic lattice": (
        {(pencils, "_NUMBERS"): 1},
        lambda: mbfast.pair_field(SILICA, LATTICE, STRESSES, boundary="periodic", method="fft", threads=1),
    ),
    "blocks spread on a mesh, and near ones": (
        {(mesh, "_NUMBERS"): 7000, (near, "_PAIRS"): 100},
        lambda: mbfast.pair_field(DIPOLES, PLACES, DIPOLE_MOMENTS, **BOX, threads=1),
    ),
    "cells of a convolution": (
        {(direct, "_CELLS"): 1},
        lambda: mbfast.convolve(NODES, ABSORPTION, temperature=1e-3, threads=1),
    ),
    "cells of Kramers and Kronig": (
        {(beyond, "CELLS"): 1, (dispersion, "CELLS"): 1},
        lambda: mbfast.KramersKronigPlan(NODES, at=NODES[::2])(ABSORPTION, threads=1),
    ),
    "rows of circulants": (
        {(circulant, "_TOGETHER"): 7},
        lambda: mbfast.KramersKronigPlan(NODES, method="fft")(ABSORPTION, threads=1),
    ),
    "pairs of levels": ({(levels, "_NUMBERS"): 1}, susceptibilities),
    "flips": ({(sums, "_LARGE"): 1}, lambda: superblock(6).apply(np.arange(64.0), threads=1)),
    "sums over states": (
        {(lanczos, "_MANY_TILES"): 1},
        lambda: lanczos.Operator(lambda *_: None, 10_000, np.dtype(float), 2).dot(*VECTORS),
    ),
}  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("name", PIECES)
def test_smaller_pieces_make_the_same_bits(monkeypatch, name):
    sizes, call = PIECES[name]
    whole = call()
    for (module, constant), size in sizes.items():
        assert getattr(module, constant) > size
        monkeypatch.setattr(module, constant, size)
    for one, other in zip(arrays_of(call()), arrays_of(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n", [1, 7, 4096, 10**5])
def test_pieces_stay_small_however_large_the_whole_is(n):
    """Or consist of one line, frequency or level."""
    lines, frequencies, pairs = (
        max(stop - start for start, stop in pieces)
        for pieces in (
            pencils.pieces_of(n, 1000 * n, 1),
            chunks(n, 10**5, dispersion._CHUNK, dispersion.CELLS),
            levels._ranges(n, 100),
        )
    )
    assert lines <= max(1, pencils._NUMBERS // 1000)
    assert frequencies <= max(1, dispersion.CELLS // 10**5)
    assert pairs <= max(1, levels._NUMBERS // n)


def begin_and(stop):
    """Run two tiles on two threads: the caller's calls `stop` when the other one works, which goes on until it may."""
    begun, here = threading.Event(), threading.get_ident()

    def work(_):
        if threading.get_ident() == here:
            assert begun.wait(60.0)
            stop()
        while True:
            tiles.pause()
            begun.set()

    tiles.run(work, range(2), threads=2)


def interrupt():
    raise KeyboardInterrupt


def test_threads_leave_a_tile_that_nobody_waits_for():
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        begin_and(interrupt)
    assert threading.active_count() == before
    assert tiles.default_threads()[1] != "a tile of another call"


def test_an_error_in_one_thread_is_what_the_caller_gets():
    begun, here, others = threading.Barrier(3), threading.get_ident(), iter([1, 2])

    def work(_):
        begun.wait(60.0)
        if threading.get_ident() == here:
            return
        if next(others) == 1:
            raise RuntimeError("of another thread")
        while True:
            tiles.pause()

    with pytest.raises(RuntimeError, match="of another thread"):
        tiles.run(work, range(3), threads=3)


def test_calls_within_an_item_end_with_it():
    """An item that goes on for ever in calls of mbfast, on a thread that does not hear Ctrl-C itself."""
    chain, begun, here = mbfast.BlockLattice((4, 1, 1), 1.0), threading.Event(), threading.get_ident()

    def item(_):
        if threading.get_ident() == here:
            assert begun.wait(60.0)
            raise KeyboardInterrupt
        while True:
            mbfast.lattice_sum(chain, 6.0)
            begun.set()

    with pytest.raises(KeyboardInterrupt):
        mbfast.run_each(item, range(2), threads=2)


def test_helpers_of_a_call_within_a_tile_leave_with_it():
    """Where the thread that called them waits, and so does not look itself whether it is left."""
    begun, both, here, inner = threading.Event(), threading.Barrier(2), threading.get_ident(), []

    def within(_):
        both.wait(60.0)
        while threading.get_ident() not in inner:
            begun.set()
            tiles.pause()

    def work(_):
        if threading.get_ident() == here:
            assert begun.wait(60.0)
            raise KeyboardInterrupt
        inner.append(threading.get_ident())
        tiles.run(within, range(2), threads=2)

    with pytest.raises(KeyboardInterrupt):
        tiles.run(work, range(2), threads=2)


class Interrupting:
    """A `progress` that raises KeyboardInterrupt at a tile."""

    def __init__(self, at):
        self.at = at

    def __call__(self, done, _):
        if done == self.at:
            raise KeyboardInterrupt


@pytest.mark.compiled
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_fields_are_as_they_were_after_an_interrupt(many_parts, threads, at):
    before = threading.active_count()
    made = [
        (mbfast.LatticeField(SILICA, mbfast.BlockLattice((4, 3, 40), 1e-9)), RNG.normal(size=(4, 3, 40, 6))),
        (mbfast.DirectField(DIPOLES, PLACES), DIPOLE_MOMENTS),
    ]
    for field, moments in made:
        expected = field(moments)
        kept = moments.copy()
        with np.errstate(all="raise"):
            try:
                field(moments, threads=threads, progress=Interrupting(at))
            except KeyboardInterrupt:
                pass
            else:  # it is done in fewer tiles
                assert at > 3
        np.testing.assert_array_equal(moments, kept)
        np.testing.assert_array_equal(field(moments, threads=threads), expected)
    assert threading.active_count() == before


STORM = """
import random, signal, sys, threading, time
from mbfast._core import tiles

def heard(*_):
    global left
    if left:
        left -= 1
        if left:  # the next one comes while this one is seen to
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 1e-4))
        raise KeyboardInterrupt

def interrupted():
    global left
    left = rng.choice([1, 1, 2])
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 5e-4))
        assert tiles.run_steps([(work, range(20)), (work, range(20))], threads=3) == [[1225] * 20] * 2
    finally:
        left = 0

signal.signal(signal.SIGALRM, heard)
rng, left, cut = random.Random(int(sys.argv[2])), 0, 0
work = lambda i: sum(range(50))
for _ in range(int(sys.argv[1])):
    try:
        interrupted()
    except KeyboardInterrupt:
        cut += 1
    assert tiles.default_threads()[1] != "a tile of another call"
    for _ in range(2000):  # one that was being started when it came ends by itself
        if threading.active_count() == 1:
            break
        time.sleep(0.01)
    else:
        sys.exit("a thread is left")
print("done", cut > 0)
"""


@posix
@pytest.mark.parametrize(
    ("times", "seed"), [(500, 0), *(pytest.param(10_000, n, marks=pytest.mark.slow) for n in (1, 2))]
)
def test_interrupts_leave_no_thread_and_no_lock(times, seed):
    """Whatever the caller is at, and while it sees to the one before."""
    command = [sys.executable, "-P", "-c", STORM, str(times), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert (done.stdout, done.stderr) == ("done True\n", "")


# code that is run until it is interrupted, from real signals: long calls of all kinds, threads is THREADS
SETUP = """
import json, os, random, signal, sys, tempfile, threading, time, numpy as np, mbfast
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent may have had ignored
rng, threads = np.random.default_rng(0), int(sys.argv[1])
dipoles, silica = mbfast.DipoleInteraction(1.0), mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
periodic = dict(boundary="periodic", cell=[1.0, 1.0, 1.0])
nodes = np.geomspace(1e6, 1e12, 20_000)
absorption = -nodes * np.exp(-nodes / 1e10)
uneven = np.sort(np.exp(rng.uniform(0.0, 14.0, 20_000)))
def cloud(n, c=3):
    return rng.random((n, 3)), rng.normal(size=(n, c))
def spins(n):
    places = 5e-9 * np.indices((3, 3, 3)).reshape(3, -1).T[:n].astype(float)
    of = lambda: mbfast.Block.two_level(*(1e-24 * rng.random(2)), 1e-34 * rng.normal(size=3))
    return mbfast.SuperBlock(dipoles, places, [of() for _ in range(n)])
def for_ever(call, *given):
    while True:
        call(*given)
"""
LONG = """
direct: x, m = cloud(300_000)
    mbfast.pair_field(dipoles, x, m, method='direct', threads=threads)
energy: x, m = cloud(300_000, 6)
    mbfast.pair_energy(silica, x, m, method='direct', threads=threads)
images: x, m = cloud(3000)
    mbfast.pair_forces(dipoles, x, m, images=8, threads=threads, **periodic)
ewald: x, m = cloud(300_000)
    for_ever(lambda: mbfast.pair_field(dipoles, x, m, method='ewald', rtol=1e-6, threads=threads, **periodic))
open ewald: x, m = cloud(100_000, 6)
    for_ever(lambda: mbfast.pair_virial(silica, x, m, method='ewald', rtol=1e-6, threads=threads))
fft: f, m = mbfast.LatticeField(silica, mbfast.BlockLattice((128,) * 3, 1.0)), rng.normal(size=(128, 128, 128, 6))
    for_ever(lambda: f(m, threads=threads))
lattice set-up: l = mbfast.BlockLattice((160,) * 3, 1.0)
    for_ever(lambda: mbfast.LatticeField(silica, l, threads=threads))
stored: d = tempfile.TemporaryDirectory(); l, m = mbfast.BlockLattice((96,) * 3, 1.0), rng.normal(size=(96, 96, 96, 3))
    for_ever(mbfast.StoredLatticeField(dipoles, l, d.name, memory='400 MB', threads=threads), m, m.copy())
convolve:
    for_ever(lambda: mbfast.convolve(nodes, absorption, temperature=0.5, threads=threads))
kramers_kronig:
    for_ever(lambda: mbfast.kramers_kronig(uneven, absorption, threads=threads))
plan:
    for_ever(lambda: mbfast.KramersKronigPlan(uneven[::4]))
levels: e = np.sort(rng.random(400)) * 1e-21; s = rng.normal(size=(400, 400, 6)); s += s.swapaxes(0, 1)
    for_ever(lambda: mbfast.susceptibility_from_levels(e, s, 1e-25, 1.0, nodes[::20], 1e9))
flows: s = mbfast.Spectrum(nodes[::8], absorption[::8], absorption[::8], 1.0)
    mbfast.flow(s, silica, n0=np.linspace(2.0, 3.0, 50), threads=threads)
disordered: l, u = mbfast.BlockLattice((40,) * 3, 5e-9), -1e9 * (rng.random((2, 40, 40, 40)) + 0.1j)
    for_ever(lambda: mbfast.disordered_response(silica, l, mbfast.Moduli(*u), threads=threads))
lowest levels: s = spins(19)
    for_ever(lambda: s.energies(8, threads=threads))
chebyshev: s, how = spins(16), dict(volume=1e-24, broadening=1e9, method='chebyshev', rng=rng, vectors=50)
    for_ever(lambda: s.susceptibility(nodes[::400], 1.0, **how, threads=threads))
evolution: s = spins(18)
    for_ever(lambda: s.evolve(rng.normal(size=2**18), [0.0, 1e-9], threads=threads))
lattice_sum: x, m = cloud(100_000)
    mbfast.lattice_sum(x, 6.5, spacing=1.0, threads=threads)
phase_sum: l = mbfast.BlockLattice((300,) * 3, 5e-9)
    for_ever(lambda: mbfast.phase_sum(silica, l, [0.0, 0.0, 1e7], 'transverse', threads=threads))
run_each:
    mbfast.run_each(lambda _: for_ever(lambda: mbfast.pair_energy(dipoles, *cloud(2000))), range(4), threads=threads)
audit:
    for_ever(lambda: list(mbfast.audit.reproduce()))
"""
CASES = [case.partition(":") for case in re.split(r"\n(?=\w)", LONG.strip())]
SENT = """
{setup}
begun = threading.Event()
def send():
    begun.wait()
    time.sleep(random.Random({seed}).uniform(0.5, 6.0))
    sent.append((time.monotonic(), time.process_time()))
    os.kill(os.getpid(), signal.SIGINT)
sent, before = [], threading.active_count()
threading.Thread(target=send, daemon=True).start()
begun.set()
try:
    {call}
except KeyboardInterrupt:
    wall, used = time.monotonic() - sent[0][0], time.process_time() - sent[0][1]
    left = [t.name for t in threading.enumerate() if t is not threading.main_thread() and t.name != "Thread-1 (send)"]
    print(json.dumps([wall, used, left]))
"""


@posix
@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "code"), [pytest.param(name, code, id=name) for name, _, code in CASES])
def test_long_calls_end_soon(name, code, seed, threads):
    """Of the processor, half a second for each thread; twice that, as another program may have the caches."""
    setup, _, call = code.strip().rpartition("\n")
    code = SETUP + SENT.format(setup=setup, call=call.strip(), seed=seed)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(threads)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stderr == ""
    wall, used, left = json.loads(done.stdout)
    print(f"{name}, {threads} threads: {wall:.3f} s, {used:.3f} s of the processor")
    assert left == []
    assert used < 1.0 * threads


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent may have had ignored
import mbfast.pairs.sums
from mbfast.__main__ import main
mbfast.pairs.sums.pair_sum = lambda *_, **__: signal.raise_signal(signal.SIGINT)
sys.argv = ["mbfast", "pairsum", sys.argv[1], "--permittivity", "1e-11", "--checkpoint", "run.checkpoint"]
main()
"""


@posix
def test_a_command_that_is_interrupted_says_so_in_one_line(tmp_path):
    np.savez(tmp_path / "blocks.npz", positions=PLACES, moments=DIPOLE_MOMENTS)
    done = subprocess.run(
        [sys.executable, "-P", "-c", INTERRUPTED, "blocks.npz"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "mbfast pairsum: interrupted; mbfast resume run.checkpoint goes on with it\n"
    assert [file.name for file in tmp_path.iterdir()] == ["blocks.npz"]
