"""Standardisation of SDTM: submission values, units, drug names and visits as the derivations use them."""

from collections.abc import Callable, Mapping

import pandas as pd

from sap.catalogue import Coded, Unit, Units, coded_columns, codelist, fold, units_of
from sap.catalogue.quantities import quantity
from sap.contracts.columns import number_text
from sap.plan.model import Biomarker, Plan

Tables = Mapping[str, pd.DataFrame]

MEASURED = {
    "lb": ("LBSTRESU", ("LBSTRESN", "LBSTNRLO", "LBSTNRHI", "LBLLOQ", "LBULOQ"), "LBSTRESC"),
    "vs": ("VSSTRESU", ("VSSTRESN",), "VSSTRESC"),
    "tr": ("TRSTRESU", ("TRSTRESN",), "TRSTRESC"),
    "pc": ("PCSTRESU", ("PCSTRESN", "PCLLOQ", "PCULOQ"), "PCSTRESC"),
    "cp": ("CPSTRESU", ("CPSTRESN",), "CPSTRESC"),
    "ex": ("EXDOSU", ("EXDOSE",), ""),
}
"""By domain with measurements: the column of the unit, the numbers in that unit, the result as text."""


WITH_OCCURRENCE = ("ae", "cm", "ex", "mh")
"""Domains with records of things that did not occur or were not done (--OCCUR, --STAT)."""
WITH_SPECIMEN = ("lb", "pc")
"""Domains of which blood, serum and plasma are analysed."""
SPELLING = ("AEDECOD", "AEBODSYS")
DRUGS = {"ex": ("EXTRT", None), "cm": ("CMDECOD", "CMTRT")}
"""By domain with drugs: the coded name, and the reported name used where it is missing."""


def standard(tables: Tables, plan: Plan) -> dict[str, pd.DataFrame]:
    """Standardisation of terms, units and drug names before derivation; frozen data are not changed.

    Values of a column with a codelist, the first case that applies:

    1. A term of the codelist or one of its listed variants, compared without regard to case, spaces,
       hyphens and British or American spelling: the submission value of that term.
    2. Any other term: unchanged, and reported as a finding of the data contracts.

    A column whose codelist depends on another column is standardised after that column. Measured
    values with a unit, the first case that applies:

    3. The unit of analysis or one of its listed variants: the unit of analysis, and the value
       unchanged.
    4. A unit with a conversion factor: the value, its limits of normal and its limits of
       quantification are multiplied by the factor, without rounding, and have the unit of analysis.
       Haemoglobin is not converted here; it is graded in its own unit.
    5. Any other unit of an analysed test: the value is not used, and the unit is reported as a finding
       of the data contracts.
    6. A test that is not analysed: unchanged.

    Drugs, of study treatment or of other therapy, the first case that applies:

    7. A name in the SAP's list of drugs, compared in the same way: the ingredient.
    8. The therapy is not coded, and its reported name is such a name: the ingredient.
    9. Any other name: unchanged.

    Visits, the first case that applies:

    10. A term in the SAP's list of visits, compared in the same way: the visit it denotes.
    11. Any other term: as after cases 1 and 2; where the SAP has the number of the visit (VISITNUM) and the term is
        missing or in no codelist of visits: the visit of that number.

    Other rules:

    12. Preferred terms and body systems of adverse events that differ only in case, spaces, hyphens
        and British or American spelling are one term, in the most frequent spelling; of equally
        frequent spellings the first in alphabetical order.
    13. A record of a therapy, a dose, an event or a history (CM, EX, AE, MH) with occurrence N
        (--OCCUR) or NOT DONE (--STAT) is not used.
    14. A laboratory value or a concentration of a specimen other than blood, serum or plasma (LBSPEC,
        PCSPEC) is a separate test, whose code has the specimen appended; without a specimen, blood is
        assumed. An unknown specimen is reported as a finding of the data contracts.
    15. A condition of the medical history that is not coded (MHDECOD) is identified by its reported
        term where that is a term of the codelist.
    16. A test code that is the SAP's code of the biomarker or a listed variant: that code. Its
        results that the SAP lists as positive or negative: POSITIVE or NEGATIVE.
    """
    standardised = {name: _read(name, table, plan) for name, table in tables.items()}
    if "ae" in standardised:
        present = [name for name in SPELLING if name in standardised["ae"]]
        standardised["ae"] = standardised["ae"].assign(
            **{name: _most_frequent_spelling(standardised["ae"][name]) for name in present}
        )
    return standardised


