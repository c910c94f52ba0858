"""Data contracts written from a plan: the study's drugs, doses, units and tests in the general form.

The general form of a contract that speaks of the study is in `sap/contracts/general`; any other contract
is that of the package. The results of the biomarker have one general form (`biomarker.txt`) for every domain in
which they can be. In a general form

1. `[[word]]` is a word of the plan (`Words`);
2. the lines from `#if section` to `#end` are for a plan that has the section, those from `#unless section` for
   a plan that has it not;
3. the lines from `#each accompanying` to `#end` are written for each accompanying drug.

A characteristic of `baseline.of_dm` (`#if RACE`) is a section too. A domain that only a section left out by the plan reads is not written.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sap.errors import PlanError
from sap.plan.home import project_home
from sap.plan.model import MARKER_DOMAINS, Biomarker, Plan

GENERAL = Path(__file__).parent / "general"
READ_BY: Mapping[str, tuple[str, ...]] = {
    "cp": ("biomarker.cell_count", "ctc"),
    "pc": ("pk",),
    "be": ("samples",),
}
"""By domain, the sections of a plan that alone read it."""

BIOMARKER = "biomarker"
"""The general form of the contract of the results of the biomarker."""


class Labels(NamedTuple):
    """What a domain with results of a biomarker is called, and the labels of its variables."""

    results: str
    test_short: str
    test_name: str
    detail_label: str
    original: str = "Result or Finding in Original Units"
    standard: str = "Character Result/Finding in Std Format"
    not_done: str = "Reason Not Done"
    specimen: str = "Specimen Material Type"
    collected: str = "Date/Time of Specimen Collection"


LABELS: Mapping[str, Labels] = {
    "gf": Labels(
        "Genomics findings",
        "Short Name of Genomic Measurement",
        "Name of Genomic Measurement",
        "Measurement, Test, or Examination Detail",
        standard="Result or Finding in Standard Format",
        not_done="Reason Test Not Done",
    ),
    "is": Labels(
        "Immunogenicity specimen assessments",
        "Immunogenicity Test/Exam Short Name",
        "Immunogenicity Test or Examination Name",
        "Test Detail",
        original="Results or Findings in Original Units",
        specimen="Specimen Type",
        collected="Date/Time of Collection",
    ),
    "mi": Labels(
        "Microscopic findings",
        "Microscopic Examination Short Name",
        "Microscopic Examination Name",
        "Microscopic Examination Detail",
    ),
    "pf": Labels(
        "Pharmacogenomics findings",
        "Short Name of Pharmacogenomics Lab Test",
        "Name of Pharmacogenomics Lab Test",
        "Measurement, Test, or Examination Detail",
        standard="Result or Finding in Standard Format",
        specimen="Specimen Type",
    ),
}
"""By domain: SDTMIG 3.4, and for PF, which it no longer has, the labels of IDDO-SDTM after SDTMIG-PGx 1.0."""

_BLOCK = re.compile(r"^ *#(if|unless|each) (\w+)\n(.*?)^ *#end\n", re.MULTILINE | re.DOTALL)
_VISIT = re.compile(r"^      - \{name: VISIT, .*\}\n", re.MULTILINE)
_VISITNUM = "      - {name: VISITNUM, description: Visit Number, logicalType: number}\\n"
_WORD = re.compile(r"\[\[([\w.]+)\]\]")


class Drug(NamedTuple):
    """An accompanying drug in the words of a contract."""

    drug: str
    Name: str
    slug: str
    unit: str


def section(plan: Plan, path: str) -> Any:
    """A section of a plan by its dotted path; None where the plan leaves it out.

    A path that no plan has is left out of every plan.
    """
    place: Any = plan
    for name in path.split("."):
        place = getattr(place, name, None)
    return place


def words_of(plan: Plan) -> dict[str, str]:
    """The words of a plan that contracts have, each by its name in the general form."""
    exposure = plan.exposure
    treatment, control = plan.wording.treatment, plan.wording.control
    accompanying = [one.drug.lower() for one in exposure.accompanying]
    marker, pk = section(plan, "biomarker"), section(plan, "pk")
    words = {
        "disease": plan.wording.disease,
        "treatment": treatment,
        "Treatment": _capital(treatment),
        "elsewhere": f"the {control}, {treatment} outside the study included, is"
        if control
        else f"{treatment} outside the study is",
        "psa": "PSA, " if plan.psa_response else "",
        "psa_in_text": "PSA, h" if plan.psa_response else "H",
        "nother": "nother" if plan.psa_response else "",
        "slug": _slug(exposure.drugs[0]),
        "drug": _values(exposure.drugs),
        "unit": exposure.dose_unit,
        "units": exposure.dose_unit
        if exposure.dose_unit in ("mg/m2", "mg")
        else f"{exposure.dose_unit}, mg",
        "a_dose": "an interval of doses" if exposure.continuous else "an infusion",
        "dose_word": "interval of doses" if exposure.continuous else "infusion",
        "sex": plan.study.sexes[0],
        "scale": "CTCAE grade" if plan.safety.by == "grade" else "severity",
        "other_scale": "" if plan.safety.by == "grade" else ", AETOXGR",
        "dose": f"{exposure.planned_dose:g}",
        "cycles": str(exposure.max_cycles or ""),
        "and_accompanying": f", and its {' and '.join(accompanying)}" if accompanying else "",
    }
    if marker is not None:
        words |= _words_of_results(marker)
    if pk is not None:
        words |= {"analyte": pk.analyte, "hours": f"{pk.primary_h:g}"}
    return words


def _words_of_results(marker: Biomarker) -> dict[str, str]:
    labels = LABELS[marker.domain]
    detail = (marker.detail or "").replace("'", "''")
    return {
        "marker": marker.name,
        "marker_test": marker.test,
        "and_detail": f", {marker.name_of('TSTDTL')}: '{detail}'" if detail else "",
        "domain": marker.domain,
        "PREFIX": marker.name_of(""),
        "results_in_text": labels.results.lower(),
        **labels._asdict(),
    }


def domains(plan: Plan) -> list[str]:
    """The contracts of a plan, by name: those of the package without the domains that it does not read.

    Of the domains with results of a biomarker, that of the plan.
    """
    known = {p.name.removesuffix(".odcs.yaml") for p in _package_contracts()}
    known -= {*MARKER_DOMAINS}
    known |= {plan.biomarker.domain} if plan.biomarker else set()
    return [
        name
        for name in sorted(known)
        if name not in READ_BY or any(section(plan, path) for path in READ_BY[name])
    ]


def contracts_of(plan: Plan) -> dict[str, str]:
    """The contract files of a plan by name, as text.

    Raises
    ------
    PlanError
        A general form has a word that this plan does not give.
    """
    words = words_of(plan)
    drugs = [
        Drug(one.drug, _capital(one.drug.lower()), _slug(one.drug), one.unit.split()[0])
        for one in plan.exposure.accompanying
    ]
    written = {}
    for name in domains(plan):
        file = f"{name}.odcs.yaml"
        general = GENERAL / f"{BIOMARKER if name in MARKER_DOMAINS else name}.txt"
        if general.is_file():
            written[file] = _filled(general.read_text("utf-8"), plan, words, drugs, file)
        else:
            written[file] = (project_home() / "data-contracts" / file).read_text("utf-8")
        if plan.visits.numbers:
            written[file] = _VISIT.sub(rf"\g<0>{_VISITNUM}", written[file])
    return written


def _filled(text: str, plan: Plan, words: Mapping[str, str], drugs: list[Drug], file: str) -> str:
    def block(got: re.Match[str]) -> str:
        kind, of, lines = got.groups()
        if kind in ("if", "unless"):
            there = of in plan.baseline.of_dm or bool(section(plan, _PLACES.get(of, of)))
            there = there or (of == "one_sex" and len(set(plan.study.sexes)) == 1)
            return lines if there == (kind == "if") else ""
        each = ({f"one.{field}": value for field, value in d._asdict().items()} for d in drugs)
        return "".join(_with_words(lines, one, file, strict=False) for one in each)

    return _with_words(_BLOCK.sub(block, text), words, file)


_PLACES = {
    "cell_count": "biomarker.cell_count",
    "detail": "biomarker.detail",
    "groups": "study.groups",
    "by_grade": "safety.by_grade",
    "by_severity": "safety.by_severity",
    "cycles": "exposure.cycle_days",
    "continuous": "exposure.continuous",
}


def _with_words(text: str, words: Mapping[str, str], file: str, *, strict: bool = True) -> str:
    def word(got: re.Match[str]) -> str:
        if got[1] not in words and strict:
            raise PlanError(f"{file}: the plan gives no {got[1]}, which this contract names.")
        return words.get(got[1], got[0])

    return _WORD.sub(word, text)


def _package_contracts() -> list[Path]:
    return sorted((project_home() / "data-contracts").glob("*.odcs.yaml"))


def _values(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
