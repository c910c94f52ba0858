"""The characteristics of each subject at the first screening and at re-screening, record by record."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sap.catalogue.locations import site
from sap.plan.model import Plan
from sap.qc import tumour
from sap.qc.dates import Day, clock, complete_day, earliest
from sap.qc.psa import visits
from sap.qc.quantities import result
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Record, Subject, milestone
from sap.qc.summaries import Value, share, summary

TESTS = ("HGB", "WBC", "NEUT", "LYM", "PLAT", "ALP", "LDH", "ALT", "AST", "BILI", "CREAT", "ALB",
         "TESTOS")  # fmt: skip
BODY = ("WEIGHT", "HEIGHT", "BSA")
NUMBERS = ("AGE", "TSDIAG", "TSMET", "PSA", "CTC", *BODY, "BMI", "TSPRIOR", *TESTS)
KINDS = {
    "SBONE": "BONE",
    "SNODE": "LYMPH NODE",
    "SLIVER": "LIVER",
    "SLUNG": "LUNG",
    "SOTHER": "OTHER",
}
# Grams of haemoglobin monomer in a mmol: IFCC, 1988.
PER_MMOL = 16.114
# Population, whether only patients treated through re-screening, and whose screening is shown.
TREATED = 2  # the screening that led to treatment
COLUMNS = (
    ("PRIMARY", "", 0),
    ("RESCREENED", "treated", 1),
    ("RESCREENED", "", 1),
    ("GROUPA", "", 0),
    ("SCREENED", "", 0),
    ("SAFETY", "", TREATED),
)
Characteristics = dict[str, float | str | None]
METHOD = "records read one by one; exact fractions"


class Window(NamedTuple):
    """The days, both included, whose last value is what a patient was; no first day is any."""

    since: Day | None
    until: Day | None


def _windows(subject: Subject, ds: Sequence[Record]) -> dict[int, Window]:
    """0 the first screening, 1 the second; a screening that did not take place is left out."""
    windows = {}
    if "SCREENED" in subject.sets:
        dose = subject.first_dose if subject.treated and not subject.treated_again else None
        drawn = subject.first.day if subject.first else None
        windows[0] = Window(None, dose or subject.allocated or drawn or subject.consent)
    if "RESCREENED" in subject.sets:
        consent = milestone(list(ds), "RE-SCREENING CONSENT OBTAINED")
        drawn = subject.second.day if subject.second else None
        dose = subject.first_dose if subject.treated_again else None
        since = min((day for day in (consent, drawn) if day is not None), default=None)
        windows[1] = Window(since, dose or subject.again_allocated or drawn or consent)
    return windows


def _inside(day: Day | None, window: Window) -> bool:
    if day is None or window.until is None or day > window.until:
        return False
    return window.since is None or day >= window.since


def _last(
    rows: Sequence[tuple[Day | None, tuple[float, float], float | str | None]], at: Window
) -> float | str | None:
    last_value, best = None, None
    for day, order, value in rows:
        if value is None or not _inside(day, at):
            continue
        assert day is not None
        if best is None or (day, order) >= best:
            last_value, best = value, (day, order)
    return last_value


def _order(row: Record, domain: str) -> tuple[float, float]:
    """The order of the records of one day: by time, those without one first, then by number."""
    time = clock(row.get(f"{domain}DTC"))
    return (-1.0 if time is None else time), row[f"{domain}SEQ"]


def _status(rows: Sequence[Record], at: Window, dose: Day | None, plan: Plan) -> str | None:
    """ECOG: the last up to the day, else the first in the plan's days after it, before treatment."""
    known = sorted(
        (day, _order(row, "RS"), row.get("RSSTRESC"))
        for row in rows
        if row.get("RSTESTCD") == "ECOG" and row.get("RSSTRESC") is not None
        if (day := complete_day(row.get("RSDTC"))) is not None
    )
    upto = [value for day, _, value in known if _inside(day, at)]
    if upto:
        return upto[-1]
    if at.until is None or "ECOG" not in plan.baseline.window_measures:
        return None
    for day, _, value in known:
        late = 0 < (day - at.until).days <= plan.baseline.window_days
        if late and (at.since is None or day >= at.since) and (dose is None or day <= dose):
            return value
    return None


def _test(rows: Sequence[Record], code: str, at: Window) -> float | str | None:
    taken = []
    for row in rows:
        if row.get("LBTESTCD") != code:
            continue
        read = result(row, "LB")[0]
        value = None if read is None else float(read)
        if code == "HGB" and value is not None:
            per = {"mmol/L": 1, "g/dL": 10 / PER_MMOL, "g/L": 1 / PER_MMOL}
            factor = per.get(row.get("LBSTRESU") or "")
            value = None if factor is None else value * factor
        taken.append((complete_day(row.get("LBDTC")), _order(row, "LB"), value))
    return _last(taken, at)


