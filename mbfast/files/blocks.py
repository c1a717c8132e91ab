"""Positions and moments of blocks from files: what `mbfast pairsum` reads."""

import itertools
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast import units
from mbfast._core import voigt
from mbfast._core.archive import LocatedError, naming, path_of, read_archive, read_array, regular, require_memory
from mbfast._core.tables import Table, bounded
from mbfast._core.validate import real_array
from mbfast.pairs.geometry import BlockLattice

_POSITION = ("x", "y", "z")
_DIPOLE = ("px", "py", "pz")
_WANTED = f"{', '.join(_POSITION)} and either {', '.join(_DIPOLE)} or {', '.join(voigt.NAMES)}"

_FLAGS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}


@dataclass(frozen=True, eq=False)
class BlockData:
    """Blocks and their moments, as `pair_field` takes them.

    `blocks` are positions (N, 3) in m or a `BlockLattice`; `moments` are of stress (J), (N, 6) or (N, 3, 3), or dipoles
    (C m), (N, 3), a lattice's shape in place of N; `cell` has periods (m), (3,) or (3, 3), if the file has some.
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
        - .xyz or .extxyz (UTF-8): one frame of extended XYZ, positions and cell in angstrom, with ``moments`` in SI
          units for each atom: 3 numbers (dipole), 6 (as above) or 9 (xx, xy, xz, yx, ...); species can be any words.
          The cell counts if ``pbc`` is true along all three axes. ase's writer rounds to 8 decimals: zeros are refused.

        Suffixes can be in capitals. In text a byte-order mark, and Fortran's 1.0D-30, are understood.

    Returns
    -------
    BlockData

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError
        If `path` is no path.
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
    file = path_of("path", path)
    readers = {".npz": _from_npz, ".npy": _from_npy, ".csv": _from_csv, ".xyz": _from_xyz, ".extxyz": _from_xyz}
    with naming(file):
        if file.suffix.lower() not in readers:
            raise ValueError("an .npz, .npy, .csv, .xyz or .extxyz file is wanted")
        return readers[file.suffix.lower()](file)


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
        with regular(file).open("rb") as stream:
            require_memory(file, file.stat().st_size)
            table = real_array("the array", read_array(stream))
    except (OSError, LocatedError):
        raise
    except Exception as error:  # of any type: what NumPy met in a damaged header
        raise ValueError(f"not a NumPy array of numbers ({error})") from None
    if table.ndim != 2 or table.shape[1] not in (6, 9):
        raise ValueError(f"6 or 9 columns are wanted, {_WANTED}, got shape {table.shape}")
    return BlockData(table[:, :3], table[:, 3:], None)


def _from_csv(file: Path) -> BlockData:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = Table(bounded(lines))
        columns = _POSITION + (_DIPOLE if set(_DIPOLE) & set(table.columns) else voigt.NAMES)
        table.require(columns, _WANTED)
        numbers = table.numbers(columns)
    return BlockData(numbers[:, :3], numbers[:, 3:], None)


def _from_xyz(file: Path) -> BlockData:
    with file.open(encoding="utf-8-sig") as stream:
        lines = bounded(stream)
        announced, comment = next(lines, "").strip(), next(lines, "")
        if not re.fullmatch("[0-9]{1,15}", announced):
            raise ValueError(f"row 1: a number of blocks is wanted, got {announced[:40]!r}")
        entries = re.findall(r"""\b(\w+)=("[^"]*"|'[^']*'|\{[^}]*\}|\[[^]]*\]|[^\s"'{[]\S*)""", comment)
        described = {key: value.strip("\"'{}[]") for key, value in entries}
        fields = described.get("Properties", "species:S:1:pos:R:3").split(":")
        if len(fields) % 3 or not all(re.fullmatch("[1-9][0-9]?", number) for number in fields[2::3]):
            raise ValueError(f"row 2: Properties must be name:type:columns, repeated, got {':'.join(fields)[:80]!r}")
        widths = dict(zip(fields[::3], map(int, fields[2::3]), strict=True))
        names = {name: [f"{name}_{i}" for i in range(1, width + 1)] for name, width in widths.items()}
        if widths.get("pos") != 3 or widths.get("moments") not in (3, 6, 9):
            got = ", ".join(f"{name} ({width})" for name, width in widths.items())
            raise ValueError(f"row 2: pos of 3 columns and moments of 3, 6 or 9 are wanted in Properties, got {got}")
        header = ",".join(name for field in fields[::3] for name in names[field])
        rows = (",".join(line.split()) for line in itertools.islice(lines, int(announced)))
        table = Table(itertools.chain(["", header], rows))  # so that rows have their numbers in the file
        table.require((), "", others=None)  # refuses what stands there twice
        numbers = table.numbers(names["pos"] + names["moments"])
        if len(numbers) != int(announced) or any(line.strip() for line in lines):
            more = "more" if len(numbers) == int(announced) else len(numbers)
            raise ValueError(f"one frame is wanted, of the {announced} blocks that row 1 announces, got {more}")
    moments = numbers[:, 3:]
    if len(moments) and not moments.any():
        lost = "in SI units they are far below the 8 decimals that ase.io.write keeps; write them with an exponent"
        raise ValueError(f"moments are all zero: {lost}")
    cell = _periodic_cell(described)
    return BlockData(
        units.ANGSTROM * numbers[:, :3], moments.reshape(-1, 3, 3) if moments.shape[1] == 9 else moments, cell
    )


def _periodic_cell(described: Mapping[str, str]) -> NDArray[np.float64] | None:
    """Return the periods (m) that the second line of extended XYZ describes, or None."""
    words = described.get("pbc", "T" if "Lattice" in described else "F").split()
    flags = {_FLAGS.get(word.lower()) for word in words}
    if flags not in ({True}, {False}) or len(words) not in (1, 3):
        raise ValueError(f"row 2: pbc must be true along all three axes or along none, got {' '.join(words)[:80]!r}")
    if flags == {False}:
        return None
    cells = described.get("Lattice", "").split()
    if len(cells) != 9:
        raise ValueError(f"row 2: Lattice must be 9 numbers where pbc is true, got {' '.join(cells)[:80]!r}")
    header = ",".join(f"Lattice_{i}" for i in range(1, 10))
    table = Table([header, ",".join(cells)])
    return units.ANGSTROM * table.numbers(table.columns).reshape(3, 3)
