"""Which method a pair sum takes, and what each would take on this machine; refusal of what does not fit into memory."""

from __future__ import annotations

import functools
import itertools
import logging
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from mbfast._core import tiles
from mbfast._core.machine import available_memory
from mbfast._core.speeds import shortest, speed
from mbfast._core.validate import require_choice
from mbfast.pairs.direct import DirectField
from mbfast.pairs.ewald import EwaldField
from mbfast.pairs.fields import PairField
from mbfast.pairs.geometry import Anywhere, BlockLattice
from mbfast.pairs.interactions import DipoleInteraction, Interaction, StressInteraction
from mbfast.pairs.lattice import LatticeField
from mbfast.pairs.problem import EXACT, Boundary, PairProblem

Kind: TypeAlias = Literal["stress", "dipole"]
Name: TypeAlias = Literal["direct", "fft", "ewald"]

METHODS: dict[str, type[PairField]] = {made.method: made for made in (DirectField, LatticeField, EwaldField)}

_log = logging.getLogger("mbfast")

_FEW, _FEW_ANYWHERE = 2000, 10_000  # blocks, of a lattice or not, up to which nothing is faster than the direct sum
_MATERIALS: dict[str, Interaction] = {
    "stress": StressInteraction(2200.0, 5800.0, 3800.0),
    "dipole": DipoleInteraction(1e-11),
}


@dataclass(frozen=True)
class Prediction:
    """What one method would take for one field.

    Attributes
    ----------
    method : {"direct", "fft", "ewald"}
    seconds, memory : float
        Set-up included, with all threads, from speeds measured on this machine, good to a factor of two or so; bytes,
        moments and field included.
    why_not : str
        Why the method cannot be taken, or nothing.
    """

    method: Name
    seconds: float
    memory: float
    why_not: str = ""


def predict(
    shape: tuple[int, ...] | int, kind: Kind = "stress", *, rtol: float | None = None, boundary: Boundary = "open",
    images: int | None = None, averaged: bool = False,
) -> tuple[Prediction, ...]:  # fmt: skip
    """Predict time and memory of every method for one field on this machine.

    Parameters
    ----------
    shape : tuple of three int, or int
        Of a lattice; or the number of blocks, evenly spread over a cube.
    kind : {"stress", "dipole"}
        Of the moments.
    rtol : float, optional
        What "ewald" is to reach; None: 1e-12, as for ``method="auto"``.
    boundary, images
        As in `pair_field`: periodic, with `images` shells of images, or, without `images`, all of them.
    averaged : bool
        Whether blocks are cubes, on a lattice.

    Returns
    -------
    tuple of Prediction
        The fastest that is possible first.

    Raises
    ------
    TypeError
        If rtol is not one real number.
    ValueError
        If shape is not one or three whole numbers >= 0, kind or boundary is unknown, rtol is below 1e-12 or above 0.01,
        or images is no whole number of at least 0, or given with an open boundary.

    Notes
    -----
    Speeds are measured at the first prediction that needs them, or by ``mbfast warmup``, in a second each where the
    kernels are compiled, and kept beside these. What "auto" takes does not depend on them: see `auto_method`.

    Examples
    --------
    >>> from mbfast.pairs.planning import predict
    >>> first, *others = predict((128, 128, 128), "stress")
    >>> first.method, [other.method for other in others]
    ('fft', ['ewald', 'direct'])
    """
    return predictions(hypothetical(shape, kind, rtol=rtol, boundary=boundary, images=images, averaged=averaged))


def hypothetical(
    shape: tuple[int, ...] | int, kind: str, *, rtol: float | None, boundary: str, images: int | None, averaged: bool
) -> PairProblem:
    """Return a problem of so many blocks; its errors are those of `predict`."""
    require_choice("kind", kind, get_args(Kind))
    require_choice("boundary", boundary, get_args(Boundary))
    sides: tuple[Any, ...] = shape if isinstance(shape, tuple) else (shape,)
    whole = all(isinstance(side, int | np.integer) and not isinstance(side, bool) and side >= 0 for side in sides)
    if not whole or len(sides) not in (1, 3):
        raise ValueError(f"shape must be three whole numbers of blocks, or one, got {shape!r}")
    tolerance = EXACT if rtol is None else rtol
    lattice = BlockLattice((*sides, 1, 1)[:3], 1.0, averaged=averaged)
    problem = PairProblem.of(_MATERIALS[kind], lattice, boundary=boundary, images=images, rtol=tolerance)
    return problem if len(sides) > 1 else replace(problem, geometry=Anywhere(int(sides[0])))


