"""Forces and the virial: derivatives of the energy by positions and strain, against naive sums and differences."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import naive
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
    UNIT_DIPOLES,
    UNIT_JOFFRIN_LEVELUT,
    UNIT_STRESS,
    largest,
    named,
    random_moments,
    size,
)
from numpy.testing import assert_allclose, assert_array_equal
from test_ewald import CELLS, PRIMITIVE, inputs, meshed  # noqa: F401  a fixture
from test_fields import BareStress, MagneticDipoles

import mbfast
from mbfast import testing
from mbfast.kernels import dipole, stress

UNITS = pytest.mark.parametrize(
    "interaction", [UNIT_STRESS, UNIT_JOFFRIN_LEVELUT, UNIT_DIPOLES], ids=["stress", "jl", "dipole"]
)
SHEAR = np.array([[0.3, -0.8, 0.5], [0.9, 0.4, -0.2], [-0.6, 0.1, 0.7]])  # a gradient of displacement with all parts


def blocks(seed, n, interaction):
    return np.random.default_rng(seed).random((n, 3)), random_moments(seed, (n,), interaction)


def torque(moments, field):
    """The matrix whose antisymmetric part, with that of the virial, is what a rotation of everything costs."""
    if moments.ndim == 2:
        return 2 * np.einsum("si,sj->ij", field, moments)
    return 4 * np.einsum("sij,sjk->ik", field, moments)


def antisymmetric(matrix):
    return 0.5 * (matrix - matrix.T)


@INTERACTIONS
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 7))
def test_direct_sums_equal_the_naive_ones(interaction, seed, n):
    positions, moments = blocks(seed, n, interaction)
    forces, virial = testing.pair_derivatives(interaction.tensor_change, positions, moments)
    assert_allclose(mbfast.pair_forces(interaction, positions, moments), forces, rtol=0, atol=1e-13 * largest(forces))
    # a sum of signed terms, of which the largest force is the measure
    atol = 1e-13 * n * largest(forces)
    assert_allclose(mbfast.pair_virial(interaction, positions, moments), virial, rtol=0, atol=atol)


@pytest.mark.parametrize("shape", ["cubic", "spherical"])
@pytest.mark.parametrize("cell", CELLS)
@INTERACTIONS
def test_explicit_images(interaction, cell, shape):
    positions, moments = blocks(6, 3, interaction)
    vectors = CELLS[cell]
    steps = np.array(list(np.ndindex(7, 7, 7))) - 3
    shifts = steps @ vectors
    radius = abs(np.linalg.det(vectors)) ** (1 / 3) * (1 + 1e-12)
    shifts = shifts[np.linalg.norm(shifts, axis=1) <= radius if shape == "spherical" else abs(steps).max(axis=1) <= 1]
    forces, virial = testing.pair_derivatives(interaction.tensor_change, positions, moments, shifts)
    options = {"boundary": "periodic", "cell": vectors, "images": 1, "image_shape": shape}
    field = mbfast.DirectField(interaction, positions, **options)
    assert_allclose(field.forces(moments), forces, rtol=0, atol=1e-12 * largest(forces))
    assert_allclose(field.virial(moments), virial, rtol=0, atol=1e-12 * len(shifts) * largest(forces))


@UNITS
def test_forces_and_virial_are_differences_of_the_energy(interaction):
    """In extended precision, where the machine has it: of each coordinate, and of each gradient of displacement."""
    positions, moments = blocks(2, 6, interaction)
    exact = positions.astype(np.longdouble)

    def energy(x):
        return interaction.prefactor * testing.pair_energy(named(interaction), x, moments)

    def by(step, h):
        return float(naive.difference(lambda s: energy(exact + s * step), h))

    forces, virial = mbfast.pair_forces(interaction, positions, moments), np.empty((3, 3))
    for i, j in np.ndindex(3, 3):
        virial[i, j] = by(np.outer(positions[:, j], np.eye(3)[i]), 1e-3)
    assert_allclose(mbfast.pair_virial(interaction, positions, moments), virial, rtol=0, atol=1e-9 * largest(virial))
    for s, i in [(0, 0), (1, 1), (5, 2)]:
        step = np.zeros((6, 3))
        step[s, i] = 1.0
        assert forces[s, i] == pytest.approx(-by(step, 1e-3), abs=1e-9 * largest(forces))


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("interaction", "condition"),
    [
        pytest.param(UNIT_STRESS, "clamped", marks=pytest.mark.slow),  # a part of the next one
        (UNIT_STRESS, "stress-free"),
        (UNIT_JOFFRIN_LEVELUT, "clamped"),
        pytest.param(UNIT_DIPOLES, "tin-foil", marks=pytest.mark.slow),  # a part of the next one
        (UNIT_DIPOLES, "vacuum"),
    ],
)
def test_periodic_bodies_in_cells_that_deform(interaction, condition):
    """Ewald sums, at once of displacements of all blocks and of a gradient of displacement that the cell follows."""
    rng, cell = np.random.default_rng(4), CELLS["skew"]
    positions = (0.5 * np.array(list(np.ndindex(2, 2, 2))) + 0.1 * rng.random((8, 3))) @ cell  # no close pairs
    moments, shifts = random_moments(3, (8,), interaction), rng.normal(size=(8, 3))
    options = {"method": "ewald", "boundary": "periodic", "macroscopic": condition, "rtol": 1e-12}

    def energy(x, vectors):
        return mbfast.pair_energy(interaction, x, moments, cell=vectors, **options)

    def strained(s):
        strain = np.eye(3) + s * SHEAR.T
        return energy(positions @ strain, cell @ strain)

    field = mbfast.EwaldField(interaction, positions, boundary="periodic", cell=cell, macroscopic=condition, rtol=1e-12)
    forces, virial = field.forces(moments), field.virial(moments)
    expected = naive.difference(strained, 2e-3)
    assert np.sum(virial * SHEAR) == pytest.approx(expected, abs=1e-9 * largest(virial))
    expected = -naive.difference(lambda s: energy(positions + s * shifts, cell), 1e-3)
    assert np.sum(forces * shifts) == pytest.approx(expected, abs=1e-9 * np.sum(np.abs(forces)))
    assert largest(forces.sum(axis=0)) < 1e-11 * largest(forces)
    turned = antisymmetric(virial + torque(moments, field(moments)))
    assert largest(turned) < 1e-11 * largest(virial)


@INTERACTIONS
def test_what_symmetry_says(interaction):
    """No net force; a rotation costs nothing; the energy falls with the cube of all lengths; everything turns alike."""
    positions, moments = blocks(5, 40, interaction)
    field = mbfast.DirectField(interaction, positions)
    forces, virial = field.forces(moments), field.virial(moments)
    scale = np.sum(np.linalg.norm(forces, axis=1))
    assert largest(forces.sum(axis=0)) < 1e-13 * scale
    moment_of_forces = -np.einsum("si,sj->ij", forces, positions)  # each pair's forces are opposite
    assert_allclose(virial, moment_of_forces, rtol=0, atol=1e-13 * scale)
    assert largest(antisymmetric(virial + torque(moments, field(moments)))) < 1e-13 * scale
    assert virial.trace() == pytest.approx(-3 * field.energy(moments), abs=1e-13 * scale)
    q = testing.random_rotation(np.random.default_rng(1))
    turned = moments @ q.T if moments.ndim == 2 else q @ moments @ q.T
    again = mbfast.DirectField(interaction, positions @ q.T)
    assert_allclose(again.forces(turned), forces @ q.T, rtol=0, atol=1e-11 * largest(forces))
    assert_allclose(again.virial(turned), q @ virial @ q.T, rtol=0, atol=1e-11 * largest(virial))


@pytest.mark.parametrize("kernels", [stress, dipole], ids=["stress", "dipole"])
def test_gradients_of_pairs(kernels):
    """Newton's third law pair by pair; sums are those of pairs, and a block may stand among its own sources."""
    coefficients = UNIT_STRESS.coefficients if kernels is stress else ()
    rng = np.random.default_rng(0)
    x, t = rng.random((3, 9)), rng.normal(size=(6 if kernels is stress else 3, 9))
    forces, virial = np.zeros((3, 9)), np.zeros((9, 9))
    kernels.forces(x, t, x, t, *coefficients, forces)
    kernels.virial(x, t, x, t, *coefficients, virial)
    expected, expected_virial = np.zeros((9, 3)), np.zeros((9, 9))
    for s in range(9):
        for other in range(9):
            d = x[:, s] - x[:, other]
            g = np.array(kernels.pair_gradient(*d, *t[:, s], *t[:, other], *coefficients))
            assert_allclose(g, -np.array(kernels.pair_gradient(*-d, *t[:, other], *t[:, s], *coefficients)), rtol=1e-13)
            if s == other:
                assert not g.any()
                continue
            expected[s] -= g
            expected_virial[s] += 0.5 * np.outer(g, d).ravel()
            by = [
                naive.difference(
                    lambda h: kernels.pair_energy(*(d + h * e), *t[:, s], *t[:, other], *coefficients),  # noqa: B023
                    0.01 * np.linalg.norm(d),
                )
                for e in np.eye(3)
            ]
            assert_allclose(g, by, rtol=0, atol=1e-9 * largest(by))
    assert_allclose(forces.T, expected, rtol=0, atol=1e-13 * largest(expected))
    assert_allclose(virial.T, expected_virial, rtol=0, atol=1e-13 * largest(expected_virial))


