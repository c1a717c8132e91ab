"""The flow: closed forms, the continuous limit, and what must not matter."""

import math
from typing import get_args

import numpy as np
import pytest
import scipy.integrate
from materials import SILICA

import mbfast
from mbfast import units
from mbfast.renormalization.terms import FORMS, DerivedTerms, PointTerms, RateForm

pytestmark = pytest.mark.compiled  # spectra of hundreds of nodes

MODULI = 2200 * np.array([5800.0, 3800.0]) ** 2
NODES = np.geomspace(1e5, 1e15, 192)
SHAPE = NODES**0.02 / (1 + (NODES / 3e13) ** 2)


def made(longitudinal, transverse, temperature=0.0, nodes=NODES):
    return mbfast.Spectrum(nodes, longitudinal, transverse, temperature, above="power")


def spectrum(temperature=0.0, scale=1.0):
    return made(-7e7 * scale * SHAPE, -3e7 * scale * SHAPE, temperature)


def of(result):
    return np.stack([result.longitudinal, result.transverse])


def analytic(given):
    """chi~ of the one-sided transform, (2, n), an analytic function of omega."""
    imag = np.stack([given.longitudinal, given.transverse])
    return mbfast.KramersKronigPlan(NODES, above="power")(imag) + 1j * imag


@pytest.mark.parametrize("kelvin", [0.0, 2.0])
@pytest.mark.parametrize("n0", [2.0, 7.3])
def test_printed_flow_is_a_quadratic_map_of_an_analytic_function(kelvin, n0):
    # K = 0 and a block of 1 mm: no terms in L^-3
    given = spectrum(kelvin)
    run = mbfast.flow(given, SILICA, start=1e-3, stop=200.0, n0=n0, k_l=0, k_t=0)
    chi = analytic(given)
    for scale, larger in zip(run.scales[:-1], run.scales[1:], strict=True):
        chi = chi - math.log(larger / scale) * chi**2 / MODULI[:, None]
    for a, error in enumerate(run.error):
        assert np.abs(of(run)[a, -1] - chi[a].imag).max() < error < 1e-5 * np.abs(chi[a].imag).max()
    assert run.status == "done"


def test_small_steps_are_the_continuous_flow():
    # chi/(1 + chi ln(L/L_1)/rho c^2); the error of small steps is linear in ln N0, so two of them extrapolate it
    given = spectrum(scale=3.0)
    results = [
        of(mbfast.flow(given, SILICA, start=1e-6, stop=1e-3, n0=n0, keep="ends"))[:, -1] for n0 in (1.06, 1.06**0.5)
    ]
    chi = analytic(given)
    exact = (chi / (1 + chi * math.log(1e3) / MODULI[:, None])).imag
    first = np.abs(results[0] - exact).max()
    second = np.abs(results[1] - exact).max()
    assert first / second == pytest.approx(2.0, rel=0.03)
    assert np.abs(2 * results[1] - results[0] - exact).max() < 3e-2 * second


def test_small_steps_agree_with_solve_ivp():
    # every term matters: blocks of an angstrom
    given = made(-7e7 * SHAPE[::2], -3e7 * SHAPE[::2], 300.0, NODES[::2])
    start, stop = 1e-10, 4e-10
    edges = {"above": "power"}
    plan, kk = mbfast.ConvolutionPlan(given.omega, **edges), mbfast.KramersKronigPlan(given.omega, **edges)
    alpha = SILICA.alpha

    def slope(s, flat):
        f = flat.reshape(2, -1)
        volume = (start * math.exp(s)) ** 3
        tt = units.HBAR * plan(f[1], temperature=300.0) / (np.pi**3 * MODULI[1] ** 2 * volume)
        x = f[0] / f[1] - 2
        brackets = np.stack(
            [
                55 + 176 * alpha + 688 * alpha**2 + 44 * (1 + 2 * alpha) ** 2 * x,
                35 + 112 * alpha + 656 * alpha**2 + 28 * (1 + 2 * alpha) ** 2 * x,
            ]
        )
        return (-(brackets / 80 + 0.5 * 0.7) * tt - 2 * f * kk(f) / MODULI[:, None]).ravel()

    initial = np.stack([given.longitudinal, given.transverse])
    exact = scipy.integrate.solve_ivp(slope, (0, math.log(stop / start)), initial.ravel(), rtol=1e-9, atol=1.0)
    exact = exact.y[:, -1].reshape(2, -1)
    options = {"start": start, "stop": stop, "k_l": 0.7, "k_t": 0.7, "keep": "ends"}
    results = [of(mbfast.flow(given, SILICA, n0=n0, **options))[:, -1] for n0 in (1.02, 1.02**0.5)]
    inside = slice(1, -1)
    first, second = (np.abs(r - exact)[:, inside].max() for r in results)
    assert first / second == pytest.approx(2.0, rel=0.05)
    assert np.abs(2 * results[1] - results[0] - exact)[:, inside].max() < 0.02 * second
    assert second < 5e-3 * np.abs(exact - initial).max()


