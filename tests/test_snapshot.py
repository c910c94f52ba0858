"""What was known at a date, and whether a frozen folder is still what it was."""

import datetime as dt
import errno
import fcntl
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.test_biomarker_domain import with_results_in

from sap import contracts, snapshot
from sap.contracts.writing import contracts_of
from sap.errors import IntegrityError, UsageError
from sap.pipeline import packing
from sap.plan.model import MARKER_DOMAINS

CUT = dt.date(2018, 6, 30)

# Each line is a record; the last column says what a cut at 2018-06-30 leaves of it: `kept`, `gone`,
# or the cells that are blanked. Subject 01 was there all the time, 02 died after the cut-off, 03
# consented after it, 04 on its day. Of 05 to 08 dm has no date of death: 05 died after the cut-off by
# ds, 06 and 07 by the end of the fatal event; the fatal event of 08 ended before it. Of 09 nothing
# lies after it. The cases are those of `snapshot.cut`, in the way trial teams cut data: by the date
# of what happened (pharmaverse's datacutr: start dates, and in dm the death), ends and outcomes open.
RECORDS = {
    "dm": """
        USUBJID|RFICDTC   |RFSTDTC   |RFENDTC   |DTHDTC    |DTHFL|ARMCD   |ARM         | CUT
        01     |2018-01-01|2018-02-01|2018-05-01|2018-06-30|Y    |B       |Cabazitaxel | kept
        02     |2018-01-01|2018-02-01|2018-07-01|2018-07-01|Y    |B       |Cabazitaxel | RFENDTC DTHDTC DTHFL
        03     |2018-07-01|          |          |          |     |NOTASSGN|Not Assigned| gone
        04     |2018-06-30|2018-07-01|2018-07-01|          |     |NOTASSGN|Not Assigned| RFSTDTC RFENDTC
        05     |2018-01-01|          |          |          |Y    |B       |Cabazitaxel | DTHFL
        06     |2018-01-01|          |          |          |Y    |B       |Cabazitaxel | DTHFL
        07     |2018-01-01|          |          |          |     |B       |Cabazitaxel | kept
        08     |2018-01-01|          |          |          |Y    |B       |Cabazitaxel | kept
        09     |2018-01-01|          |          |          |     |B       |Cabazitaxel | kept
        """,
    "ds": """
        USUBJID|DSDECOD             |DSCAT             |DSSCAT             |DSSTDTC   | CUT
        01     |ALLOCATED TO GROUP B|PROTOCOL MILESTONE|SCREENING          |2018-01-20| kept
        01     |DEATH               |DISPOSITION EVENT |STUDY PARTICIPATION|2018-06-30| kept
        02     |ALLOCATED TO GROUP B|PROTOCOL MILESTONE|SCREENING          |2018-01-20| kept
        02     |COMPLETED           |DISPOSITION EVENT |STUDY TREATMENT    |          | gone
        01     |COMPLETED           |DISPOSITION EVENT |STUDY TREATMENT    |          | gone
        09     |COMPLETED           |DISPOSITION EVENT |STUDY TREATMENT    |          | kept
        05     |DEATH               |DISPOSITION EVENT |STUDY PARTICIPATION|2018-07-04| gone
        06     |death               |DISPOSITION EVENT |STUDY PARTICIPATION|          | gone
        07     |LOST TO FOLLOW-UP   |DISPOSITION EVENT |STUDY PARTICIPATION|          | gone
        09     |LOST TO FOLLOW-UP   |DISPOSITION EVENT |STUDY PARTICIPATION|          | kept
        02     |DEATH               |DISPOSITION EVENT |STUDY PARTICIPATION|2018-07-01| gone
        03     |INFORMED CONSENT OBTAINED|PROTOCOL MILESTONE|SCREENING      |2018-07-01| gone
        """,
    "ex": """
        USUBJID|EXSEQ|EXTRT      |EXSTDTC         |EXENDTC         | CUT
        01     |1    |CABAZITAXEL|2018-06-30T23:59|2018-07-01T00:59| EXENDTC
        02     |1    |CABAZITAXEL|2018-06-09      |2018-06-09      | kept
        02     |2    |CABAZITAXEL|                |                | kept
        02     |3    |CABAZITAXEL|2018-07-01      |2018-07-01      | gone
        02     |4    |CABAZITAXEL|                |                | gone
        02     |5    |CABAZITAXEL|2018-08-12      |2018-08-12      | gone
        02     |6    |PREDNISONE |2018-06-09      |2018-08-30      | EXENDTC
        07     |1    |CABAZITAXEL|                |2018-07-03      | gone
        """,
    "cm": """
        USUBJID|CMTRT|CMSTDTC|CMENDTC   |CMENRTPT|CMENTPT   |CMRSDISC   | CUT
        01     |a    |2018   |2018-06   |BEFORE  |2017-01-01|PROGRESSION| kept
        01     |b    |2018-06|2018-07   |BEFORE  |          |PROGRESSION| CMENDTC CMENRTPT CMRSDISC
        01     |c    |2018-07|          |ONGOING |          |           | gone
        01     |d    |       |2019      |BEFORE  |          |           | CMENDTC CMENRTPT
        01     |f    |2018-06|          |ONGOING |2018-07-01|           | CMENRTPT CMENTPT
        01     |g    |2018-06|          |ONGOING |2018-06-30|           | kept
        03     |e    |2010   |2011      |BEFORE  |          |           | gone
        """,
    "ae": """
        USUBJID|AETERM|AETOXGR|AESDTH|AEOUT             |AESTDTC   |AEENDTC   | CUT
        01     |a     |2      |      |RECOVERED/RESOLVED|2018-06   |2018-06-30| kept
        01     |b     |2      |      |RECOVERED/RESOLVED|2018-06-30|2018-07-01| AEOUT AEENDTC
        01     |c     |5      |Y     |FATAL             |2018-06-28|2018-06-30| kept
        02     |d     |5      |Y     |FATAL             |2018-06-28|2018-07-01| AETOXGR AESDTH AEOUT AEENDTC
        02     |e     |5      |Y     |FATAL             |2018-06-28|          | AETOXGR AESDTH AEOUT
        02     |f     |3      |      |UNKNOWN           |2018-07   |          | gone
        02     |g     |3      |      |UNKNOWN           |          |          | kept
        01     |h     |3      |      |RECOVERED/RESOLVED|          |2018-07-01| AETOXGR AEOUT AEENDTC
        06     |i     |5      |Y     |FATAL             |2018-06-28|2018-07-02| AETOXGR AESDTH AEOUT AEENDTC
        07     |j     |5      |Y     |Fatal             |2018-06-28|2018-07-02| AETOXGR AESDTH AEOUT AEENDTC
        08     |k     |5      |Y     |FATAL             |2018-06-28|2018-06-29| kept
        05     |l     |5      |Y     |FATAL             |2018-06-28|          | AETOXGR AESDTH AEOUT
        """,
    "rs": """
        USUBJID|RSTESTCD|RSCAT     |RSSTRESC|VISIT  |RSDTC     | CUT
        01     |OVRLRESP|RECIST 1.1|SD      |WEEK 12|2018-05-01| kept
        01     |BESTRESP|RECIST 1.1|SD      |       |          | kept
        02     |OVRLRESP|RECIST 1.1|SD      |WEEK 12|2018-05-01| kept
        02     |OVRLRESP|RECIST 1.1|PR      |WEEK 24|2018-07-20| gone
        02     |BESTRESP|RECIST 1.1|PR      |       |          | gone
        02     |BONERESP|PCWG3     |NON-PD  |WEEK 24|          | gone
        02     |BONERESP|PCWG3     |NON-PD  |WEEK 12|          | kept
        """,
    "tr": """
        USUBJID|TRLNKID|TRTESTCD|TRSTRESN|VISIT  |TRDTC     | CUT
        02     |T1     |LDIAM   |20      |WEEK 24|          | gone
        02     |T1     |LDIAM   |30      |       |          | kept
        02     |T1     |LDIAM   |30      |WEEK 12|2018-05-01| kept
        """,
    "pc": """
        USUBJID|PCTESTCD|PCRFTDTC        |PCDTC           |VISIT  | CUT
        02     |CABAZ   |2018-07-01T09:00|                |       | gone
        02     |CABAZ   |2018-06-09T09:00|                |       | kept
        02     |CABAZ   |2018-07-01T00:10|2018-06-30T23:50|       | PCRFTDTC
        """,
    "dv": """
        USUBJID|DVTERM|DVDECOD|DVCAT|DVSTDTC   | CUT
        01     |a     |A      |MINOR|2018-06-30| kept
        01     |b     |A      |MINOR|2018-07-01| gone
        """,
    "ss": """
        USUBJID|SSSTRESC|SSDTC     | CUT
        01     |ALIVE   |2018-05-01| kept
        02     |DEAD    |2018-07-05| gone
        04     |ALIVE   |2018-07-01| gone
        06     |DEAD    |          | gone
        07     |ALIVE   |2018-06-01| kept
        """,
    "lb": """
        USUBJID|LBTESTCD|LBDTC           | CUT
        01     |PSA     |2018-06-30T08:00| kept
        01     |PSA     |2018-07-01      | gone
        01     |HGB     |                | kept
        """,
    "mh": """
        USUBJID|MHTERM|MHSTDTC|MHENDTC| CUT
        01     |a     |2012   |2018-07| MHENDTC
        03     |b     |2012   |       | gone
        """,
    "ts": """
        TSPARMCD|TSVAL     | CUT
        DCUTDTC |2019-01-01| gone
        SSTDTC  |2016-03-01| kept
        SYNTHDAT|Y         | kept
        """,
}


