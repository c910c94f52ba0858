"""Differences between two results, by key and by display."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from sap.ard import KEY


class Tolerance(NamedTuple):
    """The largest difference at which two numbers count as the same."""

    absolute: float
    relative: float

    def holds(self, left: float, right: float) -> bool:
        """Both missing, equal, or within the tolerance; an infinity equals only itself."""
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        if left == right:
            return True
        if math.isinf(left) or math.isinf(right):
            return False
        reach = max(self.absolute, self.relative * max(abs(left), abs(right)))
        return abs(left - right) <= reach


EXACT = Tolerance(0.0, 0.0)
CLOSED_FORM = Tolerance(1e-12, 1e-9)
ITERATED = Tolerance(1e-9, 1e-6)

COUNTS = frozenset(
    [
        "n",
        "N",
        "n_events",
        "n_censored",
        "n_missing",
        "n_excluded",
        "at_risk",
        "r",
        "r1",
        "n1",
        "df",
        "n1_attained",
        "stopped_at",
        "responders_stage1",
        "responders_needed",
    ]
)
FITTED = frozenset(
    [
        "hazard_ratio",
        "median_unbiased",
        "bias_adjusted",
        "conditional_mle",
        "coverage",
        "ph_p_value",
        "statistic",
    ]
)

# Statistics whose text is the result itself; other texts are reasons, definitions and sources.
TEXTS = frozenset(["decision", "decision_high", "decision_low", "stage1_full", "stage2_began"])

CHANGES = ("new", "gone", "moved", "near", "reworded")
COLUMNS = ("change", "displays", *KEY, "left", "right", "difference")


def tolerance_of(stat_name: str) -> Tolerance:
    """Counts must be equal; fits by iteration may differ more than sums.

    >>> tolerance_of("n"), tolerance_of("estimate").relative, tolerance_of("hazard_ratio").relative
    (Tolerance(absolute=0.0, relative=0.0), 1e-09, 1e-06)
    """
    if stat_name in COUNTS:
        return EXACT
    return ITERATED if stat_name in FITTED else CLOSED_FORM


def displays_of(catalogue: Mapping[str, Any], analysis: str) -> str:
    """The displays of an analysis, as a reader cites them; empty where there is none.

    `os_curve` belongs to the displays of `os` when no display names it itself.

    >>> displays_of({"tlf-os": {"kind": "table", "number": "14.2.3", "analysis": ["os"]}}, "os_curve")
    'Table 14.2.3'
    """
    named: dict[str, list[str]] = {}
    for entry in catalogue.values():
        if isinstance(entry, Mapping) and "number" in entry:
            label = f"{str(entry.get('kind', '')).capitalize()} {entry['number']}"
            for name in entry.get("analysis") or ():
                named.setdefault(str(name), []).append(label)
    fitting = [name for name in named if analysis == name or analysis.startswith(f"{name}_")]
    return "; ".join(named[max(fitting, key=len)]) if fitting else ""


def _formatted(number: float, text: str) -> str:
    if not math.isnan(number):
        return repr(float(number)).removesuffix(".0")
    return f"NE ({text})" if text else "NE"


def compare(
    left: pd.DataFrame,
    right: pd.DataFrame,
    catalogue: Mapping[str, Any] | None = None,
    *,
    reasons: bool = True,
) -> pd.DataFrame:
    """Every row of two ARDs that is not the same in both, in the order of the keys.

    CHANGE, the first case that applies:

    1. new: the key is in `right` only.      2. gone: in `left` only.
    3. moved: the number lies outside the tolerance of its statistic, one of the two is not
       estimable, or the text (a decision, a reason) differs.
    4. near: the numbers differ within the tolerance.
    5. reworded: same number and text, another section or method.

    LEFT and RIGHT have the number with every digit, or NE with its reason. `catalogue` is the
    content of `analysis/displays.yml`, for DISPLAYS. Two NE with one reason are equal; without
    `reasons`, other words of a reason, definition or source are no more than reworded.
    """
    both = _indexed(left).join(_indexed(right), how="outer", lsuffix="_left", rsuffix="_right")
    same = (
        (both["stat_left"] == both["stat_right"])
        | (both["stat_left"].isna() & both["stat_right"].isna())
    ) & (
        both[["stat_text_left", "section_left", "method_left"]].to_numpy()
        == both[["stat_text_right", "section_right", "method_right"]].to_numpy()
    ).all(axis=1)
    rows = []
    displays: dict[str, str] = {}
    for key, row in both[~same].iterrows():
        assert isinstance(key, tuple)
        change = _change(str(key[-1]), row, reasons)
        if key[0] not in displays:
            displays[key[0]] = displays_of(catalogue or {}, str(key[0]))
        old = "" if change == "new" else _formatted(row["stat_left"], row["stat_text_left"])
        new = "" if change == "gone" else _formatted(row["stat_right"], row["stat_text_right"])
        gap = row["stat_right"] - row["stat_left"] if change in ("moved", "near") else math.nan
        rows.append((change, displays[key[0]], *key, old, new, gap))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"difference": float})


def _indexed(ard: pd.DataFrame) -> pd.DataFrame:
    there = ard[["stat", "stat_text", "section", "method"]].assign(there=True)
    return there.set_index(pd.MultiIndex.from_frame(ard[list(KEY)])).sort_index()


def _change(stat_name: str, row: "pd.Series[Any]", reasons: bool) -> str:
    if row["there_left"] is not True:
        return "new"
    if row["there_right"] is not True:
        return "gone"
    if row["stat_text_left"] != row["stat_text_right"]:
        both_ne = math.isnan(float(row["stat_left"])) and math.isnan(float(row["stat_right"]))
        return "reworded" if both_ne and not reasons and stat_name not in TEXTS else "moved"
    left, right = float(row["stat_left"]), float(row["stat_right"])
    if not tolerance_of(stat_name).holds(left, right):
        return "moved"
    return "reworded" if EXACT.holds(left, right) else "near"


def key_of(columns: Sequence[str]) -> list[str]:
    """The columns that identify a record of a dataset, ADaM or SDTM.

    >>> key_of(["STUDYID", "USUBJID", "AESEQ", "AETERM"]), key_of(["USUBJID", "PARAMCD", "ADT", "AVAL"])
    (['USUBJID', 'AESEQ'], ['USUBJID', 'PARAMCD', 'ADT'])
    """
    names = ["USUBJID", "PARAMCD", "COURSE", "ADT", "TSPARMCD"]
    wanted = [name for name in columns if name in names]
    own = [name for name in columns if len(name) == 5 and name.endswith("SEQ")]
    order = {name: place for place, name in enumerate([*names, *own])}
    return sorted({*wanted, *own}, key=order.__getitem__) or list(columns[:1])


def compare_tables(left: pd.DataFrame, right: pd.DataFrame, name: str) -> pd.DataFrame:
    """Records that are new, gone or moved in one dataset: key and columns, never a value.

    Numbers differ by the tolerance of closed forms. Records that share a key are numbered in
    their order. Columns: change, dataset, key, columns.
    """
    shared = [c for c in left.columns if c in right.columns]
    keys = [c for c in key_of(list(left.columns)) if c in shared]
    differences = [
        (change, name, "", column)
        for change, one, other in (("gone", left, right), ("new", right, left))
        for column in one.columns
        if column not in other.columns
    ]
    rows = [_records(frame, keys, shared) for frame in (left, right)]
    for key in sorted(rows[0].keys() | rows[1].keys()):
        # A date is part of the key and is not printed: it is a value of the patient.
        printed = [p for p, c in zip(key[:-1], keys, strict=True) if p and c != "ADT"]
        record = " ".join(printed) + (f" #{key[-1]}" if key[-1] else "")
        if key not in rows[1]:
            differences.append(("gone", name, record, ""))
        elif key not in rows[0]:
            differences.append(("new", name, record, ""))
        else:
            moved = [
                column
                for column, a, b in zip(shared, rows[0][key], rows[1][key], strict=True)
                if not _same_cell(a, b)
            ]
            if moved:
                differences.append(("moved", name, record, ", ".join(moved)))
    return pd.DataFrame(differences, columns=["change", "dataset", "key", "columns"])


Cell = Any


def _records(
    frame: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]
) -> dict[tuple[Any, ...], tuple[Cell, ...]]:
    seen: dict[tuple[str, ...], int] = {}
    records: dict[tuple[Any, ...], tuple[Cell, ...]] = {}
    cells = zip(*(frame[c].tolist() for c in columns), strict=True)
    named = zip(*(frame[c].tolist() for c in keys), strict=True)
    for values, row in zip(named, cells, strict=True):
        key = tuple(_word(part) for part in values)
        number = seen.get(key, 0)
        seen[key] = number + 1
        records[(*key, number)] = row
    return records


def _word(cell: Cell) -> str:
    if cell is None or cell != cell:  # noqa: PLR0124 - NaN and NaT alone differ from themselves
        return ""
    if isinstance(cell, pd.Timestamp):
        return cell.date().isoformat()
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def _same_cell(left: Cell, right: Cell) -> bool:
    missing = [cell is None or cell != cell for cell in (left, right)]  # noqa: PLR0124 - see _word
    if any(missing):
        return all(missing)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return CLOSED_FORM.holds(float(left), float(right))
    return bool(left == right)
