"""Lesions from TU and TR: identification, size and assessments.

Terms are submission values of CDISC codelists (`sap.derivations.standard` runs first); a term outside
of them is a finding of the data contracts and is not used here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sap.catalogue.locations import location
from sap.derivations.dates import earliest_day
from sap.derivations.tumour_rules import NON, Sums, target_response
from sap.errors import PlanError
from sap.plan.model import Tumour

Tables = Mapping[str, pd.DataFrame]
Row = dict[str, Any]
Rows = list[Row]

RESPONSES = ("TRGRESP", "NTRGRESP", "NEWLPROG", "SFTSRESP", "BONERESP", "OVRLRESP")
IDENTIFIES = ("TUMIDENT", "LESIDENT")
TARGETS = ("TARGET", "TARGET NODAL", "TARGET EXTRA NODAL")
FOLLOWED = (*TARGETS, "NON-TARGET", "NON-MEASURABLE", "NEW")
BONE_SCANS = ("BONE SCAN", "SCINTIGRAPHY")
STATES = ("TUMSTATE", "LNSTATE")
SUMS = ("SUMDIAM", "SUMLDIAM")
_JOINED = re.compile(r"\s*[/+,&;]\s*")


class Lesion(NamedTuple):
    """One followed lesion of a course: target or not, lymph node, bone scan, baseline size, organ."""

    link: str
    target: bool
    node: bool
    bone: bool
    base: float
    organ: str


class Assessment(NamedTuple):
    """Readings of one tumour assessment: of TR, new lesions (TU), and the evaluator's RS."""

    first: pd.Timestamp
    last: pd.Timestamp
    tr: Rows
    tu: Rows
    rs: Rows


def of_evaluator(table: pd.DataFrame, domain: str, rule: Tumour) -> pd.DataFrame:
    """The evaluator whose readings are analysed; records of other evaluators are excluded.

    1. The evaluator (--EVAL) is `evaluator`; a missing --EVAL is the investigator, as in SDTMIG 3.4
       for TU, TR and RS.
    2. Where `evaluator_id` is given: of those records, the ones with this --EVALID.
    3. Else, where any of those records is accepted (--ACPTFL = Y): the accepted ones.

    Raises
    ------
    PlanError
        Several evaluators remain: their readings of one lesion cannot be combined.
    """
    stem = domain.upper()
    records = table.reindex(
        columns=[*table.columns.union([f"{stem}EVAL", f"{stem}EVALID", f"{stem}ACPTFL"])]
    )
    evaluator, evaluator_id = records[f"{stem}EVAL"], records[f"{stem}EVALID"]
    selected = evaluator == rule.evaluator
    if rule.evaluator == "INVESTIGATOR":
        selected |= evaluator.isna()
    accepted = selected & (records[f"{stem}ACPTFL"] == "Y")
    if rule.evaluator_id is not None:
        selected &= evaluator_id == rule.evaluator_id
    elif accepted.any():
        selected = accepted
    several = sorted({str(name) for name in evaluator_id[selected].dropna()})
    if rule.evaluator_id is None and not accepted.any() and len(several) > 1:
        raise PlanError(
            f"{stem} has readings of {' and '.join(several)} for {rule.evaluator}, and {stem}ACPTFL "
            "accepts none. Name the one whose reading counts: `tumour.evaluator_id` in the plan."
        )
    return records[selected]


def _read(tables: Tables, name: str, columns: Sequence[str], rule: Tumour) -> pd.DataFrame:
    """A domain with the evaluator's rows, each with its DAY; absent domains are empty."""
    table = of_evaluator(tables.get(name, pd.DataFrame(columns=["USUBJID"])), name, rule)
    table = table.reindex(columns=["USUBJID", *columns])
    day = earliest_day(table[f"{name.upper()}DTC"])
    return table.assign(DAY=day).astype({"DAY": "datetime64[ns]"})


def by_subject(table: pd.DataFrame) -> dict[str, Rows]:
    """The rows of a table by subject; missing is None."""
    table = table.replace({np.nan: None})
    rows: dict[str, Rows] = {}
    for row in table.to_dict("records"):
        rows.setdefault(row["USUBJID"], []).append({str(k): v for k, v in row.items()})
    return rows


class Records(NamedTuple):
    """The tumour records of all patients, by USUBJID."""

    tu: dict[str, Rows]
    tr: dict[str, Rows]
    rs: dict[str, Rows]
    best: dict[str, Rows]


