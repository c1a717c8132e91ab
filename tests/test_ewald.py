import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import (
    DIPOLES,
    INTERACTIONS,
    JOFFRIN_LEVELUT,
    OF_STRESS_AND_DIPOLES,
    SILICA,
    WEIGHTS,
    full,
    largest,
    named,
    six,
    size,
    worst,
)
from materials import UNIT_DIPOLES as UNIT
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing
from mbfast.pairs._ewald import fft as _fft
from mbfast.pairs._ewald import plan as _plan
from mbfast.pairs.geometry import reduced_cell
from mbfast.pairs.problem import PairProblem


@pytest.fixture
def meshed(monkeypatch):
    """Few blocks in free space on meshes, as many would be, in place of a direct sum."""
    monkeypatch.setattr(_plan, "_ALL", np.inf)


def random_moments(seed, n, interaction):
    moments = np.random.default_rng(seed).normal(size=(n, interaction.components))
    return moments if interaction.components == 3 else full(moments)


def inputs(kind, n=1500):
    rng = np.random.default_rng(4)
    if kind == "random":
        return 1e-8 * rng.random((n, 3)) * [1.0, 1.3, 0.8]
    if kind == "clustered":
        return np.concatenate([rng.normal(5e-9, 1e-10, (n // 2, 3)), 1e-8 * rng.random((n // 2, 3))])
    if kind == "plane":
        return 1e-8 * rng.random((n, 3)) * [1.0, 0.0, 1.0]
    if kind == "chain":
        return 1e-8 * rng.random((n, 3)) * [0.0, 0.0, 1.0]
    return 1e-9 * np.array(list(np.ndindex(12, 11, 11)), dtype=float)


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@pytest.mark.thinned(2)
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("kind", ["random", "clustered", "plane", "chain", "lattice"])
@INTERACTIONS
def test_open_boundaries_meet_rtol(interaction, kind, rtol):
    positions = inputs(kind)
    moments = random_moments(1, len(positions), interaction)
    expected = mbfast.pair_field(interaction, positions, moments)
    field = mbfast.pair_field(interaction, positions, moments, method="ewald", rtol=rtol)
    assert largest(field - expected) <= rtol * largest(expected)


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@pytest.mark.thinned(1)
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9, 1e-12])
@INTERACTIONS
def test_ordered_moments_meet_rtol(interaction, rtol):
    """Equal moments on a lattice: errors of the modes at its reciprocal vectors add up, fields within nearly cancel."""
    positions = inputs("lattice")
    moments = np.repeat(random_moments(1, 1, interaction), len(positions), axis=0)
    expected = mbfast.pair_field(interaction, positions, moments)
    field = mbfast.pair_field(interaction, positions, moments, method="ewald", rtol=rtol)
    assert largest(field - expected) <= rtol * largest(expected)


@pytest.mark.compiled
@pytest.mark.parametrize(("interaction", "rtol"), [(SILICA, 1e-6), (DIPOLES, 1e-4)], ids=["stress", "dipole"])
def test_error_is_small_beside_a_typical_field(interaction, rtol):
    """Random positions have close pairs whose fields are far above all others: these are met, too."""
    n = 10_000
    positions, moments = np.random.default_rng(1).random((n, 3)), random_moments(1, n, interaction)
    expected = mbfast.pair_field(interaction, positions, moments)
    field = mbfast.EwaldField(interaction, positions, rtol=rtol)(moments)
    assert np.sqrt(np.mean((field - expected) ** 2)) <= rtol * abs(interaction.prefactor) * n


@pytest.mark.usefixtures("meshed")
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@INTERACTIONS
def test_few_blocks_against_the_naive_sums(interaction, boundary):
    """The one that also runs without the JIT: few nodes, all kernels."""
    positions = np.random.default_rng(3).random((5, 3)) * [1.0, 1.2, 0.9]
    moments = random_moments(2, 5, interaction)
    if boundary == "open":
        tensor = lambda r: testing.pair_tensor(named(interaction), np.array([r]))[0]  # noqa: E731
        expected, options = testing.pair_field(tensor, positions, moments), {}
    else:
        cell = np.diag([1.1, 1.3, 1.0])
        expected = testing.sphere_of_images(named(interaction), positions, moments, cell, 6.0)
        expected -= testing.mean_mode(named(interaction), moments.sum(axis=0)) / np.linalg.det(cell)
        options = {"boundary": "periodic", "cell": cell}
    field = mbfast.pair_field(interaction, positions, moments, method="ewald", rtol=1e-2, **options)
    assert largest(field - interaction.prefactor * expected) <= 1e-2 * largest(interaction.prefactor * expected)


CELLS = {
    "cubic": np.eye(3),
    "flat": np.diag([1.0, 1.5, 0.7]),
    "skew": np.array([[1.0, 0.0, 0.0], [0.95, 0.8, 0.0], [-0.85, 0.25, 0.9]]),
}


@pytest.mark.compiled
@pytest.mark.thinned(1)
@pytest.mark.parametrize("cell", CELLS)
@INTERACTIONS
def test_periodic_boxes_against_spheres_of_images(interaction, cell):
    """Spheres of images converge to the clamped (tin-foil) field plus the mean mode: for dipoles, the vacuum's."""
    vectors = CELLS[cell]
    positions = np.random.default_rng(5).random((3, 3)) @ vectors * 2.3 - 0.4  # beyond the cell, too
    moments = random_moments(6, 3, interaction)
    spheres = testing.sphere_of_images(named(interaction), positions, moments, vectors, 20.0)
    mean = testing.mean_mode(named(interaction), moments.sum(axis=0)) / np.linalg.det(vectors)
    expected = interaction.prefactor * (spheres - mean)
    for rtol in (1e-3, 1e-6, 1e-8):
        options = {"boundary": "periodic", "cell": vectors, "rtol": rtol}
        field = mbfast.EwaldField(interaction, positions, **options)(moments)
        assert largest(field - expected) <= rtol * largest(expected)
    if interaction is DIPOLES:
        vacuum = mbfast.EwaldField(interaction, positions, macroscopic="vacuum", **options)(moments)
        assert_allclose(vacuum, interaction.prefactor * spheres, rtol=0, atol=1e-8 * largest(spheres * vacuum.max()))


ANGLES = st.sampled_from([10.0, 20.0, 40.0, 60.0, 75.0, 100.0, 115.0])
BASES = st.lists(st.tuples(st.permutations(range(3)), st.integers(-3, 3)), max_size=4)


def rhombohedral(degrees):
    """Three vectors of length 1 with equal angles."""
    cosine = np.cos(np.deg2rad(degrees))
    across, along = np.sqrt((1.0 - cosine) * 2.0 / 3.0), np.sqrt((1.0 + 2.0 * cosine) / 3.0)
    return np.array(
        [[across * np.cos(t), across * np.sin(t), along] for t in (0.0, 2.0 * np.pi / 3.0, 4.0 * np.pi / 3.0)]
    )


def another_basis(cell, steps):
    vectors = cell.copy()
    for (i, j, _), times in steps:
        vectors[i] += times * vectors[j]
    return vectors


@pytest.mark.compiled
@settings(max_examples=10)  # each makes two fields
@given(
    degrees=ANGLES, steps=BASES, n=st.integers(1, 4), seed=st.integers(0, 99), rtol=st.sampled_from([1e-3, 1e-8, 1e-12])
)
@OF_STRESS_AND_DIPOLES
def test_any_basis_of_a_lattice_gives_one_answer(interaction, degrees, steps, n, seed, rtol):
    """Acute cells of few blocks, where all three axes end at once; blocks in any image of their cell; a double cell."""
    rng, cell = np.random.default_rng(seed), rhombohedral(degrees)
    positions, moments = rng.random((n, 3)) @ cell, random_moments(seed, n, interaction)
    expected = mbfast.EwaldField(interaction, positions, boundary="periodic", cell=cell, rtol=1e-12)(moments)
    moved = positions + rng.integers(-2, 3, (n, 3)) @ cell
    made = mbfast.EwaldField(interaction, moved, boundary="periodic", cell=another_basis(cell, steps), rtol=rtol)
    assert worst(made(moments), expected, moments, made) <= 1.0
    doubled, twice = np.concatenate([positions, positions + cell[1]]), np.concatenate([moments, moments])
    made = mbfast.EwaldField(interaction, doubled, boundary="periodic", cell=cell * [[1], [2], [1]], rtol=rtol)
    assert worst(made(twice), np.concatenate([expected, expected]), twice, made) <= 1.0


PRIMITIVE = {
    "simple": np.eye(3),
    "face-centred": np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]) / 2.0,
    "body-centred": np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]]) / 2.0,
    "tetragonal": np.diag([1.0, 1.0, 2.5]),
}


