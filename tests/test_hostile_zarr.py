"""Stores of zarr that are damaged or made to do harm: one line that names them; nothing is run, and nothing is lost."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from materials import DIPOLES

import mbfast
from mbfast.pairs._stored import zarrays
from mbfast.pairs._stored.places import source_of, target_of

zarr = pytest.importorskip("zarr", reason="of the extra zarr")
SHAPE = (4, 3, 2, 3)
MOMENTS = np.random.default_rng(1).normal(size=SHAPE)
VERSIONS = pytest.mark.parametrize("version", [2, 3])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store(version=3, **options):
    """Return the folder of an array of two chunks, its metadata, and the first chunk."""
    array = zarr.create_array("a.zarr", shape=SHAPE, dtype="f8", chunks=(2, 3, 2, 3), zarr_format=version, **options)
    array[:] = MOMENTS
    return Path("a.zarr"), Path("a.zarr", {2: ".zarray", 3: "zarr.json"}[version]), chunk(version)


def chunk(version):
    return Path("a.zarr", {2: "0.0.0.0", 3: "c/0/0/0/0"}[version])


def read(path):
    source = source_of(path)
    found = np.empty(SHAPE)
    source.read((slice(0, 4), slice(0, 3), slice(0, 2)), found)
    return found


def refused(path, words=None):
    with pytest.raises((ValueError, TypeError, OSError), match=words) as caught:
        read(path)
    assert "a.zarr" in str(caught.value)
    assert "\n" not in str(caught.value)


DAMAGE = {
    "cut": lambda content: content[:-9],
    "longer": lambda content: content + bytes(800),
    "empty": lambda _: b"",
    "garbage": lambda _: np.random.default_rng(1).bytes(500),
    "of another type": lambda _: np.zeros((2, 3, 2, 3), np.float32).tobytes(),
}


@VERSIONS
@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("compressors", ["auto", None])
def test_damaged_chunks_are_refused(version, how, compressors):
    path, _, first = store(version, compressors=compressors)
    np.testing.assert_array_equal(read(path), MOMENTS)
    if how != "longer" or compressors is None:  # what is packed says where it ends
        first.write_bytes(DAMAGE[how](first.read_bytes()))
        refused(path, "a damaged chunk of zarr")


def test_damaged_shards_are_refused():
    path, _, first = store(shards=(4, 3, 2, 3), compressors=None)
    content = bytearray(first.read_bytes())
    content[-9] ^= 1
    for damaged in (content, content[:100]):
        first.write_bytes(damaged)
        refused(path, "a damaged chunk of zarr")


@VERSIONS
@pytest.mark.parametrize("target", ["nowhere", "0.0.0.0", "0", "/dev/zero", "pipe"])
def test_chunks_that_are_no_files(version, target):
    path, _, first = store(version)
    first.unlink()
    if target == "pipe":
        os.mkfifo(first)
    else:
        first.symlink_to(target)
    refused(path, "(No such file|Too many levels|a regular file is wanted)")


METADATA = [b"", b"\xff\xfe\0", b"{}", b"5", b"[" * 100_000, b'{"zarr_format": 4}', b"null"]


@VERSIONS
@pytest.mark.parametrize("content", [*METADATA, None], ids=lambda content: repr(content)[:20])
def test_metadata_that_are_none(version, content):
    path, metadata, _ = store(version)
    metadata.unlink()
    if content is not None:
        metadata.write_bytes(content)
    refused(path)


CHANGES = [
    ("shape", [-1, 3, 2, 3]),
    ("shape", [4, 3]),
    ("shape", "words"),
    ("dtype", "|O"),
    ("dtype", "<M8[s]"),
    ("filters", [{"id": "pickle"}]),
    ("compressor", {"id": "pickle"}),
    ("data_type", "string"),
    ("data_type", "bool"),
    ("codecs", [{"name": "pickle"}]),
    ("chunks", [0, 3, 2, 3]),
    ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [0, 3, 2, 3]}}),
]


@pytest.mark.parametrize(("key", "value"), CHANGES, ids=str)
def test_metadata_of_something_else(key, value):
    for version in (2, 3):
        path, metadata, _ = store(version, overwrite=True)
        described = json.loads(metadata.read_text())
        if key in described:
            described[key] = value
            metadata.write_text(json.dumps(described))
            refused(path)


@VERSIONS
def test_metadata_that_are_no_file_or_too_large(version, monkeypatch):
    path, metadata, _ = store(version)
    monkeypatch.setattr(zarrays, "_LARGEST_METADATA", 100)
    refused(path, "metadata of at most 100 bytes are wanted")
    metadata.unlink()
    metadata.symlink_to("/dev/zero")
    refused(path, "a regular file is wanted")


@pytest.mark.parametrize("length", [10**15, 2**70])
def test_arrays_of_any_size_are_refused_by_their_shape(length, folder):
    path, metadata, _ = store()
    described = json.loads(metadata.read_text()) | {"shape": [length, 3, 2, 3]}
    metadata.write_text(json.dumps(described))
    field = mbfast.StoredLatticeField(DIPOLES, mbfast.BlockLattice(SHAPE[:3], 1e-9), "kept", memory="1 TB", threads=1)
    with pytest.raises(ValueError, match=rf"^moments must have shape \(4, 3, 2, 3\), got \({length}, "):
        field(path, "out.npy")
    assert not Path("out.npy").exists()


@pytest.mark.parametrize("kind", ["file", "folder", "group"])
def test_nothing_but_an_array_is_replaced(kind):
    path = Path("out.zarr")
    if kind == "file":
        path.write_bytes(b"theirs")
    elif kind == "group":
        zarr.create_group(str(path)).create_array("theirs", shape=SHAPE, dtype="f8")
    else:
        path.mkdir()
        (path / "theirs").touch()
    before = sorted(Path().rglob("*"))
    with pytest.raises(ValueError, match=r"^out must be a zarr array, got out\.zarr"):
        target_of(path, SHAPE, SHAPE[:3])
    assert sorted(Path().rglob("*")) == before
