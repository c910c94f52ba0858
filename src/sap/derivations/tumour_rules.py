"""Tumour response as written tables and numbered cases, without any data.

Soft tissue follows RECIST 1.1 with the plan's thresholds (Eisenhauer 2009, Eur J Cancer 45:228) and,
where the plan asks for it, the confirmed first progression of PCWG2 (Scher 2008, J Clin Oncol 26:1148),
bone the 2 + 2 rule of PCWG3 (Scher 2016, J Clin Oncol 34:1402), best overall response both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from sap.plan.model import Bone, Tumour

Points = Sequence[tuple[pd.Timestamp, str]]

NON = "NON-CR/NON-PD"
ANY = "*"

# Target, non-target, new lesion: soft tissue. The first row that fits decides; "" = none at baseline.
SOFT_TISSUE = (
    (ANY, ANY, "Y", "PD"),
    ("PD", ANY, ANY, "PD"),
    (ANY, "PD", ANY, "PD"),
    ("CR", "CR", ANY, "CR"),
    ("CR", "", ANY, "CR"),
    ("CR", ANY, ANY, "PR"),
    ("PR", ANY, ANY, "PR"),
    ("SD", ANY, ANY, "SD"),
    ("NE", ANY, ANY, "NE"),
    ("", "CR", ANY, "CR"),
    ("", NON, ANY, NON),
    ("", "NE", ANY, "NE"),
    ("", "", ANY, "NED"),
)

# Soft tissue, bone: overall. CR beside bone disease is PR only where there was a target to shrink.
OVERALL = (
    ("PD", ANY, "PD"),
    (ANY, "PD", "PD"),
    ("PDu", ANY, "PDu"),
    ("NE", ANY, "NE"),
    ("NED", "NON-PD", NON),
    ("NED", "PDu", "PDu"),
    ("NED", ANY, "NE"),
    ("CR", "NED", "CR"),
    ("CR", ANY, "PR"),
    ("PR", ANY, "PR"),
    ("SD", ANY, "SD"),
    (NON, ANY, NON),
)


def soft_tissue(target: str, non_target: str, new: str) -> str:
    """The response of soft tissue at one assessment; none: no such lesion at baseline.

    Not evaluable non-target lesions (NE) beside a target response of CR leave PR, as in table 1 of
    RECIST 1.1. The first case that applies:

    1. PD: target any, non-target any, new lesion yes.
    2. PD: target PD, non-target any, new lesion any.
    3. PD: target any, non-target PD, new lesion any.
    4. CR: target CR, non-target CR, new lesion any.
    5. CR: target CR, non-target none, new lesion any.
    6. PR: target CR, non-target any, new lesion any.
    7. PR: target PR, non-target any, new lesion any.
    8. SD: target SD, non-target any, new lesion any.
    9. NE: target NE, non-target any, new lesion any.
    10. CR: target none, non-target CR, new lesion any.
    11. NON-CR/NON-PD: target none, non-target NON-CR/NON-PD, new lesion any.
    12. NE: target none, non-target NE, new lesion any.
    13. NED: target none, non-target none, new lesion any.

    Examples
    --------
    >>> soft_tissue("SD", "NE", "N"), soft_tissue("CR", "NE", "N"), soft_tissue("CR", "CR", "Y")
    ('SD', 'PR', 'PD')
    """
    for *given, answer in SOFT_TISSUE:
        if all(g in (ANY, s) for g, s in zip(given, (target, non_target, new), strict=True)):
            return answer
    raise ValueError(f"no row of the table fits: {target!r}, {non_target!r}, {new!r}")


def overall(soft: str, bone: str, *, targets: bool) -> str:
    """The overall response of soft tissue and bone at one assessment.

    NED is no evidence of disease, PDu a progression that is not confirmed yet. The first case that
    applies:

    1. PD: soft tissue PD, bone any.
    2. PD: soft tissue any, bone PD.
    3. PDu: soft tissue PDu, bone any.
    4. NE: soft tissue NE, bone any.
    5. NON-CR/NON-PD: soft tissue NED, bone NON-PD.
    6. PDu: soft tissue NED, bone PDu.
    7. NE: soft tissue NED, bone any.
    8. CR: soft tissue CR, bone NED.
    9. PR: soft tissue CR, bone any (NON-CR/NON-PD where there are no targets to shrink).
    10. PR: soft tissue PR, bone any.
    11. SD: soft tissue SD, bone any.
    12. NON-CR/NON-PD: soft tissue NON-CR/NON-PD, bone any.

    Examples
    --------
    >>> overall("CR", "NON-PD", targets=True), overall("CR", "NON-PD", targets=False)
    ('PR', 'NON-CR/NON-PD')
    """
    for soft_given, bone_given, answer in OVERALL:
        if soft_given in (ANY, soft) and bone_given in (ANY, bone):
            return NON if soft == "CR" and answer == "PR" and not targets else answer
    raise ValueError(f"no row of the table fits: {soft!r}, {bone!r}")


class Sums(NamedTuple):
    """Sums of the target lesions in mm: at baseline, the smallest before, and now."""

    base: float
    nadir: float
    now: float


def target_response(sums: Sums, *, missing: bool, gone: bool, rule: Tumour) -> str:
    """The response of the target lesions at one assessment; the first case that applies.

    1. CR: every lesion is read, nodes are below `node_normal_mm` mm, all others are gone.
    2. PD: the sum is at least `progression_pct` percent and `progression_mm` mm above the smallest
       so far, the baseline included. Lesions not read could only add, so PD stands without them.
    3. NE: a lesion was not read.
    4. PR: the sum is at least `partial_pct` percent below the baseline.
    5. SD: everything else.

    Examples
    --------
    >>> rule = Tumour(
    ...     section="SAP 5.4", source="RECIST 1.1", evaluator="INVESTIGATOR", evaluator_id=None,
    ...     lesion_diameters=["LDIAM"], node_diameters=["LPERP"], too_small_mm=5.0, lesion_target_mm=10.0,
    ...     node_target_mm=15.0, node_normal_mm=10.0, partial_pct=30.0, progression_pct=20.0,
    ...     progression_mm=5.0, assessment_days=14, response_confirm_days=28, stable_after_days=42,
    ...     first_progression_confirm_days=0, targets_at_most=5, targets_per_organ_at_most=2)
    >>> target_response(Sums(100, 100, 70), missing=False, gone=False, rule=rule)
    'PR'
    >>> target_response(Sums(20, 20, 24), missing=False, gone=False, rule=rule)  # 20 %, but 4 mm
    'SD'
    """
    if gone and not missing:
        return "CR"
    more = round(sums.now - (1 + rule.progression_pct / 100) * sums.nadir, 9) >= 0
    if more and round(sums.now - sums.nadir - rule.progression_mm, 9) >= 0:
        return "PD"
    if missing:
        return "NE"
    return "PR" if round(sums.now - (1 - rule.partial_pct / 100) * sums.base, 9) <= 0 else "SD"


def first_progression(
    answers: Sequence[tuple[int, str]], rule: Tumour, *, targets: bool
) -> list[str]:
    """Soft-tissue answers when progression at the first assessment wants a second scan (PCWG2).

    With w `first_progression_confirm_days` days, the first case that applies:

    1. w is 0, or the first answer is not PD: the answers stand.
    2. The next evaluated assessment (not NE) at least w later is PD: the first answer stands.
    3. It is anything else: the first was no progression, SD where there are targets, NON-CR/NON-PD
       where there are none.
    4. There is none: PDu at the first. An assessment nearer than w keeps its own answer.

    Examples
    --------
    >>> rule = Tumour(
    ...     section="SAP 5.4", source="PCWG2", evaluator="INVESTIGATOR", evaluator_id=None,
    ...     lesion_diameters=["LDIAM"], node_diameters=["LPERP"], too_small_mm=5.0, lesion_target_mm=10.0,
    ...     node_target_mm=20.0, node_normal_mm=10.0, partial_pct=30.0, progression_pct=20.0,
    ...     progression_mm=5.0, assessment_days=14, response_confirm_days=28, stable_after_days=42,
    ...     first_progression_confirm_days=42, targets_at_most=5, targets_per_organ_at_most=2)
    >>> first_progression([(84, "PD"), (126, "PD")], rule, targets=True)
    ['PD', 'PD']
    >>> first_progression([(84, "PD"), (168, "SD")], rule, targets=True)
    ['SD', 'SD']
    >>> first_progression([(84, "PD"), (125, "PD")], rule, targets=True)
    ['PDu', 'PD']
    """
    said = [answer for _, answer in answers]
    wait = rule.first_progression_confirm_days
    if wait == 0 or said[:1] != ["PD"]:
        return said
    far = [answer for day, answer in answers if day - answers[0][0] >= wait and answer != "NE"]
    if not far:
        return ["PDu", *said[1:]]
    return said if far[0] == "PD" else ["SD" if targets else NON, *said[1:]]


def over_limit(organs: Sequence[str], rule: Tumour) -> int:
    """Whether more targets were chosen than the criteria allow.

    Such a choice departs from the protocol and is flagged; every target stays in the sum, because
    a choice made at baseline cannot be undone once it is known how each lesion went.

    0. No.
    1. More than `targets_at_most` in all.
    2. More than `targets_per_organ_at_most` in one organ; the lymph nodes are one organ.

    Examples
    --------
    >>> rule = Tumour(
    ...     section="SAP 5.4", source="RECIST 1.1", evaluator="INVESTIGATOR", evaluator_id=None,
    ...     lesion_diameters=["LDIAM"], node_diameters=["LPERP"], too_small_mm=5.0, lesion_target_mm=10.0,
    ...     node_target_mm=15.0, node_normal_mm=10.0, partial_pct=30.0, progression_pct=20.0,
    ...     progression_mm=5.0, assessment_days=14, response_confirm_days=28, stable_after_days=42,
    ...     first_progression_confirm_days=0, targets_at_most=5, targets_per_organ_at_most=2)
    >>> over_limit(["LIVER", "LIVER", "LUNG"], rule), over_limit(["LIVER"] * 3, rule)
    (0, 2)
    """
    if len(organs) > rule.targets_at_most:
        return 1
    most = max((organs.count(organ) for organ in organs), default=0)
    return 2 if most > rule.targets_per_organ_at_most else 0


class Scan(NamedTuple):
    """One bone scan: day after the start, new lesions so far, how many of them are still there."""

    day: int
    new: int
    there: int


def bone_responses(scans: Sequence[Scan], *, disease: bool, rule: Bone) -> list[str]:
    """The bone response at each scan, known afterwards; new lesions count against the baseline.

    With n `new_lesions` lesions and w `confirm_after_days` days, the first progression is looked
    for:

    1. The first scan lies in the flare window, to day `flare_window_days`, and shows n new
       lesions. The next scan at least w later shows n more: PD at the first scan. It does not: a
       flare, no progression. There is none: PDu.
    2. Any other scan shows n lesions more than the reference (the first scan when it lay in the
       flare window, else the baseline), and they persist: a scan at least w later still shows n of
       them. PD at the scan that showed them first. They are gone: no progression. There is no scan
       so much later: PDu.

    From the scan of the progression on, every scan is PD. A scan without suspicion is NON-PD, or
    NED when there was no bone disease at baseline and nothing new was seen.

    Examples
    --------
    >>> rule = Bone(section="SAP 5.4", source="PCWG3", new_lesions=2, flare_window_days=105,
    ...             confirm_after_days=42)
    >>> bone_responses([Scan(84, 2, 2), Scan(168, 4, 4)], disease=True, rule=rule)
    ['PD', 'PD']
    >>> bone_responses([Scan(84, 3, 3), Scan(168, 3, 3)], disease=True, rule=rule)
    ['NON-PD', 'NON-PD']
    """
    answers = []
    flare = bool(scans) and scans[0].day <= rule.flare_window_days
    for place, scan in enumerate(scans):
        if "PD" in answers:
            answers.append("PD")
            continue
        reference = scans[0].new if flare and place else 0
        suspect = scan.there - reference >= rule.new_lesions
        later = [s for s in scans[place + 1 :] if s.day - scan.day >= rule.confirm_after_days]
        if suspect and not later:
            answers.append("PDu")
        elif suspect and flare and place == 0:
            more = later[0].new - scan.new >= rule.new_lesions
            answers.append("PD" if more else "NON-PD")
        elif suspect and any(s.there - reference >= rule.new_lesions for s in later):
            answers.append("PD")
        else:
            answers.append("NON-PD" if disease or scan.new else "NED")
    return answers


class Best(NamedTuple):
    """A best overall response with the day it was reached and the case that decided."""

    answer: str
    day: pd.Timestamp | None
    case: int


def best_response(points: Points, start: pd.Timestamp, rule: Tumour, *, confirmed: bool) -> Best:
    """The best overall response of a course of treatment, from its assessments in order.

    Only assessments up to the first PD count; with confirmation the cases are those of table 3 of
    RECIST 1.1. The first case that applies:

    1. CR: a CR; when confirmed, with another CR at least `response_confirm_days` days later and
       only CR and NE between.
    2. PR: a PR or CR; when confirmed, with another PR or CR so much later and only PR, CR and NE
       between. A PR after a CR confirms neither.
    3. SD: CR, PR or SD at least `stable_after_days` days after the start; when confirmed, also SD on
       whatever day after a PR and no CR.
    4. NON-CR/NON-PD: that answer, at least `stable_after_days` days after the start.
    5. PD; when confirmed, also PR, SD or NON-CR/NON-PD after a CR: disease seen again after a CR is
       progression.
    6. NE: assessments, but none of these. PDu alone is not evaluable.
    7. NE: no assessment.

    Examples
    --------
    >>> rule = Tumour(
    ...     section="SAP 5.4", source="RECIST 1.1", evaluator="INVESTIGATOR", evaluator_id=None,
    ...     lesion_diameters=["LDIAM"], node_diameters=["LPERP"], too_small_mm=5.0, lesion_target_mm=10.0,
    ...     node_target_mm=15.0, node_normal_mm=10.0, partial_pct=30.0, progression_pct=20.0,
    ...     progression_mm=5.0, assessment_days=14, response_confirm_days=28, stable_after_days=42,
    ...     first_progression_confirm_days=0, targets_at_most=5, targets_per_organ_at_most=2)
    >>> day = pd.Timestamp
    >>> seen = [(day("2018-03-26"), "PR"), (day("2018-06-18"), "SD")]
    >>> best_response(seen, day("2018-01-01"), rule, confirmed=True).answer
    'SD'
    """
    days = [day for day, _ in points]
    answers = [answer for _, answer in points]
    if "PD" in answers:
        answers = answers[: answers.index("PD") + 1]
    for case, (name, enough) in enumerate((("CR", ("CR",)), ("PR", ("PR", "CR"))), start=1):
        for place, answer in enumerate(answers):
            if answer in enough and (
                not confirmed or _held(points, place, len(answers), enough, rule)
            ):
                return Best(name, days[place], case)
    least = start + pd.Timedelta(days=rule.stable_after_days)
    for case, name, enough in ((3, "SD", ("CR", "PR", "SD")), (4, NON, (NON,))):
        for place, answer in enumerate(answers):
            early = confirmed and case == 3 and _stable_after_response(answers, place)
            if answer in enough and (days[place] >= least or early):
                return Best(name, days[place], case)
    for place, answer in enumerate(answers):
        if answer == "PD" or (confirmed and _seen_again(answers, place)):
            return Best("PD", days[place], 5)
    return Best("NE", None, 6 if answers else 7)


def _stable_after_response(answers: Sequence[str], place: int) -> bool:
    before = answers[:place]
    return answers[place] == "SD" and "PR" in before and "CR" not in before


def _seen_again(answers: Sequence[str], place: int) -> bool:
    return "CR" in answers[:place] and answers[place] in ("PR", "SD", NON)


def _held(points: Points, place: int, end: int, enough: tuple[str, ...], rule: Tumour) -> bool:
    first, complete = points[place][0], points[place][1] == "CR"
    for day, answer in points[place + 1 : end]:
        if answer not in (*enough, "NE") or (complete and answer == "PR"):
            return False
        complete = complete or answer == "CR"
        if answer in enough and (day - first).days >= rule.response_confirm_days:
            return True
    return False


def non_target_response(states: Sequence[str]) -> str:
    """The response of the non-target lesions; the first case that applies.

    1. "": there is none.
    2. PD: one has progressed unequivocally.
    3. NE: one was not read.
    4. CR: all are gone, or normal nodes.
    5. NON-CR/NON-PD: everything else.
    """
    if not states:
        return ""
    for answer in ("PD", "NE"):
        if answer in states:
            return answer
    return "CR" if set(states) == {"CR"} else NON
