"""Known data errors in a simulated extract, all of which the data contracts must report.

Each kind of error violates one rule of the contracts, in one row of one domain. The list of errors
(`planted.csv`) is written with the extract, for comparison with the findings.
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
class DataError:
    """One kind of data error: its domain, the eligible rows, and the changed values.

    `change` gets the row together with the row of the patient in dm. With `appends`, the changed copy
    of the row is added at the end of the table.
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

DATA_ERRORS: tuple[DataError, ...] = (
    DataError("treatment before consent", "ex", "ex-before-consent", _before_consent, INFUSION),
    DataError(
        "PSA is not a number",
        "lb",
        "lb-result-psa",
        _set(LBORRES="abc", LBSTRESC="abc", LBSTRESN=None),
        PSA,
        ("LBSTRESN",),
    ),
    DataError("unknown unit", "lb", "lb-unit-psa", _set(LBSTRESU="pg/dL"), PSA, ("LBSTRESN",)),
    DataError("duplicated subject", "dm", "extract-key", _set(), appends=True),
    DataError(
        "day not in the calendar",
        "lb",
        "extract-date-time",
        _set(LBDTC="2017-02-30"),
        filled=("LBSTRESC",),
    ),
    DataError(
        "AR-V7 without its sample",
        "gf",
        "gf-result-without-sample",
        _set(GFREFID="NO-SUCH-SAMPLE"),
        (("VISIT", ("CYCLE 3", "CYCLE 4", "END OF TREATMENT", "SCREENING")),),
        ("GFSTRESC",),
    ),
    DataError("subject not in DM", "ae", "extract-subject-unknown", _set(USUBJID="CARVE-9999")),
    DataError("grade 7", "ae", "ae-aetoxgr", _set(AETOXGR="7")),
    DataError(
        "negative PSA",
        "lb",
        "extract-negative",
        _set(LBORRES="-5", LBSTRESC="-5", LBSTRESN="-5"),
        PSA,
        ("LBSTRESN",),
    ),
    DataError("key twice", "lb", "extract-key", _set(), appends=True),
    DataError(
        "end before start", "ae", "ae-end-before-start", _ends_before, filled=("AEENDTC", "AESTDTC")
    ),
    DataError(
        "record after death",
        "lb",
        "extract-after-death",
        _after_death,
        filled=("LBDTC",),
        dead=True,
    ),
    DataError("dose in another unit", "ex", "ex-unit-cabazitaxel", _set(EXDOSU="mg"), INFUSION),
    DataError("unknown group", "dm", "dm-armcd", _set(ARMCD="C")),
    DataError("female sex", "dm", "dm-sex", _set(SEX="F")),
    DataError(
        "unknown AR-V7 result", "gf", "gf-gfstresc", _set(GFSTRESC="WEAK"), (), ("GFSTRESC",)
    ),
    DataError(
        "negative count",
        "cp",
        "extract-negative",
        _set(CPORRES="-3", CPSTRESC="-3", CPSTRESN="-3"),
        (),
        ("CPSTRESN",),
    ),
    DataError("no consent date", "dm", "dm-consent-date", _set(RFICDTC=None)),
    DataError("death before consent", "dm", "dm-death-before-consent", _dies_before_consent),
    DataError("lesion not in TU", "tr", "tr-link-unknown", _set(TRLNKID="T99")),
    DataError(
        "concentration in another unit", "pc", "pc-unit", _set(PCSTRESU="nmol/L"), (), ("PCSTRESN",)
    ),
    DataError("event twice", "ae", "ae-duplicate", _next_number, filled=("AESTDTC",), appends=True),
    DataError(
        "unknown reason to stop",
        "ds",
        "ds-treatment-term",
        _set(DSDECOD="BORED"),
        (("DSSCAT", ("STUDY TREATMENT",)),),
    ),
    DataError("unknown status", "ss", "ss-ssstresc", _set(SSSTRESC="PERHAPS")),
    DataError(
        "weight in stones",
        "vs",
        "vs-unit-weight",
        _set(VSSTRESU="stone"),
        (("VSTESTCD", ("WEIGHT",)),),
    ),
    DataError(
        "unknown response",
        "rs",
        "rs-overall",
        _set(RSORRES="BETTER", RSSTRESC="BETTER"),
        (("RSTESTCD", ("OVRLRESP",)),),
    ),
)


def with_errors(tables: Tables, seed: int, n: int) -> tuple[Tables, pd.DataFrame]:
    """A copy of the extract with `n` data errors, and the list of them.

    The kinds are used in turn; the row is random. No patient has two errors, so that none hides
    another, and rows are only appended, so that row numbers do not change.

    Parameters
    ----------
    tables
        An extract of `simulate`; not changed.
    seed
        An integer from 0.
    n
        The number of errors.

    Returns
    -------
    tuple
        The tables with errors, and `planted` with kind, domain, rule, row (1-based) and USUBJID.

    Raises
    ------
    UsageError
        There are not enough patients in the extract for `n` errors.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(99,))))
    with_errors_added = {domain: table.copy() for domain, table in tables.items()}
    used: set[str] = set()
    planted = []
    for number in range(n):
        error = DATA_ERRORS[number % len(DATA_ERRORS)]
        rows = _candidates(with_errors_added, error, used)
        if not rows:
            raise UsageError(
                f"n is too large: the extract has no subject left for '{error.kind}'; use fewer"
            )
        place = rows[int(rng.random() * len(rows))]
        used.add(str(with_errors_added[error.domain]["USUBJID"].iloc[place]))
        planted.append(_plant(with_errors_added, error, place))
        used.add(str(planted[-1][-1]))
    return with_errors_added, pd.DataFrame(planted, columns=PLANTED_COLUMNS)


def _candidates(tables: Tables, error: DataError, used: set[str]) -> list[int]:
    """Positions of the eligible rows, of patients without an error so far."""
    table = tables[error.domain]
    fits = ~table["USUBJID"].isin(sorted(used))
    for column, values in error.where:
        fits &= table[column].isin(values)
    for column in error.filled:
        fits &= table[column].notna()
        if column.endswith("DTC"):
            fits &= table[column].str.len() >= len("2017-01-01")
    if error.dead:
        dm = tables["dm"]
        fits &= table["USUBJID"].isin(dm.loc[dm["DTHDTC"].notna(), "USUBJID"])
    return [int(place) for place in np.flatnonzero(fits.to_numpy(dtype=bool))]


def _plant(tables: Tables, error: DataError, place: int) -> list[str | int]:
    """Write the error into its table; returns its line of the list."""
    table, dm = tables[error.domain], tables["dm"]
    row: Cells = dict(table.iloc[place])
    subject: Cells = dict(dm[dm["USUBJID"] == row["USUBJID"]].iloc[0])
    changed: Cells = {**row, **error.change({**subject, **row})}
    if error.appends:
        place = len(table)
    table.loc[place] = [changed[str(column)] for column in table.columns]
    return [error.kind, error.domain, error.rule, place + 1, str(changed["USUBJID"])]
