"""What the README shows is what the package does."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from legible import assert_legible

import mbfast
from mbfast.cli import app
from mbfast.examples import one_block
from mbfast.guide import findings, gallery, performance, software_paper

ROOT = Path(__file__).parents[1]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
GUIDE = Path(mbfast.__file__).parent / "guide"
PICTURE, EXAMPLES = GUIDE / "one_block.png", GUIDE.with_name("examples")


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
def test_longer_examples_run(capsys, monkeypatch, name):
    monkeypatch.setattr(sys, "argv", [name])
    importlib.import_module(f"mbfast.examples.{name}").main()
    assert capsys.readouterr().out


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


def test_the_guide_leads_to_every_name_and_command():
    pages = "\n".join(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) for file in GUIDE.glob("*.py"))
    commands = [command.name or command.callback.__name__ for command in app.registered_commands]
    kernels = [f"mbfast.kernels.{file.stem}" for file in Path(mbfast.kernels.__file__).parent.glob("[!_]*.py")]
    extras = [
        f"mbfast.{name}" for name in ("adapters.torch", "adapters.ase", "distributed", "mpi", "viewing", "testing")
    ]
    names = [f"mbfast.{name}" for name in set(mbfast.__all__) - {"__version__", "guide", "kernels"}]
    drawing = [f"``{name}``" for name in set(mbfast.plotting.__all__) - {"figure_class"}]
    wanted = [*names, *drawing, *kernels, *extras, *(f"``mbfast {name}" for name in commands)]
    assert [name for name in wanted if not re.search(rf"{re.escape(name)}(?!\w)", pages)] == []


@pytest.mark.parametrize(("section", "page"), [("Performance", performance), ("What was found", findings)])
def test_numbers_of_the_software_paper_are_those_of_the_guide(section, page):
    text = software_paper.__doc__.split(f"\n{section}\n---")[1].split("\n---")[0]
    numbers = re.findall(r"(?<![\w(.])\d+\.\d+(?= |,|%)|\d+(?= %| ms| million| claims| stand| are slips| do not)", text)
    assert numbers
    assert [number for number in numbers if not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", page.__doc__)] == []


def pictures(page):
    return re.findall(r"!\[[^]]+\]\((\w+\.png)\)", page.__doc__)


def test_the_gallery_shows_all_examples_that_draw_and_its_pictures_are_small():
    shown = pictures(gallery)
    assert set(shown) == {file.name for file in GUIDE.glob("*.png")}
    draws = re.compile(r"save_figure\(|run_example\(")
    drawing = {file.stem for file in EXAMPLES.glob("[!_]*.py") if draws.search(file.read_text(encoding="utf-8"))}
    assert {name.removeprefix("gallery_").removesuffix(".png") for name in shown} == drawing | {"foreign"}
    sizes = {name: GUIDE.joinpath(name).stat().st_size for name in shown if name != "one_block.png"}
    assert max(sizes.values()) <= 60_000
    assert sum(sizes.values()) <= 500_000


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name", [name for name in pictures(gallery) if name != "one_block.png"])
def test_a_picture_of_the_gallery_is_that_of_its_example(name, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    pytest.importorskip("emcee", reason="one figure has a sample by it")
    command = [sys.executable, "-m", f"mbfast.examples.{name.removeprefix('gallery_').removesuffix('.png')}"]
    subprocess.run([*command, str(tmp_path / "new.png")], check=True, capture_output=True)
    shown, drawn = (image.imread(file)[..., :3] for file in (GUIDE / name, tmp_path / "new.png"))
    rows, columns = (
        np.linspace(0, n - 1, m).round().astype(int) for n, m in zip(drawn.shape, shown.shape[:2], strict=False)
    )
    # of 1; what an example draws by chance is the same for its seed, but for rounding errors that decide a flip
    assert np.abs(shown - drawn[rows][:, columns]).mean() < 0.03  # some 0.012 by fewer pixels and colours


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".github/SECURITY.md", ".github/RELEASING.md"])
def test_links_lead_somewhere(page):
    text = ROOT.joinpath(page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!http)([^)]+)\)", text)
    assert targets or page != "README.md"
    assert [target for target in targets if not ROOT.joinpath(page).parent.joinpath(target).is_file()] == []
