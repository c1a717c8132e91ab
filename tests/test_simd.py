"""Pair kernels in vectors of every width, and with every way to r^-1, that this machine has."""

import numba
import numpy as np
import pytest
from materials import UNIT_STRESS, WEIGHTS
from numpy.testing import assert_allclose

from mbfast import testing
from mbfast._core import numba_private, simd, tracing
from mbfast._core.jit import FAST
from mbfast._core.tracing import traced
from mbfast.kernels import _pairs, dipole, stress
from mbfast.pairs._kernels import near

C = UNIT_STRESS.coefficients
NAME, FEATURES = numba_private.processor()
HERE = [name for name, (_, estimates) in simd.CHOICES.items() if not estimates or "+avx512f" in FEATURES.split(",")]


@pytest.fixture(params=HERE)
def vectors(request, monkeypatch):
    """Write and compile what is compiled in this test for one choice, with short tiles."""
    chosen = type(simd.VECTORS)(*simd.CHOICES[request.param])
    monkeypatch.setattr(_pairs, "TILE", 24)
    for module in (_pairs, stress, near):
        monkeypatch.setattr(module, "V", chosen)
    return chosen


def again(function):
    """Compile a kernel once more, without the cache."""
    return numba.njit(error_model="numpy", fastmath=set(FAST))(getattr(function, "py_func", function))


def random(rng, n):
    return rng.random((n, 3))


def on_a_lattice(_rng, n):
    return np.argwhere(np.ones((5, 5, 5)))[:n].astype(float)


def close(rng, n):
    """Random ones, each with another at 1e-3 of the mean distance."""
    positions, steps = rng.random((n, 3)), rng.normal(size=(n, 3))
    steps *= 1e-3 * n ** (-1 / 3) / np.linalg.norm(steps, axis=1)[:, None]
    positions[1::2] = positions[:-1:2] + steps[1::2]
    return positions


ERROR = 1e-14  # of the largest field


