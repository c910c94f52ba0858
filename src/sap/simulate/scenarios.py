"""The scenarios of treated patients, so that every branch of the analysis occurs.

A `Scenario` combines a PSA course, a tumour course, the number of cycles and the reason for their end.
Response is random (the true response rate); the scenarios of responders and of non-responders are
assigned in turn, so that each occurs.
"""

from dataclasses import dataclass

PROGRESSION = "PROGRESSIVE DISEASE"
TOXICITY = "ADVERSE EVENT"
COMPLETED = "COMPLETED"
WITHDRAWAL = "WITHDRAWAL BY SUBJECT"
PHYSICIAN = "PHYSICIAN DECISION"
DEATH = "DEATH"


@dataclass(frozen=True)
class Course:
    """PSA as a share of baseline, visit by visit: before cycle 2, before cycle 3, ...

    A course with `levels` has fixed days: its cycles are not shifted, its baseline is within those
    levels on a multiple of `step`, and the visits in `exact` have exact values; at the others there
    is a little noise. `shifts` moves a sample by a number of days from its cycle.
    """

    ratios: tuple[float, ...]
    levels: tuple[float, float] | None = None
    exact: tuple[int, ...] = ()
    shifts: tuple[tuple[int, int], ...] = ()
    step: float = 5.0


LEVELS = (40.0, 500.0)  # where a step of 5 makes half and a quarter more exact, and 10 % is over 2


COURSES: dict[str, Course] = {
    # responders: two declines of 50 % or more, 28 days apart or more, the first by day 84
    "fast": Course((0.40, 0.30, 0.24, 0.20, 0.19, 0.22, 0.27, 0.33, 0.40)),
    "deep": Course((0.72, 0.44, 0.25, 0.12, 0.09, 0.08, 0.08, 0.09, 0.12)),
    "flare": Course((1.38, 0.90, 0.44, 0.36, 0.31, 0.30, 0.36, 0.44, 0.55)),
    "exact half": Course((0.80, 0.50, 0.50, 0.50, 0.55, 0.62, 0.70, 0.80, 0.90), LEVELS, (2, 3, 4)),
    "day 28": Course(
        (0.70, 0.50, 0.55, 0.45, 0.60, 0.75, 0.90, 1.10, 1.30), LEVELS, (2,), ((4, -14),)
    ),
    "below quantification": Course(
        (0.5, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.1, 0.25), (3.6, 4.8), (1,), step=0.2
    ),
    "after the last dose": Course((0.90, 0.80, 0.48, 0.60, 0.45, 0.45, 0.80), LEVELS),
    "exactly 1.25": Course(
        (0.60, 0.40, 0.40, 0.40, 0.45, 0.50, 0.52, 0.60, 0.75), LEVELS, (2, 3, 4, 6)
    ),
    # non-responders
    "rising": Course((1.15, 1.30, 1.48, 1.70, 1.95, 2.2, 2.5, 2.9, 3.3)),
    "flat": Course((1.04, 0.97, 1.02, 1.06, 1.10, 1.20, 1.34, 1.45, 1.60)),
    "never falls": Course((1.02, 1.05, 1.08, 1.12, 1.30, 1.38, 1.5), LEVELS),
    "small fall": Course((0.82, 0.70, 0.72, 0.80, 0.98, 1.12, 1.30, 1.5, 1.7)),
    "unconfirmed": Course((0.80, 0.45, 0.70, 0.90, 1.10, 1.30, 1.5), LEVELS),
    "day 20": Course((0.80, 0.50, 0.50, 0.80, 1.10, 1.30, 1.5), LEVELS, (2, 3), ((3, -1),)),
    "day 21": Course((0.70, 0.48, 0.46, 0.70, 0.90, 1.10, 1.3), LEVELS),
    "day 27": Course((0.80, 0.45, 0.45, 0.75, 1.00, 1.20, 1.4), LEVELS, (), ((3, 6),)),
    "late": Course((0.96, 0.92, 0.84, 0.75, 0.64, 0.44, 0.38, 0.34, 0.33)),
    "near half": Course((0.80, 0.501, 0.501, 0.505, 0.60, 0.90, 1.2), LEVELS, (2, 3, 4)),
    "difference 2": Course((0.90, 0.75, 0.80, 1.00, 1.05, 1.20, 1.4), (8.0, 8.0), (2, 4), step=1),
    "difference too small": Course((0.75, 0.67, 0.92, 1.00, 1.05, 1.12, 1.2), (2.2, 2.8), step=0.1),
    "early rise": Course((1.50, 1.32, 0.90, 0.80, 0.75, 0.80, 1.05, 1.15, 1.3)),
    "rise refuted": Course((0.75, 0.70, 0.70, 0.95, *(0.78,) * 5), LEVELS),
    "rise 20 days": Course((0.75, 0.70, 0.70, 0.95, 1.0, 0.80, 0.78), LEVELS, (), ((5, -1),)),
    "new therapy first": Course((0.90, 0.48, 0.62, 0.40, 0.35, 0.34), LEVELS),
    "after the window": Course((0.90, 0.80, 0.70, 0.47, 0.44, 0.60, 0.9), LEVELS),
}


