"""ADTR and ADRS: what lesions and bone scans say at each assessment, and the best of it.

Lesions are read from TU and TR; where a man has none, the investigator's RS is read instead. The
rules themselves stand in `tumour_rules`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day
from sap.derivations.tumour_rules import (
    NON,
    Scan,
    Sums,
    best_response,
    bone_responses,
    first_progression,
    non_target_response,
    over_limit,
    overall,
    soft_tissue,
    target_response,
)
from sap.plan.model import Bone, Tumour

Tables = Mapping[str, pd.DataFrame]
Row = dict[str, Any]
Rows = list[Row]

RESPONSES = ("TRGRESP", "NTRGRESP", "NEWLPROG", "SFTSRESP", "BONERESP", "OVRLRESP")
EVALUABLE = ("CR", "PR", "SD", NON, "PD", "PDu")


class Lesion(NamedTuple):
    """One lesion of a course as it is followed: target or not, node, bone scan, size, and organ."""

    link: str
    target: bool
    node: bool
    bone: bool
    base: float
    organ: str


class Assessment(NamedTuple):
    """Readings that lie close together: of TR, of new lesions (TU), and the investigator's RS."""

    first: pd.Timestamp
    last: pd.Timestamp
    tr: Rows
    rs: Rows


def _read(tables: Tables, name: str, columns: Sequence[str], evaluator: str) -> pd.DataFrame:
    """A domain with the evaluator's rows, each with its DAY; absent domains are empty."""
    table = tables.get(name, pd.DataFrame()).reindex(columns=["USUBJID", *columns])
    who = table[f"{name.upper()}EVAL"]
    table = table[who.isna() | (who == evaluator)]
    day = earliest_day(table[f"{name.upper()}DTC"])
    return table.assign(DAY=day).astype({"DAY": "datetime64[ns]"})


def _by_man(table: pd.DataFrame) -> dict[str, Rows]:
    table = table.replace({np.nan: None})
    found: dict[str, Rows] = {}
    for row in table.to_dict("records"):
        found.setdefault(row["USUBJID"], []).append({str(k): v for k, v in row.items()})
    return found


class Records(NamedTuple):
    """The tumour records of everybody, by man."""

    tu: dict[str, Rows]
    tr: dict[str, Rows]
    rs: dict[str, Rows]
    best: dict[str, Rows]


def records(tables: Tables, rule: Tumour) -> Records:
    """TU, TR and RS of the plan's evaluator; a lesion without a date takes that of its first reading."""
    tu = _read(tables, "tu", ("TULNKID", "TUTESTCD", "TUORRES", "TULOC", "TUMETHOD", "TUEVAL", "TUDTC"), rule.evaluator)  # fmt: skip
    tr = _read(tables, "tr", ("TRSEQ", "TRLNKID", "TRTESTCD", "TRSTRESC", "TRSTRESN", "TREVAL", "VISIT", "TRDTC"), rule.evaluator)  # fmt: skip
    rs = _read(tables, "rs", ("RSSEQ", "RSTESTCD", "RSSTRESC", "RSEVAL", "VISIT", "RSDTC"), rule.evaluator)  # fmt: skip
    first = tr.groupby(["USUBJID", "TRLNKID"])["DAY"].min().rename("READ").reset_index()
    tu = tu.merge(
        first.rename(columns={"TRLNKID": "TULNKID"}), how="left", on=["USUBJID", "TULNKID"]
    )
    tu["DAY"] = tu["DAY"].fillna(tu["READ"])
    dated = rs[rs["RSTESTCD"].isin(RESPONSES) & rs["DAY"].notna()]
    best = rs[rs["RSTESTCD"] == "BESTRESP"]
    return Records(_by_man(tu), _by_man(tr[tr["DAY"].notna()]), _by_man(dated), _by_man(best))


def _size(rows: Iterable[Row], *, node: bool) -> float:
    """The diameter that counts, NaN when not read: a node's short axis, else the longest diameter.

    A target said to be ABSENT measures 0.
    """
    for code in ("SAXIS", "LPERP") if node else ("LDIAM",):
        for row in rows:
            if row["TRTESTCD"] == code and row["TRSTRESN"] is not None:
                return float(row["TRSTRESN"])
    absent = any(
        r["TRTESTCD"] in ("TUMSTATE", "LESSTATE") and r["TRSTRESC"] == "ABSENT" for r in rows
    )
    return 0.0 if absent else float("nan")


