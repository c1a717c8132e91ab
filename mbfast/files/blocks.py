"""Positions and moments of blocks from files: what `mbfast pairsum` reads."""

from __future__ import annotations

import csv
import math
import os
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast._core.archive import read_archive
from mbfast._core.validate import real_array
from mbfast.pairs.geometry import BlockLattice

_POSITION = ("x", "y", "z")
_DIPOLE = ("px", "py", "pz")
_STRESS = ("xx", "yy", "zz", "yz", "xz", "xy")
_WANTED = f"{', '.join(_POSITION)} and either {', '.join(_DIPOLE)} or {', '.join(_STRESS)}"
_ARRAYS = ("positions", "shape", "spacing", "averaged", "moments", "cell")


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
    def n_blocks(self) -> int:
        """Number of blocks."""
        return self.blocks.n_blocks if isinstance(self.blocks, BlockLattice) else len(self.blocks)

    @property
    def positions(self) -> NDArray[Any]:
        """Positions of the blocks, shape (N, 3), in m."""
        return self.blocks.positions if isinstance(self.blocks, BlockLattice) else self.blocks

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
    if file.suffix not in readers:
        raise ValueError(f"{file}: an .npz, .npy, .csv, .xyz or .extxyz file is wanted")
    return readers[file.suffix](file)


def _from_npz(file: Path) -> BlockData:
    content = read_archive(file, _ARRAYS)
    lattice = sorted({"shape", "spacing", "averaged"} & content.keys())
    if "positions" in content and lattice:
        raise ValueError(f"{file}: positions or a lattice are wanted, got positions and {', '.join(lattice)}")
    if lattice and "cell" in content:
        raise ValueError(f"{file}: cell is known for a lattice, got one")
    for name in ("shape", "spacing", "moments") if lattice else ("positions", "moments"):
        if name not in content:
            raise ValueError(f"{file}: {name} is missing; wanted are positions, or shape and spacing, and moments")
    try:
        numbers = {name: real_array(name, value) for name, value in content.items() if name != "averaged"}
        if lattice:
            averaged = content.get("averaged", np.array(False)).tolist()
            shape, spacing = numbers["shape"].tolist(), numbers["spacing"].tolist()
            blocks: BlockLattice | NDArray[Any] = BlockLattice(shape, spacing, averaged=averaged)
        else:
            blocks = numbers["positions"]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None
    if not isinstance(blocks, BlockLattice) and (blocks.ndim != 2 or blocks.shape[1] != 3):
        raise ValueError(f"{file}: positions must have shape (N, 3), got {blocks.shape}")
    leading = blocks.shape if isinstance(blocks, BlockLattice) else blocks.shape[:1]
    wanted, moments = [leading + trailing for trailing in ((6,), (3, 3), (3,))], numbers["moments"]
    if moments.shape not in wanted:
        raise ValueError(f"{file}: moments must have shape {' or '.join(map(str, wanted))}, got {moments.shape}")
    return BlockData(blocks, moments, numbers.get("cell"))


def _from_npy(file: Path) -> BlockData:
    try:
        with file.open("rb") as stream:
            table = real_array("the array", np.lib.format.read_array(stream, allow_pickle=False))
    except (ValueError, TypeError, EOFError) as error:
        raise ValueError(f"{file}: not a NumPy array of numbers ({error})") from None
    if table.ndim != 2 or table.shape[1] not in (6, 9):
        raise ValueError(f"{file}: 6 or 9 columns are wanted, {_WANTED}, got shape {table.shape}")
    return BlockData(table[:, :3], table[:, 3:], None)


def _from_csv(file: Path) -> BlockData:
    values = array("d")
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True, skipinitialspace=True)
            columns = [cell.strip() for cell in next(reader, [])]
            names = _check_header(file, columns)
            for row in reader:
                if row in ([], [""]):
                    continue
                if len(row) != len(columns):
                    where = f"{file}: row {reader.line_num}"
                    raise ValueError(f"{where}: {len(columns)} cells are wanted, as in the header, got {len(row)}")
                try:
                    values.extend(map(_number, row))
                except ValueError:
                    bad = len(values) % len(columns)  # those before it are in
                    where = f"{file}: row {reader.line_num}, column {columns[bad]}"
                    raise ValueError(f"{where}: a finite number is wanted, got {row[bad]!r}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not a UTF-8 text file ({error.reason} at byte {error.start})") from None
    except csv.Error as error:
        raise ValueError(f"{file}: row {reader.line_num}: {error}") from None
    table = np.asarray(values).reshape(-1, len(columns))
    positions, moments = (table[:, [columns.index(name) for name in part]] for part in (_POSITION, names))
    return BlockData(positions, moments, None)


def _check_header(file: Path, columns: list[str]) -> tuple[str, ...]:
    """Return the names of the moments' columns."""
    names = _DIPOLE if set(_DIPOLE) & set(columns) else _STRESS
    for column in columns:
        if column not in _POSITION + names:
            raise ValueError(f"{file}: row 1: unknown column {column!r}; wanted are {_WANTED}")
        if columns.count(column) > 1:
            raise ValueError(f"{file}: row 1: column {column} stands there twice")
    for name in _POSITION + names:
        if name not in columns:
            raise ValueError(f"{file}: row 1: column {name} is missing; wanted are {_WANTED}")
    return names


def _number(cell: str) -> float:
    value = float(cell)
    if "_" in cell or not cell.isascii() or not math.isfinite(value):  # float() takes 1_0 and other scripts' digits
        raise ValueError
    return value


def _from_xyz(file: Path) -> BlockData:
    try:
        from ase.io import read  # noqa: PLC0415
    except ImportError:
        raise ImportError("extended XYZ files need ase: pip install 'mbfast[ase]'") from None
    with file.open(encoding="utf-8") as stream:  # not by name: ase takes what follows an @ in it for a frame's number
        try:
            frames = read(stream, index=":", format="extxyz")
        except Exception as error:  # of any type: what the parser met on its way
            raise ValueError(f"{file}: not extended XYZ ({error!r})") from None
    if len(frames) != 1:
        raise ValueError(f"{file}: one frame is wanted, got {len(frames)}")
    (atoms,) = frames
    if "moments" not in atoms.arrays:
        raise ValueError(f"{file}: moments is missing; for each atom there are {', '.join(atoms.arrays)}")
    try:
        moments = real_array("moments", atoms.arrays["moments"])
    except TypeError as error:
        raise ValueError(f"{file}: {error}") from None
    if moments.shape[1:] not in ((3,), (6,), (9,)):
        raise ValueError(f"{file}: moments must have 3, 6 or 9 columns, got {math.prod(moments.shape[1:])}")
    if len(atoms) and not moments.any():
        lost = "in SI units they are far below the 8 decimals that ase.io.write keeps; write them with an exponent"
        raise ValueError(f"{file}: moments are all zero: {lost}")
    if atoms.pbc.any() and not atoms.pbc.all():
        raise ValueError(f"{file}: pbc must be true along all three axes or along none, got {atoms.pbc.tolist()}")
    cell = units.ANGSTROM * np.asarray(atoms.cell) if atoms.pbc.all() else None
    if moments.shape[1] == 9:
        moments = moments.reshape(-1, 3, 3)
    return BlockData(units.ANGSTROM * atoms.positions, moments, cell)
