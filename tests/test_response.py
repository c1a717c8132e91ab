"""Susceptibilities of super blocks: closed forms, sum rules, one method against another, first order in couplings."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.stats
from materials import DIPOLES, SILICA, largest
from numpy.testing import assert_allclose

import mbfast
from mbfast import Block, SuperBlock, testing
from mbfast.superblock import chebyshev, lanczos, lines, response, routes
from mbfast.superblock._kernels.gather import gather
from mbfast.superblock.perturbation import first_order
from mbfast.superblock.response import susceptibility
from mbfast.units import HBAR, K_B

ENERGY, STRESS, VOLUME = 1e-24, 1e-19, 1e-24
SCALE = ENERGY / HBAR
KELVIN = ENERGY / K_B
WAVE = np.array([2e8, 1e8, -5e7])
GRID = 5e-9 * np.array(list(itertools.product(range(2), repeat=3)), float)


def hermitian(rng, size, d):
    matrices = rng.normal(size=(size, d, d)) + 1j * rng.normal(size=(size, d, d))
    return (matrices + matrices.conj().swapaxes(1, 2)) / 2


def wells(seed, n, *, interaction=SILICA, scale=1.0, unit=STRESS):
    """Two-level blocks on a cube, coupled about as strongly as they tunnel, times the scale."""
    rng = np.random.default_rng(seed)
    blocks = [
        Block.two_level(ENERGY * rng.normal(), ENERGY, unit * rng.normal(size=interaction.components)) for _ in range(n)
    ]
    return SuperBlock(interaction, GRID[:n] * scale ** (-1 / 3), blocks)


def levels(seed, n, d=3, scale=1.0):
    """Blocks of d levels whose stresses are complex and do not commute."""
    rng = np.random.default_rng(seed)
    blocks = [Block(ENERGY * rng.normal(size=d), 0.5 * STRESS * hermitian(rng, 6, d)) for _ in range(n)]
    return SuperBlock(SILICA, GRID[:n] * scale ** (-1 / 3), blocks)


def dense_stress(made, wavevector=None):
    return made.stress(np.eye(made.dimension, dtype=complex), wavevector)


def arrays(values):
    return np.stack(values) if isinstance(values, tuple) else values


OMEGA = SCALE * np.array([-2.0, -0.3, 0.0, 0.2, 1.0, 2.5, 4.0])
OPTIONS = {"volume": VOLUME, "broadening": 0.2 * SCALE}


@pytest.mark.thinned(2, bare=1)
@pytest.mark.parametrize("few", [lines._FEW, pytest.param(10, marks=pytest.mark.compiled)])
@pytest.mark.parametrize("shape", ["gaussian", "lorentzian"])
@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize("make", [wells, levels])
def test_all_levels_are_those_of_susceptibility_from_levels(monkeypatch, make, temperature, shape, few):
    monkeypatch.setattr(lines, "_FEW", few)
    made = make(1, 3)
    energies, states = np.linalg.eigh(made.dense())
    stress = np.moveaxis(states.conj().T @ dense_stress(made) @ states, 0, -1)
    for components, reduced in itertools.product(["isotropic", "tensor"], [True, False]):
        choice = {"components": components, "reduced": reduced, "shape": shape}
        kelvin = temperature * KELVIN
        wanted = mbfast.susceptibility_from_levels(
            energies, 0.5 * (stress + stress.conj().swapaxes(0, 1)), VOLUME, kelvin, OMEGA, 0.2 * SCALE, **choice
        )
        found = susceptibility(made, OMEGA, kelvin, method="exact", **OPTIONS, **choice)
        atol = (1e-12 if few > 10 else 3e-7) * largest(arrays(wanted))
        assert_allclose(arrays(found.imaginary), arrays(wanted), rtol=0, atol=atol)


@pytest.mark.thinned(3, bare=1)
@pytest.mark.parametrize("wavevector", [None, WAVE])
@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize("make", [wells, levels])
def test_a_wave_against_kubo(make, temperature, wavevector):
    made, kelvin = make(2, 3), temperature * KELVIN
    z = OMEGA + 0.2j * SCALE

    def both(sign):
        wave = None if wavevector is None else sign * wavevector
        stress = dense_stress(made, wave)
        total = np.array([testing.kubo(made.dense(), stress, kelvin, one, VOLUME, HBAR, K_B) for one in z])
        return 0.5 * (total + total.swapaxes(1, 2))

    wanted = 0.5 * (both(1.0) + both(-1.0))
    found = susceptibility(
        made, OMEGA, kelvin, wavevector=wavevector, components="tensor", reduced=False, shape="lorentzian", **OPTIONS
    )
    assert found.method == "exact"
    assert_allclose(found.real, wanted.real, rtol=0, atol=3e-8 * largest(wanted))  # many lines are on a grid
    moduli = susceptibility(made, OMEGA, kelvin, wavevector=wavevector, reduced=False, shape="lorentzian", **OPTIONS)
    assert_allclose(arrays(moduli.real), arrays(mbfast.isotropic_moduli(wanted.real)), atol=1e-11 * largest(wanted))


@pytest.mark.parametrize("method", ["exact", "lanczos", "chebyshev"])
def test_two_equal_two_level_blocks(method):
    made = SuperBlock(SILICA, GRID[:2], Block.two_level(0.0, ENERGY, [0, 0, 0, 0, 0, STRESS]))
    coupling = 0.5 * (made.energies()[2] - made.energies()[1])
    rising = made.block_stress(0)[5, 0, 0] * made.block_stress(1)[5, 0, 0] * made.couplings[0, 1, 5, 5] * 2.0
    assert_allclose(abs(rising), coupling, rtol=1e-12)
    energy = np.hypot(ENERGY, rising)
    line = (rising + energy) / HBAR
    width = 0.05 * SCALE
    omega = line + width * np.array([0.0, 1.0, -3.0, 30.0])
    found = susceptibility(made, omega, 0.0, volume=VOLUME, broadening=width, method=method)
    weight = 0.5 * (1.0 - rising / energy) * STRESS**2
    shape = np.exp(-0.5 * ((omega - line) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
    # C_ijij has the component twice: chi_t = 3 (2 weight)/30
    tolerance = 1e-12 if method != "chebyshev" else 1e-5
    expected = -np.pi / (HBAR * VOLUME) * weight * shape * np.array([[4 / 15], [0.2]])
    assert_allclose(arrays(found.imaginary), expected, rtol=0, atol=tolerance * largest(expected))
    assert_allclose(found.total.transverse, 0.2 * weight, rtol=1e-12)


@pytest.mark.parametrize("method", ["exact", "lanczos", "chebyshev"])
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_f_sum_has_no_coupling_in_it(method, temperature):
    """<[A,[H,A]]> = -2 sum a^2 Delta_0 <sigma_x>, a half of the coupling's."""
    made, kelvin = wells(3, 4, interaction=DIPOLES, unit=1e-29), temperature * KELVIN
    options = {"volume": VOLUME, "broadening": SCALE, "rng": np.random.default_rng(1), "vectors": 3}
    found = susceptibility(made, OMEGA[3:], kelvin, method=method, components="tensor", **options)
    energies, states = np.linalg.eigh(made.dense())
    populations = np.exp(-(energies - energies[0]) / (K_B * kelvin)) if kelvin else 1.0 * (energies == energies[0])
    populations /= populations.sum()
    expected = 0.0
    for s in range(4):
        flip = testing.on_block(np.array([[0.0, 1.0], [1.0, 0.0]]), s, made.dims)
        mean = populations @ np.einsum("im,ij,jm->m", states, flip, states)
        dipole = np.diagonal(made.block_stress(s), axis1=1, axis2=2)[:, 0]
        expected = expected - 2.0 * np.outer(dipole, dipole) * 2.0 * made.block_hamiltonian(s)[0, 1] * mean
    if method == "exact" or not kelvin:
        assert_allclose(found.f_sum, expected, rtol=0, atol=1e-10 * largest(expected))
        assert not found.f_sum_error.any()
    else:
        assert (np.abs(found.f_sum - expected) < 20.0 * found.f_sum_error).all()  # of three vectors


