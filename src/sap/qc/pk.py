"""Plasma concentrations sample by sample; areas by numerical integration (scipy's quad)."""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc.dates import Day, complete_day
from sap.qc.dates import hours as hours_between
from sap.qc.exposure import given
from sap.qc.quantities import result
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Record, Subject, is_study_dose
from sap.qc.summaries import Value, summary

METHOD = "samples read one by one; numerical integration by scipy"
Row = tuple[str, str, str, str, dict[str, Value]]
"""Group, paramcd, level, sublevel, statistics."""
Curve = list[tuple[float, float]]


@dataclass
class Sample:
    """One planned sample and what became of it."""

    number: float
    visit: str | None
    day: Day | None
    planned: float
    hours: float | None
    off_time: bool
    below: bool
    case: int
    level: float | None

    @property
    def used(self) -> bool:
        return self.case in (5, 7)


@dataclass
class Profile:
    """The samples of one infusion, the dose in mg/m2 and in mg."""

    day: Day | None
    samples: list[Sample] = field(default_factory=list)
    dose: float | None = None
    mg: float | None = None


def _timed(text: str | None) -> str | None:
    """The text, where it has day, hour and minute."""
    return text if hours_between(text, text) is not None else None


def _sample(row: Record, ex: Sequence[Record], plan: Plan) -> Sample:
    rule = stated(plan.pk)
    drawn, start = row.get("PCDTC"), _timed(row.get("PCRFTDTC"))
    day = complete_day(row.get("PCRFTDTC")) or complete_day(row.get("PCDTC"))
    if start is None and day is not None:
        that_day = [
            _timed(one.get("EXSTDTC")) for one in ex if complete_day(one.get("EXSTDTC")) == day
        ]
        start = next((text for text in that_day if text is not None), None)
    planned = float(row["PCTPTNUM"]) if row.get("PCTPTNUM") is not None else math.nan
    hours = hours_between(drawn, start)
    value, side = result(row, "PC")
    below, early = side == "<", planned <= 0
    number = None if side or value is None else float(value)
    if number is None and not below:
        case = 1
    elif hours is None:
        case = 2
    elif early and hours > 0:
        case = 3
    elif not early and hours <= 0:
        case = 4
    else:
        case = (5 if early else 6) if below else 7
    off = False
    if hours is not None:
        minutes = round((hours - planned) * 60, 6)
        off = minutes > -planned * 60 if early else abs(minutes) > rule.deviation_minutes
    level = {5: 0.0, 7: number}.get(case)
    return Sample(row["PCSEQ"], row.get("VISIT"), day, planned, hours, off, below, case, level)


def profiles_of(
    tables: Mapping[str, Mapping[str, list[Record]]], subjects: Mapping[str, Subject], plan: Plan
) -> dict[str, list[Profile]]:
    """Every sampled infusion of each treated patient, by visit and day."""
    by_subject: dict[str, list[Profile]] = {}
    if plan.pk is None:
        return by_subject
    for who, subject in subjects.items():
        rows = [
            row
            for row in tables.get("pc", {}).get(who, [])
            if subject.treated and row.get("PCTESTCD") == stated(plan.pk).analyte
        ]
        ex, vs = tables["ex"].get(who, []), tables.get("vs", {}).get(who, [])
        by: dict[tuple[str | None, Day | None], Profile] = {}
        for sample in (_sample(row, ex, plan) for row in rows):
            profile = by.setdefault((sample.visit, sample.day), Profile(sample.day))
            profile.samples.append(sample)
        for profile in by.values():
            that_day = [
                row
                for row in ex
                if is_study_dose(row, plan.exposure.drugs)
                and profile.day is not None
                and complete_day(row.get("EXSTDTC")) == profile.day
            ]
            if that_day:
                profile.dose, profile.mg = given(that_day[0], vs, plan)
        if by:
            by_subject[who] = list(by.values())
    return by_subject


