"""The command ``mbfast``. Exit codes: 0 done, 2 bad usage or bad input (one line on stderr, nothing written)."""

from mbfast.cli import lattice, machine, paper, runs, view
from mbfast.cli.command import app

__all__ = ["app", "lattice", "machine", "paper", "runs", "view"]
