"""Sampled spectra over many decades: grids, convolutions, Kramers-Kronig relations, susceptibilities of blocks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["convolution", "dispersion", "grid", "levels", "moduli", "spectrum", "thermal", "two_level"]
)
