"""What of the paper is not computed yet, so that the table shows every numbered equation.

An entry leaves this list when a function that computes it is registered.
"""

from mbfast.audit._claims import Claim, register

_EQUATIONS = {
    "3.1": "absorption rate of a single block",
    "3.5": "absorption by the change of Λ",
    "3.6": "absorption by the change of T",
    "3.7": "absorption by the interaction",
    "3.8": "total absorption and the renormalization condition",
    "4.1": "one step of the renormalization",
    "4.2": "absorption at the experimental scale",
    "4.3": "ratio of irrelevant to relevant absorption",
    "4.4": "cutoff length from the flow",
    "4.5": "self-consistent ratio of susceptibilities",
    "5.8": "absorption by dipoles",
    "5.9": "ratio of dipolar to relevant absorption",
    "5.10": "cutoff length of dipoles from the flow",
}

for _equation, _quantity in _EQUATIONS.items():
    register(Claim(f"eq{_equation}", _equation, _quantity))
