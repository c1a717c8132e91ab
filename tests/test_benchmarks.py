"""How runs of the benchmarks are read, compared, stored and drawn; on small made-up runs, as nothing is timed here."""

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
GROUP, NAME, REFERENCE = "stress field, N = 1e3", "mbfast, 2 threads", "C++, 2 threads"


def module(name):
    """Import a module of benchmarks/, which is not on the path, so that the installed mbfast is what is tested."""
    if "benchmarks" not in sys.modules:
        where = {"submodule_search_locations": [str(FOLDER)]}
        spec = importlib.util.spec_from_file_location("benchmarks", FOLDER / "__init__.py", **where)
        sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"benchmarks.{name}")


ab, cases, compare, history, report, runs = map(module, ("ab", "cases", "compare", "history", "report", "runs"))


def entry(group, name, median, spread=0.02):
    """Nine rounds, the middle half of them within +-spread of the median."""
    low, high = median * (1 - spread), median * (1 + spread)
    stats = {"rounds": 9, "min": low, "q1": low, "median": median, "q3": high, "max": 2 * high}
    return {"group": group, "name": name, "stats": stats, "extra_info": {}}


def made(ratio=2.0, spread=0.02, model=7, commit="a" * 40, **more):
    """A run in which mbfast is so many times as fast as C++."""
    cpu = {"brand_raw": "A processor", "family": 6, "model": model, "count": 2}
    return {
        "machine_info": {"cpu": cpu, "python_version": "3.12.1"},
        "commit_info": {"id": commit, "dirty": False},
        "datetime": "2020-01-01T00:00:00+00:00",
        "benchmarks": [
            entry(GROUP, NAME, 1.0, spread),
            entry(GROUP, REFERENCE, ratio, 0.0),
            entry(GROUP, "C++, 1 thread", 9.0),
        ],
    } | more


def lines_of(run):
    """The same run as it is before its end."""
    header = {key: value for key, value in run.items() if key != "benchmarks"}
    return "".join(f"{json.dumps(line)}\n" for line in (header, *run["benchmarks"]))


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a module's command on a run; return its status, what it prints, and what it says of errors."""
    (tmp_path / "history.csv").write_text(",".join(runs.Row._fields) + "\n")

    def run(command, content, *options):
        path = tmp_path / "run.json"
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        options = options if command is report else (*options, "--history", str(tmp_path / "history.csv"))
        monkeypatch.setattr(sys, "argv", ["benchmarks", str(path), *options])
        with pytest.raises(SystemExit) as end:
            runs.command(command.main)
        return end.value.code or 0, *capsys.readouterr()

    return run


def test_the_table_of_cases_is_complete():
    """Each row has contenders or references, each reference another name than those of mbfast; files use the table."""
    for row in cases.CASES:
        assert row.references, row.groups
        assert not set(row.references) & set(row.contenders) or row.groups.startswith("* fields at"), row.groups
    for file in FOLDER.glob("test_*.py"):
        assert "benchmark.group" not in file.read_text(encoding="utf-8"), file
    assert cases.of_group(GROUP).references[0] == "C++"
    assert cases.of_group("what nobody times") is None


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (cases.near(1e-3), ([1.0, 2.001], [1.0, 2.0]), ([1.0, 2.003], [1.0, 2.0])),
        (cases.near(1e-3), (1j, 1j), (np.nan, 1.0)),
        (cases.SAME, ([1.0], [1.0]), ([1.0], [1.0 + 2**-52])),
        (cases.WITHIN, ([1e-7, 20], (1e-6, 60)), ([1e-7, 61], (1e-6, 60))),
    ],
    ids=["near", "nan", "same", "within"],
)
def test_checks(check, good, bad):
    check(*good)
    with pytest.raises(AssertionError, match="not "):
        check(*bad)


