"""ADAE: adverse events under the study drug, treatment-emergence and relation to treatment."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.catalogue.codelists import fold
from sap.derivations.dates import earliest_day, latest_day, precision
from sap.plan.model import SEVERITIES, Deaths, Safety

Tables = Mapping[str, pd.DataFrame]

COLUMNS = (
    "STUDYID", "USUBJID", "AESEQ", "AETERM", "AEDECOD", "AEBODSYS", "AETOXGR", "AESEV", "AESER", "AEREL",
    "AEACN", "AEOUT", "AESTDTC", "AEENDTC", "AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG",
    "AESMIE",
)  # fmt: skip
UNCODED = "UNCODED"
RELATED = ("POSSIBLY RELATED", "PROBABLY RELATED", "RELATED")


def _is_disease(terms: pd.Series, deaths: Deaths) -> pd.Series:
    """Whether a preferred term is one of the plan's terms of disease progression, by folded spelling."""
    known = {fold(term) for term in deaths.progression_terms}
    return terms.map(lambda term: isinstance(term, str) and fold(term) in known).astype(bool)


def adae(tables: Tables, adsl: pd.DataFrame, rule: Safety, deaths: Deaths) -> pd.DataFrame:
    """Adverse events: dates, grade or severity, relation, and whether an event is treatment-emergent.

    T is the first dose and W the day `days_after_last_dose` days after the last dose. An event with
    a missing or partial start date is treatment-emergent unless the known part precludes it. The
    first case that applies:

    1. N: the patient was not treated with the study drug.
    2. Y: no start date and no end date before T.
    3. N: no start date, and an end (latest day it allows) before T.
    4. N: the latest day of the start is before T.
    5. N: the earliest day of the start is after W.
    6. N: the start is partial and may be before T, and the event ended before T.
    7. Y: all others, including a start on T or on W.

    ASTDT: the start, when partial the earliest day it allows; T where the start is missing or may be
    T, unless the event ended before T (cases 3 and 6: missing, and the earliest day). AENDT: the
    end, when partial the latest day it allows. An event without a preferred term is UNCODED; the
    reported term is free text and is not shown in tables.

    An event whose preferred term is one of `deaths.progression_terms` is disease progression. It is
    not counted as an adverse event, fatal or not, and is reported separately.

    Where `by` is grade, ATOXGRN is the grade (AETOXGR). Where `by` is severity, ASEV is the severity (AESEV) and
    ASEVN its place in MILD, MODERATE, SEVERE; no grade is made of it, and a grade in the data is not used.

    A fatal event is of grade 5, of outcome FATAL, or serious by death. A related event is
    recorded as possibly related, probably related or related, or its relation is missing (AEREL). Of each patient, and of each patient
    and class and preferred term, the treatment-emergent event of the highest grade or severity is counted (of
    equal ones, the one with the earlier start, then the lower AESEQ).
    """
    ae = tables["ae"].reset_index(drop=True).reindex(columns=list(COLUMNS))
    subject = adsl.set_index("USUBJID")
    usubjid = ae["USUBJID"]
    first, last = usubjid.map(subject["TRTSDT"]), usubjid.map(subject["TRTEDT"])
    treated = usubjid.map(subject["NCYCLES"]) > 0
    start_text = ae["AESTDTC"]
    start_low, start_high = earliest_day(start_text), latest_day(start_text)
    undated = start_low.isna()
    end_high = latest_day(ae["AEENDTC"])
    window = pd.to_timedelta(rule.days_after_last_dose, unit="D")
    case = np.select(
        [
            ~treated,
            undated & ~(end_high < first),
            undated,
            start_high < first,
            start_low > last + window,
            (start_low < first) & (end_high < first),
        ],
        [1, 2, 3, 4, 5, 6],
        default=7,
    )
    emergent = np.isin(case, (2, 7))
    length = precision(start_text)
    over = end_high < first
    shifted = (start_low < first) & (start_high >= first) & ~over
    start = start_low.where(~shifted, first).where(~undated | over, first)
    none = pd.Series(np.nan, ae.index)
    grade = pd.to_numeric(ae["AETOXGR"]) if rule.by == "grade" else none
    place = {name: float(n) for n, name in enumerate(SEVERITIES, start=1)}
    severity = none if rule.by == "grade" else ae["AESEV"].map(place).astype(float)
    related = ae["AEREL"].isin(RELATED) | ae["AEREL"].isna()
    events = pd.DataFrame(
        {
            "STUDYID": ae["STUDYID"],
            "USUBJID": usubjid,
            "AESEQ": ae["AESEQ"],
            "AETERM": ae["AETERM"],
            "AEDECOD": ae["AEDECOD"].fillna(UNCODED),
            "AEBODSYS": ae["AEBODSYS"].fillna("NOT CODED"),
            "ASTDT": start,
            "ASTDTF": np.select(
                [start.isna(), length == 0, length == 4, length == 7],
                ["", "Y", "M", "D"],
                default="",
            ),
            "AENDT": end_high,
            "ATOXGRN": grade,
            "ASEV": ae["AESEV"].where(severity.notna()).astype(object),
            "ASEVN": severity,
            "AESER": ae["AESER"],
            "AEREL": ae["AEREL"],
            "RELFL": np.where(related, "Y", "N"),
            "AEACN": ae["AEACN"],
            "AEOUT": ae["AEOUT"],
            "FATALFL": np.where(
                (grade == 5) | (ae["AEOUT"] == "FATAL") | (ae["AESDTH"] == "Y"), "Y", "N"
            ),
            "TRTEMFL": np.where(emergent, "Y", "N"),
            "TRTEMCAS": case,
            "PROGFL": np.where(_is_disease(ae["AEDECOD"], deaths), "Y", "N"),
        }
    )
    for reason in ("AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE"):
        events[reason] = ae.get(reason, None)
    return _occurrences(events)


