"""PSA response: the primary table, its sensitivity, the re-screened patients, and the waterfall."""

import pandas as pd

from sap import ard
from sap.displays import formats, plan_text
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.marks import TiedNote, Where
from sap.displays.populations import short
from sap.displays.rates import ci_header, rate_cells
from sap.displays.table import (
    Cell,
    Column,
    Content,
    Row,
    RowKind,
    Table,
    limits,
    n_pct,
    pair,
    span,
)
from sap.plan.entry import stated
from sap.plan.estimands import Event

SETS = ("PRIMARY", "PSAEVAL", "PERPROT", "MARKERPOS")
NO_CHANGE = "No change of PSA."


OTHER_INTERVALS = (
    "accounts for the two-stage design; those of the other lines are Clopper-Pearson intervals."
)


def _two_intervals() -> bool:
    """Whether the primary result has an interval of its own: where the plan has chosen it."""
    return ard.plan().intervals.primary_interval == "two-stage"


def primary_interval_notes() -> list[TiedNote]:
    """The note at the primary result of a table, where its interval is another than that of the other lines."""
    if not _two_intervals():
        return []
    primary: Where = {"analysis": [ard.plan().primary.endpoint], "population": ["PRIMARY"]}
    return [TiedNote(f"The interval {OTHER_INTERVALS}", rows=primary)]


def response() -> Table:
    """`tlf-psa-response`: response in each set, and the re-screened patients in a block of their own."""
    responses, rescreened = results("psa_response"), results("rescreen_response")
    rows = [Row("First screening", kind="group")]
    for population in SETS:
        if not responses.has("N", population=population):
            continue
        tested: tuple[Content, Content] = ("", "")
        if population == "PRIMARY":  # the design decides about no other set
            at = ArdKey(population=population)
            tested = (responses.p_value(**at), responses.words("decision", **at))
        not_evaluable = responses.count("n_missing", population=population)
        cells = (*rate_cells(responses, population=population), not_evaluable, *tested)
        rows.append(Row(short(population), cells, "indent1"))
    if ard.plan().study.groups:
        rows.append(Row("Treated through re-screening", kind="group"))
        place = ArdKey(population="RESCREENED", paramcd="PSARESP")
        if rescreened.find("N", **place).value:
            not_evaluable = rescreened.count("n_missing", **place)
            cells = (*rate_cells(rescreened, **place), not_evaluable, "", "")
            rows.append(Row(short("RESCREENED"), cells, "indent1"))
            for level in filter(None, rescreened.values("level", paramcd="PSARESP")):
                at_first = ArdKey(**place, level=level)
                if rescreened.find("N", **at_first).value:
                    not_evaluable = rescreened.count("n_missing", **at_first)
                    cells = (*rate_cells(rescreened, **at_first), not_evaluable, "", "")
                    rows.append(Row(rescreened.label("level", level), cells, "indent2"))
        else:
            reason = "No patient was treated through re-screening"
            rows.append(Row(reason, ("",) * 6, "indent1"))
    columns = [
        Column("n (%)"),
        Column("N"),
        Column(ci_header(responses, population="PRIMARY")),
        Column(formats.NEV),
        Column("p"),
        Column("Decision", numeric=False),
    ]
    return Table("tlf-psa-response", "Analysis set", columns, rows, notes=primary_interval_notes())


def sensitivity() -> Table:
    """`tlf-psa-sensitivity`: the primary set by the rule of confirmation."""
    rule = stated(ard.plan().psa_response)
    other_days = [d for d in rule.sensitivity_confirm_days if d != rule.confirm_after_days]
    analyses = ["psa_response", "psa_response_unconfirmed"]
    analyses += [f"psa_response_{days}d" for days in other_days]
    rows = []
    for analysis in analyses:
        responses = results(analysis)
        label = responses.label("paramcd", responses.values("paramcd")[0])
        rows.append(Row(label, rate_cells(responses, population="PRIMARY")))
    header = ci_header(results("psa_response"), population="PRIMARY")
    columns = [Column("n (%)"), Column("N"), Column(header)]
    return Table(
        "tlf-psa-sensitivity", "Response definition", columns, rows, notes=primary_interval_notes()
    )


