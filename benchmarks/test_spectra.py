"""Convolutions and Kramers-Kronig transforms, one thread: our own times, and against what else one would take.

The peers sample a sum of two relaxations three decades apart on the uniform nodes that resolve both (kkcalc: on the
same nodes as we); the largest error of each is compared before anything is timed. "as accurate" has the fewest nodes
that are as good as the peer, "in its time" takes no longer than the peer and is a thousand times as accurate. Beside
what has no peer stands the product of a matrix and a vector of its size.
"""

import functools

import numpy as np
import pytest
from scipy.signal import fftconvolve, hilbert

import mbfast
from mbfast.units import EV, HBAR, K_B

SLOW, FAST = 1.0, 1e-3  # relaxation times


def relaxations(omega):
    """Im and Re of two Debye relaxations."""
    return (
        sum(omega * t / (1 + (omega * t) ** 2) for t in (SLOW, FAST)),
        sum(1 / (1 + (omega * t) ** 2) for t in (SLOW, FAST)),
    )


def decays(omega):
    """e^-w + e^(-w/1000), and its convolution with itself."""
    a, b = np.exp(-omega), np.exp(-omega / 1000)
    return a + b, omega * (a + b) + 2 * (b - a) / (1 - 1e-3)


def error_of(value, exact):
    return float(np.max(np.abs(value - exact)) / np.max(np.abs(exact)))


# --- ourselves: logarithmic nodes over ten decades --------------------------------------------------------------------


NODES = [512, pytest.param(2048, marks=pytest.mark.quick)]


@pytest.mark.parametrize("n", NODES)
def test_matrix(case, rng, n):
    matrix, f = rng.normal(size=(n, n)), np.ones(n)
    case(f"spectra on {n} log nodes", "matrix times vector", lambda: matrix @ f, matrix.sum(axis=1))


@pytest.mark.parametrize("n", NODES)
@pytest.mark.parametrize("temperature", ["T = 0", "T > 0"])
def test_convolution(case, n, temperature):
    omega = np.geomspace(1e-10, 1.0, n)
    rate = np.inf if temperature == "T = 0" else 1e4
    plan, out, f = mbfast.ConvolutionPlan(omega), np.empty(n), np.ones(n)
    kelvin = HBAR / K_B / rate
    exact = omega - (2 / rate * np.expm1(-rate * (1 - omega)) if np.isfinite(rate) else 0.0)
    name = f"convolution, {temperature}"
    case(f"spectra on {n} log nodes", name, lambda: plan(f, temperature=kelvin, out=out, threads=1), exact)


@pytest.mark.parametrize("n", NODES)
@pytest.mark.parametrize("method", ["fft", "direct"])
def test_kramers_kronig(case, n, method):
    omega = np.geomspace(1e-5, 1e5, n)
    imag, real = omega / (1 + omega**2), 1 / (1 + omega**2)
    plan, out = mbfast.KramersKronigPlan(omega, above="power", method=method), np.empty(n)
    name = f"Kramers-Kronig, {method}"
    case(f"spectra on {n} log nodes", name, lambda: plan(imag, out=out, threads=1), real)


# --- levels -----------------------------------------------------------------------------------------------------------


def moduli_by_numpy(energies, stress, volume, kelvin, omega, width):
    """Im chi~_l of all pairs of levels at once, a frequency at a time."""
    p = np.exp(-energies / (K_B * kelvin))
    p /= p.sum()
    w = np.subtract.outer(energies, energies).T / HBAR
    trace = stress[..., :3].sum(axis=-1) ** 2
    square = (stress**2 * [1, 1, 1, 2, 2, 2]).sum(axis=-1)
    weight = p[:, None] * (trace + 2 * square) / 15
    result = np.empty(omega.size)
    for i, x in enumerate(omega):
        lines = np.exp(-0.5 * ((x - w) / width) ** 2) + np.exp(-0.5 * ((x + w) / width) ** 2)
        result[i] = np.sum(weight * lines)
    norm = np.sqrt(2 * np.pi) * width * (1 + np.exp(-HBAR * omega / (K_B * kelvin)))
    return -np.pi / (HBAR * volume) * result / norm


@pytest.mark.quick
@pytest.mark.parametrize("contender", ["NumPy", "mbfast"])
def test_levels(case, rng, contender):
    """A line ends nine widths from its center."""
    energies = np.append(0.0, np.sort(rng.uniform(0, 5, 127))) * K_B
    stress = EV * rng.normal(size=(128, 128, 6))
    stress += stress.swapaxes(0, 1)
    omega, width = np.linspace(0.0, 6.0, 300) * K_B / HBAR, 0.05 * K_B / HBAR
    given = energies, stress, 1e-25, 1.0, omega, width
    functions = {
        "NumPy": lambda: moduli_by_numpy(*given),
        "mbfast": lambda: mbfast.susceptibility_from_levels(*given).longitudinal,
    }
    case("levels of 128 states at 300 frequencies", contender, functions[contender], functions["NumPy"](), rounds=5)


def resonant_by_numpy(omega, kelvin, states, gamma):
    """Im chi of two-level systems that do not relax; Re chi needs the digamma function."""
    return -np.pi * states * gamma**2 * np.tanh(0.5 * HBAR * omega / (K_B * kelvin))


