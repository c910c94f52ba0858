"""Tumours, scan by scan: sums in exact fractions, each answer from a table written out, no data frame.

Written from the text of the plan (RECIST 1.1 for soft tissue, PCWG3 for bone, as section 9.7.1 prints
them), over TU, TR and RS as the extract has them. Only the course of study treatment is followed.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from sap.catalogue.locations import location
from sap.plan.entry import stated
from sap.plan.model import Plan, Tumour
from sap.qc.dates import Day, earliest
from sap.qc.psa import new_therapy
from sap.qc.subjects import Record, Subject, milestone

NON = "NON-CR/NON-PD"
PARTS = ("TRGRESP", "NTRGRESP", "NEWLPROG", "SFTSRESP", "BONERESP", "OVRLRESP")
BY_BONE_SCAN = ("BONE SCAN", "SCINTIGRAPHY")
IDENTIFIED = ("TUMIDENT", "LESIDENT")
TARGETS = ("TARGET", "TARGET NODAL", "TARGET EXTRA NODAL")
CERTAIN = ("PRESENT", "UNEQUIVOCAL", "UNEQUIVOCAL PROGRESSION")


@dataclass
class Lesion:
    """One lesion followed from baseline."""

    link: str
    node: bool
    on_bone_scan: bool
    base: Fraction | None = None
    is_target: bool = False


@dataclass
class Visit:
    """Readings that belong together, by the days they were made on."""

    first: Day
    last: Day
    tr: list[Record] = field(default_factory=list)
    rs: list[Record] = field(default_factory=list)
    tu: list[Record] = field(default_factory=list)


class TimePoint(NamedTuple):
    """The overall response at an assessment, and what it was read from.

    `total` is the sum of targets where all were read; `unconfirmed` whether a progression, overall
    or of bone, awaits its confirmation; `given` the overall response of the evaluator.
    """

    day: Day
    overall: str
    total: Fraction | None
    unconfirmed: bool
    given: str | None


class Course(NamedTuple):
    """What one subject's study treatment came to."""

    best: str
    confirmed: str
    investigator: str
    change: float | None
    measurable: bool
    recorded: bool  # a lesion at baseline
    assessed: bool
    too_many: bool | None
    time_points: list[TimePoint]


def evaluator_records(rows: list[Record], stem: str, rule: Tumour) -> list[Record]:
    """The records of the evaluator the plan names."""
    kept = []
    for row in rows:
        who = row.get(f"{stem}EVAL")
        if who is None and rule.evaluator == "INVESTIGATOR":
            who = "INVESTIGATOR"
        if who == rule.evaluator:
            kept.append(row)
    if rule.evaluator_id is not None:
        return [row for row in kept if row.get(f"{stem}EVALID") == rule.evaluator_id]
    taken = [row for row in kept if row.get(f"{stem}ACPTFL") == "Y"]
    return taken or kept


def _dated(rows: list[Record], stem: str) -> list[tuple[Day, Record]]:
    made = [(earliest(row.get(f"{stem}DTC")), row) for row in rows]
    return [(day, row) for day, row in made if day is not None]


def _what(row: Record) -> str | None:
    return row.get("TUSTRESC") or row.get("TUORRES")


def _is_node(row: Record) -> bool:
    if _what(row) in ("TARGET NODAL", "TARGET EXTRA NODAL"):
        return _what(row) == "TARGET NODAL"
    place = location(row.get("TULOC"))
    return place is not None and place.node


def _mm(rows: list[Record], rule: Tumour, *, node: bool) -> Fraction | None:
    """What a lesion measures by some readings: a diameter, 0 where absent, the size of too small."""
    codes = rule.node_diameters if node else rule.lesion_diameters
    for code in codes:
        for row in rows:
            number = row.get("TRSTRESN")
            if row.get("TRTESTCD") == code and number is not None and number == number:  # noqa: PLR0124
                return Fraction(repr(float(number)))
    words = set()
    for row in rows:
        if row.get("TRTESTCD") in (
            "TUMSTATE",
            "LNSTATE",
            *rule.node_diameters,
            *rule.lesion_diameters,
        ):
            words |= {row.get("TRSTRESC"), row.get("TRORRES"), row.get("TRREASND")}
    if "ABSENT" in words:
        return Fraction(0)
    return Fraction(repr(float(rule.too_small_mm))) if "TOO SMALL TO MEASURE" in words else None


