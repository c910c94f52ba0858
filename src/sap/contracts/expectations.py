"""The check: contracts compiled to Great Expectations suites, run in memory, told as findings.

Great Expectations takes seconds to import, so it is imported only when a check really runs. It runs
in an ephemeral context: no project folder, no network, no progress bars, no Data Docs.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.catalogue import coded_columns
from sap.contracts import plan_terms
from sap.contracts.columns import beside, complete, folded, matching, text
from sap.contracts.odcs import (
    EXTRACT,
    Contract,
    Kind,
    Rule,
    Table,
    columns_of,
    folded_words,
    reads,
    stem,
)
from sap.errors import PlanError
from sap.plan.model import Plan

if TYPE_CHECKING:
    import pandas as pd

FINDING_COLUMNS = (
    "domain",
    "rule",
    "description",
    "severity",
    "row",
    "usubjid",
    "seq",
    "contract",
    "allowed",
    "accepted",
)
"""What a finding says: where the fault lies, which rule of which file it breaks, what is allowed."""

CELLS: Mapping[str, Kind | None] = {
    "required_values": None,
    "numbers": "number",
    "whole_numbers": "whole number",
    "dates": "date",
    "dates_or_times": "date or time",
    "partial_dates": "partial date",
    "texts": "text",
}
"""The tables of the extract's contract that hold every filled cell of one kind, or of any. Of texts
only those that are not ASCII: the rest cannot hold what the rule on them looks for."""


PLAN_TERMS = "plan_terms"
"""The table of the extract's contract that sets the plan beside the extract."""


class _Finding(NamedTuple):
    """One row of the answer; `place` keeps the order of the contract."""

    domain: str
    contract: Contract
    place: tuple[int, int]
    rule: Rule
    detail: str
    row: int | None
    usubjid: str | None


def check(
    tables: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    progress: Callable[[str], None] = lambda _: None,
    *,
    of_cut: bool = False,
    plan: Plan | None = None,
) -> "pd.DataFrame":
    """Every broken promise of an extract, as one row of (domain, rule, ..., row, usubjid).

    Nothing is repaired and nothing stops the check: a row with two defects gives two findings.

    1. What the domain contracts say is asked of each domain that is there.
    2. What `extract` says is asked of the whole: required domains, that they have records, required
       columns, values that may not be missing, numbers and dates; with a `plan`, that the extract is
       of its study and has the drugs, tests, visits and event terms that it names. A cut (`of_cut`) may have no
       record of a required domain: before the first event there is none. Of a cut no rule is asked
       whose contract says `of_cut: as in the extract` (see `check_cut`).
    3. A rule that reads a column the extract must have and has not, or another domain it has not,
       is not asked: the missing column or domain is the finding. Of a table without rows only the
       rules about the table are asked.

    `progress` hears the name of each domain when its turn comes, since the whole takes seconds.

    `row` counts from 1 without the header and is missing where the finding is about a column or
    domain; `seq` is the --SEQ of that row. `description` is the rule in words, never a value of the
    data; `contract` the file that holds the rule, `allowed` the words it allows. `accepted` is Y
    where the study accepts the finding, and empty here.
    """
    import pandas as pd

    said = {name: text(table, contracts.get(name)) for name, table in sorted(tables.items())}
    if plan is not None and "ex" in said:
        said["ex"] = plan_terms.with_ingredients(said["ex"], "EXTRT", plan)
    found: list[_Finding] = []
    with warnings.catch_warnings():
        # Great Expectations warns about its own imports and its own use of pandas; where warnings
        # are errors, as in tests, it would take them for broken expectations.
        warnings.simplefilter("ignore")
        engine = _engine()
        for name, contract in contracts.items():
            progress(name)
            if name == EXTRACT:
                found += _extract_findings(
                    engine, contract, said, contracts, required, of_cut, plan
                )
            elif name in said:
                found += _domain_findings(engine, contract, said, of_cut)
    found.sort(key=lambda each: (each.domain, each.place, each.row or 0, each.detail))
    return pd.DataFrame(
        {
            "domain": _texts(each.domain for each in found),
            "rule": _texts(each.rule.name for each in found),
            "description": _texts(each.rule.description + each.detail for each in found),
            "severity": _texts(each.rule.severity for each in found),
            "row": pd.array([each.row for each in found], dtype="Int64"),
            "usubjid": _texts(each.usubjid for each in found),
            "seq": _texts(_sequence(said, each) for each in found),
            "contract": _texts(each.contract.file for each in found),
            "allowed": _texts(each.rule.allowed or None for each in found),
            "accepted": _texts(None for _ in found),
        },
        columns=list(FINDING_COLUMNS),
    )


