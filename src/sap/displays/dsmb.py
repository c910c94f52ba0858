"""The board's own displays: answers first, the stopping rule, accrual, conduct, what changed.

The same functions serve the open and the closed report: a closed display prints nothing in the open
one (`frame.block`). Counts are exact in both.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from sap import ard
from sap.displays import formats, plan_text, record
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import NO_BREAK_SPACE, RichText
from sap.displays.register import register
from sap.displays.response import ci_header
from sap.displays.table import Cell, Column, Content, Row, RowKind, Table, limits, n_pct, span
from sap.errors import UsageError


def _table(name: str, otherwise: Any) -> Any:
    """A table of the run that need not be there."""
    try:
        return ard.table(name)
    except UsageError:
        return otherwise


def is_open() -> bool:
    """Whether this is the open report."""
    return str(ard.run_facts().get("audience", "")) == "open"


# ---- prose ---------------------------------------------------------------------------------------


def audience() -> RichText:
    """Who may read this report, and what it leaves out."""
    if is_open():
        return RichText(
            "This is the open report: it may go to the sponsor and the investigators. It holds pooled "
            "safety and the conduct of the trial. Response, survival and where the stopping rule for "
            "futility stands are in the closed report; sections and tables have the same numbers in "
            "both, so some numbers are missing here."
        )
    return RichText(
        "This is the closed report, for members of the board only: the open report, and response, "
        "survival, the stopping rule and single patients."
    )


def _died() -> list[str | Number]:
    """The sentence on deaths: those in the window, whatever their cause, and the causes."""
    found = results("board_deaths")
    parts: list[str | Number] = []
    for level in found.values("level"):
        where = level[0].lower() + level[1:]
        known = where.startswith("within")
        whole = found.count(level=level, sublevel="")
        parts += [whole, f" died {where}" if known else f" died, {where}"]
        if whole.text != "0":
            named: list[str | Number] = []
            for cause in found.values("sublevel", level=level):
                n = found.count(level=level, sublevel=cause) if cause else None
                if n is not None and n.text != "0":
                    named += ["; " if named else "", f"{cause[0].lower()}{cause[1:]}: ", n]
            parts += [" (", *named, ")"]
        parts.append(". ")
    return parts


def _died_in_all() -> list[str | Number]:
    """How many treated patients died until the cut-off and of what; nothing in the open report."""
    found = results("deaths")
    if is_open() or not found.has("n", group="", level="All", sublevel=""):
        return []
    parts: list[str | Number] = [
        "Until the cut-off ",
        found.count(group="", level="All", sublevel=""),
    ]
    parts.append(" died at any time")
    named: list[str | Number] = []
    for cause in found.values("sublevel", level="All"):
        n = found.count(group="", level="All", sublevel=cause) if cause else None
        if n is not None and n.text != "0":
            named += ["; " if named else "", f"{cause[0].lower()}{cause[1:]}: ", n]
    return [*parts, *([" (", *named, ")"] if named else []), ". "]


def _toxicity() -> Results | None:
    found = results("toxicity_monitoring")
    return found if found.has("decision", level="") else None


def safe() -> RichText:
    """What bears on the first question."""
    found, tox = results("ae_overview"), _toxicity()
    fatal = found.count(level="Fatal")
    whole = found.count("N", level="Any")
    parts: list[str | Number] = [
        "Of ", whole, " treated patients ", fatal, " had a fatal adverse event and ",
        found.count(level="Related, serious"), " a serious one that was related to treatment. ",
        "Of all causes, adverse event or not, ", *_died(), *_died_in_all(),
    ]  # fmt: skip
    if tox is None:
        parts.append("The plan has no stopping boundary for toxicity.")
        return RichText(*parts)
    if not tox.find("N", level="").value:
        parts.append(
            "No patient has been treated, so the boundary for toxicity has nothing to count."
        )
        return RichText(*parts)
    state = tox.words("decision", level="")
    parts += [
        "The boundary for toxicity is ", state, " (patients with the toxicity: ", tox.count(level=""),
        "; the trial stops at ", tox.count("boundary", level=""), ").",
    ]  # fmt: skip
    return RichText(*parts)


def boundary() -> RichText:
    """What bears on the second question."""
    found = results("interim")
    if not found.has("decision", level="Stage 1"):
        whole = ArdKey(level="In all", group="")
        return RichText(
            "The design has one stage and no boundary before its end: ",
            found.count(**whole), " of ", found.count("N", **whole),
            " patients have a confirmed response so far, and ", found.count("n_missing", **whole),
            " are pending.",
        )  # fmt: skip
    place = ArdKey(level="Stage 1", group="")
    return RichText(
        found.words("decision", **place), ". Confirmed responses: ", found.count(**place), " of ",
        found.count("N", **place), " patients (stop when at most ", found.count("r1", **place), " of ",
        found.count("n_planned", **place), "). Patients pending: ", found.count("n_missing", **place), ".",
    )  # fmt: skip


def conduct() -> RichText:
    """What bears on the third question."""
    days = results("data_currency")
    followed = ArdKey(paramcd="DAYS", level="All followed")
    due = ArdKey(paramcd="RESULTS", level="")
    left = results("board_left")
    primary = results("analysis_sets").count(population="PRIMARY")
    return RichText(
        "Treated of the ", plan_text.number("design.n"), " patients planned for the primary set: ",
        primary, ". Of all ", left.count("N", level="Withdrew"), " treated patients, lost to follow-up: ",
        left.count(level="Lost to follow-up"), ", withdrew: ", left.count(level="Withdrew"), ". Of ",
        days.count("N", **followed), " patients still followed, overdue for a contact: ",
        days.count("n_late", **followed), "; of ", days.count("N", **due),
        " PSA results that are due, missing: ", days.count("n_missing", **due),
        ". Of the data contracts, critical findings: ", record.found_of("critical"), ", warnings: ",
        record.found_of("warning"), ".",
    )  # fmt: skip


def rule() -> RichText:
    """The stopping rules as the plan has them; this is no result."""
    d = ard.table("plan")["design"]
    parts: list[str | Number] = []
    if d["kind"] == "two-stage":
        parts += [
            "The trial stops for futility after ", plan_text.number("design.n1"),
            " patients of the primary set when at most ", plan_text.number("design.r1"),
            " have a confirmed PSA response (Simon's design). ",
        ]  # fmt: skip
    else:
        parts.append("The design has a single stage and no rule for futility. ")
    tox = ard.table("plan").get("toxicity_monitoring")
    if tox:
        parts += [
            f"It stops for toxicity when too many patients have {tox['name'].lower()} of grade ",
            plan_text.number("toxicity_monitoring.from_grade"),
            " or above: the boundary stops a trial whose true rate is ",
            plan_text.number("toxicity_monitoring.p0"), " with a probability of at most ",
            plan_text.number("toxicity_monitoring.alpha"), ". ",
        ]  # fmt: skip
    if not is_open():
        parts += [
            "The rate not worth treating is p0, ", plan_text.number("design.p0"), "; the rate worth treating is p1, ",
            plan_text.number("design.p1"), "; at the end H0, a rate of at most p0, is rejected when more than ",
            plan_text.number("design.r"), " of ", plan_text.number("design.n"), " patients respond. ",
        ]  # fmt: skip
    parts.append(
        "All of this is an assumption of the plan: no public source states a rule for this trial."
    )
    return RichText(*parts)


def previous() -> RichText:
    """The report that this one is compared with."""
    before = (_table("changes", None) or {}).get("previous")
    if not before:
        return RichText("No earlier report was given to compare with.")
    return RichText(
        f"The report before this one had the data cut-off {before['cut_off']} "
        f"({before['cut_off_name']}, frozen as {before['cut_id']}). A number has changed when any digit "
        "of it has."
    )


def compared(closed: bool) -> RichText:
    """What the displays of section 7 hold, or will."""
    if not (_table("changes", None) or {}).get("previous"):
        return RichText("is filled once there is an earlier report.")
    if closed:
        return RichText("counts what moved, display by display.")
    return RichText(
        "sets the key numbers side by side. Every number that is new, gone or moved stands in the "
        "file changes.csv, beside this report."
    )


def new_terms() -> RichText:
    """The preferred terms of adverse events that the last report did not have."""
    changes = _table("changes", None) or {"previous": None, "rows": []}
    if not changes["previous"]:
        return RichText("")
    seen = {"new": set[str](), "gone": set[str]()}
    for row in changes["rows"]:
        analysis, _, group, paramcd, _, sublevel, stat = str(row["key"]).split("|")
        if (analysis, group, paramcd, stat) != ("ae_soc_pt", "", "ANY", "n") or not sublevel:
            continue
        if row["change"] in seen:
            seen[row["change"]].add(coded(sublevel.replace("%7C", "|").replace("%25", "%")))
    said = []
    for change, words in (("new", "not seen before"), ("gone", "in the last report alone")):
        named = ", ".join(sorted(seen[change])) or "none"
        if change == "new" or seen[change]:
            said.append(f"Preferred terms {words}: {named}.")
    return RichText(" ".join(said))


# ---- 1 answers -----------------------------------------------------------------------------------


def safe_table() -> Table:
    """Table 1-1: the figures behind "is it safe to go on"."""
    found = results("ae_overview")
    severe = next(v for v in found.values("level") if v.startswith("Grade >= "))
    rows = [
        Row(words, (n_pct(found.count(level=level), found.percent(level=level)), place))
        for words, level, place in (
            (f"Adverse event of grade {severe.removeprefix('Grade ')}", severe, "Table 14.3.1.2"),
            ("Serious adverse event", "Serious", "Table 14.3.1.1"),
            ("Serious and related", "Related, serious", "Table 14.3.1.1"),
            (
                "Drug withdrawn, by the action recorded",
                "Leading to discontinuation",
                "Table 14.3.1.1",
            ),
            ("Fatal adverse event", "Fatal", "Table 14.3.1.1"),
        )
    ]
    dead, more = results("board_deaths"), "Listing 14.3.2.1"
    for level in dead.values("level"):
        kind: RowKind = ""
        for cause in dead.values("sublevel", level=level):
            place = ArdKey(level=level, sublevel=cause)
            if cause and dead.count(**place).text == "0":
                continue
            where = f"Death {level[0].lower()}{level[1:]}, of any cause"
            kind = "indent1" if cause else ""
            cells = (n_pct(dead.count(**place), dead.percent(**place)), "" if is_open() else more)
            rows.append(Row(cause or where, cells, kind))
    ever = results("deaths")
    whole = ArdKey(group="", level="All", sublevel="")
    if not is_open() and ever.has("n", **whole):
        share = n_pct(ever.count(**whole), ever.percent(**whole))
        rows.append(Row("Death at any time, of any cause", (share, "Table 14.3.1.7")))
    tox = _toxicity()
    state: Content = "not planned" if tox is None else tox.words("decision", level="")
    rows.append(Row("Stopping boundary for toxicity", (state, "Table 2-1")))
    columns = [
        Column("Patients, n (%)", found.count("N", level="Any")),
        Column("More in", numeric=False),
    ]
    return Table("tlf-dsmb-safe", "Safety", columns, rows)


def boundary_table() -> Table:
    """Table 1-2: the figures behind "is the boundary crossed"."""
    found = results("interim")
    level = "Stage 1" if found.has("decision", level="Stage 1") else "In all"
    place = ArdKey(level=level, group="")
    rows = []
    if level == "Stage 1":
        rows.append(Row("State", (found.words("decision", **place), "Table 2-2")))
    rows += [
        Row("Confirmed responders", (Cell(found.count(**place), " of ", found.count("N", **place)), "Table 14.2.1.1")),
        Row("Patients whose answer can still come", (found.count("n_missing", **place), "Table 2-2")),
        Row(
            "Predictive probability of rejecting H0 at the end (%)",
            (found.percent("predictive_power", group="Outlook", level=VIEWS[1]), "Table 2-3"),
        ),
    ]  # fmt: skip
    columns = [Column("Value", numeric=False), Column("More in", numeric=False)]
    return Table("tlf-dsmb-boundary", level, columns, rows)


def conduct_table() -> Table:
    """Table 1-3: the figures behind "is the conduct sound".

    Six lines: with one more the closed report's first page of answers would not hold all three tables.
    """
    flow, days = results("flow"), results("data_currency")
    followed, due = (
        ArdKey(paramcd="DAYS", level="All followed"),
        ArdKey(paramcd="RESULTS", level=""),
    )

    left, sets = results("board_left"), results("analysis_sets")

    def box(level: str) -> Number:
        return flow.count(level=level, paramcd="BOX")

    treated = left.count("N", level="Withdrew")
    rows = [
        Row(
            "Patients who consented to screening, were sampled, qualified for cabazitaxel",
            (Cell(box("Consented"), ", ", box("Sampled"), ", ", box("Qualifies for group B")), "Table 3-1"),
        ),
        Row("Treated patients of the primary set, of those planned", (Cell(sets.count(population="PRIMARY"), " of ", plan_text.number("design.n")), "Table 14.1.1")),
        Row(
            "Of all treated patients, re-screened ones included: lost to follow-up, withdrew",
            (Cell(left.count(level="Lost to follow-up"), ", ", left.count(level="Withdrew"), " of ", treated), ""),
        ),
        Row("Followed patients overdue for a contact", (Cell(days.count("n_late", **followed), " of ", days.count("N", **followed)), "Table 6-1")),
        Row("PSA results missing, of those due", (Cell(days.count("n_missing", **due), " of ", days.count("N", **due)), "Table 6-2")),
        Row(
            "Findings of the data contracts: critical, warnings",
            (Cell(record.found_of("critical"), ", ", record.found_of("warning")), "Table 16-1"),
        ),
    ]  # fmt: skip
    columns = [Column("Number", numeric=False), Column("More in", numeric=False)]
    return Table("tlf-dsmb-conduct", "Conduct", columns, rows)


# ---- 2 stopping rules ----------------------------------------------------------------------------

VIEWS = (
    "None of the pending patients responds",
    "Pending patients counted as not yet seen",
    "All of the pending patients respond",
)


def rule_state() -> Table:
    """Table 2-2: responders, pending patients and what the rule says over all their outcomes."""
    found = results("interim")
    levels = [level for level in ("Stage 1", "In all") if found.has("n", level=level, group="")]
    places = [ArdKey(level=level, group="") for level in levels]

    def line(label: str, *names: str) -> Row:
        cells: list[Content] = []
        for place in places:
            if not all(found.has(name, **place) for name in names):
                cells.append("")
            elif len(names) == 2:
                cells.append(
                    Cell(found.count(names[0], **place), " to ", found.count(names[1], **place))
                )
            else:
                cells.append(found.count(names[0], **place))
        return Row(label, cells)

    rows = [
        line("Patients planned", "n_planned"),
        line("Patients treated", "N"),
        line("Confirmed responders", "n"),
        line("Pending: an answer can still come", "n_missing"),
        *waiting(places),
        line(
            "Responders over all outcomes of the pending patients",
            "responders_low",
            "responders_high",
        ),
    ]
    if "Stage 1" in levels:
        rows.append(line("Stop when responders are at most", "r1"))
        for label, name in (
            ("State now", "decision"),
            ("State if no pending patient responds", "decision_low"),
            ("State if every pending patient responds", "decision_high"),
        ):
            words = found.words(name, level="Stage 1", group="")
            rows.append(Row(label, [words, *[""] * (len(levels) - 1)]))
    rows.append(line("H0 is rejected at the end when responders are more than", "r"))
    for label, path in (
        ("p0, a response rate not worth treating (H0)", "design.p0"),
        ("p1, a response rate worth treating", "design.p1"),
    ):
        rows.append(Row(label, [*[""] * (len(levels) - 1), plan_text.number(path)]))
    columns = [Column(level, numeric=False) for level in levels]
    return Table("tlf-dsmb-rule", "Stopping rule for futility", columns, rows)


def waiting(places: Sequence[ArdKey]) -> list[Row]:
    """Of the pending patients: who awaits the confirmation of a fall, and who still has time for one."""
    found = results("interim_pending")
    return [
        Row(words, [found.count(level=p["level"], sublevel=words) for p in places], "indent1")
        for words in found.values("sublevel")
    ]


def outlook() -> Table:
    """Table 2-3: the chance to reject H0 at the end, by what the pending patients do."""
    found = results("interim")
    places = [ArdKey(level=view, group="Outlook") for view in VIEWS]
    rows: list[Row] = [
        Row(
            "Responders of patients with an answer",
            [Cell(found.count(**place), " of ", found.count("N", **place)) for place in places],
        ),
        Row("Conditional power (%), when the true rate is", kind="group"),
    ]
    p1, p0 = plan_text.number("design.p1"), plan_text.number("design.p0")
    for label, name in (
        (Cell("p1, a rate worth treating: ", p1), "conditional_power_p1"),
        (Cell("p0, a rate not worth treating: ", p0), "conditional_power_p0"),
        ("the rate seen so far", "conditional_power_seen"),
    ):
        rows.append(Row(label, [found.percent(name, **place) for place in places], "indent1"))
    rows.append(
        Row(
            "Predictive probability (%)",
            [found.percent("predictive_power", **place) for place in places],
        )
    )
    heads = [
        Column(words, under="Pending patients")
        for words in ("none responds", "not yet seen", "all respond")
    ]
    prior = ard.table("plan")["estimand"]["prior"]
    numbers = ", ".join(formats.as_collected(each) for each in prior)
    notes: list[Note] = [f"Predictive: averaged over the posterior with the prior beta({numbers})."]
    return Table("tlf-dsmb-outlook", "Chance to reject H0 at the end", heads, rows, notes=notes)


def _printed_boundary() -> Cell:
    """Every line of the boundary as the results have it: 3 of 3, 4 of 4 to 5, and so on."""
    found = results("toxicity_boundary")
    cells: list[str | Number] = []
    for level in (level for level in found.values("level") if level):
        first, last = found.count("from_n", level=level), found.count("to_n", level=level)
        cells += [", " if cells else "", found.count("boundary", level=level), " of ", first]
        cells += [] if first.text == last.text else [" to ", last]
    return Cell(*(cells or ["no number of patients"]))


def toxicity() -> Table:
    """Table 2-1: the boundary for toxicity and where the trial stands."""
    tox = _toxicity()
    columns = [Column("Value", numeric=False)]
    absent = "Not planned: the plan has no stopping boundary for toxicity."
    if tox is None:
        return Table("tlf-dsmb-toxicity", "Quantity", columns, [], absent=absent)
    place = ArdKey(level="")
    rows = [
        Row("State", (tox.words("decision", **place),)),
        Row("Patients treated", (tox.count("N", **place),)),
        Row("Patients with the toxicity", (tox.count(**place),)),
        Row("Patients with it that stop the trial, at this number treated", (tox.count("boundary", **place),)),
        Row("Patients for whom the boundary is planned", (tox.count("patients_planned", **place),)),
        Row("Rate that is acceptable (%)", (tox.percent("p0", **place),)),
        Row("Probability of stopping at that rate (%)", (tox.percent("stop_under_p0", **place),)),
    ]  # fmt: skip
    rows.append(
        Row(
            "Stops the trial: patients with the toxicity, of patients treated",
            (_printed_boundary(),),
        )
    )
    found = results("toxicity_oc")
    rows.append(
        Row(
            "Probability of stopping (%), with the patients treated on average, when the true rate is",
            kind="group",
        )
    )
    for level in found.values("level"):
        stops, n = (
            found.percent("probability_of_stopping", level=level),
            found.fixed("expected_n", 1, level=level),
        )
        rate = Cell(found.percent("p", level=level), f"{NO_BREAK_SPACE}%")
        rows.append(Row(rate, (Cell(stops, " (", n, " patients)"),), "indent1"))
    return Table("tlf-dsmb-toxicity", "Stopping rule for toxicity", columns, rows)


# ---- 3 accrual -----------------------------------------------------------------------------------

STEPS = {
    "CONSENTED": "Consented",
    "SAMPLED": "Sampled",
    "QUALIFIED": "Qualified",
    "ALLOCATED": "Allocated to cabazitaxel",
    "TREATED": "Treated",
}


def accrual_figure() -> Figure:
    """Figure 3-1: cumulative accrual by month."""
    from sap.displays.plots import accrual

    found = results("accrual")
    months = found.values("level")
    if not months:
        return Figure("tlf-dsmb-accrual", None, "", absent="Not in the data: no patient consented.")
    drawn = {code: words for code, words in STEPS.items() if code != "QUALIFIED"}
    counts = pd.DataFrame(
        [
            {"month": month, "step": words, "n": found.find("n", paramcd=code, level=month).value}
            for code, words in drawn.items()
            for month in sorted(months)
        ]
    )
    last = max(months)
    now = {code: found.count(paramcd=code, level=last) for code in drawn}
    plot = accrual(
        counts,
        target=float(ard.table("plan")["design"]["n"]),
        order=list(drawn.values()),
        x_title="Month",
        y_title="Patients, cumulative",
    )
    alt = (
        f"Cumulative accrual by month until {last}: {now['CONSENTED'].text} patients consented, "
        f"{now['SAMPLED'].text} were sampled, {now['ALLOCATED'].text} allocated to cabazitaxel and "
        f"{now['TREATED'].text} treated. The thin broken line is the planned size of the primary set."
    )
    return Figure("tlf-dsmb-accrual", plot, alt, height=3.4, numbers=tuple(now.values()))


def accrual_table() -> Table:
    """Table 3-1: the same counts at the end of each quarter, with the yield of the screening."""
    found = results("accrual")
    months = sorted(found.values("level"))
    quarters = [m for m in months if int(m[5:]) % 3 == 0 or m == months[-1]]
    rows = []
    for month in quarters:
        at = {code: ArdKey(paramcd=code, level=month) for code in STEPS}
        shown: list[Content] = [found.count(**at[code]) for code in ("CONSENTED", "SAMPLED")]
        share = at["QUALIFIED"]
        shown.append(n_pct(found.count(**share), found.percent(**share)))
        shown.append(
            limits(found.percent("conf_low", **share), found.percent("conf_high", **share))
        )
        shown += [found.count(**at[code]) for code in ("ALLOCATED", "TREATED")]
        rows.append(Row(month, shown))
    level = ci_header(found, paramcd="QUALIFIED", level=months[-1]) if months else "CI"
    columns = [
        Column("Consented"),
        Column("Sampled"),
        Column("Qualified, n (% of sampled)"),
        Column(level),
        Column("Allocated to cabazitaxel"),
        Column("Treated"),
    ]
    return Table(
        "tlf-dsmb-accrual-quarters",
        "End of",
        columns,
        rows,
        absent="Not in the data: no patient consented.",
    )


# ---- 6 conduct -----------------------------------------------------------------------------------


def currency() -> Table:
    """Table 6-1: days from the last contact to the cut-off."""
    found = results("data_currency")
    levels = ("On treatment", "Follow-up", "All followed")
    places = [ArdKey(paramcd="DAYS", level=level) for level in levels]
    rows = [
        Row("Days since the last contact", kind="group"),
        Row("Median", [found.fixed("median", 1, **p) for p in places], "indent1"),
        Row("Quartiles", [span(found.fixed("q1", 1, **p), found.fixed("q3", 1, **p)) for p in places], "indent1"),
        Row("Longest", [found.fixed("max", 0, **p) for p in places], "indent1"),
        Row("Overdue for a contact, n (%)", [n_pct(found.count("n_late", **p), found.percent(**p)) for p in places]),
    ]  # fmt: skip
    columns = [
        Column(level, found.count("N", **place))
        for level, place in zip(levels, places, strict=True)
    ]
    return Table("tlf-dsmb-currency", "Currency of the data", columns, rows)


def psa_due() -> Table:
    """Table 6-2: PSA results that are due at an infusion."""
    found = results("data_currency")
    due = ArdKey(paramcd="RESULTS", level="")
    rows = [
        Row("Due", (found.count("N", **due),)),
        Row("There, n (%)", (n_pct(found.count(**due), found.percent(**due)),)),
        Row("Missing", (found.count("n_missing", **due),)),
    ]
    return Table("tlf-dsmb-psa-due", "PSA results", [Column("Results")], rows)


def _day(value: Any) -> str:
    return "" if pd.isna(value) else pd.Timestamp(str(value)).strftime("%Y-%m-%d")


def overdue() -> Table:
    """Listing 6-2: patients overdue for a contact, and patients with a PSA result missing."""
    adcur = ard.dataset("adcur")
    mine = adcur[(adcur["LATEFL"] == "Y") | (adcur["PSAMISS"] > 0)]
    rows = [
        Row(
            str(subject["USUBJID"]),
            (
                str(subject["STATUS"]).capitalize(),
                _day(subject["LASTDT"]),
                str(int(subject["DAYS"])),
                "overdue" if subject["LATEFL"] == "Y" else "",
                f"{int(subject['PSAMISS'])} of {int(subject['PSAEXP'])}",
            ),
            address=f"ADCUR|{subject['USUBJID']}",
        )
        for _, subject in mine.sort_values("USUBJID").iterrows()
    ]
    heads = (
        "Status",
        "Last contact",
        "Days before the cut-off",
        "Contact",
        "PSA results missing of those due",
    )
    return Table(
        "tlf-dsmb-overdue", "Patient", [Column(words, numeric=False) for words in heads], rows,
        absent="No patient is overdue, and no PSA result that is due is missing.",
    )  # fmt: skip


def findings() -> Table:
    """Table 16-1, as in the study report; the open one names no rows."""
    return record.findings()


# ---- 7 what changed ------------------------------------------------------------------------------

HEADLINES: tuple[tuple[str, str, ArdKey, str, str], ...] = (
    ("Patients who consented", "flow", ArdKey(paramcd="BOX", level="Consented"), "n", "count"),
    ("Patients sampled", "flow", ArdKey(paramcd="BOX", level="Sampled"), "n", "count"),
    ("Patients who qualified", "flow", ArdKey(paramcd="BOX", level="Qualifies for group B"), "n", "count"),
    ("Patients treated", "ae_overview", ArdKey(level="Any"), "N", "count"),
    ("Patients with a serious adverse event", "ae_overview", ArdKey(level="Serious"), "n", "count"),
    ("Patients with a fatal adverse event", "ae_overview", ArdKey(level="Fatal"), "n", "count"),
    ("Treated patients lost to follow-up", "board_left", ArdKey(level="Lost to follow-up"), "n", "count"),
    ("Treated patients who withdrew", "board_left", ArdKey(level="Withdrew"), "n", "count"),
    ("Followed patients overdue", "data_currency", ArdKey(paramcd="DAYS", level="All followed"), "n_late", "count"),
    ("PSA results missing", "data_currency", ArdKey(paramcd="RESULTS"), "n_missing", "count"),
    ("Confirmed responders", "psa_response", ArdKey(population="PRIMARY"), "n", "count"),
    ("Patients in the primary set", "psa_response", ArdKey(population="PRIMARY"), "N", "count"),
    ("Deaths in the primary set", "os", ArdKey(population="PRIMARY", paramcd="OS", level=""), "n_events", "count"),
)  # fmt: skip


def _printed(text: str) -> str:
    """A count of an earlier ARD as this report prints it; words stay as they are."""
    try:
        return formats.count(float(text))
    except ValueError:
        return text or formats.NOT_CALCULATED


def key_numbers() -> Table:
    """Table 7-1: the headline numbers before and now."""
    changes = _table("changes", None)
    columns = [Column("Before"), Column("Now")]
    absent = "No earlier report was given to compare with."
    if not changes or not changes["previous"]:
        return Table("tlf-dsmb-then-now", "Number", columns, [], absent=absent)
    before = {row["key"]: row["before"] for row in changes["rows"]}
    rows = []
    for words, analysis, place, name, _ in HEADLINES:
        found = results(analysis)
        if not found.has(name, **place):
            continue
        now = found.count(name, **place)
        then = Number(_printed(before.get(now.key, "")), f"changes|before|{now.key}")
        rows.append(Row(words, (then, now)))
    return Table("tlf-dsmb-then-now", "Number", columns, rows, absent=absent)


def changed() -> Table:
    """Table 7-2: by display, how many numbers are new, gone, moved or the same."""
    changes = _table("changes", None)
    kinds = ("moved", "new", "gone", "same")
    columns = [Column(kind.capitalize()) for kind in kinds]
    absent = "No earlier report was given to compare with."
    if not changes or not changes["previous"]:
        return Table("tlf-dsmb-changed", "Analysis", columns, [], absent=absent)
    tally = Counter((row["key"].split("|")[0], row["change"]) for row in changes["rows"])
    rows = [
        Row(
            label,
            [
                Number(formats.count(float(tally[name, kind])), f"changes|{kind}|{name}")
                for kind in kinds
            ],
        )
        for label, name in _shown_in(sorted({analysis for analysis, _ in tally}))
        if any(tally[name, kind] for kind in kinds[:3])
    ]
    return Table("tlf-dsmb-changed", "Where it stands", columns, rows, absent=absent)


def _shown_in(analyses: list[str]) -> list[tuple[str, str]]:
    """Each analysis, and the table it stands in, in the order of the tables' numbers.

    A number is told once, where it belongs: in the first end-of-text table (14) that shows it, else
    in the first table of a chapter. What a curve alone shows moves with the curve and is left out.
    """
    tables = [entry for _, entry in register().by_number("table")]
    tables.sort(key=lambda entry: not entry.number.startswith("14."))
    found: dict[str, str] = {}
    for entry in tables:
        for name in entry.analysis:
            several = f" ({name})" if len(entry.analysis) > 1 else ""
            if name in analyses:
                found.setdefault(name, f"{entry.label} {entry.title}{several}")
    return [(label, name) for name, label in found.items()]


# ---- 8 the board ---------------------------------------------------------------------------------


def actions() -> Table:
    """Table 8-1: what the board asked for before, and what came of it."""
    rows = [
        Row(str(one["date"]), (str(one["meeting"]), str(one["action"]), str(one["resolution"])))
        for one in _table("actions", [])
    ]
    heads = ("Meeting", "Action", "What came of it")
    return Table(
        "tlf-dsmb-actions", "Date", [Column(words, numeric=False) for words in heads], rows,
        absent="No earlier meeting of the board is on record.",
    )  # fmt: skip


def cut() -> RichText:
    """Which cut this report stands on."""
    facts = ard.run_facts()
    planned = "planned" if facts["planned"] else "unplanned"
    return RichText(
        f"Data cut-off {facts['cut_off']} ({facts['cut_off_name']}, {planned}), frozen as{NO_BREAK_SPACE}"
        f"{facts['cut_id']}."
    )
