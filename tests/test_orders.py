"""Perturbation theory in the coupling of blocks, over ensembles: closed forms, other routes to order 2, the archive."""

import dataclasses
import functools
import itertools
import warnings

import naive
import numpy as np
import pytest
from materials import DIPOLES, SILICA, largest
from numpy.testing import assert_allclose
from test_response import ENERGY, GRID, HBAR, K_B, KELVIN, SCALE, STRESS, VOLUME, WAVE, dense_stress, levels, wells

import mbfast
from mbfast import Block, SuperBlock, testing
from mbfast.superblock import ensembles, kubo
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.superblock.orders import measure_orders
from mbfast.superblock.perturbation import first_order
from mbfast.superblock.remainders import Orders

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own

Z = SCALE * np.array([0.3 + 0.5j, 1.5 + 0.8j])


def pairs(rng):
    return SuperBlock(SILICA, GRID[:2], ensembles.isotropic_two_level_blocks(2, STRESS, 4 * ENERGY, ENERGY, rng=rng))


def one_after_the_other(systems):
    """What draws given super blocks."""
    waiting = iter(systems)
    return lambda **_: next(waiting)


def measured(systems, temperature=KELVIN, couplings=(1 / 64, 1 / 32, 1 / 16), **options):
    """Orders of one ensemble, of given super blocks."""
    arguments = {"block_volume": VOLUME / systems[0].n_blocks, "members": len(systems), **options}
    rng = np.random.default_rng(1)
    draw = one_after_the_other(systems)
    return measure_orders({"given": draw}, Z, temperature, couplings=couplings, rng=rng, **arguments)


def alone(made):
    """Hamiltonian without couplings of different blocks, by Kronecker products."""
    total = np.zeros((made.dimension,) * 2, complex)
    for s in range(made.n_blocks):
        before, after = int(np.prod(made.dims[:s])), int(np.prod(made.dims[s + 1 :]))
        total += np.kron(np.kron(np.eye(before), made.block_hamiltonian(s)), np.eye(after))
    return total


def moduli(tensors):
    """Isotropic moduli (c, k) of what is symmetric in complex tensors (k, 6, 6); of dipoles the mean."""
    if tensors.shape[-1] == 3:
        return np.trace(tensors, axis1=1, axis2=2)[None] / 3
    parts = [np.stack(mbfast.isotropic_moduli(part)) for part in (tensors.real, tensors.imag)]
    return parts[0] + 1j * parts[1]


def even_in_k(made, wavevector, function):
    """The part of a tensor that is even in k, (k, c, c)."""
    waves = [None] if wavevector is None else [wavevector, -wavevector]
    return np.mean([[function(dense_stress(made, wave), z) for z in Z] for wave in waves], axis=0)


MADE = {
    "wells": lambda: wells(1, 3),
    "levels": lambda: levels(2, 2),
    "dipoles": lambda: wells(3, 3, interaction=DIPOLES, unit=1e-29),
}


@pytest.mark.parametrize("wavevector", [None, WAVE], ids=["uniform", "wave"])
@pytest.mark.parametrize("kelvin", [0.0, KELVIN])
@pytest.mark.parametrize("name", MADE)
def test_the_exact_susceptibility_is_kubos_sum(name, kelvin, wavevector):
    made, g = MADE[name](), -0.7
    h = alone(made) + g * (made.dense() - alone(made))
    wanted = moduli(
        even_in_k(made, wavevector, lambda stress, z: testing.kubo(h, stress, kelvin, z, VOLUME, HBAR, K_B))
    )
    result = exact_susceptibility(made, Z, kelvin, volume=VOLUME, wavevector=wavevector, coupling=g)
    # a resolvent at a distance of 0.5 from levels up to 10 apart: rounding errors below 1e3 times 2^-52
    assert_allclose(result, wanted, rtol=0, atol=1e-12 * largest(wanted))


