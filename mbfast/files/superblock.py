"""Ensembles of super blocks from a TOML file: what `mbfast superblock` reads."""

import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mbfast._core.tiles import Progress
from mbfast._core.validate import positive_number, wave_vector
from mbfast.files.config import MATERIAL, Config, Source, check_kind, read_material, read_sections
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import StressInteraction
from mbfast.superblock import ensembles
from mbfast.superblock.block import Block
from mbfast.superblock.hamiltonian import SuperBlock
from mbfast.superblock.orders import COUPLINGS, Draw, check_couplings, check_members, measure_orders
from mbfast.superblock.remainders import Orders

# far above what diagonalisation and a file can take
_MOST_BITS = 14  # the logarithm of the number of states
_MOST = 1 << 14  # frequencies
_SHAPE = re.compile("([1-9][0-9]?)x([1-9][0-9]?)x([1-9][0-9]?)")

# section -> key -> its default or, where there is none, its type
_SCHEMA: dict[str, dict[str, Any]] = {
    "material": MATERIAL,
    "blocks": {"kind": str, "shapes": ["2x1x1", "2x2x1", "2x2x2"], "spacing": 5e-9, "size": float, "x": 0.0}
    | {"max_splitting": float, "min_tunnelling": float, "n_levels": int, "spread": float, "ensemble": "GOE"},
    "response": {"temperature": 0.1, "omega_min": 0.0, "omega_max": float, "frequencies": 16, "broadening": float}
    | {"wavevector": [0.0, 0.0, 0.0]},
    "sampling": {"members": 100, "seed": 1, "couplings": list(COUPLINGS)},
    "output": {"data": "superblock.npz", "figures": str},
}
# what each kind of block takes, and may take
_KINDS = {
    "two-level": (("size", "max_splitting", "min_tunnelling"), ()),
    "gaussian": (("size", "n_levels", "spread"), ("ensemble",)),
}


