"""The data of the report: findings of the data contracts and the files of the snapshot."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sap import ard
from sap.displays import formats
from sap.displays.absence import not_there, were_not
from sap.displays.ard_lookup import Number
from sap.displays.inline import RichText
from sap.displays.table import Column, Row, Table


def has_domain(name: str) -> bool:
    """Whether the frozen cut holds a domain."""
    files = ard.table("manifest")["files"]
    return any(file["name"].partition(".")[0] == name for file in files)


def not_recorded(domain: str, what: str) -> str:
    """Why a display about a domain is empty: the extract lacks it, or nothing was recorded in it."""
    if has_domain(domain):
        return f"No {what} was recorded up to the cut-off."
    return f"{not_there(capital=True)}: {what}."


def eligibility() -> RichText:
    """Where criteria that were not met are recorded, or that they are not in the data."""
    if has_domain("ie"):
        return RichText("criteria that were not met are recorded")
    return RichText(were_not("criteria that were not met"))


SEVERITIES = ("critical", "warning", "info", "accepted")
HEADS = {"accepted": "Accepted by the study, each with its reason"}
SHOWN_ROWS = 12
Finding = dict[str, Any]


def number_of(severity: str) -> Number:
    """How many findings of a severity the contracts have; the address is the findings themselves."""
    n = sum(_kind(one) == severity for one in ard.table("findings"))
    return Number(formats.count(float(n)), f"findings|{severity}")


def _kind(finding: Finding) -> str:
    """Its severity; one that the study accepts is accepted, whatever its severity."""
    return "accepted" if finding.get("accepted") else str(finding["severity"])


def findings() -> Table:
    """`tlf-findings`: findings by severity, domain and rule, with their row numbers.

    Findings that the study accepts follow the others, with the reason, by whom and when; then entries
    that are accepted and concern no record of the cut.
    """
    all_findings = ard.table("findings")
    entries = ard.table("accepted")
    # The open DSMB report gives no row numbers: a row is a patient's.
    named = not all_findings or any(one["row"] is not None for one in all_findings)
    rows: list[Row] = []
    severity = ""
    for (rank, domain, rule, words), these in groupby(sorted(all_findings, key=_place), key=_place):
        many = list(these)
        if SEVERITIES[rank] != severity:
            severity = SEVERITIES[rank]
            rows.append(Row(HEADS.get(severity, severity.capitalize()), kind="group"))
        where = _rows_in_words([int(one["row"]) for one in many if one["row"] is not None])
        n = Number(formats.count(float(len(many))), f"findings|{severity}|{domain}|{rule}")
        cells = (domain, n, where) if named else (domain, n)
        rows.append(Row(words, cells, "indent1"))
        if severity == "accepted":
            matching = [one for one in entries if one["rule"] == rule and one["findings"]]
            rows += [_entry(one, named) for one in matching if one["domain"] in (None, domain)]
    absent = [one for one in entries if not one["findings"]]
    if absent:
        rows.append(Row("Accepted, and not applicable at this cut-off", kind="group"))
        rows += [_entry(one, named) for one in absent]
    columns = [
        Column("Domain", numeric=False),
        Column("Findings"),
    ]
    columns += [Column("Rows", numeric=False)] if named else []
    return Table(
        "tlf-findings", "Rule", columns, rows, absent="The data contracts have no finding."
    )


def _place(one: Finding) -> tuple[int, str, str, str]:
    rank = SEVERITIES.index(_kind(one))
    return rank, str(one["domain"]), str(one["rule"]), str(one["description"])


def _entry(one: dict[str, Any], named: bool) -> Row:
    what = "" if one["findings"] else f"{one['description']}: "
    words = f"{what}{one['reason']} ({one['who']}, {one['when']})"
    where = _rows_in_words(one["rows"])
    return Row(words, ("", "", where) if named else ("", ""), "indent2")


def _rows_in_words(numbers: Sequence[int]) -> str:
    more = ", ..." if len(numbers) > SHOWN_ROWS else ""
    return ", ".join(map(str, numbers[:SHOWN_ROWS])) + more


def map_of_intake() -> Table:
    """`tlf-map`: each line of the map that made the extract, and how many records it applied to."""
    rows = [
        Row(
            f"Line {one['LINE']:.0f}",
            (
                one["KIND"],
                one["WHAT"],
                Number(formats.count(one["COUNT"]), f"mapped|{one['LINE']:.0f}"),
                one["WHY"] or "",
            ),
            verbatim=True,
        )
        for one in ard.table("mapped")
    ]
    columns = [
        Column("Kind", numeric=False),
        Column("Content", numeric=False),
        Column("Records or values"),
        Column("Reason", numeric=False),
    ]
    return Table("tlf-map", "Map", columns, rows, absent="No map was used: nothing was recoded.")


def manifest() -> Table:
    """`tlf-manifest`: each file of the snapshot with its size and checksum."""
    files = ard.table("manifest")["files"]
    rows = [
        Row(
            file["name"],
            (
                Number(formats.count(file["rows"]), f"manifest|{file['name']}|rows"),
                Number(formats.count(len(file["columns"])), f"manifest|{file['name']}|columns"),
                Number(file["sha256"], f"manifest|{file['name']}|sha256"),
            ),
        )
        for file in files
    ]
    columns = [Column("Rows"), Column("Columns"), Column("SHA-256", numeric=False)]
    return Table("tlf-manifest", "File", columns, rows)
