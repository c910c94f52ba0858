"""Terms of the plan compared with the extract: the table PLAN_TERMS of the extract contract.

Terms, drugs and visits are compared as in the derivations: folded, a drug as its ingredient.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

from sap.catalogue import coded_columns, codelist, fold, folded
from sap.catalogue.numbers import number
from sap.catalogue.quantities import quantity
from sap.contracts.columns import derived_column
from sap.plan.model import MARKER_DOMAINS, Plan

if TYPE_CHECKING:
    import pandas as pd

Texts = Mapping[str, "pd.DataFrame"]

ANALYSED_TESTS = {
    "lb": "LBTESTCD",
    "vs": "VSTESTCD",
    "cp": "CPTESTCD",
    "ss": "SSTESTCD",
}
"""By domain, the codelist of the analysed tests."""
ANALYSED_TERMS = (("rs", "RSTESTCD", "ECOG"), ("cm", "CMSCAT", "RADIOTHERAPY"))
"""Terms of other columns that are analysed; an extract may have them in another domain (QS, PR)."""
BY_VISIT = ("cp", *MARKER_DOMAINS)
"""Domains whose records are selected by visit."""
WITH_TESTS = ("cp", *MARKER_DOMAINS, "lb", "pc", "ss", "vs")
"""Domains whose tests are compared with those of the plan."""
LISTED = 15


class Line(NamedTuple):
    """One term of the plan, or one list of terms of the data, and whether the condition is met."""

    DOMAIN: str
    COLUMN: str | None
    ROW: int | None
    USUBJID: str | None
    KIND: str
    MET: str | None


def with_ingredients(table: "pd.DataFrame", column: str, plan: Plan) -> "pd.DataFrame":
    """The table with the ingredient instead of every drug name listed in the plan."""
    if column not in table:
        return table
    known = {name: plan.drugs.ingredient(name) or name for name in table[column].dropna().unique()}
    return table.assign(**{column: table[column].map(lambda name: known.get(name))})


def with_results(table: "pd.DataFrame", plan: Plan) -> "pd.DataFrame":
    """The results of the biomarker with the plan's test code, and POSITIVE or NEGATIVE for the results it lists."""
    marker = plan.biomarker
    if marker is None or marker.name_of("TESTCD") not in table:
        return table
    test, result = marker.name_of("TESTCD"), marker.name_of("STRESC")
    codes = {code: marker.test_of(code) for code in table[test].dropna().unique()}
    named = table[test].map(codes)
    changed = table.assign(**{test: named.where(named.notna(), table[test])})
    if result not in table:
        return changed
    words = {text: marker.result(text) for text in table[result].dropna().unique()}
    return changed.assign(**{result: table[result].map(words).where(named.notna(), table[result])})


def lines(texts: Texts, plan: Plan) -> Iterator[Line]:
    """The terms of the plan for the domains of the extract, and whether the extract has them.

    KIND, and the meaning of MET = Y:

    1. STUDY: each STUDYID of the domain is one of the plan's.
    2. STUDY DRUG: a record of ex is of the study drug; only when ex has records.
    3. DRUG: cm has the drug.
       DRUG IN A NAME: no unlisted name in ex and cm contains the name of such a drug.
    4. OTHER DRUG: every coded anticancer drug of cm, radiotherapy apart, is one of the plan's.
    5. TEST: the domain has the test; rs the ECOG status, cm radiotherapy, pc the planned hours.
    6. OTHER TEST: every test of the domain is analysed.
    7. VISIT: the domain has the visit.
    8. AE TERM: ae has all preferred terms of the plan.
    9. VISIT OF A RECORD (one row per record of cp and of the results of the biomarker): its visit is a
       visit of the trial. The visit is listed, because it is a protocol term and no patient data.
    10. RESULT OF A RECORD (one row per record of lb, of a test graded by the plan and without a rule
        of its own in lb): the result can be read, and has its limit when beyond quantification.
    11. OTHER EVALUATOR: every reading of tu, tr and rs is of the analysed evaluator.
    12. CRITERION: every criterion of ie (IETESTCD) is one of the plan's `protocol` (inclusion,
        exclusion); only where the plan lists them.
    """
    yield from _studies(texts, plan)
    yield from _drugs(texts, plan)
    yield from _tests(texts, plan)
    yield from _visits(texts, plan)
    yield from _results(texts, plan)
    yield from _events(texts, plan)
    yield from _evaluators(texts, plan)
    yield from _criteria(texts, plan)


SHOWN_LETTERS = 40
"""The maximum length of a visit name in a finding."""


def _line(domain: str, kind: str, met: bool, words: str | None) -> Line:
    return Line(domain, words, None, None, kind, "Y" if met else None)


def _listed(words: list[str]) -> str:
    more = f", and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(words[:LISTED]) + more


