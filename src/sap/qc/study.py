"""What the second computation reads: the frozen SDTM in standard terms, the plan, and nothing else."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from sap.plan import study_home
from sap.plan.model import Plan
from sap.plan.references import References, read_references
from sap.qc import psa
from sap.qc.dates import Day
from sap.qc.standard_terms import in_standard_terms
from sap.qc.subjects import Record, Subject, by_subject, read_records, subjects_of, with_ends
from sap.qc.summaries import Value

Source = Literal["raw", "datasets"]
LINES = ("", "second_line", "third_line")
"""The groups of all treated subjects and of each line of therapy."""


class QcRow(NamedTuple):
    """One statistic computed a second time: the key of its ARD row, its value, how and from what."""

    analysis: str
    population: str
    group: str
    paramcd: str
    level: str
    sublevel: str
    stat_name: str
    value: Value
    method: str
    source: Source = "raw"

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns of the ARD."""
        return self[:7]


class Place(NamedTuple):
    """The part of a key that statistics have in common."""

    analysis: str
    population: str
    group: str = ""
    paramcd: str = ""
    level: str = ""
    sublevel: str = ""

    def rows(
        self, statistics: Mapping[str, Value], method: str, source: Source = "raw"
    ) -> Iterator[QcRow]:
        """One row for each statistic."""
        for name, value in statistics.items():
            yield QcRow(*self, name, value, method, source)


@dataclass(frozen=True, eq=False)
class Study:
    """A frozen cut and its plan.

    Attributes
    ----------
    records
        Domain (lower case) to its SDTM records in standard terms and units.
    by_subject
        Domain to USUBJID to the subject's records, in the order of the domain.
    subjects
        USUBJID to what several rules need of a subject, its analysis sets among them.
    psa
        USUBJID to the PSA response results of each treated subject.
    """

    records: Mapping[str, list[Record]]
    by_subject: Mapping[str, Mapping[str, list[Record]]]
    subjects: Mapping[str, Subject]
    psa: Mapping[str, psa.Course]
    cut_off: Day
    plan: Plan
    references: References

    def of(self, domain: str, usubjid: str) -> list[Record]:
        """The records of one subject in one domain."""
        return self.by_subject.get(domain, {}).get(usubjid, [])

    def inside(self, population: str) -> list[str]:
        """USUBJID of each subject of an analysis set, in the order of DM."""
        return [who for who, subject in self.subjects.items() if population in subject.sets]

    def treated_when_rescreened(self, population: str = "RESCREENED") -> list[str]:
        """The subjects of a set treated through re-screening."""
        return [who for who in self.inside(population) if self.subjects[who].treated_again]


def study_of(records: Mapping[str, list[Record]], plan: Plan, cut_off: Day) -> Study:
    """The study of raw SDTM records."""
    tables = with_ends(in_standard_terms(records, plan), plan, cut_off)
    subjects = subjects_of(tables, plan)
    split = {name: by_subject(rows) for name, rows in tables.items() if name != "ts"}
    for name in ("lb", "ex", "cm"):
        split.setdefault(name, {})
    courses = psa.courses(split, subjects, plan, cut_off)
    references = read_references(study_home() / "analysis" / "references.yml")
    study = Study(tables, split, subjects, courses, cut_off, plan, references)
    if plan.of_measurable:
        _limit_to_measurable(study)
    return study


def _limit_to_measurable(study: Study) -> None:
    """Leave in the primary set, and the sets within it, the subjects with measurable disease only."""
    from sap.qc.tumour import measurable  # which reads a study

    kept = set(measurable(study))
    for who, subject in study.subjects.items():
        if who not in kept:
            subject.sets -= {"PRIMARY", "PERPROT", "CTCEVAL", "PSAEVAL"}


def read_study(cut: Path, plan: Plan) -> Study:
    """The study of a frozen cut; its cut-off date is that of the manifest."""
    manifest = json.loads((cut / "manifest.json").read_text(encoding="utf-8"))
    cut_off = dt.date.fromisoformat(manifest["cut_off"])
    return study_of(read_records(cut), plan, cut_off)
