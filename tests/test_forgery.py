"""Changes of a real bundle, with none, some or all of its checksums made again: each is found, or named as harmless.

The table of docs/audit.md is made here: each change is done to a copy of one bundle, the copy is audited, and the
answer is the row. The rebuild is done once for bundles of the same inputs; everything else is the command's.
"""

import dataclasses
import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from typer.testing import CliRunner

from sap import audit, runlog
from sap.audit import examine, rebuild
from sap.audit.html_text import displays_in
from sap.audit.origin import Trust
from sap.bundle import opening, zipped
from sap.bundle.contents import Contents, readme
from sap.bundle.signature import signature_of
from sap.bundle.wheel import _record, _zipped
from sap.cli import app
from sap.errors import IntegrityError, UsageError
from sap.pipeline import folders, packing
from sap.runlog.chain import _seal
from sap.snapshot import folder

HOME = Path(__file__).parents[1]
DOCS = HOME / "docs" / "audit.md"

pytestmark = pytest.mark.slow


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def index_of(place: Path) -> dict[str, Any]:
    return json.loads((place / "bundle.json").read_text(encoding="utf-8"))


def put_index(place: Path, index: dict[str, Any]) -> None:
    text = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    (place / "bundle.json").write_text(text, encoding="utf-8")


def reseal(place: Path) -> None:
    """Make SHA256SUMS anew, as somebody would who wants to hide a change."""
    names = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
    lines = [f"{sha((place / n).read_bytes())}  {n}\n" for n in names if n != "SHA256SUMS"]
    (place / "SHA256SUMS").write_text("".join(lines))


def in_order(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    return {name: after[name] for name in before if name in after} | after


RUN_FOLDERS = {"report": "", "ard": "", "dataset": "adam/", "table": "tables/"}


def remake(place: Path) -> None:
    """The index, the whole log, the readme and all sums anew over changed files, as a careful forger would."""
    index = index_of(place)
    by_role = {(e["role"], e["original"]): place / e["name"] for e in index["files"]}
    plan = by_role["plan", index["plan_file"]].read_bytes()
    facts = by_role["table", "run.json"]
    facts.write_text(
        facts.read_text(encoding="utf-8").replace(index["plan_sha256"], sha(plan)), encoding="utf-8"
    )
    sums = {(role, o): sha(path.read_bytes()) for (role, o), path in by_role.items()}
    project = {o: one for (role, o), one in sums.items() if role in ("project", "lock")}
    index["project"] = in_order(index["project"], project)
    source = {o: one for (role, o), one in sums.items() if role == "source"}
    if index["audience"] == "auditor":
        source = in_order(index["code"]["files"], source)
        index["code"] |= {"files": source, "sha256": runlog.tree_sum(source)}
    wheels = [path for (role, _), path in by_role.items() if role == "wheel"]
    index["wheel"] = (
        {
            "name": wheels[0].relative_to(place).as_posix(),
            "sha256": sha(wheels[0].read_bytes()),
        }
        if wheels
        else None
    )
    of_run = {
        RUN_FOLDERS[role] + original: sha(path.read_bytes())
        for (role, original), path in by_role.items()
        if role in RUN_FOLDERS
    }
    of_run["tables/plan.yml"] = index["plan_sha256"] = sha(plan)
    manifest = place / "cut" / "manifest.json"
    if (place / LOG).is_file():
        records = records_of(place)
        for record in records:
            if record["step"].startswith("report"):
                record["inputs"] = {n: of_run[n] for n in record["inputs"] if n in of_run}
            record["outputs"] = {n: of_run[n] for n in record["outputs"] if n in of_run}
            if record["step"] == "analyse":
                of_cut = {f"cut/{index['cut_id']}": sha(manifest.read_bytes())}
                record["inputs"] = of_cut | {"plan": sha(plan)}
            record["software"] |= index["environment"] | {
                "sap": index["code"]["version"],
                "code": index["code"]["sha256"],
                "project": runlog.tree_sum(index["project"]),
            }
        if records and records[-1]["step"] == "report csr":
            reports = {o: s for o, s in of_run.items() if o.startswith("csr")}
            records[-1]["outputs"] = reports
        index["log"] = chained(place, records)
    put_index(place, index)
    finish(place)


LOG = "log/run-log.jsonl"


def records_of(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / LOG).read_text().splitlines()]


