"""Formulas of sections II, III and V on systems small enough to be solved without them."""

import itertools
import math
from functools import cache, partial
from typing import NamedTuple

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

import mbfast
from mbfast.kernels import levels
from mbfast.units import EV, HBAR, K_B

VOLUME, KELVIN = 5e-9**3, 1.3
BETA = 1.0 / (K_B * KELVIN)
GLASS = mbfast.load_glasses(names=["a-SiO2"])[0]
SILICA = mbfast.StressInteraction.of(GLASS)
NODES = np.geomspace(1e5, 1e15, 128)
FULL = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # from six components to three by three
STRAIN = np.array([[0.3, 0.2, -0.5], [0.2, -0.4, 0.1], [-0.5, 0.1, 0.6]])
POLARIZATIONS = ("longitudinal", "transverse")
# 8 pi rho c_t^2 = 8 pi epsilon = 1: the tensors without their prefactors
LAMBDA = mbfast.StressInteraction(1.0 / (8.0 * math.pi * GLASS.c_t**2), GLASS.c_l, GLASS.c_t)
MU = mbfast.DipoleInteraction(1.0 / (8.0 * math.pi))


def assert_same(ours, other):
    """To 1e-10 of the largest element: some derivatives are differences of high order."""
    assert_allclose(ours, other, rtol=0, atol=1e-10 * np.max(np.abs(other)))


