"""Displays of times when a set has no patient: they say so, and the other sets are unchanged."""

import json

import pandas as pd
import pytest

from sap import ard
from sap.displays import ctc, exposure, labs, progression, response, safety, sentences, survival
from sap.displays.table import with_marks
from sap.plan import project_home, read_plan

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
NONE = ard.NotEstimable("no patient with this origin in this population")
TIMES = {
    "median": 9.5, "conf_low": 4.0, "conf_high": ard.NotEstimable("no limit"), "min": 1.0,
    "max": 20.0, "follow_up_median": 15.0, "conf_level": 0.95,
}  # fmt: skip


def of(analysis: str, population: str, n: float | ard.NotEstimable, **stats: ard.type_of_stat):
    empty = dict.fromkeys(("median", "conf_low", "conf_high"), NONE)
    known = isinstance(n, float) and n > 0
    return ard.rows(
        {"N": n, "n_events": n, **(TIMES if known else empty), **stats},
        analysis=analysis, section="SAP 5.6", population=population, paramcd=analysis.upper(),
        method="Kaplan-Meier",
    )  # fmt: skip


def landmark(population: str, months: float):
    return ard.rows(
        {"estimate": 0.5, "conf_low": 0.2, "conf_high": 0.8, "conf_level": 0.95},
        analysis="os", section="SAP 5.6", population=population, paramcd="OS",
        level=f"month_{months:g}", method="Kaplan-Meier",
    )  # fmt: skip


def restricted_mean(population: str):
    return ard.rows(
        {"estimate": 8.46, "conf_low": 7.0, "conf_high": 9.9, "conf_level": 0.95},
        analysis="os", section="SAP 5.6", population=population, paramcd="OS",
        level=f"rmst_{PLAN.survival.rmst_months:g}", method="Restricted mean",
    )  # fmt: skip


