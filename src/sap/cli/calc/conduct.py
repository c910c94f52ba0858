"""Questions during and after the trial: looks, pending and missing outcomes, other sizes, inference, toxicity."""

from decimal import Decimal
from typing import Annotated, Any, Literal

import typer

from sap.cli.calc.answer import (
    Answer,
    Line,
    Panel,
    Row,
    level_of,
    listed,
    p_equals,
    plain,
    share,
    tenths,
    text_of,
    written,
)
from sap.cli.calc.designs import rule_of
from sap.cli.calc.question import (
    ALPHA,
    CONF_LEVEL,
    EVERY,
    N1,
    P0,
    P1,
    R1,
    Alpha,
    ConfLevel,
    Every,
    Looks,
    Prior,
    R,
    Rates,
    Responders,
    number,
    planned_looks,
    question,
)
from sap.errors import UsageError

LEE_LIU = "Lee and Liu 2008, Clin Trials 5:93"


@question("two-stage")
def two_stage(  # noqa: PLR0913 - one parameter per option
    r1: R1,
    n1: N1,
    r: R,
    n: Annotated[int, number("n", "Planned sample size.")],
    responders: Responders,
    p0: P0,
    conf_level: ConfLevel = CONF_LEVEL,
    responders_stage1: Annotated[
        int | None, number("responders_stage1", "Responders of the first stage, when n changed.")
    ] = None,
    n_attained: Annotated[
        int | None, number("n_attained", "Attained sample size, when not as planned.")
    ] = None,
) -> Answer:
    """Estimates, interval, p-value and decision after a two-stage trial."""
    from sap.methods.two_stage import TwoStageDesign, two_stage_inference

    design = TwoStageDesign(r1, n1, r, n)
    inference = two_stage_inference(
        design, responders, p0, conf_level, responders_stage1, n_attained
    )
    values = plain(inference)
    total = n1 if inference.stopped_at == 1 else n_attained or n
    rule, critical = rule_of(r1, n1, r, n), f"r = {r}: {r + 1} or more of {n} reject H0"
    alone = ""
    if inference.stopped_at == 2 and total != n:
        if responders_stage1 is None:
            rule = (
                f"reject H0 when the p-value at {total} patients is at most the alpha of the design"
            )
            spent = design.probability_of_rejection(float(p0))
            critical = f"alpha of the design at p0 = {written(p0)}: {text_of(float(spent))}"
        else:
            rule = (
                "reject H0 when the p-value of stage 2 is at most what the planned stage 2 had left "
                "to spend after the responders of stage 1"
            )
            from sap.methods.two_stage import SingleStageDesign

            left, second = r - responders_stage1, n - n1
            if left < 0:
                alone = (
                    f" Stage 1 alone exceeds r = {r}, so that the p-value and the interval rest on that, and not on "
                    "the responders of stage 2."
                )
                critical = f"1: {responders_stage1} responders of stage 1 already exceed r = {r}"
            else:
                spent = (
                    SingleStageDesign(left, second).probability_of_rejection(float(p0))
                    if left < second
                    else 0.0
                )
                critical = (
                    f"P(more than {left} of {second} respond) at p0 = {written(p0)}: "
                    f"{text_of(float(spent))}"
                )

    def panels() -> list[Panel]:
        names = ("mle", "umvue", "median_unbiased", "bias_adjusted", "conditional_mle")
        places = list(range(len(names)))
        size = len(names)
        return [
            Panel(
                "",
                "Response rate",
                [
                    Line("estimate", places, [values[name] for name in names], "points"),
                    Line(
                        f"{level_of(conf_level)} confidence interval",
                        places,
                        [values["conf_low"]] * size,
                        "range",
                        [values["conf_high"]] * size,
                    ),
                ],
                names,
                share=True,
            )
        ]

    decided = "is rejected" if inference.decision == "reject H0" else "is not rejected"
    return Answer(
        values=values,
        table=[values],
        rule=rule,
        critical_value=critical,
        method=(
            "exact, outcomes in the order of their responders; both tails summed; UMVUE, median "
            "unbiased, bias-adjusted and conditional estimates"
        ),
        references=(
            "Jung and Kim 2004, Stat Med 23:881; Koyama and Chen 2008, Stat Med 27:3145; Whitehead "
            "1986, Biometrika 73:573; Pepe et al. 2009, Stat Med 28:762"
        ),
        sentence=(
            f"In the two-stage design {r1}/{n1}, {r}/{n} the trial ended at stage "
            f"{inference.stopped_at} with {responders} responders among {total} patients: the "
            f"response rate is {share(values['mle'])} (unbiased estimate {share(values['umvue'])}; "
            f"{level_of(conf_level)} confidence interval {share(values['conf_low'])} to "
            f"{share(values['conf_high'])}, exact and adjusted for the design), one-sided "
            f"{p_equals(inference.p_value)}, and H0: p <= {written(p0)} {decided}.{alone}"
        ),
        panels=panels,
    )


