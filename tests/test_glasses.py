import dataclasses
import pickle

import pytest

import mbfast
from mbfast import units
from mbfast.glasses import MediumError, medium

HEADER = "material,gamma_l_eV,gamma_t_eV,c_l_km_s,c_t_km_s"
ROW = "glass,1.0,0.5,4.0,2.0"


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "glasses.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


def test_the_thirteen_glasses():
    glasses = mbfast.load_glasses()
    assert [g.name for g in glasses] == (
        ["a-SiO2", "BK7", "As2S3", "LaSF-7", "SF4", "SF59", "V52", "BALNA", "LAT", "a-Se", "Zn-Glass", "PMMA", "PS"]
    )
    silica = glasses[0]
    assert silica.gamma_l == 1.04 * 1.602176634e-19
    assert (silica.c_l, silica.c_t, silica.density) == (5800.0, 3800.0, 2200.0)
    assert silica.printed.mb_exp == "1.60"
    assert silica.printed.deviation_percent == "-4.38"


# As printed in arXiv:1510.05528, section IV: gamma_l, gamma_t, MB_exp, c_l, c_t, MB_theo, deviation; then densities.
TABLE = """
a-SiO2 1.04 0.65 1.60 5.80 3.80 1.53 -4.38 2.20
BK7 0.96 0.65 1.48 6.20 3.80 1.63 10.1 2.51
As2S3 0.26 0.17 1.53 2.70 1.46 1.85 20.9 3.20
LaSF-7 1.46 0.92 1.59 5.64 3.60 1.57 -1.26 None
SF4 0.72 0.48 1.50 3.78 2.24 1.69 12.7 4.79
SF59 0.77 0.49 1.57 3.32 1.92 1.73 10.2 6.26
V52 0.87 0.52 1.67 4.15 2.25 1.84 10.4 None
BALNA 0.75 0.45 1.67 4.30 2.30 1.87 12.0 None
LAT 1.13 0.65 1.74 4.78 2.80 1.71 -1.72 None
a-Se 0.25 0.14 1.79 2.00 1.05 1.90 6.14 None
Zn-Glass 0.70 0.38 1.84 4.60 2.30 2.00 8.70 None
PMMA 0.39 0.27 1.44 3.15 1.57 2.01 39.6 1.18
PS 0.20 0.13 1.54 2.80 1.50 1.87 21.4 1.05
"""


def test_the_table_is_the_printed_one():
    for glass, line in zip(mbfast.load_glasses(), TABLE.split("\n")[1:-1], strict=True):
        p = glass.printed
        cells = (p.gamma_l_eV, p.gamma_t_eV, p.mb_exp, p.c_l_km_s, p.c_t_km_s, p.mb_theo, p.deviation_percent)
        assert [glass.name, *cells, str(p.density_g_cm3)] == line.split()


def test_a_density_has_a_source_and_the_other_way_round():
    for glass in mbfast.load_glasses():
        assert (glass.density is None) == (glass.density_source is None), glass.name


def test_moduli_and_alpha():
    silica = mbfast.load_glasses(names=["a-SiO2"])[0]
    assert silica.modulus_l == pytest.approx(74.008e9)  # 2200 * 5800^2
    assert silica.modulus_t == pytest.approx(31.768e9)  # 2200 * 3800^2
    assert silica.alpha == pytest.approx(1 - 31.768 / 74.008)


def test_a_modulus_without_density_says_whose():
    lat = mbfast.load_glasses(names=["LAT"])[0]
    for name in ("modulus_l", "modulus_t"):
        with pytest.raises(ValueError, match="density of LAT is not known"):
            getattr(lat, name)


def test_records_are_frozen_hashable_and_can_be_sent_to_workers():
    glass = mbfast.load_glasses()[0]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'c_l'"):
        glass.c_l = 1.0
    assert hash(glass) == hash(pickle.loads(pickle.dumps(glass)))


def test_names_select_in_their_order():
    assert [g.name for g in mbfast.load_glasses(names=["PS", "BK7"])] == ["PS", "BK7"]
    with pytest.raises(ValueError, match=r"unknown glass 'quartz': mbfast/data/glasses.csv has a-SiO2, BK7"):
        mbfast.load_glasses(names=["quartz"])
    with pytest.raises(TypeError, match="names must be an iterable of glass names, got 'BK7'"):
        mbfast.load_glasses(names="BK7")


def test_own_table_with_required_columns_only(write):
    glass = mbfast.load_glasses(write(HEADER, ROW))[0]
    assert (glass.gamma_l, glass.c_t, glass.density) == (units.EV, 2000.0, None)
    assert glass.printed.mb_exp is None


