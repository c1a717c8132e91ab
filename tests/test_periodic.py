"""Fields on periodic lattices with all images, of points and cubes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import (
    DIPOLES,
    INTERACTIONS,
    JOFFRIN_LEVELUT,
    OF_STRESS_AND_DIPOLES,
    SILICA,
    WEIGHTS,
    largest,
    named,
    random_moments,
    six,
    worst,
)
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing
from mbfast.pairs import lattice as lattice_field
from mbfast.pairs import pencils
from mbfast.pairs.cubes import INDICES, averaged_derivatives
from mbfast.pairs.periodic import image_sums

SHAPES = st.tuples(*[st.integers(1, 7)] * 3)
CUBES = pytest.param(True, marks=pytest.mark.compiled, id="cubes")  # their table takes long without the JIT
KINDS = pytest.mark.parametrize("averaged", [pytest.param(False, id="points"), CUBES])
ORDER = ["xxxx", "yyyy", "zzzz", "yyzz", "xxzz", "xxyy"]


@pytest.mark.parametrize(
    ("wave", "values"),
    [  # sums over the simple cubic lattice of d_ijkl r cos k.d, to some 2e-12, at k of 2 pi wave/4
        ((0, 0, 0), [-9.3393021407763] * 3 + [4.6696510703881] * 3),
        ((2, 0, 0), [-24.777560840394, 0.329948737012, 0.329948737012, 6.656156920431, 2.701337381377, 2.701337381377]),
        ((2, 2, 2), [11.8991193671713] * 3 + [-5.9495596835857] * 3),
    ],
)
def test_known_sums_over_the_simple_cubic_lattice(wave, values):
    sums = image_sums(mbfast.BlockLattice((4, 4, 4), 1.0))
    modes = np.fft.fftn(sums, axes=(1, 2, 3))[(slice(None), *wave)]
    assert INDICES[:6] == tuple(ORDER)
    assert_allclose(modes[:6], values, rtol=0, atol=4e-12)
    assert largest(modes[6:]) < 1e-12


@KINDS
@settings(max_examples=8)
@given(shape=SHAPES)
def test_sums_have_the_symmetries_of_the_lattice(averaged, shape):
    """Even or odd along each axis, without trace, and the same when axes are exchanged."""
    sums = image_sums(mbfast.BlockLattice(shape, 1.0, averaged=averaged))
    of = dict(zip(INDICES, sums, strict=True))
    for place, function in of.items():
        mirrored = np.roll(function[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))
        assert_allclose(mirrored, function, rtol=0, atol=1e-12)
        for axis, letter in enumerate("xyz"):
            sign = -1.0 if place.count(letter) % 2 else 1.0
            assert_allclose(np.roll(np.flip(function, axis), 1, axis), sign * function, rtol=0, atol=1e-12)
    trace = sum(of[a] for a in ORDER[:3]) + 2.0 * sum(of[a] for a in ORDER[3:])
    assert largest(trace) < 1e-12
    turned = image_sums(mbfast.BlockLattice((shape[1], shape[2], shape[0]), 1.0, averaged=averaged))
    letters = str.maketrans("xyz", "zxy")  # x, y, z of the turned one are y, z, x
    for place, function in of.items():
        other = turned[INDICES.index("".join(sorted(place.translate(letters))))]
        assert_allclose(other.transpose(2, 0, 1), function, rtol=0, atol=1e-12)


@pytest.mark.compiled
@settings(max_examples=6)
@given(shape=SHAPES, times=st.permutations([1, 1, 2]))
def test_a_lattice_of_twice_as_many_blocks_has_the_same_sums(shape, times):
    """Images of the small lattice are blocks of the large one."""
    for averaged in (False, True):
        small = image_sums(mbfast.BlockLattice(shape, 1.0, averaged=averaged))
        many = tuple(n * t for n, t in zip(shape, times, strict=True))
        large = image_sums(mbfast.BlockLattice(many, 1.0, averaged=averaged))
        folded = large.reshape(15, times[0], shape[0], times[1], shape[1], times[2], shape[2]).sum(axis=(1, 3, 5))
        assert_allclose(folded, small, rtol=0, atol=2e-12)


@pytest.mark.compiled
@settings(max_examples=6)
@given(shape=st.tuples(*[st.integers(1, 4)] * 3))
def test_cubes_are_made_of_eight_smaller_ones(shape):
    """A(d) = 8 sum over s of W(s) A(2 d + s), with a cube and itself included: an identity, split or not."""
    halves = tuple(2 * n for n in shape)
    coarse, fine = (image_sums(mbfast.BlockLattice(n, 1.0, averaged=True)) for n in (shape, halves))
    itself = averaged_derivatives(np.zeros((3, 1)))[:, 0]
    trace_8_pi = np.where(np.arange(15) < 3, 3.0, np.where(np.arange(15) < 6, 1.0, 0.0)) * 8.0 * np.pi / 15.0
    for sums, n in ((coarse, shape), (fine, halves)):  # the clamped body's: no mode of k = 0
        sums[:, 0, 0, 0] += itself
        np.add(sums, (trace_8_pi / np.prod(n))[:, None, None, None], out=sums)
    expected = np.zeros_like(coarse)
    for s in itertools.product((-1, 0, 1), repeat=3):
        weight = 8.0 * np.prod([0.5 if a == 0 else 0.25 for a in s])
        expected += weight * np.roll(fine, [-a for a in s], axis=(1, 2, 3))[:, ::2, ::2, ::2]
    assert_allclose(coarse, expected, rtol=0, atol=1e-12)


@pytest.mark.compiled
@pytest.mark.parametrize("n", [1, 2, 3, 8])
@pytest.mark.parametrize("axis", [0, 1, 2])
@INTERACTIONS
def test_laminates_of_cubes(interaction, axis, n):
    """Layers across an axis: h is the tensor of waves along it times what a layer has more than the mean, exactly."""
    shape = np.roll((n, 2, 3), axis)
    lattice = mbfast.BlockLattice(shape, 1e-9, averaged=True)
    layers = random_moments(1, (n,), interaction)
    index = [np.newaxis] * 3
    index[axis] = slice(None)
    moments = np.broadcast_to(layers[tuple(index)], (*shape, *layers.shape[1:]))
    field = mbfast.LatticeField(interaction, lattice, boundary="periodic", self_field=True)(moments)
    changed = layers - layers.mean(axis=0)
    wave = np.eye(3)[axis]
    if interaction.components == 6:
        b, c = interaction.parts
        t = changed @ wave  # (n, 3)
        sym = 0.5 * (np.einsum("i,nj->nij", wave, t) + np.einsum("ni,j->nij", t, wave))
        expected = six(4 * np.pi * (b * sym - c * np.einsum("i,j,n->nij", wave, wave, t @ wave)))
    else:
        expected = 4 * np.pi * np.einsum("i,n->ni", wave, changed @ wave)
    unit = interaction.prefactor / lattice.spacing**3
    found = np.moveaxis(field, axis, 0)[:, 0, 0]
    found = six(found) if interaction.components == 6 else found
    assert_allclose(found / unit, expected, rtol=0, atol=1e-12 * max(largest(expected), largest(moments)))


@pytest.mark.compiled
@settings(max_examples=8)
@given(shape=SHAPES, seed=st.integers(0, 99))
@INTERACTIONS
def test_a_cubes_own_field_completes_the_sum(interaction, shape, seed):
    """In a clamped body equal moments have no field; of dipoles the trace of all tensors is 4 pi at the cube itself."""
    lattice = mbfast.BlockLattice(shape, 1.0, averaged=True)
    made = mbfast.LatticeField(interaction, lattice, boundary="periodic", self_field=True)
    equal = np.broadcast_to(
        random_moments(seed, (1, 1, 1), interaction), made(random_moments(0, shape, interaction)).shape
    )
    unit = abs(interaction.prefactor)
    assert largest(made(equal)) < 1e-12 * unit * largest(equal)
    if interaction.components == 3:
        fields = [
            made(np.eye(3)[axis] * (np.indices(shape).sum(axis=0) == 0)[..., None])[..., axis] for axis in range(3)
        ]
        expected = np.full(shape, -1.0 / lattice.n_blocks)
        expected[0, 0, 0] += 1.0
        assert_allclose(np.sum(fields, axis=0), 4 * np.pi * unit * expected, rtol=0, atol=1e-12 * unit)


@pytest.mark.compiled
@pytest.mark.parametrize("shape", [(3, 2, 2), (5, 1, 2)])
def test_cubes_that_deform_freely_lower_their_energy_by_less_than_they_have(shape):
    """-2 Lambda C, from what strains of its own every cube wants to those it has, is a projector's part: 0 to 1."""
    made = mbfast.LatticeField(
        SILICA, mbfast.BlockLattice(shape, 1.0, averaged=True), boundary="periodic", self_field=True
    )
    dense = made.operator() @ np.eye(9 * made.problem.geometry.n_blocks)
    assert_allclose(dense, dense.T, rtol=0, atol=1e-13 * largest(dense))
    shear, along = SILICA.density * SILICA.c_t**2, SILICA.density * SILICA.c_l**2
    delta = np.eye(3).ravel()
    moduli = 2 * shear * np.eye(9) + (along - 2 * shear) * np.outer(delta, delta)  # of symmetric strains
    turn = np.eye(9).reshape(3, 3, 9).swapaxes(0, 1).reshape(9, 9)
    values, vectors = np.linalg.eigh(moduli)
    root = np.kron(
        np.eye(made.problem.geometry.n_blocks), (vectors * np.sqrt(values)) @ vectors.T @ (0.5 * (np.eye(9) + turn))
    )
    levels = np.linalg.eigvalsh(-2.0 * root @ dense @ root.T)
    assert levels.min() > -1e-12
    assert levels.max() < 1.0 + 1e-12
    assert levels.max() > 0.9


