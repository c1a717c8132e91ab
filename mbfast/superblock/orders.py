r"""Perturbation theory in the coupling of blocks, measured over ensembles of super blocks.

What is measured
    The susceptibility chi(z; g) of a super block at complex frequencies z, exactly, with its couplings multiplied by g
    and by -g, for several g; of a wave the mean over k and -k, which differ where stresses are complex. What
    perturbation theory says of it, order by order: order 0, of the blocks alone; order 1, of `first_order`, the
    random-phase and the Hartree part apart; and order 2 *as measured*, the part of chi even in g, less order 0, divided
    by g^2 and extrapolated to g = 0. What is left, chi less the orders up to 0, 1 or 2, is the error of perturbation
    theory: of a single super block, and of the mean over the ensemble.
How order 2 is extrapolated
    (chi(g) + chi(-g))/2 = chi_0 + g^2 c_2 + g^4 c_4 + ...: from the three smallest couplings, by a polynomial in g^2
    (Richardson). The error that is stated is the change from what the two smallest give, and rounding errors: far above
    the true one where the couplings are small, and no bound where they are not.
What to choose
    The series is one in g V/(hbar Im z), V being what a coupling shifts a level by, and in g V/(k_B T) where that is
    larger; broadening makes it converge. With lines far narrower than V no order says anything about the place of a
    line. At a temperature of zero the ground state may change at some g, where every series ends: take one above zero.
What it does not show
    Single lines: Lorentzian broadening covers what is closer than Im z. Relaxation: the response is that of a closed
    system, without the populations that follow a strain. Large super blocks: all levels are needed, of ten blocks with
    two levels or so; whether something grows with the logarithm of their number cannot be decided from a factor of five
    in it. Rare pairs: the mean over an ensemble with wide distributions, as that of Delta_0, may be made by
    members that were not drawn, and its standard error knows of those alone that were.
Odd and even
    The Hartree part averages to zero over random signs of the stresses of blocks. The random-phase part has each stress
    twice, so that signs do not matter to it; its moduli at k = 0 average to zero over random directions, as those of
    Lambda do for every pair. Odd orders above, from g^3 on, do not average to zero over signs either.

>>> import mbfast, numpy as np
>>> from mbfast.superblock import ensembles
>>> from mbfast.superblock.orders import measure_orders
>>> silica = mbfast.StressInteraction(2200, 5800, 3800)
>>> def pairs(rng):
...     blocks = ensembles.isotropic_two_level_blocks(2, 2e-20, 1e-23, 1e-24, rng=rng)
...     return mbfast.SuperBlock(silica, mbfast.BlockLattice((2, 1, 1), 5e-9), blocks)
>>> omega = np.linspace(0, 1e11, 8) + 1e10j
>>> rng = np.random.default_rng(1)
>>> result = measure_orders({"pairs": pairs}, omega, 0.1, block_volume=5e-9**3, members=20, rng=rng)
>>> errors = [result.errors(order).value[0, 0, 0] for order in (0, 1, 2)]
>>> bool(errors[0] > errors[1] > errors[2])
True
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import mbfast
from mbfast._core import jobs, tiles
from mbfast._core.extrapolation import at_zero
from mbfast._core.tiles import Progress
from mbfast._core.validate import (
    LARGEST,
    FloatArray,
    count_from,
    float_array,
    positive_number,
    require_positive,
    wave_vector,
)
from mbfast._core.voigt import WEIGHTS
from mbfast.spectra.moduli import isotropic_moduli
from mbfast.spectra.thermal import check_kelvin
from mbfast.superblock.ensembles import check_generator
from mbfast.superblock.kubo import Expansion
from mbfast.superblock.perturbation import check_complex_frequencies, first_order
from mbfast.superblock.remainders import PARTS, Orders

if TYPE_CHECKING:
    from mbfast.superblock.hamiltonian import SuperBlock

Draw = Callable[..., "SuperBlock"]
"""What draws a super block when it is called with ``rng=`` a Generator."""

COUPLINGS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
_NODES = 3  # of the extrapolation
_ROUNDING = 16 * 2.0**-52  # of a susceptibility, for each width hbar Im z in the range of levels


def measure_orders(
    ensembles: Mapping[str, Draw], omega: ArrayLike, temperature: float, *, block_volume: float, members: int,
    rng: np.random.Generator, couplings: ArrayLike = COUPLINGS, wavevector: ArrayLike | None = None,
    threads: int | None = None, progress: Progress = False, checkpoint: str | os.PathLike[str] | None = None,
) -> Orders:  # fmt: skip
    """Measure how perturbation theory in the coupling fails over ensembles of super blocks, and its second order.

    Parameters
    ----------
    ensembles : mapping of str to callable
        By name, what draws a super block when it is called with ``rng=``: of one number of blocks and one kind of
        interaction each time, whatever is random beside.
    omega : array_like, shape (k,)
        Complex frequencies (rad/s), with a positive imaginary part: omega + i broadening for Lorentzian lines.
    temperature : float
        T (K), zero allowed.
    block_volume : float
        Of one block (m^3).
    members : int
        Super blocks of each ensemble, at least 2.
    rng : numpy.random.Generator
        Where the numbers come from: all super blocks are drawn from it, one after the other, before any is computed.
    couplings : array_like, shape (n,)
        At least three g, positive and increasing. The three smallest give order 2.
    wavevector : array_like, shape (3,), optional
        k (1/m); None: 0.
    threads : int, optional
        Super blocks at a time; None: as many as this process may use, see `set_threads`. LAPACK has its own threads,
        which are in the way: set OPENBLAS_NUM_THREADS=1 before NumPy is imported, as ``mbfast superblock`` does.
    progress : bool or callable
        Draw a bar (needs rich), or call ``progress(super blocks done, super blocks in all)``.
    checkpoint : str or path-like, optional
        A file that keeps finished super blocks, so that the same call, with a generator in the same state, goes on with
        it after the process was killed; see `Checkpoint`.

    Returns
    -------
    Orders

    Raises
    ------
    TypeError
        If ensembles is no mapping of names to callables, or one of them returns no SuperBlock; if omega does not
        consist of numbers, or temperature, block_volume, couplings or wavevector of real ones; if members or threads is
        no whole number; if rng is no Generator; if progress is neither.
    ValueError
        If there is no ensemble, or members of one differ in their number of blocks, or of all in their interaction's
        components; if omega is not one-dimensional, finite and above the real axis; if temperature is negative,
        block_volume not positive, members below 2, couplings are not at least three positive increasing numbers up to
        1e6, wavevector has not three finite numbers, or threads is below 1; at a temperature of zero if a block has two
        ground states; if what responds is beyond 1e35 Pa, or super blocks are beyond 1e35 m^3.
    MemoryError
        If the matrices do not fit into memory; the message has the numbers.

    Notes
    -----
    Time: 2 n diagonalisations of each member, which grow as the third power of the number of states; memory 14 matrices
    for each thread.

    Examples
    --------
    Blocks of three levels, alone and in pairs:

    >>> import functools, mbfast, numpy as np
    >>> from mbfast.superblock import ensembles
    >>> from mbfast.superblock.orders import measure_orders
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> def drawn(n, rng):
    ...     blocks = ensembles.gaussian_blocks(n, 3, 1e-24, 1e-20, rng=rng)
    ...     return mbfast.SuperBlock(silica, mbfast.BlockLattice((n, 1, 1), 5e-9), blocks)
    >>> both = {"alone": functools.partial(drawn, 1), "pairs": functools.partial(drawn, 2)}
    >>> rng = np.random.default_rng(1)
    >>> result = measure_orders(both, [1e10 + 1e10j], 0.1, block_volume=5e-9**3, members=10, rng=rng)
    >>> print(result.n_blocks, result.errors(0).value.shape)
    [1 2] (2, 5, 2)
    """
    z, kelvin = check_complex_frequencies(omega), check_kelvin(temperature)
    box, g = positive_number("block_volume", block_volume, unit="m^3"), check_couplings(couplings)
    count, workers = check_members(members), tiles.check_threads(threads)
    drawn = _draw(ensembles, count, check_generator(rng))
    for group in drawn.values():
        Expansion.require_memory(max(group, key=_size), min(workers, count * len(drawn)))
        if box * group[0].n_blocks > LARGEST:
            n = group[0].n_blocks
            raise ValueError(f"block_volume must be at most {LARGEST / n:g} m^3 of each of {n} blocks, got {box:g}")
    systems = [system for group in drawn.values() for system in group]
    k = wave_vector(wavevector)
    work = functools.partial(_member, systems, z=z, kelvin=kelvin, box=box, couplings=g, wavevector=k)
    given = {"omega": z, "temperature": kelvin, "block_volume": box, "couplings": g, "wavevector": k}
    given |= {"super blocks": [_contents(system) for system in systems] if checkpoint is not None else []}
    with jobs.kept(checkpoint, "orders", given):
        found = jobs.run(work, range(len(systems)), threads=workers, progress=progress, label="super blocks")
    shape = (len(drawn), count)
    arrays = {name: np.stack([parts[name] for parts in found]) for name in ("exact", *PARTS)}
    inputs = {
        "version": mbfast.__version__, "block_volume": box, "members": count, "wavevector": k.tolist(),
        **_materials({name: group[0].interaction for name, group in drawn.items()}),
        "super_blocks": {name: repr(group[0]) for name, group in drawn.items()},
    }  # fmt: skip
    return Orders(
        names=np.array(list(drawn)), n_blocks=np.array([group[0].n_blocks for group in drawn.values()]),
        omega=z, temperature=kelvin, couplings=g, inputs=inputs,
        **{name: array.reshape(*shape, *array.shape[1:]) for name, array in arrays.items()},
    )  # fmt: skip


def check_members(members: object) -> int:
    """Return a number of members, or raise a TypeError or a ValueError."""
    return count_from(2, "members", members)


def check_couplings(couplings: ArrayLike) -> FloatArray:
    """Return factors of the couplings (n,), or raise a TypeError or a ValueError."""
    g = float_array("couplings", couplings).copy()
    if g.ndim != 1 or g.size < _NODES:
        raise ValueError(f"couplings must have shape (n,) with n of {_NODES} or more, got {g.shape}")
    require_positive("couplings", g, unit="pure numbers")
    if not (np.diff(g) > 0.0).all() or g[-1] > 1e6:
        raise ValueError(f"couplings must increase, up to 1e6 at most, got {g}")
    return g


def _draw(ensembles: object, count: int, rng: np.random.Generator) -> dict[str, list[SuperBlock]]:
    """Return the members of all ensembles, checked."""
    from mbfast.superblock.hamiltonian import SuperBlock  # noqa: PLC0415

    if not isinstance(ensembles, Mapping) or not all(isinstance(name, str) for name in ensembles):
        raise TypeError(f"ensembles must be a mapping of names to what draws a super block, got {ensembles!r:.80}")
    if not ensembles:
        raise ValueError("ensembles must be one at least, got none")
    drawn: dict[str, list[SuperBlock]] = {}
    components = set()
    for name, draw in ensembles.items():
        if not callable(draw):
            raise TypeError(f"ensembles must be a mapping of names to what draws a super block, got {draw!r:.80}")
        drawn[name] = [draw(rng=rng) for _ in range(count)]
        for system in drawn[name]:
            if not isinstance(system, SuperBlock):
                raise TypeError(f"ensembles must draw super blocks, got {system!r:.80} of {name}")
            components.add(system.interaction.components)
            if system.n_blocks != drawn[name][0].n_blocks or len(components) > 1:
                raise ValueError(
                    f"ensembles must have members of as many blocks and the same components, got {system!r} of {name}, "
                    f"first of them {drawn[name][0]!r}"
                )
    return drawn


def _contents(system: SuperBlock) -> NDArray[np.complex128]:
    """Return all numbers that the levels and the response of a super block depend on."""
    own = [part for s in range(system.n_blocks) for part in (system.block_hamiltonian(s), system.block_stress(s))]
    return np.concatenate([np.ravel(part) for part in (system.couplings, *own)]).astype(np.complex128)


def _size(system: SuperBlock) -> int:
    return system.dimension**2 * system.dtype.itemsize


def _materials(laws: dict[str, Any]) -> dict[str, Any]:
    """Return "interaction" of all ensembles, or "interactions" by name where they differ, in types that JSON has."""
    found = {name: _described(law) for name, law in laws.items()}
    first = next(iter(found.values()))
    return {"interaction": first} if all(law == first for law in found.values()) else {"interactions": found}


def _described(law: Any) -> Any:
    """Return the parameters of an interaction, or how it shows itself where JSON cannot have them."""
    if not dataclasses.is_dataclass(law) or isinstance(law, type):
        return repr(law)
    parameters = dataclasses.asdict(law)
    try:
        json.dumps(parameters)
    except TypeError:
        return repr(law)
    return parameters


def _member(
    systems: list[SuperBlock], number: int, *, z: NDArray[np.complex128], kelvin: float, box: float,
    couplings: FloatArray, wavevector: FloatArray,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Return what is measured of one of the super blocks, by name."""
    system = systems[number]
    volume = box * system.n_blocks
    first = first_order(system, z, kelvin, volume=volume, wavevector=wavevector)
    for tensor in first:
        if not (np.abs(tensor) <= LARGEST).all():
            raise ValueError(
                f"ensembles must draw blocks that respond, to first order in the coupling, with up to {LARGEST:g} Pa, "
                f"got {np.abs(tensor).max():g}: stresses of the levels are too large"
            )
    parts: dict[str, NDArray[Any]] = {name: _isotropic(tensor) for name, tensor in first._asdict().items()}
    expansion = Expansion.of(system, kelvin, wavevector, volume)
    parts["exact"] = np.stack([[expansion.at(sign * g, z) for g in couplings] for sign in (1.0, -1.0)])
    even = parts["exact"].mean(axis=0)[:_NODES] - parts["uncoupled"]
    squares = couplings[:_NODES] ** 2
    nodes = even / squares[:, None, None]
    parts["second"] = at_zero(squares, nodes)
    width = float(z.imag.min()) * mbfast.units.HBAR
    rounding = _ROUNDING * expansion.range / width * np.abs(parts["uncoupled"]).max(axis=1, keepdims=True) / squares[0]
    parts["second_error"] = np.abs(parts["second"] - at_zero(squares[:-1], nodes[:-1])) + rounding
    return parts


def _isotropic(tensor: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the moduli (c, k) of tensors (k, 6, 6), or the mean of those of dipoles."""
    if tensor.shape[-1] != WEIGHTS.size:
        return np.asarray(np.einsum("kaa->k", tensor)[None] / tensor.shape[-1])
    return np.stack(isotropic_moduli(tensor))
