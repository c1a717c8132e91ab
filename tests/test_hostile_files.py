"""Files that somebody made to do harm, or that have no end: one line that names them, and nothing of theirs is run."""

import hashlib
import io
import json
import os
import pickle
import re
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from materials import DIPOLES

import mbfast
from mbfast import viewing
from mbfast._core import archive
from mbfast._core.checkpoint import command_of
from mbfast.files.blocks import read_blocks
from mbfast.files.flow import read_flow_config
from mbfast.files.superblock import read_super_block_config
from mbfast.pairs._stored.ends import npy_source

POSITIONS = 5e-8 * np.random.default_rng(1).random((3, 3))
MOMENTS = 3e-30 * np.random.default_rng(2).normal(size=(3, 3))
READERS = {
    "a.npz": read_blocks,
    "a.npy": read_blocks,
    "a.csv": read_blocks,
    "a.xyz": read_blocks,
    "glasses.csv": mbfast.load_glasses,
    "a.toml": read_flow_config,
    "b.toml": read_super_block_config,
    "a.result": mbfast.PairResult.load,
    "b.result": mbfast.Flow.load,
    "a.checkpoint": command_of,
    "view.npz": viewing.read_fields,
    "stored.npy": npy_source,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(reader, name, words=""):
    with pytest.raises(ValueError, match=rf"^{name}: .*{words}") as caught:
        reader(Path(name))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").is_char_device(), reason="no device without an end")
@pytest.mark.parametrize("name", READERS)
def test_what_has_no_end_is_refused(name):
    Path(name).symlink_to("/dev/zero")
    refused(READERS[name], name)


@pytest.mark.parametrize(("name", "row"), [("a.csv", 1), ("a.xyz", 2), ("glasses.csv", 1)])
def test_lines_have_a_largest_length(name, row):
    Path(name).write_text("1\n" * (row - 1) + "x" * 70_000, encoding="utf-8")
    refused(READERS[name], name, f"row {row}: a line of less than 65536 characters is wanted")


@pytest.mark.parametrize("text", ["#" * 40_000, "a" + ".a" * 20_000 + " = 1"], ids=["comment", "keys"])
def test_files_of_settings_have_a_largest_length(text):
    Path("a.toml").write_text(text, encoding="utf-8")
    refused(read_flow_config, "a.toml", "a file of settings is wanted, got more than 32768 characters")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.result", "a.checkpoint", "view.npz", "stored.npy"])
def test_no_pipe_is_waited_for_where_a_file_is_wanted(name):
    os.mkfifo(name)
    refused(READERS[name], name, "a regular file is wanted, this is a pipe or a device")


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_arrays_that_memory_does_not_hold_are_not_unpacked(name, monkeypatch):
    """A few kilobytes of zeros, packed, can be gigabytes of arrays."""
    if name == "a.npz":
        np.savez_compressed(name, positions=np.zeros((10**5, 3)), moments=np.zeros((10**5, 3)))
    else:
        np.save(name, np.zeros((2 * 10**5, 6)))
    monkeypatch.setattr(archive, "available_memory", lambda: 4e6)
    monkeypatch.setattr(archive, "read_array", lambda _: pytest.fail("unpacked"))
    refused(READERS[name], name, r"its arrays have 0\.00(48|96) GB, 0\.004 GB are available")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members_of_an_archive_are_not_looked_at(monkeypatch, folder):
    saved = {name: io.BytesIO() for name in ("positions", "moments")}
    np.save(saved["positions"], POSITIONS)
    np.save(saved["moments"], MOMENTS)
    with zipfile.ZipFile("a.npz", "w") as packed:
        for name in (*["positions.npy"] * 50, "../moments.npy", "/moments.npy", "a\nb.npy", "moments.npy"):
            packed.writestr(name, saved["positions" if name == "positions.npy" else "moments"].getvalue())
    read, original = [], archive.read_array
    monkeypatch.setattr(archive, "read_array", lambda stream: read.append(stream) or original(stream))
    np.testing.assert_array_equal(read_blocks("a.npz").positions, POSITIONS)
    assert len(read) == 2
    assert [path.name for path in folder.iterdir()] == ["a.npz"]


class Bomb:
    """Whoever loads its pickle makes a file."""

    def __reduce__(self):
        return Path.touch, (Path("loaded"),)


def archive_of(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def pickled(name):
    """Return contents of a file that have a pickle wherever there could be one."""
    objects = np.array([[Bomb()] * 6])
    if name.endswith(".npy"):
        stream = io.BytesIO()
        np.save(stream, objects)
        return [stream.getvalue(), pickle.dumps(Bomb())]
    described = {"format": np.array(Bomb(), dtype=object), "version": "0", "inputs": "{}"}
    return [archive_of(positions=objects, moments=objects, **described), pickle.dumps(Bomb())]


@pytest.mark.parametrize("name", READERS)
def test_pickles_are_never_loaded(name):
    pickle.loads(pickle.dumps(Bomb()))  # does what it should
    Path("loaded").unlink()
    for content in pickled(name):
        Path(name).write_bytes(content)
        refused(READERS[name], name)
        assert not Path("loaded").exists()


TEXT = "name,x,y,z,px,py,pz\nGlas Ä,0,0,0,1,1,1\n"
STRANGE = {
    "empty": b"",
    "a byte": b"\0",
    "noise": np.random.default_rng(1).bytes(2000),
    "Latin-1": TEXT.encode("latin-1"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
    "a program": b"\x7fELF" + bytes(2000),
    "zip": b"PK\x05\x06" + bytes(18),
    "a cut database": b"SQLite format 3\0" + bytes(200),
}


@pytest.mark.parametrize("name", READERS)
def test_other_contents_folders_and_what_lies_below_a_file(name):
    for content in STRANGE.values():
        Path(name).write_bytes(content)
        refused(READERS[name], name)
    Path("file").write_bytes(b"")
    Path(name).unlink()
    Path(name).mkdir()
    Path("loop").symlink_to("loop")
    for place in (Path(name), Path("file", name), Path("loop", name), Path("none", name)):
        with pytest.raises((OSError, ValueError), match=re.escape(str(place))) as caught:
            READERS[name](place)
        assert "\n" not in str(caught.value)
    assert list(Path(name).iterdir()) == []


def test_headers_that_python_2_wrote_need_no_warning():
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3L, 6L)}\n"
    table = np.hstack([POSITIONS, MOMENTS])
    Path("a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + table.tobytes())
    np.testing.assert_array_equal(read_blocks("a.npy").moments, MOMENTS)  # a warning is an error here


def strange():
    wrong = [np.zeros(0), np.zeros((1,) * 5), np.array(1j), np.array(True), np.array("words"), np.array(b"words")]
    return [*wrong, np.array(["a", "b"]), np.zeros(3, [("a", "f8")]), np.array("2020-01-01", "M8[s]")]


@pytest.mark.parametrize("name", ["field", "energies", "positions", "moments", "rtol", "error", "method"])
def test_sums_whose_arrays_are_others_are_refused(name):
    mbfast.pair_sum(DIPOLES, POSITIONS, MOMENTS).save("whole.npz")
    with np.load("whole.npz") as arrays:
        whole = dict(arrays)
    for wrong in strange():
        if name == "method" and wrong.dtype.kind == "U" and wrong.ndim == 0:
            continue  # texts, as it should be
        np.savez("a.npz", **{**whole, name: wrong})
        refused(mbfast.PairResult.load, "a.npz", "not a pair sum, ")


def digest(name, content):
    made = hashlib.blake2b(f"{len(name)} {name} ".encode(), digest_size=16)
    made.update(content)
    return made.digest()


def replaced(table, name, content):
    column = {"about": "value", "part": "content"}[table]
    with closing(sqlite3.connect("a.checkpoint")) as database, database:
        blob = content.encode() if isinstance(content, str) else content
        row = content, digest(name, blob), name
        database.execute(f"UPDATE {table} SET {column} = ?, digest = ? WHERE name = ?", row)


@pytest.mark.parametrize(
    "command",
    [
        {},
        5,
        {"arguments": 5, "folder": "/"},
        {"arguments": ["ratio"]},
        {"arguments": [1], "folder": "/"},
        {"arguments": ["a\0b"], "folder": "/"},
        {"arguments": ["ratio"], "folder": 1},
    ],
    ids=repr,
)
def test_commands_that_nobody_gave(command):
    mbfast.Checkpoint("a.checkpoint", {}).close()
    replaced("about", "command", json.dumps(command))
    refused(command_of, "a.checkpoint", "not made by a command")


def test_descriptions_that_are_nested_too_deeply():
    mbfast.Checkpoint("a.checkpoint", {}).close()
    replaced("about", "command", "[" * 100_000)
    refused(command_of, "a.checkpoint", "a damaged checkpoint")


@pytest.mark.parametrize("content", [b"", b"words", pickle.dumps(Bomb()), archive_of(x=np.array([Bomb()]))])
def test_parts_that_another_program_wrote(content):
    with mbfast.Checkpoint("a.checkpoint", {}) as kept:
        kept.put("one", x=1.0)
    replaced("part", "one", content)
    Path("loaded").unlink(missing_ok=True)
    with mbfast.Checkpoint("a.checkpoint", {}) as kept:
        refused(lambda _: kept.get("one"), "a.checkpoint", "part one: not a NumPy archive of numbers")
    assert not Path("loaded").exists()


def test_parts_that_memory_does_not_hold_are_not_unpacked(monkeypatch):
    with mbfast.Checkpoint("a.checkpoint", {}) as kept:
        kept.put("one", x=1.0)
    content = io.BytesIO()
    np.savez_compressed(content, _x=np.zeros(10**6))
    replaced("part", "one", content.getvalue())
    monkeypatch.setattr(archive, "available_memory", lambda: 4e6)
    monkeypatch.setattr(archive, "read_array", lambda _: pytest.fail("unpacked"))
    with mbfast.Checkpoint("a.checkpoint", {}) as kept:
        refused(lambda _: kept.get("one"), "a.checkpoint", r"part one: its arrays have 0\.008 GB")


@pytest.mark.parametrize("table", ["about", "part"])
def test_checkpoints_with_views_that_have_no_end(table):
    mbfast.Checkpoint("a.checkpoint", {}).close()
    endless = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c) SELECT x AS name, x AS value FROM c"
    with closing(sqlite3.connect("a.checkpoint")) as database, database:
        database.execute(f"DROP TABLE {table}")
        database.execute(f"CREATE VIEW {table} AS {endless}")
    for reader in (command_of, lambda name: mbfast.Checkpoint(name, {})):
        refused(reader, "a.checkpoint", "it has views or triggers")


def test_an_archive_to_a_device():
    """/dev/null says that it is always at its beginning, which zip does not expect."""
    mbfast.pair_sum(DIPOLES, POSITIONS, MOMENTS).save("/dev/null")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device"), MemoryError()], ids=repr
)
def test_what_is_interrupted_leaves_nothing(error, folder):
    def fails(stream):
        stream.write(bytes(10**5))
        raise error

    (folder / "old").write_bytes(b"old")
    with pytest.raises(type(error)) as caught:
        archive.write_files({Path("new", "folder", "first"): b"whole", Path("old"): fails})
    assert getattr(caught.value, "filename", "old") == "old"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"old": b"old"}
