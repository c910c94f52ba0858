"""PSA: at screening, before each cycle, at the end of treatment and every three months after."""

from numpy.random import Generator

from sap.simulate.dosing import infusion_minute
from sap.simulate.scenarios import COURSES, Course
from sap.simulate.subject import Episode, Subject, between, chance, iso

LLOQ = 0.1
BEFORE_PROGRESSION = 91  # days between values once treatment has stopped
Visit = tuple[str, int]


def write_psa(
    subject: Subject, value: float | None, visit: str, day: int, minute: int | None = None
) -> None:
    """One PSA row in lb; no value is a value not done, below the limit is '<0.1'."""
    site = subject.given
    measured = value is not None
    low = value is not None and value < LLOQ
    shown = None if value is None else f"<{LLOQ}" if low else f"{value:g}"
    unit = "ng/mL" if subject.site in site.sites_with_ng_ml else "ug/L"
    subject.write(
        "lb",
        LBTESTCD="PSA",
        LBTEST="Prostate Specific Antigen",
        LBCAT="TUMOR MARKER",
        LBORRES=shown,
        LBORRESU=unit if measured else None,
        LBSTRESC=shown,
        LBSTRESN=None if low else value,
        LBSTRESU="ug/L" if measured else None,
        LBSTNRLO=0 if measured and not low else None,
        LBSTNRHI=4 if measured and not low else None,
        LBLLOQ=LLOQ if measured else None,
        LBSTAT=None if measured else "NOT DONE",
        LBREASND=None if measured else "SAMPLE NOT TAKEN",
        VISIT=visit,
        LBDTC=iso(day, minute),
    )


def screening_psa(subject: Subject) -> None:
    """The value at screening; missing in scenarios without a baseline."""
    if subject.sample is None:
        return
    without_value = any("no baseline" in episode.scenario.marks for episode in subject.episodes[:1])
    without_value = without_value or (not subject.episodes and never_measured(subject))
    write_psa(subject, None if without_value else subject.psa, "SCREENING", subject.sample)


def set_baseline_level(subject: Subject, episode: Episode) -> None:
    """The level of a course from screening to baseline, which a course with exact values fixes.

    1. The course has no levels: nothing; its baseline follows from the value at screening.
    2. The subject's own level, with its growth until baseline, is within the levels: unchanged.
    3. Else a level within them is drawn, and earlier values are scaled accordingly.
    """
    course = COURSES[episode.scenario.psa]
    if course.levels is None:
        return
    (low, high), rng = course.levels, subject.stream("course", episode.part)
    growth, mark = _growth(rng), rng.random()
    before = _last_value(subject, episode)
    level = before * growth
    if not low <= level <= high:
        level = low + mark * (high - low)
    level = min(high, max(low, round(level / course.step) * course.step))
    episode.baseline = round(level, 2)
    if episode.part == 0:
        subject.psa = max(2.0, round(level / growth, 1))
    elif not low <= before * growth <= high:
        _scale(subject, level / growth / before)


def _growth(rng: Generator) -> float:
    return float(rng.lognormal(0.05, 0.1))


def _last_value(subject: Subject, episode: Episode) -> float:
    """The last value before a course: of a first course the one at screening."""
    measured = [
        (str(row["LBDTC"]), float(str(row["LBSTRESN"])))
        for row in subject.rows.get("lb", [])
        if row["LBTESTCD"] == "PSA" and row.get("LBSTRESN") is not None
    ]
    return max(measured)[1] if episode.part == 1 and measured else subject.psa


def _scale(subject: Subject, factor: float) -> None:
    """The same course at another level."""
    for row in subject.rows["lb"]:
        if row["LBTESTCD"] == "PSA" and row.get("LBSTRESN") is not None:
            value = max(LLOQ, round(float(str(row["LBSTRESN"])) * factor, 1))
            row["LBORRES"] = row["LBSTRESC"] = f"{value:g}"
            row["LBSTRESN"] = value


def never_measured(subject: Subject) -> bool:
    """Whether a patient of group A has no PSA at all, not even at screening."""
    return chance(subject.stream("psa", 9), 0.04)


