import inspect
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mbfast
from mbfast import audit
from mbfast.__main__ import main
from mbfast._core import jit as _jit
from mbfast._core import tiles
from mbfast.cli import app, paper, runs
from mbfast.files.flow import FlowConfig
from mbfast.files.superblock import SuperBlockConfig
from mbfast.pairs import planning
from mbfast.plotting.style import KINDS, rendered
from mbfast.superblock import planning as super_block_planning

pytestmark = pytest.mark.compiled  # the audit sums over cubes of 64^3 blocks

COMMANDS = (
    "reproduce",
    "ratio",
    "flow",
    "superblock",
    "pairsum",
    "resume",
    "view",
    "latticefield",
    "plan",
    "cutoff",
    "info",
    "warmup",
)


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def reproduce(invoke, monkeypatch, audit_records):
    """The command with the records that are computed once."""
    monkeypatch.setattr(audit, "reproduce", lambda _: iter(audit_records))
    return lambda *arguments: invoke("reproduce", *arguments)


@pytest.mark.xdist_group("audit")
def test_reproduce_prints_every_claim_and_counts_them(reproduce, audit_records):
    result = reproduce()
    assert result.exit_code == 0
    for record in audit_records:
        assert record.quantity in result.stdout
    assert result.stdout.splitlines()[-1].startswith(f"{len(audit_records)} claims: ")


