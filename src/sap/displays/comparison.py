"""Exploratory comparisons: marker status, groups, guarantee time, published rates, and the prior."""

from dataclasses import replace

from sap import ard
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.marks import TiedNote
from sap.displays.populations import short
from sap.displays.published import source_of, trial_of
from sap.displays.rates import ci_header, rate_cells
from sap.displays.survival import (
    Curve,
    ci_months,
    common_times,
    curve_data,
    cut_note,
    median_words,
)
from sap.displays.table import Cell, Column, Content, Row, Table, limits
from sap.plan.entry import stated


def marker() -> Table:
    """PSA response by marker status, and the response rate compared with a published one."""
    by_marker, published = results("comparison_marker"), results("comparison_published")
    rows: list[Row] = []
    header = "CI (%)"
    if by_marker.has("N", group="NEGATIVE") and by_marker.find("N", group="NEGATIVE").value:
        plan = ard.plan()
        rows.append(
            Row(
                f"By {stated(plan.biomarker).name} status, treated with {plan.wording.treatment}",
                kind="group",
            )
        )
        for group in ("POSITIVE", "NEGATIVE"):
            cells = rate_cells(by_marker, group=group)
            rows.append(Row(by_marker.label("group", group), cells, "indent1"))
        rows.append(_difference(by_marker))
        header = ci_header(by_marker, group="POSITIVE")
    reference = stated(ard.plan().comparison).reference
    if published.has("N", group=reference) and published.has("n", group="this_study"):
        rows.append(Row("Published rate", kind="group"))
        trial = trial_of(reference)
        for group in published.values("group"):
            if group:
                label = trial if group == reference else published.label("group", group)
                if group == "this_study" and stated(ard.plan().comparison).rule is not None:
                    label += f", response definition of {trial}"
                rows.append(Row(label, rate_cells(published, group=group), "indent1"))
        header = ci_header(published, group=reference)
        if published.find("estimate", level="difference").estimable:
            rows.append(_difference(published))
    columns = [Column("n (%)"), Column("N"), Column(header)]
    absent = "No patient to compare with."
    source = source_of(reference)
    text = f"{source}; the interval is recalculated from the published count (Clopper-Pearson)."
    notes = [TiedNote(text, rows={"group": [reference]})]
    return Table(
        "tlf-comparison", "PSA response", columns, rows, notes=notes if rows else (), absent=absent
    )


def _difference(rates: Results) -> Row:
    place = ArdKey(level="difference")
    low, high = (rates.rate(s, **place) for s in ("conf_low", "conf_high"))
    cells = (rates.rate("estimate", **place), "", limits(low, high))
    return Row(rates.label("level", "difference"), cells, "indent1")


def _median_row(times: Results, label: str, place: ArdKey) -> Row:
    low, high = (times.months(s, **place) for s in ("conf_low", "conf_high"))
    cells = (
        times.count("N", **place),
        times.count("n_events", **place),
        times.months("median", **place),
        limits(low, high),
    )
    return Row(label, cells, "indent1")


def _with_times(times: Results, paramcd: str) -> dict[str, str]:
    """The groups with a patient, and their labels."""
    return {
        group: times.label("group", group)
        for group in times.values("group", paramcd=paramcd)
        if group and times.find("N", paramcd=paramcd, group=group, level="").value
    }


def survival() -> Table:
    """Overall survival by marker status and by group: medians and Cox model, each with its N.

    Exploratory comparisons decide nothing: no p-value is printed, those of the ARD notwithstanding.
    """
    rows: list[Row] = []
    header = "CI"
    marker_ = stated(ard.plan().biomarker).name
    for analysis, paramcd, label, compared in (
        ("os_marker", "OS", f"By {marker_} at the first screening", "positive vs negative"),
        ("os_group", "OS", "By group, from allocation", "B vs A"),
        ("os_group", "OSCENS", "By group, censored at re-screening", "B vs A"),
    ):
        times = results(analysis)
        groups = _with_times(times, paramcd)
        if not groups:
            continue
        rows.append(Row(label, kind="group"))
        for group, name in groups.items():
            place = ArdKey(paramcd=paramcd, group=group, level="")
            header = ci_months(times, place)
            row = _median_row(times, name, place)
            rows.append(Row(row.label, (*row.cells, "", ""), row.kind))
        rows += _tested(times, paramcd, compared)
    columns = [
        Column("N"),
        Column("Deaths"),
        Column("Median", under="Kaplan-Meier (months)"),
        Column(header, under="Kaplan-Meier (months)"),
        Column("HR", under="Hazard ratio"),
        Column(header, under="Hazard ratio"),
    ]
    absent = "No groups to compare."
    return Table("tlf-os-groups", "Overall survival", columns, rows, absent=absent)


def _tested(times: Results, paramcd: str, compared: str) -> list[Row]:
    """The Cox model: its patients, hazard ratios and whether proportionality is doubtful; restricted means."""
    rows: list[Row] = []
    model = ArdKey(paramcd=paramcd, level="cox", sublevel="")
    ratios = []
    for covariate in filter(None, times.values("sublevel", paramcd=paramcd, level="cox")):
        place = ArdKey(paramcd=paramcd, level="cox", sublevel=covariate)
        if times.has("hazard_ratio", **place) and times.find("hazard_ratio", **place).estimable:
            low, high = (times.fixed(s, 2, **place) for s in ("conf_low", "conf_high"))
            ratio = times.fixed("hazard_ratio", 2, **place)
            cells: tuple[Content, ...] = (*[""] * 4, ratio, limits(low, high))
            ratios.append(Row(times.label("sublevel", covariate), cells, "indent2"))
    if not ratios:
        return rows
    counts: tuple[Content, ...] = (
        times.count("N", **model),
        times.count("n_events", **model),
        *[""] * 4,
    )
    doubt = ", proportionality doubtful" if _doubtful(times, paramcd) else ""
    rows += [Row(f"{times.label('level', 'cox')}{doubt}", counts, "indent1"), *ratios]
    return rows + _mean_difference(times, paramcd, compared)


