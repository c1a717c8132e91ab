"""Susceptibilities of blocks that each have their own, checked, and what a block answers to the strain of others."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from mbfast._core.tiles import cut
from mbfast._core.validate import LARGEST, FloatArray, number_array
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.geometry import ROWS
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.problem import PairProblem
from mbfast.spectra.moduli import Moduli

_SINGULAR = 1e-12  # least singular value of 1 - own chi: an answer by a smaller one consists of rounding errors
_ROUNDING = 1e-10  # of a block's largest eigenvalue: a positive one below that is zero


@dataclass(frozen=True)
class Susceptibilities:
    """Checked chi of all blocks: two moduli (..., n1, n2, n3), or tensors (..., n1, n2, n3, c, c)."""

    interaction: Interaction
    blocks: int
    leading: tuple[int, ...]
    moduli: tuple[NDArray[Any], NDArray[Any]] | None
    tensors: NDArray[Any] | None
    is_complex: bool

    @classmethod
    def of(cls, chi: object, problem: PairProblem) -> Susceptibilities:
        """Check chi; a TypeError or ValueError says what is wrong with it."""
        components, shape = problem.interaction.components, problem.geometry.leading
        last = () if isinstance(chi, Moduli) else (components, components)
        if isinstance(chi, Moduli) and components != len(WEIGHTS):
            raise TypeError("chi must be tensors (..., 3, 3) for dipoles, got Moduli")
        given = [number_array("chi", part) for part in (chi if isinstance(chi, Moduli) else (cast(Any, chi),))]
        try:
            full = np.broadcast_shapes(*(part.shape for part in given), shape + last)
        except ValueError:
            full = ()
        wanted = shape + last
        if full[len(full) - len(wanted) :] != wanted or (last and any(part.shape[-2:] != last for part in given)):
            dots = ", ".join(map(str, ("...", *wanted)))
            raise ValueError(f"chi must have shape ({dots}), got {' and '.join(str(part.shape) for part in given)}")
        for part in given:
            planes = [part[place] for place in np.ndindex(part.shape[: max(0, part.ndim - len(last) - 2)])]
            largest = max((float(np.abs(plane).max(initial=0.0)) for plane in planes), key=_or_infinity, default=0.0)
            if not largest <= LARGEST:
                raise ValueError(f"chi must be finite, with magnitudes up to {LARGEST:g}, got {largest:g}")
            skew = (float(np.abs(plane - np.swapaxes(plane, -1, -2)).max(initial=0.0)) for plane in planes if last)
            if max(skew, default=0.0) > 1e-10 * largest:
                raise ValueError("chi must be symmetric in its last two axes")
        arrays = [np.broadcast_to(part, full) for part in given]
        leading = full[: len(full) - len(wanted)]
        has_imaginary = any(part.dtype.kind == "c" for part in given)
        moduli, tensors = (None, arrays[0]) if last else ((arrays[0], arrays[1]), None)
        return cls(problem.interaction, problem.geometry.n_blocks, leading, moduli, tensors, has_imaginary)

    @property
    def numbers(self) -> int:
        """How many numbers are kept for a block."""
        return 2 if self.moduli else self.interaction.components**2

    def samples(self, *, self_field: bool) -> Iterator[tuple[tuple[int, ...], LocalResponse]]:
        """Yield the indices of each frequency or sample, and its blocks' responses to the strain of all others."""
        own = own_strain(self.interaction) if self_field else np.zeros((self.interaction.components,) * 2)
        for sample in np.ndindex(self.leading):
            if self.moduli is not None:
                longitudinal, transverse = self.moduli
                yield sample, OfModuli.of(longitudinal[sample].ravel(), transverse[sample].ravel(), own)
            else:
                assert self.tensors is not None
                yield sample, OfTensors.of(self.tensors[sample].reshape(self.blocks, *own.shape), own)


def _or_infinity(size: float) -> float:
    return math.inf if math.isnan(size) else size


def own_strain(interaction: Interaction) -> FloatArray:
    """Return the matrix (c, c) of what a cube's moment by volume makes of strain in it, on average, 2 h."""
    weights = WEIGHTS[: interaction.components]
    return np.asarray(2.0 * interaction.prefactor * averaged_tensors(interaction, [0, 0, 0]) * weights)


