"""ADTR and ADRS: tumour response at each assessment and best overall response.

Responses come from the lesions in TU and TR, or from the evaluator's RS where a subject has no lesions.
The rules are in `tumour_rules`. Terms are submission values of CDISC codelists
(`sap.derivations.standard` runs first).
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


def _bone(followed: list[Lesion], new: Rows, assessed: list[Assessment], start: pd.Timestamp, rule: Bone) -> list[str]:  # fmt: skip
    """The bone response at each assessment: NE where bone disease was not scanned.

    A bone scan is an assessment with a result of at least one bone lesion; an assessment with NOT
    DONE for all of them is no bone scan.
    """
    disease = any(lesion.bone for lesion in followed)
    links = {lesion.link for lesion in followed if lesion.bone} | {r["TULNKID"] for r in new}
    scans: dict[int, Scan] = {}
    for place, assessment in enumerate(assessed):
        scanned = any(r["TULNKID"] in links for r in assessment.tu) or any(
            row["TRLNKID"] in links and row["TRSTRESC"] not in (None, "NOT DONE", "NOT EVALUABLE")
            for row in assessment.tr
        )
        seen = [r["TULNKID"] for r in new if r["DAY"] <= assessment.last]
        if scanned or (not disease and assessment.tr):
            resolved = {r["TRLNKID"] for r in assessment.tr if r["TRSTRESC"] == "ABSENT"}
            persisting = len([link for link in seen if link not in resolved])
            scans[place] = Scan((assessment.first - start).days, len(seen), persisting)
    responses = bone_responses(list(scans.values()), disease=disease, rule=rule)
    by_place = dict(zip(scans, responses, strict=True))
    return [by_place.get(place, "NE") for place in range(len(assessed))]


def _by_evaluator(assessment: Assessment) -> dict[str, str]:
    """The evaluator's responses at an assessment by RSTESTCD; of several, the latest."""
    return {r["RSTESTCD"]: str(r["RSSTRESC"]) for r in assessment.rs}


def _from_evaluator(given: dict[str, str], *, new_lesion: bool) -> dict[str, str]:
    """Responses from the evaluator's RS, where no lesion is recorded at baseline.

    1. Soft tissue: PD where a new lesion is recorded in TU (`new_lesion`).
    2. Soft tissue: SFTSRESP, else by the table from target, non-target and new lesions, if given.
    3. Overall: by the table from soft tissue and bone where both are given, or soft tissue is PD by 1.
    4. Overall: else OVRLRESP as given by the evaluator; else from soft tissue alone.
    """
    new = "Y" if given.get("NEWLPROG") in ("Y", "UNEQUIVOCAL") else "N"
    parts = [_part(given.get(code)) for code in ("TRGRESP", "NTRGRESP")]
    soft = "PD" if new_lesion else given.get("SFTSRESP", "")
    if not soft and (any(parts) or "NEWLPROG" in given):
        soft = soft_tissue(parts[0], parts[1], new)
    bone = given.get("BONERESP", "")
    overall_response = given.get("OVRLRESP", "")
    if soft and (bone or not overall_response or new_lesion):
        overall_response = overall(
            soft, bone or "NE", targets="TRGRESP" not in given or bool(parts[0])
        )
    return {
        "TRGRESP": parts[0],
        "NTRGRESP": parts[1],
        "NEWLPROG": "Y" if new_lesion else given.get("NEWLPROG", ""),
        "SFTSRESP": soft,
        "BONERESP": bone,
        "OVRLRESP": overall_response or "NE",
    }


def _part(response: str | None) -> str:
    """A target or non-target response as in the table; NED: no such lesion."""
    if response == "NOT ALL EVALUATED":
        return "NE"
    return "" if response in (None, "NED") else response


