"""The Monte Carlo of two-level blocks: its parts against enumerations and closed forms, small, and 20 seeds, slowly."""

import functools
import itertools

import numpy as np
import pytest
from legible import assert_legible
from numpy.testing import assert_allclose

from mbfast.examples import _checks, _two_level, tls_monte_carlo
from mbfast.kernels import spins

# what they build on has tests without the JIT; one worker compiles the example
pytestmark = [pytest.mark.compiled, pytest.mark.xdist_group("tls")]


@functools.cache
def lattice(side):
    return _two_level.Lattice(side)


def couplings_of(system):
    table, moments, n = system.lattice.table, system.moments, system.state.size
    couplings = np.zeros((n, n))
    for s, t in itertools.permutations(range(n), 2):
        couplings[s, t] = spins.lattice_coupling(s, t, table, moments)
    return couplings


def unstable(system, couplings):
    """Flips of one and of two blocks that gain energy, from the energies alone."""

    def energy(state):
        return 0.5 * state @ system.asymmetries + 0.5 * state @ couplings @ state

    flips = [*itertools.combinations(range(system.state.size), 1), *itertools.combinations(range(system.state.size), 2)]
    before, found = energy(system.state), 0
    for flip in flips:
        state = system.state.copy()
        state[list(flip)] *= -1
        found += energy(state) < before
    return found


@pytest.mark.compiled
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_states_become_stable(seed):
    rng = np.random.default_rng(seed)
    system = _two_level.random_system(lattice(3), 0.05, rng)  # couplings as large as asymmetries: all kinds of flips
    couplings = couplings_of(system)
    system.state[:] = rng.choice([-1.0, 1.0], 27)
    system.local[:] = system.summed_anew()
    assert_allclose(system.local, couplings @ system.state, rtol=0, atol=1e-13 * 27 * np.abs(couplings).max())
    assert _two_level.count_unstable(*system.arrays) == unstable(system, couplings) > 0
    _two_level.descend(*system.arrays)
    assert np.all(system.costs >= 0.0)
    pairs = unstable(system, couplings)
    assert _two_level.count_unstable(*system.arrays) == pairs
    assert (system.settle() > 0) == (pairs > 0)
    assert unstable(system, couplings) == _two_level.count_unstable(*system.arrays) == 0
    assert system.settle() == 0


@pytest.mark.compiled
def test_pairs_are_looked_for_as_far_as_they_couple():
    some = lattice(3)
    system = _two_level.random_system(some, 1.0, np.random.default_rng(5))
    couplings, seen = np.abs(couplings_of(system)), set()
    for (x, y, z), bound in zip(some.offsets, some.largest, strict=True):
        seen.add((x, y, z))
        for s in range(27):
            i, j, k = s // 9, s // 3 % 3, s % 3
            assert couplings[s, (i + x) % 3 * 9 + (j + y) % 3 * 3 + (k + z) % 3] <= bound
    assert len(seen) == 26
    assert np.all(np.diff(some.largest) <= 0.0)


def test_moments_are_traceless_of_one_size_and_isotropic():
    moments = _two_level.random_moments(20_000, np.random.default_rng(1))
    assert_allclose(moments[:3].sum(axis=0), 0.0, atol=1e-14)  # rounding; norms may be small before they are divided by
    assert_allclose(_two_level.WEIGHTS @ moments**2, 1.0, rtol=1e-14)
    means = np.einsum("an,bn->ab", moments, moments) / 20_000
    wanted = np.diag([0.2, 0.2, 0.2, 0.1, 0.1, 0.1])
    wanted[:3, :3] -= 1.0 / 15.0
    assert_allclose(means, wanted, atol=0.01)  # 7 standard deviations


@pytest.mark.compiled
def test_mean_coupling_is_that_of_the_lattice_at_any_offset():
    some, n = lattice(10), 20_000
    mean = tls_monte_carlo.mean_coupling(np.random.default_rng(1))
    moments = _two_level.random_moments(2 * n, np.random.default_rng(2)).reshape(6, 2, n)
    for offset in ((0, 0, 1), (0, 1, 1), (1, 9, 1), (2, 0, 1)):
        r, tensor = np.linalg.norm(np.minimum(offset, np.subtract(10, offset))), np.zeros((6, 6))
        tensor[np.triu_indices(6)] = some.table[:, *offset]
        tensor += np.triu(tensor, 1).T
        weighted = _two_level.WEIGHTS[:, None] * moments[:, 1]
        found = 0.5 * np.abs(np.einsum("an,ab,bn->n", _two_level.WEIGHTS[:, None] * moments[:, 0], tensor, weighted))
        # five standard deviations; the images, each (r/10)³ as strong, add some of them in quadrature
        assert found.mean() * r**3 == pytest.approx(mean, rel=0.03 + 0.003 * r**3)


