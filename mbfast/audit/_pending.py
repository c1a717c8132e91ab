"""What of the paper is not computed yet: every numbered equation, and the numbers printed in some of them.

An entry leaves this list when a function that computes it is registered.
"""

from mbfast.audit._claims import Claim, register

_EQUATIONS = {
    "2.1": "two-level system: splitting and couplings in the two bases",
    "2.2": "resonance absorption of a two-level system",
    "2.3": "strain of a displacement field",
    "2.4": "phonon Hamiltonian",
    "2.5": "non-elastic Hamiltonian and its stress tensor",
    "2.6": "stress-stress response",
    "2.7": "stress response in the interaction picture",
    "2.8": "volume-averaged susceptibility",
    "2.9": "Im χ from levels",
    "2.10": "Im χ from levels, outside the band of levels",
    "2.11": "reduced susceptibility and detailed balance",
    "2.12": "isotropic form of the susceptibility",
    "2.13": "stress-stress interaction",
    "2.14": "prefactor of Λ",
    "2.15": "angular tensor of Λ",
    "2.16": "super block",
    "2.17": "change of Λ with the separation",
    "2.18": "super block in an external strain",
    "3.1": "absorption rate of a single block",
    "3.2": "perturbed levels of a super block",
    "3.3": "absorption rate of a super block",
    "3.4": "absorption by the single blocks",
    "3.5": "absorption by the change of Λ",
    "3.6": "absorption by the change of T",
    "3.7": "absorption by the interaction",
    "3.8": "total absorption and the renormalization condition",
    "4.1": "one step of the renormalization",
    "4.2": "absorption at the experimental scale",
    "4.3": "ratio of irrelevant to relevant absorption",
    "4.4": "cutoff length from the flow",
    "4.5": "self-consistent ratio of susceptibilities",
    "5.1": "dipole-dipole interaction",
    "5.2": "tensor of the dipole-dipole interaction",
    "5.3": "change of the dipole tensor with the separation",
    "5.4": "change of a dipole under strain",
    "5.5": "dipoles in an external strain",
    "5.6": "dielectric susceptibility",
    "5.7": "absorption rate with dipoles",
    "5.8": "absorption by dipoles",
    "5.9": "ratio of dipolar to relevant absorption",
    "5.10": "cutoff length of dipoles from the flow",
    "A1": "Λ of Joffrin and Levelut",
    "A2": "phonons coupled to stresses",
    "A3": "Fourier transform of the displacement",
    "A4": "polarization vectors",
    "A5": "coupling in Fourier space",
    "A6": "completed square",
    "A7": "shifted equilibrium position",
    "A8": "interaction within and between blocks",
    "A9": "interaction as a sum over wave vectors",
    "A10": "interaction as an integral over wave vectors",
    "A11": "the two momentum integrals",
    "A12": "regularised momentum integrals",
    "A13": "regularised integrals in closed form",
    "A14": "their limits",
    "A15": "Λ",
    "A16": "the four differences to Joffrin and Levelut",
}

_BRACKETS = {  # (3.5): [(c0 + c1 α + c2 α²) + d (1 + 4α + 4α²) x]
    "l": {"c0": "55", "c1": "176", "c2": "688", "d": "44"},
    "t": {"c0": "35", "c1": "112", "c2": "656", "d": "28"},
}

_DIPOLE_COEFFICIENTS = {"l": "94", "t": "53"}  # (5.8)

for _equation, _quantity in _EQUATIONS.items():
    register(Claim(f"eq{_equation}", _equation, _quantity))
for _polarization, _numbers in _BRACKETS.items():
    for _key, _number in _numbers.items():
        register(Claim(f"eq3.5.{_polarization}.{_key}", "3.5", f"{_key} of the {_polarization} bracket", _number))
for _polarization, _number in _DIPOLE_COEFFICIENTS.items():
    register(Claim(f"eq5.8.{_polarization}", "5.8", f"coefficient, {_polarization}", _number))
