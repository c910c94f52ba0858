"""Adverse events of treated patients: at the rates of TROPIC, with the harm that changed the dose."""

from dataclasses import dataclass

from numpy.random import Generator

from sap.simulate.assumptions import Harm
from sap.simulate.labs import severe_anaemia
from sap.simulate.subject import Episode, Incident, Subject, between, chance, iso, pick

NOT_RELATED, RELATED = "NOT RELATED", "RELATED"
RELATEDNESS = (
    ("NOT RELATED", 0.15),
    ("UNLIKELY RELATED", 0.12),
    ("POSSIBLY RELATED", 0.33),
    ("PROBABLY RELATED", 0.25),
    ("RELATED", 0.15),
)


@dataclass
class Event:
    """One row of ae before it is written."""

    harm: Harm
    grade: int
    start: int
    end: int | None
    related: str
    action: str = "DOSE NOT CHANGED"
    serious: str | None = None  # the column that makes it serious
    digits: int = 10  # of the start date that are known


def suffer(subject: Subject, episode: Episode) -> None:
    """All adverse events of one course of treatment.

    1. What was there before the first dose, and got worse in some.
    2. What changed the dose (told by the dosing).
    3. What happened at the rates of TROPIC.
    4. What came after more than 30 days, and what killed.
    """
    rng = subject.stream("events", episode.part)
    harms = {harm.decod: harm for harm in subject.given.harms}
    events = _before(episode, harms, rng)
    told = {item.decod for item in episode.incidents}
    for item in episode.incidents:
        events.append(_from_incident(item, harms, rng))
    for harm in subject.given.harms:
        drawn = _background(episode, harm, rng)
        if harm.decod not in told:
            events += drawn
    events += _late(episode, harms, rng)
    events += _undated(episode, harms, subject.stream("events", 6 + episode.part))
    if "toxic death" in episode.story.marks:
        events.append(_fatal(episode))
    if "early death" in episode.story.marks and subject.death is not None:
        events.append(_fatal_by_chance(subject.death))
    for event in events:
        _remember_neutropenia(episode, event, told)
        if event.harm.decod == "ANAEMIA" and event.grade >= 3:
            mark = subject.stream("labs", 5 + episode.part).random()
            severe_anaemia(subject, event.start, float(mark))
        _write(subject, event, rng)


def screening_event(subject: Subject) -> None:
    """Now and then the blood sample itself leaves a mark, treated later or not."""
    if subject.sample is None:
        return
    rng = subject.stream("events", 5)
    bruised = chance(rng, 0.04)
    skin = "INJURY, POISONING AND PROCEDURAL COMPLICATIONS"
    bruise = Harm("CONTUSION", skin, 0, 0, ("bruise at puncture site",))
    if bruised:
        event = Event(bruise, 1, subject.sample, subject.sample + 6, NOT_RELATED)
        event.action = "NOT APPLICABLE"
        _write(subject, event, rng)


def _before(episode: Episode, harms: dict[str, Harm], rng: Generator) -> list[Event]:
    """Complaints from before the first dose; the same complaint worse after it is a new row."""
    has, worse = chance(rng, 0.35), chance(rng, 0.4)
    name = pick(rng, (("FATIGUE", 1.0), ("BACK PAIN", 1.0), ("CONSTIPATION", 0.6)))
    ahead, after = between(rng, 1, 10), between(rng, 5, 40)
    start = max(episode.consent, episode.first - ahead)
    if not has or start >= episode.first:
        return []
    turned = episode.first + after
    first = Event(harms[name], 1, start, turned if worse else None, NOT_RELATED)
    grade = 3 if after > 25 else 2
    second = Event(harms[name], grade, turned, turned + 12, "POSSIBLY RELATED")
    return [first, second] if worse else [first]


def _from_incident(item: Incident, harms: dict[str, Harm], rng: Generator) -> Event:
    lasts = between(rng, 5, 14)
    serious = "AESHOSP" if item.decod == "FEBRILE NEUTROPENIA" else None
    end = None if item.action == "DRUG WITHDRAWN" else item.day + lasts
    return Event(
        harms[item.decod], item.grade, item.day, end, "PROBABLY RELATED", item.action, serious
    )


