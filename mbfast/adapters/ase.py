"""Blocks as atoms of ASE: energy, forces and stress of their interaction, for its optimizers and dynamics."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from mbfast._core import tiles
from mbfast._core.validate import FloatArray, real_array, require_choice
from mbfast._core.voigt import six
from mbfast.pairs.fields import PairField
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.planning import chosen
from mbfast.pairs.problem import PairProblem

try:
    from ase import units
    from ase.calculators.calculator import Calculator, all_changes
except ImportError:
    raise ImportError("the calculator of ASE needs ase: pip install 'mbfast[ase]'") from None

if TYPE_CHECKING:
    from ase import Atoms

Method = Literal["auto", "direct", "ewald"]


class BlockCalculator(Calculator):
    """Energy, forces and stress of atoms that are blocks: of their moments, an array of the atoms, at rest.

    Parameters
    ----------
    interaction : Interaction
        `mbfast.StressInteraction`, `mbfast.DipoleInteraction` or one of your own, in SI units as everywhere in mbfast.
    moments : str
        Name of the array of the atoms that holds the moments: dipoles (e Å) of shape (N, 3), or stress moments (eV) of
        shape (N, 6), in the order xx, yy, zz, yz, xz, xy, or (N, 3, 3).
    method : {"auto", "direct", "ewald"}
        As in `mbfast.pair_field`. Periodic atoms are summed by "ewald".
    macroscopic : {"clamped", "stress-free", "tin-foil", "vacuum"}, optional
        What holds a periodic body, as in `mbfast.EwaldField`, but no given stress: filters of ASE have one. None: the
        interaction's first condition, "clamped" or "tin-foil".
    rtol : float, optional
        As in `mbfast.pair_field`.
    threads : int, optional
        As in `mbfast.pair_field`.

    Raises
    ------
    TypeError
        If interaction is no Interaction, moments no str, rtol not one real number, or threads no whole number.
    ValueError
        If method or macroscopic is unknown, a body cannot be stress-free, rtol is below 1e-12 or above 0.01, or threads
        is below 1.

    Notes
    -----
    The energy is that of (2.13), the sum over s of T_s : h_s. It sums ordered pairs of half the usual coupling: this
    is the usual energy, -2p²/(4πεr³) for two dipoles in line.

    ASE's units are used, eV and Å, by the constants of `ase.units`. The stress is dE/d(strain) over the volume, of
    periodic atoms only, at fixed moments, which do not turn with the cell. The virial's antisymmetric part, a torque,
    has no place in ASE.

    Atoms are periodic along all axes of a cell of any angles, or along none. Wrong atoms (no such array, another shape,
    one or two periodic axes, no volume, two atoms at one place) raise a ValueError that says so.

    What is asked for is set up once for each place of the atoms, and not anew for other moments there. That the array
    of moments has changed is seen here, but not by a ``SumCalculator`` around this: make a new one then.

    Point blocks attract each other without limit. Add a calculator that keeps them apart.

    Examples
    --------
    Two dipoles of 0.2 e Å, head to tail, 4 Å apart in a vacuum:

    >>> import ase, mbfast
    >>> from mbfast.adapters.ase import BlockCalculator
    >>> atoms = ase.Atoms("X2", positions=[[0, 0, 0], [0, 0, 4]])
    >>> atoms.set_array("moments", 0.2 * np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]))
    >>> atoms.calc = BlockCalculator(mbfast.DipoleInteraction(permittivity=8.8541878128e-12))
    >>> print(f"{atoms.get_potential_energy():.5f} eV, {atoms.get_forces()[0, 2]:.5f} eV/Å")
    -0.01800 eV, 0.01350 eV/Å
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]  # type: ignore[misc]
    ignored_changes: ClassVar[set[str]] = {"numbers", "initial_charges", "initial_magmoms"}  # type: ignore[misc]

    def __init__(
        self, interaction: Interaction, *, moments: str = "moments", method: Method = "auto",
        macroscopic: str | None = None, rtol: float | None = None, threads: int | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(moments, str):
            raise TypeError(f"moments must be the name of an array of the atoms, a str, got {moments!r}")
        require_choice("method", method, get_args(Method))
        options: dict[str, Any] = {"macroscopic": macroscopic, "rtol": rtol}
        checked = PairProblem.of(interaction, np.empty((0, 3)), boundary="periodic", cell=np.eye(3), **options)
        if isinstance(checked.macroscopic, tuple):
            wanted = f"one of {', '.join(checked.interaction.conditions)}, or None"
            raise ValueError(f"macroscopic must be {wanted}, got the stress {macroscopic!r}: filters of ASE have one")
        self._interaction, self._macroscopic, self._rtol = checked.interaction, macroscopic, rtol
        self._array, self._method, self._workers = moments, method, tiles.check_threads(threads)
        self._moment = units.C * units.m if checked.interaction.components == 3 else units.J  # of the SI, in ASE's
        self._summed: PairField | None = None
        super().__init__()  # type: ignore[no-untyped-call]

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Return what has changed since the last calculation, moments included.

        Parameters
        ----------
        atoms : ase.Atoms
            The atoms as they are now.
        tol : float
            Greatest change of positions and cells that is none.

        Returns
        -------
        list of str
            As ASE names it, and the name of the array of moments.
        """
        changes: list[str] = super().check_state(atoms, tol)  # type: ignore[no-untyped-call]
        if self.atoms is not None:
            arrays = (its.arrays.get(self._array) for its in (self.atoms, atoms))
            if not np.array_equal(*arrays):  # type: ignore[arg-type]
                changes.append(self._array)
        return changes

    def calculate(
        self, atoms: Atoms | None = None, properties: Collection[str] = ("energy",),
        system_changes: Collection[str] = tuple(all_changes),
    ) -> None:  # fmt: skip
        """Compute what is wanted into ``results``; ASE calls it.

        Parameters
        ----------
        atoms : ase.Atoms, optional
            The atoms; None: those of the last calculation.
        properties, system_changes : collection of str
            What is wanted, and what has changed since the last calculation.

        Raises
        ------
        ValueError
            If atoms are none that the class takes.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        energy = {"energy", "free_energy"}.intersection(properties)
        summed, moments = self._ready(system_changes, derivatives=not energy)
        if energy:
            found = summed.energy(moments, threads=self._workers) * units.J
            self.results |= {"energy": found, "free_energy": found}
        if "forces" in properties:
            self.results["forces"] = summed.forces(moments, threads=self._workers) * (units.J / units.m)
        if "stress" in properties and summed.boundary == "periodic":
            current: Any = self.atoms
            virial = summed.virial(moments, threads=self._workers) * units.J
            self.results["stress"] = six(virial) / current.get_volume()

    def get_field(self, atoms: Atoms | None = None) -> FloatArray:
        """Return the field h at each atom: the strain of a block is 2 h, the electric field at a dipole -2 h.

        Parameters
        ----------
        atoms : ase.Atoms, optional
            The atoms; None: those of the last calculation.

        Returns
        -------
        ndarray
            h, of the shape of the moments: dimensionless for stress, V/Å for dipoles.

        Raises
        ------
        ValueError
            If atoms are none that the class takes, or are not given and there has been no calculation.
        """
        changes = [] if atoms is None else self.check_state(atoms)
        if atoms is not None and changes:
            self.reset()  # type: ignore[no-untyped-call]
            self.atoms = atoms.copy()  # type: ignore[no-untyped-call]
        summed, moments = self._ready(changes, derivatives=False)
        field: FloatArray = summed(moments, threads=self._workers) * (units.J / self._moment)
        return field

    def _ready(self, changes: Collection[str], *, derivatives: bool) -> tuple[PairField, FloatArray]:
        """Return the sum over these atoms, made anew if their places have changed, and their moments in SI units."""
        atoms: Any = self.atoms
        if atoms is None:
            raise ValueError("atoms must be given before the first calculation, got None")
        if set(changes) - {self._array}:
            self._summed = None
        if self._array not in atoms.arrays:
            known = ", ".join(sorted(atoms.arrays))
            raise ValueError(f"atoms must have an array {self._array!r} of their moments, got atoms with {known}")
        moments = real_array(self._array, atoms.arrays[self._array]) / self._moment
        if self._summed is None:
            self._summed = self._made(atoms, derivatives)
        return self._summed, moments

    def _made(self, atoms: Atoms, derivatives: bool) -> PairField:
        """Return the sum, set up for forces and virial, or for fields: the other comes when it is asked for."""
        if atoms.pbc.any() != atoms.pbc.all():
            raise ValueError(f"atoms must be periodic along all axes or along none, got pbc={atoms.pbc.tolist()}")
        periodic = bool(atoms.pbc.all())
        if periodic and self._method == "direct":
            raise ValueError("method must be 'auto' or 'ewald' for periodic atoms, got 'direct'")
        options: dict[str, Any] = {"macroscopic": self._macroscopic, "rtol": self._rtol}
        if periodic:
            options |= {"boundary": "periodic", "cell": atoms.cell.array / units.m}
        problem = PairProblem.of(self._interaction, atoms.positions / units.m, **options)
        made, problem = chosen(problem, self._method)
        return made.of(problem, threads=self._workers, derivatives=derivatives)
