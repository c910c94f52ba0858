"""Tumour response: best overall response, rates, duration, change of target sums, and concordance."""

from typing import NamedTuple

import pandas as pd

from sap import ard
from sap.displays import formats, plan_text
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.marks import TiedNote
from sap.displays.populations import short
from sap.displays.rates import ci_header, rate_cells
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct, span
from sap.plan.entry import stated

SETS = ("PRIMARY", "RESCREENED")
NO_ASSESSMENT = "No tumour assessment."


def _has_patients(rows: Results, place: ArdKey) -> bool:
    """Whether the ARD has the place, with a denominator that is not 0."""
    return rows.has("N", **place) and rows.find("N", **place).value > 0


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


# The confirmed best overall responses of patients with a target lesion, from the best to the worst.
BEST = ("CR", "PR", "SD", "PD", "NE")
FLAGS = {"PRIMARY": "PRIMFL", "RESCREENED": "RESCTRFL"}
NO_RESPONSE = "No patient had a confirmed objective response."


def duration() -> Table:
    """Duration of confirmed objective response of each set: events, median, range, and how it ended."""
    times, reasons = results("rdor"), results("rdor_reasons")
    suffix = {"PRIMARY": "", "RESCREENED": "RE"}
    places = {
        p: ArdKey(population=p, paramcd=f"RDOR{suffix[p]}", level="")
        for p in SETS
        if _has_patients(times, ArdKey(population=p, paramcd=f"RDOR{suffix[p]}", level=""))
    }
    if not places:
        return Table("tlf-tumour-duration", "Duration", [], [], absent=NO_RESPONSE)
    first = next(iter(places.values()))
    notes: list[Note | TiedNote] = []
    rows = [
        Row("Progression or death", [times.count("n_events", **p) for p in places.values()]),
        Row("Censored", [times.count("n_censored", **p) for p in places.values()]),
        Row("Median (months)", [times.months("median", **p) for p in places.values()]),
        Row(
            ci_header(times, **first).replace(" (%)", ""),
            [_months(times, p, "conf_low", "conf_high") for p in places.values()],
            "indent1",
        ),
        Row(
            "Range, censored durations included (months)",
            [span(*(times.months(s, **p) for s in ("min", "max"))) for p in places.values()],
        ),
    ]
    if any(times.find("n_events", **p).value < FEW for p in places.values()):
        rows.insert(2, Row("Each duration (months)", [_durations(p) for p in places.values()]))
        notes.append(
            TiedNote(
                f"Listed because there are fewer than {FEW} events; + censored.",
                rows={"analysis": ["rdor_curve"]},
            )
        )
        notes += [note for p in places.values() if (note := _at_median(times, p)) is not None]
    for end in ("event", "censored"):
        levels = reasons.values("level", sublevel=end)
        for level in levels:
            cells: list[Content] = [
                reasons.count_or_zero(**ArdKey(**{**p, "level": level, "sublevel": end}))
                for p in places.values()
            ]
            label = reasons.label("level", level)
            rows.append(Row(f"{reasons.label('sublevel', end)}: {label}", cells))
    heads = [Column(short(p), times.count("N", **place)) for p, place in places.items()]
    n = times.count("N", **first)
    return Table("tlf-tumour-duration", "Duration", heads, rows, notes=notes, n=n)


FEW = 5
"""With fewer events than this a median says little, and each duration is listed."""


def _steps(place: ArdKey) -> list[ArdKey]:
    """The steps of the curve in the order of time."""
    curve = results("rdor_curve")
    levels = [v for v in curve.values("level", population=place["population"]) if v]
    steps = [ArdKey(**{**place, "level": level}) for level in levels]
    return sorted(steps, key=lambda at: curve.find("time", **at).value)


