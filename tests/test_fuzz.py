"""Damaged files and strange command lines, from seeds: every one is read, or refused in one line that names it."""

import contextlib
import dataclasses
import inspect
import random
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import ROUNDS
from materials import DIPOLES, SILICA
from test_every_argument import CALLS
from typer.testing import CliRunner

import mbfast
from mbfast._core.archive import LocatedError
from mbfast.cli import app
from mbfast.files.blocks import read_blocks
from mbfast.files.flow import read_flow_config

pytestmark = pytest.mark.compiled  # what is read is made by sums and flows

POSITIONS = 5e-8 * np.random.default_rng(1).random((3, 3))
MOMENTS = 3e-30 * np.random.default_rng(2).normal(size=(3, 3))
ROWS = [[repr(float(x)) for x in row] for row in np.hstack([POSITIONS, MOMENTS])]
OMEGA = np.geomspace(1e6, 1e10, 6)
MATERIAL = '[material]\nglass = "a-SiO2"\n[spectrum]\n'
CONSTANT = (
    'kind = "constant"\nlongitudinal = -7e7\ntransverse = -3e7\nnodes = 12\n[flow]\nn0 = 3\n[output]\ndata = "o"\n'
)
PIECES = "nan inf -1 0 1e999 \0 \ufeff \" ' , 1_0 ٢ true () O = 1j (4,6)".encode().split(b" ")
PIECES += [b"\n", b"\r", b"\xff\xfe", b"[" * 300, b"{" * 3000, b"9" * 30, b"9" * 5000]


def make(folder):
    """Write a good file of each kind; return what reads it, by its name."""
    (folder / "blocks.csv").write_text("\n".join(["x,y,z,px,py,pz", *map(",".join, ROWS)]), encoding="utf-8")
    properties = 'Lattice="1 0 0 0 1 0 0 0 1" Properties=species:S:1:pos:R:3:moments:R:3 pbc="T T T"'
    atoms = (f"X {' '.join(row)}" for row in ROWS)
    (folder / "blocks.xyz").write_text("\n".join(["3", properties, *atoms]), encoding="utf-8")
    np.save(folder / "blocks.npy", np.hstack([POSITIONS, MOMENTS]))
    np.savez(folder / "blocks.npz", positions=POSITIONS, moments=MOMENTS, cell=np.eye(3))
    lattice = {"shape": (3, 1, 1), "spacing": 1e-9, "averaged": True, "moments": MOMENTS.reshape(3, 1, 1, 3)}
    np.savez_compressed(folder / "lattice.npz", **lattice)
    glasses = Path(mbfast.__file__).with_name("data") / "glasses.csv"
    (folder / "glasses.csv").write_bytes(glasses.read_bytes())
    (folder / "run.toml").write_text(MATERIAL + CONSTANT, encoding="utf-8")
    np.savez(folder / "spectrum.npz", omega=OMEGA, longitudinal=-OMEGA, transverse=-OMEGA)
    columns = "".join(f"{w},{-w},{-w}\n" for w in OMEGA)
    (folder / "spectrum.csv").write_text(f"omega,longitudinal,transverse\n{columns}", encoding="utf-8")
    for kind in ("npz", "csv"):
        of_file = f'{MATERIAL}kind = "file"\nfile = "spectrum.{kind}"\n'
        (folder / f"of_{kind}.toml").write_text(of_file, encoding="utf-8")
    mbfast.pair_sum(DIPOLES, POSITIONS, MOMENTS).save(folder / "sum.result")
    mbfast.flow(mbfast.Spectrum(OMEGA, -OMEGA, -OMEGA), SILICA, stop=1e-8).save(folder / "flow.result")
    blocks = ("blocks.csv", "blocks.xyz", "blocks.npy", "blocks.npz", "lattice.npz")
    return {
        **dict.fromkeys(blocks, read_blocks),
        "glasses.csv": mbfast.load_glasses,
        "run.toml": read_flow_config,
        "spectrum.npz": lambda file: read_flow_config(file.with_name("of_npz.toml")),
        "spectrum.csv": lambda file: read_flow_config(file.with_name("of_csv.toml")),
        "sum.result": mbfast.PairResult.load,
        "flow.result": mbfast.Flow.load,
    }


