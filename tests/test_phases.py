"""Cubes in the derived terms: phases between their points, and what a strain changes, by other routes."""

import itertools

import naive
import numpy as np
import pytest
from materials import SILICA, UNIT_DIPOLES, UNIT_JOFFRIN_LEVELUT, UNIT_STRESS, WEIGHTS
from numpy.testing import assert_allclose

import mbfast
from mbfast import testing
from mbfast.pairs._kernels.phases import averaged_phase
from mbfast.pairs.angular import LATTICE_SIXTH, cube_coefficients
from mbfast.pairs.cubes import averaged_derivatives, averaged_tensors, composition
from mbfast.pairs.derivatives import FOURTH, SIXTH
from mbfast.pairs.phases import ALL_PAIRS, cube_phases
from mbfast.renormalization.terms import DerivedTerms

POLARIZATIONS = ("longitudinal", "transverse")


@pytest.mark.parametrize("q", [1e-3, 0.7, 3.999, 4.0, 21.0, 63.99, 64.0, 90.0])
def test_phases_between_points_of_a_cube(q):
    expected = [naive.cube_phase(order, q, 40 + int(q)) for order in (2, 4)]
    # a sum of terms up to 4 of either sign; below, where the functions are small, relative to them
    assert_allclose(cube_phases(np.array(q)), expected, rtol=1e-13, atol=0.0 if q < 4 else 2e-14)


def test_short_and_long_waves():
    # the mean inverse distance within a cube is 1.88231264438966
    small = 1e-5
    assert cube_phases(np.array(small))[0] / small**2 == pytest.approx(1.88231264438966 / 15, rel=1e-9)
    large = np.array([1e8, 1e15])
    surface = -6 * np.pi * np.array([np.pi / 4, 3 * np.pi / 16])[:, None] / large  # integrals of j_2 and j_4
    assert_allclose(cube_phases(large), np.array(ALL_PAIRS)[:, None] + surface, rtol=1e-11)
    assert (cube_phases(np.zeros(3)) == 0.0).all()


def test_series_and_powers_meet():
    for edge in (*range(4, 65, 4), 2e4):
        below, above = cube_phases(np.array([np.nextafter(edge, 0.0), edge])).T
        assert_allclose(below, above, rtol=0, atol=2e-14)


