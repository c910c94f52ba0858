"""Overall survival: the table and the curve."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from sap import ard
from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.marks import TiedNote
from sap.displays.populations import short
from sap.displays.rates import ci_header
from sap.displays.table import Cell, Column, Content, Row, RowKind, Table, limits, span

SETS = ("PRIMARY", "RESCREENED", "GROUPA", "SCREENED")


def no_patient_at_risk(times: Results, place: ArdKey) -> bool:
    """Whether the curve ended at 0 with its last patient before this time.

    The estimate is then 0 by its formula, although no patient was at risk; it is printed as NE.
    """
    none_at_risk = times.has("at_risk", **place) and not times.find("at_risk", **place).value
    zero = times.find("estimate", **place).value == 0
    return none_at_risk and zero and not times.find("conf_low", **place).estimable


NONE_AT_RISK = "none_at_risk"
"""The id of a cell at whose time no patient was at risk."""
LATE = TiedNote("Not estimable: no patient at risk at this time.", cells={"id": [NONE_AT_RISK]})


def ci_months(times: Results, place: ArdKey) -> str:
    """The header of limits in months."""
    return ci_header(times, **place).replace(" (%)", "")


def _months_limits(times: Results, place: ArdKey) -> Cell:
    return limits(times.months("conf_low", **place), times.months("conf_high", **place))


def _range(times: Results, place: ArdKey) -> Cell:
    return span(times.months("min", **place), times.months("max", **place))


def overall() -> Table:
    """`tlf-os`: deaths, median with limits, survival rates and restricted mean by analysis set."""
    times = results("os")
    groups = ard.plan().study.groups
    sets = [
        p for p in SETS if times.has("N", population=p, level="") and (groups or p != "RESCREENED")
    ]
    places = {p: ArdKey(population=p, level="") for p in sets}
    followed = {p: bool(times.find("N", **place).value) for p, place in places.items()}
    if not any(followed.values()):
        absent = "No patient has this origin."
        return Table("tlf-os", "Overall survival", [], [], absent=absent)
    header = ci_months(times, next(places[p] for p in sets if followed[p]))

    def line(
        label: str, cell: Callable[[Results, ArdKey], Content], level: str, kind: RowKind
    ) -> Row:
        cells = [
            cell(times, ArdKey(population=p, level=level))
            if followed[p]
            else formats.NOT_CALCULATED
            for p in sets
        ]
        return Row(label, cells, kind)

    rows = [
        Row("Deaths", [times.count("n_events", **place) for place in places.values()]),
        Row("Median (months)", [times.months("median", **place) for place in places.values()]),
        Row(header, [_months_limits(times, place) for place in places.values()], "indent1"),
    ]
    for level in filter(None, times.values("level")):
        label = times.label("level", level)
        if level.startswith("month_"):
            rows.append(line(f"OS rate at {label} (%)", rate_or_ne, level, ""))
            rows.append(line(header, percent_limits, level, "indent1"))
        else:
            rows.append(line(f"{label} (months)", _mean, level, ""))
            rows.append(line(header, _months_limits, level, "indent1"))
    rows.append(line("Median follow-up, reverse Kaplan-Meier (months)", _follow_up, "", ""))
    rows.append(line("Range of follow-up (months)", _range, "", ""))
    heads = [Column(short(p), times.count("N", **place)) for p, place in places.items()]
    return Table("tlf-os", "Overall survival", heads, rows, notes=[LATE])


def rate_or_ne(times: Results, place: ArdKey) -> Content:
    """The percentage without the event at a time; NE where no patient was at risk."""
    if no_patient_at_risk(times, place):
        return Cell(formats.NE, id=NONE_AT_RISK)
    return times.rate("estimate", **place)


def percent_limits(times: Results, place: ArdKey) -> Content:
    """The limits of a percentage."""
    return limits(times.rate("conf_low", **place), times.rate("conf_high", **place))


def _mean(times: Results, place: ArdKey) -> Content:
    return times.months("estimate", **place)


def _follow_up(times: Results, place: ArdKey) -> Content:
    return times.months("follow_up_median", **place)


def curve_data(
    analysis: str, groups: dict[str, ArdKey]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Steps, ticks, numbers at risk and medians of the curves, by the label of each."""
    steps, ticks, at_risk = [], [], []
    medians: dict[str, float] = {}
    for label, place in groups.items():
        curve = _wide(f"{analysis}_curve", place)
        names = ["time", "estimate", "conf_low", "conf_high", "n_events", "n_censored"]
        curve = curve.reindex(columns=names).sort_values("time")
        start = pd.DataFrame(
            {"time": [0.0], "estimate": [1.0], "conf_low": [1.0], "conf_high": [1.0]}
        )
        corners = curve[(curve["n_events"] > 0) | (curve["time"] == curve["time"].max())]
        line = pd.concat([start, corners[list(start)]], ignore_index=True).drop_duplicates("time")
        steps.append(line.rename(columns={"estimate": "survival"}).assign(group=label))
        censored = curve[curve["n_censored"] > 0].rename(columns={"estimate": "survival"})
        ticks.append(censored[["time", "survival"]].assign(group=label))
        counts = _wide(f"{analysis}_at_risk", place).sort_values("time")
        at_risk.append(counts.rename(columns={"at_risk": "n"}).assign(group=label))
        medians[label] = results(analysis).find("median", **place).value
    columns = ["group", "time", "survival", "conf_low", "conf_high"]
    if len(groups) > 1:
        # Several bands over one another hide the curves.
        steps = [part.assign(conf_low=float("nan"), conf_high=float("nan")) for part in steps]
    return (
        pd.concat(steps, ignore_index=True)[columns],
        pd.concat(ticks, ignore_index=True),
        pd.concat(at_risk, ignore_index=True),
        medians,
    )


