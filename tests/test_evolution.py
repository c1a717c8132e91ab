"""Super blocks in time: against exponentials and SciPy's solver, Rabi, the golden rule, work, and the error bars."""

import itertools
import math
import tracemalloc

import naive
import numpy as np
import pytest
from materials import DIPOLES, SILICA, WEIGHTS
from numpy.testing import assert_allclose
from scipy.sparse.linalg import expm_multiply
from test_response import ENERGY, GRID, KELVIN, SCALE, STRESS, VOLUME, WAVE, dense_stress, levels, wells

import mbfast
from mbfast import Block, SuperBlock
from mbfast.superblock import chebyshev, evolution, hamiltonian, lanczos
from mbfast.superblock.absorption import absorption
from mbfast.superblock.drive import StrainWave
from mbfast.units import HBAR, K_B

pytestmark = pytest.mark.compiled  # its kernels have tests without the JIT of their own

TIME = 1.0 / SCALE
DIRECTION = np.array([0.3, -0.5, 0.2, 0.4, -0.1, 0.6])
AMPLITUDE = ENERGY / STRESS  # of a strain that shifts levels as far as they are apart

MADE = {
    "wells": lambda: wells(1, 3),
    "complex": lambda: levels(2, 2),
    "dipoles": lambda: wells(3, 3, interaction=DIPOLES, unit=3e-29),
}
# what is complex takes long without the JIT
EACH = [pytest.param(make, id=name, marks=[pytest.mark.compiled] * (name == "complex")) for name, make in MADE.items()]


def drive(made, wave):
    """Sum over s of exp(i k.x_s) E:T_s as a matrix."""
    weights = wave.strain * (WEIGHTS if wave.strain.size == 6 else 1.0)
    return np.tensordot(weights, dense_stress(made, wave.wavevector), axes=1)


def states(seed, dimension, *shape):
    psi = np.random.default_rng(seed).normal(size=(dimension, *shape, 2)) @ [1, 1j]
    return psi / np.linalg.norm(psi)


def pulse(made, strength=0.3, omega=SCALE, duration=1.2, wavevector=WAVE, **more):
    components = made.interaction.components
    unit = AMPLITUDE if components == 6 else ENERGY / 3e-29
    strain = strength * unit * DIRECTION[:components]
    return StrainWave(strain, omega, duration * TIME, wavevector=wavevector, **more)


def sine(made, strength=0.3, omega=SCALE, duration=6.0, rise=2.0, **more):
    return pulse(made, strength, omega, duration, envelope="sine", rise=rise * TIME, **more)


@pytest.mark.thinned(1)
@pytest.mark.parametrize(
    "make", [*MADE.values(), lambda: SuperBlock(SILICA, GRID[:1], Block([0.0], np.zeros((6, 1, 1))))]
)
@pytest.mark.parametrize("rtol", [1e-3, 1e-11])
def test_in_peace_it_is_the_exponential(make, rtol):
    made = make()
    energies, vectors = np.linalg.eigh(made.dense())
    times = np.array([0.0, 0.1, 40.0, -3.0]) * TIME
    for psi in (states(4, made.dimension), states(5, made.dimension, 3), np.eye(made.dimension)[0]):
        phases = np.exp(-1j * np.multiply.outer(times, energies) / HBAR)
        exact = np.einsum("in,tn,n...->ti...", vectors, phases, vectors.conj().T @ psi)
        found = made.evolve(psi, times, rtol=rtol)
        assert found.shape == (4, *psi.shape)
        assert found.dtype == np.complex128
        for one, wanted in zip(found, exact, strict=True):
            assert np.linalg.norm(one - wanted) < rtol
        assert_allclose(made.evolve(psi, times[2], rtol=rtol), exact[2], rtol=0, atol=rtol)


@pytest.mark.compiled
def test_in_peace_as_scipy_has_it():
    made = wells(1, 8)
    psi = np.random.default_rng(2).normal(size=made.dimension)
    wanted = expm_multiply(made.hamiltonian() * (-1j * 5.0 * TIME / HBAR), psi.astype(complex), traceA=0.0)
    # of expm_multiply: rounding errors of double precision times the norm of the exponent
    assert np.linalg.norm(made.evolve(psi, 5.0 * TIME) - wanted) < 1e-10 * np.linalg.norm(psi)


