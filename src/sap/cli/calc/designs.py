"""Questions before the trial: designs, their operating characteristics, response and toxicity together."""

from dataclasses import fields
from typing import Annotated, Any

from sap.cli.calc.answer import Answer, Line, Panel, Row, plain, share, tenths, text_of, written
from sap.cli.calc.question import (
    ALPHA,
    BETA,
    P0,
    Alpha,
    Beta,
    R,
    Rates,
    number,
    question,
)
from sap.errors import UsageError

SIMON = (
    "Simon 1989, Control Clin Trials 10:1; Jung, Lee, Kim and George 2004, Stat Med 23:561 "
    "(admissible); A'Hern 2001, Stat Med 20:859 (single stage)"
)
CURVE = [step / 100 for step in range(101)]


def rule_of(r1: int, n1: int, r: int, n: int) -> str:
    """The decisions of a two-stage design in words."""
    return (
        f"stop after {n1} patients with {r1} or fewer responders, else treat {n} in all and "
        f"reject H0 with {r + 1} or more"
    )


def _designs_of(p0: float, p1: float, alpha: float, beta: float, limits: Row) -> tuple[Any, Row]:
    from sap.methods.two_stage import constrained_designs

    designs = constrained_designs(p0, p1, alpha, beta, **limits)
    result = {name: plain(getattr(designs, name)) for name in (f.name for f in fields(designs))}
    for name in ("optimal", "minimax", "single_stage"):
        result[name] |= plain(designs.characteristics(getattr(designs, name)))
    for row, admissible in zip(result["admissible"], designs.admissible, strict=True):
        row |= plain(designs.characteristics(admissible.design))
    return designs, result


def _simon_rows(result: Row) -> list[Row]:
    named = [{"design": name, **result[name]} for name in ("optimal", "minimax", "single_stage")]
    named[2:2] = [{"design": "admissible", **row} for row in result["admissible"]]
    return named


def _simon_sentence(result: Row) -> str:
    optimal, minimax = result["optimal"], result["minimax"]
    return (
        f"With H0: p <= {written(result['p0'])}, p1 = {written(result['p1'])}, one-sided alpha "
        f"{written(result['alpha'])} and power {share(1 - result['beta'])}, Simon's optimal two-stage "
        f"design treats {optimal['n1']} patients and stops when {optimal['r1']} or fewer respond; "
        f"otherwise it treats {optimal['n']} in all and rejects H0 when {optimal['r'] + 1} or more "
        f"respond. The exact type I error is {share(optimal['alpha'])} and the power "
        f"{share(optimal['power'])}; under p0 the trial stops early with probability "
        f"{share(optimal['pet_p0'])} and treats {tenths(optimal['expected_n_p0'])} patients on average. "
        f"The minimax design is {minimax['r1']}/{minimax['n1']}, {minimax['r']}/{minimax['n']}."
    )


@question("simon")
def simon(
    p0: P0,
    p1: Annotated[list[float], number("p1", "Desirable response rate; repeat for more.")],
    alpha: Alpha = ALPHA,
    beta: Beta = BETA,
    n_max: Annotated[int | None, number("n_max", "Largest n allowed.")] = None,
    n1: Annotated[int | None, number("n1", "Only designs with this first stage.")] = None,
    min_pet: Annotated[
        float | None, number("min_pet", "Minimum probability of early termination under p0.")
    ] = None,
) -> Answer:
    """Simon's optimal, minimax and admissible designs, and A'Hern's single stage, for one p1 or several."""
    limits = {"n1": n1, "n_max": n_max, "min_pet": min_pet}
    searched = [_designs_of(p0, each, alpha, beta, limits) for each in p1]
    results = [result for _, result in searched]
    many = len(p1) > 1
    table = [
        ({"p1": result["p1"]} if many else {}) | row
        for result in results
        for row in _simon_rows(result)
    ]
    tail = []
    for designs, result in searched:
        bound = "no larger n can be better" if designs.proved else "a larger n may be better"
        of_p1 = f" for p1 = {written(result['p1'])}" if many else ""
        tail.append(f"Searched to n = {designs.searched_to}{of_p1}: {bound}.")
    optimal = [result["optimal"] for result in results]
    columns = ("design", "r1", "n1", "r", "n", "alpha", "power", "expected_n_p0", "pet_p0",
               "expected_n_p1", "weight_low", "weight_high")  # fmt: skip

    def panels() -> list[Panel]:
        lines = []
        for designs, result in searched:
            for name in ("optimal", "minimax", "single_stage"):
                label = name.replace("_", " ") + (f", p1 {written(result['p1'])}" if many else "")
                power = getattr(designs, name).probability_of_rejection(CURVE).tolist()
                lines.append(Line(label, CURVE, power))
        return [Panel("True response rate", "Probability of rejection", lines, share=True)]

    return Answer(
        values={"answers": results} if many else results[0],
        table=table,
        columns=(("p1", *columns) if many else columns),
        tail=tail,
        rule=(
            "stop after n1 patients with r1 or fewer responders; after n patients reject "
            f"H0: p <= {written(p0)} with more than r; alpha and power are exact and within their limits"
        ),
        critical_value="; ".join(
            f"optimal{f' for p1 = {written(each)}' if many else ''}: r = {row['r']}, "
            f"{row['r'] + 1} or more of {row['n']} reject H0"
            for each, row in zip(p1, optimal, strict=True)
        ),
        method="search over every (r1, n1, r, n), exact binomial error rates",
        references=SIMON,
        sentence=" ".join(_simon_sentence(result) for result in results),
        panels=panels,
    )


