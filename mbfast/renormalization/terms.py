"""What one step of the renormalization does: the terms (3.5)-(3.7), printed and derived, one class a form."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mbfast import units
from mbfast._core.validate import LARGEST, FloatArray, one_number, require_choice
from mbfast._core.voigt import POLARIZATIONS
from mbfast.kernels import displacements
from mbfast.pairs.angular import LATTICE_SIXTH, angular_coefficients, cube_coefficients
from mbfast.pairs.averages import cube_pairs
from mbfast.pairs.interactions import StressInteraction, check_stress
from mbfast.pairs.phases import cube_phases
from mbfast.spectra.grid import FrequencyGrid
from mbfast.spectra.spectrum import Spectrum

RateForm: TypeAlias = Literal["printed", "derived", "derived-points", "total-strain"]
Size: TypeAlias = FloatArray | float


class Integrals(NamedTuple):
    """What the terms take of a spectrum, with Re chi as the form wants it."""

    chi: FloatArray  # Im chi~_l and Im chi~_t, (2, ..., m)
    real: FloatArray  # the real parts that go with them
    tt: FloatArray  # the convolution of Im chi~_t with itself, (..., m)
    lt: FloatArray  # that of Im chi~_l with Im chi~_t, or again tt where a form takes no lt


@dataclass(frozen=True)
class Terms(ABC):
    """One step from blocks of side L to N0^3 of them: a super block is a block with Im chi~ + the sum of `increments`.

    The rate of a term is -2 (N0 L)^3 A^2 k^2 omega (1 - exp(-hbar omega/k_B T)) times its increment, as (3.1) says. A
    subclass is a form of the terms: what is abstract here, and the class attributes. `Terms.of` checks the arguments.
    """

    interaction: StressInteraction
    n0: float  # blocks along a side of the super block
    k_l: float  # K_l and K_t of (3.6)
    k_t: float

    name: ClassVar[str]  # what `form=` calls it
    largest_side: ClassVar[float] = 1e15  # the largest n0
    responding: ClassVar[bool] = False  # the real part is the transform of Im chi, that of the response, not of Im chi~
    mixed: ClassVar[bool] = False  # (3.5) takes the convolution lt, not Im chi~_l/Im chi~_t - 2 times tt
    scale: ClassVar[float]  # what multiplies `brackets` in the second term

    @classmethod
    def of(cls, interaction: StressInteraction, n0: float, k_l: float, k_t: float) -> Self:
        """Return the terms, or raise the TypeError or ValueError that names a bad argument."""
        check_stress(interaction)
        side, changes = cls.check_n0(n0), {"k_l": one_number("k_l", k_l), "k_t": one_number("k_t", k_t)}
        for name, value in changes.items():
            if not 0.0 <= value <= LARGEST:
                raise ValueError(f"{name} must be from 0 to {LARGEST:g} (an absorption), got {value:g}")
        return cls(interaction, side, **changes)

    @classmethod
    def check_n0(cls, n0: float) -> float:
        """Return N0, or raise."""
        side = one_number("n0", n0)
        if not 1.0 < side <= Terms.largest_side:
            raise ValueError(f"n0 must be above 1 (blocks along a side), and at most 1e15, got {side:g}")
        if side > cls.largest_side:
            raise ValueError(f"n0 must be at most {cls.largest_side:g} in the {cls.name} form, got {side:g}")
        return side

    @classmethod
    def require_signs(cls, spectrum: Spectrum) -> None:
        """Raise a ValueError where a spectrum has not the sign of absorption."""
        for name in POLARIZATIONS:
            samples = getattr(spectrum, name)
            if (samples > 0.0).any():
                raise ValueError(f"spectrum must have Im chi~ <= 0 (absorption), got {samples.max():g} Pa, {name}")

    @classmethod
    def real_samples(cls, samples: FloatArray, thermal: FloatArray) -> FloatArray:
        """Return samples whose Kramers-Kronig transform is the real part; `thermal` is 1 - exp(-hbar omega/k_B T)."""
        return thermal * samples if cls.responding else samples

    @classmethod
    def real_grid(cls, spectrum: Spectrum) -> FrequencyGrid:
        """Return how these samples go on beyond the nodes: below, `thermal` changes the power of a power law."""
        grid = spectrum.grid
        return grid.with_below("power") if cls.responding and grid.below != "zero" else grid

    @property
    @abstractmethod
    def pairs(self) -> float:
        """The sum over pairs of blocks of (L/x)^6, per block."""

    @property
    @abstractmethod
    def brackets(self) -> FloatArray:
        """Coefficients of the powers of alpha and of x in the second term, of l and of t, shape (2, 3, 2)."""

    @property
    @abstractmethod
    def dipoles(self) -> tuple[float, float]:
        """Coefficients of the dipoles' term (5.8), of l and of t."""

    @abstractmethod
    def relevant(self, omega: FloatArray, size: Size, given: Integrals) -> FloatArray:
        """Return the term (3.7), shape (2, ..., m)."""

    def following(self) -> Self:
        """Return the terms of the steps after the first."""
        return self

    @cached_property
    def moduli(self) -> FloatArray:
        """The moduli rho c_a^2 (Pa), shape (2, 1)."""
        return self.interaction.density * np.array([[self.interaction.c_l], [self.interaction.c_t]]) ** 2

    @cached_property
    def _coefficients(self) -> FloatArray:
        # (3, 2): of the second term at x = 0 and linear in x, and of the third; of l and t
        common, alpha = float(units.HBAR * self.pairs / (math.pi**3 * self.moduli[1, 0] ** 2)), self.interaction.alpha
        polynomials = [[np.polyval(column[::-1], alpha) for column in table.T] for table in self.brackets]
        second = -self.scale * common * np.array(polynomials)
        return np.vstack([second.T, -0.5 * common * np.array([self.k_l, self.k_t])])

    def increments(self, omega: FloatArray, size: Size, given: Integrals) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the second, third and interaction terms (2, ..., m) at L = `size`."""
        (l, t), volume = given.chi, np.asarray(size) ** 3  # noqa: E741
        at_zero, linear, third = (_like(part, given.chi) for part in self._coefficients)
        if self.mixed:
            second = (at_zero - 2.0 * linear) * given.tt + linear * given.lt
        else:
            second = (at_zero + linear * (l / t - 2.0)) * given.tt
        return second / volume, third * given.tt / volume, self.relevant(omega, size, given)

    def uncertainty(self, omega: FloatArray, size: Size, chi: FloatArray, errors: Sequence[Size]) -> FloatArray:
        """Return what errors of Re chi_l, Re chi_t, tt and lt do to the sum of the increments, (2, ..., m)."""
        total = np.zeros_like(chi)
        for number, error in enumerate(errors):  # the increments are linear in each
            alone = [np.zeros(chi.shape[1:])] * 4
            alone[number] = np.broadcast_to(error, chi.shape[1:])
            real = np.stack(alone[:2])
            total = total + np.abs(sum(self.increments(omega, size, Integrals(chi, real, *alone[2:]))))
        return total

    def dipole_increments(self, size: FloatArray, integral: FloatArray) -> FloatArray:
        """Return the term (5.8) at L = `size`, shape (2, ..., m), of the convolution of Im chi~/epsilon with itself."""
        common = -0.5 * units.HBAR * self.pairs / size**3
        return np.asarray(np.multiply.outer(self.dipoles, common * integral))


class PrintedTerms(Terms):
    """The formulas of the paper."""

    name = "printed"
    scale = 1.0 / 80.0
    brackets = np.array([[[55, 44], [176, 176], [688, 176]], [[35, 28], [112, 112], [656, 112]]])
    dipoles = (94.0 / (960.0 * math.pi**2), 53.0 / (960.0 * math.pi**2))

    @cached_property
    def pairs(self) -> float:
        """The logarithm of N0, for any sum over pairs."""
        return math.log(self.n0)

    @classmethod
    def require_signs(cls, spectrum: Spectrum) -> None:
        """Raise a ValueError where a spectrum has not the sign of absorption, or Im chi~_t is zero."""
        super().require_signs(spectrum)
        if not (spectrum.transverse < 0.0).all():
            wanted = "Im chi~_t < 0 at every node in the printed form, which divides by it"
            raise ValueError(f"spectrum must have {wanted}, got 0")

    def relevant(self, omega: FloatArray, size: Size, given: Integrals) -> FloatArray:  # noqa: ARG002
        """Return the term (3.7), shape (2, ..., m)."""
        return np.asarray(-2.0 * self.pairs / _like(self.moduli, given.chi) * given.chi * given.real)


class DerivedTerms(Terms):
    """What follows from the Hamiltonian, for blocks that are cubes: differences of functions of the scale.

    A pair of points is counted in the step whose super block is the first to hold both, so that steps from L_1 to R
    add up to the same for every N0, whole or not; see `absorption_rates`.
    """

    name = "derived"
    responding = mixed = True
    scale = 1.0 / 32.0

    @staticmethod
    def sums(n0: float, reduced: FloatArray) -> FloatArray:
        """Return sums over pairs, per block, of j_2(kx) and j_4(kx) times (L/x)^3, (2, ...), at kL = `reduced`."""
        return cube_phases(n0 * reduced) - cube_phases(reduced)

    @cached_property
    def pairs(self) -> float:
        """S_6 of an infinite lattice, less what is left to the steps that follow: that of larger blocks, as L^-3."""
        return -LATTICE_SIXTH * math.expm1(-3.0 * math.log(self.n0))

    @property
    def brackets(self) -> FloatArray:
        """Those of `cube_coefficients`, per S_6."""
        return np.array([cube_coefficients(self.interaction.form, name) for name in POLARIZATIONS]) / LATTICE_SIXTH

    @property
    def dipoles(self) -> tuple[float, float]:
        """Those of `cube_coefficients`, per S_6."""
        l, t = (cube_coefficients("dipole", name)[0][0] / LATTICE_SIXTH for name in POLARIZATIONS)  # noqa: E741
        return l / (16.0 * math.pi**3), t / (16.0 * math.pi**3)

    def relevant(self, omega: FloatArray, size: Size, given: Integrals) -> FloatArray:
        """Return the term (3.7), shape (2, ..., m), of the stresses that the strain of a wave induces."""
        (l, t), (real_l, real_t) = given.chi, given.real  # noqa: E741
        along, mixed, across = self.phases(omega, size)
        of_l = 16.0 * along * t * real_t + 8.0 * mixed * (t * real_l + real_t * l - 4.0 * t * real_t)
        return np.stack(np.broadcast_arrays(of_l, 16.0 * across * t * real_t))

    def phases(self, omega: FloatArray, size: Size) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return N^-1 sum L^3 Lambda cos(k.x) (1/Pa), averaged over directions of k: see `contracted`."""
        shape = np.broadcast_shapes(omega.shape, np.shape(size))
        velocities = self.interaction.c_l, self.interaction.c_t
        reduced = np.broadcast_to(np.multiply.outer(np.reciprocal(velocities), omega * size), (2, *shape))
        sums = self.interaction.prefactor * self.sums(self.n0, reduced)
        return contracted(self.interaction.coefficients, sums[:, 0], sums[:, 1])


