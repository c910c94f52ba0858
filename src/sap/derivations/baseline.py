"""ADBL: baseline characteristics at the first screening and, where it took place, at re-screening."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.catalogue.locations import SITES, site
from sap.derivations.dates import earliest_day, full_day, time_of_day
from sap.derivations.lesions import records
from sap.derivations.quantities import quantified
from sap.plan.model import Baseline, Plan

Tables = Mapping[str, pd.DataFrame]

LABS = (
    "HGB",
    "WBC",
    "NEUT",
    "LYM",
    "PLAT",
    "ALP",
    "LDH",
    "ALT",
    "AST",
    "BILI",
    "CREAT",
    "ALB",
    "TESTOS",
)
MONTHS_PER_YEAR = 12
BODY = ("WEIGHT", "HEIGHT", "BSA")
SITE_PARAMETERS = {
    "SBONE": "BONE", "SNODE": "LYMPH NODE", "SLIVER": "LIVER", "SLUNG": "LUNG", "SOTHER": "OTHER",
}  # fmt: skip
"""PARAMCD of each kind of site of metastases."""
assert set(SITE_PARAMETERS.values()) == set(SITES)
# One mmol of haemoglobin monomer is 16.114 g (IFCC, 1988): 1 g/dL is 10 / 16.114 mmol/L.
HAEMOGLOBIN = {"mmol/L": 1.0, "g/dL": 10 / 16.114, "g/L": 1 / 16.114}


def episodes(adsl: pd.DataFrame) -> pd.DataFrame:
    """The reference day of the baseline characteristics: the last day of a baseline value.

    At the first screening, for every patient of the screened set; the first case that applies. A dose
    given through re-screening is not used.

    1. Treated: the first dose.
    2. Allocated: the day of the allocation.
    3. The day of the sample.

    At re-screening, for every patient of the re-screened set:

    4. Treated through re-screening: the first dose.
    5. Allocated after re-screening: the day of that allocation.
    6. The day of the second sample, else of the second consent (re-screening).

    At re-screening, values from before the second consent or the second sample, whichever is
    earlier, are not used.
    """
    through_rescreening = adsl["RESCTRFL"] == "Y"
    first = adsl["TRTSDT"].where(~through_rescreening)
    second = adsl["TRTSDT"].where(through_rescreening)
    at_screening = adsl.assign(
        AVISIT="SCREENING",
        REFDT=first.fillna(adsl["ALLOCDT"]).fillna(adsl["SCRDT"]).fillna(adsl["RFICDT"]),
        FROMDT=pd.Series(pd.NaT, adsl.index),
        CTC=adsl["CTCBL"],
        MARKER=adsl["MARKBL"],
    )[adsl["SCRFL"] == "Y"]
    at_rescreening = adsl.assign(
        AVISIT="RE-SCREENING",
        REFDT=second.fillna(adsl["RESALLDT"]).fillna(adsl["RESCRDT"]).fillna(adsl["RESCCSDT"]),
        FROMDT=adsl[["RESCCSDT", "RESCRDT"]].apply(pd.to_datetime).min(axis=1),
        CTC=adsl["RESCCTC"],
        MARKER=adsl["RESCMARK"],
    )[adsl["RESCFL"] == "Y"]
    names = ["STUDYID", "USUBJID", "AVISIT", "REFDT", "FROMDT", "TRTSDT", "AGE", "CTC", "MARKER"]
    parts = [part[names] for part in (at_screening, at_rescreening) if len(part)]
    return pd.concat(parts or [at_screening[names]], ignore_index=True)


def _last_before_reference(
    values: pd.DataFrame, at: pd.DataFrame, window_days: int = 0
) -> pd.DataFrame:
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


def _lab_values(tables: Tables, code: str) -> pd.DataFrame:
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


def _ecog_values(tables: Tables) -> pd.DataFrame:
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


def _vital_values(tables: Tables, code: str) -> pd.DataFrame:
    vs = tables.get("vs", pd.DataFrame()).reindex(
        columns=["USUBJID", "VSSEQ", "VSTESTCD", "VSSTRESN", "VSDTC"]
    )
    vs = vs[vs["VSTESTCD"] == code]
    return pd.DataFrame(
        {
            "USUBJID": vs["USUBJID"],
            "DAY": full_day(vs["VSDTC"]),
            "TIME": time_of_day(vs["VSDTC"]).fillna(""),
            "SEQ": vs["VSSEQ"],
            "VALUE": vs["VSSTRESN"].astype(float),
        }
    )


def _sites(tables: Tables, at: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Per episode and kind of site: Y, N, or missing where no lesion is recorded up to the reference day."""
    lesions = pd.DataFrame(
        [
            {"USUBJID": usubjid, "DAY": row["DAY"], "SITE": site(row["TULOC"])}
            for usubjid, rows in records(tables, plan.tumour).tu.items()
            for row in rows
        ],
        columns=["USUBJID", "DAY", "SITE"],
    )
    key = ["USUBJID", "AVISIT"]
    lesions["DAY"] = pd.to_datetime(lesions["DAY"])
    pairs = at[[*key, "REFDT", "FROMDT"]].merge(lesions, on="USUBJID")
    pairs = pairs[(pairs["DAY"] <= pairs["REFDT"]) & ~(pairs["DAY"] < pairs["FROMDT"])]
    seen = set(pairs[[*key, "SITE"]].itertuples(index=False, name=None))
    scanned = {(usubjid, visit) for usubjid, visit, _ in seen}
    episodes_ = list(at[key].itertuples(index=False, name=None))
    return pd.DataFrame(
        {
            code: [
                None if one not in scanned else "Y" if (*one, kind) in seen else "N"
                for one in episodes_
            ]
            for code, kind in SITE_PARAMETERS.items()
        },
        index=at.index,
        dtype="object",
    )