def _at_baseline(tu: list[tuple[Day | None, Record]], tr: list[tuple[Day, Record]], start: Day, begin: Day | None, rule: Tumour) -> list[Lesion]:  # fmt: skip
    followed = []
    kinds = (*TARGETS, "NON-TARGET", "NON-MEASURABLE", "NEW")
    for day, row in tu:
        if row.get("TUTESTCD") not in IDENTIFIED or _what(row) not in kinds:
            continue
        if (day is not None and day > start) or (
            begin is not None and (day is None or day < begin)
        ):
            continue
        link = str(row.get("TULNKID"))
        lesion = Lesion(link, _is_node(row), row.get("TUMETHOD") in BY_BONE_SCAN)
        early = sorted({d for d, r in tr if r.get("TRLNKID") == link and d <= start})
        for when in early:  # the last one that has a size stays
            there = [r for d, r in tr if r.get("TRLNKID") == link and d == when]
            size = _mm(there, rule, node=lesion.node)
            lesion.base = lesion.base if size is None else size
        least = rule.node_target_mm if lesion.node else rule.lesion_target_mm
        named = _what(row) in TARGETS
        lesion.is_target = named and lesion.base is not None and lesion.base >= least
        followed.append(lesion)
    return followed


def _visits(events: list[tuple[Day, str, str, Record]], rule: Tumour) -> list[Visit]:
    """The readings after the first dose, day by day: near ones together, a second look apart."""
    visits: list[Visit] = []
    questions: dict[str, Day] = {}
    for day, domain, question, row in sorted(events, key=lambda e: e[0]):
        again = question in questions and questions[question] < day
        if not visits or again or (day - visits[-1].first).days > rule.assessment_days:
            visits.append(Visit(day, day))
            questions = {}
        questions.setdefault(question, day)
        here = visits[-1]
        here.last = day
        (here.tr if domain == "TR" else here.rs if domain == "RS" else here.tu).append(row)
    return visits


def _links(text: str | None) -> list[str]:
    for mark in "/+,&;":
        text = (text or "").replace(mark, " ")
    return (text or "").split()


class Tree:
    """Which lesions split into which, and which merged into which, as TU names them."""

    def __init__(self, tu: list[Record]) -> None:
        own = [str(r.get("TULNKID")) for r in tu if r.get("TUTESTCD") in IDENTIFIED]
        self.parts: dict[str, list[str]] = {}
        self.into: dict[str, tuple[str, set[str]]] = {}
        for row in tu:
            link, group = str(row.get("TULNKID")), row.get("TUGRPID")
            if row.get("TUTESTCD") == "TUSPLIT":
                for parent in dict.fromkeys((link.rpartition(".")[0], group)):
                    self.parts.setdefault(str(parent), []).append(link)
            elif row.get("TUTESTCD") == "TUMERGE":
                named = {*_links(link), *_links(group)}
                if group is not None:
                    named |= {
                        str(r.get("TULNKID"))
                        for r in tu
                        if r is not row and r.get("TUGRPID") == group
                    }
                for parent in set(own) & named:
                    self.into[parent] = (link, named)


def _target_sizes(visit: Visit, lesion: Lesion, targets: list[Lesion], tree: Tree, rule: Tumour) -> list[tuple[Fraction | None, bool]]:  # fmt: skip
    """Every size of a target at a visit, and whether it counts in the sum: of merged ones the first."""

    def of(link: str) -> list[Record]:
        return [row for row in visit.tr if row.get("TRLNKID") == link]

    parts = tree.parts.get(lesion.link, [])
    if any(of(part) for part in parts):
        return [(_mm(of(part), rule, node=lesion.node), True) for part in parts]
    merged, parents = tree.into.get(lesion.link, ("", set[str]()))
    if merged and of(merged):
        first = min(other.link for other in targets if other.link in parents)
        return [(_mm(of(merged), rule, node=lesion.node), lesion.link == first)]
    return [(_mm(of(lesion.link), rule, node=lesion.node), True)]


