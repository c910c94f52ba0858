"""SDTM in the words and units that the derivations read, whichever legal ones the extract wrote."""

from collections.abc import Callable, Mapping

import pandas as pd

from sap.catalogue import Coded, Unit, Units, coded_columns, codelist, fold, units_of
from sap.catalogue.quantities import quantity
from sap.contracts.columns import number_text
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]

MEASURED = {
    "lb": ("LBSTRESU", ("LBSTRESN", "LBSTNRLO", "LBSTNRHI", "LBLLOQ", "LBULOQ"), "LBSTRESC"),
    "vs": ("VSSTRESU", ("VSSTRESN",), "VSSTRESC"),
    "tr": ("TRSTRESU", ("TRSTRESN",), "TRSTRESC"),
    "pc": ("PCSTRESU", ("PCSTRESN", "PCLLOQ", "PCULOQ"), "PCSTRESC"),
    "cp": ("CPSTRESU", ("CPSTRESN",), "CPSTRESC"),
    "ex": ("EXDOSU", ("EXDOSE",), ""),
}
"""Of each domain that measures: the unit, the numbers that are in it, and the result as text."""


MAY_NOT_HAPPEN = ("ae", "cm", "ex", "mh")
"""Domains whose records can say that something did not happen (--OCCUR, --STAT)."""
OF_BLOOD = ("lb", "pc")
"""Domains whose rules read blood, serum and plasma."""
SPELT = ("AEDECOD", "AEBODSYS")
DRUGS = {"ex": ("EXTRT", None), "cm": ("CMDECOD", "CMTRT")}
"""Of each domain with drugs: the coded name, and the reported one that stands in where none is coded."""


def standard(tables: Tables, plan: Plan) -> dict[str, pd.DataFrame]:
    """Every word, unit and drug of the data as the rules read it; the frozen data keep the source's.

    Of every filled cell of a column that has a codelist, the first case that applies:

    1. The cell is a word of the column's codelist, or another way of writing it, compared without
       case, spaces, hyphens and British or American spelling: the submission value of that word.
    2. Any other word: it stays as it is, and the contracts name it as a finding.

    A column whose codelist depends on another column is read after that one. Of every measured
    value with a unit, the first case that applies:

    3. The unit is one that the rules read, or another way of writing it: that unit, and the value as
       it stands.
    4. The unit is one that is converted: the value, its limits of normal and its limits of
       quantification are multiplied by the factor, without rounding, and have the unit that the
       rules read. Haemoglobin is not converted: it is graded in its own unit.
    5. Any other unit of a test that the rules read: the value is not used, and the contracts name
       the unit as a finding.
    6. A test that no rule reads: as it stands.

    Of every drug, of study treatment or of other therapy, the first case that applies:

    7. A name of the plan's list of drugs, compared in the same way: the ingredient.
    8. The therapy is not coded, and its reported name is such a name: the ingredient.
    9. Any other name: it stays as it is.

    Of every visit, the first case that applies:

    10. A word of the plan's list of visits, compared in the same way: the visit it stands for.
    11. Any other word: as after cases 1 and 2.

    12. Preferred terms and body systems of adverse events that differ only in case, spaces, hyphens
        and British or American spelling are one term, written as most records write it; of
        spellings equally frequent the first in the alphabet.

    13. A record of a therapy, a dose, an event or a history (CM, EX, AE, MH) whose occurrence is N
        (--OCCUR), or that is NOT DONE (--STAT), says that there was none: no rule reads it.
    14. A laboratory value or a concentration of another specimen than blood, serum or plasma
        (LBSPEC, PCSPEC) is of another test, whose code is followed by the specimen; without a
        specimen it is of blood. A specimen that is not known is a finding of the contracts.
    15. A condition of the medical history that is not coded (MHDECOD) is known by its reported term
        where that is a word of the codelist.
    """
    made = {name: _read(name, table, plan) for name, table in tables.items()}
    if "ae" in made:
        here = [name for name in SPELT if name in made["ae"]]
        made["ae"] = made["ae"].assign(**{name: _one_spelling(made["ae"][name]) for name in here})
    return made


