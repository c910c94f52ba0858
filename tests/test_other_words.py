"""The same trial in other legal words gives the same results, every number.

Each turn rewrites the extract of the simulation as another site, another laboratory or CDISC's own
examples would write it: other words of the same codelist, other names of the same drug, another unit
with its values, another form of the same time. The turns are written from the standards, over the
tables, and know nothing of how the words are read.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.pipeline import analyses
from sap.plan import read_plan
from sap.simulate.trial import simulate
from sap.simulate.variants import CHOICES

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
SEED = 128
Tables = dict[str, pd.DataFrame]


def replaced(table: pd.DataFrame, column: str, words: dict[str, str]) -> pd.DataFrame:
    return table.assign(**{column: table[column].map(lambda cell: words.get(cell, cell))})


def changed(table: pd.DataFrame, column: str, change: Callable[[str], str]) -> pd.DataFrame:
    cells = table[column].map(lambda cell: change(cell) if isinstance(cell, str) else cell)
    return table.assign(**{column: cells.astype(object)})


def nodes(tables: Tables) -> Tables:
    """CDISC puts the node last, others put it first, with or without a comma, in any case."""
    words = {
        "RETROPERITONEAL LYMPH NODE": "Lymph node, retroperitoneal",
        "COMMON ILIAC LYMPH NODE": "LYMPH NODE COMMON ILIAC",
        "PELVIC LYMPH NODE": "Pelvic lymph node",
        "LIVER": "Liver",
    }
    return {**tables, "tu": replaced(tables["tu"], "TULOC", words)}


def new_lesions(tables: Tables) -> Tables:
    """SDTMIG 3.4, TU: a new lesion is TUTESTCD TUMIDENT with TUSTRESC NEW; other extracts write
    TUTESTCD NEWTUMOR. Each into the other."""
    tu = tables["tu"]
    new = tu["TUORRES"].str.upper() == "NEW"
    other = tu["TUTESTCD"].map({"NEWTUMOR": "TUMIDENT", "TUMIDENT": "NEWTUMOR"})
    tu = tu.assign(TUTESTCD=tu["TUTESTCD"].mask(new, other))
    return {**tables, "tu": tu.assign(TUSTRESC=tu["TUORRES"])}


def lesion_words(tables: Tables) -> Tables:
    """The words of the readings in another case; an answer in words instead of its letters."""
    tu = replaced(tables["tu"], "TUORRES", {"TARGET": "Target", "NON-TARGET": "NON-TARGET LESION"})
    tr = replaced(tables["tr"], "TRSTRESC", {"PRESENT": "Present", "ABSENT": "Absent"})
    rs = tables["rs"]
    words = {"PR": "Partial response", "NE": "NOT EVALUABLE", "NON-CR/NON-PD": "Non-CR/Non-PD"}
    rated = rs["RSTESTCD"].isin(["OVRLRESP", "TRGRESP", "SFTSRESP"])
    rs = rs.assign(RSSTRESC=rs["RSSTRESC"].mask(rated, replaced(rs, "RSSTRESC", words)["RSSTRESC"]))
    return {**tables, "tu": tu, "tr": tr, "rs": rs}


def drugs(tables: Tables) -> Tables:
    """WHODrug's preferred names are salts and hydrates; others write generic names in lower case."""
    words = {
        "ABIRATERONE": "ABIRATERONE ACETATE",
        "ENZALUTAMIDE": "Enzalutamide",
        "DOCETAXEL": "Docetaxel",
        "CABAZITAXEL": "Cabazitaxel acetone",
        "GOSERELIN": "GOSERELIN ACETATE",
        "RADIUM-223": "RADIUM RA 223 DICHLORIDE",
    }
    back = {other: word for word, other in words.items()}
    treatment = {"CABAZITAXEL": "Jevtana", "PREDNISONE": "Prednisone", "Cabazitaxel": "CABAZITAXEL"}
    cm = replaced(tables["cm"], "CMDECOD", {**back, **words})
    return {**tables, "cm": cm, "ex": replaced(tables["ex"], "EXTRT", treatment)}


def event_case(tables: Tables) -> Tables:
    """MedDRA's own spelling is a sentence: Febrile neutropenia. Others write capitals."""

    def turned(word: str) -> str:
        return word.capitalize() if word.isupper() else word.upper()

    ae = tables["ae"]
    for column in ("AEDECOD", "AEBODSYS", "AESOC", "AEOUT", "AEREL", "AEACN"):
        ae = changed(ae, column, turned)
    for column in ("AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE"):
        ae = ae.assign(**{column: ae[column].fillna("N")})
    return {**tables, "ae": ae}


def scaled(
    table: pd.DataFrame, rows: pd.Series, columns: tuple[str, ...], tens: int
) -> pd.DataFrame:
    """Numbers of some rows with the decimal point moved, as text and exactly."""
    made = table.copy()
    for column in columns:
        numbers = rows & made[column].notna()
        made.loc[numbers, column] = [
            f"{Decimal(cell).scaleb(tens).normalize():f}" for cell in made.loc[numbers, column]
        ]
    return made


