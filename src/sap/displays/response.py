"""PSA response: the primary table, its sensitivity, the re-screened patients, and the waterfall."""

from typing import Unpack

import pandas as pd

from sap import ard
from sap.displays import formats, plan_text
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct, pair, span

SETS = {
    "PRIMARY": "Primary",
    "PSAEVAL": "PSA-evaluable",
    "PERPROT": "Per protocol",
    "MARKERPOS": "All marker-positive",
}


def ci_header(found: Results, **where: Unpack[ArdKey]) -> str:
    """The header of a column of intervals, with the level of the plan."""
    return f"{formats.confidence(found.find('conf_level', **where).value)} % CI (%)"


def rate_cells(found: Results, **where: Unpack[ArdKey]) -> tuple[Content, Content, Content]:
    """N (%), N and the interval of one rate."""
    return (
        n_pct(found.count(**where), found.percent(**where)),
        found.count("N", **where),
        limits(found.percent("conf_low", **where), found.percent("conf_high", **where)),
    )


def _two_intervals() -> list[Note]:
    """That the primary result has an interval of its own, where the plan wants it so."""
    if ard.table("plan")["intervals"]["primary_interval"] != "two-stage":
        return []
    own = "The interval of the primary result (the first line) allows for the two stages of the design"
    return [f"{own}; those of the other lines are of Clopper and Pearson."]


def response() -> Table:
    """Table 14.2.1.1: response in each set, and the re-screened patients as a block of their own."""
    found, again = results("psa_response"), results("rescreen_response")
    rows = [Row("First screening", kind="group")]
    for population, words in SETS.items():
        if not found.has("N", population=population):
            continue
        tested: tuple[Content, Content] = ("", "")
        if population == "PRIMARY":  # the rule of the design decides about no other set
            at = ArdKey(population=population)
            tested = (found.p_value(**at), found.words("decision", **at))
        counted = found.count("n_missing", population=population)
        cells = (*rate_cells(found, population=population), counted, *tested)
        rows.append(Row(words, cells, "indent1"))
    rows.append(Row("Treated through re-screening", kind="group"))
    place = ArdKey(population="RESCREENED", paramcd="PSARESP")
    if again.find("N", **place).value:
        cells = (*rate_cells(again, **place), again.count("n_missing", **place), "", "")
        rows.append(Row("Re-screened, treated", cells, "indent1"))
    else:
        groups = ard.table("plan")["study"]["groups"]
        why = (
            "Not in the data: no patient was treated so" if groups else "Not planned in this trial"
        )
        rows.append(Row(why, ("",) * 6, "indent1"))
    columns = [
        Column("n (%)"),
        Column("N"),
        Column(ci_header(found, population="PRIMARY")),
        Column("NE"),
        Column("p"),
        Column("Decision", numeric=False),
    ]
    return Table("tlf-psa-response", "Analysis set", columns, rows, notes=_two_intervals())


def sensitivity() -> Table:
    """Table 14.2.1.2: the primary set by the rule of confirmation."""
    rule = ard.table("plan")["psa_response"]
    lines = {
        "psa_response": f"Confirmed after {rule['confirm_after_days']} days (primary)",
        "psa_response_unconfirmed": "Unconfirmed",
    }
    lines |= {
        f"psa_response_{days}d": f"Confirmed after {days} days"
        for days in rule["sensitivity_confirm_days"]
        if days != rule["confirm_after_days"]
    }
    rows = [
        Row(words, rate_cells(results(analysis), population="PRIMARY"))
        for analysis, words in lines.items()
    ]
    header = ci_header(results("psa_response"), population="PRIMARY")
    columns = [Column("n (%)"), Column("N"), Column(header)]
    notes = _two_intervals()
    return Table("tlf-psa-sensitivity", "Rule", columns, rows, notes=notes)