def test_ratio_to_the_reference_with_as_many_threads(call, tmp_path):
    (tmp_path / "some.json").write_text(json.dumps(made(2.0, 0.03)))
    (row,) = runs.rows_of(runs.read_run(tmp_path / "some.json"))
    assert (row.name, row.reference, row.ratio) == (NAME, REFERENCE, 2.0)
    assert row.scatter == pytest.approx(0.03)
    assert row.processor == "A processor (family 6, model 7, 2 cores)"
    status, printed, _ = call(report, made(2.0, 0.03))
    assert status == 0
    assert "| 2 ± 3% |" in printed


@pytest.mark.parametrize(("rounds", "scatter"), [(1, 0.15), (3, 0.5), (4, 0.1)])
def test_scatter_of_few_rounds(rounds, scatter):
    """One round shows none, of three the range counts, of more the quartiles."""
    stats = {"rounds": rounds, "min": 0.5, "q1": 0.9, "median": 1.0, "q3": 1.1, "max": 1.5}
    assert runs.scatter(stats) == pytest.approx(scatter)


@pytest.mark.parametrize(
    ("ratio", "spread", "status"), [(1.68, 0.0, 1), (1.72, 0.0, 0), (1.68, 0.02, 0), (1.6, 0.02, 1), (3.0, 0.0, 0)]
)
def test_what_fell(call, ratio, spread, status):
    """From 2: more than 15 % beyond the scatter."""
    assert call(compare, made(2.0), "--store")[0] == 0
    found, printed, _ = call(compare, made(ratio, spread))
    assert found == status
    assert (f"{GROUP}: {NAME}: 2 times as fast as {REFERENCE}" in printed) == bool(status)


def test_the_newest_run_of_the_processor_counts(call):
    assert "no stored run of A processor" in call(compare, made(2.0), "--store")[1]
    assert "no stored run of A processor (family 6, model 8" in call(compare, made(9.0, model=8), "--store")[1]
    assert call(compare, made(1.0, commit="b" * 40), "--store")[0] == 1
    assert call(compare, made(1.0))[0] == 0


def test_a_commit_is_stored_once(call, tmp_path):
    for ratio in (2.0, 3.0):
        call(compare, made(ratio), "--store")
    (row,) = runs.read_history(tmp_path / "history.csv")
    assert (row.ratio, row.commit) == (3.0, "a" * 12)


@pytest.mark.parametrize("cut", [1, 5, 0], ids=["whole line", "cut line", "no cut"])
def test_an_interrupted_run_is_compared_but_not_stored(call, tmp_path, cut):
    text = lines_of(made(1.0))
    call(compare, made(2.0, commit="b" * 40), "--store")
    text += json.dumps(made()["benchmarks"][2])[:-cut] if cut else ""
    status, printed, _ = call(compare, text.encode())
    assert status == 1
    assert "was interrupted: what it has is compared" in printed
    status, _, error = call(compare, text.encode(), "--store")
    assert (status, len(error.splitlines())) == (2, 1)
    assert len(runs.read_history(tmp_path / "history.csv")) == 1
    assert "was interrupted" in call(compare, made(1.0, interrupted=True))[1]


def test_a_changed_checkout_is_not_stored(call):
    run = made() | {"commit_info": {"id": "a" * 40, "dirty": True}}
    status, _, error = call(compare, run, "--store")
    assert (status, "commit first" in error) == (2, True)


