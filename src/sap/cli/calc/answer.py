"""What a question of `sap calc` answers, and how it is printed: text, the protocol's sentence, JSON, CSV, a figure."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from sap.errors import UsageError

Row = dict[str, Any]
SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Line:
    """One line of a figure; a step holds its value until the next x; a range goes from y to y_high."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    kind: Literal["line", "step", "points", "range"] = "line"
    y_high: Sequence[float | None] = ()


@dataclass(frozen=True)
class Panel:
    """One pair of axes; `names` are the labels of x = 0, 1, ... where x is not a number."""

    x: str
    y: str
    lines: Sequence[Line]
    names: Sequence[str] = ()
    share: bool = False  # y is a probability: from 0 to 1


@dataclass(frozen=True)
class Answer:
    """One answer. `values` is what JSON has; `table` what text and CSV have.

    Every answer ends with the rule applied, its critical value, the method and its reference, and the
    defaults that were used; `sentence` is what a protocol writes.
    """

    values: Row
    table: Sequence[Row]
    rule: str
    critical_value: str
    method: str
    references: str
    sentence: str
    panels: Callable[[], Sequence[Panel]]
    columns: Sequence[
        str
    ] = ()  # of the table in text; without it the only row is printed downwards
    head: Sequence[str] = ()
    tail: Sequence[str] = ()
    derived: Row = field(default_factory=dict)  # defaults that follow from other options
    missing: str = "NE"


def plain(value: Any) -> Any:
    """A value as JSON types: field names as keys, arrays as lists, null for what cannot be estimated."""
    if hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if is_dataclass(value):
        return {part.name: plain(getattr(value, part.name)) for part in fields(value)}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text_of(value: Any, missing: str = "NE") -> str:
    """A cell of a table: six significant digits; `missing` for what there is not."""
    if value is None:
        return missing
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def share(value: float | None) -> str:
    """A probability as a percentage of a sentence.

    >>> share(0.0471), share(1.0), share(0.00001)
    ('4.7%', '100%', '<0.1%')
    """
    from sap.displays.formats import NE, proportion

    if value is None:
        return NE
    if 0 < value < 0.0005:
        return "<0.1%"
    if 0.9995 <= value < 1:
        return ">99.9%"
    return f"{proportion(value)}%"


def level_of(value: float) -> str:
    """A confidence level of a sentence.

    >>> level_of(0.95), level_of(0.975)
    ('95%', '97.5%')
    """
    from sap.displays.formats import confidence

    return f"{confidence(value)}%"


def tenths(value: float) -> str:
    """A number of patients or events of a sentence, with one decimal.

    >>> tenths(15.01412), tenths(6.25)
    ('15.0', '6.3')
    """
    from sap.displays.formats import fixed

    return fixed(value, 1)


def listed(words: Sequence[str], last: str = "and") -> str:
    """The words of a sentence one after the other.

    >>> listed(["10"]), listed(["10", "20"]), listed(["10", "20", "30"])
    ('10', '10 and 20', '10, 20 and 30')
    """
    return f" {last} ".join([part for part in (", ".join(words[:-1]), *words[-1:]) if part])


def p_equals(value: float) -> str:
    """A p-value of a sentence; a very small one is a bound, never 0.

    >>> p_equals(0.04709), p_equals(1e-29), p_equals(1.0)
    ('p = 0.0471', 'p < 0.0001', 'p = 1.0000')
    """
    from sap.displays.formats import fixed

    return "p < 0.0001" if value < 0.0001 else f"p = {fixed(value, 4)}"


def four_decimals(value: float) -> str:
    """A quantile or a hazard ratio of a sentence: four decimals."""
    from sap.displays.formats import fixed

    return fixed(value, 4)


def written(value: float) -> str:
    """A number as it was given: 0.1, 29, 0.05."""
    return f"{value:g}"


def as_text(answer: Answer, defaults: Row) -> str:
    """The answer as a reader of a terminal sees it."""
    lines = list(answer.head)
    if answer.columns:
        lines += table_lines(answer.table, answer.columns, answer.missing)
    else:
        (row,) = answer.table
        width = max(map(len, row))
        lines += [
            f"{name:{width}}  {text_of(value, answer.missing)}" for name, value in row.items()
        ]
    basis = {
        "rule": answer.rule,
        "critical value": answer.critical_value,
        "method": answer.method,
        "reference": answer.references,
        "defaults used": _options(defaults),
    }
    lines += [*answer.tail, ""]
    return "\n".join([*lines, *(f"{name:14}  {words}" for name, words in basis.items())])


