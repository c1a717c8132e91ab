"""The protocol that the methods of summation share, and interactions as data."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from materials import DIPOLES, SILICA, oracle_tensor, random_moments
from numpy.testing import assert_allclose, assert_array_equal

import mbfast
from mbfast import testing
from mbfast.pairs.interactions import TensorInteraction, VectorInteraction
from mbfast.pairs.planning import METHODS, auto_method
from mbfast.pairs.problem import PairProblem

LATTICE = mbfast.BlockLattice((3, 2, 4), 2e-9)
POSITIONS = LATTICE.positions
CUBES = mbfast.BlockLattice((3, 2, 4), 2e-9, averaged=True)
MAKERS = {
    "direct": lambda interaction: mbfast.DirectField(interaction, LATTICE),
    "fft": lambda interaction: mbfast.LatticeField(interaction, LATTICE),
    "ewald": lambda interaction: mbfast.EwaldField(interaction, LATTICE),
}
METHOD = pytest.mark.parametrize("method", [pytest.param("ewald", marks=pytest.mark.compiled), "direct", "fft"])


@dataclass(frozen=True)
class MagneticDipoles(VectorInteraction):
    """V = sum over ordered pairs of mu_0/(8 pi r^3) (delta_ij - 3 n_i n_j) m_i m'_j."""

    permeability: float = 1.25663706127e-6

    @property
    def prefactor(self):
        return self.permeability / (8 * np.pi)


@dataclass(frozen=True)
class BareStress(TensorInteraction):
    """Lambda~ of (2.15) for a given alpha, with the prefactor 1."""

    a: float
    form = "corrected"
    prefactor = 1.0
    alpha = property(lambda self: self.a)
    coefficients = property(lambda self: (1 - self.a, 6 * self.a - 3, self.a))


def moments(interaction, seed=0, shape=LATTICE.shape):
    return random_moments(seed, shape, interaction)


def magnetic_field(positions, m):
    """B/2 of the other dipoles, from B = mu_0/(4 pi r^3) (3 n (n.m) - m), with the sign of the energy."""
    field = np.zeros_like(m)
    for s, x in enumerate(positions):
        for t, y in enumerate(positions):
            if s != t:
                r = np.linalg.norm(x - y)
                n = (x - y) / r
                field[s] -= 1.25663706127e-6 / (8 * np.pi) * (3 * n * (n @ m[t]) - m[t]) / r**3
    return field


@METHOD
def test_a_third_interaction_goes_through_every_method(method):
    m = moments(MagneticDipoles()) * 9.27e-24
    expected = magnetic_field(POSITIONS, m.reshape(-1, 3)).reshape(m.shape)
    field = MAKERS[method](MagneticDipoles())
    assert_allclose(field(m), expected, rtol=0, atol=max(field.rtol, 1e-13) * np.abs(expected).max())
    assert field.energy(m) == pytest.approx(np.sum(m * expected), rel=1e-5)
    assert mbfast.pair_energy(MagneticDipoles(), LATTICE, m) == pytest.approx(np.sum(m * expected), rel=1e-12)


@pytest.mark.compiled
def test_a_third_interaction_as_cubes_periodic_and_planned():
    ours, theirs = MagneticDipoles(), mbfast.DipoleInteraction(1 / 1.25663706127e-6)
    m = moments(ours)
    for blocks, options in (
        (CUBES, {"method": "fft"}),
        (CUBES, {"method": "direct"}),
        (LATTICE, {"boundary": "periodic"}),
        (LATTICE, {"boundary": "periodic", "macroscopic": "vacuum"}),
    ):
        expected = mbfast.pair_field(theirs, blocks, m, **options)
        atol = 1e-12 * np.abs(expected).max()
        assert_allclose(mbfast.pair_field(ours, blocks, m, **options), expected, rtol=0, atol=atol)
    assert auto_method(PairProblem.of(ours, mbfast.BlockLattice((20, 20, 20), 1.0)))[0] == "fft"
    wave = [0, 0, 1e8], "transverse"
    assert mbfast.phase_sum(ours, LATTICE, *wave) == pytest.approx(mbfast.phase_sum(theirs, LATTICE, *wave), rel=1e-12)