@pytest.mark.parametrize("form", ["printed", "derived", "derived-points"])
@pytest.mark.parametrize("n0", [2.0, 5.7])
def test_two_flows_in_a_row_are_one(form, n0):
    options = {"n0": n0, "form": form}
    whole = mbfast.flow(spectrum(1.0), SILICA, start=1e-9, stop=1e-9 * n0**7, **options)
    first = mbfast.flow(spectrum(1.0), SILICA, start=1e-9, stop=1e-9 * n0**3, **options)
    halfway = made(*first.final, 1.0)
    second = mbfast.flow(halfway, SILICA, start=1e-9 * n0**3, stop=1e-9 * n0**7, **options)
    # scales are powers of N0 times the start, equal to rounding errors
    np.testing.assert_allclose(second.scales, whole.scales[3:], rtol=1e-14)
    np.testing.assert_allclose(of(second), of(whole)[:, 3:], rtol=1e-12)


@pytest.mark.parametrize("n0", [1.5, 2.0, 10.0, 321.0])
def test_linear_flow_is_4_2(n0):
    # eps(R) = eps(L_1) + v log_N0(R/L_1) + (eps2 + eps3)(L_1) (1 + N0^-3 + ...), the last step being a smaller one
    given = spectrum(50.0)
    start, stop = 3e-10, 1e-3
    run = mbfast.flow(given, SILICA, start=start, stop=stop, n0=n0, linear=True)
    rates = mbfast.absorption_rates(given, SILICA, start, n0)
    thermal = -np.expm1(-units.HBAR * NODES / (units.K_B * 50.0))
    per_chi = -2 * (n0 * start) ** 3 * NODES * thermal
    whole = int(math.log(stop / start) / math.log(n0))
    rest = math.log(stop / start / n0**whole) / math.log(n0)
    series = sum(n0 ** (-3.0 * m) for m in range(whole)) + rest * n0 ** (-3.0 * whole)
    for a in range(2):
        chi = of(given)[a]
        wanted = chi + rates.interaction[a] / per_chi * math.log(stop / start) / math.log(n0)
        wanted += (rates.second[a] + rates.third[a]) / per_chi * series
        np.testing.assert_allclose(of(run)[a, -1], wanted, rtol=1e-13)


def test_linear_flow_does_not_depend_on_n0_where_4_2_says_so():
    # v log_N0 R/L_1 does not; the rest, per step proportional to ln N0, does
    runs = [mbfast.flow(spectrum(), SILICA, start=1e-5, n0=n0, linear=True, k_l=0, k_t=0) for n0 in (1.7, 40.0)]
    np.testing.assert_allclose(of(runs[0])[:, -1], of(runs[1])[:, -1], rtol=1e-13)
    sums = [
        np.sum(run.terms.third.transverse, axis=0)
        for run in (mbfast.flow(spectrum(), SILICA, start=1e-9, n0=n0, linear=True) for n0 in (2.0, 8.0))
    ]
    # ln N0/(1 - N0^-3)
    np.testing.assert_allclose(sums[1] / sums[0], 3 * (1 - 1 / 8) / (1 - 1 / 512), rtol=1e-9)


