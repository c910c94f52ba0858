"""Overall survival: the table and the curve."""

from collections.abc import Mapping

import pandas as pd

from sap import ard
from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.figure import Figure
from sap.displays.rates import ci_header
from sap.displays.table import Column, Content, Row, Table, limits, span

SETS = {
    "PRIMARY": "Primary",
    "RESCREENED": "Re-screened, treated",
    "GROUPA": "Group A",
    "SCREENED": "Screened",
}


def ended_before(found: Results, place: ArdKey) -> bool:
    """Whether the curve fell to 0 with its last patient before this time, which no patient then reached.

    The estimate is 0 by its formula; printed, it would say that patients are known to be dead by then,
    of whom none was followed so long.
    """
    nobody = found.has("at_risk", **place) and not found.find("at_risk", **place).value
    none = found.find("estimate", **place).value == 0
    return nobody and none and not found.find("conf_low", **place).estimable


def overall() -> Table:
    """Table 14.2.3.1: events, median with limits and landmarks by set."""
    found = results("os")
    groups = bool(ard.table("plan")["study"]["groups"])
    shown = [
        p for p in SETS if found.has("N", population=p, level="") and (groups or p != "RESCREENED")
    ]
    whole = [ArdKey(population=p, level="") for p in shown]
    known = [bool(found.find("N", **place).value) for place in whole]
    if not any(known):
        absent = "Not in the data: no patient has this origin."
        return Table("tlf-os", "Overall survival", [], [], absent=absent)
    level = whole[known.index(True)]
    header = ci_header(found, **level).replace(" (%)", "")
    rows = [
        Row("Deaths", [found.count("n_events", **p) for p in whole]),
        Row("Median (months)", [found.months("median", **p) for p in whole]),
        Row(
            header,
            [limits(found.months("conf_low", **p), found.months("conf_high", **p)) for p in whole],
            "indent1",
        ),
    ]

    ended: list[str] = []

    def landmark(level: str) -> tuple[Row, Row]:
        at: list[Content] = []
        around: list[Content] = []
        for population, there in zip(shown, known, strict=True):
            if not there:
                at.append(formats.NOT_CALCULATED)
                around.append(formats.NOT_CALCULATED)
                continue
            place = ArdKey(population=population, level=level)
            if ended_before(found, place):
                ended.append(level)
                at.append(formats.NE)
            else:
                at.append(found.percent("estimate", **place))
            around.append(
                limits(found.percent("conf_low", **place), found.percent("conf_high", **place))
            )
        return Row(f"Alive at {level} (%)", at), Row(header, around, "indent1")

    landmarks = ard.table("plan")["survival"]["landmarks_months"]
    for months in landmarks:
        rows += landmark(f"{formats.as_collected(months)} months")
    tau = formats.as_collected(ard.table("plan")["survival"]["rmst_months"])
    mean: list[Content] = []
    around: list[Content] = []
    for population, there in zip(shown, known, strict=True):
        if not there:
            mean.append(formats.NOT_CALCULATED)
            around.append(formats.NOT_CALCULATED)
            continue
        place = ArdKey(population=population, level=f"RMST {tau} months")
        mean.append(found.months("estimate", **place))
        low, high = (found.months(name, **place) for name in ("conf_low", "conf_high"))
        around.append(limits(low, high))
    rows.append(Row(f"Restricted mean to {tau} months (months)", mean))
    rows.append(Row(header, around, "indent1"))
    follow: list[Content] = []
    reach: list[Content] = []
    for place, there in zip(whole, known, strict=True):
        follow.append(
            found.months("follow_up_median", **place) if there else formats.NOT_CALCULATED
        )
        reach.append(
            span(found.months("min", **place), found.months("max", **place))
            if there
            else formats.NOT_CALCULATED
        )
    rows.append(Row("Median follow-up, reverse Kaplan-Meier (months)", follow))
    rows.append(Row("Shortest, longest time (months)", reach))
    heads = [
        Column(SETS[p], found.count("N", **place)) for p, place in zip(shown, whole, strict=True)
    ]
    late = " and ".join(dict.fromkeys(ended))
    notes = [
        f"NE at {late}: the curve ended before with its last patient; no patient was followed so long."
    ]
    return Table("tlf-os", "Overall survival", heads, rows, notes=notes if ended else [])