@pytest.mark.parametrize("exponent", [-1060, -565, 532])  # of numbers below normal ones, and of squares without number
def test_states_of_any_norm(exponent):
    made = wells(1, 2)
    # of few digits, which numbers below normal ones have as well
    psi, unit = np.array([1.0, -0.5 + 0.25j, 0.75j, 0.125]), 2.0**exponent
    for options in ({}, {"wave": sine(made)}):
        wanted = made.evolve(psi, 3 * TIME, rtol=1e-3, **options)
        assert_allclose(made.evolve(psi * unit, 3 * TIME, rtol=1e-3, **options), wanted * unit, rtol=0, atol=0)
    assert not made.evolve(np.zeros(4), TIME).any()
    assert made.evolve(np.empty((4, 0)), TIME).shape == (4, 0)


def test_long_times_go_in_pieces(monkeypatch):
    made, psi = wells(1, 2), states(3, 4)
    whole = made.evolve(psi, 50 * TIME)
    monkeypatch.setattr(evolution, "_TERMS", 30)
    assert_allclose(made.evolve(psi, 50 * TIME), whole, rtol=0, atol=1e-12)


def test_levels_outside_of_the_interval_are_noticed():
    made = wells(1, 3)
    operator = lanczos.Operator(lambda x, out: made.apply(x, out=out), 8, made.dtype, 1)
    center, half = lanczos.bounds(operator)
    with pytest.raises(ArithmeticError, match="outside of the interval"):
        chebyshev.evolved(operator, np.ones(8), 20 * TIME, lanczos.Bounds(center, 0.7 * half), 1e-10)


@pytest.mark.parametrize("make", EACH)
def test_in_a_wave_errors_are_below_rtol(make):
    made = make()
    kind = pulse if made.dtype == np.float64 and made.interaction.components == 6 else sine
    wave, psi = kind(made), states(6, made.dimension)
    begin, end = wave.window
    # from before the wave, and through its end
    times = np.array([begin - TIME, 0.4 * begin + 0.6 * end, end + TIME])
    exact = naive.in_a_wave(made.dense(), drive(made, wave), wave.amplitude, wave.omega, psi, times, HBAR)
    for rtol in (1e-2, 1e-7):
        found = made.evolve(psi, times[1:], wave=wave, start=times[0], rtol=rtol)
        assert_allclose(np.linalg.norm(found - exact[1:], axis=1), 0.0, atol=rtol)


def test_in_a_strong_and_slow_wave_errors_are_below_rtol():
    # it turns the block by some 70 before the carrier has its first period
    made = wells(38, 1)
    wave, psi = sine(made, 8.0, 0.13 * SCALE, 7.0, rise=0.0), states(6, 2)
    exact = naive.in_a_wave(made.dense(), drive(made, wave), wave.amplitude, wave.omega, psi, wave.window, HBAR)[1]
    for rtol in (1e-2, 1e-4):
        assert np.linalg.norm(made.evolve(psi, wave.window[1], wave=wave, rtol=rtol) - exact) < rtol


def test_several_states_in_a_wave_are_those_one_by_one():
    made = wells(1, 3)
    wave, psi = sine(made), states(7, made.dimension, 2)
    both = made.evolve(psi, 6 * TIME, wave=wave, rtol=1e-7)
    for column in range(2):
        one = made.evolve(psi[:, column], 6 * TIME, wave=wave, rtol=1e-7)
        assert_allclose(both[:, column], one, rtol=0, atol=2e-7)


def test_back_in_time_the_first_state_returns():
    made = wells(1, 3)
    wave, psi = sine(made), states(8, made.dimension)
    begin, end = wave.window
    there, back = made.evolve(psi, [end, begin], wave=wave, start=begin, rtol=1e-8)
    assert np.linalg.norm(back - psi) < 2e-8
    assert abs(np.linalg.norm(there) - 1.0) < 1e-8
    assert np.linalg.norm(there - psi) > 0.1