def _occurrences(events: pd.DataFrame) -> pd.DataFrame:
    """Flag the event counted per patient (AOCCFL), per system organ class and per preferred term."""
    order = events.assign(
        OUT=(events["TRTEMFL"] != "Y") | (events["PROGFL"] == "Y"),
        WORST=-events["ATOXGRN"].fillna(events["ASEVN"]).fillna(0),
    ).sort_values(["OUT", "USUBJID", "WORST", "ASTDT", "AESEQ"], kind="stable")
    order = order[~order["OUT"]]
    keys = {
        "AOCCFL": ["USUBJID"],
        "AOCCSFL": ["USUBJID", "AEBODSYS"],
        "AOCCPFL": ["USUBJID", "AEBODSYS", "AEDECOD"],
    }
    for flag, by in keys.items():
        chosen = order.drop_duplicates(by).index
        events[flag] = np.where(events.index.isin(chosen), "Y", "")
    return events


CAUSES = ("Adverse event, related", "Adverse event, not related", "Progression", "Not recorded")


def with_deaths(
    adsl: pd.DataFrame, adae: pd.DataFrame, rule: Safety, deaths: Deaths
) -> pd.DataFrame:
    """Time of death after the last dose, and cause of death, of each treated patient.

    The time, the first case that applies:

    1. Empty: not treated, or alive.
    2. "Day of the last dose not known".
    3. Within `safety.days_after_last_dose` days of the last dose, that day included.
    4. More than that number of days after the last dose.

    The cause, for the same patients; an event of `progression_terms` is disease progression, not an
    adverse event:

    1. "Adverse event, related": a fatal adverse event that is related.
    2. "Adverse event, not related": any other fatal adverse event.
    3. "Progression": a fatal event of disease progression, or study treatment ended for
       progression.
    4. "Not recorded": none of these.

    The preferred term of the deciding event is kept; of several, that of the lowest AESEQ.
    """
    usubjid = adsl["USUBJID"]
    died = (adsl["NCYCLES"] > 0) & adsl["DTHDT"].notna()
    fatal = adae[adae["FATALFL"] == "Y"].sort_values(["USUBJID", "AESEQ"], kind="stable")
    disease = _is_disease(fatal["AEDECOD"], deaths)
    adverse = fatal[~disease]
    related = adverse[adverse["RELFL"] == "Y"]
    by_disease = usubjid.isin(fatal.loc[disease, "USUBJID"])
    cause = np.select(
        [
            ~died,
            usubjid.isin(related["USUBJID"]),
            usubjid.isin(adverse["USUBJID"]),
            by_disease | (adsl["DCTREAS"] == "PROGRESSIVE DISEASE"),
        ],
        ["", *CAUSES[:3]],
        default=CAUSES[3],
    )
    deciding = pd.concat([related, adverse, fatal[disease]]).drop_duplicates("USUBJID")
    days = (adsl["DTHDT"] - adsl["TRTEDT"]).dt.days.where(died).astype(float)
    width = rule.days_after_last_dose
    time_of_death = np.select(
        [~died, days.isna(), days <= width],
        ["", "Day of the last dose not known", f"Within {width} days of the last dose"],
        default=f"More than {width} days after the last dose",
    )
    term = usubjid.map(deciding.set_index("USUBJID")["AEDECOD"])
    columns = {
        "LDDTHGR1": pd.Series(time_of_death, adsl.index, dtype="object"),
        "DTHCGR1": pd.Series(cause, adsl.index, dtype="object"),
        "DTHTERM": term.fillna("").astype("object"),
    }
    known = {name: text.mask(~died | (text == "")) for name, text in columns.items()}
    return adsl.assign(LDDTHELD=days, **known)
