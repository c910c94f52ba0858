"""Scans: lesions identified (tu), measured (tr) and assessed by the investigator (rs)."""

from dataclasses import dataclass

from numpy.random import Generator

from sap.simulate.subject import Episode, Subject, between, chance, iso

NON_PD, CR, PR, SD, PD, NE = "NON-CR/NON-PD", "CR", "PR", "SD", "PD", "NE"


@dataclass(frozen=True)
class Pattern:
    """A course of the tumours, scan by scan after baseline.

    `targets` is the proportion of the baseline size; `bone` the number of new lesions on the bone scan
    at each scan; `new` the new soft-tissue lesions; `worse` the scan with unequivocal progression of
    the non-target disease; `assessed` the overall response of the investigator. `others` has the states
    of a non-target soft-tissue lesion (empty text: not read); an empty tuple: no such lesion. `vanish`
    is the scan from which new bone lesions have disappeared, `bone_unread` the one without a bone
    scan, `repeat` the one whose targets are read twice. `differs` is the scan and the kind (`_assess`)
    of a discordant assessment by the investigator, and excludes others; with None they are random.
    """

    targets: tuple[float, ...]
    assessed: tuple[str, ...]
    bone: tuple[int, ...] = (0, 0, 0)
    new: tuple[int, ...] = (0, 0, 0)
    worse: int | None = None
    nodes_only: bool = False
    soft: bool = True
    bone_disease: bool = True
    unread: bool = False
    others: tuple[str, ...] | None = None
    vanish: int | None = None
    bone_unread: int | None = None
    repeat: int | None = None
    many: bool = False
    differs: tuple[int, float] | None = None
    recorded: bool = True


PATTERNS: dict[str, Pattern] = {
    "stable": Pattern((0.95, 0.92, 1.0), (SD, SD, SD)),
    "partial": Pattern((0.60, 0.50, 0.52), (PR, PR, PR), differs=(1, 0.5)),
    "partial unconfirmed": Pattern((0.66, 0.74, 0.78), (PR, SD, SD)),
    "complete": Pattern((0.0, 0.0, 0.0), (CR, CR, CR), bone_disease=False),
    "target": Pattern((1.35, 1.6, 1.9), (PD, PD, PD), differs=(1, 0.8)),
    "target later": Pattern((0.85, 1.25, 1.5), (SD, PD, PD), repeat=1),
    "targets gone": Pattern((0.0, 0.0, 0.0), (PR, PR, PR), others=()),
    "targets gone, others stay": Pattern((0.0, 0.0, 0.0), (PR, PR, PR), others=("PRESENT",) * 3),
    "non-target only": Pattern((), (NE, NON_PD, NON_PD), others=("", "ABSENT", "PRESENT")),
    "many lesions": Pattern((0.95, 0.92, 1.0), (SD, SD, SD), many=True),
    "not recorded": Pattern((0.95, 0.92, 1.0), (SD, SD, SD), recorded=False),
    "new lesion": Pattern((1.0, 1.05, 1.1), (PD, PD, PD), new=(1, 1, 0)),
    "non-target": Pattern((0.97, 1.0, 1.0), (PD, PD, PD), worse=1),
    "bone progression": Pattern((0.98, 1.0, 1.0), (SD, PD, PD), bone=(2, 2, 1)),
    "bone flare": Pattern((0.90, 0.85, 0.85), (SD, SD, SD), bone=(3, 0, 0)),
    "bone unconfirmed": Pattern((1.0,), (SD,), bone=(2,)),
    "bone later": Pattern((0.95, 0.95, 1.0), (SD, SD, PD), bone=(0, 2, 1)),
    "bone late and unconfirmed": Pattern((0.95, 0.95), (SD, SD), bone=(0, 2)),
    "bone lesions vanish": Pattern((0.95, 0.95, 0.95), (SD, SD, SD), bone=(0, 2, 0), vanish=3),
    "bone only": Pattern((), (NON_PD, NON_PD, NON_PD), soft=False),
    "bone only, unconfirmed": Pattern((), (NE,), bone=(2,), soft=False),
    "bone only, not read": Pattern((), (NE, NON_PD, NON_PD), soft=False, bone_unread=1),
    "large nodes": Pattern((1.34, 1.4, 1.5), (PD, PD, PD), nodes_only=True, differs=(0, 0.0)),
    "not evaluated": Pattern((0.95, 0.95, 1.0), (NE, SD, SD), unread=True),
    "none": Pattern((), ()),
    "no scan": Pattern((), ()),
    "missed": Pattern((), ()),
}