def records(tables: Tables, rule: Tumour) -> Records:
    """TU, TR and RS of the plan's evaluator; a lesion without a date takes that of its first reading.

    The type of a lesion (TUSTRESC) is the term in standard form, or the term as collected where
    there is none. A response not done (RSSTAT) is NE.
    """
    tu = _read(tables, "tu", ("TUSEQ", "TUGRPID", "TULNKID", "TUTESTCD", "TUORRES", "TUSTRESC", "TULOC", "TUMETHOD", "VISIT", "TUDTC"), rule)  # fmt: skip
    tu["TUSTRESC"] = tu["TUSTRESC"].where(tu["TUSTRESC"].notna(), tu["TUORRES"])
    tr = _read(tables, "tr", ("TRSEQ", "TRLNKID", "TRTESTCD", "TRORRES", "TRSTRESC", "TRSTRESN", "TRREASND", "VISIT", "TRDTC"), rule)  # fmt: skip
    rs = _read(tables, "rs", ("RSSEQ", "RSTESTCD", "RSSTRESC", "RSSTAT", "VISIT", "RSDTC"), rule)
    undone = rs["RSSTRESC"].isna() & (rs["RSSTAT"] == "NOT DONE")
    rs["RSSTRESC"] = rs["RSSTRESC"].astype(object).mask(undone, "NE")
    rs = rs[rs["RSSTRESC"].notna()]
    first = tr.groupby(["USUBJID", "TRLNKID"])["DAY"].min().rename("READ").reset_index()
    tu = tu.merge(
        first.rename(columns={"TRLNKID": "TULNKID"}), how="left", on=["USUBJID", "TULNKID"]
    )
    tu["DAY"] = tu["DAY"].fillna(tu["READ"])
    dated = rs[rs["RSTESTCD"].isin(RESPONSES) & rs["DAY"].notna()]
    best = rs[rs["RSTESTCD"] == "BESTRESP"]
    return Records(
        by_subject(tu), by_subject(tr[tr["DAY"].notna()]), by_subject(dated), by_subject(best)
    )


def number_of(row: Row) -> float | None:
    """The number of a reading in TR, None where it has none."""
    return None if row["TRSTRESN"] is None else float(row["TRSTRESN"])


def _diameter(rows: Iterable[Row], rule: Tumour, *, node: bool) -> float:
    """The diameter that counts, NaN when not read; the first case that applies.

    1. The first of the plan's diameters that is recorded: `node_diameters` of a lymph node (its short
       axis), else `lesion_diameters`.
    2. The lesion is ABSENT: 0 mm.
    3. It is too small to measure: `too_small_mm`.
    4. Not read.
    """
    rows = list(rows)
    for code in rule.node_diameters if node else rule.lesion_diameters:
        for row in rows:
            if row["TRTESTCD"] == code and (number := number_of(row)) is not None:
                return number
    words = {
        row[name]
        for row in rows
        if row["TRTESTCD"] in (*STATES, *rule.node_diameters, *rule.lesion_diameters)
        for name in ("TRSTRESC", "TRORRES", "TRREASND")
    }
    if "ABSENT" in words:
        return 0.0
    return rule.too_small_mm if "TOO SMALL TO MEASURE" in words else float("nan")


def _location(row: Row) -> tuple[bool, str]:
    """Whether a lesion is a lymph node, and its organ; an unknown location (a finding) is no node."""
    known = location(row["TULOC"])
    organ = str(row["TULOC"]) if known is None else known.organ
    if row["TUSTRESC"] == "TARGET NODAL":
        return True, "LYMPH NODE"
    if row["TUSTRESC"] == "TARGET EXTRA NODAL" or known is None:
        return False, organ
    return known.node, organ


def lesions(tu: Rows, tr: Rows, course: Any, rule: Tumour) -> list[Lesion]:
    """The lesions of a course at baseline; in cases 1 and 2 a lesion identified as TARGET is non-target.

    1. A lymph node whose short axis at baseline is below `node_target_mm` mm or not measured.
    2. Another lesion whose diameter at baseline is below `lesion_target_mm` mm or not measured.
    3. Else it is a target as identified; its baseline is the last size on or before the first dose.
    """
    followed = []
    for row in tu:
        in_course = pd.isna(course.BEGINDT) or (
            row["DAY"] is not None and row["DAY"] >= course.BEGINDT
        )
        early = row["DAY"] is None or row["DAY"] <= course.TRTSDT
        identified = row["TUTESTCD"] in IDENTIFIES and row["TUSTRESC"] in FOLLOWED
        if not identified or not in_course or not early:
            continue
        node, organ = _location(row)
        readings = [r for r in tr if r["TRLNKID"] == row["TULNKID"] and r["DAY"] <= course.TRTSDT]
        days = sorted({r["DAY"] for r in readings}, reverse=True)
        sizes = (
            _diameter([r for r in readings if r["DAY"] == day], rule, node=node) for day in days
        )
        base = next((size for size in sizes if not np.isnan(size)), float("nan"))
        large_enough = base >= (rule.node_target_mm if node else rule.lesion_target_mm)
        target = row["TUSTRESC"] in TARGETS and bool(large_enough)
        in_bone = row["TUMETHOD"] in BONE_SCANS
        followed.append(Lesion(row["TULNKID"], target, node, in_bone, base, organ))
    return followed


