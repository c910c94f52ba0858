"""Overall survival: the table and the curve."""

from sap import ard
from sap.displays import formats
from sap.displays.addressed import Place, results
from sap.displays.response import ci_header
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct, span

SETS = {
    "PRIMARY": "Primary",
    "RESCREENED": "Re-screened",
    "GROUPA": "Group A",
    "SCREENED": "Screened",
}


def overall() -> Table:
    """Table 14.2.3.1: events, median with limits and landmarks by set."""
    found = results("os")
    shown = [p for p in SETS if found.has("N", population=p, level="")]
    whole = [Place(population=p, level="") for p in shown]
    known = [bool(found.find("N", **place).value) for place in whole]
    rows = [
        Row("Deaths", [found.count("n_events", **p) for p in whole]),
        Row("Median (months)", [found.months("median", **p) for p in whole]),
        Row(
            ci_header(found, population=shown[0], level="").replace(" (%)", ""),
            [limits(found.months("conf_low", **p), found.months("conf_high", **p)) for p in whole],
            "indent1",
        ),
    ]

    def landmark(level: str) -> tuple[Row, Row]:
        at: list[Content] = []
        around: list[Content] = []
        for population, there in zip(shown, known, strict=True):
            if not there:
                at.append(formats.NOT_CALCULATED)
                around.append(formats.NOT_CALCULATED)
                continue
            place = Place(population=population, level=level)
            at.append(found.percent("estimate", **place))
            around.append(
                limits(found.percent("conf_low", **place), found.percent("conf_high", **place))
            )
        return Row(f"Alive at {level} (%)", at), Row("CI", around, "indent1")

    landmarks = ard.table("plan")["survival"]["landmarks_months"]
    for months in landmarks:
        rows += landmark(f"{formats.as_collected(months)} months")
    follow: list[Content] = []
    reach: list[Content] = []
    for place, there in zip(whole, known, strict=True):
        follow.append(found.months("follow_up_median", **place) if there else formats.NOT_CALCULATED)
        reach.append(
            span(found.months("min", **place), found.months("max", **place))
            if there
            else formats.NOT_CALCULATED
        )
    rows.append(Row("Median follow-up, reverse Kaplan-Meier (months)", follow))
    rows.append(Row("Shortest, longest time (months)", reach))
    heads = [Column(SETS[p], found.count("N", **place)) for p, place in zip(shown, whole, strict=True)]
    return Table("tlf-os", "Overall survival", heads, rows)


def ctc() -> Table:
    """Table 14.2.2.1: CTC response of the evaluable, and with missing as failure."""
    found = results("ctc_response")
    rows = []
    for population, words in (("CTCEVAL", "CTC-evaluable"), ("PRIMARY", "Primary, missing is failure")):
        place = Place(population=population)
        cells: tuple[Cell | Content, ...] = (
            n_pct(found.count(**place), found.percent(**place)),
            found.count("N", **place),
            limits(found.percent("conf_low", **place), found.percent("conf_high", **place)),
        )
        rows.append(Row(words, cells))
    columns = [Column("n (%)"), Column("N"), Column(ci_header(found, population="PRIMARY"))]
    return Table("tlf-ctc-response", "Analysis set", columns, rows)
