"""Where perturbation theory in the interaction of blocks leaves something out: closed forms, and all levels."""

import itertools
import math

import numpy as np
import pytest
from materials import SILICA, WEIGHTS, full
from numpy.testing import assert_allclose

import mbfast
from mbfast import Block, SuperBlock
from mbfast.audit import _superblock, reproduce
from mbfast.superblock.clusters import second_order
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.units import HBAR, K_B

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own

ENERGY, SIDE = 1e-24, 5e-9
SHEAR = np.array([0, 0, 0, 0, 0, 2e-20])
PAIR = np.array([[0.0, 0, 0], [0, 0, SIDE]])
OMEGA = (np.linspace(0.3, 1.8, 4) + 0.4j) * ENERGY / HBAR


def coupling(first, second):
    """J of J sigma_z sigma_z' for two stresses of six."""
    tensor = SILICA.tensor(PAIR[0] - PAIR[1])
    return 0.5 * np.einsum("ijkl,ij,kl->", tensor, full(first), full(second))


def test_levels_of_equal_blocks_shift_to_first_order():
    # J sigma_z sigma_z' has no mean in the states of Delta_0 (sigma_x + sigma_x')/2; exactly they are at +-J and +-E
    j = coupling(SHEAR, SHEAR)
    levels = SuperBlock(SILICA, PAIR, Block.two_level(0.0, ENERGY, SHEAR)).energies()
    left = np.abs(levels - [-ENERGY, 0.0, 0.0, ENERGY])
    assert_allclose(left[1:3], abs(j), rtol=1e-9)
    assert_allclose(left[[0, 3]], j**2 / (2 * ENERGY), rtol=1e-3)


def test_mean_stresses_of_neighbours_are_first_order_and_average_to_zero():
    # (3.7) as derived for two shears: 4 v v' (t:Lambda:t') (t:t')/10, v from (2.1); the slope from all levels
    kelvin, volume, energy = 0.4 * ENERGY / K_B, 2 * SIDE**3, np.array([1.0, 1.3]) * ENERGY
    stresses = [SHEAR, np.array([0, 0, 0, 0, 1.2e-20, 1e-20])]
    responses = [
        0.8**2 / 4 * math.tanh(e / (2 * K_B * kelvin)) * (1 / (HBAR * OMEGA - e) - 1 / (HBAR * OMEGA + e))
        for e in energy
    ]
    both = 2 * coupling(*stresses)  # t:Lambda:t'
    wanted = 4 * responses[0] * responses[1] * both * (WEIGHTS * stresses[0] @ stresses[1]) / 10 / volume
    slopes = []
    for signs in itertools.product((1, -1), repeat=2):
        blocks = [Block.two_level(0.6 * e * s, 0.8 * e, t) for e, s, t in zip(energy, signs, stresses, strict=True)]
        made = SuperBlock(SILICA, PAIR, blocks)
        at = [exact_susceptibility(made, OMEGA, kelvin, volume=volume, coupling=g)[1] for g in (1, -1, 2, -2)]
        slopes.append((8 * (at[0] - at[1]) - (at[2] - at[3])) / 12)
    scale = np.abs(wanted).max()
    assert_allclose(np.mean(slopes, axis=0), wanted, rtol=0, atol=1e-3 * scale)
    assert all(np.abs(slope - wanted).max() > 0.2 * scale for slope in slopes)


def test_of_a_pair_second_order_is_what_its_levels_say():
    # at T = 0 one line at J + E of weight (1 - J/E)/2 for (sigma_z + sigma_z')/2, E^2 = Delta_0^2 + J^2
    j, volume = coupling(SHEAR, SHEAR) / ENERGY, 2 * SIDE**3
    circle, u = 0.1 * np.exp(2j * np.pi * np.arange(32) / 32), HBAR * OMEGA[:, None] / ENERGY
    energy = np.sqrt(1 + circle**2)
    lines = 0.5 * (1 - circle / energy) * (1 / (u - circle - energy) - 1 / (u + circle + energy))
    coefficient = (lines * circle**-2).mean(axis=1)  # of J^2
    wanted = coefficient * j**2 * (WEIGHTS * SHEAR @ SHEAR) / 10 / ENERGY / volume
    made = SuperBlock(SILICA, PAIR, Block.two_level(0.0, ENERGY, SHEAR))
    found = second_order(made, OMEGA, ENERGY / (60 * K_B), volume=volume)[1]
    assert np.abs(wanted).max() > 0
    assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