At = Annotated[int, number("n_seen", "Patients whose outcome is known.")]
DesignN = Annotated[int, number("n", "Planned sample size.")]
MaybeR1 = Annotated[int | None, number("r1", "Stop after n1 with this many or fewer.")]
MaybeN1 = Annotated[int | None, number("n1", "Patients of the first stage.")]


def _design(r1: int | None, n1: int | None, r: int, n: int) -> Any:
    from sap.methods.two_stage import SingleStageDesign, TwoStageDesign

    if (r1 is None) != (n1 is None):
        raise UsageError("--r1 and --n1 go together: give both, or neither for a single stage.")
    if r1 is None or n1 is None:
        return SingleStageDesign(r, n)
    return TwoStageDesign(r1, n1, r, n)


def _high(stop_high: float) -> str:
    if stop_high == 1:
        return "never for efficacy"
    return f"for efficacy when it is above {written(stop_high)}"


def _or_more(r: int, n: int) -> str:
    """The counts of `n` above `r`."""
    return f"{r + 1} or more of {n}" if r < n else f"no count of {n}"


def _step(look: list[int] | None, every: int | None) -> Row:
    """The default distance of the looks, where it is used."""
    return {} if look or every is not None else {"every": EVERY}


def _reviewed(looks: list[int]) -> str:
    """When the trial is reviewed, the last look being its end."""
    if len(looks) == 1:
        return f"The trial is not reviewed before its end with {looks[0]} patients."
    return f"The trial is reviewed after {listed(list(map(str, looks[:-1])))} patients."


def _bounds_table(bounds: Any) -> list[Row]:
    """At each look the counts that stop, null where no count does."""
    return [
        {
            "n": look,
            "stop_at_or_below": None if low < 0 else low,
            "stop_at_or_above": None if high > look else high,
        }
        for look, low, high in zip(bounds.looks, bounds.futility, bounds.efficacy, strict=True)
    ]


def _bounds_panels(bounds: Any, rates: list[float]) -> list[Panel]:
    curve = bounds.characteristics(rates)
    rows = _bounds_table(bounds)
    looks = [row["n"] for row in rows]
    return [
        Panel(
            "Patients",
            "Responders",
            [
                Line("stop for futility at or below", looks,
                     [row["stop_at_or_below"] for row in rows], "points"),
                Line("stop for efficacy at or above", looks,
                     [row["stop_at_or_above"] for row in rows], "points"),
            ],
        ),
        Panel(
            "True response rate",
            "Probability",
            [
                Line("rejection", rates, curve.probability_of_rejection.tolist()),
                Line("early termination", rates, curve.probability_of_early_termination.tolist()),
            ],
            share=True,
        ),
    ]  # fmt: skip