def _measured(rows: Sequence[Record], code: str, at: Window) -> float | None:
    """Weight, height or body surface: the last number of the window; a height is never too old."""
    window = at._replace(since=None) if code == "HEIGHT" else at
    known = [
        (complete_day(row.get("VSDTC")), _order(row, "VS"), row.get("VSSTRESN"))
        for row in rows
        if row.get("VSTESTCD") == code
    ]
    value = _last(known, window)
    return None if value is None else float(value)


def _body(rows: Sequence[Record], at: Window) -> dict[str, float | None]:
    values = {code: _measured(rows, code, at) for code in BODY}
    weight, height = values["WEIGHT"], values["HEIGHT"]
    bmi = None if weight is None or height is None else weight * 10_000 / (height * height)
    return {**values, "BMI": bmi}


def _sites(tu: Sequence[Record], at: Window, plan: Plan) -> dict[str, str | None]:
    """Whether lesions of each kind of site were recorded in the window by the plan's evaluator."""
    inside = [
        row
        for row in tu
        if row.get("TUEVAL") in (None, plan.tumour.evaluator)
        and _inside(earliest(row.get("TUDTC")), at)
    ]
    if not inside:
        return dict.fromkeys(KINDS)
    kinds = {site(row.get("TULOC")) for row in inside}
    return {code: "Y" if kind in kinds else "N" for code, kind in KINDS.items()}


def _after_prior(rows: Sequence[Record], at: Window, plan: Plan) -> float | None:
    """Months from the last end of the prior treatment that the trial requires."""
    drug = plan.baseline.prior_drug
    ends = [
        earliest(row.get("CMENDTC"))
        for row in rows
        if row.get("CMCAT") == "PRIOR ANTICANCER THERAPY" and row.get("CMDECOD") == drug
    ]
    last = max((day for day in ends if day is not None), default=None)
    if last is None or at.until is None:
        return None
    return (at.until - last).days / plan.survival.days_per_month


def _since(rows: Sequence[Record], what: str | None, at: Window, plan: Plan) -> float | None:
    if what is None:
        return None
    began = [earliest(row.get("MHSTDTC")) for row in rows if row.get("MHDECOD") == what]
    first = min((day for day in began if day is not None), default=None)
    if first is None or at.until is None:
        return None
    return (at.until - first).days / (12 * plan.survival.days_per_month)


def _gleason(rows: Sequence[Record]) -> str | None:
    scores = [re.match(r"GLEASON SCORE (\d+)$", row.get("MHTERM") or "") for row in rows]
    return str(max(known)) if (known := [int(s.group(1)) for s in scores if s]) else None


def _before(rows: Sequence[Record], at: Window, second: bool) -> list[Record]:
    """Anticancer therapies a patient had had by then."""
    therapies = []
    for row in rows:
        day = earliest(row.get("CMSTDTC"))
        choice = second and row.get("CMCAT") == "PHYSICIAN'S CHOICE"
        choice = choice and day is not None and at.until is not None and day < at.until
        if row.get("CMCAT") == "PRIOR ANTICANCER THERAPY" or choice:
            therapies.append(row)
    return therapies


def _left_out(plan: Plan) -> set[str]:
    """Characteristics of what the plan does not name."""
    codes: set[str] = set()
    codes |= set() if plan.baseline.prior_drug else {"PRIORTRT", "TSPRIOR"}
    codes |= set() if plan.baseline.prior_class else {"PRIORCL", "NPRIORCL"}
    codes |= set() if plan.biomarker else {"MARKER"}
    codes |= set() if plan.cells_required else {"CTC"}
    return codes | (set() if plan.psa_response else {"PSA"})


