"""What is timed beside what, and how its results are checked: one row for each family of groups.

A test calls the fixture `case` with a group, a name, a function and what that must return. The row of the group says
which contenders of mbfast it may have, what they are compared with, and how results are checked before they are timed.
What follows a comma in a contender's name says more about it: threads, nodes. ``python -m benchmarks.cases`` prints
the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np


@dataclass(frozen=True)
class Check:
    """How a result is compared with what is expected: the `error` of both is at most `limit`."""

    name: str
    error: Callable[..., float]
    limit: float

    def __call__(self, result, expected):
        error = float(self.error(result, expected))
        assert error <= self.limit, f"not {self.name}: {error:.3g}"
        return error


def near(rtol):
    """Largest difference, of the largest value."""

    def error(result, expected):
        return np.max(np.abs(np.subtract(result, expected))) / np.max(np.abs(expected))

    return Check(f"equal to {rtol:g} of the largest value", error, rtol)


SAME = Check("equal to the last bit", lambda result, expected: not np.array_equal(result, expected), 0.0)
WITHIN = Check("within what is promised", lambda error, promised: np.max(error / np.asarray(promised)), 1.0)


@dataclass(frozen=True)
class Case:
    """One family: a pattern of the names of its groups, who may stand in them, and the check.

    The reference of a group is the first of `references` that a run has: some need a compiler or other packages.
    """

    groups: str
    contenders: tuple[str, ...]
    references: tuple[str, ...]
    check: Check


MBFAST, FIELD, BARE, NUMPY = ("mbfast",), ("field",), ("bare",), ("NumPy",)
FFTS = tuple(f"bare FFTs by {library}" for library in ("SciPy", "FFTW", "ducc0"))

CASES = (
    Case("default threads, *", ("as many as there are",), ("one",), SAME),
    Case("* field, N = *", MBFAST, ("C++", "NumPy"), near(1e-11)),
    Case("* energy, N = *", MBFAST, ("C++", "NumPy"), near(1e-11)),
    Case("* flips, N = *", ("mbfast", "change_moment"), ("C++",), near(1e-11)),
    Case("flips that are refused", MBFAST, BARE, SAME),
    Case("* forces, *", ("forces", "virial"), FIELD, near(1e-6)),
    Case("* fields at any positions, *", ("ewald", "direct"), ("lfmm3d", "direct"), WITHIN),
    Case("* lattice, *", ("forces", "virial"), FIELD, near(1e-6)),
    Case("* lattice field, *, stored", ("stored", "least memory"), ("in memory",), SAME),
    Case("* periodic lattice field, *", MBFAST, FFTS, near(1e-6)),
    Case("* lattice field, *", MBFAST, (*FFTS, "magnum.np"), near(1e-12)),
    Case("two fields of *", ("two calls at once", "two calls in turn"), ("serial",), SAME),
    Case("direct fields on *", ("workers",), ("threads",), SAME),
    Case("disordered response, *", ("bicgstab", "gmres", "lgmres"), FIELD, WITHIN),
    Case("samples of the audit, *", MBFAST, FIELD, WITHIN),
    Case("plastic flow, *", ("event", "search", "update"), FIELD, near(1e-9)),
    Case("H of *", MBFAST, ("QuSpin CSR", "QuSpin matrix-free", "SciPy CSR", "NumPy"), near(1e-11)),
    Case("all levels of *", MBFAST, NUMPY, near(1e-12)),
    Case("5 levels of *", MBFAST, ("ARPACK",), near(1e-9)),
    Case("* for 10 hbar/E", MBFAST, ("expm_multiply",), near(1e-9)),
    Case("a pulse, *", MBFAST, ("products",), near(1e-6)),
    Case("susceptibility of * at complex frequencies", MBFAST, ("eigenvectors",), near(1e-9)),
    Case("susceptibility of *", ("exact", "lanczos", "chebyshev"), ("eigenvectors",), near(1e-6)),
    Case("orders of *", MBFAST, ("eigenvectors",), near(1e-9)),
    Case("second order, *", MBFAST, ("eigenvectors",), near(1e-6)),
    Case("flow of *", MBFAST, ("convolutions",), near(1e-9)),
    Case("rates at *", MBFAST, ("convolutions",), near(1e-9)),
    Case("spectra on * log nodes", ("convolution", "Kramers-Kronig"), ("matrix times vector",), near(1e-10)),
    Case("convolution of *", MBFAST, ("fftconvolve",), near(1e-10)),
    Case("against *", MBFAST, ("fftconvolve", "hilbert", "pykk", "kkcalc"), WITHIN),
    Case("levels of *", MBFAST, NUMPY, near(1e-13)),
    Case("two-level systems, *", MBFAST, NUMPY, near(1e-10)),
    Case("* of ten *", ("pair_field", "DirectField"), NUMPY, near(1e-12)),
    Case("* tensor of one vector", MBFAST, NUMPY, near(1e-12)),
    Case("cutoff length of three numbers", MBFAST, NUMPY, near(1e-14)),
    Case("*cutoff lengths, *", ("mbfast", "kernel"), ("numpy cbrt", "numpy **(1/3)", "numexpr"), WITHIN),
    Case("start: *", MBFAST, BARE, SAME),
    Case("growth, *", (), MBFAST, SAME),  # of exponents, not of ratios
)


def of_group(group):
    """Return the row of a group, the first that it matches, or None."""
    return next((row for row in CASES if fnmatchcase(group, row.groups)), None)


def kind(name):
    """Return a contender's name without what follows its comma."""
    return name.partition(",")[0]


if __name__ == "__main__":
    print("| groups | contenders | references | results are |\n|---|---|---|---|")
    for row in CASES:
        print(f"| {row.groups} | {', '.join(row.contenders)} | {', '.join(row.references)} | {row.check.name} |")