@pytest.mark.parametrize("order", [2, 4])
def test_phases_by_fourier_transform(order):
    # sinc^2 of the cube times Lambda's harmonic at K - k, which does not depend on |K - k|
    q, weight = 3.0, {2: 1 / 3, 4: 2 / 15}[order]
    x, w = np.polynomial.legendre.leggauss(100)
    half, of_half = 0.5 * (x + 1), 0.5 * w
    total, legendre = 0.0, np.polynomial.Legendre.basis(order)
    for low, high in itertools.pairwise((0.0, q, q + 15.0, q + 50.0)):
        for size, measure in zip(low + (high - low) * half, (high - low) * of_half, strict=True):
            across, turn = np.sqrt(1 - half**2), 0.25 * np.pi * half
            x, y, z = size * np.outer(across, np.cos(turn)), size * np.outer(across, np.sin(turn)), size * half
            form = np.sinc(z / (2 * np.pi)) ** 2 * (
                (np.sinc(x / (2 * np.pi)) * np.sinc(y / (2 * np.pi))) ** 2 @ of_half
            )
            cosine = 1 - 2 * half**2  # smooth at K = k
            difference = (size * cosine - q) / np.sqrt(size**2 + q**2 - 2 * size * q * cosine)
            harmonic = of_half @ (2 * half * legendre(difference))
            total += measure * size**2 * (of_half @ form) * harmonic
    # beyond 50/R the sum falls as K^-2, to some 1e-5
    assert cube_phases(np.array(q))[order // 2 - 1] == pytest.approx(2 / np.pi * weight * total, rel=1e-4)


@pytest.mark.compiled  # the table of averages
@pytest.mark.parametrize("place", [0, 2], ids=POLARIZATIONS)
@pytest.mark.parametrize("waves", [1.0, 3.0])
def test_lattices_of_cubes_tend_to_the_phases(place, waves):
    # tensors averaged over cubes times cosines at their centres, of super blocks of so many cubes
    velocity = SILICA.c_l if place == 0 else SILICA.c_t
    ratios = []
    for n in (4, 8):
        offsets = np.array([d for d in itertools.product(range(1 - n, n), repeat=3) if any(d)])
        tensors = averaged_tensors(SILICA, offsets) * np.prod(1 - np.abs(offsets) / n, axis=1)[:, None, None]

        def in_wave(k, offsets=offsets, tensors=tensors, n=n):
            directions = [k] if place == 0 else naive.transverse_directions(k)
            matrix = np.einsum("n,nab->ab", np.cos(offsets @ k * waves / n), tensors)
            strains = [np.outer(k, u) + np.outer(u, k) for u in directions]
            rows = [0.5 * WEIGHTS * e[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] for e in strains]
            return np.mean([row @ matrix @ row for row in rows])

        phases = DerivedTerms.of(SILICA, n, 1.0, 1.0).phases(np.array([waves * velocity / (n * 1e-9)]), 1e-9)
        ratios.append(naive.mean_over_directions(in_wave, order=6) * SILICA.prefactor / phases[place][0])
    # the phase within a cube is neglected as n^-2
    assert (4 * ratios[1] - ratios[0]) / 3 == pytest.approx(1.0, abs=1e-3)
    assert abs(ratios[1] - 1) < 0.3 * abs(ratios[0] - 1) + 1e-3


def changes(interaction, d, *, points=False):
    """Averages of r_n d_m of the tensor at offsets (3, k), (m, n, p, q, k): see `mbfast.pairs.strained`."""
    sixth, fourth = (of.bare(d) if points else averaged_derivatives(d, of) for of in (SIXTH, FOURTH))
    place = lambda of, name: of.place[tuple(map(name.count, "xyz"))]  # noqa: E731
    changed = np.zeros((3, 3, *fourth.shape))
    for (m, along), (n, by) in itertools.product(enumerate("xyz"), repeat=2):
        for number, name in enumerate(FOURTH.names):
            indices = name + along
            changed[m, n, number] = sixth[place(SIXTH, indices + by)]
            for i, index in enumerate(indices):
                if index == by:
                    changed[m, n, number] -= fourth[place(FOURTH, indices[:i] + indices[i + 1 :])]
    result = np.einsum("pqa,mnak->mnpqk", composition(interaction), changed)
    if interaction.components == 3:  # dipoles turn with the gradient
        tensor = np.einsum("pqa,ak->pqk", composition(interaction), fourth)
        result += np.einsum("np,mqk->mnpqk", np.eye(3), tensor) + np.einsum("nq,pmk->mnpqk", np.eye(3), tensor)
    return result


def absorbed(interaction, d, **options):
    """Squared changes contracted with X X, averaged over directions of k: of x^0 and of x, of l and of t, (2, 2, k)."""
    m, powers = changes(interaction, d, **options), []
    if interaction.components == 3:
        powers.append(np.einsum("mnpqk,rspqk->mnrsk", m, m))
    else:
        powers.append(4 * np.einsum("mnpqk,rspqk,p,q->mnrsk", m, m, WEIGHTS, WEIGHTS))
        traces = m[:, :, :3].sum(axis=2), m[:, :, :, :3].sum(axis=3)
        powers.append(2 * sum(np.einsum("mnqk,rsqk,q->mnrsk", t, t, WEIGHTS) for t in traces))
    for part in powers:
        same, long = np.einsum("mnmnk->k", part), np.einsum("mmrrk->k", part) + np.einsum("mnnmk->k", part)
        yield np.stack([(same + long) / 15, 0.5 * (same / 3 - (same + long) / 15)])


@pytest.mark.compiled  # the table of averages
@pytest.mark.parametrize("interaction", [UNIT_STRESS, UNIT_DIPOLES], ids=["stress", "dipole"])
@pytest.mark.thinned(1)
@pytest.mark.parametrize("offset", [(1, 0, 0), (1, -1, 0), (2, -1, 1)])
def test_changes_are_derivatives_of_deformed_cubes(interaction, offset):
    gradient = np.random.default_rng(1510).normal(size=(3, 3))

    known = ("dipole",) if interaction.components == 3 else (interaction.form, interaction.alpha)

    def change(r):  # by differences
        return naive.difference(lambda s: testing.pair_tensor(known, r + s * r @ gradient.T), 0.01)

    expected = testing.averaged_over_cubes(change, offset, n=10)
    found = changes(interaction, np.array(offset, dtype=float)[:, None])[..., 0]
    if interaction.components == 3:
        tensor = averaged_tensors(interaction, offset)
        expected = expected + gradient.T @ tensor + tensor @ gradient
    else:
        places = np.array([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]).T
        expected = expected[places[0], places[1]][:, places[0], places[1]]
    assert_allclose(np.einsum("mn,mnpq->pq", gradient, found), expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.compiled  # the table of averages
@pytest.mark.parametrize(
    ("interaction", "power"),
    [(UNIT_STRESS, 5), (UNIT_JOFFRIN_LEVELUT, 5), (UNIT_DIPOLES, 7)],
    ids=["stress", "jl", "dipole"],
)
def test_cubes_absorb_as_all_pairs_of_an_infinite_lattice(interaction, power):
    # as points do, whose sum is known, and the difference, the rest of which falls as n^-5, for dipoles n^-7
    form = "dipole" if interaction.components == 3 else interaction.form
    change = "gradient" if interaction.components == 3 else "none"
    sums = {}
    for n in (8, 16):
        wedge = [d for d in itertools.combinations_with_replacement(range(n + 1), 3) if any(d)]
        alike = [len(set(itertools.permutations(d))) * 2 ** sum(x > 0 for x in d) for d in wedge]
        offsets = np.array(wedge, dtype=float).T
        pairs = zip(absorbed(interaction, offsets), absorbed(interaction, offsets, points=True), strict=True)
        sums[n] = np.array([(cubes - points) @ np.array(alike, dtype=float) for cubes, points in pairs])
    ratio = (16.5 / 8.5) ** power
    differences = (ratio * sums[16] - sums[8]) / (ratio - 1)
    for a, polarization in enumerate(POLARIZATIONS):
        points = mbfast.angular_coefficients(form, polarization, moment_change=change)
        cubes = cube_coefficients(form, polarization)
        alpha = 0.0 if interaction.components == 3 else interaction.alpha
        for q, difference in enumerate(differences[:, a]):
            wanted, bare = (sum(float(row[q]) * alpha**p for p, row in enumerate(table)) for table in (cubes, points))
            assert difference + LATTICE_SIXTH * bare == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"), [(("own", "transverse"), "form must be"), (("dipole", "up"), "polarization")]
)
def test_bad_arguments_of_cube_coefficients(arguments, words):
    with pytest.raises(ValueError, match=words):
        cube_coefficients(*arguments)


def test_tables_are_read_as_series_and_powers():
    """Panels as NumPy's Chebyshev series times q^2 and q^4, and beyond them powers of 1/q and waves from q^-4 on."""
    rng = np.random.default_rng(7)
    width, panels, powers = 1.5, rng.normal(size=(3, 2, 6)), rng.normal(size=(2, 4))
    waves, ends = rng.normal(size=(2, 2, 2, 5)), np.array([1.0, 1.5])
    q = np.array([0.0, 0.3, 1.4999, 1.5, 3.7, 4.49, 4.5, 9.0, 1.9999e4, 2.0001e4])
    out = np.empty((2, q.size))
    averaged_phase(q, width, panels, powers, waves, ends, out)
    for function, order in enumerate((2, 4)):
        for x, found in zip(q, out[function], strict=True):
            panel = int(x // width)
            if panel < 3:
                wanted = np.polynomial.chebyshev.chebval(2 * (x / width - panel) - 1, panels[panel, function])
                wanted *= x**order if panel == 0 else 1.0
            else:
                wanted = np.polynomial.polynomial.polyval(1 / x, powers[function])
                if x < 2e4:  # beyond, waves are lost in rounding errors of what the tables are for
                    series = waves[:, function, 0] + 1j * waves[:, function, 1]
                    wave = np.polynomial.polynomial.polyval(x**-0.5, series.T) * np.exp(1j * x * ends)
                    wanted += np.sum(wave.real) / x**4
            assert found == pytest.approx(wanted, rel=1e-12, abs=1e-13)
