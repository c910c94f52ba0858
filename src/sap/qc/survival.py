"""Overall survival, and the curve of any time to an event."""

from collections.abc import Iterator, Sequence

from sap.qc import kaplan_meier
from sap.qc.dates import Day
from sap.qc.study import Place, QcRow, Source, Study
from sap.qc.subjects import Subject

METHOD = "dates read record by record; exact fractions, lifelines, statsmodels"
ORIGIN = {"screening": "consent", "allocation": "allocated", "first dose": "first_dose"}
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
    """Every row of `os`, `os_curve` and `os_at_risk`."""
    populations = ["PRIMARY", "SAFETY", "MARKERPOS", "SCREENED"]
    if study.plan.study.groups:
        populations.append("GROUPA")
    for population in populations:
        inside = [study.subjects[who] for who in study.inside(population)]
        times = [
            survival_time(subject, origin)
            for subject in inside
            if (origin := origin_of(subject, study)) is not None
        ]
        yield from curve_rows(Place("os", population, paramcd="OS"), times, study, METHOD)
    treated = [study.subjects[who] for who in study.treated_when_rescreened()]
    times = [
        survival_time(subject, subject.again_allocated)
        for subject in treated
        if subject.again_allocated is not None
    ]
    yield from curve_rows(Place("os", "RESCREENED", paramcd="OSRE"), times, study, METHOD)


def curve_rows(
    place: Place, times: Sequence[Time], study: Study, method: str, source: Source = "raw"
) -> Iterator[QcRow]:
    """The rows of one curve: its statistics, its steps and the numbers at risk."""
    if not times:
        none = {"N": 0, "n_events": 0, "median": None, "conf_low": None, "conf_high": None}
        yield from place.rows(none, method, source)
        return
    days, event = zip(*times, strict=True)
    statistics = kaplan_meier.curve_statistics(days, event, study.plan)
    for (suffix, level, name), value in statistics.items():
        here = place._replace(analysis=place.analysis + suffix, level=level)
        yield from here.rows({name: value}, method, source)
