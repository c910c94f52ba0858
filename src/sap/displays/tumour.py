"""Tumour response: best overall response, its rates, and the concordance of algorithm and investigator."""

from typing import NamedTuple

from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.populations import short
from sap.displays.rates import ci_header, rate_cells
from sap.displays.table import Column, Content, Row, Table, n_pct

SETS = ("PRIMARY", "RESCREENED")
NO_ASSESSMENT = "Not in the data: no tumour assessment."


def _has_patients(rows: Results, place: ArdKey) -> bool:
    """Whether the ARD has the place, with a denominator that is not 0."""
    return rows.has("N", **place) and bool(rows.find("N", **place).value)


def best() -> Table:
    """Best overall response by the criteria of the plan, confirmed and not, and by the investigator."""
    responses = results("bor")
    categories = responses.values("level")
    heads, places = [], []
    for population in SETS:
        for paramcd in responses.values("paramcd"):
            place = ArdKey(population=population, paramcd=paramcd)
            first = ArdKey(population=population, paramcd=paramcd, level=categories[0])
            if _has_patients(responses, first):
                label = responses.label("paramcd", paramcd)
                n = responses.count("N", **first)
                heads.append(Column(label, n, under=short(population)))
                places.append(place)
    rows = []
    for category in categories if places else []:
        cells: list[Content] = []
        for place in places:
            here = ArdKey(**{**place, "level": category})
            known = responses.has("n", **here)
            cells.append(
                n_pct(responses.count(**here), responses.percent(**here))
                if known
                else formats.NOT_CALCULATED
            )
        rows.append(Row(responses.label("level", category), cells))
    return Table("tlf-bor", "Best overall response", heads, rows, absent=NO_ASSESSMENT)


OBJECTIVE = {"BORC": "objective_response", "BOR": "objective_response_unconfirmed"}


class _Line(NamedTuple):
    """A rate of the table: the analysis that has it, its place there, its label."""

    rates: Results
    place: ArdKey
    label: str


def _lines(population: str, level: str) -> list[_Line]:
    """Confirmed, unconfirmed and investigator's rates of one set; objective response has keys of its own."""
    lines = []
    other = results("tumour_response")
    for paramcd in ("BORC", "BOR", "BORINV"):
        place = ArdKey(population=population, paramcd=paramcd, level=level)
        rates = other
        if level == "objective_response" and paramcd in OBJECTIVE and population != "RESCREENED":
            rates, place = results(OBJECTIVE[paramcd]), ArdKey(population=population)
        if _has_patients(rates, place):
            lines.append(_Line(rates, place, other.label("paramcd", paramcd)))
    return lines


def rates() -> Table:
    """Objective response and disease control by the criteria of the plan, with exact intervals."""
    responses = results("tumour_response")
    rows: list[Row] = []
    header = "CI (%)"
    for population in ("MEASURABLE", *SETS):
        for level in ("objective_response", "disease_control"):
            lines = _lines(population, level)
            if not lines:
                continue
            label = f"{responses.label('level', level)} ({short(population).lower()})"
            rows.append(Row(label, kind="group"))
            rows += [
                Row(line.label, rate_cells(line.rates, **line.place), "indent1") for line in lines
            ]
            header = ci_header(lines[0].rates, **lines[0].place)
    for population in SETS:
        place = ArdKey(population=population, paramcd="TARGLIM")
        if rows and _has_patients(responses, place):
            label = responses.label("level", "targets_over_limit")
            cells = (responses.count(**place), responses.count("N", **place), "")
            rows.append(Row(f"{label} ({short(population).lower()})", cells))
    columns = [Column("n (%)"), Column("N"), Column(header)]
    return Table("tlf-tumour-response", "Response", columns, rows, absent=NO_ASSESSMENT)


def agreement() -> Table:
    """Time points: how often algorithm and investigator agree, and the reasons where they do not."""
    points = results("tumour_agreement")
    rows: list[Row] = []

    def cells(place: ArdKey) -> tuple[Content, Content]:
        return points.count(**place), points.count("N", **place)

    if _has_patients(points, ArdKey(paramcd="AGREE")):
        rows.append(Row(points.label("paramcd", "AGREE"), cells(ArdKey(paramcd="AGREE"))))
        rows.append(Row(points.label("paramcd", "REASON"), kind="group"))
        for level in points.values("level", paramcd="REASON"):
            label = points.label("level", level)
            rows.append(Row(label, cells(ArdKey(paramcd="REASON", level=level)), "indent1"))
        if _has_patients(points, ArdKey(paramcd="SUMDIAM")):
            rows.append(Row(points.label("paramcd", "SUMDIAM"), cells(ArdKey(paramcd="SUMDIAM"))))
    columns = [Column("Time points"), Column("N")]
    absent = "Not in the data: no time point with lesions and a response of the investigator."
    return Table("tlf-tumour-agreement", "Overall response", columns, rows, absent=absent)