def slope(function, step):
    """The derivative of a function at zero, by a difference of eighth order."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    return sum(c * (function(n * step) - function(-n * step)) for n, c in weights.items()) / step


@cache
def seven_levels():
    """Seven random energies, the lowest zero, and stresses (7, 7, 6)."""
    rng = np.random.default_rng(151005528)
    energies = K_B * np.append(0.0, np.sort(rng.uniform(0.3, 4.0, 6)))
    stress = EV * rng.normal(size=(7, 7, 6))
    return energies, stress + stress.swapaxes(0, 1)


def lines(energies, stress, *, reduced):
    """The frequencies of all lines, of both signs, and their weights one by one, (lines, 6, 6)."""
    frequencies = np.unique(np.subtract.outer(energies, energies)) / HBAR
    middles = 0.5 * (frequencies[1:] + frequencies[:-1])
    edges = np.concatenate([[2 * frequencies[0]], middles, [2 * frequencies[-1]]])
    options = {"shape": "histogram", "components": "tensor", "reduced": reduced}
    result = mbfast.susceptibility_from_levels(energies, stress, VOLUME, KELVIN, edges, **options)
    return frequencies, result * np.diff(edges)[:, None, None]


def equilibrium(hamiltonian):
    rho = expm(-BETA * hamiltonian)
    return rho / np.trace(rho)


def operator(stress):
    """e_ij T_ij of a strain, from stresses (n, n, 6)."""
    return np.einsum("mnij,ij->mn", stress[..., FULL], STRAIN)


# --- one block: (2.2)-(2.11), (3.1) ----------------------------------------------------------------------------------


@pytest.mark.parametrize("polarization", POLARIZATIONS)
def test_absorption_of_two_levels(polarization):
    # (2.2) from the golden rule in both bases, and from (3.1) with the susceptibility of the two levels
    system = mbfast.TwoLevelSystem(0.6 * K_B, 0.8 * K_B, 1.04 * EV, 0.65 * EV, convention="half")
    gamma = system.gamma_l if polarization == "longitudinal" else system.gamma_t
    gap, strain = system.splitting / HBAR, 1e-6
    width = 1e-4 * gap
    delta = 1.0 / (math.sqrt(2 * math.pi) * width * HBAR)
    printed = math.pi / (2 * HBAR) * (strain * system.off_diagonal * gamma) ** 2
    printed *= system.splitting * math.tanh(HBAR * gap / (2 * K_B * KELVIN)) * delta
    for basis in ("energy", "local"):
        rate = system.absorption_rate(gap, KELVIN, strain, width, polarization, basis=basis)
        assert rate == pytest.approx(printed, rel=1e-10)
    stress = np.zeros((2, 2, 6))
    stress[..., 2] = system.coupling(polarization)
    common = (np.diag(system.hamiltonian()), stress, VOLUME, KELVIN, [gap], width)
    chi = mbfast.susceptibility_from_levels(*common, components="tensor", reduced=False)
    assert -2.0 * VOLUME * strain**2 * gap * chi[0, 2, 2] == pytest.approx(printed, rel=1e-10)


def test_strain_is_what_distances_gain():
    # (2.3) in a displacement ∂_j u_i x_j: six directions, of which a rotation changes none
    gradient = np.array([[0.3, -0.5, 0.4], [0.7, 0.2, -0.9], [0.1, 0.8, -0.6]])
    found = np.empty((3, 3))
    for i, j in itertools.product(range(3), repeat=2):
        line = (np.eye(3)[i] + np.eye(3)[j]).astype(complex)
        moved = line + 1e-30j * (gradient @ line)
        found[i, j] = np.sqrt(moved @ moved).imag / 1e-30 * np.linalg.norm(line)  # e_ii + e_jj + 2 e_ij
    diagonal = np.diag(found) / 4
    assert_same(0.5 * (gradient + gradient.T), 0.5 * (found - diagonal[:, None] - diagonal))


def test_phonons_are_oscillators_of_the_elastic_energy():
    # (2.4): p²/2m + the elastic energy of each of a wave's three polarizations, on a grid of displacements
    k = np.array([0.48, -0.6, 0.64])
    moduli = mbfast.isotropic_tensor(GLASS.modulus_l, GLASS.modulus_t)
    stiffness = np.einsum("ijkl,j,l->ik", moduli, k, k) / GLASS.modulus_t  # ω² in units of (c_t k)²
    step = 0.3
    grid = step * np.arange(-32, 33)
    distance = np.subtract.outer(np.arange(65), np.arange(65))
    with np.errstate(divide="ignore"):
        kinetic = np.where(distance == 0, math.pi**2 / 3, 2.0 / distance.astype(float) ** 2)
    kinetic *= np.where(distance % 2 == 0, 0.5, -0.5) / step**2  # of functions limited to |p| < π/step
    found = [np.linalg.eigvalsh(kinetic + np.diag(0.5 * w2 * grid**2))[:5] for w2 in np.linalg.eigvalsh(stiffness)]
    velocities = np.array([GLASS.c_t, GLASS.c_t, GLASS.c_l]) / GLASS.c_t
    assert_same(np.outer(velocities, np.arange(5) + 0.5), np.array(found))


def test_levels_shift_by_the_diagonal_stress():  # (2.5), to first order
    energies, stress = seven_levels()
    coupling = operator(stress)
    step = 0.015 * np.min(np.diff(energies)) / np.linalg.norm(coupling, 2)
    assert_same(np.diag(coupling), slope(lambda e: np.linalg.eigvalsh(np.diag(energies) + e * coupling), step))


STEP = 0.3 * HBAR / K_B  # s: lines are at a few k_B/ħ
CIRCLE = np.exp(2j * np.pi * np.arange(32) / 32)


def after_kicks(hamiltonian, kicked, measured):
    """The responses (6, a, b) of <measured> (a, n, n) to strains δ(t) that couple to kicked (b, n, n).

    The times are STEP apart. A kick is exp(-iεT/ħ), analytic in ε: its linear part is Cauchy's integral on a circle.
    """
    forward, thermal = expm(-1j * STEP / HBAR * hamiltonian), equilibrium(hamiltonian)
    result = np.empty((6, len(measured), len(kicked)))
    for coupling, responses in zip(kicked, np.moveaxis(result, 2, 0), strict=True):
        values, states = np.linalg.eigh(coupling)
        size = np.ptp(values)
        kicks = np.multiply.outer(CIRCLE, np.subtract.outer(values, values) / size)
        linear = np.mean(np.exp(-1j * kicks) / CIRCLE[:, None, None], axis=0) * size / HBAR
        rho = states @ (linear * (states.T @ thermal @ states)) @ states.T
        for response in responses:
            rho = forward @ rho @ forward.conj().T
            response[:] = np.einsum("aij,ji->a", measured, rho).real
    return result


def by_lines(frequencies, weights):
    """χ at the times of `after_kicks`, (2/π) ∫ Im χ sin(ωt) dω over positive frequencies."""
    return np.einsum("kt,k...->t...", np.sin(np.outer(frequencies, STEP * np.arange(1, 7))), weights) / math.pi


def turned(*operators):
    """Operators in a basis in which nothing is diagonal."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    return [turn @ matrix @ turn.T for matrix in operators]