def _bounds_answer(
    bounds: Any, rates: list[float], rule: str, method: str, references: str, derived: Row, why: str
) -> Answer:
    table = _bounds_table(bounds)
    truth = [{"p": p, **plain(bounds.characteristics(p))} for p in rates]
    stops = [
        f"{row['stop_at_or_below']} of {row['n']}"
        for row in table[:-1]
        if row["stop_at_or_below"] is not None
    ]
    high = [
        f"{row['stop_at_or_above']} of {row['n']}"
        for row in table[:-1]
        if row["stop_at_or_above"] is not None
    ]
    sentence = f"{why} The trial stops for futility with at most {listed(stops, 'or')} responders"
    if not stops:
        sentence = f"{why} No look can stop the trial for futility"
    if high:
        sentence += f", and for efficacy with at least {listed(high, 'or')}"
    sentence += f"; at the end H0 is rejected with {_or_more(bounds.r, bounds.n_max)}. " + " ".join(
        f"At a true rate of {written(row['p'])} it rejects with probability "
        f"{share(row['probability_of_rejection'])}, stops early with "
        f"{share(row['probability_of_early_termination'])} and treats "
        f"{tenths(row['expected_n'])} patients on average."
        for row in truth
    )
    return Answer(
        values={"looks": table, "r": bounds.r, "characteristics": truth},
        table=table,
        columns=("n", "stop_at_or_below", "stop_at_or_above"),
        tail=[
            f"at p = {written(row['p'])}: P(reject) {text_of(row['probability_of_rejection'])}, "
            f"P(stop early) {text_of(row['probability_of_early_termination'])}, expected n "
            f"{text_of(row['expected_n'])}"
            for row in truth
        ],
        rule=rule,
        critical_value=(
            f"r = {bounds.r}: {_or_more(bounds.r, bounds.n_max)} "
            f"{'reject' if bounds.r < bounds.n_max else 'rejects'} H0"
        ),
        method=method,
        references=references,
        sentence=sentence,
        panels=lambda: _bounds_panels(bounds, [step / 100 for step in range(101)]),
        derived=derived,
        missing="none",
    )


@question("conditional")
def conditional(
    r: R,
    n: DesignN,
    responders: Responders,
    n_seen: At,
    p1: Annotated[
        list[float], number("p1", "Rate at which patients to come respond; repeat for more.")
    ],
    r1: MaybeR1 = None,
    n1: MaybeN1 = None,
) -> Answer:
    """Conditional power: the probability that the trial will reject, given what is known at a look."""
    from sap.methods import interim_stages
    from sap.methods.two_stage import SingleStageDesign, conditional_power

    design = _design(r1, n1, r, n)
    if n_seen > n:
        raise UsageError(f"--n_seen cannot exceed the {n} patients planned.")

    def power(x: int, rate: float) -> float:
        if isinstance(design, SingleStageDesign):
            stages = interim_stages.Stage(0, 0, 0), interim_stages.Stage(x, n_seen, n)
            return interim_stages.conditional_power(*stages, -1, r, rate)
        return float(conditional_power(design, x, n_seen, rate))

    table = [{"p1": rate, "conditional_power": power(responders, rate)} for rate in p1]
    first = 0 if r1 is None or n1 is None or n_seen <= n1 else r1 + 1

    def panels() -> list[Panel]:
        counts = list(range(first, min(n_seen, r + 2) + 1))
        return [
            Panel(
                f"Responders among {n_seen} patients",
                "Conditional power",
                [
                    Line(f"p1 {written(rate)}", counts, [power(x, rate) for x in counts])
                    for rate in p1
                ],
                share=True,
            )
        ]

    rule = (
        f"treat {n} patients and reject H0 with {r + 1} or more responders"
        if r1 is None or n1 is None
        else rule_of(r1, n1, r, n)
    )
    more, to_come = r + 1 - responders, n - n_seen
    if n_seen == n1 and r1 is not None and responders <= r1:
        critical = f"r1 = {r1}: the trial stops with {responders} of {n1}"
    elif more <= 0:
        critical = f"r = {r}: {responders} responders are enough"
    elif more > to_come:
        critical = f"r = {r}: {more} more would be needed of {to_come} patients"
    else:
        critical = f"r = {r}: {more} more of {to_come} patients reject H0"
    return Answer(
        values={"responders": responders, "n_seen": n_seen, "conditional_power": table},
        table=table,
        columns=("p1", "conditional_power"),
        rule=rule,
        critical_value=critical,
        method="conditional power, exact binomial of the patients to come",
        references="Lan, Simon and Halperin 1982, Commun Stat C 1:207; Simon 1989, Control Clin Trials 10:1",
        sentence=f"With {responders} responders among the first {n_seen} of {n} patients the "
        "conditional power is "
        + listed(
            [
                f"{share(row['conditional_power'])} at a rate of {written(row['p1'])}"
                for row in table
            ]
        )
        + ".",
        panels=panels,
    )


