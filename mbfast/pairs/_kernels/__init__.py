"""Compiled kernels of the methods of `mbfast.pairs`; no promise is made about them."""
