"""Plasma for cell-free DNA: before each cycle in group B, three times in group A."""

from sap.simulate.subject import Episode, Subject, chance, iso

TAKEN = 0.92  # proportion of the planned tubes that were collected (ours)


def treatment_plasma(subject: Subject, episode: Episode) -> None:
    """10 mL before each cycle, 100 mL in ten cycles.

    The tube before cycle 1 is the baseline; for a re-screened patient it is the progression tube.
    """
    rng = subject.stream("samples", 1 + episode.part)
    for number, day in enumerate(episode.infusions, start=1):
        taken = chance(rng, TAKEN)
        if taken and not (episode.part == 1 and number == 1):
            _draw(subject, f"CYCLE {number}", day)


def choice_plasma(subject: Subject) -> None:
    """Group A: 10 mL at the start of the choice, twelve weeks later and at progression."""
    if not subject.therapy or subject.therapy == "NONE":
        return
    rng = subject.stream("samples")
    days = [(subject.therapy_start, "BASELINE"), (subject.therapy_start + 84, "WEEK 12")]
    if subject.progression is not None:
        rescreened = subject.second_sample is not None
        end = subject.second_sample if rescreened else subject.progression
        assert end is not None
        days = [(day, visit) for day, visit in days if day < end]
        days.append((end, "RE-SCREENING" if rescreened else "PROGRESSION"))
    for day, visit in days:
        if chance(rng, TAKEN):
            _draw(subject, visit, day)


def _draw(subject: Subject, visit: str, day: int) -> None:
    subject.write(
        "be",
        BEREFID=f"{subject.usubjid}-DNA-{iso(day).replace('-', '')}",
        BETERM="BLOOD SAMPLE COLLECTED",
        BEDECOD="COLLECTING",
        BECAT="CFDNA PLASMA",
        BEVOL=10,
        VISIT=visit,
        BEDTC=iso(day),
    )