BAD = {
    "no file": None,
    "nothing": b"",
    "no JSON": b"Hello\n",
    "no text": b"\xff\xfe\x00",
    "a cut document": json.dumps(made(), indent=1).encode()[:300],
    "a list": [1, 2],
    "a number": 3,
    "another object": {"a": 1},
    "no benchmark": made(benchmarks=[]),
    "only a header": lines_of(made(benchmarks=[])).encode(),
    "benchmarks of something else": made(benchmarks=[1]),
    "no median": made(benchmarks=[{"group": GROUP, "name": NAME, "stats": {}}]),
    "a time of zero": made(benchmarks=[entry(GROUP, NAME, 0.0)]),
    "a time of nan": made(benchmarks=[entry(GROUP, NAME, float("nan"))]),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("command", [compare, report], ids=["compare", "report"])
@pytest.mark.parametrize("what", BAD)
def test_what_is_no_run(call, what, command):
    status, printed, error = call(command, BAD[what])
    assert (status, printed, len(error.splitlines())) == (2, "", 1)
    assert "run.json" in error


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(runs.Row._fields) + "\n1,2\n"])
def test_what_is_no_history(call, tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    (tmp_path / "run.json").write_text(json.dumps(made()))
    with pytest.raises(runs.UnreadableError, match="is no history of benchmarks"):
        runs.read_history(tmp_path / "history.csv")


def test_finished_benchmarks_are_kept_line_by_line(tmp_path):
    conftest, path, run = module("conftest"), tmp_path / "kept.json", made()

    class Config:
        stash, hook, _benchmarksession = pytest.Stash(), None, None

        def getoption(self, _):
            return path

        def get_machine_info(self):
            return run["machine_info"]

        def pytest_benchmark_generate_commit_info(self, **_):
            return run["commit_info"]

    config = Config()
    config.hook = config._benchmarksession = config
    path.write_text("an older run\n")
    for number, each in enumerate(run["benchmarks"], 1):
        conftest.keep(config, each)
        read = runs.read_run(path)
        assert (len(read.groups[GROUP]), read.interrupted) == (number, True)


def test_a_and_b():
    """Of B, whose times are half as long, in rounds that another program slows down."""
    slow = [1.0, 1.5, 1.0, 1.1, 3.0]
    found = ab.compared([{"x": 2.0 * t, "old": 1.0} for t in slow], [{"x": t, "new": 1.0} for t in slow])
    assert found == {"x": (2.0, 0.0)}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_checkouts_are_gone_afterwards(tmp_path, monkeypatch, end):
    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True).stdout

    git("init", "-q")
    for text in "AB":
        (tmp_path / "file").write_text(text)
        git("add", "file")
        git("commit", "-q", "-m", text)
    monkeypatch.setattr(ab, "HERE", tmp_path)
    trees, seen = [], []

    def interrupted():
        with ab.checked_out("HEAD~1", "HEAD") as found:
            trees.extend(found)
            seen.extend((tree / "file").read_text() for tree in found)
            raise end

    with pytest.raises(end):
        interrupted()
    assert seen == ["A", "B"]
    assert not trees[0].parent.exists()
    assert len(git("worktree", "list").splitlines()) == 1
    with pytest.raises(runs.UnreadableError, match="git rev-parse"):
        ab.checked_out("HEAD", "nothing").__enter__()


def test_history_is_drawn():
    stored = [
        runs.Row(f"2020-01-0{day}", f"{day}" * 12, "A processor", GROUP, name, "C++", 1.0 * day, 0.1)
        for day in (1, 2, 3)
        for name in ("mbfast, 1 thread", "mbfast, 2 threads")
    ]
    figure = history.history_figure(stored, "A processor")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1111111", "2222222", "3333333"]
    for bars in axes.containers:
        assert list(bars.lines[0].get_ydata()) == [1.0, 2.0, 3.0]
    assert [text.get_text() for text in axes.texts] == ["mbfast, 1 thread", "mbfast, 2 threads"]


@pytest.mark.parametrize("places", [[0.5] * 5, [0.99, 0.98, 0.97], [0.0, 0.0, 1.0], [0.3]])
def test_names_beside_lines_do_not_overlap(places):
    found = np.sort(history.spread(places))
    assert (np.diff(found) >= history.ROOM - 1e-12).all()
    assert found[-1] <= 1.0


def test_exponents():
    fitted, sizes = module("roofline").fitted, np.array([1e3, 2e3, 4e3, 8e3])
    exponent, error = fitted(sizes, 3e-9 * sizes**2)
    assert (exponent, error) == (pytest.approx(2.0), pytest.approx(0.0, abs=1e-12))
    noisy = fitted(sizes, 3e-9 * sizes**2 * np.exp([0.1, -0.1, -0.1, 0.1]))  # even in ln N: no slope, but a scatter
    # residuals of 0.1, four of them, two degrees of freedom, sum of squares 5 ln(2)^2
    assert noisy == (pytest.approx(2.0), pytest.approx(0.1 * (4 / 2 / 5) ** 0.5 / np.log(2)))
