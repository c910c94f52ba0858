"""Screening, allocation and re-screening: the participant flow and the analysis sets."""

from collections.abc import Sequence

from sap import ard
from sap.catalogue.populations import flags
from sap.displays.ard_lookup import Number, Results, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.flow_diagram import Arrow, Box, flow_diagram, flow_list
from sap.displays.rates import ci_header
from sap.displays.table import Column, Row, RowKind, Table, limits, n_pct
from sap.plan.entry import stated

STATES = ("marker_positive", "marker_negative", "marker_undetermined", "marker_not_done")
NOT_TREATED = "qualified_not_treated"
NOT_TREATED_REASONS = (
    "qualified_not_treated_declined",
    "qualified_not_treated_not_eligible",
    "qualified_not_treated_other",
)
NOT_TREATED_AGAIN = "rescreened_qualified_not_treated"
NOT_TREATED_AGAIN_REASONS = (
    "rescreened_qualified_not_treated_not_eligible",
    "rescreened_qualified_not_treated_declined",
    "rescreened_qualified_not_treated_other",
)
NO_CONSENT = "No patient consented."


def _category(level: str, kind: RowKind = "indent1") -> Row:
    flow_rows = results("flow")
    number = flow_rows.count(level=level, paramcd="BOX")
    return Row(flow_rows.label("level", level), (number,), kind)


def _consented() -> Number:
    return results("flow").count(level="consented", paramcd="BOX")


def _marker_rows(flow_rows: Results, state: str) -> list[Row]:
    """A marker status, by the minimum CTC count and by the reason why it is not known."""
    rows = [_category(state)]
    if stated(ard.plan().biomarker).cell_count is not None:
        rows += [
            _category(f"{state}_ctc_minimum_met", "indent2"),
            _category(f"{state}_ctc_below_minimum", "indent2"),
        ]
    for reason in flow_rows.values("sublevel", level=state, paramcd="REASON"):
        number = flow_rows.count(level=state, sublevel=reason, paramcd="REASON")
        rows.append(Row(coded(flow_rows.label("sublevel", reason)), (number,), "indent2"))
    return rows


def flow() -> Table:
    """`tlf-flow`: the categories of the flow, in the order in which a patient reaches them."""
    flow_rows, plan = results("flow"), ard.plan()
    made = set(flow_rows.values("level", paramcd="BOX"))

    def those(levels: Sequence[str], kind: RowKind = "indent1") -> list[Row]:
        return [_category(level, kind) for level in levels if level in made]

    rows = those(("consented", "sampled", "ctc_evaluable", "ctc_not_evaluable"), "")
    if counted := those(("ctc_minimum_met", "ctc_below_minimum")):
        rows += [Row("CTC count", kind="group"), *counted]
    if plan.biomarker is not None:
        rows.append(Row(f"{plan.biomarker.name} at the first screening", kind="group"))
        for state in STATES:
            rows += _marker_rows(flow_rows, state)
    allocated = "Allocation and treatment" if plan.biomarker is not None else "Treatment"
    rows.append(Row(allocated, kind="group"))
    if plan.study.groups:
        rows += those(("group_a", "group_b"))
    rows += those(("treated_first", NOT_TREATED))
    rows += those(NOT_TREATED_REASONS, "indent2")
    rows += those(("declined", "not_eligible"))
    if plan.study.groups:
        rows.append(Row("Re-screening", kind="group"))
        levels = ("rescreened", "rescreened_not_qualified", "rescreened_qualified")
        rows += [_category(level) for level in levels]
        rows += [_category("rescreened_allocated"), _category("rescreened_treated")]
        rows.append(_category(NOT_TREATED_AGAIN))
        rows += [_category(reason, "indent2") for reason in NOT_TREATED_AGAIN_REASONS]
        rows.append(_category("rescreened_not_eligible"))
    return Table("tlf-flow", "Category", [Column("Patients")], rows, n=_consented())


def ends() -> Table:
    """`tlf-ends`: the final disposition of each patient."""
    flow_rows = results("flow")
    rows = [
        Row(flow_rows.label("level", level), (flow_rows.count(level=level, paramcd="FINAL"),))
        for level in flow_rows.values("level", paramcd="FINAL")
    ]
    columns = [Column("Patients")]
    return Table("tlf-ends", "Final disposition", columns, rows, absent=NO_CONSENT, n=_consented())


def biomarker() -> Table:
    """`tlf-biomarker`: results of the screening samples with exact intervals."""
    rates = results("biomarker_yield")
    rows = []
    levels = rates.values("level")
    for level in levels:
        n, percent = rates.count(level=level), rates.percent(level=level)
        interval = limits(rates.rate("conf_low", level=level), rates.rate("conf_high", level=level))
        cells = (n_pct(n, percent), rates.count("N", level=level), interval)
        rows.append(Row(rates.label("level", level), cells))
    columns = [Column("n (%)"), Column("N"), Column(ci_header(rates, level=levels[0]))]
    return Table("tlf-biomarker", "Parameter", columns, rows)


def sets() -> Table:
    """`tlf-sets`: the analysis sets and their sizes."""
    from sap.displays import populations

    sizes, groups = results("analysis_sets"), ard.plan().study.groups
    rows = []
    for population in flags():
        if not sizes.has("n", population=population):
            continue
        if population in ("GROUPA", "RESCREENED") and not groups:
            continue
        words = populations.words(population)
        rows.append(Row(words[0].upper() + words[1:], (sizes.count(population=population),)))
    return Table("tlf-sets", "Analysis set", [Column("Patients")], rows)


