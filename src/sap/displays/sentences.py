"""Sentences that depend on the plan or on what the data hold, written once for all chapters."""

from dataclasses import replace

from sap import ard
from sap.catalogue import decisions
from sap.displays import days, plan_text
from sap.displays.absence import were_not
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.endpoint import had_it, primary_endpoint, rate_name, with_article
from sap.displays.escape import coded, markdown_text
from sap.displays.formats import typeset
from sap.displays.inline import (
    NOTHING,
    Conditional,
    RichText,
    if_shown,
    interval,
    months,
    n_of_N,
    p,
    rate,
    ref,
)
from sap.displays.published import trial_of
from sap.displays.register import printed, unavailable
from sap.plan.entry import stated


def _plan(path: str) -> Number:
    return plan_text.number(path)


def _joined(*parts: str | Number | RichText) -> RichText:
    flat: list[str | Number] = []
    for part in parts:
        flat += part.parts if isinstance(part, RichText) else [part]
    return RichText(*flat)


def capital(words: str) -> str:
    """The words with a capital at the beginning."""
    return words[:1].upper() + words[1:]


def _arm() -> str:
    """What is evaluated: the study, or the patients given the study treatment where it has groups."""
    if not ard.plan().study.groups:
        return "Single-arm phase 2"
    return f"The {ard.plan().wording.treatment} group is evaluated as a single-arm phase 2 design"


def design() -> RichText:
    """The design in one or two sentences."""
    planned = ard.plan().design
    test = (
        f"{capital(with_article(rate_name(ard.plan())))} of at most ", plan_text.percent("design.p0"),
        " (null hypothesis, H0) is tested against ", plan_text.percent("design.p1"), " at a one-sided significance level of ", _plan("design.alpha"),
        " with a type II error (beta) of ", _plan("design.beta"),
        " (both as planned)" if planned.deviation else "",
    )  # fmt: skip
    if planned.kind == "single-stage":
        return _joined(
            _arm(), " with one stage. ", *test, ": the null hypothesis is rejected when more than ",
            _plan("design.r"), " of ", _plan("design.n"), f" patients {_respond()}.",
        )  # fmt: skip
    named = {"minimax": "Simon's minimax design", "optimal": "Simon's optimal design"}
    named = {} if planned.deviation else named
    return _joined(
        _arm(), f" in two stages, {named.get(planned.criterion, 'after Simon')}. ",
        *test, ". The study stops after ", _plan("design.n1"), " patients when at most ",
        _plan("design.r1"), f" {_respond(planned.r1)}, and the null hypothesis is rejected when more than ", _plan("design.r"),
        " of ", _plan("design.n"), f" {_respond()}.",
    )  # fmt: skip


def _respond(n: int | None = None) -> str:
    """The verb of a responder in the sentence of the design; of one patient, where `n` is 1."""
    if ard.plan().primary.endpoint == "rate_at":
        return "is free of the event" if n == 1 else "are free of the event"
    return "responds" if n == 1 else "respond"


def primary_count() -> RichText:
    """How many patients of the primary set have the primary endpoint: `3 of 25 patients ... had ...`."""
    plan = ard.plan()
    return _joined(
        n_of_N(plan.primary.endpoint, **_primary()), f" patients of the primary set {had_it(plan)}"
    )


def _primary() -> ArdKey:
    """Where the primary result is in the ARD."""
    return ArdKey(population="PRIMARY", paramcd=ard.plan().primary_parameter)


def primary_rate() -> RichText:
    """The primary rate."""
    return rate(ard.plan().primary.endpoint, **_primary())


def primary_interval() -> RichText:
    """The interval of the primary rate."""
    return interval(ard.plan().primary.endpoint, **_primary())


def primary_test() -> RichText:
    """The p-value of the primary analysis."""
    return p(ard.plan().primary.endpoint, **_primary())


def primary_table() -> RichText:
    """The table of the primary result."""
    of_psa = ard.plan().primary.endpoint == "psa_response"
    return ref("tlf-psa-response" if of_psa else "tlf-primary")


def design_deviation() -> RichText:
    """That the design is not what the plan's alpha, power or criterion require."""
    planned = ard.plan().design
    if not planned.deviation:
        return RichText("")
    attained = results("design")
    criterion: tuple[str | Number, ...] = ()
    if planned.criterion != "none":
        criterion = (" and its criterion (", _plan("design.criterion"), ")")
    return _joined(
        "The design is not the one that its error rates", *criterion,
        " require: its actual type I error is ",
        attained.fixed("alpha", 4), " (planned ", _plan("design.alpha"), ") and its power ",
        attained.fixed("power", 4), " (planned ", attained.fixed("power_planned", 2), ")",
        ". Reason: ", _plan("design.deviation"),
        "" if planned.deviation.endswith(".") else ".",
    )  # fmt: skip


def primary_variable() -> RichText:
    """The primary endpoint and the section of the SAP with its rule."""
    section = ard.plan().primary_section.replace(" ", "\u00a0")
    return RichText(f"{primary_endpoint(ard.plan())} ({section})")


def empty_primary() -> RichText:
    """That the primary analysis set is empty, where it is; else nothing."""
    if results(ard.plan().primary.endpoint).find("N", **_primary()).value:
        return RichText("")
    return RichText(
        "No patient belongs to the primary analysis set yet, so there is no "
        "response rate (NE: not estimable)."
    )


def stages() -> RichText:
    """Whether estimates are adjusted for a trial that could have stopped early."""
    if ard.plan().design.kind == "single-stage":
        return RichText(
            "The design has a single stage, so no estimate is adjusted for early stopping"
        )
    return RichText(
        "The study could have stopped after its first stage; estimates adjusted for that are given"
    )


def groups() -> RichText:
    """Group A and re-screening, where the trial has them."""
    if not ard.plan().study.groups:
        return RichText("Patients who do not qualify are not treated in the study.")
    wording = ard.plan().wording
    return _joined(
        f"All other patients form group A ({wording.control}). After progression on ",
        plan_text.either("rescreening.after"), " they could be re-screened and, "
        f"if {stated(ard.plan().biomarker).name} positive, be treated with {wording.treatment}; such a patient was not counted "
        "again in the primary analysis.",
    )  # fmt: skip


def participant_flow() -> RichText:
    """What the flow diagram shows, with re-screening where the trial has it."""
    loop = ", re-screening included" if ard.plan().study.groups else ""
    return RichText(f"the patient flow from consent to treatment{loop}")


def _negative_compared() -> bool:
    """Whether the response of marker-negative patients is known."""
    rates = results("comparison_marker")
    place = ArdKey(group="NEGATIVE")
    return rates.has("estimate", **place) and rates.find("estimate", **place).estimable


def _negative_subjects() -> str:
    """Who the marker-negative patients are that the positive ones are compared with."""
    where = "in group A" if ard.plan().study.groups else "outside the study"
    wording = ard.plan().wording
    return (
        f"{stated(ard.plan().biomarker).name}-negative patients given {wording.treatment} {where}"
    )


def comparisons() -> RichText:
    """What the primary result is compared with besides a published rate, and how."""
    if not _negative_compared():
        return RichText(
            "The comparison is described by a difference with its interval after Miettinen and Nurminen"
        )
    return RichText(
        f"The primary result is also compared with that of {_negative_subjects()}. Both comparisons are "
        "described by a difference with its interval after Miettinen and Nurminen"
    )


def compared() -> Conditional:
    """Which rates the table of comparisons has, by the rows that it prints."""
    if not _negative_compared():
        return if_shown(
            "{tlf-comparison} compares the rate of the primary set with a published rate."
        )
    return if_shown(
        f"{{tlf-comparison}} compares the primary set with {_negative_subjects()}, and its rate with a "
        "published rate."
    )


def investigator_alone() -> RichText:
    """That tumour response is the investigator's where the data have no dated assessments."""
    if not unavailable(SCANS) or unavailable("tlf-tumour-response"):
        return RichText("")
    return RichText(
        f"The best overall response is that assessed by the {ard.plan().tumour.assessor}; "
        f"{were_not('dated assessments and measurements of lesions')}, so no response is derived by the "
        "criteria of the SAP."
    )


