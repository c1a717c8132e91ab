import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import PLACES, WEIGHTS, full
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.spatial.transform import Rotation

import mbfast
from mbfast import testing
from mbfast.kernels.levels import add_bins, add_lines
from mbfast.units import EV, HBAR, K_B

VOLUME = (5e-9) ** 3


def system(seed, n=5, real=False, degenerate=False):
    """Energies of some kelvin and random Hermitian stresses (n, n, 6)."""
    rng = np.random.default_rng(seed)
    energies = K_B * rng.uniform(0, 3, n)
    if degenerate:
        energies[1] = energies[0]
    stress = rng.normal(size=(n, n, 6)) + (0 if real else 1j) * rng.normal(size=(n, n, 6))
    return energies, EV * (stress + stress.swapaxes(0, 1).conj())


seeds = st.integers(0, 2**32 - 1)
kelvins = st.floats(-2, 2).map(lambda decade: 10.0**decade)


@given(seeds, kelvins)
def test_gaussian_lines_against_naive(seed, kelvin):
    energies, stress = system(seed, n=3, degenerate=True)
    omega, sigma = np.linspace(-4, 4, 5) * K_B / HBAR, 0.3 * K_B / HBAR
    expected = [testing.levels(energies, stress, VOLUME, kelvin, w, sigma, HBAR, K_B) for w in omega]
    result = mbfast.susceptibility_from_levels(energies, stress, VOLUME, kelvin, omega, sigma, components="tensor")
    # a line ends nine widths from its center, at 1e-18 of its height
    size = np.abs(result).max()
    assert_allclose(result, expected, rtol=1e-12, atol=1e-15 * size)


