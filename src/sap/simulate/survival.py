"""Death, leaving the study, and the survival status every three months."""

from sap.simulate.man import Man, between, chance, iso, waiting_days
from sap.simulate.screening import disposition

EVERY = 91
SAFETY = 90  # days after the last dose until which events are collected; none starts later


def live(man: Man) -> None:
    """When the man dies or leaves; sets `death` and `exit`. Nothing for men without a group.

    1. A toxic or early death is told by the story.
    2. A treated man dies an exponential time after his progression, later when he responded.
    3. A man of group A likewise after progression, some before it.
    4. One man in twenty-five is lost, one withdraws; never before his study treatment ends.
    """
    if man.group is None or man.allocated is None:
        return
    rng = man.stream("survival", len(man.episodes))
    wait, marks = rng.random(3), (rng.random(), rng.random())
    after = waiting_days(rng, 1.0)
    if man.episodes:
        _after_treatment(man, after, float(wait[0]))
    elif man.progression is not None:
        months = man.given.choice.months_after_progression
        man.death = man.progression + 25 + int(after * months)
    else:
        man.death = man.allocated + 20 + int(after * 3.5)
    _leave(man, marks, float(wait[1]), float(wait[2]))


def _after_treatment(man: Man, after: int, early: float) -> None:
    episode, given = man.episodes[-1], man.given.treatment
    if "toxic death" in episode.story.marks:
        man.death = episode.last + 12
    elif "early death" in episode.story.marks:
        man.death = episode.last + 15 + int(early * 14)
    else:
        # Exponential with median 1 month, stretched to the median wanted.
        calm = episode.story.psa in ("fast", "deep", "flare", "exact half")
        months = given.months_after_response if calm else given.months_after_progression
        man.death = episode.progression + 20 + int(after * months)
    if episode.reason == "DEATH":
        disposition(man, "STUDY TREATMENT", "DEATH", man.death)


def _leave(man: Man, marks: tuple[float, float], lost: float, gone: float) -> None:
    given = man.given.treatment
    anchor = man.episodes[-1].stop if man.episodes else man.allocated
    if anchor is None or (man.second_sample is not None and not man.episodes):
        anchor = man.second_sample
    assert anchor is not None
    if marks[0] < given.lost:
        man.exit, man.exit_reason = anchor + 60 + int(lost * 200), "LOST TO FOLLOW-UP"
    elif marks[1] < given.withdrawn:
        man.exit, man.exit_reason = anchor + 45 + int(gone * 200), "WITHDRAWAL BY SUBJECT"
    if man.exit is not None and man.death is not None and man.exit >= man.death:
        man.exit, man.exit_reason = None, ""


def follow(man: Man, extraction: int) -> None:
    """Survival status from allocation on, and the end of the study in ds."""
    if man.allocated is None:
        return
    end = min(day for day in (man.death, man.exit, extraction) if day is not None)
    rng = man.stream("survival", 9)
    day = man.allocated + EVERY
    while day < end:
        seen = day + between(rng, -10, 10)
        if man.allocated < seen < end and not chance(rng, 0.05):
            _status(man, "ALIVE", seen)
        day += EVERY
    _safety_visit(man, end)
    if man.death == end:
        _status(man, "DEAD", end)
        disposition(man, "STUDY PARTICIPATION", "DEATH", end, _cause(man))
    elif man.exit == end:
        word = "WITHDRAWN" if man.exit_reason.startswith("WITHDRAWAL") else man.exit_reason
        _status(man, word, end)
        disposition(man, "STUDY PARTICIPATION", man.exit_reason, end)
    elif end == extraction and chance(rng, 0.9):
        _status(man, "ALIVE", max(man.allocated, end - between(rng, 0, 40)))


def _safety_visit(man: Man, end: int) -> None:
    """The last visit at which events are asked for, unless death or leaving came before it."""
    if not man.episodes:
        return
    day = man.episodes[-1].last + SAFETY
    if day < end or end not in (man.death, man.exit):
        man.write(
            "ds",
            DSTERM="SAFETY FOLLOW-UP VISIT",
            DSDECOD="SAFETY FOLLOW-UP VISIT",
            DSCAT="OTHER EVENT",
            DSSCAT=None,
            DSSTDTC=iso(min(day, end)),
        )


def _cause(man: Man) -> str:
    """What the reported term of a death says: the event that killed, or the disease."""
    fatal = any(
        mark in ("toxic death", "early death") for one in man.episodes for mark in one.story.marks
    )
    return "DEATH DUE TO ADVERSE EVENT" if fatal else "DEATH DUE TO DISEASE PROGRESSION"


def _status(man: Man, word: str, day: int) -> None:
    man.write(
        "ss",
        SSTESTCD="SURVSTAT",
        SSTEST="Survival Status",
        SSORRES=word,
        SSSTRESC=word,
        SSDTC=iso(day),
    )
