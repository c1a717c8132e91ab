"""Fields on a lattice against the bare transforms they would take, and against magnum.np, in one run.

"bare FFTs" are one forward and one backward real transform of the padded box, if periodic of the box itself, for each
component, the whole box, and nothing else: no padding, no product, no copies. magnum.np's demagnetising field is set
to point dipoles (p=0), the same sum, and compared with ours first.
"""

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
SIZES = [16, 32, 64, 96, 128]


def timed(benchmark, function, group, name, rounds=5):
    benchmark.group, benchmark.name = group, name
    benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)


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


LIBRARIES = {"SciPy": by_scipy, "FFTW": by_fftw, "ducc0": by_ducc0}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_bare_transforms(benchmark, kind, n, library):
    skip_untimed(benchmark, n)
    function, components = LIBRARIES[library](2 * n), INTERACTIONS[kind].components
    name = f"bare FFTs by {library}, {CORES} threads"
    timed(benchmark, lambda: [function() for _ in range(components)], f"{kind} lattice field, {n}^3", name, rounds=2)


@pytest.mark.parametrize("threads", sorted({1, CORES}))
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_field(benchmark, rng, kind, n, threads):
    skip_untimed(benchmark, n)
    interaction, lattice = INTERACTIONS[kind], mbfast.BlockLattice((n, n, n), 1.0)
    moments = rng.normal(size=(n, n, n, interaction.components))
    field, out = mbfast.LatticeField(interaction, lattice), np.empty_like(moments)
    if n <= 16:
        expected = mbfast.pair_field(interaction, lattice, moments)
        assert np.abs(field(moments) - expected).max() <= 1e-13 * np.abs(expected).max()
    name = f"mbfast, {threads} thread{'s' * (threads > 1)}"
    timed(benchmark, lambda: field(moments, out=out, threads=threads), f"{kind} lattice field, {n}^3", name)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_set_up(benchmark, kind, n):
    skip_untimed(benchmark, n)
    lattice = mbfast.BlockLattice((n, n, n), 1.0)
    group = f"{kind} lattice field, set-up, {n}^3"
    timed(benchmark, lambda: mbfast.LatticeField(INTERACTIONS[kind], lattice), group, "mbfast", rounds=3)


PERIODIC = {
    "mbfast": lambda interaction, lattice: mbfast.LatticeField(interaction, lattice, boundary="periodic"),
    "mbfast, Ewald, 1e-6": lambda interaction, lattice: mbfast.EwaldField(interaction, lattice, boundary="periodic"),
}


@pytest.mark.parametrize("contender", [*PERIODIC, *LIBRARIES])
@pytest.mark.parametrize("n", [16, 32, 64, 128])
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_periodic(benchmark, rng, kind, n, contender):
    """All images, against the real transforms of the unpadded box."""
    skip_untimed(benchmark, n)
    interaction, lattice = INTERACTIONS[kind], mbfast.BlockLattice((n, n, n), 1.0)
    moments = rng.normal(size=(n, n, n, interaction.components))
    group = f"{kind} periodic lattice field, {n}^3"
    if contender in LIBRARIES:
        function, name = LIBRARIES[contender](n), f"bare FFTs by {contender}, {CORES} threads"
        timed(benchmark, lambda: [function() for _ in range(interaction.components)], group, name)
        return
    field = PERIODIC[contender](interaction, lattice)
    if n <= 16:
        expected = PERIODIC["mbfast, Ewald, 1e-6"](interaction, lattice)(moments)
        assert np.abs(field(moments) - expected).max() <= 1e-6 * np.abs(expected).max()
    timed(benchmark, lambda: field(moments), group, contender, rounds=2 if "Ewald" in contender else 5)


@pytest.mark.parametrize("n", [16, 32, 64, 128])
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_periodic_set_up(benchmark, kind, n):
    skip_untimed(benchmark, n)
    lattice = mbfast.BlockLattice((n, n, n), 1.0)
    group = f"{kind} periodic lattice field, set-up, {n}^3"
    timed(benchmark, lambda: PERIODIC["mbfast"](INTERACTIONS[kind], lattice), group, "mbfast", rounds=2)


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


@pytest.mark.parametrize("n", [32, 64, 96])
def test_magnum(benchmark, rng, magnum, n):
    skip_untimed(benchmark, n)
    moments = rng.normal(size=(n, n, n, 3))
    state, make = magnum(moments)
    demag = make()
    expected = -4 * np.pi * demag.h(state).numpy()
    ours = mbfast.LatticeField(INTERACTIONS["dipole"], mbfast.BlockLattice((n, n, n), 1.0))(moments)
    assert np.abs(ours - expected).max() <= 1e-13 * np.abs(expected).max()
    timed(benchmark, lambda: demag.h(state), f"dipole lattice field, {n}^3", f"magnum.np, {CORES} threads", rounds=3)


@pytest.mark.parametrize("n", [32, 64, 96])
def test_set_up_of_magnum(benchmark, rng, magnum, n):
    skip_untimed(benchmark, n)
    state, make = magnum(rng.normal(size=(n, n, n, 3)))
    group = f"dipole lattice field, set-up, {n}^3"
    timed(benchmark, lambda: make()._init_N(state), group, "magnum.np", rounds=1)


@pytest.mark.parametrize("what", ["field", "forces", "virial"])
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("blocks", ["points", "cubes"])
@pytest.mark.parametrize("kind", INTERACTIONS)
def test_derivatives(benchmark, rng, kind, blocks, boundary, what):
    """Forces and the virial against the field."""
    if blocks == "cubes" and what == "forces":
        pytest.skip("cubes cannot move")
    n = 8 if benchmark.disabled else 64
    interaction, lattice = INTERACTIONS[kind], mbfast.BlockLattice((n, n, n), 1.0, averaged=blocks == "cubes")
    moments = rng.normal(size=(n, n, n, interaction.components))
    field = mbfast.LatticeField(interaction, lattice, boundary=boundary)
    function = {"field": field, "forces": field.forces, "virial": field.virial}[what]
    if benchmark.disabled and what == "virial":
        assert abs(np.trace(field.virial(moments)) + 3.0 * field.energy(moments)) <= 1e-11 * np.sum(moments**2)
    timed(benchmark, lambda: function(moments), f"{kind} lattice, {blocks}, {boundary}, 64^3", what, rounds=3)
