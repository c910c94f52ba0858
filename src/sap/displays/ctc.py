"""CTC counts on treatment: response, decline, and marker conversion."""

import pandas as pd

from sap import ard
from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.inline import RichText
from sap.displays.marks import TiedNote, Where
from sap.displays.rates import ci_header, rate_cells
from sap.displays.table import Column, Row, Table
from sap.plan.entry import stated

CYCLE = r"^CYCLE (\d+)$"  # of AVISIT
CATEGORIES = {"Y": "CTC response", "N": "No CTC response"}
SETS = {"CTCEVAL": "CTC-evaluable", "PRIMARY": "Primary, missing = non-response"}
GROUPS = ("evaluable", "missing_failure")


def _at_visit(group: str) -> ArdKey:
    return ArdKey(population="PRIMARY", paramcd="CTCRVIS", level="", group=group)


def response() -> Table:
    """`tlf-ctc-response`: CTC response at the visit of the protocol, then at any time on treatment."""
    responses, course = results("ctc_response"), results("ctc_course")
    rows: list[Row] = []
    groups = [g for g in GROUPS if course.has("conf_low", **_at_visit(g))]
    if groups:
        rows.append(Row(_endpoint("CTCRVIS"), kind="group"))
    for group in groups:
        cells = rate_cells(course, **_at_visit(group))
        rows.append(Row(course.label("group", group), cells, "indent1"))
    rows.append(Row("CTC response at any time on treatment", kind="group"))
    rows += [
        Row(label, rate_cells(responses, population=p), "indent1") for p, label in SETS.items()
    ]
    columns = [Column("n (%)"), Column("N"), Column(ci_header(responses, population="PRIMARY"))]
    return Table("tlf-ctc-response", "Analysis set", columns, rows, notes=_cannot_respond())


def _cannot_respond() -> list[TiedNote]:
    """That patients of the primary set with a low count at baseline cannot respond, where there are any."""
    responses, course = results("ctc_response"), results("ctc_course")
    suitable = _at_visit("missing_failure")
    if not course.has("N", **suitable):
        return []
    can, total = course.count("N", **suitable), responses.count("N", population="PRIMARY")
    if can.text == total.text:
        return []
    text = RichText(
        "Of the primary set, ", can, " of ", total, " patients have a baseline count of at least ",
        plan_text.number("ctc.response_below"),
        "; the others cannot respond and are non-responders of the primary set.",
    )  # fmt: skip
    of_primary: Where = {"analysis": ["ctc_response"], "population": ["PRIMARY"]}
    return [TiedNote(text, rows=of_primary)]


def _endpoint(paramcd: str) -> str:
    visit = stated(ard.plan().ctc).visit
    at = coded(visit)[:1].lower() + coded(visit)[1:]
    return results("ctc_course").label("paramcd", paramcd).replace(visit, at)


def course() -> Table:
    """`tlf-ctc-course`: further CTC endpoints of the primary set, with two denominators."""
    course = results("ctc_course")
    rows: list[Row] = []
    for paramcd in course.values("paramcd", population="PRIMARY"):
        groups = [g for g in course.values("group", population="PRIMARY", paramcd=paramcd) if g]
        if not groups:  # summaries of the count itself
            continue
        rows.append(Row(_endpoint(paramcd), kind="group"))
        for group in groups:
            cells = rate_cells(course, population="PRIMARY", paramcd=paramcd, group=group)
            rows.append(Row(course.label("group", group), cells, "indent1"))
    header = ci_header(course, population="PRIMARY", paramcd="CTC0", group="evaluable")
    columns = [Column("n (%)"), Column("N"), Column(header)]
    return Table("tlf-ctc-course", "Endpoint", columns, rows)


def values() -> Figure:
    """`tlf-ctc-values`: CTC counts of each evaluable patient, from baseline over the counts on treatment.

    1. The baseline count is plotted at the first dose, whatever its date.
    2. Where every count has a date, time is weeks since the first dose.
    3. Otherwise time is the cycle of the visit, with the baseline at cycle 1.
    4. A count without a date whose visit is no cycle is not plotted; a note states it.
    """
    from sap.displays.plots import course as course_plot

    adctc, adsl = ard.dataset("adctc"), ard.dataset("adsl").set_index("USUBJID")
    adrs = ard.dataset("adrs")
    responses = adrs[adrs["PARAMCD"] == "CTCRESP"].set_index("USUBJID")["AVALC"]
    evaluable = adsl.index[adsl["CTCEVFL"] == "Y"]
    counts = adctc[(adctc["ANL01FL"] == "Y") & adctc["USUBJID"].isin(evaluable)]
    if counts.empty:
        absent = "No evaluable patient has a CTC count on treatment."
        return Figure("tlf-ctc-values", None, "", absent=absent)
    days = (counts["ADT"] - counts["USUBJID"].map(adsl["TRTSDT"])).dt.days
    dated = bool(days.notna().all())
    cycle = counts["AVISIT"].str.extract(CYCLE, expand=False).astype("Float64").astype("float64")
    time, origin = (days / 7, 0.0) if dated else (cycle, 1.0)
    if time.isna().all():
        absent = "No CTC count on treatment has a date or a cycle."
        return Figure("tlf-ctc-values", None, "", absent=absent)
    later = pd.DataFrame({"subject": counts["USUBJID"], "time": time, "value": counts["AVAL"]})
    first = counts.drop_duplicates("USUBJID")
    start = pd.DataFrame({"subject": first["USUBJID"], "time": origin, "value": first["BASE"]})
    courses = pd.concat([start, later.dropna(subset=["time"])], ignore_index=True)
    plot = course_plot(
        courses.assign(category=courses["subject"].map(responses.map(CATEGORIES))),
        scale="log1p",
        lines=[stated(ard.plan().ctc).response_below],
        order=list(CATEGORIES.values()),
        x_title="Weeks since the first dose" if dated else "Cycle",
        y_title=f"CTC count per {plan_text.counted_in()}",
    )
    n, N = (results("ctc_response").count(s, population="CTCEVAL") for s in ("n", "N"))  # noqa: N806 - as in the ARD
    alt = (
        f"CTC counts over time, one line for each of {N.text} evaluable patients; {n.text} of them "
        "had a CTC response."
    )
    below = plan_text.number("ctc.response_below")
    notes = [
        RichText(
            n, " of ", N, " evaluable patients had a CTC response: a count below ", below,
            ", the dashed line.",
        ),
        RichText(
            "The baseline count is plotted at week 0."
            if dated
            else "Not every count has a date: counts are plotted at the cycle of their visit, the "
            "baseline count at cycle 1."
        ),
    ]  # fmt: skip
    if time.isna().any():
        notes.append(RichText("Counts with neither a date nor a cycle are not shown."))
    return Figure("tlf-ctc-values", plot, alt, notes=notes, numbers=(n, N))
