"""ADSL: one row per patient, for ever, with what he is and the sets he belongs to."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sap.derivations.dates import (
    earliest_day,
    full_day,
    latest_day,
    latest_time_of_day,
    precision,
)
from sap.plan.model import AliveOn, Plan

Tables = Mapping[str, pd.DataFrame]


def _columns(tables: Tables, name: str, *columns: str) -> pd.DataFrame:
    """A domain with the columns asked for; an absent domain or column is empty, not an error."""
    table = tables.get(name, pd.DataFrame())
    return table.reindex(columns=["USUBJID", *columns])


def _first(frame: pd.DataFrame, value: str, by: list[str]) -> pd.Series:
    """The first `value` of each patient in the order of `by`."""
    ordered = frame.sort_values(by, kind="stable", na_position="last")
    return ordered.drop_duplicates("USUBJID").set_index("USUBJID")[value]


def milestone(tables: Tables, term: str, episode: str | None = None) -> pd.Series:
    """The first day of one DS milestone by USUBJID; `episode` is DSSCAT (SCREENING, RE-SCREENING)."""
    ds = _columns(tables, "ds", "DSDECOD", "DSCAT", "DSSCAT", "DSSTDTC")
    found = ds[(ds["DSCAT"] == "PROTOCOL MILESTONE") & (ds["DSDECOD"] == term)]
    if episode is not None:
        found = found[found["DSSCAT"] == episode]
    found = found.assign(DAY=earliest_day(found["DSSTDTC"]))
    return _first(found, "DAY", ["USUBJID", "DAY"])


def disposition(tables: Tables, about: str) -> pd.DataFrame:
    """The last disposition event of each patient for one DSSCAT: columns DSDECOD and DAY, by USUBJID."""
    ds = _columns(tables, "ds", "DSSEQ", "DSDECOD", "DSCAT", "DSSCAT", "DSSTDTC")
    found = ds[(ds["DSCAT"] == "DISPOSITION EVENT") & (ds["DSSCAT"] == about)]
    found = found.assign(DAY=earliest_day(found["DSSTDTC"]))
    found = found.sort_values(["USUBJID", "DAY", "DSSEQ"], kind="stable")
    return found.drop_duplicates("USUBJID", keep="last").set_index("USUBJID")[["DSDECOD", "DAY"]]


def biomarker(tables: Tables, visit: str) -> pd.DataFrame:
    """Cell count and AR-V7 of one screening: two separate facts of one sample.

    The sample that decides, the first case that applies:

    1. Of several samples at the visit of the screening, the earliest that has a count (of one day,
       the lowest CPSEQ).
    2. None has a count: the earliest sample.
    3. No sample: neither count nor AR-V7.

    The count is per `screening.volume_ml` mL, missing when not evaluable. AR-V7:

    1. The earliest result that names the deciding sample (GFREFID = CPREFID).
    2. Else the earliest result at the visit that names no sample of the patient.
    3. No result, because the test is recorded as not done or not at all: NOT DONE.

    The reason that is kept:

    1. Of a result UNDETERMINED: its category (GFRESCAT).
    2. Else the reason not done (GFREASND).
    """
    cp = _columns(tables, "cp", "CPSEQ", "CPTESTCD", "CPSTRESN", "CPREFID", "VISIT", "CPDTC")
    cp = cp[(cp["CPTESTCD"] == "CTC") & (cp["VISIT"] == visit)]
    cp = cp.assign(DAY=earliest_day(cp["CPDTC"]), NOCOUNT=cp["CPSTRESN"].isna())
    cp = cp.sort_values(["USUBJID", "NOCOUNT", "DAY", "CPSEQ"], kind="stable")
    sample = cp.drop_duplicates("USUBJID").set_index("USUBJID")[["CPREFID", "DAY", "CPSTRESN"]]
    sample = sample.rename(columns={"CPSTRESN": "CTC"})

    gf = _columns(
        tables,
        "gf",
        "GFSEQ",
        "GFTESTCD",
        "GFSTRESC",
        "GFRESCAT",
        "GFREASND",
        "GFREFID",
        "VISIT",
        "GFDTC",
    )
    gf = gf[(gf["GFTESTCD"] == "ARV7") & (gf["VISIT"] == visit)]
    gf = gf.assign(DAY=earliest_day(gf["GFDTC"]))
    linked = gf["GFREFID"] == gf["USUBJID"].map(sample["CPREFID"])
    gf = gf.assign(NORESULT=gf["GFSTRESC"].isna(), NOLINK=~linked)
    gf = gf[linked | ~_names_a_sample(gf, tables)]
    gf = gf.sort_values(["USUBJID", "NORESULT", "NOLINK", "DAY", "GFSEQ"], kind="stable")
    category = gf["GFRESCAT"].where(gf["GFSTRESC"] == "UNDETERMINED")
    gf = gf.assign(REASON=category.fillna(gf["GFREASND"]))
    result = gf.drop_duplicates("USUBJID").set_index("USUBJID")[["GFSTRESC", "REASON"]]
    both = sample.join(result, how="left")
    return pd.DataFrame(
        {
            "DAY": both["DAY"],
            "CTC": both["CTC"],
            "ARV7": both["GFSTRESC"].fillna("NOT DONE"),
            "ARV7REAS": both["REASON"],
        }
    )


def _names_a_sample(gf: pd.DataFrame, tables: Tables) -> pd.Series:
    """Whether each result names one of the patient's own samples, at whatever visit."""
    cp = _columns(tables, "cp", "CPREFID").dropna()
    own = set(zip(cp["USUBJID"], cp["CPREFID"], strict=True))
    named = zip(gf["USUBJID"], gf["GFREFID"], strict=True)
    return pd.Series([pair in own for pair in named], gf.index, dtype=bool)