@pytest.mark.parametrize("method", ["exact", "lanczos", "chebyshev"])
def test_detailed_balance_and_the_sum_rule_hold_to_rounding(method):
    made, kelvin, width = wells(4, 4), 0.4 * KELVIN, 0.3 * SCALE
    omega = np.linspace(-20, 20, 401) * SCALE
    found = susceptibility(
        made,
        omega,
        kelvin,
        volume=VOLUME,
        broadening=width,
        method=method,
        rng=np.random.default_rng(2),
        vectors=2,
        steps=16,
        wavevector=WAVE,
    )
    x = HBAR * omega / (K_B * kelvin)
    for imaginary, total in zip(found.imaginary, found.total, strict=True):
        assert (imaginary <= 0.0).all() or method != "exact"
        upper = x > 0.0
        assert_allclose(
            imaginary[::-1][upper], (np.exp(-x) * imaginary)[upper], rtol=1e-11, atol=1e-30 * largest(imaginary)
        )
        integral = imaginary.sum() * (omega[1] - omega[0])  # of a smooth function that vanishes at its ends
        assert_allclose(integral, -np.pi / (HBAR * VOLUME) * total, rtol=1e-9)


@pytest.mark.compiled
@pytest.mark.parametrize("reduced", [True, False])
@pytest.mark.parametrize("make", [wells, levels])
def test_the_methods_agree_at_zero_temperature(make, reduced):
    made = wells(5, 8) if make is wells else levels(5, 4)
    options = {"reduced": reduced, "wavevector": None if reduced else WAVE, **OPTIONS}
    exact, recursion, polynomials = (
        susceptibility(made, OMEGA, 0.0, method=method, **options) for method in ("exact", "lanczos", "chebyshev")
    )
    assert recursion.remainder < 1e-9
    assert polynomials.remainder < 1e-3
    for found, tolerance in ((recursion, 1e-9), (polynomials, 1e-5)):
        assert found.width == OPTIONS["broadening"]
        for name in ("imaginary", "real", "total", "f_sum"):
            for one, other in zip(getattr(found, name), getattr(exact, name), strict=True):
                finite = np.isfinite(other)
                assert (one[~finite] == other[~finite]).all()
                assert largest(one[finite] - other[finite]) <= tolerance * largest(other[finite])


