"""Positions and moments of blocks from files: what `mbfast pairsum` reads."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast._core import voigt
from mbfast._core.archive import naming, read_archive
from mbfast._core.tables import Table
from mbfast._core.validate import real_array
from mbfast.pairs.geometry import BlockLattice

_POSITION = ("x", "y", "z")
_DIPOLE = ("px", "py", "pz")
_WANTED = f"{', '.join(_POSITION)} and either {', '.join(_DIPOLE)} or {', '.join(voigt.NAMES)}"


@dataclass(frozen=True, eq=False)
class BlockData:
    """Blocks and their moments, as `pair_field` takes them.

    Attributes
    ----------
    blocks : BlockLattice or ndarray, shape (N, 3)
        Where the blocks are (m).
    moments : ndarray
        Stress moments (J), shape (N, 6) or (N, 3, 3), or dipoles (C m), shape (N, 3); a lattice's shape in place of N.
    cell : ndarray or None
        Periods (m), shape (3,) or (3, 3), if the file has some.
    """

    blocks: BlockLattice | NDArray[Any]
    moments: NDArray[Any]
    cell: NDArray[Any] | None

    @property
    def positions(self) -> NDArray[Any]:
        """Positions of the blocks, shape (N, 3), in m."""
        return self.blocks.positions if isinstance(self.blocks, BlockLattice) else self.blocks

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return self.blocks.n_blocks if isinstance(self.blocks, BlockLattice) else len(self.blocks)

    @property
    def columns(self) -> int:
        """Numbers a moment is given by: 3 (dipoles), 6 or 9 (stress)."""
        return math.prod(self.moments.shape[3 if isinstance(self.blocks, BlockLattice) else 1 :])


def read_blocks(path: str | os.PathLike[str]) -> BlockData:
    r"""Read positions and moments of blocks from a file.

    Parameters
    ----------
    path : str or path-like
        The file. SI units, but for positions in extended XYZ; its name says which of these it is:

        - .npz: ``positions`` (N, 3), or ``shape`` (3,) and ``spacing`` of a lattice, with ``averaged`` true if its
          blocks are cubes; ``moments``, shape (N, 6), (N, 3, 3) or (N, 3), a lattice's shape in place of N; ``cell``,
          shape (3,) or (3, 3), if positions are periodic. Other arrays are not looked at.
        - .npy: one array, (N, 6) of x, y, z, px, py, pz or (N, 9) of x, y, z, xx, yy, zz, yz, xz, xy.
        - .csv (UTF-8): columns of these names, in any order.
        - .xyz or .extxyz: one frame of extended XYZ, positions and cell in angstrom, with ``moments`` in SI units for
          each atom: 3 numbers (dipole), 6 (as above) or 9 (xx, xy, xz, yx, ...). The cell counts if ``pbc`` is true
          along all three axes. Needs ase, whose own writer rounds to 8 decimals: moments that came out as zeros are
          refused.

    Returns
    -------
    BlockData

    Raises
    ------
    OSError
        If the file cannot be read.
    ImportError
        If it is extended XYZ, and ase is not installed.
    ValueError
        If it does not consist of the above; the message names the file and, of a table, row and column (row 1 is the
        header). Whether positions and moments make sense is left to `pair_field`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from mbfast.files.blocks import read_blocks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "two.csv"
    ...     _ = file.write_text("x,y,z,px,py,pz\n0,0,0,0,0,3e-30\n0,0,5e-9,0,0,3e-30\n")
    ...     data = read_blocks(file)
    >>> data.blocks.shape, data.moments.shape, data.cell
    ((2, 3), (2, 3), None)
    """
    file = Path(path)
    readers = {".npz": _from_npz, ".npy": _from_npy, ".csv": _from_csv, ".xyz": _from_xyz, ".extxyz": _from_xyz}
    with naming(file):
        if file.suffix not in readers:
            raise ValueError("an .npz, .npy, .csv, .xyz or .extxyz file is wanted")
        return readers[file.suffix](file)


def _from_npz(file: Path) -> BlockData:
    content = read_archive(file, ("positions", "shape", "spacing", "averaged", "moments", "cell"))
    lattice = sorted({"shape", "spacing", "averaged"} & content.keys())
    if "positions" in content and lattice:
        raise ValueError(f"positions or a lattice are wanted, got positions and {', '.join(lattice)}")
    if lattice and "cell" in content:
        raise ValueError("cell is known for a lattice, got one")
    for name in ("shape", "spacing", "moments") if lattice else ("positions", "moments"):
        if name not in content:
            raise ValueError(f"{name} is missing; wanted are positions, or shape and spacing, and moments")
    averaged = content.pop("averaged", np.array(False)).tolist()
    numbers = {name: real_array(name, value) for name, value in content.items()}
    blocks: BlockLattice | NDArray[Any]
    if lattice:
        blocks = BlockLattice(numbers["shape"].tolist(), numbers["spacing"].tolist(), averaged=averaged)
        leading: tuple[int, ...] = blocks.shape
    else:
        blocks, leading = numbers["positions"], numbers["positions"].shape[:1]
        if blocks.shape != (*leading, 3):
            raise ValueError(f"positions must have shape (N, 3), got {blocks.shape}")
    wanted, moments = [leading + trailing for trailing in ((6,), (3, 3), (3,))], numbers["moments"]
    if moments.shape not in wanted:
        raise ValueError(f"moments must have shape {' or '.join(map(str, wanted))}, got {moments.shape}")
    return BlockData(blocks, moments, numbers.get("cell"))


def _from_npy(file: Path) -> BlockData:
    try:
        with file.open("rb") as stream:
            table = real_array("the array", np.lib.format.read_array(stream, allow_pickle=False))
    except OSError:
        raise
    except Exception as error:  # of any type: what NumPy met in a damaged header
        raise ValueError(f"not a NumPy array of numbers ({error})") from None
    if table.ndim != 2 or table.shape[1] not in (6, 9):
        raise ValueError(f"6 or 9 columns are wanted, {_WANTED}, got shape {table.shape}")
    return BlockData(table[:, :3], table[:, 3:], None)


def _from_csv(file: Path) -> BlockData:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = Table(lines)
        columns = _POSITION + (_DIPOLE if set(_DIPOLE) & set(table.columns) else voigt.NAMES)
        table.require(columns, _WANTED)
        numbers = table.numbers(columns)
    return BlockData(numbers[:, :3], numbers[:, 3:], None)


def _from_xyz(file: Path) -> BlockData:
    try:
        from ase.io import read  # noqa: PLC0415
    except ImportError:
        raise ImportError("extended XYZ files need ase: pip install 'mbfast[ase]'") from None
    with file.open(encoding="utf-8") as stream:  # not by name: ase takes what follows an @ in it for a frame's number
        if file.is_file():  # not a pipe
            announced = stream.readline(100).strip()
            if announced.isdecimal() and int(announced) > file.stat().st_size:  # ase would make room for all
                raise ValueError(f"{announced} atoms are announced in a file of {file.stat().st_size} bytes")
            stream.seek(0)
        try:
            frames = read(stream, index=":", format="extxyz")
        except Exception as error:  # of any type: what the parser met on its way
            raise ValueError(f"not extended XYZ ({error!r})") from None
    if len(frames) != 1:
        raise ValueError(f"one frame is wanted, got {len(frames)}")
    (atoms,) = frames
    if "moments" not in atoms.arrays:
        raise ValueError(f"moments is missing; for each atom there are {', '.join(atoms.arrays)}")
    moments = real_array("moments", atoms.arrays["moments"])
    if moments.shape[1:] not in ((3,), (6,), (9,)):
        raise ValueError(f"moments must have 3, 6 or 9 columns, got {math.prod(moments.shape[1:])}")
    if len(atoms) and not moments.any():
        lost = "in SI units they are far below the 8 decimals that ase.io.write keeps; write them with an exponent"
        raise ValueError(f"moments are all zero: {lost}")
    if atoms.pbc.any() and not atoms.pbc.all():
        raise ValueError(f"pbc must be true along all three axes or along none, got {atoms.pbc.tolist()}")
    cell = units.ANGSTROM * np.asarray(atoms.cell) if atoms.pbc.all() else None
    return BlockData(
        units.ANGSTROM * atoms.positions, moments.reshape(-1, 3, 3) if moments.shape[1] == 9 else moments, cell
    )
