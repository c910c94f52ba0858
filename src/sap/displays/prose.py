"""Sentences that depend on the plan or on what the data hold, written once for all chapters."""

from collections.abc import Sequence

from sap import ard
from sap.displays import plan_text
from sap.displays.addressed import Number, Place, Results, results
from sap.displays.catalogue import catalogue
from sap.displays.free_text import coded, markdown_text
from sap.displays.say import NO_BREAK_SPACE, Said, interval, months, n_of_N, p, rate, ref


def _plan(path: str) -> Number:
    return plan_text.number(path)


def _joined(*parts: str | Number | Said) -> Said:
    flat: list[str | Number] = []
    for part in parts:
        flat += part.parts if isinstance(part, Said) else [part]
    return Said(*flat)


def design() -> Said:
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
            _plan("design.r"), " of ", _plan("design.n"), " men respond.",
        )  # fmt: skip
    named = {"minimax": "Simon's minimax design", "optimal": "Simon's optimal design"}
    named = {} if d["deviation"] else named
    return _joined(
        f"Single-arm phase 2 in two stages, {named.get(d['criterion'], 'after Simon')}. ",
        *test, ". The trial stops after ", _plan("design.n1"), " men when at most ",
        _plan("design.r1"), " respond, and H0 is rejected when more than ", _plan("design.r"),
        " of ", _plan("design.n"), " respond.",
    )  # fmt: skip


def design_deviation() -> Said:
    """That the design is not what the plan's alpha, power or criterion say."""
    d = ard.table("plan")["design"]
    if not d["deviation"]:
        return Said("")
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


def empty_primary() -> Said:
    """That the primary analysis set is empty, where it is; else nothing."""
    if results("psa_response").find("N", population="PRIMARY").value:
        return Said("")
    return Said(
        "Not in the data: no patient belongs to the primary analysis set yet, so there is no "
        "response rate (NE: not estimable)."
    )


def stages() -> Said:
    """Whether the estimates have to allow for a trial that could have stopped early."""
    if ard.table("plan")["design"]["kind"] == "single-stage":
        return Said(
            "The design has a single stage, so no estimate has to allow for a rule for stopping"
        )
    return Said(
        "The trial could have stopped after its first stage; there are estimates that allow for it"
    )


def groups() -> Said:
    """Group A and the way back, where the trial has them."""
    if not ard.table("plan")["study"]["groups"]:
        return Said(
            "Men who do not qualify are not treated in the trial; their survival is followed."
        )
    return Said(
        "All others form group A and receive their physician's choice. After progression on "
        "abiraterone or enzalutamide they may be screened again and, if now positive, be treated "
        "with cabazitaxel, without being counted as included twice."
    )


def flow_drawn() -> Said:
    """What the drawing of the flow shows, with the loop where the trial has one."""
    loop = " with the loop of re-screening" if ard.table("plan")["study"]["groups"] else ""
    return Said(f"the way from consent to treatment{loop}")


def negative_men() -> Said:
    """Who the AR-V7 negative men are that the positive ones stand beside."""
    where = "in group A" if ard.table("plan")["study"]["groups"] else "outside of the trial"
    return Said(f"negative men given cabazitaxel {where}")


def growth_factor() -> Said:
    """What is known of growth factor."""
    place = Place(group="", paramcd="GCSFANY", level="")
    found = results("exposure")
    if found.has("n", **place) and found.find("n", **place).estimable:
        return Said("Growth factor was allowed and is recorded with the reason it was given for.")
    return Said("Whether growth factor was given is not in the data.")


def first_progression() -> Said:
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


def new_therapy() -> Said:
    """What a new anticancer therapy before the event does to times to progression."""
    return Said(
        {
            "censor": "A new anticancer therapy before the event censors a man at his last adequate "
            "assessment before it.",
            "event": "A new anticancer therapy is an event.",
            "ignore": "A new anticancer therapy changes nothing.",
        }[ard.table("plan")["progression"]["new_therapy"]]
    )


def registered() -> Said:
    """That milder events were not all registered, where that is so; ends with a space."""
    if ard.table("plan")["safety_rates"]["collected_from_grade"] <= 1:
        return Said("")
    return _joined(
        "Events below grade ", _plan("safety_rates.collected_from_grade"),
        " were not all registered, so counts of any grade are of what was registered. ",
    )  # fmt: skip


