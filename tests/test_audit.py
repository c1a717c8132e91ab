import ast
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mbfast
from mbfast import audit
from mbfast.audit import _claims, _walk

# it sums over cubes of 64^3 blocks; one worker waits for its records
pytestmark = [pytest.mark.compiled, pytest.mark.xdist_group("audit")]


@pytest.fixture
def records(audit_records):
    return {record.id: record for record in audit_records}


def test_the_walk_follows_the_paper(records):
    equations = list(dict.fromkeys(record.equation for record in records.values()))
    wanted = [
        "sec. I",
        "2.2",
        "2.17",
        "3.5",
        "3.7",
        "4.2",
        "4.5",
        "table",
        "fig. 1",
        "sec. V",
        "5.8",
        "5.10",
        "sec. VI",
    ]
    assert [equation for equation in equations if equation in wanted] == wanted
    assert equations[-3:] == ["A4", "A5", "A16"]


def test_some_equations_alone(records):
    for names, ids in (
        (["fig. 1"], ["fit13.slope", "fit13.r", "fit10.slope", "fit10.r"]),
        (["A16", "(3.6)", "Sec.V"], [*(id_ for id_ in records if id_.startswith(("eq3.6", "strength."))), *SIXTEEN]),
    ):
        chosen = list(audit.reproduce(names))
        assert [record.id for record in chosen] == sorted(ids, key=list(records).index)
        assert chosen == [records[record.id] for record in chosen]


SIXTEEN = ["eqA16.first", "eqA16.second"]


def test_other_sections_are_not_imported(run_python):
    code = "import sys; from mbfast import audit; list(audit.reproduce(['table', 'sec. VI'])); print(*sys.modules)"
    modules = run_python(code).split()
    assert "mbfast.audit._table" in modules
    assert not {"mbfast.audit._flow", "mbfast.audit._dipoles", "mbfast.pairs", "mbfast.spectra"} & set(modules)


@pytest.mark.parametrize("name", ["3.9", "2.3", "sec. II", "", "3"])
def test_equations_without_claims_are_refused_before_any_work(name):
    message = rf"equations: the audit has no claim of '{re.escape(name)}'; there are claims of sec\. I, 2\.2, .*, A16 "
    with pytest.raises(ValueError, match=message):
        audit.reproduce(["3.5", name])
    with pytest.raises(TypeError, match=r"equations must be a list of names, got the text '3\.5'"):
        audit.reproduce("3.5")


def test_each_glass_has_its_row(records):
    for glass in mbfast.load_glasses():
        for column in ("mb_exp", "mb_theo", "deviation"):
            assert records[f"table.{glass.name}.{column}"].computed == pytest.approx(
                records[f"table.{glass.name}.{column}"].printed.value, rel=0.03
            )


def test_cells_of_the_table_that_do_not_follow_from_those_to_their_left(records):
    table = {id_: record for id_, record in records.items() if record.equation == "table"}
    assert {id_ for id_, record in table.items() if record.verdict == "differs"} == {
        "table.V52.deviation",
        "table.a-Se.deviation",
    }


def test_what_the_notes_say_of_the_two_deviations():
    v52, selenium = mbfast.load_glasses(names=["V52", "a-Se"])
    assert 100 * (v52.c_l / v52.c_t / float(v52.printed.mb_exp) - 1) == pytest.approx(10.446, abs=0.0005)
    exact = 100 * (float(selenium.printed.mb_theo) / float(selenium.printed.mb_exp) - 1)
    assert exact == pytest.approx(6.145, abs=0.0005)


