"""SDTM of others by a written map: every line is counted, nothing is guessed, faults have a line."""

import json
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.errors import PlanError, UsageError
from sap.intake import sdtm, sdtm_map
from sap.pipeline import accepted_findings, commands
from sap.plan import project_home
from sap.simulate import trial

PLAN = project_home() / "analysis" / "plan.yml"

LABCHEM = """DOMAIN,USUBJID,LBSEQ,LBTESTCD,LBSTRESC,LBSTRESN,LBSTRESU,LBSTNRHI,VISIT
LB,T-1,1,PSA,<0.10,,ng/dL,400,V1
LB,T-1,2,PSA,1250,1250,ng/dL,400,V2
LB,T-1,3,HGB,12.1,12.1,g/dL,,V1
LB,T-2,1,GLUC,5,5,mmol/L,,V1
"""
LABHEM = """DOMAIN,USUBJID,LBSEQ,LBTESTCD,LBSTRESC,LBSTRESN,LBSTRESU,VISIT,LBNAM
LB,T-2,2,HGB,11,11,g/dL,V2,X
"""
AE = """DOMAIN,USUBJID,AESEQ,AEGRADE,AEREL,VISIT
AE,T-1,1,3,MAYBE,V1
AE,T-1,2,2,YES,
AE,T-2,1,9,MAYBE,V2
"""
MAP = """
split:
  - {domain: lb, parts: [labchem, labhem]}
leave_out:
  - {domain: fa, why: findings about nothing the plan reads}
  - {domain: lb, test: GLUC, why: not a test of the protocol}
columns:
  - {domain: ae, from: AEGRADE, to: AETOXGR}
values:
  - {domain: ae, column: AEREL, from: MAYBE, to: POSSIBLY RELATED}
  - {domain: ae, column: AEREL, from: POSSIBLY RELATED, to: RELATED}
  - {domain: ae, column: AETOXGR, from: '9', to: null, why: the code for unknown}
units:
  - {domain: lb, test: PSA, from: ng/dL, to: ug/L, factor: '0.01'}
visits:
  - {from: V1, to: SCREENING}
  - {domain: lb, from: V2, to: CYCLE 1}
"""


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    files = {"labchem": LABCHEM, "labhem": LABHEM, "ae": AE, "fa": "DOMAIN,FASEQ\nFA,1\nFA,2\n"}
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    (tmp_path / "map.yml").write_text(MAP)
    return folder


def test_each_kind_of_line_does_what_it_says(source, tmp_path):
    """By hand: 1250 ng/dL are 12.5 ug/L; GLUC goes, grade 9 goes, no recode sees another's work."""
    read = sdtm_map.read_map(tmp_path / "map.yml")
    tables = sdtm_map.mapped(sdtm.sources(source), read)
    assert list(tables) == ["ae", "lb", "mapped"]
    shown = ["USUBJID", "LBSEQ", "LBSTRESC", "LBSTRESN", "LBSTRESU", "LBSTNRHI", "VISIT", "LBNAM"]
    assert tables["lb"][shown].to_numpy().tolist() == [
        ["T-1", "1", "<0.001", None, "ug/L", "4", "SCREENING", None],
        ["T-1", "2", "12.5", "12.5", "ug/L", "4", "CYCLE 1", None],
        ["T-1", "3", "12.1", "12.1", "g/dL", None, "SCREENING", None],
        ["T-2", "2", "11", "11", "g/dL", None, "CYCLE 1", "X"],
    ]
    assert tables["ae"][["AETOXGR", "AEREL", "VISIT"]].to_numpy().tolist() == [
        ["3", "POSSIBLY RELATED", "SCREENING"],
        ["2", "YES", None],
        [None, "POSSIBLY RELATED", "V2"],
    ]
    assert tables["mapped"].to_numpy().tolist() == [
        ["3", "split", "LB: joined from labchem, labhem", "", "2"],
        ["5", "leave out", "FA", "findings about nothing the plan reads", "2"],
        ["6", "leave out", "LB: test GLUC", "not a test of the protocol", "1"],
        ["8", "columns", "AE: AEGRADE is AETOXGR", "", "3"],
        ["10", "values", "AE.AEREL: MAYBE is POSSIBLY RELATED", "", "2"],
        ["11", "values", "AE.AEREL: POSSIBLY RELATED is RELATED", "", "0"],
        ["12", "values", "AE.AETOXGR: 9 is missing", "the code for unknown", "1"],
        ["14", "units", "LB: ng/dL of PSA is ug/L, times 0.01", "", "2"],
        ["16", "visits", "every domain: V1 is SCREENING", "", "3"],
        ["17", "visits", "LB: V2 is CYCLE 1", "", "2"],
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "the map: Input should be a valid dictionary"),
        ("vists: []", "line 1, vists: unknown key"),
        ("visits:\n- {from: V1, to: A, form: B}", "line 2, visits.0.form: unknown key"),
        ("visits:\n- {from: V1}", "line 2, visits.0.to: is missing"),
        ("\nleave_out:\n- {domain: fa}", "line 3, leave_out.0.why: is missing"),
        (
            "values:\n- {domain: ae, column: X, from: NO, to: 'N'}",
            "line 2, values.0.from: .*string",
        ),
        ("values:\n- {domain: ae, column: X, from: A, to: null}", "takes a value away: give `why`"),
        ("columns:\n- {domain: AE, from: X, to: Y}", "line 2, columns.0.domain"),
        ("units:\n- {domain: lb, from: a, to: b, factor: 2}", "line 2, units.0.factor"),
        (
            "visits:\n- {from: A, to: B}\n- {from: A, to: C}",
            "two lines have the same subject: visits A",
        ),
        ("visits: [", "not readable YAML"),
    ],
)
def test_a_faulty_map_is_refused_by_line_and_key(tmp_path, text, message):
    (tmp_path / "map.yml").write_text(text)
    with pytest.raises(PlanError, match=message):
        sdtm_map.read_map(tmp_path / "map.yml")