@pytest.mark.xdist_group("audit")
@pytest.mark.parametrize("names", [("figure1", "lattice_sums"), pytest.param(paper._FIGURES, marks=pytest.mark.slow)])
def test_reproduce_writes_records_and_figures_that_are_the_same_to_the_byte(
    reproduce, tmp_path, audit_records, monkeypatch, names
):
    if len(names) == 2:  # what takes long is to draw; that all of them can be is tested in test_plotting.py
        draw = {
            "figure1": lambda excluded: mbfast.plotting.meissner_berret_figure(mbfast.load_glasses(), exclude=excluded),
            "lattice_sums": lambda _: mbfast.plotting.lattice_sums_figure(),
        }
        monkeypatch.setattr(paper, "_FIGURES", names)
        monkeypatch.setattr(paper, "_audit_figures", lambda excluded: {name: draw[name](excluded) for name in names})
    drawn = paper._audit_figures(audit.EXCLUDED)
    assert reproduce("--json", "claims.json", "--figures", "new/figures").exit_code == 0
    claims = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    assert claims == [record.as_dict() for record in audit_records]
    assert (tmp_path / "new/figures/figure1.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "new/figures/figure1.svg").read_text(encoding="utf-8")
    assert (tmp_path / "new/figures/figure1.pdf").read_bytes().startswith(b"%PDF")
    caption = (tmp_path / "new/figures/figure1.caption.txt").read_text(encoding="utf-8")
    assert caption.startswith("The Meissner-Berret ratio of 13 glasses: ")
    files = ["claims.json", *(f"{name}.{kind}" for name in names for kind in ("caption.txt", *KINDS))]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted(files)
    for name, figure in drawn.items():
        for kind in KINDS if name == "figure1" else ("png",):
            assert (tmp_path / f"new/figures/{name}.{kind}").read_bytes() == rendered(figure, kind)


def test_reproduce_of_some_equations(invoke):
    result = invoke("reproduce", "fig. 1", "(3.6)")
    assert result.exit_code == 0
    rows = [line.strip("│").split("│")[0].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert rows == ["3.6", *["fig. 1"] * 4]
    counts = "5 claims: 1 reproduced, 2 rounding, 2 differs (2 slips, of 2 causes; 0 do not follow, of 0 causes)"
    assert result.stdout.splitlines()[-1] == counts


def test_the_summary_is_printed_alone(invoke):
    result = invoke("reproduce", "--summary", "table", "fig. 1")
    assert result.stdout.splitlines() == [
        "| part of the paper | claims | stands | slip | causes | does not follow | causes |",
        "|---|---|---|---|---|---|---|",
        "| IV: table | 39 | 37 | 2 | 2 | 0 | 0 |",
        "| IV: figure 1 | 4 | 2 | 2 | 2 | 0 | 0 |",
        "| all | 43 | 39 | 4 | 2 | 0 | 0 |",
    ]


def test_ratio_of_the_packaged_table(invoke):
    result = invoke("ratio", "--exclude", "As2S3", "--exclude", "PMMA", "--exclude", "PS", "--figure", "f.svg")
    assert result.exit_code == 0
    assert "10 glasses in the fit: c_l/c_t = (1.0619 ± 0.0199) γ_l/γ_t, r = 0.745" in result.stdout
    assert Path("f.svg").stat().st_size > 1000
    assert "r = 0.745" in Path("f.caption.txt").read_text(encoding="utf-8")


def test_ratio_by_another_form(invoke):
    result = invoke("ratio", "--form", "total-strain", "--figure", "f.svg")
    assert result.exit_code == 0
    assert "13 glasses in the fit: total-strain = (1.0477 ± " in result.stdout
    assert (
        result.stdout.splitlines()[-1].endswith("γ_l/γ_t, r = 0.277, rms of (theo-exp)/exp 9.6 %")
        or "9.6 %" in result.stdout
    )
    row = next(line for line in result.stdout.splitlines() if "a-SiO2" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["a-SiO2", "1.600", "1.591", "-0.6 %", ""]
    assert Path("f.svg").stat().st_size > 1000


def test_a_glass_without_a_solution_is_not_in_the_fit(invoke):
    rows = "x,1,0.5,4,2\nsoft,1,0.5,5,2\n"
    Path("two.csv").write_text("material,gamma_l_eV,gamma_t_eV,c_l_km_s,c_t_km_s\n" + rows, encoding="utf-8")
    result = invoke("ratio", "two.csv", "--form", "derived")
    assert "no solution, not in the fit" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 glasses in the fit"


def test_ratio_of_one_glass_has_no_fit(invoke):
    Path("one.csv").write_text("material,gamma_l_eV,gamma_t_eV,c_l_km_s,c_t_km_s\nx,1,0.5,4,2\n", encoding="utf-8")
    result = invoke("ratio", "one.csv")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "1 glasses in the fit"


def test_cutoff_of_glasses_and_of_moduli(invoke):
    result = invoke("cutoff", "--glass", "BK7")
    assert "0.5406" in result.stdout
    assert "LAT" not in result.stdout
    assert "not known" in invoke("cutoff").stdout
    assert "0.5648" in invoke("cutoff", "--modulus", 2200 * 3800**2).stdout


def test_info_and_warmup(invoke, monkeypatch):
    compiled = []
    monkeypatch.setattr(_jit.Kernel, "compile", lambda kernel: compiled.append(kernel.name))
    warm = invoke("warmup", "--processes", 1)
    assert compiled == [kernel.name for kernel in _jit.all_kernels()]
    assert warm.exit_code == 0
    assert " kernels ready in " in warm.stdout
    told = invoke("info").stdout
    for word in (mbfast.__version__, "numba", "vectors of", "cores usable", "cache folder"):
        assert word in told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(invoke, command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"Example: mbfast {command}" in " ".join(result.stdout.split())


def test_version(invoke):
    assert invoke("--version").stdout.strip() == mbfast.__version__


BAD_CSV = "material,gamma_l_eV,gamma_t_eV,c_l_km_s,c_t_km_s\nx,1,0.5,4,-2\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("ratio", "bad.csv"),
            "bad.csv: row 2, column c_t_km_s: a positive finite number, from 1e-12 to 1e12, is wanted, got '-2'",
        ),
        (("ratio", "none.csv"), "none.csv: No such file or directory"),
        (("ratio", "."), ".: Is a directory"),
        (("ratio", "--exclude", "quartz"), "unknown glass 'quartz'"),
        (("ratio", "--form", "own"), "form must be one of printed, phase-sum, "),
        (("ratio", "--figure", "x.doc"), "a figure is wanted as .png, .pdf or .svg"),
        (("ratio", "--figure", "bad.csv/x.png"), "cannot be written"),
        (("cutoff", "--glass", "quartz"), "unknown glass 'quartz'"),
        (("cutoff", "--glass", "LAT"), "density of LAT is not known"),
        (("cutoff", "--csv", "bad.csv"), "column c_t_km_s"),
        (("cutoff", "--modulus", "0"), "modulus must be positive"),
        (("cutoff", "--modulus", "-1e9"), "modulus must be positive"),
        (("cutoff", "--modulus", "nan"), "modulus must be positive"),
        (("cutoff", "--omega", "nan"), "omega must be positive"),
        (("cutoff", "--omega", "1e15"), "omega must be below omega_c"),
        (("cutoff", "--modulus", "1e9", "--glass", "BK7"), "--modulus replaces the table"),
        (("reproduce", "6.1"), "equations: the audit has no claim of '6.1'; there are claims of sec. I, 2.2, "),
        (("reproduce", "--json", "."), "a file is wanted, this is a folder"),
        (("reproduce", "--json", "bad.csv/x.json"), "cannot be written"),
        (("reproduce", "--json", "fine.json", "--figures", "bad.csv"), "bad.csv is no folder"),
        (("reproduce", "--json", f"new/{300 * 'x'}.json"), "x.json: File name too long"),
        (("reproduce", "--json", f"{300 * 'x'}/new/x.json"), "x.json: File name too long"),
        (("reproduce", "--json", "/proc/new/x.json"), "/proc/new/x.json: "),
        (("reproduce", "--json", "f/figure1.svg", "--figures", "f"), "two outputs cannot go to one file"),
        (("ratio", "--exclude", "quartz", "--figure", "new/f.svg"), "unknown glass 'quartz'"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_written(invoke, tmp_path, arguments, message):
    Path("bad.csv").write_text(BAD_CSV, encoding="utf-8")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"mbfast {arguments[0]}: ")
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ratoi",), "mbfast: No such command 'ratoi'"),
        (("--nonsense",), "mbfast: No such option: --nonsense"),
        (("cutoff", "--omega", "fast"), "mbfast cutoff: Invalid value for '--omega': "),
        (("ratio", "--nonsense"), "mbfast ratio: No such option: --nonsense"),
        (("ratio", "a.csv", "b.csv"), "mbfast ratio: Got unexpected extra argument"),
        (("flow",), "mbfast flow: Missing argument 'CONFIG.toml'. (see mbfast flow --help)"),
        (("superblock",), "mbfast superblock: Missing argument 'CONFIG.toml'. (see mbfast superblock --help)"),
        (("pairsum", "x", "--output"), "mbfast: Option '--output' requires an argument"),
        (("warmup", "--processes", 0), "mbfast warmup: Invalid value for '--processes': "),
    ],
)
def test_bad_usage_is_one_line_and_exits_with_2(invoke, arguments, message):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert result.stderr.startswith(message)


def test_a_call_without_arguments_prints_the_help(invoke):
    assert "pairsum" in invoke().output


@pytest.mark.parametrize("reader", ["| head -n 1", "| true", ">&-"])
def test_a_reader_that_leaves_is_no_error(reader):
    command = f"{sys.executable} -P -m mbfast reproduce table {reader}"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_terminal_without_greek_shows_what_it_can():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-P", "-m", "mbfast", "ratio"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "?_l/?_t" in done.stdout
    assert "a-SiO2" in done.stdout


def test_names_are_text_and_two_equal_glasses_have_no_fit(invoke):
    rows = "b [red]x :smile:,1,0.5,4,2\nfoo[/bar],1,0.5,4,2\n"
    Path("two.csv").write_text("material,gamma_l_eV,gamma_t_eV,c_l_km_s,c_t_km_s\n" + rows, encoding="utf-8")
    result = invoke("ratio", "two.csv", "--figure", "f.png")
    assert result.exit_code == 0
    assert "b [red]x :smile:" in result.stdout
    assert "foo[/bar]" in result.stdout
    assert result.stdout.splitlines()[-1] == "2 glasses in the fit"


def test_the_fit_is_that_of_the_api(invoke):
    glasses = mbfast.load_glasses()
    fit = mbfast.fit_through_origin([g.gamma_l / g.gamma_t for g in glasses], [g.c_l / g.c_t for g in glasses])
    expected = f"({fit.slope:.4f} ± {fit.slope_stderr:.4f}) γ_l/γ_t, r = {fit.pearson_r:.3f}"
    assert expected in invoke("ratio").stdout


def test_lengths_stand_in_the_right_columns(invoke):
    row = next(line for line in invoke("cutoff").stdout.splitlines() if "a-SiO2" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["a-SiO2", "2200", "0.4261", "0.5648"]


@pytest.mark.xdist_group("audit")
def test_reproduce_prints_differences_and_reasons(reproduce):
    lines = reproduce().stdout.splitlines()
    row = next(line for line in lines if "ln(R/L_1)" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][2:] == [
        *("~20", "12.206", "-3.9e-01", "differs", "slip")
    ]
    reason = next(line for line in lines if line.startswith("  (4.2) ln(R/L_1)"))
    assert "20 would need R = 2.4 m" in reason
    shown = "ln(R/L_1) taken as 20; tests/test_findings.py::test_logarithm_of_the_scales"
    assert reason.endswith(f"[slip: {shown}]")


@pytest.mark.xdist_group("audit")
def test_the_last_line_counts_verdicts_findings_and_causes(reproduce):
    line = reproduce().stdout.splitlines()[-1]
    pattern = (
        "N claims: N reproduced, N rounding, N differs "
        r"\(N slips, of N causes; N do not follow, of N causes\)"
    ).replace("N", r"(\d+)")
    claims, reproduced, rounding, differs, *findings = map(int, re.fullmatch(pattern, line).groups())
    slips, of_slips, unfounded, of_unfounded = findings
    assert claims == reproduced + rounding + differs
    assert differs == slips + unfounded
    assert 0 < of_slips < slips
    assert 0 < of_unfounded < unfounded


@pytest.mark.xdist_group("audit")
def test_a_link_stays_a_link_and_a_device_a_device(reproduce, tmp_path):
    (tmp_path / "link.json").symlink_to("target.json")
    (tmp_path / "target.json").write_text("old", encoding="utf-8")
    assert reproduce("--json", "link.json").exit_code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "target.json").read_text(encoding="utf-8"))
    assert reproduce("--json", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_without_the_extra_it_says_what_to_install(run_python):
    code = """
import sys
sys.modules["typer"] = None
from mbfast.__main__ import main
try:
    main()
except SystemExit as exit:
    print(exit.code)
"""
    # a module set to None raises ModuleNotFoundError as one that is not installed
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
    assert done.stderr.strip() == "mbfast: the command line needs typer: pip install 'mbfast[cli]'"


def test_figures_without_matplotlib_say_what_to_install(invoke, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = invoke("reproduce", "--figures", "figures", "--json", "claims.json")
    assert result.exit_code == 2
    assert result.stderr == "mbfast reproduce: figures need matplotlib: pip install 'mbfast[plot]'\n"
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_or_written_is_one_line(invoke, tmp_path):
    (tmp_path / "deep.toml").write_text("a = " + "[" * 3000, encoding="utf-8")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    for arguments, message in (
        (["flow", "deep.toml"], "mbfast flow: deep.toml: nested too deeply"),
        (["pairsum", "loop.csv", "--glass", "a-SiO2"], "mbfast pairsum: "),
        (["plan", "--blocks", f"{10**20}x1x1"], "mbfast plan: shape must be of at most 2**62 blocks, got "),
    ):
        done = invoke(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(message)
        assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
def test_help_to_a_full_disk():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mbfast", "--help"], stdout=full, stderr=subprocess.PIPE, encoding="utf-8",
            check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "mbfast: No space left on device\n")


def test_plan_of_more_blocks_than_any_machine_can_hold(invoke):
    result = invoke("plan", "--blocks", "1000000000000001x1x1")
    assert result.exit_code == 0
    assert "does not fit" in result.stdout


def test_ctrl_c_while_modules_are_imported_is_no_traceback(tmp_path):
    (tmp_path / "typer.py").write_text("import signal; signal.raise_signal(signal.SIGINT); print('went on')")
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    start += "; from mbfast.__main__ import main; main()"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(mbfast.__file__).parent.parent}"}
    done = subprocess.run([sys.executable, "-P", "-c", start], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_before_a_command_runs_is_no_traceback(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("mbfast.cli.app", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit, match="130"):
        main()
    assert signal.getsignal(signal.SIGINT) is handler


def test_errors_and_handlers_that_python_knows_little_of(monkeypatch, capsys):
    def fail():
        raise OSError("no number of an error")

    monkeypatch.setattr("mbfast.cli.app", fail)
    monkeypatch.setattr(signal, "getsignal", lambda _: None)  # of a handler that C has installed
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err == "mbfast: no number of an error\n"


@pytest.mark.parametrize("source", ["usable cores", "MBFAST_NUM_THREADS", "OMP_NUM_THREADS"])
def test_info_says_where_the_number_of_threads_comes_from(invoke, monkeypatch, source):
    for name in ("MBFAST_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tiles, "usable_cores", lambda: 3)
    monkeypatch.setattr(tiles, "_of_environment", tiles._of_environment.__wrapped__)
    if source != "usable cores":
        monkeypatch.setenv(source, "2")
    wanted = 3 if source == "usable cores" else 2
    shown = invoke("info", "--plain").stdout
    assert re.search(rf"threads\t{wanted} \(from {source}\); \d+ of \d+ cores usable", shown)


# the least that the help of flow, and of superblock, says
FLOW, ENSEMBLE = (
    inspect.cleandoc(command.__doc__).partition("\b\n")[2].partition("\n\n")[0]
    for command in (runs.flow, runs.superblock)
)


COMPUTING = [
    *(("reproduce",), ("flow", "flow.toml"), ("superblock", "ensemble.toml"), ("plan", "--blocks", "8")),
    *(("plan", "--superblock", "8"), ("pairsum", "none.csv")),
]


@pytest.mark.parametrize("arguments", COMPUTING)
def test_threads_of_commands(invoke, tmp_path, arguments):
    (tmp_path / "flow.toml").write_text(FLOW, encoding="utf-8")
    (tmp_path / "ensemble.toml").write_text(ENSEMBLE, encoding="utf-8")
    result = invoke(*arguments, "--threads", 0)
    assert (result.exit_code, result.stderr) == (2, f"mbfast {arguments[0]}: threads must be at least 1, got 0\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ensemble.toml", "flow.toml"]


@pytest.mark.parametrize("arguments", COMPUTING[1:])
def test_the_threads_of_a_command_are_its_limit(invoke, monkeypatch, tmp_path, arguments):
    (tmp_path / "flow.toml").write_text(FLOW, encoding="utf-8")
    (tmp_path / "ensemble.toml").write_text(ENSEMBLE, encoding="utf-8")
    seen = []

    def stop(*_, **__):
        seen.append(tiles.default_threads()[0])
        raise ValueError("enough")

    monkeypatch.setattr(FlowConfig, "run", stop)
    monkeypatch.setattr(SuperBlockConfig, "run", stop)
    monkeypatch.setattr(planning, "predictions", stop)
    monkeypatch.setattr(super_block_planning, "predict", stop)
    monkeypatch.setattr("mbfast.files.blocks.read_blocks", stop)
    try:
        assert invoke(*arguments, "--threads", 1).exit_code == 2
    finally:
        mbfast.set_threads(None)
    assert seen == [1]


@pytest.mark.parametrize(
    ("arguments", "columns", "rows"),
    [
        (("ratio",), 5, 13),
        (("cutoff",), 4, 13),
        (("cutoff", "--modulus", 1e9), 2, 1),
        (("reproduce", "fig. 1"), 7, 4),
        (("info",), 2, 10),
        (("plan", "--blocks", "10"), 4, 2),
        (("plan", "--superblock", "10"), 5, 8),
    ],
)
def test_every_table_is_there_in_plain_text(invoke, arguments, columns, rows):
    result = invoke(*arguments, "--plain")
    assert result.exit_code == 0
    table = [line.split("\t") for line in result.stdout.splitlines() if not line.startswith("#")]
    assert {len(cells) for cells in table} == {columns}
    assert len(table) - 1 >= rows
    assert not set(result.stdout) & set("│┃…━─")


def test_an_output_to_the_standard_output_is_alone_there():
    command = f"{sys.executable} -P -m mbfast reproduce 'fig. 1' --json /dev/stdout | cat"
    done = subprocess.run(["bash", "-c", command], capture_output=True, encoding="utf-8", check=True)
    assert [record["equation"] for record in json.loads(done.stdout)] == ["fig. 1"] * 4
    assert done.stderr.splitlines()[-1].startswith("4 claims: ")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
def test_a_full_disk_is_named(invoke):
    result = invoke("reproduce", "3.6", "--json", "/dev/full")
    assert (result.exit_code, result.stderr) == (2, "mbfast reproduce: /dev/full: No space left on device\n")
