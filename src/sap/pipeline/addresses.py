"""Where each number of a report comes from: the row of the ARD, or the entry of the plan."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from sap import ard
from sap.pipeline.steps import RESULTS


def addresses(rows: pd.DataFrame, plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the reader of the HTML is shown about a number, by its key.

    For a row of the ARD: its columns, the datasets it was computed from and the code that did it.
    For a number of the plan (`plan|psa_response.decline_pct`): section, source, and whether the
    plan only assumes it.
    """
    made_by = {step.name: step for step in RESULTS}
    known: dict[str, dict[str, Any]] = {}
    for row in rows.to_dict("records"):
        shown = {str(k): v for k, v in row.items() if v not in ("", None) and v == v}  # noqa: PLR0124
        step = made_by.get(str(row["analysis"])) or _step_of(str(row["analysis"]))
        if step is not None:
            given = ("plan", "cut_off")
            read = ", ".join(name.upper() for name in step.reads if name not in given)
            shown["datasets"] = read or "the plan"
            shown["code"] = f"{step.makes.__module__}.{step.makes.__qualname__}"
        known[ard.key({str(k): v for k, v in row.items()})] = shown
    for path, value, entry in _numbers("", plan, {}):
        known[f"plan|{path}"] = {
            "plan": path,
            "value": value,
            "section": entry.get("section", ""),
            "source": entry.get("source", ""),
            "assumption": entry.get("assumption", False),
        }
    return known


def _step_of(analysis: str) -> Any:
    """The step whose name begins an analysis: `os_curve` is made by `os`."""
    fitting = [step for step in RESULTS if analysis.startswith(step.name)]
    return max(fitting, key=lambda step: len(step.name), default=None)


def _numbers(
    path: str, here: Any, entry: dict[str, Any]
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    if isinstance(here, dict):
        entry = here if "section" in here else entry
        for name, inner in here.items():
            yield from _numbers(f"{path}.{name}" if path else name, inner, entry)
    elif isinstance(here, list):
        for place, inner in enumerate(here):
            yield from _numbers(f"{path}.{place}", inner, entry)
    elif here is not None:
        yield path, here, entry
