"""Valid files with some bytes changed, in turn through every reader of what others wrote.

Each reader gives an answer or an error of ours, and the memory of the process does not grow. The time
is shared by all readers: a minute by the clock in CI, a quarter of an hour of processor time in `make long`.
"""

import contextlib
import datetime as dt
import gc
import io
import json
import random
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psutil
import pytest

from sap import ard, bundle, contracts, runlog, snapshot
from sap.contracts import odcs
from sap.errors import SapError
from sap.export import ars
from sap.export.dataset_json import dataset_json
from sap.export.xpt import xpt
from sap.intake import sdtm, sdtm_map
from sap.pipeline import analyses, packing
from sap.plan import project_home, read_plan
from sap.simulate import trial
from sap.snapshot import folder

DAY = dt.date(2019, 6, 30)
GROWTH = 100 << 20  # bytes after the first tenth of the time; one table of a reader is far smaller
WORDS = (
    b"\x00", b"\xff", b"\n", b'"', b",", b"{", b"[", b"]", b"}", b"null", b"-1", b"1e999", b"NaN", b"../",
    b"&a ", b"*a", b"!!x ", b": ", b"- ", b"\xe2\x80\xae", b"\xff\xff\xff\xff", b"9999999999",
)  # fmt: skip


FACTS = {
    "study": "T", "cut_off": "2019-06-30", "cut_id": "c", "title_page": [{"name": "a", "value": "b"}],
    "cut_off_name": None, "synthetic": True, "plan_file": "p",
}  # fmt: skip
MAP = b"""
split: [{domain: lb, parts: [labchem]}]
leave_out: [{domain: lb, test: GLUC, why: words}]
columns: [{domain: ae, from: OLD, to: NEW}]
values: [{domain: ae, column: NEW, from: x, to: null, why: words}]
units: [{domain: lb, from: ng/dL, to: ug/L, factor: "0.01"}]
visits: [{from: V1, to: DAY 1}]
"""


class Reader(NamedTuple):
    """A reader of one file, a valid file for it, and the name that the file has."""

    read: Callable[[Path], Any]
    valid: bytes
    name: str


