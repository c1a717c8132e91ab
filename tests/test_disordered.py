"""Effective responses of blocks that differ: closed forms, dense inverses, laminates, bounds and symmetries."""

import numpy as np
import pytest
from materials import DIPOLES, JOFFRIN_LEVELUT, PLACES, SILICA, WEIGHTS, full, largest, named
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing
from mbfast.audit import _disordered as audit
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.problem import PairProblem
from mbfast.renormalization.disordered import _System, disordered_response
from mbfast.renormalization.local_response import Susceptibilities
from mbfast.renormalization.waves import Wave

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own

ALONG, ACROSS = SILICA.density * SILICA.c_l**2, SILICA.density * SILICA.c_t**2
SIDE = 5e-9


def voigt(tensor):
    """(3, 3, 3, 3) as 6 x 6, plain components."""
    return np.array([[tensor[i, j, k, m] for k, m in PLACES] for i, j in PLACES])


MEDIUM = voigt(mbfast.isotropic_tensor(ALONG, ACROSS))


def cubes(shape):
    return mbfast.BlockLattice(shape, SIDE, averaged=True)


def points(shape):
    return mbfast.BlockLattice(shape, SIDE)


def random_tensors(seed, shape, size=0.3):
    """Complex, symmetric, absorbing, in units of rho c_t^2."""
    a, b = np.random.default_rng(seed).normal(size=(2, *shape, 6, 6))
    return size * ACROSS * ((a + a.swapaxes(-1, -2)) / 6 - 0.3j * b @ b.swapaxes(-1, -2) / 6 - 0.5 * np.eye(6))


def random_moduli(seed, shape, low=-0.5, high=0.0, absorbing=0.0):
    """chi_l, chi_t whose bulk and shear moduli are random, in units of those of the medium."""
    rng = np.random.default_rng(seed)
    bulk, shear = rng.uniform(low, high, (2, *shape))
    if absorbing:
        bulk, shear = np.array([bulk, shear]) - 1j * absorbing * rng.random((2, *shape))
    bulk, shear = bulk * (ALONG - 4 / 3 * ACROSS), shear * ACROSS
    return mbfast.Moduli(bulk + 4 / 3 * shear, shear)


def by_inverse(interaction, lattice, chi, k, *, self_field=False, boundary="open"):
    """The whole equation as a matrix: chi (N, c, c); mean moments by volume per strain, and mean strains within."""
    n, c = lattice.n_blocks, chi.shape[-1]
    weights = WEIGHTS if c == 6 else np.ones(3)
    if boundary == "open":
        offsets = np.rint(lattice.positions[:, None] / SIDE - lattice.positions[None] / SIDE)
        if lattice.averaged:
            coupling = interaction.prefactor / SIDE**3 * averaged_tensors(interaction, offsets)
        else:
            coupling = np.zeros((n, n, c, c))
            apart = offsets.any(axis=-1)
            tensors = interaction.prefactor / SIDE**3 * testing.pair_tensor(named(interaction), offsets[apart])
            tensors = 0.5 * (tensors + tensors.swapaxes(1, 2))
            coupling[apart] = (
                [voigt(0.5 * (tensor + tensor.swapaxes(2, 3))) for tensor in tensors] if c == 6 else tensors
            )
        if not self_field:
            coupling[np.arange(n), np.arange(n)] = 0.0
    else:
        made = mbfast.LatticeField(interaction, lattice, boundary="periodic", self_field=self_field)
        units = np.eye(n * c).reshape(n * c, *lattice.shape, c)
        coupling = np.array([made(unit).ravel() for unit in units]).T.reshape(n, c, n, c).swapaxes(1, 2) / weights
    coupling = coupling * weights
    phases = np.exp(1j * lattice.positions @ k)
    answer = SIDE**3 * chi * weights
    matrix = np.eye(n * c) - 2 * np.einsum("stab,tbd->satd", coupling, answer).reshape(n * c, n * c)
    strains = np.einsum("s,ab->sab", phases, np.diag(1 / weights)).reshape(n * c, c)
    within = np.linalg.solve(matrix, strains).reshape(n, c, c)
    moments = np.einsum("sab,sbd->sad", answer, within)
    own = averaged_tensors(interaction, [0, 0, 0]) * weights * interaction.prefactor / SIDE**3
    inside = within if self_field else within + 2 * own @ moments
    mean = lambda values: np.einsum("s,sab->ab", phases.conj(), values) / n  # noqa: E731
    return mean(moments) / SIDE**3, mean(inside)


