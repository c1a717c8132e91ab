import itertools

import materials
import mpmath
import naive
import numpy as np
import pytest
from conftest import JIT_OFF
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import PLACES, random_moments, six
from materials import UNIT_DIPOLES as DIPOLES
from materials import UNIT_JOFFRIN_LEVELUT as JOFFRIN_LEVELUT
from materials import UNIT_STRESS as STRESS
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing
from mbfast.pairs import cubes as _averaged
from mbfast.pairs.cubes import averaged_tensors

INTERACTIONS = pytest.mark.parametrize(
    "interaction", [STRESS, JOFFRIN_LEVELUT, DIPOLES], ids=["stress", "jl", "dipole"]
)

TOUCHING = [(1, 0, 0), (0, -1, 0), (1, 1, 0), (0, 1, -1), (1, 1, 1), (-1, 1, -1)]
NEAR = [*TOUCHING, (2, 0, 0), (2, -1, 0), (1, 3, -2), (4, 4, 3)]
FAR = [(13, 0, 0), (9, -20, 3), (24, 24, 24), (25, 0, 0), (-26, 14, 3), (100, 0, 0), (40, -300, 7)]
SMALL = 6  # the table without the JIT
# of the largest component: 4 r^-10 in the far field, which the near field takes over, at the nearest place it is used
RTOL = 4.0 / (SMALL + 1) ** 10 if JIT_OFF else 3e-14


@pytest.fixture(autouse=True, scope="module")
def small_table():
    if not JIT_OFF:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:  # a table of full size is a million evaluations
        patch.setattr(_averaged, "_NEAR", SMALL)
        _averaged._table.cache_clear()
        yield
    _averaged._table.cache_clear()


def as_tensor(matrix):
    """(..., 6, 6) as (..., 3, 3, 3, 3); dipoles as they are."""
    if matrix.shape[-1] == 3:
        return matrix
    number = np.zeros((3, 3), dtype=int)
    for p, (i, j) in enumerate(PLACES):
        number[i, j] = number[j, i] = p
    return matrix[..., number[:, :, None, None], number[None, None, :, :]]


def point_tensor(interaction):
    """The reduced tensor of points, symmetrised as stress moments do."""

    def tensor(r):
        full = interaction.tensor(r) / interaction.prefactor
        if interaction.components == 3:
            return full
        full = full + np.einsum("...ijkl->...jikl", full)
        return 0.25 * (full + np.einsum("...ijkl->...ijlk", full))

    return tensor


def assert_tensors_equal(result, expected, rtol=RTOL):
    assert_allclose(result, expected, rtol=0, atol=rtol * np.abs(expected).max())


# Newell's tensor, interval-certified: https://github.com/05oz/certify, note.md
@pytest.mark.parametrize(
    ("distance", "n_xx"),
    [(0, 1 / 3), (1, -1.35017180544e-1), (5, -1.27235750359e-3), (13, -7.24408320619e-5), (100, -1.59154942396e-7)],
)
def test_published_demagnetising_factors(distance, n_xx):
    n = averaged_tensors(DIPOLES, [distance, 0, 0]) / (4 * np.pi)
    assert n[0, 0] == pytest.approx(n_xx, rel=max(5e-12, RTOL))  # twelve digits are given
    assert n[1, 1] == pytest.approx(n_xx if distance == 0 else -0.5 * n_xx, rel=max(5e-12, RTOL))
    assert_tensors_equal(n, np.diag(np.diag(n)), rtol=1e-15)


@pytest.mark.parametrize("offset", [(0, 0, 0), *NEAR, *FAR])
def test_dipoles_equal_newells_closed_form(offset):
    with mpmath.workdps(60):  # which loses six digits a decade
        expected = np.array((4 * mpmath.pi * naive.newell(offset)).tolist(), dtype=float)
    assert_tensors_equal(averaged_tensors(DIPOLES, offset), expected)