@dataclass(frozen=True)
class Scenario:
    """The course of a treated patient; `marks` name its special features."""

    name: str
    psa: str
    tumour: str
    stop: str
    cycles: int
    marks: tuple[str, ...] = ()


RESPONDERS: tuple[Scenario, ...] = (
    Scenario(
        "deep and long",
        "deep",
        "partial",
        COMPLETED,
        10,
        ("two values without time", "ctc between visits"),
    ),
    Scenario("flare, then fall", "flare", "bone flare", PROGRESSION, 9, ("steady",)),
    Scenario("exactly half", "exact half", "targets gone", COMPLETED, 10, ("plasma below",)),
    Scenario("confirmed on day 28", "day 28", "partial unconfirmed", PROGRESSION, 8),
    Scenario("not measurable any more", "below quantification", "complete", COMPLETED, 10),
    Scenario(
        "confirmed after the last dose",
        "after the last dose",
        "targets gone, others stay",
        TOXICITY,
        5,
    ),
    Scenario(
        "falls fast",
        "fast",
        "bone progression",
        PROGRESSION,
        8,
        ("two values with time", "plasma late", "short delay"),
    ),
    Scenario("exactly 1.25 of the nadir", "exactly 1.25", "target later", PROGRESSION, 8),
)

NON_RESPONDERS: tuple[Scenario, ...] = (
    Scenario("rises at once", "rising", "target", PROGRESSION, 4, ("ctc between visits",)),
    Scenario(
        "confirmed on day 21 only", "day 21", "non-target only", PROGRESSION, 6, ("plasma untimed",)
    ),
    Scenario("toxic death", "flat", "none", DEATH, 2, ("toxic death", "one early value")),
    Scenario("never confirmed", "unconfirmed", "many lesions", PROGRESSION, 8),
    Scenario("responds late", "late", "bone lesions vanish", COMPLETED, 10, ("dose not recorded",)),
    Scenario(
        "no baseline", "small fall", "bone only", PROGRESSION, 5, ("no baseline", "first course")
    ),
    Scenario(
        "starts at 20", "rise refuted", "new lesion", PROGRESSION, 5, ("start at 20", "clinical")
    ),
    Scenario("confirmed on day 27 only", "day 27", "non-target", PROGRESSION, 6),
    Scenario(
        "no value after dosing",
        "flat",
        "no scan",
        WITHDRAWAL,
        1,
        ("no later value", "first course"),
    ),
    Scenario(
        "just above half",
        "near half",
        "bone late and unconfirmed",
        PROGRESSION,
        6,
        ("reduction", "after the infusion"),
    ),
    Scenario("difference exactly 2", "difference 2", "bone unconfirmed", PROGRESSION, 6),
    Scenario("new therapy first", "new therapy first", "not evaluated", PHYSICIAN, 4, ("switch",)),
    Scenario("early rise", "early rise", "bone later", PROGRESSION, 8, ("two values with time",)),
    Scenario(
        "stops for rate", "never falls", "stable", TOXICITY, 7, ("neuropathy", "plasma too early")
    ),
    Scenario("twenty days apart", "day 20", "bone only, unconfirmed", PROGRESSION, 6),
    Scenario("small difference", "difference too small", "large nodes", PROGRESSION, 5),
    Scenario("rise of twenty days", "rise 20 days", "bone only, not read", PROGRESSION, 5),
    Scenario(
        "falls after the window", "after the window", "not recorded", PHYSICIAN, 4, ("no switch",)
    ),
    Scenario("early death", "rising", "none", DEATH, 3, ("early death",)),
    Scenario("clinical decline", "rising", "missed", PROGRESSION, 3, ("clinical",)),
)
