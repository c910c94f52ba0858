"""Every reader of YAML or JSON that others wrote, with a value of another kind at each place.

A door reads it or refuses it with an error of ours that names file and place. The contracts are in
test_contract_files.py, the index of a bundle in test_hostile.py, the run log in test_runlog.py, the manifest
of a cut in test_snapshot.py.
"""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

from sap import contracts, runlog
from sap.contracts import accepted
from sap.displays import register
from sap.errors import SapError, UsageError
from sap.export import ars
from sap.intake import caba_v7, dataset_json, sdtm, sdtm_map
from sap.plan import project_home, read_plan
from sap.plan.deviations import read_deviations
from sap.plan.dsmb import read_dsmb
from sap.plan.references import read_references

DAY = dt.date(2019, 6, 30)
HOME = project_home()
CONTRACTS = contracts.load()
PLAN = read_plan(HOME / "analysis" / "plan.yml").plan


class Door(NamedTuple):
    """A reader, the name of its file, and a valid content."""

    read: Callable[[Path], Any]
    name: str
    valid: Any


DEVIATION = {
    "id": "DEV-01", "study": "CARVE", "decided": DAY, "before_lock": True, "section": "SAP 5.1",
    "planned": "this", "done": "that", "reason": "because", "results_affected": ["os"],
    "expect": {"psa_response.confirm_after_days": 28},
}  # fmt: skip
MEETINGS = {
    "T": {
        "reports": {
            "final": {
                "meeting": "First", "date": DAY, "prepared_by": "someone", "version": "1",
                "distribution": {"open": ["all"]},
            }
        },
        "amendments": [{"number": "1", "date": DAY, "summary": "words"}],
        "meetings": [
            {"date": DAY, "meeting": "First", "action": "words", "resolution": "words", "audience": "open"}
        ],
    }
}  # fmt: skip
ACCEPTED = {
    "rule": next(rule.name for rule in CONTRACTS["ae"].rules if rule.acceptable), "domain": "ae",
    "usubjid": "P1", "sequence": 1, "reason": "because", "who": "X", "when": DAY,
}  # fmt: skip
MAP = {
    "split": [{"domain": "lb", "parts": ["lbc", "lbh"], "why": "words"}],
    "leave_out": [{"domain": "lb", "test": "GLUC", "why": "words"}],
    "columns": [{"domain": "lb", "from": "OLD", "to": "NEW", "why": "words"}],
    "values": [{"domain": "lb", "column": "NEW", "from": "x", "to": "y", "why": "words"}],
    "units": [{"domain": "lb", "test": "PSA", "from": "ng/dL", "to": "ug/L", "factor": "0.01", "why": "words"}],
    "visits": [{"domain": "lb", "from": "V1", "to": "DAY 1", "why": "words"}],
}  # fmt: skip
DATA = pd.DataFrame(
    {"LBTESTCD": ["PSA", "GLUC"], "OLD": ["x", None], "LBSTRESU": ["ng/dL", None], "LBSTRESN": ["1", "2"], "VISIT": ["V1", None]},
    dtype=object,
)  # fmt: skip
REFERENCES = {
    "one-trial": {
        "trial": "ONE", "registry": "NCT00000000", "treatment": "words", "endpoint": "words",
        "definition": "words", "n": 1, "total": 2, "source": "words",
    }
}  # fmt: skip
DISPLAYS = {
    "house_style": {"hundred": "100"},
    "tlf-one": {
        "number": "14.1", "kind": "table", "title": "words", "title_of_groups": "words", "population": "SAFETY",
        "also": "", "section": "SAP 1", "source": ["ADSL"], "analysis": ["os"],
        "footnotes": ["words", {"text": "words", "rows": {"level": ["any"]}, "columns": {"group": ["a"]}}],
        "footnotes_of_groups": ["words"], "needs": [], "audience": "open", "orientation": "portrait",
    },
}  # fmt: skip
MAPPING = {
    "study": "T", "key": "ID", "once_per_subject": ["a.csv"], "anchor": {"date": DAY, "why": "words"},
    "files": {
        "a.csv": {
            "left_out": {"X": {"why": "words"}}, "otherwise": {"Y": {"why": "words"}},
            "rows_left_out": [{"only": {"Y": ["1"], "Z": "present", "D": {"not": ["2"]}}, "why": "words"}],
        }
    },
    "kept": {"a": "words"},
    "terms": {"sex": {"m": {"as": "M", "why": "words"}, "u": {"listed": "words"}}},
    "records": [
        {
            "domain": "dm", "from": "a.csv", "why": "words", "only": {"Z": "present"},
            "set": {
                "SEX": {"column": "Z", "terms": "sex", "missing": "U"}, "AGE": {"number": "A"},
                "RFSTDTC": {"day": ["D", "E"], "only": {"Z": ["1"]}},
                "RFENDTC": {"first": {"day": "D"}, "last": {"day": "E"}}, "STUDYID": {"text": "T", "why": "words"},
            },
        },
        {
            "domain": "dm", "from": "a.csv", "why": "words", "given": "sex", "repeat": "F",
            "columns": {"G": {"SEX": "M"}}, "set": {"AGE": {"number": "{column}"}},
        },
    ],
    "same_event": {
        "domain": "dm", "keep": "a", "absorb": "b", "same": ["SEX"], "begins": "RFSTDTC", "ends": "RFENDTC",
        "why": "words",
    },
    "tables": {"dm": {"sort": ["SEX"], "variables": ["SEX", "AGE", "RFSTDTC", "RFENDTC", "STUDYID"]}},
}  # fmt: skip
DATASET = {
    "datasetJSONCreationDateTime": "2019-06-30T00:00:00", "datasetJSONVersion": "1.1.0", "records": 2,
    "name": "AE", "label": "AE",
    "columns": [{"name": "AETERM", "label": "a", "dataType": "string"}, {"name": "AESEQ", "label": "b", "dataType": "double"}],
    "rows": [["a", 1.5], [None, 2]],
}  # fmt: skip
REPORTING = {
    "analysisSets": [{"id": "S", "name": "SAFETY"}],
    "dataSubsets": [{"id": "D", "condition": {"value": ["PSA"]}}],
    "analysisGroupings": [{"id": "G", "name": "level", "groups": [{"id": "g", "name": "any"}]}],
    "methods": [{"id": "M", "name": "m", "operations": [{"id": "o", "name": "n"}]}],
    "analyses": [
        {
            "name": "ae", "analysisSetId": "S", "dataSubsetId": "D",
            "documentRefs": [{"pageRefs": [{"pageNames": ["SAP 1"]}]}],
            "results": [
                {"operationId": "o", "rawValue": "1", "formattedValue": "", "resultGroups": [{"groupingId": "G", "groupId": "g"}]}
            ],
        }
    ],
}  # fmt: skip
FACTS = {
    "study": "T", "cut_off": "2019-06-30", "cut_id": "c", "registry": "", "about": "", "title": "",
    "short_title": "", "sponsor": "", "title_page": [{"name": "a", "value": "b"}], "kind": "csr",
    "audience": "closed", "status": "FINAL", "report_status": "", "dates": "calendar",
    "cut_off_name": "final", "planned": False, "synthetic": False, "plan_file": "p", "plan_sha256": "0",
    "profile": "final",
}  # fmt: skip


