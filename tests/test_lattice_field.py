"""Fields by Fourier transforms against the sum over pairs, as it is written and as it is compiled."""

import functools
import pickle
import threading

import materials
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import DIPOLES, INTERACTIONS, PLACES, SILICA, UNIT_DIPOLES, oracle_tensor
from numpy.testing import assert_allclose, assert_array_equal

import mbfast
from mbfast import testing
from mbfast.pairs import lattice as lattice_field
from mbfast.pairs import pencils
from mbfast.pairs._kernels import lattice as kernels
from mbfast.pairs._kernels import transforms

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))


def random_moments(seed, lattice, interaction, layout=None):
    rng = np.random.default_rng(seed)
    if layout == 6 and interaction.components == 6:
        return 1e-19 * rng.normal(size=(*lattice.shape, 6))
    return (1e-29 if interaction.components == 3 else 1e-19) * materials.random_moments(rng, lattice.shape, interaction)


# a transform spreads errors, some eps times the logarithm of its size, over all
assert_fields_equal = functools.partial(materials.assert_fields_equal, rtol=1e-14)


@INTERACTIONS
def test_field_and_energy_equal_the_naive_sums(interaction):
    lattice = mbfast.BlockLattice((3, 4, 2), 5e-9)
    moments = random_moments(1, lattice, interaction)
    flat = moments.reshape(24, *moments.shape[3:])
    expected = testing.pair_field(oracle_tensor(interaction), lattice.positions, flat).reshape(moments.shape)
    field = mbfast.LatticeField(interaction, lattice)
    assert_fields_equal(field(moments), expected)
    magnitude = np.sum(np.abs(moments * expected))
    assert abs(field.energy(moments) - np.sum(moments * expected)) <= 1e-14 * magnitude


@INTERACTIONS
@given(seed=st.integers(0, 2**32 - 1), shape=SHAPES, layout=st.sampled_from([6, 9]))
def test_fields_equal_the_direct_sums(interaction, seed, shape, layout):
    lattice = mbfast.BlockLattice(shape, 5e-9)
    moments = random_moments(seed, lattice, interaction, layout)
    fft = mbfast.pair_field(interaction, lattice, moments, method="fft")
    assert_fields_equal(fft, mbfast.pair_field(interaction, lattice, moments, method="direct"))


@pytest.mark.compiled
@INTERACTIONS
@pytest.mark.parametrize("shape", [(7, 11, 13), (1, 1, 64), (1, 23, 25), (33, 1, 18), (17, 16, 9), (30, 12, 20)])
def test_larger_lattices(interaction, shape):
    """All radices, lengths with and without padding, blocks and tiles full and not, every order of the sides."""
    lattice = mbfast.BlockLattice(shape, 5e-9)
    moments = random_moments(2, lattice, interaction)
    fft = mbfast.pair_field(interaction, lattice, moments, method="fft")
    assert_fields_equal(fft, mbfast.pair_field(interaction, lattice, moments))
    energies = [mbfast.pair_energy(interaction, lattice, moments, method=method) for method in ("fft", "direct")]
    assert abs(energies[0] - energies[1]) <= 1e-14 * np.sum(np.abs(moments * fft))


@pytest.mark.compiled
@INTERACTIONS
@pytest.mark.parametrize("images", [0, 1, 2])
@pytest.mark.parametrize("image_shape", ["cubic", "spherical"])
def test_images_are_those_of_the_direct_sum(interaction, images, image_shape):
    lattice = mbfast.BlockLattice((4, 3, 7), 5e-9)
    moments = random_moments(3, lattice, interaction)
    arguments = {"boundary": "periodic", "images": images, "image_shape": image_shape}
    fft = mbfast.pair_field(interaction, lattice, moments, method="fft", **arguments)
    assert_fields_equal(fft, mbfast.pair_field(interaction, lattice, moments, **arguments))


