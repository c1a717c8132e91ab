"""The pair sums for C, C++ and Fortran: addresses of functions with a C signature, compiled when asked for.

`get_include` names the folder of ``mbfast.h``, which has the types of these functions and says what they take. Names
are those of its types without ``mbfast_``: stress_field, stress_energy, stress_source_field, stress_change_moment,
stress_source_energies, stress_flip, stress_forces, stress_virial, and the same of dipole.

Examples
--------
>>> from mbfast.kernels import capi
>>> capi.address("dipole_field") == capi.address("dipole_field")
True
"""

import threading
from importlib.resources import files
from typing import Any

import numba
from numba import carray

from mbfast._core.validate import require_choice
from mbfast.kernels import dipole, stress

_lock = threading.Lock()
_compiled: dict[str, Any] = {}


def get_include() -> str:
    """Return the folder of ``mbfast.h``, for a compiler's option -I.

    Returns
    -------
    str

    Examples
    --------
    >>> import mbfast, pathlib
    >>> (pathlib.Path(mbfast.get_include()) / "mbfast.h").exists()
    True
    """
    return str(files("mbfast") / "include")


def address(name: str) -> int:
    """Return the address of the C function `name`, compiling it at its first mention.

    Raises
    ------
    ValueError
        If there is no such function.
    RuntimeError
        Under NUMBA_DISABLE_JIT=1.
    """
    require_choice("name", name, _FUNCTIONS)
    if numba.config.DISABLE_JIT:
        raise RuntimeError("functions for C are compiled: NUMBA_DISABLE_JIT must not be set")
    with _lock:
        if name not in _compiled:
            function, signature = _FUNCTIONS[name]
            _compiled[name] = numba.cfunc(signature.replace("*", "CPointer(float64)"), nopython=True)(function)
    return int(_compiled[name].address)


def _stress_field(m, targets, n, positions, moments, c0, c1, c2, out):  # type: ignore[no-untyped-def]
    x, s, t = carray(targets, (3, m)), carray(positions, (3, n)), carray(moments, (6, n))
    stress.field(x, s, t, c0, c1, c2, carray(out, (6, m)))


def _stress_energy(n, positions, moments, c0, c1, c2):  # type: ignore[no-untyped-def]
    x, t = carray(positions, (3, n)), carray(moments, (6, n))
    return stress.energy(0, n, x, t, 0, x, t, c0, c1, c2)


def _stress_source_field(m, targets, source, moment, c0, c1, c2, out):  # type: ignore[no-untyped-def]
    x, s, t = carray(targets, (3, m)), carray(source, (3,)), carray(moment, (6,))
    stress.source_field(x, s, t, c0, c1, c2, carray(out, (6, m)))


def _stress_change_moment(s, new, n, positions, moments, c0, c1, c2, field):  # type: ignore[no-untyped-def]
    x, t, h = carray(positions, (3, n)), carray(moments, (6, n)), carray(field, (6, n))
    return stress.change_moment(s, carray(new, (6,)), x, t, c0, c1, c2, h)


def _stress_source_energies(m, targets, own, source, moment, c0, c1, c2, out):  # type: ignore[no-untyped-def]
    x, o = carray(targets, (3, m)), carray(own, (6, m))
    stress.source_energies(x, o, carray(source, (3,)), carray(moment, (6,)), c0, c1, c2, carray(out, (m,)))


def _stress_flip(s, n, spins, positions, moments, c0, c1, c2, local):  # type: ignore[no-untyped-def]
    x, t = carray(positions, (3, n)), carray(moments, (6, n))
    return stress.flip(s, carray(spins, (n,)), x, t, c0, c1, c2, carray(local, (n,)))


def _stress_forces(m, targets, own, n, positions, moments, c0, c1, c2, out):  # type: ignore[no-untyped-def]
    x, o, s, t = carray(targets, (3, m)), carray(own, (6, m)), carray(positions, (3, n)), carray(moments, (6, n))
    stress.forces(x, o, s, t, c0, c1, c2, carray(out, (3, m)))