@pytest.mark.parametrize("lorentzian", [0, 1])
def test_lines_of_the_kernel_are_the_sum_over_pairs_of_levels(lorentzian):
    rng = np.random.default_rng(9)
    w, p, width, omega = np.sort(rng.uniform(0, 3, 3)), rng.random(3), 0.3, np.linspace(-4, 4, 9)
    stress = rng.normal(size=(6, 3, 3)) + 1j * rng.normal(size=(6, 3, 3))
    stress += stress.conj().swapaxes(1, 2)
    gaps = w - w[:, None]

    def line(x):
        if lorentzian:
            return width / np.pi / (x**2 + width**2)
        return np.exp(-0.5 * (x / width) ** 2) / (np.sqrt(2 * np.pi) * width)

    shapes = line(omega[:, None, None] - gaps) + line(omega[:, None, None] + gaps)
    wanted = np.einsum("m,amn,bnm,imn->abi", p, stress, stress, shapes).real
    moduli = [wanted[:3, :3].sum(axis=(0, 1)), np.einsum("a,aai->i", WEIGHTS, wanted)]
    for expected in (wanted[np.triu_indices(6)], np.array(moduli)):
        out = np.zeros(expected.shape)
        add_lines(w, p, stress.real.copy(), stress.imag.copy(), omega, width, lorentzian, out)
        assert_allclose(out, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def test_bins_have_their_lower_edge_and_the_last_both():
    w, p, stress = np.array([0.0, 1.0]), np.array([0.75, 0.25]), np.zeros((6, 2, 2))
    stress[0, 0, 1] = stress[0, 1, 0] = 2.0  # xx alone: both contractions are 4 times the population of the state left
    for edges, up, down in (([-1.0, 0.0, 1.0], 1, 0), ([-2.0, -1.0, 1.0, 2.0], 2, 1), ([-1.0, 1.0], 0, 0)):
        out, wanted = np.zeros((2, len(edges) - 1)), np.zeros((2, len(edges) - 1))
        add_bins(w, p, stress, np.zeros_like(stress), 0.0, np.array(edges), 1, out)
        wanted[:, up] += 4.0 * 0.75
        wanted[:, down] += 4.0 * 0.25
        assert (out == wanted).all()


@pytest.mark.parametrize("shape", ["gaussian", "lorentzian"])
@given(seed=seeds, kelvin=st.one_of(st.just(0.0), kelvins))
def test_detailed_balance_holds_to_rounding(shape, seed, kelvin):
    energies, stress = system(seed)
    omega = np.geomspace(0.01, 5, 7) * K_B / HBAR
    arguments = (energies, stress, VOLUME, kelvin), 0.2 * K_B / HBAR
    both = mbfast.susceptibility_from_levels(*arguments[0], np.append(-omega, omega), arguments[1], shape=shape)
    factor = np.exp(-HBAR * omega / (K_B * kelvin)) if kelvin else np.zeros(7)
    for moduli in both:
        # the exponent of the factor, up to 500, is off by its own rounding error
        assert_allclose(moduli[:7], factor * moduli[7:], rtol=1e-12)
        assert (moduli <= 0).all()


@given(seeds, kelvins)
def test_reduced_and_unreduced(seed, kelvin):
    energies, stress = system(seed)
    omega = np.linspace(-3, 3, 9) * K_B / HBAR
    common = (energies, stress, VOLUME, kelvin, omega, 0.2 * K_B / HBAR)
    reduced, full = (mbfast.susceptibility_from_levels(*common, reduced=r, components="tensor") for r in (True, False))
    factor = -np.expm1(-HBAR * omega / (K_B * kelvin))
    assert_allclose(full, factor[:, None, None] * reduced, rtol=1e-12)
    assert_allclose(full, -full[::-1], atol=1e-13 * np.abs(full).max())  # odd


def density_matrix(energies, kelvin):
    weights = np.exp(-(energies - energies.min()) / (K_B * kelvin))
    return np.diag(weights / weights.sum())


@given(seeds, kelvins, st.booleans())
def test_sum_rules_of_a_histogram(seed, kelvin, degenerate):
    energies, stress = system(seed, degenerate=degenerate)
    span = 1.001 * np.ptp(energies) / HBAR
    edges = np.linspace(-span, span, 40)
    common = (energies, stress, VOLUME, kelvin, edges)
    result = mbfast.susceptibility_from_levels(*common, shape="histogram", components="tensor")
    rho = density_matrix(energies, kelvin)
    # all frequencies: -(pi/hbar V) <T_ij T_kl>, its part symmetric in ij, kl
    trace = np.einsum("m,mni,nmj->ij", np.diag(rho), stress, stress).real
    exact = -math.pi / (HBAR * VOLUME) * 0.5 * (trace + trace.T)
    assert_allclose(np.einsum("k,kij", np.diff(edges), result), exact, rtol=1e-12, atol=1e-12 * np.abs(exact).max())


@given(seeds, kelvins)
def test_first_moment_of_narrow_lines(seed, kelvin):
    # bins much narrower than the distance of lines: the first moment is that of the lines to half a bin
    energies, stress = system(seed, real=True)
    span = 1.001 * np.ptp(energies) / HBAR
    edges = np.linspace(-span, span, 200001)
    common = (energies, stress, VOLUME, kelvin, edges)
    result = mbfast.susceptibility_from_levels(*common, shape="histogram", reduced=False)
    rho, h = density_matrix(energies, kelvin), np.diag(energies)
    moments = []
    for operator in [stress[..., :3].sum(axis=-1), *np.moveaxis(stress, -1, 0)]:
        inner = h @ operator - operator @ h
        moments.append(np.trace(rho @ (operator @ inner - inner @ operator)))
    iikk, ijij = moments[0], np.sum(WEIGHTS * moments[1:])
    exact = -math.pi / (HBAR**2 * VOLUME) * np.array([(iikk + 2 * ijij) / 15, (3 * ijij - iikk) / 30])
    centers = 0.5 * (edges[1:] + edges[:-1])
    computed = [np.sum(centers * moduli * np.diff(edges)) for moduli in result]
    assert_allclose(computed, exact, rtol=0, atol=2e-4 * np.abs(exact).max())


@pytest.mark.parametrize("kelvin", [0.0, 0.1, 1.0, 30.0])
def test_sum_rule_of_broadened_lines(kelvin):
    energies, stress = system(1)
    sigma = 0.05 * K_B / HBAR
    # the trapezoidal rule of Gaussians is exact to exp(-2 pi^2 (sigma/step)^2)
    omega = np.arange(-250, 250) * 0.02 * K_B / HBAR
    result = mbfast.susceptibility_from_levels(energies, stress, VOLUME, kelvin, omega, sigma)
    edges = np.array([-5.0, 5.0]) * K_B / HBAR
    whole = mbfast.susceptibility_from_levels(energies, stress, VOLUME, kelvin, edges, shape="histogram")
    # at T = 0 the step at zero frequency is taken by its mean value
    for broadened, lines in zip(result, whole, strict=True):
        assert_allclose(np.sum(broadened) * (omega[1] - omega[0]), lines[0] * np.diff(edges)[0], rtol=1e-11)


@given(seeds)
def test_moduli_are_those_of_the_tensor_and_of_any_rotation_of_it(seed):
    energies, stress = system(seed, n=3)
    omega = np.array([0.5, 1.0]) * K_B / HBAR
    rotation = Rotation.random(random_state=seed % 2**31).as_matrix()
    turned = np.einsum("ia,jb,mnab->mnij", rotation, rotation, full(stress))
    common = (VOLUME, 1.0, omega, 0.5 * K_B / HBAR)
    moduli = mbfast.susceptibility_from_levels(energies, stress, *common)
    tensor = mbfast.susceptibility_from_levels(energies, full(stress), *common, components="tensor")
    assert_allclose(mbfast.isotropic_moduli(tensor), moduli, rtol=1e-12)
    assert_allclose(mbfast.susceptibility_from_levels(energies, turned, *common), moduli, rtol=1e-11)


@given(seeds)
def test_isotropic_moduli_average_over_rotations(seed):
    rng = np.random.default_rng(seed)
    c = rng.normal(size=(6, 6))
    c = full(np.moveaxis(full(c + c.T), 0, -1)).transpose(2, 3, 0, 1)
    # the 60 rotations of an icosahedron leave no tensor of rank 4 but the isotropic ones
    total = np.zeros((3, 3, 3, 3))
    for r in Rotation.create_group("I").as_matrix():
        total += np.einsum("ia,jb,kc,ld,abcd->ijkl", r, r, r, r, c) / 60
    moduli = mbfast.isotropic_moduli(c)
    assert_allclose(mbfast.isotropic_tensor(*moduli), total, atol=1e-12)
    voigt = np.array([[c[i, j, k, l] for k, l in PLACES] for i, j in PLACES])  # noqa: E741
    assert_allclose(mbfast.isotropic_moduli(voigt), moduli, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 3, 3, 3, 3)])
