"""A run of the flow from a TOML file: what `mbfast flow` reads."""

import dataclasses
import inspect
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.archive import LocatedError, naming, path_of, read_archive
from mbfast._core.tables import Table
from mbfast.glasses import MediumError, medium
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.flow import Flow, flow
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.thermal import check_temperature, inverse_thermal_frequency

_WORDS = {float: "a number", int: "a whole number", str: "a string", bool: "true or false"}
_DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(flow).parameters.items()}

# section -> key -> its default or, where there is none, its type
_SCHEMA: dict[str, dict[str, Any]] = {
    "material": {"glass": str, "density": float, "c_l": float, "c_t": float},
    "spectrum": {"kind": str, "file": str, "temperature": 0.0, "omega_min": 1e5, "omega_c": 1e15, "nodes": 512}
    | dict.fromkeys(("longitudinal", "transverse", "tunnelling_l", "tunnelling_t"), float),
    "flow": {name: _DEFAULTS[name] for name in ("start", "stop", "n0", "k_l", "k_t", "form", "linear")},
    "output": {"data": "flow.npz", "figures": str},
}
# what each kind of spectrum takes
_KINDS = {"constant": ("longitudinal", "transverse"), "tunnelling": ("tunnelling_l", "tunnelling_t"), "file": ("file",)}


@dataclass(frozen=True)
class _Source:
    """A file and its text, for messages that name file, line and key."""

    path: Path
    text: str

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
            for name, keys in _SCHEMA.items() if section is None else ():
                if word in keys or word == name:
                    section, key = name, word if word in keys else None
            if section is None:
                raise LocatedError(f"{self.path}: {error}") from None
            raise self.error(section, key, str(error)) from None


@dataclass(frozen=True, eq=False)
class FlowConfig:
    """A checked file, its `path` and `text`: what to run, and where its results go.

    `values` are its sections and keys, defaults filled in; `interaction` and `spectrum` are what `flow` takes.
    """

    path: Path
    text: str
    values: dict[str, dict[str, Any]]
    interaction: StressInteraction
    spectrum: Spectrum

    @property
    def data(self) -> Path:
        """Where the arrays go; relative paths are relative to the file's folder."""
        return self.path.parent / str(self.values["output"]["data"])

    @property
    def figures(self) -> Path | None:
        """The folder of the figures, if any are wanted."""
        folder = self.values["output"]["figures"]
        return None if folder is None else self.path.parent / str(folder)

    def run(self) -> Flow:
        """Run the flow, whose `inputs` then have the text as "config"; a ValueError names file, line and key."""
        with _Source(self.path, self.text).locating():
            run = flow(self.spectrum, self.interaction, **self.values["flow"])
        return dataclasses.replace(run, inputs={**run.inputs, "config": self.text})


def read_flow_config(path: str | os.PathLike[str]) -> FlowConfig:
    r"""Read and check a TOML file that describes a flow.

    Parameters
    ----------
    path : str or path-like
        The file. Sections and keys, with defaults:

        - material: ``glass`` (a name of `load_glasses`), or ``density`` (kg/m^3), ``c_l``, ``c_t`` (m/s); ``density``
          also where that of a glass is not known.
        - spectrum: ``kind``, one of "constant" (with ``longitudinal``, ``transverse``: Im chi~, Pa), "tunnelling" (with
          ``tunnelling_l``, ``tunnelling_t``: C = P gamma^2/(rho c^2)), "file" (with ``file``: an .npz of omega,
          longitudinal and transverse, or a .csv with that header); ``temperature`` (0 K); ``omega_min`` (1e5 rad/s),
          ``omega_c`` (1e15 rad/s) and ``nodes`` (512), for all kinds but "file".
        - flow: ``start``, ``stop``, ``n0``, ``k_l``, ``k_t``, ``form`` and ``linear``, with the defaults of `flow`.
        - output: ``data`` ("flow.npz"), ``figures`` (a folder; none).

    Returns
    -------
    FlowConfig

    Raises
    ------
    OSError
        If the file cannot be read, or the one that its spectrum is in.
    TypeError
        If `path` is no path.
    ValueError
        If it is not TOML, a section or key is unknown or missing, a value has the wrong type, or the values make no
        material or no spectrum; the message names file, line and key.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from mbfast.files.flow import read_flow_config
    >>> text = '[material]\nglass = "BK7"\n[spectrum]\nkind = "tunnelling"\ntunnelling_l = 3e-4\ntunnelling_t = 3e-4\n'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "run.toml"
    ...     _ = file.write_text(text)
    ...     run = read_flow_config(file).run()
    >>> print(run.status, run.scales.size)
    done 19
    """
    file = path_of("path", path)
    with naming(file):  # not TOML, or a number of too many digits
        text = file.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    source = _Source(file, text)
    for section, content in document.items():
        if section not in _SCHEMA:
            raise source.error(section, None, f"unknown; there are {', '.join(_SCHEMA)}")
        if not isinstance(content, dict):
            raise source.error(section, None, f"a section [{section}] is wanted, got {content!r}")
        for key, value in content.items():
            if key not in _SCHEMA[section]:
                raise source.error(section, key, f"unknown key; there are {', '.join(_SCHEMA[section])}")
            with source.locating(section, key):
                _check(_SCHEMA[section][key], value)
    values = {
        section: {key: None if isinstance(known, type) else known for key, known in keys.items()}
        | document.get(section, {})
        for section, keys in _SCHEMA.items()
    }
    try:
        constants = medium(**values["material"])
    except MediumError as error:
        raise source.error("material", error.argument, str(error)) from None
    with source.locating():
        interaction = StressInteraction(*constants)
        _check_keys(source, document.get("spectrum", {}))
        return FlowConfig(file, text, values, interaction, _spectrum(source, values["spectrum"], interaction))


