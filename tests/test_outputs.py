"""What commands print and write: tables on terminals of any width and in pipes, files of all kinds."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mbfast._core.archive import check_writable, write_files
from mbfast.cli import output

needs_descriptors = pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no files that stand for descriptors")


class Terminal(io.StringIO):
    def isatty(self):
        return True


HEADINGS = ("of", "glass", "number", "remark")
ROWS = [("a", "Zn-Glass of a long name", "1.25", ""), ("b", "PS", "-3e-30", "not in the fit; [red]no markup")]


def shown(monkeypatch, width, headings=HEADINGS, rows=ROWS, **options):
    """What a table looks like on a terminal of this width, without its colours."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    output.show(headings, rows, ["a line that is as long as it is"], **{"plain": False, "keys": 2} | options)
    return re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue()).splitlines()


@pytest.mark.parametrize("width", [5, 7, 20, 40, 60, 80, 200])
@pytest.mark.parametrize("red", [(), (0, 1)])
def test_no_width_of_the_terminal_cuts_a_cell(monkeypatch, width, red):
    lines = shown(monkeypatch, width, red=red)
    assert max(map(len, lines[:-1])) <= width
    assert lines[-1] == "a line that is as long as it is"
    text = "".join(re.sub(r"[\s│]", "", line) for line in lines)
    for word in " ".join(cell for row in ROWS for cell in row).split():
        assert word in text


def test_a_narrow_terminal_folds_the_name_and_a_narrower_one_stacks_the_rows(monkeypatch):
    wide, narrow, stacked = (" ".join(shown(monkeypatch, width)) for width in (100, 66, 40))
    assert [ROWS[0][1] in text for text in (wide, narrow, stacked)] == [True, False, True]
    assert ["number -3e-30; remark" in text for text in (wide, narrow, stacked)] == [False, False, True]


def test_into_a_pipe_nothing_is_folded(monkeypatch, capsys):
    output.show(("name", "what"), [("x" * 500, "y " * 500)], plain=False)
    assert "x" * 500 in capsys.readouterr().out


def test_plain_tables_are_read_back(capsys):
    rows = [*ROWS, ("tab\there", 'a "quoted"\nline', "", "")]
    output.show(HEADINGS, rows, ["one", "two"], plain=True)
    *lines, one, two = capsys.readouterr().out.splitlines()
    assert (one, two) == ("# one", "# two")
    assert [tuple(row) for row in csv.reader((f"{line}\n" for line in lines), "excel-tab")] == [HEADINGS, *rows]


WRITE = """
import sys
from pathlib import Path
from mbfast._core.archive import check_writable, write_files
file = Path(sys.argv[1])
check_writable(file)
write_files({file: b"written"})
"""


@needs_descriptors
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("redirected", "printed", "kept"),
    [
        ("/dev/stdout", "written", "before "),
        ("/dev/stdout | cat", "written", "before "),
        ("/dev/stdout > kept; echo -n ' after' >> kept", "", "written after"),
        ("/dev/stdout >> kept; echo -n ' after' >> kept", "", "before written after"),
        ("/dev/fd/7 7> kept", "", "written"),
        ("/dev/fd/7 7>&1 > kept | cat", "written", ""),
        ("fifo & cat fifo", "written", "before "),
        ("link", "", "written"),
    ],
)
def test_what_is_no_regular_file_is_written_through(tmp_path, redirected, printed, kept):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "kept").write_text("before ", encoding="utf-8")
    (tmp_path / "link").symlink_to("kept")
    command = ["bash", "-c", f'"$0" -P -c "$1" {redirected}', sys.executable, WRITE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert (done.stdout, done.stderr) == (printed, "")
    assert (tmp_path / "kept").read_text(encoding="utf-8") == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "kept", "link"]


IS_STANDARD_OUTPUT = """
import sys
from pathlib import Path
from mbfast._core.archive import is_standard_output
sys.stderr.write(str(is_standard_output(Path(sys.argv[1]))))
"""


def is_standard_output(file, stdout):
    command = [sys.executable, "-P", "-c", IS_STANDARD_OUTPUT, file]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, encoding="utf-8", check=True).stderr == "True"


@needs_descriptors
def test_a_terminal_is_a_standard_output_and_the_null_device_is_not():
    pty = pytest.importorskip("pty")
    _, terminal = ends = pty.openpty()
    assert is_standard_output("/dev/stdout", terminal)
    assert not is_standard_output(os.devnull, terminal)
    assert not is_standard_output(os.devnull, subprocess.DEVNULL)
    for end in ends:
        os.close(end)


@needs_descriptors
def test_a_pipe_whose_reader_has_left_is_named(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError, match=rf"/dev/fd/{writing}"):
        write_files({Path(f"/dev/fd/{writing}"): b"written", tmp_path / "other": b"written"})
    os.close(writing)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{300 * 'x'}.npz", "File name too long"),
        (f"new/{300 * 'x'}/x.npz", "File name too long"),
        (".", "a file is wanted, this is a folder"),
        ("file/x.npz", "cannot be written, .*file is no folder"),
        ("file/new/x.npz", "cannot be written, .*file is no folder"),
        ("first.npz", "two outputs cannot go to one file"),
        ("new/../first.npz", "two outputs cannot go to one file"),
        pytest.param(
            "/proc/new/x.npz",
            "/proc/new/x.npz",
            marks=pytest.mark.skipif(not Path("/proc").exists(), reason="no folder of processes"),
        ),
    ],
)
def test_what_cannot_be_written_is_known_before(tmp_path, name, words):
    (tmp_path / "file").touch()
    with pytest.raises((ValueError, OSError), match=words):
        check_writable(tmp_path / "first.npz", None, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_check_makes_no_folder(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: made.append(1))
    check_writable(tmp_path / "new" / "file")
    assert made == []


def test_the_check_leaves_nothing_behind(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    check_writable(tmp_path / "new" / ("x" * 255) / "file", tmp_path / "old", tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="no permissions, or those of root")
def test_folders_and_files_without_permission(tmp_path):
    (tmp_path / "file").touch(mode=0o400)
    with pytest.raises(ValueError, match="file: cannot be written, it is not writable"):
        check_writable(tmp_path / "file")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"x\.npz"):
        check_writable(tmp_path / "x.npz")
