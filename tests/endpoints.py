"""Plans of this repository with another primary endpoint, for tests."""

from typing import Any

from sap.plan import Plan
from sap.plan.model import ObjectiveResponse, RateAt

RECIST: dict[str, Any] = {
    "section": "SAP 5.4.2", "source": "RECIST 1.1", "from": "RS", "confirmed": True,
    "confirm_after_days": 28, "stable_after_days": 42, "population": "all",
}  # fmt: skip
LANDMARK: dict[str, Any] = {
    "section": "SAP 5.5.2", "source": "protocol", "event": "progression", "months": 6,
    "not_observed": "failure",
}  # fmt: skip
ENDPOINTS = ("objective_response", "clinical_benefit", "rate_at")


def with_endpoint(plan: Plan, endpoint: str, **changes: Any) -> Plan:
    """The plan with this primary endpoint and every entry that an endpoint can need.

    `changes` are keys of `objective_response` or `rate_at`.
    """
    recist = RECIST | {key: value for key, value in changes.items() if key in RECIST}
    landmark = LANDMARK | {key: value for key, value in changes.items() if key in LANDMARK}
    return plan.model_copy(
        update={
            "primary": plan.primary.model_copy(update={"endpoint": endpoint}),
            "objective_response": ObjectiveResponse.model_validate(recist),
            "rate_at": RateAt.model_validate(landmark),
        }
    )
