"""Findings that a study accepts, each with its reason: `accepted.yml` beside the plan."""

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

Words = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """One finding that is accepted: which rule, in which row, why, by whom, when.

    The row is named by the subject and the sequence of its record (--SEQ); a record of DM has the
    subject alone, one of TS the sequence alone. A rule about every domain (`extract-...`) needs the
    domain as well.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rule: Words
    domain: Annotated[str, Field(pattern=r"^[a-z0-9]{2,8}$")] | None = None
    usubjid: Words | None = None
    sequence: Annotated[int, Field(ge=0)] | None = None
    reason: Annotated[str, Field(min_length=3)]
    who: Words
    when: dt.date

    @model_validator(mode="after")
    def _names_a_row(self) -> "Entry":
        if self.usubjid is None and self.sequence is None:
            raise ValueError("name the row: usubjid, sequence, or both")
        return self

    def row(self) -> tuple[str | None, str | None]:
        return self.usubjid, None if self.sequence is None else str(self.sequence)


class Accepted(NamedTuple):
    """The entries, and the file they stand in."""

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
        It is no list of accepted findings, an entry stands twice, or names a rule that is not there
        or whose findings may not be accepted (exit 13).
    """
    content, text, _ = load_yaml(path, "the file of accepted findings")
    if content is None:
        raise PlanError(f"{path}: the file of accepted findings is empty. Write `[]` for none.")
    try:
        entries = _ENTRIES.validate_python(content)
    except ValidationError as error:
        said = "\n".join(problems(error, "the file"))
        raise PlanError(f"{path} is not a valid file of accepted findings:\n{said}") from None
    faults = list(_faults(entries, contracts))
    if faults:
        said = "\n".join(f"  - {fault}" for fault in faults)
        raise PlanError(f"{path} does not fit the data contracts:\n{said}")
    return Accepted(tuple(entries), text.encode("utf-8"), path.name)


def _faults(entries: Sequence[Entry], contracts: Mapping[str, Contract]) -> Iterator[str]:
    rules = {rule.name: (name, rule) for name, of in contracts.items() for rule in of.rules}
    seen: set[tuple[Any, ...]] = set()
    for number, entry in enumerate(entries):
        if entry.rule not in rules:
            yield f"{number}.rule: no contract has a rule {entry.rule}: mend its spelling"
            continue
        yield from _entry_faults(number, entry, *rules[entry.rule])
        this = (entry.rule, entry.domain, *entry.row())
        if this in seen:
            yield f"{number}: the same finding is accepted twice: take one out"
        seen.add(this)


def _entry_faults(number: int, entry: Entry, contract: str, rule: Rule) -> Iterator[str]:
    if not rule.acceptable:
        yield (
            f"{number}.rule: a finding of {rule.name} may not be accepted, since no result would be "
            "defined: correct the source, or recode it with a map (`sap intake sdtm --map`)"
        )
    if contract == EXTRACT and entry.domain is None:
        yield f"{number}.domain: {rule.name} is about every domain: name the one"
    if contract != EXTRACT and entry.domain not in (None, contract):
        yield f"{number}.domain: {rule.name} is a rule of {contract}: leave the domain out"


def accept(findings: "pd.DataFrame", entries: Sequence[Entry]) -> tuple["pd.DataFrame", list[int]]:
    """The findings, those accepted marked Y, and the numbers (from 0) of entries that meet none.

    A finding without a row is about a column or a domain, and none is accepted.
    """
    import pandas as pd

    found: dict[tuple[Any, ...], list[int]] = {}
    rows = findings[findings["row"].notna()]
    columns = (rows[name] for name in ("rule", "domain", "usubjid", "seq"))
    for place, rule, domain, subject, sequence in zip(rows.index, *columns, strict=True):
        for known in (domain, None):
            key = (rule, known, _word(subject), _word(sequence))
            found.setdefault(key, []).append(place)
    met = [found.get((one.rule, one.domain, *one.row()), []) for one in entries]
    marks = pd.Series([None] * len(findings), findings.index, dtype=object)
    marks[[place for places in met for place in places]] = "Y"
    unmet = [number for number, places in enumerate(met) if not places]
    return findings.assign(accepted=marks), unmet


def _word(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def stops(findings: "pd.DataFrame") -> "pd.DataFrame":
    """The findings that stop: critical and not accepted."""
    return findings[(findings["severity"] == "critical") & findings["accepted"].isna()]
