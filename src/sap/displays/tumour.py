"""Tumour response: best overall response, and where the rules and the investigator disagree."""

from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, results
from sap.displays.response import ci_header, rate_cells
from sap.displays.table import Column, Content, Row, Table, n_pct

ANSWERS = ("CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE")
VIEWS = {"BOR": "Unconfirmed", "BORC": "Confirmed", "BORINV": "Investigator"}
SETS = {"PRIMARY": "Primary", "RESCREENED": "Re-screened, treated"}


def best() -> Table:
    """Best overall response by the plan's rules, with and without confirmation, and as reported."""
    found = results("bor")
    heads, places = [], []
    for population, words in SETS.items():
        for paramcd, view in VIEWS.items():
            place = ArdKey(population=population, paramcd=paramcd)
            levels = found.values("level", **place) if len(found) else []
            if not levels or not found.find("N", **ArdKey(**{**place, "level": levels[0]})).value:
                continue
            heads.append(
                Column(
                    view, found.count("N", **ArdKey(**{**place, "level": levels[0]})), under=words
                )
            )
            places.append(place)
    rows = []
    for answer in ANSWERS:
        cells: list[Content] = []
        for place in places:
            here = ArdKey(**{**place, "level": answer})
            there = found.has("n", **here)
            cells.append(
                n_pct(found.count(**here), found.percent(**here))
                if there
                else formats.NOT_CALCULATED
            )
        rows.append(Row(answer, cells))
    absent = "Not in the data: no assessment of tumours."
    return Table("tlf-bor", "Best overall response", heads, rows if places else [], absent=absent)


OBJECTIVE = {
    "objective_response": "confirmed",
    "objective_response_unconfirmed": "unconfirmed",
}


def _objective() -> tuple[list[Row], str]:
    """Objective response of patients with measurable disease, then of the whole primary set."""
    rows, header = [], "CI (%)"
    for population, words in (("MEASURABLE", "Measurable disease"), ("PRIMARY", "Primary")):
        for analysis, how in OBJECTIVE.items():
            found, place = results(analysis), ArdKey(population=population)
            if not found.has("N", **place) or not found.find("N", **place).value:
                continue
            header = ci_header(found, **place)
            rows.append(Row(f"{words}, {how}: objective response", rate_cells(found, **place)))
    return rows, header


def rates() -> Table:
    """Response rate and disease control by the plan's rules, with exact intervals."""
    found = results("tumour_response")
    rows, header = _objective()
    for population, words in SETS.items():
        for paramcd, view in VIEWS.items():
            for level in ("CR or PR", "At least SD"):
                place = ArdKey(population=population, paramcd=paramcd, level=level)
                if not found.has("N", **place) or not found.find("N", **place).value:
                    continue
                header = ci_header(found, **place)
                label = f"{words}, {view.lower()}: {level}"
                rows.append(Row(label, rate_cells(found, **place)))
    for population, words in SETS.items():
        place = ArdKey(population=population, paramcd="TARGLIM")
        if rows and found.has("N", **place) and found.find("N", **place).value:
            cells = (found.count(**place), found.count("N", **place), "")
            rows.append(Row(f"{words}: more targets than the criteria allow", cells))
    columns = [Column("n (%)"), Column("N"), Column(header)]
    absent = "Not in the data: no assessment of tumours."
    return Table("tlf-tumour-response", "Response", columns, rows, absent=absent)


def agreement() -> Table:
    """Time-point answers: how often rules and investigator agree, and why they do not."""
    found = results("tumour_agreement")
    rows: list[Row] = []
    if found.has("N", paramcd="AGREE") and found.find("N", paramcd="AGREE").value:
        place = ArdKey(paramcd="AGREE")
        rows.append(Row("Agree", (found.count(**place), found.count("N", **place))))
        rows.append(Row("Reasons for disagreement", kind="group"))
        for level in found.values("level", paramcd="REASON"):
            here = ArdKey(paramcd="REASON", level=level)
            rows.append(Row(level, (found.count(**here), found.count("N", **here)), "indent1"))
        sums = ArdKey(paramcd="SUMDIAM")
        if found.has("N", **sums) and found.find("N", **sums).value:
            cells = (found.count(**sums), found.count("N", **sums))
            rows.append(Row("Recorded sum of diameters differs", cells))
    columns = [Column("Time points"), Column("of")]
    absent = "Not in the data: lesions and an investigator's answer at one time point."
    return Table("tlf-tumour-agreement", "Answer", columns, rows, absent=absent)
