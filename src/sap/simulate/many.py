"""Many trials at once, as arrays: who is screened and treated, and the course of each treated patient.

`sap oc` decides such trials in stacks; `sap simulate` makes one trial in every detail, and shares nothing
with this module. Each trial has its own sequence of random numbers, determined by the seed and its number,
in blocks of patients: no draw depends on another trial, on the size of a stack or on the scenario, so that
scenarios are compared on the same patients.

Days are whole. Those of screening and accrual count from the begin of the trial, those of a course from the
first dose (day 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sap.errors import UsageError
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.simulate.conditions import Conditions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PATIENTS = 64  # of one block of random numbers
NEVER = 1_000_000  # days
DAYS_PER_MONTH = 30.4375
LEAST_TREATED = 0.005  # of the screened: below it a trial would screen tens of thousands
REASONS = (
    *("COMPLETED", "PROGRESSIVE DISEASE", "ADVERSE EVENT", "DEATH", "WITHDRAWAL BY SUBJECT"),
    "LOST TO FOLLOW-UP",
)
COMPLETED, PROGRESSION, TOXICITY, DEATH, WITHDRAWN, LOST = range(len(REASONS))

# The place in this list is part of the seed: append, never reorder.
DRAWS = (
    *("gap", "truth", "failure", "result", "cells", "starts", "wait", "response", "decline"),
    *("lowest", "brief", "progression", "death", "withdrawal", "lost", "therapy", "no baseline"),
    *("toxicity", "onset", "tox stop", "level", "age", "plateau", "spare"),
)
OF_VISIT = ("missed", "late", "late days", "variation")


class Design(NamedTuple):
    """What the plan says of a patient's course and of the size of the trial."""

    n: int
    n1: int  # 0 for a single stage
    cycle: int
    cycles: int
    latest_decline: int
    threshold: float  # PSA as a share of baseline that is just a response


def design_of(plan: Plan) -> Design:
    """The sizes of the plan, and the last day on which a decline can begin that perfect visits confirm.

    Raises
    ------
    UsageError
        No visit of the schedule could confirm a decline, a response is a PSA of 0, or there are no cycles.
    """
    rule, d = stated(plan.psa_response), plan.design
    if plan.exposure.cycle_days is None or plan.exposure.max_cycles is None:
        raise UsageError(
            "sap oc simulates treatment in cycles, and the plan has continuous dosing (exposure.dosing)."
        )
    cycle, cycles = plan.exposure.cycle_days, plan.exposure.max_cycles
    if rule.decline_pct >= 100:
        raise UsageError(
            "sap oc: no PSA value above 0 is a decline of 100 % (psa_response.decline_pct)."
        )
    last = (cycles - 1) * cycle
    visits = [
        cycle * v for v in range(1, cycles + 1) if cycle * v <= last + rule.days_after_last_cycle
    ]
    gap = max(
        rule.confirm_after_days - rule.confirm_tolerance_days, 1 if rule.confirm_after_days else 0
    )
    limit = NEVER if rule.first_fall_within_days is None else rule.first_fall_within_days
    days = [day for day in visits if day <= limit and any(v >= day + gap for v in visits)]
    if not days:
        raise UsageError(
            "sap oc: with the cycles of exposure and the rule of psa_response no visit can confirm a decline."
        )
    return Design(d.n, d.n1 or 0, cycle, cycles, max(days), 1 - rule.decline_pct / 100)


@dataclass(frozen=True)
class Screened:
    """Screened patients: one row per trial, one column per patient in the order of consent."""

    trials: Ints
    draws: Floats  # (trials, patients, kinds)
    consent: Ints
    positive: Flags  # in truth
    result: Ints  # of the assay: 0 negative, 1 positive, 2 none
    enough: Flags
    starts: Flags
    allocated: Ints
    ready: Ints  # the day of the first dose, if there is a place

    def draw(self, kind: str) -> Floats:
        """The uniform numbers of one kind."""
        values: Floats = self.draws[..., DRAWS.index(kind)]
        return values

    @property
    def eligible(self) -> Flags:
        """Patients who are treated while there is a place."""
        eligible: Flags = (self.result == 1) & self.enough & self.starts
        return eligible


