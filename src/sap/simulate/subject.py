"""One subject of the simulated trial: random streams, days and SDTM records.

Days are proleptic ordinals (`datetime.date.toordinal`). Each subject has one random stream per theme,
determined by the seed, the subject number and the theme: draws for one subject or theme never change
those of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

import numpy as np

from sap.simulate.assumptions import Assumptions
from sap.simulate.scenarios import Scenario

# The place in this list is part of the seed: append, never reorder.
THEMES = (
    "screening",
    "history",
    "choice",
    "dosing",
    "psa",
    "ctc",
    "survival",
    "labs",
    "events",
    "tumours",
    "kinetics",
    "samples",
    "vitals",
    "deviations",
    "rescreening",
    "supportive",
    "course",
    "words",
    "concomitant",
    "vital signs",
)
DAYS_PER_MONTH = 30.4375

T = TypeVar("T")

Value = str | int | float | None
Row = dict[str, Value]


def stream(seed: int, number: int, theme: str, part: int = 0) -> np.random.Generator:
    """The stream of one patient (number 0 is the trial itself) for one theme, episode `part`."""
    key = (number, THEMES.index(theme), part)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability; always one draw."""
    return bool(rng.random() < probability)


def pick(rng: np.random.Generator, weighted: Sequence[tuple[T, float]]) -> T:
    """One of the options in proportion to its weight; always one draw."""
    mark = rng.random() * sum(weight for _, weight in weighted)
    for option, weight in weighted:
        mark -= weight
        if mark < 0:
            return option
    return weighted[-1][0]


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included; always one draw."""
    return low + int(rng.random() * (high - low + 1))


def waiting_days(rng: np.random.Generator, median_months: float) -> int:
    """An exponential waiting time with the given median, in days."""
    rate = np.log(2) / (median_months * DAYS_PER_MONTH)
    return int(-np.log1p(-rng.random()) / rate)


def iso(day: int, minute: int | None = None) -> str:
    """ISO 8601 text of a day, with the time of day when its minute is given.

    >>> iso(736024), iso(736024, 8 * 60 + 30)
    ('2016-03-01', '2016-03-01T08:30')
    """
    text = date.fromordinal(day).isoformat()
    return text if minute is None else f"{text}T{minute // 60:02d}:{minute % 60:02d}"


@dataclass
class Incident:
    """An adverse event that changed the dose."""

    day: int
    decod: str
    grade: int
    action: str


@dataclass
class Episode:
    """One course of study cabazitaxel, from its consent to its end."""

    part: int  # 0 after the first screening, 1 after re-screening
    sample: int
    consent: int
    scenario: Scenario
    infusions: list[int] = field(default_factory=list)
    doses: list[float] = field(default_factory=list)
    surfaces: list[float] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    reason: str = ""
    stop: int = 0
    progression: int = 0
    new_therapy: int | None = None
    baseline: float | None = None  # PSA, where the course has exact values

    @property
    def first(self) -> int:
        return self.infusions[0]

    @property
    def last(self) -> int:
        return self.infusions[-1]


@dataclass
class Subject:
    """The state of one simulated subject, and its records."""

    seed: int
    number: int
    given: Assumptions
    consent: int = 0
    site: str = ""
    age: int = 0
    sample: int | None = None
    count: float | None = None
    arv7: str = "NOT DONE"
    group: str | None = None
    allocated: int | None = None
    fate: str = ""  # of a patient allocated to B: TREATED, DECLINED, NOT ELIGIBLE, OTHER
    therapy: str = ""  # group A: the physician's choice
    therapy_start: int = 0
    progression: int | None = None
    second_sample: int | None = None
    second_count: float | None = None
    second_arv7: str = ""
    episodes: list[Episode] = field(default_factory=list)
    death: int | None = None
    exit: int | None = None
    exit_reason: str = ""
    psa: float = 0.0
    weight: float = 0.0
    height: float = 0.0
    rows: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def usubjid(self) -> str:
        return f"{self.given.study}-{self.number:03d}"

    def stream(self, theme: str, part: int = 0) -> np.random.Generator:
        return stream(self.seed, self.number, theme, part)

    def write(self, domain: str, **values: Value) -> None:
        """One more row; identifiers and sequence numbers are added at the end."""
        self.rows.setdefault(domain, []).append(values)

    @property
    def body_surface(self) -> float:
        """Mosteller: the root of height (cm) times weight (kg) over 3600."""
        return float(np.sqrt(self.height * self.weight / 3600))
