"""Results of a findings domain as numbers, one rule for all that lie beyond an assay's range."""

import math
from typing import Any

import pandas as pd

from sap.catalogue.quantities import Quantity, quantity


def quantified(table: pd.DataFrame, domain: str) -> pd.DataFrame:
    """Results below and above the limit of quantification, of PSA, laboratory and plasma.

    The first case that applies to a result; LLOQ and ULOQ are the limits that the record names:

    1. The result says below quantification ("<0.1", "< 0.1", "<= 0.1", "BLQ", "<LLOQ"): its value
       is the limit, the number behind the sign; where there is none, LLOQ. PSA takes
       `psa_response.below_quantification` instead. A number stored beside such a result does not
       count.
    2. The result says above quantification (">5000", ">= 5000", ">ULOQ"): its value is the limit in
       the same way, from ULOQ where no number stands behind the sign.
    3. Any other result with a number: that number (--STRESN, else the number in --STRESC).
    4. Neither a number nor one of these words: no value; the data checks name the record.

    Numbers are read at 15 significant digits. Means, medians and grades take such a limit as the
    value.
    """
    name = domain.upper()
    columns = [f"{name}{part}" for part in ("STRESC", "STRESN", "LLOQ", "ULOQ")]
    cells = table.reindex(columns=columns).astype(object)
    said = [_quantity(*row) for row in cells.itertuples(index=False, name=None)]
    return pd.DataFrame(
        {
            "VALUE": pd.Series([one.value for one in said], table.index, dtype=float),
            "SIDE": pd.Series([one.side for one in said], table.index, dtype=object),
        }
    )


def _quantity(text: Any, stated: Any, lower: Any, upper: Any) -> Quantity:
    numbers = (
        None if one is None or math.isnan(one) else float(one) for one in (stated, lower, upper)
    )
    return quantity(text if isinstance(text, str) else None, *numbers)
