"""What a pair sum returns, what made it, and the file of both."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, BinaryIO, Self

import numpy as np

import mbfast
from mbfast._core.archive import load_result, save_result
from mbfast._core.validate import FloatArray
from mbfast.pairs.fields import PairField
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.moments import Moments

_ARRAYS = ("field", "energies", "positions", "moments")
_SCALARS = {"method": str, "rtol": float, "error": float}


@dataclass(frozen=True, eq=False)
class PairResult:
    """Field and energies of blocks, and how they were computed.

    Attributes
    ----------
    field : ndarray
        h, in the layout of the moments: dimensionless for stress, V/m for dipoles.
    energies : ndarray, shape (N,)
        T_s : h_s of each block (J); under a given mean stress sigma T_s : (h_s + C^-1 sigma/2), as in
        `PairField.energy`.
    positions, moments : ndarray
        Where the blocks are (m), shape (N, 3), and their moments.
    method : {"direct", "fft", "ewald"}
        Which method computed it.
    rtol : float
        What the method is held to.
    error : float
        Estimated largest error of a component of the field, in its unit: rtol times the largest of them, or, where all
        are smaller than that, times the method's `unit` for the largest moment.
    inputs : dict
        What was asked for: interaction, boundary, images, ... and the version of mbfast.
    lattice : BlockLattice or None
        That of the blocks, as `inputs` describes it; None if they are anywhere.

    Examples
    --------
    >>> import mbfast, numpy as np, pathlib, tempfile
    >>> result = mbfast.pair_sum(mbfast.DipoleInteraction(8.9e-12), 5e-9 * np.eye(3), 3e-30 * np.eye(3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result.asked(source="three.toml").save(pathlib.Path(folder) / "three.npz")
    ...     same = mbfast.PairResult.load(pathlib.Path(folder) / "three.npz")
    >>> same.method, same.inputs["source"], bool((same.field == result.field).all())
    ('direct', 'three.toml', True)
    """

    field: FloatArray
    energies: FloatArray
    positions: FloatArray
    moments: FloatArray
    method: str
    rtol: float
    error: float
    inputs: Mapping[str, Any]

    @classmethod
    def of(cls, summed: PairField, moments: Moments, field: FloatArray) -> Self:
        """Return the result of a method for moments whose field it computed."""
        problem = summed.problem
        places, lattice = problem.geometry, problem.lattice
        size = summed.rtol * max(float(np.abs(field).max(initial=0.0)), summed.unit * moments.unit)
        inputs = {
            "version": mbfast.__version__,
            "interaction": repr(problem.interaction),
            "lattice": None if lattice is None else asdict(lattice),
            "boundary": problem.boundary,
            "cell": None if problem.cell is None else (problem.cell * places.unit).tolist(),
            **{name: getattr(problem, name) for name in ("images", "image_shape", "macroscopic", "self_field")},
        }
        positions = lattice.positions if lattice is not None else places.reduced().T * places.unit
        rows = moments.rows().reshape(moments.shape)
        energies = moments.products(field + summed.held_of(moments))
        return cls(field, energies, positions, rows, summed.method, summed.rtol, size, inputs)

    @property
    def energy(self) -> float:
        """Sum of `energies` (J), each pair counted twice, as in (2.13); of one cell if periodic."""
        return math.fsum(self.energies)

    @property
    def lattice(self) -> BlockLattice | None:
        """The lattice of the blocks, or None; a ValueError if `inputs` describes none that can be."""
        given = self.inputs.get("lattice")
        try:
            return None if given is None else BlockLattice(**given)
        except (TypeError, ValueError) as error:
            raise ValueError(f"inputs['lattice'] must describe a BlockLattice, got {given!r} ({error})") from None

    def asked(self, **inputs: Any) -> Self:
        """Return the same with more inputs, such as the name of a file."""
        return replace(self, inputs={**self.inputs, **inputs})

    def save(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        """Write an .npz archive of all attributes and of the energy, whole or not at all; an OSError if it cannot be.

        The file is a path, whatever its suffix, or a binary stream.
        """
        arrays = {name: getattr(self, name) for name in (*_ARRAYS, *_SCALARS, "energy")}
        save_result(file, "pair-sum", arrays, self.inputs, compress=False)  # random numbers do not compress

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Read what `save` has written; pickled objects are refused, not loaded.

        Parameters
        ----------
        file : str or path-like
            The file.

        Returns
        -------
        PairResult

        Raises
        ------
        OSError
            If the file cannot be read.
        TypeError
            If `file` is no path.
        ValueError
            If it is damaged, incomplete, no saved pair sum, or of a later format; the message names the file.
        """
        content, inputs = load_result(file, "pair-sum", (*_ARRAYS, *_SCALARS))
        blocks, moments = content["energies"].shape[:1], content["moments"].shape
        shapes = {"field": moments, "energies": blocks, "positions": (*blocks, 3), "moments": moments}
        for name in (*_ARRAYS, *_SCALARS):
            array, shape, kind = content[name], shapes.get(name, ()), "U" if _SCALARS.get(name) is str else "f"
            if array.dtype.kind != kind or array.shape != shape:
                what, got = "text" if kind == "U" else "numbers", f"{array.dtype} of shape {array.shape}"
                raise ValueError(f"{file}: not a pair sum, {name} must be {what} of shape {shape}, got {got}")
        values: dict[str, Any] = {name: content[name] for name in _ARRAYS}
        values.update({name: kind(content[name]) for name, kind in _SCALARS.items()})
        return cls(**values, inputs=inputs)
