"""Predictions for clusters and disks: laws of scaling, limits, and the engines' own numbers."""

import math
import pickle
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

import mbfast
from mbfast.cli import app
from mbfast.pairs import cluster_planning, direct, planning
from mbfast.pairs._stored.plan import planned
from mbfast.pairs.cluster_planning import StoredFiles, predict_cluster, stored_files, sum_parts
from mbfast.pairs.pencils import Pencils

SIZES = [10**6, 10**7, 10**8, 10**9, 10**10]


def predicted(shape, *, workers=1, speed=1.0, **options):
    return predict_cluster(shape, workers=workers, speed=speed, **options)


def hypothetical(shape, kind="stress", boundary="open", averaged=False):
    return planning.hypothetical(shape, kind, rtol=None, boundary=boundary, images=None, averaged=averaged)


@pytest.mark.parametrize("workers", [1, 2, 64, 1000])
def test_pairs_are_shared_by_all_threads(workers):
    """Up to one batch of 32 a thread, and of fewer parts than that to the last part."""
    found = predicted(10**7, workers=workers)
    whole = 3.3e-9 * 1e14 / workers
    assert whole <= found.computing <= whole * (1 + 1 / 16)


def test_a_thread_is_as_good_as_a_worker_for_the_pairs_and_cheaper_for_the_inputs():
    threads, workers = predicted(10**6, threads_per_worker=8), predicted(10**6, workers=8)
    assert threads.computing == workers.computing
    assert threads.inputs < workers.inputs
    assert threads.worker_memory < 8 * workers.worker_memory


def test_direct_sums_grow_as_the_square():
    times = np.array([predicted(n, workers=100).computing for n in SIZES])
    np.testing.assert_allclose(times[1:] / times[:-1], 100, rtol=0.1)
    assert predicted(10**7, workers=100, speed=0.5).computing == 0.5 * predicted(10**7, workers=100).computing


def test_what_the_client_takes_bounds_the_gain():
    """Results come by one link, however many workers there are."""
    many, more = predicted(10**6, workers=10**4), predicted(10**6, workers=2 * 10**4)
    assert many.results > many.computing
    assert more.seconds > many.seconds


def test_fields_of_stored_lattices_grow_as_n_log_n():
    found = [predicted((n, n, n), method="stored-fft", memory="1TB") for n in (128, 256, 512, 1024, 2048)]
    traffic, times = np.array([f.traffic for f in found]), np.array([f.computing for f in found])
    np.testing.assert_allclose(traffic[1:] / traffic[:-1], 8, rtol=1e-6)
    assert ((times[1:] / times[:-1] > 8) & (times[1:] / times[:-1] < 8 * 24 / 21)).all()
    assert found[-1].seconds == found[-1].computing + found[-1].disk
    # 96 bytes a block of stress and 112 of its kernel, each written and read twice, and the ends
    assert traffic[0] == 128**3 * (4 * 96 + 4 * 112 + 3 * 48)


def test_workers_share_the_tasks_of_a_stored_field_and_its_disk():
    one = predicted((256,) * 3, method="stored-fft", workers=1)
    nine = predicted((256,) * 3, method="stored-fft", workers=9)
    assert nine.computing == one.computing / 9
    assert nine.disk == one.disk
    assert predicted((256,) * 3, method="stored-fft", workers=1, threads_per_worker=4).computing == one.computing / 4


def test_rates_and_sizes_are_what_their_texts_say():
    slow, fast = (predicted(10**6, workers=9, network=rate) for rate in ("1 Gbit/s", "1GB/s"))
    assert slow.inputs == 8 * fast.inputs
    assert predicted(10**6, network=1e9) == predicted(10**6, network="1000 MB/s") == predicted(10**6, network="1g")
    lattice = {"shape": (256, 256, 256), "method": "stored-fft"}
    assert predicted(**lattice, disk="1GB/s").disk == predicted(**lattice, disk="500MB/s").disk / 2
    needed = predicted(10**7).worker_memory
    assert "and has" in predicted(10**7, memory=math.floor(needed) - 1).why_not
    assert predicted(10**7, memory=math.ceil(needed)).why_not == ""
    assert predicted(10**7, memory="4GiB") == predicted(10**7, memory=4 * 2**30)