def test_moduli_of_complex_tensors_are_those_of_both_parts(shape):
    real, imag = np.random.default_rng(4).normal(size=(2, *shape))
    found = mbfast.isotropic_moduli(real + 1j * imag)
    parts = zip(mbfast.isotropic_moduli(real), mbfast.isotropic_moduli(imag), strict=True)
    for modulus, (x, y) in zip(found, parts, strict=True):
        assert_allclose(modulus, x + 1j * y, rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match=r"tensor must be finite"):
        mbfast.isotropic_moduli(np.full(shape, 1j * np.inf))
    with pytest.raises(TypeError, match=r"tensor must consist of real numbers"):
        mbfast.isotropic_moduli(np.full(shape, "x"))


def test_isotropic_round_trip_broadcasts():
    longitudinal, transverse = np.array([[3.0], [2.0]]), np.array([1.0, 0.5, 0.25])
    tensor = mbfast.isotropic_tensor(longitudinal, transverse)
    assert tensor.shape == (2, 3, 3, 3, 3, 3)
    moduli = mbfast.isotropic_moduli(tensor)
    assert_allclose(moduli.longitudinal, np.broadcast_to(longitudinal, (2, 3)), rtol=1e-14)
    assert_allclose(moduli.transverse, np.broadcast_to(transverse, (2, 3)), rtol=1e-14)


