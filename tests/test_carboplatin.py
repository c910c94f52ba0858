"""Another trial of the same disease: the template psa-response with edits of yml alone.

Drug, dose, marker, design, visits and samples are those of a plan written by an outside reader. Where that plan names
drugs of this repository's trial, these name others, so that each word of this trial in a report is a leftover.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.test_new_study import WORDS, pages, sap

from sap.pipeline import commands
from sap.pipeline.rules import table
from sap.plan import read_plan

EDITS = """
study:
  source: Protocol v3.0
  assumption: false
  id: CARBO-DDR
  studyid: [CARBO-DDR]
  registry: NCT09999999
  title: Carboplatin in men with metastatic prostate cancer and BRCA2 mutated circulating DNA
  short_title: Carboplatin in BRCA2 mutated mCRPC
  sponsor: My Hospital
  registry_status: recruiting
wording:
  treatment: carboplatin
  prior_treatment: olaparib
  abbreviations:
    BRCA2: breast cancer gene 2
    ARPI: androgen receptor pathway inhibitor
    PSA: prostate-specific antigen
    PCWG3: Prostate Cancer Working Group 3
    mCRPC: metastatic castration-resistant prostate cancer
drugs:
  ingredients: {CARBOPLATIN: [PARAPLATIN], OLAPARIB: [LYNPARZA], APALUTAMIDE: [], DAROLUTAMIDE: []}
design:
  {source: "Protocol v3.0, section 9.2", assumption: false, criterion: none, p0: 0.20, p1: 0.40, r1: 4, n1: 20,
   r: 12, n: 40}
biomarker: {name: BRCA2 mutation, test: BRCA2, also: [BRCA2 GENE]}
psa_response: {first_fall_within_days: 84}
baseline:
  prior_drug: OLAPARIB
  prior_class:
    {name: androgen receptor pathway inhibitor, abbreviation: ARPI, drugs: [APALUTAMIDE, DAROLUTAMIDE]}
ctc: {visit: CYCLE 5}
intervals: {primary_interval: two-stage}
survival: {os_origin: allocation, pfs_origin: allocation}
lines: {third_line_after: [APALUTAMIDE, DAROLUTAMIDE]}
exposure:
  {drugs: [CARBOPLATIN], planned_dose: 400, accompanying: [], low_start_dose: 300, reduced_at_most: 350}
pk: {analyte: CARBO, reference_dose: 400}
samples:
  schedule:
    - {category: CTC, group: B, when: screening, visit: null, tubes: 1, volume_ml: 20}
    - {category: CTC, group: B, when: visit, visit: CYCLE 5, tubes: 1, volume_ml: 20}
    - {category: CFDNA PLASMA, group: B, when: each cycle, visit: null, tubes: 1, volume_ml: 10}
    - {category: PK, group: B, when: first cycle, visit: null, tubes: 4, volume_ml: 5}
  planned_ml: {CTC: {B: 40}, CFDNA PLASMA: {B: 100}, PK: {B: 20}}
"""
PUBLISHED = """
earlier-psa-response:
  trial: CARBO-1
  registry: NCT09999998
  treatment: carboplatin 400 mg/m2 every 4 weeks
  endpoint: PSA response
  definition: decline of at least 50 %, confirmed 3 weeks later, patients with a baseline of 20 ug/L or more
  n: 12
  total: 60
  source: invented for this test
