"""Differences between two bundles, runs, ARDs or frozen cuts."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sap import ard, bundle, snapshot
from sap.bundle.keys import read_keys, renamed
from sap.bundle.opening import is_bundle
from sap.errors import UsageError

SHOWN = 200


class Differences(NamedTuple):
    """The differences as a table and as text."""

    table: pd.DataFrame
    text: str

    def as_csv(self) -> str:
        """The table as CSV; control and direction characters are named."""
        shown = self.table.map(lambda cell: ard.visible(cell) if isinstance(cell, str) else cell)
        return str(shown.to_csv(index=False, lineterminator="\n"))


class _Side(NamedTuple):
    rows: pd.DataFrame | None
    tables: dict[str, pd.DataFrame] | None


def _of_bundle(path: Path) -> _Side:
    import io

    opened = bundle.opened(path)
    rows = pd.read_parquet(io.BytesIO(opened.files["ard/ard.parquet"]))
    cut = {
        original.removesuffix(".parquet"): pd.read_parquet(io.BytesIO(opened.files[name]))
        for original, name in opened.of_role("cut").items()
        if original.endswith(".parquet")
    }
    return _Side(_text_filled(rows), cut or None)


def _text_filled(rows: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in ard.COLUMNS if name not in rows]
    if missing:
        raise UsageError(f"this is not an ARD: it has no column {missing[0]}.")
    text = [name for name in ard.COLUMNS if name != "stat"]
    return rows.assign(**{name: rows[name].fillna("").astype(str) for name in text})


def _side(path: Path) -> _Side:
    """What a path holds, the first case that applies: a bundle, a run, a cut, an ARD."""
    if is_bundle(path):
        return _of_bundle(path)
    if (path / "ard.csv").is_file():
        return _Side(ard.from_csv(path / "ard.csv"), None)
    if (path / "manifest.json").is_file():
        return _Side(None, snapshot.load(path))
    if path.is_file() and path.suffix == ".csv":
        return _Side(ard.from_csv(path), None)
    if path.is_file() and path.suffix == ".parquet":
        try:
            return _Side(_text_filled(pd.read_parquet(path)), None)
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as an ARD: {type(error).__name__}.") from None
    raise UsageError(f"{path} is no bundle, run, frozen cut or ARD.")


def catalogue_here() -> dict[str, Any]:
    """The displays of the study, for their numbers."""
    from sap.displays.register import displays_here

    return displays_here()


def compared(left: Path, right: Path, keys: Path | None = None) -> Differences:
    """Numbers by display where both sides have an ARD, else records by domain of two cuts.

    With `keys` (`docs/ard-keys.csv`), rows with an old key are compared under their new key, and
    differences between reasons of not estimable are ignored.
    """
    first, second = _side(left), _side(right)
    if first.rows is not None and second.rows is not None:
        new_keys = {} if keys is None else read_keys(keys)
        before, after = (renamed(rows, new_keys) for rows in (first.rows, second.rows))
        table = bundle.compare(before, after, catalogue_here(), reasons=keys is None)
        return Differences(table, numbers_as_text(table, len(first.rows), len(second.rows)))
    if keys is not None:
        raise UsageError("--keys goes with two results: a frozen cut has no keys of the ARD.")
    if first.tables is not None and second.tables is not None:
        return _cuts(first.tables, second.tables)
    raise UsageError(f"{left} and {right} are not of one kind: compare two cuts, or two results.")


def numbers_as_text(table: pd.DataFrame, left: int, right: int) -> str:
    """The differences of two ARDs, by display."""
    counts = table["change"].value_counts()
    head = f"{left} results on the left, {right} on the right: " + (
        ", ".join(f"{int(counts[w])} {w}" for w in bundle.comparison.CHANGES if w in counts)
        or "no difference"
    )
    lines = [head + "."]
    shown = table[~table["change"].isin(("near", "reworded"))]
    for display, rows in shown.groupby("displays", sort=True):
        lines.append(f"\n{str(display) or 'In no display'}")
        for row in rows.head(SHOWN).to_dict("records"):
            key = " ".join(str(row[name]) for name in ard.KEY if row[name])
            line = f"  {row['change']:<5} {key}: {row['left'] or '-'} -> {row['right'] or '-'}"
            lines.append(ard.visible(line))
        if len(rows) > SHOWN:
            lines.append(f"  ... and {len(rows) - SHOWN} more (--out writes all)")
    return "\n".join(lines)


def _cuts(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> Differences:
    parts, lines = [], []
    for name in sorted(left.keys() | right.keys()):
        if name not in right or name not in left:
            change = "gone" if name not in right else "new"
            parts.append(
                pd.DataFrame(
                    [(change, name, "", "")], columns=["change", "dataset", "key", "columns"]
                )
            )
            lines.append(f"{name}: {change}")
            continue
        records = bundle.compare_tables(left[name], right[name], name)
        parts.append(records)
        counts = records["change"].value_counts()
        counted = ", ".join(
            f"{int(counts[w])} {w}" for w in ("new", "gone", "moved") if w in counts
        )
        lines.append(
            f"{name}: {len(left[name])} -> {len(right[name])} records"
            + (f", {counted}" if counted else "")
        )
    table = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    return Differences(table, "\n".join(lines))
