"""What a display prints where a number would mislead: bounds, words, one column for two, populations."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from sap import ard
from sap.displays import (
    abbreviations,
    absence,
    ard_lookup,
    baseline,
    comparison,
    ctc,
    disposition,
    frame,
    history,
    protocol,
    register,
    response,
    safety,
    sentences,
    synopsis,
    tumour,
)
from sap.pipeline import title_page
from sap.plan import project_home, read_plan

CARVE, CABA = (
    read_plan(project_home() / "analysis" / name).plan for name in ("plan.yml", "plan-caba-v7.yml")
)
NONE = ard.NotEstimable("not in the data: no value of these patients")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a plan, rows of the ARD and datasets."""

    def write(plan, *parts, **datasets):
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "adam").mkdir(exist_ok=True)
        facts = {
            "kind": "csr",
            "audience": "closed",
            "cut_off": "2020-01-01",
            "cut_off_name": "final",
        }
        made = {"plan": plan.model_dump(mode="json"), "run": facts, "mapped": [],
                "manifest": {"files": [{"name": "lb.parquet"}]}}  # fmt: skip
        for name, content in made.items():
            (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), "utf-8")
        (tmp_path / "ard.csv").write_text(ard.to_csv(ard.bind(parts)), encoding="utf-8")
        for name, data in datasets.items():
            data.to_parquet(tmp_path / "adam" / f"{name}.parquet")
        for cache in (ard._json, ard._plan, ard._read_ard):
            cache.cache_clear()
        ard_lookup._READ.clear()
        monkeypatch.setenv("SAP_RUN", str(tmp_path))

    return write


def row(analysis, stats, population="SAFETY", **key):
    return ard.rows(
        stats, analysis=analysis, section="SAP 5", population=population, method="m", **key
    )


def share(n, N):  # noqa: N803 - as in the ARD
    return {"n": n, "N": N, "estimate": n / N}


def rate(n, N):  # noqa: N803 - as in the ARD
    return share(n, N) | {"conf_level": 0.95, "conf_low": 0.0, "conf_high": 0.9}


def sets(primary, safety):
    return [
        row("analysis_sets", {"n": primary}, "PRIMARY"),
        row("analysis_sets", {"n": safety}, "SAFETY"),
    ]


def texts(table):
    return {
        str(getattr(r.label, "text", r.label)): [str(getattr(c, "text", c)) for c in r.cells]
        for r in table.rows
    }


@pytest.mark.parametrize(
    "missing, needed, printed",
    [(0, 3, "Not applicable: every patient was evaluable"), (2, 0, "None"), (3, 2, "2")],
)
def test_the_tipping_point_is_a_number_only_where_one_is_needed(run, missing, needed, printed):
    posterior = {"prior_a": 0.5, "prior_b": 0.5, "mean": 0.2, "median": 0.2, "conf_low": 0.1,
                 "conf_high": 0.3, "conf_level": 0.95, "probability_above_p0": 0.9}  # fmt: skip
    tipping = {"n": 3, "N": 25, "n_missing": missing, "responders_needed": needed, "decision": "D"}
    run(CARVE, row("psa_posterior", posterior, "PRIMARY", paramcd="PSARESP"),
        row("tipping_point", tipping, "PRIMARY", paramcd="PSARESP"))  # fmt: skip
    rows = texts(comparison.posterior())
    assert rows["Responders needed among them"] == [printed]
    assert ("Conclusion" in rows) is (missing > 0)


@pytest.mark.parametrize("safety, heads", [(25, ["Primary (= all treated)"]), (26, ["Primary", "All treated"])])  # fmt: skip
def test_a_column_that_repeats_the_primary_set_is_left_out(run, safety, heads):
    counts = [
        row("disposition", share(4, n), p, paramcd="TREATMENT", level=level)
        for p, n in (("PRIMARY", 25), ("SAFETY", safety))
        for level in ("ended", "ADVERSE EVENT", "ongoing")
    ]
    run(CABA, *sets(25, safety), *counts)
    assert [column.header for column in disposition.treatment().columns] == heads


