"""Comparisons, all of them exploratory: AR-V7, groups, guarantee time, TROPIC, and the prior."""

from sap import ard
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.figure import Figure
from sap.displays.published import trial_of
from sap.displays.rates import ci_header, rate_cells
from sap.displays.survival import common_times, curve_data
from sap.displays.table import Cell, Column, Content, Row, Table, limits


def marker() -> Table:
    """PSA response by marker status, and the response rate compared with a published one."""
    by_marker, published = results("comparison_marker"), results("comparison_published")
    rows: list[Row] = []
    header = "CI (%)"
    if by_marker.has("N", group="NEGATIVE") and by_marker.find("N", group="NEGATIVE").value:
        plan = ard.plan()
        rows.append(Row(f"By {plan.wording.marker}, {plan.wording.treatment}", kind="group"))
        for group in ("POSITIVE", "NEGATIVE"):
            cells = rate_cells(by_marker, group=group)
            rows.append(Row(by_marker.label("group", group), cells, "indent1"))
        rows.append(_difference(by_marker))
        header = ci_header(by_marker, group="POSITIVE")
    reference = ard.plan().comparison.reference
    if published.has("N", group=reference) and published.has("n", group="this_study"):
        rows.append(Row("Published rate", kind="group"))
        trial = trial_of(reference)
        for group in published.values("group"):
            if group:
                label = trial if group == reference else published.label("group", group)
                if group == "this_study" and ard.plan().comparison.rule is not None:
                    label += f", response definition of {trial}"
                rows.append(Row(label, rate_cells(published, group=group), "indent1"))
        header = ci_header(published, group=reference)
        if published.find("estimate", level="difference").estimable:
            rows.append(_difference(published))
        odds = ArdKey(level="odds_ratio")
        if published.find("estimate", **odds).estimable:
            low, high = (published.fixed(s, 2, **odds) for s in ("conf_low", "conf_high"))
            ratio = Cell(published.fixed("estimate", 2, **odds))
            label = published.label("level", "odds_ratio")
            rows.append(Row(label, (ratio, "", limits(low, high)), "indent1"))
            rows.append(Row("p, Fisher", (published.p_value(**odds), "", ""), "indent1"))
    columns = [Column("n (%)"), Column("N"), Column(header)]
    absent = "Not in the data: no patient to compare with."
    return Table("tlf-comparison", "PSA response", columns, rows, absent=absent)


def _difference(rates: Results) -> Row:
    place = ArdKey(level="difference")
    low, high = (rates.percent(s, **place) for s in ("conf_low", "conf_high"))
    cells = (rates.percent("estimate", **place), "", limits(low, high))
    return Row(rates.label("level", "difference"), cells, "indent1")


STATES = {
    "POSITIVE": "AR-V7 positive",
    "NEGATIVE": "AR-V7 negative",
    "UNDETERMINED": "Undetermined",
}


def _median_row(found: Results, label: str, place: ArdKey) -> Row:
    low, high = (found.months(s, **place) for s in ("conf_low", "conf_high"))
    cells = (
        found.count("N", **place),
        found.count("n_events", **place),
        found.months("median", **place),
        limits(low, high),
    )
    return Row(label, cells, "indent1")


# What each covariate of the models is set against; a continuous one says its unit in its name.
AGAINST = {
    "AR-V7 positive": "AR-V7 positive v. negative",
    "ECOG >= 1": "ECOG 1 or more v. 0",
    "Group B": "Group B v. group A",
    "log2(CTC + 1)": "CTC + 1, per doubling",
}


def survival() -> Table:
    """Overall survival by AR-V7 and by group: medians, Cox and log-rank, each with its patients."""
    rows: list[Row] = []
    header = "CI"
    groups = {"A": "Group A", "B": "Group B"}
    for analysis, paramcd, names, words, compared in (
        ("os_arv7", "OS", STATES, "By AR-V7 at the first screening", "positive v. negative"),
        ("os_group", "OS", groups, "By group, from allocation", "B v. A"),
        ("os_group", "OSCENS", groups, "The same, censored at re-screening", "B v. A"),
    ):
        found = results(analysis)
        there = [g for g in names if found.has("N", paramcd=paramcd, group=g, level="")]
        there = [g for g in there if found.find("N", paramcd=paramcd, group=g, level="").value]
        if not there:
            continue
        rows.append(Row(words, kind="group"))
        for group in there:
            place = ArdKey(paramcd=paramcd, group=group, level="")
            header = ci_header(found, **place).replace(" (%)", "")
            row = _median_row(found, names[group], place)
            rows.append(Row(row.label, (*row.cells, "", "", ""), row.kind))
        rows += _tested(found, paramcd, compared)
    columns = [
        Column("N"),
        Column("Deaths"),
        Column("Median", under="Kaplan-Meier (months)"),
        Column(header, under="Kaplan-Meier (months)"),
        Column("Ratio", under="Hazard"),
        Column(header, under="Hazard"),
        Column("p"),
    ]
    absent = "Not in the data: no groups to compare."
    return Table("tlf-os-groups", "Overall survival", columns, rows, absent=absent)


