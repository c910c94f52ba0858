"""Overall survival, times to progression and durations of response, and their curves."""

from collections.abc import Iterator, Sequence

from sap.qc import kaplan_meier
from sap.qc.dates import Day
from sap.qc.progression_times import Time as ProgressionTime
from sap.qc.progression_times import has_data, times
from sap.qc.study import Place, QcRow, Source, Study
from sap.qc.subjects import Subject

METHOD = "dates read record by record; exact fractions, lifelines, statsmodels"
BY_COURSE = "records read one by one in exact decimals; exact fractions, lifelines, statsmodels"
ENDPOINTS = ("PFS", "RPFS", "TTPP", "DOR", "RDOR")
ORIGIN = {"screening": "consent", "allocation": "allocated", "first dose": "first_dose"}
DEFINITIONS = {
    "": "as_planned",
    "NT": "new_therapy_event",
    "IT": "new_therapy_ignored",
    "GAP": "missed_assessments_ignored",
    "OFF": "discontinuation_event",
    "UNC": "unconfirmed_event",
    "DOSE": "from_first_dose",
    "NEXT": "next_scan",
}
Time = tuple[int, int]
"""Days, and 1 for an event or 0 for a censored time."""


def survival_time(subject: Subject, origin: Day) -> Time:
    """Overall survival of one subject from a day."""
    if subject.died is not None:
        days = (subject.died - origin).days
        return (days, 1) if days >= 0 else (0, 0)
    if subject.last_alive is not None and subject.last_alive > origin:
        return (subject.last_alive - origin).days, 0
    return 0, 0


def origin_of(subject: Subject, study: Study) -> Day | None:
    """The day from which the plan counts overall survival."""
    day: Day | None = getattr(subject, ORIGIN[study.plan.survival.os_origin])
    return day


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `os` and of the times to progression: statistics, curves, reasons, sensitivities."""
    yield from _overall(study)
    every = list(times(study))
    for endpoint in ENDPOINTS:
        of_endpoint = [time for time in every if time.endpoint == endpoint]
        columns = [("PRIMARY", ""), ("RESCREENED", "RE")]
        if study.plan.study.groups and endpoint in ("PFS", "TTPP"):
            columns.append(("GROUPA", ""))
        for population, suffix in columns:
            inside = set(study.inside(population))
            planned = [
                time
                for time in of_endpoint
                if not time.definition.code
                and time.who in inside
                and time.rescreened == (suffix == "RE")
            ]
            place = Place(endpoint.lower(), population, paramcd=endpoint + suffix)
            yield from _curve(place, planned, study, endpoint)
            yield from _reasons(place, planned)
        if endpoint in ("PFS", "RPFS", "TTPP"):
            yield from _sensitivities(of_endpoint, study, endpoint)


def _overall(study: Study) -> Iterator[QcRow]:
    populations = ["PRIMARY", "SAFETY", "MARKERPOS", "SCREENED"]
    if study.plan.study.groups:
        populations.append("GROUPA")
    for population in populations:
        inside = [study.subjects[who] for who in study.inside(population)]
        followed = [
            survival_time(subject, origin)
            for subject in inside
            if (origin := origin_of(subject, study)) is not None
        ]
        yield from curve_rows(Place("os", population, paramcd="OS"), followed, study, METHOD)
    treated = [study.subjects[who] for who in study.treated_when_rescreened()]
    followed = [
        survival_time(subject, subject.again_allocated)
        for subject in treated
        if subject.again_allocated is not None
    ]
    yield from curve_rows(Place("os", "RESCREENED", paramcd="OSRE"), followed, study, METHOD)


def curve_rows(
    place: Place, followed: Sequence[Time], study: Study, method: str, source: Source = "raw"
) -> Iterator[QcRow]:
    """The rows of one curve: its statistics, its steps and the numbers at risk."""
    if not followed:
        none = {"N": 0, "n_events": 0, "median": None, "conf_low": None, "conf_high": None}
        yield from place.rows(none, method, source)
        return
    days, event = zip(*followed, strict=True)
    statistics = kaplan_meier.curve_statistics(days, event, study.plan)
    for (suffix, level, name), value in statistics.items():
        here = place._replace(analysis=place.analysis + suffix, level=level)
        yield from here.rows({name: value}, method, source)


def _curve(
    place: Place, planned: list[ProgressionTime], study: Study, endpoint: str
) -> Iterator[QcRow]:
    if not planned and not has_data(study, endpoint):
        none = dict.fromkeys(("N", "n_events", "median", "conf_low", "conf_high"))
        yield from place.rows(none, BY_COURSE)
        return
    yield from curve_rows(place, [(t.days, int(t.event)) for t in planned], study, BY_COURSE)


def _reasons(place: Place, planned: list[ProgressionTime]) -> Iterator[QcRow]:
    ends = [("event" if time.event else "censored", time.reason) for time in planned]
    for end in dict.fromkeys(ends):
        here = place._replace(analysis=f"{place.analysis}_reasons", level=end[1], sublevel=end[0])
        yield from here.rows({"n": ends.count(end), "N": len(planned)}, BY_COURSE)


def _sensitivities(
    of_endpoint: list[ProgressionTime], study: Study, endpoint: str
) -> Iterator[QcRow]:
    primary = set(study.inside("PRIMARY"))
    here = [time for time in of_endpoint if time.who in primary and not time.rescreened]
    place = Place(f"{endpoint.lower()}_sensitivity", "PRIMARY")
    for definition in dict.fromkeys(time.definition for time in here):
        followed = [(t.days, int(t.event)) for t in here if t.definition == definition]
        of_code = place._replace(paramcd=endpoint + definition.code)
        for row in curve_rows(of_code, followed, study, BY_COURSE):
            if row.analysis == place.analysis and not row.level:
                yield row._replace(level=DEFINITIONS[definition.code])
    if not here:
        missing = place._replace(paramcd=endpoint, level="as_planned")
        yield from missing.rows({"median": None}, BY_COURSE)
