import itertools
import sys

import numpy as np
import pytest
from conftest import JIT_OFF
from hypothesis import given
from hypothesis import strategies as st
from materials import (
    DIPOLES,
    INTERACTIONS,
    JOFFRIN_LEVELUT,
    OF_STRESS_AND_DIPOLES,
    SILICA,
    UNIT_DIPOLES,
    assert_fields_equal,
    oracle_tensor,
    random_moments,
    six,
)

import mbfast
from mbfast import testing

EPS = sys.float_info.epsilon


def random_blocks(seed, n, interaction, *, spread=1e-8):
    rng = np.random.default_rng(seed)
    positions = spread * rng.random((n, 3))
    return positions, (1e-29 if interaction.components == 3 else 1e-19) * random_moments(rng, (n,), interaction)


@INTERACTIONS
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12))
def test_field_and_energy_equal_the_naive_sums(interaction, seed, n):
    positions, moments = random_blocks(seed, n, interaction)
    expected = testing.pair_field(oracle_tensor(interaction), positions, moments)
    assert_fields_equal(mbfast.pair_field(interaction, positions, moments), expected)
    # a sum of signed terms: its rounding error is relative to the sum of their magnitudes
    magnitude = np.sum(np.abs(moments * expected))
    assert abs(mbfast.pair_energy(interaction, positions, moments) - np.sum(moments * expected)) <= 1e-13 * magnitude


# Three blocks at whole numbers, summed index by index to 20 digits (mpmath) by a derivation that shares nothing with
# the package: 8 pi rho c_t^2 = 8 pi epsilon = 1, c_l = 1.5, c_t = 1. Positions, stress moments (xx, yy, zz, yz, xz,
# xy), dipoles; energies for (2.15), (A1) and (5.1).
KNOWN = [
    (
        [[0, 0, 0], [1, 2, 0], [-1, 1, 3]],
        [[1, 2, -1, 3, 0, 1], [2, -1, 1, 0, -2, 1], [-1, 0, 3, 1, 1, 2]],
        [[1, 0, 2], [-1, 3, 1], [2, 1, -1]],
        (0.32879902656052339444, 6.4231099472101397085, 0.072152104310259743074),
    ),
    (
        [[0, 0, 0], [2, 0, 1], [1, -3, 2]],
        [[3, -1, 0, 2, 1, -1], [0, 1, 2, -1, 3, 0], [1, 1, -2, 0, -1, 4]],
        [[0, 1, 1], [2, -1, 0], [1, 1, -3]],
        (5.4605113466368119377, -0.68634803035829646202, -0.59054550260732016184),
    ),
]


@pytest.mark.parametrize(("positions", "stresses", "dipoles", "energies"), KNOWN)
def test_known_energies(positions, stresses, dipoles, energies):
    unit = {"density": 1 / (8 * np.pi), "c_l": 1.5, "c_t": 1.0}
    for form, energy in zip(("corrected", "joffrin-levelut"), energies, strict=False):
        result = mbfast.pair_energy(mbfast.StressInteraction(**unit, form=form), positions, stresses)
        assert result == pytest.approx(energy, rel=1e-13)  # three terms of mixed sign, up to ten times the sum
    dipole = mbfast.pair_energy(UNIT_DIPOLES, positions, dipoles)
    assert dipole == pytest.approx(energies[2], rel=1e-13)


@OF_STRESS_AND_DIPOLES
def test_sums_over_several_tiles_equal_the_naive_ones(interaction, monkeypatch):
    from mbfast.pairs import direct

    positions, moments = random_blocks(7, 90, interaction)
    expected = testing.pair_field(oracle_tensor(interaction), positions, moments)
    monkeypatch.setattr(direct, "_SOURCES", 32)
    starts = range(0, 90, 20)
    monkeypatch.setattr(mbfast.DirectField, "_tiles", lambda _: [(i, min(i + 20, 90)) for i in starts])
    assert_fields_equal(mbfast.pair_field(interaction, positions, moments), expected)
    energy = mbfast.pair_energy(interaction, positions, moments)
    assert energy == pytest.approx(np.sum(moments * expected), rel=1e-13)


