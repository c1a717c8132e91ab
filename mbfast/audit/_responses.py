"""Sections II and III before any interaction is averaged: strain, levels, responses in time, a few coupled blocks."""

from __future__ import annotations

import itertools
import math
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from mbfast import units
from mbfast._core.validate import FloatArray
from mbfast.audit._claims import Computed, deviation, identity, slope
from mbfast.audit._spectra import KELVIN, VOLUME, lines, rotations, seven_levels, thermal
from mbfast.glasses import load_glasses
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.spectra.moduli import isotropic_tensor

_SILICA = load_glasses(names=["a-SiO2"])[0]
_LAMBDA = StressInteraction.of(_SILICA)
_BETA = 1.0 / (units.K_B * KELVIN)
_FULL = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # from six components to three by three
_STRAIN = np.array([[0.3, 0.2, -0.5], [0.2, -0.4, 0.1], [-0.5, 0.1, 0.6]])


def _distances() -> Computed:
    """Find the strain from what distances gain in six directions, which a rotation cannot change."""
    gradient = np.array([[0.3, -0.5, 0.4], [0.7, 0.2, -0.9], [0.1, 0.8, -0.6]])
    found = np.empty((3, 3))
    for i, j in itertools.product(range(3), repeat=2):
        line = (np.eye(3)[i] + np.eye(3)[j]).astype(complex)
        moved = line + 1e-30j * (gradient @ line)
        found[i, j] = np.sqrt(moved @ moved).imag / 1e-30 * np.linalg.norm(line)  # e_ii + e_jj + 2 e_ij
    diagonal = np.diag(found) / 4
    found = 0.5 * (found - diagonal[:, None] - diagonal)
    printed = 0.5 * (gradient + gradient.T)
    return Computed(
        deviation(printed, found), "slopes of distances along axes and diagonals in a displacement ∂_j u_i x_j"
    )


def _phonons() -> Computed:
    """Diagonalise p²/2m + the elastic energy of each of a wave's three polarizations, on a grid of displacements."""
    k = np.array([0.48, -0.6, 0.64])
    moduli = isotropic_tensor(_SILICA.modulus_l, _SILICA.modulus_t)
    stiffness = np.einsum("ijkl,j,l->ik", moduli, k, k) / _SILICA.modulus_t  # ω² in units of (c_t k)²
    step = 0.3
    grid = step * np.arange(-32, 33)
    distance = np.subtract.outer(np.arange(65), np.arange(65))
    with np.errstate(divide="ignore"):
        kinetic = np.where(distance == 0, math.pi**2 / 3, 2.0 / distance.astype(float) ** 2)
    kinetic *= np.where(distance % 2 == 0, 0.5, -0.5) / step**2  # of functions limited to |p| < π/step
    levels = np.array(
        [np.linalg.eigvalsh(kinetic + np.diag(0.5 * w2 * grid**2))[:5] for w2 in np.linalg.eigvalsh(stiffness)]
    )
    velocities = np.array([_SILICA.c_t, _SILICA.c_t, _SILICA.c_l]) / _SILICA.c_t
    printed = np.outer(velocities, np.arange(5) + 0.5)
    return Computed(
        deviation(printed, levels),
        "five levels each of l, t, t with ω = ck: displacements on a grid, elastic energy Cee/2",
    )


def _operator(stress: FloatArray) -> FloatArray:
    """Return e_ij T_ij of a strain, from stresses (n, n, 6)."""
    return np.asarray(np.einsum("mnij,ij->mn", stress[..., _FULL], _STRAIN))


def _linear() -> Computed:
    energies, stress = seven_levels()
    coupling = _operator(stress)
    step = 0.015 * np.min(np.diff(energies)) / np.linalg.norm(coupling, 2)
    found = slope(lambda e: np.linalg.eigvalsh(np.diag(energies) + e * coupling), step)
    return Computed(deviation(np.diag(coupling), found), "slopes of the levels of H_0 + eT with e from <n|T|n>")


_STEP = 0.3 * units.HBAR / units.K_B  # s: lines are at a few k_B/ħ
_CIRCLE = np.exp(2j * np.pi * np.arange(32) / 32)


