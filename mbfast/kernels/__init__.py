"""Compiled kernels, to be called from Python or from your own ``@njit`` code.

Arrays and floats in, arrays and floats out: no validation, no unit conversion, no Python objects. Each module states
the argument order, the layout and the units of its functions. The checked interface above them is `mbfast` itself.
"""
