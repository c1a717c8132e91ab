"""Figures fit for a paper, each with its caption. They need matplotlib, of the extra ``plot``.

A function returns a `matplotlib.figure.Figure` in the style of `mbfast.plotting.style`, which has the tools to draw
others like it: one or one and a half columns of a journal wide, with letters of 6.5 to 8 points, in colours that all
readers can tell apart, and lines and points that differ without colour. Material, temperature and cutoff stand above
the axes where a figure depends on them. `save_figure` writes a figure as PNG, PDF or SVG, with its caption in a text
file beside it and in the metadata: what the lines are, and what their poles, kinks and jumps come from. Nothing here
touches pyplot or its global state, and settings of pyplot have no influence here.

| function | figure |
|---|---|
| `meissner_berret_figure` | figure 1: c_l/c_t against gamma_l/gamma_t |
| `self_consistent_figure` | the solutions of (4.5) |
| `lattice_sums_figure` | the sums behind (3.5) and (3.7), beside ln N0 |
| `disordered_figure` | (3.7) in samples of blocks that differ, to all orders |
| `field_figure` | fields or moments of a lattice or of a cloud of blocks, in colours |
| `cutoff_figure` | L_c by material |
| `flow_figures` | a flow: spectra, the ratio over c_l/c_t, the shares of the terms |
| `orders_figures` | what perturbation theory leaves of exact super blocks, by coupling and by number of blocks |
| `second_order_figure` | the second order of the interaction, by the number of blocks |
| `save_figure`, `caption_of` | a figure's files; its caption |
"""

from mbfast.plotting.disordered import disordered_figure
from mbfast.plotting.fields import field_figure
from mbfast.plotting.flows import flow_figures
from mbfast.plotting.orders import orders_figures
from mbfast.plotting.ratios import meissner_berret_figure, self_consistent_figure
from mbfast.plotting.second_order import second_order_figure
from mbfast.plotting.style import caption_of, figure_class, save_figure
from mbfast.plotting.sums import cutoff_figure, lattice_sums_figure

__all__ = [
    "caption_of",
    "cutoff_figure",
    "disordered_figure",
    "field_figure",
    "figure_class",
    "flow_figures",
    "lattice_sums_figure",
    "meissner_berret_figure",
    "orders_figures",
    "save_figure",
    "second_order_figure",
    "self_consistent_figure",
]