@pytest.mark.parametrize("kelvin", [0.0, KELVIN])
def test_its_real_part_is_that_of_lorentzian_lines(kelvin):
    # the imaginary part of such lines has its thermal factor at the frequency, not at the line
    made, width, omega = levels(6, 2), 0.4 * SCALE, SCALE * np.array([0.0, 0.7, 2.0])
    options = {"volume": VOLUME, "wavevector": WAVE}
    lines = made.susceptibility(
        omega, kelvin, broadening=width, shape="lorentzian", reduced=False, method="exact", **options
    )
    result = exact_susceptibility(made, omega + 1j * width, kelvin, **options)
    assert_allclose(result.real, np.stack(lines.real), rtol=0, atol=1e-12 * largest(result))


def test_uncoupled_blocks_are_those_of_first_order():
    made = levels(4, 3)
    result = exact_susceptibility(made, Z, KELVIN, volume=VOLUME, coupling=0.0)
    wanted = moduli(first_order(made, Z, KELVIN, volume=VOLUME).uncoupled)
    assert_allclose(result, wanted, rtol=0, atol=1e-12 * largest(wanted))


def test_degenerate_levels_respond_with_nothing():
    made = SuperBlock(SILICA, GRID[:1], Block([0.0, 0.0], np.ones((6, 2, 2))))
    assert not exact_susceptibility(made, [1j], 1.0, volume=VOLUME).any()


def test_second_order_of_two_equal_blocks_in_closed_form():
    # at T = 0 one line, at e = J + E with E^2 = D^2 + J^2, of weight (1 - J/E)/2, so that chi ~ f(J) =
    # w q(e), q = 1/(e - u) + 1/(e + u): f' = q'/2 - q/2D, f'' = q''/2 - q'/2D at J = 0
    block = Block.two_level(0.0, ENERGY, [0, 0, 0, 0, 0, STRESS])
    made = SuperBlock(SILICA, GRID[:2], block)
    j = 0.5 * STRESS**2 * made.couplings[0, 1, 5, 5] / ENERGY
    u = HBAR * Z / ENERGY
    q, first, second = (sign * (1 / (1 - u) ** n + 1 / (1 + u) ** n) for sign, n in ((1, 1), (-1, 2), (2, 3)))
    result = measured([made, made], temperature=0.0, couplings=np.array([1, 2, 4]) * 0.01 / abs(j))
    whole = 0.5 * q
    assert_allclose(
        (result.random_phase / result.uncoupled)[0, :, 1], [j * (0.5 * first - 0.5 * q) / whole] * 2, rtol=1e-12
    )
    wanted = 0.5 * j**2 * (0.5 * second - 0.5 * first) / whole
    found = (result.second / result.uncoupled)[0, 0, 1]
    # what is left out is of the order (4 J/|1 - u|)^6, J = 0.04
    assert_allclose(found, wanted, rtol=0, atol=1e-4 * largest(wanted))
    assert (np.abs(found - wanted) < (result.second_error / np.abs(result.uncoupled))[0, 0, 1]).all()


@pytest.mark.parametrize("wavevector", [None, WAVE], ids=["uniform", "wave"])
@pytest.mark.parametrize("name", MADE)
def test_second_order_is_that_of_the_equations_of_motion(name, wavevector):
    made = MADE[name]()
    without = alone(made)
    coupling = made.dense() - without
    wanted = moduli(
        even_in_k(
            made,
            wavevector,
            lambda stress, z: naive.second_order(without, coupling, stress, KELVIN, z, VOLUME, HBAR, K_B),
        )
    )
    g = 0.02 * np.array([1, 2, 4]) * ENERGY / np.linalg.norm(coupling, 2)
    result = measured([made, made], couplings=g, wavevector=wavevector)
    # couplings of 0.08 at most, beside distances of 0.5 and more: (0.16)^6 is left out, 1e-12/0.02^2 is rounding
    assert_allclose(result.second[0, 0], wanted, rtol=0, atol=1e-5 * largest(wanted))
    assert (np.abs(result.second[0, 0] - wanted) <= result.second_error[0, 0]).all()
    assert largest(result.second_error) < 1e-2 * largest(wanted)