@pytest.mark.compiled
@pytest.mark.parametrize(("interaction", "n"), [(SILICA, 5000), (JOFFRIN_LEVELUT, 5000), (DIPOLES, 20_000)])
def test_sums_longer_than_the_kernels_tiles(interaction, n):
    positions, moments = random_blocks(21, n, interaction)
    field = mbfast.pair_field(interaction, positions, moments)
    for row in (0, 799, 800, 2047, 2048, 4095, 4096, n - 1):
        others = np.delete(np.arange(n), row)
        tensor = interaction.tensor(positions[row] - positions[others])
        if moments.ndim == 3:
            h = np.einsum("sijkl,skl", tensor, moments[others])
            h = 0.5 * (h + h.T)
        else:
            h = np.einsum("sij,sj", tensor, moments[others])
        assert_fields_equal(field[row], h, rtol=1e-12)  # a single row may be a thousand times below its largest term
    energy = mbfast.pair_energy(interaction, positions, moments)
    assert energy == pytest.approx(float(np.sum(moments * field)), rel=1e-13)


@pytest.mark.parametrize("c_l", [np.sqrt(2.0), 1.0, 1e6])
@pytest.mark.parametrize("form", ["corrected", "joffrin-levelut"])
def test_special_values_of_alpha(form, c_l):
    """alpha = 1/2, where c1 vanishes to rounding; 0; and 1, where c0 does."""
    interaction = mbfast.StressInteraction(1 / (8 * np.pi), c_l, 1.0, form=form)
    positions, moments = random_blocks(5, 20, SILICA, spread=3.0)
    expected = testing.pair_field(oracle_tensor(interaction), positions, moments)
    assert_fields_equal(mbfast.pair_field(interaction, positions, moments), expected)


@pytest.mark.parametrize("c2", [0.5, 1.0])
def test_kernel_where_c1_vanishes_exactly(c2):
    from mbfast.kernels import stress

    positions, moments = random_blocks(5, 20, SILICA, spread=3.0)
    x = np.ascontiguousarray(positions.T)
    t = np.ascontiguousarray(six(moments).T)
    exact, nearly = np.zeros((6, 20)), np.zeros((6, 20))
    stress.field(x, x, t, 0.5, 0.0, c2, exact)
    stress.field(x, x, t, 0.5, 1e-14, c2, nearly)
    assert_fields_equal(exact, nearly)


@INTERACTIONS
def test_energy_is_the_sum_of_moments_times_fields(interaction):
    positions, moments = random_blocks(3, 40 if JIT_OFF else 300, interaction)
    field = mbfast.pair_field(interaction, positions, moments)
    assert mbfast.pair_energy(interaction, positions, moments) == pytest.approx(
        float(np.sum(moments * field)), rel=1e-13
    )


@pytest.mark.compiled
@INTERACTIONS
def test_the_bits_do_not_depend_on_the_number_of_threads(interaction):
    positions, moments = random_blocks(4, 3000, interaction)
    one = mbfast.pair_field(interaction, positions, moments, threads=1)
    energy = mbfast.pair_energy(interaction, positions, moments, threads=1)
    for threads in (2, 3, 8):
        assert np.array_equal(mbfast.pair_field(interaction, positions, moments, threads=threads), one)
        assert mbfast.pair_energy(interaction, positions, moments, threads=threads) == energy


@INTERACTIONS
@given(seed=st.integers(0, 2**32 - 1))
def test_rotating_everything_rotates_the_field_and_leaves_the_energy(interaction, seed):
    positions, moments = random_blocks(seed, 8, interaction)
    q = testing.random_rotation(np.random.default_rng(seed + 1))
    turn = (lambda m: m @ q.T) if moments.ndim == 2 else (lambda m: q @ m @ q.T)
    field = mbfast.pair_field(interaction, positions, moments)
    turned = turn(moments)
    turned = turned if turned.ndim == 2 else 0.5 * (turned + turned.transpose(0, 2, 1))
    # the rotation itself rounds positions, by eps of the extent: a pair at 1 % of it changes by 300 eps
    assert_fields_equal(mbfast.pair_field(interaction, positions @ q.T, turned), turn(field), rtol=1e-11)


