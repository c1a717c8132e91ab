"""Files that may not grow, as on a full disk: every writer says so in one line and leaves nothing of them behind."""

import contextlib
import errno
import functools
import importlib.util
import re

import numpy as np
import pytest
from materials import DIPOLES, SILICA
from typer.testing import CliRunner

import mbfast
from mbfast import viewing
from mbfast.cli import app
from mbfast.plotting import meissner_berret_figure, save_figure

resource = pytest.importorskip("resource", reason="limits of the size of files are those of Unix")
pytestmark = pytest.mark.compiled

LATTICE = mbfast.BlockLattice((6, 5, 4), 5e-9)
MOMENTS = 1e-30 * np.random.default_rng(7).normal(size=(6, 5, 4, 3))
SUM = mbfast.pair_sum(DIPOLES, LATTICE, MOMENTS)
OMEGA = np.geomspace(1e6, 1e10, 20)
SPECTRUM = mbfast.Spectrum(OMEGA, *2 * [-OMEGA * np.exp(-OMEGA / 1e9)], 1.0)
WRITERS = {
    "sum.npz": SUM.save,
    "flow.npz": lambda file: mbfast.flow(SPECTRUM, SILICA, stop=5e-9).save(file),
    **dict.fromkeys(["f.png", "f.svg"], functools.partial(save_figure, meissner_berret_figure(mbfast.load_glasses()))),
}
if importlib.util.find_spec("pyvista"):
    WRITERS["sum.vti"] = lambda file: viewing.save_vtk(SUM, file)


@contextlib.contextmanager
def files_up_to(size):
    """No file of this process may become larger: Python ignores the signal that tells, and writing is an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def tree(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", WRITERS)
def test_no_file_is_half_written(tmp_path, name):
    (tmp_path / name).write_bytes(b"old")
    before = tree(tmp_path)
    for file, size in ((tmp_path / name, 1000), (tmp_path / "new" / "folder" / name, 100)):
        with files_up_to(size), pytest.raises(OSError, match=rf"^[^\n]*{name}'$") as full:
            WRITERS[name](file)
        assert full.value.errno == errno.EFBIG
        assert tree(tmp_path) == before
    WRITERS[name](file)
    assert file.stat().st_size > 1000


@pytest.mark.parametrize("place", ["file", "/proc"])
def test_places_where_nobody_can_write(tmp_path, place):
    """Permissions do not bind everybody; a file is no folder for anybody, and that of the processes takes no files."""
    if not (tmp_path / place).exists() and place != "file":
        pytest.skip("no such folder")
    (tmp_path / "file").touch()
    pytest.importorskip("zarr", reason="of the extra zarr")
    field = mbfast.StoredLatticeField(DIPOLES, LATTICE, tmp_path / "kept", memory="1 TB", threads=1)
    before = tree(tmp_path)
    writers = {**WRITERS, **dict.fromkeys(["f.npy", "f.zarr"], lambda file: field(MOMENTS, file))}
    writers["kept"] = lambda folder: mbfast.StoredLatticeField(DIPOLES, LATTICE, folder, memory="1 TB", threads=1)
    writers["run"] = lambda file: mbfast.Checkpoint(file, {})
    for name, write in writers.items():
        with pytest.raises((OSError, ValueError), match=rf"^[^\n]*{place}/new/{name}[^\n]*$"):
            write(tmp_path / place / "new" / name)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["field.npy", "field.zarr"])
def test_no_field_is_half_written(tmp_path, name):
    """Of what was kept in the folder, all is there; the next call writes the field."""
    if name.endswith(".zarr"):
        pytest.importorskip("zarr", reason="of the extra zarr")
    field = mbfast.StoredLatticeField(DIPOLES, LATTICE, tmp_path / "kept", memory="1 TB", threads=1)
    with files_up_to(100), pytest.raises(OSError, match=rf"^[^\n]*{name}'$") as full:
        field(MOMENTS, tmp_path / "new" / name)
    assert full.value.errno == errno.EFBIG
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert field(MOMENTS, tmp_path / "new" / name).exists()


def test_no_folder_of_chunks_is_left_without_any(tmp_path):
    with files_up_to(100), pytest.raises(OSError, match=r"^[^\n]*the checkpoint cannot be written[^\n]*$"):
        mbfast.StoredLatticeField(DIPOLES, LATTICE, tmp_path / "new" / "kept", memory="1 TB", threads=1)
    assert tree(tmp_path) == {}


def test_no_checkpoint_is_left_without_its_inputs(tmp_path):
    file = tmp_path / "run"
    for size in (0, 100, 5000):
        with files_up_to(size), pytest.raises(OSError, match=r"^[^\n]*run: the checkpoint cannot be written[^\n]*$"):
            mbfast.Checkpoint(file, {})
        assert tree(tmp_path) == {}
    file.touch()  # somebody else's
    with files_up_to(100), pytest.raises(OSError, match="cannot be written"):
        mbfast.Checkpoint(file, {})
    assert tree(tmp_path) == {file.relative_to(tmp_path): b""}


@pytest.mark.parametrize(
    "arguments", ["reproduce 2.2 --json new/out", "pairsum sum.npz --permittivity 3e-11 --output new/out"]
)
def test_commands_tell_in_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    np.savez("sum.npz", positions=5e-8 * np.random.default_rng(1).random((30, 3)), moments=np.ones((30, 3)))
    before = tree(tmp_path)
    with files_up_to(200):
        result = CliRunner().invoke(app, arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(r"mbfast \w+: new/out.*: File too large\n", result.stderr)
    assert tree(tmp_path) == before