def _texts(cells: Iterable[str | None]) -> "pd.Series[Any]":
    """Text, also when there is none: a column without cells would be one of numbers."""
    import pandas as pd

    return pd.Series(list(cells), dtype=object)


def _sequence(said: Mapping[str, "pd.DataFrame"], finding: _Finding) -> str | None:
    name = f"{finding.domain.upper()}SEQ"
    if finding.row is None or name not in said[finding.domain]:
        return None
    cell: str | None = said[finding.domain][name].iloc[finding.row - 1]
    return cell


def _domain_findings(
    engine: Any, contract: Contract, said: Mapping[str, "pd.DataFrame"], of_cut: bool
) -> Iterator[_Finding]:
    table, frame = contract.tables[0], said[contract.name]
    absent = {each.name for each in table.columns if each.must_exist and each.name not in frame}
    whole = complete(frame, table, said)
    rules = [rule for rule in table.rules if rule.asked_of_cut or not of_cut]
    rules = [rule for rule in rules if _can_be_asked(rule, whole, absent)]
    if whole.empty:
        rules = [rule for rule in rules if not reads(rule)]
    subjects = beside(whole, "USUBJID")
    broken = _unexpected(engine, whole, rules)
    for position, rule in enumerate(table.rules):
        for row in broken.get(rule.name, ()):
            subject = None if row is None else subjects.iloc[row]
            number = None if row is None else row + 1
            yield _Finding(contract.name, contract, (0, position), rule, "", number, subject)


def _can_be_asked(rule: Rule, whole: "pd.DataFrame", absent: set[str]) -> bool:
    return all(
        stem(column) not in absent and (column in whole or stem(column) in whole)
        for column in columns_of(rule)
    )


def _extract_findings(
    engine: Any,
    contract: Contract,
    said: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    of_cut: bool,
    plan: Plan | None,
) -> Iterator[_Finding]:
    for position, table in enumerate(contract.tables):
        if table.name == PLAN_TERMS:
            frame = _beside_plan(table, said, contracts, plan)
        else:
            frame = _extract_table(table, said, contracts, required, of_cut)
        rules = [rule for rule in table.rules if rule.asked_of_cut or not of_cut]
        broken = _unexpected(engine, frame, rules)
        for place, rule in enumerate(table.rules):
            for at in broken.get(rule.name, ()):
                cell = frame.iloc[at or 0]
                detail = f" ({cell['COLUMN']})" if cell["COLUMN"] else ""
                row = cell["ROW"]
                key = (-1 if row is None else 1, 100 * position + place)
                yield _Finding(cell["DOMAIN"], contract, key, rule, detail, row, cell["USUBJID"])


def _beside_plan(
    table: Table,
    said: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    plan: Plan | None,
) -> "pd.DataFrame":
    """What the plan names, beside the domains that have a contract; without a plan, nothing."""
    import pandas as pd

    names = [column.name for column in table.columns]
    known = {name: said[name] for name in said if name in contracts and name != EXTRACT}
    rows = [] if plan is None else list(plan_terms.lines(known, plan))
    return pd.DataFrame(rows, columns=names, dtype=object)


