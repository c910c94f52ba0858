"""A second answer for each row of the ARD that has one, and whether the two agree."""

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sap.plan import project_home
from sap.plan.model import Plan
from sap.plan.references import read_references
from sap.qc import (
    again,
    beside,
    blood,
    boundary,
    cells,
    counts,
    curves,
    dosing,
    events,
    harm,
    hazards,
    laboratory,
    measured,
    plasma,
    rises,
    stages,
    tumour,
)
from sap.qc.people import Record, Subject, by_subject, people, records
from sap.qc.response import Course, courses
from sap.qc.words import in_standard_words

ROUTES = {
    "psa": "a literal loop over visits in exact decimals; statsmodels; scipy",
    "flow": "SQL over patients read record by record",
    "rate": "patients read record by record; statsmodels",
    "design": "a literal loop over visits; every outcome of the design in exact fractions; scipy",
    "told": "records of ADTTE counted one by one",
    "os": "dates read record by record; exact fractions, lifelines, statsmodels",
    "psa times": "visits read one by one in exact decimals; exact fractions, lifelines, statsmodels",
    "tte": "times of ADTTE; exact fractions, lifelines, statsmodels",
    "ae": "SQL over the frozen Parquet",
    "lab": "thresholds typed again; a literal loop over values in exact decimals",
    "cox": "statsmodels, agreeing with lifelines",
    "plasma": "samples read one by one; numerical integration by scipy",
    "measured": "records read one by one; exact fractions",
    "dosing": "infusions read one by one; exact fractions",
    "tumour": "readings scan by scan, in exact fractions; statsmodels",
    "harm": "SQL over the frozen Parquet; events and deaths patient by patient; statsmodels",
}
NEAR = 1e-9
ORIGIN = {"screening": "consent", "allocation": "allocated", "first dose": "first_dose"}


class Second(NamedTuple):
    """A second answer, and how it was found; None means not estimable."""

    value: float | str | None
    route: str


Key = tuple[str, str, str, str, str, str, str]


@dataclass(frozen=True)
class Opinion:
    """Every row of the ARD with its second answer (or none) and whether they agree."""

    rows: pd.DataFrame

    @property
    def total(self) -> int:
        """How many rows the ARD has."""
        return len(self.rows)

    @property
    def agreeing(self) -> int:
        """How many have a second answer that is the same."""
        return int((self.rows["opinion"] == "agrees").sum())

    @property
    def disagreeing(self) -> int:
        """How many have another second answer."""
        return int((self.rows["opinion"] == "disagrees").sum())

    @property
    def without(self) -> int:
        """How many have none."""
        return int((self.rows["opinion"] == "none").sum())

    @property
    def share(self) -> float:
        """Percent of rows that have a second answer."""
        return 100 * (self.total - self.without) / self.total if self.total else 0.0

    @property
    def analyses_without(self) -> list[str]:
        """The analyses with a row that has none."""
        return sorted(self.rows.loc[self.rows["opinion"] == "none", "analysis"].unique())

    def share_of(self, analysis: str) -> float:
        """Percent of the rows of one analysis that have a second answer and agree."""
        mine = self.rows[self.rows["analysis"] == analysis]
        return 100 * float((mine["opinion"] == "agrees").mean()) if len(mine) else math.nan

    def as_json(self) -> dict[str, Any]:
        """Shares by analysis, and every row that disagrees."""
        wrong = self.rows[self.rows["opinion"] == "disagrees"]
        by: dict[str, dict[str, int]] = {}
        for analysis, says in zip(self.rows["analysis"], self.rows["opinion"], strict=True):
            mine = by.setdefault(str(analysis), {"agrees": 0, "disagrees": 0, "none": 0})
            mine[str(says)] += 1
        return {
            "total": self.total,
            "agreeing": self.agreeing,
            "disagreeing": self.disagreeing,
            "without": self.without,
            "share": self.share,
            "analyses_without": self.analyses_without,
            "by_analysis": by,
            "disagreements": wrong.astype(str).to_dict("records"),
        }


def _agree(stat: float, text: str, second: Second) -> bool:
    if isinstance(second.value, str):
        return second.value == text
    if second.value is None:
        return math.isnan(stat)
    value = float(second.value)
    return abs(value - stat) <= max(1e-12, NEAR * max(abs(value), abs(stat)))