@pytest.mark.compiled
@pytest.mark.parametrize(("interaction", "n"), [(SILICA, 1100), (DIPOLES, 2100)], ids=["stress", "dipole"])
def test_sums_longer_than_the_kernels_tiles(interaction, n):
    positions, moments = blocks(8, n, interaction)
    field = mbfast.DirectField(interaction, positions)
    forces, virial = field.forces(moments, threads=1), field.virial(moments, threads=1)
    for row in (0, 1023, 1024, n - 1):
        others = np.delete(np.arange(n), row)
        r, contraction = positions[row] - positions[others], "ij,sijkl,skl" if moments.ndim == 3 else "i,sij,sj"
        its = [
            np.einsum(contraction, moments[row], interaction.tensor_change(r, e), moments[others]) for e in np.eye(3)
        ]
        assert_allclose(forces[row], -2 * np.array(its), rtol=0, atol=1e-12 * largest(its))
    assert virial.trace() == pytest.approx(-3 * field.energy(moments), abs=1e-10 * largest(virial))
    for threads in (2, 5):
        assert_array_equal(field.forces(moments, threads=threads), forces)
        assert_array_equal(field.virial(moments, threads=threads), virial)


def shares(made, exact, moments):
    """Errors of forces and virial of an Ewald sum, over what it promises."""
    m = size(moments)
    distance = (abs(made.interaction.prefactor) / made.unit) ** (1 / 3)
    forces, virial = made.forces(moments), made.virial(moments)
    unit = max(largest(exact[0]), 12 * made.unit * m * m / distance)
    return (
        largest(forces - exact[0]) / (made.rtol * unit),
        largest(virial - exact[1]) / (made.rtol * max(largest(exact[1]), 3 * made.unit * np.sum(moments * moments))),
    )