def _check(known: Any, value: Any) -> None:
    """Check the type of a value by the default of its key, or by the type that stands for it."""
    kind: Any = known if isinstance(known, type) else type(known)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise ValueError(f"{_WORDS[kind]} is wanted, got {value!r}")
    if kind is float and not abs(value) <= 1e300:
        raise ValueError(f"a finite number is wanted, got {value if isinstance(value, float) else 'a huge one'}")
    if kind is str and "\0" in str(value):
        raise ValueError(f"text without null characters is wanted, got {value!r}")


def _check_keys(source: _Source, given: Mapping[str, Any]) -> None:
    """Check that the keys of the section spectrum are those that its kind takes."""
    if given.get("kind") not in _KINDS:
        got = f", got {given['kind']!r}" if "kind" in given else ""
        raise source.error("spectrum", "kind", f"one of {', '.join(_KINDS)} is wanted{got}")
    wanted = _KINDS[given["kind"]]
    for key in wanted:
        if key not in given:
            raise source.error("spectrum", key, f"wanted, beside {', '.join(wanted)}")
    of_nodes = () if given["kind"] == "file" else ("omega_min", "omega_c", "nodes")
    for key in given:
        if key not in ("kind", "temperature", *wanted, *of_nodes):
            raise source.error("spectrum", key, f"not wanted here, beside kind = {given['kind']!r}")


def _spectrum(source: _Source, given: Mapping[str, Any], material: StressInteraction) -> Spectrum:
    kelvin = check_temperature(given["temperature"])
    if given["kind"] == "file":
        file = source.path.parent / given["file"]
        with source.locating("spectrum", "file"), naming(file):
            omega, l, t = _samples(file)  # noqa: E741
            return Spectrum(omega, l, t, kelvin)
    if not 0.0 < given["omega_min"] < given["omega_c"] < math.inf:
        raise ValueError(f"omega_min must be positive and below omega_c, got {given['omega_min']:g} rad/s")
    if not 2 <= given["nodes"] <= 100_000:
        raise ValueError(f"nodes must be from 2 to 100000, got {given['nodes']}")
    omega = np.geomspace(given["omega_min"], given["omega_c"], given["nodes"])
    if given["kind"] == "constant":
        samples = [np.full(omega.size, given[name]) for name in _KINDS["constant"]]
    else:  # Im chi = -pi C rho c^2 tanh(hbar omega/2 k_B T)
        shape = 1.0 / (1.0 + np.exp(-omega * inverse_thermal_frequency(kelvin)))
        strengths = zip(_KINDS["tunnelling"], (material.c_l, material.c_t), strict=True)
        samples = [-math.pi * given[name] * material.density * c**2 * shape for name, c in strengths]
    return Spectrum(omega, samples[0], samples[1], kelvin)


def _samples(file: Path) -> list[NDArray[Any]]:
    """Return omega, Im chi~_l and Im chi~_t of a file."""
    names = ("omega", "longitudinal", "transverse")
    if file.suffix.lower() == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = Table(lines)
            table.require(names, ", ".join(names), others=None)
            return list(table.numbers(names).T)
    if file.suffix.lower() != ".npz":
        raise ValueError("an .npz or .csv file is wanted")
    content = read_archive(file, names)
    for name in names:
        if name not in content:
            raise ValueError(f"{name} is missing; wanted are {', '.join(names)}")
        if content[name].ndim != 1:
            raise ValueError(f"{name} must have shape (n,), got {content[name].shape}")
    return [content[name] for name in names]