def lesions(tu: Rows, tr: Rows, course: Any, rule: Tumour) -> list[Lesion]:
    """The lesions of a course at baseline; a TARGET becomes non-target in the first two cases.

    1. A node whose short axis at baseline is below `node_target_mm` or not read.
    2. Another lesion whose diameter at baseline is below `lesion_target_mm` or not read.
    3. Else it is a target as identified; the base is its last size on or before the first dose.
    """
    found = []
    for row in tu:
        begun = pd.isna(course.BEGINDT) or (row["DAY"] is not None and row["DAY"] >= course.BEGINDT)
        early = row["DAY"] is None or row["DAY"] <= course.TRTSDT
        if row["TUTESTCD"] != "TUMIDENT" or not begun or not early:
            continue
        node = str(row["TULOC"]).startswith("LYMPH NODE")
        mine = [r for r in tr if r["TRLNKID"] == row["TULNKID"] and r["DAY"] <= course.TRTSDT]
        days = sorted({r["DAY"] for r in mine}, reverse=True)
        sizes = (_size([r for r in mine if r["DAY"] == day], node=node) for day in days)
        base = next((size for size in sizes if not np.isnan(size)), float("nan"))
        enough = base >= (rule.node_target_mm if node else rule.lesion_target_mm)
        target = row["TUORRES"] == "TARGET" and bool(enough)
        organ = "LYMPH NODE" if node else str(row["TULOC"])
        in_bone = row["TUMETHOD"] == "BONE SCAN"
        found.append(Lesion(row["TULNKID"], target, node, in_bone, base, organ))
    return found


def assessments(tr: Rows, rs: Rows, course: Any, end: Any, rule: Tumour) -> list[Assessment]:
    """Readings after the first day of a course and before `end`, those close together as one.

    VISIT plays no part. A reading begins a new assessment:

    1. More than `assessment_days` after the first reading of the last one.
    2. When the same lesion or question was already read in it, on an earlier day.
    """
    dated = [(r["DAY"], "tr", (r["TRLNKID"], r["TRTESTCD"]), r) for r in tr]
    dated += [(r["DAY"], "rs", ("", r["RSTESTCD"]), r) for r in rs]
    dated = [d for d in dated if d[0] > course.TRTSDT and not d[0] >= end]
    found: list[Assessment] = []
    taken: dict[tuple[str, str], pd.Timestamp] = {}
    for day, domain, what, row in sorted(dated, key=lambda d: d[0]):
        far = not found or (day - found[-1].first).days > rule.assessment_days
        if far or taken.get(what, day) < day:
            found.append(Assessment(day, day, [], []))
            taken = {}
        taken.setdefault(what, day)
        found[-1] = found[-1]._replace(last=day)
        (found[-1].tr if domain == "tr" else found[-1].rs).append(row)
    return found


def _state(rows: Rows, lesion: Lesion, rule: Tumour) -> str:
    """PD, CR (absent), NON (present) or NE (not read) of one non-target lesion."""
    said = [str(r["TRSTRESC"]) for r in rows if r["TRTESTCD"] in ("TUMSTATE", "LESSTATE")]
    if any("UNEQUIVOCAL" in text for text in said):
        return "PD"
    if any(text in ("ABSENT", "PRESENT") for text in said):
        return "CR" if "ABSENT" in said else NON
    size = _size(rows, node=lesion.node)
    if np.isnan(size):
        return "NE"
    return "CR" if size < (rule.node_normal_mm if lesion.node else 0) or size == 0 else NON


def _of(found: Assessment, link: str) -> Rows:
    return [row for row in found.tr if row["TRLNKID"] == link]


def _sums(followed: list[Lesion], read: list[Assessment], rule: Tumour) -> Rows:
    """Sum, baseline, nadir and target response at each assessment."""
    targets = [lesion for lesion in followed if lesion.target]
    base = sum(lesion.base for lesion in targets)
    nadir, rows = base, []
    for one in read:
        sizes = [_size(_of(one, lesion.link), node=lesion.node) for lesion in targets]
        missing = bool(np.isnan(sizes).any())
        gone = all(
            size < rule.node_normal_mm if lesion.node else size == 0
            for lesion, size in zip(targets, sizes, strict=True)
        )
        now = float(np.nansum(sizes))
        answer = target_response(Sums(base, nadir, now), missing=missing, gone=gone, rule=rule)
        rows.append(
            {
                "TRGRESP": answer if targets else "",
                "SUM": float("nan") if missing or not targets else now,
                "BASE": base,
                "NADIR": nadir,
                "NREAD": len(sizes) - int(np.isnan(sizes).sum()),
            }
        )
        nadir = nadir if missing else min(nadir, now)
    return rows


