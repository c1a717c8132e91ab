"""Checkpoints: what was finished is kept whatever happens, and nothing but that is used."""

import contextlib
import copy
import functools
import random
import shlex
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
from materials import DIPOLES, SILICA
from typer.testing import CliRunner

import mbfast
from mbfast._core.checkpoint import command_line, command_of
from mbfast.cli import app
from mbfast.superblock import ensembles
from mbfast.superblock.orders import measure_orders


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.checkpoint"


class Killed(Exception):  # noqa: N818  it is no error
    pass


def killed_after(parts):
    def progress(done, total):
        if done == parts:
            raise Killed

    return progress


def cloud(interaction, n=100):
    rng = np.random.default_rng(1)
    return interaction, rng.random((n, 3)) * 1e-7, rng.normal(size=(n, interaction.components)) * 1e-19


SUMS = ("pair_field", "pair_energy", "pair_forces", "pair_virial")


@pytest.mark.thinned(2, bare=1)
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipoles"])
@pytest.mark.parametrize("name", SUMS)
def test_direct_sums_go_on_to_the_same_bits(file, many_parts, interaction, name):
    compute = getattr(mbfast, name)
    arguments = cloud(interaction)
    whole = compute(*arguments, method="direct", threads=1)
    with pytest.raises(Killed):
        compute(*arguments, method="direct", threads=1, checkpoint=file, progress=killed_after(5))
    seen = []
    resumed = compute(
        *arguments, method="direct", threads=1, checkpoint=file, progress=lambda done, total: seen.append((done, total))
    )
    np.testing.assert_array_equal(resumed, whole)
    assert seen[0][0] == 1
    assert seen[-1] == (len(seen), len(seen))  # of those that were left
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM part").fetchone()[0] == len(seen) + 5


def test_what_is_complete_is_not_computed_again(file, many_parts, monkeypatch):
    arguments = cloud(DIPOLES)
    whole = mbfast.pair_field(*arguments, method="direct", checkpoint=file)
    monkeypatch.setattr("mbfast.pairs.direct._rows", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(mbfast.pair_field(*arguments, method="direct", checkpoint=file), whole)


@pytest.mark.parametrize("n", [0, 1])
def test_where_there_are_no_pairs(file, n):
    assert mbfast.pair_energy(DIPOLES, np.zeros((n, 3)), np.ones((n, 3)), method="direct", checkpoint=file) == 0.0


def test_methods_that_have_no_parts(file):
    lattice, moments = mbfast.BlockLattice((40, 40, 40), 1e-9), np.zeros((40, 40, 40, 3))
    for method, words in (("fft", "got 'fft'$"), ("auto", "got 'fft', which 'auto' takes$")):
        with pytest.raises(ValueError, match=f"checkpoint is for method='direct', .* {words}"):
            mbfast.pair_field(DIPOLES, lattice, moments, method=method, checkpoint=file)
    assert not file.exists()


def flows(**options):
    omega = np.geomspace(1e6, 1e14, 40)
    absorption = np.multiply.outer([1e7, 2e7, 3e7], np.full(40, -1.0))
    spectrum = mbfast.Spectrum(omega, absorption, absorption, 0.3)
    return mbfast.flow(spectrum, SILICA, threads=1, **options)


@pytest.mark.compiled
def test_flows_go_on_to_the_same_bits(file):
    whole = flows()
    with pytest.raises(Killed):
        flows(checkpoint=file, progress=killed_after(2))
    seen = []
    resumed = flows(checkpoint=file, progress=lambda *counts: seen.append(counts))
    assert seen == [(1, 1)]
    for name in ("scales", "longitudinal", "transverse", "status", "stopped_at"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    np.testing.assert_array_equal(resumed.error, whole.error)
    np.testing.assert_array_equal(resumed.terms, whole.terms)


def orders(seed=1, **options):
    def drawn(rng):
        blocks = ensembles.gaussian_blocks(2, 2, 1e-24, 1e-20, rng=rng)
        return mbfast.SuperBlock(SILICA, mbfast.BlockLattice((2, 1, 1), 5e-9), blocks)

    rng = np.random.default_rng(seed)
    return measure_orders(
        {"pairs": drawn}, [1e10 + 1e10j], 0.1, block_volume=1e-25, members=4, rng=rng, threads=1, **options
    )


def test_ensembles_go_on_to_the_same_bits(file):
    whole = orders()
    with pytest.raises(Killed):
        orders(checkpoint=file, progress=killed_after(3))
    np.testing.assert_array_equal(orders(checkpoint=file).exact, whole.exact)
    with pytest.raises(ValueError, match="a checkpoint of other inputs: super blocks was"):
        orders(2, checkpoint=file)


def test_calls_within_a_part_do_not_meet(file):
    """Each item computes a direct sum of its own, of which nothing is kept."""

    def summed(seed):
        rng = np.random.default_rng(seed)
        return {"field": mbfast.pair_field(DIPOLES, rng.random((5, 3)), rng.random((5, 3)), method="direct")}

    for _ in range(2):
        found = mbfast.run_each(summed, range(4), threads=2, checkpoint=file)
        for seed, result in enumerate(found):
            np.testing.assert_array_equal(result["field"], summed(seed)["field"])


@pytest.mark.parametrize("name", ["field", "result", "part", "file", "self", "allow_pickle"])
def test_results_by_any_name(file, name):
    for _ in range(2):
        (found,) = mbfast.run_each(lambda item: {name: 0.5 * item}, [3], checkpoint=file)
        assert found == {name: 1.5}
        assert isinstance(found[name], float)
    with mbfast.Checkpoint(file.with_name("own"), {}) as kept:
        kept.put(0, **({} if name in {"part", "self"} else {name: np.arange(3)}))
        assert set(kept.get(0)) == {name} - {"part", "self"}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "item 0 must be numbers, texts or an array of these, got None"),
        ({1: 2}, "item 0 must have texts as names"),
    ],
)
def test_results_that_no_checkpoint_keeps(file, result, words):
    with pytest.raises((TypeError, ValueError), match=f"what function returns for {words}"):
        mbfast.run_each(lambda _: result, [1], checkpoint=file)


