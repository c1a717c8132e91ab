"""The kernels as others use them: from compiled code, from C, from several threads and processes."""

import ast
import ctypes
import itertools
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import UNIT_DIPOLES, UNIT_STRESS, WEIGHTS, full
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing
from mbfast._core import tiles as _tiles
from mbfast.kernels import capi, dipole, displacements, geometry, spectra, stress

PUBLIC = {
    "capi": {"get_include": "", "address": "name"},
    "cutoffs": {
        "modulus_factor": "modulus",
        "dipole_factor": "dielectric permittivity stress modulus",
        "frequency_factor": "omega omega_c",
        "cutoff_length": "modulus omega omega_c",
        "dipole_cutoff_length": "dielectric permittivity stress modulus omega omega_c",
    },
    "dipole": {
        "pair_field": "dx dy dz px py pz",
        "pair_energy": "dx dy dz px py pz px_ py_ pz_",
        "pair_gradient": "dx dy dz px py pz px_ py_ pz_",
        "field": "targets positions moments out",
        "energy": "i0 i1 targets target_moments j0 positions moments",
        "source_field": "targets source moment out",
        "change_moment": "s new positions moments field",
        "source_energies": "targets target_moments source moment out",
        "flip": "s spins positions moments local",
        "coupling": "s t positions moments",
        "forces": "targets target_moments positions moments out",
        "virial": "targets target_moments positions moments out",
    },
    "displacements": {
        "inverse_power": "d weights power",
        "phase": "d weights k e c",
        "strain_coupling": "d weights k u a b",
        "dipole_strain_coupling": "d weights k u symmetric coherent",
        "isotropic_phase": "r weights k out",
    },
    "geometry": {"lattice_index": "i j k n2 n3", "lattice_position": "index n2 n3", "nearest_image": "d period"},
    "levels": {"add_lines": "w p re im omega width lorentzian out", "add_bins": "w p re im rate edges reduced out"},
    "spectra": {
        "coefficients": "values rule c",
        "evaluate": "x b c amplitude exponent out",
        "cauchy_weights": "omega a b parity rule out",
    },
    "spins": {
        "flip_cost": "s spins asymmetries local",
        "pair_flip_cost": "s t coupling spins asymmetries local",
        "lattice_field": "s moment table field",
        "lattice_energies": "s moment table moments out",
        "lattice_flip": "s spins table moments local",
        "lattice_coupling": "s t table moments",
    },
    "stress": {
        "pair_field": "dx dy dz xx yy zz yz xz xy c0 c1 c2",
        "pair_energy": "dx dy dz xx yy zz yz xz xy xx_ yy_ zz_ yz_ xz_ xy_ c0 c1 c2",
        "pair_gradient": "dx dy dz xx yy zz yz xz xy xx_ yy_ zz_ yz_ xz_ xy_ c0 c1 c2",
        "field": "targets positions moments c0 c1 c2 out",
        "energy": "i0 i1 targets target_moments j0 positions moments c0 c1 c2",
        "source_field": "targets source moment c0 c1 c2 out",
        "change_moment": "s new positions moments c0 c1 c2 field",
        "source_energies": "targets target_moments source moment c0 c1 c2 out",
        "flip": "s spins positions moments c0 c1 c2 local",
        "coupling": "s t positions moments c0 c1 c2",
        "forces": "targets target_moments positions moments c0 c1 c2 out",
        "virial": "targets target_moments positions moments c0 c1 c2 out",
    },
    "superblock": {"add_flips": "flips x y"},
}
EPS = sys.float_info.epsilon
C = UNIT_STRESS.coefficients


def system(seed=0, n=20):
    rng = np.random.default_rng(seed)
    return rng.random((3, n)), rng.normal(size=(6, n))


