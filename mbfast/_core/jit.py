"""How every kernel of mbfast is compiled, cached and found again.

Kernels release the GIL, divide by zero as NumPy does, and are cached on disk. The cache lies where numba puts it
(``NUMBA_CACHE_DIR``, the package's ``__pycache__``, the user's cache folder) or, where none of these can be written,
in a private folder under the system's temporary one, or nowhere: a cache that fails never stops a computation.
``MBFAST_CACHE=0`` turns it off.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pkgutil
import stat
import tempfile
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

from mbfast._core import numba_private

F = TypeVar("F", bound=Callable[..., Any])

# What LLVM may do to sums in a kernel. Without nnan and ninf: what is not a number stays none.
FAST = frozenset({"reassoc", "contract", "arcp", "nsz", "afn"})

_HOMES = ("mbfast.kernels", "mbfast.pairs._kernels", "mbfast.spectra._kernels", "mbfast.superblock._kernels")
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel: the compiled object, its only signature, its cache and its source file."""

    name: str
    function: Any
    signature: str
    cache: Any
    file: Path

    def compile(self) -> None:
        """Compile for the signature, or load that from the cache; once, whoever calls."""
        if numba.config.DISABLE_JIT:
            return
        if not numba_private.is_universal(self.function):
            numba_private.compile_for(self.function, self.signature)
        elif not self.function.ntypes:
            with _lock:
                if not self.function.ntypes:
                    numba_private.compile_for(self.function, self.signature)

    @property
    def cache_folder(self) -> Path | None:
        """Where its machine code is kept, None if nowhere."""
        return None if self.cache.cache_path is None else Path(self.cache.cache_path)

    def cache_files(self) -> list[Path]:
        """Files of machine code kept for it."""
        module_and_name = self.name.rpartition(".")[0].rpartition(".")[2] + "." + self.name.rpartition(".")[2]
        files = [] if self.cache_folder is None else sorted(self.cache_folder.glob(f"{module_and_name}-*.nbc"))
        return [file for file in files if file.stat().st_size]


_kernels: dict[str, Kernel] = {}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a universal function of `mbfast.kernels`, compiled for its signature.

    numba would compile it at its first call, for whatever types come first, and in each of several threads.
    """
    if numba_private.is_universal(function) and not function.ntypes:  # type: ignore[attr-defined]
        next(kernel for kernel in _kernels.values() if kernel.function is function).compile()
    return function


def address(function: Callable[..., Any]) -> Any:
    """Return the address of a kernel's function for C, in this process, compiling it at the first call."""
    kernel = next(kernel for kernel in _kernels.values() if kernel.function is function)
    return numba_private.address_of(function, kernel.signature)


def all_kernels() -> tuple[Kernel, ...]:
    """Every kernel of the package, in the order of their names; imports the modules that hold them."""
    for home in _HOMES:
        for module in pkgutil.iter_modules(importlib.import_module(home).__path__, f"{home}."):
            importlib.import_module(module.name)
    return tuple(_kernels[name] for name in sorted(_kernels))


def target() -> tuple[str, int]:
    """Return the name of the processor numba compiles for and the largest width of its vectors in bits."""
    cpu, features = numba_private.processor()
    widths = {"+avx512f": 512, "+avx": 256}  # every x86-64 and ARM64 processor has 128
    return cpu, max((width for flag, width in widths.items() if flag in features.split(",")), default=128)


def _private_temporary_folder() -> str:
    # Cached code is unpickled and run, so a folder that somebody else could write to must not be trusted.
    folder = Path(tempfile.gettempdir()) / f"mbfast-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    ours = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
    if not (stat.S_ISDIR(status.st_mode) and ours):
        raise PermissionError(f"{folder} is not a private folder")
    return str(folder)


def _new_cache(function: Callable[..., Any]) -> Any:
    if os.environ.get("MBFAST_CACHE") == "0":
        return numba_private.NullCache()
    try:
        return numba_private.ForgivingCache(function)
    except RuntimeError:  # numba found no folder it may write to
        pass
    with _lock, contextlib.suppress(RuntimeError, OSError):
        chosen = numba.config.CACHE_DIR
        try:
            numba.config.CACHE_DIR = _private_temporary_folder()
            return numba_private.ForgivingCache(function)
        finally:
            numba.config.CACHE_DIR = chosen
    return numba_private.NullCache()


def jit(signature: str | None = None, *, fastmath: Collection[str] = (), by_address: bool = False) -> Callable[[F], F]:
    """Compile a kernel on its first call: nopython, GIL released, IEEE division by zero, cached.

    Parameters
    ----------
    signature
        The one signature the API calls the kernel with; None for a helper, which only other kernels can call unless it
        is a public name of `mbfast.kernels`.
    fastmath
        LLVM flags, `FAST` or fewer, only where they were measured to pay.
    by_address
        Whether `address` is asked for it.
    """

    def decorate(function: F) -> F:
        public = function.__module__.startswith("mbfast.kernels.") and not function.__name__.startswith("_")
        private = {} if public or by_address else numba_private.NO_C_ENTRY if signature else numba_private.HELPER
        options = {"nogil": True, "error_model": "numpy", "fastmath": set(fastmath), **private}
        compiled: Any = numba.njit(**options)(function)
        cache = _new_cache(function)
        if not numba.config.DISABLE_JIT:
            numba_private.set_cache(compiled, cache)
        if signature is not None:
            _register(function, compiled, signature, cache)
        return compiled  # type: ignore[no-any-return]

    return decorate


def ufunc(signature: str, *, fastmath: Collection[str] = ()) -> Callable[[Callable[..., float]], Callable[..., Any]]:
    """Make a NumPy universal function of a scalar function; it can be called from compiled code as well."""

    def decorate(function: Callable[..., float]) -> Callable[..., Any]:
        cache = _new_cache(function)
        compiled: Any
        if numba.config.DISABLE_JIT:  # numba.vectorize compiles even then
            # of NumPy's numbers, which divide by zero as compiled code does
            compiled = np.vectorize(functools.wraps(function)(lambda *x: function(*map(np.float64, x))), [np.float64])
        else:
            compiled = numba.vectorize(fastmath=set(fastmath))(function)
            numba_private.set_cache(compiled, cache)
        _register(function, compiled, signature, cache)
        return compiled  # type: ignore[no-any-return]

    return decorate


def _register(function: Callable[..., Any], compiled: Any, signature: str, cache: Any) -> None:
    name = f"{function.__module__.removeprefix('mbfast.').removeprefix('kernels.')}.{function.__name__}"
    _kernels[name] = Kernel(name, compiled, signature, cache, Path(function.__code__.co_filename))