WAVE = np.array([2.1e8, -0.7e8, 1.3e8])


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("interaction", "averaged", "self_field", "k"),
    [
        (SILICA, False, False, np.zeros(3)),
        (SILICA, False, False, WAVE),
        (SILICA, True, False, WAVE),
        (SILICA, True, True, np.zeros(3)),
        (SILICA, True, True, WAVE),
        (JOFFRIN_LEVELUT, False, False, WAVE),
    ],
)
def test_27_blocks_by_the_inverse_of_a_matrix(interaction, averaged, self_field, k):
    lattice, size = (cubes if averaged else points)((3, 3, 3)), 0.1 if interaction is JOFFRIN_LEVELUT else 0.3
    chi = random_tensors(0, (3, 3, 3), size)
    expected, inside = by_inverse(interaction, lattice, chi.reshape(27, 6, 6), k, self_field=self_field)
    options = {"wavevector": k, "self_field": self_field, "rtol": 1e-11}
    made = disordered_response(interaction, lattice, chi, **options)
    assert_allclose(made.tensor, expected, rtol=0, atol=1e-9 * largest(expected))
    if averaged:
        total = disordered_response(interaction, lattice, chi, strain="total", **options)
        expected = expected @ np.linalg.inv(inside) / WEIGHTS
        assert_allclose(total.tensor, expected, rtol=0, atol=1e-9 * largest(expected))


@pytest.mark.compiled
def test_dipoles_by_the_inverse_of_a_matrix():
    a, b = np.random.default_rng(0).normal(size=(2, 3, 2, 3, 3, 3))
    chi = 3.4e-11 * (0.1 * (a + a.swapaxes(-1, -2)) - 0.1j * b @ b.swapaxes(-1, -2))
    for lattice, self_field in ((points((3, 2, 3)), False), (cubes((3, 2, 3)), True)):
        expected, _ = by_inverse(DIPOLES, lattice, chi.reshape(18, 3, 3), WAVE, self_field=self_field)
        made = disordered_response(DIPOLES, lattice, chi, wavevector=WAVE, self_field=self_field, rtol=1e-11)
        assert_allclose(made.tensor, expected, rtol=0, atol=1e-9 * largest(expected))


@pytest.mark.compiled
@pytest.mark.parametrize("strain", ["external", "total"])
@pytest.mark.parametrize("averaged", [False, True], ids=["points", "cubes"])
def test_a_periodic_body_by_the_inverse_of_a_matrix(averaged, strain):
    shape = (3, 2, 4)
    lattice, k = (cubes if averaged else points)(shape), 2 * np.pi / SIDE * np.array([1 / 3, 0, -1 / 4])
    chi = random_tensors(1, shape)
    expected, inside = by_inverse(SILICA, lattice, chi.reshape(24, 6, 6), k, boundary="periodic")
    made = disordered_response(SILICA, lattice, chi, wavevector=k, boundary="periodic", strain=strain, rtol=1e-11)
    if strain == "total":
        if not averaged:  # the wave of the moments: Lambda's transform
            inside = np.diag(1 / WEIGHTS) + 2 * transform(k) @ expected
        expected = expected @ np.linalg.inv(inside) / WEIGHTS
    assert_allclose(made.tensor, expected, rtol=0, atol=1e-9 * largest(expected))


def transform(k):
    """Lambda's Fourier transform, (6, 6), which acts on moments by volume: half of minus k k over Christoffel's."""
    n, d = k / np.linalg.norm(k), np.eye(3)
    green = np.linalg.inv(ALONG * np.outer(n, n) + ACROSS * (d - np.outer(n, n)))
    lambda_ = -0.5 * np.einsum("j,l,ik->ijkl", n, n, green)
    lambda_ = 0.5 * (lambda_ + lambda_.swapaxes(0, 1))
    return voigt(0.5 * (lambda_ + lambda_.swapaxes(2, 3))) * WEIGHTS


@pytest.mark.compiled
@pytest.mark.parametrize("axis", [0, 2])
def test_identical_cubes_have_the_closed_form_of_the_lattice(axis):
    """At waves across layers of cubes the field is Lambda's transform, at any wavelength; clamped there is none."""
    chi = random_tensors(2, (1, 1, 1))
    lattice, options = cubes((6, 4, 5)), {"boundary": "periodic", "self_field": True, "rtol": 1e-12}
    clamped = disordered_response(SILICA, lattice, chi, **options)
    assert_allclose(clamped.tensor, chi[0, 0, 0], rtol=0, atol=1e-10 * largest(chi))
    k = 2 * np.pi / SIDE * np.eye(3)[axis] / lattice.shape[axis]
    answer = chi[0, 0, 0] * WEIGHTS
    expected = answer @ np.linalg.inv(np.eye(6) - 2 * transform(k) @ answer) / WEIGHTS
    external = disordered_response(SILICA, lattice, chi, wavevector=k, **options)
    assert_allclose(external.tensor, expected, rtol=0, atol=1e-10 * largest(expected))
    total = disordered_response(SILICA, lattice, chi, wavevector=k, strain="total", **options)
    assert_allclose(total.tensor, chi[0, 0, 0], rtol=0, atol=1e-10 * largest(chi))


