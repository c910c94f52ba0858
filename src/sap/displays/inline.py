"""Numbers inside prose, each read from the ARD and carrying its address.

A chapter writes `{python} inline.rate("psa_response", population="PRIMARY")`; the result is Markdown
with a span around each number. A row that is not there stops the render: prose never shows a gap.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Self, Unpack

from sap import ard
from sap.displays import formats
from sap.displays.absence import not_there, published
from sap.displays.ard_lookup import ArdKey, Number, Statistic, percentage, results
from sap.displays.escape import markdown_text
from sap.displays.register import hidden, printed, register, unavailable

NO_BREAK_SPACE = "\u00a0"
DATA_GAPS = "tlf-data-gaps"
NOTHING = "[]{}"
"""The Markdown of a sentence that has nothing to say: Quarto prints the code where a text is empty."""
_DISPLAY = re.compile(r"\{(tlf-[a-z0-9-]+)\}")

Format = Callable[[float], str]

_FORMATS: dict[str, Format] = {
    "count": formats.count,
    "percent": percentage,
    "months": formats.months,
    "p": formats.p_value,
    "as collected": formats.as_collected,
}


class Citation(str):
    """The number of a display in prose, a link to it: also where it is joined with other parts."""

    display_id: str

    def __new__(cls, label: str, display_id: str) -> Self:
        made = super().__new__(cls, formats.typeset(label))
        made.display_id = display_id
        return made

    def markdown(self) -> str:
        return f"[{markdown_text(str(self))}](#{self.display_id})"


class RichText:
    """A piece of prose: texts, addressed numbers and citations of displays, in order."""

    def __init__(self, *parts: str | Number) -> None:
        self.parts = tuple(
            part if isinstance(part, Number | Citation) else formats.typeset(part) for part in parts
        )

    @property
    def plain(self) -> str:
        """The text alone, without the addresses."""
        return "".join(p.text if isinstance(p, Number) else p for p in self.parts)

    @property
    def numbers(self) -> list[Number]:
        return [p for p in self.parts if isinstance(p, Number)]

    def __str__(self) -> str:
        return "".join(
            p.markdown() if isinstance(p, Number | Citation) else markdown_text(p)
            for p in self.parts
        )

    def _repr_markdown_(self) -> str:
        return str(self) or NOTHING

    def __repr__(self) -> str:
        return f"RichText({self.plain!r})"


def number(
    analysis: str,
    stat_name: str,
    *,
    format: str | int | Format,  # noqa: A002 - the word a chapter's author looks for
    **where: Unpack[ArdKey],
) -> RichText:
    """Any number.

    Parameters
    ----------
    analysis, stat_name
        Where it is in the ARD.
    format
        How it is printed: a number of decimals, or one of `count`, `percent`, `months`, `p`,
        `as collected`, or a function of `sap.displays.formats`.
    **where
        `population`, `group`, `paramcd`, `level`, `sublevel`: what identifies the row.

    Raises
    ------
    RenderError
        The row is missing, or several fit.
    """
    return RichText(_statistic(analysis, stat_name, where).formatted(_format(format)))


def count(analysis: str, stat_name: str = "n", **where: Unpack[ArdKey]) -> RichText:
    """A count: `25`."""
    return RichText(_statistic(analysis, stat_name, where).formatted(formats.count))


def rate(analysis: str, stat_name: str = "estimate", **where: Unpack[ArdKey]) -> RichText:
    """A proportion in percent: `12.0%`."""
    return RichText(_with_unit(_statistic(analysis, stat_name, where), percentage, "%"))


def months(analysis: str, stat_name: str = "median", **where: Unpack[ArdKey]) -> RichText:
    """A time: `9.4 months`, or `NE`."""
    return RichText(_with_unit(_statistic(analysis, stat_name, where), formats.months, "months"))


def n_of_N(  # noqa: N802 - n and N are the field's letters
    analysis: str, names: tuple[str, str] = ("n", "N"), **where: Unpack[ArdKey]
) -> RichText:
    """Count and denominator: `3 of 25`."""
    n, total = (_statistic(analysis, name, where).formatted(formats.count) for name in names)
    return RichText(n, f"{NO_BREAK_SPACE}of{NO_BREAK_SPACE}", total)


def interval(
    analysis: str,
    *,
    format: str | int | Format = "percent",  # noqa: A002 - as in `number`
    names: tuple[str, str, str] = ("conf_level", "conf_low", "conf_high"),
    **where: Unpack[ArdKey],
) -> RichText:
    """A confidence interval with its level: `95% CI 2.5 to 31.2`.

    `names` are the statistics of the level and of the two limits. Where neither is estimable: `95% CI NE`.
    """
    level, low, high = (_statistic(analysis, name, where) for name in names)
    print_as = _format(format)
    first, last = low.formatted(print_as), high.formatted(print_as)
    limits = (first, f"{NO_BREAK_SPACE}to{NO_BREAK_SPACE}", last)
    return RichText(
        _with_unit(level, formats.confidence, "%"),
        f"{NO_BREAK_SPACE}CI{NO_BREAK_SPACE}",
        *(limits if low.estimable or high.estimable else (first,)),
    )


def p(analysis: str, stat_name: str = "p_value", **where: Unpack[ArdKey]) -> RichText:
    """A p-value: `p = 0.4629`, `p <0.0001`."""
    printed = _statistic(analysis, stat_name, where).formatted(formats.p_value)
    sign = "" if printed.text[0] in "<>" else f"={NO_BREAK_SPACE}"
    return RichText(f"p{NO_BREAK_SPACE}{sign}", printed)


def text(analysis: str, stat_name: str, **where: Unpack[ArdKey]) -> RichText:
    """The words of a row: the decision of a design, a date."""
    return RichText(results(analysis).words(stat_name, **where))


def ref(display_id: str) -> RichText:
    """A link to a display by its number: `[Table 14.2.1.1](#tlf-psa-response)`.

    In the open report a closed display has its number but nothing to link to. Of a display that the data
    do not allow the table of such analyses is named; text about it is better written with `if_shown`.
    """
    label = register()[display_id].label.replace(" ", NO_BREAK_SPACE)
    if hidden(display_id):
        return RichText(f"{label} (closed report)")
    gap = unavailable(display_id)
    if gap is None:
        return RichText(Citation(label, display_id))
    if gap.planned and printed(DATA_GAPS) and ard.run_facts().get("kind") == "csr":
        return RichText(
            Citation(register()[DATA_GAPS].label.replace(" ", NO_BREAK_SPACE), DATA_GAPS)
        )
    return RichText(f"{label} ({'not in the data' if gap.planned else 'not planned'})")


class Conditional:
    """Text that is printed where all displays in it are."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_markdown_(self) -> str:
        pieces = _DISPLAY.split(self.text)
        if not all(printed(display_id) for display_id in pieces[1::2]):
            return NOTHING
        printed_text = "".join(
            str(ref(piece)) if i % 2 else markdown_text(formats.typeset(piece))
            for i, piece in enumerate(pieces)
        )
        return printed_text or NOTHING


