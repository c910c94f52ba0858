"""Comparisons, all of them exploratory: AR-V7, groups, guarantee time, TROPIC, and the prior."""

from sap import ard
from sap.displays.addressed import Place, Results, results
from sap.displays.figure import Figure
from sap.displays.response import ci_header, rate_cells
from sap.displays.survival import curve_data
from sap.displays.table import Cell, Column, Content, Row, Table, limits


def arv7() -> Table:
    """PSA response to cabazitaxel by AR-V7, and the rate beside TROPIC's."""
    rows: list[Row] = []
    header = "CI (%)"
    own, tropic = results("comparison_arv7"), results("comparison_tropic")
    if own.has("N", group="NEGATIVE") and own.find("N", group="NEGATIVE").value:
        rows.append(Row("By AR-V7, men given cabazitaxel", kind="group"))
        for group, words in (("POSITIVE", "Positive, group B"), ("NEGATIVE", "Negative, group A")):
            rows.append(Row(words, rate_cells(own, group=group), "indent1"))
        rows.append(Row("Difference (Miettinen-Nurminen)", _difference(own), "indent1"))
        header = ci_header(own, group="POSITIVE")
    if tropic.has("N", group="TROPIC") and tropic.has("n", group="This trial"):
        rows.append(Row("Beside a published rate", kind="group"))
        for group in ("This trial", "TROPIC"):
            rows.append(Row(group, rate_cells(tropic, group=group), "indent1"))
        header = ci_header(tropic, group="TROPIC")
        if tropic.find("estimate", level="Difference").estimable:
            rows.append(Row("Difference (Miettinen-Nurminen)", _difference(tropic), "indent1"))
        odds = Place(level="Odds ratio")
        if tropic.find("estimate", **odds).estimable:
            low, high = (tropic.fixed(s, 2, **odds) for s in ("conf_low", "conf_high"))
            ratio = Cell(tropic.fixed("estimate", 2, **odds))
            rows.append(Row("Odds ratio, exact", (ratio, "", limits(low, high)), "indent1"))
            rows.append(Row("p, Fisher", (tropic.p_value(**odds), "", ""), "indent1"))
    columns = [Column("n (%)"), Column("N"), Column(header)]
    absent = "Not in the data: nobody to compare with."
    return Table("tlf-comparison", "PSA response", columns, rows, absent=absent)


def _difference(found: Results) -> tuple[Content, ...]:
    place = Place(level="Difference")
    low, high = (found.percent(s, **place) for s in ("conf_low", "conf_high"))
    return (found.percent("estimate", **place), "", limits(low, high))


STATES = {
    "POSITIVE": "AR-V7 positive",
    "NEGATIVE": "AR-V7 negative",
    "UNDETERMINED": "Undetermined",
}


def _median_row(found: Results, label: str, place: Place) -> Row:
    low, high = (found.months(s, **place) for s in ("conf_low", "conf_high"))
    cells = (
        found.count("N", **place),
        found.count("n_events", **place),
        found.months("median", **place),
        limits(low, high),
    )
    return Row(label, cells, "indent1")


def survival() -> Table:
    """Overall survival by AR-V7 and by group: medians, Cox and log-rank."""
    rows: list[Row] = []
    header = "CI"
    for analysis, paramcd, names, words in (
        ("os_arv7", "OS", STATES, "By AR-V7 at the first screening"),
        ("os_group", "OS", {"A": "Group A", "B": "Group B"}, "By group, from allocation"),
        (
            "os_group",
            "OSCENS",
            {"A": "Group A", "B": "Group B"},
            "The same, censored at re-screening",
        ),
    ):
        found = results(analysis)
        there = [g for g in names if found.has("N", paramcd=paramcd, group=g, level="")]
        there = [g for g in there if found.find("N", paramcd=paramcd, group=g, level="").value]
        if not there:
            continue
        rows.append(Row(words, kind="group"))
        for group in there:
            place = Place(paramcd=paramcd, group=group, level="")
            header = ci_header(found, **place).replace(" (%)", "")
            rows.append(_median_row(found, names[group], place))
        rows += _hazards(found, paramcd)
    columns = [Column("N"), Column("Deaths"), Column("Median (months)"), Column(header)]
    absent = "Not in the data: no groups to compare."
    return Table("tlf-os-groups", "Overall survival", columns, rows, absent=absent)


def _hazards(found: Results, paramcd: str) -> list[Row]:
    rows = []
    for covariate in found.values("sublevel", paramcd=paramcd, level="Cox"):
        place = Place(paramcd=paramcd, level="Cox", sublevel=covariate)
        if (
            covariate
            and found.has("hazard_ratio", **place)
            and found.find("hazard_ratio", **place).estimable
        ):
            low, high = (found.fixed(s, 2, **place) for s in ("conf_low", "conf_high"))
            cells: tuple[Content, ...] = (
                "",
                "",
                found.fixed("hazard_ratio", 2, **place),
                limits(low, high),
            )
            rows.append(Row(f"Hazard ratio, {covariate}", cells, "indent2"))
    rank = Place(paramcd=paramcd, level="Log-rank")
    if found.has("p_value", **rank) and found.find("p_value", **rank).estimable:
        rows.append(Row("p, log-rank", ("", "", found.p_value(**rank), ""), "indent2"))
    check = Place(paramcd=paramcd, level="Cox", sublevel="")
    if found.has("ph_p_value", **check) and found.find("ph_p_value", **check).estimable:
        rows.append(
            Row(
                "p, proportional hazards",
                ("", "", found.p_value("ph_p_value", **check), ""),
                "indent2",
            )
        )
    return rows


def curves() -> Figure:
    """Overall survival by AR-V7 at the first screening."""
    from sap.displays.plots import km_curves

    found = results("os_arv7")
    there = {
        words: Place(group=group, paramcd="OS")
        for group, words in STATES.items()
        if found.has("N", group=group, paramcd="OS", level="")
        and found.find("N", group=group, paramcd="OS", level="").value
    }
    if not there:
        absent = "Not in the data: AR-V7 with a time to death."
        return Figure("tlf-os-arv7-curves", None, "", absent=absent)
    steps, ticks, at_risk, medians = curve_data("os_arv7", there)
    groups = at_risk.groupby("time")["group"].transform("nunique")
    at_risk = at_risk[groups == len(there)]
    numbers = [
        found.months("median", **Place(**{**place, "level": ""})) for place in there.values()
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
                place = Place(population=population, level=level, group=group)
                if not found.has("median", **place) or not found.find("N", **place).value:
                    continue
                header = ci_header(found, **place).replace(" (%)", "")
                rows.append(
                    _median_row(found, f"{level}{f': {group.lower()}' if group else ''}", place)
                )
    columns = [Column("N"), Column("Deaths"), Column("Median (months)"), Column(header)]
    absent = "Not in the data: nobody of these sets has an origin."
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
        Row("Men without an answer", (tip.count("n_missing"),), "indent1"),
        Row(
            "of whom so many would have to respond", (tip.fixed("responders_needed", 0),), "indent1"
        ),
    ]
    if tip.has("decision"):
        rows.append(Row("Conclusion", (tip.words("decision"),), "indent1"))
    columns = [Column("Value", numeric=False)]
    return Table("tlf-psa-posterior", "Quantity", columns, rows)