def test_time_reversal():
    # of a real H and a wave without phases: the conjugate state runs back
    made = wells(1, 3)
    wave, psi = pulse(made, duration=0.5, wavevector=None), states(9, made.dimension)
    begin, end = wave.window
    there = made.evolve(psi, end, wave=wave, start=begin, rtol=1e-8)
    back = made.evolve(there.conj(), end, wave=wave, start=begin, rtol=1e-8)
    assert np.linalg.norm(back - psi.conj()) < 2e-8


@pytest.mark.parametrize("make", EACH[:2])
def test_a_driven_state_is_that_of_first_order_in_the_wave(make):
    # (3.2) for the wave: -i/hbar times the integral of the perturbation between the levels; the rest goes as A^2
    made = make()
    energies, vectors = np.linalg.eigh(made.dense())
    gaps, rest = (energies - energies[1]) / HBAR, []
    for strength in (2e-3, 1e-3):
        wave = sine(made, strength)
        w = vectors.conj().T @ drive(made, wave) @ vectors
        first = w[:, 1] * wave.spectrum(gaps - wave.omega) + w.conj()[1] * wave.spectrum(gaps + wave.omega)
        end = wave.window[1]
        found = vectors.conj().T @ made.evolve(vectors[:, 1], end, wave=wave, rtol=1e-7)
        change = found * np.exp(1j * energies * end / HBAR) - np.eye(made.dimension)[1]
        rest.append(np.linalg.norm(change + 1j * first / HBAR) / np.linalg.norm(first / HBAR) ** 2)
    assert rest[0] < 2.0
    assert rest[1] == pytest.approx(rest[0], rel=0.05)


@pytest.mark.parametrize("rise", [0.0, 0.7, 2.5])
def test_spectrum_of_a_sine(rise):
    wave = StrainWave(DIRECTION * 1e-6, 1.0, 5.0, envelope="sine", rise=rise)
    x, weights = np.polynomial.legendre.leggauss(60)
    nodes = [(0.5 * (a + b) + 0.5 * (b - a) * x, 0.5 * (b - a) * weights) for a, b in itertools.pairwise(wave.corners)]
    # pi/rise and the zeros of the box are where closed forms have removable singularities
    for w in (0.0, 0.3, -2.0, math.pi / 0.7, 2.0 * math.pi / 5.0, 11.0):
        wanted = sum(np.sum(weight * wave.amplitude(t) * np.exp(1j * w * t)) for t, weight in nodes)
        assert abs(wave.spectrum(w) - wanted) < 1e-13


def test_spectrum_of_a_pulse():
    wave = StrainWave(DIRECTION * 1e-6, 1.0, 0.5)
    t = np.linspace(*wave.window, 1001)
    for w in (0.0, 1.0, -7.0):
        assert abs(wave.spectrum(w) - np.sum(wave.amplitude(t) * np.exp(1j * w * t)) * (t[1] - t[0])) < 1e-13
    assert wave.amplitude([0.0, 0.5, 9.0]).tolist() == [1.0, math.exp(-0.5), 0.0]


def one_block(asymmetry=0.0):
    block = Block.two_level(asymmetry * ENERGY, math.sqrt(1.0 - asymmetry**2) * ENERGY, STRESS * DIRECTION)
    return SuperBlock(SILICA, GRID[:1], block)


def test_rabi():
    # in resonance a weak sine turns by the angle 2|M|t/hbar, but for what turns against it: of order |M|/(hbar omega)
    made = one_block()
    omega = ENERGY / HBAR
    wave = StrainWave(1e-2 * AMPLITUDE * DIRECTION, omega, 1.0)
    element = abs(np.linalg.eigh(made.dense())[1].T @ drive(made, wave) @ np.linalg.eigh(made.dense())[1])[0, 1]
    for angle in (0.3, math.pi / 2, math.pi):
        duration = angle * HBAR / (2.0 * element)
        wave = StrainWave(wave.strain, omega, duration, envelope="sine")
        energy = made.absorption(wave, 0.0, rtol=1e-4).energy
        assert energy == pytest.approx(ENERGY * math.sin(angle / 2) ** 2, rel=0, abs=1e-2 * ENERGY)
        # the golden rule does not saturate
        assert made.linear_absorption(wave, 0.0) == pytest.approx(ENERGY * angle**2 / 4, rel=0.1)


