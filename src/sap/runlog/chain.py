"""Appending to a run log and checking one: the chain of seals."""

import getpass
import hashlib
import json
import os
import platform
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from sap import __version__
from sap.errors import IntegrityError, UsageError
from sap.plan.reading import problems
from sap.runlog.software import code_sums, environment, project_sums, tree_sum

FIRST = "0" * 64
NAME = "run-log.jsonl"
ANALYSIS = "analyse"
REPORT = "report "
COMPARED_WITH = ("tables/previous.json", "tables/previous-ard.csv")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Software(_Strict):
    sap: str
    code: str
    project: str
    python: str
    system: str
    machine: str
    packages: dict[str, str]


class _Record(_Strict):
    """Every entry of a record with its type."""

    number: int
    when: str
    who: str
    command: str
    step: str
    engine: str = ""
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    software: _Software
    previous: str
    seal: str


def _seal(record: Mapping[str, Any]) -> str:
    content = {name: value for name, value in record.items() if name != "seal"}
    packed = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(packed.encode("utf-8", "surrogatepass")).hexdigest()


def _user() -> str:
    try:
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        name = getpass.getuser()
    return f"{name}@{platform.node()}"


def append(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Add one record to the log at `path`, and return what was written.

    To the entries of `record` (step, engine, inputs and outputs by name with their SHA-256) are added
    its number, the time (UTC), the user, the command, the versions, the seal of the previous record,
    and its own seal. Only here is a time written; no output reads it.

    Raises
    ------
    IntegrityError
        The log on disk is already broken: nothing is added to it.
    UsageError
        The log cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock")), path.open("a+b") as file:
            file.seek(0)
            before = _checked(path, file.read())
            complete = {
                "number": len(before) + 1,
                "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "who": _user(),
                "command": " ".join(["sap", *sys.argv[1:]]),
                **record,
                "software": {
                    "sap": __version__,
                    "code": tree_sum(code_sums()),
                    "project": tree_sum(project_sums()),
                    **environment(),
                },
                "previous": before[-1]["seal"] if before else FIRST,
            }
            # Through JSON once: the seal is over what a reader will get. A name that is no UTF-8 gets `?`.
            plain = json.dumps(complete, ensure_ascii=False).encode("utf-8", "replace")
            sealed: dict[str, Any] = json.loads(plain)
            sealed["seal"] = _seal(sealed)
            file.write(json.dumps(sealed, ensure_ascii=False).encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
    return sealed


def read(content: bytes) -> list[Any]:
    """Every line of a log as JSON; None where a line is none. Only a line feed ends a line."""
    records: list[Any] = []
    for line in content.removesuffix(b"\n").split(b"\n") if content else ():
        try:
            records.append(json.loads(line.decode("utf-8")))
        except (ValueError, RecursionError):
            records.append(None)
    return records


def _unreadable(record: Any) -> str:
    """The first entry that is none of a record, or of another type; empty where there is none."""
    try:
        _Record.model_validate(record)
    except ValidationError as error:
        return problems(error, "the line")[0].removeprefix("  - ")
    return ""


def faults(content: bytes) -> list[str]:
    """Every break of the chain, in words; empty where the log is unchanged.

    In each record, the first case that applies:

    1. It cannot be read, or has an entry of another name or type than sap writes.
    2. Its seal does not fit its content: the record was edited.
    3. Its number is not its position: a record before it was removed, or records were moved.
    4. It does not carry the seal of the record before it: that one was replaced.

    A log cut off at its end breaks no seal; the bundle's index holds the number of records.
    """
    broken = []
    previous = FIRST
    for place, record in enumerate(read(content), start=1):
        if unreadable := _unreadable(record):
            broken.append(f"record {place} cannot be read ({unreadable!r})")
            previous = ""
            continue
        number = record.get("number")
        if _seal(record) != record["seal"]:
            broken.append(f"record {place} was edited")
        elif number != place:
            broken.append(
                f"record {place} has the number {number}: a record was removed, added or moved"
            )
        elif previous and record.get("previous") != previous:
            broken.append(f"record {place} does not follow record {place - 1}: one was replaced")
        previous = record["seal"]
    if content and not content.endswith(b"\n"):
        broken.append("the last line is cut off")
    return broken


def _checked(path: Path, content: bytes) -> list[dict[str, Any]]:
    broken = faults(content)
    if broken:
        raise IntegrityError(
            f"{path} is not the log that was written: {'; '.join(broken)}. "
            "Keep it as evidence and make a new run."
        )
    return read(content)


def verify(path: Path) -> list[dict[str, Any]]:
    """The records of a log whose chain is unbroken.

    Raises
    ------
    IntegrityError
        Names each record that was edited, moved, removed or replaced.
    UsageError
        The log cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    return _checked(path, content)


def swapped(records: Sequence[Mapping[str, Any]], sums: Mapping[str, str]) -> list[str]:
    """Files whose SHA-256 is not the last in the log, in words; absent files are no fault.

    >>> swapped([{"number": 1, "outputs": {"ard.csv": "aa"}}], {"ard.csv": "bb"})
    ['ard.csv is not the file that record 1 wrote']
    """
    last: dict[str, tuple[Any, str]] = {}
    for record in records:
        outputs = record.get("outputs")
        if isinstance(outputs, dict):
            last |= {
                str(name): (record.get("number"), str(value)) for name, value in outputs.items()
            }
    return [
        f"{name} is not the file that record {number} wrote"
        for name, (number, value) in sorted(last.items())
        if name in sums and sums[name] != value
    ]


def missing(records: Sequence[Mapping[str, Any]], names: Collection[str]) -> list[str]:
    """Files that the last run of each step wrote and that are not among `names`, in words.

    >>> missing([{"number": 1, "step": "report", "outputs": {"a.html": "aa"}},
    ...          {"number": 2, "step": "report", "outputs": {"b.html": "aa"}}], [])
    ['b.html, which record 2 wrote, is missing']
    """
    last = {str(record.get("step")): record for record in records}
    return [
        f"{name}, which record {record.get('number')} wrote, is missing"
        for record in last.values()
        for name in (record["outputs"] if isinstance(record.get("outputs"), dict) else ())
        if name not in names
    ]


def misread(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Reports that were made from other results than those of the analysis before them, in words.

    A report reads the ARD and the tables that the analysis wrote; the results of the previous report, with
    which it compares them, are no output of it.

    >>> misread([{"number": 1, "step": "analyse", "outputs": {"ard.csv": "aa"}},
    ...          {"number": 2, "step": "report csr", "inputs": {"ard.csv": "bb"}}])
    ['record 2 was made from another ard.csv than the analysis wrote']
    """
    wrong = []
    wanted: dict[str, str] = {}
    for record in records:
        step, parts = str(record.get("step")), ("inputs", "outputs")
        inputs, outputs = (r if isinstance(r := record.get(one), dict) else {} for one in parts)
        if step == ANALYSIS:
            wanted = {name: one for name, one in outputs.items() if _is_read(str(name))}
        elif step.startswith(REPORT):
            read = {name: one for name, one in inputs.items() if name not in COMPARED_WITH}
            names = read.keys() | wanted.keys()
            other = sorted(str(name) for name in names if read.get(name) != wanted.get(name))
            wrong += [
                f"record {record.get('number')} was made from another {name} than the analysis wrote"
                for name in other
            ]
    return wrong


def _is_read(name: str) -> bool:
    return name == "ard.csv" or name.startswith("tables/")


def unnamed(records: Sequence[Mapping[str, Any]], names: Collection[str]) -> list[str]:
    """Files of a run that no record wrote, in words.

    >>> unnamed([{"number": 1, "outputs": {"ard.csv": "aa"}}], ["ard.csv", "csr.html"])
    ['csr.html is in no record of the log']
    """
    written = {
        name
        for record in records
        for name in (record["outputs"] if isinstance(record.get("outputs"), dict) else ())
    }
    return [f"{name} is in no record of the log" for name in sorted(set(names) - written)]