def _at_median(times: Results, place: ArdKey) -> TiedNote | None:
    """How many patients the median of a set with few events rests on: those at risk where the curve meets 0.5."""
    curve = results("rdor_curve")
    met = [s for s in _steps(place) if curve.find("estimate", **s).value <= 0.5]
    few = times.find("n_events", **place).value < FEW
    if not (few and met and times.find("median", **place).estimable):
        return None
    n = curve.count("at_risk", **met[0])
    several = "patient" if n.text == "1" else "patients"
    text = RichText("The median rests on ", n, f" {several} at risk where the curve reaches 0.5.")
    return TiedNote(text, keys=frozenset({times.months("median", **place).key}))


def _durations(place: ArdKey) -> Cell:
    """Each duration in order, `+` after a censored one."""
    curve = results("rdor_curve")
    parts: list[str | Number] = []
    for step in _steps(place):
        time = curve.months("time", **step)
        for name, mark in (("n_events", ""), ("n_censored", "+")):
            for _ in range(int(curve.find(name, **step).value)):
                parts += [", " if parts else "", time, mark]
    return Cell(*parts)


def _months(times: Results, place: ArdKey, low: str, high: str) -> Content:
    return limits(times.months(low, **place), times.months(high, **place))


def _bars(population: str) -> pd.DataFrame:
    """Each patient's best change of the target sum and confirmed best overall response; patient-level."""
    adrs, adsl = ard.dataset("adrs"), ard.dataset("adsl")
    subjects = adsl.loc[adsl[FLAGS[population]] == "Y", "USUBJID"]
    best = adrs[(adrs["PARAMCD"] == "TUMBEST") & adrs["USUBJID"].isin(subjects)]
    best = best[best["AVAL"].notna()].drop_duplicates("USUBJID")
    confirmed = adrs[adrs["PARAMCD"] == "BORC"].drop_duplicates("USUBJID").set_index("USUBJID")
    category = best["USUBJID"].map(confirmed["AVALC"]).fillna("NE")
    return pd.DataFrame(
        {
            "subject": best["USUBJID"],
            "change": best["AVAL"],
            "category": category.where(category.isin(BEST), "NE").map(formats.response),
            "strip": category.where(category.isin(BEST), "NE").map(formats.response),
            "mark": "*" if population == "RESCREENED" else "",
            "block": f"{short(population)} (n = {len(best)})",
        }
    )


def waterfall() -> Figure:
    """Best change of the sum of target diameters of each patient, re-screened patients in their own block."""
    from sap.displays.plots import waterfall as waterfall_plot

    bars = pd.concat([_bars(population) for population in SETS], ignore_index=True)
    if bars.empty:
        absent = "No patient had a target lesion with a later assessment."
        return Figure("tlf-tumour-waterfall", None, "", absent=absent)
    changes = results("tumour_change")
    place = ArdKey(population="PRIMARY")
    n, missing = changes.count("n", **place), changes.count("n_missing", **place)
    median = changes.fixed("median", 1, **place)
    plan = ard.plan()
    plot = waterfall_plot(
        bars,
        cap=plan.psa_course.display_cap_pct
        if plan.psa_course
        else max(100.0, float(bars["change"].max())),
        lines=[-plan.tumour.partial_pct],
        order=[formats.response(code) for code in BEST],
        y_title="Best change of the target sum (%)",
        x_title="Patients",
    )
    alt = (
        f"Waterfall plot of the best change of the sum of target diameters: {n.text} patients of the "
        f"primary set, median change {median.text} percent. The dashed line is a decrease of "
        f"{formats.as_collected(plan.tumour.partial_pct)} percent."
    )
    notes: list[Note] = [
        RichText("Primary set: patients with a bar, ", n, "; without target lesion or later assessment, ", missing, "."),
        RichText("Dashed line: a decrease of ", plan_text.number("tumour.partial_pct"), "%."),
    ]  # fmt: skip
    if bars["mark"].astype(bool).any():
        notes.append(
            "* Treated through re-screening; not included in any count of the primary set."
        )
    return Figure("tlf-tumour-waterfall", plot, alt, notes=notes, numbers=(n, median))


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
    assessor = stated(ard.plan().tumour).assessor
    absent = f"No time point with lesions and a response of the {assessor}."
    return Table("tlf-tumour-agreement", "Overall response", columns, rows, absent=absent)
