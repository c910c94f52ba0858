"""The derivation rules in section 9.7.1: the words of the code, with the plan's values behind its keys."""

import re
from typing import Any

from sap import ard
from sap.displays import formats
from sap.displays.ard_lookup import Number
from sap.displays.escape import markdown_text
from sap.displays.inline import NO_BREAK_SPACE
from sap.displays.register import in_report

_KEY = re.compile(r"`([a-z0-9_.]+)`")


class Rules:
    """Every rule as a block of small type under its section of the SAP."""

    def __init__(self, rules: list[dict[str, Any]]) -> None:
        self.rules = rules

    def _repr_markdown_(self) -> str:
        return "\n\n".join(["::: {.rules}", *map(_block, self.rules), ":::"]) + "\n"


def _block(rule: dict[str, Any]) -> str:
    section = rule["section"].replace(" ", NO_BREAK_SPACE)
    lines = [f"**{markdown_text(rule['name'])}** ({markdown_text(section)})"]
    for block in rule["blocks"]:
        if "text" in block:
            lines.append(_text(block["text"], rule["entry"]))
        cases = [
            f"{number}. {_text(text, rule['entry'])}" for number, text in block.get("cases", [])
        ]
        items = [f"- {_text(text, rule['entry'])}" for text in block.get("items", [])]
        if cases or items:
            lines.append("\n".join([*cases, *items]))
    return "\n\n".join(lines)


def _text(text: str, entry: str) -> str:
    """The words of a rule; behind each key of the plan its value, with the address of the entry."""
    parts = []
    for place, piece in enumerate(_KEY.split(text)):
        words = markdown_text(formats.typeset(piece.replace('""', "empty")))
        parts.append(_keyed(piece, entry) if place % 2 else words)
    return "".join(parts)


def _keyed(key: str, entry: str) -> str:
    plan = ard.table("plan")
    path = key if "." in key else f"{entry}.{key}"
    value = plan
    for word in path.split("."):
        value = value[word]
    return f"`{key}` ({_value(value, path)})"


def _value(value: Any, path: str) -> str:
    if value is None or value == []:
        return "not set"
    if path == "survival.alive_on":
        return "; ".join(_alive_on(line, f"{path}.{place}") for place, line in enumerate(value))
    if isinstance(value, list):
        return ", ".join(_value(one, f"{path}.{place}") for place, one in enumerate(value))
    if isinstance(value, dict):
        return "; ".join(
            f"{markdown_text(str(name))}: {_value(one, f'{path}.{name}')}"
            for name, one in value.items()
        )
    if isinstance(value, bool):
        return Number("yes" if value else "no", f"plan|{path}").markdown()
    number = isinstance(value, int | float)
    return Number(formats.as_collected(value) if number else str(value), f"plan|{path}").markdown()


def _alive_on(line: dict[str, Any], path: str) -> str:
    """`DS DSSTDTC [DSCAT PROTOCOL MILESTONE]`: a date that shows a patient alive."""
    domain = markdown_text(line["domain"].upper())
    date = Number(line["date"], f"plan|{path}.date").markdown()
    conditions = []
    for name, word in (("only", ""), ("unless", "not ")):
        for column, values in (line[name] or {}).items():
            numbers = [
                Number(value, f"plan|{path}.{name}.{column}.{place}").markdown()
                for place, value in enumerate(values)
            ]
            conditions.append(f"{markdown_text(column)} {word}{' or '.join(numbers)}")
    return f"{domain} {date}" + (f" \\[{' and '.join(conditions)}\\]" if conditions else "")


def printed() -> Rules:
    """The rules of the run whose section has a display in this report, in the order of the SAP."""
    return Rules([rule for rule in ard.table("rules") if in_report(rule["section"])])
