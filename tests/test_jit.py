"""The cache of compiled kernels: kept where it can be, done without where it cannot."""

import contextlib
import itertools
import operator
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import llvmlite.binding
import naive
import numba
import pytest

import mbfast
from mbfast._core import jit, numba_private

pytestmark = pytest.mark.compiled

LENGTH = "import mbfast; print(mbfast.cutoff_length(1e10, 1e7, 1e15))"
EXPECTED = pytest.approx(naive.cutoff_length(1e10, 1e7, 1e15), rel=1e-14)
FOLDERS = """
from mbfast._core import jit as _jit
print(*{kernel.cache_folder for kernel in _jit.all_kernels()}, sep='\\n')
"""
BOTH = f"{FOLDERS}\n{LENGTH}"  # lines of folders, and the last one a number


@pytest.fixture
def package(tmp_path):
    """A copy of the package, to be edited."""
    package = tmp_path / "site" / "mbfast"
    shutil.copytree(Path(mbfast.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


@pytest.fixture
def unwritable(package):
    """A copy of the package that holds no cache and into which none can be written, even by root."""
    for folder in [package, *package.rglob("*/")]:
        if folder.is_dir():
            (folder / "__pycache__").write_text("a file where a folder is wanted", encoding="utf-8")
    return {
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/dev/null",
        "XDG_CACHE_HOME": "/dev/null",
        "NUMBA_CACHE_DIR": "",
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache that holds what LENGTH needs."""
    folder = tmp_path_factory.mktemp("cache")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "MBFAST_CACHE": "1"}
    subprocess.run([sys.executable, "-P", "-c", LENGTH], env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder


def test_kernels_are_cached_and_found_again(run_python, cache):
    files = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}
    assert {path.suffix for path in files} == {".nbc"}  # no index
    assert float(run_python(LENGTH, NUMBA_CACHE_DIR=str(cache))) == EXPECTED
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")} == files


def test_read_only_package_and_home_use_a_private_temporary_folder(run_python, unwritable, tmp_path):
    code = "import numba; before = numba.config.CACHE_DIR\n" + BOTH + "\nassert numba.config.CACHE_DIR == before"
    *lines, number = run_python(code, **unwritable, TMPDIR=str(tmp_path)).splitlines()
    assert float(number) == EXPECTED
    folders = [Path(line) for line in lines]
    assert folders
    assert all(folder.is_relative_to(tmp_path) for folder in folders)
    assert list(tmp_path.glob("mbfast-*/*/*.nbc"))
    assert next(tmp_path.glob("mbfast-*")).stat().st_mode & 0o077 == 0


def test_a_temporary_folder_others_can_write_to_is_not_trusted(run_python, unwritable, tmp_path):
    environment = unwritable | {"TMPDIR": str(tmp_path)}
    run_python(FOLDERS, **environment)
    next(tmp_path.glob("mbfast-*")).chmod(0o777)
    folder, number = run_python(BOTH, **environment).splitlines()
    assert (folder, float(number)) == ("None", EXPECTED)


def test_no_folder_at_all(run_python, unwritable):
    code = "import tempfile; tempfile.gettempdir = lambda: '/dev/null'\n"
    folder, number = run_python(code + BOTH, **unwritable).splitlines()
    assert (folder, float(number)) == ("None", EXPECTED)


def test_a_folder_lost_after_the_start_does_not_matter(run_python, tmp_path):
    code = f"""
import pathlib, shutil, mbfast
from mbfast.kernels import cutoffs
folder = pathlib.Path({str(tmp_path / "cache")!r})
shutil.rmtree(folder)
folder.write_text("no folder any more")
print(cutoffs.cutoff_length(1e10, 1e7, 1e15))
"""
    assert float(run_python(code, NUMBA_CACHE_DIR=str(tmp_path / "cache"))) == EXPECTED


def test_the_cache_can_be_turned_off(run_python, tmp_path):
    folder, number = run_python(BOTH, MBFAST_CACHE="0", NUMBA_CACHE_DIR=str(tmp_path)).splitlines()
    assert (folder, float(number)) == ("None", EXPECTED)
    assert list(tmp_path.rglob("*")) == []


def flipped(content, bit):
    return content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :]


def sealed(folder, stamp="sources"):
    """The files of a function that has code for one signature."""
    return numba_private._SealedFiles(str(folder), "function", stamp)


CODE = {"code": bytes(range(200)), "types": ("float64", "float64")}


# as numba makes them: what the function is called with, the processor, and the code of the function
KEY, OTHER_TYPES, OTHER_CODE = [(types, "processor", code) for types, code in (("d", 1), ("f", 1), ("d", 2))]


def test_damage_anywhere_in_the_cache_is_seen(tmp_path):
    sealed(tmp_path).save(KEY, CODE)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    bits = [flipped(content, bit) for bit in range(0, 8 * len(content), 37)]
    for damaged in (*bits, b"", content[:10], content[:-1], content + b"x"):
        file.write_bytes(damaged)
        assert sealed(tmp_path).load(KEY) is None
    sealed(tmp_path).save(KEY, CODE)
    assert sealed(tmp_path).load(KEY) == CODE
    assert list(tmp_path.iterdir()) == [file]


def test_files_of_another_origin_are_not_taken(tmp_path):
    sealed(tmp_path).save(KEY, CODE)
    (file,) = tmp_path.iterdir()
    assert sealed(tmp_path, "other sources").load(KEY) is None
    assert sealed(tmp_path).load(OTHER_CODE) is None
    sealed(tmp_path).save(OTHER_TYPES, "other")
    (theirs,) = set(tmp_path.iterdir()) - {file}
    shutil.copy(file, theirs)
    assert sealed(tmp_path).load(OTHER_TYPES) is None
    shutil.copy(file, tmp_path / file.name.replace("function", "other"))
    assert numba_private._SealedFiles(str(tmp_path), "other", "sources").load(KEY) is None


def test_code_for_several_signatures_stays_side_by_side_and_follows_an_edit(tmp_path):
    for key, data in ((KEY, 1), (OTHER_TYPES, 2), (OTHER_CODE, 3)):
        sealed(tmp_path).save(key, data)
    assert [sealed(tmp_path).load(key) for key in (KEY, OTHER_TYPES, OTHER_CODE)] == [None, 2, 3]
    assert len(list(tmp_path.iterdir())) == 2


DAMAGES = ["folder", "bit", "empty", "cut"]


@pytest.mark.parametrize("damages", [DAMAGES, *(pytest.param([one], marks=pytest.mark.slow) for one in DAMAGES)])
def test_a_damaged_cache_is_done_without_and_mended(run_python, cache, tmp_path, damages):
    """Of each of its files in another way, or of all in the same one."""
    folder = shutil.copytree(cache, tmp_path / "cache")
    files = sorted(folder.rglob("*.nbc"))
    assert len(files) >= len(damages)
    for file, damage in zip(files, itertools.cycle(damages), strict=False):
        content = file.read_bytes()
        file.unlink()
        if damage == "folder":
            file.mkdir()
        else:
            bit = flipped(content, 8 * len(content) * 2 // 3)
            file.write_bytes({"bit": bit, "empty": b"", "cut": content[: len(content) // 2]}[damage])
    for _ in range(2):
        assert float(run_python(LENGTH, NUMBA_CACHE_DIR=str(folder))) == EXPECTED


def test_the_first_call_may_come_from_several_threads(run_python, tmp_path):
    """Of a function for arrays and of a kernel."""
    code = """
import threading, warnings
from concurrent.futures import ThreadPoolExecutor
import numpy as np, mbfast
warnings.simplefilter("error")
barrier = threading.Barrier(8)
def work(_):
    barrier.wait()
    length = float(mbfast.cutoff_length(1e10, 1e7, 1e15))
    return length, mbfast.pair_energy(mbfast.DipoleInteraction(1.0), np.eye(3), np.eye(3))
with ThreadPoolExecutor(8) as pool:
    print(len(set(pool.map(work, range(8)))))
"""
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "1"


def test_no_other_signature_is_compiled_for_other_types(run_python, cache):
    code = """
import numpy as np, mbfast
from mbfast.kernels import cutoffs
mbfast.cutoff_length(np.float32(1e10), 10_000_000, 1e15)
print(cutoffs.cutoff_length.types)
"""
    assert run_python(code, NUMBA_CACHE_DIR=str(cache)).strip() == "['ddd->d']"


def test_kernels_release_the_gil_and_divide_as_ieee_does():
    for kernel in jit.all_kernels():
        if isinstance(kernel.function, numba.core.dispatcher.Dispatcher):
            options = kernel.function.targetoptions
            assert options["nogil"], kernel.name
            assert options["error_model"] == "numpy", kernel.name
            assert not {"nnan", "ninf"} & set(options["fastmath"]), kernel.name


def test_what_is_compiled_ahead_is_what_a_call_finds(run_python):
    # in the cache that all tests share: compiling every kernel once more would take most of the suite's time
    if not all(kernel.cache_files() for kernel in jit.all_kernels()):
        run_python("from mbfast._core import jit\nfor kernel in jit.all_kernels(): kernel.compile()", MBFAST_CACHE="1")
    call = """
import numba, numpy as np, mbfast
from mbfast._core.jit import all_kernels
files = {kernel.name: kernel.cache_files() for kernel in all_kernels()}
assert all(files.values())
mbfast.cutoff_length([1e10, 1e9], 1e7, 1e15); mbfast.cutoff_length(1e10, 1e7, 1e15)
mbfast.dipole_cutoff_length([1.0, 2.0], 1, 1, 1, 1, 2); mbfast.dipole_cutoff_length(1, 1, 1, 1, 1, 2)
nodes = np.geomspace(1.0, 9.0, 20)
mbfast.convolve(nodes, nodes, temperature=1e-11)
mbfast.convolve(np.arange(1.0, 41.0), np.ones(40))
mbfast.kramers_kronig(nodes, nodes)
mbfast.pair_energy(mbfast.DipoleInteraction(1.0), np.eye(3), np.eye(3))
mbfast.pair_field(mbfast.StressInteraction(1.0, 2.0, 1.0), np.eye(3), np.ones((3, 6)))
mbfast.lattice_sum(mbfast.BlockLattice((2, 2, 2), 1.0), 6)
mbfast.susceptibility_from_levels([0.0, 1e-23], np.ones((2, 2, 6)), 1e-25, 1.0, [1e11], 1e10)
assert files == {kernel.name: kernel.cache_files() for kernel in all_kernels()}
hits = misses = 0
for kernel in all_kernels():
    if hasattr(kernel.function, "stats"):
        hits += sum(kernel.function.stats.cache_hits.values())
        misses += sum(kernel.function.stats.cache_misses.values())
        own = tuple(numba.core.sigutils.normalize_signature(kernel.signature)[0])
        assert kernel.function.signatures in ([], [own]), kernel.name  # what another test called may be in the cache
print(hits, misses)
"""
    hits, misses = map(int, run_python(call, MBFAST_CACHE="1").split())
    assert misses == 0
    assert hits > 10


EVALUATE = """
import numpy as np
from mbfast.kernels import displacements, spectra
x, out = np.array([0.5, 1.5]), np.empty(2)
spectra.evaluate(x, np.arange(3.0), np.arange(16.0).reshape(2, 8), 0.0, 0.0, out)
displacements.inverse_power(np.ones((3, 1)), np.ones(1), 6.0)
print(*[sum(f.stats.cache_misses.values()) for f in (spectra.evaluate, displacements.inverse_power)], *out)
"""


def test_an_edit_of_a_helper_in_another_file_is_noticed(run_python, package, tmp_path):
    environment = {"PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run_python(EVALUATE, **environment) == "1 1 0.0 8.0\n"
    assert run_python(EVALUATE, **environment) == "0 0 0.0 8.0\n"
    file = package / "_core" / "search.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("return low", "return low - 1"), encoding="utf-8")
    assert text.count("return low") == 1
    # what does not use it is not compiled again
    evaluated, powers, _, value = run_python(EVALUATE, **environment).split()
    assert (evaluated, powers) == ("1", "0")
    assert value != "8.0"


@pytest.mark.parametrize("name", numba_private.PARTS)
def test_numba_has_the_private_parts_that_mbfast_takes(name):
    numba_private.part(name)


def test_llvmlite_and_contexts_have_what_generated_code_takes():
    from numba.core import cgutils, cpu

    homes = {"builder": llvmlite.ir.IRBuilder, "ir": llvmlite.ir, "cgutils": cgutils, "context": cpu.CPUContext}
    core = Path(numba_private.__file__).parent
    sources = [(core / f"{name}.py").read_text(encoding="utf-8") for name in ("numba_private", "simd", "tracing")]
    used = set(re.findall(rf"\b({'|'.join(homes)})\.(\w+)", "\n".join(sources)))
    used |= {("builder", name) for pair in re.findall(r'_with\("(\w+)", "(\w+)"', sources[2]) for name in pair}
    assert {("builder", "fadd"), ("builder", "udiv"), ("ir", "Constant")} < used
    assert [f"{home}.{name}" for home, name in sorted(used) if not hasattr(homes[home], name)] == []


def have_what_is_taken(objects):
    for names, made in objects.items():
        for name in names.split():
            operator.attrgetter(name)(made)  # an AttributeError names what is missing


def test_objects_of_numba_have_what_the_cache_takes():
    """Attributes that are set when an object is made, so that its class does not have them."""
    cache = jit.all_kernels()[0].cache
    file = numba_private._SealedFiles("folder", "function", "stamp")
    objects = {
        "_impl.filename_base _impl.locator.get_source_stamp _cache_path _cache_file cache_path": cache,
        "_version _source_stamp": file,
        "_cache overloads compile": numba.njit(lambda x: x),
        "_dispatcher.cache ntypes add": numba.vectorize(lambda x: x),
    }
    have_what_is_taken(objects)


def test_objects_of_llvmlite_have_what_generated_code_takes():
    """Attributes of what builders, contexts and compilations return."""
    from numba.core import cgutils, registry

    ir, context = llvmlite.ir, registry.cpu_target.target_context
    vector, kind = ir.VectorType(ir.DoubleType(), 4), numba.types.Array(numba.float64, 2, "C")
    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [ir.IntType(64)]), "function")
    builder = ir.IRBuilder(function.append_basic_block())
    load = builder.load(builder.alloca(vector))
    with cgutils.for_range(builder, function.args[0]) as loop:
        pass
    compiled = numba.njit("float64(float64)")(lambda x: x)
    objects = {
        "add_metadata metadata": function.module,
        "blocks": builder.function,
        "instructions": builder.block,
        "count element as_pointer": vector,
        "type.count opname metadata set_metadata": load,
        "add_incoming type": builder.phi(ir.DoubleType()),
        "index.type": loop,
        "operands": ir.MDValue(function.module, (), "0"),
        "args": numba.void(numba.float64),
        "ndim": kind,
        "shape data": context.make_array(kind)(context, builder),
        "library.get_pointer_to_function fndesc.llvm_cfunc_wrapper_name": next(iter(compiled.overloads.values())),
    }
    have_what_is_taken(objects)


def test_a_part_that_numba_does_not_have_is_named():
    with pytest.raises(ImportError, match=r"mbfast needs numba\.core:gone\.away, which numba [0-9.]+ does not have"):
        numba_private.part("numba.core:gone.away")


def test_other_files_take_nothing_private_from_numba():
    root = Path(mbfast.__file__).parent
    for file in root.rglob("*.py"):
        if file != Path(numba_private.__file__):
            text = file.read_text(encoding="utf-8")
            assert not any(word in text for word in ("numba.core", "numba.np", "llvmlite import", "._dispatcher")), file


def test_processes_compile_into_one_cache(run_python, tmp_path):
    code = """
from mbfast._core import jit
from mbfast.cli.machine import compile_kernels
kernels = [kernel for kernel in jit.all_kernels() if kernel.name in ("cutoffs.modulus_factor", "spectra.coefficients")]
compile_kernels(kernels, 2)
print([len(kernel.cache_files()) for kernel in kernels], [kernel.function.types for kernel in kernels[:1]])
"""
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "[1, 1] [[]]"  # nothing was compiled in this one


@pytest.fixture
def interrupts():
    """Ctrl-C as Python has it, which a parent may have had ignored."""
    numba.njit("float64(float64[:])")(lambda x: x.size + 0.0)  # what an interrupted first compilation would lack
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


# LLVM calls the first back, and no exception comes out of what LLVM calls; the other one is called by numba
CALLED_BACK, CALLED = "ExecutionEngine._find_module_ptr", "parse_assembly"


def compile_interrupted(monkeypatch, place, interrupt):
    """Compile a function, and call `interrupt` in a function of llvmlite's on the way. Return the function."""
    original, first = operator.attrgetter(place)(llvmlite.binding), iter([interrupt])

    def interrupted(*arguments):
        next(first, lambda: None)()
        return original(*arguments)

    monkeypatch.setattr(f"llvmlite.binding.{place}", interrupted)
    function = numba.njit(lambda x: x + 1.0)
    numba_private.set_cache(function, numba_private.NullCache())
    numba_private.compile_for(function, "float64(float64)")
    assert next(first, None) is None
    return function


@pytest.mark.parametrize("place", [CALLED_BACK, CALLED])
def test_ctrl_c_while_a_kernel_compiles(monkeypatch, interrupts, place):
    with pytest.raises(KeyboardInterrupt):
        compile_interrupted(monkeypatch, place, interrupts)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_waits_while_numba_takes_in_what_it_knows(interrupts):
    """An exception there would leave this process with a numba that does not know arrays."""
    place = {"__name__": "numba.core.base"}
    exec("def refresh(interrupt): interrupt(); return 'whole'", place)
    done = []
    with pytest.raises(KeyboardInterrupt), numba_private.interruptible():
        done.append(place["refresh"](interrupts))
    assert done == ["whole"]


def test_ctrl_c_that_got_lost_is_raised_after_the_compilation(monkeypatch, interrupts):
    def lost():
        with contextlib.suppress(KeyboardInterrupt):
            interrupts()

    with pytest.raises(KeyboardInterrupt):
        compile_interrupted(monkeypatch, CALLED, lost)


@pytest.mark.parametrize("place", [CALLED_BACK, CALLED])
def test_a_handler_that_only_takes_notes_is_called_once(monkeypatch, interrupts, place):
    heard = []
    signal.signal(signal.SIGINT, lambda *arguments: heard.append(arguments[0]))
    assert compile_interrupted(monkeypatch, place, interrupts)(1.0) == 2.0
    assert heard == [signal.SIGINT]


def test_what_is_ignored_stays_ignored(monkeypatch, interrupts):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert compile_interrupted(monkeypatch, CALLED_BACK, interrupts)(1.0) == 2.0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups")
def test_ctrl_c_ends_all_processes_that_compile(tmp_path):
    code = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent may have had ignored
from mbfast._core import jit
from mbfast.cli.machine import compile_kernels
compile_kernels([kernel for kernel in jit.all_kernels() if kernel.name.startswith(("cutoffs.", "levels."))], 2)
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-P", "-c", code], env=environment, start_new_session=True)
    try:
        while not list(tmp_path.rglob("*.nbc")) and process.poll() is None:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) != 0
        for _ in range(600):  # the last of the group to go is a helper of multiprocessing
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("a process is left")
    finally:
        process.kill()
