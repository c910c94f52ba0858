"""The tiers of the tests: which marks leave a test out of the quick ones, and what a skip is in CI."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[1]
SKIPPED = """
import pytest

def test_with_a_need():
    pytest.skip("no such thing here")

@pytest.mark.xfail(reason="wrong on purpose", strict=True)
def test_expected_to_fail():
    assert False
"""


def ended(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest in a folder with the conftest of this project and one test file."""
    for name in ("conftest.py", "requirements.yml"):
        shutil.copy(HOME / "tests" / name, folder)
    (folder / "test_some.py").write_text(SKIPPED)
    call = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *options, "."]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)


def test_a_skip_is_a_failure_with_its_reason_when_ci_says_so(tmp_path):
    by_default = ended(tmp_path)
    assert by_default.returncode == 0, by_default.stdout
    assert "1 skipped, 1 xfailed" in by_default.stdout
    in_ci = ended(tmp_path, "--no-skips")
    assert in_ci.returncode == 1
    assert "1 failed, 1 xfailed" in in_ci.stdout
    assert "--no-skips: Skipped: no such thing here" in in_ci.stdout


def which_tests(tier: str) -> str:
    """The -m expression of a tier, as make hands it to pytest."""
    call = ["make", "-n", "test", f"TESTS={tier}"]
    made = subprocess.run(call, cwd=HOME, capture_output=True, text=True, check=True)
    return re.search(r'pytest .*-m (?:"([^"]+)"|(\w+))', made.stdout)[1]


def test_each_test_is_in_exactly_one_tier():
    marks = ("slow", "r", "browser", "shared", "clock", "ssh", "long")
    tiers = {tier: which_tests(tier) for tier in ("quick", "slow", "long")}
    for number in range(2 ** len(marks)):
        has = {mark: bool(number >> place & 1) for place, mark in enumerate(marks)}
        has["fuzz"] = False  # runs in its tier, and once more in the long one
        assert sum(eval(expression, {}, has) for expression in tiers.values()) == 1, has


def in_ci(tmp_path: Path, make: str, seconds: int) -> subprocess.CompletedProcess[str]:
    """.ci/run with another make, where R, chromium, faketime and ssh-keygen seem to be installed."""
    place, commands = tmp_path / "project", tmp_path / "bin"
    shutil.copytree(HOME / ".ci", place / ".ci")
    commands.mkdir()
    for name in ("Rscript", "chromium", "faketime", "ssh-keygen"):
        (commands / name).write_text("#!/bin/sh\n")
    (commands / "make").write_text(f"#!/bin/sh\n{make}\n")
    for path in commands.iterdir():
        path.chmod(0o755)
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / ".venv" / "bin" / "python").symlink_to(sys.executable)
    environment = {
        **os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "CI_SECONDS": str(seconds)
    }  # fmt: skip
    return subprocess.run(
        [place / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False
    )


def test_ci_fails_when_the_time_limit_cuts_a_tier_off(tmp_path):
    got = in_ci(tmp_path, "sleep 30", 1)
    assert got.returncode == 1
    assert got.stdout.strip() == "FAILED: quick tests cut off, because 1 seconds are over"


def test_ci_fails_when_the_slow_tests_are_cut_off(tmp_path):
    make = """
case "$*" in
  *slow*) sleep 60;;
  report*) mkdir -p build/report build/caba-v7
           for name in csr.html csr.pdf csr-16-2.pdf csr-profiles.pdf ard.csv; do echo x | tee build/report/$name build/caba-v7/$name; done;;
esac
"""
    got = in_ci(tmp_path, make, 6)
    assert got.returncode == 1, got.stdout
    assert "FAILED: slow tests cut off, because 6 seconds are over" in got.stdout


def test_ci_fails_with_the_exit_code_of_a_failed_tier(tmp_path):
    got = in_ci(tmp_path, "exit 2", 60)
    assert got.returncode == 2
    assert "FAILED: quick tests" in got.stdout


def test_ci_fails_when_r_or_a_browser_cannot_be_installed(tmp_path):
    """The only commands on the PATH are those that the script needs, and an apt-get that fails."""
    for name in ("bash", "env", "dirname", "id"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "apt-get").write_text("#!/bin/bash\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    got = subprocess.run(
        [HOME / ".ci" / "run"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert got.returncode == 1
    assert got.stdout.startswith(
        "FAILED: R with survival and foreign, chromium, faketime and ssh-keygen"
    )
