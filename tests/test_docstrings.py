"""What public docstrings promise: every parameter in order, all sections, and by name what bad input raises."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import mbfast
from mbfast.pairs.fields import PairField

MODULES = [
    module.name
    for module in pkgutil.walk_packages(mbfast.__path__, "mbfast.")
    if not re.search(r"\.(_|cli\b|examples\b|testing\b|kernels\.(?!capi))", module.name)
]

CHECKED = re.compile("PairProblem|Moments|FrequencyGrid")  # methods that take such a value are the engine's own


def public_objects():
    """Functions and classes of mbfast, by name, and the functions of its modules that list their parameters."""
    found = {name: getattr(mbfast, name) for name in mbfast.__all__}
    for name in MODULES:
        functions = {key: m for key, m in vars(importlib.import_module(name)).items() if inspect.isfunction(m)}
        for key, member in functions.items():
            own = member.__module__ == name and not key.startswith("_") and member not in found.values()
            if own and "Parameters\n---" in (inspect.getdoc(member) or ""):
                found[f"{name.removeprefix('mbfast.')}.{key}"] = member
    return {name: member for name, member in found.items() if inspect.isfunction(member) or inspect.isclass(member)}


def methods(cls):
    """Public methods of a class, and what a call does, by the class of mbfast that has them."""
    for owner in cls.__mro__:
        for key, member in vars(owner).items() if owner.__module__.startswith("mbfast.") else ():
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if not inspect.isfunction(function) or (key.startswith("_") and key != "__call__"):
                continue
            if not CHECKED.search(str(inspect.signature(function))):
                yield f"{owner.__name__}.{key}", function


OBJECTS = public_objects()
FUNCTIONS = {name: member for name, member in OBJECTS.items() if inspect.isfunction(member)}
CLASSES = {name: member for name, member in OBJECTS.items() if inspect.isclass(member)}
METHODS = {key: method for cls in CLASSES.values() for key, method in methods(cls)}


def sections(member):
    """The sections of a docstring by their titles; the summary by no title."""
    parts = re.split(r"^(\w[\w ]+)\n-{3,}\n", f"{inspect.getdoc(member) or ''}\n", flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def entries(section):
    """Names and texts of a section: a line that is not indented starts an entry."""
    parts = re.split(r"^(\S.*)\n", section, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def parameters(function):
    names = inspect.signature(function).parameters
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def documented(text):
    return [name.lstrip("*") for header, _ in entries(text) for name in header.partition(" : ")[0].split(", ")]


def vague_errors(member, arguments):
    """Entries of Raises that name no argument and no condition, or one text for several exceptions."""
    for header, text in entries(sections(member).get("Raises", "")):
        words = " ".join(text.split())
        refers = re.search(r"`\w[\w.]*` (does|do|is|takes|refuses|raises)|^As (\w+ )*`", words)
        named = any(re.search(rf"\b{re.escape(name)}\b", words) for name in arguments)
        if re.search(r"as described", words):
            yield f"{header}: {words!r} names nothing"
        elif not re.fullmatch(r"\w+Error|\w+Interrupt", header) and not refers:
            yield f"{header}: one entry for each exception"
        elif not (named or refers or re.match(r"(If|Where|When|Under|For) \w", words)):
            yield f"{header}: {words!r} says no condition"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    function, parts = FUNCTIONS[name], sections(FUNCTIONS[name])
    drawn = "Figure" in str(inspect.signature(function).return_annotation)  # which no doctest can compare
    takes = bool(parameters(function))  # what takes nothing refuses nothing
    wanted = {"Parameters": takes, "Raises": takes, "Examples": not drawn}
    missing = [title for title, needed in wanted.items() if needed and title not in parts]
    assert not missing
    assert {"Returns", "Yields"} & set(parts)
    assert documented(parts.get("Parameters", "")) == parameters(function)
    assert not list(vague_errors(function, parameters(function)))


@pytest.mark.parametrize("name", [name for name, cls in CLASSES.items() if "Parameters" in sections(cls)])
def test_classes_that_are_made_by_hand(name):
    parts = sections(CLASSES[name])
    assert not [title for title in ("Raises", "Examples") if title not in parts]
    assert documented(parts["Parameters"]) == parameters(CLASSES[name])
    assert not list(vague_errors(CLASSES[name], parameters(CLASSES[name])))


@pytest.mark.parametrize("name", [name for name, cls in CLASSES.items() if "Parameters" not in sections(cls)])
def test_classes_of_results(name):
    assert "Attributes" in sections(CLASSES[name])


def shown(name, examples):
    """Whether examples call a function or a method by this name; `__call__` as an object made before it."""
    if name == "__call__":
        made = re.findall(r"(\w+) = (?:mbfast\.)?[A-Z]\w+\(", examples)
        return any(re.search(rf"\b{key}\(", examples) for key in made)
    return re.search(rf"\b{name}\(", examples) is not None


@pytest.mark.parametrize("name", CLASSES)
def test_classes_and_their_methods_have_examples(name):
    """A method has one of its own, or its class has one that calls it: that of a base or of a field like it will do."""
    cls = CLASSES[name]
    assert "Examples" in sections(cls)
    kin = [PairField, *PairField.__subclasses__()] if issubclass(cls, PairField) else cls.__mro__
    examples = "\n".join(sections(relative).get("Examples", "") for relative in kin)
    found = {
        key.partition(".")[2]: method for key, method in methods(cls) if "Tail" not in str(inspect.signature(method))
    }
    assert [key for key, m in found.items() if "Examples" not in sections(m) and not shown(key, examples)] == []


OTHERS = (
    "mbfast.testing",
    "mbfast.plotting",
    "mbfast.adapters.ase",
    "mbfast.adapters.torch",
    "mbfast.mpi",
    "mbfast.viewing",
)


@pytest.mark.parametrize("module", OTHERS)
def test_names_of_other_public_modules_have_examples(module):
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        pytest.skip(f"needs an extra: {error}")
    public = getattr(found, "__all__", None) or [
        key for key, member in vars(found).items()
        if getattr(member, "__module__", "") == module and "Parameters" in sections(member)
    ]  # fmt: skip
    assert public
    assert [key for key in public if "Examples" not in sections(getattr(found, key))] == []


KERNELS = sorted(file.stem for file in Path(mbfast.kernels.__file__).parent.glob("[!_]*.py"))


@pytest.mark.parametrize("name", KERNELS)
def test_the_examples_of_kernels_call_all_of_them(name):
    """Kernels have one line each, and a module of them one example."""
    module = importlib.import_module(f"mbfast.kernels.{name}")
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    kernels = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    own = {node.name for node in kernels if "Examples" in (ast.get_docstring(node) or "")}
    assert [
        k.name for k in kernels if k.name not in own and not shown(k.name, sections(module).get("Examples", ""))
    ] == []


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    method, parts = METHODS[name], sections(METHODS[name])
    assert parts[""].strip()
    if len(parameters(method)) > 1 or len(parts) > 1:  # of one argument a sentence may say all
        returns = inspect.signature(method).return_annotation not in ("None", None)
        assert not [title for title in ("Parameters", *["Returns"] * returns) if title not in parts]
    if "Parameters" in parts:
        assert documented(parts["Parameters"]) == parameters(method)
    assert not list(vague_errors(method, parameters(method)))


def docstrings_of(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return "\n".join(ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds))


def exists(name):
    member, path = mbfast, "mbfast"
    for part in name.split(".")[1:]:
        path = f"{path}.{part}"
        try:
            member = getattr(member, part, None) or importlib.import_module(path)
        except ImportError:
            return False
    return True


def test_names_in_docstrings_exist():
    home = Path(mbfast.__file__).parent
    named = {
        (str(file.relative_to(home)), name)
        for file in home.rglob("*.py")
        for name in re.findall(r"`(mbfast(?:\.\w+)+)`", docstrings_of(file))
    }
    assert named
    header = "mbfast.h"  # a file
    assert sorted(pair for pair in named if not exists(pair[1]) and pair[1] != header) == []