def test_who_stopped_for_an_event_is_that_of_the_disposition_record(run):
    """4 of 25 by the record of the end of treatment; of 13 events 3 have no action."""
    ended = [
        row("disposition", share(n, 25), paramcd="TREATMENT", level=level)
        for level, n in (("ended", 25), ("ADVERSE EVENT", 4))
    ]
    events = [
        row("ae_overview", share(n, 25) | {"n_events": e}, paramcd="TEAE", level=level)
        for level, n, e in (("any", 9, 13), ("action_missing", 2, 3))
    ]
    run(CABA, *ended, *events)
    said = sentences.stopped_for_event().plain
    assert said == (
        "By the record of the end of treatment, 4 of 25 stopped study treatment for an adverse event. "
        "The action taken is missing for 3 of 13 treatment-emergent adverse events."
    )
    nothing = row(
        "ae_overview", share(0, 25) | {"n_events": 0}, paramcd="TEAE", level="action_missing"
    )
    run(CABA, *ended, events[0], nothing)
    assert "missing" not in sentences.stopped_for_event().plain


def test_the_response_of_re_screened_patients_who_were_negative_at_first_is_in_the_sentence(run):
    where = {"population": "RESCREENED", "paramcd": "PSARESP"}
    of = [
        row("rescreen_response", rate(n, N) | {"n_missing": 0}, level=level, **where)
        for level, n, N in (("", 1, 10), ("marker_negative", 0, 5), ("marker_not_done", 1, 4))
    ]
    run(CARVE, *of)
    assert (
        "; of those initially AR-V7 negative, 0\u00a0of\u00a05 (95%\u00a0CI"
        in sentences.rescreened().plain
    )


@pytest.mark.parametrize("plan, other, own", [(CARVE, "21", "28"), (CABA, "28", "21")])
def test_the_other_days_of_confirmation_are_those_that_are_not_the_primary_ones(
    run, plan, other, own
):
    run(plan)
    said = sentences.other_confirmation().plain
    assert (
        said
        == f"The response is also given with a confirmation after {other} days in place of {own}. "
    )


@pytest.mark.parametrize("visits, shown", [(["BASELINE"], False), (["BASELINE", "CYCLE 2"], True)])
def test_values_without_visits_on_treatment_are_no_table_by_visit(run, visits, shown):
    values = [
        row("lab_values", {"n": 5}, paramcd="HGB", level=visit, sublevel="value")
        for visit in visits
    ]
    run(CABA, *values, row("flow", {"n": 5}, "SCREENED", paramcd="BOX", level="consented"))
    assert register.printed("tlf-lab-values") is shown
    text = sentences.laboratory_course()._repr_markdown_()
    assert ("gives the values and their changes from baseline by visit" in text) is shown
    assert ("values on treatment have no visit" in text) is not shown


def test_title_and_population_are_those_of_the_plan(run):
    """Without groups there is no second screening, and no block of re-screened patients."""
    times, waterfall = (
        register.register()[f"tlf-{i}"] for i in ("rescreening-times", "psa-waterfall")
    )
    run(CARVE)
    assert register.title_of(times).startswith("Interval and CTC change between the screenings")
    assert "primary analysis set; re\\-screened patients" in frame._caption(waterfall, None, "")
    assert "see the column heads" in frame._caption(register.register()["tlf-bor"], None, "")
    assert "Population" not in frame._caption(register.register()["tlf-oc"], None, "")
    run(CABA)
    assert register.title_of(times) == "Time from the sample to allocation"
    assert "screened patients" not in frame._caption(waterfall, None, "")


@pytest.mark.parametrize(
    "dated, of_investigator, paramcd",
    [(["PR", "NE"], ["SD", "PD"], "BORC"), (["NE", "NE"], ["SD", "PD"], "BORINV"), (["NE", None], ["NE", "NE"], "")],
)  # fmt: skip
def test_the_strip_has_the_dated_response_or_else_that_of_the_investigator(
    dated, of_investigator, paramcd
):
    adrs = pd.DataFrame(
        {"PARAMCD": ["BORC"] * 2 + ["BORINV"] * 2, "AVALC": [*dated, *of_investigator]}
    )
    assert response._strip_of(adrs) == paramcd


