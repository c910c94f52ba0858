"""The results of the biomarker in another domain than GF: MI of SDTMIG 3.4, PF of SDTMIG-PGx 1.0, IS."""

import datetime as dt
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sap import contracts, snapshot
from sap.cli import app
from sap.contracts.writing import contracts_of, domains
from sap.derivations.data_timeliness import _last_contact
from sap.derivations.population import biomarker
from sap.derivations.standard import standard
from sap.errors import PlanError
from sap.pipeline import analyses, rules
from sap.plan import read_plan
from sap.plan.model import MARKER_DOMAINS, Plan
from sap.qc import agreement
from sap.qc.standard_terms import in_standard_terms
from sap.qc.study import study_of
from sap.qc.subjects import read_records, subjects_of
from sap.simulate import trial
from sap.simulate.many_tables import _marker, _Writing
from sap.simulate.study import errors_in_words_of, in_words_of

HOME = Path(__file__).parents[1]
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan
DAY = dt.date(2019, 6, 30)
# SDTMIG 3.4, 6.3.5.8 (MI), 6.3.5.4 (GF), 6.3.5.5 (IS).
LABELS = {
    "MITESTCD": "Microscopic Examination Short Name",
    "MITEST": "Microscopic Examination Name",
    "MIORRES": "Result or Finding in Original Units",
    "MISTRESC": "Character Result/Finding in Std Format",
    "MISTAT": "Completion Status",
    "MIREASND": "Reason Not Done",
    "MISPEC": "Specimen Material Type",
    "MIDTC": "Date/Time of Specimen Collection",
    "GFTESTCD": "Short Name of Genomic Measurement",
    "GFTEST": "Name of Genomic Measurement",
    "GFSTRESC": "Result or Finding in Standard Format",
    "GFREASND": "Reason Test Not Done",
    "GFSPEC": "Specimen Material Type",
    "ISTESTCD": "Immunogenicity Test/Exam Short Name",
    "ISTEST": "Immunogenicity Test or Examination Name",
    "ISORRES": "Results or Findings in Original Units",
    "ISSTRESC": "Character Result/Finding in Std Format",
    "ISSPEC": "Specimen Type",
    "ISDTC": "Date/Time of Collection",
}


def with_results_in(domain: str, **of_marker) -> Plan:
    """CARVE with the results of the biomarker in another domain."""
    marker, inputs, survival = CARVE.biomarker, CARVE.inputs, CARVE.survival
    alive_on = [
        one.model_copy(update={"domain": domain, "date": f"{domain.upper()}DTC"})
        if one.domain == "gf"
        else one
        for one in survival.alive_on
    ]
    required = [domain if name == "gf" else name for name in inputs.required]
    return CARVE.model_copy(
        update={
            "biomarker": marker.model_copy(update={"domain": domain, **of_marker}),
            "inputs": inputs.model_copy(update={"required": required}),
            "survival": survival.model_copy(update={"alive_on": alive_on}),
        }
    )


def contracts_in(folder: Path, plan: Plan):
    folder.mkdir(exist_ok=True)
    for name, text in contracts_of(plan).items():
        (folder / name).write_text(text, "utf-8")
    return contracts.load(folder)


@pytest.fixture(scope="module")
def simulated():
    return trial.simulate(3, ctc_threshold=3, n_screened=60)


@pytest.fixture(scope="module")
def made(simulated, tmp_path_factory):
    """By domain of the results: the extract, the frozen tables and their folder, and the results."""
    of_domain = {}
    for domain in ("gf", "mi"):
        plan, folder = with_results_in(domain), tmp_path_factory.mktemp(domain)
        extract = in_words_of(simulated, plan)
        known = contracts_in(folder / "contracts", plan)
        tables = snapshot.in_order(snapshot.cut(contracts.typed(extract, known), DAY), known)
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet")
        ard = analyses.analyse(tables, plan, DAY).ard
        of_domain[domain] = SimpleNamespace(
            plan=plan, folder=folder, extract=extract, contracts=known, tables=tables, ard=ard
        )
    return of_domain


def test_the_results_are_the_same_row_by_row(made):
    pd.testing.assert_frame_equal(made["mi"].ard, made["gf"].ard)
    ard = made["mi"].ard
    positive = ard[ard["level"].eq("marker_positive_ctc_minimum_met") & ard["stat_name"].eq("n")]
    assert len(positive)
    assert (positive["stat"].astype(float) > 0).all()


def test_the_second_computation_reads_the_domain_and_agrees(made):
    one = made["mi"]
    study = study_of(read_records(one.folder), one.plan, DAY)
    second = agreement.QcResult(agreement._compared(one.ard, agreement.second_values(study)))
    assert second.differing == 0
    of_marker = second.rows[second.rows["analysis"].isin(["biomarker_yield", "ctc_course", "flow"])]
    assert set(of_marker["result"]) == {agreement.AGREES}