def test_a_partial_function_is_known_by_its_arguments(file):
    half, third = (functools.partial(np.multiply, factor) for factor in (1 / 2, 1 / 3))
    assert mbfast.run_each(half, [1, 2], checkpoint=file) == [0.5, 1.0]
    assert mbfast.run_each(half, [1, 2], checkpoint=file) == [0.5, 1.0]
    with pytest.raises(ValueError, match="a checkpoint of other inputs: function was"):
        mbfast.run_each(third, [1, 2], checkpoint=file)


def count_to(file, inputs, last=3):
    with mbfast.Checkpoint(file, inputs, kind="count") as kept:
        done = 0 if (state := kept.get("state")) is None else int(state["done"])
        for number in range(done, last):
            kept.put("state", done=number + 1)
            kept.put(number, square=number**2)
        return done, [int(kept.get(number)["square"]) for number in range(last)]


INPUTS = {"seed": 1, "temperature": 0.1, "places": np.arange(12.0), "lattice": mbfast.BlockLattice((2, 2, 2), 1.0)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 2}, "seed was 1, now it is 2$"),
        ({"temperature": 0.2}, "temperature was 0.1, now it is 0.2$"),
        ({"places": -np.arange(12.0)}, "places was <f8 [(]12,[)] [0-9a-f]{32}, now it is <f8 [(]12,[)] [0-9a-f]{32}$"),
        ({"lattice": mbfast.BlockLattice((2, 2, 2), 2.0)}, "lattice was .*'spacing': 1.0.* now it is .*'spacing': 2.0"),
        ({"more": "x"}, "more was not given, now it is x$"),
    ],
)
def test_other_inputs_are_refused(file, change, words):
    assert count_to(file, INPUTS) == (0, [0, 1, 4])
    assert count_to(file, INPUTS, 4) == (3, [0, 1, 4, 9])
    with pytest.raises(ValueError, match=f"run.checkpoint: a checkpoint of other inputs: {words}"):
        count_to(file, INPUTS | change)


@pytest.mark.parametrize(
    "number",
    [float("nan"), np.float32(0.1), np.complex128(1j), np.longdouble(1) / 3, np.datetime64("2001-01-01"), True],
)
def test_numbers_of_any_kind_are_themselves(file, number):
    for done in (0, 3):
        assert count_to(file, {"number": number})[0] == done


def test_after_the_end_and_beyond_the_largest_part(file):
    with mbfast.Checkpoint(file, {}) as kept:
        kept._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)  # of 1 GB
        with pytest.raises(ValueError, match=r"run.checkpoint: a part must be smaller than 1 GB"):
            kept.put(0, x=np.zeros(10_000))
        assert kept.get(0) is None
    for late in (lambda: kept.put(0, x=1), lambda: kept.get(0)):
        with pytest.raises(ValueError, match=r"run.checkpoint: the checkpoint is closed"):
            late()