def test_public_kernels_and_their_arguments():
    """What others call from their own compiled code: a change here is a change of mbfast's promises."""
    found = {}
    for file in Path(mbfast.kernels.__file__).parent.glob("[!_]*.py"):
        functions = [
            node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        found[file.stem] = {
            f.name: " ".join(argument.arg for argument in f.args.args) for f in functions if not f.name.startswith("_")
        }
        assert all(ast.get_docstring(f) for f in functions if not f.name.startswith("_"))
    assert found == PUBLIC
    assert spectra.RULE.shape == (18, 8)


directions = st.integers(0, 2**32 - 1)


@given(directions)
def test_pair_kernels_contract_the_tensor(seed):
    rng = np.random.default_rng(seed)
    d, t, u = rng.normal(size=3), rng.normal(size=6), rng.normal(size=6)
    tensor = -testing.stress_tensor(d, 1 / (8 * np.pi), 1.5, 1.0)
    h = np.einsum("ijkl,kl", tensor, full(u))
    scale = np.abs(tensor).max() * np.linalg.norm(t) * np.linalg.norm(u)
    assert_allclose(full(np.array(stress.pair_field(*d, *u, *C))), h, atol=100 * EPS * scale)
    assert stress.pair_energy(*d, *t, *u, *C) == pytest.approx(np.sum(full(t) * h), abs=100 * EPS * scale)
    mu, p, q = testing.dipole_tensor(d, 1 / (8 * np.pi)), t[:3], u[:3]
    assert_allclose(dipole.pair_field(*d, *q), mu @ q, atol=50 * EPS * scale)
    assert dipole.pair_energy(*d, *p, *q) == pytest.approx(p @ mu @ q, abs=50 * EPS * scale)


def test_blocks_at_one_place_do_not_interact():
    assert stress.pair_field(0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, *C) == (0.0,) * 6
    assert dipole.pair_field(0.0, 0.0, 0.0, 1.0, 2.0, 3.0) == (0.0,) * 3
    x, t = np.zeros((3, 4)), np.ones((6, 4))
    out = np.zeros((6, 4))
    stress.field(x, x, t, *C, out)
    assert not out.any()


def test_what_is_not_a_number_stays_none():
    x, t = system()
    t[2, 3] = np.nan
    out = np.zeros_like(t)
    stress.field(x, x, t, *C, out)
    assert np.isnan(out[0, 4])


def test_fields_add_up_over_sources_and_onto_the_output():
    x, t = system()
    whole, parts = np.ones_like(t), np.ones_like(t)
    stress.field(x, x, t, *C, whole)
    for s in range(x.shape[1]):
        stress.source_field(x, x[:, s].copy(), t[:, s].copy(), *C, parts)
    assert_allclose(parts, whole, atol=1e-13 * np.abs(whole).max())
    whole, parts = np.ones_like(x), np.ones_like(x)
    dipole.field(x, x, t[:3].copy(), whole)
    for s in range(x.shape[1]):
        dipole.source_field(x, x[:, s].copy(), t[:3, s].copy(), parts)
    assert_allclose(parts, whole, atol=1e-13 * np.abs(whole).max())


@pytest.mark.parametrize("cut", [0, 1, 7, 19, 20])
def test_energies_of_pieces_add_up(cut):
    x, t = system()
    n = x.shape[1]
    whole = stress.energy(0, n, x, t, 0, x, t, *C)
    first, second = x[:, :cut].copy(), x[:, cut:].copy()
    a, b = t[:, :cut].copy(), t[:, cut:].copy()
    pieces = [
        stress.energy(i0, i1, targets, own, j0, sources, moments, *C)
        for (i0, i1, targets, own), (j0, sources, moments) in itertools.product(
            ((0, cut, first, a), (cut, n, second, b)), ((0, first, a), (cut, second, b))
        )
    ]
    assert sum(pieces) == pytest.approx(whole, rel=1e-12)


@given(directions)
def test_changing_a_moment_keeps_field_and_energy_up(seed):
    x, t = system(seed, 8)
    rng = np.random.default_rng(seed + 1)
    for kernels, m, weights, coefficients in ((stress, t, WEIGHTS, C), (dipole, t[:3].copy(), np.ones(3), ())):
        field = np.zeros_like(m)
        kernels.field(x, x, m, *coefficients, field)
        energy = float(np.sum(weights[:, None] * m * field))
        new = rng.normal(size=len(m))
        energy += kernels.change_moment(3, new, x, m, *coefficients, field)
        again = np.zeros_like(m)
        kernels.field(x, x, m, *coefficients, again)
        assert np.array_equal(m[:, 3], new)
        assert_allclose(field, again, atol=1e-12 * np.abs(again).max())
        assert energy == pytest.approx(
            float(np.sum(weights[:, None] * m * again)), abs=1e-11 * np.sum(np.abs(m * again))
        )


@given(st.tuples(*[st.integers(1, 9)] * 3), st.integers(0, 10**6))
def test_lattice_indices_and_positions(shape, number):
    index = number % (shape[0] * shape[1] * shape[2])
    position = geometry.lattice_position(index, shape[1], shape[2])
    assert position == tuple(map(float, np.unravel_index(index, shape)))
    assert geometry.lattice_index(*map(int, position), shape[1], shape[2]) == index


@given(st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_nearest_image(d, period):
    nearest = geometry.nearest_image(d, period)
    assert -0.5 * period * (1 + 1e-9) <= nearest <= 0.5 * period * (1 + 1e-9)
    assert (d - nearest) / period == pytest.approx(round((d - nearest) / period), abs=1e-9)


@pytest.mark.compiled
def test_kernels_in_a_loop_of_ones_own():
    import numba

    @numba.njit
    def energy(x, t, c0, c1, c2):
        total = 0.0
        for i in range(x.shape[1]):
            for j in range(i):
                d = x[:, i] - x[:, j]
                a, b = t[:, i], t[:, j]
                total += stress.pair_energy(
                    d[0], d[1], d[2], a[0], a[1], a[2], a[3], a[4], a[5], b[0], b[1], b[2], b[3], b[4], b[5], c0, c1, c2
                )
        return total

    x, t = system()
    assert energy(x, t, *C) == pytest.approx(stress.energy(0, 20, x, t, 0, x, t, *C), rel=1e-12)


POINTER, DOUBLE, INTEGER = ctypes.c_void_p, ctypes.c_double, ctypes.c_int64


def c_function(name, result, *arguments):
    return ctypes.CFUNCTYPE(result, *arguments)(capi.address(name))


@pytest.mark.compiled
@pytest.mark.parametrize("kernels", [stress, dipole], ids=["stress", "dipole"])
def test_c_functions_are_the_kernels(kernels):
    prefix, coefficients = ("stress", C) if kernels is stress else ("dipole", ())
    doubles = [DOUBLE] * len(coefficients)
    x, t = system()
    n = x.shape[1]
    m = np.ascontiguousarray(t[: 6 if coefficients else 3])
    targets = np.ascontiguousarray(x[:, :7])
    ours, theirs = np.ones((len(m), 7)), np.ones((len(m), 7))
    kernels.field(targets, x, m, *coefficients, ours)
    function = c_function(f"{prefix}_field", None, INTEGER, POINTER, INTEGER, POINTER, POINTER, *doubles, POINTER)
    function(7, targets.ctypes.data, n, x.ctypes.data, m.ctypes.data, *coefficients, theirs.ctypes.data)
    assert np.array_equal(theirs, ours)
    function = c_function(f"{prefix}_energy", DOUBLE, INTEGER, POINTER, POINTER, *doubles)
    assert function(n, x.ctypes.data, m.ctypes.data, *coefficients) == kernels.energy(
        0, n, x, m, 0, x, m, *coefficients
    )
    own = np.ascontiguousarray(m[:, :7])
    for name, rows in (("forces", 3), ("virial", 9)):
        mine, its = np.ones((rows, 7)), np.ones((rows, 7))
        getattr(kernels, name)(targets, own, x, m, *coefficients, mine)
        pointers = [POINTER, POINTER, INTEGER, POINTER, POINTER]
        function = c_function(f"{prefix}_{name}", None, INTEGER, *pointers, *doubles, POINTER)
        given = targets.ctypes.data, own.ctypes.data, n, x.ctypes.data, m.ctypes.data
        function(7, *given, *coefficients, its.ctypes.data)
        assert np.array_equal(its, mine)
    source, moment = x[:, 9].copy(), m[:, 9].copy()
    kernels.source_field(targets, source, moment, *coefficients, ours)
    function = c_function(f"{prefix}_source_field", None, INTEGER, POINTER, POINTER, POINTER, *doubles, POINTER)
    function(7, targets.ctypes.data, source.ctypes.data, moment.ctypes.data, *coefficients, theirs.ctypes.data)
    assert np.array_equal(theirs, ours)
    field, new = np.zeros_like(m), moment + 1
    other_m, other_field = m.copy(), field.copy()
    change = kernels.change_moment(4, new, x, m, *coefficients, field)
    function = c_function(
        f"{prefix}_change_moment", DOUBLE, INTEGER, POINTER, INTEGER, POINTER, POINTER, *doubles, POINTER
    )
    arrays = (x.ctypes.data, other_m.ctypes.data, *coefficients, other_field.ctypes.data)
    assert function(4, new.ctypes.data, n, *arrays) == change
    assert np.array_equal(other_m, m)
    assert np.array_equal(other_field, field)
    spins, local = np.where(x[0] > 0.5, 1.0, -1.0), np.zeros(n)
    other_spins, other_local = spins.copy(), local.copy()
    change = kernels.flip(3, spins, x, m, *coefficients, local)
    function = c_function(f"{prefix}_flip", DOUBLE, INTEGER, INTEGER, POINTER, POINTER, POINTER, *doubles, POINTER)
    arrays = (other_spins.ctypes.data, x.ctypes.data, m.ctypes.data, *coefficients, other_local.ctypes.data)
    assert function(3, n, *arrays) == change
    assert np.array_equal(other_spins, spins)
    assert np.array_equal(other_local, local)
    energies = np.zeros(n)
    kernels.source_energies(x, m, source, moment, *coefficients, energies)
    function = c_function(
        f"{prefix}_source_energies", None, INTEGER, POINTER, POINTER, POINTER, POINTER, *doubles, POINTER
    )
    other_local[:] = 0.0
    given = x.ctypes.data, m.ctypes.data, source.ctypes.data, moment.ctypes.data
    function(n, *given, *coefficients, other_local.ctypes.data)
    assert np.array_equal(other_local, energies)


def test_the_header_has_the_signatures():
    kinds = {"int64_t": "int64", "double": "float64", "void": "void"}
    header = (Path(mbfast.get_include()) / "mbfast.h").read_text(encoding="utf-8")
    found = {}
    for result, name, arguments in re.findall(r"typedef (\w+) mbfast_(\w+)\(([^)]*)\);", header):
        types = ["*" if "*" in argument else kinds[argument.split()[0]] for argument in arguments.split(",")]
        found[name] = f"{kinds[result]}({', '.join(types)})"
    assert found == {name: signature for name, (_, signature) in capi._FUNCTIONS.items()}


@pytest.mark.compiled
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_c_program_calls_them(tmp_path):
    (tmp_path / "caller.c").write_text(
        """
        #include "mbfast.h"
        double twice(mbfast_dipole_energy *energy, int64_t n, const double *x, const double *p) {
            return 2 * energy(n, x, p);
        }
        """,
        encoding="utf-8",
    )
    library = tmp_path / "caller.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", f"-I{mbfast.get_include()}", "-o", library, tmp_path / "caller.c"], check=True
    )
    twice = ctypes.CDLL(str(library)).twice
    twice.restype, twice.argtypes = DOUBLE, [POINTER, INTEGER, POINTER, POINTER]
    x, t = system()
    p = np.ascontiguousarray(t[:3])
    expected = mbfast.pair_energy(UNIT_DIPOLES, x.T, p.T)
    assert twice(capi.address("dipole_energy"), 20, x.ctypes.data, p.ctypes.data) == pytest.approx(expected, rel=1e-12)