def new_lesions(tu: Rows, course: Any) -> Rows:
    """New lesions after the first dose of a course: identified as NEW, or NEWTUMOR.

    A lesion that split or merged (TUSPLIT, TUMERGE) is not new.
    """
    return [
        r
        for r in tu
        if (r["TUTESTCD"] == "NEWTUMOR" or (r["TUTESTCD"] in IDENTIFIES and r["TUSTRESC"] == "NEW"))
        and r["DAY"] is not None
        and r["DAY"] > course.TRTSDT
    ]


def assessments(
    tr: Rows, rs: Rows, new: Rows, course: Any, end: Any, rule: Tumour
) -> list[Assessment]:
    """Readings after the first day of a course, grouped into assessments by their days.

    A new lesion is a reading on the day it was detected, also without a record in TR. The visit is
    not used. A reading begins a new assessment when

    1. it is more than `assessment_days` days after the first reading of the current assessment, or
    2. the same lesion or response item was already read in the current assessment on an earlier
       day.
    """
    dated = [(r["DAY"], "tr", (str(r["TRLNKID"]), r["TRTESTCD"]), r) for r in tr]
    dated += [(r["DAY"], "rs", ("", r["RSTESTCD"]), r) for r in rs]
    dated += [(r["DAY"], "tu", (str(r["TULNKID"]), "NEW"), r) for r in new]
    dated = [d for d in dated if d[0] > course.TRTSDT and not d[0] >= end]
    grouped: list[Assessment] = []
    first_days: dict[tuple[str, str], pd.Timestamp] = {}
    for day, domain, item, row in sorted(dated, key=lambda d: d[0]):
        new_assessment = not grouped or (day - grouped[-1].first).days > rule.assessment_days
        if new_assessment or first_days.get(item, day) < day:
            grouped.append(Assessment(day, day, [], [], []))
            first_days = {}
        first_days.setdefault(item, day)
        grouped[-1] = grouped[-1]._replace(last=day)
        {"tr": grouped[-1].tr, "tu": grouped[-1].tu, "rs": grouped[-1].rs}[domain].append(row)
    return grouped


_RESPONSE_OF_STATE = {
    "UNEQUIVOCAL PROGRESSION": "PD", "UNEQUIVOCAL": "PD",
    "ABSENT": "CR", "NON-PATHOLOGICAL": "CR",
    "PRESENT": NON, "ENLARGEMENT": NON, "ENLARGEMENT FROM NADIR": NON, "EQUIVOCAL": NON,
    "PATHOLOGICAL": NON, "TOO SMALL TO MEASURE": NON,
}  # fmt: skip


def state_of(assessment: Assessment, lesion: Lesion, rule: Tumour) -> str:
    """One non-target lesion; the first case that applies.

    1. PD: its state is UNEQUIVOCAL PROGRESSION or UNEQUIVOCAL.
    2. CR: it is ABSENT, or a lymph node NON-PATHOLOGICAL.
    3. NON-CR/NON-PD: it is PRESENT, PATHOLOGICAL, too small to measure, larger (ENLARGEMENT), or its
       progression EQUIVOCAL: none of these is unequivocal progression.
    4. By its diameter, where one was measured: CR at 0 mm, or below `node_normal_mm` for a lymph
       node; else NON-CR/NON-PD.
    5. NE: not read, not done or not evaluable.
    """
    rows = of_link(assessment, lesion.link)
    states = {_RESPONSE_OF_STATE.get(str(r["TRSTRESC"])) for r in rows if r["TRTESTCD"] in STATES}
    for response in ("PD", "CR", NON):
        if response in states:
            return response
    size = _diameter(rows, rule, node=lesion.node)
    if np.isnan(size):
        return "NE"
    return "CR" if size < (rule.node_normal_mm if lesion.node else 0) or size == 0 else NON