@INTERACTIONS
def test_permutation_scaling_translation_superposition(interaction):
    positions, moments = random_blocks(11, 40, interaction)
    field = mbfast.pair_field(interaction, positions, moments)
    order = np.random.default_rng(0).permutation(40)
    assert_fields_equal(mbfast.pair_field(interaction, positions[order], moments[order]), field[order])
    # powers of two only change exponents, throughout
    assert np.array_equal(mbfast.pair_field(interaction, 2.0**20 * positions, 2.0**-9 * moments), 2.0**-69 * field)
    assert_fields_equal(mbfast.pair_field(interaction, positions + 1e-8, moments), field, rtol=1e-10)
    first, second = moments.copy(), moments.copy()
    first[::2] = 0
    second[1::2] = 0
    parts = mbfast.pair_field(interaction, positions, first) + mbfast.pair_field(interaction, positions, second)
    assert_fields_equal(parts, field)


def test_turning_a_sample_with_its_moments_costs_no_energy_to_first_order():
    """The rigid-rotation energy: d/dt of E(R(t) x, R(t) T R(t)^T) vanishes."""
    positions, moments = random_blocks(5, 30, SILICA)
    w = np.cross(np.eye(3), [0.3, -0.5, 0.8])
    energies = []
    for angle in (-1e-4, 1e-4):
        q = np.linalg.qr(np.eye(3) + angle * w)[0]
        q *= np.sign(np.diag(q))
        turned = q @ moments @ q.T
        energies.append(mbfast.pair_energy(SILICA, positions @ q.T, 0.5 * (turned + turned.transpose(0, 2, 1))))
    assert energies[0] == pytest.approx(energies[1], rel=1e-11)


LAYOUTS = {
    "lists": lambda a: a.tolist(),
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "fortran": np.asfortranarray,
    "big-endian": lambda a: a.astype(">f8"),
    "read-only": lambda a: np.broadcast_to(a, (1, *a.shape))[0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@INTERACTIONS
def test_every_layout_gives_the_same_bits(interaction, layout):
    positions, moments = random_blocks(8, 20, interaction)
    convert = LAYOUTS[layout]
    expected = mbfast.pair_field(interaction, positions, moments)
    assert np.array_equal(mbfast.pair_field(interaction, convert(positions), convert(moments)), expected)
    assert mbfast.pair_energy(interaction, convert(positions), convert(moments)) == mbfast.pair_energy(
        interaction, positions, moments
    )


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.float16])
def test_other_real_types_are_taken_at_their_value(dtype):
    rng = np.random.default_rng(2)
    positions, moments = rng.integers(0, 100, (20, 3)).astype(dtype), rng.integers(0, 9, (20, 6)).astype(dtype)
    expected = mbfast.pair_field(SILICA, positions.astype(float), moments.astype(float))
    assert np.array_equal(mbfast.pair_field(SILICA, positions, moments), expected)


def test_the_two_layouts_of_stress_agree():
    positions, moments = random_blocks(9, 15, SILICA)
    components = six(moments)
    field, field6 = (mbfast.pair_field(SILICA, positions, m) for m in (moments, components))
    assert field.shape == (15, 3, 3)
    assert field6.shape == (15, 6)
    assert np.array_equal(field[:, 1, 2], field6[:, 3])
    assert np.array_equal(field[:, 1, 2], field[:, 2, 1])
    assert np.array_equal(field[:, 0, 1], field6[:, 5])
    assert mbfast.pair_energy(SILICA, positions, components) == mbfast.pair_energy(SILICA, positions, moments)


@INTERACTIONS
def test_a_lattice_is_its_positions(interaction):
    lattice = mbfast.BlockLattice((3, 4, 5), 5e-9)
    _, moments = random_blocks(1, 60, interaction)
    expected = mbfast.pair_field(interaction, lattice.positions, moments)
    shaped = moments.reshape(3, 4, 5, *moments.shape[1:])
    field = mbfast.pair_field(interaction, lattice, shaped)
    assert field.shape == shaped.shape
    assert_fields_equal(field.reshape(expected.shape), expected)
    assert mbfast.pair_energy(interaction, lattice, shaped) == pytest.approx(
        float(np.sum(moments * expected)), rel=1e-13
    )


