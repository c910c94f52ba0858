"""ADSL: one row per patient (USUBJID), with dates, biomarker status, group and analysis sets."""

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sap.catalogue import fold
from sap.derivations.dates import (
    earliest_day,
    full_day,
    latest_day,
    latest_time_of_day,
    precision,
)
from sap.plan.entry import stated
from sap.plan.model import AliveOn, Biomarker, Plan

Tables = Mapping[str, pd.DataFrame]


def _columns(tables: Tables, name: str, *columns: str) -> pd.DataFrame:
    """A domain with the requested columns; an absent domain or column is empty, not an error."""
    table = tables.get(name, pd.DataFrame())
    return table.reindex(columns=["USUBJID", *columns])


def _first(frame: pd.DataFrame, value: str, by: list[str]) -> pd.Series:
    """The first `value` of each patient in the order of `by`."""
    ordered = frame.sort_values(by, kind="stable", na_position="last")
    return ordered.drop_duplicates("USUBJID").set_index("USUBJID")[value]


def milestone(tables: Tables, term: str, episode: str | None = None) -> pd.Series:
    """The first day of one DS milestone by USUBJID; `episode` is DSSCAT (SCREENING, RE-SCREENING)."""
    ds = _columns(tables, "ds", "DSDECOD", "DSCAT", "DSSCAT", "DSSTDTC")
    rows = ds[(ds["DSCAT"] == "PROTOCOL MILESTONE") & (ds["DSDECOD"] == term)]
    if episode is not None:
        rows = rows[rows["DSSCAT"] == episode]
    rows = rows.assign(DAY=earliest_day(rows["DSSTDTC"]))
    return _first(rows, "DAY", ["USUBJID", "DAY"])


def disposition(tables: Tables, about: str) -> pd.DataFrame:
    """The last disposition event of each patient for one DSSCAT: columns DSDECOD and DAY, by USUBJID.

    Where no record of DS has a DSSCAT (it was not collected), each is the end of study participation.
    """
    ds = _columns(tables, "ds", "DSSEQ", "DSDECOD", "DSCAT", "DSSCAT", "DSSTDTC")
    of_study = about == "STUDY PARTICIPATION" and bool(ds["DSSCAT"].isna().all())
    rows = ds[(ds["DSCAT"] == "DISPOSITION EVENT") & ((ds["DSSCAT"] == about) | of_study)]
    rows = rows.assign(DAY=earliest_day(rows["DSSTDTC"]))
    rows = rows.sort_values(["USUBJID", "DAY", "DSSEQ"], kind="stable")
    return rows.drop_duplicates("USUBJID", keep="last").set_index("USUBJID")[["DSDECOD", "DAY"]]