@pytest.mark.parametrize("glass", [g.name for g in mbfast.load_glasses()])
def test_ratio_c_l_to_c_t_stays_in_the_printed_form(glass):
    (g,) = mbfast.load_glasses(names=[glass])
    material = mbfast.StressInteraction(g.density or 2500.0, g.c_l, g.c_t)
    modulus = material.density * g.c_t**2
    t = -1e-3 * modulus * SHAPE
    given = made(t * (g.c_l / g.c_t) ** 2, t)
    run = mbfast.flow(given, material, n0=3.0, k_l=0, k_t=0)
    # (3.5) has another ratio and is 1e-10 of Im chi~ here
    np.testing.assert_allclose(run.ratio, g.c_l / g.c_t, rtol=1e-8)
    assert mbfast.self_consistent_ratio(g.c_l, g.c_t) == pytest.approx(g.c_l / g.c_t, rel=1e-15)


def test_the_printed_flow_leaves_the_self_consistent_ratio():
    # whichever chi is the larger part of its rho c^2 grows faster, as long as blocks are stable
    for factor in (0.9, 1.1):
        given = made(-3e7 * factor * (5800 / 3800) ** 2 * SHAPE, -3e7 * SHAPE)
        ratio = mbfast.flow(given, SILICA).ratio[:, 50] / (5800 / 3800)
        assert (np.diff(ratio) * (factor - 1) > 0).all()


def test_the_printed_flow_comes_nearer_to_the_self_consistent_ratio_where_re_chi_is_positive():
    # above a peak of absorption, where chi falls; below it the ratio moves away as everywhere else
    peak = np.exp(-(np.log(NODES / 1e9) ** 2)) + 1e-3 * SHAPE
    for factor in (0.9, 1.1):
        given = made(-3e8 * factor * (5800 / 3800) ** 2 * peak, -3e8 * peak)
        real = mbfast.KramersKronigPlan(NODES, above="power")(given.transverse)
        away = np.diff(mbfast.flow(given, SILICA, stop=1e-6).ratio, axis=0) * (factor - 1)
        assert (away[:, real < -1e7] > 0).all()
        assert (away[:, real > 1e7] < 0).all()
        assert (real > 1e7).any()


@pytest.mark.parametrize("form", ["printed", "derived", "total-strain"])
def test_terms_add_up_and_one_step_is_the_sum_of_rates(form):
    given = spectrum(1.0)
    run = mbfast.flow(given, SILICA, start=1e-9, n0=4.0, form=form)
    for a in range(2):
        total = sum(term[a] for term in run.terms)
        np.testing.assert_allclose(np.diff(of(run)[a], axis=0), total, rtol=1e-6, atol=1e-9 * 3e7)
    rates = mbfast.absorption_rates(given, SILICA, 1e-9, 4.0, form=form)
    next_block = made(run.longitudinal[1], run.transverse[1], 1.0)
    single = mbfast.absorption_rates(next_block, SILICA, 4e-9, 4.0, form=form).single
    for a in range(2):  # (3.8)
        np.testing.assert_allclose(single[a], rates.total[a], rtol=1e-12)
        np.testing.assert_allclose(
            sum(share[a] for share in run.shares)[0], 1 - of(run)[a, 0] / of(run)[a, 1], atol=1e-12
        )


def test_derived_flow_of_long_waves_changes_nothing():
    run = mbfast.flow(spectrum(), SILICA, form="derived")
    low = NODES < 3e5  # waves of 8 cm and more
    for a in range(2):
        np.testing.assert_allclose(of(run)[a, -1, low], of(run)[a, 0, low], rtol=1e-5)
    printed = mbfast.flow(spectrum(), SILICA)
    assert (printed.transverse[-1, low] / printed.transverse[0, low] > 1.2).all()