@pytest.mark.compiled
def test_identical_points_have_the_local_field():
    """Of a clamped lattice of equal moments: the sum over spheres of images less what is added to clamp the body."""
    kind, chi = ("corrected", SILICA.alpha), random_tensors(3, (1, 1, 1))
    of_xx, of_yz = (
        testing.sphere_of_images(kind, np.zeros((1, 3)), unit[None], np.eye(3), 16.0)[0] - testing.mean_mode(kind, unit)
        for unit in full(np.eye(6)[[0, 3]])
    )
    local = SILICA.prefactor * np.diag(np.where(np.arange(6) < 3, of_xx[0, 0] - of_xx[1, 1], of_yz[1, 2]))
    local[:3, :3] += SILICA.prefactor * of_xx[1, 1]
    answer = chi[0, 0, 0] * WEIGHTS
    expected = answer @ np.linalg.inv(np.eye(6) - 2 * local @ answer) / WEIGHTS
    made = disordered_response(SILICA, points((2, 3, 2)), chi, boundary="periodic", rtol=1e-12)
    assert_allclose(made.tensor, expected, rtol=0, atol=1e-10 * largest(expected))


@pytest.mark.compiled
@pytest.mark.parametrize("shape", [(1, 1, 6), (2, 3, 8)])
def test_laminates_are_those_of_continuous_stresses(shape):
    """Backus: what is continuous across layers is averaged; complex moduli, whatever the contrast."""
    chi = random_moduli(0, (1, 1, shape[2]), -0.7, 2.0, absorbing=0.2)
    l, t = (ALONG + chi.longitudinal).ravel(), (ACROSS + chi.transverse).ravel()  # noqa: E741
    lam, mean = l - 2 * t, np.mean
    expected = np.zeros((6, 6), complex)
    expected[2, 2] = 1 / mean(1 / l)
    expected[3, 3] = expected[4, 4] = 1 / mean(1 / t)
    expected[5, 5] = mean(t)
    expected[0, 2] = expected[1, 2] = expected[2, 0] = expected[2, 1] = mean(lam / l) / mean(1 / l)
    expected[0, 1] = expected[1, 0] = mean(lam - lam**2 / l) + mean(lam / l) ** 2 / mean(1 / l)
    expected[0, 0] = expected[1, 1] = expected[0, 1] + 2 * mean(t)
    made = disordered_response(SILICA, cubes(shape), chi, boundary="periodic", self_field=True, rtol=1e-11)
    assert_allclose(MEDIUM + made.tensor, expected, rtol=0, atol=1e-10 * largest(expected))


@pytest.mark.compiled
def test_tensors_and_moduli_of_the_same_blocks():
    """Two frequencies at once, and one strain alone."""
    chi = random_moduli(1, (2, 3, 4, 5), -0.6, 0.5, absorbing=0.3)
    tensors = np.array([[
        [chi.longitudinal[place] - 2 * chi.transverse[place], chi.transverse[place]] for place in np.ndindex(2, 3, 4, 5)
    ]]).reshape(2, 3, 4, 5, 2)  # fmt: skip
    trace = np.outer([1.0, 1, 1, 0, 0, 0], [1.0, 1, 1, 0, 0, 0])
    dense = tensors[..., 0, None, None] * trace + tensors[..., 1, None, None] * np.diag(2 / WEIGHTS)
    shear = np.array([[0.0, 0, 0, 0, 0.5, 0]])
    for self_field in (False, True):
        options = {"self_field": self_field, "rtol": 1e-10}
        one = disordered_response(SILICA, cubes((3, 4, 5)), chi, **options)
        other = disordered_response(SILICA, cubes((3, 4, 5)), dense, **options)
        assert one.stress.shape == (2, 6, 6)
        assert_allclose(one.tensor, other.tensor, rtol=0, atol=1e-9 * largest(one.tensor))
        alone = disordered_response(SILICA, cubes((3, 4, 5)), chi, applied=full(shear), **options)
        assert np.array_equal(alone.stress[:, 0], one.stress[:, 4])
        assert one.fields > alone.fields
        assert_allclose(one.tensor, one.tensor.swapaxes(-1, -2), rtol=0, atol=1e-9 * largest(one.tensor))  # reciprocity
        invariant = 3 * np.einsum("faa,a->f", one.tensor, WEIGHTS) - one.tensor[:, :3, :3].sum(axis=(1, 2))
        assert_allclose(one.moduli.transverse, invariant / 30, rtol=1e-13)