def _tested(found: Results, paramcd: str, compared: str) -> list[Row]:
    """The log-rank test, and the Cox model with its patients, its ratios and the test of its assumption."""
    rows = []
    rank = ArdKey(paramcd=paramcd, level="Log-rank")
    if found.has("p_value", **rank) and found.find("p_value", **rank).estimable:
        cells: tuple[Content, ...] = (found.count("N", **rank), *[""] * 5, found.p_value(**rank))
        rows.append(Row(f"Log-rank, {compared}", cells, "indent1"))
    model = ArdKey(paramcd=paramcd, level="Cox", sublevel="")
    ratios = []
    for covariate in found.values("sublevel", paramcd=paramcd, level="Cox"):
        place = ArdKey(paramcd=paramcd, level="Cox", sublevel=covariate)
        known = covariate and found.has("hazard_ratio", **place)
        if known and found.find("hazard_ratio", **place).estimable:
            low, high = (found.fixed(s, 2, **place) for s in ("conf_low", "conf_high"))
            ratio = found.fixed("hazard_ratio", 2, **place)
            cells = (*[""] * 4, ratio, limits(low, high), "")
            ratios.append(Row(AGAINST.get(covariate, covariate), cells, "indent2"))
    if not ratios:
        return rows
    whole: tuple[Content, ...] = (
        found.count("N", **model),
        found.count("n_events", **model),
        *[""] * 5,
    )
    rows += [Row("Cox model", whole, "indent1"), *ratios]
    if found.has("ph_p_value", **model) and found.find("ph_p_value", **model).estimable:
        cells = (*[""] * 6, found.p_value("ph_p_value", **model))
        rows.append(Row("Proportional hazards", cells, "indent2"))
    return rows


def curves() -> Figure:
    """Overall survival by AR-V7 at the first screening."""
    from sap.displays.plots import km_curves

    found = results("os_arv7")
    there = {
        words: ArdKey(group=group, paramcd="OS")
        for group, words in STATES.items()
        if found.has("N", group=group, paramcd="OS", level="")
        and found.find("N", group=group, paramcd="OS", level="").value
    }
    if not there:
        absent = "Not in the data: AR-V7 with a time to death."
        return Figure("tlf-os-arv7-curves", None, "", absent=absent)
    steps, ticks, at_risk, medians = curve_data("os_arv7", there)
    longest = {
        words: found.find("max", **ArdKey(**{**place, "level": ""})).value
        for words, place in there.items()
    }
    at_risk = common_times(at_risk, longest)
    numbers = [
        found.months("median", **ArdKey(**{**place, "level": ""})) for place in there.values()
    ]
    said = ", ".join(f"{w} {n.text} months" for w, n in zip(there, numbers, strict=True))
    origin = ard.table("plan")["survival"]["os_origin"]
    plot = km_curves(
        steps, ticks, at_risk, medians, x_title=f"Months from {origin}", y_title="Proportion alive"
    )
    alt = (
        f"Kaplan-Meier curves of overall survival by AR-V7 at the first screening. Medians: {said}."
    )
    return Figure("tlf-os-arv7-curves", plot, alt, height=4.4, numbers=numbers)


def guarantee() -> Table:
    """Overall survival with the time before treatment treated in other ways."""
    found = results("os_guarantee")
    rows: list[Row] = []
    header = "CI"
    for population, words in (("PRIMARY", "Primary"), ("MARKERPOS", "All marker-positive")):
        levels = found.values("level", population=population) if len(found) else []
        if levels:
            rows.append(Row(words, kind="group"))
        for level in levels:
            for group in found.values("group", population=population, level=level):
                place = ArdKey(population=population, level=level, group=group)
                if not found.has("median", **place) or not found.find("N", **place).value:
                    continue
                header = ci_header(found, **place).replace(" (%)", "")
                rows.append(
                    _median_row(found, f"{level}{f': {group.lower()}' if group else ''}", place)
                )
    columns = [Column("N"), Column("Deaths"), Column("Median (months)"), Column(header)]
    absent = "Not in the data: no patient of these sets has an origin."
    return Table("tlf-os-guarantee", "Overall survival", columns, rows, absent=absent)


def posterior() -> Table:
    """Bayesian analysis of the response rate, and the tipping point of the missing responses."""
    bayesian, tipping = results("psa_posterior"), results("tipping_point")
    interval = limits(bayesian.percent("conf_low"), bayesian.percent("conf_high"))
    prior = Cell("Beta(", bayesian.fixed("prior_a", 1), ", ", bayesian.fixed("prior_b", 1), ")")
    credible = ci_header(bayesian).replace("CI", "credible interval")
    rows = [
        Row("Prior", (prior,)),
        Row("Posterior mean (%)", (bayesian.percent("mean"),)),
        Row("Posterior median (%)", (bayesian.percent("median"),)),
        Row(credible, (interval,)),
        Row("Probability that the rate is above p0 (%)", (bayesian.percent("probability_above_p0"),)),
        Row("Tipping point", kind="group"),
        Row("Non-evaluable patients", (tipping.count("n_missing"),), "indent1"),
        Row("Responders needed among them", (tipping.fixed("responders_needed", 0),), "indent1"),
    ]  # fmt: skip
    if tipping.has("decision"):
        rows.append(Row("Conclusion", (tipping.words("decision"),), "indent1"))
    columns = [Column("Value", numeric=False)]
    return Table("tlf-psa-posterior", "Statistic", columns, rows)