def study_doses(tables: Tables, drugs: list[str]) -> pd.DataFrame:
    """Each dose of the study drug with its first and last day; missing days stay, they are doses.

    1. EX records of one of the drugs whose category is study treatment, or that have no category.
    2. A record of dose 0 is no dose: nothing was given. A missing dose is one, and a placebo has
       no other.
    3. The last day of a dose is the day of EXENDTC, else that of EXSTDTC.
    """
    names = ("EXSEQ", "EXTRT", "EXCAT", "EXDOSE", "EXDOSU", "EXSTDTC", "EXENDTC", "VISIT", "EXADJ")
    ex = _columns(tables, "ex", *names)
    study = (ex["EXCAT"] == "STUDY TREATMENT") | ex["EXCAT"].isna()
    given = (pd.to_numeric(ex["EXDOSE"]) != 0) | (ex["EXTRT"] == "PLACEBO")
    ex = ex[ex["EXTRT"].isin(drugs) & study & given]
    day = full_day(ex["EXSTDTC"])
    return ex.assign(DAY=day, LASTDAY=full_day(ex["EXENDTC"]).fillna(day))


def line_of_therapy(tables: Tables, first_dose: pd.Series, drugs: list[str]) -> pd.Series:
    """The line of study cabazitaxel, third or second, of each patient with a first dose.

    1. Third line: a drug of `third_line_after` recorded as a prior anticancer therapy, whatever
       its date.
    2. Third line: such a drug as the physician's choice that may have begun (earliest day of a
       partial date) before the first dose.
    3. Third line: such a drug as a subsequent therapy that surely began (latest day) before it.
    4. Second line: everything else.
    """
    cm = _columns(tables, "cm", "CMDECOD", "CMCAT", "CMSTDTC")
    cm = cm[cm["CMDECOD"].isin(drugs) & cm["USUBJID"].isin(first_dose.index)]
    first = cm["USUBJID"].map(first_dose)
    before = (
        (cm["CMCAT"] == "PRIOR ANTICANCER THERAPY")
        | ((cm["CMCAT"] == "PHYSICIAN'S CHOICE") & (earliest_day(cm["CMSTDTC"]) < first))
        | ((cm["CMCAT"] == "SUBSEQUENT ANTICANCER THERAPY") & (latest_day(cm["CMSTDTC"]) < first))
    )
    third = first_dose.index.isin(cm.loc[before, "USUBJID"])
    return pd.Series(np.where(third, "third line", "second line"), first_dose.index)


def _first_infusion_time(doses: pd.DataFrame) -> pd.Series:
    """The earliest time of day of the infusions on the day of the first dose, by USUBJID.

    A start of which the hour alone is known counts as the end of that hour.
    """
    first = doses["USUBJID"].map(doses.groupby("USUBJID")["DAY"].min())
    times = doses.assign(TIME=latest_time_of_day(doses["EXSTDTC"]))[doses["DAY"] == first]
    return times.dropna(subset=["TIME"]).groupby("USUBJID")["TIME"].min()