@question("conditional-bounds")
def conditional_bounds(  # noqa: PLR0913 - one parameter per option
    r: R,
    n: DesignN,
    p1: P1,
    r1: MaybeR1 = None,
    n1: MaybeN1 = None,
    look: Looks = None,
    every: Every = None,
    stop_low: Annotated[
        float, number("stop_low", "Stop for futility when conditional power is below.")
    ] = 0.1,
    stop_high: Annotated[
        float, number("stop_high", "Stop for efficacy when it is above; 1 never stops.")
    ] = 1.0,
    p: Rates = None,
) -> Answer:
    """Boundaries by conditional power over many looks, and what they do to the design."""
    from sap.methods import two_stage

    design = _design(r1, n1, r, n)
    looks = planned_looks(look, every, *([] if n1 is None else [n1]), n)
    bounds = two_stage.conditional_bounds(design, looks, p1, stop_low, stop_high)
    rates = p or [p1]
    return _bounds_answer(
        bounds,
        rates,
        f"stop for futility when conditional power at p1 = {written(p1)} is below {written(stop_low)}, "
        + _high(stop_high)
        + ("" if n1 is None else f"; at {n1} patients with {r1} or fewer in any case"),
        "stochastic curtailment, exact binomial; characteristics by recursion over the looks",
        "Lan, Simon and Halperin 1982, Commun Stat C 1:207; Simon 1989, Control Clin Trials 10:1",
        {**_step(look, every), **({} if p else {"p": rates})},
        _reviewed(looks),
    )


Threshold = Annotated[
    float, number("threshold", "Posterior probability required for success at the end.")
]


def _prior(prior: tuple[float, float] | None, p0: float) -> tuple[tuple[float, float], Row]:
    if prior is not None:
        return prior, {}
    own = (p0, float(1 - Decimal(repr(p0))))
    return own, {"prior": own}


@question("predictive")
def predictive(
    responders: Responders,
    n: Annotated[int, number("n", "Patients so far.")],
    n_max: Annotated[int, number("n_max", "Patients at the end.")],
    p0: P0,
    prior: Prior = None,
    threshold: Threshold = 0.95,
) -> Answer:
    """The predictive probability of success at the end (Lee and Liu 2008)."""
    from sap.methods.two_stage import predictive_bounds, predictive_probability

    a_b, derived = _prior(prior, p0)
    probability = predictive_probability(responders, n, n_max, p0, a_b, threshold)
    r = predictive_bounds([n_max], p0, a_b, threshold, 0.0, 1.0).r

    def panels() -> list[Panel]:
        counts = list(range(n + 1))
        chance = [predictive_probability(x, n, n_max, p0, a_b, threshold) for x in counts]
        return [
            Panel(
                f"Responders among {n} patients",
                "Predictive probability",
                [Line("", counts, chance)],
                share=True,
            )
        ]

    values = {"predictive_probability": probability}
    return Answer(
        values=values,
        table=[values],
        rule=f"success at {n_max} patients when P(rate > {written(p0)}) exceeds {written(threshold)}",
        critical_value=(f"r = {r}: {_or_more(r, n_max)} {'are' if r < n_max else 'is'} a success"),
        method=f"predictive probability, beta({written(a_b[0])}, {written(a_b[1])}) prior, beta-binomial",
        references=LEE_LIU,
        sentence=(
            f"With {responders} responders among {n} patients the predictive probability that "
            f"{r + 1} or more of {n_max} will respond, so that P(rate > {written(p0)}) exceeds "
            f"{written(threshold)}, is {share(probability)}."
            if r < n_max
            else f"No count of {n_max} patients makes P(rate > {written(p0)}) exceed {written(threshold)}."
        ),
        panels=panels,
        derived=derived,
    )