def table(domain: str) -> tuple[pd.DataFrame, list[str]]:
    """The records of a domain, typed by its contract, and what the cut leaves of each."""
    header, *lines = [line.split("|") for line in RECORDS[domain].strip().splitlines()]
    names = [name.strip() for name in header]
    cells = [[cell.strip() or None for cell in line] for line in lines]
    frame = pd.DataFrame(cells, columns=names, dtype=object)
    fate = frame.pop("CUT").tolist()
    frame.insert(0, "STUDYID", "T")
    frame.insert(1, "DOMAIN", domain.upper())
    sequence = f"{domain.upper()}SEQ"
    if domain != "dm" and sequence not in frame:
        frame.insert(2, sequence, [str(number) for number in range(1, len(frame) + 1)])
    return contracts.typed({domain: frame}, RULES)[domain], fate


RULES = contracts.load()
TYPED = {domain: table(domain) for domain in RECORDS}


def tables() -> dict[str, pd.DataFrame]:
    return {domain: frame.copy() for domain, (frame, _) in TYPED.items()}


@pytest.mark.parametrize("domain", RECORDS)
def test_each_record_is_kept_dropped_or_blanked_as_written_beside_it(domain):
    before, fates = TYPED[domain]
    after = snapshot.cut(tables(), CUT)[domain]
    expected = []
    for (_, record), fate in zip(before.iterrows(), fates, strict=True):
        if fate == "gone":
            continue
        cells = record.where(record.notna(), None).to_dict()
        if fate != "kept":
            cells.update(dict.fromkeys(fate.split()))
        expected.append(cells)
    got = after.astype(object).where(after.notna(), None).to_dict("records")
    assert got == expected


