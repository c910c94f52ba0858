"""The check: contracts compiled to Great Expectations suites, run in memory, told as findings.

Great Expectations takes seconds to import, so it is imported only when a check really runs. It runs
in an ephemeral context: no project folder, no network, no progress bars, no Data Docs.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.contracts.columns import beside, complete, text
from sap.contracts.odcs import EXTRACT, Contract, Kind, Rule, Table, columns_of, stem
from sap.errors import PlanInvalid

if TYPE_CHECKING:
    import pandas as pd

FINDING_COLUMNS = ("domain", "rule", "description", "severity", "row", "usubjid")

CELLS: Mapping[str, Kind | None] = {
    "required_values": None,
    "numbers": "number",
    "whole_numbers": "whole number",
    "dates": "date",
    "dates_or_times": "date or time",
    "partial_dates": "partial date",
}
"""The tables of the extract's contract that hold every filled cell of one kind, or of any."""


class _Finding(NamedTuple):
    """One row of the answer; `place` keeps the order of the contract."""

    domain: str
    place: tuple[int, int]
    rule: Rule
    detail: str
    row: int | None
    usubjid: str | None


def check(
    tables: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
) -> "pd.DataFrame":
    """Every broken promise of an extract, as one row of (domain, rule, ..., row, usubjid).

    Nothing is repaired and nothing stops the check: a row with two defects gives two findings.

    1. What the domain contracts say is asked of each domain that is there.
    2. What `extract` says is asked of the whole: required domains and columns, values that may not
       be missing, numbers and dates.
    3. A rule that reads a column the extract must have and has not, or another domain it has not,
       is not asked: the missing column or domain is the finding.

    `row` counts from 1 without the header and is missing where the finding is about a column or
    domain. `description` is the rule in words, never a value of the data.
    """
    import pandas as pd

    said = {name: text(table) for name, table in sorted(tables.items())}
    found: list[_Finding] = []
    with warnings.catch_warnings():
        # Great Expectations warns about its own imports and its own use of pandas; where warnings
        # are errors, as in tests, it would take them for broken expectations.
        warnings.simplefilter("ignore")
        for name, contract in contracts.items():
            if name == EXTRACT:
                found += _extract_findings(contract, said, contracts, required)
            elif name in said:
                found += _domain_findings(contract, said)
    found.sort(key=lambda each: (each.domain, each.place, each.row or 0, each.detail))
    return pd.DataFrame(
        {
            "domain": [each.domain for each in found],
            "rule": [each.rule.name for each in found],
            "description": [each.rule.description + each.detail for each in found],
            "severity": [each.rule.severity for each in found],
            "row": pd.array([each.row for each in found], dtype="Int64"),
            "usubjid": pd.Series([each.usubjid for each in found], dtype=object),
        },
        columns=list(FINDING_COLUMNS),
    )


def _domain_findings(contract: Contract, said: Mapping[str, "pd.DataFrame"]) -> Iterator[_Finding]:
    table, frame = contract.tables[0], said[contract.name]
    absent = {each.name for each in table.columns if each.must_exist and each.name not in frame}
    whole = complete(frame, table, said)
    rules = [rule for rule in table.rules if _can_be_asked(rule, whole, absent)]
    men = beside(whole, "USUBJID")
    broken = _unexpected(contract.name, whole, rules)
    for position, rule in enumerate(table.rules):
        for row in broken.get(rule.name, ()):
            man = None if row is None else men.iloc[row]
            number = None if row is None else row + 1
            yield _Finding(contract.name, (0, position), rule, "", number, man)


def _can_be_asked(rule: Rule, whole: "pd.DataFrame", absent: set[str]) -> bool:
    return all(
        stem(column) not in absent and (column in whole or stem(column) in whole)
        for column in columns_of(rule)
    )


