import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mbfast
from mbfast import audit
from mbfast.cli import app

COMMANDS = ("reproduce", "ratio", "cutoff", "info", "warmup")


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_reproduce_prints_every_claim_and_counts_them(invoke):
    result = invoke("reproduce")
    assert result.exit_code == 0
    records = list(audit.reproduce())
    for record in records:
        assert record.quantity in result.stdout
    assert result.stdout.splitlines()[-1].startswith(f"{len(records)} claims: ")


def test_reproduce_writes_records_and_figures(invoke, tmp_path):
    assert invoke("reproduce", "--json", "claims.json", "--figures", "new/figures").exit_code == 0
    claims = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    assert claims == [record.as_dict() for record in audit.reproduce()]
    assert (tmp_path / "new/figures/figure1.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "new/figures/figure1.svg").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "claims.json",
        "figure1.png",
        "figure1.svg",
    ]


def test_ratio_of_the_packaged_table(invoke):
    result = invoke("ratio", "--exclude", "As2S3", "--exclude", "PMMA", "--exclude", "PS", "--figure", "f.svg")
    assert result.exit_code == 0
    assert "10 glasses in the fit: c_l/c_t = (1.0619 ± 0.0199) γ_l/γ_t, r = 0.745" in result.stdout
    assert Path("f.svg").stat().st_size > 1000


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


def test_info_and_warmup(invoke):
    warm = invoke("warmup")
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
        (("ratio", "bad.csv"), "bad.csv: row 2, column c_t_km_s: a positive finite number is wanted, got '-2'"),
        (("ratio", "none.csv"), "none.csv: No such file or directory"),
        (("ratio", "."), ".: Is a directory"),
        (("ratio", "--exclude", "quartz"), "unknown glass 'quartz'"),
        (("ratio", "--figure", "x.doc"), "Format 'doc' is not supported"),
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
        (("reproduce", "--json", "."), "a file is wanted, this is a folder"),
        (("reproduce", "--json", "bad.csv/x.json"), "cannot be written"),
        (("reproduce", "--json", "fine.json", "--figures", "bad.csv"), "cannot be written"),
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


@pytest.mark.parametrize("arguments", [("nonsense",), ("cutoff", "--omega", "fast"), ("ratio", "--nonsense")])
def test_bad_usage_exits_with_2(invoke, arguments):
    assert invoke(*arguments).exit_code == 2


def test_python_m_mbfast_into_a_closed_pipe():
    command = f"{sys.executable} -m mbfast reproduce | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "2"
    assert done.stderr.strip() == "mbfast: the command line needs typer: pip install 'mbfast[cli]'"


def test_figures_without_matplotlib_say_what_to_install(invoke, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = invoke("reproduce", "--figures", "figures", "--json", "claims.json")
    assert result.exit_code == 2
    assert result.stderr == "mbfast reproduce: figures need matplotlib: pip install 'mbfast[plot]'\n"
    assert list(tmp_path.iterdir()) == []