def test_divergence_says_where():
    given = made(-6e8 * SHAPE, -2.6e8 * SHAPE)
    run = mbfast.flow(given, SILICA, start=1e-7, n0=1.05)
    chi, steps = analytic(given), 0
    while (-chi.real < MODULI[:, None]).all():
        chi, steps = chi - math.log(1.05) * chi**2 / MODULI[:, None], steps + 1
    assert run.status == "diverged"
    assert run.scales.size == steps + 1
    assert run.scales[-1] == run.stopped_at == pytest.approx(1e-7 * 1.05**steps, rel=1e-12)
    assert np.isfinite(of(run)).all()
    unstable = mbfast.flow(made(-1e10 * SHAPE, -5e9 * SHAPE), SILICA)
    assert (unstable.status, unstable.stopped_at, unstable.scales.shape) == ("diverged", 5e-9, (1,))
    assert mbfast.flow(given, SILICA, start=1e-7, linear=True).status == "done"
    one = mbfast.flow(made(-1.4e9 * SHAPE, -6e8 * SHAPE), SILICA, n0=2e5)  # unstable at its end
    assert (one.status, one.stopped_at) == ("diverged", 1e-3)


def test_cutoff_length_is_that_of_the_rates():
    run = mbfast.flow(spectrum(1.0), SILICA, start=1e-9, n0=3.0)
    rates = mbfast.absorption_rates(spectrum(1.0), SILICA, 1e-9, 3.0)
    np.testing.assert_allclose(np.stack(run.cutoff_length), np.stack(rates.cutoff_length), rtol=1e-10)


def test_a_step_too_long_for_the_perturbation_would_emit():
    peak = np.exp(-((np.log(NODES / 1e12)) ** 2))  # Re chi > 0 above the peak
    run = mbfast.flow(made(-1.4e10 * peak - SHAPE, -4e9 * peak - SHAPE), SILICA, start=1e-5, stop=10.0, n0=1e6)
    assert run.status == "emission"
    assert run.stopped_at == 1e-5


def test_batches_are_the_flows_one_by_one():
    materials = np.array([SILICA, mbfast.StressInteraction(2510, 6200, 3800)])
    options = {"start": 1e-9, "stop": 1e-6, "form": "printed"}
    many = mbfast.flow(
        spectrum([0.0, 1.0]), materials[:, None], n0=[[2.0], [3.0]], k_l=[0.5, 1.0], threads=2, **options
    )
    assert many.status.shape == (2, 2)
    for i in range(2):
        for j, kelvin in enumerate((0.0, 1.0)):
            one = mbfast.flow(spectrum(kelvin), materials[i], n0=2.0 + i, k_l=(0.5, 1.0)[j], threads=1, **options)
            steps = one.scales.size
            assert np.isnan(many.scales[i, j, steps:]).all()
            for name in ("scales", "longitudinal", "transverse", "ratio"):
                assert np.array_equal(getattr(many, name)[i, j][:steps], getattr(one, name)), name
            assert np.array_equal(np.stack(many.final)[:, i, j], np.stack(one.final))
            assert np.array_equal(np.stack(many.error)[:, i, j], np.stack(one.error))


def test_ends_and_progress():
    told = []
    ends = mbfast.flow(
        spectrum([0.0, 1.0]), SILICA, keep="ends", progress=lambda done, total: told.append((done, total)), threads=1
    )
    every = mbfast.flow(spectrum([0.0, 1.0]), SILICA)
    assert told == [(1, 2), (2, 2)]
    assert ends.longitudinal.shape == (2, 2, NODES.size)
    assert np.array_equal(np.stack(ends.final), np.stack(every.final))
    np.testing.assert_allclose(
        ends.terms.interaction.longitudinal[:, 0], every.terms.interaction.longitudinal.sum(axis=1), rtol=1e-12
    )


@pytest.mark.parametrize("form", ["printed", "derived", "total-strain"])
def test_moving_the_cutoff_is_moving_the_nodes(form):
    moved = mbfast.flow(spectrum(1.0), SILICA, omega_c=[1e13, 1e14], form=form)
    for i, factor in enumerate((1e-2, 1e-1)):
        given = spectrum(1.0)
        there = made(given.longitudinal, given.transverse, 1.0, NODES * factor)
        np.testing.assert_allclose(of(moved)[:, i], of(mbfast.flow(there, SILICA, form=form)), rtol=1e-9)
        np.testing.assert_allclose(moved.omega[i], NODES * factor, rtol=1e-14)


