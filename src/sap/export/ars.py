"""The results as a reporting event of CDISC's Analysis Results Standard (ARS) 1.0, and back.

How the columns of the ARD are found in ARS:

| ARD | ARS |
|---|---|
| analysis | `name` of an analysis; one analysis of ARS has one population, parameter and method |
| section | the page named by its reference to the SAP |
| population | `name` of its analysis set |
| paramcd | the value of its data subset (PARAMCD of a dataset), else a group of its results |
| group, level, sublevel | groups of its results |
| stat_name, method | `name` of the operation, and of the method it belongs to |
| stat | `rawValue`, with every digit |
| stat_text | `formattedValue`: a decision, or why there is no number |
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from sap import __version__
from sap.ard import COLUMNS, KEY
from sap.catalogue.adam import param
from sap.catalogue.populations import populations
from sap.catalogue.reporting import AXES, Analysis, Axis, analysis, statistics
from sap.errors import UsageError
from sap.plan.model import Plan

SAP_ID = "SAP"
NOT_AN_OUTCOME = "TE.PURPOSE.DESCRIPTION"
OUTCOME = {
    "primary": "PRIMARY OUTCOME MEASURE",
    "secondary": "SECONDARY OUTCOME MEASURE",
    "exploratory": "EXPLORATORY OUTCOME MEASURE",
}
HTML = "TE.FILE.HTML"
NO_OUTCOME_STEMS = ("accrual", "dsmb", "vitals")
NO_OUTCOME = ("flow", "allocation_time", "study_dates")


class Facts(NamedTuple):
    """The inputs of the reporting event.

    Attributes
    ----------
    rows
        The ARD.
    run, plan
        The facts of the run (`tables/run.json`) and its plan.
    displays
        `analysis/displays.yml` by id.
    codes
        By dataset (upper case) the PARAMCD that it holds, each with the variable that has its values.
    programs
        By key of an analysis in the catalogue its function and the datasets that it reads.
    """

    rows: pd.DataFrame
    run: Mapping[str, Any]
    plan: Plan
    displays: Mapping[str, Any]
    codes: Mapping[str, Mapping[str, str]]
    programs: Mapping[str, tuple[str, tuple[str, ...]]]


class _Subset(NamedTuple):
    """The records of one parameter of a dataset."""

    dataset: str
    paramcd: str

    @property
    def id(self) -> str:
        return f"DS.{self.dataset}.{self.paramcd}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "NONE"


def _ids(prefix: str, texts: Iterable[str]) -> dict[str, str]:
    """An id for each text, made of its letters and digits; of equal ones the later are numbered."""
    made: dict[str, str] = {}
    taken: set[str] = set()
    for text in texts:
        first = f"{prefix}.{_slug(text)}"
        name, number = first, 1
        while name in taken:
            number += 1
            name = f"{first}_{number}"
        taken.add(name)
        made[text] = name
    return made


def reporting_event(facts: Facts) -> bytes:
    """The ARD with what it says of itself, as ARS 1.0 in JSON; same results, same bytes.

    Raises
    ------
    ResultError
        The catalogue does not describe a row.
    """
    event = _Event(facts)
    document = {
        "@type": "ReportingEvent",
        "id": f"RE.{_slug(str(facts.run['study']))}",
        "name": f"{facts.run['study']}, data cut-off {facts.run['cut_off']}",
        "description": str(facts.run.get("title", "")),
        "version": 1,
        "mainListOfContents": event.contents(),
        "otherListsOfContents": [event.list_of_outputs()],
        "referenceDocuments": _documents(facts),
        "terminologyExtensions": _terms(),
        "analysisOutputCategorizations": [_audiences()],
        "analysisSets": event.sets(),
        "dataSubsets": event.subsets(),
        "analysisGroupings": event.groupings(),
        "methods": event.methods(),
        "analyses": event.analyses,
        "outputs": event.outputs(),
    }
    return _written(document)


def _written(document: Mapping[str, Any]) -> bytes:
    """JSON with one entry of a list a line, and one result a line."""
    parts = []
    for name, value in document.items():
        if isinstance(value, list):
            text = "[\n" + ",\n".join(_lines(one) for one in value) + "\n]"
        else:
            text = _packed(value)
        parts.append(f"{_packed(name)}:{text}")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode("utf-8")


def _lines(entry: Mapping[str, Any]) -> str:
    if "results" not in entry:
        return _packed(entry)
    head = _packed({k: v for k, v in entry.items() if k != "results"}).removesuffix("}")
    return f'{head},"results":[\n ' + ",\n ".join(map(_packed, entry["results"])) + "\n]}"


def _packed(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _documents(facts: Facts) -> list[dict[str, str]]:
    return [
        {
            "id": SAP_ID,
            "name": "Statistical analysis plan",
            "description": f"{facts.run['plan_file']}, SHA-256 {facts.run['plan_sha256']}",
            "location": str(facts.run["plan_file"]),
        }
    ]


def _terms() -> list[dict[str, Any]]:
    purpose = {
        "id": NOT_AN_OUTCOME,
        "submissionValue": "DESCRIPTION",
        "description": "No outcome measure of the protocol: conduct, population, data or design",
    }
    return [
        {"id": "TE.PURPOSE", "enumeration": "AnalysisPurposeEnum", "sponsorTerms": [purpose]},
        {
            "id": "TE.FILE",
            "enumeration": "OutputFileTypeEnum",
            "sponsorTerms": [{"id": HTML, "submissionValue": "html"}],
        },
    ]


def _audiences() -> dict[str, Any]:
    return {
        "id": "CAT.AUDIENCE",
        "label": "Audience",
        "categories": [
            {"id": "CAT.AUDIENCE.open", "label": "Open session of the monitoring board"},
            {"id": "CAT.AUDIENCE.closed", "label": "Closed session, and the study report"},
        ],
    }


class _Event:
    """The parts of one reporting event, each in a fixed order."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.rows = facts.rows[list(COLUMNS)].sort_values(list(KEY), kind="stable")
        self.subset_by_code = self._subset_by_code()
        methods = sorted(self.rows["method"].unique())
        self.method_ids = _ids("MT", methods)
        self.shown = self._shown()
        self.group_ids = self._group_ids()
        self.analyses = self._analyses()

    def _subset_by_code(self) -> dict[tuple[str, str], _Subset]:
        """By analysis and PARAMCD the records of a dataset; none where the code is no PARAMCD of one."""
        known = {}
        pairs = self.rows[["analysis", "paramcd"]].drop_duplicates()
        for name, code in pairs.itertuples(index=False, name=None):
            _, reads = self.facts.programs.get(analysis(name).id, ("", ()))
            holding = [d.upper() for d in reads if code in self.facts.codes.get(d.upper(), ())]
            if holding:
                known[name, code] = _Subset(holding[0], code)
        return known

    def _shown(self) -> dict[str, list[str]]:
        """By display, in the order of the list of displays, the analyses of the ARD that it shows."""
        present: dict[str, None] = dict.fromkeys(self.rows["analysis"])
        shown: dict[str, list[str]] = {}
        for display, entry in self.facts.displays.items():
            if isinstance(entry, Mapping) and "number" in entry:
                names = [name for name in present if display in analysis(name).displays]
                if names:
                    shown[display] = names
        return shown

    def _group_ids(self) -> dict[tuple[str, Axis], dict[str, str]]:
        """By analysis and column, the ids of the values that its results have."""
        ids: dict[tuple[str, Axis], dict[str, str]] = {}
        for axis in AXES:
            values: dict[str, list[str]] = {}
            pairs = self.rows[["analysis", "paramcd", axis]].drop_duplicates()
            for name, code, value in pairs.to_numpy().tolist():
                if value and not (axis == "paramcd" and (name, code) in self.subset_by_code):
                    values.setdefault(name, []).append(value)
            for name, texts in values.items():
                ids[name, axis] = _ids(f"AG.{name}.{axis}", analysis(name).in_order(axis, texts))
        return dict(sorted(ids.items()))

    def _analyses(self) -> list[dict[str, Any]]:
        """One analysis for each analysis, set, section, parameter and method of the ARD."""
        parts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in self.rows.to_dict("records"):
            subset = self.subset_by_code.get((row["analysis"], row["paramcd"]))
            code = subset.paramcd if subset else ""
            key = (row["analysis"], row["population"], row["section"], code, row["method"])
            parts.setdefault(key, []).append({str(k): v for k, v in row.items()})
        taken: dict[str, int] = {}
        made = []
        for (name, population, section, code, method), rows in sorted(parts.items()):
            first = ".".join(("AN", name, population, *([code] if code else [])))
            taken[first] = number = taken.get(first, 0) + 1
            identity = first if number == 1 else f"{first}.{number}"
            made.append(self._analysis(identity, name, population, section, code, method, rows))
        return made

    def _analysis(
        self,
        identity: str,
        name: str,
        population: str,
        section: str,
        code: str,
        method: str,
        rows: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        entry = analysis(name)
        program, reads = self.facts.programs.get(entry.id, ("", ()))
        subset = self.subset_by_code.get((name, code))
        dataset = subset.dataset if subset else (reads[-1].upper() if reads else "")
        used: list[Axis] = [
            axis
            for axis in AXES
            if any(row[axis] for row in rows) and not (axis == "paramcd" and subset)
        ]
        code_of = {"context": f"Python, sap {__version__}", "code": program}
        made: dict[str, Any] = {
            "id": identity,
            "name": name,
            "label": entry.label,
            "description": self._description(entry, population, subset, method),
            "version": 1,
            "reason": {"controlledTerm": "SPECIFIED IN SAP"},
            "purpose": self._purpose(entry, name, population, method),
            "documentRefs": [_reference(section)],
            "analysisSetId": f"AS.{population}",
            "methodId": self.method_ids[method],
            **({"dataset": dataset} if dataset else {}),
            **({"variable": self._variable(subset)} if subset else {}),
            **({"dataSubsetId": subset.id} if subset else {}),
            **({"programmingCode": code_of} if program else {}),
            "categoryIds": [f"CAT.AUDIENCE.{entry.audience}"],
            "orderedGroupings": [
                {"order": order, "groupingId": f"AG.{name}.{axis}", "resultsByGroup": True}
                for order, axis in enumerate(used, start=1)
            ],
            "results": [self._result(row, used) for row in rows],
        }
        return made

    def _variable(self, subset: _Subset) -> str:
        return self.facts.codes[subset.dataset][subset.paramcd]

    def _description(
        self, entry: Analysis, population: str, subset: _Subset | None, method: str
    ) -> str:
        about = f": {self._param(subset)}" if subset else ""
        return f"{entry.label}{about}; {populations()[population].label}; {method}"

    def _param(self, subset: _Subset) -> str:
        return param(subset.dataset, subset.paramcd, self.facts.plan)

    def _purpose(self, entry: Analysis, name: str, population: str, method: str) -> dict[str, str]:
        """The first case that applies.

        1. Exploratory: the method says so.
        2. No outcome measure: it is about the conduct of the trial, or vital signs.
        3. No outcome measure: the protocol has no endpoint by this entry of the plan.
        4. Primary: the analysis that has the name of the primary endpoint's entry, in PRIMARY.
        5. Secondary: any other analysis by the entry of the primary endpoint.
        6. The rank of the endpoint by this entry.
        """
        protocol = self.facts.plan.protocol
        endpoints = (protocol.endpoints if protocol else None) or ()
        ranks = [str(one.rank) for one in endpoints if one.entry == entry.plan]
        if "exploratory" in method:
            return {"controlledTerm": OUTCOME["exploratory"]}
        if entry.stem in NO_OUTCOME_STEMS or name in NO_OUTCOME or not ranks:
            return {"controlledTerm": "DESCRIPTION", "sponsorTermId": NOT_AN_OUTCOME}
        if "primary" in ranks:
            is_primary = name == entry.plan and population == "PRIMARY"
            return {"controlledTerm": OUTCOME["primary" if is_primary else "secondary"]}
        return {"controlledTerm": OUTCOME[ranks[0]]}

    def _result(self, row: Mapping[str, Any], used: Sequence[Axis]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "operationId": f"{self.method_ids[row['method']]}.{row['stat_name']}",
            "resultGroups": [
                {
                    "groupingId": f"AG.{row['analysis']}.{axis}",
                    "groupId": self.group_ids[row["analysis"], axis][row[axis]],
                }
                for axis in used
                if row[axis]
            ],
        }
        if not math.isnan(row["stat"]):
            made["rawValue"] = repr(float(row["stat"]))
        if row["stat_text"]:
            made["formattedValue"] = row["stat_text"]
        return made

    def sets(self) -> list[dict[str, Any]]:
        """The analysis sets of the results, with the flag of ADSL that defines each."""
        made = []
        present = set(self.rows["population"])
        for order, (name, known) in enumerate(populations().items(), start=1):
            if name not in present:
                continue
            one: dict[str, Any] = {
                "id": f"AS.{name}",
                "name": name,
                "label": known.label,
                "description": known.text(self.facts.plan),
                "level": 1,
                "order": order,
            }
            if known.flag:
                one["condition"] = _condition("ADSL", known.flag, "Y")
            made.append(one)
        return made

    def subsets(self) -> list[dict[str, Any]]:
        """The parameters that the results are about."""
        present = sorted(set(self.subset_by_code.values()))
        return [
            {
                "id": one.id,
                "name": f"{one.dataset}.PARAMCD = {one.paramcd}",
                "label": self._param(one),
                "level": 1,
                "order": order,
                "condition": _condition(one.dataset, "PARAMCD", one.paramcd),
            }
            for order, one in enumerate(present, start=1)
        ]

    def groupings(self) -> list[dict[str, Any]]:
        """By analysis and column its values in the order in which they are printed, with labels."""
        made = []
        for (name, axis), ids in self.group_ids.items():
            entry = analysis(name)
            dataset, _, variable = entry.variables.get(axis, "").partition(".")
            groups = [
                {
                    "id": ids[value],
                    "name": value,
                    "label": entry.text(axis, value, self.facts.plan),
                    "level": 1,
                    "order": order,
                    **({"condition": _condition(dataset, variable, value)} if variable else {}),
                }
                for order, value in enumerate(ids, start=1)
            ]
            made.append(
                {
                    "id": f"AG.{name}.{axis}",
                    "name": axis,
                    "label": f"{entry.label}: {axis}",
                    "dataDriven": False,
                    **(
                        {"groupingDataset": dataset, "groupingVariable": variable}
                        if variable
                        else {}
                    ),
                    "groups": groups,
                }
            )
        return made

    def methods(self) -> list[dict[str, Any]]:
        """The statistical methods, each with the statistics that it gives as operations."""
        known = list(statistics())
        made = []
        for method, method_id in self.method_ids.items():
            names = set(self.rows.loc[self.rows["method"] == method, "stat_name"])
            operations = [
                {
                    "id": f"{method_id}.{name}",
                    "name": name,
                    "label": statistics()[name]["label"],
                    "description": statistics()[name]["definition"],
                    "order": order,
                }
                for order, name in enumerate(sorted(names, key=known.index), start=1)
            ]
            made.append({"id": method_id, "name": method, "operations": operations})
        return made

    def outputs(self) -> list[dict[str, Any]]:
        """The displays that show results, with title and footnotes."""
        made = []
        for display in self.shown:
            entry = self.facts.displays[display]
            title = self._title(entry)
            sections = [_section("Title", display, [title])]
            if notes := [str(note) for note in entry.get("footnotes") or ()]:
                sections.append(_section("Footnote", display, notes))
            made.append(
                {
                    "id": display,
                    "name": title,
                    "version": 1,
                    "documentRefs": [_reference(str(entry["section"]))],
                    "fileSpecifications": [
                        {
                            "name": f"csr.html#{display}",
                            "fileType": {"controlledTerm": "html", "sponsorTermId": HTML},
                        }
                    ],
                    "categoryIds": [f"CAT.AUDIENCE.{entry['audience']}"],
                    "displays": [
                        {
                            "order": 1,
                            "display": {
                                "id": f"D.{display}",
                                "name": _number(entry),
                                "version": 1,
                                "displayTitle": title,
                                "displaySections": sections,
                            },
                        }
                    ],
                }
            )
        return made

    def _title(self, entry: Mapping[str, Any]) -> str:
        groups = self.facts.plan.study.groups
        own = entry.get("title_of_groups") if groups else None
        return f"{_number(entry)}. {own or entry['title']}"

    def contents(self) -> dict[str, Any]:
        """The list of analyses by display; those that no display shows stand at its end."""
        by_name: dict[str, list[dict[str, Any]]] = {}
        for one in self.analyses:
            by_name.setdefault(one["name"], []).append(one)
        items = []
        for display, names in self.shown.items():
            inner = _items([one for name in names for one in by_name[name]])
            title = self._title(self.facts.displays[display])
            items.append({"name": title, "outputId": display, "sublist": {"listItems": inner}})
        shown = {name for names in self.shown.values() for name in names}
        rest = [one for name, ones in by_name.items() if name not in shown for one in ones]
        if rest:
            items.append({"name": "In no display", "sublist": {"listItems": _items(rest)}})
        numbered = [
            {"name": item["name"], "level": 1, "order": order, **item}
            for order, item in enumerate(items, start=1)
        ]
        return {
            "name": "Analyses by display",
            "label": "List of planned analyses",
            "contentsList": {"listItems": numbered},
        }

    def list_of_outputs(self) -> dict[str, Any]:
        """The list of displays."""
        items = [
            {
                "name": self._title(self.facts.displays[display]),
                "level": 1,
                "order": order,
                "outputId": display,
            }
            for order, display in enumerate(self.shown, start=1)
        ]
        return {
            "name": "Displays",
            "label": "List of planned outputs",
            "contentsList": {"listItems": items},
        }


def _items(analyses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": one["description"], "level": 2, "order": order, "analysisId": one["id"]}
        for order, one in enumerate(analyses, start=1)
    ]


def _number(entry: Mapping[str, Any]) -> str:
    return f"{str(entry['kind']).capitalize()} {entry['number']}"


def _condition(dataset: str, variable: str, value: str) -> dict[str, Any]:
    return {"dataset": dataset, "variable": variable, "comparator": "EQ", "value": [value]}


def _reference(section: str) -> dict[str, Any]:
    page = {"refType": "NamedDestination", "pageNames": [section]}
    return {"referenceDocumentId": SAP_ID, "pageRefs": [page]}


def _section(kind: str, display: str, texts: Sequence[str]) -> dict[str, Any]:
    return {
        "sectionType": kind,
        "orderedSubSections": [
            {
                "order": order,
                "subSection": {"id": f"D.{display}.{kind}.{order}", "text": text},
            }
            for order, text in enumerate(texts, start=1)
        ],
    }


def read_reporting_event(content: bytes) -> pd.DataFrame:
    """The ARD that `reporting_event` wrote: every row and column, each number with every digit.

    Raises
    ------
    UsageError
        It is not JSON, or lacks a part that a result refers to.
    """
    try:
        rows = [_checked(row) for row in _rows_of(json.loads(content))]
    except (
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        ValueError,
        RecursionError,
    ) as error:
        raise UsageError(
            f"this is no reporting event as `sap export` writes it: {type(error).__name__}. "
            "Export the run again."
        ) from None
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"stat": float})
    return frame.sort_values(list(KEY), kind="stable", ignore_index=True)


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """The row, with text in every column but `stat`."""
    if any(not isinstance(row[name], str) for name in COLUMNS if name != "stat"):
        raise TypeError("a text is no text")
    return row


