"""Convolutions and Kramers-Kronig transforms, one thread: our own times, and against what else one would take.

The peers sample a sum of two relaxations three decades apart on the uniform nodes that resolve both (kkcalc: on the
same nodes as we); the largest error of each is compared before anything is timed. "as accurate" has the fewest nodes
that are as good as the peer, "in its time" takes no longer than the peer and is a thousand times as accurate.
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


@pytest.mark.parametrize("n", [512, 2048])
@pytest.mark.parametrize("temperature", ["T = 0", "T > 0"])
def test_convolution(benchmark, n, temperature):
    omega = np.geomspace(1e-10, 1.0, n)
    rate = np.inf if temperature == "T = 0" else 1e4
    plan, out, f = mbfast.ConvolutionPlan(omega), np.empty(n), np.ones(n)
    kelvin = HBAR / K_B / rate
    exact = omega - (2 / rate * np.expm1(-rate * (1 - omega)) if np.isfinite(rate) else 0.0)
    error = error_of(plan(f, temperature=kelvin, threads=1), exact)
    assert error < 1e-10
    benchmark.group, benchmark.name = f"convolution, {n} log nodes", f"mbfast, {temperature}"
    benchmark(plan, f, temperature=kelvin, out=out, threads=1)
    benchmark.extra_info |= {"error": error}


@pytest.mark.parametrize("n", [512, 2048])
@pytest.mark.parametrize("method", ["fft", "direct"])
def test_kramers_kronig(benchmark, n, method):
    omega = np.geomspace(1e-5, 1e5, n)
    imag, real = omega / (1 + omega**2), 1 / (1 + omega**2)
    plan, out = mbfast.KramersKronigPlan(omega, above="power", method=method), np.empty(n)
    error = error_of(plan(imag, threads=1), real)
    assert error < 1e-10
    benchmark.group, benchmark.name = f"Kramers-Kronig, {n} log nodes", f"mbfast, {method}"
    benchmark(plan, imag, out=out, threads=1)
    benchmark.extra_info |= {"error": error}


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


@pytest.mark.parametrize("contender", ["mbfast", "NumPy"])
def test_levels(benchmark, rng, contender):
    energies = np.append(0.0, np.sort(rng.uniform(0, 5, 127))) * K_B
    stress = EV * rng.normal(size=(128, 128, 6))
    stress += stress.swapaxes(0, 1)
    omega, width = np.linspace(0.0, 6.0, 300) * K_B / HBAR, 0.05 * K_B / HBAR
    arguments = (energies, stress, 1e-25, 1.0, omega, width)
    expected = moduli_by_numpy(*arguments)
    # a line ends nine widths from its center
    assert error_of(mbfast.susceptibility_from_levels(*arguments).longitudinal, expected) < 1e-13
    benchmark.group, benchmark.name = "Im chi~ of 128 levels at 300 frequencies", contender
    benchmark(mbfast.susceptibility_from_levels if contender == "mbfast" else moduli_by_numpy, *arguments)


@pytest.mark.parametrize("relaxation", [None, 4.9e7], ids=["resonant", "relaxational"])
def test_two_level_systems(benchmark, relaxation):
    omega, kelvin = np.geomspace(1e5, 1e12, 200), np.geomspace(0.01, 10.0, 1 if benchmark.disabled else 20)[:, None]
    benchmark.group, benchmark.name = "distribution of two-level systems, 200 frequencies, 20 T", str(relaxation)
    chi = benchmark(mbfast.ttls_susceptibility, omega, kelvin, 8e44, 1.04 * EV, 1e15, relaxation=relaxation)
    assert (chi.imag < 0).all()


# --- uniform nodes: the same samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [64, 512, 4096, 20_000, 65_536, 1_000_000])
@pytest.mark.parametrize("pair", ["one", "two"])
@pytest.mark.parametrize("contender", ["mbfast", "fftconvolve"])
def test_uniform_convolution(benchmark, n, pair, contender):
    omega = np.arange(1.0, n + 1)
    f, g = np.exp(-3 * omega / n), np.cos(omega / n)
    samples = (f, f) if pair == "one" else (f, g)
    benchmark.group, benchmark.name = f"convolution of {pair}, {n} uniform nodes", contender
    if contender == "mbfast":
        plan, out = mbfast.ConvolutionPlan(omega), np.empty(n)
        assert error_of(plan(np.ones(n)), omega) < 1e-12
        arguments = samples if pair == "two" else samples[:1]
        benchmark(plan, *arguments, out=out, threads=1)
    else:
        benchmark(fftconvolve, *samples)


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
def test_against_peers(benchmark, peer, contender):
    _, n, ours, few, many = PEERS[peer]
    n_ours = few if contender == "as accurate" else many
    benchmark.group = f"against {peer}"
    benchmark.name = f"{peer}, {n} nodes" if contender == "peer" else f"mbfast, {contender}, {n_ours} nodes"
    call, error = of_peer(peer)
    if contender == "peer":
        benchmark.pedantic(call, rounds=3, warmup_rounds=0)
    else:
        call, exact = ours(n_ours)
        peers_error, error = error, error_of(call(), exact)
        assert error <= peers_error * (1.0 if contender == "as accurate" else 1e-3)
        benchmark(call)
    benchmark.extra_info |= {"error": error}