def biomarker(tables: Tables, rule: Biomarker | None, visit: str) -> pd.DataFrame:
    """The biomarker status at one screening, of one sample. Its CTC count is recorded separately.

    The sample of the screening, the first case that applies:

    1. Of several samples at the visit of the screening, the earliest that has a count (of one day,
       the lowest CPSEQ).
    2. No sample has a count: the earliest sample.
    3. No sample: no biomarker status. The CTC count is then missing, too.
    4. Where the SAP requires no count, the sample is the earliest one with a result at that visit.

    The CTC count is per `biomarker.cell_count.volume_ml` mL, missing when not evaluable. The
    biomarker status is that of the results of `biomarker.test` in the domain `biomarker.domain` (with the detail `biomarker.detail` in --TSTDTL).
    The first case that applies:

    1. The earliest result of the sample of the screening (--REFID). With a CTC count, its --REFID is CPREFID.
    2. Else the earliest result at the visit whose --REFID is no sample of the patient.
    3. No result (recorded as not done, or no record): NOT DONE.

    The reason (MARKREAS):

    1. Of a result UNDETERMINED: its category (--RESCAT).
    2. Else the reason not done (--REASND).
    """
    if rule is None:
        return pd.DataFrame(
            {
                "DAY": pd.Series(dtype="M8[ns]"),
                "CTC": pd.Series(dtype=float),
                "MARKER": pd.Series(dtype=object),
                "MARKREAS": pd.Series(dtype=object),
            }
        )
    cp = _columns(tables, "cp", "CPSEQ", "CPTESTCD", "CPSTRESN", "CPREFID", "VISIT", "CPDTC")
    cp = cp[(cp["CPTESTCD"] == "CTC") & (cp["VISIT"] == visit)]
    cp = cp.assign(DAY=earliest_day(cp["CPDTC"]), NOCOUNT=cp["CPSTRESN"].isna())
    cp = cp.sort_values(["USUBJID", "NOCOUNT", "DAY", "CPSEQ"], kind="stable")
    sample = cp.drop_duplicates("USUBJID").set_index("USUBJID")[["CPREFID", "DAY", "CPSTRESN"]]
    sample = sample.rename(columns={"CPSTRESN": "CTC"})
    results = marker_results(tables, rule)
    results = results[results["VISIT"] == visit]
    results = results.assign(DAY=earliest_day(results["DTC"]), NORESULT=results["RESULT"].isna())
    if rule.cell_count is None:
        tested = results.sort_values(["USUBJID", "NORESULT", "DAY", "SEQ"], kind="stable")
        sample = tested.drop_duplicates("USUBJID").set_index("USUBJID")[["SAMPLE", "DAY"]]
        sample = sample.rename(columns={"SAMPLE": "CPREFID"}).assign(CTC=np.nan)

    linked = results["SAMPLE"] == results["USUBJID"].map(sample["CPREFID"])
    results = results.assign(NOLINK=~linked)[linked | ~_names_a_sample(results, tables)]
    results = results.sort_values(["USUBJID", "NORESULT", "NOLINK", "DAY", "SEQ"], kind="stable")
    category = results["CATEGORY"].where(results["RESULT"] == "UNDETERMINED")
    results = results.assign(REASON=category.fillna(results["NOTDONE"]))
    result = results.drop_duplicates("USUBJID").set_index("USUBJID")[["RESULT", "REASON"]]
    both = sample.join(result, how="left")
    return pd.DataFrame(
        {
            "DAY": both["DAY"],
            "CTC": both["CTC"],
            "MARKER": both["RESULT"].fillna("NOT DONE"),
            "MARKREAS": both["REASON"],
        }
    )


RESULT_COLUMNS = {
    "SEQ": "SEQ",
    "STRESC": "RESULT",
    "RESCAT": "CATEGORY",
    "REASND": "NOTDONE",
    "REFID": "SAMPLE",
    "DTC": "DTC",
}
"""The variables of a biomarker result without the prefix of their domain, and the columns they become."""


def marker_results(tables: Tables, rule: Biomarker | None) -> pd.DataFrame:
    """Results of the test of the biomarker, of the detail that the SAP names, in the domain that it names."""
    if rule is None:
        return pd.DataFrame(columns=["USUBJID", "VISIT", *RESULT_COLUMNS.values()], dtype="object")
    names = {rule.name_of(name): column for name, column in RESULT_COLUMNS.items()}
    test, detail = rule.name_of("TESTCD"), rule.name_of("TSTDTL")
    rows = _columns(tables, rule.domain, test, detail, "VISIT", *names)
    read = rows[test] == rule.test
    if rule.detail is not None:
        known = {text: fold(text) == fold(rule.detail) for text in rows[detail].dropna().unique()}
        read &= rows[detail].map(known).eq(True)
    return rows.loc[read, ["USUBJID", "VISIT", *names]].rename(columns=names)


def _names_a_sample(results: pd.DataFrame, tables: Tables) -> pd.Series:
    """Whether the sample of each result is a sample of the same patient, at any visit."""
    cp = _columns(tables, "cp", "CPREFID").dropna()
    own = set(zip(cp["USUBJID"], cp["CPREFID"], strict=True))
    named = zip(results["USUBJID"], results["SAMPLE"], strict=True)
    return pd.Series([pair in own for pair in named], results.index, dtype=bool)