@dataclass(frozen=True)
class Lesion:
    """One lesion; of a lymph node the short axis is measured."""

    link: str
    kind: str
    place: str
    method: str
    size: float = 0.0

    @property
    def node(self) -> bool:
        return self.place.endswith("LYMPH NODE")

    @property
    def side(self) -> str | None:
        """The laterality of a paired organ (TULAT), which is not part of the location."""
        sides = ("RIGHT", "LEFT")
        return sides[int(self.link[-2:]) % 2] if self.place in ("LUNG", "RIB") else None


def scan(subject: Subject, episode: Episode) -> None:
    """Baseline scans and those after four and eight cycles, at the stop and three months later."""
    if episode.scenario.tumour == "no scan":
        return
    rng = subject.stream("tumours", episode.part)
    pattern = PATTERNS[episode.scenario.tumour]
    lesions = _baseline_lesions(pattern, rng, episode.part)
    day = max(episode.consent, episode.first - between(rng, 1, 12))
    day = min(day, episode.first)
    lesions = lesions if pattern.recorded else []
    for lesion in lesions:
        _identify(
            subject, lesion, "TUMIDENT", "SCREENING" if episode.part == 0 else "RE-SCREENING", day
        )
        _measure(subject, lesion, 1.0, ("SCREENING" if episode.part == 0 else "RE-SCREENING", day))
    responses = []
    for number, (visit, when) in enumerate(_scans(episode, pattern, rng), start=1):
        lesions += _new_lesions(subject, pattern, number, (visit, when), episode.part)
        unread = pattern.unread and number == 1
        for lesion in lesions:
            if lesion.kind != "NEW" or number > 1:
                _follow(subject, lesion, pattern, number, (visit, when, unread))
        if pattern.repeat == number:
            for lesion in (lesion for lesion in lesions if lesion.kind == "TARGET"):
                _measure(subject, lesion, pattern.targets[number - 1], (visit, when + 6))
        responses.append(_assess(subject, pattern, number, (visit, when), rng))
    _best(subject, responses, episode)
    if "clinical" in episode.scenario.marks:
        _write_response(subject, "CLINPROG", "Y", ("END OF TREATMENT", episode.stop), "CLINICAL")


def _scans(episode: Episode, pattern: Pattern, rng: Generator) -> list[tuple[str, int]]:
    """Visit and day of each scan of the pattern."""
    early, late = between(rng, 1, 5), between(rng, 1, 5)
    given, scans = len(episode.infusions), []
    if given >= 4:
        after = episode.infusions[4] - early if given > 4 else episode.last + 18
        scans.append(("CYCLE 4", after))
    if given >= 8:
        after = episode.infusions[8] - late if given > 8 else episode.last + 18
        scans.append(("CYCLE 8", after))
    if scans and scans[-1][1] < episode.stop - 40:
        scans.append(("END OF TREATMENT", episode.stop))
    if given < 4 and given > 1:
        scans.append(("END OF TREATMENT", episode.stop))
    if scans:
        scans.append(("FOLLOW-UP 1", max(scans[-1][1], episode.stop) + 84))
    return scans[: len(pattern.assessed)]


def _baseline_lesions(pattern: Pattern, rng: Generator, part: int) -> list[Lesion]:
    """Targets, non-target disease and the bone lesions; a second course numbers from 21."""
    start, lesions = 20 * part, []
    marks, sizes = rng.random(4), rng.random(4)
    if pattern.nodes_only:
        spots = [
            ("COMMON ILIAC LYMPH NODE", 15 + 4 * sizes[0]),
            ("RETROPERITONEAL LYMPH NODE", 16.0),
        ]
        spots += [("LUNG", 8.0)]
    elif pattern.many:
        spots = [("LIVER", 20 + 10 * size) for size in sizes[:3].tolist()]
        spots += [("LUNG", 18.0), ("LUNG", 14.0), ("RETROPERITONEAL LYMPH NODE", 24.0)]
    else:
        spots = [("RETROPERITONEAL LYMPH NODE", 22 + 16 * sizes[0])]
        spots += [("LIVER", 18 + 25 * sizes[1])] if marks[0] < 0.45 else []
        spots += [("LUNG", 14 + 16 * sizes[2])] if marks[1] < 0.35 else []
        spots += [("COMMON ILIAC LYMPH NODE", 15.5 + 4 * sizes[3])] if marks[2] < 0.30 else []
    if pattern.soft:
        for number, (place, size) in enumerate(spots if pattern.targets else [], start=start + 1):
            lesions.append(Lesion(f"T{number:02d}", "TARGET", place, "CT SCAN", round(float(size))))
        there = marks[3] < 0.6 or bool(pattern.worse)
        if there if pattern.others is None else pattern.others:
            method = "MRI" if marks[3] < 0.15 else "CT SCAN"
            node = Lesion(f"NT{start + 1:02d}", "NON-TARGET", "PELVIC LYMPH NODE", method)
            lesions.append(node)
    if pattern.bone_disease:
        for number, place in enumerate(
            ("VERTEBRAL COLUMN", "PELVIC BONE", "RIB"), start=start + 11
        ):
            lesions.append(Lesion(f"NT{number:02d}", "NON-TARGET", place, "BONE SCAN"))
    return lesions


