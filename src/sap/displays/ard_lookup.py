"""Numbers that carry their address: a printed text, and the key of the ARD row it came from."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from sap import ard
from sap.catalogue.reasons import NOT_ESTIMABLE, reason_of
from sap.catalogue.reporting import Axis, analysis
from sap.displays import formats
from sap.displays.escape import html_attribute, markdown_attribute, markdown_text
from sap.displays.register import register
from sap.errors import RenderError

# The statistic in the address of a 0 that has no row: there is no patient to count.
NO_ROW = "no row"
# "NE" as a word: a drug or a code may hold the two letters.
_IS_NE = re.compile(rf"\b{NOT_ESTIMABLE}\b")
AXES = ("population", "group", "paramcd", "level", "sublevel")


class ArdKey(TypedDict, total=False):
    """What identifies a row within one analysis."""

    population: str
    group: str
    paramcd: str
    level: str
    sublevel: str


@dataclass(frozen=True)
class Number:
    """A statistic as it is printed.

    `method` and `reason` (why it is NE or NC, as the ARD has it) travel with it, so that a table can name
    in its notes the methods it shows and explain its own marks.
    """

    text: str
    key: str
    method: str = ""
    reason: str = ""

    def html(self, inner_html: str) -> str:
        """The number in HTML, with its address."""
        return f'<span class="ard" data-ard="{html_attribute(self.key)}">{inner_html}</span>'

    def markdown(self) -> str:
        """The number in Markdown, with its address."""
        return f'[{markdown_text(formats.signed(self.text))}]{{.ard data-ard="{markdown_attribute(self.key)}"}}'


@dataclass(frozen=True)
class Statistic:
    """A row of the ARD, unrounded."""

    value: float
    words: str
    key: str
    method: str = ""

    @property
    def estimable(self) -> bool:
        return not isnan(self.value)

    def formatted(self, print_as: Callable[[float], str]) -> Number:
        """The number, printed by a function of `sap.displays.formats`."""
        if self.estimable:
            return Number(print_as(self.value), self.key, self.method)
        mark = reason_of(self.words).mark
        text = _IS_NE.sub(mark, print_as(self.value))
        return Number(text, self.key, self.method, self.words)

    def as_text(self) -> Number:
        """The words of the row: a decision, a date, a reason."""
        return Number(self.words, self.key, self.method)


def percentage(value: float) -> str:
    """A proportion as a percentage; what is printed for all of them is in the register of displays."""
    return formats.proportion(value, hundred=register().house_style.hundred)


class Results:
    """The rows of one analysis, looked up by their key.

    An axis (population, group, paramcd, level, sublevel) that is not named must not matter:

    1. One row has the named parts: that row.
    2. Several have: the one whose level, sublevel and group are empty (the overall row), if one is.
    3. None or more than one is left: `RenderError`, naming the requested row. Never an empty text.
    """

    def __init__(self, analysis: str, rows: list[dict[str, Any]]) -> None:
        self.analysis = analysis
        self._rows = rows
        self._by_stat: dict[str, list[dict[str, Any]]] = {}
        self._by_level: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in rows:
            self._by_stat.setdefault(row["stat_name"], []).append(row)
            self._by_level.setdefault((row["stat_name"], row["level"]), []).append(row)

    def __len__(self) -> int:
        return len(self._rows)

    def values(self, axis: str, **where: Unpack[ArdKey]) -> list[str]:
        """The distinct values of an axis, in the order of the catalogue (populations: of the ARD).

        Counts of a display's rows come from here: which levels an analysis has.
        """
        rows = (r for r in self._rows if all(r[a] == v for a, v in where.items()))
        values = list(dict.fromkeys(str(row[axis]) for row in rows))
        if axis == "population" or not values:
            return values
        return analysis(self.analysis).in_order(cast(Axis, axis), values)

    def label(self, axis: Axis, value: str) -> str:
        """The label of a value in the catalogue, filled from the plan of the run."""
        return analysis(self.analysis).text(axis, value, ard.plan())

    def has(self, stat_name: str, **where: Unpack[ArdKey]) -> bool:
        """Whether `find` would find a row."""
        return len(self._matching(stat_name, where)) == 1

    def find(self, stat_name: str, **where: Unpack[ArdKey]) -> Statistic:
        """The row of `stat_name` at the named place."""
        rows = self._matching(stat_name, where)
        if len(rows) == 1:
            row = rows[0]
            return Statistic(row["stat"], row["stat_text"], ard.key(row), row["method"])
        named = " ".join(f"{axis}={value}" for axis, value in where.items())
        requested = f"{self.analysis} {stat_name}" + (f" at {named}" if named else "")
        if not rows:
            raise RenderError(
                f"The ARD has no row for {requested}.\n"
                "Check the names against ard.csv, or run `sap analyse` again."
            )
        first, second = (ard.key(row) for row in rows[:2])
        raise RenderError(
            f"The ARD has {len(rows)} rows for {requested}: {first} and {second} are two of them.\n"
            f"Name one of {', '.join(AXES)}."
        )

    def _matching(self, stat_name: str, where: ArdKey) -> list[dict[str, Any]]:
        unknown = sorted(set(where) - set(AXES))
        if unknown:
            raise ValueError(f"{unknown[0]} is no part of a key; there are {', '.join(AXES)}")
        if "level" in where:
            candidates = self._by_level.get((stat_name, where["level"]), [])
        else:
            candidates = self._by_stat.get(stat_name, [])
        rows = [r for r in candidates if all(r[axis] == value for axis, value in where.items())]
        if len(rows) > 1:
            open_axes = [a for a in ("group", "level", "sublevel") if a not in where]
            overall = [row for row in rows if not any(row[axis] for axis in open_axes)]
            rows = overall or rows
        return rows

    def count(self, stat_name: str = "n", **where: Unpack[ArdKey]) -> Number:
        """A count."""
        return self.find(stat_name, **where).formatted(formats.count)

    def count_or_zero(self, **where: Unpack[ArdKey]) -> Number:
        """A count; `0` where the ARD keeps no row because no patient belongs to the named place.

        The address of such a 0 is the place itself, its statistic `no row`.
        """
        if self.has("n", **where):
            return self.count(**where)
        place = dict.fromkeys(AXES, "") | where
        place["population"] = where.get("population") or self.values("population")[0]
        row = {"analysis": self.analysis, **place, "stat_name": NO_ROW}
        return Number(formats.count(0.0), ard.key(row))

    def percent(self, stat_name: str = "estimate", **where: Unpack[ArdKey]) -> Number:
        """A proportion as a percentage, by the house style."""
        return self.find(stat_name, **where).formatted(percentage)

    def rate(self, stat_name: str = "estimate", **where: Unpack[ArdKey]) -> Number:
        """A proportion as a percentage in a column of such: all of them is `100.0`, as the others have a decimal."""
        return self.find(stat_name, **where).formatted(formats.proportion_with_decimals)

    def p_value(self, stat_name: str = "p_value", **where: Unpack[ArdKey]) -> Number:
        """A p-value."""
        return self.find(stat_name, **where).formatted(formats.p_value)

    def months(self, stat_name: str, **where: Unpack[ArdKey]) -> Number:
        """A time in months."""
        return self.find(stat_name, **where).formatted(formats.months)

    def fixed(self, stat_name: str, digits: int, **where: Unpack[ArdKey]) -> Number:
        """Any other number, with `digits` decimals."""
        return self.find(stat_name, **where).formatted(lambda value: formats.fixed(value, digits))

    def words(self, stat_name: str, **where: Unpack[ArdKey]) -> Number:
        """The text of a row, with the signs that are printed: a decision."""
        statistic = self.find(stat_name, **where)
        if not statistic.words:
            raise RenderError(f"The ARD row {statistic.key} holds a number and no words.")
        number = statistic.as_text()
        return replace(number, text=formats.typeset(number.text))


_READ: dict[tuple[Path, str], Results] = {}


def results(analysis: str) -> Results:
    """The rows of `analysis` in the run at hand; empty (`len` 0) when the run has none."""
    place = (ard.run_folder().resolve(), analysis)
    if place not in _READ:
        records = ard.read(analysis).to_dict("records")
        _READ[place] = Results(analysis, [{str(k): v for k, v in row.items()} for row in records])
    return _READ[place]