def _extract_findings(
    contract: Contract,
    said: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
) -> Iterator[_Finding]:
    for position, table in enumerate(contract.tables):
        frame = _extract_table(table, said, contracts, required)
        broken = _unexpected(table.name, frame, table.rules)
        for place, rule in enumerate(table.rules):
            for at in broken.get(rule.name, ()):
                cell = frame.iloc[at or 0]
                detail = f" ({cell['COLUMN']})" if cell["COLUMN"] else ""
                row = cell["ROW"]
                key = (-1 if row is None else 1, 100 * position + place)
                yield _Finding(cell["DOMAIN"], key, rule, detail, row, cell["USUBJID"])


def _extract_table(
    table: Table,
    said: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
) -> "pd.DataFrame":
    import pandas as pd

    names = [column.name for column in table.columns]
    spoken = {name: said[name] for name in said if name in contracts and name != EXTRACT}
    if table.name == "contents":
        return pd.DataFrame(_contents(said, contracts, required), columns=names, dtype=object)
    if table.name == "records":
        parts = [_records(name, frame, contracts[name], said) for name, frame in spoken.items()]
    elif table.name in CELLS:
        parts = [
            part
            for name, frame in spoken.items()
            for part in _cells(name, frame, contracts[name], CELLS[table.name])
        ]
    else:
        known = ", ".join(["contents", "records", *CELLS])
        raise PlanInvalid(f"extract.odcs.yaml: no table {table.name.upper()}; there are {known}")
    empty = pd.DataFrame(columns=names, dtype=object)
    whole = pd.concat(parts, ignore_index=True) if parts else empty
    return whole.reindex(columns=names)


def _contents(
    said: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
) -> Iterator[tuple[str | None, ...]]:
    """The extract's table of contents: one row a domain, and one a column of a domain it has.

    DOMAIN, COLUMN, ROW, USUBJID, then Y or missing: in the extract, in a contract, required.
    """

    def answer(yes: bool) -> str | None:
        return "Y" if yes else None

    known = set(contracts) - {EXTRACT}
    for domain in sorted(set(said) | set(required)):
        state = (answer(domain in said), answer(domain in known), answer(domain in required))
        yield domain, None, None, None, *state
        if domain not in said or domain not in known:
            continue
        columns = {column.name: column for column in contracts[domain].columns}
        here = [str(name) for name in said[domain]]
        for name in [*columns, *(each for each in here if each not in columns)]:
            needed = name in columns and columns[name].must_exist
            yield (
                *(domain, name, None, None),
                *(answer(name in here), answer(name in columns), answer(needed)),
            )


def _records(
    domain: str, frame: "pd.DataFrame", contract: Contract, said: Mapping[str, "pd.DataFrame"]
) -> "pd.DataFrame":
    """One row a record: its key, what it says of itself, whether DM knows its subject."""
    import pandas as pd

    def keys(table: "pd.DataFrame", columns: Sequence[str]) -> list[str | None]:
        rows = zip(*(beside(table, column) for column in columns), strict=True)
        return [None if None in row else "\x1f".join(row) for row in rows]

    def of_text(cells: Sequence[str | None] | str | None) -> "pd.Series[Any]":
        values = [cells] * len(frame) if cells is None or isinstance(cells, str) else cells
        return pd.Series(values, index=frame.index, dtype=object)

    dm = said.get("dm")
    subject = ["STUDYID", "USUBJID"]
    speaks = dm is not None and domain != "dm" and "USUBJID" in contract.key
    known = set() if dm is None else set(keys(dm, subject)) - {None}
    deaths: dict[Any, Any] = {}
    if dm is not None:
        deaths = dict(zip(beside(dm, "USUBJID"), beside(dm, "DTHDTC_latest"), strict=True))
    timing = contract.tables[0].timing
    return pd.DataFrame(
        {
            "DOMAIN": of_text(domain),
            "COLUMN": of_text(None),
            "ROW": range(1, len(frame) + 1),
            "USUBJID": beside(frame, "USUBJID"),
            "KEY": of_text(keys(frame, contract.key)),
            "DOMAIN_SAID": beside(frame, "DOMAIN"),
            "DOMAIN_MEANT": of_text(domain.upper()),
            "NEEDS_SUBJECT": of_text("Y" if speaks else None),
            "SUBJECT": of_text(["Y" if key in known else None for key in keys(frame, subject)]),
            "FIRST_DAY": of_text(None) if timing is None else beside(frame, f"{timing}_earliest"),
            "DEATH_DAY": of_text([deaths.get(man) for man in beside(frame, "USUBJID")]),
        }
    )


