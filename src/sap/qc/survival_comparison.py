"""Survival by marker status and by group: curves, tests, Cox models; survival from consent."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sap.plan.entry import stated
from sap.qc import cox, kaplan_meier
from sap.qc.dates import Day
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.survival import METHOD, Time, curve_rows, origin_of, survival_time

COX = "statsmodels, agreeing with lifelines"
OF_GUARANTEE = ("at_risk_from_screening", "left_truncated", "from_first_dose")


_Model = tuple[str, str, list[tuple[Subject, Day]], list[str], Callable[[Subject, Day], Time]]
"""Analysis, paramcd, subjects with their origin, covariates, and the time of a subject."""


def until_reallocation(subject: Subject, origin: Day) -> Time:
    """Overall survival that ends, censored, on the day of the second allocation."""
    days, event = survival_time(subject, origin)
    if subject.treated_again and subject.again_allocated is not None:
        until = (subject.again_allocated - origin).days
        if 0 <= until <= days:
            return until, 0
    return days, event


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `os_marker`, `os_group` and `os_guarantee`, the test of proportionality left out."""
    yield from _curves(study)
    yield from _models(study)
    yield from _guarantee(study)


def _begun(study: Study) -> list[tuple[Subject, Day]]:
    """The subjects with a day from which survival is counted."""
    origins = [(subject, origin_of(subject, study)) for subject in study.subjects.values()]
    return [(subject, origin) for subject, origin in origins if origin is not None]


def _curves(study: Study) -> Iterator[QcRow]:
    begun = _begun(study)
    by_state = {
        state: [survival_time(s, day) for s, day in begun if s.first and s.first.marker == state]
        for state in ("POSITIVE", "NEGATIVE", "UNDETERMINED")
    }
    place = Place("os_marker", "SCREENED", paramcd="OS")
    yield from _groups(place, by_state, ("POSITIVE", "NEGATIVE"), study)
    if not study.plan.study.groups:
        return
    for paramcd, time_of in (("OS", survival_time), ("OSCENS", until_reallocation)):
        by_group = {
            group: [time_of(s, day) for s, day in begun if s.group == group] for group in ("A", "B")
        }
        yield from _groups(
            Place("os_group", "SCREENED", paramcd=paramcd), by_group, ("A", "B"), study
        )


def _groups(
    place: Place, times: Mapping[str, list[Time]], tested: tuple[str, str], study: Study
) -> Iterator[QcRow]:
    for group, of_group in times.items():
        yield from curve_rows(place._replace(group=group), of_group, study, METHOD)
    one, other = (times[name] for name in tested)
    if one or other:
        test: dict[str, Any] = {"N": len(one) + len(other)} | kaplan_meier.log_rank(one, other)
        yield from place._replace(level="log_rank").rows(test, METHOD)
        # Marker positive less negative, and group B less group A.
        sides = (one, other) if place.analysis == "os_marker" else (other, one)
        difference = kaplan_meier.mean_difference(*sides, study.plan)
        yield from place._replace(level="rmst_difference").rows(difference, METHOD)


def _models(study: Study) -> Iterator[QcRow]:
    begun = _begun(study)
    age = {record["USUBJID"]: record.get("AGE") for record in study.records["dm"]}
    covariates = {
        who: cox.covariates(subject, age[who], cox.status(subject, study.of("rs", who), study.plan))
        for who, subject in ((s.usubjid, s) for s, _ in begun)
    }
    tested = [
        (s, day) for s, day in begun if s.first and s.first.marker in ("POSITIVE", "NEGATIVE")
    ]
    declared: list[str] = list(stated(study.plan.survival_comparison).covariates)
    models: list[_Model] = [("os_marker", "OS", tested, declared, survival_time)]
    if study.plan.study.groups:
        grouped = [(s, day) for s, day in begun if s.group in ("A", "B")]
        models += [
            ("os_group", "OS", grouped, ["group_b"], survival_time),
            ("os_group", "OSCENS", grouped, ["group_b"], until_reallocation),
        ]
    for analysis, paramcd, subjects, names, time_of in models:
        times = [time_of(subject, day) for subject, day in subjects]
        x = [covariates[subject.usubjid] for subject, _ in subjects]
        for sublevel, statistics in cox.model(times, x, names, study.plan) if subjects else ():
            place = Place(analysis, "SCREENED", "", paramcd, "cox", sublevel)
            yield from place.rows(statistics, COX)


def _from_consent(study: Study, population: str) -> list[tuple[int, int, int | None]]:
    """Days from consent, event, and the days to the first dose of each subject of a set."""
    times = []
    for who in study.inside(population):
        subject = study.subjects[who]
        if subject.consent is None:
            continue
        dose = None
        if subject.first_dose is not None:
            dose = max((subject.first_dose - subject.consent).days, 0)
        times.append((*survival_time(subject, subject.consent), dose))
    return times


def _guarantee(study: Study) -> Iterator[QcRow]:
    """Every row of `os_guarantee`: survival from consent, with the wait for the first dose."""
    place = Place("os_guarantee", "PRIMARY", paramcd="OSSCR")
    treated = _from_consent(study, "PRIMARY")
    inside = [(d, e, dose) for d, e, dose in treated if dose is not None and d > dose]
    if inside:
        days, event, entry = (list(column) for column in zip(*inside, strict=True))
        from_dose = [d - dose for d, _, dose in inside]
        curves = (
            kaplan_meier.Curve(days, event, study.plan),
            kaplan_meier.Curve(days, event, study.plan, entry),
            kaplan_meier.Curve(from_dose, event, study.plan),
        )
        for level, curve in zip(OF_GUARANTEE, curves, strict=True):
            statistics = {} if curve.disputed else kaplan_meier.middle(curve)
            statistics |= {"n_excluded": len(treated) - len(inside)}
            yield from place._replace(level=level).rows(statistics, METHOD)
    yield from _landmark(study)


def _landmark(study: Study) -> Iterator[QcRow]:
    landmark = stated(study.plan.survival_comparison).guarantee_landmark_days
    positive = _from_consent(study, "MARKERPOS")
    times: dict[str, list[Time]] = {"treated": [], "not_treated": []}
    for days, event, dose in positive:
        if days > landmark:
            by_then = dose is not None and dose <= landmark
            group = "treated" if by_then else "not_treated"
            times[group].append((days - landmark, event))
    place = Place("os_guarantee", "MARKERPOS", "", "OSSCR", "landmark")
    for group, of_group in times.items():
        if of_group:
            all_days, events = (list(column) for column in zip(*of_group, strict=True))
            curve = kaplan_meier.Curve(all_days, events, study.plan)
            statistics = {} if curve.disputed else kaplan_meier.middle(curve)
            yield from place._replace(group=group).rows(statistics, METHOD)
    one, other = times.values()
    test: dict[str, Any] = {"n_excluded": len(positive) - len(one) - len(other)}
    test["p_value"] = kaplan_meier.log_rank(one, other)["p_value"]
    yield from place.rows(test, METHOD)
