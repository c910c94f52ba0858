"""ADPSA and ADRS: PSA values under the study drug, and PSA response."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day, latest_day, precision, time_of_day
from sap.derivations.quantities import quantified
from sap.plan.model import ComparisonRule, PsaCourse, PsaResponse

Tables = Mapping[str, pd.DataFrame]

COLUMNS = ("LBSEQ", "LBTESTCD", "LBSTRESC", "LBSTRESN", "LBLLOQ", "LBULOQ", "LBDTC")
NEW_THERAPY = ("SUBSEQUENT ANTICANCER THERAPY", "PHYSICIAN'S CHOICE")


def percent_change(aval: pd.Series, base: pd.Series) -> pd.Series:
    """PCHG, rounded to 9 decimals so that a decline of exactly 90 % compares as 90.

    >>> percent_change(pd.Series([0.07]), pd.Series([0.7])).tolist()
    [-90.0]
    """
    return (100 * (aval - base) / base).where(base > 0).round(9)


def new_therapy(tables: Tables, adsl: pd.DataFrame) -> pd.Series:
    """The first day of a new anticancer therapy after the first dose.

    1. CM records of a subsequent therapy whose start (earliest day of a partial date) is after the
       first dose: that day. The same of records of the physician's choice.
    2. A subsequent therapy whose partial start may be before, on or after the first dose: the day
       after the first dose (conservative).
    3. All other records: no new anticancer therapy.
    """
    cm = tables.get("cm", pd.DataFrame()).reindex(columns=["USUBJID", "CMCAT", "CMSTDTC"])
    cm = cm[cm["CMCAT"].isin(NEW_THERAPY) & cm["CMSTDTC"].notna()]
    first_dose = cm["USUBJID"].map(adsl.set_index("USUBJID")["TRTSDT"])
    day = earliest_day(cm["CMSTDTC"])
    subsequent = cm["CMCAT"] == "SUBSEQUENT ANTICANCER THERAPY"
    uncertain = subsequent & (day <= first_dose) & (latest_day(cm["CMSTDTC"]) > first_dose)
    day = day.where(~uncertain, first_dose + pd.Timedelta(days=1))
    starts = pd.DataFrame({"USUBJID": cm["USUBJID"], "DAY": day})[day > first_dose]
    return starts.groupby("USUBJID")["DAY"].min()


def _values(tables: Tables, rule: PsaResponse) -> pd.DataFrame:
    """PSA values with a day and a number; beyond quantification by `quantified` and the plan."""
    lb = tables["lb"].reindex(columns=["USUBJID", *COLUMNS])
    lb = lb[(lb["LBTESTCD"] == "PSA") & lb["LBDTC"].notna()]
    results = quantified(lb, "lb")
    below = results["SIDE"] == "<"
    half = rule.below_quantification == "half the limit"
    values = pd.DataFrame(
        {
            "USUBJID": lb["USUBJID"],
            "LBSEQ": lb["LBSEQ"],
            "ADT": earliest_day(lb["LBDTC"]),
            "ATM": time_of_day(lb["LBDTC"]),
            "AVAL": results["VALUE"].where(~(below & half), results["VALUE"] / 2),
            "BLQFL": np.where(below, "Y", ""),
            "ALQFL": np.where(results["SIDE"] == ">", "Y", ""),
        }
    )
    return values[values["AVAL"].notna() & (precision(lb["LBDTC"]) >= 10)]


def _after_the_dose(values: pd.DataFrame, adsl: pd.DataFrame) -> pd.Series:
    """Whether a value of the first dosing day was drawn after the infusion began, by its times."""
    subject = adsl.reindex(columns=["USUBJID", "TRTSDT", "TRTSTM"]).set_index("USUBJID")
    start, first = (
        values["USUBJID"].map(subject["TRTSTM"]),
        values["USUBJID"].map(subject["TRTSDT"]),
    )
    timed = values["ATM"].notna() & start.notna() & (values["ADT"] == first)
    return timed & (values["ATM"].fillna("") > start.fillna(""))


def _one_value_a_day(values: pd.DataFrame) -> pd.DataFrame:
    """One value a day: the latest time; without times, or at one time, the mean, flagged AVERAGE."""
    key = ["USUBJID", "ADT"]
    repeated = values.duplicated(key, keep=False)
    if not repeated.any():
        days = values.assign(DTYPE="")
    else:
        days = pd.concat([values[~repeated].assign(DTYPE=""), _of_repeated(values[repeated], key)])
    days = days.sort_values(key, kind="stable", ignore_index=True)
    return days[[*key, "AVAL", "BLQFL", "ALQFL", "LBSEQ", "DTYPE"]].astype({"AVAL": float})


def _of_repeated(values: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """One value for each day with several."""
    latest = values.groupby(key)["ATM"].transform(
        lambda times: max((t for t in times if isinstance(t, str)), default=None)
    )
    latest_values = values[(values["ATM"] == latest) | latest.isna()]
    days = latest_values.groupby(key, as_index=False, sort=True).agg(
        AVAL=("AVAL", lambda v: float(np.mean(np.sort(v.to_numpy())))),
        BLQFL=("BLQFL", "max"),
        ALQFL=("ALQFL", "max"),
        LBSEQ=("LBSEQ", "min"),
        COUNT=("AVAL", "size"),
    )
    days["DTYPE"] = np.where(days.pop("COUNT") > 1, "AVERAGE", "")
    return days


def adpsa(tables: Tables, adsl: pd.DataFrame, rule: PsaResponse) -> pd.DataFrame:
    """One row per patient and day with a PSA value: baseline, change and whether the value counts.

    Several values of one day: the one at the latest time; without times, or at one time, their
    arithmetic mean (DTYPE = AVERAGE). A value of the day of the first dose with a time after the
    start of the infusion (TRTSTM) is excluded; without both times it is taken as collected before
    the infusion. Where only the hour of a time is known, the first minute of that hour is used for
    a value and the last minute for an infusion. A value without a full date or without a number is
    not analysed. A value below quantification is `below_quantification` of quantification.

    ABLFL = Y and BASE: the last day with a value on or before the first dose. Not treated: none.

    ANL01FL (the value counts for response), the first case that applies:

    1. "": no first dose with a known day.
    2. "": on or before the day of the first dose.
    3. "": later than `days_after_last_cycle` days after the last infusion.
    4. "": on or after the first day of a new anticancer therapy, where `stop_at_new_therapy` is
       yes.
    5. Y: all others.

    NADIR is the lowest value so far after the first dose, baseline included. PCHG, the percent
    change from baseline, is rounded to 9 decimals before it is compared with a threshold.
    """
    values = _values(tables, rule)
    values = values[~_after_the_dose(values, adsl)]
    days = _one_value_a_day(values)
    by_subject = adsl.set_index("USUBJID")
    first = days["USUBJID"].map(by_subject["TRTSDT"])
    last = days["USUBJID"].map(by_subject["TRTEDT"])
    therapy = days["USUBJID"].map(new_therapy(tables, adsl))

    before = days[days["ADT"] <= first]
    baseline = before.sort_values(["USUBJID", "ADT"], kind="stable").drop_duplicates(
        "USUBJID", keep="last"
    )
    days["ABLFL"] = np.where(days.index.isin(baseline.index), "Y", "")
    days["BASE"] = days["USUBJID"].map(baseline.set_index("USUBJID")["AVAL"]).astype(float)
    later = days["ADT"] > first
    days["CHG"] = (days["AVAL"] - days["BASE"]).where(later)
    days["PCHG"] = percent_change(days["AVAL"], days["BASE"]).where(later)
    gap = (days["ADT"] - first).dt.days
    days["ADY"] = gap.where(gap < 0, gap + 1)

    window = pd.to_timedelta(rule.days_after_last_cycle, unit="D")
    case = np.select(
        [
            first.isna(),
            ~later,
            days["ADT"] > last + window,
            (days["ADT"] >= therapy) & rule.stop_at_new_therapy,
        ],
        [1, 2, 3, 4],
        default=5,
    )
    days["ANL01CAS"] = case
    days["ANL01FL"] = np.where(case == 5, "Y", "")
    running = days["AVAL"].where(later | (days["ABLFL"] == "Y"))
    days["NADIR"] = running.groupby(days["USUBJID"]).cummin()
    days.insert(0, "STUDYID", days["USUBJID"].map(by_subject["STUDYID"]))
    return days.assign(PARAMCD="PSA", AVALU="ug/L")


def _confirmed(counted: pd.DataFrame, rule: PsaResponse, days: int) -> pd.DataFrame:
    """The first confirmed decline of each patient: ADT and CONFDT by USUBJID."""
    columns = ["USUBJID", "ADT", "PCHG", "TRTSDT"]
    values = counted[columns].sort_values(["USUBJID", "ADT"], kind="stable")
    declines = values[values["PCHG"] <= -rule.decline_pct]
    if rule.first_fall_within_days is not None:
        limit = declines["TRTSDT"] + pd.to_timedelta(rule.first_fall_within_days, unit="D")
        first_declines = declines[declines["ADT"] <= limit]
    else:
        first_declines = declines
    if days == 0:
        pairs = first_declines.assign(CONFDT=first_declines["ADT"])
    else:
        gap = pd.to_timedelta(max(days - rule.confirm_tolerance_days, 1), unit="D")
        pairs = first_declines.merge(
            values[["USUBJID", "ADT", "PCHG"]], on="USUBJID", suffixes=("", "_LATER")
        )
        pairs = pairs[pairs["ADT_LATER"] - pairs["ADT"] >= gap]
        if rule.confirmed_by == "next value":
            pairs = pairs.sort_values(["USUBJID", "ADT", "ADT_LATER"], kind="stable")
            pairs = pairs.drop_duplicates(["USUBJID", "ADT"])
        pairs = pairs[pairs["PCHG_LATER"] <= -rule.decline_pct]
        pairs = pairs.rename(columns={"ADT_LATER": "CONFDT"})
    pairs = pairs.sort_values(["USUBJID", "ADT", "CONFDT"], kind="stable")
    return pairs.drop_duplicates("USUBJID").set_index("USUBJID")[["ADT", "CONFDT"]]


def psa_response(
    adsl: pd.DataFrame, adpsa: pd.DataFrame, rule: PsaResponse, *, confirm_after_days: int
) -> pd.DataFrame:
    """Confirmed PSA response of every treated patient, with or without PSA values.

    Among values that count (ANL01FL = Y), the first case that applies:

    1. NE: no baseline, or a baseline of 0: no percent change is defined.
    2. NE: a baseline, and no value that counts.
    3. Y: a decline of at least `decline_pct` percent, at most `first_fall_within_days` days after
       the first dose (day 0; none: no limit), and another such decline at least
       `confirm_after_days` less `confirm_tolerance_days` days later. `confirmed_by` states which
       value confirms: any later value (a value between the two may be higher), or only the next
       value at least that many days later. The confirming value may be after the limit. The date of
       response is that of the first decline that is confirmed.
    4. N: a decline within the limit that is not confirmed.
    5. N: no such decline.

    Where no confirmation is required, one decline is sufficient. In the primary set NE counts as no
    response.
    """
    treated = adsl.loc[adsl["NCYCLES"] > 0, ["STUDYID", "USUBJID", "TRTSDT"]]
    counted = adpsa[adpsa["ANL01FL"] == "Y"].merge(
        treated[["USUBJID", "TRTSDT"]], on="USUBJID", validate="many_to_one"
    )
    with_base = counted[counted["PCHG"].notna()]
    declined = _confirmed(with_base, rule, 0)
    confirmed = _confirmed(with_base, rule, confirm_after_days)
    usubjid = treated["USUBJID"]
    base = usubjid.map(adpsa[adpsa["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"])
    case = np.select(
        [
            ~(base > 0),
            ~usubjid.isin(with_base["USUBJID"]),
            usubjid.isin(confirmed.index),
            usubjid.isin(declined.index),
        ],
        [1, 2, 3, 4],
        default=5,
    )
    response = treated.assign(
        AVALC=np.select([case <= 2, case == 3], ["NE", "Y"], default="N"),
        AVAL=np.nan,
        ADT=usubjid.map(confirmed["ADT"]),
        CONFDT=usubjid.map(confirmed["CONFDT"]),
        CASE=case,
    )
    return response.reset_index(drop=True)


def _changes(
    adsl: pd.DataFrame, adpsa: pd.DataFrame, rule: PsaCourse
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """PSABEST and PSAWK12 for every treated patient; see `adrs`."""
    treated = adsl.loc[adsl["NCYCLES"] > 0, ["STUDYID", "USUBJID", "TRTSDT"]].reset_index(drop=True)
    values = adpsa[(adpsa["ANL01FL"] == "Y") & adpsa["PCHG"].notna()]
    values = values.merge(treated[["USUBJID", "TRTSDT"]], on="USUBJID")
    lowest = values.sort_values(["USUBJID", "PCHG", "ADT"], kind="stable").drop_duplicates(
        "USUBJID"
    )
    distance = (values["ADT"] - values["TRTSDT"]).dt.days - rule.week_12_day
    near = values.assign(OFF=distance.abs())
    near = near[near["OFF"] <= rule.week_12_window_days]
    near = near.sort_values(["USUBJID", "OFF", "ADT"], kind="stable").drop_duplicates("USUBJID")
    parts = []
    for name, chosen in (("PSABEST", lowest), ("PSAWK12", near)):
        by_subject = chosen.set_index("USUBJID")
        has = treated["USUBJID"].isin(by_subject.index)
        parts.append(
            treated.assign(
                PARAMCD=name,
                AVAL=treated["USUBJID"].map(by_subject["PCHG"]),
                ADT=treated["USUBJID"].map(by_subject["ADT"]),
                AVALC=np.where(has, "", "NE"),
                CASE=np.where(has, 2, 1),
            )
        )
    return parts[0], parts[1]


def adrs(
    adsl: pd.DataFrame, adpsa: pd.DataFrame, rule: PsaResponse, course: PsaCourse
) -> pd.DataFrame:
    """PSA response of each treated patient by the primary and sensitivity definitions, and changes.

    1. PSARESP: the PSA response as the SAP confirms it.
    2. PSARESPU: the same, unconfirmed. PSARSP21, PSARSP28 and so on: confirmed after each of
       `psa_response.sensitivity_confirm_days` days; otherwise unchanged.
    3. PSARSPAT: PSARESP without the limit on the day of the first decline, where there is one.
    4. PSABEST: the lowest percent change among values that count (of equal ones, the earlier).
    5. PSAWK12: the percent change of the value that counts nearest to day `week_12_day`, at most
       `week_12_window_days` days earlier or later (of two equally near, the earlier). The day of the
       first dose is day 0.

    PSABEST and PSAWK12 are NE where there is no such value.
    """
    variants = {"PSARESP": rule.confirm_after_days, "PSARESPU": 0}
    variants |= {f"PSARSP{days}": days for days in rule.sensitivity_confirm_days}
    parts = [
        psa_response(adsl, adpsa, rule, confirm_after_days=days).assign(PARAMCD=name)
        for name, days in variants.items()
    ]
    if rule.first_fall_within_days is not None:
        without_limit = rule.model_copy(update={"first_fall_within_days": None})
        response = psa_response(
            adsl, adpsa, without_limit, confirm_after_days=rule.confirm_after_days
        )
        parts.append(response.assign(PARAMCD="PSARSPAT"))
    return pd.concat([*parts, *_changes(adsl, adpsa, course)], ignore_index=True)


def deciding_response(adsl: pd.DataFrame, adpsa: pd.DataFrame, rule: PsaResponse) -> pd.DataFrame:
    """PSARESP and PSARESPU of `adrs` alone: what the decision of the design and pending responses rest on."""
    parts = [
        psa_response(adsl, adpsa, rule, confirm_after_days=days).assign(PARAMCD=name)
        for name, days in (("PSARESP", rule.confirm_after_days), ("PSARESPU", 0))
    ]
    return pd.concat(parts, ignore_index=True)


def comparison_response(
    adsl: pd.DataFrame, adpsa: pd.DataFrame, rule: PsaResponse, published: ComparisonRule | None
) -> pd.DataFrame:
    """PSA response by the rule of the published trial with which the primary result is compared.

    The thresholds are those of `rule`; without it no such response is derived. The values that count
    and the handling of values below quantification are those of the PSA response of this trial. For
    each treated patient the first case that applies:

    1. Not counted: no baseline, a baseline of 0, or one below the minimum baseline of the rule.
    2. NE: no value that counts; the patient is counted as a non-responder.
    3. Y: a decline of at least the percentage of the rule, within its limit on the day of the first
       decline where it has one, and another such decline at least its number of days later
       (`psa_response.confirmed_by`).
    4. N: such a decline that is not confirmed.
    5. N: no such decline.
    """
    if published is None:
        return pd.DataFrame(columns=["STUDYID", "USUBJID", "PARAMCD", "AVALC", "CASE"])
    published_rule = rule.model_copy(
        update={
            "decline_pct": published.decline_pct,
            "first_fall_within_days": published.first_fall_within_days,
            "confirm_tolerance_days": 0,
        }
    )
    days = published.confirm_after_days
    response = psa_response(adsl, adpsa, published_rule, confirm_after_days=days)
    base = adpsa[adpsa["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"]
    low = ~(response["USUBJID"].map(base) >= published.baseline_psa_minimum) | (
        response["CASE"] == 1
    )
    response["CASE"] = response["CASE"].where(~low, 1)
    response["AVALC"] = response["AVALC"].astype("object").mask(low)
    for day in ("ADT", "CONFDT"):
        response[day] = response[day].where(~low)
    return response.assign(PARAMCD="PSARESPC")
