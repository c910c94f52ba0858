"""Lesions as TU and TR record them: which are followed, what each measures, and when it was read.

Words are CDISC's (`sap.derivations.standard` comes before); a word that no list knows is a finding of
the contracts and says nothing here.
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
    """One lesion of a course as it is followed: target or not, node, bone scan, size, and organ."""

    link: str
    target: bool
    node: bool
    bone: bool
    base: float
    organ: str


class Assessment(NamedTuple):
    """Readings that lie close together: of TR, new lesions (TU), and the evaluator's RS."""

    first: pd.Timestamp
    last: pd.Timestamp
    tr: Rows
    tu: Rows
    rs: Rows


def of_evaluator(table: pd.DataFrame, domain: str, rule: Tumour) -> pd.DataFrame:
    """The evaluator whose reading counts; the records of others are left out.

    1. The evaluator (--EVAL) is `evaluator`; where it is missing, the investigator, as SDTMIG 3.4
       has it for TU, TR and RS.
    2. Where `evaluator_id` names one: of those, --EVALID is that one.
    3. Else, where any of those is accepted (--ACPTFL = Y): the accepted ones.

    Raises
    ------
    PlanError
        Several evaluators remain: two readings of one lesion cannot be added up.
    """
    stem = domain.upper()
    said = table.reindex(
        columns=[*table.columns.union([f"{stem}EVAL", f"{stem}EVALID", f"{stem}ACPTFL"])]
    )
    who, which = said[f"{stem}EVAL"], said[f"{stem}EVALID"]
    mine = who == rule.evaluator
    if rule.evaluator == "INVESTIGATOR":
        mine |= who.isna()
    accepted = mine & (said[f"{stem}ACPTFL"] == "Y")
    if rule.evaluator_id is not None:
        mine &= which == rule.evaluator_id
    elif accepted.any():
        mine = accepted
    several = sorted({str(name) for name in which[mine].dropna()})
    if rule.evaluator_id is None and not accepted.any() and len(several) > 1:
        raise PlanError(
            f"{stem} has readings of {' and '.join(several)} for {rule.evaluator}, and {stem}ACPTFL "
            "accepts none. Name the one whose reading counts: `tumour.evaluator_id` in the plan."
        )
    return said[mine]


def _read(tables: Tables, name: str, columns: Sequence[str], rule: Tumour) -> pd.DataFrame:
    """A domain with the evaluator's rows, each with its DAY; absent domains are empty."""
    table = of_evaluator(tables.get(name, pd.DataFrame(columns=["USUBJID"])), name, rule)
    table = table.reindex(columns=["USUBJID", *columns])
    day = earliest_day(table[f"{name.upper()}DTC"])
    return table.assign(DAY=day).astype({"DAY": "datetime64[ns]"})


def by_subject(table: pd.DataFrame) -> dict[str, Rows]:
    """The rows of a table by subject; missing is None."""
    table = table.replace({np.nan: None})
    found: dict[str, Rows] = {}
    for row in table.to_dict("records"):
        found.setdefault(row["USUBJID"], []).append({str(k): v for k, v in row.items()})
    return found


class Records(NamedTuple):
    """The tumour records of everybody, by patient."""

    tu: dict[str, Rows]
    tr: dict[str, Rows]
    rs: dict[str, Rows]
    best: dict[str, Rows]


def records(tables: Tables, rule: Tumour) -> Records:
    """TU, TR and RS of the plan's evaluator; a lesion without a date takes that of its first reading.

    What a lesion is (TUSTRESC, TRSTRESC) is the word in standard form, the word as collected where
    there is none. A response not done (RSSTAT) is NE.
    """
    tu = _read(tables, "tu", ("TUSEQ", "TUGRPID", "TULNKID", "TUTESTCD", "TUORRES", "TUSTRESC", "TULOC", "TUMETHOD", "VISIT", "TUDTC"), rule)  # fmt: skip
    tu["TUSTRESC"] = tu["TUSTRESC"].astype(object).fillna(tu["TUORRES"])
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