def _block(seed: int, trial: int, number: int, kinds: int) -> Floats:
    sequence = np.random.SeedSequence(seed, spawn_key=(trial, number))
    return np.random.Generator(np.random.PCG64(sequence)).random((PATIENTS, kinds))


def _integers(low_high: tuple[int, int], uniform: Floats) -> Ints:
    """Whole numbers from the first to the second, equally probable."""
    low, high = low_high
    return low + np.minimum((uniform * (high - low + 1)).astype(np.int64), high - low)


def screened(trials: Sequence[int], seed: int, given: Conditions, design: Design) -> Screened:
    """Screened patients of each trial, as many as the places of the design need.

    Patients consent one after another, at random times with a constant rate.

    Raises
    ------
    UsageError
        Under the scenario too few of the screened patients would be treated.
    """
    share = given.share_treated
    if share < LEAST_TREATED:
        raise UsageError(
            f"sap oc: {100 * share:.2f} % of the screened patients would be treated, which is below "
            f"{100 * LEAST_TREATED:g} %: screening would not end. Change screening or assay of the scenario."
        )
    kinds = len(DRAWS) + len(OF_VISIT) * (design.cycles + 1)
    wanted = (2 * design.n + 10) if share == 1 else design.n / share + 5 * np.sqrt(design.n) / share
    blocks = int(np.ceil(wanted / PATIENTS))
    while True:
        draws = np.stack(
            [
                np.concatenate([_block(seed, trial, number, kinds) for number in range(blocks)])
                for trial in trials
            ]
        )
        patients = _screening(np.asarray(trials, dtype=np.int64), draws, given)
        known = patients.eligible & (patients.ready <= patients.consent[:, -1:])
        # Twice: a pause after stage 1 leaves out the patients who were being screened at its begin.
        spare = int((patients.ready - patients.consent).max())
        before = patients.consent <= patients.consent[:, -1:] - 2 * spare
        if ((known & before).sum(axis=1) >= design.n + _in_screening(patients, spare)).all():
            return patients
        blocks += 1


def _in_screening(patients: Screened, spare: int) -> Ints:
    """The most eligible patients of each trial who can be in screening on one day, or consent on it."""
    most = np.zeros(len(patients.trials), dtype=np.int64)
    for row, (days, eligible) in enumerate(zip(patients.consent, patients.eligible, strict=True)):
        of = days[eligible]
        most[row] = (np.searchsorted(of, of + spare, side="right") - np.arange(len(of))).max(
            initial=0
        )
    return most


def _screening(trials: Ints, draws: Floats, given: Conditions) -> Screened:
    def draw(kind: str) -> Floats:
        values: Floats = draws[..., DRAWS.index(kind)]
        return values

    gaps = -np.log1p(-draw("gap")) * DAYS_PER_MONTH / given.accrual.screened_per_month
    consent = np.floor(np.cumsum(gaps, axis=1)).astype(np.int64)
    positive = draw("truth") < given.screening.positive
    called = draw("result") < np.where(
        positive, given.assay.sensitivity, 1 - given.assay.specificity
    )
    result = np.where(draw("failure") < given.assay.failure, 2, called.astype(np.int64))
    allocated = consent + given.accrual.days_to_result
    return Screened(
        trials=trials,
        draws=draws,
        consent=consent,
        positive=positive,
        result=result,
        enough=draw("cells") < given.screening.enough_cells,
        starts=draw("starts") < given.screening.starts_treatment,
        allocated=allocated,
        ready=allocated + _integers(given.accrual.days_to_first_dose, draw("wait")),
    )


def places(patients: Screened, design: Design, *, pause: bool) -> Ints:
    """The treated patients of each trial by column number, in the order of the first dose.

    1. Eligible patients are treated in the order in which they are ready (ties: of consent).
    2. With a pause the places of stage 2 are for patients who consent after the last first dose of
       stage 1; eligible patients in screening on that day are not treated.
    """
    rows = np.arange(len(patients.trials))[:, np.newaxis]
    ready = np.where(patients.eligible, patients.ready, NEVER)
    order = np.argsort(ready, axis=1, kind="stable")
    if not pause or design.n1 == 0:
        return order[:, : design.n]
    first = order[:, : design.n1]
    end = ready[rows[:, 0], first[:, -1]][:, np.newaxis]
    later = np.where(patients.consent > end, ready, NEVER)
    second = np.argsort(later, axis=1, kind="stable")[:, : design.n - design.n1]
    return np.concatenate([first, second], axis=1)