def test_cold_and_hot_limits_and_the_order_of_levels():
    energies, stress = system(4)
    omega = np.array([-1.0, 0.0, 1.0, 2.0]) * K_B / HBAR
    common = (VOLUME, [0.0, 1e-6, 1e9], omega, 0.1 * K_B / HBAR)
    moduli = mbfast.susceptibility_from_levels(energies, stress, *common).longitudinal
    assert moduli.shape == (3, 4)
    assert moduli[0, 0] == 0.0  # T = 0: nothing at negative frequencies
    assert_allclose(moduli[0], moduli[1], atol=1e-12 * np.abs(moduli).max())
    assert_allclose(moduli[2, 0], moduli[2, 2], rtol=1e-8)  # hot: even
    order = np.array([3, 1, 4, 0, 2])
    shuffled = mbfast.susceptibility_from_levels(energies[order], stress[order][:, order], *common).longitudinal
    assert_allclose(shuffled, moduli, rtol=1e-12)
    shifted = mbfast.susceptibility_from_levels(energies - 7 * K_B, stress, *common).longitudinal
    assert_allclose(shifted, moduli, rtol=1e-9)  # the difference of energies is rounded
    assert mbfast.susceptibility_from_levels([1.0], np.ones((1, 1, 6)), VOLUME, 0.0, [1.0], 1.0).transverse.shape == (
        1,
    )


def test_kubo_response_in_time():
    # (2.6)-(2.9): -(i/hbar V) <[T(t), T(0)]> integrated over time with a decay gives Lorentzian lines of Im chi
    energies, stress = K_B * np.array([0.0, 0.7, 1.6, 3.0]), system(6, n=4, real=True)[1]
    kelvin, eta = 1.3, 0.003 * K_B / HBAR
    rho = density_matrix(energies, kelvin)
    w = energies / HBAR
    operator = stress[..., 5]
    omega = (energies[2] - energies[0]) / HBAR

    def commutator(t):
        phase = np.exp(1j * w * t)
        later = phase[:, None] * operator * phase.conj()
        return np.trace(rho @ (later @ operator - operator @ later))

    def integrand(t):
        return (np.exp(1j * omega * t - eta * t) * (-1j / (HBAR * VOLUME)) * commutator(t)).imag

    period = 2 * math.pi / (3 * K_B / HBAR)
    steps = np.arange(0, 30 / eta, period)
    points, weights = np.polynomial.legendre.leggauss(12)
    total = sum(0.5 * period * np.sum(weights * [integrand(a + 0.5 * period * (1 + x)) for x in points]) for a in steps)
    result = mbfast.susceptibility_from_levels(
        energies, stress, VOLUME, kelvin, [omega], eta, shape="lorentzian", components="tensor", reduced=False
    )
    # in resonance; the other lines' tails carry tanh at omega instead of at the line
    assert result[0, 5, 5] == pytest.approx(total, rel=0.01)


# --- two-level systems -----------------------------------------------------------------------------------------------


@given(
    st.floats(0.1, 10),
    st.floats(0.01, 10),
    st.one_of(st.just(0.0), kelvins),
    st.sampled_from(["longitudinal", "transverse"]),
)
def test_absorption_of_one_system(asymmetry, tunnelling, kelvin, polarization):
    two = mbfast.TwoLevelSystem(asymmetry * K_B, tunnelling * K_B, 1.1 * EV, 0.7 * EV, convention="half")
    gamma = 1.1 * EV if polarization == "longitudinal" else 0.7 * EV
    gap = two.splitting / HBAR
    width = 0.01 * gap
    omega = gap * np.array([0.99, 1.0, 1.02])
    local, energy = (
        two.absorption_rate(omega, kelvin, 1e-6, width, polarization, basis=basis) for basis in ("local", "energy")
    )
    assert_allclose(local, energy, rtol=1e-9)
    tanh = math.tanh(two.splitting / (2 * K_B * kelvin)) if kelvin > 1e-9 else 1.0
    delta = np.exp(-0.5 * ((omega - gap) / width) ** 2) / (math.sqrt(2 * math.pi) * width * HBAR)
    m = tunnelling / math.hypot(asymmetry, tunnelling)
    printed = math.pi / (2 * HBAR) * 1e-12 * m**2 * two.splitting * tanh * delta * gamma**2  # (2.2)
    assert_allclose(energy, printed, rtol=1e-9)