def changed(content: bytes, draw: random.Random) -> bytes:
    """The file with one to four changes: a bit, a word, a piece gone, twice, moved, or the end cut off."""
    made = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        if not made:
            break
        at, length = draw.randrange(len(made)), draw.choice((1, 1, 2, 4, 16, 256))
        kind = draw.randrange(6)
        if kind == 0:
            made[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            made[at : at + draw.choice((0, length))] = draw.choice(WORDS)
        elif kind == 2:
            del made[at : at + length]
        elif kind == 3:
            made[at:at] = made[at : at + length]
        elif kind == 4:
            piece = made[at : at + length]
            del made[at : at + length]
            to = draw.randrange(len(made) + 1)
            made[to:to] = piece
        elif draw.random() < 0.1:
            del made[at:]
    return bytes(made)


def _bundle(files: Mapping[str, bytes]) -> bytes:
    """A zip of a small bundle whose checksums are right."""
    import hashlib

    facts = {
        "format": 1, "audience": "open", "study": "T", "status": "FINAL", "cut_off": "2019-06-30",
        "cut_off_name": "final", "cut_id": "c", "synthetic": True, "plan_file": "p.yml", "plan_sha256": "",
        "code": {"version": "1", "commit": None, "sha256": "", "files": {"ard.py": "0"}}, "project": {},
        "environment": {"python": "3", "system": "s", "machine": "m", "packages": {"six": "1"}},
        "log": None, "wheel": None, "left_out": {},
        "files": [{"name": name, "original": name, "role": "table"} for name in files],
    }  # fmt: skip
    content = {**files, "bundle.json": json.dumps(facts).encode()}
    sums = "".join(f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in sorted(content.items()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in {**content, "SHA256SUMS": sums.encode()}.items():
            archive.writestr(name, each)
    return packed.getvalue()


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    plan = read_plan(project_home() / "analysis" / "plan.yml")
    rules = contracts.load()
    cut = snapshot.cut(contracts.typed(trial.simulate(5, n_screened=40), rules), DAY)
    made = analyses.analyse(snapshot.in_order(cut, rules), plan.plan, DAY)
    rows = made.ard[made.ard["analysis"].isin(["psa_response", "disposition"])]
    programs = {name: (m.function, m.datasets) for name, m in analyses.makers().items()}
    run = {
        "study": "T",
        "cut_off": str(DAY),
        "title": "T",
        "plan_file": "p",
        "plan_sha256": "0" * 64,
    }
    frames = made.datasets.by_name()
    codes = {
        name.upper(): packing.variables(frame)
        for name, frame in frames.items()
        if "PARAMCD" in frame
    }
    facts = ars.Facts(rows, run, plan.plan, packing.displays_of_home(), codes, programs)
    small = pd.DataFrame(
        {"USUBJID": ["P1", "P2", "P3"], "AESEQ": [1.0, 2.0, 3.0], "AETERM": ["a", "b", ""]}
    )
    table = dataset_json(small, "ae", study="T", moment=DAY)
    whole = json.loads(table)
    lines = [
        json.dumps({k: v for k, v in whole.items() if k != "rows"}),
        *map(json.dumps, whole["rows"]),
    ]
    frozen = small.to_parquet()
    of_cut = {
        "cut_off": "2019-06-30", "cut_off_name": "final", "planned": True, "synthetic": True,
        "plan_hash": "", "contract_version": "1", "package_version": "1", "files": (),
    }  # fmt: skip
    manifest = folder._as_json(folder._manifest(**of_cut))
    log = tmp_path_factory.mktemp("log") / "run-log.jsonl"
    runlog.append(log, {"step": "analyse", "inputs": {"plan": "0"}, "outputs": {"ard.csv": "0"}})
    contract = (project_home() / "data-contracts" / "ae.odcs.yaml").read_bytes()
    return {
        "CSV": Reader(sdtm.READERS[".csv"], small.to_csv(index=False).encode(), "ae.csv"),
        "Dataset-JSON": Reader(sdtm.READERS[".json"], table, "ae.json"),
        "NDJSON": Reader(sdtm.READERS[".ndjson"], "\n".join(lines).encode(), "ae.ndjson"),
        "XPT": Reader(sdtm.READERS[".xpt"], xpt(small, "ae", DAY), "ae.xpt"),
        "Parquet": Reader(sdtm.READERS[".parquet"], frozen, "ae.parquet"),
        "plan": Reader(read_plan, plan.text.encode(), "plan.yml"),
        "contract": Reader(odcs._contract, contract, "ae.odcs.yaml"),
        "manifest": Reader(lambda p: snapshot.verify(p.parent), manifest.encode(), "manifest.json"),
        "run log": Reader(lambda p: runlog.faults(p.read_bytes()), log.read_bytes(), "run-log.jsonl"),
        "facts": Reader(lambda p: runlog.run_facts(p.parents[1]), json.dumps(FACTS).encode(), "tables/run.json"),
        "map": Reader(sdtm_map.read_map, MAP, "map.yml"),
        "ARD": Reader(ard.from_csv, ard.to_csv(rows.head(60)).encode(), "ard.csv"),
        "ARS": Reader(lambda p: ars.read_reporting_event(p.read_bytes()), ars.reporting_event(facts), "ars.json"),
        "bundle": Reader(bundle.opened, _bundle({"x.yml": b"a: [1]\n", "x.json": b'{"a": [1]}', "x.parquet": frozen}), "b.zip"),
    }  # fmt: skip


def test_every_valid_file_is_read(readers, tmp_path):
    """The files that are changed below are ones that the readers know."""
    refused = []
    for name, reader in readers.items():
        path = tmp_path / name / reader.name
        path.parent.mkdir(parents=True)
        path.write_bytes(reader.valid)
        try:
            reader.read(path)
        except SapError as error:
            refused.append(f"{name}: {error}")
    assert refused == []


def fuzzed(
    readers: dict[str, Reader], place: Path, seconds: float, clock: Callable[[], float]
) -> tuple[dict[str, int], int]:
    """How many files each reader got in `seconds` of a clock, and by how much memory grew."""
    draws = {name: random.Random(f"20191130 {name}") for name in readers}  # each its own files
    counts = dict.fromkeys(readers, 0)
    spent = dict.fromkeys(readers, 0.0)
    memory = psutil.Process().memory_info
    before = 0
    started = clock()
    while (elapsed := clock() - started) < seconds:
        if not before and elapsed > seconds / 10:
            gc.collect()
            before = memory().rss
        name = min(spent, key=spent.__getitem__)  # the same time for each
        reader = readers[name]
        path = place / name / reader.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(changed(reader.valid, draws[name]))
        begun = time.process_time()
        with contextlib.suppress(SapError):
            reader.read(path)
        spent[name] += time.process_time() - begun
        counts[name] += 1
    gc.collect()
    return counts, memory().rss - before


@pytest.mark.slow
@pytest.mark.fuzz
def test_a_minute_of_changed_files_gives_answers_or_errors_of_ours(readers, tmp_path):
    counts, growth = fuzzed(readers, tmp_path, 60, time.monotonic)
    assert min(counts.values()) > 10, counts
    assert growth < GROWTH


@pytest.mark.long
def test_a_quarter_of_an_hour_of_changed_files_does_so_too(readers, tmp_path):
    counts, growth = fuzzed(readers, tmp_path, 900, time.process_time)
    assert min(counts.values()) > 100
    assert growth < GROWTH
