"""The one-arm test data of pharmaversesdtm by docs/examples/one-arm-plan.yml, from intake to results.

84 patients, a patch every day, severities without grades, three readers, no date of consent. The expected responses were
counted from rs.csv: the investigator's overall responses in order of their days, up to the first PD.
"""

import csv
import datetime as dt
import re
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd
import pytest
from tests.test_new_study import pages

from sap.pipeline import commands
from sap.pipeline.new_study import init
from sap.plan import read_plan
from sap.qc import agreement
from sap.qc.study import read_study

HOME = Path(__file__).parents[1]
EXAMPLE = HOME / "docs" / "examples" / "one-arm-plan.yml"
ORDER = ("CR", "PR", "SD", "PD")


@pytest.fixture(scope="module")
def study(shared_data, tmp_path_factory) -> Path:
    """A study of the example plan with its frozen cut and run."""
    place = tmp_path_factory.mktemp("one-arm")
    plan = init(place / "study", str(EXAMPLE))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place / "study")
        commands.intake("sdtm", shared_data / "pharmaverse-onco" / "one-arm", place / "extract")
        frozen = commands.freeze(place / "extract", plan, "final", place / "frozen")
        commands.analyse(frozen, plan, place / "run")
        read = read_plan(plan).plan
        again = agreement.second_values(read_study(frozen, read))
        rows = pd.read_parquet(place / "run" / "ard.parquet")
        second = agreement.QcResult(agreement._compared(rows, again))
        (place / "differing").write_text(f"{second.agreeing} {second.differing}")
    return place


def ard_of(study: Path) -> pd.DataFrame:
    return pd.read_parquet(study / "run" / "ard.parquet")


def value(rows: pd.DataFrame, stat_name: str = "n", **where: str) -> float:
    place = {"group": "", "level": "", "sublevel": "", "population": "PRIMARY"} | where
    for name, wanted in place.items():
        rows = rows[rows[name] == wanted]
    found = rows.loc[rows["stat_name"] == stat_name, "stat"]
    assert len(found) == 1, (where, stat_name)
    return float(found.iloc[0])


def counted(folder: Path) -> tuple[Counter[str], int, int]:
    """Best overall response without confirmation, and the patients with a response and with a confirmed one."""
    with (folder / "dm.csv").open() as file:
        patients = [row["USUBJID"] for row in csv.DictReader(file)]
    readings = defaultdict(list)
    with (folder / "rs.csv").open() as file:
        for row in csv.DictReader(file):
            if (row["RSEVAL"], row["RSTESTCD"]) == ("INVESTIGATOR", "OVRLRESP"):
                day = dt.date.fromisoformat(row["RSDTC"])
                readings[row["USUBJID"]].append((day, row["RSSTRESC"]))
    best: Counter[str] = Counter()
    responders = confirmed = 0
    for who in patients:
        seen = []
        for reading in sorted(readings[who]):
            seen.append(reading)
            if reading[1] == "PD":
                break
        best[min((word for _, word in seen), key=ORDER.index, default="NE")] += 1
        days = [day for day, word in seen if word in ("CR", "PR")]
        responders += bool(days)
        confirmed += bool(days) and (max(days) - min(days)).days >= 28
    return best, responders, confirmed


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.req("SAP-5.4")
def test_the_responses_are_those_counted_from_the_records(study, shared_data):
    best, responders, confirmed = counted(shared_data / "pharmaverse-onco" / "one-arm")
    assert best == {"CR": 2, "PR": 16, "SD": 3, "PD": 44, "NE": 19}
    assert (responders, confirmed) == (18, 7)
    rows = ard_of(study)
    of_best = rows[rows["analysis"] == "bor"]
    for level, n in best.items():
        assert value(of_best, paramcd="OBJBOR", level=level) == n
    assert value(rows[rows["analysis"] == "objective_response_unconfirmed"]) == responders
    primary = rows[rows["analysis"] == "objective_response"]
    assert value(primary) == confirmed
    assert value(primary, "N") == 84
    # binom.test(7, 84) of R: 0.03416 to 0.16419
    assert value(primary, "conf_low") == pytest.approx(0.03416, abs=5e-6)
    assert value(primary, "conf_high") == pytest.approx(0.16419, abs=5e-6)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.req("SAP-5.9")
