"""Death, leaving the study, and the survival status every three months."""

from sap.simulate.screening import disposition
from sap.simulate.subject import Subject, between, chance, iso, waiting_days

EVERY = 91
SAFETY = 90  # days after the last dose until which events are collected; none starts later


def survival_times(subject: Subject) -> None:
    """Day of death and of leaving the study; sets `death` and `exit`. Only for allocated patients.

    1. A toxic or early death is set by the scenario.
    2. A treated patient dies an exponential time after progression, later after a response.
    3. A patient of group A likewise after progression, some before it.
    4. One patient in twenty-five is lost, one withdraws; never before the end of study treatment.
    """
    if subject.group is None or subject.allocated is None:
        return
    rng = subject.stream("survival", len(subject.episodes))
    wait, marks = rng.random(3), (rng.random(), rng.random())
    after = waiting_days(rng, 1.0)
    if subject.episodes:
        _after_treatment(subject, after, float(wait[0]))
    elif subject.progression is not None:
        months = subject.given.choice.months_after_progression
        subject.death = subject.progression + 25 + int(after * months)
    else:
        subject.death = subject.allocated + 20 + int(after * 3.5)
    _leave(subject, marks, float(wait[1]), float(wait[2]))


def _after_treatment(subject: Subject, after: int, early: float) -> None:
    episode, given = subject.episodes[-1], subject.given.treatment
    if "toxic death" in episode.scenario.marks:
        subject.death = episode.last + 12
    elif "early death" in episode.scenario.marks:
        subject.death = episode.last + 15 + int(early * 14)
    else:
        # Exponential with median 1 month, stretched to the median wanted.
        calm = episode.scenario.psa in ("fast", "deep", "flare", "exact half")
        months = given.months_after_response if calm else given.months_after_progression
        subject.death = episode.progression + 20 + int(after * months)
    if episode.reason == "DEATH":
        disposition(subject, "STUDY TREATMENT", "DEATH", subject.death)


def _leave(subject: Subject, marks: tuple[float, float], lost: float, gone: float) -> None:
    given = subject.given.treatment
    anchor = subject.episodes[-1].stop if subject.episodes else subject.allocated
    if anchor is None or (subject.second_sample is not None and not subject.episodes):
        anchor = subject.second_sample
    assert anchor is not None
    if marks[0] < given.lost:
        subject.exit, subject.exit_reason = anchor + 60 + int(lost * 200), "LOST TO FOLLOW-UP"
    elif marks[1] < given.withdrawn:
        subject.exit, subject.exit_reason = anchor + 45 + int(gone * 200), "WITHDRAWAL BY SUBJECT"
    if subject.exit is not None and subject.death is not None and subject.exit >= subject.death:
        subject.exit, subject.exit_reason = None, ""


def follow_up(subject: Subject, extraction: int) -> None:
    """Survival status from allocation on, and the end of the study in ds."""
    if subject.allocated is None:
        return
    end = min(day for day in (subject.death, subject.exit, extraction) if day is not None)
    rng = subject.stream("survival", 9)
    day = subject.allocated + EVERY
    while day < end:
        seen = day + between(rng, -10, 10)
        if subject.allocated < seen < end and not chance(rng, 0.05):
            _status(subject, "ALIVE", seen)
        day += EVERY
    _safety_visit(subject, end)
    if subject.death == end:
        _status(subject, "DEAD", end)
        disposition(subject, "STUDY PARTICIPATION", "DEATH", end, _cause(subject))
    elif subject.exit == end:
        word = "WITHDRAWN" if subject.exit_reason.startswith("WITHDRAWAL") else subject.exit_reason
        _status(subject, word, end)
        disposition(subject, "STUDY PARTICIPATION", subject.exit_reason, end)
    elif end == extraction and chance(rng, 0.9):
        _status(subject, "ALIVE", max(subject.allocated, end - between(rng, 0, 40)))


def _safety_visit(subject: Subject, end: int) -> None:
    """The safety follow-up visit, unless death or leaving the study is earlier."""
    if not subject.episodes:
        return
    day = subject.episodes[-1].last + SAFETY
    if day < end or end not in (subject.death, subject.exit):
        subject.write(
            "ds",
            DSTERM="SAFETY FOLLOW-UP VISIT",
            DSDECOD="SAFETY FOLLOW-UP VISIT",
            DSCAT="OTHER EVENT",
            DSSCAT=None,
            DSSTDTC=iso(min(day, end)),
        )


def _cause(subject: Subject) -> str:
    """The reported term of a death: adverse event or disease progression."""
    fatal = any(
        mark in ("toxic death", "early death")
        for one in subject.episodes
        for mark in one.scenario.marks
    )
    return "DEATH DUE TO ADVERSE EVENT" if fatal else "DEATH DUE TO DISEASE PROGRESSION"


def _status(subject: Subject, word: str, day: int) -> None:
    subject.write(
        "ss",
        SSTESTCD="SURVSTAT",
        SSTEST="Survival Status",
        SSORRES=word,
        SSSTRESC=word,
        SSDTC=iso(day),
    )