def test_an_allocation_after_the_cut_is_not_known_yet():
    """Case 6: ds says when; without a date in ds nothing is taken back."""
    parts = tables()
    early = dt.date(2018, 1, 10)
    dm = snapshot.cut(parts, early)["dm"].iloc[:2]
    assert dm[["USUBJID", "ARMCD", "ARM"]].to_numpy().tolist() == [
        ["01", "NOTASSGN", "Not Assigned"],
        ["02", "NOTASSGN", "Not Assigned"],
    ]
    del parts["ds"]
    assert snapshot.cut(parts, early)["dm"]["ARMCD"].tolist()[:2] == ["B", "B"]


def test_a_second_allocation_after_the_cut_does_not_take_back_the_first():
    parts = tables()
    again = parts["ds"].iloc[[0]].assign(DSSEQ=9.0, DSSCAT="RE-SCREENING", DSSTDTC="2018-09-01")
    parts["ds"] = pd.concat([parts["ds"], again], ignore_index=True)
    assert snapshot.cut(parts, CUT)["dm"]["ARMCD"].tolist()[0] == "B"


def test_the_cut_leaves_its_input_alone():
    parts, copy = tables(), tables()
    snapshot.cut(parts, CUT)
    for domain, frame in copy.items():
        pd.testing.assert_frame_equal(parts[domain], frame)