class PointTerms(DerivedTerms):
    """What follows from the Hamiltonian for blocks that are points at their centres: sums over the pairs of a cube.

    What steps add up to depends on N0: close pairs on both sides of a super block's face are points far apart later.
    """

    name = "derived-points"
    largest_side = 512.0  # blocks along a side whose pairs are listed

    @staticmethod
    def sums(n0: float, reduced: FloatArray) -> FloatArray:
        """Return sums over pairs, per block, of j_2(kx) and j_4(kx) times (L/x)^3, (2, ...), at kL = `reduced`."""
        out = np.empty((2, reduced.size))
        displacements.isotropic_phase(*cube_pairs(n0), np.ascontiguousarray(reduced).ravel(), out)
        return out.reshape(2, *reduced.shape)

    @cached_property
    def pairs(self) -> float:
        """S_6 of a cube of side N0."""
        distances, weights = cube_pairs(self.n0)
        return float(np.sum(weights * distances**-6.0))

    @property
    def brackets(self) -> FloatArray:
        """Those of `angular_coefficients`."""
        tables = [angular_coefficients(self.interaction.form, name) for name in POLARIZATIONS]
        return np.array(tables, dtype=np.float64)

    @property
    def dipoles(self) -> tuple[float, float]:
        """Those of `angular_coefficients`."""
        l, t = (angular_coefficients("dipole", name, moment_change="gradient")[0][0] for name in POLARIZATIONS)  # noqa: E741
        return float(l) / (16.0 * math.pi**3), float(t) / (16.0 * math.pi**3)


