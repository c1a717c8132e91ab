"""How the time of each method grows, and how near it comes to what one core can do; about a minute.

The exponent in N is that of least squares to the logarithms of the least processor times, with its standard
error. At the largest size stand the shares of one core's multiply-adds and of its bandwidth, measured in the same run
(`benchmarks.roofline`). What is counted is what the method cannot do without: for direct sums the instructions of their
inner loop; for transforms 2.5 n log2 n operations for each component there and back, two of them in a multiply-add at
best; for a matrix or the nodes of a convolution n^2 multiply-adds; and each array once, in or out. The rest of a share
is what else a method does, not waste. N is of blocks, of nodes or of states.

What is asserted is loose, that nothing grows faster than theory says: two for all pairs; one and a logarithm for
transforms, which is 1.1 to 1.2 here, and what caches take away. Small sizes make exponents smaller, as calls have costs
of their own: nothing is asserted of that.
"""

import math
from collections import namedtuple

import numpy as np
import pytest

import mbfast

from .report import growth
from .roofline import bandwidth, fitted, least, multiply_adds
from .test_flow import SILICA
from .test_pair_sums import STRESS, VECTORS, instructions
from .test_superblock import two_level

Work = namedtuple("Work", "n function multiply_adds bytes")
RNG = np.random.default_rng(1)


def transforms(points, number):
    """Multiply-adds of as many real transforms."""
    return number * 1.25 * points * math.log2(points)


def direct(n):
    positions, moments = RNG.random((n, 3)), RNG.normal(size=(n, 6))
    field = mbfast.DirectField(STRESS, positions)
    count = n * n * instructions("stress") * VECTORS.width
    return Work(n, lambda: field(moments, threads=1), count, positions.nbytes + 2 * moments.nbytes)


def lattice(boundary, n, folder=None):
    shape, moments = mbfast.BlockLattice((n, n, n), 1.0), RNG.normal(size=(n, n, n, 6))
    if folder is None:
        options, field = {"threads": 1}, mbfast.LatticeField(STRESS, shape, boundary=boundary)
    else:
        given = {"memory": "1 TB", "boundary": boundary, "threads": 1}
        options, field = {}, mbfast.StoredLatticeField(STRESS, shape, folder / str(n), **given)
    points, out = (8 if boundary == "open" else 1) * n**3, np.empty_like(moments)
    traffic = 2 * moments.nbytes + 8 * 21 * points / 2  # symmetric tensors of half the modes
    return Work(n**3, lambda: field(moments, out=out, **options), transforms(points, 12), traffic)


def ewald(n):
    positions, moments = RNG.random((n, 3)), RNG.normal(size=(n, 6))
    field = mbfast.EwaldField(STRESS, positions)
    return Work(n, lambda: field(moments, threads=1), transforms(8 * n, 12), positions.nbytes + 2 * moments.nbytes)


def convolution(kelvin, n):
    plan, f = mbfast.ConvolutionPlan(np.geomspace(1e5, 1e15, n)), np.ones(n)
    return Work(n, lambda: plan(f, temperature=kelvin, threads=1), n * n, 8 * n)


def kramers_kronig(method, n):
    omega = np.geomspace(1e-5, 1e5, n)
    plan, f = mbfast.KramersKronigPlan(omega, above="power", method=method), omega / (1 + omega**2)
    count, traffic = (n * n, 8 * n * n) if method == "direct" else (transforms(2 * n, 2), 16 * n)
    return Work(n, lambda: plan(f, threads=1), count, traffic)


def flow(n):
    omega = np.geomspace(1e5, 1e15, n)
    chi = mbfast.Spectrum(omega, *np.multiply.outer([-7e7, -3e7], 1 / (1 + (omega / 3e13) ** 2)), 1.0, above="power")
    steps = 4
    return Work(
        n, lambda: mbfast.flow(chi, SILICA, start=1e-9, stop=1e-9 * 2**steps, threads=1), steps * n * n, 16 * n * steps
    )  # fmt: skip


def application(n):
    made = two_level(RNG, n)
    psi = RNG.normal(size=made.dimension)
    out = np.empty_like(psi)
    count = made.dimension * (n + 1)
    return Work(made.dimension, lambda: made.apply(psi, out=out, threads=1), count, 3 * psi.nbytes)


def response(n):
    shape, chi = mbfast.BlockLattice((n, n, n), 5e-9), -0.1 * RNG.random((n, n, n)) * SILICA.density * SILICA.c_t**2
    function = lambda: mbfast.disordered_response(SILICA, shape, mbfast.Moduli(2 * chi, chi), boundary="periodic")  # noqa: E731
    return Work(n**3, function, transforms(n**3, 12 * function().fields), 12 * 8 * n**3)


# what makes the work of one size, its sizes, and bounds of the exponent
METHODS = {
    "direct": (direct, (1000, 2000, 4000, 8000), 2.2),
    "fft, open": (lambda n: lattice("open", n), (12, 16, 24, 32, 48), 1.4),
    "fft, periodic": (lambda n: lattice("periodic", n), (16, 24, 32, 48, 64), 1.4),
    "stored, periodic": (lambda n, folder: lattice("periodic", n, folder), (24, 32, 48, 64), 1.4),
    "ewald": (ewald, (4000, 8000, 16_000, 32_000), 1.4),
    "convolution, T = 0": (lambda n: convolution(0.0, n), (256, 512, 1024, 2048), 2.4),
    "convolution, T > 0": (lambda n: convolution(1.0, n), (256, 512, 1024, 2048), 2.4),
    "Kramers-Kronig, FFT": (lambda n: kramers_kronig("fft", n), (1024, 2048, 4096, 8192), 1.5),
    "Kramers-Kronig, matrix": (lambda n: kramers_kronig("direct", n), (256, 512, 1024, 2048), 2.8),
    "flow": (flow, (128, 256, 512, 1024), 2.3),
    "super block": (application, (12, 14, 16, 18, 20), 1.4),
    "disordered response": (response, (8, 12, 16, 24), 1.5),
}


@pytest.fixture
def shown(request):
    """Print a line although pytest captures what tests print."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def show(line):
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end=" ")

    return show


@pytest.mark.parametrize("method", METHODS)
def test_growth(case, benchmark, shown, tmp_path, method):
    make, sizes, most = METHODS[method]
    more = (tmp_path,) if method.startswith("stored") else ()
    works = [make(size, *more) for size in (sizes[:1] if benchmark.disabled else sizes)]
    case(f"growth, {method}", "mbfast", works[-1].function, rounds=1)
    if benchmark.disabled:
        return
    times = [least(work.function, 2 + round(min(0.3 / least(work.function, 1), 20))) for work in works]
    exponent, error = fitted([work.n for work in works], times)
    largest, peak = works[-1], multiply_adds() * VECTORS.width
    info = {
        "exponent": exponent, "exponent_error": error, "sizes": [work.n for work in works], "least times": times,
        "multiply-adds": largest.multiply_adds / times[-1] / peak, "bandwidth": largest.bytes / times[-1] / bandwidth(),
    }  # fmt: skip
    benchmark.extra_info |= info
    shown(f"{method}: {growth(info)}")
    assert exponent <= most
