"""What no function may take silently: units, masks, wrong flags and choices; and what no call may depend on."""

import re
from fractions import Fraction

import numpy as np
import pytest
from materials import DIPOLES, SILICA

import mbfast
from mbfast._core import machine
from mbfast.pairs.cubes import averaged_tensors
from mbfast.renormalization.disordered import disordered_response
from mbfast.superblock.ensembles import gaussian_blocks, isotropic_stress

OMEGA = np.geomspace(1e6, 1e10, 40)
SAMPLES = -OMEGA * np.exp(-OMEGA / 1e9)
LATTICE = mbfast.BlockLattice((2, 1, 1), 5e-9)
STRESSES = np.zeros((2, 1, 1, 6))
BLOCK = mbfast.Block.two_level(0.0, 1e-24, [1e-30, 0.0, 0.0])
SUPER = mbfast.SuperBlock(DIPOLES, [[0.0, 0.0, 0.0], [5e-9, 0.0, 1e-9]], BLOCK)
POSITIONS, MOMENTS = [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


class Quantity(np.ndarray):
    """As the quantities of astropy: an array with a unit."""

    unit = "nm"

    def to(self, _unit):
        raise AssertionError("nothing is to be converted")


class Measure:
    """As the quantities of pint: no array, but it converts itself to one, without its unit."""

    units = "nanometer"

    def __init__(self, magnitude):
        self.magnitude = magnitude

    def __array__(self, dtype=None, copy=None):
        return np.array(self.magnitude, dtype)

    def to(self, _unit):
        raise AssertionError("nothing is to be converted")


QUANTITIES = {
    "array": lambda values: np.array(values, float).view(Quantity),
    "object": Measure,
    "inside a list": lambda values: [Measure(value) for value in values] if np.ndim(values) else Measure(values),
}


@pytest.mark.parametrize("quantity", QUANTITIES.values(), ids=QUANTITIES)
def test_units_are_refused(quantity):
    for name, call in {
        "blocks": lambda: mbfast.pair_energy(DIPOLES, quantity(POSITIONS), MOMENTS),
        "moments": lambda: mbfast.pair_field(DIPOLES, POSITIONS, quantity(MOMENTS)),
        "spacing": lambda: mbfast.BlockLattice((2, 1, 1), quantity(5.0)),
        "omega": lambda: mbfast.convolve(quantity(OMEGA), SAMPLES),
        "temperature": lambda: mbfast.convolve(OMEGA, SAMPLES, temperature=quantity(1.0)),
        "imag": lambda: mbfast.kramers_kronig(OMEGA, quantity(SAMPLES)),
        "density": lambda: mbfast.StressInteraction(quantity(2200.0), 5800.0, 3800.0),
        "coupling": lambda: mbfast.cutoff_length(quantity(1e9), 1e7, 1e13),
        "stress": lambda: mbfast.susceptibility_from_levels([0.0, 1e-24], quantity(np.zeros((2, 2, 6))), 1e-25, 1.0,
                                                            OMEGA, 1e8),
    }.items():  # fmt: skip
        with pytest.raises(TypeError, match=r"must be plain numbers in SI units, got .* in n") as refused:
            call()
        assert name in str(refused.value) or name == "coupling"


def test_quantities_of_pint_and_arrays_of_them_are_refused():
    pint = pytest.importorskip("pint", reason="its quantities are tested")
    xarray = pytest.importorskip("xarray", reason="its arrays may hold quantities")
    places = pint.UnitRegistry().Quantity(np.array(POSITIONS), "nm")
    labelled = xarray.DataArray(POSITIONS, dims=("block", "axis"))
    assert mbfast.pair_energy(DIPOLES, labelled, MOMENTS) == mbfast.pair_energy(DIPOLES, POSITIONS, MOMENTS)
    rows = [row for row in places]  # noqa: C416
    for given in (places, rows, xarray.DataArray(places, dims=("block", "axis"))):
        with pytest.raises(TypeError, match="blocks must be plain numbers in SI units, got Quantity in nanometer"):
            mbfast.pair_energy(DIPOLES, given, MOMENTS)


def test_masks_inside_sequences_are_refused():
    masked = np.ma.masked_array([0.0, 0.0, 1.0], mask=[False, True, False])
    with pytest.raises(TypeError, match="blocks must be a plain array, got a masked one"):
        mbfast.pair_field(DIPOLES, [masked, [1.0, 2.0, 3.0]], MOMENTS)
    with pytest.raises(TypeError, match="moments must be a plain array, got a masked one"):
        mbfast.pair_field(DIPOLES, POSITIONS, ([1.0, 0.0, 0.0], masked))


def test_objects_that_are_numbers_are_numbers():
    wanted = mbfast.pair_field(DIPOLES, POSITIONS, MOMENTS)
    objects = np.array(MOMENTS, dtype=object)
    objects[0, 0] = Fraction(1)
    np.testing.assert_array_equal(mbfast.pair_field(DIPOLES, POSITIONS, objects), wanted)
    for wrong in ("1.0", None, True, 1j):
        objects[0, 0] = wrong
        with pytest.raises(TypeError, match="moments must consist of real numbers, got dtype object"):
            mbfast.pair_field(DIPOLES, POSITIONS, objects)


class Frame:
    """As the nullable frames and columns of pandas: it makes an array of objects of itself."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=object)


class Missing:
    """As pandas.NA."""


def test_frames_are_numbers_unless_something_is_missing():
    wanted = mbfast.pair_field(DIPOLES, POSITIONS, MOMENTS)
    np.testing.assert_array_equal(mbfast.pair_field(DIPOLES, Frame(POSITIONS), Frame(MOMENTS)), wanted)
    for missing in (Missing(), None):
        rows = [[1.0, missing, 0.0], [0.0, 1.0, 0.0]]
        words = rf"moments must consist of real numbers, got dtype object with {type(missing).__name__} among its"
        with pytest.raises(TypeError, match=words):
            mbfast.pair_field(DIPOLES, POSITIONS, Frame(rows))


@pytest.mark.parametrize("kind", ["float64", "Float64", "Int64", "object"])
def test_frames_of_pandas(kind):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(MOMENTS).astype(kind)
    wanted = mbfast.pair_field(DIPOLES, POSITIONS, MOMENTS)
    np.testing.assert_array_equal(mbfast.pair_field(DIPOLES, POSITIONS, frame), wanted)
    columns = pandas.Series(MOMENTS[0]).astype(kind)
    np.testing.assert_array_equal(mbfast.pair_field(DIPOLES, POSITIONS, [columns, MOMENTS[1]]), wanted)
    frame = frame.astype("Float64").mask(frame > 0)
    with pytest.raises((TypeError, ValueError), match=r"moments must (consist of real numbers|be finite)"):
        mbfast.pair_field(DIPOLES, POSITIONS, frame)


def test_whole_numbers_that_no_double_can_hold():
    with pytest.raises(ValueError, match="moments must consist of numbers that doubles can hold"):
        mbfast.pair_field(DIPOLES, POSITIONS, [[10**400, 0, 0], [0, 1, 0]])
    with pytest.raises(ValueError, match="spacing must consist of numbers that doubles can hold"):
        mbfast.BlockLattice((1, 1, 1), 10**400)
    large = mbfast.pair_field(DIPOLES, POSITIONS, [[10**30, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(large, mbfast.pair_field(DIPOLES, POSITIONS, [[1e30, 0, 0], [0, 1, 0]]))


BEYOND = np.finfo(np.longdouble).max  # where a long double is no more than a double, above every limit all the same
BEYOND_DOUBLES = {
    "moments": lambda: mbfast.pair_field(SILICA, LATTICE, np.full((2, 1, 1, 6), BEYOND)),
    "blocks": lambda: mbfast.pair_energy(DIPOLES, np.full((2, 3), BEYOND), MOMENTS),
    "spacing": lambda: mbfast.BlockLattice((2, 1, 1), BEYOND),
    "density": lambda: mbfast.StressInteraction(np.array(BEYOND, object), 5800.0, 3800.0),
    "offsets": lambda: averaged_tensors(SILICA, np.full(3, BEYOND)),
    "omega": lambda: mbfast.Spectrum(np.full(40, BEYOND), SAMPLES, SAMPLES, 1.0),
    "tensor": lambda: mbfast.isotropic_moduli(np.full((3, 3, 3, 3), BEYOND, np.clongdouble)),
    "chi": lambda: disordered_response(SILICA, LATTICE, np.full((6, 6), BEYOND, np.clongdouble)),
    "stress": lambda: mbfast.Block([0.0, 1e-24], np.full((6, 2, 2), BEYOND, np.clongdouble)),
}


@pytest.mark.parametrize("name", BEYOND_DOUBLES)
@pytest.mark.filterwarnings("error")
def test_long_doubles_beyond_doubles(name):
    with pytest.raises(ValueError, match=f"^{name} must be "):
        BEYOND_DOUBLES[name]()


MANY = np.broadcast_to(1.0, (10**6, 9))
TOO_LARGE = {
    "r": lambda: DIPOLES.tensor(MANY[:, :3]),
    "offsets": lambda: averaged_tensors(SILICA, MANY[:, :3]),
    "omega": lambda: mbfast.ttls_susceptibility(MANY, 1.0, 1e45, 1e-19, 1e13),
    "times": lambda: SUPER.evolve(np.ones(4), MANY[:, 0]),
    "tensor": lambda: mbfast.isotropic_moduli(np.broadcast_to(1, (10**5, 6, 6))),
    "stress": lambda: mbfast.Block(np.zeros(600), np.broadcast_to(1.0, (6, 600, 600))),
    "out": lambda: SUPER.apply(np.zeros((4, 40_000))),
    "blocks": lambda: mbfast.EwaldField(DIPOLES, mbfast.BlockLattice((200, 200, 200), 1e-9)),
    "blocks, 27000 of them": lambda: mbfast.SuperBlock(DIPOLES, mbfast.BlockLattice((30, 30, 30), 1e-9), BLOCK),
    "n": lambda: isotropic_stress(10**6, 1e-19, rng=np.random.default_rng(1)),
    "n and n_levels": lambda: gaussian_blocks(1, 1000, 1e-24, 1e-19, rng=np.random.default_rng(1)),
    "what modulus, omega, omega_c are broadcast to": lambda: mbfast.cutoff_length(
        *np.ix_(np.ones(1000), np.ones(1000)), 1e13
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_does_not_fit_into_memory_is_refused_by_name(name, monkeypatch):
    monkeypatch.setattr(machine, "_UNASKED", 0.0)
    monkeypatch.setattr(machine, "available_memory", lambda: 1e6)
    with pytest.raises(MemoryError, match=rf"^{re.escape(name)}[, ].* would take .* GB, 0.001 GB are available$"):
        TOO_LARGE[name]()


CHOICES = {
    "method": (mbfast.pair_field, (SILICA, LATTICE, STRESSES)),
    "boundary": (mbfast.pair_field, (SILICA, LATTICE, STRESSES)),
    "image_shape": (mbfast.pair_field, (SILICA, LATTICE, STRESSES)),
    "interpolation": (mbfast.convolve, (OMEGA, SAMPLES)),
    "form": (mbfast.flow, (mbfast.Spectrum(OMEGA, SAMPLES, SAMPLES, 1.0), SILICA)),
    "keep": (mbfast.flow, (mbfast.Spectrum(OMEGA, SAMPLES, SAMPLES, 1.0), SILICA)),
    "components": (mbfast.susceptibility_from_levels, ([0.0, 1e-24], np.zeros((2, 2, 6)), 1e-25, 1.0, OMEGA, 1e8)),
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("wrong", [np.array(["auto", "open"]), ["auto"], {}, 0, "Auto"], ids=repr)
def test_choices(name, wrong):
    function, arguments = CHOICES[name]
    with pytest.raises(ValueError, match=f"{name} must be one of .*, got "):
        function(*arguments, **{name: wrong})


FLAGS = {
    "inverse": (mbfast.kramers_kronig, (OMEGA, SAMPLES)),
    "linear": CHOICES["keep"],
    "reduced": CHOICES["components"],
    "averaged": (mbfast.BlockLattice, ((2, 1, 1), 5e-9)),
}


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("wrong", ["yes", 1, None, np.array([True, False])], ids=repr)
def test_flags(name, wrong):
    function, arguments = FLAGS[name]
    with pytest.raises(TypeError, match=f"{name} must be True or False, got "):
        function(*arguments, **{name: wrong})


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-300, 1e-150, 1e149])
@pytest.mark.parametrize("method", ["direct", "fft", "ewald"])
def test_moments_of_any_size(scale, method):
    moments = np.array([[[[1.0, 0.0, 0.0]]], [[[0.0, 2.0, 1.0]]]])
    field = mbfast.pair_field(DIPOLES, LATTICE, scale * moments, method=method)
    wanted = mbfast.pair_field(DIPOLES, LATTICE, moments, method="direct")
    # below 1e-308 the moments themselves are rounded to multiples of 5e-324, which is all of the first scale
    np.testing.assert_allclose(field, scale * wanted, rtol=0.0, atol=1e-5 * np.abs(scale * wanted).max())


@pytest.mark.parametrize("method", ["direct", "fft", "ewald"])
def test_sums_do_not_depend_on_the_error_state_of_the_caller(method):
    lattice, moments = mbfast.BlockLattice((3, 3, 3), 5e-9), np.full((3, 3, 3, 3), 1e-300)
    moments[1] = 1e-310
    expected = mbfast.pair_sum(DIPOLES, lattice, moments, method=method)
    with np.errstate(all="raise"):
        result = mbfast.pair_sum(DIPOLES, lattice, moments, method=method)
        assert result.energy == mbfast.pair_energy(DIPOLES, lattice, moments, method=method)
    assert np.array_equal(result.field, expected.field)


def test_levels_do_not_depend_on_the_error_state_of_the_caller():
    system = mbfast.TwoLevelSystem(asymmetry=1e-20, tunnelling=1e-24, gamma_l=1e-19, gamma_t=1e-19)
    omega = np.geomspace(1e5, 1e15, 20)
    with np.errstate(all="raise"):
        for shape in ("lorentzian", "gaussian"):
            mbfast.susceptibility_from_levels([0.0, 1e-20], np.ones((2, 2, 6)), 1e-25, 1e-3, omega, 1e9, shape=shape)
        system.absorption_rate(omega, 1e-9, 1e-3, 1e9, "longitudinal")


def test_blocks_that_lie_almost_in_a_plane():
    """Of the smallest thickness one over it is beyond the doubles."""
    for thickness in (0.0, 5e-324, 1e-300, 1e-120):
        places = [[0.0, 0.0, 0.0], [5e-9, thickness, 1e-9]]
        wanted = mbfast.pair_field(DIPOLES, places, MOMENTS, method="direct")
        found = mbfast.pair_field(DIPOLES, places, MOMENTS, method="ewald")
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("largest", [1e36, 1e200, 1.7e308])
def test_wavevectors_whose_square_is_beyond_the_doubles(largest):
    with pytest.raises(ValueError, match="wavevector must be finite, with magnitudes up to 1e"):
        mbfast.phase_sum(SILICA, LATTICE, [largest, 0.0, 1e7], "transverse")


RESPONSE = {"temperature": 1.0, "volume": 1e-25, "broadening": 1e9, "method": "exact"}


@pytest.mark.parametrize(
    ("omega", "change", "words"),
    [
        (1e9, {"broadening": 1e-20}, "broadening must be from .* rad/s for reduced=True"),
        (1e9, {"broadening": 1e35}, "broadening must be from .* rad/s for reduced=True"),
        (1e-150, {}, "omega must be zero, or within a factor 1e.30 of"),
        (1e9, {"temperature": 1e-20, "method": "lanczos"}, "temperature must be 0, or above 1e-20 K"),
    ],
)
def test_what_a_one_sided_transform_cannot_have(omega, change, words):
    with pytest.raises(ValueError, match=words):
        SUPER.susceptibility([omega], rng=np.random.default_rng(1), **RESPONSE | change)