@METHOD
def test_another_tensor_interaction_goes_through_every_method(method):
    bare = BareStress(SILICA.alpha)
    t = moments(bare)
    expected = mbfast.pair_field(SILICA, LATTICE, t) / SILICA.prefactor
    field = MAKERS[method](bare)
    assert_allclose(field(t), expected, rtol=0, atol=max(field.rtol, 1e-13) * np.abs(expected).max())
    tensor = testing.stress_tensor([1.0, 2.0, -0.5], 2200.0, 5800.0, 3800.0) / SILICA.prefactor
    assert_allclose(bare.tensor([1.0, 2.0, -0.5]), tensor, rtol=0, atol=1e-15 * np.abs(tensor).max() * 20)


@METHOD
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_operators_are_the_symmetric_map_of_moments(method, interaction):
    field = MAKERS[method](interaction)
    operator = field.operator()
    one, other = moments(interaction, 1), moments(interaction, 2)
    assert operator.shape == (one.size, one.size)
    assert_array_equal(operator @ one.ravel(), field(one).ravel())
    assert_array_equal(operator.T @ one.ravel(), operator @ one.ravel())
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, one.size))  # not symmetric in i, j
    scale = np.linalg.norm(operator @ x) * np.linalg.norm(y)
    tolerance = 10 * max(field.rtol, 1e-13)
    assert abs(y @ (operator @ x) - x @ (operator @ y)) <= tolerance * scale
    assert other.ravel() @ (operator @ other.ravel()) == pytest.approx(field.energy(other), rel=1e-9)


@METHOD
def test_a_field_says_what_it_is(method):
    field = MAKERS[method](SILICA)
    assert (field.method, field.interaction, field.boundary) == (method, SILICA, "open")
    assert field.nbytes > 0
    assert field.cost.seconds > 0
    assert field.cost.memory > field.nbytes
    text = repr(field)
    for part in (type(field).__name__, "StressInteraction", "3 x 2 x 4 blocks", "open", f"rtol {field.rtol:g}", "MB"):
        assert part in text
    page = field._repr_html_()
    assert page.startswith(f"<table><caption>{type(field).__name__}</caption><tr><th>interaction</th><td>")
    assert "&#x27;corrected&#x27;" in page  # escaped
    assert "3 x 2 x 4" in page


@METHOD
def test_fields_can_be_pickled(method):
    field = MAKERS[method](DIPOLES)
    copy = pickle.loads(pickle.dumps(field))
    assert_array_equal(copy(moments(DIPOLES)), field(moments(DIPOLES)))
    assert repr(copy) == repr(field)


@METHOD
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_no_blocks_are_blocks_like_others(method, interaction):
    lattice = mbfast.BlockLattice((0, 2, 3), 1e-9)
    field = METHODS[method].of(PairProblem.of(interaction, lattice))
    none = np.empty((0, 2, 3, interaction.components))
    assert field(none).shape == none.shape
    assert field.energy(none) == 0.0
    assert field.nbytes >= 0
    assert field.cost.seconds == 0.0
    assert "0 x 2 x 3 blocks" in repr(field)
    assert (field.operator() @ np.empty(0)).shape == (0,)


@METHOD
def test_out_may_be_the_moments_or_overlap_them(method):
    field, m = MAKERS[method](DIPOLES), moments(DIPOLES)
    expected = field(m)
    whole = np.empty(m.size + 3)
    for start in (0, 3):
        given = whole[3 - start : 3 - start + m.size].reshape(m.shape)
        given[...] = m
        out = whole[start : start + m.size].reshape(m.shape)
        assert_array_equal(field(given, out=out), expected)


@METHOD
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda shape: np.matrix(np.zeros(shape[:2])), TypeError, "got matrix of float64"),
        (lambda shape: np.zeros(shape).tolist(), TypeError, "got list"),
        (lambda shape: np.zeros(shape, np.float32), TypeError, "got ndarray of float32"),
        (lambda shape: np.zeros(shape)[..., ::-1], ValueError, r"and strides \(192, 96, 24, -8\)"),
        (lambda shape: np.zeros(shape[:-1]), ValueError, r"got shape \(3, 2, 4\)"),
        (lambda shape: np.broadcast_to(np.zeros(3), shape), ValueError, "writable"),
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_where_the_result_goes_is_checked_alike(method, make, error, message):
    m = moments(DIPOLES)
    with pytest.raises(error, match="out must be a writable, C-contiguous float64 array .*" + message):
        MAKERS[method](DIPOLES)(m, out=make(m.shape))


