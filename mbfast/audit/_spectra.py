"""Susceptibilities of section II, and the logarithm and the integral behind the estimate (4.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, partial
from typing import Literal

import numpy as np

from mbfast import units
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import Polarization
from mbfast.audit._claims import Claim, Computed, claim, deviation, identity, register
from mbfast.audit._cutoffs import OMEGA, OMEGA_C
from mbfast.kernels import levels
from mbfast.spectra.convolution import convolve
from mbfast.spectra.dispersion import kramers_kronig
from mbfast.spectra.levels import susceptibility_from_levels
from mbfast.spectra.moduli import isotropic_moduli, isotropic_tensor
from mbfast.spectra.two_level import TwoLevelSystem

VOLUME = 5e-9**3
KELVIN = 1.3
_SYSTEM = TwoLevelSystem(0.6 * units.K_B, 0.8 * units.K_B, 1.04 * units.EV, 0.65 * units.EV)
_BASES: tuple[Literal["energy", "local"], ...] = ("energy", "local")
_LINE = 1e-4 * _SYSTEM.splitting / units.HBAR  # rad/s: narrow beside everything


@cache
def seven_levels() -> tuple[FloatArray, FloatArray]:
    """Return seven random energies, the lowest zero, and stresses (7, 7, 6)."""
    rng = np.random.default_rng(151005528)
    energies = units.K_B * np.append(0.0, np.sort(rng.uniform(0.3, 4.0, 6)))
    stress = units.EV * rng.normal(size=(7, 7, 6))
    return energies, stress + stress.swapaxes(0, 1)


def lines(energies: FloatArray, stress: FloatArray, *, reduced: bool) -> tuple[FloatArray, FloatArray]:
    """Return the frequencies of all lines, of both signs, and their weights one by one, (lines, 6, 6)."""
    frequencies = np.unique(np.subtract.outer(energies, energies)) / units.HBAR
    middles = 0.5 * (frequencies[1:] + frequencies[:-1])
    edges = np.concatenate([[2 * frequencies[0]], middles, [2 * frequencies[-1]]])
    result = susceptibility_from_levels(
        energies, stress, VOLUME, KELVIN, edges, shape="histogram", components="tensor", reduced=reduced
    )
    return frequencies, result * np.diff(edges)[:, None, None]


def _splitting() -> Computed:
    strain = 1e-4
    levels_of = [
        np.linalg.eigvalsh(_SYSTEM.hamiltonian(basis) + strain * _SYSTEM.coupling("longitudinal", basis))
        for basis in _BASES
    ]
    return Computed(
        deviation(levels_of[0], levels_of[1]),
        "levels in a strain of 1e-4: coupled as (2.1), and by the asymmetry alone",
    )


def _absorption() -> Computed:
    """Compare the golden rule, and (3.1) with the susceptibility of the two levels, with (2.2) as printed."""
    gap = _SYSTEM.splitting / units.HBAR
    strain = 1e-6
    worst = 0.0
    waves: tuple[tuple[Polarization, float], ...] = (
        ("longitudinal", _SYSTEM.gamma_l),
        ("transverse", _SYSTEM.gamma_t),
    )
    for polarization, gamma in waves:
        delta = 1.0 / (math.sqrt(2 * math.pi) * _LINE * units.HBAR)
        tanh = math.tanh(units.HBAR * gap / (2 * units.K_B * KELVIN))
        printed = math.pi / (2 * units.HBAR) * (strain * _SYSTEM.off_diagonal * gamma) ** 2
        printed *= _SYSTEM.splitting * tanh * delta
        for basis in _BASES:
            rate = _SYSTEM.absorption_rate(gap, KELVIN, strain, _LINE, polarization, basis=basis)
            worst = max(worst, abs(float(rate) / printed - 1))
        stress = np.zeros((2, 2, 6))
        stress[..., 2] = _SYSTEM.coupling(polarization)
        common = (np.diag(_SYSTEM.hamiltonian()), stress, VOLUME, KELVIN, [gap], _LINE)
        chi = susceptibility_from_levels(*common, components="tensor", reduced=False)
        worst = max(worst, abs(-2.0 * VOLUME * strain**2 * gap * float(chi[0, 2, 2]) / printed - 1))
    return Computed(worst, "golden rule in both bases, and (3.1) with Im χ of the two levels")


@claim("eq2.2.ratio", equation="2.2", quantity="Ė_l/Ė_t in units of γ_l²/γ_t²", printed="1")
def _absorption_ratio() -> Computed:
    gap = _SYSTEM.splitting / units.HBAR
    rates = [
        float(_SYSTEM.absorption_rate(gap, KELVIN, 1e-6, _LINE, "longitudinal")),
        float(_SYSTEM.absorption_rate(gap, KELVIN, 1e-6, _LINE, "transverse")),
    ]
    return Computed(rates[0] / rates[1] * (_SYSTEM.gamma_t / _SYSTEM.gamma_l) ** 2)


def thermal(energies: FloatArray) -> FloatArray:
    """Return the density matrix of levels in equilibrium."""
    weights = np.exp(-energies / (units.K_B * KELVIN))
    return np.diag(weights / weights.sum())


def _first_moment() -> Computed:
    """Sum of line weights times frequencies, from the double commutator, without levels."""
    energies, stress = seven_levels()
    # in a basis in which nothing is diagonal
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    h, rho = turn @ np.diag(energies) @ turn.T, turn @ thermal(energies) @ turn.T
    operators = [turn @ stress[..., c] @ turn.T for c in range(6)]
    exact = np.empty((6, 6))
    for a, one in enumerate(operators):
        for b, other in enumerate(operators):
            inner = h @ other - other @ h
            exact[a, b] = np.trace(rho @ (one @ inner - inner @ one))
    exact *= -math.pi / (units.HBAR**2 * VOLUME)
    moment = np.einsum("k,kab", *lines(energies, stress, reduced=False))
    return Computed(deviation(moment, exact), "first moment of Im χ of 7 random levels, from <[T,[H,T]]>")


def _zeroth_moment() -> Computed:
    energies, stress = seven_levels()
    exact = np.einsum("m,mna,nmb->ab", np.diag(thermal(energies)), stress, stress)
    exact *= -math.pi / (units.HBAR * VOLUME)
    total = lines(energies, stress, reduced=True)[1].sum(axis=0)
    return Computed(deviation(total, exact), "Im χ̃ over all frequencies, from <T T>")


def _detailed_balance() -> Computed:
    frequencies, weights = lines(*seven_levels(), reduced=True)
    factor = np.exp(-units.HBAR * frequencies / (units.K_B * KELVIN))[:, None, None]
    worst = deviation(weights[::-1], factor * weights)
    _, unreduced = lines(*seven_levels(), reduced=False)
    worst = max(worst, deviation(unreduced, (1 - factor) * weights))
    return Computed(worst, "Im χ̃(-ω) = exp(-βħω) Im χ̃(ω), Im χ = (1 - exp(-βħω)) Im χ̃, line by line")


def _one_sided() -> Computed:
    """Look for emission of more than E_m by each level alone."""
    energies, stress = seven_levels()
    w = energies / units.HBAR
    real = np.ascontiguousarray(np.moveaxis(stress, -1, 0))
    outside, all_lines = 0.0, 0.0
    for m in range(w.size):
        alone = np.zeros(w.size)
        alone[m] = 1.0
        edges = np.array([-2.0 * w[-1], -w[m] - 1e-9 * w[-1], 2.0 * w[-1]])
        weights = np.zeros((2, 2))
        levels.add_bins(w, alone, real, np.zeros_like(real), 0.0, edges, 1, weights)
        outside, all_lines = max(outside, float(weights[0, 0])), max(all_lines, float(weights[0, 1]))
    return Computed(outside / all_lines, "emission beyond E_m/ħ, E from the ground state, by each level alone")


def _isotropic() -> Computed:
    """Average a random block's tensor over rotations."""
    energies, stress = seven_levels()
    tensor = susceptibility_from_levels(
        energies, stress, VOLUME, KELVIN, [1e11], 1e11, components="tensor", reduced=True
    )
    index = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    full = tensor[0][index[:, :, None, None], index[None, None]]
    average = sum(w * np.einsum("ia,jb,kc,ld,abcd->ijkl", r, r, r, r, full) for w, r in rotations())
    moduli = isotropic_moduli(tensor[0])
    return Computed(deviation(isotropic_tensor(*moduli), average), "average over rotations of 7 random levels")


