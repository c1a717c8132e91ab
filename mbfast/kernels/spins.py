"""Two-level blocks as spins: T_s = spins_s moments_s/2, in asymmetries Delta_s and in the field of all others.

The energy, in the units of u of `mbfast.kernels.stress` or `mbfast.kernels.dipole`, is

    H = Sum_s Delta_s spins_s/2 + Sum_{s<t} J_st spins_s spins_t,    J_st = u(moments_s, moments_t)/2,

which is the energy (2.13) of the T_s: ordered pairs of moments, each half as large. What a flip costs follows from
``local``, local_s = Sum_{t != s} J_st spins_t, which the functions `flip` of these modules keep up, and `lattice_flip`
on a periodic lattice, from a table of couplings by offset: that of `mbfast.LatticeField.coupling_table`. A spin's own
images flip with it and do not count: where `lattice_energies` of all spins/2 filled ``local``, `lattice_coupling` of s
and s times spins_s is to be taken off.

Layout, float64 and C-contiguous: ``spins``, ``asymmetries``, ``local`` (n,); ``moments``, ``field`` (6, n) or (3, n);
``table`` (21, n1, n2, n3) or (6, n1, n2, n3). Nothing is checked.

Examples
--------
>>> import mbfast, numpy as np
>>> from mbfast.kernels import spins
>>> sigma, asymmetries, local = np.array([1.0, 1.0]), np.array([0.5, 0.5]), np.array([-2.0, -2.0])  # J = -2
>>> print(spins.flip_cost(0, sigma, asymmetries, local), spins.pair_flip_cost(0, 1, -2.0, sigma, asymmetries, local))
3.5 -1.0
>>> chain = mbfast.BlockLattice((1, 1, 4), 1.0)
>>> table = mbfast.LatticeField(mbfast.DipoleInteraction(0.04), chain, boundary="periodic").coupling_table()
>>> p, field, local = np.tile([[0.0], [0.0], [1.0]], 4), np.zeros((3, 4)), np.zeros(4)
>>> for s in range(4):
...     spins.lattice_field(s, p[:, s].copy(), table, field)
...     spins.lattice_energies(s, 0.5 * p[:, s], table, p, local)
>>> bool(np.allclose(field[2], 2 * local))
True
>>> local -= spins.lattice_coupling(0, 0, table, p)  # its own images flip with each
>>> cost = spins.flip_cost(0, np.ones(4), np.zeros(4), local)
>>> bool(np.isclose(spins.lattice_flip(0, np.ones(4), table, p, local), cost))
True
"""

from typing import Any

import numpy as np

from mbfast._core.jit import FAST, jit
from mbfast._core.simd import VECTORS as V
from mbfast._core.tracing import traced

_PAIRS = [(a, b) for a in range(6) for b in range(a, 6)]  # the order of a table's elements


@jit()
def flip_cost(s: int, spins: Any, asymmetries: Any, local: Any) -> float:
    """What flipping spin s costs."""
    return float(-spins[s] * (asymmetries[s] + 2.0 * local[s]))


@jit()
def pair_flip_cost(s: int, t: int, coupling: float, spins: Any, asymmetries: Any, local: Any) -> float:
    """What flipping the spins s and t costs, which are coupled by J_st = coupling."""
    return float(
        flip_cost(s, spins, asymmetries, local)
        + flip_cost(t, spins, asymmetries, local)
        + 4.0 * coupling * spins[s] * spins[t]
    )


def _products(components: int, table: Any, first: Any, some: Any, moment: Any) -> list[Any]:
    """Return the components of the field of a moment, at a vector of offsets."""
    n = table.sides[1] * table.sides[2] * table.sides[3]
    pairs = [(a, b) for a, b in _PAIRS if b < components]
    field: list[Any] = [0.0] * components
    for row, (a, b) in enumerate(pairs):
        element = V.load(table, row * n + first, some)
        field[a] = field[a] + element * moment[b]
        if a != b:
            field[b] = field[b] + element * moment[a]
    return field


def _field_row(components: int) -> Any:
    def row(first: Any, at: Any, count: Any, moment: Any, table: Any, field: Any) -> None:
        n, mine = field.sides[1], [moment[a] * (1.0 if a < 3 else 2.0) for a in range(components)]
        for start, some in V.blocks(count):
            for a, h in enumerate(_products(components, table, first + start, some, mine)):
                place = a * n + at + start
                V.store(field, place, V.load(field, place, some) + h, some)

    return traced(row)


