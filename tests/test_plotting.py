"""What figures show, that they can be read, and the files they go to."""

import dataclasses
import re
import struct

import matplotlib as mpl
import numpy as np
import pytest
from legible import assert_legible, drawn_texts, overlapping
from materials import SILICA

import mbfast
from mbfast import audit, plotting
from mbfast.cli.paper import _FIGURES, _audit_figures
from mbfast.plotting import caption_of, meissner_berret_figure, save_figure
from mbfast.plotting._axes import log_axis, name_points, power, quantity
from mbfast.plotting.style import KINDS, finish, new_axes, rendered, styled

# its kernels have tests without the JIT of their own; one worker draws the figures of the audit
pytestmark = [pytest.mark.compiled, pytest.mark.xdist_group("plotting")]

EXCLUDED = ("As2S3", "PMMA", "PS")
OMEGA = np.geomspace(1e5, 1e15, 64)


@pytest.fixture(scope="module")
def reproduced():
    """The figures of `mbfast reproduce --figures`."""
    return _audit_figures(audit.EXCLUDED)


def flow_of(longitudinal=-7e7, transverse=-3e7, kelvin=1.0, exponent=0.0, above="zero", **options):
    shape = (OMEGA / 1e10) ** exponent
    spectrum = mbfast.Spectrum(OMEGA, longitudinal * shape, transverse * shape, kelvin, above=above)
    return mbfast.flow(spectrum, options.pop("material", SILICA), **options)


@pytest.fixture(scope="module")
def figure1():
    return meissner_berret_figure(mbfast.load_glasses(), exclude=EXCLUDED)


def test_figure_shows_points_names_and_lines(figure1):
    axes = figure1.axes[0]
    theory, all13, only10, kept, left_out = axes.lines
    assert np.array_equal(theory.get_xdata(), theory.get_ydata())
    for line, slope, r, rounded in ((all13, 1.1027, "0.276", "0.260"), (only10, 1.0619, "0.745", "0.745")):
        assert line.get_ydata() / line.get_xdata() == pytest.approx(slope, abs=5e-5)
        assert line.get_label().endswith(f" = {r} (rounded: {rounded})")
        assert f"slope {slope:.4f} ± " in caption_of(figure1)
        assert f"Pearson's r = {r}, and {rounded} of the ratios as the table rounds them" in caption_of(figure1)
    assert len(kept.get_xdata()) == 10
    names = {text.get_text(): text.xy for text in axes.texts}
    assert list(names) == [glass.name for glass in mbfast.load_glasses()]
    assert names["Zn-Glass"] == pytest.approx((0.70 / 0.38, 2.0))
    assert left_out.get_xdata() == pytest.approx([names[name][0] for name in EXCLUDED])


def test_without_exclusions_there_is_one_fit():
    axes = meissner_berret_figure(mbfast.load_glasses()).axes[0]
    assert [line.get_label().partition(":")[0] for line in axes.lines[:2]] == ["theory", "13 glasses"]


def test_glasses_whose_table_prints_no_ratios_have_one_r():
    printed = mbfast.load_glasses()[0].printed
    bare = dataclasses.replace(printed, mb_exp=None, mb_theo=None)
    figure = meissner_berret_figure([dataclasses.replace(glass, printed=bare) for glass in mbfast.load_glasses()])
    assert figure.axes[0].lines[1].get_label().endswith(" = 0.276")
    assert "rounds" not in caption_of(figure)


@pytest.mark.compiled
def test_figures_of_the_audit_show_what_is_computed(reproduced):
    figure = reproduced["self_consistent_ratio"]
    printed, _, derived, pole, total = figure.axes[0].lines[:5]
    np.testing.assert_allclose(total.get_ydata(), np.sqrt((8 + 2 * total.get_xdata() ** 2) / 5), rtol=1e-14)
    assert "total-strain: slope 1.048, r = 0.277, rms deviation 9.6 %" in caption_of(figure)
    assert printed.get_ydata() == pytest.approx(printed.get_xdata())
    assert derived.get_ydata()[0] == mbfast.self_consistent_ratio(derived.get_xdata()[0], 1.0, form="derived")
    assert np.isnan(mbfast.self_consistent_ratio(pole.get_xdata()[0] * (1 + 1e-9), 1.0, form="derived"))
    assert derived.get_ydata()[-1] > 500.0
    assert f"{pole.get_xdata()[0]:.3f}, the thin line" in caption_of(figure)
    logarithm, coupling, *phases = plotting.lattice_sums_figure(np.array([2, 4])).axes[0].lines
    assert logarithm.get_ydata()[1] == np.log(4)
    assert coupling.get_ydata()[1] == mbfast.lattice_sum(mbfast.BlockLattice((4, 4, 4), 1.0), 6)
    assert len(phases) == 4
    axes = reproduced["second_order"].axes[0]
    cubes = axes.lines[-2]  # as pairs alone, beside the logarithm
    many, few = (mbfast.lattice_sum(mbfast.BlockLattice((n, n, n), 1.0), 6) for n in (16, 2))
    assert cubes.get_ydata()[-1] / cubes.get_ydata()[0] == pytest.approx(many / few)
    assert cubes.get_label().startswith("cubes: ")
    lengths = reproduced["cutoff_lengths"].axes[0].lines
    assert lengths[0].get_xdata()[0] == pytest.approx(0.5648, abs=1e-4)
    assert all(line.get_xdata()[0] < 1 for line in lengths[:4])


