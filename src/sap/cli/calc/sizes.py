"""Questions of numbers: one proportion, its precision, patients to screen and to enrol."""

from fractions import Fraction
from typing import Annotated, Any, Literal

from sap.cli.calc.answer import (
    Answer,
    Line,
    Panel,
    Row,
    level_of,
    p_equals,
    plain,
    share,
    text_of,
    written,
)
from sap.cli.calc.question import CONF_LEVEL, ConfLevel, Responders, number, question, require_loss
from sap.errors import UsageError

METHODS = (
    "clopper_pearson", "blaker", "mid_p", "wilson", "wilson_continuity", "agresti_coull", "jeffreys",
    "wald",
)  # fmt: skip
LARGEST_N = 1_000_000
INTERVAL_NAMES = {
    "clopper_pearson": "Clopper-Pearson", "mid_p": "mid-p", "wilson": "Wilson", "jeffreys": "Jeffreys",
    "blaker": "Blaker",
}  # fmt: skip
INTERVALS = (
    "Clopper and Pearson 1934, Biometrika 26:404; Brown, Cai and DasGupta 2001, Stat Sci 16:101; "
    "Blaker 2000, Can J Stat 28:783; Newcombe 1998, Stat Med 17:857"
)


@question("proportion")
def proportion(
    responders: Responders,
    n: Annotated[int, number("n", "Patients.")],
    conf_level: ConfLevel = CONF_LEVEL,
    p0: Annotated[float | None, number("p0", "Also test this rate, exactly.")] = None,
    alternative: Annotated[
        Literal["greater", "less", "two-sided"] | None,
        number("alternative", "Direction of the test; needed with p0."),
    ] = None,
) -> Answer:
    """Every confidence interval of a proportion, and the exact test."""
    from sap.methods import proportion as methods

    if n > LARGEST_N:
        raise UsageError(f"--n is at most {LARGEST_N:,}: this question is of a trial.")
    if (p0 is None) != (alternative is None):
        raise UsageError("--p0 and --alternative go together: give both, or neither.")
    intervals: Row = {
        name: plain(getattr(methods, name)(responders, n, conf_level)) for name in METHODS
    }
    estimate = responders / n
    values: Row = {"estimate": estimate, **intervals}
    exact = intervals["clopper_pearson"]
    tail, tested = [], ""
    rule = "an exact interval holds the rates that the exact test of the same level does not reject"
    critical = "none: no rate was tested"
    if p0 is not None and alternative is not None:
        p_value = methods.exact_test(responders, n, p0, alternative)
        values["p_value"] = p_value
        tested_against = (
            "two-sided" if alternative == "two-sided" else f"{alternative} than {written(p0)}"
        )
        tail = [f"p_value  {text_of(p_value)}  ({tested_against})"]
        level = float((1 - Fraction(repr(conf_level))) / (1 if alternative == "two-sided" else 2))
        rule = f"reject p = {written(p0)} when the exact p-value ({alternative}) is at most {level:.6g}"
        critical = _critical(n, p0, alternative, level)
        null = {"greater": "one-sided test of H0: p <=", "less": "one-sided test of H0: p >=",
                "two-sided": "two-sided test of H0: p ="}[alternative]  # fmt: skip
        tested = f"; the exact {null} {written(p0)} gives {p_equals(p_value)}"

    def panels() -> list[Panel]:
        places = list(range(len(METHODS)))
        limits = [intervals[name] for name in METHODS]
        return [
            Panel(
                "",
                "Rate",
                [
                    Line("estimate", places, [estimate] * len(places), "points"),
                    Line(
                        f"{level_of(conf_level)} interval",
                        places,
                        [each["low"] for each in limits],
                        "range",
                        [each["high"] for each in limits],
                    ),
                ],
                METHODS,
                share=True,
            )
        ]

    return Answer(
        values=values,
        table=[{"interval": name, **intervals[name]} for name in METHODS],
        columns=("interval", "low", "high"),
        head=[f"{responders} of {n}: {text_of(estimate)}"],
        tail=tail,
        rule=rule,
        critical_value=critical,
        method="Clopper-Pearson in the sentence; exact binomial test",
        references=INTERVALS,
        sentence=(
            f"{responders} of {n} patients responded ({share(estimate)}; {level_of(conf_level)} "
            f"confidence interval {share(exact['low'])} to {share(exact['high'])}, "
            f"Clopper-Pearson){tested}."
        ),
        panels=panels,
    )