@pytest.mark.compiled
def test_the_methods_agree_above_it():
    """Of the same random vectors recursions and polynomials make the same; all levels are within their error bars."""
    made, kelvin, options = wells(6, 8), 0.6 * KELVIN, {"vectors": 6, "volume": VOLUME, "reduced": False}
    width = 0.5 * SCALE
    exact, recursion, polynomials = (
        susceptibility(
            made, OMEGA[3:], kelvin, method=method, broadening=width, rng=np.random.default_rng(5), **options
        )
        for method in ("exact", "lanczos", "chebyshev")
    )
    assert recursion.steps == polynomials.steps
    for name in ("imaginary", "real"):
        values = [getattr(found, name) for found in (exact, recursion, polynomials)]
        for a, b, c, error in zip(*values, getattr(recursion, f"{name}_error"), strict=True):
            assert largest(b - c) < 1e-4 * largest(b)
            assert (np.abs(b - a) < 6.0 * error).all()
            assert largest(error) < 0.2 * largest(a)


@pytest.mark.compiled
def test_error_bars_cover_the_truth_as_often_as_they_say():
    """Six two-level blocks, 200 times four random vectors: Student's t for three degrees of freedom."""
    made, kelvin = wells(7, 6, interaction=DIPOLES, unit=np.array([0.0, 0.0, 1e-29])), KELVIN
    omega, width = np.array([1.0, 3.0]) * SCALE, 3.0 * SCALE
    exact = susceptibility(made, omega, kelvin, volume=VOLUME, broadening=width, reduced=False)
    combinations, mixing = response.products(3, "isotropic")
    task = routes.Task(made, kelvin, 1, combinations, response.waves(made, None), width, "gaussian")
    operator = task.hamiltonian()
    plan = routes.plan(task, "lanczos", operator, lanczos.bounds(operator), None)
    finish = response._Finish(omega, task, mixing * task.unit**2, np.pi / (HBAR * VOLUME), reduced=False)
    assert plan.steps < 16
    rng, n = np.random.default_rng(8), 4
    samples = [routes.thermal(task, plan, rng) for _ in range(200 * n)]
    parts = [finish(sample) for sample in samples]
    wanted = {name: getattr(exact, name) for name in ("imaginary", "real", "total")}
    for name, truth in wanted.items():
        values, norms = np.array([part[name][0] for part in parts]), np.array([sample.norm for sample in samples])
        groups = [slice(n * i, n * (i + 1)) for i in range(200)]
        means, errors = np.array([response.jackknife(values[group], norms[group]) for group in groups]).swapaxes(0, 1)
        for bars in (1.0, 2.0):
            covered = np.mean(np.abs(means - truth) < bars * errors, axis=0)
            expected = 1.0 - 2.0 * scipy.stats.t.sf(bars, n - 1)
            # four standard deviations of the count
            assert (np.abs(covered - expected) < 4.0 * np.sqrt(expected * (1.0 - expected) / 200)).all(), (
                name,
                covered,
            )


