"""A run of the flow from a TOML file: what `mbfast flow` reads."""

import dataclasses
import inspect
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.archive import naming, read_archive
from mbfast._core.tables import Table, bounded
from mbfast.files.config import MATERIAL, Config, Source, check_kind, read_material, read_sections
from mbfast.pairs.interactions import StressInteraction
from mbfast.renormalization.flow import Flow, flow
from mbfast.spectra.spectrum import Spectrum
from mbfast.spectra.thermal import check_temperature, inverse_thermal_frequency

_DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(flow).parameters.items()}

# section -> key -> its default or, where there is none, its type
_SCHEMA: dict[str, dict[str, Any]] = {
    "material": MATERIAL,
    "spectrum": {"kind": str, "file": str, "temperature": 0.0, "omega_min": 1e5, "omega_c": 1e15, "nodes": 512}
    | dict.fromkeys(("longitudinal", "transverse", "tunnelling_l", "tunnelling_t"), float),
    "flow": {name: _DEFAULTS[name] for name in ("start", "stop", "n0", "k_l", "k_t", "form", "linear")},
    "output": {"data": "flow.npz", "figures": str},
}
_NODES = ("omega_min", "omega_c", "nodes")
# what each kind of spectrum takes, and may take
_KINDS = {
    "constant": (("longitudinal", "transverse"), _NODES),
    "tunnelling": (("tunnelling_l", "tunnelling_t"), _NODES),
    "file": (("file",), ()),
}


@dataclass(frozen=True, eq=False)
class FlowConfig(Config):
    """A checked file, its `path` and `text`: what to run, and where its results go.

    `values` are its sections and keys, defaults filled in; `interaction` and `spectrum` are what `flow` takes.
    """

    interaction: StressInteraction
    spectrum: Spectrum

    def run(self, *, checkpoint: str | os.PathLike[str] | None = None) -> Flow:
        """Run the flow, whose `inputs` then have the text as "config"; a ValueError names file, line and key."""
        with Source(self.path, self.text, _SCHEMA).locating():
            run = flow(self.spectrum, self.interaction, **self.values["flow"], checkpoint=checkpoint)
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
    source, values, document = read_sections(path, _SCHEMA)
    interaction = read_material(source, values["material"])
    with source.locating():
        check_kind(source, "spectrum", document.get("spectrum", {}), _KINDS)
        spectrum = _spectrum(source, values["spectrum"], interaction)
    return FlowConfig(source.path, source.text, values, interaction, spectrum)


def _spectrum(source: Source, given: Mapping[str, Any], material: StressInteraction) -> Spectrum:
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
        samples = [np.full(omega.size, given[name]) for name in _KINDS["constant"][0]]
    else:  # Im chi = -pi C rho c^2 tanh(hbar omega/2 k_B T)
        shape = 1.0 / (1.0 + np.exp(-omega * inverse_thermal_frequency(kelvin)))
        strengths = zip(_KINDS["tunnelling"][0], (material.c_l, material.c_t), strict=True)
        samples = [-math.pi * given[name] * material.density * c**2 * shape for name, c in strengths]
    return Spectrum(omega, samples[0], samples[1], kelvin)


def _samples(file: Path) -> list[NDArray[Any]]:
    """Return omega, Im chi~_l and Im chi~_t of a file."""
    names = ("omega", "longitudinal", "transverse")
    if file.suffix.lower() == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = Table(bounded(lines))
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
