"""Fields on lattices that are larger than memory, by the transforms of `mbfast.pairs.lattice` in pieces on disk."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mbfast._core import jobs, tiles
from mbfast._core.archive import make_folder, naming_output, path_of, remove_empty
from mbfast._core.checkpoint import Checkpoint
from mbfast._core.machine import resident_memory
from mbfast._core.sizes import memory_size
from mbfast.pairs._stored.chunks import MISSING, fresh, tidy
from mbfast.pairs._stored.ends import Source, Target
from mbfast.pairs._stored.places import refuse_same_place, source_of, target_of
from mbfast.pairs._stored.plan import Files, Plan, Sizes, planned
from mbfast.pairs._stored.tasks import Arena, FieldTasks, KernelTasks, MomentTasks
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.lattice import LatticeField
from mbfast.pairs.moments import LAYOUTS, total_of, unit_of
from mbfast.pairs.pencils import Pencils, is_circular
from mbfast.pairs.problem import EXACT, ROUNDING, Boundary, ImageShape, Macroscopic, PairProblem

Place: TypeAlias = str | os.PathLike[str]
_SPARE = 48_000_000  # bytes, for what is no array of a task
_FILE = "checkpoint.sqlite"


class StoredLatticeField:
    r"""Fields on a lattice that is larger than memory: those of `LatticeField`, to the last bit, by way of a folder.

    Parameters
    ----------
    interaction, lattice
        As in `LatticeField`.
    folder : str or path-like
        Where the kernel is kept, and what a field is made of while it is computed: a new or an empty folder, or one of
        the same field, whose kernel is then used. It is best on a local disk.
    memory : int or str
        What the process may have in memory at any time: bytes, or a text such as "3GB" or "3 GiB". What Python, numba
        and your own arrays have of it when the field is set up is counted; files that the system caches are not.
    boundary, images, image_shape, macroscopic, self_field
        As in `LatticeField`.
    threads : int, optional
        As in `pair_field`, of the set-up and of each field: each takes some memory.
    progress : bool or callable
        As in `pair_field`, for the set-up.

    Attributes
    ----------
    interaction, lattice, boundary, problem, rtol
        As in `LatticeField`.
    folder : Path
    memory : int
        As given, in bytes.
    needed : int
        What of it is needed (bytes), with what was in use before; zarr needs somewhat more.
    on_disk : int
        Bytes in the folder while a field is computed, at most; those of the kernel stay.

    Raises
    ------
    OSError
        If the disk has no room for the kernel, or the folder cannot be written.
    TypeError, ValueError
        For the arguments that `LatticeField` refuses; if memory is no number of bytes, or too little: the message says
        how much is needed; if folder is no path, has other files, another problem, or a plan for more memory.

    Notes
    -----
    Three passes make a field. Lines along z of a part of the moments are transformed; a range of planes is transformed
    along y and x, multiplied by the kernel and transformed back; lines of a part are transformed back. Between the
    passes all is in files, one for each part and range, so that each pass reads and writes whole files, each once:
    twice 96 bytes a block for stress with open boundaries, 48 for dipoles, half of that if periodic, more where sides
    are no products of 2, 3 and 5. The moments are read twice, first to check them; nothing is written before.

    The kernel of an open lattice, or of explicit images, has 112 bytes a block for stress and 40 for dipoles. It is
    written twice by the set-up, read by each field, and stays in the folder. If periodic with all images, on sides that
    are products of 2, 3 and 5, it is computed plane by plane where it is needed, and nothing is kept.

    What was finished when a process was killed is used by the next call with the same arguments, but for the last
    pass, which is done again. Files are known by their checksums: what is damaged is computed again.

    Within a block of `mbfast.distributed.connection` the workers of a cluster do the tasks, each with as much memory;
    the folder, moments and out must be paths that all of them see, and the bits are the same.

    Examples
    --------
    >>> import mbfast, numpy as np, tempfile
    >>> from mbfast.pairs.stored import StoredLatticeField
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> lattice = mbfast.BlockLattice((16, 16, 16), 5e-9)
    >>> moments = 1e-19 * np.random.default_rng(1).normal(size=(16, 16, 16, 6))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     field = StoredLatticeField(silica, lattice, folder, memory="8 GB")
    ...     stored = field(moments, np.empty_like(moments))
    >>> np.array_equal(stored, mbfast.LatticeField(silica, lattice)(moments))
    True
    """

    def __init__(
        self, interaction: Interaction, lattice: BlockLattice, folder: Place, *, memory: int | str,
        boundary: Boundary = "open", images: int | None = None, image_shape: ImageShape = "cubic",
        macroscopic: Macroscopic | None = None, self_field: bool = False, threads: int | None = None,
        progress: tiles.Progress = False,
    ) -> None:  # fmt: skip
        if not isinstance(lattice, BlockLattice):
            raise TypeError(f"lattice must be a BlockLattice, got {type(lattice).__name__}")
        options: dict[str, Any] = {"boundary": boundary, "images": images, "image_shape": image_shape}
        options |= {"macroscopic": macroscopic, "self_field": self_field}
        self.problem = PairProblem.of(interaction, lattice, **options)
        self.interaction, self.lattice, self.boundary = self.problem.interaction, lattice, self.problem.boundary
        self.rtol = EXACT if self.problem.every_image else ROUNDING
        self._threads, self.memory = tiles.check_threads(threads), memory_size("memory", memory)
        self.folder = path_of("folder", folder).absolute()
        self.needed = self.on_disk = 0
        made: list[Path] = []
        tiles.check_progress(progress)
        if lattice.n_blocks:
            self._check_folder()
            before = _resident(self.problem)
            try:
                if not (self.folder / _FILE).exists():
                    self._plan(None, before)  # before anything is written
                    with naming_output(self.folder):
                        make_folder(self.folder, made)
                with self._checkpoint() as checkpoint:
                    plan = self._plan(checkpoint, before)
                    self._make(plan)
                    self._set_up(checkpoint, progress)
            finally:
                remove_empty(made)

    def _check_folder(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"folder must be a folder, {self.folder} is a file")
        if self.folder.is_dir() and any(self.folder.iterdir()) and not (self.folder / _FILE).exists():
            raise ValueError(f"folder must be new, empty, or one of a stored field, got {self.folder}")

    def _checkpoint(self) -> Checkpoint:
        inputs = {field.name: getattr(self.problem, field.name) for field in fields(self.problem)}
        inputs["lattice"] = inputs.pop("geometry")
        return Checkpoint(self.folder / _FILE, inputs, kind="lattice field")

    def _plan(self, checkpoint: Checkpoint | None, before: float) -> Plan:
        """Return the plan that the folder has, or make one; `before` are the bytes that are in use."""
        pencils, kept = Pencils(self.problem), None if checkpoint is None else checkpoint.get("plan")
        room, beside = self.memory - before - _SPARE, Sizes(pencils, self._threads).beside
        made = planned(pencils, room, self._threads) if kept is None else Plan.of(json.loads(str(kept["plan"])))
        arena = made.arena(pencils, self._threads) if isinstance(made, Plan) else made - beside
        self.needed = int(before + _SPARE + beside + arena)
        if not isinstance(made, Plan) or self.needed > self.memory:
            why = f"{_gb(before)} are in use before any block"
            if kept is not None:
                why += f"; {self.folder} was made for more: with another folder less may do"
            raise ValueError(f"memory must be at least {_gb(self.needed)}, got {_gb(self.memory)}; {why}")
        if checkpoint is not None and kept is None:
            checkpoint.put("plan", plan=json.dumps(made.described()))
            for name in ("kernel", "field"):  # of another plan, which was damaged
                checkpoint.put(name, identity="")
        return made

    def _make(self, made: Plan) -> None:
        """Make the tasks of a plan."""
        pencils = Pencils(self.problem)
        arena = Arena(made.arena(pencils, self._threads))
        self._kernel = KernelTasks(pencils, made, self.folder / "kernel", self._threads, arena)
        self._field = FieldTasks(self._kernel, pencils, made, self.folder / "field", self._threads, arena)
        files = Files(pencils)
        of_kernel = files.of_kernel(1.0 / len(made.tiles)) if made.tiles else 0.0
        self._bytes = {"field": files.of_field(1.0 / len(made.planes)), "kernel": of_kernel}
        self.on_disk = int(sum(self._bytes.values()))

    def _set_up(self, checkpoint: Checkpoint, progress: tiles.Progress) -> None:
        """Have the kernel made, as far as it is not there."""
        kernel, arrays = self._kernel, checkpoint.get("kernel")
        if arrays is None or not kernel.chunks.keys() <= arrays.keys():
            fresh(kernel.folder)
        else:
            for name, chunks in kernel.chunks.items():
                chunks.checksums[:] = arrays[name]
        tidy(kernel.folder)
        final = list(kernel.passes)[-1:]
        done = all(kernel.is_done(name, n) for name in final for n in range(kernel.passes[name]))
        passes = {} if done else kernel.passes
        if not done:
            self._afford_disk([(kernel.folder, self._bytes["kernel"])])

        def keep() -> None:
            checkpoint.put("kernel", **{name: chunks.checksums for name, chunks in kernel.chunks.items()})

        with tiles.counter(progress, sum(passes.values()), "kernel") as advance:
            for name in passes:
                kernel.run_pass(name, keep, advance)

    def __call__(self, moments: ArrayLike | Place, out: Any, *, progress: tiles.Progress = False) -> Any:
        """Field at each block of all others, and its own with `self_field`, as of `LatticeField`.

        Parameters
        ----------
        moments : array_like, zarr.Array or path
            As in `pair_field`; in an array, a memory map, a file .npy, or a zarr array. What has no chunk in zarr has
            the fill value.
        out : ndarray, zarr.Array or path
            Where the field goes: a float64 array of the shape of the moments, in memory, mapped or of zarr; or the path
            of a file .npy, or of a zarr array of version 3 in shards, if its name ends with .zarr. What has a path is
            written whole or not at all, and can be where the moments are; an array that is given is not complete after
            an error.
        progress : bool or callable
            As in `pair_field`; a tile is a task here.

        Returns
        -------
        ndarray, zarr.Array or Path
            `out`: dimensionless for stress, V/m for dipoles.

        Raises
        ------
        ImportError
            If zarr is wanted and not installed.
        OSError
            If files cannot be read or written, or a disk has less room than is needed.
        TypeError
            If moments are not real numbers, or out is neither a float64 array nor a path.
        ValueError
            If moments have another shape, are not symmetric, not finite or above 1e150; out has another shape, cannot
            be written, shares memory or a file with moments, or is in the folder; memory does not suffice for chunks of
            zarr; another run uses the folder; or the field is beyond the range of doubles.
        """
        tiles.check_progress(progress)
        if jobs.cluster() is not None:
            moments, out = _anywhere("moments", moments), _anywhere("out", out)
        source = source_of(moments)
        wanted = [self.lattice.shape + layout for layout in LAYOUTS[self.interaction.components]]
        if source.shape not in wanted:
            raise ValueError(f"moments must have shape {' or '.join(map(str, wanted))}, got {source.shape}")
        refuse_same_place(moments, out, self.folder)
        sides = self._field.sides if self.lattice.n_blocks else self.lattice.shape
        target = target_of(out, source.shape, sides)
        needed = self.needed + source.held + target.held
        if needed > self.memory and self.lattice.n_blocks:
            raise ValueError(f"memory must be at least {_gb(needed)} for such moments and out, got {_gb(self.memory)}")
        try:
            if self.lattice.n_blocks:
                with self._checkpoint() as checkpoint, np.errstate(all="ignore"):
                    self._run(checkpoint, source, target, progress)
            return target.finish()
        except BaseException:
            target.drop()
            raise

    def _run(self, checkpoint: Checkpoint, source: Source, target: Target, progress: tiles.Progress) -> None:
        field = self._field
        moments = MomentTasks(field.pencils, source, self._threads, field.arena)
        with tiles.counter(progress, len(moments.tasks) + sum(field.passes.values()), "field") as advance:
            looked = []
            for number in range(len(moments.tasks)):
                looked += moments.run_task(number)
                advance()
            largest, checksums, totals = zip(*looked, strict=True)
            field.source, field.target, field.columns = source, target, math.prod(source.shape[3:])
            field.unit = unit_of(max(largest))
            field.total = total_of(total[None] for total in totals) if field.pencils.adds_uniform else None
            digest = hashlib.blake2b(np.array(checksums).tobytes(), digest_size=16).hexdigest()
            identity = np.array([source.dtype.str, str(source.shape), digest])
            self._begin(checkpoint, identity)
            self._afford_disk([(field.folder, self._bytes["field"]), target.space])

            def keep() -> None:
                made = {name: chunks.checksums for name, chunks in field.chunks.items()}
                checkpoint.put("field", identity=identity, **made)

            target.begin()
            for name in field.passes:
                field.run_pass(name, keep, advance)
        checkpoint.put("field", identity="")
        fresh(field.folder)

    def _begin(self, checkpoint: Checkpoint, identity: NDArray[Any]) -> None:
        """Go on with a field that was begun, or begin one."""
        arrays = checkpoint.get("field")
        same = arrays is not None and np.array_equal(arrays["identity"], identity)
        for name, chunks in self._field.chunks.items():
            chunks.checksums[:] = arrays[name] if arrays is not None and same else MISSING
        if not same:
            fresh(self._field.folder)

    def _afford_disk(self, wanted: list[tuple[Path, float]]) -> None:
        """Raise an OSError if a disk has less room than what is to come to these folders, all on it together."""
        disks: dict[int, float] = {}
        for folder, nbytes in wanted:
            there = sum(file.stat().st_size for file in folder.glob("*")) if folder.is_relative_to(self.folder) else 0
            disk = folder.stat().st_dev
            disks[disk] = disks.get(disk, 0.0) + max(0.0, nbytes - there)
            free = shutil.disk_usage(folder).free
            if disks[disk] > free:
                what = f"{_gb(disks[disk])} are needed, {_gb(free)} are free"
                raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {what}", str(folder))

    def __repr__(self) -> str:
        blocks = " x ".join(map(str, self.lattice.shape))
        memory = f"{_gb(self.needed)} of {_gb(self.memory)} in memory, {_gb(self.on_disk)} in {self.folder}"
        return f"<{type(self).__name__}: {self.interaction!r}, {blocks} blocks, {self.boundary}, {memory}>"


def _anywhere(name: str, place: object) -> Path:
    """Return a path that other processes can take; a TypeError if it is none."""
    if not isinstance(place, str | os.PathLike):
        raise TypeError(
            f"{name} must be a path on a cluster, whose workers read and write it, got {type(place).__name__}"
        )
    return Path(place).absolute()


def shape_of(moments: Place) -> tuple[int, ...]:
    """Return the shape of moments in a file .npy or a zarr array; as `StoredLatticeField` refuses what is neither."""
    return source_of(path_of("moments", moments)).shape


def _gb(nbytes: float) -> str:
    return f"{nbytes / 1e9:.4g} GB"


def _resident(problem: PairProblem) -> float:
    """Return the bytes of this process once all is loaded and compiled that a field takes."""
    side = 2 if is_circular(problem) or not problem.every_image else 7  # padded, if not circular
    small = BlockLattice((side,) * 3, problem.geometry.unit, averaged=problem.geometry.averaged)
    images = problem.images and 1
    made = LatticeField(problem.interaction, small, boundary=problem.boundary, images=images, threads=1)
    made(np.zeros((*small.shape, problem.interaction.components)), threads=1)
    return resident_memory()