@pytest.mark.compiled
@settings(max_examples=8)
@given(shape=SHAPES, seed=st.integers(0, 99), full=st.booleans())
@OF_STRESS_AND_DIPOLES
def test_points_against_ewald_sums(interaction, shape, seed, full):
    """Another route: positions, meshes and windows. In every layout, however the body is held."""
    lattice, moments = mbfast.BlockLattice(shape, 3e-9), random_moments(seed, shape, interaction)
    if interaction.components == 6 and not full:
        moments = six(moments)
    for condition in interaction.conditions:
        if condition == "stress-free" and interaction is not SILICA:
            continue
        options = {"boundary": "periodic", "macroscopic": condition}
        made = mbfast.EwaldField(interaction, lattice, rtol=1e-12, **options)
        expected = made(moments)
        field = mbfast.LatticeField(interaction, lattice, **options)(moments)
        assert worst(field, expected, moments.reshape(-1, *moments.shape[3:]), made) <= 1.0


@pytest.mark.compiled
@pytest.mark.parametrize("averaged", [False, True], ids=["points", "cubes"])
@pytest.mark.parametrize("shape", [(10, 9, 25), (16, 16, 16), (1, 64, 3), (2, 27, 20), (40, 1, 18)])
@INTERACTIONS
def test_products_at_wave_vectors_are_the_sums_over_offsets(interaction, shape, averaged, monkeypatch):
    """Lines of every radix, tiles full and not, rows without a partner: against padded transforms of the sums."""
    lattice, moments = mbfast.BlockLattice(shape, 1e-9, averaged=averaged), random_moments(0, shape, interaction)
    for condition in interaction.conditions[: None if interaction in (SILICA, DIPOLES) else 1]:
        options = {"boundary": "periodic", "macroscopic": condition}
        field = mbfast.LatticeField(interaction, lattice, **options)(moments)
        with monkeypatch.context() as patch:
            patch.setattr(pencils, "is_circular", lambda _: False)
            expected = mbfast.LatticeField(interaction, lattice, **options)(moments)
        assert largest(field - expected) <= 1e-13 * largest(expected)