def test_first_order_of_the_expected_density():
    # three others, each coupled by j: K(x) = 3/2 below 4j, and g = 1 - 3/2 (4j - ε)/W to first order
    nodes = np.linspace(0.0, 5.0, 501)
    for width in (1e3, 1e4):
        found = tls_monte_carlo.self_consistent(nodes, np.full((7, 3), 1.0), 7, width)
        first = 1.0 - 1.5 * np.maximum(4.0 - nodes, 0.0) / width
        # half a step of the integral; x²/2 of the exponential, and x² of g itself in it, of x = 6/W
        assert_allclose(found, first, rtol=0, atol=1.5 * 0.01 / width + 1.5 * (6.0 / width) ** 2)


@pytest.mark.parametrize("strength", [0.01, 0.05])
def test_logarithm_of_the_expected_density(strength):
    # 4 |J| = 1/i for i = 1, 2, ...: K(x) = 1/(2x), as in three dimensions, and κ = 1/(2 W)
    width = 0.5 / strength
    nodes = np.append(0.0, np.geomspace(1e-5, 2.0, 400))
    found = tls_monte_carlo.self_consistent(nodes, 0.25 / np.arange(1.0, 100_000.0), 1, width)
    inner = (nodes > 1e-3) & (nodes < 1e-1)
    slope = -np.polyfit(np.log(nodes[inner]), 1.0 / found[inner], 1)[0]
    assert slope == pytest.approx(strength, rel=0.05 + strength)  # steps of K, and the second order


def test_densities_and_slopes_of_given_counts():
    edges, strength, free = tls_monte_carlo.EDGES, 0.1, 1e3 * np.diff(tls_monte_carlo.EDGES)
    density = np.empty(len(free))
    for first, last in (tls_monte_carlo.SOFT, tls_monte_carlo.NEXT):
        density[first:last] = 1.0 / (1.0 - strength * tls_monte_carlo.mean_logarithm(edges[first], edges[last]))
    density[7:] = 1.0
    nodes = np.linspace(0.0, 24.0, 97)
    counts = np.array([0.9, 1.1])[:, None] * free * density
    gap = tls_monte_carlo.Gap(strength, 3.0, counts, free, nodes, 1.0 - 0.01 * nodes)
    assert gap.slope()[0] == pytest.approx(strength, rel=1e-12)
    assert gap.density(7, 9) == pytest.approx((1.0, 0.1))
    assert gap.slope()[1] == pytest.approx(
        0.1 * np.hypot(1.0 / density[0], 1.0 / density[5]) / (np.log(4.0) * 4.0 / 3.0), rel=1e-12
    )
    for first, last in ((0, 5), (7, 8), (2, 10)):
        assert gap.expected_density(first, last) == pytest.approx(1.0 - 0.015 * (edges[first] + edges[last]), rel=1e-3)


@pytest.mark.compiled
def test_the_example_runs(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    found, draws = [], []

    def small(seed):
        checks, draw = tls_monte_carlo.compute(seed, side=8, samples=(60, 6), flips=2000, sweeps=500)
        found.extend(checks)
        draws.append(draw)
        return checks, draw

    _checks.run_example(tls_monte_carlo.__doc__, small, ["--seed", "3", str(tmp_path / "gap.png")])
    assert (tmp_path / "gap.caption.txt").is_file()
    assert len(capsys.readouterr().out.splitlines()) == len(found) == 7
    for check in found:
        assert abs(check.deviation) < 5.0, check
    assert_legible(draws[0]())


@pytest.mark.slow
def test_deviations_of_twenty_seeds_are_as_large_as_their_errors():
    runs = [tls_monte_carlo.compute(seed, side=12, samples=(400, 2), flips=10_000)[0] for seed in range(20)]
    for checks in zip(*runs, strict=True):
        deviations = np.array([check.deviation for check in checks])
        mean, scatter = deviations.mean(), deviations.std(ddof=1)
        print(
            f"{checks[0].name}: {np.mean([check.value for check in checks]):.5g}, in errors {mean:.2f} ± {scatter:.2f}"
        )
        if checks[0].error > 1e-6 and checks[0].reference != 0.0:
            assert abs(mean) < 4.0 / 20**0.5
            assert 0.4 < scatter < 1.6  # the errors are those that are seen, to four of their own, 1/sqrt(38)
        else:
            assert np.abs(deviations).max() <= 1.0
