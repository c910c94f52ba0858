"""The facts of the protocol that the report prints; none of them decides a number.

A text may hold keys of the plan in braces (`{exposure.planned_dose}`): the report prints their
values, so that no number of the analysis is written twice.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from sap.plan.entry import Conflict, Entry, Part, check, valid

if TYPE_CHECKING:
    from sap.plan.model import Plan

TO_COMPLETE = "[To be completed by the sponsor]"
NOT_AVAILABLE = "Not available: independent re-analysis."
Text = Annotated[str, Field(min_length=2)]
Rank = Literal["primary", "secondary", "exploratory"]


class Objective(Part):
    """One objective."""

    rank: Rank
    text: Text


class Difference(Part):
    """How the plan defines an endpoint in another way than the protocol, and why."""

    analysed: Text
    reason: Text


class Endpoint(Part):
    """One endpoint, with the entry of the plan that has its rule."""

    rank: Rank
    name: Text
    definition: Text
    time_frame: Text | None = None
    entry: str | None = Field(
        default=None, description="entry of the plan with its rule; null: it is not analysed"
    )
    difference: Difference | None = Field(
        default=None, description="where the rule differs from the protocol; section 9.8 lists it"
    )


class Criterion(Part):
    """One criterion of eligibility; the id is IETESTCD of the data."""

    id: str = Field(pattern=r"^(INCL|EXCL)\d{2}[A-Z]?$")
    text: Text


class Centre(Part):
    """One centre."""

    name: Text
    city: Text
    country: Text


class DoseRule(Part):
    """One rule of dose modification."""

    when: Text
    action: Text


class Dates(Part):
    """Dates of the trial as published, for data whose dates are not real."""

    first_consent: Text | None = None
    first_dose: Text | None = None
    last_consent: Text | None = None
    last_contact: Text | None = None


class Visit(Part):
    """One column of the schedule of assessments."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: Text = Field(description="head of the column, short")
    meaning: Text | None = Field(default=None, description="what the head stands for, as a note")


class Procedure(Part):
    """One row of the schedule of assessments."""

    name: Text
    at: list[str] = Field(min_length=1, description="ids of its visits")
    note: Text | None = None


def _twice(key: str, listed: Iterable[Any]) -> Iterator[Conflict]:
    """Each id of a list that is given twice."""
    first: dict[str, int] = {}
    for place, one in enumerate(listed):
        name = valid(one, "id")
        if name is not None and first.setdefault(name, place) != place:
            yield Conflict.of(
                f"the id {name} is given twice: give one of them another",
                (key, place, "id"),
                (key, first[name], "id"),
            )


class Schedule(Part):
    """The schedule of assessments: visits by procedures."""

    visits: list[Visit] = Field(min_length=1)
    procedures: list[Procedure] = Field(min_length=1)

    @check
    def _ids(self) -> Iterator[Conflict]:
        yield from _twice("visits", self.visits)

    @check
    def _at_visits(self) -> Iterator[Conflict]:
        known = [visit.id for visit in self.visits]
        for row, procedure in enumerate(self.procedures):
            for place, visit in enumerate(valid(procedure, "at") or ()):
                if visit not in known:
                    yield Conflict.of(
                        f"no visit {visit}; there are {', '.join(known)}",
                        ("procedures", row, "at", place),
                    )


class Protocol(Entry):
    """Facts of the protocol: title page, synopsis and sections 8 and 9 of the report.

    Each item is optional. One that no source gives is listed in `not_known` and printed as "not
    known"; one that is left out is not printed.
    """

    number: Text | None = Field(default=None, description="identification of the protocol")
    phase: Text | None = None
    indication: Text | None = None
    design: Text | None = Field(default=None, description="methodology, as in a sentence")
    rationale: Text | None = None
    registered: Text | None = Field(default=None, description="date of the first registration")
    collaborator: Text | None = None
    funding: Text | None = None
    publication: Text | None = None
    coordinating_investigator: Text | None = None
    responsible_officer: Text | None = None
    author: Text | None = None
    gcp: Text | None = Field(default=None, description="statement of compliance with GCP")
    ethics_committee: Text | None = None
    centres: list[Centre] | None = None
    dates: Dates | None = Field(
        default=None, description="published dates; null: the dates of the data are printed"
    )
    planned_patients: Text | None = None

    product: Text | None = Field(default=None, description="name of the finished product")
    active_ingredient: Text | None = None
    dose_and_mode: Text | None = None
    batch: Text | None = None
    duration: Text | None = Field(default=None, description="duration of treatment")
    follow_up: Text | None = None
    reference_therapy: Text | None = None

    objectives: list[Objective] | None = None
    endpoints: list[Endpoint] | None = None
    diagnosis: Text | None = Field(default=None, description="main criteria for inclusion")
    inclusion: list[Criterion] | None = None
    exclusion: list[Criterion] | None = None
    removal: list[Text] | None = Field(
        default=None, description="removal of patients from therapy or assessment"
    )

    assignment: Text | None = None
    dose_selection: Text | None = None
    timing: Text | None = Field(default=None, description="timing of the dose for each patient")
    blinding: Text | None = None
    dose_modifications: list[DoseRule] | None = None
    premedication: list[Text] | None = None
    accompanying: list[Text] | None = Field(
        default=None, description="other drugs of the regimen and supportive drugs"
    )
    allowed: list[Text] | None = Field(default=None, description="prior and concomitant therapy")
    prohibited: list[Text] | None = Field(default=None, description="prior and concomitant therapy")
    compliance: Text | None = None

    schedule: Schedule | None = None
    appropriateness: Text | None = Field(
        default=None, description="why the measurements are appropriate"
    )
    concentrations: Text | None = Field(default=None, description="drug concentration measurements")

    not_known: list[str] = Field(
        default_factory=list, description="items that no source gives, printed as not known"
    )

    @check
    def _not_given(self) -> Iterator[Conflict]:
        for place, item in enumerate(self.not_known):
            if item not in type(self).model_fields or item == "not_known":
                yield Conflict.of(f"{item} is no item of the protocol", ("not_known", place))
            elif valid(self, item) is not None:
                yield Conflict.of(
                    f"{item} is given: remove it here, or the item itself",
                    ("not_known", place),
                    item,
                )

    @check
    def _criteria(self) -> Iterator[Conflict]:
        for name, start in (("inclusion", "INCL"), ("exclusion", "EXCL")):
            for place, one in enumerate(valid(self, name) or ()):
                if not (valid(one, "id") or start).startswith(start):
                    yield Conflict.of(f"{one.id} does not begin with {start}", (name, place, "id"))

    @check
    def _criteria_once(self) -> Iterator[Conflict]:
        for name in ("inclusion", "exclusion"):
            yield from _twice(name, valid(self, name) or ())

    @property
    def criteria(self) -> dict[str, str]:
        """The text of each criterion by its id, inclusion first."""
        return {one.id: one.text for one in (*(self.inclusion or ()), *(self.exclusion or ()))}


def placeholder(plan: "Plan") -> str:
    """The placeholder of what only the sponsor can add; a re-analysis by others lacks it for good."""
    return NOT_AVAILABLE if plan.study.report_status else TO_COMPLETE