def _after_kicks(hamiltonian: FloatArray, kicked: FloatArray, measured: FloatArray) -> FloatArray:
    """Return the responses (6, a, b) of <measured> (a, n, n) to strains δ(t) that couple to kicked (b, n, n).

    The times are `_STEP` apart. A kick is exp(-iεT/ħ), analytic in ε: its linear part is Cauchy's integral on a circle.
    """
    from scipy.linalg import expm  # noqa: PLC0415

    forward, equilibrium = expm(-1j * _STEP / units.HBAR * hamiltonian), _equilibrium(hamiltonian)
    result = np.empty((6, len(measured), len(kicked)))
    for operator, responses in zip(kicked, np.moveaxis(result, 2, 0), strict=True):
        values, states = np.linalg.eigh(operator)
        size = np.ptp(values)
        kicks = np.multiply.outer(_CIRCLE, np.subtract.outer(values, values) / size)
        linear = np.mean(np.exp(-1j * kicks) / _CIRCLE[:, None, None], axis=0) * size / units.HBAR
        rho = states @ (linear * (states.T @ equilibrium @ states)) @ states.T
        for response in responses:
            rho = forward @ rho @ forward.conj().T
            response[:] = np.einsum("aij,ji->a", measured, rho).real
    return result


def _equilibrium(hamiltonian: FloatArray) -> FloatArray:
    from scipy.linalg import expm  # noqa: PLC0415

    rho = expm(-_BETA * hamiltonian)
    return np.asarray(rho / np.trace(rho))


def _by_lines(frequencies: FloatArray, weights: FloatArray) -> FloatArray:
    """Return χ at the times of `_after_kicks`, (2/π) ∫ Im χ sin(ωt) dω over positive frequencies."""
    return np.asarray(
        np.einsum("kt,k...->t...", np.sin(np.outer(frequencies, _STEP * np.arange(1, 7))), weights) / math.pi
    )


def _response() -> Computed:
    energies, stress = seven_levels()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]  # to a basis in which nothing is diagonal
    operators = np.einsum("ma,abc,nb->cmn", turn, stress, turn)
    found = _after_kicks(turn @ np.diag(energies) @ turn.T, operators, operators) / VOLUME
    note = "<T>(t) after a kick, propagated by exp(-iHt/ħ); (2/π)∫Im χ sin(ωt)dω"
    return Computed(deviation(_by_lines(*lines(energies, stress, reduced=False)), found), note)


def _stress_from_free_energy() -> Computed:
    energies, stress = seven_levels()
    operators = np.moveaxis(stress, -1, 0)
    strained = np.diag(energies) + 0.2 * units.K_B / units.EV * _operator(stress)

    def free_energy(operator: FloatArray, strain: float) -> float:
        return -float(np.log(np.sum(np.exp(-_BETA * np.linalg.eigvalsh(strained + strain * operator)))) / _BETA)

    step = 0.005 * units.K_B / units.EV
    slopes = np.array([slope(partial(free_energy, t), step) for t in operators])
    averages = np.einsum("aij,ji->a", operators, _equilibrium(strained))
    return Computed(deviation(averages, slopes), "F of the levels in a strain, <T> of the density matrix")


def _static_response() -> Computed:
    energies, stress = seven_levels()
    operators = np.moveaxis(stress, -1, 0)
    step = 0.005 * units.K_B / units.EV

    def averages(operator: FloatArray, strain: float) -> FloatArray:
        return np.asarray(np.einsum("aij,ji->a", operators, _equilibrium(np.diag(energies) + strain * operator)))

    found = np.array([slope(partial(averages, t), step) for t in operators])
    frequencies, weights = lines(energies, stress, reduced=False)
    moving = frequencies != 0.0
    by_lines = np.einsum("k,kab->ab", 1 / frequencies[moving], weights[moving]) * VOLUME / math.pi
    diagonal, populations = np.einsum("mma->am", stress), np.diag(thermal(energies))
    levels_shift = diagonal - (diagonal @ populations)[:, None]
    by_populations = -_BETA * np.einsum("m,am,bm->ab", populations, levels_shift, levels_shift)
    share = np.linalg.norm(by_populations) / np.linalg.norm(found)
    note = f"(1/π)∫Im χ/ω dω - β cov(T_mm): (2.9) leaves out the shifted populations, {100 * share:.0f} % of it here"
    return Computed(deviation(by_lines + by_populations, found), note)


class _SuperBlock(NamedTuple):
    """H_0, V and the stresses (blocks, 6) of (2.16) as matrices between the product states, and the blocks' places."""

    free: FloatArray
    coupling: FloatArray
    stress: FloatArray
    positions: FloatArray

    @property
    def hamiltonian(self) -> FloatArray:
        return self.free + self.coupling