def _extract_table(
    table: Table,
    said: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    of_cut: bool,
) -> "pd.DataFrame":
    import pandas as pd

    names = [column.name for column in table.columns]
    spoken = {name: said[name] for name in said if name in contracts and name != EXTRACT}
    if table.name == "contents":
        return pd.DataFrame(
            _contents(said, contracts, required, of_cut), columns=names, dtype=object
        )
    if table.name == "records":
        parts = [_records(name, frame, contracts[name], said) for name, frame in spoken.items()]
    elif table.name in CELLS:
        parts = [
            part
            for name, frame in spoken.items()
            for part in _cells(name, frame, contracts[name], CELLS[table.name])
        ]
    else:
        known = ", ".join(["contents", "records", PLAN_TERMS, *CELLS])
        raise PlanError(f"extract.odcs.yaml: no table {table.name.upper()}; there are {known}")
    empty = pd.DataFrame(columns=names, dtype=object)
    whole = pd.concat(parts, ignore_index=True) if parts else empty
    return whole.reindex(columns=names)


def _contents(
    said: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    of_cut: bool,
) -> Iterator[tuple[str | None, ...]]:
    """The extract's table of contents: one row a domain, and one a column of a domain it has.

    DOMAIN, COLUMN, ROW, USUBJID, then Y or missing: in the extract, in a contract, required, has
    records (of a column always Y).
    """

    def answer(yes: bool) -> str | None:
        return "Y" if yes else None

    known = set(contracts) - {EXTRACT}
    for domain in sorted(set(said) | set(required)):
        state = (answer(domain in said), answer(domain in known), answer(domain in required))
        filled = answer(of_cut or (domain in said and not said[domain].empty))
        yield domain, None, None, None, *state, filled
        if domain not in said or domain not in known:
            continue
        columns = {column.name: column for column in contracts[domain].columns}
        spoken = {*columns, *contracts[domain].tables[0].derived}
        here = [str(name) for name in said[domain]]
        for name in [*columns, *(each for each in here if each not in columns)]:
            needed = name in columns and columns[name].must_exist
            yield (
                *(domain, name, None, None),
                *(answer(name in here), answer(name in spoken), answer(needed), "Y"),
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
            "DEATH_DAY": of_text([deaths.get(subject) for subject in beside(frame, "USUBJID")]),
        }
    )


def _cells(
    domain: str, frame: "pd.DataFrame", contract: Contract, kind: Kind | None
) -> Iterator["pd.DataFrame"]:
    """Every filled cell of the columns of a kind; of no kind: every cell of the required columns."""
    import pandas as pd

    subjects, read = beside(frame, "USUBJID"), _read(domain, frame)
    for column in contract.columns:
        wanted = column.required if kind is None else column.kind == kind
        if not wanted or column.name not in frame:
            continue
        cells = frame[column.name]
        kept = frame.index if kind is None else frame.index[cells.notna()]
        if kind == "text":
            kept = kept[[not str(cell).isascii() for cell in cells[kept]]]
        yield pd.DataFrame(
            {
                "DOMAIN": [domain] * len(kept),
                "COLUMN": [column.name] * len(kept),
                "ROW": kept + 1,
                "USUBJID": subjects[kept].to_numpy(),
                "VALUE": cells[kept].to_numpy(),
                "READ": read[kept].to_numpy(),
            },
            dtype=object,
        )


def _read(domain: str, frame: "pd.DataFrame") -> "pd.Series[Any]":
    """Y for a record that results may read: it has no test, or one of the domain's codelist."""
    import pandas as pd

    column = f"{domain.upper()}TESTCD"
    entries = coded_columns().get(domain, {}).get(column, ())
    if column not in frame or not entries:
        return pd.Series(["Y"] * len(frame), frame.index, dtype=object)
    known = {cell: entries[0].codelist.standard(cell) for cell in frame[column].unique()}
    answers = ["Y" if known[cell] else None for cell in frame[column]]
    return pd.Series(answers, frame.index, dtype=object)


