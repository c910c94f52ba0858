"""Study cabazitaxel and prednisone: infusions, delays, reductions, the stop, G-CSF."""

from numpy.random import Generator

from sap.simulate.scenarios import COURSES, TOXICITY
from sap.simulate.screening import disposition
from sap.simulate.subject import Episode, Incident, Subject, between, chance, iso

STOP_EVENTS = (("PERIPHERAL SENSORY NEUROPATHY", 3), ("FATIGUE", 3), ("HAEMATURIA", 3))
REDUCTION_EVENTS = (("NEUTROPENIA", 4), ("DIARRHOEA", 3), ("FEBRILE NEUTROPENIA", 3))
DELAY_EVENTS = (("NEUTROPENIA", 3), ("URINARY TRACT INFECTION", 2), ("DIARRHOEA", 2))

FIXED_CYCLES = 5  # the fixed days of a scenario end by then
SHORT_DELAY_CYCLE = 7  # the cycle that is five days late in one scenario


def dose(subject: Subject, episode: Episode) -> None:
    """Give the cycles of the scenario; sets infusions, doses, incidents and the stop, and writes ex.

    1. A cycle comes 21 days after the one before, give or take a day, later when delayed.
    2. A scenario with fixed days (its PSA course has levels or shifts) has no delay before cycle 6.
    3. A reduction is from 25 to 20 mg/m2 and permanent.
    4. A patient with raised bilirubin starts at 20 mg/m2.
    5. In one scenario neither the dose nor the day of cycle 5 is recorded.
    """
    rng, given, scenario = (
        subject.stream("dosing", episode.part),
        subject.given.treatment,
        episode.scenario,
    )
    first = episode.consent + between(rng, 1, 7)
    steady = _steady(episode)
    level = given.reduced_dose if "start at 20" in scenario.marks else given.dose
    notes: list[str | None] = []
    due = first
    for cycle in range(1, min(scenario.cycles, given.max_cycles) + 1):
        delayed, reduced = chance(rng, given.delayed), chance(rng, given.reduced)
        wobble, wait, mark = between(rng, 0, 9), between(rng, 5, 14), rng.random()
        if "short delay" in scenario.marks and cycle == SHORT_DELAY_CYCLE:
            delayed, wait = True, 5
        note, day = None, due
        if cycle > 1:
            due += given.cycle_days
            if delayed and (cycle > FIXED_CYCLES or not steady):
                note = _delay(episode, due, mark)
                due += wait
            day = due if steady else due + {0: 1, 1: -1}.get(wobble, 0)
            forced = "reduction" in scenario.marks and cycle == 4
            if (reduced or forced) and level == given.dose:
                level, note = given.reduced_dose, _reduce(episode, day, mark)
        episode.infusions.append(day)
        episode.doses.append(level)
        notes.append(note)
    _write_infusions(subject, episode, notes)
    _write_prednisone(subject, episode)
    _stop(subject, episode, rng)


def _steady(episode: Episode) -> bool:
    course = COURSES[episode.scenario.psa]
    return course.levels is not None or bool(course.shifts) or "steady" in episode.scenario.marks


def _delay(episode: Episode, day: int, mark: float) -> str:
    if mark < 0.3:
        return "DELAY: LOGISTICS"
    decod, grade = DELAY_EVENTS[int((mark - 0.3) / 0.7 * len(DELAY_EVENTS))]
    episode.incidents.append(Incident(day - 2, decod, grade, "DRUG INTERRUPTED"))
    return f"DELAY: {decod}"


def _reduce(episode: Episode, day: int, mark: float) -> str:
    decod, grade = REDUCTION_EVENTS[int(mark * len(REDUCTION_EVENTS))]
    episode.incidents.append(Incident(day - 12, decod, grade, "DOSE REDUCED"))
    return f"REDUCTION: {decod}"