def test_response_to_a_kick():  # (2.6)
    energies, stress = seven_levels()
    hamiltonian, *operators = turned(np.diag(energies), *np.moveaxis(stress, -1, 0))
    found = after_kicks(hamiltonian, np.array(operators), np.array(operators)) / VOLUME
    assert_same(by_lines(*lines(energies, stress, reduced=False)), found)


def test_stress_is_the_derivative_of_the_free_energy():  # (2.7)
    energies, stress = seven_levels()
    operators = np.moveaxis(stress, -1, 0)
    strained = np.diag(energies) + 0.2 * K_B / EV * operator(stress)

    def free_energy(coupling, strain):
        return -np.log(np.sum(np.exp(-BETA * np.linalg.eigvalsh(strained + strain * coupling)))) / BETA

    slopes = [slope(partial(free_energy, t), 0.005 * K_B / EV) for t in operators]
    assert_same(np.einsum("aij,ji->a", operators, equilibrium(strained)), np.array(slopes))


def test_static_response_has_the_shift_of_populations():
    # δ²F/δeδe = (1/π)∫Im χ/ω dω - β cov(T_mm): (2.9) leaves out the second part
    energies, stress = seven_levels()
    operators = np.moveaxis(stress, -1, 0)

    def averages(coupling, strain):
        return np.einsum("aij,ji->a", operators, equilibrium(np.diag(energies) + strain * coupling))

    found = np.array([slope(partial(averages, t), 0.005 * K_B / EV) for t in operators])
    frequencies, weights = lines(energies, stress, reduced=False)
    moving = frequencies != 0.0
    of_lines = np.einsum("k,kab->ab", 1 / frequencies[moving], weights[moving]) * VOLUME / math.pi
    diagonal, populations = np.einsum("mma->am", stress), np.diag(equilibrium(np.diag(energies)))
    shifts = diagonal - (diagonal @ populations)[:, None]
    assert_same(of_lines - BETA * np.einsum("m,am,bm->ab", populations, shifts, shifts), found)


def test_first_moment_is_the_double_commutator():  # (2.9)
    energies, stress = seven_levels()
    thermal = equilibrium(np.diag(energies))
    h, rho, *operators = turned(np.diag(energies), thermal, *np.moveaxis(stress, -1, 0))
    exact = np.empty((6, 6))
    for (a, one), (b, other) in itertools.product(enumerate(operators), repeat=2):
        inner = h @ other - other @ h
        exact[a, b] = np.trace(rho @ (one @ inner - inner @ one))
    exact *= -math.pi / (HBAR**2 * VOLUME)
    assert_same(np.einsum("k,kab", *lines(energies, stress, reduced=False)), exact)


def test_no_level_emits_more_than_its_energy():  # (2.10)
    energies, stress = seven_levels()
    w = energies / HBAR
    real = np.ascontiguousarray(np.moveaxis(stress, -1, 0))
    outside, inside = 0.0, 0.0
    for m in range(w.size):
        alone = np.zeros(w.size)
        alone[m] = 1.0
        edges = np.array([-2.0 * w[-1], -w[m] - 1e-9 * w[-1], 2.0 * w[-1]])
        weights = np.zeros((2, 2))
        levels.add_bins(w, alone, real, np.zeros_like(real), 0.0, edges, 1, weights)
        outside, inside = max(outside, weights[0, 0]), max(inside, weights[0, 1])
    assert outside <= 1e-10 * inside


def test_detailed_balance_line_by_line():  # (2.11)
    frequencies, weights = lines(*seven_levels(), reduced=True)
    factor = np.exp(-HBAR * frequencies / (K_B * KELVIN))[:, None, None]
    assert_same(weights[::-1], factor * weights)
    assert_same(lines(*seven_levels(), reduced=False)[1], (1 - factor) * weights)


def test_sum_rule_line_by_line():  # (2.11)
    energies, stress = seven_levels()
    exact = np.einsum("m,mna,nmb->ab", np.diag(equilibrium(np.diag(energies))), stress, stress)
    assert_same(lines(energies, stress, reduced=True)[1].sum(axis=0), -math.pi / (HBAR * VOLUME) * exact)