@pytest.mark.compiled
@pytest.mark.usefixtures("meshed")
@pytest.mark.thinned(1)
@pytest.mark.parametrize(("kind", "rtol"), [("clustered", 1e-3), ("plane", 1e-6), ("random", 1e-9), ("lattice", 1e-12)])
@UNITS
def test_open_boundaries_meet_rtol(interaction, kind, rtol):
    positions = 1e8 * inputs(kind, 400)[:600]
    for moments in (
        random_moments(1, (len(positions),), interaction),
        np.repeat(random_moments(1, (1,), interaction), len(positions), axis=0),
    ):
        direct = mbfast.DirectField(interaction, positions)
        exact = direct.forces(moments), direct.virial(moments)
        assert max(shares(mbfast.EwaldField(interaction, positions, rtol=rtol), exact, moments)) <= 1.0


@pytest.mark.compiled
@settings(max_examples=8)  # each makes two sums
@given(
    kind=st.sampled_from(sorted(PRIMITIVE)), shape=st.tuples(*[st.integers(1, 5)] * 3), hydrostatic=st.booleans(),
    wave=st.tuples(*[st.integers(0, 4)] * 3), phase=st.floats(0.0, 3.0), seed=st.integers(0, 99),
    rtol=st.sampled_from([1e-2, 1e-4, 1e-6, 1e-9]),
)  # fmt: skip
@pytest.mark.parametrize(
    "interaction",
    [UNIT_STRESS, pytest.param(UNIT_JOFFRIN_LEVELUT, marks=pytest.mark.slow), UNIT_DIPOLES],
    ids=["stress", "jl", "dipole"],
)
def test_waves_of_moments_meet_rtol(interaction, kind, shape, hydrostatic, wave, phase, seed, rtol):
    """The worst input, as for fields; errors of forces oscillate within a step of the mesh."""
    cells = np.array(list(np.ndindex(shape)), dtype=float)
    positions = (cells + np.random.default_rng(seed).random(3)) @ PRIMITIVE[kind]
    moment = random_moments(seed, (1,), interaction)[0]
    if hydrostatic and interaction.components == 6:
        moment = np.eye(3)
    moments = np.multiply.outer(np.cos(2.0 * np.pi * cells @ (np.array(wave) / shape) + phase), moment)
    options = {"boundary": "periodic", "cell": PRIMITIVE[kind] * np.array(shape)[:, None]}
    finest = mbfast.EwaldField(interaction, positions, rtol=1e-12, **options)
    exact = finest.forces(moments), finest.virial(moments)
    assert max(shares(mbfast.EwaldField(interaction, positions, rtol=rtol, **options), exact, moments)) <= 1.0