def evaluator() -> RichText:
    """Whose readings of the scans are used; nothing without scans."""
    if unavailable(SCANS):
        return RichText("")
    who = Number(ard.plan().tumour.assessor, "plan|tumour.evaluator")
    return RichText("Assessments of the ", who, " are used.")


def progression_events_of_rule() -> RichText:
    """The event of each time to progression that the data allow."""
    psa = ard.plan().psa_progression is not None
    if unavailable(SCANS):
        return RichText(
            "The event of the time to PSA progression is PSA progression alone; the duration of a PSA response "
            "is the time from the first decrease to PSA progression."
            if psa
            else ""
        )
    of_psa = (
        "; of the time to PSA progression, PSA progression alone" if psa else "",
        "The duration of a PSA response is the time from the first decrease to PSA progression, that of a "
        if psa
        else "The duration of a ",
        "the time from its first assessment" if psa else "is the time from its first assessment",
    )
    return RichText(
        f"An event of progression-free survival is {progression_kinds()}; of "
        f"radiographic progression-free survival, radiographic progression or death{of_psa[0]}. Clinical "
        "progression is that recorded as such by the investigator after the first dose, on the day of the "
        f"record. {of_psa[1]}confirmed tumour response {of_psa[2]} to radiographic progression or death."
    )


def progression_kinds() -> str:
    """The events of progression-free survival."""
    psa = "PSA, " if ard.plan().psa_progression is not None else ""
    return f"{psa}radiographic or clinical progression or death"


def intervals_due() -> RichText:
    """How often scans and, where its progression counts, PSA were due."""
    scans = ("Scans were due every ", _plan("progression.scan_interval_days"), " days")
    if ard.plan().psa_progression is None:
        return _joined(*scans)
    return _joined(
        *scans, " and PSA at least every ", _plan("progression.psa_interval_days"), " days"
    )


def who_consented() -> RichText:
    """Who could consent, and to what."""
    plan = ard.plan()
    prior = plan.wording.prior_treatment
    after: tuple[str | Number, ...] = (
        (" and progression during or after ", _plan("wording.prior_treatment")) if prior else ()
    )
    to = (
        "screening; consent to the blood sample and consent to treatment are recorded as milestones"
    )
    return _joined(
        "Patients with ", _plan("wording.disease"), *after, " could consent to ",
        to if plan.biomarker is not None else "the study", ".",
    )  # fmt: skip


def selection() -> RichText:
    """Who was checked for eligibility."""
    sample = ard.plan().biomarker is not None
    return RichText("Patients who qualified by the sample" if sample else "Patients who consented")


def variables() -> RichText:
    """The variables of efficacy and of safety, as far as the SAP has them."""
    plan = ard.plan()
    cells: tuple[str | Number, ...] = ()
    if plan.ctc is not None:
        marker = (_plan("biomarker.name"), " status, ") if plan.biomarker is not None else ()
        cells = ("circulating tumour cells, ", *marker)
    scans = " and bone scan" if plan.bone is not None else ""
    psa = "PSA, " if plan.psa_response is not None else ""
    begin = "" if psa or cells else "T"
    events = f"adverse events {'graded by CTCAE' if plan.safety.by == 'grade' else 'by severity'}"
    safe = (
        f"{events} and laboratory values are the safety variables"
        if plan.labs.graded
        else f"{events} are the safety variable"
    )
    return _joined(
        psa, *cells, f"{begin or 't'}umour assessments by RECIST{scans}{',' if psa or cells else ''} and survival are the efficacy "
        f"variables; {safe}.",
    )  # fmt: skip


def criteria() -> RichText:
    """By which criteria responses are assessed and safety variables are graded, as far as the plan has them."""
    plan = ard.plan()
    graded = ["adverse events"] if plan.safety.by == "grade" else []
    graded += ["laboratory values"] if plan.labs.graded else []
    by_ctcae = f", {' and '.join(graded)} are graded by CTCAE" if graded else ""
    return RichText(f"Responses and progression are assessed by published criteria{by_ctcae}")


def without_scale() -> RichText:
    """That events without a grade, or a severity, are in no rate of worse ones."""
    by_grade = ard.plan().safety.by == "grade"
    worse = "rates of higher grades" if by_grade else "the rate of severe events"
    return RichText(
        f"Events without a {ard.plan().safety.by} are not counted in {worse}; their number is given."
    )


def estimated() -> RichText:
    """What the study estimates and tests, and what comparisons with other trials are, where the plan has any."""
    plan = ard.plan()
    compared = plan.comparison is not None or plan.safety_rates.published
    others = "; comparisons with other trials are descriptive" if compared else ""
    return RichText(
        f"The study estimates a response rate and tests it against an unacceptable rate{others}."
    )


def sample_rule() -> RichText:
    """What was recorded of a screening sample, and which of several is used."""
    marker = stated(ard.plan().biomarker)
    if marker.cell_count is None:
        return _joined(
            _plan("biomarker.name"), " status was recorded for each sample; of several samples, the first "
            "with a result is used.",
        )  # fmt: skip
    return _joined(
        "CTC count and ", _plan("biomarker.name"), " status were recorded separately for each sample; of "
        "several samples, the first with a count is used.",
    )  # fmt: skip


def objective_response_rule() -> RichText:
    """Objective response by the rule of the plan, every number from it; nothing without such a rule."""
    rule = ard.plan().objective_response
    if rule is None:
        return RichText("")
    recorded = rule.source_of_response == "RS"
    read = "recorded by the " if recorded else "derived from the lesions of the "
    other = "derived from the lesions" if recorded else "recorded in RS"
    who = Number(ard.plan().tumour.assessor, "plan|tumour.evaluator")
    confirmed: tuple[str | Number, ...] = (", without confirmation",)
    if rule.confirmed:
        confirmed = (
            ", confirmed by a second one at least ", _plan("objective_response.confirm_after_days"),
            " days later",
        )  # fmt: skip
    least: tuple[str | Number, ...] = ("; stable disease has no shortest duration",)
    if rule.stable_after_days:
        least = (
            "; stable disease holds for at least ", _plan("objective_response.stable_after_days"),
            " days from the first dose",
        )  # fmt: skip
    of = (
        "patients with measurable disease at baseline"
        if rule.population == "measurable"
        else "all treated patients"
    )
    return _joined(
        f"An objective response is an overall response of CR or PR by RECIST 1.1 {read}", who, *confirmed,
        ", up to the first progression", *least, f". The denominator is {of}; the response by the other "
        f"source ({other}) is reported with it.",
    )  # fmt: skip


def landmark_rule() -> RichText:
    """The rate at a landmark by the rule of the plan; nothing without such a rule."""
    rule = ard.plan().rate_at
    if rule is None:
        return RichText("")
    event = "progression or death" if rule.event == "progression" else "death"
    open_ = "counts as a failure" if rule.not_observed == "failure" else "is not in the denominator"
    return _joined(
        "The rate is the share of patients without ", event, " at ", _plan("rate_at.months"), " months; a "
        f"patient without the event who was not observed until then {open_}. The Kaplan-Meier estimate at that "
        "time is given as well and decides nothing.",
    )  # fmt: skip


def compared_events() -> Conditional:
    """Which tables compare adverse events with published data, and what limits it."""
    marker = ard.plan().biomarker
    selected = (
        f"patients of the published trial were not selected by {marker.name}"
        if marker is not None
        else "patients of the published trial were selected differently"
    )
    published = any(rate.reference for rate in ard.plan().safety_rates.rates)
    if not published:
        return if_shown(
            "{tlf-ae-rates} and {tlf-ae-dots} give the rates of selected adverse events."
        )
    return if_shown(
        "{tlf-ae-rates} and {tlf-ae-dots} compare selected adverse events with published data. The comparison "
        f"is descriptive: {selected}."
    )