def test_a_map_that_is_not_there_and_a_column_that_is(source, tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        sdtm_map.read_map(tmp_path / "nowhere.yml")
    (tmp_path / "map.yml").write_text("columns:\n- {domain: ae, from: AEGRADE, to: AEREL}\n")
    read = sdtm_map.read_map(tmp_path / "map.yml")
    with pytest.raises(UsageError, match=r"line 2: ae has a column AEREL already"):
        sdtm_map.mapped(sdtm.sources(source), read)


def test_the_map_goes_with_the_extract_and_only_once(source, tmp_path):
    out = commands.intake("sdtm", source, tmp_path / "out", tmp_path / "map.yml")
    assert (out / "map.yml").read_text() == MAP
    assert sorted(sdtm.read(out)) == ["ae", "lb", "mapped"]
    again = commands.intake("sdtm", out, tmp_path / "again")
    assert (again / "map.yml").read_text() == MAP
    with pytest.raises(UsageError, match="was made by a map already"):
        commands.intake("sdtm", out, tmp_path / "third", tmp_path / "map.yml")
    with pytest.raises(UsageError, match="--map goes with sdtm"):
        commands.intake("caba-v7", source, tmp_path / "third", tmp_path / "map.yml")


def fault_of(folder: Path) -> str:
    """The fault of the table of an extract as an analysis reads it: numbers, missing as None."""
    typed = contracts.typed(sdtm.read(folder), contracts.load())
    return sdtm_map.fault_of_lines(folder, typed.get("mapped"))


def test_the_table_of_the_map_is_what_the_map_says(source, tmp_path):
    reason = MAP.replace("not a test of the protocol", '"two  spaces, a\\n line; \u00b5 = 2.0"')
    assert reason != MAP
    (tmp_path / "map.yml").write_text(reason)
    out = commands.intake("sdtm", source, tmp_path / "out", tmp_path / "map.yml")
    assert fault_of(out) == ""
    assert sdtm_map.fault_of_lines(source, None) == ""


@pytest.mark.parametrize(
    "old, new, fault",
    [
        ("from: V1, to: SCREENING", "from: V1, to: CYCLE 2", "row 9 of mapped"),
        ("not a test of the protocol", "not measured", "row 3 of mapped"),
        ("factor: '0.01'", "factor: '0.1'", "row 8 of mapped"),
        ("  - {domain: lb, from: V2, to: CYCLE 1}\n", "", "row 10 of mapped"),
        ("to: CYCLE 1}\n", "to: CYCLE 1}\n  - {from: V3, to: CYCLE 2}\n", "row 11 of mapped"),
        ("values:\n", "\nvalues:\n", "row 5 of mapped"),  # the lines have other numbers
        ("visits:", "vists:", "map.yml cannot be read as a map"),
    ],
)  # fmt: skip
def test_a_map_that_is_not_the_one_of_the_table_is_named_by_its_row(source, tmp_path, old, new, fault):  # fmt: skip
    out = commands.intake("sdtm", source, tmp_path / "out", tmp_path / "map.yml")
    assert old in MAP
    (out / "map.yml").write_text(MAP.replace(old, new))
    assert fault_of(out).startswith(fault)
    with pytest.raises(UsageError, match=f"{fault}.*make the extract again"):
        accepted_findings.refuse_other_map(out, sdtm.read(out))


def test_a_map_without_its_table_and_a_table_of_other_columns_are_named(source, tmp_path):
    out = commands.intake("sdtm", source, tmp_path / "out", tmp_path / "map.yml")
    table = sdtm.read(out)["mapped"]
    assert sdtm_map.fault_of_lines(out, None) == "map.yml is there without mapped"
    assert "has not the columns" in sdtm_map.fault_of_lines(out, table.drop(columns="WHY"))
    assert "row 1" in sdtm_map.fault_of_lines(out, table.assign(LINE="x"))
    assert sdtm_map.fault_of_lines(out, table.assign(COUNT="7")) == ""  # only the source shows it
    (out / "map.yml").unlink()
    assert sdtm_map.fault_of_lines(out, table) == "mapped is there without map.yml"


def test_a_line_that_met_nothing_is_a_warning(source, tmp_path):
    out = commands.intake("sdtm", source, tmp_path / "out", tmp_path / "map.yml")
    rules = contracts.load()
    tables = {"mapped": sdtm.read(out)["mapped"]}
    found = contracts.check(tables, {"mapped": rules["mapped"], "extract": rules["extract"]}, [])
    assert found[["rule", "severity", "row"]].to_numpy().tolist() == [
        ["mapped-unused", "warning", 6]
    ]


@pytest.mark.slow
def test_the_cut_holds_the_map_with_its_sum_and_the_report_every_line(tmp_path):
    """Words of a site that no list has, and a map for them: the cut is that of the plain extract."""
    tables = trial.simulate(3, n_screened=40)
    sdtm.write(tables, tmp_path / "plain")
    ae = tables["ae"]
    odd = int((ae["AEACN"] == "DOSE REDUCED").sum())
    assert odd
    ae["AEACN"] = ae["AEACN"].replace("DOSE REDUCED", "LESS")
    sdtm.write({**tables, "ae": ae.rename(columns={"AEREL": "AERELN"})}, tmp_path / "source")
    (tmp_path / "map.yml").write_text(
        "columns:\n- {domain: ae, from: AERELN, to: AEREL}\n"
        "values:\n- {domain: ae, column: AEACN, from: LESS, to: DOSE REDUCED}\n"
    )
    commands.intake("sdtm", tmp_path / "source", tmp_path / "extract", tmp_path / "map.yml")
    cut = commands.freeze(tmp_path / "extract", PLAN, "final", tmp_path / "frozen")
    plain = commands.freeze(tmp_path / "plain", PLAN, "final", tmp_path / "frozen")
    assert "map.yml" in {file.name for file in snapshot.verify(cut).files}
    assert (cut / "map.yml").read_bytes() == (tmp_path / "map.yml").read_bytes()
    assert (cut / "ae.parquet").read_bytes() == (plain / "ae.parquet").read_bytes()
    assert [(one["LINE"], one["COUNT"]) for one in accepted_findings.map_lines(cut)] == [
        (2, len(ae)),
        (4, odd),
    ]
    commands.analyse(cut, PLAN, tmp_path / "run")
    commands.analyse(plain, PLAN, tmp_path / "plain-run")
    assert len(json.loads((tmp_path / "run" / "tables" / "mapped.json").read_text())) == 2
    ards = [pd.read_csv(tmp_path / run / "ard.csv") for run in ("run", "plain-run")]
    pd.testing.assert_frame_equal(*ards)