def response_rule() -> Said:
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
        "A man responds when his PSA falls by at least ", _plan("psa_response.decline_pct"),
        " % from baseline", *limit, " and ", _plan("psa_response.confirmed_by"),
        " that counts, at least ", _plan("psa_response.confirm_after_days"),
        " days after the first, shows such a fall again. Baseline is the value of the last day "
        "with a value on or before the first dose; values count from the day after it to ",
        _plan("psa_response.days_after_last_cycle"), f" days after the last cycle{therapy}. "
        f"A value below quantification is taken as {below[rule['below_quantification']]}.",
    )  # fmt: skip


def interval_rule() -> Said:
    """Which interval the primary result has."""
    if ard.table("plan")["intervals"]["primary_interval"] == "two-stage":
        return Said(
            "The interval of the primary result allows for the two stages of the design: both exact "
            "tails over its outcomes, in the order of the total of responders (Jung and Kim); before "
            "the design has ended, or with men treated after a stop at stage 1, it is not estimable. "
            "The interval of every other proportion is that of Clopper and Pearson"
        )
    return Said("The interval of a proportion is that of Clopper and Pearson")


def late_falls() -> Said:
    """That the limit on the first fall is lifted, where there is one; ends with a space."""
    if ard.table("plan")["psa_response"]["first_fall_within_days"] is None:
        return Said("")
    return Said("The limit on the day of the first fall is lifted. ")


MODELS = {"os_arv7": "AR-V7", "os_group": "the groups"}


def hazards() -> Said:
    """Each model of survival whose hazards are hardly proportional, with the difference of means."""
    parts: list[str | Number | Said] = []
    for analysis, about in MODELS.items():
        found, model = results(analysis), Place(paramcd="OS", level="Cox", group="", sublevel="")
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
        mean = Place(paramcd="OS", level="RMST difference", group="")
        if found.find("estimate", **mean).estimable:
            parts += [
                " To ", months(analysis, "tau", **mean), ", the restricted means differ by ",
                months(analysis, "estimate", **mean), " (",
                interval(analysis, format="months", **mean), ").",
            ]  # fmt: skip
    return _joined(*parts)


def late_baseline() -> Said:
    """For which measures a value after the reference day can be baseline."""
    measures = ard.table("plan")["baseline"]["window_measures"]
    if not measures:
        return _joined("no measure (the plan has ", _plan("baseline.window_days"), " days for it)")
    return _joined(
        plan_text.values("baseline.window_measures"), ", at most ",
        _plan("baseline.window_days"), " days after it and not after the first dose",
    )  # fmt: skip


def early_confirmation() -> Said:
    """How much too early a value may confirm, where the plan lets it; begins with a space."""
    days = ard.table("plan")["psa_response"]["confirm_tolerance_days"]
    if not days:
        return Said("")
    return Said(
        " A confirming value may come ",
        _plan("psa_response.confirm_tolerance_days"),
        " days early.",
    )


def rescreened() -> Said:
    """The re-screened men and their response, or that the data have none."""
    if not ard.table("plan")["study"]["groups"]:
        return Said("The plan of this trial has no re-screening.")
    found = results("rescreen_response")
    place = Place(population="RESCREENED", paramcd="PSARESP")
    if not found.find("N", **place).value:
        return Said("Not in the data: no man was treated through re-screening.")
    return _joined(
        n_of_N("rescreen_response", **place),
        " men treated through re-screening had a confirmed PSA response (",
        rate("rescreen_response", **place),
        ", ",
        interval("rescreen_response", **place),
        "). They count in no denominator of the primary result.",
    )


def rescreening_rule() -> Said:
    """Who may be screened again and where he is counted, or that the plan has no re-screening."""
    if not ard.table("plan")["study"]["groups"]:
        return Said("The plan of this trial has no re-screening.")
    return _joined(
        "A man who progressed on ", plan_text.either("rescreening.after"), " may be sampled again. "
        "His first group and his place in the primary set never change; what he did after the "
        "second sample is shown in a block of its own.",
    )  # fmt: skip


def second_episodes() -> Said:
    """What the re-screened men are to the result, where the trial has them."""
    said = rescreened()
    if not ard.table("plan")["study"]["groups"]:
        return said
    if not results("rescreen_response").find("N", population="RESCREENED", paramcd="PSARESP").value:
        return said
    return _joined(
        said,
        " They came later in their disease, so their rate and that of the primary set are two things.",
    )


def persons_once() -> Said:
    """That a re-screened man is one person, where the trial has them; ends with a space."""
    if not ard.table("plan")["study"]["groups"]:
        return Said("")
    return Said(
        "A man who was re-screened and treated is a second episode of the same person: he is in the "
        "safety set, and never in the primary set. "
    )