def curve(analysis: str, population: str):
    where = {
        "section": "SAP 5.6", "population": population, "paramcd": analysis.upper(),
        "method": "Kaplan-Meier",
    }  # fmt: skip
    step = {"time": 9.5, "estimate": 0.5, "conf_low": 0.2, "conf_high": 0.8, "n_events": 1,
            "n_censored": 0}  # fmt: skip
    risk = {"time": 0.0, "at_risk": 2}
    return [
        ard.rows(step, analysis=f"{analysis}_curve", level="0001", **where),
        ard.rows(risk, analysis=f"{analysis}_at_risk", level="0000", **where),
    ]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that holds the rows given to it."""

    def write(*parts):
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "ard.csv").write_text(ard.to_csv(ard.bind(parts)), encoding="utf-8")
        plan = json.dumps(PLAN.model_dump(mode="json"))
        (tmp_path / "tables" / "plan.json").write_text(plan, encoding="utf-8")
        monkeypatch.setenv("SAP_RUN", str(tmp_path))

    return write


def test_survival_takes_its_level_from_a_set_with_patients(run):
    months = PLAN.survival.landmarks_months
    run(
        of("os", "PRIMARY", 0.0), of("os", "SCREENED", 2.0),
        *(landmark("SCREENED", at) for at in months), restricted_mean("SCREENED"),
    )  # fmt: skip
    shown = survival.overall()
    assert not shown.absent
    (mean,) = [row for row in shown.rows if str(row.label).startswith("Restricted mean to 12")]
    assert [str(getattr(cell, "text", cell)) for cell in mean.cells] == ["\u2013", "8.5"]
    assert any("95" in str(row.label) for row in shown.rows)


def test_a_time_that_no_patient_reached_is_not_estimable_though_the_curve_ended_at_0(run):
    """Both patients died before: the estimate is 0 by its formula, no patient was followed to the landmark."""
    months = PLAN.survival.landmarks_months
    no_limit = ard.NotEstimable("no standard error here")
    over = ard.rows(
        {"estimate": 0.0, "conf_low": no_limit, "conf_high": no_limit, "conf_level": 0.95, "at_risk": 0},
        analysis="os", section="SAP 5.6", population="SCREENED", paramcd="OS",
        level=f"month_{months[-1]:g}", method="Kaplan-Meier",
    )  # fmt: skip
    run(
        of("os", "SCREENED", 2.0), *(landmark("SCREENED", at) for at in months[:-1]), over,
        restricted_mean("SCREENED"),
    )  # fmt: skip
    shown = survival.overall()
    cells = {str(row.label): str(getattr(row.cells[0], "text", row.cells[0])) for row in shown.rows}
    assert cells[f"OS rate at {months[-1]:g} months (%)"] == "NE"
    assert cells[f"OS rate at {months[0]:g} months (%)"] == "50.0"
    marked, notes = with_marks(shown)
    assert ("b", "Not estimable: no patient at risk at this time.") in notes
    at_letter = [str(row.label) for row in marked.rows if getattr(row.cells[0], "marks", "") == "b"]
    assert at_letter == [f"OS rate at {months[-1]:g} months (%)"]


def test_survival_without_a_patient_gives_the_reason(run):
    run(of("os", "PRIMARY", 0.0), of("os", "SCREENED", 0.0))
    assert survival.overall().absent.startswith("No patient has this origin")


def test_curves_leave_out_a_time_that_no_patient_has_or_that_the_data_lack(run):
    lacking = ard.NotEstimable("not in the data: no dated tumour assessment")
    run(
        of("pfs", "PRIMARY", lacking, n_events=lacking), of("rpfs", "PRIMARY", 0.0),
        of("ttpp", "PRIMARY", 2.0), *curve("ttpp", "PRIMARY"),
    )  # fmt: skip
    shown = progression.curves()
    assert shown.plot is not None
    assert shown.alt.count("months") == 1


def test_curves_without_a_patient_give_the_reason(run):
    run(of("pfs", "PRIMARY", 0.0), of("rpfs", "PRIMARY", 0.0), of("ttpp", "PRIMARY", 0.0))
    assert progression.curves().absent.startswith("No time to progression")


def test_the_words_of_curves_hold_a_number_when_no_median_is_reached(run):
    """Each figure must be described with a number; one that stays above one half has its size."""
    run(of("ttpp", "PRIMARY", 2.0, median=NONE), *curve("ttpp", "PRIMARY"))
    assert "2 patients" in progression.curves().alt


def test_the_note_on_intercurrent_events_has_the_plan_s_days_and_no_missed_sample_ends_values(run):
    """The end of the values that count is SAP 5.1: death, new therapy, days after the last infusion."""
    rule = PLAN.psa_response
    events = [
        ard.rows({"n": 1, "N": 4, "estimate": 0.25}, analysis="intercurrent_events",
                 section="SAP 5.1.1", population="PRIMARY", paramcd=name, method="Distinct patients")
        for name in ("ICESTOP", "ICETOX", "ICETHER", "ICEDTH", "ICEMISS", "ICEPEND")
    ]  # fmt: skip
    run(*events)
    table = response.events()
    note, ignored = table.notes
    strategies = {
        row.printed[0].text: row.printed[1][-1].text for row in table.rows if row.printed[1]
    }
    assert strategies["End of study treatment, of any reason"] == "While on treatment"
    assert strategies["Death during the PSA assessment period"] == "Composite"
    assert "progression" in ignored
    assert "dose change" in ignored
    assert f"{rule.days_after_last_cycle} days after the last infusion" in note.plain
    assert "new anticancer therapy" in note.plain
    assert "A missed sample or the end of treatment does not end it" in note.plain


@pytest.mark.parametrize(
    "decision, synthetic, expected",
    [
        ("H0 rejected", False, "at most 10% (an assumption of the SAP) was rejected."),
        ("H0 not rejected", False, "at most 10% (an assumption of the SAP) was not rejected."),
        (
            "H0 not rejected: stopped after stage 1",
            False,
            "was not rejected (the study stopped after stage 1).",
        ),
        (
            "No decision: fewer than planned",
            False,
            "There is no decision yet on the null hypothesis",
        ),
        (
            "H0 rejected",
            True,
            "The data are synthetic, so no conclusion about the treatment is possible.",
        ),
    ],
)
def test_the_conclusion_is_the_decision_of_the_design(run, tmp_path, decision, synthetic, expected):
    rows = ard.rows({"decision": decision}, analysis="psa_response", section="SAP 5.1",
                    population="PRIMARY", paramcd="PSARESP", method="m")  # fmt: skip
    run(rows)
    (tmp_path / "tables" / "run.json").write_text(json.dumps({"synthetic": synthetic}), "utf-8")
    words = sentences.conclusion()
    assert expected in words.plain
    decided = ["psa_response|PRIMARY||PSARESP|||decision"] if "was" in words.plain else []
    assert [n.key for n in words.numbers] == ["plan|design.p0", *decided]


@pytest.mark.parametrize(
    "undetermined, not_done, expected",
    [
        (16, 25, "AR-V7 was positive in 30, negative in 0, undetermined in 16 and not done in 25"),
        (16, 0, "AR-V7 was positive in 30, negative in 0 and undetermined in 16"),
        (0, 0, "AR-V7 was positive in 30 and negative in 0"),
    ],
)
def test_a_marker_result_that_no_patient_has_is_not_named(run, undetermined, not_done, expected):
    counts = {"positive": 30, "negative": 0, "undetermined": undetermined, "not_done": not_done}
    where = {"section": "SAP 4.1", "population": "SCREENED", "paramcd": "BOX", "method": "m"}
    run(*(ard.rows({"n": n}, analysis="flow", level=f"marker_{status}", **where)
          for status, n in counts.items()))  # fmt: skip
    assert sentences.marker_results().plain == expected


def test_the_stopping_boundary_is_reported_with_its_count(run):
    stats = {"N": 35, "n": 4, "boundary": 13, "decision": "not crossed"}
    run(ard.rows(stats, analysis="toxicity_monitoring", section="SAP 5.7.5", population="SAFETY",
                 paramcd="TOX", method="m"))  # fmt: skip
    plain = sentences.toxicity().plain.replace("\u00a0", " ")
    assert "4 of 35 treated patients" in plain
    assert "boundary assumed for this analysis at this number of patients is 13." in plain
    assert "This boundary was not crossed." in plain


def exposed(paramcd: str, n: float | ard.NotEstimable, missing: float):
    known = not missing and not isinstance(n, ard.NotEstimable)
    share = n / 10 if known else ard.NotEstimable("not in the data: a dose given")
    stats = {"n": n, "N": 10, "n_missing": missing, "estimate": share}
    return ard.rows(stats, analysis="exposure", section="SAP 5.9", population="SAFETY",
                    paramcd=paramcd, method="Participants")  # fmt: skip


def test_subjects_of_whom_it_is_not_known_have_a_line_of_their_own(run):
    """4 of 10 reduced and 2 not known: at least 4, no percentage, and the 2 below; of the others nothing more."""
    run(*(exposed(name, 4, 2 if name == "REDUCED" else 0) for name in exposure.RESPONSES))
    rows = exposure.compliance().rows
    shown = [(str(row.label), str(getattr(row.cells[0], "text", row.cells[0]))) for row in rows]
    at = [label for label, _ in shown].index("Dose reduction")
    assert shown[at : at + 2] == [("Dose reduction", ">= 4"), ("Unknown", "2")]
    assert [label for label, _ in shown].count("Unknown") == 1


def test_the_primary_rule_of_confirmation_is_listed_once(run):
    """The plan confirms after 28 days and varies it to 21 and 28: three rows, 28 among them once."""
    stats = {"n": 8, "N": 25, "estimate": 0.32, "conf_low": 0.1, "conf_high": 0.5,
             "conf_level": 0.95, "p_value": 0.01, "decision": "H0 rejected"}  # fmt: skip
    codes = {"psa_response": "PSARESP", "psa_response_unconfirmed": "PSARESPU",
             "psa_response_21d": "PSARSP21", "psa_response_28d": "PSARSP28"}  # fmt: skip
    run(*(ard.rows(stats, analysis=name, section="SAP 5.1", population="PRIMARY", paramcd=code,
                   method="m") for name, code in codes.items()))  # fmt: skip
    labels = [str(row.label) for row in response.sensitivity().rows]
    assert labels == [
        "PSA response, confirmed after 28 days (primary)",
        "PSA response, unconfirmed",
        "PSA response, confirmed after 21 days",
    ]
    heads = [column.header for column in response.sensitivity().columns]
    assert not {"p", "Decision"} & set(heads)  # other rules of confirmation decide nothing


def test_a_report_of_severe_events_only_says_so_and_the_other_does_not(run, tmp_path):
    run(of("os", "PRIMARY", 2.0))
    assert sentences.registered().plain == ""
    other = read_plan(project_home() / "analysis" / "plan-caba-v7.yml").plan
    text = json.dumps(other.model_dump(mode="json"))
    (tmp_path / "tables" / "plan.json").write_text(text, encoding="utf-8")
    ard._json.cache_clear()
    ard._plan.cache_clear()
    assert sentences.registered().plain.startswith("Events below grade 3 were not all recorded")
    assert sentences.rescreened().plain == ""
    (note,) = safety._collected()
    assert "below grade 3 were not all recorded" in note.plain


def shifted(code: str, base: str, worst: str, n: float | ard.NotEstimable):
    return ard.rows({"n": n, "N": 10}, analysis="lab_shift", section="SAP 5.7.4", population="SAFETY",
                    paramcd=code, level=base, sublevel=worst, method="m")  # fmt: skip


def test_a_test_that_no_patient_had_makes_no_lines_of_missing_numbers(run, tmp_path):
    """Haemoglobin: 3 patients from '0 or 1' to 2. Gamma-GT was not measured: named once, not five lines."""
    never = ard.NotEstimable("not in the data: GGT was not measured on treatment")
    run(
        shifted("HGB", "0_or_1", "2", 3), shifted("HGB", "0_or_1", "0_or_1", 2),
        *(shifted("GGT", grade, "0", never) for grade in "01234"),
    )  # fmt: skip
    manifest = json.dumps({"files": [{"name": "lb.parquet"}]})
    (tmp_path / "tables" / "manifest.json").write_text(manifest, encoding="utf-8")
    table = labs.shift()
    assert [str(row.label) for row in table.rows] == ["Haemoglobin, low", "Baseline 0 or 1"]
    marked, (dash, unknown, apart) = with_marks(table)
    assert dash == "–: number not known."
    assert apart[0] == "a"
    assert apart[1].startswith("Grades 0 and 1 cannot be distinguished")
    assert {column.header for column in marked.columns if column.marks} == {"0 or 1"}
    assert unknown.endswith("on treatment: Gamma-GT, high.")


def test_a_worse_grade_than_at_baseline_is_a_share_or_a_bound(run, tmp_path):
    """Haemoglobin: 4 of 10 are worse. Neutrophils: 2 are, and of 1 it depends on what 0 or 1 is. Gamma-GT: not measured."""
    never = ard.NotEstimable("not in the data: GGT was not measured on treatment")
    of_some = ard.NotEstimable("not in the data: lower limits of normal of 1 patients")
    stats = {
        "HGB": {"n": 4, "estimate": 0.4},
        "NEUT": {"n": 2, "estimate": of_some},
        "GGT": {"n": never, "estimate": never},
    }
    levels = ("0", "1", "2", "3", "4", "severe_grade", "worsened")
    run(*(
        ard.rows({"N": 10} | (of if level == "worsened" else {"n": 0, "estimate": 0.0}),
                 analysis="lab_grade", section="SAP 5.7.4", population="SAFETY", paramcd=code,
                 level=level, method="m")
        for code, of in stats.items() for level in levels
    ))  # fmt: skip
    manifest = json.dumps({"files": [{"name": "lb.parquet"}]})
    (tmp_path / "tables" / "manifest.json").write_text(manifest, encoding="utf-8")
    table = labs.worst()
    assert table.columns[-1].header == "Worse than at baseline, n (%)"
    last = {str(row.label): row.cells[-1].text for row in table.rows}
    assert last == {
        "Haemoglobin, low": "4 (40.0)",
        "Neutrophils, low": "2 or more",
        "Gamma-GT, high": "NC",
    }
    assert any(note[1] == labs.BOUND for note in with_marks(table)[1] if isinstance(note, tuple))


def test_the_spider_has_the_values_that_count_of_the_primary_set_from_its_first_dose(run, tmp_path):
    """T-1: 100 at the start, 40 on day 21 (3 weeks, -60 %), 30 on day 200, which no longer counts.

    T-2 is no patient of the primary set.
    """
    where = {"section": "SAP 5.2", "population": "PRIMARY", "method": "m"}
    run(
        ard.rows({"n": 1}, analysis="psa_change", paramcd="PSABEST", **where),
        ard.rows({"n": 1}, analysis="psa_response", paramcd="PSARESP", **where),
    )
    start = pd.Timestamp("2018-01-01")
    days = [21, 200, 21]
    frames = {
        "adsl": pd.DataFrame(
            {"USUBJID": ["T-1", "T-2"], "TRTSDT": start, "PRIMFL": ["Y", "N"], "RESCTRFL": "N"}
        ),
        "adpsa": pd.DataFrame(
            {
                "USUBJID": ["T-1", "T-1", "T-2"],
                "ADT": start + pd.to_timedelta(pd.Series(days), unit="D"),
                "ANL01FL": ["Y", "", "Y"],
                "PCHG": [-60.0, -70.0, 10.0],
            }
        ),
        "adrs": pd.DataFrame(
            {
                "USUBJID": ["T-1", "T-1", "T-2"],
                "PARAMCD": ["PSABEST", "PSARESP", "PSABEST"],
                "AVAL": [-60.0, None, 10.0],
                "AVALC": ["", "Y", ""],
            }
        ),
    }
    (tmp_path / "adam").mkdir()
    for name, frame in frames.items():
        frame.to_parquet(tmp_path / "adam" / f"{name}.parquet")
    drawn = response.spider().plot.data
    assert drawn["subject"].unique().tolist() == ["T-1"]
    assert drawn[["time", "change"]].to_numpy().tolist() == [[0.0, 0.0], [3.0, -60.0]]
    assert drawn["category"].unique().tolist() == ["Confirmed response"]


def test_the_ctc_counts_of_an_evaluable_subject_begin_with_the_baseline_at_week_0(run, tmp_path):
    """T-1: 8 before, 3 on day 42 (week 6), a count on day 400 that does not count. T-2 is not
    evaluable. Without dates the visit of the 3, cycle 4, places it; that at the end has no place.
    """
    where = {"section": "SAP 5.12", "population": "CTCEVAL", "method": "m"}
    run(ard.rows({"n": 1, "N": 1}, analysis="ctc_response", paramcd="CTCRESP", **where))
    plan = json.loads((tmp_path / "tables" / "plan.json").read_text(encoding="utf-8"))
    assert plan["ctc"]["response_below"] == 5
    start = pd.Timestamp("2018-01-01")
    days = [-7, 42, 400, 42]
    frames = {
        "adsl": pd.DataFrame({"USUBJID": ["T-1", "T-2"], "TRTSDT": start, "CTCEVFL": ["Y", "N"]}),
        "adctc": pd.DataFrame(
            {
                "USUBJID": ["T-1", "T-1", "T-1", "T-2"],
                "ADT": start + pd.to_timedelta(pd.Series(days), unit="D"),
                "AVISIT": ["SCREENING", "CYCLE 4", "END OF TREATMENT", "CYCLE 4"],
                "AVAL": [8.0, 3.0, 1.0, 9.0],
                "BASE": [8.0, 8.0, 8.0, 2.0],
                "ANL01FL": ["", "Y", "", "Y"],
            }
        ),
        "adrs": pd.DataFrame({"USUBJID": ["T-1"], "PARAMCD": ["CTCRESP"], "AVALC": ["Y"]}),
    }
    (tmp_path / "adam").mkdir()
    for name, frame in frames.items():
        frame.to_parquet(tmp_path / "adam" / f"{name}.parquet")
    figure = ctc.values()
    drawn = figure.plot.data
    assert drawn[["subject", "time", "value"]].to_numpy().tolist() == [
        ["T-1", 0.0, 8.0],
        ["T-1", 6.0, 3.0],
    ]
    assert drawn["category"].unique().tolist() == ["CTC response"]
    note, week = figure.notes
    expected = "1 of 1 evaluable patients had a CTC response: a count below 5, the dashed line."
    assert note.plain == expected
    assert "week 0" in week.plain
    where = tmp_path / "adam" / "adctc.parquet"
    undated = frames["adctc"].assign(ADT=pd.NaT, ANL01FL=["", "Y", "Y", ""])
    undated.to_parquet(where)
    drawn = (figure := ctc.values()).plot.data
    assert drawn[["subject", "time", "value"]].to_numpy().tolist() == [
        ["T-1", 1.0, 8.0],
        ["T-1", 4.0, 3.0],
    ]
    figure.plot.draw()
    assert "cycle 1" in figure.notes[1].plain
    assert figure.notes[2].plain.endswith("are not shown.")
    undated.assign(AVISIT="END OF TREATMENT").to_parquet(where)
    assert "has a date or a cycle" in ctc.values().absent
    frames["adctc"].assign(ANL01FL="").to_parquet(tmp_path / "adam" / "adctc.parquet")
    assert "No evaluable patient" in ctc.values().absent
