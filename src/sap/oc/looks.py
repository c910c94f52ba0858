"""The looks at stage 1 of many trials: the first one at which its state is decided."""

import datetime as dt
from typing import NamedTuple

import numpy as np
import pandas as pd

from sap.catalogue import decisions
from sap.errors import ResultError, UsageError
from sap.pipeline.datasets import Deciding, derive_deciding
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.interim import first_stage, state
from sap.results.response import stages
from sap.results.sets import members
from sap.simulate.conditions import Conditions
from sap.simulate.many import DEATH, NEVER, Courses, Flags, Ints, Screened
from sap.simulate.many_tables import treated_tables


class Looks(NamedTuple):
    """Looks at stage 1 of each trial: how many, the day of the last, and whether it stopped the trial."""

    number: Ints
    day: Ints
    futile: Flags


def date_of_look(plan: Plan) -> dt.date:
    """The date that every look has: the last data cut-off of the plan that has a date.

    Raises
    ------
    UsageError
        Every cut-off of the plan is by number of patients.
    """
    dates = [each.date for each in plan.cut_offs.dates.values() if each.date is not None]
    if not dates:
        raise UsageError("Simulated trials need a data cut-off with a date: add one to cut_offs.")
    return max(dates)


def interval_of_looks(plan: Plan, given: Conditions) -> int:
    """Days between looks at stage 1: those of the scenario, else one cycle."""
    return given.accrual.look_every_days or stated(plan.exposure.cycle_days)


def counts_of(of: Deciding, trials: Ints, plan: Plan) -> pd.DataFrame:
    """The counts of stage 1 and in total of each of the trials, by their numbers."""
    subjects = members(of.adsl, "PRIMARY")
    numbers = [int(name.rsplit("-", 2)[1]) for name in subjects["USUBJID"]]
    rows = stages(subjects, of.adrs, plan, pd.Series(numbers, subjects.index, dtype=int))
    return rows.reindex(trials, fill_value=0)


def states_at(
    patients: Screened, of: Courses, rows: Ints, day: Ints, plan: Plan
) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """The state of stage 1 of some of the trials, on the data of a day."""
    some = of.of(rows)
    # The tables are made without the draws, which are by far the largest.
    without = vars(patients) | {"draws": np.empty((len(patients.trials), 0))}
    of_rows = Screened(**{name: value[rows] for name, value in without.items()})
    n1, look = stated(plan.design.n1), date_of_look(plan)
    included = np.tile(np.arange(of.ready.shape[1]) < n1, (len(rows), 1))
    tables = treated_tables(of_rows, some, some.ready, day, included, plan, look)
    counts = counts_of(derive_deciding(tables, plan, look), of_rows.trials, plan)
    r1 = stated(plan.design.r1)
    return np.array([state(first_stage(row, n1), r1) for _, row in counts.iterrows()], dtype=object)


def looks_at_stage_1(
    patients: Screened, of: Courses, complete: Deciding, plan: Plan, given: Conditions
) -> Looks:
    """The looks at stage 1 until its state is decided, each on the data of its day.

    Once decided, a state stays: a confirmed response is not lost, and a response that is not pending any more
    is not pending later. So that not every look is derived, the one that decides is foreseen from the complete
    data; then that look is derived, which must be decided, and the one before it, which must not. Where they are
    not, every look is derived in turn.

    Raises
    ------
    ResultError
        A trial is still undecided when no response can be pending any more: a fault of the code.
    """
    every, n1 = interval_of_looks(plan, given), stated(plan.design.n1)
    begin = of.ready[:, :n1].max(axis=1)
    expected = foreseen(of, complete, plan, given)
    rows = np.arange(len(begin))
    decided = states_at(patients, of, rows, begin + expected * every, plan)
    later = rows[expected > 0]
    settled = decided != decisions.BOUNDARY_OPEN
    if len(later):
        before = states_at(patients, of, later, (begin + (expected - 1) * every)[later], plan)
        settled[later[before != decisions.BOUNDARY_OPEN]] = False
    number, futile = expected + 1, decided == decisions.BOUNDARY_CROSSED
    rows, most = rows[~settled], int((of.ready + of.last + NEVER // 1000).max() // every)
    for k in range(most):
        if not len(rows):
            break
        now = states_at(patients, of, rows, begin[rows] + k * every, plan)
        number[rows], futile[rows] = k + 1, now == decisions.BOUNDARY_CROSSED
        rows = rows[now == decisions.BOUNDARY_OPEN]
    if len(rows):
        raise ResultError(
            "A simulated trial stays undecided after stage 1 without a pending response."
        )
    return Looks(number, begin + (number - 1) * every, futile)


def foreseen(of: Courses, complete: Deciding, plan: Plan, given: Conditions) -> Ints:
    """The look, from 0, at which stage 1 of each trial is expected to be decided.

    A response counts from the day of its confirmation. Another patient may respond until death, a new therapy,
    the last day on which a value counts after the end of treatment, or, without any decline in time, the end
    of that time.
    """
    rule, every, n1 = (
        stated(plan.psa_response),
        interval_of_looks(plan, given),
        stated(plan.design.n1),
    )
    adrs = complete.adrs.set_index("USUBJID")
    response, declined = (adrs[adrs["PARAMCD"] == name] for name in ("PSARESP", "PSARESPU"))
    usubjid, start = complete.adsl["USUBJID"], complete.adsl["TRTSDT"]
    shape = of.ready.shape
    confirmed = (
        (usubjid.map(response["CONFDT"]) - start).dt.days.to_numpy(dtype=float).reshape(shape)
    )
    any_decline = (usubjid.map(declined["AVALC"]) == "Y").to_numpy().reshape(shape)
    window = of.last + rule.days_after_last_cycle + 1
    ends = np.maximum(of.stop, window)
    ends = np.where(of.reason == DEATH, np.minimum(ends, of.stop), ends)
    if rule.stop_at_new_therapy:
        ends = np.minimum(ends, of.therapy)
    if rule.first_fall_within_days is not None:
        ends = np.where(any_decline, ends, np.minimum(ends, rule.first_fall_within_days))
    responds = ~np.isnan(confirmed)
    begin = of.ready[:, :n1].max(axis=1)
    known = (of.ready + np.where(responds, confirmed, ends))[:, :n1]
    r1, look = stated(plan.design.r1), np.full(len(begin), -1)
    for k in range(int((known.max() - begin.min()) // every) + 2):
        is_known = known <= (begin + k * every)[:, np.newaxis]
        responders = (is_known & responds[:, :n1]).sum(axis=1)
        is_decided = (responders > r1) | (responders + (~is_known).sum(axis=1) <= r1)
        look = np.where((look < 0) & is_decided, k, look)
    expected: Ints = np.maximum(look, 0)
    return expected
