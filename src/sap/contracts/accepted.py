"""Accepted findings of a study, each with its reason: `accepted.yml` in the folder of the plan."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from sap.contracts.odcs import EXTRACT, Contract, Rule
from sap.errors import PlanError
from sap.plan.reading import load_yaml, problems

if TYPE_CHECKING:
    import pandas as pd

Text = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """One accepted finding: rule, record, reason, name and date.

    The record is identified by its subject and sequence number (--SEQ); in DM by the subject only,
    in TS by the sequence number only. A rule for every domain (`extract-...`) also needs the domain.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rule: Text
    domain: Annotated[str, Field(pattern=r"^[a-z0-9]{2,8}$")] | None = None
    usubjid: Text | None = None
    sequence: Annotated[int, Field(ge=0)] | None = None
    reason: Annotated[str, Field(min_length=3)]
    who: Text
    when: dt.date

    @model_validator(mode="after")
    def _names_a_row(self) -> "Entry":
        if self.usubjid is None and self.sequence is None:
            raise ValueError("name the row: usubjid, sequence, or both")
        return self

    def row(self) -> tuple[str | None, str | None]:
        return self.usubjid, None if self.sequence is None else str(self.sequence)


class Accepted(NamedTuple):
    """The entries, and the file that contains them."""

    entries: tuple[Entry, ...]
    content: bytes
    name: str


NONE = Accepted((), b"", "")
_ENTRIES = TypeAdapter(list[Entry])


def read(path: Path, contracts: Mapping[str, Contract]) -> Accepted:
    """The accepted findings of a file.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        The file is no list of accepted findings, an entry is given twice, or its rule does not exist
        or does not allow accepted findings (exit 13).
    """
    content, text, _ = load_yaml(path, "the file of accepted findings")
    if content is None:
        raise PlanError(f"{path}: the file of accepted findings is empty. Write `[]` for none.")
    try:
        entries = _ENTRIES.validate_python(content)
    except ValidationError as error:
        faults_listed = "\n".join(problems(error, "the file"))
        raise PlanError(
            f"{path} is not a valid file of accepted findings:\n{faults_listed}"
        ) from None
    faults = list(_faults(entries, contracts))
    if faults:
        faults_listed = "\n".join(f"  - {fault}" for fault in faults)
        raise PlanError(f"{path} does not fit the data contracts:\n{faults_listed}")
    return Accepted(tuple(entries), text.encode("utf-8"), path.name)


def _faults(entries: Sequence[Entry], contracts: Mapping[str, Contract]) -> Iterator[str]:
    rules = {rule.name: (name, rule) for name, of in contracts.items() for rule in of.rules}
    seen: set[tuple[Any, ...]] = set()
    for number, entry in enumerate(entries):
        if entry.rule not in rules:
            yield f"{number}.rule: no contract has a rule {entry.rule}: correct its spelling"
            continue
        yield from _entry_faults(number, entry, *rules[entry.rule])
        key = (entry.rule, entry.domain, *entry.row())
        if key in seen:
            yield f"{number}: the same finding is accepted twice: remove one"
        seen.add(key)


def _entry_faults(number: int, entry: Entry, contract: str, rule: Rule) -> Iterator[str]:
    if not rule.acceptable:
        yield (
            f"{number}.rule: a finding of {rule.name} may not be accepted, since no result would be "
            "defined: correct the source, or recode it with a map (`sap intake sdtm --map`)"
        )
    if contract == EXTRACT and entry.domain is None:
        yield f"{number}.domain: {rule.name} applies to every domain: name the domain"
    if contract != EXTRACT and entry.domain not in (None, contract):
        yield f"{number}.domain: {rule.name} is a rule of {contract}: leave the domain out"


def accept(findings: "pd.DataFrame", entries: Sequence[Entry]) -> tuple["pd.DataFrame", list[int]]:
    """The findings with `accepted` = Y where accepted, and the numbers (from 0) of unmatched entries.

    A finding without a row concerns a column or a domain and cannot be accepted.
    """
    import pandas as pd

    places_by_key: dict[tuple[Any, ...], list[int]] = {}
    rows = findings[findings["row"].notna()]
    columns = (rows[name] for name in ("rule", "domain", "usubjid", "seq"))
    for place, rule, domain, subject, sequence in zip(rows.index, *columns, strict=True):
        for domain_or_any in (domain, None):
            key = (rule, domain_or_any, _word(subject), _word(sequence))
            places_by_key.setdefault(key, []).append(place)
    matched = [places_by_key.get((entry.rule, entry.domain, *entry.row()), []) for entry in entries]
    marks = pd.Series([None] * len(findings), findings.index, dtype=object)
    marks[[place for places in matched for place in places]] = "Y"
    unmatched = [number for number, places in enumerate(matched) if not places]
    return findings.assign(accepted=marks), unmatched


def _word(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def stops(findings: "pd.DataFrame") -> "pd.DataFrame":
    """The findings that stop the run: critical and not accepted."""
    return findings[(findings["severity"] == "critical") & findings["accepted"].isna()]