def _measurable(adrs: pd.DataFrame, at: pd.DataFrame, treated_again: pd.Series) -> pd.Series:
    """MEASDIS of the episode after which the patient was treated; missing elsewhere and where NE."""
    rows = adrs[(adrs["PARAMCD"] == "MEASDIS") & adrs["AVALC"].isin(["Y", "N"])]
    values = at["USUBJID"].map(rows.drop_duplicates("USUBJID").set_index("USUBJID")["AVALC"])
    again = at["USUBJID"].map(treated_again).eq("Y")
    return values.where(again == at["AVISIT"].eq("RE-SCREENING")).astype("object")


def _months_since(tables: Tables, at: pd.DataFrame, drug: str, days_per_month: float) -> pd.Series:
    """Months from the last end of a prior therapy with a drug to the reference day."""
    cm = tables.get("cm", pd.DataFrame()).reindex(
        columns=["USUBJID", "CMDECOD", "CMCAT", "CMENDTC"]
    )
    cm = cm[(cm["CMCAT"] == "PRIOR ANTICANCER THERAPY") & (cm["CMDECOD"] == drug)]
    ends = earliest_day(cm["CMENDTC"]).groupby(cm["USUBJID"]).max()
    return (at["REFDT"] - pd.to_datetime(at["USUBJID"].map(ends))).dt.days / days_per_month


def _history(tables: Tables, rule: Baseline) -> pd.DataFrame:
    """By USUBJID: the earliest day of the diagnosis and of metastases, and the highest Gleason score."""
    mh = tables.get("mh", pd.DataFrame()).reindex(
        columns=["USUBJID", "MHTERM", "MHDECOD", "MHSTDTC"]
    )
    day = earliest_day(mh["MHSTDTC"])
    score = mh["MHTERM"].astype("object").str.extract(r"^GLEASON SCORE (\d+)$", expand=False)
    usubjid = mh["USUBJID"]
    return pd.DataFrame(
        {
            "DIAG": day.where(mh["MHDECOD"] == rule.diagnosis).groupby(usubjid).min(),
            "META": day.where(mh["MHDECOD"] == rule.metastatic).groupby(usubjid).min(),
            "GLEASON": pd.to_numeric(score).groupby(usubjid).max(),
        }
    )