def measured(population, n, *, known):
    values = dict.fromkeys(
        ("mean", "sd", "median", "q1", "q3", "min", "max"), 7.65 if known else NONE
    )
    unknown = {"n": NONE, "N": n, "estimate": NONE}
    counts = {"Y": share(3, n) if known else unknown, "missing": share(0 if known else n, n)}
    return [
        row("baseline", {"n": n, "N": n, **dict.fromkeys(values, 60.0)}, population, paramcd="AGE"),
        row("baseline", {"n": n if known else 0, "N": n, **values}, population, paramcd="HGB"),
        *(row("baseline", k, population, paramcd="MEASDIS", level=level) for level, k in counts.items()),
    ]  # fmt: skip


def test_a_group_without_a_value_that_others_have_is_marked_not_collected(run):
    run(CARVE, *measured("PRIMARY", 5, known=True), *measured("GROUPA", 9, known=False))
    rows = texts(baseline.laboratory())
    assert rows["Mean (SD)"] == ["7.65 (7.65)", "NC"]
    assert rows["Min, max"] == ["7.7, 7.7", "NC"]
    rows = texts(baseline.characteristics())
    assert rows["Yes"] == ["3 (60.0)", "NC"]
    assert rows["Missing"] == ["0", "9 (100)"]
    run(CARVE, *measured("GROUPA", 9, known=False))
    assert texts(baseline.laboratory())["Mean (SD)"] == ["NC"]


def test_all_of_them_is_100_after_a_count_and_has_the_decimal_of_its_column_in_limits(run):
    """Clopper-Pearson of 18 of 18: the lower limit solves p^18 = 0.025, 0.8147; the upper is 1. Beside it 3 of 25."""
    run(
        CARVE,
        row("ctc_response", rate(18, 18) | {"conf_low": 0.8147, "conf_high": 1.0}, "CTCEVAL", paramcd="CTCRESP"),
        row("ctc_response", rate(3, 25) | {"conf_low": 0.0255, "conf_high": 0.3122}, "PRIMARY", paramcd="CTCRESP"),
        *(row("ctc_course", rate(2, 15), "PRIMARY", paramcd="CTCRVIS", group=g) for g in ("evaluable", "missing_failure")),
    )  # fmt: skip
    rows = texts(ctc.response())
    assert rows["CTC-evaluable"] == ["18 (100)", "18", "(81.5, 100.0)"]
    assert rows["Primary, missing = non-response"] == ["3 (12.0)", "25", "(2.6, 31.2)"]


@pytest.mark.parametrize("can", [22, 25])
def test_patients_who_cannot_have_a_ctc_response_are_named(run, can):
    visit = {"population": "PRIMARY", "paramcd": "CTCRVIS"}
    run(
        CARVE,
        row("ctc_response", rate(3, 18), "CTCEVAL", paramcd="CTCRESP"),
        row("ctc_response", rate(3, 25), "PRIMARY", paramcd="CTCRESP"),
        row("ctc_course", rate(2, 15), group="evaluable", **visit),
        row("ctc_course", rate(2, can), group="missing_failure", **visit),
    )
    table = ctc.response()
    assert [r.kind for r in table.rows] == ["group", "indent1", "indent1"] * 2
    assert str(table.rows[0].label).startswith("CTC response at cycle 3")
    notes = [note.text.plain for note in table.notes]
    assert (notes == []) is (can == 25)
    assert all("22 of 25 patients have a baseline count of at least 5" in note for note in notes)
    assert sentences.ctc_response().plain == (
        "At cycle 3, the time of the protocol, 2\u00a0of\u00a015 patients with a sufficient count at "
        "baseline and a count at that visit had a CTC response; at any time on treatment 3\u00a0of\u00a018 "
        "evaluable patients did"
    )


def test_a_kind_of_therapy_whose_only_term_is_the_kind_has_one_row(run):
    places = [("any", ""), ("RADIOTHERAPY", ""), ("RADIOTHERAPY", "RADIOTHERAPY"), ("OTHER", ""), ("OTHER", "SAMARIUM")]  # fmt: skip
    run(CABA, *sets(24, 25), *(
        row("prior_therapy", share(2, n), p, level=level, sublevel=sub)
        for p, n in (("PRIMARY", 24), ("SAFETY", 25)) for level, sub in places
    ))  # fmt: skip
    labels = [str(getattr(r.label, "text", r.label)) for r in history.prior_therapy().rows]
    assert labels == ["Any", "Other", "Samarium", "Radiotherapy"]


