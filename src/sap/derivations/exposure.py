"""ADEX and ADEXSUM: infusions of study cabazitaxel, dose intensity, delays and reductions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day, full_day
from sap.derivations.population import study_doses
from sap.plan.model import Exposure

Tables = Mapping[str, pd.DataFrame]

DAYS_PER_WEEK = 7
GCSF = {
    "PRIMARY PROPHYLAXIS": "GCSFPRIM",
    "SECONDARY PROPHYLAXIS": "GCSFSEC",
    "TREATMENT OF NEUTROPENIA": "GCSFTHER",
}
PARAMCDS = (
    "NCYCLES",
    "DURWK",
    "CUMDOSE",
    "CUMMG",
    "ADI",
    "RDI",
    "RDISTRT",
    "NDELAY",
    "NDELMAJ",
    "NREDUC",
    "NGCSF",
    "DELAYED",
    "DELMAJOR",
    "REDUCED",
    "LOWSTART",
    "OVERMAX",
    "GCSFANY",
    "GCSFPRIM",
    "GCSFSEC",
    "GCSFTHER",
)


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


def adex(tables: Tables, adsl: pd.DataFrame, rule: Exposure) -> pd.DataFrame:
    """One row per infusion of study cabazitaxel of a treated patient.

    The infusions of a patient are numbered in the order of the cycles in VISIT when each infusion
    has one, else by day.

    Body surface area, the first case that applies:

    1. VS BSA, the last value on or before the day of the infusion.
    2. The formula of `bsa_formula`, from the last height and weight on or before that day.
    3. Missing.

    DOSE (mg/m2) and DOSEMG (mg):

    1. EXDOSU is mg/m2: DOSE is EXDOSE, DOSEMG is DOSE x BSA.
    2. EXDOSU is mg: DOSEMG is EXDOSE, DOSE is DOSEMG / BSA.
    3. No dose, or another unit: both missing.

    Delay, with D the days from the preceding infusion less `cycle_days`:

    1. "": the first infusion.
    2. U: the day of this or of the preceding infusion is not known; or D is above
       `delay_after_days`, and the patient has an infusion without a day and without a cycle in
       VISIT, which may be between the two.
    3. MAJOR: D above `major_delay_after_days`.
    4. MINOR: D above `delay_after_days`.
    5. N: everything else.

    Reduction, with L `reduced_at_most_mg_m2` mg/m2; DOSE is rounded to 9 decimals before the
    comparison with L:

    1. U: DOSE is not known.
    2. LOW START: DOSE <= L and no earlier infusion has a known dose.
    3. REDUCED: DOSE <= L, and the last known earlier dose was above L.
    4. LOW: DOSE <= L, and the last known earlier dose was not above L.
    5. FULL: DOSE above L.
    """
    ex = study_doses(tables, rule.drugs)
    ex = _in_order(ex[ex["USUBJID"].isin(adsl.loc[adsl["NCYCLES"] > 0, "USUBJID"])])
    ex = ex.rename(columns={"DAY": "ASTDT"})
    usubjid = ex["USUBJID"]
    formula = body_surface(
        _last_before(tables, "HEIGHT", ex), _last_before(tables, "WEIGHT", ex), rule.bsa_formula
    )
    bsa = _last_before(tables, "BSA", ex).fillna(formula)
    amount = ex["EXDOSE"].astype(float)
    per_m2, in_mg = ex["EXDOSU"] == "mg/m2", ex["EXDOSU"] == "mg"
    dose = amount.where(per_m2, (amount / bsa).where(in_mg)).round(9)
    late = (ex["ASTDT"] - ex.groupby("USUBJID")["ASTDT"].shift()).dt.days - rule.cycle_days
    unplaced = (ex["ASTDT"].isna() & ex["PLACE"].isna()).groupby(usubjid).transform("any")
    late = late.where(~(unplaced & (late > rule.delay_after_days)))
    number = ex.groupby("USUBJID").cumcount() + 1
    low = dose <= rule.reduced_at_most_mg_m2
    before = dose.groupby(usubjid).ffill().groupby(usubjid).shift()
    return pd.DataFrame(
        {
            "STUDYID": usubjid.map(adsl.set_index("USUBJID")["STUDYID"]),
            "USUBJID": usubjid,
            "EXSEQ": ex["EXSEQ"],
            "ACYCLE": number.astype(float),
            "AVISIT": ex["VISIT"],
            "ASTDT": ex["ASTDT"],
            "BSA": bsa,
            "DOSE": dose,
            "DOSEMG": amount.where(in_mg, (amount * bsa).where(per_m2)),
            "DELAYD": late.astype(float),
            "DELAYC": np.select(
                [
                    number == 1,
                    late.isna(),
                    late > rule.major_delay_after_days,
                    late > rule.delay_after_days,
                ],
                ["", "U", "MAJOR", "MINOR"],
                default="N",
            ),
            "DOSEC": np.select(
                [
                    dose.isna(),
                    low & before.isna(),
                    low & (before > rule.reduced_at_most_mg_m2),
                    low,
                ],
                ["U", "LOW START", "REDUCED", "LOW"],
                default="FULL",
            ),
            "EXADJ": ex["EXADJ"],
        }
    )


def growth_factor(tables: Tables, adsl: pd.DataFrame, adex: pd.DataFrame) -> pd.DataFrame | None:
    """G-CSF use under study cabazitaxel: indication and cycle.

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
    4. ADI: CUMDOSE / DURWK. RDI: 100 x ADI / (`planned_dose_mg_m2` / (`cycle_days` / 7)).
    5. RDISTRT: RDI, after a LOW START relative to `low_start_dose_mg_m2`.
    6. NDELAY, NDELMAJ, NREDUC: the number of infusions whose delay is MINOR or MAJOR, whose delay
       is MAJOR, and whose reduction is REDUCED. DELAYED, DELMAJOR, REDUCED, LOWSTART: Y when there
       is at least one; else U when the delay or reduction of an infusion is U (a single infusion
       has no delay); else N. LOWSTART is of the first infusion: U when its reduction is U. The
       counts are missing where the flag is U.
    7. GCSFPRIM, GCSFSEC, GCSFTHER, GCSFANY: Y or N; U when no supportive care is recorded for any
       patient. NGCSF: cycles with G-CSF.
    """
    treated = adsl[adsl["NCYCLES"] > 0]
    usubjid, each = treated["USUBJID"], adex.groupby("USUBJID")
    weeks = ((treated["TRTEDT"] - treated["TRTSDT"]).dt.days + rule.cycle_days) / DAYS_PER_WEEK
    values: dict[str, pd.Series] = {"NCYCLES": treated["NCYCLES"].astype(float), "DURWK": weeks}
    for name, column in (("CUMDOSE", "DOSE"), ("CUMMG", "DOSEMG")):
        values[name] = usubjid.map(each[column].apply(lambda doses: doses.sum(skipna=False)))
    flags = _course_flags(usubjid, adex)
    values["ADI"] = values["CUMDOSE"] / weeks
    per_week = rule.planned_dose_mg_m2 / (rule.cycle_days / DAYS_PER_WEEK)
    values["RDI"] = 100 * values["ADI"] / per_week
    low = rule.planned_dose_mg_m2 / rule.low_start_dose_mg_m2
    values["RDISTRT"] = values["RDI"].where(flags["LOWSTART"] != "Y", values["RDI"] * low)
    for name, column, kinds, flag in (
        ("NDELAY", "DELAYC", ("MINOR", "MAJOR"), "DELAYED"),
        ("NDELMAJ", "DELAYC", ("MAJOR",), "DELMAJOR"),
        ("NREDUC", "DOSEC", ("REDUCED",), "REDUCED"),
    ):
        count = usubjid.map(adex[column].isin(kinds).groupby(adex["USUBJID"]).sum()).astype(float)
        values[name] = count.where(flags[flag] != "U")
    flags["OVERMAX"] = _yes_no(values["NCYCLES"] > rule.max_cycles)
    gcsf = growth_factor(tables, adsl, adex)
    values["NGCSF"], gcsf_flags = _gcsf_counts(usubjid, gcsf, rule)
    flags |= gcsf_flags
    parts = [
        treated[["STUDYID", "USUBJID"]].assign(
            PARAMCD=name,
            AVAL=values.get(name, pd.Series(np.nan, usubjid.index)),
            AVALC=flags.get(name, pd.Series("", usubjid.index)),
        )
        for name in PARAMCDS
    ]
    rows = pd.concat(parts, ignore_index=True)
    unknown = (rows["AVALC"] == "U") | ((rows["AVALC"] == "") & rows["AVAL"].isna())
    return rows.assign(CASE=np.where(unknown, 2, 1))


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
    gcsf = gcsf[gcsf["SINCE"] <= rule.cycle_days]
    cycles = gcsf.groupby("USUBJID")["ACYCLE"].nunique()
    flags = {"GCSFANY": _yes_no(usubjid.isin(gcsf["USUBJID"]))}
    for name in GCSF.values():
        flags[name] = _yes_no(usubjid.isin(gcsf.loc[gcsf["GCSF"] == name, "USUBJID"]))
    return usubjid.map(cycles).fillna(0.0).astype(float), flags
