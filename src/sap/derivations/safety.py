"""ADAE: adverse events under study cabazitaxel, and which of them it may have caused."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.catalogue.codelists import fold
from sap.derivations.dates import earliest_day, latest_day, precision
from sap.plan.model import Deaths, Safety

Tables = Mapping[str, pd.DataFrame]

COLUMNS = (
    "STUDYID", "USUBJID", "AESEQ", "AETERM", "AEDECOD", "AEBODSYS", "AETOXGR", "AESER", "AEREL",
    "AEACN", "AEOUT", "AESTDTC", "AEENDTC", "AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG",
    "AESMIE",
)  # fmt: skip
UNCODED = "UNCODED"
RELATED = ("POSSIBLY RELATED", "PROBABLY RELATED", "RELATED")


def _is_disease(terms: pd.Series, deaths: Deaths) -> pd.Series:
    """Whether a preferred term is one of the plan's terms of the disease itself, compared folded."""
    known = {fold(term) for term in deaths.progression_terms}
    return terms.map(lambda term: isinstance(term, str) and fold(term) in known).astype(bool)


def adae(tables: Tables, adsl: pd.DataFrame, rule: Safety, deaths: Deaths) -> pd.DataFrame:
    """Adverse events: dates, grade, relation, and whether an event is treatment-emergent.

    With T the first dose and W the day `days_after_last_dose` days after the last dose, the first
    case that applies decides. A start that is partial is a span of days; only a span that lies
    wholly outside proves anything, so doubt counts as treatment-emergent.

    1. N: the patient had no study cabazitaxel.
    2. Y: no start date and no end date before T: nothing proves the event older.
    3. N: no start date, and an end (latest day it allows) before T.
    4. N: the latest day of the start lies before T.
    5. N: the earliest day of the start lies after W.
    6. N: the start is partial, may lie before T, and the event ended before T.
    7. Y: everything else; a start on the day of T or of W included.

    ASTDT: the start, when partial the earliest day it allows; T where the start is missing or its
    span holds T, unless the event ended before T (cases 3 and 6: missing, and the earliest day).
    AENDT: the end, when partial the latest day it allows. An event without a preferred term is
    UNCODED, never the words of the report: those are free text, and tables leave the house.

    An event whose preferred term is one of `deaths.progression_terms` is the disease itself: it is no
    adverse event, fatal or not, in any count, and is shown apart.

    A fatal event is of grade 5, of outcome FATAL, or serious by death. A related event has a
    possible, probable, certain or missing relation (AEREL). Of each patient, and of each patient
    and class and preferred term, the treatment-emergent event of the worst grade is shown (of
    equal ones, the earlier start, then AESEQ).
    """
    ae = tables["ae"].reset_index(drop=True).reindex(columns=list(COLUMNS))
    subject = adsl.set_index("USUBJID")
    who = ae["USUBJID"]
    first, last = who.map(subject["TRTSDT"]), who.map(subject["TRTEDT"])
    treated = who.map(subject["NCYCLES"]) > 0
    text = ae["AESTDTC"]
    start_low, start_high = earliest_day(text), latest_day(text)
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
    length = precision(text)
    over = end_high < first
    shifted = (length < 10) & (start_low < first) & (start_high >= first) & ~over
    start = start_low.where(~shifted, first).where(~undated | over, first)
    grade = pd.to_numeric(ae["AETOXGR"])
    related = ae["AEREL"].isin(RELATED) | ae["AEREL"].isna()
    found = pd.DataFrame(
        {
            "STUDYID": ae["STUDYID"],
            "USUBJID": who,
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
        found[reason] = ae.get(reason, None)
    return _occurrences(found)


def _occurrences(events: pd.DataFrame) -> pd.DataFrame:
    """Mark the one event that stands for a patient, for his SOC and for his preferred term."""
    order = events.assign(
        OUT=(events["TRTEMFL"] != "Y") | (events["PROGFL"] == "Y"),
        WORST=-events["ATOXGRN"].fillna(0),
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
    """How long after the last dose a treated patient died, and of what.

    The time, the first case that applies:

    1. Not shown: not treated, or alive.
    2. "Day of the last dose not known".
    3. Within `safety.days_after_last_dose` days of the last dose, that day included.
    4. More than so many days after the last dose.

    The cause, for the same patients; an event of `progression_terms` is the disease, not an
    adverse event:

    1. "Adverse event, related": a fatal adverse event that is related.
    2. "Adverse event, not related": any other fatal adverse event.
    3. "Progression": a fatal event that is the disease, or study treatment ended by progression.
    4. "Not recorded": nothing of that.

    The preferred term that decided is shown, of several that of the lowest AESEQ.
    """
    who = adsl["USUBJID"]
    died = (adsl["NCYCLES"] > 0) & adsl["DTHDT"].notna()
    fatal = adae[adae["FATALFL"] == "Y"].sort_values(["USUBJID", "AESEQ"], kind="stable")
    disease = _is_disease(fatal["AEDECOD"], deaths)
    harm = fatal[~disease]
    related = harm[harm["RELFL"] == "Y"]
    by_disease = who.isin(fatal.loc[disease, "USUBJID"])
    cause = np.select(
        [
            ~died,
            who.isin(related["USUBJID"]),
            who.isin(harm["USUBJID"]),
            by_disease | (adsl["DCTREAS"] == "PROGRESSIVE DISEASE"),
        ],
        ["", *CAUSES[:3]],
        default=CAUSES[3],
    )
    deciding = pd.concat([related, harm, fatal[disease]]).drop_duplicates("USUBJID")
    days = (adsl["DTHDT"] - adsl["TRTEDT"]).dt.days.where(died).astype(float)
    width = rule.days_after_last_dose
    when = np.select(
        [~died, days.isna(), days <= width],
        ["", "Day of the last dose not known", f"Within {width} days of the last dose"],
        default=f"More than {width} days after the last dose",
    )
    term = who.map(deciding.set_index("USUBJID")["AEDECOD"])
    columns = {
        "LDDTHGR1": pd.Series(when, adsl.index, dtype="object"),
        "DTHCGR1": pd.Series(cause, adsl.index, dtype="object"),
        "DTHTERM": term.fillna("").astype("object"),
    }
    known = {name: text.mask(~died | (text == "")) for name, text in columns.items()}
    return adsl.assign(LDDTHELD=days, **known)