def investigated() -> RichText:
    """What the study investigated, and in whom."""
    plan = ard.plan()
    what = primary_endpoint(plan).removeprefix("confirmed ")
    if plan.biomarker is None:
        who: tuple[str | Number, ...] = (_plan("wording.disease"),)
    else:
        who = (_plan("biomarker.name"), "-positive disease")
    return _joined(
        f"The study investigated the {what} to " if plan.primary.endpoint.endswith("response")
        else f"The study investigated {what} under ",
        _plan("wording.treatment"), " in patients with ", *who, ".",
    )  # fmt: skip


class Points:
    """A list of short texts, each of several pieces."""

    def __init__(self, points: "list[list[RichText | Conditional | str]]") -> None:
        self.points = points

    def _repr_markdown_(self) -> str:
        def markdown(piece: RichText | Conditional | str) -> str:
            return markdown_text(piece) if isinstance(piece, str) else piece._repr_markdown_()

        texts = ["".join(map(markdown, point)).replace(NOTHING, "") for point in self.points]
        return "\n".join(f"- {text}" for text in texts if text.strip()) + "\n"


def limitations() -> Points:
    """The limitations of the study, as far as the SAP has what they are about."""
    plan = ard.plan()
    points: list[list[RichText | Conditional | str]] = [["There is no control group."]]
    if plan.comparison is not None:
        of_events = plan.safety_rates is not None and plan.safety_rates.published
        tables = "{tlf-comparison}, {tlf-ae-rates}" if of_events else "{tlf-comparison}"
        points[0] += [
            if_shown(
                f" Comparisons with published rates ({tables}) concern patients who were selected "
                "differently."
            ),
            " ",
            published_comparison(),
            " Neither rate is adjusted, and a difference can be due to patient selection alone.",
        ]
    if plan.design.assumption:
        points.append(
            [
                "The parameters of the design are assumptions of the SAP",
                if_shown(" ({tlf-oc} gives its operating characteristics)"),
                ".",
            ]
        )
    if plan.biomarker is not None:
        cells = plan.biomarker.cell_count is not None
        points.append(
            [
                "Patients were selected by ",
                "a count of circulating tumour cells and a test: " if cells else "a test: ",
                _joined(_plan("biomarker.name"), " status was determined in "),
                rate("biomarker_yield", level="marker_determined"),
                " of the patients with a sample (",
                ref("tlf-biomarker"),
                ").",
                " The result applies to patients with a sufficient CTC count." if cells else "",
                " ",
                second_episodes(),
            ]
        )
    if printed("tlf-os-guarantee"):
        words = (
            "Survival counted from screening or allocation includes the time before the first dose"
        )
        points.append([if_shown(f"{words} ({{tlf-os-guarantee}}).")])
    return Points(points)


def _exposure_known(paramcd: str) -> bool:
    exposures, place = results("exposure"), ArdKey(group="", paramcd=paramcd, level="")
    stat = "median" if exposures.has("median", **place) else "n"
    return exposures.has(stat, **place) and exposures.find(stat, **place).estimable


def significant() -> Conditional | RichText:
    """Where other significant events are listed, or that there is none."""
    if unavailable("tlf-l-significant"):
        return no_significant()
    return if_shown(
        "Events that led to drug withdrawal, dose reduction or drug interruption and were not serious are listed in "
        "{tlf-l-significant}."
    )


def no_significant() -> RichText:
    """That no other event is significant, where that is so, and of how many events it is not known.

    1. The actions of all treatment-emergent events that were not serious are known: no such event.
    2. Those of some are missing: none is recorded, and how many are missing.
    3. Those of all are missing: that they are.
    """
    if not unavailable("tlf-l-significant"):
        return RichText("")
    none = "led to drug withdrawal, dose reduction or drug interruption."
    missing, of = _not_serious()
    if not missing:
        return RichText(f"No adverse event that was not serious {none}")
    begin = (
        ""
        if missing == of
        else f"No adverse event that was not serious is recorded as having {none} "
    )
    return _joined(begin, action_missing())


def _not_serious() -> tuple[float, float]:
    """Treatment-emergent events that were not serious: those without a known action, and all."""
    events = results("ae_overview")
    places = [
        ArdKey(level=level, group="") for level in ("not_serious_action_missing", "not_serious")
    ]
    if not all(events.has("n_events", **place) for place in places):
        return 0, 0
    missing, of = (events.find("n_events", **place).value for place in places)
    return missing, of


def action_missing() -> RichText:
    """Of how many events that were not serious the action taken is missing; nothing where of none."""
    if not _not_serious()[0]:
        return RichText("")
    events = results("ae_overview")
    return _joined(
        "The action taken is missing or unknown for ",
        events.count("n_events", level="not_serious_action_missing", group=""), " of the ",
        events.count("n_events", level="not_serious", group=""),
        " treatment-emergent adverse events that were not serious.",
    )  # fmt: skip


def action_missing_beside_listing() -> RichText:
    """The same after a sentence or listing of the events whose action is known; else nothing."""
    return RichText("") if unavailable("tlf-l-significant") else action_missing()


def no_laboratory() -> RichText:
    """That laboratory values are not analysed, where no test is graded."""
    return RichText("" if ard.plan().labs.graded else NO_LABS)


def no_vital_signs() -> RichText:
    """That vital signs were not collected, where that is so."""
    if not unavailable("tlf-vital-signs"):
        return RichText("")
    return RichText(f"{were_not('Vital signs and physical findings')}.")


def vital_signs() -> Conditional | RichText:
    """Where vital signs are, or that there are none."""
    if unavailable("tlf-vital-signs"):
        return no_vital_signs()
    return if_shown(
        "{tlf-vital-signs} gives blood pressure, pulse, temperature and weight by visit."
    )


NO_LABS = "Laboratory values are not analysed by the SAP."


def graded() -> RichText:
    """By what laboratory values are graded, or that none is."""
    if ard.plan().labs.graded is None:
        return RichText("No laboratory test is graded in the SAP.")
    return RichText("Laboratory values are graded by CTCAE 4.03.")


def laboratory_listing() -> Conditional | RichText:
    """Where laboratory values are listed, or that the plan analyses none."""
    if ard.plan().labs.graded is None:
        return RichText(NO_LABS)
    return if_shown("{tlf-l-labs} lists the values of each patient with their grades.")


def laboratory_course() -> Conditional | RichText:
    """What the displays of laboratory values by visit have, or that no value on treatment has a visit."""
    if ard.plan().labs.graded is None:
        return RichText(NO_LABS)
    if unavailable("tlf-lab-values"):
        if not len(results("lab_values")):
            return RichText("No laboratory value of a treated patient was recorded.")
        return if_shown(
            "Laboratory values on treatment have no visit, so no values or changes by visit are given "
            "({tlf-data-gaps}); {tlf-baseline-labs} gives the values at baseline."
        )
    return if_shown(
        "{tlf-lab-values} gives the values and their changes from baseline by visit, {tlf-lab-course} shows "
        "medians and quartiles over time."
    )


def tumour_displays() -> Conditional:
    """What the table of tumour response rates has, by the rows that it prints."""
    who = ard.plan().tumour.assessor
    if unavailable(SCANS):
        return if_shown(
            f"Best overall response is reported as assessed by the {who} ({{tlf-bor}}). {{tlf-tumour-response}} "
            "has the rates, of all treated patients of the primary set."
        )
    rates = results("tumour_response")
    recorded = rates.has("n", **BEST_RECORDED) and rates.find("n", **BEST_RECORDED).estimable
    reported = f" and reported as assessed by the {who}" if recorded else ""
    return if_shown(
        f"Best overall response is derived by the criteria of the SAP{reported} ({{tlf-bor}}). "
        "{tlf-tumour-response} has the rates: of patients with measurable disease first, of all treated "
        "patients of the primary set second."
    )


BEST_RECORDED = ArdKey(population="PRIMARY", paramcd="BORINV", level="objective_response")
"""The patients of the primary set with a response by their recorded best overall response."""


def concordance() -> Conditional:
    """Where the concordance of the algorithm with the evaluator is."""
    return if_shown(
        f"The concordance with the {ard.plan().tumour.assessor} is in {{tlf-tumour-agreement}}."
    )