def rotations() -> Iterator[tuple[float, FloatArray]]:
    """Yield weights and rotations of a product rule that averages tensors up to rank 4 exactly."""
    for a in 2 * math.pi * np.arange(5) / 5:
        for c, weight in zip(*np.polynomial.legendre.leggauss(5), strict=True):
            for b in 2 * math.pi * np.arange(5) / 5:
                s = math.sqrt(1 - c * c)
                yield weight / 50, _about_z(a) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ _about_z(b)


def _about_z(angle: float) -> FloatArray:
    return np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])


def _signs() -> Computed:
    energies, stress = seven_levels()
    moduli = susceptibility_from_levels(energies, stress, VOLUME, KELVIN, np.geomspace(1e9, 1e12, 50), 1e10)
    return Computed(max(0.0, float(np.max(moduli)) / -float(np.min(moduli))), "Im χ̃_l, Im χ̃_t < 0 at 50 frequencies")


for _id, _equation, _quantity, _compute in (
    ("eq2.1", "2.1", "levels of a two-level system in the two bases", _splitting),
    ("eq2.2", "2.2", "printed absorption rate of a two-level system", _absorption),
    ("eq2.9", "2.9", "Im χ from levels: the f-sum rule", _first_moment),
    ("eq2.10", "2.10", "Im χ outside the band of levels", _one_sided),
    ("eq2.11.sum", "2.11", "Im χ̃ from levels: the sum rule", _zeroth_moment),
    ("eq2.11.balance", "2.11", "detailed balance", _detailed_balance),
    ("eq2.12", "2.12", "isotropic form of the averaged tensor", _isotropic),
    ("eq2.12.sign", "2.12", "the sign of Im χ̃_l and Im χ̃_t", _signs),
):
    identity(_id, _equation, _quantity, _compute)


