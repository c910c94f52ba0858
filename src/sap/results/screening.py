"""Participant flow: patients in each category, and the final disposition of each."""

import numpy as np
import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate
from sap.results.sets import consented, enough_cells

STATES = {
    "POSITIVE": "marker_positive",
    "NEGATIVE": "marker_negative",
    "UNDETERMINED": "marker_undetermined",
    "NOT DONE": "marker_not_done",
}
NOT_KNOWN = ("UNDETERMINED", "NOT DONE")

FINAL_DISPOSITION = {
    1: "end_rescreened_treated",
    2: "end_treated_first",
    3: "end_rescreened_not_treated",
    4: "end_group_a_not_rescreened",
    5: "end_no_sample",
    6: "end_declined",
    7: "end_not_eligible",
    8: "end_group_b_not_treated",
    9: "end_not_allocated",
}


def final_disposition(adsl: pd.DataFrame) -> pd.Series:
    """The final disposition of each patient: the first case that applies.

    1. Treated after re-screening.
    2. Treated after the first screening.
    3. Re-screened, not treated.
    4. Group A, not re-screened.
    5. Consented, no sample, not allocated to group B.
    6. Declined after the first screening.
    7. Not eligible after the first screening.
    8. Group B, not treated, neither declined nor not eligible.
    9. Sampled, not allocated.

    Returns
    -------
    pandas.Series
        The level of the analysis `flow`, PARAMCD FINAL, in the index of ADSL.
    """
    treated = (adsl["NCYCLES"] > 0).to_numpy()
    outcome = adsl["SCRNOUT"]
    case = np.select(
        [
            treated & (adsl["RESCTRFL"] == "Y"),
            treated,
            adsl["RESCFL"] == "Y",
            adsl["GROUP"] == "A",
            (adsl["SCRFL"] != "Y") & (adsl["GROUP"] != "B"),
            outcome == "DECLINED",
            outcome == "NOT ELIGIBLE",
            adsl["GROUP"] == "B",
        ],
        [1, 2, 3, 4, 5, 6, 7, 8],
        default=9,
    )
    return pd.Series(case, adsl.index).map(FINAL_DISPOSITION)


def categories(adsl: pd.DataFrame, plan: Plan) -> dict[str, pd.Series]:
    """The patients of each category of the flow; a patient may be in several.

    Returns
    -------
    dict
        Level of the analysis `flow` (PARAMCD BOX) to a boolean per row of ADSL.
    """
    return _first_screening(adsl, plan) | _allocation(adsl, plan) | _rescreening(adsl, plan)


def _first_screening(adsl: pd.DataFrame, plan: Plan) -> dict[str, pd.Series]:
    with_consent = consented(adsl)
    sampled = adsl["SCRFL"] == "Y"
    met = adsl["CTCBL"] >= plan.cells_required
    below = adsl["CTCBL"] < plan.cells_required
    counts = {
        "consented": with_consent,
        "no_sample": with_consent & ~sampled,
        "sampled": sampled,
        "ctc_evaluable": sampled & adsl["CTCBL"].notna(),
        "ctc_not_evaluable": sampled & adsl["CTCBL"].isna(),
        "ctc_below_minimum": sampled & below,
        "ctc_minimum_met": sampled & met,
    }
    for state, level in STATES.items():
        in_state = sampled & (adsl["MARKBL"] == state)
        counts[level] = in_state
        counts[f"{level}_ctc_minimum_met"] = in_state & met
        counts[f"{level}_ctc_below_minimum"] = in_state & below
    return counts


def _qualified(adsl: pd.DataFrame, plan: Plan) -> pd.Series:
    """The first sample has the marker and at least the minimum count of the plan, where it has one."""
    return (
        (adsl["SCRFL"] == "Y") & enough_cells(adsl["CTCBL"], plan) & (adsl["MARKBL"] == "POSITIVE")
    )


def _allocation(adsl: pd.DataFrame, plan: Plan) -> dict[str, pd.Series]:
    qualified, treated = _qualified(adsl, plan), adsl["NCYCLES"] > 0
    not_qualified = (adsl["SCRFL"] == "Y") & ~qualified
    declined, not_eligible = adsl["SCRNOUT"] == "DECLINED", adsl["SCRNOUT"] == "NOT ELIGIBLE"
    not_treated = qualified & ~treated
    return {
        "qualified": qualified,
        "not_qualified": not_qualified,
        "not_qualified_not_allocated": not_qualified & (adsl["GROUP"] != "A"),
        "group_a": adsl["GROUP"] == "A",
        "group_b": adsl["GROUP"] == "B",
        "treated_first": treated & (adsl["RESCTRFL"] == "N"),
        "qualified_not_treated": not_treated,
        "qualified_not_treated_declined": not_treated & declined,
        "qualified_not_treated_not_eligible": not_treated & not_eligible,
        "qualified_not_treated_other": not_treated & ~declined & ~not_eligible,
        "declined": declined,
        "not_eligible": not_eligible,
    }