class Parameters:
    """What is described by no fields, so that pickle has to tell."""

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (Parameters(1), Parameters(2)),
        (np.ma.masked_equal(np.arange(9), 1), np.ma.masked_equal(np.arange(9), 2)),
        (np.random.default_rng(1), np.random.default_rng(2)),
        ({"a", "b", "c"}, {"a", "b", "d"}),
        (1j, 2j),
        (10**5000, 10**5000 + 1),
        (float("nan"), 0.0),
    ],
    ids=["object", "masked", "generator", "set", "complex", "large", "nan"],
)
def test_inputs_of_every_kind_are_known_again(file, value, other):
    for again in (value, copy.deepcopy(value)):
        mbfast.Checkpoint(file, {"input": [again]}).close()
    with pytest.raises(ValueError, match="a checkpoint of other inputs: input was"):
        mbfast.Checkpoint(file, {"input": [other]})


def test_tables_that_print_alike_are_told_apart(file):
    """A long table prints a few of its rows."""
    pandas = pytest.importorskip("pandas", reason="tables of pandas")
    numbers = np.arange(1000.0)
    mbfast.run_each(len, [pandas.Series(numbers)], checkpoint=file)
    with pytest.raises(ValueError, match="a checkpoint of other inputs: items was"):
        mbfast.run_each(len, [pandas.Series(np.where(numbers == 500.0, 0.0, numbers))], checkpoint=file)


def test_inputs_that_cannot_be_told_apart_are_refused(file):
    with pytest.raises(TypeError, match="inputs must be numbers, texts, arrays or what pickle takes, law is not"):
        mbfast.Checkpoint(file, {"law": lambda x: x})
    itself = []
    itself.append(itself)
    with pytest.raises(ValueError, match="inputs must not contain themselves, law does"):
        mbfast.Checkpoint(file, {"law": itself})
    assert not file.exists()


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, ValueError, "x must be numbers, texts or an array of these, got None"),
        ([[1], [1, 2]], ValueError, "x must be a rectangular array"),
        (b"a\0", ValueError, "x must not end with a NUL"),
        (np.ma.masked_equal([1, 2], 1), TypeError, "x must be a plain array, got a masked one"),
    ],
    ids=["None", "ragged", "NUL", "masked"],
)
def test_what_would_not_come_back_is_not_kept(file, value, error, words):
    with mbfast.Checkpoint(file, {}) as kept:
        with pytest.raises(error, match=words):
            kept.put(0, x=value)
        assert len(kept.names()) == 0
    with pytest.raises(error, match="what function returns for item 0, x,? " + words.removeprefix("x ")):
        mbfast.run_each(lambda _: {"x": value}, [1], checkpoint=file.with_name("each"))


@pytest.mark.parametrize("name", ["file", "allow_pickle", "part", "self", "result", "", "arr_0", "a.npy"])
def test_results_have_any_names_and_come_back_alike(file, name):
    for _ in range(2):
        found = mbfast.run_each(lambda seed: {name: seed}, [5, 6], threads=1, checkpoint=file)
        assert found == [{name: 5}, {name: 6}]
        assert {type(result[name]) for result in found} == {np.int64}


def test_results_are_of_one_type_whether_read_or_computed(file):
    for _ in range(2):
        (found,) = mbfast.run_each(lambda _: (1, 2.5), [1], checkpoint=file)
        assert isinstance(found, np.ndarray)


def test_a_closed_checkpoint_and_one_of_another_process(file, monkeypatch):
    kept = mbfast.Checkpoint(file, {})
    with monkeypatch.context() as patched:
        patched.setattr("os.getpid", lambda: 1)
        with pytest.raises(ValueError, match="belongs to the process that opened it"):
            kept.get(0)
    kept.close()
    for use in (lambda: kept.put(0, x=1), lambda: kept.get(0), lambda: len(kept.names())):
        with pytest.raises(ValueError, match="the checkpoint is closed"):
            use()


def test_names_that_are_none(file, tmp_path, monkeypatch):
    with mbfast.Checkpoint(file, {}) as kept:
        for part in ("\udcff", "a\0b"):
            with pytest.raises(ValueError, match="part must be a name of printable letters"):
                kept.put(part, x=1)
    with pytest.raises(ValueError, match="file must be a path without a NUL"):
        mbfast.Checkpoint("a\0b", {})
    monkeypatch.chdir(tmp_path)
    mbfast.Checkpoint(":memory:", {}).close()
    assert (tmp_path / ":memory:").exists()