def _read(name: str, table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """One domain by cases 1 to 11, 13 and 14."""
    standardised = _history(name, _of_specimen(name, _occurred(name, _coded(name, table))))
    standardised = _biomarker(name, _measured(name, standardised), plan.biomarker)
    return _visits(_drugs(name, standardised, plan), plan)


def _biomarker(name: str, table: pd.DataFrame, rule: Biomarker | None) -> pd.DataFrame:
    """The test code and the results of the biomarker by case 16."""
    test, result = f"{name.upper()}TESTCD", f"{name.upper()}STRESC"
    if rule is None or name != rule.domain or test not in table:
        return table
    codes = table[test].map(_standard_terms(table[test], rule.test_of))
    table = table.assign(**{test: codes.where(codes.notna(), table[test])})
    if result not in table:
        return table
    words = _standard_terms(table[result], rule.result)
    return table.assign(**{result: table[result].mask(codes.notna(), table[result].map(words))})


def _occurred(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The records that occurred, by case 13."""
    if name not in WITH_OCCURRENCE:
        return table
    occurrence = table.reindex(columns=[f"{name.upper()}OCCUR", f"{name.upper()}STAT"])
    absent = (occurrence.iloc[:, 0] == "N") | (occurrence.iloc[:, 1] == "NOT DONE")
    return table[~absent].reset_index(drop=True) if absent.any() else table


def _history(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """MHDECOD by case 15."""
    if name != "mh" or "MHDECOD" not in table or "MHTERM" not in table:
        return table
    named = table["MHTERM"].map(_standard_terms(table["MHTERM"], codelist("HISTORY").standard))
    return table.assign(MHDECOD=table["MHDECOD"].where(table["MHDECOD"].notna(), named))


def _of_specimen(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The test code with the specimen appended, by case 14."""
    specimen, test = f"{name.upper()}SPEC", f"{name.upper()}TESTCD"
    if name not in WITH_SPECIMEN or specimen not in table or test not in table:
        return table
    other = table[specimen].notna() & ~table[specimen].isin(codelist("SPECIMEN").values)
    if not other.any():
        return table
    return table.assign(**{test: table[test].where(~other, table[test] + " " + table[specimen])})


def _most_frequent_spelling(terms: pd.Series) -> pd.Series:
    """Each term of a column in the one spelling of case 12."""
    frequency = terms.value_counts()
    order = sorted((-int(n), str(word)) for word, n in frequency.items() if isinstance(word, str))
    chosen: dict[str, str] = {}
    for _, word in order:
        chosen.setdefault(fold(word), word)
    words = {word: chosen[fold(word)] for _, word in order}
    changed = [word for word, spelling in words.items() if word != spelling]
    return terms.map(words).where(terms.isin(changed), terms) if changed else terms


def _drugs(domain: str, table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    coded, reported = DRUGS.get(domain, (None, None))
    if coded is None or coded not in table:
        return table
    names = table[coded]
    if reported is not None and reported in table:
        named = table[reported].map(_standard_terms(table[reported], plan.drugs.ingredient))
        names = names.where(names.notna(), named)
    known = _standard_terms(names, plan.drugs.ingredient)
    return table.assign(**{coded: names.map(known).where(names.isin(list(known)), names)})


def _visits(table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    if "VISIT" not in table:
        return table
    visits = table["VISIT"]
    if plan.visits.numbers and "VISITNUM" in table:
        pairs = zip(visits, pd.to_numeric(table["VISITNUM"]), strict=True)
        named = [
            plan.visits.of_record(
                visit if isinstance(visit, str) else None, None if pd.isna(number) else number
            )
            for visit, number in pairs
        ]
        return table.assign(VISIT=pd.Series(named, table.index, dtype="object"))
    known = _standard_terms(visits, plan.visits.visit)
    return table.assign(VISIT=visits.map(known).where(visits.isin(list(known)), visits))


def _standard_terms(terms: pd.Series, standard_term: Callable[[str], str | None]) -> dict[str, str]:
    """By term of a column, the standard term; terms without one are left out."""
    words = (word for word in terms.dropna().unique() if isinstance(word, str))
    return {word: term for word in words if (term := standard_term(word)) is not None}


def _coded(domain: str, table: pd.DataFrame) -> pd.DataFrame:
    standardised = table
    for column, entries in coded_columns().get(domain, {}).items():
        if column in standardised:
            standardised = standardised.assign(**{column: _values(standardised, column, entries)})
    return standardised


def _values(table: pd.DataFrame, column: str, entries: tuple[Coded, ...]) -> pd.Series:
    terms = table[column]
    values = terms
    unassigned = pd.Series(True, table.index)
    for entry in entries:
        applicable = unassigned & _applies(table, entry)
        words = {
            word: value
            for word in terms[applicable].dropna().unique()
            if isinstance(word, str) and (value := entry.codelist.standard(word)) is not None
        }
        changed = applicable & terms.isin([word for word, value in words.items() if word != value])
        if changed.any():
            values = values.where(~changed, terms.map(words))
        unassigned &= ~applicable
    return values


def _applies(table: pd.DataFrame, entry: Coded) -> pd.Series:
    applicable = pd.Series(True, table.index)
    for name, values in entry.where.items():
        applicable &= table[name].isin(values) if name in table else False
    return applicable


def _measured(domain: str, table: pd.DataFrame) -> pd.DataFrame:
    if domain not in MEASURED or MEASURED[domain][0] not in table:
        return table
    converted = table
    for entry in units_of(domain):
        converted = _in_unit(domain, converted, entry)
    return converted


def _in_unit(domain: str, table: pd.DataFrame, entry: Units) -> pd.DataFrame:
    """The records of some tests in the units of analysis, by cases 3 to 5."""
    column, numbers, result = MEASURED[domain]
    test = f"{domain.upper()}TESTCD"
    analysed = table[test].isin(entry.tests) if entry.tests else table[column].notna()
    converted = table
    for recorded in table.loc[analysed, column].dropna().unique():
        unit = entry.read(recorded)
        if unit is not None and unit.unit == recorded:
            continue
        rows = analysed & (table[column] == recorded)
        if unit is None or unit.factor != 1:
            for name in (name for name in numbers if name in converted):
                others = converted[name].where(~rows)
                if unit is not None:
                    others = converted[name].where(~rows, _times(converted[name], unit))
                converted = converted.assign(**{name: others})
            if result in converted:
                texts = [_text(text, unit) for text in converted[result]]
                other = pd.Series(texts, converted.index, dtype="object")
                converted = converted.assign(**{result: converted[result].where(~rows, other)})
        if unit is not None:
            converted = converted.assign(**{column: converted[column].where(~rows, unit.unit)})
    return converted


def _times(values: pd.Series, unit: Unit) -> pd.Series:
    return values.astype(float).map(unit.of, na_action="ignore")


def _text(text: object, unit: Unit | None) -> str | None:
    """A result as text in another unit, with its sign; None where it holds no number.

    A term for below or above quantification without a number is unchanged.
    """
    if not isinstance(text, str) or unit is None:
        return None
    parsed = quantity(text)
    if parsed.value is None:
        return text if parsed.side else None
    return f"{parsed.side}{number_text(unit.of(parsed.value))}"
