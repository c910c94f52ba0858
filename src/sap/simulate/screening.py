"""Consent, the first blood sample, the count, AR-V7, and the allocation to group A or B."""

from datetime import date

from sap.simulate.ctc import Reading, write_reading
from sap.simulate.subject import Subject, between, chance, iso, pick

MILESTONE = "PROTOCOL MILESTONE"
DISPOSITION = "DISPOSITION EVENT"

CRITERIA: tuple[tuple[str, str, str], ...] = (
    ("INCL04", "TESTOSTERONE BELOW 1.7 NMOL/L", "INCLUSION"),
    ("INCL06", "PSA AT LEAST 2.0 UG/L", "INCLUSION"),
    ("EXCL03", "PRIOR CABAZITAXEL", "EXCLUSION"),
    ("EXCL07", "NEUTROPHILS BELOW 1.5 X 10^9/L", "EXCLUSION"),
    ("EXCL08", "PLATELETS BELOW 100 X 10^9/L", "EXCLUSION"),
    ("EXCL09", "HAEMOGLOBIN BELOW 6.2 MMOL/L", "EXCLUSION"),
    ("EXCL10", "BILIRUBIN ABOVE 1.5 X ULN", "EXCLUSION"),
)


def screen(subject: Subject, ctc_threshold: int, arv7_prevalence: float) -> None:
    """Consent, sample, count, AR-V7 and group; sets the patient's state and writes ds, cp, gf, ie.

    1. No sample: the patient declined.
    2. The entry criteria are not met before the count: not eligible.
    3. The count failed: no group.
    4. At least `ctc_threshold` CTC and AR-V7 positive: group B.
    5. All others: group A, the physician's choice.
    """
    given, rng = subject.given.screening, subject.stream("screening")
    subject.consent = _consent_day(subject, rng.random())
    subject.site = pick(rng, [(site, share) for site, share in subject.given.sites])
    subject.age = int(min(88, max(51, rng.normal(given.age_mean, given.age_sd))))
    subject.height = round(float(rng.normal(177, 7)), 0)
    subject.weight = round(float(min(125, max(58, rng.normal(84, 12)))), 1)
    subject.psa = round(float(min(2500, max(3.0, 140 * rng.lognormal(0, 1.1)))), 1)
    no_sample, refused = chance(rng, given.no_sample), chance(rng, given.not_eligible)
    sample = subject.consent + between(rng, 0, 7)
    reading = first_reading(subject, ctc_threshold, arv7_prevalence)
    turnaround = between(rng, 6, 14)
    milestone(subject, "INFORMED CONSENT OBTAINED", subject.consent)
    if no_sample:
        disposition(subject, "SCREENING", "DECLINED", sample, "DECLINED BEFORE THE BLOOD SAMPLE")
        return
    subject.sample = sample
    milestone(subject, "SCREENED", sample)
    if refused:
        write_criterion(subject, "SCREENING", sample, rng.random())
        disposition(subject, "SCREENING", "NOT ELIGIBLE", sample + 1, "NOT ELIGIBLE")
        subject.fate = "NOT ELIGIBLE"
        return
    write_reading(subject, reading, "SCREENING", sample)
    second = (
        second_reading(subject, ctc_threshold, arv7_prevalence) if reading.raw is None else None
    )
    if second is not None:
        reading, sample = second, sample + 5
        write_reading(subject, reading, "SCREENING", sample)
    subject.count, subject.arv7 = reading.per_tube, reading.arv7
    if subject.count is None:
        disposition(subject, "SCREENING", "OTHER", sample + 7, "CTC COUNT NOT EVALUABLE")
        return
    subject.allocated = sample + turnaround
    subject.group = "B" if subject.count >= ctc_threshold and subject.arv7 == "POSITIVE" else "A"
    milestone(subject, f"ALLOCATED TO GROUP {subject.group}", subject.allocated)


def _consent_day(subject: Subject, chance_of_day: float) -> int:
    """Consents are spread evenly over the accrual, each at random in its interval."""
    given = subject.given.screening
    start = date.fromisoformat(given.first_consent).toordinal()
    spacing = given.accrual_days / given.usual_screened
    return start + int((subject.number - 1 + chance_of_day) * spacing)


