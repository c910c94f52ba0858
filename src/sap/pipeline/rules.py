"""The derivation rules that the report prints: read from the docstrings of the code that runs them.

Section 9.7.1 prints what stands here, word for word, so that the rule a reader sees and the rule
that runs are one text. A word in backticks is a key of the plan; the report prints its value
behind it.
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
)
from sap.pipeline import plans
from sap.plan.model import Plan
from sap.results import estimand as estimand_results
from sap.results import response as response_results
from sap.results import safety as safety_results


class Rule(NamedTuple):
    """One printed rule: the entry of the plan it belongs to, its name, and the function that is it."""

    entry: str
    name: str
    function: Callable[..., Any]


PRINTED = (
    Rule("cut_offs", "What was known at the cut-off", snapshot.cut),
    Rule("drugs", "Words, units and drugs of the data", standard.standard),
    Rule("design", "Check of the design", plans.design_faults),
    Rule("intervals", "Interval of the primary result", response_results.primary_rate),
    Rule("intervals", "When inference knows the two stages", response_results.ended),
    Rule("intervals", "Means, medians and quartiles", response_results.summary),
    Rule("screening", "Biomarker at a screening", population.biomarker),
    Rule("analysis_sets", "Groups and analysis sets", population.adsl),
    Rule("analysis_sets", "Analysis sets that need measurements", population.analysis_sets),
    Rule("rescreening", "Courses of treatment", courses.courses),
    Rule("baseline", "Reference day of the characteristics", baseline.episodes),
    Rule("baseline", "Characteristics at baseline", baseline.adbl),
    Rule("psa_response", "PSA values", response.adpsa),
    Rule("psa_response", "Results beyond quantification", quantities.quantified),
    Rule("psa_response", "New anticancer therapy", response.new_therapy),
    Rule("psa_response", "PSA response", response.psa_response),
    Rule("psa_response", "Response still possible after the cut-off", interim.pending),
    Rule("estimand", "Intercurrent events", estimand.estimand),
    Rule("estimand", "Estimates that know the two stages", estimand_results.two_stage),
    Rule("psa_course", "Variants of the PSA response, and changes of PSA", response.adrs),
    Rule("psa_progression", "PSA progression", progression.read_course),
    Rule("psa_progression", "PSA progression of a course", progression.psa_progression),
    Rule("tumour", "Evaluator", lesions.of_evaluator),
    Rule("tumour", "Assessment at baseline", tumour.baseline_scanned),
    Rule("tumour", "Lesions at baseline", lesions.lesions),
    Rule("tumour", "Measurable disease", tumour.measurable),
    Rule("tumour", "Assessments", lesions.assessments),
    Rule("tumour", "Source and day of an assessment", tumour.time_points),
    Rule("tumour", "Target lesions", tumour_rules.target_response),
    Rule("tumour", "One non-target lesion", lesions.state_of),
    Rule("tumour", "Non-target lesions", tumour_rules.non_target_response),
    Rule("tumour", "Response of soft tissue", tumour_rules.soft_tissue),
    Rule("tumour", "First progression of soft tissue", tumour_rules.first_progression),
    Rule("tumour", "Number of target lesions", tumour_rules.over_limit),
    Rule("tumour", "Overall response of soft tissue and bone", tumour_rules.overall),
    Rule("tumour", "Best overall response", tumour_rules.best_response),
    Rule("tumour", "Tumour answers", tumour.tumour_answers),
    Rule("bone", "Bone response", tumour_rules.bone_responses),
    Rule("progression", "Times to progression", survival.progression_times),
    Rule("survival", "Last day known alive", population.last_alive),
    Rule("survival", "Death", population.death),
    Rule("survival", "Overall survival", survival.adtte),
    Rule("survival_comparison", "ECOG status in models", survival.with_baseline_status),
    Rule("safety", "Treatment-emergent events", safety.adae),
    Rule("lines", "Line of treatment", population.line_of_therapy),
    Rule("deaths", "Time and cause of death", safety.with_deaths),
    Rule("labs", "Laboratory values and their grades", labs.adlb),
    Rule(
        "toxicity_monitoring", "Stopping boundary for toxicity", safety_results.toxicity_monitoring
    ),
    Rule("comparison", "Response by the rule of the published trial", response.comparison_response),
    Rule("exposure", "Doses of the study drug", population.study_doses),
    Rule("exposure", "Infusions", exposure.adex),
    Rule("exposure", "Exposure by patient", exposure.adexsum),
    Rule("exposure", "Growth factor", exposure.growth_factor),
    Rule("pk", "Concentrations", pk.adpc),
    Rule("pk", "Areas and maxima", pk.adpp),
    Rule("samples", "Blood samples expected and drawn", samples.adbe),
    Rule("ctc", "Cell counts", ctc.adctc),
    Rule("ctc", "Response of the cells", ctc.ctc_answers),
)
"""In the order of the sections of the SAP."""

_SECTION = re.compile(r"\n[A-Z][a-z ]+\n-{3,}\n")
_CASE = re.compile(r"(\d+)\.\s+(.*)")
_ITEM = re.compile(r"-\s+(.*)")
KEY = re.compile(r"`([a-z0-9_.]+)`")


def words(function: Callable[..., Any]) -> str:
    """The docstring of a rule as a reader needs it: no parameters, errors or examples of code."""
    return _SECTION.split(inspect.getdoc(function) or "")[0].strip()


def blocks(text: str) -> Iterator[dict[str, Any]]:
    r"""The paragraphs, numbered cases and lists of a docstring, in order.

    Examples
    --------
    >>> list(blocks("One row.\n\n1. Y: it is.\n   Truly.\n2. N: else."))
    [{'text': 'One row.'}, {'cases': [['1', 'Y: it is. Truly.'], ['2', 'N: else.']]}]
    """
    for part in re.split(r"\n\s*\n", text):
        found: dict[str, Any] = {}
        for line in part.splitlines():
            case, item = _CASE.match(line), _ITEM.match(line)
            if case:
                found.setdefault("cases", []).append([case[1], case[2].strip()])
            elif item:
                found.setdefault("items", []).append(item[1].strip())
            elif "cases" in found:
                found["cases"][-1][1] += f" {line.strip()}"
            elif "items" in found:
                found["items"][-1] += f" {line.strip()}"
            else:
                found["text"] = f"{found.get('text', '')} {line.strip()}".strip()
        yield found


def table(plan: Plan) -> list[dict[str, Any]]:
    """Every printed rule with its section of this plan and its blocks, in the order of the SAP.

    Raises
    ------
    ValueError
        A docstring names a key in backticks that the plan does not have.
    """
    said = plan.model_dump(mode="json")
    found = []
    for rule in PRINTED:
        if said[rule.entry] is None:  # the plan has no such entry, so nothing runs by the rule
            continue
        text = words(rule.function)
        for key in KEY.findall(text):
            place(said, rule.entry, key)
        found.append(
            {
                "entry": rule.entry,
                "section": said[rule.entry]["section"],
                "name": rule.name,
                "code": f"{rule.function.__module__}.{rule.function.__qualname__}",
                "blocks": list(blocks(text)),
            }
        )
    return found


def place(plan: dict[str, Any], entry: str, key: str) -> str:
    """The path of a key that a rule of `entry` names: its own, or `entry.key` of another one."""
    first, _, second = key.partition(".")
    if not second and first in plan[entry]:
        return f"{entry}.{first}"
    if second and first in plan and second in plan[first]:
        return key
    raise ValueError(f"a rule of {entry} names `{key}`, and the plan has no such key")
