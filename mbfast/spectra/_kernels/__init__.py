"""Compiled kernels of `mbfast.spectra`; no promise is made about them."""