def low_start() -> RichText:
    """That a low starting dose is no reduction, where doses are known."""
    if not _exposure_known("LOWSTART"):
        return RichText("")
    unit = ard.plan().exposure.dose_unit
    return _joined(
        "A planned start at ", _plan("exposure.low_start_dose"),
        f" {unit} is not counted as a reduction.",
    )  # fmt: skip


def dose_changes() -> RichText:
    """Which doses count as reduced and which infusions as delayed; what the plan does not assess is left out."""
    rule = ard.plan().exposure
    reduced: tuple[str | Number, ...] = (
        "dose of at most ", _plan("exposure.reduced_at_most"), f" {rule.unit} counts as reduced",
    ) if rule.reduced_at_most is not None else ()  # fmt: skip
    if rule.delay_after_days is None:
        return RichText("A ", *reduced, ".") if reduced else RichText("")
    late = _plan("exposure.delay_after_days")
    if not reduced:
        return RichText("An infusion more than ", late, " days late counts as delayed.")
    return RichText("A ", *reduced, ", an infusion more than ", late, " days late as delayed.")


def per_protocol() -> RichText:
    """The per-protocol set, by cycles or by days of treatment; nothing where no deviation is recorded."""
    if not printed("tlf-deviations"):
        return RichText("")
    unit = "cycles" if ard.plan().exposure.dosing == "cycles" else "days"
    return RichText(
        "The per-protocol set comprises patients without an important protocol deviation and with at least ",
        _plan(f"analysis_sets.per_protocol_{unit}"),
        " cycles," if unit == "cycles" else " days of treatment,",
        " or progression before them.",
    )


def assignment() -> str:
    """How patients came to treatment where the plan has no text of the protocol: by the biomarker, or all."""
    if ard.plan().biomarker is None:
        return "All eligible patients were assigned to one treatment; there was no randomisation."
    return "Patients were assigned to treatment by the result of the sample; there was no randomisation."


def given_by() -> RichText:
    """Who gave the infusions, with a space after it; nothing under continuous dosing."""
    in_cycles = ard.plan().exposure.dosing == "cycles"
    return RichText("Infusions were given by the site. " if in_cycles else "")


def intensity_by_day() -> RichText:
    """Under continuous dosing, what the dose intensity is; nothing where doses are in cycles."""
    if ard.plan().exposure.dosing == "cycles":
        return RichText("")
    return RichText(
        "Doses are recorded as intervals; the dose intensity is the cumulative dose divided by the days from "
        "the first dose to the last."
    )


def and_line() -> RichText:
    """The words for lines of therapy after "by frequency", where the plan has lines."""
    return RichText("" if ard.plan().lines is None else " and line of therapy")


def by_line() -> RichText:
    """By what the severe events are counted: by line of therapy where the plan has lines, else by frequency."""
    return RichText("by frequency" if ard.plan().lines is None else "by line of therapy")


def design_source() -> RichText:
    """Whether the numbers of the design are assumptions of the SAP or those of its source."""
    where = plan_text.section("design")
    if ard.plan().design.assumption:
        return RichText(
            "No source gives all of these numbers; the SAP declares them as assumptions (", *where.parts, ").",
        )  # fmt: skip
    return RichText(
        "These numbers are those of the source that the SAP names (", *where.parts, ")."
    )


def major_delay() -> RichText:
    """When a delay is major; nothing under continuous dosing."""
    if ard.plan().exposure.major_delay_after_days is None:
        return RichText("")
    days_late = _plan("exposure.major_delay_after_days")
    return RichText("A delay of more than ", days_late, " days is major.")


def severe_apart() -> RichText:
    """Which events are reported separately: of the plan's grade, or severe ones."""
    if ard.plan().safety.severe_grade is None:
        return RichText("Severe events are reported separately.")
    return RichText("Events of grade ≥ ", _plan("safety.severe_grade"), " are reported separately.")


def severe_values() -> RichText:
    """Where laboratory values of the plan's high grade are; nothing where events have a severity or no test a grade."""
    if ard.plan().safety.severe_grade is None or ard.plan().labs.graded is None:
        return RichText("")
    return _joined(
        "Values of grade ", _plan("safety.severe_grade"), " and above are included in ", ref("tlf-lab-grade"),
        ".",
    )  # fmt: skip


def scale() -> RichText:
    """The scale of events: grade or severity."""
    return RichText(ard.plan().safety.by)


def high() -> RichText:
    """Before "events": high-grade or severe."""
    return RichText("high-grade" if ard.plan().safety.by == "grade" else "severe")


def that_is_severe() -> RichText:
    """Behind "adverse event": of the plan's grade or more, or that was severe."""
    if ard.plan().safety.severe_grade is None:
        return RichText("that was severe")
    return RichText("of grade ", _plan("safety.severe_grade"), " or more")


def delays() -> Conditional:
    """Which kinds of change of treatment the table of compliance has."""
    kinds = {
        "DELAYED": "dose delays", "INTERR": "interruptions of treatment", "REDUCED": "dose reductions",
        "GCSFANY": "G-CSF use",
    }  # fmt: skip
    known = [words for paramcd, words in kinds.items() if _exposure_known(paramcd)]
    listed = " and ".join(filter(None, (", ".join(known[:-1]), known[-1]))) if known else ""
    return if_shown(f"Patients with {listed} are given in {{tlf-compliance}}." if known else "")


def marker_results() -> RichText:
    """The marker at the first screening: positive and negative, and other results that a patient has."""
    flow = results("flow")
    statuses = ("positive", "negative", "undetermined", "not_done")
    counts = {status: flow.count(level=f"marker_{status}") for status in statuses}
    named = [s for s, n in counts.items() if n.text != "0" or s in ("positive", "negative")]
    parts: list[str | Number] = [f"{stated(ard.plan().biomarker).name} was "]
    for place, status in enumerate(named):
        joint = "" if place == 0 else " and " if place == len(named) - 1 else ", "
        parts += [f"{joint}{status.replace('_', ' ')} in ", counts[status]]
    return RichText(*parts)


def growth_factor() -> RichText:
    """What is known of growth factor."""
    place = ArdKey(group="", paramcd="GCSFANY", level="")
    exposures = results("exposure")
    if ard.plan().exposure.continuous:
        return RichText("")
    if exposures.has("n", **place) and exposures.find("n", **place).estimable:
        return RichText("Growth factor is recorded with its indication.")
    return RichText("Whether growth factor was given is not in the data.")


def first_progression() -> RichText:
    """Whether progression of soft tissue at the first examination needs a second scan; nothing without scans."""
    if unavailable(SCANS):
        return RichText("")
    days = _plan("tumour.first_progression_confirm_days")
    if not ard.plan().tumour.first_progression_confirm_days:
        return RichText(
            "A progression of soft tissue at the first examination needs no second scan."
        )
    return _joined(
        "A progression of soft tissue at the first examination is confirmed by a second scan ",
        days, " days later or more.",
    )  # fmt: skip


def new_therapy() -> RichText:
    """What a new anticancer therapy before the event does to times to progression."""
    return RichText(
        {
            "censor": "A patient who starts a new anticancer therapy before the event is censored at the "
            "last adequate assessment before it.",
            "event": "A new anticancer therapy is an event.",
            "ignore": "A new anticancer therapy is disregarded.",
        }[ard.plan().progression.new_therapy]
    )


def registered() -> RichText:
    """That milder events were not all recorded, where that is so; ends with a space."""
    if ard.plan().safety_rates.collected_from <= 1:
        return RichText("")
    return _joined(
        "Events below grade ", _plan("safety_rates.collected_from_grade"),
        " were not all recorded, so counts of any grade are of the recorded events. ",
    )  # fmt: skip