def change() -> Table:
    """`tlf-psa-change`: best change and change at week 12, and the declines of the plan."""
    changes = results("psa_change")
    sets = ("PRIMARY", "RESCREENED") if ard.plan().study.groups else ("PRIMARY",)
    rows: list[Row] = []
    for paramcd in changes.values("paramcd"):
        rows.append(Row(changes.label("paramcd", paramcd), kind="group"))
        columns = [ArdKey(population=p, paramcd=paramcd, level="") for p in sets]
        rows.append(Row("n", [changes.count("n", **c) for c in columns], "indent1"))
        rows.append(Row("Missing", [changes.count("n_missing", **c) for c in columns], "indent1"))
        pairs = [pair(changes.fixed("mean", 1, **c), changes.fixed("sd", 1, **c)) for c in columns]
        rows.append(Row("Mean (SD)", pairs, "indent1"))
        rows.append(Row("Median", [changes.fixed("median", 1, **c) for c in columns], "indent1"))
        spans = [span(changes.fixed("min", 1, **c), changes.fixed("max", 1, **c)) for c in columns]
        rows.append(Row("Min, max", spans, "indent1"))
        for level in changes.values("level", population="PRIMARY", paramcd=paramcd):
            if not level:
                continue
            cells: list[Cell] = []
            for population in sets:
                place = ArdKey(population=population, paramcd=paramcd, level=level)
                cells.append(n_pct(changes.count(**place), changes.percent(**place)))
            rows.append(Row(changes.label("level", level), cells, "indent1"))
    heads = [
        Column(short(p), changes.count("N", population=p, paramcd="PSABEST", level=""))
        for p in sets
    ]
    return Table("tlf-psa-change", "Change of PSA (%)", heads, rows)


BORC, BORINV = "BORC", "BORINV"
STRIP = {
    BORC: "confirmed best overall tumour response",
    BORINV: "best overall tumour response as assessed by the {assessor} (the data have no dated response)",
}


def _strip_of(adrs: pd.DataFrame) -> str:
    """The tumour response below the bars; empty where there is none.

    1. The confirmed one by the rules of the plan, where one patient's can be evaluated.
    2. Else the evaluator's, which needs no dates.
    """
    for paramcd in STRIP:
        if (adrs.loc[adrs["PARAMCD"] == paramcd, "AVALC"].fillna("NE") != "NE").any():
            return paramcd
    return ""


PENDING = "Response still possible"
CATEGORIES = ("Confirmed response", "Unconfirmed response", "No response")
FLAGS = {"PRIMARY": "PRIMFL", "RESCREENED": "RESCTRFL"}


def _bars(population: str) -> pd.DataFrame:
    """Each treated patient's best change and response; patient-level."""
    adrs, adsl = ard.dataset("adrs"), ard.dataset("adsl")
    subjects = adsl.loc[adsl[FLAGS[population]] == "Y", "USUBJID"]
    best = adrs[(adrs["PARAMCD"] == "PSABEST") & adrs["USUBJID"].isin(subjects)]

    def responded(paramcd: str) -> pd.Series:
        of_parameter = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
        return best["USUBJID"].map(of_parameter) == "Y"

    confirmed, unconfirmed, none = CATEGORIES
    category = pd.Series(none, best.index).mask(responded("PSARESPU"), unconfirmed)
    category = category.mask(responded("PSAPEND"), PENDING)
    category = category.mask(responded("PSARESP"), confirmed)
    known = int(best["AVAL"].notna().sum())
    tumour = adrs[adrs["PARAMCD"] == _strip_of(adrs)].drop_duplicates("USUBJID")
    codes = best["USUBJID"].map(tumour.set_index("USUBJID")["AVALC"]).fillna("")
    return pd.DataFrame(
        {
            "subject": best["USUBJID"],
            "change": best["AVAL"],
            "category": category,
            "strip": codes.replace({"NON-CR/NON-PD": "NN", "NE": formats.NEV}),
            "mark": "*" if population == "RESCREENED" else "",
            "block": f"{short(population)} (n = {known})",
        }
    )


def _categories(bars: pd.DataFrame) -> tuple[str, ...]:
    """The categories of a figure; a response that is still possible is one where there is such a patient."""
    pending = (PENDING,) if (bars["category"] == PENDING).any() else ()
    return (*CATEGORIES[:2], *pending, *CATEGORIES[2:])


