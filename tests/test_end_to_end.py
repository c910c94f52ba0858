"""Sixty simulated patients from extract to results, by the commands and without a page.

The expected counts come from SQL over the CSV files of the extract, written from the sentences of the
plan; every other result is compared with the second computation.
"""

import re
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

from sap import qc
from sap.ard import from_csv
from sap.cli import app
from sap.export.ars import read_reporting_event
from sap.plan import read_plan

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"
SEED = 11

TREATED = """
    select USUBJID, min(EXSTDTC[:10])::date as first_dose, max(EXSTDTC[:10])::date as last_dose
    from ex where EXTRT = 'CABAZITAXEL' and EXDOSE::double > 0 group by USUBJID
"""
POSITIVE = "select USUBJID from gf where VISIT = 'SCREENING' and GFSTRESC = 'POSITIVE'"
PRIMARY = f"""
    select treated.* from ({TREATED}) treated join cp using (USUBJID) join gf on GFREFID = CPREFID
    where cp.VISIT = 'SCREENING' and CPSTRESN::double >= 3 and GFSTRESC = 'POSITIVE'
"""
# Last value up to the first dose; values until 21 days after the last cycle and before a new therapy.
PSA = "select USUBJID, LBDTC[:10]::date as day, LBSTRESN::double as psa from lb where LBTESTCD = 'PSA'"
NEW_THERAPY = """
    select USUBJID, min((CMSTDTC || '-01-01')[:10])::date as therapy from cm
    where CMCAT in ('SUBSEQUENT ANTICANCER THERAPY', 'PHYSICIAN''S CHOICE') group by USUBJID
"""
VALUES = f"""
    with baseline as (
      select USUBJID, max_by(psa, day) as base from ({PRIMARY}) join ({PSA}) using (USUBJID)
      where psa is not null and day <= first_dose group by USUBJID)
    select USUBJID, day, day - first_dose as days, psa <= 0.5 * base as fall
    from ({PRIMARY}) join baseline using (USUBJID) join ({PSA}) using (USUBJID)
    left join ({NEW_THERAPY}) using (USUBJID)
    where psa is not null and day > first_dose and day <= last_dose + 21
      and (therapy is null or therapy <= first_dose or day < therapy)
"""
# A fall of 50 % within 84 days, confirmed by any value at least 28 days later.
RESPONDERS = f"""
    select distinct a.USUBJID from ({VALUES}) a join ({VALUES}) b using (USUBJID)
    where a.fall and a.days <= 84 and b.fall and b.day >= a.day + 28
"""
COUNTS = {
    ("analysis_sets", "SAFETY", "n"): f"select count(*) from ({TREATED})",
    ("analysis_sets", "MARKERPOS", "n"): f"select count(distinct USUBJID) from ({POSITIVE})",
    ("analysis_sets", "PRIMARY", "n"): f"select count(*) from ({PRIMARY})",
    ("analysis_sets", "RESCREENED", "n"): (
        "select count(distinct USUBJID) from cp where VISIT = 'RE-SCREENING'"
    ),
    ("psa_response", "PRIMARY", "N"): f"select count(*) from ({PRIMARY})",
    ("psa_response", "PRIMARY", "n"): f"select count(*) from ({RESPONDERS})",
    ("os", "PRIMARY", "n_events"): f"""
        select count(distinct USUBJID) from ({PRIMARY}) join ds using (USUBJID)
        where DSDECOD = 'DEATH' and DSSTDTC <= '2019-06-30'
    """,
}


def run(*words: object) -> str:
    """One command that must end well; the last line that it prints."""
    ended = CliRunner().invoke(app, [str(word) for word in words])
    assert ended.exit_code == 0, ended.output
    return ended.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def extract(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sixty") / "extract"
    run("simulate", folder, "--plan", PLAN, "--n", 60, "--seed", SEED)
    return folder


@pytest.fixture(scope="module")
def cut(extract) -> Path:
    out = extract.parent / "frozen"
    return Path(run("freeze", extract, "--plan", PLAN, "--cut-off", "final", "--out", out))


@pytest.fixture(scope="module")
def results(cut) -> Path:
    return Path(run("analyse", cut, "--plan", PLAN, "--out", cut.parents[1] / "run"))


def test_every_format_is_exported_and_each_link_of_the_definition_leads_to_a_file(
    results, tmp_path
):
    out = Path(run("export", results, tmp_path / "out"))
    names = {path.name for path in out.iterdir() if path.name != ".sap"}
    datasets = {path.stem for path in (results / "adam").glob("*.parquet")}
    expected = {f"{name}.{suffix}" for name in datasets for suffix in ("xpt", "json")}
    assert names == expected | {"ars.json", "adrg.md", "define.xml", "define.xsl", "define.html"}
    places = set(re.findall(r'xlink:href="([^"]+)"', (out / "define.xml").read_text("utf-8")))
    assert places == {f"{name}.xpt" for name in datasets} | {"adrg.md", "ars.json"}


def test_the_results_exported_as_ars_are_the_ard_of_the_run(results, tmp_path):
    out = Path(run("export", results, tmp_path / "out", "--only", "ars"))
    assert [path.name for path in out.iterdir() if path.name != ".sap"] == ["ars.json"]
    back = read_reporting_event((out / "ars.json").read_bytes())
    pd.testing.assert_frame_equal(back, from_csv(results / "ard.csv"), check_exact=True)


@pytest.fixture(scope="module")
def ard(results) -> pd.DataFrame:
    return pd.read_parquet(results / "ard.parquet")


@pytest.fixture(scope="module")
def sql(extract):
    with duckdb.connect() as connection:
        for path in extract.glob("*.csv"):
            read = f"read_csv('{path}', all_varchar = true)"
            connection.execute(f"create view {path.stem} as select * from {read}")
        yield connection


@pytest.mark.parametrize("key", COUNTS, ids=" ".join)
def test_a_count_of_patients_is_that_of_sql_on_the_extract(key, ard, sql):
    (expected,) = sql.execute(COUNTS[key]).fetchone()
    names = ["analysis", "population", "stat_name", "group", "level", "sublevel"]
    rows = ard[(ard[names] == [*key, "", "", ""]).all(axis=1)]
    assert expected > 0
    assert rows["stat"].tolist() == [expected] * len(rows)
    assert len(rows) >= 1


def test_every_patient_of_the_extract_has_one_row_of_adsl(results, sql):
    (expected,) = sql.execute("select count(distinct USUBJID) from dm").fetchone()
    adsl = pd.read_parquet(results / "adam" / "adsl.parquet")
    assert (len(adsl), adsl["USUBJID"].nunique(), expected) == (60, 60, 60)


def test_the_second_computation_agrees_with_every_result(cut, ard):
    second = qc.compare(cut, read_plan(PLAN).plan, ard)
    differing = second.rows[second.rows["result"] == "differs"]
    assert differing.empty, differing.head().to_string()
    assert second.share_agreeing("psa_response") == 100
    assert second.shares()["raw"] > 85


def test_the_second_computation_notices_one_responder_more(cut, ard):
    rows = ard.copy()
    one = (rows[["analysis", "population", "stat_name"]] == ["psa_response", "PRIMARY", "n"]).all(
        axis=1
    )
    rows.loc[one, "stat"] += 1
    second = qc.compare(cut, read_plan(PLAN).plan, rows)
    differing = second.rows[second.rows["result"] == "differs"]
    assert set(differing["analysis"]) == {"psa_response"}
    assert differing["stat_name"].tolist() == ["n"] * one.sum()
