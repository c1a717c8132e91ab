"""Which method a pair sum takes: time and memory of each, predicted for this machine; refusal of what does not fit."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from mbfast._core import jit as _jit
from mbfast._core import tiles as _tiles
from mbfast._core.validate import FloatArray, require_choice
from mbfast.kernels import dipole, stress
from mbfast.pairs._ewald import choose
from mbfast.pairs.ewald import EwaldField, check_rtol
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import DipoleInteraction, StressInteraction
from mbfast.pairs.lattice import LatticeField, transform_length

Kind: TypeAlias = Literal["stress", "dipole"]
Name: TypeAlias = Literal["direct", "fft", "ewald"]

_log = logging.getLogger("mbfast")
_COMPONENTS: dict[Kind, int] = {"stress": 6, "dipole": 3}
_SAMPLE = 1 << 17  # random positions that stand for more
_AVERAGED = 11.0  # times the direct sum of points
_SPARE = 5e7  # bytes that every method may take


@dataclass(frozen=True)
class Prediction:
    """What one method would take for one field.

    Attributes
    ----------
    method : {"direct", "fft", "ewald"}
    seconds : float
        Set-up included, with all threads; from speeds measured on this machine, good to a factor of two or so.
    memory : float
        Bytes, moments and field included.
    why_not : str
        Why the method cannot be taken, or nothing.
    """

    method: Name
    seconds: float
    memory: float
    why_not: str = ""


def predict(
    shape: tuple[int, ...] | int,
    kind: Kind = "stress",
    *,
    rtol: float = 1e-12,
    boundary: Literal["open", "periodic"] = "open",
    images: int | None = None,
    averaged: bool = False,
    positions: FloatArray | None = None,
    methods: Collection[Name] = ("direct", "fft", "ewald"),
) -> tuple[Prediction, ...]:
    """Predict time and memory of every method for one field.

    Parameters
    ----------
    shape : tuple of three int, or int
        Of a lattice; or the number of blocks anywhere.
    kind : {"stress", "dipole"}
        Of the moments.
    rtol : float
        What "ewald" is to reach.
    boundary : {"open", "periodic"}
        Periodic: with `images` shells of images, or, by "ewald", all of them.
    images : int, optional
        Shells of explicit images.
    averaged : bool
        Whether blocks are cubes, on a lattice.
    positions : ndarray, shape (N, 3), optional
        In any unit; None: evenly spread over a cube.
    methods : collection of str
        Which to predict; "direct" always is, "fft" on lattices.

    Returns
    -------
    tuple of Prediction
        The fastest that is possible first.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    Speeds are measured at the first prediction that needs them, or by ``mbfast warmup``, in a second each where the
    kernels are compiled, and kept beside these.

    Examples
    --------
    >>> from mbfast.pairs.planning import predict
    >>> first, *others = predict((128, 128, 128), "stress")
    >>> first.method, [other.method for other in others]
    ('fft', ['ewald', 'direct'])
    """
    require_choice("kind", kind, tuple(_COMPONENTS))
    require_choice("boundary", boundary, ("open", "periodic"))
    lattice: tuple[int, ...] | None = shape if isinstance(shape, tuple) else None
    sides: tuple[int, ...] = shape if isinstance(shape, tuple) else (shape,)
    if not all(isinstance(side, int | np.integer) and side >= 0 for side in sides) or len(sides) not in (1, 3):
        raise ValueError(f"shape must be three whole numbers of blocks, or one, got {shape!r}")
    tolerance = check_rtol(rtol)
    n, components = math.prod(int(side) for side in sides), _COMPONENTS[kind]
    shells = 1 if boundary == "open" or images is None else (2 * images + 1) ** 3
    ends = 8.0 * n * (2 * components + 3) + _SPARE
    need_images = "periodic sums by it need a number of images" if boundary == "periodic" and images is None else ""
    seconds = _speed(f"direct {kind}") * n * n * shells * (_AVERAGED if averaged else 1.0)
    found = [Prediction("direct", seconds, ends + (350.0 * n if averaged else 0.0), need_images)]
    if lattice is not None:
        padded = math.prod(transform_length(int(side)) for side in lattice)
        work = padded * math.log2(max(padded, 2))
        memory = ends + padded * (208.0 if kind == "stress" else 88.0)
        found.append(Prediction("fft", _speed(f"fft {kind}") * work, memory, need_images))
    why_not = "it takes points" if averaged else ""
    if images is not None:
        why_not = "it sums over all images"
    if "ewald" in methods:
        cost, memory = _ewald_cost(
            lattice, n, positions, tolerance, stress=kind == "stress", periodic=boundary == "periodic"
        )
        found.append(Prediction("ewald", _speed(f"ewald {kind}") * cost, ends + memory, why_not))
    return tuple(sorted(found, key=lambda prediction: (bool(prediction.why_not), prediction.seconds)))


def choose_method(predictions: tuple[Prediction, ...]) -> Name:
    """Return the fastest method that fits, or raise a MemoryError."""
    for prediction in predictions:
        if not prediction.why_not and prediction.memory <= available_memory():
            listed = ", ".join(f"{p.method} {p.seconds:.2g} s" for p in predictions)
            _log.info("auto takes %s (predicted: %s)", prediction.method, listed)
            return prediction.method
    possible = next((p for p in predictions if not p.why_not), predictions[0])
    require_memory(possible.method, predictions)
    return possible.method


def require_memory(method: str, predictions: tuple[Prediction, ...]) -> None:
    """Raise a MemoryError, with the numbers, if a method does not fit; it names those that would."""
    mine = next(prediction for prediction in predictions if prediction.method == method)
    free = available_memory()
    if mine.memory <= free:
        return
    fitting = [p for p in predictions if not p.why_not and p.memory <= free]
    would = " and ".join(f"{p.method} ({p.memory / 1e9:.2g} GB, {p.seconds:.2g} s)" for p in fitting)
    less = f"by it about {free / mine.memory:.1%} of these blocks"
    raise MemoryError(
        f"method {method!r} needs {mine.memory / 1e9:.3g} GB, {free / 1e9:.3g} GB are available; what would fit: "
        f"{would or less}"
    )


def available_memory() -> float:
    """Return the bytes that this process can have without swapping; infinity where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (OSError, ValueError):
        return math.inf