def _product(operator: FloatArray, s: int, blocks: int) -> FloatArray:
    """Let an operator act on one of several equal blocks."""
    n = operator.shape[-1]
    return np.asarray(np.kron(np.kron(np.eye(n**s), operator), np.eye(n ** (blocks - s - 1))))


@cache
def _super_block() -> _SuperBlock:
    """Three blocks of silica, 5 nm each, with three levels each, different ones: 27 states."""
    rng = np.random.default_rng(151005528)
    energies = units.K_B * np.array([[0.0, 0.31, 0.65], [0.0, 1.12, 2.27], [0.0, 3.43, 7.1]])
    single = units.EV * rng.normal(size=(3, 6, 3, 3))
    single = single + single.swapaxes(-1, -2)
    positions = BlockLattice((2, 2, 1), 5e-9).positions[:3]
    stress = np.array([[_product(t, s, 3) for t in six] for s, six in enumerate(single)])
    free = sum((_product(np.diag(e), s, 3) for s, e in enumerate(energies)), np.zeros((27, 27)))
    coupling = np.zeros((27, 27))
    for s, t in itertools.permutations(range(3), 2):
        tensor = _LAMBDA.tensor(positions[s] - positions[t])
        coupling += np.einsum("ijkl,ijab,klbc->ac", tensor, stress[s][_FULL], stress[t][_FULL], optimize=True)
    return _SuperBlock(free, coupling, stress, positions)


