"""Fields on a lattice against the bare transforms they would take, and against magnum.np, in one run.

"bare FFTs" are one forward and one backward real transform of the padded box, if periodic of the box itself, for each
component, the whole box, and nothing else: no padding, no product, no copies. magnum.np's demagnetising field is set
to point dipoles (p=0), the same sum, and compared with ours first.
"""

import functools
import warnings

import numpy as np
import pytest
import scipy.fft

import mbfast
from mbfast._core.machine import usable_cores

CORES = usable_cores()
INTERACTIONS = {
    "stress": mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0),
    "dipole": mbfast.DipoleInteraction(1 / (8 * np.pi)),
}
LARGE = [pytest.param(n, marks=pytest.mark.slow) for n in (96, 128)]
SIZES = [16, 32, pytest.param(64, marks=pytest.mark.quick), *LARGE]


def skip_untimed(benchmark, n):
    if benchmark.disabled and n > 32:
        pytest.skip("only timed")


def by_scipy(n):
    box = np.ones((n, n, n))
    return lambda: scipy.fft.irfftn(scipy.fft.rfftn(box, workers=CORES), s=box.shape, workers=CORES)


def by_fftw(n):
    pyfftw = pytest.importorskip("pyfftw")
    box, modes = pyfftw.empty_aligned((n,) * 3), pyfftw.empty_aligned((n, n, n // 2 + 1), complex)
    options = {"axes": (0, 1, 2), "threads": CORES, "flags": ("FFTW_MEASURE",)}
    there = pyfftw.FFTW(box, modes, **options)
    back = pyfftw.FFTW(modes, box, direction="FFTW_BACKWARD", **options)
    box[:] = 1.0

    def run():
        there()
        back(normalise_idft=False)

    return run


def by_ducc0(n):
    fft = pytest.importorskip("ducc0").fft
    box, modes = np.ones((n,) * 3), np.empty((n, n, n // 2 + 1), complex)

    def run():
        fft.r2c(box, out=modes, nthreads=CORES)
        fft.c2r(modes, lastsize=n, forward=False, out=box, nthreads=CORES)
        box[:] = 1.0

    return run


LIBRARIES = {"SciPy": by_scipy, "FFTW": functools.cache(by_fftw), "ducc0": by_ducc0}  # plans take seconds


def bare(case, group, library, box, components):
    function = LIBRARIES[library](box)
    name = f"bare FFTs by {library}, {CORES} threads"
    case(group, name, lambda: [function() for _ in range(components)], rounds=3)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_bare_transforms(case, benchmark, kind, n, library):
    skip_untimed(benchmark, n)
    bare(case, f"{kind} lattice field, {n}^3", library, 2 * n, INTERACTIONS[kind].components)


@pytest.mark.parametrize("threads", sorted({1, CORES}))
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_field(case, benchmark, rng, kind, n, threads):
    skip_untimed(benchmark, n)
    interaction, lattice = INTERACTIONS[kind], mbfast.BlockLattice((n, n, n), 1.0)
    moments = rng.normal(size=(n, n, n, interaction.components))
    field, out = mbfast.LatticeField(interaction, lattice), np.empty_like(moments)
    expected = mbfast.pair_field(interaction, lattice, moments, method="direct") if n <= 16 else None
    name = f"mbfast, {threads} thread{'s' * (threads > 1)}"
    case(f"{kind} lattice field, {n}^3", name, lambda: field(moments, out=out, threads=threads), expected)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_set_up(case, benchmark, kind, boundary, n):
    skip_untimed(benchmark, n)
    lattice = mbfast.BlockLattice((n, n, n), 1.0)
    group = f"{kind} {'periodic ' * (boundary == 'periodic')}lattice field, {n}^3"
    case(group, "mbfast, set-up", lambda: mbfast.LatticeField(INTERACTIONS[kind], lattice, boundary=boundary), rounds=5)


PERIODIC = {
    "mbfast": lambda interaction, lattice: mbfast.LatticeField(interaction, lattice, boundary="periodic"),
    "mbfast, Ewald, 1e-6": lambda interaction, lattice: mbfast.EwaldField(interaction, lattice, boundary="periodic"),
}


@pytest.mark.parametrize("contender", [*PERIODIC, *LIBRARIES])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_periodic(case, benchmark, rng, kind, n, contender):
    """All images, against the real transforms of the unpadded box."""
    skip_untimed(benchmark, n)
    interaction, lattice = INTERACTIONS[kind], mbfast.BlockLattice((n, n, n), 1.0)
    moments = rng.normal(size=(n, n, n, interaction.components))
    group = f"{kind} periodic lattice field, {n}^3"
    if contender in LIBRARIES:
        bare(case, group, contender, n, interaction.components)
        return
    if "Ewald" in contender and n > 32:
        pytest.skip("takes seconds")
    field, expected = PERIODIC[contender](interaction, lattice), None
    if n <= 32:
        (other,) = PERIODIC.keys() - {contender}
        expected = PERIODIC[other](interaction, lattice)(moments)
    case(group, contender, lambda: field(moments), expected, rounds=3 if "Ewald" in contender else None)


@pytest.fixture(scope="session")
def magnum():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        magnumnp = pytest.importorskip("magnumnp")
    torch.set_num_threads(CORES)

    def make(moments):
        with torch.device("cpu"):
            state = magnumnp.State(magnumnp.Mesh(moments.shape[:3], (1.0, 1.0, 1.0)))
            state.material = {"Ms": 1.0}
            state.m = torch.from_numpy(moments)
        return state, lambda: magnumnp.DemagField(p=0)

    return make


@pytest.mark.parametrize("n", [32, 64, LARGE[0]])
def test_magnum(case, benchmark, rng, magnum, n):
    skip_untimed(benchmark, n)
    moments = rng.normal(size=(n, n, n, 3))
    state, make = magnum(moments)
    demag = make()
    ours = mbfast.LatticeField(INTERACTIONS["dipole"], mbfast.BlockLattice((n, n, n), 1.0))(moments)
    name = f"magnum.np, {CORES} threads"
    case(
        f"dipole lattice field, {n}^3", name, lambda: demag.h(state), ours,
        of=lambda h: -4 * np.pi * h.numpy(), rounds=3,
    )  # fmt: skip


@pytest.mark.parametrize("n", [32, 64, LARGE[0]])
def test_set_up_of_magnum(case, benchmark, rng, magnum, n):
    skip_untimed(benchmark, n)
    state, make = magnum(rng.normal(size=(n, n, n, 3)))
    case(f"dipole lattice field, {n}^3", "magnum.np, set-up", lambda: make()._init_N(state), rounds=1)


@pytest.mark.parametrize("what", ["field", "forces", "virial"])
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("blocks", ["points", "cubes"])
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_derivatives(case, benchmark, rng, kind, blocks, boundary, what):
    """Forces and the virial against the field; those of points are compared with Ewald sums."""
    if blocks == "cubes" and what == "forces":
        pytest.skip("cubes cannot move")
    n = 8 if benchmark.disabled else 32
    interaction, lattice = INTERACTIONS[kind], mbfast.BlockLattice((n, n, n), 1.0, averaged=blocks == "cubes")
    moments = rng.normal(size=(n, n, n, interaction.components))
    made = mbfast.LatticeField(interaction, lattice, boundary=boundary)
    function, of, expected = {"field": made, "forces": made.forces, "virial": made.virial}[what], np.asarray, None
    if blocks == "points":
        other = mbfast.EwaldField(interaction, lattice, boundary=boundary, rtol=1e-8)
        expected = {"field": other, "forces": other.forces, "virial": other.virial}[what](moments)
    elif what == "virial":  # the energy of cubes falls with the third power of all lengths, too
        of, expected = np.trace, -3.0 * made.energy(moments)
    case(f"{kind} lattice, {blocks}, {boundary}", what, lambda: function(moments), expected, of=of, rounds=3)