def test_the_figure_of_samples_shows_the_recorded_numbers():
    figure = plotting.disordered_figure()
    upper, lower = figure.axes
    assert upper.lines[0].get_ydata() == pytest.approx(np.log(upper.lines[0].get_xdata()))
    assert [line.get_ydata()[0] for line in upper.lines[1:4]] == [0.3771, 0.3958, -0.4498]
    assert lower.lines[0].get_ydata()[0] == 0.0334
    assert "8 (N0 = 4)" in caption_of(figure)
    assert_legible(figure)


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ((2, True), "sides must be a whole number, got True"),
        ((2, 3.0), "sides must be a whole number, got 3.0"),
        (np.arange(0), r"sides must be at least one whole number, in a sequence, got array\(\["),
        (np.array(3), "sides must be at least one whole number, in a sequence, got array"),
    ],
)
def test_sides_that_are_no_whole_numbers(sides, words):
    with pytest.raises(TypeError, match=words):
        plotting.lattice_sums_figure(sides)


@pytest.mark.compiled
def test_figures_of_a_flow():
    with pytest.raises(ValueError, match=r"run must be one flow, got some of shape \(2,\)"):
        plotting.flow_figures(mbfast.flow(mbfast.Spectrum(OMEGA, *np.full((2, 64), -7e7), [0.0, 1.0]), SILICA))
    one, other = flow_of(), flow_of(-9e7)
    with pytest.raises(ValueError, match=r"others must say its material, inputs\['interaction'\], got {}"):
        plotting.flow_figures(one, others=[dataclasses.replace(one, inputs={})])
    figures = plotting.flow_figures(one)
    assert list(figures) == ["spectra", "ratio", "shares"]
    spectra = figures["spectra"].axes[0].lines
    assert np.array_equal(spectra[0].get_ydata(), -one.longitudinal[0] / 1e6)
    assert np.array_equal(spectra[-1].get_ydata(), -one.transverse[-1] / 1e6)
    first = figures["ratio"].axes[0].lines[0]
    assert first.get_ydata() == pytest.approx(one.ratio[:, 0] * 3800 / 5800)
    assert len(figures["shares"].axes[0].lines) == 6
    both = plotting.flow_figures(one, others=[other])["ratio"].axes[0].lines
    drawn = [line.get_ydata()[0] for line in both if len(line.get_ydata())]
    assert drawn == pytest.approx([flow.ratio[0, 0] * 3800 / 5800 for _ in range(3) for flow in (one, other)])