@pytest.mark.compiled
def test_units_mirrors_and_permutations_of_axes():
    """A sample scaled, and one seen along other axes."""
    shape = (3, 4, 5)
    chi = random_moduli(2, shape, -0.6, 0.4, absorbing=0.1)
    made = disordered_response(SILICA, cubes(shape), chi, rtol=1e-10).tensor
    scaled = disordered_response(SILICA, mbfast.BlockLattice(shape, 1e3, averaged=True), chi, rtol=1e-10).tensor
    assert_allclose(scaled, made, rtol=0, atol=1e-9 * largest(made))
    softer = mbfast.StressInteraction(SILICA.density / 1e9, SILICA.c_l, SILICA.c_t)
    soft = mbfast.Moduli(*(part / 1e9 for part in chi))
    assert_allclose(
        1e9 * disordered_response(softer, cubes(shape), soft, rtol=1e-10).tensor,
        made,
        rtol=0,
        atol=1e-9 * largest(made),
    )
    turned = mbfast.Moduli(*(part.transpose(1, 2, 0)[::-1] for part in chi))  # x, y, z are now z, x, y; x is mirrored
    seen = disordered_response(SILICA, cubes((4, 5, 3)), turned, rtol=1e-10).tensor
    turn = np.roll(np.eye(3), 1, axis=0).T[[0, 1, 2]] * np.array([[-1.0], [1], [1]])
    whole = made[np.ix_(*[[0, 5, 4, 5, 1, 3, 4, 3, 2]] * 2)].reshape(3, 3, 3, 3)
    expected = voigt(np.einsum("ai,bj,ck,dl,ijkl->abcd", turn, turn, turn, turn, whole))
    assert_allclose(seen, expected, rtol=0, atol=1e-9 * largest(made))


@pytest.mark.compiled
def test_one_soft_cube_in_a_stiff_host():
    """All but one cube as the medium: a dilute sample answers as that cube alone in free space."""
    chi = np.zeros((9, 9, 9))
    chi[4, 4, 4] = -0.9
    alone = -0.9 * MEDIUM * WEIGHTS
    own = 2 * SILICA.prefactor * averaged_tensors(SILICA, [0, 0, 0]) * WEIGHTS
    expected = alone @ np.linalg.inv(np.eye(6) - own @ alone) / WEIGHTS / 9**3
    chi = mbfast.Moduli(ALONG * chi, ACROSS * chi)
    open_ = disordered_response(SILICA, cubes((9, 9, 9)), chi, self_field=True, rtol=1e-9)
    assert_allclose(open_.tensor, expected, rtol=0, atol=1e-8 * largest(expected))
    images = disordered_response(SILICA, cubes((9, 9, 9)), chi, self_field=True, boundary="periodic")
    assert_allclose(images.tensor, expected, rtol=0, atol=0.02 * largest(expected))
    assert largest(images.tensor - expected) > 1e-4 * largest(expected)


@pytest.mark.compiled
@pytest.mark.parametrize("softer", [False, True])
def test_two_phases_keep_hashin_and_shtrikmans_bounds(softer):
    """Half of the cubes at random four times as stiff, or a quarter: a sample of 16^3 is isotropic enough."""
    rng = np.random.default_rng(0)
    second = rng.permutation(np.arange(16**3) % 2 == 0).reshape(16, 16, 16)
    factor = 0.25 if softer else 4.0
    chi = np.where(second, factor - 1.0, 0.0)
    chi = mbfast.Moduli(ALONG * chi, ACROSS * chi)
    made = disordered_response(SILICA, cubes((16, 16, 16)), chi, boundary="periodic", self_field=True, rtol=1e-5)
    l, t = ALONG + made.moduli.longitudinal, ACROSS + made.moduli.transverse  # noqa: E741
    bulk, shear = ALONG - 4 / 3 * ACROSS, ACROSS

    def bound(k0, g0, which):
        """Of the comparison medium (k0, g0)."""
        if which == "bulk":
            star, phases = 4 / 3 * g0, np.array([bulk, factor * bulk])
        else:
            star, phases = g0 * (9 * k0 + 8 * g0) / (6 * (k0 + 2 * g0)), np.array([shear, factor * shear])
        return 1 / np.mean(1 / (phases + star)) - star

    for which, value in (("bulk", l - 4 / 3 * t), ("shear", t)):
        low, high = sorted(bound(scale * bulk, scale * shear, which) for scale in (1.0, factor))
        assert low < value < high
    # of any sample, exactly: Voigt's and Reuss's
    stiffness = np.sqrt(WEIGHTS)[:, None] * (MEDIUM + made.tensor) * np.sqrt(WEIGHTS)
    medium = np.sqrt(WEIGHTS)[:, None] * MEDIUM * np.sqrt(WEIGHTS)
    assert np.linalg.eigvalsh(0.5 * (1 + factor) * medium - stiffness).min() > 0.0
    assert np.linalg.eigvalsh(stiffness - medium / np.mean([1, 1 / factor])).min() > 0.0


