"""The page that leads from an equation to its functions, tests and claims: whatever it names is there."""

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import mbfast
from mbfast.audit import _claims
from mbfast.guide import equations

ROOT = Path(__file__).parents[1]
TEXT = re.findall(r"^- \*\*(.+?)\*\* (.*?)(?=^- |\Z)", equations.__doc__, re.DOTALL | re.MULTILINE)
ROWS = {equation: re.findall(r"`([^`]+)`", text) for equation, text in TEXT}
FUNCTIONS, TESTS = (
    [(equation, name) for equation, names in ROWS.items() for name in names if re.match(start, name)]
    for start in (r"mbfast\.", "test_")
)
CLAIMS = [equation for equation, text in TEXT if re.search(r"(; |\s)[Cc]laims\s*\Z", text)]


@cache
def defined():
    """Names of all test functions."""
    sources = [file.read_text(encoding="utf-8") for file in ROOT.glob("tests/test_*.py")]
    return {name for source in sources for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)}


def test_every_numbered_equation_has_a_row_with_a_test_or_a_claim():
    numbered = [f"{section}.{n}" for section, last in ((2, 18), (3, 8), (4, 5), (5, 10)) for n in range(1, last + 1)]
    numbered += [f"A{n}" for n in range(1, 17)]
    assert {equation for equation, _ in TESTS}.union(CLAIMS) >= set(numbered)
    assert {name for names in ROWS.values() for name in names} == {name for _, name in FUNCTIONS + TESTS}
    assert [equation for equation in ROWS if equation in numbered] == numbered


def test_every_row_says_what_the_equation_states():
    for equation, text in TEXT:
        assert re.match(r"[^`]+\.\s", text), equation


@pytest.mark.parametrize("name", sorted({name for _, name in FUNCTIONS}))
def test_functions_are_there(name):
    found = mbfast
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    assert callable(found)


def test_tests_are_there():
    assert {name for _, name in TESTS} - defined() == set()


def test_the_rows_say_of_which_equations_there_are_claims():
    for module in {module for _, modules in _claims.PARTS.values() for module in modules}:
        importlib.import_module(f"mbfast.audit.{module}")
    assert set(CLAIMS) == set(_claims.registry)