def _words(texts: Texts, domain: str, column: str) -> list[str]:
    return (
        [str(cell) for cell in derived_column(texts[domain], column).dropna()]
        if domain in texts
        else []
    )


def _studies(texts: Texts, plan: Plan) -> Iterator[Line]:
    own = set(plan.study.studyid)
    for domain in texts:
        present = set(_words(texts, domain, "STUDYID"))
        yield _line(domain, "STUDY", present <= own, f"STUDYID is to be {' or '.join(sorted(own))}")


def _drugs(texts: Texts, plan: Plan) -> Iterator[Line]:
    given = [plan.drugs.ingredient(word) for word in _words(texts, "ex", "EXTRT")]
    if given:
        drugs = plan.exposure.drugs
        met = any(drug in drugs for drug in given)
        yield _line("ex", "STUDY DRUG", met, " or ".join(drugs))
        inside = _containing_drug(_words(texts, "ex", "EXTRT"), drugs, plan)
        yield _line("ex", "DRUG IN A NAME", not inside, _listed(inside))
    if "cm" not in texts:
        return
    coded, reported = derived_column(texts["cm"], "CMDECOD"), derived_column(texts["cm"], "CMTRT")
    named = [str(word) for word in coded.fillna(reported).dropna()]
    taken = {plan.drugs.ingredient(word) for word in named}
    requested = [*plan.lines.third_line_after] if plan.lines else []
    requested += plan.rescreening.after if plan.rescreening else []
    if plan.study.groups and plan.comparison and plan.comparison.choice_drug:
        requested.append(plan.comparison.choice_drug)
    requested += [plan.baseline.prior_drug] if plan.baseline.prior_drug else []
    requested += plan.baseline.prior_class.drugs if plan.baseline.prior_class else []
    for drug in dict.fromkeys(requested):
        yield _line("cm", "DRUG", drug in taken, drug)
    inside = _containing_drug(named, requested, plan)
    yield _line("cm", "DRUG IN A NAME", not inside, _listed(inside))
    others = _other_drugs(texts["cm"], plan)
    yield _line("cm", "OTHER DRUG", not others, _listed(others))


def _containing_drug(names: list[str], drugs: list[str], plan: Plan) -> list[str]:
    """Names that the plan does not list and that contain the name of one of the drugs."""
    words = [fold(word) for drug in drugs for word in (drug, *plan.drugs.ingredients.get(drug, ()))]
    pattern = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words))
    unknown = {name for name in names if plan.drugs.ingredient(name) is None}
    return sorted(name for name in unknown if pattern.search(fold(name)))


