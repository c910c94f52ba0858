"""Adverse events of treated patients: at the rates of TROPIC, and those that changed the dose."""

from dataclasses import dataclass

from numpy.random import Generator

from sap.simulate.assumptions import EventRate
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

    rate: EventRate
    grade: int
    start: int
    end: int | None
    related: str
    action: str = "DOSE NOT CHANGED"
    serious: str | None = None  # the column that makes it serious
    digits: int = 10  # of the start date that are known


def adverse_events(subject: Subject, episode: Episode) -> None:
    """All adverse events of one course of treatment.

    1. Events from before the first dose, some of which worsen.
    2. Events that changed the dose (from the dosing).
    3. Events at the rates of TROPIC.
    4. Events more than 30 days after the last dose, and fatal events.
    """
    rng = subject.stream("events", episode.part)
    event_rates = {rate.decod: rate for rate in subject.given.event_rates}
    events = _before(episode, event_rates, rng)
    from_dosing = {item.decod for item in episode.incidents}
    for item in episode.incidents:
        events.append(_from_incident(item, event_rates, rng))
    for rate in subject.given.event_rates:
        occurring = _background(episode, rate, rng)
        if rate.decod not in from_dosing:
            events += occurring
    events += _late(episode, event_rates, rng)
    events += _undated(episode, event_rates, subject.stream("events", 6 + episode.part))
    if "toxic death" in episode.scenario.marks:
        events.append(_fatal(episode))
    if "early death" in episode.scenario.marks and subject.death is not None:
        events.append(_fatal_by_chance(subject.death))
    for event in events:
        _add_neutropenia(episode, event, from_dosing)
        if event.rate.decod == "ANAEMIA" and event.grade >= 3:
            mark = subject.stream("labs", 5 + episode.part).random()
            severe_anaemia(subject, event.start, float(mark))
        _write(subject, event, rng)


def screening_event(subject: Subject) -> None:
    """An occasional event of the blood sample, in treated and untreated patients."""
    if subject.sample is None:
        return
    rng = subject.stream("events", 5)
    bruised = chance(rng, 0.04)
    skin = "INJURY, POISONING AND PROCEDURAL COMPLICATIONS"
    bruise = EventRate("CONTUSION", skin, 0, 0, ("bruise at puncture site",))
    if bruised:
        event = Event(bruise, 1, subject.sample, subject.sample + 6, NOT_RELATED)
        event.action = "NOT APPLICABLE"
        _write(subject, event, rng)


def _before(episode: Episode, event_rates: dict[str, EventRate], rng: Generator) -> list[Event]:
    """Events from before the first dose; worsening after it is a new record."""
    has, worse = chance(rng, 0.35), chance(rng, 0.4)
    name = pick(rng, (("FATIGUE", 1.0), ("BACK PAIN", 1.0), ("CONSTIPATION", 0.6)))
    ahead, after = between(rng, 1, 10), between(rng, 5, 40)
    start = max(episode.consent, episode.first - ahead)
    if not has or start >= episode.first:
        return []
    turned = episode.first + after
    first = Event(event_rates[name], 1, start, turned if worse else None, NOT_RELATED)
    grade = 3 if after > 25 else 2
    second = Event(event_rates[name], grade, turned, turned + 12, "POSSIBLY RELATED")
    return [first, second] if worse else [first]


def _from_incident(item: Incident, event_rates: dict[str, EventRate], rng: Generator) -> Event:
    lasts = between(rng, 5, 14)
    serious = "AESHOSP" if item.decod == "FEBRILE NEUTROPENIA" else None
    end = None if item.action == "DRUG WITHDRAWN" else item.day + lasts
    return Event(
        event_rates[item.decod], item.grade, item.day, end, "PROBABLY RELATED", item.action, serious
    )


