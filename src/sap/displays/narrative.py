"""The key facts that a narrative of a death or a serious event begins with, by patient (ICH E3, 12.3.2)."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sap import ard
from sap.displays import days, plan_text
from sap.displays.ard_lookup import results
from sap.displays.listing import CRITERIA, cause_of_death, coded, words
from sap.displays.record import not_recorded
from sap.displays.table import Column, Row, Table
from sap.plan.entry import stated

Record = Mapping[str, Any]


def _known(value: Any) -> bool:
    return not pd.isna(value) and words(value) != ""


def _joined(parts: Iterable[str]) -> str:
    text = "; ".join(part for part in parts if part)
    return f"{text}." if text else ""


def _small(value: Any) -> str:
    """A coded value inside a sentence."""
    text = coded(value)
    return text[:1].lower() + text[1:]


def _days(later: Any, earlier: Any) -> int | None:
    return None if pd.isna(later) or pd.isna(earlier) else int((later - earlier).days)


def _labelled(label: str, text: str) -> str:
    return f"{label}: {text}" if text else ""


def _study_day(day: Any, first: Any, who: str) -> str:
    """A date with its study day (the first dose is on day 1, there is no day 0), or the day since registration."""
    if pd.isna(day):
        return ""
    since = _days(day, first)
    on = days.printed(day, who)
    if days.relative():
        return f"day {on}"
    if since is None:
        return on
    return f"day {since + 1 if since >= 0 else since} ({on})"


def _findings(ecog: Any, marker: Any, ctc: Any) -> str:
    """What is known of one screening."""
    parts = (
        f"ECOG {words(ecog)}" if _known(ecog) else "",
        f"{stated(ard.plan().biomarker).name} {_small(marker)}" if _known(marker) else "",
        f"{words(ctc)} CTC per {plan_text.counted_in()}" if _known(ctc) else "",
    )
    return ", ".join(filter(None, parts))


def _subject_again(subject: Record, ecog: Any) -> str:
    """A patient treated after re-screening: the findings that led to treatment, then the first ones."""
    age = f"{words(subject['AGE'])} years at consent" if _known(subject["AGE"]) else ""
    now = _findings(ecog, subject["RESCMARK"], subject["RESCCTC"])
    first = _findings(subject["ECOGBL"], subject["MARKBL"], subject["CTCBL"])
    parts = (
        age,
        "treated after re-screening",
        _labelled("at re-screening", now or "no finding recorded"),
        _labelled("at the first screening", first),
        words(subject["LINE"]),
    )
    text = _joined(parts)
    return text[:1].upper() + text[1:]


def _subject(subject: Record, ecog_again: Any = None) -> str:
    if subject["RESCTRFL"] == "Y":
        return _subject_again(subject, ecog_again)
    age = f"{words(subject['AGE'])} years at consent" if _known(subject["AGE"]) else ""
    when = "allocation" if ard.plan().biomarker is not None else "baseline"
    ecog = f"ECOG {words(subject['ECOGBL'])} at {when}" if _known(subject["ECOGBL"]) else ""
    marker = ard.plan().biomarker
    known = marker is not None and _known(subject["MARKBL"])
    screened = [f"{stated(marker).name} {_small(subject['MARKBL'])}" if known else ""]
    screened += [
        f"{words(subject['CTCBL'])} CTC per {plan_text.counted_in()}"
        if ard.plan().cells_required and _known(subject["CTCBL"])
        else ""
    ]
    sample = " and ".join(part for part in screened if part)
    line = words(subject["LINE"])
    at_screening = f"{sample} at the first screening" if sample else ""
    text = _joined((age, ecog, at_screening, line))
    return text[:1].upper() + text[1:]


def _treatment(subject: Record) -> str:
    rule = ard.plan().exposure
    several = rule.a_record if subject["NCYCLES"] == 1 else f"{rule.a_record}s"
    given = f"{words(subject['NCYCLES'])} {several} of study {ard.plan().wording.treatment}"
    who, on = str(subject["USUBJID"]), "day " if days.relative() else ""
    first, last, end = (days.printed(subject[name], who) for name in ("TRTSDT", "TRTEDT", "DCTDT"))
    ended = f"ended {on}{end}".removesuffix(on).strip() if _known(subject["DCTREAS"]) else ""
    why = f"{ended}: {_small(subject['DCTREAS'])}" if ended else "no end of treatment recorded"
    early = _days(subject["TRTEDT"], subject["DCTDT"])
    why += f" (this record is earlier than {rule.last_dose})" if ended and (early or 0) > 0 else ""
    when = f"on {on}{first}" if first == last else f"{on}{first} to {on}{last}"
    return _joined((f"{given}, {when}", why))


def _since_dose(event: Record, doses: pd.DataFrame) -> str:
    before = doses[doses["ASTDT"] <= event["ASTDT"]]
    if before.empty:
        return ""
    last = before.iloc[-1]
    since = _days(event["ASTDT"], last["ASTDT"])
    rule = ard.plan().exposure
    dose = f" ({words(last['DOSE'])} {rule.unit})" if _known(last["DOSE"]) else ""
    undated = doses["ASTDT"].isna() & (doses["ACYCLE"] > last["ACYCLE"])
    more = ", the last preceding one with a recorded date" if undated.any() else ""
    begun = "" if rule.dosing == "cycles" else "the start of "
    return f"{_in_days(since)} after {begun}{rule.a_record} {words(last['ACYCLE'])}{dose}{more}"


def _in_days(number: int | None) -> str:
    """`1 day`, `7 days`."""
    return f"{number} day" if number == 1 else f"{number} days"


def _same_day(event: Record, events: pd.DataFrame) -> str:
    """Other events that began on the same day."""
    same = events[(events["ASTDT"] == event["ASTDT"]) & (events["AESEQ"] != event["AESEQ"])]
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


def _event(event: Record, subject: Record, events: pd.DataFrame, doses: pd.DataFrame, drugs: pd.DataFrame) -> str:  # fmt: skip
    reported = f"{coded(event['AEDECOD'])}, reported as '{words(event['AETERM'])}'"
    grade = f"grade {words(event['ATOXGRN'])}" if _known(event["ATOXGRN"]) else "not graded"
    if ard.plan().safety.by == "severity":
        grade = _small(event["ASEV"]) if _known(event["ASEV"]) else "without a severity"
    began = _study_day(event["ASTDT"], subject["TRTSDT"], str(subject["USUBJID"]))
    criteria = ", ".join(label for name, label in CRITERIA.items() if event.get(name) == "Y")
    ended = days.printed(event["AENDT"], str(subject["USUBJID"]))
    ended = f"on day {ended}" if ended and days.relative() else ended
    outcome = f"{_small(event['AEOUT'])} {ended}".strip()
    return _joined(
        (
            f"{reported}, {grade}",
            f"began {began}" if began else "start not recorded",
            _since_dose(event, doses),
            f"seriousness criterion: {criteria or 'not recorded'}",
            _labelled("relation", _small(event["AEREL"])),
            _labelled("action taken", _small(event["AEACN"])),
            _care(event, drugs),
            _same_day(event, events),
            _labelled("outcome", outcome),
        )
    )


def _death(subject: Record) -> str:
    since = _days(subject["DTHDT"], subject["TRTEDT"])
    last = ard.plan().exposure.last_dose
    when = f"{_in_days(since)} after {last}" if since is not None else ""
    recorded = f"recorded as {_small(subject['DTHTERM'])}" if _known(subject["DTHTERM"]) else ""
    day = _study_day(subject["DTHDT"], subject["TRTSDT"], str(subject["USUBJID"]))
    died = f"Died on {day}" if day else "Died, date not recorded"
    return _joined((died, when, f"cause: {_small(cause_of_death(subject))}", recorded))


def _at_rescreening() -> dict[str, str]:
    """ECOG at re-screening by patient, of the baseline characteristics (ADBL)."""
    adbl = ard.dataset("adbl")
    ecog = adbl[(adbl["PARAMCD"] == "ECOG") & (adbl["AVISIT"] == "RE-SCREENING")]
    return {str(who): value for who, value in zip(ecog["USUBJID"], ecog["AVALC"], strict=True)}


def _rows(
    subject: Record, adae: pd.DataFrame, adex: pd.DataFrame, adcm: pd.DataFrame, ecog_again: Any
) -> list[Row]:
    who = str(subject["USUBJID"])
    events, doses, drugs = (each[each["USUBJID"] == who] for each in (adae, adex, adcm))
    facts = [
        ("Patient", _subject(subject, ecog_again), f"ADSL|{who}"),
        ("Treatment", _treatment(subject), f"ADSL|{who}"),
    ]
    for event in events[events["AESER"] == "Y"].to_dict("records"):
        text = _event({str(k): v for k, v in event.items()}, subject, events, doses, drugs)
        facts.append(("Serious event", text, f"ADAE|{who}|{words(event['AESEQ'])}"))
    if subject["DTHFL"] == "Y":
        facts.append(("Death", _death(subject), f"ADSL|{who}"))
    return [
        Row("" if i else who, (topic, text), address=place, again=who if i else "")
        for i, (topic, text, place) in enumerate(facts)
    ]


def narratives() -> Table:
    """`tlf-narratives`: each treated patient who died or had a serious event, in the order of a narrative.

    1. The patient and the screening that led to treatment (for one treated after re-screening that one,
    then the first).  2. The treatment.  3. Each serious event: term, grade, study day,
    days from the last infusion before it, seriousness criterion, relation, action, supportive care that
    began while it lasted, other events of that day, outcome.  4. The death.
    """
    adsl, adae = ard.dataset("adsl"), ard.dataset("adae")
    adex = ard.dataset("adex").sort_values(["USUBJID", "ASTDT", "EXSEQ"])
    adcm = ard.dataset("adcm")
    adcm = adcm[adcm["CMCAT"] == "SUPPORTIVE CARE"] if "CMCAT" in adcm else adcm
    treated = adsl[adsl["SAFFL"] == "Y"].sort_values("USUBJID")
    serious = set(adae.loc[adae["AESER"] == "Y", "USUBJID"])
    narrated = treated[(treated["DTHFL"] == "Y") | treated["USUBJID"].isin(serious)]
    adae = adae.sort_values(["USUBJID", "ASTDT", "AESEQ"])
    again = _at_rescreening() if (narrated["RESCTRFL"] == "Y").any() else {}
    rows: list[Row] = []
    for subject in narrated.to_dict("records"):
        facts = {str(k): v for k, v in subject.items()}
        rows += _rows(facts, adae, adex, adcm, again.get(str(subject["USUBJID"])))
    sets = results("analysis_sets")
    n = sets.count(population="SAFETY") if sets.has("n", population="SAFETY") else None
    columns = [Column(header, numeric=False) for header in ("Topic", "Key facts")]
    first = "infusion" if ard.plan().exposure.dosing == "cycles" else "dose"
    notes = [days.NOTE if days.relative() else f"Day 1 is the day of the first {first}."]
    absent = not_recorded("ae", "death or serious adverse event of a treated patient")
    return Table("tlf-narratives", "Patient", columns, rows, notes=notes, absent=absent, n=n)