def _new_lesions(
    subject: Subject, pattern: Pattern, number: int, when: tuple[str, int], part: int
) -> list[Lesion]:
    """The lesions first detected at this scan."""
    visit, day = when
    lesions_found = []
    for place, method, counts in (
        ("LIVER", "CT SCAN", pattern.new),
        ("VERTEBRAL COLUMN", "BONE SCAN", pattern.bone),
    ):
        before = sum(counts[: number - 1])
        now = counts[number - 1] if number <= len(counts) else 0
        for one in range(before + 1, before + now + 1):
            kind = "S" if method == "CT SCAN" else "B"
            link = f"NEW-{kind}{20 * part + one:02d}"
            lesion = Lesion(link, "NEW", place, method)
            _identify(subject, lesion, "NEWTUMOR", visit, day)
            _state(subject, lesion, "PRESENT", when)
            lesions_found.append(lesion)
    return lesions_found


def _identify(subject: Subject, lesion: Lesion, code: str, visit: str, day: int) -> None:
    subject.write(
        "tu",
        TULNKID=lesion.link,
        TUTESTCD=code,
        TUORRES=lesion.kind,
        TULOC=lesion.place,
        TULAT=lesion.side,
        TUMETHOD=lesion.method,
        TUEVAL="INVESTIGATOR",
        VISIT=visit,
        TUDTC=iso(day),
    )


def _follow(
    subject: Subject, lesion: Lesion, pattern: Pattern, number: int, when: tuple[str, int, bool]
) -> None:
    """One lesion at a later scan: measured, or its state (present, absent, progression)."""
    visit, day, unread = when
    if lesion.kind == "TARGET":
        share = pattern.targets[number - 1]
        _measure(subject, lesion, share, (visit, day), unread=unread and lesion.link.endswith("1"))
        return
    gone = bool(pattern.targets) and pattern.targets[number - 1] == 0
    worse = pattern.worse is not None and number >= pattern.worse
    if lesion.kind == "NON-TARGET" and lesion.method != "BONE SCAN":
        state = "ABSENT" if gone else "UNEQUIVOCAL PROGRESSION" if worse else "PRESENT"
        state = pattern.others[number - 1] if pattern.others else state
        _state(subject, lesion, state, (visit, day))
    elif not (lesion.kind == "NEW" and _detected_on(subject, lesion, day)):
        vanished = pattern.vanish is not None and number >= pattern.vanish
        state = "ABSENT" if vanished and lesion.kind == "NEW" else "PRESENT"
        _state(subject, lesion, "" if pattern.bone_unread == number else state, (visit, day))


def _detected_on(subject: Subject, lesion: Lesion, day: int) -> bool:
    return any(
        row["TULNKID"] == lesion.link and row["TUDTC"] == iso(day) for row in subject.rows["tu"]
    )


def _measure(
    subject: Subject, lesion: Lesion, share: float, when: tuple[str, int], *, unread: bool = False
) -> None:
    """The diameter in mm; a resolved lymph node measures 8 mm."""
    if lesion.kind != "TARGET":
        _state(subject, lesion, "PRESENT", when)
        return
    size = round(lesion.size * share)
    if share == 0:
        size = 8 if lesion.node else 0
    _write(subject, lesion, "SAXIS" if lesion.node else "LDIAM", None if unread else size, when)


def _state(subject: Subject, lesion: Lesion, state: str, when: tuple[str, int]) -> None:
    _write(subject, lesion, "TUMSTATE", state or None, when)