def survival() -> Said:
    """Median survival of the primary set, or that it is not reached."""
    origin = _plan("survival.os_origin")
    found = results("os")
    if not found.find("N", population="PRIMARY", level="").value:
        return Said("Not in the data: nobody of the primary set has an origin for survival.")
    died = n_of_N("os", ("n_events", "N"), population="PRIMARY", level="")
    if not found.find("median", population="PRIMARY", level="").estimable:
        return _joined(
            died, " men of the primary set died; the median from ", origin, " is not reached."
        )
    return _joined(
        died, " men of the primary set died; the median from ", origin, " was ",
        months("os", population="PRIMARY", level=""), " (",
        interval("os", format="months", population="PRIMARY", level=""), ").",
    )  # fmt: skip


def _tumour_response() -> list[str | Number | Said]:
    """Objective response by the plan's rules, of measurable disease first; else the investigator's."""
    found = results("objective_response")

    def known(population: str) -> bool:
        return (
            found.has("estimate", population=population)
            and found.find("estimate", population=population).estimable
        )

    if known("MEASURABLE"):
        measurable, primary = Place(population="MEASURABLE"), Place(population="PRIMARY")
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
    place = Place(population="PRIMARY", paramcd="BORINV", level="CR or PR")
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


def other_efficacy() -> Said:
    """Progression, tumour response and circulating tumour cells of the primary set, where known."""
    parts: list[str | Number | Said] = []
    found = results("pfs")
    pfs = Place(population="PRIMARY", paramcd="PFS", level="")
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
    cells = Place(population="CTCEVAL")
    ctc = results("ctc_response")
    if ctc.has("N", **cells) and ctc.find("N", **cells).value > 0:
        parts += [
            "The count of circulating tumour cells responded in ",
            n_of_N("ctc_response", **cells),
            " evaluable men (",
            rate("ctc_response", **cells),
            ", ",
            interval("ctc_response", **cells),
            ").",
        ]
    else:
        parts.append("No man was evaluable for a response of circulating tumour cells.")
    return _joined(*parts)  # fmt: skip


