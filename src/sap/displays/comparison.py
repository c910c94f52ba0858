"""Comparisons, all of them exploratory: AR-V7, groups, guarantee time, TROPIC, and the prior."""

from sap import ard
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.figure import Figure
from sap.displays.response import ci_header, rate_cells
from sap.displays.survival import common_times, curve_data
from sap.displays.table import Cell, Column, Content, Row, Table, limits


def arv7() -> Table:
    """PSA response to cabazitaxel by AR-V7, and the rate beside TROPIC's."""
    rows: list[Row] = []
    header = "CI (%)"
    own, tropic = results("comparison_arv7"), results("comparison_tropic")
    if own.has("N", group="NEGATIVE") and own.find("N", group="NEGATIVE").value:
        rows.append(Row("By AR-V7, patients given cabazitaxel", kind="group"))
        names = (
            ("Positive, group B", "Negative, group A")
            if ard.table("plan")["study"]["groups"]
            else ("Positive, treated in the trial", "Negative, treated outside of it")
        )
        for group, words in zip(("POSITIVE", "NEGATIVE"), names, strict=True):
            rows.append(Row(words, rate_cells(own, group=group), "indent1"))
        rows.append(Row("Difference (Miettinen-Nurminen)", _difference(own), "indent1"))
        header = ci_header(own, group="POSITIVE")
    if tropic.has("N", group="TROPIC") and tropic.has("n", group="This trial"):
        rows.append(Row("Beside a published rate", kind="group"))
        lines = {"This trial": "This trial", "TROPIC": "TROPIC"}
        if tropic.has("N", group="This trial, own rule"):
            lines = {
                "This trial, own rule": "This trial, by its own rule (not compared)",
                "This trial": "This trial, by the rule of TROPIC",
                "TROPIC": "TROPIC",
            }
        for group, words in lines.items():
            rows.append(Row(words, rate_cells(tropic, group=group), "indent1"))
        header = ci_header(tropic, group="TROPIC")
        if tropic.find("estimate", level="Difference").estimable:
            rows.append(Row("Difference (Miettinen-Nurminen)", _difference(tropic), "indent1"))
        odds = ArdKey(level="Odds ratio")
        if tropic.find("estimate", **odds).estimable:
            low, high = (tropic.fixed(s, 2, **odds) for s in ("conf_low", "conf_high"))
            ratio = Cell(tropic.fixed("estimate", 2, **odds))
            rows.append(Row("Odds ratio, exact", (ratio, "", limits(low, high)), "indent1"))
            rows.append(Row("p, Fisher", (tropic.p_value(**odds), "", ""), "indent1"))
    columns = [Column("n (%)"), Column("N"), Column(header)]
    absent = "Not in the data: no patient to compare with."
    return Table("tlf-comparison", "PSA response", columns, rows, absent=absent)


def _difference(found: Results) -> tuple[Content, ...]:
    place = ArdKey(level="Difference")
    low, high = (found.percent(s, **place) for s in ("conf_low", "conf_high"))
    return (found.percent("estimate", **place), "", limits(low, high))


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
    """The rate with the plan's prior, and how far the missing could tip the decision."""
    found, tip = results("psa_posterior"), results("tipping_point")
    interval = limits(found.percent("conf_low"), found.percent("conf_high"))
    prior = Cell("Beta(", found.fixed("prior_a", 1), ", ", found.fixed("prior_b", 1), ")")
    rows = [
        Row("Prior", (prior,)),
        Row("Posterior mean (%)", (found.percent("mean"),)),
        Row("Posterior median (%)", (found.percent("median"),)),
        Row(f"{ci_header(found).replace('CI', 'credible interval')}", (interval,)),
        Row("Probability that the rate is above p0 (%)", (found.percent("probability_above_p0"),)),
        Row("Tipping point", kind="group"),
        Row("Patients without an answer", (tip.count("n_missing"),), "indent1"),
        Row("Responders needed among them", (tip.fixed("responders_needed", 0),), "indent1"),
    ]
    if tip.has("decision"):
        rows.append(Row("Conclusion", (tip.words("decision"),), "indent1"))
    columns = [Column("Value", numeric=False)]
    return Table("tlf-psa-posterior", "Quantity", columns, rows)