def test_absorption_is_that_of_the_susceptibility():
    # (3.1) with the susceptibility of the two levels, longitudinal strain along z
    two = mbfast.TwoLevelSystem(0.6 * K_B, 0.8 * K_B, 1.1 * EV, 0.7 * EV)
    stress = np.zeros((2, 2, 6))
    stress[..., 2] = two.coupling("longitudinal")
    energies = np.diag(two.hamiltonian())
    gap, width = two.splitting / HBAR, 1e-4 * two.splitting / HBAR
    chi = mbfast.susceptibility_from_levels(
        energies, stress, VOLUME, 0.4, [gap], width, components="tensor", reduced=False
    )
    rate = -2 * VOLUME * (1e-6) ** 2 * gap * chi[0, 2, 2]
    assert two.absorption_rate(gap, 0.4, 1e-6, width, "longitudinal") == pytest.approx(rate, rel=1e-12)


def test_schroedingers_equation_gives_the_rate():
    # excited population after a time t, integrated over the splitting, is (2 pi/hbar)|V|^2 t: the golden rule itself
    two = mbfast.TwoLevelSystem(0.0, 1.0 * K_B, 1.0 * EV, 1.0 * EV)
    element = two.coupling("longitudinal")[0, 1] * 1e-9  # times the complex amplitude
    gap = two.splitting / HBAR
    time = 2000 / gap

    def population(detuning):  # Rabi's formula, rotating wave
        rabi = math.hypot(detuning, 2 * element / HBAR)
        return (2 * element / HBAR / rabi) ** 2 * math.sin(rabi * time / 2) ** 2

    whole = quad(population, -300 / time, 300 / time, limit=2000)[0]
    sigma = 1e-6 * gap  # of a line whose weight alone counts
    peak = two.absorption_rate(gap, 0.0, 1e-9, sigma, "longitudinal")
    weight = peak * math.sqrt(2 * math.pi) * sigma  # integrated over frequency
    assert whole * two.splitting / time == pytest.approx(weight, rel=3e-3)  # beyond 300/t there are 2/(300 pi)


def test_bases():
    two = mbfast.TwoLevelSystem(3 * K_B, -4 * K_B, 1.0 * EV, 0.5 * EV)
    assert two.splitting == pytest.approx(5 * K_B, rel=1e-15)
    assert (two.diagonal, two.off_diagonal) == pytest.approx((0.6, -0.8))
    for polarization in ("longitudinal", "transverse"):
        for strain in (0.0, 1e-5, -3e-4):
            levels = [
                np.linalg.eigvalsh(two.hamiltonian(basis) + strain * two.coupling(polarization, basis))
                for basis in ("energy", "local")
            ]
            assert_allclose(*levels, rtol=1e-12)


OMEGA = np.geomspace(1e5, 1e11, 7)


@pytest.mark.parametrize("kelvin", [0.0, 0.01, 1.0, 100.0])
@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.compiled
def test_real_part_is_the_transform_of_the_imaginary_part(kelvin, reduced):
    cutoff, density, gamma = 1e15, 8e44, 1.04 * EV
    nodes = np.geomspace(1e4, cutoff, 3000)
    inner = nodes[:-1]
    chi = mbfast.ttls_susceptibility(inner, kelvin, density, gamma, cutoff, reduced=reduced)
    imag = np.append(chi.imag, -math.pi * density * gamma**2)
    value = mbfast.kramers_kronig(nodes, imag, at=OMEGA).value
    expected = mbfast.ttls_susceptibility(OMEGA, kelvin, density, gamma, cutoff, reduced=reduced).real
    # below the first node chi~ is taken as constant, and tanh as linear
    assert_allclose(value, expected, rtol=1e-9)


def test_two_level_systems_one_by_one():
    # P / Delta0 dDelta dDelta0 for positive Delta: the sum of Im chi of single systems, in either sense of gamma
    density, gamma, kelvin = 8e44, 1.0 * EV, 0.5
    omega = 2.0 * K_B / HBAR
    energy = HBAR * omega

    def integrand(u):  # u = Delta0/E: dDelta dDelta0/Delta0 = dE du/(u sqrt(1 - u^2))
        two = mbfast.TwoLevelSystem(energy * math.sqrt(1 - u * u), energy * u, gamma, gamma)
        return two.coupling("longitudinal")[0, 1] ** 2 / u

    x = (np.arange(200) + 0.5) * math.pi / 400  # u = sin x takes the root away
    total = sum(integrand(math.sin(v)) for v in x) * math.pi / 400
    expected = -math.pi * density * total * math.tanh(energy / (2 * K_B * kelvin))
    chi = mbfast.ttls_susceptibility(omega, kelvin, density, gamma, 1e15)
    assert chi.imag == pytest.approx(expected, rel=1e-5)  # the midpoint rule
    half = mbfast.ttls_susceptibility(omega, kelvin, density, 2 * gamma, 1e15, convention="half")
    assert half == pytest.approx(chi, rel=1e-15)
    one, other = (mbfast.TwoLevelSystem(1, 1, x, x, convention=name) for x, name in ((1.0, "full"), (2.0, "half")))
    assert np.array_equal(one.coupling("transverse"), other.coupling("transverse"))


