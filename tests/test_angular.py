"""The table of exact averages, recomputed from the tensors index by index with polynomials of sympy."""

from fractions import Fraction

import pytest
import sympy

import mbfast

RING, ALPHA, X, *N = sympy.ring("alpha x n0:3", sympy.QQ)
INDICES = range(3)


def delta(i, j):
    return int(i == j)


def quadrupole(i, j):
    return delta(i, j) - 3 * N[i] * N[j]


def stress(form, i, j, k, m):
    """Lambda~ as a polynomial in n; times r^-3 the tensor, with 8 pi rho c_t^2 = -1."""
    braces = (
        -(delta(i, j) * delta(k, m) + delta(i, k) * delta(j, m) + delta(j, k) * delta(i, m))
        + 3 * (N[i] * N[j] * delta(k, m) + N[i] * N[k] * delta(j, m) + N[i] * N[m] * delta(j, k))
        + 3 * (N[j] * N[k] * delta(i, m) + N[j] * N[m] * delta(i, k) + N[k] * N[m] * delta(i, j))
        - 15 * N[i] * N[j] * N[k] * N[m]
    )
    if form == "joffrin-levelut":
        return -2 * quadrupole(j, m) * delta(i, k) + 2 * ALPHA * braces
    first = (
        quadrupole(j, m) * delta(i, k)
        + quadrupole(j, k) * delta(i, m)
        + quadrupole(i, k) * delta(j, m)
        + quadrupole(i, m) * delta(j, k)
    )
    return first / 4 + ALPHA * braces / 2


def along(f, u):
    """Derivative of f(n) r^-3 along u, at r = 1: grad n_a = e_a - n n_a."""
    un = sum(u[b] * N[b] for b in INDICES)
    return sum(f.diff(N[a]) * (u[a] - N[a] * un) for a in INDICES) - 3 * un * f


def average(polynomial):
    """Over directions: of n_x^a n_y^b n_z^c, zero or (a-1)!!(b-1)!!(c-1)!!/(a+b+c+1)!!."""
    total = RING(0)
    double = lambda n: int(sympy.factorial2(n)) if n > 0 else 1  # noqa: E731
    for (of_alpha, of_x, *powers), coefficient in polynomial.terms():
        if all(p % 2 == 0 for p in powers):
            numerator = double(powers[0] - 1) * double(powers[1] - 1) * double(powers[2] - 1)
            total += coefficient * ALPHA**of_alpha * X**of_x * numerator / double(sum(powers) + 1)
    return total


WAVE = (0, 0, 1)
POLARIZATIONS = {"longitudinal": (0, 0, 1), "transverse": (1, 0, 0)}


def as_table(expression, shape):
    coefficients = {powers: Fraction(int(c.numerator), int(c.denominator)) for powers, c in expression.terms()}
    table = tuple(
        tuple(coefficients.pop((p, q, 0, 0, 0), Fraction(0)) for q in range(shape[1])) for p in range(shape[0])
    )
    assert not coefficients  # nothing left out
    return table


@pytest.mark.parametrize("polarization", POLARIZATIONS)
@pytest.mark.parametrize("form", ["corrected", "joffrin-levelut"])
def test_stress(form, polarization):
    u = POLARIZATIONS[polarization]
    change = {
        (i, j, k, m): along(stress(form, i, j, k, m), u)
        for i in INDICES
        for j in INDICES
        for k in INDICES
        for m in INDICES
    }

    def couple(tensor, first):
        """Contract X_ijpq = x d_ij d_pq + d_ip d_jq + d_iq d_jp with the first or the last pair of indices."""
        result = {}
        for p, q, k, m in tensor:
            at = (lambda a, b: (a, b, k, m)) if first else (lambda a, b: (p, q, a, b))  # noqa: B023
            a, b = (p, q) if first else (k, m)
            trace = sum(tensor[at(c, c)] for c in INDICES) if a == b else 0
            result[p, q, k, m] = X * trace + tensor[at(a, b)] + tensor[at(b, a)]
        return result

    coupled = couple(couple(change, first=True), first=False)
    wave = sum(WAVE[a] * N[a] for a in INDICES)
    squares = sum(change[key] * coupled[key] for key in change)
    assert as_table(average(wave**2 * squares), (3, 2)) == mbfast.angular_coefficients(form, polarization)


@pytest.mark.parametrize("polarization", POLARIZATIONS)
@pytest.mark.parametrize("coherent", [True, False])
@pytest.mark.parametrize("moment_change", ["none", "gradient", "strain"])
def test_dipole(moment_change, coherent, polarization):
    u = POLARIZATIONS[polarization]
    wave = sum(WAVE[a] * N[a] for a in INDICES)
    moved = {(i, j): wave * along(quadrupole(i, j), u) for i in INDICES for j in INDICES}
    gradient = {(i, j): RING(u[i] * WAVE[j]) for i in INDICES for j in INDICES}
    if moment_change == "strain":
        gradient = {(i, j): (gradient[i, j] + gradient[j, i]) / 2 for i, j in gradient}
    turned = {
        (i, j): sum(gradient[c, i] * quadrupole(c, j) + quadrupole(i, c) * gradient[c, j] for c in INDICES)
        if moment_change != "none"
        else RING(0)
        for i, j in moved
    }
    if coherent:
        squares = sum((moved[key] + turned[key]) ** 2 for key in moved)
    else:
        squares = sum(moved[key] ** 2 + turned[key] ** 2 for key in moved)
    expected = as_table(average(squares), (1, 1))
    result = mbfast.angular_coefficients("dipole", polarization, moment_change=moment_change, coherent=coherent)
    assert result == expected


def test_the_printed_brackets_are_those_of_joffrin_and_levelut():
    for polarization, bracket in (
        ("longitudinal", ((55, 44), (176, 176), (688, 176))),
        ("transverse", ((35, 28), (112, 112), (656, 112))),
    ):
        theirs = mbfast.angular_coefficients("joffrin-levelut", polarization)
        assert tuple(tuple(c * Fraction(5, 24) for c in row) for row in theirs) == bracket
        # those of the paper's own Lambda, (2.15), agree at alpha = 0 alone
        corrected = mbfast.angular_coefficients("corrected", polarization)
        ours = tuple(tuple(c * Fraction(5, 6) for c in row) for row in corrected)
        assert ours[0] == bracket[0]
        assert all(a != b for p in (1, 2) for a, b in zip(ours[p], bracket[p], strict=True))


def test_which_choices_give_94_and_53():
    found = {
        (change, coherent)
        for change in ("none", "gradient", "strain")
        for coherent in (True, False)
        if [
            5 * mbfast.angular_coefficients("dipole", p, moment_change=change, coherent=coherent)[0][0]
            for p in ("longitudinal", "transverse")
        ]
        == [94, 53]
    }
    assert found == {("strain", False)}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("elastic", "longitudinal"), {}, "form must be one of corrected, joffrin-levelut, dipole"),
        (("dipole", "l"), {}, "polarization must be one of longitudinal, transverse"),
        (("dipole", "transverse"), {"moment_change": "all"}, "moment_change must be one of none, gradient, strain"),
        (("joffrin-levelut", "transverse"), {"moment_change": "strain"}, "moment_change must be none for the form"),
    ],
)
def test_unknown_options(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        mbfast.angular_coefficients(*arguments, **options)
