import ctypes
import json
import logging
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from . import cases

BEGUN, INTERRUPTED = pytest.StashKey(), pytest.StashKey()


@pytest.fixture
def rng():
    return np.random.default_rng(20151019)


@pytest.fixture(autouse=True)
def no_log():
    """Log as little as where nobody listens: pytest listens at the level of the suite, which takes time."""
    logger = logging.getLogger("mbfast")
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


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


@pytest.fixture
def case(benchmark, request):
    """Check what a function returns as the row of its group says (`benchmarks.cases`), then time it.

    ``case(group, name, function, expected)``; `of` takes from the result what is compared, and `expected` is None only
    where the same function is checked in a smaller case. The checked call is the warm-up, which a single round
    without a check goes without. Without `rounds` there are as many as fit into a fifth of a second, at least five. The
    result is that of the last call.
    """

    def run(group, name, function, expected=None, *, of=lambda result: result, rounds=None):
        row = cases.of_group(group)
        assert row is not None, f"no row of benchmarks/cases.py matches the group {group!r}"
        assert cases.kind(name) in row.contenders + row.references, f"{name!r} is not in the row of {group!r}"
        benchmark.group, benchmark.name = group, name
        at_once = benchmark.disabled or (expected is None and rounds == 1)
        result = benchmark.pedantic(function) if at_once else function()
        if expected is not None:
            benchmark.extra_info["error"] = row.check(of(result), expected() if callable(expected) else expected)
        if at_once:
            return result
        return benchmark(function) if rounds is None else benchmark.pedantic(function, rounds=rounds)

    yield run
    if benchmark.stats is not None and not benchmark.has_error:
        keep(request.config, benchmark.stats.as_dict(include_data=False))


def keep(config, entry):
    """Append a finished benchmark to the file of --benchmark-json, which the whole run replaces when it ends."""
    path = config.getoption("benchmark_json")
    if path is None:
        return
    path, hook = path if isinstance(path, Path) else Path(path.name), config.hook  # before pytest-benchmark 5.2 a file
    if not config.stash.get(BEGUN, False):
        config.stash[BEGUN] = True
        machine, commit = config._benchmarksession.get_machine_info(), hook.pytest_benchmark_generate_commit_info
        header = {"machine_info": machine, "commit_info": commit(config=config), "datetime": now()}
        path.write_text(json.dumps(header) + "\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def now():
    return datetime.now(UTC).isoformat()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    session.config.stash[INTERRUPTED] = exitstatus == pytest.ExitCode.INTERRUPTED
    return (yield)


def pytest_benchmark_update_json(config, output_json):
    output_json["interrupted"] = config.stash.get(INTERRUPTED, False)


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.benchmark(max_time=0.2))