def chained(place: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a log of these records with seals that fit; what the index says of it."""
    previous, lines = "0" * 64, []
    for record in records:
        record["previous"] = previous
        record["seal"] = previous = _seal(record)
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    (place / LOG).write_text("".join(lines))
    return {"records": len(lines), "last": previous if lines else None}


def finish(place: Path) -> None:
    """The readme and the list of sums anew, of an index that was written already."""
    (place / "readme.md").write_text(readme(index_of(place)), encoding="utf-8")
    reseal(place)


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# ---- the changes ---------------------------------------------------------------------------------


def data_byte(place: Path) -> None:
    path = place / "cut" / "lb.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def manifest_anew(place: Path, **changes: Any) -> None:
    """The manifest of the cut with the sums of its files, and its new id wherever it is."""
    manifest = place / "cut" / "manifest.json"
    old = folder._read_manifest(manifest)
    files = tuple(
        dataclasses.replace(f, sha256=sha((place / "cut" / f.name).read_bytes())) for f in old.files
    )
    new = dataclasses.replace(old, files=files, **changes)
    new = dataclasses.replace(new, cut_id=folder._cut_id(new))
    manifest.write_text(folder._as_json(new))
    for name in ("bundle.json", "tables/run.json", "tables/manifest.json"):
        text = (place / name).read_text(encoding="utf-8").replace(old.cut_id, new.cut_id)
        (place / name).write_text(text, encoding="utf-8")


def psa_values(place: Path) -> None:
    """Each patient's values fall steeply, so more patients respond."""
    path = place / "cut" / "lb.parquet"
    frame = pd.read_parquet(path)
    psa = frame.index[frame["LBTESTCD"] == "PSA"]
    place_in_course = frame.loc[psa].groupby("USUBJID").cumcount() + 1
    frame.loc[psa, "LBSTRESN"] = frame.loc[psa, "LBSTRESN"] / place_in_course**4
    folder._write_table(path, frame)
    manifest_anew(place)


def not_synthetic(place: Path) -> None:
    manifest_anew(place, synthetic=False)
    for name in ("bundle.json", "tables/run.json", "tables/manifest.json"):
        rewrite(place / name, '"synthetic": true', '"synthetic": false')


def other_cut_off_name(place: Path) -> None:
    manifest_anew(place, cut_off_name="interim")


def manifest_in_other_bytes(place: Path) -> None:
    path = place / "cut" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


def other_contract_version(place: Path) -> None:
    version = json.loads((place / "cut" / "manifest.json").read_text())["contract_version"]
    manifest_anew(place, contract_version=version[:-1] + ("0" if version[-1] != "0" else "1"))
    manifest = (place / "cut" / "manifest.json").read_text(encoding="utf-8")
    (place / "tables" / "manifest.json").write_text(manifest, encoding="utf-8")


def map_of_intake(place: Path) -> None:
    """A map of which the table says nothing: the data would have been recoded by it."""
    path = place / "cut" / "map.yml"
    path.write_text("visits:\n- {from: V1, to: SCREENING}\n")
    manifest = place / "cut" / "manifest.json"
    old = folder._read_manifest(manifest)
    held = (*old.files, folder.FrozenFile("map.yml", "", 2, ()))
    manifest.write_text(folder._as_json(dataclasses.replace(old, files=held)))
    added("cut", "map.yml", "cut/map.yml", path.read_bytes())(place)
    manifest_anew(place)


def record_changed(
    number: int, entry: str, change: Callable[[dict[str, str]], Any]
) -> Callable[[Path], None]:
    """An entry of a record of the log changed after all else was made again, and chained again."""

    def changed(place: Path) -> None:
        remake(place)
        records = records_of(place)
        change(records[number - 1][entry])
        put_index(place, index_of(place) | {"log": chained(place, records)})
        finish(place)

    return changed


def first_of(prefix: str) -> Callable[[dict[str, str]], Any]:
    return lambda names: names.pop(next(name for name in names if name.startswith(prefix)))


def plan_number(place: Path) -> None:
    rewrite(place / "plan" / "plan.yml", "decline_pct: 50", "decline_pct: 30")


def report_byte(place: Path) -> None:
    rewrite(place / "report" / "csr.html", "PSA response", "PSA Response")


def one_result(place: Path) -> None:
    path = place / "ard" / "ard.csv"
    lines = path.read_text().splitlines(keepends=True)
    spot = next(
        i for i, line in enumerate(lines) if line.startswith("psa_response,") and ",n," in line
    )
    parts = lines[spot].split(",")
    parts[8] = str(float(parts[8]) + 1)
    path.write_text("".join([*lines[:spot], ",".join(parts), *lines[spot + 1 :]]))
    result_of_parquet(place)


def result_of_parquet(place: Path) -> None:
    path = place / "ard" / "ard.parquet"
    frame = pd.read_parquet(path)
    hit = (frame["analysis"] == "psa_response") & (frame["stat_name"] == "n")
    frame.loc[hit.idxmax(), "stat"] += 1
    frame.to_parquet(path, index=False)


def log_line_edited(place: Path) -> None:
    rewrite(place / "log" / "run-log.jsonl", '"step": "analyse"', '"step": "anal yse"')


def log_line_removed(place: Path) -> None:
    path = place / "log" / "run-log.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def log_emptied(place: Path) -> None:
    (place / "log" / "run-log.jsonl").write_text("")


def log_names_quarto(place: Path) -> None:
    rewrite(place / "log" / "run-log.jsonl", '"engine": "builtin"', '"engine": "quarto"')
    pdf_stub(place)


def chapter(place: Path) -> None:
    path = place / "project" / "analysis" / "chapters" / "11-4-response.qmd"
    path.write_text(path.read_text() + "\nThe drug works.\n")


def report_number(place: Path) -> None:
    page = place / "report" / "csr.html"
    text = page.read_text(encoding="utf-8")
    assert "tlf-psa-response" in displays_in(text)
    start = text.index('id="tlf-psa-response"')
    spot = re.compile(r'data-ard="[^"]*"[^>]*>([^<]*\d[^<]*)<').search(text, start)
    assert spot is not None
    page.write_text(text[: spot.start(1)] + "99" + text[spot.end(1) :], encoding="utf-8")


def false_version(place: Path) -> None:
    index = index_of(place)
    index["environment"]["packages"]["scipy"] = "9.9"
    put_index(place, index)


def pdf_stub(place: Path) -> None:
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(595, 842)
    writer.write(place / "report" / "csr.pdf")


def false_version_and_pdf(place: Path) -> None:
    false_version(place)
    pdf_stub(place)


def script_in_html(place: Path) -> None:
    script = "<script>document.querySelector('[data-ard]').textContent = '99'</script></body>"
    rewrite(place / "report" / "csr.html", "</body>", script)


def false_version_and_script(place: Path) -> None:
    false_version(place)
    script_in_html(place)


def style_in_html(place: Path) -> None:
    rewrite(
        place / "report" / "csr.html", "</style>", "\ntr:nth-child(3) { display: none }</style>"
    )


def link_in_html(place: Path) -> None:
    rewrite(place / "report" / "csr.html", 'href="#tlf-', 'href="#tlf-other-')


def picture_in_html(place: Path) -> None:
    path = place / "report" / "csr.html"
    text = path.read_text(encoding="utf-8")
    first, second = re.findall(r'src="(data:image/svg[^"]*)"', text)[:2]
    path.write_text(text.replace(first, second, 1), encoding="utf-8")


# The smallest volume: the text of each page of a PDF is compared, which takes a second for ten pages.
PROFILES = "report/csr-profiles.pdf"


def pdf_with_more_bytes(place: Path) -> None:
    path = place / PROFILES
    path.write_bytes(path.read_bytes() + b"\n% approved\n")


def pdf_with_script(place: Path) -> None:
    from pypdf import PdfWriter
    from pypdf.generic import DictionaryObject, NameObject, TextStringObject

    path = place / PROFILES
    writer = PdfWriter(clone_from=path)
    script = {"/S": NameObject("/JavaScript"), "/JS": TextStringObject("app.alert('approved')")}
    action = DictionaryObject({NameObject(name): each for name, each in script.items()})
    writer.root_object[NameObject("/OpenAction")] = action
    writer.write(path)


def xpt_value(place: Path) -> None:
    """The study of the last record."""
    path = place / "adam" / "adsl.xpt"
    before, _, after = path.read_bytes().rpartition(b"CARVE")
    path.write_bytes(before + b"OTHER" + after)


def json_value(place: Path) -> None:
    path = place / "adam" / "adsl.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'"rows": \[\n  \["CARVE","', '"rows": [\n  ["OTHER","', text, count=1))
    assert path.read_text(encoding="utf-8") != text


def define_label(place: Path) -> None:
    rewrite(place / "adam" / "define.xml", "Age", "Agi")


def ars_value(place: Path) -> None:
    rewrite(place / "adam" / "ars.json", '"rawValue":"', '"rawValue":"1')


def findings_table(place: Path) -> None:
    (place / "tables" / "findings.json").write_text("[]\n")


def dataset_record(place: Path) -> None:
    path = place / "adam" / "adsl.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)


def lock_text(place: Path) -> None:
    path = place / "environment" / "requirements-lock.txt"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(scipy==\S+[^#]*?sha256:)....", r"\g<1>0000", text, count=1))
    assert path.read_text(encoding="utf-8") != text


def guide_text(place: Path) -> None:
    rewrite(place / "adam" / "adrg.md", "# ", "# Approved: ")


def readme_text(place: Path) -> None:
    rewrite(place / "readme.md", "## 1. Who", "Nothing needs to be checked.\n\n## 1. Who")
    reseal(place)


def false_wheel(place: Path) -> None:
    remake(place)
    named = {"name": "environment/single_arm_sap-9.9-py3-none-any.whl", "sha256": "0" * 64}
    put_index(place, index_of(place) | {"wheel": named})
    finish(place)


def fact_of_plan(name: str, value: str) -> Callable[[Path], None]:
    """A fact that the plan gives, falsified wherever an open bundle says it."""

    def change(place: Path) -> None:
        facts = json.loads((place / "tables" / "run.json").read_text(encoding="utf-8"))
        assert facts[name] != value
        text = json.dumps(facts | {name: value}, indent=1, ensure_ascii=False, sort_keys=True)
        (place / "tables" / "run.json").write_text(text + "\n", encoding="utf-8")
        index = index_of(place)
        put_index(place, index | ({name: value} if name in index else {}))

    return change


def empty_folder(place: Path) -> None:
    (place / "approved").mkdir()


def zip_comment(place: Path) -> Path:
    """The bundle as a zip, as `sap bundle` writes it, with a comment."""
    path = place.with_suffix(".zip")
    path.write_bytes(zipped(Contents(contents_of(place))))
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"approved"
    return path


def index_says(**facts: Any) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        put_index(place, index_of(place) | facts)

    return change


def version_of_sap(place: Path) -> None:
    index = index_of(place)
    index["code"]["version"] = "9.9"
    put_index(place, index)


def commit(place: Path) -> None:
    index = index_of(place)
    index["code"]["commit"] = "0" * 40
    put_index(place, index)


def name_twice(place: Path) -> None:
    remake(place)
    rewrite(place / "bundle.json", ' "study": ', ' "study": "OTHER",\n "study": ')
    reseal(place)


def sums_in_other_order(place: Path) -> None:
    remake(place)
    path = place / "SHA256SUMS"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))


def removed(role: str, original: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        index = index_of(place)
        gone = [e for e in index["files"] if (e["role"], e["original"]) == (role, original)]
        index["files"] = [e for e in index["files"] if e not in gone]
        (place / gone[0]["name"]).unlink()
        put_index(place, index)

    return change


def added(role: str, original: str, name: str, content: bytes) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        index = index_of(place)
        index["files"].append({"name": name, "original": original, "role": role})
        index["files"].sort(key=lambda entry: entry["name"])
        (place / name).write_bytes(content)
        put_index(place, index)

    return change


def copied(role: str, original: str, name: str, source: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        added(role, original, name, (place / source).read_bytes())(place)

    return change


def other_role(place: Path) -> None:
    index = index_of(place)
    next(e for e in index["files"] if e["original"] == "adsl.xpt")["role"] = "guide"
    put_index(place, index)


def names_exchanged(place: Path) -> None:
    """Two datasets keep their bytes and their lines, and change their places."""
    one, two = place / "adam" / "adae.parquet", place / "adam" / "adex.parquet"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def relabelled_open(place: Path) -> None:
    put_index(place, index_of(place) | {"audience": "open", "log": None})


def plan_of_project(place: Path) -> None:
    rewrite(place / "project" / "analysis" / "plan.yml", "decline_pct: 50", "decline_pct: 30")


def source_line(place: Path) -> None:
    path = place / "source" / "sap" / "results" / "rates.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# reviewed\n", encoding="utf-8")


def wheel_byte(place: Path) -> None:
    path = next((place / "environment").glob("*.whl"))
    path.write_bytes(path.read_bytes().replace(b"responders / n", b"responders * n", 1))


def in_wheel(name: str) -> Callable[[Path], None]:
    """A line more in a file that the wheel carries, with the wheel's own list of checksums."""

    def change(place: Path) -> None:
        path = next((place / "environment").glob("*.whl"))
        with zipfile.ZipFile(path) as archive:
            held = {each: archive.read(each) for each in archive.namelist()}
        held[name] += b"\n# reviewed\n"
        record = next(each for each in held if each.endswith(".dist-info/RECORD"))
        lines = [f"{each},{_record(held[each])}\n" for each in sorted(held) if each != record]
        held[record] = f"{''.join(lines)}{record},,\n".encode()
        path.write_bytes(_zipped(held))

    return change


def wheel_removed(place: Path) -> None:
    name = next((place / "environment").glob("*.whl")).name
    removed("wheel", name)(place)


def contract(place: Path) -> None:
    path = next((place / "project" / "data-contracts").glob("lb-*.yaml"))
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def line_of_code(other: Path) -> Path:
    """A copy of the package in which a rate is computed otherwise; what PYTHONPATH must name."""
    for name in ("src", "analysis", "data-contracts"):
        shutil.copytree(HOME / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    roots = [*HOME.glob("*.qmd"), *HOME.glob("_quarto*.yml")]
    for path in [*roots, *(HOME / n for n in ("references.bib", "requirements.lock"))]:
        shutil.copy(path, other)
    rewrite(
        other / "src/sap/results/rates.py",
        '"estimate": responders / n,',
        '"estimate": (responders + 1) / n,',
    )
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.lock"):
        if not (other / name).exists():
            shutil.copyfile(HOME / name, other / name)
    return other / "src"


def package_version(other: Path) -> Path:
    """The metadata of another scipy, as pip leaves them; what PYTHONPATH must name."""
    about = other / "scipy-9.9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: scipy\nVersion: 9.9\n")
    return other


NO, SUMS, ALL = "no", "sums", "all"
OPEN = "open"
REFUSED = "refused"
"""The bundle is not opened: nothing of it is read further, and so no cause is looked for."""


class Change(NamedTuple):
    """What is changed, what is made again after it, the answer (exit code, first cause), in which bundle."""

    words: str
    change: Callable[[Path], Any]
    anew: str
    code: int
    cause: str
    of: str = "auditor"

    @property
    def name(self) -> str:
        return f"{self.words}; {self.anew}"


CHANGES = [
    Change("one byte of the frozen data", data_byte, NO, 11, "data"),
    Change("one byte of the frozen data", data_byte, SUMS, 11, "data"),
    Change("PSA values, with the manifest of the cut", psa_values, SUMS, 11, "data"),
    Change("PSA values, with the manifest of the cut", psa_values, ALL, 12, "result"),
    Change("the manifest: data not synthetic", not_synthetic, ALL, 11, "data"),
    Change("the manifest: another planned cut-off", other_cut_off_name, ALL, 11, "data"),
    Change("the manifest: another version of the contracts", other_contract_version, ALL, 11, "data"),
    Change("the manifest in other bytes, its content the same", manifest_in_other_bytes, ALL, 11, "data"),
    Change("a map of the intake without its table", map_of_intake, ALL, 11, "data"),
    Change("one number of the plan", plan_number, NO, 11, "plan"),
    Change("one number of the plan", plan_number, SUMS, 11, "plan"),
    Change("one number of the plan", plan_number, ALL, 12, "result"),
    Change("one byte of the HTML report", report_byte, NO, 11, "report"),
    Change("one byte of the HTML report", report_byte, SUMS, 11, "report"),
    Change("one number of the HTML report", report_number, ALL, 12, "result"),
    Change("a script in the HTML report that overwrites a number", script_in_html, ALL, 12, "result"),
    Change("a style in the HTML report that hides rows", style_in_html, ALL, 12, "result"),
    Change("the target of a link in the HTML report", link_in_html, ALL, 12, "result"),
    Change("a figure of the HTML report exchanged", picture_in_html, ALL, 12, "result"),
    Change("the PDF replaced by an empty page", pdf_stub, ALL, 12, "result"),
    Change("a comment at the end of the PDF", pdf_with_more_bytes, ALL, 12, "result"),
    Change("a script in the PDF", pdf_with_script, ALL, 12, "result"),
    Change("one false package version in the index", false_version, SUMS, 11, "index"),
    Change("one false package version in the index", false_version, ALL, 11, "index"),
    Change("a false package version, and the PDF replaced", false_version_and_pdf, ALL, 11, "index"),
    Change("a false package version, and a script in the HTML", false_version_and_script, ALL, 11, "index"),
    Change("one result of the ARD", one_result, SUMS, 11, "result"),
    Change("one result of the ARD", one_result, ALL, 12, "result"),
    Change("one result in ard.parquet only", result_of_parquet, ALL, 12, "result"),
    Change("one record of ADSL removed", dataset_record, ALL, 12, "result"),
    Change("two datasets exchanged", names_exchanged, ALL, 12, "result"),
    Change("one value of an XPT file", xpt_value, ALL, 12, "result"),
    Change("one value of a Dataset-JSON file", json_value, ALL, 12, "result"),
    Change("one label of Define-XML", define_label, ALL, 12, "result"),
    Change("one value of the results as ARS", ars_value, ALL, 12, "result"),
    Change("the findings of the contracts emptied", findings_table, ALL, 12, "result"),
    Change("the reviewer's guide", guide_text, ALL, 12, "result"),
    Change("the readme", readme_text, SUMS, 12, "result"),
    Change("the lock: one hash", lock_text, ALL, 12, "packages"),
    Change("one chapter", chapter, SUMS, 11, "chapters"),
    Change("one chapter", chapter, ALL, 12, "chapters"),
    Change("one chapter removed", removed("project", "analysis/chapters/11-4-response.qmd"), ALL, 12, "chapters"),
    Change("one contract", contract, ALL, 12, "chapters"),
    Change("one contract removed", removed("project", "data-contracts/lb.odcs.yaml"), ALL, 12, "chapters"),
    Change("the plan among the study files", plan_of_project, ALL, 12, "chapters"),
    Change("a comment in one source file", source_line, ALL, 12, "code"),
    Change("one source file removed", removed("source", "results/rates.py"), ALL, 12, "code"),
    Change("one line of code in the wheel", wheel_byte, ALL, 12, "code"),
    Change("one chapter in the wheel", in_wheel("sap/_project/analysis/chapters/12-safety.qmd"), ALL, 12, "chapters"),
    Change("the plan in the wheel", in_wheel("sap/_project/analysis/plan.yml"), ALL, 12, "chapters"),
    Change("the lock in the wheel", in_wheel("sap/_project/requirements.lock"), ALL, 12, "packages"),
    Change("the wheel removed", wheel_removed, ALL, 12, "code"),
    Change("the lock removed", removed("lock", "requirements.lock"), ALL, 11, "packages"),
    Change("one XPT file removed", removed("export", "adsl.xpt"), ALL, 12, "result"),
    Change("one volume of the PDF removed", removed("report", "csr-16-2.pdf"), ALL, 12, "result"),
    Change("one more XPT file", copied("export", "adzz.xpt", "adam/adzz.xpt", "adam/adsl.xpt"), ALL, 12, "result"),
    Change("one more report", copied("report", "csr-approved.pdf", "report/csr-approved.pdf", "report/csr.pdf"), ALL, 12, "result"),
    Change("one more guide", added("guide", "notes.md", "adam/notes.md", b"# Approved\n"), ALL, 11, "index"),
    Change("one more file of an unknown role", added("approval", "a.pdf", "a.pdf", b"%PDF"), ALL, 11, "index"),
    Change("the role of one file", other_role, ALL, 11, "index"),
    Change("the index: another study", index_says(study="OTHER"), ALL, 11, "index"),
    Change("the index: final instead of interim", index_says(status="INTERIM"), ALL, 11, "index"),
    Change("the index: another cut-off", index_says(cut_off="2030-01-01"), ALL, 11, "index"),
    Change("the index: not synthetic", index_says(synthetic=False), ALL, 11, "index"),
    Change("the index: a file left out with a reason", index_says(left_out={"adae.xpt": "none"}), ALL, 11, "index"),
    Change("the index: another version of sap", version_of_sap, ALL, 12, "code"),
    Change("the index: an entry of another name", index_says(approved=True), ALL, 11, REFUSED),
    Change("the index: a name twice", name_twice, SUMS, 11, "index"),
    Change("the index: audience open instead of auditor", relabelled_open, ALL, 11, "index"),
    Change("the index: another commit (not verified, not shown)", commit, ALL, 0, "none"),
    Change("the checksums in another order", sums_in_other_order, SUMS, 11, "index"),
    Change("one line of the log edited", log_line_edited, SUMS, 11, "log"),
    Change("one line of the log removed", log_line_removed, SUMS, 11, "log"),
    Change("the log emptied", log_emptied, ALL, 11, "log"),
    Change("the first record of the log without the plan", record_changed(1, "inputs", first_of("plan")), ALL, 11, "log"),
    Change("the first record of the log without the cut", record_changed(1, "inputs", first_of("cut/")), ALL, 11, "log"),
    Change("a report's record with another sum of the ARD", record_changed(2, "inputs", lambda sums: sums.update({"ard.csv": "0" * 64})), ALL, 11, "log"),
    Change("a report's record without the ARD", record_changed(2, "inputs", first_of("ard.csv")), ALL, 11, "log"),
    Change("a report's record with one more table", record_changed(2, "inputs", lambda sums: sums.update({"tables/approval.json": "0" * 64})), ALL, 11, "log"),
    Change("the log names another engine, and the PDF replaced", log_names_quarto, ALL, 12, "result"),
    Change("an empty folder", empty_folder, NO, 11, REFUSED),
    Change("a comment in the zip", zip_comment, NO, 11, REFUSED),
    Change("of an open bundle: a log in the index", index_says(log={"records": 2, "last": "0" * 64}), ALL, 11, "index", OPEN),
    Change("of an open bundle: a wheel in the index", false_wheel, ALL, 11, "index", OPEN),
    Change("of an open bundle: a file left out with a reason", index_says(left_out={"ard.csv": "none"}), ALL, 11, "index", OPEN),
    Change("of an open bundle: its status, in the index and the facts of the run", fact_of_plan("status", "DRAFT"), ALL, 11, "index", OPEN),
    Change("of an open bundle: its title, in the facts of the run", fact_of_plan("title", "Approved"), ALL, 11, "index", OPEN),
    Change("of an open bundle: one number of the plan", plan_number, ALL, 11, "plan", OPEN),
]  # fmt: skip
# What is changed on the machine of the auditor.
INSTALLED = [
    Change("one line of the installed code", line_of_code, NO, 12, "code"),
    Change("one version of an installed package", package_version, NO, 0, "packages"),
]
DONE_BY_ITSELF = {readme_text, name_twice, sums_in_other_order, false_wheel} | {
    each.change for each in CHANGES if each.change.__qualname__.startswith(record_changed.__name__)
}
OTHER_INPUTS = {psa_values, not_synthetic, other_cut_off_name, plan_number, false_version}


class Answer(NamedTuple):
    """What one audit answered."""

    code: int
    verdict: str
    causes: list[str]
    words: list[str]
    numbers: pd.DataFrame
    displays: list[str]
    findings: list[str]


@pytest.fixture(scope="module")
def rebuilt(small_bundle) -> Callable[..., rebuild.Made]:
    """The rebuild, done once for each cut, plan and list of formats.

    That of the unchanged inputs has the reports and serves the audits without them too. The packages that the
    index names are printed in the guide and nowhere else: the first rebuild has those that are installed.
    """
    known: dict[tuple[str, bool], rebuild.Made] = {}

    def key_of(bundle: opening.Bundle) -> str:
        sums = (sha(bundle.files[name]) for name in ("cut/manifest.json", "plan/plan.yml"))
        return "|".join([*sums, bundle.index["audience"], str(rebuild.kinds_of(bundle))])

    unchanged = key_of(opening.opened(small_bundle))

    def made(found, bundle, cut, plan, scratch, *, reports) -> rebuild.Made:
        key = (key_of(bundle), reports or key_of(bundle) == unchanged)
        if key not in known:
            known[key] = rebuild.made_again(found, bundle, cut, plan, scratch, reports=key[1])
        return known[key]

    return made


KNOWN_FIRST = {"signature", "data", "plan"}
"""The causes that are named first, none of which a rebuild finds."""


@pytest.fixture(scope="module")
def once(rebuilt) -> Callable[..., rebuild.Made]:
    """The same, but an audit that knows its exit code and its first cause before it rebuilds stops there."""

    def made(found, *given, **more) -> rebuild.Made:
        if found.inputs_changed and KNOWN_FIRST & {cause.what for cause in found.causes}:
            raise IntegrityError("the rest of this audit changes neither exit code nor first cause")
        return rebuilt(found, *given, **more)

    return made


@pytest.fixture(scope="module", autouse=True)
def checked_once() -> Iterator[None]:
    """The content of a file is checked once for each name and bytes: most files of a copy are as they were."""
    known: set[tuple[str, str]] = set()
    check = opening._check_content

    def checked(place: str, name: str, content: bytes) -> None:
        if (name, sha(content)) not in known:
            check(place, name, content)
            known.add((name, sha(content)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "_check_content", checked)
        yield


@pytest.fixture(scope="module")
def small_open(small_run) -> Path:
    return packed(small_run, small_run.parent / "open", None, OPEN)


@pytest.fixture(scope="module")
def ask(small_bundle, small_open, tmp_path_factory, once):
    """Do one of the changes to a copy, or to what is installed, and audit; each once for all workers of a run."""
    known: dict[str, Answer] = {}
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "answers"
    shared.mkdir(exist_ok=True)

    def answer(change: Change) -> Answer:
        kept = shared / sha(change.name.encode())
        if change.name not in known and kept.is_file():
            known[change.name] = pickle.loads(kept.read_bytes())
        if change.name not in known:
            scratch = tmp_path_factory.mktemp("changed")
            whole = small_open if change.of == OPEN else small_bundle
            place = Path(shutil.copytree(whole, scratch / "moved"))
            if change in INSTALLED:
                known[change.name] = _elsewhere(place, change.change(scratch / "other"), scratch)
            else:
                place = change.change(place) or place
                known[change.name] = _answered(place, change, once)
            shutil.rmtree(scratch)
            folders.write_bytes(kept, pickle.dumps(known[change.name]))
        return known[change.name]

    return answer


def _answered(place: Path, change: Change, once) -> Answer:
    if change.change not in DONE_BY_ITSELF and change.anew != NO:
        {SUMS: reseal, ALL: remake}[change.anew](place)
    # What is found before anything is rendered, or would be rendered from other inputs, needs no report.
    reports = change.anew == ALL and change.change not in OTHER_INPUTS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)
        patch.setattr(examine, "made_again", once)
        try:
            found = audit.examined(place, reports=reports)
        except IntegrityError as error:
            return Answer(error.exit_code, REFUSED, [REFUSED], [str(error)], pd.DataFrame(), [], [])
    return Answer(
        found.exit_code,
        found.verdict,
        [cause.what for cause in found.causes],
        [cause.words for cause in found.causes],
        pd.DataFrame() if found.numbers is None else found.numbers,
        found.displays,
        [f"{one.kind}: {one.place} {one.words}" for one in found.findings],
    )


def _elsewhere(place: Path, path: Path, scratch: Path) -> Answer:
    """The command itself, in a process that finds other code or another package first."""
    before, out = os.environ.get("PYTHONPATH"), scratch / "out"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(path), before)))}
    got = subprocess.run(
        [sys.executable, "-m", "sap", "audit", str(place), "--out", str(out), "--no-reports"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    written = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    return Answer(
        got.returncode,
        written["verdict"],
        [cause["what"] for cause in written["causes"]],
        [cause["words"] for cause in written["causes"]],
        pd.DataFrame(written["numbers"]),
        [],
        [f"{one['kind']}: {one['place']} {one['words']}" for one in written["findings"]],
    )


@pytest.mark.parametrize("of", ["auditor", OPEN])
def test_an_unchanged_bundle_with_everything_made_again_is_the_same(small_bundle, small_open, tmp_path, of):  # fmt: skip
    """The forger's tools change nothing by themselves."""
    place = Path(shutil.copytree(small_open if of == OPEN else small_bundle, tmp_path / "moved"))
    before = {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    remake(place)
    after = {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    assert [str(name) for name in before if before[name] != after.get(name)] == []


@pytest.mark.parametrize("change", [*CHANGES, *INSTALLED], ids=lambda change: change.name)
def test_each_change_is_found_and_its_cause_named(ask, change):
    answer = ask(change)
    assert answer.code == change.code, answer.findings
    assert (answer.causes or ["none"])[0] == change.cause, answer


def _of(words: str, anew: str) -> Change:
    return next(c for c in (*CHANGES, *INSTALLED) if (c.words, c.anew) == (words, anew))


def test_a_changed_result_is_listed_with_its_display(ask):
    answer = ask(_of("one result of the ARD", ALL))
    assert answer.verdict == "different"
    assert "changed after it was made" in answer.words[0]
    assert answer.numbers["displays"].str.contains("Table").any()
    for changed in ("one number of the plan", "PSA values, with the manifest of the cut"):
        moved = ask(_of(changed, ALL)).numbers
        assert "psa_response" in set(moved.loc[moved["change"] == "moved", "analysis"])


def test_a_changed_number_of_the_report_is_named_by_its_display(ask):
    assert ask(_of("one number of the HTML report", ALL)).displays == ["Table 11-3"]


def test_one_line_of_code_is_named_and_so_is_each_number_it_moves(ask):
    answer = ask(_of("one line of the installed code", NO))
    assert "sap/results/rates.py" in answer.words[0]
    assert answer.numbers["result"].str.contains("psa_response PRIMARY").any()


def test_one_package_version_is_named_and_the_numbers_are_still_identical(ask):
    answer = ask(_of("one version of an installed package", NO))
    assert answer.verdict == "identical"
    assert re.search(r"scipy 9.9 runs here, locked is \S+", answer.words[0])


# ---- packages that are not those of the lock -----------------------------------------------------


def stored_in_another_way(place: Path) -> None:
    """The same pages and the same HTML in other bytes, as other packages might write them."""
    from pypdf import PdfWriter

    path = place / "report" / "csr-profiles.pdf"
    writer = PdfWriter(clone_from=path)
    writer.pdf_header = "%PDF-1.7"
    writer.write(path)
    page = place / "report" / "csr.html"
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    table = place / "tables" / "run.json"
    table.write_text(json.dumps(json.loads(table.read_text(encoding="utf-8"))), encoding="utf-8")


def audited(small_bundle, tmp_path, once, monkeypatch, change, *, other_scipy: bool) -> audit.Audit:
    place = Path(shutil.copytree(small_bundle, tmp_path / "moved"))
    change(place)
    remake(place)
    if other_scipy:
        real = runlog.software.installed
        other = {"scipy": "9.9"}
        monkeypatch.setattr(
            "sap.audit.statements.installed", lambda name: other.get(name) or real(name)
        )
    monkeypatch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)
    monkeypatch.setattr(examine, "made_again", once)
    return audit.examined(place)


def test_other_bytes_of_the_same_content_are_explained_by_other_packages_alone(
    small_bundle, tmp_path, once, monkeypatch
):
    """With the packages of the lock they are a difference; with others they are named, never identical."""
    files = ("report/csr-profiles.pdf", "report/csr.html", "tables/run.json")
    args = (small_bundle, tmp_path, once, monkeypatch, stored_in_another_way)
    strict = audited(*args, other_scipy=False)
    assert (strict.exit_code, strict.causes[0].what) == (12, "result")
    shutil.rmtree(tmp_path / "moved")
    near = audited(*args, other_scipy=True)
    assert (near.verdict, near.exit_code) == ("numerically identical", 0), near.findings
    assert [cause.what for cause in near.causes] == ["packages"]
    assert [near.compared[name] for name in files] == [
        "equal in text and picture", "same content", "within tolerance",
    ]  # fmt: skip
    checks = dict(near.checks)
    assert checks["report/csr-profiles.pdf"].endswith("greatest difference 0 of 255")


@pytest.mark.parametrize(
    "change",
    [pdf_stub, script_in_html, style_in_html, link_in_html, picture_in_html, xpt_value, json_value,
     findings_table, guide_text, dataset_record, result_of_parquet, lock_text],
)  # fmt: skip
def test_another_package_excuses_nothing(small_bundle, tmp_path, once, monkeypatch, change):
    answer = audited(small_bundle, tmp_path, once, monkeypatch, change, other_scipy=True)
    assert answer.exit_code == 12
    assert "packages" in [cause.what for cause in answer.causes]


# ---- a signature ---------------------------------------------------------------------------------


@pytest.fixture
def key(tmp_path) -> Path:
    call = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / "key")]
    subprocess.run(call, check=True)
    public = (tmp_path / "key.pub").read_text()
    (tmp_path / "signers").write_text(f"jo@example.org {public}")
    return tmp_path / "key"


def packed(small_run: Path, out: Path, key: Path | None, audience: str = "auditor") -> Path:
    cut = packing.cut_of(small_run, None, small_run.parent / "frozen")
    return packing.pack(small_run, cut, out, audience, out.suffix == ".zip", key)


def contents_of(place: Path) -> dict[str, bytes]:
    paths = (p for p in place.rglob("*") if p.is_file())
    return {p.relative_to(place).as_posix(): p.read_bytes() for p in paths}


@pytest.mark.ssh
def test_signing_changes_no_other_byte_and_the_page_names_the_signer(
    small_run, small_bundle, tmp_path, key, once, monkeypatch
):
    place = packed(small_run, tmp_path / "signed", key)
    files = contents_of(place)
    signature = files.pop("SHA256SUMS.sig")
    assert files == contents_of(small_bundle)
    assert b"SHA256SUMS.sig" not in files["SHA256SUMS"]
    monkeypatch.setattr(examine, "made_again", once)
    monkeypatch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)
    trust = Trust.given(tmp_path / "signers", sha(files["SHA256SUMS"]).upper())
    answer = audit.examined(place, trust=trust)
    assert (answer.verdict, answer.exit_code) == ("identical", 0), answer.findings
    assert answer.facts["signature"].startswith("Signed by jo@example.org (ED25519 SHA256:")
    assert "not from this bundle" in answer.facts["auditor"]
    packed(small_run, tmp_path / "signed", key)  # replaced, as any bundle is
    as_zip = packed(small_run, tmp_path / "signed.zip", key)
    with zipfile.ZipFile(as_zip) as archive:
        assert archive.read("SHA256SUMS.sig") == signature  # Ed25519 has no random part
    assert "Signed by a key" in audit.examined(place, reports=False).facts["signature"]


