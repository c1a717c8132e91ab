"""mbfast: a compiled numerical engine for the generic coupled-block model of glasses.

Everything below is imported on first use, so that ``import mbfast`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mbfast import audit as audit
    from mbfast import kernels as kernels
    from mbfast import plotting as plotting
    from mbfast import units as units
    from mbfast._interpolant import Estimate as Estimate
    from mbfast.absorption import AbsorptionRates as AbsorptionRates
    from mbfast.absorption import absorption_rates as absorption_rates
    from mbfast.angular import angular_coefficients as angular_coefficients
    from mbfast.blocks import BlockLattice as BlockLattice
    from mbfast.convolution import ConvolutionPlan as ConvolutionPlan
    from mbfast.convolution import convolve as convolve
    from mbfast.cutoffs import cutoff_length as cutoff_length
    from mbfast.cutoffs import dipole_cutoff_length as dipole_cutoff_length
    from mbfast.dispersion import KramersKronigPlan as KramersKronigPlan
    from mbfast.dispersion import kramers_kronig as kramers_kronig
    from mbfast.ewald import EwaldField as EwaldField
    from mbfast.glasses import Glass as Glass
    from mbfast.glasses import load_glasses as load_glasses
    from mbfast.interactions import DipoleInteraction as DipoleInteraction
    from mbfast.interactions import StressInteraction as StressInteraction
    from mbfast.lattice_field import LatticeField as LatticeField
    from mbfast.lattice_sums import lattice_sum as lattice_sum
    from mbfast.lattice_sums import phase_sum as phase_sum
    from mbfast.lattice_sums import strain_coupling_sum as strain_coupling_sum
    from mbfast.meissner_berret import OriginFit as OriginFit
    from mbfast.meissner_berret import fit_through_origin as fit_through_origin
    from mbfast.meissner_berret import meissner_berret_ratio as meissner_berret_ratio
    from mbfast.pair_sums import pair_energy as pair_energy
    from mbfast.pair_sums import pair_field as pair_field
    from mbfast.renormalization import Flow as Flow
    from mbfast.renormalization import FlowTerms as FlowTerms
    from mbfast.renormalization import flow as flow
    from mbfast.renormalization import self_consistent_ratio as self_consistent_ratio
    from mbfast.spectra import Spectrum as Spectrum
    from mbfast.susceptibilities import Moduli as Moduli
    from mbfast.susceptibilities import TwoLevelSystem as TwoLevelSystem
    from mbfast.susceptibilities import isotropic_moduli as isotropic_moduli
    from mbfast.susceptibilities import isotropic_tensor as isotropic_tensor
    from mbfast.susceptibilities import sound_velocity_shift as sound_velocity_shift
    from mbfast.susceptibilities import susceptibility_from_levels as susceptibility_from_levels
    from mbfast.susceptibilities import ttls_susceptibility as ttls_susceptibility
    from mbfast.susceptibilities import tunnelling_strength as tunnelling_strength

__version__ = "0.1.0"

_HOME = {
    "AbsorptionRates": "absorption",
    "BlockLattice": "blocks",
    "ConvolutionPlan": "convolution",
    "DipoleInteraction": "interactions",
    "Estimate": "_interpolant",
    "EwaldField": "ewald",
    "Flow": "renormalization",
    "FlowTerms": "renormalization",
    "Glass": "glasses",
    "KramersKronigPlan": "dispersion",
    "LatticeField": "lattice_field",
    "Moduli": "susceptibilities",
    "OriginFit": "meissner_berret",
    "Spectrum": "spectra",
    "StressInteraction": "interactions",
    "TwoLevelSystem": "susceptibilities",
    "absorption_rates": "absorption",
    "angular_coefficients": "angular",
    "convolve": "convolution",
    "cutoff_length": "cutoffs",
    "dipole_cutoff_length": "cutoffs",
    "fit_through_origin": "meissner_berret",
    "flow": "renormalization",
    "isotropic_moduli": "susceptibilities",
    "isotropic_tensor": "susceptibilities",
    "kramers_kronig": "dispersion",
    "lattice_sum": "lattice_sums",
    "load_glasses": "glasses",
    "meissner_berret_ratio": "meissner_berret",
    "pair_energy": "pair_sums",
    "pair_field": "pair_sums",
    "phase_sum": "lattice_sums",
    "self_consistent_ratio": "renormalization",
    "sound_velocity_shift": "susceptibilities",
    "strain_coupling_sum": "lattice_sums",
    "susceptibility_from_levels": "susceptibilities",
    "ttls_susceptibility": "susceptibilities",
    "tunnelling_strength": "susceptibilities",
}

_MODULES = ("audit", "kernels", "plotting", "units")

__all__ = ["__version__", *_HOME, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
