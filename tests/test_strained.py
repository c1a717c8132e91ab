"""Forces and the virial of lattices, points and cubes, by correlations and convolutions."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import DIPOLES, INTERACTIONS, OF_STRESS_AND_DIPOLES, SILICA, full, largest, random_moments, six
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing
from mbfast.pairs.cubes import averaged_derivatives
from mbfast.pairs.derivatives import FIFTH, FOURTH, SIXTH

SHAPES = st.tuples(*[st.integers(1, 3)] * 3)
COMPILED = pytest.mark.compiled
AXES = np.eye(3, dtype=int)


def lattice(shape, averaged=False):
    return mbfast.BlockLattice(shape, 2e-9, averaged=averaged)


def assert_equal(result, expected, rtol):
    assert_allclose(result, expected, rtol=0, atol=rtol * largest(expected))


def torque(moments, field):
    """Antisymmetric part of what turning the moments costs, which turning the blocks gives back."""
    rule = "xyzij,xyzjk->ik" if moments.ndim == 5 else "xyzi,xyzj->ij"
    cost = (-4 if moments.ndim == 5 else -2) * np.einsum(rule, field, moments)
    return 0.5 * (cost - cost.T)


def scale(interaction, moments):
    """Of energies: sums over images are some 10 times what a neighbour does."""
    return 10.0 * abs(interaction.prefactor) / 8e-27 * np.sum(moments**2)


@pytest.mark.parametrize(("of", "power"), [(FOURTH, 1), (FIFTH, 1), (SIXTH, 3)])
def test_derivatives_of_powers_of_r(of, power):
    x = np.array([0.7, -0.4, 1.1])
    with mpmath.workdps(40):
        function = lambda x, y, z: mpmath.sqrt(x * x + y * y + z * z) ** power / power  # noqa: E731
        expected = [float(mpmath.diff(function, tuple(x), tuple(powers))) for powers in of.powers.tolist()]
    assert_equal(of.bare(x[:, None])[:, 0], np.array(expected), 1e-14)


@pytest.mark.parametrize("averaged", [False, pytest.param(True, marks=COMPILED)])
def test_the_laplacian_of_a_third_of_the_cube_of_r_is_four_times_r(averaged):
    """Of averages too, near and far, and of a cube and itself, in the sense of distributions."""
    d = np.array([[0, 0, 0], [1, 0, 0], [1, -1, 1], [3, 2, 0], [24, -3, 25], [100, 7, -40]], dtype=float).T[
        :, 1 - averaged :
    ]
    sixth, fourth = (averaged_derivatives(d, of) if averaged else of.bare(d) for of in (SIXTH, FOURTH))
    for powers, value in zip(FOURTH.powers, fourth, strict=True):
        traced = sum(sixth[SIXTH.place[tuple(powers + 2 * AXES[a])]] for a in range(3))
        assert (np.abs(traced - 4.0 * value) <= 2e-14 * np.abs(sixth).max(axis=0)).all()


@pytest.mark.parametrize(
    "offset", [*(pytest.param(d, marks=COMPILED) for d in ((1, 0, 0), (1, -1, 0), (2, 1, 1), (24, 3, 2))), (26, -14, 3)]
)
def test_averages_of_sixth_derivatives_equal_brute_quadrature(offset):
    expected = testing.averaged_over_cubes(lambda u: SIXTH.bare(u.T).T, offset, n=16)
    assert_equal(averaged_derivatives(np.array([offset], dtype=float).T, SIXTH)[:, 0], expected, 3e-14)


@settings(max_examples=3)
@given(shape=SHAPES, seed=st.integers(0, 99), packed=st.booleans())
@pytest.mark.thinned(2, bare=1)
@pytest.mark.parametrize("options", [{}, {"images": 1}, {"images": 1, "image_shape": "spherical"}], ids=str)
@INTERACTIONS
def test_points_equal_the_direct_sums(interaction, options, shape, seed, packed):
    moments = random_moments(seed, shape, interaction)
    if packed and interaction.components == 6:
        moments = six(moments)
    if options:
        options = {"boundary": "periodic", **options}
    made, direct = (of(interaction, lattice(shape), **options) for of in (mbfast.LatticeField, mbfast.DirectField))
    size = scale(interaction, moments)
    assert_allclose(made.virial(moments), direct.virial(moments), rtol=0, atol=1e-12 * size)
    assert_allclose(made.forces(moments), direct.forces(moments), rtol=0, atol=1e-12 * size / 2e-9)


@COMPILED
@settings(max_examples=3)
@given(shape=SHAPES, seed=st.integers(0, 99))
@OF_STRESS_AND_DIPOLES
def test_points_with_all_images_equal_ewald_sums(interaction, shape, seed):
    moments = random_moments(seed, shape, interaction)
    size = scale(interaction, moments)
    for condition in interaction.conditions:
        if condition == "stress-free" and interaction is not SILICA:
            continue
        options = {"boundary": "periodic", "macroscopic": condition}
        made = mbfast.LatticeField(interaction, lattice(shape), **options)
        ewald = mbfast.EwaldField(interaction, lattice(shape), rtol=1e-12, **options)
        assert_allclose(made.virial(moments), ewald.virial(moments), rtol=0, atol=1e-11 * size)
        assert_allclose(made.forces(moments), ewald.forces(moments), rtol=0, atol=1e-11 * size / 2e-9)


@COMPILED
@pytest.mark.parametrize("other", [(1, 0, 0), (1, 1, 0)])
@INTERACTIONS
def test_cubes_equal_brute_quadrature(interaction, other):
    """The average over both cubes of r_j d_i Lambda, the tensor's change when r becomes r + g r."""
    one, moments = (0, 0, 0), np.zeros_like(random_moments(0, (2, 2, 1), interaction))
    moments[one], moments[other] = random_moments(0, (2,), interaction)
    rule = "nij,i,j->n" if moments.ndim == 4 else "nijkl,ij,kl->n"

    def change(u):
        moved = [
            np.einsum(rule, interaction.tensor_change(u, axis), moments[one], moments[other]) for axis in np.eye(3)
        ]
        return np.einsum("in,nj->nij", moved, u)

    expected = 2 * testing.averaged_over_cubes(change, np.subtract(one, other), n=10) / 8e-27
    for of in (mbfast.LatticeField, mbfast.DirectField):
        assert_equal(of(interaction, lattice((2, 2, 1), averaged=True)).virial(moments), expected, 1e-9)