def treatment_psa(subject: Subject, episode: Episode) -> None:
    """The course of a treated patient: baseline, before each later cycle, at the end, in follow-up.

    1. Baseline is on the day of the first infusion, before it; in one patient in four some days
       earlier. It is slightly higher than the last value at screening or re-screening.
    2. Noise never moves a value across a decline of 50 %.
    3. After the values of the course the value increases from visit to visit.
    4. Follow-up is every three months until a year after the end of treatment.
    """
    rng = subject.stream("psa", episode.part)
    course, marks = COURSES[episode.scenario.psa], episode.scenario.marks
    base = _baseline(subject, episode, rng)
    _write_baseline(subject, episode, base, rng)
    if "no later value" in marks:
        return
    if "one early value" in marks:
        write_psa(subject, round(base * course.ratios[0], 1), "CYCLE 2", episode.infusions[1])
        return
    for number, (visit, day) in enumerate(_visits(episode, course), start=1):
        value = _value(course, base, number, rng)
        missed = chance(rng, 0.03) and course.levels is None
        if missed and value > 0.55 * base:
            write_psa(subject, None, visit, day)
            continue
        _write_value(subject, value, visit, day, episode)


def _baseline(subject: Subject, episode: Episode, rng: Generator) -> float:
    if episode.baseline is not None:
        return episode.baseline
    return round(max(3.0, _last_value(subject, episode) * _growth(rng)), 1)


def _write_baseline(subject: Subject, episode: Episode, base: float, rng: Generator) -> None:
    """Baseline on the first day (with the time of day where the site records it) or before it."""
    early, ahead = chance(rng, 0.25), between(rng, 1, 4)
    # A re-screened patient has earlier values, so that the second course always gets a baseline.
    if "no baseline" in episode.scenario.marks and episode.part == 0:
        write_psa(subject, None, "CYCLE 1", episode.first)
        return
    if "two values with time" in episode.scenario.marks:
        write_psa(subject, round(base * 1.08, 1), "CYCLE 1", episode.first, 7 * 60 + 40)
        write_psa(subject, base, "CYCLE 1", episode.first, 9 * 60 + 5)
        return
    fixed = COURSES[episode.scenario.psa].levels is not None
    day = episode.first - (0 if fixed or not early else ahead)
    write_psa(subject, base, "CYCLE 1", day, _clock(subject))
    if "after the infusion" in episode.scenario.marks:
        write_psa(subject, round(base * 0.9, 1), "CYCLE 1", day, infusion_minute(subject) + 200)


def _clock(subject: Subject) -> int | None:
    return 8 * 60 + subject.number % 60 if subject.site in subject.given.sites_with_clock else None


def _visits(episode: Episode, course: Course) -> list[Visit]:
    """Visit names and days after baseline, with the shifts of the course."""
    shifts = dict(course.shifts)
    later = episode.infusions[1:]
    visits = [(f"CYCLE {number}", day) for number, day in enumerate(later, start=2)]
    visits.append(("END OF TREATMENT", episode.last + 21))
    follow_up = range(1, 5)
    visits += [
        (f"FOLLOW-UP {number}", episode.last + 21 + BEFORE_PROGRESSION * number)
        for number in follow_up
    ]
    return [(visit, day + shifts.get(n, 0)) for n, (visit, day) in enumerate(visits, start=1)]


def _value(course: Course, base: float, number: int, rng: Generator) -> float:
    """The value at the visit of that number; exact where the course has exact values."""
    noise = float(rng.lognormal(0, 0.05))
    ratios = course.ratios
    ratio = (
        ratios[number - 1] if number <= len(ratios) else ratios[-1] * 1.3 ** (number - len(ratios))
    )
    if course.levels is not None and number in course.exact:
        return round(base * ratio, 2)
    if course.levels is not None and number <= len(ratios):
        return round(base * ratio * min(1.015, max(0.985, 1 + (noise - 1) / 4)), 2)
    noisy = ratio * noise
    side = max(noisy, 0.53) if ratio > 0.5 else min(noisy, 0.48)
    return round(base * side, 1)


def _write_value(subject: Subject, value: float, visit: str, day: int, episode: Episode) -> None:
    """The value; in some scenarios twice on a day, with or without the time of day."""
    marks = episode.scenario.marks
    if visit == "CYCLE 3" and "two values with time" in marks:
        write_psa(subject, round(value * 1.1, 1), visit, day, 8 * 60)
        write_psa(subject, value, visit, day, 10 * 60 + 15)
    elif visit == "CYCLE 3" and "two values without time" in marks:
        write_psa(subject, round(value * 1.04, 1), visit, day)
        write_psa(subject, round(value * 0.96, 1), visit, day)
    else:
        write_psa(subject, value, visit, day, _clock(subject))