def _targets(visit: Visit, targets: list[Lesion], tree: Tree, low: Fraction, rule: Tumour) -> tuple[str, Fraction | None]:  # fmt: skip
    """Target response and sum at a visit; `low` is the smallest sum so far."""
    if not targets:
        return "", None
    total, unread, left = Fraction(0), False, False
    for lesion in targets:
        for size, counts in _target_sizes(visit, lesion, targets, tree, rule):
            if size is None:
                unread = True
                continue
            total += size if counts else 0
            left |= size >= rule.node_normal_mm if lesion.node else size != 0
    if not unread and not left:
        return "CR", total
    base = sum((lesion.base or Fraction(0) for lesion in targets), Fraction(0))
    grown = total - low
    if (
        grown >= Fraction(rule.progression_mm)
        and grown * 100 >= Fraction(rule.progression_pct) * low
    ):
        return "PD", None if unread else total
    if unread:
        return "NE", None
    fallen = (base - total) * 100 >= Fraction(rule.partial_pct) * base
    return ("PR" if fallen else "SD"), total


def _one_other(visit: Visit, lesion: Lesion, rule: Tumour) -> str:
    rows = [row for row in visit.tr if row.get("TRLNKID") == lesion.link]
    states = [row.get("TRSTRESC") for row in rows if row.get("TRTESTCD") in ("TUMSTATE", "LNSTATE")]
    if "UNEQUIVOCAL" in states or "UNEQUIVOCAL PROGRESSION" in states:
        return "worse"
    if "ABSENT" in states or "NON-PATHOLOGICAL" in states:
        return "gone"
    there = ("PRESENT", "ENLARGEMENT", "ENLARGEMENT FROM NADIR", "EQUIVOCAL", "PATHOLOGICAL")
    if any(state in (*there, "TOO SMALL TO MEASURE") for state in states):
        return "there"
    size = _mm(rows, rule, node=lesion.node)
    if size is None:
        return "unread"
    return "gone" if size == 0 or (lesion.node and size < rule.node_normal_mm) else "there"


def _others(visit: Visit, others: list[Lesion], rule: Tumour) -> str:
    states = {_one_other(visit, lesion, rule) for lesion in others}
    for state, answer in (("worse", "PD"), ("unread", "NE"), ("there", NON), ("gone", "CR")):
        if state in states:
            return answer
    return ""


def soft(target: str, other: str, *, new: bool) -> str:
    """Tables 1 and 2 of RECIST 1.1, read from the worst answer down."""
    if new or "PD" in (target, other):
        return "PD"
    if target in ("NE", "SD", "PR"):
        return target
    if target == "CR":
        return "CR" if other in ("CR", "") else "PR"
    return other or "NED"


def together(tissue: str, bone: str, *, targets: bool) -> str:
    """Soft tissue and bone as PCWG3 puts them together."""
    if "PD" in (tissue, bone):
        return "PD"
    if tissue == "PDu" or tissue == "NE":
        return tissue
    if tissue == "NED":
        return {"NON-PD": NON, "PDu": "PDu"}.get(bone, "NE")
    if tissue == "CR" and bone != "NED":
        return "PR" if targets else NON
    return tissue