@pytest.mark.compiled
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_cubes_against_spheres_of_images(interaction):
    """They converge to the field without the mean mode's part, which a clamped body has."""
    lattice = mbfast.BlockLattice((2, 1, 3), 1.0, averaged=True)
    moments = random_moments(0, (2, 1, 3), interaction)
    field = mbfast.pair_field(interaction, lattice, moments, boundary="periodic")
    mean = testing.mean_mode(named(interaction), moments.sum(axis=(0, 1, 2))) / 6.0
    errors = []
    for images in (2, 4):
        options = {"boundary": "periodic", "images": images, "image_shape": "spherical", "method": "direct"}
        spheres = mbfast.pair_field(interaction, lattice, moments, **options)
        errors.append(largest(spheres - interaction.prefactor * mean - field) / largest(field))
    assert errors[1] < 0.02


@pytest.mark.compiled
def test_the_choice_of_auto_is_the_lattice_field():
    lattice, moments = mbfast.BlockLattice((3, 4, 5), 1e-9, averaged=True), np.ones((3, 4, 5, 6))
    result = mbfast.pair_sum(SILICA, lattice, moments, boundary="periodic", macroscopic="stress-free")
    assert (result.method, result.rtol) == ("fft", 1e-12)
    made = mbfast.LatticeField(SILICA, lattice, boundary="periodic", macroscopic="stress-free")
    assert np.array_equal(made(moments), result.field)
    assert "periodic, stress-free" in repr(made)


