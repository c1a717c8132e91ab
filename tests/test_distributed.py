"""The same functions on a cluster: the same bits, whatever happens to its workers."""

import inspect
import os
import signal
import threading
import time

import numpy as np
import pytest
from materials import DIPOLES, SILICA

import mbfast
from mbfast.superblock import ensembles
from mbfast.superblock.orders import measure_orders

pytest.importorskip("distributed", reason="the extra cluster is not installed")

from distributed import Client, LocalCluster

from mbfast import distributed

pytestmark = [pytest.mark.compiled, pytest.mark.xdist_group("cluster")]
QUIET = {"dashboard_address": ":0", "silence_logs": "CRITICAL"}


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=2, threads_per_worker=1, **QUIET) as cluster, Client(cluster) as made:
        yield made


def cloud(interaction, n=100):
    rng = np.random.default_rng(1)
    return interaction, rng.random((n, 3)) * 1e-7, rng.normal(size=(n, interaction.components)) * 1e-19


@pytest.mark.parametrize(
    ("name", "interaction"), [("pair_field", SILICA), ("pair_energy", DIPOLES), ("pair_virial", SILICA)]
)
def test_sums_have_the_same_bits(client, many_parts, interaction, name):
    arguments = cloud(interaction)
    whole = getattr(mbfast, name)(*arguments, method="direct")
    np.testing.assert_array_equal(getattr(distributed, name)(*arguments, client=client), whole)


@pytest.mark.parametrize("options", [{}, {"boundary": "periodic", "images": 1}], ids=["open", "periodic"])
def test_cubes_have_the_same_bits(client, many_parts, options):
    lattice = mbfast.BlockLattice((5, 4, 3), 5e-9, averaged=True)
    moments = np.random.default_rng(1).normal(size=(5, 4, 3, 6)) * 1e-19
    whole = mbfast.pair_sum(SILICA, lattice, moments, method="direct", self_field=True, **options)
    there = distributed.pair_sum(SILICA, lattice, moments, self_field=True, client=client, **options)
    np.testing.assert_array_equal(there.field, whole.field)
    assert (there.method, there.energy) == (whole.method, whole.energy)


def test_flows_have_the_same_bits(client):
    omega = np.geomspace(1e6, 1e14, 40)
    absorption = np.multiply.outer([1e7, 2e7, 3e7], np.full(40, -1.0))
    spectrum = mbfast.Spectrum(omega, absorption, absorption, 0.3)
    whole, there = mbfast.flow(spectrum, SILICA), distributed.flow(spectrum, SILICA, client=client)
    np.testing.assert_array_equal(there.longitudinal, whole.longitudinal)
    np.testing.assert_array_equal(there.status, whole.status)
    np.testing.assert_array_equal(there.error, whole.error)


def test_ensembles_have_the_same_bits(client):
    def drawn(rng):
        blocks = ensembles.gaussian_blocks(2, 2, 1e-24, 1e-20, rng=rng)
        return mbfast.SuperBlock(SILICA, mbfast.BlockLattice((2, 1, 1), 5e-9), blocks)

    def measured(function, **options):
        rng = np.random.default_rng(1)
        return function(
            {"pairs": drawn}, [1e10 + 1e10j], 0.1, block_volume=1e-25, members=5, rng=rng, **options
        ).exact  # fmt: skip

    # LAPACK on another thread count may round otherwise: workers have one thread, as the suite has
    np.testing.assert_allclose(
        measured(distributed.measure_orders, client=client), measured(measure_orders, threads=1), rtol=1e-11
    )


def test_help_shows_the_client():
    for function in (distributed.pair_field, distributed.flow, distributed.run_each):
        assert str(inspect.signature(function).parameters["client"]) == "client: 'Client | str | None' = None"


def test_any_function_of_items(client):
    factor = 3

    def scaled(item):
        return {"number": factor * item, "threads": mbfast._core.tiles.default_threads()[0]}

    found = distributed.run_each(scaled, [1, 2, 5], client=client)
    assert [result["number"] for result in found] == [3, 6, 15]
    assert {result["threads"] for result in found} == {1}  # of a worker: its neighbours have the other cores


def test_errors_of_a_part_come_back_as_they_were(client):
    def failing(item):
        raise ZeroDivisionError(f"of item {item}")

    with pytest.raises(ZeroDivisionError, match="of item 7"):
        distributed.run_each(failing, [7], client=client)


def test_parts_come_back_one_by_one(client, many_parts):
    seen = []
    distributed.pair_field(*cloud(DIPOLES), client=client, progress=lambda *counts: seen.append(counts))
    assert seen == [(number, len(seen)) for number in range(1, len(seen) + 1)]
    assert len(seen) > 1


