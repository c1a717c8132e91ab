"""What all tests share: settings of hypothesis, one cache of kernels for all workers, fresh interpreters."""

import collections
import fcntl
import itertools
import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import settings

from mbfast import audit
from mbfast._core import tiles
from mbfast._core.tiles import cut

pytest.register_assert_rewrite("legible")  # whose assertions tell what they compared
JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
ROUNDS = int(os.environ.get("MBFAST_FUZZ", "1"))  # how many times as many seeds the fuzzers take
# of interpolants, beside 7: the kernels are the same for all of them, so that without the JIT one is enough
OTHER_DEGREES = [pytest.param(degree, marks=pytest.mark.compiled) for degree in (5, 3, 1)]

# The same examples on every run and machine; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("mbfast", deadline=None, derandomize=True, max_examples=10 if JIT_OFF else 60)
settings.register_profile("explore", parent=settings.get_profile("mbfast"), derandomize=False)
settings.load_profile("mbfast")

# The commands under test obey these variables: whoever runs the suite may have set them, and no test expects that.
for _name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Workers of `-n auto`: the cores this process may use, and no more than the suite can keep busy."""
    return min(tiles.usable_cores(), 4)


def pytest_sessionstart(session):
    """Compile all kernels before xdist starts its workers: each would compile the same ones at the same time."""
    if not getattr(session.config.option, "numprocesses", None):
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of each worker: they share the cores already
    if not JIT_OFF:
        command = [sys.executable, "-P", "-m", "mbfast", "warmup"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            pytest.exit(f"mbfast warmup failed:\n{done.stderr}", returncode=1)


def pytest_configure(config):
    text = "thinned(n, bare=n): cases that have all combinations of values of n parameters, bare without the JIT"
    config.addinivalue_line("markers", f"{text}; all others are slow")


def covering(cases, together):
    """Choose few of the cases: by turns one with most new combinations, of values that were chosen least often."""
    combinations = [set(itertools.combinations(sorted(case), min(together, len(case)))) for case in cases]
    left, used, chosen = set().union(*combinations), collections.Counter(), set()
    while left:
        gains = [(len(combinations[i] & left), -sum(used[value] for value in case)) for i, case in enumerate(cases)]
        best = gains.index(max(gains))
        left -= combinations[best]
        used.update(cases[best])
        chosen.add(best)
    return chosen


@pytest.hookimpl(tryfirst=True)  # before slow ones are left out
def pytest_collection_modifyitems(items):
    thinned = {}
    for item in items:
        if JIT_OFF and item.get_closest_marker("compiled"):
            item.add_marker(pytest.mark.skip(reason="needs the JIT"))
        elif item.get_closest_marker("thinned") and not item.get_closest_marker("slow"):
            thinned.setdefault((item.parent, item.originalname), []).append(item)
    for cases in thinned.values():
        mark = cases[0].get_closest_marker("thinned")
        together = mark.kwargs.get("bare", *mark.args) if JIT_OFF else mark.args[0]
        # values are told apart as objects: not all can be compared
        values = [[(name, id(value)) for name, value in case.callspec.params.items()] for case in cases]
        chosen = covering(values, together)
        for number, case in enumerate(cases):
            if number not in chosen:
                case.add_marker(pytest.mark.slow)


@pytest.fixture
def run_python():
    """Run code in a fresh interpreter with additional environment variables; return what it prints."""

    def run(code, **environment):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, "PYTHONUTF8": "1", **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def eager_threads(monkeypatch):
    """Sums that are so small that one thread would do them are shared among threads."""
    for module in ("ewald", "strained"):
        monkeypatch.setattr(f"mbfast.pairs.{module}._ALONE", 0)


@pytest.fixture
def many_parts(monkeypatch):
    """Direct sums of few blocks come in many tiles of targets and pieces of sources, each a part of its own."""
    monkeypatch.setattr("mbfast.pairs.direct._JOURNEY", 1.0)
    monkeypatch.setattr("mbfast.pairs.direct._LARGE", 1)
    monkeypatch.setattr("mbfast.pairs.direct._SOURCES", 48)
    monkeypatch.setattr("mbfast.pairs.direct.DirectField._tiles", lambda self: cut(self._n, 16))


@pytest.fixture(scope="session")
def audit_records(tmp_path_factory):
    """All records of the audit, computed once in a run of the suite, by the first worker that asks for them."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return list(audit.reproduce())
    shared = tmp_path_factory.getbasetemp().parent / "audit_records"  # the parent is that of all workers of this run
    with shared.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if shared.stat().st_size == 0:
            pickle.dump(list(audit.reproduce()), file)
            file.flush()
        file.seek(0)
        return pickle.load(file)