@question("oc")
def oc(
    r: R,
    n: Annotated[int, number("n", "Total sample size.")],
    r1: Annotated[int | None, number("r1", "Stop after n1 with this many or fewer.")] = None,
    n1: Annotated[int | None, number("n1", "Patients of the first stage.")] = None,
    p: Rates = None,
) -> Answer:
    """Operating characteristics of a design at true rates: rejection, early termination, expected n.

    Without --r1 and --n1 the design has a single stage; without --p the rates are 0, 0.05, ..., 1.
    """
    from sap.methods.two_stage import SingleStageDesign, TwoStageDesign

    if (r1 is None) != (n1 is None):
        raise UsageError("--r1 and --n1 go together: give both, or neither for a single stage.")
    design: SingleStageDesign | TwoStageDesign
    if r1 is None or n1 is None:
        design = SingleStageDesign(r, n)
        rule = f"treat {n} patients and reject H0 with {r + 1} or more responders"
        name, reference = "single-stage design, exact binomial", "A'Hern 2001, Stat Med 20:859"
    else:
        design = TwoStageDesign(r1, n1, r, n)
        rule = rule_of(r1, n1, r, n)
        name, reference = (
            "two-stage design, exact binomial", "Simon 1989, Control Clin Trials 10:1"
        )  # fmt: skip
    table = _characteristics(design, p or [step / 20 for step in range(21)])

    def panels() -> list[Panel]:
        curve = _characteristics(design, [step / 200 for step in range(201)])
        rate = [row["p"] for row in curve]

        def line(key: str) -> Line:
            return Line(key.replace("_", " ").capitalize(), rate, [row[key] for row in curve])

        return [
            Panel(
                "True response rate",
                "Probability",
                [line("probability_of_rejection"), line("probability_of_early_termination")],
                share=True,
            ),
            Panel("True response rate", "Expected n", [line("expected_n")]),
        ]

    shown = table if p else table[2:11:4]  # 0.1, 0.3 and 0.5
    return Answer(
        values={**plain(design), "characteristics": table},
        table=table,
        columns=tuple(table[0]),
        rule=rule,
        critical_value=f"r = {r}: {r + 1} or more of {n} reject H0",
        method=name,
        references=reference,
        sentence=f"The rule is: {rule}. "
        + " ".join(
            f"At a true rate of {written(row['p'])} H0 is rejected with probability "
            f"{share(row['probability_of_rejection'])} and {tenths(row['expected_n'])} patients are "
            "treated on average."
            for row in shown
        ),
        panels=panels,
        derived={} if p else {"p": [step / 20 for step in range(21)]},
    )


def _characteristics(design: Any, rates: list[float]) -> list[Row]:
    names = ("probability_of_rejection", "probability_of_early_termination", "expected_n")
    values = [getattr(design, name)(rates).tolist() for name in names]
    return [
        {"p": rate, **dict(zip(names, row, strict=True))}
        for rate, row in zip(rates, zip(*values, strict=True), strict=True)
    ]


BRYANT_DAY = "Bryant and Day 1995, Biometrics 51:1372"