@dataclass(frozen=True)
class LocalResponse(ABC):
    """What each block answers to the strain of all others, over `unit`: a cube's field in itself is taken in.

    `energetic` says whether it is real and negative, so that energies can be looked at.
    """

    unit: float
    energetic: bool

    @abstractmethod
    def answer(self, strains: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
        """Return the moments by volume, over `unit`, of the blocks [start, stop), (n, c)."""


@dataclass(frozen=True)
class OfModuli(LocalResponse):
    """Of isotropic blocks: by eigenvalues for traces, for xx - yy and for yz, which a cube's own field splits."""

    moduli: tuple[NDArray[Any], NDArray[Any]]  # l and t, (N,)
    own: NDArray[Any]  # eigenvalues of a cube's own strain (3,)

    @classmethod
    def of(cls, longitudinal: NDArray[Any], transverse: NDArray[Any], own: FloatArray) -> Self:
        """Return those of chi_l and chi_t (N,), and of a cube's own strain (6, 6), which may be zero."""
        eigenvalues = np.array([own[0, 0] + 2.0 * own[0, 1], own[0, 0] - own[0, 1], own[3, 3]])
        alone = cls(1.0, False, (longitudinal, transverse), eigenvalues)
        negative, largest = longitudinal.dtype.kind == "f" and transverse.dtype.kind == "f", 0.0
        pieces = cut(len(longitudinal), ROWS)
        for start, stop in pieces:
            given = _bulk_and_shear(longitudinal[start:stop], transverse[start:stop])
            negative = negative and not _positive(given).any()
        for start, stop in pieces:
            values = alone.eigenvalues(start, stop)
            singular = (np.abs(alone.factors(start, stop)) < _SINGULAR).any(axis=0)
            _refuse(singular | (negative & _positive(values.real)), start)
            largest = max(largest, float(np.abs(values).max()))
        return cls(largest or 1.0, negative, alone.moduli, eigenvalues)

    def factors(self, start: int, stop: int) -> NDArray[Any]:
        """Return the eigenvalues (3, n) of 1 - own chi; their magnitudes are its singular values."""
        result: NDArray[Any] = 1.0 - self.own[:, None] * self._alone(start, stop)
        return result

    def eigenvalues(self, start: int, stop: int) -> NDArray[Any]:
        """Return the three (3, n) of the blocks [start, stop)."""
        with np.errstate(all="ignore"):
            result: NDArray[Any] = self._alone(start, stop) / (self.unit * self.factors(start, stop))
        return result

    def _alone(self, start: int, stop: int) -> NDArray[Any]:
        return _bulk_and_shear(*(part[start:stop] for part in self.moduli))

    def answer(self, strains: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
        """As in every `LocalResponse`."""
        k, e, t = self.eigenvalues(start, stop)[..., None]
        trace = strains[:, :3].sum(axis=1, keepdims=True) / 3.0
        return np.concatenate([e * (strains[:, :3] - trace) + k * trace, t * strains[:, 3:]], axis=1)


@dataclass(frozen=True)
class OfTensors(LocalResponse):
    """Of blocks of any symmetry, by plain components (N, c, c)."""

    tensors: NDArray[Any]

    @classmethod
    def of(cls, given: NDArray[Any], own: FloatArray) -> Self:
        """Return those of tensors, and of a cube's own strain (c, c), which may be zero."""
        weights, tensors = WEIGHTS[: len(own)], given
        negative = given.dtype.kind == "f" and not _are_positive(given, weights).any()
        if own.any():
            # in the basis in which contractions have no weights
            root = np.sqrt(weights)
            roots, own = np.outer(root, root), own * np.divide.outer(root, root)
            tensors = np.empty_like(given, order="C")
            for start, stop in cut(len(given), ROWS):
                # chi (1 - own chi)^-1 = (1 - chi own)^-1 chi, which is symmetric again
                chi = given[start:stop] * roots
                factor = np.eye(len(root)) - chi @ own
                _refuse(_are_singular(factor), start)
                tensors[start:stop] = np.linalg.solve(factor, chi) / roots
            if negative:
                _refuse(_are_positive(tensors, weights), 0)
        unit = max(float(np.abs(tensors[start:stop]).max()) for start, stop in cut(len(tensors), ROWS))
        return cls(unit or 1.0, negative, tensors)

    def answer(self, strains: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
        """As in every `LocalResponse`."""
        weights = WEIGHTS[: strains.shape[1]] / self.unit
        result: NDArray[Any] = np.einsum("nab,nb->na", self.tensors[start:stop], weights * strains)
        return result


def _bulk_and_shear(longitudinal: NDArray[Any], transverse: NDArray[Any]) -> NDArray[Any]:
    """Return eigenvalues (3, n) for traces, and twice for what has none."""
    return np.stack([3.0 * longitudinal - 4.0 * transverse, 2.0 * transverse, 2.0 * transverse])


def _refuse(unstable: NDArray[np.bool_], start: int) -> None:
    if unstable.any():
        block = start + int(np.argmax(unstable))
        raise ArithmeticError(f"chi makes an unstable sample: block {block} by itself, in its own field")


def _are_singular(factors: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether matrices (n, c, c) have a singular value below `_SINGULAR`."""
    # the determinant is at least the smallest one times the largest one to no power above c - 1, and is cheaper
    with np.errstate(all="ignore"):
        bounds = _SINGULAR * np.linalg.norm(factors, axis=(1, 2)) ** (factors.shape[-1] - 1)
        singular = ~(np.abs(np.linalg.det(factors)) > bounds)
    singular[singular] = np.linalg.svd(factors[singular], compute_uv=False)[:, -1] < _SINGULAR
    return np.asarray(singular)


def _positive(eigenvalues: FloatArray) -> NDArray[np.bool_]:
    """Whether one of the eigenvalues (k, n) of a block is positive, and that is no rounding error."""
    result: NDArray[np.bool_] = (eigenvalues > _ROUNDING * np.abs(eigenvalues).max(axis=0)).any(axis=0)
    return result


def _are_positive(tensors: NDArray[Any], weights: FloatArray) -> NDArray[np.bool_]:
    """Whether real tensors (N, c, c) have a positive eigenvalue that is no rounding error."""
    roots, positive = np.sqrt(np.outer(weights, weights)), np.zeros(len(tensors), np.bool_)
    for piece in (slice(*ends) for ends in cut(len(tensors), ROWS)):
        given = roots * tensors[piece]
        spare = _ROUNDING * np.abs(given).max(axis=(1, 2), initial=0.0)
        try:  # cheaper, and all of them as a rule
            np.linalg.cholesky(np.where(spare > 0.0, spare, 1.0)[:, None, None] * np.eye(len(weights)) - given)
        except np.linalg.LinAlgError:
            positive[piece] = _positive(np.linalg.eigvalsh(given).T)
    return positive