@question("predictive-bounds")
def predictive_bounds(  # noqa: PLR0913 - one parameter per option
    n_max: Annotated[int, number("n_max", "Patients at the end.")],
    p0: P0,
    prior: Prior = None,
    threshold: Threshold = 0.95,
    look: Looks = None,
    every: Every = None,
    stop_low: Annotated[
        float, number("stop_low", "Stop for futility when predictive probability is below.")
    ] = 0.05,
    stop_high: Annotated[
        float, number("stop_high", "Stop for efficacy when it is above; 1 never stops.")
    ] = 1.0,
    p: Rates = None,
) -> Answer:
    """Boundaries by predictive probability over many looks (Lee and Liu 2008), and their error rates."""
    from sap.methods import two_stage

    a_b, derived = _prior(prior, p0)
    looks = planned_looks(look, every, n_max)
    bounds = two_stage.predictive_bounds(looks, p0, a_b, threshold, stop_low, stop_high)
    rates = p or [p0]
    return _bounds_answer(
        bounds,
        rates,
        f"stop for futility when the predictive probability is below {written(stop_low)}, "
        f"{_high(stop_high)}; success at the end when P(rate > {written(p0)}) exceeds "
        f"{written(threshold)}",
        f"predictive probability, beta({written(a_b[0])}, {written(a_b[1])}) prior; characteristics by "
        "recursion over the looks",
        LEE_LIU,
        {**_step(look, every), **derived, **({} if p else {"p": rates})},
        _reviewed(looks),
    )


def _pending_bounds_lines(bounds: Any) -> list[str]:
    spans = {
        "p-value": (bounds.p_value_low, bounds.p_value_high),
        "estimate (UMVUE)": (bounds.umvue_low, bounds.umvue_high),
        "limits": (bounds.conf_low, bounds.conf_high),
    }
    return [
        f"{name} between {text_of(low)} and {text_of(high)}" for name, (low, high) in spans.items()
    ]


@question("pending")
def pending(  # noqa: PLR0913 - one parameter per option
    r1: R1,
    n1: N1,
    r: R,
    n: DesignN,
    responders: Responders,
    pending: Annotated[int, number("pending", "Patients whose response is still possible.")],
    p0: P0,
    n_look: Annotated[
        int | None, number("n_look", "Patients at this look: n1 or n; n1 by default.")
    ] = None,
    conf_level: ConfLevel = CONF_LEVEL,
    p: Rates = None,
) -> Answer:
    """What the decision of a look can still be while responses are pending."""
    from sap.methods import interim_stages
    from sap.methods.two_stage import TwoStageDesign, pending_bounds

    design = TwoStageDesign(r1, n1, r, n)
    at = n1 if n_look is None else n_look
    if at not in (n1, n):
        raise UsageError(
            f"--n_look must be n1 = {n1} or n = {n}: pending outcomes bound a decision."
        )
    bounds = pending_bounds(design, responders, pending, at, p0, conf_level)
    last = at == n
    needed = r if last else r1
    words = ("do not reject H0", "reject H0") if last else ("stop", "continue")
    table = [
        {"pending_responders": k, "responders": responders + k,
         "decision": words[responders + k > needed]}
        for k in range(pending + 1)
    ]  # fmt: skip
    rates = p or [p0]
    stage = interim_stages.Stage(responders, at - pending, at)
    chances = [
        {"p": rate, "probability": interim_stages.conditional_power(
            stage, interim_stages.Stage(0, 0, 0), needed, needed, rate)}
        for rate in rates
    ]  # fmt: skip
    more = max(needed + 1 - responders, 0)
    values = {**plain(bounds), "outcomes": table, f"probability_to_{words[1].split()[0]}": chances}
    state = (
        f"the decision is settled: {bounds.decision_high}"
        if bounds.settled
        else f"the decision is open: {words[1]} when "
        + (
            f"{more} or more of the {pending} respond"
            if pending > 1
            else "the pending one responds"
        )
        + f", else {words[0]}"
    )

    def panels() -> list[Panel]:
        steps = list(range(pending + 1))
        total = [responders + k for k in steps]
        limit = Line(f"more than {needed}: {words[1]}", steps, [needed + 0.5] * len(steps))
        return [
            Panel(
                "Pending patients who respond",
                f"Responders among {at}",
                [Line("responders", steps, total, "points"), limit],
            )
        ]

    return Answer(
        values=values,
        table=table,
        columns=("pending_responders", "responders", "decision"),
        tail=[
            state[0].upper() + state[1:] + ".",
            *(
                f"P({words[1]}) at a rate of {written(row['p'])}: {text_of(row['probability'])}"
                for row in chances
            ),
            *(_pending_bounds_lines(bounds) if last else []),
        ],
        rule=rule_of(r1, n1, r, n),
        critical_value=f"{needed + 1} or more of {at}: {words[1]}",
        method="bounds over every outcome of the pending patients; binomial probability of each decision",
        references="Simon 1989, Control Clin Trials 10:1; Koyama and Chen 2008, Stat Med 27:3145",
        sentence=(
            f"At the look after {at} patients the confirmed responses are {responders} and the pending "
            f"ones {pending}; {state}. "
            + " ".join(
                f"If pending patients respond with probability {written(row['p'])}, the decision will "
                f"be \"{words[1]}\" with probability {share(row['probability'])}."
                for row in chances
            )
        ),
        panels=panels,
        derived={
            **({"n_look": n1} if n_look is None else {}), **({} if p else {"p": rates}),
        },
    )  # fmt: skip


