"""The check of a cut: findings that only result from the data cut-off are not reported."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sap.catalogue.numbers import number
from sap.contracts.columns import derived_column, text
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

    A record that is last, first or incomplete only because of the cut-off is no violation.

    1. A rule with `of_cut: as in the extract` has its findings of the extract, for the records that
       are in the cut.
    2. Every other rule is checked on the cut.

    `usubjid` and `seq` identify the record; `row` is its row in the frozen table, which does not
    depend on the order of the rows of the extract or on its later records.
    """
    import pandas as pd

    checked = check(cut, contracts, required, progress, of_cut=True, plan=plan)
    from_extract = {
        (name, rule.name)
        for name, contract in contracts.items()
        for rule in contract.rules
        if not rule.checked_on_cut
    }
    places = {name: list(_keys(name, table)) for name, table in cut.items()}
    carried_over = []
    for finding in of_extract.to_dict("records"):
        domain, place = finding["domain"], _key(finding["usubjid"], finding["seq"])
        if (domain, finding["rule"]) in from_extract and place in places.get(domain, ()):
            carried_over.append(finding | {"row": places[domain].index(place) + 1})
    if not carried_over:
        return checked
    carried = pd.DataFrame(carried_over, columns=list(checked.columns)).astype(checked.dtypes)
    findings = pd.concat([checked, carried], ignore_index=True) if len(checked) else carried
    return findings.sort_values("domain", kind="stable", ignore_index=True)


def rows_in(extract: "pd.DataFrame", domain: str, findings: "pd.DataFrame") -> list[int | None]:
    """The row of the extract's table, from 1, of the record of each finding."""
    places = list(_keys(domain, extract))
    keys = [_key(finding["usubjid"], finding["seq"]) for finding in findings.to_dict("records")]
    return [places.index(place) + 1 if place in places else None for place in keys]


def _key(usubjid: str | None, seq: str | None) -> Key:
    return usubjid, number(seq) if isinstance(seq, str) else None


def _keys(domain: str, table: "pd.DataFrame") -> list[Key]:
    texts = text(table)
    name = f"{domain.upper()}SEQ"
    return [
        _key(usubjid, seq)
        for usubjid, seq in zip(
            derived_column(texts, "USUBJID"), derived_column(texts, name), strict=True
        )
    ]