def test_signs_of_random_stresses_are_those_of_the_normal_numbers():
    # n along the first of two, m in the half plane of the other one: a LAPACK's convention gives both signs
    one, other = np.moveaxis(np.random.default_rng(3).normal(size=(40, 3, 2)), 2, 0)
    stresses = _superblock.directions(40, np.random.default_rng(3))
    assert_allclose(np.einsum("ni,nij,nj->n", one, stresses, one), 0.0, atol=1e-14 * (one**2).sum(axis=1).max())
    area = np.sqrt((np.cross(one, other) ** 2).sum(axis=1))
    assert_allclose(np.einsum("ni,nij,nj->n", one, stresses, other), area, rtol=1e-12)
    assert_allclose(np.sort(np.linalg.eigvalsh(stresses)), np.broadcast_to([-1.0, 0.0, 1.0], (40, 3)), atol=1e-14)


RECORDED = [row for group in _superblock.RECORDED.values() for row in group]


@pytest.mark.compiled
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=pytest.mark.slow if math.prod(row.shape) > 2 else ())
        for row in RECORDED
        if math.prod(row.shape) <= 4
    ],
)
def test_what_is_recorded_is_what_is_computed(row):
    # rounded to four digits
    assert_allclose(_superblock.row(row.shape, row.members)[2:], row[2:], rtol=0, atol=6e-5)


def test_second_order_grows_as_pairs_do():
    rows = RECORDED
    sums = np.array([_superblock.sixth(row.shape) for row in rows])
    shares, errors = np.array([row.share for row in rows]) / sums, np.array([row.error for row in rows]) / sums
    mean = np.average(shares, weights=errors**-2)
    assert mean < -8 * np.sum(errors**-2) ** -0.5
    assert np.sum(((shares - mean) / errors) ** 2) < 25  # of ten rows
    cubes = _superblock.RECORDED["cubes"]
    growth = cubes[-1].share / cubes[0].share
    assert growth + growth * math.hypot(*(c.interval / c.share for c in (cubes[0], cubes[-1]))) < 2.0  # ln 4/ln 2


def test_claims_from_recorded_numbers_say_so():
    notes = {record.id: record.note for record in reproduce(["3.8"])}
    assert "recorded, of 200 super blocks, ± 0.08 (95 %)" in notes["eq3.8.second"]
    assert "recorded, of 200 and 6 super blocks, ± 0.22 (95 %, Student's t)" in notes["eq3.8.growth"]
    few = _superblock.RECORDED["cubes"][-1]
    assert few.interval / few.error == pytest.approx(2.5706, abs=1e-4)  # t of 5 degrees of freedom, from tables


DIRECTIONS = [  # a product rule, exact to order 13
    (w / 28, np.array([math.sqrt(1 - c * c) * math.cos(p), math.sqrt(1 - c * c) * math.sin(p), c]))
    for c, w in zip(*np.polynomial.legendre.leggauss(7), strict=True)
    for p in 2 * math.pi * np.arange(14) / 14
]


@pytest.mark.parametrize("polarization", ["longitudinal", "transverse"])
@pytest.mark.parametrize("follows", ["gradient", "strain"])
def test_changes_of_tensor_and_stress_are_added_before_squaring(polarization, follows):
    # index by index, Delta T_ij = g_im T_mj + g_jm T_im in a wave along z
    alpha, x, delta = 0.4, 0.7, np.eye(3)
    isotropic = x * np.einsum("ij,kl->ijkl", delta, delta)
    isotropic += np.einsum("ik,jl->ijkl", delta, delta) + np.einsum("il,jk->ijkl", delta, delta)
    interaction = mbfast.StressInteraction(1 / (8 * math.pi), math.sqrt(1 / (1 - alpha)), 1.0)
    gradient = np.outer(delta[2 if polarization == "longitudinal" else 0], delta[2])
    g = gradient if follows == "gradient" else 0.5 * (gradient + gradient.T)
    totals = {True: 0.0, False: 0.0}
    for w, n in DIRECTIONS:
        moved, still = interaction.tensor_change(n, gradient @ n), interaction.tensor(n)
        turned = np.einsum("mi,mjkl->ijkl", g, still) + np.einsum("mj,imkl->ijkl", g, still)
        turned += np.einsum("mk,ijml->ijkl", g, still) + np.einsum("ml,ijkm->ijkl", g, still)
        square = lambda m: np.einsum("ijkl,pqrs,ijpq,klrs->", m, m, isotropic, isotropic)  # noqa: E731
        totals[True] += w * square(moved + turned)
        totals[False] += w * (square(moved) + square(turned))
    for coherent, total in totals.items():
        table = mbfast.angular_coefficients("corrected", polarization, moment_change=follows, coherent=coherent)
        found = sum(float(c) * alpha**p * x**q for p, row in enumerate(table) for q, c in enumerate(row))
        assert found == pytest.approx(total, rel=1e-12)
    assert totals[False] > 1.2 * totals[True]
