"""What a figure says of the medium that interactions are those of."""

from collections.abc import Mapping
from typing import Any

from mbfast.glasses import load_glasses
from mbfast.plotting._axes import power


def material_of(given: object) -> tuple[str, str]:
    """Return the name of a medium, or its constants, for a figure and for its caption.

    What is given is an interaction's parameters, by name, as results have them in their inputs. Its form is said where
    it is not the one that all have unless told otherwise.
    """
    if not isinstance(given, Mapping):
        return "", "a medium that is not told"
    if "c_l" in given:
        drawn, written = _elastic({name: float(given[name]) for name in ("density", "c_l", "c_t")})
        form = given.get("form", "corrected")
        return (drawn, written) if form == "corrected" else (rf"{drawn} ($\Lambda$: {form})", f"{written} (Λ: {form})")
    if "permittivity" in given:
        permittivity = f"{power(float(given['permittivity']), 3)} F/m"
        return rf"$\varepsilon$ = {permittivity}", f"a medium of ε = {permittivity}"
    parameters = ", ".join(f"{name} = {value}" for name, value in given.items())
    return parameters, f"a medium of {parameters}"


def _elastic(given: dict[str, Any]) -> tuple[str, str]:
    for glass in load_glasses():
        if {"density": glass.density, "c_l": glass.c_l, "c_t": glass.c_t} == given:
            return glass.name, glass.name
    numbers = [f"{value:g}" for value in given.values()]
    drawn = r"$\rho$ = {} kg/m³, $c_l$ = {}, $c_t$ = {} m/s"
    written = "a medium of ρ = {} kg/m³, c_l = {} m/s and c_t = {} m/s"
    return drawn.format(*numbers), written.format(*numbers)