@pytest.mark.parametrize("kind", ["stress", "dipole"])
@pytest.mark.parametrize(
    ("averaged", "n"), [(False, (40, 40, 40)), (True, (20, 20, 20)), (False, 1000), (False, 300_000)]
)
def test_parts_are_those_of_the_engine(kind, averaged, n, monkeypatch):
    """With pieces of the sources and parts so small that there are several of both."""
    monkeypatch.setattr(direct, "_SOURCES", 15_000)
    monkeypatch.setattr(direct, "_JOURNEY", 6e6)
    problem = hypothetical(n, kind, averaged=averaged)
    made = direct.DirectField.__new__(direct.DirectField)
    made.problem = problem
    made.__dict__ |= {"_n": problem.geometry.n_blocks, "_targets": problem.n_targets, "_shifts": problem.shifts}
    made._pieces, made._sources = made._tiles(), direct.cut(made._n, direct._SOURCES)
    made._tensors = np.empty(0) if averaged else None
    parts = made._parts([made._pieces] * len(made._sources))
    large, small, pieces = sum_parts(problem)
    assert (large + small, pieces) == (len(parts), len(made._sources))
    for piece in made._sources:
        assert [tile for source, tiles in parts if source == piece for tile in tiles] == made._pieces


@pytest.mark.parametrize("kind", ["stress", "dipole"])
@pytest.mark.parametrize("blocks", ["anywhere", "lattice"])
def test_inputs_are_what_is_sent(kind, blocks):
    """Of an interaction that no other test has: what a used one keeps is sent, too."""
    material = mbfast.StressInteraction(2345, 5800, 3800) if kind == "stress" else mbfast.DipoleInteraction(2.345e-11)
    shape = (2000,) if blocks == "anywhere" else (20, 20, 5)
    rng = np.random.default_rng(1)
    places = rng.random((2000, 3)) if blocks == "anywhere" else mbfast.BlockLattice(shape, 1.0)
    field = mbfast.DirectField(material, places)
    moments = field.problem.moments(rng.normal(size=(*shape, material.components)))
    work = partial(direct._rows, partial(field._points, moments, 1.0), material.components)
    sent = len(pickle.dumps(work))
    found = predicted(2000 if blocks == "anywhere" else shape, kind=kind, network=1.0)
    assert found.inputs == pytest.approx(2 * sent, rel=0.03)  # to the scheduler, and to the worker


