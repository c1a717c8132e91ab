"""What a super block takes on this machine, in time and memory, before anything is made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mbfast._core import tiles
from mbfast._core.machine import available_memory
from mbfast._core.speeds import shortest, speed
from mbfast._core.validate import count_from
from mbfast.pairs.interactions import StressInteraction
from mbfast.superblock import evolution, hamiltonian, response, routes
from mbfast.superblock.block import Block
from mbfast.superblock.ensembles import gaussian_blocks
from mbfast.superblock.hamiltonian import SuperBlock
from mbfast.superblock.kubo import matrices_size
from mbfast.superblock.lanczos import Lanczos, Operator
from mbfast.superblock.lowest import vectors_needed
from mbfast.superblock.orders import COUPLINGS

_OPERATORS = 6  # of the isotropic moduli
_STEPS, _THERMAL_STEPS = routes._LONGEST  # what susceptibility takes by default where lines are narrow
_GROUND, _THERMAL = 400, 100  # products for bounds and ground state, or for a thermal state
_LOWEST, _LOWEST_PRODUCTS = 10, 400  # levels, and products that they take or so
_ORTHOGONAL = 20.0  # steps of a recursion that theirs, whose vectors are made orthogonal, is worth
_LINES = 0.2  # s, one core of an Intel Xeon: lines of a sample, and their real parts, at any size
_EVOLUTION = 1000  # products: half the spectrum's width times t/hbar
_IN_A_WAVE = 100  # steps, each with exponentials of its parts
_TERMS, _MORE_TERMS = 7.0, 0.5  # products of an exponential, and those of each block more: measured, good to a third
_THERMAL_STATES = routes._VECTORS + 0.5 * (_THERMAL_STEPS + routes._BATCH)  # vectors
_VECTORS_OF_LEVELS = 6.0  # the time of eigenvectors and six operators between them, over that of eigenvalues
_COMPLEX = 3.0  # times as long as real
_REPEATS = 3  # of what is measured, of which the shortest counts


@dataclass(frozen=True)
class Prediction:
    """What one thing would take.

    Attributes
    ----------
    task : str
        What is computed.
    seconds : float
        With all threads, from speeds measured on this machine, good to a factor of two or so where the number of
        products with H is known, and of four where it depends on the levels (a few levels, and ground states).
    memory : float
        Bytes.
    blocks : int
        The most blocks, of so many levels, for which what is available now suffices.
    """

    task: str
    seconds: float
    memory: float
    blocks: int


@dataclass(frozen=True)
class _Size:
    """Blocks and levels."""

    n: int
    levels: int

    @property
    def states(self) -> float:
        return float(self.levels**self.n)

    @property
    def real(self) -> bool:
        """Whether states are real: those of two-level systems, whose stresses are diagonal in their wells."""
        return self.levels == 2

    @property
    def itemsize(self) -> float:
        return 8.0 if self.real else 16.0

    @property
    def work(self) -> float:
        """Of a product with H: states times what is done for each, flips or elements of pairs of blocks."""
        d = self.levels
        return self.states * (self.n if self.real else d * self.n + 0.5 * self.n * (self.n - 1) * min(d * d, 12.0 * d))

    def vectors(self, number: float) -> float:
        """Return the bytes of so many states and the diagonal of H."""
        return self.states * (8.0 + number * self.itemsize)


def predict(n_blocks: int, levels: int = 2) -> tuple[Prediction, ...]:
    """Predict time and memory of what can be computed of a super block on this machine.

    Parameters
    ----------
    n_blocks : int
        N.
    levels : int
        Of each block: 2 for two-level systems, whose Hamiltonian is real; of more, stresses are complex and do not
        commute, as those of `gaussian_blocks` with "GUE".

    Returns
    -------
    tuple of Prediction
        For one product with H, 10 of the lowest levels, all levels, the isotropic susceptibility from all levels, at
        T = 0 (300 steps) and at T > 0 (8 random vectors of 150 steps), evolution of a state in peace by 1000 products,
        and in a wave by 100 steps, and one super block of `measure_orders` with its five couplings of both signs.

    Raises
    ------
    TypeError
        If n_blocks or levels is no whole number.
    ValueError
        If n_blocks is below 1, levels is below 2, or they make more than 2**62 states.

    Notes
    -----
    Speeds are measured at the first prediction that needs them, or by ``mbfast warmup``, in a second or two where the
    kernels are compiled, and kept beside these.

    Examples
    --------
    >>> from mbfast.superblock.planning import predict
    >>> product, *others = predict(20)
    >>> product.task, product.memory == 2**20 * 24
    ('H psi', True)
    """
    number, d = count_from(1, "n_blocks", n_blocks), count_from(2, "levels", levels)
    if number > 62 or d**number > 2**62:
        raise ValueError(f"n_blocks must make at most 2**62 states, got {number} blocks of {d} levels")
    free, threads = available_memory(), tiles.default_threads()[0]
    times, memories = _times(_Size(number, d), threads), _memories(_Size(number, d))
    found = []
    for task, memory in memories.items():
        fitting = 0
        while d ** (fitting + 1) <= 2**62 and _memories(_Size(fitting + 1, d))[task] <= free:
            fitting += 1
        found.append(Prediction(task, times[task], memory, fitting))
    return tuple(found)


def _memories(size: _Size) -> dict[str, float]:
    """Return bytes by task, as the tasks refuse them."""
    matrix = size.states**2 * size.itemsize
    peace, wave = (size.states * (8.0 + evolution.bytes_needed(1.0, 1, driven=driven)) for driven in (False, True))
    return {
        "H psi": size.vectors(2.0),
        f"{_LOWEST} lowest levels": size.vectors(vectors_needed(_LOWEST)),
        "all levels": size.states**2 * 8.0 + hamiltonian._MATRICES * matrix,
        "susceptibility, all levels": routes._MATRICES * matrix,
        "susceptibility, T = 0": routes._VECTORS * size.states * size.itemsize,
        "susceptibility, T > 0": _THERMAL_STATES * size.states * size.itemsize,
        f"evolution, {_EVOLUTION} products": peace,
        f"{_IN_A_WAVE} steps in a wave": wave,
        "orders of one super block": matrices_size(size.states, int(size.itemsize)),
    }


def _times(size: _Size, threads: int) -> dict[str, float]:
    """Return seconds by task."""
    kind = "two-level" if size.real else "general"
    call = _speed("call", threads)
    product = call + _speed(f"product-{kind}", threads) * size.work
    vector = _speed("step", threads) * size.states * size.itemsize
    step, complex_step = product + vector, call + (product - call + vector) * 16.0 / size.itemsize
    exponentials = 2 * sum(evolution._PARTS) * _IN_A_WAVE
    levels = _speed("levels", threads) * size.states**3 * (1.0 if size.real else _COMPLEX)
    overlaps = _OPERATORS * _THERMAL_STEPS**2 * size.states * (1.0 if size.real else _COMPLEX)
    recursions = _THERMAL + (1 + _OPERATORS) * _THERMAL_STEPS
    thermal = response._VECTORS * (recursions * step + _speed("overlaps", threads) * overlaps + _LINES)
    exact = _VECTORS_OF_LEVELS * levels
    return {
        "H psi": product,
        f"{_LOWEST} lowest levels": _LOWEST_PRODUCTS * (product + _ORTHOGONAL * vector),
        "all levels": levels,
        "susceptibility, all levels": exact,
        "susceptibility, T = 0": (_OPERATORS * _STEPS + _GROUND) * step + _LINES,
        "susceptibility, T > 0": thermal,
        f"evolution, {_EVOLUTION} products": _EVOLUTION * complex_step,
        f"{_IN_A_WAVE} steps in a wave": exponentials * (_TERMS + _MORE_TERMS * size.n) * complex_step,
        "orders of one super block": 2 * len(COUPLINGS) * exact,
    }


@functools.cache
def _speed(name: str, threads: int) -> float:
    """Return what `_MEASURED` measures of a name, kept for those threads."""
    return speed(f"super-block {name}", threads, lambda: _MEASURED[name](threads))


def measure() -> None:
    """Measure all speeds that are not known."""
    for name in _MEASURED:
        _speed(name, tiles.default_threads()[0])


def _product(size: _Size, threads: int) -> float:
    """Return the time of a product with H over its work."""
    rng = np.random.default_rng(0)
    if size.real:
        levels = [Block.two_level(1.0, rng.normal(), rng.normal(size=6)) for _ in range(size.n)]
    else:
        levels = gaussian_blocks(size.n, size.levels, 1.0, 1.0, ensemble="GUE", rng=rng)
    made = SuperBlock(StressInteraction(1.0, 2.0, 1.0), rng.random((size.n, 3)), levels)
    state = rng.normal(size=made.dimension).astype(made.dtype)
    out = np.empty_like(state)
    return shortest(lambda: made.apply(state, out=out, threads=threads), _REPEATS) / size.work


def _step(threads: int) -> float:
    """Return the time of what a recursion does beside the product, over the bytes of a state."""
    states = np.random.default_rng(0).normal(size=(3, 1 << 18))
    operator = Operator(lambda *_: None, states.shape[1], states.dtype, threads)

    def once() -> None:
        operator.dot(states[0], states[1])
        operator.step(0.5, states[0], 0.25, states[1], 0.25, states[2])

    return shortest(once, _REPEATS) / float(states[0].nbytes)


def _call(threads: int) -> float:
    """Return the time of a step of a recursion of so few states that only calls count."""
    block = Block.two_level(1.0, 1.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    made, steps = SuperBlock(StressInteraction(1.0, 2.0, 1.0), np.diag([1.0, 2.0, 3.0]), block), 6
    operator = Operator(lambda psi, out: made.apply(psi, out=out, threads=threads), 8, made.dtype, threads)
    return shortest(lambda: list(Lanczos(operator, np.arange(1.0, 9.0), steps, 1.0)), 20) / steps


def _levels(_: int) -> float:
    """Return the time of all eigenvalues of a real matrix over the third power of its size; LAPACK has its threads."""
    from scipy.linalg import eigvalsh  # noqa: PLC0415

    n = 512
    matrix = np.random.default_rng(0).normal(size=(n, n))
    return shortest(lambda: eigvalsh(matrix + matrix.T, check_finite=False), _REPEATS) / n**3


def _overlaps(_: int) -> float:
    """Return the time of products of states in single precision, over their number and size."""
    bras, kets = (np.ones((n, 1 << 15), np.float32) for n in (128, 16))
    return shortest(lambda: bras @ kets.T, _REPEATS) / (bras.size * len(kets))


_MEASURED: dict[str, Callable[[int], float]] = {
    "product-two-level": functools.partial(_product, _Size(18, 2)),
    "product-general": functools.partial(_product, _Size(7, 4)),
    "step": _step,
    "call": _call,
    "levels": _levels,
    "overlaps": _overlaps,
}
