"""Permitted variants of terms and units in an extract; the seed chooses among them once per trial.

No number, date or decision depends on the variants. Each choice has a random stream of its own, so
that a further choice changes none of the others.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from sap.simulate.subject import chance, stream

Tables = dict[str, pd.DataFrame]

# WHODrug's preferred names of the same drugs: salts and hydrates.
PREFERRED: Mapping[str, str] = {
    "ABIRATERONE": "ABIRATERONE ACETATE",
    "GOSERELIN": "GOSERELIN ACETATE",
    "RADIUM-223": "RADIUM RA 223 DICHLORIDE",
}
CRITERIA = ("AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE")
TIMED = {
    "be": ("BEDTC",),
    "lb": ("LBDTC",),
    "pc": ("PCDTC", "PCRFTDTC"),
    "ex": ("EXSTDTC", "EXENDTC"),
}


def new_lesions(tables: Tables) -> Tables:
    """A new lesion is TUTESTCD NEWTUMOR instead of TUMIDENT with the result NEW, or the reverse."""
    tu = tables["tu"]
    new = tu["TUORRES"].eq("NEW")
    return {**tables, "tu": tu.assign(TUTESTCD=tu["TUTESTCD"].mask(new, "TUMIDENT"))}


def drug_names(tables: Tables) -> Tables:
    """Other therapy has its preferred name in WHODrug."""
    return {
        **tables,
        "cm": _changed(tables["cm"], "CMDECOD", lambda word: PREFERRED.get(word, word)),
    }


def drug_case(tables: Tables) -> Tables:
    """Other therapy is written Docetaxel, not DOCETAXEL."""
    return {**tables, "cm": _changed(tables["cm"], "CMDECOD", str.capitalize)}


def event_case(tables: Tables) -> Tables:
    """Terms of events are written as MedDRA does, Febrile neutropenia, not in capitals."""
    ae = tables["ae"]
    for column in ("AEDECOD", "AEBODSYS", "AESOC"):
        ae = _changed(ae, column, str.capitalize)
    return {**tables, "ae": ae}


def criteria_answered_no(tables: Tables) -> Tables:
    """Each criterion of a serious event has a value, N where it does not apply."""
    filled = {column: tables["ae"][column].fillna("N") for column in CRITERIA}
    return {**tables, "ae": tables["ae"].assign(**filled)}


def psa_unit(tables: Tables) -> Tables:
    """PSA is in ng/mL, which is ug/L."""
    lb = tables["lb"]
    psa = lb["LBTESTCD"].eq("PSA") & lb["LBSTRESU"].notna()
    return {**tables, "lb": lb.assign(LBSTRESU=lb["LBSTRESU"].mask(psa, "ng/mL"))}


def seconds(tables: Tables) -> Tables:
    """Times of day have seconds."""
    made = dict(tables)
    for domain, columns in TIMED.items():
        for column in columns:
            made[domain] = _changed(
                made[domain], column, lambda when: f"{when}:00" if "T" in when else when
            )
    return made


# The place in this list is part of the seed: append, never reorder.
CHOICES: tuple[Callable[[Tables], Tables], ...] = (
    new_lesions,
    drug_names,
    drug_case,
    event_case,
    criteria_answered_no,
    psa_unit,
    seconds,
)


def with_variants(tables: Tables, seed: int) -> Tables:
    """The extract with the variants chosen by the seed, each with probability one half."""
    for place, choice in enumerate(CHOICES):
        if chance(stream(seed, 0, "words", place), 0.5):
            tables = choice(tables)
    return tables


def _changed(table: pd.DataFrame, column: str, change: Callable[[str], str]) -> pd.DataFrame:
    cells = [change(cell) if isinstance(cell, str) else cell for cell in table[column]]
    return table.assign(**{column: pd.Series(cells, index=table.index, dtype=object)})
