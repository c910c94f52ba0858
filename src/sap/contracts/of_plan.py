"""What the plan names in the data: domains and columns of the data contracts, terms of codelists."""

from collections.abc import Iterator, Mapping

from sap.catalogue import coded_columns, codelist
from sap.contracts.odcs import Contract, load
from sap.plan.entry import Path, valid
from sap.plan.model import Plan


def of_plan(plan: Plan) -> Iterator[tuple[Path, str]]:
    """The path and the fault of each name of the plan that no data contract has.

    1. `inputs.required`, `biomarker.domain`: a domain without a contract.
    2. `labs.terms`: a test that is in no codelist (LBTESTCD) and that no rule of the contract of lb names, so that
       neither its unit nor its values would be checked. `pk.analyte`: a test that no rule of pc names.
       `exposure.drugs`: a drug that no rule of ex names, or of another unit than `exposure.dose_unit`.
    3. `survival.alive_on`: a domain without a contract, a column that its contract lacks, and a value
       that the codelist of a column lacks.
    """
    contracts = load()
    known = ", ".join(sorted(contracts))
    for place, name in enumerate(valid(plan, "inputs.required") or ()):
        if name not in contracts:
            yield ("inputs", "required", place), f"{name} has no data contract; there are {known}"
    domain = valid(plan, "biomarker.domain")
    if domain is not None and domain not in contracts:
        yield (
            ("biomarker", "domain"),
            f"{domain} has no data contract: write it by `sap plan contracts PLAN --write`",
        )
    yield from _tests(plan, contracts)
    yield from _doses(plan, contracts)
    for place, line in enumerate(valid(plan, "survival.alive_on") or ()):
        path: Path = ("survival", "alive_on", place)
        domain = valid(line, "domain")
        if domain is None:
            continue
        if domain not in contracts:
            yield (*path, "domain"), f"{domain} has no data contract; there are {known}"
            continue
        columns = {column.name for table in contracts[domain].tables for column in table.columns}
        dates = ", ".join(sorted(name for name in columns if name.endswith("DTC")))
        date = valid(line, "date")
        if date is not None and date not in columns:
            yield (
                (*path, "date"),
                f"{date} is no column of the contract of {domain}; its dates are {dates}",
            )
        for key in ("only", "unless"):
            yield from _terms(domain, (*path, key), valid(line, key) or {}, columns)


def _named(contract: Contract, column: str) -> list[str]:
    """The values of a column that the conditions of the rules of a contract name, in their order."""
    names: list[str] = []
    for rule in contract.rules:
        value = rule.where.get(column)
        names += [value] if isinstance(value, str) else [one for one in value or () if one]
    return list(dict.fromkeys(names))


def _tests(plan: Plan, contracts: Mapping[str, Contract]) -> Iterator[tuple[Path, str]]:
    """The tests of labs and of concentrations that no rule names."""
    tests = valid(plan, "labs.terms") or {}
    if tests and "lb" in contracts:
        listed, known = codelist("LBTESTCD"), _named(contracts["lb"], "LBTESTCD")
        for test in tests:
            if test not in known and listed.standard(test) != test:
                words = (
                    f"no rule of data-contracts/lb.odcs.yaml names {test}, and the codelist LBTESTCD lacks it: "
                    "its unit and values would not be checked. Correct it, or add it to LBTESTCD in "
                    f"data-contracts/terms.yaml; there are {', '.join(listed.values)}"
                )
                yield ("labs", "terms", test), words
    analyte = valid(plan, "pk.analyte")
    if analyte is None:
        return
    if "pc" not in contracts:
        yield ("pk",), "pc has no data contract: add it, or leave out pk"
    elif analyte not in (known := _named(contracts["pc"], "PCTESTCD")):
        yield (
            ("pk", "analyte"),
            f"no rule of data-contracts/pc.odcs.yaml names {analyte}; they name {', '.join(known)}",
        )


def _doses(plan: Plan, contracts: Mapping[str, Contract]) -> Iterator[tuple[Path, str]]:
    """The study drugs that no rule of ex names, and a unit that its rules refuse."""
    if "ex" not in contracts:
        return
    rules, known = contracts["ex"].rules, _named(contracts["ex"], "EXTRT")
    unit = valid(plan, "exposure.dose_unit")
    for place, drug in enumerate(valid(plan, "exposure.drugs") or ()):
        if drug not in known:
            yield (
                ("exposure", "drugs", place),
                f"no rule of data-contracts/ex.odcs.yaml names {drug}; they name {', '.join(known)}",
            )
            continue
        for rule in rules:
            of_drug = rule.where.get("EXTRT")
            named = [of_drug] if isinstance(of_drug, str) else of_drug or ()
            allowed = (
                rule.kwargs.get("value_set") if rule.kwargs.get("column") == "EXDOSU" else None
            )
            if drug in named and allowed is not None and unit is not None and unit not in allowed:
                words = f"the rule {rule.name} of data-contracts/ex.odcs.yaml refuses {unit}"
                yield ("exposure", "dose_unit"), f"{words}; it allows {', '.join(allowed)}"


def _terms(
    domain: str, path: Path, terms: dict[str, list[str]], columns: set[str]
) -> Iterator[tuple[Path, str]]:
    for column, values in terms.items():
        if column not in columns:
            yield (*path, column), f"{column} is no column of the contract of {domain}"
            continue
        coded = coded_columns().get(domain, {}).get(column, ())
        if not coded:
            continue
        for value in values:
            if all(one.codelist.standard(value) is None for one in coded):
                allowed = ", ".join(dict.fromkeys(t for one in coded for t in one.codelist.values))
                yield (*path, column), f"{value} is no term of {column}; there are {allowed}"
