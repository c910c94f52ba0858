"""Best overall response, objective response, and the change of the sum of diameters."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from sap.qc.recist import NON, Course, course
from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import Value, rate, share, summary

METHOD = "readings scan by scan, in exact fractions; statsmodels"
CATEGORIES = ("CR", "PR", "SD", NON, "PD", "NE")


@lru_cache(maxsize=1)
def courses(study: Study) -> dict[str, Course]:
    """The tumour course of each treated subject."""
    domains = ("tu", "tr", "rs", "cm", "ds")
    return {
        who: course(subject, {of: study.of(of, who) for of in domains}, study.plan)
        for who, subject in study.subjects.items()
        if subject.treated and subject.first_dose is not None
    }


def is_assessed(study: Study) -> bool:
    """Whether the data hold tumours at all."""
    return bool(study.records.get("tu")) or any(c.measurable for c in courses(study).values())


def measurable(study: Study) -> list[str]:
    """The subjects of the primary set with measurable disease at baseline."""
    of_subject = courses(study)
    return [
        who for who in study.inside("PRIMARY") if who in of_subject and of_subject[who].measurable
    ]


def rows(study: Study) -> Iterator[QcRow]:
    """Every row about best overall response and the sum of diameters."""
    from sap.qc import primary  # which reads the courses of this module

    yield from _agreement(study)
    of_subject = courses(study)
    of_plan = study.plan.objective_response is not None
    if of_plan:
        yield from primary.rate_rows(study, "objective_response", "OBJRESP")
        yield from primary.rate_rows(study, "objective_response_unconfirmed", "OBJRESPU")
    by_assessments = {"objective_response": "BORC", "objective_response_unconfirmed": "BOR"}
    for analysis, paramcd in () if of_plan else by_assessments.items():
        columns = {"MEASURABLE": measurable(study), "PRIMARY": study.inside("PRIMARY")}
        for population, subjects in columns.items():
            n = sum(1 for who in subjects if _best(of_subject, who, paramcd) in ("CR", "PR"))
            statistics = _known(rate(n, len(subjects), study.plan), of_subject, paramcd)
            place = Place(analysis, population, paramcd=paramcd)
            yield from place.rows(statistics, METHOD)
    for population in ("PRIMARY", "RESCREENED"):
        treated = [who for who in study.inside(population) if study.subjects[who].treated]
        for paramcd in ("BOR", "BORC", "BORINV"):
            best = [_best(of_subject, who, paramcd) for who in treated]
            yield from _best_responses(study, population, best, paramcd)
        for paramcd in ("OBJBOR", "OBJBORC") if of_plan else ():
            best = primary.best_responses(study, treated, paramcd)
            yield from _best_responses(study, population, best, paramcd)
        yield from _too_many_targets(study, population, treated)
        changes = [of_subject[who].change if who in of_subject else None for who in treated]
        statistics = {"N": len(treated), **summary(changes)}
        if all(one.change is None for one in of_subject.values()):
            kept = ("N", "n_missing")
            statistics = {name: v if name in kept else None for name, v in statistics.items()}
        yield from Place("tumour_change", population, paramcd="TUMBEST").rows(statistics, METHOD)


def _too_many_targets(study: Study, population: str, subjects: list[str]) -> Iterator[QcRow]:
    """The subjects with more targets than the criteria allow.

    SAP 5.4: "TARGLIM: whether more targets were chosen than the criteria allow; NE without an
    assessment of a target."
    """
    of_subject = courses(study)
    known = [
        of_subject[who].too_many
        for who in subjects
        if who in of_subject and of_subject[who].too_many is not None
    ]
    level = "targets_over_limit"
    place = Place("tumour_response", population, paramcd="TARGLIM", level=level)
    if any(one.too_many is not None for one in of_subject.values()):
        yield from place.rows({"n": sum(map(bool, known)), "N": len(known)}, METHOD)
    else:
        yield from place.rows({"n": None, "N": 0}, METHOD)


def _agreement(study: Study) -> Iterator[QcRow]:
    """The overall response compared with the evaluator's, assessment by assessment.

    SAP 5.4: the overall response is listed with that of the evaluator, and the reason of a difference.
    The reasons have no second computation: their cases are not printed.
    """
    points = [point for one in courses(study).values() for point in one.time_points]
    place = Place("tumour_agreement", "SAFETY", paramcd="AGREE")
    if not points:
        yield from place.rows({"n": None, "estimate": None}, METHOD)
        return
    given = [point for point in points if point.given]
    agreeing = sum(1 for point in given if point.given == point.overall)
    yield from place.rows(share(agreeing, len(given)), METHOD)
    pairs = [(point.overall, point.given or "not_reported") for point in points]
    for level, sublevel in dict.fromkeys(pairs):
        here = place._replace(paramcd="OVRLRESP", level=level, sublevel=sublevel)
        yield from here.rows({"n": pairs.count((level, sublevel))}, METHOD)


def _best_responses(
    study: Study, population: str, best: list[str], paramcd: str
) -> Iterator[QcRow]:
    of_subject = courses(study)
    for category in CATEGORIES:
        statistics = _known(share(best.count(category), len(best)), of_subject, paramcd)
        place = Place("bor", population, paramcd=paramcd, level=category)
        yield from place.rows(statistics, METHOD)
    for level, wanted in (
        ("objective_response", CATEGORIES[:2]),
        ("disease_control", CATEGORIES[:4]),
    ):
        n = sum(1 for category in best if category in wanted)
        statistics = _known(rate(n, len(best), study.plan), of_subject, paramcd)
        place = Place("tumour_response", population, paramcd=paramcd, level=level)
        yield from place.rows(statistics, METHOD)


def _best(of_subject: Mapping[str, Course], who: str, paramcd: str) -> str:
    one = of_subject.get(who)
    if one is None:
        return "NE"
    return {"BOR": one.best, "BORC": one.confirmed, "BORINV": one.investigator}[paramcd]


def _known(
    statistics: Mapping[str, Value], of_subject: Mapping[str, Course], paramcd: str
) -> Mapping[str, Value]:
    """The statistics; those of a response that the data hold of no subject are missing."""
    if paramcd == "BORINV":
        known = any(one.investigator != "NE" for one in of_subject.values())
    else:
        known = any(one.assessed for one in of_subject.values())
    kept = ("N", "conf_level")
    return (
        statistics
        if known
        else {name: v if name in kept else None for name, v in statistics.items()}
    )
