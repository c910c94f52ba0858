"""Circulating tumour cells on treatment: response, depths of fall, and AR-V7 conversion."""

import pandas as pd

from sap import ard
from sap.displays import plan_text
from sap.displays.ard_lookup import results
from sap.displays.figure import Figure
from sap.displays.inline import RichText
from sap.displays.response import ci_header, rate_cells
from sap.displays.table import Column, Row, Table

CYCLE = r"^CYCLE (\d+)$"  # of AVISIT
ANSWERS = {"Y": "CTC response", "N": "No CTC response"}


def response() -> Table:
    """Table 14.2.2.1: CTC response of the evaluable, and with missing as failure."""
    found = results("ctc_response")
    lines = {"CTCEVAL": "CTC-evaluable", "PRIMARY": "Primary, missing is failure"}
    rows = [Row(words, rate_cells(found, population=p)) for p, words in lines.items()]
    columns = [Column("n (%)"), Column("N"), Column(ci_header(found, population="PRIMARY"))]
    return Table("tlf-ctc-response", "Analysis set", columns, rows)


def course() -> Table:
    """Table 14.2.2.2: further CTC endpoints of the primary set, with two denominators."""
    course = results("ctc_course")
    rows: list[Row] = []
    for paramcd in course.values("paramcd", population="PRIMARY"):
        groups = [g for g in course.values("group", population="PRIMARY", paramcd=paramcd) if g]
        if not groups:  # summaries of the count itself
            continue
        rows.append(Row(course.label("paramcd", paramcd), kind="group"))
        for group in groups:
            cells = rate_cells(course, population="PRIMARY", paramcd=paramcd, group=group)
            rows.append(Row(course.label("group", group), cells, "indent1"))
    header = ci_header(course, population="PRIMARY", paramcd="CTC0", group="evaluable")
    columns = [Column("n (%)"), Column("N"), Column(header)]
    return Table("tlf-ctc-course", "Endpoint", columns, rows)


def values() -> Figure:
    """Figure 14.2.2.3: the cells of each evaluable patient, from baseline over the counts that count.

    1. The baseline stands at the first dose, whenever the sample was drawn.
    2. Where every count has a date, time is weeks since the first dose.
    3. Otherwise it is the cycle of the visit, with the baseline at cycle 1.
    4. A count without a date whose visit is no cycle is not drawn; a note says so.
    """
    from sap.displays.plots import course as drawn

    found = results("ctc_response")
    adctc, adsl = ard.dataset("adctc"), ard.dataset("adsl").set_index("USUBJID")
    adrs = ard.dataset("adrs")
    answers = adrs[adrs["PARAMCD"] == "CTCRESP"].set_index("USUBJID")["AVALC"].map(ANSWERS)
    evaluable = adsl.index[adsl["CTCEVFL"] == "Y"]
    counted = adctc[(adctc["ANL01FL"] == "Y") & adctc["USUBJID"].isin(evaluable)]
    if counted.empty:
        why = "Not in the data: no evaluable patient has a count of cells on treatment."
        return Figure("tlf-ctc-values", None, "", absent=why)
    days = (counted["ADT"] - counted["USUBJID"].map(adsl["TRTSDT"])).dt.days
    dated = bool(days.notna().all())
    cycle = counted["AVISIT"].str.extract(CYCLE, expand=False).astype("Float64").astype("float64")
    time, origin = (days / 7, 0.0) if dated else (cycle, 1.0)
    if time.isna().all():
        why = "Not in the data: no count of cells on treatment has a date or a cycle."
        return Figure("tlf-ctc-values", None, "", absent=why)
    later = pd.DataFrame({"subject": counted["USUBJID"], "time": time, "value": counted["AVAL"]})
    first = counted.drop_duplicates("USUBJID")
    start = pd.DataFrame({"subject": first["USUBJID"], "time": origin, "value": first["BASE"]})
    courses = pd.concat([start, later.dropna(subset=["time"])], ignore_index=True)
    plot = drawn(
        courses.assign(category=courses["subject"].map(answers)),
        scale="log1p",
        lines=[ard.table("plan")["ctc"]["response_below"]],
        order=list(ANSWERS.values()),
        x_title="Weeks since the first dose"
        if dated
        else "Cycle before which the cells were counted",
        y_title=f"CTC per {plan_text.counted_in()}",
    )
    n, whole = (found.count(s, population="CTCEVAL") for s in ("n", "N"))
    alt = (
        f"Counts of circulating tumour cells over time, one line for each of {whole.text} evaluable "
        f"patients; {n.text} of them had a CTC response."
    )
    below = plan_text.number("ctc.response_below")
    told = RichText(
        n, " of ", whole, " evaluable patients had a CTC response, a count below ", below, ","
    )
    notes = [RichText(*told.parts, " the dashed line.")]
    if dated:
        notes.append(
            RichText("The count before the first dose stands at week 0, whenever it was drawn.")
        )
    else:
        said = "Not every count has a date: each stands at the cycle of its visit, the first at cycle 1."
        notes.append(RichText(said))
    if time.isna().any():
        notes.append(RichText("Counts with neither a date nor a cycle are not drawn."))
    return Figure("tlf-ctc-values", plot, alt, notes=notes, numbers=(n, whole))