def _exact(block: _SuperBlock, operators: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the exact levels, and up to six operators (a, n, n) between them as if they were stresses (n, n, 6)."""
    energies, states = np.linalg.eigh(block.hamiltonian)
    stress = np.zeros((*block.free.shape, 6))
    stress[..., : len(operators)] = np.einsum("am,iab,bn->mni", states, operators, states, optimize=True)
    return energies, stress


def _volume_average() -> Computed:
    block = _super_block()
    local = block.stress.reshape(18, 27, 27)
    responses = _after_kicks(block.hamiltonian, local, local).reshape(6, 3, 6, 3, 6)
    averaged = _by_lines(*lines(*_exact(block, block.stress.sum(axis=0)), reduced=False)) * VOLUME
    note = "kicks of one block and the stress of another, summed; Im χ of the summed stress of three coupled blocks"
    return Computed(deviation(averaged, responses.sum(axis=(1, 3))), note)


def _perturbed() -> Computed:
    block = _super_block()
    order = np.argsort(np.diag(block.free))
    energies, v = np.diag(block.free)[order], block.coupling[order][:, order]
    gaps = np.subtract.outer(energies, energies) + np.diag(np.full(27, np.inf))  # (p, n)
    mixing = -v / gaps
    step = 0.015 * np.min(np.abs(gaps)) / np.linalg.norm(v, 2)

    def exact(strength: float) -> tuple[FloatArray, FloatArray]:
        found, states = np.linalg.eigh(np.diag(energies) + strength * v)
        return found, np.einsum("pn,qn->npq", states, states)

    shifts = slope(lambda g: exact(g)[0], step)
    projectors = slope(lambda g: exact(g)[1], step)
    printed = np.einsum("pn,qn->npq", mixing, np.eye(27))
    worst = max(deviation(np.diag(v), shifts), deviation(printed + printed.swapaxes(1, 2), projectors))
    note = "three coupled blocks diagonalised; their levels differ: product states of equal blocks are degenerate"
    return Computed(worst, note)


def _pulse() -> Computed:
    from scipy.linalg import expm  # noqa: PLC0415

    block = _super_block()
    waves = np.cos(block.positions @ np.array([1e8, 2e8, 0.0]))
    coupling = np.einsum("s,siab->ab", waves, block.stress[:, :3])  # a wave that compresses and stretches
    times = _STEP * np.arange(12)
    strengths = np.exp(-(((np.arange(12) - 5.5) / 3) ** 2)) * np.cos(units.K_B / units.HBAR * times)
    values, states = np.linalg.eigh(coupling)
    strengths /= np.ptp(values)
    h = states.T @ block.hamiltonian @ states
    forward = expm(-1j * _STEP / units.HBAR * h)
    rho = np.broadcast_to(_equilibrium(h).astype(complex), (32, 27, 27))
    for strength in strengths:
        kicks = np.multiply.outer(_CIRCLE, strength * np.subtract.outer(values, values))
        rho = forward @ (np.exp(-1j * kicks) * rho) @ forward.conj().T
    taken_up = np.mean(np.einsum("zab,ba->z", rho, h) / _CIRCLE**2).real / units.HBAR**2
    frequencies, weights = lines(*_exact(block, coupling[None]), reduced=False)
    spectrum = np.abs(np.exp(1j * np.outer(frequencies, times)) @ strengths) ** 2
    golden = -0.5 * VOLUME / math.pi * float(np.sum(weights[:, 0, 0] * spectrum * frequencies))
    note = "H_0 + V taken up by three coupled blocks from weak kicks in a row; -(L³/2π)∫Im χ|e(ω)|²ω dω, exact levels"
    return Computed(abs(golden / taken_up - 1), note)


def _uncoupled() -> Computed:
    """Let a plane wave, with its phases, act on the product states of 2^3 blocks of two levels."""
    stress = units.EV * np.random.default_rng(7).normal(size=(2, 2, 6))
    coupling = _operator(stress + stress.swapaxes(0, 1))
    splitting = 0.9 * units.K_B
    phases = np.exp(1j * BlockLattice((2, 2, 2), 5e-9).positions @ np.array([1e8, 2e8, -3e8]))
    wave = sum(phase * _product(coupling, s, 8) for s, phase in enumerate(phases))
    excited = sum(np.diag(_product(np.diag([0.0, 1.0]), s, 8)) for s in range(8))
    populations = np.exp(-_BETA * splitting * excited)
    populations /= populations.sum()
    absorbing = np.subtract.outer(excited, excited) == 1  # (final, initial state)
    net = np.subtract.outer(-populations, -populations)
    super_block = 2 * math.pi / units.HBAR * float(np.sum(absorbing * net * np.abs(wave) ** 2))  # times ω δ(ω - E/ħ)
    one = np.zeros((2, 2, 6))
    one[..., 0] = coupling
    _, weights = lines(np.array([0.0, splitting]), one, reduced=False)
    printed = 8 * -2 * VOLUME * float(weights[-1, 0, 0])
    return Computed(
        abs(printed / super_block - 1), "golden rule in the 256 product states of 2³ blocks; (3.1) of one block"
    )


def _dielectric() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return seven levels' dipole operators (3, 7, 7), the lines and their weights (lines, 3, 3) in Im χ̃_ij."""
    energies, stress = seven_levels()
    frequencies, weights = lines(energies, stress, reduced=True)  # xx, yy, zz are any three operators
    return np.moveaxis(stress[..., :3], -1, 0), frequencies, weights[:, :3, :3]


def _isotropic_dielectric() -> Computed:
    operators, _, weights = _dielectric()
    average = sum(w * r @ weights.sum(axis=0) @ r.T for w, r in rotations())
    square = np.einsum("iab,ibc->ac", operators, operators)
    trace = float(np.trace(_equilibrium(np.diag(seven_levels()[0])) @ square))
    exact = -math.pi / (units.HBAR * VOLUME) * trace / 3 * np.eye(3)
    return Computed(deviation(average, exact), "average over rotations, all frequencies together; -(π/3ħL³)<p·p>δ_ij")


def _negative_dielectric() -> Computed:
    _, frequencies, weights = _dielectric()
    eigenvalues = np.linalg.eigvalsh(weights[frequencies > 0])
    return Computed(
        max(0.0, float(np.max(eigenvalues)) / -float(np.min(eigenvalues))), "no direction in which a line is positive"
    )


for _id, _equation, _quantity, _compute in (
    ("eq2.3", "2.3", "strain from the change of distances", _distances),
    ("eq2.4", "2.4", "ħω(n + ½) from the levels of displacements", _phonons),
    ("eq2.5", "2.5", "levels of H_0 + eT to first order in e", _linear),
    ("eq2.6", "2.6", "response in time from that to a kick", _response),
    ("eq2.7", "2.7", "<T> from δF/δe", _stress_from_free_energy),
    ("eq2.7.static", "2.7", "δ²F/δeδe from lines and populations", _static_response),
    ("eq2.8", "2.8", "response of the summed stress from the double sum of local ones", _volume_average),
    ("eq3.2", "3.2", "levels and states to first order in V", _perturbed),
    ("eq3.3", "3.3", "energy taken up by coupled blocks from Im χ of their exact levels", _pulse),
    ("eq3.4", "3.4", "N0³ times one block from the product states", _uncoupled),
    ("eq5.6", "5.6", "isotropic form of the averaged dielectric tensor", _isotropic_dielectric),
    ("eq5.6.sign", "5.6", "the sign of Im χ̃_ij", _negative_dielectric),
):
    identity(_id, _equation, _quantity, _compute)
