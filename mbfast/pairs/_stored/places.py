"""Which kind of source or target it is that a caller gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.archive import behind_links, check_writable
from mbfast._core.validate import real_array
from mbfast.pairs._stored.ends import Array, NpyTarget, Source, Target, npy_source
from mbfast.pairs._stored.zarrays import NewZarr, ZarrArray, is_zarr, is_zarr_array, opened


def source_of(moments: object) -> Source:
    """Return where moments come from; a TypeError if they are none."""
    if isinstance(moments, str | os.PathLike):
        path = Path(moments)
        if is_zarr(path):
            return ZarrArray(opened(path, "moments"), path)
        if path.suffix.lower() != ".npy":
            raise ValueError(f"moments must be arrays, or in files .npy or .zarr, got {path}")
        return npy_source(path)
    if is_zarr_array(moments):
        return ZarrArray(moments)
    # not as a whole what `real_array` makes of it: a memory map stays one
    return Array(moments if type(moments) is np.memmap and moments.dtype.kind in "iuf" else _real(moments))


def target_of(out: object, shape: tuple[int, ...], parts: tuple[int, ...]) -> Target:
    """Return where a field of a shape goes, which comes in boxes of the sizes of `parts`; nothing is written yet."""
    if isinstance(out, str | os.PathLike):
        path = Path(out)
        if path.suffix.lower() == ".npy":
            check_writable(path)
            return NpyTarget(path, shape)
        if path.suffix.lower() == ".zarr":
            return NewZarr(path, shape, parts)
        raise ValueError(f"out must be an array, or a file .npy or .zarr, got {path}")
    wanted = f"out must be a writable float64 array of shape {shape}, or the path of a file .npy or .zarr"
    if is_zarr_array(out):
        array: Any = out
        if array.dtype != np.float64 or array.shape != shape or array.read_only:
            got = f"zarr of {array.dtype}, shape {array.shape}, read-only: {array.read_only}"
            raise ValueError(f"{wanted}, got {got}")
        return ZarrArray(array)
    if not isinstance(out, np.ndarray) or type(out) not in (np.ndarray, np.memmap) or out.dtype != np.float64:
        dtype = f" of {out.dtype}" if isinstance(out, np.ndarray) else ""
        raise TypeError(f"{wanted}, got {type(out).__name__}{dtype}")
    if out.shape != shape or not out.flags.writeable:
        raise ValueError(f"{wanted}, got shape {out.shape}, writable: {out.flags.writeable}")
    return Array(out)


def refuse_same_place(moments: object, out: object, folder: Path) -> None:
    """Raise a ValueError if out is within a folder, or is where the moments are and is not replaced at the end."""
    ours, theirs = _file_of(out), _file_of(moments)
    if ours is not None and ours.is_relative_to(behind_links(folder)):
        raise ValueError(f"out must be outside of folder, got {ours}")
    arrays = isinstance(moments, np.ndarray) and isinstance(out, np.ndarray)
    shared = arrays and np.may_share_memory(moments, out)
    if shared or (ours is not None and ours == theirs and not isinstance(out, str | os.PathLike)):
        raise ValueError("out must not be where the moments are, which a field that was interrupted begins with again")


def _file_of(place: object) -> Path | None:
    """Return the file of a path, of a memory map or of a zarr array, if it is known."""
    if isinstance(place, np.memmap):
        place = place.filename
    elif is_zarr_array(place):
        place = getattr(getattr(place, "store", None), "root", None)
    return behind_links(Path(place)) if isinstance(place, str | os.PathLike) else None


def _real(moments: object) -> NDArray[Any]:
    return real_array("moments", moments)  # type: ignore[arg-type]