def response_rule() -> RichText:
    """The primary endpoint in words, every number from the plan."""
    rule = stated(ard.plan().psa_response)
    limit: tuple[str | Number, ...] = ()
    if rule.first_fall_within_days is not None:
        limit = (
            ", first observed at most ",
            _plan("psa_response.first_fall_within_days"),
            " days after the first dose (the confirmation may be later)",
        )
    therapy = " and before any new anticancer therapy" if rule.stop_at_new_therapy else ""
    below = {"limit": "the limit of quantification", "half the limit": "half that limit"}
    return _joined(
        "A patient has a response when PSA decreases by at least ", _plan("psa_response.decline_pct"),
        "% from baseline", *limit, " and the decrease is confirmed by ", _plan("psa_response.confirmed_by"),
        " that counts, at least ", _plan("psa_response.confirm_after_days"),
        " days after the first. Baseline is the value of the last day "
        "with a value on or before the first dose; values count from the day after it to ",
        _plan("psa_response.days_after_last_cycle"), f" days after {ard.plan().exposure.last_dose}{therapy}. "
        f"A value below quantification is taken as {below[rule.below_quantification]}.",
    )  # fmt: skip


def interval_rule() -> RichText:
    """Which interval the primary result has."""
    if ard.plan().intervals.primary_interval == "two-stage":
        return RichText(
            "The interval of the primary result is adjusted for the two stages of the design (equal-tailed "
            "exact interval, outcomes ordered by the number of responders, after Jung and Kim); before "
            "the design has ended, or with patients treated after a stop at stage 1, it is not estimable. "
            "The interval of every other proportion is that of Clopper and Pearson"
        )
    return RichText("The interval of a proportion is that of Clopper and Pearson")


def estimators() -> RichText:
    """Which estimates are adjusted for the two stages, where the design has two."""
    if ard.plan().design.kind == "single-stage":
        return RichText("")
    return RichText(
        "The median-unbiased estimate is the rate at which a result of at least as many responders has a "
        "probability of one half; the bias-adjusted estimate is the rate at which the expected maximum "
        "likelihood estimate equals the one observed."
    )


def lost() -> RichText:
    """Whether the day of a loss to follow-up shows that a patient was alive."""
    counts = False
    for line in ard.plan().survival.alive_on:
        named, excepted = (
            {value for values in (part or {}).values() for value in values}
            for part in (line.only, line.unless)
        )
        counts |= LOST in named or (line.domain == "ds" and not named and LOST not in excepted)
    verb = "is" if counts else "is not"
    return RichText(
        f"the day on which a patient was recorded as lost to follow-up {verb} such a day"
    )


def other_confirmation() -> RichText:
    """The days of confirmation that are not those of the primary rule; ends with a space."""
    rule = stated(ard.plan().psa_response)
    places = [
        place
        for place, days in enumerate(rule.sensitivity_confirm_days)
        if days != rule.confirm_after_days
    ]
    if not places:
        return RichText("")
    parts: list[str | Number] = []
    for turn, place in enumerate(places):
        parts += [" and " if turn else "", _plan(f"psa_response.sensitivity_confirm_days.{place}")]
    return _joined(
        "The response is also given with a confirmation after ", *parts, " days in place of ",
        _plan("psa_response.confirm_after_days"), ". ",
    )  # fmt: skip


def variations() -> RichText:
    """What the sensitivity analyses of the response vary besides missing data; ends with a space."""
    if ard.plan().psa_response is None:
        return RichText("")
    lowest: tuple[str | Number, ...] = ()
    if stated(ard.plan().estimand).baseline_psa_minimum is not None:
        lowest = (
            "Patients with a baseline PSA of at least ", _plan("estimand.baseline_psa_minimum"),
            " µg/L are analysed separately. ",
        )  # fmt: skip
    return _joined(other_confirmation(), late_decreases(), *lowest)


def ctc_response() -> RichText:
    """The CTC response at the visit of the protocol, and at any time on treatment."""
    course, response = results("ctc_course"), results("ctc_response")
    visit = ArdKey(population="PRIMARY", paramcd="CTCRVIS", group="evaluable", level="")
    parts: list[str | Number | RichText] = []
    if course.has("N", **visit) and course.find("N", **visit).value:
        visit_named = plan_text.number("ctc.visit")
        at = coded(visit_named.text)
        parts = [
            "At ", replace(visit_named, text=f"{at[:1].lower()}{at[1:]}"), ", the time of the protocol, ", n_of_N("ctc_course", **visit),
            " patients with a sufficient count at baseline and a count at that visit had a CTC response; ",
        ]  # fmt: skip
    evaluable = ArdKey(population="CTCEVAL")
    if not response.has("N", **evaluable):
        return _joined(*parts)
    begin = "at any time on treatment " if parts else "At any time on treatment "
    return _joined(*parts, begin, n_of_N("ctc_response", **evaluable), " evaluable patients did")


def late_decreases() -> RichText:
    """That a first decrease counts at any time, where the plan limits it; ends with a space."""
    if stated(ard.plan().psa_response).first_fall_within_days is None:
        return RichText("")
    return RichText("In one analysis the first decrease may be observed at any time. ")


LOST = "LOST TO FOLLOW-UP"
SCANS = "tlf-tumour-waterfall"  # a display that needs dated tumour assessments
MODELS = ("os_marker", "os_group")


def hazards() -> RichText:
    """Each model of survival with doubtful proportionality of hazards, and the difference of means."""
    parts: list[str | Number | RichText] = []
    names = (stated(ard.plan().biomarker).name, "the groups")
    for analysis, about in zip(MODELS, names, strict=True):
        model = ArdKey(paramcd="OS", level="cox", group="", sublevel="")
        estimates = results(analysis)
        if (
            not estimates.has("ph_doubtful", **model)
            or not estimates.find("ph_doubtful", **model).value > 0
        ):
            continue
        parts += [
            f" In the Cox model of {about} the assumption of proportional hazards is doubtful (",
            "its test is below the limit of the SAP, ", _plan("survival_comparison.ph_doubt_below"),
            "): the hazard ratio changes over time, and its estimate is an average that depends on ",
            "the length of follow-up.",
        ]  # fmt: skip
        mean = ArdKey(paramcd="OS", level="rmst_difference", group="")
        if estimates.find("estimate", **mean).estimable:
            parts += [
                " Up to ", months(analysis, "tau", **mean), ", the restricted mean survival times differ by ",
                months(analysis, "estimate", **mean), " (",
                interval(analysis, format="months", **mean), ").",
            ]  # fmt: skip
    return _joined(*parts)


def late_baseline() -> RichText:
    """For which measures a value after the reference day can be baseline."""
    measures = ard.plan().baseline.window_measures
    if not measures:
        return RichText("no measure")
    return _joined(
        plan_text.values("baseline.window_measures"), ", at most ",
        _plan("baseline.window_days"), " days after it and not after the first dose",
    )  # fmt: skip


def early_confirmation() -> RichText:
    """How much too early a value may confirm, where the plan lets it; begins with a space."""
    rule = ard.plan().psa_response
    if rule is None or not rule.confirm_tolerance_days:
        return RichText("")
    return RichText(
        " A confirming value may come ",
        _plan("psa_response.confirm_tolerance_days"),
        " days early.",
    )


def rescreened() -> RichText:
    """The re-screened patients and their response, or that the data have none."""
    if not ard.plan().study.groups:
        return RichText("")
    place = ArdKey(population="RESCREENED", paramcd="PSARESP")
    if not results("rescreen_response").find("N", **place).value:
        return RichText("No patient was treated through re-screening.")
    return _joined(
        n_of_N("rescreen_response", **place),
        " patients treated through re-screening had a confirmed PSA response (",
        rate("rescreen_response", **place),
        ", ",
        interval("rescreen_response", **place),
        ")",
        *_at_first_screening(),
        ". They count in no denominator of the primary result.",
    )


def _at_first_screening() -> list[str | Number | RichText]:
    """The response of re-screened patients who were marker negative at the first screening."""
    negative = ArdKey(population="RESCREENED", paramcd="PSARESP", level="marker_negative")
    rates = results("rescreen_response")
    if not rates.has("N", **negative) or not rates.find("N", **negative).value:
        return []
    return [
        f"; of those initially {stated(ard.plan().biomarker).name} negative, ",
        n_of_N("rescreen_response", **negative), " (",
        interval("rescreen_response", **negative), ")",
    ]  # fmt: skip


