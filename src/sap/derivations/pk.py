"""ADPC and ADPP: drug concentrations at actual times, and noncompartmental PK parameters."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day, hours_since, precision
from sap.derivations.quantities import quantified
from sap.methods.pk import auc, concentration, dose_normalised, nca
from sap.plan.model import Pk

Tables = Mapping[str, pd.DataFrame]

COLUMNS = (
    "PCSEQ", "PCTESTCD", "PCSTRESC", "PCSTRESN", "PCSTRESU", "PCLLOQ", "PCULOQ", "PCSTAT", "VISIT", "PCTPT",
    "PCTPTNUM", "PCRFTDTC", "PCDTC",
)  # fmt: skip
ADPC_COLUMNS = (
    "STUDYID", "USUBJID", "PCSEQ", "AVISIT", "ATPT", "ATPTN", "ADT", "AREL", "DEVMIN", "DEVFL", "AVAL",
    "AVALU", "BLQFL", "ANL01CAS", "ANL01FL", "ANL02FL", "DOSE", "DOSEMG", "BSA",
)  # fmt: skip
MINUTES_PER_HOUR = 60


def _timed(dtc: pd.Series) -> pd.Series:
    """The texts that have day, hour and minute; others are missing."""
    return dtc.where(precision(dtc) >= len("2017-03-02T09:30"))


def adpc(tables: Tables, adsl: pd.DataFrame, adex: pd.DataFrame, rule: Pk) -> pd.DataFrame:
    """One row per planned plasma sample of a treated patient.

    AREL is the actual time of the sample in hours from the start of the infusion (PCDTC -
    PCRFTDTC, where PCRFTDTC has no time EXSTDTC of that day); missing without both times. A sample
    deviates when it is more than `deviation_minutes` minutes from its planned time PCTPTNUM,
    early or late (rounded to 6 decimals); a sample planned before the infusion deviates only when
    it was collected after the start. The first case that applies:

    1. Not analysed: no concentration (not done, above quantification, or neither a number nor below
       quantification).
    2. Not analysed: AREL is not known.
    3. Not analysed: planned at or before 0, collected after the start of the infusion.
    4. Not analysed: planned after 0, collected at or before the start of the infusion.
    5. Below quantification and planned at or before 0: 0.
    6. Not analysed: below quantification and planned after 0; the curve ends at the last
       quantifiable value, and no value is imputed between two.
    7. All others: the concentration.

    A sample is eligible for Cmax when it is analysed, after the start, and, if it is the sample of
    the end of the infusion, without a deviation. The dose is that of the infusion of that day.
    """
    pc = tables.get("pc", pd.DataFrame()).reindex(columns=["USUBJID", *COLUMNS])
    treated = adsl.loc[adsl["NCYCLES"] > 0, "USUBJID"]
    pc = pc[(pc["PCTESTCD"] == rule.analyte) & pc["USUBJID"].isin(treated)].reset_index(drop=True)
    if pc.empty:
        return pd.DataFrame(columns=list(ADPC_COLUMNS))
    day = full_day(pc["PCRFTDTC"]).fillna(full_day(pc["PCDTC"]))
    start = _timed(pc["PCRFTDTC"])
    ex = tables["ex"].reindex(columns=["USUBJID", "EXSTDTC"])
    ex = ex.assign(ADT=full_day(ex["EXSTDTC"]), START=_timed(ex["EXSTDTC"])).dropna()
    infusion = ex.drop_duplicates(["USUBJID", "ADT"])
    of_day = pc[["USUBJID"]].assign(ADT=day).merge(infusion, on=["USUBJID", "ADT"], how="left")
    start = start.fillna(of_day["START"])
    planned = pc["PCTPTNUM"].astype(float)
    relative = hours_since(pc["PCDTC"], start)
    deviation = ((relative - planned) * MINUTES_PER_HOUR).round(6)
    before = planned <= 0
    results = quantified(pc, "pc")
    below, number = results["SIDE"] == "<", results["VALUE"].where(results["SIDE"] == "")
    case = np.select(
        [
            number.isna() & ~below,
            relative.isna(),
            before & (relative > 0),
            ~before & (relative <= 0),
            below & before,
            below,
        ],
        [1, 2, 3, 4, 5, 6],
        default=7,
    )
    analysed = np.isin(case, (5, 7))
    deviates = np.where(
        before, deviation > -planned * MINUTES_PER_HOUR, deviation.abs() > rule.deviation_minutes
    )
    rows = pd.DataFrame(
        {
            "STUDYID": pc["USUBJID"].map(adsl.set_index("USUBJID")["STUDYID"]),
            "USUBJID": pc["USUBJID"],
            "PCSEQ": pc["PCSEQ"],
            "AVISIT": pc["VISIT"],
            "ATPT": pc["PCTPT"],
            "ATPTN": planned,
            "ADT": day,
            "AREL": relative,
            "DEVMIN": deviation,
            "DEVFL": np.where(deviates & relative.notna(), "Y", ""),
            "AVAL": number.where(case != 5, 0.0).where(analysed),
            "AVALU": pc["PCSTRESU"],
            "BLQFL": np.where(below, "Y", ""),
            "ANL01CAS": case,
            "ANL01FL": np.where(analysed, "Y", ""),
        }
    )
    at_end = planned == rule.end_of_infusion_h
    maximum = (case == 7) & (relative > 0) & ~(at_end & (rows["DEVFL"] == "Y"))
    rows["ANL02FL"] = np.where(maximum, "Y", "")
    doses = adex.rename(columns={"ASTDT": "ADT"})[["USUBJID", "ADT", "DOSE", "DOSEMG", "BSA"]]
    doses = doses.dropna(subset=["ADT"]).drop_duplicates(["USUBJID", "ADT"])
    return rows.merge(doses, on=["USUBJID", "ADT"], how="left", validate="many_to_one")


def _profile(samples: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Times and concentrations of one infusion, from 0.

    1. At time 0: the concentration before the infusion, or 0 where there is none.
    2. The samples after the start in order of time; of one time, the first.
    """
    used = samples[samples["ANL01FL"] == "Y"].sort_values(["AREL", "PCSEQ"], kind="stable")
    early = used[used["AREL"] <= 0]
    later = used[used["AREL"] > 0].drop_duplicates("AREL")
    time = [0.0, *later["AREL"].tolist()]
    level = [float(early["AVAL"].iloc[-1]) if len(early) else 0.0, *later["AVAL"].tolist()]
    return time, level


