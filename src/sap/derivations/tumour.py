"""ADTR and ADRS: what lesions and bone scans say at each assessment, and the best of it.

Lesions are read from TU and TR; where a subject has none, the investigator's RS is read instead. The
rules themselves stand in `tumour_rules`. Words are CDISC's (`sap.derivations.standard` comes before).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sap.derivations.lesions import (
    BONE_SCANS,
    RESPONSES,
    TARGETS,
    Assessment,
    Lesion,
    Records,
    Row,
    Rows,
    Tables,
    assessments,
    by_subject,
    lesions,
    new_lesions,
    number_of,
    of_link,
    records,
    state_of,
    sums_of,
)
from sap.derivations.tumour_rules import (
    NON,
    Scan,
    best_response,
    bone_responses,
    first_progression,
    non_target_response,
    over_limit,
    overall,
    soft_tissue,
)
from sap.plan.model import Bone, Tumour

EVALUABLE = ("CR", "PR", "SD", NON, "PD", "PDu")


def _bone(followed: list[Lesion], new: Rows, read: list[Assessment], start: pd.Timestamp, rule: Bone) -> list[str]:  # fmt: skip
    """The bone response at each assessment: NE where bone disease was not scanned.

    A bone scan is an assessment with a result of at least one bone lesion; one that says NOT DONE
    of all of them is none.
    """
    disease = any(lesion.bone for lesion in followed)
    links = {lesion.link for lesion in followed if lesion.bone} | {r["TULNKID"] for r in new}
    scans: dict[int, Scan] = {}
    for place, one in enumerate(read):
        scanned = any(r["TULNKID"] in links for r in one.tu) or any(
            row["TRLNKID"] in links and row["TRSTRESC"] not in (None, "NOT DONE", "NOT EVALUABLE")
            for row in one.tr
        )
        seen = [r["TULNKID"] for r in new if r["DAY"] <= one.last]
        if scanned or (not disease and one.tr):
            gone = {r["TRLNKID"] for r in one.tr if r["TRSTRESC"] == "ABSENT"}
            there = len([link for link in seen if link not in gone])
            scans[place] = Scan((one.first - start).days, len(seen), there)
    answers = bone_responses(list(scans.values()), disease=disease, rule=rule)
    by_place = dict(zip(scans, answers, strict=True))
    return [by_place.get(place, "NE") for place in range(len(read))]


def _said(one: Assessment) -> dict[str, str]:
    """The evaluator's answers at an assessment; the latest of two."""
    return {r["RSTESTCD"]: str(r["RSSTRESC"]) for r in one.rs}


def _from_investigator(said: dict[str, str], *, new_lesion: bool) -> dict[str, str]:
    """Where no lesion is recorded at baseline: the parts the evaluator gave, put together by our tables.

    1. Soft tissue: PD where a new lesion is recorded in TU (`new_lesion`).
    2. Soft tissue: SFTSRESP, else by the table from target, non-target and new lesions, if given.
    3. Overall: by the table from soft tissue and bone where both are given, or soft tissue is PD by 1.
    4. Else: OVRLRESP as the evaluator gave it; else from soft tissue alone.
    """
    new = "Y" if new_lesion or said.get("NEWLPROG") in ("Y", "UNEQUIVOCAL") else "N"
    parts = [_part(said.get(code)) for code in ("TRGRESP", "NTRGRESP")]
    soft = "PD" if new_lesion else said.get("SFTSRESP", "")
    if not soft and (any(parts) or "NEWLPROG" in said):
        soft = soft_tissue(parts[0], parts[1], new)
    bone = said.get("BONERESP", "")
    whole = said.get("OVRLRESP", "")
    if soft and (bone or not whole or new_lesion):
        whole = overall(soft, bone or "NE", targets="TRGRESP" not in said or bool(parts[0]))
    return {
        "TRGRESP": parts[0],
        "NTRGRESP": parts[1],
        "NEWLPROG": "Y" if new_lesion else said.get("NEWLPROG", ""),
        "SFTSRESP": soft,
        "BONERESP": bone,
        "OVRLRESP": whole or "NE",
    }


def _part(answer: str | None) -> str:
    """A target or non-target response as the table takes it; NED: there is no such lesion."""
    if answer == "NOT ALL EVALUATED":
        return "NE"
    return "" if answer in (None, "NED") else answer


