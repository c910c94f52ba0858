"""Sentences that depend on the plan or on what the data hold, written once for all chapters."""

from collections.abc import Sequence

from sap import ard
from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.escape import coded, markdown_text
from sap.displays.inline import NO_BREAK_SPACE, RichText, interval, months, n_of_N, p, rate, ref
from sap.displays.register import register


def _plan(path: str) -> Number:
    return plan_text.number(path)


def _joined(*parts: str | Number | RichText) -> RichText:
    flat: list[str | Number] = []
    for part in parts:
        flat += part.parts if isinstance(part, RichText) else [part]
    return RichText(*flat)


def design() -> RichText:
    """The design in one or two sentences."""
    d = ard.table("plan")["design"]
    test = (
        "A response rate of at most ", _plan("design.p0"), " (H0) is tested against ",
        _plan("design.p1"), " at a one-sided level of ", _plan("design.alpha"),
        " with an error of the second kind of ", _plan("design.beta"),
        " (both as planned)" if d["deviation"] else "",
    )  # fmt: skip
    if d["kind"] == "single-stage":
        return _joined(
            "Single-arm phase 2 with one stage. ", *test, ": H0 is rejected when more than ",
            _plan("design.r"), " of ", _plan("design.n"), " patients respond.",
        )  # fmt: skip
    named = {"minimax": "Simon's minimax design", "optimal": "Simon's optimal design"}
    named = {} if d["deviation"] else named
    return _joined(
        f"Single-arm phase 2 in two stages, {named.get(d['criterion'], 'after Simon')}. ",
        *test, ". The trial stops after ", _plan("design.n1"), " patients when at most ",
        _plan("design.r1"), " respond, and H0 is rejected when more than ", _plan("design.r"),
        " of ", _plan("design.n"), " respond.",
    )  # fmt: skip


def design_deviation() -> RichText:
    """That the design is not what the plan's alpha, power or criterion say."""
    d = ard.table("plan")["design"]
    if not d["deviation"]:
        return RichText("")
    found = results("design")
    criterion: tuple[str | Number, ...] = ()
    if d["criterion"] != "none":
        criterion = (" and its criterion (", _plan("design.criterion"), ")")
    return _joined(
        "The design is not the one that its error rates", *criterion,
        " ask for: it attains a level of ",
        found.fixed("alpha", 4), " (planned ", _plan("design.alpha"), ") and a power of ",
        found.fixed("power", 4), " (planned ", found.fixed("power_planned", 2), ")",
        ". The reason given: ", _plan("design.deviation"),
        "" if d["deviation"].endswith(".") else ".",
    )  # fmt: skip


def empty_primary() -> RichText:
    """That the primary analysis set is empty, where it is; else nothing."""
    if results("psa_response").find("N", population="PRIMARY").value:
        return RichText("")
    return RichText(
        "Not in the data: no patient belongs to the primary analysis set yet, so there is no "
        "response rate (NE: not estimable)."
    )


def stages() -> RichText:
    """Whether the estimates have to allow for a trial that could have stopped early."""
    if ard.table("plan")["design"]["kind"] == "single-stage":
        return RichText(
            "The design has a single stage, so no estimate has to allow for a rule for stopping"
        )
    return RichText(
        "The trial could have stopped after its first stage; there are estimates that allow for it"
    )


def groups() -> RichText:
    """Group A and the way back, where the trial has them."""
    if not ard.table("plan")["study"]["groups"]:
        return RichText(
            "Patients who do not qualify are not treated in the trial; their survival is followed."
        )
    return RichText(
        "All others form group A and receive their physician's choice. After progression on "
        "abiraterone or enzalutamide they may be screened again and, if now positive, be treated "
        "with cabazitaxel, without being counted as included twice."
    )


def flow_drawn() -> RichText:
    """What the drawing of the flow shows, with the loop where the trial has one."""
    loop = " with the loop of re-screening" if ard.table("plan")["study"]["groups"] else ""
    return RichText(f"the way from consent to treatment{loop}")


