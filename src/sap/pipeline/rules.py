"""The derivation rules that the report prints: read from the docstrings of the code that runs them.

Section 9.7.1 prints these docstrings verbatim, so that the printed rule and the rule that runs are
one text. A word in backticks is a key of the plan; the report prints the value of the key after it.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sap import snapshot
from sap.derivations import (
    baseline,
    courses,
    ctc,
    estimand,
    exposure,
    history,
    interim,
    labs,
    lesions,
    pk,
    population,
    progression,
    quantities,
    response,
    safety,
    samples,
    standard,
    survival,
    tumour,
    tumour_rules,
    vitals,
)
from sap.pipeline import plans
from sap.plan.model import Plan
from sap.results import estimand as estimand_results
from sap.results import rates
from sap.results import response as response_results
from sap.results import safety as safety_results


class Rule(NamedTuple):
    """One printed rule: the entry of the plan it belongs to, its name, and the function it documents."""

    entry: str
    name: str
    function: Callable[..., Any]


PRINTED = (
    Rule("cut_offs", "Records included at the data cut-off", snapshot.cut),
    Rule("drugs", "Standardisation of terms, units and drug names", standard.standard),
    Rule("design", "Verification of the design", plans.design_faults),
    Rule("intervals", "Confidence interval of the primary result", response_results.primary_rate),
    Rule("intervals", "When two-stage inference applies", response_results.ended),
    Rule("intervals", "Means, medians and quartiles", rates.summary),
    Rule("screening", "Biomarker status at screening", population.biomarker),
    Rule("analysis_sets", "Groups and analysis sets", population.adsl),
    Rule("analysis_sets", "Analysis sets that depend on measurements", population.analysis_sets),
    Rule("rescreening", "Courses of treatment", courses.courses),
    Rule("baseline", "Reference day for baseline characteristics", baseline.episodes),
    Rule("baseline", "Baseline characteristics", baseline.adbl),
    Rule("baseline", "Medical history", history.admh),
    Rule("baseline", "Prior therapy and concomitant medication", history.with_timing),
    Rule("psa_response", "PSA values", response.adpsa),
    Rule("psa_response", "Results beyond the limits of quantification", quantities.quantified),
    Rule("psa_response", "New anticancer therapy", response.new_therapy),
    Rule("psa_response", "PSA response", response.psa_response),
    Rule("psa_response", "Response still possible after the data cut-off", interim.pending),
    Rule("estimand", "Intercurrent events", estimand.estimand),
    Rule("estimand", "Estimates adjusted for the two stages", estimand_results.two_stage),
    Rule("psa_course", "PSA response: sensitivity definitions and percent changes", response.adrs),
    Rule("psa_progression", "PSA progression", progression.read_course),
    Rule("psa_progression", "PSA progression by course of treatment", progression.psa_progression),
    Rule("tumour", "Evaluator", lesions.of_evaluator),
    Rule("tumour", "Assessment at baseline", tumour.baseline_scanned),
    Rule("tumour", "Lesions at baseline", lesions.lesions),
    Rule("tumour", "Measurable disease", tumour.measurable),
    Rule("tumour", "Assessments", lesions.assessments),
    Rule("tumour", "Source and day of the assessments", tumour.time_points),
    Rule("tumour", "Target lesions", tumour_rules.target_response),
    Rule("tumour", "State of one non-target lesion", lesions.state_of),
    Rule("tumour", "Non-target lesions", tumour_rules.non_target_response),
    Rule("tumour", "Response of soft tissue", tumour_rules.soft_tissue),
    Rule("tumour", "First progression of soft tissue", tumour_rules.first_progression),
    Rule("tumour", "Number of target lesions", tumour_rules.over_limit),
    Rule("tumour", "Overall response of soft tissue and bone", tumour_rules.overall),
    Rule("tumour", "Best overall response", tumour_rules.best_response),
    Rule("tumour", "Tumour response parameters", tumour.tumour_responses),
    Rule("bone", "Bone response", tumour_rules.bone_responses),
    Rule("progression", "Times to progression", survival.progression_times),
    Rule("survival", "Date last known alive", population.last_alive),
    Rule("survival", "Death", population.death),
    Rule("survival", "Overall survival", survival.adtte),
    Rule("survival_comparison", "ECOG performance status in models", survival.with_baseline_status),
    Rule("safety", "Treatment-emergent events", safety.adae),
    Rule("safety", "Vital signs", vitals.advs),
    Rule("lines", "Line of treatment", population.line_of_therapy),
    Rule("deaths", "Time and cause of death", safety.with_deaths),
    Rule("labs", "Laboratory values and their grades", labs.adlb),
    Rule("labs", "Laboratory values and vital signs by visit", rates.over_time),
    Rule(
        "toxicity_monitoring", "Stopping boundary for toxicity", safety_results.toxicity_monitoring
    ),
    Rule("comparison", "Response by the rule of the published trial", response.comparison_response),
    Rule("exposure", "Doses of the study drug", population.study_doses),
    Rule("exposure", "Infusions", exposure.adex),
    Rule("exposure", "Exposure parameters by patient", exposure.adexsum),
    Rule("exposure", "G-CSF use", exposure.growth_factor),
    Rule("pk", "Concentrations", pk.adpc),
    Rule("pk", "PK parameters", pk.adpp),
    Rule("samples", "Blood samples expected and collected", samples.adbe),
    Rule("ctc", "CTC counts", ctc.adctc),
    Rule("ctc", "CTC response", ctc.ctc_response),
)
"""In the order of the sections of the SAP."""

_SECTION = re.compile(r"\n[A-Z][a-z ]+\n-{3,}\n")
_CASE = re.compile(r"(\d+)\.\s+(.*)")
_ITEM = re.compile(r"-\s+(.*)")
KEY = re.compile(r"`([a-z0-9_.]+)`")


def text_of(function: Callable[..., Any]) -> str:
    """The docstring of a rule without its sections on parameters, errors and examples."""
    return _SECTION.split(inspect.getdoc(function) or "")[0].strip()


def blocks(text: str) -> Iterator[dict[str, Any]]:
    r"""The paragraphs, numbered cases and lists of a docstring, in order.

    Examples
    --------
    >>> list(blocks("One row.\n\n1. Y: it is.\n   Truly.\n2. N: else."))
    [{'text': 'One row.'}, {'cases': [['1', 'Y: it is. Truly.'], ['2', 'N: else.']]}]
    """
    for part in re.split(r"\n\s*\n", text):
        block: dict[str, Any] = {}
        for line in part.splitlines():
            case, item = _CASE.match(line), _ITEM.match(line)
            if case:
                block.setdefault("cases", []).append([case[1], case[2].strip()])
            elif item:
                block.setdefault("items", []).append(item[1].strip())
            elif "cases" in block:
                block["cases"][-1][1] += f" {line.strip()}"
            elif "items" in block:
                block["items"][-1] += f" {line.strip()}"
            else:
                block["text"] = f"{block.get('text', '')} {line.strip()}".strip()
        yield block


def table(plan: Plan) -> list[dict[str, Any]]:
    """Every printed rule with its section of this plan and its blocks, in the order of the SAP.

    Raises
    ------
    ValueError
        A docstring names a key in backticks that the plan does not have.
    """
    entries = plan.model_dump(mode="json")
    rows = []
    for rule in PRINTED:
        if entries[rule.entry] is None:  # the plan has no such entry: the rule does not apply
            continue
        text = text_of(rule.function)
        for key in KEY.findall(text):
            path_of(entries, rule.entry, key)
        rows.append(
            {
                "entry": rule.entry,
                "section": entries[rule.entry]["section"],
                "name": rule.name,
                "code": f"{rule.function.__module__}.{rule.function.__qualname__}",
                "blocks": list(blocks(text)),
            }
        )
    return rows


def path_of(plan: dict[str, Any], entry: str, key: str) -> str:
    """The path of a key that a rule of `entry` names: its own, or `entry.key` of another one."""
    first, _, second = key.partition(".")
    if not second and first in plan[entry]:
        return f"{entry}.{first}"
    if second and first in plan and second in plan[first]:
        return key
    raise ValueError(f"a rule of {entry} refers to `{key}`, which is no key of the plan")
