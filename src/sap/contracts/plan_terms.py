"""What the plan names, beside what the extract holds: the tables that the extract's rules read.

Words, drugs and visits are compared as the derivations read them: folded, a drug as its ingredient.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

from sap.catalogue import coded_columns, codelist, fold, folded
from sap.catalogue.numbers import number
from sap.catalogue.quantities import quantity
from sap.contracts.columns import beside
from sap.plan.model import Plan

if TYPE_CHECKING:
    import pandas as pd

RichText = Mapping[str, "pd.DataFrame"]

PRIOR_DRUGS = ("DOCETAXEL",)
"""Drugs that a characteristic at baseline asks for."""
READ = {"lb": "LBTESTCD", "vs": "VSTESTCD", "cp": "CPTESTCD", "gf": "GFTESTCD", "ss": "SSTESTCD"}
"""The codelist that holds the tests of a domain which results read."""
WORDS_READ = (("rs", "RSTESTCD", "ECOG"), ("cm", "CMSCAT", "RADIOTHERAPY"))
"""Words of other columns that results look for: an extract may hold them in another domain (QS, PR)."""
BY_VISIT = ("cp", "gf")
"""Domains whose records are found by their visit."""
LISTED = 15


class Line(NamedTuple):
    """One term of the plan, or one list of words of the data: where, which, and whether it is met."""

    DOMAIN: str
    COLUMN: str | None
    ROW: int | None
    USUBJID: str | None
    KIND: str
    MET: str | None


def with_ingredients(table: "pd.DataFrame", column: str, plan: Plan) -> "pd.DataFrame":
    """The table with the ingredient in place of every name of a drug that the plan knows."""
    if column not in table:
        return table
    known = {name: plan.drugs.ingredient(name) or name for name in table[column].dropna().unique()}
    return table.assign(**{column: table[column].map(lambda name: known.get(name))})


def lines(said: RichText, plan: Plan) -> Iterator[Line]:
    """Every term of the plan with whether the extract has it, of the domains the extract has.

    KIND, and what MET = Y says:

    1. STUDY: each STUDYID of the domain is one of the plan's.
    2. STUDY DRUG: a record of ex is of the study drug; asked when ex has records.
    3. DRUG: cm has the drug.
       DRUG IN A NAME: no name that the plan does not list holds the name of such a drug, in ex and cm.
    4. OTHER DRUG: every coded anticancer drug of cm, radiotherapy apart, is one of the plan's.
    5. TEST: the domain has the test; rs the ECOG status, cm radiotherapy, pc the planned hours.
    6. OTHER TEST: every test of the domain is one that results read.
    7. VISIT: the domain has the visit.
    8. AE TERM: ae has all preferred terms that the plan names.
    9. VISIT OF A RECORD (one row a record of cp and gf): its visit is one of the trial's; the visit
       is named, since it is a word of the protocol and no patient's.
    10. RESULT OF A RECORD (one row a record of lb, of a test that the plan grades and no rule of lb
        names): the result is readable, and names its limit where it lies beyond quantification.
    11. OTHER EVALUATOR: every reading of tu, tr and rs is of the evaluator whose reading counts.
    """
    yield from _studies(said, plan)
    yield from _drugs(said, plan)
    yield from _tests(said, plan)
    yield from _visits(said, plan)
    yield from _results(said, plan)
    yield from _events(said, plan)
    yield from _evaluators(said, plan)


SHOWN_LETTERS = 40
"""How much of the name of a visit a finding shows."""


def _line(domain: str, kind: str, met: bool, words: str | None) -> Line:
    return Line(domain, words, None, None, kind, "Y" if met else None)


def _listed(words: list[str]) -> str:
    more = f", and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(words[:LISTED]) + more


def _words(said: RichText, domain: str, column: str) -> list[str]:
    return [str(cell) for cell in beside(said[domain], column).dropna()] if domain in said else []


def _studies(said: RichText, plan: Plan) -> Iterator[Line]:
    own = set(plan.study.studyid)
    for domain in said:
        there = set(_words(said, domain, "STUDYID"))
        yield _line(domain, "STUDY", there <= own, f"STUDYID is to be {' or '.join(sorted(own))}")


def _drugs(said: RichText, plan: Plan) -> Iterator[Line]:
    given = [plan.drugs.ingredient(word) for word in _words(said, "ex", "EXTRT")]
    if given:
        drugs = plan.exposure.drugs
        met = any(drug in drugs for drug in given)
        yield _line("ex", "STUDY DRUG", met, " or ".join(drugs))
        inside = _inside(_words(said, "ex", "EXTRT"), drugs, plan)
        yield _line("ex", "DRUG IN A NAME", not inside, _listed(inside))
    if "cm" not in said:
        return
    coded, reported = beside(said["cm"], "CMDECOD"), beside(said["cm"], "CMTRT")
    named = [str(word) for word in coded.fillna(reported).dropna()]
    taken = {plan.drugs.ingredient(word) for word in named}
    asked = [*plan.lines.third_line_after, *plan.rescreening.after]
    if plan.study.groups:
        asked.append(plan.comparison.choice_drug)
    asked += [drug for drug in PRIOR_DRUGS if drug in plan.drugs.ingredients]
    for drug in dict.fromkeys(asked):
        yield _line("cm", "DRUG", drug in taken, drug)
    inside = _inside(named, asked, plan)
    yield _line("cm", "DRUG IN A NAME", not inside, _listed(inside))
    others = _other_drugs(said["cm"], plan)
    yield _line("cm", "OTHER DRUG", not others, _listed(others))


def _inside(names: list[str], drugs: list[str], plan: Plan) -> list[str]:
    """Names that the plan does not know and that hold a name of one of the drugs as a word."""
    words = [fold(word) for drug in drugs for word in (drug, *plan.drugs.ingredients.get(drug, ()))]
    held = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words))
    unknown = {name for name in names if plan.drugs.ingredient(name) is None}
    return sorted(name for name in unknown if held.search(fold(name)))


def _other_drugs(cm: "pd.DataFrame", plan: Plan) -> list[str]:
    found: Counter[str] = Counter()
    cells = (beside(cm, name) for name in ("CMDECOD", "CMCAT", "CMSCAT"))
    for word, category, kind in zip(*cells, strict=True):
        if codelist("CMCAT").standard(category) in (None, "SUPPORTIVE CARE"):
            continue
        if word is None or codelist("CMSCAT").standard(kind) in ("RADIOTHERAPY", "OTHER"):
            continue
        if plan.drugs.ingredient(word) is None:
            found[word] += 1
    return [f"{word} ({n})" for word, n in sorted(found.items(), key=lambda one: (-one[1], one[0]))]


def _standard(domain: str, column: str, words: list[str]) -> set[str]:
    entry = coded_columns().get(domain, {}).get(column)
    read = entry[0].codelist.standard if entry else str.upper
    return {read(word) or word for word in words}


def _tests(said: RichText, plan: Plan) -> Iterator[Line]:
    asked = {
        "lb": ["PSA", *plan.labs.terms],
        "cp": ["CTC"],
        "gf": ["ARV7"],
        "pc": [plan.pk.analyte],
    }
    for domain in (name for name in ("cp", "gf", "lb", "pc", "ss", "vs") if name in said):
        column = f"{domain.upper()}TESTCD"
        there = _standard(domain, column, _words(said, domain, column))
        for test in dict.fromkeys(asked.get(domain, [])):
            yield _line(domain, "TEST", test in there or said[domain].empty, test)
        read = set(codelist(READ[domain]).terms) if domain in READ else {plan.pk.analyte}
        read |= set(asked.get(domain, []))
        others = sorted(there - read)
        yield _line(domain, "OTHER TEST", not others, _listed(others))
    if "pc" in said:
        there = {str(number(word)) for word in _words(said, "pc", "PCTPTNUM")}
        for hour in (plan.pk.end_of_infusion_h, plan.pk.primary_h):
            met = str(float(hour)) in there or said["pc"].empty
            yield _line("pc", "TEST", met, f"PCTPTNUM {hour:g}, in hours")
    for domain, column, word in WORDS_READ:
        if domain in said:
            there = _standard(domain, column, _words(said, domain, column))
            yield _line(domain, "TEST", word in there or said[domain].empty, word)


def _visit(word: str, plan: Plan) -> str | None:
    return plan.visits.visit(word) or codelist("VISIT").standard(word)


def _visits(said: RichText, plan: Plan) -> Iterator[Line]:
    asked = [("cp", plan.ctc.visit)]
    asked += [("be", line.visit) for line in plan.samples.schedule if line.visit is not None]
    for domain, visit in dict.fromkeys(asked):
        if domain in said:
            there = {_visit(word, plan) for word in _words(said, domain, "VISIT")}
            yield _line(domain, "VISIT", visit in there or said[domain].empty, visit)
    for domain in (name for name in BY_VISIT if name in said):
        subjects = beside(said[domain], "USUBJID")
        for row, word in enumerate(beside(said[domain], "VISIT"), start=1):
            met = "Y" if word is not None and _visit(word, plan) else None
            named = "no VISIT" if word is None else word[:SHOWN_LETTERS]
            yield Line(domain, named, row, subjects.iloc[row - 1], "VISIT OF A RECORD", met)


def _results(said: RichText, plan: Plan) -> Iterator[Line]:
    others = set(plan.labs.terms) - set(codelist("LBTESTCD").terms)
    if "lb" not in said or not others:
        return
    names = ("USUBJID", "LBTESTCD", "LBSTRESC", "LBLLOQ_number", "LBULOQ_number")
    cells = (beside(said["lb"], name) for name in names)
    for row, (usubjid, test, text, lower, upper) in enumerate(zip(*cells, strict=True), start=1):
        if test in others and text is not None:
            read = quantity(text, None, lower, upper)
            met = read.readable and read.value is not None and not isnan(read.value)
            yield Line("lb", test, row, usubjid, "RESULT OF A RECORD", "Y" if met else None)


def _evaluators(said: RichText, plan: Plan) -> Iterator[Line]:
    """The evaluators whose readings are left out, each with the number of its records."""
    for domain in (name for name in ("tu", "tr", "rs") if name in said):
        stem = domain.upper()
        others: Counter[str] = Counter()
        cells = (beside(said[domain], f"{stem}{name}") for name in ("EVAL", "EVALID"))
        for who, which in zip(*cells, strict=True):
            evaluator = codelist("EVAL").standard(who) or who or "INVESTIGATOR"
            reader = codelist("MEDEVAL").standard(which) or which
            chosen = plan.tumour.evaluator_id
            if evaluator != plan.tumour.evaluator or (chosen is not None and reader != chosen):
                others[" ".join(word for word in (evaluator, reader) if word)] += 1
        named = [f"{name} ({n})" for name, n in sorted(others.items())]
        yield _line(domain, "OTHER EVALUATOR", not named, _listed(named))


def _events(said: RichText, plan: Plan) -> Iterator[Line]:
    if "ae" not in said:
        return
    named = [
        term for rate in plan.safety_rates.rates if rate.kind == "reported" for term in rate.terms
    ]
    named += plan.toxicity_monitoring.terms if plan.toxicity_monitoring else []
    named += [term for terms in plan.labs.reported_as.values() for term in terms]
    named += plan.deaths.progression_terms
    there = folded(_words(said, "ae", "AEDECOD"))
    unmet = [term for term in dict.fromkeys(named) if fold(term) not in there]
    yield _line("ae", "AE TERM", not unmet, ", ".join(unmet))
