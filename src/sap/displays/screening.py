"""Screening, allocation and re-screening: who reached which box."""

from sap import ard
from sap.displays.ard_lookup import Number, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.flow_diagram import Arrow, Box, flow_diagram
from sap.displays.response import ci_header
from sap.displays.table import Column, Row, Table, limits, n_pct

FIRST = ("Consented", "Sampled", "CTC evaluable", "CTC not evaluable")
LEFT = "Qualified, not treated"
LEFT_WHY = ("declined", "not eligible", "other")
AGAIN_WHY = ("not eligible", "declined", "other")
# At whatever step it happened up to the first allocation, so with patients who gave no sample.
ANYWHERE = {
    "Declined": "Declined at the first screening, sample or not",
    "Not eligible": "Not eligible at the first screening, sample or not",
}
ENDS = (
    "Consented, no sample",
    "Sampled, not allocated",
    "Declined after the first screening",
    "Not eligible after the first screening",
    "Group B, not treated",
    "Treated after the first screening",
    "Group A, not re-screened",
    "Re-screened, not treated",
    "Treated through re-screening",
)
SETS = (
    "SCREENED", "MARKERPOS", "PRIMARY", "PSAEVAL", "PERPROT", "CTCEVAL", "MEASURABLE", "GROUPA",
    "RESCREENED", "SAFETY", "PKEVAL",
)  # fmt: skip


def _count(level: str) -> Row:
    return Row(level, (results("flow").count(level=level, paramcd="BOX"),))


def _consented() -> Number:
    return results("flow").count(level="Consented", paramcd="BOX")


def _by_prefix(*prefixes: str) -> list[str]:
    levels = results("flow").values("level", paramcd="BOX")
    return [level for prefix in prefixes for level in levels if level.startswith(prefix)]


def flow() -> Table:
    """Table 14.1.1: the boxes of the flow, in the order in which a patient meets them."""
    found = results("flow")
    rows = [_count(level) for level in FIRST]
    counts = [level for level in _by_prefix("CTC ") if level not in FIRST]
    rows += [Row("Count", kind="group")]
    rows += [Row(level, _count(level).cells, "indent1") for level in counts]
    rows += [Row("AR-V7 at the first screening", kind="group")]
    for state in ("positive", "negative", "undetermined", "not done"):
        whole = f"AR-V7 {state}"
        rows.append(Row(state.capitalize(), _count(whole).cells, "indent1"))
        for level in _by_prefix(f"{whole}, "):
            # The state again: a page may begin with this line.
            words = state.capitalize() + level.removeprefix(whole)
            rows.append(Row(words, _count(level).cells, "indent2"))
        reasons = found.values("sublevel", level=whole, paramcd="REASON")
        for reason in reasons:
            number = found.count(level=whole, sublevel=reason, paramcd="REASON")
            rows.append(Row(coded(reason), (number,), "indent2"))
    groups = bool(ard.table("plan")["study"]["groups"])
    rows += [Row("Allocation and treatment", kind="group")]
    for level in (
        *(("Group A", "Group B") if groups else ()),
        "Treated in group B after first screening",
        LEFT,
    ):
        first = " at the first allocation" if level.startswith("Group") else ""
        rows.append(Row(level + first, _count(level).cells, "indent1"))
    for why in LEFT_WHY:
        rows.append(Row(why.capitalize(), _count(f"{LEFT}: {why}").cells, "indent2"))
    for level, words in ANYWHERE.items():
        rows.append(Row(words, _count(level).cells, "indent1"))
    if groups:
        rows += [Row("Re-screening", kind="group")]
        for level in _by_prefix("Re-screened"):
            why = level.partition(": ")[2]
            rows.append(
                Row(why.capitalize() or level, _count(level).cells, "indent2" if why else "indent1")
            )
        for level in (
            "Second eligibility check failed",
            "Allocated to group B after re-screening",
            "Treated in group B after re-screening",
        ):
            rows.append(Row(level, _count(level).cells, "indent1"))
    return Table("tlf-flow", "Box", [Column("Patients")], rows, n=_consented())


def ends() -> Table:
    """Table 14.1.2: the one line in which each patient ends."""
    found = results("flow")
    rows = [
        Row(level, (found.count(level=level, paramcd="FINAL"),))
        for level in sorted(found.values("level", paramcd="FINAL"), key=ENDS.index)
    ]
    absent = "Not in the data: no patient consented."
    return Table("tlf-ends", "End", [Column("Patients")], rows, absent=absent, n=_consented())


def biomarker() -> Table:
    """Table 14.1.3: yield of the screening with exact intervals."""
    found = results("biomarker_yield")
    order = (
        "CTC evaluable",
        "AR-V7 determined",
        "AR-V7 positive of determined",
        "AR-V7 positive of sampled",
        "AR-V7 positive and enough CTC, of sampled",
    )
    rows = []
    for level in order:
        n, percent = found.count(level=level), found.percent(level=level)
        interval = limits(
            found.percent("conf_low", level=level), found.percent("conf_high", level=level)
        )
        rows.append(Row(level, (n_pct(n, percent), found.count("N", level=level), interval)))
    columns = [Column("n (%)"), Column("N"), Column(ci_header(found, level=order[0]))]
    return Table("tlf-biomarker", "Share", columns, rows)


