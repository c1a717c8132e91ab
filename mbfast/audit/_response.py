"""Section II: absorption of a two-level system, the tensor Λ between blocks, and its change in a strain."""

import itertools
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast._core.validate import FloatArray
from mbfast._core.voigt import POLARIZATIONS, Polarization
from mbfast.audit import _causes as causes
from mbfast.audit._claims import Claim, Claims, claims_of
from mbfast.audit._common import DELTA, SILICA, deviation
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.pairs.sums import pair_energy
from mbfast.spectra.two_level import TwoLevelSystem

ALPHA = SILICA.alpha
# 8 pi rho c_t^2 = 1: the tensor without its prefactor
LAMBDA = StressInteraction(1.0 / (8.0 * math.pi * SILICA.c_t**2), SILICA.c_l, SILICA.c_t)
_R = np.array([0.9, -0.7, 1.1])

_Field = Callable[[NDArray[Any]], NDArray[Any]]


@claims_of("2.2")
def _absorption() -> Claims:
    system = TwoLevelSystem(0.6 * units.K_B, 0.8 * units.K_B, 1.04 * units.EV, 0.65 * units.EV, "half")
    line = 1e-4 * system.splitting / units.HBAR  # rad/s: narrow beside everything
    gap, kelvin = system.splitting / units.HBAR, 1.3
    of_l, of_t = (float(system.absorption_rate(gap, kelvin, 1e-6, line, a)) for a in POLARIZATIONS)
    ratio = of_l / of_t * (system.gamma_t / system.gamma_l) ** 2
    yield Claim("eq2.2.ratio", "Ė_l/Ė_t in units of γ_l²/γ_t²", "1", ratio)


def derivative(function: _Field, *directions: FloatArray) -> _Field:
    """Return a derivative of an analytic function of a vector, by Cauchy's integral on circles of radius 0.15.

    The trapezoidal rule with 24 points is exact to (0.15/|r|)^24, far beyond double precision for the |r| > 1 used.
    """
    if not directions:
        return function
    inner = derivative(function, *directions[1:])
    circle = np.exp(2j * np.pi * np.arange(24) / 24)
    return lambda r: sum(inner(r + 0.15 * z * directions[0]) / z for z in circle) / (24 * 0.15)


@cache
def _half_second_derivative_of_kelvin() -> FloatArray:
    """Return (1/2) d_j d_l of Kelvin's Green function in units of 1/(8 pi rho c_t^2), symmetrised in ij and kl."""

    def kelvin(r: Any) -> Any:
        n = r / np.sqrt(r @ r)
        return np.asarray(((2.0 - ALPHA) * DELTA + ALPHA * np.outer(n, n)) / np.sqrt(r @ r))

    g = np.empty((3, 3, 3, 3))
    for j, l_ in itertools.product(range(3), repeat=2):
        g[:, j, :, l_] = 0.5 * derivative(kelvin, DELTA[j], DELTA[l_])(_R).real
    g = 0.5 * (g + g.transpose(1, 0, 2, 3))
    return np.asarray(0.5 * (g + g.transpose(0, 1, 3, 2)))


@cache
def energy_of_wave(polarization: Polarization, n: int) -> float:
    """Energy of a wave of stress, per volume, in -1/(4ρc_a²): of N0 periodic layers of cubes, their own fields in it.

    The tractions across the wave fronts have the amplitude 1. A chain of cubes and its images are all the layers.
    """
    wave, u = DELTA[2], DELTA[2 if polarization == "longitudinal" else 0]
    stress = (np.outer(wave, u) + np.outer(u, wave)) / (1.0 + wave @ u)
    moments = np.cos(2.0 * math.pi / n * np.arange(n))[:, None, None] * stress
    chain = BlockLattice((1, 1, n), 1.0, averaged=True)
    energy = pair_energy(StressInteraction.of(SILICA), chain, moments[None, None], boundary="periodic", self_field=True)
    return -4.0 * energy / n * (SILICA.modulus_l if wave @ u else SILICA.modulus_t)


@claims_of("2.13")
def _energy() -> Claims:
    off = max(abs(energy_of_wave(polarization, n) - 1.0) for polarization in POLARIZATIONS for n in (8, 64))
    quantity = "the energy of plane waves of stress from -τ²/(4ρc_a²) per volume, τ their tractions"
    yield Claim("eq2.13", quantity, None, off, "periodic boxes of cubes, all images, each cube's own field in it")


@claims_of("2.14")
def _prefactor() -> Claims:
    kelvin = _half_second_derivative_of_kelvin()
    ratio = np.sum(LAMBDA.tensor(_R) * kelvin) / np.sum(kelvin**2)
    yield Claim("eq2.14", "Λ in units of ½ ∂∂ of Kelvin's Green function", "1", ratio, "sign and size of the prefactor")