def negative_subjects() -> RichText:
    """Who the AR-V7 negative patients are that the positive ones stand beside."""
    where = "in group A" if ard.table("plan")["study"]["groups"] else "outside of the trial"
    return RichText(f"negative patients given cabazitaxel {where}")


def growth_factor() -> RichText:
    """What is known of growth factor."""
    place = ArdKey(group="", paramcd="GCSFANY", level="")
    found = results("exposure")
    if found.has("n", **place) and found.find("n", **place).estimable:
        return RichText(
            "Growth factor was allowed and is recorded with the reason it was given for."
        )
    return RichText("Whether growth factor was given is not in the data.")


def first_progression() -> RichText:
    """Whether progression of soft tissue at the first examination needs a second scan."""
    days = _plan("tumour.first_progression_confirm_days")
    if not ard.table("plan")["tumour"]["first_progression_confirm_days"]:
        return _joined(
            "A progression of soft tissue at the first examination needs no second scan (the plan "
            "has ", days, " days for it)",
        )  # fmt: skip
    return _joined(
        "A progression of soft tissue at the first examination is confirmed by a second scan ",
        days, " days later or more",
    )  # fmt: skip


def new_therapy() -> RichText:
    """What a new anticancer therapy before the event does to times to progression."""
    return RichText(
        {
            "censor": "A new anticancer therapy before the event censors a patient at his last adequate "
            "assessment before it.",
            "event": "A new anticancer therapy is an event.",
            "ignore": "A new anticancer therapy changes nothing.",
        }[ard.table("plan")["progression"]["new_therapy"]]
    )


def registered() -> RichText:
    """That milder events were not all registered, where that is so; ends with a space."""
    if ard.table("plan")["safety_rates"]["collected_from_grade"] <= 1:
        return RichText("")
    return _joined(
        "Events below grade ", _plan("safety_rates.collected_from_grade"),
        " were not all registered, so counts of any grade are of what was registered. ",
    )  # fmt: skip


def response_rule() -> RichText:
    """The primary endpoint in words, every number from the plan."""
    rule = ard.table("plan")["psa_response"]
    limit: tuple[str | Number, ...] = ()
    if rule["first_fall_within_days"] is not None:
        limit = (
            ", first seen at most ",
            _plan("psa_response.first_fall_within_days"),
            " days after the first dose (the confirmation may come later)",
        )
    therapy = " and before any new anticancer therapy" if rule["stop_at_new_therapy"] else ""
    below = {"limit": "the limit of quantification", "half the limit": "half that limit"}
    return _joined(
        "A patient responds when his PSA falls by at least ", _plan("psa_response.decline_pct"),
        " % from baseline", *limit, " and ", _plan("psa_response.confirmed_by"),
        " that counts, at least ", _plan("psa_response.confirm_after_days"),
        " days after the first, shows such a fall again. Baseline is the value of the last day "
        "with a value on or before the first dose; values count from the day after it to ",
        _plan("psa_response.days_after_last_cycle"), f" days after the last cycle{therapy}. "
        f"A value below quantification is taken as {below[rule['below_quantification']]}.",
    )  # fmt: skip


def interval_rule() -> RichText:
    """Which interval the primary result has."""
    if ard.table("plan")["intervals"]["primary_interval"] == "two-stage":
        return RichText(
            "The interval of the primary result allows for the two stages of the design: both exact "
            "tails over its outcomes, in the order of the total of responders (Jung and Kim); before "
            "the design has ended, or with patients treated after a stop at stage 1, it is not estimable. "
            "The interval of every other proportion is that of Clopper and Pearson"
        )
    return RichText("The interval of a proportion is that of Clopper and Pearson")


def late_falls() -> RichText:
    """That the limit on the first fall is lifted, where there is one; ends with a space."""
    if ard.table("plan")["psa_response"]["first_fall_within_days"] is None:
        return RichText("")
    return RichText("The limit on the day of the first fall is lifted. ")


MODELS = {"os_arv7": "AR-V7", "os_group": "the groups"}


