"""Whether a figure can be read: what all tests of figures ask of them."""

import itertools
from unittest import mock

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from mbfast.plotting import caption_of
from mbfast.plotting.style import COLUMN, WIDE


def drawn_texts(figure):
    """All texts that a figure really draws, tick labels of its view too, and their boxes in pixels."""
    found = []
    draw = Text.draw

    def record(text, renderer, *arguments, **options):
        if text.get_visible() and text.get_text().strip():
            found.append(text)
        return draw(text, renderer, *arguments, **options)

    canvas = FigureCanvasAgg(figure)
    with mock.patch.object(Text, "draw", record):
        canvas.draw()
    return [(text, Text.get_window_extent(text, canvas.get_renderer())) for text in dict.fromkeys(found)]


def overlapping(texts):
    """Pairs of texts whose boxes share more than the pixel that rounding may cost, or that read as one word."""
    pairs = itertools.combinations(texts, 2)
    shared = ((a, b, min(p.x1, q.x1) - max(p.x0, q.x0), min(p.y1, q.y1) - max(p.y0, q.y0)) for (a, p), (b, q) in pairs)
    return [(a.get_text(), b.get_text()) for a, b, width, height in shared if width > -4.0 and height > 1.0]


def points(axes):
    """Where single points are, those that no line joins, in pixels."""
    lines = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_transform() == axes.transData]
    return [xy for line in lines for xy in axes.transData.transform(line.get_xydata())]


def looks(handle):
    """What is left of a line of a legend in print without colour: kind of line, of points, and how dark it is."""
    red, green, blue = to_rgb(handle.get_color())
    dark = round((0.2 * red + 0.7 * green + 0.1 * blue) / 0.3)
    return handle.get_linestyle(), handle.get_marker(), handle.get_fillstyle(), handle.is_dashed(), dark


def assert_legible(figure):
    """A figure has the width of a column and a caption, and no text that is cut, hidden, too small or odd."""
    texts = drawn_texts(figure)
    assert any(abs(25.4 * figure.get_figwidth() - width) < 0.01 for width in (COLUMN, WIDE))
    assert caption_of(figure).endswith(".")
    assert "  " not in caption_of(figure)
    assert overlapping(texts) == []
    page = figure.bbox.padded(0.5)
    assert [text.get_text() for text, box in texts if not (page.contains(*box.min) and page.contains(*box.max))] == []
    assert [text.get_text() for text, _ in texts if text.get_fontsize() < 6.0] == []
    assert [text.get_text() for text, _ in texts if "times" in text.get_text() or "e+" in text.get_text()] == []
    for axes in figure.axes:
        assert axes.get_xlabel() or axes.get_ylabel()
        ticks = [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        assert [label for label in ticks if "·" in label] == []
        assert [axis.get_offset_text().get_text() for axis in (axes.xaxis, axes.yaxis)] == ["", ""]
        hidden = [t.get_text() for t, box in texts if t in axes.texts for xy in points(axes) if box.contains(*xy)]
        assert hidden == []
        handles = [getattr(handle, "lines", [handle])[0] for handle in axes.get_legend_handles_labels()[0]]
        assert len(set(map(looks, handles))) == len(handles)
