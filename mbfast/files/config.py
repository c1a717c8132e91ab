"""Files of settings in TOML: what is wrong in one is said with file, line and key."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mbfast._core.archive import LocatedError, naming, path_of
from mbfast.glasses import MediumError, medium
from mbfast.pairs.interactions import StressInteraction

_LONGEST = 1 << 15  # characters; the time that a parser takes can grow with their square
_WORDS = {float: "a number", int: "a whole number", str: "a string", bool: "true or false", list: "a list"}

Schema: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Section -> key -> its default or, where there is none, its type; that of a list says what the list consists of."""

MATERIAL = {"glass": str, "density": float, "c_l": float, "c_t": float}
"""Keys of the section material."""

Values: TypeAlias = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Source:
    """A file, its text, and what may stand in it, for messages that name file, line and key."""

    path: Path
    text: str
    schema: Schema

    def error(self, section: str, key: str | None, message: str) -> ValueError:
        """Return an error at a key; its line is that of the key or, where it is missing, of its section."""
        lines: dict[str, int] = {}
        current = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
            entry = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
            current = header[1] if header else current
            if header or entry:
                lines.setdefault(".".join(filter(None, (current, entry[1] if entry else ""))), number)
        name = f"{section}.{key}" if key else section
        found = lines.get(name, lines.get(section))
        place = name if found is None else f"line {found}: {name}"
        return LocatedError(f"{self.path}: {place}: {message}")

    @contextmanager
    def locating(self, section: str | None = None, key: str | None = None) -> Iterator[None]:
        """Add the place to messages of errors: that of the key given, or of the key that a message begins with."""
        try:
            yield
        except (ValueError, TypeError) as error:
            if section is None and isinstance(error, LocatedError):
                raise
            word = str(error).partition(" ")[0]
            for name, keys in self.schema.items() if section is None else ():
                if word in keys or word == name:
                    section, key = name, word if word in keys else None
            if section is None:
                raise LocatedError(f"{self.path}: {error}") from None
            raise self.error(section, key, str(error)) from None


@dataclass(frozen=True, eq=False)
class Config:
    """A checked file, its `path` and `text`; `values` are its sections and keys, defaults filled in."""

    path: Path
    text: str
    values: Values

    @property
    def data(self) -> Path:
        """Where the arrays go; relative paths are relative to the file's folder."""
        return self.path.parent / str(self.values["output"]["data"])

    @property
    def figures(self) -> Path | None:
        """The folder of the figures, if any are wanted."""
        folder = self.values["output"]["figures"]
        return None if folder is None else self.path.parent / str(folder)


def read_sections(path: str | os.PathLike[str], schema: Schema) -> tuple[Source, Values, dict[str, Any]]:
    """Return a file, its sections with defaults filled in (None where there are none), and as they are given."""
    file = path_of("path", path)
    with naming(file):  # not TOML, or a number of too many digits
        with file.open(encoding="utf-8-sig") as stream:
            text = stream.read(_LONGEST + 1)  # a device may have no end
        if len(text) > _LONGEST:
            raise ValueError(f"a file of settings is wanted, got more than {_LONGEST} characters")
        document = tomllib.loads(text)
    source = Source(file, text, schema)
    for section, content in document.items():
        if section not in schema:
            raise source.error(section, None, f"unknown; there are {', '.join(schema)}")
        if not isinstance(content, dict):
            raise source.error(section, None, f"a section [{section}] is wanted, got {content!r}")
        for key, value in content.items():
            if key not in schema[section]:
                raise source.error(section, key, f"unknown key; there are {', '.join(schema[section])}")
            with source.locating(section, key):
                _check(schema[section][key], value)
    values = {
        section: {key: None if isinstance(known, type) else known for key, known in keys.items()}
        | document.get(section, {})
        for section, keys in schema.items()
    }
    return source, values, document


def read_material(source: Source, given: Mapping[str, Any]) -> StressInteraction:
    """Return the interaction in the medium of the section material."""
    try:
        constants = medium(**given)
    except MediumError as error:
        raise source.error("material", error.argument, str(error)) from None
    with source.locating():
        return StressInteraction(*constants)


def _check(known: Any, value: Any) -> None:
    """Check the type of a value by the default of its key, or by the type that stands for it."""
    kind: Any = known if isinstance(known, type) else type(known)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise ValueError(f"{_WORDS[kind]} is wanted, got {value!r}")
    if kind is list:
        for element in value:  # type: ignore[union-attr]
            _check(type(known[0]), element)
    if kind is float and not abs(value) <= 1e300:
        raise ValueError(f"a finite number is wanted, got {value if isinstance(value, float) else 'a huge one'}")
    if kind is str and "\0" in str(value):
        raise ValueError(f"text without null characters is wanted, got {value!r}")


def check_kind(
    source: Source, section: str, given: Mapping[str, Any], kinds: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    """Check the keys of a section by its `kind`: what each kind wants, and what it may have that others may not."""
    if given.get("kind") not in kinds:
        got = f", got {given['kind']!r}" if "kind" in given else ""
        raise source.error(section, "kind", f"one of {', '.join(kinds)} is wanted{got}")
    wanted, optional = kinds[given["kind"]]
    for key in wanted:
        if key not in given:
            raise source.error(section, key, f"wanted, beside {', '.join(wanted)}")
    others = {key for of_kind in kinds.values() for keys in of_kind for key in keys}.difference(wanted, optional)
    for key in given:
        if key in others:
            raise source.error(section, key, f"not wanted here, beside kind = {given['kind']!r}")