@pytest.mark.parametrize("name", MADE)
def test_errors_of_each_order_grow_by_its_power(name):
    result = measured([MADE[name]()] * 2, couplings=[1 / 128, 1 / 64, 1 / 32])
    for order in (0, 1, 2):
        value, error = result.errors(order)
        assert_allclose(np.diff(np.log2(value), axis=1), order + 1, atol=0.2)
        assert largest(error) < 1e-12  # members are equal
        assert largest(value - result.mean_errors(order).value) < 0.2 * largest(value)  # +g for both signs
    assert result.errors(2).value.max() < result.errors(1).value.max() < result.errors(0).value.max()


def test_means_and_standard_errors_are_those_of_loops():
    result = measured([wells(seed, 2) for seed in range(5)], couplings=[0.1, 0.2, 0.4])
    left = result.exact - result.uncoupled[:, :, None, None]
    g = np.array([0.1, 0.2, 0.4])
    for n, c in itertools.product(range(3), range(2)):

        def ratio(members, n=n, c=c):
            top = sum(abs(left[0, m, sign, n, c, k]) ** 2 for m in members for sign in (0, 1) for k in (0, 1)) / 2
            return np.sqrt(top / sum(abs(result.uncoupled[0, m, c, k]) ** 2 for m in members for k in (0, 1)))

        others = [ratio([m for m in range(5) if m != out]) for out in range(5)]
        assert result.errors(0).value[0, n, c] == pytest.approx(ratio(range(5)), rel=1e-12)
        assert result.errors(0).error[0, n, c] == pytest.approx(np.std(others) * 2, rel=1e-9)
        mean = left[0, :, 0, n, c].mean(axis=0)
        wanted = np.linalg.norm(mean) / np.linalg.norm(result.uncoupled[0, :, c].mean(axis=0))
        assert result.mean_errors(0).value[0, n, c] == pytest.approx(wanted, rel=1e-12)
    first = result.random_phase + result.hartree
    for power, sign in ((1, 0), (-1, 1)):
        one = left[:, :, sign, 1] - power * g[1] * first - g[1] ** 2 * result.second
        assert_allclose(result.remainder(2)[:, :, sign, 1], one, rtol=0, atol=1e-14 * largest(left))
    average = result.average("second")
    assert_allclose(average.value, result.second.mean(axis=1), rtol=1e-12)
    assert_allclose(average.error.imag, result.second.imag.std(axis=1, ddof=1) / np.sqrt(5), rtol=1e-12)
    change, whole = result.second.imag.mean(axis=1)[0], result.uncoupled.imag.mean(axis=1)[0]
    for c in (0, 1):
        slope = np.linalg.lstsq(whole[c][:, None], change[c], rcond=None)[0][0]
        assert result.share("second").value[0, c] == pytest.approx(slope, rel=1e-10)


def signed(n):
    """Super blocks of n blocks with all signs of their stresses."""
    rng = np.random.default_rng(5)
    parameters = [(ENERGY * rng.normal(), STRESS * rng.normal(size=6)) for _ in range(n)]
    for signs in itertools.product((1.0, -1.0), repeat=n):
        blocks = [Block.two_level(a, ENERGY, sign * t) for sign, (a, t) in zip(signs, parameters, strict=True)]
        yield SuperBlock(SILICA, GRID[:n], blocks)


def test_over_signs_hartree_vanishes_but_odd_orders_do_not():
    for n in (2, 3):
        result = measured(list(signed(n)), couplings=[1 / 32, 1 / 16, 1 / 8])
        phases = result.random_phase[0]
        assert_allclose(phases, phases[[0] * 2**n], rtol=0, atol=1e-12 * largest(phases))  # T_s twice in each term
        assert largest(result.average("hartree").value) < 1e-12 * largest(result.hartree)
        odd = 0.5 * (result.exact[0, :, 0] - result.exact[0, :, 1]).mean(axis=0)
        g = result.couplings[:, None, None]
        cubes = odd / g**3 - phases[0] / g**2
        assert largest(cubes) > 1e-2 * largest(phases)
        assert_allclose(cubes[0], cubes[1], rtol=0, atol=0.1 * largest(cubes))