@pytest.mark.parametrize("wavevector", [None, WAVE])
def test_with_the_relaxational_part_it_is_the_second_derivative_of_the_free_energy(wavevector):
    made, kelvin = levels(8, 2), 0.6 * KELVIN
    hamiltonian, stress = made.dense(), dense_stress(made, wavevector)
    stress = 0.5 * (stress + dense_stress(made, None if wavevector is None else -wavevector))  # cos k.x
    sine = (dense_stress(made, wavevector) - stress) / 1j
    found = susceptibility(
        made, [0.0], kelvin, volume=VOLUME, broadening=1e-6 * SCALE, reduced=False, relaxational=True,
        components="tensor", wavevector=wavevector,
    ).real[0]  # fmt: skip
    step = 1e-2 * ENERGY / STRESS

    def energy(matrix, strain):
        return testing.free_energy(hamiltonian + strain * matrix, K_B * kelvin)

    for a in range(6):
        expected = 0.0
        for part in (stress, sine):
            # O(step^4), cancellation eps F/step^2
            at = [energy(part[a], k * step) for k in (-2, -1, 0, 1, 2)]
            expected += np.dot([-1, 16, -30, 16, -1], at) / (12.0 * step**2 * VOLUME)
        assert_allclose(found[a, a], expected, rtol=1e-6)


@pytest.mark.compiled
def test_the_one_sided_real_part():
    made, width = wells(9, 2), 0.3 * SCALE
    nodes, omega = np.linspace(0.0, 16.0, 4001), np.array([0.7, -2.0, 0.0]) * SCALE
    for temperature in (0.1 * KELVIN, 0.0):
        at = np.append(1e-9, nodes[1:]) * SCALE
        absorption = susceptibility(made, at, temperature, volume=VOLUME, broadening=width).imaginary.transverse
        smooth = scipy.interpolate.CubicSpline(nodes, nodes * absorption)
        found = susceptibility(made, omega, temperature, volume=VOLUME, broadening=width).real.transverse
        assert found[2] == -np.inf
        for x, value in zip(np.abs(omega[:2]) / SCALE, found[:2], strict=True):
            near = scipy.integrate.quad(
                lambda u, x=x, f=smooth: f(u) / (u + x), 0.0, 2 * x, weight="cauchy", wvar=x, epsabs=0, epsrel=1e-8
            )[0]
            far = nodes[nodes >= 2 * x]
            rest = scipy.integrate.simpson(smooth(far) / (far**2 - x**2), x=far)
            assert_allclose(value, 2 / np.pi * (near + rest), rtol=1e-5)