def _cells(
    domain: str, frame: "pd.DataFrame", contract: Contract, kind: Kind | None
) -> Iterator["pd.DataFrame"]:
    """Every filled cell of the columns of a kind; of no kind: every cell of the required columns."""
    import pandas as pd

    men = beside(frame, "USUBJID")
    for column in contract.columns:
        wanted = column.required if kind is None else column.kind == kind
        if not wanted or column.name not in frame:
            continue
        cells = frame[column.name]
        kept = frame.index if kind is None else frame.index[cells.notna()]
        yield pd.DataFrame(
            {
                "DOMAIN": [domain] * len(kept),
                "COLUMN": [column.name] * len(kept),
                "ROW": kept + 1,
                "USUBJID": men[kept].to_numpy(),
                "VALUE": cells[kept].to_numpy(),
            },
            dtype=object,
        )


def _unexpected(
    name: str, frame: "pd.DataFrame", rules: Sequence[Rule]
) -> dict[str, list[int | None]]:
    """For each broken rule the positions of its rows, or one None when it is about the table."""
    if not rules:
        return {}
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    needed = dict.fromkeys(column for rule in rules for column in columns_of(rule))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("extract")
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("whole")
        .get_batch({"dataframe": _only(frame, list(needed))})
    )
    broken = {
        result.expectation_config.meta["rule"]
        for result in _answers(batch, name, rules, "BOOLEAN_ONLY")
        if not result.success
    }
    # Asking for rows triples the time of a rule, so only the broken ones are asked.
    again = [rule for rule in rules if rule.name in broken]
    return {
        result.expectation_config.meta["rule"]: _positions(result)
        for result in _answers(batch, name, again, "COMPLETE")
        if not result.success
    }


def _answers(batch: Any, name: str, rules: Sequence[Rule], detail: str) -> Sequence[Any]:
    import great_expectations as gx

    if not rules:
        return []
    suite = gx.ExpectationSuite(name=name, expectations=[_compiled(rule) for rule in rules])
    answer = batch.validate(suite, result_format={"result_format": detail})
    return list(answer.results)


def _only(frame: "pd.DataFrame", needed: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    made = {column: beside(frame, column) for column in needed}
    return pd.DataFrame(made, index=frame.index)


def _compiled(rule: Rule) -> dict[str, Any]:
    condition = _row_condition(rule)
    return {
        "type": rule.expectation,
        "kwargs": {**rule.kwargs, **({} if condition is None else {"row_condition": condition})},
        "meta": {"rule": rule.name},
        "severity": rule.severity,
    }


def _row_condition(rule: Rule) -> Any:
    from great_expectations.expectations.row_conditions import Column

    conditions: list[Any] = []
    for name, wanted in rule.where.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        conditions.append(Column(name).is_null() if wanted is None else Column(name).is_in(values))
    for name, wanted in rule.where_not.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        conditions.append(
            Column(name).is_not_null() if wanted is None else Column(name).is_not_in(values)
        )
    if not conditions:
        return None
    condition = conditions[0]
    for each in conditions[1:]:
        condition = condition & each
    return condition


def _positions(result: Any) -> list[int | None]:
    if "unexpected_index_list" in result.result:
        return sorted(set(result.result["unexpected_index_list"]))
    if "observed_value" in result.result:
        return [None]
    raise PlanInvalid(
        f"data-contracts: Great Expectations cannot carry out rule "
        f"{result.expectation_config.meta['rule']}; check its arguments against the "
        "expectation's documentation"
    )
