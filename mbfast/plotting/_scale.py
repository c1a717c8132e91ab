"""The colours of numbers: a linear or a logarithmic scale, as they ask for, in maps that all readers can tell apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mbfast._core.validate import FloatArray
from mbfast.plotting._axes import power, ten_to

if TYPE_CHECKING:
    from matplotlib.colors import Normalize

_WIDE = 100.0  # times the smallest of the larger nine tenths: the largest value asks for a logarithmic scale
_DECADES = 6  # of such a scale


@dataclass(frozen=True)
class Scale:
    """How numbers become colours: in multiples of `factor`, by `norm` to 0 ... 1, and by the map `colours`."""

    factor: float
    norm: Normalize
    colours: str
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    unit: str  # behind the name of what is shown
    words: str  # of a caption

    def of(self, values: FloatArray) -> FloatArray:
        """Return values in multiples of the factor, no further from zero or nearer to it than the scale goes."""
        low, high = float(self.norm.vmin or 0.0), float(self.norm.vmax or 0.0)
        return np.clip(values / self.factor, low, high)


def scale_of(values: FloatArray, unit: str, *, signed: bool) -> Scale:
    """Return the scale that suits the values that are shown. Signed ones have the same room on both sides of zero."""
    from matplotlib import colors, ticker  # noqa: PLC0415

    sizes = np.abs(values)
    sizes = sizes[sizes > 1e-300]
    largest = float(sizes.max(initial=0.0))
    if largest == 0.0:
        norm = colors.Normalize(-1.0 if signed else 0.0, 1.0)
        words = "All values are zero."
        return Scale(1.0, norm, _map(signed), (0.0,), ("0",), f" ({unit})" if unit else "", words)
    small = float(np.quantile(sizes, 0.1))
    if largest > _WIDE * small:
        return _logarithmic(largest, max(small, largest * 10.0**-_DECADES), unit, signed)
    factor, written = ten_to(sizes)
    top = largest / factor
    low = -top if signed else 0.0
    if not signed and len(sizes) == len(values) and 1e-3 * largest < largest - sizes.min() < 0.5 * largest:
        low = float(sizes.min()) / factor  # what differs by so little would have one colour
    ticks = [tick for tick in ticker.MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, top) if low <= tick <= top]
    labels = [f"{tick + 0.0:.5g}".replace("-", "−") for tick in ticks]
    told = " ".join(part for part in (written.strip(" ()"), unit) if part)
    words = "The colours have a linear scale."
    norm = colors.Normalize(low, top)
    return Scale(factor, norm, _map(signed), tuple(ticks), tuple(labels), f" ({told})" if told else "", words)


def _logarithmic(largest: float, small: float, unit: str, signed: bool) -> Scale:
    """Return a scale by decades from about `small`, below which signed values are linear, others have one colour."""
    from matplotlib import colors  # noqa: PLC0415

    first, last = math.floor(math.log10(small)), math.floor(math.log10(largest))
    factor = 10.0**last
    decades = range(last, first - 1, -math.ceil((last - first + 1) / (3 if signed else 5)))  # as many labels
    ticks = [10.0 ** (decade - last) for decade in decades]
    labels = [power(10.0**decade, plain=False) for decade in decades]
    bottom, top, end = 10.0 ** (first - last), largest / factor, power(10.0**first, plain=False)
    told = f"{end} {unit}".rstrip()
    norm: Normalize
    if signed:
        norm = colors.SymLogNorm(bottom, vmin=-top, vmax=top, base=10)
        ticks = [*(-tick for tick in ticks), 0.0, *ticks[::-1]]
        labels = [*(f"−{label}" for label in labels), "0", *labels[::-1]]
        words = f"The colours have a scale that is linear between −{told} and {told}, and logarithmic beyond."
    else:
        norm = colors.LogNorm(bottom, top)
        ticks, labels = ticks[::-1], labels[::-1]
        words = f"The colours have a logarithmic scale; what is below {told}, zeros too, has the colour of its end."
    return Scale(factor, norm, _map(signed), tuple(ticks), tuple(labels), f" ({unit})" if unit else "", words)


def _map(signed: bool) -> str:
    """Return the name of a map: from blue by white to red, or from dark blue to yellow, each evenly lighter."""
    return "RdBu_r" if signed else "viridis"