def _size(rows: Iterable[Row], rule: Tumour, *, node: bool) -> float:
    """The diameter that counts, NaN when not read; the first case that applies.

    1. The first of the plan's diameters that is there: `node_diameters` of a lymph node (its short
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


def _place(row: Row) -> tuple[bool, str]:
    """Whether a lesion is a lymph node, and its organ; an unknown place (a finding) is no node."""
    found = location(row["TULOC"])
    organ = str(row["TULOC"]) if found is None else found.organ
    if row["TUSTRESC"] == "TARGET NODAL":
        return True, "LYMPH NODE"
    if row["TUSTRESC"] == "TARGET EXTRA NODAL" or found is None:
        return False, organ
    return found.node, organ


def lesions(tu: Rows, tr: Rows, course: Any, rule: Tumour) -> list[Lesion]:
    """The lesions of a course at baseline; a TARGET becomes non-target in the first two cases.

    1. A node whose short axis at baseline is below `node_target_mm` mm or not read.
    2. Another lesion whose diameter at baseline is below `lesion_target_mm` mm or not read.
    3. Else it is a target as identified; the base is its last size on or before the first dose.
    """
    found = []
    for row in tu:
        begun = pd.isna(course.BEGINDT) or (row["DAY"] is not None and row["DAY"] >= course.BEGINDT)
        early = row["DAY"] is None or row["DAY"] <= course.TRTSDT
        named = row["TUTESTCD"] in IDENTIFIES and row["TUSTRESC"] in FOLLOWED
        if not named or not begun or not early:
            continue
        node, organ = _place(row)
        mine = [r for r in tr if r["TRLNKID"] == row["TULNKID"] and r["DAY"] <= course.TRTSDT]
        days = sorted({r["DAY"] for r in mine}, reverse=True)
        sizes = (_size([r for r in mine if r["DAY"] == day], rule, node=node) for day in days)
        base = next((size for size in sizes if not np.isnan(size)), float("nan"))
        enough = base >= (rule.node_target_mm if node else rule.lesion_target_mm)
        target = row["TUSTRESC"] in TARGETS and bool(enough)
        in_bone = row["TUMETHOD"] in BONE_SCANS
        found.append(Lesion(row["TULNKID"], target, node, in_bone, base, organ))
    return found


def new_lesions(tu: Rows, course: Any) -> Rows:
    """The lesions found after the first dose of a course: identified as NEW, or NEWTUMOR.

    A lesion that split or merged (TUSPLIT, TUMERGE) is none.
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
    """Readings after the first day of a course, those close together as one assessment.

    A new lesion is a reading on the day it was detected, also without a record in TR. The visit
    plays no part. A reading begins a new assessment:

    1. More than `assessment_days` days after the first reading of the last one.
    2. When the same lesion or question was already read in it, on an earlier day.
    """
    dated = [(r["DAY"], "tr", (str(r["TRLNKID"]), r["TRTESTCD"]), r) for r in tr]
    dated += [(r["DAY"], "rs", ("", r["RSTESTCD"]), r) for r in rs]
    dated += [(r["DAY"], "tu", (str(r["TULNKID"]), "found"), r) for r in new]
    dated = [d for d in dated if d[0] > course.TRTSDT and not d[0] >= end]
    found: list[Assessment] = []
    taken: dict[tuple[str, str], pd.Timestamp] = {}
    for day, domain, what, row in sorted(dated, key=lambda d: d[0]):
        far = not found or (day - found[-1].first).days > rule.assessment_days
        if far or taken.get(what, day) < day:
            found.append(Assessment(day, day, [], [], []))
            taken = {}
        taken.setdefault(what, day)
        found[-1] = found[-1]._replace(last=day)
        {"tr": found[-1].tr, "tu": found[-1].tu, "rs": found[-1].rs}[domain].append(row)
    return found


_SAID = {
    "UNEQUIVOCAL PROGRESSION": "PD", "UNEQUIVOCAL": "PD",
    "ABSENT": "CR", "NON-PATHOLOGICAL": "CR",
    "PRESENT": NON, "ENLARGEMENT": NON, "ENLARGEMENT FROM NADIR": NON, "EQUIVOCAL": NON,
    "PATHOLOGICAL": NON, "TOO SMALL TO MEASURE": NON,
}  # fmt: skip


def state_of(one: Assessment, lesion: Lesion, rule: Tumour) -> str:
    """One non-target lesion; the first case that applies.

    1. PD: its state is UNEQUIVOCAL PROGRESSION or UNEQUIVOCAL.
    2. CR: it is ABSENT, or a lymph node NON-PATHOLOGICAL.
    3. NON-CR/NON-PD: it is PRESENT, PATHOLOGICAL, too small to measure, larger (ENLARGEMENT), or its
       progression EQUIVOCAL: none of these is unequivocal progression.
    4. By its diameter, where one was read: CR at 0 mm, or of a node below `node_normal_mm`.
    5. NE: not read, not done, not evaluable.
    """
    rows = of_link(one, lesion.link)
    said = {_SAID.get(str(r["TRSTRESC"])) for r in rows if r["TRTESTCD"] in STATES}
    for answer in ("PD", "CR", NON):
        if answer in said:
            return answer
    size = _size(rows, rule, node=lesion.node)
    if np.isnan(size):
        return "NE"
    return "CR" if size < (rule.node_normal_mm if lesion.node else 0) or size == 0 else NON


