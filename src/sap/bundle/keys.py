"""Keys of the ARD that were renamed: a result of before is found under its key of now."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sap.ard import KEY
from sap.errors import UsageError

COLUMNS = tuple(
    f"{side}_{name}"
    for side in ("old", "new")
    for name in ("analysis", "population", "paramcd", "group", "level", "sublevel", "stat_name")
)


def read_keys(path: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The new key of each old one; both in the order of `sap.ard.KEY`.

    Raises
    ------
    UsageError
        The file cannot be read, has other columns, or gives two new keys for one old key.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV: {type(error).__name__}.") from None
    if not lines or set(lines[0]) != set(COLUMNS):
        raise UsageError(f"{path}: its columns must be {', '.join(COLUMNS)}.")
    keys: dict[tuple[str, ...], tuple[str, ...]] = {}
    for number, line in enumerate(lines, start=1):
        if any(not isinstance(line[column], str) for column in COLUMNS) or None in line:
            raise UsageError(f"{path}: row {number} has not {len(COLUMNS)} cells.")
        old, new = (tuple(line[f"{side}_{name}"] for name in KEY) for side in ("old", "new"))
        if keys.setdefault(old, new) != new:
            raise UsageError(f"{path}: row {number} gives its old key a second new key.")
    return keys


def renamed(rows: pd.DataFrame, keys: Mapping[tuple[str, ...], tuple[str, ...]]) -> pd.DataFrame:
    """The rows of an ARD under their new keys; a key that is not in the table stays as it is."""
    old = [tuple(key) for key in rows[list(KEY)].itertuples(index=False, name=None)]
    new = pd.DataFrame([keys.get(key, key) for key in old], columns=list(KEY), index=rows.index)
    return rows.assign(**{name: new[name] for name in KEY})