@pytest.mark.compiled
@settings(max_examples=10)  # each makes two fields
@given(
    kind=st.sampled_from(sorted(PRIMITIVE)), shape=st.tuples(*[st.integers(1, 5)] * 3), hydrostatic=st.booleans(),
    wave=st.tuples(*[st.integers(0, 4)] * 3), at_nodes=st.booleans(), seed=st.integers(0, 99),
    rtol=st.sampled_from([1e-2, 1e-4, 1e-6, 1e-9]),
)  # fmt: skip
@OF_STRESS_AND_DIPOLES
def test_waves_of_moments_meet_rtol(interaction, kind, shape, wave, hydrostatic, at_nodes, seed, rtol):
    """The worst input: errors of all modes of a wave add up, and its field may be zero."""
    cells, rng = np.array(list(np.ndindex(shape)), dtype=float), np.random.default_rng(seed)
    positions = (cells + (0.0 if at_nodes else rng.random(3))) @ PRIMITIVE[kind]
    moment = random_moments(seed, 1, interaction)[0]
    if hydrostatic and interaction.components == 6:
        moment = np.eye(3)
    phases = np.cos(2.0 * np.pi * cells @ (np.array(wave) / shape))
    moments = np.multiply.outer(phases, moment)
    options = {"boundary": "periodic", "cell": PRIMITIVE[kind] * np.array(shape)[:, None]}
    expected = mbfast.EwaldField(interaction, positions, rtol=1e-12, **options)(moments)
    made = mbfast.EwaldField(interaction, positions, rtol=rtol, **options)
    assert worst(made(moments), expected, moments, made) <= 1.0