def _background(episode: Episode, harm: Harm, rng: Generator) -> list[Event]:
    """At most two episodes of one term; grade 3 or 4 at the rate of the severe ones."""
    occurs, severe = chance(rng, harm.any_grade), rng.random()
    again, four, mild = chance(rng, 0.25), chance(rng, 0.40), chance(rng, 0.62)
    marks, related = rng.random(6), pick(rng, RELATEDNESS)
    if not occurs:
        return []
    grade = 1 if mild else 2
    if severe * harm.any_grade < harm.severe:
        grade = 4 if four and harm.soc.startswith("BLOOD") else 3
    start = _some_day(episode, float(marks[0]))
    first = Event(harm, grade, start, start + 2 + int(marks[1] * 20), related)
    first.digits = 7 if marks[2] < 0.05 else 4 if marks[2] > 0.99 else 10
    if grade >= 3 and (marks[3] < 0.30 or harm.decod == "FEBRILE NEUTROPENIA"):
        first.serious = "AESLIFE" if grade == 4 and marks[4] < 0.6 else "AESHOSP"
    if marks[5] < 0.12:
        first.end = None
    if not again or first.end is None:
        return [first]
    start = first.end + 3 + int(marks[4] * 25)
    if start > episode.last + 30:
        return [first]
    milder = grade if harm.severe >= harm.any_grade else max(1, min(2, grade))
    return [first, Event(harm, milder, start, start + 9, related)]


def _some_day(episode: Episode, mark: float) -> int:
    """A day from the first dose to 21 days after the last, earlier days more likely."""
    return episode.first + int((episode.last + 21 - episode.first) * mark**1.3)


def _late(episode: Episode, harms: dict[str, Harm], rng: Generator) -> list[Event]:
    """An event that starts more than 30 days after the last dose."""
    has, wait, grade = chance(rng, 0.25), between(rng, 31, 80), between(rng, 1, 3)
    name = pick(rng, (("HAEMATURIA", 1.0), ("DYSPNOEA", 1.0), ("OEDEMA PERIPHERAL", 1.0)))
    start = episode.last + wait
    return [Event(harms[name], grade, start, start + 14, NOT_RELATED)] if has else []


def _undated(episode: Episode, harms: dict[str, Harm], rng: Generator) -> list[Event]:
    """Events whose start is not known, or known to the month, or that ended before the first dose.

    1. No start, an end on treatment.
    2. No start, an end before the first dose.
    3. The month of the first dose, and an end before it.
    """
    marks, first = rng.random(3), episode.first
    found = []
    if marks[0] < 0.08:
        found.append(Event(harms["NAUSEA"], 1, first + 3, first + 9, "POSSIBLY RELATED", digits=0))
    if marks[1] < 0.10:
        found.append(Event(harms["PYREXIA"], 1, first - 4, first - 1, NOT_RELATED, digits=0))
    if marks[2] < 0.12:
        start = max(first - 3, first - int(iso(first)[8:]) + 1)  # not before this month
        if start < first:
            found.append(Event(harms["DYSGEUSIA"], 1, start, first - 1, NOT_RELATED, digits=7))
    return found


def _fatal(episode: Episode) -> Event:
    sepsis = Harm("NEUTROPENIC SEPSIS", "INFECTIONS AND INFESTATIONS", 0, 0, ("septic shock",))
    start = episode.last + 9
    event = Event(sepsis, 5, start, episode.last + 12, RELATED, "NOT APPLICABLE", "AESDTH")
    return event


def _fatal_by_chance(death: int) -> Event:
    """What kills a patient soon after his last dose and has nothing to do with it."""
    heart = Harm("MYOCARDIAL INFARCTION", "CARDIAC DISORDERS", 0, 0, ("heart attack",))
    return Event(heart, 5, death - 1, death, NOT_RELATED, "NOT APPLICABLE", "AESDTH")


def _remember_neutropenia(episode: Episode, event: Event, told: set[str]) -> None:
    """A severe neutropenia calls for G-CSF, which the supportive care gives."""
    name = event.harm.decod
    if "NEUTROPENIA" in name and event.grade >= 3 and name not in told:
        episode.incidents.append(Incident(event.start, name, event.grade, event.action))


def _write(subject: Subject, event: Event, rng: Generator) -> None:
    mark, spelt = rng.random(), rng.random()
    names = (*event.harm.verbatim, event.harm.decod.lower())
    serious = {event.serious: "Y"} if event.serious else {}
    subject.write(
        "ae",
        AETERM=names[int(spelt * len(names))],
        AEDECOD=event.harm.decod,
        AEBODSYS=event.harm.soc,
        AESOC=event.harm.soc,
        AETOXGR=event.grade,
        AESER="Y" if event.serious else "N",
        **serious,
        AEREL=event.related,
        AEACN=event.action,
        AEOUT=_outcome(event, mark),
        AESTDTC=iso(event.start)[: event.digits] or None,
        AEENDTC=None if event.end is None else iso(event.end),
    )


def _outcome(event: Event, mark: float) -> str:
    if event.grade == 5:
        return "FATAL"
    if event.end is None:
        return "RECOVERING/RESOLVING" if mark < 0.3 else "NOT RECOVERED/NOT RESOLVED"
    return "RECOVERED/RESOLVED WITH SEQUELAE" if mark < 0.05 else "RECOVERED/RESOLVED"
