"""Lattice fields by way of a folder: the bits of those in memory, whatever is cut, interrupted or damaged."""

import errno
import itertools
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import DIPOLES, SILICA, random_moments

import mbfast
from mbfast._core import sizes
from mbfast.pairs import geometry, pencils, periodic, stored
from mbfast.pairs._stored.plan import Plan, Sizes, planned
from mbfast.pairs._stored.zarrays import _grid
from mbfast.pairs.pencils import Pencils
from mbfast.pairs.problem import PairProblem

MEAN = [1e9, -3e9, 2e9, 7e8, -5e8, 2e8]  # Pa
LATTICE = mbfast.BlockLattice((6, 10, 12), 5e-9)
MOMENTS = 1e-30 * np.random.default_rng(7).normal(size=(6, 10, 12, 3))


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    """Plans for so little memory that everything is in many chunks."""
    monkeypatch.setattr(geometry, "ROWS", 32)
    monkeypatch.setattr(pencils, "_OFFSETS", 64)
    monkeypatch.setattr(periodic, "_TOGETHER", 64)
    monkeypatch.setattr(stored, "planned", tight)


def tight(of, _, threads, times=1.3):
    """Return a plan for somewhat more than what is the least, the threads' own memory apart."""
    least, beside = planned(of, 0.0, threads), Sizes(of, threads).beside
    return planned(of, beside + times * (least - beside), threads)


def make(folder, lattice=LATTICE, interaction=DIPOLES, **options):
    return mbfast.StoredLatticeField(interaction, lattice, folder, memory="1 TB", **{"threads": 2, **options})


def assert_same_bits(field, expected):
    assert np.asarray(field).dtype == np.float64
    assert np.array_equal(np.asarray(field), expected)


CASES = [
    ({}, (6, 10, 12), False),
    ({}, (9, 7, 5), True),  # every side padded, the longest axis first
    ({}, (40, 17, 3), False),  # x in two blocks
    ({"boundary": "periodic", "images": 1}, (5, 11, 6), True),
    ({"boundary": "periodic", "images": 1, "image_shape": "spherical"}, (6, 5, 8), False),
    ({"boundary": "periodic"}, (6, 9, 10), True),  # at the lattice's own wave vectors, lines without a partner
    ({"boundary": "periodic"}, (7, 13, 6), False),  # padded
    ({"boundary": "periodic", "macroscopic": "tin-foil"}, (11, 6, 7), True),
    ({"boundary": "periodic", "macroscopic": "vacuum"}, (8, 5, 12), False),
]


@pytest.mark.compiled
@pytest.mark.thinned(1)
@pytest.mark.parametrize(("options", "shape", "averaged"), CASES, ids=str)
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_bits_are_those_in_memory(tmp_path, interaction, options, shape, averaged):
    if interaction is SILICA and "macroscopic" in options:
        options = {**options, "macroscopic": {"tin-foil": MEAN, "vacuum": "clamped"}[options["macroscopic"]]}
    lattice, options = mbfast.BlockLattice(shape, 5e-9, averaged=averaged), {**options, "self_field": averaged}
    moments = 1e-19 * random_moments(3, shape, interaction)
    field = make(tmp_path / "folder", lattice, interaction, **options)
    assert min(len(field._field.plan.parts), len(field._field.plan.planes)) > 1
    out = field(moments, np.empty_like(moments))
    assert_same_bits(out, mbfast.LatticeField(interaction, lattice, **options)(moments))


@settings(max_examples=40)
@given(
    sides=st.tuples(*[st.integers(1, 200)] * 3), kind=st.sampled_from([SILICA, DIPOLES]), threads=st.integers(1, 9),
    options=st.sampled_from([options for options, *_ in CASES[:7]]), times=st.floats(1.0, 50.0),
)  # fmt: skip
def test_plans_keep_to_what_they_are_given(sides, kind, threads, options, times):
    """All that tasks work on is in an arena of the plan's size: more is an error, which the bits' tests would meet."""
    of = Pencils(PairProblem.of(kind, mbfast.BlockLattice(sides, 1.0), **options))
    least = planned(of, 0.0, threads)
    assert planned(of, least - 1.0, threads) == least
    plan = planned(of, times * least, threads)
    assert plan.arena(of, threads) + Sizes(of, threads).beside <= times * least
    assert Plan.of(plan.described()) == plan
    blocks, lines = of.shape[1:3]
    covered = np.zeros((blocks, lines), int)
    for b0, b1, l0, l1 in plan.parts:
        covered[b0:b1, l0:l1] += 1
    assert (covered == 1).all()
    for tiles, n in ((plan.planes, of.shape[0]), (plan.tiles, 0 if of.circular else of.kernel_shape[1])):
        assert [i for tile in tiles for i in range(*tile)] == list(range(n))


