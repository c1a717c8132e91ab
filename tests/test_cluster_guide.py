"""What the page about clusters prints runs as it stands there."""

import ast
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

import mbfast
from mbfast.cli import app
from mbfast.guide import cluster

pytestmark = pytest.mark.compiled  # what they build on has tests without the JIT

BLOCKS = [textwrap.dedent(block) for block in re.findall(r"(?:^ {4}.*\n|^\n)+", cluster.__doc__, re.MULTILINE)]


def printed(start):
    """Return the one example that begins so."""
    (found,) = (block.strip() + "\n" for block in BLOCKS if block.strip().startswith(start))
    return found


LOCAL, COMMANDS, SCRIPT = (
    printed("import mbfast.distributed\nimport numpy as np\nfrom distr"),
    printed("dask"),
    printed("#!/bin"),
)
OF_SLURM = printed("import mbfast.distributed\nimport numpy as np\nfrom dask_jobqueue")


@pytest.fixture
def blocks(tmp_path):
    rng = np.random.default_rng(1)
    positions, moments = 1e-7 * rng.random((300, 3)), 1e-19 * rng.normal(size=(300, 6))
    np.savez(tmp_path / "blocks.npz", positions=positions, moments=moments)
    return positions, moments


@pytest.fixture
def local(monkeypatch):
    """Clusters whose workers are threads of this process, which are there at once."""
    distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
    made = distributed.LocalCluster

    def within(n_workers, threads_per_worker):
        quiet = {"processes": False, "dashboard_address": ":0", "silence_logs": "CRITICAL"}
        return made(n_workers=n_workers, threads_per_worker=threads_per_worker, **quiet)

    monkeypatch.setattr(distributed, "LocalCluster", within)
    return within


@pytest.mark.compiled
@pytest.mark.xdist_group("cluster")
def test_the_local_example(local, tmp_path, capsys):
    file = tmp_path / "local.py"
    file.write_text(LOCAL.replace("2000", "200"), encoding="utf-8")
    runpy.run_path(str(file), run_name="__main__")
    assert capsys.readouterr().out == "True\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_job_is_a_script_that_bash_reads():
    assert subprocess.run(["bash", "-n"], input=SCRIPT, encoding="utf-8", check=False).returncode == 0
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", SCRIPT, re.MULTILINE))
    assert options["ntasks"] == "66"  # what the text says: 64 workers, the scheduler and the client
    assert SCRIPT.splitlines()[-1] == "srun python field.py"


@pytest.mark.compiled
@pytest.mark.xdist_group("cluster")
def test_the_program_of_the_job(local, blocks, tmp_path, monkeypatch):
    """With a runner that stands for Slurm's: two tasks are workers."""
    ast.parse(OF_SLURM)
    slurm = ModuleType("dask_jobqueue.slurm")

    def runner(*, scheduler_file, worker_options):
        assert "{job_id}" in scheduler_file
        found = local(2, worker_options["nthreads"])
        found.n_workers = 2
        return found

    slurm.SLURMRunner = runner
    monkeypatch.setitem(sys.modules, "dask_jobqueue", ModuleType("dask_jobqueue"))
    monkeypatch.setitem(sys.modules, "dask_jobqueue.slurm", slurm)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "field.py").write_text(OF_SLURM, encoding="utf-8")
    runpy.run_path("field.py", run_name="__main__")
    silica = mbfast.StressInteraction(2200, 5800, 3800)
    np.testing.assert_array_equal(np.load("field.npy"), mbfast.pair_field(silica, *blocks))
    assert (tmp_path / "field.checkpoint").exists()


@pytest.fixture
def started():
    """Start commands that do not end by themselves; they are ended in the reverse order."""
    running = []

    def start(command, folder):
        with (folder / f"{len(running)}.log").open("w") as log:
            running.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT))

    yield start
    for process in reversed(running):
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.compiled
@pytest.mark.xdist_group("cluster")
def test_two_workers_by_hand(blocks, started, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    lines = [shlex.split(line.replace("8786", port)) for line in COMMANDS.splitlines()]
    (_, *scheduler), (_, *workers), (_, *pairsum) = lines
    dask = [sys.executable, "-m", "dask"]
    started([*dask, *scheduler], tmp_path)
    for _ in range(600):  # else workers would wait some seconds until they ask again
        with socket.socket() as there:
            if there.connect_ex(("127.0.0.1", int(port))) == 0:
                break
        time.sleep(0.1)
    started([*dask, *workers], tmp_path)

    monkeypatch.chdir(tmp_path)

    def result(arguments):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.stderr
        return mbfast.PairResult.load("blocks-fields.npz")

    there, here = result(pairsum), result(pairsum[: pairsum.index("--scheduler")])
    np.testing.assert_array_equal(there.field, here.field)
    assert there.energy == here.energy
    assert (tmp_path / "blocks.checkpoint").exists()