def _equivocal(link: str, assessed: Sequence[Assessment]) -> bool:
    """Whether a new lesion is equivocal, given all readings; the first case that applies.

    1. No: a reading is PRESENT, UNEQUIVOCAL or UNEQUIVOCAL PROGRESSION, or has a size. The lesion
       is new on the day it was detected (RECIST 1.1).
    2. Yes: a reading is EQUIVOCAL.
    3. No.
    """
    rows = [row for assessment in assessed for row in of_link(assessment, link)]
    definite = ("PRESENT", "UNEQUIVOCAL", "UNEQUIVOCAL PROGRESSION")
    sure = any(row["TRSTRESC"] in definite or (number_of(row) or 0) > 0 for row in rows)
    return not sure and any(row["TRSTRESC"] == "EQUIVOCAL" for row in rows)


def _from_lesions(
    followed: list[Lesion],
    tu: Rows,
    assessed: list[Assessment],
    course: Any,
    rules: tuple[Tumour, Bone | None],
) -> list[Row]:
    """The responses of a course whose lesions are recorded, one row per assessment.

    NEWLPROG is Y from the assessment on at which a new soft-tissue lesion was detected, unless it is
    equivocal (`_equivocal`).
    """
    tumour, bone = rules
    new = new_lesions(tu, course)
    in_bone = [r for r in new if bone is not None and r["TUMETHOD"] in BONE_SCANS]
    in_soft = [r for r in new if bone is None or r["TUMETHOD"] not in BONE_SCANS]
    others = [
        lesion
        for lesion in followed
        if not lesion.target and not (bone is not None and lesion.bone)
    ]
    targets = any(lesion.target for lesion in followed)
    limit = over_limit([lesion.organ for lesion in followed if lesion.target], tumour)
    rows = []
    for assessment, sums in zip(assessed, sums_of(followed, tu, assessed, tumour), strict=True):
        non_target = non_target_response([state_of(assessment, x, tumour) for x in others])
        detected = [r for r in in_soft if r["DAY"] <= assessment.last]
        appeared = "N" if all(_equivocal(r["TULNKID"], assessed) for r in detected) else "Y"
        rows.append(
            sums
            | {
                "NTRGRESP": non_target,
                "NEWLPROG": appeared,
                "SFTSRESP": soft_tissue(sums["TRGRESP"], non_target, appeared),
                "NEWBONE": len([r for r in in_bone if r["DAY"] <= assessment.last]),
                "LIMITCAS": limit,
            }
        )
    days = [(assessment.first - course.TRTSDT).days for assessment in assessed]
    soft_by_day = list(zip(days, (row["SFTSRESP"] for row in rows), strict=True))
    softs = first_progression(soft_by_day, tumour, targets=targets)
    bones = [""] * len(rows)
    if bone is not None:
        bones = _bone(followed, in_bone, assessed, course.TRTSDT, bone)
    for row, soft, bone_response in zip(rows, softs, bones, strict=True):
        overall_response = overall(soft, bone_response, targets=targets) if bone else soft
        row |= {"SFTSRESP": soft, "BONERESP": bone_response, "OVRLRESP": overall_response}
    return rows


def _as_identified(followed: list[Lesion], tu: Rows) -> list[Lesion]:
    """The lesions, with every measured TARGET as a target regardless of its size."""
    identified = {r["TULNKID"] for r in tu if r["TUSTRESC"] in TARGETS}
    return [x._replace(target=x.link in identified and not np.isnan(x.base)) for x in followed]


def _disagreement(by_evaluator: dict[str, str], derived: Row, without_threshold: str) -> int:
    """Why the derived overall response differs from the evaluator's; the first case that applies.

    0. It does not differ.
    1. The evaluator gave no overall response.
    2. The plan's size threshold: equal when every lesion identified as a target is a target.
    3. The bone responses differ: confirmation of new bone lesions.
    4. The soft-tissue responses differ.
    5. The components agree or were not given: the evaluator's overall response is not that of the
       table.
    """
    overall_given = by_evaluator.get("OVRLRESP")
    if overall_given == derived["OVRLRESP"]:
        return 0
    if overall_given is None:
        return 1
    if overall_given == without_threshold:
        return 2
    for case, code in ((3, "BONERESP"), (4, "SFTSRESP")):
        if by_evaluator.get(code) not in (None, derived[code]):
            return case
    return 5