def sets() -> Table:
    """Table 14.1.4: the analysis sets and their sizes."""
    from sap.displays import populations

    found = results("analysis_sets")
    rows = []
    groups = bool(ard.table("plan")["study"]["groups"])
    for population in sorted(found.values("population"), key=SETS.index):
        if population in ("GROUPA", "RESCREENED") and not groups:
            continue
        words = populations.words(population)
        rows.append(Row(words[0].upper() + words[1:], (found.count(population=population),)))
    return Table("tlf-sets", "Set", [Column("Patients")], rows)


def _box_of(words: str) -> str:
    """The ARD level that begins with `words` and carries the plan's threshold."""
    return next(v for v in results("flow").values("level", paramcd="BOX") if v.startswith(words))


def _ended(level: str) -> str:
    """How many ended in one line of `ends`; a line no patient ended in is not in the ARD."""
    found = results("flow")
    return found.count_or_zero(level=level, paramcd="FINAL").text


def diagram() -> Figure:
    """Figure 10-1: from consent to treatment, with the loop of re-screening where there is one."""
    found = results("flow")
    if not found.find("n", level="Consented", paramcd="BOX").value:
        return Figure("tlf-flow-diagram", None, "", absent="Not in the data: no patient consented.")

    def n(level: str) -> str:
        return found.count(level=level, paramcd="BOX").text

    groups = bool(ard.table("plan")["study"]["groups"])
    positive = _box_of("AR-V7 positive, CTC >=")
    few = _box_of("AR-V7 positive, CTC <")

    def words(level: str) -> str:
        return level.replace(">= ", "≥\u00a0").replace("< ", "<\u00a0")

    states = [(s, n(f"AR-V7 {s}")) for s in ("negative", "undetermined", "not done")]
    split = (_box_of("CTC <"), _box_of("CTC >="), "CTC not evaluable")
    counts = [(words(level), n(level)) for level in split]
    left = [(why, n(f"{LEFT}: {why}")) for why in LEFT_WHY]
    to_b = [("group B", n("Group B"))] if groups else []
    treated = n("Treated in group B after first screening")
    qualified = [
        Box(
            "left",
            LEFT,
            n(LEFT),
            0,
            lines=left,
            tone="side",
        ),
        Box("treated", "Treated with cabazitaxel", treated, 1, tone="strong"),
    ]
    rows = [
        [Box("consented", "Consented", n("Consented"), 1, span=2)],
        [
            Box("none", "No sample", n("No sample"), 0, tone="side"),
            Box("sampled", "Blood sample", n("Sampled"), 1, span=2, lines=counts),
        ],
        [
            Box(
                "qualifies",
                words(positive),
                n("Qualifies for group B"),
                1,
                lines=to_b,
                tone="strong",
            ),
            Box(
                "not",
                "Does not qualify",
                n("Does not qualify"),
                3,
                lines=[(words(few), n(few)), *states],
            ),
        ],
    ]
    arrows = [
        Arrow("consented", "sampled"),
        Arrow("consented", "none"),
        Arrow("sampled", "qualifies"),
        Arrow("sampled", "not"),
    ]
    arrows += [Arrow("qualifies", "treated"), Arrow("qualifies", "left")]
    if groups:
        again = _box_of("Re-screened, AR-V7 positive")
        out = n("Does not qualify, not in group A")
        lost = "Re-screened, qualified, not treated"
        why = [(reason, n(f"{lost}: {reason}")) for reason in AGAIN_WHY]
        rows += [
            [
                *qualified,
                Box("not-a", "Not allocated", out, 2, tone="side"),
                Box("a", "Group A", n("Group A"), 3),
            ],
            [
                Box("stay", "Not re-screened", _ended("Group A, not re-screened"), 2, tone="side"),
                Box("again", "Re-screened after progression", n("Re-screened"), 3),
            ],
            [
                Box("again-out", "Does not qualify", n("Re-screened, does not qualify"), 2, tone="side"),
                Box("again-positive", words(again).removeprefix("Re-screened, "), n(again), 3, tone="strong"),
            ],
            [
                Box("again-left", "Qualified, not treated", n(lost), 2, lines=why, tone="side"),
                Box("again-b", "Treated with cabazitaxel", n("Treated in group B after re-screening"), 3, tone="strong"),
            ],
        ]  # fmt: skip
        arrows += [
            Arrow("not", "a"),
            Arrow("not", "not-a"),
            Arrow("a", "again"),
            Arrow("a", "stay"),
            Arrow("again", "sampled", "second sample", loop=True),
            Arrow("again", "again-positive"),
            Arrow("again", "again-out"),
            Arrow("again-positive", "again-b"),
            Arrow("again-positive", "again-left"),
        ]
    else:
        rows += [qualified]
    loop = (
        f" {n('Re-screened')} patients of group A were screened again and "
        f"{n('Treated in group B after re-screening')} of them treated in group B."
        if groups
        else ""
    )
    alt = (
        f"Flow of screening: {n('Consented')} patients consented, {n('Sampled')} gave a sample, "
        f"{n('Qualifies for group B')} qualified for group B and {treated} were treated.{loop}"
    )
    consented = _consented()
    drawn = flow_diagram(rows, arrows, 4)
    return Figure("tlf-flow-diagram", drawn, alt, n=consented, numbers=[consented])
