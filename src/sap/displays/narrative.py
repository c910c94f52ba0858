"""The key facts that a narrative of a death or a serious event begins with, patient by patient (ICH E3, 12.3.2)."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sap import ard
from sap.displays.ard_lookup import results
from sap.displays.listing import CRITERIA, cause_of_death, coded, words
from sap.displays.record import not_recorded
from sap.displays.table import Column, Row, Table

Record = Mapping[str, Any]


def _known(value: Any) -> bool:
    return not pd.isna(value) and words(value) != ""


def _joined(parts: Iterable[str]) -> str:
    text = "; ".join(part for part in parts if part)
    return f"{text}." if text else ""


def _small(value: Any) -> str:
    """A coded value inside a sentence."""
    said = coded(value)
    return said[:1].lower() + said[1:]


def _days(later: Any, earlier: Any) -> int | None:
    return None if pd.isna(later) or pd.isna(earlier) else int((later - earlier).days)


def _study_day(day: Any, first: Any) -> str:
    """A date with its study day; the day of the first dose is day 1, and there is no day 0."""
    if pd.isna(day):
        return ""
    since = _days(day, first)
    if since is None:
        return words(day)
    return f"day {since + 1 if since >= 0 else since} ({words(day)})"


def _subject(subject: Record) -> str:
    age = f"{words(subject['AGE'])} years at consent" if _known(subject["AGE"]) else ""
    ecog = f"ECOG {words(subject['ECOGBL'])} at allocation" if _known(subject["ECOGBL"]) else ""
    screened = [f"AR-V7 {_small(subject['ARV7BL'])}" if _known(subject["ARV7BL"]) else ""]
    screened += [f"{words(subject['CTCBL'])} CTC" if _known(subject["CTCBL"]) else ""]
    found = " and ".join(part for part in screened if part)
    line = words(subject["LINE"])
    again = "treated through re-screening" if subject["RESCTRFL"] == "Y" else ""
    said = _joined((age, ecog, f"{found} at the first screening" if found else "", line, again))
    return said[:1].upper() + said[1:]


def _treatment(subject: Record) -> str:
    several = "infusion" if subject["NCYCLES"] == 1 else "infusions"
    given = f"{words(subject['NCYCLES'])} {several} of study cabazitaxel"
    between = [words(subject[name]) for name in ("TRTSDT", "TRTEDT")]
    ended = f"ended {words(subject['DCTDT'])}".strip() if _known(subject["DCTREAS"]) else ""
    why = f"{ended}: {_small(subject['DCTREAS'])}" if ended else "no end of treatment recorded"
    return _joined((f"{given}, {between[0]} to {between[1]}", why))


def _since_dose(event: Record, doses: pd.DataFrame) -> str:
    before = doses[doses["ASTDT"] <= event["ASTDT"]]
    if before.empty:
        return ""
    last = before.iloc[-1]
    days = _days(event["ASTDT"], last["ASTDT"])
    dose = f" ({words(last['DOSE'])} mg/m2)" if _known(last["DOSE"]) else ""
    undated = doses["ASTDT"].isna() & (doses["ACYCLE"] > last["ACYCLE"])
    more = ", the last before it whose day is recorded" if undated.any() else ""
    return f"{days} days after infusion {words(last['ACYCLE'])}{dose}{more}"


def _beside(event: Record, mine: pd.DataFrame) -> str:
    """Other events that began on the same day: what a narrative reader asks first."""
    same = mine[(mine["ASTDT"] == event["ASTDT"]) & (mine["AESEQ"] != event["AESEQ"])]
    named = sorted({_small(term) for term in same["AEDECOD"] if _known(term)})
    return f"on the same day: {', '.join(named)}" if named else ""


def _care(event: Record, drugs: pd.DataFrame) -> str:
    """Supportive care that began while the event lasted."""
    if not _known(event["ASTDT"]):
        return ""
    until = event["AENDT"] if _known(event["AENDT"]) else event["ASTDT"]
    begun = drugs[(drugs["ASTDT"] >= event["ASTDT"]) & (drugs["ASTDT"] <= until)]
    named = sorted({_small(d) for d in begun["CMDECOD"] if _known(d)})
    return f"given: {', '.join(named)}" if named else ""


def _event(event: Record, subject: Record, mine: pd.DataFrame, doses: pd.DataFrame, drugs: pd.DataFrame) -> str:  # fmt: skip
    reported = f"{coded(event['AEDECOD'])}, reported as '{words(event['AETERM'])}'"
    grade = f"grade {words(event['ATOXGRN'])}" if _known(event["ATOXGRN"]) else "not graded"
    began = _study_day(event["ASTDT"], subject["TRTSDT"])
    why = ", ".join(said for name, said in CRITERIA.items() if event.get(name) == "Y")
    ended = f"{_small(event['AEOUT'])} {words(event['AENDT'])}".strip()
    return _joined(
        (
            f"{reported}, {grade}",
            f"began {began}" if began else "start not recorded",
            _since_dose(event, doses),
            f"serious for {why}" if why else "criterion not recorded",
            _small(event["AEREL"]),
            _small(event["AEACN"]),
            _care(event, drugs),
            _beside(event, mine),
            ended,
        )
    )


def _death(subject: Record) -> str:
    days = _days(subject["DTHDT"], subject["TRTEDT"])
    when = f"{days} days after the last infusion" if days is not None else ""
    recorded = f"recorded as '{words(subject['DTHTERM'])}'" if _known(subject["DTHTERM"]) else ""
    day = _study_day(subject["DTHDT"], subject["TRTSDT"])
    died = f"Died on {day}" if day else "Died, day not recorded"
    return _joined((died, when, f"cause: {_small(cause_of_death(subject))}", recorded))


def _rows(subject: Record, adae: pd.DataFrame, adex: pd.DataFrame, adcm: pd.DataFrame) -> list[Row]:
    who = str(subject["USUBJID"])
    mine, doses, drugs = (each[each["USUBJID"] == who] for each in (adae, adex, adcm))
    facts = [
        ("Patient", _subject(subject), f"ADSL|{who}"),
        ("Treatment", _treatment(subject), f"ADSL|{who}"),
    ]
    for event in mine[mine["AESER"] == "Y"].to_dict("records"):
        said = _event({str(k): v for k, v in event.items()}, subject, mine, doses, drugs)
        facts.append(("Serious event", said, f"ADAE|{who}|{words(event['AESEQ'])}"))
    if subject["DTHFL"] == "Y":
        facts.append(("Death", _death(subject), f"ADSL|{who}"))
    return [
        Row("" if i else who, (topic, said), address=place, again=who if i else "")
        for i, (topic, said, place) in enumerate(facts)
    ]


def narratives() -> Table:
    """Listing 14.3.3.1: each treated patient who died or had a serious event, in the order of a narrative.

    1. The patient and his screening.  2. His treatment.  3. Each serious event: term, grade, study day,
    days from the last infusion before it, criterion, relation, action, supportive care that began
    while it lasted, other events of that day, outcome.  4. His death.
    """
    adsl, adae = ard.dataset("adsl"), ard.dataset("adae")
    adex = ard.dataset("adex").sort_values(["USUBJID", "ASTDT", "EXSEQ"])
    adcm = ard.dataset("adcm")
    adcm = adcm[adcm["CMCAT"] == "SUPPORTIVE CARE"] if "CMCAT" in adcm else adcm
    treated = adsl[adsl["SAFFL"] == "Y"].sort_values("USUBJID")
    serious = set(adae.loc[adae["AESER"] == "Y", "USUBJID"])
    told = treated[(treated["DTHFL"] == "Y") | treated["USUBJID"].isin(serious)]
    adae = adae.sort_values(["USUBJID", "ASTDT", "AESEQ"])
    rows: list[Row] = []
    for subject in told.to_dict("records"):
        rows += _rows({str(k): v for k, v in subject.items()}, adae, adex, adcm)
    found = results("analysis_sets")
    n = found.count(population="SAFETY") if found.has("n", population="SAFETY") else None
    columns = [Column(header, numeric=False) for header in ("About", "Key facts")]
    absent = not_recorded("ae", "death or serious adverse event of a treated patient")
    return Table("tlf-narratives", "Participant", columns, rows, absent=absent, n=n)