@pytest.mark.compiled
@pytest.mark.parametrize("rtol", [1e-2, 1e-4, 1e-6, 1e-9, 1e-12])
def test_waves_of_dipoles_whose_field_is_zero_by_symmetry(rtol):
    """Neighbours of a simple cubic lattice that all are opposite; equal dipoles without the field of the surface."""
    lattice = mbfast.BlockLattice((6, 6, 6), 1.0)
    opposite = np.cos(np.pi * lattice.positions.sum(axis=1)).reshape(6, 6, 6, 1) * [0.3, -0.5, 0.8]
    for moments, condition in ((opposite, "tin-foil"), (np.abs(opposite), "vacuum")):
        made = mbfast.EwaldField(UNIT, lattice, boundary="periodic", macroscopic=condition, rtol=rtol)
        assert largest(made(moments)) <= rtol * made.unit * size(moments.reshape(-1, 3))


@pytest.mark.compiled
@settings(max_examples=40)
@given(n=st.integers(2, 4), seed=st.integers(0, 999), rtol=st.sampled_from([1e-12, 1e-6, 1e-2]))
@OF_STRESS_AND_DIPOLES
def test_few_blocks_in_free_space_meet_rtol(interaction, n, seed, rtol):
    positions, moments = np.random.default_rng(seed).random((n, 3)), random_moments(seed, n, interaction)
    expected = mbfast.pair_field(interaction, positions, moments, method="direct")
    field = mbfast.pair_field(interaction, positions, moments, method="ewald", rtol=rtol)
    assert largest(field - expected) <= rtol * largest(expected)


