"""PSA progression, and the times to progression and of response."""

from collections.abc import Iterator

from sap.qc.courses import courses
from sap.qc.progression_times import Time, has_data, times
from sap.qc.psa_progression import CASES, progression
from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import rate
from sap.qc.survival import curve_rows

METHOD = "records read one by one in exact decimals; exact fractions, lifelines, statsmodels"
ENDPOINTS = ("PFS", "RPFS", "TTPP", "DOR", "RDOR")


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `psa_progression` and of the times to progression."""
    yield from _psa_progression(study)
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


def _psa_progression(study: Study) -> Iterator[QcRow]:
    columns = [("PRIMARY", False), ("RESCREENED", False)]
    columns += [("GROUPA", True)] if study.plan.study.groups else []
    for population, is_choice in columns:
        inside = {
            who for who in study.inside(population) if is_choice or study.subjects[who].treated
        }
        cases = [
            progression(course, study.plan).case
            for course in courses(study)
            if course.is_choice is is_choice and course.subject.usubjid in inside
        ]
        place = Place("psa_progression", population, paramcd="PSAPROGA" if is_choice else "PSAPROG")
        known = sum(case > 2 for case in cases)
        statistics = rate(cases.count(3) + cases.count(4), len(inside), study.plan)
        yield from place.rows(statistics | {"n_missing": len(inside) - known}, METHOD)
        for case, level in enumerate(CASES, start=1):
            of_case = {"n": cases.count(case), "N": len(inside)}
            yield from place._replace(level=level).rows(of_case, METHOD)


def _curve(place: Place, planned: list[Time], study: Study, endpoint: str) -> Iterator[QcRow]:
    if not planned and not has_data(study, endpoint):
        none = dict.fromkeys(("N", "n_events", "median", "conf_low", "conf_high"))
        yield from place.rows(none, METHOD)
        return
    yield from curve_rows(place, [(t.days, int(t.event)) for t in planned], study, METHOD)


def _reasons(place: Place, planned: list[Time]) -> Iterator[QcRow]:
    ends = [("Event" if time.event else "Censored", time.reason) for time in planned]
    for end in dict.fromkeys(ends):
        here = place._replace(analysis=f"{place.analysis}_reasons", level=end[1], sublevel=end[0])
        yield from here.rows({"n": ends.count(end), "N": len(planned)}, METHOD)


def _sensitivities(of_endpoint: list[Time], study: Study, endpoint: str) -> Iterator[QcRow]:
    primary = set(study.inside("PRIMARY"))
    here = [time for time in of_endpoint if time.who in primary and not time.rescreened]
    place = Place(f"{endpoint.lower()}_sensitivity", "PRIMARY")
    for definition in dict.fromkeys(time.definition for time in here):
        followed = [(t.days, int(t.event)) for t in here if t.definition == definition]
        of_code = place._replace(paramcd=endpoint + definition.code)
        for row in curve_rows(of_code, followed, study, METHOD):
            if row.analysis == place.analysis and not row.level:
                yield row._replace(level=definition.words or "As planned")
    if not here:
        missing = place._replace(paramcd=endpoint, level="As planned")
        yield from missing.rows({"median": None}, METHOD)
