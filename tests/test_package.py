"""The package as such: what importing costs, what it exports, what its documentation promises."""

import ast
import doctest
import importlib
import math
import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import scipy.constants

import mbfast
from mbfast import units
from mbfast._core import machine

MODULES = [
    module.name
    for module in pkgutil.walk_packages(mbfast.__path__, "mbfast.")
    if module.name != "mbfast.__main__" and not module.name.startswith("mbfast.cli")
]


def text_of(module):
    return Path(find_spec(module).origin).read_text(encoding="utf-8")


def test_imports_are_few(run_python):
    """That of mbfast imports nothing heavy, and all of the API no extra."""
    code = """
import sys, mbfast
print(*({'numpy', 'scipy', 'numba', 'typer', 'matplotlib'} & set(sys.modules)))
for name in mbfast.__all__: getattr(mbfast, name)
print(*(m for m in ('typer', 'rich', 'matplotlib', 'dask', 'torch') if m in sys.modules))
"""
    assert run_python(code).strip() == ""


def test_lazy_names_are_those_the_type_checker_sees():
    tree = ast.parse(Path(mbfast.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    homes = {node.names[0].name: node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {*homes, "__version__"} == set(mbfast.__all__)
    for name, home in homes.items():
        if home is None:
            assert getattr(mbfast, name) is importlib.import_module(f"mbfast.{name}")
        else:
            assert getattr(mbfast, name) is getattr(importlib.import_module(f"mbfast.{home}"), name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pair_feild", "No mbfast attribute pair_feild, did you mean pair_field[?]"),
        ("LatticFeild", "No mbfast attribute LatticFeild, did you mean LatticeField[?]"),
        ("nonsense", "No mbfast attribute nonsense$"),
        ("examples", "No mbfast attribute examples$"),  # a module that is imported by its name
        ("__wrapped__", "No mbfast attribute __wrapped__$"),
    ],
)
def test_a_name_that_is_not_there(monkeypatch, name, words):
    monkeypatch.delattr(mbfast, name, raising=False)
    with pytest.raises(AttributeError, match=words):
        getattr(mbfast, name)


NEEDED = {"adapters.torch": ["torch"], "guide.adapters": ["xarray", "pint"]}  # by examples, beside mbfast


@pytest.mark.compiled  # nobody runs them without the JIT, where flows and large sums take hours
@pytest.mark.parametrize("module", [name for name in MODULES if ">>> " in text_of(name)])
def test_examples_in_docstrings(module):
    for package in NEEDED.get(module.removeprefix("mbfast."), []):
        pytest.importorskip(package, reason="the examples are of its use")
    failed, _ = doctest.testmod(importlib.import_module(module))
    assert failed == 0


def test_the_version_of_the_citation():
    citation = Path(__file__).parents[1].joinpath("CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {mbfast.__version__}\n" in citation


def test_constants():
    assert pytest.approx(scipy.constants.hbar, rel=1e-15) == units.HBAR
    assert scipy.constants.k == units.K_B
    assert scipy.constants.e == units.EV
    assert pytest.approx(scipy.constants.erg / scipy.constants.centi**3, rel=1e-15) == units.ERG_PER_CM3
    assert pytest.approx(scipy.constants.gram / scipy.constants.centi**3, rel=1e-15) == units.G_PER_CM3
    assert scipy.constants.angstrom == units.ANGSTROM


def test_kernels_take_the_same_hbar():
    text = (Path(mbfast.__file__).parent / "kernels" / "cutoffs.py").read_text(encoding="utf-8")
    assert set(re.findall(r"1\.05457\d*e-34", text)) == {repr(units.HBAR)}


def control_groups(tmp_path, monkeypatch, groups, files):
    """Pretend that these are the control groups of this process, and these the files of them."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "own").write_text(groups, encoding="utf-8")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("", {}, math.inf),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job/step\n", {"job/cpu.max": "200000 100000\n", "job/step/cpu.max": "max 100000\n"}, 2.0),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        ("4:cpu,cpuacct:/a\n", {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
    ],
)
def test_cores_respect_the_quota_of_the_control_group(tmp_path, monkeypatch, groups, files, quota):
    control_groups(tmp_path, monkeypatch, groups, files)
    machine._quota.cache_clear()
    try:
        assert machine._quota() == quota
        assert 1 <= machine.usable_cores() <= max(1, math.ceil(min(quota, 1e6)))
    finally:
        machine._quota.cache_clear()


@pytest.mark.parametrize(
    ("groups", "files", "left"),
    [
        ("0::/\n", {"memory.max": "max\n", "memory.current": "5\n"}, math.inf),
        ("0::/a\n", {"a/memory.max": "1000\n", "a/memory.current": "600\n"}, 400.0),
        (
            "0::/a/b\n",
            {
                "a/memory.max": "1000\n", "a/memory.current": "600\n", "a/memory.stat": "anon 100\ninactive_file 50\n",
                "a/b/memory.max": "2000\n", "a/b/memory.current": "500\n",
            },
            450.0,
        ),
        (
            "5:cpu:/\n4:memory:/j\n",
            {"memory/j/memory.limit_in_bytes": "1000\n", "memory/j/memory.usage_in_bytes": "700\n"},
            300.0,
        ),
        ("0::/\n", {"memory.max": "1000\n", "memory.current": "1200\n"}, -200.0),
    ],
)  # fmt: skip
def test_memory_respects_the_limits_of_the_control_groups(tmp_path, monkeypatch, groups, files, left):
    control_groups(tmp_path, monkeypatch, groups, files)
    assert machine._left_by_groups() == left
    assert 0.0 <= machine.available_memory() <= max(left, 0.0)


def test_memory_respects_slurm(monkeypatch):
    for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    assert machine._left_by_slurm() == math.inf
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "4000")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
    assert 0.0 < 12000 * 2.0**20 - machine._left_by_slurm() < 8e9  # this process itself
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    assert machine.available_memory() == 0.0
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "all of it")
    assert machine._left_by_slurm() == math.inf


def test_memory_respects_the_address_space(run_python):
    code = """
import resource
from mbfast._core.machine import available_memory
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
print(available_memory() < 8 << 30)
"""
    assert run_python(code) == "True\n"