@pytest.fixture(scope="module")
def of_tissue(simulated, tmp_path_factory):
    """A marker of tissue without a count: the frozen tables, their folder and the results."""
    plan = with_results_in("mi", cell_count=None).model_copy(update={"ctc": None})
    folder = tmp_path_factory.mktemp("tissue")
    known = contracts_in(folder / "contracts", plan)
    extract = in_words_of(simulated, plan)
    tables = snapshot.in_order(snapshot.cut(contracts.typed(extract, known), DAY), known)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    ard = analyses.analyse(tables, plan, DAY).ard
    return SimpleNamespace(plan=plan, folder=folder, extract=extract, tables=tables, ard=ard)


def test_without_a_count_every_positive_patient_qualifies(of_tissue):
    """Of the first screening, counted from the extract; of all months, the last has them all."""
    mi = of_tissue.extract["mi"].query("VISIT == 'SCREENING' and MIDTC <= '2019-06-30'")
    positive = set(mi.loc[mi["MISTRESC"].eq("POSITIVE"), "USUBJID"])
    ard = of_tissue.ard[of_tissue.ard["stat_name"].eq("n")]
    boxes = ard[ard["analysis"].eq("flow") & ard["paramcd"].eq("BOX")].set_index("level")["stat"]
    sampled = mi["USUBJID"].nunique()
    assert boxes["qualified"] == len(positive) > 0
    assert boxes["not_qualified"] == sampled - len(positive)
    by_month = ard[ard["analysis"].eq("accrual") & ard["paramcd"].eq("QUALIFIED")]
    assert by_month.sort_values("level")["stat"].iloc[-1] == len(positive)


def test_without_a_count_both_computations_agree(of_tissue):
    study = study_of(read_records(of_tissue.folder), of_tissue.plan, DAY)
    second = agreement.QcResult(agreement._compared(of_tissue.ard, agreement.second_values(study)))
    assert second.differing == 0
    assert second.agreeing > 5_000


def test_the_simulated_extract_has_the_domain_of_the_plan_and_no_other(made):
    mi, gf = made["mi"].extract["mi"], made["gf"].extract["gf"]
    assert "gf" not in made["mi"].extract
    assert "mi" not in made["gf"].extract
    assert set(mi["DOMAIN"]) == {"MI"}
    assert list(mi) == [re.sub("^GF", "MI", name) for name in gf]
    assert {"MISEQ", "MIREFID", "MISTRESC", "MIDTC", "MIDY"} <= set(mi)


@pytest.mark.parametrize("domain", MARKER_DOMAINS)
def test_the_contract_has_the_variables_of_its_domain(domain, tmp_path):
    plan = with_results_in(domain)
    assert set(domains(plan)) & set(MARKER_DOMAINS) == {domain}
    known = contracts_in(tmp_path / "contracts", plan)
    labels = {column.name: column.label for column in known[domain].columns}
    stem = domain.upper()
    assert {f"{stem}{name}" for name in ("TESTCD", "STRESC", "RESCAT", "REFID", "DTC")} <= set(
        labels
    )
    standard_labels = {name: label for name, label in LABELS.items() if name.startswith(stem)}
    assert standard_labels.items() <= labels.items()
    others = "|".join(one.upper() for one in MARKER_DOMAINS if one != domain)
    for name in (domain, "dm"):
        text = (tmp_path / "contracts" / f"{name}.odcs.yaml").read_text("utf-8")
        assert not re.findall(rf"\b(?:{others})(?:TESTCD|STRESC|REFID|SEQ|DTC)\b", text)


def test_a_marker_of_tissue_needs_no_count_and_no_domain_of_counts(tmp_path):
    """The sample of a tissue is in no CP: neither the domain nor a reference to it is in the contracts."""
    plan = with_results_in("mi", cell_count=None).model_copy(update={"ctc": None})
    known = contracts_in(tmp_path / "contracts", plan)
    assert "cp" not in known
    assert "mi-result-without-sample" not in {rule.name for rule in known["mi"].rules}
    assert not {column.name: column.must_exist for column in known["mi"].columns}["MIREFID"]


def findings(made, plan: Plan, **cells) -> set[tuple[str, str, int]]:
    """Domain, rule and row of the findings in MI whose first result is changed."""
    one = made["mi"]
    mi = one.extract["mi"].copy()
    row = mi.index[mi["MISTRESC"].eq("POSITIVE")][0]
    for name, value in cells.items():
        mi.loc[row, name] = value
    tables = {"cp": one.extract["cp"], "mi": mi}
    known = {name: one.contracts[name] for name in tables}
    rows = contracts.check(tables, known, [], plan=plan)
    rows = rows[rows["domain"].eq("mi") & rows["severity"].eq("critical")]
    return {(rule, int(place) - int(row)) for rule, place in rows[["rule", "row"]].to_numpy()}


