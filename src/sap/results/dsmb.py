"""Counts of the DSMB reports: deaths, stopping, finished cycles, accrual against the plan, sites."""

import datetime as dt
import math
from decimal import ROUND_HALF_UP, Decimal

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import fold, folded
from sap.catalogue.reporting import analyses, analysis
from sap.methods.projection import days_until
from sap.methods.two_stage import TwoStageDesign
from sap.plan.model import Plan
from sap.results.design import of_plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT
from sap.results.safety import bounds_of
from sap.results.sets import consented, members

# Each SUBLEVEL of deaths, and its values of DTHCGR1 in ADSL. `other` holds the progressions: it is closed.
CAUSES = {
    "adverse_event_related": ("Adverse event, related",),
    "adverse_event_unrelated": ("Adverse event, not related",),
    "other": ("Progression", "Not recorded"),
}
# Each LEVEL of patients who left, and its value of DCSREAS in ADSL.
REASONS = {
    "lost_to_follow_up": "LOST TO FOLLOW-UP",
    "withdrew": "WITHDRAWAL BY SUBJECT",
}
PREDICTION = 0.8
DUE, NOT_DUE = "due", "not due yet"
DAYS = "Distinct patients; dates"


def open_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of an ARD that an open report may hold, with their exact numbers, as the catalogue says.

    1. Not: rows of a closed analysis.
    2. Not: rows that the list `open` of their analysis leaves out: splits by line, biomarker or
       response, time on treatment, counts after each single patient.
    3. All others, unchanged, but where the list gives decimals: a ratio with all its digits discloses the
       numbers that it was made of (a dose intensity, the cycles and days of a patient).
    """
    known = {name: analysis(name) for name in rows["analysis"].unique()}
    keys = [
        {str(k): str(v) for k, v in row.items()}
        for row in rows[["analysis", *ard.KEY[1:]]].to_dict("records")
    ]
    kept = [known[row["analysis"]].in_open_report(row) for row in keys]
    decimals = [known[row["analysis"]].open_decimals(row) for row in keys]
    stat = [
        value if digits is None or pd.isna(value) else _limited(value, digits)
        for value, digits in zip(rows["stat"], decimals, strict=True)
    ]
    return rows.assign(stat=pd.Series(stat, rows.index, dtype=float))[kept].reset_index(drop=True)


def _limited(value: float, digits: int) -> float:
    """A number with that many decimals, half away from zero, as the report prints it.

    >>> _limited(100.59880239520956, 0), _limited(98.5, 0)
    (101.0, 99.0)
    """
    step = Decimal(1).scaleb(-digits)
    return float(Decimal(repr(float(value))).quantize(step, ROUND_HALF_UP))


def open_analyses() -> set[str]:
    """The analyses of which the open report may hold rows: a written list, the catalogue's."""
    return {name for name, entry in analyses().items() if entry.audience == "open"}


def _share(n: int, of: int) -> dict[str, ard.type_of_stat]:
    return {"n": n, "N": of, "estimate": n / of if of else REASON_NO_PATIENT}


def _in_window(treated: pd.DataFrame, plan: Plan) -> pd.Series:
    """Treated patients who died at most `safety.days_after_last_dose` days after the last dose."""
    return treated["LDDTHELD"] <= plan.safety.days_after_last_dose