def second_opinion(
    cut: Path, plan: Plan, ard: pd.DataFrame, adtte: pd.DataFrame | None = None
) -> Opinion:
    """Compute what can be computed otherwise, and compare it with the ARD row by row.

    Times to PSA progression are computed from the records. The other times to progression are read
    from ADTTE when it is given: their statistics, not their dates, are then computed twice, and the
    route says so.
    """
    tables = in_standard_words(records(cut), plan)
    subjects = people(tables, plan)
    split = {name: by_subject(rows) for name, rows in tables.items() if name != "ts"}
    for name in ("lb", "ex", "cm"):
        split.setdefault(name, {})
    said = json.loads((cut / "manifest.json").read_text(encoding="utf-8"))["cut_off"]
    cut_off = dt.date.fromisoformat(said)
    psa = courses(split, subjects, plan, cut_off)
    known: dict[Key, Second] = dict(_sets(subjects))
    known |= dict(_response(subjects, psa, plan))
    known |= dict(_flow(subjects, plan))
    known |= dict(_again(subjects, plan))
    known |= dict(_calendar(subjects, plan, cut_off))
    known |= dict(_survival(subjects, plan))
    known |= dict(_survival_of_groups(subjects, plan))
    if "ae" in tables:
        for key, value in events.answers(tables, subjects, plan).items():
            known[(key[0], "SAFETY", *key[1:])] = Second(value, ROUTES["ae"])
    known |= dict(_harm(tables, split, subjects, plan))
    known |= dict(_described(tables, split, subjects, plan))
    known |= dict(_under_treatment(tables, split, subjects, plan))
    known |= dict(_hazards(tables, split, subjects, plan))
    known |= dict(_waiting(subjects, plan))
    known |= dict(_design(plan))
    known |= dict(_blood(split, subjects, plan, cut_off))
    of_psa = rises.followed(split, subjects, plan)
    for population, paramcd, level, stats in rises.counted(of_psa, subjects, plan):
        where = ("psa_progression", population, "", paramcd, level, "")
        known |= dict(_rows(where, stats, "psa"))
    known |= dict(_tumours(split, subjects, plan))
    if adtte is not None:
        adtte = _own_times(adtte, rises.times(of_psa, psa, plan))
        known |= dict(_times(adtte, subjects, plan))
        known |= dict(_told(adtte, subjects, plan))
    if "dv" not in tables:  # deviations were not collected: there is no per-protocol set
        none = ("PERPROT", "4 Per protocol")
        known = {key: one for key, one in known.items() if not {key[1], key[4]} & set(none)}
    return Opinion(_judged(ard, known))


def _judged(ard: pd.DataFrame, known: Mapping[Key, Second]) -> pd.DataFrame:
    names = ["analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name"]
    found: list[tuple[Any, ...]] = []
    seen = set()
    for row in ard[[*names, "stat", "stat_text"]].itertuples(index=False):
        key: Key = tuple(str(part) for part in row[:7])  # type: ignore[assignment]
        seen.add(key)
        second = known.get(key)
        if second is None:
            found.append((*key, row[7], row[8], None, "", "none"))
            continue
        says = "agrees" if _agree(float(row[7]), str(row[8]), second) else "disagrees"
        found.append((*key, row[7], row[8], second.value, second.route, says))
    analyses = set(ard["analysis"])
    for key, second in known.items():
        # A row that the second opinion expects and the ARD lacks is a disagreement too.
        if key not in seen and key[0] in analyses and second.value not in (None, 0):
            found.append(
                (*key, math.nan, "not in the ARD", second.value, second.route, "disagrees")
            )
    columns = [*names, "stat", "stat_text", "second", "route", "opinion"]
    return pd.DataFrame(found, columns=columns)


def _rows(
    where: tuple[str, str, str, str, str, str], stats: Mapping[str, Any], route: str
) -> Iterator[tuple[Key, Second]]:
    for name, value in stats.items():
        yield (*where, name), Second(value, ROUTES[route])


SETS = (
    "SCREENED",
    "MARKERPOS",
    "PRIMARY",
    "SAFETY",
    "RESCREENED",
    "PSAEVAL",
    "PERPROT",
    "CTCEVAL",
    "GROUPA",
)


def _sets(subjects: Mapping[str, Subject]) -> Iterator[tuple[Key, Second]]:
    for name in SETS:
        n = sum(1 for subject in subjects.values() if name in subject.sets)
        yield from _rows(("analysis_sets", name, "", "", "", ""), {"n": n}, "rate")


