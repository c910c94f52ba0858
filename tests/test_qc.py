"""The second computation: no code of the first, every row it promises, and it can disagree."""

import ast
import dataclasses
import datetime as dt
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.pipeline import analyses
from sap.plan import read_plan
from sap.plan.references import read_references
from sap.qc import baseline as qc_baseline
from sap.qc import (
    compare,
    cox,
    ctc,
    ctcae,
    exposure,
    kaplan_meier,
    labs,
    pk,
    psa,
    recist,
    safety,
    samples,
    summaries,
    two_stage,
)
from sap.qc.psa import Course, ResponseResult, Visit, counted, response_result
from sap.qc.response import results_in
from sap.qc.study import Study
from sap.qc.subjects import Sample, Subject, assays, subjects_of
from sap.simulate import trial

HOME = Path(__file__).parents[1]
ROOM = HOME / "src" / "sap" / "qc"
CARVE = read_plan(HOME / "analysis" / "plan.yml")
FORBIDDEN = ("sap.derivations", "sap.results", "sap.methods", "sap.displays", "sap.pipeline")
PROMISED = (
    "psa_response",
    "psa_response_unconfirmed",
    "psa_response_21d",
    "psa_response_28d",
    "psa_estimand",
    "psa_two_stage",
    "psa_posterior",
    "rescreen_response",
    "rescreening",
    "allocation_time",
    "accrual",
    "disposition",
    "os",
    "os_curve",
    "os_at_risk",
    "os_group_curve",
    "os_marker_curve",
    "pfs",
    "pfs_sensitivity",
    "pfs_reasons",
    "rpfs",
    "ttpp",
    "psa_progression",
    "ae_overview",
    "ae_soc_pt",
    "flow",
    "analysis_sets",
    "baseline",
    "exposure",
    "lab_grade",
    "lab_shift",
    "lab_reported",
    "deaths",
    "ae_rates",
    "ctc_response",
    "ctc_course",
    "psa_change",
    "protocol_deviations",
    "os_guarantee",
    "sample_inventory",
    "pk",
    "design",
    "design_oc",
    "bor",
    "tumour_change",
    "objective_response",
    "objective_response_unconfirmed",
)


def test_the_room_imports_nothing_of_the_first_route():
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                assert not name.startswith(FORBIDDEN), path


def compared(tables, plan, frozen_root: Path, spoil=None):
    """Freeze, analyse, compute again; `spoil` changes the ARD in between."""
    rules = contracts.load()
    day = plan.plan.cut_offs.dates["final"].date
    kept = snapshot.in_order(snapshot.cut(contracts.typed(tables, rules), day), rules)
    cut = snapshot.freeze(
        kept,
        cut_off=day,
        cut_off_name="final",
        planned=True,
        plan_hash=plan.sha256,
        contracts=rules,
        findings=pd.DataFrame(columns=list(contracts.FINDING_COLUMNS)),
        frozen_root=frozen_root,
    )
    made = analyses.analyse(snapshot.load(cut), plan.plan, day)
    rows = made.ard if spoil is None else spoil(made.ard)
    return compare(cut, plan.plan, rows)


def agreed(found) -> None:
    wrong = found.rows[found.rows["result"] == "differs"]
    assert wrong.empty, wrong.head().to_string()
    for name in PROMISED:
        if (found.rows["analysis"] == name).any():
            assert found.share_agreeing(name) == 100, name
    assert found.shares()["raw"] > 95


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(1, marks=pytest.mark.slow),
        *[pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 41)],
    ],
)
def test_synthetic_trials_have_no_unexplained_difference(seed, tmp_path):
    tables = trial.simulate(seed, ctc_threshold=CARVE.plan.biomarker.cell_count.minimum)
    agreed(compared(tables, CARVE, tmp_path))


@pytest.mark.slow
@pytest.mark.shared
def test_caba_v7_has_no_unexplained_difference_and_the_published_result(shared_data, tmp_path):
    from sap.intake import caba_v7

    plan = read_plan(HOME / "analysis" / "plan-caba-v7.yml")
    tables, _ = caba_v7.read(shared_data / "caba-v7")
    found = compared(tables, plan, tmp_path)
    agreed(found)
    # Published: 3 of 25 (Isebia et al., 2022).
    rows = found.rows[
        (found.rows["analysis"] == "psa_response") & (found.rows["population"] == "PRIMARY")
    ].set_index("stat_name")["second"]
    assert (rows["n"], rows["N"]) == (3, 25)


@pytest.mark.slow
def test_every_number_that_is_moved_on_purpose_is_disagreed_with(tmp_path):
    tables = trial.simulate(3, ctc_threshold=CARVE.plan.biomarker.cell_count.minimum, n_screened=60)

    def spoil(ard: pd.DataFrame) -> pd.DataFrame:
        known = ard["analysis"].isin(PROMISED) & ard["stat"].notna()
        return ard.assign(stat=ard["stat"].where(~known, ard["stat"] * 1.001 + 0.001))

    found = compared(tables, CARVE, tmp_path, spoil)
    rows = found.rows[found.rows["analysis"].isin(PROMISED) & found.rows["stat"].notna()]
    assert set(rows["result"]) == {"differs"}


