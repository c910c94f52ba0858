"""Group A: the physician's choice, its PSA, its progression, and the return to screening."""

from sap.simulate.ctc import Reading, write_reading
from sap.simulate.psa import never_measured, write_psa
from sap.simulate.screening import disposition, draw_count, milestone, write_criterion
from sap.simulate.subject import Subject, between, chance, iso, pick, waiting_days

ARSI = ("ABIRATERONE", "ENZALUTAMIDE")
KINDS = {
    "ABIRATERONE": ("HORMONAL", "ZYTIGA", 1000, "mg"),
    "ENZALUTAMIDE": ("HORMONAL", "XTANDI", 160, "mg"),
    "CABAZITAXEL": ("CHEMOTHERAPY", "JEVTANA", 25, "mg/m2"),
    "DOCETAXEL": ("CHEMOTHERAPY", "TAXOTERE", 75, "mg/m2"),
    "RADIUM-223": ("RADIOPHARMACEUTICAL", "XOFIGO", 55, "kBq/kg"),
}


def choose_therapy(subject: Subject) -> None:
    """Group A's therapy, when it starts and when the patient progresses; sets the patient's state.

    Prior abiraterone is not repeated, nor is prior enzalutamide. A patient of group B who is not
    treated in the study has a physician's choice too.
    """
    assert subject.allocated is not None
    given, rng = subject.given.choice, subject.stream("choice")
    prior = [row["CMDECOD"] for row in subject.rows.get("cm", [])]
    offered = [
        (name, share) for name, share in given.therapies if name not in ARSI or name not in prior
    ]
    subject.therapy = pick(rng, offered)
    ahead = 12 if subject.group == "B" else 0  # time until the patient declined
    subject.therapy_start = subject.allocated + ahead + between(rng, 4, 30)
    months = dict(given.months_to_progression)[subject.therapy]
    free = 38 + waiting_days(rng, months - 1.2)
    dies_first = chance(rng, given.death_before_progression)
    subject.progression = None if dies_first else subject.therapy_start + free


def rescreen(subject: Subject, ctc_threshold: int) -> None:
    """Re-screening of a patient who progressed on abiraterone or enzalutamide.

    Sets the second sample and, after conversion, the outcome (`fate`); ds, cp, gf, ie.
    """
    if subject.therapy not in ARSI or subject.progression is None:
        return
    given, rng = subject.given.choice, subject.stream("rescreening")
    attends, wait, wait_more = (
        chance(rng, given.rescreened),
        between(rng, 2, 24),
        between(rng, 0, 6),
    )
    first = (
        subject.arv7 if subject.count is not None and subject.count >= ctc_threshold else "NOT DONE"
    )
    converts = chance(rng, dict(given.converts).get(first, 0.4))
    low, normal, state, mark = rng.random(), rng.normal(), rng.random(), rng.random()
    fate, turnaround = rng.random(), between(rng, 6, 12)
    if not attends:
        return
    subject.second_sample = subject.progression + wait + wait_more
    milestone(subject, "RE-SCREENING CONSENT OBTAINED", subject.progression + wait, "RE-SCREENING")
    milestone(subject, "RE-SCREENED", subject.second_sample, "RE-SCREENING")
    reading = _second_reading(subject, ctc_threshold, converts, (low, normal, state))
    write_reading(subject, reading, "RE-SCREENING", subject.second_sample)
    subject.second_count, subject.second_arv7 = reading.per_tube, reading.arv7
    if reading.arv7 != "POSITIVE" or (reading.raw or 0) < ctc_threshold:
        return
    day = subject.second_sample + turnaround
    milestone(subject, "ALLOCATED TO GROUP B", day, "RE-SCREENING")
    day += 2 + int(mark * 6)
    if fate < given.rescreened_not_eligible:
        subject.fate = "NOT ELIGIBLE"
        write_criterion(subject, "RE-SCREENING", day, mark)
        disposition(subject, "RE-SCREENING", "NOT ELIGIBLE", day)
    elif fate < given.rescreened_not_eligible + given.rescreened_declined:
        subject.fate = "DECLINED"
        disposition(subject, "RE-SCREENING", "DECLINED", day)
    else:
        subject.fate = "TREATED AFTER RE-SCREENING"
        milestone(subject, "TREATMENT CONSENT OBTAINED", day, "RE-SCREENING")


def _second_reading(
    subject: Subject, ctc_threshold: int, converts: bool, marks: tuple[float, float, float]
) -> Reading:
    low, normal, state = marks
    if converts:
        return Reading(
            draw_count(subject, normal + 0.5, ctc_threshold, enough=True, low=low), 7.5, "POSITIVE"
        )
    if state < 0.25:
        raw = draw_count(subject, normal, ctc_threshold, enough=False, low=low)
        return Reading(raw, arv7_reason="FEWER THAN 3 CTC")
    raw = draw_count(subject, normal, ctc_threshold, enough=True, low=low)
    if state < 0.40:
        reason = "INSUFFICIENT EPITHELIAL SIGNAL"
        return Reading(raw, 7.5, "UNDETERMINED", arv7_reason=reason)
    return Reading(raw, 7.5, "NEGATIVE")