def test_the_command_of_a_checkpoint_killed_while_it_was_written(file, run_python):
    """The journal is left: it must be rolled back before anything can be read."""
    run_python(f"""
import os, mbfast
from mbfast._core import checkpoint
checkpoint.command_line.set({{"arguments": ["flow"], "folder": "/"}})
kept = mbfast.Checkpoint({str(file)!r}, {{}})
kept._database.execute("PRAGMA cache_size=1")
kept._database.execute("BEGIN")
kept._database.executemany("INSERT INTO part VALUES (?, zeroblob(9000), NULL)", [(str(n),) for n in range(99)])
os._exit(0)
""")
    assert file.with_name(f"{file.name}-journal").stat().st_size > 0
    assert command_of(file) == {"arguments": ["flow"], "folder": "/"}
    with mbfast.Checkpoint(file, {}) as kept:
        assert len(kept.names()) == 0


def test_another_kind_and_another_version_are_refused(file, monkeypatch):
    count_to(file, INPUTS)
    with pytest.raises(ValueError, match="a checkpoint of another kind, 'count', this is 'walk'"):
        mbfast.Checkpoint(file, INPUTS, kind="walk")
    monkeypatch.setattr(mbfast, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"a checkpoint of another version, '.*', this is '99.0'"):
        count_to(file, INPUTS)


def test_another_processor_is_told(file, monkeypatch, caplog):
    count_to(file, INPUTS)
    monkeypatch.setattr("mbfast._core.checkpoint.processor", lambda: "abacus")
    with caplog.at_level("WARNING", logger="mbfast"):
        assert count_to(file, INPUTS)[0] == 3
    assert "the last bits may differ on this processor" in caplog.text


def test_one_run_at_a_time(file, run_python):
    code = f"import mbfast; mbfast.Checkpoint({str(file)!r}, {{}}).put(1, x=1)"
    with mbfast.Checkpoint(file, {}) as kept:
        kept.put(0, x=1)
        with pytest.raises(ValueError, match="the checkpoint is in use by another run"):
            mbfast.Checkpoint(file, {})
        with pytest.raises(AssertionError, match="the checkpoint is in use by another run"):
            run_python(code)
    run_python(code)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"these are no numbers" * 100, "no checkpoint of mbfast"),
        (b"SQLite format 3\0" + bytes(2000), "a damaged checkpoint, or none of mbfast|no checkpoint of mbfast"),
    ],
)
def test_what_is_no_checkpoint_is_left_alone(file, content, words):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        mbfast.Checkpoint(file, {})
    assert file.read_bytes() == content


def test_a_database_of_others_is_left_alone(file):
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE letters (name TEXT)")
        database.commit()
    before = file.read_bytes()
    with pytest.raises(ValueError, match="a damaged checkpoint, or none of mbfast"):
        mbfast.Checkpoint(file, {})
    assert file.read_bytes() == before


def test_an_empty_file_is_a_new_checkpoint(file):
    file.touch()
    assert count_to(file, INPUTS)[0] == 0


@pytest.mark.parametrize("name", ["nowhere/run", "."])
def test_a_place_where_no_file_can_be(tmp_path, name):
    with pytest.raises((OSError, ValueError), match=r"a file is wanted|cannot be opened"):
        mbfast.Checkpoint(tmp_path / name, {})


def test_a_file_that_may_not_grow(file, run_python):
    """As on a full disk."""
    pytest.importorskip("resource", reason="of Unix")
    code = f"""
import resource, signal, mbfast, numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with mbfast.Checkpoint({str(file)!r}, {{}}) as kept:
    kept.put(0, x=np.ones(10))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5))
    try: kept.put(1, x=np.ones(10**6))
    except OSError as error: print(error)
"""
    assert "run.checkpoint: the checkpoint cannot be written" in run_python(code)
    with mbfast.Checkpoint(file, {}) as kept:
        np.testing.assert_array_equal(kept.get(0)["x"], np.ones(10))
        assert kept.get(1) is None


@pytest.mark.parametrize("seed", range(3))
def test_damage_is_never_used(file, seed):
    """A changed bit anywhere: parts have their numbers, or are gone, or the file is refused."""
    rng = random.Random(seed)
    with mbfast.Checkpoint(file, {"a": 1}) as kept:
        for number in range(20):
            kept.put(number, x=np.full(100, float(number)))
    content = bytearray(file.read_bytes())
    for _ in range(30):
        damaged = content.copy()
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        try:
            with mbfast.Checkpoint(file, {"a": 1}) as kept:
                for number in range(20):
                    part = kept.get(number)
                    assert part is None or (part["x"] == number).all()
        except (ValueError, OSError) as error:
            assert str(file) in str(error)  # noqa: PT017