def test_the_contract_refuses_an_unknown_result_and_takes_those_that_the_plan_lists(made):
    """Staining intensity is 0 to 3+ (SDTMIG 3.4, MI, example 1)."""
    plan = made["mi"].plan
    marker = plan.biomarker.model_copy(update={"positive": ["2+", "3+"], "negative": ["0", "1+"]})
    of_intensity = plan.model_copy(update={"biomarker": marker})
    assert findings(made, plan) == set()
    assert findings(made, plan, MISTRESC="2+") == {("mi-mistresc", 1)}
    assert findings(made, of_intensity, MISTRESC="2+") == set()
    assert findings(made, of_intensity, MISTRESC="4+") == {("mi-mistresc", 1)}
    assert findings(made, plan, MIREFID="NO-SUCH-SAMPLE") == {("mi-result-without-sample", 1)}


@pytest.mark.parametrize("domain", MARKER_DOMAINS)
def test_a_cut_off_keeps_records_by_the_date_of_the_domain(domain):
    stem = domain.upper()
    dm = pd.DataFrame({"USUBJID": ["1"], "RFICDTC": ["2018-01-01"]}, dtype="object")
    results = pd.DataFrame(
        {
            "USUBJID": ["1"] * 3,
            f"{stem}SEQ": [1.0, 2.0, 3.0],
            "VISIT": ["SCREENING", "CYCLE 3", "CYCLE 4"],
            f"{stem}DTC": ["2018-01-02", "2018-03-01", "2018-03-02T09:00"],
        }
    )
    kept = snapshot.cut({"dm": dm, domain: results}, dt.date(2018, 3, 1))[domain]
    assert kept[f"{stem}SEQ"].tolist() == [1, 2]
    assert _last_contact({domain: results})["1"] == pd.Timestamp("2018-03-02")


def test_the_printed_rules_name_the_variables_of_the_domain():
    printed = str(rules.table(with_results_in("mi")))
    assert not re.findall(r"\bGF[A-Z]+\b", printed)
    assert "With a CTC count, its MIREFID is CPREFID." in printed
    assert "(MIRESCAT)" in printed
    assert "its GFREFID is CPREFID." in str(rules.table(CARVE))
    # In other rules -- is any domain.
    assert "(--STAT)" in printed


def test_the_printed_rules_of_a_marker_of_tissue_speak_of_no_count():
    plan = with_results_in("mi", cell_count=None).model_copy(update={"ctc": None})
    by_name = {one["name"]: str(one["blocks"]) for one in rules.table(plan)}
    status = by_name["Biomarker status at screening"]
    assert not re.findall(r"CPREFID|CTC", status)
    assert "The earliest result of the sample of the screening (MIREFID)." in status
    assert "Where the SAP requires no count, the sample is the earliest one with a result" in status
    sets = by_name["Groups and analysis sets"]
    assert "MPOSFL (MARKERPOS): biomarker positive at the first screening." in sets
    assert "Where the SAP has a biomarker: MPOSFL as well." in sets
    assert not re.findall(r"CTC", sets)


def test_a_count_that_only_selects_patients_is_in_the_printed_rules():
    """Without the analyses of CTC, the count required at screening remains."""
    by_name = {
        one["name"]: str(one["blocks"])
        for one in rules.table(CARVE.model_copy(update={"ctc": None}))
    }
    assert (
        "The CTC count is per `biomarker.cell_count.volume_ml` mL"
        in by_name["Biomarker status at screening"]
    )
    assert (
        "Where it requires a CTC count: at least that count" in by_name["Groups and analysis sets"]
    )
    assert "CTCEVAL" not in by_name["Analysis sets that depend on measurements"]


# SDTMIG 3.4, MI, examples 1 and 3: one test, several details, of which one decides.
STAINING = """
    USUBJID | MISEQ | MITSTDTL                     | MISTRESC | MIDTC
    --------+-------+------------------------------+----------+-----------
    1       | 1     | H SCORE TOTAL SCORE          | 110      | 2018-01-01
    1       | 2     | STAINING INTENSITY           | 0        | 2018-01-02
    2       | 1     | Staining intensity           | 2+       | 2018-01-02
    2       | 2     | H SCORE STAINING INTENSITY 0 | 0        | 2018-01-01
    3       | 1     | H SCORE TOTAL SCORE          | 3+       | 2018-01-02
    4       | 1     | STAINING INTENSITY           |          | 2018-01-02
"""
STATES = {"1": "NEGATIVE", "2": "POSITIVE", "4": "NOT DONE"}