@COMPILED
@settings(max_examples=2)
@given(shape=SHAPES, seed=st.integers(0, 99))
@OF_STRESS_AND_DIPOLES
def test_what_all_virials_have(interaction, shape, seed):
    """Scaling by the cube of all lengths, and the torque of the moments."""
    moments = random_moments(seed, shape, interaction)
    conditions = [name for name in interaction.conditions if name != "stress-free" or interaction is SILICA]
    held = [{}, *({"boundary": "periodic", "macroscopic": name} for name in conditions)]
    for (averaged, self_field), options in itertools.product([(False, False), (True, False), (True, True)], held):
        made = mbfast.LatticeField(interaction, lattice(shape, averaged), self_field=self_field, **options)
        virial, size = made.virial(moments), scale(interaction, moments)
        assert abs(np.trace(virial) + 3.0 * made.energy(moments)) <= 1e-12 * size
        expected = torque(moments, made(moments))
        assert_allclose(0.5 * (virial - virial.T), expected, rtol=0, atol=1e-12 * size)


@COMPILED
@INTERACTIONS
def test_cubes_cut_in_eight_have_the_same_virial(interaction):
    moments = random_moments(2, (3, 2, 1), interaction)
    fine = np.kron(moments, np.ones((2, 2, 2, *[1] * (moments.ndim - 3)))) / 8
    for options in ({}, {"boundary": "periodic"}, {"boundary": "periodic", "images": 1}):
        virials = [
            mbfast.LatticeField(
                interaction, mbfast.BlockLattice(m.shape[:3], side, averaged=True), self_field=True, **options
            ).virial(m)
            for side, m in ((1.0, fine), (2.0, moments))
        ]
        assert_equal(virials[0], virials[1], 1e-12)


def demagnetising_factor(a, b, c):
    """N_zz of a box, by A. Aharoni, J. Appl. Phys. 83, 3432 (1998)."""
    r, ab, ac, bc = (math.sqrt(sum(x * x for x in sides)) for sides in ((a, b, c), (a, b), (a, c), (b, c)))
    log = lambda x, y: math.log((x - y) / (x + y))  # noqa: E731
    total = (b * b - c * c) / (2 * b * c) * log(r, a) + (a * a - c * c) / (2 * a * c) * log(r, b)
    total += -b / (2 * c) * log(ab, a) - a / (2 * c) * log(ab, b) + c / (2 * a) * log(bc, b) + c / (2 * b) * log(ac, a)
    total += 2 * math.atan(a * b / (c * r)) + (a**3 + b**3 - 2 * c**3) / (3 * a * b * c)
    total += (a * a + b * b - 2 * c * c) / (3 * a * b * c) * r + c / (a * b) * (ac + bc)
    return (total - (ab**3 + bc**3 + ac**3) / (3 * a * b * c)) / math.pi