def curve_data(
    analysis: str, groups: dict[str, ArdKey]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Steps, ticks, numbers at risk and medians of one or more curves, as the ARD holds them."""
    steps, ticks, at_risk = [], [], []
    medians: dict[str, float] = {}
    for words, place in groups.items():
        rows = ard.read(f"{analysis}_curve")
        for axis, value in place.items():
            rows = rows[rows[axis] == value]
        wide = rows.pivot_table(index="level", columns="stat_name", values="stat", dropna=False)
        names = ["time", "estimate", "conf_low", "conf_high", "n_events", "n_censored"]
        wide = wide.reindex(columns=names).sort_values("time")
        start = pd.DataFrame(
            {"time": [0.0], "estimate": [1.0], "conf_low": [1.0], "conf_high": [1.0]}
        )
        kept = wide[(wide["n_events"] > 0) | (wide["time"] == wide["time"].max())]
        columns = list(start.columns)
        line = pd.concat([start, kept[columns]], ignore_index=True).drop_duplicates("time")
        steps.append(line.rename(columns={"estimate": "survival"}).assign(group=words))
        lost = wide[wide["n_censored"] > 0].rename(columns={"estimate": "survival"})
        ticks.append(lost[["time", "survival"]].assign(group=words))
        below = ard.read(f"{analysis}_at_risk")
        for axis, value in place.items():
            below = below[below[axis] == value]
        counts = below.pivot_table(index="level", columns="stat_name", values="stat")
        at_risk.append(counts.rename(columns={"at_risk": "n"}).assign(group=words))
        medians[words] = results(analysis).find("median", **place).value
    columns = ["group", "time", "survival", "conf_low", "conf_high"]
    if len(groups) > 1:
        # Several bands over one another hide the curves; one band is drawn, several are not.
        steps = [part.assign(conf_low=float("nan"), conf_high=float("nan")) for part in steps]
    return (
        pd.concat(steps, ignore_index=True)[columns],
        pd.concat(ticks, ignore_index=True),
        pd.concat(at_risk, ignore_index=True),
        medians,
    )


def common_times(at_risk: pd.DataFrame, longest: Mapping[str, float]) -> pd.DataFrame:
    """The numbers at risk at the times of all curves: a curve that has ended has no patient left.

    A time stays when each group has a number there or ended before it; `longest` is the last time
    of each group.
    """
    times = sorted(set(at_risk["time"]))
    whole = pd.MultiIndex.from_product([list(longest), times], names=["group", "time"])
    counts = at_risk.set_index(["group", "time"])["n"].reindex(whole).reset_index()
    ended = counts["time"] > counts["group"].map(longest)
    counts["n"] = counts["n"].mask(counts["n"].isna() & ended, 0.0)
    return counts[counts.groupby("time")["n"].transform("count") == len(longest)]


def curve() -> Figure:
    """Figure 14.2.3.2: overall survival of the primary set."""
    from sap.displays.plots import km_curves

    place = ArdKey(population="PRIMARY", paramcd="OS", level="")
    found = results("os")
    n = found.count("N", **place)
    if n.text == "0":
        return Figure(
            "tlf-os-curve", None, "", absent="Not in the data: no patient has this origin."
        )
    median = found.months("median", **place)
    low, high = (found.months(name, **place) for name in ("conf_low", "conf_high"))
    died = found.count("n_events", **place)
    origin = ard.table("plan")["survival"]["os_origin"]
    data = curve_data("os", {"Primary": ArdKey(population="PRIMARY", paramcd="OS")})
    alt = (
        f"Kaplan-Meier curve of overall survival of the primary set. {died.text} of {n.text} patients "
        f"died; median {median.text} months, confidence limits {low.text} and {high.text}."
    )
    return Figure(
        "tlf-os-curve",
        km_curves(*data, x_title=f"Months from {origin}", y_title="Proportion alive"),
        alt,
        n=n,
        numbers=(median, low, high, died),
    )