def of_link(assessment: Assessment, link: str) -> Rows:
    """The readings of one lesion at an assessment."""
    return [row for row in assessment.tr if row["TRLNKID"] == link]


class Reading(NamedTuple):
    """The size of a target lesion at one assessment, NaN when not read, and whether it has resolved."""

    size: float
    resolved: bool


def _parts(tu: Rows, link: str) -> list[str]:
    """TULNKID of the parts into which a lesion split: `T04.1` of T04, or with TUGRPID T04."""
    return [
        r["TULNKID"]
        for r in tu
        if r["TUTESTCD"] == "TUSPLIT"
        and (str(r["TULNKID"]).rpartition(".")[0] == link or r["TUGRPID"] == link)
    ]


def _merged(tu: Rows, targets: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """By merged target: the TULNKID of the resulting lesion, and whether it takes its size.

    The lesions that merged are named in the TULNKID of the resulting lesion (`T02/T03`) or share its
    TUGRPID; the first target of them takes its size, the other targets 0.
    """
    merged: dict[str, tuple[str, bool]] = {}
    for row in tu:
        if row["TUTESTCD"] != "TUMERGE":
            continue
        named = set(_JOINED.split(str(row["TULNKID"])))
        group = row["TUGRPID"]
        named |= set(_JOINED.split(str(group))) if group is not None else set()
        named |= {
            r["TULNKID"] for r in tu if group is not None and r["TUGRPID"] == group and r is not row
        }
        parts = sorted(link for link in set(targets) if link in named)
        merged |= {link: (str(row["TULNKID"]), place == 0) for place, link in enumerate(parts)}
    return merged


def _reading(
    assessment: Assessment,
    lesion: Lesion,
    merged: dict[str, tuple[str, bool]],
    tu: Rows,
    rule: Tumour,
) -> Reading:
    """The size of a target lesion at an assessment; the first case that applies.

    1. It split, and a part is read: the sum of its parts (RECIST 1.1), not read when any part is not.
    2. It merged with others, and the resulting lesion is read: that size, counted once.
    3. Its own size.

    It has resolved at 0 mm; a lymph node when it, or each of its parts, is below `node_normal_mm`.
    """

    def size_of(link: str) -> float:
        return _diameter(of_link(assessment, link), rule, node=lesion.node)

    def resolved(size: float) -> bool:
        return size < rule.node_normal_mm if lesion.node else size == 0

    parts = [part for part in _parts(tu, lesion.link) if of_link(assessment, part)]
    if parts:
        sizes = [size_of(part) for part in _parts(tu, lesion.link)]
        return Reading(float(np.sum(sizes)), all(resolved(size) for size in sizes))
    result, first = merged.get(lesion.link, ("", True))
    if result and of_link(assessment, result):
        size = size_of(result)
        return Reading(size if first or np.isnan(size) else 0.0, resolved(size))
    return Reading(size_of(lesion.link), resolved(size_of(lesion.link)))


def _recorded(assessment: Assessment) -> float:
    """The sum of diameters recorded in the extract at an assessment, NaN where there is none."""
    numbers = [number_of(row) for row in assessment.tr if row["TRTESTCD"] in SUMS]
    return next((number for number in numbers if number is not None), float("nan"))


def sums_of(followed: list[Lesion], tu: Rows, assessed: list[Assessment], rule: Tumour) -> Rows:
    """Sum, baseline, nadir and target response at each assessment; RECORDED is the sum in the extract."""
    targets = [lesion for lesion in followed if lesion.target]
    merged = _merged(tu, [lesion.link for lesion in targets])
    base = sum(lesion.base for lesion in targets)
    nadir, rows = base, []
    for assessment in assessed:
        readings = [_reading(assessment, lesion, merged, tu, rule) for lesion in targets]
        sizes = [reading.size for reading in readings]
        missing = bool(np.isnan(sizes).any())
        resolved = all(reading.resolved for reading in readings)
        now = float(np.nansum(sizes))
        response = target_response(
            Sums(base, nadir, now), missing=missing, resolved=resolved, rule=rule
        )
        rows.append(
            {
                "TRGRESP": response if targets else "",
                "SUM": float("nan") if missing or not targets else now,
                "BASE": base,
                "NADIR": nadir,
                "NREAD": len(sizes) - int(np.isnan(sizes).sum()),
                "RECORDED": _recorded(assessment),
            }
        )
        nadir = nadir if missing else min(nadir, now)
    return rows