@pytest.mark.ssh
@pytest.mark.parametrize(
    "change", [lambda place: None, report_byte, data_byte, index_says(study="X"), plan_number]
)
def test_any_change_after_a_signature_is_found(small_bundle, tmp_path, key, once, monkeypatch, change):  # fmt: skip
    """Everything is made again after it; where nothing was changed, the list of sums is: by one line more."""
    place = Path(shutil.copytree(small_bundle, tmp_path / "signed"))
    signature = signature_of((place / "SHA256SUMS").read_bytes(), key)
    change(place)
    remake(place)
    (place / "SHA256SUMS.sig").write_bytes(signature)
    if contents_of(place) == contents_of(small_bundle) | {"SHA256SUMS.sig": signature}:
        with (place / "SHA256SUMS").open("a") as file:
            file.write(f"{'0' * 64}  zz.csv\n")
    monkeypatch.setattr(examine, "made_again", once)
    monkeypatch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)
    for trust in (Trust.given(tmp_path / "signers", None), Trust()):
        answer = audit.examined(place, reports=False, trust=trust)
        assert (answer.exit_code, answer.causes[0].what) == (11, "signature")
        assert answer.facts["signature"].startswith("Broken")


@pytest.mark.ssh
def test_signers_without_a_signature_of_one_of_them_are_exit_11(
    small_bundle, tmp_path, key, rebuilt, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", str(other / "key")], check=True
    )
    place = Path(shutil.copytree(small_bundle, tmp_path / "signed"))
    signature = signature_of((place / "SHA256SUMS").read_bytes(), other / "key")
    (place / "SHA256SUMS.sig").write_bytes(signature)
    monkeypatch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)
    monkeypatch.setattr(examine, "made_again", rebuilt)
    for bundle, words in ((small_bundle, "Unsigned"), (place, "Signed by none of the signers")):
        out = tmp_path / "out"
        call = ["audit", str(bundle), "--out", str(out), "--no-reports"]
        got = CliRunner().invoke(app, [*call, "--signers", str(tmp_path / "signers")])
        assert got.exit_code == 11, got.output
        assert got.stdout.splitlines()[0] == "input changed"
        assert words in got.stdout
        assert words in (out / "audit.html").read_text(encoding="utf-8")