def not_serious(missing, of):
    counts = {"not_serious_action_missing": missing, "not_serious": of}
    return [
        row("ae_overview", share(e, 25) | {"n_events": e}, paramcd="TEAE", level=level)
        for level, e in counts.items()
    ]


NO_ACTION = "The action taken is missing or unknown for {} of the {} treatment-emergent adverse events that were not serious."


@pytest.mark.parametrize(
    "missing, of, words",
    [
        (0, 3, "No adverse event that was not serious led to drug withdrawal, dose reduction or drug interruption."),
        (2, 3, "No adverse event that was not serious is recorded as having led to drug withdrawal, dose "
               "reduction or drug interruption. " + NO_ACTION.format(2, 3)),
        (3, 3, NO_ACTION.format(3, 3)),
    ],
)  # fmt: skip
def test_an_action_that_is_missing_is_not_called_no_action(run, monkeypatch, missing, of, words):
    run(CABA, *not_serious(missing, of))
    monkeypatch.setattr(sentences, "unavailable", lambda _: True)
    assert sentences.no_significant().plain == words
    assert sentences.action_missing_beside_listing().plain == ""
    monkeypatch.setattr(sentences, "unavailable", lambda _: False)
    beside = sentences.action_missing_beside_listing().plain
    assert beside == (NO_ACTION.format(missing, of) if missing else "")


@pytest.mark.parametrize("missing", [0, 1])
def test_the_table_of_actions_has_a_column_for_a_missing_action(run, missing):
    counts = {"ANY": 2, "REL": 1, "RELSEV": 0, "SER": 0, "RELSER": 0, "REDUCED": 0, "DELAYED": 0,
              "STOPPED": 0, "NOACTION": missing, "FATAL": 0}  # fmt: skip
    run(
        CABA,
        row("ae_overview", share(missing, 25), paramcd="TEAE", level="action_missing"),
        row("ae_overview", share(2, 25), paramcd="TEAE", level="any"),
        *(row("ae_soc_pt", share(n, 25), paramcd=p, level="Soc") for p, n in counts.items()),
    )
    table = safety.kinds()
    heads = [column.header for column in table.columns if column.under == "Action taken"]
    known = ["Dose reduced", "Drug interrupted", "Drug withdrawn"]
    assert heads == known + ["Missing or unknown"] * missing
    if missing:
        assert texts(table)["Soc"][8] == "1 (4.0)"


def test_the_overview_names_progression_and_later_fatal_events(run):
    """One fatal progression, and one fatal event after the window, which only the column of all has."""
    levels = ("any", "not_serious", "not_serious_action_missing")
    groups = ("", "second_line")
    run(
        CABA,
        *(row("ae_overview", share(9, 25) | {"n_events": 13}, group=g, paramcd="TEAE", level=v) for v in levels for g in groups),
        *(row("ae_progression", share(1, 25) | {"n_events": 1}, group=g, paramcd="PROG", level=v) for v in ("any", "fatal") for g in groups),
        row("fatal_events", share(1, 25) | {"n_events": 1}, paramcd="FATAL", level="after_window"),
    )  # fmt: skip
    rows = texts(safety.overview())
    assert rows == {
        "Any": ["9 (36.0)", "13", "9 (36.0)"],
        "Not included above": [],
        "Disease progression reported as an event": ["1 (4.0)", "1", "1 (4.0)"],
        "Disease progression reported as a fatal event": ["1 (4.0)", "1", "1 (4.0)"],
        "Fatal adverse event, began more than 30 days after the last dose": ["1 (4.0)", "1", ""],
    }


@pytest.mark.parametrize(
    "plan, words, mark",
    [(CARVE, "Protocol deviations were not collected", "not collected"),
     (CABA, "Protocol deviations are not in the published data", "not in the published data")],
)  # fmt: skip
def test_what_published_data_lack_is_not_called_uncollected(run, monkeypatch, plan, words, mark):
    run(plan, *sets(25, 25))
    monkeypatch.setattr(sentences, "unavailable", lambda _: True)
    assert sentences.deviations().plain == f"{words}, so there is no per-protocol set."
    assert frame.marks()["NC"] == mark
    assert absence.not_shown("PSA") == f"{mark[0].upper()}{mark[1:]}, and not shown: PSA."
    assert [one.short for one in abbreviations.known() if one.text == "NC"] == [mark]