def test_jackson():
    """Fewer polynomials: no weight is negative, and a level in the middle is as wide as the result says."""
    energies = np.array([-1.0, 1.0, 0.03])
    operator = lanczos.Operator(lambda x, out: np.multiply(energies, x, out=out), 3, np.dtype(float), 1)
    chain = chebyshev.Chebyshev(operator, np.array([0.0, 0.0, 2.0]), 40, lanczos.Bounds(0.0, 1.01), damped=True)
    assert len(list(chain)) == 40
    places, weights = chain.quadrature()
    assert weights.min() > -1e-12
    assert_allclose(weights.sum(), 4.0)
    mean = weights @ places / 4.0
    assert_allclose(np.sqrt(weights @ (places - mean) ** 2 / 4.0), np.pi * 1.01 / 79, rtol=0.02)
    made = wells(10, 5)
    wide = susceptibility(made, OMEGA, 0.0, method="chebyshev", steps=20, **OPTIONS)
    assert wide.width > 1.2 * OPTIONS["broadening"]
    assert max(map(largest, wide.imaginary)) > 0.0


def test_polynomials_that_diverge_are_noticed():
    operator = lanczos.Operator(lambda x, out: np.multiply([0.0, 2.0], x, out=out), 2, np.dtype(float), 1)
    chain = chebyshev.Chebyshev(operator, np.ones(2), 20, lanczos.Bounds(0.0, 1.0))
    assert len(list(chain)) == 20
    with pytest.raises(ArithmeticError, match="there are levels outside of the interval"):
        chain.quadrature()


@pytest.mark.compiled
def test_degenerate_ground_states_are_averaged_over():
    blocks = [Block([0.0, 0.0, ENERGY], STRESS * hermitian(np.random.default_rng(s), 6, 3).real) for s in (1, 1, 1, 1)]
    far = [[0, 0, 0], [1e-3, 0, 0], [0, 1e-3, 0], [0, 0, 1e-3]]  # coupled by less than rounding errors
    made = SuperBlock(SILICA, far, blocks)
    exact = susceptibility(made, OMEGA, 0.0, method="exact", **OPTIONS)
    found = susceptibility(made, OMEGA, 0.0, method="lanczos", **OPTIONS)
    assert_allclose(arrays(found.imaginary), arrays(exact.imaginary), atol=1e-9 * largest(arrays(exact.imaginary)))
    many = SuperBlock(SILICA, [*far, [1e-3, 1e-3, 0]], [*blocks, blocks[0]])
    with pytest.raises(ValueError, match="temperature must be positive here: there are more than 16 ground states"):
        susceptibility(many, OMEGA, 0.0, method="lanczos", **OPTIONS)


@pytest.mark.compiled
def test_the_same_bits_for_any_number_of_threads():
    made, options = wells(11, 8), {"method": "lanczos", "steps": 12, "vectors": 2, **OPTIONS}
    for kelvin in (0.0, KELVIN):
        one, other = (
            susceptibility(made, OMEGA, kelvin, threads=threads, rng=np.random.default_rng(3), **options)
            for threads in (1, 3)
        )
        assert (arrays(one.imaginary) == arrays(other.imaginary)).all()