def test_a_cut_after_everything_changes_nothing():
    for domain, frame in snapshot.cut(tables(), dt.date(2030, 1, 1)).items():
        pd.testing.assert_frame_equal(frame, tables()[domain])


def test_cutting_twice_is_cutting_once():
    once = snapshot.cut(tables(), CUT)
    for domain, frame in snapshot.cut(once, CUT).items():
        pd.testing.assert_frame_equal(frame, once[domain])


def with_every_biomarker_domain(tmp_path: Path) -> dict[str, contracts.Contract]:
    """The contracts of this study, and those of the other domains that results of a biomarker can be in."""
    rules = dict(RULES)
    for domain in MARKER_DOMAINS:
        folder = tmp_path / domain
        folder.mkdir()
        for name, text in contracts_of(with_results_in(domain)).items():
            (folder / name).write_text(text, "utf-8")
        rules[domain] = contracts.load(folder)[domain]
    return rules


def test_every_dated_domain_of_the_contracts_is_cut(tmp_path):
    rules = with_every_biomarker_domain(tmp_path)
    dated = {
        name
        for name, contract in rules.items()
        if name != "extract" and any("date" in column.kind for column in contract.columns)
    }
    assert set(snapshot.TIMINGS) == dated
    for name, timing in snapshot.TIMINGS.items():
        columns = {column.name for column in rules[name].columns}
        assert {timing.start} <= columns
        assert timing.end is None or timing.end in columns | {"DVENDTC"}
        points = {f"{name.upper()}ENTPT"} if timing.end else set()
        of_cut = {timing.start, timing.end, *timing.others, *points} | (
            {"DTHDTC"} if name == "dm" else set()
        )
        dates = {column.name for column in rules[name].columns if "date" in column.kind}
        assert dates <= of_cut, f"{name}: a date that no case of the cut-off reads"
        assert rules[name].tables[0].timing in {timing.start, None}


later = st.dates(CUT + dt.timedelta(1), dt.date(2025, 1, 1)).map(dt.date.isoformat)
START = {domain: timing.start for domain, timing in snapshot.TIMINGS.items() if domain in RECORDS}


NO_SHRINK = (
    Phase.explicit,
    Phase.generate,
)  # a failing example is shown as it is: shrinking is slow


@settings(derandomize=True, deadline=None, max_examples=40, phases=NO_SHRINK)
@given(st.data())
def test_what_happens_after_the_cut_off_changes_nothing_in_the_cut(data):
    """New records, ends and deaths with a date after the cut-off, in any domain."""
    parts = tables()
    known = snapshot.in_order(snapshot.cut(parts, CUT), RULES)
    for domain in data.draw(st.lists(st.sampled_from(sorted(START)), max_size=3, unique=True)):
        frame = parts[domain]
        record = frame.iloc[[data.draw(st.integers(0, len(frame) - 1))]]
        added = record.assign(**{START[domain]: data.draw(later)})
        if domain == "dm":
            added = added.assign(USUBJID="99", DTHDTC=None, DTHFL=None)
        else:
            added = added.assign(**{f"{domain.upper()}SEQ": 100.0})
        if (
            domain == "rs"
        ):  # by the same criteria it would leave out an undated best response (case 8)
            added = added.assign(RSCAT="OTHER CRITERIA")
        parts[domain] = pd.concat([frame, added], ignore_index=True)
    if data.draw(st.booleans()):
        alive = parts["dm"]["USUBJID"].eq("04")
        parts["dm"].loc[alive, ["DTHDTC", "DTHFL"]] = [data.draw(later), "Y"]
    if data.draw(st.booleans()):
        open_end = parts["ae"]["AETERM"].eq("h")
        parts["ae"].loc[open_end, ["AEENDTC", "AEOUT"]] = [data.draw(later), None]
    again = snapshot.in_order(snapshot.cut(parts, CUT), RULES)
    for domain, frame in known.items():
        pd.testing.assert_frame_equal(again[domain], frame)