def hazards() -> RichText:
    """Each model of survival whose hazards are hardly proportional, with the difference of means."""
    parts: list[str | Number | RichText] = []
    for analysis, about in MODELS.items():
        found, model = results(analysis), ArdKey(paramcd="OS", level="Cox", group="", sublevel="")
        if (
            not found.has("ph_doubtful", **model)
            or not found.find("ph_doubtful", **model).value > 0
        ):
            continue
        parts += [
            f" In the Cox model of {about} the test of proportional hazards gives ",
            p(analysis, "ph_p_value", **model), ", below ",
            _plan("survival_comparison.ph_doubt_below"),
            ": the hazard ratio is no single number over time, but an average that depends on ",
            "how long patients were followed.",
        ]  # fmt: skip
        mean = ArdKey(paramcd="OS", level="RMST difference", group="")
        if found.find("estimate", **mean).estimable:
            parts += [
                " To ", months(analysis, "tau", **mean), ", the restricted means differ by ",
                months(analysis, "estimate", **mean), " (",
                interval(analysis, format="months", **mean), ").",
            ]  # fmt: skip
    return _joined(*parts)


def late_baseline() -> RichText:
    """For which measures a value after the reference day can be baseline."""
    measures = ard.table("plan")["baseline"]["window_measures"]
    if not measures:
        return _joined("no measure (the plan has ", _plan("baseline.window_days"), " days for it)")
    return _joined(
        plan_text.values("baseline.window_measures"), ", at most ",
        _plan("baseline.window_days"), " days after it and not after the first dose",
    )  # fmt: skip


def early_confirmation() -> RichText:
    """How much too early a value may confirm, where the plan lets it; begins with a space."""
    days = ard.table("plan")["psa_response"]["confirm_tolerance_days"]
    if not days:
        return RichText("")
    return RichText(
        " A confirming value may come ",
        _plan("psa_response.confirm_tolerance_days"),
        " days early.",
    )


def rescreened() -> RichText:
    """The re-screened patients and their response, or that the data have none."""
    if not ard.table("plan")["study"]["groups"]:
        return RichText("The plan of this trial has no re-screening.")
    found = results("rescreen_response")
    place = ArdKey(population="RESCREENED", paramcd="PSARESP")
    if not found.find("N", **place).value:
        return RichText("Not in the data: no patient was treated through re-screening.")
    return _joined(
        n_of_N("rescreen_response", **place),
        " patients treated through re-screening had a confirmed PSA response (",
        rate("rescreen_response", **place),
        ", ",
        interval("rescreen_response", **place),
        "). They count in no denominator of the primary result.",
    )


def rescreening_rule() -> RichText:
    """Who may be screened again and where he is counted, or that the plan has no re-screening."""
    if not ard.table("plan")["study"]["groups"]:
        return RichText("The plan of this trial has no re-screening.")
    return _joined(
        "A patient who progressed on ", plan_text.either("rescreening.after"), " may be sampled again. "
        "His first group and his place in the primary set never change; what he did after the "
        "second sample is shown in a block of its own.",
    )  # fmt: skip


def second_episodes() -> RichText:
    """What the re-screened patients are to the result, where the trial has them."""
    said = rescreened()
    if not ard.table("plan")["study"]["groups"]:
        return said
    if not results("rescreen_response").find("N", population="RESCREENED", paramcd="PSARESP").value:
        return said
    return _joined(
        said,
        " They came later in their disease, so their rate and that of the primary set are two things.",
    )


def persons_once() -> RichText:
    """That a re-screened patient is one patient, where the trial has them; ends with a space."""
    if not ard.table("plan")["study"]["groups"]:
        return RichText("")
    return RichText(
        "A patient who was re-screened and treated is a second episode of the same patient: he is in the "
        "safety set, and never in the primary set. "
    )