def test_sound_velocity():
    strength = mbfast.tunnelling_strength(8e44, 1.04 * EV, 2200 * 5800**2)
    arguments = (8e44, 1.04 * EV, 1e15)
    for kelvin, reference in ((1.0, 0.1), (0.001, 0.0), (5.0, 0.02)):
        chi = [mbfast.ttls_susceptibility(1e9, t, *arguments).real for t in (kelvin, reference)]
        shift = (chi[0] - chi[1]) / (2 * 2200 * 5800**2)
        assert mbfast.sound_velocity_shift(1e9, kelvin, reference, strength) == pytest.approx(shift, rel=1e-9)
    slope = mbfast.sound_velocity_shift(1e5, 2.0, 1.0, strength) / math.log(2)
    assert slope == pytest.approx(strength, rel=1e-9)  # C ln(T/T0)
    # slope pi rho c^2/A at hbar omega/k T = 0.001, 0.3, 3 (trigamma function, mpmath)
    for x, expected in ((0.001, 0.999999573721683682), (0.3, 0.962294194894327447), (3.0, -0.160511901102701989)):
        omega, h = x * K_B / HBAR, 1e-4
        computed = mbfast.sound_velocity_shift(omega, math.exp(h), math.exp(-h), 1.0) / (2 * h)
        assert computed == pytest.approx(expected, abs=1e-8)


def test_negative_zero_is_zero_temperature():
    assert mbfast.ttls_susceptibility(1e9, -0.0, 1.0, 1.0, 1e15) == mbfast.ttls_susceptibility(1e9, 0.0, 1.0, 1.0, 1e15)


def test_cold_limit_is_continuous():
    arguments = (8e44, 1.04 * EV, 1e15)
    cold = mbfast.ttls_susceptibility(1e9, [0.0, 1e-12, 1e-9, 1e-6], *arguments)
    assert_allclose(cold, cold[0], rtol=1e-8)  # (2 pi k T/hbar omega)^2/24 is the next term


