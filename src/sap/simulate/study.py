"""The simulated trial in the words of a study: its drugs, tests, title, doses, groups and domains.

The simulated patients are those of `sap.simulate.trial` with their courses; what a study calls otherwise
is called so, and what it does not have is left out. No draw depends on it.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from sap.contracts.writing import READ_BY, domains, section
from sap.plan.model import MARKER_DOMAINS, Plan
from sap.simulate.assumptions import Screening
from sap.simulate.recorded import ends_of_intervals, readers, sexes

DRUG, DOSE = "CABAZITAXEL", 25.0
PARTNER, PRIOR = "PREDNISONE", "DOCETAXEL"
CLASS = ("ABIRATERONE", "ENZALUTAMIDE")
SAME: Mapping[str, str] = {
    "JEVTANA": DRUG,
    "TAXOTERE": PRIOR,
    "ZYTIGA": CLASS[0],
    "XTANDI": CLASS[1],
    "ABIRATERONE ACETATE": CLASS[0],
}
"""Other names of these drugs in the simulated extract."""
MARKER, MARKER_NAME, ANALYTE = "ARV7", "AR-V7", "CABAZ"
RESULTS = "gf"
"""The domain of the simulated results of the biomarker."""
DIAGNOSIS, SPREAD = "PROSTATE CANCER", "METASTATIC DISEASE"
OF_DISEASE = (
    "PSA$", "TESTOS$", "GOSERELIN", "LEUPRORELIN", "BICALUTAMIDE", "RADIUM", "GLEASON",
)  # fmt: skip
"""Tests, drugs and scores of the simulated disease that another one does not have."""
GENERAL: Mapping[str, str] = {
    "PSA SAMPLE MISSED": "BLOOD SAMPLE MISSED",
    "PSA AT LEAST 2.0 UG/L": "MEASURABLE DISEASE",
    "TESTOSTERONE BELOW 1.7 NMOL/L": "ECOG PERFORMANCE STATUS 0 TO 2",
    "CASTRATION STOPPED DURING TREATMENT": "PROHIBITED MEDICATION DURING TREATMENT",
    "ABIRATERONE ACETATE": "GEMCITABINE",
    "ABIRATERONE": "GEMCITABINE",
    "ENZALUTAMIDE": "VINORELBINE",
    "APALUTAMIDE": "IRINOTECAN",
    "DAROLUTAMIDE": "TOPOTECAN",
    "HORMONAL": "CHEMOTHERAPY",
}
"""Words of the simulated disease, and those of any."""
MG_PER_AREA, CYCLE_DAYS, LAST_YEAR = 100, 21, 2019
RACES = ("WHITE", "WHITE", "WHITE", "ASIAN", "BLACK OR AFRICAN AMERICAN")
ETHNICITIES = ("NOT HISPANIC OR LATINO", "NOT HISPANIC OR LATINO", "HISPANIC OR LATINO")
OF_DRUG: Mapping[str, str] = {
    "STRONG CYP3A4 INHIBITOR DURING TREATMENT": "PROHIBITED MEDICATION DURING TREATMENT",
}
"""Words of the simulated drug, and those of any."""
OF_MARKER: Mapping[str, str] = {
    "INSUFFICIENT EPITHELIAL SIGNAL": "INSUFFICIENT SIGNAL",
    "POOR RNA QUALITY": "POOR SAMPLE QUALITY",
    "QPCR FAILURE": "ASSAY FAILURE",
    f"{MARKER_NAME} mRNA": MARKER_NAME,
}
"""Words of the simulated assay, and those of any."""
OF_COUNT: Mapping[str, str] = {
    "FEWER THAN 3 CTC": "INSUFFICIENT SAMPLE",
    "NO CTC SAMPLE": "NO SAMPLE",
    "CTC COUNT NOT EVALUABLE": "SAMPLE NOT EVALUABLE",
}
"""Words of the simulated cell count, and those of a biomarker without one."""
FIRST_TREATED = ("B", "SCRNFAIL")
"""ARMCD of the patients of a study with one cohort: treated at first, or not eligible."""
SAMPLES_OF_A = ("BASELINE", "WEEK 12", "PROGRESSION")
"""Visits of the plasma samples of patients who are not treated in the study."""
CTC_CYCLES = (3, 4)
"""The cycles before which a CTC sample under treatment is simulated: the usual one and a late one."""
PATIENTS = 25
"""Treated patients of the simulated accrual at its usual pace."""


def in_words_of(tables: Mapping[str, pd.DataFrame], plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables of a simulated extract for a study.

    1. A study without groups: the patients of group A did not qualify, and have the records of their screening
       alone; without a biomarker, by which one qualifies, there are none. The therapy of the other patients after
       the study drug is a subsequent one.
    2. Drugs, biomarker, analyte, diagnosis and spread have the names of the plan. A drug for which the plan
       has no name keeps its own.
    3. Doses of the study drug are shares of the planned dose, in its unit; under continuous dosing they are
       intervals. Events have a severity where the plan says so; race and ethnicity are there where it has them.
       Readers, sexes and the ends of intervals are as `sap.simulate.recorded` has them.
       Dates are those of the plan's last cut-off, in steps of four years.
    4. A domain that the plan does not read is left out; the title is that of the plan.
    5. A plan without PSA response is of another disease: what only the simulated one has is left out or
       has general words (`GENERAL`), and about half of the patients are women.
    6. Another drug or biomarker: what only the simulated one has, has general words (`OF_DRUG`, `OF_MARKER`; without a
       cell count also `OF_COUNT`).
    7. The results of the biomarker are in the domain of the plan, with the detail of the test that it names.
    8. The CTC samples under treatment are before the infusion of the visit of `ctc.visit`, or the next one.
    """
    cohort = dict(tables) if plan.study.groups else _one_cohort(tables, plan)
    cohort = _ctc_at_visit(cohort, plan)
    if plan.exposure.drugs[0] != DRUG:
        cohort = {name: _renamed(frame, OF_DRUG) for name, frame in cohort.items()}
    if section(plan, "biomarker.name") not in (None, MARKER_NAME):
        cohort = {name: _renamed(frame, OF_MARKER) for name, frame in cohort.items()}
    if plan.biomarker is not None and plan.biomarker.cell_count is None:
        cohort = {name: _renamed(frame, OF_COUNT) for name, frame in cohort.items()}
    named = names_of(plan)
    if plan.psa_response is None:
        cohort, named = _of_another_disease(cohort), {**GENERAL, **named}
    cohort = _results_of_biomarker(cohort, plan)
    left_out = {*READ_BY, *MARKER_DOMAINS} - set(domains(plan))
    changed = {
        name: _renamed(frame, named) for name, frame in cohort.items() if name not in left_out
    }
    changed["ex"] = _by_intervals(_scaled(changed["ex"], plan), plan)
    for name, of_plan in (("ae", _by_severity), ("dm", _of_dm)):
        if name in changed:
            changed[name] = of_plan(changed[name], plan)
    for as_recorded in (readers, sexes, ends_of_intervals):
        changed = as_recorded(changed, plan)
    changed = {name: _in_years_of(frame, plan) for name, frame in changed.items()}
    ts = changed["ts"]
    title = " ".join(plan.study.title.split())
    return changed | {"ts": ts.assign(TSVAL=ts["TSVAL"].mask(ts["TSPARMCD"].eq("TITLE"), title))}


