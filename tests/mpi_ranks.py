"""What each of three ranks does for test_mpi.py, in communicators of three, two and one of them.

It is a script, so that ranks start soon: no pytest. What fails on one rank ends all: mpi4py runs it.
"""

import numpy as np
from mpi4py import MPI

import mbfast
from mbfast import mpi
from mbfast.pairs import geometry, pencils, periodic

SILICA = mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
DIPOLES = mbfast.DipoleInteraction(3.4e-11)
LATTICE = mbfast.BlockLattice((4, 4, 4), 5e-9)
MEAN = [1e9, -3e9, 2e9, 7e8, -5e8, 2e8]  # Pa
CASES = [
    (SILICA, (6, 10, 12), {}),
    (DIPOLES, (9, 7, 5), {}),  # every side padded, the longest axis first, lines along the second one
    (DIPOLES, (40, 17, 3), {}),  # x in two blocks
    (SILICA, (2, 1, 3), {}),  # one line: some ranks have none
    (DIPOLES, (5, 11, 6), {"boundary": "periodic", "images": 1}),
    (SILICA, (6, 9, 10), {"boundary": "periodic", "macroscopic": MEAN}),  # at the lattice's own wave vectors
    (DIPOLES, (4, 4, 4), {"boundary": "periodic", "macroscopic": "tin-foil"}),
    (DIPOLES, (11, 6, 7), {"boundary": "periodic", "macroscopic": "vacuum"}),  # padded, with a mean field
    (SILICA, (7, 5, 6), {"boundary": "periodic", "macroscopic": MEAN, "self_field": True}),
    (SILICA, (3, 0, 2), {"boundary": "periodic"}),  # no blocks
]


def check_bits(comm, number):
    interaction, shape, options = CASES[number]
    lattice = mbfast.BlockLattice(shape, 5e-9, averaged="self_field" in options)
    moments = 1e-19 * np.random.default_rng(number).normal(3.0, size=(*shape, 3, 3)[: 3 + interaction.components // 3])
    moments = moments + moments.swapaxes(3, 4) if interaction is SILICA else moments
    # sizes differ from rank to rank; and moments have a mean, whose bits depend on the order of the sum
    moments *= (10.0 ** (0.3 * np.indices(shape).sum(axis=0))).reshape(*shape, *[1] * (moments.ndim - 3))
    field = mpi.MPILatticeField(interaction, lattice, comm, **options, threads=1 + number % 2)
    expected = mbfast.LatticeField(interaction, lattice, **options)(moments)
    covered = np.zeros(shape, int)
    covered[field.box] = 1
    assert (comm.allreduce(covered) == 1).all()
    for _ in range(2):  # arrays are used again
        np.testing.assert_array_equal(field(moments[field.box]), expected[field.box], strict=True)


def raised(kind, make):
    """The message of an error."""
    try:
        make()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def told(comm, kind, make):
    """What each rank is told."""
    return comm.allgather(raised(kind, make))


def check_communicators(comm):
    for wrong in (None, comm.group, comm.py2f()):
        message = raised(TypeError, lambda some=wrong: mpi.MPILatticeField(DIPOLES, LATTICE, some))
        assert message == f"comm must be an mpi4py.MPI.Intracomm, got {type(wrong).__name__}"
    nobody = comm.Split(MPI.UNDEFINED)
    assert "null communicator" in raised(ValueError, lambda: mpi.MPILatticeField(DIPOLES, LATTICE, nobody))


def check_arguments(comm):
    def made(of=DIPOLES, on=LATTICE, **options):
        return mpi.MPILatticeField(of, on, comm, **options)

    second = comm.rank == 1
    messages = told(comm, TypeError, lambda: made(on=(4, 4, 4) if second else LATTICE))
    assert messages == [f"on rank 1: {messages[1]}", "lattice must be a BlockLattice, got tuple"]
    assert told(comm, ValueError, lambda: made(threads=0 if second else 1))[0].startswith("on rank 1: threads must be")
    for options in (
        {"on": mbfast.BlockLattice((4, 4, 4), 6e-9)},
        {"on": mbfast.BlockLattice((4, 4, 6), 5e-9)},
        {"of": SILICA},
        {"boundary": "periodic"},
    ):
        messages = told(comm, ValueError, lambda some=options if second else {}: made(**some))
        assert messages == ["interaction, lattice and options must be the same on all ranks, got different ones"] * 2


def check_moments(comm):
    second, field, good = comm.rank == 1, mpi.MPILatticeField(DIPOLES, LATTICE, comm), np.ones((2, 4, 4, 3))
    assert field.box == ((slice(2, 4) if second else slice(0, 2)), slice(0, 4), slice(0, 4))
    for wrong in (np.nan * good, 1e151 * good, np.ones((4, 4, 4, 3)), np.ones((2, 4, 4, 6))):
        messages = told(comm, ValueError, lambda bad=wrong if second else good: field(bad))
        assert messages[0] == f"on rank 1: {messages[1]}"
        assert "moments must" in messages[1]
    assert told(comm, TypeError, lambda: field(good * (1j if second else 1)))[0].startswith("on rank 1: moments must")
    tensors, layout = mpi.MPILatticeField(SILICA, LATTICE, comm), (6,) if second else (3, 3)
    messages = told(comm, ValueError, lambda: tensors(np.ones((2, 4, 4, *layout))))
    assert messages == ["moments must have the same layout on all ranks, got (3, 3), (6,)"] * 2
    expected = mbfast.LatticeField(DIPOLES, LATTICE)(np.ones((4, 4, 4, 3)))
    np.testing.assert_array_equal(field(good), expected[field.box])  # all are still in step


def check_what_fails_within(comm):
    second, scale = comm.rank == 1, pencils.Pencils.scale
    field, moments = mpi.MPILatticeField(DIPOLES, LATTICE, comm), np.full((2, 4, 4, 3), 1e100 * (comm.rank == 1))
    pencils.Pencils.scale = 1e300
    for message in told(comm, ValueError, lambda: field(moments)):
        assert "moments and blocks make a field beyond the range of doubles" in message
    pencils.Pencils.scale = scale

    def fail(*_):
        raise KeyError("why")

    if second:
        pencils.Pencils.planes = fail
    assert told(comm, KeyError if second else RuntimeError, lambda: field(moments)) == ["on rank 1: 'why'", "'why'"]


if __name__ == "__main__":
    # so that small lattices are cut, too: pieces of a sum, planes and waves made together, messages
    geometry.ROWS, pencils._OFFSETS, periodic._TOGETHER, mpi._MESSAGE = 32, 64, 64, 5000
    world = MPI.COMM_WORLD
    part = world.Split(world.rank < 2)  # two ranks, and one
    for case in range(len(CASES)):
        check_bits(world, case)
        check_bits(part, case)
    if part.size == 2:
        for check in (check_communicators, check_arguments, check_moments, check_what_fails_within):
            check(part)
    if world.rank == 0:
        print(f"{case + 1} cases on {world.size}, {part.size} and fewer ranks")