@given(degrees=ANGLES, steps=BASES, lengths=st.tuples(*[st.floats(1e-3, 1e3)] * 3))
def test_cells_are_reduced(degrees, steps, lengths):
    """The same lattice, and no combination of vectors is shorter than the longest that takes part in it."""
    cell = another_basis(rhombohedral(degrees) * np.array(lengths)[:, None], steps)
    vectors = reduced_cell(cell)
    turns = vectors @ np.linalg.inv(cell)
    assert_allclose(turns, np.rint(turns), atol=1e-6 * max(1.0, np.abs(turns).max()))
    assert abs(np.linalg.det(np.rint(turns))) == pytest.approx(1.0)
    norms = np.linalg.norm(vectors, axis=1)
    for signs in itertools.product((-1, 0, 1), repeat=3):
        if any(signs):
            assert np.linalg.norm(np.array(signs) @ vectors) >= (1.0 - 1e-9) * norms[np.nonzero(signs)].max()


@given(steps=BASES, images=st.integers(0, 3))
def test_spheres_of_images_do_not_depend_on_the_basis(steps, images):
    cell = np.array([[1.0, 0.1, 0.0], [-0.3, 1.4, 0.2], [0.0, 0.3, 2.8]])
    options = {"boundary": "periodic", "images": images, "image_shape": "spherical"}
    one = PairProblem.of(DIPOLES, np.zeros((1, 3)), cell=cell, **options)
    other = PairProblem.of(DIPOLES, np.zeros((1, 3)), cell=another_basis(cell, steps), **options)
    assert len(one.shifts) == len(other.shifts) <= other.copies == one.copies
    assert_allclose(
        np.sort(np.linalg.norm(other.shifts, axis=1)), np.sort(np.linalg.norm(one.shifts, axis=1)), atol=1e-12
    )


def test_a_cell_costs_what_its_volume_says():
    """Sheared by many periods; long; a slab and a cluster in a vacuum: pairs, images, nodes and bytes are few."""
    positions = np.random.default_rng(0).random((20, 3))

    def cost(scale, cell):
        problem = PairProblem.of(SILICA, positions * scale, boundary="periodic", cell=cell, rtol=1e-6)
        return mbfast.EwaldField.estimate(problem)

    cube = cost(1.0, np.eye(3))
    for slope in (1.0, 30.0, 1e4):
        sheared = cost(1.0, np.array([[1.0, 0.0, 0.0], [slope, 1.0, 0.0], [0.0, -slope, 1.0]]))
        assert sheared.seconds < 1.5 * cube.seconds
    for scale, cell in (
        ([1.0, 1.0, 1e3], [1.0, 1.0, 1e3]),
        ([1.0, 1.0, 1e4], [1.0, 1.0, 1e4]),
        ([1.0, 1e3, 1e3], [1.0, 1e3, 1e3]),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 50.0]),
        ([1.0, 1.0, 1.0], [50.0, 50.0, 50.0]),
    ):
        long = cost(np.array(scale), cell)
        assert long.seconds < 0.1
        assert long.memory < 3e8