@pytest.mark.compiled
@pytest.mark.parametrize(("layout", "dtype"), [((6,), np.float32), ((3, 3), ">f8"), ((3, 3), np.int32)])
def test_moments_of_any_real_type(tmp_path, layout, dtype):
    lattice = mbfast.BlockLattice((4, 5, 6), 5e-9)
    moments = 100.0 * random_moments(1, (4, 5, 6), SILICA)
    moments = (moments if layout == (3, 3) else moments[..., [0, 1, 2], [0, 1, 2]].repeat(2, -1)).astype(dtype)
    np.save(tmp_path / "moments.npy", moments)
    expected = mbfast.LatticeField(SILICA, lattice)(moments)
    field = make(tmp_path / "folder", lattice, SILICA)
    for given_as in (moments, moments.tolist(), np.asfortranarray(moments), tmp_path / "moments.npy"):
        if not isinstance(given_as, list) or dtype != np.float32:  # lists are doubles
            assert_same_bits(field(given_as, np.empty(moments.shape)), expected)


@pytest.mark.compiled
def test_arrays_maps_and_files(tmp_path):
    expected = mbfast.LatticeField(DIPOLES, LATTICE)(MOMENTS)
    field = make(tmp_path / "folder")
    np.save(tmp_path / "moments.npy", MOMENTS)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(MOMENTS))
    mapped = np.load(tmp_path / "moments.npy", mmap_mode="r")
    into = np.lib.format.open_memmap(tmp_path / "map.npy", mode="w+", dtype=float, shape=MOMENTS.shape)
    assert field(mapped, into) is into
    assert_same_bits(into, expected)
    assert field(str(tmp_path / "moments.npy"), tmp_path / "new" / "field.npy") == tmp_path / "new" / "field.npy"
    assert_same_bits(np.load(tmp_path / "new" / "field.npy"), expected)
    strided = np.empty((6, 10, 12, 5))[..., 1:4]
    assert field(tmp_path / "fortran.npy", strided) is strided
    assert_same_bits(strided, expected)
    changed = np.load(tmp_path / "moments.npy", mmap_mode="c")  # whose pages are the only place of what is changed
    changed[...] *= 2.0
    assert_same_bits(field(changed, np.empty(MOMENTS.shape)), 2.0 * expected)
    assert field(tmp_path / "moments.npy", tmp_path / "moments.npy")
    assert_same_bits(np.load(tmp_path / "moments.npy"), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "folder",
        "fortran.npy",
        "map.npy",
        "moments.npy",
        "new",
    ]
    assert list((tmp_path / "folder" / "field").iterdir()) == []


