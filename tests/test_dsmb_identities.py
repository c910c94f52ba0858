"""What a reader could compute from the open report: the identities, written down, and a solver over them.

Five numbers are closed: responders of the primary set, patients of it with a progression, deaths after the
safety window, deaths in it of another cause than an adverse event (mostly progression), and patients who
stopped treatment for a reason that the report does not name (mostly progression too). Each treated patient belongs to one class of `CLASSES`; every identity is a sum of
patients over classes that equals or bounds numbers of the open report. Integer programming finds the
smallest and the largest value of each closed number that agrees with all of them: they must differ.

The solver sees every row that the open report may hold, not only those that it prints.
"""

import datetime as dt
import itertools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.pipeline import commands
from sap.plan import read_plan
from sap.plan.model import Plan
from sap.results.dsmb import open_analyses, open_rows

HOME = Path(__file__).parents[1]
PLAN_FILE = HOME / "analysis" / "plan.yml"

# ---- the classes ---------------------------------------------------------------------------------

# What a treated patient is, as far as a closed number depends on it.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "set": ("primary", "other"),
    # How study treatment ended: the reasons that the open report names, any other, or not yet.
    "stop": ("adverse event", "death in window", "completed", "another reason", "on treatment"),
    "death": ("none", "in window, adverse event", "in window, other", "after window"),
    "response": ("yes", "no"),
    "progression": ("yes", "no"),
    "fatal event": ("yes", "no"),
}
IN_WINDOW = ("in window, adverse event", "in window, other")


class Kind(NamedTuple):
    """One class of patients, treated first in one month."""

    month: str
    set: str
    stop: str
    death: str
    response: str
    progression: str
    fatal: str


def possible(kind: Kind, plan: Plan, cut_off: dt.date) -> bool:
    """What cannot be, whatever the data: the rules that no number of the report is needed for."""
    followed = (cut_off - pd.Period(kind.month, "M").start_time.date()).days
    since_end = (cut_off - pd.Period(kind.month, "M").end_time.date()).days
    dead = kind.death != "none"
    cycles = (plan.exposure.max_cycles - 1) * (plan.exposure.cycle_days - 7)
    return all(
        (
            (kind.stop == "death in window") <= (kind.death in IN_WINDOW),
            (kind.stop == "on treatment") <= (not dead),
            # No patient is treated for twice the planned time: a reader knows who must be off treatment.
            (kind.stop == "on treatment")
            <= (since_end <= 2 * plan.exposure.max_cycles * plan.exposure.cycle_days),
            # A death after the window needs its days, a completed treatment most of its cycles, and a
            # confirmed response the days to its confirmation.
            (kind.death == "after window") <= (followed > plan.safety.days_after_last_dose),
            (kind.stop == "completed") <= (followed >= cycles),
            (kind.response == "yes") <= (followed > plan.psa_response.confirm_after_days),
            (kind.fatal == "yes") <= dead,
        )
    )


# ---- the identities, as data ---------------------------------------------------------------------


class Identity(NamedTuple):
    """Patients of some classes against a number of the open report."""

    area: str
    what: str
    row: str  # key of the ARD; a sum of rows with " + "
    relation: str  # of the patients to the number: "=", "<=" or ">="
    counts: Callable[[Kind], bool]


def _every(_: Kind) -> bool:
    return True