@pytest.mark.parametrize("c_l", [np.sqrt(2.0), 1.0, 1e6])
@pytest.mark.parametrize("form", ["corrected", "joffrin-levelut"])
def test_special_values_of_alpha(form, c_l):
    interaction = mbfast.StressInteraction(1 / (8 * np.pi), c_l, 1.0, form=form)
    lattice = mbfast.BlockLattice((2, 3, 4), 1.0)
    moments = random_moments(4, lattice, interaction)
    assert_fields_equal(
        mbfast.pair_field(interaction, lattice, moments, method="fft"), mbfast.pair_field(interaction, lattice, moments)
    )


@numba.njit
def stress_matrix(functions, g, f):  # what it calls is written into compiled code alone
    matrix = np.zeros(21 * 8)
    kernels._stress_matrix(functions, np.uint64(0), np.uint64(8), g, f, matrix, np.uint64(0))
    return matrix


@INTERACTIONS
def test_the_functions_make_the_tensor(interaction):
    """The basis functions are derivatives of r and of -1/r; what the matrix makes of them is the tensor."""
    lattice = mbfast.BlockLattice((3, 3, 4), 1.0)
    derivatives = pencils.offset_derivatives(lattice, np.zeros((1, 3)), 2, range(3, 4))[:, 1, 2, 0]
    f = pencils.composed(interaction.components, derivatives)
    tensor = interaction.tensor([1.0, 2.0, 3.0]) / interaction.prefactor
    if interaction is DIPOLES:
        assert_allclose(f, tensor[[0, 1, 1, 0, 0], [0, 1, 2, 2, 1]], rtol=1e-14, atol=0)
        return
    c0, c1, c2 = interaction.coefficients
    assert c1 == pytest.approx(3 * (c2 - c0), rel=1e-15)
    symmetric = 0.25 * sum(np.einsum(f"ijkl->{order}", tensor) for order in ("ijkl", "jikl", "ijlk", "jilk"))
    expected = np.array([[symmetric[i + k] for k in PLACES] for i in PLACES])
    turned = f.copy()
    turned[5:] *= -1  # functions odd along two axes come without a factor i for each
    matrix = stress_matrix(np.repeat(turned, 8), c0 + c2, 0.5 * c2)
    assert_allclose(matrix[::8], expected[np.triu_indices(6)], rtol=1e-13, atol=1e-15)


@pytest.mark.compiled
@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 12, 25, 30, 60, 64, 90, 125, 128])
def test_transforms(n):
    """Against the definition, in whatever order frequencies come; and back."""
    axis = pencils._Axis(n)
    _, passes, factors = axis.tables
    rng = np.random.default_rng(n)
    x = rng.normal(size=(axis.m, 2, 5))
    y = x.copy()
    transforms.forward(y.reshape(-1), axis.m, 5, passes, factors)
    expected = np.exp(-2j * np.pi / axis.m * np.outer(range(axis.m), range(axis.m))) @ (x[:, 0] + 1j * x[:, 1])
    distances = np.abs(expected[:, None] - (y[:, 0] + 1j * y[:, 1])).max(axis=-1)
    order = distances.argmin(axis=0)
    assert sorted(order) == list(range(axis.m))
    assert distances.min(axis=0).max() < 1e-13 * axis.m
    transforms.backward(y.reshape(-1), axis.m, 5, passes, factors)
    assert_allclose(y / axis.m, x, rtol=0, atol=1e-14)


def test_lengths_are_products_of_small_primes():
    assert [pencils._Axis(n).m for n in (0, 1, 7, 11, 13, 97, 127, 128)] == [1, 1, 8, 12, 15, 100, 128, 128]


def test_fields_are_linear_and_reciprocal():
    lattice = mbfast.BlockLattice((3, 5, 4), 5e-9)
    field = mbfast.LatticeField(SILICA, lattice)
    a, b = random_moments(5, lattice, SILICA), random_moments(6, lattice, SILICA)
    both = field(a + 2 * b)
    assert_fields_equal(both, field(a) + 2 * field(b))
    assert np.sum(a * field(b)) == pytest.approx(np.sum(b * field(a)), abs=1e-14 * np.sum(np.abs(a * field(b))))