# what is compiled is the same for all offsets, and the integrals take long
@pytest.mark.parametrize(
    "offset",
    [
        (1, 1, 0),
        *(
            pytest.param(offset, marks=pytest.mark.compiled)
            for offset in [(0, 0, 0), (1, 0, 0), (1, 1, 1), (1, -2, 0), (3, 1, 2), *FAR]
        ),
    ],
)
def test_fourth_derivatives_equal_single_integrals(offset):
    with mpmath.workdps(20 if max(map(abs, offset)) < 4 else 34):
        expected = [float(naive.averaged_fourth_derivative(axes, offset)) for axes in _averaged.INDICES]
    result = _averaged.averaged_derivatives(np.array([offset], dtype=float).T)[:, 0]
    assert_tensors_equal(result, np.array(expected))


@pytest.mark.thinned(1)
@pytest.mark.parametrize("offset", NEAR)
@INTERACTIONS
def test_tensors_equal_brute_quadrature(interaction, offset):
    expected = testing.averaged_over_cubes(point_tensor(interaction), offset)
    assert_tensors_equal(as_tensor(averaged_tensors(interaction, offset)), expected)


@INTERACTIONS
def test_averages_compose(interaction):
    """Cubes of side 2 consist of 8 of side 1, across all ways in which the tensors are computed."""
    rng = np.random.default_rng(0)
    coarse = np.array([*NEAR, *rng.integers(-30, 30, (20, 3))])
    steps = np.array(list(itertools.product((0, 1), repeat=3)))
    pairs = 2 * coarse[:, None, None] + steps[:, None] - steps
    expected = averaged_tensors(interaction, pairs).mean(axis=(1, 2))
    for result, mean in zip(averaged_tensors(interaction, coarse) / 8, expected, strict=True):
        assert_tensors_equal(result, mean)


@INTERACTIONS
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), reach=st.sampled_from([2, 8, 40, 10**6]))
def test_the_tensors_have_the_symmetry_of_the_cube(interaction, seed, reach):
    rng = np.random.default_rng(seed)
    q = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    offset = rng.integers(-reach, reach + 1, 3)
    tensor, turned = (as_tensor(averaged_tensors(interaction, d)) for d in (offset, (q @ offset).astype(int)))
    letters = "abcd"[: tensor.ndim]
    rule = ",".join(f"{new}{old}" for new, old in zip("pqrs", letters, strict=False)) + f",{letters}"
    expected = np.einsum(f"{rule}->{'pqrs'[: tensor.ndim]}", *[q] * tensor.ndim, tensor)
    assert_tensors_equal(turned, expected, rtol=1e-14)
    matrix = averaged_tensors(interaction, offset)
    assert np.array_equal(matrix, matrix.T)


@given(st.tuples(*[st.integers(-60, 60)] * 3))
def test_traces_vanish_but_at_the_origin(offset):
    """d_kk (1/r) = -4 pi delta and d_iikk r = -8 pi delta."""
    at_origin = 4 * np.pi * (not any(offset))
    mu = averaged_tensors(DIPOLES, offset)
    assert abs(np.trace(mu) - at_origin) <= 1e-14 * np.abs(mu).max()
    for interaction in (STRESS, JOFFRIN_LEVELUT):
        c0, _, c2 = interaction.coefficients
        k = as_tensor(averaged_tensors(interaction, offset))
        scale = np.abs(k).max()
        assert abs(np.einsum("iikk", k) - c0 * at_origin) <= 1e-14 * scale
        assert abs(np.einsum("ikik", k) - (2 * c0 + c2) * at_origin) <= 1e-14 * scale
        # what an isotropic moment does is what the dipoles do
        assert_tensors_equal(np.einsum("ijkk", k), c0 * mu, rtol=2e-14 * scale / np.abs(c0 * mu).max())