def test_fits_by_an_independent_route(records):
    # scipy's linear algebra on the printed columns, instead of the sums
    from scipy.linalg import lstsq
    from scipy.stats import pearsonr

    glasses = mbfast.load_glasses()
    for name, excluded in (("fit13", ()), ("fit10", ("As2S3", "PMMA", "PS"))):
        kept = [g for g in glasses if g.name not in excluded]
        x = np.array([float(g.printed.mb_exp) for g in kept])
        y = np.array([float(g.printed.mb_theo) for g in kept])
        assert records[f"{name}.slope"].computed == pytest.approx(lstsq(x[:, None], y)[0][0], rel=1e-13)
        assert records[f"{name}.r"].computed == pytest.approx(pearsonr(x, y).statistic, rel=1e-13)
        if name == "fit10":  # measured against predicted, as the conclusion has it
            assert records["conclusion.slope"].computed == pytest.approx(lstsq(y[:, None], x)[0][0], rel=1e-13)
    assert records["fit10.slope"].verdict == records["fit10.r"].verdict == "rounding"
    assert records["fit13.slope"].verdict == records["fit13.r"].verdict == "differs"


def test_scales_and_cutoffs(records):
    assert records["rg.log_scale"].computed == pytest.approx(math.log(2e5))
    assert records["cutoff.temperature"].computed == pytest.approx(7638.23, rel=1e-6)  # scipy.constants: hbar/k * 1e15
    # PS, 1050 kg/m3, 1.5 km/s: (1.0545718e-19 J / (2.3625 GPa * 18.42068))^(1/3)
    assert records["cutoff.stress"].computed == pytest.approx(1.34318, rel=1e-5)
    for glass in mbfast.load_glasses():
        assert (f"{glass.name} " in records["cutoff.stress"].note) == (glass.density is not None)


def test_dipole_cutoff_is_the_stress_cutoff_times_the_strengths(records):
    for name, modulus in (("BK7", 2510 * 6500.0**2), ("SiO2", 2200 * 5800.0**2)):
        strengths = [records[f"strength.{name}.{kind}"].computed for kind in ("dielectric", "elastic")]
        length = 1e10 * mbfast.cutoff_length(modulus, 1e7, 1e15) * (strengths[0] / strengths[1]) ** (2 / 3)
        assert records[f"cutoff.dipole.{name}"].computed == pytest.approx(length, rel=1e-12)


def test_numbers_in_the_notes(records):
    for id_, words in {
        "rg.log_scale": "R = 2.4 m; log_2(R/L_1) is 17.6",  # 50e-10 * e^20, log2(2e5)
        "cutoff.stress": "PS 1.34; 1.7 needs 1.17 GPa. The bound stands",
        "eq4.2.dominance": "with Re χ, the response's own real part, 0.15 and 0.12 at 0.1 and 1 K",
        "cutoff.dipole.BK7": "strengths 17.2 : 1 as printed; with the 4π that Gaussian n_e μ² needs in (5.2) 14 Å",
        "cutoff.dipole.SiO2": "in (5.2) 0.62 Å",
        "fit13.slope": "would give 1.1023",
        "fit13.r": "unrounded 0.2762; theory rebuilt from the printed deviations 0.2613",
        "table.a-SiO2.deviation": "unrounded -4.61",
    }.items():
        assert words in records[id_].note
    assert records["conclusion.slope"].printed.text == "1.06"
    assert records["cutoff.temperature"].unit == "K"


def test_printed_numbers_of_the_brackets(records):
    for polarization, numbers in {"l": (55, 176, 688, 44, 176, 176), "t": (35, 112, 656, 28, 112, 112)}.items():
        keys = ("c0", "c1", "c2", "d0", "d1", "d2")
        assert [records[f"eq3.5.{polarization}.{key}"].printed.value for key in keys] == list(numbers)
    assert [records[f"eq5.8.{p}"].printed.value for p in "lt"] == [94, 53]


def test_identities_hold_and_are_no_printed_numbers(records):
    identities = {id_: record for id_, record in records.items() if record.printed is None}
    assert set(identities) == {
        *("eq2.13", "eq2.15", "eq2.17", "eq2.17.literal", "eq2.18", "eq3.4", "eq3.7", "eq3.8.first", "eq3.8.signs"),
        *("eq4.5", "eqA5", "eqA5.literal"),
    }
    for record in identities.values():
        assert record.verdict == ("differs" if record.id.endswith(".literal") else "reproduced"), record.id
        assert record.relative_difference is None