def waterfall() -> Figure:
    """`tlf-psa-waterfall`: best change of each patient of the primary set; re-screened patients in a block of their own."""
    from sap.displays.plots import waterfall as waterfall_plot

    bars = pd.concat([_bars("PRIMARY"), _bars("RESCREENED")], ignore_index=True)
    course, rule = stated(ard.plan().psa_course), stated(ard.plan().psa_response)
    if bars["change"].notna().sum() == 0:
        return Figure("tlf-psa-waterfall", None, "", absent=NO_CHANGE)
    changes, responses = results("psa_change"), results("psa_response")
    place = ArdKey(population="PRIMARY", paramcd="PSABEST", level="")
    n, missing = changes.count("n", **place), changes.count("n_missing", **place)
    median = changes.fixed("median", 1, **place)
    confirmed = responses.count(population="PRIMARY")
    stripped = _strip_of(ard.dataset("adrs"))
    if not stripped:
        bars = bars.drop(columns="strip")
    plot = waterfall_plot(
        bars,
        cap=course.display_cap_pct,
        lines=[-rule.decline_pct],
        order=_categories(bars),
        y_title="Best change of PSA (%)",
        x_title="Patients",
    )
    alt = (
        f"Waterfall plot of the best change of PSA: {n.text} patients of the primary set, median change "
        f"{median.text} percent, {confirmed.text} with a confirmed response."
    )
    cap = formats.as_collected(course.display_cap_pct)
    notes: list[Note] = [
        f"Increases are truncated at {cap}%; their value is printed.",
        RichText("Primary set: patients with a bar, ", n, "; without a change, ", missing, "."),
    ]
    if stripped:
        assessor = stated(ard.plan().tumour).assessor
        notes.append(f"Below the bars, the {STRIP[stripped].format(assessor=assessor)}.")
    if rule.first_fall_within_days is not None:
        notes.append(
            RichText(
                "A bar beyond the dashed line is no response where the decline was first seen after day ",
                plan_text.number("psa_response.first_fall_within_days"),
                ".",
            )
        )
    if (bars["category"] == PENDING).any():
        notes.append(
            "Response still possible at the data cut-off: no confirmed response yet; it counts as none in the tables."
        )
    if bars["mark"].astype(bool).any():
        again = ArdKey(population="RESCREENED", paramcd="PSABEST", level="")
        with_bar, without = changes.count("n", **again), changes.count("n_missing", **again)
        words = short("RESCREENED")
        notes.append(
            RichText(
                f"{words}: patients with a bar, ", with_bar, "; without a change, ", without, "."
            )
        )
        alt += " Patients treated through re-screening are in a separate block, with an asterisk."
        notes.append(
            "* Treated through re-screening; not included in any count of the primary set."
        )
    return Figure(
        "tlf-psa-waterfall", plot, alt, height=3.0, notes=notes, numbers=(n, median, confirmed)
    )


def spider() -> Figure:
    """`tlf-psa-spider`: the change of PSA over time of each patient of the primary set."""
    from sap.displays.plots import LOWEST_RATIO
    from sap.displays.plots import spider as spider_plot

    adpsa, adsl = ard.dataset("adpsa"), ard.dataset("adsl").set_index("USUBJID")
    bars = _bars("PRIMARY").dropna(subset=["change"])
    category = bars.set_index("subject")["category"]
    values = adpsa[(adpsa["ANL01FL"] == "Y") & adpsa["PCHG"].notna()]
    values = values[values["USUBJID"].isin(category.index)]
    if values.empty:
        return Figure("tlf-psa-spider", None, "", absent=NO_CHANGE)
    days = (values["ADT"] - values["USUBJID"].map(adsl["TRTSDT"])).dt.days
    later = pd.DataFrame({"subject": values["USUBJID"], "time": days / 7, "change": values["PCHG"]})
    start = pd.DataFrame({"subject": category.index, "time": 0.0, "change": 0.0})
    courses = pd.concat([start, later], ignore_index=True)
    rule = stated(ard.plan().psa_response)
    plot = spider_plot(
        courses.assign(category=courses["subject"].map(category)),
        lines=[-rule.decline_pct],
        order=_categories(bars),
        x_title="Weeks since the first dose",
        y_title="PSA relative to baseline (log2 scale)",
    )
    n = results("psa_change").count("n", population="PRIMARY", paramcd="PSABEST", level="")
    confirmed = results("psa_response").count(population="PRIMARY")
    alt = (
        f"Spider plot of the change of PSA over time: {n.text} patients of the primary set, "
        f"{confirmed.text} of them with a confirmed response."
    )
    notes: list[Note] = [
        RichText("Patients of the primary set with a line: ", n, "."),
        f"Dashed line: a decline of {formats.as_collected(rule.decline_pct)}%. A symbol marks the last value.",
    ]
    if (courses["change"] < 100 * (LOWEST_RATIO - 1)).any():
        notes.append("Ratios below 1/128 are drawn at 1/128.")
    return Figure("tlf-psa-spider", plot, alt, notes=notes, numbers=(n, confirmed))