def _energies_row(components: int) -> Any:
    def row(first: Any, at: Any, count: Any, moment: Any, table: Any, moments: Any, out: Any) -> None:
        n, mine = moments.sides[1], [moment[a] * (1.0 if a < 3 else 2.0) for a in range(components)]
        for start, some in V.blocks(count):
            energy = V.load(out, at + start, some)
            for a, h in enumerate(_products(components, table, first + start, some, mine)):
                own = V.load(moments, a * n + at + start, some)
                energy = energy + own * (h if a < 3 else 2.0 * h)
            V.store(out, at + start, energy, some)

    return traced(row)


_field_six, _field_three = _field_row(6), _field_row(3)
_energies_six, _energies_three = _energies_row(6), _energies_row(3)


@jit()
def _find_rows(s: int, table: Any, rows: Any) -> None:
    """Fill rows (n, 3): first offset in the table, first block and length of rows of blocks, as seen from block s."""
    n1, n2, n3 = table.shape[1], table.shape[2], table.shape[3]
    i, j, k = s // (n2 * n3), s // n3 % n2, s % n3
    for x in range(n1):
        for y in range(n2):
            first, at, row = ((x - i) % n1 * n2 + (y - j) % n2) * n3, (x * n2 + y) * n3, 2 * (x * n2 + y)
            rows[row, 0], rows[row, 1], rows[row, 2] = first, at + k, n3 - k
            rows[row + 1, 0], rows[row + 1, 1], rows[row + 1, 2] = first + n3 - k, at, k


@jit("void(int64, float64[::1], float64[:, :, :, ::1], float64[:, ::1])", fastmath=FAST)
def lattice_field(s: int, moment: Any, table: Any, field: Any) -> None:
    """Add to field that of a moment (6,) or (3,) at block s of a periodic lattice, and its own if the table has it."""
    rows = np.empty((2 * table.shape[1] * table.shape[2], 3), np.int64)
    _find_rows(s, table, rows)
    for row in rows:
        first, at, count = row[0], row[1], row[2]
        if table.shape[0] == 21:
            _field_six(first, at, count, moment, table, field)
        else:
            _field_three(first, at, count, moment, table, field)


@jit("void(int64, float64[::1], float64[:, :, :, ::1], float64[:, ::1], float64[::1])", fastmath=FAST)
def lattice_energies(s: int, moment: Any, table: Any, moments: Any, out: Any) -> None:
    """Add to out (n,) the energies of the moments of a periodic lattice with one at block s, by its table."""
    rows = np.empty((2 * table.shape[1] * table.shape[2], 3), np.int64)
    _find_rows(s, table, rows)
    for row in rows:
        first, at, count = row[0], row[1], row[2]
        if table.shape[0] == 21:
            _energies_six(first, at, count, moment, table, moments, out)
        else:
            _energies_three(first, at, count, moment, table, moments, out)


@jit("float64(int64, float64[::1], float64[:, :, :, ::1], float64[:, ::1], float64[::1])", fastmath=FAST)
def lattice_flip(s: int, spins: Any, table: Any, moments: Any, local: Any) -> float:
    """Flip spin s of a periodic lattice; return the change of the energy of all pairs. A spin's images flip with it."""
    change, own = np.empty(moments.shape[0]), local[s]
    for a in range(moments.shape[0]):
        change[a] = -spins[s] * moments[a, s]
    lattice_energies(s, change, table, moments, local)
    cost, local[s], spins[s] = -2.0 * spins[s] * own, own, -spins[s]
    return float(cost)


@jit()
def lattice_coupling(s: int, t: int, table: Any, moments: Any) -> float:
    """J_st of two blocks of a periodic lattice, the images of both counted."""
    n1, n2, n3 = table.shape[1], table.shape[2], table.shape[3]
    x, y, z = (s // (n2 * n3) - t // (n2 * n3)) % n1, (s // n3 - t // n3) % n2, (s - t) % n3
    row, total = 0, 0.0
    for a in range(moments.shape[0]):
        for b in range(a, moments.shape[0]):
            weight = (1.0 if a < 3 else 2.0) * (1.0 if b < 3 else 2.0)
            both = moments[a, s] * moments[b, t]
            if a != b:
                both += moments[b, s] * moments[a, t]
            total += weight * table[row, x, y, z] * both
            row += 1
    return 0.5 * total