@pytest.mark.compiled
def test_a_flow_that_starts_from_no_ratio_can_be_drawn():
    absorption = np.append(0.0, np.full(63, -7e7))
    run = flow_of(absorption, absorption, form="derived", stop=1e-8)
    assert np.isnan(run.ratio[0, 0])
    figure = plotting.flow_figures(run, others=[flow_of(stop=1e-8)])["ratio"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["from nan $c_l/c_t$", "from 1 $c_l/c_t$"]
    assert_legible(figure)


@pytest.mark.compiled
def test_flows_leave_the_ratio_of_velocities_from_either_side(reproduced):
    lines = [line for line in reproduced["flow_ratio"].axes[0].lines if len(line.get_ydata())]
    ends = {round(float(line.get_ydata()[0]), 6): line.get_ydata()[-1] for line in lines[:3]}
    assert list(ends) == [0.8, 1.0, 1.2]
    assert ends[0.8] < 0.79
    assert ends[1.0] == pytest.approx(1.0)
    assert ends[1.2] > 1.21


@pytest.mark.compiled
def test_figures_of_the_paper_can_be_read(reproduced):
    assert set(reproduced) == set(_FIGURES)
    for figure in reproduced.values():
        assert_legible(figure)


@pytest.mark.compiled
def test_figures_name_material_temperature_and_cutoff(reproduced):
    for name in ("spectra", "ratio", "shares"):
        figure = reproduced[f"flow_{name}"]
        assert figure.legends[0].get_title().get_text().startswith("a-SiO2, $T$ = 1 K, $\\omega_c$ = 10¹⁵ rad/s")
        assert "a-SiO2 at T = 1 K, Im χ̃ ending at ω_c = 10¹⁵ rad/s, in the printed form" in caption_of(figure)
    assert "ω_c = 10¹⁵ rad/s" in caption_of(reproduced["cutoff_lengths"])
    assert "a-SiO2" in caption_of(reproduced["lattice_sums"])
    for name in ("lattice_sums", "self_consistent_ratio"):
        assert re.search("depends? neither on the temperature nor on ω_c", caption_of(reproduced[name]))


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kelvin": 0.35, "linear": True, "form": "derived"}, "T = 0.35 K, Im χ̃ ending at ω_c = 10¹⁵ rad/s, in the"),
        ({"material": mbfast.StressInteraction(2345, 5555, 3333)}, "ρ = 2345 kg/m³, c_l = 5555 m/s and c_t = 3333 m/s"),
        ({"material": dataclasses.replace(SILICA, form="joffrin-levelut")}, "a-SiO2 (Λ: joffrin-levelut) at T = 1 K"),
        ({"longitudinal": -1e10, "transverse": -1e10, "stop": 1.0}, "The flow ends at "),
        ({"stop": 1e-8, "k_l": 0.0, "k_t": 0.0}, "from blocks of 5 nm (the lightest) to 10 nm (the darkest)."),
        ({"stop": 5e-9}, "5 nm"),
        ({"longitudinal": -3e-3, "transverse": -2e9}, "a-SiO2"),
        ({"exponent": -0.3, "above": "power", "n0": 1.5, "stop": 3e-8}, "nodes up to 10¹⁵ rad/s, in the printed form"),
        ({"longitudinal": -7.1e7, "transverse": -7e7, "linear": True, "stop": 2e-8}, "a-SiO2"),
        ({"longitudinal": -1e7, "transverse": 0.0, "form": "derived", "stop": 2e-8}, "a-SiO2"),
    ],
    ids=[
        *("linear", "own material", "other form", "diverges", "one step", "no step", "unlike", "power laws", "alike"),
        "none",
    ],
)  # fmt: skip
def test_figures_of_any_flow_can_be_read(options, told):
    figures = plotting.flow_figures(flow_of(**options))
    assert told in caption_of(figures["spectra"])
    names = ["spectra"] if {"material", "form"} & set(options) else figures  # what all three say is drawn once
    for name in names:
        assert_legible(figures[name])


def test_tables_of_one_glass_and_of_many_can_be_read():
    rng = np.random.default_rng(3)
    glasses = mbfast.load_glasses()
    assert_legible(meissner_berret_figure(glasses[:1]))
    assert_legible(plotting.self_consistent_figure(glasses[:1]))
    many = [
        dataclasses.replace(glass, name=f"{glass.name}${copy}$_", c_l=glass.c_l * rng.uniform(0.95, 1.2))
        for copy in range(2)
        for glass in glasses
    ]
    assert_legible(meissner_berret_figure(many))


@styled()
def small_figure(label):
    figure, axes = new_axes(50.0)
    axes.set(xlabel=label)
    finish(figure, "A test.")
    return figure


def test_a_text_that_lies_on_another_is_found():
    figure = small_figure("x")
    assert_legible(figure)
    with styled():
        figure.axes[0].text(0.5, 0.5, "one")
        figure.axes[0].text(0.51, 0.51, "other")
    assert overlapping(drawn_texts(figure)) == [("one", "other")]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (2, 32, "2 5 10 20"),
        (1.9, 110, "2 5 10 20 50 100"),
        (27, 93, "30 40 50 60 70 80 90"),
        (27, 33, "28 30 32"),
        (0.001, 1, "0.001 0.01 0.1 1"),
        (1e5, 1e15, "10⁵ 10⁷ 10⁹ 10¹¹ 10¹³ 10¹⁵"),
        (1e-30, 0.01, "10⁻³⁰ 10⁻²⁵ 10⁻²⁰ 10⁻¹⁵ 10⁻¹⁰ 10⁻⁵"),
        (5e-9, 1e-3, "10⁻⁸ 10⁻⁷ 10⁻⁶ 10⁻⁵ 10⁻⁴ 10⁻³"),
    ],
)
def test_log_axes_are_labelled_with_numbers(low, high, labels):
    with styled():
        figure, axes = new_axes(50.0)
        axes.plot([low, high], [1, 2])
        axes.set(xlim=(low, high))
        log_axis(axes.xaxis)
    figure.draw_without_rendering()
    assert " ".join(label.get_text() for label in axes.xaxis.get_majorticklabels()) == labels


