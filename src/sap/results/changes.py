"""What changed between two reports, number by number."""

import pandas as pd

from sap import ard

COLUMNS = ("change", *ard.KEY, "before", "now")


def _by_key(rows: pd.DataFrame) -> pd.DataFrame:
    keyed = rows[[*ard.KEY, "stat", "stat_text"]].copy()
    texts = [
        text if number != number else repr(float(number))  # noqa: PLR0124 - NaN is not itself
        for number, text in zip(keyed["stat"], keyed["stat_text"], strict=True)
    ]
    return keyed[list(ard.KEY)].assign(text=texts)


def changes(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Every row of two ARDs with what became of it, in the order of the keys.

    1. `new`: its key is only in `now`.   2. `gone`: only in `before`.
    3. `moved`: number or words differ; exactly, every digit counts.   4. `same`.
    """
    both = _by_key(before).merge(
        _by_key(now), on=list(ard.KEY), how="outer", suffixes=("_before", "_now"), indicator=True
    )
    change = (
        both["_merge"].astype(str).map({"left_only": "gone", "right_only": "new", "both": "same"})
    )
    moved = (both["_merge"] == "both") & (both["text_before"] != both["text_now"])
    changed = both.assign(
        change=change.mask(moved, "moved"),
        before=both["text_before"].fillna(""),
        now=both["text_now"].fillna(""),
    )
    return changed[list(COLUMNS)].sort_values(list(ard.KEY), kind="stable", ignore_index=True)