def test_another_fingerprint_is_exit_11_and_one_of_the_wrong_length_exit_2(
    small_bundle, tmp_path, once, monkeypatch
):
    monkeypatch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)
    monkeypatch.setattr(examine, "made_again", once)
    call = ["audit", str(small_bundle), "--out", str(tmp_path / "out"), "--no-reports"]
    got = CliRunner().invoke(app, [*call, "--fingerprint", "0" * 64])
    assert got.exit_code == 11
    assert "does not have the fingerprint that was received" in got.stderr
    got = CliRunner().invoke(app, [*call, "--fingerprint", "0" * 63])
    assert isinstance(got.exception, UsageError)


def test_the_code_of_a_bundle_that_was_changed_is_not_run(small_bundle, tmp_path, monkeypatch):
    place = Path(shutil.copytree(small_bundle, tmp_path / "moved"))
    source_line(place)
    reseal(place)
    monkeypatch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)

    def ran(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(examine, "made_by_its_code", ran)
    answer = audit.examined(place, run_code=True)
    assert answer.exit_code == 11
    assert not answer.rebuilt
    assert "against a forger this proves nothing" in answer.facts["auditor"]


# ---- an auditor without a copy of the package ------------------------------------------------------


def test_the_wheel_of_the_bundle_audits_it_and_the_page_names_whose_code_ran(
    small_bundle, tmp_path
):
    """The readme's second command in a new environment; the locked packages are those of this one."""
    readme_lines = (small_bundle / "readme.md").read_text(encoding="utf-8").splitlines()
    wheel = next((small_bundle / "environment").glob("*.whl"))
    install = f"    venv/bin/pip install --no-index --no-deps THIS-FOLDER/environment/{wheel.name}"
    assert install in readme_lines
    assert f"`{sha(wheel.read_bytes())}`" in "\n".join(readme_lines)
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    command = [tmp_path / "venv" / "bin" / "pip", *install.split()[1:-1], wheel]
    # The last digits of a fit depend on the kernel that OpenBLAS chooses for the CPU.
    blas = {name: each for name, each in os.environ.items() if name.startswith("OPENBLAS_")}
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | blas
    subprocess.run(command, env=env, check=True, capture_output=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    packages = next(p for p in sys.path if p.endswith("site-packages"))
    (site / "locked.pth").write_text(f"{packages}\n")
    got = subprocess.run(
        [tmp_path / "venv" / "bin" / "sap", "audit", small_bundle, "--out", tmp_path / "out", "--no-reports"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert got.returncode == 0, got.stderr
    assert got.stdout.splitlines()[:3] == [
        "identical",
        "Unsigned: who made it is not known.",
        "Audited with the bundle's own code (installed from its wheel): against a forger this proves nothing.",
    ]  # fmt: skip


def test_the_table_of_the_docs_is_what_these_changes_were_answered_with(ask):
    """Each row is made here, by the change itself and by the answer of the audit."""
    lines = ["| What changed | Made again | Exit | Cause named |", "|---|---|---|---|"]
    for change in (*CHANGES, *INSTALLED):
        answer = ask(change)
        cause = answer.causes[0] if answer.causes else "none"
        lines.append(f"| {change.words} | {change.anew} | {answer.code} | {cause} |")
    made = "\n".join(lines)
    text = DOCS.read_text(encoding="utf-8")
    printed = "\n".join(
        line for line in text.partition(lines[0])[2].split("\n\n")[0].splitlines() if line
    )
    assert f"{lines[0]}\n{printed}" == made, (
        f"docs/audit.md shows another table. When the new answers are right, put this one into "
        f"its section 'Changes that are detected':\n\n{made}"
    )