"""
LEFTOVERS = re.compile(
    WORDS.pattern + r"|\b(re-?screen\w*|group [AB]|CYP3A4|mRNA|qPCR|exampline|companide|"
    r"formerine|classitide|classolide|PSA-201|MRK1)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("carbo")
    assert sap(place, "init", "study", "--like", "psa-response").returncode == 0
    folder = place / "study"
    plan = folder / "analysis" / "plan.yml"
    content: dict[str, Any] = yaml.safe_load(plan.read_text("utf-8"))
    for entry, edits in yaml.safe_load(EDITS).items():
        content[entry] |= edits
    plan.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    (folder / "analysis" / "references.yml").write_text(PUBLISHED, "utf-8")
    (folder / "analysis" / "dsmb.yml").write_text(
        "CARBO-DDR: {reports: {}, amendments: [], meetings: []}\n", "utf-8"
    )
    assert sap(folder, "plan", "contracts", "--write").returncode == 0
    checked = sap(folder, "plan", "check")
    assert checked.returncode == 0, checked.stderr
    return folder


@pytest.fixture(scope="module")
def extract(study) -> dict[str, pd.DataFrame]:
    out = commands.simulate(study / "extract", study / "analysis" / "plan.yml", 128, {})
    return {p.stem: pd.read_csv(p, dtype=str) for p in out.glob("*.csv")}


def test_a_study_around_the_plan_of_another_takes_its_references_along(study, tmp_path):
    made = sap(tmp_path, "init", "new", "--like", str(study / "analysis" / "plan.yml"))
    assert made.returncode == 0, made.stderr
    readme = (tmp_path / "new" / "README.md").read_text("utf-8")
    assert "is the statistical analysis plan" in readme
    assert "template" not in readme
    for name in ("references.yml", "dsmb.yml", "plan.yml"):
        path = Path("analysis") / name
        assert (tmp_path / "new" / path).read_text() == (study / path).read_text()


def test_a_plan_that_does_not_hold_leaves_no_file(study, tmp_path):
    alone = tmp_path / "plan.yml"  # without the references that it names
    alone.write_text((study / "analysis" / "plan.yml").read_text("utf-8"), "utf-8")
    made = sap(tmp_path, "init", "new", "--like", "plan.yml")
    assert made.returncode == 13
    assert "earlier-psa-response" in made.stderr
    assert not list((tmp_path / "new").iterdir())


def test_the_simulated_extract_has_the_drug_marker_and_visits_of_the_plan(extract):
    text = "\n".join(frame.to_csv(index=False) for frame in extract.values())
    assert not LEFTOVERS.findall(text.replace("ALLOCATED TO GROUP B", ""))
    ctc = extract["cp"]["VISIT"]
    assert set(ctc) == {"SCREENING", "CYCLE 5", "CYCLE 6", "END OF TREATMENT", "UNSCHEDULED"}
    doses = extract["ex"].set_index(["USUBJID", "VISIT"])["EXSTDTC"].str[:10]
    on_treatment = extract["cp"][ctc.isin(["CYCLE 5", "CYCLE 6"])]
    for row in on_treatment.itertuples():
        assert doses[(row.USUBJID, row.VISIT)] == row.CPDTC
    assert len(on_treatment) == extract["gf"]["VISIT"].isin(["CYCLE 5", "CYCLE 6"]).sum() > 10


def test_forty_patients_are_treated_by_the_final_cut_off(extract):
    first = extract["ex"].dropna(subset="EXSTDTC").groupby("USUBJID")["EXSTDTC"].min()
    assert (first.str[:10] <= "2019-06-30").sum() == 40  # design.n


def test_patients_who_do_not_qualify_are_screen_failures_with_the_records_of_screening_alone(
    extract,
):
    dm, gf, cp, ds = (extract[name] for name in ("dm", "gf", "cp", "ds"))
    failed = set(dm.loc[dm["ARMCD"] == "SCRNFAIL", "USUBJID"])
    first = gf[gf["VISIT"] == "SCREENING"].groupby("USUBJID")["GFSTRESC"].agg(set)
    assert sum(words == {"NEGATIVE"} for words in first[first.index.isin(failed)]) > 20
    treated = set(dm.loc[dm["RFSTDTC"].notna(), "USUBJID"])
    assert not failed & treated
    assert all("POSITIVE" in first[who] for who in treated)
    for name, frame in extract.items():
        of_failed = frame[frame["USUBJID"].isin(failed)] if "USUBJID" in frame else frame.head(0)
        assert name not in ("ex", "ae", "tu", "tr", "ss", "pc") or of_failed.empty, name
        if "VISIT" in of_failed and len(of_failed):
            assert set(of_failed["VISIT"]) == {"SCREENING"}, name
    assert "NOT ELIGIBLE" in set(ds.loc[ds["USUBJID"].isin(failed), "DSDECOD"])
    assert set(cp["USUBJID"]) - treated


def test_rules_of_continuous_dosing_and_of_cut_offs_by_number_are_not_those_of_this_plan(study):
    names = {rule["name"] for rule in table(read_plan(study / "analysis" / "plan.yml").plan)}
    assert "Doses of the study drug" in names
    assert names.isdisjoint({"Open intervals of continuous dosing", "Day of a cut-off by number"})


@pytest.mark.slow
def test_no_sentence_of_the_reports_is_about_another_trial(study):
    for kind, out in (("csr", "report"), ("dsmb", "board")):
        done = sap(study, "run", "--kind", kind, "--out", f"build/{out}", "--seed", "128")
        assert done.returncode == 0, done.stderr
    texts = {
        path.relative_to(study).as_posix(): " ".join(pages(path).split())
        for path in sorted((study / "build").rglob("*.pdf"))
    }
    assert len(texts) == 5
    for name, text in texts.items():
        assert not WORDS.findall(text), name
        assert not LEFTOVERS.findall(text), name
    report = texts["build/report/csr.pdf"]
    for words in (
        "Those with at least 3 circulating tumour cells per 7.5 mL and a positive BRCA2 mutation result",
        "Infusions of 400 mg/m² were planned every 21 days for at most 10 cycles",
        "The study stops after 20 patients when at most 4 respond",
        "rejected when more than 12 of 40 respond",
        "in patients with BRCA2 mutation-positive disease",
        "CTC response at cycle 5",
        "40 patients were treated",
    ):
        assert words in report, words
    assert "These numbers are those of the source that the SAP names" in report
    assert "the SAP declares them as assumptions" not in report
