"""The scenario file of `sap oc`: assumed truths and conducts, each with its source, and grids of values."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from sap.errors import PlanError, UsageError
from sap.plan.cited import bibliography, cited
from sap.plan.entry import Conflict, Part, check
from sap.plan.home import study_home
from sap.plan.model import Plan
from sap.plan.reading import line_of, lines_of, load_yaml, problems
from sap.plan.references import read_references
from sap.simulate.conditions import (
    Accrual,
    Assay,
    Conditions,
    Course,
    Response,
    Screening,
    Stops,
    Toxicity,
    Visits,
)
from sap.simulate.many import DAYS_PER_MONTH, LEAST_TREATED, design_of


def _value(content: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """A value of a grid; one message instead of one of each kind that it could be."""
    try:
        return handler(content)
    except ValidationError:
        raise ValueError("write a number, true or false, or a range such as [2, 9]") from None


Value = Annotated[float | int | bool | list[float | int], WrapValidator(_value)]
MOST_CASES = 200
MOST_MONTHS = 600  # of accrual as expected: dates of a trial are within a hundred years


class Blocks(Part):
    """The blocks of a scenario; one that is left out is ideal (accrual, response: the plan's)."""

    accrual: Accrual | None = None
    response: Response | None = None
    screening: Screening | None = None
    assay: Assay | None = None
    course: Course | None = None
    stops: Stops | None = None
    visits: Visits | None = None
    toxicity: Toxicity | None = None

    def given(self) -> dict[str, dict[str, Any]]:
        """The blocks that the file has, by name."""
        content: dict[str, dict[str, Any]] = self.model_dump(
            exclude_none=False, include=set(Blocks.model_fields)
        )
        return {name: block for name, block in content.items() if block is not None}


class Scenario(Blocks):
    """One scenario: its own blocks instead of the common ones, and the values that it is run with."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="the key of its results")
    title: str = Field(min_length=3, max_length=120, description="as in tables")
    grid: dict[str, list[Value]] = Field(
        default_factory=dict,
        description="values of `block.key`, each combination a case; default: response.positive at "
        "p0 and p1 of the plan",
    )

    @check
    def _grid(self) -> Iterator[Conflict]:
        for path, values in self.grid.items():
            block, _, key = path.partition(".")
            known = block in Blocks.model_fields and key in BLOCKS[block].model_fields
            if not known or key in ("source", "assumption"):
                words = (
                    [f"{block}.{name}" for name in BLOCKS[block].model_fields
                     if name not in ("source", "assumption")]
                    if block in BLOCKS
                    else [f"{name}.key" for name in BLOCKS]
                )  # fmt: skip
                yield Conflict.of(
                    f"{path} is no key of a block: write block.key ({', '.join(words)})",
                    ("grid", path),
                )
            elif not values:
                yield Conflict.of("a grid needs at least one value", ("grid", path))


BLOCKS: dict[str, type[Part]] = {
    "accrual": Accrual,
    "response": Response,
    "screening": Screening,
    "assay": Assay,
    "course": Course,
    "stops": Stops,
    "visits": Visits,
    "toxicity": Toxicity,
}


class ScenarioFile(Part):
    """A scenario file."""

    study: str = Field(description="the id of the plan's study")
    common: Blocks = Blocks()
    scenarios: list[Scenario] = Field(min_length=1)

    @check
    def _names(self) -> Iterator[Conflict]:
        for key in ("name", "title"):
            words = [getattr(scenario, key) for scenario in self.scenarios]
            for place, word in enumerate(words):
                if word in words[:place]:
                    yield Conflict.of(f"the {key} {word} is given twice", ("scenarios", place, key))


class Case(NamedTuple):
    """A scenario with one combination of the values of its grid."""

    scenario: str
    title: str
    cell: str  # such as response.positive=0.3
    given: Conditions

    @property
    def key(self) -> str:
        """The SHA-256 of the conditions: what its trials depend on, apart from plan and seed."""
        return hashlib.sha256(self.given.model_dump_json().encode()).hexdigest()


class Scenarios(NamedTuple):
    """The cases of a run, and the text they were read from ("": none, the defaults)."""

    cases: list[Case]
    text: str


IDEAL = """\
study: {study}
scenarios:
  - name: ideal
    title: Perfect data
"""


def read_scenarios(path: Path | None, plan: Plan) -> Scenarios:
    """The cases of a scenario file; without one, perfect data at p0 and p1 of the plan.

    Raises
    ------
    UsageError
        The file cannot be read, or the plan's primary endpoint is not simulated (exit 2).
    PlanError
        The file is not valid, or does not suit the plan: every fault, with its line (exit 13).
    """
    refuse_other_endpoint(plan)
    if path is None:
        parsed = ScenarioFile(
            study=plan.study.id, scenarios=[Scenario(name="ideal", title="Perfect data")]
        )
        return Scenarios(_cases(parsed, plan, "the defaults of sap oc", {}), "")
    content, text, _ = load_yaml(path, "the scenario file")
    lines = lines_of(text) if isinstance(content, dict) else {}
    if not isinstance(content, dict):
        raise PlanError(f"{path}: the scenario file is empty or no mapping. Begin with `study:`.")
    try:
        parsed = ScenarioFile.model_validate(content)
    except ValidationError as error:
        listed = "\n".join(problems(error, "the scenario file", lines))
        raise PlanError(f"{path} is not a valid scenario file:\n{listed}") from None
    if parsed.study != plan.study.id:
        raise PlanError(
            f"{path}: study is {parsed.study}, and the plan is of {plan.study.id}. Correct one of them."
        )
    _refuse_unknown_sources(path, content, lines)
    return Scenarios(_cases(parsed, plan, str(path), lines), text)


def refuse_other_endpoint(plan: Plan) -> None:
    """Refuse a plan whose primary endpoint is not simulated.

    Raises
    ------
    UsageError
        Names the endpoint.
    """
    if plan.primary.endpoint != "psa_response":
        raise UsageError(
            f"sap oc simulates the primary endpoint psa_response, and the plan has {plan.primary.endpoint}. "
            "For it `sap calc oc` gives the exact operating characteristics of the design alone."
        )


Lines = Mapping[tuple[str | int, ...], int]


def _refuse_unknown_sources(path: Path, content: Any, lines: Lines) -> None:
    known = bibliography() | set(read_references(study_home() / "analysis" / "references.yml").root)
    unknown: dict[str, int] = {}
    for place, text in _sources(content, ()):
        for key in cited(text):
            if key not in known:
                unknown.setdefault(key, line_of(lines, place))
    if unknown:
        named = ", ".join(f"@{key} (line {line})" for key, line in sorted(unknown.items()))
        raise PlanError(
            f"{path}: no source {named} is in references.bib or references.yml. Add it there, or correct the key."
        )


def _sources(
    content: Any, place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "source" and isinstance(value, str):
                yield (*place, key), value
            yield from _sources(value, (*place, key))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _sources(value, (*place, number))


def _cases(file: ScenarioFile, plan: Plan, where: str, lines: Lines) -> list[Case]:
    cases: list[Case] = []
    faults: list[str] = []
    for place, scenario in enumerate(file.scenarios):
        line = f"line {line_of(lines, ('scenarios', place))}, " if lines else ""
        blocks = file.common.given() | scenario.given()
        grid = dict(scenario.grid)
        if "response" not in blocks:
            blocks["response"] = {"source": plan.design.source, "positive": plan.design.p1,
                                  "assumption": plan.design.assumption}  # fmt: skip
            grid.setdefault("response.positive", [plan.design.p0, plan.design.p1])
        for values in itertools.product(*grid.values()):
            cell = dict(zip(grid, values, strict=True))
            name = "; ".join(f"{key}={json.dumps(value)}" for key, value in cell.items())
            of_case = f"  - {line}{scenario.name}{f' ({name})' if name else ''}: "
            try:
                given = _conditions(blocks, cell, plan)
            except ValidationError as error:
                faults += [of_case + fault.strip(" -") for fault in problems(error)]
                continue
            faults += [of_case + fault for fault in _unsuited(given, plan)]
            if any(case.scenario == scenario.name and case.given == given for case in cases):
                faults.append(of_case + "the grid has these values twice")
            cases.append(Case(scenario.name, scenario.title, name, given))
    if faults:
        raise PlanError(f"{where} does not suit the plan:\n" + "\n".join(dict.fromkeys(faults)))
    if len(cases) > MOST_CASES:
        raise PlanError(f"{where} has {len(cases)} cases, more than {MOST_CASES}. Shorten a grid.")
    return cases


def _conditions(
    blocks: dict[str, dict[str, Any]], cell: dict[str, Value], plan: Plan
) -> Conditions:
    content = {name: dict(block) for name, block in blocks.items()}
    for path, value in cell.items():
        block, _, key = path.partition(".")
        ideal = {"source": "the grid of the scenario", "assumption": True}
        content.setdefault(block, ideal)[key] = value
    if "accrual" not in content or "screened_per_month" not in content["accrual"]:
        rate = _planned_rate(
            {name: block for name, block in content.items() if name != "accrual"}, plan
        )
        planned = {
            "source": f"the plan ({plan.accrual.section})" if plan.accrual else "",
            "assumption": True,
        }
        content["accrual"] = planned | content.get("accrual", {}) | {"screened_per_month": rate}
    return Conditions.model_validate(content)


def _planned_rate(content: dict[str, Any], plan: Plan) -> float:
    """Screened patients per month with which the plan's period of accrual has the patients of the design.

    Raises
    ------
    PlanError
        The plan has no accrual.
    """
    if plan.accrual is None:
        raise PlanError(
            "The plan has no accrual, and the scenario none either: give accrual.screened_per_month in a scenario file "
            "(--scenario), or add accrual to the plan."
        )
    probe: dict[str, Any] = {"accrual": {"source": "probe", "screened_per_month": 1.0}}
    share = Conditions.model_validate(content | probe).share_treated
    months = (plan.accrual.last_patient - plan.accrual.first_patient).days / DAYS_PER_MONTH
    return plan.design.n / months / max(share, LEAST_TREATED)


def _endless(given: Conditions, plan: Plan) -> Iterator[str]:
    """Why screening would not end."""
    share = given.share_treated
    if share < LEAST_TREATED:
        yield (
            f"{100 * share:.2f} % of the screened patients would be treated, which is below {100 * LEAST_TREATED:g} %: "
            "change screening or assay"
        )
    elif plan.design.n / share / given.accrual.screened_per_month > MOST_MONTHS:
        yield (
            f"accrual.screened_per_month: with {given.accrual.screened_per_month:g} the accrual would last more than "
            f"{MOST_MONTHS // 12} years: screen more patients per month"
        )


def _unsuited(given: Conditions, plan: Plan) -> Iterator[str]:
    """What of a scenario the plan has no use for, or could not be decided."""
    rule = plan.psa_response
    yield from _endless(given, plan)
    if plan.biomarker is None and (
        given.share_positive != 1 or given.response.negative is not None
    ):
        yield "the plan has no biomarker: leave out assay, screening.positive and response.negative"
    if plan.cells_required == 0 and given.screening.enough_cells != 1:
        yield "the plan requires no cell count: leave out screening.enough_cells"
    if (
        plan.biomarker is not None
        and given.screening.positive < 1
        and given.response.negative is None
    ):
        wrong = given.assay.specificity < 1
        if wrong:
            yield "response.negative is needed: patients negative in truth are treated (assay.specificity)"
    if given.toxicity.rate > 0:
        if plan.toxicity_monitoring is None:
            yield "the plan monitors no toxicity: leave out toxicity"
        latest = min(design_of(plan).cycle, plan.safety.days_after_last_dose)
        if given.toxicity.onset_days[1] > latest:
            yield f"toxicity.onset_days: at most {latest} days, so that each onset is in the first cycle"
    if given.course.brief_decline > 0 and rule is not None and rule.confirm_after_days == 0:
        yield "course.brief_decline: the plan confirms no decline, so that a single value is a response"
    if given.course.lowest[1] > 0.9:
        yield "course.lowest: at most 0.9, so that rounding of a value decides nothing"
    design_of(plan)