ATTAINED_NOTE = (
    "The rule to follow is the last;",
    'where stage 1 was already decided by the planned r1, it is "final recomputed".',
)


@question("attained")
def attained(  # noqa: PLR0913 - one parameter per option
    r1: R1,
    n1: N1,
    r: R,
    n: DesignN,
    p0: P0,
    p1: P1,
    alpha: Alpha = ALPHA,
    n1_attained: Annotated[
        int | None, number("n1_attained", "Patients of the first stage in fact.")
    ] = None,
    n_attained: Annotated[int | None, number("n_attained", "Patients in all in fact.")] = None,
) -> Answer:
    """The decision rule when either stage has another size than planned."""
    from sap.methods.two_stage import TwoStageDesign, attained_design

    if n1_attained is None and n_attained is None:
        raise UsageError("--n1-attained or --n-attained: give the size that is not as planned.")
    design = TwoStageDesign(r1, n1, r, n)
    first, total = (
        n1 if n1_attained is None else n1_attained,
        n if n_attained is None else n_attained,
    )
    if first >= total:
        raise UsageError(
            f"--n1_attained must be below the {total} patients in all: there is no second stage to decide on."
        )
    decided = attained_design(design, first, total, p0, p1, alpha)
    table = [
        {"rule": rule.name, **plain(rule.design), "alpha": rule.alpha, "power": rule.power,
         "holds_alpha": "yes" if rule.holds_alpha else "no"}
        for rule in decided.rules
    ]  # fmt: skip
    planned = design.characteristics(p0, p1)
    values = plain(decided) | {"planned": {**plain(design), **plain(planned)}}

    def panels() -> list[Panel]:
        steps = [step / 100 for step in range(101)]
        lines = [Line("as planned", steps, plain(design.probability_of_rejection(steps)))]
        lines += [
            Line(rule.name, steps, plain(rule.design.probability_of_rejection(steps)))
            for rule in decided.rules
        ]
        return [Panel("True response rate", "Probability of rejection", lines, share=True)]

    return Answer(
        values=values,
        table=table,
        columns=("rule", "r1", "n1", "r", "n", "alpha", "power", "holds_alpha"),
        tail=ATTAINED_NOTE,
        rule=(
            f"{rule_of(decided.r1, first, decided.r, total)}: r1 with a probability of early "
            "termination under p0 nearest to the plan, r the smallest that holds alpha"
        ),
        critical_value=f"r1 = {decided.r1} of {first}, r = {decided.r} of {total}",
        method="thresholds recomputed for the attained sizes, exact binomial",
        references="Green and Dahlberg 1992, Stat Med 11:853; Koyama and Chen 2008, Stat Med 27:3145",
        sentence=(
            f"The two-stage design {r1}/{n1}, {r}/{n} was planned; {first} patients entered the first "
            f"stage and {total} in all. The thresholds recomputed for these sizes are "
            f"{decided.r1}/{first} and {decided.r}/{total}, with an exact type I error of "
            f"{share(decided.alpha)} at p0 = {written(p0)} and a power of {share(decided.power)} at "
            f"p1 = {written(p1)} (planned {share(planned.alpha)} and {share(planned.power)})."
        ),
        panels=panels,
        derived={
            **({"n1_attained": n1} if n1_attained is None else {}),
            **({"n_attained": n} if n_attained is None else {}),
        },
    )


