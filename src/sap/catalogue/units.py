"""Units of measurements: variants, conversion factors and their sources.

`units.yml` has them by domain and test; each entry is a codelist too, so that a contract can refer to
the allowed units.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

from sap.catalogue.codelists import Codelist, fold
from sap.catalogue.files import file_content

ONE = Decimal(1)


@dataclass(frozen=True)
class Unit:
    """A unit as recorded: the unit of analysis, the factor to it, and the source of the factor."""

    unit: str
    factor: Decimal = ONE
    source: str = ""

    def of(self, value: float) -> float:
        """A value in the unit of analysis, rounded once, from its shortest decimal digits.

        >>> Unit("10^9/L", Decimal("0.001")).of(1499.0)
        1.499
        """
        return value if self.factor == ONE else float(Decimal(repr(value)) * self.factor)


@dataclass(frozen=True)
class Units:
    """The units of some tests of a domain; without `tests`, of each of its records."""

    name: str
    domain: str
    tests: tuple[str, ...]
    codelist: Codelist
    words: Mapping[str, Unit]

    def read(self, text: str) -> Unit | None:
        """The unit of a text; None when it is not allowed for these tests."""
        return self.words.get(fold(text))


@cache
def units() -> Mapping[str, Units]:
    """Every entry of `units.yml` by name.

    >>> units()["UNIT_PSA"].read("ng/mL").unit, units()["UNIT_ALB"].read("G/DL").factor
    ('ug/L', Decimal('10'))
    """
    read = file_content("units.yml")
    return MappingProxyType({name: _units(name, entry) for name, entry in read.items()})


def _units(name: str, entry: Mapping[str, Any]) -> Units:
    terms = {str(unit): tuple(map(str, words)) for unit, words in entry["units"].items()}
    words = {fold(word): Unit(unit) for unit in terms for word in (unit, *terms[unit])}
    for unit, conversion in entry["converted"].items():
        terms[unit] = tuple(map(str, conversion.get("words", ())))
        other = Unit(conversion["to"], Decimal(conversion["factor"]), conversion["source"])
        words |= {fold(word): other for word in (unit, *terms[unit])}
    source = "SDTM CT, Unit (C71620), and other ways of writing it"
    listed = Codelist(name, "C71620", source, terms)
    return Units(name, entry["domain"], tuple(entry.get("tests", ())), listed, words)


def units_of(domain: str) -> tuple[Units, ...]:
    """The entries of one domain."""
    return tuple(each for each in units().values() if each.domain == domain)