def _rows_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sets = {one["id"]: one["name"] for one in document["analysisSets"]}
    codes = {one["id"]: one["condition"]["value"][0] for one in document["dataSubsets"]}
    axes = {one["id"]: one["name"] for one in document["analysisGroupings"]}
    groups = {
        (one["id"], group["id"]): group["name"]
        for one in document["analysisGroupings"]
        for group in one["groups"]
    }
    operations = {
        operation["id"]: (one["name"], operation["name"])
        for one in document["methods"]
        for operation in one["operations"]
    }
    for one in document["analyses"]:
        shared = {
            "analysis": one["name"],
            "section": one["documentRefs"][0]["pageRefs"][0]["pageNames"][0],
            "population": sets[one["analysisSetId"]],
            "paramcd": codes[one["dataSubsetId"]] if "dataSubsetId" in one else "",
            "group": "",
            "level": "",
            "sublevel": "",
        }
        for result in one["results"]:
            method, statistic = operations[result["operationId"]]
            yield {
                **shared,
                **{
                    axes[of["groupingId"]]: groups[of["groupingId"], of["groupId"]]
                    for of in result["resultGroups"]
                },
                "stat_name": statistic,
                "stat": float(result["rawValue"]) if "rawValue" in result else math.nan,
                "stat_text": result.get("formattedValue", ""),
                "method": method,
            }