def test_sums_over_states_do_not_depend_on_threads():
    rng = np.random.default_rng(2)
    n = 20 * lanczos.kernels.TILE + 5 if not mbfast._core.jit.numba.config.DISABLE_JIT else 50
    x, y, w = rng.normal(size=(3, n))
    results = []
    for threads in (1, 3):
        operator, made = lanczos.Operator(print, n, np.dtype(float), threads), w.copy()
        results.append((operator.step(0.5, made, 2.0, x, -1.0, y), operator.dot(x, y), made))
    assert_allclose(results[0][2], 0.5 * w + 2.0 * x - y, rtol=1e-13, atol=1e-13)
    assert_allclose(results[0][0], (made @ made, made @ x), rtol=1e-9)
    assert_allclose(results[0][1], x @ y, rtol=1e-9, atol=1e-9)
    assert results[0][:2] == results[1][:2]
    assert (results[0][2] == results[1][2]).all()


@pytest.mark.compiled
def test_a_thermal_state():
    made = levels(12, 3)
    task = routes.Task(made, KELVIN, 1, np.eye(6), response.waves(made, None), SCALE, "gaussian")
    operator = task.hamiltonian()
    interval = lanczos.bounds(operator)
    energies, states = np.linalg.eigh(made.dense())
    assert interval.center - interval.half < energies[0]
    assert interval.center + interval.half > energies[-1]
    start = lanczos.random_vector(np.random.default_rng(3), made.dimension, made.dtype)
    assert_allclose(np.abs(start), 1.0)
    for rate in (0.1, 3.0, 200.0):
        found = chebyshev.thermal_state(operator, start, rate / ENERGY, interval)
        lowest = interval.center - interval.half
        wanted = states @ (np.exp(-rate * (energies - lowest) / ENERGY) * (states.conj().T @ start))
        assert_allclose(found, wanted, rtol=0, atol=1e-9 * largest(wanted))


@pytest.mark.thinned(3, bare=1)
@pytest.mark.parametrize("wavevector", [None, WAVE])
@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("make", [wells, levels])
def test_first_order_is_the_derivative_by_the_coupling(make, temperature, wavevector):
    kelvin, z = temperature * KELVIN, (np.array([0.3, 2.0]) + 0.3j) * SCALE

    def exact(strength):
        made = make(13, 3, scale=strength)
        total = np.zeros((2, 6, 6), complex)
        for sign in (1.0, -1.0):
            wave = None if wavevector is None else sign * wavevector * strength ** (1 / 3)
            stress = dense_stress(made, wave)
            total += [testing.kubo(made.dense(), stress, kelvin, one, VOLUME, HBAR, K_B) for one in z]
        return 0.25 * (total + total.swapaxes(1, 2))

    orders = first_order(make(13, 3), z, kelvin, volume=VOLUME, wavevector=wavevector)
    h = 1e-4 if make is wells else 1e-5
    one, two, four = (exact(k * h) for k in (1, 2, 4))
    # Richardson: errors of h^3, and of rounding by 1/h
    slopes = [(-3 * orders.uncoupled + 4 * a - b) / (2 * k * h) for k, a, b in ((1, one, two), (2, two, four))]
    slope = (4 * slopes[0] - slopes[1]) / 3
    total = orders.random_phase + orders.hartree
    assert_allclose(total, slope, rtol=0, atol=1e-6 * largest(total))
    assert largest(orders.hartree) > 0.01 * largest(total)
    assert largest(orders.random_phase) > 0.01 * largest(total)


def test_hartree_averages_to_zero_over_signs():
    rng = np.random.default_rng(14)
    parameters = [(ENERGY * rng.normal(), STRESS * rng.normal(size=6)) for _ in range(3)]
    total, z = 0.0, [(0.5 + 0.2j) * SCALE]
    for signs in itertools.product((1.0, -1.0), repeat=3):
        blocks = [Block.two_level(a, ENERGY, sign * t) for sign, (a, t) in zip(signs, parameters, strict=True)]
        one = first_order(SuperBlock(SILICA, GRID[:3], blocks), z, KELVIN, volume=VOLUME).hartree
        total = total + one
    assert largest(total) < 1e-12 * largest(one)


