"""Error estimates of integrals over spectra: above the error for all kinds of nodes, and not far above it."""

import math

import numpy as np
import pytest
from conftest import ROUNDS
from scipy.special import beta, digamma, gamma, hyp1f1

import mbfast
from mbfast.units import HBAR, K_B

KELVIN = HBAR / K_B  # temperature of a rate of 1 s
CASES = 40


def nodes_of(rng):
    """Nodes up to 0.3...50 of one of six kinds, at a random distance from zero."""
    n, top = int(rng.choice([8, 9, 10, 12, 16, 24, 40, 80, 150])), 10.0 ** rng.uniform(-0.5, 1.7)
    lowest = 10.0 ** rng.uniform(-6.0, 0.0)
    kind = rng.integers(6)
    if kind == 0:
        nodes = lowest + np.arange(n)
    elif kind == 1:
        nodes = np.geomspace(1e-2 * lowest, 1.0, n)
    elif kind == 2:
        nodes = np.cumsum(rng.uniform(0.05, 1.0, n))
    elif kind == 3:
        nodes = np.exp(np.cumsum(rng.uniform(0.05, 1.0, n)) * rng.uniform(0.1, 1.5))
    elif kind == 4:
        nodes = (np.arange(n) + lowest) ** rng.choice([2.0, 3.0, 0.7])
    else:
        nodes = np.append(np.geomspace(1e-2 * lowest / n, 0.4 / n, n // 2), (np.arange(n) + 0.5) / n)
    return nodes * top / nodes[-1]


def shows(nodes, rate):
    """Whether a feature at 1/rate, as wide as high, has nodes that see it."""
    y = rate * nodes
    near, log_near = (y[1:] > 0.1) & (y[:-1] < 3.0), (y[1:] > 0.3) & (y[:-1] < 3.0)
    gaps = np.diff(y)[near].max(initial=0.0), np.diff(np.log(y))[log_near].max(initial=0.0)
    return y[0] < 0.1 and 0.3 < y[-1] < 1e25 * y[0] and gaps[0] < 1.0 and gaps[1] < 1.6


def convolved_powers(w, a, s, b, t):
    """Of x^s e^(-ax) and x^t e^(-bx), by Kummer's function."""
    z = (a - b) * w
    one, other = np.exp(-a * w) * hyp1f1(t + 1, s + t + 2, z), np.exp(-b * w) * hyp1f1(s + 1, s + t + 2, -z)
    return beta(s + 1, t + 1) * w ** (s + t + 1) * np.where(z < 0.0, one, other)


def debye_convolution(w):
    """Of x/(1 + x^2) with itself; a series where its terms cancel."""
    log = np.log1p(w**2)
    with np.errstate(all="ignore"):
        closed = 0.5 * (log / w + (log * w - 4 * np.arctan(w)) / (w**2 + 4))
    return np.where(w < 1e-3, w**3 / 6, closed)


def case(rng):
    """An estimate and the exact integral, or None where the nodes do not show what is between them."""
    nodes, a, b, kind = nodes_of(rng), *10.0 ** rng.uniform(-1, 1, 2), rng.integers(5)
    options = {"degree": int(rng.choice([7, 7, 5, 3, 1])), "interpolation": str(rng.choice(["auto", "log", "linear"]))}
    y = a * nodes
    if kind == 0 and shows(nodes, a) and shows(nodes, b):
        s, t = rng.uniform(-0.8, 3.0, 2)
        f, g = nodes**s * np.exp(-y), nodes**t * np.exp(-b * nodes)
        return mbfast.convolve(nodes, f, g, **options), convolved_powers(nodes, a, s, b, t)
    if kind == 1 and shows(nodes, a):
        return mbfast.convolve(nodes, y / (1 + y**2), **options), debye_convolution(y) / a
    if kind == 2 and shows(nodes, a) and y[-1] > 20.0:
        return mbfast.kramers_kronig(nodes, y / (1 + y**2), above="power", **options), 1 / (1 + y**2)
    if kind == 3 and shows(nodes, a) and y[-1] > 20.0:
        transform = mbfast.kramers_kronig(nodes, 1 / (1 + y**2), above="power", inverse=True, **options)
        return transform, y / (1 + y**2)
    if kind == 4 and shows(nodes, 0.5 * a) and y[-1] > 25.0:
        z = y[:-1] / (2 * math.pi)
        exact = (
            2 / math.pi * (0.5 * np.log(y[-1] ** 2 - y[:-1] ** 2) - math.log(2 * math.pi) - digamma(0.5 + 1j * z).real)
        )
        return mbfast.kramers_kronig(nodes, np.tanh(0.5 * y), at=nodes[:-1], **options), exact
    return None


@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(4 * ROUNDS))
def test_wild_nodes(seed):
    rng, done = np.random.default_rng(seed), 0
    while done < CASES:
        made = case(rng)
        if made is None:
            continue
        (value, error), exact = made
        assert np.abs(value - exact).max() <= error + 1e-14 * np.abs(exact).max(), done
        done += 1


@pytest.mark.compiled
@pytest.mark.parametrize("offset", [1e-5, 1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("n", [20, 100, 200])
def test_a_branch_point_just_below_the_first_node(n, offset):
    # the error comes from the first cells, where interpolation in omega converges as a power of the degree only
    nodes = 10.0 / n * (offset + np.arange(n))
    value, error = mbfast.convolve(nodes, np.sqrt(nodes) * np.exp(-nodes))
    true = np.abs(value - np.exp(-nodes) * beta(1.5, 1.5) * nodes**2).max()
    assert true <= error < 30 * true


@pytest.mark.parametrize("n", [8, 9, 10])
def test_symmetric_samples_do_not_hide_their_error(n):
    # the last difference of 8 values that are symmetric about the middle is zero; of 9, if they are antisymmetric
    nodes = np.geomspace(1e-3, 1e3, n)
    value, error = mbfast.convolve(nodes, nodes / (1 + nodes**2))
    assert np.abs(value - debye_convolution(nodes)).max() <= error
    real, imag = 1 / (1 + nodes**2), nodes / (1 + nodes**2)
    value, error = mbfast.kramers_kronig(nodes, imag, above="power")
    assert np.abs(value - real).max() <= error
    value, error = mbfast.kramers_kronig(nodes, real, above="power", inverse=True)
    assert np.abs(value - imag).max() <= error


@pytest.mark.compiled
@pytest.mark.parametrize("degree", [7, 5, 3, 1])
def test_a_step_anywhere_in_a_cell(degree):
    rng = np.random.default_rng(degree)
    for _ in range(25):
        n, edge, at = int(rng.integers(20, 300)), rng.uniform(1.0, 5.0), np.sort(rng.uniform(0.02, 10.0, 80))
        nodes = np.geomspace(0.01, 10.0, n) if rng.random() < 0.5 else np.linspace(10.0 / n, 10.0, n)
        options = {"degree": degree, "below": 0.0}
        value, error = mbfast.convolve(nodes, np.where(nodes < edge, 1.0, 0.0), at=at, **options)
        exact = np.where(at < edge, at, np.maximum(2 * edge - at, 0.0))
        assert np.abs(value - exact).max() <= error
        far = at[np.abs(at - edge) > 0.1 * edge]
        value, error = mbfast.kramers_kronig(nodes, np.where(nodes < edge, 1.0, 0.0), at=far, **options)
        assert np.abs(value - np.log(np.abs(edge**2 - far**2) / far**2) / math.pi).max() <= error


@pytest.mark.compiled
@pytest.mark.parametrize("n", [50, 100, 200, 400])
def test_estimates_of_smooth_spectra_are_not_far_above_the_error(n):
    nodes = np.geomspace(1e-4, 1e3, n)
    y = nodes / (1 + nodes**2)
    true = np.abs(mbfast.convolve(nodes, y).value - debye_convolution(nodes)).max()
    assert mbfast.convolve(nodes, y).error < 60 * true + 1e-11
    value, error = mbfast.kramers_kronig(nodes, y, above="power")
    assert error < 60 * np.abs(value - 1 / (1 + nodes**2)).max() + 1e-9  # which are those of the power laws


@pytest.mark.compiled
@pytest.mark.parametrize("s", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("nodes", ["uniform from 0", "0, then logarithmic", "logarithmic"])
def test_static_limits(s, nodes):
    omega = {
        "uniform from 0": np.linspace(0.0, 40.0, 300),
        "0, then logarithmic": np.append(0.0, np.geomspace(1e-4, 40.0, 300)),
        "logarithmic": np.geomspace(1e-4, 40.0, 300),
    }[nodes]
    # int x^(s-1) e^-x
    exact = 2 / math.pi * gamma(s)
    imag = omega**s * np.exp(-omega)
    value, error = mbfast.kramers_kronig(omega, imag, at=[0.0, 1e-9])
    assert abs(value[0] - exact) <= error
    if nodes == "logarithmic" or s >= 1.0:
        assert error < 1e-3
        assert value[1] == pytest.approx(value[0], rel=1e-2)
    anchored = mbfast.kramers_kronig(omega, imag, at=[0.0, 0.5], anchors=([0.0], [exact])).value
    assert anchored[0] == pytest.approx(exact, rel=1e-12)
    free = mbfast.kramers_kronig(omega, imag, at=[0.0, 0.5]).value
    assert anchored[1] - free[1] == pytest.approx(exact - free[0], abs=1e-12)


@pytest.mark.compiled
@pytest.mark.parametrize("method", ["direct", "auto"])
@pytest.mark.parametrize("n", [9, 40, 300])
def test_nodes_at_zero(n, method):
    for nodes in (np.linspace(0.0, 60.0, n), np.append(0.0, np.geomspace(1e-3, 60.0, n))):
        if n > 9 or nodes[1] < 1.0:
            value, error = mbfast.kramers_kronig(nodes, nodes / (1 + nodes**2), above="power", method=method)
            assert np.abs(value - 1 / (1 + nodes**2)).max() <= error
            inverse = mbfast.kramers_kronig(nodes, 1 / (1 + nodes**2), above="power", inverse=True, method=method)
            assert np.abs(inverse.value - nodes / (1 + nodes**2)).max() <= inverse.error
            assert abs(inverse.value[0]) < 1e-15
    if n == 300:
        assert error < 1e-3


def test_what_does_not_vanish_has_a_transform_elsewhere():
    nodes, at = np.linspace(0.0, 10.0, 50), np.array([0.3, 3.0])
    with pytest.raises(ValueError, match="omega must be positive, got 0: there is no static limit"):
        mbfast.kramers_kronig(nodes, np.ones(50))
    value, error = mbfast.kramers_kronig(nodes, np.ones(50), at=at)
    assert np.abs(value - np.log((100 - at**2) / at**2) / math.pi).max() <= error < 1e-11
    for function in (lambda grid: mbfast.convolve(grid, nodes), lambda grid: mbfast.Spectrum(grid, -nodes, -nodes)):
        with pytest.raises(ValueError, match=r"omega must be positive, .* got 0 at index 0"):
            function(mbfast.FrequencyGrid(nodes))


def test_edges_at_the_ends_of_the_nodes_are_exact():
    # a band 1...2 and a second, half as high, from 2 to 5: one grid each
    at = np.array([0.5, 1.5, 2.5, 4.0, 7.0])
    parts = [
        mbfast.kramers_kronig(np.linspace(low, high, 12), np.full(12, height), below="zero", at=at)
        for low, high, height in ((1.0, 2.0, 1.0), (2.0, 5.0, 0.5))
    ]
    bands = [np.log(np.abs((b**2 - at**2) / (a**2 - at**2))) / math.pi for a, b in ((1, 2), (2, 5))]
    assert np.abs(sum(part.value for part in parts) - bands[0] - 0.5 * bands[1]).max() < sum(p.error for p in parts)
    assert sum(part.error for part in parts) < 1e-12


@pytest.mark.compiled
@pytest.mark.parametrize("kind", range(3))
@np.errstate(all="raise")
def test_no_spacing_and_no_size_makes_nan(kind):
    rng = np.random.default_rng(kind)
    for _ in range(12):
        n = int(rng.integers(3, 14))
        if kind == 0:
            nodes = np.geomspace(1e-15, 1e15, n)
        elif kind == 1:
            nodes = np.append(10.0 ** rng.uniform(-25.0, 0.0), np.geomspace(1.0, 10.0 ** rng.uniform(0.1, 4.0), n))
        else:
            nodes = np.unique(
                np.outer(10.0 ** rng.uniform(-3.0, 3.0, n), [1.0, 1.0 + 10.0 ** rng.uniform(-11.0, -1.0)])
            )
        f, size = rng.uniform(0.5, 2.0, nodes.size), rng.choice([1.0, 1e-150, 1e-300])
        options = {
            "below": float(rng.uniform(-0.9, 100.0)),
            "degree": int(rng.choice([1, 3, 5, 7])),
            "interpolation": str(rng.choice(["log", "linear"])),
        }
        grid = mbfast.FrequencyGrid(nodes, **options)
        f /= max(1.0, 1e-75 * grid.lebesgue)  # what is refused otherwise
        size *= 1e79 / max(1.0, 1e-10 * grid.lebesgue) / f.max()
        kelvin = nodes[-1] * KELVIN * rng.choice([0.0, 0.1, 10.0])
        at = nodes[:-1] * 1.0001
        for value, error in (
            mbfast.convolve(grid, size * f, f, temperature=kelvin),
            mbfast.kramers_kronig(grid, size * f, at=at),
        ):
            assert np.isfinite(value).all()
            assert np.isfinite(error)
