"""What claims of several sections use: glasses and their ratios, scales, deviations."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast.glasses import load_glasses
from mbfast.meissner_berret import meissner_berret_ratio

GLASSES = load_glasses()
SILICA = next(glass for glass in GLASSES if glass.name == "a-SiO2")
EXCLUDED = ("As2S3", "PMMA", "PS")  # from the fit of 10 glasses
KEPT = np.array([glass.name not in EXCLUDED for glass in GLASSES])

# gamma_l/gamma_t and c_l/c_t of all glasses, unrounded
MEASURED = np.asarray(meissner_berret_ratio(gamma_l=[g.gamma_l for g in GLASSES], gamma_t=[g.gamma_t for g in GLASSES]))
PREDICTED = np.asarray(meissner_berret_ratio(c_l=[g.c_l for g in GLASSES], c_t=[g.c_t for g in GLASSES]))

OMEGA, OMEGA_C = 1e7, 1e15  # rad/s: the ultrasonic phonon and the extreme cutoff of section IV
L_1, R = 50 * units.ANGSTROM, 1e-3  # m: the starting scale and the phonon's wavelength

DELTA = np.eye(3)


def deviation(ours: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the largest deviation, relative to the largest element."""
    return float(np.max(np.abs(ours - other)) / np.max(np.abs(other)))