def test_waves_in_periodic_boxes(records):
    assert records["eq2.13"].computed < 1e-13
    for polarization in "lt":
        assert records[f"eq3.7.periodic.{polarization}"].computed == pytest.approx(1.0, rel=1e-13)


def test_an_identity_that_fails_differs():
    record = _claims.Claim("x", "q", None, 1e-3, "why").record("4.2")
    assert (record.verdict, record.quantity) == ("differs", "relative deviation of q")
    zero = _claims.Claim("x", "q", "0", 0.2).record("4.2")
    assert (zero.verdict, zero.relative_difference) == ("rounding", None)


def test_whatever_differs_says_why_and_names_a_test_that_is_there(records):
    for record in records.values():
        assert record.verdict != "differs" or (record.note and record.test and record.cause), record.id
        assert "\n" not in record.note
        if record.test:
            path, _, name = record.test.partition("::")
            source = (Path(__file__).parent.parent / path).read_text(encoding="utf-8")
            functions = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
            assert name in functions, record.id


def test_findings(records):
    slips = {id_ for id_, record in records.items() if record.finding == "slip"}
    assert {"table.V52.deviation", "fit13.r", "conclusion.slope", "rg.log_scale", "eqA4.norm"} <= slips
    unfounded = {id_ for id_, record in records.items() if record.finding == "does not follow"}
    assert {
        "eq4.2.dominance",
        "eq4.5.flow",
        "eq4.5.derived",
        "eq3.5.l.c1",
        "eq3.5.growth",
        "eq3.7.growth.t",
        "eq4.3.integral.1K",
        "eq5.8.l",
    } <= unfounded
    for id_, record in records.items():
        assert (id_ in slips | unfounded) == (record.verdict == "differs")


@pytest.mark.parametrize(
    ("value", "flaw", "finding"),
    [(1.0, None, "stands"), (1.04, "slip", "stands"), (1.1, "slip", "slip"), (1.1, "unfounded", "does not follow")],
)
def test_a_finding_follows_from_the_verdict_and_the_flaw(value, flaw, finding):
    cause = audit.Cause("c", flaw, "tests/test_x.py::test_y") if flaw else None
    record = _claims.Claim("x", "q", "1.0", value, cause=cause).record("4.2")
    assert record.finding == finding
    assert record.cause == (None if finding == "stands" else cause)
    assert record.test == (record.cause.test if record.cause else "")


@pytest.mark.parametrize(
    ("printed", "computed", "verdict"),
    [
        ("1.60", 1.6, "reproduced"),
        ("1.60", 1.6 * (1 + 1e-15), "reproduced"),
        ("1.60", 1.6 * (1 + 1e-11), "rounding"),
        ("1.60", 1.6049, "rounding"),
        ("1.60", 1.6051, "differs"),
        ("-4.38", -4.375, "rounding"),
        ("-4.38", -4.374, "differs"),
        ("-4.38", 4.38, "differs"),
        ("55", 55.4, "rounding"),
        ("55", 55.6, "differs"),
        ("1.62e-3", 1.6249e-3, "rounding"),
        ("1.62e-3", 1.6251e-3, "differs"),
        ("~1e4", 7638.0, "rounding"),
        ("~1e4", 3000.0, "differs"),
        ("~10", 25.0, "rounding"),
        ("~10", 35.0, "differs"),
        ("~10", -10.0, "differs"),
        ("~1.7", 1.74, "rounding"),
        ("~1.7", 1.76, "differs"),
        ("~20", 20.6, "differs"),
    ],
)
def test_verdicts(printed, computed, verdict):
    assert audit.Printed(printed).verdict(computed) == verdict


@given(st.floats(1e-3, 1e3), st.integers(0, 8))
def test_a_number_rounded_by_python_agrees_with_itself(value, digits):
    assert audit.Printed(f"{value:.{digits}f}").verdict(value) in ("reproduced", "rounding")
    assert audit.Printed(f"{value:.{digits}e}").verdict(value) in ("reproduced", "rounding")