@pytest.mark.slow
def test_a_row_the_ard_lost_is_missed(tmp_path):
    tables = trial.simulate(3, ctc_threshold=CARVE.plan.biomarker.cell_count.minimum, n_screened=60)
    lost = ("ae_overview", "any", "n")

    def spoil(ard: pd.DataFrame) -> pd.DataFrame:
        names = ["analysis", "level", "stat_name"]
        return ard[~(ard[names] == list(lost)).all(axis=1)]

    found = compared(tables, CARVE, tmp_path, spoil)
    wrong = found.rows[found.rows["result"] == "differs"]
    assert set(wrong["stat_text"]) == {"not in the ARD"}
    assert set(wrong["level"]) == {"any"}


# ---- the other methods, by hand ------------------------------------------------------------------

SUBJECT = Subject("P1", doses=2, first_dose=dt.date(2017, 1, 1), last_dose=dt.date(2017, 3, 1))


def study_with(subject: Subject, plan=CARVE.plan, *, results=None, **records) -> Study:
    """A study of one subject as given, with some SDTM records."""
    tables = {
        domain: [{"USUBJID": subject.usubjid, **row} for row in rows]
        for domain, rows in records.items()
    }
    by_domain = {domain: {subject.usubjid: rows} for domain, rows in tables.items()}
    references = read_references(HOME / "analysis" / "references.yml")
    cut_off = dt.date(2019, 6, 30)
    subjects = {subject.usubjid: subject}
    return Study(
        tables,
        {"lb": {}, "ex": {}, "cm": {}} | by_domain,
        subjects,
        results or {},
        cut_off,
        plan,
        references,
    )


def days(*values: tuple[int, str]) -> list[Visit]:
    return [Visit(dt.date(2017, 1, 1) + dt.timedelta(days=d), Decimal(p)) for d, p in values]


@pytest.mark.parametrize(
    "seen, says",
    [
        # Baseline on day 0; CARVE: a fall of 50 % by day 84, another at least 28 days later.
        (days((0, "100"), (21, "50"), (49, "50")), "Y"),
        (days((0, "100"), (21, "50"), (48, "50")), "N"),
        (days((0, "100"), (21, "50.1"), (49, "50")), "N"),
        (days((0, "0.7"), (21, "0.35"), (49, "0.35")), "Y"),
        (days((0, "100"), (21, "50"), (42, "80"), (56, "40")), "Y"),
        (days((-7, "100"), (21, "40"), (200, "40")), "N"),  # day 200 is after the last cycle + 21
        (days((0, "100")), "NE"),
        (days((21, "40"), (49, "40")), "NE"),
        (days((0, "0"), (21, "0"), (49, "0")), "NE"),
    ],
)
def test_the_literal_loop_gives_the_answers_found_by_hand(seen, says):
    base, after = counted(SUBJECT, seen, None, CARVE.plan, stop_at_therapy=True)
    assert response_result(SUBJECT, base, after, CARVE.plan, confirm_days=28).result == says


def test_a_value_on_the_day_of_a_new_therapy_does_not_count():
    seen = days((0, "100"), (21, "40"), (49, "40"))
    therapy = dt.date(2017, 1, 1) + dt.timedelta(days=49)
    base, after = counted(SUBJECT, seen, therapy, CARVE.plan, stop_at_therapy=True)
    assert response_result(SUBJECT, base, after, CARVE.plan, confirm_days=28).result == "N"
    base, after = counted(SUBJECT, seen, therapy, CARVE.plan, stop_at_therapy=False)
    assert response_result(SUBJECT, base, after, CARVE.plan, confirm_days=28).result == "Y"


def test_every_outcome_of_a_small_design_by_hand():
    """One patient, and a second when he responds: totals 0, 1 and 2 come in one way each.

    At p0 = 1/2 they have the chances 1/2, 1/4 and 1/4. With one responder among two: P(X >= 1) is
    1/2 and half of P(X = 1) less is 3/8; P(X >= 1 | p) = p is 1/2 at 1/2 and 0.025 at 0.025, and
    P(X <= 1 | p) = 1 - p^2 is 0.025 at sqrt(0.975). Stage 1 responded for sure: the UMVUE is 1.
    """
    small = two_stage.Outcomes(0, 1, 2)
    assert small.ways == [1, 1, 1]
    assert [float(c) for c in small.chances(Fraction(1, 2))] == [0.5, 0.25, 0.25]
    got = two_stage.estimates(small, 1, 0.5, 0.95)
    assert (got["mle"], got["umvue"], got["p_value"], got["mid_p_value"]) == (0.5, 1, 0.5, 0.375)
    assert got["conf_low"] == pytest.approx(0.025)
    assert got["conf_high"] == pytest.approx(0.975**0.5)
    assert got["median_unbiased"] == pytest.approx(0.5)
    assert got["conditional_mle"] is None  # given stage 2, one of two is likeliest as p falls to 0