def last_alive(tables: Tables, lines: Sequence[AliveOn]) -> pd.Series:
    """The last day on which the data show a patient alive.

    1. Each line of `alive_on` is a domain and a date that count, of the records that meet its
       condition (in brackets: the values a column must, or must not, have).
    2. A record that is NOT DONE (--STAT), or whose occurrence is N (--OCCUR), shows nothing: its
       date is that of a plan.
    3. Only a full date counts. The last of all is the day; without any there is none.
    4. A day after the death is replaced by the day of the death (the contract names such records).
    """
    days = [pd.DataFrame({"USUBJID": pd.Series(dtype="object"), "DAY": pd.Series(dtype="M8[ns]")})]
    for line in lines:
        stem = line.domain.upper()
        asked = {**(line.only or {}), **(line.unless or {})}
        names = dict.fromkeys((line.date, f"{stem}STAT", f"{stem}OCCUR", *asked))
        rows = _columns(tables, line.domain, *names)
        for column, values in (line.only or {}).items():
            rows = rows[rows[column].isin(values)]
        for column, values in (line.unless or {}).items():
            rows = rows[~rows[column].isin(values)]
        rows = rows[(rows[f"{stem}STAT"] != "NOT DONE") & (rows[f"{stem}OCCUR"] != "N")]
        days.append(pd.DataFrame({"USUBJID": rows["USUBJID"], "DAY": full_day(rows[line.date])}))
    whole = pd.concat([one for one in days if len(one)] or days[:1])
    return whole.dropna().groupby("USUBJID")["DAY"].max()


def death(tables: Tables, alive_on: pd.Series) -> pd.Series:
    """The day of death.

    1. DM.DTHDTC, a full date.
    2. DM.DTHDTC, partial: the earliest day it allows that is not before the last day known alive;
       the latest it allows where all are.
    3. No DM.DTHDTC: the disposition DEATH of DS, read in the same way.
    4. Neither: the earliest SS record of DEAD, read in the same way.
    5. No date anywhere: no day of death, even if DM.DTHFL is Y (the contract warns of it).

    Of several dates in one source a full one goes before a partial one, then the earliest.
    """
    dm = _columns(tables, "dm", "DTHDTC")
    ds = _columns(tables, "ds", "DSDECOD", "DSSTDTC")
    ss = _columns(tables, "ss", "SSSTRESC", "SSDTC")
    sources = (
        dm[dm["DTHDTC"].notna()].rename(columns={"DTHDTC": "DTC"}),
        ds[ds["DSDECOD"] == "DEATH"].rename(columns={"DSSTDTC": "DTC"}),
        ss[ss["SSSTRESC"] == "DEAD"].rename(columns={"SSDTC": "DTC"}),
    )
    found = pd.concat(
        [one[["USUBJID", "DTC"]].assign(RANK=rank) for rank, one in enumerate(sources)],
        ignore_index=True,
    ).dropna(subset=["DTC"])
    found = found.assign(DAY=earliest_day(found["DTC"]), FULL=precision(found["DTC"]) >= 10)
    found = found.assign(PARTIAL=~found["FULL"]).dropna(subset=["DAY"])
    found = found.sort_values(["USUBJID", "RANK", "PARTIAL", "DAY"], kind="stable")
    found = found.drop_duplicates("USUBJID")
    found = found.set_index("USUBJID")
    seen = alive_on.reindex(found.index)
    least = found["DAY"].clip(lower=seen).clip(upper=latest_day(found["DTC"]))
    return found["DAY"].where(found["FULL"] | seen.isna(), least)


def _therapy_before_again(tables: Tables, again: pd.Series, names: list[str]) -> pd.Series:
    """Who took one of `names` as the physician's choice before he came again, by USUBJID."""
    cm = _columns(tables, "cm", "CMDECOD", "CMCAT", "CMSTDTC")
    cm = cm[(cm["CMCAT"] == "PHYSICIAN'S CHOICE") & cm["CMDECOD"].isin(names)]
    came = cm["USUBJID"].map(again)
    return cm.loc[earliest_day(cm["CMSTDTC"]) < came, "USUBJID"].drop_duplicates()


def _not_eligible_again(tables: Tables) -> pd.Series:
    """Who failed a criterion at the second eligibility check (IE at RE-SCREENING)."""
    ie = _columns(tables, "ie", "VISIT", "IECAT", "IESTRESC")
    unmet = ((ie["IECAT"] == "INCLUSION") & (ie["IESTRESC"] == "N")) | (
        (ie["IECAT"] == "EXCLUSION") & (ie["IESTRESC"] == "Y")
    )
    return ie.loc[(ie["VISIT"] == "RE-SCREENING") & unmet, "USUBJID"].drop_duplicates()


