"""The check: contracts compiled to Great Expectations suites and run in memory; returns findings.

Great Expectations takes seconds to import, so it is imported only when a check is run. It runs in an ephemeral context: no project folder, no network, no progress bars, no Data Docs.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.catalogue import coded_columns
from sap.contracts import plan_terms
from sap.contracts.columns import complete, derived_column, folded, matching, text
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
"""The columns of a finding: its location, the rule and file, the allowed values, acceptance."""

VALUE_TABLES: Mapping[str, Kind | None] = {
    "required_values": None,
    "numbers": "number",
    "whole_numbers": "whole number",
    "dates": "date",
    "dates_or_times": "date or time",
    "partial_dates": "partial date",
    "texts": "text",
}
"""The tables of the extract contract with the non-empty values of one kind of column, or of any kind.
Texts only where they are not ASCII, because the rule on them concerns other characters."""


PLAN_TERMS = "plan_terms"
"""The table of the extract contract that compares the plan with the extract."""


class _Finding(NamedTuple):
    """One finding; `place` is the order of the rules in the contract."""

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
    """The findings of an extract: one row per violation of a rule, with the columns `FINDING_COLUMNS`.

    Nothing is repaired, and the check is always complete: a row with two errors gives two findings.

    1. The rules of a domain contract are checked for each domain of the extract.
    2. The rules of `extract` are checked for all domains: required domains and columns, records,
       values that must not be missing, numbers and dates; with a `plan`, also the study, and the
       drugs, tests, visits and event terms named in the plan. A cut (`of_cut`) may have no record of
       a required domain, and rules with `of_cut: as in the extract` are not checked on a cut (see
       `check_cut`).
    3. A rule is not checked when a column or another domain that it needs is missing; the missing
       column or domain is the finding. For a table without rows only rules about the table are
       checked.

    `progress` is called with the name of each domain.

    `row` counts from 1 without the header and is missing where the finding concerns a column or
    domain; `seq` is the --SEQ of that row. `description` is the text of the rule, never a value of
    the data; `contract` is the file of the rule, `allowed` the allowed values. `accepted` is Y for an
    accepted finding, and empty here.
    """
    import pandas as pd

    texts = {name: text(table, contracts.get(name)) for name, table in sorted(tables.items())}
    if plan is not None and "ex" in texts:
        texts["ex"] = plan_terms.with_ingredients(texts["ex"], "EXTRT", plan)
    if plan is not None and plan.biomarker is not None and plan.biomarker.domain in texts:
        domain = plan.biomarker.domain
        texts[domain] = plan_terms.with_results(texts[domain], plan)
    findings: list[_Finding] = []
    with warnings.catch_warnings():
        # Great Expectations warns about its own imports and its own use of pandas; where warnings
        # are errors, as in tests, it would take them for broken expectations.
        warnings.simplefilter("ignore")
        engine = _engine()
        for name, contract in contracts.items():
            progress(name)
            if name == EXTRACT:
                findings += _extract_findings(
                    engine, contract, texts, contracts, required, of_cut, plan
                )
            elif name in texts:
                findings += _domain_findings(engine, contract, texts, of_cut)
    findings.sort(
        key=lambda finding: (finding.domain, finding.place, finding.row or 0, finding.detail)
    )
    return pd.DataFrame(
        {
            "domain": _texts(finding.domain for finding in findings),
            "rule": _texts(finding.rule.name for finding in findings),
            "description": _texts(
                finding.rule.description + finding.detail for finding in findings
            ),
            "severity": _texts(finding.rule.severity for finding in findings),
            "row": pd.array([finding.row for finding in findings], dtype="Int64"),
            "usubjid": _texts(finding.usubjid for finding in findings),
            "seq": _texts(_sequence(texts, finding) for finding in findings),
            "contract": _texts(finding.contract.file for finding in findings),
            "allowed": _texts(finding.rule.allowed or None for finding in findings),
            "accepted": _texts(None for _ in findings),
        },
        columns=list(FINDING_COLUMNS),
    )


def _texts(cells: Iterable[str | None]) -> "pd.Series[Any]":
    """A column of texts, also when it is empty (pandas would make an empty one numeric)."""
    import pandas as pd

    return pd.Series(list(cells), dtype=object)


def _sequence(texts: Mapping[str, "pd.DataFrame"], finding: _Finding) -> str | None:
    name = f"{finding.domain.upper()}SEQ"
    if finding.row is None or name not in texts[finding.domain]:
        return None
    cell: str | None = texts[finding.domain][name].iloc[finding.row - 1]
    return cell


def _domain_findings(
    engine: Any, contract: Contract, texts: Mapping[str, "pd.DataFrame"], of_cut: bool
) -> Iterator[_Finding]:
    table, frame = contract.tables[0], texts[contract.name]
    absent = {each.name for each in table.columns if each.must_exist and each.name not in frame}
    completed = complete(frame, table, texts)
    rules = [rule for rule in table.rules if rule.checked_on_cut or not of_cut]
    rules = [rule for rule in rules if _applicable(rule, completed, absent)]
    if completed.empty:
        rules = [rule for rule in rules if not reads(rule)]
    subjects = derived_column(completed, "USUBJID")
    broken = _unexpected(engine, completed, rules)
    for position, rule in enumerate(table.rules):
        for row in broken.get(rule.name, ()):
            subject = None if row is None else subjects.iloc[row]
            number = None if row is None else row + 1
            yield _Finding(contract.name, contract, (0, position), rule, "", number, subject)


def _applicable(rule: Rule, completed: "pd.DataFrame", absent: set[str]) -> bool:
    return all(
        stem(column) not in absent and (column in completed or stem(column) in completed)
        for column in columns_of(rule)
    )


def _extract_findings(
    engine: Any,
    contract: Contract,
    texts: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    of_cut: bool,
    plan: Plan | None,
) -> Iterator[_Finding]:
    for position, table in enumerate(contract.tables):
        if table.name == PLAN_TERMS:
            frame = _plan_table(table, texts, contracts, plan)
        else:
            frame = _extract_table(table, texts, contracts, required, of_cut)
        rules = [rule for rule in table.rules if rule.checked_on_cut or not of_cut]
        broken = _unexpected(engine, frame, rules)
        for place, rule in enumerate(table.rules):
            for at in broken.get(rule.name, ()):
                cell = frame.iloc[at or 0]
                detail = f" ({cell['COLUMN']})" if cell["COLUMN"] else ""
                row = cell["ROW"]
                key = (-1 if row is None else 1, 100 * position + place)
                yield _Finding(cell["DOMAIN"], contract, key, rule, detail, row, cell["USUBJID"])


def _plan_table(
    table: Table,
    texts: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    plan: Plan | None,
) -> "pd.DataFrame":
    """The terms of the plan compared with the domains that have a contract; empty without a plan."""
    import pandas as pd

    names = [column.name for column in table.columns]
    known = {name: texts[name] for name in texts if name in contracts and name != EXTRACT}
    rows = [] if plan is None else list(plan_terms.lines(known, plan))
    return pd.DataFrame(rows, columns=names, dtype=object)


def _extract_table(
    table: Table,
    texts: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    of_cut: bool,
) -> "pd.DataFrame":
    import pandas as pd

    names = [column.name for column in table.columns]
    contracted = {name: texts[name] for name in texts if name in contracts and name != EXTRACT}
    if table.name == "contents":
        return pd.DataFrame(
            _contents(texts, contracts, required, of_cut), columns=names, dtype=object
        )
    if table.name == "records":
        parts = [
            _records(name, frame, contracts[name], texts) for name, frame in contracted.items()
        ]
    elif table.name in VALUE_TABLES:
        parts = [
            part
            for name, frame in contracted.items()
            for part in _cells(name, frame, contracts[name], VALUE_TABLES[table.name])
        ]
    else:
        known = ", ".join(["contents", "records", PLAN_TERMS, *VALUE_TABLES])
        raise PlanError(f"extract.odcs.yaml: no table {table.name.upper()}; there are {known}")
    empty = pd.DataFrame(columns=names, dtype=object)
    rows = pd.concat(parts, ignore_index=True) if parts else empty
    return rows.reindex(columns=names)


def _contents(
    texts: Mapping[str, "pd.DataFrame"],
    contracts: Mapping[str, Contract],
    required: Sequence[str],
    of_cut: bool,
) -> Iterator[tuple[str | None, ...]]:
    """The table of contents of the extract: one row per domain and one per column of each domain.

    DOMAIN, COLUMN, ROW, USUBJID, then Y or missing: in the extract, in a contract, required, has
    records (of a column always Y).
    """

    def yes_or_missing(yes: bool) -> str | None:
        return "Y" if yes else None

    known = set(contracts) - {EXTRACT}
    for domain in sorted(set(texts) | set(required)):
        state = (
            yes_or_missing(domain in texts),
            yes_or_missing(domain in known),
            yes_or_missing(domain in required),
        )
        filled = yes_or_missing(of_cut or (domain in texts and not texts[domain].empty))
        yield domain, None, None, None, *state, filled
        if domain not in texts or domain not in known:
            continue
        columns = {column.name: column for column in contracts[domain].columns}
        contracted = {*columns, *contracts[domain].tables[0].derived}
        present = [str(name) for name in texts[domain]]
        for name in [*columns, *(each for each in present if each not in columns)]:
            required_column = name in columns and columns[name].must_exist
            yield (
                *(domain, name, None, None),
                *(
                    yes_or_missing(name in present),
                    yes_or_missing(name in contracted),
                    yes_or_missing(required_column),
                    "Y",
                ),
            )


def _records(
    domain: str, frame: "pd.DataFrame", contract: Contract, texts: Mapping[str, "pd.DataFrame"]
) -> "pd.DataFrame":
    """One row per record: its key, its DOMAIN value, whether its subject is in DM."""
    import pandas as pd

    def keys(table: "pd.DataFrame", columns: Sequence[str]) -> list[str | None]:
        rows = zip(*(derived_column(table, column) for column in columns), strict=True)
        return [None if None in row else "\x1f".join(row) for row in rows]

    def text_column(cells: Sequence[str | None] | str | None) -> "pd.Series[Any]":
        values = [cells] * len(frame) if cells is None or isinstance(cells, str) else cells
        return pd.Series(values, index=frame.index, dtype=object)

    dm = texts.get("dm")
    subject = ["STUDYID", "USUBJID"]
    has_subjects = dm is not None and domain != "dm" and "USUBJID" in contract.key
    known = set() if dm is None else set(keys(dm, subject)) - {None}
    deaths: dict[Any, Any] = {}
    if dm is not None:
        deaths = dict(
            zip(derived_column(dm, "USUBJID"), derived_column(dm, "DTHDTC_latest"), strict=True)
        )
    timing = contract.tables[0].timing
    return pd.DataFrame(
        {
            "DOMAIN": text_column(domain),
            "COLUMN": text_column(None),
            "ROW": range(1, len(frame) + 1),
            "USUBJID": derived_column(frame, "USUBJID"),
            "KEY": text_column(keys(frame, contract.key)),
            "DOMAIN_RECORDED": derived_column(frame, "DOMAIN"),
            "DOMAIN_EXPECTED": text_column(domain.upper()),
            "NEEDS_SUBJECT": text_column("Y" if has_subjects else None),
            "SUBJECT": text_column(["Y" if key in known else None for key in keys(frame, subject)]),
            "FIRST_DAY": text_column(None)
            if timing is None
            else derived_column(frame, f"{timing}_earliest"),
            "DEATH_DAY": text_column(
                [deaths.get(subject) for subject in derived_column(frame, "USUBJID")]
            ),
        }
    )


def _cells(
    domain: str, frame: "pd.DataFrame", contract: Contract, kind: Kind | None
) -> Iterator["pd.DataFrame"]:
    """The non-empty values of the columns of a kind; without a kind: all values of required columns."""
    import pandas as pd

    subjects, analysed = derived_column(frame, "USUBJID"), _analysed(domain, frame)
    for column in contract.columns:
        included = column.required if kind is None else column.kind == kind
        if not included or column.name not in frame:
            continue
        cells = frame[column.name]
        selected = frame.index if kind is None else frame.index[cells.notna()]
        if kind == "text":
            selected = selected[[not str(cell).isascii() for cell in cells[selected]]]
        yield pd.DataFrame(
            {
                "DOMAIN": [domain] * len(selected),
                "COLUMN": [column.name] * len(selected),
                "ROW": selected + 1,
                "USUBJID": subjects[selected].to_numpy(),
                "VALUE": cells[selected].to_numpy(),
                "READ": analysed[selected].to_numpy(),
            },
            dtype=object,
        )


def _analysed(domain: str, frame: "pd.DataFrame") -> "pd.Series[Any]":
    """Y for a record that can be analysed: without a test code, or with one of the codelist."""
    import pandas as pd

    column = f"{domain.upper()}TESTCD"
    entries = coded_columns().get(domain, {}).get(column, ())
    if column not in frame or not entries:
        return pd.Series(["Y"] * len(frame), frame.index, dtype=object)
    known = {cell: entries[0].codelist.standard(cell) for cell in frame[column].unique()}
    flags = ["Y" if known[cell] else None for cell in frame[column]]
    return pd.Series(flags, frame.index, dtype=object)


def _engine() -> Any:
    """A Great Expectations batch definition in memory, made once because that takes as long as ten rules."""
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
    batch = engine.get_batch({"dataframe": _rule_columns(frame, rules)})
    broken = {
        result.expectation_config.meta["rule"]
        for result in _validated(batch, rules, "BOOLEAN_ONLY")
        if not result.success
    }
    # Row numbers triple the time of a rule, so they are computed for broken rules only.
    broken_rules = [rule for rule in rules if rule.name in broken]
    return {
        result.expectation_config.meta["rule"]: _positions(result)
        for result in _validated(batch, broken_rules, "COMPLETE")
        if not result.success
    }


def _validated(batch: Any, rules: Sequence[Rule], detail: str) -> Sequence[Any]:
    import great_expectations as gx

    if not rules:
        return []
    suite = gx.ExpectationSuite(name="rules", expectations=[_compiled(rule) for rule in rules])
    result_format = {"result_format": detail, "return_unexpected_index_query": False}
    validation = batch.validate(suite, result_format=result_format)
    return list(validation.results)


def _rule_columns(frame: "pd.DataFrame", rules: Sequence[Rule]) -> "pd.DataFrame":
    """The columns of the rules; a rule on a subset of rows has its own copies.

    In such a copy the other rows are missing, which an expectation ignores; for an expectation about
    missing values they have a dummy value. The row conditions of Great Expectations do the same in
    three times the time.
    """
    import pandas as pd

    columns: dict[str, pd.Series[Any]] = {}
    for rule in rules:
        selected = matching(frame, rule.where)
        for excluded, wanted in rule.where_not.items():
            selected &= ~matching(frame, {excluded: wanted})
        for column, name in zip(reads(rule), _names_in_batch(rule), strict=True):
            if column == name and name in columns:
                continue
            cells = derived_column(frame, column)
            if rule.expectation == "expect_column_values_to_not_be_null":
                cells = cells.astype(object).where(selected, "not checked")
            elif column != name:
                cells = cells.where(selected)
            columns[name] = folded(cells) if "codelist" in rule.kwargs else cells
    return pd.DataFrame(columns, index=frame.index)


def _names_in_batch(rule: Rule) -> list[str]:
    """The names of the columns of a rule in the table given to Great Expectations."""
    if not rule.where and not rule.where_not and "codelist" not in rule.kwargs:
        return list(reads(rule))
    return [f"{column} of {rule.name}" for column in reads(rule)]


def _compiled(rule: Rule) -> dict[str, Any]:
    names = dict(zip(reads(rule), _names_in_batch(rule), strict=True))
    kwargs = dict(rule.kwargs)
    if kwargs.pop("codelist", None) is not None:
        kwargs["value_set"] = folded_words(rule.kwargs)
    for argument in ("column", "column_A", "column_B"):
        if argument in kwargs:
            kwargs[argument] = names[kwargs[argument]]
    if "column_list" in kwargs:
        kwargs["column_list"] = [names[column] for column in kwargs["column_list"]]
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