def evaluable(subject_profiles: Sequence[Profile]) -> bool:
    """Whether one concentration above quantification follows a known dose."""
    return any(
        one.used and (one.hours or 0) > 0 and not one.below and profile.dose is not None
        for profile in subject_profiles
        for one in profile.samples
    )


def _curve(samples: Sequence[Sample], carry: float, end: float) -> Curve:
    used = sorted(
        (
            (one.hours, one.number, one.level)
            for one in samples
            if one.used and one.hours is not None
        ),
        key=lambda each: each[:2],
    )
    before = [level for hours, _, level in used if hours <= 0 and level is not None]
    curve: Curve = [(0.0, before[-1] if before else 0.0)]
    for hours, _, level in used:
        if hours > curve[-1][0] and level is not None:
            curve.append((hours, float(level)))
    short = end - curve[-1][0]
    if 0 < short <= carry and len(curve) > 2:
        (t1, c1), (t2, c2) = curve[-2:]
        if 0 < c2 < c1:
            curve.append((end, c2 * (c2 / c1) ** (short / (t2 - t1))))
    return curve


def _at(curve: Curve, piece: int, when: float, rule: str) -> float:
    (t1, c1), (t2, c2) = curve[piece], curve[piece + 1]
    share = (when - t1) / (t2 - t1)
    highest = max(range(len(curve)), key=lambda place: (curve[place][1], -place))
    log = c1 > 0 and c2 > 0
    if rule == "linear":
        log = False
    elif rule == "linear-up/log-down":
        log = log and c2 < c1
    else:
        log = log and piece >= highest
    return c1 * (c2 / c1) ** share if log else c1 + share * (c2 - c1)


def area(curve: Curve, end: float, rule: str) -> float:
    """The area under the curve from 0 to `end`, piece by piece."""
    from scipy.integrate import quad

    total = 0.0
    for piece, ((t1, _), (t2, _)) in enumerate(pairwise(curve)):
        if t1 < end:
            total += float(
                quad(
                    lambda when, piece=piece: _at(curve, piece, when, rule),
                    t1, min(t2, end), epsabs=0, epsrel=1e-13,
                )[0]
            )  # fmt: skip
    return total


def parameters(profile: Profile, plan: Plan) -> dict[str, float | None]:
    """Every parameter of one infusion; None where the samples do not allow one."""
    rule, samples = stated(plan.pk), profile.samples
    ends = [
        one
        for one in samples
        if one.used and one.planned == rule.end_of_infusion_h and (one.hours or 0) > 0
    ]
    values: dict[str, float | None] = {}
    for hour in (rule.primary_h, rule.secondary_h):
        curve = _curve(samples, rule.carry_on_minutes / 60, hour)
        there = curve[-1][0] >= hour
        values[f"AUC0{hour:g}"] = area(curve, hour, rule.rule) if there and ends else None
        place = next((p for p in range(len(curve) - 1) if curve[p + 1][0] >= hour), None)
        known = there and place is not None
        values[f"C{hour:g}H"] = (
            _at(curve, place, hour, rule.rule) if known and place is not None else None
        )
    curve = _curve(samples, 0.0, 0.0)
    last = max((t for t, c in curve if c > 0), default=0.0)
    values["AUCLST"] = area(curve, last, rule.rule) if ends else None
    peaks = [
        (-float(one.level or 0), one.hours)
        for one in samples
        if one.case == 7
        and (one.hours or 0) > 0
        and not (one.planned == rule.end_of_infusion_h and one.off_time)
    ]
    good = bool(ends) and not any(one.off_time for one in ends)
    values["CMAX"] = -min(peaks)[0] if good else None
    values["TMAX"] = min(peaks)[1] if good else None
    main = f"AUC0{rule.primary_h:g}"

    def per(name: str, dose: float | None, reference: float) -> float | None:
        value = values[name]
        return value * reference / dose if value is not None and dose else None

    values[f"{main}N"] = per(main, profile.dose, rule.reference_dose)
    values[f"{main}MG"] = per(main, profile.mg, 1.0)
    values["CMAXN"] = per("CMAX", profile.dose, rule.reference_dose)
    return values


