import numpy as np
import pytest

import mbfast
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
