"""What examples have in common: options of the command line, a number beside its reference, a figure's file."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
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
    *,
    threaded: bool = False,
) -> None:
    """Run an example as a command: ``[FILE] [--seed N]``; print its checks and draw its figure into FILE, if named.

    `compute` takes the seed and returns the checks and a function that draws the figure; where it is `threaded`, Ctrl-C
    does not wait for compiled code in its threads, which hears nothing of it.
    """
    parser = argparse.ArgumentParser(description=(text or "").partition("\n\n")[0])
    parser.add_argument("file", nargs="?", metavar="FILE", help="where the figure goes: .png, .pdf or .svg")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")
    given = parser.parse_args(arguments)
    if given.seed < 0:
        parser.error(f"argument --seed: a whole number >= 0 is wanted, got {given.seed}")
    try:
        if given.file is not None:
            _check_figure(Path(given.file))
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    try:
        with _ended_by_ctrl_c() if threaded else nullcontext():
            checks, draw = compute(given.seed)
        for check in checks:
            print(check)
        if given.file is not None:
            import mbfast  # noqa: PLC0415

            mbfast.plotting.save_figure(draw(), given.file)
    except (ImportError, OSError, RuntimeError) as error:  # what is not installed, a full disk, no JIT
        parser.exit(2, f"{parser.prog}: error: {error}\n")


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Have Ctrl-C end the process at once, as it ends programs that do nothing about it."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield  # somebody else has seen to it
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_figure(file: Path) -> None:
    """Find out before minutes of work whether a figure and its caption can be drawn and written."""
    from mbfast._core.archive import check_writable  # noqa: PLC0415
    from mbfast.plotting.style import KINDS, caption_file, figure_class  # noqa: PLC0415

    if file.suffix.lower().removeprefix(".") not in KINDS:
        raise ValueError(f"{file}: a figure is wanted as .png, .pdf or .svg")
    figure_class()
    check_writable(file, caption_file(file))