def _says(
    subjects: Mapping[str, Subject], psa: Mapping[str, Course], who: list[str], paramcd: str
) -> list[str]:
    """The answers for a set of the first screening: a response after re-screening is none there."""
    return [
        psa[w].answers[paramcd].says if w in psa and not subjects[w].treated_again else "NE"
        for w in who
    ]


def _as_treated(subjects: Mapping[str, Subject], who: list[str]) -> list[str]:
    """Patients in the order of their first dose, which is the order of the stages."""
    return sorted(who, key=lambda w: (subjects[w].first_dose or dt.date.max, w))


def _between_stages(
    subjects: Mapping[str, Subject], psa: Mapping[str, Course], who: list[str], n1: int | None
) -> dict[str, Any]:
    """When the last patient of stage 1 and the first of stage 2 began, and who had responded by then."""
    if n1 is None or len(who) <= n1:
        return {}
    full, began = (subjects[who[at]].first_dose for at in (n1 - 1, n1))
    days = [psa[w].answers["PSARESP"].confirmed for w in who[:n1] if w in psa]
    known = sum(day is not None and began is not None and day <= began for day in days)
    return {"stage1_full": str(full), "stage2_began": str(began), "responders_by_then": known}


def _limits_of_design(plan: Plan, said: list[bool], pending: list[bool]) -> dict[str, Any]:
    """The limits of the primary result where the plan wants those of the two stages."""
    if plan.intervals.primary_interval != "two-stage":
        return {}
    told = stages.two_stage(plan.design, said, pending, plan.intervals.conf_level)
    names = ("conf_low", "conf_high")
    late = told.get("stopped_at") == 1 and plan.design.n1 != len(said)
    if "decision" not in told:  # more patients than planned: another method
        return {}
    return {name: None if late else told[name] for name in names}


