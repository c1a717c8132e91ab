"""Entry point of the command ``mbfast`` and of ``python -m mbfast``."""

import sys


def main() -> None:
    """Run the command line, or say in one line what it needs."""
    try:
        from mbfast.cli import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"mbfast: the command line needs {error.name}: pip install 'mbfast[cli]'\n")
        sys.exit(2)
    try:
        app()
    except OSError as error:  # of writing the help, to a full disk for one; commands catch their own
        sys.stderr.write(f"mbfast: {error.strerror}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
