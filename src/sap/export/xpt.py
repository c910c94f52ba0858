"""SAS transport version 5, as regulators accept it: what does not fit is refused, not truncated.

The format is TS-140 of SAS Institute. pyreadstat writes it; it accepts over-long and non-ASCII text
and writes the time, so both are handled here.
"""

import datetime as dt
import re
import tempfile
from pathlib import Path

import pandas as pd

from sap.catalogue.adam import dataset_label, label_of
from sap.errors import UsageError

LONGEST_TEXT = 200
LONGEST_LABEL = 40
NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
DATE_FORMAT = "DATE9"
LARGEST = 7.2e75  # of an IBM floating-point number
SMALLEST = 5.4e-79

# The positions of dates in the two headers of TS-140: created and modified, of the library and the member.
STAMPS = (144, 160, 464, 480)


def faults(frame: pd.DataFrame, name: str) -> list[str]:
    """The reasons why a dataset cannot become XPT v5, with column and rows; never a value.

    1. The name of the dataset or a variable is longer than 8 characters, or not A-Z, 0-9, _.
    2. A label of the dataset or a variable is longer than 40 characters, or not printable ASCII.
    3. A text holds characters outside ASCII or control characters (at the first NUL the writer would
       end the text), or takes more than 200 bytes.
    4. A number is infinite or beyond the range of the format.
    """
    reasons = []
    if not NAME.fullmatch(name.upper()):
        reasons.append(f"{name.upper()}: XPT v5 permits names of 8 letters, digits or _ at most")
    reasons += _label_faults(name.upper(), dataset_label(name))
    for column in map(str, frame.columns):
        where = f"{name.upper()}.{column}"
        if not NAME.fullmatch(column):
            reasons.append(f"{where}: XPT v5 permits names of 8 letters, digits or _ at most")
        reasons += _label_faults(where, label_of(column))
        cells = frame[column]
        if pd.api.types.is_numeric_dtype(cells):
            numbers = cells.astype(float).abs()
            odd = (numbers > LARGEST) | ((numbers < SMALLEST) & (numbers > 0))
            reasons += _rows(where, odd, "a number that XPT v5 cannot hold")
        elif not pd.api.types.is_datetime64_any_dtype(cells):
            text = cells.fillna("").astype(str)
            reasons += _rows(where, text.map(lambda t: not t.isascii()), "text outside ASCII")
            control = text.map(lambda t: CONTROL.search(t) is not None)
            reasons += _rows(where, control, "text with a control character")
            long = text.map(lambda t: len(t.encode()) > LONGEST_TEXT)
            reasons += _rows(where, long, f"text of more than {LONGEST_TEXT} bytes")
    return reasons


def _label_faults(where: str, label: str) -> list[str]:
    reasons = []
    if len(label) > LONGEST_LABEL:
        reasons.append(f"{where}: its label is longer than {LONGEST_LABEL} characters")
    if not label.isascii() or CONTROL.search(label):
        reasons.append(f"{where}: its label has a character outside printable ASCII")
    return reasons


def _rows(where: str, odd: "pd.Series[bool]", what: str) -> list[str]:
    rows = [str(position + 1) for position in odd.to_numpy().nonzero()[0]]
    listed = ", ".join(rows[:10]) + (", ..." if len(rows) > 10 else "")
    return [f"{where}: {what} in row(s) {listed}"] if rows else []


def xpt(frame: pd.DataFrame, name: str, moment: dt.date) -> bytes:
    """The dataset as the bytes of an XPT v5 file stamped with `moment`.

    Text has the length in bytes of its longest value (at least 1); dates are SAS dates with the
    format DATE9.; missing text is blank, as the format knows no other.

    Raises
    ------
    UsageError
        What the format cannot hold (`faults`), all at once. Nothing is truncated.
    """
    import pyreadstat

    reasons = faults(frame, name)
    if reasons:
        raise UsageError(
            "This cannot be written as XPT v5:\n"
            + "\n".join(f"  - {line}" for line in reasons)
            + "\nCorrect it at its source, or export Dataset-JSON, which can hold it."
        )
    plain = frame.copy()
    formats = {}
    for column in map(str, frame.columns):
        cells = frame[column]
        if pd.api.types.is_datetime64_any_dtype(cells):
            plain[column] = (cells - pd.Timestamp("1960-01-01")).dt.days.astype(float)
            formats[column] = DATE_FORMAT
        elif pd.api.types.is_numeric_dtype(cells):
            plain[column] = cells.astype(float)
        else:
            plain[column] = cells.fillna("").astype(str)
    with tempfile.TemporaryDirectory(prefix="sap-xpt-") as folder:
        path = Path(folder) / f"{name.lower()}.xpt"
        pyreadstat.write_xport(
            plain,
            path,
            file_label=dataset_label(name),
            column_labels=[label_of(str(c)) for c in frame.columns],
            table_name=name.upper(),
            file_format_version=5,
            variable_format=formats,
        )
        return _stamped(path.read_bytes(), moment)


def _stamped(content: bytes, moment: dt.date) -> bytes:
    months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    stamp = f"{moment.day:02d}{months[moment.month - 1]}{moment.year % 100:02d}:00:00:00".encode()
    stamped = bytearray(content)
    for position in STAMPS:
        if not re.fullmatch(rb"\d\d[A-Z]{3}\d\d:\d\d:\d\d:\d\d", stamped[position : position + 16]):
            raise UsageError(
                "the XPT writer wrote its date at another position: use the locked pyreadstat"
            )
        stamped[position : position + 16] = stamp
    return bytes(stamped)
