"""Tumour cells and PSA under treatment, deviations from the protocol: patients counted one by one."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sap.plan.model import Plan
from sap.qc.again import summary
from sap.qc.counts import Value, rate
from sap.qc.days import Day, earliest
from sap.qc.people import Record, Subject
from sap.qc.response import counted, new_therapy, visits

BEFORE = ("SCREENING", "RE-SCREENING", "CYCLE 1")
Row = tuple[str, str, str, str, str, str, dict[str, Value]]
"""Analysis, population, group, paramcd, level, sublevel, statistics."""


class Count(NamedTuple):
    """One count under treatment and what AR-V7 was in that sample."""

    visit: str
    day: Day | None
    number: float
    cells: float
    arv7: str | None


class Cells(NamedTuple):
    """Answers of one patient: whether he can be asked, was seen, and showed it; the planned visit."""

    asked: dict[str, tuple[bool, bool, bool]]
    at_visit: Count | None
    change: float | None


def _result(gf: Sequence[Record], sample: str | None) -> str | None:
    mine = [
        row
        for row in gf
        if row.get("GFTESTCD") == "ARV7"
        and row.get("GFSTRESC") is not None
        and row.get("GFREFID") is not None
        and row["GFREFID"] == sample
    ]
    return min(mine, key=lambda row: float(row["GFSEQ"]))["GFSTRESC"] if mine else None


def _under_treatment(subject: Subject, cp: Sequence[Record], gf: Sequence[Record]) -> list[Count]:
    found = []
    for row in cp:
        cells, visit, day = row.get("CPSTRESN"), row.get("VISIT") or "", earliest(row.get("CPDTC"))
        if row.get("CPTESTCD") != "CTC" or cells is None or visit in BEFORE:
            continue
        first = subject.first_dose
        if day is not None and first is not None and day < first:
            continue
        named = visit.startswith("CYCLE") or visit == "END OF TREATMENT"
        if named or (day is not None and first is not None and day > first):
            result = _result(gf, row.get("CPREFID"))
            found.append(Count(visit, day, row["CPSEQ"], float(cells), result))
    return found


def _change(cells: float, base: float | None) -> float | None:
    return None if base is None or base <= 0 else round(100 * (cells - base) / base, 9)


def cells(subject: Subject, cp: Sequence[Record], gf: Sequence[Record], plan: Plan) -> Cells:
    """What became of the cells of one treated patient."""
    rule = plan.ctc
    sample = subject.second if subject.treated_again else subject.first
    base, state = (sample.count, sample.arv7) if sample else (None, "")
    on = _under_treatment(subject, cp, gf)
    there = sorted(
        (one for one in on if one.visit == rule.visit),
        key=lambda one: (one.day is None, one.day or dt.date.max, one.number),
    )
    at_visit = there[0] if there else None
    high = base is not None and base >= rule.response_below
    known = [one for one in on if one.arv7 in ("POSITIVE", "NEGATIVE")]
    asked = {
        "CTCRESP": (high, bool(on), any(one.cells < rule.response_below for one in on)),
        "CTC0": (base is not None and base >= 1, bool(on), any(one.cells == 0 for one in on)),
        "CTCRVIS": (high, bool(there), bool(there) and there[0].cells < rule.response_below),
        "ARV7NEG": (state == "POSITIVE", bool(known), any(o.arv7 == "NEGATIVE" for o in known)),
    }
    for depth in rule.depths_pct:
        falls = [_change(one.cells, base) for one in on]
        deep = any(fall is not None and fall <= -depth for fall in falls)
        asked[f"CTCF{depth:g}"] = (high, bool(on), deep)
    return Cells(asked, at_visit, _change(at_visit.cells, base) if at_visit else None)


def ctc(
    tables: Mapping[str, Mapping[str, list[Record]]], subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[Row]:
    """Every row of `ctc_response` and `ctc_course`."""
    made = {
        who: cells(
            subject, tables.get("cp", {}).get(who, []), tables.get("gf", {}).get(who, []), plan
        )
        for who, subject in subjects.items()
        if subject.treated
    }
    for population in ("CTCEVAL", "PRIMARY"):
        inside = [who for who, subject in subjects.items() if population in subject.sets]
        yes = sum(1 for who in inside if who in made and all(made[who].asked["CTCRESP"]))
        where = ("ctc_response", population, "", "CTCRESP", "", "")
        yield *where, rate(yes, len(inside), plan)
    for population, who in _treated(subjects).items():
        mine = [made[w] for w in who]
        for name in (n for n in next(iter(made.values())).asked if n != "CTCRESP") if made else ():
            asked = [one.asked[name] for one in mine]
            yes = sum(1 for one in asked if all(one))
            able = sum(1 for can, _, _ in asked if can)
            seen = sum(1 for can, was, _ in asked if can and was)
            for group, n in (("evaluable", seen), ("missing is failure", able)):
                yield "ctc_course", population, group, name, "", "", rate(yes, n, plan)
        there = [one for one in mine if one.at_visit is not None]
        place = ("ctc_course", population, "")
        now = summary([one.at_visit.cells for one in there if one.at_visit])
        yield *place, "CTC", plan.ctc.visit, "", now
        yield *place, "CTCPCHG", plan.ctc.visit, "", summary([one.change for one in there])


def _treated(subjects: Mapping[str, Subject]) -> dict[str, list[str]]:
    return {
        "PRIMARY": [who for who, subject in subjects.items() if "PRIMARY" in subject.sets],
        "RESCREENED": [
            who
            for who, subject in subjects.items()
            if "RESCREENED" in subject.sets and subject.treated_again
        ],
    }


def psa_change(
    tables: Mapping[str, Mapping[str, list[Record]]], subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[Row]:
    """Every row of `psa_change`."""
    rule = plan.psa_course
    for population, who in _treated(subjects).items():
        best: list[float | None] = []
        week_12: list[float | None] = []
        for one in who:
            subject = subjects[one]
            seen = visits(subject, tables["lb"].get(one, []), tables["ex"].get(one, []), plan)
            therapy = new_therapy(subject, tables["cm"].get(one, []))
            stop = plan.psa_response.stop_at_new_therapy
            base, after = counted(subject, seen, therapy, plan, stop_at_therapy=stop)
            changes = []
            for visit in after:
                if base is None or base <= 0 or subject.first_dose is None:
                    continue
                change = float(round(100 * (visit.psa - base) / base, 9))
                changes.append((change, (visit.day - subject.first_dose).days - rule.week_12_day))
            best.append(min((change for change, _ in changes), default=None))
            near = [
                (abs(off), off > 0, change)
                for change, off in changes
                if abs(off) <= rule.week_12_window_days
            ]
            week_12.append(min(near)[2] if near else None)
        for name, values in (("PSABEST", best), ("PSAWK12", week_12)):
            where = ("psa_change", population, "", name)
            yield *where, "", "", {"N": len(values)} | summary(values)
            for depth in rule.depths_pct:
                fell = sum(1 for value in values if value is not None and value <= -depth)
                yield *where, f"fall >= {depth:g} %", "", rate(fell, len(values), plan)


def deviations(dv: Sequence[Record], subjects: Mapping[str, Subject]) -> Iterator[Row]:
    """Every row of `protocol_deviations`."""
    lines: dict[tuple[str, str], list[str]] = {("Any", ""): [row["USUBJID"] for row in dv]}
    for row in dv:
        level = (row.get("DVCAT") or "NOT CLASSIFIED").capitalize()
        term = row.get("DVDECOD") or row.get("DVTERM")
        for place in {(level, ""), (level, term or "")}:
            lines.setdefault(place, []).append(row["USUBJID"])
    columns = {("PRIMARY", ""), ("SCREENED", ""), ("RESCREENED", "TREATED")}
    for population, group in sorted(columns) if dv else ():
        inside = {
            who
            for who, subject in subjects.items()
            if population in subject.sets and (not group or subject.treated_again)
        }
        for (level, term), who in lines.items():
            here = [one for one in who if one in inside]
            n, total = len(set(here)), len(inside)
            stats: dict[str, Value] = {"n": n, "N": total, "n_events": len(here)}
            stats["estimate"] = n / total if total else None
            yield "protocol_deviations", population, group, "", level, term, stats