def _response(
    subjects: Mapping[str, Subject], psa: Mapping[str, Course], plan: Plan
) -> Iterator[tuple[Key, Second]]:
    rule = plan.psa_response
    variants = {"psa_response": "PSARESP", "psa_response_unconfirmed": "PSARESPU"}
    variants |= {f"psa_response_{d}d": f"PSARSP{d}" for d in rule.sensitivity_confirm_days}

    def inside(name: str) -> list[str]:
        # The PSA-evaluable patients are known only after the loop over visits.
        return [w for w, subject in subjects.items() if name in subject.sets]

    primary = inside("PRIMARY")
    in_order = _as_treated(subjects, primary)
    said = [s == "Y" for s in _says(subjects, psa, in_order, "PSARESP")]
    pending = [w in psa and psa[w].pending for w in in_order]
    n1 = plan.design.n1
    whole = n1 is not None and len(primary) >= n1
    first = (sum(said[:n1]), sum(pending[:n1])) if whole else None
    of_design = _limits_of_design(plan, said, pending)
    for analysis, paramcd in variants.items():
        for population in ("PRIMARY", "MARKERPOS", "PSAEVAL", "PERPROT", "CTCEVAL"):
            answers = _says(subjects, psa, inside(population), paramcd)
            yes, n = answers.count("Y"), len(answers)
            stats = counts.rate(yes, n, plan)
            stats |= {"n_missing": answers.count("NE"), "p0": plan.design.p0}
            if (analysis, population) == ("psa_response", "PRIMARY"):
                says = stages.decision(plan.design, yes, n, first)
                stats |= counts.tested(yes, n, plan, says) | of_design
            yield from _rows((analysis, population, "", paramcd, "", ""), stats, "psa")
    treated = [w for w in inside("RESCREENED") if subjects[w].treated_again]
    for paramcd in ("PSARESP", "PSARESPU"):
        answers = [psa[w].answers[paramcd].says if w in psa else "NE" for w in treated]
        stats = counts.rate(answers.count("Y"), len(answers), plan)
        stats |= {"n_missing": answers.count("NE")}
        yield from _rows(("rescreen_response", "RESCREENED", "", paramcd, "", ""), stats, "psa")
    main = dict(zip(primary, _says(subjects, psa, primary, "PSARESP"), strict=True))
    other = read_references(project_home() / "analysis" / "references.yml").of(
        plan.comparison.reference
    )
    theirs = _says(subjects, psa, primary, "PSARESPC") if plan.comparison.rule is not None else []
    for group, paramcd, level, stats in beside.rows(
        list(main.values()), theirs, other, plan, of_design
    ):
        place = (f"comparison_{other.trial.lower()}", "PRIMARY", group, paramcd, level, "")
        yield from _rows(place, stats, "psa")
    lowest = plan.estimand.baseline_psa_minimum
    high = [
        w
        for w in primary
        if w in psa and psa[w].base is not None and float(psa[w].base or 0) >= lowest
    ]
    unknown = [main[w] == "NE" or psa[w].unconfirmed for w in primary]
    policy = _says(subjects, psa, primary, "PSARSPTP")
    lines: dict[str, list[bool]] = {
        "1 Primary, composite strategy": [main[w] == "Y" for w in primary],
        "2 Treatment policy for new therapy": [s == "Y" for s in policy],
        f"6 Baseline PSA >= {lowest:g}": [main[w] == "Y" for w in high],
        "7 Worst case for missing and pending": [main[w] == "Y" for w in primary],
        "8 Best case for missing and pending": [
            main[w] == "Y" or u for w, u in zip(primary, unknown, strict=True)
        ],
    }
    if rule.first_fall_within_days is not None:
        lines["9 First fall at any time"] = [
            says == "Y" for says in _says(subjects, psa, primary, "PSARSPAT")
        ]
    for words, name in (
        ("3 PSA-evaluable", "PSAEVAL"),
        ("4 Per protocol", "PERPROT"),
        ("5 All marker-positive", "MARKERPOS"),
    ):
        lines[words] = [s == "Y" for s in _says(subjects, psa, inside(name), "PSARESP")]
    for level, yeses in lines.items():
        yes, n = sum(yeses), len(yeses)
        stats = counts.rate(yes, n, plan) | (of_design if level.startswith("1 ") else {})
        yield from _rows(("psa_estimand", "PRIMARY", "", "PSARESP", level, ""), stats, "psa")
    conf = plan.intervals.conf_level
    told = stages.two_stage(plan.design, said, pending, conf)
    told |= _between_stages(subjects, psa, in_order, n1)
    yield from _rows(("psa_two_stage", "PRIMARY", "", "PSARESP", "", ""), told, "design")
    belief = counts.believed(sum(said), len(said), plan)
    yield from _rows(("psa_posterior", "PRIMARY", "", "PSARESP", "", ""), belief, "psa")
    open_ = {"n": sum(said), "N": len(said), "n_missing": sum(unknown)}
    yield from _rows(("tipping_point", "PRIMARY", "", "PSARESP", "", ""), open_, "psa")


def _harm(
    tables: dict[str, list[Record]],
    split: Mapping[str, dict[str, list[Record]]],
    subjects: dict[str, Subject],
    plan: Plan,
) -> Iterator[tuple[Key, Second]]:
    """Laboratory grades, deaths, and the rates that need both and the events."""
    labs = laboratory.courses(split["lb"], subjects, plan)
    if "ae" not in split:
        return
    reported = events.emergent(tables, subjects, plan)
    for analysis, group, paramcd, level, sublevel, stats in laboratory.answers(
        labs, subjects, reported, plan
    ):
        yield from _rows((analysis, "SAFETY", group, paramcd, level, sublevel), stats, "lab")
    died = harm.dead(subjects, split["ae"], plan)
    lines = [*harm.deaths(subjects, died, plan), *harm.rates(subjects, died, reported, labs, plan)]
    lines += harm.published(read_references(project_home() / "analysis" / "references.yml"), plan)
    for analysis, group, paramcd, level, sublevel, stats in lines:
        yield from _rows((analysis, "SAFETY", group, paramcd, level, sublevel), stats, "harm")
    for level, stats in harm.toxicities(subjects, reported, plan):
        yield from _rows(("toxicity_monitoring", "SAFETY", "", "TOX", level, ""), stats, "harm")


def _described(
    tables: Mapping[str, list[Record]],
    split: Mapping[str, dict[str, list[Record]]],
    subjects: Mapping[str, Subject],
    plan: Plan,
) -> Iterator[tuple[Key, Second]]:
    """What the patients were at their screenings, and what they were given."""
    dm = {row["USUBJID"]: row for row in tables["dm"]}
    found = measured.told(split, dm, subjects, plan)
    for population, group, paramcd, level, stats in measured.baseline(found, subjects):
        yield from _rows(("baseline", population, group, paramcd, level, ""), stats, "measured")
    for group, paramcd, level, stats in dosing.exposure(split, subjects, plan):
        yield from _rows(("exposure", "SAFETY", group, paramcd, level, ""), stats, "dosing")


