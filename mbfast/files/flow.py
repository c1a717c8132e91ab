"""A run of the flow from a TOML file: what `mbfast flow` reads."""

from __future__ import annotations

import math
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbfast._core.archive import read_archive
from mbfast._core.validate import FloatArray
from mbfast.glasses import load_glasses
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.flow import Flow, flow
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.thermal import inverse_thermal_frequency

_NUMBER, _WHOLE, _TEXT, _FLAG = "a number", "a whole number", "a string", "true or false"

# section -> key -> (kind, default); ... where there is none
_SCHEMA: dict[str, dict[str, tuple[str, Any]]] = {
    "material": {"glass": (_TEXT, None), "density": (_NUMBER, None), "c_l": (_NUMBER, None), "c_t": (_NUMBER, None)},
    "spectrum": {
        "kind": (_TEXT, ...),
        "longitudinal": (_NUMBER, None),
        "transverse": (_NUMBER, None),
        "tunnelling_l": (_NUMBER, None),
        "tunnelling_t": (_NUMBER, None),
        "file": (_TEXT, None),
        "temperature": (_NUMBER, 0.0),
        "omega_min": (_NUMBER, 1e5),
        "omega_c": (_NUMBER, 1e15),
        "nodes": (_WHOLE, 512),
    },
    "flow": {
        "start": (_NUMBER, 5e-9),
        "stop": (_NUMBER, 1e-3),
        "n0": (_NUMBER, 2.0),
        "k_l": (_NUMBER, 1.0),
        "k_t": (_NUMBER, 1.0),
        "form": (_TEXT, "printed"),
        "linear": (_FLAG, False),
    },
    "output": {"data": (_TEXT, "flow.npz"), "figures": (_TEXT, None)},
}
# what each kind of spectrum takes
_KINDS = {
    "constant": ("longitudinal", "transverse"),
    "tunnelling": ("tunnelling_l", "tunnelling_t"),
    "file": ("file",),
}
_OF_NODES = ("omega_min", "omega_c", "nodes")


class _LocatedError(ValueError):
    """An error that says where."""


@dataclass(frozen=True)
class FlowConfig:
    """A checked file: what to run, and where its results go.

    Attributes
    ----------
    path : Path
        The file.
    text : str
        Its content.
    values : dict of dict
        Sections and keys, defaults filled in.
    """

    path: Path
    text: str
    values: dict[str, dict[str, Any]]

    @property
    def data(self) -> Path:
        """Where the arrays go; relative paths are relative to the file's folder."""
        return self.path.parent / str(self.values["output"]["data"])

    @property
    def figures(self) -> Path | None:
        """The folder of the figures, if any are wanted."""
        folder = self.values["output"]["figures"]
        return None if folder is None else self.path.parent / str(folder)

    def run(self, *, threads: int | None = None) -> Flow:
        """Run the flow.

        Raises
        ------
        ValueError
            If values do not make a flow: the message names file, line and key.
        """
        try:
            material = self._material()
            spectrum = self._spectrum(material)
            return flow(spectrum, material, **self.values["flow"], threads=threads)
        except _LocatedError:
            raise
        except (ValueError, TypeError) as error:
            word, where = str(error).partition(" ")[0], str(self.path)
            for section, keys in self.values.items():
                if word in keys or word == section:
                    where = _where(self.path, self.text, section, word if word in keys else None)
            raise _LocatedError(f"{where}: {error}") from None

    def _material(self) -> StressInteraction:
        given = self.values["material"]
        if given["glass"] is not None:
            try:
                (glass,) = load_glasses(names=[given["glass"]])
            except ValueError as error:
                raise _LocatedError(f"{_where(self.path, self.text, 'material', 'glass')}: {error}") from None
            density = glass.density if given["density"] is None else given["density"]
            if density is None:
                where = _where(self.path, self.text, "material", "density")
                raise _LocatedError(f"{where}: wanted, as that of {glass.name} is not known")
            return StressInteraction(density, glass.c_l, glass.c_t)
        return StressInteraction(given["density"], given["c_l"], given["c_t"])

    def _spectrum(self, material: StressInteraction) -> Spectrum:
        given = self.values["spectrum"]
        if given["kind"] == "file":
            file = self.path.parent / given["file"]
            omega, l, t = _samples(file)  # noqa: E741
            try:
                Spectrum(omega, l, t)
            except (ValueError, TypeError) as error:
                raise _LocatedError(f"{file}: {error}") from None
            return Spectrum(omega, l, t, given["temperature"])
        if not 0.0 < given["omega_min"] < given["omega_c"] < math.inf:
            raise ValueError(f"omega_min must be positive and below omega_c, got {given['omega_min']:g} rad/s")
        if not 2 <= given["nodes"] <= 100_000:
            raise ValueError(f"nodes must be from 2 to 100000, got {given['nodes']}")
        omega = np.geomspace(given["omega_min"], given["omega_c"], given["nodes"])
        if given["kind"] == "constant":
            samples = [np.full(omega.size, given[name]) for name in _KINDS["constant"]]
        else:  # Im chi = -pi C rho c^2 tanh(hbar omega/2 k_B T)
            with np.errstate(invalid="ignore"):
                x = omega * inverse_thermal_frequency(np.asarray(max(given["temperature"], 0.0)))
            shape = 1.0 / (1.0 + np.exp(-x))
            velocities = (material.c_l, material.c_t)
            samples = [
                -math.pi * given[name] * material.density * c**2 * shape
                for name, c in zip(_KINDS["tunnelling"], velocities, strict=True)
            ]
        return Spectrum(omega, samples[0], samples[1], given["temperature"])


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
        - flow: ``start`` (5e-9 m), ``stop`` (1e-3 m), ``n0`` (2), ``k_l`` and ``k_t`` (1), ``form`` ("printed" or
          "derived"), ``linear`` (false): see `flow`.
        - output: ``data`` ("flow.npz"), ``figures`` (a folder; none).

    Returns
    -------
    FlowConfig

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not TOML, a section or key is unknown or missing, or a value has the wrong type; the message names
        file, line and key.

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
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not a UTF-8 text file ({error.reason} at byte {error.start})") from None
    except ValueError as error:  # not TOML, or a number of too many digits
        raise ValueError(f"{file}: {error}") from None
    for section, content in document.items():
        if section not in _SCHEMA:
            raise ValueError(f"{_where(file, text, section)}: unknown; there are {', '.join(_SCHEMA)}")
        if not isinstance(content, dict):
            raise ValueError(f"{_where(file, text, section)}: a section [{section}] is wanted, got {content!r}")
        for key, value in content.items():
            if key not in _SCHEMA[section]:
                known = ", ".join(_SCHEMA[section])
                raise ValueError(f"{_where(file, text, section, key)}: unknown key; there are {known}")
            _check_kind(_where(file, text, section, key), _SCHEMA[section][key][0], value)
    values = {
        section: {key: document.get(section, {}).get(key, default) for key, (_, default) in keys.items()}
        for section, keys in _SCHEMA.items()
    }
    _check_choices(file, text, document, values)
    return FlowConfig(file, text, values)