def _doubtful(link: str, read: Sequence[Assessment]) -> bool:
    """Whether a new lesion is in doubt, known afterwards; the first case that applies.

    1. No: a reading says that it is there (PRESENT, UNEQUIVOCAL, UNEQUIVOCAL PROGRESSION) or has a
       size. It was new on the day it was found (RECIST 1.1).
    2. Yes: a reading is EQUIVOCAL.
    3. No.
    """
    rows = [row for one in read for row in of_link(one, link)]
    sure = ("PRESENT", "UNEQUIVOCAL", "UNEQUIVOCAL PROGRESSION")
    if any(row["TRSTRESC"] in sure or (number_of(row) or 0) > 0 for row in rows):
        return False
    return any(row["TRSTRESC"] == "EQUIVOCAL" for row in rows)


def _from_lesions(
    followed: list[Lesion],
    tu: Rows,
    read: list[Assessment],
    course: Any,
    rules: tuple[Tumour, Bone],
) -> list[Row]:
    """The answers of a course whose lesions are recorded, one row per assessment.

    NEWLPROG is Y from the assessment on at which a new lesion of soft tissue was found, unless it is
    in doubt (`_doubtful`).
    """
    tumour, bone = rules
    new = new_lesions(tu, course)
    in_bone = [r for r in new if r["TUMETHOD"] in BONE_SCANS]
    in_soft = [r for r in new if r["TUMETHOD"] not in BONE_SCANS]
    others = [lesion for lesion in followed if not lesion.target and not lesion.bone]
    targets = any(lesion.target for lesion in followed)
    limit = over_limit([lesion.organ for lesion in followed if lesion.target], tumour)
    rows = []
    for one, sums in zip(read, sums_of(followed, tu, read, tumour), strict=True):
        non_target = non_target_response([state_of(one, x, tumour) for x in others])
        fresh = [r for r in in_soft if r["DAY"] <= one.last]
        appeared = "N" if all(_doubtful(r["TULNKID"], read) for r in fresh) else "Y"
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
    named = {r["TULNKID"] for r in tu if r["TUSTRESC"] in TARGETS}
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
    "MEASDIS": "Measurable disease at baseline",
}


