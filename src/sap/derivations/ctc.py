"""ADCTC and the CTC parameters of ADRS: CTC counts and biomarker under the study drug."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day
from sap.derivations.population import marker_results
from sap.plan.model import Biomarker, Ctc

Tables = Mapping[str, pd.DataFrame]

BEFORE = ("SCREENING", "RE-SCREENING", "CYCLE 1")


def adctc(tables: Tables, adsl: pd.DataFrame, rule: Ctc, marker: Biomarker | None) -> pd.DataFrame:
    """One row per evaluable CTC count of a treated patient, per `biomarker.cell_count.volume_ml` mL.

    The count is CPSTRESN; the raw count stays in CPORRES. Baseline is the count of the screening
    that led to treatment (the re-screening for patients treated through it). The biomarker is the
    result of the same sample (--REFID = CPREFID), missing when there is none.

    A sample is on treatment (Y), the first case that applies:

    1. No: its visit is a screening, or CYCLE 1: blood is collected before the infusion of the cycle.
    2. No: dated before the first dose, at any visit.
    3. Y: its visit is CYCLE n or END OF TREATMENT, with or without a date.
    4. Y: any other visit, dated after the first dose.
    5. No: everything else.

    A count after the start of a new anticancer therapy is included. Of two counts at the visit of
    `visit`, the earlier is used (of one day, the lower CPSEQ). The percent change from baseline is
    rounded to 9 decimals; it is missing where the baseline is 0.
    """
    cp = tables.get("cp", pd.DataFrame()).reindex(
        columns=["USUBJID", "CPSEQ", "CPTESTCD", "CPSTRESN", "CPREFID", "VISIT", "CPDTC"]
    )
    treated = adsl[adsl["NCYCLES"] > 0].set_index("USUBJID")
    cp = cp[(cp["CPTESTCD"] == "CTC") & cp["CPSTRESN"].notna() & cp["USUBJID"].isin(treated.index)]
    usubjid = cp["USUBJID"]
    through_rescreening = usubjid.map(treated["RESCTRFL"]) == "Y"
    base = (
        usubjid.map(treated["RESCCTC"])
        .where(through_rescreening, usubjid.map(treated["CTCBL"]))
        .astype(float)
    )
    day = earliest_day(cp["CPDTC"])
    visit = cp["VISIT"].fillna("").astype(str)
    case = np.select(
        [
            visit.isin(BEFORE),
            day < usubjid.map(treated["TRTSDT"]),
            visit.str.startswith("CYCLE") | (visit == "END OF TREATMENT"),
            day > usubjid.map(treated["TRTSDT"]),
        ],
        [1, 2, 3, 4],
        default=5,
    )
    result = _marker_by_sample(tables, marker)
    counts = pd.DataFrame(
        {
            "STUDYID": usubjid.map(treated["STUDYID"]),
            "USUBJID": usubjid,
            "PARAMCD": "CTC",
            "AVISIT": visit,
            "ADT": day,
            "AVAL": cp["CPSTRESN"].astype(float),
            "BASE": base,
            "PCHG": (100 * (cp["CPSTRESN"] - base) / base).where(base > 0).round(9),
            "MARKER": [result.get(key) for key in zip(usubjid, cp["CPREFID"], strict=True)],
            "ANL01FL": np.where(np.isin(case, (3, 4)), "Y", ""),
            "ANL01CAS": case,
            "CPSEQ": cp["CPSEQ"],
        }
    )
    counts = counts.sort_values(["USUBJID", "ADT", "CPSEQ"], kind="stable", ignore_index=True)
    at_visit = counts[(counts["ANL01FL"] == "Y") & (counts["AVISIT"] == rule.visit)]
    chosen = at_visit.drop_duplicates("USUBJID").index
    return counts.assign(ANL02FL=np.where(counts.index.isin(chosen), "Y", ""))


def _marker_by_sample(tables: Tables, rule: Biomarker | None) -> dict[tuple[str, str], str]:
    """The biomarker by patient and sample; of several records of one sample, the first (lowest --SEQ)."""
    results = marker_results(tables, rule).dropna(subset=["RESULT", "SAMPLE"])
    results = results.sort_values(["USUBJID", "SEQ"], kind="stable")
    results = results.drop_duplicates(["USUBJID", "SAMPLE"])
    keys = zip(results["USUBJID"], results["SAMPLE"], strict=True)
    return dict(zip(keys, results["RESULT"].astype(str), strict=True))


def _parameter(
    treated: pd.DataFrame,
    paramcd: str,
    evaluable: pd.Series,
    counted: pd.Series,
    met: pd.Series,
) -> pd.DataFrame:
    case = np.select([~evaluable, ~counted, met], [1, 2, 3], default=4)
    return pd.DataFrame(
        {
            "STUDYID": treated["STUDYID"],
            "USUBJID": treated["USUBJID"],
            "PARAMCD": paramcd,
            "AVALC": np.select([case <= 2, case == 3], ["NE", "Y"], default="N"),
            "CASE": case,
        }
    )


def ctc_response(
    adsl: pd.DataFrame, adctc: pd.DataFrame, rule: Ctc, test: str | None
) -> pd.DataFrame:
    """CTC response and biomarker conversion of each treated patient.

    The first case that applies:

    1. NE: the baseline condition is not met (see below).
    2. NE: no count on treatment (in a set where missing is failure, it counts as N).
    3. Y: the criterion is met at any count on treatment; no confirmation is required.
    4. N: all others.

    Baseline condition and criterion of each parameter:

    - CTCRESP: baseline of at least `response_below`; a count below it.
    - CTC0: baseline of at least 1; a count of 0.
    - CTCF30, CTCF50 and so on: baseline of at least `response_below`; a decrease of at least
      `depths_pct` percent.
    - CTCRVIS: as CTCRESP, at `visit` only.
    - MARKNEG: biomarker positive at baseline; a negative result of any sample on treatment. Case 2
      also when no result on treatment is positive or negative. A negative result is uncertain at
      low CTC counts.
    """
    treated = adsl[adsl["NCYCLES"] > 0]
    usubjid = treated["USUBJID"]
    through_rescreening = treated["RESCTRFL"] == "Y"
    base = treated["RESCCTC"].where(through_rescreening, treated["CTCBL"]).astype(float)
    marker = treated["RESCMARK"].where(through_rescreening, treated["MARKBL"])
    on = adctc[adctc["ANL01FL"] == "Y"]
    at_visit = adctc[adctc["ANL02FL"] == "Y"]
    determined = on[on["MARKER"].isin(("POSITIVE", "NEGATIVE"))]
    evaluable = base >= rule.response_below

    def any_of(rows: pd.DataFrame) -> pd.Series:
        return usubjid.isin(rows["USUBJID"])

    def responded(rows: pd.DataFrame) -> pd.Series:
        return any_of(rows[rows["AVAL"] < rule.response_below])

    counted = any_of(on)
    negative = any_of(determined[determined["MARKER"] == "NEGATIVE"])
    parts = [
        _parameter(treated, "CTCRESP", evaluable, counted, responded(on)),
        _parameter(treated, "CTC0", base >= 1, counted, any_of(on[on["AVAL"] == 0])),
        _parameter(
            treated,
            "CTCRVIS",
            evaluable,
            any_of(at_visit),
            responded(at_visit),
        ),
    ]
    if test is not None:
        positive = marker == "POSITIVE"
        parts.append(_parameter(treated, "MARKNEG", positive, any_of(determined), negative))
    for depth in rule.depths_pct:
        declined = any_of(on[on["PCHG"] <= -depth])
        parts.append(_parameter(treated, f"CTCF{depth:g}", evaluable, counted, declined))
    return pd.concat(parts, ignore_index=True)
