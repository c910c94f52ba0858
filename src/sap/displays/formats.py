"""How a number is printed: the only place of the product that rounds.

Rules (SAP, section on reporting conventions; they are those of SAS, not of Python):

1. Half is rounded away from zero, on exact decimals: the shortest decimal that gives the float
   back (`Decimal(repr(x))`), and exact fractions where count and denominator are known.
2. `-0.0` is never printed.
3. NaN and infinity are `NE`, not estimable, or `NC` where the ARD gives a reason of what was never
   collected; None is `–`, not calculated; a response that is not evaluable is `NEv`. They are never
   mixed up.
4. Count and percent are `12 (48.0)`; a count of zero is `0` with no percent; all of them is `100`. A
   percentage without a count (a rate, a limit) has its decimal always: `100.0`.
5. p-values have four decimals; `<0.0001` and `>0.9999` at the ends.
6. A mean, median or quartile has one decimal more than the data, a standard deviation as many as the
   mean, minimum and maximum as many as the data. A derived percentage or time (months, years, weeks) is
   no datum of its own: one decimal throughout (`Decimals`).

Why not Python's own formatting: it rounds half of all exact ties to the even neighbour, so 1 of 16
(6.25%) would print as 6.2 where every SAS table prints 6.3.

`typeset` gives the texts around the numbers their printed signs: `≥` for `>=`, `mg/m²` for `mg/m2`,
`32.0%` for `32.0 %`.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from math import isfinite
from typing import Literal, NamedTuple

from sap.catalogue.reasons import NOT_COLLECTED, NOT_ESTIMABLE, NOT_EVALUABLE

NE = NOT_ESTIMABLE
NC = NOT_COLLECTED
NEV = NOT_EVALUABLE
NOT_CALCULATED = "\u2013"
FIGURE_SPACE = "\u2007"
MINUS = "\u2212"

# Plain text, as plan, data and code write it, and what is printed for it.
_SIGNS = {
    ">=": "≥",
    "<=": "≤",
    "ug/": "µg/",
    "umol/": "µmol/",
    "H0": "H₀",
    "p0": "p₀",
    "p1": "p₁",
    "m2": "m²",
    "n1": "n₁",
    "n2": "n₂",
    "r1": "r₁",
    "r2": "r₂",
    "log2": "log₂",
    "AUC0-h": "AUC₀₋ₕ",
}
_POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED = str.maketrans("0123456789-h", "₀₁₂₃₄₅₆₇₈₉₋ₕ")
_PLAIN = re.compile(
    r">=|<=|\bu(?:g|mol)/|\b(?:H0|p0|p1|m2|n1|n2|r1|r2|log2|AUC0-h)\b|(?:x ?)?\b10\^(\d+)"
    r"|\bAUC\((0-\d+) h\)|(?:(?<=\d)|^)[ \u00a0]%(?!\w)"
)

_MINUS = re.compile(r"(?<![\w.)\]/-])-(?=\d)")

Hundred = Literal["100", "100.0"]

# A float needs at most 1074 decimals; the default context of 28 digits would refuse 1e30.
_EXACT = Context(prec=1500, rounding=ROUND_HALF_UP)


def typeset(text: str) -> str:
    """`text` of a label, note or sentence with the signs that are printed.

    Texts of the data (terms, comments) are not passed through it: they print as they were recorded.

    >>> typeset("Grade >= 3"), typeset("Dose (mg/m2)"), typeset("PSA (ug/L)"), typeset("10^9/L")
    ('Grade ≥ 3', 'Dose (mg/m²)', 'PSA (µg/L)', '×10⁹/L')
    >>> typeset("Creatinine (umol/L)")
    'Creatinine (µmol/L)'
    >>> typeset("AUC(0-7 h) (ng·h/mL)"), typeset("log2 of n1")
    ('AUC₀₋₇ₕ (ng·h/mL)', 'log₂ of n₁')
    >>> typeset("95 % CI"), typeset("H0: p <= p0"), typeset("loss of 5 %ile")
    ('95% CI', 'H₀: p ≤ p₀', 'loss of 5 %ile')
    """
    return signed(_PLAIN.sub(_printed_sign, text))


def signed(text: str) -> str:
    """`text` with a minus sign in the place of a hyphen before a number: `−0.5`; dates and ranges keep theirs.

    >>> signed("(-37.8, -2)"), signed("2018-01-31"), signed("28-day"), signed("HR-D1")
    ('(−37.8, −2)', '2018-01-31', '28-day', 'HR-D1')
    """
    return _MINUS.sub(MINUS, text) if "-" in text else text


def _printed_sign(plain: re.Match[str]) -> str:
    if plain[1]:
        return f"×10{plain[1].translate(_POWERS)}"
    if plain[2]:
        return f"AUC{plain[2].translate(_LOWERED)}ₕ"
    return _SIGNS.get(plain[0], "%")


def _rounded(exact: Decimal, digits: int) -> str:
    text = f"{exact.quantize(Decimal(1).scaleb(-digits), context=_EXACT):f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def _unprintable(value: float | None) -> str | None:
    if value is None:
        return NOT_CALCULATED
    return None if isfinite(value) else NE


def fixed(value: float | None, digits: int) -> str:
    """`value` with `digits` decimals, half away from zero.

    >>> fixed(6.25, 1), f"{6.25:.1f}"
    ('6.3', '6.2')
    >>> fixed(-0.04, 1), fixed(-0.05, 1)
    ('0.0', '-0.1')
    >>> fixed(float("nan"), 1), fixed(None, 1)
    ('NE', '–')
    """
    if value is None or not isfinite(value):
        return NE if value is not None else NOT_CALCULATED
    # float(): the repr of a numpy number is not a number
    return _rounded(Decimal(repr(float(value))), digits)


def as_collected(value: float | None) -> str:
    """`value` with every decimal it has and no other: a dose, an age, a single measurement.

    >>> as_collected(25.0), as_collected(7.50), as_collected(0.1)
    ('25', '7.5', '0.1')
    """
    special = _unprintable(value)
    if special is not None or value is None:
        return special or NOT_CALCULATED
    exact = Decimal(repr(float(value)))
    return _rounded(exact, max(0, -int(exact.normalize().as_tuple().exponent)))


def decimals(values: Sequence[float]) -> int:
    """How many decimals the data were collected with: the most that any value needs.

    >>> decimals([61.0, 74.5, 80.25])
    2
    """
    needed = (len(as_collected(x).partition(".")[2]) for x in values if isfinite(x))
    return max(needed, default=0)


def count(value: float | None) -> str:
    """A count; the ARD carries it as a float.

    >>> count(12.0)
    '12'
    """
    special = _unprintable(value)
    if special is not None or value is None:
        return special or NOT_CALCULATED
    return str(_integer(value, "value"))


def _integer(value: float, name: str) -> int:
    if not isfinite(value) or value != int(value) or value < 0:
        raise ValueError(f"{name} must be a count, 0 or a whole number above")
    return int(value)


def proportion(value: float | None, digits: int = 1, hundred: Hundred = "100") -> str:
    """A proportion (0 to 1) as a percentage without the sign; all of them is `100`, without decimals.

    >>> proportion(0.12), proportion(1 / 16), proportion(0.0042113, 2)
    ('12.0', '6.3', '0.42')
    >>> proportion(1.0), proportion(1.0, hundred="100.0"), proportion(0.9999)
    ('100', '100.0', '100.0')
    """
    special = _unprintable(value)
    if special is not None or value is None:
        return special or NOT_CALCULATED
    if value == 1 and hundred == "100":
        return hundred
    return _rounded(Decimal(repr(float(value))).scaleb(2, context=_EXACT), digits)


def confidence(level: float | None) -> str:
    """A confidence level in percent, with the decimals it has.

    >>> confidence(0.95), confidence(0.975), confidence(0.9)
    ('95', '97.5', '90')
    """
    special = _unprintable(level)
    if special is not None or level is None:
        return special or NOT_CALCULATED
    return as_collected(float(Decimal(repr(float(level))).scaleb(2)))


def proportion_with_decimals(value: float | None) -> str:
    """A proportion as a percentage beside others, not after a count: one form in the column.

    >>> proportion_with_decimals(1.0), proportion_with_decimals(0.72)
    ('100.0', '72.0')
    """
    return proportion(value, hundred="100.0")


def percent(k: float, n: float, *, digits: int = 1, hundred: Hundred = "100") -> str:
    """`k` of `n` as a percentage without the sign, from the exact fraction.

    A percentage that only rounds to 0 or to 100 is printed as a bound (`<0.1`, `>99.9`); of no patient it is NE.

    >>> percent(1, 16), percent(5, 16), percent(25, 25), percent(1, 5000), percent(0, 0)
    ('6.3', '31.3', '100', '<0.1', 'NE')
    """
    part, total = _integer(k, "k"), _integer(n, "n")
    if part > total:
        raise ValueError("k must not exceed n")
    if total == 0:
        return NE
    if part == total:
        return "100" if hundred == "100" or digits == 0 else _rounded(Decimal(100), digits)
    unit = Fraction(1, 10**digits)
    # floor(x + 1/2) is half away from zero for x >= 0, and exact in fractions
    steps = (Fraction(100 * part, total) / unit + Fraction(1, 2)).__floor__()
    if part > 0 and steps == 0:
        return "<" + _rounded(Decimal(1).scaleb(-digits), digits)
    if steps * unit == 100:
        return ">" + _rounded(Decimal(100) - Decimal(1).scaleb(-digits), digits)
    return _rounded(Decimal(steps).scaleb(-digits), digits)


def n_pct(k: float, n: float, *, digits: int = 1, hundred: Hundred = "100") -> str:
    """Count and percent of a table cell; zero has no percentage.

    >>> n_pct(12, 25), n_pct(0, 25), n_pct(25, 25), n_pct(25, 25, hundred="100.0")
    ('12 (48.0)', '0', '25 (100)', '25 (100.0)')
    """
    printed = percent(k, n, digits=digits, hundred=hundred)
    return "0" if _integer(k, "k") == 0 else f"{count(k)} ({printed})"


def p_value(p: float | None) -> str:
    """Four decimals; the ends are decided before rounding.

    >>> p_value(0.04205), p_value(0.00005), p_value(0.0001), p_value(0.99991)
    ('0.0421', '<0.0001', '0.0001', '>0.9999')
    """
    special = _unprintable(p)
    if special is not None or p is None:
        return special or NOT_CALCULATED
    if not 0 <= p <= 1:
        raise ValueError("p must lie between 0 and 1")
    if p < 0.0001:
        return "<0.0001"
    return ">0.9999" if p > 0.9999 else fixed(p, 4)


def interval(low: float | None, high: float | None, digits: int) -> str:
    """Limits of a confidence interval.

    >>> interval(2.5464, 31.2191, 1), interval(6.0, float("nan"), 1)
    ('(2.5, 31.2)', '(6.0, NE)')
    """
    return f"({fixed(low, digits)}, {fixed(high, digits)})"


def proportion_interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """Limits of an interval of a proportion, as percentages.

    >>> proportion_interval(0.025465, 0.312191)
    '(2.5, 31.2)'
    """
    return f"({proportion(low, digits)}, {proportion(high, digits)})"


class Decimals(NamedTuple):
    """The decimals of the summaries of one parameter: of minimum and maximum, and of the other statistics."""

    ends: int
    centre: int


def of_data(collected: int) -> Decimals:
    """The decimals of the summaries of data with `collected` decimals.

    >>> of_data(0), of_data(1)
    (Decimals(ends=0, centre=1), Decimals(ends=1, centre=2))
    """
    return Decimals(collected, collected + 1)


DERIVED = Decimals(1, 1)
"""The decimals of the summaries of a derived percentage or time."""


def months(value: float | None) -> str:
    """A time in months: one decimal.

    >>> months(14.25), months(float("nan"))
    ('14.3', 'NE')
    """
    return fixed(value, 1)


def response(code: str) -> str:
    """A category of response; one that is not evaluable has a mark of its own.

    >>> response("NE"), response("PR")
    ('NEv', 'PR')
    """
    return NEV if code == "NE" else code


_NUMBER = re.compile(r"[<>]?[-\u2212]?\d+(?:\.\d+)?|NE\b|NC\b|(?<![\w.])[-\u2013](?![\w.])")


def leading_spaces(column: Sequence[str]) -> list[int]:
    """How many figure spaces go before each text so that the numbers of a column are aligned.

    The integer parts of the first number end at one place over all cells of the column, so that the
    units of `12 (48.0)`, `3` and `61.5` are aligned, and with them the brackets of counts. Nothing is
    padded inside a bracket, nor on the right: the cells are left-aligned in their column. A text
    without a number is left alone and counts for nothing.
    """
    numbers = [_NUMBER.search(text) for text in column]
    ends = [n.start() + _integer_width(n.group()) if n else None for n in numbers]
    furthest = max((end for end in ends if end is not None), default=0)
    return [0 if end is None else furthest - end for end in ends]


def _integer_width(number: str) -> int:
    return len(number.partition(".")[0])


def pad_column(column: Sequence[str]) -> list[str]:
    """The texts of a column, padded with figure spaces on the left, decimals aligned.

    >>> [t.replace(FIGURE_SPACE, "_") for t in pad_column(["12 (48.0)", "3 (4.0)", "0", "NE"])]
    ['12 (48.0)', '_3 (4.0)', '_0', 'NE']
    """
    spaces = leading_spaces(column)
    return [FIGURE_SPACE * n + text for text, n in zip(column, spaces, strict=True)]