def study_doses(tables: Tables, drugs: list[str]) -> pd.DataFrame:
    """Doses of the study drug with first and last day; a record without a day is a dose.

    1. EX records of one of the drugs whose category is study treatment, or that have no category.
    2. A record of dose 0 is no dose, except of a placebo. A record with a missing dose is a dose.
    3. The last day of a dose is the day of EXENDTC, else that of EXSTDTC. Where `dosing` is continuous, an
       interval without an end has one by the rule of open intervals.
    """
    names = (
        "EXSEQ", "EXTRT", "EXCAT", "EXDOSE", "EXDOSU", "EXDOSFRQ", "EXSTDTC", "EXENDTC", "VISIT", "EXADJ",
    )  # fmt: skip
    ex = _columns(tables, "ex", *names)
    study = (ex["EXCAT"] == "STUDY TREATMENT") | ex["EXCAT"].isna()
    given = (pd.to_numeric(ex["EXDOSE"]) != 0) | (ex["EXTRT"] == "PLACEBO")
    ex = ex[ex["EXTRT"].isin(drugs) & study & given]
    day = full_day(ex["EXSTDTC"])
    return ex.assign(DAY=day, LASTDAY=full_day(ex["EXENDTC"]).fillna(day))


def treatment_days(doses: pd.DataFrame) -> pd.Series:
    """Days in at least one interval of doses (DAY to LASTDAY), by USUBJID; a record without days has none."""
    known = doses.dropna(subset=["DAY", "LASTDAY"])
    counts: dict[str, int] = {}
    for usubjid, of_subject in known.groupby("USUBJID"):
        pairs = zip(of_subject["DAY"], of_subject["LASTDAY"], strict=True)
        counts[str(usubjid)] = len({day for a, b in pairs for day in pd.date_range(a, b)})
    return pd.Series(counts, dtype=float)


def with_interval_ends(tables: Tables, plan: Plan, cut_off: dt.date) -> dict[str, pd.DataFrame]:
    """The end of an open interval of continuous dosing: a record of the study drug without a day of its end.

    Only where `dosing` is continuous, and only of a record whose start is one day. The end is never before
    the start, never after the latest day that a partial EXENDTC allows, and else the first case that
    applies:

    1. A later interval of that drug of the patient: the day before it starts.
    2. The earliest of the end of study treatment and of study participation (DS), the death (DM) and the data
       cut-off.
    """
    ex = tables.get("ex")
    if plan.exposure.dosing != "continuous" or ex is None or ex.empty:
        return dict(tables)
    ex = ex.reset_index(drop=True)
    ends = ex.get("EXENDTC", pd.Series(None, ex.index, dtype="object"))
    starts, latest = full_day(ex["EXSTDTC"]), latest_day(ends)
    stopped = disposition(tables, "STUDY TREATMENT")["DAY"]
    left = disposition(tables, "STUDY PARTICIPATION")["DAY"]
    died = full_day(_columns(tables, "dm", "DTHDTC").set_index("USUBJID")["DTHDTC"])
    is_open = full_day(ends).isna() & starts.notna() & ex["EXTRT"].isin(plan.exposure.drugs)
    texts = list(ends)
    for row in np.flatnonzero(is_open):
        who, start = ex["USUBJID"].iloc[row], starts[row]
        of_drug = (ex["USUBJID"] == who) & (ex["EXTRT"] == ex["EXTRT"].iloc[row])
        later = starts[of_drug & (starts > start)]
        limits = [latest[row], pd.Timestamp(cut_off)]
        limits += [days.get(who) for days in (stopped, left, died)]
        if len(later):
            limits = [latest[row], later.min() - pd.Timedelta(days=1)]
        last = min(day for day in limits if day is not None and pd.notna(day))
        texts[row] = max(last, start).strftime("%Y-%m-%d")
    return {**tables, "ex": ex.assign(EXENDTC=pd.Series(texts, ex.index, dtype="object"))}