@pytest.mark.parametrize(
    "dated, differs, words",
    [
        (True, False, "lists the dated changes."),
        (False, True, "lists where the SAP, from its first version, differs from the protocol."),
        (True, True, "lists the dated changes and where the SAP, from its first version, differs from the protocol."),
    ],
)  # fmt: skip
def test_the_text_on_changes_follows_what_the_table_has(run, monkeypatch, dated, differs, words):
    endpoint = SimpleNamespace(difference="other" if differs else None)
    plan = SimpleNamespace(protocol=SimpleNamespace(endpoints=[endpoint]))
    monkeypatch.setattr(sentences.ard, "plan", lambda: plan)
    monkeypatch.setattr(sentences.ard, "table", lambda _: [{"id": "DEV-01"}] if dated else [])
    assert sentences.listed_changes().text == f"{{tlf-changes}} {words}"


@pytest.mark.parametrize(
    "ongoing, words", [(0, "last visit or contact: 2019-06-30."), (1, "study ongoing at data cut-off.")]
)  # fmt: skip
def test_a_study_with_patients_in_it_is_not_called_completed(run, ongoing, words):
    days = {
        "first_consent": "2016-03-01", "first_dose": "2016-05-25",
        "last_consent": "2018-10-17", "last_contact": "2019-06-30",
    }  # fmt: skip
    rows = [
        *(
            row("study_dates", {"date": day}, "SCREENED", level=level)
            for level, day in days.items()
        ),
        row("disposition", share(ongoing, 35), paramcd="STUDY", level="ongoing"),
    ]
    run(CARVE, *rows)
    assert synopsis.period().plain == (
        "First patient, consent: 2016-03-01; first dose: 2016-05-25. "
        f"Last patient, consent: 2018-10-17; {words}"
    )
    lines = {one["name"]: one["value"] for one in title_page.rows(CARVE, ard.bind(rows))}
    last = "study ongoing at data cut-off" if ongoing else "last visit or contact 2019-06-30"
    assert lines[title_page.COMPLETION] == f"Consent 2018-10-17; {last}"


def test_the_synopsis_counts_the_centres_of_the_data(run):
    total = share(124, 124) | {"n_centres": 6}
    run(CARVE, row("centres", total, "CONSENTED", level="total", sublevel="consented"))
    assert protocol.centres_counted().plain == "; in the data: 6 centres"


def test_a_median_of_few_events_says_how_many_patients_it_rests_on(run):
    """Four responses of 4.3 to 6.6 months; one event, when one patient is left."""
    times = {"n_events": 1, "n_censored": 3, "N": 4, "median": 6.6, "min": 4.3, "max": 6.6,
             "conf_low": NONE, "conf_high": NONE, "conf_level": 0.95}  # fmt: skip
    curve = [(4.3, 4, 0, 1, 1.0), (4.4, 3, 0, 1, 1.0), (4.5, 2, 0, 1, 1.0), (6.6, 1, 1, 0, 0.0)]
    names = ("time", "at_risk", "n_events", "n_censored", "estimate")
    run(
        CARVE,
        row("rdor", times, "PRIMARY", paramcd="RDOR"),
        *(row("rdor_curve", dict(zip(names, step, strict=True)), "PRIMARY", paramcd="RDOR", level=str(i))
          for i, step in enumerate(curve, 1)),
    )  # fmt: skip
    notes = [note.text for note in tumour.duration().notes]
    assert "The median rests on 1 patient at risk where the curve reaches 0.5." in [
        getattr(text, "plain", text) for text in notes
    ]


@pytest.mark.parametrize("n, words", [(0, ""), (1, "1 of 25 treated patients received more than the maximum of 10 cycles.")])  # fmt: skip
def test_cycles_beyond_the_maximum_of_the_protocol_are_named(run, n, words):
    run(CABA, row("exposure", share(n, 25), paramcd="OVERMAX"))
    assert sentences.over_maximum().plain.replace("\u00a0", " ") == words