@pytest.mark.thinned(1)
@pytest.mark.parametrize(("kernels", "coefficients"), [(stress, C), (dipole, ())], ids=["stress", "dipole"])
def test_errors_against_extended_precision(vectors, kernels, coefficients):
    rng = np.random.default_rng(3)
    field, energy, source_field = again(kernels.field), again(kernels.energy), again(kernels.source_field)
    components = 6 if coefficients else 3
    for place, n in [
        (random, 61),
        (on_a_lattice, 100),
        (close, 62),
        *[(random, n) for n in (*range(1, 11), 23, 24, 25)],
    ]:
        positions, moments = place(rng, n), rng.normal(size=(n, components))
        x, t, out = positions.T.copy(), moments.T.copy(), np.zeros((components, n))
        expected = testing.reduced_field(positions, positions, moments, coefficients)
        largest = float(np.abs(expected).max()) if n > 1 else 0.0
        field(x, x, t, *coefficients, out)
        assert np.abs(out.T - expected).max() <= ERROR * largest
        parts = moments * expected * WEIGHTS[:components]
        pieces = [(a, b, x[:, a:b].copy(), t[:, a:b].copy()) for a, b in ((0, n // 3), (n // 3, n))]
        found = [
            energy(*targets, first, *sources, *coefficients) for targets in pieces for first, _, *sources in pieces
        ]
        assert abs(sum(found) - 0.5 * parts.sum()) <= ERROR * np.abs(parts).sum()
        out[:] = 0.0
        source_field(x, x[:, 0].copy(), t[:, 0].copy(), *coefficients, out)
        expected = testing.reduced_field(positions, positions[:1], moments[:1], coefficients)
        assert np.abs(out.T - expected).max() <= ERROR * largest


@pytest.mark.thinned(1)
@pytest.mark.parametrize(("kernels", "coefficients"), [(stress, C), (dipole, ())], ids=["stress", "dipole"])
def test_forces_and_the_virial(vectors, kernels, coefficients):
    """The formula by extended precision; that it is the gradient of the energy is shown in test_forces.py."""
    n, rng, components = 29, np.random.default_rng(6), 6 if coefficients else 3
    x, t = rng.random((3, n)), rng.normal(size=(components, n))
    exact_x, exact_t = x.astype(np.longdouble), t.astype(np.longdouble)
    d = exact_x[:, :, None] - exact_x[:, None, :]
    r2 = np.sum(d * d, axis=0) + np.eye(n)
    source = exact_t * (1 if coefficients else -3)
    g = kernels._contracted(*d, 1 / r2, *exact_t[:, :, None], *source[:, None, :], *coefficients) / r2**2 / np.sqrt(r2)
    g = np.where(np.eye(n), 0, g)
    for name, expected in (("forces", -g.sum(axis=2)), ("virial", 0.5 * np.einsum("aij,bij->abi", g, d).reshape(9, n))):
        out = np.zeros(expected.shape)
        again(getattr(kernels, name))(x, t, x, t, *coefficients, out)
        assert np.abs(out - expected).max() <= ERROR * np.abs(expected).max()


@pytest.mark.thinned(1)
@pytest.mark.parametrize("coefficients", [C, ()], ids=["stress", "dipole"])
def test_near_fields_of_sources_in_two_columns_of_cells(vectors, coefficients):
    """Without a smooth part they are the fields of the sources within the radius."""
    rng, components, square = np.random.default_rng(8), 6 if coefficients else 3, 0.3
    positions, moments = rng.random((70, 3)), rng.normal(size=(70, components))
    kernel = again(near.near_stress if coefficients else near.near_dipole)
    # cells 0 to 3 with 33, 0, 26 and 11 sources; the cells next to cell 1 and cell 3 itself are near cell 1
    starts, low, high = np.array([0, 33, 33, 59, 70]), np.array([-1, 2]), np.array([1, 2])
    out, arguments = np.zeros((components, 9)), (low, high, starts, positions.T.copy(), moments.T.copy())
    polynomials = np.zeros((3 if coefficients else 2, 8))
    strength = (coefficients[0] + coefficients[2], coefficients[2]) if coefficients else ()
    targets = positions[5:14]
    kernel(np.array([1]), np.array([0, 9]), targets.T.copy(), *arguments, polynomials, 70, square, *strength, out)
    inside = [np.sum((positions - target) ** 2, axis=1) < square for target in targets]
    expected = np.concatenate([
        testing.reduced_field(targets[i : i + 1], positions[some], moments[some], coefficients)
        for i, some in enumerate(inside)
    ])  # fmt: skip
    assert np.abs(out.T - expected).max() <= 1e-13 * np.abs(expected).max()


def test_targets_among_the_sources_and_none(vectors):
    field = again(dipole.field)
    x, p, out = np.zeros((3, 5)), np.ones((3, 5)), np.zeros((3, 5))
    field(x, x, p, out)
    assert not out.any()
    field(x[:, :0].copy(), x, p, out[:, :0].copy())
    field(x, x[:, :0].copy(), p[:, :0].copy(), out)
    assert not out.any()
    p[1, 4] = np.nan  # stays none
    field(x + 1.0, x, p, out)
    assert np.isnan(out).all()


def test_powers_of_the_distance(vectors):
    @traced
    def fill(squares, out):
        n = squares.sides[0]
        for start, some in vectors.blocks(n):
            powers = vectors.inverse(vectors.load(squares, start, some))
            for row, power in enumerate(powers):
                vectors.store(out, row * n + start, power, some)

    @numba.njit
    def call(squares, out):
        fill(squares, out)

    squares = 10.0 ** np.random.default_rng(0).uniform(-300, 300, 9_999)
    squares[::100] = 0.0
    out = np.empty((2, squares.size))
    call(squares, out)
    assert not out[:, ::100].any()
    expected = 1 / np.sqrt(np.delete(squares, np.s_[::100]).astype(np.longdouble))
    found = np.delete(out, np.s_[::100], axis=1)
    assert_allclose(found, [expected, expected**2], rtol=1e-15)


@pytest.mark.compiled
def test_numpy_does_the_same():
    rng = np.random.default_rng(5)
    x, t = rng.random((3, 40)), rng.normal(size=(6, 40))
    out, other = np.zeros((6, 40)), np.zeros((6, 40))
    stress.field(x, x, t, *C, out)
    with pytest.MonkeyPatch.context() as patch:
        for module in (_pairs, stress):
            patch.setattr(module, "V", simd.Plain(8, 0))
        arrays = map(tracing.Flat.of, (x, x, t, np.empty(_pairs.tile_size(10)), other))
        targets, *others = arrays
        _pairs.add(stress._Law(*C), targets, None, *others)
    assert_allclose(other, out, atol=1e-14 * np.abs(out).max())


AVX512 = "+avx,+avx2,+avx512f"


@pytest.mark.parametrize(
    ("wanted", "processor", "features", "choice"),
    [
        ("", "sapphirerapids", AVX512, "estimate"),
        ("", "znver5", AVX512 + ",+sse4a", "both"),
        ("", "generic", AVX512 + ",+sse4a", "both"),  # LLVM does not know the newest names
        ("", "haswell", "+avx,+avx2", "256"),
        ("", "haswell", "-avx,+sse2", "128"),
        ("", "neoverse-n1", "+neon", "128"),
        ("estimate", "znver5", AVX512 + ",+sse4a", "estimate"),
        ("256", "znver5", AVX512 + ",+sse4a", "256"),
        ("512", "haswell", "+avx,+avx2", "512"),
        ("both", "haswell", "+avx,+avx2", "MBFAST_SIMD=both needs AVX-512, which haswell does not have"),
        ("sse", "haswell", "", "MBFAST_SIMD must be one of estimate, both, 512, 256, 128, got 'sse'"),
    ],
)
def test_the_choice(monkeypatch, wanted, processor, features, choice):
    monkeypatch.setattr(simd, "processor", lambda: (processor, features))
    monkeypatch.setenv("MBFAST_SIMD", wanted)
    if " " in choice:
        with pytest.raises(ValueError, match=choice):
            simd._chosen()
    else:
        assert simd._chosen() == choice


CACHED = """
import numpy as np
from mbfast.kernels import dipole
dipole.source_field(np.ones((3, 9)), np.zeros(3), np.ones(3), np.zeros((3, 9)))
print(sum(dipole.source_field.stats.cache_misses.values()))
"""


@pytest.mark.compiled
def test_code_of_two_choices_lies_side_by_side(run_python, tmp_path):
    def misses(choice):
        return int(run_python(CACHED, NUMBA_CACHE_DIR=str(tmp_path), MBFAST_SIMD=choice))

    assert [misses(choice) for choice in ("128", "256", "128")] == [1, 1, 0]