@pytest.mark.compiled
def test_a_c_function_has_one_address():
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(capi.address, ["dipole_source_field"] * 8))) == 1


def test_an_unknown_c_function_is_named():
    with pytest.raises(ValueError, match=r"name must be one of stress_field, .* got 'field'"):
        capi.address("field")


def energy_of(seed):
    """What the workers below compute; importable by spawned processes."""
    rng = np.random.default_rng(seed)
    return mbfast.pair_energy(
        mbfast.DipoleInteraction(1.0), rng.random((1500, 3)), rng.normal(size=(1500, 3)), threads=2
    )


@pytest.mark.compiled
def test_several_python_threads_at_once():
    expected = [energy_of(seed) for seed in range(6)]
    results = [None] * 6

    def work(seed):
        results[seed] = energy_of(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == expected


FORK = """
import os, numpy as np, mbfast
rng = np.random.default_rng(0)
arguments = mbfast.DipoleInteraction(1.0), rng.random((1500, 3)), rng.normal(size=(1500, 3))
energy = mbfast.pair_energy(*arguments, threads=2)
child = os.fork()
if child == 0:
    os._exit(0 if mbfast.pair_energy(*arguments, threads=2) == energy else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), mbfast.pair_energy(*arguments, threads=2) == energy)
"""


@pytest.mark.compiled
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_after_a_fork_of_a_process_that_has_used_it(run_python):
    assert run_python(FORK).strip() == "0 True"


WORKERS = """
import multiprocessing, sys
sys.path[:0] = {path!r}
from test_kernels import energy_of
if __name__ == "__main__":
    here = [energy_of(seed) for seed in range(3)]
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(energy_of, range(3)) == here)
"""


@pytest.mark.compiled
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_in_multiprocessing_workers(tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method}")
    script = tmp_path / "script.py"
    script.write_text(WORKERS.format(path=[os.path.dirname(__file__)], method=method), encoding="utf-8")  # noqa: PTH120
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"


def test_tiles_keep_their_order_and_stop_at_an_error():
    assert _tiles.run(lambda i: i * i, range(20), threads=4) == [i * i for i in range(20)]
    seen = []

    def fail(i):
        seen.append(i)
        time.sleep(0.01)
        if i == 3:
            raise RuntimeError("tile 3")

    with pytest.raises(RuntimeError, match="tile 3"):
        _tiles.run(fail, range(1000), threads=2)
    assert len(seen) < 1000  # how many of them depends on what else the machine does


INTERRUPTED = """
import signal, numpy as np, mbfast
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent may have had ignored
rng = np.random.default_rng(0)
dipoles, positions, moments = mbfast.DipoleInteraction(1.0), rng.random((1_000_000, 3)), rng.normal(size=(1_000_000, 3))
periodic = dict(boundary="periodic", cell=[1.0, 1.0, 1.0], images=10)
threads = {threads}
mbfast.pair_field(dipoles, positions[:9], moments[:9])
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.compiled
@pytest.mark.thinned(1)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "call",
    [
        "mbfast.pair_field(dipoles, positions, moments, method='direct', threads=threads)",
        "mbfast.pair_field(dipoles, positions[:9000], moments[:9000], threads=threads, **periodic)",
    ],
    ids=["open", "periodic"],
)
def test_ctrl_c_is_prompt(threads, call):
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", INTERRUPTED.format(threads=threads, call=call)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)  # of the minutes the sum takes
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"
        assert process.returncode == 0
    finally:
        process.kill()


def test_isotropic_phases_are_sums_of_spherical_bessel_functions():
    from scipy.special import spherical_jn

    r, weights, k = np.array([1.0, 1.5, 2.25]), np.array([3.0, 0.5, 2.0]), np.geomspace(1e-3, 200.0, 25)
    out = np.empty((2, k.size))
    displacements.isotropic_phase(r, weights, k, out)
    for row, order in zip(out, (2, 4), strict=True):
        wanted = (weights / r**3 * spherical_jn(order, np.outer(k, r))).sum(axis=1)
        # relative where the series is summed, of the terms' size where they alternate
        assert_allclose(row, wanted, rtol=1e-13, atol=1e-16 * weights.sum())
