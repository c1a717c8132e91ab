"""What perturbation theory leaves of the susceptibilities of an ensemble, with standard errors, and its file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mbfast._core import archive
from mbfast._core.validate import FloatArray, require_choice
from mbfast._core.voigt import POLARIZATIONS

# arrays of a saved result and their axes: s ensembles, m members, 2 signs, n couplings, c components, k frequencies
PARTS = {"uncoupled": "smck", "random_phase": "smck", "hartree": "smck", "second": "smck", "second_error": "smck"}
_ARRAYS = {"names": "s", "n_blocks": "s", "omega": "k", "temperature": "", "couplings": "n", "exact": "sm2nck"} | PARTS
_KINDS = {"names": "U", "n_blocks": "i", "temperature": "f", "couplings": "f", "second_error": "f"}


class Average(NamedTuple):
    """A mean over an ensemble.

    Attributes
    ----------
    value : ndarray
        The mean, or what is made of means.
    error : ndarray
        Its standard error, of complex numbers that of the real and that of the imaginary part.
    """

    value: NDArray[Any]
    error: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Orders:
    """Exact susceptibilities of the members of ensembles, and their orders in the coupling.

    Axes: s ensembles, m members of each, +g and -g, n couplings, c components (longitudinal and transverse, or the mean
    of dipoles), k frequencies. Susceptibilities are those of a volume of the super block's, in Pa (of dipoles
    C^2/(J m^3)).

    Attributes
    ----------
    names : ndarray of str, shape (s,)
        Of the ensembles.
    n_blocks : ndarray of int, shape (s,)
        Blocks of a super block.
    omega : ndarray, shape (k,)
        Complex frequencies (rad/s).
    temperature : float
        T (K).
    couplings : ndarray, shape (n,)
        g, positive and increasing: what the interaction between blocks is multiplied by.
    exact : ndarray, shape (s, m, 2, n, c, k)
        chi at g, and at -g.
    uncoupled, random_phase, hartree, second : ndarray, shape (s, m, c, k)
        chi = uncoupled + g (random_phase + hartree) + g^2 second + ...
    second_error : ndarray, shape (s, m, c, k)
        Estimated absolute error of `second`.
    inputs : dict
        What was asked for, in types that JSON has.
    """

    names: NDArray[np.str_]
    n_blocks: NDArray[np.int64]
    omega: NDArray[np.complex128]
    temperature: float
    couplings: FloatArray
    exact: NDArray[np.complex128]
    uncoupled: NDArray[np.complex128]
    random_phase: NDArray[np.complex128]
    hartree: NDArray[np.complex128]
    second: NDArray[np.complex128]
    second_error: FloatArray
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components."""
        return POLARIZATIONS if self.uncoupled.shape[2] == len(POLARIZATIONS) else ("mean",)

    def remainder(self, order: int) -> NDArray[np.complex128]:
        """Return what perturbation theory leaves of chi.

        Parameters
        ----------
        order : int
            Up to which it is subtracted: 0, 1 or 2.

        Returns
        -------
        ndarray, shape (s, m, 2, n, c, k)

        Raises
        ------
        ValueError
            If order is none of these.
        """
        require_choice("order", order, (0, 1, 2))
        terms = (self.uncoupled, self.random_phase + self.hartree, self.second)[: order + 1]
        g = np.stack([self.couplings, -self.couplings])[:, :, None, None]
        left = self.exact.copy()
        for power, term in enumerate(terms):
            left -= term[:, :, None, None] * g**power
        return left

    def errors(self, order: int) -> Average:
        """Error of perturbation theory for single super blocks, relative to what blocks alone respond with.

        Parameters
        ----------
        order : int
            Up to which terms are summed: 0, 1 or 2.

        Returns
        -------
        Average
            Shape (s, n, c): the root mean square of the remainder over members, both signs and frequencies, divided by
            that of order 0; nan where blocks do not respond.

        Raises
        ------
        ValueError
            If order is none of these.
        """
        left = (np.abs(self.remainder(order)) ** 2).mean(axis=(2, 5))
        whole = (np.abs(self.uncoupled) ** 2).mean(axis=3)[:, :, None]
        return _jackknife(lambda parts: np.sqrt(parts[0] / parts[1]), left, np.broadcast_to(whole, left.shape))

    def mean_errors(self, order: int) -> Average:
        """Error of perturbation theory for the mean over the ensemble, relative to that of order 0.

        Parameters
        ----------
        order : int
            Up to which terms are summed: 0, 1 or 2.

        Returns
        -------
        Average
            Shape (s, n, c): the root mean square over frequencies of the mean remainder at +g, divided by that of the
            mean of order 0. Where it is no larger than its standard error it is noise of the ensemble. Order 1 is such
            noise where directions are random, and taking it away does not change the mean. nan where nothing responds.

        Raises
        ------
        ValueError
            If order is none of these.
        """
        left = self.remainder(order)[:, :, 0]
        whole = np.broadcast_to(self.uncoupled[:, :, None], left.shape)
        return _jackknife(lambda parts: np.sqrt(_squares(parts[0]) / _squares(parts[1])), left, whole)

    def average(self, part: Literal["uncoupled", "random_phase", "hartree", "second"]) -> Average:
        """Mean of a coefficient over the ensemble.

        Parameters
        ----------
        part : {"uncoupled", "random_phase", "hartree", "second"}
            Which.

        Returns
        -------
        Average
            Shape (s, c, k), complex.

        Raises
        ------
        ValueError
            If part is unknown.
        """
        require_choice("part", part, tuple(PARTS)[:4])
        values = getattr(self, part)
        n = values.shape[1]
        spread = np.empty(values[:, 0].shape, np.complex128)
        spread.real, spread.imag = values.real.std(axis=1, ddof=1), values.imag.std(axis=1, ddof=1)
        return Average(values.mean(axis=1), spread / math.sqrt(n))

    def share(
        self, part: Literal["random_phase", "hartree", "second"], of: Literal["real", "imag"] = "imag"
    ) -> Average:
        """How much a coefficient adds to the mean absorption, or dispersion, of the blocks alone, at g = 1.

        Parameters
        ----------
        part : {"random_phase", "hartree", "second"}
            Which.
        of : {"real", "imag"}
            Re chi or Im chi.

        Returns
        -------
        Average
            Shape (s, c): the factor a that makes a times the mean of order 0 closest to the mean of the coefficient
            over the frequencies, by least squares; negative where the coupling takes absorption away;
            nan where nothing is absorbed.

        Raises
        ------
        ValueError
            If part or of is unknown.
        """
        require_choice("part", part, tuple(PARTS)[1:4])
        require_choice("of", of, ("real", "imag"))
        both = (np.asarray(getattr(x, of)) for x in (getattr(self, part), self.uncoupled))
        return _jackknife(lambda parts: (parts[0] * parts[1]).sum(axis=-1) / (parts[1] ** 2).sum(axis=-1), *both)

    def save(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        """Write an .npz archive of all attributes, which `Orders.load` and `numpy.load` read.

        Parameters
        ----------
        file : path-like or binary stream
            A path, which gets no suffix added, is written whole or not at all; what was there is replaced. Equal
            results make equal bytes.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        archive.save_result(file, "orders", {name: getattr(self, name) for name in _ARRAYS}, self.inputs)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Read what `Orders.save` or ``mbfast superblock`` wrote.

        Parameters
        ----------
        file : path-like
            The archive. Nothing in it is executed: pickled objects are refused.

        Returns
        -------
        Orders

        Raises
        ------
        OSError
            If the file cannot be opened.
        TypeError
            If `file` is no path.
        ValueError
            If it is damaged, no such result, incomplete, or of a later format than this mbfast; the message names it.
        """
        content, inputs = archive.load_result(file, "orders", _ARRAYS)
        shape = content["exact"].shape if content["exact"].ndim == 6 else (0,) * 6
        lengths = dict(zip("sm2nck", shape, strict=True)) | {"2": 2}
        for name, axes in _ARRAYS.items():
            array, wanted = content[name], tuple(lengths[axis] for axis in axes)
            if array.dtype.kind != _KINDS.get(name, "c") or array.shape != wanted:
                got = f"{array.dtype} of shape {array.shape}"
                raise ValueError(f"{file}: not orders, {name} must have shape {wanted}, got {got}")
        values: dict[str, Any] = {**content, "temperature": float(content["temperature"])}
        return cls(**values, inputs=inputs)


def _squares(values: NDArray[np.complex128]) -> FloatArray:
    result: FloatArray = (np.abs(values) ** 2).sum(axis=-1)
    return result


def _jackknife(function: Callable[[list[NDArray[Any]]], FloatArray], *samples: NDArray[Any]) -> Average:
    """Return a function of means over members (s, m, ...), and its standard error: from it without one member each."""
    n = samples[0].shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):  # of ensembles that do not respond
        value = function([sample.mean(axis=1) for sample in samples])
        totals = [sample.sum(axis=1, keepdims=True) for sample in samples]
        others = function([(total - sample) / (n - 1) for total, sample in zip(totals, samples, strict=True)])
        spread = ((others - others.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return Average(value, np.sqrt((n - 1) / n * spread))