def rescreening_rule() -> RichText:
    """Who may be re-screened and where a re-screened patient is counted; nothing without re-screening."""
    if not ard.plan().study.groups:
        return RichText("")
    return _joined(
        "A patient who progressed on ", plan_text.either("rescreening.after"), " could be re-screened. "
        "The first group and the membership in the primary set never change; results after "
        "re-screening are presented separately.",
    )  # fmt: skip


def second_episodes() -> RichText:
    """What the re-screened patients are to the result, where the trial has them."""
    response = rescreened()
    if not ard.plan().study.groups:
        return response
    if not results("rescreen_response").find("N", population="RESCREENED", paramcd="PSARESP").value:
        return response
    return _joined(
        response,
        " They were treated at a later stage of the disease, so their rate is not comparable with that "
        "of the primary set.",
    )


def counted_once() -> RichText:
    """That a re-screened patient is one patient, where the trial has them; ends with a space."""
    if not ard.plan().study.groups:
        return RichText("")
    return RichText(
        "Treatment after re-screening is a second episode of the same patient, who belongs to the safety "
        "set and never to the primary set. "
    )


def survival() -> RichText:
    """Median survival of the primary set, or that it is not reached."""
    origin = _plan("survival.os_origin")
    times = results("os")
    if not times.find("N", population="PRIMARY", level="").value:
        return RichText("No patient of the primary set has a start date for survival.")
    died = n_of_N("os", ("n_events", "N"), population="PRIMARY", level="")
    if not times.find("median", population="PRIMARY", level="").estimable:
        return _joined(
            died, " patients of the primary set died; the median from ", origin, " is not reached."
        )
    return _joined(
        died, " patients of the primary set died; the median from ", origin, " was ",
        months("os", population="PRIMARY", level=""), " (",
        interval("os", format="months", population="PRIMARY", level=""), ").",
    )  # fmt: skip


def _confirmed() -> str:
    rule = ard.plan().objective_response
    return ", confirmed" if rule is None or rule.confirmed else ""


def _tumour_response() -> list[str | Number | RichText]:
    """Objective response by the plan's rules, of measurable disease first; else the investigator's."""
    if ard.plan().primary.endpoint == "objective_response":
        return []  # the primary result
    rates = results("objective_response")

    def known(population: str) -> bool:
        return (
            rates.has("estimate", population=population)
            and rates.find("estimate", population=population).estimable
        )

    if known("MEASURABLE"):
        measurable, primary = ArdKey(population="MEASURABLE"), ArdKey(population="PRIMARY")
        return [
            f"An objective response (complete or partial{_confirmed()}) was observed in ",
            n_of_N("objective_response", **measurable),
            " patients with measurable disease (",
            rate("objective_response", **measurable),
            ", ",
            interval("objective_response", **measurable),
            "), and in ",
            n_of_N("objective_response", **primary),
            " patients of the primary set. ",
        ]
    tumour = results("tumour_response")
    place = BEST_RECORDED
    if not tumour.has("n", **place) or not tumour.find("n", **place).estimable:
        return []
    n = tumour.count(**place)
    of_all: tuple[str | Number | RichText, ...] = (n_of_N("tumour_response", **place),)
    share: tuple[str | Number | RichText, ...] = (rate("tumour_response", **place), ", ")
    if n.text == "0":
        of_all, share = (replace(n, text="none"), " of ", tumour.count("N", **place)), ()
    return [
        f"A complete or partial tumour response, as assessed by the {ard.plan().tumour.assessor}, was observed in ",
        *of_all,
        " patients (",
        *share,
        interval("tumour_response", **place),
        "). ",
    ]


def other_efficacy() -> RichText:
    """Progression, tumour response and circulating tumour cells of the primary set, where known."""
    parts: list[str | Number | RichText] = []
    times = results("pfs")
    pfs = ArdKey(population="PRIMARY", paramcd="PFS", level="")
    if not times.has("N", **pfs) or not times.find("N", **pfs).value > 0:
        pass
    elif not times.find("median", **pfs).estimable:
        parts += [
            "The median of progression-free survival from ",
            _plan("survival.pfs_origin"),
            " is not reached. ",
        ]
    else:
        parts += [
            f"Median progression-free survival ({progression_kinds()}) from ",
            _plan("survival.pfs_origin"),
            " was ",
            months("pfs", **pfs),
            " (",
            interval("pfs", format="months", **pfs),
            "). ",
        ]
    parts += _tumour_response()
    if ard.plan().ctc is None:
        return _joined(*parts)
    evaluable = ArdKey(population="CTCEVAL")
    ctc = results("ctc_response")
    if ctc.has("N", **evaluable) and ctc.find("N", **evaluable).value > 0:
        parts += [
            "A CTC response was observed in ",
            n_of_N("ctc_response", **evaluable),
            " evaluable patients (",
            rate("ctc_response", **evaluable),
            ", ",
            interval("ctc_response", **evaluable),
            ").",
        ]
    else:
        parts.append("No patient was evaluable for a CTC response.")
    return _joined(*parts)  # fmt: skip


# What a decision of the design means for the null hypothesis; every other one leaves it open.
DECISIONS = {
    typeset(decisions.REJECTED): "was rejected",
    typeset(decisions.NOT_REJECTED): "was not rejected",
    typeset(decisions.STOPPED_STAGE_1): "was not rejected (the study stopped after stage 1)",
}


def _decision() -> Number:
    return results(ard.plan().primary.endpoint).words("decision", **_primary())


def decision() -> RichText:
    """The decision of the design in a sentence: the null hypothesis of a response rate of at most p0.

    The rate is marked as an assumption where no source gives it.
    """
    words = _decision()
    verb = DECISIONS.get(words.text)
    begin = "The null hypothesis" if verb else "There is no decision yet on the null hypothesis"
    assumed = " (an assumption of the SAP)" if ard.plan().design.assumption else ""
    end: tuple[str | Number, ...] = (" ", replace(words, text=verb), ".") if verb else (".",)
    return _joined(
        f"{begin} of {with_article(rate_of_null())} of at most ",
        plan_text.percent("design.p0"),
        assumed,
        *end,
    )


def rate_of_null() -> str:
    """The rate of the null hypothesis in words; that of PSA response is called the response rate."""
    named = rate_name(ard.plan())
    return "response rate" if named == "PSA response rate" else named


def conclusion() -> RichText:
    """The decision of the design, and what follows from it; the first case that applies.

    1. The data are synthetic: nothing about a treatment follows, whatever the decision is.
    2. The plan was written when the results were known: the test is illustrative.
    3. The decision alone.
    """
    return _joined(decision(), *implication().parts)


def implication() -> RichText:
    """What follows from the decision of the design; begins with a space, nothing where it is all."""
    if ard.run_facts()["synthetic"]:
        return RichText(
            " The data are synthetic, so no conclusion about the treatment is possible."
        )
    if ard.plan().study.written_after_results:
        return RichText(
            " The SAP was written when the results were known, so the test is illustrative."
        )
    return RichText("")


def comparison_rule() -> RichText:
    """By which rule the published rate and ours are compared."""
    rule = stated(ard.plan().comparison).rule
    if rule is None:
        return RichText("The primary result is compared with the published one as reported")
    limit: tuple[str | Number, ...] = (" at any time after the first dose",)
    if rule.first_fall_within_days is not None:
        limit = (
            " at most ", _plan("comparison.rule.first_fall_within_days"), " days after the first dose",
        )  # fmt: skip
    return _joined(
        "The published rate is compared with that of the primary set by the rule of the published trial: "
        "patients with a baseline PSA of at least ", _plan("comparison.rule.baseline_psa_minimum"),
        " µg/L are included, and a response is a decrease of at least ",
        _plan("comparison.rule.decline_pct"), "%",
        *limit, ", confirmed at least ", _plan("comparison.rule.confirm_after_days"),
        " days later; which values count is as in the primary rule, whose result is also shown",
    )  # fmt: skip