def change() -> Table:
    """Table 14.2.1.4: best and week-12 change, and the depths of the plan."""
    found = results("psa_change")
    week = ard.table("plan")["psa_course"]["week_12_day"]
    sets = {"PRIMARY": "Primary"}
    if ard.table("plan")["study"]["groups"]:
        sets["RESCREENED"] = "Re-screened, treated"
    rows: list[Row] = []
    for paramcd, words in (("PSABEST", "Best change"), ("PSAWK12", f"Change at day {week}")):
        rows.append(Row(words, kind="group"))
        columns = [ArdKey(population=p, paramcd=paramcd, level="") for p in sets]
        rows.append(Row("n", [found.count("n", **c) for c in columns], "indent1"))
        rows.append(Row("Missing", [found.count("n_missing", **c) for c in columns], "indent1"))
        pairs = [pair(found.fixed("mean", 1, **c), found.fixed("sd", 2, **c)) for c in columns]
        rows.append(Row("Mean (SD)", pairs, "indent1"))
        rows.append(Row("Median", [found.fixed("median", 1, **c) for c in columns], "indent1"))
        spans = [span(found.fixed("min", 1, **c), found.fixed("max", 1, **c)) for c in columns]
        rows.append(Row("Min, max", spans, "indent1"))
        for level in found.values("level", population="PRIMARY", paramcd=paramcd):
            if not level:
                continue
            cells: list[Cell] = []
            for population in sets:
                place = ArdKey(population=population, paramcd=paramcd, level=level)
                cells.append(n_pct(found.count(**place), found.percent(**place)))
            rows.append(Row(level[0].upper() + level[1:], cells, "indent1"))
    heads = [
        Column(words, found.count("N", population=p, paramcd="PSABEST", level=""))
        for p, words in sets.items()
    ]
    return Table("tlf-psa-change", "Change of PSA (%)", heads, rows)


CATEGORIES = ("Confirmed response", "Fall not confirmed", "No response")


def _bars(population: str) -> pd.DataFrame:
    """Each treated patient's best change and what became of it; patient-level."""
    adrs, adsl = ard.dataset("adrs"), ard.dataset("adsl")
    flag = {"PRIMARY": "PRIMFL", "RESCREENED": "RESCTRFL"}[population]
    mine = adsl.loc[adsl[flag] == "Y", "USUBJID"]
    best = adrs[(adrs["PARAMCD"] == "PSABEST") & adrs["USUBJID"].isin(mine)]

    def answer(paramcd: str) -> pd.Series:
        answers = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
        return best["USUBJID"].map(answers) == "Y"

    category = pd.Series(CATEGORIES[2], best.index)
    category = category.mask(answer("PSARESPU"), CATEGORIES[1]).mask(
        answer("PSARESP"), CATEGORIES[0]
    )
    again = population == "RESCREENED"
    known = int(best["AVAL"].notna().sum())
    return pd.DataFrame(
        {
            "subject": best["USUBJID"],
            "change": best["AVAL"],
            "category": category,
            "mark": "*" if again else "",
            "block": f"{'Re-screened, treated' if again else 'Primary set'} (n = {known})",
        }
    )


def waterfall() -> Figure:
    """Figure 14.2.1.3: best change of each patient of the primary set; re-screened patients in a block of their own."""
    from sap.displays.plots import waterfall as drawn

    bars = pd.concat([_bars("PRIMARY"), _bars("RESCREENED")], ignore_index=True)
    course, rule = ard.table("plan")["psa_course"], ard.table("plan")["psa_response"]
    if bars["change"].notna().sum() == 0:
        return Figure("tlf-psa-waterfall", None, "", absent="Not in the data: no change of PSA.")
    change, found = results("psa_change"), results("psa_response")
    place = ArdKey(population="PRIMARY", paramcd="PSABEST", level="")
    n, missing = change.count("n", **place), change.count("n_missing", **place)
    median = change.fixed("median", 1, **place)
    confirmed = found.count(population="PRIMARY")
    plot = drawn(
        bars,
        cap=course["display_cap_pct"],
        lines=[-rule["decline_pct"]],
        order=CATEGORIES,
        y_title="Best change of PSA (%)",
        x_title="Patients",
    )
    alt = (
        f"Waterfall of the best change of PSA: {n.text} patients of the primary set, median change "
        f"{median.text} percent, {confirmed.text} with a confirmed response."
    )
    notes: list[Note] = [
        f"Rises are cut at {formats.as_collected(course['display_cap_pct'])} % and their value printed.",
        RichText(
            "Patients of the primary set with a bar: ", n, "; without a change: ", missing, "."
        ),
    ]
    if rule["first_fall_within_days"] is not None:
        notes.append(
            RichText(
                "A bar that crosses the dashed line is no response where the fall was first seen after day ",
                plan_text.number("psa_response.first_fall_within_days"),
                ".",
            )
        )
    if bars["mark"].astype(bool).any():
        alt += " Patients treated through re-screening stand in a block of their own, with an asterisk."
        notes.append(
            "* Treated through re-screening: a block of their own, in no count of the primary set."
        )
    return Figure("tlf-psa-waterfall", plot, alt, notes=notes, numbers=(n, median, confirmed))


