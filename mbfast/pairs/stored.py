"""Fields on lattices that are larger than memory, by the transforms of `mbfast.pairs.lattice` in pieces on disk."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles
from mbfast._core.archive import behind_links, path_of
from mbfast._core.checkpoint import Checkpoint
from mbfast._core.machine import memory_size, resident_memory
from mbfast._core.validate import FloatArray
from mbfast.pairs._stored.chunks import MISSING, fresh
from mbfast.pairs._stored.ends import Source, Target, overlap, source_of, target_of
from mbfast.pairs._stored.plan import Plan, planned
from mbfast.pairs._stored.tasks import Arena, FieldTasks, KernelTasks, MomentTasks
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.lattice import LatticeField
from mbfast.pairs.moments import LAYOUTS, total_of, unit_of
from mbfast.pairs.pencils import Pencils
from mbfast.pairs.problem import EXACT, ROUNDING, Boundary, ImageShape, Macroscopic, PairProblem

_SPARE = 48_000_000  # bytes, for what no array is
_FILE = "checkpoint.sqlite"


class StoredLatticeField:
    """x."""

    def __init__(
        self, interaction: Interaction, lattice: BlockLattice, folder: str | os.PathLike[str], *, memory: int | str,
        boundary: Boundary = "open", images: int | None = None, image_shape: ImageShape = "cubic",
        macroscopic: Macroscopic | None = None, self_field: bool = False, threads: int | None = None,
        progress: tiles.Progress = False,
    ) -> None:  # fmt: skip
        if not isinstance(lattice, BlockLattice):
            raise TypeError(f"lattice must be a BlockLattice, got {type(lattice).__name__}")
        self.problem = PairProblem.of(
            interaction, lattice, boundary=boundary, images=images, image_shape=image_shape, macroscopic=macroscopic,
            self_field=self_field,
        )  # fmt: skip
        self.interaction, self.lattice, self.boundary = interaction, lattice, boundary
        self.rtol = EXACT if self.problem.every_image else ROUNDING
        self._threads = tiles.check_threads(threads)
        self.memory = memory_size("memory", memory)
        self.folder = path_of("folder", folder)
        if not lattice.n_blocks:
            return
        pencils = Pencils(self.problem)
        before = _resident(self.problem)
        self._make_folder()
        with self._checkpoint() as checkpoint:
            plan = self._plan(checkpoint, pencils, before)
            self.nbytes = plan.arena
            arena = Arena(plan.arena)
            given = pencils, plan, self.folder / "kernel", self._threads, arena
            self._kernel = KernelTasks(*given)
            self._field = FieldTasks(self._kernel, pencils, plan, self.folder / "field", self._threads, arena)
            self._needed = before + _SPARE + plan.arena + plan.beside
            self._set_up(checkpoint, progress)

    def _make_folder(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"folder must be a folder, {self.folder} is a file")
        if self.folder.is_dir() and any(self.folder.iterdir()) and not (self.folder / _FILE).exists():
            raise ValueError(f"folder must be new, empty, or one of a stored field, got {self.folder}")
        self.folder.mkdir(parents=True, exist_ok=True)

    def _checkpoint(self) -> Checkpoint:
        names = {"geometry": "lattice", "every_image": ""}
        inputs = {names.get(field.name, field.name): getattr(self.problem, field.name) for field in fields(self.problem)}
        return Checkpoint(self.folder / _FILE, inputs, kind="lattice field")

    def _plan(self, checkpoint: Checkpoint, pencils: Pencils, before: float) -> Plan:
        """Return the plan that the folder has, or make one, for so many bytes that are in use before."""
        budget = self.memory - before - _SPARE
        kept = checkpoint.get("plan")
        if kept is not None:
            plan = Plan.of(json.loads(str(kept["plan"])))
            needed = plan.arena + plan.beside
            if needed <= budget:
                return plan
            what = f"{self.folder} was made for more: take another folder, or remove it"
        else:
            made = planned(pencils, budget, self._threads)
            if isinstance(made, Plan):
                checkpoint.put("plan", plan=json.dumps(made.described()))
                return made
            needed, what = made, f"{before / 1e6:.0f} MB are in use before any block"
        least = (needed + before + _SPARE) / 1e9
        raise ValueError(f"memory must be at least {least:.3g} GB, got {self.memory / 1e9:.3g} GB; {what}")

    def _set_up(self, checkpoint: Checkpoint, progress: tiles.Progress) -> None:
        """Have the kernel made, as far as it is not there."""
        kernel, arrays = self._kernel, checkpoint.get("kernel")
        if arrays is None:
            fresh(kernel.folder)
        for name in kernel.passes if arrays is not None else []:
            kernel.chunks[name].checksums[:] = arrays[name]
        todo = [(name, n) for name in kernel.passes for n in range(kernel.passes[name]) if not kernel.is_done(name, n)]
        if todo:
            parts = len(kernel.plan.tiles)
            self._afford_disk({self.folder: 8 * math.prod(kernel.pencils.kernel_shape) * (1 + 1 / parts)})

        def keep() -> None:
            checkpoint.put("kernel", **{name: chunks.checksums for name, chunks in kernel.chunks.items()})

        with tiles.counter(progress, len(todo), "kernel") as advance:
            for task in todo:
                kernel.ensure(*task, keep)
                advance()

    def __call__(self, moments: ArrayLike, out: Any, *, progress: tiles.Progress = False) -> Any:
        """x."""
        source = source_of(moments)
        layouts = LAYOUTS[self.interaction.components]
        wanted = [self.lattice.shape + layout for layout in layouts]
        if source.shape not in wanted:
            raise ValueError(f"moments must have shape {' or '.join(map(str, wanted))}, got {source.shape}")
        if overlap(moments, out):
            raise ValueError("out must not share memory with moments, which a field that was interrupted begins with")
        if not self.lattice.n_blocks:
            return target_of(out, source.shape, self.lattice.shape).finish()
        target = target_of(out, source.shape, self._field.box(0)[1])
        needed = self._needed + source.held + target.held
        if needed > self.memory:
            what = f"{needed / 1e9:.3g} GB with these moments and out, got {self.memory / 1e9:.3g} GB"
            raise ValueError(f"memory must be at least {what}")
        try:
            with self._checkpoint() as checkpoint, np.errstate(all="ignore"):
                self._run(checkpoint, source, target, progress)
        except BaseException:
            target.drop()
            raise
        return target.finish()

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
            identity = np.array([source.dtype.str, str(source.shape), str(checksums)])
            self._begin(checkpoint, identity)

            def keep() -> None:
                made = {name: chunks.checksums for name, chunks in field.chunks.items()}
                checkpoint.put("field", identity=identity, **made)

            for name, count in field.passes.items():
                for number in range(count):
                    if name not in field.chunks or not field.is_done(name, number):
                        field.ensure(name, number, keep)
                    advance()
        checkpoint.put("field", identity=[])
        fresh(field.folder)

    def _begin(self, checkpoint: Checkpoint, identity: Any) -> None:
        """Go on with a field that was begun, or begin one."""
        arrays = checkpoint.get("field")
        same = arrays is not None and np.array_equal(arrays["identity"], identity)
        for name, chunks in self._field.chunks.items():
            chunks.checksums[:] = arrays[name] if arrays is not None and same else MISSING
        if not same:
            fresh(self._field.folder)

    def _afford_disk(self, needed: dict[Path, float]) -> None:
        """Raise an OSError if a disk has less room than is needed in these folders."""
        for folder, nbytes in needed.items():
            there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            free = shutil.disk_usage(folder).free
            if nbytes - there > free:
                what = f"{(nbytes - there) / 1e9:.3g} GB are needed, {free / 1e9:.3g} GB are free"
                raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {what}", str(folder))


def _resident(problem: PairProblem) -> float:
    """Return the bytes of this process once all is loaded and compiled that a field takes."""
    small = BlockLattice((2, 2, 2), problem.geometry.unit, averaged=problem.geometry.averaged)
    options: dict[str, Any] = {"boundary": problem.boundary, "images": problem.images and 1}
    made = LatticeField(problem.interaction, small, **options, threads=1)
    made(np.zeros((2, 2, 2, problem.interaction.components)), threads=1)
    return resident_memory()
