"""ADEX and ADEXSUM: doses of the study drug, dose intensity, delays, interruptions and reductions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sap.catalogue.frequencies import doses_in
from sap.derivations.dates import earliest_day, full_day
from sap.derivations.population import study_doses, treatment_days
from sap.plan.entry import stated
from sap.plan.model import Exposure

Tables = Mapping[str, pd.DataFrame]

DAYS_PER_WEEK = 7
GCSF = {
    "PRIMARY PROPHYLAXIS": "GCSFPRIM",
    "SECONDARY PROPHYLAXIS": "GCSFSEC",
    "TREATMENT OF NEUTROPENIA": "GCSFTHER",
}
OF_CYCLES = (
    "NCYCLES", "DURWK", "CUMDOSE", "CUMMG", "ADI", "RDI", "RDISTRT", "NDELAY", "NDELMAJ", "NREDUC",
    "NGCSF", "DELAYED", "DELMAJOR", "REDUCED", "LOWSTART", "OVERMAX", "GCSFANY", "GCSFPRIM",
    "GCSFSEC", "GCSFTHER",
)  # fmt: skip
"""The parameters of ADEXSUM of doses in cycles, in their order."""
CONTINUOUS = (
    "DURDAYS", "TRTDAYS", "OFFDAYS", "CUMDOSE", "CUMMG", "ADI", "RDI", "RDISTRT", "NREDUC", "INTERR",
    "REDUCED", "LOWSTART",
)  # fmt: skip
"""Those of continuous dosing."""
OF_REDUCTIONS = {"NREDUC", "REDUCED"}
OF_UNIT = {"CUMDOSE", "ADI", "RDI"}


def paramcds(rule: Exposure) -> tuple[str, ...]:
    """The parameters of ADEXSUM of a plan, by the last paragraph of `adexsum`."""
    left_out: set[str] = set()
    if rule.reduced_at_most is None:
        left_out |= OF_REDUCTIONS
    if rule.low_start_dose is None:
        left_out |= {"LOWSTART", "RDISTRT"}
    if not rule.measured:
        left_out |= OF_UNIT
    every = OF_CYCLES if rule.dosing == "cycles" else CONTINUOUS
    return tuple(name for name in every if name not in left_out)


def body_surface(height_cm: pd.Series, weight_kg: pd.Series, formula: str) -> pd.Series:
    """Body surface (m2) by the plan's formula: Mosteller 1987, or Du Bois and Du Bois 1916.

    >>> h, w = pd.Series([180.0]), pd.Series([80.0])
    >>> body_surface(h, w, "Mosteller").tolist()
    [2.0]
    >>> body_surface(h, w, "Du Bois").round(4).tolist()
    [1.9964]
    """
    if formula == "Mosteller":
        return (height_cm * weight_kg / 3600) ** 0.5
    return 0.007184 * height_cm**0.725 * weight_kg**0.425


def _last_before(tables: Tables, testcd: str, infusions: pd.DataFrame) -> pd.Series:
    """The last value of one vital sign on or before each infusion (of a day: the highest VSSEQ)."""
    vs = tables.get("vs", pd.DataFrame()).reindex(
        columns=["USUBJID", "VSSEQ", "VSTESTCD", "VSSTRESN", "VSDTC"]
    )
    vs = vs[(vs["VSTESTCD"] == testcd) & vs["VSSTRESN"].notna()]
    vs = vs.assign(VSDT=full_day(vs["VSDTC"])).dropna(subset=["VSDT"])
    pairs = infusions[["USUBJID", "EXSEQ", "ASTDT"]].merge(vs, on="USUBJID")
    pairs = pairs[pairs["VSDT"] <= pairs["ASTDT"]]
    pairs = pairs.sort_values(["USUBJID", "EXSEQ", "VSDT", "VSSEQ"], kind="stable")
    last = pairs.drop_duplicates(["USUBJID", "EXSEQ"], keep="last")
    values = infusions[["USUBJID", "EXSEQ"]].merge(
        last[["USUBJID", "EXSEQ", "VSSTRESN"]], on=["USUBJID", "EXSEQ"], how="left"
    )
    return values["VSSTRESN"].astype(float).set_axis(infusions.index)


def _in_order(ex: pd.DataFrame) -> pd.DataFrame:
    """Infusions of each patient in order: by the cycle of VISIT where every infusion has one, else by day."""
    cycle = ex["VISIT"].astype("object").str.extract(r"^CYCLE (\d+)$", expand=False).astype(float)
    numbered = cycle.notna().groupby(ex["USUBJID"]).transform("all")
    ex = ex.assign(PLACE=cycle.where(numbered))
    by = ["USUBJID", "PLACE", "DAY", "EXSEQ"]
    return ex.sort_values(by, kind="stable", na_position="last", ignore_index=True)


def _amounts(tables: Tables, ex: pd.DataFrame, rule: Exposure) -> pd.DataFrame:
    """BSA, WEIGHT, DOSE and DOSEMG of each record, by the cases of `adex`."""
    bsa = weight = pd.Series(np.nan, ex.index)
    if rule.dose_unit in ("mg/m2", "mg/kg"):
        weight = _last_before(tables, "WEIGHT", ex)
    if rule.dose_unit == "mg/m2":
        height = _last_before(tables, "HEIGHT", ex)
        formula = body_surface(height, weight, stated(rule.bsa_formula))
        bsa = _last_before(tables, "BSA", ex).fillna(formula)
    size = {"mg/m2": bsa, "mg/kg": weight}.get(rule.dose_unit)
    amount = ex["EXDOSE"].astype(float)
    in_unit, in_mg = ex["EXDOSU"] == rule.dose_unit, ex["EXDOSU"] == "mg"
    of_mg, to_mg = pd.Series(np.nan, ex.index), pd.Series(np.nan, ex.index)
    if size is not None:
        of_mg, to_mg = amount / size, amount * size
    return pd.DataFrame(
        {
            "BSA": bsa,
            "WEIGHT": weight if rule.dose_unit == "mg/kg" else np.nan,
            "DOSE": amount.where(in_unit, of_mg.where(in_mg)).round(9),
            "DOSEMG": amount.where(in_mg, to_mg.where(in_unit)),
        }
    )


def _delays(ex: pd.DataFrame, number: pd.Series, rule: Exposure) -> tuple[pd.Series, pd.Series]:
    """DELAYD and DELAYC of each record, by the cases of `adex`."""
    if rule.dosing == "continuous":
        return pd.Series(np.nan, ex.index), pd.Series("", ex.index, dtype="object")
    usubjid, day = ex["USUBJID"], ex["ASTDT"]
    minor, major = stated(rule.delay_after_days), stated(rule.major_delay_after_days)
    since = (day - day.groupby(usubjid).shift()).dt.days.astype(float)
    late = since - stated(rule.cycle_days)
    unplaced = (day.isna() & ex["PLACE"].isna()).groupby(usubjid).transform("any")
    late = late.where(~(unplaced & (late > minor)))
    kind = np.select(
        [number == 1, late.isna(), late > major, late > minor], ["", "U", "MAJOR", "MINOR"], "N"
    )
    return late, pd.Series(kind, ex.index)


def _reduction(dose: pd.Series, usubjid: pd.Series, rule: Exposure) -> "np.ndarray[Any, Any]":
    """DOSEC by the cases of `adex`."""
    if rule.reduced_at_most is None:
        return np.full(len(dose), "", dtype=object)
    low = dose <= rule.reduced_at_most
    before = dose.groupby(usubjid).ffill().groupby(usubjid).shift()
    return np.select(
        [dose.isna(), low & before.isna(), low & (before > rule.reduced_at_most), low],
        ["U", "LOW START", "REDUCED", "LOW"],
        default="FULL",
    )


def adex(tables: Tables, adsl: pd.DataFrame, rule: Exposure) -> pd.DataFrame:
    """One row per dose of the study drug of a treated patient, or per interval of doses.

    The infusions of a patient are numbered in the order of the cycles in VISIT when each infusion
    has one, else by day. Where `dosing` is continuous, a row is an interval from the day of EXSTDTC to that of
    EXENDTC, both included, and intervals are numbered by day.

    Body surface area (BSA), of doses by body surface (`dose_unit`), the first case that applies:

    1. VS BSA, the last value on or before the day of the dose.
    2. The formula of `bsa_formula`, from the last height and weight on or before that day.
    3. Missing.

    WEIGHT, of doses by body weight: the last weight (VS) on or before the day of the dose.

    DOSE (in the unit of the planned dose, `dose_unit`) and DOSEMG (mg), each time:

    1. EXDOSU is `dose_unit`: DOSE is EXDOSE; DOSEMG is DOSE x BSA (of mg/m2), DOSE x WEIGHT (of mg/kg), DOSE
       (of mg), and missing of AUC.
    2. EXDOSU is mg: DOSEMG is EXDOSE; DOSE is DOSEMG / BSA, DOSEMG / WEIGHT, and missing of AUC (a dose in mg has
       no AUC without the renal function of its day).
    3. No dose, or another unit: both missing.

    NDOSES, of an interval: the doses from its first to its last day by EXDOSFRQ, the first on the first
    day (ADOSFRQ; of every other day, the first, third, fifth day and so on); missing where EXDOSFRQ is
    missing or of no known number a day, or a day is not known.

    Delay, with D the days from the preceding infusion less `cycle_days`:

    1. "": the first infusion.
    2. U: the day of this or of the preceding infusion is not known; or D is above
       `delay_after_days`, and the patient has an infusion without a day and without a cycle in
       VISIT, which may be between the two.
    3. MAJOR: D above `major_delay_after_days`.
    4. MINOR: D above `delay_after_days`.
    5. N: everything else.

    Reduction, with L `reduced_at_most` in the unit of the planned dose (without it, none is assessed);
    DOSE is rounded to 9 decimals before the comparison with L:

    1. U: DOSE is not known.
    2. LOW START: DOSE <= L, and no earlier dose is known.
    3. REDUCED: DOSE <= L, and the last known earlier dose was above L.
    4. LOW: DOSE <= L, and the last known earlier dose was not above L.
    5. FULL: DOSE above L.
    """
    ex = study_doses(tables, rule.drugs)
    ex = ex[ex["USUBJID"].isin(adsl.loc[adsl["NCYCLES"] > 0, "USUBJID"])]
    in_cycles = rule.dosing == "cycles"
    ex = _in_order(ex if in_cycles else ex.assign(VISIT=None))
    ex = ex.rename(columns={"DAY": "ASTDT"})
    usubjid = ex["USUBJID"]
    amounts = _amounts(tables, ex, rule)
    number = ex.groupby("USUBJID").cumcount() + 1
    late, delay = _delays(ex, number, rule)
    days = (ex["LASTDAY"] - ex["ASTDT"]).dt.days + 1
    doses = [
        doses_in(text, int(n)) if isinstance(text, str) and n > 0 else None
        for text, n in zip(ex["EXDOSFRQ"], days.fillna(0), strict=True)
    ]
    return pd.DataFrame(
        {
            "STUDYID": usubjid.map(adsl.set_index("USUBJID")["STUDYID"]),
            "USUBJID": usubjid,
            "EXSEQ": ex["EXSEQ"],
            "ACYCLE": number.astype(float),
            "AVISIT": ex["VISIT"],
            "ASTDT": ex["ASTDT"],
            "AENDT": ex["LASTDAY"],
            "ADOSFRQ": None if in_cycles else ex["EXDOSFRQ"],
            "NDOSES": pd.Series(1.0 if in_cycles else doses, ex.index, dtype=float),
            "BSA": amounts["BSA"],
            "WEIGHT": amounts["WEIGHT"],
            "DOSE": amounts["DOSE"],
            "DOSEMG": amounts["DOSEMG"],
            "DELAYD": late,
            "DELAYC": delay,
            "DOSEC": _reduction(amounts["DOSE"], usubjid, rule),
            "EXADJ": ex["EXADJ"],
        }
    )


def growth_factor(tables: Tables, adsl: pd.DataFrame, adex: pd.DataFrame) -> pd.DataFrame | None:
    """G-CSF use under the study drug: indication and cycle.

    1. Not available: no supportive care is recorded for any patient.
    2. A record of G-CSF that began (earliest day) between the first infusion and `cycle_days` days
       after the last: counted under its indication (CMINDC), or under no indication where CMINDC
       is none of the three (primary or secondary prophylaxis, treatment of neutropenia).
    3. All other records of G-CSF: not counted.

    The cycle is that of the last infusion on or before that day.
    """
    cm = tables.get("cm", pd.DataFrame()).reindex(
        columns=["USUBJID", "CMCAT", "CMSCAT", "CMINDC", "CMSTDTC"]
    )
    if not ((cm["CMCAT"] == "SUPPORTIVE CARE") | (cm["CMSCAT"] == "G-CSF")).any():
        return None
    cm = cm[(cm["CMSCAT"] == "G-CSF") & cm["USUBJID"].isin(adex["USUBJID"])].reset_index(drop=True)
    records = pd.DataFrame(
        {
            "USUBJID": cm["USUBJID"],
            "GCSF": cm["CMINDC"].map(GCSF).fillna(""),
            "CMDT": earliest_day(cm["CMSTDTC"]),
            "ROW": cm.index,
        }
    )
    pairs = records.merge(adex[["USUBJID", "ACYCLE", "ASTDT"]], on="USUBJID")
    pairs = pairs[pairs["ASTDT"] <= pairs["CMDT"]].sort_values(["ROW", "ASTDT"], kind="stable")
    pairs = pairs.drop_duplicates("ROW", keep="last")
    last = pairs["USUBJID"].map(adsl.set_index("USUBJID")["TRTEDT"])
    return pairs.assign(SINCE=(pairs["CMDT"] - last).dt.days).reset_index(drop=True)


def _yes_no(condition: pd.Series) -> pd.Series:
    return pd.Series(np.where(condition, "Y", "N"), condition.index, dtype="object")


def adexsum(tables: Tables, adsl: pd.DataFrame, adex: pd.DataFrame, rule: Exposure) -> pd.DataFrame:
    """One row per treated patient and parameter: a number, or Y, N or U (not known).

    With first and last the days of the first and last infusion:

    1. NCYCLES: the number of infusions. OVERMAX: Y when above `max_cycles`.
    2. DURWK: (last - first + `cycle_days`) / 7.
    3. CUMDOSE, CUMMG: the sum of DOSE, of DOSEMG; missing when that of any infusion is missing.
    4. ADI: CUMDOSE / DURWK. RDI: 100 x ADI / (`planned_dose` / (`cycle_days` / 7)).
    5. NDELAY, NDELMAJ: the number of infusions whose delay is MINOR or MAJOR, and whose delay is
       MAJOR. DELAYED, DELMAJOR: Y when there is at least one; else U when the delay of an infusion is
       U (a single infusion has no delay); else N. The counts are missing where the flag is U.
    6. GCSFPRIM, GCSFSEC, GCSFTHER, GCSFANY: Y or N; U when no supportive care is recorded for any
       patient. NGCSF: cycles with G-CSF.

    Where `dosing` is continuous, with first the first and last the last day of any interval:

    7. DURDAYS: last - first + 1. TRTDAYS: the days in at least one interval. OFFDAYS: DURDAYS - TRTDAYS.
       All three are missing, and INTERR is U, when a day of an interval is not known.
    8. INTERR: Y when OFFDAYS is above 0, else N.
    9. CUMDOSE, CUMMG: the sum of NDOSES x DOSE, of NDOSES x DOSEMG. ADI: CUMDOSE / DURDAYS. RDI: 100 x
       ADI / (`planned_dose` x the doses a day of `frequency`).

    Further parameters:

    10. REDUCED, by `reduced_at_most`: Y when the reduction of a dose is REDUCED; else U when that of a dose is
        U; else N; NREDUC: the number of these doses, missing where REDUCED is U.
    11. LOWSTART, by `low_start_dose`: Y when the reduction of the first dose is LOW START; U when it is U; else N;
        RDISTRT: RDI, after a LOW START relative to that dose.

    Where `dose_unit` is AUC, there are no CUMDOSE, ADI and RDI.
    """
    treated = adsl[adsl["NCYCLES"] > 0]
    usubjid = treated["USUBJID"]
    flags = _course_flags(usubjid, adex)
    values: dict[str, pd.Series] = {}
    for name, column in (("CUMDOSE", "DOSE"), ("CUMMG", "DOSEMG")):
        given = (adex[column] * adex["NDOSES"]).groupby(adex["USUBJID"])
        values[name] = usubjid.map(given.apply(lambda doses: doses.sum(skipna=False)))
    if rule.dosing == "cycles":
        time = _of_cycles(treated, tables, adsl, adex, rule, values, flags)
    else:
        time = _of_intervals(treated, adex, values, flags)
    values["ADI"] = values["CUMDOSE"] / time
    values["RDI"] = 100 * values["ADI"] / rule.intensity
    if rule.low_start_dose is not None:
        low = rule.planned_dose / rule.low_start_dose
        values["RDISTRT"] = values["RDI"].where(flags["LOWSTART"] != "Y", values["RDI"] * low)
    reduced = _count(usubjid, adex, "DOSEC", "REDUCED")
    values["NREDUC"] = reduced.where(flags["REDUCED"] != "U")
    parts = [
        treated[["STUDYID", "USUBJID"]].assign(
            PARAMCD=name,
            AVAL=values.get(name, pd.Series(np.nan, usubjid.index)),
            AVALC=flags.get(name, pd.Series("", usubjid.index)),
        )
        for name in paramcds(rule)
    ]
    rows = pd.concat(parts, ignore_index=True)
    unknown = (rows["AVALC"] == "U") | ((rows["AVALC"] == "") & rows["AVAL"].isna())
    return rows.assign(CASE=np.where(unknown, 2, 1))


def _count(usubjid: pd.Series, adex: pd.DataFrame, column: str, *kinds: str) -> pd.Series:
    """The rows of each patient whose `column` is one of `kinds`."""
    return usubjid.map(adex[column].isin(kinds).groupby(adex["USUBJID"]).sum()).astype(float)


def _of_cycles(
    treated: pd.DataFrame, tables: Tables, adsl: pd.DataFrame, adex: pd.DataFrame, rule: Exposure,
    values: dict[str, pd.Series], flags: dict[str, pd.Series],
) -> pd.Series:  # fmt: skip
    """Cases 1, 2, 6 and 7 of `adexsum`; returns the weeks."""
    usubjid, cycle = treated["USUBJID"], stated(rule.cycle_days)
    weeks = ((treated["TRTEDT"] - treated["TRTSDT"]).dt.days + cycle) / DAYS_PER_WEEK
    values |= {"NCYCLES": treated["NCYCLES"].astype(float), "DURWK": weeks}
    delayed = _count(usubjid, adex, "DELAYC", "MINOR", "MAJOR")
    major = _count(usubjid, adex, "DELAYC", "MAJOR")
    values["NDELAY"] = delayed.where(flags["DELAYED"] != "U")
    values["NDELMAJ"] = major.where(flags["DELMAJOR"] != "U")
    flags["OVERMAX"] = _yes_no(values["NCYCLES"] > stated(rule.max_cycles))
    gcsf = growth_factor(tables, adsl, adex)
    values["NGCSF"], gcsf_flags = _gcsf_counts(usubjid, gcsf, rule)
    flags |= gcsf_flags
    return weeks


def _of_intervals(
    treated: pd.DataFrame, adex: pd.DataFrame, values: dict[str, pd.Series],
    flags: dict[str, pd.Series],
) -> pd.Series:  # fmt: skip
    """Cases 8 and 9 of `adexsum`; returns the days from the first to the last."""
    usubjid = treated["USUBJID"]
    open_ = usubjid.isin(adex.loc[adex["ASTDT"].isna() | adex["AENDT"].isna(), "USUBJID"])
    days = adex.rename(columns={"ASTDT": "DAY", "AENDT": "LASTDAY"})
    length = ((treated["TRTEDT"] - treated["TRTSDT"]).dt.days + 1).where(~open_).astype(float)
    inside = usubjid.map(treatment_days(days)).where(~open_)
    values |= {"DURDAYS": length, "TRTDAYS": inside, "OFFDAYS": length - inside}
    flags["INTERR"] = _yes_no(length > inside).where(~open_, "U")
    return length


def _course_flags(usubjid: pd.Series, adex: pd.DataFrame) -> dict[str, pd.Series]:
    """DELAYED, DELMAJOR, REDUCED and LOWSTART of each patient, by the cases of `adexsum`."""

    def any_of(column: str, *kinds: str) -> pd.Series:
        return usubjid.isin(adex.loc[adex[column].isin(kinds), "USUBJID"])

    def flag(yes: pd.Series, unknown: pd.Series) -> pd.Series:
        return pd.Series(np.select([yes, unknown], ["Y", "U"], default="N"), usubjid.index)

    first = adex[adex["ACYCLE"] == 1]
    first_unknown = usubjid.isin(first.loc[first["DOSEC"] == "U", "USUBJID"])
    return {
        "DELAYED": flag(any_of("DELAYC", "MINOR", "MAJOR"), any_of("DELAYC", "U")),
        "DELMAJOR": flag(any_of("DELAYC", "MAJOR"), any_of("DELAYC", "U")),
        "REDUCED": flag(any_of("DOSEC", "REDUCED"), any_of("DOSEC", "U")),
        "LOWSTART": flag(any_of("DOSEC", "LOW START") & ~first_unknown, first_unknown),
    }


def _gcsf_counts(
    usubjid: pd.Series, gcsf: pd.DataFrame | None, rule: Exposure
) -> tuple[pd.Series, dict[str, pd.Series]]:
    names = ("GCSFANY", *GCSF.values())
    if gcsf is None:
        unknown = pd.Series("U", usubjid.index, dtype="object")
        return pd.Series(np.nan, usubjid.index), dict.fromkeys(names, unknown)
    gcsf = gcsf[gcsf["SINCE"] <= stated(rule.cycle_days)]
    cycles = gcsf.groupby("USUBJID")["ACYCLE"].nunique()
    flags = {"GCSFANY": _yes_no(usubjid.isin(gcsf["USUBJID"]))}
    for name in GCSF.values():
        flags[name] = _yes_no(usubjid.isin(gcsf.loc[gcsf["GCSF"] == name, "USUBJID"]))
    return usubjid.map(cycles).fillna(0.0).astype(float), flags