def test_what_a_design_does_is_that_of_simons_tables():
    """Simon 1989, table 1: p0 0.05, p1 0.25, alpha 0.10, beta 0.10: 0/9 and 2/24, EN 14.5, PET 0.63."""
    rule = {"p0": 0.05, "p1": 0.25, "alpha": 0.1, "beta": 0.1, "r1": 0, "n1": 9, "r": 2, "n": 24}
    main, curve = two_stage.designed(CARVE.plan.design.model_copy(update=rule))
    assert main["probability_of_early_termination"] == pytest.approx(0.63, abs=0.005)
    assert main["expected_n"] == pytest.approx(14.5, abs=0.05)
    assert main["alpha"] <= 0.1
    assert main["power"] >= 0.9
    assert curve["0"]["probability_of_rejection"] == 0
    # One stage of two patients, rejected when both respond: p squared.
    one = CARVE.plan.design.model_copy(update={"r1": None, "n1": None, "r": 1, "n": 2})
    assert two_stage.operating(one, Fraction(1, 2)) == {"probability_of_rejection": 0.25}


@pytest.mark.parametrize(
    "responders, n, first, says",
    [
        (9, 25, None, "H0 rejected"),
        (1, 25, None, "H0 not rejected"),
        (9, 24, None, "No decision: fewer than planned"),
        (9, 26, None, "No decision: more than planned"),
        (9, 25, (0, 0), "H0 not rejected: stopped after stage 1"),
        (9, 25, (0, 9), "No decision: stage 1 has pending patients"),
        (9, 25, (5, 9), "H0 rejected"),
    ],
)
def test_the_rule_of_a_design_of_two_stages_knows_its_first_stage(responders, n, first, says):
    design = CARVE.plan.design.model_copy(update={"r1": 1, "n1": 12, "r": 5, "n": 25})
    assert two_stage.decision(design, responders, n, first) == says


def test_a_subject_treated_through_re_screening_answers_for_no_set_of_the_first():
    again = Subject(
        "P1", doses=1, first_dose=dt.date(2017, 5, 1), again_allocated=dt.date(2017, 4, 1)
    )
    before = Subject(
        "P2", doses=1, first_dose=dt.date(2017, 3, 1), again_allocated=dt.date(2017, 4, 1)
    )
    assert (again.treated_again, before.treated_again) == (True, False)
    yes = Course(None, {"PSARESP": ResponseResult("Y")}, unconfirmed=False, pending=False)
    for subject, expected in ((again, "NE"), (before, "Y")):
        study = study_with(subject, results={subject.usubjid: yes})
        assert results_in(study, [subject.usubjid], "PSARESP") == [expected]


def test_quartiles_are_the_middle_of_a_step():
    # By hand, SAS PCTLDEF=5 on 1, 2, 3, 4: n p = 1, 2, 3 are whole, so 1.5, 2.5 and 3.5.
    got = summaries.summary([4.0, 1.0, None, 3.0, 2.0])
    assert (got["n"], got["n_missing"]) == (4, 1)
    assert (got["q1"], got["median"], got["q3"]) == (1.5, 2.5, 3.5)
    assert got["sd"] == pytest.approx((5 / 3) ** 0.5)