def characteristics(
    tables: Mapping[str, Mapping[str, list[Record]]],
    dm: Mapping[str, Record],
    subjects: Mapping[str, Subject],
    plan: Plan,
) -> dict[int, dict[str, Characteristics]]:
    """By screening (0 the first, 1 re-screening) and subject: the value of each characteristic."""
    prior = any(
        row.get("CMCAT") == "PRIOR ANTICANCER THERAPY"
        for rows in tables.get("cm", {}).values()
        for row in rows
    )
    values_of: dict[int, dict[str, Characteristics]] = {0: {}, 1: {}}
    for who, subject in subjects.items():
        domains = {
            name: tables.get(name, {}).get(who, [])
            for name in ("ds", "lb", "ex", "rs", "mh", "cm", "vs", "tu")
        }
        values_of_psa = (
            visits(subject, domains["lb"], domains["ex"], plan) if plan.psa_response else []
        )
        psa = [(v.day, (0.0, 0.0), float(v.psa)) for v in values_of_psa]
        for place, at in _windows(subject, domains["ds"]).items():
            sample = subject.second if place else subject.first
            had = _before(domains["cm"], at, place == 1)
            of_class = plan.baseline.prior_class.drugs if plan.baseline.prior_class else []
            after = {row["CMDECOD"] for row in had if row.get("CMDECOD") in of_class}
            values: Characteristics = {code: _test(domains["lb"], code, at) for code in TESTS}
            values |= {
                "AGE": dm[who].get("AGE"),
                "TSDIAG": _since(domains["mh"], plan.baseline.diagnosis, at, plan),
                "TSMET": _since(domains["mh"], plan.baseline.metastatic, at, plan),
                "PSA": _last(psa, at),
                "CTC": sample.count if sample else None,
                "ECOG": _status(domains["rs"], at, subject.first_dose, plan),
                "GLEASON": _gleason(domains["mh"]),
                "MARKER": sample.marker if sample else None,
                "TSPRIOR": _after_prior(domains["cm"], at, plan),
                **_body(domains["vs"], at),
                **_sites(domains["tu"], at, plan),
            }
            if prior:
                drugs = {row.get("CMDECOD") for row in had}
                ways = {row.get("CMSCAT") for row in had}
                values |= {
                    "PRIORTRT": "Y" if plan.baseline.prior_drug in drugs else "N",
                    "PRIORCL": "Y" if after else "N",
                    "RADIO": "Y" if "RADIOTHERAPY" in ways else "N",
                    "NPRIORCL": str(len(after)),
                }
            values |= {name: dm[who].get(name) for name in plan.baseline.of_dm}
            values_of[place][who] = {
                code: value for code, value in values.items() if code not in _left_out(plan)
            }
    return values_of


def _levels(place: Place, column: list[Any], levels: set[Any], *, partly: bool) -> Iterator[QcRow]:
    """The rows of each category and of those without one."""
    missing, n = column.count(None), len(column)
    nothing: dict[str, Value] = {"n": None, "N": n, "estimate": None}
    for level in levels:
        absent = partly or (n > 0 and missing == n)  # cases 5 and 6
        counted = nothing if absent else share(column.count(level), n)
        yield from place._replace(level=str(level)).rows(counted, METHOD)
    of_none = nothing if partly else share(missing, n)
    yield from place._replace(level="missing").rows(of_none, METHOD)


def _only_treated(study: Study, inside: list[str], column: list[Any]) -> bool:
    """Whether values are known of treated subjects alone, and others are inside."""
    treated = [study.subjects[who].treated for who in inside]
    known = [t for t, value in zip(treated, column, strict=True) if value is not None]
    return not all(treated) and bool(known) and all(known)


OF_TREATED = ("BSA", "MEASDIS", "SBONE", "SNODE", "SLIVER", "SLUNG", "SOTHER")


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `baseline`."""
    dm = {record["USUBJID"]: record for record in study.records["dm"]}
    of_screening = characteristics(study.by_subject, dm, study.subjects, study.plan)
    for who, course in tumour.courses(study).items():
        screening = int(study.subjects[who].treated_again)
        if tumour.is_assessed(study) and who in of_screening[screening]:
            known = "N" if course.recorded else None
            of_screening[screening][who]["MEASDIS"] = "Y" if course.measurable else known
    every = [values for by_subject in of_screening.values() for values in by_subject.values()]
    for population, group, screening in COLUMNS:
        inside = study.treated_when_rescreened(population) if group else study.inside(population)
        for name in sorted({name for values in every for name in values}):
            levels = {values[name] for values in every if values.get(name) is not None}
            if not levels:
                continue
            column = [
                of_screening[
                    int(study.subjects[who].treated_again) if screening == TREATED else screening
                ]
                .get(who, {})
                .get(name)
                for who in inside
            ]
            place = Place("baseline", population, group, name)
            partly = name in OF_TREATED and _only_treated(study, inside, column)  # case 6
            if name in NUMBERS:
                numbers = [None if value is None else float(value) for value in column]
                statistics = summary([None] * len(numbers) if partly else numbers)
                statistics |= dict.fromkeys(("n", "n_missing")) if partly else {}
                yield from place.rows({"N": len(inside)} | statistics, METHOD)
                continue
            yield from _levels(place, column, levels, partly=partly)