def _bone(followed: list[Lesion], new: Rows, read: list[Assessment], start: pd.Timestamp, rule: Bone) -> list[str]:  # fmt: skip
    """The bone response at each assessment: NE where bone disease was not scanned.

    A bone scan is an assessment with a result of at least one bone lesion; one that says NOT DONE
    of all of them is none.
    """
    disease = any(lesion.bone for lesion in followed)
    links = {lesion.link for lesion in followed if lesion.bone} | {r["TULNKID"] for r in new}
    scans: dict[int, Scan] = {}
    for place, one in enumerate(read):
        scanned = any(row["TRLNKID"] in links and row["TRSTRESC"] is not None for row in one.tr)
        seen = [r["TULNKID"] for r in new if r["DAY"] <= one.last]
        if scanned or (not disease and one.tr):
            gone = {r["TRLNKID"] for r in one.tr if r["TRSTRESC"] == "ABSENT"}
            there = len([link for link in seen if link not in gone])
            scans[place] = Scan((one.first - start).days, len(seen), there)
    answers = bone_responses(list(scans.values()), disease=disease, rule=rule)
    by_place = dict(zip(scans, answers, strict=True))
    return [by_place.get(place, "NE") for place in range(len(read))]


def _said(one: Assessment) -> dict[str, str]:
    """The investigator's answers at an assessment; the latest of two."""
    return {r["RSTESTCD"]: str(r["RSSTRESC"]) for r in one.rs}


def _from_investigator(said: dict[str, str]) -> dict[str, str]:
    """Where no lesion is recorded: the parts the investigator gave, put together by our tables.

    1. Soft tissue: SFTSRESP, else by the table from target, non-target and new lesions, if given.
    2. Overall: by the table from soft tissue and bone where both are given.
    3. Else: OVRLRESP as the investigator gave it; else from soft tissue alone.
    """
    new = "Y" if said.get("NEWLPROG") in ("Y", "UNEQUIVOCAL") else "N"
    parts = said.get("TRGRESP"), said.get("NTRGRESP")
    soft = said.get("SFTSRESP", "")
    if not soft and (any(parts) or "NEWLPROG" in said):
        soft = soft_tissue(parts[0] or "", parts[1] or "", new)
    bone = said.get("BONERESP", "")
    whole = said.get("OVRLRESP", "")
    if soft and (bone or not whole):
        whole = overall(soft, bone or "NE", targets=parts[0] != "")
    return {
        "TRGRESP": parts[0] or "",
        "NTRGRESP": parts[1] or "",
        "NEWLPROG": said.get("NEWLPROG", ""),
        "SFTSRESP": soft,
        "BONERESP": bone,
        "OVRLRESP": whole or "NE",
    }


def _from_lesions(
    followed: list[Lesion],
    tu: Rows,
    read: list[Assessment],
    course: Any,
    rules: tuple[Tumour, Bone],
) -> list[Row]:
    """The answers of a course whose lesions are recorded, one row per assessment."""
    tumour, bone = rules
    new = [r for r in tu if r["TUTESTCD"] == "NEWTUMOR" and r["DAY"] and r["DAY"] > course.TRTSDT]
    in_bone = [r for r in new if r["TUMETHOD"] == "BONE SCAN"]
    in_soft = [r for r in new if r["TUMETHOD"] != "BONE SCAN"]
    others = [lesion for lesion in followed if not lesion.target and not lesion.bone]
    targets = any(lesion.target for lesion in followed)
    limit = over_limit([lesion.organ for lesion in followed if lesion.target], tumour)
    rows = []
    for one, sums in zip(read, _sums(followed, read, tumour), strict=True):
        non_target = non_target_response([_state(_of(one, x.link), x, tumour) for x in others])
        fresh = [r for r in in_soft if r["DAY"] <= one.last]
        doubt = {r["TRLNKID"] for r in one.tr if r["TRSTRESC"] == "EQUIVOCAL"}
        appeared = "Y" if any(r["TULNKID"] not in doubt for r in fresh) else "N"
        rows.append(
            sums
            | {
                "NTRGRESP": non_target,
                "NEWLPROG": appeared,
                "SFTSRESP": soft_tissue(sums["TRGRESP"], non_target, appeared),
                "NEWBONE": len([r for r in in_bone if r["DAY"] <= one.last]),
                "LIMITCAS": limit,
            }
        )
    days = [(one.first - course.TRTSDT).days for one in read]
    said = list(zip(days, (row["SFTSRESP"] for row in rows), strict=True))
    softs = first_progression(said, tumour, targets=targets)
    bones = _bone(followed, in_bone, read, course.TRTSDT, bone)
    for row, soft, bone_answer in zip(rows, softs, bones, strict=True):
        whole = overall(soft, bone_answer, targets=targets)
        row |= {"SFTSRESP": soft, "BONERESP": bone_answer, "OVRLRESP": whole}
    return rows


