"""Files of results: written whole or not at all, with the inputs that made them, and read without trust."""

import io
import itertools
import json
import os
import platform
import re
import warnings
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mbfast._core.machine import available_memory

FORMAT = 1  # of saved results; a later one may have what this version does not know

Content: TypeAlias = bytes | Callable[[BinaryIO], object]
"""What goes into a file: its bytes, or a function that writes them into an open one."""

_number = itertools.count()
_HIDDEN = f".mbfast.{platform.node()}."  # then the process and a number: the name of a file that is not complete


def check_writable(*files: Path | None) -> None:
    """Find out before any work whether files can be written, or the folders that `write_files` makes for them."""
    outputs = [(file, behind_links(file)) for file in files if file is not None]
    for file, target in outputs:
        if file.is_dir():
            raise ValueError(f"{file}: a file is wanted, this is a folder")
        if [other for _, other in outputs].count(target) > 1:
            raise ValueError(f"{file}: two outputs cannot go to one file")
        if file.exists() and not os.access(file, os.W_OK):
            raise ValueError(f"{file}: cannot be written, it is not writable")
        if _is_open_end(file):
            continue
        with naming_output(file):
            base = next(parent for parent in target.parents if parent.exists())
            if not base.is_dir():
                raise ValueError(f"{file}: cannot be written, {base} is no folder")
            for part in target.relative_to(base).parts:
                with suppress(FileNotFoundError):
                    (base / part).lstat()  # refuses a name that is too long
            probe = hidden_name(base / target.name)
            probe.open("wb").close()
            probe.unlink()


def write_files(outputs: Mapping[Path, Content]) -> None:
    """Write all regular files or, should one fail, none; after them pipes, devices and the standard output.

    These are written to, not replaced. Errors name the file. Regular files have hidden names until all are complete.
    """
    targets = {file: behind_links(file) for file in outputs if not _is_open_end(file)}
    unfinished = {file: hidden_name(target) for file, target in targets.items()}
    folders: list[Path] = []
    try:
        for file, partial in unfinished.items():
            with naming_output(file):
                make_folder(partial.parent, folders)
                with partial.open("wb") as stream:
                    _write(stream, outputs[file])
        for file, partial in unfinished.items():
            with naming_output(file):
                partial.replace(targets[file])
    finally:
        for partial in unfinished.values():
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        remove_empty(folders)
    for file in [file for file in outputs if file not in targets]:
        # the standard output through a copy of descriptor 1, so that its position and append mode hold
        end = os.dup(1) if is_standard_output(file) else file
        with naming_output(file), io.BufferedWriter(_OpenEnd(end, "wb")) as stream:
            _write(stream, outputs[file])


def make_folder(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; add those that are not there yet, the highest first, to `made`."""
    made += [place for place in (*reversed(folder.parents), folder) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)


def remove_empty(made: list[Path]) -> None:
    """Remove those of the folders that `make_folder` has made into which nothing has come."""
    for folder in reversed(made):
        with suppress(OSError):  # it has something, or was never made
            folder.rmdir()
    made.clear()


class _OpenEnd(io.FileIO):
    """A pipe or a device. Zip must not ask where it is: /dev/null says that it is always at its beginning."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation("a pipe or a device has no places")


def is_standard_output(file: Path) -> bool:
    """Return whether a file, such as /dev/stdout, is what the standard output of this process goes to."""
    try:
        same = os.path.samestat(file.stat(), os.fstat(1))
        return same and (os.isatty(1) or not file.is_char_device())  # /dev/null is no output, whatever goes there
    except OSError:  # one of them is not there
        return False


def behind_links(file: Path) -> Path:
    """Return the path that a file has without symbolic links."""
    return Path(os.path.realpath(file))  # resolve() of Python before 3.13 raises a RuntimeError where links form a loop


def _is_open_end(file: Path) -> bool:
    return (file.exists() and not file.is_file()) or is_standard_output(file)


def hidden_name(target: Path) -> Path:
    """Return a new name, in the folder of a file, for what is not complete."""
    return target.with_name(f"{_HIDDEN}{os.getpid()}.{next(_number)}")


@contextmanager
def naming_output(file: Path) -> Iterator[None]:
    """Make errors of the system, such as that of a full disk, name the file that was to be written."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(file)) from None


def _write(stream: BinaryIO, content: Content) -> None:
    if callable(content):
        content(stream)
    else:
        stream.write(content)


def save_result(
    file: str | os.PathLike[str] | BinaryIO,
    kind: str,
    arrays: Mapping[str, Any],
    inputs: Mapping[str, Any],
    *,
    compress: bool = True,
) -> None:
    """Write arrays as an .npz archive, with its format and, as JSON, the inputs; what `load_result` reads.

    The file has the name given, whatever its suffix, and is written whole or not at all; a stream is written into.
    Equal results make equal bytes. `inputs` has "version", that of the package which computed the result.
    """
    described = {"format": f"mbfast {kind} {FORMAT}", "version": inputs.get("version", "unknown")}
    described["inputs"] = json.dumps(inputs, ensure_ascii=False)

    def write(stream: BinaryIO) -> None:
        (np.savez_compressed if compress else np.savez)(stream, **arrays, **described)

    if isinstance(file, str | os.PathLike) or not hasattr(file, "write"):
        write_files({path_of("file", file): write})
    else:
        write(file)


def path_of(name: str, value: object) -> Path:
    """Return a path, or raise a TypeError or a ValueError that says which argument is none."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {value!r}")
    path = Path(value)
    if "\0" in str(path):
        raise ValueError(f"{name} must be a path without a NUL, got {value!r}")
    return path