@pytest.mark.parametrize("temperature", [0.0, 0.7 * KELVIN])
def test_saturation_against_scipy(temperature):
    made, ratios = one_block(0.6), []
    hamiltonian_, n = made.dense(), 2
    for strength in (0.02, 0.4, 3.0):
        wave = pulse(made, strength, ENERGY / HBAR)
        found = made.absorption(wave, temperature, rtol=1e-6)
        energies, vectors = np.linalg.eigh(hamiltonian_)
        p = np.exp(-(energies - energies[0]) / (K_B * temperature)) if temperature else np.array([1.0, 0.0])
        p /= p.sum()
        gained = 0.0
        for m, sign in itertools.product(range(n), (1.0, -1.0)):
            last = naive.in_a_wave(
                hamiltonian_, sign * drive(made, wave), wave.amplitude, wave.omega, vectors[:, m], wave.window, HBAR
            )[-1]
            gained += 0.5 * p[m] * ((last.conj() @ hamiltonian_ @ last).real - energies[m])
        assert found.energy == pytest.approx(gained, rel=1e-6)
        assert found.method == "exact"
        assert 0.0 < found.step_error < 1e-5 * found.energy
        assert found.energy < (p[0] - p[1]) * ENERGY  # all that one block can take
        ratios.append(found.energy / made.linear_absorption(wave, temperature))
    assert ratios[0] == pytest.approx(1.0, abs=3e-2)
    assert 1.0 > ratios[1] > 10 * ratios[2]


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_second_order_is_the_golden_rule(make):
    made = make()
    h = made.dense()
    for wave, temperature in ((pulse(made), 0.0), (pulse(made), KELVIN), (sine(made), KELVIN)):
        arguments = (h, drive(made, wave), wave.amplitude, wave.omega, temperature, wave.corners, HBAR, K_B)
        assert made.linear_absorption(wave, temperature) == pytest.approx(naive.golden_rule(*arguments), rel=1e-9)


@pytest.mark.thinned(1)
@pytest.mark.parametrize("make", EACH)
@pytest.mark.parametrize("temperature", [0.0, KELVIN])
def test_a_weak_wave_is_absorbed_as_the_golden_rule_says(make, temperature):
    made, wanted = make(), []
    ratios = []
    for strength in (2e-3, 1e-3):
        wave = sine(made, strength)
        wanted.append(made.linear_absorption(wave, temperature))
        found = made.absorption(wave, temperature, rtol=2e-6)
        assert found.step_error < 1e-3 * found.energy
        ratios.append(found.energy / wanted[-1] - 1.0)
    assert wanted[0] == pytest.approx(4.0 * wanted[1], rel=1e-12)
    assert abs(ratios[0]) < 0.05
    assert abs(ratios[1]) < 0.3 * abs(ratios[0]) + 2e-4  # of the fourth order


@pytest.mark.parametrize(("make", "far"), [(pulse, 0.0), (sine, 1e-60)])
def test_levels_of_any_height_have_a_golden_rule(make, far):
    # levels 1e10 J apart, of no physical block: a pulse does not reach them, and a sine's corners hardly do
    made = one_block()
    wave = make(made, 1e-3, wavevector=None)
    high = SuperBlock(SILICA, GRID[:1], Block.two_level(0.0, 1e10, STRESS * DIRECTION))
    assert 0.0 <= high.linear_absorption(wave, KELVIN) <= far * made.linear_absorption(wave, KELVIN)