@pytest.mark.compiled
def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr", reason="needs the extra zarr")
    expected = mbfast.LatticeField(DIPOLES, LATTICE)(MOMENTS)
    field = make(tmp_path / "folder")
    source = zarr.create_array(str(tmp_path / "moments.zarr"), shape=MOMENTS.shape, chunks=(4, 3, 5, 3), dtype=float)
    source[...] = MOMENTS
    old = zarr.create_array(str(tmp_path / "old.zarr"), shape=MOMENTS.shape, chunks=(3, 4, 12, 3), dtype=float)
    assert field(source, old) is old
    assert_same_bits(old[...], expected)
    assert field(tmp_path / "moments.zarr", tmp_path / "field.zarr") == tmp_path / "field.zarr"
    made = zarr.open_array(str(tmp_path / "field.zarr"), mode="r")
    assert_same_bits(made[...], expected)
    assert made.shards is not None
    with pytest.raises(ValueError, match="out must be outside of folder"):
        field(MOMENTS, tmp_path / "folder" / "field.zarr")
    with pytest.raises(ValueError, match="out must not be where the moments are"):
        field(source, zarr.open_array(str(tmp_path / "moments.zarr")))
    assert field(tmp_path / "moments.zarr", tmp_path / "moments.zarr")
    assert_same_bits(zarr.open_array(str(tmp_path / "moments.zarr"), mode="r")[...], expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["field.zarr", "folder", "moments.zarr", "old.zarr"]
    small = mbfast.StoredLatticeField(DIPOLES, LATTICE, tmp_path / "other", memory="1 TB")
    small.memory = small.needed + 1000
    with pytest.raises(ValueError, match=r"memory must be at least .* for such moments and out"):
        small(MOMENTS, tmp_path / "none.zarr")


def test_zarr_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    field = make(tmp_path / "folder", mbfast.BlockLattice((0, 1, 1), 1.0))
    with pytest.raises(ImportError, match=r"pip install 'mbfast.zarr.'"):
        field(np.empty((0, 1, 1, 3)), tmp_path / "field.zarr")


@settings(max_examples=60)
@given(shape=st.tuples(*[st.integers(1, 700)] * 3), cut=st.tuples(*[st.booleans()] * 3), data=st.data())
def test_no_shard_belongs_to_two_boxes(shape, cut, data):
    parts = [data.draw(st.integers(1, n)) if some else n for n, some in zip(shape, cut, strict=True)]
    chunks, shards = _grid((*shape, 6), tuple(parts), 6)
    for n, part, chunk, shard in zip(shape, parts, chunks, shards, strict=True):
        assert shard % chunk == 0
        assert part == n or part % shard == 0


def interrupted_after(tasks):
    """Return a progress that stops a calculation after so many tasks."""

    def progress(done, _):
        if done > tasks:
            raise KeyboardInterrupt

    return progress


def count_tasks(field, monkeypatch):
    """Return the list that the names of tasks come to as they are done."""
    done = []
    for tasks in (field._kernel, field._field):
        run = tasks.run_task
        monkeypatch.setattr(tasks, "run_task", lambda name, number, run=run: (done.append(name), run(name, number))[1])
    return done


@pytest.mark.compiled
@pytest.mark.parametrize("place", ["looked", "spread", "planes", "collect"])
def test_an_interrupted_field_goes_on(tmp_path, monkeypatch, place):
    expected = mbfast.LatticeField(DIPOLES, LATTICE)(MOMENTS)
    field = make(tmp_path / "folder")
    counts = field._field.passes
    before = {"looked": 0, "spread": 2, "planes": counts["spread"] + 2, "collect": counts["spread"] + counts["planes"]}
    with pytest.raises(KeyboardInterrupt):
        field(MOMENTS, tmp_path / "out.npy", progress=stop_at(field, before[place]))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    again = make(tmp_path / "folder")
    done = count_tasks(again, monkeypatch)
    assert_same_bits(again(MOMENTS, np.empty_like(MOMENTS)), expected)
    assert len(done) == sum(counts.values()) - before[place]


def stop_at(field, tasks):
    """Return a progress that stops a field after so many tasks that are about no check of the moments."""
    total = sum(field._field.passes.values())

    def progress(done, of):
        if done == of - total + tasks:
            raise KeyboardInterrupt

    return progress


@pytest.mark.compiled
def test_an_interrupted_field_of_other_moments_is_forgotten(tmp_path):
    field = make(tmp_path / "folder")
    with pytest.raises(KeyboardInterrupt):
        field(MOMENTS, np.empty_like(MOMENTS), progress=stop_at(field, field._field.passes["spread"] + 1))
    other = MOMENTS.copy()
    other[-1, -1, -1, -1] *= 1.0 + 1e-15
    assert_same_bits(field(other, np.empty_like(other)), mbfast.LatticeField(DIPOLES, LATTICE)(other))


@pytest.mark.compiled
def test_an_interrupted_set_up_goes_on(tmp_path, monkeypatch):
    lattice = mbfast.BlockLattice((7, 13, 6), 5e-9)  # padded: all three passes make the kernel
    moments = 1e-30 * np.random.default_rng(7).normal(size=(7, 13, 6, 3))
    whole = make(tmp_path / "whole", lattice, boundary="periodic")
    for stop in range(1, sum(whole._kernel.passes.values())):
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "folder", lattice, boundary="periodic", progress=interrupted_after(stop))
    made = make(tmp_path / "folder", lattice, boundary="periodic")
    files = [sorted((tmp_path / name / "kernel").iterdir()) for name in ("whole", "folder")]
    assert [file.name for file in files[0]] == [file.name for file in files[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))
    assert_same_bits(made(moments, np.empty_like(moments)), whole(moments, np.empty_like(moments)))