def published_comparison() -> RichText:
    """The rate of this study by the published trial's rule, the published rate, and their difference."""
    analysis, reference = "comparison_published", stated(ard.plan().comparison).reference
    trial = trial_of(reference)
    comparison = results(analysis)
    here = ArdKey(group="this_study", level="")
    there = ArdKey(group=reference, level="")
    if not len(comparison) or not comparison.find("N", **here).value:
        return RichText("No patient of the primary set can be compared with a published rate.")
    own = stated(ard.plan().comparison).rule is None
    parts: list[str | Number | RichText] = [
        "By the primary rule, " if own else f"By the rule of {trial}, ",
        n_of_N(analysis, **here), " patients of the primary set had a response (", rate(analysis, **here),
        f"); in {trial} ", n_of_N(analysis, **there), " did (", rate(analysis, **there), ")",
    ]  # fmt: skip
    gap = ArdKey(level="difference")
    if comparison.find("estimate", **gap).estimable:
        parts += [
            ". The difference is ", comparison.percent(**gap), " percentage points (",
            interval(analysis, **gap), ")",
        ]  # fmt: skip
    return _joined(*parts, ".")


def deviations() -> RichText:
    """Whether protocol deviations were collected, and what they do to the per-protocol set."""
    if unavailable("tlf-l-deviations"):
        return RichText(f"{were_not('Protocol deviations')}, so there is no per-protocol set.")
    return RichText(
        "Patients with an important protocol deviation are excluded from the per-protocol set."
    )


def concentrations() -> RichText:
    """That no concentrations were collected, where that is so."""
    gone = unavailable("tlf-pk")
    return RichText("No concentrations are in the data." if gone else "")


def toxicity_rule() -> RichText:
    """The plan's boundary for toxicity, or that it has none."""
    if ard.plan().toxicity_monitoring is None:
        return RichText("No stopping boundary for toxicity is planned.")
    name = _boundary_name()
    return _joined(
        f"{name[:1].upper()}{name[1:]} applies to ",
        _plan("toxicity_monitoring.patients"), " patients and tests against a rate of ",
        _plan("toxicity_monitoring.p0"), " at a significance level of ", _plan("toxicity_monitoring.alpha"),
        ", counting events of grade ", _plan("toxicity_monitoring.from_grade"), " and above.",
    )  # fmt: skip


def _boundary_name() -> str:
    """The boundary for toxicity; one that no source gives is named as assumed."""
    planned = ard.plan().toxicity_monitoring
    if planned is None or not planned.assumption:
        return "the stopping boundary"
    what = "re-analysis" if ard.plan().study.report_status else "analysis"
    return f"the stopping boundary assumed for this {what}"


def toxicity() -> RichText:
    """The toxicities observed, and whether the stopping boundary of the plan was crossed."""
    if ard.plan().toxicity_monitoring is None:
        return RichText("No stopping boundary for toxicity is planned.")
    monitoring = results("toxicity_monitoring")
    place = ArdKey(paramcd="TOX", level="")
    if not monitoring.has("N", **place) or not monitoring.find("N", **place).value:
        return RichText("No patient was treated, so the boundary for toxicity does not apply yet.")
    return _joined(
        _plan("toxicity_monitoring.name"), " of grade ", _plan("toxicity_monitoring.from_grade"),
        " or more was observed in ", n_of_N("toxicity_monitoring", **place),
        f" treated patients; {_boundary_name()} at this number of patients is ",
        monitoring.count("boundary", **place), ". This boundary was ",
        monitoring.words("decision", **place), ".",
    )  # fmt: skip


def record() -> RichText:
    """The cut, the plan and what kind of data they are."""
    facts = ard.run_facts()
    kind = " The data are synthetic: no record comes from a patient." if facts["synthetic"] else ""
    planned = "planned" if facts["planned"] else "unplanned"
    return RichText(
        f"The {planned} data cut-off is {days.cut_off()} and the data snapshot {facts['cut_id']}; the SAP in "
        f"its machine-readable form is {facts['plan_file']}.{kind}"
    )


def baseline() -> RichText:
    """Age, prior therapy and CTC count of the primary set, as far as they are recorded."""
    characteristics = results("baseline")
    place = ArdKey(population="PRIMARY", group="")
    age: ArdKey = {**place, "paramcd": "AGE"}
    if not characteristics.has("N", **age) or not characteristics.find("N", **age).value:
        return RichText("No patient is in the primary set.")
    parts: list[str | Number | RichText] = []
    if characteristics.find("median", **age).estimable:
        parts += [
            "The median age of the ", characteristics.count("N", **age), " patients of the primary set was ",
            characteristics.fixed("median", 1, **age), " years (", characteristics.fixed("min", 0, **age),
            " to ", characteristics.fixed("max", 0, **age), "). ",
        ]  # fmt: skip
    arsi = ArdKey(**place, paramcd="PRIORCL", level="Y")
    if characteristics.has("n", **arsi):
        parts += [
            characteristics.count(**arsi), " had received prior ", plan_text.either("baseline.prior_class.drugs"), " (",
            characteristics.percent(**arsi), "%). ",
        ]  # fmt: skip
    ctc = ArdKey(**place, paramcd="CTC")
    if characteristics.has("median", **ctc) and characteristics.find("median", **ctc).estimable:
        parts += [
            "The median CTC count was ", characteristics.fixed("median", 1, **ctc),
            " per ", _plan("biomarker.cell_count.volume_ml"), " mL.",
        ]  # fmt: skip
    return _joined(*parts)


def baseline_tables() -> Conditional:
    """The tables of baseline characteristics, and of laboratory values where the plan has any."""
    of_labs = "" if ard.plan().labs.graded is None else ", laboratory values in {tlf-baseline-labs}"
    return if_shown(
        f"Demographic and baseline characteristics are given by analysis set in {{tlf-baseline}}{of_labs}"
    )


def exposure() -> RichText:
    """How many infusions were given, and the dose intensity where doses are known."""
    exposures = results("exposure")
    cycles = ArdKey(population="SAFETY", group="", paramcd="NCYCLES", level="")
    before, after = " patients were treated with a median of ", " infusions ("
    if ard.plan().exposure.continuous:
        cycles["paramcd"] = "TRTDAYS"
        before, after = " patients were treated for a median of ", " days ("
    if not exposures.has("median", **cycles) or not exposures.find("median", **cycles).estimable:
        return RichText("No patient was treated")
    parts: list[str | Number | RichText] = [
        exposures.count("n", **cycles), before,
        exposures.fixed("median", 1, **cycles), after, exposures.fixed("min", 0, **cycles),
        " to ", exposures.fixed("max", 0, **cycles), ")",
    ]  # fmt: skip
    intensity = ArdKey(population="SAFETY", group="", paramcd="RDI", level="")
    if not exposures.has("median", **intensity):
        return _joined(*parts)
    if exposures.find("median", **intensity).estimable:
        parts += [
            "; the median relative dose intensity was ",
            exposures.fixed("median", 1, **intensity),
            "% (n = ",
            exposures.count("n", **intensity),
            " patients with complete dosing data)",
        ]
    else:
        parts.append("; doses are not in the data, so no dose intensity is given")
    return _joined(*parts)


def safety() -> RichText:
    """Adverse events of treated patients, in one sentence; every number from the overview."""
    overview = results("ae_overview")
    any_, severe, withdrawn, fatal = (
        ArdKey(level=level, group="")
        for level in ("any", "severe_grade", "drug_withdrawn", "fatal")
    )
    if not overview.find("N", **any_).value:
        return RichText("No patient was treated.")
    serious = ArdKey(level="serious", group="")
    return _joined(
        "Of ", overview.count("N", **any_), " treated patients, ", _or_none(overview.count(**severe)),
        " had a treatment-emergent adverse event ", that_is_severe(), ", ",
        _or_none(overview.count(**serious)), " had a serious adverse event, ", _or_none(overview.count(**withdrawn)),
        " had an adverse event with withdrawal of study treatment as the action taken, and ",
        _or_none(overview.count(**fatal)), " had a treatment-emergent fatal adverse event",
        *_fatal(overview, fatal), ". ", stopped_for_event(),
    )  # fmt: skip