def survival() -> RichText:
    """Median survival of the primary set, or that it is not reached."""
    origin = _plan("survival.os_origin")
    found = results("os")
    if not found.find("N", population="PRIMARY", level="").value:
        return RichText(
            "Not in the data: no patient of the primary set has an origin for survival."
        )
    died = n_of_N("os", ("n_events", "N"), population="PRIMARY", level="")
    if not found.find("median", population="PRIMARY", level="").estimable:
        return _joined(
            died, " patients of the primary set died; the median from ", origin, " is not reached."
        )
    return _joined(
        died, " patients of the primary set died; the median from ", origin, " was ",
        months("os", population="PRIMARY", level=""), " (",
        interval("os", format="months", population="PRIMARY", level=""), ").",
    )  # fmt: skip


def _tumour_response() -> list[str | Number | RichText]:
    """Objective response by the plan's rules, of measurable disease first; else the investigator's."""
    found = results("objective_response")

    def known(population: str) -> bool:
        return (
            found.has("estimate", population=population)
            and found.find("estimate", population=population).estimable
        )

    if known("MEASURABLE"):
        measurable, primary = ArdKey(population="MEASURABLE"), ArdKey(population="PRIMARY")
        return [
            "An objective response (complete or partial, confirmed by the plan's rules) was seen in ",
            n_of_N("objective_response", **measurable),
            " patients with measurable disease (",
            rate("objective_response", **measurable),
            ", ",
            interval("objective_response", **measurable),
            "), and in ",
            n_of_N("objective_response", **primary),
            " of the whole primary set. ",
        ]
    tumour = results("tumour_response")
    place = ArdKey(population="PRIMARY", paramcd="BORINV", level="CR or PR")
    if not tumour.has("n", **place) or not tumour.find("n", **place).estimable:
        return []
    return [
        "A complete or partial tumour response, as the investigator judged, was seen in ",
        n_of_N("tumour_response", **place),
        " patients (",
        rate("tumour_response", **place),
        ", ",
        interval("tumour_response", **place),
        "). ",
    ]


def other_efficacy() -> RichText:
    """Progression, tumour response and circulating tumour cells of the primary set, where known."""
    parts: list[str | Number | RichText] = []
    found = results("pfs")
    pfs = ArdKey(population="PRIMARY", paramcd="PFS", level="")
    if not found.has("N", **pfs) or not found.find("N", **pfs).value > 0:
        parts.append("Progression-free survival is not in the data. ")
    elif not found.find("median", **pfs).estimable:
        parts += [
            "The median of progression-free survival from ",
            _plan("survival.pfs_origin"),
            " is not reached. ",
        ]
    else:
        parts += [
            "Median progression-free survival (PSA, radiographic or clinical progression or death) from ",
            _plan("survival.pfs_origin"),
            " was ",
            months("pfs", **pfs),
            " (",
            interval("pfs", format="months", **pfs),
            "). ",
        ]
    parts += _tumour_response()
    cells = ArdKey(population="CTCEVAL")
    ctc = results("ctc_response")
    if ctc.has("N", **cells) and ctc.find("N", **cells).value > 0:
        parts += [
            "The count of circulating tumour cells responded in ",
            n_of_N("ctc_response", **cells),
            " evaluable patients (",
            rate("ctc_response", **cells),
            ", ",
            interval("ctc_response", **cells),
            ").",
        ]
    else:
        parts.append("No patient was evaluable for a response of circulating tumour cells.")
    return _joined(*parts)  # fmt: skip


def conclusion() -> RichText:
    """What follows from the rule of the design, and from nothing else; the first case that applies.

    1. The data are synthetic: nothing about a treatment follows, whatever the rule says.
    2. H0 is rejected. 3. It is not, stage 1 included. 4. The rule gives no decision.
    """
    said = results("psa_response").find("decision", population="PRIMARY").words
    below = (
        "a rate of PSA response of at most ", _plan("design.p0"), " among these patients",
    )  # fmt: skip
    if said.startswith("H0 rejected"):
        parts: tuple[str | Number, ...] = (
            "More patients responded than the rule of the design allows under H0: ", *below, " is rejected",
        )  # fmt: skip
    elif said.startswith("H0 not rejected"):
        parts = (
            "The number of patients who responded is within what the rule of the design allows under H0: ",
            *below, " is not rejected",
        )  # fmt: skip
    else:
        parts = (
            "The rule of the design gives no decision, so the trial neither rejects nor keeps ", *below,
        )  # fmt: skip
    end = "."
    if ard.table("plan")["study"]["written_after_results"]:
        end = (
            ". The plan was written when the results were known, so the test illustrates the rule."
        )
    if ard.run_facts()["synthetic"]:
        end = ". The data are synthetic, so nothing follows about a treatment."
    return _joined(*parts, end)