def test_stored_files_are_those_of_the_engine():
    """Of all kinds of lattices, to what a last piece that is not full is more."""
    for sides in ((64, 64, 64), (512, 512, 512), (100, 300, 700), (2154, 2154, 2154), (97, 101, 103)):
        for kind in ("stress", "dipole"):
            for boundary, averaged in (("open", False), ("open", True), ("periodic", False)):
                problem = hypothetical(sides, kind, boundary, averaged)
                made, found = Pencils(problem), stored_files(problem, 1)
                needed = planned(made, 0, 1)
                field, kernel = 8 * math.prod(made.shape), 0 if made.circular else 8 * math.prod(made.kernel_shape)
                modes = 8 * 15 * (made.axes[0].n // 2 + 1) * made.axes[1].n * made.axes[2].n * made.adds_uniform
                ends = 8 * made.components * math.prod(sides)
                assert found.memory == pytest.approx(needed + cluster_planning._PROCESS, rel=0.05)
                assert found.traffic == pytest.approx(4 * field + 4 * kernel + 2 * modes + 3 * ends, rel=0.03)
                assert found.space == pytest.approx((field + kernel) * 1.125 + modes + ends, rel=0.03)


def test_lattices_that_need_no_padding_take_half_the_field_and_no_kernel():
    circular, padded = (stored_files(hypothetical((n,) * 3, boundary="periodic"), 1) for n in (512, 511))
    assert isinstance(circular, StoredFiles)
    assert circular.traffic < 0.36 * padded.traffic
    assert circular.space < 0.35 * padded.space


def test_what_cannot_be():
    assert "blocks must be a BlockLattice for method='stored-fft'" in predicted(1000, method="stored-fft").why_not
    assert "images must be a whole number" in predicted((8, 8, 8), boundary="periodic").why_not
    needed = predicted((2048,) * 3, method="stored-fft", memory="1GB")
    assert needed.why_not == f"at least {needed.worker_memory / 1e9:.3g} GB of memory are needed, 1 GB are there"
    assert predicted(0).computing == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers": 1.5}, "workers must be a whole number, got 1.5"),
        ({"threads_per_worker": 0}, "threads_per_worker must be at least 1, got 0"),
        ({"method": "fft"}, "method must be one of direct, stored-fft, got 'fft'"),
        ({"memory": "4 gallons"}, 'memory must be a number of bytes, or a text such as "3GB" or "3 GiB", got .4 gal'),
        ({"memory": "4GB/s"}, "memory must be a number of bytes, or a text"),
        ({"network": "fast"}, 'network must be a number of B/s, or a text such as "1GB/s" or "10 Gbit/s", got .fast'),
        ({"network": 0.0}, "network must be positive"),
        ({"disk": "0MB/s"}, "disk must be positive"),
        ({"disk": [1.0, 2.0]}, "disk must be one number"),
        ({"speed": -1.0}, "speed must be positive"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        predicted(1000, **options)


def test_the_speed_is_that_of_a_thread_of_this_machine(monkeypatch):
    monkeypatch.setattr(planning, "_speed", lambda name, _: 0.25 if name == "direct 6" else 1 / 0)
    monkeypatch.setattr("mbfast._core.tiles.default_threads", lambda: (3, "a test"))
    assert predicted(10**6, speed=None) == predicted(10**6, speed=0.75)


def test_the_command(monkeypatch):
    monkeypatch.setattr(planning, "_speed", lambda *_: 0.5)

    def lines(*arguments):
        result = CliRunner().invoke(app, ["plan", *arguments, "--plain"])
        assert result.exit_code == 0, result.stderr
        return [line.split("\t") for line in result.stdout.splitlines()]

    heading, first, second, *_ = lines("--blocks", "256x256x256", "--workers", "8", "--memory", "1GB", "--speed", "1")
    assert (heading[0], first[0], second[0]) == ("method", "direct", "stored-fft")
    assert len(heading) == len(first) == len(second)
    expected = predicted((256,) * 3, workers=8)
    assert first[1] == f"{expected.seconds:.2g}"
    assert first[-1].startswith("a worker needs ")
    assert lines("--blocks", "1e6", "--workers", "8")[2][0].startswith("# one field")
    assert lines("--blocks", "1e8", "--workers", "1", "--memory", "1TB", "--speed", "1")[1][-1] != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--blocks", "8", "--memory", "4GB"), "--memory belongs to --workers"),
        (("--blocks", "8", "--threads-per-worker", "2"), "--threads-per-worker belongs to --workers"),
        (("--superblock", "8", "--workers", "2"), "--kind, --rtol, --boundary, --images, --averaged and"),
        (("--blocks", "8", "--workers", "0"), "workers must be at least 1, got 0"),
        (("--blocks", "8", "--workers", "2", "--rtol", "1e-3"), "--rtol is for ewald, which no cluster takes"),
        (("--blocks", "8", "--workers", "2", "--network", "5 parsecs"), "network must be a number of B/s"),
    ],
)  # fmt: skip
def test_the_command_refuses(arguments, message):
    result = CliRunner().invoke(app, ["plan", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"mbfast plan: {message}")
    assert result.stderr.count("\n") == 1