def test_a_long_pulse_is_absorbed_as_3_1_says():
    # in resonance with one block (3.1) times the integral of f^2 is the second order, but for what turns against it
    made = one_block(0.6)
    wave = StrainWave(1e-9 * np.array([1.0, 0, 0, 0, 0, 0]), ENERGY / HBAR, 8 * TIME)
    for temperature in (0.0, KELVIN):
        response = made.susceptibility(
            [wave.omega], temperature, volume=VOLUME, broadening=1.0 / (math.sqrt(2.0) * wave.duration),
            components="tensor", reduced=False,
        )  # fmt: skip
        rate = -2.0 * VOLUME * 1e-18 * wave.omega * response.imaginary[0, 0, 0]
        wanted = made.linear_absorption(wave, temperature)
        assert wanted == pytest.approx(math.sqrt(math.pi) * wave.duration * rate, rel=1e-12)


@pytest.mark.parametrize("make", EACH[:2])
def test_the_energy_gained_is_the_work_done(make):
    # the integral of <dH/dt>: of a pulse the trapezoidal rule is exact to all digits
    made = make()
    wave, psi = pulse(made, 2.0, duration=0.7), states(10, made.dimension)
    times = np.linspace(*wave.window, 81)
    w, h = drive(made, wave), made.dense()
    along = made.evolve(psi, times, wave=wave, start=times[0], rtol=1e-7)
    power = []
    for t, state in zip(times, along, strict=True):
        f = float(wave.amplitude(t))
        slope = (-t / wave.duration**2 - 1j * wave.omega) * f * np.exp(-1j * wave.omega * t) * w
        power.append((state.conj() @ (slope + slope.conj().T) @ state).real)
    work = np.sum(power) * (times[1] - times[0])
    gained = (along[-1].conj() @ h @ along[-1] - psi.conj() @ h @ psi).real
    assert abs(gained) > 0.01 * ENERGY
    assert gained == pytest.approx(work, rel=0, abs=1e-6 * ENERGY)


@pytest.mark.parametrize("method", ["exact", "typical"])
def test_no_wave_no_absorption(method):
    made = wells(1, 3)
    rng = np.random.default_rng(1)
    found = made.absorption(pulse(made, 0.0), KELVIN, method=method, rng=rng, vectors=2)
    assert abs(found.energy) <= found.step_error < 1e-6 * ENERGY
    assert made.linear_absorption(pulse(made, 0.0), KELVIN) == 0.0


@pytest.mark.compiled
@pytest.mark.parametrize(("make", "strength"), [(lambda: wells(1, 5), 3e-3), (lambda: levels(2, 3, 2), 0.5)])
def test_typical_states_have_the_mean_over_all_levels(make, strength):
    made = make()
    wave = sine(made, strength)
    exact = made.absorption(wave, KELVIN, method="exact", rtol=1e-3)
    found = made.absorption(wave, KELVIN, method="typical", rtol=1e-3, vectors=8, rng=np.random.default_rng(3))
    assert (found.method, found.vectors) == ("typical", 8)
    # the error bars are of Student's t with 7 degrees of freedom; of a weak wave the linear part is gone
    assert abs(found.energy - exact.energy) < 4.0 * found.energy_error
    assert found.energy_error < 0.3 * exact.energy


def test_ground_states_absorb_as_the_lowest_levels():
    made = wells(1, 4)
    wave = pulse(made, 0.2)
    exact, ground = (made.absorption(wave, 0.0, method=method) for method in ("exact", "ground"))
    assert ground.energy == pytest.approx(exact.energy, rel=1e-5)
    # two blocks without tunnelling that prefer to be parallel: two ground states, which a transverse stress moves
    pair = SuperBlock(
        SILICA, GRID[:2], Block([0.0, ENERGY], STRESS * np.array([np.eye(2)] * 2 + [[[0, 1], [1, 0]]] * 4))
    )
    both = pair.absorption(pulse(pair, 0.2), 0.0, method="ground").energy
    assert both == pytest.approx(pair.absorption(pulse(pair, 0.2), 0.0, method="exact").energy, rel=1e-5)