@pytest.mark.usefixtures("meshed")
@OF_STRESS_AND_DIPOLES
def test_few_blocks_on_meshes(interaction):
    """The one that also runs without the JIT: few nodes, all kernels."""
    positions, moments = blocks(3, 4, interaction)
    forces, virial = testing.pair_derivatives(interaction.tensor_change, positions, moments)
    options = {"method": "ewald", "rtol": 1e-2}
    assert largest(mbfast.pair_forces(interaction, positions, moments, **options) - forces) <= 1e-2 * largest(forces)
    assert largest(mbfast.pair_virial(interaction, positions, moments, **options) - virial) <= 1e-2 * largest(virial)


@pytest.mark.compiled
@pytest.mark.usefixtures("eager_threads")
def test_bits_of_ewald_sums_do_not_depend_on_threads():
    positions, moments = blocks(9, 4000, SILICA)
    field = mbfast.EwaldField(SILICA, positions, boundary="periodic", cell=[1.0, 1.0, 1.0], rtol=1e-3)
    forces, virial = field.forces(moments, threads=1), field.virial(moments, threads=1)
    assert_array_equal(field.forces(moments, threads=3), forces)
    assert_array_equal(field.virial(moments, threads=3), virial)
    at_once = mbfast.pair_forces(
        SILICA, positions, moments, method="ewald", boundary="periodic", cell=[1.0, 1.0, 1.0], rtol=1e-3
    )
    assert_array_equal(at_once, forces)