def _bone(visits: list[Visit], followed: list[Lesion], new: list[tuple[Day, Record]], start: Day, plan: Plan) -> list[str]:  # fmt: skip
    """Bone scan by bone scan: two new, then two more or two that stay."""
    rule = stated(plan.bone)
    disease = [lesion.link for lesion in followed if lesion.on_bone_scan]
    later = [str(row.get("TULNKID")) for _, row in new]
    scans: list[tuple[int, int, int, int]] = []  # place, day, new so far, new still there
    for place, visit in enumerate(visits):
        read = [r for r in visit.tr if r.get("TRLNKID") in (*disease, *later) and _is_read(r)]
        read += [r for r in visit.tu if str(r.get("TULNKID")) in later]
        if read or (not disease and visit.tr):
            seen = [str(row.get("TULNKID")) for day, row in new if day <= visit.last]
            gone = {r.get("TRLNKID") for r in visit.tr if r.get("TRSTRESC") == "ABSENT"}
            there = sum(1 for link in seen if link not in gone)
            scans.append((place, (visit.first - start).days, len(seen), there))
    responses = ["NE"] * len(visits)
    flare = bool(scans) and scans[0][1] <= rule.flare_window_days
    progressed = False
    for at, (place, day, count, there) in enumerate(scans):
        compared = scans[0][2] if flare and at > 0 else 0
        far = [scan for scan in scans[at + 1 :] if scan[1] >= day + rule.confirm_after_days]
        answer = "NON-PD" if disease or count else "NED"
        if there - compared >= rule.new_lesions:
            if not far:
                answer = "PDu"
            elif flare and at == 0:
                answer = "PD" if far[0][2] - count >= rule.new_lesions else "NON-PD"
            elif max(scan[3] for scan in far) - compared >= rule.new_lesions:
                answer = "PD"
        progressed |= answer == "PD"
        responses[place] = "PD" if progressed else answer
    return responses


def _is_read(row: Record) -> bool:
    return row.get("TRSTRESC") not in (None, "NOT DONE", "NOT EVALUABLE")


def _sure(link: str, visits: list[Visit]) -> bool:
    """Whether a new lesion is one: not if it was only ever EQUIVOCAL."""
    rows = [row for visit in visits for row in visit.tr if row.get("TRLNKID") == link]
    for row in rows:
        if row.get("TRSTRESC") in CERTAIN or (row.get("TRSTRESN") or 0) > 0:
            return True
    return not any(row.get("TRSTRESC") == "EQUIVOCAL" for row in rows)


def _first_progression(softs: list[tuple[int, str]], rule: Tumour, *, targets: bool) -> list[str]:
    answers = [answer for _, answer in softs]
    wait = rule.first_progression_confirm_days
    if not wait or not answers or answers[0] != "PD":
        return answers
    for day, answer in softs:
        if day >= softs[0][0] + wait and answer != "NE":
            other = "SD" if targets else NON
            return answers if answer == "PD" else [other, *answers[1:]]
    return ["PDu", *answers[1:]]


def _by_lesions(visits: list[Visit], followed: list[Lesion], tu: list[Record], new: list[tuple[Day, Record]], start: Day, plan: Plan) -> list[TimePoint]:  # fmt: skip
    rule = plan.tumour
    targets = [lesion for lesion in followed if lesion.is_target]
    apart = plan.bone is not None  # whether bone scans have a rule of their own
    others = [
        lesion
        for lesion in followed
        if not lesion.is_target and not (apart and lesion.on_bone_scan)
    ]
    of_bone = [(day, row) for day, row in new if apart and row.get("TUMETHOD") in BY_BONE_SCAN]
    of_soft = [one for one in new if one not in of_bone]
    tree = Tree(tu)
    low = sum((lesion.base or Fraction(0) for lesion in targets), Fraction(0))
    softs, totals = [], []
    for visit in visits:
        target, total = _targets(visit, targets, tree, low, rule)
        low = low if total is None else min(low, total)
        new_links = [str(row.get("TULNKID")) for day, row in of_soft if day <= visit.last]
        appeared = any(_sure(link, visits) for link in new_links)
        answer = soft(target, _others(visit, others, rule), new=appeared)
        softs.append(((visit.first - start).days, answer))
        totals.append(total)
    tissue = _first_progression(softs, rule, targets=bool(targets))
    bones = _bone(visits, followed, of_bone, start, plan) if apart else [""] * len(visits)
    time_points = []
    for visit, answer, bone, total in zip(visits, tissue, bones, totals, strict=True):
        overall = together(answer, bone, targets=bool(targets)) if apart else answer
        unconfirmed = "PDu" in (overall, bone)
        day = _day(visit, overall)
        time_points.append(TimePoint(day, overall, total, unconfirmed, _given(visit)))
    return time_points