def test_one_block_absorbs_as_the_golden_rule_says():
    # (3.1), averaged over directions of the wave, at a line narrow beside k_B T and far from the others: the
    # susceptibility keeps detailed balance at the frequency asked for, the golden rule's lines at their own
    energies, stress = seven_levels()
    gap, width = (energies[3] - energies[0]) / HBAR, 1e9
    moduli = mbfast.susceptibility_from_levels(energies, stress, VOLUME, KELVIN, [gap], width)
    of_l, of_t = ([float(modulus[0]), -1.0] for modulus in moduli)
    spectrum = mbfast.Spectrum([gap, 2 * gap], of_l, of_t, KELVIN, below="zero")
    rate = mbfast.absorption_rates(spectrum, SILICA, VOLUME ** (1 / 3), 2.0, at=[gap]).single.longitudinal[0]
    weights = np.exp(-BETA * energies)
    weights /= weights.sum()
    squares = naive.mean_over_directions(lambda k: np.einsum("mnij,i,j", stress[..., FULL], k, k) ** 2)
    centres = np.subtract.outer(energies, energies).T / HBAR  # of the transition m -> n
    shape = np.exp(-0.5 * ((centres - gap) / width) ** 2) - np.exp(-0.5 * ((centres + gap) / width) ** 2)
    shape /= math.sqrt(2 * math.pi) * width * HBAR
    assert rate == pytest.approx(2 * math.pi * gap * np.sum(weights[:, None] * squares * shape), rel=1e-10)


# --- a few coupled blocks: (2.8), (2.18), (3.2)-(3.5), (3.8), (4.1) ---------------------------------------------------


class SuperBlock(NamedTuple):
    """H_0, V and the stresses (blocks, 6) of (2.16) as matrices between the product states, and the blocks' places."""

    free: np.ndarray
    coupling: np.ndarray
    stress: np.ndarray
    positions: np.ndarray

    def exact(self, operators):
        """The exact levels, and up to six operators (a, n, n) between them as if they were stresses (n, n, 6)."""
        energies, states = np.linalg.eigh(self.free + self.coupling)
        stress = np.zeros((*self.free.shape, 6))
        stress[..., : len(operators)] = np.einsum("am,iab,bn->mni", states, operators, states, optimize=True)
        return energies, stress


def product(matrix, s, blocks):
    """Let an operator act on one of several equal blocks."""
    n = matrix.shape[-1]
    return np.kron(np.kron(np.eye(n**s), matrix), np.eye(n ** (blocks - s - 1)))


@cache
def super_block():
    """Three blocks of silica, 5 nm each, with three levels each, different ones: 27 states."""
    rng = np.random.default_rng(151005528)
    energies = K_B * np.array([[0.0, 0.31, 0.65], [0.0, 1.12, 2.27], [0.0, 3.43, 7.1]])
    single = EV * rng.normal(size=(3, 6, 3, 3))
    single = single + single.swapaxes(-1, -2)
    positions = mbfast.BlockLattice((2, 2, 1), 5e-9).positions[:3]
    stress = np.array([[product(t, s, 3) for t in six] for s, six in enumerate(single)])
    coupling = np.zeros((27, 27))
    for s, t in itertools.permutations(range(3), 2):
        tensor = SILICA.tensor(positions[s] - positions[t])
        coupling += np.einsum("ijkl,ijab,klbc->ac", tensor, stress[s][FULL], stress[t][FULL], optimize=True)
    return SuperBlock(sum(product(np.diag(e), s, 3) for s, e in enumerate(energies)), coupling, stress, positions)


def test_summed_stress_responds_as_the_double_sum():  # (2.8): kicks of one block and the stress of another
    block = super_block()
    local = block.stress.reshape(18, 27, 27)
    responses = after_kicks(block.free + block.coupling, local, local).reshape(6, 3, 6, 3, 6)
    averaged = by_lines(*lines(*block.exact(block.stress.sum(axis=0)), reduced=False)) * VOLUME
    assert_same(averaged, responses.sum(axis=(1, 3)))


