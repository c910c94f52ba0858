"""Known defects planted in an extract: what the data contracts must find, all of it.

Each kind of defect breaks one rule of the contracts, in one row of one domain. The list of what was
planted stands beside the extract, so that a check can be checked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from sap.errors import UsageError

Tables = dict[str, pd.DataFrame]
Cells = dict[str, str | None]
PLANTED_COLUMNS = ["kind", "domain", "rule", "row", "USUBJID"]


@dataclass(frozen=True)
class Defect:
    """One kind: where it is planted, which rows can carry it, and what is then written there.

    `change` gets the row together with the patient's row of dm. A defect that `appends` adds the changed copy of
    the row at the end of the table.
    """

    kind: str
    domain: str
    rule: str
    change: Callable[[Cells], Cells]
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    filled: tuple[str, ...] = ()
    dead: bool = False
    appends: bool = False


def _set(**cells: str | None) -> Callable[[Cells], Cells]:
    return lambda _: cells


def _moved(day: str | None, days: int) -> str:
    return (date.fromisoformat(str(day)[:10]) + timedelta(days=days)).isoformat()


def _before_consent(row: Cells) -> Cells:
    day = _moved(row["RFICDTC"], -30)
    return {"EXSTDTC": day, "EXENDTC": day}


def _after_death(row: Cells) -> Cells:
    return {"LBDTC": _moved(row["DTHDTC"], 10)}


def _ends_before(row: Cells) -> Cells:
    return {"AEENDTC": _moved(row["AESTDTC"], -6)}


def _dies_before_consent(row: Cells) -> Cells:
    return {"DTHDTC": _moved(row["RFICDTC"], -40), "DTHFL": "Y"}


def _next_number(row: Cells) -> Cells:
    return {"AESEQ": str(int(str(row["AESEQ"])) + 500)}


PSA = (("LBTESTCD", ("PSA",)),)
INFUSION = (("EXTRT", ("CABAZITAXEL",)),)

DEFECTS: tuple[Defect, ...] = (
    Defect("treatment before consent", "ex", "ex-before-consent", _before_consent, INFUSION),
    Defect(
        "PSA is not a number",
        "lb",
        "lb-result-psa",
        _set(LBORRES="abc", LBSTRESC="abc", LBSTRESN=None),
        PSA,
        ("LBSTRESN",),
    ),
    Defect("unknown unit", "lb", "lb-unit-psa", _set(LBSTRESU="pg/dL"), PSA, ("LBSTRESN",)),
    Defect("duplicated subject", "dm", "extract-key", _set(), appends=True),
    Defect(
        "day not in the calendar",
        "lb",
        "extract-date-time",
        _set(LBDTC="2017-02-30"),
        filled=("LBSTRESC",),
    ),
    Defect(
        "AR-V7 without its sample",
        "gf",
        "gf-result-without-sample",
        _set(GFREFID="NO-SUCH-SAMPLE"),
        (("VISIT", ("CYCLE 3", "CYCLE 4", "END OF TREATMENT", "SCREENING")),),
        ("GFSTRESC",),
    ),
    Defect("subject not in DM", "ae", "extract-subject-unknown", _set(USUBJID="CARVE-9999")),
    Defect("grade 7", "ae", "ae-aetoxgr", _set(AETOXGR="7")),
    Defect(
        "negative PSA",
        "lb",
        "extract-negative",
        _set(LBORRES="-5", LBSTRESC="-5", LBSTRESN="-5"),
        PSA,
        ("LBSTRESN",),
    ),
    Defect("key twice", "lb", "extract-key", _set(), appends=True),
    Defect(
        "end before start", "ae", "ae-end-before-start", _ends_before, filled=("AEENDTC", "AESTDTC")
    ),
    Defect(
        "record after death",
        "lb",
        "extract-after-death",
        _after_death,
        filled=("LBDTC",),
        dead=True,
    ),
    Defect("dose in another unit", "ex", "ex-unit-cabazitaxel", _set(EXDOSU="mg"), INFUSION),
    Defect("unknown group", "dm", "dm-armcd", _set(ARMCD="C")),
    Defect("a woman", "dm", "dm-sex", _set(SEX="F")),
    Defect("unknown AR-V7 result", "gf", "gf-gfstresc", _set(GFSTRESC="WEAK"), (), ("GFSTRESC",)),
    Defect(
        "negative count",
        "cp",
        "extract-negative",
        _set(CPORRES="-3", CPSTRESC="-3", CPSTRESN="-3"),
        (),
        ("CPSTRESN",),
    ),
    Defect("no consent date", "dm", "dm-consent-date", _set(RFICDTC=None)),
    Defect("death before consent", "dm", "dm-death-before-consent", _dies_before_consent),
    Defect("lesion no patient found", "tr", "tr-link-unknown", _set(TRLNKID="T99")),
    Defect(
        "concentration in another unit", "pc", "pc-unit", _set(PCSTRESU="nmol/L"), (), ("PCSTRESN",)
    ),
    Defect("event twice", "ae", "ae-duplicate", _next_number, filled=("AESTDTC",), appends=True),
    Defect(
        "unknown reason to stop",
        "ds",
        "ds-treatment-term",
        _set(DSDECOD="BORED"),
        (("DSSCAT", ("STUDY TREATMENT",)),),
    ),
    Defect("unknown status", "ss", "ss-ssstresc", _set(SSSTRESC="PERHAPS")),
    Defect(
        "weight in stones",
        "vs",
        "vs-unit-weight",
        _set(VSSTRESU="stone"),
        (("VSTESTCD", ("WEIGHT",)),),
    ),
    Defect(
        "unknown response",
        "rs",
        "rs-overall",
        _set(RSORRES="BETTER", RSSTRESC="BETTER"),
        (("RSTESTCD", ("OVRLRESP",)),),
    ),
)


def mess(tables: Tables, seed: int, n: int) -> tuple[Tables, pd.DataFrame]:
    """A copy of the extract with `n` defects, and the list of them.

    The kinds are taken in turn; which row carries a defect is chance. No patient carries two defects,
    so that none hides another, and rows are only appended, so that row numbers hold.

    Parameters
    ----------
    tables
        An extract as `simulate` makes it; it is left as it is.
    seed
        Any whole number from 0.
    n
        How many defects.

    Returns
    -------
    tuple
        The messed tables, and `planted` with kind, domain, rule, row (1-based) and USUBJID.

    Raises
    ------
    UsageError
        There are not enough patients in the extract for `n` defects.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(99,))))
    messed = {domain: table.copy() for domain, table in tables.items()}
    used: set[str] = set()
    planted = []
    for number in range(n):
        defect = DEFECTS[number % len(DEFECTS)]
        rows = _candidates(messed, defect, used)
        if not rows:
            raise UsageError(
                f"n is too large: the extract has no subject left for '{defect.kind}'; plant fewer"
            )
        place = rows[int(rng.random() * len(rows))]
        used.add(str(messed[defect.domain]["USUBJID"].iloc[place]))
        planted.append(_plant(messed, defect, place))
        used.add(str(planted[-1][-1]))
    return messed, pd.DataFrame(planted, columns=PLANTED_COLUMNS)