def test_positions_of_a_field_are_its_own():
    positions = POSITIONS.copy()
    field, m = mbfast.DirectField(DIPOLES, positions), moments(DIPOLES).reshape(-1, 3)
    expected = field(m)
    positions *= 2
    assert_array_equal(field(m), expected)


@METHOD
def test_moments_and_rtol_are_checked_before_any_set_up(method, monkeypatch):
    monkeypatch.setattr(METHODS[method], "_set_up", lambda *_: pytest.fail("set up for bad arguments"))
    with pytest.raises(ValueError, match="moments must have shape"):
        mbfast.pair_field(SILICA, LATTICE, np.ones(7), method=method)
    for rtol, error in (("banana", TypeError), (1e-13, ValueError), (1.0, ValueError)):
        with pytest.raises(error, match="rtol must"):
            mbfast.pair_field(SILICA, LATTICE, moments(SILICA), method=method, rtol=rtol)


PLACES = np.random.default_rng(3).random((20, 3))  # of blocks, and of what is between and around them
PROBES = np.random.default_rng(4).random((7, 3)) * 2.0 - 0.5
AT_POINTS = pytest.mark.parametrize("method", ["direct", pytest.param("ewald", marks=pytest.mark.compiled)])


@AT_POINTS
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_fields_at_points_are_sums_over_all_blocks(method, interaction, monkeypatch):
    monkeypatch.setattr("mbfast.pairs._ewald.plan._ALL", np.inf)  # on a mesh, as of many blocks
    sources = random_moments(0, (20,), interaction)
    everywhere, nothing = np.concatenate([PLACES, PROBES]), np.zeros((7, *sources.shape[1:]))
    expected = testing.pair_field(oracle_tensor(interaction), everywhere, np.concatenate([sources, nothing]))[-7:]
    made = METHODS[method].of(PairProblem.of(interaction, PLACES, at=PROBES, rtol=1e-9))
    assert_allclose(made(sources), expected, rtol=0, atol=1e-9 * abs(expected).max())
    field = mbfast.pair_field(interaction, PLACES, sources, at=PROBES, method=method, rtol=1e-9)
    assert_array_equal(field, made(sources))
    out = np.empty_like(expected)
    assert made(sources, out=out) is out
    assert_array_equal(out, field)
    assert "20 blocks, 7 points" in repr(made)


@pytest.mark.compiled
@pytest.mark.parametrize("blocks", [PLACES, mbfast.BlockLattice((2, 3, 4), 0.25)], ids=["anywhere", "lattice"])
def test_fields_at_points_are_those_of_blocks_without_moments(blocks):
    """Periodic, all images: what the field at a block is, does not depend on its own moment."""
    lattice = not isinstance(blocks, np.ndarray)
    positions = blocks.positions if lattice else blocks
    sources = random_moments(0, (len(positions),), SILICA)
    options = {"boundary": "periodic", "rtol": 1e-9}
    cell = {"cell": [0.5, 0.75, 1.0] if lattice else [1.0, 1.2, 1.1]}
    everything = np.concatenate([sources, np.zeros((7, 3, 3))])
    expected = mbfast.pair_field(SILICA, np.concatenate([positions, PROBES]), everything, **options, **cell)[-7:]
    given = sources.reshape(2, 3, 4, 3, 3) if lattice else sources
    field = mbfast.pair_field(SILICA, blocks, given, at=PROBES, **options, **({} if lattice else cell))
    assert_allclose(field, expected, rtol=0, atol=2e-9 * abs(expected).max())


@AT_POINTS
def test_no_points_and_no_blocks(method):
    some = mbfast.pair_field(DIPOLES, PLACES, np.ones((20, 3)), at=[], method=method)
    assert some.shape == (0, 3)
    none = mbfast.pair_field(DIPOLES, np.empty((0, 3)), np.empty((0, 3)), at=PROBES, method=method)
    assert_array_equal(none, np.zeros((7, 3)))