class LocatedError(ValueError):
    """A message that says where; of what it quotes from a file, the middle may be left out."""

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= 600 else f"{message[:400]} ... {message[-150:]}")


@contextmanager
def naming(file: object) -> Iterator[None]:
    """Make errors name the file that is read: that of a bad value is a ValueError whose message begins with it."""
    try:
        yield
    except LocatedError:
        raise
    except UnicodeDecodeError as error:
        raise LocatedError(f"{file}: not a UTF-8 text file ({error.reason} at byte {error.start})") from None
    except RecursionError:
        raise LocatedError(f"{file}: nested too deeply") from None
    except (ValueError, TypeError) as error:
        raise LocatedError(f"{file}: {error}") from None
    except OSError as error:  # that of reading has no name
        raise OSError(error.errno, error.strerror or str(error), error.filename or str(file)) from None


def load_result(path: object, kind: str, names: Collection[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the named arrays of a saved result, and its inputs.

    A ValueError if it is damaged, no result of this kind, incomplete, or of a later format than this version knows.
    """
    file = path_of("file", path)
    content = read_archive(file, {*names, "format", "version", "inputs"})
    label = str(content.get("format", "an archive without a format"))
    found = re.fullmatch(r"mbfast (\S+) (\d{1,9})", label)
    with naming(file):
        if found is None or found[1] != kind:
            raise ValueError(f"a saved {kind} of mbfast is wanted, got {label[:80]!r}")
        if int(found[2]) > FORMAT:
            writer = f"mbfast {content.get('version', 'of an unknown version')!s}"
            raise ValueError(f"written by {writer} in format {found[2]}, this one reads formats up to {FORMAT}")
        for name in (*names, "inputs"):
            if name not in content:
                raise ValueError(f"not a complete {kind}, {name} is missing")
        try:
            inputs = json.loads(str(content["inputs"]))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"its inputs are not JSON ({error})") from None
        if not isinstance(inputs, dict):
            raise ValueError(f"its inputs must be a JSON object, got {type(inputs).__name__}")
    return {name: content[name] for name in names}, inputs


def read_archive(file: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return the named arrays of an .npz file, those that are there; pickled objects are refused, not loaded."""
    with regular(file).open("rb") as stream:
        return unpacked(file, stream, names)


def unpacked(label: object, stream: IO[bytes], names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the named arrays of an archive, or all; an error that begins with a label if it is none, or too large."""
    try:
        with zipfile.ZipFile(stream) as archive:
            # a name may be there many times
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            wanted = {name: member for name, member in members.items() if names is None or name in names}
            require_memory(label, sum(member.file_size for member in wanted.values()))
            arrays = {}
            for name, member in wanted.items():
                with archive.open(member) as content:
                    arrays[name] = read_array(content)
            return arrays
    except LocatedError:
        raise
    except Exception as error:  # of any type: what zip, its decompressors and NumPy's headers met on their way
        raise LocatedError(f"{label}: not a NumPy archive of numbers ({error})") from None


def read_array(stream: IO[bytes]) -> NDArray[Any]:
    """Return an array as NumPy writes it; pickled objects are refused, not loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a header that Python 2 has written
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def regular(file: Path) -> Path:
    """Return a file; a ValueError if it is a pipe or a device, where nothing can be looked up."""
    if file.exists() and not (file.is_file() or file.is_dir()):  # of a folder the system says what it is
        raise LocatedError(f"{file}: a regular file is wanted, this is a pipe or a device")
    return file


def require_memory(label: object, size: float) -> None:
    """Raise a ValueError if there is no memory for so many bytes: what is packed can be a thousand times larger."""
    free = available_memory()
    if size > free:
        raise LocatedError(f"{label}: its arrays have {size / 1e9:.3g} GB, {free / 1e9:.3g} GB are available")
