"""Plastic flow of cubes: stresses against closed forms, energies against those summed anew, avalanches one by one."""

import numpy as np
import pytest
from legible import assert_legible
from numpy.testing import assert_allclose

import mbfast
from mbfast.examples import _plasticity as plasticity
from mbfast.examples import elastoplastic
from mbfast.examples._checks import run_example

# what they build on has tests without the JIT; one worker compiles the example
pytestmark = [pytest.mark.compiled, pytest.mark.xdist_group("elastoplastic")]

MU, WEIGHTS = plasticity.MU, np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
XY, XZ = np.eye(6)[[5, 4]]
HELD = pytest.mark.parametrize("held", ["strain", "stress"])


def shear(rng):
    """A random strain without a trace."""
    strain = rng.normal(size=6)
    strain[:3] -= strain[:3].mean()
    return strain


def dense(table):
    """The matrix of a coupling table between all cubes of a body, in orthonormal components, (6 N, 6 N)."""
    shape = table.shape[1:]
    n, places, root = int(np.prod(shape)), np.empty((6, 6), int), np.sqrt(WEIGHTS)
    places[np.triu_indices(6)] = places[np.triu_indices(6)[::-1]] = np.arange(21)
    at = np.array(np.unravel_index(np.arange(n), shape))
    d = (at[:, :, None] - at[:, None]) % np.array(shape)[:, None, None]
    blocks = table[places][:, :, d[0], d[1], d[2]] * np.outer(root, root)[:, :, None, None]
    return blocks.transpose(2, 0, 3, 1).reshape(6 * n, 6 * n)


@pytest.mark.compiled
@HELD
@pytest.mark.parametrize("n", [1, 2, 5])
def test_layers_that_yield_are_laminates(n, held):
    # a sum of n^2 events, each a product of C, the table (errors of 1e-12) and C
    assert elastoplastic.laminate_error(n, shear(np.random.default_rng(n)), held) < 1e-11


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("strain", "held", "inside"), [(XZ, "stress", 0.0), (XZ, "strain", -0.5), (XY, "strain", -2.0)]
)
def test_layers_that_slide_have_no_stress_and_those_that_cannot_have_all(strain, held, inside):
    """Of a layer across z, in units of mu: a strain xz fits a body that is free, xy fits none."""
    n = 4
    table, found = plasticity.propagator(plasticity.cubes(n), plasticity.HELD[held]), np.zeros((6, n**3))
    for s in range(0, n**3, n):
        plasticity.lattice_field(s, strain, table, found)
    assert_allclose((strain @ found).reshape(n, n, n)[:, :, 0], inside * MU, rtol=0, atol=1e-11 * MU)


@pytest.mark.compiled
def test_what_a_cube_relieves_itself():
    """Closed forms: the cube's own strain by a quadrature, and images that are points up to n^-5."""
    z, weight = np.polynomial.legendre.leggauss(20)
    z, weight = 0.5 * (z + 1.0), 0.5 * weight
    # two derivatives each make second differences of 1 - |x| and 1 - |y|: values at -1, 0, 1 times 1, -2, 1
    average = 2.0 * weight @ ((1.0 - z) * (4.0 * np.sqrt(2.0 + z**2) - 8.0 * np.sqrt(1.0 + z**2) + 4.0 * z))
    isolated = 1.0 / 3.0 - plasticity.SILICA.alpha * average / (2.0 * np.pi)
    apart = {}
    for n in (4, 8):
        found, known = elastoplastic.own_relief(n)
        assert abs(known - isolated) < 0.2 / n**3
        apart[n] = (found - known) * n**5
    assert apart[8] == pytest.approx(apart[4], rel=0.05)  # what follows is n^-7
    assert abs(apart[8]) < 1.0


@pytest.mark.compiled
def test_far_away_an_event_is_a_point():
    near, far = (elastoplastic.far_strain((r, r, 0)) - 1.0 for r in (8, 16))
    assert near / far == pytest.approx(4.0, rel=0.03)  # up to r^-4