def _other_drugs(cm: "pd.DataFrame", plan: Plan) -> list[str]:
    counts: Counter[str] = Counter()
    cells = (derived_column(cm, name) for name in ("CMDECOD", "CMCAT", "CMSCAT"))
    for word, category, kind in zip(*cells, strict=True):
        if codelist("CMCAT").standard(category) in (
            None,
            "SUPPORTIVE CARE",
            "CONCOMITANT MEDICATION",
        ):
            continue
        if word is None or codelist("CMSCAT").standard(kind) in ("RADIOTHERAPY", "OTHER"):
            continue
        if plan.drugs.ingredient(word) is None:
            counts[word] += 1
    return [
        f"{word} ({n})" for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _standard(domain: str, column: str, words: list[str]) -> set[str]:
    entry = coded_columns().get(domain, {}).get(column)
    standard = entry[0].codelist.standard if entry else str.upper
    return {standard(word) or word for word in words}


def _tests_of(plan: Plan) -> dict[str, list[str]]:
    """The tests that the sections of a plan read, by domain."""
    requested = {"lb": [*(["PSA"] if plan.psa_response else []), *plan.labs.terms]}
    if plan.ctc or (plan.biomarker and plan.biomarker.cell_count):
        requested["cp"] = ["CTC"]
    if plan.biomarker:
        requested[plan.biomarker.domain] = [plan.biomarker.test]
    if plan.pk:
        requested["pc"] = [plan.pk.analyte]
    return requested


def _tests(texts: Texts, plan: Plan) -> Iterator[Line]:
    requested = _tests_of(plan)
    for domain in (name for name in WITH_TESTS if name in texts):
        column = f"{domain.upper()}TESTCD"
        words = _words(texts, domain, column)
        if plan.biomarker and domain == plan.biomarker.domain:
            words = [plan.biomarker.test_of(word) or word for word in words]
        present = _standard(domain, column, words)
        for test in dict.fromkeys(requested.get(domain, [])):
            yield _line(domain, "TEST", test in present or texts[domain].empty, test)
        read = set(codelist(ANALYSED_TESTS[domain]).terms) if domain in ANALYSED_TESTS else set()
        read |= set(requested.get(domain, []))
        others = sorted(present - read)
        yield _line(domain, "OTHER TEST", not others, _listed(others))
    if "pc" in texts and plan.pk:
        present = {str(number(word)) for word in _words(texts, "pc", "PCTPTNUM")}
        for hour in (plan.pk.end_of_infusion_h, plan.pk.primary_h):
            met = str(float(hour)) in present or texts["pc"].empty
            yield _line("pc", "TEST", met, f"PCTPTNUM {hour:g}, in hours")
    for domain, column, word in ANALYSED_TERMS:
        if domain in texts:
            present = _standard(domain, column, _words(texts, domain, column))
            yield _line(domain, "TEST", word in present or texts[domain].empty, word)


def _visit(word: str, plan: Plan) -> str | None:
    return plan.visits.visit(word) or codelist("VISIT").standard(word)


def _visits(texts: Texts, plan: Plan) -> Iterator[Line]:
    requested = [("cp", plan.ctc.visit)] if plan.ctc else []
    schedule = plan.samples.schedule if plan.samples else []
    requested += [("be", line.visit) for line in schedule if line.visit is not None]
    for domain, visit in dict.fromkeys(requested):
        if domain in texts:
            present = {_visit(word, plan) for word in _words(texts, domain, "VISIT")}
            yield _line(domain, "VISIT", visit in present or texts[domain].empty, visit)
    for domain in (name for name in BY_VISIT if name in texts):
        subjects = derived_column(texts[domain], "USUBJID")
        numbers = derived_column(texts[domain], "VISITNUM_number")
        for row, word in enumerate(derived_column(texts[domain], "VISIT"), start=1):
            known = None if word is None else _visit(word, plan)
            if known is None:
                known = plan.visits.numbers.get(numbers.iloc[row - 1] or "")
            met = "Y" if known else None
            named = "no VISIT" if word is None else word[:SHOWN_LETTERS]
            yield Line(domain, named, row, subjects.iloc[row - 1], "VISIT OF A RECORD", met)


def _results(texts: Texts, plan: Plan) -> Iterator[Line]:
    others = set(plan.labs.terms) - set(codelist("LBTESTCD").terms)
    if "lb" not in texts or not others:
        return
    names = ("USUBJID", "LBTESTCD", "LBSTRESC", "LBLLOQ_number", "LBULOQ_number")
    cells = (derived_column(texts["lb"], name) for name in names)
    for row, (usubjid, test, text, lower, upper) in enumerate(zip(*cells, strict=True), start=1):
        if test in others and text is not None:
            read = quantity(text, None, lower, upper)
            met = read.readable and read.value is not None and not isnan(read.value)
            yield Line("lb", test, row, usubjid, "RESULT OF A RECORD", "Y" if met else None)


def _evaluators(texts: Texts, plan: Plan) -> Iterator[Line]:
    """The evaluators whose readings are not analysed, each with the number of records."""
    for domain in (name for name in ("tu", "tr", "rs") if name in texts):
        stem = domain.upper()
        others: Counter[str] = Counter()
        cells = (derived_column(texts[domain], f"{stem}{name}") for name in ("EVAL", "EVALID"))
        for eval_text, evalid in zip(*cells, strict=True):
            evaluator = codelist("EVAL").standard(eval_text) or eval_text or "INVESTIGATOR"
            reader = codelist("MEDEVAL").standard(evalid) or evalid
            chosen = plan.tumour.evaluator_id
            if evaluator != plan.tumour.evaluator or (chosen is not None and reader != chosen):
                others[" ".join(word for word in (evaluator, reader) if word)] += 1
        named = [f"{name} ({n})" for name, n in sorted(others.items())]
        yield _line(domain, "OTHER EVALUATOR", not named, _listed(named))


def _criteria(texts: Texts, plan: Plan) -> Iterator[Line]:
    """The criteria that the protocol does not have, each with the number of its records."""
    known = {fold(code) for code in plan.protocol.criteria} if plan.protocol else set()
    if known and "ie" in texts:
        others = Counter(
            word for word in _words(texts, "ie", "IETESTCD") if fold(word) not in known
        )
        named = [f"{code[:SHOWN_LETTERS]} ({n})" for code, n in sorted(others.items())]
        yield _line("ie", "CRITERION", not named, _listed(named))


def _events(texts: Texts, plan: Plan) -> Iterator[Line]:
    if "ae" not in texts:
        return
    named = [
        term for rate in plan.safety_rates.rates if rate.kind == "reported" for term in rate.terms
    ]
    named += plan.toxicity_monitoring.terms if plan.toxicity_monitoring else []
    named += [term for terms in plan.labs.reported_as.values() for term in terms]
    named += plan.deaths.progression_terms
    present = folded(_words(texts, "ae", "AEDECOD"))
    unmet = [term for term in dict.fromkeys(named) if fold(term) not in present]
    yield _line("ae", "AE TERM", not unmet, ", ".join(unmet))