IDENTITIES = (
    Identity("sets", "treated", "analysis_sets|SAFETY|||||n", "=", _every),
    Identity("sets", "treated, primary set", "analysis_sets|PRIMARY|||||n", "=", lambda k: k.set == "primary"),
    Identity("flow", "treated after the first screening: the primary set is part of them",
             "flow|SCREENED||BOX|treated_first||n", ">=", lambda k: k.set == "primary"),
    Identity("flow", "treated after re-screening: in no primary set",
             "flow|SCREENED||BOX|rescreened_treated||n", "<=", lambda k: k.set == "other"),
    Identity("baseline", "treated patients with a baseline", "baseline|SAFETY||AGE|||N", "=", _every),
    Identity("exposure", "treated patients with a dose", "exposure|SAFETY||DELAYED|||N", "=", _every),
    Identity("cycles", "first cycle finished", "dsmb_cycles|SAFETY||NCYCLES|first_finished||n", ">=",
             lambda k: k.stop == "completed"),
    Identity("stopping", "stopped for an adverse event", "dsmb_stopping|SAFETY||TREATMENT|adverse_event||n", "=",
             lambda k: k.stop == "adverse event"),
    Identity("stopping", "treatment ended by death", "dsmb_stopping|SAFETY||TREATMENT|death||n", "=",
             lambda k: k.stop == "death in window"),
    Identity("deaths", "deaths in the window", "dsmb_deaths|SAFETY||DEATH|within_window||n", "=",
             lambda k: k.death in IN_WINDOW),
    Identity("events", "with a treatment-emergent fatal event", "ae_overview|SAFETY||TEAE|fatal||n", "=",
             lambda k: k.fatal == "yes"),
)  # fmt: skip


def accrual_identities(rows: Mapping[str, float]) -> list[Identity]:
    """Treated patients by month, all and of the primary set: one identity for each month and set."""
    months = sorted(
        key.split("|")[4]
        for key in rows
        if key.startswith("accrual|SCREENED||TREATED|") and key.endswith("|n")
    )
    return [
        *(Identity("accrual", f"treated by {month}", f"accrual|SCREENED||TREATED|{month}||n", "=",
                   lambda k, month=month: k.month <= month) for month in months),
        *(Identity("accrual", f"primary set treated by {month}", f"dsmb_accrual|PRIMARY||TREATED|{month}||n", "=",
                   lambda k, month=month: k.month <= month and k.set == "primary") for month in months),
    ]  # fmt: skip


# Open analyses that say nothing of a class: why.
NO_IDENTITY = {
    "ae_rates": "counts of single terms and of laboratory grades",
    "ae_soc_pt": "terms that are no progression; its fatal events are those of ae_overview",
    "biomarker_yield": "screening samples, before treatment",
    "data_timeliness": "missing results only, without the number due",
    "design": "the plan",
    "design_oc": "the plan",
    "dsmb_sites": "the sums of flow and deviations by site",
    "eligibility": "criteria not met before treatment",
    "lab_grade": "safety tests; a patient without a value may have any class",
    "protocol_deviations": "conduct",
    "toxicity_boundary": "the plan",
    "toxicity_monitoring": "one kind of event",
    "toxicity_oc": "the plan",
}

OTHER_DEATHS = "deaths in the window of another cause than an adverse event"
CLOSED = {
    "responders of the primary set": lambda k: k.set == "primary" and k.response == "yes",
    "progressions in the primary set": lambda k: k.set == "primary" and k.progression == "yes",
    "deaths after the window in the primary set": lambda k: (
        k.set == "primary" and k.death == "after window"
    ),
    OTHER_DEATHS: lambda k: k.death == "in window, other",
    "stopped for a reason that is not named": lambda k: k.stop == "another reason",
}


# ---- the solver ----------------------------------------------------------------------------------


class Look(NamedTuple):
    """An analysed cut: its run, its cut-off and the numbers of its open rows by key."""

    run: Path
    cut_off: dt.date
    plan: Plan
    rows: Mapping[str, float]
    every: pd.DataFrame

    @property
    def months(self) -> list[str]:
        first = pd.read_parquet(self.run / "adam" / "adsl.parquet", columns=["RFICDT"])[
            "RFICDT"
        ].min()
        return [str(m) for m in pd.period_range(first, pd.Timestamp(self.cut_off), freq="M")]


def look_at(folder: Path, seed: int, cut_off: str, treated: int = 25) -> Look:
    plan = read_plan(PLAN_FILE).plan
    extract = folder / f"extract-{seed}-{treated}"
    if not extract.is_dir():
        commands.simulate(extract, PLAN_FILE, seed, {"treated_target": treated})
    cut = commands.freeze(extract, PLAN_FILE, cut_off, folder / "frozen")
    run = folder / f"run-{seed}-{treated}-{cut_off}"
    if not run.is_dir():
        commands.analyse(cut, PLAN_FILE, run)
    return read_look(run, plan)


