"""The last day known alive: each date that counts is a line of the plan, and no other date counts."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from sap.derivations.population import adsl, death, last_alive
from sap.plan import project_home, read_plan
from sap.plan.model import AliveOn
from sap.qc.subjects import subjects_of

HOME = project_home()
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan
CABA = read_plan(HOME / "analysis" / "plan-caba-v7.yml").plan


# Subject, domain, variables of one record. The expected day is the last one that the SAP's text
# lets count, worked out by hand from the text of each line.
RECORDS = [
    # S1: medication runs on after the last laboratory value (2018-03-01).
    ("S1", "lb", {"LBDTC": "2018-03-01"}),
    ("S1", "cm", {"CMSTDTC": "2018-02-01", "CMENDTC": "2018-07-31"}),
    # S2: withdrew consent on a day of its own; a planned visit after it was not done.
    ("S2", "ds", {"DSSTDTC": "2018-05-02", "DSCAT": "DISPOSITION EVENT",
                  "DSDECOD": "WITHDRAWAL BY SUBJECT"}),
    ("S2", "vs", {"VSDTC": "2018-06-01", "VSSTAT": "NOT DONE"}),
    # S3: lost to follow-up; the last contact is a scan.
    ("S3", "tr", {"TRDTC": "2018-04-04"}),
    ("S3", "ds", {"DSSTDTC": "2018-11-30", "DSCAT": "DISPOSITION EVENT",
                  "DSDECOD": "LOST TO FOLLOW-UP"}),
    ("S3", "ss", {"SSDTC": "2018-11-30", "SSSTRESC": "LOST TO FOLLOW-UP"}),
    # S4: an event ended, and a response was read, after its start; a partial date shows no day.
    ("S4", "ae", {"AESTDTC": "2018-01-15", "AEENDTC": "2018-02-20"}),
    ("S4", "rs", {"RSDTC": "2018-02-10"}),
    ("S4", "cm", {"CMSTDTC": "2018-09"}),
    # S5: a sample dated after the death.
    ("S5", "pc", {"PCDTC": "2018-08-08T10:00"}),
    # S6: an infusion that ended the next day; a medication that was asked for and not taken.
    ("S6", "ex", {"EXSTDTC": "2018-03-03", "EXENDTC": "2018-03-04"}),
    ("S6", "cm", {"CMSTDTC": "2018-12-12", "CMOCCUR": "N"}),
    # S7: followed alive.
    ("S7", "ss", {"SSDTC": "2018-10-10", "SSSTRESC": "ALIVE"}),
]  # fmt: skip
EXPECTED = {
    "S1": "2018-07-31", "S2": "2018-05-02", "S3": "2018-04-04", "S4": "2018-02-20",
    "S5": "2018-08-01", "S6": "2018-03-04", "S7": "2018-10-10",
}  # fmt: skip


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    found: dict[str, list[dict[str, object]]] = {"dm": []}
    for who in EXPECTED:
        one = {"USUBJID": who, "STUDYID": "T", "RFICDTC": "2018-01-01", "AGE": 70.0, "SEX": "M"}
        found["dm"].append(one | {"DTHDTC": "2018-08-01" if who == "S5" else None})
    for number, (who, domain, values) in enumerate(RECORDS):
        row = {"USUBJID": who, f"{domain.upper()}SEQ": float(number), **values}
        found.setdefault(domain, []).append(row)
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def both(tables: dict[str, pd.DataFrame], plan) -> list[dict[str, str]]:
    """The last day known alive by the derivation and by the second computation."""
    first = adsl(tables, plan).set_index("USUBJID")["LSTALVDT"]
    records = {
        name: table.astype(object).where(table.notna(), None).to_dict("records")
        for name, table in tables.items()
    }
    second = subjects_of(records, plan)  # type: ignore[arg-type]
    return [
        {who: f"{first[who]:%F}" for who in EXPECTED},
        {who: str(second[who].last_alive) for who in EXPECTED},
    ]


def test_every_dated_contact_counts_and_neither_plans_nor_a_loss_to_follow_up(tables):
    assert both(tables, CARVE) == [EXPECTED, EXPECTED]


def test_the_plan_of_caba_v7_follows_to_the_day_of_the_loss_and_reads_nothing_else(tables):
    """Its trial team: the last follow-up, else the end of the study, else prescreening."""
    consent = dict.fromkeys(EXPECTED, "2018-01-01")
    expected = consent | {"S3": "2018-11-30", "S7": "2018-10-10"}
    assert both(tables, CABA) == [expected, expected]


def test_a_line_taken_out_of_the_plan_no_longer_counts(tables):
    lines = [one for one in CARVE.survival.alive_on if one.date != "CMENDTC"]
    survival = CARVE.survival.model_copy(update={"alive_on": lines})
    less = CARVE.model_copy(update={"survival": survival})
    assert both(tables, less) == [EXPECTED | {"S1": "2018-03-01"}] * 2


def test_the_code_has_no_list_of_its_own(tables):
    only = [AliveOn(domain="lb", date="LBDTC")]
    assert {k: f"{v:%F}" for k, v in last_alive(tables, only).items()} == {"S1": "2018-03-01"}


def test_a_questionnaire_and_a_finding_about_an_event_reach_the_analysis():
    """Two domains that no other rule reads: frozen with the cut, their days count, NOT DONE not."""
    from sap import contracts, snapshot

    dm = {"STUDYID": "T", "DOMAIN": "DM", "USUBJID": "S1", "RFICDTC": "2018-01-01"}
    asked = [("2018-06-01", None), ("2018-07-01", "NOT DONE"), ("2019-07-01", None)]
    raw = {"dm": pd.DataFrame([dm], dtype=object)}
    for domain in ("QS", "FA"):
        rows = [
            {"STUDYID": "T", "DOMAIN": domain, "USUBJID": "S1", f"{domain}SEQ": str(number),
             f"{domain}STAT": stat, f"{domain}DTC": dtc}
            for number, (dtc, stat) in enumerate(asked)
        ]  # fmt: skip
        raw[domain.lower()] = pd.DataFrame(rows, dtype=object)
    raw["fa"] = raw["fa"].iloc[:0]
    cut = snapshot.cut(contracts.typed(raw, contracts.load()), dt.date(2019, 6, 30))
    found = last_alive(cut, CARVE.survival.alive_on)
    assert {k: f"{v:%F}" for k, v in found.items()} == {"S1": "2018-06-01"}


@pytest.mark.parametrize(
    "line",
    [{"domain": "LB", "date": "LBDTC"}, {"domain": "lb", "date": "LBSTRESC"}, {"domain": "lb"}],
)
def test_a_line_that_names_no_domain_or_no_date_is_refused(line):
    with pytest.raises(ValidationError):
        AliveOn.model_validate(line)


@pytest.mark.parametrize(
    "seen, expected",
    [
        (None, "2018-03-01"),
        ("2018-02-10", "2018-03-01"),
        ("2018-03-20", "2018-03-20"),
        ("2018-05-20", "2018-03-31"),  # a contradiction: the death stays in the month it names
    ],
)
def test_a_partial_death_is_not_before_the_last_contact_and_stays_in_its_span(seen, expected):
    dm = pd.DataFrame({"USUBJID": ["1"], "DTHDTC": ["2018-03"]})
    alive = pd.Series(pd.to_datetime([seen] if seen else []), ["1"] if seen else [])
    assert f"{death({'dm': dm}, alive)['1']:%F}" == expected


# ---- CABA-V7, from the published files -----------------------------------------------------------

R = " [day from registration]"


def published(folder: Path) -> pd.DataFrame:
    """Days, event and AR-V7 of all 137, as the trial team's programs have them.

    From pre-screening to death, else the last follow-up, else the end of the study, else
    pre-screening (facts on the trial, 1.6). Nothing of the package is used.
    """
    clinical = pd.read_csv(folder / "clinical.csv", dtype=str)
    samples = pd.read_csv(folder / "sample_overview.csv", dtype=str)
    key = clinical.columns[0]
    of = {name: pd.to_numeric(clinical[name + R]) for name in (
        "Death", "Last follow-up", "End of study", "Pre-screening")}  # fmt: skip
    end = of["Death"].fillna(of["Last follow-up"]).fillna(of["End of study"])
    end = end.fillna(of["Pre-screening"])
    arv7 = dict(zip(samples[samples.columns[0]], samples["AR-V7 (Baseline)"], strict=True))
    return pd.DataFrame(
        {
            "days": end - of["Pre-screening"],
            "event": of["Death"].notna().astype(int),
            "arv7": clinical[key].map(arv7),
            "ecog": clinical["WHO/ECOG PS at registration"],
        }
    )


def median_days(days: pd.Series, event: pd.Series) -> float:
    """By hand: the first day on which the product of (1 - d / n) is below one half."""
    height = 1.0
    for time in sorted(days.unique()):
        height *= 1 - ((days == time) & (event == 1)).sum() / (days >= time).sum()
        if height < 0.5:
            return float(time)
    return float("nan")


def log_rank(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """By hand: (O - E)^2 / V over the days of death of both groups."""
    both_ = pd.concat([one, other])
    observed = expected = variance = 0.0
    for time in sorted(both_.loc[both_["event"] == 1, "days"].unique()):
        n, n1 = (both_["days"] >= time).sum(), (one["days"] >= time).sum()
        d = ((both_["days"] == time) & (both_["event"] == 1)).sum()
        observed += ((one["days"] == time) & (one["event"] == 1)).sum()
        expected += d * n1 / n
        if n > 1:
            variance += d * (n1 / n) * (1 - n1 / n) * (n - d) / (n - 1)
    return float((observed - expected) ** 2 / variance)


@pytest.fixture(scope="module")
def caba(shared_data):
    """The analysis of the published files by the plan of CABA-V7."""
    from sap import contracts, snapshot
    from sap.intake import caba_v7
    from sap.pipeline import analyses

    folder = shared_data / "caba-v7"
    rules = contracts.load()
    cut_off = CABA.cut_offs.dates["final"].date
    typed = contracts.typed(caba_v7.read(folder)[0], rules)
    tables = snapshot.in_order(snapshot.cut(typed, cut_off), rules)
    made = analyses.analyse(tables, CABA, cut_off)
    names = ["analysis", "population", "group", "paramcd", "level", "stat_name"]
    return published(folder), made.ard.set_index(names)["stat"].to_dict()


@pytest.mark.shared
@pytest.mark.slow
def test_overall_survival_of_caba_v7_is_that_of_the_published_files(caba):
    mine, stat = caba
    assert len(mine) == 137
    month = 30.4375
    groups = {"POSITIVE": "Pos.", "NEGATIVE": "Neg.", "UNDETERMINED": "Und."}
    for group, word in groups.items():
        one = mine[mine["arv7"] == word]
        place = ("os_marker", "SCREENED", group, "OS", "")
        assert stat[(*place, "N")] == len(one)
        assert stat[(*place, "n_events")] == one["event"].sum()
        found = stat[(*place, "median")] * month
        assert found == pytest.approx(median_days(one["days"], one["event"]), abs=1e-9), group
    positive, negative = (mine[mine["arv7"] == word] for word in ("Pos.", "Neg."))
    found = stat[("os_marker", "SCREENED", "", "OS", "log_rank", "statistic")]
    assert found == pytest.approx(log_rank(positive, negative), rel=1e-9)
    assert dt.timedelta(days=float(positive["days"].min())) > dt.timedelta(0)


@pytest.mark.shared
@pytest.mark.slow
def test_performance_status_of_caba_v7_is_known_for_all_at_registration(caba):
    """The published column has it for all 137; no patient is lost from the table or from the model."""
    mine, stat = caba
    counts = mine["ecog"].value_counts()
    assert counts.sum() == 137
    found = {
        level: stat[("baseline", "SCREENED", "", "ECOG", level, "n")]
        for level in (*counts.index, "missing")
    }
    assert found == counts.to_dict() | {"missing": 0}
    determined = mine[mine["arv7"].isin(["Pos.", "Neg."])]
    place = ("os_marker", "SCREENED", "", "OS", "cox")
    used, missing = stat[(*place, "N")], stat[(*place, "n_missing")]
    assert used + missing == len(determined)
    # What is missing now is the cell count of those whose sample could not be counted, and no status.
    assert missing == 0
