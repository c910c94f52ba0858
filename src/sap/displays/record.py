"""What the report rests on: contract findings and the frozen files."""

from itertools import groupby

from sap import ard
from sap.displays import formats
from sap.displays.addressed import Number
from sap.displays.say import Said
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


def eligibility() -> Said:
    """Where criteria that were not met stand, or that they are not in the data."""
    if has_domain("ie"):
        return Said("criteria not met are in the domain IE")
    return Said("which criteria were not met is not in the data (no domain IE)")


def vital_signs() -> Said:
    """What is there of vital signs."""
    if has_domain("vs"):
        return Said(
            "Weight and height were recorded for the dose; the plan asks for no analysis of vital signs."
        )
    return Said("Not in the data: no domain VS. The plan asks for no analysis of vital signs.")


SEVERITIES = ("critical", "warning", "info")
SHOWN_ROWS = 12


def found_of(severity: str) -> Number:
    """How many findings of a severity the contracts made; the address is the findings themselves."""
    n = sum(one["severity"] == severity for one in ard.table("findings"))
    return Number(formats.count(float(n)), f"findings|{severity}")


def findings() -> Table:
    """Table 16-1: findings by severity, domain and rule, with the rows they stand in."""
    found = ard.table("findings")

    def place(one: dict[str, object]) -> tuple[int, str, str, str]:
        return (
            SEVERITIES.index(str(one["severity"])),
            str(one["domain"]),
            str(one["rule"]),
            str(one["description"]),
        )

    # The open report of the board names no rows: a row is a patient.
    named = not found or any(one["row"] is not None for one in found)
    rows: list[Row] = []
    severity = ""
    for (rank, domain, rule, words), these in groupby(sorted(found, key=place), key=place):
        many = list(these)
        if SEVERITIES[rank] != severity:
            severity = SEVERITIES[rank]
            rows.append(Row(severity.capitalize(), kind="group"))
        numbers = [str(int(one["row"])) for one in many if one["row"] is not None]
        where = ", ".join(numbers[:SHOWN_ROWS]) + (", ..." if len(numbers) > SHOWN_ROWS else "")
        n = Number(formats.count(float(len(many))), f"findings|{severity}|{domain}|{rule}")
        cells = (domain, n, where) if named else (domain, n)
        rows.append(Row(words, cells, "indent1"))
    columns = [
        Column("Domain", numeric=False),
        Column("Findings"),
    ]
    columns += [Column("Rows", numeric=False)] if named else []
    return Table(
        "tlf-findings", "Rule", columns, rows, absent="The contracts found nothing to report."
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