# --- the folder ------------------------------------------------------------------------------------

FINDINGS = pd.DataFrame({"domain": ["lb"], "rule": ["lb-duplicate"], "row": pd.array([1], "Int64")})


def freeze(root: Path, parts: dict[str, pd.DataFrame] | None = None, **facts: object) -> Path:
    given_facts = {
        "cut_off": CUT,
        "cut_off_name": "final",
        "planned": True,
        "plan_hash": "p" * 64,
        "contracts": RULES,
        "findings": FINDINGS,
        "frozen_root": root,
    }
    return snapshot.freeze(tables() if parts is None else parts, **{**given_facts, **facts})


def test_the_name_of_a_cut_is_one_that_ectd_allows(tmp_path):
    assert re.fullmatch(r"final-2018-06-30-[0-9a-f]{8}", freeze(tmp_path).name)
    odd = freeze(tmp_path, cut_off_name="Interim 1 (DSMB), ümlaut " + "x" * 80).name
    assert re.fullmatch(r"interim-1-dsmb-mlaut-x+-2018-06-30-[0-9a-f]{8}", odd)
    assert len(odd) <= 64
    unplanned = freeze(tmp_path, cut_off_name="unplanned 2018-06-30", planned=False).name
    assert re.fullmatch(r"unplanned-2018-06-30-[0-9a-f]{8}", unplanned)
    assert re.fullmatch(r"cut-2018-06-30-[0-9a-f]{8}", freeze(tmp_path, cut_off_name=None).name)


def test_the_manifest_says_what_is_in_the_folder(tmp_path):
    folder = freeze(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["cut_id"] == folder.name
    assert manifest["cut_off"] == "2018-06-30"
    assert manifest["contract_version"] == contracts.version(RULES)
    assert (manifest["planned"], manifest["synthetic"]) == (True, True)
    names = [file["name"] for file in manifest["files"]]
    assert names == [*(f"{domain}.parquet" for domain in sorted(RECORDS)), "findings.csv"]
    assert sorted([*names, "manifest.json"]) == sorted(path.name for path in folder.iterdir())
    lb = next(file for file in manifest["files"] if file["name"] == "lb.parquet")
    assert lb["rows"] == 3
    assert lb["columns"] == [column.name for column in RULES["lb"].columns]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}


def test_a_cut_that_other_contracts_froze_is_not_bundled(tmp_path):
    """Its manifest would name contracts that the bundle does not hold."""
    packing._refuse_other_contracts(freeze(tmp_path / "same"))
    other = {name: rules for name, rules in RULES.items() if name != "mapped"}
    cut = freeze(tmp_path / "other", contracts=other)
    with pytest.raises(UsageError, match=r"was frozen by the data contracts 1\.0\.0\+\w{8}, those"):
        packing._refuse_other_contracts(cut)


def test_what_is_loaded_is_what_was_frozen(tmp_path):
    loaded = snapshot.load(freeze(tmp_path))
    for domain, frame in snapshot.in_order(tables(), RULES).items():
        pd.testing.assert_frame_equal(loaded[domain], frame)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_reach_the_bytes(tmp_path_factory, random):
    root = tmp_path_factory.mktemp("frozen")
    parts = tables()
    for domain, frame in parts.items():
        order = random.sample(range(len(frame)), len(frame))
        names = random.sample(list(frame.columns), len(frame.columns))
        parts[domain] = frame.iloc[order].reset_index(drop=True)[names]
    one, other = freeze(root / "one"), freeze(root / "other", parts)
    assert one.name == other.name
    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


