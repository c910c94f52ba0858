"""Circulating tumour cells and AR-V7: the count, the assay, and both during treatment."""

from dataclasses import dataclass

from sap.simulate.subject import Episode, Subject, between, chance, iso

TUBE = 7.5  # mL; what a CellSearch count is given for


@dataclass(frozen=True)
class Reading:
    """The result of one blood sample; a missing count is a count not done."""

    raw: int | None
    volume: float = TUBE
    arv7: str = "NOT DONE"
    reason: str | None = None
    arv7_reason: str | None = None

    @property
    def per_tube(self) -> float | None:
        return None if self.raw is None else round(self.raw * TUBE / self.volume, 1)


def write_reading(subject: Subject, reading: Reading, visit: str, day: int) -> None:
    """One cp row, one gf row, and the blood sample in be."""
    sample = f"{subject.usubjid}-CTC-{iso(day).replace('-', '')}"
    done = reading.raw is not None
    subject.write(
        "cp",
        CPTESTCD="CTC",
        CPTEST="Circulating Tumor Cells",
        CPORRES=reading.raw,
        CPORRESU=f"/{reading.volume:g} mL" if done else None,
        CPSTRESC=None if reading.per_tube is None else f"{reading.per_tube:g}",
        CPSTRESN=reading.per_tube,
        CPSTRESU="/7.5 mL" if done else None,
        CPSTAT=None if done else "NOT DONE",
        CPREASND=reading.reason,
        CPSPEC="BLOOD",
        CPREFID=sample,
        VISIT=visit,
        CPDTC=iso(day),
    )
    tested = reading.arv7 != "NOT DONE"
    subject.write(
        "gf",
        GFTESTCD="ARV7",
        GFTEST="AR-V7 mRNA",
        GFORRES=reading.arv7 if tested else None,
        GFSTRESC=reading.arv7 if tested else None,
        GFRESCAT=reading.arv7_reason if tested else None,
        GFSTAT=None if tested else "NOT DONE",
        GFREASND=None if tested else reading.arv7_reason,
        GFSPEC="BLOOD",
        GFREFID=sample,
        VISIT=visit,
        GFDTC=iso(day),
    )
    subject.write(
        "be",
        BEREFID=sample,
        BETERM="BLOOD SAMPLE COLLECTED",
        BEDECOD="COLLECTING",
        BECAT="CTC",
        BEVOL=20,
        VISIT=visit,
        BEDTC=iso(day),
    )


def treatment_ctc(subject: Subject, episode: Episode) -> None:
    """The count after the second cycle (before the third, or the fourth when late) and at the end.

    A responder's count mostly decreases below five, often to 0; others increase or are stable. One
    sample in ten is missed. A patient who stops before cycle 3 has only the sample at the end, if
    any. In one scenario samples are collected at other times as well.
    """
    rng = subject.stream("ctc", 2 + episode.part)
    if "ctc between visits" in episode.scenario.marks:
        for day in (episode.first - 1, episode.first, episode.first + 30):
            write_reading(
                subject, Reading(4 + subject.number % 5, arv7="POSITIVE"), "UNSCHEDULED", day
            )
    before = subject.count if episode.part == 0 else subject.second_count
    assert before is not None
    responds = episode.scenario.psa in _DECREASING
    missed, late, at_end = chance(rng, 0.10), chance(rng, 0.15), chance(rng, 0.40)
    marks = rng.random(6).tolist()
    if len(episode.infusions) > 3 and not missed:
        cycle = 4 if late else 3
        reading = _reading_on_treatment(before, responds, marks[:3])
        write_reading(subject, reading, f"CYCLE {cycle}", episode.infusions[cycle - 1])
    if at_end:
        reading = _reading_on_treatment(before * 1.3, responds, marks[3:])
        day = episode.last + between(rng, 21, 27)
        write_reading(subject, reading, "END OF TREATMENT", day)


_DECREASING = ("fast", "deep", "flare", "exact half", "below quantification", "late", "day 28")


def _reading_on_treatment(before: float, responds: bool, marks: list[float]) -> Reading:
    """A later count from the previous one; AR-V7 is determined from three CTC on."""
    decrease, assay, result = marks
    if responds:
        raw = 0 if decrease < 0.35 else int(before * 0.15 * decrease)
    else:
        raw = int(before * (0.15 + 2.2 * decrease))
    if assay < 0.03:
        return Reading(None, reason="TUBE BROKEN", arv7_reason="NO CTC SAMPLE")
    if raw < 3:
        return Reading(raw, arv7="NOT DONE", arv7_reason="FEWER THAN 3 CTC")
    if assay < 0.15:
        return Reading(raw, arv7="UNDETERMINED", arv7_reason="INSUFFICIENT EPITHELIAL SIGNAL")
    return Reading(raw, arv7="NEGATIVE" if result < 0.25 else "POSITIVE")