def read_look(run: Path, plan: Plan) -> Look:
    import json

    every = ard.from_csv(run / "ard.csv")
    facts = json.loads((run / "tables" / "run.json").read_text(encoding="utf-8"))
    rows = {ard.key(r): float(r["stat"]) for r in open_rows(every).to_dict("records")}
    return Look(run, dt.date.fromisoformat(facts["cut_off"]), plan, rows, every)


def kinds_of(look: Look) -> list[Kind]:
    treated = [
        month
        for month, before in zip(look.months, [None, *look.months[:-1]], strict=True)
        if look.rows[f"accrual|SCREENED||TREATED|{month}||n"]
        > (look.rows[f"accrual|SCREENED||TREATED|{before}||n"] if before else 0)
    ]
    combinations = itertools.product(treated, *CLASSES.values())
    kinds = [Kind(*each) for each in combinations]
    return [kind for kind in kinds if possible(kind, look.plan, look.cut_off)]


def constraints(
    look: Look, kinds: list[Kind], more: Mapping[str, tuple[float, Callable[[Kind], bool]]]
):
    """The matrix and the bounds of every identity, and of `more`: numbers that a report might add."""
    matrix, low, high = [], [], []
    for one in (*IDENTITIES, *accrual_identities(look.rows)):
        number = sum(look.rows[key] for key in one.row.split(" + "))
        matrix.append([float(one.counts(kind)) for kind in kinds])
        low.append(number if one.relation in ("=", "<=") else -np.inf)
        high.append(number if one.relation in ("=", ">=") else np.inf)
    for number, counts in more.values():
        matrix.append([float(counts(kind)) for kind in kinds])
        low.append(number)
        high.append(number)
    return np.array(matrix), np.array(low), np.array(high)


