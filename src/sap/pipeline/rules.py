"""The derivation rules that the report prints: read from the docstrings of the code that runs them.

Section 9.7.1 prints these docstrings verbatim, so that the printed rule and the rule that runs are
one text. A word in backticks is a key of the plan; the report prints the value of the key after it. A
variable of the results of the biomarker (--REFID) is printed with the prefix of their domain.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sap import snapshot
from sap.contracts.writing import section
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
    primary,
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
    """One printed rule: the entry of the plan it belongs to, its name, and the function it documents.

    `of_stages`: only where the design has two stages. `needs`: another entry without which it does not apply.
    `of`: whether it applies to a plan.
    """

    entry: str
    name: str
    function: Callable[..., Any]
    of_stages: bool = False
    needs: str = ""
    of: Callable[[Plan], object] | None = None


PRINTED = (
    Rule(
        "cut_offs",
        "Day of a cut-off by number",
        interim.day_of_number,
        of=lambda plan: any(one.date is None for one in plan.cut_offs.dates.values()),
    ),
    Rule("cut_offs", "Records included at the data cut-off", snapshot.cut),
    Rule("drugs", "Standardisation of terms, units and drug names", standard.standard),
    Rule("design", "Verification of the design", plans.design_faults),
    Rule(
        "intervals", "Confidence interval of the primary result", response_results.primary_interval
    ),
    Rule("intervals", "When two-stage inference applies", response_results.end_of, of_stages=True),
    Rule("intervals", "Means, medians and quartiles", rates.summary),
    Rule("biomarker", "Biomarker status at screening", population.biomarker),
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
    Rule("estimand", "Intercurrent events", estimand.estimand, needs="psa_response"),
    Rule(
        "estimand",
        "Estimates adjusted for the two stages",
        estimand_results.two_stage,
        of_stages=True,
    ),
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
    Rule(
        "tumour",
        "First progression of soft tissue",
        tumour_rules.first_progression,
        of=lambda plan: plan.tumour.first_progression_confirm_days,
    ),
    Rule("tumour", "Number of target lesions", tumour_rules.over_limit),
    Rule("tumour", "Overall response of soft tissue and bone", tumour_rules.overall, needs="bone"),
    Rule("tumour", "Best overall response", tumour_rules.best_response),
    Rule("tumour", "Tumour response parameters", tumour.tumour_responses),
    Rule("objective_response", "Readings of objective response", primary.readings),
    Rule("objective_response", "Readings up to the first progression", primary.up_to_progression),
    Rule("objective_response", "Objective response", primary.response),
    Rule("objective_response", "Clinical benefit", primary.benefit),
    Rule("objective_response", "Best overall response of these readings", primary.best),
    Rule("objective_response", "Response parameters", primary.objective_responses),
    Rule("objective_response", "Response still possible", primary.pending_response),
    Rule("bone", "Bone response", tumour_rules.bone_responses),
    Rule("progression", "Times to progression", survival.progression_times),
    Rule("survival", "Date last known alive", population.last_alive),
    Rule("survival", "Death", population.death),
    Rule("survival", "Overall survival", survival.adtte),
    Rule("rate_at", "Free of the event at the landmark", primary.rate_at),
    Rule("rate_at", "Landmark still to be reached", primary.pending_landmark),
    Rule("survival_comparison", "ECOG performance status in models", survival.with_baseline_status),
    Rule("safety", "Treatment-emergent events", safety.adae),
    Rule("safety", "Vital signs", vitals.advs),
    Rule("lines", "Line of treatment", population.line_of_therapy),
    Rule("deaths", "Time and cause of death", safety.with_deaths),
    Rule(
        "labs",
        "Laboratory values and their grades",
        labs.adlb,
        of=lambda plan: plan.labs.graded,
    ),
    Rule("labs", "Laboratory values and vital signs by visit", rates.over_time),
    Rule(
        "toxicity_monitoring", "Stopping boundary for toxicity", safety_results.toxicity_monitoring
    ),
    Rule("comparison", "Response by the rule of the published trial", response.comparison_response),
    Rule("exposure", "Doses of the study drug", population.study_doses),
    Rule(
        "exposure",
        "Open intervals of continuous dosing",
        population.with_interval_ends,
        of=lambda plan: plan.exposure.continuous,
    ),
    Rule("exposure", "Doses", exposure.adex),
    Rule("exposure", "Exposure parameters by patient", exposure.adexsum),
    Rule(
        "exposure",
        "G-CSF use",
        exposure.growth_factor,
        of=lambda plan: not plan.exposure.continuous,
    ),
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
_ABSENT = object()
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


NOT_IN_SAP = "Not in this SAP."
WORDS_OF: Mapping[str, str] = {
    "psa_response": r"PSA|\bGLEASON\b",
    "ctc": r"\bCTCEV",
    "biomarker": r"[Bb]iomarker|\bMPOSFL\b|lists as positive or negative",
    "biomarker.cell_count": r"\bCTC(?!AE)|\bhas a count\b",
    "rescreening": r"[Rr]e-screen|\bRESC[A-Z]*FL\b|\bGROUP\b|\bGRPAFL\b|\bOSRE\b|\bOSCENS\b"
    r"|physician's choice",
    "pk": r"[Cc]oncentration",
    "psa_progression": r"PSA progression|\bTTPP\b|\bDOR\b",
    "bone": r"^That of bone|\bUNC:|\bPDu\b",
    "survival_comparison": r"\bOSSCR\b|guarantee-time",
}
"""By entry of the plan, or a part of one, the words of the rules that only a plan with it needs."""
OF_BIOMARKER = ("biomarker", "ctc")
"""Entries whose rules name variables of the results of the biomarker (--REFID), in any domain."""
_VARIABLE = re.compile(r"--(?=[A-Z])")


class Words(NamedTuple):
    """Words of rules, of an entry or of all, that only a plan needs of which `where` holds."""

    where: Callable[[Plan], object]
    words: str
    entry: str = ""


WORDS_WHERE = (
    Words(
        lambda plan: plan.exposure.continuous,
        r"is continuous|\b(?:NDOSES|DURDAYS|TRTDAYS|OFFDAYS|INTERR)\b|`frequency`",
    ),
    Words(lambda plan: not plan.exposure.continuous, r"\binfusions?\b|\bDURWK\b", "exposure"),
    Words(lambda plan: plan.exposure.dose_unit == "mg/m2", r"by body surface|`bsa_formula`"),
    Words(lambda plan: plan.exposure.dose_unit == "mg/kg", r"by body weight"),
    Words(lambda plan: plan.exposure.dose_unit == "AUC", r"`dose_unit` is AUC"),
    Words(lambda plan: plan.design.kind == "two-stage", r"\btwo-stage\b", "intervals"),
    Words(lambda plan: plan.safety.by_grade, r"`by` is grade"),
    Words(lambda plan: plan.safety.by_severity, r"`by` is severity"),
    Words(lambda plan: plan.bone is None, r"no rule of bone scans"),
)
MAY_BE_UNSET = (
    "deviation",
    "evaluator_id",
    "window_measures",
    "prior_drug",
    "prior_class",
    "reduced_at_most",
    "low_start_dose",
    "max_cycles",
    "major_delay_after_days",
    "detail",
)
"""Keys without which a rule has no use for the sentence, or the words in brackets, that name them."""


class Instead(NamedTuple):
    """Words of rules, and those in their place for a plan of which `where` holds."""

    where: Callable[[Plan], object]
    words: str
    by: str


INSTEAD = (
    Instead(
        lambda plan: plan.exposure.continuous,
        r"`per_protocol_cycles` cycles \(of continuous dosing, (.*?)\)",
        r"\1",
    ),
    Instead(lambda plan: not plan.exposure.continuous, r" \(of continuous dosing, .*?\)", ""),
    Instead(
        lambda plan: plan.toxicity_monitoring and plan.toxicity_monitoring.shape != "bayesian",
        r"; bayesian: the posterior probability, .*?`p0`",
        "",
    ),
    Instead(
        lambda plan: plan.biomarker is None, r"The day of the sample\.", "The day of the consent."
    ),
)
_SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Z`])")


def of_plan(
    given: Iterable[dict[str, Any]], plan: Plan, entry: str = ""
) -> Iterator[dict[str, Any]]:
    """The blocks of a rule of an entry as far as they apply to a plan.

    1. A sentence about an entry that the plan leaves out (`WORDS_OF`), about what the plan is not
       (`WORDS_WHERE`), or with a key that has no value (`MAY_BE_UNSET`) is not printed; words in brackets with
       such a key are not, and their sentence is. Some words have others in their place (`INSTEAD`).
    2. A numbered case of which nothing remains is "Not in this SAP.", so that every number stays. Where
       nothing remains of any case, and of an item or a paragraph, it is not printed.
    3. Cases and items are not printed either where the sentence that introduces them, with a colon at its
       end, is not; and such a sentence is not where nothing remains of them.
    """
    unset = "|".join(_unset(plan, entry))
    absent = [words for name, words in WORDS_OF.items() if section(plan, name) is None]
    absent += [one.words for one in WORDS_WHERE if one.entry in ("", entry) and not one.where(plan)]
    absent += [f"`(?:{unset})`"] if unset else []
    about = re.compile("|".join(absent)) if absent else None
    bracket = re.compile(rf" \([^()]*`(?:{unset})`[^()]*\)") if unset else None

    def kept(text: str) -> str:
        for one in INSTEAD:
            text = re.sub(one.words, one.by, text) if one.where(plan) else text
        text = bracket.sub("", text) if bracket else text
        if about is None:
            return text
        return " ".join(one for one in _SENTENCE.split(text) if not about.search(one))

    introduced = True
    waiting: dict[str, Any] = {}
    for block in given:
        made = {name: _kept_of(name, value, kept) for name, value in block.items()}
        listed = "cases" in block or "items" in block
        if listed and not (introduced and any(made.values())):
            text = waiting.get("text", "")
            last = _SENTENCE.split(text)[-1]
            if introduced and last.endswith(":"):
                waiting["text"] = text.removesuffix(last).strip()
            made = {}
        if any(waiting.values()):
            yield {name: value for name, value in waiting.items() if value}
        waiting = made
        if "text" in block:
            intro = block["text"].endswith(":")
            introduced = not intro or made["text"].endswith(":")
    if any(waiting.values()):
        yield {name: value for name, value in waiting.items() if value}


def _kept_of(name: str, value: Any, kept: Callable[[str], str]) -> Any:
    """A text, the cases or the items of a block, as far as they are kept."""
    if name == "cases":
        cases = [[number, kept(case) or NOT_IN_SAP] for number, case in value]
        return cases if any(case != NOT_IN_SAP for _, case in cases) else []
    return kept(value) if name == "text" else [one for one in map(kept, value) if one]


def _unset(plan: Plan, entry: str) -> Iterator[str]:
    """The keys of an entry among `MAY_BE_UNSET` that have no value in a plan."""
    of_entry = getattr(plan, entry, None) if entry else None
    for key in MAY_BE_UNSET:
        if hasattr(of_entry, key) and getattr(of_entry, key) in (None, [], (), {}):
            yield from (key, rf"{entry}\.{key}")


def table(plan: Plan) -> list[dict[str, Any]]:
    """Every printed rule of this plan's analyses with its section and its blocks, in the order of the SAP.

    A variable of the results of the biomarker (--REFID) has the prefix of their domain.

    Raises
    ------
    ValueError
        A docstring names a key in backticks that the plan does not have.
    """
    entries = plan.model_dump(mode="json")
    rows = []
    for rule in PRINTED:
        if None in (entries[rule.entry], entries[rule.needs or rule.entry]):
            continue  # the plan has no such entry: the rule does not apply
        if rule.of_stages and plan.design.kind == "single-stage":
            continue
        if rule.of is not None and not rule.of(plan):
            continue
        domain = plan.biomarker.domain if plan.biomarker else None
        text = with_variables(text_of(rule.function), rule.entry, domain)
        kept = list(of_plan(blocks(text), plan, rule.entry))
        for key in KEY.findall(str(kept)):
            path_of(entries, rule.entry, key)
        rows.append(
            {
                "entry": rule.entry,
                "section": entries[rule.entry]["section"],
                "name": rule.name,
                "code": f"{rule.function.__module__}.{rule.function.__qualname__}",
                "blocks": kept,
            }
        )
    return rows


def unwrapped(text: str) -> str:
    r"""The text of a rule with each paragraph, case and item on one line.

    >>> unwrapped("One\nrow.\n\n1. Y: it is.\n   Truly.\n2. N: else.")
    'One row.\n\n1. Y: it is. Truly.\n2. N: else.'
    """
    parts = []
    for block in blocks(text):
        lines = [block["text"]] if "text" in block else []
        lines += [f"{number}. {case}" for number, case in block.get("cases", ())]
        lines += [f"- {item}" for item in block.get("items", ())]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def with_values(text: str, entry: str | None, plan: dict[str, Any]) -> str:
    """The text of a rule with the value of the plan behind each key that has a single value or a list.

    `entry` is the entry of the plan that the rule belongs to; None: only keys of the form
    `entry.key` are known.

    >>> with_values("within `days` days", "safety", {"safety": {"days": 30}})
    'within days (30) days'
    """

    def filled(match: re.Match[str]) -> str:
        first, _, second = match[1].rpartition(".")
        part = plan.get(first or str(entry))
        value = part.get(second) if isinstance(part, dict) else None
        if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
            return f"{match[1]} ({', '.join(map(str, value)) or 'not set'})"
        if isinstance(value, str | int | float):
            return f"{match[1]} ({value})"
        return match[1]

    return KEY.sub(filled, with_variables(text, entry, (plan.get("biomarker") or {}).get("domain")))


def with_variables(text: str, entry: str | None, domain: str | None) -> str:
    """The text of a rule of an entry with the variables of the biomarker's results as their domain has them.

    >>> with_variables("the sample (--REFID)", "biomarker", "mi"), with_variables("--STAT", "survival", "mi")
    ('the sample (MIREFID)', '--STAT')
    """
    return _VARIABLE.sub(domain.upper(), text) if domain and entry in OF_BIOMARKER else text


def path_of(plan: dict[str, Any], entry: str, key: str) -> str:
    """The path of a key that a rule of `entry` names: its own, or `entry.key` of another one."""
    for path in (f"{entry}.{key}", key) if "." not in key else (key, f"{entry}.{key}"):
        here: Any = plan
        for word in path.split("."):
            here = here.get(word, _ABSENT) if isinstance(here, dict) else _ABSENT
        if here is not _ABSENT and path != entry and "." in path:
            return path
    raise ValueError(f"a rule of {entry} refers to `{key}`, which is no key of the plan")
