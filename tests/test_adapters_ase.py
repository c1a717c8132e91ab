"""The calculator of ASE: its units by hand, differences of its energy, conserved energy, what it sets up, refusals."""

from typing import ClassVar

import naive
import numpy as np
import pytest
from materials import random_moments, six
from numpy.testing import assert_allclose, assert_array_equal

import mbfast

ase = pytest.importorskip("ase", reason="of the extra ase")

from ase import units  # noqa: E402
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes, all_properties  # noqa: E402
from ase.calculators.mixing import SumCalculator  # noqa: E402
from ase.calculators.singlepoint import SinglePointCalculator  # noqa: E402
from ase.md.verlet import VelocityVerlet  # noqa: E402

from mbfast.adapters.ase import BlockCalculator  # noqa: E402

pytestmark = pytest.mark.compiled  # what they build on has tests without the JIT

SILICA = mbfast.StressInteraction(2200, 5800, 3800)
VACUUM = mbfast.DipoleInteraction(8.8541878128e-12)
BOTH = pytest.mark.parametrize("interaction", [SILICA, VACUUM], ids=["stress", "dipole"])
CELL = np.array([[9.0, 0.5, -0.7], [1.1, 8.0, 0.4], [-0.3, 0.8, 10.0]])  # Å
CONDITIONS = [(SILICA, "stress-free"), (VACUUM, "vacuum")]  # the volume has a part in them


def some_atoms(interaction, *, periodic, seed=1):
    """Eight blocks some 4 Å apart, with moments of the order of 1 eV or 1 e Å."""
    rng = np.random.default_rng(seed)
    places = (0.5 * np.array(list(np.ndindex(2, 2, 2))) + 0.1 * rng.random((8, 3))) @ CELL
    atoms = ase.Atoms("Ar8", positions=places, cell=CELL, pbc=periodic)
    atoms.set_array("moments", random_moments(seed, (8,), interaction))
    return atoms


def si(interaction):
    """The units of a moment and of an energy in the SI, by the charge that ASE takes."""
    charge = units._e
    return (charge * 1e-10 if interaction.components == 3 else charge), charge


@BOTH
@pytest.mark.parametrize("periodic", [False, pytest.param(True, marks=pytest.mark.compiled)])
def test_it_is_the_pair_sum_in_other_units(interaction, periodic):
    atoms = some_atoms(interaction, periodic=periodic)
    atoms.calc = BlockCalculator(interaction, rtol=1e-12)
    moment, energy = si(interaction)
    options = {"method": "ewald", "boundary": "periodic", "cell": 1e-10 * CELL, "rtol": 1e-12} if periodic else {}
    given = interaction, 1e-10 * atoms.positions, moment * atoms.arrays["moments"]
    expected = mbfast.pair_energy(*given, **options) / energy
    assert atoms.get_potential_energy() == pytest.approx(expected, rel=1e-10)  # the products of fields partly cancel
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    forces = mbfast.pair_forces(*given, **options) * 1e-10 / energy
    assert_allclose(atoms.get_forces(), forces, rtol=0, atol=1e-11 * np.abs(forces).max())
    field = mbfast.pair_field(*given, **options) * moment / energy
    assert_allclose(atoms.calc.get_field(), field, rtol=0, atol=1e-11 * np.abs(field).max())
    assert np.sum(atoms.arrays["moments"] * field) == pytest.approx(expected, rel=1e-10)


def test_two_dipoles_by_hand():
    """e^2/(4 pi eps_0) is 14.3996 eV Å: -2 x 0.04 x that / 4^3, head to tail."""
    atoms = ase.Atoms("X2", positions=[[0, 0, 0], [0, 0, 4]])
    atoms.set_array("mu", np.array([[0, 0, 0.2], [0, 0, 0.2]]))
    atoms.calc = BlockCalculator(VACUUM, moments="mu")
    coulomb = units.Hartree * units.Bohr
    assert atoms.get_potential_energy() == pytest.approx(-2 * 0.04 * coulomb / 64, rel=1e-7)  # constants of two years
    assert atoms.get_forces()[0, 2] == pytest.approx(6 * 0.04 * coulomb / 256, rel=1e-7)
    assert atoms.calc.get_field()[0, 2] == pytest.approx(-0.2 * coulomb / 64, rel=1e-7)


@BOTH
def test_forces_are_differences_in_free_space(interaction):
    atoms = some_atoms(interaction, periodic=False)
    atoms.calc = BlockCalculator(interaction)
    assert_forces_are_differences(atoms, [(0, 0), (3, 1), (7, 2)])