def damage(file, how):
    if how == "byte":
        content = bytearray(file.read_bytes())
        content[len(content) // 3] ^= 1
        file.write_bytes(content)
    elif how == "short":
        os.truncate(file, file.stat().st_size - 8)
    elif how == "long":
        file.write_bytes(file.read_bytes() + b"0")
    else:
        file.unlink()


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("which", "how"),
    [
        ("lines", "byte"),
        ("spread", "gone"),
        ("planes", "byte"),
        ("planes", "short"),
        ("planes", "long"),
        ("lines", "gone"),
    ],
)
def test_damaged_chunks_are_made_again(tmp_path, which, how):
    expected = mbfast.LatticeField(DIPOLES, LATTICE)(MOMENTS)
    field, folder = make(tmp_path / "folder"), tmp_path / "folder"
    if which != "lines":
        first = field._field.passes["spread"]
        after = first + (0 if which == "spread" else field._field.passes["planes"])
        with pytest.raises(KeyboardInterrupt):
            field(MOMENTS, np.empty_like(MOMENTS), progress=stop_at(field, after))
    for file in sorted((folder / ("kernel" if which == "lines" else "field")).glob(f"{which}-*"))[::7]:
        damage(file, how)
    assert_same_bits(make(folder)(MOMENTS, np.empty_like(MOMENTS)), expected)


def test_what_is_damaged_again_and_again_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(
        stored.FieldTasks, "_planes", lambda self, _: self._gather(self.chunks["spread"], {(0, 0): np.empty(1)}, [])
    )
    field = make(tmp_path / "folder", mbfast.BlockLattice((1, 2, 1), 5e-9))
    with pytest.raises(OSError, match="damaged again and again"):
        field(1e-30 * np.ones((1, 2, 1, 3)), np.empty((1, 2, 1, 3)))


@pytest.mark.compiled
def test_tasks_are_functions_of_their_numbers(tmp_path):
    """Each is done by a copy of its own, in any order within a pass: what a cluster with a shared folder would do."""
    np.save(tmp_path / "moments.npy", MOMENTS)
    field, expected = make(tmp_path / "folder"), mbfast.LatticeField(DIPOLES, LATTICE)(MOMENTS)
    with pytest.raises(KeyboardInterrupt):  # after the moments have been looked at
        field(tmp_path / "moments.npy", tmp_path / "out.npy", progress=stop_at(field, 1))
    tasks = field._field
    for name in ("spread", "planes"):
        for number in np.random.default_rng(1).permutation(tasks.passes[name]).tolist():
            checksums = pickle.loads(pickle.dumps(tasks)).run_task(name, number)
            tasks.chunks[name].checksums[tasks.place(name, number)] = checksums
    tasks.target.begin()
    for number in range(tasks.passes["collect"]):
        pickle.loads(pickle.dumps(tasks)).run_task("collect", number)
    tasks.target.finish()
    assert_same_bits(np.load(tmp_path / "out.npy"), expected)


@pytest.mark.compiled
def test_any_number_of_threads_gives_the_same_bits(tmp_path):
    first = make(tmp_path / "folder", threads=3)(MOMENTS, np.empty_like(MOMENTS))
    assert_same_bits(make(tmp_path / "folder", threads=1)(MOMENTS, np.empty_like(MOMENTS)), first)
    assert_same_bits(make(tmp_path / "folder", threads=5)(MOMENTS, np.empty_like(MOMENTS)), first)


