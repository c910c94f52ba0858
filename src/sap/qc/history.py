"""Medical history, prior therapy and concomitant medication, subject by subject."""

import datetime as dt
from collections.abc import Iterator, Mapping

from sap.qc.dates import earliest, latest
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Record, Subject
from sap.qc.summaries import share

METHOD = "records read one by one; statsmodels"
COLUMNS = (("PRIMARY", ""), ("RESCREENED", "treated"), ("SAFETY", ""))
ANTICANCER = ("PRIOR ANTICANCER THERAPY", "PHYSICIAN'S CHOICE", "SUBSEQUENT ANTICANCER THERAPY")
Taken = dict[tuple[str, str], set[str]]


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `medical_history`, `prior_therapy` and `concomitant_medication`."""
    history: Taken = {}
    prior: Taken = {}
    concomitant: Taken = {}
    for who, subject in study.subjects.items():
        if subject.first_dose is None:
            continue
        for row in study.of("mh", who):
            began = earliest(row.get("MHSTDTC"))
            if row.get("MHCAT") != "PRIMARY DIAGNOSIS" and not (
                began is not None and began > subject.first_dose
            ):
                _add(history, who, row.get("MHDECOD") or row["MHTERM"], "")
        for row in study.of("cm", who):
            name = row.get("CMDECOD") or row.get("CMTRT") or "not_classified"
            kind = row.get("CMSCAT")
            if _is_prior(row, subject):
                _add(prior, who, kind or "not_classified", name)
            if _is_concomitant(row, subject, study.plan.safety.days_after_last_dose):
                _add(concomitant, who, row.get("CMCLAS") or kind or "not_classified", name)
    yield from _counted(study, "medical_history", history)
    yield from _counted(study, "prior_therapy", prior)
    yield from _counted(study, "concomitant_medication", concomitant)


def _add(taken: Taken, who: str, level: str, sublevel: str) -> None:
    for place in {("any", ""), (level, ""), (level, sublevel)}:
        taken.setdefault(place, set()).add(who)


def _is_prior(row: Record, subject: Subject) -> bool:
    if row.get("CMCAT") not in ANTICANCER or subject.first_dose is None:
        return False
    began = earliest(row.get("CMSTDTC"))
    return row["CMCAT"] == ANTICANCER[0] or (began is not None and began < subject.first_dose)


def _is_concomitant(row: Record, subject: Subject, days: int) -> bool:
    if row.get("CMCAT") in ANTICANCER or subject.first_dose is None or subject.last_dose is None:
        return False
    ended, began = latest(row.get("CMENDTC")), earliest(row.get("CMSTDTC"))
    if row.get("CMENRTPT") == "BEFORE" or (ended is not None and ended < subject.first_dose):
        return False
    return began is None or began <= subject.last_dose + dt.timedelta(days=days)


def _counted(
    study: Study, analysis: str, taken: Mapping[tuple[str, str], set[str]]
) -> Iterator[QcRow]:
    for population, group in COLUMNS:
        inside = study.treated_when_rescreened(population) if group else study.inside(population)
        for (level, sublevel), subjects in taken.items():
            place = Place(analysis, population, group, "", level, sublevel)
            yield from place.rows(share(len(subjects & set(inside)), len(inside)), METHOD)
