"""What examples have in common: options of the command line, a number beside its reference, a figure's file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Check:
    """A number that an example has computed, and what it must be.

    Attributes
    ----------
    name : str
        What it is, with its unit.
    value, error : float
        The number, and the standard deviation of ``value - reference`` over seeds: an estimate from the run itself, or
        the tolerance of what has no scatter.
    reference : float
        What it must be, by `source`: a closed form, an exact enumeration, a published number.
    source : str
        Where the reference comes from.
    """

    name: str
    value: float
    error: float
    reference: float
    source: str

    @property
    def deviation(self) -> float:
        """(value - reference) / error; 0 if both are equal."""
        return 0.0 if self.value == self.reference else (self.value - self.reference) / self.error

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.6g} ± {self.error:.2g}, {self.source}: {self.reference:.6g}"


def run_example(
    text: str | None,
    compute: Callable[[int], tuple[Iterable[Check], Callable[[], Figure]]],
    arguments: list[str] | None = None,
) -> None:
    """Run an example as a command: ``[FILE] [--seed N]``; print its checks and draw its figure into FILE, if named.

    `compute` takes the seed and returns the checks and a function that draws the figure.
    """
    parser = argparse.ArgumentParser(description=(text or "").partition("\n\n")[0])
    parser.add_argument("file", nargs="?", metavar="FILE", help="where the figure goes: .png, .pdf or .svg")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")
    given = parser.parse_args(arguments)
    if given.seed < 0:
        parser.error(f"argument --seed: a whole number >= 0 is wanted, got {given.seed}")
    checks, draw = compute(given.seed)
    for check in checks:
        print(check)
    if given.file is not None:
        import mbfast  # noqa: PLC0415

        mbfast.plotting.save_figure(draw(), given.file)
