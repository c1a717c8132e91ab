"""What is in the wheel and the sdist, and that the README's and the guide's commands run from the wheel alone."""

import re
import shlex
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest

import mbfast
from mbfast.guide import commands

pytestmark = [pytest.mark.slow, pytest.mark.compiled, pytest.mark.xdist_group("wheel")]

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.joinpath("mbfast", "guide").glob("*.py"))]
BUILT = re.compile(r"(__pycache__|\.(pyc|nbi|nbc|so|o)|_cache|\.benchmarks|\.hypothesis|\.venv)(/|$)")


def checked(command, **options):
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of an sdist of this checkout, and of a wheel made of it: what an installation from source is."""
    pytest.importorskip("build", reason="of the extra dev")
    folder = tmp_path_factory.mktemp("dist")
    checked([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)])
    return folder


@pytest.fixture(scope="module")
def names(built):
    """Files of the wheel and of the sdist, the folder of the latter left out."""
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sdist) as tar:
        files = [member.name.partition("/")[2] for member in tar.getmembers() if member.isfile()]
        return set(archive.namelist()), set(files)


def ours():
    """Files of the package in this checkout, without what running it leaves."""
    files = (file.relative_to(ROOT).as_posix() for file in ROOT.joinpath("mbfast").rglob("*") if file.is_file())
    return {name for name in files if not BUILT.search(name)}


def test_the_wheel_is_the_package_and_nothing_else(names):
    wheel, _ = names
    info = f"mbfast-{mbfast.__version__}.dist-info/"
    assert {name for name in wheel if not name.startswith(info)} == ours()
    assert {
        f"{info}{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    } <= wheel
    needed = "py.typed __init__.pyi data/glasses.csv include/mbfast.h guide/one_block.png guide/gallery_inference.png"
    foreign = ("monte_carlo.c", "map_openmp.c", "map_fortran.f90")
    assert {*(f"mbfast/{n}" for n in needed.split()), *(f"mbfast/examples/foreign/{n}" for n in foreign)} <= wheel


def test_the_sdist_has_tests_benchmarks_and_documents_and_nothing_built(names):
    _, sdist = names
    assert ours() <= sdist
    documents = "CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE README.md pyproject.toml PKG-INFO".split()
    assert {
        *documents,
        "tests/naive.py",
        "tests/test_wheel.py",
        "benchmarks/conftest.py",
        "benchmarks/reference.cpp",
    } <= sdist
    assert {".ci/run", ".ci/site.py", ".github/RELEASING.md", ".github/SECURITY.md"} <= sdist
    assert [name for name in sdist if BUILT.search(name)] == []
    known = {"mbfast", "tests", "benchmarks", ".ci", ".github", *documents, ".gitignore", ".pre-commit-config.yaml"}
    assert {name.partition("/")[0] for name in sdist} <= known


@pytest.fixture(scope="module")
def run(built, tmp_path_factory):
    """A function that runs a command in an empty folder of a fresh environment that has the wheel and its extras."""
    home = tmp_path_factory.mktemp("empty")
    (wheel,) = built.glob("*.whl")
    checked([sys.executable, "-m", "venv", str(home / ".venv")])
    programs = home / ".venv" / ("Scripts" if sys.platform == "win32" else "bin")
    checked([str(programs / "python"), "-m", "pip", "install", "-q", f"{wheel}[cli,plot]"])

    def run(*command):
        # -P and -E would do for python alone: neither the checkout nor the settings of who runs the tests may help
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(home)}
        return checked([str(programs / command[0]), *command[1:]], cwd=home, env=environment)

    return run


def blocks(page):
    """Indented code of a page, block by block."""
    return [textwrap.dedent(block).strip() for block in re.findall(r"(?:^ {4}.*\n|^\n)+", page.__doc__, re.MULTILINE)]


def test_the_session_of_the_guide(run):
    script, session = [block for block in blocks(commands) if block]
    run("python", "-c", script)
    for line in session.splitlines():
        run(*shlex.split(line))


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGES[0].read_text("utf-8"), re.DOTALL))
def test_examples_of_the_readme(run, example):
    # numba caches nothing of code that has no file, and needs its source
    assert run("python", "-c", f"open('example.py', 'w').write({example!r})") == ""
    assert run("python", "example.py")


def printed():
    """Whole commands in the README and the guide that need no file and no cluster."""
    found = set()
    for page in PAGES:
        found |= set(re.findall(r"`(mbfast [a-z][^`]*|python -m mbfast[^`\n]*)`", page.read_text("utf-8")))
    missing = (
        r"FILE|CONFIG|NAME|COMMAND|FOLDER|\n|resume|pairsum|latticefield|view|mbfast (flow|superblock)$|^mbfast plan$"
    )
    return sorted(command for command in found if not re.search(missing, command))


@pytest.mark.parametrize("command", printed())
def test_commands_in_sentences(run, command):
    assert run(*shlex.split(command))


IMPORTING = """
import importlib, pkgutil, mbfast
for module in pkgutil.walk_packages(mbfast.__path__, "mbfast."):
    try:
        importlib.import_module(module.name)
        print(module.name)
    except ImportError as error:
        assert "pip install 'mbfast[" in str(error), error
"""


def test_modules_can_be_imported_or_say_which_extra_they_need(run):
    found = run("python", "-c", IMPORTING).split()
    assert {"mbfast.guide.commands", "mbfast.mpi", "mbfast.viewing"} <= set(found)
    assert "mbfast.distributed" not in found