def _under_treatment(
    tables: Mapping[str, list[Record]],
    split: Mapping[str, dict[str, list[Record]]],
    subjects: Mapping[str, Subject],
    plan: Plan,
) -> Iterator[tuple[Key, Second]]:
    """Cells and PSA under treatment, and deviations from the protocol."""
    lines = [*cells.ctc(split, subjects, plan), *cells.psa_change(split, subjects, plan)]
    lines += cells.deviations(tables.get("dv", []), subjects)
    for analysis, population, group, paramcd, level, sublevel, stats in lines:
        route = "psa" if analysis == "psa_change" else "measured"
        yield from _rows((analysis, population, group, paramcd, level, sublevel), stats, route)


def _hazards(
    tables: Mapping[str, list[Record]],
    split: Mapping[str, dict[str, list[Record]]],
    subjects: Mapping[str, Subject],
    plan: Plan,
) -> Iterator[tuple[Key, Second]]:
    """The Cox models of survival by AR-V7 and by group, the test of proportionality left out."""
    name = ORIGIN[plan.survival.os_origin]
    age = {row["USUBJID"]: row.get("AGE") for row in tables["dm"]}
    begun = [subject for subject in subjects.values() if getattr(subject, name) is not None]
    x = {
        subject.usubjid: hazards.covariates(
            subject,
            age[subject.usubjid],
            hazards.status(subject, split.get("rs", {}).get(subject.usubjid, []), plan),
            plan,
        )
        for subject in begun
    }
    tested = [m for m in begun if m.first and m.first.arv7 in ("POSITIVE", "NEGATIVE")]
    declared: list[str] = list(plan.survival_comparison.covariates)
    asked = [("os_arv7", "OS", tested, declared, _follow)]
    if plan.study.groups:
        grouped = [m for m in begun if m.group in ("A", "B")]
        asked += [
            ("os_group", "OS", grouped, ["Group B"], _follow),
            ("os_group", "OSCENS", grouped, ["Group B"], _until_again),
        ]
    for analysis, paramcd, who, names, follow in asked:
        followed = [follow(subject, getattr(subject, name)) for subject in who]
        fit = hazards.model(followed, [x[m.usubjid] for m in who], names, plan) if who else ()
        for sublevel, stats in fit:
            yield from _rows((analysis, "SCREENED", "", paramcd, "Cox", sublevel), stats, "cox")


def _waiting(subjects: Mapping[str, Subject], plan: Plan) -> Iterator[tuple[Key, Second]]:
    """Every row of `os_guarantee`: survival from consent, with the wait for the first dose."""

    def of(population: str) -> list[tuple[int, int, int | None]]:
        found = []
        for subject in subjects.values():
            if population not in subject.sets or subject.consent is None:
                continue
            days, event = _follow(subject, subject.consent)
            first = (
                None if subject.first_dose is None else (subject.first_dose - subject.consent).days
            )
            found.append((days, event, None if first is None else max(first, 0)))
        return found

    where = ("os_guarantee", "PRIMARY", "", "OSSCR")
    treated = of("PRIMARY")
    inside = [(d, e, first) for d, e, first in treated if first is not None and d > first]
    if inside:
        days, event, entry = (list(column) for column in zip(*inside, strict=True))
        left = [d - first for d, _, first in inside]
        for level, curve in (
            ("From screening, as if always at risk", curves.Curve(days, event, plan)),
            (
                "From screening, at risk from the first dose",
                curves.Curve(days, event, plan, entry),
            ),
            ("From the first dose", curves.Curve(left, event, plan)),
        ):
            stats = {} if curve.disputed else curves.middle(curve)
            stats |= {"n_excluded": len(treated) - len(inside)}
            yield from _rows((*where, level, ""), stats, "os")
    landmark = plan.survival_comparison.guarantee_landmark_days
    positive = of("MARKERPOS")
    by: dict[str, list[tuple[int, int]]] = {"Treated by then": [], "Not treated by then": []}
    for days_, event_, first in positive:
        if days_ > landmark:
            then = first is not None and first <= landmark
            by["Treated by then" if then else "Not treated by then"].append(
                (days_ - landmark, event_)
            )
    level = f"Landmark, day {landmark}"
    for group, followed in by.items():
        if followed:
            days, event = (list(column) for column in zip(*followed, strict=True))
            curve = curves.Curve(days, event, plan)
            stats = {} if curve.disputed else curves.middle(curve)
            yield from _rows(("os_guarantee", "MARKERPOS", group, "OSSCR", level, ""), stats, "os")
    one, other = by.values()
    test: dict[str, Any] = {"n_excluded": len(positive) - len(one) - len(other)}
    test["p_value"] = curves.log_rank(one, other)["p_value"]
    yield from _rows(("os_guarantee", "MARKERPOS", "", "OSSCR", level, ""), test, "os")


