"""What is known of blocks, and the number of each that is drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from mbfast._core.validate import FloatArray, float_array, require_bounded, require_choice, require_finite
from mbfast._core.voigt import NAMES, WEIGHTS, six
from mbfast.files.blocks import BlockData
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.results import PairResult

_LARGEST = 1e300  # so that what is made of a few such numbers is a double
# of each quantity: its name, its symbol, and its multiple of the field h
_OF_FIELD = {
    "strain": ("strain", "e", 2.0),
    "electric-field": ("electric field", "E", -2.0),
    "field": ("field", "h", 1.0),
}
_KNOWN = {"StressInteraction": ("strain", ""), "DipoleInteraction": ("electric-field", "V/m")}


class Scalar(NamedTuple):
    """One number of each block, and how it is called."""

    values: FloatArray  # (N,)
    label: str  # of the bar of colours
    words: str
    unit: str
    signed: bool

    @property
    def largest(self) -> int:
        """The first block whose magnitude is largest."""
        return int(np.argmax(np.abs(self.values)))


@dataclass(frozen=True, eq=False)
class Fields:
    """Places (N, 3) of blocks in m, what of each block is known in SI units, (N, 6), (N, 3) or (N,), and by what."""

    positions: FloatArray
    lattice: BlockLattice | None
    moments: FloatArray
    field: FloatArray | None
    energies: FloatArray | None
    inputs: Mapping[str, Any]

    @classmethod
    def of(cls, result: object) -> Self:
        """Return what a saved pair sum, or a file of blocks, has; a TypeError or ValueError that names `result`."""
        if isinstance(result, PairResult):
            try:
                lattice = result.lattice
            except ValueError as error:
                raise ValueError(f"result.{error}") from None
            known: dict[str, Any] = {"field": result.field, "energies": result.energies, "inputs": result.inputs}
        elif isinstance(result, BlockData):
            lattice = result.blocks if isinstance(result.blocks, BlockLattice) else None
            known = {"field": None, "energies": None, "inputs": {}}
        else:
            raise TypeError(f"result must be a PairResult, or BlockData as read_blocks returns, got {result!r}")
        positions = float_array("result.positions", result.positions)
        if positions.ndim != 2 or positions.shape[1] != 3 or (lattice and len(positions) != lattice.n_blocks):
            wanted = "(N, 3)" if lattice is None else f"({lattice.n_blocks}, 3), that of its lattice"
            raise ValueError(f"result.positions must have shape {wanted}, got {positions.shape}")
        if len(positions) == 0:
            raise ValueError("result must have at least one block, got none")
        require_bounded("result.positions", positions)
        leading = (len(positions),) if lattice is None else lattice.shape
        known["moments"] = _rows("moments", result.moments, leading)
        if known["field"] is not None:
            known["field"] = _rows("field", known["field"], leading)
            known["energies"] = float_array("result.energies", known["energies"])
            if known["field"].shape != known["moments"].shape or known["energies"].shape != positions.shape[:1]:
                raise ValueError("result.field and result.energies must be of the blocks that result.moments are of")
            require_bounded("result.energies", known["energies"], _LARGEST)
        return cls(positions, lattice, **known)

    @property
    def interaction(self) -> str:
        """The name of the class of the interaction; empty if it is not told."""
        return str(self.inputs.get("interaction", "")).partition("(")[0]

    @property
    def parameters(self) -> dict[str, str] | None:
        """The parameters of the interaction, as `material_of` takes them."""
        return dict(re.findall(r"(\w+)='?([\w.+-]+)", str(self.inputs.get("interaction", "")))) or None

    def arrays(self) -> dict[str, tuple[FloatArray, str]]:
        """Return by its name what is known of each block, and in which unit."""
        default, unit = _KNOWN.get(self.interaction, ("field", ""))
        found: dict[str, tuple[FloatArray, str]] = {}
        if self.field is not None and self.energies is not None:
            for name in dict.fromkeys((default, "field")):
                found[name] = _OF_FIELD[name][2] * self.field, unit
            found["energy"] = self.energies, "J"
            if self.lattice is not None:
                with np.errstate(over="ignore"):
                    density = self.energies / self.lattice.spacing**3
                require_finite("result.energies by volume", density)
                found["energy-density"] = density, "J/m³"
        known = self.field is None or self.interaction in _KNOWN
        found["moments"] = self.moments, ("J" if self.moments.shape[1] == 6 else "C m") if known else ""
        return found

    def scalar(self, quantity: str | None, component: str | None) -> Scalar:
        """Return one number of each block; a ValueError that names `quantity` or `component`."""
        arrays = self.arrays()
        quantity = next(iter(arrays)) if quantity is None else quantity
        require_choice("quantity", quantity, tuple(arrays))
        values, unit = arrays[quantity]
        tensor = self.moments.shape[1] == 6
        if values.ndim == 1:
            if component is not None:
                raise ValueError(f"component must be None for {quantity}, which has no components, got {component!r}")
            if quantity == "energy-density":
                return Scalar(values, "energy density", "energy by volume", unit, signed=True)
            return Scalar(values, "energy $T:h$" if tensor else r"energy $p \cdot h$", "energy", unit, signed=True)
        name, letter, _ = _OF_FIELD.get(quantity, ("moments", "T" if tensor else "p", 1.0))
        component = "norm" if component is None else component
        require_choice("component", component, (*NAMES, "norm", "von-mises", "trace") if tensor else (*"xyz", "norm"))
        if component == "norm":
            return Scalar(_norm(values), f"{name} $|{letter}|$", f"norm of the {name}", unit, signed=False)
        if component == "trace":
            trace = values[:, :3].sum(axis=1)
            return Scalar(trace, rf"{name} $\mathrm{{tr}}\,{letter}$", f"trace of the {name}", unit, signed=True)
        if component == "von-mises":
            factor, of = (1.5, "3/2") if quantity == "moments" else (2.0 / 3.0, "2/3")
            words = f"von Mises norm of the {name}, the root of {of} of the square of the part without trace"
            size = np.sqrt(factor) * _norm(_without_trace(values))
            return Scalar(size, rf"{name} ${letter}_\mathrm{{vM}}$", words, unit, signed=False)
        column = (NAMES if tensor else tuple("xyz")).index(component)
        words = f"component {component} of the {name}"
        return Scalar(values[:, column], f"{name} ${letter}_{{{component}}}$", words, unit, signed=True)


def _rows(name: str, array: Any, leading: tuple[int, ...]) -> FloatArray:
    """Return rows of components, (N, 6) or (N, 3), of an array in any layout of moments."""
    values = float_array(f"result.{name}", array)
    wanted = [leading + layout for layout in ((6,), (3, 3), (3,))]
    if values.shape not in wanted:
        raise ValueError(f"result.{name} must have shape {' or '.join(map(str, wanted))}, got {values.shape}")
    require_bounded(f"result.{name}", values, _LARGEST)
    rows = values.reshape(-1, *values.shape[len(leading) :])
    return six(rows) if rows.ndim == 3 else rows


def _norm(rows: FloatArray) -> FloatArray:
    """Return the norm of each tensor (N, 6) or vector (N, 3), whatever its size."""
    largest = float(np.abs(rows).max()) or 1.0
    weights = WEIGHTS[: rows.shape[1]]  # of a vector: ones
    norm: FloatArray = largest * np.sqrt(np.einsum("si,si,i->s", rows / largest, rows / largest, weights))
    return norm


def _without_trace(rows: FloatArray) -> FloatArray:
    part = rows.copy()
    part[:, :3] -= part[:, :3].mean(axis=1, keepdims=True)
    return part