@pytest.mark.compiled
@INTERACTIONS
def test_the_bits_do_not_depend_on_the_number_of_threads(interaction, monkeypatch):
    monkeypatch.setattr(lattice_field, "_SMALL", {False: 0, True: 0})
    lattice = mbfast.BlockLattice((18, 19, 22), 5e-9)
    moments = random_moments(7, lattice, interaction)
    fields = [mbfast.LatticeField(interaction, lattice, threads=n)(moments, threads=n) for n in (1, 2, 3)]
    assert_array_equal(fields[1], fields[0])
    assert_array_equal(fields[2], fields[0])


@pytest.mark.compiled
def test_one_field_in_several_threads(monkeypatch):
    monkeypatch.setattr(lattice_field, "_SMALL", {False: 0, True: 0})
    lattice = mbfast.BlockLattice((12, 13, 14), 5e-9)
    field = mbfast.LatticeField(SILICA, lattice)
    moments = [random_moments(seed, lattice, SILICA) for seed in range(4)]
    expected = [field(m, threads=1) for m in moments]
    results = [np.empty_like(m) for m in moments]

    def work(i):
        for _ in range(5):
            field(moments[i], out=results[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_array_equal(results, expected)


def test_out_may_be_given_and_may_be_the_moments():
    lattice = mbfast.BlockLattice((2, 3, 3), 5e-9)
    field = mbfast.LatticeField(SILICA, lattice)
    moments = random_moments(8, lattice, SILICA)
    expected = field(moments)
    out = np.full_like(moments, np.nan)
    assert field(moments, out=out) is out
    assert_array_equal(out, expected)
    assert_array_equal(field(moments, out=moments), expected)
    assert_array_equal(moments, expected)


def test_moments_of_any_type_and_layout_in_memory():
    lattice = mbfast.BlockLattice((2, 3, 2), 1.0)
    field = mbfast.LatticeField(SILICA, lattice)
    whole = np.random.default_rng(9).integers(-5, 6, size=(2, 3, 2, 6))
    expected = field(whole.astype(float))
    assert_array_equal(field(whole), expected)
    assert_array_equal(field(np.asfortranarray(whole, dtype=np.float32)), expected)
    assert_array_equal(field(whole.astype(float)[..., ::-1][..., ::-1]), expected)


@pytest.mark.parametrize("scale", [1e-250, 1e140])
def test_moments_of_any_size(scale):
    lattice = mbfast.BlockLattice((2, 2, 3), 1.0)
    field = mbfast.LatticeField(UNIT_DIPOLES, lattice)
    moments = np.random.default_rng(10).normal(size=(2, 2, 3, 3))
    assert_allclose(field(scale * moments), scale * field(moments), rtol=1e-13, atol=0)


def test_a_field_can_be_pickled():
    lattice = mbfast.BlockLattice((2, 3, 3), 5e-9)
    field = mbfast.LatticeField(DIPOLES, lattice)
    moments = random_moments(11, lattice, DIPOLES)
    assert_array_equal(pickle.loads(pickle.dumps(field))(moments), field(moments))


@pytest.mark.parametrize("shape", [(0, 3, 2), (0, 0, 0), (1, 1, 1)])
def test_lattices_of_no_block_and_of_one(shape):
    lattice = mbfast.BlockLattice(shape, 5e-9)
    moments = np.ones((*shape, 6))
    assert_array_equal(mbfast.pair_field(SILICA, lattice, moments, method="fft"), 0.0 * moments)
    assert mbfast.pair_energy(SILICA, lattice, moments, method="fft") == 0.0


def test_progress_is_counted():
    lattice = mbfast.BlockLattice((2, 3, 3), 5e-9)
    seen = []
    mbfast.pair_field(DIPOLES, lattice, np.ones((2, 3, 3, 3)), method="fft", progress=lambda *n: seen.append(n))
    assert seen == [(i + 1, len(seen)) for i in range(len(seen))]
    assert seen


def test_memory_is_as_documented():
    for interaction, a_block in ((SILICA, 112 + 96), (DIPOLES, 40 + 48)):
        lattice = mbfast.BlockLattice((8, 8, 16), 5e-9)
        assert mbfast.LatticeField(interaction, lattice).nbytes == a_block * lattice.n_blocks


LATTICE = mbfast.BlockLattice((2, 2, 2), 5e-9)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((None, LATTICE), {}, TypeError, r"interaction must be an Interaction \(.*\), got None"),
        ((SILICA, np.zeros((1, 3))), {}, TypeError, "lattice must be a BlockLattice, got ndarray"),
        ((SILICA, LATTICE), {"boundary": "wall"}, ValueError, "boundary must be one of open, periodic, got 'wall'"),
        ((SILICA, LATTICE), {"macroscopic": "clamped"}, ValueError, "macroscopic belongs to boundary='periodic'"),
        ((SILICA, LATTICE), {"images": 1}, ValueError, "cell and images belong to boundary='periodic'"),
        ((SILICA, LATTICE), {"image_shape": "flat"}, ValueError, "image_shape must be one of cubic, spherical"),
        ((SILICA, LATTICE), {"threads": 0}, ValueError, "threads must be at least 1, got 0"),
    ],
)
def test_bad_arguments_of_the_set_up(arguments, options, error, message):
    with pytest.raises(error, match=message):
        mbfast.LatticeField(*arguments, **options)