@COMPILED
def test_a_cube_in_itself():
    """Energy 4 pi N_zz p^2/(a b c) of a box polarised along z, and its change with the box."""
    assert demagnetising_factor(1, 1, 1) == pytest.approx(1 / 3, rel=1e-12)
    assert sum(demagnetising_factor(*np.roll((1, 2, 3.5), k)) for k in range(3)) == pytest.approx(1, rel=1e-12)
    energy = lambda g: 4 * np.pi * demagnetising_factor(*(1 + g)) / np.prod(1 + g)  # noqa: E731
    expected = [(energy(1e-4 * axis) - energy(-1e-4 * axis)) / 2e-4 for axis in np.eye(3)]
    cube = mbfast.LatticeField(DIPOLES, mbfast.BlockLattice((1, 1, 1), 1.0, averaged=True), self_field=True)
    virial = cube.virial(np.array([0.0, 0.0, 1.0]).reshape(1, 1, 1, 3)) / DIPOLES.prefactor
    assert_allclose(virial, np.diag(expected), rtol=0, atol=1e-7)


@COMPILED
@pytest.mark.parametrize("averaged", [False, True])
def test_turning_lattice_and_moments_turns_virial_and_forces(averaged):
    moments = random_moments(3, (3, 2, 4), SILICA)
    axes, signs = [2, 0, 1], np.array([1, -1, -1])
    q = np.eye(3)[axes] * signs[axes][:, None]
    turned = np.transpose(np.flip(moments, [1, 2]), [*axes, 3, 4])
    turned = q @ turned @ q.T
    for options in ({}, {"boundary": "periodic"}):
        before, after = (
            mbfast.LatticeField(SILICA, lattice(m.shape[:3], averaged), **options) for m in (moments, turned)
        )
        assert_equal(after.virial(turned), q @ before.virial(moments) @ q.T, 1e-12)
        if not averaged:
            forces = np.transpose(np.flip(before.forces(moments), [1, 2]), [*axes, 3])
            assert_equal(after.forces(turned), forces @ q.T, 1e-12)


def test_a_given_mean_stress_does_nothing_to_them():
    moments = random_moments(4, (3, 2, 2), SILICA)
    free, held = (
        mbfast.LatticeField(SILICA, lattice((3, 2, 2)), boundary="periodic", macroscopic=how)
        for how in ("stress-free", [1e9, 0, 0, 2e9, 0, 0])
    )
    assert np.array_equal(free.virial(moments), held.virial(moments))
    assert np.array_equal(free.forces(moments), held.forces(moments))


@COMPILED
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.usefixtures("eager_threads")
def test_any_number_of_threads_gives_the_same_bits(boundary):
    moments = six(random_moments(0, (24, 10, 20), SILICA))
    assert np.array_equal(full(moments)[0, 0, 0].T, full(moments)[0, 0, 0])
    for averaged in (False, True):
        made = mbfast.LatticeField(SILICA, lattice((24, 10, 20), averaged), boundary=boundary)
        one = made.virial(moments, threads=1)
        assert all(np.array_equal(made.virial(moments, threads=n), one) for n in (2, 5))
        if not averaged:
            assert np.array_equal(made.forces(moments, threads=3), made.forces(moments, threads=1))


def test_nothing_and_one_block():
    for shape in ((0, 2, 2), (1, 1, 1)):
        made = mbfast.LatticeField(DIPOLES, lattice(shape))
        moments = random_moments(0, shape, DIPOLES)
        assert np.array_equal(made.virial(moments), np.zeros((3, 3)))
        assert np.array_equal(made.forces(moments), np.zeros((*shape, 3)))


def test_cubes_have_no_forces():
    cubes, moments = lattice((2, 1, 1), averaged=True), random_moments(0, (2, 1, 1), DIPOLES)
    with pytest.raises(ValueError, match="blocks must be points for forces, got averaged=True"):
        mbfast.pair_forces(DIPOLES, cubes, moments, method="fft")


@COMPILED
def test_functions_take_transforms_on_lattices():
    moments = random_moments(0, (3, 2, 2), SILICA)
    options = {"boundary": "periodic", "macroscopic": "stress-free"}
    cubes = mbfast.LatticeField(SILICA, lattice((3, 2, 2), averaged=True), self_field=True, **options)
    virial = mbfast.pair_virial(SILICA, lattice((3, 2, 2), averaged=True), moments, self_field=True, **options)
    assert np.array_equal(virial, cubes.virial(moments))
    points = mbfast.LatticeField(SILICA, lattice((3, 2, 2)), **options)
    assert np.array_equal(mbfast.pair_forces(SILICA, lattice((3, 2, 2)), moments, **options), points.forces(moments))


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("mbfast.pairs.strained.available_memory", lambda: 1e8)
    for function in (mbfast.pair_forces, mbfast.pair_virial):
        with pytest.raises(MemoryError, match=r"lattice of 262144 blocks need 0\.41\d GB, 0\.1 GB are available"):
            function(DIPOLES, lattice((64, 64, 64)), np.zeros((64, 64, 64, 3)))