@pytest.mark.compiled
@pytest.mark.compiled
@pytest.mark.parametrize("soft", [0.95, 0.5])
def test_cells_cut_into_more_cubes_have_lower_moduli(soft):
    """Uniform stresses in each cube are trial ones: of chi <= 0 the moduli are upper bounds, of a stiffer medium."""
    found = []
    for sides in (1, 2, 4):
        factors = np.zeros((2 * sides,) * 3)
        factors[:sides, :sides, :sides] = -soft
        chi = mbfast.Moduli(ALONG * factors, ACROSS * factors)
        lattice, strain = cubes(factors.shape), [[1.0, 0, 0, 0, 0, 0]]
        made = disordered_response(SILICA, lattice, chi, boundary="periodic", applied=strain, self_field=True)
        found.append(made.stress[0, 0] / ACROSS)
    assert_allclose(found, [-0.4250, -0.4314, -0.4451] if soft > 0.9 else [-0.1784, -0.1787, -0.1794], atol=6e-5)
    assert (np.diff(found) < 0.0).all()


@pytest.mark.compiled
def test_products_have_the_same_bits_for_any_number_of_threads():
    """The rest is the solvers', whose scalar products are BLAS's."""
    chi, lattice = random_moduli(7, (17, 18, 19), absorbing=0.2), cubes((17, 18, 19))
    problem = PairProblem.of(SILICA, lattice, boundary="periodic")
    wave = Wave.of([0, 0, 2 * np.pi / (19 * SIDE)], problem, "total")
    ((_, local),) = Susceptibilities.of(chi, problem).samples(self_field=True)
    strains = np.random.default_rng(8).normal(size=(2, lattice.n_blocks * 6)).T.copy().view(complex).ravel()
    products = []
    for threads in (1, 2, 3):
        field = mbfast.LatticeField(SILICA, lattice, boundary="periodic", threads=threads)
        system = _System(field, local, wave, np.dtype(complex), "bicgstab", 1e-6, threads)
        products.append(system.product(strains))
    assert np.array_equal(products[0], products[1])
    assert np.array_equal(products[0], products[2])


@pytest.mark.parametrize("solver", ["gmres", "lgmres"])
def test_every_solver_finds_the_same(solver):
    chi = random_moduli(3, (5, 5, 5), -0.7, 0.5, absorbing=0.3)
    k = np.array([1e7, 2e7, 0.0])
    first, second = (
        disordered_response(SILICA, points((5, 5, 5)), chi, wavevector=k, solver=name, rtol=1e-9)
        for name in ("bicgstab", solver)
    )
    assert_allclose(second.tensor, first.tensor, rtol=0, atol=1e-8 * largest(first.tensor))
    assert second.residual.max() <= 1e-9


@pytest.mark.compiled
def test_the_error_estimate_bounds_the_error():
    chi = random_moduli(4, (6, 6, 6), -0.6, 1.0, absorbing=0.1)
    exact = disordered_response(SILICA, cubes((6, 6, 6)), chi, rtol=1e-12)
    for rtol in (1e-2, 1e-4, 1e-8):
        made = disordered_response(SILICA, cubes((6, 6, 6)), chi, rtol=rtol)
        error = np.abs(made.stress - exact.stress).max(axis=-1)
        assert made.residual.max() <= rtol
        assert (error <= made.error).all()
        assert (made.error <= 300.0 * (error + 1e-12 * largest(exact.stress))).all()


def test_unstable_samples_are_named():
    lattice = points((3, 3, 3))
    with pytest.raises(ArithmeticError, match="unstable sample: strains were found"):
        disordered_response(SILICA, lattice, mbfast.Moduli(-9.0 * ALONG, -9.0 * ACROSS))
    soft = np.zeros((3, 3, 3))
    soft[1, 2, 0] = -1.1
    with pytest.raises(ArithmeticError, match="unstable sample: block 15 by itself"):
        disordered_response(
            SILICA, cubes((3, 3, 3)), mbfast.Moduli(3.0 * ALONG * soft, 3.0 * ACROSS * soft), self_field=True
        )
    with pytest.raises(ArithmeticError, match="block 15 by itself"):
        disordered_response(SILICA, cubes((3, 3, 3)), 3.0 * soft[..., None, None] * MEDIUM, self_field=True)