def _background(episode: Episode, rate: EventRate, rng: Generator) -> list[Event]:
    """At most two episodes of one term; grade 3 or 4 at the rate of the severe ones."""
    occurs, severe = chance(rng, rate.any_grade), rng.random()
    second_episode, four, mild = chance(rng, 0.25), chance(rng, 0.40), chance(rng, 0.62)
    marks, related = rng.random(6), pick(rng, RELATEDNESS)
    if not occurs:
        return []
    grade = 1 if mild else 2
    if severe * rate.any_grade < rate.severe:
        grade = 4 if four and rate.soc.startswith("BLOOD") else 3
    start = _some_day(episode, float(marks[0]))
    first = Event(rate, grade, start, start + 2 + int(marks[1] * 20), related)
    first.digits = 7 if marks[2] < 0.05 else 4 if marks[2] > 0.99 else 10
    if grade >= 3 and (marks[3] < 0.30 or rate.decod == "FEBRILE NEUTROPENIA"):
        first.serious = "AESLIFE" if grade == 4 and marks[4] < 0.6 else "AESHOSP"
    if marks[5] < 0.12:
        first.end = None
    if not second_episode or first.end is None:
        return [first]
    start = first.end + 3 + int(marks[4] * 25)
    if start > episode.last + 30:
        return [first]
    milder = grade if rate.severe >= rate.any_grade else max(1, min(2, grade))
    return [first, Event(rate, milder, start, start + 9, related)]


def _some_day(episode: Episode, mark: float) -> int:
    """A day from the first dose to 21 days after the last, earlier days more likely."""
    return episode.first + int((episode.last + 21 - episode.first) * mark**1.3)


def _late(episode: Episode, event_rates: dict[str, EventRate], rng: Generator) -> list[Event]:
    """An event that starts more than 30 days after the last dose."""
    has, wait, grade = chance(rng, 0.25), between(rng, 31, 80), between(rng, 1, 3)
    name = pick(rng, (("HAEMATURIA", 1.0), ("DYSPNOEA", 1.0), ("OEDEMA PERIPHERAL", 1.0)))
    start = episode.last + wait
    return [Event(event_rates[name], grade, start, start + 14, NOT_RELATED)] if has else []


def _undated(episode: Episode, event_rates: dict[str, EventRate], rng: Generator) -> list[Event]:
    """Events whose start is not known, or known to the month, or that ended before the first dose.

    1. No start, an end on treatment.
    2. No start, an end before the first dose.
    3. The month of the first dose, and an end before it.
    """
    marks, first = rng.random(3), episode.first
    events = []
    if marks[0] < 0.08:
        events.append(
            Event(event_rates["NAUSEA"], 1, first + 3, first + 9, "POSSIBLY RELATED", digits=0)
        )
    if marks[1] < 0.10:
        events.append(Event(event_rates["PYREXIA"], 1, first - 4, first - 1, NOT_RELATED, digits=0))
    if marks[2] < 0.12:
        start = max(first - 3, first - int(iso(first)[8:]) + 1)  # not before this month
        if start < first:
            events.append(
                Event(event_rates["DYSGEUSIA"], 1, start, first - 1, NOT_RELATED, digits=7)
            )
    return events


def _fatal(episode: Episode) -> Event:
    sepsis = EventRate("NEUTROPENIC SEPSIS", "INFECTIONS AND INFESTATIONS", 0, 0, ("septic shock",))
    start = episode.last + 9
    event = Event(sepsis, 5, start, episode.last + 12, RELATED, "NOT APPLICABLE", "AESDTH")
    return event


def _fatal_by_chance(death: int) -> Event:
    """A fatal event soon after the last dose that is not related to treatment."""
    heart = EventRate("MYOCARDIAL INFARCTION", "CARDIAC DISORDERS", 0, 0, ("heart attack",))
    return Event(heart, 5, death - 1, death, NOT_RELATED, "NOT APPLICABLE", "AESDTH")


def _add_neutropenia(episode: Episode, event: Event, from_dosing: set[str]) -> None:
    """Add a severe neutropenia to the incidents, so that supportive care gives G-CSF."""
    name = event.rate.decod
    if "NEUTROPENIA" in name and event.grade >= 3 and name not in from_dosing:
        episode.incidents.append(Incident(event.start, name, event.grade, event.action))


def _write(subject: Subject, event: Event, rng: Generator) -> None:
    mark, spelt = rng.random(), rng.random()
    names = (*event.rate.verbatim, event.rate.decod.lower())
    serious = {event.serious: "Y"} if event.serious else {}
    subject.write(
        "ae",
        AETERM=names[int(spelt * len(names))],
        AEDECOD=event.rate.decod,
        AEBODSYS=event.rate.soc,
        AESOC=event.rate.soc,
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
