import numpy as np
import pytest
from materials import SILICA

import mbfast
from mbfast import plotting
from mbfast.plotting import meissner_berret_figure

EXCLUDED = ("As2S3", "PMMA", "PS")


def test_figure_shows_points_names_and_lines():
    glasses = mbfast.load_glasses()
    axes = meissner_berret_figure(glasses, exclude=EXCLUDED).axes[0]
    theory, all13, only10, kept, left_out = axes.lines
    assert np.array_equal(theory.get_xdata(), theory.get_ydata())
    for line, slope, r in ((all13, 1.1027, 0.276), (only10, 1.0619, 0.745)):
        assert line.get_ydata() / line.get_xdata() == pytest.approx(slope, abs=5e-5)
        assert f"r = {r}" in line.get_label()
    assert len(kept.get_xdata()) == 10
    names = {text.get_text(): text.xy for text in axes.texts}
    assert list(names) == [glass.name for glass in glasses]
    assert names["Zn-Glass"] == pytest.approx((0.70 / 0.38, 2.0))
    assert left_out.get_xdata() == pytest.approx([names[name][0] for name in EXCLUDED])


def test_without_exclusions_there_is_one_fit():
    axes = meissner_berret_figure(mbfast.load_glasses()).axes[0]
    assert [line.get_label().partition(":")[0] for line in axes.lines[:2]] == ["theory", "13 glasses"]


@pytest.mark.compiled
def test_figures_of_the_audit_show_what_is_computed():
    glasses = mbfast.load_glasses()
    printed, _, derived = plotting.self_consistent_figure(glasses).axes[0].lines[:3]
    assert np.array_equal(printed.get_xdata(), printed.get_ydata())
    assert derived.get_ydata()[0] == mbfast.self_consistent_ratio(1.2, 1.0, form="derived")
    logarithm, coupling, *phases = plotting.lattice_sums_figure((2, 4)).axes[0].lines
    assert logarithm.get_ydata()[1] == np.log(4)
    assert coupling.get_ydata()[1] == mbfast.lattice_sum(mbfast.BlockLattice((4, 4, 4), 1.0), 6)
    assert len(phases) == 4
    axes = plotting.second_order_figure().axes[0]
    cubes = axes.lines[-2]  # as pairs alone, beside the logarithm
    assert cubes.get_ydata()[-1] / cubes.get_ydata()[0] == pytest.approx(
        mbfast.lattice_sum(mbfast.BlockLattice((16, 16, 16), 1.0), 6)
        / mbfast.lattice_sum(mbfast.BlockLattice((2, 2, 2), 1.0), 6)
    )
    assert "pairs" in cubes.get_label()
    lengths = plotting.cutoff_figure(glasses).axes[0].lines
    assert lengths[0].get_ydata()[0] == pytest.approx(0.5648, abs=1e-4)
    assert all(line.get_ydata()[0] < 1 for line in lengths[:4])


@pytest.mark.compiled
def test_figures_of_a_flow():
    omega = np.geomspace(1e5, 1e15, 64)
    spectrum = mbfast.Spectrum(omega, np.full(64, -7e7), np.full(64, -3e7), [0.0, 1.0])
    run = mbfast.flow(spectrum, SILICA)
    with pytest.raises(ValueError, match=r"run must be one flow, got some of shape \(2,\)"):
        plotting.flow_figures(run)
    one = mbfast.flow(mbfast.Spectrum(omega, *(part[0] for part in run.final)), SILICA)
    figures = plotting.flow_figures(one)
    assert list(figures) == ["spectra", "ratio", "shares"]
    assert len(figures["spectra"].axes[0].lines) == 2 * one.scales.size
    assert np.array_equal(figures["ratio"].axes[0].lines[0].get_ydata(), one.ratio[:, 0])
    assert len(figures["shares"].axes[0].lines) == 6