def test_the_same_seed_makes_the_same_bits_with_any_threads(tmp_path):
    def made(threads, progress=False):
        arguments = {"block_volume": VOLUME, "members": 4, "threads": threads, "progress": progress}
        return measure_orders({"a": pairs, "b": pairs}, Z, KELVIN, rng=np.random.default_rng(7), **arguments)

    done = []
    one, two = made(1), made(2, lambda *counts: done.append(counts))
    assert done == [(n, 8) for n in range(1, 9)]
    one.save(tmp_path / "one.npz")
    two.save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert not np.array_equal(one.exact[0], one.exact[1])
    again = Orders.load(tmp_path / "one.npz")
    for name, value in vars(one).items():
        assert np.array_equal(getattr(again, name), value), name
    assert list(again.names) == ["a", "b"]
    assert again.components == ("longitudinal", "transverse")
    assert measured([wells(1, 1, interaction=DIPOLES, unit=1e-29)] * 2).components == ("mean",)


@dataclasses.dataclass(frozen=True, eq=False)
class Measured(mbfast.DipoleInteraction):
    """An interaction with what JSON has no type for."""

    table: np.ndarray = dataclasses.field(default_factory=lambda: np.ones(2), repr=False)


def test_any_interaction_can_be_saved(tmp_path):
    result = measured([wells(1, 1, interaction=Measured(3.4e-11), unit=1e-29)] * 2)
    result.save(tmp_path / "run.npz")
    assert Orders.load(tmp_path / "run.npz").inputs["interaction"] == "Measured(permittivity=3.4e-11)"


def test_each_ensemble_has_its_medium(tmp_path):
    media = {"hard": SILICA, "soft": mbfast.StressInteraction(2000.0, 3000.0, 1500.0)}
    draws = {name: one_after_the_other([wells(1, 1, interaction=law)] * 2) for name, law in media.items()}
    arguments = {"block_volume": VOLUME, "members": 2, "rng": np.random.default_rng(1)}
    result = measure_orders(draws, Z, KELVIN, **arguments)
    result.save(tmp_path / "run.npz")
    inputs = Orders.load(tmp_path / "run.npz").inputs
    assert inputs["interactions"] == {name: dataclasses.asdict(law) for name, law in media.items()}
    assert "interaction" not in inputs


def test_memory_is_that_of_the_largest_member(monkeypatch):
    made = [wells(1, 1), SuperBlock(SILICA, GRID[:1], Block(np.arange(4.0) * ENERGY, np.zeros((6, 4, 4))))]
    monkeypatch.setattr(kubo, "available_memory", lambda: 16 * 8 * 14.0)  # one of them
    with pytest.raises(MemoryError, match="all levels of 2 super blocks at once of 4 states"):
        measured(made, threads=2)