def time_points(tables: Tables, courses: pd.DataFrame, tumour: Tumour, bone: Bone) -> pd.DataFrame:
    """Where the answers of an assessment come from, and its day.

    1. TR: the patient has lesions at baseline in TU.
    2. RS: there are none; the evaluator's answers are taken, and a reading without such an answer
       is no assessment, but for a new lesion in TU.

    The day of an assessment is the first of its days that shows PD, else its last. The evaluator's
    overall answer stands beside ours, with the reason where it differs. Where the first
    progression needs a second scan, this holds for lesions; an answer of the evaluator alone is
    taken as given.
    """
    got = records(tables, tumour)
    end = courses[courses["COURSE"] == "STUDY"].set_index("USUBJID")["TRTSDT"].to_dict()
    rows: Rows = []
    course: Any
    for course in courses.itertuples():
        who = str(course.USUBJID)
        tu, tr = got.tu.get(who, []), got.tr.get(who, [])
        followed = lesions(tu, tr, course, tumour)
        new = new_lesions(tu, course)
        limit = end.get(who, pd.NaT) if course.COURSE == "CHOICE" else pd.NaT
        rs = got.rs.get(who, [])
        read = assessments(tr if followed else [], rs, new, course, limit, tumour)
        if followed:
            answers = _from_lesions(followed, tu, read, course, (tumour, bone))
        else:
            answers = [
                _from_investigator(_said(one), new_lesion=any(r["DAY"] <= one.last for r in new))
                for one in read
            ]
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
                    "AVISIT": (one.tr + one.tu + one.rs)[0]["VISIT"],
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
    """Which courses have a tumour assessment at baseline; the first case that applies.

    1. TU is not in the data: every course, because a baseline scan could not be seen.
    2. A reading of TU or TR on or before the first dose, of this course.
    3. No record of the patient in TU, but an assessment by the evaluator: there was a scan.
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
    number = (
        "SUM",
        "BASE",
        "NADIR",
        "NREAD",
        "RECORDED",
        "NEWBONE",
        "LIMITCAS",
        "SRCSEQ",
        "DISCASE",
    )
    days = ("TRTSDT", "NEWTHDT", "ADT")
    frame = pd.DataFrame(rows, columns=[*text, *number, *days])
    frame = frame.astype(dict.fromkeys(number, float) | dict.fromkeys(text, object))
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in days})


def _differs(ours: pd.Series, recorded: pd.Series) -> pd.Series:
    """Y or N where both sums are known, compared at one decimal; else empty."""
    both = ours.notna() & recorded.notna()
    other = (ours - recorded).abs() >= 0.05
    return pd.Series(np.where(both, np.where(other, "Y", "N"), ""), ours.index, dtype=object)


def adtr(points: pd.DataFrame) -> pd.DataFrame:
    """ADTR: the sum of target diameters (SUMDIAM) and the new bone lesions (NEWBONE) by assessment.

    PCHG is the change of the sum from baseline, PCHGNAD from the smallest sum so far, in percent.
    LIMITFL = Y: more targets were chosen than the plan's criteria allow (`over_limit`). SUMREC is the
    sum that the extract records (SUMDIAM), SUMDIFFL whether it differs from ours, at one decimal.
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
        SUMREC=sums["RECORDED"],
        SUMDIFFL=_differs(sums["SUM"], sums["RECORDED"]),
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
    """The tumour answers of each patient.

    1. Every answer of each assessment, of targets, non-targets, soft tissue, bone and overall; an
       empty one is left out.
    2. BOR and BORC: the best overall response without and with confirmation, from the assessments
       on or before the day of a new therapy.
    3. BORINV: the evaluator's best response (RS BESTRESP), NE where there is none.
    4. TUMBEST: the lowest percent change of the target sum from baseline.
    5. TARGLIM: whether more targets were chosen than the criteria allow; NE without an assessment
       of a target.
    6. MEASDIS: whether there is measurable disease at baseline.

    The last six have one answer for every patient treated; with no assessment after baseline it
    is NE, but for measurable disease, which is a matter of the baseline.
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


def measurable(got: Records, course: Any, rule: Tumour) -> tuple[str, int]:
    """Whether a patient has measurable disease at baseline, and the case; the first that applies.

    1. Y: a lesion is a target at baseline.
    2. Y: no lesion of the patient is recorded at baseline, and the evaluator gave a target response
       (CR, PR, SD or PD).
    3. N: none of these.
    4. NE: the data hold no lesion and no target response of any patient.
    """
    who = str(course.USUBJID)
    followed = lesions(got.tu.get(who, []), got.tr.get(who, []), course, rule)
    if any(lesion.target for lesion in followed):
        return "Y", 1

    def given(rows: Rows) -> bool:
        answers = {row["RSSTRESC"] for row in rows if row["RSTESTCD"] == "TRGRESP"}
        return bool(answers & {"CR", "PR", "SD", "PD"})

    if not followed and given(got.rs.get(who, [])):
        return "Y", 2
    known = bool(got.tu) or any(given(rows) for rows in got.rs.values())
    return ("N", 3) if known else ("NE", 4)


def _change(now: float, base: float) -> float:
    return round(100 * (now - base) / base, 9)


def _best_rows(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour
) -> pd.DataFrame:
    got = records(tables, rule)
    columns = ["USUBJID", "ADT", "OVRLRESP", "SUM", "BASE", "TRGRESP", "LIMITCAS"]
    study = points.loc[points["COURSE"] == "STUDY", columns]
    of_subject = by_subject(study.sort_values("ADT", kind="stable"))
    rows: Rows = []
    course: Any
    for course in courses.itertuples():
        mine = [r for r in of_subject.get(str(course.USUBJID), []) if not r["ADT"] > course.NEWTHDT]
        read = [(r["ADT"], r["OVRLRESP"]) for r in mine]
        who = {"STUDYID": course.STUDYID, "USUBJID": course.USUBJID, "COURSE": "STUDY"}
        who |= {"TRTSDT": course.TRTSDT}
        for code, confirmed in (("BOR", False), ("BORC", True)):
            best = best_response(read, course.TRTSDT, rule, confirmed=confirmed)
            rows.append(
                who | {"PARAMCD": code, "AVALC": best.answer, "ADT": best.day, "CASE": best.case}
            )
        given = [r["RSSTRESC"] for r in got.best.get(str(course.USUBJID), [])]
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
        every = of_subject.get(str(course.USUBJID), [])
        limits = [r["LIMITCAS"] for r in every if r["TRGRESP"] and r["LIMITCAS"] is not None]
        rows.append(
            who
            | {
                "PARAMCD": "TARGLIM",
                "AVALC": "NE" if not limits else "Y" if limits[0] else "N",
                "CASE": limits[0] if limits else None,
            }
        )
        answer, case = measurable(got, course, rule)
        rows.append(who | {"PARAMCD": "MEASDIS", "AVALC": answer, "CASE": case})
    names = ["STUDYID", "USUBJID", "COURSE", "TRTSDT", "PARAMCD", "AVALC", "AVAL", "ADT", "CASE"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(ADT=pd.to_datetime(frame["ADT"]), TRTSDT=pd.to_datetime(frame["TRTSDT"]))
