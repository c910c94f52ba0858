"""Plasma for cell-free DNA: before each cycle in group B, three times in group A."""

from sap.simulate.man import Episode, Man, chance, iso

TAKEN = 0.92  # share of the planned tubes that were drawn (ours)


def treatment_plasma(man: Man, episode: Episode) -> None:
    """10 mL before each cycle, 100 mL in ten cycles.

    The tube before cycle 1 is the baseline; a re-screened man's progression tube is his.
    """
    rng = man.stream("blood", 1 + episode.part)
    for number, day in enumerate(episode.infusions, start=1):
        taken = chance(rng, TAKEN)
        if taken and not (episode.part == 1 and number == 1):
            _draw(man, f"CYCLE {number}", day)


def choice_plasma(man: Man) -> None:
    """Group A: 10 mL at the start of the choice, twelve weeks later and at progression."""
    if not man.therapy or man.therapy == "NONE":
        return
    rng = man.stream("blood")
    days = [(man.therapy_start, "BASELINE"), (man.therapy_start + 84, "WEEK 12")]
    if man.progression is not None:
        again = man.second_sample is not None
        end = man.second_sample if again else man.progression
        assert end is not None
        days = [(day, visit) for day, visit in days if day < end]
        days.append((end, "RE-SCREENING" if again else "PROGRESSION"))
    for day, visit in days:
        if chance(rng, TAKEN):
            _draw(man, visit, day)


def _draw(man: Man, visit: str, day: int) -> None:
    man.write(
        "be",
        BEREFID=f"{man.usubjid}-DNA-{iso(day).replace('-', '')}",
        BETERM="BLOOD SAMPLE COLLECTED",
        BEDECOD="COLLECTING",
        BECAT="CFDNA PLASMA",
        BEVOL=10,
        VISIT=visit,
        BEDTC=iso(day),
    )