@dataclass(frozen=True)
class Courses:
    """The courses of the treated patients: one row per trial, one column per place."""

    column: Ints  # of the patient in `Screened`
    ready: Ints  # the day of the first dose from the begin of the trial, without a pause
    responds: Flags  # in truth
    responds_if_positive: Flags  # would respond, were the patient positive in truth
    visit_day: (
        Ints  # (trials, places, visits): visit 0 is the first dose, the last the end of treatment
    )
    infusion: Flags
    psa: Floats  # NaN: no value
    last: Ints  # day of the last infusion
    stop: Ints  # day of the end of treatment
    reason: Ints
    therapy: Ints  # day of a new therapy; NEVER
    toxicity: Ints  # day of onset; NEVER
    age: Ints

    def of(self, rows: Any) -> "Courses":
        """The courses of some of the trials."""
        return Courses(**{name: value[rows] for name, value in vars(self).items()})


def courses(patients: Screened, column: Ints, given: Conditions, design: Design) -> Courses:
    """The course of each treated patient; see `Conditions` for what is assumed.

    1. A true responder has declined values from the day of the decline on, at the latest from the last day
       that perfect visits confirm; until PSA rises before progression. Another patient has none, or a
       single one.
    2. Infusions are given at the visits before the end of treatment; a late visit delays the next ones.
    3. A PSA value is taken at each infusion, and one cycle after the last one unless the patient died,
       withdrew or was lost.
    4. Treatment ends with the first of progression, toxicity, death, withdrawal and loss; else with the
       last cycle.
    """
    rows = np.arange(len(patients.trials))[:, np.newaxis]
    draws = patients.draws[rows, column]

    def draw(kind: str) -> Floats:
        values: Floats = draws[..., DRAWS.index(kind)]
        return values

    visits = design.cycles + 1
    by_visit = draws[..., len(DRAWS) :].reshape(*column.shape, len(OF_VISIT), visits)
    missed, late, late_days, variation = (by_visit[..., k, :] for k in range(len(OF_VISIT)))

    positive = patients.positive[rows, column]
    if_positive = draw("response") < given.response.positive
    responds = np.where(positive, if_positive, draw("response") < given.response_of_negative)

    delay = np.where(late < given.visits.late, _integers(given.visits.late_days, late_days), 0)
    delay[..., 0] = 0
    day = design.cycle * np.arange(visits) + np.cumsum(delay, axis=-1)

    progression = _progression(draw("progression"), responds, given)
    ratio = _ratio(draws, day, responds, progression, given, design)
    sd = np.sqrt(np.log1p(given.course.variation**2))
    noise = np.exp(sd * ndtri(np.clip(variation, 1e-12, 1 - 1e-12)))
    level = np.clip(80 * np.exp(0.8 * ndtri(np.clip(draw("level"), 1e-9, 1 - 1e-9))), 5, 2000)
    value = _three_digits(level[..., np.newaxis] * ratio * noise)
    measured = ~(missed < given.visits.missed)
    measured[..., 0] = ~(draw("no baseline") < given.visits.no_baseline)

    declined = measured & (value <= design.threshold * value[..., :1])
    declined[..., 0] = False
    at = np.where(declined.any(axis=-1), declined.argmax(axis=-1), 1)
    after = np.take_along_axis(day, at[..., np.newaxis], axis=-1)[..., 0] + 1
    lost = np.where(draw("lost") < given.stops.lost_before_confirmation, after, NEVER)
    death = _first_event(draw("death"), given.stops.death_per_month)
    withdrawn = _first_event(draw("withdrawal"), given.stops.withdrawal_per_month)
    onset = _integers(given.toxicity.onset_days, draw("onset"))
    toxic = draw("toxicity") < given.toxicity.rate
    stopping = toxic & (draw("tox stop") < given.toxicity.stops_treatment)
    ends = np.stack(
        [progression, np.where(stopping, np.maximum(onset, 1), NEVER), death, withdrawn, lost]
    )
    stop = ends.min(axis=0)
    infusion = day < stop[..., np.newaxis]
    infusion[..., -1] = False
    last = np.where(infusion, day, 0).max(axis=-1)
    completed = infusion[..., -2] & (stop > last + design.cycle)
    reason = np.where(completed, COMPLETED, ends.argmin(axis=0) + 1)
    stop = np.where(completed, last + design.cycle, stop)
    leaves = np.isin(reason, (DEATH, WITHDRAWN, LOST))

    day = day.copy()
    day[..., -1] = last + design.cycle + delay[..., -1]
    end_ratio = _ratio(draws, day[..., -1:], responds, progression, given, design)
    value[..., -1] = _three_digits(level * end_ratio[..., 0] * noise[..., -1])
    taken = infusion & measured
    taken[..., -1] = measured[..., -1] & ~leaves
    therapy = (reason == PROGRESSION) & (draw("therapy") < given.stops.new_therapy)
    return Courses(
        column=column,
        ready=patients.ready[rows, column],
        responds=responds,
        responds_if_positive=if_positive,
        visit_day=day,
        infusion=infusion,
        psa=np.where(taken, value, np.nan),
        last=last,
        stop=stop,
        reason=reason,
        therapy=np.where(therapy, stop + 1, NEVER),
        toxicity=np.where(toxic, np.where(leaves, np.minimum(onset, stop), onset), NEVER),
        age=50 + (draw("age") * 35).astype(np.int64),
    )