def _write_infusions(subject: Subject, episode: Episode, notes: list[str | None]) -> None:
    rows = zip(episode.infusions, episode.doses, notes, strict=True)
    lost = "dose not recorded" in episode.scenario.marks
    for cycle, (day, level, note) in enumerate(rows, start=1):
        known = not (lost and cycle == 5)
        subject.write(
            "ex",
            EXTRT="CABAZITAXEL",
            EXCAT="STUDY TREATMENT",
            EXDOSE=level if known else None,
            EXDOSU="mg/m2" if known else None,
            EXROUTE="INTRAVENOUS",
            EXSTDTC=iso(day, infusion_minute(subject) if cycle == 1 else None) if known else None,
            EXENDTC=iso(day, infusion_minute(subject) + 60 if cycle == 1 else None)
            if known
            else None,
            VISIT=f"CYCLE {cycle}",
            EXADJ=note,
            PLACE=iso(day),
        )


def infusion_minute(subject: Subject) -> int:
    """The start of the first infusion in minutes of the day; between 9:30 and 12:00."""
    return 9 * 60 + 30 + (subject.number * 7) % 30 * 5


def _write_prednisone(subject: Subject, episode: Episode) -> None:
    subject.write(
        "ex",
        EXTRT="PREDNISONE",
        EXCAT="STUDY TREATMENT",
        EXDOSE=10,
        EXDOSU="mg",
        EXROUTE="ORAL",
        EXSTDTC=iso(episode.first),
        EXENDTC=iso(episode.last + 20),
    )


def _stop(subject: Subject, episode: Episode, rng: Generator) -> None:
    """The day and reason of the end of study treatment, in ds."""
    episode.reason = episode.scenario.stop
    episode.stop = episode.last + between(rng, 17, 21)
    episode.progression = episode.stop
    if episode.reason not in ("PROGRESSIVE DISEASE", "DEATH"):
        episode.progression = episode.stop + 40 + int(rng.random() * 150)
    if episode.reason == TOXICITY:
        decod, grade = STOP_EVENTS[int(rng.random() * len(STOP_EVENTS))]
        if "neuropathy" in episode.scenario.marks:
            decod, grade = STOP_EVENTS[0]
        episode.incidents.append(Incident(episode.last + 8, decod, grade, "DRUG WITHDRAWN"))
    if episode.reason != "DEATH":
        disposition(subject, "STUDY TREATMENT", episode.reason, episode.stop)


def support(subject: Subject, episode: Episode) -> None:
    """G-CSF: primary in some from cycle 1, secondary after a neutropenia, treatment of a fever."""
    rng = subject.stream("supportive", episode.part)
    primary = chance(rng, subject.given.treatment.primary_gcsf)
    fevers = [item for item in episode.incidents if item.decod == "FEBRILE NEUTROPENIA"]
    low = [item for item in episode.incidents if "NEUTROPENIA" in item.decod]
    since = episode.first if primary else min((item.day for item in low), default=None)
    why = "PRIMARY PROPHYLAXIS" if primary else "SECONDARY PROPHYLAXIS"
    if since is not None:
        for day in (day for day in episode.infusions if day >= since):
            _write_gcsf(subject, ("NEULASTA", "PEGFILGRASTIM", why, 6, "mg"), day + 1, day + 1)
    for item in fevers:
        words = ("NEUPOGEN", "FILGRASTIM", "TREATMENT OF NEUTROPENIA", 300, "ug")
        _write_gcsf(subject, words, item.day, item.day + 4)


def _write_gcsf(
    subject: Subject, words: tuple[str, str, str, int, str], start: int, end: int
) -> None:
    brand, decod, why, amount, unit = words
    subject.write(
        "cm",
        CMTRT=brand,
        CMDECOD=decod,
        CMCAT="SUPPORTIVE CARE",
        CMSCAT="G-CSF",
        CMINDC=why,
        CMDOSE=amount,
        CMDOSU=unit,
        CMSTDTC=iso(start),
        CMENDTC=iso(end),
    )
