"""The assumed truth and conduct of simulated trials: response, stops, visits, assay, toxicity, accrual.

A scenario of `sap oc` is made of these blocks. What a block leaves out is ideal: every patient is positive
and starts treatment, no value is missing, treatment is completed, no result is false, and no toxicity occurs.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from sap.plan.entry import Conflict, Part, check

Rate = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=0, le=3650)]
Range = Annotated[tuple[Days, Days], Field(strict=False)]
IDEAL = "left out of the scenario: ideal"


class Block(Part):
    """A block of a scenario: where its numbers are from, and whether they are an assumption."""

    source: str = Field(min_length=3, description="a publication (@key), data, or who declares it")
    assumption: bool = Field(default=False, description="no source gives these numbers")


def _in_order(part: Block, *keys: str) -> Iterator[Conflict]:
    for key in keys:
        low, high = getattr(part, key)
        if low > high:
            yield Conflict.of(f"{key}: the first number must not be above the second", key)


class Accrual(Block):
    """How fast patients are screened, and how long it takes until the first dose."""

    screened_per_month: float = Field(
        gt=0, le=10_000, description="patients who consent to screening, a month of 30.4375 days"
    )
    days_to_result: Days = Field(default=0, description="days from consent to the allocation")
    days_to_first_dose: Range = Field(
        default=(0, 0),
        description="days from the allocation to the first dose: the fewest, the most",
    )
    pause_after_stage_1: bool | None = Field(
        default=None, description="whether screening waits for the decision; default: the plan's"
    )
    look_every_days: int | None = Field(
        default=None, ge=1, le=365, description="days between looks at stage 1; default: one cycle"
    )

    @check
    def _ranges(self) -> Iterator[Conflict]:
        yield from _in_order(self, "days_to_first_dose")


class Screening(Block):
    """Who of the screened patients could be treated."""

    positive: Rate = Field(default=1.0, description="share truly positive for the biomarker")
    enough_cells: Rate = Field(default=1.0, description="share with the cell count required")
    starts_treatment: Rate = Field(
        default=1.0, description="share of the patients allocated to treatment who start it"
    )


class Assay(Block):
    """The assay of the biomarker."""

    failure: Rate = Field(default=0.0, description="share of samples without a result")
    sensitivity: Rate = Field(
        default=1.0, description="share of truly positive samples with a positive result"
    )
    specificity: Rate = Field(
        default=1.0, description="share of truly negative samples with a negative result"
    )


class Response(Block):
    """The true probability of a response that perfect visits would confirm, by true biomarker status."""

    positive: Rate = Field(description="of patients who are positive in truth")
    negative: Rate | None = Field(
        default=None, description="of patients who are negative in truth; default: 0"
    )


class Course(Block):
    """The course of PSA."""

    days_to_decline: float = Field(
        default=1.0, gt=0, description="median days until the decline of a responder is reached"
    )
    spread: float = Field(default=0.0, ge=0, le=3, description="SD of the logarithm of these days")
    lowest: Annotated[tuple[Rate, Rate], Field(strict=False)] = Field(
        default=(0.4, 0.8),
        description="lowest PSA of responders as a share of the value that is just a response",
    )
    brief_decline: Rate = Field(
        default=0.0, description="share of non-responders with one declined value, not confirmed"
    )
    rise_before_progression_days: Days = Field(
        default=0, description="PSA rises above the response this long before progression"
    )
    variation: float = Field(
        default=0.0, ge=0, le=1, description="coefficient of variation of a PSA value"
    )

    @check
    def _ranges(self) -> Iterator[Conflict]:
        low, high = self.lowest
        if not 0 < low <= high:
            yield Conflict.of("lowest must be two shares above 0, the lower one first", "lowest")


Months = Annotated[float, Field(gt=0, le=1200)]


class Stops(Block):
    """Why study treatment and follow-up end."""

    progression_months_responder: Months | None = Field(
        default=None,
        description="median months to progression of true responders; default: no progression",
    )
    progression_months_other: Months | None = Field(
        default=None,
        description="median months to progression of all others; default: no progression",
    )
    death_per_month: Rate = Field(default=0.0, description="hazard of death on treatment, a month")
    withdrawal_per_month: Rate = Field(
        default=0.0, description="hazard of withdrawal of consent, a month"
    )
    lost_before_confirmation: Rate = Field(
        default=0.0,
        description="share of patients lost to follow-up on the day after the first declined value "
        "(without one: the first value on treatment)",
    )
    new_therapy: Rate = Field(
        default=0.0, description="share with a new therapy after progression, on the next day"
    )


class Visits(Block):
    """How visits and PSA values deviate from the schedule."""

    missed: Rate = Field(default=0.0, description="share of visits without a PSA value")
    late: Rate = Field(default=0.0, description="share of visits that are late")
    late_days: Range = Field(default=(0, 0), description="how late: the fewest, the most days")
    no_baseline: Rate = Field(default=0.0, description="share of patients without a baseline value")

    @check
    def _ranges(self) -> Iterator[Conflict]:
        yield from _in_order(self, "late_days")


class Toxicity(Block):
    """The toxicity that the plan monitors."""

    rate: Rate = Field(default=0.0, description="share of treated patients who have it")
    onset_days: Range = Field(
        default=(0, 0), description="days after the first dose: the fewest, the most"
    )
    stops_treatment: Rate = Field(
        default=0.0, description="share of patients with the toxicity whose treatment it ends"
    )

    @check
    def _ranges(self) -> Iterator[Conflict]:
        yield from _in_order(self, "onset_days")


class Conditions(Part):
    """The truth and the conduct of a trial under one scenario."""

    accrual: Accrual
    response: Response
    screening: Screening = Screening(source=IDEAL, assumption=True)
    assay: Assay = Assay(source=IDEAL, assumption=True)
    course: Course = Course(source=IDEAL, assumption=True)
    stops: Stops = Stops(source=IDEAL, assumption=True)
    visits: Visits = Visits(source=IDEAL, assumption=True)
    toxicity: Toxicity = Toxicity(source=IDEAL, assumption=True)

    @property
    def response_of_negative(self) -> float:
        """The true response rate of patients who are negative in truth."""
        return 0.0 if self.response.negative is None else self.response.negative

    @property
    def share_positive(self) -> float:
        """The share of screened patients with a positive result of the assay."""
        truly = self.screening.positive
        called = truly * self.assay.sensitivity + (1 - truly) * (1 - self.assay.specificity)
        return (1 - self.assay.failure) * called

    @property
    def share_treated(self) -> float:
        """The share of screened patients who would be treated while there are places."""
        return self.share_positive * self.screening.enough_cells * self.screening.starts_treatment

    @property
    def rate_of_treated(self) -> float:
        """The true response rate of patients whom the assay calls positive."""
        truly, assay = self.screening.positive, self.assay
        right, wrong = truly * assay.sensitivity, (1 - truly) * (1 - assay.specificity)
        if right + wrong == 0:
            return 0.0
        called = right * self.response.positive + wrong * self.response_of_negative
        return called / (right + wrong)