_NODES = np.geomspace(1e5, OMEGA_C, 1024)


@claim("eq4.3.logarithm", equation="4.3", quantity="∫ΩdΩ/(Ω² - ω²) in units of ln(ω_c/ω), 1e7, 1e15 rad/s", printed="1")
def _logarithm() -> Computed:
    real = float(kramers_kronig(_NODES, np.ones(1024), at=[OMEGA]).value[0])
    logarithm = math.log(OMEGA_C / OMEGA)
    return Computed(
        0.5 * math.pi * real / logarithm, "Im χ̃ constant to ω_c; Re χ̃ itself is 2/π of it, which (4.3) leaves out"
    )


def _integral(kelvin: float) -> Computed:
    value = float(convolve(_NODES, np.ones(1024), at=[OMEGA], temperature=kelvin).value[0])
    thermal = 2.0 * units.K_B * kelvin / units.HBAR
    if kelvin == 0.0:
        note = "it is ω (Im χ̃)²: at T = 0 the estimate holds for ω near ω_c alone"
    else:
        note = (
            f"it is (ω + 2k_BT/ħ)(Im χ̃)² below ω_c, here 2k_BT/ħω_c = {thermal / OMEGA_C:.2g}, and at most 2ω_c: "
            "the estimate holds for k_BT ~ ħω_c"
        )
    return Computed(value / OMEGA_C, note)


for _kelvin in (0.0, 1.0, 1e4, 1e6):
    _quantity = f"∫Im χ̃ Im χ̃ dΩ in units of (Im χ̃)² ω_c, ω = 1e7, ω_c = 1e15 rad/s, T = {_kelvin:g} K"
    _test = "tests/test_findings.py::test_integral_of_constant_susceptibilities"
    _id, _compute = f"eq4.3.integral.{_kelvin:g}K", partial(_integral, _kelvin)
    register(Claim(_id, "4.3", _quantity, "~1", "", _compute, "unfounded", _test))
