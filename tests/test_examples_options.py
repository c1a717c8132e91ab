"""The command line that examples have in common: what it refuses, before anything is computed, and Ctrl-C."""

import signal
import subprocess
import sys

import pytest

from mbfast.examples._checks import run_example


def never(seed):
    pytest.fail("computed before its options were checked")


@pytest.mark.parametrize("name", ["figure.txt", "figure", ".", "no-folder/figure.png/figure.png"])
def test_figures_that_cannot_be_written_are_refused_first(tmp_path, capsys, name):
    pytest.importorskip("matplotlib", reason="matplotlib is of the extra plot")
    (tmp_path / "no-folder").touch()
    with pytest.raises(SystemExit, match="2"):
        run_example("An example.", never, [str(tmp_path / name)])
    assert "error: " in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["no-folder"]


def test_figures_without_matplotlib_are_refused_first(tmp_path, capsys, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit, match="2"):
        run_example("An example.", never, [str(tmp_path / "figure.png")])
    assert "error: figures need matplotlib" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "1.5", "", "many"])
def test_seeds_that_are_none_are_refused_first(capsys, seed):
    with pytest.raises(SystemExit, match="2"):
        run_example("An example.", never, [f"--seed={seed}"])
    assert "argument --seed" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ImportError, OSError, RuntimeError])
def test_what_is_missing_is_told_in_one_line(capsys, error):
    def compute(seed):
        raise error("a compiler is wanted")

    with pytest.raises(SystemExit, match="2"):
        run_example("An example.", compute, [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("error: a compiler is wanted")


WAITING = """
import signal, threading, time
from concurrent.futures import ThreadPoolExecutor
from mbfast.examples._checks import run_example

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent may have had ignored

def compute(seed):
    with ThreadPoolExecutor() as pool:
        pool.submit(time.sleep, 60.0)
        print("begun", flush=True)
        threading.Event().wait(60.0)

run_example("An example.", compute, [], threaded=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_does_not_wait_for_threads():
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30.0)[1] == ""
    assert process.returncode == -signal.SIGINT
