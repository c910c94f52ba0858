"""Rules of tumour response as tables and numbered cases; no function reads data.

Soft tissue follows RECIST 1.1 with the plan's thresholds (Eisenhauer 2009, Eur J Cancer 45:228) and,
where the plan requires it, the confirmed first progression of PCWG2 (Scher 2008, J Clin Oncol 26:1148);
bone follows the 2 + 2 rule of PCWG3 (Scher 2016, J Clin Oncol 34:1402).
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

# Soft tissue, bone: overall. CR with bone disease is PR only where there are target lesions.
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

    A target response of CR with non-target lesions that are not evaluable (NE) is PR, as in table 1
    of RECIST 1.1. The first case that applies:

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
    for *given, response in SOFT_TISSUE:
        if all(g in (ANY, s) for g, s in zip(given, (target, non_target, new), strict=True)):
            return response
    raise ValueError(f"no row of the table fits: {target!r}, {non_target!r}, {new!r}")


def overall(soft: str, bone: str, *, targets: bool) -> str:
    """The overall response of soft tissue and bone at one assessment.

    NED is no evidence of disease, PDu is unconfirmed progression. The first case that applies:

    1. PD: soft tissue PD, bone any.
    2. PD: soft tissue any, bone PD.
    3. PDu: soft tissue PDu, bone any.
    4. NE: soft tissue NE, bone any.
    5. NON-CR/NON-PD: soft tissue NED, bone NON-PD.
    6. PDu: soft tissue NED, bone PDu.
    7. NE: soft tissue NED, bone any.
    8. CR: soft tissue CR, bone NED.
    9. PR: soft tissue CR, bone any (NON-CR/NON-PD without target lesions).
    10. PR: soft tissue PR, bone any.
    11. SD: soft tissue SD, bone any.
    12. NON-CR/NON-PD: soft tissue NON-CR/NON-PD, bone any.

    Examples
    --------
    >>> overall("CR", "NON-PD", targets=True), overall("CR", "NON-PD", targets=False)
    ('PR', 'NON-CR/NON-PD')
    """
    for soft_given, bone_given, response in OVERALL:
        if soft_given in (ANY, soft) and bone_given in (ANY, bone):
            return NON if soft == "CR" and response == "PR" and not targets else response
    raise ValueError(f"no row of the table fits: {soft!r}, {bone!r}")


class Sums(NamedTuple):
    """Sums of the target lesions in mm: at baseline, the smallest before, and now."""

    base: float
    nadir: float
    now: float


def target_response(sums: Sums, *, missing: bool, resolved: bool, rule: Tumour) -> str:
    """The response of the target lesions at one assessment; the first case that applies.

    1. CR: every lesion is read, nodes are below `node_normal_mm` mm, all others have disappeared.
    2. PD: the sum is at least `progression_pct` percent and `progression_mm` mm above the nadir
       (baseline included). A lesion that was not read can only increase the sum.
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
    >>> target_response(Sums(100, 100, 70), missing=False, resolved=False, rule=rule)
    'PR'
    >>> target_response(Sums(20, 20, 24), missing=False, resolved=False, rule=rule)  # 20 %, but 4 mm
    'SD'
    """
    if resolved and not missing:
        return "CR"
    more = round(sums.now - (1 + rule.progression_pct / 100) * sums.nadir, 9) >= 0
    if more and round(sums.now - sums.nadir - rule.progression_mm, 9) >= 0:
        return "PD"
    if missing:
        return "NE"
    return "PR" if round(sums.now - (1 - rule.partial_pct / 100) * sums.base, 9) <= 0 else "SD"


def first_progression(
    responses: Sequence[tuple[int, str]], rule: Tumour, *, targets: bool
) -> list[str]:
    """Soft-tissue responses when PD at the first assessment requires confirmation (PCWG2).

    With w `first_progression_confirm_days` days, the first case that applies:

    1. w is 0, or the first response is not PD: no response is changed.
    2. The next evaluable assessment (not NE) at least w later is PD: no response is changed.
    3. That assessment is not PD: the first response becomes SD where there are target lesions,
       NON-CR/NON-PD where there are none.
    4. There is no such assessment: the first response becomes PDu. A response at an assessment less
       than w later is not changed.

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
    given = [response for _, response in responses]
    wait = rule.first_progression_confirm_days
    if wait == 0 or given[:1] != ["PD"]:
        return given
    later = [
        response
        for day, response in responses
        if day - responses[0][0] >= wait and response != "NE"
    ]
    if not later:
        return ["PDu", *given[1:]]
    return given if later[0] == "PD" else ["SD" if targets else NON, *given[1:]]


