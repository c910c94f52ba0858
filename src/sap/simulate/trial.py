"""The simulated trial: screening, treatment, follow-up, and the tables of the extract."""

from collections.abc import Callable, Sequence
from datetime import date

import pandas as pd

from sap.errors import UsageError
from sap.simulate.assumptions import Assumptions
from sap.simulate.concomitant import concomitant
from sap.simulate.ctc import treatment_ctc
from sap.simulate.dosing import dose, support
from sap.simulate.events import adverse_events, screening_event
from sap.simulate.history import medical_history
from sap.simulate.kinetics import sample_plasma
from sap.simulate.labs import screening_labs, treatment_labs
from sap.simulate.physicians_choice import choose_therapy, rescreen, write_therapy
from sap.simulate.psa import screening_psa, set_baseline_level, treatment_psa
from sap.simulate.samples import choice_plasma, treatment_plasma
from sap.simulate.scenarios import NON_RESPONDERS, RESPONDERS, Scenario
from sap.simulate.screening import enrol, screen
from sap.simulate.subject import Episode, Row, Subject, iso, stream
from sap.simulate.subsequent_therapy import next_therapy, protocol_deviations
from sap.simulate.survival import follow_up, survival_times
from sap.simulate.tables import to_tables, truncate_records
from sap.simulate.tumours import scan
from sap.simulate.variants import with_variants
from sap.simulate.vitals import (
    screening_signs,
    screening_vitals,
    treatment_signs,
    treatment_vitals,
)

ARMS = {
    "A": "Physician's choice",
    "B": "Cabazitaxel",
    "SCRNFAIL": "Screen Failure",
    "NOTASSGN": "Not Assigned",
}

LEAST_PREVALENCE = 0.02  # below it, screening until the target is treated would take thousands

