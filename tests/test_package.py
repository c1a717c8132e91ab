"""The package as such: what importing costs, what it exports, what its documentation promises."""

import ast
import doctest
import importlib
import math
import pkgutil
import re
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


def test_importing_mbfast_imports_nothing_heavy(run_python):
    code = "import sys, mbfast; print(*({'numpy', 'scipy', 'numba', 'typer', 'matplotlib'} & set(sys.modules)))"
    assert run_python(code).strip() == ""


def test_the_api_imports_no_extra(run_python):
    code = """
import sys, mbfast
for name in mbfast.__all__: getattr(mbfast, name)
print(*(m for m in ('typer', 'rich', 'matplotlib', 'dask') if m in sys.modules))
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
    with pytest.raises(AttributeError, match="No mbfast attribute nonsense"):
        mbfast.nonsense  # noqa: B018


# flows and large sums: hours without the JIT; and functions for C, which there are none of without it
COMPILED = (
    *("guide.accuracy", "guide.embedding", "guide.methods", "spectra.convolution"),
    *("audit._claims", "renormalization.rates", "renormalization.flow", "files.flow"),
    *("pairs.planning", "pairs.ewald", "pairs.lattice"),
)


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(name, marks=[pytest.mark.compiled] if name.removeprefix("mbfast.") in COMPILED else [])
        for name in MODULES
    ],
)
def test_examples_in_docstrings(module):
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
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "own").write_text(groups, encoding="utf-8")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")
    machine._quota.cache_clear()
    try:
        assert machine._quota() == quota
        assert 1 <= machine.usable_cores() <= max(1, math.ceil(min(quota, 1e6)))
    finally:
        machine._quota.cache_clear()