@pytest.mark.parametrize("times", [1.2, 3.0, 300.0])
@pytest.mark.parametrize(
    ("lattice", "threshold", "options"),
    [
        (cubes((2, 2, 2)), 1.0, {"boundary": "periodic", "self_field": True}),  # where shear waves lose their modulus
        (cubes((3, 2, 4)), 2.4872, {}),
        (points((3, 2, 4)), 1.1483, {}),
        (points((2, 2, 2)), 0.8189, {"boundary": "periodic"}),
    ],
    ids=["cubes, periodic", "cubes, open", "points, open", "points, periodic"],
)
def test_equal_blocks_beyond_their_threshold_are_named(lattice, threshold, options, times):
    """Whose unstable modes a uniform strain does not reach: thresholds are those of dense matrices, chi_l = 2 chi_t."""
    chi = mbfast.Moduli(*(-threshold * SILICA.density * SILICA.c_t**2 * np.array([2.0, 1.0])))
    stable = disordered_response(SILICA, lattice, mbfast.Moduli(0.97 * chi[0], 0.97 * chi[1]), **options)
    assert np.isfinite(stable.tensor).all()
    with pytest.raises(ArithmeticError, match="chi makes an unstable sample"):
        disordered_response(SILICA, lattice, mbfast.Moduli(times * chi[0], times * chi[1]), **options)


@pytest.mark.parametrize("component", [0, 3])
def test_moduli_and_tensors_near_a_pole_of_a_cube_by_itself(component):
    """Where 1 - own chi is near zero for xx - yy or for yz, on the way around the pole that complex chi has."""
    own = SILICA.prefactor * 2 * averaged_tensors(SILICA, [0, 0, 0])
    pole = 0.5 / (own[0, 0] - own[0, 1] if component == 0 else 2 * own[3, 3])

    def answers(distance):
        chi = mbfast.Moduli(*(np.full((1, 1, 1), pole * (1 - distance) * x) for x in (1.4, 1.0)))
        for given in (chi, chi.transverse[..., None, None] * voigt(mbfast.isotropic_tensor(1.4, 1.0))):
            yield lambda given=given: disordered_response(SILICA, cubes((1, 1, 1)), given, self_field=True).tensor

    for distance in (1e-3j, 1e-9j):
        one, other = (answer() for answer in answers(distance))
        # T = chi (1 - own chi)^-1 e, and (1 - own chi) = distance
        found = one[3, 3] if component else 0.5 * (one[0, 0] - one[0, 1])
        assert_allclose(found, pole * (1 - distance) / distance, rtol=1e-14 / abs(distance))
        assert_allclose(other, one, rtol=0, atol=1e-14 / abs(distance) * largest(one))
    for answer in answers(1e-14j):
        with pytest.raises(ArithmeticError, match="unstable sample: block 0 by itself"):
            answer()


def test_a_cube_beyond_its_pole_is_found_beside_one_close_to_it():
    """The other answers 1e13 times as much, and no more of what is positive is taken for rounding for that."""
    own = SILICA.prefactor * 2 * averaged_tensors(SILICA, [0, 0, 0])
    pole = 0.25 / own[3, 3]
    chi = pole * np.array([1.0 - 1e-11, 0.5, 100.0]).reshape(1, 1, 3)
    moduli = mbfast.Moduli(4 / 3 * chi, chi)
    dense = chi[..., None, None] * voigt(mbfast.isotropic_tensor(4 / 3, 1.0))
    for given in (moduli, dense):
        with pytest.raises(ArithmeticError, match="unstable sample: block 2 by itself"):
            disordered_response(SILICA, cubes((1, 1, 3)), given, self_field=True)


@pytest.mark.compiled
@pytest.mark.parametrize("make", [points, cubes], ids=["points", "cubes"])
def test_the_threshold_of_stability_of_a_random_sample(make):
    """Static chi = -g C: stable while 1 + 2 S H S, S the root of -chi, has no negative eigenvalue."""
    lattice, factors = make((3, 3, 3)), np.random.default_rng(6).uniform(0.2, 1.0, (3, 3, 3))
    field = mbfast.LatticeField(SILICA, lattice)
    dense = np.array([field(unit).ravel() for unit in np.eye(162).reshape(162, 3, 3, 3, 6)]).T
    roots = np.tile(np.sqrt(WEIGHTS), 27)
    values, vectors = np.linalg.eigh(np.sqrt(np.outer(WEIGHTS, WEIGHTS)) * MEDIUM)
    root = np.kron(np.diag(np.sqrt(factors.ravel())), (vectors * np.sqrt(values)) @ vectors.T)
    threshold = -1 / np.linalg.eigvalsh(2 * SIDE**3 * root @ (roots[:, None] * dense / roots) @ root)[0]

    def answer(times):
        chi = -times * threshold * factors
        return disordered_response(SILICA, lattice, mbfast.Moduli(ALONG * chi, ACROSS * chi)).moduli.transverse

    assert answer(0.97) < answer(0.9) < 0.0
    with pytest.raises(ArithmeticError, match="unstable sample: strains were found"):
        answer(1.05)


