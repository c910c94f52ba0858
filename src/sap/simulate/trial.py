"""The whole simulated trial: who is screened, what happens to each, and the tables of the extract."""

from collections.abc import Callable, Sequence
from datetime import date

import pandas as pd

from sap.errors import WrongUse
from sap.simulate.afterwards import deviate, next_therapy
from sap.simulate.assumptions import Assumptions
from sap.simulate.blood import choice_plasma, treatment_plasma
from sap.simulate.cells import follow_cells
from sap.simulate.choice import choose, come_again, write_therapy
from sap.simulate.dosing import dose, support
from sap.simulate.events import screening_event, suffer
from sap.simulate.history import remember
from sap.simulate.kinetics import sample_plasma
from sap.simulate.labs import screening_labs, treatment_labs
from sap.simulate.man import Episode, Man, Row, iso, stream
from sap.simulate.psa import screening_psa, settle, treatment_psa
from sap.simulate.screening import screen, take_up
from sap.simulate.stories import NON_RESPONDERS, RESPONDERS, Story
from sap.simulate.survival import follow, live
from sap.simulate.tables import happened, to_tables
from sap.simulate.tumours import scan
from sap.simulate.vitals import screening_vitals, treatment_vitals
from sap.simulate.words import worded

ARMS = {
    "A": "Physician's choice",
    "B": "Cabazitaxel",
    "SCRNFAIL": "Screen Failure",
    "NOTASSGN": "Not Assigned",
}

LEAST_PREVALENCE = 0.02  # below it, screening until the target is treated would take thousands

# What is told of each course of study treatment, in this order: the body surface is known before
# the plasma, the events before the G-CSF.
COURSE: tuple[Callable[[Man, Episode], None], ...] = (
    treatment_vitals,
    treatment_psa,
    treatment_labs,
    follow_cells,
    scan,
    sample_plasma,
    treatment_plasma,
    suffer,
    support,
    next_therapy,
    deviate,
)


def simulate(
    seed: int,
    *,
    n_screened: int | None = None,
    treated_target: int = 25,
    response_rate: float | None = None,
    arv7_prevalence: float | None = None,
    ctc_threshold: int = 3,
    assumptions: Assumptions | None = None,
) -> dict[str, pd.DataFrame]:
    """A complete, plausible CARVE extract as SDTM tables of text; TS says that it is synthetic.

    Men are screened one after another. Without `n_screened`, until `treated_target` men positive
    at their first screening have been treated; with it, exactly so many, and once the target is
    reached a further positive man is not enrolled. The other options replace the assumption of
    the same name. The same seed and options give the same tables, whatever the machine; an option
    does not change the draws of a man, only what follows from them.

    Parameters
    ----------
    seed
        Any whole number from 0.
    n_screened
        How many men are screened.
    treated_target
        How many men positive at the first screening are treated with study cabazitaxel.
    response_rate
        True probability that a treated man has a PSA response confirmed after 28 days.
    arv7_prevalence
        Probability that AR-V7 is positive at the first screening, when it can be determined.
    ctc_threshold
        Cells per 7.5 mL from which AR-V7 decides the group.
    assumptions
        All other numbers.

    Raises
    ------
    WrongUse
        An option is outside its range, or nobody could ever be treated with it.
    """
    given = assumptions or Assumptions()
    rate = given.treatment.response_rate if response_rate is None else response_rate
    prevalence = given.screening.arv7_positive if arv7_prevalence is None else arv7_prevalence
    _check_options(n_screened, treated_target, rate, prevalence)
    men = _screened(seed, given, (n_screened, treated_target), (ctc_threshold, prevalence))
    _deal(men, seed, rate)
    extraction = _extraction(men, given)
    for man in men:
        _live_on(man, extraction)
        happened(man, extraction)
        _demographics(man)
    return worded(to_tables(men, given.study, _summary(men, given, extraction, seed)), seed)


def _check_options(n_screened: int | None, target: int, rate: float, prevalence: float) -> None:
    if n_screened is not None and n_screened < 1:
        raise WrongUse("n_screened must be at least 1")
    if target < 1:
        raise WrongUse("treated_target must be at least 1")
    if not 0 <= rate <= 1:
        raise WrongUse("response_rate must lie between 0 and 1")
    if not 0 <= prevalence <= 1:
        raise WrongUse("arv7_prevalence must lie between 0 and 1")
    if n_screened is None and prevalence < LEAST_PREVALENCE:
        raise WrongUse(
            f"arv7_prevalence {prevalence:g} is below {LEAST_PREVALENCE:g}: screening would not end, "
            "since it goes on until enough patients are treated; say how many are screened (--n)"
        )