def comparison_rule() -> RichText:
    """By which rule the published rate and ours are compared."""
    if ard.table("plan")["comparison"]["rule"] is None:
        return RichText("The primary result stands beside a published one as it is")
    limit: tuple[str | Number, ...] = (" at any time after the first dose",)
    if ard.table("plan")["comparison"]["rule"]["first_fall_within_days"] is not None:
        limit = (
            " at most ", _plan("comparison.rule.first_fall_within_days"), " days after the first dose",
        )  # fmt: skip
    return _joined(
        "The published rate stands beside that of our primary set by the rule of the published trial: "
        "patients with a baseline PSA of at least ", _plan("comparison.rule.baseline_psa_minimum"),
        " ug/L count, and respond with a fall of at least ", _plan("comparison.rule.decline_pct"), " %",
        *limit, ", confirmed at least ", _plan("comparison.rule.confirm_after_days"),
        " days later; which values count is as in our own rule, whose result is shown beside",
    )  # fmt: skip


def beside_published() -> RichText:
    """Our rate by the published trial's rule, the published rate, and their difference."""
    analysis, trial = "comparison_tropic", "TROPIC"
    found = results(analysis)
    here = ArdKey(group="This trial", level="")
    there = ArdKey(group=trial, level="")
    if not len(found) or not found.find("N", **here).value:
        return RichText("No patient of the primary set can stand beside a published rate.")
    own = ard.table("plan")["comparison"]["rule"] is None
    parts: list[str | Number | RichText] = [
        "By our own rule " if own else f"By the rule of {trial} ",
        n_of_N(analysis, **here), " patients of the primary set responded (", rate(analysis, **here),
        f"); in {trial} ", n_of_N(analysis, **there), " did (", rate(analysis, **there), ")",
    ]  # fmt: skip
    gap = ArdKey(level="Difference")
    if found.find("estimate", **gap).estimable:
        parts += [
            ". The difference is ", found.percent(**gap), " percentage points (",
            interval(analysis, **gap), ")",
        ]  # fmt: skip
    return _joined(*parts, ".")


def toxicity_rule() -> RichText:
    """The plan's boundary for toxicity, or that it has none."""
    if ard.table("plan").get("toxicity_monitoring") is None:
        return RichText("No stopping boundary for toxicity is planned.")
    return _joined(
        "The boundary is followed for ",
        _plan("toxicity_monitoring.patients"), " patients against a rate of ",
        _plan("toxicity_monitoring.p0"), " at a level of ", _plan("toxicity_monitoring.alpha"),
        ", events of grade ", _plan("toxicity_monitoring.from_grade"), " and above.",
    )  # fmt: skip


def toxicity() -> RichText:
    """Where the trial stands against the plan's boundary for toxicity."""
    if ard.table("plan").get("toxicity_monitoring") is None:
        return RichText("The plan has no stopping boundary for toxicity.")
    found = results("toxicity_monitoring")
    place = ArdKey(paramcd="TOX", level="")
    if not found.has("N", **place) or not found.find("N", **place).value:
        return RichText(
            "No patient was treated, so the boundary for toxicity has nothing to count."
        )
    return _joined(
        _plan("toxicity_monitoring.name"), " of grade ", _plan("toxicity_monitoring.from_grade"),
        " or more was seen in ", n_of_N("toxicity_monitoring", **place),
        " treated patients; the boundary at this number of patients is ",
        found.count("boundary", **place), ". State of the boundary: ",
        found.words("decision", **place), ".",
    )  # fmt: skip