def _as_identified(followed: list[Lesion], tu: Rows) -> list[Lesion]:
    """The lesions with every measured TARGET a target, whatever its size."""
    named = {r["TULNKID"] for r in tu if r["TUORRES"] == "TARGET"}
    return [x._replace(target=x.link in named and not np.isnan(x.base)) for x in followed]


def _disagreement(said: dict[str, str], ours: Row, without_threshold: str) -> int:
    """Why the overall answer differs from the investigator's; the first case that applies.

    0. It does not.   1. The investigator gave none.
    2. The plan's threshold: with every lesion a target that was identified as one, we would agree.
    3. The bone answers differ: confirmation of new bone lesions.
    4. The soft-tissue answers differ.
    5. The parts agree, or were not given: the investigator's answer is not that of the table.
    """
    given = said.get("OVRLRESP")
    if given == ours["OVRLRESP"]:
        return 0
    if given is None:
        return 1
    if given == without_threshold:
        return 2
    for case, code in ((3, "BONERESP"), (4, "SFTSRESP")):
        if said.get(code) not in (None, ours[code]):
            return case
    return 5


DISAGREEMENTS = {
    0: "",
    1: "No answer of the investigator",
    2: "Target lesion below the plan's threshold",
    3: "Bone: new lesions and their confirmation",
    4: "Soft tissue: lesions say otherwise",
    5: "Parts agree, overall does not follow the table",
}
WORDS = {
    "TRGRESP": "Target response",
    "NTRGRESP": "Non-target response",
    "NEWLPROG": "New soft-tissue lesion",
    "SFTSRESP": "Soft-tissue response",
    "BONERESP": "Bone response",
    "OVRLRESP": "Overall response",
    "BOR": "Best overall response, unconfirmed",
    "BORC": "Best overall response, confirmed",
    "BORINV": "Best overall response, investigator",
    "TUMBEST": "Best percent change of the target sum",
    "TARGLIM": "More target lesions than the criteria allow",
}


def time_points(tables: Tables, courses: pd.DataFrame, tumour: Tumour, bone: Bone) -> pd.DataFrame:
    """One row per course and assessment: sums, every answer, and the investigator's beside it.

    SOURCE says where the answers come from:

    1. TR: the man has lesions at baseline in TU.
    2. RS: he has none; the investigator's answers are taken (`_from_investigator`), and a reading
       without such an answer is no assessment.

    ADT is the first day of an assessment that shows PD, else its last. INVRESP is the
    investigator's overall answer, DISCASE and DISREAS why it differs. LIMITCAS is the case of
    `over_limit`. Where the plan wants the first progression confirmed (`first_progression`), this is
    asked of lesions; an answer of the investigator alone is taken as he gave it.
    """
    got = records(tables, tumour)
    end = courses[courses["COURSE"] == "STUDY"].set_index("USUBJID")["TRTSDT"].to_dict()
    rows: Rows = []
    course: Any
    for course in courses.itertuples():
        who = str(course.USUBJID)
        tu, tr = got.tu.get(who, []), got.tr.get(who, [])
        followed = lesions(tu, tr, course, tumour)
        limit = end.get(who, pd.NaT) if course.COURSE == "CHOICE" else pd.NaT
        rs = got.rs.get(who, [])
        read = assessments(tr if followed else [], rs, course, limit, tumour)
        if followed:
            answers = _from_lesions(followed, tu, read, course, (tumour, bone))
        else:
            answers = [_from_investigator(_said(one)) for one in read]
        named = _as_identified(followed, tu)
        other = (
            _from_lesions(named, tu, read, course, (tumour, bone)) if named != followed else answers
        )
        for one, ours, theirs in zip(read, answers, other, strict=True):
            said = _said(one)
            case = _disagreement(said, ours, theirs["OVRLRESP"])
            source = one.tr if followed else one.rs
            seq = "TRSEQ" if followed else "RSSEQ"
            rows.append(
                ours
                | {
                    "STUDYID": course.STUDYID,
                    "USUBJID": who,
                    "COURSE": course.COURSE,
                    "TRTSDT": course.TRTSDT,
                    "NEWTHDT": course.NEWTHDT,
                    "ADT": one.first if ours["OVRLRESP"] == "PD" else one.last,
                    "AVISIT": (one.tr + one.rs)[0]["VISIT"],
                    "SOURCE": "TR" if followed else "RS",
                    "SRCSEQ": min((r[seq] for r in source if r[seq] is not None), default=np.nan),
                    "INVRESP": said.get("OVRLRESP", ""),
                    "DISCASE": case,
                    "DISREAS": DISAGREEMENTS[case],
                }
            )
    return _typed(rows)