def _read(name: str, table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """One domain by cases 1 to 11, 13 and 14."""
    made = _history(name, _of_specimen(name, _occurred(name, _coded(name, table))))
    return _visits(_drugs(name, _measured(name, made), plan), plan)


def _occurred(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The records of case 13 that say that something happened."""
    if name not in MAY_NOT_HAPPEN:
        return table
    cells = table.reindex(columns=[f"{name.upper()}OCCUR", f"{name.upper()}STAT"])
    none = (cells.iloc[:, 0] == "N") | (cells.iloc[:, 1] == "NOT DONE")
    return table[~none].reset_index(drop=True) if none.any() else table


def _history(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The conditions of case 15."""
    if name != "mh" or "MHDECOD" not in table or "MHTERM" not in table:
        return table
    named = table["MHTERM"].map(_named(table["MHTERM"], codelist("HISTORY").standard))
    return table.assign(MHDECOD=table["MHDECOD"].where(table["MHDECOD"].notna(), named))


def _of_specimen(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The test of a record of another specimen, by case 14."""
    specimen, test = f"{name.upper()}SPEC", f"{name.upper()}TESTCD"
    if name not in OF_BLOOD or specimen not in table or test not in table:
        return table
    other = table[specimen].notna() & ~table[specimen].isin(codelist("SPECIMEN").values)
    if not other.any():
        return table
    return table.assign(**{test: table[test].where(~other, table[test] + " " + table[specimen])})


def _one_spelling(cells: pd.Series) -> pd.Series:
    """Each term of a column in the one spelling of case 12."""
    often = cells.value_counts()
    order = sorted((-int(n), str(word)) for word, n in often.items() if isinstance(word, str))
    chosen: dict[str, str] = {}
    for _, word in order:
        chosen.setdefault(fold(word), word)
    words = {word: chosen[fold(word)] for _, word in order}
    other = [word for word, said in words.items() if word != said]
    return cells.map(words).where(cells.isin(other), cells) if other else cells


def _drugs(domain: str, table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    coded, reported = DRUGS.get(domain, (None, None))
    if coded is None or coded not in table:
        return table
    cells = table[coded]
    if reported is not None and reported in table:
        named = table[reported].map(_named(table[reported], plan.drugs.ingredient))
        cells = cells.where(cells.notna(), named)
    known = _named(cells, plan.drugs.ingredient)
    return table.assign(**{coded: cells.map(known).where(cells.isin(list(known)), cells)})


def _visits(table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    if "VISIT" not in table:
        return table
    cells = table["VISIT"]
    known = _named(cells, plan.visits.visit)
    return table.assign(VISIT=cells.map(known).where(cells.isin(list(known)), cells))


def _named(cells: pd.Series, read: Callable[[str], str | None]) -> dict[str, str]:
    """What each word of a column means, of those words that mean something."""
    words = (word for word in cells.dropna().unique() if isinstance(word, str))
    return {word: meant for word in words if (meant := read(word)) is not None}


def _coded(domain: str, table: pd.DataFrame) -> pd.DataFrame:
    made = table
    for column, entries in coded_columns().get(domain, {}).items():
        if column in made:
            made = made.assign(**{column: _values(made, column, entries)})
    return made


def _values(table: pd.DataFrame, column: str, entries: tuple[Coded, ...]) -> pd.Series:
    cells = table[column]
    found = cells
    open_ = pd.Series(True, table.index)
    for entry in entries:
        here = open_ & _applies(table, entry)
        words = {
            word: value
            for word in cells[here].dropna().unique()
            if isinstance(word, str) and (value := entry.codelist.standard(word)) is not None
        }
        changed = here & cells.isin([word for word, value in words.items() if word != value])
        if changed.any():
            found = found.where(~changed, cells.map(words))
        open_ &= ~here
    return found


def _applies(table: pd.DataFrame, entry: Coded) -> pd.Series:
    here = pd.Series(True, table.index)
    for name, values in entry.where.items():
        here &= table[name].isin(values) if name in table else False
    return here


def _measured(domain: str, table: pd.DataFrame) -> pd.DataFrame:
    if domain not in MEASURED or MEASURED[domain][0] not in table:
        return table
    made = table
    for entry in units_of(domain):
        made = _in_unit(domain, made, entry)
    return made


def _in_unit(domain: str, table: pd.DataFrame, entry: Units) -> pd.DataFrame:
    """The records of some tests in the units that the rules read, by cases 3 to 5."""
    column, numbers, result = MEASURED[domain]
    test = f"{domain.upper()}TESTCD"
    asked = table[test].isin(entry.tests) if entry.tests else table[column].notna()
    made = table
    for said in table.loc[asked, column].dropna().unique():
        unit = entry.read(said)
        if unit is not None and unit.unit == said:
            continue
        rows = asked & (table[column] == said)
        if unit is None or unit.factor != 1:
            for name in (name for name in numbers if name in made):
                made = made.assign(**{name: made[name].where(~rows, _times(made[name], unit))})
            if result in made:
                texts = [_text(text, unit) for text in made[result]]
                other = pd.Series(texts, made.index, dtype="object")
                made = made.assign(**{result: made[result].where(~rows, other)})
        if unit is not None:
            made = made.assign(**{column: made[column].where(~rows, unit.unit)})
    return made


def _times(cells: pd.Series, unit: Unit | None) -> pd.Series:
    if unit is None:
        return pd.Series(float("nan"), cells.index)
    return cells.astype(float).map(unit.of, na_action="ignore")


def _text(text: object, unit: Unit | None) -> str | None:
    """A result as text in another unit, the sign of a limit kept; None where it says no number.

    A word that says below or above quantification without a number stays.
    """
    if not isinstance(text, str) or unit is None:
        return None
    said = quantity(text)
    if said.value is None:
        return text if said.side else None
    return f"{said.side}{number_text(unit.of(said.value))}"