def _write(
    subject: Subject, lesion: Lesion, code: str, value: int | str | None, when: tuple[str, int]
) -> None:
    size = value if isinstance(value, int) else None
    missing = value is None
    subject.write(
        "tr",
        TRLNKID=lesion.link,
        TRTESTCD=code,
        TRORRES=value,
        TRORRESU="mm" if size is not None else None,
        TRSTRESC=None if missing else str(value),
        TRSTRESN=size,
        TRSTRESU="mm" if size is not None else None,
        TREVAL="INVESTIGATOR",
        TRSTAT="NOT DONE" if missing else None,
        TRREASND="NOT EVALUABLE ON THIS SCAN" if missing else None,
        VISIT=when[0],
        TRDTC=iso(when[1]),
    )


def _assess(
    subject: Subject, pattern: Pattern, number: int, when: tuple[str, int], rng: Generator
) -> str:
    """The investigator's responses at one scan, occasionally discordant with the lesions.

    1. The components agree with the lesions, the overall response does not.
    2. There is no overall response.
    3. Target, soft-tissue and overall response all disagree.
    """
    discordant, kind = chance(rng, 0.12), rng.random()
    if pattern.differs is not None:
        discordant, kind = pattern.differs[0] == number, pattern.differs[1]
    overall = pattern.assessed[number - 1]
    another = {SD: PR if kind < 0.2 else PD, PD: SD, PR: SD}.get(overall) if discordant else None
    parts = _parts(pattern, number)
    if another and kind >= 0.6 and pattern.soft:
        parts |= {name: another for name in ("TRGRESP", "SFTSRESP") if name in parts}
    for code, response in parts.items():
        _write_response(
            subject, code, response, when, "PCWG3" if code == "BONERESP" else "RECIST 1.1"
        )
    if another is None or not 0.4 <= kind < 0.6:
        _write_response(subject, "OVRLRESP", another or overall, when, "PCWG3")
    return another or overall


def _parts(pattern: Pattern, number: int) -> dict[str, str]:
    """The responses by the lesions at one scan: target, non-target, new lesions, bone."""
    overall = pattern.assessed[number - 1]
    n_new_bone = sum(pattern.bone[:number])
    bone = "NON-PD" if pattern.bone_disease or n_new_bone else "NED"
    if pattern.bone_unread == number:
        bone = "NE"
    elif n_new_bone >= 2:
        bone = "PD" if overall == PD and n_new_bone >= 3 else "PDu" if number == 1 else "NON-PD"
    if not pattern.soft:
        return {"BONERESP": bone}
    worse = pattern.worse is not None and number >= pattern.worse
    new = "Y" if sum(pattern.new[:number]) else "N"
    if not pattern.targets and pattern.others:
        response = {"": NE, "ABSENT": CR}.get(pattern.others[number - 1], NON_PD)
        return {"NTRGRESP": response, "NEWLPROG": new, "SFTSRESP": response, "BONERESP": bone}
    share = pattern.targets[number - 1]
    target = PD if share >= 1.19 else overall if overall in (CR, PR, SD, NE) else SD
    others = PD if worse else CR if target == CR else NON_PD
    soft = PD if PD in (target, others) or new == "Y" else target
    if share == 0 and target != CR:
        target, soft = CR, PR if pattern.others else CR
    if not pattern.recorded:
        return {"TRGRESP": target, "NTRGRESP": others, "NEWLPROG": new, "BONERESP": bone}
    return {
        "TRGRESP": target,
        "NTRGRESP": others,
        "NEWLPROG": new,
        "SFTSRESP": soft,
        "BONERESP": bone,
    }


def _best(subject: Subject, responses: list[str], episode: Episode) -> None:
    order = (CR, PR, SD, NON_PD, PD, NE)
    best = min(responses, key=order.index, default=NE)
    _write_response(subject, "BESTRESP", best, ("END OF TREATMENT", episode.stop), "PCWG3")


RS_NAMES = {
    "TRGRESP": "Target Response",
    "NTRGRESP": "Non-target Response",
    "NEWLPROG": "New Lesion Progression",
    "SFTSRESP": "Soft Tissue Response",
    "BONERESP": "Bone Response",
    "OVRLRESP": "Overall Response",
    "BESTRESP": "Best Overall Response",
    "CLINPROG": "Clinical Progression",
}


def _write_response(
    subject: Subject, code: str, response: str, when: tuple[str, int], category: str
) -> None:
    subject.write(
        "rs",
        RSTESTCD=code,
        RSTEST=RS_NAMES[code],
        RSCAT=category,
        RSORRES=response,
        RSSTRESC=response,
        RSEVAL="INVESTIGATOR",
        VISIT=when[0],
        RSDTC=iso(when[1]),
    )
