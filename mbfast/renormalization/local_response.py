"""Susceptibilities of blocks that each have their own, checked, and what a block answers to the strain of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import LARGEST, FloatArray, plain_array, real_array
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.geometry import ROWS, cut
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.problem import PairProblem
from mbfast.spectra.moduli import Moduli


def component_weights(components: int) -> FloatArray:
    """Return how often each component stands in a moment."""
    return WEIGHTS if components == len(WEIGHTS) else np.ones(components)


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
        given = [_numbers(part) for part in (chi if isinstance(chi, Moduli) else (chi,))]
        try:
            full = np.broadcast_shapes(*(part.shape for part in given), shape + last)
        except ValueError:
            full = ()
        wanted = shape + last
        if full[len(full) - len(wanted) :] != wanted or (last and any(part.shape[-2:] != last for part in given)):
            dots = ", ".join(map(str, ("...", *wanted)))
            raise ValueError(f"chi must have shape ({dots}), got {' and '.join(str(part.shape) for part in given)}")
        for part in given:
            largest = np.abs(part).max(initial=0.0)
            if not largest <= LARGEST:
                raise ValueError(f"chi must be finite, with magnitudes up to {LARGEST:g}, got {largest:g}")
            if last and np.abs(part - np.swapaxes(part, -1, -2)).max(initial=0.0) > 1e-10 * largest:
                raise ValueError("chi must be symmetric in its last two axes")
        arrays = [np.broadcast_to(part, full) for part in given]
        leading = full[: len(full) - len(wanted)]
        has_imaginary = any(part.dtype.kind == "c" for part in given)
        moduli, tensors = (None, arrays[0]) if last else ((arrays[0], arrays[1]), None)
        return cls(problem.interaction, problem.geometry.n_blocks, leading, moduli, tensors, has_imaginary)

    @property
    def numbers(self) -> int:
        """How many numbers are kept for a block."""
        return 3 if self.moduli else self.interaction.components**2

    def samples(self, *, self_field: bool) -> Iterator[tuple[tuple[int, ...], LocalResponse]]:
        """Yield the indices of each frequency or sample, and its blocks' responses to the strain of all others."""
        for sample in np.ndindex(self.leading):
            if self.moduli is not None:
                l, t = (part[sample].ravel() for part in self.moduli)  # noqa: E741
                yield sample, LocalResponse.of_moduli(l, t, self.interaction, self_field=self_field)
            else:
                assert self.tensors is not None
                tensors = self.tensors[sample].reshape(self.blocks, *self.tensors.shape[-2:])
                yield sample, LocalResponse.of_tensors(tensors, self.interaction, self_field=self_field)


def _numbers(value: Any) -> NDArray[Any]:
    array = plain_array("chi", value)
    if array.dtype.kind != "c":
        array = real_array("chi", array)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, copy=False)


def own_strain(interaction: Interaction) -> FloatArray:
    """Return the matrix (c, c) of what a cube's moment by volume makes of strain in it, on average, 2 h."""
    weights = component_weights(interaction.components)
    return 2.0 * interaction.prefactor * averaged_tensors(interaction, [0, 0, 0]) * weights


@dataclass(frozen=True)
class LocalResponse:
    """What each block answers to the strain of all others, over `unit`: the cube's field in itself is taken in.

    By the three eigenvalues of a tensor of cubic symmetry, (3, N), of traces, of xx - yy and of yz, or by plain
    components (N, c, c). `energetic` says whether it is real and negative, so that energies can be looked at.
    """

    values: NDArray[Any]
    unit: float
    energetic: bool

    @classmethod
    def of_moduli(
        cls, longitudinal: NDArray[Any], transverse: NDArray[Any], interaction: Interaction, *, self_field: bool
    ) -> LocalResponse:
        """Return those of isotropic blocks, (N,) each."""
        values = np.stack([3.0 * longitudinal - 4.0 * transverse, 2.0 * transverse, 2.0 * transverse])
        negative = values.dtype.kind == "f" and bool((values <= 0.0).all())
        if self_field:
            own = own_strain(interaction)
            each = own[0, 0] + 2.0 * own[0, 1], own[0, 0] - own[0, 1], own[3, 3]
            with np.errstate(all="ignore"):
                values = values / (1.0 - np.array(each)[:, None] * values)
        unstable = np.asarray(~np.isfinite(values).all(axis=0))
        if negative:
            unstable |= np.asarray((values > 0.0).any(axis=0))
        return cls._of(values, unstable, energetic=negative)

    @classmethod
    def of_tensors(cls, tensors: NDArray[Any], interaction: Interaction, *, self_field: bool) -> LocalResponse:
        """Return those of blocks of any symmetry, (N, c, c)."""
        weights = component_weights(interaction.components)
        negative = tensors.dtype.kind == "f" and _is_negative(tensors, weights)
        unstable = np.zeros(len(tensors), dtype=bool)
        if self_field:
            own, given = own_strain(interaction), tensors
            tensors = np.empty_like(given, order="C")
            for piece in (slice(*ends) for ends in cut(len(given), ROWS)):
                # chi (1 - own chi)^-1: of symmetric matrices, those of components without weights
                factor = np.eye(len(weights)) - (given[piece] * weights) @ own
                unstable[piece] = np.abs(np.linalg.det(factor)) < 1e-12
                factor[unstable[piece]] = np.eye(len(weights))
                tensors[piece] = np.linalg.solve(factor, given[piece])
            if negative and not _is_negative(tensors, weights):
                unstable |= np.linalg.eigvalsh(np.sqrt(np.outer(weights, weights)) * tensors)[:, -1] > 0.0
        return cls._of(tensors, unstable, energetic=negative)

    @classmethod
    def _of(cls, values: NDArray[Any], unstable: NDArray[np.bool_], *, energetic: bool) -> LocalResponse:
        if unstable.any():
            raise ArithmeticError(
                f"chi makes an unstable sample: block {int(np.argmax(unstable))} by itself, in its own field"
            )
        unit = float(np.abs(values).max(initial=0.0)) or 1.0
        return cls(values / unit, unit, energetic)

    def answer(self, strains: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
        """Return the moments by volume, over `unit`, of some blocks, (n, c)."""
        if self.values.ndim == 3:
            weights = component_weights(strains.shape[1])
            result: NDArray[Any] = np.einsum("nab,nb->na", self.values[start:stop], weights * strains)
            return result
        k, e, t = self.values[:, start:stop, None]
        trace = strains[:, :3].sum(axis=1, keepdims=True) / 3.0
        along = e * (strains[:, :3] - trace) + k * trace
        return np.concatenate([along, t * strains[:, 3:]], axis=1)


def _is_negative(tensors: NDArray[Any], weights: FloatArray) -> bool:
    """Whether all real tensors have no positive eigenvalue but by rounding."""
    roots = np.sqrt(np.outer(weights, weights))
    spare = 1e-10 * float(np.abs(tensors).max(initial=0.0)) or 1.0
    for piece in (slice(*ends) for ends in cut(len(tensors), ROWS)):
        try:
            np.linalg.cholesky(spare * np.eye(len(weights)) - roots * tensors[piece])
        except np.linalg.LinAlgError:
            return False
    return True