@pytest.mark.quick
@pytest.mark.parametrize("contender", ["NumPy", "resonant", "relaxational"])
def test_two_level_systems(case, benchmark, contender):
    """The resonant part has a closed form; that of relaxation adds to it and is never positive."""
    omega, kelvin = np.geomspace(1e5, 1e12, 200), np.geomspace(0.01, 10.0, 1 if benchmark.disabled else 20)[:, None]
    given = omega, kelvin, 8e44, 1.04 * EV
    resonant, group = resonant_by_numpy(*given), "two-level systems, 200 frequencies, 20 T"
    if contender == "NumPy":
        case(group, contender, lambda: resonant_by_numpy(*given))
        return
    relaxation = 4.9e7 if contender == "relaxational" else None
    chi = case(
        group, f"mbfast, {contender}",
        lambda: mbfast.ttls_susceptibility(*given, 1e15, relaxation=relaxation),
        resonant if relaxation is None else None, of=np.imag,
    )  # fmt: skip
    assert (chi.imag <= (1.0 - 1e-10) * resonant).all()


# --- uniform nodes: the same samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [64, 512, 4096, pytest.param(65_536, marks=pytest.mark.quick), 1_000_000])
@pytest.mark.parametrize("pair", ["one", "two"])
@pytest.mark.parametrize("contender", ["fftconvolve", "mbfast"])
def test_uniform_convolution(case, n, pair, contender):
    omega = np.arange(1.0, n + 1)
    f, g = np.exp(-3 * omega / n), np.cos(omega / n)
    samples, group = ((f,) if pair == "one" else (f, g)), f"convolution of {pair}, {n} uniform nodes"
    if contender == "fftconvolve":
        case(group, contender, lambda: fftconvolve(samples[0], samples[-1]))
        return
    plan, out = mbfast.ConvolutionPlan(omega), np.empty(n)
    case(group, contender, lambda: plan(*samples, out=out, threads=1), omega, of=lambda _: plan(np.ones(n)))


# --- peers -----------------------------------------------------------------------------------------------------------


def by_fftconvolve(n):
    """Trapezoidal rule, from zero."""
    step = 2e4 / n
    omega = step * np.arange(n)
    f, exact = decays(omega)

    def call():
        weighted = f.copy()
        weighted[0] *= 0.5
        return step * (fftconvolve(weighted, f)[:n] - 0.5 * f[0] * f)

    call()
    return call, exact


def by_hilbert(n):
    """Of the odd continuation."""
    step = 1e5 / n
    omega = step * np.arange(1, n + 1)
    imag, real = relaxations(omega)
    odd = np.concatenate([-imag[::-1], [0.0], imag])
    return lambda: -np.imag(hilbert(odd))[n + 1 :], real


def by_pykk(n):
    pykk = pytest.importorskip("pykk")
    step = 1e5 / n
    omega = step * np.arange(1, n + 1)
    imag, real = relaxations(omega)
    return lambda: pykk.imag2real(omega, imag), real


def by_kkcalc(n):
    kk = pytest.importorskip("kkcalc.kk")
    omega = np.geomspace(1e-5, 1e8, n)
    imag, real = relaxations(omega)
    slope = np.diff(imag) / np.diff(omega)
    zero = np.zeros(n - 1)
    coefficients = np.stack([slope, imag[:-1] - slope * omega[:-1], zero, zero, zero], axis=1)
    return lambda: -kk.KK_PP(omega, omega, coefficients, 0.0), real


def our_convolution(n):
    omega = np.geomspace(1e-5, 2e4, n)
    f, exact = decays(omega)
    plan, out = mbfast.ConvolutionPlan(omega), np.empty(n)
    return lambda: plan(f, out=out, threads=1), exact


def our_transform(n):
    omega = np.geomspace(1e-5, 1e8, n)
    imag, real = relaxations(omega)
    plan, out = mbfast.KramersKronigPlan(omega, above="power"), np.empty(n)
    return lambda: plan(imag, out=out, threads=1), real


# peer, its number of nodes, ours to be as accurate, ours in its time
PEERS = {
    "fftconvolve": (by_fftconvolve, 1_000_000, our_convolution, 170, 600),
    "hilbert": (by_hilbert, 2_000_000, our_transform, 24, 1000),
    "pykk": (by_pykk, 10_000, our_transform, 24, 1000),
    "kkcalc": (by_kkcalc, 2_000, our_transform, 150, 2_000),
}


@functools.cache
def of_peer(peer):
    """Return its call, and its error."""
    make, n, *_ = PEERS[peer]
    call, exact = make(n)
    return call, error_of(call(), exact)


@pytest.mark.parametrize("contender", ["peer", "as accurate", "in its time"])
@pytest.mark.parametrize("peer", PEERS)
def test_against_peers(case, peer, contender):
    _, n, ours, few, many = PEERS[peer]
    call, error = of_peer(peer)
    if contender == "peer":
        case(f"against {peer}", f"{peer}, {n} nodes", call, rounds=3)
        return
    n_ours, part = (few, 1.0) if contender == "as accurate" else (many, 1e-3)
    call, exact = ours(n_ours)
    name = f"mbfast, {contender}, {n_ours} nodes"
    case(f"against {peer}", name, call, part * error, of=lambda value: error_of(value, exact))
