"""How spectra go on beyond their first and their last node: as power laws, or not at all."""

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from mbfast._core.validate import FloatArray, float_array, require_finite
from mbfast.kernels.spectra import RULE
from mbfast.spectra._kernels import products as kernels

Edge: TypeAlias = Literal["power", "zero"] | float
"""How a spectrum goes on beyond its nodes: the power law of the last two, not at all, or with a given exponent."""

ROUNDING = 1e-15
LARGEST_TAIL = 1e150  # of power laws beyond the nodes

_STEEPEST = 100.0  # stated exponent
_DEAD = 46.0  # ln of 1e20
_NARROWEST = 1e10  # exponent: what is steeper falls within rounding errors of its node
_BASE = 0.25  # of a logarithmic derivative: shorter ones drown in rounding errors


class Tail(NamedTuple):
    """Power laws beyond the first or the last node: amplitudes at the node (0: nothing there) and exponents."""

    amplitude: FloatArray
    exponent: FloatArray

    def cells(self, node: float, end: float) -> tuple[FloatArray, FloatArray]:
        """Return breaks and values (p, cells, 8) of p power laws between a node and an `end` beyond it.

        Where they have fallen below 1e-20 of their values at the node they are taken as zero.
        """
        steep = np.clip(self.exponent, -_NARROWEST, _NARROWEST)
        amplitude = self.amplitude * ((1.0 + np.abs(steep)) / (1.0 + np.abs(self.exponent)))  # of the same integral
        length, downwards = abs(math.log(end / node)), end < node
        logs, position = [np.zeros(1)], 0.0
        # the steepest first: where it has died out, cells need not be so narrow any more
        for s in sorted(steep[amplitude != 0.0], key=abs, reverse=True):
            decay = s if downwards else -s
            reach = min(length, _DEAD / decay) if decay > 0.0 else length
            if reach > position:
                # a ratio so small that a polynomial of degree 7 represents the power law to rounding errors
                n = math.ceil((reach - position) / math.log1p(1.0 / (20.0 + 8.0 * abs(s))))
                logs.append(position + np.arange(1.0, n + 1) * ((reach - position) / n))
                position = reach
        if position < length:
            logs.append(np.array([length]))
        breaks = node * np.exp(np.concatenate(logs) * (-1.0 if downwards else 1.0))
        breaks[0], breaks[-1] = node, end
        middle, half = 0.5 * (breaks[1:] + breaks[:-1]), 0.5 * np.abs(np.diff(breaks))
        points = middle[:, None] + half[:, None] * RULE[0]
        with np.errstate(under="ignore"):
            values: FloatArray = amplitude[:, None, None] * (points / node) ** steep[:, None, None]
        if position < length:
            values[:, -1] = 0.0
        if downwards:
            return breaks[::-1].copy(), values[:, ::-1].copy()
        return breaks, values