def test_levels_and_states_to_first_order_in_the_interaction():
    # (3.2): the blocks' levels differ, as product states of equal blocks are degenerate
    block = super_block()
    order = np.argsort(np.diag(block.free))
    energies, v = np.diag(block.free)[order], block.coupling[order][:, order]
    gaps = np.subtract.outer(energies, energies) + np.diag(np.full(27, np.inf))  # (p, n)
    step = 0.015 * np.min(np.abs(gaps)) / np.linalg.norm(v, 2)

    def projectors(strength):
        states = np.linalg.eigh(np.diag(energies) + strength * v)[1]
        return np.einsum("pn,qn->npq", states, states)

    assert_same(np.diag(v), slope(lambda g: np.linalg.eigvalsh(np.diag(energies) + g * v), step))
    printed = np.einsum("pn,qn->npq", -v / gaps, np.eye(27))
    assert_same(printed + printed.swapaxes(1, 2), slope(projectors, step))


def test_energy_taken_up_by_coupled_blocks():
    # (3.3): H_0 + V taken up from weak kicks in a row, and -(L³/2π)∫Im χ|e(ω)|²ω dω with the exact levels
    block = super_block()
    waves = np.cos(block.positions @ np.array([1e8, 2e8, 0.0]))
    coupling = np.einsum("s,siab->ab", waves, block.stress[:, :3])  # a wave that compresses and stretches
    strengths = np.exp(-(((np.arange(12) - 5.5) / 3) ** 2)) * np.cos(K_B / HBAR * STEP * np.arange(12))
    values, states = np.linalg.eigh(coupling)
    strengths /= np.ptp(values)
    h = states.T @ (block.free + block.coupling) @ states
    forward = expm(-1j * STEP / HBAR * h)
    rho = np.broadcast_to(equilibrium(h).astype(complex), (32, 27, 27))
    for strength in strengths:
        kicks = np.multiply.outer(CIRCLE, strength * np.subtract.outer(values, values))
        rho = forward @ (np.exp(-1j * kicks) * rho) @ forward.conj().T
    taken_up = np.mean(np.einsum("zab,ba->z", rho, h) / CIRCLE**2).real / HBAR**2
    frequencies, weights = lines(*block.exact(coupling[None]), reduced=False)
    spectrum = np.abs(np.exp(1j * np.outer(frequencies, STEP * np.arange(12))) @ strengths) ** 2
    golden = -0.5 * VOLUME / math.pi * np.sum(weights[:, 0, 0] * spectrum * frequencies)
    assert golden == pytest.approx(taken_up, rel=1e-10)


def test_uncoupled_blocks_absorb_as_so_many_single_ones():
    # (3.4): a plane wave, with its phases, acts on the 256 product states of 2³ blocks of two levels
    stress = EV * np.random.default_rng(7).normal(size=(2, 2, 6))
    coupling = operator(stress + stress.swapaxes(0, 1))
    splitting = 0.9 * K_B
    phases = np.exp(1j * mbfast.BlockLattice((2, 2, 2), 5e-9).positions @ np.array([1e8, 2e8, -3e8]))
    wave = sum(phase * product(coupling, s, 8) for s, phase in enumerate(phases))
    excited = sum(np.diag(product(np.diag([0.0, 1.0]), s, 8)) for s in range(8))
    populations = np.exp(-BETA * splitting * excited)
    populations /= populations.sum()
    absorbing = np.subtract.outer(excited, excited) == 1  # (final, initial state)
    net = np.subtract.outer(-populations, -populations)
    rate = 2 * math.pi / HBAR * np.sum(absorbing * net * np.abs(wave) ** 2)  # times ω δ(ω - E/ħ)
    one = np.zeros((2, 2, 6))
    one[..., 0] = coupling
    _, weights = lines(np.array([0.0, splitting]), one, reduced=False)
    assert 8 * -2 * VOLUME * weights[-1, 0, 0] == pytest.approx(rate, rel=1e-10)


def smooth():
    """Spectra of which nothing jumps, l and t of different shape, at 1 K."""
    x = NODES / 3e13
    return mbfast.Spectrum(NODES, -4e7 * x**0.02 / (1 + x * x), -3e7 * x**0.05 / (1 + x) ** 2, 1.0, above="power")