def _of_primary(label: str, level: str) -> str:
    return f"{label}; missing: non-responders" if level == "primary" else label


def estimand() -> Figure:
    """`tlf-psa-estimand`: the sensitivity analyses of the primary response rate."""
    from sap.displays.plots import forest

    rates = results("psa_estimand")
    # The worst case is the primary analysis, and is named there.
    levels = [level for level in rates.values("level") if level != "worst_case"]
    statistics = ("estimate", "conf_low", "conf_high")
    rows = []
    for level in levels:
        values = [100 * rates.find(name, level=level).value for name in statistics]
        estimate, low, high = (rates.rate(name, level=level).text for name in statistics)
        rows.append(
            {
                "label": _of_primary(rates.label("level", level), level),
                "n_text": "/".join(rates.count(name, level=level).text for name in ("n", "N")),
                "text": f"{estimate} ({low}, {high})",
                **dict(zip(("estimate", "low", "high"), values, strict=True)),
            }
        )
    primary = rows[levels.index("primary")]
    p0 = ard.plan().design.p0
    level_of_interval = ci_header(rates, level="primary").removesuffix(" (%)")
    plot = forest(
        pd.DataFrame(rows),
        reference=100 * p0,
        x_title="PSA response rate (%)",
        reference_words=f"p0 = {formats.proportion(p0)} %",
        columns=("Analysis", "n/N", f"% ({level_of_interval})"),
    )
    alt = (
        f"Forest plot of the PSA response rate in {len(rows)} analyses. The primary analysis has "
        f"{primary['n_text']}, {primary['text']} percent; the dashed line is p0, "
        f"{formats.proportion(p0)} percent."
    )
    numbers = [rates.rate(name, level=level) for level in levels for name in statistics]
    primary_has = f"The interval of the primary result (the first line) {OTHER_INTERVALS}"
    notes = [primary_has] if _two_intervals() else []
    return Figure("tlf-psa-estimand", plot, alt, height=3.2, numbers=numbers, notes=notes)


EVENTS: dict[str, Event] = {
    "ICESTOP": "treatment stopped",
    "ICETHER": "new anticancer therapy",
    "ICEDTH": "death",
}
"""The parameter of each intercurrent event of the estimand that is counted."""
MISSING = ("ICEMISS", "ICEPEND")
POLICY = "treatment policy"


def events() -> Table:
    """`tlf-intercurrent`: a row for each intercurrent event that ends the values or the response.

    The end of treatment has its reasons below it; missing values are no intercurrent events and are in a
    block of their own. Events under the treatment-policy strategy change nothing and are named in a note.
    """
    counts = results("intercurrent_events")
    codes = counts.values("paramcd")
    estimands = ard.plan().estimands
    primary = None if estimands is None else estimands.of("psa_response")

    def line(code: str, event: Event | None = None, level: str = "", kind: RowKind = "") -> Row:
        place = ArdKey(paramcd=code, level=level)
        label = coded(counts.label("level", level)) if level else counts.label("paramcd", code)
        strategy = primary.strategy(event) if primary and event else None
        cells: list[Content] = [n_pct(counts.count(**place), counts.percent(**place))]
        if primary:
            cells.append((strategy or "").capitalize())
        return Row(label, cells, kind)

    rows: list[Row] = []
    for code, event in EVENTS.items():
        if code in codes:
            rows.append(line(code, event))
        reasons = [level for level in counts.values("level", paramcd=code) if level]
        known = [r for r in reasons if counts.find("n", paramcd=code, level=r).value]
        rows += [line(code, level=reason, kind="indent1") for reason in known]
    rows.append(Row("Missing data (no intercurrent event)", kind="group"))
    rows += [line(code, kind="indent1") for code in MISSING]
    heads = [Column("Patients, n (%)", counts.count("N", paramcd=codes[0], level=""))]
    heads += [Column("Strategy", numeric=False)] if primary else []
    therapy = (
        ", new anticancer therapy" if stated(ard.plan().psa_response).stop_at_new_therapy else ""
    )
    period = RichText(
        f"The PSA assessment period ends at death{therapy} or ",
        plan_text.number("psa_response.days_after_last_cycle"),
        " days after the last infusion, whichever comes first. A missed sample or the end of treatment "
        "does not end it: until then a response can still be confirmed.",
    )
    notes: list[Note] = [period]
    ignored = (
        [e.event for e in primary.intercurrent_events if e.strategy == POLICY] if primary else []
    )
    if ignored:
        notes.append(
            f"Not counted here, because all values count whether they occur or not (treatment policy): "
            f"{', '.join(ignored)}."
        )
    return Table("tlf-intercurrent", "Before a confirmed response", heads, rows, notes=notes)