def test_a_command_goes_on(tmp_path, monkeypatch):
    """From another folder, by the arguments that made the checkpoint, wherever that has been moved."""
    typer = pytest.importorskip("typer.testing", reason="of the extra cli")
    from mbfast.cli import app

    invoke = typer.CliRunner().invoke
    monkeypatch.chdir(tmp_path)
    _, positions, moments = cloud(DIPOLES, 20)
    np.savez("two words.npz", positions=positions, moments=moments)
    arguments = [
        "pairsum",
        "two words.npz",
        "--permittivity",
        "1e-11",
        "--method",
        "direct",
        "--quiet",
        "--checkpoint",
        "kept",
    ]
    monkeypatch.setattr("sys.argv", ["mbfast", *arguments])
    assert invoke(app, arguments).exit_code == 0
    monkeypatch.undo()
    moved, called = tmp_path / "kept", []
    moved = moved.rename(moved.with_name("moved"))
    monkeypatch.setattr("os.execv", lambda *command: called.append(command))
    monkeypatch.chdir(tmp_path.parent)
    done = invoke(app, ["resume", str(moved)])
    again = [*arguments, "--checkpoint", str(moved)]
    assert called == [(sys.executable, [sys.executable, "-P", "-m", "mbfast", *again])]
    assert done.stderr == f"mbfast {shlex.join(again)}\n"
    assert Path.cwd() == tmp_path
    fields = tmp_path / "two words-fields.npz"
    whole = mbfast.PairResult.load(fields).field
    fields.unlink()
    monkeypatch.setattr("mbfast.pairs.direct._rows", lambda *_: pytest.fail("computed again"))
    assert invoke(app, again).exit_code == 0
    np.testing.assert_array_equal(mbfast.PairResult.load(fields).field, whole)


def test_a_process_that_is_killed_while_it_writes(file, run_python):
    """Half of a part is in the file, and it is undone, also by what only looks for the command."""
    code = f"""
import os, numpy as np, mbfast
from mbfast._core.checkpoint import command_line
command_line.set({{"arguments": [], "folder": "."}})
kept = mbfast.Checkpoint({str(file)!r}, {{}})
kept.put(0, x=np.arange(10**5))
before = os.path.getsize(kept.path)
kept._database.execute("PRAGMA cache_size=5")
kept._database.execute("BEGIN")
kept.put(0, x=np.ones(10**6))
print(os.path.getsize(kept.path) > before, flush=True)
os._exit(0)
"""
    assert run_python(code) == "True\n"
    assert command_of(file) == {"arguments": [], "folder": "."}
    with mbfast.Checkpoint(file, {}) as kept:
        np.testing.assert_array_equal(kept.get(0)["x"], np.arange(10**5))


def test_what_no_command_made(file):
    with pytest.raises(OSError, match="No such file"):
        command_of(file)
    assert not file.exists()
    mbfast.Checkpoint(file, {}).close()
    with pytest.raises(ValueError, match=r"run.checkpoint: not made by a command"):
        command_of(file)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["flow", "a.toml"], ["flow", "a.toml", "--checkpoint", "FILE"]),
        (
            ["flow", "--threads", "1", "--", "-a.toml"],
            ["flow", "--threads", "1", "--checkpoint", "FILE", "--", "-a.toml"],
        ),
    ],
)
def test_resume_names_the_file_where_options_may_stand(file, monkeypatch, tmp_path, given, wanted):
    token = command_line.set({"arguments": given, "folder": str(tmp_path)})
    mbfast.Checkpoint(file, {}).close()
    command_line.reset(token)
    started = []
    monkeypatch.setattr("os.execv", lambda _, arguments: started.extend(arguments))
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["resume", str(file)]).exit_code == 0
    assert started[4:] == [str(file) if word == "FILE" else word for word in wanted]


def test_a_result_does_not_replace_its_checkpoint(tmp_path):
    np.savez(tmp_path / "blocks.npz", positions=np.eye(3), moments=np.eye(3))
    arguments = ["pairsum", str(tmp_path / "blocks.npz"), "--permittivity", "1", "--output", str(tmp_path / "same")]
    result = CliRunner().invoke(app, [*arguments, "--checkpoint", str(tmp_path / "same")])
    assert result.exit_code == 2
    assert "two outputs cannot go to one file" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["blocks.npz"]
