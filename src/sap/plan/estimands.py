"""The estimands by ICH E9(R1): five attributes each, and the assumption that each sensitivity analysis varies."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from sap.plan.entry import Conflict, Entry, Part, check, valid
from sap.plan.protocol import Rank, Text

Strategy = Literal[
    "treatment policy", "hypothetical", "composite", "while on treatment", "principal stratum"
]
Event = Literal[
    "dose change",
    "treatment stopped",
    "new anticancer therapy",
    "death",
    "progression",
    "other treatment",
    "re-screening",
]


class Intercurrent(Part):
    """One intercurrent event of an estimand."""

    event: Event
    text: Text = Field(description="the event as the table names it")
    strategy: Strategy
    handling: Text = Field(description="what the analysis does")


class Varied(Part):
    """The assumption that one sensitivity analysis varies."""

    analysis: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="id of the analysis")
    level: str = Field(default="", description="level of the analysis; empty: all of it")
    varies: Text


class Defined(Part):
    """One estimand with its five attributes."""

    analysis: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="id of its main analysis")
    rank: Rank
    name: Text
    population: Text
    treatment: Text
    variable: Text
    intercurrent_events: list[Intercurrent] = Field(min_length=1)
    summary: Text = Field(description="population-level summary")
    missing_data: Text = Field(description="missing data are no intercurrent event")
    sensitivity: list[Varied] = Field(default_factory=list)

    def strategy(self, event: Event) -> Strategy | None:
        """The strategy for an event; None where the estimand does not name it."""
        return next((e.strategy for e in self.intercurrent_events if e.event == event), None)

    @check
    def _each_event_once(self) -> Iterator[Conflict]:
        first: dict[str, int] = {}
        for place, one in enumerate(self.intercurrent_events):
            event = valid(one, "event")
            if event is not None and first.setdefault(event, place) != place:
                yield Conflict.of(
                    f"the event {event} is given twice: remove one",
                    ("intercurrent_events", place, "event"),
                    ("intercurrent_events", first[event], "event"),
                )


class Estimands(Entry):
    """The estimands of the trial."""

    defined: list[Defined] = Field(min_length=1)

    def of(self, analysis: str) -> Defined | None:
        """The estimand of an analysis."""
        return next((one for one in self.defined if one.analysis == analysis), None)