def test_a_jump_at_the_last_node_takes_its_neighbours_real_part():
    flat = mbfast.Spectrum(NODES, np.full(192, -7e7), np.full(192, -3e7))
    run = mbfast.flow(flat, SILICA, start=1e-4, stop=2e-4)
    growth = run.transverse[1] / run.transverse[0]
    exact = 1 + 2 * math.log(2) / MODULI[1] * 3e7 / np.pi * np.log((1e30 - NODES[:-1] ** 2) / NODES[:-1] ** 2)
    np.testing.assert_allclose(growth[:-1], exact, rtol=1e-13)
    assert growth[-1] == growth[-2]


def test_a_form_is_one_class_and_one_row(monkeypatch):
    class Halved(DerivedTerms):
        name = "halved"
        largest_side = 100.0

        def relevant(self, omega, size, given):
            return 0.5 * super().relevant(omega, size, given)

    monkeypatch.setitem(FORMS, "halved", Halved)
    given, options = spectrum(1.0), {"start": 1e-9, "n0": 3.0}
    run, derived = (mbfast.flow(given, SILICA, form=form, **options) for form in ("halved", "derived"))
    assert run.inputs["form"] == "halved"
    rates, of_derived = (mbfast.absorption_rates(given, SILICA, 1e-9, 3.0, form=form) for form in ("halved", "derived"))
    for a in range(2):
        assert np.array_equal(run.terms.interaction[a][0], 0.5 * derived.terms.interaction[a][0])
        assert np.array_equal(run.terms.second[a][0], derived.terms.second[a][0])
        assert np.array_equal(rates.interaction[a], 0.5 * of_derived.interaction[a])
    with pytest.raises(ValueError, match="n0 must be at most 100 in the halved form, got 101"):
        mbfast.flow(given, SILICA, form="halved", n0=101)
    with pytest.raises(
        ValueError, match="form must be one of printed, derived, derived-points, total-strain, halved, got 'own'"
    ):
        mbfast.absorption_rates(given, SILICA, 1e-9, 3.0, form="own")


def test_the_type_of_a_form_lists_the_table():
    assert get_args(RateForm) == tuple(FORMS)


def test_a_flow_of_no_steps():
    run = mbfast.flow(spectrum(), SILICA, start=1e-6, stop=1e-6)
    with pytest.raises(ValueError, match="stop must be above start"):
        _ = run.cutoff_length
    assert (run.status, run.scales.tolist(), run.terms.second.longitudinal.shape) == ("done", [1e-6], (0, 192))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"spectrum": None}, TypeError, "spectrum must be a Spectrum, got None"),
        ({"interaction": [SILICA, 3]}, TypeError, "interaction must be a StressInteraction, got 3"),
        ({"stop": 1e-9}, ValueError, "stop must not be below start, got R = 1e-09 and L_1 = 5e-09 m"),
        ({"start": 0.0}, ValueError, "start must be positive"),
        ({"n0": [2.0, 1.0]}, ValueError, "n0 must be above 1"),
        ({"n0": 1.0 + 1e-9}, ValueError, "n0 must let R be reached in 100000 steps"),
        (
            {"n0": 1000.0, "form": "derived-points"},
            ValueError,
            "n0 must be at most 512 in the derived-points form, got 1000",
        ),
        ({"k_t": np.nan}, ValueError, r"k_t must be from 0 to 1e\+35"),
        ({"omega_c": -1.0}, ValueError, "omega_c must be positive"),
        (
            {"form": "linear"},
            ValueError,
            "form must be one of printed, derived, derived-points, total-strain, got 'linear'",
        ),
        ({"keep": "some"}, ValueError, "keep must be one of all, ends, got 'some'"),
        ({"n0": [2.0, 3.0], "start": [1e-9, 2e-9, 3e-9]}, ValueError, r"shapes must broadcast .* n0 \(2,\)"),
        ({"interaction": []}, ValueError, r"interaction must be of at least one flow, got arguments of shape \(0,\)"),
        ({"spectrum": made(SHAPE, -SHAPE)}, ValueError, "spectrum must have Im chi~ <= 0"),
        ({"linear": "no"}, TypeError, "linear must be True or False, got 'no'"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
    ],
)
def test_bad_arguments(changes, error, words):
    arguments = {"spectrum": spectrum(), "interaction": SILICA} | changes
    with pytest.raises(error, match=words):
        mbfast.flow(arguments.pop("spectrum"), arguments.pop("interaction"), **arguments)