@pytest.mark.parametrize("polarization", POLARIZATIONS)
def test_changed_couplings_absorb_as_all_pairs_of_27_blocks(polarization):  # (3.5) as derived
    n, at, ratio = 3, np.array([1e9]), 2.4
    of_t = smooth().transverse
    spectrum = mbfast.Spectrum(NODES, ratio * of_t, of_t, 1.0, above="power")
    rates = mbfast.absorption_rates(spectrum, SILICA, 5e-9, n, form="derived-points", at=at)
    lattice = mbfast.BlockLattice((n, n, n), 5e-9)
    mean = naive.mean_over_directions(
        lambda k: mbfast.strain_coupling_sum(SILICA, lattice, 2e3 * k, polarization, ratio - 2), order=4
    )
    thermal = -np.expm1(-HBAR * at / K_B) * spectrum.convolve(at=at).value
    wanted = 4 / math.pi * 5e-9**6 * HBAR * at * thermal * n**3 * mean
    assert_allclose(getattr(rates.second, polarization), wanted, rtol=1e-10)


@pytest.mark.compiled
@pytest.mark.parametrize("form", ["printed", "derived"])
def test_each_block_absorbs_what_the_terms_of_the_step_before_add_up_to(form):  # (3.8), (4.1), from 50 Å to 1 mm
    run = mbfast.flow(smooth(), SILICA, start=5e-9, stop=1e-3, n0=8.0, form=form)
    for number, (size, larger) in enumerate(itertools.pairwise(run.scales)):
        block, following = (
            mbfast.Spectrum(NODES, run.longitudinal[i], run.transverse[i], 1.0, above="power")
            for i in (number, number + 1)
        )
        total = mbfast.absorption_rates(block, SILICA, size, larger / size, form=form).total
        single = mbfast.absorption_rates(following, SILICA, larger, 2.0, form="derived").single
        assert_same(np.stack(total), np.stack(single))


def random_blocks(shape):
    moments = np.random.default_rng(151005528).normal(size=(12, *shape))
    return mbfast.BlockLattice((3, 2, 2), 1.0).positions, moments + (moments.swapaxes(1, 2) if len(shape) == 2 else 0)


@pytest.mark.parametrize(("interaction", "shape"), [(LAMBDA, (3, 3)), (MU, (3,))], ids=["stress", "dipole"])
def test_energy_in_a_wave_to_first_order(interaction, shape):
    # (2.18) with ΔT = eT + Te, one of the ΔT ~ eT of which the text leaves open which; (5.5) with Δp by (5.4)
    positions, moments = random_blocks(shape)
    polarization, q = np.array([0.3, -0.5, 0.4]), np.array([0.7, 0.4, -0.9])
    u = np.sin(positions @ q)[:, None] * polarization
    gradients = np.cos(positions @ q)[:, None, None] * np.outer(polarization, q)
    strains = 0.5 * (gradients + gradients.swapaxes(1, 2))
    if interaction is LAMBDA:
        changes, contraction = strains @ moments + moments @ strains, "pijkl,pij,pkl"
    else:
        changes, contraction = np.einsum("sik,sk->si", gradients, moments), "pij,pi,pj"
    s, t = np.array(list(itertools.permutations(range(12), 2))).T
    r = positions[s] - positions[t]
    printed = np.einsum(contraction, interaction.tensor_change(r, u[s] - u[t]), moments[s], moments[t])
    printed += 2 * np.einsum(contraction, interaction.tensor(r), changes[s], moments[t])
    energy = lambda h: mbfast.pair_energy(interaction, positions + h * u, moments + h * changes)  # noqa: E731
    assert printed == pytest.approx(slope(energy, 0.02), rel=1e-10)


# --- dipoles: (5.2), (5.4), (5.6), (5.7) ------------------------------------------------------------------------------


def test_dipole_tensor_is_the_second_derivative_of_coulombs_potential():  # (5.2)
    r = np.array([0.9, -0.7, 1.1])
    first = lambda v: -v / np.linalg.norm(v) ** 3  # noqa: E731
    assert_same(MU.tensor(r), -np.stack([naive.derivative(first, r, axis) for axis in np.eye(3)]))


def test_dipoles_change_as_charges_that_move_with_the_wave():  # (5.4): charges ±q at x ± l/2, l small
    polarization, k = np.array([0.3, -0.5, 0.4]), np.array([0.7, 0.4, -0.9])
    x, separation = np.array([0.2, 0.1, -0.6]), np.array([0.5, 0.8, -0.3])

    def dipole(size):
        ends = x + 0.5 * size * separation, x - 0.5 * size * separation
        return (np.sin(k @ ends[0]) - np.sin(k @ ends[1])) * polarization

    assert_same(np.cos(k @ x) * np.outer(polarization, k) @ separation, slope(dipole, 0.05))