def table_lines(rows: Sequence[Row], names: Sequence[str], missing: str) -> list[str]:
    """Columns side by side, numbers to the right."""
    if not rows:
        return []
    lines = [
        tuple(names), *(tuple(text_of(row.get(name, ""), missing) for name in names) for row in rows)
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    worded = isinstance(rows[0][names[0]], str)
    printed = []
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        if worded:
            cells[0] = line[0].ljust(widths[0])
        printed.append("  ".join(cells).rstrip())
    return printed


def _options(defaults: Row) -> str:
    words = []
    for name, value in defaults.items():
        each = value if isinstance(value, list | tuple) else [value]
        words.append(f"--{name} {' '.join(text_of(one) for one in each)}")
    return ", ".join(words) or "none"


def as_json(answer: Answer, defaults: Row) -> str:
    """Every digit; `basis` is what the text ends with."""
    basis = {
        "rule": answer.rule,
        "critical_value": answer.critical_value,
        "method": answer.method,
        "references": answer.references,
        "defaults": plain(defaults),
        "sentence": answer.sentence,
    }
    return json.dumps({**plain(answer.values), "basis": basis}, indent=2, allow_nan=False)


def as_csv(answer: Answer) -> str:
    """The table with every digit; what cannot be estimated is an empty cell."""
    rows = [plain(row) for row in answer.table]
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(answer.columns)
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: " ".join(map(str, v)) if isinstance(v, list) else v for name, v in row.items()}
        )
    return out.getvalue().rstrip("\n")


def checked_suffix(path: Path) -> None:
    """The kind of a figure is its suffix.

    Raises
    ------
    UsageError
        The suffix is of another kind.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: the figure is a PNG, SVG or PDF file; give a name that ends in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )


STYLES = ("-", "--", ":", "-.")
GREYS = ("black", "0.25", "0.45", "0.6")
MARKS = ("o", "s", "^", "D")
# The same answer gives the same bytes: no date, no name of a program, fixed ids.
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """The figure of an answer, in grey and by shape of line; a failed one leaves no file.

    Raises
    ------
    UsageError
        The suffix is none of the three, or the file cannot be written.
    """
    checked_suffix(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.hashsalt": "sap calc",
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
    }
    with rc_context(settings):
        figure = Figure(figsize=(7, 1 + 3 * len(panels)), layout="constrained")
        for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False), panels, strict=True):
            _draw_panel(axes[0], panel)
        unfinished = path.with_name(f"{path.name}.part")
        try:
            figure.savefig(
                unfinished, format=path.suffix[1:], dpi=150, metadata=METADATA[path.suffix]
            )
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise UsageError(f"{path}: cannot be written. {error.strerror}.") from error


def _draw_panel(axes: Any, panel: Panel) -> None:
    for number, line in enumerate(panel.lines):
        look = number % len(STYLES)
        x = list(line.x)
        y = [math.nan if value is None else value for value in line.y]
        grey, style, mark = GREYS[look], STYLES[look], MARKS[look]
        if line.kind == "step":
            axes.step(x, y, style, where="post", color=grey, label=line.label)
        elif line.kind == "points":
            axes.plot(x, y, mark, color=grey, label=line.label)
        elif line.kind == "range":
            top = [math.nan if value is None else value for value in line.y_high]
            axes.vlines(x, y, top, color=grey, label=line.label)
        else:
            axes.plot(x, y, style, color=grey, label=line.label)
    axes.set(xlabel=panel.x, ylabel=panel.y)
    if panel.share:
        axes.set_ylim(-0.02, 1.02)
    if panel.names:
        axes.set_xticks(range(len(panel.names)), panel.names, rotation=20)
        axes.set_xlim(-0.5, len(panel.names) - 0.5)
    for axis, numbers in (
        (axes.xaxis, [x for line in panel.lines for x in line.x]),
        (axes.yaxis, [y for line in panel.lines for y in line.y if y is not None]),
    ):
        if numbers and not panel.names and all(isinstance(each, int) for each in numbers):
            axis.get_major_locator().set_params(integer=True)  # patients are not halved
    if len(panel.lines) > 1:
        axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)


def emit(answer: Answer, form: str, defaults: Row, plot: Path | None) -> None:
    """Print the answer in one form, after its figure was written."""
    if plot is not None:
        draw(plot, answer.panels())
    used = {**defaults, **answer.derived}
    if form == "json":
        typer.echo(as_json(answer, used))
    elif form == "csv":
        typer.echo(as_csv(answer))
    elif form == "sentence":
        typer.echo(answer.sentence)
    else:
        typer.echo(as_text(answer, used))