def _extended(
    time: list[float], level: list[float], carry_on_h: float, end: float
) -> tuple[list[float], list[float]]:
    """A profile, extrapolated log-linearly to `end` where allowed.

    Allowed when the last sample is at most `carry_on_h` before `end`, and the last segment, between
    two samples after the start, decreases.
    """
    short = end - time[-1]
    if 0 < short <= carry_on_h and len(time) > 2 and 0 < level[-1] < level[-2]:
        slope = math.log(level[-1] / level[-2]) / (time[-1] - time[-2])
        return [*time, end], [*level, level[-1] * math.exp(slope * short)]
    return time, level


def parameters(rule: Pk) -> tuple[str, ...]:
    """The PARAMCD of ADPP, for the hours of the plan.

    >>> from sap.plan.model import Pk
    >>> plan = Pk(section="SAP 5.10", source="here", analyte="CABAZ", end_of_infusion_h=1.0,
    ...           primary_h=7.0, secondary_h=6.0, rule="linear", deviation_minutes=5.0,
    ...           carry_on_minutes=15.0, reference_dose=25.0)
    >>> parameters(plan)[:4]
    ('AUC07', 'C7H', 'AUC06', 'C6H')
    """
    first, second = f"{rule.primary_h:g}", f"{rule.secondary_h:g}"
    times = (f"AUC0{first}", f"C{first}H", f"AUC0{second}", f"C{second}H")
    return (*times, "AUCLST", "CMAX", "TMAX", f"AUC0{first}N", f"AUC0{first}MG", "CMAXN")


