"""Numbers in the forms found in extracts, and their significant digits."""

import re

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
DIGITS = 15
"""A number of a SAS transport file keeps at least 15 digits; digits after them are not reliable."""

_MISSING = re.compile(r"\.(?:[A-Z_a-z])?|NA|NaN")


def significant(number: float) -> float:
    """The number at 15 significant digits, as used for comparison and output; an integer is unchanged.

    >>> significant(0.1 + 0.2), significant(0.30000000000000004) == 0.3, significant(5e-324)
    (0.3, True, 5e-324)
    """
    return number if number.is_integer() else float(f"{number:.{DIGITS}g}")


def number(text: str | None) -> float | None:
    """The number of a text, at 15 significant digits, or None.

    >>> number("0.10"), number("<0.1"), number("1e5"), number("١"), number("7.3000000000000007")
    (0.1, None, 100000.0, None, 7.3)
    """
    if text is None or NUMBER.fullmatch(text) is None:
        return None
    return significant(float(text))


def is_missing_number(text: str) -> bool:
    """Whether a text is a missing number of SAS (`.`, `.A` to `.Z`, `._`) or R (`NA`, `NaN`).

    >>> [is_missing_number(text) for text in (".", ".A", "NA", "0", "-", "NULL")]
    [True, True, True, False, False, False]
    """
    return _MISSING.fullmatch(text) is not None