@pytest.mark.parametrize(
    ("blocks", "options", "message"),
    [
        (PLACES, {"at": [[0.0, 0.0]]}, r"at must be an \(M, 3\) array of points, got shape \(1, 2\)"),
        (PLACES, {"at": [[0.0, np.nan, 0.0]]}, r"at must be finite, .*, got nan at index \(0, 1\)"),
        (PLACES, {"at": [PROBES[0], PLACES[3]]}, "at must be points between the blocks, got point 1 at block 3"),
        (
            PLACES,
            {"at": PLACES[5:6] + np.array([2.0, -1.0, 0.0]), "boundary": "periodic", "cell": [1.0, 1.0, 1.0]},
            "got point 0 at block 5",
        ),
        (LATTICE, {"self_field": True}, "self_field is for cubes, .*: points have no field of their own"),
        (CUBES, {"at": PROBES}, "at is for blocks that are points, got averaged=True"),
        (LATTICE, {"at": PROBES, "method": "fft"}, "at is for method='direct' and method='ewald', got method='fft'"),
    ],
)
def test_points_are_checked(blocks, options, message):
    shape = (20, 3) if isinstance(blocks, np.ndarray) else (*blocks.shape, 3)
    with pytest.raises(ValueError, match=message):
        mbfast.pair_field(DIPOLES, blocks, np.zeros(shape), **options)


def test_rounding_far_away_does_not_count_nearby():
    """Each point and each block has its own rounding errors; blocks of one cell are told apart as without one."""
    options = {"boundary": "periodic", "cell": [1.0, 1.0, 1.0], "images": 1, "method": "direct"}
    sources = np.ones((20, 3))
    near, far = PLACES[0] + 1e-9, np.array([1e11 + 0.4, 0.3, 0.1])
    both = mbfast.pair_field(DIPOLES, PLACES, sources, at=[near, far], **options)
    assert_array_equal(both[0], mbfast.pair_field(DIPOLES, PLACES, sources, at=[near], **options)[0])
    with pytest.raises(ValueError, match="got point 0 at block 0"):
        mbfast.pair_field(DIPOLES, PLACES + np.array([1e6, 0.0, 0.0]), sources, at=PLACES[:1], **options)
    close = [[0.0, 0.0, 0.0], [1e-30, 0.0, 0.0], [1e10 + 0.3, 0.3, 0.1]]
    assert np.isfinite(mbfast.pair_field(DIPOLES, close, np.ones((3, 3)), **options)).all()
    with pytest.raises(ValueError, match="blocks 0 and 2 coincide up to a period"):
        mbfast.pair_field(DIPOLES, [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [7.0, 0.0, 0.0]], np.ones((3, 3)), **options)


@pytest.mark.parametrize("cell", [[1e40, 1e40, 1e40], [1e-40, 1.0, 1.0], [1e-110] * 3, [1e200, 1.0, 1.0]])
def test_cells_have_sizes_of_things(cell):
    with np.errstate(all="raise"), pytest.raises(ValueError, match=r"^cell must"):
        mbfast.DirectField(DIPOLES, [[0.0, 0.0, 0.0]], boundary="periodic", cell=cell, images=1)


@pytest.mark.compiled
@pytest.mark.parametrize("side", [1e-34, 1e-10, 1.0, 1e34])
@pytest.mark.parametrize("interaction", [SILICA, DIPOLES], ids=["stress", "dipole"])
def test_one_block_in_cells_of_any_size(interaction, side):
    moment = np.eye(3)[None] if interaction is SILICA else np.ones((1, 3))
    field, unit = (
        mbfast.pair_field(interaction, np.zeros((1, 3)), moment, boundary="periodic", cell=[a, a, 2 * a]) * a**3
        for a in (side, 1.0)
    )
    assert_allclose(field, unit, rtol=0, atol=1e-11 * abs(unit).max())


def test_points_have_a_field_only():
    field = mbfast.DirectField(DIPOLES, PLACES, at=PROBES)
    with pytest.raises(ValueError, match="at is for fields; the energy is that of the blocks"):
        field.energy(np.zeros((20, 3)))
    with pytest.raises(ValueError, match="at is for fields; the operator is that between the blocks"):
        field.operator()


@pytest.mark.parametrize("gap", [1e-110, 1e-150, 1e-200, 1e-300])
@AT_POINTS
def test_blocks_that_all_but_coincide_are_refused(method, gap):
    """Their field is beyond the range of doubles, or their distance, squared, is zero."""
    positions = [[0.0, 0.0, 0.0], [gap, 0.0, 0.0], [1.0, 0.0, 0.0]]
    for function in (mbfast.pair_field, mbfast.pair_energy):
        with pytest.raises(ValueError, match=r"beyond the range of doubles|blocks 0 and 1 coincide"):
            function(SILICA, positions, np.ones((3, 6)), method=method)