def test_a_checkpoint_holds_what_workers_have_sent(client, many_parts, tmp_path):
    arguments, file = cloud(DIPOLES), tmp_path / "run.checkpoint"

    class Stopped(Exception):  # noqa: N818  it is no error
        pass

    def stop(done, total):
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        distributed.pair_field(*arguments, client=client, checkpoint=file, progress=stop)
    seen = []
    here = mbfast.pair_field(*arguments, method="direct", checkpoint=file, progress=lambda *counts: seen.append(counts))
    np.testing.assert_array_equal(here, mbfast.pair_field(*arguments, method="direct"))
    assert seen[-1][1] == 7 * 3 - 2  # tiles times pieces of 48, without the two that came back


def test_what_a_cluster_does_not_take(client, monkeypatch):
    lattice, moments = mbfast.BlockLattice((4, 4, 4), 1e-9), np.zeros((4, 4, 4, 3))
    with pytest.raises(ValueError, match=r"a cluster is for method='direct', .* got 'fft'"):
        distributed.pair_field(DIPOLES, lattice, moments, method="fft", client=client)
    with pytest.raises(TypeError, match=r"client must be a distributed.Client, .* got 7"):
        distributed.pair_field(DIPOLES, lattice, moments, client=7)
    closed = Client(client.scheduler.address)
    closed.close()
    with pytest.raises(ValueError, match="client must be a connected one, got a closed one"):
        distributed.pair_field(DIPOLES, lattice, moments, client=closed)
    monkeypatch.setattr(mbfast, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"a worker, .*, of mbfast .*; here it is 99.0"):
        distributed.pair_field(DIPOLES, lattice, moments, client=client)


def test_a_stored_field_is_made_of_tasks_of_workers(client, tmp_path):
    lattice, moments = mbfast.BlockLattice((12, 9, 10), 1e-9), np.random.default_rng(1).normal(size=(12, 9, 10, 3))
    np.save(tmp_path / "moments.npy", moments)
    with distributed.connection(client):
        field = mbfast.StoredLatticeField(DIPOLES, lattice, tmp_path / "folder", memory="4 GB", threads=1)
        field(tmp_path / "moments.npy", tmp_path / "field.npy")
        with pytest.raises(TypeError, match=r"moments must be a path on a cluster, .* got ndarray"):
            field(moments, tmp_path / "field.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "field.npy"), mbfast.LatticeField(DIPOLES, lattice)(moments))


def test_where_nothing_listens(monkeypatch):
    monkeypatch.setattr(distributed, "_PATIENCE", 1.0)
    with pytest.raises(ConnectionError, match=r"no scheduler answers at tcp://127.0.0.1:9"):
        distributed.pair_field(*cloud(DIPOLES), client="tcp://127.0.0.1:9")


def test_a_lost_worker_is_survived(client, many_parts):
    arguments = cloud(SILICA, 300)
    first, *_ = client.run(os.getpid).values()  # the cluster of the other tests starts another one in its place

    def progress(done, total):
        if done == 3:
            os.kill(first, signal.SIGKILL)

    there = distributed.pair_field(*arguments, client=client, progress=progress)
    np.testing.assert_array_equal(there, mbfast.pair_field(*arguments, method="direct"))


def test_a_lost_scheduler_is_told(many_parts, tmp_path):
    file = tmp_path / "run.checkpoint"
    within = {"processes": False, "protocol": "tcp", "host": "127.0.0.1"}  # a worker that is a thread is there at once
    with LocalCluster(n_workers=1, threads_per_worker=1, **within, **QUIET) as cluster, Client(cluster) as client:

        def progress(done, total):
            if done == 3:
                cluster.close()

        said = r"is lost .*; \d+ of \d+ parts are done, they are kept in .*run.checkpoint"
        with pytest.raises(ConnectionError, match=said):
            distributed.pair_field(*cloud(SILICA, 300), client=client, progress=progress, checkpoint=file)


@pytest.mark.slow
def test_a_cluster_that_loses_all_workers_is_not_waited_for(monkeypatch):
    """Nobody starts new ones, as after a job of a queue has ended: Dask itself would wait for ever."""

    def slow(item):
        time.sleep(0.5)
        return item

    monkeypatch.setattr(distributed, "_PATIENCE", 0.2)
    monkeypatch.setattr(distributed, "_GLANCE", 0.2)
    with LocalCluster(n_workers=1, threads_per_worker=1, **QUIET) as cluster, Client(cluster) as alone:

        def progress(done, total):
            cluster.scale(0)
            cluster.sync(cluster._correct_state)

        with pytest.raises(ConnectionError, match=r"has no workers.*; 1 of 3 parts are done, none is kept without"):
            distributed.run_each(slow, range(3), client=alone, progress=progress)


def test_what_cannot_be_sent_is_refused_by_name(client):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="function and items must be what pickle takes"):
        distributed.run_each(lambda item: (lock, item), [1], client=client)
    with pytest.raises(TypeError, match="function and items must be what pickle takes"):
        distributed.run_each(id, [lock], client=client)