def damaged(content, rng):
    """Return a copy with bits flipped, bytes replaced, removed or repeated, cut off, or in another encoding."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        i, j = rng.randrange(len(data)), rng.randrange(len(data))
        piece = rng.choice([rng.choice(PIECES), bytes(data[j : j + 40]), bytes([data[i] ^ 1 << rng.randrange(8)])])
        data[i : i + rng.choice([0, 1, len(piece)])] = piece
        if rng.random() < 0.1:
            del data[i + 1 :]
    if rng.random() < 0.02:
        data = bytearray(bytes(data).decode("latin-1").encode("utf-16"))
    return bytes(data)


@pytest.mark.parametrize("seed", range(2 * ROUNDS))
def test_damaged_files_are_read_or_refused_by_name(tmp_path, seed):
    rng, readers, outcomes = random.Random(seed), make(tmp_path), set()
    for name, reader in readers.items():
        file = tmp_path / name
        whole = file.read_bytes()
        reader(file)
        for _ in range(15):
            file.write_bytes(damaged(whole, rng))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    reader(file)
                    outcomes.add("read")
                except (ValueError, OSError) as error:
                    message = str(error)
                    outcomes.add("refused" if name in message and re.fullmatch(".{1,1000}", message) else message)
        file.write_bytes(whole)
    assert outcomes == {"refused", "read"}


HEADER = ["{", "'descr'", ":", "'<f8'", ",", "'fortran_order'", ":", "False", ",", "'shape'", ":", "(3, 6)", "}"]
TOKENS = "{ } '|O' 'V8' '<U1000000000' 'f8,f8' [('a','<f8')] None (10**18,6) (-3,6) () (2**70,)".split()
TOKENS += [*"(1,)*40 (True,6) # ' \0 é \\ lambda:0 [ ( 1e999 0x 1.".split(), "\t"]


def test_headers_of_arrays_that_make_no_sense(tmp_path):
    rng, file = random.Random(5), tmp_path / "blocks.npy"
    for _ in range(150):
        tokens = HEADER.copy()
        for _ in range(rng.choice([1, 1, 2, 4])):
            i = rng.randrange(len(tokens))
            tokens[i : i + rng.choice([0, 1])] = rng.choice([[rng.choice(TOKENS)], []])
        text = "".join(tokens).encode() + b"\n"
        size = max(0, len(text) + rng.choice([0, 0, 1, -1, 1000])).to_bytes(2, "little")
        file.write_bytes(b"\x93NUMPY\x01\x00" + size + text + bytes(rng.choice([0, 7, 144])))
        with contextlib.suppress(LocatedError):
            assert read_blocks(file).n_blocks == 3


ODD = "0 -1 2 nan inf 1e308 1e-308 1e999 x 1_0 ٢ None a-SiO2 V52 /dev/null none.csv loop.csv new/o.npz".split()
ODD += "glasses.csv/x.png \0 \udcff -- - 1e-8,1e-8,1e-8 1e308,1,1 2x2x2 1e200x1x1 1e30 dipole periodic ewald".split()
ODD += "spherical vacuum clamped joffrin-levelut 1e-5 far.csv large.csv glasses.csv blocks.npz .".split()
ODD += ["", "a\nb", "a" * 300 + ".png", "9" * 400, "9" * 5000]
DIPOLAR = ["--permittivity", "1e-11"]
COMMANDS = [
    (["plan", "--blocks", "8x8x8"], "--blocks --kind --rtol --boundary --images --averaged --plain"),
    (["ratio"], "--exclude --figure --plain"),
    (["cutoff"], "--csv --glass --modulus --omega --omega-c --plain"),
    (["reproduce", "table"], "--json --summary --plain"),
    (["flow", "run.toml"], "--plain"),
]
OF_SUMS = "--permittivity --glass --c-l --form --method --boundary --cell --images --macroscopic --rtol --output"
COMMANDS += [(["pairsum", file, *DIPOLAR], OF_SUMS) for file in ("blocks.npz", "far.csv", "large.csv")]


@pytest.mark.parametrize("seed", range(2 * ROUNDS))
def test_strange_command_lines_end_in_one_line(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    Path("far.csv").write_text("x,y,z,px,py,pz\n1e308,0,0,1,0,0\n-1e308,0,0,1,0,0\n", encoding="utf-8")
    Path("large.csv").write_text("x,y,z,px,py,pz\n1e-9,0,0,1e308,0,0\n0,0,0,1e308,0,0\n", encoding="utf-8")
    Path("loop.csv").symlink_to("loop.csv")
    rng = random.Random(seed)
    for _ in range(25):
        start, options = rng.choice(COMMANDS)
        arguments = list(start)
        for option in rng.choices(options.split(), k=rng.choice([1, 1, 2, 3])):
            flag = option in ("--plain", "--averaged", "--summary", "--quiet")
            arguments += [option] if flag else [option, rng.choice(ODD)]
        if rng.random() < 0.2:
            arguments[rng.randrange(1, len(arguments) + 1) :] = [rng.choice(ODD)]
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        assert result.exit_code in (0, 2), arguments
        if result.exit_code == 2:
            assert (result.stdout, result.stderr.count("\n")) == ("", 1), arguments
            assert re.match(rf"mbfast( {arguments[0]})?: ", result.stderr), arguments
        else:
            assert "nan" not in result.stdout, arguments


SIZES = [0.0, -0.0, 5e-324, 1e-310, 1e-300, 1e-150, 1e-50, 1e-35, 1e-10, 1.0, -1.0, 1e10, 1e35, 1e50, 1e150, 1e300]
# whose numbers are drawn or read elsewhere; steps of a spectrum at its ends have infinite transforms, as documented
ELSEWHERE = ("plotting", "files", "viewing", "superblock.ensembles", "superblock.orders", "StoredLatticeField")
ELSEWHERE += ("KramersKronigPlan.__call__", "kramers_kronig", "Checkpoint", "run_each", "pairs.cluster_planning")


def of_other_sizes(value, rng):
    """Return an array or a number with some of it in place of others, scaled, in another type or other strides."""
    array = np.array(value, dtype=complex if np.iscomplexobj(value) else float)
    kind = rng.choice(["one", "all", "scaled", "single", "swapped", "strided"])
    if kind == "one" and array.size:
        array.flat[rng.randrange(array.size)] = rng.choice(SIZES)
    elif kind == "all":
        array[...] = rng.choice(SIZES)
    elif kind == "scaled":
        array *= 2.0 ** rng.randrange(-300, 300)
    elif kind == "single":
        array = array.astype(np.complex64 if array.dtype.kind == "c" else np.float32)
    elif kind == "swapped":
        array = array.astype(array.dtype.newbyteorder())
    elif array.ndim:
        array = np.repeat(array, 2, axis=0)[::2]
    return array if array.ndim else array[()]


def numbers_in(result, depth=0):
    """Yield the arrays of a result, of the values in it, and so on."""
    if isinstance(result, np.ndarray | float | complex):
        yield np.asarray(result)
    elif isinstance(result, tuple | list):
        yield from (array for value in result for array in numbers_in(value, depth + 1))
    elif dataclasses.is_dataclass(result) and depth < 3:
        for field in dataclasses.fields(result):
            yield from numbers_in(getattr(result, field.name), depth + 1)


def attempt(name, rng):
    """Call a function with one of its numbers changed; return what it should not have done, or None."""
    function, given = CALLS[name]
    choices = [key for key, value in given.items() if key != "out" and np.asarray(plain(value)).dtype.kind in "fc"]
    if not choices:
        return None
    changed = rng.choice(choices)
    with np.errstate(all="ignore"):
        arguments = {**given, changed: of_other_sizes(given[changed], rng)}
    if not np.isfinite(arguments[changed]).all():
        return None
    before, what = np.copy(arguments[changed]), f"{name}, {changed}={arguments[changed]!r}: "
    try:
        result = function(**arguments)
    except (ValueError, TypeError, ArithmeticError, MemoryError) as error:
        names = {*inspect.signature(function).parameters, "below", "above"}  # these are of the plan that is called
        named = any(re.search(rf"\b{key}\b", str(error)) for key in names)
        return None if named and "\n" not in str(error) else f"{what}{error!r}"
    except Exception as error:
        return f"{what}{error!r}"
    if not np.array_equal(before, arguments[changed]):
        return f"{what}is not what it was"
    fine = (lambda array: ~np.isnan(array)) if name.endswith("susceptibility") else np.isfinite  # infinite at omega = 0
    wrong = [array for array in numbers_in(result) if array.dtype.kind in "fc" and not fine(array).all()]
    return f"{what}{wrong[0]!r}" if wrong else None


def plain(value):
    """Return numbers, or sequences of them, and None for all else."""
    return value if isinstance(value, np.ndarray | float | complex | list) and not isinstance(value, np.bool_) else None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_numbers_of_any_size_have_results_or_are_refused(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    rng = random.Random(seed)
    names = [name for name in CALLS if not name.startswith(ELSEWHERE)]
    assert [text for name in names if (text := attempt(name, rng))] == []
