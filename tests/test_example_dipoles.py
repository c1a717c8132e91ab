"""Dipoles that relax: Luttinger and Tisza's energies by sums of Ewald's, gradients, exact chains and rings."""

import itertools
import math

import naive
import numpy as np
import pytest
from legible import assert_legible
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.special import erfc

from mbfast.examples import dipole_relaxation as example

pytestmark = pytest.mark.compiled  # what they build on has tests without the JIT

STEPS = np.array(list(itertools.product(range(-6, 7), repeat=3)))


def wave_tensor(vectors, q, sharpness):
    """The sum over a lattice of (1 - 3 n n)/r^3 cos(q.r) by Ewald's split with a Gaussian; at q = 0 between plates."""
    volume = abs(np.linalg.det(vectors))
    eta = sharpness / volume ** (1 / 3)
    r = STEPS[np.any(STEPS, axis=1)] @ vectors
    k = STEPS @ (2 * np.pi * np.linalg.inv(vectors).T) + q
    x, k2 = np.linalg.norm(r, axis=1), np.sum(k * k, axis=1)
    k, k2 = k[k2 > 1e-12], k2[k2 > 1e-12]
    g = 2 * eta / np.sqrt(np.pi) * np.exp(-((eta * x) ** 2))
    equal = erfc(eta * x) / x**3 + g / x**2
    along = 3 * erfc(eta * x) / x**5 + g * (2 * eta**2 / x**2 + 3 / x**4)
    near = np.sum(np.cos(r @ q) * equal) * np.eye(3) - np.einsum("n,ni,nj->ij", np.cos(r @ q) * along, r, r)
    far = 4 * np.pi / volume * np.einsum("n,ni,nj->ij", np.exp(-k2 / (4 * eta**2)) / k2, k, k)
    return near + far - 4 * eta**3 / (3 * np.sqrt(np.pi)) * np.eye(3)


def least_energy(name, condition, period, sharpness=1.77):
    """The least eigenvalue over all wave vectors of a period, as an energy over n p^2/(4 pi eps)."""
    vectors = example.CELLS[name]
    back, volume = 2 * np.pi * np.linalg.inv(vectors).T, abs(np.linalg.det(vectors))
    energies = []
    for m in itertools.product(range(period), repeat=3):
        held = 2 * np.pi / 3 if condition == "vacuum" and not any(m) else 0.0
        tensor = wave_tensor(vectors, np.array(m) @ back / period, sharpness)
        energies.append(0.5 * volume * np.linalg.eigvalsh(tensor)[0] + held)
    return min(energies)


@pytest.mark.parametrize(("name", "condition"), example.LUTTINGER_TISZA)
def test_published_energies(name, condition):
    """By a method of summation that mbfast does not have, and with two splits."""
    for sharpness in (1.6, 1.9):  # both sums end at 6 steps, below 1e-9
        energy = least_energy(name, condition, 2, sharpness)
        assert energy == pytest.approx(example.LUTTINGER_TISZA[name, condition], abs=2e-9)


@pytest.mark.compiled
@pytest.mark.parametrize(("name", "condition"), example.LUTTINGER_TISZA)
def test_the_bound_is_that_energy_and_is_reached(name, condition):
    rng = np.random.default_rng(7)
    least = example.bound(name, condition, 2, rng)
    assert least == pytest.approx(example.LUTTINGER_TISZA[name, condition], abs=1e-7)
    found = example.relaxed_on_lattice(name, condition, 2, 1, rng)
    assert example.lowest(found).energy_of_one == pytest.approx(least, abs=1e-7)
    for one in found:
        assert one.energy_of_one > least - 1e-7
        assert_allclose(np.linalg.norm(one.dipoles, axis=1), 1.0, rtol=0, atol=1e-14)


@pytest.mark.compiled
def test_domains_of_fcc():
    """Twice the period has states of less energy in a vacuum, but none below that of parallel dipoles in a needle."""
    least = example.bound("fcc", "vacuum", 4, np.random.default_rng(0))
    assert least == pytest.approx(least_energy("fcc", "vacuum", 4), abs=1e-7)
    assert example.PARALLEL < least < example.LUTTINGER_TISZA["fcc", "vacuum"] - 0.1


