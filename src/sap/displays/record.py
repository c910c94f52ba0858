"""What the report rests on: contract findings and the frozen files."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sap import ard
from sap.displays import formats
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
        return (
            f"No {what} was recorded up to the cut-off (domain {domain.upper()} has no such row)."
        )
    return f"Not in the data: the extract has no domain {domain.upper()} ({what})."


def eligibility() -> RichText:
    """Where criteria that were not met stand, or that they are not in the data."""
    if has_domain("ie"):
        return RichText("criteria not met are in the domain IE")
    return RichText("which criteria were not met is not in the data (no domain IE)")


def vital_signs() -> RichText:
    """What is there of vital signs."""
    if has_domain("vs"):
        return RichText(
            "Weight and height were recorded for the dose; the plan asks for no analysis of vital signs."
        )
    return RichText("Not in the data: no domain VS. The plan asks for no analysis of vital signs.")


SEVERITIES = ("critical", "warning", "info", "accepted")
HEADS = {"accepted": "Accepted by the study, each with its reason"}
SHOWN_ROWS = 12
Finding = dict[str, Any]


def found_of(severity: str) -> Number:
    """How many findings of a severity the contracts made; the address is the findings themselves."""
    n = sum(_kind(one) == severity for one in ard.table("findings"))
    return Number(formats.count(float(n)), f"findings|{severity}")


def _kind(finding: Finding) -> str:
    """Its severity; one that the study accepts is accepted, whatever its severity."""
    return "accepted" if finding.get("accepted") else str(finding["severity"])


def findings() -> Table:
    """Table 16-1: findings by severity, domain and rule, with the rows they stand in.

    Findings that the study accepts stand behind the others, with the reason, by whom and when;
    behind them what is accepted and concerns no record that the cut holds.
    """
    found = ard.table("findings")
    entries = ard.table("accepted")
    # The open report of the board names no rows: a row is a patient.
    named = not found or any(one["row"] is not None for one in found)
    rows: list[Row] = []
    severity = ""
    for (rank, domain, rule, words), these in groupby(sorted(found, key=_place), key=_place):
        many = list(these)
        if SEVERITIES[rank] != severity:
            severity = SEVERITIES[rank]
            rows.append(Row(HEADS.get(severity, severity.capitalize()), kind="group"))
        where = _rows_in_words([int(one["row"]) for one in many if one["row"] is not None])
        n = Number(formats.count(float(len(many))), f"findings|{severity}|{domain}|{rule}")
        cells = (domain, n, where) if named else (domain, n)
        rows.append(Row(words, cells, "indent1"))
        if severity == "accepted":
            mine = [one for one in entries if one["rule"] == rule and one["findings"]]
            rows += [_entry(one, named) for one in mine if one["domain"] in (None, domain)]
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
        "tlf-findings", "Rule", columns, rows, absent="The contracts found nothing to report."
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
    """Table 16-4: each line of the map that the extract was made by, and what it met."""
    rows = [
        Row(
            f"Line {one['LINE']:.0f}",
            (
                one["KIND"],
                one["WHAT"],
                Number(formats.count(one["COUNT"]), f"mapped|{one['LINE']:.0f}"),
                one["WHY"] or "",
            ),
        )
        for one in ard.table("mapped")
    ]
    columns = [
        Column("What it does", numeric=False),
        Column("What it says", numeric=False),
        Column("Records or cells"),
        Column("Reason", numeric=False),
    ]
    return Table(
        "tlf-map", "Map", columns, rows, absent="The data came without a map: nothing was recoded."
    )


def manifest() -> Table:
    """Table 16-2: each frozen file with its size and fingerprint."""
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
