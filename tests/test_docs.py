"""The reference pages say what the code says; the other pages name only what is there."""

import re
from pathlib import Path

import pytest

from sap.cli.reference import pages

HOME = Path(__file__).parents[1]
DOCS = HOME / "docs"
WRITTEN = sorted(
    path for path in (*DOCS.glob("*.md"), HOME / "README.md", HOME / "CONTRIBUTING.md")
)
# A path of the repository in backticks; `<stem>` stands for any.
PLACE = re.compile(r"`((?:src|tests|analysis|data-contracts|docs|bench)/[A-Za-z0-9_./<>*-]+)`")


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_reference_page_is_what_the_code_says_now(name):
    assert (DOCS / "reference" / name).read_text(encoding="utf-8") == pages()[name], "make docs"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_a_page_names_only_files_that_are_there(page):
    for place in PLACE.findall(page.read_text(encoding="utf-8")):
        pattern = re.sub(r"<[a-z_]+>", "*", place).rstrip("/.")
        assert list(HOME.glob(pattern)), f"{page.name} names {place}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_a_link_of_a_page_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_each_key_of_a_scenario_says_what_it_means():
    rows = [line for line in pages()["scenario.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert all(len(row.strip("| ").split("|")[-1].strip()) > 8 for row in rows)
    assert "None" not in pages()["scenario.md"]