def _design(plan: Plan) -> Iterator[tuple[Key, Second]]:
    """What the design does, before any data."""
    main, curve = stages.designed(plan.design)
    yield from _rows(("design", "PRIMARY", "", "", "", ""), main, "design")
    for level, stats in curve.items():
        yield from _rows(("design_oc", "PRIMARY", "", "", level, ""), stats, "design")
    for analysis, level, stats in boundary.rows(plan):
        yield from _rows((analysis, "SAFETY", "", "TOX", level, ""), stats, "design")


def _blood(
    split: Mapping[str, dict[str, list[Record]]],
    subjects: Mapping[str, Subject],
    plan: Plan,
    cut_off: dt.date,
) -> Iterator[tuple[Key, Second]]:
    """Samples asked and drawn, and what was found in plasma."""
    for group, paramcd, level, stats in blood.inventory(split, subjects, plan, cut_off):
        where = ("sample_inventory", "SCREENED", group, paramcd, level, "")
        yield from _rows(where, stats, "measured")
    profiles = plasma.profiles(split, subjects, plan)
    for group, paramcd, level, sublevel, stats in plasma.pk(profiles, plan):
        yield from _rows(("pk", "PKEVAL", group, paramcd, level, sublevel), stats, "plasma")
    if profiles:
        n = sum(1 for mine in profiles.values() if plasma.evaluable(mine))
        yield from _rows(("analysis_sets", "PKEVAL", "", "", "", ""), {"n": n}, "rate")