def mapped(path: Path) -> Any:
    return sdtm_map.mapped([sdtm.Source("lbc.csv", "lbc", DATA)], sdtm_map.read_map(path))


DOORS = {
    "deviations": Door(lambda path: read_deviations(path, PLAN), "deviations.yml", [DEVIATION]),
    "DSMB meetings": Door(lambda path: read_dsmb(path, "T"), "dsmb.yml", MEETINGS),
    "accepted findings": Door(lambda path: accepted.read(path, CONTRACTS), "accepted.yml", [ACCEPTED]),
    "map": Door(mapped, "map.yml", MAP),
    "references": Door(read_references, "references.yml", REFERENCES),
    "displays": Door(register.read, "displays.yml", DISPLAYS),
    "mapping of CABA-V7": Door(caba_v7.read_mapping, "caba_v7.yml", MAPPING),
    "Dataset-JSON": Door(dataset_json.read, "ae.json", DATASET),
    "ARS": Door(lambda path: ars.read_reporting_event(path.read_bytes()), "ars.json", REPORTING),
    "facts of a run": Door(lambda path: runlog.run_facts(path.parents[1]), "tables/run.json", FACTS),
}  # fmt: skip


class Plain(yaml.SafeDumper):
    """Without aliases, which our readers refuse."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def put(door: Door, folder: Path, content: Any) -> Path:
    path = folder / door.name
    path.parent.mkdir(exist_ok=True)
    as_yaml = door.name.endswith(".yml")
    path.write_text(
        yaml.dump(content, Dumper=Plain, sort_keys=False) if as_yaml else json.dumps(content)
    )
    return path


@pytest.mark.parametrize("name", DOORS)
def test_a_value_of_another_kind_anywhere_is_read_or_refused_with_words(tmp_path, altered, name):
    """More than half of the changes are refused: a door that reads everything would pass for none."""
    door = DOORS[name]
    door.read(put(door, tmp_path, door.valid))
    escaped, n_read, n_refused = [], 0, 0
    for at, value, tree in altered(door.valid):
        path = put(door, tmp_path, tree)
        try:
            door.read(path)
            n_read += 1
        except SapError:
            n_refused += 1
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            escaped.append((at, value, repr(error)))
    assert escaped == []
    assert n_refused > n_read


def test_a_fact_of_a_run_has_its_type_and_an_unknown_one_is_named(tmp_path, altered):
    """Texts may be other texts, yes and no the other; null only where a plan may have none."""
    door, read = DOORS["facts of a run"], []
    for at, value, tree in altered(FACTS):
        try:
            door.read(put(door, tmp_path, tree))
        except UsageError:
            continue
        read.append((at[0], value))
    assert {name for name, value in read if value is None} == {"report_status", "cut_off_name"}
    assert {name for name, value in read if value is True} == {"planned", "synthetic"}
    assert {name for name, value in read if value == []} == {"title_page"}
    assert {repr(value) for _, value in read} == {"None", "True", "[]", "'x'"}
    path = put(door, tmp_path, FACTS | {"more": 1, "cut_off": "2019-02-30"})
    with pytest.raises(UsageError, match=r"run\.json is no table of a run") as error:
        door.read(path)
    assert "  - more: unknown key: remove it" in str(error.value)
    assert "  - cut_off: day is out of range for month" in str(error.value)