@claims_of("2.15")
def _tensor() -> Claims:
    off = deviation(LAMBDA.tensor(_R), _half_second_derivative_of_kelvin())
    yield Claim("eq2.15", "Λ from ½ ∂∂ of Kelvin's Green function", None, off)


def _change(r: FloatArray, dr: FloatArray) -> FloatArray:
    """Return the change of Λ by differences of eighth order, which share nothing with the derivative we code."""
    weights, h = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}, 0.02
    result = np.zeros((3, 3, 3, 3))
    for along, moved in zip(DELTA, dr, strict=True):
        differences = (
            c * (LAMBDA.tensor(r + n * h * along) - LAMBDA.tensor(r - n * h * along)) for n, c in weights.items()
        )
        result += moved * (sum(differences) / h)
    return result


def _placed(m: FloatArray, *places: str) -> FloatArray:
    """Sum m times delta over placements of the indices, as (2.15) writes them out: "ij,kl" is m_ij delta_kl."""
    return sum((np.einsum(f"{place}->ijkl", m, DELTA) for place in places), np.zeros((3,) * 4))


@claims_of("2.17")
def _printed_change() -> Claims:
    change = np.array([0.3, 0.5, -0.2])
    x, dx = np.linalg.norm(_R), np.linalg.norm(change)
    n, m, a = _R / x, change / dx, ALPHA
    cosine = float(n @ m)
    nn, turned = np.outer(n, n), np.outer(m, n) + np.outer(n, m)
    four = ("jl,ik", "jk,il", "il,jk", "ik,jl")  # in the first part of (2.15)
    six = ("ij,kl", "ik,jl", "il,jk", "jk,il", "jl,ik", "kl,ij")
    moved = sum(np.einsum("i,j,k,l->ijkl", *(m if p == q else n for q in range(4))) for p in range(4))
    lambda_tilde = LAMBDA.tensor(n) / LAMBDA.prefactor

    def off(first: FloatArray, prefactor: float) -> float:
        braces = 0.75 * first - 3 * a * cosine * _placed(nn, *six) + 1.5 * a * _placed(turned, *six) - 7.5 * a * moved
        braces += 30 * a * cosine * np.einsum("i,j,k,l->ijkl", n, n, n, n)
        return deviation(prefactor * (braces - 3 * lambda_tilde * cosine) * dx / x**4, _change(_R, change))

    quantity = "from the derivative of Λ"
    note = "with the bracket closed behind its last δ_jk, and with the prefactor -1/(8πρc_t²)"
    mended = off(_placed(2 * cosine * nn - turned, *four), LAMBDA.prefactor)
    yield Claim("eq2.17", f"printed braces, mended, {quantity}", None, mended, note)
    # as printed the bracket closes before its last delta, which then multiplies all of it
    within = _placed(turned, "jl,ik", "jk,il", "ik,jl") + turned[:, None, None, :]
    literal = off(_placed(2 * cosine * nn, *four) - within * DELTA[None, :, :, None], 1.0)
    note = "its bracket closes before its last δ_jk, and the prefactor -1/(8πρc_t²) is missing (taken as 1)"
    yield Claim("eq2.17.literal", f"printed braces {quantity}", None, literal, note, causes.MISPRINT_2_17)


@claims_of("2.18")
def _rotation() -> Claims:
    turn = np.array([[0.0, 0.3, -0.8], [-0.3, 0.0, 0.5], [0.8, -0.5, 0.0]])
    first, second = np.array([[1.0, 0.4, -0.2], [0.4, -0.7, 0.9], [-0.2, 0.9, 0.3]]), np.diag([0.5, -1.0, 0.8])
    tensor, moved = LAMBDA.tensor(_R), LAMBDA.tensor_change(_R, turn @ _R)

    def energy(tensor: FloatArray, one: FloatArray, other: FloatArray) -> float:
        return float(np.einsum("ijkl,ij,kl->", tensor, one, other))

    turned = [turn @ stress + stress @ turn.T for stress in (first, second)]
    change = energy(moved, first, second)
    total = change + energy(tensor, turned[0], second) + energy(tensor, first, turned[1])
    note = "and so in a strain ΔT = eT + Te, of which the paper says ΔT ~ eT; with ΔT = 0 a rotation would cost energy"
    quantity = "ΔΛ T T' + Λ ΔT T' + Λ T ΔT' from zero in a rotation ω, ΔT = ωT - Tω"
    yield Claim("eq2.18", quantity, None, total / change, note)