@pytest.mark.compiled
def test_the_same_bits_for_any_number_of_threads():
    made = mbfast.SuperBlock(SILICA, np.random.default_rng(1).normal(size=(15, 3)) * 2e-8, wells(2, 8).levels[:1] * 15)
    psi, wave = states(1, made.dimension), sine(made, duration=0.4, rise=0.1)
    one, three = (made.evolve(psi, [0.2 * TIME, -0.3 * TIME], wave=wave, rtol=1e-4, threads=n) for n in (1, 3))
    assert (one == three).all()


def test_what_does_not_fit_is_refused_with_numbers(monkeypatch):
    made = wells(1, 3)
    monkeypatch.setattr(hamiltonian, "available_memory", lambda: 2000.0)
    with pytest.raises(MemoryError, match=r"evolution of 3 blocks with 8 states needs .* GB, .* available; what would"):
        made.evolve(np.ones(8), np.zeros(20))
    for method, temperature in (("exact", 0.0), ("ground", 0.0), ("typical", KELVIN)):
        monkeypatch.setattr(hamiltonian, "available_memory", lambda: 900.0)
        with pytest.raises(MemoryError, match=f"method='{method}' of 3 blocks"):
            made.absorption(pulse(made), temperature, method=method, rng=np.random.default_rng(1))
    with pytest.raises(MemoryError, match="linear absorption of 3 blocks"):
        made.linear_absorption(pulse(made), 0.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"strain": [1.0, 2.0]}, "strain must have shape"),
        ({"strain": [0.2, 0, 0, 0, 0, 0]}, "strain must be below 0.1"),
        ({"strain": np.arange(9.0).reshape(3, 3) * 1e-3}, "strain must be"),
        ({"omega": -1.0}, "omega must not be negative, got -1 rad/s"),
        ({"omega": np.nan}, "omega must be finite"),
        ({"duration": 0.0}, "duration must be positive"),
        ({"envelope": "box"}, "envelope must be one of pulse, sine"),
        ({"rise": 0.1}, "rise must be 0 for a pulse, got 0.1"),
        ({"envelope": "sine", "rise": 0.6}, "rise must be from 0 to half the duration, 0.5 s, got 0.6"),
        ({"wavevector": [1.0, 2.0]}, "wavevector must have shape"),
        ({"wavevector": [1.0, 2.0, np.inf]}, "wavevector must be finite"),
    ],
)
def test_waves_that_are_refused(more, words):
    with pytest.raises(ValueError, match=words):
        StrainWave(**{"strain": 1e-6 * DIRECTION, "omega": 1.0, "duration": 1.0, **more})


def test_arguments_that_do_not_go_together():
    made = wells(1, 2)
    wave = pulse(made)
    with pytest.raises(ValueError, match="wave must have 6 components as the interaction has, got 3"):
        made.evolve(np.ones(4), 1.0, wave=StrainWave([1.0, 0, 0], 1.0, 1.0))
    with pytest.raises(ValueError, match="method must be typical or exact at 1 K, got ground"):
        made.absorption(wave, 1.0, method="ground")
    with pytest.raises(ValueError, match="method must be ground or exact at 0 K, got typical"):
        made.absorption(wave, 0.0, method="typical")
    with pytest.raises(TypeError, match="rng must be given"):
        absorption(made, wave, 1.0, method="typical")
    with pytest.raises(ValueError, match=r"rtol must be .* at least for times as long as these, got 1e-10"):
        made.evolve(np.ones(4), 1e6 * TIME)
    with pytest.raises(ValueError, match="psi must be finite"):
        made.evolve([np.nan, 0, 0, 0], 1.0)


def test_an_rtol_below_rounding_errors_is_refused(monkeypatch):
    made = wells(1, 2)
    monkeypatch.setattr(evolution, "_ROUNDING", 1e-19)
    with pytest.raises(ValueError, match="rtol must be larger: rounding errors of a step are above it, got 1e-12"):
        made.evolve(states(1, 4), TIME, wave=sine(made, 1e-6), rtol=1e-12)


