"""The displays of the DSMB reports alone: key questions, stopping rules, accrual, conduct, changes.

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
from sap.displays.rates import ci_header
from sap.displays.register import register
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
    """Who may read this report, and what it does not contain."""
    if is_open():
        return RichText(
            "This is the open report, which may be given to the sponsor and the investigators. It contains "
            "pooled safety data and the conduct of the trial. Response, survival and the status of the "
            "stopping rule for futility are in the closed report; sections and tables have the same "
            "numbers in both, so the numbering here has gaps."
        )
    return RichText(
        "This is the closed report, for members of the DSMB only. It contains the open report and, in "
        "addition, response, survival, the status of the stopping rule for futility and data of "
        "individual patients."
    )


def _deaths_in_window() -> list[str | Number]:
    """Deaths of treated patients in the safety window, with their causes: `Deaths within 30 days ...: 2`."""
    deaths = results("dsmb_deaths")
    parts: list[str | Number] = []
    for level in deaths.values("level"):
        n = deaths.count(level=level, sublevel="")
        parts += [f"Deaths of any cause, {_small(deaths.label('level', level))}: ", n]
        parts += _causes(deaths, level) if n.text != "0" else []
        parts.append(". ")
    return parts


def _small(label: str) -> str:
    """A label within a sentence."""
    return label[:1].lower() + label[1:]


def _causes(deaths: Results, level: str) -> list[str | Number]:
    """The causes of the deaths of a level with their counts, in brackets: ` (progression: 2)`."""
    named: list[str | Number] = []
    for cause in filter(None, deaths.values("sublevel", level=level)):
        n = deaths.count(group="", level=level, sublevel=cause)
        if n.text != "0":
            named += ["; " if named else "", f"{_small(deaths.label('sublevel', cause))}: ", n]
    return [" (", *named, ")"] if named else []


def _deaths_at_any_time() -> list[str | Number]:
    """Deaths of treated patients until the cut-off, with their causes; nothing in the open report."""
    deaths = results("deaths")
    overall = ArdKey(group="", level="all", sublevel="")
    if is_open() or not deaths.has("n", **overall):
        return []
    n = deaths.count(**overall)
    return ["Deaths at any time until the cut-off: ", n, *_causes(deaths, "all"), ". "]


def _toxicity() -> Results | None:
    monitoring = results("toxicity_monitoring")
    return monitoring if monitoring.has("decision", level="") else None


def safe() -> RichText:
    """The results for the first question."""
    overview, toxicities = results("ae_overview"), _toxicity()
    parts: list[str | Number] = [
        "Of ", overview.count("N", level="any"), " treated patients, ", overview.count(level="fatal"),
        " had a fatal adverse event and ", overview.count(level="related_serious"),
        " a serious adverse event related to treatment. ",
        *_deaths_in_window(), *_deaths_at_any_time(),
    ]  # fmt: skip
    if toxicities is None:
        parts.append("The plan has no stopping boundary for toxicity.")
        return RichText(*parts)
    if not toxicities.find("N", level="").value:
        parts.append("No patient was treated, so the boundary for toxicity does not apply yet.")
        return RichText(*parts)
    parts += [
        "The stopping boundary for toxicity was ", toxicities.words("decision", level=""),
        " (patients with the toxicity: ", toxicities.count(level=""), "; boundary: ",
        toxicities.count("boundary", level=""), ").",
    ]  # fmt: skip
    return RichText(*parts)


def boundary() -> RichText:
    """The results for the second question."""
    interim = results("interim")
    if not interim.has("decision", level="stage_1"):
        total = ArdKey(level="total", group="")
        return RichText(
            "The design has one stage and no boundary before its end. Confirmed responses: ",
            interim.count(**total), " of ", interim.count("N", **total),
            " patients; response not yet evaluable: ", interim.count("n_missing", **total), ".",
        )  # fmt: skip
    place = ArdKey(level="stage_1", group="")
    return RichText(
        interim.words("decision", **place), ". Confirmed responses: ", interim.count(**place), " of ",
        interim.count("N", **place), " patients (stop when at most ", interim.count("r1", **place), " of ",
        interim.count("n_planned", **place), "); response not yet evaluable: ",
        interim.count("n_missing", **place), ".",
    )  # fmt: skip


def conduct() -> RichText:
    """The results for the third question."""
    contacts = results("data_timeliness")
    followed = ArdKey(paramcd="DAYS", level="all_followed")
    due = ArdKey(paramcd="RESULTS", level="")
    left = results("dsmb_left")
    primary = results("analysis_sets").count(population="PRIMARY")
    return RichText(
        "Treated of the ", plan_text.number("design.n"), " patients planned for the primary set: ",
        primary, ". Of all ", left.count("N", level="withdrew"), " treated patients, lost to follow-up: ",
        left.count(level="lost_to_follow_up"), ", withdrew: ", left.count(level="withdrew"), ". Of ",
        contacts.count("N", **followed), " patients in follow-up, overdue for a contact: ",
        contacts.count("n_late", **followed), "; of ", contacts.count("N", **due),
        " PSA results due, missing: ", contacts.count("n_missing", **due),
        ". Data validation: critical queries ", record.number_of("critical"), ", warnings ",
        record.number_of("warning"), ".",
    )  # fmt: skip


def rule() -> RichText:
    """The stopping rules as the plan has them; this is no result."""
    parts: list[str | Number] = []
    if ard.plan().design.kind == "two-stage":
        parts += [
            "The trial stops for futility after ", plan_text.number("design.n1"),
            " patients of the primary set when at most ", plan_text.number("design.r1"),
            " have a confirmed PSA response (Simon's design). ",
        ]  # fmt: skip
    else:
        parts.append("The design has a single stage and no stopping rule for futility. ")
    toxicity_rule = ard.plan().toxicity_monitoring
    if toxicity_rule:
        parts += [
            f"It stops for toxicity when too many patients have {toxicity_rule.name.lower()} of grade ",
            plan_text.number("toxicity_monitoring.from_grade"),
            " or above: the boundary stops a trial whose true rate is ",
            plan_text.number("toxicity_monitoring.p0"), " with a probability of at most ",
            plan_text.number("toxicity_monitoring.alpha"), ". ",
        ]  # fmt: skip
    if not is_open():
        parts += [
            "The unacceptable response rate is p0 = ", plan_text.number("design.p0"),
            ", the desirable one p1 = ", plan_text.number("design.p1"),
            "; at the end the null hypothesis, a rate of at most p0, is rejected when more than ",
            plan_text.number("design.r"), " of ", plan_text.number("design.n"), " patients respond. ",
        ]  # fmt: skip
    parts.append(
        "These rules are assumptions of the plan: no public source gives a rule for this trial."
    )
    return RichText(*parts)


def previous() -> RichText:
    """The report that this one is compared with."""
    before = (_table("changes", None) or {}).get("previous")
    if not before:
        return RichText("There is no earlier report to compare with.")
    return RichText(
        f"The previous report had the data cut-off {before['cut_off']} ({before['cut_off_name']}, "
        f"snapshot {before['cut_id']}). A number has changed when any digit of it has."
    )


def compared(closed: bool) -> RichText:
    """What the displays of section 7 hold, or will."""
    if not (_table("changes", None) or {}).get("previous"):
        return RichText("is filled once there is an earlier report.")
    if closed:
        return RichText("counts the changed numbers by display.")
    return RichText(
        "compares the key numbers. Every number that is new, removed or changed is in the file "
        "changes.csv, which accompanies this report."
    )


def new_terms() -> RichText:
    """The preferred terms of adverse events that the last report did not have."""
    changes = _table("changes", None) or {"previous": None, "rows": []}
    if not changes["previous"]:
        return RichText("")
    terms = {"new": set[str](), "gone": set[str]()}
    for row in changes["rows"]:
        analysis, _, group, paramcd, _, sublevel, stat = str(row["key"]).split("|")
        if (analysis, group, paramcd, stat) != ("ae_soc_pt", "", "ANY", "n") or not sublevel:
            continue
        if row["change"] in terms:
            terms[row["change"]].add(coded(sublevel.replace("%7C", "|").replace("%25", "%")))
    lines = []
    for change, words in (
        ("new", "New preferred terms"),
        ("gone", "Preferred terms in the previous report only"),
    ):
        named = ", ".join(sorted(terms[change])) or "none"
        if change == "new" or terms[change]:
            lines.append(f"{words}: {named}.")
    return RichText(" ".join(lines))


# ---- 1 key questions -----------------------------------------------------------------------------


def _label(display_id: str) -> str:
    return register()[display_id].label


def safe_table() -> Table:
    """Table 1-1: the results for "is it safe to continue"."""
    overview = results("ae_overview")
    rows = [
        Row(words, (n_pct(overview.count(level=level), overview.percent(level=level)), place))
        for words, level, place in (
            (
                f"{overview.label('level', 'severe_grade')} adverse event",
                "severe_grade",
                _label("tlf-ae-soc-pt"),
            ),
            ("Serious adverse event", "serious", _label("tlf-ae-overview")),
            ("Related serious adverse event", "related_serious", _label("tlf-ae-overview")),
            ("Action taken: drug withdrawn", "drug_withdrawn", _label("tlf-ae-overview")),
            ("Fatal adverse event", "fatal", _label("tlf-ae-overview")),
        )
    ]
    deaths, more = results("dsmb_deaths"), "" if is_open() else _label("tlf-l-deaths")
    for level in deaths.values("level"):
        kind: RowKind = ""
        for cause in deaths.values("sublevel", level=level):
            place = ArdKey(level=level, sublevel=cause)
            if cause and deaths.count(**place).text == "0":
                continue
            label = f"Death of any cause, {_small(deaths.label('level', level))}"
            kind = "indent1" if cause else ""
            cells = (n_pct(deaths.count(**place), deaths.percent(**place)), more)
            rows.append(Row(deaths.label("sublevel", cause) if cause else label, cells, kind))
    ever = results("deaths")
    overall = ArdKey(group="", level="all", sublevel="")
    if not is_open() and ever.has("n", **overall):
        share = n_pct(ever.count(**overall), ever.percent(**overall))
        rows.append(Row("Death of any cause, at any time", (share, _label("tlf-deaths"))))
    toxicities = _toxicity()
    state: Content = "not planned" if toxicities is None else toxicities.words("decision", level="")
    rows.append(Row("Stopping boundary for toxicity", (state, "Table 2-1")))
    columns = [
        Column("Patients, n (%)", overview.count("N", level="any")),
        Column("Details", numeric=False),
    ]
    return Table("tlf-dsmb-safe", "Safety", columns, rows)


def boundary_table() -> Table:
    """Table 1-2: the results for "is the boundary crossed"."""
    interim = results("interim")
    level = "stage_1" if interim.has("decision", level="stage_1") else "total"
    place = ArdKey(level=level, group="")
    rows = []
    if level == "stage_1":
        rows.append(Row("Stopping rule", (interim.words("decision", **place), "Table 2-2")))
    rows += [
        Row("Confirmed responders", (Cell(interim.count(**place), " of ", interim.count("N", **place)), _label("tlf-psa-response"))),
        Row("Patients whose response is not yet evaluable", (interim.count("n_missing", **place), "Table 2-2")),
        Row(
            "Predictive probability of rejecting H0 at the end (%)",
            (interim.percent("predictive_power", group="projection", level="not_observed"), "Table 2-3"),
        ),
    ]  # fmt: skip
    columns = [Column("Value", numeric=False), Column("Details", numeric=False)]
    return Table("tlf-dsmb-boundary", interim.label("level", level), columns, rows)


def conduct_table() -> Table:
    """Table 1-3: the results for "is the conduct of the trial adequate"."""
    flow, contacts = results("flow"), results("data_timeliness")
    followed, due = (
        ArdKey(paramcd="DAYS", level="all_followed"),
        ArdKey(paramcd="RESULTS", level=""),
    )
    left, sets = results("dsmb_left"), results("analysis_sets")

    def box(level: str) -> Number:
        return flow.count(level=level, paramcd="BOX")

    treated = left.count("N", level="withdrew")
    rows = [
        Row(
            "Patients who consented, were sampled, qualified for treatment",
            (Cell(box("consented"), ", ", box("sampled"), ", ", box("qualified")), "Table 3-1"),
        ),
        Row("Treated patients of the primary set, of those planned", (Cell(sets.count(population="PRIMARY"), " of ", plan_text.number("design.n")), _label("tlf-flow"))),
        Row(
            "Treated patients lost to follow-up, withdrawn",
            (Cell(left.count(level="lost_to_follow_up"), ", ", left.count(level="withdrew"), " of ", treated), ""),
        ),
        Row("Patients in follow-up overdue for a contact", (Cell(contacts.count("n_late", **followed), " of ", contacts.count("N", **followed)), "Table 6-1")),
        Row("PSA results missing, of those due", (Cell(contacts.count("n_missing", **due), " of ", contacts.count("N", **due)), "Table 6-2")),
        Row(
            "Data validation: critical queries, warnings",
            (Cell(record.number_of("critical"), ", ", record.number_of("warning")), _label("tlf-findings")),
        ),
    ]  # fmt: skip
    columns = [Column("Number", numeric=False), Column("Details", numeric=False)]
    return Table("tlf-dsmb-conduct", "Conduct", columns, rows)


# ---- 2 stopping rules ----------------------------------------------------------------------------


def rule_state() -> Table:
    """Table 2-2: responders, patients not yet evaluable and the stopping rule over all their outcomes."""
    interim = results("interim")
    levels = interim.values("level", group="")
    places = [ArdKey(level=level, group="") for level in levels]

    def line(label: str, *names: str) -> Row:
        cells: list[Content] = []
        for place in places:
            if not all(interim.has(name, **place) for name in names):
                cells.append("")
            elif len(names) == 2:
                low, high = (interim.count(name, **place) for name in names)
                cells.append(Cell(low, " to ", high))
            else:
                cells.append(interim.count(names[0], **place))
        return Row(label, cells)

    rows = [
        line("Patients planned", "n_planned"),
        line("Patients treated", "N"),
        line("Confirmed responders", "n"),
        line("Response not yet evaluable", "n_missing"),
        *waiting(places),
        line("Responders over all outcomes of these patients", "responders_low", "responders_high"),
    ]
    if "stage_1" in levels:
        rows.append(line("Stop when responders are at most", "r1"))
        for label, name in (
            ("Stopping rule now", "decision"),
            ("Stopping rule if none of these patients responds", "decision_low"),
            ("Stopping rule if all of these patients respond", "decision_high"),
        ):
            words = interim.words(name, level="stage_1", group="")
            rows.append(Row(label, [words, *[""] * (len(levels) - 1)]))
    rows.append(line("H0 is rejected at the end when responders are more than", "r"))
    for label, path in (
        ("p0, unacceptable response rate (H0)", "design.p0"),
        ("p1, desirable response rate", "design.p1"),
    ):
        rows.append(Row(label, [*[""] * (len(levels) - 1), plan_text.number(path)]))
    columns = [Column(interim.label("level", level), numeric=False) for level in levels]
    return Table("tlf-dsmb-rule", "Stopping rule for futility", columns, rows)


def waiting(places: Sequence[ArdKey]) -> list[Row]:
    """Patients not yet evaluable: awaiting confirmation of a decrease, or with time left for one."""
    pending = results("interim_pending")
    return [
        Row(
            pending.label("sublevel", reason),
            [pending.count(level=p["level"], sublevel=reason) for p in places],
            "indent1",
        )
        for reason in pending.values("sublevel")
    ]


def outlook() -> Table:
    """Table 2-3: the chance to reject the null hypothesis at the end."""
    interim = results("interim")
    projections = interim.values("level", group="projection")
    places = [ArdKey(level=projection, group="projection") for projection in projections]
    rows: list[Row] = [
        Row(
            "Responders of evaluable patients",
            [Cell(interim.count(**place), " of ", interim.count("N", **place)) for place in places],
        ),
        Row("Conditional power (%), when the true rate is", kind="group"),
    ]
    p1, p0 = plan_text.number("design.p1"), plan_text.number("design.p0")
    for label, name in (
        (Cell("p1, desirable rate: ", p1), "conditional_power_p1"),
        (Cell("p0, unacceptable rate: ", p0), "conditional_power_p0"),
        ("the observed rate", "conditional_power_seen"),
    ):
        rows.append(Row(label, [interim.percent(name, **place) for place in places], "indent1"))
    rows.append(
        Row(
            "Predictive probability (%)",
            [interim.percent("predictive_power", **place) for place in places],
        )
    )
    heads = [
        Column(interim.label("level", projection), under="Patients not yet evaluable")
        for projection in projections
    ]
    prior = ard.plan().estimand.prior
    numbers = ", ".join(formats.as_collected(each) for each in prior)
    notes: list[Note] = [f"Predictive: averaged over the posterior with the prior beta({numbers})."]
    return Table("tlf-dsmb-outlook", "Chance to reject H0 at the end", heads, rows, notes=notes)


def _printed_boundary() -> Cell:
    """Every line of the boundary as the results have it: 3 of 3, 4 of 4 to 5, and so on."""
    lines = results("toxicity_boundary")
    parts: list[str | Number] = []
    for level in (level for level in lines.values("level") if level):
        first, last = lines.count("from_n", level=level), lines.count("to_n", level=level)
        parts += [", " if parts else "", lines.count("boundary", level=level), " of ", first]
        parts += [] if first.text == last.text else [" to ", last]
    return Cell(*(parts or ["no number of patients"]))


def toxicity() -> Table:
    """Table 2-1: the stopping boundary for toxicity and whether it was crossed."""
    monitoring = _toxicity()
    columns = [Column("Value", numeric=False)]
    absent = "Not planned: the plan has no stopping boundary for toxicity."
    if monitoring is None:
        return Table("tlf-dsmb-toxicity", "Quantity", columns, [], absent=absent)
    place = ArdKey(level="")
    rows = [
        Row("Boundary", (monitoring.words("decision", **place),)),
        Row("Patients treated", (monitoring.count("N", **place),)),
        Row("Patients with the toxicity", (monitoring.count(**place),)),
        Row("Boundary at this number of patients", (monitoring.count("boundary", **place),)),
        Row("Patients for whom the boundary is planned", (monitoring.count("patients_planned", **place),)),
        Row("Acceptable rate (%)", (monitoring.percent("p0", **place),)),
        Row("Probability of stopping at that rate (%)", (monitoring.percent("stop_under_p0", **place),)),
    ]  # fmt: skip
    rows.append(
        Row("Boundary: patients with the toxicity, of patients treated", (_printed_boundary(),))
    )
    rows.append(
        Row(
            "Probability of stopping (%) and expected number of patients, by true rate",
            kind="group",
        )
    )
    characteristics = results("toxicity_oc")
    for level in characteristics.values("level"):
        stops = characteristics.percent("probability_of_stopping", level=level)
        n = characteristics.fixed("expected_n", 1, level=level)
        rate = Cell(characteristics.percent("p", level=level), "%")
        rows.append(Row(rate, (Cell(stops, " (", n, " patients)"),), "indent1"))
    return Table("tlf-dsmb-toxicity", "Stopping rule for toxicity", columns, rows)


# ---- 3 accrual -----------------------------------------------------------------------------------

STEPS = ("CONSENTED", "SAMPLED", "QUALIFIED", "ALLOCATED", "TREATED")


def accrual_figure() -> Figure:
    """Figure 3-1: cumulative accrual by month."""
    from sap.displays.plots import accrual

    recruited = results("accrual")
    months = recruited.values("level")
    if not months:
        return Figure("tlf-dsmb-accrual", None, "", absent="Not in the data: no patient consented.")
    codes = [code for code in recruited.values("paramcd") if code != "QUALIFIED"]
    steps = {code: recruited.label("paramcd", code) for code in codes}
    counts = pd.DataFrame(
        [
            {
                "month": month,
                "step": words,
                "n": recruited.find("n", paramcd=code, level=month).value,
            }
            for code, words in steps.items()
            for month in sorted(months)
        ]
    )
    last = max(months)
    now = {code: recruited.count(paramcd=code, level=last) for code in steps}
    plot = accrual(
        counts,
        target=float(ard.plan().design.n),
        order=list(steps.values()),
        x_title="Month",
        y_title="Patients, cumulative",
    )
    alt = (
        f"Cumulative accrual by month until {last}: {now['CONSENTED'].text} patients consented, "
        f"{now['SAMPLED'].text} were sampled, {now['ALLOCATED'].text} allocated to treatment and "
        f"{now['TREATED'].text} treated. The thin broken line is the planned size of the primary set."
    )
    return Figure("tlf-dsmb-accrual", plot, alt, height=3.4, numbers=tuple(now.values()))


def accrual_table() -> Table:
    """Table 3-1: the same counts at the end of each quarter, with the screening success rate."""
    recruited = results("accrual")
    months = sorted(recruited.values("level"))
    quarters = [m for m in months if int(m[5:]) % 3 == 0 or m == months[-1]]
    rows = []
    for month in quarters:
        at = {code: ArdKey(paramcd=code, level=month) for code in STEPS}
        cells: list[Content] = [recruited.count(**at[code]) for code in ("CONSENTED", "SAMPLED")]
        share = at["QUALIFIED"]
        cells.append(n_pct(recruited.count(**share), recruited.percent(**share)))
        low, high = (recruited.percent(name, **share) for name in ("conf_low", "conf_high"))
        cells.append(limits(low, high))
        cells += [recruited.count(**at[code]) for code in ("ALLOCATED", "TREATED")]
        rows.append(Row(month, cells))
    level = ci_header(recruited, paramcd="QUALIFIED", level=months[-1]) if months else "CI"
    heads = {code: recruited.label("paramcd", code) for code in STEPS}
    columns = [
        Column(heads["CONSENTED"]),
        Column(heads["SAMPLED"]),
        Column(f"{heads['QUALIFIED']}, n (% of sampled)"),
        Column(level),
        Column(heads["ALLOCATED"]),
        Column(heads["TREATED"]),
    ]
    return Table(
        "tlf-dsmb-accrual-quarters",
        "End of",
        columns,
        rows,
        absent="Not in the data: no patient consented.",
    )


# ---- 6 conduct -----------------------------------------------------------------------------------


def data_timeliness() -> Table:
    """Table 6-1: days from the last contact to the cut-off."""
    contacts = results("data_timeliness")
    levels = ("on_treatment", "follow_up", "all_followed")
    places = [ArdKey(paramcd="DAYS", level=level) for level in levels]
    rows = [
        Row("Days since the last contact", kind="group"),
        Row("Median", [contacts.fixed("median", 1, **p) for p in places], "indent1"),
        Row("Quartiles", [span(contacts.fixed("q1", 1, **p), contacts.fixed("q3", 1, **p)) for p in places], "indent1"),
        Row("Longest", [contacts.fixed("max", 0, **p) for p in places], "indent1"),
        Row("Overdue for a contact, n (%)", [n_pct(contacts.count("n_late", **p), contacts.percent(**p)) for p in places]),
    ]  # fmt: skip
    columns = [
        Column(contacts.label("level", level), contacts.count("N", **place))
        for level, place in zip(levels, places, strict=True)
    ]
    return Table("tlf-dsmb-currency", "Timeliness of the data", columns, rows)


def psa_due() -> Table:
    """Table 6-2: PSA results that are due at an infusion."""
    contacts = results("data_timeliness")
    due = ArdKey(paramcd="RESULTS", level="")
    rows = [
        Row("Due", (contacts.count("N", **due),)),
        Row("Available, n (%)", (n_pct(contacts.count(**due), contacts.percent(**due)),)),
        Row("Missing", (contacts.count("n_missing", **due),)),
    ]
    return Table("tlf-dsmb-psa-due", "PSA results", [Column("Results")], rows)


def _day(value: Any) -> str:
    return "" if pd.isna(value) else pd.Timestamp(str(value)).strftime("%Y-%m-%d")


def overdue() -> Table:
    """Listing 6-2: patients overdue for a contact, and patients with a PSA result missing."""
    adcur = ard.dataset("adcur")
    overdue_subjects = adcur[(adcur["LATEFL"] == "Y") | (adcur["PSAMISS"] > 0)]
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
        for _, subject in overdue_subjects.sort_values("USUBJID").iterrows()
    ]
    heads = (
        "Status",
        "Last contact",
        "Days before the cut-off",
        "Contact",
        "PSA results missing, of those due",
    )
    return Table(
        "tlf-dsmb-overdue", "Patient", [Column(words, numeric=False) for words in heads], rows,
        absent="No patient is overdue for a contact, and no PSA result due is missing.",
    )  # fmt: skip


def findings() -> Table:
    """Table 16-1, as in the study report; the open report gives no row numbers."""
    return record.findings()


# ---- 7 what changed ------------------------------------------------------------------------------

HEADLINES: tuple[tuple[str, str, ArdKey, str, str], ...] = (
    ("Patients who consented", "flow", ArdKey(paramcd="BOX", level="consented"), "n", "count"),
    ("Patients sampled", "flow", ArdKey(paramcd="BOX", level="sampled"), "n", "count"),
    ("Patients who qualified for treatment", "flow", ArdKey(paramcd="BOX", level="qualified"), "n", "count"),
    ("Patients treated", "ae_overview", ArdKey(level="any"), "N", "count"),
    ("Patients with a serious adverse event", "ae_overview", ArdKey(level="serious"), "n", "count"),
    ("Patients with a fatal adverse event", "ae_overview", ArdKey(level="fatal"), "n", "count"),
    ("Treated patients lost to follow-up", "dsmb_left", ArdKey(level="lost_to_follow_up"), "n", "count"),
    ("Treated patients who withdrew", "dsmb_left", ArdKey(level="withdrew"), "n", "count"),
    ("Patients in follow-up overdue for a contact", "data_timeliness", ArdKey(paramcd="DAYS", level="all_followed"), "n_late", "count"),
    ("PSA results missing", "data_timeliness", ArdKey(paramcd="RESULTS"), "n_missing", "count"),
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
    """Table 7-1: the key numbers, previous and current."""
    changes = _table("changes", None)
    columns = [Column("Previous"), Column("Current")]
    absent = "There is no earlier report to compare with."
    if not changes or not changes["previous"]:
        return Table("tlf-dsmb-then-now", "Number", columns, [], absent=absent)
    before = {row["key"]: row["before"] for row in changes["rows"]}
    rows = []
    for words, analysis, place, name, _ in HEADLINES:
        statistics = results(analysis)
        if not statistics.has(name, **place):
            continue
        now = statistics.count(name, **place)
        then = Number(_printed(before.get(now.key, "")), f"changes|before|{now.key}")
        rows.append(Row(words, (then, now)))
    return Table("tlf-dsmb-then-now", "Number", columns, rows, absent=absent)


def changed() -> Table:
    """Table 7-2: by display, how many numbers are changed, new, removed or the same."""
    changes = _table("changes", None)
    heads = {"moved": "Changed", "new": "New", "gone": "Removed", "same": "Same"}
    kinds = tuple(heads)
    columns = [Column(words) for words in heads.values()]
    absent = "There is no earlier report to compare with."
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
        for label, name in _display_of(sorted({analysis for analysis, _ in tally}))
        if any(tally[name, kind] for kind in kinds[:3])
    ]
    return Table("tlf-dsmb-changed", "Display", columns, rows, absent=absent)


def _display_of(analyses: list[str]) -> list[tuple[str, str]]:
    """Each analysis with the table that shows it, in the order of the tables' numbers.

    An analysis is named once: with the first end-of-text table (14) that shows it, else with the first
    table of a chapter. The steps of a curve are left out: they change with the curve.
    """
    tables = [entry for _, entry in register().by_number("table")]
    tables.sort(key=lambda entry: not entry.number.startswith("14."))
    labels: dict[str, str] = {}
    for entry in tables:
        for name in entry.analysis:
            several = f" ({name})" if len(entry.analysis) > 1 else ""
            if name in analyses:
                labels.setdefault(name, f"{entry.label} {entry.title}{several}")
    return [(label, name) for name, label in labels.items()]


# ---- 8 meetings ---------------------------------------------------------------------------------


def actions() -> Table:
    """Table 8-1: earlier meetings of the DSMB, actions requested and their outcome."""
    rows = [
        Row(str(one["date"]), (str(one["meeting"]), str(one["action"]), str(one["resolution"])))
        for one in _table("actions", [])
    ]
    heads = ("Meeting", "Action", "Outcome")
    return Table(
        "tlf-dsmb-actions", "Date", [Column(words, numeric=False) for words in heads], rows,
        absent="No earlier meeting of the DSMB is recorded.",
    )  # fmt: skip


def cut() -> RichText:
    """The data cut-off and the snapshot of this report."""
    facts = ard.run_facts()
    planned = "planned" if facts["planned"] else "unplanned"
    return RichText(
        f"Data cut-off {facts['cut_off']} ({facts['cut_off_name']}, {planned}), "
        f"snapshot{NO_BREAK_SPACE}{facts['cut_id']}."
    )