@pytest.mark.parametrize("n", [0, 1])
@INTERACTIONS
def test_nothing_and_one_block(interaction, n):
    positions, moments = random_blocks(1, n, interaction)
    field = mbfast.pair_field(interaction, positions, moments)
    assert np.array_equal(field, np.zeros_like(moments))
    assert mbfast.pair_energy(interaction, positions, moments) == 0.0
    assert mbfast.pair_energy(interaction, [], []) == 0.0
    lattice = mbfast.BlockLattice((n, 1, 1), 1.0)
    assert mbfast.pair_field(interaction, lattice, moments.reshape(n, 1, 1, *moments.shape[1:])).size == moments.size


def test_zero_moments_and_far_scales():
    positions, moments = random_blocks(1, 10, SILICA)
    assert not mbfast.pair_field(SILICA, positions, 0 * moments).any()
    tiny = mbfast.pair_field(SILICA, positions, 1e-160 * moments)  # no square of a moment underflows on the way
    assert_fields_equal(tiny, 1e-160 * mbfast.pair_field(SILICA, positions, moments))


@pytest.mark.compiled
def test_chain_of_dipoles():
    # wire of dipoles along z, unit distance, 8 pi epsilon = 1: ordered pairs give each dipole -2 zeta(3), its images 2x
    n = 4001
    chain = mbfast.BlockLattice((1, 1, n), 1.0)
    zeta3 = 1.2020569031595942
    moments = np.zeros((1, 1, n, 3))
    moments[..., 2] = 1
    middle = mbfast.pair_field(UNIT_DIPOLES, chain, moments)[0, 0, n // 2, 2]
    assert middle == pytest.approx(-4 * zeta3, rel=1e-6)  # the tail beyond 2000: 2/2000^2
    moments[..., 2] *= (-1.0) ** np.arange(n)
    alternating = mbfast.pair_field(UNIT_DIPOLES, chain, moments)[0, 0, n // 2, 2]
    assert alternating * moments[0, 0, n // 2, 2] == pytest.approx(3 * zeta3, rel=1e-6)


def test_uniform_dipoles_on_a_cube_have_no_field_at_its_centre():
    cube = mbfast.BlockLattice((5, 5, 5), 1.0)
    moments = np.zeros((5, 5, 5, 3))
    moments[..., 0] = 1
    field = mbfast.pair_field(UNIT_DIPOLES, cube, moments)
    assert np.abs(field[2, 2, 2]).max() < 100 * EPS  # Lorentz; the sum of magnitudes is about 25


CELLS = {
    "cubic": [2e-8, 2e-8, 2e-8],
    "flat": [1e-8, 2e-8, 3e-8],
    "skew": [[2e-8, 0, 0], [1.9e-8, 6e-9, 0], [-1.7e-8, 5e-9, 1e-8]],
}


@pytest.mark.parametrize(("shape", "images"), [("cubic", 1), ("spherical", 1), ("spherical", 2)])
@pytest.mark.parametrize("cell", CELLS)
@INTERACTIONS
def test_periodic_images(interaction, cell, shape, images):
    positions, moments = random_blocks(6, 3, interaction, spread=9e-9)
    vectors = np.array(CELLS[cell])
    vectors = np.diag(vectors) if vectors.ndim == 1 else vectors
    numbers = list(itertools.product(range(-9, 10), repeat=3))
    if shape == "cubic":
        shifts = [np.array(n) @ vectors for n in numbers if max(map(abs, n)) <= images]
    else:
        radius = images * np.linalg.det(vectors) ** (1 / 3)
        shifts = [s for s in (np.array(n) @ vectors for n in numbers) if np.linalg.norm(s) <= radius * (1 + 1e-12)]
    expected = testing.pair_field(oracle_tensor(interaction), positions, moments, shifts)
    options = {"boundary": "periodic", "cell": CELLS[cell], "images": images, "image_shape": shape}
    assert_fields_equal(mbfast.pair_field(interaction, positions, moments, **options), expected)
    magnitude = np.sum(np.abs(moments * expected))
    energy = mbfast.pair_energy(interaction, positions, moments, **options)
    assert abs(energy - np.sum(moments * expected)) <= 1e-13 * magnitude
    if moments.ndim == 3:
        other = mbfast.pair_energy(interaction, positions, six(moments), **options)
        assert abs(other - energy) <= 1e-13 * magnitude


def test_periodic_lattice_knows_its_period():
    lattice = mbfast.BlockLattice((2, 1, 3), 1e-9)
    moments = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    field = mbfast.pair_field(DIPOLES, lattice, moments, boundary="periodic", images=2)
    shifts = [np.array(n) * [2e-9, 1e-9, 3e-9] for n in itertools.product(range(-2, 3), repeat=3)]
    expected = testing.pair_field(oracle_tensor(DIPOLES), lattice.positions, moments.reshape(-1, 3), shifts)
    assert_fields_equal(field.reshape(-1, 3), expected)


def test_no_images_is_open():
    positions, moments = random_blocks(2, 6, SILICA)
    field = mbfast.pair_field(SILICA, positions, moments, boundary="periodic", cell=[1e-7] * 3, images=0)
    assert np.array_equal(field, mbfast.pair_field(SILICA, positions, moments))


GOOD = random_blocks(0, 4, SILICA)
ASYMMETRIC = GOOD[1] + 1e-25 * np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])
SPOILT = np.where(np.arange(12).reshape(4, 3) == 7, np.nan, GOOD[0])


@pytest.mark.parametrize(
    ("blocks", "moments", "options", "error", "message"),
    [
        (GOOD[0][:, :2], GOOD[1], {}, ValueError, r"blocks must be an \(N, 3\) array.*got shape \(4, 2\)"),
        (GOOD[0] * 1j, GOOD[1], {}, TypeError, "blocks must consist of real numbers, got dtype complex128"),
        (GOOD[0].astype(str), GOOD[1], {}, TypeError, "blocks must consist of real numbers, got dtype <U"),
        ([[1, 2, 3], [4]], GOOD[1], {}, ValueError, "ragged"),
        (SPOILT, GOOD[1], {}, ValueError, "blocks must be at finite positions, .* got nan in row 2"),
        (GOOD[0][[0, 1, 2, 1]], GOOD[1], {}, ValueError, r"blocks 1 and 3 coincide at \("),
        ([[0.0, 0, 0], [-0.0, 0, 0]], GOOD[1][:2], {}, ValueError, "blocks 0 and 1 coincide"),
        (GOOD[0], GOOD[1][:3], {}, ValueError, r"moments must have shape \(4, 6\) or \(4, 3, 3\), got \(3, 3, 3\)"),
        (GOOD[0], GOOD[0], {}, ValueError, r"moments must have shape .* got \(4, 3\)"),
        (GOOD[0], GOOD[1] * 1j, {}, TypeError, "moments must consist of real numbers"),
        (GOOD[0], GOOD[1] * np.inf, {}, ValueError, "moments must be finite, .* got .* for block 0"),
        (GOOD[0], ASYMMETRIC, {}, ValueError, "stress moments must be symmetric.*differ by 1e-25"),
        (mbfast.BlockLattice((2, 2, 1), 1.0), GOOD[1], {}, ValueError, r"shape \(2, 2, 1, 6\) or \(2, 2, 1, 3, 3\)"),
        (*GOOD, {"method": "fast"}, ValueError, "method must be one of auto, direct, fft, ewald, got 'fast'"),
        (*GOOD, {"boundary": "closed"}, ValueError, "boundary must be one of open, periodic"),
        (*GOOD, {"image_shape": "round"}, ValueError, "image_shape must be one of cubic, spherical"),
        (*GOOD, {"images": 1}, ValueError, "cell and images belong to boundary='periodic'"),
        (*GOOD, {"boundary": "periodic", "images": 1}, ValueError, "cell must be given"),
        (
            *GOOD,
            {"boundary": "periodic", "cell": [1, 1, 1], "method": "direct"},
            ValueError,
            "images must be a whole number >= 0",
        ),
        (
            *GOOD,
            {"boundary": "periodic", "cell": [1, 1, 1], "images": -1},
            ValueError,
            "images must be at least 0 shells",
        ),
        (*GOOD, {"boundary": "periodic", "cell": [1, 1, 1], "images": 1.5}, TypeError, "images must be a whole number"),
        (*GOOD, {"boundary": "periodic", "cell": [1, 1], "images": 1}, ValueError, r"cell must be finite, of shape"),
        (*GOOD, {"boundary": "periodic", "cell": [1, 1, 0], "images": 1}, ValueError, "cell must have a volume"),
        (*GOOD, {"threads": 0}, ValueError, "threads must be at least 1, got 0"),
        (*GOOD, {"threads": 1.5}, TypeError, "threads must be a whole number, got 1.5"),
    ],
)
def test_bad_arguments_are_named_before_any_work(blocks, moments, options, error, message):
    for function in (mbfast.pair_field, mbfast.pair_energy):
        with pytest.raises(error, match=message):
            function(SILICA, blocks, moments, **options)


def test_periodic_lattice_knows_its_cell():
    lattice, moments = mbfast.BlockLattice((1, 1, 2), 1.0), np.ones((1, 1, 2, 6))
    with pytest.raises(ValueError, match="cell is known for a lattice"):
        mbfast.pair_field(SILICA, lattice, moments, boundary="periodic", cell=[1, 1, 2], images=1)


def test_blocks_at_images_of_others_are_refused():
    positions, moments = random_blocks(2, 4, SILICA)
    positions[3] = positions[1] + [2e-8, 0, -4e-8]
    with pytest.raises(ValueError, match="blocks 1 and 3 coincide up to a period of the cell"):
        mbfast.pair_field(SILICA, positions, moments, boundary="periodic", cell=[2e-8] * 3, images=1)


def test_symmetry_up_to_rounding_is_enough():
    positions, moments = random_blocks(3, 5, SILICA)
    q = testing.random_rotation(np.random.default_rng(0))
    rounded = q @ moments @ q.T  # symmetric up to a few eps
    assert not np.array_equal(rounded, rounded.transpose(0, 2, 1))
    symmetric = 0.5 * (rounded + rounded.transpose(0, 2, 1))
    field = mbfast.pair_field(SILICA, positions, rounded)
    assert_fields_equal(field, mbfast.pair_field(SILICA, positions, symmetric), rtol=1e-14)


def test_coincident_blocks_are_found_among_many():
    rng = np.random.default_rng(0)
    positions = rng.random((150_000, 3))
    positions[149_000] = positions[3]
    with pytest.raises(ValueError, match="blocks 3 and 149000 coincide"):
        mbfast.pair_field(DIPOLES, positions, np.ones((150_000, 3)))


@pytest.mark.parametrize("function", [mbfast.pair_field, mbfast.pair_energy])
def test_progress_is_counted(function, monkeypatch):
    from mbfast.pairs import direct

    monkeypatch.setattr(direct, "_SOURCES", 64)
    positions, moments = random_blocks(1, 200, DIPOLES)
    seen = []
    function(DIPOLES, positions, moments, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 1
    assert seen == [(i + 1, len(seen)) for i in range(len(seen))]


def test_a_progress_bar_is_drawn_on_stderr_of_a_terminal(capsys, monkeypatch):
    positions, moments = random_blocks(1, 50, DIPOLES)
    mbfast.pair_energy(DIPOLES, positions, moments, progress=True)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as rich sees it
    monkeypatch.setenv("TERM", "xterm")  # one that can draw
    mbfast.pair_energy(DIPOLES, positions, moments, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "energy" in err


@pytest.mark.compiled
def test_memory_beyond_arguments_and_result_stays_below_50_mb(run_python):
    code = """
import types, tracemalloc, numpy as np, mbfast
class Idle(mbfast.DipoleInteraction):  # checks, packing and scheduling; the sum itself, of 2e11 pairs, is left out
    kernels = types.SimpleNamespace(field=lambda *a: None, energy=lambda *a: 0.0)
n = 500_000
rng = np.random.default_rng(0)
positions, moments = rng.random((n, 3)).astype(np.float32).astype(np.float64), rng.random((n, 3))
positions[:, 0] += np.arange(n)
for function in (mbfast.pair_field, mbfast.pair_energy):  # imports are slow when they are traced
    function(Idle(1.0), positions[:9], moments[:9], method="direct")
mbfast.lattice_sum(mbfast.BlockLattice((1, 9, 9), 1.0), 6)
tracemalloc.start()
mbfast.pair_field(Idle(1.0), positions, moments, method="direct", threads=2)
field = tracemalloc.get_traced_memory()[1] - moments.nbytes
tracemalloc.reset_peak()
mbfast.pair_energy(Idle(1.0), positions, moments, method="direct", threads=2)
energy = tracemalloc.get_traced_memory()[1]
tracemalloc.reset_peak()
mbfast.lattice_sum(mbfast.BlockLattice((1, 1000, 1000), 1.0), 6)
mbfast.lattice_sum(mbfast.BlockLattice((1_000_000, 1, 1), 1.0), 6)
print(field / 1e6, energy / 1e6, tracemalloc.get_traced_memory()[1] / 1e6)
"""
    assert max(map(float, run_python(code).split())) < 50


@pytest.mark.parametrize("make", [np.float32, np.float16, np.int16, np.uint16, np.float64, np.array])
def test_parameters_of_any_real_type_are_taken_at_their_value(make):
    interaction = mbfast.StressInteraction(make(2200), make(5800), make(3800))
    assert interaction == mbfast.StressInteraction(2200.0, 5800.0, 3800.0)
    assert hash(interaction) == hash(mbfast.StressInteraction(2200.0, 5800.0, 3800.0))
    assert type(mbfast.BlockLattice((2, 2, 2), make(3)).spacing) is float
    assert type(mbfast.DipoleInteraction(make(3)).prefactor) is float


def test_moments_symmetric_to_the_rounding_of_their_type():
    positions, moments = random_blocks(3, 5, SILICA)
    q = testing.random_rotation(np.random.default_rng(0)).astype(np.float32)
    rounded = q @ (1e19 * moments).astype(np.float32) @ q.T
    assert not np.array_equal(rounded, rounded.transpose(0, 2, 1))
    symmetric = 0.5 * (rounded + rounded.transpose(0, 2, 1)).astype(np.float64)
    field = mbfast.pair_field(SILICA, positions, rounded)
    assert_fields_equal(field, mbfast.pair_field(SILICA, positions, symmetric), rtol=1e-6)
    with pytest.raises(ValueError, match="stress moments must be symmetric"):
        mbfast.pair_energy(SILICA, positions, rounded.astype(np.float64))


@pytest.mark.parametrize("scale", [1e34, 1e-35])
def test_extreme_lengths(scale):
    positions, moments = random_blocks(3, 5, SILICA, spread=1.0)
    field = mbfast.pair_field(SILICA, positions, moments)
    scaled = mbfast.pair_field(SILICA, scale * positions, moments)
    assert_fields_equal(scaled * scale**3, field, rtol=1e-12)
    with pytest.raises(ValueError, match="blocks must be at finite positions, at most 1e\\+35 m from the origin"):
        mbfast.pair_field(SILICA, 1e36 * positions, moments)


def test_what_is_no_interaction_is_refused():
    positions, moments = random_blocks(3, 5, DIPOLES)
    with pytest.raises(TypeError, match=r"interaction must be an Interaction \(.*\), got 'stress'"):
        mbfast.pair_field("stress", positions, moments)
    with pytest.raises(TypeError, match=r"interaction must be an Interaction \(.*\)"):
        mbfast.phase_sum(None, positions, [0, 0, 1.0], "longitudinal")
    with pytest.raises(ValueError, match="moments must be finite, at most 1e\\+150"):
        mbfast.pair_field(DIPOLES, positions, 1e200 * np.sign(moments))
    empty = mbfast.BlockLattice((0, 4, 4), 1.0)
    options = {"boundary": "periodic", "images": 1, "image_shape": "spherical"}
    assert mbfast.pair_field(DIPOLES, empty, np.empty((0, 4, 4, 3)), **options).size == 0