def _critical(n: int, p0: float, alternative: Any, level: float) -> str:
    """The counts of n that the exact test rejects."""
    from sap.methods.proportion import exact_test

    counts = list(range(n + 1))
    rejected = [
        x for x, p in zip(counts, exact_test(counts, n, p0, alternative), strict=True) if p <= level
    ]
    low = [x for x in rejected if x < n * p0]
    high = [x for x in rejected if x >= n * p0]
    words = [f"{max(low)} or fewer" if low else "", f"{min(high)} or more" if high else ""]
    return f"{' or '.join(word for word in words if word) or 'no count'} of {n}"


@question("precision")
def precision(
    p: Annotated[float, number("p", "Rate expected.")],
    width: Annotated[float, number("width", "Largest width of the interval, both sides together.")],
    conf_level: ConfLevel = CONF_LEVEL,
    interval: Annotated[
        Literal["clopper_pearson", "mid_p", "wilson", "jeffreys", "blaker"],
        number("interval", "Interval that will be reported."),
    ] = "clopper_pearson",
    measure: Annotated[
        Literal["observed", "expected", "widest"],
        number("measure", "Width at the count nearest to n p, on average at p, or of any count."),
    ] = "observed",
) -> Answer:
    """The number of patients for an interval of a given width."""
    from sap.methods import proportion as methods
    from sap.methods.sample_size import precision_size, width_at

    chosen = getattr(methods, interval)
    size = precision_size(p, width, conf_level, chosen, measure)

    def panels() -> list[Panel]:
        first, last = max(size.n // 2, 1), size.n + size.n // 2
        counts = list(range(first, last + 1))
        widths = []
        for n in counts:
            widths.append(width_at(n, p, conf_level, chosen, measure))
        return [
            Panel(
                "Patients",
                f"Width {at}",
                [
                    Line("width", counts, widths),
                    Line("largest", counts, [width] * len(counts)),
                ],
            )
        ]

    at = {
        "observed": "at the count nearest to n p",
        "expected": f"on average at p = {written(p)}",
        "widest": "for whatever count",
    }[measure]
    values = plain(size)
    return Answer(
        values=values,
        table=[values],
        rule=f"the least n from which on the interval is at most {written(width)} wide {at}",
        critical_value=f"width {text_of(size.width)} with {size.n} patients",
        method=f"{INTERVAL_NAMES[interval]} interval at every n, enumerated",
        references=(
            "Machin et al. 2018, Sample Sizes for Clinical, Laboratory and Epidemiology Studies, "
            f"chapter 9; {INTERVALS}"
        ),
        sentence=(
            f"With {size.n} patients the {level_of(conf_level)} confidence interval "
            f"({INTERVAL_NAMES[interval]}) is at most {written(width)} wide {at}: with "
            f"{size.responders} responders it goes from {share(size.low)} to {share(size.high)}."
        ),
        panels=panels,
    )


NEGATIVE_BINOMIAL = "Johnson, Kemp and Kotz 2005, Univariate Discrete Distributions, chapter 5"
ASSURANCES = [0.5, 0.8, 0.9, 0.95]
Assurances = Annotated[
    list[float] | None,
    number(
        "assurance", "Probability of enough; repeat for more. 0.5, 0.8, 0.9 and 0.95 by default."
    ),
]


class _Words:
    """The words in which screening and enrolling differ."""

    def __init__(self, verb: str, past: str, counted: str) -> None:
        self.verb, self.past, self.counted = verb, past, counted


def _needed(n: int, rate: float, assurance: list[float] | None, words: _Words, why: str) -> Answer:
    from sap.methods.sample_size import enough, needed_for

    levels = assurance or ASSURANCES
    table = []
    for level in levels:
        needed = needed_for(n, rate, level)
        table.append(
            {"assurance": level, "patients": needed.assured, "probability": needed.probability}
        )
    on_average = needed_for(n, rate, levels[0])
    values = {
        "n": n,
        "rate": rate,
        "on_average": on_average.on_average,
        "probability_on_average": on_average.probability_on_average,
        "assured": table,
    }

    head = (
        f"on average: {on_average.on_average} patients, enough with probability "
        f"{text_of(on_average.probability_on_average)}"
    )

    def panels() -> list[Panel]:
        last = max(needed_for(n, rate, level).assured for level in levels)
        counts = list(range(n, last + max(n // 4, 2)))
        chance = Line("", counts, [enough(each, n, rate) for each in counts])
        return [
            Panel(f"Patients {words.past}", f"P({n} or more {words.counted})", [chance], share=True)
        ]

    return Answer(
        values=values,
        table=table,
        columns=("assurance", "patients", "probability"),
        head=[head],
        rule=(
            f"on average the least N with N x {text_of(rate)} >= {n}; assured the least N with P({n} or "
            f"more of N {words.counted}) at least the probability required"
        ),
        critical_value=f"{n} {words.counted} of N",
        method=f"{why}; quantiles of the negative binomial",
        references=NEGATIVE_BINOMIAL,
        sentence=(
            f"For {n} {words.counted} patients {values['on_average']} have to be {words.past} on average"
            f" ({share(rate)} are expected to be {words.counted}); "
            + ", ".join(
                f"{row['patients']} are enough with probability {share(row['probability'])}"
                for row in table
            )
            + "."
        ),
        panels=panels,
        derived={} if assurance else {"assurance": ASSURANCES},
    )


@question("screen")
def screen(
    n: Annotated[int, number("n", "Positive patients needed.")],
    prevalence: Annotated[float, number("prevalence", "Share of positive patients.")],
    assay_failure: Annotated[
        float, number("assay_failure", "Share of patients whose test fails.")
    ] = 0.0,
    assurance: Assurances = None,
) -> Answer:
    """The number of patients to screen for n positive ones."""
    from sap.methods.sample_size import remaining_share

    require_loss("assay_failure", assay_failure)
    works = remaining_share([assay_failure])
    if not 0 < prevalence <= 1:
        raise UsageError("--prevalence must lie above 0 and at most at 1.")
    rate = float(Fraction(repr(prevalence)) * Fraction(repr(works)))
    words = _Words("screen", "screened", "positive")
    return _needed(n, rate, assurance, words, "prevalence times the share of tests that work")


@question("enrol")
def enrol(
    n: Annotated[int, number("n", "Evaluable patients needed by the design.")],
    dropout: Annotated[float, number("dropout", "Share of patients who drop out.")] = 0.0,
    not_evaluable: Annotated[
        float, number("not_evaluable", "Share of the others who cannot be evaluated.")
    ] = 0.0,
    assurance: Assurances = None,
) -> Answer:
    """The number of patients to enrol when some drop out or cannot be evaluated."""
    from sap.methods.sample_size import remaining_share

    if not dropout and not not_evaluable:
        raise UsageError("--dropout or --not-evaluable: give the share of patients that is lost.")
    require_loss("dropout", dropout)
    require_loss("not_evaluable", not_evaluable)
    rate = remaining_share([dropout, not_evaluable])
    words = _Words("enrol", "enrolled", "evaluable")
    return _needed(n, rate, assurance, words, "product of the shares that remain")