def _values(samples: pd.DataFrame, rule: Pk) -> dict[str, tuple[float, str]]:
    """Every parameter of one infusion with its value, or the reason why it is not estimable."""
    used = samples[samples["ANL01FL"] == "Y"]
    at_end = used[used["ATPTN"] == rule.end_of_infusion_h]
    extrapolation = rule.carry_on_minutes / MINUTES_PER_HOUR
    profile = _profile(samples)
    values: dict[str, tuple[float, str]] = {}
    for hour in (rule.primary_h, rule.secondary_h):
        time, level = _extended(*profile, extrapolation, hour)
        reached = "" if time[-1] >= hour else f"no sample near {hour:g} h or later"
        area = reached or ("" if len(at_end) else "no sample at the end of the infusion")
        values[f"AUC0{hour:g}"] = (
            (math.nan, area) if area else (auc(time, level, 0.0, hour, rule.rule), "")
        )
        values[f"C{hour:g}H"] = (
            (math.nan, reached) if reached else (concentration(time, level, hour, rule.rule), "")
        )
    last = nca(*profile, rule.rule).auclast
    values["AUCLST"] = (
        (last, "") if len(at_end) else (math.nan, "no sample at the end of the infusion")
    )
    peak = samples[samples["ANL02FL"] == "Y"].sort_values(["AVAL", "AREL"], ascending=[False, True])
    if len(at_end) == 0:
        values["CMAX"] = (math.nan, "no sample at the end of the infusion")
    elif (at_end["DEVFL"] == "Y").any():
        values["CMAX"] = (math.nan, "the sample at the end of the infusion was off its time")
    else:
        values["CMAX"] = (float(peak["AVAL"].iloc[0]), "")
    values["TMAX"] = (
        (math.nan, values["CMAX"][1]) if values["CMAX"][1] else (float(peak["AREL"].iloc[0]), "")
    )
    return values | _normalised(values, samples, rule)


def _normalised(
    values: dict[str, tuple[float, str]], samples: pd.DataFrame, rule: Pk
) -> dict[str, tuple[float, str]]:
    per_m2, in_mg = float(samples["DOSE"].iloc[0]), float(samples["DOSEMG"].iloc[0])
    area = f"AUC0{rule.primary_h:g}"
    requested = (
        (f"{area}N", area, per_m2, rule.reference_dose),
        (f"{area}MG", area, in_mg, 1.0),
        ("CMAXN", "CMAX", per_m2, rule.reference_dose),
    )
    normalised = {}
    for name, source, dose, reference in requested:
        value, reason = values[source]
        if not reason and not dose > 0:
            reason = "dose not known"
        normalised[name] = (
            (math.nan, reason) if reason else (dose_normalised(value, dose, reference), "")
        )
    return normalised


def adpp(adpc: pd.DataFrame, rule: Pk) -> pd.DataFrame:
    """One row per patient, visit and parameter: a value, or NE with the reason.

    There is no extrapolation to infinity (no AUC to infinity, no half-life).

    1. AUC0-h and C at h, for `primary_h` and `secondary_h` hours: by `rule` on actual times from 0
       (before the infusion: the concentration measured, else 0). NE when the last sample is more
       than `carry_on_minutes` minutes before h; within that time a last decreasing segment between
       two samples after the start is extrapolated log-linearly.
    2. Every AUC is NE without an analysed sample of the end of the infusion; a sample that deviates
       from its planned time is used at its actual time.
    3. AUCLST: to the last quantifiable sample.
    4. CMAX, TMAX: the largest analysed concentration and its time; NE when the sample of the end
       of the infusion is missing or deviates (the concentration halves within minutes after the end).
    5. ...N: per `reference_dose` mg/m2 (value x reference / DOSE); ...MG: per mg (value /
       DOSEMG); NE without a dose.

    A visit without any analysed sample after the start has no row.
    """
    rows = []
    usable = adpc[(adpc["ANL01FL"] == "Y") & (adpc["AREL"] > 0)]
    for (usubjid, visit, day), samples in adpc.groupby(["USUBJID", "AVISIT", "ADT"], dropna=False):
        if not ((usable["USUBJID"] == usubjid) & (usable["ADT"] == day)).any():
            continue
        values = _values(samples, rule)
        for paramcd in parameters(rule):
            value, reason = values[paramcd]
            rows.append(
                {
                    "STUDYID": samples["STUDYID"].iloc[0],
                    "USUBJID": usubjid,
                    "AVISIT": visit,
                    "ADT": day,
                    "PARAMCD": paramcd,
                    "AVAL": value,
                    "AVALC": "NE" if reason else "",
                    "REASON": reason,
                    "DOSE": samples["DOSE"].iloc[0],
                    "DOSEMG": samples["DOSEMG"].iloc[0],
                }
            )
    columns = [
        "STUDYID", "USUBJID", "AVISIT", "ADT", "PARAMCD", "AVAL", "AVALC", "REASON", "DOSE", "DOSEMG",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