def _candidates(tables: Tables, defect: Defect, used: set[str]) -> list[int]:
    """Positions of the rows that can carry the defect, of patients who carry none yet."""
    table = tables[defect.domain]
    fits = ~table["USUBJID"].isin(sorted(used))
    for column, values in defect.where:
        fits &= table[column].isin(values)
    for column in defect.filled:
        fits &= table[column].notna()
        if column.endswith("DTC"):
            fits &= table[column].str.len() >= len("2017-01-01")
    if defect.dead:
        dm = tables["dm"]
        fits &= table["USUBJID"].isin(dm.loc[dm["DTHDTC"].notna(), "USUBJID"])
    return [int(place) for place in np.flatnonzero(fits.to_numpy(dtype=bool))]


def _plant(tables: Tables, defect: Defect, place: int) -> list[str | int]:
    """Write the defect into its table; returns the line of the list."""
    table, dm = tables[defect.domain], tables["dm"]
    row: Cells = dict(table.iloc[place])
    subject: Cells = dict(dm[dm["USUBJID"] == row["USUBJID"]].iloc[0])
    changed: Cells = {**row, **defect.change({**subject, **row})}
    if defect.appends:
        place = len(table)
    table.loc[place] = [changed[str(column)] for column in table.columns]
    return [defect.kind, defect.domain, defect.rule, place + 1, str(changed["USUBJID"])]
