"""The strain around one stressed block, in a plane of them: ``python -m mbfast.examples.one_block [FILE.png]``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

import mbfast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mbfast._core.validate import FloatArray


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
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    far = 5e-9 * 1e9 * (len(strain) // 2 + 0.5)  # nm
    for one, component, name in zip(axes, (0, 1, 5), ("xx", "yy", "xy"), strict=True):
        image = one.imshow(
            strain[:, :, component].T,
            norm=SymLogNorm(1e-9, vmin=-1e-5, vmax=1e-5),
            cmap="RdBu_r",
            extent=(-far, far, -far, far),
            origin="lower",
        )
        one.set(title=f"$e_{{{name}}}$", xlabel="x (nm)")
    axes[0].set_ylabel("y (nm)")
    figure.colorbar(image, ax=axes, label="strain", ticks=[-1e-5, -1e-7, -1e-9, 1e-9, 1e-7, 1e-5])
    return figure


def main() -> None:
    """Print the strain at the neighbours along x and y, and draw it if a file is named."""
    strain = strain_around()
    centre = len(strain) // 2
    print(f"e_xx at the next block along x {strain[centre + 1, centre, 0]:.3g}, y {strain[centre, centre + 1, 0]:.3g}")
    if len(sys.argv) > 1:
        draw(strain).savefig(sys.argv[1], dpi=100)


if __name__ == "__main__":
    main()
