"""The command ``mbfast`` and how its subcommands are registered."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeAlias

import typer

import mbfast

P = ParamSpec("P")

Threads: TypeAlias = Annotated[int | None, typer.Option(help="By default as many as this process may use: see info.")]
"""The option --threads of commands that compute."""

app = typer.Typer(
    name="mbfast",
    help="Coupled blocks in glasses: the paper's numbers recomputed, Meissner-Berret ratios, cutoff lengths.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Register a command whose bad input ends in one line on stderr and exit code 2."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            if isinstance(sys.stdout, io.TextIOWrapper):  # where γ cannot be written a ? is better than nothing
                sys.stdout.reconfigure(errors="replace")
            function(*args, **kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output (head, less) has left
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (ValueError, TypeError, OSError, ImportError, MemoryError, RuntimeError) as error:  # of loops of links
            message = str(error)
            if isinstance(error, OSError) and error.filename is not None:
                message = f"{error.filename}: {error.strerror}"
            typer.echo(f"mbfast {function.__name__}: {' '.join(message.split())}", err=True)
            raise typer.Exit(2) from None

    app.command()(run)
    return run


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(mbfast.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass
