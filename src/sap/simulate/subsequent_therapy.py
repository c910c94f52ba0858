"""Subsequent anticancer therapy, and protocol deviations."""

from sap.simulate.physicians_choice import KINDS, write_anticancer
from sap.simulate.subject import Episode, Subject, between, chance, iso, pick

ENTRY = "ENTRY CRITERION NOT MET BUT TREATED"
MAJOR = (
    "STRONG CYP3A4 INHIBITOR DURING TREATMENT",
    ENTRY,
    "CASTRATION STOPPED DURING TREATMENT",
)
MINOR = (
    "VISIT OUTSIDE ITS WINDOW",
    "PSA SAMPLE MISSED",
    "SCAN MORE THAN ONE WEEK LATE",
    "PREMEDICATION NOT RECORDED",
)


def next_therapy(subject: Subject, episode: Episode) -> None:
    """A later anticancer therapy in cm; in one scenario before the response can be confirmed."""
    rng = subject.stream("supportive", 4 + episode.part)
    goes_on, wait = chance(rng, subject.given.treatment.subsequent_therapy), between(rng, 10, 70)
    lasts = between(rng, 40, 220)
    prior = [row["CMDECOD"] for row in subject.rows["cm"]]
    name = pick(
        rng,
        [(therapy, 1.0) for therapy in KINDS if therapy not in (*prior, "CABAZITAXEL")]
        or [("DOCETAXEL", 1.0)],
    )
    marks = episode.scenario.marks
    if "no switch" in marks or (not goes_on and "switch" not in marks):
        return
    start = episode.last + 15 if "switch" in marks else episode.progression + wait
    episode.new_therapy = start
    category = "SUBSEQUENT ANTICANCER THERAPY"
    write_anticancer(subject, name, category, start, start + lasts, "PROGRESSION")
    # Only where the month cannot include days that count for the response.
    if start > episode.last + 60 and chance(rng, 2 * subject.given.choice.partial_date):
        subject.rows["cm"][-1]["CMSTDTC"] = iso(start)[:7]


def protocol_deviations(subject: Subject, episode: Episode) -> None:
    """Protocol deviations in dv: a major one in few treated patients, minor ones in some.

    A criterion of entry is not met on the day of the consent to treatment, the others during it.
    """
    rng = subject.stream("deviations", episode.part)
    major, minor = chance(rng, 0.09), chance(rng, 0.40)
    words, small = rng.random(), rng.random()
    day = episode.first + int(rng.random() * (episode.last - episode.first))
    if major:
        term = MAJOR[int(words * len(MAJOR))]
        _write(subject, term, "MAJOR", episode.consent if term == ENTRY else day)
    if minor:
        _write(subject, MINOR[int(small * len(MINOR))], "MINOR", day)


def _write(subject: Subject, term: str, category: str, day: int) -> None:
    subject.write("dv", DVTERM=term, DVDECOD=term, DVCAT=category, DVSTDTC=iso(day))