def _stress_virial(m, targets, own, n, positions, moments, c0, c1, c2, out):  # type: ignore[no-untyped-def]
    x, o, s, t = carray(targets, (3, m)), carray(own, (6, m)), carray(positions, (3, n)), carray(moments, (6, n))
    stress.virial(x, o, s, t, c0, c1, c2, carray(out, (9, m)))


def _dipole_field(m, targets, n, positions, moments, out):  # type: ignore[no-untyped-def]
    x, s, p = carray(targets, (3, m)), carray(positions, (3, n)), carray(moments, (3, n))
    dipole.field(x, s, p, carray(out, (3, m)))


def _dipole_energy(n, positions, moments):  # type: ignore[no-untyped-def]
    x, p = carray(positions, (3, n)), carray(moments, (3, n))
    return dipole.energy(0, n, x, p, 0, x, p)


def _dipole_source_field(m, targets, source, moment, out):  # type: ignore[no-untyped-def]
    dipole.source_field(carray(targets, (3, m)), carray(source, (3,)), carray(moment, (3,)), carray(out, (3, m)))


def _dipole_change_moment(s, new, n, positions, moments, field):  # type: ignore[no-untyped-def]
    x, p, h = carray(positions, (3, n)), carray(moments, (3, n)), carray(field, (3, n))
    return dipole.change_moment(s, carray(new, (3,)), x, p, h)


def _dipole_source_energies(m, targets, own, source, moment, out):  # type: ignore[no-untyped-def]
    x, o = carray(targets, (3, m)), carray(own, (3, m))
    dipole.source_energies(x, o, carray(source, (3,)), carray(moment, (3,)), carray(out, (m,)))


def _dipole_flip(s, n, spins, positions, moments, local):  # type: ignore[no-untyped-def]
    x, t = carray(positions, (3, n)), carray(moments, (3, n))
    return dipole.flip(s, carray(spins, (n,)), x, t, carray(local, (n,)))


def _dipole_forces(m, targets, own, n, positions, moments, out):  # type: ignore[no-untyped-def]
    x, o, s, p = carray(targets, (3, m)), carray(own, (3, m)), carray(positions, (3, n)), carray(moments, (3, n))
    dipole.forces(x, o, s, p, carray(out, (3, m)))


def _dipole_virial(m, targets, own, n, positions, moments, out):  # type: ignore[no-untyped-def]
    x, o, s, p = carray(targets, (3, m)), carray(own, (3, m)), carray(positions, (3, n)), carray(moments, (3, n))
    dipole.virial(x, o, s, p, carray(out, (9, m)))


_FUNCTIONS: dict[str, tuple[Any, str]] = {
    "stress_field": (_stress_field, "void(int64, *, int64, *, *, float64, float64, float64, *)"),
    "stress_energy": (_stress_energy, "float64(int64, *, *, float64, float64, float64)"),
    "stress_source_field": (_stress_source_field, "void(int64, *, *, *, float64, float64, float64, *)"),
    "stress_change_moment": (_stress_change_moment, "float64(int64, *, int64, *, *, float64, float64, float64, *)"),
    "stress_source_energies": (_stress_source_energies, "void(int64, *, *, *, *, float64, float64, float64, *)"),
    "stress_flip": (_stress_flip, "float64(int64, int64, *, *, *, float64, float64, float64, *)"),
    "stress_forces": (_stress_forces, "void(int64, *, *, int64, *, *, float64, float64, float64, *)"),
    "stress_virial": (_stress_virial, "void(int64, *, *, int64, *, *, float64, float64, float64, *)"),
    "dipole_field": (_dipole_field, "void(int64, *, int64, *, *, *)"),
    "dipole_energy": (_dipole_energy, "float64(int64, *, *)"),
    "dipole_source_field": (_dipole_source_field, "void(int64, *, *, *, *)"),
    "dipole_change_moment": (_dipole_change_moment, "float64(int64, *, int64, *, *, *)"),
    "dipole_source_energies": (_dipole_source_energies, "void(int64, *, *, *, *, *)"),
    "dipole_flip": (_dipole_flip, "float64(int64, int64, *, *, *, *)"),
    "dipole_forces": (_dipole_forces, "void(int64, *, *, int64, *, *, *)"),
    "dipole_virial": (_dipole_virial, "void(int64, *, *, int64, *, *, *)"),
}