@pytest.mark.compiled
def test_bad_moments_are_refused_before_anything_is_written(tmp_path):
    lattice = mbfast.BlockLattice((4, 5, 6), 5e-9)
    field = make(tmp_path / "folder", lattice, SILICA)
    for value, message in ((np.nan, "finite"), (1e151, "at most 1e[+]150"), (1.0, "must be symmetric")):
        moments = 1e-19 * random_moments(1, (4, 5, 6), SILICA)
        moments[3, 4, 2, 0, 1] = value
        with pytest.raises(ValueError, match=f"moments must be .*{message}.* for block 116|{message}.* for block 116"):
            field(moments, tmp_path / "out.npy")
    with pytest.raises(ValueError, match=r"moments must have shape .4, 5, 6, 6. or .4, 5, 6, 3, 3., got .4, 5, 6, 3."):
        field(np.zeros((4, 5, 6, 3)), tmp_path / "out.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert not [path for path in (tmp_path / "folder").rglob("*") if path.name.startswith(("spread", "planes"))]


@pytest.mark.compiled
def test_fields_beyond_the_range_of_doubles(tmp_path, monkeypatch):
    monkeypatch.setattr(Pencils, "scale", 1e300)
    moments = np.zeros((6, 10, 12, 3))
    moments[5, 9, 11] = 1e100
    with pytest.raises(ValueError, match=r"make a field beyond the range of doubles .* at block \d+"):
        make(tmp_path / "folder")(moments, tmp_path / "out.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.compiled
@pytest.mark.parametrize("shape", [(0, 3, 2), (1, 1, 1), (1, 1, 9), (5, 1, 1)])
def test_no_blocks_one_and_chains(tmp_path, shape):
    lattice = mbfast.BlockLattice(shape, 5e-9)
    moments = 1e-30 * np.random.default_rng(1).normal(size=(*shape, 3))
    field = make(tmp_path / "folder", lattice)
    field(moments, tmp_path / "out.npy")
    assert_same_bits(np.load(tmp_path / "out.npy"), mbfast.LatticeField(DIPOLES, lattice)(moments))
    assert str(shape[2]) in repr(field)


def test_too_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "planned", planned)
    with pytest.raises(ValueError, match=r"memory must be at least .* GB, got 0.001 GB; .* in use before") as refused:
        mbfast.StoredLatticeField(DIPOLES, LATTICE, tmp_path / "folder", memory="1MB")
    assert list(tmp_path.iterdir()) == []
    # what it says is enough, but for what came into memory since
    enough = float(str(refused.value).split()[5]) + 0.2
    field = mbfast.StoredLatticeField(DIPOLES, LATTICE, tmp_path / "folder", memory=f"{enough} GB")
    assert field.needed <= field.memory == int(enough * 1e9)
    with pytest.raises(ValueError, match=r"memory must be at least .*folder was made for more"):
        mbfast.StoredLatticeField(DIPOLES, LATTICE, tmp_path / "folder", memory="1MB")


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        (5, 5), ("5", 5), ("3GB", 3 * 10**9), ("3 GiB", 3 * 2**30), ("2.5 kB", 2500), (" .5tb ", 5 * 10**11),
        ("1m", 10**6), ("7 MiB", 7 * 2**20), (np.int64(8), 8), ("12 B", 12),
    ],
)  # fmt: skip
def test_sizes_of_memory(text, nbytes):
    assert sizes.memory_size("memory", text) == nbytes


@pytest.mark.parametrize("wrong", ["", "GB", "3 XB", "-1 GB", "1e9", "3 GB GB", "nan", "0", "9" * 400, "1 iB", "٣ GB"])
def test_what_is_no_size_of_memory(wrong):
    with pytest.raises(ValueError, match=r"^memory must be"):
        sizes.memory_size("memory", wrong)


def test_folders_of_something_else(tmp_path):
    make(tmp_path / "folder")
    with pytest.raises(ValueError, match="checkpoint of other inputs: lattice was"):
        make(tmp_path / "folder", mbfast.BlockLattice((6, 10, 13), 5e-9))
    with pytest.raises(ValueError, match="checkpoint of other inputs: interaction was"):
        make(tmp_path / "folder", interaction=SILICA)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="folder must be new, empty, or one of a stored field"):
        make(tmp_path)
    with pytest.raises(ValueError, match="folder must be a folder"):
        make(tmp_path / "file")


