"""After study treatment: the next anticancer therapy, and departures from the protocol."""

from sap.simulate.choice import KINDS, write_anticancer
from sap.simulate.man import Episode, Man, between, chance, iso, pick

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


def next_therapy(man: Man, episode: Episode) -> None:
    """A later anticancer therapy in cm; one story begins it before the study's own answer is in."""
    rng = man.stream("supportive", 4 + episode.part)
    goes_on, wait = chance(rng, man.given.treatment.subsequent_therapy), between(rng, 10, 70)
    lasts = between(rng, 40, 220)
    prior = [row["CMDECOD"] for row in man.rows["cm"]]
    name = pick(
        rng,
        [(one, 1.0) for one in KINDS if one not in (*prior, "CABAZITAXEL")] or [("DOCETAXEL", 1.0)],
    )
    marks = episode.story.marks
    if "no switch" in marks or (not goes_on and "switch" not in marks):
        return
    start = episode.last + 15 if "switch" in marks else episode.progression + wait
    episode.new_therapy = start
    category = "SUBSEQUENT ANTICANCER THERAPY"
    write_anticancer(man, name, category, start, start + lasts, "PROGRESSION")
    # Only where the month alone cannot reach back into the days that count for the response.
    if start > episode.last + 60 and chance(rng, 2 * man.given.choice.partial_date):
        man.rows["cm"][-1]["CMSTDTC"] = iso(start)[:7]


def deviate(man: Man, episode: Episode) -> None:
    """Protocol deviations in dv: a major one in few treated men, minor ones in some.

    A criterion of entry is not met on the day of the consent to treatment, the others during it.
    """
    rng = man.stream("deviations", episode.part)
    major, minor = chance(rng, 0.09), chance(rng, 0.40)
    words, small = rng.random(), rng.random()
    day = episode.first + int(rng.random() * (episode.last - episode.first))
    if major:
        term = MAJOR[int(words * len(MAJOR))]
        _write(man, term, "MAJOR", episode.consent if term == ENTRY else day)
    if minor:
        _write(man, MINOR[int(small * len(MINOR))], "MINOR", day)


def _write(man: Man, term: str, category: str, day: int) -> None:
    man.write("dv", DVTERM=term, DVDECOD=term, DVCAT=category, DVSTDTC=iso(day))