LEVELS = {
    "energies": [0.0, 1e-23],
    "stress": np.ones((2, 2, 6)),
    "volume": 1e-25,
    "temperature": 1.0,
    "omega": [1e11],
    "broadening": 1e10,
}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"energies": []}, ValueError, r"energies must have shape \(n,\), got \(0,\)"),
        ({"energies": [0.0, np.nan]}, ValueError, "energies must be finite"),
        ({"stress": np.ones((3, 3, 6))}, ValueError, r"stress must have shape \(2, 2, 3, 3\) or \(2, 2, 6\), got"),
        ({"stress": [[["a"]]]}, TypeError, "stress must consist of real numbers"),
        ({"stress": np.full((2, 2, 6), np.inf)}, ValueError, "stress must be finite"),
        ({"stress": np.arange(24.0).reshape(2, 2, 6)}, ValueError, "stress must be Hermitian"),
        ({"stress": np.ones((2, 2, 1, 1)) * np.arange(9.0).reshape(3, 3)}, ValueError, "stress must be symmetric"),
        ({"stress": np.ma.ones((2, 2, 6))}, TypeError, "stress must be a plain array"),
        ({"volume": 0.0}, ValueError, "volume must be positive"),
        ({"temperature": -0.1}, ValueError, "temperature must not be negative, got -0.1 K"),
        ({"omega": 1e11}, ValueError, r"omega must have shape \(k,\), got \(\)"),
        ({"omega": [np.nan]}, ValueError, "omega must be finite"),
        ({"broadening": None}, ValueError, "broadening must be given for a gaussian"),
        ({"broadening": 0.0}, ValueError, "broadening must be positive"),
        ({"shape": "histogram"}, ValueError, "broadening has no meaning for a histogram"),
        ({"shape": "histogram", "broadening": None, "omega": [2.0, 1.0]}, ValueError, "omega must be increasing edges"),
        ({"shape": "box"}, ValueError, "shape must be one of gaussian, lorentzian, histogram, got 'box'"),
        ({"components": "all"}, ValueError, "components must be one of isotropic, tensor, got 'all'"),
    ],
)
def test_bad_levels_are_named(change, error, message):
    with pytest.raises(error, match=message):
        mbfast.susceptibility_from_levels(**{**LEVELS, **change})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mbfast.isotropic_moduli(np.ones((3, 3))), ValueError, "tensor must have shape"),
        (lambda: mbfast.isotropic_tensor([1, 2], [1, 2, 3]), ValueError, "shapes must broadcast"),
        (lambda: mbfast.ttls_susceptibility(0.0, 1.0, 1.0, 1.0, 1e15), ValueError, "omega must be positive"),
        (lambda: mbfast.ttls_susceptibility(1e16, 1.0, 1.0, 1.0, 1e15), ValueError, "omega must be below cutoff"),
        (lambda: mbfast.ttls_susceptibility(1e9, -1.0, 1.0, 1.0, 1e15), ValueError, "temperature must not be negative"),
        (lambda: mbfast.ttls_susceptibility(1e9, 1e4, 1.0, 1.0, 1e15), ValueError, "temperature must be at most hbar"),
        (lambda: mbfast.ttls_susceptibility(1e9, 1.0, -1.0, 1.0, 1e15), ValueError, "density must not be negative"),
        (lambda: mbfast.ttls_susceptibility(1e9, 1.0, 1.0, np.nan, 1e15), ValueError, "coupling must be finite"),
        (lambda: mbfast.tunnelling_strength(1.0, 1.0, 0.0), ValueError, "modulus must be positive"),
        (lambda: mbfast.tunnelling_strength(1.0, np.inf, 1.0), ValueError, "coupling must be finite"),
        (lambda: mbfast.sound_velocity_shift(1.0, 1.0, -1.0, 1.0), ValueError, "reference must not be negative"),
        (lambda: mbfast.TwoLevelSystem(0.0, 0.0, 1.0, 1.0), ValueError, "asymmetry and tunnelling must not both"),
        (lambda: mbfast.TwoLevelSystem(np.nan, 0.0, 1.0, 1.0), ValueError, "asymmetry must be finite"),
        (lambda: mbfast.TwoLevelSystem(1.0, [1.0], 1.0, 1.0), TypeError, "tunnelling must be one number"),
        (
            lambda: mbfast.TwoLevelSystem(1, 1, 1, 1).hamiltonian("site"),
            ValueError,
            "basis must be one of energy, local",
        ),
        (
            lambda: mbfast.TwoLevelSystem(1, 1, 1, 1).coupling("x"),
            ValueError,
            "polarization must be one of longitudinal",
        ),
        (
            lambda: mbfast.TwoLevelSystem(1, 1, 1, 1).absorption_rate(1.0, 1.0, 1.0, -1.0, "transverse"),
            ValueError,
            "broadening must be positive",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("of_squares", [False, True])
def test_matrices_in_single_precision(of_squares):
    rng = np.random.default_rng(8)
    unitary = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0].astype(np.complex64)
    stress = np.einsum("in,cn,jn->ijc", unitary, rng.normal(size=(6, 4)).astype(np.float32), unitary.conj())
    if of_squares:
        stress = stress[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    assert stress.dtype == np.complex64
    omega = np.geomspace(1e9, 1e12, 8)
    single = mbfast.susceptibility_from_levels(
        [0.0, 1.0 * K_B, 2.0 * K_B, 5.0 * K_B], EV * stress, VOLUME, 1.0, omega, 1e10
    )
    assert np.isfinite(single.longitudinal).all()
    stress[0, 1] += 1e-3
    with pytest.raises(ValueError, match="stress must be Hermitian"):
        mbfast.susceptibility_from_levels(np.zeros(4), EV * stress, VOLUME, 1.0, omega, 1e10)