def test_the_log_rank_test_of_freireichs_trial():
    """6-MP against placebo (Freireich 1963), as printed by Kleinbaum and Klein: 16.79 on 1 df."""
    drug = [(6, 1)] * 3 + [(t, 1) for t in (7, 10, 13, 16, 22, 23)]
    drug += [(t, 0) for t in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
    placebo = [
        (t, 1) for t in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
    ]
    got = kaplan_meier.log_rank(drug, placebo)
    assert got["statistic"] == pytest.approx(16.79, abs=0.005)
    assert kaplan_meier.log_rank([(5, 0)], [(6, 1)])["p_value"] is None


def test_the_exact_product_is_therneaus_six_patients():
    # Therneau, "Survival: software validation", test data 1.
    steps_ = kaplan_meier.product([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1])
    assert [float(s.survival) for s in steps_] == pytest.approx([5 / 6, 5 / 12, 5 / 12, 0])
    assert [s.at_risk for s in steps_] == [6, 4, 2, 1]


def test_the_median_of_a_flat_stretch_at_one_half_is_its_middle():
    # CAMIS, R against SAS: 5 events, then 5 censored; R gives 102.5 and no upper limit.
    times = [54, 61, 69, 80, 85, 100, 105, 110, 115, 120]
    got = kaplan_meier.Curve(times, [1] * 5 + [0] * 5, CARVE.plan).median()
    assert got["median"] == pytest.approx(102.5 / CARVE.plan.survival.days_per_month)
    assert got["conf_low"] == pytest.approx(54 / CARVE.plan.survival.days_per_month)
    assert got["conf_high"] is None


def test_a_curve_that_lifelines_disputes_is_not_given(monkeypatch):
    true = kaplan_meier.product

    def wrong(times, event, entry=None):
        steps = true(times, event, entry)
        return [s._replace(survival=s.survival * Fraction(999, 1000)) for s in steps]

    assert kaplan_meier.curve_statistics([5, 8, 9], [1, 0, 1], CARVE.plan)
    monkeypatch.setattr(kaplan_meier, "product", wrong)
    assert kaplan_meier.curve_statistics([5, 8, 9], [1, 0, 1], CARVE.plan) == {}


def test_a_death_known_only_by_its_month_is_not_before_the_last_day_alive():
    tables = {
        "dm": [{"USUBJID": "P1", "RFICDTC": "2017-01-01", "DTHDTC": "2017-03"}],
        "ss": [{"USUBJID": "P1", "SSSTRESC": "ALIVE", "SSDTC": "2017-03-10"}],
    }
    subject = subjects_of(tables, CARVE.plan)["P1"]
    assert (subject.died, subject.last_alive) == (dt.date(2017, 3, 10), dt.date(2017, 3, 10))


# ---- the other routes of safety, exposure, cells and plasma, by hand ------------------------------


def test_a_limit_that_stands_only_in_the_result_is_a_limit():
    assert CARVE.plan.psa_response.below_quantification == "limit"
    row = {"LBSTRESN": None, "LBSTRESC": "<0.1", "LBLLOQ": None}
    assert psa._value(row, CARVE.plan) == Decimal("0.1")
    assert psa._value({**row, "LBSTRESC": "< low"}, CARVE.plan) is None


@pytest.mark.parametrize(
    "began, day",
    [
        ("2017-01", dt.date(2017, 1, 2)),  # could be later than the dose of 1 January
        ("2016-12", None),  # surely before it
        ("2017-01-01", None),
        ("2017-03", dt.date(2017, 3, 1)),
    ],
)
def test_a_therapy_known_by_its_month_counts_only_where_it_can_be_later(began, day):
    cm = [{"CMCAT": "SUBSEQUENT ANTICANCER THERAPY", "CMSTDTC": began}]
    assert psa.new_therapy(SUBJECT, cm) == day


@pytest.mark.parametrize(
    "term, value, unit, low, high, base, grade",
    [
        # CTCAE 4.03 as printed; a threshold itself belongs to the milder grade.
        ("Neutrophil count decreased", "1.5", "10^9/L", "2", None, None, "1"),
        ("Neutrophil count decreased", "1.49", "10^9/L", "2", None, None, "2"),
        ("Neutrophil count decreased", "0.49", "10^9/L", None, None, None, "4"),
        ("Neutrophil count decreased", "1.5", "10^9/L", None, None, None, "0 OR 1"),
        ("Platelet count decreased", "50", "10^9/L", "150", None, None, "2"),
        ("Anemia", "6.1", "mmol/L", "8.5", None, None, "2"),
        ("Anemia", "7.9", "g/dL", "13", None, None, "3"),
        ("Anemia", "7.9", "furlong", "13", None, None, "NOT GRADED"),
        ("Hypoalbuminemia", "19.9", "g/L", "35", None, None, "3"),
        ("Alanine aminotransferase increased", "120", "U/L", None, "40", None, "1"),
        ("Alanine aminotransferase increased", "120.1", "U/L", None, "40", None, "2"),
        ("Alanine aminotransferase increased", "801", "U/L", None, "40", None, "4"),
        ("Alkaline phosphatase increased", "251", "U/L", None, "100", None, "2"),
        ("Blood bilirubin increased", "10", "umol/L", None, None, None, "NOT GRADED"),
        ("Creatinine increased", "140", "umol/L", None, "110", "45", "3"),  # 3.1 times baseline
        ("Creatinine increased", "90", "umol/L", None, "110", None, "NOT GRADED"),
        ("Creatinine increased", "120", "umol/L", None, "110", None, "1"),
        ("Creatinine increased", "0.3", "mg/dL", None, "1", "0.3", "0"),
    ],
)
def test_grades_typed_a_second_time_are_those_of_the_printed_criteria(
    term, value, unit, low, high, base, grade
):
    low, high, base = (None if one is None else Decimal(one) for one in (low, high, base))
    assert ctcae.graded(term, Decimal(value), unit, (low, high), base) == grade


def test_the_worst_grade_is_of_the_days_after_the_first_dose_until_the_window_ends():
    """First dose 1 January, last 1 March, window 30 days: until 31 March."""

    def value(day: str, number: float, seq: int) -> dict:
        return {"USUBJID": "P1", "LBTESTCD": "NEUT", "LBDTC": day, "LBSEQ": seq,
                "LBSTRESN": number, "LBSTRESU": "10^9/L", "LBSTNRLO": 2.0}  # fmt: skip

    rows = [
        value("2016-12-20", 1.2, 1),  # before
        value("2017-01-01", 1.8, 2),  # the day of the dose: baseline, grade 1
        value("2017-01-20", 0.9, 3),  # grade 3
        value("2017-03-31", 2.5, 4),
        value("2017-04-01", 0.1, 5),  # after the window
        value("2017-02", 0.1, 6),  # the day is not known
    ]
    assert CARVE.plan.safety.days_after_last_dose == 30
    got = labs.courses({"P1": rows}, {"P1": SUBJECT}, CARVE.plan)
    assert got["NEUT"]["P1"] == labs.Course("1", "3")
    assert got["ALT"]["P1"] == labs.Course("NOT MEASURED", "NOT MEASURED")
    neutropenia = {"AEDECOD": "NEUTROPENIA", "AETOXGR": "2", "AESTDTC": "2017-01-20"}
    doses = [
        {"EXTRT": CARVE.plan.exposure.drugs[0], "EXSTDTC": day}
        for day in ("2017-01-01", "2017-03-01")
    ]
    subject = dataclasses.replace(SUBJECT, sets={"SAFETY"})
    study = study_with(subject, lb=rows, ae=[neutropenia], ex=doses)
    value_of = {
        (r.analysis, r.group, r.paramcd, r.level, r.sublevel, r.stat_name): r.value
        for r in labs.rows(study)
    }
    assert value_of["lab_grade", "", "NEUT", "severe_grade", "", "n"] == 1
    of_alt = [value_of["lab_grade", "", "ALT", "3", "", name] for name in ("n", "N", "estimate")]
    assert of_alt == [None, 1, None]
    assert value_of["lab_shift", "", "NEUT", "1", "3", "n"] == 1
    assert value_of["lab_shift", "", "NEUT", "1", "3", "N"] == 1
    assert value_of["lab_reported", "", "NEUT", "both", "grade_1", "n"] == 1
    assert value_of["lab_reported", "", "NEUT", "laboratory_only", "severe_grade", "n"] == 1


@pytest.mark.parametrize(
    "died, events, stopped, says",
    [
        ((2017, 3, 31), [], None, ("within_window", "not_recorded")),
        (
            (2017, 4, 1),
            [],
            "PROGRESSIVE DISEASE",
            ("after_window", "progression"),
        ),
        (
            (2017, 3, 2),
            [{"AEDECOD": "SEPSIS", "AETOXGR": "5", "AEREL": None}],
            "PROGRESSIVE DISEASE",
            ("within_window", "adverse_event_related"),
        ),
        (
            (2017, 3, 2),
            [{"AEDECOD": "SEPSIS", "AEOUT": "FATAL", "AEREL": "NOT RELATED"}],
            None,
            ("within_window", "adverse_event_unrelated"),
        ),
    ],
)
def test_when_and_of_what_a_subject_died(died, events, stopped, says):
    subject = Subject("P1", doses=2, first_dose=dt.date(2017, 1, 1), last_dose=dt.date(2017, 3, 1))
    subject.died, subject.stopped_for = dt.date(*died), stopped
    assert safety.dead(study_with(subject, ae=events)) == {"P1": says}


def test_exposure_of_one_subject_by_hand():
    """25, 20 and 20 mg/m2 on days 0, 21 and 50 of a cycle of 21: one delay of 8 days, one reduction.

    65 mg/m2 in (50 + 21) / 7 weeks, of 25 / 3 planned a week.
    """
    rule = CARVE.plan.exposure
    assert (rule.cycle_days, rule.planned_dose) == (21, 25)
    assert rule.delay_after_days < 8
    first = dt.date(2017, 1, 1)
    days = [first + dt.timedelta(days=d) for d in (0, 21, 50)]
    subject = Subject("P1", doses=3, first_dose=first, last_dose=days[-1])
    rows = [
        {"EXTRT": rule.drugs[0], "EXCAT": None, "EXSTDTC": day.isoformat(), "EXDOSE": dose,
         "EXDOSU": "mg/m2", "EXSEQ": place, "VISIT": None}
        for place, (day, dose) in enumerate(zip(days, (25.0, 20.0, 20.0), strict=True))
    ]  # fmt: skip
    vs = [
        {"VSTESTCD": "HEIGHT", "VSSTRESN": 180.0, "VSDTC": "2016-12-20", "VSSEQ": 1},
        {"VSTESTCD": "WEIGHT", "VSSTRESN": 80.0, "VSDTC": "2016-12-20", "VSSEQ": 2},
    ]
    given = [{"CMSCAT": "G-CSF", "CMINDC": "PRIMARY PROPHYLAXIS", "CMSTDTC": "2017-01-02"}]
    got = exposure.course(subject, exposure.in_order(rows[::-1], CARVE.plan), vs, given, CARVE.plan)
    assert (got.numbers["NCYCLES"], got.numbers["CUMDOSE"], got.numbers["NGCSF"]) == (3, 65, 1)
    assert got.numbers["CUMMG"] == pytest.approx(130)  # Mosteller: sqrt(180 x 80 / 3600) is 2 m2
    assert got.numbers["RDI"] == pytest.approx(100 * 65 / (71 / 7) / (25 / 3))
    assert (got.numbers["NDELAY"], got.numbers["NREDUC"]) == (1, 1)
    assert (got.results["LOWSTART"], got.results["OVERMAX"]) == ("N", "N")
    assert (got.results["GCSFPRIM"], got.results["GCSFSEC"]) == ("Y", "N")
    silent = exposure.course(
        subject, [{**rows[0], "EXDOSE": None}, *rows[1:]], vs, None, CARVE.plan
    )
    assert (silent.numbers["CUMDOSE"], silent.results["LOWSTART"]) == (None, "U")
    assert (silent.results["GCSFANY"], silent.results["REDUCED"]) == ("U", "U")


def test_what_a_subject_was_is_the_last_value_up_to_his_first_dose():
    subject = Subject(
        "P1", doses=1, first_dose=dt.date(2017, 1, 10), last_dose=dt.date(2017, 1, 10)
    )
    subject.first, subject.sets = Sample(7.0, "POSITIVE", None, dt.date(2017, 1, 2)), {"SCREENED"}
    lb = [
        {"LBTESTCD": "HGB", "LBDTC": day, "LBSEQ": seq, "LBSTRESN": number, "LBSTRESU": unit}
        for day, seq, number, unit in (
            ("2017-01-05", 1, 8.0, "mmol/L"),
            ("2017-01-10", 2, 16.114, "g/dL"),  # 10 mmol/L
            ("2017-01-11", 3, 5.0, "mmol/L"),
        )
    ]
    mh = [
        {"MHDECOD": "PROSTATE CANCER", "MHTERM": "PROSTATE CANCER", "MHSTDTC": "2016-01-10"},
        {"MHDECOD": None, "MHTERM": "GLEASON SCORE 9", "MHSTDTC": None},
    ]
    cm = [{"CMCAT": "PRIOR ANTICANCER THERAPY", "CMDECOD": "DOCETAXEL", "CMSTDTC": "2016"}]
    tables = {name: {"P1": rows} for name, rows in (("lb", lb), ("mh", mh), ("cm", cm))}
    got = qc_baseline.characteristics(tables, {"P1": {"AGE": 70.0}}, {"P1": subject}, CARVE.plan)[
        0
    ]["P1"]
    assert got["HGB"] == pytest.approx(10)
    assert (got["AGE"], got["CTC"], got["MARKER"], got["GLEASON"]) == (70.0, 7.0, "POSITIVE", "9")
    assert got["TSDIAG"] == pytest.approx(366 / 365.25, abs=1e-3)
    assert (got["PRIORTRT"], got["PRIORCL"], got["NPRIORCL"], got["RADIO"]) == ("Y", "N", "0", "N")


def test_cells_of_one_subject_by_hand():
    """From 10 cells to 4 at cycle 3: a response, a fall of 60 %, not to 0; then AR-V7 negative."""
    subject = Subject("P1", doses=3, first_dose=dt.date(2017, 1, 1), last_dose=dt.date(2017, 3, 1))
    subject.first = Sample(10.0, "POSITIVE", None)
    cp = [
        {"CPTESTCD": "CTC", "VISIT": visit, "CPSTRESN": n, "CPSEQ": seq, "CPREFID": f"S{seq}",
         "CPDTC": None}
        for seq, (visit, n) in enumerate((("SCREENING", 10.0), ("CYCLE 1", 0.0), ("CYCLE 3", 4.0)))
    ]  # fmt: skip
    gf = [{"GFTESTCD": "ARV7", "GFSTRESC": "NEGATIVE", "GFREFID": "S2", "GFSEQ": 1}]
    assert (CARVE.plan.ctc.response_below, CARVE.plan.ctc.visit) == (5, "CYCLE 3")
    tests = assays({"gf": gf}, CARVE.plan.biomarker)
    got = ctc.course(subject, cp, tests, CARVE.plan)
    yes = {name: all(asked) for name, asked in got.results.items()}
    assert (yes["CTCRESP"], yes["CTCRVIS"], yes["CTC0"], yes["MARKNEG"]) == (
        True,
        True,
        False,
        True,
    )
    assert (yes["CTCF50"], got.change) == (True, -60.0)


def test_areas_under_straight_and_logarithmic_pieces():
    """Gibaldi and Perrier: (c1 - c2) x (t2 - t1) / ln(c1 / c2); 100 to 25 in 2 h is 75 x 2 / ln 4."""
    curve = [(0.0, 0.0), (1.0, 100.0), (3.0, 25.0)]
    log = 75 * 2 / 1.3862943611198906
    assert pk.area(curve, 3, "linear-up/log-down") == pytest.approx(50 + log, rel=1e-12)
    assert pk.area(curve, 3, "linear") == pytest.approx(50 + 125)
    # Half way the falling piece is at its geometric mean, 50.
    half = (100 - 50) * 1 / 0.6931471805599453
    assert pk.area(curve, 2, "linear-up/log-down") == pytest.approx(50 + half, rel=1e-12)


def test_the_hazard_ratio_of_freireichs_trial():
    """R's coxph on MASS::gehan with Efron's ties: coefficient 1.5721, limits of exp 2.147 and 10.81."""
    drug = [(6, 1)] * 3 + [(t, 1) for t in (7, 10, 13, 16, 22, 23)]
    drug += [(t, 0) for t in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
    placebo = [
        (t, 1) for t in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
    ]
    rows = [{"Group B": 0.0}] * 21 + [{"Group B": 1.0}] * 21
    got = dict(cox.model(drug + placebo, rows, ["Group B"], CARVE.plan))
    assert got[""] == {"N": 42, "n_events": 30, "n_missing": 0}
    assert got["Group B"]["hazard_ratio"] == pytest.approx(2.718281828**1.5721, abs=5e-4)
    assert got["Group B"]["conf_low"] == pytest.approx(2.147, abs=5e-4)
    assert got["Group B"]["conf_high"] == pytest.approx(10.81, abs=5e-3)
    assert got["Group B"]["p_value"] == pytest.approx(0.000138, abs=5e-7)


@pytest.mark.parametrize(
    "group", [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]], ids=["alike", "separated"]
)
def test_a_fit_without_a_maximum_or_too_few_events_is_not_computed_again(group, monkeypatch):
    followed = [(1, 1), (2, 1), (3, 1), (4, 1)]
    rows = [{"Group B": one} for one in group]
    assert list(dict(cox.model(followed, rows, ["Group B"], CARVE.plan))) == [""]
    few = CARVE.plan.survival_comparison.model_copy(update={"events_per_coefficient": 0})
    plan = CARVE.plan.model_copy(update={"survival_comparison": few})
    assert list(dict(cox.model(followed, rows, ["Group B"], plan))) == [""]


def test_a_subject_who_enters_late_is_at_risk_from_then_on():
    # Of two at day 2 one dies; the third comes on day 3, so of two at day 5 one dies: 1/2, then 1/4.
    late = kaplan_meier.product([2, 5, 6], [1, 1, 0], [0, 0, 3])
    assert [(s.at_risk, s.survival) for s in late] == [
        (2, Fraction(1, 2)),
        (2, Fraction(1, 4)),
        (1, Fraction(1, 4)),
    ]


def test_blood_of_one_subject_by_hand():
    """Group B, two infusions: plasma at both, CTC at screening, four PK tubes; one was not asked."""
    subject = Subject(
        "P1", doses=2, first_dose=dt.date(2017, 1, 10), last_dose=dt.date(2017, 1, 31)
    )
    subject.first, subject.group = Sample(7.0, "POSITIVE", None, dt.date(2017, 1, 2)), "B"
    ex = [
        {"EXTRT": CARVE.plan.exposure.drugs[0], "EXCAT": None, "EXSTDTC": day, "EXSEQ": seq,
         "VISIT": f"CYCLE {seq}"}
        for seq, day in ((1, "2017-01-10"), (2, "2017-01-31"))
    ]  # fmt: skip
    tubes = [("CTC", "SCREENING", 20.0), ("CFDNA PLASMA", "CYCLE 1", 10.0)]
    tubes += [("PK", "CYCLE 1", 5.0)] * 3 + [("CTC", "CYCLE 2", 20.0)]
    be = [
        {"BEDECOD": "COLLECTING", "BECAT": kind, "VISIT": visit, "BEVOL": ml, "BEDTC": "2017-01-10"}
        for kind, visit, ml in tubes
    ]
    tables = {"be": {"P1": be}, "ex": {"P1": ex}, "cm": {}}
    got = {
        (row[1], row[2]): row[3]
        for row in samples.inventory(tables, {"P1": subject}, CARVE.plan, dt.date(2019, 6, 30))
    }
    assert (got["CFDNA PLASMA", ""]["n"], got["CFDNA PLASMA", ""]["N"]) == (1, 2)
    assert (got["PK", "CYCLE 1"]["tubes"], got["PK", "CYCLE 1"]["tubes_expected"]) == (3, 4)
    assert (got["CTC", ""]["N"], got["CTC", ""]["n_extra"]) == (1, 1)
    assert (got["CTC", "volume"]["total"], got["CTC", "volume"]["expected_ml"]) == (40, 20)


# RECIST 1.1 (Eisenhauer 2009), table 3: first and next time point 28 days apart, the best confirmed
# response where the minimum for SD (day 42) is met by day 42, and where days 5 and 33 do not meet it.
TABLE_3 = """
    CR CR CR CR
    CR PR SD PD
    CR SD SD PD
    CR PD SD PD
    CR NE SD NE
    PR CR PR PR
    PR PR PR PR
    PR SD SD SD
    PR PD SD PD
    PR NE SD NE
    NE NE NE NE
"""


@pytest.mark.parametrize("line", TABLE_3.strip().splitlines())
def test_the_second_best_response_is_table_3_as_well(line):
    first, then, met, not_met = line.split()
    start = dt.date(2018, 1, 1)
    for one, two, expected in ((42, 70, met), (5, 33, not_met)):
        told = [(start + dt.timedelta(days=d), a) for d, a in ((one, first), (two, then))]
        assert recist.best(told, start, CARVE.plan.tumour, confirmed=True) == expected


def reading(link, code, value, day, **more):
    number = value if isinstance(value, float) else None
    when = (dt.date(2018, 1, 1) + dt.timedelta(days=day)).isoformat()
    row = {
        "TRLNKID": link,
        "TRTESTCD": code,
        "TRSTRESC": str(value),
        "TRSTRESN": number,
        "TRDTC": when,
    }
    return row | more


def lesion(link, what, place, day, code="TUMIDENT", **more):
    when = (dt.date(2018, 1, 1) + dt.timedelta(days=day)).isoformat()
    row = {"TULNKID": link, "TUTESTCD": code, "TUSTRESC": what, "TULOC": place, "TUDTC": when}
    return row | more


@pytest.mark.parametrize(
    "tu, tr, unconfirmed, change",
    [
        # a node of 30 mm that grows to 60 beside a liver lesion from 30 to 20 mm
        (
            [lesion("T1", "TARGET", "LIVER", -9), lesion("T2", "TARGET", "Iliac lymph nodes", -9)],
            [
                reading("T1", "LDIAM", 30.0, -9), reading("T2", "LPERP", 30.0, -9),
                reading("T1", "LDIAM", 20.0, 84), reading("T2", "LPERP", 60.0, 84),
            ],
            "PD",
            100 / 3,
        ),
        # a new lesion that no reading names, on a day of its own
        (
            [lesion("T1", "TARGET", "LIVER", -9), lesion("N1", "NEW", None, 60)],
            [reading("T1", "LDIAM", 30.0, -9), reading("T1", "LDIAM", 15.0, 84)],
            "PD",
            -50.0,
        ),
        # a new lesion that was only ever equivocal
        (
            [lesion("T1", "TARGET", "LIVER", -9), lesion("N1", "NEW", None, 84)],
            [
                reading("T1", "LDIAM", 30.0, -9), reading("T1", "LDIAM", 15.0, 84),
                reading("N1", "TUMSTATE", "EQUIVOCAL", 84),
            ],
            "PR",
            -50.0,
        ),
        # 60 mm that split into 20 and 15; then two of 30 that merged into one of 36
        (
            [
                lesion("T1", "TARGET", "LIVER", -9),
                lesion("T1.1", "TARGET", "LIVER", 84, "TUSPLIT"),
                lesion("T1.2", "TARGET", "LIVER", 84, "TUSPLIT"),
            ],
            [
                reading("T1", "LDIAM", 60.0, -9),
                reading("T1.1", "LDIAM", 20.0, 84), reading("T1.2", "LDIAM", 15.0, 84),
            ],
            "PR",
            -25 / 60 * 100,
        ),
        (
            [
                lesion("T1", "TARGET", "LIVER", -9), lesion("T2", "TARGET", "LIVER", -9),
                lesion("T1/T2", "TARGET", "LIVER", 84, "TUMERGE"),
            ],
            [
                reading("T1", "LDIAM", 30.0, -9), reading("T2", "LDIAM", 30.0, -9),
                reading("T1/T2", "LDIAM", 36.0, 84),
            ],
            "PR",
            -40.0,
        ),
        # a non-target lesion, first by its name, merged with a target of 30 mm: 33 mm are of the target
        (
            [
                lesion("N1", "NON-TARGET", "LIVER", -9), lesion("T1", "TARGET", "LIVER", -9),
                lesion("N1/T1", "TARGET", "LIVER", 84, "TUMERGE"),
            ],
            [reading("T1", "LDIAM", 30.0, -9), reading("N1/T1", "LDIAM", 33.0, 84)],
            "SD",
            10.0,
        ),
        # too small to measure is 5 mm
        (
            [lesion("T1", "TARGET", "LIVER", -9)],
            [reading("T1", "LDIAM", 10.0, -9), reading("T1", "LDIAM", "TOO SMALL TO MEASURE", 84)],
            "PR",
            -50.0,
        ),
    ],
)  # fmt: skip
def test_lesions_of_one_subject_a_second_time_by_hand(tu, tr, unconfirmed, change):
    subject = Subject("P1", doses=8, first_dose=dt.date(2018, 1, 1), last_dose=dt.date(2018, 6, 1))
    got = recist.course(subject, {"tu": tu, "tr": tr}, CARVE.plan)
    assert got.best == unconfirmed
    assert got.change == pytest.approx(change)
    assert got.measurable