@pytest.mark.compiled
def test_without_stress_the_body_is_strained_by_its_moments():
    """C e = -tau with C of rho c_t^2 and rho (c_l^2 - 2 c_t^2), solved as a 6 by 6 system; the strain is 2 h."""
    positions, moments = np.random.default_rng(1).random((7, 3)), random_moments(2, 7, SILICA)
    options = {"boundary": "periodic", "cell": [1.0, 1.2, 0.9], "rtol": 1e-9}
    clamped = mbfast.EwaldField(SILICA, positions, **options)(moments)
    free = mbfast.EwaldField(SILICA, positions, macroscopic="stress-free", **options)(moments)
    mu, lame = 2200 * 3800.0**2, 2200 * (5800.0**2 - 2 * 3800.0**2)
    stiffness = np.diag([2 * mu] * 6)  # plain components, no factors 2
    stiffness[:3, :3] += lame
    tau = six(moments.sum(axis=0)) / (1.0 * 1.2 * 0.9)
    strain = np.linalg.solve(stiffness, -tau)
    assert_allclose(2 * six(free - clamped), np.tile(strain, (7, 1)), rtol=1e-9)
    # the sum of T:h is the energy of the relaxed medium, so it changes by min over e of V (e:C:e/2 + e:tau) = V e:tau/2
    change = np.sum(moments * free) - np.sum(moments * clamped)
    assert change == pytest.approx(0.5 * 1.08 * np.sum(WEIGHTS * strain * tau), rel=1e-9)
    assert change < 0.0


@pytest.mark.compiled
def test_known_lattices_of_dipoles():
    options = {"method": "ewald", "boundary": "periodic", "rtol": 1e-10}
    one, up = mbfast.BlockLattice((1, 1, 1), 1.0), np.array([[[[0.0, 0.0, 1.0]]]])
    # Lorentz: within a sphere of a cubic lattice of parallel dipoles there is no field; tin-foil adds 4 pi/3 P
    assert abs(mbfast.pair_energy(UNIT, one, up, macroscopic="vacuum", **options)) < 1e-9
    assert mbfast.pair_energy(UNIT, one, up, **options) == pytest.approx(-4 * np.pi / 3, rel=1e-9)
    # a sheet of rows that alternate: -2.54943649700139 each (ESPResSo's Madelung tests), pairs counted once; sheets 12
    # apart do not see each other, exp(-12 pi)
    sheet, rows = mbfast.BlockLattice((1, 2, 12), 1.0), np.zeros((1, 2, 12, 3))
    rows[0, :, 0, 0] = 1.0, -1.0
    assert mbfast.pair_energy(UNIT, sheet, rows, **options) == pytest.approx(2 * 2 * -2.54943649700139, rel=1e-9)
    # columns that alternate, the ground state of the simple cubic lattice: -2.676 each (Luttinger and Tisza 1946)
    columns = np.zeros((2, 2, 1, 3))
    columns[:, :, 0, 2] = [[1, -1], [-1, 1]]
    energy = mbfast.pair_energy(UNIT, mbfast.BlockLattice((2, 2, 1), 1.0), columns, **options)
    assert energy == pytest.approx(2 * 4 * -2.676, rel=5e-4)


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@OF_STRESS_AND_DIPOLES
def test_fields_are_reciprocal(interaction):
    """T:h(T') = T':h(T): the tensor is symmetric, whatever the split."""
    positions = inputs("random", 400)
    a, b = random_moments(1, 400, interaction), random_moments(2, 400, interaction)
    for options in ({}, {"boundary": "periodic", "cell": [1.1e-8, 1.4e-8, 0.9e-8]}):
        field = mbfast.EwaldField(interaction, positions, rtol=1e-8, **options)
        forth, back = np.sum(a * field(b)), np.sum(b * field(a))
        assert forth == pytest.approx(back, abs=1e-8 * np.sum(np.abs(a * field(b))))