@KINDS
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_out_may_be_the_moments(interaction, averaged):
    moments = random_moments(0, (3, 4, 5), interaction)
    made = mbfast.LatticeField(interaction, mbfast.BlockLattice((3, 4, 5), 1.0, averaged=averaged), boundary="periodic")
    expected = made(moments)
    assert made(moments, out=moments) is moments
    assert np.array_equal(moments, expected)


@pytest.mark.compiled
@pytest.mark.parametrize("rtol", [1e-2, 1e-5])
def test_packets_of_waves_by_ewald_sums(rtol):
    """Dipoles all opposite to their neighbours, in a small part of the lattice, whose field nearly vanishes."""
    lattice = mbfast.BlockLattice((24, 24, 24), 1.0)
    places = lattice.positions - 12.0
    moments = np.zeros((24**3, 3))
    moments[:, 2] = np.exp(-np.sum(places**2, axis=1) / 12.0) * np.cos(np.pi * places.sum(axis=1))
    moments = moments.reshape(24, 24, 24, 3)
    expected = mbfast.LatticeField(DIPOLES, lattice, boundary="periodic")(moments)
    made = mbfast.EwaldField(DIPOLES, lattice, boundary="periodic", rtol=rtol)
    assert largest(made(moments) - expected) <= rtol * max(largest(expected), made.unit)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_planes_of_chains_are_worked_on_together(boundary, monkeypatch):
    """One call for a plane of one block took 0.5 ms."""
    calls = []
    of = pencils.composed
    monkeypatch.setattr(pencils, "composed", lambda *given: calls.append(1) or of(*given))
    mbfast.LatticeField(DIPOLES, mbfast.BlockLattice((1, 500, 1), 1.0), boundary=boundary)
    assert len(calls) == 1


@pytest.mark.thinned(2, bare=1)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [(9, 8, 7), (9, 8, 6)])  # padded; not
def test_any_number_of_threads_gives_the_same_bits(threads, shape, monkeypatch):
    monkeypatch.setattr(lattice_field, "_SMALL", {False: 0, True: 0})
    lattice, moments = mbfast.BlockLattice(shape, 1e-9), random_moments(0, shape, SILICA)
    field = mbfast.LatticeField(SILICA, lattice, boundary="periodic", threads=threads)(moments, threads=threads)
    assert np.array_equal(
        field, mbfast.LatticeField(SILICA, lattice, boundary="periodic", threads=2)(moments, threads=2)
    )


MEAN = 1e9 * np.array([[1.0, 0.2, -0.5], [0.2, -3.0, 0.7], [-0.5, 0.7, 2.0]])  # Pa