@dataclass(frozen=True, eq=False)
class End:
    """How spectra go on `below` their first node or `above` their last, checked."""

    name: Literal["below", "above"]
    edge: Edge
    nodes: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.edge, str):
            if self.edge not in ("power", "zero"):
                raise ValueError(f"{self.name} must be power, zero or an exponent, got {self.edge!r}")
            return
        exponent = float_array(self.name, self.edge)
        if exponent.ndim:
            raise TypeError(f"{self.name} must be power, zero or one exponent, got an array of shape {exponent.shape}")
        require_finite(self.name, exponent)
        if abs(exponent) > _STEEPEST:
            raise ValueError(
                f"{self.name} must be an exponent of magnitude at most {_STEEPEST:g}, got {float(exponent):g}"
            )
        object.__setattr__(self, "edge", float(exponent))

    def tail(self, samples: FloatArray, *, over: float = -np.inf, under: float = np.inf, why: str = "") -> Tail:
        """Return how samples (..., n) go on; a ValueError if an exponent is not over and under what `why` says."""
        first, second = (0, 1) if self.name == "below" else (-1, -2)
        amplitude = samples[..., first]
        if self.edge == "zero" or self.nodes[first] == 0.0:
            return Tail(np.zeros_like(amplitude), np.zeros_like(amplitude))
        if self.edge == "power":
            exponent = self._exponents(samples, first, second)
            if np.isnan(exponent.sum()):
                place = np.unravel_index(np.argmax(np.isnan(exponent)), exponent.shape)
                raise ValueError(
                    f"{self.name} must be stated (zero, or an exponent): no power law goes through the values "
                    f"{samples[place][first]:g} and {samples[place][second]:g} at the "
                    f"{'first' if first == 0 else 'last'} two nodes"
                )
        else:
            exponent = np.full_like(amplitude, self.edge)
        wrong = (amplitude != 0.0) & ~((exponent > over) & (exponent < under))
        if wrong.any():
            limits = [f"{side} {limit:g}" for side, limit in (("above", over), ("below", under)) if np.isfinite(limit)]
            raise ValueError(
                f"{self.name} must be a power law with an exponent {' and '.join(limits)} ({why}), "
                f"got {exponent[wrong][0]:.6g}"
            )
        return Tail(amplitude, exponent)

    def uncertainty(self, samples: FloatArray) -> FloatArray:
        """Return how uncertain exponents are: by rounding, and by their change within a factor e of frequency."""
        if self.edge != "power" or (self.name == "below" and self.nodes[0] == 0.0):
            return np.zeros(samples.shape[:-1])
        nodes, n = self.nodes, self.nodes.size
        first, second, away = (0, 1, 1) if self.name == "below" else (n - 1, n - 2, -1)
        step = abs(math.log(nodes[first] / nodes[second]))
        result = np.full(samples.shape[:-1], ROUNDING / step)
        third = second + away
        lowest = int(nodes[0] == 0.0)
        while lowest <= third < n and abs(math.log(nodes[third] / nodes[second])) < _BASE:
            third += away
        third = min(max(third, lowest), n - 1)
        if third != second:
            other = abs(math.log(nodes[third] / nodes[second]))
            change = self._exponents(samples, first, second) - self._exponents(samples, second, third)
            noise = 4.0 * ROUNDING * (1.0 / step + 1.0 / other)
            change = np.maximum(np.nan_to_num(np.abs(change), nan=1.0) - noise, 0.0)
            result += change / (0.5 * (step + other))
        return result

    def continued(self, ratios: FloatArray, tail: Tail, known: Tail, margin: FloatArray) -> Tail:
        """Return `tail` with other exponents, for samples that are `ratios` times what goes on as `known`.

        They continue the slope and the curvature of up to four ratios at the end, as far out as a tail counts in
        integrals that fall there as the power `margin`; they differ from the power law of two samples, if that is
        what `tail` is, by 1/4 and half of the margin at most, and not where ratios change sign.
        """
        below = self.name == "below"
        count = min(4, self.nodes.size - int(self.nodes[0] == 0.0))
        if self.edge != "power" or (below and self.nodes[0] == 0.0) or count < 3:
            return tail
        places = np.arange(count) if below else -1 - np.arange(count)
        some, logs = ratios[..., places], np.log(self.nodes[places] / self.nodes[places[0]])
        fits = np.asarray((some > 0.0).all(axis=-1))
        some = np.divide(some, some[..., :1], out=np.ones_like(some), where=fits[..., None])
        # the polynomial through the logarithms, in units of the distance of the last one
        powers = np.log(some) @ np.linalg.inv(np.vander(logs / logs[-1], increasing=True)).T
        outwards = np.divide(-1.0 if below else 1.0, margin, out=np.zeros_like(margin), where=margin > 0.0)
        slope = powers[..., 1] / logs[-1] + 2.0 * powers[..., 2] / logs[-1] ** 2 * outwards
        most = np.minimum(0.25, 0.5 * np.abs(margin))
        change = np.clip(known.exponent + slope - tail.exponent, -most, most)
        return Tail(tail.amplitude, tail.exponent + np.where(fits, change, 0.0))

    def _exponents(self, samples: FloatArray, one: int, other: int) -> FloatArray:
        n, result = self.nodes.size, np.empty(samples.shape[:-1])
        log_ratio = math.log(self.nodes[one] / self.nodes[other])
        kernels.exponents(samples.reshape(-1, n), one % n, other % n, log_ratio, result.reshape(-1))
        return result
