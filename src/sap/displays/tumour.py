"""Tumour response: best overall response, its rates, and the concordance of algorithm and investigator."""

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


def _objective(rows: list[Row]) -> str:
    """Objective response of patients with measurable disease and of the primary set; the header."""
    header = ""
    for population in ("MEASURABLE", "PRIMARY"):
        rows_of_set = []
        for analysis in ("objective_response", "objective_response_unconfirmed"):
            responses, place = results(analysis), ArdKey(population=population)
            if _has_patients(responses, place):
                header = ci_header(responses, **place)
                label = responses.label("paramcd", responses.values("paramcd")[0])
                rows_of_set.append(Row(label, rate_cells(responses, **place), "indent1"))
        if rows_of_set:
            label = f"Objective response, {short(population).lower()}"
            rows += [Row(label, kind="group"), *rows_of_set]
    return header


def rates() -> Table:
    """Objective response and disease control by the criteria of the plan, with exact intervals."""
    responses = results("tumour_response")
    rows: list[Row] = []
    header = _objective(rows)
    for population in SETS:
        for level in responses.values("level"):
            rows_of_level = []
            for paramcd in responses.values("paramcd", population=population, level=level):
                place = ArdKey(population=population, paramcd=paramcd, level=level)
                if not _has_patients(responses, place):
                    continue
                label = responses.label("paramcd", paramcd)
                if not responses.has("conf_low", **place):  # a count, not a rate
                    if rows:
                        cells = (responses.count(**place), responses.count("N", **place), "")
                        rows_of_level.append(Row(label, cells, "indent1"))
                    continue
                header = ci_header(responses, **place)
                rows_of_level.append(Row(label, rate_cells(responses, **place), "indent1"))
            if rows_of_level:
                label = f"{responses.label('level', level)}, {short(population).lower()}"
                rows += [Row(label, kind="group"), *rows_of_level]
    columns = [Column("n (%)"), Column("N"), Column(header or "CI (%)")]
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