def _rescreening(adsl: pd.DataFrame, plan: Plan) -> dict[str, pd.Series]:
    rescreened = adsl["RESCFL"] == "Y"
    qualified = rescreened & (adsl["RESCMARK"] == "POSITIVE") & enough_cells(adsl["RESCCTC"], plan)
    treated = (adsl["NCYCLES"] > 0) & (adsl["RESCTRFL"] == "Y")
    not_treated, not_eligible = qualified & ~treated, adsl["RESCIEFL"] == "N"
    eligible, declined = not_treated & ~not_eligible, adsl["RESCOUT"] == "DECLINED"
    return {
        "rescreened": rescreened,
        "rescreened_not_qualified": rescreened & ~qualified,
        "rescreened_qualified": qualified,
        "rescreened_allocated": adsl["RESALLDT"].notna(),
        "rescreened_treated": treated,
        "rescreened_qualified_not_treated": not_treated,
        "rescreened_qualified_not_treated_not_eligible": not_treated & not_eligible,
        "rescreened_qualified_not_treated_declined": eligible & declined,
        "rescreened_qualified_not_treated_other": eligible & ~declined,
        "rescreened_not_eligible": rescreened & not_eligible,
    }


@makes("flow")
def flow(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients in each category, reasons for a marker status that is not known, final dispositions.

    1. PARAMCD BOX: the number of distinct patients in each category; a patient may be in several.
    2. PARAMCD REASON: patients whose marker status is undetermined or not done (LEVEL), by the reason
       that the laboratory gave (SUBLEVEL).
    3. PARAMCD FINAL: patients in each final disposition, each patient in one; one without a patient
       has no row.
    """

    def row(paramcd: str, level: str, n: int, sublevel: str = "") -> pd.DataFrame:
        return ard.rows(
            {"n": n},
            analysis="flow",
            section=plan.screening_section,
            population="SCREENED",
            paramcd=paramcd,
            level=level,
            sublevel=sublevel,
            method="Distinct patients",
        )

    parts = [
        row("BOX", level, int(members.sum())) for level, members in categories(adsl, plan).items()
    ]
    for state in NOT_KNOWN:
        reasons = adsl.loc[(adsl["SCRFL"] == "Y") & (adsl["MARKBL"] == state), "MARKREAS"]
        counts = reasons.fillna("not_recorded").value_counts().sort_index()
        parts += [row("REASON", STATES[state], int(n), str(why)) for why, n in counts.items()]
    final = final_disposition(adsl).value_counts().sort_index()
    return parts + [row("FINAL", str(level), int(n)) for level, n in final.items()]


@makes("biomarker_yield")
def biomarker_yield(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Rates of the sampled patients with exact intervals: count evaluable, marker determined, positive.

    `marker_positive_of_determined` divides by the patients whose marker is positive or negative, the
    others by all with a screening sample.
    """
    sampled = adsl[adsl["SCRFL"] == "Y"]
    determined = sampled[sampled["MARKBL"].isin(("POSITIVE", "NEGATIVE"))]
    positive = sampled["MARKBL"] == "POSITIVE"
    qualified = _qualified(sampled, plan)
    counts = {
        "ctc_evaluable": (int(sampled["CTCBL"].notna().sum()), len(sampled)),
        "marker_determined": (len(determined), len(sampled)),
        "marker_positive_of_determined": (int(positive.sum()), len(determined)),
        "marker_positive_of_sampled": (int(positive.sum()), len(sampled)),
        "marker_positive_ctc_minimum_met": (int(qualified.sum()), len(sampled)),
    }
    return [
        ard.rows(
            rate(n, total, plan.intervals.conf_level),
            analysis="biomarker_yield",
            section=plan.screening_section,
            population="SCREENED",
            level=level,
            method="Clopper-Pearson",
        )
        for level, (n, total) in counts.items()
    ]


def rows(*, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *flow(adsl, plan),
        *biomarker_yield(adsl, plan),
    ]