SHAPES = {
    "pocock": "Pocock boundary: the same nominal level after each patient",
    "obrien-fleming": "O'Brien-Fleming boundary: strict at first",
    "sprt": "truncated sequential probability ratio test",
    "bayesian": "posterior probability under the beta prior",
}
SHAPE_SOURCES = {
    "pocock": "Ivanova, Qaqish and Schell 2005, Biometrics 61:540",
    "obrien-fleming": "Ivanova, Qaqish and Schell 2005, Biometrics 61:540",
    "sprt": "Goldman 1987, Control Clin Trials 8:327",
    "bayesian": "Geller et al. 2003, in: Advances in Clinical Trial Biostatistics",
}


@question("toxicity")
def toxicity(
    n: Annotated[int, number("n", "Maximum number of patients.")],
    p0: Annotated[float, number("p0", "Acceptable rate of toxicity.")],
    alpha: Annotated[float, number("alpha", "Largest probability of stopping at p0.")] = ALPHA,
    shape: Annotated[
        Literal["pocock", "obrien-fleming", "sprt", "bayesian"],
        number("shape", "Shape of the boundary."),
    ] = "pocock",
    p1: Annotated[float | None, number("p1", "The other rate of an sprt.")] = None,
    prior: Annotated[
        tuple[float, float] | None,
        typer.Option("--prior", help="a and b of the beta prior (bayesian).", metavar="A B"),
    ] = None,
    p: Rates = None,
) -> Answer:
    """The stopping boundary for toxicity, and its operating characteristics at true rates."""
    from sap.methods.monitoring import (
        boundary_characteristics,
        boundary_list,
        toxicity_boundary,
    )

    if p1 is not None and shape != "sprt":
        raise UsageError(f"--p1 goes with --shape sprt; {shape} does not use it.")
    if prior is not None and shape != "bayesian":
        raise UsageError(f"--prior goes with --shape bayesian; {shape} does not use it.")
    rates = p or [p0]
    bounds = toxicity_boundary(n, p0, alpha, shape, p1, prior).tolist()
    table = [{"p": rate, **plain(boundary_characteristics(bounds, rate))} for rate in rates]
    steps = boundary_list(bounds)
    head, reached = [], []
    for stop, first, last in steps:
        span = f"{first}" if first == last else f"{first} to {last}"
        reached.append(f"{stop} of {span}")
        after = f"{span} patient" if last == 1 else f"{span} patients"
        head.append(f"after {after}: stop at {stop} or more toxicities")
    if not steps:
        head.append("No count of toxicities stops this trial: it is too small for alpha.")
    boundary = ", ".join(reached)
    stopping_p0 = float(boundary_characteristics(bounds, p0).stopping_probability)
    truth = (table if p0 in rates else [{"p": p0, "stopping_probability": stopping_p0}, *table])  # fmt: skip

    def panels() -> list[Panel]:
        grid = [step / 100 for step in range(101)]
        curve = boundary_characteristics(bounds, grid)
        k = [k for k, stop in enumerate(bounds, start=1) if stop <= k]
        line = Line("stop at or above", k, [bounds[each - 1] for each in k], "step")
        chance = Line("", grid, list(plain(curve.stopping_probability)))
        return [
            Panel("Patients", "Patients with toxicity", [line]),
            Panel("True rate of toxicity", "Probability of stopping", [chance], share=True),
        ]

    return Answer(
        values={
            "bounds": bounds,
            "stopping_probability_p0": stopping_p0,
            "characteristics": table,
        },
        table=table,
        columns=("p", "stopping_probability", "expected_n", "expected_toxicities"),
        head=head,
        tail=[] if p0 in rates else [f"P(stop) at p0 = {written(p0)}: {text_of(stopping_p0)}"],
        rule=(
            f"after each patient stop when the toxicities reach the boundary; P(stop within {n}) at "
            f"p0 = {written(p0)} is at most {written(alpha)}"
        ),
        critical_value=boundary or "none: no count stops",
        method=f"{SHAPES[shape]}; exact recursion",
        references=SHAPE_SOURCES[shape],
        sentence=(
            f"Accrual stops for toxicity when at least {listed(reached, 'or')} patients have it; the trial "
            "stops with probability "
            + listed(
                [
                    f"{share(row['stopping_probability'])} at a true rate of {written(row['p'])}"
                    for row in truth
                ]
            )
            + "."
            if steps
            else f"With {n} {'patient' if n == 1 else 'patients'} no count of toxicities can stop the trial at this level."
        ),
        panels=panels,
        derived={} if p else {"p": rates},
    )
