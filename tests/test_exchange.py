"""The lines of docs/exchange.md read what we write: R and Python run them in a folder of an export."""

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.export import dataset_json, xpt

DOCS = Path(__file__).parents[1] / "docs" / "exchange.md"
DAY = dt.date(2019, 6, 30)
KEY = {
    "analysis": "psa_response", "section": "SAP 5.1", "population": "PRIMARY",
    "paramcd": "PSARESP", "method": "=1+1 \u2265",
}  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Seven results and three patients; the interval of 3 of 25 is that of Clopper and Pearson."""
    numbers = {
        "n": 3, "N": 25, "estimate": 0.12, "conf_low": 0.02546538, "conf_high": 0.31219028,
        "decision": "-not rejected", "p_value": ard.NotEstimable("n, with a comma"),
    }  # fmt: skip
    (tmp_path / "ard.csv").write_text(ard.to_csv(ard.rows(numbers, **KEY)), encoding="utf-8")
    adsl = pd.DataFrame(
        {
            "USUBJID": ["T-001", "T-002", "T-003"],
            "PRIMFL": ["Y", "N", "Y"],
            "AGE": [70.0, None, 0.0],
            "TRTSDT": pd.to_datetime(["1960-01-01", None, "2019-06-30"]),
        }
    )
    (tmp_path / "adsl.xpt").write_bytes(xpt(adsl, "adsl", DAY))
    (tmp_path / "adsl.json").write_bytes(dataset_json(adsl, "adsl", study="T", moment=DAY))
    return tmp_path


R_SHOWS = """
cat(nrow(ard), ard$method[1], sum(is.na(ard$stat)), "\\n", sep = "|")
cat(sprintf("%.15g", setNames(primary$stat, primary$stat_name)[c("n", "N", "conf_low")]), "", sep = "|")
cat(ard$stat_text[ard$stat_name == "decision"], ard$stat_text[ard$stat_name == "p_value"], "\\n", sep = "|")
cat(format(adsl$TRTSDT), adsl$AGE, "\\n", sep = "|")
cat(labels[["TRTSDT"]], adsl$PRIMFL, as.vector(table(adsl$PRIMFL)), "\\n", sep = "|")
"""


@pytest.mark.r
def test_the_lines_for_r_read_the_ard_and_a_dataset(folder):
    lines = blocks("r")
    assert len(lines) == 2
    done = subprocess.run(
        ["Rscript", "-e", "\n".join([*lines, R_SHOWS])],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()[-4:]
    assert shown == [
        "7|=1+1 \u2265|2|",
        "3|25|0.02546538|-not rejected|n, with a comma|",
        "1960-01-01|NA|2019-06-30|70|NA|0|",
        "Date of First Exposure to Treatment|Y|N|Y|1|2|",
    ]


def test_the_lines_for_python_run(folder):
    from sap.export import ars

    (lines,) = blocks("python")
    (folder / "ars.json").write_bytes(b"{}")
    said = "print(len(adsl), list(adsl.columns))"
    first, _, _ = lines.partition("ard = ")
    call = [sys.executable, "-c", first + said]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 ['USUBJID', 'PRIMFL', 'AGE', 'TRTSDT']"
    assert "ars.json" in lines
    assert ars.read_reporting_event.__name__ in lines


def test_the_page_names_what_is_exported():
    from sap.pipeline.packing import EXPORTS

    text = DOCS.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text or f"--only {name}" in text for name in EXPORTS)