@pytest.mark.parametrize(
    ("write", "given", "expected"),
    [
        (power, (1234.5,), "1200"),
        (power, (-1234.5, 3), "-1230"),
        (power, (9999.7,), "10⁴"),
        (power, (9999,), "9999"),
        (power, (0.00099996,), "0.001"),
        (power, (12345.0,), "1.2·10⁴"),
        (power, (0.0,), "0"),
        (power, (-0.0,), "0"),
        (power, (np.nan,), "nan"),
        (power, (-np.inf,), "-inf"),
        (quantity, (999.6e-9, "m"), "1 µm"),
        (quantity, (999.4e-9, "m"), "999 nm"),
        (quantity, (999.6, "m", 2), "1 km"),
        (quantity, (250e-9, "m", 2), "250 nm"),
        (quantity, (np.nan, "m"), "nan m"),
        (quantity, (1.23e-20, "m"), "1.23·10⁻⁵ fm"),
    ],
)
def test_numbers_in_captions_have_no_e(write, given, expected):
    assert write(*given) == expected


def test_an_axis_of_no_positive_number_stays_linear():
    with styled():
        _, axes = new_axes(50.0)
        axes.plot([1, 2], [0.0, -1.0])
        log_axis(axes.yaxis)
    assert axes.get_yscale() == "linear"


def test_names_stand_clear_of_a_crowd():
    with styled():
        figure, axes = new_axes(70.0)
        x, y = np.meshgrid(np.linspace(0.3, 0.6, 4), np.linspace(0.4, 0.6, 4))
        axes.plot(x.ravel(), y.ravel(), "ko")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="x")
        finish(figure, "A test.")
        name_points(axes, x.ravel(), y.ravel(), [f"name {number}" for number in range(16)])
    assert_legible(figure)


def test_settings_of_the_user_are_left_and_have_no_influence():
    glasses = mbfast.load_glasses()[:4]
    expected = rendered(meissner_berret_figure(glasses), "png")
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 50, "pdf.fonttype": 3}):
        before = dict(mpl.rcParams)
        assert rendered(meissner_berret_figure(glasses), "png") == expected
        assert dict(mpl.rcParams) == before


def test_a_file_is_the_same_whatever_was_rendered_before():
    one, other = (small_figure("x (mm)") for _ in range(2))
    files = {kind: rendered(one, kind) for kind in KINDS}
    assert {kind: rendered(other, kind) for kind in reversed(KINDS)} == files


def test_neither_pyplot_nor_the_audit_is_imported(run_python):
    code = "import sys, mbfast; f = mbfast.plotting.meissner_berret_figure(mbfast.load_glasses()[:2])\n"
    code += "mbfast.plotting.style.rendered(f, 'svg')\n"
    code += "print(*({'matplotlib.pyplot', 'mbfast.audit'} & set(sys.modules)))"
    assert run_python(code) == "\n"


def test_files_have_the_caption_and_their_fonts(figure1, tmp_path):
    for kind in KINDS:
        captions = save_figure(figure1, tmp_path / "new" / f"ratios.{kind}")
        assert captions == tmp_path / "new" / "ratios.caption.txt"
        assert captions.read_text(encoding="utf-8") == f"{caption_of(figure1)}\n"
    png, pdf, svg = (tmp_path.joinpath("new", f"ratios.{kind}").read_bytes() for kind in KINDS)
    width = struct.unpack(">I", png[16:20])[0]
    assert width == pytest.approx(86 / 25.4 * 300, abs=1)
    assert caption_of(figure1).encode() in png
    assert caption_of(figure1).encode() in svg
    assert b"/Subject" in pdf
    assert b"/FontFile2" in pdf  # TrueType
    assert b"<text" not in svg  # letters are outlines