@pytest.mark.compiled
@HELD
def test_stresses_of_an_event_add_up_to_what_is_held(held):
    shape, strain = (3, 2, 4), shear(np.random.default_rng(1))
    lattice = mbfast.BlockLattice(shape, plasticity.SIDE, averaged=True)
    table, found = plasticity.propagator(lattice, plasticity.HELD[held]), np.zeros((6, 24))
    plasticity.lattice_field(7, strain, table, found)
    expected = -2.0 * MU * strain if held == "strain" else np.zeros(6)
    assert_allclose(found.sum(axis=1), expected, rtol=0, atol=1e-11 * MU)


@pytest.mark.compiled
@HELD
def test_bounds_that_make_the_energy_fall(held):
    """-G has eigenvalues from 0 to 2 mu for strains without a trace, and a cube's own are above 0.92 mu."""
    table = plasticity.propagator(plasticity.cubes(2), plasticity.HELD[held])
    matrix, n = -dense(table), 8
    deviator = np.kron(np.eye(n), np.eye(6) - np.outer([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]) / 3.0)
    levels = np.linalg.eigvalsh(deviator @ matrix @ deviator) / MU
    assert levels[0] > -1e-11
    assert levels[-1] < 2.0 + 1e-11
    own_table = plasticity.propagator(plasticity.cubes(4), "clamped")
    for direction in np.random.default_rng(2).normal(size=(20, 6)):
        direction[:3] -= direction[:3].mean()
        assert plasticity.own_stiffness(direction, own_table) > 0.92 * MU * (WEIGHTS @ direction**2)


@pytest.mark.compiled
@HELD
@pytest.mark.parametrize("seed", [0])
def test_one_event_changes_the_energy_as_derived(held, seed):
    rng = np.random.default_rng(seed)
    body = plasticity.Body(3, held, rng)
    body.load = 1e9
    for s in range(27):
        body.plastic[:, s] = 0.02 * shear(rng)
    before, stress = body.anew()
    body.stress[:] = stress
    for s, fraction in ((4, 0.3), (20, 1.0), (4, 1.9), (7, 2.2)):
        deviator = body.stress[:, s] - body.stress[:3, s].mean() * np.array([1, 1, 1, 0, 0, 0])
        squared = WEIGHTS @ deviator**2
        own = plasticity.own_stiffness(deviator / np.sqrt(squared), body.table)
        change = plasticity.yield_one(s, fraction, body.table, body.stress, body.plastic)
        assert change == pytest.approx(-squared * fraction * (1.0 - 0.5 * fraction) / own, rel=1e-10)
        assert (change < 0.0) == (fraction < 2.0)
        left = WEIGHTS @ (deviator * body.stress[:, s]) / squared
        assert left == pytest.approx(1.0 - fraction, abs=1e-10)
        after, again = body.anew()
        assert after - before == pytest.approx(change / 27, abs=1e-11 * abs(before))
        assert_allclose(body.stress, again, rtol=0, atol=1e-11 * np.abs(again).max())
        assert abs(body.plastic[:3].sum(axis=0)).max() < 1e-15
        before = after


@pytest.mark.compiled
@HELD
def test_few_events_keep_energy_and_stresses_up(held):
    body = plasticity.Body(2, held, np.random.default_rng(3)).drive(0.8e9)
    assert len(body.history) > 1
    energy, stress = body.anew()
    assert body.energy_kept == pytest.approx(energy, rel=1e-11)
    assert_allclose(body.stress, stress, rtol=0, atol=1e-11 * np.abs(stress).max())