def test_columns_in_any_order_spaces_and_byte_order_mark(write):
    path = write(
        "\ufeffc_t_km_s, c_l_km_s,density_g_cm3,gamma_t_eV,gamma_l_eV,material", ' 2.0, 4.0,2.5,.5,1,"a, b"', ""
    )
    glass = mbfast.load_glasses(path)[0]
    assert (glass.name, glass.c_l, glass.density) == ("a, b", 4000.0, 2500.0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "row 1: column material is missing"),
        ((HEADER.replace("c_t_km_s", "c_t"), ROW), r"row 1: column c_t_km_s is missing"),
        (
            (HEADER + ",density", ROW + ",2"),
            "row 1: unknown column 'density'; wanted are material, .*, and optional are",
        ),
        ((HEADER + ",mb_exp,mb_exp", ROW + ",2,2"), "row 1: column mb_exp stands there twice"),
        ((HEADER,), "row 2: at least one glass"),
        ((HEADER, ROW, "x,1,2,3"), "row 3: 5 cells are wanted"),
        ((HEADER, ROW + ",7"), "row 2: 5 cells are wanted"),
        ((HEADER, ROW, ROW), "row 3, column material: 'glass' stands in the table twice"),
        ((HEADER, "," + ROW.partition(",")[2]), "row 2, column material: a name is wanted"),
        ((HEADER, "glass,1.0,half,4.0,2.0"), "row 2, column gamma_t_eV: a finite number is wanted, got 'half'"),
        ((HEADER, "glass,1.0,,4.0,2.0"), "row 2, column gamma_t_eV: a finite number is wanted, got ''"),
        (
            (HEADER, "glass,-1,0.5,4.0,2.0"),
            "row 2, column gamma_l_eV: a positive finite number, from 1e-12 to 1e12, is wanted, got '-1'",
        ),
        ((HEADER, "glass,1,0.5,nan,2.0"), "row 2, column c_l_km_s: a finite number is wanted, got 'nan'"),
        ((HEADER + ",density_g_cm3", ROW + ",0"), "row 2, column density_g_cm3: a positive finite number"),
        ((HEADER + ",deviation_percent", ROW + ",inf"), "row 2, column deviation_percent: a finite number"),
        ((HEADER, "glass,１,0.5,4,2"), "row 2, column gamma_l_eV: a finite number is wanted, got '１'"),
        ((HEADER, "glass,1_0,0.5,4,2"), "row 2, column gamma_l_eV: a finite number is wanted, got '1_0'"),
        ((HEADER, "glass,1e300,0.5,4,2"), "row 2, column gamma_l_eV: a positive finite number, from 1e-12 to 1e12"),
        ((HEADER, "glass,1,0.5,2.3,2.0"), r"row 2, column c_l_km_s: more than 2/sqrt\(3\) c_t is wanted"),
        ((HEADER, "glass,1,0.5,2.2,2.0"), r"row 2, column c_l_km_s: more than 2/sqrt\(3\) c_t is wanted"),
        ((HEADER, '"glass,1,0.5,4,2'), "row 2: unexpected end of data"),
    ],
)
def test_errors_name_file_row_and_column(write, lines, message):
    with pytest.raises(ValueError, match=rf"glasses\.csv: {message}"):
        mbfast.load_glasses(write(*lines))


def test_a_file_that_is_no_text_or_not_there(tmp_path):
    binary = tmp_path / "glasses.npz"
    binary.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ValueError, match=r"glasses\.npz: not a UTF-8 text file"):
        mbfast.load_glasses(binary)
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        mbfast.load_glasses(tmp_path / "none.csv")


def test_a_medium_is_a_glass_or_its_numbers():
    silica, v52 = mbfast.load_glasses(names=["a-SiO2", "V52"])
    assert medium("a-SiO2") == medium(silica) == medium(None, 2200.0, 5800.0, 3800.0) == (2200.0, 5800.0, 3800.0)
    assert medium(v52, 4800.0) == (4800.0, v52.c_l, v52.c_t)
    assert mbfast.StressInteraction.of("a-SiO2") == mbfast.StressInteraction(2200, 5800, 3800)
    assert mbfast.StressInteraction.of(v52, density=4800).alpha == v52.alpha


@pytest.mark.parametrize(
    ("arguments", "culprit", "words"),
    [
        ({}, "density", "GLASS or all of DENSITY, C_L and C_T are wanted, got neither"),
        ({"density": 1.0, "c_t": 1.0}, "c_l", "are wanted, got DENSITY, C_T"),
        ({"glass": "PS", "c_t": 1.0}, "c_t", "are wanted, got GLASS, C_T"),
        ({"glass": "quartz"}, "glass", "unknown glass 'quartz'"),
        ({"glass": "V52"}, "density", "DENSITY is wanted, as that of V52 is not known"),
    ],
)
def test_a_bad_medium_names_the_argument_as_the_caller_does(arguments, culprit, words):
    with pytest.raises(MediumError, match=words) as caught:
        medium(**arguments, called=str.upper)
    assert caught.value.argument == culprit
