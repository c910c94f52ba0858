"""The decision of many simulated trials by the derivations, results and methods that report a real one.

The course of a trial:

1. Patients are screened and treated in turn while there are places (`sap.simulate.many`).
2. From the first dose of the last patient of stage 1 on, stage 1 is looked at in equal intervals, on the
   data of that day, until its state (`sap.results.interim.state`) is decided. Screening waits until then,
   where accrual pauses.
3. On each day with a toxicity the boundary is looked at, on the data of that day. When it is crossed, no
   further patient is treated.
4. The final analysis is on the day after the last one on which a PSA value of a treated patient can count:
   the decision, the reported estimate and its interval, and the two-stage inference.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from sap.ard import NotEstimable
from sap.catalogue import decisions
from sap.errors import ResultError
from sap.methods.two_stage import TwoStageDesign
from sap.oc.looks import Looks, counts_of, date_of_look, interval_of_looks, looks_at_stage_1
from sap.pipeline.datasets import Deciding, derive_deciding
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.design import of_plan
from sap.results.response import Counts, Stage1, decision, end_of, primary_interval
from sap.results.safety import bounds_of, crossed_after, toxic_events
from sap.results.sets import members
from sap.simulate.conditions import Conditions
from sap.simulate.many import (
    NEVER,
    Courses,
    Flags,
    Ints,
    Screened,
    courses,
    design_of,
    places,
    screened,
)
from sap.simulate.many_tables import extract, treated_tables, untreated_tables

TOXICITY, FUTILITY, REJECTED, NOT_REJECTED = (
    "stopped for toxicity",
    "stopped for futility",
    "H0 rejected",
    "H0 not rejected",
)
OUTCOMES = (TOXICITY, FUTILITY, REJECTED, NOT_REJECTED)


class Calendar(NamedTuple):
    """When things happen in each trial, in days from its begin; arrays by trial, or by trial and place."""

    first_dose: Ints
    looks: Ints  # at stage 1, of which the last decided
    decided: Ints  # day of that look; NEVER: a single stage
    futile: Flags
    toxic: Ints  # day on which the boundary was crossed; NEVER
    final: Ints  # day of the final analysis
    wait: Ints  # days for which screening waits after stage 1; 0: it does not

    @property
    def stop(self) -> Ints:
        """The day from which no further patient is treated; NEVER."""
        futile = np.where(self.futile, self.decided, NEVER)
        return np.minimum(futile, self.toxic)

    @property
    def treated(self) -> Flags:
        """Which places are of treated patients."""
        treated: Flags = (self.first_dose <= self.stop[:, np.newaxis]) & (self.first_dose < NEVER)
        return treated


class Batch(NamedTuple):
    """Some trials: their patients, their courses, when things happen, and what is derived of every place."""

    patients: Screened
    courses: Courses
    calendar: Calendar
    complete: Deciding  # of every place, in their order


def pauses(plan: Plan, given: Conditions) -> bool:
    """Whether screening waits for the decision after stage 1.

    1. The scenario states it.
    2. The plan states it (`design.pause_after_stage_1`).
    3. Neither: it waits, as the design assumes.
    """
    if given.accrual.pause_after_stage_1 is not None:
        return given.accrual.pause_after_stage_1
    return plan.design.pause_after_stage_1 is not False


def batch(trials: Sequence[int], plan: Plan, given: Conditions, seed: int) -> Batch:
    """The trials with these numbers, from screening to the final analysis.

    The complete data of every place are derived once. A rule is of one patient and of days since the first
    dose, so that neither a pause nor patients who are not treated after a stop change what is derived.
    """
    design = design_of(plan)
    pause = pauses(plan, given)
    patients = screened(trials, seed, given, design)
    of = courses(patients, places(patients, design, pause=pause), given, design)
    ends = of.last + stated(plan.psa_response).days_after_last_cycle + 1
    look, every = date_of_look(plan), np.ones(of.ready.shape, dtype=bool)
    tables = treated_tables(
        patients, of, of.ready, (of.ready + ends).max(axis=1), every, plan, look
    )
    complete = derive_deciding(tables, plan, look)
    none = np.full(len(trials), NEVER)
    looks = Looks(np.zeros_like(none), none, none < 0)
    first_dose, wait = of.ready, np.zeros_like(none)
    if design.n1:
        looks = looks_at_stage_1(patients, of, complete, plan, given)
        if pause:
            wait = looks.day - of.ready[:, design.n1 - 1]
            later = np.arange(design.n) >= design.n1
            first_dose = of.ready + np.where(later, wait[:, np.newaxis], 0)
            # After a stop in a pause there is no stage 2.
            first_dose = np.where(later & looks.futile[:, np.newaxis], NEVER, first_dose)
    toxic = _boundary_crossed(complete, first_dose, plan)
    calendar = Calendar(
        first_dose, looks.number, looks.day, looks.futile & (looks.day < toxic), toxic, none, wait
    )
    final = np.where(calendar.treated, first_dose + ends, 0).max(axis=1)
    return Batch(patients, of, calendar._replace(final=final), complete)


def _boundary_crossed(of: Deciding, first_dose: Ints, plan: Plan) -> Ints:
    """The first day on which the data of that day cross the boundary for toxicity; NEVER."""
    day = np.full(len(first_dose), NEVER)
    rule = plan.toxicity_monitoring
    if rule is None:
        return day
    events = toxic_events(members(of.adsl, "SAFETY"), of.adae, rule)
    onset = of.adsl["USUBJID"].map(events.groupby("USUBJID")["ASTDT"].min()) - of.adsl["TRTSDT"]
    onset_day = first_dose + onset.dt.days.to_numpy(dtype=float).reshape(first_dose.shape)
    onset_day[first_dose >= NEVER] = np.nan
    bounds = bounds_of(rule)
    for row in np.flatnonzero((~np.isnan(onset_day)).sum(axis=1) >= min(bounds)):
        for at in np.unique(onset_day[row][~np.isnan(onset_day[row])]):
            treated = first_dose[row] <= at
            toxicities = np.cumsum(onset_day[row][treated] <= at).tolist()
            if crossed_after(toxicities, bounds) is not None:
                day[row] = int(at)
                break
    return day


class Reported(NamedTuple):
    """What is reported at the end of a trial; NaN where it is not estimable."""

    decision: str
    estimate: float
    conf_low: float
    conf_high: float
    mle: float  # of the stages, without patients treated after a stop
    umvue: float


def reporting(plan: Plan) -> Callable[[Counts], Reported]:
    """The decision, the primary result and the UMVUE of the counts of a trial, each computed once."""
    design = of_plan(plan)

    def number(value: object) -> float:
        return np.nan if isinstance(value, NotEstimable) else float(value)  # type: ignore[arg-type]

    @cache
    def reported(counts: Counts) -> Reported:
        stats, _ = primary_interval(counts, plan)
        mle = umvue = number(stats["estimate"])
        if isinstance(design, TwoStageDesign):
            end = end_of(counts, plan, design).inference
            mle, umvue = (np.nan, np.nan) if end is None else (end.mle, end.umvue)
        return Reported(
            decision(plan.design, counts.responders, counts.n, counts.first),
            number(stats["estimate"]),
            number(stats["conf_low"]),
            number(stats["conf_high"]),
            mle,
            umvue,
        )

    return reported


def decided(trials: Sequence[int], plan: Plan, given: Conditions, seed: int) -> pd.DataFrame:
    """One row per trial: its outcome, what is reported, and what the binomial model decides.

    `model_rejects`: the decision of the design on the true responses of the same patients, were all of them
    truly positive and all responses known. `outcome`, the first that applies: stopped for toxicity, stopped
    for futility, H0 rejected, H0 not rejected.
    """
    made = batch(trials, plan, given, seed)
    calendar, of, patients = made.calendar, made.courses, made.patients
    report = reporting(plan)
    treated = calendar.treated
    in_trial = pd.Series(treated.ravel(), made.complete.adsl.index)
    kept = made.complete._replace(adsl=made.complete.adsl[in_trial])
    counts = [Counts.of(row, plan) for _, row in counts_of(kept, patients.trials, plan).iterrows()]
    reported = [report(each) for each in counts]
    model = _model(of, plan)
    stopped_early = calendar.toxic < NEVER
    outcome = [
        TOXICITY if toxic else _outcome(each.decision)
        for toxic, each in zip(stopped_early, reported, strict=True)
    ]
    end = np.where(calendar.stop < NEVER, calendar.stop, calendar.final)
    begin = patients.consent[:, 0]
    return pd.DataFrame(
        {
            "trial": patients.trials,
            "outcome": outcome,
            "decision": [each.decision for each in reported],
            "model_rejects": model,
            "screened": _screened(made),
            "treated": treated.sum(axis=1),
            "responders": [each.responders for each in counts],
            "true_responders": (of.responds & treated).sum(axis=1),
            "toxicities": ((of.toxicity < NEVER) & treated).sum(axis=1),
            "days": end - begin,
            "looks": _looks(calendar, interval_of_looks(plan, given)),
            **{
                name: np.array([getattr(each, name) for each in reported], dtype=float)
                for name in ("estimate", "conf_low", "conf_high", "mle", "umvue")
            },
        }
    )


def _outcome(reported: str) -> str:
    known = {
        decisions.STOPPED_STAGE_1: FUTILITY,
        decisions.REJECTED: REJECTED,
        decisions.NOT_REJECTED: NOT_REJECTED,
    }
    if reported not in known:
        raise ResultError(f"A simulated trial ends without a decision: {reported}.")
    return known[reported]


def _model(of: Courses, plan: Plan) -> Flags:
    """Whether the design rejects H0 on the true responses of its first patients."""
    design = plan.design
    yes = of.responds_if_positive
    first = None if design.n1 is None else yes[:, : design.n1].sum(axis=1)
    return np.array(
        [
            decision(
                design, int(x), design.n, None if first is None else Stage1(int(first[row]), 0)
            )
            == decisions.REJECTED
            for row, x in enumerate(yes.sum(axis=1))
        ],
        dtype=bool,
    )


def _screened(made: Batch) -> Ints:
    """Patients who consented until the last place was filled, or the trial stopped.

    During a pause no patient is screened; consents after it are later by its length, so that a stop in the pause
    finds none of them. Of one day, those who consented before the last treated patient count.
    """
    calendar, of, consent = made.calendar, made.courses, made.patients.consent
    treated = calendar.treated
    last = np.where(treated, calendar.first_dose, -1).max(axis=1)
    until = np.where(treated.all(axis=1), last, calendar.stop)
    column = np.where(treated, of.column, -1).max(axis=1)[:, np.newaxis]
    before = _after_the_pause(made, consent) < until[:, np.newaxis]
    count: Ints = (before | (np.arange(consent.shape[1]) <= column)).sum(axis=1)
    return count


def _after_the_pause(made: Batch, consent: Ints) -> Ints:
    """Days of consent with the pause: later by its length from the last first dose of stage 1 on."""
    wait = made.calendar.wait[:, np.newaxis]
    end = (made.calendar.decided - made.calendar.wait)[:, np.newaxis]
    shifted: Ints = consent + np.where(consent >= end, wait, 0)
    return shifted


def _looks(calendar: Calendar, every: int) -> Ints:
    """The looks at stage 1 that took place: none from the day of a stop for toxicity on."""
    begin = calendar.decided - (calendar.looks - 1) * every
    before: Ints = np.clip(-((begin - calendar.toxic) // every), 0, calendar.looks)
    return before


def one_trial(trial: int, plan: Plan, given: Conditions, seed: int) -> dict[str, pd.DataFrame]:
    """The extract of one trial at its final analysis, as tables of text: an input of `sap run`.

    The final analysis has the date of the last data cut-off of the plan.
    """
    made = batch([trial], plan, given, seed)
    calendar, of, patients = made.calendar, made.courses, made.patients
    look = date_of_look(plan)
    treated = calendar.treated
    day = np.maximum(calendar.final, np.where(calendar.stop < NEVER, calendar.stop, 0))
    parts = [treated_tables(patients, of, calendar.first_dose, day, treated, plan, look)]
    others = np.setdiff1d(np.arange(int(_screened(made)[0])), of.column[0][treated[0]])
    consent = _after_the_pause(made, patients.consent)[0, others]
    parts.append(untreated_tables(patients, others, consent, int(day[0]), plan, look))
    return extract(parts, plan, look)