@question("bryant-day")
def bryant_day(  # noqa: PLR0913 - one parameter per option
    p_r0: Annotated[float, number("p_r0", "Unacceptable response rate.")],
    p_r1: Annotated[float, number("p_r1", "Desirable response rate.")],
    p_t0: Annotated[float, number("p_t0", "Unacceptable rate of toxicity.")],
    p_t1: Annotated[float, number("p_t1", "Acceptable rate of toxicity.")],
    alpha_response: Annotated[
        float, number("alpha_response", "Largest P(accept) when the response rate is p_r0.")
    ] = 0.1,
    alpha_toxicity: Annotated[
        float, number("alpha_toxicity", "Largest P(accept) when the rate of toxicity is p_t0.")
    ] = 0.1,
    beta: Beta = BETA,
    n_max: Annotated[int, number("n_max", "Largest n searched.")] = 60,
    odds_ratio: Annotated[
        float, number("odds_ratio", "Odds ratio of response and toxicity in a patient.")
    ] = 1.0,
) -> Answer:
    """Bryant and Day's two-stage designs, which stop for too few responses or too much toxicity."""
    from sap.methods import bryant_day as methods

    designs = methods.bryant_day(
        p_r0, p_r1, p_t0, p_t1, alpha_response, alpha_toxicity, beta, n_max
    )
    truths = {
        "p_r0, p_t1": (p_r0, p_t1),
        "p_r1, p_t0": (p_r1, p_t0),
        "p_r1, p_t1": (p_r1, p_t1),
    }
    table: list[Row] = []
    values: Row = {"searched_to": designs.searched_to}
    for name in ("optimal", "minimax"):
        choice = plain(getattr(designs, name))
        row = {**choice.pop("design"), **choice}
        design = getattr(designs, name).design
        row["characteristics"] = [
            {"truth": truth, "odds_ratio": odds_ratio,
             **plain(design.characteristics(*rates, odds_ratio))}
            for truth, rates in truths.items()
        ]  # fmt: skip
        values[name] = row
        table.append({"design": name, **{k: v for k, v in row.items() if k != "characteristics"}})
    best, design = values["optimal"], designs.optimal.design
    at = {row["truth"]: row["probability_of_acceptance"] for row in best["characteristics"]}

    def panels() -> list[Panel]:
        steps = [step / 25 for step in range(26)]
        lines = [
            Line(
                f"toxicity {written(rate)}",
                steps,
                [
                    design.characteristics(step, rate, odds_ratio).probability_of_acceptance
                    for step in steps
                ],
            )
            for rate in (p_t1, p_t0)
        ]
        return [Panel("True response rate", "Probability of acceptance", lines, share=True)]

    return Answer(
        values=values,
        table=table,
        columns=("design", "r1", "t1", "n1", "r", "t", "n", "alpha_response", "alpha_toxicity",
                 "power", "expected_n"),
        tail=[
            f"With an odds ratio of {written(odds_ratio)} the optimal design accepts with probability "
            + ", ".join(f"{text_of(value)} at {truth}" for truth, value in at.items())
            + ".",
            f"Searched to n = {designs.searched_to}.",
        ],
        rule=(
            "stop after n1 patients with r1 or fewer responders or with t1 or more toxicities; accept "
            "after n patients with more than r responders and fewer than t toxicities"
        ),
        critical_value=(
            f"optimal: {design.r + 1} or more responders and {design.t - 1} or fewer toxicities among "
            f"{design.n}"
        ),
        method=(
            "search over both pairs of thresholds, exact, response and toxicity independent in the search"
        ),
        references=BRYANT_DAY,
        sentence=(
            f"The two-stage design of Bryant and Day (response {written(p_r0)} against "
            f"{written(p_r1)}, toxicity {written(p_t0)} against {written(p_t1)}) treats {design.n1} "
            f"patients and stops when {design.r1} or fewer respond or {design.t1} or more have "
            f"toxicity; otherwise it treats {design.n} in all, and the treatment is accepted when "
            f"{design.r + 1} or more respond and {design.t - 1} or fewer have toxicity. The error "
            f"rates are {share(best['alpha_response'])} for response and "
            f"{share(best['alpha_toxicity'])} for toxicity, the power is {share(best['power'])}"
            + (
                "."
                if odds_ratio == 1
                else f", when response and toxicity are independent; with an odds ratio of "
                f"{written(odds_ratio)} they are {share(at['p_r0, p_t1'])}, {share(at['p_r1, p_t0'])} and "
                f"{share(at['p_r1, p_t1'])}."
            )
        ),
        panels=panels,
    )  # fmt: skip