@METHOD
def test_energies_beyond_the_range_of_doubles_are_refused(method):
    large = np.full((*LATTICE.shape, 3), 1e149)
    field = mbfast.pair_field(DIPOLES, LATTICE, large, method=method)
    assert np.isfinite(field).all()
    with pytest.raises(ValueError, match="have an energy beyond the range of doubles"):
        mbfast.pair_energy(DIPOLES, LATTICE, large, method=method)


def test_a_class_is_no_interaction():
    with pytest.raises(TypeError, match=r"interaction must be an Interaction \(.*\), got <class"):
        mbfast.DirectField(mbfast.DipoleInteraction, LATTICE)


def test_results_say_what_made_them():
    m = moments(SILICA)
    result = mbfast.pair_sum(SILICA, LATTICE, m)
    assert_array_equal(result.field, mbfast.pair_field(SILICA, LATTICE, m))
    assert (result.method, result.rtol) == ("direct", 1e-13)
    assert result.energies.shape == (LATTICE.n_blocks,)
    assert result.energy == pytest.approx(mbfast.pair_energy(SILICA, LATTICE, m), rel=1e-12)
    assert result.error == 1e-13 * np.abs(result.field).max()


@pytest.mark.parametrize("layout", [(6,), (3, 3), (3,)])
def test_energies_are_contractions_in_every_layout(layout):
    interaction = DIPOLES if layout == (3,) else SILICA
    m = moments(interaction)
    given = m if layout != (6,) else m[..., [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    result = mbfast.pair_sum(interaction, LATTICE, given)
    h = mbfast.pair_field(interaction, LATTICE, m)
    expected = np.sum((m * h).reshape(LATTICE.n_blocks, -1), axis=1)
    assert_allclose(result.energies, expected, rtol=0, atol=1e-13 * np.abs(m * h).sum(axis=-1).max())


def test_results_are_saved_and_loaded(tmp_path):
    cell = [1e-8, 2e-8, 3e-8]
    result = mbfast.pair_sum(
        DIPOLES, POSITIONS, moments(DIPOLES).reshape(-1, 3), boundary="periodic", cell=cell, images=1
    )
    result.asked(sample="A").save(tmp_path / "result.npz")
    loaded = mbfast.PairResult.load(tmp_path / "result.npz")
    for name in ("field", "energies", "positions", "moments"):
        assert_array_equal(getattr(loaded, name), getattr(result, name))
    assert_array_equal(loaded.positions, POSITIONS)
    for name in ("method", "rtol", "error", "energy"):
        assert getattr(loaded, name) == getattr(result, name)
    assert loaded.inputs == {**result.inputs, "sample": "A"}
    assert loaded.inputs["interaction"] == repr(DIPOLES)
    assert loaded.inputs["cell"] == np.diag(cell).tolist()
    (tmp_path / "result.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"result\.npz: not a NumPy archive"):
        mbfast.PairResult.load(tmp_path / "result.npz")


@dataclass(frozen=True)
class Unbounded(TensorInteraction):
    """Parts, and a field of the mean moment, that may leave the range of doubles with what they are multiplied by."""

    prefactor: float = 1.0
    size: float = 1.0
    uniform: float = 0.0
    form: str = "corrected"
    alpha: float = 0.5

    @property
    def coefficients(self):
        return self.size, 0.0, self.size

    def uniform_field(self, _condition):
        return self.uniform, 0.0


@pytest.mark.parametrize(
    ("interaction", "spacing", "moment"),
    [(Unbounded(1.0, 1.0, 1e200), 1.0, 1e150), (Unbounded(1e300, 1e-300, 0.0), 1e-5, 1.0)],
    ids=["held body", "prefactor"],
)
@pytest.mark.parametrize("shape", [(2, 2, 2), (7, 2, 2)])
def test_no_field_of_a_lattice_leaves_the_range_of_doubles_unnoticed(interaction, spacing, moment, shape):
    moments = np.zeros((*shape, 6))
    moments[..., 0] = moment
    field = mbfast.LatticeField(interaction, mbfast.BlockLattice(shape, spacing), boundary="periodic")
    with pytest.raises(ValueError, match="beyond the range of doubles"):
        field(moments)