def ends(
    look: Look, more: Mapping[str, tuple[float, Callable[[Kind], bool]]] | None = None
) -> dict[str, tuple[int, int]]:
    """The smallest and the largest value of each closed number that agrees with the open rows."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    kinds = kinds_of(look)
    matrix, low, high = constraints(look, kinds, more or {})
    found = {}
    for name, counts in CLOSED.items():
        goal = np.array([float(counts(kind)) for kind in kinds])
        values = []
        for sign in (1, -1):
            solved = milp(
                sign * goal, integrality=np.ones(len(kinds)), bounds=Bounds(0, np.inf),
                constraints=LinearConstraint(matrix, low, high),
            )  # fmt: skip
            assert solved.success, solved.message
            values.append(round(float(goal @ solved.x)))
        found[name] = (values[0], values[1])
    return found


def true_kinds(look: Look) -> list[Kind]:
    """The class of each treated patient, from the datasets."""
    adsl = pd.read_parquet(look.run / "adam" / "adsl.parquet")
    adrs = pd.read_parquet(look.run / "adam" / "adrs.parquet")
    adtte = pd.read_parquet(look.run / "adam" / "adtte.parquet")
    adae = pd.read_parquet(look.run / "adam" / "adae.parquet")
    window = look.plan.safety.days_after_last_dose

    def ids(which: pd.DataFrame) -> set[str]:
        return set(which["USUBJID"])

    responders = ids(adrs[(adrs["PARAMCD"].isin(["PSARESP", "PSARESPR"])) & (adrs["AVALC"] == "Y")])
    progressed = ids(adtte[adtte["PARAMCD"].isin(["PFS", "PFSRE"]) & (adtte["CNSR"] == 0)])
    fatal = ids(adae[(adae["TRTEMFL"] == "Y") & (adae["PROGFL"] != "Y") & (adae["FATALFL"] == "Y")])
    kinds = []
    for row in adsl[adsl["SAFFL"] == "Y"].to_dict("records"):
        who, days = row["USUBJID"], row["LDDTHELD"]
        death = "none"
        if row["DTHFL"] == "Y":
            adverse = str(row["DTHCGR1"]).startswith("Adverse event")
            inside = IN_WINDOW[0] if adverse else IN_WINDOW[1]
            death = inside if days <= window else "after window"
        reason = row["DCTREAS"]
        stop = {"ADVERSE EVENT": "adverse event", "COMPLETED": "completed"}.get(
            reason, "another reason"
        )
        if reason is None or pd.isna(reason):
            stop = "on treatment" if death == "none" else "another reason"
        elif reason == "DEATH" and death in IN_WINDOW:
            stop = "death in window"
        kinds.append(
            Kind(
                row["TRTSDT"].strftime("%Y-%m"), "primary" if row["PRIMFL"] == "Y" else "other", stop, death,
                "yes" if who in responders else "no", "yes" if who in progressed else "no",
                "yes" if who in fatal else "no",
            )
        )  # fmt: skip
    return kinds


# ---- the tests -----------------------------------------------------------------------------------


def test_every_open_analysis_is_in_an_identity_or_says_why_not():
    in_identities = {one.row.split("|")[0] for one in IDENTITIES} | {"accrual", "dsmb_accrual"}
    assert not in_identities & set(NO_IDENTITY)
    assert in_identities | set(NO_IDENTITY) == open_analyses()
    areas = {"flow", "sets", "exposure", "cycles", "stopping", "events", "deaths", "baseline"}
    assert {one.area for one in IDENTITIES} == areas


def checked(look: Look) -> None:
    """The truth meets every identity, and no closed number follows from them."""
    assert look.rows["analysis_sets|PRIMARY|||||n"] >= 5
    kinds, true = kinds_of(look), true_kinds(look)
    assert set(true) <= set(kinds)
    matrix, low, high = constraints(look, kinds, {})
    sums = matrix @ np.array([true.count(kind) for kind in kinds], dtype=float)
    assert (sums >= low).all()
    assert (sums <= high).all()
    found = ends(look)
    for name, (least, most) in found.items():
        actual = sum(CLOSED[name](kind) for kind in true)
        assert least <= actual <= most, name
        # Of no death at all there is no cause to find.
        deaths = look.rows["dsmb_deaths|SAFETY||DEATH|within_window||n"]
        assert most > least or (name == OTHER_DEATHS and deaths == 0), name


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("identities")


@pytest.mark.parametrize(
    "seed", [pytest.param(128, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("cut_off", ["interim", "2018-06-30"])
def test_no_closed_number_follows_from_the_open_report(folder, seed, cut_off):
    checked(look_at(folder, seed, cut_off))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize("cut_off", ["2017-12-31", "final"])
def test_no_closed_number_follows_from_the_open_report_of_ten_seeds(folder, seed, cut_off):
    look = look_at(folder, seed, cut_off)
    if look.rows["analysis_sets|PRIMARY|||||n"] < 5:
        pytest.skip("fewer than five patients of the primary set are treated")
    checked(look)


@pytest.mark.slow
def test_when_all_must_be_off_treatment_completion_would_give_the_others(folder):
    """So completion is closed, and without it no closed number follows.

    With 12 patients of the primary set the last first dose is more than 420 days before the final cut-off,
    twice the planned time of treatment.
    """
    look = look_at(folder, 128, "final", treated=12)
    assert all(kind.stop != "on treatment" for kind in kinds_of(look))
    checked(look)
    true = true_kinds(look)
    completed = float(sum(kind.stop == "completed" for kind in true))
    closed = dict(zip(map(ard.key, look.every.to_dict("records")), look.every["stat"], strict=True))
    assert closed["dsmb_stopping|SAFETY||TREATMENT|completed||n"] == completed
    found = ends(look, {"completed": (completed, lambda kind: kind.stop == "completed")})
    least, most = found["stopped for a reason that is not named"]
    assert least == most == sum(kind.stop == "another reason" for kind in true)


def disclosing_digits(rows: pd.DataFrame) -> list[str]:
    """Keys of rows whose number is no count and no share of a printed N, but a fraction of few days.

    A ratio of whole numbers of at most 400 that agrees to 12 digits tells both of them.
    """
    sizes = rows[rows["stat_name"] == "N"].set_index(list(ard.KEY[:-1]))["stat"].to_dict()
    keys = []
    for row in rows.to_dict("records"):
        value, where = float(row["stat"]), tuple(row[name] for name in ard.KEY[:-1])
        if (
            row["analysis"] in NOT_ON_TREATMENT
            or row["level"] == "planned"
            or math.isnan(value)
            or value == round(value)
        ):
            continue
        if (
            row["stat_name"] in ("estimate", "conf_low", "conf_high", "conf_level")
            and where in sizes
        ):
            continue
        ratio = Fraction(value / 100).limit_denominator(400)
        if abs(float(ratio) - value / 100) < 1e-12:
            keys.append(ard.key(row))
    return keys


# Numbers of the plan, of the time before treatment, or of accrual.
NOT_ON_TREATMENT = {
    "accrual", "baseline", "biomarker_yield", "design", "design_oc", "dsmb_accrual", "toxicity_boundary",
    "toxicity_monitoring", "toxicity_oc",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("cut_off", ["interim", "final"])
def test_no_open_number_tells_by_its_digits_what_it_was_made_of(folder, cut_off):
    every = look_at(folder, 128, cut_off).every
    assert disclosing_digits(open_rows(every)) == []
    exposure = every[(every["analysis"] == "exposure") & (every["paramcd"] == "RDI")]
    assert disclosing_digits(exposure[exposure["group"] == ""])  # with all digits it does


@pytest.mark.slow
def test_a_single_patient_treated_is_analysed_and_the_solver_knows_no_less(folder):
    """Seed 128 on 2016-06-30: with one patient a closed number is 0 or 1, whatever the data."""
    look = look_at(folder, 128, "2016-06-30")
    assert look.rows["analysis_sets|SAFETY|||||n"] == 1
    assert disclosing_digits(open_rows(look.every)) == []
    true = true_kinds(look)
    assert set(true) <= set(kinds_of(look))
    for name, (least, most) in ends(look).items():
        assert least <= sum(CLOSED[name](kind) for kind in true) <= most, name
    assert ends(look)["progressions in the primary set"] == (0, 1)


@pytest.mark.slow
def test_the_solver_finds_a_number_that_an_earlier_open_report_disclosed(folder):
    """The patients still followed, and those of the primary set, give every death: so they are closed."""
    look = look_at(folder, 128, "interim")
    true = true_kinds(look)
    alive = {
        name: (float(sum(k.death == "none" and k.set == name for k in true)), lambda k, name=name: k.death == "none" and k.set == name)
        for name in CLASSES["set"]
    }  # fmt: skip
    inside = {
        "in window": (
            float(sum(k.death in IN_WINDOW and k.set == "primary" for k in true)),
            lambda k: k.death in IN_WINDOW and k.set == "primary",
        )
    }
    least, most = ends(look, alive | inside)["deaths after the window in the primary set"]
    assert least == most == sum(k.death == "after window" and k.set == "primary" for k in true)


@pytest.mark.slow
def test_the_deaths_of_an_adverse_event_would_give_those_of_other_causes(folder):
    """Total less related less not related is what is closed: so only the total is open."""
    look = look_at(folder, 128, "final")
    of_deaths = {key for key in look.rows if key.startswith("dsmb_deaths|") and key.endswith("|n")}
    assert of_deaths == {"dsmb_deaths|SAFETY||DEATH|within_window||n"}
    true = true_kinds(look)
    adverse = sum(k.death == "in window, adverse event" for k in true)
    assert look.rows["dsmb_deaths|SAFETY||DEATH|within_window||n"] == 2
    least, most = ends(look)[OTHER_DEATHS]
    assert least < most
    more = {"adverse": (float(adverse), lambda k: k.death == "in window, adverse event")}
    least, most = ends(look, more)[OTHER_DEATHS]
    assert least == most == sum(k.death == "in window, other" for k in true)