def first_reading(subject: Subject, ctc_threshold: int, arv7_prevalence: float) -> Reading:
    """The count and AR-V7 of the first sample."""
    given, rng = subject.given.screening, subject.stream("ctc")
    enough = chance(rng, given.three_or_more)
    count = draw_count(subject, rng.normal(), ctc_threshold, enough=enough, low=rng.random())
    failed, volume_mark = chance(rng, given.count_not_done), rng.random()
    not_tested = chance(rng, given.not_tested if enough else 1 - given.tested_below_three)
    rate = given.undetermined if enough else given.undetermined_below_three
    undetermined = chance(rng, rate)
    positive = chance(rng, arv7_prevalence)
    reason = pick(rng, given.undetermined_reasons)
    if failed:
        return Reading(None, reason="SAMPLE CLOTTED", arv7_reason="NO CTC SAMPLE")
    volume = 7.5 if volume_mark < 0.92 or not enough else 7.0
    if not_tested:
        why = "SAMPLE LOST IN TRANSPORT" if enough else "FEWER THAN 3 CTC"
        return Reading(count, volume, "NOT DONE", arv7_reason=why)
    if undetermined:
        return Reading(count, volume, "UNDETERMINED", arv7_reason=reason)
    return Reading(count, volume, "POSITIVE" if positive else "NEGATIVE")


def second_reading(subject: Subject, ctc_threshold: int, arv7_prevalence: float) -> Reading | None:
    """A second sample after a count that failed; available in half of these patients."""
    rng = subject.stream("ctc", 8)
    available, positive = (
        chance(rng, subject.given.screening.second_sample),
        chance(rng, arv7_prevalence),
    )
    count = draw_count(subject, rng.normal(), ctc_threshold, enough=True, low=0.0)
    return Reading(count, arv7="POSITIVE" if positive else "NEGATIVE") if available else None


def draw_count(
    subject: Subject, normal: float, ctc_threshold: int, *, enough: bool, low: float
) -> int:
    """A raw count on the given side of the threshold."""
    if not enough:
        return int(low * ctc_threshold)
    given = subject.given.screening
    return max(
        ctc_threshold, int(given.median_count * 2.718281828 ** (given.spread_count * normal))
    )


def write_criterion(subject: Subject, visit: str, day: int, mark: float) -> None:
    """The criterion that was not met; only those are recorded."""
    code, words, kind = CRITERIA[int(mark * len(CRITERIA))]
    met = "N" if kind == "INCLUSION" else "Y"
    subject.write(
        "ie",
        IETESTCD=code,
        IETEST=words,
        IECAT=kind,
        IEORRES=met,
        IESTRESC=met,
        VISIT=visit,
        IEDTC=iso(day),
    )


def milestone(subject: Subject, decod: str, day: int, visit: str = "SCREENING") -> None:
    """A protocol milestone in ds; a milestone has no epoch."""
    subject.write(
        "ds",
        DSTERM=decod,
        DSDECOD=decod,
        DSCAT=MILESTONE,
        DSSCAT=visit,
        EPOCH=None,
        DSSTDTC=iso(day),
    )


def disposition(subject: Subject, what: str, decod: str, day: int, term: str | None = None) -> None:
    """A disposition event in ds; `what` is its category (DSSCAT)."""
    epochs = {"STUDY TREATMENT": "TREATMENT", "STUDY PARTICIPATION": "FOLLOW-UP"}
    subject.write(
        "ds",
        DSTERM=term or decod,
        DSDECOD=decod,
        DSCAT=DISPOSITION,
        DSSCAT=what,
        EPOCH=epochs.get(what, what),
        DSSTDTC=iso(day),
    )


def enrol(subject: Subject, *, places_left: bool) -> None:
    """Outcome of a patient allocated to group B: treated, declined or not eligible.

    Sets `fate` and writes the treatment consent or the reason against treatment; ds and ie.
    """
    given, rng = subject.given.screening, subject.stream("screening", 1)
    assert subject.allocated is not None
    not_eligible, declined = (
        chance(rng, given.positive_not_eligible),
        chance(rng, given.positive_declined),
    )
    day, mark = subject.allocated + between(rng, 2, 12), rng.random()
    if not_eligible:
        subject.fate = "NOT ELIGIBLE"
        write_criterion(subject, "SCREENING", day, mark)
    elif declined:
        subject.fate = "DECLINED"
    elif not places_left:
        subject.fate = "OTHER"
    else:
        subject.fate = "TREATED"
        milestone(subject, "TREATMENT CONSENT OBTAINED", day)
        return
    term = {"OTHER": "ENROLMENT COMPLETE"}.get(subject.fate, subject.fate)
    disposition(subject, "SCREENING", subject.fate, day, term)
