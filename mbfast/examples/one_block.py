"""The strain around one stressed block, in a plane of them: ``python -m mbfast.examples.one_block [FILE.png]``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

import mbfast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray

CAPTION = """The components xx, yy and xy of the strain at the blocks of a plane in silica (ρ = 2200 kg/m³,
    c_l = 5800 m/s, c_t = 3800 m/s), each a cube of 5 nm, around a central block with a stress moment of 1 eV along x.
    It has no temperature: the moments are given. The scale is linear between -10⁻⁹ and 10⁻⁹ and logarithmic beyond; the
    central block, white, has no field of its own here."""


def strain_around(side: int = 33) -> FloatArray:
    """Return the strain (side, side, 6) at the blocks of a plane whose central block has a moment of 1 eV along x."""
    silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)  # kg/m^3, m/s
    plane = mbfast.BlockLattice((side, side, 1), spacing=5e-9)  # m
    moments = np.zeros((side, side, 1, 6))  # J: xx, yy, zz, yz, xz, xy of each block
    moments[side // 2, side // 2, 0, 0] = 1.6e-19
    strain: FloatArray = 2 * mbfast.pair_field(silica, plane, moments)[:, :, 0]
    return strain


def draw(strain: FloatArray) -> Figure:
    """Draw the components xx, yy and xy of the strain. Needs matplotlib, of the extra plot."""
    from matplotlib.colors import SymLogNorm  # noqa: PLC0415

    from mbfast.plotting.style import WIDE, finish, new_figure, styled  # noqa: PLC0415

    far = 5e-9 * 1e9 * (len(strain) // 2 + 0.5)  # nm
    with styled():
        figure = new_figure(WIDE, 55.0)
        axes = figure.subplots(1, 3, sharex=True, sharey=True)
        for one, component, name in zip(axes, (0, 1, 5), ("xx", "yy", "xy"), strict=True):
            image = one.imshow(
                strain[:, :, component].T,
                norm=SymLogNorm(1e-9, vmin=-1e-5, vmax=1e-5),
                cmap="RdBu_r",
                extent=(-far, far, -far, far),
                origin="lower",
            )
            one.set(title=f"$e_{{{name}}}$", xlabel="$x$ (nm)", xticks=[-50, 0, 50], yticks=[-50, 0, 50])
        axes[0].set_ylabel("$y$ (nm)")
        bar = figure.colorbar(image, ax=axes, label="strain", ticks=[-1e-5, -1e-7, -1e-9, 1e-9, 1e-7, 1e-5])
        bar.ax.set_yticklabels(["−10⁻⁵", "−10⁻⁷", "−10⁻⁹", "10⁻⁹", "10⁻⁷", "10⁻⁵"])
        bar.ax.minorticks_off()
        finish(figure, CAPTION, conditions="silica, blocks of 5 nm, the central one with a moment of 1 eV along $x$")
    return figure


def main() -> None:
    """Print the strain at the neighbours along x and y, and draw it if a file is named."""
    strain = strain_around()
    centre = len(strain) // 2
    print(f"e_xx at the next block along x {strain[centre + 1, centre, 0]:.3g}, y {strain[centre, centre + 1, 0]:.3g}")
    if len(sys.argv) > 1:
        mbfast.plotting.save_figure(draw(strain), sys.argv[1])


if __name__ == "__main__":
    main()
