"""The primary endpoint of a plan in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sap.plan.model import Plan


def primary_endpoint(plan: "Plan") -> str:
    """What the primary endpoint is called in a sentence: `confirmed PSA response`."""
    rule, at = plan.objective_response, plan.rate_at
    if plan.primary.endpoint == "objective_response" and rule is not None:
        return "confirmed objective response" if rule.confirmed else "objective response"
    if plan.primary.endpoint == "rate_at" and at is not None:
        free = "survival without progression" if at.event == "progression" else "survival"
        return f"{free} to {at.months:g} months"
    return (
        "clinical benefit"
        if plan.primary.endpoint == "clinical_benefit"
        else "confirmed PSA response"
    )


def with_article(words: str) -> str:
    """The words after their indefinite article: `an objective response rate`, `a PSA response rate`."""
    return f"{'an' if words[:1].lower() in 'aeio' else 'a'} {words}"


def rate_name(plan: "Plan") -> str:
    """What the share of patients with the primary endpoint is called: `PSA response rate`."""
    return {
        "psa_response": "PSA response rate",
        "objective_response": "objective response rate",
        "clinical_benefit": "clinical benefit rate",
        "rate_at": "rate",
    }[plan.primary.endpoint]


def had_it(plan: "Plan") -> str:
    """The predicate of the patients who have the primary endpoint: `had a confirmed PSA response`."""
    rule, at = plan.objective_response, plan.rate_at
    if plan.primary.endpoint == "clinical_benefit":
        return "had clinical benefit"
    if plan.primary.endpoint == "rate_at" and at is not None:
        free = "without progression" if at.event == "progression" else "alive"
        return f"were {free} at {at.months:g} months"
    if plan.primary.endpoint == "objective_response":
        confirmed = rule is not None and rule.confirmed
        return "had a confirmed objective response" if confirmed else "had an objective response"
    return "had a confirmed PSA response"
