"""The estimands of the plan, and the assumption that each sensitivity analysis varies."""

from sap import ard
from sap.catalogue.reporting import analysis, filled
from sap.displays import plan_text, protocol
from sap.displays.absence import not_there
from sap.displays.ard_lookup import Number, results
from sap.displays.inline import DATA_GAPS
from sap.displays.register import printed, register
from sap.displays.table import Cell, Column, Row, Table
from sap.plan.estimands import Defined

ABSENT = "The plan states no estimand."
ATTRIBUTES = {
    "population": "Population",
    "treatment": "Treatment",
    "variable": "Variable",
}
AFTER = {
    "summary": "Population-level summary",
    "missing_data": "Missing data (no intercurrent event)",
}
EVENTS = (
    "dose change",
    "treatment stopped",
    "new anticancer therapy",
    "progression",
    "other treatment",
    "re-screening",
    "death",
)


def _defined() -> list[Defined]:
    estimands = ard.plan().estimands
    return [] if estimands is None else list(estimands.defined)


def attributes() -> Table:
    """Table 9-2: the five attributes of each estimand, each intercurrent event with its strategy."""
    estimands = _defined()
    columns = [Column(one.name, numeric=False) for one in estimands]

    def line(attribute: str, label: str) -> Row:
        cells = [
            Cell(*plan_text.phrase(f"estimands.defined.{i}.{attribute}").parts)
            for i in range(len(estimands))
        ]
        return Row(label, cells)

    rows = [line(attribute, label) for attribute, label in ATTRIBUTES.items()]
    rows.append(Row("Intercurrent events", kind="group"))
    for event in EVENTS:
        cells = [_handled(i, one, event) for i, one in enumerate(estimands)]
        if any(cell.text for cell in cells):
            rows.append(Row(event.capitalize(), cells, "indent1"))
    rows += [line(attribute, label) for attribute, label in AFTER.items()]
    lacking = [protocol.not_estimated(one.analysis) for one in estimands]
    if any(lacking):
        words = f"No estimate: {not_there()} ({register()[DATA_GAPS].label})"
        rows.append(Row("Estimate", [words if one else "Reported" for one in lacking]))
    return Table("tlf-estimands", "Attribute", columns, rows if estimands else [], absent=ABSENT)


def _handled(place: int, estimand: Defined, event: str) -> Cell:
    """The event as the plan names it, its strategy, and what the analysis does; empty without it."""
    for i, one in enumerate(estimand.intercurrent_events):
        if one.event == event:
            path = f"estimands.defined.{place}.intercurrent_events.{i}"
            strategy = Number(one.strategy, f"plan|{path}.strategy")
            words, handling = (plan_text.phrase(f"{path}.{key}") for key in ("text", "handling"))
            return Cell(*words.parts, ": ", strategy, ". ", *handling.parts)
    return Cell("")


def assumptions() -> Table:
    """Table 9-3: each sensitivity analysis of the run with the assumption that it varies and its display."""
    rows: list[Row] = []
    for i, estimand in enumerate(_defined()):
        lines = []
        for j, one in enumerate(estimand.sensitivity):
            rows_of = results(one.analysis)
            if not len(rows_of) or (one.level and one.level not in rows_of.values("level")):
                continue
            label = rows_of.label("level", one.level) if one.level else _name(one.analysis)
            varied = plan_text.phrase(f"estimands.defined.{i}.sensitivity.{j}.varies")
            lines.append(Row(label, (Cell(*varied.parts), _shown(one.analysis)), "indent1"))
        rows += [Row(estimand.name, kind="group"), *lines] if lines else []
    columns = [Column("Assumption varied", numeric=False), Column("Display", numeric=False)]
    return Table("tlf-assumptions", "Sensitivity analysis", columns, rows, absent=ABSENT)


def _name(name: str) -> str:
    """The label of the parameter of an analysis, else of the analysis."""
    rows = results(name)
    parameters = rows.values("paramcd")
    if len(parameters) == 1 and parameters[0] and name.startswith("psa_response"):
        return rows.label("paramcd", parameters[0])
    return filled(analysis(name).label, ard.plan())


def _shown(name: str) -> str:
    displays = [display for display in analysis(name).displays if printed(display)]
    return ", ".join(register()[display].label for display in displays)