def test_progress_is_counted():
    made, psi = wells(1, 3), states(1, 8)
    wave, times = sine(made), np.array([3.0, 6.0, 6.0, -1.0]) * TIME

    def counted(call):
        seen = []
        call(lambda *counts: seen.append(counts))
        assert seen == [(n, 100) for n in range(1, 101)]

    for options in ({}, {"wave": wave}, {"wave": pulse(made, 0.0)}):
        counted(lambda progress, more=options: made.evolve(psi, times, progress=progress, rtol=1e-2, **more))
    counted(lambda progress: made.evolve(psi, 0.0, progress=progress))
    counted(lambda progress: made.evolve(np.zeros(8), TIME, wave=wave, progress=progress))
    for method, temperature in (("exact", KELVIN), ("ground", 0.0), ("typical", KELVIN)):
        options = {"method": method, "rtol": 1e-2, "vectors": 2, "rng": np.random.default_rng(1)}
        counted(lambda progress, t=temperature, more=options: made.absorption(wave, t, progress=progress, **more))

    class StopError(Exception):
        pass

    def stop(done, _):
        if done == 50:
            raise StopError

    # it is called on the way, and may end it
    for options in ({}, {"wave": wave}):
        with pytest.raises(StopError):
            made.evolve(psi, 6 * TIME, progress=stop, rtol=1e-2, **options)


def test_waves_of_too_many_steps_are_refused(monkeypatch):
    made, psi = wells(1, 1), states(1, 2)
    long = pulse(made, 1e-3, 1e10, duration=1e-3 / TIME, envelope="sine")
    words = (
        r"wave must take at most 1000000 steps, .* 0.001 s in 4.77e\+06 steps at least, as none is longer than 2.1e-10"
    )
    with pytest.raises(ValueError, match=words):
        made.evolve(psi, 1e-3, wave=long, rtol=1e-2)
    with pytest.raises(ValueError, match=words):
        made.absorption(long, 0.0, rtol=1e-2)
    # what counts is the time in the wave
    assert np.isfinite(made.evolve(psi, 1e-9, start=-1e-9, wave=long, rtol=1e-2)).all()
    monkeypatch.setattr(evolution, "_LONGEST", 3)
    assert np.isfinite(made.evolve(psi, [4e-10, 2e-10], wave=long, rtol=1e-2)).all()
    with pytest.raises(ValueError, match="wave must take at most 3 steps"):
        made.evolve(psi, [4e-10, -1e-9], wave=long, rtol=1e-2)


def test_waves_are_read_only_and_have_an_opposite():
    wave = StrainWave(1e-6 * np.diag([1.0, 2.0, 3.0]), 1.0, 2.0, envelope="sine", rise=0.5, wavevector=[1.0, 0, 0])
    with pytest.raises(ValueError, match="read-only"):
        wave.strain[0] = 1.0
    other = wave.opposite
    assert other.strain.tolist() == (-wave.strain).tolist()
    assert [getattr(other, name) == getattr(wave, name) for name in ("omega", "duration", "envelope", "rise")] == [
        True
    ] * 4
    assert wave.corners == [0.0, 0.5, 1.5, 2.0]


@pytest.mark.compiled
@pytest.mark.parametrize("driven", [False, True])
def test_memory_is_what_is_reckoned_with(driven):
    n = 14
    made = mbfast.SuperBlock(SILICA, np.random.default_rng(1).normal(size=(n, 3)) * 2e-8, wells(2, 8).levels[:1] * n)
    psi = states(1, made.dimension)
    options = {"wave": sine(made, 2.0, duration=0.4, rise=0.1), "rtol": 1e-3} if driven else {}
    made.evolve(psi, 1e-3 * TIME, threads=1, **options)  # tables that are kept
    tracemalloc.start()
    made.evolve(psi, np.array([0.1, 0.3]) * TIME, threads=1, **options)
    most = tracemalloc.get_traced_memory()[1] / made.dimension
    tracemalloc.stop()
    # beside the states there are some small arrays
    assert 0.8 < most / evolution.bytes_needed(1.0, 2, driven=driven) < 1.05
