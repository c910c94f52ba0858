"""What ICH E3 asks of the title page, from the plan and the dates of the first and the last patient."""

from typing import Any

import pandas as pd

from sap.catalogue.reporting import filled
from sap.displays.formats import typeset
from sap.displays.protocol import ONGOING, still_followed
from sap.plan.model import Plan
from sap.plan.protocol import placeholder

NOT_KNOWN = "Not known"
ITEMS = {
    "number": "Protocol",
    "product": "Investigational product",
    "indication": "Indication",
    "phase": "Development phase",
    "design": "Design",
    "collaborator": "Collaborator",
}
OFFICERS = {
    "coordinating_investigator": "Investigator",
    "responsible_officer": "Responsible officer",
    "author": "Author",
    "gcp": "Compliance with GCP",
    "funding": "Funding",
}
FIRST = {"first_consent": "consent", "first_dose": "first dose"}
LAST = {"last_consent": "consent", "last_contact": "last visit or contact"}
INITIATION = "Study initiation date (first patient)"
COMPLETION = "Study completion date (last patient)"


def rows(plan: Plan, results: pd.DataFrame) -> list[dict[str, str]]:
    """Name and value of each line: items of `protocol`, sponsor, first and last patient, officers.

    1. An item that no source gives: the place of the sponsor's words.
    2. An item that the plan leaves out: no line; without `protocol` there is none at all.
    3. The last patient: the dates that the plan gives, else of the data; while patients are followed there
       is no last visit, and the line says that the study is ongoing.
    """
    protocol = plan.protocol
    if protocol is None:
        return []

    def lines(items: dict[str, str]) -> list[tuple[str, str]]:
        known = []
        for item, name in items.items():
            given: Any = getattr(protocol, item)
            if given is not None:
                words = typeset(filled(given, plan))
                known.append((name, words[:1].upper() + words[1:]))
            elif item in protocol.not_known:
                known.append((name, placeholder(plan).removesuffix(".")))
        return known

    dates = _dates(plan, results)
    published = protocol.dates is not None
    ongoing = not published and still_followed(results[results["analysis"] == "disposition"])
    last = {"last_consent": LAST["last_consent"]} if ongoing else LAST
    ends = [
        (name, "; ".join(f"{words} {dates[key]}" for key, words in items.items() if key in dates))
        for name, items in ((INITIATION, FIRST), (COMPLETION, last))
    ]
    if ongoing:
        name, words = ends[-1]
        ends[-1] = (name, "; ".join(filter(None, (words, ONGOING))))
    listed = [
        *lines(ITEMS),
        ("Sponsor", plan.study.sponsor),
        *((name, words[:1].upper() + words[1:] or NOT_KNOWN) for name, words in ends),
        *lines(OFFICERS),
    ]
    return [{"name": name, "value": value} for name, value in listed]


def _dates(plan: Plan, results: pd.DataFrame) -> dict[str, str]:
    """The published dates, else those of the data."""
    if plan.protocol is not None and plan.protocol.dates is not None:
        return {name: day for name, day in plan.protocol.dates.model_dump().items() if day}
    of_data = results[results["analysis"] == "study_dates"]
    return dict(zip(of_data["level"], of_data["stat_text"], strict=True))
