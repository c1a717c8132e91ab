"""Super blocks against Kronecker products, closed forms, invariances and classical energies; ensembles of blocks."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from materials import DIPOLES, INTERACTIONS, SILICA, WEIGHTS, full, oracle_tensor
from numpy.testing import assert_allclose

import mbfast
from mbfast import Block, SuperBlock, testing
from mbfast.kernels.superblock import add_flips
from mbfast.pairs.problem import PairProblem
from mbfast.superblock import couplings, ensembles, hamiltonian, lowest, sums
from mbfast.superblock._kernels import sweeps

ENERGY, STRESS, DIPOLE = 1e-24, 1e-19, 3e-29  # J, J, C m: couplings of some 1e-24 J at 5 nm
COUPLED = {6: STRESS, 3: DIPOLE}
EPS = np.finfo(float).eps


def hermitian(rng, size, d, *, real):
    matrices = rng.normal(size=(size, d, d)) + (0.0 if real else 1j * rng.normal(size=(size, d, d)))
    return matrices + matrices.conj().swapaxes(1, 2)


def block(rng, kind, components=6):
    """A block of a kind: two wells; so many levels of real, of complex, or of complex operators that commute."""
    unit = COUPLED[components]
    if kind == "wells":
        return Block.two_level(*rng.normal(0, ENERGY, 2), rng.normal(0, unit, components))
    d = int(kind[-1])
    levels = rng.normal(0, ENERGY, d)
    if kind.startswith("alone"):
        return Block(levels, np.zeros((components, d, d)))
    if kind.startswith("commuting"):
        basis = np.linalg.qr(hermitian(rng, 1, d, real=False)[0])[0]
        return Block(levels, unit * np.einsum("ij,aj,kj->aik", basis, rng.normal(size=(components, d)), basis.conj()))
    return Block(levels, unit * hermitian(rng, components, d, real=kind.startswith("real")))


def system(seed, kinds, interaction=SILICA, **more):
    rng = np.random.default_rng(seed)
    blocks = [block(rng, kind, interaction.components) for kind in kinds]
    grid = np.array(list(itertools.islice(itertools.product(range(3), repeat=3), len(kinds))))
    positions = 5e-9 * (grid + 0.2 * rng.random((len(kinds), 3)))
    return SuperBlock(interaction, positions, blocks, **more), positions, blocks


def operators(made):
    """The moments of a block as the tensor of the interaction wants them."""
    return full(np.moveaxis(made.stress, 0, -1)).transpose(2, 3, 0, 1) if made.components == 6 else made.stress


def expected(positions, blocks, interaction=SILICA):
    """The Hamiltonian by Kronecker products, in the basis that the super block has chosen."""
    made = testing.super_block(
        oracle_tensor(interaction), positions, [b.energies for b in blocks], [operators(b) for b in blocks]
    )
    basis = np.eye(1)
    for b in blocks:
        basis = np.kron(basis, b.local.basis)
    return basis.conj().T @ made @ basis


KINDS = {
    "wells": ["wells"] * 5,
    "mixed": ["wells", "real3", "wells", "commuting3"],
    "real": ["real3", "real2", "real3"],
    "complex": ["complex2", "complex4", "complex2"],
    "commuting": ["commuting2", "commuting3", "commuting2", "wells"],
    "mixed real": ["real3", "wells", "real2", "wells"],
    "large": ["complex7", "real7"],
    "one": ["complex3"],
    "uncoupled": ["alone2", "alone2"],
    "single level": ["real2", "real1", "wells"],
}


@pytest.mark.thinned(1)
@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
@INTERACTIONS
def test_hamiltonian_is_that_of_kronecker_products(kinds, interaction):
    made, positions, blocks = system(1, kinds, interaction)
    whole = expected(positions, blocks, interaction)
    scale = np.linalg.norm(whole, 2)
    matrix = made.dense()
    assert_allclose(matrix, whole, rtol=0, atol=100 * EPS * scale)
    assert_allclose(made.energies(), np.linalg.eigvalsh(whole), rtol=0, atol=200 * EPS * scale)
    assert (matrix == matrix.conj().T).all() or np.abs(matrix - matrix.conj().T).max() < 10 * EPS * scale
    assert_allclose(made.diagonal, np.diagonal(whole).real, rtol=0, atol=100 * EPS * scale)
    assert made.dtype == matrix.dtype == made.hamiltonian().dtype
    rng = np.random.default_rng(2)
    for shape in [(), (1,), (2,), (3,), (5,), (0,)]:
        for psi in (rng.normal(size=(made.dimension, *shape)), rng.normal(size=(made.dimension, *shape, 2)) @ [1, 1j]):
            product = made.apply(psi)
            assert product.shape == psi.shape
            assert_allclose(product, matrix @ psi, rtol=0, atol=100 * EPS * scale * np.abs(psi).sum(initial=1.0))


def test_what_is_diagonal_is_found():
    made = system(1, ["wells", "commuting3", "complex3", "real2"])[0]
    beside = [abs(o[:, ~np.eye(o.shape[1], dtype=bool)]).max() for o in map(made.block_stress, range(4))]
    assert beside[:2] == [0.0, 0.0]
    assert min(beside[2:]) > 0.1 * STRESS
    assert system(1, ["wells"] * 3)[0].flips.shape == (3,)
    assert (system(1, ["alone2"] * 3)[0].flips == 0.0).all()
    assert made.flips is None


@pytest.mark.thinned(2, bare=1)
@pytest.mark.parametrize("kinds", ["mixed", "mixed real", "large", "wells"])
@pytest.mark.parametrize("sizes", [{"_CLUSTER": 2, "_ALONE": 2}, {"_CLUSTER": 6, "_MATRIX": 0}])
def test_every_way_of_sweeping_is_the_same(monkeypatch, kinds, sizes):
    for name, value in {**sizes, "_LOW": 1, "_LOWEST": 2, "_HIGH": 2, "_WIDTH": 3, "_SMALL": 4}.items():
        monkeypatch.setattr(sums, name, value)
    made, positions, blocks = system(3, KINDS[kinds], DIPOLES)
    whole = expected(positions, blocks, DIPOLES)
    for k in (1, 2, 7):
        psi = np.random.default_rng(k).normal(size=(made.dimension, k, 2)) @ [1, 1j]
        product = made.apply(psi, threads=1)
        assert_allclose(product, whole @ psi, rtol=0, atol=1e3 * EPS * np.linalg.norm(whole, 2))
        assert (made.apply(psi, threads=3) == product).all()
        if made.dtype == np.float64:
            assert_allclose(made.apply(psi.real), product.real, rtol=0, atol=1e3 * EPS * np.linalg.norm(whole, 2))


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(["wells", "real3", "complex2", "commuting3"]), max_size=3))
@settings(max_examples=10)
def test_hermitian_and_of_the_trace_of_the_blocks(seed, kinds):
    made = system(seed, ["real2", *kinds])[0]
    bra, ket = np.random.default_rng(seed).normal(size=(2, made.dimension, 2)) @ [1, 1j]
    scale = np.abs(made.diagonal).max() + np.linalg.norm(made.apply(ket))
    assert abs(np.vdot(bra, made.apply(ket)) - np.vdot(made.apply(bra), ket)) < 1e-13 * made.dimension * scale
    mean = sum(np.trace(made.block_hamiltonian(s)).real / d for s, d in enumerate(made.dims))
    pairs = itertools.combinations(range(made.n_blocks), 2)
    traces = [np.einsum("aii->a", made.block_stress(s)).real / d for s, d in enumerate(made.dims)]
    mean += sum(2 * traces[s] @ made.couplings[s, t] @ traces[t] for s, t in pairs)
    assert made.energies().mean() == pytest.approx(mean, abs=1e-12 * scale)


@pytest.mark.compiled
def test_many_two_level_blocks():
    rng, n = np.random.default_rng(4), 17
    made = system(4, ["wells"] * n)[0]
    psi = rng.normal(size=made.dimension)
    result = made.diagonal * psi
    for s in range(n):
        result += made.flips[s] * psi.reshape(1 << s, 2, -1)[:, ::-1].ravel()
    product = made.apply(psi, threads=1)
    assert_allclose(product, result, rtol=0, atol=1e-13 * np.abs(result).max())
    assert (made.apply(psi, threads=2) == product).all()
    out = np.empty_like(psi)
    assert made.apply(psi, out=out) is out
    assert (out == product).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 8])
def test_flips(n, lanes):
    rng = np.random.default_rng(n)
    flips, x, y = rng.normal(size=n), rng.normal(size=(1 << n, lanes)), rng.normal(size=(1 << n, lanes))
    result = y + sum(
        (f * testing.on_block([[0.0, 1.0], [1.0, 0.0]], s, [2] * n) @ x for s, f in enumerate(flips)), start=0.0 * x
    )
    flat = y.ravel().copy()
    add_flips(flips, x.ravel(), flat)
    assert_allclose(flat.reshape(y.shape), result, rtol=0, atol=1e-14 * max(1, n))


def test_two_equal_blocks_in_closed_form():
    tunnelling, stress = 1.3 * ENERGY, np.array([0, 0, 0.3, 0, 0, 1.0]) * STRESS
    positions = np.array([[0.0, 0, 0], [0, 0, 5e-9]])
    made = SuperBlock(SILICA, positions, Block.two_level(0.0, tunnelling, stress))
    coupling = 0.5 * np.einsum("a,ab,b->", stress, made.couplings[0, 1], stress)  # J of J sigma_z sigma_z
    tensor = oracle_tensor(SILICA)(positions[0] - positions[1])
    assert coupling == pytest.approx(0.5 * np.einsum("ijkl,ij,kl->", tensor, full(stress), full(stress)), rel=1e-13)
    energy = np.hypot(tunnelling, coupling)
    levels = np.sort([-energy, -abs(coupling), abs(coupling), energy])
    assert_allclose(made.energies(), levels, rtol=0, atol=1e-12 * energy)
    # A = (sigma_z + sigma_z')/2 has one line at T = 0, at J + E, of weight (1 - J/E)/2
    energies, states = np.linalg.eigh(made.dense())
    total = (made.stress(states[:, 0])[5] / stress[5]) @ states
    assert_allclose(energies[np.abs(total) > 1e-6] - energies[0], [energy + coupling], rtol=1e-12)
    assert (total**2).sum() == pytest.approx(0.5 * (1 - coupling / energy), rel=1e-12)


def test_sums_that_the_couplings_do_and_do_not_enter():
    made = system(5, ["wells"] * 5)[0]
    rng = np.random.default_rng(6)
    # f-sum: <[A, [H, A]]> = -2 sum of a^2 Delta_0 <sigma_x>, whatever the state
    a, psi = rng.normal(size=5), rng.normal(size=made.dimension)
    sigma = [testing.on_block(np.diag([1.0, -1.0]), s, made.dims) for s in range(5)]
    flip = [testing.on_block(np.array([[0.0, 1.0], [1.0, 0.0]]), s, made.dims) for s in range(5)]
    A, H = np.tensordot(a, sigma, 1), made.dense()
    inner = H @ A - A @ H
    double = A @ inner - inner @ A
    right = -2 * sum(a[s] ** 2 * 2 * made.flips[s] * psi @ flip[s] @ psi for s in range(5))
    assert psi @ double @ psi == pytest.approx(right, rel=1e-10)
    # of traceless operators, Tr V^2/D = 4 sum over s < t of Lambda Lambda <TT> <TT> at infinite temperature
    for kinds in (["wells"] * 4, ["complex3", "complex2", "real3"]):
        made, positions, blocks = system(7, kinds)
        blocks = [
            Block(b.energies, b.stress - np.einsum("aii->a", b.stress)[:, None, None] * np.eye(b.n_levels) / b.n_levels)
            for b in blocks
        ]
        made = SuperBlock(SILICA, positions, blocks)
        coupled = made.dense()
        for s in range(len(blocks)):
            coupled = coupled - testing.on_block(made.block_hamiltonian(s), s, made.dims)
        correlations = [np.einsum("aij,bji->ab", b.stress, b.stress).real / b.n_levels for b in blocks]
        pairs = itertools.combinations(range(len(blocks)), 2)
        j = made.couplings
        total = 4 * sum(np.trace(j[s, t] @ correlations[t] @ j[t, s] @ correlations[s]) for s, t in pairs)
        assert np.trace(coupled @ coupled).real / made.dimension == pytest.approx(total, rel=1e-12)


@INTERACTIONS
def test_levels_do_not_depend_on_the_order_the_frame_and_the_zero(interaction):
    made, positions, blocks = system(8, ["wells", "complex3", "real2"], interaction)
    levels = made.energies()
    atol = 1e-13 * np.abs(levels).max()
    order = [2, 0, 1]
    swapped = SuperBlock(interaction, positions[order], [blocks[s] for s in order])
    assert_allclose(swapped.energies(), levels, rtol=0, atol=atol)
    q = testing.random_rotation(np.random.default_rng(9))
    axes = "ia,jb,abmn->ijmn" if interaction.components == 6 else "ia,amn->imn"
    turn = [q] * (interaction.components // 3)
    turned = [Block(b.energies, np.einsum(axes, *turn, operators(b))) for b in blocks]
    assert_allclose(SuperBlock(interaction, positions @ q.T, turned).energies(), levels, rtol=0, atol=atol)
    shifted = [Block(b.energies + (s + 1) * ENERGY, b.stress) for s, b in enumerate(blocks)]
    assert_allclose(SuperBlock(interaction, positions, shifted).energies(), levels + 6 * ENERGY, rtol=0, atol=10 * atol)


CLASSICAL = {
    "open": ({}, False),
    "periodic": ({"boundary": "periodic", "cell": [2e-8, 1.8e-8, 1.7e-8]}, False),
    "lattice": ({}, mbfast.BlockLattice((2, 1, 2), 5e-9)),
    "cubes": ({}, mbfast.BlockLattice((2, 1, 2), 5e-9, averaged=True)),
    "periodic lattice": ({"boundary": "periodic"}, mbfast.BlockLattice((2, 1, 2), 5e-9)),
    "periodic cubes": ({"boundary": "periodic"}, mbfast.BlockLattice((1, 2, 2), 5e-9, averaged=True)),
}


@pytest.mark.compiled
@pytest.mark.thinned(1)
@pytest.mark.parametrize(("more", "lattice"), CLASSICAL.values(), ids=CLASSICAL)
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_without_tunnelling_energies_are_those_of_the_moments(more, lattice, interaction):
    rng = np.random.default_rng(10)
    positions = 5e-9 * np.array([[0, 0, 0], [1, 0.1, 0], [0.2, 1, 0], [1, 1, 1.0]])
    moments = rng.normal(0, COUPLED[interaction.components], (4, interaction.components))
    asymmetries = rng.normal(0, ENERGY, 4)
    blocks = lattice or positions
    made = SuperBlock(
        interaction, blocks, [Block.two_level(d, 0.0, m) for d, m in zip(asymmetries, moments, strict=True)], **more
    )
    held = [(1e9, 2e9, 0.0, 0.0, -1e9, 3e9)] if interaction is SILICA else []  # a given mean stress
    conditions = [*interaction.conditions, *held] if more else [None]
    for condition in conditions:
        made = SuperBlock(interaction, blocks, made.levels, **more, macroscopic=condition)
        signs = np.stack([np.diagonal(made.block_stress(s)[0]).real / moments[s, 0] for s in range(4)])  # of sigma_z/2
        found = made.diagonal.reshape(made.dims)
        for state in [(0, 0, 0, 0), (0, 1, 1, 0), (1, 1, 0, 1)]:
            half = signs[range(4), state]
            energy = mbfast.pair_energy(
                interaction, blocks, (half[:, None] * moments).reshape(*(lattice.shape if lattice else (4,)), -1),
                **more, macroscopic=condition,
            )  # fmt: skip
            assert found[state] == pytest.approx(energy + half @ asymmetries, abs=1e-11 * np.abs(found).max())
    assert (np.abs(made.couplings[range(4), range(4)]).max() > 0) == bool(more)


def test_a_block_among_its_own_images():
    rng = np.random.default_rng(11)
    made = SuperBlock(SILICA, mbfast.BlockLattice((1, 1, 1), 5e-9), block(rng, "complex3"), boundary="periodic")
    given, j = made.levels[0], made.couplings[0, 0]
    squares = np.einsum("ab,aij,bjk->ik", j, given.stress, given.stress)
    assert_allclose(made.dense(), np.diag(given.energies) + squares, rtol=0, atol=1e-13 * np.abs(squares).max())


@pytest.mark.parametrize("more", [{}, {"boundary": "periodic", "cell": [[2e-8, 0, 0], [0, 2e-8, 0], [1e-9, 0, 2e-8]]}])
@pytest.mark.compiled
def test_a_strain_moves_positions_and_couples_to_stresses(more):
    e = np.array([[1e-3, 2e-4, 0], [2e-4, -5e-4, 3e-4], [0, 3e-4, 7e-4]])
    made, positions, blocks = system(12, ["wells", "complex2", "real3"], strain=e, **more)
    moved = {**more, "cell": np.array(more["cell"]) @ (np.eye(3) + e)} if more else {}
    plain = SuperBlock(SILICA, positions @ (np.eye(3) + e), blocks, **moved)
    six = e[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    extra = sum(
        testing.on_block(np.einsum("a,aij->ij", WEIGHTS * six, made.block_stress(s)), s, made.dims) for s in range(3)
    )
    whole = made.dense()
    assert_allclose(whole - plain.dense(), extra, rtol=0, atol=1e-11 * np.abs(whole).max())
    assert_allclose(made.positions, plain.positions, rtol=1e-14)
    assert (system(12, ["wells", "complex2", "real3"], strain=six, **more)[0].dense() == whole).all()


def test_a_small_strain_changes_couplings_by_their_derivative():
    e = 1e-6 * np.array([[1.0, 0.3, 0.0], [0.3, -0.5, 0.2], [0.0, 0.2, 0.4]])
    made, positions, blocks = system(13, ["wells"] * 3, strain=e)
    before = SuperBlock(SILICA, positions, blocks)
    for s, t in itertools.combinations(range(3), 2):
        r = positions[s] - positions[t]
        change = SILICA.tensor_change(r, r @ e)
        moments = full(np.random.default_rng(s).normal(size=(2, 6)))
        both = [WEIGHTS * m[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] / WEIGHTS for m in moments]
        expected_change = np.einsum("ijkl,ij,kl->", change, *moments)
        found = both[0] @ (made.couplings - before.couplings)[s, t] @ both[1]
        assert found == pytest.approx(expected_change, abs=1e-5 * np.abs(change).max())


STRAIN = np.array([[2e-2, 1e-2, 0], [1e-2, -3e-2, 2e-2], [0, 2e-2, 1e-2]])


@pytest.mark.compiled
@pytest.mark.parametrize("more", [{}, {"boundary": "periodic", "cell": [2e-8, 1.8e-8, 1.7e-8]}], ids=["open", "cell"])
@INTERACTIONS
def test_moments_that_follow_a_strain(interaction, more):
    # the energy of two wells without tunnelling is that of the moments F T F^T, or F p, at F x, and T:(F^2 - 1)/2
    rng, forward = np.random.default_rng(21), np.eye(3) + STRAIN
    positions = 5e-9 * np.array([[0, 0, 0], [1, 0.1, 0], [0.2, 1, 0], [1, 1, 1.0]])
    moments = rng.normal(0, COUPLED[interaction.components], (4, interaction.components))
    blocks = [Block.two_level(0.0, 0.0, m) for m in moments]
    given = {**more, "strain": STRAIN, "moment_change": "gradient"}
    made = SuperBlock(interaction, positions, blocks, **given)
    tensors = full(moments) if interaction.components == 6 else moments
    moved = forward @ tensors @ forward if interaction.components == 6 else tensors @ forward
    work = np.zeros(4)
    if interaction.components == 6:
        work = np.einsum("sij,ij->s", tensors, STRAIN + 0.5 * STRAIN @ STRAIN)
    cell = {**more, "cell": np.diag(more["cell"]) @ forward} if more else {}
    found, stresses = made.diagonal.reshape(made.dims), [made.block_stress(s) for s in range(4)]
    for state in [(0, 0, 0, 0), (0, 1, 1, 0), (1, 1, 0, 1)]:
        half = np.array([stresses[s][0, j, j] / moved[s].flat[0] for s, j in enumerate(state)])  # 1/2 or -1/2
        assert_allclose(np.abs(half), 0.5, rtol=1e-12)
        now = (half * moved.T).T
        for s, j in enumerate(state):  # all components have become what follows the strain
            tensor = full(stresses[s][:, j, j]) if interaction.components == 6 else stresses[s][:, j, j]
            assert_allclose(tensor, now[s], rtol=0, atol=1e-13 * np.abs(now).max())
        energy = mbfast.pair_energy(interaction, positions @ forward, now, **cell)
        assert found[state] == pytest.approx(energy + half @ work, abs=1e-11 * np.abs(found).max())


@INTERACTIONS
def test_a_rotation_of_everything_costs_no_energy(interaction):
    # positions and moments by any gradient, and so by a rotation, which an external strain does not have
    rng, n = np.random.default_rng(22), interaction.components
    gradient = testing.random_rotation(np.random.default_rng(23)) - np.eye(3)
    work, follow = couplings.Deformation.of(gradient, n, "gradient")
    assert np.abs(work).max() < 1e-14
    problem = PairProblem.of(interaction, 5e-9 * rng.normal(size=(3, 3)))
    before, after = (couplings.coupling_matrices(p) for p in (problem, couplings.strained(problem, gradient)))
    assert_allclose(follow.T @ after @ follow, before, rtol=0, atol=1e-12 * np.abs(before).max())
    assert np.abs(after - before).max() > 0.1 * np.abs(before).max()  # moments that stay do not


@pytest.mark.compiled
def test_first_order_of_a_strain_with_moments_that_stay_and_that_follow():
    # (2.18): e:T + the virial at fixed moments, and 2 Lambda Delta T T with Delta T = eT + Te
    rng = np.random.default_rng(24)
    positions = 5e-9 * (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]) + 0.1 * rng.normal(size=(3, 3)))
    moments = full(rng.normal(0, STRESS, (3, 6)))
    blocks = [Block.two_level(0.0, 0.0, m) for m in moments]
    field, virial = (f(SILICA, positions, moments / 2) for f in (mbfast.pair_field, mbfast.pair_virial))
    e, turn = STRAIN / np.abs(STRAIN).max(), np.array([[0, 1.0, -0.4], [-1.0, 0, 0.2], [0.4, -0.2, 0]])

    def follows(gradient):  # field: dE/dT is twice that
        return 2 * np.sum(field * (gradient @ moments + moments @ gradient.T)) / 2

    assert np.sum(virial * turn) + follows(turn) == pytest.approx(0, abs=1e-12 * np.abs(virial).max())
    wanted = {"none": np.sum(moments * e) / 2 + np.sum(virial * e)}
    wanted["gradient"] = wanted["none"] + follows(e)
    for moment_change, slope in wanted.items():
        h, energies = 1e-3, {}
        for steps in (-2, -1, 1, 2):
            made = SuperBlock(SILICA, positions, blocks, strain=steps * h * e, moment_change=moment_change)
            up = [int(np.argmax(np.diagonal(made.block_stress(s)[0]) * moments[s, 0, 0])) for s in range(3)]
            energies[steps] = made.diagonal.reshape(made.dims)[tuple(up)]
        found = (8 * (energies[1] - energies[-1]) - (energies[2] - energies[-2])) / (12 * h)
        assert found == pytest.approx(slope, rel=1e-7)


def test_total_stress_of_a_wave():
    made, positions, _ = system(14, ["wells", "complex3", "real2"])
    psi = np.random.default_rng(15).normal(size=(made.dimension, 2, 2)) @ [1, 1j]
    for k in (None, [0.0, 0.0, 0.0], [1e8, -2e8, 3e8]):
        result = made.stress(psi, k)
        phases = np.exp(1j * positions @ (np.zeros(3) if k is None else k))
        for a, found in enumerate(result):
            total = sum(phases[s] * testing.on_block(made.block_stress(s)[a], s, made.dims) for s in range(3))
            assert_allclose(found, total @ psi, rtol=0, atol=1e-13 * np.abs(result).max())
    wells = system(14, ["wells"] * 3)[0]
    assert wells.stress(psi[:8, 0].real).dtype == np.float64
    assert wells.stress(psi[:8, 0].real, [1e8, 0, 0]).shape == (6, 8)


def test_lowest_levels(monkeypatch):
    made = system(16, ["wells"] * 3 + ["real3", "real2"])[0]
    everything = made.energies()
    assert (made.energies(4) == everything[:4]).all()
    monkeypatch.setattr(hamiltonian, "_DENSE", 8)
    few = made.energies(4)
    assert_allclose(few, everything[:4], rtol=0, atol=1e-12 * np.abs(everything).max())
    # the library of matrices may round vectors that lie elsewhere in memory otherwise
    assert_allclose(few, made.energies(4, threads=1), rtol=0, atol=1e-13 * np.abs(everything).max())
    monkeypatch.setattr(lowest, "_RESTARTS", 1)
    with pytest.raises(RuntimeError, match="the 4 lowest levels are not found in 1 restarts"):
        made.energies(4)


SHEAR = [0, 0, 0, 0, 0, 3 * STRESS]
RING = 5e-9 * np.array([[np.cos(t), np.sin(t), 0.0] for t in 0.4 * np.pi * np.arange(5)])


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("blocks", "levels", "counts"),
    [
        # 1, 10, 45, ... states a level
        (5e-9 * np.arange(30.0).reshape(10, 3), Block.two_level(0.3 * ENERGY, ENERGY, np.zeros(6)), (1, 16)),
        (mbfast.BlockLattice((2, 2, 2), 5e-9), Block.two_level(0.0, ENERGY, SHEAR), (5, 10)),
        (mbfast.BlockLattice((2, 2, 2), 5e-9), Block.two_level(0.0, 0.0, SHEAR), (3, 10)),
        (RING, block(np.random.default_rng(3), "complex3"), (2, 6)),
    ],
    ids=["uncoupled", "cube", "no tunnelling", "complex"],
)
def test_lowest_levels_have_all_their_states(monkeypatch, blocks, levels, counts):
    monkeypatch.setattr(hamiltonian, "_DENSE", 8)
    made = SuperBlock(SILICA, blocks, levels)
    everything = np.linalg.eigvalsh(made.dense())
    for count in counts:
        few = made.energies(count, threads=2)
        # of a state that is found the residual is 1e-12 of half the width at most
        assert_allclose(few, everything[:count], rtol=0, atol=2e-12 * np.abs(everything).max())
        # the library of matrices may round vectors that lie elsewhere in memory otherwise
        assert_allclose(few, made.energies(count, threads=1), rtol=0, atol=1e-13 * np.abs(everything).max())


@pytest.mark.parametrize("spread", [0.0, 1e-10, 1e-6, 1e-3])
def test_lowest_levels_far_from_zero(monkeypatch, spread):
    monkeypatch.setattr(hamiltonian, "_DENSE", 8)
    monkeypatch.setattr(lowest, "_RESTARTS", 100)
    rng = np.random.default_rng(4)
    shifts = ENERGY * (1.0 + spread * rng.normal(size=(8, 2)))
    made = SuperBlock(SILICA, 5e-9 * np.arange(24.0).reshape(8, 3), [Block(e, np.zeros((6, 2, 2))) for e in shifts])
    wanted = np.sort(np.array([sum(choice) for choice in itertools.product(*shifts)]))[:3]
    # 32 rounding errors of the largest level, or 1e-12 of half the width, 8 spreads or so
    assert_allclose(made.energies(3), wanted, rtol=0, atol=8 * ENERGY * (64 * EPS + 1e-11 * spread))


def test_operator_for_scipy():
    made = system(17, ["complex2", "complex3"])[0]
    operator, matrix = made.hamiltonian(threads=1), made.dense()
    eye = np.eye(made.dimension)
    assert (operator @ eye == matrix).all()
    assert_allclose(operator.H @ eye, matrix, rtol=0, atol=1e-15 * np.abs(matrix).max())
    assert (operator @ eye[0] == made.apply(eye[0])).all()


def test_what_does_not_fit_is_refused_with_numbers(monkeypatch):
    monkeypatch.setattr(hamiltonian, "available_memory", lambda: 1e6)
    wells = Block.two_level(0.0, ENERGY, [STRESS, 0, 0, 0, 0, 0])
    positions = 5e-9 * np.arange(6000.0).reshape(-1, 3)
    with pytest.raises(
        MemoryError, match=r"20 blocks with 1.049e\+06 states needs 0.0252 GB, 0.001 GB .* 15 two-level"
    ):
        SuperBlock(SILICA, positions[:20], wells)
    with pytest.raises(MemoryError, match="2000 blocks"):
        SuperBlock(SILICA, positions, wells)
    made = SuperBlock(SILICA, positions[:10], wells)
    with pytest.raises(
        MemoryError, match=r"whole matrix of 10 blocks .* needs 0.0252 GB.* 2e.02 states, 7 two-level blocks"
    ):
        made.energies()
    with pytest.raises(MemoryError, match="stress of 10 blocks"):
        made.stress(np.ones((1024, 16)))


def test_copies_are_the_same_and_cannot_be_written_to():
    made = system(20, ["wells", "complex3", "real2"])[0]
    psi = np.ones(made.dimension)
    for one in (made, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (one.apply(psi) == made.apply(psi)).all()
        for array in (one.diagonal, one.couplings, one.positions):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0.0


def test_super_blocks_say_what_they_are():
    made = system(18, ["wells", "complex3"])[0]
    assert repr(made).startswith("<SuperBlock: 2 blocks of 2 to 3 levels, 6 states, complex128, StressInteraction(")
    assert "2 blocks of 2 levels, 4 states, float64" in repr(system(18, ["wells"] * 2)[0])
    assert repr(block(np.random.default_rng(0), "complex3")) == "<Block: 3 levels, stress, complex128>"
    assert repr(made.levels[0]) == "<Block: 2 levels, stress, float64>"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"blocks": np.empty((0, 3))}, "blocks must be one at least"),
        (
            {"levels": [Block([0.0, 1.0], np.zeros((6, 2, 2)))] * 3},
            "levels must be as many as there are blocks, 2, got 3",
        ),
        ({"levels": Block([0.0, 1.0], np.zeros((3, 2, 2)))}, "levels must have 6 components"),
        ({"strain": np.triu(np.full((3, 3), 1e-3))}, "strain must be symmetric"),
        ({"moment_change": "strain"}, "moment_change must be .*got 'strain'"),
        ({"strain": [0.2, 0, 0, 0, 0, 0]}, "strain must be below 0.1"),
        ({"strain": [0.1, 0.0]}, r"strain must have shape \(6,\) or \(3, 3\)"),
        ({"blocks": mbfast.BlockLattice((2, 1, 1), 5e-9, averaged=True), "strain": np.zeros(6)}, "strain moves blocks"),
    ],
)
def test_what_a_super_block_refuses(arguments, words):
    given = {"blocks": [[0, 0, 0], [0, 0, 5e-9]], "levels": Block([0.0, 1.0], np.zeros((6, 2, 2)))}
    with pytest.raises(ValueError, match=words):
        SuperBlock(SILICA, **{**given, **arguments})


@pytest.mark.parametrize(
    ("psi", "out", "error"),
    [
        (np.ones(3), None, ValueError),
        (np.ones((4, 1, 1)), None, ValueError),
        (["a"] * 4, None, TypeError),
        ([0.0, np.nan, 0.0, 0.0], None, ValueError),
        ([0.0, 0.0, 0.0, 1j * np.inf], None, ValueError),
        (np.full((4, 2), [0.0, -np.inf]), None, ValueError),
        (np.ones(4), np.ones(4, np.float32), TypeError),
        (np.ones(4), np.ones(4, complex), TypeError),
        (np.ones(4), np.ones((4, 1)), ValueError),
        (np.ones((4, 2)), np.ones((4, 2), order="F"), ValueError),
    ],
)
def test_states_that_are_refused(psi, out, error):
    made = system(19, ["wells"] * 2)[0]
    with pytest.raises(error, match="psi must" if out is None else "out must"):
        made.apply(psi, out=out)
    if out is None:
        with pytest.raises(error, match="psi must"):
            made.stress(psi)


def test_states_may_be_so_large_that_their_norm_is_beyond_the_doubles():
    made = system(19, ["wells"] * 2)[0]
    assert (made.apply(np.full(4, 2.0**1000)) == 2.0**1000 * made.apply(np.ones(4))).all()


def test_a_state_is_not_written_over():
    made, psi = system(19, ["wells"] * 2)[0], np.ones(4)
    with pytest.raises(ValueError, match="out must not share memory with psi"):
        made.apply(psi, out=psi)


def test_a_two_level_block():
    delta, tunnelling, stress = 0.7 * ENERGY, -1.1 * ENERGY, STRESS * np.arange(1.0, 7.0)
    made = Block.two_level(delta, tunnelling, stress)
    sigma_z, sigma_x = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
    levels, states = np.linalg.eigh(0.5 * (delta * sigma_z + tunnelling * sigma_x))
    assert_allclose(made.energies, levels, rtol=1e-15)
    wells = states.T @ sigma_z @ states / 2
    assert_allclose(np.diagonal(made.stress[2]), stress[2] * np.diagonal(wells), rtol=1e-14)
    assert_allclose(np.abs(made.stress[:, 0, 1]), stress * abs(wells[0, 1]), rtol=1e-14)
    assert (Block.two_level(delta, tunnelling, full(stress)).stress == made.stress).all()
    assert Block.two_level(0.0, 0.0, stress[:3]).components == 3
    # as the two-level system of (2.1)
    system_ = mbfast.TwoLevelSystem(delta, tunnelling, STRESS, STRESS, "half")
    assert_allclose(np.ptp(made.energies), np.ptp(np.linalg.eigvalsh(system_.hamiltonian())), rtol=1e-14)


def test_layouts_of_a_block():
    rng = np.random.default_rng(20)
    six = hermitian(rng, 6, 3, real=False)
    made = Block([0.0, 2.0, 1.0], six)
    assert (made.stress == six).all()
    assert (Block([0.0, 2.0, 1.0], full(np.moveaxis(six, 0, -1)).transpose(2, 3, 0, 1)).stress == six).all()
    for array in (made.stress, made.energies, pickle.loads(pickle.dumps(made)).stress):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    for wrong, words in [
        (six + 1e-6j, "stress must be Hermitian"),
        (six[:5], "stress must have shape"),
        (rng.normal(size=(3, 3, 3, 3)), "stress must be symmetric"),
        (np.full((6, 3, 3), np.inf), "stress must be finite"),
    ]:
        with pytest.raises(ValueError, match=words):
            Block([0.0, 2.0, 1.0], wrong)


def test_isotropic_stresses():
    rng, n, delta = np.random.default_rng(21), 40_000, np.eye(3)
    for x in (-2 / 3, 0.0, 1.5):
        drawn = full(ensembles.isotropic_stress(n, STRESS, x, rng=rng)) / STRESS
        moments = np.einsum("nij,nkl->ijkl", drawn, drawn) / n
        isotropic = (
            x * np.einsum("ij,kl->ijkl", delta, delta)
            + np.einsum("ik,jl->ijkl", delta, delta)
            + np.einsum("il,jk->ijkl", delta, delta)
        )
        assert np.abs(moments - isotropic).max() < 6 * (2 + abs(x)) * np.sqrt(2 / n)


def test_two_level_blocks_have_the_standard_distribution():
    rng, n, most, least = np.random.default_rng(22), 2000, 1e-23, 1e-26
    stress = np.ones((n, 3)) * DIPOLE
    blocks = ensembles.two_level_blocks(n, stress, most, least, rng=rng)
    energy = np.array([np.ptp(b.energies) for b in blocks])
    asymmetry = energy * np.array([-2 * b.stress[0, 0, 0] for b in blocks]) / DIPOLE
    tunnelling = energy * np.array([2 * b.stress[0, 0, 1] for b in blocks]) / DIPOLE
    assert tunnelling.min() >= least * (1 - 1e-12)
    assert energy.max() <= most * (1 + 1e-12)
    assert scipy.stats.kstest(asymmetry / np.sqrt(most**2 - tunnelling**2), "uniform", (-1, 2)).pvalue > 1e-6
    # ln Delta_0 has the density sqrt(1 - (Delta_0/E)^2)
    grid = np.geomspace(least, most, 4001)
    below = np.concatenate([[0.0], np.cumsum(np.sqrt(1 - ((grid[1:] + grid[:-1]) / (2 * most)) ** 2))])
    uniform = np.interp(np.log(tunnelling), np.log(grid), below / below[-1])
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 1e-6
    again = ensembles.two_level_blocks(3, stress[:3], most, least, rng=np.random.default_rng(22))
    assert all((a.stress == b.stress).all() for a, b in zip(blocks, again, strict=False))


@pytest.mark.parametrize("ensemble", ["GOE", "GUE"])
def test_gaussian_blocks(ensemble):
    rng = np.random.default_rng(23)
    blocks = ensembles.gaussian_blocks(300, 4, ENERGY, STRESS, 0.5, ensemble=ensemble, rng=rng)
    elements = np.array([b.stress for b in blocks]) / STRESS
    assert elements.dtype == (np.float64 if ensemble == "GOE" else np.complex128)
    beside = elements[:, :, 0, 3]
    # six standard errors of a mean of 300 squares
    assert np.mean(np.abs(beside[:, 5]) ** 2) == pytest.approx(1.0, abs=6 * np.sqrt(2 / 300))
    assert np.mean((beside[:, 0] * beside[:, 1].conj()).real) == pytest.approx(0.5, abs=6 * np.sqrt(7 / 300))
    along = np.mean(elements[:, 5, 1, 1].real ** 2)
    assert along == pytest.approx(2.0 if ensemble == "GOE" else 1.0, abs=12 * np.sqrt(2 / 300))
    squares = np.mean([np.sum(b.energies**2) for b in blocks]) / ENERGY**2
    assert squares == pytest.approx(20.0 if ensemble == "GOE" else 16.0, rel=0.2)


def test_halves_of_a_diagonal():
    rng = np.random.default_rng(24)
    slow, fast, factors, columns = (rng.normal(size=shape) for shape in (3, 5, (3, 2), (2, 5)))
    out = np.empty(15)
    sweeps.outer_sums(slow, fast, factors, columns, out)
    assert_allclose(out.reshape(3, 5), slow[:, None] + fast + factors @ columns, rtol=1e-14)


def test_blocks_that_do_not_interact():
    rng = np.random.default_rng(25)
    coupled, silent = block(rng, "complex2"), Block([0.0, ENERGY, 3 * ENERGY], np.zeros((6, 3, 3)))
    alone = SuperBlock(SILICA, [[0, 0, 0]], coupled).energies()
    for pair in ([coupled, silent], [silent, coupled], [Block.two_level(0.0, ENERGY, np.zeros(6)), coupled]):
        made = SuperBlock(SILICA, [[0, 0, 0], [0, 0, 5e-9]], pair)
        other = next(b for b in pair if b is not coupled).energies
        expected = np.sort(np.add.outer(alone, other).ravel())
        assert_allclose(made.energies(), expected, rtol=0, atol=1e-14 * np.abs(expected).max())


def test_levels_of_nothing_are_zero():
    made = SuperBlock(DIPOLES, 1e-9 * np.arange(30.0).reshape(10, 3), Block([0, 0], np.zeros((3, 2, 2))))
    assert made.energies(3).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("energy", [1e-170, 1e-270, 1e35])
def test_levels_whose_squares_are_no_doubles(monkeypatch, energy):
    monkeypatch.setattr(hamiltonian, "_DENSE", 8)
    made = SuperBlock(SILICA, 5e-9 * np.arange(18.0).reshape(6, 3), Block.two_level(energy, energy, np.zeros(6)))
    assert_allclose(made.energies(1), made.energies()[:1], rtol=1e-11)
    levels = SuperBlock(SILICA, 5e-9 * np.arange(18.0).reshape(6, 3), Block([energy, energy], np.zeros((6, 2, 2))))
    assert_allclose(levels.energies(1), [6 * energy], rtol=1e-11)


def test_energies_beyond_doubles_are_refused():
    weak, far = mbfast.DipoleInteraction(1e-35), [[0, 0, 0], [1e-36, 0, 0], [1e-75, 0, 0]]
    with pytest.raises(ValueError, match="beyond the range of doubles"):
        SuperBlock(weak, far, Block.two_level(0.0, 1.0, [0, 0, 1e35]))