def test_what_does_not_fit_is_refused(monkeypatch):
    made = wells(15, 6)
    monkeypatch.setattr(routes, "available_memory", lambda: 64 * 8 * 5.0)
    for method, kelvin, match in (
        ("exact", 0.0, "method='exact' of 64 states needs 0.000164 GB, 2.56e-06 GB are available: 8 states would fit"),
        ("lanczos", 0.0, "8 vectors of 64 states needs 4.1e-06 GB, 2.56e-06 GB are available: 5 vectors fit"),
        ("chebyshev", KELVIN, "vectors for .* steps of 64 states needs .* steps=0 would fit"),
    ):
        with pytest.raises(MemoryError, match=match):
            susceptibility(made, OMEGA, kelvin, method=method, **OPTIONS)


def test_arguments_that_do_not_go_together():
    made = wells(16, 2)
    for wrong in ({"reduced": True}, {"temperature": 0.0}, {"method": "lanczos"}):
        choice = {"temperature": 1.0, "reduced": False, "method": "exact", "relaxational": True, **OPTIONS, **wrong}
        with pytest.raises(ValueError, match="relaxational needs reduced=False, a positive temperature and the method"):
            susceptibility(made, OMEGA, **choice)
    for name in ("steps", "vectors"):
        with pytest.raises(ValueError, match=f"{name} must be at least 2, got 1"):
            susceptibility(made, OMEGA, 1.0, **OPTIONS, **{name: 1})
    with pytest.raises(TypeError, match="rng must be given for the random vectors of lanczos at T > 0, got None"):
        susceptibility(made, OMEGA, 1.0, method="lanczos", **OPTIONS)
    with pytest.raises(ValueError, match="omega must have positive imaginary parts"):
        first_order(made, OMEGA, 1.0, volume=VOLUME)
    with pytest.raises(ValueError, match="omega must have positive imaginary parts, from 1e-35 rad/s, got 1e-300"):
        first_order(made, [1e-300j], 1.0, volume=VOLUME)
    narrow = {"volume": VOLUME, "broadening": 1e-7 * SCALE}
    with pytest.raises(ValueError, match=r"broadening must be wider, or steps given: it needs \d+ polynomials, above"):
        susceptibility(made, OMEGA, 0.0, method="chebyshev", **narrow)
    degenerate = SuperBlock(SILICA, GRID[:1], Block([0.0, 0.0], np.zeros((6, 2, 2))))
    with pytest.raises(ValueError, match="temperature must be positive, got 0: a block has two ground states"):
        first_order(degenerate, [1j], 0.0, volume=VOLUME)


# the last ones are beyond the functions of Bessel
@pytest.mark.parametrize("cold", [1e-7, pytest.param(1e-10, marks=pytest.mark.slow), 1e-20])
def test_nothing_is_left_of_a_random_vector(cold):
    words = f"temperature must be 0, or above {cold:g} K: nothing is left of a random vector"
    with pytest.raises(ValueError, match=words):
        susceptibility(wells(16, 2), OMEGA, cold, method="lanczos", rng=np.random.default_rng(1), **OPTIONS)


def test_lines_on_a_grid_keep_their_moments():
    # what a polynomial of degree 7, which eight nodes interpolate exactly, is on average over the lines
    rng = np.random.default_rng(8)
    places, weights, scale, grid = rng.uniform(-3.0, 3.0, 11), rng.normal(size=11), 0.7, np.zeros(17)
    places[:2] = 0.0, 1.0 / scale  # at nodes
    gather(places, weights, scale, grid)
    nodes = np.arange(-8.0, 9.0)
    for power in range(8):
        size = np.abs(weights) @ np.abs(scale * places) ** power
        assert grid @ nodes**power == pytest.approx(weights @ (scale * places) ** power, abs=1e-11 * (1 + size))
    gather(places, weights, scale, grid)  # adds
    assert grid.sum() == pytest.approx(2.0 * weights.sum(), abs=1e-13)