def test_of_several_details_of_a_test_the_one_of_the_plan_is_read_by_both_computations(patients):
    """A patient with results of other details only has no sample."""
    plan = with_results_in(
        "mi",
        test="HER2",
        detail="STAINING INTENSITY",
        positive=["2+", "3+"],
        negative=["0", "1+"],
        cell_count=None,
    )
    mi = patients(STAINING).assign(MITESTCD="HER2", VISIT="SCREENING", MIREFID=None)
    as_text = {0.0: "0", 110.0: "110"}  # the helper reads these as numbers; SDTM has text
    mi["MISTRESC"] = [as_text.get(one, one) for one in mi["MISTRESC"]]
    tables = {"mi": mi.astype({"MISEQ": float})}
    got = biomarker(standard(tables, plan), plan.biomarker, "SCREENING")
    assert got["MARKER"].to_dict() == STATES
    records = {name: table.to_dict("records") for name, table in tables.items()}
    records["dm"] = [{"USUBJID": who, "RFICDTC": "2018-01-01"} for who in "1234"]
    subjects = subjects_of(in_standard_terms(records, plan), plan)
    second = {who: one.first.marker for who, one in subjects.items() if one.first}
    assert second == STATES


def test_a_simulated_detail_is_a_variable_of_its_own_and_a_rule_of_the_contract(
    simulated, tmp_path
):
    plan = with_results_in("mi", detail="TOTAL SCORE, 'H'")
    mi = in_words_of(simulated, plan)["mi"]
    assert set(mi["MITSTDTL"]) == {"TOTAL SCORE, 'H'"}
    known = contracts_in(tmp_path / "contracts", plan)["mi"]
    (rule,) = [one for one in known.rules if one.name == "mi-mistresc"]
    assert dict(rule.where) == {"MITESTCD": "ARV7", "MITSTDTL": "TOTAL SCORE, 'H'"}


def test_a_simulated_marker_without_a_count_has_no_reason_about_counts(of_tissue):
    made = of_tissue.extract
    assert "cp" not in made
    assert {"INSUFFICIENT SAMPLE", "NO SAMPLE"} & set(made["mi"]["MIREASND"].dropna())
    texts = {
        str(cell)
        for name in ("mi", "ds")
        for cell in made[name].drop(columns=["USUBJID"]).to_numpy().flat
    }
    assert not {text for text in texts if re.search(r"\bCTC\b", text)} - set(made["mi"]["MIREFID"])


def test_many_simulated_trials_have_the_domain_of_the_plan():
    plan = with_results_in("pf")
    names = np.array(["1", "2"], dtype=object)
    got = _marker(
        _Writing(DAY, "CARVE"),
        names,
        np.array([1, 2]),
        np.array([True, True]),
        np.array([-9, -8]),
        plan,
    )
    assert set(got) == {"cp", "pf"}
    assert got["pf"]["PFSTRESC"].tolist() == ["POSITIVE", "UNDETERMINED"]
    assert got["pf"]["PFDTC"].tolist() == ["2019-06-21", "2019-06-22"]
    assert got["pf"]["PFREFID"].tolist() == got["cp"]["CPREFID"].tolist()


def test_planted_errors_are_listed_under_the_domain_of_the_plan():
    planted = pd.DataFrame(
        {
            "kind": ["a", "b"],
            "domain": ["gf", "cp"],
            "rule": ["gf-gfstresc", "cp-two-counts"],
            "row": [1, 2],
        }
    )
    got = errors_in_words_of(planted, with_results_in("mi"))
    assert got["domain"].tolist() == ["mi", "cp"]
    assert got["rule"].tolist() == ["mi-mistresc", "cp-two-counts"]


@pytest.mark.parametrize(
    "domain, required, faults",
    [
        (
            "xx",
            "gf",
            ["biomarker.domain: xx is no word of this key: write 'gf', 'is', 'mi' or 'pf'"],
        ),
        ("lb", "gf", ["biomarker.domain: lb has a contract of its own"]),
        (
            "mi",
            "gf",
            [
                "inputs.required.5: gf is not read: the results of the biomarker are in mi",
                "biomarker.domain: mi has no data contract: write it by `sap plan contracts",
            ],
        ),
        ("gf", "mi", ["inputs.required.5: mi is not read: the results of the biomarker are in gf"]),
    ],
)
def test_a_domain_without_results_of_a_biomarker_is_a_fault_of_the_plan(
    domain, required, faults, tmp_path
):
    text = (HOME / "analysis" / "plan.yml").read_text("utf-8")
    text = text.replace("\n  domain: gf\n", f"\n  domain: {domain}\n")
    text = text.replace("lb, cp, gf, ss", f"lb, cp, {required}, ss")
    path = tmp_path / "plan.yml"
    path.write_text(text, "utf-8")
    ended = CliRunner().invoke(app, ["plan", "check", str(path)])
    assert isinstance(ended.exception, PlanError)
    for fault in faults:
        assert fault in str(ended.exception)