def record() -> RichText:
    """The cut, the plan and what kind of data they are."""
    facts = ard.run_facts()
    kind = (
        " The data are synthetic: no line of them comes from a patient."
        if facts["synthetic"]
        else ""
    )
    planned = "planned" if facts["planned"] else "unplanned"
    return RichText(
        f"The data were cut at {facts['cut_off']} ({facts['cut_off_name']}, {planned}) and frozen as "
        f"{facts['cut_id']}; the plan is {facts['plan_file']}, SHA-256{NO_BREAK_SPACE}"
        f"{facts['plan_sha256']}.{kind}"
    )


def baseline() -> RichText:
    """Age, status and what came before of the primary set, as far as the data tell."""
    found = results("baseline")
    place = ArdKey(population="PRIMARY", group="")
    age: ArdKey = {**place, "paramcd": "AGE"}
    if not found.has("N", **age) or not found.find("N", **age).value:
        return RichText("Not in the data: no patient is in the primary set.")
    parts: list[str | Number | RichText] = []
    if found.find("median", **age).estimable:
        parts += [
            "The median age of the ", found.count("N", **age), " patients of the primary set was ",
            found.fixed("median", 1, **age), " years (", found.fixed("min", 0, **age), " to ",
            found.fixed("max", 0, **age), "). ",
        ]  # fmt: skip
    arsi = ArdKey(**place, paramcd="ARSI", level="Y")
    if found.has("n", **arsi):
        parts += [
            found.count(**arsi), " had taken abiraterone or enzalutamide before (",
            found.percent(**arsi), f"{NO_BREAK_SPACE}%). ",
        ]  # fmt: skip
    ctc = ArdKey(**place, paramcd="CTC")
    if found.has("median", **ctc) and found.find("median", **ctc).estimable:
        parts += [
            "The median count of circulating tumour cells was ", found.fixed("median", 1, **ctc),
            " per ", _plan("screening.volume_ml"), " mL.",
        ]  # fmt: skip
    return _joined(*parts)


def exposure() -> RichText:
    """How many infusions were given, and the dose intensity where doses are known."""
    found = results("exposure")
    cycles = ArdKey(population="SAFETY", group="", paramcd="NCYCLES", level="")
    if not found.has("median", **cycles) or not found.find("median", **cycles).estimable:
        return RichText("Not in the data: no patient was treated")
    parts: list[str | Number | RichText] = [
        found.count("n", **cycles), " patients were treated with a median of ",
        found.fixed("median", 1, **cycles), " infusions (", found.fixed("min", 0, **cycles), " to ",
        found.fixed("max", 0, **cycles), ")",
    ]  # fmt: skip
    intensity = ArdKey(population="SAFETY", group="", paramcd="RDI", level="")
    if found.find("median", **intensity).estimable:
        parts += [
            "; the median relative dose intensity was ",
            found.fixed("median", 1, **intensity),
            f"{NO_BREAK_SPACE}%, of ",
            found.count("n", **intensity),
            " patients whose doses and days are all known",
        ]
    else:
        parts.append("; doses are not in the data, so no dose intensity is given")
    return _joined(*parts)


def safety() -> RichText:
    """What happened under treatment, in one sentence; every number from the overview."""
    found = results("ae_overview")
    severe = next(v for v in found.values("level") if v.startswith("Grade >= "))
    any_, bad, stop, fatal = (
        ArdKey(level=level, group="")
        for level in ("Any", severe, "Leading to discontinuation", "Fatal")
    )
    if not found.find("N", **any_).value:
        return RichText("Not in the data: no patient was treated.")
    return _joined(
        "Of ", found.count("N", **any_), " treated patients ", found.count(**bad),
        " had an adverse event of grade ", _plan("safety.severe_grade"), " or more, ", found.count(**stop),
        " had one for which the drug was stopped, by the action recorded with the event, and ",
        found.count(**fatal), " had a fatal one", *_fatal(found, fatal), ".",
    )  # fmt: skip