def test_a_cube_in_itself_is_on_the_average_eshelbys_sphere():
    rho, c_l, c_t = 2200.0, 5800.0, 3800.0
    shear, bulk = rho * c_t**2, rho * (c_l**2 - 4 / 3 * c_t**2)
    nu = (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))
    interaction = mbfast.StressInteraction(rho, c_l, c_t)
    strain = 2 * interaction.prefactor * as_tensor(averaged_tensors(interaction, [0, 0, 0]))  # of a unit stress
    dilation = np.einsum("iikk", strain) / 3
    shears = (np.einsum("ikik", strain) - dilation) / 5
    # Eshelby 1957: a fraction of the strain that the stress would cause in a free body
    assert dilation == pytest.approx(-(1 + nu) / (3 * (1 - nu)) / (3 * bulk), rel=1e-13)
    assert shears == pytest.approx(-2 * (4 - 5 * nu) / (15 * (1 - nu)) / (2 * shear), rel=1e-13)
    uniform = np.einsum("ijkk", strain)  # whatever the shape, a dilation with 1/(rho c_l^2)
    assert_tensors_equal(uniform, np.eye(3) * -1 / (3 * rho * c_l**2), rtol=1e-14)


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, -1, 0), (1, 1, 1), (1, 2, 3)])
@INTERACTIONS
def test_far_away_cubes_are_points(interaction, direction):
    tensor, errors = point_tensor(interaction), []
    for distance in (64, 128):
        d = distance * np.array(direction)
        average, point = as_tensor(averaged_tensors(interaction, d)), tensor(d)
        # the mean of u_x^2 over the pair of cubes is 1/6: the first correction is the Laplacian/12
        around = sum(tensor(d + s * e) - point for s in (1, -1) for e in np.eye(3)) / 12
        errors.append([np.abs(average - point).max(), np.abs(average - point - around).max()])
        errors[-1] = np.array(errors[-1]) / np.abs(point).max()
    orders = np.log2(errors[0] / errors[1])
    if interaction is DIPOLES:  # harmonic: no such correction
        assert orders[0] == pytest.approx(4, abs=0.02)
    else:
        assert orders == pytest.approx([2, 4], abs=0.02)


