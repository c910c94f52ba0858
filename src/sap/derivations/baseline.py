"""ADBL: what each patient was at his first screening, and again when he was re-screened."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day, full_day, time_of_day
from sap.derivations.quantities import quantified
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]

LABS = {
    "HGB": ("Haemoglobin", "mmol/L"),
    "WBC": ("Leukocytes", "10^9/L"),
    "NEUT": ("Neutrophils", "10^9/L"),
    "LYM": ("Lymphocytes", "10^9/L"),
    "PLAT": ("Platelets", "10^9/L"),
    "ALP": ("Alkaline phosphatase", "U/L"),
    "LDH": ("Lactate dehydrogenase", "U/L"),
    "ALT": ("ALT", "U/L"),
    "AST": ("AST", "U/L"),
    "BILI": ("Bilirubin", "umol/L"),
    "CREAT": ("Creatinine", "umol/L"),
    "ALB": ("Albumin", "g/L"),
    "TESTOS": ("Testosterone", "nmol/L"),
}
MONTHS_PER_YEAR = 12
# One mmol of haemoglobin monomer is 16.114 g (IFCC, 1988): 1 g/dL is 10 / 16.114 mmol/L.
HAEMOGLOBIN = {"mmol/L": 1.0, "g/dL": 10 / 16.114, "g/L": 1 / 16.114}


def episodes(adsl: pd.DataFrame) -> pd.DataFrame:
    """The reference day of the characteristics, up to which a value is baseline, and from when.

    At the first screening, for every patient with a screening sample; the first case that applies:

    1. Treated, and not through re-screening: the first dose.
    2. Allocated: the day of the allocation.
    3. The day of the sample.

    At re-screening, for every patient of the re-screened set:

    4. Treated through re-screening: the first dose.
    5. Allocated again: that day.
    6. The day of the second sample, else of the second consent.

    At a re-screening nothing before the second consent or sample, the earlier one, counts.
    """
    treated = adsl["NCYCLES"] > 0
    again = adsl["RESCTRFL"] == "Y"
    first = adsl["TRTSDT"].where(treated & ~again)
    second = adsl["TRTSDT"].where(treated & again)
    one = adsl.assign(
        AVISIT="SCREENING",
        REFDT=first.fillna(adsl["ALLOCDT"]).fillna(adsl["SCRDT"]).fillna(adsl["RFICDT"]),
        FROMDT=pd.Series(pd.NaT, adsl.index),
        CTC=adsl["CTCBL"],
        ARV7=adsl["ARV7BL"],
    )[adsl["SCRFL"] == "Y"]
    two = adsl.assign(
        AVISIT="RE-SCREENING",
        REFDT=second.fillna(adsl["RESALLDT"]).fillna(adsl["RESCRDT"]).fillna(adsl["RESCCSDT"]),
        FROMDT=adsl[["RESCCSDT", "RESCRDT"]].apply(pd.to_datetime).min(axis=1),
        CTC=adsl["RESCCTC"],
        ARV7=adsl["RESCARV7"],
    )[adsl["RESCFL"] == "Y"]
    names = ["STUDYID", "USUBJID", "AVISIT", "REFDT", "FROMDT", "TRTSDT", "AGE", "CTC", "ARV7"]
    parts = [part[names] for part in (one, two) if len(part)]
    return pd.concat(parts or [one[names]], ignore_index=True)


def _last(values: pd.DataFrame, at: pd.DataFrame, window_days: int = 0) -> pd.DataFrame:
    """Per episode the baseline of `values` (USUBJID, DAY, TIME, SEQ, VALUE), by the cases of `adbl`."""
    key = ["USUBJID", "AVISIT"]
    pairs = at[[*key, "REFDT", "FROMDT", "TRTSDT"]].merge(values, on="USUBJID")
    early = pairs["DAY"] < pairs["FROMDT"]
    pairs = pairs[~early & pairs["VALUE"].notna()]
    pairs = pairs.sort_values([*key, "DAY", "TIME", "SEQ"], kind="stable")
    before = pairs[pairs["DAY"] <= pairs["REFDT"]].drop_duplicates(key, keep="last")
    until = pairs["REFDT"] + pd.to_timedelta(window_days, unit="D")
    late = (pairs["DAY"] > pairs["REFDT"]) & (pairs["DAY"] <= until)
    after = pairs[late & ~(pairs["DAY"] > pairs["TRTSDT"])]
    chosen = pd.concat([before, after]).drop_duplicates(key)
    return at[key].merge(chosen[[*key, "DAY", "VALUE"]], on=key, how="left")


def _lab(tables: Tables, code: str) -> pd.DataFrame:
    lb = tables.get("lb", pd.DataFrame()).reindex(
        columns=["USUBJID", "LBSEQ", "LBTESTCD", "LBSTRESC", "LBSTRESN", "LBSTRESU", "LBLLOQ",
                 "LBULOQ", "LBDTC"]
    )  # fmt: skip
    lb = lb[lb["LBTESTCD"] == code]
    value = quantified(lb, "lb")["VALUE"]
    if code == "HGB":
        value = value * lb["LBSTRESU"].map(HAEMOGLOBIN).astype(float)
    return pd.DataFrame(
        {
            "USUBJID": lb["USUBJID"],
            "DAY": full_day(lb["LBDTC"]),
            "TIME": time_of_day(lb["LBDTC"]).fillna(""),
            "SEQ": lb["LBSEQ"],
            "VALUE": value,
        }
    )


def _ecog(tables: Tables) -> pd.DataFrame:
    rs = tables.get("rs", pd.DataFrame()).reindex(
        columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSDTC"]
    )
    rs = rs[rs["RSTESTCD"] == "ECOG"]
    return pd.DataFrame(
        {
            "USUBJID": rs["USUBJID"],
            "DAY": full_day(rs["RSDTC"]),
            "TIME": time_of_day(rs["RSDTC"]).fillna(""),
            "SEQ": rs["RSSEQ"],
            "VALUE": rs["RSSTRESC"],
        }
    )


def _history(tables: Tables) -> pd.DataFrame:
    """By USUBJID: the earliest day of the diagnosis and of metastases, and the highest Gleason score."""
    mh = tables.get("mh", pd.DataFrame()).reindex(
        columns=["USUBJID", "MHTERM", "MHDECOD", "MHSTDTC"]
    )
    day = earliest_day(mh["MHSTDTC"])
    score = mh["MHTERM"].astype("object").str.extract(r"^GLEASON SCORE (\d+)$", expand=False)
    who = mh["USUBJID"]
    return pd.DataFrame(
        {
            "DIAG": day.where(mh["MHDECOD"] == "PROSTATE CANCER").groupby(who).min(),
            "META": day.where(mh["MHDECOD"] == "METASTATIC DISEASE").groupby(who).min(),
            "GLEASON": pd.to_numeric(score).groupby(who).max(),
        }
    )


def _taken_before(tables: Tables, at: pd.DataFrame) -> pd.DataFrame | None:
    """Anticancer therapy begun before REFDT, or recorded as prior without a day; None: not recorded.

    A prior therapy counts for both screenings, a physician's choice for the second only, and for it
    when it began (earliest day) before REFDT.
    """
    cm = tables.get("cm", pd.DataFrame()).reindex(
        columns=["USUBJID", "CMDECOD", "CMCAT", "CMSCAT", "CMSTDTC"]
    )
    if not (cm["CMCAT"] == "PRIOR ANTICANCER THERAPY").any():
        return None
    cm = cm.assign(DAY=earliest_day(cm["CMSTDTC"]))
    pairs = at[["USUBJID", "AVISIT", "REFDT"]].merge(cm, on="USUBJID")
    prior = pairs["CMCAT"] == "PRIOR ANTICANCER THERAPY"
    again = (
        (pairs["CMCAT"] == "PHYSICIAN'S CHOICE")
        & (pairs["AVISIT"] == "RE-SCREENING")
        & (pairs["DAY"] < pairs["REFDT"])
    )
    return pairs[prior | again]


def adbl(tables: Tables, adsl: pd.DataFrame, adpsa: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Characteristics at the first screening, and again at re-screening.

    A measured value is the baseline by the first case that applies:

    1. The last value on or before the reference day (of one day, the later time, then the higher
       sequence number); at a re-screening no value from before it.
    2. A measure of `window_measures`: the first value after the reference day, at most
       `window_days` days later, and not after the first dose of study cabazitaxel.
    3. Missing.

    PSA is that of the PSA values of SAP 5.1, where a value below quantification is the plan's.
    Haemoglobin is in mmol/L, from whichever unit it has; in another unit or in none it is missing.
    The count and AR-V7 are those of the screening's own sample. Of the history:

    1. TSDIAG, TSMET: years (of 12 months of `survival.days_per_month` days) from the earliest day
       of the diagnosis, of metastases, to the reference day.
    2. GLEASON: the highest recorded score. ECOG: as measured values.
    3. DOCETAX, ARSI, RADIO: Y when such a therapy came before, else N; ARSI is one of
       `rescreening.after`. NARSI: how many of them. Where prior therapies are recorded of no
       patient: missing.
    """
    at = episodes(adsl)
    key = ["USUBJID", "AVISIT"]
    psa = pd.DataFrame(
        {
            "USUBJID": adpsa["USUBJID"],
            "DAY": adpsa["ADT"],
            "TIME": "",
            "SEQ": adpsa["LBSEQ"],
            "VALUE": adpsa["AVAL"],
        }
    )
    history = _history(tables)
    who = at["USUBJID"]
    year = MONTHS_PER_YEAR * plan.survival.days_per_month

    def late(code: str) -> int:
        return plan.baseline.window_days if code in plan.baseline.window_measures else 0

    def years(column: str) -> pd.Series:
        return (at["REFDT"] - pd.to_datetime(who.map(history[column]))).dt.days / year

    numbers: dict[str, tuple[str, str, pd.Series]] = {
        "AGE": ("Age", "years", at["AGE"]),
        "TSDIAG": ("Time since diagnosis", "years", years("DIAG")),
        "TSMET": ("Time since metastases", "years", years("META")),
        "PSA": ("PSA", "ug/L", _last(psa, at)["VALUE"]),
        "CTC": ("CTC", f"per {plan.screening.volume_ml:g} mL", at["CTC"]),
    }
    for code, (words, unit) in LABS.items():
        numbers[code] = (words, unit, _last(_lab(tables, code), at, late(code))["VALUE"])
    gleason = who.map(history["GLEASON"])
    categories: dict[str, tuple[str, pd.Series]] = {
        "ECOG": ("ECOG performance status", _last(_ecog(tables), at, late("ECOG"))["VALUE"]),
        "GLEASON": ("Gleason score", gleason.map(lambda g: f"{g:.0f}", na_action="ignore")),
        "ARV7": ("AR-V7", at["ARV7"].map(lambda v: str(v).capitalize(), na_action="ignore")),
    }
    taken = _taken_before(tables, at)
    for name, (words, drugs, kind) in {
        "DOCETAX": ("Docetaxel before", ["DOCETAXEL"], ""),
        "ARSI": ("Abiraterone or enzalutamide before", list(plan.rescreening.after), ""),
        "RADIO": ("Radiotherapy before", [], "RADIOTHERAPY"),
    }.items():
        categories[name] = (words, _had(at, taken, drugs, kind))
    if taken is not None:
        arsi = taken[taken["CMDECOD"].isin(plan.rescreening.after)].drop_duplicates(
            [*key, "CMDECOD"]
        )
        many = at[key].merge(arsi.groupby(key).size().rename("MANY"), on=key, how="left")["MANY"]
        both = many.fillna(0).map(lambda n: f"{n:.0f}")
    else:
        both = pd.Series(None, at.index, dtype="object")
    categories["NARSI"] = ("Of abiraterone and enzalutamide, how many", both)

    base = at[["STUDYID", *key, "REFDT"]]
    parts = [
        base.assign(PARAMCD=name, PARAM=f"{words} ({unit})", AVAL=value.astype(float), AVALC=None)
        for name, (words, unit, value) in numbers.items()
    ]
    parts += [
        base.assign(PARAMCD=name, PARAM=words, AVAL=np.nan, AVALC=value.astype("object"))
        for name, (words, value) in categories.items()
    ]
    found = pd.concat([part.astype({"AVALC": "object"}) for part in parts], ignore_index=True)
    texts = [v if isinstance(v, str) else None for v in found["AVALC"]]
    return found.assign(AVALC=pd.Series(texts, found.index, dtype="object"))


def _had(at: pd.DataFrame, taken: pd.DataFrame | None, drugs: list[str], kind: str) -> pd.Series:
    if taken is None:
        return pd.Series(None, at.index, dtype="object")
    these = taken[taken["CMDECOD"].isin(drugs) | (taken["CMSCAT"] == kind)]
    key = pd.MultiIndex.from_frame(these[["USUBJID", "AVISIT"]])
    mine = pd.MultiIndex.from_frame(at[["USUBJID", "AVISIT"]])
    return pd.Series(np.where(mine.isin(key), "Y", "N"), at.index, dtype="object")