def if_shown(text: str) -> Conditional:
    """A sentence about displays, or nothing where this report lacks one of them.

    `if_shown(" {tlf-pk} has the concentrations.")` prints the number of the table with its link in the
    place of the id.
    """
    return Conditional(text)


def listed(display_id: str) -> RichText:
    """A link to a listing, or that its data were not collected."""
    return ref(display_id) if printed(display_id) else RichText(not_there())


def not_collected(*display_ids: str) -> RichText:
    """Below a heading without a display: that nothing was collected, or that the plan has none; else nothing."""
    gone = not any(printed(display_id) for display_id in display_ids)
    gaps = [unavailable(display_id) for display_id in display_ids]
    if gone and not any(gap is None or gap.planned for gap in gaps):
        return RichText("Not planned in the SAP.")
    words = not_there(capital=True) + ("" if published() else " in this study")
    return RichText(f"{words}.") if gone else RichText()


def _statistic(analysis: str, stat_name: str, where: ArdKey) -> Statistic:
    return results(analysis).find(stat_name, **where)


def _format(wanted: str | int | Format) -> Format:
    if isinstance(wanted, int):
        return lambda value: formats.fixed(value, wanted)
    if isinstance(wanted, str):
        if wanted not in _FORMATS:
            raise ValueError(f"format must be a number of decimals or one of {', '.join(_FORMATS)}")
        return _FORMATS[wanted]
    return wanted


def _with_unit(statistic: Statistic, print_as: Format, unit: str) -> Number:
    bare = statistic.formatted(print_as)
    if not statistic.estimable:
        return bare
    space = "" if unit == "%" else NO_BREAK_SPACE
    return replace(bare, text=f"{bare.text}{space}{unit}")