def of_link(found: Assessment, link: str) -> Rows:
    """The readings of one lesion at an assessment."""
    return [row for row in found.tr if row["TRLNKID"] == link]


class Reading(NamedTuple):
    """What a target measures at one assessment, NaN when not read, and whether it is gone."""

    size: float
    gone: bool


def _parts(tu: Rows, link: str) -> list[str]:
    """The links of the parts into which a lesion split: TULNKID `T04.1` of T04, or TUGRPID T04."""
    return [
        r["TULNKID"]
        for r in tu
        if r["TUTESTCD"] == "TUSPLIT"
        and (str(r["TULNKID"]).rpartition(".")[0] == link or r["TUGRPID"] == link)
    ]


def _merged(tu: Rows) -> dict[str, tuple[str, bool]]:
    """By lesion that merged into another: the link of that one, and whether it carries its size.

    The lesions that became one are named in the TULNKID of the merged (`T02/T03`) or share its
    TUGRPID; the first of them carries the size, the others 0.
    """
    links = [r["TULNKID"] for r in tu if r["TUTESTCD"] in IDENTIFIES]
    found: dict[str, tuple[str, bool]] = {}
    for row in tu:
        if row["TUTESTCD"] != "TUMERGE":
            continue
        named = set(_JOINED.split(str(row["TULNKID"])))
        group = row["TUGRPID"]
        named |= set(_JOINED.split(str(group))) if group is not None else set()
        named |= {
            r["TULNKID"] for r in tu if group is not None and r["TUGRPID"] == group and r is not row
        }
        of = sorted(link for link in links if link in named)
        found |= {link: (str(row["TULNKID"]), place == 0) for place, link in enumerate(of)}
    return found


def _reading(one: Assessment, lesion: Lesion, tu: Rows, rule: Tumour) -> Reading:
    """What a target measures at an assessment; the first case that applies.

    1. It split, and a part is read: the sum of its parts (RECIST 1.1), not read when one is not.
    2. It merged with others, and what they became is read: that size, counted once.
    3. Its own size.

    It is gone at 0 mm; a lymph node when it, or each of its parts, is below `node_normal_mm`.
    """

    def read(link: str) -> float:
        return _size(of_link(one, link), rule, node=lesion.node)

    def gone(size: float) -> bool:
        return size < rule.node_normal_mm if lesion.node else size == 0

    parts = [part for part in _parts(tu, lesion.link) if of_link(one, part)]
    if parts:
        sizes = [read(part) for part in _parts(tu, lesion.link)]
        return Reading(float(np.sum(sizes)), all(gone(size) for size in sizes))
    into, first = _merged(tu).get(lesion.link, ("", True))
    if into and of_link(one, into):
        size = read(into)
        return Reading(size if first or np.isnan(size) else 0.0, gone(size))
    return Reading(read(lesion.link), gone(read(lesion.link)))


def _recorded(one: Assessment) -> float:
    """The sum of diameters that the extract records at an assessment, NaN where there is none."""
    numbers = [number_of(row) for row in one.tr if row["TRTESTCD"] in SUMS]
    return next((number for number in numbers if number is not None), float("nan"))


def sums_of(followed: list[Lesion], tu: Rows, read: list[Assessment], rule: Tumour) -> Rows:
    """Sum, baseline, nadir and target response at each assessment; RECORDED is the extract's sum."""
    targets = [lesion for lesion in followed if lesion.target]
    base = sum(lesion.base for lesion in targets)
    nadir, rows = base, []
    for one in read:
        readings = [_reading(one, lesion, tu, rule) for lesion in targets]
        sizes = [reading.size for reading in readings]
        missing = bool(np.isnan(sizes).any())
        gone = all(reading.gone for reading in readings)
        now = float(np.nansum(sizes))
        answer = target_response(Sums(base, nadir, now), missing=missing, gone=gone, rule=rule)
        rows.append(
            {
                "TRGRESP": answer if targets else "",
                "SUM": float("nan") if missing or not targets else now,
                "BASE": base,
                "NADIR": nadir,
                "NREAD": len(sizes) - int(np.isnan(sizes).sum()),
                "RECORDED": _recorded(one),
            }
        )
        nadir = nadir if missing else min(nadir, now)
    return rows