DISAGREEMENTS = {
    0: "",
    1: "investigator_missing",
    2: "target_below_threshold",
    3: "bone_lesions",
    4: "soft_tissue",
    5: "overall_only",
}


def time_points(
    tables: Tables, courses: pd.DataFrame, tumour: Tumour, bone: Bone | None
) -> pd.DataFrame:
    """The source of the responses of an assessment, and its day.

    1. TR: the patient has lesions at baseline in TU.
    2. RS: no lesions at baseline in TU. The evaluator's responses are used; a reading without a
       response is no assessment, except for a new lesion in TU.

    The day of an assessment is its first day when the overall response is PD, else its last day.
    The evaluator's overall response is kept for comparison, with the reason for a difference. The
    confirmation of a first progression applies to responses from lesions only; responses of the
    evaluator are used as given.
    """
    recorded = records(tables, tumour)
    end = courses[courses["COURSE"] == "STUDY"].set_index("USUBJID")["TRTSDT"].to_dict()
    rows: Rows = []
    course: Any
    for course in courses.itertuples():
        usubjid = str(course.USUBJID)
        tu, tr = recorded.tu.get(usubjid, []), recorded.tr.get(usubjid, [])
        followed = lesions(tu, tr, course, tumour)
        new = new_lesions(tu, course)
        limit = end.get(usubjid, pd.NaT) if course.COURSE == "CHOICE" else pd.NaT
        rs = recorded.rs.get(usubjid, [])
        assessed = assessments(tr if followed else [], rs, new, course, limit, tumour)
        if followed:
            responses = _from_lesions(followed, tu, assessed, course, (tumour, bone))
        else:
            responses = [
                _from_evaluator(
                    _by_evaluator(assessment),
                    new_lesion=any(r["DAY"] <= assessment.last for r in new),
                )
                for assessment in assessed
            ]
        identified = _as_identified(followed, tu)
        without_threshold = (
            _from_lesions(identified, tu, assessed, course, (tumour, bone))
            if identified != followed
            else responses
        )
        for assessment, derived, unrestricted in zip(
            assessed, responses, without_threshold, strict=True
        ):
            by_evaluator = _by_evaluator(assessment)
            if bone is None:  # the plan reads no bone scans, so they explain no difference
                by_evaluator.pop("BONERESP", None)
            case = _disagreement(by_evaluator, derived, unrestricted["OVRLRESP"])
            source = assessment.tr if followed else assessment.rs
            seq = "TRSEQ" if followed else "RSSEQ"
            rows.append(
                derived
                | {
                    "STUDYID": course.STUDYID,
                    "USUBJID": usubjid,
                    "COURSE": course.COURSE,
                    "TRTSDT": course.TRTSDT,
                    "NEWTHDT": course.NEWTHDT,
                    "ADT": assessment.first if derived["OVRLRESP"] == "PD" else assessment.last,
                    "AVISIT": (assessment.tr + assessment.tu + assessment.rs)[0]["VISIT"],
                    "SOURCE": "TR" if followed else "RS",
                    "SRCSEQ": min((r[seq] for r in source if r[seq] is not None), default=np.nan),
                    "INVRESP": by_evaluator.get("OVRLRESP", ""),
                    "DISCASE": case,
                    "DISREAS": DISAGREEMENTS[case],
                }
            )
    return _typed(rows)


