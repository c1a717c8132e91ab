"""Tables of comma-separated text. Errors are ValueErrors that name the row (row 1 is the header) and the column."""

import csv
import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import IO

import numpy as np

from mbfast._core.validate import FloatArray

_LONGEST = 1 << 16  # characters of a line


def bounded(stream: IO[str]) -> Iterator[str]:
    """Yield the lines of a text; a ValueError that names its row for one that does not end, as that of /dev/zero."""
    row = 0
    while line := stream.readline(_LONGEST):
        row += 1
        if len(line) == _LONGEST:
            raise ValueError(f"row {row}: a line of less than {_LONGEST} characters is wanted, got a longer one")
        yield line


class Table:
    """A header, and rows of as many cells, read line by line; lines with nothing in them do not count."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._reader = csv.reader(lines, strict=True, skipinitialspace=True)
        self.columns = [cell.strip() for cell in next(self._rows(), [])]

    def _rows(self) -> Iterator[list[str]]:
        try:
            yield from (row for row in self._reader if row not in ([], [""]))
        except csv.Error as error:
            raise self.error(str(error)) from None

    def error(self, message: str, column: str | None = None) -> ValueError:
        """Return an error in the row that was read last."""
        place = "" if column is None else f", column {column}"
        return ValueError(f"row {max(1, self._reader.line_num)}{place}: {message}")

    def require(self, columns: Collection[str], wanted: str, others: Collection[str] | None = ()) -> None:
        """Raise a ValueError if a column is missing, stands there twice or, unless `others` is None, is not known."""
        for column in columns:
            if column not in self.columns:
                raise self.error(f"column {column} is missing; wanted are {wanted}")
        for column in self.columns:
            if others is not None and column not in (*columns, *others):
                raise self.error(f"unknown column {column!r}; wanted are {wanted}")
            if self.columns.count(column) > 1:
                raise self.error(f"column {column} stands there twice")

    def __iter__(self) -> Iterator[list[str]]:
        for row in self._rows():
            if len(row) != len(self.columns):
                raise self.error(f"{len(self.columns)} cells are wanted, as in the header, got {len(row)}")
            yield row

    def number(self, column: str, cell: str) -> float:
        """Return the finite number that a cell of the present row has."""
        try:
            value = float(cell.replace("D", "E").replace("d", "e"))  # as Fortran writes exponents
        except ValueError:
            value = math.nan
        if "_" in cell or not cell.isascii() or not math.isfinite(value):  # float() takes 1_0 and other scripts' digits
            raise self.error(f"a finite number is wanted, got {cell!r}", column)
        return value

    def numbers(self, columns: Sequence[str]) -> FloatArray:
        """Return the numbers of these columns, shape (rows, columns)."""
        chosen, values = itemgetter(*map(self.columns.index, columns)), array("d")
        for row in self:
            values.extend(map(self.number, columns, chosen(row)))
        return np.asarray(values).reshape(-1, len(columns))