def test_freezing_again_is_no_new_cut_but_a_look_at_the_old_one(tmp_path):
    folder = freeze(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert freeze(tmp_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", folder.name]
    (folder / "lb.parquet").unlink()
    with pytest.raises(IntegrityError, match=r"lb\.parquet is missing"):
        freeze(tmp_path)


@pytest.mark.parametrize(
    "facts",
    [
        {"cut_off": dt.date(2018, 6, 29)},
        {"cut_off_name": "interim"},
        {"planned": False},
        {"plan_hash": "q" * 64},
        {"findings": FINDINGS.iloc[:0]},
        {"parts": {"dm": tables()["dm"]}},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_another_cut_has_another_name(tmp_path, facts):
    assert freeze(tmp_path, **facts).name != freeze(tmp_path).name


def changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    # In the manifest a byte of a fact: one of a file's sum would say that the file changed.
    fact = content.find(b'"plan_hash": "') + 20
    content[fact if path.name == "manifest.json" else len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))


def test_one_changed_byte_of_any_file_is_named(tmp_path):
    folder = freeze(tmp_path / "good")
    for path in sorted(folder.iterdir()):
        shutil.copytree(folder, tmp_path / "bad")
        changed(tmp_path / "bad" / path.name)
        with pytest.raises(IntegrityError, match=re.escape(path.name)) as error:
            snapshot.verify(tmp_path / "bad")
        assert error.value.exit_code == 11
        with pytest.raises(IntegrityError):
            snapshot.load(tmp_path / "bad")
        shutil.rmtree(tmp_path / "bad")


def test_every_wrong_file_is_named_at_once(tmp_path):
    folder = freeze(tmp_path)
    changed(folder / "dm.parquet")
    (folder / "ae.parquet").unlink()
    (folder / "extra").mkdir()
    with pytest.raises(IntegrityError) as error:
        snapshot.verify(folder)
    assert "ae.parquet is missing; dm.parquet changed; extra was added" in str(error.value)


def test_a_fact_of_the_manifest_cannot_be_changed_alone(tmp_path):
    folder = freeze(tmp_path)
    place = folder / "manifest.json"
    place.chmod(0o644)
    whole = place.read_text(encoding="utf-8")
    for old, new in [('"planned": true', '"planned": false'), ("2018-06-30", "2018-07-30")]:
        place.write_text(whole.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(IntegrityError, match=r"manifest\.json changed"):
            snapshot.verify(folder)
    for broken in ("", "{}", "[]", whole.replace('"planned"', '"plannde"')):
        place.write_text(broken, encoding="utf-8")
        with pytest.raises(IntegrityError, match=r"manifest\.json cannot be read"):
            snapshot.verify(folder)
    place.unlink()
    with pytest.raises(IntegrityError, match=r"has no manifest\.json"):
        snapshot.verify(folder)


def test_a_value_of_another_kind_anywhere_in_a_manifest_is_refused(tmp_path, altered):
    """The manifest of a cut without files, with the id that fits it; each change gives an error of ours."""
    from sap.snapshot import folder

    whole = {"name": "ae.parquet", "sha256": "0" * 64, "rows": 3, "columns": ["A", "B"]}
    facts = {
        "cut_off": "2019-06-30", "cut_off_name": "final", "planned": True, "synthetic": True,
        "plan_hash": "", "contract_version": "1", "package_version": "1", "files": (),
    }  # fmt: skip
    manifest = json.loads(folder._as_json(folder._manifest(**facts)))
    place = tmp_path / "manifest.json"
    written = folder._as_json(folder._manifest(**facts))
    place.write_text(written)
    assert snapshot.verify(tmp_path).cut_id == manifest["cut_id"]
    # The same facts in other bytes: one name twice, of which a reader sees the first, and other spaces.
    twice = written.replace(' "synthetic": true', ' "synthetic": false,\n "synthetic": true')
    assert twice != written
    for other in (twice, written + " ", json.dumps(manifest)):
        place.write_text(other)
        with pytest.raises(IntegrityError, match=r"manifest\.json changed"):
            snapshot.verify(tmp_path)
    n_refused = 0
    for at, value, tree in altered(manifest | {"files": [whole]}):
        if (at, value) == (("files",), []):
            continue  # the manifest itself
        place.write_text(json.dumps(tree))
        with pytest.raises(IntegrityError):
            snapshot.verify(tmp_path)
        n_refused += 1
    assert n_refused > 150
    for name, value, words in (
        ("cut_off_name", True, "cut_off_name: Input should be a valid string"),
        ("cut_off", "2019-6-30", "cut_off: must be a day such as 2019-06-30"),
        ("cut_off", "2019-06-31", "cut_off: day is out of range"),
        ("files", [whole | {"rows": True}], "files.0.rows: Input should be a valid integer"),
        ("files", [whole, whole], "it names a file twice"),
        ("more", 1, "more: unknown key: remove it"),
    ):
        place.write_text(json.dumps(manifest | {name: value}))
        with pytest.raises(IntegrityError, match=words):
            snapshot.verify(tmp_path)


def test_a_frozen_file_that_is_no_parquet_and_a_trial_summary_without_its_columns(tmp_path):
    from sap.snapshot import folder

    (tmp_path / "dm.parquet").write_bytes(b"PAR1xxxx")
    file = folder.FrozenFile("dm.parquet", folder._sum(b"PAR1xxxx"), 0, ())
    facts = {
        "cut_off": "2019-06-30", "cut_off_name": "final", "planned": True, "synthetic": True,
        "plan_hash": "", "contract_version": "1", "package_version": "1", "files": (file,),
    }  # fmt: skip
    (tmp_path / "manifest.json").write_text(folder._as_json(folder._manifest(**facts)))
    with pytest.raises(IntegrityError, match=r"dm\.parquet cannot be read as Parquet"):
        snapshot.load(tmp_path)
    assert snapshot.is_synthetic({"ts": pd.DataFrame({"TSSEQ": [1.0]})}) is False


def test_no_folder_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="is not a frozen cut"):
        snapshot.verify(tmp_path / "nowhere")


def test_a_failed_freeze_leaves_nothing(tmp_path):
    parts = tables()
    parts["lb"]["LBORRES"] = [object()] * len(parts["lb"])
    with pytest.raises(Exception, match=r"."):
        freeze(tmp_path, parts)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


HOLD = """
import time
from pathlib import Path
from sap.snapshot.folder import _new_folder
with _new_folder(Path({!r})) as new:
    (new / "lb.parquet").write_text("half")
    print(new.name, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_freeze_left_is_swept_and_what_another_is_writing_is_not(tmp_path):
    def left() -> list[str]:
        return [path.name for path in tmp_path.glob(".new-*")]

    writing = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(str(tmp_path))], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writing.stdout is not None
        name = writing.stdout.readline().strip()
        assert left() == [name]
        cut = freeze(tmp_path)
        assert left() == [name]
        assert (tmp_path / name / "lb.parquet").read_text() == "half"
    finally:
        writing.send_signal(signal.SIGKILL)
        writing.wait()
        writing.stdout.close()
    assert left() == [name]
    assert freeze(tmp_path) == cut
    assert left() == []
    snapshot.verify(cut)


def test_where_folders_cannot_be_held_nothing_is_swept_and_the_cut_is_made(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / ".new-other").mkdir()
    monkeypatch.setattr(fcntl, "flock", refused)
    snapshot.verify(freeze(tmp_path))
    assert [path.name for path in tmp_path.glob(".new-*")] == [".new-other"]


def test_a_root_that_cannot_be_written_is_wrong_use(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be written"):
        freeze(tmp_path / "file")
