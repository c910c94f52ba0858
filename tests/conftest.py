"""What a test needs from outside, what it shows of the plan, and patients written as a table of text.

A test whose need is absent is skipped with the reason. With `--no-skips`, as in CI, it fails.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml
from hypothesis import settings

settings.register_profile("long", max_examples=2000, deadline=None)

SHARED = Path(__file__).parents[2] / "shared" / "data"


@cache
def r_is_there() -> bool:
    if shutil.which("Rscript") is None:
        return False
    call = ["Rscript", "-e", "suppressMessages({library(survival); library(foreign)})"]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def emptiness() -> Callable[[Path], list[float]]:
    """How empty each page of a PDF is, by `tests/page_ink.py`."""
    measure: Callable[[Path], list[float]] = _module("page_ink").emptiness
    return measure


@pytest.fixture(scope="session")
def pdf_problems() -> Callable[[Path], list[str]]:
    """What outside programs find wrong in a PDF, by `tests/pdf_check.py`."""
    problems: Callable[[Path], list[str]] = _module("pdf_check").problems
    return problems


@pytest.fixture(scope="session")
def altered() -> Callable[[Any], Iterator[tuple[Any, Any, Any]]]:
    """A tree of YAML or JSON with each place changed in turn, by `tests/altered.py`."""
    trees: Callable[[Any], Iterator[tuple[Any, Any, Any]]] = _module("altered").altered
    return trees


def _module(name: str) -> ModuleType:
    """A file of this folder that is no test."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated trial, frozen, analysed and rendered, with its log."""
    from sap.pipeline import commands

    plan = Path(__file__).parents[1] / "analysis" / "plan.yml"
    place = tmp_path_factory.mktemp("audit")
    commands.simulate(place / "extract", plan, 5, {"n_screened": 60})
    cut = commands.freeze(place / "extract", plan, "final", place / "frozen")
    commands.analyse(cut, plan, place / "run")
    commands.report(place / "run", "csr", "builtin", ("html", "pdf"))
    return place / "run"


@pytest.fixture(scope="session")
def small_bundle(small_run: Path) -> Path:
    """The bundle of that trial for the auditor, as a folder."""
    from sap.pipeline import packing

    cut = packing.cut_of(small_run, None, small_run.parent / "frozen")
    return packing.pack(small_run, cut, small_run.parent / "bundle", "auditor", as_zip=False)


NEEDS = {
    "r": (r_is_there, "R with the packages survival and foreign is not installed"),
    "shared": (SHARED.is_dir, "../shared/data is not there"),
    "clock": (lambda: shutil.which("faketime") is not None, "faketime is not installed"),
    "ssh": (lambda: shutil.which("ssh-keygen") is not None, "ssh-keygen is not installed"),
    "browser": (lambda: shutil.which("chromium") is not None, "chromium is not installed"),
}


REQUIREMENTS = yaml.safe_load((Path(__file__).parent / "requirements.yml").read_text())


def requirements_of(item: pytest.Item) -> set[str]:
    """What a test shows of the plan: by its own markers, and by its module."""
    named = {marker.args[0] for marker in item.iter_markers("req")}
    return named | {req for req, modules in REQUIREMENTS.items() if item.path.stem in modules}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.user_properties += [("req", name) for name in sorted(requirements_of(item))]
        for marker, (there, reason) in NEEDS.items():
            if item.get_closest_marker(marker) is None:
                continue
            item.user_properties.append(("needs", marker))
            if not there():
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails, as in CI")


def _failed_if_skipped(report: Any, config: pytest.Config) -> None:
    """With --no-skips a skip is a failure with the same reason; an expected failure is no skip."""
    if config.getoption("no_skips") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"--no-skips: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    _failed_if_skipped(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    _failed_if_skipped(report, collector.config)
    return report


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def axe(chromium: Any) -> Any:
    """The violations that axe-core finds in a page of this width: the rule, and three places."""
    import axe_playwright_python

    script = Path(axe_playwright_python.__file__).parent / "axe.min.js"

    def violations(page: Path, width: int) -> dict[str, list[str]]:
        tab = chromium.new_page(viewport={"width": width, "height": 900})
        tab.set_default_timeout(300_000)
        tab.goto(page.as_uri())
        tab.evaluate(script.read_text(encoding="utf-8"))
        found = tab.evaluate("axe.run({ resultTypes: ['violations'] })")
        tab.close()
        assert len(found["passes"]) > 10
        return {
            each["id"]: [node["html"][:150] for node in each["nodes"][:3]]
            for each in found["violations"]
        }

    return violations


class RefusedWords(NamedTuple):
    """The words that docs/glossary.md refuses: anywhere, as names in code, as names of modules."""

    anywhere: frozenset[str]
    names: frozenset[str]
    modules: frozenset[str]

    def within(self, text: str) -> list[str]:
        """The refused words of a text; `second-opinion` also as two words, no part of a word."""
        joined = "|".join(re.escape(w).replace(r"\-", r"[-\s]") for w in sorted(self.anywhere))
        return re.findall(rf"(?<![\w-])(?:{joined})(?![\w-])", text, re.IGNORECASE)


@pytest.fixture
def quarto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; `quarto` is the stand-in `fake_quarto.py`."""
    fake = tmp_path / "bin" / "quarto"
    fake.parent.mkdir()
    code = (Path(__file__).parent / "fake_quarto.py").read_text(encoding="utf-8")
    fake.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("QUARTO_PATH", str(fake))
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="session")
def refused_words() -> RefusedWords:
    text = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .+\n)+", text.partition("## Words that")[2], re.MULTILINE)
    return RefusedWords(*(frozenset(block.split()) for block in blocks))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return SHARED


def _value(text: str | None) -> str | float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


@pytest.fixture(scope="session")
def patients() -> Callable[[str], pd.DataFrame]:
    """Patients written as a table of text: a header, a rule, a row each; empty is missing."""

    def read(text: str) -> pd.DataFrame:
        lines = [line.strip().strip("|") for line in text.strip().splitlines()]
        header, _, *rows = [line for line in lines if line]
        names = [name.strip() for name in header.split("|")]
        cells = [[cell.strip() for cell in row.split("|")] for row in rows]
        frame = pd.DataFrame(cells, columns=names).replace("", None)
        for name in names:
            if not name.endswith(("ID", "WHO", "DTC")):
                frame[name] = frame[name].map(_value)
        return frame

    return read