def line_of_therapy(tables: Tables, first_dose: pd.Series, drugs: list[str]) -> pd.Series:
    """The line of the study drug, third or second, of each patient with a first dose.

    1. Third line: a drug of `third_line_after` recorded as a prior anticancer therapy, whatever
       its date.
    2. Third line: such a drug as the physician's choice whose start (earliest day of a partial
       date) is before the first dose.
    3. Third line: such a drug as a subsequent therapy whose start (latest day of a partial date) is
       before the first dose.
    4. Second line: all others.
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

    A start with a known hour and unknown minutes is taken as the end of that hour.
    """
    first = doses["USUBJID"].map(doses.groupby("USUBJID")["DAY"].min())
    times = doses.assign(TIME=latest_time_of_day(doses["EXSTDTC"]))[doses["DAY"] == first]
    return times.dropna(subset=["TIME"]).groupby("USUBJID")["TIME"].min()


def last_alive(tables: Tables, lines: Sequence[AliveOn]) -> pd.Series:
    """The date on which a patient was last known to be alive.

    1. Each line of `alive_on` names a domain and a date, and the records that are used (in brackets:
       the values a column must, or must not, have).
    2. A record that is NOT DONE (--STAT), or whose occurrence is N (--OCCUR), is not used.
    3. Only full dates are used. The latest is the date last known alive; without any it is missing.
    4. A date after the death is replaced by the day of death (the data contract reports such
       records).
    """
    days = [pd.DataFrame({"USUBJID": pd.Series(dtype="object"), "DAY": pd.Series(dtype="M8[ns]")})]
    for line in lines:
        stem = line.domain.upper()
        conditions = {**(line.only or {}), **(line.unless or {})}
        names = dict.fromkeys((line.date, f"{stem}STAT", f"{stem}OCCUR", *conditions))
        rows = _columns(tables, line.domain, *names)
        for column, values in (line.only or {}).items():
            rows = rows[rows[column].isin(values)]
        for column, values in (line.unless or {}).items():
            rows = rows[~rows[column].isin(values)]
        rows = rows[(rows[f"{stem}STAT"] != "NOT DONE") & (rows[f"{stem}OCCUR"] != "N")]
        days.append(pd.DataFrame({"USUBJID": rows["USUBJID"], "DAY": full_day(rows[line.date])}))
    dates = pd.concat([part for part in days if len(part)] or days[:1])
    return dates.dropna().groupby("USUBJID")["DAY"].max()


def death(tables: Tables, alive_on: pd.Series) -> pd.Series:
    """The day of death.

    1. DM.DTHDTC, a full date.
    2. DM.DTHDTC, partial: the earliest day it allows that is not before the date last known alive;
       the latest day it allows where every one is before it.
    3. No DM.DTHDTC: the disposition DEATH of DS, read in the same way.
    4. Neither: the earliest SS record of DEAD, read in the same way.
    5. No date in any of these: no day of death, even if DM.DTHFL is Y (the data contract reports
       it).

    Of several dates in one source, a full date is preferred to a partial one, then the earliest.
    """
    dm = _columns(tables, "dm", "DTHDTC")
    ds = _columns(tables, "ds", "DSDECOD", "DSSTDTC")
    ss = _columns(tables, "ss", "SSSTRESC", "SSDTC")
    sources = (
        dm[dm["DTHDTC"].notna()].rename(columns={"DTHDTC": "DTC"}),
        ds[ds["DSDECOD"] == "DEATH"].rename(columns={"DSSTDTC": "DTC"}),
        ss[ss["SSSTRESC"] == "DEAD"].rename(columns={"SSDTC": "DTC"}),
    )
    deaths = pd.concat(
        [part[["USUBJID", "DTC"]].assign(RANK=rank) for rank, part in enumerate(sources)]
    ).dropna(subset=["DTC"])
    deaths = deaths.assign(DAY=earliest_day(deaths["DTC"]), FULL=precision(deaths["DTC"]) >= 10)
    deaths = deaths.assign(PARTIAL=~deaths["FULL"]).dropna(subset=["DAY"])
    deaths = deaths.sort_values(["USUBJID", "RANK", "PARTIAL", "DAY"], kind="stable")
    deaths = deaths.drop_duplicates("USUBJID")
    deaths = deaths.set_index("USUBJID")
    last_known = alive_on.reindex(deaths.index).fillna(deaths["DAY"])
    not_before = deaths["DAY"].clip(lower=last_known).clip(upper=latest_day(deaths["DTC"]))
    return deaths["DAY"].where(deaths["FULL"], not_before)