@pytest.mark.compiled
def test_what_does_not_converge_is_named():
    # poles of the interaction among real chi of both signs
    chi = random_moduli(5, (6, 6, 6), -30.0, 30.0)
    with pytest.raises(
        ArithmeticError, match=r"chi has a response that bicgstab does not find: its residual is .* after"
    ):
        disordered_response(SILICA, points((6, 6, 6)), chi, rtol=1e-9)


def test_progress_and_memory(monkeypatch):
    seen = []
    chi = mbfast.Moduli(np.full((2, 1, 1, 1), -1e9), np.full((2, 1, 1, 1), -1e9))
    made = disordered_response(SILICA, points((2, 2, 2)), chi, rtol=1e-5, progress=lambda *at: seen.append(at))
    assert seen == [(n + 1, 60) for n in range(60)]
    assert made.stress.shape == (2, 6, 6)
    assert made.stress.dtype == np.float64
    monkeypatch.setattr("mbfast.renormalization.disordered.available_memory", lambda: 1e9)
    with pytest.raises(
        MemoryError, match=r"solver 'gmres' needs .* GB for 2097152 blocks, 1 GB are free: about 0.4 of"
    ):
        disordered_response(SILICA, points((128, 128, 128)), mbfast.Moduli(-1e9, -1e9), solver="gmres")


def test_the_size_of_a_strain_does_not_matter():
    chi, strain = random_moduli(7, (2, 2, 2)), np.array([0.3, 0.1, 0, 0, 0, 0.2])
    sizes = 2.0 ** np.array([0, -130, -535, -1000, 110])  # squares are no doubles, or no single precision
    made = disordered_response(SILICA, points((2, 2, 2)), chi, applied=sizes[:, None] * strain)
    assert_allclose(made.stress / sizes[:, None], np.tile(made.stress[0], (5, 1)), rtol=1e-12)
    assert_allclose(made.error / sizes, made.error[0], rtol=1e-6)
    assert_allclose(made.residual, made.residual[0], rtol=1e-6)
    assert 0.0 < made.residual[0] <= made.rtol
    small = disordered_response(SILICA, points((2, 2, 2)), chi, applied=2.0**-1040 * np.eye(6))  # without inverses
    whole = disordered_response(SILICA, points((2, 2, 2)), chi, applied=np.eye(6))
    assert_allclose(small.tensor, whole.tensor, rtol=0, atol=1e-8 * largest(whole.tensor))
    least = disordered_response(SILICA, points((2, 2, 2)), chi, applied=[5e-324 * np.eye(6)[0]])  # of all doubles
    assert_allclose(least.stress[0] / 5e-324, whole.stress[0], rtol=1e-6)  # the stress is no normal double


@pytest.mark.compiled
def test_a_wave_in_a_periodic_body_is_a_whole_number_of_periods():
    chi, options = random_moduli(8, (2, 2, 2)), {"boundary": "periodic", "strain": "total", "rtol": 1e-10}
    at_rest = disordered_response(SILICA, points((2, 2, 2)), chi, **options)
    one = np.pi / SIDE  # along an axis of two blocks
    moving = disordered_response(SILICA, points((2, 2, 2)), chi, wavevector=[one, 0, 0], **options)
    for tiny in (1e-200, 1e-30, 1e-3):  # as rounding leaves it
        made = disordered_response(SILICA, points((2, 2, 2)), chi, wavevector=[tiny, 0, -tiny], **options)
        assert_allclose(made.stress, at_rest.stress, rtol=0, atol=1e-8 * largest(at_rest.stress))
        made = disordered_response(SILICA, points((2, 2, 2)), chi, wavevector=[one + tiny, tiny, 0], **options)
        assert_allclose(made.stress, moving.stress, rtol=0, atol=1e-8 * largest(moving.stress))
    assert largest(moving.stress - at_rest.stress) > 0.01 * largest(at_rest.stress)


