"""Exposure to the study drug: each subject's infusions in order, one after another."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sap.catalogue import codelist
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc.dates import Day, complete_day, earliest
from sap.qc.study import LINES, Place, QcRow, Study
from sap.qc.subjects import Record, Subject, days_with_doses, is_study_dose
from sap.qc.summaries import Value, share, summary

METHOD = "infusions read one by one; exact fractions"
A_DAY = {
    "QD": 1, "QAM": 1, "QPM": 1, "QHS": 1, "QN": 1, "EVERY EVENING": 1, "Q24H": 1, "BID": 2, "Q12H": 2,
    "TID": 3, "Q8H": 3, "QID": 4, "Q6H": 4, "5 TIMES PER DAY": 5, "6 TIMES PER DAY": 6, "Q4H": 6,
}  # fmt: skip
"""Doses a day, of frequencies of at least one."""
EVERY = {
    "QOD": 2, "Q48H": 2, "Q3D": 3, "Q72H": 3, "Q4D": 4, "Q5D": 5, "Q6D": 6, "Q7D": 7, "EVERY WEEK": 7,
    "1 TIME PER WEEK": 7, "EVERY 2 WEEKS": 14, "EVERY 3 WEEKS": 21, "EVERY 4 WEEKS": 28,
}  # fmt: skip
"""Days from one dose to the next, of frequencies of less than one a day."""
COUNTED = ("NCYCLES", "NDELAY", "NDELMAJ", "NREDUC", "NGCSF")
MEASURED = (
    *COUNTED, "DURWK", "DURDAYS", "TRTDAYS", "OFFDAYS", "CUMDOSE", "CUMMG", "ADI", "RDI", "RDISTRT",
)  # fmt: skip
REASONS = {
    "GCSFPRIM": "PRIMARY PROPHYLAXIS",
    "GCSFSEC": "SECONDARY PROPHYLAXIS",
    "GCSFTHER": "TREATMENT OF NEUTROPENIA",
}
QUESTIONS = ("DELAYED", "DELMAJOR", "INTERR", "REDUCED", "LOWSTART", "OVERMAX", "GCSFANY", *REASONS)


@dataclass
class Course:
    """Numbers of one subject (None: not known), and Y, N or U (not known) for each question."""

    numbers: dict[str, float | None] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)


def in_order(ex: Sequence[Record], plan: Plan) -> list[Record]:
    """A patient's doses, in cycles by the cycle of each visit where all name one, else by day."""
    infusions = [row for row in ex if is_study_dose(row, plan.exposure.drugs)]
    named = [re.fullmatch(r"CYCLE (\d+)", row.get("VISIT") or "") for row in infusions]
    by_cycle = bool(infusions) and all(named) and plan.exposure.dosing == "cycles"

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
    """A dose in the unit of the plan and in mg."""
    dose, unit, planned = row.get("EXDOSE"), row.get("EXDOSU"), plan.exposure.dose_unit
    day = complete_day(row.get("EXSTDTC"))
    size: float | None = None
    if planned == "mg/m2":
        size = surface(vs, day, plan)
    elif planned == "mg/kg":
        size = _last(vs, "WEIGHT", day)
    if dose is None:
        return None, None
    if unit == planned:
        in_mg = dose if planned == "mg" else None if size is None else dose * size
        return round(dose, 9), in_mg
    if unit == "mg":
        return None if size is None else round(dose / size, 9), dose
    return None, None