def test_the_points_of_the_far_field_are_exact_for_triharmonic_polynomials():
    """Biharmonic ones by the weights, triharmonic ones with those of the second Laplacian as well."""
    points, (weights, more) = _averaged._rule()
    assert points.shape == (3, 33)
    x, w = np.polynomial.legendre.leggauss(8)  # halves of the triangle, to degree 15
    x, w = np.concatenate([0.5 * x - 0.5, 0.5 * x + 0.5]), np.concatenate([w, w]) / 2
    grid = np.array(np.meshgrid(x, x, x)).reshape(3, -1)
    exact = np.einsum("i,j,k->ijk", *[w * (1 - abs(x))] * 3).ravel()
    rng = np.random.default_rng(0)
    for degree in range(12):
        worst = 0.0
        for _ in range(8):
            a, b = np.linalg.qr(rng.normal(size=(3, 2)))[0].T
            for power in range(0, min(degree, 4) + 1, 2):
                # (a + ib).x to any power is harmonic, r^2 and r^4 times it bi- and triharmonic
                order = degree - power
                harmonic, around = (((a + 1j * b) @ u) ** order for u in (points, grid))
                lacking = more @ harmonic * 8 * (2 * order + 3) * (2 * order + 5) if power == 4 else 0.0
                found = weights @ (harmonic * np.sum(points**2, axis=0) ** (power // 2)) + lacking
                worst = max(worst, abs(found - exact @ (around * np.sum(grid**2, axis=0) ** (power // 2))))
        assert (worst < 1e-14) == (degree < 10 or degree % 2 == 1)


@pytest.mark.compiled
def test_the_far_field_errs_as_is_said():
    offsets = np.array([d for d in itertools.product(range(13), repeat=3) if max(d) >= 7]).T
    expected = _averaged.averaged_derivatives(offsets.astype(float))
    errors = np.abs(_averaged._far(offsets.astype(float)) - expected).max(axis=0) / np.abs(expected).max(axis=0)
    constants = errors * np.sum(offsets**2, axis=0) ** 5
    assert 3.5 < constants.max() < 4.1


def test_offsets_of_any_shape():
    offsets = np.random.default_rng(0).integers(-30, 30, (5, 4, 3))
    result = averaged_tensors(STRESS, offsets)
    assert result.shape == (5, 4, 6, 6)
    assert np.array_equal(result[2, 1], averaged_tensors(STRESS, offsets[2, 1].astype(np.int8)))
    assert averaged_tensors(DIPOLES, np.empty((0, 3))).shape == (0, 3, 3)
    many = np.random.default_rng(1).integers(-40, 40, (5000, 3))  # more than are computed together
    assert np.array_equal(averaged_tensors(STRESS, many)[4090:4100], averaged_tensors(STRESS, many[4090:4100]))
    far = np.array([10**15, -(10**15), 3])
    assert_tensors_equal(as_tensor(averaged_tensors(STRESS, far)), point_tensor(STRESS)(far.astype(float)))


@pytest.mark.parametrize(
    ("interaction", "offsets", "error", "message"),
    [
        (
            "stress",
            [0, 0, 1],
            TypeError,
            r"interaction must be an Interaction \(StressInteraction, DipoleInteraction\), got 'stress'",
        ),
        (STRESS, 1, ValueError, r"offsets must have shape \(..., 3\), got \(\)"),
        (STRESS, [1, 2], ValueError, r"offsets must have shape \(..., 3\), got \(2,\)"),
        (STRESS, [1, 2.5, 0], ValueError, r"offsets must be whole numbers up to 1e\+15, got 2.5"),
        (STRESS, [1, np.nan, 0], ValueError, "offsets must be whole numbers up to .* got nan"),
        (STRESS, [1, 10**16, 0], ValueError, r"offsets must be whole numbers up to .* got 1e\+16"),
        (STRESS, ["1", "2", "3"], TypeError, "offsets must consist of real numbers"),
    ],
)
def test_bad_offsets(interaction, offsets, error, message):
    with pytest.raises(error, match=message):
        averaged_tensors(interaction, offsets)


# Pair sums


def cubes(shape, spacing=1.0):
    return mbfast.BlockLattice(shape, spacing, averaged=True)


def assert_fields_equal(field, expected, rtol=RTOL):
    materials.assert_fields_equal(field, expected, rtol)


@pytest.mark.thinned(1)
@pytest.mark.parametrize("images", [None, 1])
@INTERACTIONS
def test_field_and_energy_equal_the_naive_sums(interaction, images):
    lattice, tensor = cubes((1, 1, 2) if images else (2, 1, 3), 0.5), point_tensor(interaction)
    moments, known = random_moments(1, lattice.shape, interaction), {}

    def average(r):
        offset = tuple(np.rint(r / lattice.spacing).astype(int))
        if offset not in known:
            known[offset] = known[tuple(-i for i in offset)] = testing.averaged_over_cubes(tensor, offset, n=12)
        return known[offset] * interaction.prefactor / lattice.spacing**3

    options, shifts = {}, [(0.0, 0.0, 0.0)]
    if images:
        options = {"boundary": "periodic", "images": images}
        shifts = [np.array(n) * lattice.shape * lattice.spacing for n in itertools.product((-1, 0, 1), repeat=3)]
    flat = moments.reshape(lattice.n_blocks, *moments.shape[3:])
    expected = testing.pair_field(average, lattice.positions, flat, shifts)
    rtol = max(RTOL, 1e-12)  # of Gauss's rule of 12 points next to the singularity
    assert_fields_equal(mbfast.pair_field(interaction, lattice, moments, **options).reshape(flat.shape), expected, rtol)
    magnitude = np.sum(np.abs(flat * expected))
    assert (
        abs(mbfast.pair_energy(interaction, lattice, moments, **options) - np.sum(flat * expected)) <= rtol * magnitude
    )


@INTERACTIONS
def test_blocks_cut_in_eight_have_the_same_energy(interaction):
    """Spread evenly, a moment is the same in one cube or in eight; what acts inside a cube is its own field."""
    moments = random_moments(2, (2, 2, 1), interaction)
    fine = np.kron(moments, np.ones((2, 2, 2, *[1] * (moments.ndim - 3)))) / 8
    for method in ("direct", "fft"):
        fields = [
            mbfast.pair_sum(interaction, cubes(m.shape[:3], side), m, method=method, self_field=True)
            for side, m in ((1.0, fine), (2.0, moments))
        ]
        assert abs(fields[0].energy - fields[1].energy) <= 10 * RTOL * np.abs(fields[0].energies).sum()


@INTERACTIONS
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_turning_lattice_and_moments_leaves_the_energy(interaction, seed):
    rng = np.random.default_rng(seed)
    moments = random_moments(seed, (3, 2, 4), interaction)
    axes, signs = rng.permutation(3), rng.choice([-1, 1], 3)
    q = np.eye(3)[axes] * signs[axes][:, None]
    turned = np.flip(moments, [a for a in range(3) if signs[a] < 0])
    turned = np.transpose(turned, [*axes, *range(3, moments.ndim)])
    turned = turned @ q.T if interaction is DIPOLES else q @ turned @ q.T
    before = mbfast.pair_energy(interaction, cubes((3, 2, 4)), moments)
    after = mbfast.pair_energy(interaction, cubes(turned.shape[:3]), turned)
    field = mbfast.pair_field(interaction, cubes((3, 2, 4)), moments)
    assert abs(after - before) <= 1e-13 * np.sum(np.abs(moments * field))
    assert abs(np.sum(moments * field) - before) <= 1e-13 * np.sum(np.abs(moments * field))


@INTERACTIONS
def test_superposition_and_reciprocity(interaction):
    lattice = cubes((2, 3, 2))
    first, second = (random_moments(seed, lattice.shape, interaction) for seed in (3, 4))
    fields = [mbfast.pair_field(interaction, lattice, m) for m in (first, second, first + second)]
    assert_fields_equal(fields[0] + fields[1], fields[2], rtol=1e-14)
    assert np.sum(first * fields[1]) == pytest.approx(np.sum(second * fields[0]), abs=1e-13 * np.sum(abs(fields[0])))


@pytest.mark.compiled
@INTERACTIONS
def test_the_bits_depend_neither_on_threads_nor_on_the_layout(interaction, monkeypatch):
    from mbfast.pairs import direct

    lattice = cubes((9, 10, 11), 3e-9)
    moments = random_moments(5, lattice.shape, interaction)
    one = mbfast.pair_field(interaction, lattice, moments, threads=1)
    energy = mbfast.pair_energy(interaction, lattice, moments, threads=1)
    for threads in (2, 5):
        assert np.array_equal(mbfast.pair_field(interaction, lattice, moments, threads=threads), one)
        assert mbfast.pair_energy(interaction, lattice, moments, threads=threads) == energy
    if interaction is not DIPOLES:
        assert np.array_equal(mbfast.pair_field(interaction, lattice, six(moments)), six(one))
    monkeypatch.setattr(direct, "_SOURCES", 64)
    monkeypatch.setattr(direct, "ROWS", 100)
    assert_fields_equal(mbfast.pair_field(interaction, lattice, moments), one, rtol=1e-14)


def test_no_images_is_open_and_distant_images_are_points():
    lattice = cubes((2, 2, 2), 1e-9)
    moments = random_moments(6, lattice.shape, DIPOLES)
    open_field = mbfast.pair_field(DIPOLES, lattice, moments)
    assert np.array_equal(mbfast.pair_field(DIPOLES, lattice, moments, boundary="periodic", images=0), open_field)
    one = cubes((1, 1, 1))
    moment = np.zeros((1, 1, 1, 6))
    moment[..., 0] = 1.0
    field = mbfast.pair_field(STRESS, one, moment, boundary="periodic", images=1)
    neighbours = [d for d in itertools.product((-1, 0, 1), repeat=3) if any(d)]
    expected = averaged_tensors(STRESS, neighbours).sum(axis=0)[:, 0] * STRESS.prefactor
    assert_fields_equal(field[0, 0, 0], expected, rtol=1e-14)


@pytest.mark.parametrize("self_field", [False, True])
@pytest.mark.parametrize("image_shape", ["open", "cubic", "spherical"])
@INTERACTIONS
def test_sums_of_the_tensors_themselves(interaction, image_shape, self_field):
    lattice = cubes((2, 3, 1))
    moments, places = random_moments(9, lattice.shape, interaction), lattice.positions
    periods = [np.array(n) * lattice.shape for n in itertools.product(range(-3, 4), repeat=3)]
    if image_shape == "open":
        periods = np.zeros((1, 3))
    elif image_shape == "cubic":
        periods = [p for p in periods if np.all(np.abs(p) <= lattice.shape)]
    else:
        periods = [p for p in periods if np.linalg.norm(p) <= 6 ** (1 / 3) * (1 + 1e-12)]
    offsets = places[:, None, None] - places[:, None] + np.array(periods)
    tensors = as_tensor(averaged_tensors(interaction, offsets)) * interaction.prefactor
    if not self_field:
        tensors[~offsets.any(axis=-1)] = 0.0
    rule = "stpijkl,tkl->sij" if moments.ndim == 5 else "stpij,tj->si"
    flat = moments.reshape(6, *moments.shape[3:])
    options = {} if image_shape == "open" else {"boundary": "periodic", "images": 1, "image_shape": image_shape}
    expected = np.einsum(rule, tensors, flat)
    for method in ("direct", "fft"):
        result = mbfast.pair_sum(interaction, lattice, moments, method=method, self_field=self_field, **options)
        assert_fields_equal(result.field.reshape(flat.shape), expected, rtol=2e-14)
        assert result.energy == pytest.approx(np.sum(expected * flat), abs=1e-13 * np.abs(expected * flat).sum())
        assert result.inputs["self_field"] is self_field


@pytest.mark.parametrize("shape", [(0, 2, 2), (1, 1, 1)])
@INTERACTIONS
def test_nothing_and_one_cube(interaction, shape):
    moments = random_moments(7, shape, interaction)
    assert np.array_equal(mbfast.pair_field(interaction, cubes(shape), moments), np.zeros_like(moments))
    assert mbfast.pair_energy(interaction, cubes(shape), moments) == 0.0


def test_progress_is_counted():
    seen = []
    moments = random_moments(8, (4, 4, 5), DIPOLES)
    mbfast.pair_energy(DIPOLES, cubes((4, 4, 5)), moments, progress=lambda *counts: seen.append(counts))
    assert seen == [(i + 1, len(seen)) for i in range(len(seen))] != []


def test_whether_a_lattice_is_averaged_is_part_of_it():
    lattice = cubes((2, 2, 2))
    assert lattice != mbfast.BlockLattice((2, 2, 2), 1.0)
    assert lattice == eval(repr(lattice), {"BlockLattice": mbfast.BlockLattice})
    assert hash(lattice) == hash(mbfast.BlockLattice((2, 2, 2), 1.0, averaged=np.True_))
    assert mbfast.BlockLattice((2, 2, 2), 1.0).averaged is False
    for value in (1, "yes", None):
        with pytest.raises(TypeError, match=f"averaged must be True or False, got {value!r}"):
            mbfast.BlockLattice((2, 2, 2), 1.0, averaged=value)


def test_sums_over_distances_are_for_points():
    wave = [0, 0, 1.0], "longitudinal"
    for compute in (
        lambda: mbfast.lattice_sum(cubes((2, 2, 2)), 6),
        lambda: mbfast.phase_sum(STRESS, cubes((2, 2, 2)), *wave),
        lambda: mbfast.strain_coupling_sum(STRESS, cubes((2, 2, 2)), *wave, x=0.3),
    ):
        with pytest.raises(ValueError, match=r"blocks must be points, .* got averaged=True"):
            compute()