def test_a_rotated_sample_of_dipoles_has_its_energy():  # (5.4), in units of what it costs if dipoles keep directions
    positions, moments = random_blocks((3,))
    gradient = np.cross(np.eye(3), [0.2, -0.5, 0.4])

    def cost(following):
        def energy(h):
            return mbfast.pair_energy(MU, positions + h * positions @ gradient.T, moments + h * moments @ following)

        return slope(energy, 0.02)

    costs = cost(gradient.T), cost(np.zeros((3, 3)))
    assert abs(costs[0]) < 1e-10 * abs(costs[1])


def test_dielectric_response_is_isotropic_and_negative():  # (5.6): xx, yy, zz of the stresses are any three operators
    energies, stress = seven_levels()
    frequencies, weights = lines(energies, stress, reduced=True)
    weights, operators = weights[:, :3, :3], np.moveaxis(stress[..., :3], -1, 0)
    # the 60 rotations of an icosahedron leave no tensor of rank 2 but the unit one
    average = np.mean([r @ weights.sum(axis=0) @ r.T for r in Rotation.create_group("I").as_matrix()], axis=0)
    trace = np.trace(equilibrium(np.diag(energies)) @ np.einsum("iab,ibc->ac", operators, operators))
    assert_same(average, -math.pi / (HBAR * VOLUME) * trace / 3 * np.eye(3))
    eigenvalues = np.linalg.eigvalsh(weights[frequencies > 0])
    assert eigenvalues.max() <= 1e-10 * -eigenvalues.min()  # no direction in which a line is positive


@pytest.mark.parametrize("across", [False, True], ids=POLARIZATIONS)
def test_pairs_of_dipoles_absorb_as_the_golden_rule_says(across):
    # (5.7): pairs of 12 blocks with levels 0 and E, E, E absorb a wave of 2E, over all their levels. That is (2π/ħ)ω
    # times the squares of 2Σ(Δμ + 2μΔp), and (4ħ/π)L⁶ω(1 - e^-βħω) N S ∫ Im χ̃ Im χ̃ dΩ,
    # where Im χ̃ = -(π/ħL³) p_0 δ(Ω - E/ħ)
    positions = random_blocks((3,))[0]
    k, boltzmann = np.array([0.5, -0.3, 0.8]), math.exp(-0.7)
    p = np.zeros((3, 4, 4))
    for i in range(3):
        p[i, 0, i + 1] = p[i, i + 1, 0] = 1.0
    operators = np.einsum("imn,jrs->ijmrns", p, p).reshape(3, 3, 16, 16)  # p_i of one block times p_j of the other
    populations = np.array([1.0, boltzmann, boltzmann, boltzmann]) / (1 + 3 * boltzmann)
    both = np.outer(populations, populations).ravel()
    excited = np.add.outer([0, 1, 1, 1], [0, 1, 1, 1]).ravel()
    absorbing = (np.subtract.outer(excited, excited) == 2) * np.subtract.outer(-both, -both)  # (final, initial state)
    s, t = np.triu_indices(12, 1)
    direction = np.cross(k, [0.0, 0.6, 0.8]) if across else k
    u = direction / np.linalg.norm(direction)

    def changed(h, shift):
        """μ of all pairs where blocks move and dipoles change with h u cos(k.x - shift)."""
        phases = positions @ k - shift
        moved = positions + h * np.cos(phases)[:, None] * u
        followed = np.eye(3) - h * np.sin(phases)[:, None, None] * np.outer(u, k)
        return followed[s].swapaxes(1, 2) @ MU.tensor(moved[s] - moved[t]) @ followed[t]

    m = slope(partial(changed, shift=0.0), 0.02) + 1j * slope(partial(changed, shift=0.5 * math.pi), 0.02)
    total = np.sum(absorbing * np.abs(2 * np.tensordot(m, operators, 2)) ** 2)
    coupling = mbfast.strain_coupling_sum(MU, positions, k, u)
    printed = 2 * (1 - boltzmann**2) * populations[0] ** 2 * 12 * coupling
    assert printed * (k @ k) == pytest.approx(total, rel=1e-10)