def _prior_therapy(tables: Tables, at: pd.DataFrame) -> pd.DataFrame | None:
    """Anticancer therapy begun before REFDT, or recorded as prior without a day; None: not recorded.

    A prior therapy counts for both screenings, a physician's choice for the second only, and only
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
    before_rescreening = (
        (pairs["CMCAT"] == "PHYSICIAN'S CHOICE")
        & (pairs["AVISIT"] == "RE-SCREENING")
        & (pairs["DAY"] < pairs["REFDT"])
    )
    return pairs[prior | before_rescreening]


def adbl(
    tables: Tables, adsl: pd.DataFrame, adpsa: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> pd.DataFrame:
    """Baseline characteristics at the first screening. At re-screening they are determined again.

    A measured value is the baseline by the first case that applies:

    1. The last value on or before the reference day (of one day, the later time, then the higher
       sequence number). At re-screening, no value from before the re-screening.
    2. A measure of `window_measures`: the first value after the reference day, at most
       `window_days` days later, and not after the first dose of the study drug.
    3. Missing.

    PSA is that of the PSA values of SAP 5.1, where a value below quantification is the SAP's.
    Haemoglobin is converted to mmol/L from g/dL or g/L; in another unit or in none it is missing.
    The biomarker is that of the sample of that screening. So is the CTC count.

    From the medical history:

    1. TSDIAG, TSMET: years (of 12 months of `survival.days_per_month` days) from the earliest day
       of the diagnosis, of metastases, to the reference day.
    2. GLEASON: the highest recorded score. ECOG: by the cases of the measured values.
    3. RADIO: Y when prior radiotherapy is recorded, else N. PRIORTRT: the same of `prior_drug`. PRIORCL: the
       same of a drug of `prior_class`; NPRIORCL: the number of them. Each is missing where no prior therapy is
       recorded for any patient.
    4. TSPRIOR: months from the last end (the earliest day that its date allows) of a prior therapy
       with `prior_drug` to the reference day.
    5. A characteristic whose drug, class or biomarker the SAP leaves out is not derived. Of DM those of
       `of_dm`.

    Body and sites of disease:

    1. WEIGHT, BSA: by the cases of the measured values. HEIGHT: the last value on or before the
       reference day. It may be from before re-screening.
    2. BMI: WEIGHT in kg by the square of HEIGHT in m; missing where one of them is.
    3. MEASDIS: measurable disease by SAP 5.5, of the treatment that followed; missing where no lesion of
       the patient was recorded and no target response given.
    4. SBONE, SNODE, SLIVER, SLUNG, SOTHER: Y when a lesion of that kind of site was recorded by the
       SAP's evaluator on or before the reference day, N when only lesions of other sites were. Missing
       where no lesion was recorded. At re-screening, lesions recorded before it do not count.
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
    history = _history(tables, plan.baseline)
    usubjid = at["USUBJID"]
    year = MONTHS_PER_YEAR * plan.survival.days_per_month

    def late(code: str) -> int:
        return plan.baseline.window_days if code in plan.baseline.window_measures else 0

    def years(column: str) -> pd.Series:
        return (at["REFDT"] - pd.to_datetime(usubjid.map(history[column]))).dt.days / year

    numbers: dict[str, pd.Series] = {
        "AGE": at["AGE"],
        "TSDIAG": years("DIAG"),
        "TSMET": years("META"),
        "PSA": _last_before_reference(psa, at)["VALUE"],
        "CTC": at["CTC"],
    }
    for code in LABS:
        values = _lab_values(tables, code)
        numbers[code] = _last_before_reference(values, at, late(code))["VALUE"]
    for code in BODY:
        since = at.assign(FROMDT=pd.Series(pd.NaT, at.index)) if code == "HEIGHT" else at
        numbers[code] = _last_before_reference(_vital_values(tables, code), since)["VALUE"]
    numbers["BMI"] = numbers["WEIGHT"] / (numbers["HEIGHT"] / 100) ** 2
    numbers["TSPRIOR"] = _months_since(
        tables, at, plan.baseline.prior_drug or "", plan.survival.days_per_month
    )
    gleason = usubjid.map(history["GLEASON"])
    categories: dict[str, pd.Series] = {
        "ECOG": _last_before_reference(_ecog_values(tables), at, late("ECOG"))["VALUE"],
        "GLEASON": gleason.map(lambda g: f"{g:.0f}", na_action="ignore"),
        "MARKER": at["MARKER"],
        "MEASDIS": _measurable(adrs, at, adsl.set_index("USUBJID")["RESCTRFL"]),
    }
    sites = _sites(tables, at, plan)
    categories |= {code: sites[code] for code in SITE_PARAMETERS}
    for of_dm in (name for name in plan.baseline.of_dm if name in tables["dm"]):
        categories[of_dm] = usubjid.map(tables["dm"].set_index("USUBJID")[of_dm])
    prior = _prior_therapy(tables, at)
    of_class = plan.baseline.prior_class.drugs if plan.baseline.prior_class else []
    for name, (drugs, kind) in {
        "PRIORTRT": ([plan.baseline.prior_drug or ""], ""),
        "PRIORCL": (of_class, ""),
        "RADIO": ([], "RADIOTHERAPY"),
    }.items():
        categories[name] = _had_therapy(at, prior, drugs, kind)
    if prior is not None:
        taken = prior[prior["CMDECOD"].isin(of_class)].drop_duplicates([*key, "CMDECOD"])
        counts = at[key].merge(taken.groupby(key).size().rename("MANY"), on=key, how="left")["MANY"]
        number = counts.fillna(0).map(lambda n: f"{n:.0f}")
    else:
        number = pd.Series(None, at.index, dtype="object")
    categories["NPRIORCL"] = number
    left_out = {
        "PRIORTRT": plan.baseline.prior_drug,
        "TSPRIOR": plan.baseline.prior_drug,
        "PRIORCL": plan.baseline.prior_class,
        "NPRIORCL": plan.baseline.prior_class,
        "MARKER": plan.biomarker,
        "CTC": plan.cells_required or None,
        "PSA": plan.psa_response,
    }
    for name in (name for name, entry in left_out.items() if entry is None):
        numbers.pop(name, None)
        categories.pop(name, None)

    base = at[["STUDYID", *key, "REFDT"]]
    parts = [
        base.assign(PARAMCD=name, AVAL=value.astype(float), AVALC=None)
        for name, value in numbers.items()
    ]
    parts += [
        base.assign(PARAMCD=name, AVAL=np.nan, AVALC=value.astype("object"))
        for name, value in categories.items()
    ]
    rows = pd.concat([part.astype({"AVALC": "object"}) for part in parts], ignore_index=True)
    texts = [v if isinstance(v, str) else None for v in rows["AVALC"]]
    return rows.assign(AVALC=pd.Series(texts, rows.index, dtype="object"))


def _had_therapy(
    at: pd.DataFrame, prior: pd.DataFrame | None, drugs: list[str], kind: str
) -> pd.Series:
    if prior is None:
        return pd.Series(None, at.index, dtype="object")
    matching = prior[prior["CMDECOD"].isin(drugs) | (prior["CMSCAT"] == kind)]
    key = pd.MultiIndex.from_frame(matching[["USUBJID", "AVISIT"]])
    subjects_here = pd.MultiIndex.from_frame(at[["USUBJID", "AVISIT"]])
    return pd.Series(np.where(subjects_here.isin(key), "Y", "N"), at.index, dtype="object")