def adsl(tables: Tables, plan: Plan) -> pd.DataFrame:
    """One row per patient of DM: dates, biomarker, group, and the flag of each analysis set.

    GROUP is that of the first allocation, which never changes:

    1. A milestone "ALLOCATED TO GROUP A" or "... B" at SCREENING: A or B, the earlier one; A when
       both stand on one day.
    2. None: missing.

    Flags are Y or N for every patient; the sets and their cases, in the plan's order:

    1. SCRFL (SCREENED): consent and a screening sample.
    2. MPOSFL (MARKERPOS): AR-V7 is `screening.arv7` at the first screening, at any count.
    3. PRIMFL (PRIMARY): MPOSFL, at least `screening.ctc_minimum` cells at the first screening, at
       least one dose of study cabazitaxel, and not treated through re-screening. A patient without
       PSA stays in: missing is failure.
    4. SAFFL (SAFETY): at least one dose of study cabazitaxel, re-screened patients included.
    5. RESCFL (RESCREENED): a sample or consent at re-screening.
    6. GRPAFL (GROUPA): GROUP is A.

    RESCPRFL: a therapy of `rescreening.after` came before the re-screening. RESCIEFL: N when the
    second eligibility check failed. RESCTRFL (treated through re-screening): Y when the patient
    was allocated to group B at RE-SCREENING and has a dose, unless the first dose lies before that
    allocation. TRTSTM is the time of day at which the first dose began, where the data have it.
    """
    dm = tables["dm"]
    one = pd.DataFrame(
        {name: dm.get(name) for name in ("STUDYID", "USUBJID", "SUBJID", "SITEID", "AGE", "SEX")}
    ).reset_index(drop=True)
    who = one["USUBJID"]

    def of(values: pd.Series) -> pd.Series:
        return who.map(values)

    first, again = biomarker(tables, "SCREENING"), biomarker(tables, "RE-SCREENING")
    doses = study_doses(tables, plan.exposure.drugs)
    alive_on = last_alive(tables, plan.survival.alive_on)
    to_a = of(milestone(tables, "ALLOCATED TO GROUP A", "SCREENING"))
    to_b = of(milestone(tables, "ALLOCATED TO GROUP B", "SCREENING"))
    again_b = of(milestone(tables, "ALLOCATED TO GROUP B", "RE-SCREENING"))
    again_consent = of(milestone(tables, "RE-SCREENING CONSENT OBTAINED"))

    one["RFICDT"] = full_day(dm["RFICDTC"]).to_numpy()
    one["SCRDT"] = of(first["DAY"])
    one["CTCBL"] = of(first["CTC"])
    one["ARV7BL"] = of(first["ARV7"])
    one["ARV7REAS"] = of(first["ARV7REAS"])
    group = pd.Series(None, index=one.index, dtype="object").mask(to_b.notna(), "B")
    one["GROUP"] = group.mask(to_a.notna() & ~(to_b < to_a), "A")
    one["ALLOCDT"] = to_a.fillna(to_b).where(one["GROUP"] == "A", to_b)
    one["TRTSDT"] = of(doses.groupby("USUBJID")["DAY"].min())
    one["TRTSTM"] = of(_first_infusion_time(doses)).astype("object")
    one["TRTEDT"] = of(doses.groupby("USUBJID")["LASTDAY"].max())
    one["NCYCLES"] = of(doses.groupby("USUBJID").size()).fillna(0).astype(float)
    first_dose = doses.groupby("USUBJID")["DAY"].min()
    one["LINE"] = of(line_of_therapy(tables, first_dose, plan.lines.third_line_after))
    one["RESCCSDT"] = again_consent
    one["RESCRDT"] = of(again["DAY"])
    one["RESCCTC"] = of(again["CTC"])
    one["RESCARV7"] = of(again["ARV7"])
    one["RESALLDT"] = again_b
    taken = _therapy_before_again(tables, again["DAY"], plan.rescreening.after)
    one["RESCPRFL"] = np.where(who.isin(taken), "Y", "N")
    one["RESCIEFL"] = np.where(who.isin(_not_eligible_again(tables)), "N", "Y")
    treated = one["NCYCLES"] > 0
    through = treated & again_b.notna() & ~(one["TRTSDT"] < again_b)
    one["RESCTRFL"] = np.where(through, "Y", "N")

    one["DTHDT"] = of(death(tables, alive_on))
    one["DTHFL"] = np.where(one["DTHDT"].notna(), "Y", "N")
    seen = of(alive_on)
    one["LSTALVDT"] = seen.where(one["DTHDT"].isna() | (seen <= one["DTHDT"]), one["DTHDT"])
    for about, stem in (("STUDY TREATMENT", "DCT"), ("STUDY PARTICIPATION", "DCS")):
        last = disposition(tables, about)
        one[f"{stem}REAS"] = of(last["DSDECOD"])
        one[f"{stem}DT"] = of(last["DAY"])
    one["SCRNOUT"] = of(disposition(tables, "SCREENING")["DSDECOD"])
    one["RESCOUT"] = of(disposition(tables, "RE-SCREENING")["DSDECOD"])

    positive = one["ARV7BL"] == plan.screening.arv7
    enough = one["CTCBL"] >= plan.screening.ctc_minimum
    flags = {
        "SCRFL": one["RFICDT"].notna() & who.isin(first.index),
        "MPOSFL": positive,
        "PRIMFL": positive & enough & treated & (one["RESCTRFL"] == "N"),
        "SAFFL": treated,
        "RESCFL": who.isin(again.index) | again_consent.notna(),
        "GRPAFL": one["GROUP"] == "A",
    }
    for flag, member in flags.items():
        one[flag] = np.where(member, "Y", "N")
    return one