def _engine() -> Any:
    """Great Expectations in memory, waiting for a table: making one takes as long as ten rules."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("extract").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole")


def _unexpected(
    engine: Any, frame: "pd.DataFrame", rules: Sequence[Rule]
) -> dict[str, list[int | None]]:
    """For each broken rule the positions of its rows, or one None when it is about the table."""
    if not rules or (frame.empty and all(reads(rule) for rule in rules)):
        return {}
    batch = engine.get_batch({"dataframe": _as_asked(frame, rules)})
    broken = {
        result.expectation_config.meta["rule"]
        for result in _answers(batch, rules, "BOOLEAN_ONLY")
        if not result.success
    }
    # Asking for rows triples the time of a rule, so only the broken ones are asked.
    again = [rule for rule in rules if rule.name in broken]
    return {
        result.expectation_config.meta["rule"]: _positions(result)
        for result in _answers(batch, again, "COMPLETE")
        if not result.success
    }


def _answers(batch: Any, rules: Sequence[Rule], detail: str) -> Sequence[Any]:
    import great_expectations as gx

    if not rules:
        return []
    suite = gx.ExpectationSuite(name="rules", expectations=[_compiled(rule) for rule in rules])
    form = {"result_format": detail, "return_unexpected_index_query": False}
    answer = batch.validate(suite, result_format=form)
    return list(answer.results)


def _as_asked(frame: "pd.DataFrame", rules: Sequence[Rule]) -> "pd.DataFrame":
    """The columns the rules read; a rule that looks at some rows has columns of its own.

    In those the rows it does not look at are missing, which an expectation passes over; where the
    expectation is about missing values, they hold a word. Great Expectations' own row conditions
    say the same and take three times as long.
    """
    import pandas as pd

    made: dict[str, pd.Series[Any]] = {}
    for rule in rules:
        looked_at = matching(frame, rule.where)
        for name, wanted in rule.where_not.items():
            looked_at &= ~matching(frame, {name: wanted})
        for column, asked in zip(reads(rule), _asked(rule), strict=True):
            if column == asked and asked in made:
                continue
            cells = beside(frame, column)
            if rule.expectation == "expect_column_values_to_not_be_null":
                cells = cells.astype(object).where(looked_at, "not asked")
            elif column != asked:
                cells = cells.where(looked_at)
            made[asked] = folded(cells) if "codelist" in rule.kwargs else cells
    return pd.DataFrame(made, index=frame.index)


def _asked(rule: Rule) -> list[str]:
    """The names, in the table Great Expectations sees, of the columns a rule reads."""
    if not rule.where and not rule.where_not and "codelist" not in rule.kwargs:
        return list(reads(rule))
    return [f"{column} of {rule.name}" for column in reads(rule)]


def _compiled(rule: Rule) -> dict[str, Any]:
    asked = dict(zip(reads(rule), _asked(rule), strict=True))
    kwargs = dict(rule.kwargs)
    if kwargs.pop("codelist", None) is not None:
        kwargs["value_set"] = folded_words(rule.kwargs)
    for word in ("column", "column_A", "column_B"):
        if word in kwargs:
            kwargs[word] = asked[kwargs[word]]
    if "column_list" in kwargs:
        kwargs["column_list"] = [asked[column] for column in kwargs["column_list"]]
    return {
        "type": rule.expectation,
        "kwargs": kwargs,
        "meta": {"rule": rule.name},
        "severity": rule.severity,
    }


def _positions(result: Any) -> list[int | None]:
    if "unexpected_index_list" in result.result:
        return sorted(set(result.result["unexpected_index_list"]))
    if "observed_value" in result.result:
        return [None]
    raise PlanError(
        f"data-contracts: Great Expectations cannot carry out rule "
        f"{result.expectation_config.meta['rule']}; check its arguments against the "
        "expectation's documentation"
    )