def predictions(problem: PairProblem) -> tuple[Prediction, ...]:
    """Return what the methods would take for a problem on this machine, the fastest possible first."""
    found, threads = [], tiles.default_threads()[0]
    for name in get_args(Name):
        if name == LatticeField.method and problem.lattice is None:
            continue
        cost = METHODS[name].estimate(problem)
        seconds = cost.seconds * _speed(f"{name} {problem.interaction.components}", threads) if cost.seconds else 0.0
        found.append(Prediction(name, seconds, cost.memory, METHODS[name].why_not(problem)))
    return tuple(sorted(found, key=lambda prediction: (bool(prediction.why_not), prediction.seconds)))


def chosen(problem: PairProblem, method: str = "auto") -> tuple[type[PairField], PairProblem]:
    """Return the class of a method, or of the one that "auto" takes, and the problem as it takes it."""
    if method == "auto":
        method, problem, why = auto_method(problem)
        _log.info("auto takes %s: %s", method, why)
    return METHODS[method], problem


def auto_method(problem: PairProblem) -> tuple[Name, PairProblem, str]:
    """Return the method that ``method="auto"`` takes, the problem with its rtol, and why.

    It depends on the problem alone, so that the same input takes the same method, and gives the same bits, on every
    run: few blocks are summed directly; all images by FFT on a lattice, else by Ewald; for what is left the costs
    decide, seconds on a reference machine.
    """
    anywhere, explicit = problem.lattice is None, problem.images is not None
    few = problem.geometry.n_blocks * problem.n_targets <= (_FEW_ANYWHERE if anywhere else _FEW) ** 2
    if not problem.every_image and (few or (anywhere and explicit)):
        return "direct", problem, "few blocks, or explicit images of positions"
    exact = problem if problem.rtol is not None else replace(problem, rtol=EXACT)
    if problem.every_image:
        return "ewald" if anywhere or problem.at is not None else "fft", exact, "periodic, all images"
    candidates: tuple[Name, ...] = ("direct", "ewald" if anywhere or problem.at is not None else "fft")
    costs = {name: METHODS[name].estimate(exact).seconds for name in candidates if not METHODS[name].why_not(exact)}
    best = min(costs, key=costs.__getitem__, default=candidates[0])
    return best, exact, ", ".join(f"{name} {cost:.2g} s" for name, cost in costs.items()) + " on a reference machine"


def refuse_memory(method: str, problem: PairProblem) -> None:
    """Raise a MemoryError, with the numbers, and say which method would fit."""
    free, mine = available_memory(), METHODS[method].estimate(problem)
    others = {name: made for name, made in METHODS.items() if name != method and not made.why_not(problem)}
    costs = {name: made.estimate(problem) for name, made in others.items()}
    fitting = [f"{name} ({cost.memory / 1e9:.2g} GB)" for name, cost in costs.items() if cost.memory <= free]
    less = "fewer images" if problem.images else f"about {free / mine.memory:.1g} of the number of blocks by {method!r}"
    raise MemoryError(
        f"method {method!r} needs {mine.memory / 1e9:.3g} GB, {free / 1e9:.3g} GB are available; what would fit: "
        f"{' and '.join(fitting) or less}"
    )


@functools.cache
def _speed(name: str, threads: int) -> float:
    """Return `_measured` of a method and a number of components, kept for those threads."""
    return speed(name, threads, lambda: _measured(*name.split()))


def _measured(method: str, components: str) -> float:
    """Return how long a field takes here, with all threads, over what its cost says."""
    material = next(material for material in _MATERIALS.values() if str(material.components) == components)
    rng, shape = np.random.default_rng(0), (48, 48, 48)
    n = {"direct": 4096, "ewald": 20_000}.get(method, 0)
    problem = PairProblem.of(material, rng.random((n, 3)) if n else BlockLattice(shape, 1.0))
    moments = problem.moments(rng.random((*((n,) if n else shape), material.components)))
    made, workers = METHODS[method], tiles.default_threads()[0]
    seconds = shortest(lambda: made.of(problem).field_of(moments, None, workers, progress=False), 2)
    return seconds / made.estimate(problem).seconds


def measure() -> None:
    """Measure all speeds that are not known."""
    for method, material in itertools.product(METHODS, _MATERIALS.values()):
        _speed(f"{method} {material.components}", tiles.default_threads()[0])