def conclusion() -> Said:
    """What follows from the rule of the design, and from nothing else; the first case that applies.

    1. The data are synthetic: nothing about a treatment follows, whatever the rule says.
    2. H0 is rejected. 3. It is not, stage 1 included. 4. The rule gives no decision.
    """
    said = results("psa_response").find("decision", population="PRIMARY").words
    below = (
        "a rate of PSA response of at most ", _plan("design.p0"), " among these men",
    )  # fmt: skip
    if said.startswith("H0 rejected"):
        parts: tuple[str | Number, ...] = (
            "More men responded than the rule of the design allows under H0: ", *below, " is rejected",
        )  # fmt: skip
    elif said.startswith("H0 not rejected"):
        parts = (
            "The number of men who responded is within what the rule of the design allows under H0: ",
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


def comparison_rule() -> Said:
    """By which rule the published rate and ours are compared."""
    if ard.table("plan")["comparison"]["rule"] is None:
        return Said("The primary result stands beside a published one as it is")
    limit: tuple[str | Number, ...] = (" at any time after the first dose",)
    if ard.table("plan")["comparison"]["rule"]["first_fall_within_days"] is not None:
        limit = (
            " at most ", _plan("comparison.rule.first_fall_within_days"), " days after the first dose",
        )  # fmt: skip
    return _joined(
        "The published rate stands beside that of our primary set by the rule of the published trial: "
        "men with a baseline PSA of at least ", _plan("comparison.rule.baseline_psa_minimum"),
        " ug/L count, and respond with a fall of at least ", _plan("comparison.rule.decline_pct"), " %",
        *limit, ", confirmed at least ", _plan("comparison.rule.confirm_after_days"),
        " days later; which values count is as in our own rule, whose result is shown beside",
    )  # fmt: skip


def beside_published() -> Said:
    """Our rate by the published trial's rule, the published rate, and their difference."""
    analysis, trial = "comparison_tropic", "TROPIC"
    found = results(analysis)
    here = Place(group="This trial", level="")
    there = Place(group=trial, level="")
    if not len(found) or not found.find("N", **here).value:
        return Said("Nobody of the primary set can stand beside a published rate.")
    own = ard.table("plan")["comparison"]["rule"] is None
    parts: list[str | Number | Said] = [
        "By our own rule " if own else f"By the rule of {trial} ",
        n_of_N(analysis, **here), " men of the primary set responded (", rate(analysis, **here),
        f"); in {trial} ", n_of_N(analysis, **there), " did (", rate(analysis, **there), ")",
    ]  # fmt: skip
    gap = Place(level="Difference")
    if found.find("estimate", **gap).estimable:
        parts += [
            ". The difference is ", found.percent(**gap), " percentage points (",
            interval(analysis, **gap), ")",
        ]  # fmt: skip
    return _joined(*parts, ".")


def toxicity_rule() -> Said:
    """The plan's boundary for toxicity, or that it has none."""
    if ard.table("plan").get("toxicity_monitoring") is None:
        return Said("No stopping boundary for toxicity is planned.")
    return _joined(
        "The boundary is followed for ",
        _plan("toxicity_monitoring.patients"), " patients against a rate of ",
        _plan("toxicity_monitoring.p0"), " at a level of ", _plan("toxicity_monitoring.alpha"),
        ", events of grade ", _plan("toxicity_monitoring.from_grade"), " and above.",
    )  # fmt: skip


def toxicity() -> Said:
    """Where the trial stands against the plan's boundary for toxicity."""
    if ard.table("plan").get("toxicity_monitoring") is None:
        return Said("The plan has no stopping boundary for toxicity.")
    found = results("toxicity_monitoring")
    place = Place(paramcd="TOX", level="")
    if not found.has("N", **place) or not found.find("N", **place).value:
        return Said("Nobody was treated, so the boundary for toxicity has nothing to count.")
    return _joined(
        _plan("toxicity_monitoring.name"), " of grade ", _plan("toxicity_monitoring.from_grade"),
        " or more was seen in ", n_of_N("toxicity_monitoring", **place),
        " treated men; the boundary at this number of men is ",
        found.count("boundary", **place), ". State of the boundary: ",
        found.words("decision", **place), ".",
    )  # fmt: skip


def record() -> Said:
    """The cut, the plan and what kind of data they are."""
    facts = ard.run_facts()
    kind = (
        " The data are synthetic: no line of them comes from a person."
        if facts["synthetic"]
        else ""
    )
    planned = "planned" if facts["planned"] else "unplanned"
    return Said(
        f"The data were cut at {facts['cut_off']} ({facts['cut_off_name']}, {planned}) and frozen as "
        f"{facts['cut_id']}; the plan is {facts['plan_file']}, SHA-256{NO_BREAK_SPACE}"
        f"{facts['plan_sha256']}.{kind}"
    )


def baseline() -> Said:
    """Age, status and what came before of the primary set, as far as the data tell."""
    found = results("baseline")
    place = Place(population="PRIMARY", group="")
    age: Place = {**place, "paramcd": "AGE"}
    if not found.has("N", **age) or not found.find("N", **age).value:
        return Said("Not in the data: nobody is in the primary set.")
    parts: list[str | Number | Said] = []
    if found.find("median", **age).estimable:
        parts += [
            "The median age of the ", found.count("N", **age), " men of the primary set was ",
            found.fixed("median", 1, **age), " years (", found.fixed("min", 0, **age), " to ",
            found.fixed("max", 0, **age), "). ",
        ]  # fmt: skip
    arsi = Place(**place, paramcd="ARSI", level="Y")
    if found.has("n", **arsi):
        parts += [
            found.count(**arsi), " had taken abiraterone or enzalutamide before (",
            found.percent(**arsi), f"{NO_BREAK_SPACE}%). ",
        ]  # fmt: skip
    ctc = Place(**place, paramcd="CTC")
    if found.has("median", **ctc) and found.find("median", **ctc).estimable:
        parts += [
            "The median count of circulating tumour cells was ", found.fixed("median", 1, **ctc),
            " per ", _plan("screening.volume_ml"), " mL.",
        ]  # fmt: skip
    return _joined(*parts)


def exposure() -> Said:
    """How many infusions were given, and the dose intensity where doses are known."""
    found = results("exposure")
    cycles = Place(population="SAFETY", group="", paramcd="NCYCLES", level="")
    if not found.has("median", **cycles) or not found.find("median", **cycles).estimable:
        return Said("Not in the data: nobody was treated")
    parts: list[str | Number | Said] = [
        found.count("n", **cycles), " men were treated with a median of ",
        found.fixed("median", 1, **cycles), " infusions (", found.fixed("min", 0, **cycles), " to ",
        found.fixed("max", 0, **cycles), ")",
    ]  # fmt: skip
    intensity = Place(population="SAFETY", group="", paramcd="RDI", level="")
    if found.find("median", **intensity).estimable:
        parts += [
            "; the median relative dose intensity was ",
            found.fixed("median", 1, **intensity),
            f"{NO_BREAK_SPACE}%, of ",
            found.count("n", **intensity),
            " men whose doses and days are all known",
        ]
    else:
        parts.append("; doses are not in the data, so no dose intensity is given")
    return _joined(*parts)


def safety() -> Said:
    """What happened under treatment, in one sentence; every number from the overview."""
    found = results("ae_overview")
    severe = next(v for v in found.values("level") if v.startswith("Grade >= "))
    any_, bad, stop, fatal = (
        Place(level=level, group="")
        for level in ("Any", severe, "Leading to discontinuation", "Fatal")
    )
    if not found.find("N", **any_).value:
        return Said("Not in the data: nobody was treated.")
    return _joined(
        "Of ", found.count("N", **any_), " treated men ", found.count(**bad),
        " had an adverse event of grade ", _plan("safety.severe_grade"), " or more, ", found.count(**stop),
        " had one for which the drug was stopped, by the action recorded with the event, and ",
        found.count(**fatal), " had a fatal one", *_fatal(found, fatal), ".",
    )  # fmt: skip


def _fatal(found: Results, fatal: Place) -> list[str | Number]:
    """Of what terms the fatal event was and of how many it was related."""
    if not found.find("n", **fatal).value:
        return []
    terms = results("fatal_events")
    known = [t for t in terms.values("sublevel", level="Treatment-emergent") if t]
    words = sorted(coded(term).lower() for term in known)
    parts: list[str | Number] = [f" ({', '.join(words)})" if words else ""]
    return [*parts, ", which was related in ", found.count(level="Related, fatal", group="")]


def late_fatal() -> Said:
    """The fatal adverse events that began after the window of safety, each named."""
    found = results("fatal_events")
    levels = [level for level in found.values("level") if level.startswith("More than")]
    late = Place(level=levels[0], sublevel="") if levels else None
    if late is None or not found.find("n", **late).value:
        return Said("")
    parts: list[str | Number] = []
    for term in (term for term in found.values("sublevel", level=levels[0]) if term):
        at = Place(level=levels[0], sublevel=term)
        parts += ["; " if parts else "", coded(term).lower()]
        if found.has("min", **at):
            first, last = found.count("min", **at), found.count("max", **at)
            days = [first] if first.text == last.text else [first, " to ", last]
            parts += [", ", *days, " days after the last dose"]
    return _joined(
        "Later, more than ", _plan("safety.days_after_last_dose"), " days after the last dose, a fatal "
        "adverse event began in ", n_of_N("fatal_events", **late), " treated men (", *parts, ").",
    )  # fmt: skip


def progression_events() -> Said:
    """How many had progression reported as an event, which counts as none."""
    found = results("ae_progression")
    place = Place(level="Any", group="")
    if not len(found) or not found.find("n", **place).value:
        return Said("")
    return _joined(
        "Progression of the disease was reported as an event in ",
        n_of_N("ae_progression", **place), " treated men, fatal in ", found.count(level="Fatal", group=""),
        "; it counts as no adverse event.",
    )  # fmt: skip


def departures() -> Said:
    """Whether anything departed from the plan."""
    found = ard.table("deviations")
    after = ard.table("plan")["study"]["written_after_results"]
    known = " The plan itself was written when the results were known." if after else ""
    if not found:
        return Said(f"The analysis did not depart from the statistical analysis plan.{known}")
    ids = ", ".join(one["id"] for one in found)
    return Said(
        f"Departures from the statistical analysis plan ({ids}) are listed in chapter 9.8.{known}"
    )


def mapped() -> Said:
    """That the files had another form, where they had."""
    if ard.table("plan")["inputs"]["intake"] == "sdtm":
        return Said("")
    return Said(
        "The files came in another form; a written table maps them to the domains, before these checks, "
        "and counts what it could not map. "
    )


def compliance() -> Said:
    """Whether doses were seen to be given, as far as the data tell."""
    found = results("exposure")
    place = Place(group="", paramcd="CUMDOSE", level="")
    known = found.has("n", **place) and found.find("n", **place).value > 0
    return Said(
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
        titles = ((ref(i), catalogue()[i].title) for i in self.display_ids)
        lines = [f"- {number} {markdown_text(title)}" for number, title in titles]
        return "\n".join(["::: {.tlf-index}", *lines, ":::", ""])


def displays_under(number: str) -> Index:
    """Every display whose number begins so, in the order of the numbers."""
    named = catalogue().by_number()
    return Index([i for i, entry in named if entry.number.startswith(f"{number}.")])
