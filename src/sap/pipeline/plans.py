"""Reading of a plan with verification of its design."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sap.contracts.of_plan import of_plan
from sap.plan import PlanFile
from sap.plan.checking import Examined, refusal
from sap.plan.checking import examine as read
from sap.plan.cited import braces, cited, texts
from sap.plan.entry import NotValid, valid
from sap.plan.entry import Path as Place
from sap.plan.faults import Fault, line_at
from sap.plan.home import study_of_plan
from sap.plan.model import Design

if TYPE_CHECKING:  # numpy and scipy are loaded when a plan is read, not with the module
    from sap.methods.two_stage import SingleStageDesign, TwoStageDesign

ROUNDING = 1e-9


def examine(path: Path) -> Examined:
    """Read a file as a plan, with every fault of it: its own, those of its design and of what it names in data.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It holds no keys (exit 13).
    """
    examined = read(path)
    lines = examined.tree.lines
    with study_of_plan(path):
        faults = [
            Fault(place, (line_at(lines, place),), message, "data")
            for place, message in of_plan(examined.plan)
        ]
    design = valid(examined.plan, "design")
    if design is not None and not next(design.conflicts(), None):
        with suppress(NotValid):  # a key of the design has a fault, which is listed
            faults += _of_design(design, lines)
    return examined._replace(faults=[*examined.faults, *faults])


def _of_design(design: Design, lines: Mapping[Place, int]) -> Iterator[Fault]:
    broken = design_faults(design)
    reason: Place = ("design", "deviation")
    if broken and design.deviation is None:
        for message in broken:
            key, _, words = message.partition(": ")
            place = tuple(key.split("."))
            advice = "correct the design, or give the reason of the protocol in design.deviation"
            yield Fault(place, (line_at(lines, place),), f"{words}; {advice}", "design")
    elif design.deviation is not None and not broken:
        words = "a reason is given, but the design keeps its alpha, power and criterion: remove the line"
        yield Fault(reason, (line_at(lines, reason),), words, "design")


def read_plan(path: Path) -> PlanFile:
    """Read a plan, and verify its design against its own alpha, power and criterion.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is not a plan, or its design does not meet its own alpha, power or criterion and
        `design.deviation` gives no reason (exit 13): every fault with its line, key and what to do.
    """
    examined = examine(path)
    if examined.faults:
        raise refusal(path, examined.faults, examined.tree)
    return PlanFile(examined.plan, examined.text, examined.sha256, path.name)


def checked(path: Path) -> str:
    """What was checked of a plan without a fault, in one line.

    Raises
    ------
    PlanError
        As `read_plan`.
    """
    examined = examine(path)
    if examined.faults:
        raise refusal(path, examined.faults, examined.tree)
    content = examined.tree.content
    words = [text for _, text in texts(content)]
    return (
        f"{path} is a valid plan of {examined.plan.study.id}: {len(content)} entries, "
        f"{len(examined.tree.lines)} keys and list entries, {sum(len(cited(text)) for text in words)} citations, "
        f"{sum(len(braces(text)) for text in words)} keys in texts, the design and the columns of the data "
        "contracts were checked."
    )


def design_faults(design: Design) -> list[str]:
    """The design is verified against its own type I error, power and criterion before it is used.

    It is refused when one of these applies and the SAP gives no reason for it (`deviation`):

    1. The exact probability to reject H0 at `p0` is above `alpha`.
    2. The exact probability to reject H0 at `p1` is below 1 less `beta`.
    3. The `criterion` is minimax (the fewest patients, then the fewest expected at `p0`) or optimal
       (the fewest expected at `p0`), and another design with these rates and errors is better. A
       design that is equally good is accepted; with one stage both criteria mean the fewest
       patients; `criterion` none is not verified.
    """
    letters = _two_stage(design)
    alpha = float(letters.probability_of_rejection(design.p0))
    power = float(letters.probability_of_rejection(design.p1))
    faults = []
    if alpha > design.alpha + ROUNDING:
        faults.append(
            f"design.alpha: H0 is rejected with probability {alpha:.4f} at p0 = {design.p0:g}, "
            f"more than the alpha of {design.alpha:g}"
        )
    if power < 1 - design.beta - ROUNDING:
        faults.append(
            f"design.beta: H0 is rejected with probability {power:.4f} at p1 = {design.p1:g}, "
            f"less than the power of {1 - design.beta:g}"
        )
    if design.criterion != "none":
        faults += _criterion(design, letters)
    return faults


def _two_stage(design: Design) -> "TwoStageDesign | SingleStageDesign":
    from sap.methods.two_stage import SingleStageDesign, TwoStageDesign

    if design.r1 is None or design.n1 is None:
        return SingleStageDesign(r=design.r, n=design.n)
    return TwoStageDesign(r1=design.r1, n1=design.n1, r=design.r, n=design.n)


def _criterion(design: Design, letters: "TwoStageDesign | SingleStageDesign") -> list[str]:
    from sap.methods.two_stage import SingleStageDesign, simon_designs

    prefix = f"design.criterion: {_design_text(letters)} is not {design.criterion}"
    try:
        designs = simon_designs(design.p0, design.p1, design.alpha, design.beta)
    except ValueError as error:
        return [f"design.criterion: {design.criterion} cannot be shown ({error}); write none"]
    if isinstance(letters, SingleStageDesign):
        best = designs.single_stage
        return [] if letters.n == best.n else [f"{prefix}; the smallest one-stage design is {_design_text(best)}"]  # fmt: skip
    name, ties = {
        "minimax": (designs.minimax, designs.minimax_ties),
        "optimal": (designs.optimal, designs.optimal_ties),
    }[design.criterion]
    if letters in (name, *ties):
        return []
    return [
        f"{prefix}; for its rates and errors the {design.criterion} design is {_design_text(name)}"
    ]


def _design_text(design: "TwoStageDesign | SingleStageDesign") -> str:
    from sap.methods.two_stage import TwoStageDesign

    first = f"r1 = {design.r1}, n1 = {design.n1}, " if isinstance(design, TwoStageDesign) else ""
    return f"{first}r = {design.r}, n = {design.n}"
