"""Saved flows: what comes back is what went in, and what is no saved flow is refused by name."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from materials import SILICA

import mbfast
from mbfast._core.archive import FORMAT, read_archive, save_result, write_files

pytestmark = pytest.mark.compiled

NODES = np.geomspace(1e5, 1e15, 48)
FIELDS = ("omega", "temperature", "scales", "longitudinal", "transverse", "status", "stopped_at", "ratio")


def made(temperature=0.0, scale=1.0, **options):
    shape = scale * NODES**0.02 / (1 + (NODES / 3e13) ** 2)
    spectrum = mbfast.Spectrum(NODES, -7e7 * shape, -3e7 * shape, temperature, above="power")
    return mbfast.flow(spectrum, options.pop("interaction", SILICA), **options)


FLOWS = {
    "one": {},
    "ragged": {"temperature": [0.0, 1.0], "n0": [[2.0], [30.0]], "k_l": 0.5, "omega_c": [1e13, 1e14]},
    "stopped": {"scale": np.array([[1.0], [12.0]])},
    "derived": {"form": "derived", "n0": 8},
    "ends": {
        "interaction": [SILICA, mbfast.StressInteraction(2510, 6200, 3800, form="joffrin-levelut")],
        "keep": "ends",
    },
    "linear": {"linear": True, "n0": 100},
    "no step": {"start": 1e-6, "stop": 1e-6},
}


@pytest.fixture(scope="module")
def saved():
    buffer = io.BytesIO()
    made(n0=30.0).save(buffer)
    return buffer.getvalue()


def same(first, second):
    for name in FIELDS:
        one, other = getattr(first, name), getattr(second, name)
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), name
        assert (type(one), one.dtype, one.flags.writeable) == (type(other), other.dtype, other.flags.writeable), name
    for one, other in zip((*first.terms, first.error), (*second.terms, second.error), strict=True):
        assert [type(part) for part in one] == [type(part) for part in other]
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))
    assert first.inputs == second.inputs


@pytest.mark.parametrize("options", FLOWS.values(), ids=FLOWS)
def test_a_flow_comes_back_as_it_was(tmp_path, options):
    run = made(**options)
    run.save(tmp_path / "new" / "run")  # no suffix is added, folders are made
    same(run, mbfast.Flow.load(tmp_path / "new" / "run"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run"]


def test_the_flows_above_are_of_every_kind():
    assert np.isnan(made(**FLOWS["ragged"]).longitudinal).any()
    assert made(**FLOWS["stopped"]).status.tolist() == ["done", "diverged"]


def test_inputs_make_the_same_flow_again(tmp_path):
    run = made(temperature=[0.0, 1.0], n0=[[2.0], [30.0]], form="derived", k_t=0.3)
    run.save(tmp_path / "run.npz")
    loaded = mbfast.Flow.load(tmp_path / "run.npz")
    inputs = dict(loaded.inputs)
    assert inputs.pop("version") == mbfast.__version__
    start = mbfast.Spectrum(
        loaded.omega,
        *(part[0, :, 0] for part in (loaded.longitudinal, loaded.transverse)),
        loaded.temperature[0],
        **inputs.pop("spectrum"),
    )
    same(run, mbfast.flow(start, mbfast.StressInteraction(**inputs.pop("interaction")), **inputs))


def test_the_archive_is_plain_and_its_bytes_are_those_of_the_flow(saved):
    again = io.BytesIO()
    made(n0=30.0).save(again)
    assert again.getvalue() == saved
    with np.load(io.BytesIO(saved), allow_pickle=False) as arrays:
        assert (str(arrays["form"]), str(arrays["version"])) == ("printed", mbfast.__version__)
        assert json.loads(str(arrays["inputs"]))["interaction"]["c_l"] == 5800.0
        assert str(arrays["format"]) == f"mbfast flow {FORMAT}"
        assert arrays["second_longitudinal"].shape == (arrays["scales"].size - 1, NODES.size)


def changed(saved, **changes):
    """Return the bytes of an archive with other arrays; None leaves one out."""
    with np.load(io.BytesIO(saved)) as arrays:
        content = {**arrays, **changes}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in content.items() if value is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "mbfast flow 99"}, f"in format 99, this one reads formats up to {FORMAT}"),
        ({"format": "mbfast pairs 1"}, "a saved flow of mbfast is wanted, got 'mbfast pairs 1'"),
        ({"format": f"mbfast flow {10**30}"}, "a saved flow of mbfast is wanted"),
        ({"format": None}, "a saved flow of mbfast is wanted, got 'an archive without a format'"),
        ({"scales": None}, "not a complete flow, scales is missing"),
        ({"inputs": None}, "not a complete flow, inputs is missing"),
        ({"inputs": "{"}, "its inputs are not JSON"),
        ({"inputs": "[" * 100_000}, "its inputs are not JSON"),
        ({"inputs": "[]"}, "its inputs must be a JSON object, got list"),
        ({"scales": np.array(1.0)}, r"not a flow, .* must be numbers of shape"),
        ({"omega": np.array(1.0)}, r"not a flow, omega must be numbers of shape"),
        (
            {"transverse": np.zeros((4, 48))},
            r"transverse must be numbers of shape \(5, 48\), got float64 of shape \(4, 48\)",
        ),
        ({"omega": np.arange(48)}, "not a flow, omega must be numbers of shape"),
        ({"status": np.array(1.0)}, "not a flow, status must be text of shape"),
        ({"status": np.array("done", dtype=object)}, "not a NumPy archive of numbers"),
    ],
)
def test_archives_that_are_no_flows(saved, tmp_path, changes, words):
    (tmp_path / "run.npz").write_bytes(changed(saved, **changes))
    with pytest.raises(ValueError, match=rf"run\.npz: .*{words}"):
        mbfast.Flow.load(tmp_path / "run.npz")


def numpy_array():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def zipped(name, content, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 damaged",
        b"text",
        numpy_array(),
        pickle.dumps(print),
        zipped("format.npy", b"no header"),
        zipped("format.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((  "),
        zipped("format.npy", numpy_array().replace(b"(3,)", b"(3, ")),
        zipped("format.npy", numpy_array().replace(b"(3,), }         ", b"(9000000000000,)")),
    ],
    ids=["empty", "cut", "text", "npy", "pickle", "no header", "brackets", "no shape", "huge"],
)
def test_files_that_are_no_archives(tmp_path, content):
    (tmp_path / "run.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.npz: "):
        mbfast.Flow.load(tmp_path / "run.npz")


def test_a_file_that_is_cut_or_has_a_flipped_byte(saved, tmp_path):
    file = tmp_path / "run.npz"
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(saved), 100):
        file.write_bytes(saved[:place])
        with pytest.raises(ValueError, match=r"run\.npz: "):
            mbfast.Flow.load(file)
        file.write_bytes(saved[:place] + bytes([saved[place] ^ 0x55]) + saved[place + 1 :])
        try:
            mbfast.Flow.load(file)  # a byte that only describes the zip's members, such as a date
        except ValueError as error:
            assert str(error).startswith(f"{file}: ")  # noqa: PT017


def test_pickled_objects_are_not_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.savez(tmp_path / "run.npz", format=np.array(Trap(), dtype=object))
    with pytest.raises(ValueError, match=r"run\.npz: not a NumPy archive of numbers"):
        read_archive(tmp_path / "run.npz", ["format"])
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        mbfast.Flow.load("none.npz")


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "first").write_bytes(b"old")

    def fail(stream):
        stream.write(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match=r"no space left: .*second"):
        write_files({tmp_path / "first": b"new", tmp_path / "second": fail})
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("first", b"old")]
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_result(tmp_path / "first", "thing", {}, {"version": "1", "x": print})
    assert (tmp_path / "first").read_bytes() == b"old"