def _day(visit: Visit, overall: str) -> Day:
    """The day of an assessment.

    SAP 5.4: "The day of an assessment is its first day when the overall response is PD, else its
    last day."
    """
    return visit.first if overall == "PD" else visit.last


def _given(visit: Visit) -> str | None:
    """The overall response of the evaluator at an assessment."""
    given = [row.get("RSSTRESC") for row in visit.rs if row.get("RSTESTCD") == "OVRLRESP"]
    return given[-1] if given else None


def _by_responses(visits: list[Visit], new: list[tuple[Day, Record]]) -> list[TimePoint]:
    """Without a lesion at baseline: the responses of the evaluator, component by component."""
    time_points = []
    for visit in visits:
        reported = {row["RSTESTCD"]: _response(row) for row in visit.rs}
        appeared = any(day <= visit.last for day, _ in new)
        parts = {
            code: {"NED": "", "NOT ALL EVALUATED": "NE"}.get(
                reported.get(code, ""), reported.get(code, "")
            )
            for code in ("TRGRESP", "NTRGRESP")
        }
        tissue = "PD" if appeared else reported.get("SFTSRESP", "")
        if not tissue and (parts["TRGRESP"] or parts["NTRGRESP"] or "NEWLPROG" in reported):
            by_word = reported.get("NEWLPROG") in ("Y", "UNEQUIVOCAL")
            tissue = soft(parts["TRGRESP"], parts["NTRGRESP"], new=by_word)
        overall = reported.get("OVRLRESP", "")
        if tissue and ("BONERESP" in reported or not overall or appeared):
            targets = "TRGRESP" not in reported or bool(parts["TRGRESP"])
            overall = together(tissue, reported.get("BONERESP", "NE"), targets=targets)
        overall = overall or "NE"
        day = _day(visit, overall)
        unconfirmed = "PDu" in (overall, reported.get("BONERESP"))
        time_points.append(TimePoint(day, overall, None, unconfirmed, _given(visit)))
    return time_points


def _response(row: Record) -> str:
    return str(row.get("RSSTRESC") or "NE")


def best(time_points: list[tuple[Day, str]], start: Day, rule: Tumour, *, confirmed: bool) -> str:
    """The best answer before the first progression; confirmed: table 3 of RECIST 1.1."""
    seen: list[tuple[Day, str]] = []
    for day, answer in time_points:
        seen.append((day, answer))
        if answer == "PD":
            break
    if not confirmed:
        words = [answer for _, answer in seen]
        if "CR" in words or "PR" in words:
            return "CR" if "CR" in words else "PR"
    else:
        pairs = [
            (a, b, [w for _, w in seen[i + 1 : i + k + 1]])
            for i, (one, a) in enumerate(seen)
            for k, (two, b) in enumerate(seen[i + 1 :])
            if (two - one).days >= rule.response_confirm_days
        ]
        if any(a == b == "CR" and set(between) <= {"CR", "NE"} for a, b, between in pairs):
            return "CR"
        if any(_partial(a, b, between) for a, b, between in pairs):
            return "PR"
    return _no_response(seen, start, rule, confirmed=confirmed)


def _partial(first: str, last: str, between: list[str]) -> bool:
    if {first, last} - {"PR", "CR"} or set(between) - {"PR", "CR", "NE"}:
        return False
    order = [word for word in (first, *between, last) if word != "NE"]
    return order == sorted(order, reverse=True)  # PR before CR, never after it


def _no_response(seen: list[tuple[Day, str]], start: Day, rule: Tumour, *, confirmed: bool) -> str:
    long_enough = start + dt.timedelta(days=rule.stable_after_days)
    words = [answer for _, answer in seen]
    kept = {answer for day, answer in seen if day >= long_enough}
    back = confirmed and "CR" in words and bool({"PR", "SD", NON} & set(words[words.index("CR") :]))
    stable = False
    for place, word in enumerate(words):
        before = words[:place]
        stable |= confirmed and word == "SD" and "PR" in before and "CR" not in before
    if kept & {"CR", "PR", "SD"} or stable:
        return "SD"
    if NON in kept:
        return NON
    return "PD" if "PD" in words or back else "NE"