def _results_of_biomarker(
    tables: Mapping[str, pd.DataFrame], plan: Plan
) -> dict[str, pd.DataFrame]:
    """The tables with the results of the biomarker in the plan's domain, under its variables."""
    marker = plan.biomarker
    if marker is None or RESULTS not in tables:
        return dict(tables)
    frame = tables[RESULTS]
    if marker.domain != RESULTS:
        prefix = RESULTS.upper()
        names = {
            str(name): marker.name_of(str(name).removeprefix(prefix))
            for name in frame
            if str(name).startswith(prefix)
        }
        frame = frame.rename(columns=names).assign(DOMAIN=marker.name_of(""))
    if marker.detail is not None:
        place = list(frame).index(marker.name_of("TEST")) + 1
        frame = frame.copy()
        frame.insert(place, marker.name_of("TSTDTL"), marker.detail)
    return {
        marker.domain if name == RESULTS else name: frame if name == RESULTS else table
        for name, table in tables.items()
    }


def errors_in_words_of(planted: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The list of data errors with the domain of the biomarker's results, and its rules, as in the plan."""
    marker = plan.biomarker
    if marker is None or marker.domain == RESULTS:
        return planted
    of_results = planted["domain"].eq(RESULTS)
    rules = planted["rule"].str.replace(rf"\b{RESULTS}", marker.domain, regex=True)
    return planted.assign(
        domain=planted["domain"].mask(of_results, marker.domain),
        rule=planted["rule"].mask(of_results, rules),
    )


def pace_of(plan: Plan) -> Screening:
    """The assumptions of screening with consents so frequent that `design.n` patients take the usual time."""
    usual = Screening()
    return replace(usual, usual_screened=round(usual.usual_screened * plan.design.n / PATIENTS))


def response_of(plan: Plan) -> dict[str, float]:
    """The rate of patients with the course of a responder, where the endpoint is of tumours; else none.

    About half of these courses have a confirmed objective response: twice the desirable rate of the design,
    at most 1.
    """
    of_tumours = plan.primary.endpoint in ("objective_response", "clinical_benefit")
    return {"response_rate": min(1.0, 2 * plan.design.p1)} if of_tumours else {}


def _of_another_disease(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables without the tests, drugs and scores of the simulated disease."""
    made = dict(tables)
    for name, column in (("lb", "LBTESTCD"), ("cm", "CMDECOD"), ("mh", "MHDECOD")):
        if name in made:
            of_disease = made[name][column].fillna("").str.match(f"({'|'.join(OF_DISEASE)})")
            made[name] = made[name][~of_disease].reset_index(drop=True)
    return made


def names_of(plan: Plan) -> dict[str, str]:
    """The name in the plan of each simulated drug, test and term that has another there.

    Where the plan requires a class of prior drugs and no one drug, its first is the prior treatment of all.
    """
    names = {DRUG: plan.exposure.drugs[0]}
    if plan.exposure.accompanying:
        names[PARTNER] = plan.exposure.accompanying[0].drug
    of_plan: dict[str, Any] = {
        PRIOR: section(plan, "baseline.prior_drug"),
        MARKER: section(plan, "biomarker.test"),
        MARKER_NAME: section(plan, "biomarker.name"),
        ANALYTE: section(plan, "pk.analyte"),
        DIAGNOSIS: section(plan, "baseline.diagnosis"),
        SPREAD: section(plan, "baseline.metastatic"),
    }
    names |= {ours: str(word) for ours, word in of_plan.items() if word is not None}
    drugs = section(plan, "baseline.prior_class.drugs") or ()
    names |= dict(zip(CLASS if PRIOR in names else (PRIOR, *CLASS), drugs, strict=False))
    names |= {other: names[one] for other, one in SAME.items() if names.get(one, one) != one}
    return {ours: word for ours, word in names.items() if word != ours}


def _one_cohort(tables: Mapping[str, pd.DataFrame], plan: Plan) -> dict[str, pd.DataFrame]:
    dm = tables["dm"]
    treated_first = set(dm.loc[dm["ARMCD"].isin(FIRST_TREATED), "USUBJID"])
    failed = set(dm.loc[dm["ARMCD"].eq("A"), "USUBJID"]) if plan.biomarker is not None else set()
    made = {}
    for name, frame in tables.items():
        if "USUBJID" not in frame:
            made[name] = frame
            continue
        of_failed = frame["USUBJID"].isin(failed)
        kept = frame[
            frame["USUBJID"].isin(treated_first) | (of_failed & _of_screening(name, frame))
        ]
        made[name] = _as_screen_failure(name, kept, kept["USUBJID"].isin(failed)).reset_index(
            drop=True
        )
    cm, be = made["cm"], made["be"]
    of_group_a = be["BECAT"].eq("CFDNA PLASMA") & be["VISIT"].isin(SAMPLES_OF_A)
    choice = cm["CMCAT"].eq("PHYSICIAN'S CHOICE")
    return made | {
        "be": be[~of_group_a].reset_index(drop=True),
        "cm": cm.assign(CMCAT=cm["CMCAT"].mask(choice, "SUBSEQUENT ANTICANCER THERAPY")),
    }


def _of_screening(name: str, frame: pd.DataFrame) -> "pd.Series[bool]":
    """The records that a patient who failed screening has: of the screening visit, or of before it."""
    if name in ("dm", "mh"):
        return pd.Series(True, frame.index)
    if name == "ds":
        return frame["DSSCAT"].eq("SCREENING")
    if name == "cm":
        return frame["CMCAT"].eq("PRIOR ANTICANCER THERAPY")
    if "VISIT" in frame and name != "ex":
        return frame["VISIT"].eq("SCREENING")
    return pd.Series(False, frame.index)


def _as_screen_failure(name: str, frame: pd.DataFrame, failed: "pd.Series[bool]") -> pd.DataFrame:
    """The records with those of the patients who failed screening in the words of a screen failure."""
    of_dates = [column for column in frame if str(column).endswith("DY")]
    other: dict[str, dict[str, Any]] = {
        "dm": {
            "ARMCD": "SCRNFAIL", "ARM": "Screen Failure", "RFSTDTC": None, "RFENDTC": None,
            "DTHDTC": None, "DTHFL": None,
        },
    }  # fmt: skip
    changed = frame.copy()
    for column, value in (other.get(name, {}) | dict.fromkeys(of_dates)).items():
        changed[column] = changed[column].mask(failed, value)
    if name == "ds":
        allocated = failed & changed["DSDECOD"].eq("ALLOCATED TO GROUP A")
        changed.loc[allocated, ["DSTERM", "DSDECOD"]] = "NOT ELIGIBLE"
        changed.loc[allocated, "DSCAT"] = "DISPOSITION EVENT"
        changed.loc[allocated, "EPOCH"] = "SCREENING"
    return changed


def _ctc_at_visit(tables: Mapping[str, pd.DataFrame], plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables with the CTC samples under treatment at the visit of the plan; without one that has no infusion."""
    planned = re.fullmatch(r"CYCLE (\d+)", section(plan, "ctc.visit") or "")
    later = int(planned[1]) - CTC_CYCLES[0] if planned else 0
    if not later:
        return dict(tables)
    ex = tables["ex"]
    ex = ex[ex["EXTRT"].str.upper().isin([DRUG, "JEVTANA"]) & ex["VISIT"].notna()]
    days = ex.set_index(["USUBJID", "VISIT"])["EXSTDTC"].str[:10].to_dict()
    moved = {f"CYCLE {n}": f"CYCLE {n + later}" for n in CTC_CYCLES}
    made = dict(tables)
    for name, date in (("cp", "CPDTC"), ("gf", "GFDTC"), ("be", "BEDTC")):
        frame = made[name].copy()
        of_ctc = frame["VISIT"].isin(list(moved))
        if name == "be":
            of_ctc &= frame["BECAT"].eq("CTC")
        visits = frame["VISIT"].map(moved).where(of_ctc)
        day = pd.Series(
            [days.get(key) for key in zip(frame["USUBJID"], visits, strict=True)],
            frame.index, dtype="object",
        )  # fmt: skip
        frame["VISIT"], frame[date] = (
            frame["VISIT"].mask(of_ctc, visits),
            frame[date].mask(of_ctc, day),
        )
        made[name] = frame[~of_ctc | day.notna()].reset_index(drop=True)
    return made


def _renamed(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Each name as a complete word in any text, in capitals, as a sentence has it, or in small letters."""
    if not names:
        return frame
    forms = {
        form(ours): form(word)
        for ours, word in names.items()
        for form in (str, str.capitalize, str.lower)
    }
    longest_first = sorted(forms, key=len, reverse=True)
    words = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])")

    def renamed(text: Any) -> Any:
        return words.sub(lambda got: forms[got[1]], text) if isinstance(text, str) else text

    texts = {str(n): frame[n].map(renamed) for n in frame if frame[n].dtype == object}
    return frame.assign(**texts)


def _scaled(ex: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Doses as shares of the planned one, in its unit (a target area: as 100 mg for each unit of area).

    A reduced dose is that of the plan (`low_start_dose`, else `reduced_at_most`) where it has one. Without accompanying drugs, those of the simulated trial are left out.
    """
    exposure = plan.exposure
    if not exposure.accompanying:
        ex = ex[ex["EXTRT"].eq(exposure.drugs[0])].reset_index(drop=True)
    by_area = exposure.dose_unit == "AUC"
    unit = "mg" if by_area else exposure.dose_unit
    factor = exposure.planned_dose * (MG_PER_AREA if by_area else 1) / DOSE
    if factor == 1 and unit == "mg/m2":
        return ex
    of_drug = ex["EXTRT"].eq(exposure.drugs[0])
    known = of_drug & ex["EXDOSE"].notna()
    scaled = ex.copy()
    low = exposure.low_start_dose or exposure.reduced_at_most
    amounts = [float(dose) for dose in ex.loc[known, "EXDOSE"]]
    scaled.loc[known, "EXDOSE"] = [
        f"{low if low is not None and dose < DOSE else dose * factor:g}" for dose in amounts
    ]
    scaled.loc[of_drug & ex["EXDOSU"].notna(), "EXDOSU"] = unit
    return scaled


def _by_intervals(ex: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Under continuous dosing each simulated cycle is an interval of doses, until the day before the next.

    The last one has the days of a simulated cycle. An interval without a day, or with another dose than a
    number, stays as recorded.
    """
    if plan.exposure.dosing != "continuous":
        return ex
    of_drug = ex["EXTRT"].eq(plan.exposure.drugs[0])
    start = pd.to_datetime(ex["EXSTDTC"].str[:10], errors="coerce")
    following = start.where(of_drug).groupby(ex["USUBJID"]).shift(-1)
    end = following.fillna(start + pd.Timedelta(days=CYCLE_DAYS)) - pd.Timedelta(days=1)
    timed = of_drug & start.notna()
    changed = ex.assign(EXDOSFRQ=pd.Series(plan.exposure.frequency, ex.index).where(of_drug))
    changed.loc[timed, "EXSTDTC"] = start[timed].dt.strftime("%Y-%m-%d")
    changed.loc[timed, "EXENDTC"] = end[timed].dt.strftime("%Y-%m-%d")
    changed.loc[timed, "EXENDY"] = [
        f"{int(first) + days}" if isinstance(first, str) and first else first
        for first, days in zip(ex.loc[timed, "EXSTDY"], (end - start)[timed].dt.days, strict=True)
    ]
    return changed


def _by_severity(ae: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Where events have a severity: mild of a simulated grade 1, moderate of 2, else severe; no grade."""
    if plan.safety.by != "severity":
        return ae
    severity = ae["AETOXGR"].map({"1": "MILD", "2": "MODERATE"})
    severity = severity.fillna("SEVERE").where(ae["AETOXGR"].notna())
    return ae.assign(AESEV=severity).drop(columns="AETOXGR")


def _in_years_of(frame: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Every date earlier or later by so many times four years that the last cut-off of the plan has patients.

    Four years have the same days, so intervals, study days and partial dates stay as they are.
    """
    dates = [one.date for one in plan.cut_offs.dates.values() if one.date is not None]
    years = (max(dates).year - LAST_YEAR) // 4 * 4 if dates else 0
    if not years:
        return frame
    moved = {
        str(name): frame[name].map(
            lambda text: (
                f"{int(text[:4]) + years:04d}{text[4:]}"
                if isinstance(text, str) and text[:4].isdigit()
                else text
            )
        )
        for name in frame
        if str(name).endswith("DTC")
    }
    return frame.assign(**moved)


def _of_dm(dm: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Race and ethnicity, where the plan has them, by the identifier."""
    made = dm
    for column, values in (("RACE", RACES), ("ETHNIC", ETHNICITIES)):
        if column in plan.baseline.of_dm and column not in dm:
            places = [zlib.crc32(f"{column}{who}".encode()) % len(values) for who in dm["USUBJID"]]
            made = made.assign(**{column: [values[place] for place in places]})
    return made
