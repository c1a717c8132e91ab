"""The command ``mbfast`` and how its subcommands are registered."""

import contextvars
import functools
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeAlias

import typer
from typer.core import TyperGroup

import mbfast
from mbfast._core.checkpoint import command_line

P = ParamSpec("P")
_USAGE_ERROR: Any = typer.BadParameter.__base__  # typer has its own copy of click: this is of whichever it uses


def _refuse(where: str, message: str) -> NoReturn:
    typer.echo(f"{where}: {' '.join(message.split())}", err=True)
    raise typer.Exit(2) from None


class _Commands(TyperGroup):
    """All commands; options and arguments that there are not end in one line, too."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _usage_in_one_line():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _usage_in_one_line():
            return super().invoke(ctx)


@contextmanager
def _usage_in_one_line() -> Iterator[None]:
    try:
        yield
    except _USAGE_ERROR as error:
        if not error.message.startswith("Usage:"):  # as the help is, which a call without arguments prints
            path = ("mbfast", *([error.ctx.info_name] if error.ctx is not None and error.ctx.parent else []))
            _refuse(" ".join(path), f"{error.format_message()} (see {' '.join(path)} --help)")
        raise


Threads: TypeAlias = Annotated[
    int | None, typer.Option(help="At most so many; by default what this process may use: see info.")
]
"""The option --threads of commands that compute."""

CheckpointFile: TypeAlias = Annotated[
    Path | None, typer.Option("--checkpoint", metavar="FILE", help="Keep finished parts; see resume.")
]
"""The option --checkpoint of commands that take long."""
Scheduler: TypeAlias = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Of Dask, or local: its workers compute. Extra cluster.")
]
"""The option --scheduler of commands whose parts may be computed elsewhere."""

app = typer.Typer(
    name="mbfast",
    cls=_Commands,
    help="Coupled blocks in glasses: the paper's numbers recomputed, Meissner-Berret ratios, cutoff lengths.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Register a command whose bad input ends in one line on stderr and exit code 2, and Ctrl-C in one and 130."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            if isinstance(sys.stdout, io.TextIOWrapper):  # where γ cannot be written a ? is better than nothing
                sys.stdout.reconfigure(errors="replace")
            context = contextvars.copy_context()  # so that calls after this one do not find it
            context.run(command_line.set, {"arguments": sys.argv[1:], "folder": str(Path.cwd())})
            context.run(function, *args, **kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()
        except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
            if isinstance(error, BrokenPipeError) and not error.filename:  # who reads what we print (head) has left
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
            message = str(error)
            if isinstance(error, OSError) and error.strerror:
                message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
            _refuse(f"mbfast {function.__name__}", message)
        except KeyboardInterrupt:
            kept = kwargs.get("checkpoint")
            more = "" if kept is None else f"; mbfast resume {kept} goes on with it"
            typer.echo(f"mbfast {function.__name__}: interrupted{more}", err=True)
            raise typer.Exit(130) from None

    app.command()(run)
    return run


@contextmanager
def computed_by(scheduler: str | None) -> Iterator[None]:
    """Have the parts of what is computed within this block done by workers of a scheduler, if one is named."""
    if scheduler is None:
        yield
        return
    from mbfast.distributed import connection  # noqa: PLC0415

    with connection(None if scheduler == "local" else scheduler):
        yield


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
