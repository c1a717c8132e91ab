"""Section III in exact super blocks: which orders of the interaction (3.2), (3.4), (3.7) and (3.8) have."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from mbfast import units
from mbfast._core.extrapolation import at_zero
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import POLARIZATIONS, Polarization
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import L_1, SILICA, deviation
from mbfast.pairs.angular import MomentChange, angular_coefficients
from mbfast.pairs.averages import lattice_sum
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.spectra.moduli import isotropic_moduli
from mbfast.superblock.block import Block
from mbfast.superblock.clusters import second_order
from mbfast.superblock.coupled import CoupledBlocks
from mbfast.superblock.hamiltonian import SuperBlock
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.superblock.perturbation import first_order
from mbfast.superblock.sums import BlockSum

Shape = tuple[int, int, int]

# Two-level blocks that are equal but for signs and directions, T = t (n m + m n) sigma_z/2. All is in powers of the
# coupling u = t^2/(8 pi rho c_t^2 L^3 E), which may be taken as 1 here and have any value.
SPLITTING = 1e-24  # J
KELVIN = 0.5 * SPLITTING / units.K_B
OMEGA = (np.linspace(0.25, 1.75, 4) + 0.5j) * SPLITTING / units.HBAR
_MATERIAL = StressInteraction.of(SILICA)
_DIFFERENT = (0.5, 1.0, -1.6, 2.3)  # asymmetries of four blocks, as in `_square`
_SIZE = math.sqrt(8.0 * math.pi * SILICA.modulus_t * L_1**3 * SPLITTING)


class Row(NamedTuple):
    """Second order in Im chi of super blocks, in units of order 0 and u^2: mean over an ensemble, standard error."""

    shape: Shape
    members: int
    share: float
    error: float

    @property
    def interval(self) -> float:
        """Half of the interval of 95 % about the mean: of few members that is more than two errors, by Student's t."""
        return self.error * float(stdtrit(self.members - 1, 0.975))


# What `row` makes of these shapes and members; tests make some of them again.
RECORDED = {
    "chains": (
        Row((2, 1, 1), 200, -0.3147, 0.0391),
        Row((4, 1, 1), 200, -0.4787, 0.0406),
        Row((8, 1, 1), 100, -0.6071, 0.0501),
        Row((16, 1, 1), 40, -0.6346, 0.0540),
    ),
    "sheets": (
        Row((2, 2, 1), 200, -0.6717, 0.0403),
        Row((3, 3, 1), 100, -0.9247, 0.0631),
        Row((4, 4, 1), 40, -0.9761, 0.0673),
    ),
    "cubes": (
        Row((2, 2, 2), 200, -1.1665, 0.0392),
        Row((3, 3, 3), 40, -1.4932, 0.0706),
        Row((4, 4, 4), 6, -1.8891, 0.0859),
    ),
}


def directions(n: int, rng: np.random.Generator) -> FloatArray:
    """Return stresses (n, 3, 3) of shear, n m + m n with unit vectors n and m across, that have all directions."""
    # plain sums, whose signs and last digits no library of linear algebra decides
    one, other = np.moveaxis(rng.normal(size=(n, 3, 2)), 2, 0)
    one = one / np.sqrt((one * one).sum(axis=1))[:, None]
    other = other - (one * other).sum(axis=1)[:, None] * one
    other = other / np.sqrt((other * other).sum(axis=1))[:, None]
    half = one[:, :, None] * other[:, None, :]
    return np.asarray(half + half.swapaxes(1, 2))


def blocks(signs: FloatArray, stresses: FloatArray) -> list[Block]:
    """Return two-level blocks with M = 0.8, D = 0.6 and a sign, and a stress."""
    pairs = zip(signs, stresses, strict=True)
    return [Block.two_level(0.6 * SPLITTING * sign, 0.8 * SPLITTING, _SIZE * stress) for sign, stress in pairs]


def super_blocks(shape: Shape, members: int) -> Iterator[CoupledBlocks]:
    """Yield super blocks of an ensemble, always the same."""
    rng, n = np.random.default_rng(1), math.prod(shape)
    for _ in range(members):
        stresses, signs = directions(n, rng), rng.choice([-1.0, 1.0], n)
        yield CoupledBlocks(_MATERIAL, BlockLattice(shape, L_1), blocks(signs, stresses))


