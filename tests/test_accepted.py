"""Findings a study accepts: they stay in the list, stop nothing, and travel with the cut."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from sap import contracts, snapshot
from sap.audit.findings import Audit
from sap.audit.inputs import check_contracts
from sap.contracts import read_accepted
from sap.contracts.accepted import Entry
from sap.errors import ContractError, PlanError, UsageError
from sap.intake import sdtm
from sap.pipeline import accepted_findings, commands
from sap.plan import project_home, read_plan
from sap.simulate import trial

PLAN = project_home() / "analysis" / "plan.yml"
ENTRY = """
- rule: ae-aeacn
  usubjid: {subject}
  sequence: {sequence}
  reason: the site uses a word of its own; queried, not answered
  who: A. Monitor
  when: 2019-08-01
"""


@pytest.fixture(scope="module")
def rules():
    return contracts.load()


def put(folder: Path, content: str) -> Path:
    path = folder / "accepted.yml"
    path.write_text(content, encoding="utf-8")
    return path


FAULTS = [
    ("", "is empty. Write `\\[\\]` for none"),
    ("rule: x", "is not a valid file of accepted findings"),
    (ENTRY + "  by: me\n", "0.by: unknown key"),
    (ENTRY.replace("  who: A. Monitor\n", ""), "0.who: is missing"),
    (ENTRY.replace("2019-08-01", "'1 Aug'"), "0.when: "),
    (ENTRY.replace("{sequence}", "three"), "0.sequence: "),
    (ENTRY.replace("ae-aeacn", "ae-acn"), "0.rule: no contract has a rule ae-acn"),
    (ENTRY.replace("ae-aeacn", "extract-key"), "0.rule: a finding of extract-key may not be acc"),
    (ENTRY.replace("ae-aeacn", "extract-after-death"), "0.domain: .* name the domain"),
    (ENTRY + "  domain: lb\n", "0.domain: ae-aeacn is a rule of ae"),
    (ENTRY + ENTRY.lstrip(), "1: the same finding is accepted twice"),
    ("- {rule: ae-aeacn, reason: why, who: me, when: 2019-08-01}", "name the row"),
    (ENTRY.replace("{sequence}", "'3'"), "0.sequence: "),
    (ENTRY.replace("{sequence}", "-1"), "0.sequence: "),
    (ENTRY.replace("the site uses a word of its own; queried, not answered", "no"), "0.reason: "),
    (ENTRY.replace("A. Monitor", "''"), "0.who: "),
    (ENTRY + "  domain: AE\n", "0.domain: "),
    (ENTRY + ENTRY.replace("ae-aeacn", "ae-acn").lstrip(), "1.rule: no contract has a rule ae-acn"),
]


@pytest.mark.parametrize("content, message", FAULTS)
def test_a_faulty_file_is_refused_by_entry_and_key(tmp_path, rules, content, message):
    path = put(tmp_path, content.format(subject="T-1", sequence=3) if "{s" in content else content)
    with pytest.raises(PlanError, match=message):
        read_accepted(path, rules)


def test_a_file_that_is_not_there_is_wrong_use(tmp_path, rules):
    with pytest.raises(UsageError, match="cannot be read"):
        read_accepted(tmp_path / "nowhere.yml", rules)


def test_an_entry_meets_its_own_finding_and_no_other():
    """Rule, subject and sequence name a finding; a record of DM has no sequence, TS no subject."""
    nothing = [None] * 6
    findings = pd.DataFrame(
        {
            "rule": ["a", "a", "b", "dm-x", "ts-x", "extract-y"],
            "domain": ["ae", "ae", "ae", "dm", "ts", "lb"],
            "usubjid": ["T-1", "T-2", "T-1", "T-1", None, "T-1"],
            "seq": ["1", "1", "1", None, "4", "2"],
            "row": pd.array([1, 2, 1, 1, 4, 9], dtype="Int64"),
            "severity": ["critical"] * 6,
            "accepted": pd.Series(nothing, dtype=object),
        }
    )

    def entry(**words):
        return Entry(reason="because", who="me", when=dt.date(2019, 8, 1), **words)

    cases = [
        (entry(rule="a", usubjid="T-1", sequence=1), [0]),
        (entry(rule="dm-x", usubjid="T-1"), [3]),
        (entry(rule="ts-x", sequence=4), [4]),
        (entry(rule="extract-y", domain="lb", usubjid="T-1", sequence=2), [5]),
        (entry(rule="extract-y", domain="ae", usubjid="T-1", sequence=2), []),
        (entry(rule="a", usubjid="T-1"), []),
        (entry(rule="a", usubjid="T-3", sequence=1), []),
    ]
    for one, expected in cases:
        marked, unmet = contracts.accept(findings, [one])
        assert marked.index[marked["accepted"] == "Y"].tolist() == expected
        assert unmet == ([] if expected else [0])
        assert len(contracts.stops(marked)) == 6 - len(expected)


ACCEPTED = """
- {rule: ae-aeacn, usubjid: T, sequence: 0, reason: why, who: M, when: 2019-08-01}
- {rule: ae-aeacn, domain: ae, usubjid: T, sequence: 0, reason: why, who: M, when: 2019-08-01}
- {rule: ae-aeacn, usubjid: T, sequence: 1, reason: why, who: M, when: 2019-08-01}
- {rule: ae-aerel, usubjid: T, sequence: 1, reason: why, who: M, when: 2019-08-01}
- {rule: extract-after-death, domain: lb, sequence: 2, reason: why, who: M, when: 2019-08-01}
- {rule: extract-after-death, domain: vs, sequence: 2, reason: why, who: M, when: 2019-08-01}
- {rule: dm-age-missing, usubjid: T, reason: why, who: M, when: 2019-08-01}
"""


def test_a_file_of_accepted_findings_is_read_in_its_order_with_its_bytes(tmp_path, rules):
    path = put(tmp_path, ACCEPTED)
    read = read_accepted(path, rules)
    assert (read.content, read.name) == (path.read_bytes(), "accepted.yml")
    assert [(one.rule, one.domain, *one.row()) for one in read.entries] == [
        ("ae-aeacn", None, "T", "0"),
        ("ae-aeacn", "ae", "T", "0"),
        ("ae-aeacn", None, "T", "1"),
        ("ae-aerel", None, "T", "1"),
        ("extract-after-death", "lb", None, "2"),
        ("extract-after-death", "vs", None, "2"),
        ("dm-age-missing", None, "T", None),
    ]
    with pytest.raises(ValidationError, match="frozen"):
        read.entries[0].rule = "other"  # type: ignore[misc]
    assert read_accepted(put(tmp_path, "[]"), rules).entries == ()


def test_only_a_critical_finding_that_is_not_accepted_stops():
    findings = pd.DataFrame(
        {
            "severity": ["critical", "critical", "warning", "info", "critical"],
            "accepted": ["Y", None, None, "Y", None],
        }
    )
    assert list(contracts.stops(findings).index) == [1, 4]


def test_a_finding_without_a_row_and_one_of_another_domain_are_not_accepted():
    """An entry of a rule without a domain is for the domain of the rule; two entries may be unmet."""
    findings = pd.DataFrame(
        {
            "rule": ["a", "a", "a"],
            "domain": ["ae", "ae", "ae"],
            "usubjid": ["T-1", "T-1", None],
            "seq": ["1", "1", None],
            "row": pd.array([4, 9, None], dtype="Int64"),
            "severity": ["critical"] * 3,
            "accepted": pd.Series([None] * 3, dtype=object),
        }
    )
    entries = [
        Entry(rule="a", reason="why", who="M", when=dt.date(2019, 8, 1), **words)
        for words in (
            {"usubjid": "T-2", "sequence": 1},
            {"usubjid": "T-1", "sequence": 1, "domain": "ae"},
            {"usubjid": "T-1", "sequence": 1, "domain": "cm"},
        )
    ]
    marked, unmatched = contracts.accept(findings, entries)
    assert marked["accepted"].tolist() == ["Y", "Y", None]
    assert unmatched == [0, 2]
    assert findings["accepted"].isna().all()


# ---- check, freeze, audit ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extract(tmp_path_factory) -> tuple[Path, pd.Series]:
    """A trial of 40 with a word for an action taken that no list has; and that event."""
    folder = tmp_path_factory.mktemp("accepted") / "extract"
    tables = trial.simulate(3, n_screened=40)
    place = tables["ae"]["AESTDTC"].str.len().ge(10).to_numpy().nonzero()[0][-1]
    tables["ae"].loc[tables["ae"].index[place], "AEACN"] = "SENT HOME"
    # a warning whose rule is not asked of a cut: the audit takes it from the record
    tables["ae"].loc[tables["ae"].index[0], "AETOXGR"] = None
    sdtm.write(tables, folder)
    return folder, tables["ae"].iloc[place]


@pytest.fixture(scope="module")
def plan(extract) -> Path:
    folder, event = extract
    path = folder.parent / "plan.yml"
    text = PLAN.read_text(encoding="utf-8")
    path.write_text(text.replace("  intake: sdtm\n", "  intake: sdtm\n  accepted: accepted.yml\n"))
    put(folder.parent, ENTRY.format(subject=event["USUBJID"], sequence=int(event["AESEQ"])))
    return path


def test_the_finding_stops_and_says_rule_contract_words_and_what_to_do(extract, tmp_path):
    with pytest.raises(ContractError) as error:
        commands.check(extract[0], PLAN, tmp_path)
    said = str(error.value)
    assert "ae-aeacn, ae.odcs.yaml; allowed: DOSE INCREASED, DOSE NOT CHANGED" in said
    assert "--map FILE" in said
    assert "--accept FILE" in said
    assert "SENT HOME" not in said


def test_an_accepted_finding_stops_nothing_and_stays_in_the_list(extract, plan, tmp_path):
    assert "accepted ae      1  AEACN" in commands.check(extract[0], plan, tmp_path)
    found = [one for one in json.loads((tmp_path / "findings.json").read_text()) if one["accepted"]]
    assert [(one["rule"], one["severity"]) for one in found] == [("ae-aeacn", "critical")]


def test_another_file_may_be_tried_and_an_entry_that_meets_nothing_is_exit_10(
    extract, plan, tmp_path
):
    folder, _ = extract
    text = (folder.parent / "accepted.yml").read_text()
    other = put(tmp_path, text + text.lstrip().replace("ae-aeacn", "ae-aerel"))
    with pytest.raises(ContractError, match="entry 2: ae-aerel"):
        commands.check(folder, plan, tmp_path / "out", other)
    assert (tmp_path / "out" / "findings.csv").is_file()


@pytest.mark.slow
def test_a_cut_carries_what_is_accepted_with_its_sum_and_the_audit_reads_it(extract, plan, rules):
    folder, _ = extract
    cut = commands.freeze(folder, plan, "final", folder.parent / "frozen")
    names = {file.name: file for file in snapshot.verify(cut).files}
    assert (cut / "accepted.yml").read_bytes() == (folder.parent / "accepted.yml").read_bytes()
    assert names["accepted.yml"].sha256
    said = accepted_findings.record(cut, accepted_findings.findings_of(cut))
    assert [(one["rule"], one["findings"]) for one in said] == [("ae-aeacn", 1)]
    assert "ae-grade-missing" in set(accepted_findings.findings_of(cut)["rule"])
    audit = Audit("bundle", {})
    check_contracts(audit, cut, read_plan(plan))
    assert audit.findings == []


@pytest.mark.slow
def test_in_a_cut_without_the_record_it_is_not_applicable(extract, plan):
    folder, event = extract
    day = (pd.Timestamp(event["AESTDTC"][:10]) - pd.Timedelta(days=1)).date().isoformat()
    cut = commands.freeze(folder, plan, day, folder.parent / "frozen")
    said = accepted_findings.record(cut, accepted_findings.findings_of(cut))
    assert [(one["findings"], one["rows"]) for one in said] == [(0, [])]