@dataclass(frozen=True, eq=False)
class SuperBlockConfig(Config):
    """A checked file, its `path` and `text`: what to measure, and where the results go.

    `values` are its sections and keys, defaults filled in; `draws` is what draws super blocks, by their shapes.
    """

    draws: dict[str, Draw]
    omega: NDArray[np.complex128]

    def run(
        self, *, progress: Progress = False, threads: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Orders:  # fmt: skip
        """Measure, and put the text into the `inputs` as "config"; a ValueError names file, line and key."""
        response, sampling = self.values["response"], self.values["sampling"]
        with Source(self.path, self.text, _SCHEMA).locating():
            result = measure_orders(
                self.draws, self.omega, response["temperature"], block_volume=self.values["blocks"]["spacing"] ** 3,
                wavevector=response["wavevector"], members=sampling["members"], couplings=sampling["couplings"],
                rng=np.random.default_rng(sampling["seed"]), threads=threads, progress=progress,
                checkpoint=checkpoint,
            )  # fmt: skip
        return dataclasses.replace(result, inputs={**result.inputs, "config": self.text})


def read_super_block_config(path: str | os.PathLike[str]) -> SuperBlockConfig:
    r"""Read and check a TOML file that describes ensembles of super blocks.

    Parameters
    ----------
    path : str or path-like
        The file. Sections and keys, with defaults:

        - material: ``glass`` (a name of `load_glasses`), or ``density`` (kg/m^3), ``c_l``, ``c_t`` (m/s); ``density``
          also where that of a glass is not known.
        - blocks: ``kind``, one of "two-level" (with ``max_splitting``, ``min_tunnelling``: J) and "gaussian" (with
          ``n_levels``, at least 2, ``spread``: J, and ``ensemble``: "GOE" or "GUE"); ``size`` (J) and ``x`` (0) of
          their stresses; ``shapes``, a list of lattices such as "2x2x2", one ensemble each (2x1x1, 2x2x1, 2x2x2);
          ``spacing`` (5e-9 m). See `mbfast.superblock.ensembles`.
        - response: ``omega_max`` and ``broadening`` (rad/s); ``omega_min`` (0), ``frequencies`` (16, evenly spaced;
          at least 2, or ``omega_min`` positive);
          ``temperature`` (0.1 K); ``wavevector`` (three numbers, 1/m; 0).
        - sampling: ``members`` of each ensemble (100), ``seed`` (1), ``couplings`` (factors of the interaction, at
          least three; 1/16, 1/8, 1/4, 1/2, 1).
        - output: ``data`` ("superblock.npz"), ``figures`` (a folder; none).

    Returns
    -------
    SuperBlockConfig

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError
        If `path` is no path.
    ValueError
        If it is not TOML, a section or key is unknown or missing, a value has the wrong type, or the values make no
        material, no blocks or no response; the message names file, line and key.
    MemoryError
        If super blocks of one of the shapes do not fit into memory.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from mbfast.files.superblock import read_super_block_config
    >>> text = '[material]\nglass = "BK7"\n[blocks]\nkind = "two-level"\nshapes = ["2x1x1"]\nsize = 5e-20\n'
    >>> text += 'max_splitting = 1e-23\nmin_tunnelling = 1e-24\n[response]\nomega_max = 1e11\nbroadening = 1e10\n'
    >>> text += '[sampling]\nmembers = 10\n'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "run.toml"
    ...     _ = file.write_text(text)
    ...     result = read_super_block_config(file).run()
    >>> print(result.names, result.exact.shape)
    ['2x1x1'] (1, 10, 2, 5, 2, 16)
    """
    source, values, document = read_sections(path, _SCHEMA)
    material = read_material(source, values["material"])
    with source.locating():
        check_kind(source, "blocks", document.get("blocks", {}), _KINDS)
        for key in ("omega_max", "broadening"):
            if values["response"][key] is None:
                raise source.error("response", key, "wanted, in rad/s")
        omega = _frequencies(values["response"])
        sampling = values["sampling"]
        check_members(sampling["members"])
        check_couplings(sampling["couplings"])
        if sampling["seed"] < 0:
            raise ValueError(f"seed must not be negative, got {sampling['seed']}")
        draws = _draws(material, values["blocks"])
        for draw in draws.values():  # what it refuses, such as a parameter of the blocks, it refuses now
            draw(rng=np.random.default_rng(0))
        wave_vector(values["response"]["wavevector"])
    return SuperBlockConfig(source.path, source.text, values, draws, omega)


def _frequencies(given: Mapping[str, Any]) -> NDArray[np.complex128]:
    low, high = given["omega_min"], given["omega_max"]
    if low < 0.0:
        raise ValueError(f"omega_min must not be negative, got {low:g} rad/s")
    if not low < high <= 1e30:
        raise ValueError(f"omega_max must be above omega_min, {low:g} rad/s, and at most 1e30 rad/s, got {high:g}")
    if not 1 <= given["frequencies"] <= _MOST:
        raise ValueError(f"frequencies must be from 1 to {_MOST}, got {given['frequencies']}")
    if low == 0.0 and given["frequencies"] == 1:
        raise ValueError("frequencies must be at least 2, or omega_min positive, got 1 at 0: nothing is absorbed there")
    width = positive_number("broadening", given["broadening"], unit="rad/s")
    if given["temperature"] < 0.0:
        raise ValueError(f"temperature must not be negative, got {given['temperature']:g} K")
    return np.asarray(np.linspace(low, high, given["frequencies"]) + 1j * width)


def _draws(material: StressInteraction, given: Mapping[str, Any]) -> dict[str, Draw]:
    """Return what draws super blocks of each shape."""
    shapes = given["shapes"]
    found = [_SHAPE.fullmatch(shape) for shape in shapes]
    if not found or not all(found) or len(set(shapes)) != len(shapes):
        raise ValueError(f'shapes must be some lattices that differ, as ["2x1x1", "2x2x2"], got {shapes}')
    blocks: Callable[..., list[Block]]
    own: tuple[str, ...]
    if given["kind"] == "two-level":
        blocks, own, each = ensembles.isotropic_two_level_blocks, ("max_splitting", "min_tunnelling"), 2
    else:
        blocks, own, each = ensembles.gaussian_blocks, ("n_levels", "spread", "ensemble"), given["n_levels"]
        if each < 2:
            raise ValueError(f"n_levels must be at least 2, got {each}")
    draw = partial(blocks, **{name: given[name] for name in ("size", "x", *own)})
    draws: dict[str, Draw] = {}
    for shape in shapes:
        n1, n2, n3 = map(int, shape.split("x"))
        lattice = BlockLattice((n1, n2, n3), given["spacing"])
        if lattice.n_blocks * math.log2(each) > _MOST_BITS:
            raise ValueError(
                f"shapes must be of at most {1 << _MOST_BITS} states, got {each}^{lattice.n_blocks} in {shape}"
            )
        draws[shape] = partial(_super_block, material, lattice, draw)
    return draws


def _super_block(
    material: StressInteraction, lattice: BlockLattice, blocks: Callable[..., list[Block]], *, rng: np.random.Generator
) -> SuperBlock:
    return SuperBlock(material, lattice, blocks(lattice.n_blocks, rng=rng))