def moduli(tensor: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the modulus chi_t (k,) of tensors (k, 6, 6): of shear alone chi_l is 4/3 of it."""
    return np.asarray(isotropic_moduli(tensor).transverse)


def row(shape: Shape, members: int) -> Row:
    """Return the second order of an ensemble."""
    volume, parts = math.prod(shape) * L_1**3, []
    for system in super_blocks(shape, members):
        alone = moduli(first_order(system, OMEGA, KELVIN, volume=volume).uncoupled).imag
        parts.append((second_order(system, OMEGA, KELVIN, volume=volume)[1].imag, alone))
    second, alone = np.array(parts).swapaxes(0, 1)
    # the factor that makes order 0 closest to the mean; order 0 differs little from member to member
    shares = second @ alone.mean(axis=0) / (alone.mean(axis=0) ** 2).sum()
    return Row(shape, members, float(shares.mean()), float(shares.std(ddof=1) / math.sqrt(members)))


def _square(asymmetries: tuple[float, ...]) -> SuperBlock:
    """Return four blocks in a square, their asymmetries in 0.6 of the splitting."""
    stresses = directions(4, np.random.default_rng(2))
    return SuperBlock(_MATERIAL, BlockLattice((2, 2, 1), L_1), blocks(np.array(asymmetries), stresses))


def _power(system: SuperBlock) -> float:
    """Return the power of the interaction in what the levels differ by from E_n + <n|V|n>."""
    alone = np.empty((system.dimension, system.dimension))
    singles = BlockSum([system.block_hamiltonian(s) / SPLITTING for s in range(system.n_blocks)])
    singles.apply(np.eye(system.dimension), alone, 1)
    levels, states = np.linalg.eigh(alone)
    coupled = states.T @ (system.dense() / SPLITTING - alone) @ states
    left = [
        np.abs(np.linalg.eigvalsh(np.diag(levels) + g * coupled) - np.sort(levels + g * np.diagonal(coupled))).max()
        for g in (1e-4, 2e-4)
    ]
    return math.log2(left[1] / left[0])


@claims_of("3.2")
def _perturbed_levels() -> Claims:
    quantity = "power of the interaction in what (3.2) leaves out of the levels"
    note = "all levels of four two-level blocks"
    yield Claim("eq3.2", f"{quantity}, blocks that differ", "2", _power(_square(_DIFFERENT)), note)
    note = "of equal blocks the denominators are zero: a quantum of one goes to another to first order"
    yield Claim("eq3.2.equal", f"{quantity}, equal blocks", "2", _power(_square((1.0,) * 4)), note, causes.DEGENERATE)


@claims_of("3.4")
def _single_blocks() -> Claims:
    system = _square(_DIFFERENT)
    whole = exact_susceptibility(system, OMEGA, KELVIN, volume=4 * L_1**3, coupling=0.0)[1]
    single = [SuperBlock(_MATERIAL, np.zeros((1, 3)), block) for block in system.levels]
    alone = sum(exact_susceptibility(one, OMEGA, KELVIN, volume=4 * L_1**3)[1] for one in single)
    quantity = "χ of a super block without interaction from the sum over its blocks"
    yield Claim("eq3.4", quantity, None, deviation(whole, np.asarray(alone)), "from the levels of the whole")


def _slope(system: SuperBlock) -> NDArray[np.complex128]:
    """Return the derivative of chi_t by the coupling at none, from the levels at eight of them."""
    steps, volume = 1e-3 * np.arange(1.0, 5.0), system.n_blocks * L_1**3

    def odd(h: float) -> NDArray[np.complex128]:
        plus, minus = (exact_susceptibility(system, OMEGA, KELVIN, volume=volume, coupling=g)[1] for g in (h, -h))
        return np.asarray((plus - minus) / (2.0 * h))

    return at_zero(steps**2, np.array([odd(h) for h in steps]))


@claims_of("3.8")
def _orders() -> Claims:
    system = _square(_DIFFERENT)
    first = first_order(system, OMEGA, KELVIN, volume=4 * L_1**3)
    both = moduli(first.random_phase) + moduli(first.hartree)
    note = "random phases, (3.7) as derived, and blocks in the mean stresses of their neighbours"
    quantity = "dχ/dg by all levels from two parts of first order"
    yield Claim("eq3.8.first", quantity, None, deviation(both, _slope(system)), note)
    signed = [_square(tuple(np.abs(_DIFFERENT) * signs)) for signs in itertools.product((1, -1), repeat=4)]
    parts = np.array([moduli(first_order(one, OMEGA, KELVIN, volume=4 * L_1**3).hartree) for one in signed])
    off = np.abs(parts.mean(axis=0)).max() / np.abs(parts).max()
    quantity = "the mean over all signs of the part by mean stresses, from zero"
    yield Claim("eq3.8.signs", quantity, None, off, "stresses of both signs are equally likely in the paper, too")
    orders = [first_order(one, OMEGA, KELVIN, volume=8 * L_1**3) for one in super_blocks((2, 2, 2), 24)]
    phases, static = (
        np.sqrt(np.mean([np.abs(moduli(part)) ** 2 for part in parts]))
        for parts in ([one.random_phase for one in orders], [one.hartree for one in orders])
    )
    quantity = "first order that (3.8) leaves out, over (3.7) as derived, rms of single super blocks, N0 = 2"
    note = "each block has other levels and populations in the mean stresses of its neighbours; D = 0.6, k_BT = E/2"
    yield Claim("eq3.8.neighbours", quantity, "0.00", static / phases, note, causes.NEIGHBOURS)
    cubes = RECORDED["cubes"]
    quantity = "second order that (3.8) leaves out of the mean absorption, over Ė(1) u², N0 = 2"
    note = (
        f"recorded, of {cubes[0].members} super blocks, ± {cubes[0].interval:.2f} (95 %); u = t²/(8πρc_t²L³E), "
        "stresses t of all directions, ω = 0.25 to 1.75 E/ħ, k_BT = E/2, width E/2ħ; first order has no mean over "
        "directions, and Ė(2) is as u², too"
    )
    yield Claim("eq3.8.second", quantity, "0.00", cubes[0].share, note, causes.SECOND_ORDER)
    listed = ", ".join(
        f"{found.share / sixth(found.shape):.3f} ± {found.interval / sixth(found.shape):.3f}" for found in cubes
    )
    growth = cubes[-1].share / cubes[0].share
    error = abs(growth) * math.hypot(*(found.interval / found.share for found in (cubes[0], cubes[-1])))
    note = (
        f"recorded, of {cubes[0].members} and {cubes[-1].members} super blocks, ± {error:.2f} (95 %, Student's t): as "
        f"S_6, which converges; over S_6 it is {listed} for N0 = 2, 3, 4"
    )
    quantity, test = "growth of the second order per block, N0 = 2 to 4", "test_second_order_grows_as_pairs_do"
    test = f"tests/test_perturbation_findings.py::{test}"
    yield Claim("eq3.8.growth", quantity, "2.00", growth, note, causes.LOGARITHM, test=test)


@claims_of("3.8")
def _followed() -> Claims:
    """Yield what Ė(2) and Ė(3) are with the ΔT by which a rotation costs nothing, for Im χ̃_l/Im χ̃_t = c_l²/c_t²."""
    powers = np.multiply.outer(SILICA.alpha ** np.arange(3), (SILICA.c_l**2 / SILICA.c_t**2 - 2.0) ** np.arange(3))

    def average(polarization: Polarization, moment_change: MomentChange, *, coherent: bool) -> float:
        table = angular_coefficients("corrected", polarization, moment_change=moment_change, coherent=coherent)
        return float(sum(float(c) * powers[p, q] for p, row in enumerate(table) for q, c in enumerate(row)))

    for polarization in POLARIZATIONS:
        second = average(polarization, "none", coherent=True)
        both, together = (average(polarization, "gradient", coherent=coherent) for coherent in (False, True))
        quantity = f"Ė(3)/Ė(2), ΔT = gT + Tgᵀ, a-SiO2, {polarization}"
        note = "g the gradient of the displacement: K_a of order 1 beside the bracket of (3.5), as said"
        yield Claim(f"eq3.8.third.{polarization[0]}", quantity, "~1", both / second - 1.0, note)
        quantity = f"Ė(2) + Ė(3) over what ΔΛ and ΔT absorb together, ΔT = gT + Tgᵀ, a-SiO2, {polarization}"
        note = "their squares are added; together a rotation costs no energy"
        test = "tests/test_perturbation_findings.py::test_changes_of_tensor_and_stress_are_added_before_squaring"
        yield Claim(
            f"eq3.8.squares.{polarization[0]}", quantity, "1.00", both / together, note, causes.SQUARES, test=test
        )


def sixth(shape: Shape) -> float:
    """Return S_6, the sum of (L/x)^6 over pairs, per block."""
    return float(lattice_sum(BlockLattice(shape, 1.0), 6))