def doses_of(row: Record) -> int | None:
    """The doses of an interval, counted day by day from its first."""
    first, last = complete_day(row.get("EXSTDTC")), complete_day(row.get("EXENDTC"))
    word = codelist("FREQ").standard(row.get("EXDOSFRQ"))
    if first is None or word is None:
        return None
    days = range(((last or first) - first).days + 1)
    if word == "ONCE":
        return 1 if days else None
    if not days:
        return None
    if word in A_DAY:
        return sum(A_DAY[word] for _ in days)
    if word in EVERY:
        return sum(1 for day in days if day % EVERY[word] == 0)
    times = re.fullmatch(r"(\d) TIMES PER WEEK", word)
    # Evenly spaced: the k-th dose of n a week begins 7k/n days after the first.
    return None if times is None else -(-len(days) * int(times[1]) // 7)


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
            late = (other - one).days - stated(plan.exposure.cycle_days)
            if None in days and not placed and late > stated(plan.exposure.delay_after_days):
                late = None
        delays.append(late)
    return delays


def _reductions(doses: Sequence[float | None], plan: Plan) -> tuple[int, str]:
    """How many infusions were the first low one after a full one, and whether the course began low."""
    limit = plan.exposure.reduced_at_most
    if limit is None:
        return 0, "N"
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
    if rule.dosing == "continuous":
        return _continuous(subject, rows, vs, plan)
    doses = [given(row, vs, plan) for row in rows]
    per_m2 = [dose for dose, _ in doses]
    late = _delays(rows, plan)
    known_late = [days for days in late if days is not None]
    minor = sum(1 for days in known_late if days > stated(rule.delay_after_days))
    major = sum(1 for days in known_late if days > stated(rule.major_delay_after_days))
    reduced, began = _reductions(per_m2, plan)

    def result(yes: bool, open_: bool) -> str:
        return "Y" if yes else "U" if open_ else "N"

    made.results = {
        "DELAYED": result(minor > 0, None in late),
        "DELMAJOR": result(major > 0, None in late),
        "REDUCED": result(reduced > 0, None in per_m2),
        "LOWSTART": began,
        "OVERMAX": result(len(rows) > stated(rule.max_cycles), False),
    }
    weeks = None
    if subject.first_dose is not None and subject.last_dose is not None:
        weeks = ((subject.last_dose - subject.first_dose).days + stated(rule.cycle_days)) / 7
    total = _total(per_m2)
    intensity = None if total is None or weeks is None else total / weeks
    planned = rule.planned_dose / (stated(rule.cycle_days) / 7)
    started = planned
    if began == "Y" and rule.low_start_dose is not None:
        started = rule.low_start_dose / (stated(rule.cycle_days) / 7)
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


def _continuous(
    subject: Subject, rows: Sequence[Record], vs: Sequence[Record], plan: Plan
) -> Course:
    """Every number and result of one treated subject under continuous dosing."""
    rule, made = plan.exposure, Course()
    doses = [given(row, vs, plan) for row in rows]
    counts = [doses_of(row) for row in rows]

    def total(amounts: Sequence[float | None]) -> float | None:
        pairs = zip(amounts, counts, strict=True)
        return _total([None if a is None or n is None else a * n for a, n in pairs])

    length = inside = None
    if subject.first_dose and subject.last_dose and all(
        complete_day(row.get("EXSTDTC")) for row in rows
    ):  # fmt: skip
        length = (subject.last_dose - subject.first_dose).days + 1
        inside = days_with_doses(list(rows), plan)
    reduced, began = _reductions([dose for dose, _ in doses], plan)
    unknown = any(dose is None for dose, _ in doses)
    given_ = total([dose for dose, _ in doses])
    intensity = None if given_ is None or length is None else given_ / length
    times = planned_a_day(plan)
    planned = rule.planned_dose * times
    started = rule.low_start_dose * times if began == "Y" and rule.low_start_dose else planned
    made.results = {
        "INTERR": "U" if length is None or inside is None else "Y" if inside < length else "N",
        "REDUCED": "Y" if reduced else "U" if unknown else "N",
        "LOWSTART": began,
    }
    made.numbers = {
        "DURDAYS": length,
        "TRTDAYS": inside,
        "OFFDAYS": None if length is None or inside is None else length - inside,
        "CUMDOSE": given_,
        "CUMMG": total([mg for _, mg in doses]),
        "ADI": intensity,
        "RDI": None if intensity is None else 100 * intensity / planned,
        "RDISTRT": None if intensity is None else 100 * intensity / started,
        "NREDUC": None if made.results["REDUCED"] == "U" else reduced,
    }
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
        if before and (day - subject.last_dose).days <= stated(plan.exposure.cycle_days):
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
        yield from _summaries(place, courses, study.plan)
        if study.plan.exposure.dosing == "continuous":
            continue
        cycles = [int(c.numbers["NCYCLES"] or 0) for c in courses]
        for number in set(cycles):
            of_number = place._replace(paramcd="NCYCLES", level=str(number))
            yield from of_number.rows(share(cycles.count(number), len(cycles)), METHOD)
    yield from Place("exposure", "SAFETY", level="planned").rows(_planned(study.plan), METHOD)


def _assessed(plan: Plan) -> set[str]:
    """The parameters that the plan's doses allow."""
    rule = plan.exposure
    names = {"CUMDOSE", "CUMMG", "ADI", "RDI"}
    if rule.dosing == "cycles":
        names |= {
            "NCYCLES",
            "DURWK",
            "NDELAY",
            "NDELMAJ",
            "NGCSF",
            "DELAYED",
            "DELMAJOR",
            "OVERMAX",
        }
        names |= {"GCSFANY", *REASONS}
    else:
        names |= {"DURDAYS", "TRTDAYS", "OFFDAYS", "INTERR"}
    names |= {"NREDUC", "REDUCED"} if rule.reduced_at_most is not None else set()
    names |= {"RDISTRT", "LOWSTART"} if rule.low_start_dose is not None else set()
    return names - {"CUMDOSE", "ADI", "RDI"} if rule.dose_unit == "AUC" else names


def _summaries(place: Place, courses: Sequence[Course], plan: Plan) -> Iterator[QcRow]:
    names = _assessed(plan)
    for name in (one for one in MEASURED if one in names):
        values = [course.numbers[name] for course in courses]
        known = [value for value in values if value is not None]
        statistics = summary(values)
        if name in COUNTED and (known or not values):
            statistics["total"] = sum(known) if known else None
        yield from place._replace(paramcd=name).rows(statistics, METHOD)
    for name in (one for one in QUESTIONS if one in names):
        results = [course.results[name] for course in courses]
        yield from place._replace(paramcd=name).rows(_proportion(results), METHOD)


def _planned(plan: Plan) -> dict[str, Value]:
    rule = plan.exposure
    names: dict[str, Value] = {
        "dose": rule.planned_dose,
        "low_start_dose": rule.low_start_dose,
        "reduced_at_most": rule.reduced_at_most,
        "cycle_days": rule.cycle_days,
        "max_cycles": rule.max_cycles,
        "delay_after_days": rule.delay_after_days,
        "major_delay_after_days": rule.major_delay_after_days,
    }
    if rule.cycle_days is not None and rule.dose_unit != "AUC":
        names["dose_intensity"] = rule.planned_dose * 7 / rule.cycle_days
    if rule.dosing == "continuous":
        times = planned_a_day(plan)
        names |= {"dose_intensity": rule.planned_dose * times, "doses_per_day": times}
    return {name: value for name, value in names.items() if value is not None}


def planned_a_day(plan: Plan) -> float:
    """The planned doses a day of continuous dosing."""
    word = codelist("FREQ").standard(plan.exposure.frequency) or ""
    if word in A_DAY:
        return float(A_DAY[word])
    return 1 / EVERY[word] if word in EVERY else int(word[0]) / 7


def _proportion(results: Sequence[str]) -> dict[str, Value]:
    yes, open_, n = results.count("Y"), results.count("U"), len(results)
    statistics: dict[str, Value] = {"n": yes, "N": n, "n_missing": open_}
    if open_:
        return statistics | {"n": yes or None, "estimate": None}
    return statistics | {"estimate": yes / n if n else None}