@pytest.mark.parametrize(
    ("ours", "theirs", "factor"),
    [(MagneticDipoles(), mbfast.DipoleInteraction(1 / 1.25663706127e-6), 1.0),
     (BareStress(SILICA.alpha), SILICA, 1 / SILICA.prefactor)],
    ids=["magnetic", "bare"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["direct", pytest.param("ewald", marks=pytest.mark.compiled)])
def test_a_third_interaction(ours, theirs, factor, method):
    positions, moments = blocks(1, 5, ours)
    for function in (mbfast.pair_forces, mbfast.pair_virial):
        expected = factor * function(theirs, positions, moments, method="direct")
        atol = 1e-6 * largest(expected)
        assert_allclose(function(ours, positions, moments, method=method), expected, rtol=0, atol=atol)


def test_layouts_and_lattices():
    lattice = mbfast.BlockLattice((3, 1, 2), 2e-9)
    moments = random_moments(0, (3, 1, 2), SILICA)
    forces = mbfast.pair_forces(SILICA, lattice, moments)
    assert forces.shape == (3, 1, 2, 3)
    flat = moments.reshape(6, 3, 3)
    assert_allclose(forces.reshape(6, 3), mbfast.pair_forces(SILICA, lattice.positions, flat), rtol=1e-11)
    six = moments[..., [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    assert_array_equal(mbfast.pair_forces(SILICA, lattice, six), forces)
    assert_array_equal(mbfast.pair_virial(SILICA, lattice, six), mbfast.pair_virial(SILICA, lattice, moments))


@pytest.mark.parametrize("n", [0, 1])
@INTERACTIONS
def test_nothing_and_one_block(interaction, n):
    positions, moments = blocks(1, n, interaction)
    for method in ("direct", "ewald"):
        assert_array_equal(mbfast.pair_forces(interaction, positions, moments, method=method), np.zeros((n, 3)))
        assert_array_equal(mbfast.pair_virial(interaction, positions, moments, method=method), np.zeros((3, 3)))


@pytest.mark.compiled
@INTERACTIONS
def test_one_block_and_its_images(interaction):
    """By symmetry without a force; uniform dilation of the cell is that of all lengths, as in free space."""
    moments = random_moments(1, (1,), interaction)
    field = mbfast.EwaldField(interaction, np.zeros((1, 3)), boundary="periodic", cell=CELLS["flat"], rtol=1e-10)
    virial = field.virial(moments)
    assert largest(field.forces(moments)) < 1e-10 * largest(virial)
    assert virial.trace() == pytest.approx(-3 * field.energy(moments), abs=1e-9 * largest(virial))


def test_refusals():
    positions, moments = blocks(0, 5, DIPOLES)
    probed = mbfast.DirectField(DIPOLES, positions, at=[[2.0, 2.0, 2.0]])
    with pytest.raises(ValueError, match="at is for fields; the forces are those on the blocks"):
        probed.forces(moments)
    with pytest.raises(ValueError, match="at is for fields; the virial is that of the blocks"):
        probed.virial(moments)
    close = [[0.0, 0.0, 0.0], [1e-100, 0.0, 0.0], [1.0, 0.0, 0.0]]
    for method in ("direct", "ewald"):
        for function in (mbfast.pair_forces, mbfast.pair_virial):
            with pytest.raises(ValueError, match="beyond the range of doubles"):
                function(DIPOLES, close, np.ones((3, 3)), method=method)


def test_cubes_cannot_move(monkeypatch):
    monkeypatch.setattr("mbfast.pairs.direct.averaged_tensors", lambda *_: np.zeros((1, 3, 3)))  # takes a minute, bare
    cubes, moments = mbfast.BlockLattice((1, 1, 1), 1e-9, averaged=True), np.ones((1, 1, 1, 3))
    calls = [mbfast.DirectField(DIPOLES, cubes).forces]
    calls += [partial(mbfast.pair_forces, DIPOLES, cubes, method=method) for method in ("auto", "direct", "fft")]
    for call in calls:
        with pytest.raises(ValueError, match="blocks must be points for forces, got averaged=True"):
            call(moments)


@pytest.mark.parametrize("function", [mbfast.pair_forces, mbfast.pair_virial])
@pytest.mark.parametrize("method", ["direct", "ewald"])
def test_progress_is_counted(function, method):
    seen = []
    positions, moments = blocks(1, 100, DIPOLES)
    function(DIPOLES, positions, moments, method=method, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(seen), len(seen))


@pytest.mark.compiled
def test_forces_have_a_set_up_of_their_own():
    """Made at their first use, by whichever thread, and counted in the memory; a field's cost stays what it was."""
    positions, moments = blocks(1, 4000, DIPOLES)
    field = mbfast.EwaldField(DIPOLES, positions, boundary="periodic", cell=[1.0, 1.0, 1.0], rtol=1e-3)
    alone, cost, h = field.nbytes, field.cost, field(moments)
    with ThreadPoolExecutor(3) as pool:
        forces, *others = pool.map(lambda _: field.forces(moments, threads=1), range(3))
    assert all(np.array_equal(forces, other) for other in others)
    assert field.nbytes > 1.5 * alone
    assert field.cost == cost
    assert_array_equal(field(moments), h)
    assert_array_equal(pickle.loads(pickle.dumps(field)).forces(moments), forces)


def test_moments_that_are_zero():
    positions = np.random.default_rng(0).random((9, 3))
    for function in (mbfast.pair_forces, mbfast.pair_virial):
        assert not function(JOFFRIN_LEVELUT, positions, np.zeros((9, 6))).any()