class Scans(NamedTuple):
    """The tumour assessments of one course of treatment.

    `time_points` are in the order of their days, all of them, also after a new therapy; `lesions`
    are those at baseline; `rs` are the responses of the evaluator.
    """

    time_points: list[TimePoint]
    lesions: list[Lesion]
    chosen: list[Record]
    rs: list[Record]
    has_baseline: bool


def scans(domains: Mapping[str, list[Record]], start: Day, begin: Day | None, plan: Plan) -> Scans:
    """The assessments after `start`, the first day of a course; its records begin with `begin`.

    SAP 5.4, Assessment at baseline (the case without TU in the data concerns all subjects):
    "2 A reading of TU or TR on or before the first dose, of this course."
    "3 No record of the patient in TU, but an assessment by the evaluator: there was a scan."
    """
    rule = plan.tumour
    tu_rows = evaluator_records(domains.get("tu", []), "TU", rule)
    tr = _dated(evaluator_records(domains.get("tr", []), "TR", rule), "TR")
    rs_rows = evaluator_records(domains.get("rs", []), "RS", rule)
    rs_rows = [row for row in rs_rows if row.get("RSSTRESC") or row.get("RSSTAT") == "NOT DONE"]
    first_read: dict[str, Day] = {}
    for day, row in tr:
        link = str(row.get("TRLNKID"))
        first_read[link] = min(day, first_read.get(link, day))
    tu = [(earliest(r.get("TUDTC")) or first_read.get(str(r.get("TULNKID"))), r) for r in tu_rows]
    followed = _at_baseline(tu, tr, start, begin, rule)
    new = [(day, row) for day, row in tu if day is not None and day > start and is_new(row)]
    of_rs = [(day, row) for day, row in _dated(rs_rows, "RS") if row.get("RSTESTCD") in PARTS]
    events = [(day, "RS", f"RS {row['RSTESTCD']}", row) for day, row in of_rs]
    events += [(day, "TU", f"TU {row.get('TULNKID')}", row) for day, row in new]
    readings = [(day, "TR", f"TR {r.get('TRLNKID')} {r['TRTESTCD']}", r) for day, r in tr]
    events = (readings if followed else []) + events
    visits = _visits([event for event in events if event[0] > start], rule)
    if followed:
        time_points = _by_lesions(visits, followed, tu_rows, new, start, plan)
    else:
        time_points = _by_responses(visits, new)
    days = [day for day, _ in tu] + [day for day, _ in tr]
    at_baseline = [d for d in days if d is not None and d <= start and (not begin or d >= begin)]
    return Scans(
        sorted(time_points, key=lambda point: point.day),
        followed,
        [row for day, row in tu if _is_chosen(day, row, start, begin)],
        rs_rows,
        bool(at_baseline) or (not domains.get("tu") and bool(time_points)),
    )


def _is_chosen(day: Day | None, row: Record, start: Day, begin: Day | None) -> bool:
    """Whether a lesion was identified as a target at baseline."""
    if row.get("TUTESTCD") not in IDENTIFIED or _what(row) not in TARGETS:
        return False
    return not (day is not None and day > start) and not (
        begin is not None and (day is None or day < begin)
    )


