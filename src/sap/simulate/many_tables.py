"""SDTM tables of many trials: the records known on the day of a look, of the domains that the decision reads.

The dates of a trial are shifted so that the day of the look is the same date in every trial of a stack: one
data cut-off serves them all, and no rule depends on a calendar date.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sap.errors import UsageError
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.simulate.many import (
    DEATH,
    LOST,
    NEVER,
    REASONS,
    TOXICITY,
    WITHDRAWN,
    Courses,
    Flags,
    Ints,
    Screened,
)
from sap.simulate.tables import text

Objects = NDArray[np.object_]
FIRST, LAST = dt.date(1900, 1, 1), dt.date(2100, 1, 1)
LEFT = (DEATH, WITHDRAWN, LOST)


def _where(which: Flags, yes: Any, no: Any = None) -> Objects:
    """`yes` where a flag is set, else `no`, as objects."""
    cells: Objects = np.full(len(which), no, dtype=object)
    cells[which] = yes[which] if isinstance(yes, np.ndarray) else yes
    return cells


@cache
def _dates() -> Objects:
    days = range((LAST - FIRST).days)
    return np.array([(FIRST + dt.timedelta(days=d)).isoformat() for d in days], dtype=object)


def usubjid(study: str, trial: int, patient: int) -> str:
    """The identifier of a patient: the study, the trial's number, the patient's number from 1.

    >>> usubjid("CARVE", 12, 3)
    'CARVE-00000012-0003'
    """
    return f"{study}-{trial:08d}-{patient:04d}"


class _Writing:
    """The rows of a look: flat arrays of patients, and the date of a day of their trial."""

    def __init__(self, look: dt.date, study: str) -> None:
        self.shift = (look - FIRST).days
        self.study = study

    def date(self, since_look: Ints) -> Objects:
        """Dates as text, from days since the look (which are not after it)."""
        days = self.shift + since_look
        if days.min(initial=0) < 0:
            raise UsageError(
                "sap oc: a simulated trial lasts more than a hundred years. Screen more patients per month."
            )
        texts: Objects = _dates()[days]
        return texts

    def frame(self, domain: str, usubjid: Objects, columns: dict[str, Any]) -> pd.DataFrame:
        """A domain in the order of patients, numbered within each."""
        n = len(usubjid)
        cells: dict[str, Any] = {
            "STUDYID": np.full(n, self.study, dtype=object),
            "DOMAIN": np.full(n, domain.upper(), dtype=object),
            "USUBJID": usubjid,
        }
        if domain != "dm":
            begins = (
                np.flatnonzero(np.r_[True, usubjid[1:] != usubjid[:-1]]) if n else np.zeros(0, int)
            )
            sizes = np.diff(np.r_[begins, n])
            cells[f"{domain.upper()}SEQ"] = np.arange(n) - np.repeat(begins, sizes) + 1.0
        for name, value in columns.items():
            cells[name] = (
                np.full(n, value, dtype=object) if isinstance(value, str | None) else value
            )
        return pd.DataFrame(cells)


def treated_tables(
    patients: Screened,
    of: Courses,
    first_dose: Ints,
    look_day: Ints,
    included: Flags,
    plan: Plan,
    look: dt.date,
) -> dict[str, pd.DataFrame]:
    """The tables of the treated patients of many trials, with the records of a data cut on the look.

    Parameters
    ----------
    patients, of
        The screened patients and the courses of the same trials.
    first_dose
        The day of the first dose from the begin of the trial, pauses included; (trials, places).
    look_day
        The day of the look from the begin of the trial; (trials,).
    included
        Which places are of patients in the stack; (trials, places). A first dose after the look is not.
    plan, look
        The plan, and the date that the look has in every trial.
    """
    rows, place = np.nonzero(included & (first_dose <= look_day[:, np.newaxis]))
    write = _Writing(look, plan.study.studyid[0])
    column = of.column[rows, place]
    numbers = patients.trials[rows]
    names = np.array(
        [usubjid(write.study, t, c + 1) for t, c in zip(numbers, column, strict=True)], dtype=object
    )
    start = (
        first_dose[rows, place] - look_day[rows]
    )  # in days since the look, which are not positive
    waited = first_dose[rows, place] - of.ready[rows, place]
    consent = patients.consent[rows, column] + waited - look_day[rows]
    allocated = patients.allocated[rows, column] + waited - look_day[rows]
    flat = {name: value[rows, place] for name, value in vars(of).items()}
    left = np.isin(flat["reason"], LEFT)
    tables = {
        "dm": _dm(write, names, numbers, column, flat, consent, start),
        "ds": _ds(write, names, flat, (consent, allocated, start), left, plan),
        "ex": _ex(write, names, flat, start, plan),
        "lb": _lb(write, names, flat, start),
        "ae": _ae(write, names, flat, start, plan),
        "cm": _cm(write, names, flat, start),
    }
    if plan.biomarker is not None:
        every = np.ones(len(names), dtype=np.int64)
        tables |= _marker(write, names, every, every > 0, consent, plan)
    return tables


def _known(start: Ints, day: Ints) -> Flags:
    """Whether a day of the course is not after the look."""
    known: Flags = (day < NEVER) & (start + day <= 0)
    return known


def _dm(
    write: _Writing, names: Objects, trials: Ints, column: Ints, flat: dict[str, Any], consent: Ints,
    start: Ints,
) -> pd.DataFrame:  # fmt: skip
    infusions = flat["infusion"] & (start[:, np.newaxis] + flat["visit_day"] <= 0)
    last = np.where(infusions, flat["visit_day"], 0).max(axis=1, initial=0)
    died = (flat["reason"] == DEATH) & _known(start, flat["stop"])
    death = write.date(np.where(died, start + flat["stop"], 0))
    site = np.array(
        [f"{1 + (t + c) % 6:02d}" for t, c in zip(trials, column, strict=True)], dtype=object
    )
    return write.frame(
        "dm",
        names,
        {
            "SUBJID": np.array([f"{c + 1:04d}" for c in column], dtype=object),
            "SITEID": site,
            "RFICDTC": write.date(consent),
            "RFSTDTC": write.date(start),
            "RFENDTC": write.date(start + last),
            "DTHDTC": _where(died, death),
            "DTHFL": _where(died, "Y"),
            "AGE": flat["age"].astype(float),
            "AGEU": "YEARS",
            "SEX": "M",
            "ARMCD": "B",
            "ARM": "Study treatment",
            "COUNTRY": "NLD",
            "DMDTC": write.date(consent),
        },
    )


MILESTONE, EVENT = "PROTOCOL MILESTONE", "DISPOSITION EVENT"


def _ds(
    write: _Writing, names: Objects, flat: dict[str, Any], days: tuple[Ints, Ints, Ints], left: Flags,
    plan: Plan,
) -> pd.DataFrame:  # fmt: skip
    consent, allocated, start = days
    reason = np.array(REASONS, dtype=object)[flat["reason"]]
    ended = _known(start, flat["stop"])
    stop = start + np.where(ended, flat["stop"], 0)
    every = np.ones(len(names), dtype=bool)
    selected = every if plan.biomarker is not None else ~every
    parts = [
        (every, "INFORMED CONSENT OBTAINED", MILESTONE, "SCREENING", consent),
        (selected, "ALLOCATED TO GROUP B", MILESTONE, "SCREENING", allocated),
        (every, "TREATMENT CONSENT OBTAINED", MILESTONE, "SCREENING", start),
        (ended, reason, EVENT, "STUDY TREATMENT", stop),
        (ended & left, reason, EVENT, "STUDY PARTICIPATION", stop),
    ]
    return _in_parts(write, "ds", names, parts)


def _in_parts(write: _Writing, domain: str, names: Objects, parts: list[Any]) -> pd.DataFrame:
    """Disposition records of several kinds, in the order of patients."""
    which = np.concatenate([np.flatnonzero(wanted) for wanted, *_ in parts])
    order = np.argsort(which, kind="stable")

    def stacked(position: int) -> Objects:
        cells = []
        for wanted, *values in parts:
            value = values[position]
            n = int(wanted.sum())
            cells.append(
                np.full(n, value, dtype=object) if isinstance(value, str) else value[wanted]
            )
        return np.concatenate(cells)[order]

    decod = stacked(0)
    columns = {
        "DSTERM": decod,
        "DSDECOD": decod,
        "DSCAT": stacked(1),
        "DSSCAT": stacked(2),
        "DSSTDTC": write.date(stacked(3).astype(np.int64)),
    }
    return write.frame(domain, names[which[order]], columns)


def _visit_names(number: Ints, infusions: int) -> Objects:
    texts = [f"CYCLE {v + 1}" for v in range(infusions)] + ["END OF TREATMENT"]
    names: Objects = np.array(texts, dtype=object)[number]
    return names


def _ex(
    write: _Writing, names: Objects, flat: dict[str, Any], start: Ints, plan: Plan
) -> pd.DataFrame:
    given = flat["infusion"] & (start[:, np.newaxis] + flat["visit_day"] <= 0)
    who, visit = np.nonzero(given)
    day = write.date(start[who] + flat["visit_day"][who, visit])
    columns = {
        "EXTRT": plan.exposure.drugs[0],
        "EXCAT": "STUDY TREATMENT",
        "EXDOSE": np.full(len(who), float(plan.exposure.planned_dose)),
        "EXDOSU": "mg" if plan.exposure.dose_unit == "AUC" else plan.exposure.dose_unit,
        "EXROUTE": "INTRAVENOUS",
        "EXSTDTC": day,
        "EXENDTC": day,
        "VISIT": _visit_names(visit, given.shape[1] - 1),
        "EXADJ": None,
    }
    return write.frame("ex", names[who], columns)


def _lb(write: _Writing, names: Objects, flat: dict[str, Any], start: Ints) -> pd.DataFrame:
    taken = ~np.isnan(flat["psa"]) & (start[:, np.newaxis] + flat["visit_day"] <= 0)
    who, visit = np.nonzero(taken)
    value = flat["psa"][who, visit]
    text = np.array([_number(v) for v in value.tolist()], dtype=object)
    columns = {
        "LBTESTCD": "PSA",
        "LBTEST": "Prostate Specific Antigen",
        "LBCAT": "TUMOR MARKER",
        "LBORRES": text,
        "LBORRESU": "ug/L",
        "LBSTRESC": text,
        "LBSTRESN": value,
        "LBSTRESU": "ug/L",
        "LBSTNRLO": np.zeros(len(who)),
        "LBSTNRHI": np.full(len(who), 4.0),
        "LBLLOQ": np.full(len(who), np.nan),
        "LBSTAT": None,
        "LBREASND": None,
        "VISIT": _visit_names(visit, taken.shape[1] - 1),
        "LBDTC": write.date(start[who] + flat["visit_day"][who, visit]),
    }
    return write.frame("lb", names[who], columns)


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _ae(
    write: _Writing, names: Objects, flat: dict[str, Any], start: Ints, plan: Plan
) -> pd.DataFrame:
    rule = plan.toxicity_monitoring
    toxic = _known(start, flat["toxicity"])
    if rule is None:
        toxic = np.zeros(len(names), dtype=bool)
    who = np.flatnonzero(toxic)
    stopped = flat["reason"][who] == TOXICITY
    columns = {
        "AETERM": rule.terms[0].lower() if rule else None,
        "AEDECOD": rule.terms[0] if rule else None,
        "AEBODSYS": "INVESTIGATIONS",
        "AESOC": "INVESTIGATIONS",
        "AETOXGR": str(rule.from_grade) if rule else None,
        "AESER": "N",
        "AESDTH": None,
        "AEREL": "PROBABLY RELATED",
        "AEACN": _where(stopped, "DRUG WITHDRAWN", "DOSE NOT CHANGED"),
        "AEOUT": "NOT RECOVERED/NOT RESOLVED",
        "AESTDTC": write.date(start[who] + flat["toxicity"][who]),
        "AEENDTC": None,
    }
    return write.frame("ae", names[who], columns)


def _cm(write: _Writing, names: Objects, flat: dict[str, Any], start: Ints) -> pd.DataFrame:
    who = np.flatnonzero(_known(start, flat["therapy"]))
    columns = {
        "CMTRT": "NEW ANTICANCER THERAPY",
        "CMDECOD": "NEW ANTICANCER THERAPY",
        "CMCAT": "SUBSEQUENT ANTICANCER THERAPY",
        "CMSCAT": "CHEMOTHERAPY",
        "CMSTDTC": write.date(start[who] + flat["therapy"][who]),
        "CMENDTC": None,
    }
    return write.frame("cm", names[who], columns)


def _marker(
    write: _Writing, names: Objects, result: Ints, enough: Flags, consent: Ints, plan: Plan
) -> dict[str, pd.DataFrame]:
    """The sample of the screening and the result of the biomarker (0 negative, 1 positive, 2 none)."""
    rule = stated(plan.biomarker)
    sample = names + "-SCR" if len(names) else names
    day = write.date(consent)
    tables = {}
    if rule.cell_count is not None:
        least, volume = rule.cell_count.minimum, f"/{rule.cell_count.volume_ml:g} mL"
        count = np.where(enough, least + 7, max(least - 1, 0))
        text = np.array([str(c) for c in count], dtype=object)
        columns = {
            "CPTESTCD": "CTC",
            "CPTEST": "Circulating Tumor Cells",
            "CPORRES": text,
            "CPORRESU": volume,
            "CPSTRESC": text,
            "CPSTRESN": count.astype(float),
            "CPSTRESU": volume,
            "CPSTAT": None,
            "CPREASND": None,
            "CPSPEC": "BLOOD",
            "CPREFID": sample,
            "VISIT": "SCREENING",
            "CPDTC": day,
        }
        tables["cp"] = write.frame("cp", names, columns)
    shown = np.array([rule.negative[0], rule.positive[0], "UNDETERMINED"], dtype=object)[result]
    of_result = {
        "TESTCD": rule.test,
        "TEST": rule.name,
        **({"TSTDTL": rule.detail} if rule.detail else {}),
        "ORRES": shown,
        "STRESC": shown,
        "RESCAT": _where(result == 2, "UNSPECIFIED"),
        "STAT": None,
        "REASND": None,
        "SPEC": "BLOOD",
        "REFID": sample,
    }
    columns = {rule.name_of(name): value for name, value in of_result.items()}
    columns |= {"VISIT": "SCREENING", rule.name_of("DTC"): day}
    return tables | {rule.domain: write.frame(rule.domain, names, columns)}


def untreated_tables(
    patients: Screened, columns: Ints, consent: Ints, look_day: int, plan: Plan, look: dt.date
) -> dict[str, pd.DataFrame]:
    """The tables of patients of one trial who were screened and not treated.

    Parameters
    ----------
    patients
        The screened patients of the trial alone.
    columns, consent
        Which of them, and the day of consent of each from the begin of the trial, pauses included.
    look_day, plan, look
        As of `treated_tables`.
    """
    write = _Writing(look, plan.study.studyid[0])
    trial = int(patients.trials[0])
    names = np.array([usubjid(write.study, trial, int(c) + 1) for c in columns], dtype=object)
    since = consent - look_day
    wait = patients.allocated[0, columns] - patients.consent[0, columns]
    ready = patients.ready[0, columns] - patients.consent[0, columns]
    result, enough = patients.result[0, columns], patients.enough[0, columns]
    selected = (result == 1) & enough
    known, left = since + wait <= 0, selected & (since + ready <= 0)
    of_plan = np.full(len(names), plan.biomarker is not None)
    day = write.date(since)
    place = "OTHER" if plan.biomarker is not None else "NOT ELIGIBLE"
    reason = _where(~patients.starts[0, columns], "DECLINED", place)
    age = 50 + (patients.draw("age")[0, columns] * 35).astype(int)
    demographics = {
        "SUBJID": np.array([f"{c + 1:04d}" for c in columns], dtype=object),
        "SITEID": np.array([f"{1 + (trial + c) % 6:02d}" for c in columns], dtype=object),
        "RFICDTC": day,
        "RFSTDTC": None,
        "RFENDTC": None,
        "DTHDTC": None,
        "DTHFL": None,
        "AGE": age.astype(float),
        "AGEU": "YEARS",
        "SEX": "M",
        "ARMCD": _where(known & of_plan, _where(selected, "B", "A"), "NOTASSGN"),
        "ARM": _where(
            known & of_plan, _where(selected, "Study treatment", "Control"), "Not Assigned"
        ),
        "COUNTRY": "NLD",
        "DMDTC": day,
    }
    every = np.ones(len(names), dtype=bool)
    parts = [
        (every, "INFORMED CONSENT OBTAINED", MILESTONE, "SCREENING", since),
        (known & of_plan & selected, "ALLOCATED TO GROUP B", MILESTONE, "SCREENING", since + wait),
        (known & of_plan & ~selected, "ALLOCATED TO GROUP A", MILESTONE, "SCREENING", since + wait),
        (left, reason, EVENT, "SCREENING", since + ready),
    ]
    tables = {
        "dm": write.frame("dm", names, demographics),
        "ds": _in_parts(write, "ds", names, parts),
    }
    if plan.biomarker is not None:
        tables |= _marker(write, names, result, enough, since, plan)
    return tables


def extract(
    parts: Sequence[Mapping[str, pd.DataFrame]], plan: Plan, look: dt.date
) -> dict[str, pd.DataFrame]:
    """The extract of one trial as tables of text, from the tables of its patients; TS says that it is synthetic."""
    tables = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        rows = pd.concat(
            [part[name] for part in parts if name in part and len(part[name])] or [parts[0][name]]
        )
        order = ["USUBJID"] if name == "dm" else ["USUBJID", f"{name.upper()}SEQ"]
        tables[name] = rows.sort_values(order, kind="stable", ignore_index=True)
    dm = tables["dm"]
    dead = dm[dm["DTHFL"] == "Y"]
    status = {
        "SSTESTCD": "SURVSTAT",
        "SSTEST": "Survival Status",
        "SSORRES": "DEAD",
        "SSSTRESC": "DEAD",
    }
    write = _Writing(look, plan.study.studyid[0])
    tables["ss"] = write.frame(
        "ss",
        dead["USUBJID"].to_numpy(dtype=object),
        {**status, "SSDTC": dead["DTHDTC"].to_numpy(dtype=object)},
    )
    words = (
        ("TITLE", "Trial Title", plan.study.short_title),
        ("STUDYID", "Study Identifier", plan.study.studyid[0]),
        ("SSTDTC", "Study Start Date", str(dm["RFICDTC"].min())),
        ("DCUTDTC", "Data Cutoff Date", look.isoformat()),
        ("SYNTHDAT", "Synthetic Data", "Y"),
    )
    tables["ts"] = pd.DataFrame(
        [
            {"STUDYID": plan.study.studyid[0], "DOMAIN": "TS", "TSSEQ": n, "TSPARMCD": code,
             "TSPARM": name, "TSVAL": value}
            for n, (code, name, value) in enumerate(words, start=1)
        ]
    )  # fmt: skip
    return {name: table.map(_cell) for name, table in tables.items()}


def _cell(value: Any) -> str | None:
    return None if pd.isna(value) else text(value)
