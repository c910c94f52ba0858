"""PSA progression of each course of treatment."""

from collections.abc import Iterator

from sap.qc.courses import courses
from sap.qc.psa_progression import CASES, progression
from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import rate

METHOD = "visits read one by one in exact decimals; statsmodels"


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `psa_progression`."""
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