def course(subject: Subject, domains: Mapping[str, list[Record]], plan: Plan) -> Course:
    """One treated subject, from the records to the best responses.

    SAP 5.4, Tumour answers: "BOR and BORC: the best overall response without and with confirmation,
    from the assessments on or before the day of a new therapy."
    """
    rule, start = plan.tumour, subject.first_dose
    assert start is not None
    of_course = scans(domains, start, begin_of(subject, domains), plan)
    followed = of_course.lesions
    kept = before_new_therapy(of_course.time_points, new_therapy(subject, domains.get("cm", [])))
    overall = [(t.day, t.overall) for t in kept]
    base = sum((x.base or Fraction(0) for x in followed if x.is_target), Fraction(0))
    sums = [t.total for t in kept if t.total is not None] if base else []
    given = [_response(row) for row in of_course.rs if row.get("RSTESTCD") == "BESTRESP"]
    return Course(
        best(overall, start, rule, confirmed=False),
        best(overall, start, rule, confirmed=True),
        given[-1] if given else "NE",
        float(100 * (min(sums) - base) / base) if sums else None,
        any(x.is_target for x in followed) or (not followed and _judged(of_course.rs)),
        bool(followed),
        bool(of_course.time_points),
        too_many_targets(of_course.chosen, rule) if _has_target(of_course) else None,
        of_course.time_points,
    )


def _has_target(of_course: Scans) -> bool:
    """Whether a target was assessed."""
    return bool(of_course.time_points) and any(x.is_target for x in of_course.lesions)


def too_many_targets(chosen: list[Record], rule: Tumour) -> bool:
    """Whether more targets were chosen than the criteria allow.

    SAP 5.4, Number of target lesions: "1 More than `targets_at_most` in all." "2 More than
    `targets_per_organ_at_most` in one organ; the lymph nodes are one organ."
    """
    organs = []
    for row in chosen:
        place = location(row.get("TULOC"))
        organ = place.organ if place is not None else str(row.get("TULOC"))
        organs.append("LYMPH NODE" if _is_node(row) else organ)
    most = max((organs.count(organ) for organ in organs), default=0)
    return len(organs) > rule.targets_at_most or most > rule.targets_per_organ_at_most


def before_new_therapy(time_points: list[TimePoint], therapy: Day | None) -> list[TimePoint]:
    """The assessments on or before the day of a new therapy."""
    return [point for point in time_points if therapy is None or point.day <= therapy]


def first_of_confirmed_response(time_points: list[TimePoint], rule: Tumour) -> Day | None:
    """The first assessment of a confirmed CR or PR; None without one.

    SAP 5.4, Best overall response: "Only assessments up to the first PD count". "CR: a CR; when
    confirmed, with another CR at least `response_confirm_days` days later and only CR and NE
    between." "PR: a PR or CR; when confirmed, with another PR or CR so much later and only PR, CR
    and NE between. A PR after a CR confirms neither."
    """
    points = [(point.day, point.overall) for point in time_points]
    for place, (day, first) in enumerate(_up_to_progression(points)):
        later = _up_to_progression(points)[place + 1 :]
        for at, (other, last) in enumerate(later):
            between = [overall for _, overall in later[:at]]
            far = (other - day).days >= rule.response_confirm_days
            complete = first == last == "CR" and set(between) <= {"CR", "NE"}
            if far and (complete or _partial(first, last, between)):
                return day
    return None


def _up_to_progression(points: list[tuple[Day, str]]) -> list[tuple[Day, str]]:
    for place, (_, overall) in enumerate(points):
        if overall == "PD":
            return points[: place + 1]
    return points


def is_new(row: Record) -> bool:
    """Whether a record of TU is a new lesion."""
    code = row.get("TUTESTCD")
    return code == "NEWTUMOR" or (code in IDENTIFIED and _what(row) == "NEW")


def _judged(rs: list[Record]) -> bool:
    reported = {row.get("RSSTRESC") for row in rs if row.get("RSTESTCD") == "TRGRESP"}
    return bool(reported & {"CR", "PR", "SD", "PD"})


def begin_of(subject: Subject, domains: Mapping[str, list[Record]]) -> Day | None:
    """The day from which records belong to the course of a subject treated through re-screening."""
    if not subject.treated_again:
        return None
    consent = milestone(domains.get("ds", []), "RE-SCREENING CONSENT OBTAINED")
    drawn = subject.second.day if subject.second is not None else None
    days = [day for day in (consent, drawn, subject.again_allocated) if day is not None]
    return min(days) if days else None