ESTIMATES = {
    "mle": "Maximum likelihood (%)",
    "umvue": "UMVUE (%)",
    "median_unbiased": "Median-unbiased (%)",
    "bias_adjusted": "Bias-adjusted (%)",
    "conditional_mle": "Conditional maximum likelihood (%)",
}


def two_stage() -> Table:
    """`tlf-two-stage`: two-stage adjusted inference, with the Clopper-Pearson interval."""
    inference = results(ard.plan().two_stage_analysis)
    columns = [Column("Value", numeric=False)]
    if not len(inference):
        absent = "Not applicable: the plan's design has a single stage."
        return Table("tlf-two-stage", "Statistic", columns, [], absent=absent)

    def responders(n: str, of: str) -> tuple[Cell]:
        return (Cell(inference.count(n), " of ", inference.count(of)),)

    rows = [
        Row("Responders, stage 1", responders("responders_stage1", "n1_attained")),
        Row("Responders, total", responders("n", "N")),
        Row("Estimates of the response rate", kind="group"),
    ]
    rows += [Row(label, (inference.rate(name),), "indent1") for name, label in ESTIMATES.items()]
    rows.append(Row("Intervals and test", kind="group"))
    rows += _intervals(inference)
    rows.append(Row("p, one-sided", (inference.p_value(),), "indent1"))
    rows.append(Row("Decision", (inference.words("decision"),), "indent1"))
    notes: list[Note | TiedNote] = [
        "Outcomes are ordered by total responders.",
        TiedNote(
            "Stage 1: the first patients of the primary set by first dose.",
            rows={"stat": ["responders_stage1"]},
        ),
    ]
    if inference.has("stage2_began"):
        dates: dict[str, Number] = {
            "First dose of the last patient of stage 1": inference.words("stage1_full"),
            "First dose of the first patient of stage 2": inference.words("stage2_began"),
            "Responses in stage 1 confirmed by then": inference.count("responders_by_then"),
        }
        rows.append(Row("Start of stage 2", kind="group"))
        rows += [Row(label, (number,), "indent1") for label, number in dates.items()]
        known_then = (
            "No decision at the end of stage 1 is recorded in the data; this was known then."
        )
        when: Where = {"stat": ["stage1_full", "stage2_began", "responders_by_then"]}
        notes.append(TiedNote(known_then, groups=when))
    return Table("tlf-two-stage", "Statistic", columns, rows, notes=notes)


def _intervals(inference: Results) -> list[Row]:
    exact = limits(inference.rate("conf_low"), inference.rate("conf_high"))
    header = ci_header(inference)
    rows = [Row(f"{header}, equal-tailed exact (Jung-Kim)", (exact,), "indent1")]
    if inference.has("coverage"):
        coverage = inference.rate("coverage")
        rows.append(Row("Minimum coverage of this interval (%)", (coverage,), "indent1"))
    if ard.plan().intervals.primary_interval == "clopper-pearson":
        simple = results(ard.plan().primary.endpoint)
        both = (simple.rate(name, population="PRIMARY") for name in ("conf_low", "conf_high"))
        rows.append(Row(f"{header}, Clopper-Pearson", (limits(*both),), "indent1"))
    return rows
