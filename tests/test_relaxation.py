"""The relaxational part of susceptibilities: populations that follow the levels which a strain shifts."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

import mbfast
from mbfast.spectra.levels import static_susceptibility
from mbfast.spectra.relaxation import one_phonon_rate
from mbfast.units import EV, HBAR, K_B

VOLUME = 5e-9**3


def levels(seed, n=5, degenerate=False):
    """Energies and Hermitian stresses (n, n, 6), of some K and some meV."""
    rng = np.random.default_rng(seed)
    energies = np.sort(rng.uniform(0.0, 3.0, n)) * K_B
    if degenerate:
        energies[2] = energies[1]
    stress = rng.normal(size=(n, n, 6)) + 1j * rng.normal(size=(n, n, 6))
    return energies, 0.1 * EV * (stress + stress.conj().swapaxes(0, 1))


def second_derivative(function, h):
    """By differences of the fourth order."""
    values = [function(k * h) for k in (-2, -1, 0, 1, 2)]
    return np.dot([-1, 16, -30, 16, -1], values) / (12 * h**2)


@pytest.mark.parametrize("degenerate", [False, True])
@pytest.mark.parametrize("kelvin", [0.3, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_isothermal_is_the_curvature_of_the_free_energy(seed, kelvin, degenerate):
    energies, stress = levels(seed, degenerate=degenerate)
    chi = static_susceptibility(energies, stress, VOLUME, kelvin, components="tensor")
    for direction in np.random.default_rng(seed).normal(size=(4, 6)):
        added = stress @ direction

        def free_energy(e, added=added):
            shifted = np.linalg.eigvalsh(np.diag(energies) + e * added)
            return shifted[0] - K_B * kelvin * math.log(np.exp((shifted[0] - shifted) / (K_B * kelvin)).sum())

        # 0.1 eV times h is 1e-2 K: (1e-2)^4 of the result, and rounding by 1e-16/(1e-2)^2
        expected = second_derivative(free_energy, 3e-6 / np.linalg.norm(direction))
        assert direction @ chi @ direction * VOLUME == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kelvin", [0.0, 0.3, 2.0])
def test_without_relaxation_populations_stay(kelvin):
    energies, stress = levels(7)
    chi = static_susceptibility(energies, stress, VOLUME, kelvin, components="tensor", relaxational=False)
    weights = np.exp(-(energies - energies[0]) / (K_B * kelvin)) if kelvin else np.eye(5)[0]
    weights /= weights.sum()
    direction = np.array([0.3, -0.2, 0.5, 0.1, 0.4, -0.6])
    mean = lambda e: weights @ np.linalg.eigvalsh(np.diag(energies) + e * (stress @ direction))  # noqa: E731
    expected = second_derivative(mean, 3e-6)
    assert direction @ chi @ direction * VOLUME == pytest.approx(expected, rel=1e-5)
    if kelvin == 0.0:
        isothermal = static_susceptibility(energies, stress, VOLUME, 0.0, components="tensor")
        assert np.array_equal(isothermal, chi)


def test_moduli_are_those_of_the_tensor():
    energies, stress = levels(3)
    for relaxational in (False, True):
        given = {"relaxational": relaxational}
        tensor = static_susceptibility(energies, stress, VOLUME, [0.5, 1.0], components="tensor", **given)
        moduli = static_susceptibility(energies, stress, VOLUME, [0.5, 1.0], **given)
        for one, other in zip(moduli, mbfast.isotropic_moduli(tensor), strict=True):
            assert_allclose(one, other, rtol=1e-13)
            assert (one < 0).all()


@pytest.mark.parametrize("components", ["isotropic", "tensor"])
@pytest.mark.parametrize("reduced", [False, True])
def test_the_spectrum_has_a_debye_peak_in_the_place_of_lines_at_zero(reduced, components):
    energies, stress = levels(1, degenerate=True)
    omega, tau, kelvin = np.array([-3e11, -2e9, 0.0, 1e9, 4e11]), 1e-10, [0.4, 3.0]
    given = {"components": components, "reduced": reduced}
    arguments = (VOLUME, kelvin, omega, 1e9)
    whole = mbfast.susceptibility_from_levels(energies, stress, *arguments, relaxation_time=tau, **given)
    same = np.abs(energies[:, None] - energies) == 0.0
    lines = mbfast.susceptibility_from_levels(energies, np.where(same[..., None], 0, stress), *arguments, **given)
    static = [
        static_susceptibility(energies, stress, VOLUME, kelvin, components=components, relaxational=relaxational)
        for relaxational in (False, True)
    ]
    shape = omega * tau / (1 + (omega * tau) ** 2) * np.ones((2, 1))
    if reduced:
        x = HBAR * omega / (K_B * np.array(kelvin)[:, None])
        with np.errstate(invalid="ignore"):
            shape = np.where(x == 0, K_B * np.array(kelvin)[:, None] / HBAR * tau, shape / -np.expm1(-x))
    for part, line, before, after in (
        zip(whole, lines, *static, strict=True) if components == "isotropic" else [(whole, lines, *static)]
    ):
        extra = after - before  # of tensors (2, 6, 6), at frequencies (2, k, 6, 6)
        factor = shape if components == "isotropic" else shape[..., None, None]
        assert_allclose(part, line + extra[:, None] * factor, rtol=1e-12, atol=1e-13 * np.abs(part).max())


def test_populations_that_follow_at_once_and_never():
    energies, stress = levels(2)
    given = (energies, stress, VOLUME, 1.0, [1e9], 1e6)
    absorbed = [
        mbfast.susceptibility_from_levels(*given, reduced=False, relaxation_time=tau).transverse[0]
        for tau in (0.0, 1e-9, 1e3)
    ]
    assert absorbed[0] == pytest.approx(absorbed[2], abs=1e-3 * abs(absorbed[1]))
    assert absorbed[1] < 0.1 * absorbed[0] < 0 or absorbed[1] < absorbed[0] <= 0


@pytest.mark.parametrize("convention", ["full", "half"])
def test_one_two_level_system(convention):
    # D^2 gamma^2/cosh^2(E/2 k_B T)/k_B T, and the curvature of -k_B T ln 2cosh(E/2 k_B T)
    two = mbfast.TwoLevelSystem(0.6 * K_B, 0.8 * K_B, 1.1 * EV, 0.7 * EV, convention=convention)
    stress = np.zeros((2, 2, 6))
    stress[..., 2] = two.coupling("longitudinal")
    energies, kelvin = np.diag(two.hamiltonian()), 0.7
    kubo, isothermal = (
        static_susceptibility(energies, stress, VOLUME, kelvin, components="tensor", relaxational=x)[2, 2] * VOLUME
        for x in (False, True)
    )
    coupling = 1.1 * EV * (1.0 if convention == "full" else 0.5)
    wanted = -((0.6 * coupling / math.cosh(1.0 / (2 * kelvin))) ** 2) / (K_B * kelvin)
    assert isothermal - kubo == pytest.approx(wanted, rel=1e-12)

    def free_energy(e):
        splitting = math.hypot(0.6 * K_B + 2 * coupling * e, 0.8 * K_B)
        return -K_B * kelvin * math.log(2 * math.cosh(splitting / (2 * K_B * kelvin)))

    assert isothermal == pytest.approx(second_derivative(free_energy, 1e-7), rel=1e-6)


# --- their distribution ----------------------------------------------------------------------------------------------

DENSITY, GAMMA, CUTOFF = 8e44, 1.04 * EV, 1e15
UNIT = DENSITY * GAMMA**2
RATE = one_phonon_rate(2200, 5800, 3800, GAMMA, 0.65 * EV)


def relaxational(omega, kelvin, rate=RATE):
    arguments = (omega, kelvin, DENSITY, GAMMA, CUTOFF)
    return mbfast.ttls_susceptibility(*arguments, relaxation=rate) - mbfast.ttls_susceptibility(*arguments)


@pytest.mark.parametrize("omega", [1e5, 1e9])
@pytest.mark.parametrize("kelvin", [0.05, 1.0, 10.0])
def test_the_distribution_is_the_sum_of_its_systems(omega, kelvin):
    # P dE du/(u sqrt(1 - u^2)), D^2 = 1 - u^2, by Gauss's rule in ln u and ln E
    nodes, weights = np.polynomial.legendre.leggauss(400)
    log_u, log_y = 0.5 * 40 * (nodes - 1), 0.5 * (44 * nodes - 36)  # to u = exp(-40), y = exp(-40) ... exp(4)
    u, y = np.exp(log_u)[:, None], np.exp(log_y)
    tau = np.tanh(y / 2) / (RATE * kelvin**3 * u**2 * y**3)
    values = np.sqrt(1 - u**2) / np.cosh(y / 2) ** 2 / (1 - 1j * omega * tau) * y
    expected = -UNIT * (20 * weights) @ values @ (22 * weights)
    assert_allclose(relaxational(omega, kelvin), expected, rtol=1e-5)  # sqrt(1 - u^2) is not smooth at u = 1


def test_the_plateau_and_the_cold_limit():
    # omega tau << 1: C pi/2, and beside it 1/omega with the integral of the rates alone
    plateau = relaxational(1e3, 5.0).imag
    assert plateau == pytest.approx(-math.pi / 2 * UNIT, rel=1e-3)
    cold = relaxational(1e12, 0.1).imag
    rates = quad(lambda y: y**3 / math.tanh(y / 2) / math.cosh(y / 2) ** 2, 0, 80)[0]
    assert cold == pytest.approx(-UNIT * RATE * 0.1**3 * rates / (3 * 1e12), rel=1e-6)
    assert relaxational(1e7, 0.0) == 0.0


@pytest.mark.compiled
def test_real_part_is_the_transform():
    nodes = np.geomspace(1e2, 1e14, 1500)
    chi = relaxational(nodes, 1.0)
    value = mbfast.kramers_kronig(nodes, chi.imag, at=[1e6, 1e8, 1e10], above="power").value
    assert_allclose(value, relaxational(np.array([1e6, 1e8, 1e10]), 1.0).real, rtol=1e-6, atol=1e-9 * UNIT)


def test_rates_are_those_of_absorbed_phonons():
    # a quantum in a mode of volume V is a strain (hbar omega/2 rho c^2 V)^1/2; V omega^2/(2 pi^2 c^3) modes a rad/s
    two = mbfast.TwoLevelSystem(0.6 * K_B, 0.8 * K_B, 1.1 * EV, 0.7 * EV)
    gap, total = two.splitting / HBAR, 0.0
    for polarization, velocity, kinds in (("longitudinal", 5800, 1), ("transverse", 3800, 2)):
        width = 1e-4 * gap
        line = two.absorption_rate(gap, 0.0, 1e-9, width, polarization) * math.sqrt(2 * math.pi) * width / 1e-18
        quantum = HBAR * gap / (2 * 2200 * velocity**2)
        total += kinds * quantum * gap**2 / (2 * math.pi**2 * velocity**3) * line / two.splitting
    rate = one_phonon_rate(2200, 5800, 3800, 1.1 * EV, 0.7 * EV) * 0.8**2 * 1.0
    assert rate == pytest.approx(total, rel=1e-10)
    half = one_phonon_rate(2200, 5800, 3800, 2.2 * EV, 1.4 * EV, convention="half")
    assert half * 0.64 == pytest.approx(rate, rel=1e-14)


TWO = {"energies": [0.0, 0.0], "stress": np.zeros((2, 2, 6)), "volume": 1e-25, "temperature": 0.0}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: static_susceptibility(**TWO),
            ValueError,
            "temperature must be positive where populations relax, got 0",
        ),
        (
            lambda: mbfast.susceptibility_from_levels(**TWO, omega=[1.0], broadening=1.0, relaxation_time=1.0),
            ValueError,
            "temperature must be positive where populations relax",
        ),
        (
            lambda: mbfast.susceptibility_from_levels(**TWO, omega=[1.0], broadening=1.0, relaxation_time=-1.0),
            ValueError,
            "relaxation_time must not be negative, got -1 s",
        ),
        (
            lambda: mbfast.susceptibility_from_levels(**TWO, omega=[1.0, 2.0], shape="histogram", relaxation_time=1.0),
            ValueError,
            "relaxation_time must be None for a histogram",
        ),
        (lambda: relaxational(1e9, 1.0, 0.0), ValueError, "relaxation must be positive"),
        (
            lambda: mbfast.ttls_susceptibility(1e9, 1.0, 1.0, 1.0, 1e15, reduced=True, relaxation=1.0),
            ValueError,
            "reduced must be False with relaxation",
        ),
        (
            lambda: mbfast.ttls_susceptibility(1e9, 1.0, 1.0, 1.0, 1e15, convention="twice"),
            ValueError,
            "convention must be one of full, half",
        ),
        (
            lambda: mbfast.TwoLevelSystem(1.0, 1.0, 1.0, 1.0, convention="twice"),
            ValueError,
            "convention must be one of full, half",
        ),
        (lambda: one_phonon_rate(0.0, 1.0, 1.0, 1.0, 1.0), ValueError, "density must be positive"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