def _screened(
    seed: int,
    given: Assumptions,
    size: tuple[int | None, int],
    rule: tuple[int, float],
) -> list[Man]:
    """Screen men in turn, first and second time, until the size is reached."""
    n_screened, target = size
    threshold, prevalence = rule
    men: list[Man] = []
    treated = 0
    while len(men) < n_screened if n_screened is not None else treated < target:
        man = Man(seed, len(men) + 1, given)
        men.append(man)
        screen(man, threshold, prevalence)
        remember(man)
        if man.group == "B":
            take_up(man, places_left=treated < target)
            treated += man.fate == "TREATED"
            if man.fate != "TREATED":
                choose(man)
        elif man.group == "A":
            choose(man)
            come_again(man, threshold)
    return men


def _deal(men: Sequence[Man], seed: int, rate: float) -> None:
    """Give each treated man his story.

    Whether he responds is his own draw, below the rate or not. The responders' cards are dealt from
    the lowest draw up, the others' from the highest down: so each story is told as soon as there
    are enough men, and changing the rate changes nothing for a man whose answer stays the same. A
    story of a first course is kept for the next man who was not re-screened.
    """
    order = stream(seed, 0, "dosing")
    yes = [RESPONDERS[i] for i in order.permutation(len(RESPONDERS))]
    no = [NON_RESPONDERS[i] for i in order.permutation(len(NON_RESPONDERS))]
    treated = [man for man in men if man.fate in ("TREATED", "TREATED AGAIN")]
    draws = {man.number: float(man.stream("psa", 7).random()) for man in treated}
    treated.sort(key=lambda man: draws[man.number])
    respond = [man for man in treated if draws[man.number] < rate]
    others = [man for man in reversed(treated) if draws[man.number] >= rate]
    for deck, dealt in ((yes, respond), (no, others)):
        left: list[Story] = []
        for man in dealt:
            again = man.fate == "TREATED AGAIN"
            left = left or list(deck)
            card = next((c for c in left if not (again and "first course" in c.marks)), None)
            if card is None:
                left += deck
                card = next(c for c in left if "first course" not in c.marks)
            left.remove(card)
            sample = man.second_sample if again else man.sample
            assert sample is not None
            man.episodes.append(Episode(int(again), sample, _treatment_consent(man), card))


def _treatment_consent(man: Man) -> int:
    days = [
        str(row["DSSTDTC"])
        for row in man.rows["ds"]
        if row["DSDECOD"] == "TREATMENT CONSENT OBTAINED"
    ]
    return date.fromisoformat(days[-1]).toordinal()


def _live_on(man: Man, extraction: int) -> None:
    """All that happens to a man after his screening."""
    for episode in man.episodes:
        dose(man, episode)
    live(man)
    for episode in man.episodes:
        if episode.part == 0:
            settle(man, episode)
    for part in (screening_psa, screening_labs, screening_vitals, screening_event):
        part(man)
    if man.therapy:
        write_therapy(man)
        choice_plasma(man)
    for episode in man.episodes:
        if episode.part == 1:
            settle(man, episode)
        for told in COURSE:
            told(man, episode)
    follow(man, extraction)


def _extraction(men: Sequence[Man], given: Assumptions) -> int:
    """The first day of the month a year after the last consent."""
    day = date.fromordinal(men[-1].consent + given.screening.follow_up_days)
    months = day.year * 12 + day.month  # the month after this one, counted from 0
    return date(months // 12, months % 12 + 1, 1).toordinal()


def _demographics(man: Man) -> None:
    infusions = [
        str(row["EXSTDTC"])[:10]
        for row in man.rows.get("ex", [])
        if row["EXTRT"] == "CABAZITAXEL" and row["EXSTDTC"]
    ]
    known = man.death is not None and any(
        row["DSDECOD"] == "DEATH" and row["DSSCAT"] == "STUDY PARTICIPATION"
        for row in man.rows["ds"]
    )
    arm = man.group or ("SCRNFAIL" if man.fate == "NOT ELIGIBLE" else "NOTASSGN")
    man.write(
        "dm",
        SUBJID=f"{man.number:03d}",
        SITEID=man.site,
        RFICDTC=iso(man.consent),
        RFSTDTC=min(infusions, default=None),
        RFENDTC=max(infusions, default=None),
        DTHDTC=iso(man.death) if known and man.death is not None else None,
        DTHFL="Y" if known else None,
        AGE=man.age,
        AGEU="YEARS",
        SEX="M",
        ARMCD=arm,
        ARM=ARMS[arm],
        COUNTRY="NLD",
        DMDTC=iso(man.consent),
    )


def _summary(men: Sequence[Man], given: Assumptions, extraction: int, seed: int) -> list[Row]:
    title = "Cabazitaxel in AR-V7 positive metastatic castration-resistant prostate cancer"
    words = (
        ("TITLE", "Trial Title", title),
        ("STUDYID", "Study Identifier", given.study),
        ("SSTDTC", "Study Start Date", iso(men[0].consent)),
        ("DCUTDTC", "Data Cutoff Date", iso(extraction)),
        ("SYNTHDAT", "Synthetic Data", "Y"),
        ("SIMSEED", "Seed of the Simulation", str(seed)),
    )
    return [{"TSPARMCD": code, "TSPARM": name, "TSVAL": value} for code, name, value in words]