def test_records_become_plain_data(records):
    record = records["table.BK7.mb_exp"].as_dict()
    assert list(record) == [
        "id",
        "equation",
        "quantity",
        "printed",
        "computed",
        "unit",
        "verdict",
        "finding",
        "cause",
        "note",
        "test",
    ]
    assert (record["printed"], record["cause"]) == (1.48, None)
    assert records["eq2.15"].as_dict()["printed"] is None
    assert records["eq3.5.l.c1"].as_dict()["cause"] == "brackets of Joffrin and Levelut's tensor"


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(_claims, "registry", {})
    return lambda: _claims.registry


def test_the_claims_of_an_equation_are_what_functions_yield(registry):
    slip = audit.Cause("a slip", "slip", "tests/test_x.py::test_y")

    @_claims.claims_of("4.2")
    def squares():
        yield _claims.Claim("two", "2²", "4", 4, unit="m")
        yield _claims.Claim("three", "3²", "8", 9, "why", slip)
        yield _claims.Claim("four", "4²", "8", 16, "why", slip, test="tests/test_x.py::test_z")
        yield _claims.Claim("five", "5²", "8", 25, "why")

    @_claims.claims_of("4.2")
    def none():
        return iter(())

    assert registry() == {"4.2": [squares, none]}
    two, three, four, five = (claim.record("4.2") for claim in squares())
    assert (two.id, two.equation, two.quantity, two.printed.text, two.verdict, two.unit) == (
        *("two", "4.2", "2²", "4", "reproduced", "m"),
    )
    assert (three.computed, three.relative_difference, three.note) == (9.0, 9 / 8 - 1, "why")
    assert (three.verdict, three.finding, three.cause) == ("differs", "slip", slip)
    assert (five.verdict, five.finding, five.cause) == ("differs", "does not follow", None)
    assert [record.test for record in (two, three, four, five)] == ["", slip.test, "tests/test_x.py::test_z", ""]


def test_modules_come_in_their_order_whichever_was_imported_first(monkeypatch):
    known = _walk._functions()
    assert [function.__module__ for function in known["3.7"]] == [
        "mbfast.audit._absorption",
        "mbfast.audit._disordered",
    ]
    monkeypatch.setattr(_walk, "registry", {of: functions[::-1] for of, functions in reversed(known.items())})
    again = _walk._functions()
    assert list(again) == list(known)
    for of, functions in known.items():
        assert [function.__module__ for function in again[of]] == [function.__module__ for function in functions]


def test_bad_entries(registry):
    with pytest.raises(ValueError, match=r"no equation or section of the paper is called '6\.1'"):
        _claims.claims_of("6.1")


def test_ids_are_names_of_one_claim(audit_records):
    assert len({record.id for record in audit_records}) == len(audit_records) == 121


def test_the_summary_counts_every_claim_and_every_cause(records):
    *_, last = audit.summary(records.values()).splitlines()
    claims, stand, slips, of_slips, unfounded, of_unfounded = (int(cell) for cell in last.strip("|").split("|")[1:])
    assert claims == stand + slips + unfounded == len(records)
    causes = {record.cause for record in records.values()} - {None}
    assert of_slips == sum(cause.flaw == "slip" for cause in causes)
    assert of_unfounded == sum(cause.flaw == "unfounded" for cause in causes)


def test_a_cause_may_have_many_claims_and_one_name(records):
    flawed = [record for record in records.values() if record.cause]
    by_cause = {cause: [r.id for r in flawed if r.cause == cause] for cause in {r.cause for r in flawed}}
    assert len({cause.name for cause in by_cause}) == len(by_cause)
    counts = {cause.name: len(ids) for cause, ids in by_cause.items()}
    assert counts["brackets of Joffrin and Levelut's tensor"] == 8
    assert counts["arithmetic of the bound 1.7 Å"] == 1