def over_limit(organs: Sequence[str], rule: Tumour) -> int:
    """Whether more target lesions were selected than the criteria allow.

    Such a selection departs from the protocol and is flagged; every target stays in the sum, because
    excluding one after the fact could depend on its later course.

    0. No.
    1. More than `targets_at_most` in total.
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
    """One bone scan: days since the start, new lesions so far, and how many of them persist."""

    day: int
    new: int
    persisting: int


def bone_responses(scans: Sequence[Scan], *, disease: bool, rule: Bone) -> list[str]:
    """The bone response at each scan, given all scans; new lesions are counted since baseline.

    With n `new_lesions` lesions and w `confirm_after_days` days, progression is defined by:

    1. The first scan is within the flare window (to day `flare_window_days`) and shows n or more
       new lesions. PD at the first scan when the next scan at least w later shows n or more
       additional new lesions; no progression (flare) when it does not; PDu when there is no such
       scan.
    2. Any other scan shows n or more new lesions over the reference (the first scan when it was
       within the flare window, else the baseline). PD at this scan when a scan at least w later
       still shows n or more of them; no progression when none does; PDu when there is no such scan.

    From the scan of the progression on, every scan is PD. A scan without progression is NON-PD, or
    NED when there was no bone disease at baseline and no new lesion.

    Examples
    --------
    >>> rule = Bone(section="SAP 5.4", source="PCWG3", new_lesions=2, flare_window_days=105,
    ...             confirm_after_days=42)
    >>> bone_responses([Scan(84, 2, 2), Scan(168, 4, 4)], disease=True, rule=rule)
    ['PD', 'PD']
    >>> bone_responses([Scan(84, 3, 3), Scan(168, 3, 3)], disease=True, rule=rule)
    ['NON-PD', 'NON-PD']
    """
    responses = []
    flare = bool(scans) and scans[0].day <= rule.flare_window_days
    for place, scan in enumerate(scans):
        if "PD" in responses:
            responses.append("PD")
            continue
        reference = scans[0].new if flare and place else 0
        suspect = scan.persisting - reference >= rule.new_lesions
        later = [s for s in scans[place + 1 :] if s.day - scan.day >= rule.confirm_after_days]
        if suspect and not later:
            responses.append("PDu")
        elif suspect and flare and place == 0:
            more = later[0].new - scan.new >= rule.new_lesions
            responses.append("PD" if more else "NON-PD")
        elif suspect and any(s.persisting - reference >= rule.new_lesions for s in later):
            responses.append("PD")
        else:
            responses.append("NON-PD" if disease or scan.new else "NED")
    return responses


class Best(NamedTuple):
    """A best overall response, the day it was reached and the case that applied."""

    response: str
    day: pd.Timestamp | None
    case: int


def best_response(points: Points, start: pd.Timestamp, rule: Tumour, *, confirmed: bool) -> Best:
    """The best overall response of a course of treatment, from its assessments in order.

    Only assessments up to the first PD count; with confirmation the cases are those of table 3 of
    RECIST 1.1. The first case that applies:

    1. CR: a CR; when confirmed, with another CR at least `response_confirm_days` days later and
       only CR and NE between.
    2. PR: a PR or CR; when confirmed, with another PR or CR at least as many days later and only
       PR, CR and NE between. A PR after a CR confirms neither.
    3. SD: CR, PR or SD at least `stable_after_days` days after the start; when confirmed, also SD on
       any day after a PR and no CR.
    4. NON-CR/NON-PD: that response at least `stable_after_days` days after the start.
    5. PD; when confirmed, also PR, SD or NON-CR/NON-PD after a CR: recurrence after a CR is
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
    >>> best_response(seen, day("2018-01-01"), rule, confirmed=True).response
    'SD'
    """
    days = [day for day, _ in points]
    responses = [response for _, response in points]
    if "PD" in responses:
        responses = responses[: responses.index("PD") + 1]
    for case, (name, accepted) in enumerate((("CR", ("CR",)), ("PR", ("PR", "CR"))), start=1):
        for place, response in enumerate(responses):
            if response in accepted and (
                not confirmed or _confirmed(points, place, len(responses), accepted, rule)
            ):
                return Best(name, days[place], case)
    least = start + pd.Timedelta(days=rule.stable_after_days)
    for case, name, accepted in ((3, "SD", ("CR", "PR", "SD")), (4, NON, (NON,))):
        for place, response in enumerate(responses):
            early = confirmed and case == 3 and _stable_after_response(responses, place)
            if response in accepted and (days[place] >= least or early):
                return Best(name, days[place], case)
    for place, response in enumerate(responses):
        if response == "PD" or (confirmed and _recurrence(responses, place)):
            return Best("PD", days[place], 5)
    return Best("NE", None, 6 if responses else 7)


def _stable_after_response(responses: Sequence[str], place: int) -> bool:
    before = responses[:place]
    return responses[place] == "SD" and "PR" in before and "CR" not in before


def _recurrence(responses: Sequence[str], place: int) -> bool:
    return "CR" in responses[:place] and responses[place] in ("PR", "SD", NON)


def _confirmed(
    points: Points, place: int, end: int, accepted: tuple[str, ...], rule: Tumour
) -> bool:
    first, complete = points[place][0], points[place][1] == "CR"
    for day, response in points[place + 1 : end]:
        if response not in (*accepted, "NE") or (complete and response == "PR"):
            return False
        complete = complete or response == "CR"
        if response in accepted and (day - first).days >= rule.response_confirm_days:
            return True
    return False


def non_target_response(states: Sequence[str]) -> str:
    """The response of the non-target lesions; the first case that applies.

    1. "": no non-target lesion.
    2. PD: unequivocal progression of a lesion.
    3. NE: a lesion was not read.
    4. CR: all lesions have disappeared or are lymph nodes of normal size.
    5. NON-CR/NON-PD: all others.
    """
    if not states:
        return ""
    for response in ("PD", "NE"):
        if response in states:
            return response
    return "CR" if set(states) == {"CR"} else NON