def test_what_does_not_respond_has_no_relative_errors():
    silent = SuperBlock(SILICA, GRID[:2], Block.two_level(ENERGY, ENERGY, np.zeros(6)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = measured([silent] * 2)
        found = [result.errors(1), result.mean_errors(1), result.share("second"), result.share("hartree", "real")]
    assert all(np.isnan(x).all() for each in found for x in each)


def test_a_damaged_archive_is_refused(tmp_path):
    result = measured([wells(1, 1)] * 2)
    result.save(tmp_path / "fine.npz")
    content = dict(np.load(tmp_path / "fine.npz"))
    for name, array, match in (
        ("second", content["second"][..., :1], r"not orders, second must have shape \(1, 2, 2, 2\), got complex128"),
        ("exact", np.zeros(3, complex), "not orders, "),
        ("names", np.array([1.0]), r"not orders, names must have shape \(1,\), got float64"),
    ):
        np.savez(tmp_path / "bad.npz", **{**content, name: array})
        with pytest.raises(ValueError, match=match):
            Orders.load(tmp_path / "bad.npz")


def test_what_draws_no_ensemble_is_refused(monkeypatch):
    run = functools.partial(
        measure_orders, omega=Z, temperature=KELVIN, block_volume=VOLUME, members=2, rng=np.random.default_rng(1)
    )
    for given, match in (
        (pairs, "ensembles must be a mapping of names to what draws a super block, got <function"),
        ({1: pairs}, "ensembles must be a mapping of names"),
        ({"a": 5}, "ensembles must be a mapping of names to what draws a super block, got 5"),
        ({"a": lambda **_: 5}, "ensembles must draw super blocks, got 5 of a"),
    ):
        with pytest.raises(TypeError, match=match):
            run(given)
    different = one_after_the_other([wells(1, 1), wells(1, 2)])
    dipoles = one_after_the_other([wells(1, 1), wells(1, 1, interaction=DIPOLES)])
    for given, match in (
        ({}, "ensembles must be one at least, got none"),
        ({"a": different}, "ensembles must have members of as many blocks and the same components, got <SuperBlock: 2"),
        ({"a": dipoles}, "ensembles must have members of as many blocks and the same components"),
    ):
        with pytest.raises(ValueError, match=match):
            run(given)
    for couplings, match in (
        ([1.0, 2.0], r"couplings must have shape \(n,\) with n of 3 or more, got \(2,\)"),
        ([1.0, 3.0, 2.0], "couplings must increase, up to 1e6 at most"),
        ([0.0, 1.0, 2.0], "couplings must be positive"),
    ):
        with pytest.raises(ValueError, match=match):
            run({"a": pairs}, couplings=couplings)
    with pytest.raises(ValueError, match="members must be at least 2, got 1"):
        run({"a": pairs}, members=1)
    with pytest.raises(ValueError, match=r"block_volume must be at most 5e\+34 m\^3 of each of 2 blocks, got 1e\+35"):
        run({"a": pairs}, block_volume=1e35)
    strong = one_after_the_other([SuperBlock(SILICA, GRID[:2], Block.two_level(ENERGY, ENERGY, np.ones(6)))] * 2)
    with pytest.raises(ValueError, match=r"ensembles must draw blocks that .* with up to 1e\+35 Pa, got .* of the lev"):
        run({"a": strong})
    monkeypatch.setattr(kubo, "available_memory", lambda: 16 * 8 * 14.0)
    with pytest.raises(
        MemoryError, match=r"all levels of 2 super blocks at once of 4 states needs 3.58e-06 GB, .* 3 st"
    ):
        run({"a": pairs}, threads=2)
    assert run({"a": pairs}, threads=1).exact.shape == (1, 2, 2, 5, 2, 2)


def test_isotropic_blocks_are_two_level_blocks_with_isotropic_stresses():
    made = ensembles.isotropic_two_level_blocks(3, STRESS, ENERGY, 0.1 * ENERGY, 0.5, rng=np.random.default_rng(2))
    rng = np.random.default_rng(2)
    stress = ensembles.isotropic_stress(3, STRESS, 0.5, rng=rng)
    for one, other in zip(made, ensembles.two_level_blocks(3, stress, ENERGY, 0.1 * ENERGY, rng=rng), strict=True):
        assert np.array_equal(one.energies, other.energies)
        assert np.array_equal(one.stress, other.stress)


def test_levels_far_below_the_frequency():
    energy, stress, z = 1e-300, np.array([0, 0, 0, 0, 0, 1e-20]), 1e9 + 1e8j
    made = SuperBlock(SILICA, GRID[:1], Block.two_level(energy, energy, stress))
    gap, element = 2**0.5 * energy, 1e-20 / 8**0.5
    tensor = np.zeros((1, 6, 6), complex)
    tensor[0, 5, 5] = 2 * (element / HBAR / z) ** 2 * gap / VOLUME
    assert_allclose(exact_susceptibility(made, [z], 0.0, volume=VOLUME), moduli(tensor), rtol=1e-12)
    near = [[0, 0, 0], [1e-65, 0, 0]]
    huge = SuperBlock(mbfast.DipoleInteraction(1e-35), near, Block.two_level(0.0, 1.0, [0, 0, 1e35]))
    with pytest.raises(ValueError, match="levels, coupling and omega make numbers beyond the range of doubles"):
        exact_susceptibility(huge, [1j], 0.0, volume=VOLUME, coupling=1e35)