@pytest.mark.parametrize(
    ("moments", "options", "error", "message"),
    [
        (np.ones((2, 2, 2, 3)), {}, ValueError, r"moments must have shape \(2, 2, 2, 6\) or \(2, 2, 2, 3, 3\)"),
        (np.full((2, 2, 2, 6), np.nan), {}, ValueError, "moments must be finite"),
        (np.arange(72.0).reshape(2, 2, 2, 3, 3), {}, ValueError, "stress moments must be symmetric"),
        (
            np.ones((2, 2, 2, 6)),
            {"out": [0.0]},
            TypeError,
            "out must be a writable, C-contiguous float64 array of .*, got list",
        ),
        (np.ones((2, 2, 2, 6)), {"out": np.empty((2, 2, 2, 6), np.float32)}, TypeError, "got ndarray of float32"),
        (np.ones((2, 2, 2, 6)), {"out": np.empty((8, 6))}, ValueError, r"shape \(2, 2, 2, 6\), got shape \(8, 6\)"),
        (np.ones((2, 2, 2, 6)), {"out": np.empty((2, 2, 6, 2)).swapaxes(2, 3)}, ValueError, "C-contiguous"),
        (np.ones((2, 2, 2, 6)), {"threads": 0}, ValueError, "threads must be at least 1, got 0"),
    ],
)
def test_bad_moments(moments, options, error, message):
    with pytest.raises(error, match=message):
        mbfast.LatticeField(SILICA, LATTICE)(moments, **options)


@pytest.mark.parametrize("function", [mbfast.pair_field, mbfast.pair_energy])
def test_the_method_is_for_lattices(function):
    with pytest.raises(ValueError, match="blocks must be a BlockLattice for method='fft', got positions"):
        function(SILICA, np.eye(3), np.ones((3, 6)), method="fft")
    with pytest.raises(ValueError, match="cell is known for a lattice, got one"):
        function(SILICA, LATTICE, np.ones((2, 2, 2, 6)), method="fft", boundary="periodic", images=1, cell=[1, 1, 1])


@pytest.mark.compiled
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES])
def test_fields_of_cubes_are_the_direct_ones(interaction, boundary):
    # 26 apart: from the table of averages and beyond it
    lattice = mbfast.BlockLattice((3, 27, 2), 5e-9, averaged=True)
    options = {"boundary": boundary} | ({"images": 1} if boundary == "periodic" else {})
    moments = np.random.default_rng(5).normal(size=(*lattice.shape, interaction.components))
    direct = mbfast.pair_field(interaction, lattice, moments, method="direct", **options)
    ours = mbfast.pair_field(interaction, lattice, moments, method="fft", **options)
    np.testing.assert_allclose(ours, direct, rtol=0, atol=1e-13 * np.abs(direct).max())
    points = mbfast.BlockLattice(lattice.shape, lattice.spacing)
    assert (
        np.abs(mbfast.pair_field(interaction, points, moments, **options) - direct).max() > 0.01 * np.abs(direct).max()
    )