def _therapy_before_rescreening(
    tables: Tables, rescreened: pd.Series, drugs: list[str]
) -> pd.Series:
    """USUBJID of patients with one of `drugs` as the physician's choice before re-screening."""
    cm = _columns(tables, "cm", "CMDECOD", "CMCAT", "CMSTDTC")
    cm = cm[(cm["CMCAT"] == "PHYSICIAN'S CHOICE") & cm["CMDECOD"].isin(drugs)]
    rescreening_day = cm["USUBJID"].map(rescreened)
    return cm.loc[earliest_day(cm["CMSTDTC"]) < rescreening_day, "USUBJID"].drop_duplicates()


def _not_eligible_at_rescreening(tables: Tables) -> pd.Series:
    """USUBJID of patients who failed an eligibility criterion at re-screening (IE at RE-SCREENING)."""
    ie = _columns(tables, "ie", "VISIT", "IECAT", "IESTRESC")
    unmet = ((ie["IECAT"] == "INCLUSION") & (ie["IESTRESC"] == "N")) | (
        (ie["IECAT"] == "EXCLUSION") & (ie["IESTRESC"] == "Y")
    )
    return ie.loc[(ie["VISIT"] == "RE-SCREENING") & unmet, "USUBJID"].drop_duplicates()


def adsl(tables: Tables, plan: Plan) -> pd.DataFrame:
    """One row per patient of DM: dates, biomarker, group, and the flag of each analysis set.

    GROUP is that of the first allocation, which re-screening does not change:

    1. A milestone "ALLOCATED TO GROUP A" or "ALLOCATED TO GROUP B" at SCREENING: A or B, the earlier
       one; A when both have the same day.
    2. No such milestone: GROUP is missing.

    Flags are Y or N for every patient; the sets and their cases, in the order of the SAP:

    1. SCRFL (SCREENED): every patient. Where the SAP has a biomarker: consent and a screening sample.
    2. MPOSFL (MARKERPOS): biomarker positive at the first screening. The CTC count may be any.
    3. PRIMFL (PRIMARY): at least one dose of the study drug. Where the SAP has a biomarker: MPOSFL as well.
       Where it requires a CTC count: at least that count at the first screening as well. Patients treated
       through re-screening are not included. Patients without an assessment of the primary endpoint are
       included (missing = failure).
    4. SAFFL (SAFETY): at least one dose of the study drug. Re-screened patients are included.
    5. RESCFL (RESCREENED): a sample or consent at re-screening.
    6. GRPAFL (GROUPA): GROUP is A.

    RESCPRFL: a therapy after which the SAP allows re-screening was given before the re-screening. RESCIEFL: N when an
    eligibility criterion at re-screening is not met. RESCTRFL (treated through re-screening): Y when the patient
    was allocated to group B at RE-SCREENING and has a dose, unless the first dose is before that
    allocation. TRTSTM is the time of day of the start of the first dose, where recorded.
    """
    dm = tables["dm"]
    rows = pd.DataFrame(
        {name: dm.get(name) for name in ("STUDYID", "USUBJID", "SUBJID", "SITEID", "AGE", "SEX")}
    ).reset_index(drop=True)
    usubjid = rows["USUBJID"]

    def of(values: pd.Series) -> pd.Series:
        return usubjid.map(values)

    first, second = (
        biomarker(tables, plan.biomarker, visit) for visit in ("SCREENING", "RE-SCREENING")
    )
    doses = study_doses(tables, plan.exposure.drugs)
    alive_on = last_alive(tables, plan.survival.alive_on)
    to_a = of(milestone(tables, "ALLOCATED TO GROUP A", "SCREENING"))
    to_b = of(milestone(tables, "ALLOCATED TO GROUP B", "SCREENING"))
    second_to_b = of(milestone(tables, "ALLOCATED TO GROUP B", "RE-SCREENING"))
    second_consent = of(milestone(tables, "RE-SCREENING CONSENT OBTAINED"))

    consent = dm.get("RFICDTC", pd.Series(None, dm.index, dtype="object"))
    rows["RFICDT"] = full_day(consent).to_numpy()
    rows["SCRDT"] = of(first["DAY"])
    rows["CTCBL"] = of(first["CTC"])
    rows["MARKBL"] = of(first["MARKER"])
    rows["MARKREAS"] = of(first["MARKREAS"])
    group = pd.Series(None, index=rows.index, dtype="object").mask(to_b.notna(), "B")
    rows["GROUP"] = group.mask(to_a.notna() & ~(to_b < to_a), "A")
    rows["ALLOCDT"] = to_a.fillna(to_b).where(rows["GROUP"] == "A", to_b)
    rows["TRTSDT"] = of(doses.groupby("USUBJID")["DAY"].min())
    rows["TRTSTM"] = of(_first_infusion_time(doses)).astype("object")
    rows["TRTEDT"] = of(doses.groupby("USUBJID")["LASTDAY"].max())
    rows["NCYCLES"] = of(doses.groupby("USUBJID").size()).fillna(0).astype(float)
    first_dose = doses.groupby("USUBJID")["DAY"].min()
    rows["LINE"] = None
    if plan.lines is not None:
        rows["LINE"] = of(line_of_therapy(tables, first_dose, plan.lines.third_line_after))
    rows["RESCCSDT"] = second_consent
    rows["RESCRDT"] = of(second["DAY"])
    rows["RESCCTC"] = of(second["CTC"])
    rows["RESCMARK"] = of(second["MARKER"])
    rows["RESALLDT"] = second_to_b
    allowed = plan.rescreening.after if plan.rescreening else []
    after_therapy = _therapy_before_rescreening(tables, second["DAY"], allowed)
    rows["RESCPRFL"] = np.where(usubjid.isin(after_therapy), "Y", "N")
    rows["RESCIEFL"] = np.where(usubjid.isin(_not_eligible_at_rescreening(tables)), "N", "Y")
    treated = rows["NCYCLES"] > 0
    through = treated & second_to_b.notna() & ~(rows["TRTSDT"] < second_to_b)
    rows["RESCTRFL"] = np.where(through, "Y", "N")

    rows["DTHDT"] = of(death(tables, alive_on))
    rows["DTHFL"] = np.where(rows["DTHDT"].notna(), "Y", "N")
    last_known = of(alive_on)
    rows["LSTALVDT"] = last_known.where(
        rows["DTHDT"].isna() | (last_known <= rows["DTHDT"]), rows["DTHDT"]
    )
    for about, stem in (("STUDY TREATMENT", "DCT"), ("STUDY PARTICIPATION", "DCS")):
        last = disposition(tables, about)
        rows[f"{stem}REAS"] = of(last["DSDECOD"])
        rows[f"{stem}DT"] = of(last["DAY"])
    rows["SCRNOUT"] = of(disposition(tables, "SCREENING")["DSDECOD"])
    rows["RESCOUT"] = of(disposition(tables, "RE-SCREENING")["DSDECOD"])

    all_rows = pd.Series(True, rows.index)
    positive = selected = sampled = all_rows
    if plan.biomarker is not None:
        positive = selected = rows["MARKBL"] == "POSITIVE"
        sampled = rows["RFICDT"].notna() & usubjid.isin(first.index)
        if plan.biomarker.cell_count is not None:
            selected = positive & (rows["CTCBL"] >= plan.biomarker.cell_count.minimum)
    flags = {
        "SCRFL": sampled,
        "MPOSFL": positive,
        "PRIMFL": selected & treated & (rows["RESCTRFL"] == "N"),
        "SAFFL": treated,
        "RESCFL": usubjid.isin(second.index) | second_consent.notna(),
        "GRPAFL": rows["GROUP"] == "A",
    }
    for flag, member in flags.items():
        rows[flag] = np.where(member, "Y", "N")
    return rows


