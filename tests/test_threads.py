"""How many threads there are, what limits them, and jobs that may start none."""

import multiprocessing.context
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mbfast
from mbfast._core import jit as _jit
from mbfast._core import tiles
from mbfast.cli import machine
from mbfast.pairs._ewald import fft

OTHERS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "SLURM_CPUS_PER_TASK")


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    """A machine without limits, and this process afterwards as it was."""
    monkeypatch.setattr(tiles, "usable_cores", lambda: 16)
    monkeypatch.setattr(tiles, "_of_environment", tiles._of_environment.__wrapped__)  # as at the first call
    for name in ("MBFAST_NUM_THREADS", *OTHERS):
        monkeypatch.delenv(name, raising=False)
    yield
    mbfast.set_threads(None)


@pytest.mark.parametrize(
    ("environment", "chosen", "expected"),
    [
        ({}, None, (16, "usable cores")),
        ({}, 3, (3, "set_threads")),
        ({}, 40, (16, "usable cores")),
        ({"MBFAST_NUM_THREADS": " 004 "}, None, (4, "MBFAST_NUM_THREADS")),
        ({"MBFAST_NUM_THREADS": ""}, None, (16, "usable cores")),
        ({"MBFAST_NUM_THREADS": "4"}, 5, (5, "set_threads")),
        ({"MBFAST_NUM_THREADS": "4", "OMP_NUM_THREADS": "1"}, None, (4, "MBFAST_NUM_THREADS")),
        ({"OMP_NUM_THREADS": "4,2"}, None, (4, "OMP_NUM_THREADS")),
        ({"OMP_NUM_THREADS": "8", "SLURM_CPUS_PER_TASK": "2"}, None, (2, "SLURM_CPUS_PER_TASK")),
        ({"OMP_NUM_THREADS": "0", "NUMBA_NUM_THREADS": "many"}, None, (16, "usable cores")),
        ({"NUMBA_NUM_THREADS": "7", "SLURM_CPUS_PER_TASK": "9" * 5000}, None, (7, "NUMBA_NUM_THREADS")),
    ],
)
def test_what_none_stands_for(monkeypatch, environment, chosen, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    mbfast.set_threads(chosen)
    assert tiles.default_threads() == expected
    assert tiles.check_threads(None) == expected[0]
    assert tiles.check_threads(20) == 20  # what a call asks for has no limit


@given(st.sampled_from(OTHERS), st.text(st.characters(exclude_characters="\0", codec="ascii")))
def test_variables_of_others_never_stop_a_call(name, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        assert 1 <= tiles.default_threads()[0] <= 16


@pytest.mark.parametrize("value", ["x", "0", "-1", "2.0", "1_0", "4,2", "٣", "9" * 5000])
def test_a_bad_value_of_our_own_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("MBFAST_NUM_THREADS", value)
    with pytest.raises(ValueError, match=r"MBFAST_NUM_THREADS must be a whole number of at least 1, got '"):
        mbfast.lattice_sum(mbfast.BlockLattice((2, 2, 2), 1.0), 6)
    mbfast.set_threads(2)  # which comes before it
    assert tiles.default_threads() == (2, "set_threads")


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-3, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_bad_limits_change_nothing(wrong, error):
    mbfast.set_threads(5)
    with pytest.raises(error, match="threads must be"):
        mbfast.set_threads(wrong)
    assert tiles.default_threads() == (5, "set_threads")


def few_threads(monkeypatch, number):
    """Let no more than so many threads start."""
    start, left = threading.Thread.start, iter(range(number))

    def limited(thread):
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)


@pytest.mark.parametrize("number", range(4))
def test_tiles_are_done_by_the_threads_there_are(monkeypatch, number):
    few_threads(monkeypatch, number)
    advanced = []
    done = tiles.run(lambda tile: tile * tile, range(50), threads=4, advance=lambda: advanced.append(1))
    assert done == [tile * tile for tile in range(50)]
    assert len(advanced) == 50


@pytest.mark.parametrize("number", [0, 1])
def test_an_error_comes_out_whoever_meets_it(monkeypatch, number):
    few_threads(monkeypatch, number)
    with pytest.raises(ZeroDivisionError, match="division"):
        tiles.run(lambda tile: 1 / tile, range(50), threads=4)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_steps_wait_for_each_other(monkeypatch, number):
    """Whoever does them: no tile of a step begins before all those of the one before are done."""
    few_threads(monkeypatch, number)
    done, advanced = [], []

    def work(step):
        def one(tile):
            assert len(done) >= 7 * step
            done.append(step)
            return step, tile

        return one

    found = tiles.run_steps([(work(i), range(7)) for i in range(4)], threads=4, advance=lambda: advanced.append(1))
    assert found == [[(step, tile) for tile in range(7)] for step in range(4)]
    assert (done, len(advanced)) == (sorted(done), 28)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_ends_all_steps(threads):
    done = []
    with pytest.raises(ZeroDivisionError):
        tiles.run_steps([(lambda tile: 1 / tile, range(5)), (done.append, range(5))], threads=threads)
    assert not done


def test_the_caller_takes_part():
    both = threading.Barrier(2)

    def work(_):
        both.wait(timeout=60)
        return threading.get_ident()

    assert threading.get_ident() in tiles.run(work, range(2), threads=2)


@pytest.mark.parametrize("method", ["direct", "ewald"])
def test_sums_where_no_thread_can_be_started(monkeypatch, method):
    rng = np.random.default_rng(1)
    positions, moments, mu = 1e-8 * rng.random((60, 3)), rng.normal(size=(60, 3)), mbfast.DipoleInteraction(1e-11)
    options = {"method": method, **({"rtol": 1e-4} if method == "ewald" else {})}
    alone = mbfast.pair_field(mu, positions, moments, threads=1, **options)
    few_threads(monkeypatch, 0)
    assert np.array_equal(mbfast.pair_field(mu, positions, moments, threads=4, **options), alone)


def test_transforms_where_those_of_ducc0_cannot_be_started(monkeypatch):
    ducc = pytest.importorskip("ducc0.fft")

    def fail(*_, **__):
        raise RuntimeError("Resource temporarily unavailable")

    monkeypatch.setattr(ducc, "r2c", fail)
    fft.ducc.cache_clear()
    try:
        assert np.allclose(fft.real(np.arange(4.0), 0), np.fft.rfft(np.arange(4.0)))
    finally:
        fft.ducc.cache_clear()


def test_warmup_without_other_processes(monkeypatch):
    compiled = []
    monkeypatch.setattr(_jit.Kernel, "compile", lambda kernel: compiled.append(kernel.name))

    def fail(process):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", fail)
    machine.compile_kernels(_jit.all_kernels(), 4)
    assert sorted(compiled) == [kernel.name for kernel in _jit.all_kernels()]


def test_warmup_does_what_a_process_that_died_has_left(monkeypatch):
    compiled, elsewhere = [], []
    monkeypatch.setattr(_jit.Kernel, "compile", lambda kernel: compiled.append(kernel.name))

    def killed(processes, jobs):
        elsewhere.extend(jobs[1])
        yield jobs[1]
        raise EOFError

    monkeypatch.setattr(machine, "_compiled_by", killed)
    machine.compile_kernels(_jit.all_kernels(), 2)
    assert elsewhere
    assert sorted(compiled + elsewhere) == [kernel.name for kernel in _jit.all_kernels()]