def _wide(analysis: str, place: ArdKey) -> pd.DataFrame:
    """The rows of a curve with a column for each statistic."""
    rows = ard.read(analysis)
    for axis, value in place.items():
        rows = rows[rows[axis] == value]
    return rows.pivot_table(index="level", columns="stat_name", values="stat", dropna=False)


def common_times(at_risk: pd.DataFrame, longest: Mapping[str, float]) -> pd.DataFrame:
    """The numbers at risk at the times that all curves have; 0 after the last time of a curve.

    `longest` is the last time of each group. A time of which a group has no number is dropped.
    """
    times = sorted(set(at_risk["time"]))
    every = pd.MultiIndex.from_product([list(longest), times], names=["group", "time"])
    counts = at_risk.set_index(["group", "time"])["n"].reindex(every).reset_index()
    ended = counts["time"] > counts["group"].map(longest)
    counts["n"] = counts["n"].mask(counts["n"].isna() & ended, 0.0)
    return counts[counts.groupby("time")["n"].transform("count") == len(longest)]


class Curve(NamedTuple):
    """A curve of a figure: its label, the analysis it is of, and its place there without the level."""

    label: str
    analysis: str
    place: ArdKey


def cut_note(at_risk: pd.DataFrame, curves: Sequence[Curve]) -> list[Note]:
    """The note on an axis that ends where few patients are at risk, and on the events after its end."""
    from sap.displays.plots import FEW_AT_RISK, shown_until

    end = shown_until(at_risk)
    if end is None:
        return []
    share = formats.proportion(FEW_AT_RISK, 0)
    few = f"from then on fewer than {share}% of the patients are at risk"
    month = formats.as_collected(end)
    return [f"The axis ends at {month} months: {few}. {_not_shown(month, end, curves)}"]


def _not_shown(month: str, end: float, curves: Sequence[Curve]) -> str:
    """How many events of each curve are later than the end of the axis."""
    later = {}
    for curve in curves:
        steps = _wide(f"{curve.analysis}_curve", curve.place)
        later[curve.label] = int(steps.loc[steps["time"] > end, "n_events"].sum())
    if not any(later.values()):
        return f"No event after month {month}."
    if len(later) == 1:
        n = next(iter(later.values()))
        return f"{n} {'event' if n == 1 else 'events'} after month {month} not shown."
    each = ", ".join(f"{label} {n}" for label, n in later.items())
    return f"Events after month {month} not shown: {each}."


def median_words(times: Results, place: ArdKey) -> str:
    """The median with its limits, for the corner of a panel."""
    low, high = (times.months(name, **place).text for name in ("conf_low", "conf_high"))
    level = ci_months(times, place)
    median = times.months("median", **place)
    unit = "" if median.text in (formats.NE, formats.NC) else " months"
    return f"median {median.text}{unit} ({formats.typeset(level)} {low}, {high})"


def of_primary() -> Curve:
    """The curve of overall survival of the primary set."""
    return Curve(short("PRIMARY"), "os", ArdKey(population="PRIMARY", paramcd="OS"))


class ShortCurve(NamedTuple):
    """Overall survival of the primary set for a small panel: what `plots.with_curve` draws, and its numbers."""

    steps: pd.DataFrame
    at_risk: pd.DataFrame
    x_title: str
    y_title: str
    words: str
    numbers: list[Number]


def short_curve() -> ShortCurve | None:
    """The curve of `tlf-os-curve` for the page of key results; None where no patient has the origin."""
    place = ArdKey(population="PRIMARY", paramcd="OS", level="")
    times = results("os")
    if times.count("N", **place).text == "0":
        return None
    steps, _, at_risk, _ = curve_data(
        "os", {short("PRIMARY"): ArdKey(population="PRIMARY", paramcd="OS")}
    )
    numbers = [times.months(name, **place) for name in ("median", "conf_low", "conf_high")]
    x_title = f"Months from {ard.plan().survival.os_origin}"
    return ShortCurve(
        steps, at_risk, x_title, "Proportion alive", median_words(times, place), numbers
    )


def curve() -> Figure:
    """`tlf-os-curve`: overall survival of the primary set."""
    from sap.displays.plots import km_curves

    place = ArdKey(population="PRIMARY", paramcd="OS", level="")
    times = results("os")
    n = times.count("N", **place)
    if n.text == "0":
        return Figure("tlf-os-curve", None, "", absent="No patient has this origin.")
    median, deaths = times.months("median", **place), times.count("n_events", **place)
    low, high = (times.months(name, **place) for name in ("conf_low", "conf_high"))
    origin = ard.plan().survival.os_origin
    data = curve_data("os", {short("PRIMARY"): ArdKey(population="PRIMARY", paramcd="OS")})
    alt = (
        f"Kaplan-Meier curve of overall survival of the primary set. {deaths.text} of {n.text} patients "
        f"died; median {median.text} months, confidence limits {low.text} and {high.text}."
    )
    return Figure(
        "tlf-os-curve",
        km_curves(
            *data,
            x_title=f"Months from {origin}",
            y_title="Proportion alive",
            summaries={short("PRIMARY"): f"M{median_words(times, place)[1:]}"},
        ),
        alt,
        n=n,
        notes=cut_note(data[2], [of_primary()]),
        numbers=(median, low, high, deaths),
    )