def _mean_difference(times: Results, paramcd: str, compared: str) -> list[Row]:
    """The difference of restricted means, which needs no proportional hazards."""
    place = ArdKey(paramcd=paramcd, level="rmst_difference", group="")
    if not times.has("estimate", **place) or not times.find("estimate", **place).estimable:
        return []
    label = Cell(
        f"{times.label('level', 'rmst_difference')} to ", times.months("tau", **place),
        f" months, {compared} (months)",
    )  # fmt: skip
    low, high = (times.months(s, **place) for s in ("conf_low", "conf_high"))
    cells = ("", "", times.months("estimate", **place), limits(low, high), "", "")
    return [Row(label, cells, "indent1")]


def _doubtful(times: Results, paramcd: str) -> bool:
    model = ArdKey(paramcd=paramcd, level="cox", sublevel="")
    return times.has("ph_doubtful", **model) and times.find("ph_doubtful", **model).value > 0


def curves() -> Figure:
    """Overall survival by marker status at the first screening."""
    from sap.displays.plots import km_curves

    times = results("os_marker")
    marker_ = stated(ard.plan().biomarker).name
    groups = {
        label: ArdKey(group=group, paramcd="OS")
        for group, label in _with_times(times, "OS").items()
    }
    if not groups:
        absent = f"No patient with a result of {marker_} has a time to death."
        return Figure("tlf-os-marker-curves", None, "", absent=absent)
    steps, ticks, at_risk, medians = curve_data("os_marker", groups)
    places = {label: ArdKey(**{**place, "level": ""}) for label, place in groups.items()}
    longest = {label: times.find("max", **place).value for label, place in places.items()}
    numbers = [times.months("median", **place) for place in places.values()]
    in_words = ", ".join(f"{w} {n.text} months" for w, n in zip(groups, numbers, strict=True))
    at_risk = common_times(at_risk, longest)
    plot = km_curves(
        steps, ticks, at_risk, medians,
        x_title=f"Months from {ard.plan().survival.os_origin}", y_title="Proportion alive",
        summaries={label: median_words(times, place) for label, place in places.items()},
    )  # fmt: skip
    alt = (
        f"Kaplan-Meier curves of overall survival by {marker_} at the first screening. Medians: "
        f"{in_words}."
    )
    drawn: list[str | Number] = []
    for label, place in places.items():
        drawn += ["; " if drawn else "", f"{label}, ", times.count("N", **place)]
    notes: list[Note] = [
        RichText("Patients with a curve: ", *drawn, ". Others of the set have no marker result."),
        *cut_note(at_risk, [Curve(label, "os_marker", place) for label, place in groups.items()]),
    ]
    return Figure("tlf-os-marker-curves", plot, alt, height=4.4, notes=notes, numbers=numbers)


def guarantee() -> Table:
    """Overall survival under each treatment of the guarantee time."""
    times = results("os_guarantee")
    rows: list[Row] = []
    header = "CI"
    for population in ("PRIMARY", "MARKERPOS"):
        levels = times.values("level", population=population) if len(times) else []
        if levels:
            rows.append(Row(short(population), kind="group"))
        for level in levels:
            for group in times.values("group", population=population, level=level):
                place = ArdKey(population=population, level=level, group=group)
                if not times.has("median", **place) or not times.find("N", **place).value:
                    continue
                header = ci_months(times, place)
                label = times.label("level", level)
                label += f": {times.label('group', group)}" if group else ""
                rows.append(_median_row(times, label, place))
    columns = [Column("N"), Column("Deaths"), Column("Median (months)"), Column(header)]
    absent = "No patient of these sets has an origin."
    return Table("tlf-os-guarantee", "Overall survival", columns, rows, absent=absent)


def _needed(tipping: Results) -> Content:
    """How many of the non-evaluable patients would have to respond, in words where none is or none would."""
    if not tipping.find("n_missing").value:
        return "Not applicable: every patient was evaluable"
    needed = tipping.fixed("responders_needed", 0)
    return replace(needed, text="None") if needed.text == "0" else needed


def posterior() -> Table:
    """Bayesian analysis of the response rate, and the tipping point of the missing responses."""
    bayesian, tipping = results(ard.plan().posterior_analysis), results("tipping_point")
    interval = limits(bayesian.rate("conf_low"), bayesian.rate("conf_high"))
    prior = Cell("Beta(", bayesian.fixed("prior_a", 1), ", ", bayesian.fixed("prior_b", 1), ")")
    credible = ci_header(bayesian).replace("CI", "credible interval")
    rows = [
        Row("Prior", (prior,)),
        Row("Posterior mean (%)", (bayesian.rate("mean"),)),
        Row("Posterior median (%)", (bayesian.rate("median"),)),
        Row(credible, (interval,)),
        Row("Probability that the rate is above p0 (%)", (bayesian.rate("probability_above_p0"),)),
        Row("Tipping point", kind="group"),
        Row("Non-evaluable patients", (tipping.count("n_missing"),), "indent1"),
        Row("Responders needed among them", (_needed(tipping),), "indent1"),
    ]  # fmt: skip
    if tipping.has("decision") and tipping.find("n_missing").value:
        rows.append(Row("Conclusion", (tipping.words("decision"),), "indent1"))
    columns = [Column("Value", numeric=False)]
    return Table("tlf-psa-posterior", "Statistic", columns, rows)