def units(tables: Tables) -> Tables:
    """Other ways of writing a unit (UCUM, US laboratories), and other units by powers of ten."""
    lb, tr, pc = tables["lb"], tables["tr"], tables["pc"]
    words = {"ug/L": "ng/mL", "ng/mL": "ug/L", "10^9/L": "10^3/uL", "U/L": "IU/L"}
    lb = replaced(replaced(lb, "LBSTRESU", words), "LBORRESU", words)
    albumin = lb["LBTESTCD"].eq("ALB") & lb["LBSTRESN"].notna()
    lb = scaled(lb, albumin, ("LBSTRESN", "LBSTRESC", "LBSTNRLO", "LBSTNRHI"), -1)
    lb = lb.assign(LBSTRESU=lb["LBSTRESU"].mask(albumin, "g/dL"))
    size = tr["TRSTRESN"].notna()
    tr = scaled(tr, size, ("TRSTRESN", "TRSTRESC"), -1)
    tr = tr.assign(TRSTRESU=tr["TRSTRESU"].mask(size, "cm"))
    pc = replaced(pc, "PCSTRESU", {"ng/mL": "ug/L"})
    return {**tables, "lb": lb, "tr": tr, "pc": pc}


def times(tables: Tables) -> Tables:
    """ISO 8601 (SDTMIG 3.4, 4.4): with seconds or without; a time on what had a date alone."""

    def turned(when: str) -> str:
        if "T" not in when:
            return when
        return when[:16] if len(when) > 16 else f"{when}:00"

    made = dict(tables)
    for domain, column in (("lb", "LBDTC"), ("pc", "PCDTC"), ("pc", "PCRFTDTC"), ("be", "BEDTC")):
        made[domain] = changed(made[domain], column, turned)
    for column in ("EXSTDTC", "EXENDTC"):
        made["ex"] = changed(made["ex"], column, turned)
    for domain, column in (("ds", "DSSTDTC"), ("tu", "TUDTC"), ("tr", "TRDTC"), ("rs", "RSDTC")):
        made[domain] = changed(made[domain], column, lambda when: when[:10] + "T07:00")
    return made


def visits(tables: Tables) -> Tables:
    """C2D1 for CYCLE 2, and the names of the other visits in other words."""
    words = {f"CYCLE {n}": f"C{n}D1" for n in range(1, 15)}
    words |= {"SCREENING": "Screening", "END OF TREATMENT": "EOT", "RE-SCREENING": "Rescreening"}
    made = dict(tables)
    for domain, table in tables.items():
        if "VISIT" in table:
            made[domain] = replaced(table, "VISIT", words)
    return made


TURNS: tuple[Callable[[Tables], Tables], ...] = (
    nodes,
    new_lesions,
    lesion_words,
    drugs,
    event_case,
    units,
    times,
    visits,
)


def all_at_once(tables: Tables) -> Tables:
    for turn in TURNS:
        tables = turn(tables)
    return tables


def results(tables: Tables) -> dict[str, tuple[float, str]]:
    """Number and text of each result of the final cut by its key; the words of data are folded."""
    day = PLAN.cut_offs.dates["final"].date
    cut = snapshot.cut(contracts.typed(tables, contracts.load()), day)
    ard = analyses.analyse(cut, PLAN, day).ard
    keys = [name for name in ard if name not in ("stat", "stat_text")]
    names = [
        " | ".join(map(str, row))
        for row in ard.assign(
            level=ard["level"].str.casefold(), sublevel=ard["sublevel"].str.casefold()
        )[keys].itertuples(index=False)
    ]
    assert len(set(names)) == len(names)
    texts = ard["stat_text"].fillna("").str.casefold()
    return dict(zip(names, zip(ard["stat"], texts, strict=True), strict=True))


def differences(
    got: dict[str, tuple[float, str]], wanted: dict[str, tuple[float, str]]
) -> list[str]:
    """The keys that only one of the two has, and those whose number or text is another."""
    apart = [
        key
        for key in sorted(set(got) & set(wanted))
        if got[key][1] != wanted[key][1]
        or (got[key][0] != pytest.approx(wanted[key][0], rel=1e-9, abs=1e-9, nan_ok=True))
    ]
    return sorted(set(got) ^ set(wanted)) + apart


@pytest.fixture(scope="module")
def extract() -> Tables:
    return simulate(SEED)


@pytest.fixture(scope="module")
def expected(extract) -> dict[str, tuple[float, str]]:
    return results(extract)


def words_of_the_simulation(tables: Tables) -> Tables:
    """Every choice of words that a seed can make, at once."""
    for choice in CHOICES[:-1]:  # the last, seconds, is one of `times`, and can be made once
        tables = choice(tables)
    return tables


EACH = [
    *(
        pytest.param(turn, marks=pytest.mark.long) for turn in TURNS
    ),  # one by one, to find the cause
    *(
        pytest.param(turn, marks=pytest.mark.slow)
        for turn in (all_at_once, words_of_the_simulation)
    ),
]


@pytest.mark.parametrize("turn", EACH, ids=lambda turn: turn.__name__)
def test_the_ard_is_that_of_the_untransformed_extract(extract, expected, turn):
    turned = turn(extract)
    assert any(not turned[name].equals(extract[name]) for name in extract)
    assert differences(results(turned), expected) == []


@pytest.mark.slow
def test_a_word_that_no_list_has_does_move_results(extract, expected):
    """A node that is not known as one is measured by its long axis, and is no target below 10 mm."""
    moved = {**extract, "tu": changed(extract["tu"], "TULOC", lambda _: "THERE")}
    assert len(differences(results(moved), expected)) > 5


@pytest.mark.slow
def test_the_contracts_find_in_the_other_words_what_they_find_in_the_first(extract):
    """The same rules in the same rows: no legal word is a breach, and none hides one."""

    def found(tables: Tables) -> list[tuple[object, ...]]:
        rows = contracts.check(tables, contracts.load(), PLAN.inputs.required, plan=PLAN)
        return sorted(rows[["domain", "rule", "row"]].itertuples(index=False, name=None), key=str)

    first = found(extract)
    assert len(first) > 10
    assert found(all_at_once(extract)) == first
