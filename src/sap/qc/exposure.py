"""Exposure to the study drug: each subject's infusions in order, one after another."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sap.plan.model import Plan
from sap.qc.dates import Day, complete_day, earliest
from sap.qc.study import LINES, Place, QcRow, Study
from sap.qc.subjects import Record, Subject, is_study_dose
from sap.qc.summaries import Value, share, summary

METHOD = "infusions read one by one; exact fractions"
COUNTED = ("NCYCLES", "NDELAY", "NDELMAJ", "NREDUC", "NGCSF")
MEASURED = (*COUNTED, "DURWK", "CUMDOSE", "CUMMG", "ADI", "RDI", "RDISTRT")
REASONS = {
    "GCSFPRIM": "PRIMARY PROPHYLAXIS",
    "GCSFSEC": "SECONDARY PROPHYLAXIS",
    "GCSFTHER": "TREATMENT OF NEUTROPENIA",
}
QUESTIONS = ("DELAYED", "DELMAJOR", "REDUCED", "LOWSTART", "OVERMAX", "GCSFANY", *REASONS)


@dataclass
class Course:
    """Numbers of one subject (None: not known), and Y, N or U (not known) for each question."""

    numbers: dict[str, float | None] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)


def in_order(ex: Sequence[Record], plan: Plan) -> list[Record]:
    """A patient's infusions, by the cycle of each visit where all name one, else by day."""
    infusions = [row for row in ex if is_study_dose(row, plan.exposure.drugs)]
    named = [re.fullmatch(r"CYCLE (\d+)", row.get("VISIT") or "") for row in infusions]
    by_cycle = bool(infusions) and all(named)

    def place(pair: tuple[Record, re.Match[str] | None]) -> tuple[float, bool, Day, float]:
        row, cycle = pair
        day = complete_day(row.get("EXSTDTC"))
        number = float(cycle.group(1)) if by_cycle and cycle else 0.0
        return number, day is None, day or Day.max, row["EXSEQ"]

    return [row for row, _ in sorted(zip(infusions, named, strict=True), key=place)]


def _last(vs: Sequence[Record], code: str, day: Day | None) -> float | None:
    """The last value of a vital sign up to a day."""
    last_value, best = None, None
    for row in vs:
        seen, value = complete_day(row.get("VSDTC")), row.get("VSSTRESN")
        if (
            row.get("VSTESTCD") != code
            or value is None
            or seen is None
            or day is None
            or seen > day
        ):
            continue
        if best is None or (seen, row["VSSEQ"]) >= best:
            last_value, best = float(value), (seen, row["VSSEQ"])
    return last_value


def surface(vs: Sequence[Record], day: Day | None, plan: Plan) -> float | None:
    """Body surface on a day: measured, else by the plan's formula from height and weight."""
    measured = _last(vs, "BSA", day)
    height, weight = _last(vs, "HEIGHT", day), _last(vs, "WEIGHT", day)
    if measured is not None or height is None or weight is None:
        return measured
    if plan.exposure.bsa_formula == "Mosteller":
        return float((height * weight / 3600) ** 0.5)
    return float(0.007184 * weight**0.425 * height**0.725)


def given(row: Record, vs: Sequence[Record], plan: Plan) -> tuple[float | None, float | None]:
    """An infusion's dose in mg/m2 and in mg."""
    dose, unit = row.get("EXDOSE"), row.get("EXDOSU")
    area = surface(vs, complete_day(row.get("EXSTDTC")), plan)
    if dose is None:
        return None, None
    if unit == "mg/m2":
        return round(dose, 9), None if area is None else dose * area
    if unit == "mg":
        return None if area is None else round(dose / area, 9), dose
    return None, None


def _delays(rows: Sequence[Record], plan: Plan) -> list[float | None]:
    """Days by which each infusion but the first came late; None where that is not known.

    An infusion without a day and without a cycle may lie between any two that are far apart.
    """
    days = [complete_day(row.get("EXSTDTC")) for row in rows]
    placed = all(re.fullmatch(r"CYCLE \d+", row.get("VISIT") or "") for row in rows)
    delays: list[float | None] = []
    for one, other in itertools.pairwise(days):
        late = None
        if one is not None and other is not None:
            late = (other - one).days - plan.exposure.cycle_days
            if None in days and not placed and late > plan.exposure.delay_after_days:
                late = None
        delays.append(late)
    return delays