def _check_kind(where: str, kind: str, value: Any) -> None:
    good = {
        _NUMBER: isinstance(value, (int, float)) and not isinstance(value, bool),
        _WHOLE: isinstance(value, int) and not isinstance(value, bool),
        _TEXT: isinstance(value, str),
        _FLAG: isinstance(value, bool),
    }
    if not good[kind]:
        raise ValueError(f"{where}: {kind} is wanted, got {value!r}")
    if kind == _NUMBER and not abs(value) <= 1e300:
        raise ValueError(
            f"{where}: a finite number is wanted, got {value if isinstance(value, float) else 'a huge one'}"
        )
    if kind == _TEXT and "\0" in value:
        raise ValueError(f"{where}: text without null characters is wanted, got {value!r}")


def _check_choices(file: Path, text: str, document: dict[str, Any], values: dict[str, dict[str, Any]]) -> None:
    """Check which keys are there."""
    material = values["material"]
    unwanted = ("c_l", "c_t") if material["glass"] is not None else ()
    wanted = () if material["glass"] is not None else ("density", "c_l", "c_t")
    _check_keys(file, text, "material", material, wanted, unwanted)
    given = values["spectrum"]
    if given["kind"] is ...:
        raise ValueError(f"{_where(file, text, 'spectrum', 'kind')}: wanted, one of {', '.join(_KINDS)}")
    if given["kind"] not in _KINDS:
        where = _where(file, text, "spectrum", "kind")
        raise ValueError(f"{where}: one of {', '.join(_KINDS)} is wanted, got {given['kind']!r}")
    others = [key for kind, keys in _KINDS.items() if kind != given["kind"] for key in keys]
    if given["kind"] == "file":
        others += [key for key in _OF_NODES if key in document["spectrum"]]
    _check_keys(file, text, "spectrum", given, _KINDS[given["kind"]], tuple(others))


def _check_keys(
    file: Path, text: str, section: str, given: dict[str, Any], wanted: tuple[str, ...], unwanted: tuple[str, ...]
) -> None:
    for key in wanted:
        if given[key] is None:
            raise ValueError(f"{_where(file, text, section, key)}: wanted, beside {', '.join(wanted)}")
    for key in unwanted:
        if given[key] is not None:
            raise ValueError(f"{_where(file, text, section, key)}: not wanted here, beside the other keys")


def _where(file: Path, text: str, section: str, key: str | None = None) -> str:
    """Return file, line (of the key, of its section where it is missing) and key for a message."""
    found, current = None, ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
        if header:
            current = header[1]
            if current == section and found is None:
                found = number
        entry = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
        full = ".".join(filter(None, (current, entry[1]))) if entry else ""
        if full == (f"{section}.{key}" if key else section):
            found = number
            break
    name = f"{section}.{key}" if key else section
    return f"{file}: {name}" if found is None else f"{file}: line {found}: {name}"


def _samples(file: Path) -> list[FloatArray]:
    """Return omega, Im chi~_l and Im chi~_t of a file."""
    names = ("omega", "longitudinal", "transverse")
    if file.suffix.lower() == ".npz":
        try:
            content = read_archive(file, names)
        except ValueError as error:
            raise _LocatedError(str(error)) from None
    elif file.suffix.lower() == ".csv":
        try:
            header, *lines = file.read_text(encoding="utf-8-sig").splitlines() or [""]
        except UnicodeDecodeError as error:
            raise _LocatedError(f"{file}: not a UTF-8 text file ({error.reason} at byte {error.start})") from None
        columns = [cell.strip() for cell in header.split(",")]
        try:
            table = np.array([[float(cell) for cell in line.split(",")] for line in lines if line.strip()])
            content = dict(zip(columns, table.reshape(-1, len(columns)).T, strict=True))
        except ValueError as error:
            raise _LocatedError(
                f"{file}: rows of {len(columns)} numbers are wanted below the header ({error})"
            ) from None
    else:
        raise _LocatedError(f"{file}: an .npz or .csv file is wanted")
    for name in names:
        if name not in content:
            raise _LocatedError(f"{file}: {name} is missing; wanted are {', '.join(names)}")
        if content[name].ndim != 1:
            raise _LocatedError(f"{file}: {name} must have shape (n,), got {content[name].shape}")
    return [content[name] for name in names]
