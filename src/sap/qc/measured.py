"""What each patient was at his screenings, and what he was given, one record after another."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sap.plan.model import Plan
from sap.qc.again import summary
from sap.qc.counts import Value
from sap.qc.days import Day, clock, earliest, whole
from sap.qc.people import Record, Subject, milestone
from sap.qc.response import visits
from sap.qc.results import result

TESTS = ("HGB", "WBC", "NEUT", "LYM", "PLAT", "ALP", "LDH", "ALT", "AST", "BILI", "CREAT", "ALB",
         "TESTOS")  # fmt: skip
NUMBERS = ("AGE", "TSDIAG", "TSMET", "PSA", "CTC", *TESTS)
# Grams of haemoglobin monomer in a mmol: IFCC, 1988.
PER_MMOL = 16.114
# Population, whether only patients treated through re-screening, and whose screening is shown.
COLUMNS = (
    ("PRIMARY", "", 0),
    ("RESCREENED", "TREATED", 1),
    ("RESCREENED", "", 1),
    ("GROUPA", "", 0),
    ("SCREENED", "", 0),
)
TimeRecord = dict[str, float | str | None]
Row = tuple[str, str, str, str, dict[str, Value]]
"""Population, group, paramcd, level, statistics."""


class Window(NamedTuple):
    """The days, both included, whose last value is what a patient was; no first day is any."""

    since: Day | None
    until: Day | None


def _windows(subject: Subject, ds: Sequence[Record]) -> dict[int, Window]:
    """0 the first screening, 1 the second; one that he never had is not there."""
    found = {}
    if "SCREENED" in subject.sets and subject.first is not None:
        dose = subject.first_dose if subject.treated and not subject.treated_again else None
        found[0] = Window(None, dose or subject.allocated or subject.first.day or subject.consent)
    if "RESCREENED" in subject.sets:
        asked = milestone(list(ds), "RE-SCREENING CONSENT OBTAINED")
        drawn = subject.second.day if subject.second else None
        dose = subject.first_dose if subject.treated_again else None
        since = min((day for day in (asked, drawn) if day is not None), default=None)
        found[1] = Window(since, dose or subject.again_allocated or drawn or asked)
    return found


def _inside(day: Day | None, window: Window) -> bool:
    if day is None or window.until is None or day > window.until:
        return False
    return window.since is None or day >= window.since


def _last(
    rows: Sequence[tuple[Day | None, tuple[float, float], float | str | None]], at: Window
) -> float | str | None:
    found, best = None, None
    for day, order, value in rows:
        if value is None or not _inside(day, at):
            continue
        assert day is not None
        if best is None or (day, order) >= best:
            found, best = value, (day, order)
    return found


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
        if (day := whole(row.get("RSDTC"))) is not None
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
        taken.append((whole(row.get("LBDTC")), _order(row, "LB"), value))
    return _last(taken, at)


def _since(rows: Sequence[Record], what: str, at: Window, plan: Plan) -> float | None:
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
    found = []
    for row in rows:
        day = earliest(row.get("CMSTDTC"))
        choice = second and row.get("CMCAT") == "PHYSICIAN'S CHOICE"
        choice = choice and day is not None and at.until is not None and day < at.until
        if row.get("CMCAT") == "PRIOR ANTICANCER THERAPY" or choice:
            found.append(row)
    return found


def told(
    tables: Mapping[str, Mapping[str, list[Record]]],
    dm: Mapping[str, Record],
    subjects: Mapping[str, Subject],
    plan: Plan,
) -> dict[int, dict[str, TimeRecord]]:
    """By screening and patient: what each characteristic was."""
    prior = any(
        row.get("CMCAT") == "PRIOR ANTICANCER THERAPY"
        for rows in tables.get("cm", {}).values()
        for row in rows
    )
    found: dict[int, dict[str, TimeRecord]] = {0: {}, 1: {}}
    for who, subject in subjects.items():
        mine = {
            name: tables.get(name, {}).get(who, []) for name in ("ds", "lb", "ex", "rs", "mh", "cm")
        }
        psa = [
            (v.day, (0.0, 0.0), float(v.psa)) for v in visits(subject, mine["lb"], mine["ex"], plan)
        ]
        for place, at in _windows(subject, mine["ds"]).items():
            sample = subject.second if place else subject.first
            had = _before(mine["cm"], at, place == 1)
            after = {row["CMDECOD"] for row in had if row.get("CMDECOD") in plan.rescreening.after}
            values: TimeRecord = {code: _test(mine["lb"], code, at) for code in TESTS}
            values |= {
                "AGE": dm[who].get("AGE"),
                "TSDIAG": _since(mine["mh"], "PROSTATE CANCER", at, plan),
                "TSMET": _since(mine["mh"], "METASTATIC DISEASE", at, plan),
                "PSA": _last(psa, at),
                "CTC": sample.count if sample else None,
                "ECOG": _status(mine["rs"], at, subject.first_dose, plan),
                "GLEASON": _gleason(mine["mh"]),
                "ARV7": sample.arv7.capitalize() if sample else None,
            }
            if prior:
                drugs = {row.get("CMDECOD") for row in had}
                ways = {row.get("CMSCAT") for row in had}
                values |= {
                    "DOCETAX": "Y" if "DOCETAXEL" in drugs else "N",
                    "ARSI": "Y" if after else "N",
                    "RADIO": "Y" if "RADIOTHERAPY" in ways else "N",
                    "NARSI": str(len(after)),
                }
            found[place][who] = values
    return found


def baseline(
    found: Mapping[int, Mapping[str, TimeRecord]], subjects: Mapping[str, Subject]
) -> Iterator[Row]:
    """Every row of `baseline`."""
    every = [one for by_subject in found.values() for one in by_subject.values()]
    names = sorted({name for one in every for name in one})
    for population, group, place in COLUMNS:
        inside = [
            who
            for who, subject in subjects.items()
            if population in subject.sets and (not group or subject.treated_again)
        ]
        for name in names:
            seen = {one[name] for one in every if one.get(name) is not None}
            if not seen:
                continue
            values = [found[place].get(who, {}).get(name) for who in inside]
            if name in NUMBERS:
                numbers = [None if value is None else float(value) for value in values]
                yield population, group, name, "", {"N": len(inside)} | summary(numbers)
                continue
            counts = {str(level): values.count(level) for level in seen}
            for level, n in (counts | {"Missing": values.count(None)}).items():
                share = n / len(inside) if inside else None
                yield population, group, name, level, {"n": n, "N": len(inside), "estimate": share}
