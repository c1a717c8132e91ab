"""Entry point of the command ``mbfast`` and of ``python -m mbfast``."""

import os
import signal
import sys


def main() -> None:
    """Run the command line, or say in one line what it needs."""
    if sys.argv[1:2] == ["superblock"]:  # it diagonalises side by side, where LAPACK's own threads are in the way
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")  # read when NumPy is imported
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):  # while modules are imported there is nothing to tidy up; some of them drop exceptions
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        from mbfast.cli import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"mbfast: the command line needs {error.name}: pip install 'mbfast[cli]'\n")
        sys.exit(2)
    finally:
        if callable(handler):
            signal.signal(signal.SIGINT, handler)
    try:
        app()
    except OSError as error:  # of writing the help, to a full disk for one; commands catch their own
        sys.stderr.write(f"mbfast: {error.strerror or error}\n")
        sys.exit(2)
    except KeyboardInterrupt:  # before a command runs; what comes later ends in the same way
        sys.exit(130)


if __name__ == "__main__":
    main()