@dataclass(frozen=True)
class TotalStrainTerms(DerivedTerms):
    """The derived terms for the strain of the wave, the field of all blocks in it, in place of an external strain.

    In a wave of strain e all blocks have the stress tau = chi e, and a block meets e without its own field: e + P tau
    in waves longer than the block, with P of `TensorInteraction.local_strain`. A super block answers to the strain of
    the wave as its blocks do, because what they do to each other is in that strain: the term comes once.
    """

    name = "total-strain"

    converts: bool = True  # from the strain that a block meets to that of the wave

    def following(self) -> Self:
        """Return the terms of steps between blocks that already answer to the strain of the wave."""
        return replace(self, converts=False)

    @staticmethod
    def sums(n0: float, reduced: FloatArray) -> FloatArray:  # noqa: ARG004
        """Return those over the pairs of points in one block, which is not in its own field, (2, ...)."""
        return -cube_phases(reduced)

    def relevant(self, omega: FloatArray, size: Size, given: Integrals) -> FloatArray:
        """Return the local field in the place of (3.7), shape (2, ..., m): chi P chi, less the phases in a block."""
        if not self.converts:
            return np.zeros_like(given.chi * given.real)
        of_k, of_g = self.interaction.local_strain
        (chi_k, chi_g), (real_k, real_g) = ((3.0 * l - 4.0 * t, 2.0 * t) for l, t in (given.chi, given.real))  # noqa: E741
        compression, shear = 2.0 * of_k * chi_k * real_k, 2.0 * of_g * chi_g * real_g
        return np.stack([(compression + 2.0 * shear) / 3.0, 0.5 * shear]) + super().relevant(omega, size, given)