@pytest.mark.compiled
@pytest.mark.parametrize(("interaction", "condition"), CONDITIONS)
def test_forces_and_stress_are_differences(interaction, condition):
    atoms = some_atoms(interaction, periodic=True)
    atoms.calc = BlockCalculator(interaction, macroscopic=condition, rtol=1e-12)
    assert_forces_are_differences(atoms, [(5, 1)])
    stress = atoms.get_stress(voigt=False)
    strain = np.array([[0.4, 0.3, -0.6], [0.3, -0.2, 0.5], [-0.6, 0.5, 0.7]])

    def energy(h):
        """As ASE strains: symmetrically, positions with the cell, moments as they are."""
        moved = atoms.copy()
        moved.calc = atoms.calc
        moved.set_cell(CELL @ (np.eye(3) + h * strain), scale_atoms=True)
        return moved.get_potential_energy()

    wanted = naive.difference(energy, 1e-2) / atoms.get_volume()
    assert np.sum(stress * strain) == pytest.approx(wanted, abs=1e-7 * np.abs(stress).max())
    assert_array_equal(atoms.get_stress(), six(stress))


def assert_forces_are_differences(atoms, places):
    forces = atoms.get_forces()
    for s, i in places:

        def energy(h, s=s, i=i):
            moved = atoms.copy()
            moved.calc = atoms.calc
            moved.positions[s, i] += h
            return moved.get_potential_energy()

        wanted = -naive.difference(energy, 0.05)
        assert forces[s, i] == pytest.approx(wanted, abs=1e-7 * np.abs(forces).max())


class Repulsion(Calculator):
    """(sigma/r)^12 between all atoms, in eV: what keeps dipoles apart."""

    implemented_properties: ClassVar = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        d = atoms.positions[:, None] - atoms.positions
        r2 = np.sum(d * d, axis=2) + np.diag(np.full(len(atoms), np.inf))
        pairs = (9.0 / r2) ** 6
        forces = np.sum((12.0 * pairs / r2)[:, :, None] * d, axis=1)
        self.results = {"energy": 0.5 * pairs.sum(), "forces": forces}


@pytest.mark.compiled
def test_energy_is_conserved_to_the_square_of_the_step():
    """Of Verlet's steps in free space, beside a repulsion, over a time of 60 fs: a quarter for half of the step."""
    swings = []
    for step in (1.0, 0.5):
        rng = np.random.default_rng(5)
        places = 3.4 * np.array(list(np.ndindex(2, 2, 1))) + 0.3 * rng.random((4, 3))
        atoms = ase.Atoms("Ar4", positions=places, momenta=5.0 * rng.normal(size=(4, 3)))
        atoms.set_array("moments", 0.5 * rng.normal(size=(4, 3)))
        atoms.calc = SumCalculator([BlockCalculator(VACUUM, threads=1), Repulsion()])
        energies = [atoms.get_total_energy()]
        dynamics = VelocityVerlet(atoms, timestep=step * units.fs)
        dynamics.attach(lambda its=energies, atoms=atoms: its.append(atoms.get_total_energy()))
        dynamics.run(round(60 / step))
        swings.append(np.ptp(energies))
    assert np.abs(atoms.positions - places).max() > 0.1
    assert swings[0] / swings[1] == pytest.approx(4.0, rel=0.05)


def counted(monkeypatch):
    """How often a sum is set up."""
    made = []
    whole = BlockCalculator._made
    monkeypatch.setattr(BlockCalculator, "_made", lambda *given: made.append(1) or whole(*given))
    return made


def test_one_set_up_for_one_place(monkeypatch):
    made, atoms = counted(monkeypatch), some_atoms(VACUUM, periodic=False)
    atoms.calc = BlockCalculator(VACUUM)
    energy = atoms.get_potential_energy()
    atoms.get_forces()
    atoms.get_potential_energy()
    atoms.calc.get_field(atoms)
    assert len(made) == 1
    atoms.arrays["moments"] *= 2.0
    assert atoms.get_potential_energy() == pytest.approx(4.0 * energy, rel=1e-13)
    assert atoms.calc.get_field(atoms).shape == (8, 3)
    assert len(made) == 1
    atoms.positions *= 2.0
    assert atoms.get_potential_energy() == pytest.approx(0.5 * energy, rel=1e-13)
    assert len(made) == 2
    field = atoms.calc.get_field(atoms)
    atoms.positions *= 2.0
    assert_allclose(atoms.calc.get_field(atoms), field / 8, rtol=1e-12)  # seen without a calculation between
    assert len(made) == 3
    del atoms[0]
    assert atoms.get_forces().shape == (7, 3)