def _tumours(
    split: Mapping[str, dict[str, list[Record]]], subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[tuple[Key, Second]]:
    """Best overall response, objective response, and the change of the sum of diameters."""
    for analysis, population, paramcd, level, stats in tumour.rows(split, subjects, plan):
        yield from _rows((analysis, population, "", paramcd, level, ""), stats, "tumour")


def _again(subjects: Mapping[str, Subject], plan: Plan) -> Iterator[tuple[Key, Second]]:
    for group, paramcd, level, stats in again.rescreened(subjects, plan):
        where = ("rescreening", "RESCREENED", group, paramcd, level, "")
        yield from _rows(where, stats, "rate")
    for level, stats in again.waited(subjects):
        yield from _rows(("allocation_time", "SCREENED", "", "", level, ""), stats, "rate")


def _calendar(
    subjects: dict[str, Subject], plan: Plan, cut_off: dt.date
) -> Iterator[tuple[Key, Second]]:
    for name, month, stats in counts.accrued(subjects, plan, cut_off):
        where = ("accrual", "SCREENED", "", name, month, "")
        yield from _rows(where, stats, "rate")
    for population, group, kind, level, share in counts.ended(subjects):
        yield from _rows(("disposition", population, group, kind, level, ""), share, "rate")


def _flow(subjects: dict[str, Subject], plan: Plan) -> Iterator[tuple[Key, Second]]:
    for (paramcd, level, sublevel), n in counts.flow(subjects, plan).items():
        yield from _rows(("flow", "SCREENED", "", paramcd, level, sublevel), {"n": n}, "flow")
    for level, (n, total) in counts.yields(subjects, plan).items():
        where = ("biomarker_yield", "SCREENED", "", "", level, "")
        yield from _rows(where, counts.rate(n, total, plan), "rate")


def _follow(subject: Subject, origin: Any) -> tuple[int, int]:
    """Days and event of overall survival from an origin."""
    if subject.died is not None:
        days = (subject.died - origin).days
        return (days, 1) if days >= 0 else (0, 0)
    if subject.last_alive is not None and subject.last_alive > origin:
        return (subject.last_alive - origin).days, 0
    return 0, 0


def _survival(subjects: Mapping[str, Subject], plan: Plan) -> Iterator[tuple[Key, Second]]:
    name = ORIGIN[plan.survival.os_origin]
    populations = ["PRIMARY", "SAFETY", "MARKERPOS", "SCREENED"]
    if plan.study.groups:
        populations.append("GROUPA")
    for population in populations:
        inside = [
            m for m in subjects.values() if population in m.sets and getattr(m, name) is not None
        ]
        followed = [_follow(subject, getattr(subject, name)) for subject in inside]
        yield from _curve("os", population, "OS", followed, plan, "os")
    treated = [m for m in subjects.values() if "RESCREENED" in m.sets and m.treated_again]
    followed = [_follow(subject, subject.again_allocated) for subject in treated]
    yield from _curve("os", "RESCREENED", "OSRE", followed, plan, "os")


def _survival_of_groups(
    subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[tuple[Key, Second]]:
    """Survival by AR-V7 and by group: the curves, and the log-rank test by lifelines."""
    name = ORIGIN[plan.survival.os_origin]
    begun = [subject for subject in subjects.values() if getattr(subject, name) is not None]
    by_state = {
        state: [_follow(m, getattr(m, name)) for m in begun if m.first and m.first.arv7 == state]
        for state in ("POSITIVE", "NEGATIVE", "UNDETERMINED")
    }
    yield from _groups("os_arv7", "OS", by_state, ("POSITIVE", "NEGATIVE"), plan)
    if not plan.study.groups:
        return
    for paramcd in ("OS", "OSCENS"):
        by_group = {
            group: [
                _until_again(m, getattr(m, name))
                if paramcd == "OSCENS"
                else _follow(m, getattr(m, name))
                for m in begun
                if m.group == group
            ]
            for group in ("A", "B")
        }
        yield from _groups("os_group", paramcd, by_group, ("A", "B"), plan)


def _until_again(subject: Subject, origin: Any) -> tuple[int, int]:
    """Overall survival that ends, censored, on the day of the second allocation."""
    days, event = _follow(subject, origin)
    if subject.treated_again and subject.again_allocated is not None:
        until = (subject.again_allocated - origin).days
        if 0 <= until <= days:
            return until, 0
    return days, event


def _groups(
    analysis: str,
    paramcd: str,
    by: Mapping[str, list[tuple[int, int]]],
    tested: tuple[str, str],
    plan: Plan,
) -> Iterator[tuple[Key, Second]]:
    for group, followed in by.items():
        yield from _curve(analysis, "SCREENED", paramcd, followed, plan, "os", group)
    one, other = (by[name] for name in tested)
    if one or other:
        test: dict[str, Any] = {"N": len(one) + len(other)} | curves.log_rank(one, other)
        where = (analysis, "SCREENED", "", paramcd, "Log-rank", "")
        yield from _rows(where, test, "os")
        sides = (one, other) if analysis == "os_arv7" else (other, one)  # positive, B, first
        more = curves.mean_difference(*sides, plan)
        yield from _rows((*where[:4], "RMST difference", ""), more, "os")


def _curve(
    analysis: str,
    population: str,
    paramcd: str,
    followed: list[tuple[int, int]],
    plan: Plan,
    route: str,
    group: str = "",
) -> Iterator[tuple[Key, Second]]:
    if not followed:
        none = {"N": 0, "n_events": 0, "median": None, "conf_low": None, "conf_high": None}
        yield from _rows((analysis, population, group, paramcd, "", ""), none, route)
        return
    days, event = zip(*followed, strict=True)
    for (more, level, stat), value in curves.answers(days, event, plan).items():
        where = (analysis + more, population, group, paramcd, level, "")
        yield from _rows(where, {stat: value}, route)


def _own_times(adtte: pd.DataFrame, found: Iterator[rises.Time]) -> pd.DataFrame:
    """ADTTE with the times to PSA progression computed here in place of its own."""
    by_psa = adtte["PARAMCD"].str.startswith(("TTPP", "DOR"))
    names = ("USUBJID", "PARAMCD", "PARAM", "AVAL", "CNSR", "EVNTDESC", "CNSDTDSC")
    rows = [
        (
            one.who, one.paramcd, f"{one.paramcd}; {one.words}" if one.words else one.paramcd,
            float(one.days), 0 if one.event else 1, one.why if one.event else "",
            "" if one.event else one.why,
        )
        for one in found
    ]  # fmt: skip
    own = pd.DataFrame(rows, columns=list(names)).astype({"AVAL": float, "CNSR": int})
    parts = [part for part in (adtte.loc[~by_psa, list(names)], own) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else own


BY_PSA = ("TTPP", "DOR")


def _times(
    adtte: pd.DataFrame, subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[tuple[Key, Second]]:
    """The statistics of times to progression, from the times of ADTTE."""
    for code in ("PFS", "RPFS", "TTPP", "DOR", "RDOR"):
        asked = [("PRIMARY", code), ("RESCREENED", f"{code}RE")]
        if plan.study.groups and code in ("PFS", "TTPP"):
            asked.append(("GROUPA", code))
        there = adtte["PARAMCD"].isin((code, f"{code}RE")).any()
        for population, paramcd in asked:
            inside = {w for w, subject in subjects.items() if population in subject.sets}
            followed = [
                (int(days), 1 if censored == 0 else 0)
                for who, name, days, censored in zip(
                    adtte["USUBJID"], adtte["PARAMCD"], adtte["AVAL"], adtte["CNSR"], strict=True
                )
                if name == paramcd and who in inside
            ]
            # Without any response no patient has a duration of one; the data do not lack it.
            if not followed and not there and code != "DOR":
                names = ("N", "n_events", "median", "conf_low", "conf_high")
                where = (code.lower(), population, "", paramcd, "", "")
                yield from _rows(where, dict.fromkeys(names), "tte")
                continue
            route = "psa times" if code in BY_PSA else "tte"
            yield from _curve(code.lower(), population, paramcd, followed, plan, route)


TimeRecord = tuple[Any, ...]  # USUBJID PARAMCD PARAM AVAL CNSR EVNTDESC CNSDTDSC


def _told(
    adtte: pd.DataFrame, subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[tuple[Key, Second]]:
    """What ended each patient's time, and the times by other definitions of progression, from ADTTE."""
    names = ("USUBJID", "PARAMCD", "PARAM", "AVAL", "CNSR", "EVNTDESC", "CNSDTDSC")
    records: list[TimeRecord] = list(zip(*(adtte[name].tolist() for name in names), strict=True))
    yield from _other_definitions(records, subjects, plan)
    for code in ("PFS", "RPFS", "TTPP", "DOR", "RDOR"):
        asked = [("PRIMARY", code), ("RESCREENED", f"{code}RE")]
        if plan.study.groups and code in ("PFS", "TTPP"):
            asked.append(("GROUPA", code))
        for population, paramcd in asked:
            mine = [r for r in records if r[1] == paramcd and population in subjects[r[0]].sets]
            ended: dict[tuple[str, str], int] = {}
            for *_, censored, event_words, censor_words in mine:
                key = ("Censored", censor_words) if censored else ("Event", event_words)
                ended[key] = ended.get(key, 0) + 1
            for (how, words), n in ended.items():
                where = (f"{code.lower()}_reasons", population, "", paramcd, str(words), how)
                route = "psa times" if code in BY_PSA else "told"
                yield from _rows(where, {"n": n, "N": len(mine)}, route)


def _other_definitions(
    records: list[TimeRecord], subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[tuple[Key, Second]]:
    by: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for who, paramcd, param, days, censored, _, _ in records:
        code = next((c for c in ("PFS", "RPFS", "TTPP") if paramcd.startswith(c)), None)
        if code and "PRIMARY" in subjects[who].sets and not paramcd.endswith("RE"):
            level = str(param).partition("; ")[2] or "As planned"
            by.setdefault((code, paramcd, level), []).append((int(days), int(censored == 0)))
    for (code, paramcd, level), followed in by.items():
        all_days, event = zip(*followed, strict=True)
        for (more, inner, stat), value in curves.answers(all_days, event, plan).items():
            if not more and not inner:
                where = (f"{code.lower()}_sensitivity", "PRIMARY", "", paramcd, level, "")
                yield from _rows(where, {stat: value}, "psa times" if code == "TTPP" else "tte")
    for code in sorted({"PFS", "RPFS", "TTPP"} - {code for code, _, _ in by}):
        where = (f"{code.lower()}_sensitivity", "PRIMARY", "", code, "As planned", "")
        yield from _rows(where, {"median": None}, "tte")