def baseline_scanned(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour
) -> frozenset[tuple[str, str]]:
    """The courses (man, course) with a tumour assessment at baseline; the first case that applies.

    1. TU is not in the data: every course, because a baseline scan could not be seen.
    2. A reading of TU or TR on or before the first dose, of this course.
    3. No record of the man in TU, but an assessment by the investigator: he was scanned.
    """
    got = records(tables, rule)
    later = set(zip(points["USUBJID"], points["COURSE"], strict=True))
    found = set()
    for course in courses.itertuples():
        who = str(course.USUBJID)
        tu, tr = got.tu.get(who, []), got.tr.get(who, [])
        days = [row["DAY"] for row in (*tu, *tr) if row["DAY"] is not None]
        early = [d for d in days if d <= course.TRTSDT and not d < course.BEGINDT]
        if not got.tu or early or (not tu and (who, course.COURSE) in later):
            found.add((who, str(course.COURSE)))
    return frozenset(found)


def _typed(rows: Rows) -> pd.DataFrame:
    text = ("STUDYID", "USUBJID", "COURSE", "AVISIT", "SOURCE", *RESPONSES, "INVRESP", "DISREAS")
    number = ("SUM", "BASE", "NADIR", "NREAD", "NEWBONE", "LIMITCAS", "SRCSEQ", "DISCASE")
    days = ("TRTSDT", "NEWTHDT", "ADT")
    frame = pd.DataFrame(rows, columns=[*text, *number, *days])
    frame = frame.astype(dict.fromkeys(number, float) | dict.fromkeys(text, object))
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in days})


def adtr(points: pd.DataFrame) -> pd.DataFrame:
    """ADTR: the sum of target diameters (SUMDIAM) and the new bone lesions (NEWBONE) by assessment.

    PCHG is the change of the sum from baseline, PCHGNAD from the smallest sum so far, in percent.
    LIMITFL = Y: more targets were chosen than the plan's criteria allow (`over_limit`).
    """
    read = points[points["SOURCE"] == "TR"]
    keep = ["STUDYID", "USUBJID", "COURSE", "AVISIT", "ADT", "TRTSDT"]
    sums = read[read["TRGRESP"] != ""]
    base = sums["BASE"].where(sums["BASE"] > 0)
    nadir = sums["NADIR"].where(sums["NADIR"] > 0)
    size = sums[[*keep, "BASE", "NADIR", "NREAD"]].assign(
        PARAMCD="SUMDIAM",
        PARAM="Sum of target diameters (mm)",
        AVAL=sums["SUM"],
        CHG=sums["SUM"] - sums["BASE"],
        PCHG=(100 * (sums["SUM"] - sums["BASE"]) / base).round(9),
        PCHGNAD=(100 * (sums["SUM"] - sums["NADIR"]) / nadir).round(9),
        LIMITFL=np.where(sums["LIMITCAS"] > 0, "Y", ""),
    )
    new = read[keep].assign(
        PARAMCD="NEWBONE", PARAM="New lesions on bone scan since baseline", AVAL=read["NEWBONE"]
    )
    whole = pd.concat([part for part in (size, new) if len(part)] or [size], ignore_index=True)
    days = (whole["ADT"] - whole["TRTSDT"]).dt.days
    return whole.assign(ADY=days + 1).drop(columns="TRTSDT")