def _fatal(found: Results, fatal: ArdKey) -> list[str | Number]:
    """Of what terms the fatal event was and of how many it was related."""
    if not found.find("n", **fatal).value:
        return []
    terms = results("fatal_events")
    known = [t for t in terms.values("sublevel", level="Treatment-emergent") if t]
    words = sorted(coded(term).lower() for term in known)
    parts: list[str | Number] = [f" ({', '.join(words)})" if words else ""]
    return [*parts, ", which was related in ", found.count(level="Related, fatal", group="")]


def late_fatal() -> RichText:
    """The fatal adverse events that began after the window of safety, each named."""
    found = results("fatal_events")
    levels = [level for level in found.values("level") if level.startswith("More than")]
    late = ArdKey(level=levels[0], sublevel="") if levels else None
    if late is None or not found.find("n", **late).value:
        return RichText("")
    parts: list[str | Number] = []
    for term in (term for term in found.values("sublevel", level=levels[0]) if term):
        at = ArdKey(level=levels[0], sublevel=term)
        parts += ["; " if parts else "", coded(term).lower()]
        if found.has("min", **at):
            first, last = found.count("min", **at), found.count("max", **at)
            days = [first] if first.text == last.text else [first, " to ", last]
            parts += [", ", *days, " days after the last dose"]
    return _joined(
        "Later, more than ", _plan("safety.days_after_last_dose"), " days after the last dose, a fatal "
        "adverse event began in ", n_of_N("fatal_events", **late), " treated patients (", *parts, ").",
    )  # fmt: skip


def progression_events() -> RichText:
    """How many had progression reported as an event, which counts as none."""
    found = results("ae_progression")
    place = ArdKey(level="Any", group="")
    if not len(found) or not found.find("n", **place).value:
        return RichText("")
    return _joined(
        "Progression of the disease was reported as an event in ",
        n_of_N("ae_progression", **place), " treated patients, fatal in ", found.count(level="Fatal", group=""),
        "; it counts as no adverse event.",
    )  # fmt: skip


def departures() -> RichText:
    """Whether anything departed from the plan."""
    found = ard.table("deviations")
    after = ard.table("plan")["study"]["written_after_results"]
    known = " The plan itself was written when the results were known." if after else ""
    if not found:
        return RichText(f"The analysis did not depart from the statistical analysis plan.{known}")
    ids = ", ".join(one["id"] for one in found)
    return RichText(
        f"Departures from the statistical analysis plan ({ids}) are listed in chapter 9.8.{known}"
    )


def mapped() -> RichText:
    """That the files had another form, where they had."""
    if ard.table("plan")["inputs"]["intake"] == "sdtm":
        return RichText("")
    return RichText(
        "The files came in another form; a written table maps them to the domains, before these checks, "
        "and counts what it could not map. "
    )


def compliance() -> RichText:
    """Whether doses were seen to be given, as far as the data tell."""
    found = results("exposure")
    place = ArdKey(group="", paramcd="CUMDOSE", level="")
    known = found.has("n", **place) and found.find("n", **place).value > 0
    return RichText(
        "Study cabazitaxel was infused at the site, so every dose was seen."
        if known
        else "Study cabazitaxel was infused at the site; the doses given are not in the data."
    )


class Index:
    """Displays as a list: number with a link, title, and in the PDF the page."""

    def __init__(self, display_ids: Sequence[str]) -> None:
        self.display_ids = tuple(display_ids)

    def _repr_markdown_(self) -> str:
        if not self.display_ids:
            return "None."
        titles = ((ref(i), register()[i].title) for i in self.display_ids)
        lines = [f"- {number} {markdown_text(title)}" for number, title in titles]
        return "\n".join(["::: {.tlf-index}", *lines, ":::", ""])


def displays_under(number: str) -> Index:
    """Every display whose number begins so, in the order of the numbers."""
    named = register().by_number()
    return Index([i for i, entry in named if entry.number.startswith(f"{number}.")])
