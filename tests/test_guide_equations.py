"""The page that leads from an equation to its functions, tests and claims: whatever it names is there."""

import ast
import fnmatch
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import mbfast
from mbfast.audit import _claims
from mbfast.guide import equations

ROOT = Path(__file__).parents[1]
TEXT = re.findall(r"^- \*\*(.+?)\*\* (.*?)(?=^- |^\S[^\n]*\n---|\Z)", equations.__doc__, re.DOTALL | re.MULTILINE)
ROWS = {equation: re.findall(r"`([^`]+)`", text) for equation, text in TEXT}
FUNCTIONS, TESTS, CLAIMS = (
    [(equation, name) for equation, names in ROWS.items() for name in names if re.match(start, name)]
    for start in (r"mbfast\.", "tests/", r"(?!mbfast\.|tests/)")
)


@cache
def registered():
    """Id and equation of all claims."""
    for _, module in _claims.PARTS.values():
        importlib.import_module(f"mbfast.audit.{module}")
    return {id_: claim.equation for id_, claim in _claims.registry.items()}


@cache
def functions_in(file):
    source = ROOT.joinpath(file).read_text(encoding="utf-8")
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_every_numbered_equation_has_a_row_with_a_test_or_a_claim():
    numbered = [f"{section}.{n}" for section, last in ((2, 18), (3, 8), (4, 5), (5, 10)) for n in range(1, last + 1)]
    numbered += [f"A{n}" for n in range(1, 17)]
    assert {equation for equation, _ in TESTS + CLAIMS} >= set(numbered)
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


@pytest.mark.parametrize("name", sorted({name for _, name in TESTS}))
def test_tests_are_there(name):
    file, function = name.split("::")
    assert function in functions_in(file)


@pytest.mark.parametrize(("equation", "pattern"), CLAIMS)
def test_claims_are_there(equation, pattern):
    assert fnmatch.filter(registered(), pattern)


def test_every_claim_is_named_in_the_row_of_its_equation():
    named = {equation: [pattern for of, pattern in CLAIMS if of == equation] for equation in ROWS}
    for id_, equation in registered().items():
        assert any(fnmatch.fnmatch(id_, pattern) for pattern in named[equation]), id_