def spider() -> Figure:
    """Figure 14.2.1.12: the change of PSA over time of each patient of the primary set."""
    from sap.displays.plots import spider as drawn

    adpsa, adsl = ard.dataset("adpsa"), ard.dataset("adsl").set_index("USUBJID")
    category = _bars("PRIMARY").dropna(subset=["change"]).set_index("subject")["category"]
    values = adpsa[(adpsa["ANL01FL"] == "Y") & adpsa["PCHG"].notna()]
    values = values[values["USUBJID"].isin(category.index)]
    if values.empty:
        return Figure("tlf-psa-spider", None, "", absent="Not in the data: no change of PSA.")
    days = (values["ADT"] - values["USUBJID"].map(adsl["TRTSDT"])).dt.days
    seen = pd.DataFrame({"subject": values["USUBJID"], "time": days / 7, "change": values["PCHG"]})
    start = pd.DataFrame({"subject": category.index, "time": 0.0, "change": 0.0})
    courses = pd.concat([start, seen], ignore_index=True)
    course, rule = ard.table("plan")["psa_course"], ard.table("plan")["psa_response"]
    plot = drawn(
        courses.assign(category=courses["subject"].map(category)),
        cap=course["display_cap_pct"],
        lines=[-rule["decline_pct"]],
        order=CATEGORIES,
        x_title="Weeks since the first dose",
        y_title="Change of PSA (%)",
    )
    change, found = results("psa_change"), results("psa_response")
    n = change.count("n", population="PRIMARY", paramcd="PSABEST", level="")
    confirmed = found.count(population="PRIMARY")
    alt = (
        f"Spider plot of the change of PSA over time: {n.text} patients of the primary set, "
        f"{confirmed.text} of them with a confirmed response."
    )
    cap = formats.as_collected(course["display_cap_pct"])
    notes: list[Note] = [
        RichText("Patients of the primary set with a line: ", n, "."),
        f"A line that rises above {cap} % leaves the figure; a triangle at the upper edge marks it.",
    ]
    return Figure("tlf-psa-spider", plot, alt, notes=notes, numbers=(n, confirmed))


def estimand() -> Figure:
    """Figure 14.2.1.5: the primary rate under other choices."""
    from sap.displays.plots import forest

    found = results("psa_estimand")
    rows = []
    for level in found.values("level"):
        rate = [found.find(s, level=level).value for s in ("estimate", "conf_low", "conf_high")]
        n, whole = found.count(level=level).text, found.count("N", level=level).text
        cell = [found.percent(s, level=level).text for s in ("estimate", "conf_low", "conf_high")]
        rows.append(
            {
                "label": level[2:],
                "n_text": f"{n}/{whole}",
                "text": f"{cell[0]} ({cell[1]}, {cell[2]})",
                **dict(zip(("estimate", "low", "high"), (100 * r for r in rate), strict=True)),
            }
        )
    first = rows[0]
    p0 = ard.table("plan")["design"]["p0"]
    plot = forest(
        pd.DataFrame(rows),
        reference=100 * p0,
        x_title="PSA response rate (%)",
        reference_words=f"p0 = {formats.proportion(p0)} %",
        columns=("Analysis", "n/N", ci_header(found, level=found.values("level")[0])),
    )
    alt = (
        f"Forest plot of the PSA response rate under {len(rows)} choices. The primary analysis has "
        f"{first['n_text']}, {first['text']} percent; the dashed line is p0, "
        f"{formats.proportion(p0)} percent."
    )
    shown = [found.percent(level=level) for level in found.values("level")]
    return Figure("tlf-psa-estimand", plot, alt, height=3.2, numbers=shown, notes=_two_intervals())