def write_therapy(subject: Subject) -> None:
    """The chosen therapy in cm, its PSA in lb, and what followed it."""
    rng = subject.stream("choice", 1)
    if subject.therapy == "NONE":
        return
    end = subject.progression if subject.progression is not None else subject.death
    assert end is not None
    cycles_end = subject.therapy_start + 21 * 9 if subject.therapy == "CABAZITAXEL" else end
    end = min(end, cycles_end)
    why = "PROGRESSION" if subject.progression is not None else None
    write_anticancer(
        subject, subject.therapy, "PHYSICIAN'S CHOICE", subject.therapy_start, end, why
    )
    if chance(subject.stream("choice", 2), subject.given.choice.partial_date):
        subject.rows["cm"][-1]["CMSTDTC"] = iso(subject.therapy_start)[:7]
    _choice_psa(subject, end)
    if subject.progression is None:
        return
    _progressed(subject)
    next_one = pick(rng, [(name, 1.0) for name in KINDS if name != subject.therapy])
    goes_on, wait, lasts = chance(rng, 0.4), between(rng, 10, 60), between(rng, 40, 200)
    if goes_on and not subject.episodes and subject.second_sample is None:
        start = subject.progression + wait
        category = "SUBSEQUENT ANTICANCER THERAPY"
        write_anticancer(subject, next_one, category, start, start + lasts, "PROGRESSION")


def _progressed(subject: Subject) -> None:
    """Progression of a patient of group A as assessed by the investigator."""
    assert subject.progression is not None
    subject.write(
        "rs",
        RSTESTCD="OVRLRESP",
        RSTEST="Overall Response",
        RSCAT="PCWG3",
        RSORRES="PD",
        RSSTRESC="PD",
        RSEVAL="INVESTIGATOR",
        VISIT="FOLLOW-UP",
        RSDTC=iso(subject.progression),
    )


def write_anticancer(
    subject: Subject, decod: str, category: str, start: int, end: int, why: str | None
) -> None:
    """One anticancer therapy in cm."""
    kind, brand, amount, unit = KINDS[decod]
    subject.write(
        "cm",
        CMTRT=brand,
        CMDECOD=decod,
        CMCAT=category,
        CMSCAT=kind,
        CMINDC="PROSTATE CANCER",
        CMDOSE=amount,
        CMDOSU=unit,
        CMSTDTC=iso(start),
        CMENDTC=iso(end),
        CMRSDISC=why,
    )


def _choice_psa(subject: Subject, end: int) -> None:
    """PSA on the chosen therapy: at its start, then every three or four weeks until progression.

    PSA of a responder decreases to a fifth and returns by progression; of others it decreases little,
    in one of five it increases from the start. In one patient in eight one value after week 12 is
    increased by half and the next is not.
    """
    given, rng = subject.given.choice, subject.stream("psa", 3)
    every = 21 if subject.therapy in ("CABAZITAXEL", "DOCETAXEL") else 28
    rate = given.cabazitaxel_response if subject.therapy == "CABAZITAXEL" else given.arsi_response
    responds = chance(rng, rate if subject.therapy not in ("RADIUM-223", "DOCETAXEL") else 0.15)
    no_psa = chance(rng, 0.10) or (not subject.episodes and never_measured(subject))
    base = round(subject.psa * float(rng.lognormal(0.05, 0.12)), 1)
    if no_psa:
        return
    write_psa(subject, base, "FOLLOW-UP", subject.therapy_start - between(rng, 0, 5))
    last = min(end + 60, subject.therapy_start + 540, subject.second_sample or end + 60)
    only_increases = not responds and chance(subject.stream("psa", 10), 0.2)
    days = range(subject.therapy_start + every, last, every)
    jumps = 84 // every + 2 if chance(subject.stream("psa", 11), 0.125) else 0
    for number, day in enumerate(days, start=1):
        share = (day - subject.therapy_start) / max(60, end - subject.therapy_start)
        ratio = 1 + 0.1 * number if only_increases else _share_of_base(number, share, responds)
        ratio *= 1.5 if number == jumps else 1
        value = round(base * ratio * float(rng.lognormal(0, 0.06)), 1)
        write_psa(subject, value, "FOLLOW-UP", day + between(rng, -2, 2))


def _share_of_base(number: int, share: float, responds: bool) -> float:
    if responds:
        decrease = max(0.15, 1 - 0.32 * number)
        return decrease if share < 0.8 else decrease * (1 + 2.5 * (share - 0.8))
    return max(0.62, 1 - 0.1 * number) if share < 0.5 else 0.8 + 0.9 * (share - 0.5)