def _reductions(doses: Sequence[float | None], plan: Plan) -> tuple[int, str]:
    """How many infusions were the first low one after a full one, and whether the course began low."""
    limit = plan.exposure.reduced_at_most_mg_m2
    before: float | None = None
    reduced, began = 0, "N"
    for number, dose in enumerate(doses):
        if dose is None:
            began = "U" if number == 0 else began
            continue
        if dose <= limit and before is None and began != "U":
            began = "Y"
        if dose <= limit and before is not None and before > limit:
            reduced += 1
        before = dose
    return reduced, began


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def course(
    subject: Subject,
    rows: Sequence[Record],
    vs: Sequence[Record],
    cm: Sequence[Record] | None,
    plan: Plan,
) -> Course:
    """Every number and result of one treated subject; `cm` is None when no supportive care was recorded."""
    rule, made = plan.exposure, Course()
    doses = [given(row, vs, plan) for row in rows]
    per_m2 = [dose for dose, _ in doses]
    late = _delays(rows, plan)
    known_late = [days for days in late if days is not None]
    minor = sum(1 for days in known_late if days > rule.delay_after_days)
    major = sum(1 for days in known_late if days > rule.major_delay_after_days)
    reduced, began = _reductions(per_m2, plan)

    def result(yes: bool, open_: bool) -> str:
        return "Y" if yes else "U" if open_ else "N"

    made.results = {
        "DELAYED": result(minor > 0, None in late),
        "DELMAJOR": result(major > 0, None in late),
        "REDUCED": result(reduced > 0, None in per_m2),
        "LOWSTART": began,
        "OVERMAX": result(len(rows) > rule.max_cycles, False),
    }
    weeks = None
    if subject.first_dose is not None and subject.last_dose is not None:
        weeks = ((subject.last_dose - subject.first_dose).days + rule.cycle_days) / 7
    total = _total(per_m2)
    intensity = None if total is None or weeks is None else total / weeks
    planned = rule.planned_dose_mg_m2 / (rule.cycle_days / 7)
    low = rule.low_start_dose_mg_m2 / (rule.cycle_days / 7)
    started = low if began == "Y" else planned
    made.numbers = {
        "NCYCLES": len(rows),
        "DURWK": weeks,
        "CUMDOSE": total,
        "CUMMG": _total([mg for _, mg in doses]),
        "ADI": intensity,
        "RDI": None if intensity is None else 100 * intensity / planned,
        "RDISTRT": None if intensity is None else 100 * intensity / started,
        "NDELAY": None if made.results["DELAYED"] == "U" else minor,
        "NDELMAJ": None if made.results["DELMAJOR"] == "U" else major,
        "NREDUC": None if made.results["REDUCED"] == "U" else reduced,
    }
    _support(subject, rows, cm, made, plan)
    return made


def _support(
    subject: Subject, rows: Sequence[Record], cm: Sequence[Record] | None, made: Course, plan: Plan
) -> None:
    if cm is None:
        made.numbers["NGCSF"] = None
        made.results |= dict.fromkeys(("GCSFANY", *REASONS), "U")
        return
    cycles, reasons = set(), set()
    for row in cm:
        day = earliest(row.get("CMSTDTC"))
        if row.get("CMSCAT") != "G-CSF" or day is None or subject.last_dose is None:
            continue
        infusions = [(complete_day(r.get("EXSTDTC")), number) for number, r in enumerate(rows)]
        before = [(d, number) for d, number in infusions if d is not None and d <= day]
        if before and (day - subject.last_dose).days <= plan.exposure.cycle_days:
            cycles.add(max(before)[1])
            reasons.add(row.get("CMINDC"))
    made.numbers["NGCSF"] = len(cycles)
    made.results["GCSFANY"] = "Y" if cycles else "N"
    made.results |= {name: "Y" if why in reasons else "N" for name, why in REASONS.items()}


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `exposure`."""
    support = study.by_subject.get("cm", {})
    recorded = any(
        record.get("CMCAT") == "SUPPORTIVE CARE" or record.get("CMSCAT") == "G-CSF"
        for records in support.values()
        for record in records
    )
    made = {
        who: course(
            subject,
            in_order(study.of("ex", who), study.plan),
            study.of("vs", who),
            support.get(who, []) if recorded else None,
            study.plan,
        )
        for who, subject in study.subjects.items()
        if subject.treated
    }
    for group in LINES:
        courses = [c for who, c in made.items() if not group or study.subjects[who].line == group]
        place = Place("exposure", "SAFETY", group)
        yield from _summaries(place, courses)
        cycles = [int(c.numbers["NCYCLES"] or 0) for c in courses]
        for number in set(cycles):
            of_number = place._replace(paramcd="NCYCLES", level=str(number))
            yield from of_number.rows(share(cycles.count(number), len(cycles)), METHOD)
    yield from Place("exposure", "SAFETY", level="planned").rows(_planned(study.plan), METHOD)


def _summaries(place: Place, courses: Sequence[Course]) -> Iterator[QcRow]:
    for name in MEASURED:
        values = [course.numbers[name] for course in courses]
        known = [value for value in values if value is not None]
        statistics = summary(values)
        if name in COUNTED and (known or not values):
            statistics["total"] = sum(known) if known else None
        yield from place._replace(paramcd=name).rows(statistics, METHOD)
    for name in QUESTIONS:
        results = [course.results[name] for course in courses]
        yield from place._replace(paramcd=name).rows(_proportion(results), METHOD)


def _planned(plan: Plan) -> dict[str, Value]:
    rule = plan.exposure
    return {
        "dose": rule.planned_dose_mg_m2,
        "dose_intensity": rule.planned_dose_mg_m2 * 7 / rule.cycle_days,
        "low_start_dose": rule.low_start_dose_mg_m2,
        "reduced_at_most": rule.reduced_at_most_mg_m2,
        "cycle_days": rule.cycle_days,
        "max_cycles": rule.max_cycles,
        "delay_after_days": rule.delay_after_days,
        "major_delay_after_days": rule.major_delay_after_days,
    }


def _proportion(results: Sequence[str]) -> dict[str, Value]:
    yes, open_, n = results.count("Y"), results.count("U"), len(results)
    statistics: dict[str, Value] = {"n": yes, "N": n, "n_missing": open_}
    if open_:
        return statistics | {"n": yes or None, "estimate": None}
    return statistics | {"estimate": yes / n if n else None}
