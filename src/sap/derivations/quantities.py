"""Numeric results of the findings domains, including those beyond the limits of quantification."""

from typing import Any

import pandas as pd

from sap.catalogue.quantities import Quantity, quantity


def quantified(table: pd.DataFrame, domain: str) -> pd.DataFrame:
    """Results below or above the limit of quantification, of PSA, laboratory and plasma.

    The first case that applies to a result; LLOQ and ULOQ are the limits given in the record:

    1. Below quantification ("<0.1", "< 0.1", "<= 0.1", "BLQ", "<LLOQ"): the limit, that is the number
       after the sign or, without one, LLOQ; for PSA `psa_response.below_quantification`. A number in
       --STRESN of such a result is not used.
    2. Above quantification (">5000", ">= 5000", ">ULOQ"): the limit, that is the number after the
       sign or, without one, ULOQ.
    3. Any other result with a number: that number (--STRESN, else the number in --STRESC).
    4. Any other result: no value; the data checks report the record.

    Numbers are read at 15 significant digits. Means, medians and grades use the limit as the value.
    """
    name = domain.upper()
    columns = [f"{name}{part}" for part in ("STRESC", "STRESN", "LLOQ", "ULOQ")]
    cells = table.reindex(columns=columns).astype(object)
    cells[cells.isna()] = None
    rows = list(cells.itertuples(index=False, name=None))
    read = {row: _quantity(*row) for row in set(rows)}  # most results of many patients are repeated
    return pd.DataFrame(
        {
            "VALUE": pd.Series([read[row].value for row in rows], table.index, dtype=float),
            "SIDE": pd.Series([read[row].side for row in rows], table.index, dtype=object),
        }
    )


def _quantity(text: Any, stated: Any, lower: Any, upper: Any) -> Quantity:
    numbers = (None if number is None else float(number) for number in (stated, lower, upper))
    return quantity(text if isinstance(text, str) else None, *numbers)