@pytest.mark.compiled
def test_plans_of_ewald_sums_are_those_that_are_wanted():
    """One for fields, and one for forces and stress, whatever comes first."""
    atoms = some_atoms(SILICA, periodic=True)
    for first, second in [(atoms.get_potential_energy, atoms.get_forces), (atoms.get_stress, atoms.get_forces)]:
        atoms.calc = BlockCalculator(SILICA, rtol=1e-6)
        first()
        assert len(atoms.calc._summed._splits) == 1
        second()
        assert len(atoms.calc._summed._splits) == 1 + (first == atoms.get_potential_energy)


@BOTH
def test_layouts_and_results(interaction):
    atoms = some_atoms(interaction, periodic=False)
    atoms.calc = BlockCalculator(interaction)
    energy = atoms.get_potential_energy()
    atoms.get_forces()
    assert set(atoms.calc.results) <= set(all_properties)
    kept = SinglePointCalculator(atoms, **atoms.calc.results)
    assert kept.get_potential_energy() == energy
    if interaction.components == 6:
        atoms.set_array("moments", None)
        atoms.set_array("moments", six(random_moments(1, (8,), interaction)))
        assert atoms.get_potential_energy() == energy


def test_no_stress_in_free_space():
    atoms = some_atoms(VACUUM, periodic=False)
    atoms.calc = BlockCalculator(VACUUM)
    with pytest.raises(PropertyNotImplementedError, match="stress not present"):
        atoms.get_stress()


def test_a_failure_leaves_nothing_behind():
    """The sum of the last good atoms is not taken for those that were refused."""
    atoms = some_atoms(VACUUM, periodic=False)
    atoms.calc = BlockCalculator(VACUUM)
    atoms.get_potential_energy()
    atoms.positions[1] = atoms.positions[0]
    for _ in range(2):
        with pytest.raises(ValueError, match="blocks 0 and 1 coincide"):
            atoms.get_potential_energy()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda atoms: atoms.set_array("moments", None), "atoms must have an array 'moments' of their moments, got"),
        (
            lambda atoms: atoms.arrays.update(moments=np.zeros((8, 2))),
            r"moments must have shape \(8, 3\), got \(8, 2\)",
        ),
        (lambda atoms: atoms.arrays.update(moments=np.full((8, 3), np.nan)), "moments must be finite"),
        (lambda atoms: atoms.set_pbc([True, True, False]), "atoms must be periodic along all axes or along none"),
        (lambda atoms: atoms.set_pbc(True) or atoms.set_cell(np.zeros((3, 3))), "cell must have a volume"),
    ],
)
def test_refused_atoms(change, words):
    atoms = some_atoms(VACUUM, periodic=False)
    change(atoms)
    atoms.calc = BlockCalculator(VACUUM)
    with pytest.raises(ValueError, match=words):
        atoms.get_potential_energy()


def test_refused_arguments():
    for arguments, error, words in [
        ({"interaction": 1.0}, TypeError, "interaction must be an Interaction"),
        ({"moments": 3}, TypeError, "moments must be the name of an array"),
        ({"method": "fft"}, ValueError, "method must be one of auto, direct, ewald, got 'fft'"),
        ({"macroscopic": "clamped"}, ValueError, "macroscopic must be one of tin-foil, vacuum, got 'clamped'"),
        ({"interaction": SILICA, "macroscopic": np.eye(3)}, ValueError, "macroscopic must be one of clamped"),
        ({"rtol": 1.0}, ValueError, "rtol must be from"),
        ({"threads": 0}, ValueError, "threads"),
    ]:
        with pytest.raises(error, match=words):
            BlockCalculator(**{"interaction": VACUUM, **arguments})
    atoms = some_atoms(VACUUM, periodic=True)
    atoms.calc = BlockCalculator(VACUUM, method="direct")
    with pytest.raises(ValueError, match="method must be 'auto' or 'ewald' for periodic atoms, got 'direct'"):
        atoms.get_forces()
    with pytest.raises(ValueError, match="atoms must be given before the first calculation"):
        BlockCalculator(VACUUM).get_field()


def test_mbfast_does_not_import_it_and_without_it_the_error_says_what_to_install(run_python):
    code = """
import sys, mbfast
mbfast.pair_field
assert "ase" not in sys.modules
sys.modules["ase"] = None
try:
    import mbfast.adapters.ase
except ImportError as error:
    print(error)
"""
    assert run_python(code) == "the calculator of ASE needs ase: pip install 'mbfast[ase]'\n"