@pytest.mark.compiled
@pytest.mark.parametrize("averaged", [None, False, True], ids=["ewald", "points", "cubes"])
@pytest.mark.parametrize("full", [False, True])
def test_a_given_mean_stress(averaged, full):
    """The mean strain is C^-1 (sigma - tau); dE/dT_s = 2 h_s; the operator is the linear part."""
    lattice = mbfast.BlockLattice((3, 2, 4), 2e-9, averaged=averaged is True)
    moments = 1e9 * 8e-27 * random_moments(0, lattice.shape, SILICA)
    stress, moments = (MEAN, moments) if full else (six(MEAN).tolist(), six(moments))
    made, more = (mbfast.EwaldField, {"rtol": 1e-12}) if averaged is None else (mbfast.LatticeField, {})
    options = {"boundary": "periodic", "self_field": True, **more} if averaged else {"boundary": "periodic", **more}
    field = made(SILICA, lattice, macroscopic=stress, **options)
    shear, along = SILICA.density * SILICA.c_t**2, SILICA.density * SILICA.c_l**2
    bulk = along - 4 / 3 * shear

    def strain(s):
        trace = np.trace(s) * np.eye(3) / 3
        return (s - trace) / (2 * shear) + trace / (3 * bulk)

    h = field(moments)
    free, clamped = (made(SILICA, lattice, macroscopic=name, **options)(moments) for name in ("stress-free", "clamped"))
    as_given = (lambda tensor: tensor) if full else six
    assert_allclose(2.0 * (h - free), np.broadcast_to(as_given(strain(MEAN)), h.shape), rtol=0, atol=1e-12 * largest(h))
    if averaged:
        tau = moments.mean(axis=(0, 1, 2)) / lattice.spacing**3
        tau = tau if full else tau[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        assert_allclose(2.0 * h.mean(axis=(0, 1, 2)), as_given(strain(MEAN - tau)), rtol=0, atol=1e-12 * largest(h))
        assert largest(clamped.mean(axis=(0, 1, 2))) < 1e-12 * largest(h)
    change = moments[::-1, :, ::-1]
    energies = [field.energy(moments + sign * change) for sign in (1.0, -1.0)]
    weights = 1.0 if full else WEIGHTS
    assert 0.5 * (energies[0] - energies[1]) == pytest.approx(np.sum(2.0 * h * weights * change), rel=1e-11)
    result = mbfast.pair_sum(
        SILICA, lattice, moments, macroscopic=stress, method="ewald" if averaged is None else "fft", **options
    )
    assert result.energy == pytest.approx(field.energy(moments), rel=1e-13)
    assert result.inputs["macroscopic"] == tuple(six(MEAN))
    if full:
        linear = (field.operator() @ moments.ravel()).reshape(h.shape)
        assert np.array_equal(linear, free)
    assert "periodic, mean stress 1e+09, -3e+09, 2e+09, 7e+08, -5e+08, 2e+08 Pa" in repr(field)


def test_the_field_of_a_given_stress_is_everywhere():
    """At points between the blocks too, and without any block."""
    cell, probes = [1e-9, 1e-9, 1e-9], 1e-10 * np.arange(1.0, 7.0).reshape(2, 3)
    options = {"boundary": "periodic", "cell": cell, "at": probes, "method": "ewald"}
    none = mbfast.pair_field(SILICA, np.empty((0, 3)), np.empty((0, 6)), macroscopic=six(MEAN), **options)
    one = [
        mbfast.pair_field(SILICA, np.zeros((1, 3)), np.ones((1, 6)), macroscopic=held, **options)
        for held in (MEAN, "stress-free")
    ]
    assert none.shape == (2, 6)
    assert np.array_equal(none[0], none[1])
    assert_allclose(one[0] - one[1], none, rtol=0, atol=1e-12 * largest(one[0]))


def test_memory_a_block():
    lattice = mbfast.BlockLattice((8, 8, 16), 1.0)
    bytes_a_block = {SILICA: 150, DIPOLES: 75}
    for interaction, limit in bytes_a_block.items():
        assert mbfast.LatticeField(interaction, lattice, boundary="periodic").nbytes <= limit * lattice.n_blocks


@pytest.mark.parametrize(
    ("interaction", "options", "message"),
    [
        (SILICA, {"macroscopic": MEAN, "images": 2}, r"macroscopic is for sums over all images, got \(1000000000.0, "),
        (SILICA, {"macroscopic": MEAN, "boundary": "open"}, "macroscopic belongs to boundary='periodic', got .1000000"),
        (SILICA, {"macroscopic": MEAN[:2]}, "macroscopic must be one of clamped, stress-free, or a stress of shape"),
        (SILICA, {"macroscopic": MEAN + np.eye(3, k=1)}, "macroscopic must be a symmetric stress, got"),
        (SILICA, {"macroscopic": [np.nan, 0, 0, 0, 0, 0]}, "macroscopic must be finite, .* got nan"),
        (DIPOLES, {"macroscopic": MEAN}, "macroscopic must be one of tin-foil, vacuum, got"),
        (JOFFRIN_LEVELUT, {"macroscopic": MEAN}, "macroscopic must be clamped for form='joffrin-levelut'"),
        (SILICA, {"macroscopic": "vacuum"}, "macroscopic must be one of clamped, stress-free, got 'vacuum'"),
        (DIPOLES, {"macroscopic": "clamped"}, "macroscopic must be one of tin-foil, vacuum, got 'clamped'"),
        (DIPOLES, {"macroscopic": "vacuum", "images": 2}, "macroscopic is for sums over all images"),
    ],
)
def test_what_holds_the_body_is_checked(interaction, options, message):
    with pytest.raises(ValueError, match=message):
        mbfast.LatticeField(interaction, mbfast.BlockLattice((2, 2, 2), 1.0), **{"boundary": "periodic", **options})