def test_doses_and_severities_are_those_counted_from_the_records(study, shared_data):
    """Each severe event of the records is treatment-emergent."""
    folder = shared_data / "pharmaverse-onco" / "one-arm"
    ex = pd.read_csv(folder / "ex.csv", parse_dates=["EXSTDTC", "EXENDTC"])
    ends = pd.read_csv(folder / "ds.csv")
    ends = ends[ends["DSCAT"] == "DISPOSITION EVENT"].set_index("USUBJID")["DSSTDTC"]
    assert (
        ex["EXENDTC"].isna().sum() == 3
    )  # in the last interval of each: until the end of participation
    end = ex["EXENDTC"].fillna(pd.to_datetime(ex["USUBJID"].map(ends)))
    days = (end - ex["EXSTDTC"]).dt.days + 1
    total = (days * ex["EXDOSE"]).groupby(ex["USUBJID"]).sum()
    length = days.groupby(ex["USUBJID"]).sum()  # the intervals follow each other without a gap
    rows = ard_of(study)
    exposure = rows[rows["analysis"] == "exposure"]
    safety = {"population": "SAFETY"}
    assert value(exposure, "mean", paramcd="CUMDOSE", **safety) == pytest.approx(total.mean())
    assert value(exposure, "mean", paramcd="TRTDAYS", **safety) == pytest.approx(length.mean())
    assert value(exposure, "max", paramcd="OFFDAYS", **safety) == 0
    intensity = 100 * total / length / 81
    assert value(exposure, "median", paramcd="RDI", **safety) == pytest.approx(intensity.median())
    ae = pd.read_csv(folder / "ae.csv")
    severe = ae[ae["AESEV"] == "SEVERE"]
    overview = rows[rows["analysis"] == "ae_overview"]
    place = safety | {"paramcd": "TEAE", "level": "severe_grade"}
    assert value(overview, "n_events", **place) == len(severe) == 10
    assert value(overview, **place) == severe["USUBJID"].nunique() == 8


@pytest.mark.slow
@pytest.mark.shared
def test_both_computations_agree_on_the_one_arm_data(study):
    agreeing, differing = map(int, (study / "differing").read_text().split())
    assert differing == 0
    assert agreeing > 10_000
    names = {path.stem for path in (study / "run" / "adam").iterdir()}
    assert not names & {"adpsa", "adctc", "adpc", "adpp", "adbe"}
    findings = pd.read_csv(next((study / "frozen").glob("final-*")) / "findings.csv")
    assert "critical" not in set(findings["severity"])


def text_of(path: Path) -> str:
    return " ".join(pages(path).split())


NOT_IN_PLAN = re.compile(
    r"[Ii]nfus|G-CSF|\bcycles?\b|by CTCAE|line of therapy|\(not set\)|AMERICAN INDIAN|no sample|straight line"
    r"|published trial|published results|stopping boundary crossed|success rate|Response of soft tissue and bone|Consented 0"
)
"""Words about what this plan lacks: cycles, grades, lines, a sample, planned accrual, bone, published rates."""


@pytest.mark.slow
@pytest.mark.shared
def test_the_study_report_and_the_board_report_speak_of_this_plan(study, monkeypatch):
    monkeypatch.chdir(study / "study")
    for kind in ("csr", "dsmb"):
        commands.report(study / "run", kind, "builtin", ("pdf",))
    report = text_of(study / "run" / "csr.pdf")
    assert "7 of 84 patients had a confirmed objective response, 8.3% (95% CI 3.4 to 16.4" in report
    assert "84 patients were treated for a median of 76.5 days" in report
    assert "a treatment-emergent adverse event that was severe" in report
    board = text_of(study / "run" / "dsmb-open" / "report.pdf")
    assert "Worst severity" in board
    for text in (report, board):
        assert not re.findall(
            r"PSA|AR-V7|CTC count|cabazitaxel|Worst grade System|mg/m² every", text
        )
        assert not NOT_IN_PLAN.findall(text)
    assert "A dose of 81 mg was planned once daily." in report
    assert "No end of study treatment recorded" in report
    assert "No treated patient died up to the cut-off" in report
    assert "Black or African American" in report
