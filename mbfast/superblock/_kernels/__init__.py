"""Compiled kernels of `mbfast.superblock`; no promise is made about them."""
