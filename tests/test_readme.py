"""What the README shows is what the package does."""

import re
from pathlib import Path

import pytest

import mbfast
from mbfast import audit

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")


def test_two_commands_of_one_line_each():
    for mark in ("run", "test"):
        block = README.split(f"<!-- {mark} -->\n```sh\n")[1].split("```")[0]
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv")


@pytest.mark.compiled
@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_examples_run(example, capsys):
    assert len([line for line in example.splitlines() if line.strip()]) <= 11
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["cutoff_map", "embedded", "monte_carlo"])
def test_longer_examples_run(run_python, name):
    assert run_python(f"import runpy; runpy.run_module('mbfast.examples.{name}', run_name='__main__')")


def test_table_of_ratios():
    lines = ["| glass | γ_l/γ_t | c_l/c_t | (theo-exp)/exp |", "|---|---|---|---|"]
    for glass in mbfast.load_glasses():
        measured = mbfast.meissner_berret_ratio(gamma_l=glass.gamma_l, gamma_t=glass.gamma_t)
        predicted = mbfast.meissner_berret_ratio(c_l=glass.c_l, c_t=glass.c_t)
        lines.append(f"| {glass.name} | {measured:.3f} | {predicted:.3f} | {100 * (predicted / measured - 1):+.1f} % |")
    table = "\n".join(lines)
    assert table in README, f"the README's table is to be:\n{table}"


@pytest.mark.compiled
def test_table_of_findings():
    table = audit.summary(audit.reproduce())
    assert table in README, f"the README's table is to be:\n{table}"


def test_links_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert targets
    for target in targets:
        assert Path(__file__).parents[1].joinpath(target).is_file(), target
