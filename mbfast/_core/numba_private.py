"""Everything that mbfast takes from numba's private parts and from llvmlite, in one file.

numba may move these parts in any release: the highest one that is known to have them all is the cap in pyproject.toml.
`PARTS` names them, but for methods of llvmlite's builder, and tests/test_jit.py asks numba for each.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numba

PARTS = (
    "numba.core.caching:FunctionCache.load_overload",
    "numba.core.caching:FunctionCache.save_overload",
    "numba.core.caching:FunctionCache.cache_path",
    "numba.core.caching:IndexDataCacheFile.load",
    "numba.core.caching:IndexDataCacheFile.save",
    "numba.core.caching:IndexDataCacheFile._data_name",
    "numba.core.caching:IndexDataCacheFile._data_path",
    "numba.core.caching:IndexDataCacheFile._dump",
    "numba.core.caching:IndexDataCacheFile._open_for_write",
    "numba.core.caching:NullCache",
    "numba.core.caching:_SourceFileBackedLocatorMixin.get_source_stamp",
    "numba.core.dispatcher:Dispatcher.compile",
    "numba.core.options:DefaultOptions.no_cfunc_wrapper",
    "numba.core.options:DefaultOptions.no_cpython_wrapper",
    "numba.core.options:DefaultOptions._nrt",
    "numba.core.registry:cpu_target",
    "numba.core.registry:CPUTarget.target_context",
    "numba.core.registry:CPUTarget._toplevel_target_context",
    "numba.core.registry:CPUTarget._toplevel_typing_context",
    "numba.core.cpu:CPUContext.codegen",
    "numba.core.codegen:JITCPUCodegen.magic_tuple",
    "numba.core.sigutils:normalize_signature",
    "numba.np.ufunc.dufunc:DUFunc.add",
    "numba.core.base:BaseContext.refresh",
    "numba.core.base:BaseContext.make_array",
    "numba.core.base:BaseContext.get_dummy_value",
    "numba.core.base:BaseContext.get_value_type",
    "numba.core.codegen:JITCodeLibrary.get_pointer_to_function",
    "numba.core.funcdesc:FunctionDescriptor.llvm_cfunc_wrapper_name",
    "numba.core.cgutils:for_range",
    "numba.core.cgutils:alloca_once_value",
    "llvmlite.binding.executionengine:ExecutionEngine",
    "llvmlite:ir",
    "llvmlite.ir:IRBuilder.shuffle_vector",
    "llvmlite.ir:MDValue",
    "llvmlite.ir:Module.declare_intrinsic",
)


def part(name: str) -> Any:
    """Return what `PARTS` calls by this name.

    Raises
    ------
    ImportError
        If the numba installed does not have it.
    """
    module, _, path = name.partition(":")
    try:
        return functools.reduce(getattr, path.split("."), importlib.import_module(module))
    except (ImportError, AttributeError):
        raise ImportError(
            f"mbfast needs {name}, which numba {numba.__version__} does not have; "
            "install a release of numba within the limits of mbfast's pyproject.toml"
        ) from None


ir: Any = part("llvmlite:ir")
NullCache = part("numba.core.caching:NullCache")
cgutils = part("numba.core:cgutils")
_DUFunc = part("numba.np.ufunc.dufunc:DUFunc")
_normalize = part("numba.core.sigutils:normalize_signature")

# Options of a function without an entry for C, and of one that only other compiled functions call, without allocating:
# the entries for Python and C, and counting references to arrays, take longer to compile than a small function itself.
NO_C_ENTRY = {"no_cfunc_wrapper": True}
HELPER = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True, "_nrt": False}

_SEAL = 16  # bytes of a digest


def is_universal(function: object) -> bool:
    """Whether it is a universal function made by numba."""
    return isinstance(function, _DUFunc)


def compile_for(function: Any, signature: str) -> None:
    """Compile a function of either kind for the signature, or load it from its cache."""
    if is_universal(function):
        with interruptible():  # beside the function itself a loop is compiled
            function.add(signature)
    else:  # as types, not as text: that is the key by which a call will look for it in the cache
        function.compile(_normalize(signature)[0])


def address_of(function: Any, signature: str) -> Any:
    """Return the address by which C calls a function, compiled for the signature; without the JIT the function."""
    if numba.config.DISABLE_JIT:
        return function
    types = _normalize(signature)[0]
    function.compile(types)
    result = function.overloads[types]
    return result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name)


def called_at(like: Callable[..., None]) -> Any:
    """Return a function of compiled code that calls a function like this one by its address, the first argument."""
    if numba.config.DISABLE_JIT:
        return lambda function, *arguments: function(*arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        types = [context.get_value_type(argument) for argument in signature.args[1:]]
        function = builder.inttoptr(values[0], ir.FunctionType(ir.VoidType(), types).as_pointer())
        builder.call(function, values[1:])
        return context.get_dummy_value()

    return intrinsic(like, ["address"], generate)


def intrinsic(like: Callable[..., None], before: list[str], generate: Callable[..., Any]) -> Any:
    """Return a function of compiled code that `generate` writes; its arguments are some, and those of `like`."""

    def typed(_context: Any, *types: Any) -> Any:
        return numba.types.void(*types), generate

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = ["_context", *before, *inspect.signature(like).parameters]
    typed.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])  # type: ignore[attr-defined]
    return numba.extending.intrinsic(typed)


# where numba takes in what it knows; without a part of it, it would go on
_TAKES_IN = {"refresh", "_toplevel_target_context", "_toplevel_typing_context"}


def _is_beyond_exceptions(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__") or ""
    takes_in = module.startswith("numba.core.") and frame.f_code.co_name in _TAKES_IN
    return module == "llvmlite.binding.executionengine" or takes_in


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Do not lose Ctrl-C while something is compiled, or loaded from the cache.

    An exception that is raised inside a callback of LLVM is dropped by ctypes, and one while numba takes in what it
    knows would leave this process without a part of it. There the signal is only noted, and its handler is called when
    the work is done; so it is where an exception of the handler was dropped somewhere else.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    unheard = []

    def note(number: int, frame: FrameType | None) -> None:
        unheard.append(number)
        place = frame
        while place is not None and not _is_beyond_exceptions(place):
            place = place.f_back
        if place is None:
            handler(number, frame)
            unheard.clear()  # it has not raised anything

    try:
        signal.signal(signal.SIGINT, note)
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if unheard:
        handler(signal.SIGINT, None)


def set_cache(function: Any, cache: Any) -> None:
    """Let a function of either kind keep its machine code in a cache, and hear Ctrl-C while it is compiled."""
    if is_universal(function):
        function._dispatcher.cache = cache
    else:
        function._cache = cache
        function.compile = interruptible()(function.compile)


def processor() -> tuple[str, str]:
    """Return the name and the features, separated by commas, of the processor that numba compiles for."""
    _, name, features = part("numba.core.registry:cpu_target").target_context.codegen().magic_tuple()
    return name, features


class _SealedFiles(part("numba.core.caching:IndexDataCacheFile")):  # type: ignore[misc]
    """One file for each signature and processor, behind a digest of its content and of what it was made from.

    There is no index, as numba has it: processes that write at once could leave the index of one and the code of
    another. One flipped bit in machine code may crash the process or change a result: a file that does not match its
    digest is not loaded.
    """

    def load(self, key: Any) -> Any:
        with contextlib.suppress(OSError):
            sealed = Path(self._path(key)).read_bytes()
            if sealed == self._sealed(key, sealed[_SEAL:]):
                return pickle.loads(sealed[_SEAL:])
        return None

    def save(self, key: Any, data: Any) -> None:
        with self._open_for_write(self._path(key)) as file:
            file.write(self._sealed(key, self._dump(data)))

    def _path(self, key: Any) -> str:
        digest = hashlib.blake2b(repr(key[:2]).encode(), digest_size=8).digest()  # without the hash of the bytecode
        return str(self._data_path(self._data_name(int.from_bytes(digest, "big"))))

    def _sealed(self, key: Any, content: bytes) -> bytes:
        origin = repr((key, Path(self._path(key)).name, self._version, self._source_stamp)).encode()
        return hashlib.blake2b(origin + content, digest_size=_SEAL).digest() + content


class ForgivingCache(part("numba.core.caching:FunctionCache")):  # type: ignore[misc]
    """numba's cache, where a folder lost or full, or a damaged file, costs a compilation, never an error.

    numba looks for edits in the file of the function alone. Here the stamp of what is kept covers the other files of
    mbfast, too, that the function's module takes something from, and that these do. What else one of these depends on
    it says by `STAMP`, a part of the file's name.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        sources = sorted(_sources(function.__module__))
        stamp = (self._impl.locator.get_source_stamp(), *map(_hash, sources))
        name = "".join([self._impl.filename_base, *(getattr(sys.modules[source], "STAMP", "") for source in sources)])
        self._cache_file = _SealedFiles(self._cache_path, name, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for a signature, None if nothing that can be used."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature, if it can be kept."""
        with contextlib.suppress(Exception):
            super().save_overload(sig, data)


def _sources(module: str) -> set[str]:
    """Return the names of mbfast's modules that a module has something of, itself among them, and that these have."""
    found, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        if name.startswith("mbfast.") and name in sys.modules and name not in found:
            found.add(name)
            held = vars(sys.modules[name]).values()
            waiting += [x.__name__ if isinstance(x, ModuleType) else getattr(x, "__module__", None) or "" for x in held]
    return found


@functools.cache
def _hash(module: str) -> str:
    found: Any = sys.modules[module]
    return hashlib.sha256(found.__loader__.get_data(found.__file__)).hexdigest()  # also out of an archive
