"""Derivatives of r and of r^3/3 along x, y and z, from the powers of D = (1/r) d/dr applied to them, bare or smooth.

Tensors of pairs are made of the fourth derivatives of r; forces of the fifth; what they do when all is strained of the
fourth and of the sixth ones of r^3/3, of which D makes r.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mbfast._core.validate import FloatArray


def odd_along(names: Iterable[str]) -> NDArray[np.bool_]:
    """Say which components, by their indices, change their sign with x, with y and with z, (n, 3)."""
    return np.array([[name.count(axis) % 2 == 1 for axis in "xyz"] for name in names])


@dataclass(frozen=True)
class Derivatives:
    """Some derivatives of one function: their names, by sorted axes, and D's powers of r^3/3 that they are made of."""

    names: tuple[str, ...]
    orders: tuple[int, ...]

    @functools.cached_property
    def powers(self) -> NDArray[np.int64]:
        """How often each is along x, y and z, (n, 3)."""
        return np.array([[name.count(axis) for axis in "xyz"] for name in self.names])

    @functools.cached_property
    def odd(self) -> NDArray[np.bool_]:
        """As `odd_along`."""
        return odd_along(self.names)

    @functools.cached_property
    def place(self) -> dict[tuple[int, ...], int]:
        """Where each is, by its powers."""
        return {tuple(powers): place for place, powers in enumerate(self.powers.tolist())}

    def turned(self, order: tuple[int, ...]) -> list[int]:
        """Where each is among those at a place that is known, at another with its axes in another order."""
        back = [order.index(axis) for axis in range(3)]
        return [self.place[tuple(powers)] for powers in self.powers[:, back].tolist()]

    @functools.cached_property
    def terms(self) -> tuple[NDArray[np.int64], FloatArray]:
        """What they are sums of: rows of function, powers of x, y, z, power of D; and how often.

        Two equal indices on r^2/2 leave a number: in how many ways for so many pairs along each axis.
        """
        rows, ways = [], []
        for function, powers in enumerate(self.powers.tolist()):
            for pairs in itertools.product(*(range(p // 2 + 1) for p in powers)):
                left = [p - 2 * pair for p, pair in zip(powers, pairs, strict=True)]
                rows.append([function, *left, self.orders[-1] - sum(pairs)])
                counts = zip(powers, pairs, strict=True)
                ways.append(math.prod(math.perm(p, 2 * i) / (2**i * math.factorial(i)) for p, i in counts))
        return np.array(rows), np.array(ways)

    def at(self, x: FloatArray, radial: Mapping[int, FloatArray]) -> FloatArray:
        """Return derivatives (n, m) at x (3, m) of a function of r, by what D makes of it, (m,) for each order."""
        power = np.ones((self.powers.max() + 1, *x.shape))
        for times in range(1, len(power)):
            power[times] = power[times - 1] * x
        result = np.zeros((len(self.names), x.shape[1]))
        for (function, one, two, three, order), ways in zip(*self.terms, strict=True):
            result[function] += ways * power[one, 0] * power[two, 1] * power[three, 2] * radial[order]
        return result

    def bare(self, x: FloatArray) -> FloatArray:
        """Return those of r or r^3/3 itself at x (3, m), (n, m); zero at zero."""
        return self.at(x, powers_of_d(np.linalg.norm(x, axis=0), self.orders))


def powers_of_d(r: FloatArray, orders: Iterable[int]) -> dict[int, FloatArray]:
    """Return what D, so often, makes of r^3/3; zero where r is."""
    apart = np.where(r > 0.0, r, np.inf)
    return {n: math.prod(range(1, 3 - 2 * n, -2)) * apart ** (3.0 - 2.0 * n) for n in orders}


def _names(count: int) -> tuple[str, ...]:
    return tuple(map("".join, itertools.combinations_with_replacement("xyz", count)))


INDICES = (
    *("xxxx", "yyyy", "zzzz", "yyzz", "xxzz", "xxyy", "xxyz", "xyyz", "xyzz"),
    *("yyyz", "yzzz", "xxxz", "xzzz", "xxxy", "xyyy"),
)  # in the order of the kernel
FOURTH = Derivatives(INDICES, (3, 4, 5))  # of r
FIFTH = Derivatives(_names(5), (4, 5, 6))  # of r
SIXTH = Derivatives(_names(6), (3, 4, 5, 6))  # of r^3/3