def test_tensors_want_a_basis():
    made = disordered_response(SILICA, points((1, 1, 2)), mbfast.Moduli(-1e9, -1e9), applied=[[1.0, 0, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="applied must be 6 independent strains"):
        _ = made.tensor
    electric = disordered_response(DIPOLES, points((1, 1, 2)), -1e-12 * np.eye(3))
    with pytest.raises(ValueError, match="moduli are of stress, got dipoles"):
        _ = electric.moduli


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chi": np.zeros((2, 2, 2, 6))}, r"chi must have shape \(..., 2, 2, 2, 6, 6\), got \(2, 2, 2, 6\)"),
        ({"chi": mbfast.Moduli(np.zeros(3), 0.0)}, r"chi must have shape \(..., 2, 2, 2\), got \(3,\) and \(\)"),
        ({"chi": np.triu(np.ones((6, 6)))}, "chi must be symmetric in its last two axes"),
        ({"chi": mbfast.Moduli(np.nan, 0.0)}, "chi must be finite, with magnitudes up to 1e"),
        ({"interaction": DIPOLES}, r"chi must be tensors \(..., 3, 3\) for dipoles, got Moduli"),
        ({"boundary": "periodic", "wavevector": [1e8, 0, 0]}, "wavevector must be a wave that fits a periodic body"),
        ({"boundary": "periodic", "wavevector": [1e26, 0, 0]}, "wavevector must have at most .* lost to rounding"),
        ({"wavevector": [0, 0, -1e35]}, "wavevector must have at most .* lost to rounding"),
        ({"boundary": "periodic", "wavevector": [(1e10 + 0.5) * np.pi / SIDE, 0, 0]}, "wave that fits a periodic body"),
        ({"strain": "total"}, "strain must be 'external' for points with an open boundary"),
        ({"applied": np.zeros((2, 6))}, "applied must not be zero, got zeros in row 0"),
        ({"applied": np.triu(np.ones((1, 3, 3)))}, "applied must be symmetric strains"),
        ({"self_field": True}, "self_field is for cubes"),
        ({"lattice": mbfast.BlockLattice((0, 2, 2), SIDE)}, "lattice must have blocks"),
    ],
)
def test_what_is_wrong_is_refused(changes, message):
    arguments = {"interaction": SILICA, "lattice": points((2, 2, 2)), "chi": mbfast.Moduli(-1e9, -1e9), **changes}
    with pytest.raises((ValueError, TypeError), match=message):
        disordered_response(**arguments)


def sample_of_cubes(n, seed):
    """chi_a = -0.1 (1 + 0.3i) rho c_a^2 times numbers of the exponential distribution."""
    return -0.1 * (1 + 0.3j) * np.random.default_rng(seed).exponential(size=(n, n, n))


@pytest.mark.compiled
@pytest.mark.parametrize("polarization", ["longitudinal", "transverse"])
def test_random_samples_do_not_grow_as_a_logarithm(polarization):
    """All orders of the random phases: (3.7) printed doubles from N0 = 4 to 16. First order: a sum over pairs."""
    strain, place, modulus = ([0.0, 0, 1, 0, 0, 0], 2, ALONG) if polarization == "longitudinal" else (
        [0.0, 0, 0, 0.5, 0, 0], 3, ACROSS
    )  # fmt: skip
    found = []
    for n in (4, 16):
        factors = sample_of_cubes(n, n)
        made = disordered_response(
            SILICA, cubes((n, n, n)), mbfast.Moduli(ALONG * factors, ACROSS * factors), applied=[strain],
            wavevector=[0, 0, 2 * np.pi / (n * SIDE)],
        )  # fmt: skip
        mean = factors.mean() * modulus
        found.append(((mean - made.stress[0, place]) * modulus / mean**2).real)
    assert abs(found[1] / found[0] - 1) < 0.4
    # weak, equal points: the sum of Lambda e e cos(k.x), of which the response has 8 chi_t^2 where the strain is shear
    chi, lattice, k = -1e-7, points((6, 6, 6)), np.array([0, 0, 2 * np.pi / (6 * SIDE)])
    if polarization == "transverse":
        weak = mbfast.Moduli(chi * ALONG, chi * ACROSS)
        made = disordered_response(SILICA, lattice, weak, applied=[strain], wavevector=k, rtol=1e-11)
        expected = 8 * (chi * ACROSS) ** 2 * SIDE**3 * mbfast.phase_sum(SILICA, lattice, k, [0, 1.0, 0])
        assert (made.stress[0, 3] - chi * ACROSS).real == pytest.approx(expected, rel=1e-3)


@pytest.mark.compiled
def test_blocks_that_answer_nothing():
    assert not disordered_response(SILICA, points((2, 1, 1)), np.zeros((6, 6))).stress.any()


@pytest.mark.compiled
@pytest.mark.parametrize("number", [0, 1])
def test_recorded_numbers_of_the_audit(number):
    external, first, total = audit.RECORDED[number]
    for row, strain in ((external, "external"), (total, "total")):
        made = audit.row(row.n0, row.samples, strain)
        assert made.mean == pytest.approx(row.mean, abs=2e-4)
        assert made.scatter == pytest.approx(row.scatter, abs=2e-4)
    assert audit.first_order(external.n0) == pytest.approx(first, abs=1e-4)
    # per total strain: what is left of equal cubes is minus the field of each in itself
    own = SILICA.prefactor * 2 * averaged_tensors(SILICA, [0, 0, 0]) * WEIGHTS
    shear = 2 * own[3, 3] * ACROSS
    assert audit.RECORDED[-1][2].mean[1] == pytest.approx(shear, rel=0.1)