def events() -> Table:
    """Table 14.2.1.6: intercurrent events of the primary set."""
    found = results("intercurrent_events")
    words = {
        "ICETOX": "Treatment stopped for toxicity",
        "ICETHER": "New anticancer therapy",
        "ICEDTH": "Death while values still counted",
        "ICEMISS": "No baseline, or no value that counts",
        "ICEPEND": "Fall never confirmed for want of a later value",
    }
    rows = [
        Row(label, (n_pct(found.count(paramcd=name), found.percent(paramcd=name)),))
        for name, label in words.items()
    ]
    heads = [Column("Patients, n (%)", found.count("N", paramcd="ICETOX"))]
    therapy = (
        ", a new anticancer therapy"
        if ard.table("plan")["psa_response"]["stop_at_new_therapy"]
        else ""
    )
    ends = RichText(
        f"Values count until death{therapy} or ",
        plan_text.number("psa_response.days_after_last_cycle"),
        " days after the last cycle, whichever comes first. A missed sample or a stop for toxicity "
        "ends nothing before: a patient who had one can yet be confirmed.",
    )
    return Table("tlf-intercurrent", "Before a confirmed response", heads, rows, notes=[ends])


def two_stage() -> Table:
    """Table 14.2.1.7: inference that knows the design had two stages, beside Clopper-Pearson."""
    found, simple = results("psa_two_stage"), results("psa_response")
    absent = "Not applicable: the plan's design has a single stage."
    columns = [Column("Value", numeric=False)]
    if not len(found):
        return Table("tlf-two-stage", "Quantity", columns, [], absent=absent)
    lines = (
        ("Maximum likelihood (%)", "mle"),
        ("Unbiased with the least variance, UMVUE (%)", "umvue"),
        ("Median-unbiased (%)", "median_unbiased"),
        ("Bias-adjusted (%)", "bias_adjusted"),
        ("Conditional on the stage reached (%)", "conditional_mle"),
    )
    rows = [
        Row("Responders of patients, stage 1", (Cell(found.count("responders_stage1"), " of ", found.count("n1_attained")),)),
        Row("Responders of patients, in all", (Cell(found.count("n"), " of ", found.count("N")),)),
    ]  # fmt: skip
    rows.append(Row("Estimates of the response rate", kind="group"))
    rows += [Row(label, (found.percent(name),), "indent1") for label, name in lines]
    rows.append(Row("Intervals and test", kind="group"))
    interval = limits(found.percent("conf_low"), found.percent("conf_high"))
    rows.append(Row(f"{ci_header(found)}, both exact tails", (interval,), "indent1"))
    if found.has("coverage"):
        cover = found.percent("coverage")
        rows.append(Row("Smallest coverage of this interval (%)", (cover,), "indent1"))
    if ard.table("plan")["intervals"]["primary_interval"] == "clopper-pearson":
        both = (simple.percent(s, population="PRIMARY") for s in ("conf_low", "conf_high"))
        rows.append(Row(f"{ci_header(found)}, Clopper-Pearson", (limits(*both),), "indent1"))
    rows.append(Row("p, one-sided", (found.p_value(),), "indent1"))
    rows.append(Row("Decision", (found.words("decision"),), "indent1"))
    stage = "Stage 1 is the first patients of the primary set by first dose."
    notes = [f"{stage} Outcomes are ordered by the total of responders."]
    if found.has("stage2_began"):
        rows.append(Row("When the first patient of stage 2 was treated", kind="group"))
        rows += [
            Row("First dose of the last patient of stage 1", (found.words("stage1_full"),), "indent1"),
            Row("First dose of the first patient of stage 2", (found.words("stage2_began"),), "indent1"),
            Row("Responses in stage 1 confirmed by then", (found.count("responders_by_then"),), "indent1"),
        ]  # fmt: skip
        notes.append(
            "No decision at the end of stage 1 is recorded in the data; the lines tell what was known."
        )
    return Table("tlf-two-stage", "Quantity", columns, rows, notes=notes)