@pytest.mark.compiled
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@OF_STRESS_AND_DIPOLES
@pytest.mark.usefixtures("eager_threads")
def test_any_number_of_threads_gives_the_same_bits(interaction, boundary):
    positions, moments = inputs("random", 3000), random_moments(1, 3000, interaction)
    options = {"boundary": boundary, "cell": None if boundary == "open" else [1.1e-8, 1.4e-8, 0.9e-8]}
    one, two, three = (mbfast.EwaldField(interaction, positions, threads=k, **options)(moments) for k in (1, 2, 3))
    assert np.array_equal(one, two)
    assert np.array_equal(one, three)


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@pytest.mark.parametrize(
    "ducc", [False, pytest.param(True, marks=pytest.mark.skipif(not _fft.ducc(), reason="no ducc0"))]
)
def test_either_library_of_transforms(monkeypatch, ducc):
    if not ducc:
        monkeypatch.setattr(_fft, "ducc", lambda: None)
    positions, moments = inputs("random", 500), random_moments(1, 500, SILICA)
    expected = mbfast.pair_field(SILICA, positions, moments)
    field = mbfast.pair_field(SILICA, positions, moments, method="ewald", rtol=1e-10)
    assert largest(field - expected) <= 1e-10 * largest(expected)


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@INTERACTIONS
def test_layouts_and_out(interaction):
    lattice = mbfast.BlockLattice((5, 4, 6), 1e-9)
    moments = random_moments(1, 120, interaction)
    field = mbfast.EwaldField(interaction, lattice, rtol=1e-9)
    result = field(moments.reshape(5, 4, 6, *moments.shape[1:]))
    assert result.shape == (5, 4, 6, *moments.shape[1:])
    expected = mbfast.pair_field(interaction, lattice.positions, moments)
    assert largest(result.reshape(expected.shape) - expected) <= 1e-9 * largest(expected)
    again = np.empty_like(result)
    assert field(moments.reshape(again.shape), out=again) is again
    assert np.array_equal(again, result)
    if interaction.components == 6:
        assert np.array_equal(field(six(moments).reshape(5, 4, 6, 6)), six(result))
    energy = field.energy(moments.reshape(again.shape))
    assert energy == pytest.approx(np.sum(moments.reshape(again.shape) * result), rel=1e-12)
    assert mbfast.pair_energy(interaction, lattice, moments.reshape(again.shape), method="ewald", rtol=1e-9) == energy


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_far_scales(scale):
    positions, moments = inputs("random", 100), random_moments(1, 100, SILICA)
    field = mbfast.pair_field(SILICA, positions, moments, method="ewald")
    scaled = mbfast.pair_field(SILICA, scale * positions, 1e-60 * moments, method="ewald") / 1e-60
    assert_allclose(scaled * scale**3, field, rtol=0, atol=1e-6 * largest(field))
    assert not mbfast.pair_field(SILICA, positions, 0 * moments, method="ewald").any()


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@pytest.mark.parametrize("n", [0, 1, 2])
@INTERACTIONS
def test_hardly_any_blocks(interaction, n):
    positions, moments = inputs("random", n), random_moments(1, n, interaction)
    expected = mbfast.pair_field(interaction, positions, moments)
    field = mbfast.pair_field(interaction, positions, moments, method="ewald")
    unit = abs(interaction.prefactor) / 1e-24  # of one alone, nothing but rounding is left
    assert largest(np.append(field - expected, 0.0)) <= 1e-6 * max(largest(np.append(expected, 0.0)), unit)


@pytest.mark.compiled
def test_progress_counts_one_tile():
    seen = []
    options = {"method": "ewald", "progress": lambda done, total: seen.append((done, total))}
    for function in (mbfast.pair_field, mbfast.pair_energy):
        function(DIPOLES, inputs("random", 20), random_moments(1, 20, DIPOLES), **options)
    assert seen == [(1, 1), (1, 1)]


GOOD = inputs("random", 4)
PERIODIC = {"boundary": "periodic", "cell": [2e-8] * 3}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rtol": 1e-13}, ValueError, "rtol must be from 1e-12, the least that rounding allows, to 0.01, got 1e-13"),
        ({"rtol": 0.1}, ValueError, "rtol must be from"),
        ({"rtol": float("nan")}, ValueError, "rtol must be from"),
        ({"rtol": "fine"}, TypeError, "rtol must consist of real numbers"),
        ({"boundary": "closed"}, ValueError, "boundary must be one of open, periodic"),
        ({"cell": [1, 1, 1]}, ValueError, "cell and images belong to boundary='periodic', got cell"),
        ({"boundary": "periodic"}, ValueError, "cell must be given"),
        ({"boundary": "periodic", "cell": [1, 1, 0]}, ValueError, "cell must have a volume"),
        ({"macroscopic": "clamped"}, ValueError, "macroscopic belongs to boundary='periodic', got 'clamped'"),
        ({**PERIODIC, "macroscopic": "vacuum"}, ValueError, "macroscopic must be one of clamped, stress-free"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
    ],
)
def test_bad_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        mbfast.EwaldField(SILICA, GOOD, **options)
    with pytest.raises(error, match=message):
        mbfast.pair_field(SILICA, GOOD, random_moments(0, 4, SILICA), method="ewald", **options)


