"""What the README shows is what the package does."""

import re
from pathlib import Path

import numpy as np
import pytest
from legible import assert_legible

import mbfast
from mbfast.examples import one_block

ROOT = Path(__file__).parents[1]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
PICTURE = Path(mbfast.__file__).parent / "guide" / "one_block.png"


def test_it_is_short_and_in_order():
    assert len(README.splitlines()) <= 150
    assert re.findall(r"^## (.*)$", README, flags=re.MULTILINE) == [
        *("Two commands", "A first example", "Choosing a method", "Embedding"),
        *("Performance runs", "Conventions", "Links"),
    ]


def test_two_commands_of_one_line_each():
    for mark in ("run", "test"):
        block = README.split(f"<!-- {mark} -->\n```sh\n")[1].split("```")[0]
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv")


@pytest.mark.compiled
@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_examples_run(example, capsys):
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["cutoff_map", "embedded", "monte_carlo", "one_block"])
def test_longer_examples_run(run_python, name):
    assert run_python(f"import runpy; runpy.run_module('mbfast.examples.{name}', run_name='__main__')")


@pytest.mark.compiled
def test_the_picture_is_that_of_its_example(tmp_path):
    matplotlib = pytest.importorskip("matplotlib.image")
    figure = one_block.draw(one_block.strain_around())
    mbfast.plotting.save_figure(figure, tmp_path / "new.png")
    assert_legible(figure)
    shown, drawn = matplotlib.imread(PICTURE), matplotlib.imread(tmp_path / "new.png")
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < 0.02  # of 1: letters differ from version to version


def test_the_guide_lists_its_pages():
    files = {file.stem for file in PICTURE.parent.glob("*.py")} - {"__init__"}
    assert files == set(mbfast.guide.__all__)
    assert files == set(re.findall(r"^\| `mbfast\.guide\.(\w+)` \|", mbfast.guide.__doc__, flags=re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    text = ROOT.joinpath(page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!http)([^)]+)\)", text)
    assert targets or page != "README.md"
    assert [target for target in targets if not ROOT.joinpath(target).is_file()] == []
