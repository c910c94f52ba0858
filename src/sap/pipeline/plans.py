"""Reading of a plan with verification of its design."""

from pathlib import Path
from typing import TYPE_CHECKING

from sap.errors import PlanError
from sap.plan import PlanFile
from sap.plan import read_plan as read
from sap.plan.model import Design

if TYPE_CHECKING:  # numpy and scipy are loaded when a plan is read, not with the module
    from sap.methods.two_stage import SingleStageDesign, TwoStageDesign

ROUNDING = 1e-9


def read_plan(path: Path) -> PlanFile:
    """Read a plan, and verify its design against its own alpha, power and criterion.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is not a plan, or its design does not meet its own alpha, power or criterion and
        `design.deviation` gives no reason (exit 13), with the attained numbers.
    """
    plan = read(path)
    design = plan.plan.design
    faults = design_faults(design)
    if faults and design.deviation is None:
        raise PlanError(
            f"{path}: the design does not meet its own specification:\n"
            + "\n".join(f"  - {fault}" for fault in faults)
            + "\nCorrect the design, or give the reason of the protocol in design.deviation."
        )
    if design.deviation is not None and not faults:
        raise PlanError(
            f"{path}: design.deviation gives a reason, but the design keeps its alpha, power and "
            "criterion. Remove the line."
        )
    return plan


def design_faults(design: Design) -> list[str]:
    """The design is verified against its own type I error, power and criterion before it is used.

    It is refused when one of these applies and the plan gives no reason for it (`deviation`):

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