def test_what_does_not_go_together_is_refused():
    moments = random_moments(0, 4, SILICA)
    with pytest.raises(ValueError, match="images are summed explicitly by method='direct' and method='fft', got 1"):
        mbfast.pair_field(SILICA, GOOD, moments, method="ewald", images=1, **PERIODIC)
    with pytest.raises(ValueError, match="macroscopic is for sums over all images, got 'clamped' with images=1"):
        mbfast.pair_energy(SILICA, GOOD, moments, method="direct", macroscopic="clamped", images=1, **PERIODIC)
    with pytest.raises(ValueError, match="macroscopic must be clamped for form='joffrin-levelut'"):
        mbfast.EwaldField(JOFFRIN_LEVELUT, GOOD, macroscopic="stress-free", **PERIODIC)
    soft = mbfast.StressInteraction(1.0, 1.1, 1.0)  # its bulk modulus is negative
    with pytest.raises(ValueError, match="where c_l\\^2 <= 4/3 c_t\\^2"):
        mbfast.EwaldField(soft, GOOD, macroscopic="stress-free", **PERIODIC)
    with pytest.raises(ValueError, match="macroscopic must be one of tin-foil, vacuum"):
        mbfast.EwaldField(DIPOLES, GOOD, macroscopic="clamped", **PERIODIC)
    with pytest.raises(ValueError, match="cell is known for a lattice"):
        mbfast.EwaldField(SILICA, mbfast.BlockLattice((2, 2, 2), 1.0), **PERIODIC)
    with pytest.raises(TypeError, match=r"interaction must be an Interaction \(.*\), got 'stress'"):
        mbfast.EwaldField("stress", GOOD)
    with pytest.raises(ValueError, match="blocks 0 and 4 coincide up to a period"):
        mbfast.EwaldField(SILICA, np.vstack([GOOD, np.add(GOOD[0], [2e-8, 0, -4e-8])]), **PERIODIC)


@pytest.mark.compiled
def test_moments_and_out_are_checked():
    field = mbfast.EwaldField(DIPOLES, GOOD)
    with pytest.raises(ValueError, match=r"moments must have shape \(4, 3\), got \(3, 3\)"):
        field(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="moments must be finite"):
        field(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match=r"out must be a writable, C-contiguous float64 array of shape \(4, 3\)"):
        field(np.zeros((4, 3)), out=np.zeros((3, 4)).T)


@pytest.mark.usefixtures("meshed")
def test_plans_of_all_sizes_are_found():
    """Whatever the shape, the mesh stays within bounds and the radius within the sample."""
    rng = np.random.default_rng(0)
    for n, lengths, rtol in itertools.product(
        (1, 50, 5000), ([1, 1, 1], [1, 1, 0], [0, 0, 1], [1, 1e-3, 1e-3]), (1e-2, 1e-12)
    ):
        positions = rng.random((n, 3)) * lengths
        plan = _plan.choose(positions, np.diag(np.ptp(positions, axis=0)), rtol, components=6, periodic=False)
        assert max(map(np.prod, plan.shapes)) <= 1 << 25


def test_cubes_are_refused():
    lattice = mbfast.BlockLattice((2, 2, 2), 1e-9, averaged=True)
    with pytest.raises(ValueError, match="blocks must be points for Ewald sums, got averaged=True"):
        mbfast.EwaldField(mbfast.DipoleInteraction(1e-11), lattice)