def deaths() -> RichText:
    """How many treated patients died up to the cut-off."""
    n = results("deaths").count(group="", level="all", sublevel="")
    if n.text == "0":
        return RichText(replace(n, text="No"), " treated patient died up to the cut-off")
    patients = "patient" if n.text == "1" else "patients"
    return RichText(n, f" treated {patients} died up to the cut-off")


def over_maximum() -> RichText:
    """How many patients had more cycles than the protocol's maximum, where any had."""
    exposures, place = results("exposure"), ArdKey(group="", paramcd="OVERMAX", level="")
    if not exposures.has("n", **place) or not exposures.find("n", **place).value > 0:
        return RichText("")
    return _joined(
        n_of_N("exposure", **place), " treated patients received more than the maximum of ",
        _plan("exposure.max_cycles"), " cycles.",
    )  # fmt: skip


def stopped_for_event() -> RichText:
    """Who stopped treatment for an adverse event by the disposition record, and missing actions taken."""
    stopped = results("disposition")
    place = ArdKey(population="SAFETY", group="", paramcd="TREATMENT", level="ADVERSE EVENT")
    ended = ArdKey(population="SAFETY", group="", paramcd="TREATMENT", level="ended")
    parts: list[str | Number | RichText] = []
    if stopped.has("n", **ended) and stopped.find("n", **ended).value:
        parts = [
            "By the record of the end of treatment, ",
            stopped.count_or_zero(**place), " of ",
            stopped.count("N", **ended), " stopped study treatment for an adverse event.",
        ]  # fmt: skip
    overview = results("ae_overview")
    missing = ArdKey(level="action_missing", group="")
    if overview.find("n_events", **missing).value:
        parts += [
            " The action taken is missing for ", overview.count("n_events", **missing), " of ",
            overview.count("n_events", level="any", group=""), " treatment-emergent adverse events.",
        ]  # fmt: skip
    return _joined(*parts)


def _or_none(number: Number) -> Number:
    """A count within a sentence: none for 0."""
    return replace(number, text="none") if number.text == "0" else number


def safety_conclusion() -> RichText:
    """What the events of treated patients come to: severe events by rate, and fatal ones, early or late."""
    overview = results("ae_overview")
    severe, fatal = (ArdKey(level=level, group="") for level in ("severe_grade", "fatal"))
    if not overview.find("N", **severe).value:
        return RichText("No patient was treated.")
    late = ArdKey(level="after_window", sublevel="")
    events = results("fatal_events")
    later: list[str | Number] = []
    if events.has("n", **late) and events.find("n", **late).value:
        terms = ", ".join(
            coded(t).lower() for t in events.values("sublevel", level="after_window") if t
        )
        later = [", and ", events.count("n", **late), f" had one that began later ({terms})"]
    boundary = ard.plan().toxicity_monitoring
    monitoring, place = results("toxicity_monitoring"), ArdKey(paramcd="TOX", level="")
    applies = (
        boundary is not None
        and monitoring.has("N", **place)
        and monitoring.find("N", **place).value > 0
    )
    crossed: list[str | Number | RichText] = (
        [" The boundary for ", _lower(_plan("toxicity_monitoring.name")), " was ",
         monitoring.words("decision", **place), "."] if applies else []
    )  # fmt: skip
    return _joined(
        *(
            ("Severe adverse events",)
            if ard.plan().safety.severe_grade is None
            else ("Adverse events of grade ", _plan("safety.severe_grade"), " or more")
        ),
        " occurred in ",
        rate("ae_overview", level="severe_grade", group=""), " of treated patients; ",
        _or_none(overview.count(**fatal)), " had a treatment-emergent fatal one", *later, ".", *crossed,
        " Without a control group, events of treatment and of disease cannot be separated.",
    )  # fmt: skip


def _lower(number: Number) -> Number:
    return replace(number, text=number.text[:1].lower() + number.text[1:])


def _fatal(overview: Results, fatal: ArdKey) -> list[str | Number]:
    """The terms of the fatal events, and in how many patients one was related to treatment."""
    if not overview.find("n", **fatal).value:
        return []
    terms = results("fatal_events")
    known = [t for t in terms.values("sublevel", level="treatment_emergent") if t]
    words = sorted(coded(term).lower() for term in known)
    parts: list[str | Number] = [f" ({', '.join(words)})" if words else ""]
    related = _or_none(overview.count(level="related_fatal", group=""))
    return [*parts, ", considered related to treatment in ", related]


def late_fatal() -> RichText:
    """The fatal adverse events that began after the safety window, each named."""
    fatal = results("fatal_events")
    late = ArdKey(level="after_window", sublevel="")
    if not fatal.has("n", **late) or not fatal.find("n", **late).value:
        return RichText("")
    parts: list[str | Number] = []
    for term in filter(None, fatal.values("sublevel", level="after_window")):
        at = ArdKey(level="after_window", sublevel=term)
        parts += ["; " if parts else "", coded(term).lower()]
        if fatal.has("min", **at):
            first, last = fatal.count("min", **at), fatal.count("max", **at)
            days = [first] if first.text == last.text else [first, " to ", last]
            parts += [", ", *days, " days after the last dose"]
    return _joined(
        "Later, more than ", _plan("safety.days_after_last_dose"), " days after the last dose, a fatal "
        "adverse event began in ", n_of_N("fatal_events", **late), " treated patients (", *parts, ").",
    )  # fmt: skip


def progression_events() -> RichText:
    """How many patients had progression reported as an adverse event, which is not counted as one."""
    reported = results("ae_progression")
    place = ArdKey(level="any", group="")
    if not len(reported) or not reported.find("n", **place).value:
        return RichText("")
    return _joined(
        "Progression of the disease was reported as an event in ",
        n_of_N("ae_progression", **place), " treated patients, fatal in ", reported.count(level="fatal", group=""),
        "; it is not counted as an adverse event.",
    )  # fmt: skip


def departures() -> RichText:
    """Whether the analysis was changed from the plan."""
    deviations = ard.table("deviations")
    after = ard.plan().study.written_after_results
    known = " The SAP itself was written when the results were known." if after else ""
    if not deviations:
        return RichText(f"No analysis was changed after the SAP.{known}")
    ids = ", ".join(one["id"] for one in deviations)
    return RichText(f"Changes from the SAP ({ids}) are listed in section 9.8.{known}")


def listed_changes() -> Conditional:
    """What the table of changes has: dated changes, differences of the SAP from the protocol, or both."""
    protocol = ard.plan().protocol
    differ = any(one.difference for one in (protocol.endpoints if protocol else None) or ())
    dated = "the dated changes" if ard.table("deviations") else ""
    other = "where the SAP, from its first version, differs from the protocol" if differ else ""
    return if_shown(f"{{tlf-changes}} lists {' and '.join(filter(None, (dated, other)))}.")


def a_dose() -> RichText:
    """What a row of the listing of doses is: an infusion, or an interval of continuous dosing."""
    return RichText(ard.plan().exposure.a_record)


def mapped() -> RichText:
    """That the source files had another format, where they had; ends with a space."""
    if ard.plan().inputs.intake == "sdtm":
        return RichText("")
    return RichText(
        "The source files had another format; before these checks they were mapped to SDTM domains by a "
        "documented table, and what could not be mapped was counted. "
    )


def compliance() -> RichText:
    """How treatment was administered, and whether the doses are in the data."""
    exposures = results("exposure")
    if ard.plan().exposure.continuous:
        return RichText(
            f"Doses of study {ard.plan().wording.treatment} are those of the recorded intervals."
        )
    place = ArdKey(group="", paramcd="CUMDOSE", level="")
    known = exposures.has("n", **place) and exposures.find("n", **place).value > 0
    given = f"Study {ard.plan().wording.treatment} was infused at the site"
    return RichText(
        f"{given}, so administration was directly observed."
        if known
        else f"{given}; the doses given are not in the data."
    )