@HELD
@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(2))
def test_many_events_keep_energy_and_stresses_up(held, seed):
    body = plasticity.Body(5, held, np.random.default_rng(seed)).drive(3e9, flowing=3.0, rows=64)
    assert body.history[:, 4].sum() > 200
    assert body.history[:, 6].sum() == 0
    assert (body.history[:, 5] < 0.0).all()
    energy, stress = body.anew()
    assert body.energy_kept == pytest.approx(energy, rel=1e-11)
    assert_allclose(body.stress, stress, rtol=0, atol=1e-11 * np.abs(stress).max())
    strain, mean = body.curve
    assert mean[-1] == pytest.approx(stress[5].mean(), rel=1e-11)
    assert mean[1] == pytest.approx(MU * strain[1], rel=1e-12)
    if held == "strain":
        assert mean[-1] == pytest.approx(MU * (strain[-1] - 2.0 * body.plastic[5].mean()), rel=1e-11)
        assert plasticity.weakest(body.stress, body.thresholds) == -1
    else:
        assert body.flows(3.0)
        assert mean[-1] == pytest.approx(body.load, rel=1e-12)


def test_a_load_is_raised_to_the_first_cube_that_yields():
    rng = np.random.default_rng(4)
    stress, thresholds = 0.1 * rng.normal(size=(6, 40)), rng.uniform(0.5, 1.5, 40)
    lacking, first = plasticity.next_to_yield(stress, thresholds)

    def shears(load):
        loaded = stress + load * XY[:, None]
        deviator = loaded - np.array([1, 1, 1, 0, 0, 0])[:, None] * loaded[:3].mean(axis=0)
        return np.sqrt(0.5 * (WEIGHTS @ deviator**2))

    assert plasticity.weakest(stress, thresholds) == -1
    assert shears(lacking)[first] == pytest.approx(thresholds[first], rel=1e-12)
    assert (np.delete(shears(lacking) < thresholds, first)).all()
    loaded = stress + (lacking + 0.3) * XY[:, None]
    assert plasticity.weakest(loaded, thresholds) == np.argmax(shears(lacking + 0.3) / thresholds)


@pytest.mark.compiled
def test_runs_are_those_of_their_seed_in_any_pieces():
    whole, pieces, other = (
        plasticity.Body(4, "strain", np.random.default_rng(s)).drive(2e9, rows=k)
        for s, k in ((1, 999), (1, 7), (2, 999))
    )
    assert np.array_equal(whole.history, pieces.history)
    assert np.array_equal(whole.stress, pieces.stress)
    assert not np.array_equal(whole.stress, other.stress)


def test_what_is_held_is_strain_or_stress():
    with pytest.raises(ValueError, match="held"):
        plasticity.Body(2, "load", np.random.default_rng(1))


def steps_at_once(fraction, load, thresholds, seed=1):
    """Energies, up to a constant, of steps in which all cubes above their thresholds yield, in units of mu V."""
    n, rng = 3, np.random.default_rng(seed)
    lattice = plasticity.cubes(n)
    made = mbfast.LatticeField(plasticity.SILICA, lattice, boundary="periodic", self_field=True)
    moments, medium = np.zeros((n, n, n, 6)), (MU, plasticity.SIDE**3)
    field, draws = np.zeros_like(moments), np.array([1e-6, fraction])  # whoever has yielded does so again
    table, energies = plasticity.propagator(lattice, "clamped"), []
    for _ in range(3):
        flat = field.reshape(-1, 6), moments.reshape(-1, 6)
        events, energy = plasticity.yield_at_once(*flat, thresholds, load, medium, table, draws, rng)
        energies.append(energy / (MU * plasticity.SIDE**3))
        made(moments, out=field)
    return events, np.array(energies), moments


@pytest.mark.compiled
def test_cubes_that_yield_at_once_may_raise_the_energy():
    """All cubes of one stress see nothing of each other until they have yielded: a strain that fits nowhere."""
    rises = {0.9: 0, 1.99: 0}
    for fraction in rises:
        for seed in range(5):
            events, energies, _ = steps_at_once(fraction, 1e9, np.full(27, 1.0), seed)
            assert events == 27
            rises[fraction] += int((np.diff(energies) > 0.0).sum())
    assert rises[0.9] == 0
    assert rises[1.99] > 0