def _three_digits(values: Floats) -> Floats:
    """Values as a laboratory reports them: three significant digits.

    >>> _three_digits(np.array([123.45, 45.678, 0.12345])).tolist()
    [123.0, 45.7, 0.123]
    """
    digits = 2 - np.floor(np.log10(values))
    scale = 10.0 ** np.abs(digits)
    shown: Floats = np.where(
        digits >= 0, np.round(values * scale) / scale, np.round(values / scale) * scale
    )
    return shown


def _first_event(uniform: Floats, per_month: float) -> Ints:
    """The day of an event with a constant hazard; from day 1."""
    if per_month == 0:
        return np.full(uniform.shape, NEVER)
    days = -np.log1p(-uniform) * DAYS_PER_MONTH / per_month
    return np.minimum(np.floor(days), NEVER - 1).astype(np.int64) + 1


def _progression(uniform: Floats, responds: Flags, given: Conditions) -> Ints:
    """The day of progression, exponential with the median of responders or of the others."""

    def of(median: float | None) -> Ints:
        return _first_event(uniform, 0.0 if median is None else float(np.log(2)) / median)

    stops = given.stops
    return np.where(
        responds, of(stops.progression_months_responder), of(stops.progression_months_other)
    )


def _ratio(
    draws: Floats, day: Ints, responds: Flags, progression: Ints, given: Conditions, design: Design
) -> Floats:
    """PSA without variation as a share of baseline, at each visit."""

    def draw(kind: str) -> Floats:
        values: Floats = draws[..., DRAWS.index(kind)]
        return values[..., np.newaxis]

    just, course = design.threshold, given.course
    normal = ndtri(np.clip(draw("decline"), 1e-12, 1 - 1e-12))
    reached = course.days_to_decline * np.exp(course.spread * normal)
    reached = np.clip(reached, 1, design.latest_decline)
    low, high = course.lowest
    lowest = just * (low + (high - low) * draw("lowest"))
    approach = 1 - (1 - min(1.05 * just, 0.99)) * np.minimum(day / reached, 1)
    response = np.where(day >= reached, lowest, approach)
    above = min(1.1 * just, 0.995)
    plateau = above + draw("plateau") * (1.5 - above)
    other = 1 + (plateau - 1) * np.minimum(day / design.cycle, 1)
    if day.shape[-1] > 1:
        brief = (draw("brief") < course.brief_decline)[..., 0]
        at = min(2, day.shape[-1] - 2)
        other[..., at] = np.where(brief, 0.9 * just, other[..., at])
    risen = day >= (progression - course.rise_before_progression_days)[..., np.newaxis]
    ratio = np.where(responds[..., np.newaxis], np.where(risen, plateau, response), other)
    return np.where(day == 0, 1.0, ratio)
