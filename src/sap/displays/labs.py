"""Laboratory: worst grade on treatment, shift from baseline, and concordance with reported events."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.formats import NC, NE, NOT_CALCULATED, of_data
from sap.displays.frame import Note
from sap.displays.marks import TiedNote
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct
from sap.displays.vitals import over_time

ALWAYS = ("0", "1", "2", "3", "4")
"""The grades with a column even where no patient has them."""
UNKNOWN = "0_or_1"
AT_MOST = ("reported_only", "neither")
"""The lines of the concordance that a patient with grade 0 or 1 may leave."""
BOUND = (
    "The grade of some patients is 0 or 1 because a limit of normal is missing: the count is a bound and has no "
    "percentage."
)
IS_BOUND = "bound"
"""The id of a cell whose count is a bound."""
UNGRADED = "Patients without a graded value on treatment included; see the table of worst grades."


def _label(rows: Results, code: str) -> str:
    """The test and the direction of its grading; of a test that is not in the catalogue the CTCAE term."""
    if not analysis(rows.analysis).item("paramcd", code).pattern:
        return rows.label("paramcd", code)
    return next(one.term for one in ard.plan().labs.gradings if one.code == code)


def _with_patients(rows: Results, axis: Literal["level", "sublevel"]) -> list[str]:
    """The grades that a patient has; 0 to 4 always."""

    def count(level: str) -> float:
        """The number of patients, over all tests."""
        places = [
            ArdKey(group="", paramcd=code, level=level)
            if axis == "level"
            else ArdKey(group="", paramcd=code, level=baseline, sublevel=level)
            for code in rows.values("paramcd")
            for baseline in ([""] if axis == "level" else rows.values("level", paramcd=code))
        ]
        counts = [rows.find("n", **place) for place in places if rows.has("n", **place)]
        return sum(n.value for n in counts if n.estimable)

    return [v for v in rows.values(axis) if v in ALWAYS or count(v)]


def worst() -> Table:
    """`tlf-lab-grade`: patients by worst grade on treatment, for each test."""
    grades = results("lab_grade")
    absent = not_recorded("lb", "laboratory value on treatment")
    if not len(grades):
        return Table("tlf-lab-grade", "Test", [Column("n (%)")], [], absent=absent)
    shares = ("severe_grade", "worsened")
    levels = [v for v in _with_patients(grades, "level") if v not in shares]
    rows = []
    for code in grades.values("paramcd"):
        cells: list[Content] = [
            grades.count(group="", paramcd=code, level=level) for level in levels
        ]
        cells += [_share(grades, ArdKey(group="", paramcd=code, level=level)) for level in shares]
        rows.append(Row(_label(grades, code), _without_zeros((*levels, *shares), cells)))
    columns = [
        Column(grades.label("level", level), under="Worst grade, patients") for level in levels
    ]
    columns += [Column(f"{grades.label('level', level)}, n (%)") for level in shares]
    n = grades.count("N", group="", paramcd=grades.values("paramcd")[0], level="severe_grade")
    notes = [*_unknown_grade(levels, "level"), TiedNote(BOUND, cells={"id": [IS_BOUND]})]
    return Table("tlf-lab-grade", "Test", columns, rows, notes=notes, absent=absent, n=n)


def _share(grades: Results, place: ArdKey) -> Content:
    """Count and percent; the count alone where no grade is known, and as a bound where some are 0 or 1."""
    n = grades.count(**place)
    if not grades.find("n", **place).estimable:
        return n
    if grades.find("estimate", **place).estimable:
        return n_pct(n, grades.percent(**place))
    return Cell(n, " or more", id=IS_BOUND)


def _without_zeros(levels: Sequence[str], cells: Sequence[Content]) -> list[Content]:
    """The cells of one line; a 0 under grade 0 or 1 is a dash where patients have grade `0 or 1`."""
    texts = dict(zip(levels, (c.text for c in cells if isinstance(c, Cell | Number)), strict=False))
    if texts.get(UNKNOWN, "0") in ("0", NE, NC):
        return list(cells)
    return [
        NOT_CALCULATED if level in ("0", "1") and texts[level] == "0" else cell
        for level, cell in zip(levels, cells, strict=True)
    ]


def _unknown_grade(
    levels: Sequence[str], axis: Literal["level", "sublevel"]
) -> list[Note | TiedNote]:
    """The note on grade `0 or 1`, where a patient has it, at its column; `axis` is that of the columns."""
    if UNKNOWN not in levels:
        return []
    note = (
        "Grades 0 and 1 cannot be distinguished because a limit of normal is missing; these patients are counted in "
        "neither of the two."
    )
    return [f"{NOT_CALCULATED}: number not known.", TiedNote(note, columns={axis: [UNKNOWN]})]


MEASURED = {"HGB": 1, "WBC": 1, "NEUT": 2, "LYM": 2, "PLAT": 0, "ALT": 0, "AST": 0, "ALP": 0, "GGT": 0,
            "BILI": 0, "CREAT": 0, "ALB": 0, "LDH": 0, "TESTOS": 1}  # fmt: skip
"""Decimals with which a test is measured; one of any other test."""
DECIMALS = {code: of_data(decimals) for code, decimals in MEASURED.items()}
DRAWN = ("HGB", "NEUT", "PLAT", "ALP", "ALT", "CREAT")


def course() -> Table:
    """Table 14.3.4.x: laboratory values by visit."""
    absent = not_recorded("lb", "laboratory value of a treated patient")
    return over_time("tlf-lab-values", "lab_values", DECIMALS, absent)


def course_figure() -> Figure:
    """Figure 14.3.4.x: medians and quartiles of laboratory values by visit."""
    from sap.displays.plots import medians_by_visit

    rows = results("lab_values")
    absent = not_recorded("lb", "laboratory value of a treated patient")
    codes = [code for code in rows.values("paramcd") if code in DRAWN]
    drawn: list[dict[str, object]] = []
    for code in codes:
        label = analysis("lab_values").text("paramcd", code, ard.plan())
        for visit in rows.values("level", paramcd=code):
            place = ArdKey(paramcd=code, level=visit, sublevel="value")
            summary = {name: rows.find(name, **place) for name in ("n", "median", "q1", "q3")}
            if summary["n"].value > 0:
                values = {name: summary[name].value for name in ("median", "q1", "q3")}
                drawn.append({"test": label, "visit": rows.label("level", visit), **values})
    if not drawn:
        return Figure("tlf-lab-course", None, "", absent=absent)
    visits = list(dict.fromkeys(str(row["visit"]) for row in drawn))
    n = rows.count("n", paramcd=codes[0], level="BASELINE", sublevel="value")
    plot = medians_by_visit(pd.DataFrame(drawn), visits)
    first = analysis("lab_values").text("paramcd", codes[0], ard.plan())
    alt = (
        f"Median and quartiles of {len(codes)} laboratory tests at {len(visits)} visits; "
        f"{first} at baseline was known in {n.text} patients."
    )
    return Figure("tlf-lab-course", plot, alt, height=5.0, numbers=(n,))


def shift() -> Table:
    """`tlf-lab-shift`: grade at baseline by worst grade on treatment."""
    shifts = results("lab_shift")
    absent = not_recorded("lb", "laboratory value at baseline and on treatment")
    if not len(shifts):
        return Table("tlf-lab-shift", "Grade at baseline", [Column("0")], [], absent=absent)
    measured = [v for v in _with_patients(shifts, "sublevel") if v != "not_measured"]
    rows: list[Row] = []
    without: list[str] = []
    for code in shifts.values("paramcd"):
        lines = []
        for baseline in shifts.values("level", paramcd=code):
            places = [ArdKey(group="", paramcd=code, level=baseline, sublevel=w) for w in measured]
            counts = [shifts.find("n", **p) for p in places if shifts.has("n", **p)]
            if baseline == "not_measured" or not any(count.value > 0 for count in counts):
                continue
            cells: list[Content] = [shifts.count_or_zero(**p) for p in places]
            label = shifts.label("level", baseline)
            label = f"Baseline {label[0].lower()}{label[1:]}"
            lines.append(Row(label, _without_zeros(measured, cells), "indent1"))
        if lines:
            rows += [Row(_label(shifts, code), kind="group"), *lines]
        else:
            without.append(_label(shifts, code))
    columns = [
        Column(shifts.label("sublevel", w), under="Worst grade on treatment, patients")
        for w in measured
    ]
    notes = _unknown_grade(measured, "sublevel")
    if without:
        tests = "; ".join(without)
        notes.append(f"No patient has a value at baseline and one on treatment: {tests}.")
    stub = "Test, grade at baseline"
    first = ArdKey(paramcd=shifts.values("paramcd")[0])
    first["level"] = shifts.values("level", **first)[0]
    first["sublevel"] = shifts.values("sublevel", **first)[0]
    n = shifts.count("N", **first)
    return Table("tlf-lab-shift", stub, columns, rows, notes=notes, absent=absent, n=n)


def reported() -> Table:
    """`tlf-lab-reported`: concordance of the laboratory grade and the reported adverse event."""
    concordance = results("lab_reported")
    absent = not_recorded("lb", "laboratory value on treatment")
    if not len(concordance):
        return Table("tlf-lab-reported", "Test", [Column("n (%)")], [], absent=absent)
    levels = concordance.values("level")
    rows: list[Row] = []
    for code in concordance.values("paramcd"):
        rows.append(Row(_label(concordance, code), kind="group"))
        for grade in concordance.values("sublevel", paramcd=code):
            cells = [
                _count_or_bound(
                    concordance, ArdKey(paramcd=code, level=level, sublevel=grade), level
                )
                for level in levels
            ]
            rows.append(Row(concordance.label("sublevel", grade), cells, "indent1"))
    first = concordance.values("paramcd")[0]
    n = concordance.count("N", paramcd=first, level="both", sublevel="severe_grade")
    columns = [Column(concordance.label("level", level)) for level in levels]
    terms = ard.plan().labs.reported_as
    counted = (
        f"{_label(concordance, code)}: {', '.join(coded(term).lower() for term in terms[code])}"
        for code in concordance.values("paramcd")
    )
    notes: list[Note | TiedNote] = [
        f"Preferred terms counted as reported. {'; '.join(counted)}.",
        TiedNote(UNGRADED, columns={"level": AT_MOST}),
        TiedNote(BOUND, cells={"id": [IS_BOUND]}),
    ]
    return Table("tlf-lab-reported", "Test, grade", columns, rows, notes=notes, absent=absent, n=n)


def _count_or_bound(concordance: Results, place: ArdKey, level: str) -> Content:
    """Count and percent; the count as a bound where the grade of some patient is 0 or 1."""
    n = concordance.count(**place)
    if not concordance.find("n", **place).estimable:
        return n
    if concordance.find("estimate", **place).estimable:
        return n_pct(n, concordance.percent(**place))
    return Cell(n, " or fewer" if level in AT_MOST else " or more", id=IS_BOUND)