@makes("dsmb_deaths")
def dsmb_deaths(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients who died in the safety window, of any cause (SUBLEVEL; empty: all causes).

    LEVEL `within_window` is the window of the plan (`safety.days_after_last_dose`). SUBLEVEL `other` is
    every cause but an adverse event, one that was not recorded included. Causes are closed: the total less
    two of them is the third. Deaths later or at an unknown time after the last dose belong to survival,
    which is closed too.
    """
    treated = members(adsl, "SAFETY")
    causes = treated.loc[_in_window(treated, plan), "DTHCGR1"]
    counts = {"": len(causes)} | {
        cause: int(causes.isin(texts).sum()) for cause, texts in CAUSES.items()
    }
    return [
        ard.rows(
            _share(n, len(treated)),
            analysis="dsmb_deaths",
            section=plan.deaths.section,
            population="SAFETY",
            paramcd="DEATH",
            level="within_window",
            sublevel=cause,
            method="Distinct patients",
        )
        for cause, n in counts.items()
    ]


@makes("dsmb_stopping")
def dsmb_stopping(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients who stopped study treatment for one of three reasons (LEVEL).

    1. `adverse_event`: the last disposition event of study treatment is ADVERSE EVENT.
    2. `death`: it is DEATH, and the death was in the safety window.
    3. `completed`: it is COMPLETED; closed.

    The open report has no total of patients off treatment, no completion and no other reason. Once every
    patient must be off treatment by the time since the first dose, those who completed it would leave the
    number who stopped for another reason, which is mostly progression.
    """
    treated = members(adsl, "SAFETY")
    reason = treated["DCTREAS"]
    levels = {
        "adverse_event": reason == "ADVERSE EVENT",
        "death": (reason == "DEATH") & _in_window(treated, plan),
        "completed": reason == "COMPLETED",
    }
    return [
        ard.rows(
            _share(int(which.sum()), len(treated)),
            analysis="dsmb_stopping",
            section=plan.analysis_sets.section,
            population="SAFETY",
            paramcd="TREATMENT",
            level=level,
            method="Distinct patients, by the last disposition event",
        )
        for level, which in levels.items()
    ]


@makes("dsmb_left")
def dsmb_left(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients lost to follow-up or withdrawn (LEVEL), by their last disposition event; closed.

    With the patients in follow-up these counts give the number of deaths.
    """
    treated = members(adsl, "SAFETY")
    return [
        ard.rows(
            _share(int((treated["DCSREAS"] == reason).sum()), len(treated)),
            analysis="dsmb_left",
            section=plan.analysis_sets.section,
            population="SAFETY",
            paramcd="LEFT",
            level=level,
            method="Distinct patients, by the last disposition event",
        )
        for level, reason in REASONS.items()
    ]


@makes("dsmb_cycles")
def dsmb_cycles(
    adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan, cut_off: dt.date
) -> list[pd.DataFrame]:
    """How much treatment the counts of toxicity rest on.

    1. `given` (LEVEL): cycles given to all treated patients (`total`).
    2. `first_finished`: treated patients who have finished the first cycle: a second cycle was given, or
       `exposure.cycle_days` days have passed from the first dose to the data cut-off.
    3. `toxicity`: of these (N), the patients with the toxicity of the stopping boundary (n, as
       `toxicity_monitoring` counts them), and the boundary at that number of patients.
    """
    treated = members(adsl, "SAFETY")
    days = (pd.Timestamp(cut_off) - treated["TRTSDT"]).dt.days
    finished = (treated["NCYCLES"] >= 2) | (days >= plan.exposure.days_between)
    where = {
        "analysis": "dsmb_cycles",
        "section": plan.exposure.section,
        "population": "SAFETY",
        "method": "Distinct patients; cycles",
    }
    given: dict[str, ard.type_of_stat] = {
        "total": float(treated["NCYCLES"].sum()), "N": len(treated),
    }  # fmt: skip
    parts = [
        ard.rows(given, paramcd="NCYCLES", level="given", **where),
        ard.rows(
            _share(int(finished.sum()), len(treated)),
            paramcd="NCYCLES",
            level="first_finished",
            **where,
        ),
    ]
    rule = plan.toxicity_monitoring
    if rule is None:
        return parts
    toxic = (
        (adae["TRTEMFL"] == "Y")
        & (adae["PROGFL"] != "Y")
        & adae["AEDECOD"].map(fold).isin(folded(rule.terms))
        & (adae["ATOXGRN"] >= rule.from_grade)
    )
    of_finished = treated.loc[finished, "USUBJID"]
    n = int(of_finished.isin(adae.loc[toxic, "USUBJID"]).sum())
    bounds, size = bounds_of(rule), min(len(of_finished), rule.patients)
    toxicity: dict[str, ard.type_of_stat] = {
        "n": n,
        "N": len(of_finished),
        "boundary": bounds[size - 1] if size else REASON_NO_PATIENT,
    }
    return [*parts, ard.rows(toxicity, paramcd="TOX", level="toxicity", **where)]


def _expected(plan: Plan, until: pd.Timestamp) -> float | None:
    """Patients planned to be treated by the end of a day; never more than the design has."""
    if plan.accrual is None:
        return None
    first, last = (
        pd.Timestamp(day) for day in (plan.accrual.first_patient, plan.accrual.last_patient)
    )
    share = (until - first).days / (last - first).days
    return plan.design.n * min(max(share, 0.0), 1.0)


FARTHEST = 36_525  # days: a hundred years
TOO_FAR = NotEstimable("more than 100 years after the data cut-off")
PROJECTED_FROM = 3  # patients treated: with two there is a single interval
TOO_FEW = NotEstimable(f"fewer than {PROJECTED_FROM} patients of the primary set treated")


def response_days(plan: Plan) -> int | None:
    """Days from the first dose until the primary response is known; None without a limit.

    1. PSA response: the days in which it can begin, and those of its confirmation.
    2. The rate at a landmark: the days to the landmark, a part of a day counted as one.
    3. Objective response and clinical benefit: no limit.
    """
    if plan.primary.endpoint != "psa_response":
        months = 0.0 if plan.rate_at is None else plan.rate_at.months
        to_landmark = math.ceil(months * plan.survival.days_per_month)
        return to_landmark if plan.primary.endpoint == "rate_at" else None
    rule = plan.psa_response
    if rule is None or rule.first_fall_within_days is None:
        return None
    return rule.first_fall_within_days + rule.confirm_after_days


def planned_day(plan: Plan, patients: int) -> pd.Timestamp | None:
    """The day by which so many patients were planned to be treated, in a straight line; None: no plan.

    It is the first day on which the patients planned by then (`n_expected`) are at least this number.
    """
    if plan.accrual is None:
        return None
    first = pd.Timestamp(plan.accrual.first_patient)
    length = (pd.Timestamp(plan.accrual.last_patient) - first).days
    return first + pd.Timedelta(days=-(-patients * length // plan.design.n))


def _against_plan(
    stats: dict[str, ard.type_of_stat], planned: int, plan: Plan
) -> dict[str, ard.type_of_stat]:
    """The planned days of a stage, and how many days later it was or will be treated (earlier: negative)."""
    day, wait = planned_day(plan, planned), response_days(plan)
    if day is None:
        return {}
    dates: dict[str, ard.type_of_stat] = {"planned_on": _iso(day)}
    if wait is not None:
        dates["due_planned_on"] = _iso(day + pd.Timedelta(days=wait))
    actual = stats.get("reached_on", stats.get("expected_on"))
    if isinstance(actual, str):
        dates["delay_days"] = (pd.Timestamp(actual) - day).days
    return dates


def _reached(
    starts: pd.Series, planned: int, plan: Plan, cut_off: pd.Timestamp
) -> dict[str, ard.type_of_stat]:
    """When a number of patients was or will be treated, and when all of them can be evaluated."""
    treated, wait = len(starts), response_days(plan)
    stats: dict[str, ard.type_of_stat] = {"n": treated, "N": planned}
    if wait is not None:
        stats["days_to_evaluation"] = wait

    def due(day: pd.Timestamp) -> dict[str, ard.type_of_stat]:
        if wait is None:
            return {}
        last = day + pd.Timedelta(days=wait)
        return {"due_on": _iso(last), "status": DUE if last <= cut_off else NOT_DUE}

    if treated >= planned:
        day = starts.iloc[planned - 1]
        return stats | {"reached_on": _iso(day)} | due(day)
    # The first patient starts the clock, and is no arrival in the time since then.
    arrivals, elapsed = treated - 1, (cut_off - starts.iloc[0]).days if treated else 0
    if treated < PROJECTED_FROM or elapsed <= 0:
        return stats | dict.fromkeys(("expected_on", "expected_from", "expected_to"), TOO_FEW)
    ahead = days_until(arrivals, elapsed, planned - treated, PREDICTION)
    rate = {"patients_per_month": arrivals * plan.survival.days_per_month / elapsed}
    dates = {
        "expected_on": _ahead(cut_off, math.ceil(ahead.expected)),
        "expected_from": _ahead(cut_off, math.floor(ahead.low)),
        "expected_to": _ahead(cut_off, math.ceil(ahead.high)),
    }
    day = dates["expected_on"]
    return stats | rate | dates | (due(pd.Timestamp(day)) if isinstance(day, str) else {})


def _ahead(cut_off: pd.Timestamp, days: int) -> str | NotEstimable:
    """The day so many days after the cut-off; one that no calendar of the trial reaches is not estimable."""
    return _iso(cut_off + pd.Timedelta(days=days)) if days <= FARTHEST else TOO_FAR


def _iso(day: pd.Timestamp) -> str:
    return day.strftime("%Y-%m-%d")


@makes("dsmb_accrual")
def dsmb_accrual(adsl: pd.DataFrame, plan: Plan, cut_off: dt.date) -> list[pd.DataFrame]:
    """Accrual of the primary set against the plan, and when its stages are complete.

    1. By month (LEVEL): patients treated by its end (`n`), and patients planned by then (`n_expected`,
       where the plan has `accrual`). The months are those from the first consent (without a date of consent, the first dose), or the planned first
       patient where it is earlier, to the cut-off, which ends the last one.
    2. LEVEL `stage_1` (two-stage designs) and `total`: patients treated (`n`) of those planned (`N`).
       Once they are treated, `reached_on` is the day of the first dose of the last of them. Before, it is
       `expected_on` the day when the remaining patients will have come at the mean interval so far: the days
       from the first dose of the first patient to the cut-off by the patients after the first. It has 80%
       prediction limits (`expected_from`, `expected_to`). With fewer than 3 patients, or more than 100 years
       after the cut-off, a day is not estimable.
    3. `status` says whether `due_on` is past at the data cut-off. `due_on` is `days_to_evaluation` days
       later: `psa_response.first_fall_within_days`, in which a response can begin, and
       `confirm_after_days`; for a rate at a landmark, the days to it. Without such a limit in the plan
       there is no day.
    4. Where the plan has `accrual`: `planned_on` is the first day by which the patients were planned (a
       straight line, rounded up to a day), `due_planned_on` the days of 3. later, and `delay_days` the days
       from `planned_on` to `reached_on` or `expected_on`.
    """
    end = pd.Timestamp(cut_off)
    starts = members(adsl, "PRIMARY")["TRTSDT"].dropna().sort_values(ignore_index=True)
    where = {
        "analysis": "dsmb_accrual",
        "section": plan.design.section,
        "population": "PRIMARY",
        "paramcd": "TREATED",
    }
    parts = []
    planned_start = plan.accrual and pd.Timestamp(plan.accrual.first_patient)
    begun = adsl["RFICDT"].min() if adsl["RFICDT"].notna().any() else starts.min()
    first = min((day for day in (begun, planned_start) if pd.notna(day)), default=end)
    for month in pd.period_range(min(first, end), end, freq="M"):
        until = min(month.end_time.normalize(), end)
        stats: dict[str, ard.type_of_stat] = {"n": int((starts <= until).sum())}
        expected = _expected(plan, until)
        if expected is not None:
            stats["n_expected"] = expected
        parts.append(
            ard.rows(stats, level=str(month), method="Distinct patients, cumulative", **where)
        )
    design = of_plan(plan)
    stages = {"stage_1": design.n1} if isinstance(design, TwoStageDesign) else {}
    for level, planned in (stages | {"total": plan.design.n}).items():
        stats = _reached(starts, planned, plan, end)
        stats |= _against_plan(stats, planned, plan)
        parts.append(ard.rows(stats, level=level, method=DAYS, **where))
    return parts


@makes("dsmb_sites")
def dsmb_sites(
    adsl: pd.DataFrame, addv: pd.DataFrame, adcur: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Enrolment and data quality by site (LEVEL: SITEID, or `not_recorded`).

    PARAMCD: CONSENTED, SAMPLED and TREATED patients; MAJOR, important protocol deviations (`n_events`);
    PSA, results missing (`n_missing`) of those due at an infusion (`N`).
    """
    site = adsl["SITEID"].fillna("not_recorded") if "SITEID" in adsl else adsl["USUBJID"].map(
        lambda _: "not_recorded"
    )  # fmt: skip
    of_subject = dict(zip(adsl["USUBJID"], site, strict=True))
    steps = {
        "CONSENTED": consented(adsl),
        "SAMPLED": adsl["SCRFL"] == "Y",
        "TREATED": adsl["NCYCLES"] > 0,
    }
    where = {
        "analysis": "dsmb_sites",
        "section": plan.screening_section,
        "population": "SCREENED",
        "method": "Distinct patients, deviations and results, by site"
        if plan.psa_response is not None
        else "Distinct patients and deviations, by site",
    }
    important = addv.loc[addv["DVCAT"] == "MAJOR", "USUBJID"].map(of_subject)
    site_of_results = adcur["USUBJID"].map(of_subject)
    parts = []
    for name in sorted(set(site)):
        here = {"level": str(name)}
        for paramcd, which in steps.items():
            n = int((which & (site == name)).sum())
            parts.append(ard.rows({"n": n}, paramcd=paramcd, **here, **where))
        parts.append(
            ard.rows({"n_events": int((important == name).sum())}, paramcd="MAJOR", **here, **where)
        )
        results = adcur[site_of_results == name]
        due = int(results["PSAEXP"].sum())
        missing: dict[str, ard.type_of_stat] = {
            "n_missing": int(results["PSAMISS"].sum()),
            "N": due,
        }
        parts.append(ard.rows(missing, paramcd="PSA", **here, **where))
    return parts


def rows(
    *,
    adsl: pd.DataFrame,
    adae: pd.DataFrame,
    adcur: pd.DataFrame,
    addv: pd.DataFrame,
    cut_off: dt.date,
    plan: Plan,
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *dsmb_deaths(adsl, plan),
        *dsmb_stopping(adsl, plan),
        *dsmb_left(adsl, plan),
        *dsmb_cycles(adsl, adae, plan, cut_off),
        *dsmb_accrual(adsl, plan, cut_off),
        *dsmb_sites(adsl, addv, adcur, plan),
    ]