def _unbroken(label: str) -> str:
    """A label whose comparison stays on one line."""
    return label.replace(" ≥ ", "\u00a0≥\u00a0").replace(" < ", "\u00a0<\u00a0")


def _line(level: str) -> tuple[str, Number]:
    """Label and count of a category, for a line inside a box."""
    flow_rows = results("flow")
    number = flow_rows.count(level=level, paramcd="BOX")
    return _unbroken(flow_rows.label("level", level)), number


def _lines(levels: Sequence[str]) -> list[tuple[str, Number]]:
    return [_line(level) for level in levels]


def diagram() -> Figure:
    """`tlf-flow-diagram`: from consent to treatment, with re-screening where the plan has it."""
    consented = _consented()
    if consented.text == "0":
        return Figure("tlf-flow-diagram", None, "", absent=NO_CONSENT)
    if ard.plan().biomarker is None:
        return _treated_or_not(consented)
    groups = ard.plan().study.groups
    of_cells = stated(ard.plan().biomarker).cell_count is not None
    needed = "marker_positive_ctc_minimum_met" if of_cells else STATES[0]
    qualified, number = _line(needed)[0], _line("qualified")[1]
    below = ("marker_positive_ctc_below_minimum",) if of_cells else ()
    not_known = (*below, *STATES[1:])
    counts = ("ctc_minimum_met", "ctc_below_minimum", "ctc_not_evaluable") if of_cells else ()
    not_treated = Box(
        "left", *_line(NOT_TREATED), 0, lines=_lines(NOT_TREATED_REASONS), tone="side"
    )
    treated = Box("treated", *_line("treated_first"), 1, tone="strong")
    group_b = _lines(("group_b",)) if groups else []
    rows = [
        [Box("consented", *_line("consented"), 1, span=2)],
        [
            Box("none", *_line("no_sample"), 0, tone="side"),
            Box("sampled", *_line("sampled"), 1, span=2, lines=_lines(counts)),
        ],
        [
            Box("qualifies", qualified, number, 1, lines=group_b, tone="strong"),
            Box("not", *_line("not_qualified"), 3, lines=_lines(not_known)),
        ],
    ]
    arrows = [
        Arrow("consented", "sampled"),
        Arrow("consented", "none"),
        Arrow("sampled", "qualifies"),
        Arrow("sampled", "not"),
        Arrow("qualifies", "treated"),
        Arrow("qualifies", "left"),
    ]
    for_group = f" for {ard.plan().wording.group_b_in_text}" if groups else ""
    alt = (
        f"Participant flow: {consented.text} patients consented, {_line('sampled')[1].text} gave a "
        f"sample, {number.text} qualified{for_group} and {_line('treated_first')[1].text} were treated."
    )
    if groups:
        rows += _rescreening_boxes(not_treated, treated)
        arrows += RESCREENING_ARROWS
        alt += (
            f" {_line('rescreened')[1].text} patients of group A were re-screened and "
            f"{_line('rescreened_treated')[1].text} of them were treated."
        )
    else:
        rows.append([not_treated, treated])
    image, text = flow_diagram(rows, arrows, 4), flow_list(rows, arrows)
    return Figure("tlf-flow-diagram", image, alt, n=consented, numbers=[consented], narrow=text)


def _treated_or_not(consented: Number) -> Figure:
    """The flow of a study without a biomarker: consented, then treated or not, with the reason."""
    treated, reasons = _line("treated_first"), _lines(("declined", "not_eligible"))
    boxes = [
        [Box("consented", *_line("consented"), 1, span=2)],
        [
            Box("declined", *reasons[0], 0, tone="side"),
            Box("treated", *treated, 1, span=2, tone="strong"),
            Box("ineligible", *reasons[1], 3, tone="side"),
        ],
    ]
    arrows = [Arrow("consented", name) for name in ("treated", "declined", "ineligible")]
    alt = (
        f"Participant flow: {consented.text} patients consented and {treated[1].text} were treated."
    )
    image, text = flow_diagram(boxes, arrows, 4), flow_list(boxes, arrows)
    return Figure("tlf-flow-diagram", image, alt, n=consented, numbers=[consented], narrow=text)


def _rescreening_boxes(not_treated: Box, treated: Box) -> list[list[Box]]:
    flow_rows, stays = results("flow"), "end_group_a_not_rescreened"
    not_rescreened = flow_rows.count_or_zero(level=stays, paramcd="FINAL")
    again_lines = _lines(NOT_TREATED_AGAIN_REASONS)
    return [
        [
            not_treated,
            treated,
            Box("not-a", *_line("not_qualified_not_allocated"), 2, tone="side"),
            Box("a", *_line("group_a"), 3),
        ],
        [
            Box("stay", flow_rows.label("level", stays), not_rescreened, 2, tone="side"),
            Box("again", *_line("rescreened"), 3),
        ],
        [
            Box("again-out", *_line("rescreened_not_qualified"), 2, tone="side"),
            Box("again-positive", *_line("rescreened_qualified"), 3, tone="strong"),
        ],
        [
            Box("again-left", *_line(NOT_TREATED_AGAIN), 2, lines=again_lines, tone="side"),
            Box("again-b", *_line("rescreened_treated"), 3, tone="strong"),
        ],
    ]


RESCREENING_ARROWS = (
    Arrow("not", "a"),
    Arrow("not", "not-a"),
    Arrow("a", "again"),
    Arrow("a", "stay"),
    Arrow("again", "sampled", "second sample", loop=True),
    Arrow("again", "again-positive"),
    Arrow("again", "again-out"),
    Arrow("again-positive", "again-b"),
    Arrow("again-positive", "again-left"),
)