@pytest.mark.compiled
def test_one_cube_at_once_is_one_event():
    thresholds = np.full(27, 1e10)
    thresholds[5] = 1e8
    _, energies, moments = steps_at_once(0.9, 1e9, thresholds)
    body = plasticity.Body(3, "strain", np.random.default_rng(1))
    body.stress[5] = 1e9
    rng, expected = np.random.default_rng(1), []
    for _ in range(3):
        expected.append(plasticity.yield_one(5, 0.9 * rng.random(), body.table, body.stress, body.plastic) / MU)
        rng.random()  # of the threshold
    assert_allclose(np.diff(energies), expected[:2], rtol=1e-10)
    volume = plasticity.SIDE**3
    assert_allclose(moments.reshape(-1, 6), -2.0 * MU * volume * body.plastic.T, rtol=0, atol=1e-12 * MU * volume)


@pytest.mark.compiled
def test_updates_at_once_do_not_raise_the_energy():
    steps, rises = plasticity.at_once(5, np.random.default_rng(1), 40)
    assert steps > 80
    assert rises == 0


def test_exponents_of_known_distributions():
    # sizes M with the share m/M, and none else: the mean is m, that of squares over it M
    samples = [np.repeat([0.0, 4.0**k], [4**k - 2**k, 2**k]) for k in (2, 3, 4)]
    assert elastoplastic.growth_exponent(samples) == pytest.approx(1.5, abs=1e-12)
    rng, support = np.random.default_rng(5), np.arange(1.0, 2000.0)
    weights = support**-1.4 * np.exp(-support / 50.0)
    sizes = rng.choice(support, 20_000, p=weights / weights.sum())
    # the variance of the likeliest tau is at least that of ln S at a known cutoff, 1/(N var ln S); three times here
    assert elastoplastic.fitted_exponent(sizes) == pytest.approx(1.4, abs=0.05)
    assert 0.0 < elastoplastic.growth_error([sizes, np.repeat(sizes, 2) * 2.0]) < 0.1


@pytest.mark.compiled
def test_the_example_runs_and_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is of the extra plot")
    checks, draw = elastoplastic.compute(3, ((3, 5.0), (5, 5.0)), together=(3, 5))
    # bodies this small have no power law yet
    assert [str(check) for check in checks[:-1] if abs(check.deviation) > 1.0] == []
    figure, file = draw(), tmp_path / "figure.png"
    assert_legible(figure)
    run_example(elastoplastic.__doc__, lambda _seed: (checks, lambda: figure), [str(file), "--seed", "3"])
    assert capsys.readouterr().out.splitlines() == [str(check) for check in checks]
    assert file.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"seed": -1}, "seed"),
        ({"bodies": [(4, 5.0)]}, "bodies"),
        ({"bodies": [(5, 5.0), (4, 5.0)]}, "bodies"),
        ({"bodies": [(1, 5.0), (4, 5.0)]}, "bodies"),
        ({"bodies": [(3, 5.0), (4, 2.0)]}, "bodies"),
        ({"together": (0, 3)}, "together"),
        ({"flowing": 0.0}, "flowing"),
    ],
)
def test_wrong_arguments_are_refused(arguments, named):
    with pytest.raises(ValueError, match=named):
        elastoplastic.compute(**{"seed": 1, **arguments})


@pytest.mark.slow
@pytest.mark.compiled
def test_twenty_seeds():
    """Deviations of all seeds are within their errors, and tau scatters as the jackknife says."""
    taus, errors = [], []
    bodies = ((8, 40.0), (12, 20.0), (16, 12.0))
    for seed in range(20):
        checks, _ = elastoplastic.compute(seed, bodies)
        assert [str(check) for check in checks[:-1] if abs(check.deviation) > 1.0] == []
        assert abs(checks[-1].deviation) < 3.0
        taus.append(checks[-1].value)
        errors.append(float(checks[-1].name.partition("(")[2].split()[0]))
        print(checks[-1])
    # the standard deviation of 20 values is known to 16 %
    assert 0.5 < np.std(taus, ddof=1) / np.mean(errors) < 1.6