def analysis_sets(
    adsl: pd.DataFrame,
    adrs: pd.DataFrame,
    adctc: pd.DataFrame | None,
    tables: Tables,
    plan: Plan,
    adpc: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The analysis sets that need measurements.

    1. PSAEVFL (PSAEVAL): PRIMARY with a baseline PSA and at least one value that counts after it.
    2. PPROTFL (PERPROT): PRIMARY, no major deviation (DV), and at least `per_protocol_cycles`
       cycles, or fewer where study treatment ended by progressive disease (the earlier
       progression). Where the data hold no protocol deviations (no DV), the set is not available:
       that none was collected is not that none happened.
    3. CTCEVFL (CTCEVAL): PRIMARY with at least `ctc_baseline_minimum` cells at the first screening
       and a count on treatment.
    4. PKEVFL (PKEVAL): treated, with at least one evaluable concentration after the start of the
       infusion and a known dose. Not available where the data hold no concentration.
    5. MEASFL (MEASURABLE): PRIMARY with measurable disease at baseline (a target lesion). Not
       available where the data hold no lesion and no target response.
    """
    who = adsl["USUBJID"]
    primary = adsl["PRIMFL"] == "Y"
    answered = adrs.loc[(adrs["PARAMCD"] == "PSARESP") & (adrs["AVALC"] != "NE"), "USUBJID"]
    dv = _columns(tables, "dv", "DVCAT")
    major = dv.loc[dv["DVCAT"] == "MAJOR", "USUBJID"]
    enough = adsl["NCYCLES"] >= plan.analysis_sets.per_protocol_cycles
    early_pd = adsl["DCTREAS"] == "PROGRESSIVE DISEASE"
    counted = who.isin(adctc["USUBJID"]) if adctc is not None else pd.Series(False, who.index)
    flags = {
        "PSAEVFL": primary & who.isin(answered),
        "CTCEVFL": primary & (adsl["CTCBL"] >= plan.analysis_sets.ctc_baseline_minimum) & counted,
    }
    if "dv" in tables:
        flags["PPROTFL"] = primary & ~who.isin(major) & (enough | early_pd)
    if adpc is not None and len(adpc):
        good = adpc[(adpc["ANL01FL"] == "Y") & (adpc["AREL"] > 0) & (adpc["BLQFL"] != "Y")]
        good = good[good["DOSE"].notna()]
        flags["PKEVFL"] = (adsl["SAFFL"] == "Y") & who.isin(good["USUBJID"])
    lesions = adrs[(adrs["PARAMCD"] == "MEASDIS") & (adrs["AVALC"] != "NE")]
    if len(lesions):
        flags["MEASFL"] = primary & who.isin(lesions.loc[lesions["AVALC"] == "Y", "USUBJID"])
    return adsl.assign(**{flag: np.where(is_in, "Y", "N") for flag, is_in in flags.items()})
