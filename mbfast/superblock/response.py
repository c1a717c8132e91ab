r"""What a whole super block absorbs, (2.9)-(2.11): its susceptibility by diagonalisation, recursion or polynomials.

What is computed
    With the stress of a wave, A_a(k) = sum_s exp(i k.x_s) T_a^(s), and levels E_m with populations p_m, lines lie at
    hbar w_mn = E_n - E_m and weigh p_m times the part of <m|A_a^+|n><n|A_b|m> that is symmetric in a, b and even in k,
    the one that time reversal leaves. That is the sum over the Hermitian operators of cos k.x_s and of sin k.x_s, so
    that nothing becomes complex that was real. Products of two components come from the operators of one component
    and of the sums of two.
The methods
    ``"exact"`` diagonalises: 12 two-level blocks are the most that is convenient; every temperature, all lines.
    ``"lanczos"`` at T = 0 is the continued fraction of each A|0>. At T > 0 it starts from typical thermal states
    exp(-beta H/2)|r> of random vectors r, runs one recursion from the state and one from each A on it, and has the
    lines between the levels of the two. The mean over r is the thermal one; its error is estimated from the scatter.
    ``"chebyshev"`` does the same by polynomials, which resolve every part of the spectrum equally, without a recursion
    that converges sooner at its ends: it takes more products with H, and bounds what it leaves out beforehand.
    ``"auto"`` diagonalises up to 1024 states, and else takes ``"lanczos"``.
Detailed balance
    Lines are broadened in the spectrum that is symmetric in the frequency, as in `susceptibility_from_levels`. What
    divides it into absorption and emission multiplies it at the frequency itself, so that detailed balance and the sum
    rule of Im chi~ hold to rounding errors for every method, whatever the random vectors are. A level's own mean stress
    is a line at zero: within some widths of zero frequency it shows, and not as physics.
Real parts
    Unreduced, Re chi is that of the response: 1/(w - omega) + 1/(w + omega) of every line, with 1/w become that of
    complex frequency, w/(w^2 + width^2), for Lorentzian lines, and the Kramers-Kronig partner of a Gaussian, Dawson's
    integral, for Gaussian ones. Reduced, Re chi~ is the one-sided Kramers-Kronig integral, after (2.12), of the
    broadened Im chi~, as (4.3) has it: not the real part of a response, and infinite at zero frequency.
Error bars
    Standard errors are what leaving out one random vector at a time changes; of n vectors they are those of Student's t
    with n - 1 degrees of freedom: twice the error covers the truth in 91 % of cases for 8 vectors, 86 % for 4. Of some
    random vectors a super block of few states may see too little: take "exact".
Sum rules
    ``total`` and ``f_sum`` are the sums over lines of what they weigh, and of that times their frequency. The first is
    <A^+ A>; the second has no coupling in it where all T commute: -2 sum a^2 Delta_0 <sigma_x> for two-level blocks.
    ``remainder`` says whether there were steps enough.
Size and time
    Vectors of D numbers: 8 at T = 0. At T > 0 the recursion of the thermal state is kept in single precision, half a
    vector for each of its steps (150 at most by default), and 16 beside. Products with H: at T = 0 one for each step
    and operator, of which there are 6 for the moduli and 21 for the tensor, twice as many at a wave vector; at T > 0
    as many for each random vector. What does not fit into memory is refused with numbers. One core of an AMD EPYC
    (Zen 5), two-level blocks: 20 blocks at T = 0, 300 steps, 9 s of processor time and 0.2 GB; 20 blocks at T > 0, 150
    steps, 12 s for each random vector and 1 GB; all levels of 10 blocks 0.5 s.
First order in the coupling
    `mbfast.superblock.perturbation.first_order` has what (3.7) as derived says, and what it leaves out, apart.

>>> import mbfast, numpy as np
>>> block = mbfast.Block.two_level(asymmetry=2e-25, tunnelling=1e-24, stress=[0, 0, 1e-19, 0, 0, 1e-19])
>>> silica = mbfast.StressInteraction(2200, 5800, 3800)
>>> cube = mbfast.SuperBlock(silica, mbfast.BlockLattice((2, 2, 2), 5e-9), block)
>>> omega = np.linspace(0, 4e10, 100)
>>> options = {"volume": 8 * 5e-9**3, "broadening": 1e9, "wavevector": [1e7, 0, 0]}
>>> cold = cube.susceptibility(omega, 0.0, method="lanczos", **options)
>>> exact = cube.susceptibility(omega, 0.0, method="exact", **options)
>>> bool(np.abs(cold.imaginary.transverse / exact.imaginary.transverse - 1).max() < 1e-6), cold.remainder < 1e-6
(True, True)
>>> rng = np.random.default_rng(1)
>>> warm = cube.susceptibility(omega, 0.1, method="lanczos", steps=40, rng=rng, **options)
>>> warm.imaginary_error.transverse.shape, warm.vectors
((100,), 8)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from mbfast import units
from mbfast._core import tiles
from mbfast._core.validate import (
    LARGEST,
    SMALLEST,
    FloatArray,
    count_from,
    float_array,
    positive_number,
    require_bounded,
    require_choice,
    require_flag,
    wave_vector,
)
from mbfast._core.voigt import WEIGHTS
from mbfast.spectra.dispersion import KramersKronigPlan
from mbfast.spectra.grid import RANGE
from mbfast.spectra.moduli import Moduli
from mbfast.spectra.thermal import check_kelvin, thermal_ratio
from mbfast.superblock import routes
from mbfast.superblock.ensembles import check_generator
from mbfast.superblock.lanczos import bounds
from mbfast.superblock.lines import Shape, reactive, symmetrised

if TYPE_CHECKING:
    from mbfast.superblock.coupled import CoupledBlocks
    from mbfast.superblock.hamiltonian import SuperBlock

Method: TypeAlias = Literal["auto", "exact", "lanczos", "chebyshev"]
Components: TypeAlias = Literal["isotropic", "tensor"]
Values: TypeAlias = "Moduli | FloatArray"

_EXACT = 1024  # states up to which auto diagonalises
_VECTORS = 8
_NODES = 4  # in a width, of the one-sided transform
_MOST_NODES = 1e7  # of all of it: it takes minutes


@dataclass(frozen=True)
class Response:
    """A susceptibility with its errors and sum rules.

    Moduli are two arrays, tensors (.., 6, 6), or (.., 3, 3) of dipoles, whose isotropic mean is one array.

    Attributes
    ----------
    imaginary, real : Moduli or ndarray, shape (k,) or (k, 6, 6)
        Im chi~ and its one-sided transform, or Im chi and Re chi, in Pa (of dipoles C^2/(J m^3)).
    imaginary_error, real_error : Moduli or ndarray
        Standard errors from the scatter over random vectors; 0 where there are none.
    total, f_sum : Moduli or ndarray, shape () or (6, 6)
        <A_a^+ A_b> (J^2) and <[A_a^+, [H, A_b]]> (J^3) of the lines: -pi/(hbar V) times the first is the integral of
        Im chi~ over all frequencies of both signs; -pi/(hbar^2 V) times the second is, but for broadening, that of
        omega Im chi.
    total_error, f_sum_error : Moduli or ndarray
        Their standard errors.
    width : float
        Of lines (rad/s): the broadening, and what the Jackson kernel adds to it in the middle of the spectrum.
    remainder : float
        How much the symmetrised spectrum changes at most, relative to its maximum, where a fifth of the steps is left
        out; 0 for "exact".
    method : str
        Which of the methods it was.
    steps, vectors : int
        Vectors of a recursion, and random vectors; 0 where there are none.
    """

    imaginary: Values
    imaginary_error: Values
    real: Values
    real_error: Values
    total: Values
    total_error: Values
    f_sum: Values
    f_sum_error: Values
    width: float
    remainder: float
    method: str
    steps: int
    vectors: int


@np.errstate(under="ignore")  # of occupations: nothing may depend on what the caller has set
def susceptibility(
    super_block: SuperBlock,
    omega: ArrayLike,
    temperature: float,
    *,
    volume: float,
    broadening: float,
    wavevector: ArrayLike | None = None,
    method: Method = "auto",
    components: Components = "isotropic",
    reduced: bool = True,
    relaxational: bool = False,
    shape: Shape = "gaussian",
    steps: int | None = None,
    vectors: int = _VECTORS,
    rng: np.random.Generator | None = None,
    threads: int | None = None,
) -> Response:
    r"""Susceptibility of a whole super block to a wave, with sum rules and error bars.

    Parameters
    ----------
    super_block : SuperBlock
        The blocks.
    omega : array_like, shape (k,)
        Frequencies of any sign (rad/s).
    temperature : float
        T (K), zero allowed.
    volume : float
        Of the super block (m^3).
    broadening : float
        Width of a line (rad/s): a Gaussian's standard deviation, a Lorentzian's half width.
    wavevector : array_like, shape (3,), optional
        k (1/m); None: 0.
    method : {"auto", "exact", "lanczos", "chebyshev"}
        See the module's page.
    components : {"isotropic", "tensor"}
        The moduli of the average over rotations, or all components.
    reduced : bool
        Im chi~ of (2.11) and its one-sided transform, or Im chi and Re chi.
    relaxational : bool
        Whether the shifted populations of the isothermal response, -beta cov(T_mm)/V, are added to Re chi: of an exact
        one, unreduced and at T > 0. They are added at every omega, without the factor 1/(1 - i omega tau) of
        populations that follow in a time tau: only at omega = 0, and but for broadening, Re chi is the second
        derivative of the free energy by the strain, per volume. They need the weight of lines at zero frequency alone:
        recursions and polynomials see it together with all lines nearer to zero than their width, of which a super
        block has many, as its levels lie far closer than any width, and it takes D steps to tell them apart.
    shape : {"gaussian", "lorentzian"}
        Of a line.
    steps : int, optional
        Vectors of a recursion, at least 2; None: as many as the broadening needs, of "lanczos" no more than 300 at
        T = 0 and 150 else. Fewer for "chebyshev" bring in the Jackson kernel.
    vectors : int
        Random vectors at T > 0, at least 2.
    rng : numpy.random.Generator, optional
        Where their numbers come from; needed if there are any.
    threads : int, optional
        None: as many as this process may use, see `set_threads`. The result does not depend on it.

    Returns
    -------
    Response

    Raises
    ------
    TypeError
        If super_block is none; if omega, temperature, volume, broadening or wavevector is no real number or array of
        them; if steps, vectors or threads is no whole number; if reduced or relaxational is not True or False; if rng
        is no Generator, or None where random vectors are needed.
    ValueError
        If omega is not one-dimensional and finite, temperature is negative, volume or broadening is not positive,
        wavevector has not three finite numbers; if method, components or shape is unknown; if steps or vectors is below
        2, threads below 1; if relaxational is wanted of a reduced susceptibility, at T = 0, or not by "exact"; if there
        are more than 16 ground states at a temperature of zero; if broadening, or an omega but zero, is too small or
        too large beside the range of the spectrum for a reduced susceptibility.
    MemoryError
        If the method's vectors or matrices do not fit into memory; the message has the numbers.

    References
    ----------
    D. Zhou and A. J. Leggett, arXiv:1510.05528, (2.9)-(2.12). J. Jaklic and P. Prelovsek, Phys. Rev. B 49, 5065 (1994),
    for recursions at T > 0.

    Examples
    --------
    Of the levels of two equal two-level systems, +-E and +-J with E^2 = Delta_0^2 + J^2, a strain reaches but one from
    the ground state:

    >>> import numpy as np, mbfast
    >>> from mbfast.units import HBAR
    >>> silica = mbfast.StressInteraction(2200, 5800, 3800)
    >>> block = mbfast.Block.two_level(0.0, 1e-24, [0, 0, 0, 0, 0, 1.6e-19])
    >>> pair = mbfast.SuperBlock(silica, [[0, 0, 0], [0, 0, 5e-9]], block)
    >>> levels = pair.energies()
    >>> omega = (levels - levels[0]) / HBAR
    >>> response = pair.susceptibility(omega, 0.0, volume=2 * 5e-9**3, broadening=1e8)
    >>> share = np.abs(response.imaginary.transverse / response.imaginary.transverse.min())
    >>> print(share.round(6), response.method)
    [0. 1. 0. 0.] exact
    """
    check_super_block(super_block)
    frequencies = float_array("omega", omega)
    if frequencies.ndim != 1:
        raise ValueError(f"omega must have shape (k,), got {frequencies.shape}")
    require_bounded("omega", frequencies)
    kelvin = check_kelvin(temperature)
    box, width = positive_number("volume", volume, unit="m^3"), positive_number("broadening", broadening, unit="rad/s")
    require_choice("method", method, get_args(Method))
    require_choice("components", components, get_args(Components))
    require_choice("shape", shape, get_args(Shape))
    require_flag("reduced", reduced)
    require_flag("relaxational", relaxational)
    for name, count in (("steps", 2 if steps is None else steps), ("vectors", vectors)):
        count_from(2, name, count)
    if rng is not None:
        check_generator(rng)
    route = method if method != "auto" else "exact" if super_block.dimension <= _EXACT else "lanczos"
    if relaxational and (reduced or kelvin == 0.0 or route != "exact"):
        raise ValueError(
            "relaxational needs reduced=False, a positive temperature and the method exact, got "
            f"reduced={reduced}, temperature={kelvin:g} K, method={route}"
        )
    combinations, mixing = products(super_block.interaction.components, components)
    task = routes.Task(
        super_block, kelvin, tiles.check_threads(threads), combinations, waves(super_block, wavevector), width, shape
    )
    count = 0
    if route == "exact":
        samples, total_width, n = [routes.exact(task)], width, 0
    else:
        hamiltonian = task.hamiltonian()
        by = routes.plan(task, route, hamiltonian, bounds(hamiltonian), steps)
        total_width, n = by.width, by.steps
        if kelvin == 0.0:
            samples = [routes.ground(task, by)]
        else:
            if rng is None:
                raise TypeError(f"rng must be given for the random vectors of {route} at T > 0, got None")
            count, samples = vectors, [routes.thermal(task, by, rng) for _ in range(vectors)]
    mixing *= task.unit**2
    finish = _Finish(frequencies, task, mixing, np.pi / (units.HBAR * box), reduced)
    parts = [finish(sample) for sample in samples]
    if relaxational and samples[0].relaxation is not None:
        parts[0]["real"] += (mixing @ samples[0].relaxation / box)[:, None]
    norms = np.array([sample.norm for sample in samples])
    values = {}
    for name in parts[0]:
        mean, error = jackknife(np.array([part[name] for part in parts]), norms)
        if name == "real" and reduced:
            mean[:, frequencies == 0.0] = -np.inf
        for key, value in ((name, mean), (f"{name}_error", error)):
            values[key] = _packed(value, super_block.interaction.components, components)
    return Response(
        **values, width=total_width, remainder=finish.remainder(samples[0]), method=route, steps=n, vectors=count
    )


def check_super_block(super_block: object) -> None:
    """Raise a TypeError if it is no super block."""
    from mbfast.superblock.hamiltonian import SuperBlock  # noqa: PLC0415

    if not isinstance(super_block, SuperBlock):
        raise TypeError(f"super_block must be a SuperBlock, got {super_block!r:.80}")


def products(rank: int, components: Components) -> tuple[FloatArray, FloatArray]:
    """Return which components are added up in each operator (rows, rank), and what the squares make (results, rows).

    The isotropic moduli come from the trace and five tensors without one, all normalised: chi_l is a third of the
    first and 2/15 of the sum of the others, chi_t a tenth of it.
    """
    if components == "tensor":
        pairs = list(zip(*np.triu_indices(rank), strict=True))
        unit = np.eye(rank)
        rows = np.array([unit[a] if a == b else unit[a] + unit[b] for a, b in pairs])
        mixing = np.eye(len(pairs))
        for row, (a, b) in enumerate(pairs):
            if a != b:
                mixing[row] *= 0.5
                mixing[row, [pairs.index((a, a)), pairs.index((b, b))]] = -0.5
        return rows, mixing
    if rank != WEIGHTS.size:
        return np.eye(rank), np.full((1, rank), 1.0 / rank)
    rows = np.diag(np.sqrt(WEIGHTS))
    rows[:3, :3] = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
    rows[:3] /= np.linalg.norm(rows[:3], axis=1)[:, None]
    return rows, np.array([[1.0 / 3.0, *[2.0 / 15.0] * 5], [0.0, *[0.1] * 5]])


def waves(super_block: CoupledBlocks, wavevector: ArrayLike | None) -> list[FloatArray]:
    """Return the cosine of k.x_s of the blocks (N,), and the sine if k is not zero."""
    k = wave_vector(wavevector)
    phases = super_block.positions @ k
    return [np.cos(phases), np.sin(phases)] if k.any() else [np.ones(super_block.n_blocks)]


@dataclass
class _Finish:
    """Makes spectra and sum rules of lines, by name, (results, ...) each."""

    omega: FloatArray
    task: routes.Task
    mixing: FloatArray
    factor: float
    reduced: bool

    def __call__(self, sample: routes.Sample) -> dict[str, FloatArray]:
        frequencies, weights = sample.lines.collected()
        weights = self.mixing @ weights
        imaginary = self._imaginary(frequencies, weights, self.omega)
        if self.reduced:
            real = self._one_sided(frequencies, weights)
        else:
            real = -self.factor / np.pi * reactive(frequencies, weights, self.omega, self.task.width, self.task.shape)
        f_sum = 2.0 * units.HBAR * weights @ frequencies
        return {"imaginary": imaginary, "real": real, "total": weights.sum(axis=1), "f_sum": f_sum}

    def _imaginary(self, frequencies: FloatArray, weights: FloatArray, omega: FloatArray) -> FloatArray:
        x = thermal_ratio(omega, np.array(self.task.temperature))
        part = expit(x) if self.reduced else np.tanh(0.5 * x)
        return -self.factor * part * symmetrised(frequencies, weights, omega, self.task.width, self.task.shape)

    def _one_sided(self, frequencies: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the one-sided transform after (2.12) of Im chi~ as broadened, but zero at zero."""
        width = self.task.width
        last = np.abs(frequencies).max(initial=0.0) + (30.0 if self.task.shape == "lorentzian" else 10.0) * width
        least, most = _NODES / _MOST_NODES * last, 0.01 * LARGEST
        if not least <= width <= most:
            wanted = f"from {least:.3g} to {most:g} rad/s for reduced=True and levels such as these"
            raise ValueError(f"broadening must be {wanted}, got {width:g} rad/s")
        at = np.abs(self.omega)
        if ((at > 0.0) & ((at < max(SMALLEST, last / RANGE)) | (at > min(LARGEST, last * RANGE)))).any():
            raise ValueError(f"omega must be zero, or within a factor {RANGE:g} of {last:.3g} rad/s, for reduced=True")
        nodes = np.arange(0.0, last + width, width / _NODES)
        rate = self.task.temperature * units.K_B / units.HBAR
        if 0.0 < rate < width:  # the step of the populations
            nodes = np.append(
                np.arange(0.0, min(40.0 * rate, width), rate / _NODES), nodes[nodes >= min(40.0 * rate, width)]
            )
        samples = self._imaginary(frequencies, weights, nodes)
        if rate == 0.0:
            samples[:, 0] *= 2.0  # from above
        transform = KramersKronigPlan(
            nodes, at=at[at > 0.0], above="zero" if self.task.shape == "gaussian" else -2.0, _matrix=False
        )
        result = np.zeros((len(samples), at.size))  # infinite at zero, which is put in at the end
        result[:, at > 0.0] = transform(samples, threads=self.task.threads)
        return result

    def remainder(self, sample: routes.Sample) -> float:
        """Return how much the symmetrised spectrum changes at most with fewer steps, relative to its maximum."""
        if sample.shorter is None:
            return 0.0
        both = []
        for lines in (sample.lines, sample.shorter):
            frequencies, weights = lines.collected()
            both.append(symmetrised(frequencies, self.mixing @ weights, self.omega, self.task.width, self.task.shape))
        largest = np.abs(both[0]).max(initial=0.0)
        return float(np.abs(both[1] - both[0]).max() / largest) if largest else 0.0


def jackknife(sums: FloatArray, norms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the sum (...) of sums (n, ...) over that of norms (n,), and its standard error.

    Both from what it is without one of them each: the first also loses its bias of order 1/n.
    """
    n, whole, norm = len(sums), sums.sum(axis=0), norms.sum()
    if n == 1:
        return whole / norm, np.zeros_like(whole)
    others = (whole - sums) / (norm - norms).reshape(-1, *[1] * whole.ndim)
    mean = others.mean(axis=0)
    return n * whole / norm - (n - 1) * mean, np.sqrt((n - 1) / n * ((others - mean) ** 2).sum(axis=0))


def _packed(values: FloatArray, rank: int, components: Components) -> Values:
    """Return moduli, or a tensor (..., rank, rank), or the mean of a tensor of dipoles, from results (n, ...)."""
    if components == "isotropic":
        return Moduli(values[0], values[1]) if rank == WEIGHTS.size else values[0]
    rows, columns = np.triu_indices(rank)
    tensor = np.empty((*values.shape[1:], rank, rank))
    tensor[..., rows, columns] = tensor[..., columns, rows] = np.moveaxis(values, 0, -1)
    return tensor
