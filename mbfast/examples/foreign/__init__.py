"""C, OpenMP and Fortran that call kernels of mbfast: ``python -m mbfast.examples.foreign [FILE.png]``.

Two-level blocks in silica are annealed by a Monte Carlo in C, ``monte_carlo.c``, and the strain that they leave in a
plane is computed by threads of OpenMP, ``map_openmp.c``, and in Fortran, ``map_fortran.f90``. The sources are beside
this file. An address means something in one process only, so that Python is the host: it compiles the sources to
libraries, loads them by ctypes, and hands over addresses from `mbfast.kernels.capi.address`. What is called from there
on needs no Python, and no lock of its interpreter.

Compilers are those that the environment variables CC and FC name, else the first of the usual ones that is there; what
cannot be compiled is skipped, and says why.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mbfast
from mbfast.examples._checks import Check, run_example
from mbfast.kernels import capi, stress
from mbfast.units import EV, K_B

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray

SILICA = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)  # kg/m³, m/s
COEFFICIENTS = np.array(SILICA.coefficients)
SIDE, SPACING = 8, 5e-9  # blocks along an edge, m
ENERGY = SILICA.prefactor * EV**2 / SPACING**3 / K_B  # what 1 of the kernels' energy is, over k_B (K)
STRAIN = 2.0 * SILICA.prefactor * EV / SPACING**3  # and what a field of 1 is as a strain
KELVIN, SWEEPS = (0.2, 0.05, 0.02, 0.01, 0.005), 20  # temperatures and the sweeps at each
POINTS = 120  # of the map along an edge

CAPTION = """Left: the strain e_xx that 8 × 8 × 8 annealed two-level blocks of silica (ρ = 2200 kg/m³, c_l = 5800 m/s,
    c_t = 3800 m/s), 5 nm apart, leave in the plane half way between the fourth and the fifth layer, computed by threads
    of OpenMP in C; the scale is cut at ±3 root mean squares. The stress moments of a block in its two states differ by
    a Gaussian tensor of 1 eV, isotropic on average. Right: the energy a block (2.13) in a Monte Carlo in C at five
    temperatures, one after the other: the line is kept up flip by flip, the circles are summed anew by Python."""


@dataclass(frozen=True)
class Program:
    """A source of this folder, and what compiles it: the variable that names a compiler, usual names, options."""

    source: str
    variable: str
    compilers: tuple[str, ...]
    options: tuple[str, ...] = ()


PROGRAMS = {
    "C": Program("monte_carlo.c", "CC", ("cc", "gcc", "clang"), ("-std=c11", "-lm")),
    "OpenMP": Program("map_openmp.c", "CC", ("cc", "gcc", "clang"), ("-std=c11", "-fopenmp")),
    "Fortran": Program("map_fortran.f90", "FC", ("gfortran", "flang", "ifx")),
}


class NotCompiledError(Exception):
    """That a program cannot be compiled here, and why."""


def source(name: str) -> Path:
    """Return where a source of this folder is."""
    return Path(str(files("mbfast.examples.foreign"))) / name


def compiler(program: Program) -> list[str]:
    """Return the command that compiles a program: that of its variable, else the first that is there."""
    given = shlex.split(os.environ.get(program.variable, ""))
    for command in [given] if given else [[name] for name in program.compilers]:
        if shutil.which(command[0]):
            return command
    looked_for = given[0] if given else ", ".join(program.compilers)
    raise NotCompiledError(f"no compiler ({program.variable}: {looked_for})")


def load(language: str, *options: str) -> ctypes.CDLL:
    """Compile a program with these options besides its own, and load it."""
    program = PROGRAMS[language]
    command = [*compiler(program), "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-I", mbfast.get_include()]
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / f"{source(program.source).stem}.so"
        command += [str(source(program.source)), "-o", str(library), *program.options, *options]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=folder, check=False)
        if done.returncode:
            raise NotCompiledError(f"{shlex.join(command)} failed:\n{done.stderr.strip()}")
        return ctypes.CDLL(str(library))


def pointers(*values: Any) -> list[Any]:
    """Return arguments for C: arrays by their addresses, whole numbers as int64, others as doubles."""
    kinds: dict[type, Callable[[Any], Any]] = {int: ctypes.c_int64, float: ctypes.c_double}
    return [
        ctypes.c_void_p(value.ctypes.data) if isinstance(value, np.ndarray) else kinds[type(value)](value)
        for value in values
    ]


def address(name: str) -> Any:
    """Return the address of a kernel as C takes it."""
    return ctypes.c_void_p(capi.address(name))


@dataclass(frozen=True)
class Blocks:
    """Two-level blocks in the layout of kernels, positions (3, n) in units of the spacing and moments (6, n) in eV.

    A moment is the difference of a block's stress between its states: T = spin × moment/2.
    """

    positions: FloatArray
    moments: FloatArray

    @classmethod
    def random(cls, seed: int, side: int = SIDE) -> Blocks:
        """Return blocks on a cubic lattice, with random moments."""
        lattice = mbfast.BlockLattice((side, side, side), 1.0)
        moments = mbfast.testing.random_stress(np.random.default_rng(seed), lattice.n_blocks)
        six = moments.reshape(-1, 9)[:, [0, 4, 8, 5, 2, 1]].T
        return cls(np.ascontiguousarray(lattice.positions.T), np.ascontiguousarray(six))

    def states(self, spins: FloatArray) -> FloatArray:
        """Return the stress of all blocks (6, n)."""
        return 0.5 * spins * self.moments

    def energy(self, spins: FloatArray) -> float:
        """Return the energy (2.13) over k_B (K), by Python."""
        where, stresses = SPACING * self.positions.T, EV * self.states(spins).T
        return float(mbfast.pair_energy(SILICA, where, stresses)) / K_B


class Anneal:
    """A Monte Carlo of blocks by the library of ``monte_carlo.c``; all spins are up at the start.

    Attributes
    ----------
    spins : array, shape (n,)
        1 or -1.
    energies : list of float
        The energy over k_B (K) after each sweep, kept up.
    """

    def __init__(self, library: ctypes.CDLL, blocks: Blocks, seed: int) -> None:
        self._function, self._blocks = library.anneal, blocks
        self._function.restype = ctypes.c_int64
        n = blocks.positions.shape[1]
        self.spins, self.energies = np.ones(n), [blocks.energy(np.ones(n))]
        self._state = np.array([seed], np.uint64)
        field, x = np.zeros((6, n)), blocks.positions
        c0, c1, c2 = COEFFICIENTS
        stress.field(x, x, blocks.states(self.spins), c0, c1, c2, field)
        weights = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # yz stands for zy as well
        self._local = np.einsum("a,as,as->s", weights, blocks.moments, field)

    def run(self, kelvin: float, sweeps: int) -> int:
        """Run sweeps at a temperature (K); return how many flips were accepted."""
        blocks, found = self._blocks, np.empty(sweeps)
        arguments = pointers(
            len(self.spins), self.spins, blocks.positions, blocks.moments, COEFFICIENTS, ENERGY,
            float(kelvin), sweeps, self._local, float(self.energies[-1]), self._state, found,
        )  # fmt: skip
        accepted = int(self._function(address("stress_flip"), *arguments))
        self.energies += found.tolist()
        return accepted


def plane() -> FloatArray:
    """Return the points of the map (3, m), in units of the spacing."""
    edge = (np.arange(POINTS) + 0.5) * SIDE / POINTS - 0.5
    x, y = np.meshgrid(edge, edge, indexing="ij")
    return np.array([x.ravel(), y.ravel(), np.full(x.size, SIDE / 2 - 0.5)])


def mapped(function: Any, blocks: Blocks, spins: FloatArray) -> tuple[FloatArray, Any]:
    """Return the strain (6, m) in the plane by a function of a library, and what that returns."""
    out = np.empty((6, POINTS**2))
    targets, states = plane(), blocks.states(spins)
    arguments = pointers(POINTS**2, targets, len(spins), blocks.positions, states, COEFFICIENTS, out)
    returned = function(address("stress_field"), *arguments)
    return STRAIN * out, returned


def strain_by_python(blocks: Blocks, spins: FloatArray) -> FloatArray:
    """Return the same strain (6, m) by the API."""
    where, stresses = SPACING * blocks.positions.T, EV * blocks.states(spins).T
    strain: FloatArray = 2.0 * mbfast.pair_field(SILICA, where, stresses, at=SPACING * plane().T).T
    return strain


def draw(strain: FloatArray, energies: list[float], anew: list[float]) -> Figure:
    """Draw the strain (6, m) and the energies a block (K) of the Monte Carlo. Needs matplotlib, of the extra plot."""
    from mbfast.plotting.style import COLOURS, WIDE, finish, new_figure, styled  # noqa: PLC0415

    far, largest = 0.5e9 * SPACING * SIDE, 3.0e6 * float(np.sqrt(np.mean(strain[0] ** 2)))
    with styled():
        figure = new_figure(WIDE, 70.0)
        left, right = figure.subplots(1, 2)
        image = left.imshow(
            1e6 * strain[0].reshape(POINTS, POINTS).T, vmin=-largest, vmax=largest, cmap="RdBu_r",
            extent=(-far, far, -far, far), origin="lower",
        )  # fmt: skip
        left.set(xlabel="$x$ (nm)", ylabel="$y$ (nm)", xticks=[-20, 0, 20], yticks=[-20, 0, 20])
        figure.colorbar(image, ax=left, label="strain $e_{xx}$ (10⁻⁶)", shrink=0.9)
        right.plot(1e3 * np.array(energies), color=COLOURS[1], label="kept up by C, sweep by sweep")
        stages = SWEEPS * np.arange(len(anew))
        right.plot(stages, 1e3 * np.array(anew), "o", color=COLOURS[2], label="summed anew by Python")
        for number, kelvin in enumerate(KELVIN):
            at = (SWEEPS * (number + 0.5), 0.98)
            right.annotate(
                f"{1e3 * kelvin:g} mK", at, xycoords=right.get_xaxis_transform(), ha="center", va="top", size=6
            )
        low, high = 1e3 * min(energies), 1e3 * max(energies)
        right.set(xlim=(-4, SWEEPS * len(KELVIN) + 4), ylim=(low - 0.05 * (high - low), high + 0.15 * (high - low)))
        right.set(xlabel="sweep", ylabel="energy a block (mK $k_B$)")
        finish(figure, CAPTION, conditions="silica, 512 two-level blocks 5 nm apart", columns=2)
    return figure


def compute(seed: int) -> tuple[list[Check], Callable[[], Figure]]:
    """Run what can be compiled; return the checks, and the function that draws."""
    blocks, checks = Blocks.random(seed), []
    libraries = {}
    for language, program in PROGRAMS.items():
        try:
            libraries[language] = load(language)
            print(f"{language}: {program.source} by {shlex.join(compiler(program))}")
        except NotCompiledError as reason:
            print(f"{language}: {program.source} is skipped: {reason}")
    spins, energies, anew = np.ones(SIDE**3), [], []
    if "C" in libraries:
        run = Anneal(libraries["C"], blocks, seed)
        anew = [blocks.energy(run.spins)]
        for kelvin in KELVIN:
            run.run(kelvin, SWEEPS)
            anew.append(blocks.energy(run.spins))
        spins, energies = run.spins, [energy / SIDE**3 for energy in run.energies]
        anew = [energy / SIDE**3 for energy in anew]
        checks.append(Check("energy a block in C, kept up (K)", energies[-1], 1e-12, anew[-1], "summed anew by Python"))
    expected = strain_by_python(blocks, spins)
    root_mean_square = float(np.sqrt(np.mean(expected[0] ** 2)))
    strain = expected
    if "OpenMP" in libraries:
        strain, threads = mapped(libraries["OpenMP"].map_openmp, blocks, spins)
        found, name = float(np.sqrt(np.mean(strain[0] ** 2))), f"e_xx by {threads} threads of OpenMP, root mean square"
        checks.append(Check(name, found, 1e-12 * root_mean_square, root_mean_square, "by Python"))
    if "Fortran" in libraries:
        function = libraries["Fortran"].map_fortran
        function.restype = ctypes.c_double
        found = abs(STRAIN) * mapped(function, blocks, spins)[1]
        name = "e_xx by Fortran, root mean square"
        checks.append(Check(name, found, 1e-12 * root_mean_square, root_mean_square, "by Python"))

    def figure() -> Figure:
        if not {"C", "OpenMP"} <= libraries.keys():
            raise SystemExit("the figure shows what C and OpenMP compute, which cannot be compiled here")
        return draw(strain, energies, anew)

    return checks, figure


def main(arguments: list[str] | None = None) -> None:
    """Print what ran and what was skipped, each number beside that of Python, and draw a figure if a file is named."""
    run_example(__doc__, compute, arguments)