def test_temperature_below_zero():
    with pytest.raises(ValueError, match="temperature must not be negative, got -1 K"):
        spectrum(-1.0)


def test_sum_over_all_pairs_is_bounded():
    # of points: k L << 1 << k L N0: -dchi_t rho c_t^2/chi_t^2 = (5 + 4 alpha)/15
    def total(n, waves):
        points = PointTerms.of(SILICA, n, 1.0, 1.0)
        omega = np.array([2 * np.pi * waves / (n * 1e-9) * 3800])
        return -8.0 * float(points.phases(omega, 1e-9)[2][0]) * MODULI[1]

    few, many = total(96, 6.0), total(96, 12.0)
    # a surface effect as one over the number of waves; (k L)^2 ~ 0.6
    assert 2 * many - few == pytest.approx((5 + 4 * SILICA.alpha) / 15, rel=0.03)
    # printed: ln(R/L_1) = 28 of 40 scales of a factor 2
    cubes = DerivedTerms.of(SILICA, 2.0, 1.0, 1.0)
    shares = -8.0 * cubes.phases(np.full(40, 3800 * 1e5), 1e-9 * 2.0 ** np.arange(40))[2] * MODULI[1]
    # the surface of the sample, of 1e8/2 pi waves
    assert shares.sum() == pytest.approx((5 + 4 * SILICA.alpha) / 15, rel=1e-4)


@pytest.mark.parametrize("kelvin", [0.0, 1.0])
def test_linear_derived_flows_add_up_to_all_pairs_for_any_n0(kelvin):
    given, start, stop = spectrum(kelvin), 5e-9, 10.0
    options = {"form": "derived", "linear": True, "start": start, "stop": stop, "k_l": 0.3}
    runs = [mbfast.flow(given, SILICA, n0=n0, **options) for n0 in (1.3, 2, 2.7, 3, 4, 8, 16, 64, stop / start)]
    sums = np.array([[np.stack(term).sum(axis=1) for term in run.terms] for run in runs])  # (runs, 3, 2, n)
    # rounding errors of up to 80 differences of functions that are of the order of one
    assert (np.abs(sums - sums[0]) <= 1e-12 * np.abs(sums[0]).max(axis=-1, keepdims=True)).all()
    # (3.7) as of all pairs, with k L_1 = 1e-3 and k R = 2e6; 8 <Lambda_iikl k_k k_l> is -8/3 (1 - alpha)/rho c_t^2
    node = np.argmin(np.abs(NODES - 1e9))
    thermal = -np.expm1(-units.HBAR * NODES / (units.K_B * kelvin)) if kelvin else 1.0
    (l, t), alpha = of(given)[:, node], SILICA.alpha  # noqa: E741
    real_l, real_t = mbfast.KramersKronigPlan(NODES, above="power")(thermal * of(given))[:, node]
    mixed = t * real_l + real_t * l - 4.0 * t * real_t
    along = 8 / 3 * (1 - alpha) * mixed + (8 / 3 - 16 / 5 * alpha) * 2.0 * t * real_t
    across = (5 + 4 * alpha) / 15 * 2.0 * t * real_t
    # the surface of the sample counts as some 4/kR, the blocks as (k L_1)^2
    np.testing.assert_allclose(sums[0, 2, :, node], np.array([along, across]) / -MODULI[1], rtol=1e-4)


def test_linear_flows_of_points_depend_on_n0():
    runs = [mbfast.flow(spectrum(), SILICA, n0=n0, form="derived-points", linear=True) for n0 in (1.3, 2, 8)]
    for place, least in ((0, 2.0), (2, 1.5)):  # (3.5) and, at 1e9 rad/s, (3.7)
        sums = [run.terms[place].longitudinal[:, 76].sum() for run in runs]
        assert max(sums) / min(sums) > least or min(sums) / max(sums) > least