# The data of each course of study treatment, in this order: body surface before plasma, events
# before G-CSF.
COURSE: tuple[Callable[[Subject, Episode], None], ...] = (
    treatment_vitals,
    treatment_psa,
    treatment_labs,
    treatment_ctc,
    scan,
    sample_plasma,
    treatment_plasma,
    adverse_events,
    support,
    next_therapy,
    protocol_deviations,
    treatment_signs,
    concomitant,
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

    Patients are screened one after another. Without `n_screened`, until `treated_target` patients positive
    at their first screening have been treated; with it, exactly that number, and once the target is
    reached a further positive patient is not enrolled. The other options replace the assumption of
    the same name. The same seed and options give the same tables, whatever the machine; an option
    does not change the draws of a patient, only what follows from them.

    Parameters
    ----------
    seed
        Any whole number from 0.
    n_screened
        How many patients are screened.
    treated_target
        How many patients positive at the first screening are treated with study cabazitaxel.
    response_rate
        True probability that a treated patient has a PSA response confirmed after 28 days.
    arv7_prevalence
        Probability that AR-V7 is positive at the first screening, when it can be determined.
    ctc_threshold
        CTC per 7.5 mL from which AR-V7 decides the group.
    assumptions
        All other assumptions.

    Raises
    ------
    UsageError
        An option is out of range, or no patient could be treated with it.
    """
    given = assumptions or Assumptions()
    rate = given.treatment.response_rate if response_rate is None else response_rate
    prevalence = given.screening.arv7_positive if arv7_prevalence is None else arv7_prevalence
    _check_options(n_screened, treated_target, rate, prevalence)
    subjects = _screened(seed, given, (n_screened, treated_target), (ctc_threshold, prevalence))
    _assign_scenarios(subjects, seed, rate)
    extraction = _extraction(subjects, given)
    for subject in subjects:
        _after_screening(subject, extraction)
        truncate_records(subject, extraction)
        _demographics(subject)
    return with_variants(
        to_tables(subjects, given.study, _summary(subjects, given, extraction, seed)), seed
    )


def _check_options(n_screened: int | None, target: int, rate: float, prevalence: float) -> None:
    if n_screened is not None and n_screened < 1:
        raise UsageError("n_screened must be at least 1")
    if target < 1:
        raise UsageError("treated_target must be at least 1")
    if not 0 <= rate <= 1:
        raise UsageError("response_rate must lie between 0 and 1")
    if not 0 <= prevalence <= 1:
        raise UsageError("arv7_prevalence must lie between 0 and 1")
    if n_screened is None and prevalence < LEAST_PREVALENCE:
        raise UsageError(
            f"arv7_prevalence {prevalence:g} is below {LEAST_PREVALENCE:g}: screening would not end, "
            "since it goes on until enough patients are treated; give the number of screened patients (--n)"
        )


def _screened(
    seed: int,
    given: Assumptions,
    size: tuple[int | None, int],
    rule: tuple[int, float],
) -> list[Subject]:
    """Screen and re-screen patients in turn until the size is reached."""
    n_screened, target = size
    threshold, prevalence = rule
    subjects: list[Subject] = []
    treated = 0
    while len(subjects) < n_screened if n_screened is not None else treated < target:
        subject = Subject(seed, len(subjects) + 1, given)
        subjects.append(subject)
        screen(subject, threshold, prevalence)
        medical_history(subject)
        if subject.group == "B":
            enrol(subject, places_left=treated < target)
            treated += subject.fate == "TREATED"
            if subject.fate != "TREATED":
                choose_therapy(subject)
        elif subject.group == "A":
            choose_therapy(subject)
            rescreen(subject, threshold)
    return subjects


def _assign_scenarios(subjects: Sequence[Subject], seed: int, rate: float) -> None:
    """Assign a scenario to each treated patient.

    Response is random for each patient, with a draw below the rate. The scenarios of responders are
    assigned from the lowest draw up, those of non-responders from the highest down: each scenario
    occurs as soon as there are enough patients, and a change of the rate changes nothing for a patient
    whose response stays the same. A scenario of a first course is kept for the next patient who was
    not re-screened.
    """
    order = stream(seed, 0, "dosing")
    responder_scenarios = [RESPONDERS[i] for i in order.permutation(len(RESPONDERS))]
    other_scenarios = [NON_RESPONDERS[i] for i in order.permutation(len(NON_RESPONDERS))]
    treated = [
        subject for subject in subjects if subject.fate in ("TREATED", "TREATED AFTER RE-SCREENING")
    ]
    draws = {subject.number: float(subject.stream("psa", 7).random()) for subject in treated}
    treated.sort(key=lambda subject: draws[subject.number])
    respond = [subject for subject in treated if draws[subject.number] < rate]
    others = [subject for subject in reversed(treated) if draws[subject.number] >= rate]
    for scenarios, assigned in ((responder_scenarios, respond), (other_scenarios, others)):
        remaining: list[Scenario] = []
        for subject in assigned:
            rescreened = subject.fate == "TREATED AFTER RE-SCREENING"
            remaining = remaining or list(scenarios)
            scenario = next(
                (c for c in remaining if not (rescreened and "first course" in c.marks)), None
            )
            if scenario is None:
                remaining += scenarios
                scenario = next(c for c in remaining if "first course" not in c.marks)
            remaining.remove(scenario)
            sample = subject.second_sample if rescreened else subject.sample
            assert sample is not None
            subject.episodes.append(
                Episode(int(rescreened), sample, _treatment_consent(subject), scenario)
            )


def _treatment_consent(subject: Subject) -> int:
    days = [
        str(row["DSSTDTC"])
        for row in subject.rows["ds"]
        if row["DSDECOD"] == "TREATMENT CONSENT OBTAINED"
    ]
    return date.fromisoformat(days[-1]).toordinal()


def _after_screening(subject: Subject, extraction: int) -> None:
    """Treatment and follow-up of a patient after screening."""
    for episode in subject.episodes:
        dose(subject, episode)
    survival_times(subject)
    for episode in subject.episodes:
        if episode.part == 0:
            set_baseline_level(subject, episode)
    for part in (
        screening_psa,
        screening_labs,
        screening_vitals,
        screening_event,
        screening_signs,
    ):
        part(subject)
    if subject.therapy:
        write_therapy(subject)
        choice_plasma(subject)
    for episode in subject.episodes:
        if episode.part == 1:
            set_baseline_level(subject, episode)
        for course_part in COURSE:
            course_part(subject, episode)
    follow_up(subject, extraction)


def _extraction(subjects: Sequence[Subject], given: Assumptions) -> int:
    """The first day of the month a year after the last consent."""
    day = date.fromordinal(subjects[-1].consent + given.screening.follow_up_days)
    months = day.year * 12 + day.month  # the month after this one, counted from 0
    return date(months // 12, months % 12 + 1, 1).toordinal()


def _demographics(subject: Subject) -> None:
    infusions = [
        str(row["EXSTDTC"])[:10]
        for row in subject.rows.get("ex", [])
        if row["EXTRT"] == "CABAZITAXEL" and row["EXSTDTC"]
    ]
    known = subject.death is not None and any(
        row["DSDECOD"] == "DEATH" and row["DSSCAT"] == "STUDY PARTICIPATION"
        for row in subject.rows["ds"]
    )
    arm = subject.group or ("SCRNFAIL" if subject.fate == "NOT ELIGIBLE" else "NOTASSGN")
    subject.write(
        "dm",
        SUBJID=f"{subject.number:03d}",
        SITEID=subject.site,
        RFICDTC=iso(subject.consent),
        RFSTDTC=min(infusions, default=None),
        RFENDTC=max(infusions, default=None),
        DTHDTC=iso(subject.death) if known and subject.death is not None else None,
        DTHFL="Y" if known else None,
        AGE=subject.age,
        AGEU="YEARS",
        SEX="M",
        ARMCD=arm,
        ARM=ARMS[arm],
        COUNTRY="NLD",
        DMDTC=iso(subject.consent),
    )


def _summary(
    subjects: Sequence[Subject], given: Assumptions, extraction: int, seed: int
) -> list[Row]:
    title = "Cabazitaxel in AR-V7 positive metastatic castration-resistant prostate cancer"
    words = (
        ("TITLE", "Trial Title", title),
        ("STUDYID", "Study Identifier", given.study),
        ("SSTDTC", "Study Start Date", iso(subjects[0].consent)),
        ("DCUTDTC", "Data Cutoff Date", iso(extraction)),
        ("SYNTHDAT", "Synthetic Data", "Y"),
        ("SIMSEED", "Seed of the Simulation", str(seed)),
    )
    return [{"TSPARMCD": code, "TSPARM": name, "TSVAL": value} for code, name, value in words]