def baseline_scanned(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour
) -> frozenset[tuple[str, str]]:
    """Which courses have a tumour assessment at baseline; the first case that applies.

    1. TU is not in the data: every course, because a baseline scan cannot be identified.
    2. A reading of TU or TR on or before the first dose, of this course.
    3. No record of the patient in TU, but an assessment by the evaluator after the first dose.
    """
    recorded = records(tables, rule)
    later = set(zip(points["USUBJID"], points["COURSE"], strict=True))
    with_baseline = set()
    for course in courses.itertuples():
        usubjid = str(course.USUBJID)
        tu, tr = recorded.tu.get(usubjid, []), recorded.tr.get(usubjid, [])
        days = [row["DAY"] for row in (*tu, *tr) if row["DAY"] is not None]
        early = [d for d in days if d <= course.TRTSDT and not d < course.BEGINDT]
        if not recorded.tu or early or (not tu and (usubjid, course.COURSE) in later):
            with_baseline.add((usubjid, str(course.COURSE)))
    return frozenset(with_baseline)


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

    PCHG is the change of the sum from baseline, PCHGNAD from the nadir, in percent. LIMITFL = Y:
    more targets were selected than the plan's criteria allow (`over_limit`). SUMREC is the sum recorded
    in the extract (SUMDIAM), SUMDIFFL whether it differs from the derived sum at one decimal.
    """
    read = points[points["SOURCE"] == "TR"]
    keep = ["STUDYID", "USUBJID", "COURSE", "AVISIT", "ADT", "TRTSDT"]
    sums = read[read["TRGRESP"] != ""]
    base = sums["BASE"].where(sums["BASE"] > 0)
    nadir = sums["NADIR"].where(sums["NADIR"] > 0)
    size = sums[[*keep, "BASE", "NADIR", "NREAD"]].assign(
        PARAMCD="SUMDIAM",
        AVAL=sums["SUM"],
        CHG=sums["SUM"] - sums["BASE"],
        PCHG=(100 * (sums["SUM"] - sums["BASE"]) / base).round(9),
        PCHGNAD=(100 * (sums["SUM"] - sums["NADIR"]) / nadir).round(9),
        LIMITFL=np.where(sums["LIMITCAS"] > 0, "Y", ""),
        SUMREC=sums["RECORDED"],
        SUMDIFFL=_differs(sums["SUM"], sums["RECORDED"]),
    )
    new = read[keep].assign(PARAMCD="NEWBONE", AVAL=read["NEWBONE"])
    filled = [part for part in (size, new) if len(part)] or [size]
    # Before the first sum of diameters there are new lesions only: the columns of the sums stay.
    rows = pd.concat(filled, ignore_index=True).reindex(columns=size.columns)
    days = (rows["ADT"] - rows["TRTSDT"]).dt.days
    return rows.assign(ADY=days + 1).drop(columns="TRTSDT")


def tumour_responses(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour
) -> pd.DataFrame:
    """The tumour response parameters of each patient.

    1. The responses at each assessment: target, non-target, new lesion, soft tissue and overall; no row
       where a response is empty. That of bone as well. Where the SAP has no rule of bone scans, the overall
       response is that of soft tissue.
    2. BOR and BORC: the best overall response without and with confirmation, from the assessments
       on or before the day of a new therapy.
    3. BORINV: the evaluator's best response (RS BESTRESP), NE where there is none.
    4. TUMBEST: the lowest percent change of the target sum from baseline.
    5. TARGLIM: whether more target lesions were selected than the criteria allow; NE without an
       assessment of a target.
    6. MEASDIS: measurable disease at baseline.

    BOR, BORC, BORINV, TUMBEST, TARGLIM and MEASDIS have one row for every treated patient; without
    an assessment after baseline the value is NE, except for MEASDIS.
    """
    keep = ["STUDYID", "USUBJID", "COURSE", "TRTSDT", "ADT", "AVISIT", "SRCSEQ"]
    parts = []
    for code in RESPONSES:
        rows = points[points[code].fillna("") != ""]
        responses = rows[[*keep, "SOURCE"]].assign(PARAMCD=code, AVALC=rows[code])
        if code == "OVRLRESP":
            responses = responses.assign(
                INVRESP=rows["INVRESP"], DISREAS=rows["DISREAS"], CASE=rows["DISCASE"]
            )
        parts.append(responses)
    parts.append(_best_rows(tables, courses[courses["COURSE"] == "STUDY"], points, rule))
    filled = [part for part in parts if len(part)] or parts[-1:]
    columns = list(dict.fromkeys(name for part in parts for name in part.columns))
    rows_of_all = pd.concat(filled, ignore_index=True).reindex(columns=columns)
    return rows_of_all.assign(AVALC=rows_of_all["AVALC"].astype(object))


def measurable(recorded: Records, course: Any, rule: Tumour) -> tuple[str, int]:
    """Whether a patient has measurable disease at baseline, and the case; the first that applies.

    1. Y: a lesion is a target at baseline.
    2. Y: no lesion of the patient is recorded at baseline, and the evaluator gave a target response
       (CR, PR, SD or PD).
    3. N: lesions of the patient are recorded at baseline, and none is a target.
    4. NE: the data hold no lesion and no target response of any patient.
    5. NE: no lesion of this patient is recorded at baseline; whether the disease is measurable is not
       known, as its sites are not.
    """
    usubjid = str(course.USUBJID)
    followed = lesions(recorded.tu.get(usubjid, []), recorded.tr.get(usubjid, []), course, rule)
    if any(lesion.target for lesion in followed):
        return "Y", 1

    def given(rows: Rows) -> bool:
        responses = {row["RSSTRESC"] for row in rows if row["RSTESTCD"] == "TRGRESP"}
        return bool(responses & {"CR", "PR", "SD", "PD"})

    if not followed and given(recorded.rs.get(usubjid, [])):
        return "Y", 2
    if followed:
        return "N", 3
    known = bool(recorded.tu) or any(given(rows) for rows in recorded.rs.values())
    return ("NE", 5) if known else ("NE", 4)


def _change(now: float, base: float) -> float:
    return round(100 * (now - base) / base, 9)


def _best_rows(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour
) -> pd.DataFrame:
    recorded = records(tables, rule)
    columns = ["USUBJID", "ADT", "OVRLRESP", "SUM", "BASE", "TRGRESP", "LIMITCAS"]
    study = points.loc[points["COURSE"] == "STUDY", columns]
    of_subject = by_subject(study.sort_values("ADT", kind="stable"))
    rows: Rows = []
    course: Any
    for course in courses.itertuples():
        counted = [
            r for r in of_subject.get(str(course.USUBJID), []) if not r["ADT"] > course.NEWTHDT
        ]
        by_day = [(r["ADT"], r["OVRLRESP"]) for r in counted]
        keys = {"STUDYID": course.STUDYID, "USUBJID": course.USUBJID, "COURSE": "STUDY"}
        keys |= {"TRTSDT": course.TRTSDT}
        for code, confirmed in (("BOR", False), ("BORC", True)):
            best = best_response(by_day, course.TRTSDT, rule, confirmed=confirmed)
            rows.append(
                keys | {"PARAMCD": code, "AVALC": best.response, "ADT": best.day, "CASE": best.case}
            )
        best_by_evaluator = [r["RSSTRESC"] for r in recorded.best.get(str(course.USUBJID), [])]
        rows.append(
            keys
            | {
                "PARAMCD": "BORINV",
                "AVALC": best_by_evaluator[-1] if best_by_evaluator else "NE",
                "CASE": 1 if best_by_evaluator else 7,
            }
        )
        sums = [r for r in counted if r["SUM"] is not None and r["BASE"] > 0]
        low = min(sums, key=lambda r: r["SUM"], default=None)
        rows.append(
            keys
            | {
                "PARAMCD": "TUMBEST",
                "AVALC": "NE" if low is None else "",
                "AVAL": np.nan if low is None else _change(low["SUM"], low["BASE"]),
                "ADT": None if low is None else low["ADT"],
                "CASE": 1 if low is None else 2,
            }
        )
        assessed = of_subject.get(str(course.USUBJID), [])
        limits = [r["LIMITCAS"] for r in assessed if r["TRGRESP"] and r["LIMITCAS"] is not None]
        rows.append(
            keys
            | {
                "PARAMCD": "TARGLIM",
                "AVALC": "NE" if not limits else "Y" if limits[0] else "N",
                "CASE": limits[0] if limits else None,
            }
        )
        value, case = measurable(recorded, course, rule)
        rows.append(keys | {"PARAMCD": "MEASDIS", "AVALC": value, "CASE": case})
    names = ["STUDYID", "USUBJID", "COURSE", "TRTSDT", "PARAMCD", "AVALC", "AVAL", "ADT", "CASE"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(ADT=pd.to_datetime(frame["ADT"]), TRTSDT=pd.to_datetime(frame["TRTSDT"]))
