"""The check of a cut: what a cut-off alone brings about is no breach."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sap.catalogue.numbers import number
from sap.contracts.columns import beside, text
from sap.contracts.expectations import check
from sap.contracts.odcs import Contract
from sap.plan.model import Plan

if TYPE_CHECKING:
    import pandas as pd

Key: TypeAlias = tuple[str | None, float | None]


def check_cut(
    cut: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    of_extract: "pd.DataFrame",
    progress: Callable[[str], None] = lambda _: None,
    plan: Plan | None = None,
) -> "pd.DataFrame":
    """The findings of a cut; `of_extract` are those of the extract it was made from.

    What only becomes last, first or empty through the cut is no breach.

    1. A rule with `of_cut: as in the extract` has the findings it has in the extract, in those
       records that the cut keeps.
    2. Every other rule is asked of the cut.

    `usubjid` and `seq` name the record of the extract; `row` is its row in the frozen table, which
    is the same in whatever order the extract has its rows, and whatever it holds of later days.
    """
    import pandas as pd

    asked = check(cut, contracts, required, progress, of_cut=True, plan=plan)
    marked = {
        (name, rule.name)
        for name, contract in contracts.items()
        for rule in contract.rules
        if not rule.asked_of_cut
    }
    places = {name: list(_keys(name, table)) for name, table in cut.items()}
    kept = []
    for finding in of_extract.to_dict("records"):
        domain, place = finding["domain"], _key(finding["usubjid"], finding["seq"])
        if (domain, finding["rule"]) in marked and place in places.get(domain, ()):
            kept.append(finding | {"row": places[domain].index(place) + 1})
    if not kept:
        return asked
    carried = pd.DataFrame(kept, columns=list(asked.columns)).astype(asked.dtypes)
    whole = pd.concat([asked, carried], ignore_index=True) if len(asked) else carried
    return whole.sort_values("domain", kind="stable", ignore_index=True)


def rows_in(extract: "pd.DataFrame", domain: str, findings: "pd.DataFrame") -> list[int | None]:
    """The row of the extract's table, from 1, in which the record of each finding stands."""
    places = list(_keys(domain, extract))
    wanted = [_key(one["usubjid"], one["seq"]) for one in findings.to_dict("records")]
    return [places.index(place) + 1 if place in places else None for place in wanted]


def _key(usubjid: str | None, seq: str | None) -> Key:
    return usubjid, number(seq) if isinstance(seq, str) else None


def _keys(domain: str, table: "pd.DataFrame") -> list[Key]:
    said = text(table)
    name = f"{domain.upper()}SEQ"
    return [
        _key(usubjid, seq)
        for usubjid, seq in zip(beside(said, "USUBJID"), beside(said, name), strict=True)
    ]
