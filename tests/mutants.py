"""Mutation testing of the kernels, the interactions and the terms: ``python tests/mutants.py [module ...]``.

One place of a source file is changed at a time, in a copy of the checkout, and the tests that are mapped to the file
run there without the JIT: what is mutated is then the Python that numba or `traced` would read. A mutant is killed if a
test fails or time runs out; what survives is listed. The sample of a module is the same on every run with one seed.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The tests with the sharpest eye for each module, the quickest first: arguments of pytest.
PAIRS = (
    "kernels spins::test_costs_are_differences_of_energies_of_all_states "
    "spins::test_energies_of_a_source_are_those_of_its_field spins::test_flips_keep_local_fields_and_the_energy_up "
    "forces::test_gradients_of_pairs simd::test_forces_and_the_virial simd::test_errors_against_extended_precision"
)
TESTS = {
    "kernels/_pairs": PAIRS,
    "kernels/stress": PAIRS,
    "kernels/dipole": PAIRS,
    "kernels/spectra": "spectra::test_rule spectra::test_values_at_and_beyond_the_nodes "
    "spectra::test_cauchy_weights_are_legendre_functions dispersion::test_few_nodes dispersion::test_against_naive "
    "dispersion::test_a_jump_makes_the_value_at_it_infinite",
    "kernels/levels": "susceptibilities",
    "kernels/spins": "spins",
    "kernels/cutoffs": "cutoffs",
    "kernels/displacements": "phases lattice_sums",
    "kernels/superblock": "superblock::test_flips",
    "pairs/interactions": "interactions total_strain glasses lattice_sums "
    "periodic::test_the_field_of_a_given_stress_is_everywhere periodic::test_what_holds_the_body_is_checked",
    "pairs/derivatives": "strained::test_derivatives_of_powers_of_r "
    "strained::test_the_laplacian_of_a_third_of_the_cube_of_r_is_four_times_r "
    "averaged::test_fourth_derivatives_equal_single_integrals averaged::test_the_tensors_have_the_symmetry_of_the_cube",
    "renormalization/terms": "rates total_strain flow",
}
COMPILED = {"renormalization/terms"}  # whose tests need the JIT
OPERATORS = (
    "Add Sub, Sub Add, Mult Div, Div Mult, FloorDiv Mod, Mod FloorDiv, Pow Mult, MatMult Mult, LShift RShift, "
    "RShift LShift, BitAnd BitOr, BitOr BitAnd, BitXor BitOr, Lt LtE GtE, LtE Lt Gt, Gt GtE LtE, GtE Gt Lt, Eq NotEq, "
    "NotEq Eq, Is IsNot, IsNot Is, In NotIn, NotIn In, And Or, Or And"
)
SWAPS = {old: new for old, *new in ([getattr(ast, name) for name in row.split()] for row in OPERATORS.split(", "))}
CALLS = "min max, least most, minimum maximum, sin cos, all any, zeros ones, floor ceil, exp expm1, log log1p"
NAMES = {old: new for pair in CALLS.split(", ") for old, new in (pair.split(), pair.split()[::-1])}
OPTIONS = "-xq -p no:cacheprovider -W ignore::pytest.PytestAssertRewriteWarning".split()
NEVER = {"annotation", "returns", "decorator_list", "bases"}
TOOLS = "pytest hypothesis numba mpmath scipy.fft scipy.integrate scipy.optimize scipy.sparse.linalg"  # of the tests


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""

    def changed(**fields: object) -> ast.AST:
        new = copy.copy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        return new

    match node:
        case ast.Constant(value=bool(value)):
            yield changed(value=not value)
        case ast.Constant(value=int(value)):
            yield changed(value=value + 1)
        case ast.Constant(value=float(value)):
            yield changed(value=1.01 * value if value else 1.0)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op):
            yield from (changed(op=new()) for new in SWAPS[type(op)])
        case ast.Compare(ops=[op, *others]):
            yield from (changed(ops=[new(), *others]) for new in SWAPS[type(op)])
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield operand
        case ast.Subscript(slice=ast.Name() as index, ctx=ast.Load()):
            yield changed(slice=ast.BinOp(index, ast.Sub(), ast.Constant(1)))
        case ast.Call(func=ast.Name(id=name) as func) if name in NAMES:
            yield changed(func=ast.Name(NAMES[name], func.ctx))
        case ast.Call(func=ast.Attribute(attr=name) as func) if name in NAMES:
            yield changed(func=ast.Attribute(func.value, NAMES[name], func.ctx))
    match node:
        case ast.If() | ast.IfExp():
            yield from (changed(test=ast.Constant(value)) for value in (True, False))
        case ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Subscript(), *_]):  # that a name is missing would be found at once
            yield ast.Pass()


def sites(parent: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, ast.AST]]:
    """Yield (parent, field, place in a list, old node, new node), in the order of the file."""
    match parent:
        case ast.Raise() | ast.JoinedStr() | ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):  # messages and types
            return
    for field, value in ast.iter_fields(parent):
        if field in NEVER:
            continue
        for place, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                for new in variants(child):
                    yield parent, field, place if isinstance(value, list) else None, child, new
                yield from sites(child)


def put(node: ast.AST, parent: ast.AST, field: str, place: int | None) -> None:
    if place is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[place] = node


def passes(tests: list[str], limit: float) -> bool:
    """Say whether the tests pass within so many seconds, in a copy of this process, which has imported their tools."""
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # a loop without an end may fill the memory
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        with contextlib.suppress(BaseException):
            os._exit(importlib.import_module("pytest").main([*OPTIONS, *tests]))
        os._exit(1)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.05)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return False


def examine(module: str, folder: Path, options: argparse.Namespace) -> tuple[int, int, int]:
    """Try a sample of the mutants of a module; return how many there are, were tried and were killed."""
    file = folder / f"mbfast/{module}.py"
    tests = ["tests/test_{}.py{}{}".format(*name.partition("::")) for name in TESTS[module].split()]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = list(sites(tree))
    count = min(len(found), max(12, round(options.share * len(found))))
    start = time.monotonic()
    if not passes(tests, 3600):
        raise RuntimeError(f"the tests of {module} fail without a change")
    elapsed, killed = time.monotonic() - start, 0
    sys.dont_write_bytecode = True  # the file may change twice in a second
    for stored in file.parent.glob(f"__pycache__/{file.stem}.*"):
        stored.unlink()
    print(f"{module}: {len(found)} mutants; the tests take {elapsed:.0f} s", flush=True)
    for number in sorted(random.Random(f"{options.seed} {module}").sample(range(len(found)), count)):
        *where, old, new = found[number]
        put(new, *where)
        file.write_text(ast.unparse(tree), encoding="utf-8")
        put(old, *where)
        dead = not passes(tests, 30 + 5 * elapsed)
        killed += dead
        before, after = (ast.unparse(node).partition("\n")[0] for node in (old, new))
        print(f"{'killed' if dead else 'SURVIVED'} {module}.py:{old.lineno} {before}  ->  {after}", flush=True)
    return len(found), count, killed


def work(module: str, options: argparse.Namespace) -> tuple[str, int, int, int]:
    """Examine a module in a copy of the checkout."""
    with tempfile.TemporaryDirectory() as folder:
        copied = f"git ls-files -z | xargs -0 cp --parents -t {folder}"
        subprocess.run(copied, shell=True, cwd=ROOT, check=True)
        os.chdir(folder)
        os.environ |= {"NUMBA_DISABLE_JIT": str(int(module not in COMPILED)), "NUMBA_CACHE_DIR": f"{folder}/cache",
                       "PYTHONPATH": folder, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # fmt: skip
        sys.path[0] = folder  # in place of that of this file
        for name in TOOLS.split():
            importlib.import_module(name)
        return module, *examine(module, Path(folder), options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help=f"of mbfast, from {', '.join(TESTS)}; default all")
    parser.add_argument(
        "--share", type=float, default=0.06, help="of the mutants of a module that are tried, 12 at least"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="modules at a time")
    options = parser.parse_args()
    # a fresh process for each module: whether there is a JIT is settled when numba is imported
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
        tasks = [pool.apply_async(work, (module, options)) for module in options.modules or TESTS]
        rows = [task.get() for task in tasks]
    print("\n| module | mutants | tried | killed |\n|---|---|---|---|")
    for row in [*rows, ("all", *(sum(numbers) for numbers in zip(*(row[1:] for row in rows), strict=True)))]:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