def tumour_answers(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour
) -> pd.DataFrame:
    """The rows of ADRS: every time-point answer, and the best ones of each study course.

    PARAMCD: the time-point answers TRGRESP to OVRLRESP (`time_points`; "" answers are left out);
    BOR and BORC, the best overall response without and with confirmation, from the assessments on
    or before the day of a new therapy; BORINV, the investigator's (RS BESTRESP), NE where there
    is none; TUMBEST, the lowest percent change of the target sum; TARGLIM, whether more targets were
    chosen than the plan's criteria allow (`over_limit`; NE: no assessment of a target). The last five
    have one row for every man treated, CASE as in `best_response` and `over_limit`.
    """
    keep = ["STUDYID", "USUBJID", "COURSE", "TRTSDT", "ADT", "AVISIT", "SRCSEQ"]
    parts = []
    for code in RESPONSES:
        one = points[points[code].fillna("") != ""]
        said = one[[*keep, "SOURCE"]].assign(PARAMCD=code, AVALC=one[code])
        if code == "OVRLRESP":
            said = said.assign(INVRESP=one["INVRESP"], DISREAS=one["DISREAS"], CASE=one["DISCASE"])
        parts.append(said)
    parts.append(_best_rows(tables, courses[courses["COURSE"] == "STUDY"], points, rule))
    whole = pd.concat([part for part in parts if len(part)] or parts[-1:], ignore_index=True)
    return whole.assign(PARAM=whole["PARAMCD"].map(WORDS), AVALC=whole["AVALC"].astype(object))


def _change(now: float, base: float) -> float:
    return round(100 * (now - base) / base, 9)


def _best_rows(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour
) -> pd.DataFrame:
    said = records(tables, rule).best
    columns = ["USUBJID", "ADT", "OVRLRESP", "SUM", "BASE", "TRGRESP", "LIMITCAS"]
    study = points.loc[points["COURSE"] == "STUDY", columns]
    by_man = _by_man(study.sort_values("ADT", kind="stable"))
    rows: Rows = []
    course: Any
    for course in courses.itertuples():
        mine = [r for r in by_man.get(str(course.USUBJID), []) if not r["ADT"] > course.NEWTHDT]
        read = [(r["ADT"], r["OVRLRESP"]) for r in mine]
        who = {"STUDYID": course.STUDYID, "USUBJID": course.USUBJID, "COURSE": "STUDY"}
        who |= {"TRTSDT": course.TRTSDT}
        for code, confirmed in (("BOR", False), ("BORC", True)):
            best = best_response(read, course.TRTSDT, rule, confirmed=confirmed)
            rows.append(
                who | {"PARAMCD": code, "AVALC": best.answer, "ADT": best.day, "CASE": best.case}
            )
        given = [r["RSSTRESC"] for r in said.get(str(course.USUBJID), [])]
        rows.append(
            who
            | {
                "PARAMCD": "BORINV",
                "AVALC": given[-1] if given else "NE",
                "CASE": 1 if given else 7,
            }
        )
        sums = [r for r in mine if r["SUM"] is not None and r["BASE"] > 0]
        low = min(sums, key=lambda r: r["SUM"], default=None)
        rows.append(
            who
            | {
                "PARAMCD": "TUMBEST",
                "AVALC": "NE" if low is None else "",
                "AVAL": np.nan if low is None else _change(low["SUM"], low["BASE"]),
                "ADT": None if low is None else low["ADT"],
                "CASE": 1 if low is None else 2,
            }
        )
        every = by_man.get(str(course.USUBJID), [])
        limits = [r["LIMITCAS"] for r in every if r["TRGRESP"] and r["LIMITCAS"] is not None]
        rows.append(
            who
            | {
                "PARAMCD": "TARGLIM",
                "AVALC": "NE" if not limits else "Y" if limits[0] else "N",
                "CASE": limits[0] if limits else None,
            }
        )
    names = ["STUDYID", "USUBJID", "COURSE", "TRTSDT", "PARAMCD", "AVALC", "AVAL", "ADT", "CASE"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(ADT=pd.to_datetime(frame["ADT"]), TRTSDT=pd.to_datetime(frame["TRTSDT"]))