def _described(values: Sequence[float | None]) -> dict[str, Value]:
    known = [value for value in values if value is not None]
    statistics = summary(values) | {"geometric_mean": None, "geometric_cv": None}
    if known and min(known) > 0:
        logs = [math.log(value) for value in known]
        mean = math.fsum(logs) / len(logs)
        statistics["geometric_mean"] = math.exp(mean)
        if len(logs) > 1:
            spread = math.fsum((each - mean) ** 2 for each in logs) / (len(logs) - 1)
            statistics["geometric_cv"] = math.sqrt(math.expm1(spread))
    return statistics


@lru_cache(maxsize=1)
def profiles(study: Study) -> dict[str, list[Profile]]:
    """Every sampled infusion of each treated subject of a study."""
    return profiles_of(study.by_subject, study.subjects, study.plan)


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `pk`."""
    for group, paramcd, level, sublevel, statistics in statistics_of(profiles(study), study.plan):
        place = Place("pk", "PKEVAL", group, paramcd, level, sublevel)
        yield from place.rows(statistics, METHOD)


def statistics_of(by_subject: Mapping[str, list[Profile]], plan: Plan) -> Iterator[Row]:
    """Group, paramcd, level, sublevel and statistics of every row of `pk`."""
    rule = stated(plan.pk)
    yield (
        "",
        "",
        "planned",
        "",
        {
            "end_of_infusion_h": rule.end_of_infusion_h,
            "primary_h": rule.primary_h,
            "secondary_h": rule.secondary_h,
            "deviation_minutes": rule.deviation_minutes,
            "carry_on_minutes": rule.carry_on_minutes,
            "reference_dose": rule.reference_dose,
        },
    )
    if not by_subject:
        none: dict[str, Value] = {"N": None, "n": None} | dict.fromkeys(_described([]))
        yield "", f"AUC0{rule.primary_h:g}", "", "", none
        return
    inside = {
        who: subject_profiles
        for who, subject_profiles in by_subject.items()
        if evaluable(subject_profiles)
    }
    first: dict[str, Profile] = {}
    for who, subject_profiles in inside.items():
        with_level = [
            p for p in subject_profiles if any(s.used and (s.hours or 0) > 0 for s in p.samples)
        ]
        first[who] = min(with_level, key=lambda profile: profile.day or dt.date.max)
    values = {who: parameters(profile, plan) for who, profile in first.items()}
    groups: dict[str, list[str]] = {"": list(first)}
    for dose in sorted({p.dose for p in first.values() if p.dose is not None}):
        groups[f"dose_{dose:g}"] = [who for who, p in first.items() if p.dose == dose]
    for group, subjects in groups.items():
        for name in next(iter(values.values())) if values else ():
            stats = {"N": len(subjects)} | _described([values[one][name] for one in subjects])
            yield group, name, "", "", stats
    samples = [
        one
        for subject_profiles in inside.values()
        for profile in subject_profiles
        for one in profile.samples
    ]
    for hour in sorted({one.planned for one in samples if not math.isnan(one.planned)}):
        rows, level = [one for one in samples if one.planned == hour], f"hour_{hour:g}"
        levels = [one.level for one in rows if one.used]
        yield "", "CONC", level, "", {"N": len(rows)} | _described(levels)
        for what, n in {
            "analysed": len(levels),
            "not_collected": sum(1 for one in rows if one.case == 1),
            "below_quantification": sum(1 for one in rows if one.below),
            "outside_window": sum(1 for one in rows if one.off_time),
            "excluded": sum(1 for one in rows if one.case not in (1, 5, 7)),
        }.items():
            share: dict[str, Value] = {"n": n, "N": len(rows), "estimate": n / len(rows)}
            yield "", "SAMPLE", level, what, share