# the forms there are: everything else asks the class
FORMS: dict[str, type[Terms]] = {kind.name: kind for kind in (PrintedTerms, DerivedTerms, PointTerms, TotalStrainTerms)}


def terms_of(form: str) -> type[Terms]:
    """Return the class of a form, or raise a ValueError that lists the forms."""
    require_choice("form", form, tuple(FORMS))
    return FORMS[form]


def contracted(
    coefficients: tuple[ArrayLike, ArrayLike, ArrayLike], of_l: FloatArray, of_t: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the averages of Lambda~ cos(k.x), over directions of k, contracted with kk kk, d kk and e_t e_t.

    `of_l` and `of_t` are what takes the place of j_2 and j_4 (2, ...) for the two waves: where f_2 P_2 + f_4 P_4 of n.k
    is a contraction, the average of it times cos(k.x) is f_4 j_4(kx) - f_2 j_2(kx).
    """
    c1, c2 = (np.asarray(c) for c in coefficients[1:])
    along = -(2.0 / 3.0 * c1 - 16.0 / 7.0 * c2) * of_l[0] - 12.0 / 7.0 * c2 * of_l[1]
    mixed = -2.0 / 3.0 * (c1 - 3.0 * c2) * of_l[0]
    across = -(c1 / 12.0 - 5.0 / 14.0 * c2) * of_t[0] + 6.0 / 7.0 * c2 * of_t[1]
    return along, mixed, across


def fill_jumps(real: FloatArray) -> FloatArray:
    """Put the neighbour's value where a jump at the first or last node made a real part infinite."""
    for end, inner in ((0, 1), (-1, -2)):
        real[..., end] = np.where(np.isinf(real[..., end]), real[..., inner], real[..., end])
    return real


def _like(coefficients: FloatArray, chi: FloatArray) -> FloatArray:
    """Return one coefficient a polarization, with the axes of Im chi~ (2, ..., m)."""
    return coefficients.reshape(2, *(1,) * (chi.ndim - 1))