def analysis_sets(
    adsl: pd.DataFrame,
    adrs: pd.DataFrame,
    adctc: pd.DataFrame | None,
    tables: Tables,
    plan: Plan,
    adpc: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The analysis sets that depend on measurements.

    1. PSAEVFL (PSAEVAL): PRIMARY with a baseline PSA and at least one value that counts after it.
    2. PPROTFL (PERPROT): PRIMARY, no major deviation (DV), and at least `per_protocol_cycles`
       cycles (of continuous dosing, `per_protocol_days` days with a dose), or fewer where study treatment
       ended for progressive disease. Not available where the data hold no protocol deviations (no
       DV), because their absence cannot be concluded.
    3. CTCEVFL (CTCEVAL): PRIMARY with a CTC count of at least `ctc_baseline_minimum` at the first
       screening and a count on treatment.
    4. PKEVFL (PKEVAL): treated, with at least one evaluable concentration after the start of the
       infusion and a known dose. Not available where the data hold no concentration.
    5. MEASFL (MEASURABLE): PRIMARY with measurable disease at baseline (a target lesion). Not
       available where the data hold no lesion and no target response.
    6. Where the SAP limits the primary set to measurable disease (with objective
       response or clinical benefit as the primary endpoint), PRIMFL becomes N for
       every other patient, and they are in none of the sets 1 to 3.
    """
    usubjid = adsl["USUBJID"]
    primary = adsl["PRIMFL"] == "Y"
    evaluable = adrs.loc[(adrs["PARAMCD"] == "PSARESP") & (adrs["AVALC"] != "NE"), "USUBJID"]
    dv = _columns(tables, "dv", "DVCAT")
    major = dv.loc[dv["DVCAT"] == "MAJOR", "USUBJID"]
    if plan.analysis_sets.per_protocol_days is None:
        enough = adsl["NCYCLES"] >= stated(plan.analysis_sets.per_protocol_cycles)
    else:
        days = treatment_days(study_doses(tables, plan.exposure.drugs))
        enough = usubjid.map(days) >= plan.analysis_sets.per_protocol_days
    early_pd = adsl["DCTREAS"] == "PROGRESSIVE DISEASE"
    counted = (
        usubjid.isin(adctc["USUBJID"]) if adctc is not None else pd.Series(False, usubjid.index)
    )
    flags = {}
    if plan.psa_response is not None:
        flags["PSAEVFL"] = primary & usubjid.isin(evaluable)
    if plan.ctc is not None:
        enough_cells = adsl["CTCBL"] >= stated(plan.analysis_sets.ctc_baseline_minimum)
        flags["CTCEVFL"] = primary & enough_cells & counted
    if "dv" in tables:
        flags["PPROTFL"] = primary & ~usubjid.isin(major) & (enough | early_pd)
    if adpc is not None and len(adpc):
        concentrations = adpc[
            (adpc["ANL01FL"] == "Y") & (adpc["AREL"] > 0) & (adpc["BLQFL"] != "Y")
        ]
        concentrations = concentrations[concentrations["DOSE"].notna()]
        flags["PKEVFL"] = (adsl["SAFFL"] == "Y") & usubjid.isin(concentrations["USUBJID"])
    lesions = adrs[(adrs["PARAMCD"] == "MEASDIS") & (adrs["AVALC"] != "NE")]
    measurable = usubjid.isin(lesions.loc[lesions["AVALC"] == "Y", "USUBJID"])
    if len(lesions):
        flags["MEASFL"] = primary & measurable
    if plan.of_measurable:
        flags |= {flag: member & measurable for flag, member in flags.items() if flag != "PKEVFL"}
        flags["PRIMFL"] = primary & measurable
    return adsl.assign(**{flag: np.where(is_in, "Y", "N") for flag, is_in in flags.items()})
