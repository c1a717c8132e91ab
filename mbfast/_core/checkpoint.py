"""Checkpoints: finished parts of a long calculation, in one file that outlives a killed process."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import pickle
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

import mbfast
from mbfast._core.archive import path_of, regular, unpacked
from mbfast._core.validate import plain_array

_FORMAT = "mbfast checkpoint 1"
_log = logging.getLogger("mbfast")

command_line: ContextVar[Mapping[str, Any] | None] = ContextVar("command_line", default=None)
"""What ``mbfast resume`` must run: arguments of the command line and the folder they belong to, if there are any."""


class Checkpoint:
    """Finished parts of a calculation, kept in a file, so that it can go on where it was killed.

    Functions that take ``checkpoint=PATH`` make one themselves; this class is for loops of your own, such as a Monte
    Carlo simulation.

    Parameters
    ----------
    file : str or path-like
        Where it is kept: an SQLite database, made if there is none.
    inputs : mapping
        All that the results depend on, by name: numbers, texts, arrays, generators of random numbers, dataclasses, and
        what pickle takes. Of arrays a digest is kept.
    kind : str
        What is calculated, for messages.

    Attributes
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If the file cannot be read or written.
    TypeError
        If `file` is no path, `inputs` is no mapping of names or has a value that cannot be told from others, or `kind`
        is no text.
    ValueError
        If `inputs` contains itself; if the file is damaged, no checkpoint, in use by another process, of another kind
        or version of mbfast, or was made with other inputs: the message names the first that differs.

    Notes
    -----
    A part is written whole or not at all, whenever the process is killed. It carries a digest of 128 bits: a part that
    was damaged is forgotten, with a warning of the logger ``mbfast``. On another processor a calculation goes on, with
    a warning too, since its last bits may differ there. Parts may be read and written by several threads.

    Examples
    --------
    A random walk whose state is kept after each step; the second call goes on where the first one ended:

    >>> import json, mbfast, numpy as np, pathlib, tempfile
    >>> def walk(file, steps):
    ...     rng, place, done = np.random.default_rng(1), np.zeros(2), 0
    ...     with mbfast.Checkpoint(file, {"seed": 1}, kind="walk") as kept:
    ...         if (state := kept.get("state")) is not None:
    ...             place, done = state["place"], int(state["done"])
    ...             rng.bit_generator.state = json.loads(str(state["rng"]))
    ...         for step in range(done, steps):
    ...             place = place + rng.normal(size=2)
    ...             kept.put("state", place=place, done=step + 1, rng=json.dumps(rng.bit_generator.state))
    ...     return place
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     half = walk(pathlib.Path(folder, "one"), 5)
    ...     whole, at_once = walk(pathlib.Path(folder, "one"), 10), walk(pathlib.Path(folder, "two"), 10)
    ...     kept = mbfast.Checkpoint(pathlib.Path(folder, "two"), {"seed": 1}, kind="walk")
    ...     print(kept.names(), bool((whole == at_once).all()))
    ...     kept.close()
    {'state'} True
    """

    def __init__(self, file: str | os.PathLike[str], inputs: Mapping[str, Any], *, kind: str = "calculation") -> None:
        if not isinstance(inputs, Mapping) or not all(isinstance(name, str) for name in inputs):
            raise TypeError(f"inputs must be a mapping of names to values, got {inputs!r:.80}")
        self.path = path_of("file", file)
        if not isinstance(kind, str):
            raise TypeError(f"kind must be a text, got {kind!r:.80}")
        wanted = {name: _input(name, value) for name, value in inputs.items()}
        self._lock, self._process = threading.Lock(), os.getpid()
        if self.path.is_dir():
            raise ValueError(f"{self.path}: a file is wanted for a checkpoint, this is a folder")
        new = not self.path.exists()
        try:
            place = self.path.absolute()  # ":memory:" alone is no file to SQLite
            self._database = sqlite3.connect(place, timeout=0.0, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: cannot be opened for a checkpoint ({error})") from None
        try:
            with _errors_of(self.path):
                self._open(kind, wanted)
        except BaseException as error:
            self._database.close()
            # a disk that is full leaves an empty file; one that is in use is empty, too, until its first part is kept
            if new and isinstance(error, OSError) and self.path.exists() and not self.path.stat().st_size:
                self.path.unlink()
            raise

    def _open(self, kind: str, wanted: dict[str, Any]) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode=EXCLUSIVE")
        run("BEGIN EXCLUSIVE")  # an error if another process has the file; the lock stays until it is closed
        if not run("SELECT name FROM sqlite_master").fetchall():
            run("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT, digest BLOB)")
            run("CREATE TABLE part (name TEXT PRIMARY KEY, content BLOB, digest BLOB)")
            new: dict[str, Any] = {
                "format": _FORMAT,
                "kind": kind,
                "version": mbfast.__version__,
                "processor": processor(),
            }
            new |= {"inputs": wanted, "command": command_line.get()}
            texts = {name: json.dumps(value) for name, value in new.items()}
            rows = [(name, text, _digest(name, text.encode())) for name, text in texts.items()]
            self._database.executemany("INSERT INTO about VALUES (?, ?, ?)", rows)
        run("COMMIT")
        about = _about(self._database)
        if about.get("format") != _FORMAT:
            raise ValueError(
                f"{self.path}: no checkpoint that this version reads, its format is {about.get('format')!r}"
            )
        for name, now in (("kind", kind), ("version", mbfast.__version__)):
            if about[name] != now:
                raise ValueError(f"{self.path}: a checkpoint of another {name}, {about[name]!r}, this is {now!r}")
        before = about["inputs"]
        for name in {**before, **wanted}:
            if json.dumps(before.get(name)) != json.dumps(wanted.get(name)):  # as texts, in which NaN are equal
                was, this = (str(some.get(name, "not given")) for some in (before, wanted))
                raise ValueError(
                    f"{self.path}: a checkpoint of other inputs: {name} was {was:.200}, now it is {this:.200}"
                )
        if about["processor"] != processor():
            _log.warning(
                "%s was begun on %s, the last bits may differ on this processor", self.path, about["processor"]
            )

    def put(self, part: str | int, **arrays: ArrayLike) -> None:
        """Keep arrays as a part, in place of what it was.

        Parameters
        ----------
        part : str or int
            Its name.
        **arrays : array_like
            What is kept: arrays, numbers or texts, by names.

        Raises
        ------
        OSError
            If the disk is full, or the file cannot be written.
        TypeError
            If `part` is no name, or one of `arrays` has units, a mask or a gradient.
        ValueError
            If one of `arrays` consists of objects, is ragged, or is a text that ends with a NUL, which NumPy drops; if
            the part has more than 1e9 bytes; if the file was damaged, or the checkpoint is closed.
        """
        name, stream = _name(part), io.BytesIO()
        content = {f"_{key}": storable(key, value) for key, value in arrays.items()}  # names that savez has not
        np.savez(stream, allow_pickle=False, **content)
        row = name, stream.getvalue(), _digest(name, stream.getbuffer())
        with self._used():
            self._database.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?)", row)

    def get(self, part: str | int) -> dict[str, NDArray[Any]] | None:
        """Arrays of a part, by their names.

        Parameters
        ----------
        part : str or int
            Its name.

        Returns
        -------
        dict or None
            None if the part is not there or was damaged.

        Raises
        ------
        TypeError
            If `part` is no name.
        ValueError
            If the file was damaged, a part was written by another program, or the checkpoint is closed.
        """
        name = _name(part)
        with self._used():
            row = self._database.execute("SELECT content, digest FROM part WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        if not isinstance(row[0], bytes) or row[1] != _digest(name, row[0]):
            _log.warning("%s: part %s was damaged, it is computed again", self.path, name)
            return None
        arrays = unpacked(f"{self.path}: part {name}", io.BytesIO(row[0]))  # another program may have written it
        return {key.removeprefix("_"): array for key, array in arrays.items()}

    def names(self) -> set[str]:
        """Return the names of all parts; a ValueError if the file was damaged, or the checkpoint is closed."""
        with self._used():
            return {name for (name,) in self._database.execute("SELECT name FROM part").fetchall()}

    def close(self) -> None:
        """Let go of the file; parts are in it already."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _used(self) -> Iterator[None]:
        if os.getpid() != self._process:  # SQLite's locks are those of the process that has opened the file
            raise ValueError(f"{self.path}: the checkpoint belongs to the process that opened it, not to its forks")
        with self._lock, _errors_of(self.path):
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def command_of(file: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `command_line` that has made a checkpoint; an OSError or a ValueError if there is none."""
    path = path_of("file", file)
    # names what is not there; the database is to be written, for a process that was killed while it wrote
    regular(path).open("rb").close()
    with (
        _errors_of(path),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=0.0, uri=True)) as database,
    ):
        found = _about(database).get("command")
    if not (isinstance(found, dict) and isinstance(found.get("arguments"), list)) or not all(
        map(_is_word, [*found["arguments"], found.get("folder")])
    ):
        raise ValueError(f"{path}: not made by a command: make the same call again, with this file as its checkpoint")
    return found


def _is_word(text: object) -> bool:
    return isinstance(text, str) and "\0" not in text


def _about(database: sqlite3.Connection) -> dict[str, Any]:
    database.execute("PRAGMA trusted_schema=OFF")
    if not {kind for (kind,) in database.execute("SELECT type FROM sqlite_master")} <= {"table", "index"}:
        raise sqlite3.DatabaseError("it has views or triggers")  # which may take for ever
    rows = database.execute("SELECT name, value, digest FROM about").fetchall()
    if not rows or any(digest != _digest(name, value.encode()) for name, value, digest in rows):
        raise sqlite3.DatabaseError("its description has another digest")
    return {name: json.loads(value) for name, value, _ in rows}


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Say what has happened to the file in place of SQLite's words."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise ValueError(f"{path}: the checkpoint is closed ({error})") from None
    except (sqlite3.DataError, OverflowError) as error:
        raise ValueError(f"{path}: a part must be smaller than 1 GB ({error})") from None
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise ValueError(f"{path}: the checkpoint is in use by another run") from None
        if name.startswith("SQLITE_NOTADB"):
            raise ValueError(f"{path}: no checkpoint of mbfast") from None
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
            raise OSError(f"{path}: the checkpoint cannot be written ({error})") from None
        raise ValueError(f"{path}: a damaged checkpoint, or none of mbfast ({error})") from None
    except (KeyError, TypeError, AttributeError, UnicodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: a damaged checkpoint ({error})") from None


def _name(part: object) -> str:
    if not isinstance(part, str | int) or isinstance(part, bool):
        raise TypeError(f"part must be a name or a whole number, got {part!r:.80}")
    name = str(part)
    if not name.isprintable():  # nor has UTF-8 all that a str may hold
        raise ValueError(f"part must be a name of printable letters, got {part!r:.80}")
    return name


def storable(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return an array of numbers or texts that is all of `value`; an error that names it if there is none."""
    array = plain_array(name, value)
    if array.dtype.hasobject:
        raise ValueError(f"{name} must be numbers, texts or an array of these, got {value!r:.80}")
    if isinstance(value, str | bytes) and len(value) != len(array[()]):
        raise ValueError(f"{name} must not end with a NUL, which NumPy drops, got {value!r:.80}")
    return array


def _input(name: str, value: object) -> Any:
    try:
        return described(value)
    except RecursionError:
        raise ValueError(f"inputs must not contain themselves, {name} does or is nested too deeply") from None
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise TypeError(f"inputs must be numbers, texts, arrays or what pickle takes, {name} is not: {error}") from None


def described(value: object) -> Any:
    """Return a value as JSON has it: arrays as digests with shape and type, objects by their fields or their pickle."""
    if isinstance(value, int) and abs(value) >> 64:
        return hex(value)  # Python limits the digits of decimal numbers
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        plain = value.item()
        return repr(plain) if isinstance(plain, complex | np.generic) else described(plain)  # a longdouble is its own
    if type(value) in {np.ndarray, np.memmap}:
        return _described_array(np.asarray(value))
    if isinstance(value, Mapping):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [described(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((described(item) for item in value), key=json.dumps)
    if isinstance(value, np.random.Generator):
        return described(value.bit_generator.state)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"type": type(value).__qualname__, **{name: described(item) for name, item in fields.items()}}
    if isinstance(value, complex | bytes | PurePath | range | type):
        return repr(value)
    return f"{type(value).__qualname__} {_digest('pickle', pickle.dumps(value, protocol=5)).hex()}"


def _described_array(array: NDArray[Any]) -> Any:
    if array.dtype.hasobject:
        return [described(item) for item in array.ravel().tolist()]
    plain = np.ascontiguousarray(array)
    if plain.size <= 3:
        return f"{plain.tolist()}"
    return f"{plain.dtype.str} {plain.shape} {_digest('array', plain.reshape(-1).view(np.uint8)).hex()}"


def _digest(name: str, content: Any) -> bytes:
    digest = hashlib.blake2b(f"{len(name)} {name} ".encode(), digest_size=16)
    digest.update(content)
    return digest.digest()


def processor() -> str:
    """Return the name of the processor that kernels are compiled for."""
    from mbfast._core import numba_private  # noqa: PLC0415  as numba takes long to import

    return numba_private.processor()[0]