def pair_energy(positions, p):
    total = 0.0
    for s, t in itertools.combinations(range(len(p)), 2):
        d = positions[s] - positions[t]
        r = math.sqrt(d @ d)
        total += r**-12 + (p[s] @ p[t] - 3 * (p[s] @ d) * (p[t] @ d) / r**2) / r**3
    return total


def test_slopes_of_clusters_are_differences():
    rng = np.random.default_rng(3)
    positions, p = np.array(list(np.ndindex(2, 2, 1))) + 0.2 * rng.random((4, 3)), rng.normal(size=(4, 3))
    energy, forces, field = example.soft_dipoles(positions, p)
    assert energy == pytest.approx(pair_energy(positions, p), rel=1e-12)
    for s, i in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[s, i] = 1.0
        by_place = naive.difference(lambda h: pair_energy(positions + h * step, p), 1e-3)  # noqa: B023
        by_moment = naive.difference(lambda h: pair_energy(positions, p + h * step), 1e-3)  # noqa: B023
        assert forces[s, i] == pytest.approx(-by_place, abs=1e-9 * np.abs(forces).max())
        assert field[s, i] == pytest.approx(-by_moment, abs=1e-9 * np.abs(field).max())


def ring(n, distance):
    angles = 2 * np.pi * np.arange(n) / n
    radius, zero = 0.5 * distance / math.sin(np.pi / n), np.zeros(n)
    places = radius * np.stack([np.cos(angles), np.sin(angles), zero], axis=1)
    return places, np.stack([-np.sin(angles), np.cos(angles), zero], axis=1)


def chain(n, distance):
    along = np.outer(np.arange(n), [0.0, 0.0, 1.0])
    return distance * along, np.tile([0.0, 0.0, 1.0], (n, 1))


@pytest.mark.parametrize(
    ("shape", "n", "exact"),
    [(chain, 2, example.chain_energy), (chain, 3, example.chain_energy), (ring, 6, example.ring_energy)],
)
def test_exact_clusters(shape, n, exact):
    """Against the least of the sum over pairs by one distance; a first-order change of any kind costs nothing there."""
    found = minimize_scalar(lambda d: pair_energy(*shape(n, d)), bounds=(0.9, 1.3), options={"xatol": 1e-9})
    assert exact(n) == pytest.approx(found.fun, rel=1e-12)
    places, p = shape(n, found.x)
    _, forces, field = example.soft_dipoles(places, p)
    assert_allclose(forces, 0.0, rtol=0, atol=1e-5)  # curvatures of some 100 times the error of the distance
    assert_allclose(np.cross(p, field), 0.0, rtol=0, atol=1e-13)


@pytest.mark.compiled
def test_small_clusters_relax_to_chains():
    rng = np.random.default_rng(1)
    for n in (2, 3):
        energy = example.lowest(example.relaxed_clusters(n, 2, rng)).energy
        assert energy == pytest.approx(example.chain_energy(n), abs=1e-7)


@pytest.fixture(scope="module")
def few():
    """Results of one start each; two cells of two."""
    rng = np.random.default_rng(1)
    lattices = {case: example.relaxed_on_lattice(*case, 2, 1, rng) for case in example.LUTTINGER_TISZA}
    clusters = {n: example.relaxed_clusters(n, 1, rng) for n in (2, 6)}
    return example.Results(lattices, lattices["fcc", "vacuum"][0], example.LUTTINGER_TISZA["fcc", "vacuum"], clusters)


@pytest.mark.compiled
def test_the_figure_is_legible(few):
    pytest.importorskip("matplotlib", reason="of the extra plot")
    assert_legible(example.draw(few))


@pytest.mark.compiled
def test_the_command_prints_its_checks(few, monkeypatch, capsys):
    monkeypatch.setattr(example, "relax_all", lambda _: few)
    monkeypatch.setattr("sys.argv", ["dipole_relaxation"])
    example.main()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(example.checks(few)) == 9
    assert printed[3].startswith("bcc, vacuum, energy of a dipole over n p²/(4πε): -1.98592")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_seeds(seed):
    for check in example.compute(seed)[0]:
        assert abs(check.deviation) < 1.0, str(check)
