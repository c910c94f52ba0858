"""The screening flow: how many patients reached each box, each patient once in each."""

import numpy as np
import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate

STATES = ("POSITIVE", "NEGATIVE", "UNDETERMINED", "NOT DONE")


def final_box(adsl: pd.DataFrame) -> pd.Series:
    """The one box in which each patient ends; the first case that applies.

    1. Treated through re-screening.   2. Treated after the first screening.
    3. Re-screened, not treated.       4. Group A, not re-screened.
    5. Consented, no sample.           6. Declined after the first screening.
    7. Not eligible after it.
    8. Group B, not treated: neither declined nor found not eligible.
    9. Sampled, not allocated.
    """
    again = (adsl["RESCFL"] == "Y").to_numpy()
    treated = (adsl["NCYCLES"] > 0).to_numpy()
    out = adsl["SCRNOUT"]
    case = np.select(
        [
            treated & (adsl["RESCTRFL"] == "Y"),
            treated,
            again,
            adsl["GROUP"] == "A",
            (adsl["SCRFL"] != "Y") & (adsl["GROUP"] != "B"),
            out == "DECLINED",
            out == "NOT ELIGIBLE",
            adsl["GROUP"] == "B",
        ],
        [1, 2, 3, 4, 5, 6, 7, 8],
        default=9,
    )
    names = {
        1: "Treated through re-screening",
        2: "Treated after the first screening",
        3: "Re-screened, not treated",
        4: "Group A, not re-screened",
        5: "Consented, no sample",
        6: "Declined after the first screening",
        7: "Not eligible after the first screening",
        8: "Group B, not treated",
        9: "Sampled, not allocated",
    }
    return pd.Series(case, adsl.index).map(names)


def boxes(adsl: pd.DataFrame, plan: Plan) -> dict[str, pd.Series]:
    """Who is in each box of the flow; names carry the plan's threshold."""
    minimum = plan.screening.ctc_minimum
    sampled = adsl["SCRFL"] == "Y"
    high, low = adsl["CTCBL"] >= minimum, adsl["CTCBL"] < minimum
    treated = adsl["NCYCLES"] > 0
    again = adsl["RESCFL"] == "Y"
    again_qualifies = (
        again & (adsl["RESCARV7"] == plan.screening.arv7) & (adsl["RESCCTC"] >= minimum)
    )
    treated_again = treated & (adsl["RESCTRFL"] == "Y")
    qualified_again = again_qualifies & ~treated_again
    failed_again = adsl["RESCIEFL"] == "N"
    lost_again = qualified_again & ~failed_again
    declined_again = adsl["RESCOUT"] == "DECLINED"
    found = {
        "Consented": adsl["RFICDT"].notna(),
        "Sampled": sampled,
        "CTC evaluable": sampled & adsl["CTCBL"].notna(),
        "CTC not evaluable": sampled & adsl["CTCBL"].isna(),
        f"CTC < {minimum}": sampled & low,
        f"CTC >= {minimum}": sampled & high,
    }
    for state in STATES:
        here = sampled & (adsl["ARV7BL"] == state)
        words = f"AR-V7 {state.lower()}"
        found[words] = here
        found[f"{words}, CTC >= {minimum}"] = here & high
        found[f"{words}, CTC < {minimum}"] = here & low
    qualifies = sampled & high & (adsl["ARV7BL"] == plan.screening.arv7)
    declined, unfit = (adsl["SCRNOUT"] == out for out in ("DECLINED", "NOT ELIGIBLE"))
    left = qualifies & ~treated
    found |= {
        "Qualifies for group B": qualifies,
        "Does not qualify": sampled & ~qualifies,
        "Group A": adsl["GROUP"] == "A",
        "Group B": adsl["GROUP"] == "B",
        "No sample": adsl["RFICDT"].notna() & ~sampled,
        "Qualified, not treated": left,
        "Qualified, not treated: declined": left & declined,
        "Qualified, not treated: not eligible": left & unfit,
        "Qualified, not treated: other": left & ~declined & ~unfit,
        "Does not qualify, not in group A": sampled & ~qualifies & (adsl["GROUP"] != "A"),
        "Declined": declined,
        "Not eligible": unfit,
        "Treated in group B after first screening": treated & (adsl["RESCTRFL"] == "N"),
        "Re-screened": again,
        "Re-screened, does not qualify": again & ~again_qualifies,
        f"Re-screened, AR-V7 positive, CTC >= {minimum}": again_qualifies,
        "Re-screened, qualified, not treated": qualified_again,
        "Re-screened, qualified, not treated: not eligible": qualified_again & failed_again,
        "Re-screened, qualified, not treated: declined": lost_again & declined_again,
        "Re-screened, qualified, not treated: other": lost_again & ~declined_again,
        "Second eligibility check failed": again & failed_again,
        "Allocated to group B after re-screening": adsl["RESALLDT"].notna(),
        "Treated in group B after re-screening": treated_again,
    }
    return found


@makes("flow")
def flow(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The count of each box (distinct patients), the reasons for undetermined, and where each patient ends."""

    def row(level: str, n: int, sublevel: str = "", paramcd: str = "BOX") -> pd.DataFrame:
        return ard.rows(
            {"n": n},
            analysis="flow",
            section=plan.screening.section,
            population="SCREENED",
            paramcd=paramcd,
            level=level,
            sublevel=sublevel,
            method="Distinct patients",
        )

    parts = [row(name, int(who.sum())) for name, who in boxes(adsl, plan).items()]
    for state in ("UNDETERMINED", "NOT DONE"):
        reasons = adsl.loc[(adsl["SCRFL"] == "Y") & (adsl["ARV7BL"] == state), "ARV7REAS"]
        for reason, n in reasons.fillna("Reason not recorded").value_counts().sort_index().items():
            parts.append(row(f"AR-V7 {state.lower()}", int(n), str(reason), "REASON"))
    ends = final_box(adsl).value_counts().sort_index()
    parts += [row(str(name), int(n), paramcd="FINAL") for name, n in ends.items()]
    return parts


@makes("biomarker_yield")
def biomarker_yield(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Shares of the screened patients, with exact intervals: evaluable, determined, positive."""
    sampled = adsl[adsl["SCRFL"] == "Y"]
    determined = sampled[sampled["ARV7BL"].isin(("POSITIVE", "NEGATIVE"))]
    positive = sampled["ARV7BL"] == plan.screening.arv7
    eligible = positive & (sampled["CTCBL"] >= plan.screening.ctc_minimum)
    asked = {
        "CTC evaluable": (int(sampled["CTCBL"].notna().sum()), len(sampled)),
        "AR-V7 determined": (len(determined), len(sampled)),
        "AR-V7 positive of determined": (int(positive.sum()), len(determined)),
        "AR-V7 positive of sampled": (int(positive.sum()), len(sampled)),
        "AR-V7 positive and enough CTC, of sampled": (int(eligible.sum()), len(sampled)),
    }
    return [
        ard.rows(
            rate(n, total, plan.intervals.conf_level),
            analysis="biomarker_yield",
            section=plan.screening.section,
            population="SCREENED",
            level=level,
            method="Clopper-Pearson",
        )
        for level, (n, total) in asked.items()
    ]


def rows(*, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *flow(adsl, plan),
        *biomarker_yield(adsl, plan),
    ]
