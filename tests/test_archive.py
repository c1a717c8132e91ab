"""Files that are written: whole or not at all, under any name, and errors say which."""

import os
from pathlib import Path

import numpy as np
import pytest

from mbfast._core.archive import check_writable, write_files

SAVE = {
    "bytes": bytes(10**5),
    "archive": lambda stream: np.savez(stream, x=np.zeros(10**5)),
    "compressed": lambda stream: np.savez_compressed(stream, x=np.random.default_rng(1).random(10**5)),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize("content", SAVE.values(), ids=SAVE)
def test_a_full_disk_is_named(content):
    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device: '/dev/full'$") as caught:
        write_files({Path("/dev/full"): content})
    assert caught.value.filename == "/dev/full"


@pytest.mark.skipif(os.name != "posix", reason="no limit of the size of files")
def test_a_file_that_may_not_grow_is_named(tmp_path, run_python):
    code = f"""
import resource
from pathlib import Path
from mbfast._core.archive import check_writable, write_files
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try: write_files({{Path({str(tmp_path / "result.npz")!r}): bytes(10**5)}})
except OSError as error: print(Path(error.filename).name)
"""
    assert run_python(code) == "result.npz\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["n" * 300, "file/below"])
def test_what_cannot_be_written_is_named_not_its_hidden_name(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r".") as caught:
        write_files({tmp_path / "other": b"content", tmp_path / name: b"content"})
    assert caught.value.filename == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_any_name_that_the_system_takes_can_be_written(tmp_path):
    write_files({tmp_path / ("n" * 255): b"content"})
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"content"]


def test_what_lies_in_a_folder_is_left_alone(tmp_path):
    others = ["other", ".mbfast.host.1.0"]
    for name in others:
        (tmp_path / name).touch()
    write_files({tmp_path / "next": b"content"})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "next"])


def test_a_loop_of_links_is_replaced(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    check_writable(tmp_path / "loop")
    write_files({tmp_path / "loop": b"content"})
    assert (tmp_path / "loop").read_bytes() == b"content"