def _ewald_cost(
    lattice: tuple[int, ...] | None, n: int, positions: FloatArray | None, rtol: float, *, stress: bool, periodic: bool
) -> tuple[float, float]:
    """Return what the cost model says of n blocks, and bytes."""
    if n == 0:
        return 0.0, 0.0
    few = n if positions is not None else min(n, _SAMPLE)
    if positions is not None:
        sample = positions - positions.min(axis=0)
        longest = float(sample.max()) or 1.0
        lengths, sample = sample.max(axis=0) / longest, sample / longest
    else:
        lengths = np.array(lattice or (1, 1, 1), dtype=np.float64)
        lengths /= lengths.max()
        sample = np.random.default_rng(0).random((few, 3)) * lengths
    plan = choose(sample, lengths, rtol, flat=stress, periodic=periodic)
    components = 6 if stress else 3
    # measured: two meshes and their modes, the blocks in the order of the cells
    memory = 30.0 * components * math.prod(plan.shapes[0]) + few * (50.0 * components + 250.0)
    return plan.cost * n / few, memory * n / few


@functools.cache
def _speed(name: str) -> float:
    """Return one of `_MEASUREMENTS`, from the cache if it is there: what is not asked for need not be compiled."""
    folder = _jit.all_kernels()[0].cache_folder
    file = None if folder is None else folder / "speeds.json"
    key = f"{_jit.target()[0]}, {_tiles.usable_cores()} threads, 1"
    known: dict[str, float] = {}
    try:
        stored = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
        if stored.get("key") == key:
            known = {what: float(seconds) for what, seconds in stored["seconds"].items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        pass
    if name not in known:
        known[name] = _MEASUREMENTS[name]()
        if file is not None:
            with contextlib.suppress(OSError):  # measured again by the next process
                partial = file.with_name(f".{file.name}.{os.getpid()}")
                partial.write_text(json.dumps({"key": key, "seconds": known}), encoding="utf-8")
                partial.replace(file)
    return known[name]


def measure() -> None:
    """Measure all speeds that are not known."""
    for name in _MEASUREMENTS:
        _speed(name)


def _seconds(work: Callable[[], object]) -> float:
    """Best of two, after one that compiles and warms up."""
    work()
    times = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _material(kind: Kind) -> StressInteraction | DipoleInteraction:
    return StressInteraction(2200.0, 5800.0, 3800.0) if kind == "stress" else DipoleInteraction(1e-11)


def _direct(kind: Kind) -> float:
    n, rng = 4096, np.random.default_rng(0)
    interaction, positions = _material(kind), rng.random((3, n))
    moments, workers = rng.random((interaction.components, n)), _tiles.usable_cores()
    kernels = stress if kind == "stress" else dipole

    def work() -> None:
        def tile(start: int) -> None:
            targets = np.ascontiguousarray(positions[:, start : start + 512])
            field = np.zeros((interaction.components, 512))
            kernels.field(targets, positions, moments, *interaction.coefficients, field)

        _tiles.run(tile, range(0, n, 512), threads=workers)

    return _seconds(work) / n**2


def _fft(kind: Kind) -> float:
    lattice, interaction = BlockLattice((48, 48, 48), 1.0), _material(kind)
    moments = np.ones((*lattice.shape, interaction.components))
    padded = math.prod(transform_length(side) for side in lattice.shape)
    return _seconds(lambda: LatticeField(interaction, lattice)(moments)) / (padded * math.log2(padded))


def _ewald(kind: Kind) -> float:
    n, rng = 20_000, np.random.default_rng(0)
    interaction, positions = _material(kind), rng.random((n, 3))
    moments = rng.random((n, interaction.components))
    cost, _ = _ewald_cost(None, n, positions, 1e-6, stress=kind == "stress", periodic=False)
    return _seconds(lambda: EwaldField(interaction, positions, rtol=1e-6)(moments)) / cost


_MEASUREMENTS: dict[str, Callable[[], float]] = {
    f"{method} {kind}": functools.partial(work, kind)
    for method, work in (("direct", _direct), ("fft", _fft), ("ewald", _ewald))
    for kind in _COMPONENTS
}