def test_places_of_the_field_that_are_refused(tmp_path):
    field, moments = make(tmp_path / "folder"), MOMENTS.copy()
    for wrong in (moments, moments[::-1], tmp_path / "folder" / "out.npy"):
        with pytest.raises(ValueError, match=r"^out must (not be where the moments are|be outside of folder)"):
            field(moments, wrong)
    np.save(tmp_path / "moments.npy", MOMENTS)
    with pytest.raises(ValueError, match="out must not be where the moments are"):
        field(tmp_path / "moments.npy", np.load(tmp_path / "moments.npy", mmap_mode="r+"))
    with pytest.raises(ValueError, match="out must be a writable float64 array of shape"):
        field(moments, np.load(tmp_path / "moments.npy", mmap_mode="r"))
    (tmp_path / "short.npy").write_bytes((tmp_path / "moments.npy").read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"short.npy: the file ends before its array"):
        field(tmp_path / "short.npy", tmp_path / "out.npy")
    with pytest.raises(ValueError, match=r"moments must be arrays, or in files .npy or .zarr"):
        field(tmp_path / "moments.txt", tmp_path / "out.npy")
    assert_same_bits(moments, MOMENTS)


def test_a_full_disk_is_found_out_beforehand(tmp_path, monkeypatch):
    field, left = make(tmp_path / "folder"), 10_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=left))
    with pytest.raises(OSError, match=r"GB are needed, .* are free") as full:
        field(MOMENTS, tmp_path / "out.npy")
    assert full.value.errno == errno.ENOSPC
    assert str(tmp_path / "folder") in str(full.value)
    with pytest.raises(OSError, match="GB are needed"):
        make(tmp_path / "other")
    assert not (tmp_path / "out.npy").exists()


@pytest.mark.compiled
def test_a_disk_that_fills_up(tmp_path, monkeypatch):
    """The error names the folder; what was written is kept, and the field goes on when there is room."""
    field, written = make(tmp_path / "folder"), itertools.count()
    replace = type(tmp_path).replace

    def full(path, target):
        if next(written) > 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "replace", full)
        with pytest.raises(OSError, match="folder") as error:
            field(MOMENTS, tmp_path / "out.npy")
    assert error.value.errno == errno.ENOSPC
    assert not [path for path in (tmp_path / "folder").rglob("*") if path.name.startswith(".mbfast")]
    assert_same_bits(field(MOMENTS, np.empty_like(MOMENTS)), mbfast.LatticeField(DIPOLES, LATTICE)(MOMENTS))


@pytest.mark.compiled
def test_one_run_at_a_time(tmp_path):
    field, refused = make(tmp_path / "folder"), []

    def progress(*_):
        with pytest.raises(ValueError, match="in use by another run"):
            make(tmp_path / "folder")
        refused.append(1)

    field(MOMENTS, np.empty_like(MOMENTS), progress=progress)
    assert len(refused) > sum(field._field.passes.values())


BEGINNING = """
import pathlib, re, sys
import numpy as np, mbfast
n, boundary, memory, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
silica, lattice = mbfast.StressInteraction(2200, 5800, 3800), mbfast.BlockLattice((n, n, n), 5e-9)
"""
STORED = """
field = mbfast.StoredLatticeField(silica, lattice, folder + "/folder", memory=memory, boundary=boundary, threads=2)
field(folder + "/moments.npy", folder + "/field.npy")
status = pathlib.Path("/proc/self/status").read_text()
print(field.memory, 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status)[1]))  # getrusage has the peak of the parent, too
"""
IN_MEMORY = """
expected = mbfast.LatticeField(silica, lattice, boundary=boundary)(np.load(folder + "/moments.npy"))
print(np.array_equal(np.load(folder + "/field.npy", mmap_mode="r"), expected))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read where Linux has it")
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize(("n", "memory"), [(128, "450 MB"), (256, "3 GB"), (512, "4 GB")])
def test_the_peak_of_a_process(tmp_path, n, memory, boundary):
    """Peaks of resident memory, and the bits of the field in memory, which 512^3 blocks are too many for."""
    if shutil.disk_usage(tmp_path).free < 400 * n**3:
        pytest.skip("needs 400 bytes of disk a block")

    def run(script):
        arguments = [sys.executable, "-c", BEGINNING + script, str(n), boundary, memory, folder]
        return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.split()

    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:  # pytest keeps its own for a while
        moments = np.lib.format.open_memmap(f"{folder}/moments.npy", "w+", np.float64, (n, n, n, 6))
        rng = np.random.default_rng(1)
        for plane in moments:
            plane[:] = 1e-19 * rng.normal(size=(n, n, 6))
        del moments
        most, peak = map(int, run(STORED))
        assert peak <= most
        if n <= 256:
            assert run(IN_MEMORY) == ["True"]
