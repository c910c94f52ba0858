"""The records in standard terms and units, value by value, over the same catalogue."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sap.catalogue import Unit, coded_columns, codelist, fold, units_of
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc.quantities import result
from sap.qc.subjects import Record

IN_THE_UNIT = {
    "lb": "LBSTRESN LBSTNRLO LBSTNRHI LBLLOQ LBULOQ",
    "vs": "VSSTRESN",
    "tr": "TRSTRESN",
    "pc": "PCSTRESN PCLLOQ PCULOQ",
    "cp": "CPSTRESN",
    "ex": "EXDOSE",
}


def in_standard_terms(tables: Mapping[str, list[Record]], plan: Plan) -> dict[str, list[Record]]:
    """Each record with the submission value in place of every word that its codelist knows.

    A word that no list knows is kept. The first entry of a column whose conditions the record meets
    names its list; the conditions read the record as it is by then. A measured value is given in
    the unit that the rules read; in a unit they cannot read it is missing.
    """
    drugs = {
        fold(name): ingredient
        for ingredient, names in plan.drugs.ingredients.items()
        for name in [ingredient, *names]
    }
    visits = _visits(plan)
    made = {
        name: [_measured(name, row) for row in _that_happened(name, rows)]
        for name, rows in tables.items()
    }
    for row in (row for row in made.get("ex", []) if "EXTRT" in row):
        row["EXTRT"] = drugs.get(fold(row.get("EXTRT") or ""), row.get("EXTRT"))
    for row in (row for row in made.get("cm", []) if "CMDECOD" in row):
        reported = row.get("CMDECOD") or row.get("CMTRT") or ""
        row["CMDECOD"] = drugs.get(fold(reported), row.get("CMDECOD"))
    for row in (row for row in made.get("mh", []) if "MHDECOD" in row and not row["MHDECOD"]):
        row["MHDECOD"] = codelist("HISTORY").standard(row.get("MHTERM"))
    for row in (row for rows in made.values() for row in rows if isinstance(row.get("VISIT"), str)):
        row["VISIT"] = visits.get(fold(row["VISIT"]), row["VISIT"])
    if plan.visits.numbers:
        for row in (
            row for rows in made.values() for row in rows if row.get("VISITNUM") is not None
        ):
            _visit_of_number(row, plan, set(visits.values()))
    for row in made.get(plan.biomarker.domain, []) if plan.biomarker else []:
        _read_biomarker(row, plan)
    for column in ("AEDECOD", "AEBODSYS"):
        _spell_alike(made.get("ae", []), column)
    return made


def _visit_of_number(row: Record, plan: Plan, known: set[str]) -> None:
    """The plan's visit of a VISITNUM, where the visit is missing or a word of no list."""
    word, number = row.get("VISIT"), float(row["VISITNUM"])
    if math.isnan(number) or (word is not None and (word in known or _is_listed(word))):
        return
    for of_plan, visit in plan.visits.numbers.items():
        if float(of_plan) == number and "VISIT" in row:
            row["VISIT"] = visit


def _is_listed(word: str) -> bool:
    return codelist("VISIT").standard(word) is not None


def _read_biomarker(row: Record, plan: Plan) -> None:
    """The plan's test code, and POSITIVE or NEGATIVE for the results that the plan lists."""
    rule, prefix = stated(plan.biomarker), stated(plan.biomarker).domain.upper()
    codes = {fold(word) for word in [rule.test, *rule.also]}
    if fold(row.get(f"{prefix}TESTCD") or "") not in codes:
        return
    row[f"{prefix}TESTCD"] = rule.test
    word = fold(row.get(f"{prefix}STRESC") or "")
    for status, words in (("POSITIVE", rule.positive), ("NEGATIVE", rule.negative)):
        if word in {fold(one) for one in words}:
            row[f"{prefix}STRESC"] = status


def _that_happened(domain: str, rows: list[Record]) -> list[Record]:
    """Coded records without those that say there was none; a test of urine is not the one of blood."""
    prefix, kept = domain.upper(), []
    for row in (_coded(domain, row) for row in rows):
        if domain in ("cm", "ex", "ae", "mh") and (
            row.get(f"{prefix}OCCUR") == "N" or row.get(f"{prefix}STAT") == "NOT DONE"
        ):
            continue
        specimen = row.get(f"{prefix}SPEC") if domain in ("lb", "pc") else None
        if isinstance(specimen, str) and codelist("SPECIMEN").standard(specimen) is None:
            row[f"{prefix}TESTCD"] = f"{row.get(f'{prefix}TESTCD') or ''} {specimen}".strip()
        kept.append(row)
    return kept


def _spell_alike(rows: list[Record], column: str) -> None:
    """One spelling for terms that are one word: that of most records, else the first by alphabet."""
    spellings: dict[str, dict[str, int]] = {}
    for row in rows:
        term = row.get(column)
        if isinstance(term, str):
            of_word = spellings.setdefault(fold(term), {})
            of_word[term] = of_word.get(term, 0) + 1
    for row in rows:
        term = row.get(column)
        if isinstance(term, str):
            of_word = spellings[fold(term)]
            row[column] = min(of_word, key=lambda word: (-of_word[word], word))


def _visits(plan: Plan) -> dict[str, str]:
    """Every word for a visit of the plan, with every number of a cycle put in."""
    visits = {}
    for visit, words in plan.visits.words.items():
        for word in [visit, *words]:
            for number in range(1, 100) if "{n}" in word else [0]:
                for written in (str(number), f"{number:02}"):
                    folded = fold(word.replace("{n}", written))
                    visits[folded] = visit.replace("{n}", str(number))
    return visits


def _coded(domain: str, row: Record) -> Record:
    record = dict(row)
    for column, entries in coded_columns().get(domain, {}).items():
        if not isinstance(record.get(column), str):
            continue
        for entry in entries:
            if all(record.get(name) in values for name, values in entry.where.items()):
                record[column] = entry.codelist.standard(record[column]) or record[column]
                break
    return record


def _measured(domain: str, row: Record) -> Record:
    prefix = domain.upper()
    column = "EXDOSU" if domain == "ex" else f"{prefix}STRESU"
    if domain not in IN_THE_UNIT or not isinstance(row.get(column), str):
        return row
    for entry in units_of(domain):
        if entry.tests and row.get(f"{prefix}TESTCD") not in entry.tests:
            continue
        unit = entry.read(row[column])
        if unit is None or unit.factor != 1:
            for name in IN_THE_UNIT[domain].split():
                if name in row:
                    row[name] = _times(row[name], unit)
            text = row.get(f"{prefix}STRESC")
            if isinstance(text, str):
                row[f"{prefix}STRESC"] = _text(text, unit)
        row[column] = row[column] if unit is None else unit.unit
    return row


def _times(value: Any, unit: Unit | None) -> float | None:
    if value is None or unit is None or math.isnan(value):
        return None
    return float(Fraction(repr(float(value))) * Fraction(unit.factor))


def _text(text: str, unit: Unit | None) -> str | None:
    value, side = result({"XSTRESC": text}, "X")
    if unit is None or (value is None and not side):
        return None
    times = None if value is None else _times(float(value), unit)
    return text if times is None else side + repr(times).removesuffix(".0")
