"""Displays of tumour response and of survival models, and their sentences, on rows written by hand."""

import json

import pandas as pd
import pytest

from sap import ard
from sap.displays import comparison, pk, response, sentences, tumour
from sap.plan import project_home, read_plan

CARVE, CABA = (
    read_plan(project_home() / "analysis" / name).plan for name in ("plan.yml", "plan-caba-v7.yml")
)
NONE = ard.NotEstimable("no patient with this origin in this population")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a plan, rows of the ARD and datasets."""

    def write(plan, *parts, **datasets):
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "adam").mkdir(exist_ok=True)
        text = json.dumps(plan.model_dump(mode="json"))
        (tmp_path / "tables" / "plan.json").write_text(text, encoding="utf-8")
        (tmp_path / "ard.csv").write_text(ard.to_csv(ard.bind(parts)), encoding="utf-8")
        for name, frame in datasets.items():
            frame.to_parquet(tmp_path / "adam" / f"{name}.parquet")
        manifest = json.dumps({"files": [{"name": "pc.parquet"}]})
        (tmp_path / "tables" / "manifest.json").write_text(manifest, encoding="utf-8")
        monkeypatch.setenv("SAP_RUN", str(tmp_path))

    return write


def texts(table):
    return {
        str(getattr(row.label, "text", row.label)): [str(getattr(c, "text", c)) for c in row.cells]
        for row in table.rows
    }


def rdor(population, paramcd, **stats):
    return ard.rows(stats, analysis="rdor", section="SAP 5.5", population=population, paramcd=paramcd, method="KM")  # fmt: skip


def test_duration_of_tumour_response_counts_how_each_response_ended(run):
    """4 responders: 1 died, 3 censored; no response after re-screening, so no column of it."""
    times = {"N": 4.0, "n_events": 1.0, "n_censored": 3.0, "median": 6.6, "conf_low": ard.NotEstimable("x"),
             "conf_high": ard.NotEstimable("x"), "conf_level": 0.95, "min": 4.27, "max": 6.6}  # fmt: skip
    where = {"analysis": "rdor_reasons", "section": "SAP 5.5", "population": "PRIMARY", "paramcd": "RDOR", "method": "m"}  # fmt: skip
    run(
        CARVE,
        rdor("PRIMARY", "RDOR", **times),
        rdor("RESCREENED", "RDORRE", N=0.0, median=NONE),
        *(
            ard.rows(
                {
                    "time": time,
                    "n_events": events,
                    "n_censored": 1.0 - events,
                    "at_risk": 5.0 - step,
                    "estimate": 1.0 - events,
                },
                level=str(step),
                **where | {"analysis": "rdor_curve"},
            )
            for step, (time, events) in enumerate(
                [(4.27, 0.0), (4.53, 0.0), (4.6, 0.0), (6.6, 1.0)], 1
            )
        ),
        ard.rows({"n": 1.0, "N": 4.0}, level="DEATH", sublevel="event", **where),
        ard.rows(
            {"n": 3.0, "N": 4.0}, level="NEW ANTICANCER THERAPY", sublevel="censored", **where
        ),
    )
    table = tumour.duration()
    assert [column.header for column in table.columns] == ["Primary"]
    rows = texts(table)
    assert rows["Progression or death"] == ["1"]
    assert rows["Median (months)"] == ["6.6"]
    assert rows["95 % CI"] == ["(NE, NE)"]
    assert rows["Range, censored durations included (months)"] == ["4.3, 6.6"]
    assert rows["Each duration (months)"] == ["4.3+, 4.5+, 4.6+, 6.6"]
    assert rows["Event: Death"] == ["1"]
    assert rows["Censored: New anticancer therapy"] == ["3"]


def test_no_objective_response_has_no_duration(run):
    run(CARVE, rdor("PRIMARY", "RDOR", N=0.0, median=NONE))
    assert tumour.duration().absent == "No patient had a confirmed objective response."


def test_bars_of_the_target_sum_are_coloured_by_the_confirmed_best_response(run):
    """01: a fall of 40% and PR; 02: +25% and PD; 03 has no target lesion and no bar; 04 is not primary."""
    adsl = pd.DataFrame({"USUBJID": ["01", "02", "03", "04"], "PRIMFL": ["Y", "Y", "Y", "N"], "RESCTRFL": ["N", "N", "N", "Y"]})  # fmt: skip
    lines = [("01", "TUMBEST", -40.0, ""), ("01", "BORC", None, "PR"), ("02", "TUMBEST", 25.0, ""),
             ("02", "BORC", None, "PD"), ("03", "TUMBEST", None, ""), ("04", "TUMBEST", -5.0, "")]  # fmt: skip
    adrs = pd.DataFrame(lines, columns=["USUBJID", "PARAMCD", "AVAL", "AVALC"])
    run(CARVE, rdor("PRIMARY", "RDOR", N=0.0), adsl=adsl, adrs=adrs)
    bars = tumour._bars("PRIMARY")
    assert bars[["subject", "change", "category"]].to_numpy().tolist() == [
        ["01", -40.0, "PR"],
        ["02", 25.0, "PD"],
    ]
    (other,) = tumour._bars("RESCREENED").to_dict("records")
    assert (other["category"], other["mark"]) == ("NEv", "*")


@pytest.mark.parametrize("doubtful", [0.0, 1.0])
def test_a_model_of_doubtful_proportionality_says_so_beside_the_difference_of_means(run, doubtful):
    where = {"section": "SAP 5.6.1", "population": "SCREENED", "paramcd": "OS", "method": "m", "analysis": "os_group"}  # fmt: skip
    limits = {"conf_low": 0.7, "conf_high": 1.8, "conf_level": 0.95}
    times = {"N": 10.0, "n_events": 5.0, "median": 9.0}
    run(
        CARVE,
        *(ard.rows(times | limits, group=group, **where) for group in ("A", "B")),
        ard.rows({"N": 20.0, "n_events": 10.0, "ph_p_value": 0.01, "ph_doubtful": doubtful}, level="cox", **where),
        ard.rows({"hazard_ratio": 1.1} | limits, level="cox", sublevel="group_b", **where),
        ard.rows({"estimate": -1.25, "tau": 12.0, "standard_error": 1.0, "conf_low": -3.2, "conf_high": 0.7, "conf_level": 0.95},
                 level="rmst_difference", **where),
    )  # fmt: skip
    rows = texts(comparison.survival())
    assert ("Cox model, proportionality doubtful" in rows) is bool(doubtful)
    mean = rows["Difference of restricted means to 12.0 months, B vs A (months)"]
    assert mean[2:4] == ["-1.3", "(-3.2, 0.7)"]
    assert ("Cox model of the groups" in sentences.hazards().plain) is bool(doubtful)


def concentrations(paramcd, **changed):
    stats = {"n": 3.0, "N": 3.0, "geometric_mean": 190.0, "geometric_cv": 0.5, "mean": 200.0, "sd": 90.0, "median": 195.0, "min": 100.0, "max": 300.0}  # fmt: skip
    return ard.rows(stats | changed, analysis="pk", section="SAP 5.10", population="PKEVAL", paramcd=paramcd, method="m")  # fmt: skip


@pytest.mark.parametrize("highest, repeated", [(300.0, False), (375.0, True)])
def test_what_normalisation_does_not_change_is_printed_once_and_a_time_has_no_mean(
    run, highest, repeated
):
    run(CARVE, concentrations("CMAX"), concentrations("CMAXN", max=highest), concentrations("TMAX", median=1.0, min=0.98, max=1.07))  # fmt: skip
    table = pk.concentrations()
    rows = texts(table)
    assert ("Cmax, normalised to 25.0 mg/m² (ng/mL)" in rows or "Cmax, normalised to 25 mg/m² (ng/mL)" in rows) is repeated  # fmt: skip
    assert rows["Tmax (h)"] == ["3", "", "", "1.00", "0.98, 1.07"]
    notes = [str(getattr(note, "plain", note)) for note in table.notes]
    assert any("as without normalisation" in note for note in notes) is not repeated


def test_whether_a_loss_to_follow_up_shows_a_patient_alive_is_that_of_the_plan(run):
    """CARVE leaves that day out, CABA-V7 follows its trial team and uses it."""
    run(CARVE, rdor("PRIMARY", "RDOR", N=0.0))
    assert sentences.lost().plain.endswith("lost to follow-up is not such a day")
    assert "bias-adjusted" in sentences.estimators().plain


def test_the_other_plan_has_one_stage_and_uses_the_day_of_the_loss(run):
    run(CABA, rdor("PRIMARY", "RDOR", N=0.0))
    assert sentences.lost().plain.endswith("lost to follow-up is such a day")
    assert sentences.estimators().plain == ""


def test_a_response_that_is_still_possible_is_a_category_of_its_own(run):
    """01 has responded; 02 has an unconfirmed one that can still be confirmed; 03 has none and no time left."""
    adsl = pd.DataFrame({"USUBJID": ["01", "02", "03"], "PRIMFL": "Y", "RESCTRFL": "N"})
    lines = [("01", "PSABEST", -80.0, ""), ("01", "PSARESP", None, "Y"), ("01", "PSAPEND", None, "N"),
             ("02", "PSABEST", -60.0, ""), ("02", "PSARESPU", None, "Y"), ("02", "PSAPEND", None, "Y"),
             ("03", "PSABEST", -5.0, ""), ("03", "PSARESP", None, "N"), ("03", "PSAPEND", None, "N")]  # fmt: skip
    adrs = pd.DataFrame(lines, columns=["USUBJID", "PARAMCD", "AVAL", "AVALC"])
    run(CARVE, rdor("PRIMARY", "RDOR", N=0.0), adsl=adsl, adrs=adrs)
    bars = response._bars("PRIMARY")
    named = ["Confirmed response", "Response still possible", "No response"]
    assert bars["category"].tolist() == named
    assert "Response still possible" in response._categories(bars)
    assert "Response still possible" not in response._categories(bars.iloc[[0, 2]])
