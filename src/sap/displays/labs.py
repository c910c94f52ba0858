"""Laboratory: worst grade on treatment, shift from baseline, and what was reported beside it."""

from collections.abc import Sequence

from sap import ard
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.escape import coded
from sap.displays.formats import NE, NOT_CALCULATED
from sap.displays.frame import Note
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct
from sap.plan.model import gradings

TESTS = {
    "HGB": "Haemoglobin, low",
    "WBC": "Leukocytes, low",
    "NEUT": "Neutrophils, low",
    "LYM": "Lymphocytes, low",
    "PLAT": "Platelets, low",
    "ALT": "ALT, high",
    "AST": "AST, high",
    "ALP": "Alkaline phosphatase, high",
    "GGT": "Gamma-GT, high",
    "BILI": "Bilirubin, high",
    "CREAT": "Creatinine, high",
    "ALB": "Albumin, low",
}
# A patient whose grade 1 cannot be told from 0 may leave these lines and enter the others.
AT_MOST = ("reported only", "neither")
OPEN = (
    "Where grade 1 cannot be told from 0 in some patients, for want of a limit of normal, a count is a bound "
    "and has no percentage."
)
UNGRADED = (
    "A patient without a graded value on treatment is not under 'Laboratory', so he stands under 'Reported "
    "only' or 'Neither'; the table of worst grades counts such patients."
)
SHOWN = ("0", "0 OR 1", "1", "2", "3", "4")
HEADS = {"0 OR 1": "0 or 1", "NOT GRADED": "Not graded", "NOT MEASURED": "Not measured"}


def _tests(found: Results) -> list[str]:
    known = found.values("paramcd")
    return [code for code in TESTS if code in known] + [c for c in known if c not in TESTS]


def _label(code: str) -> str:
    """The test and the side of normal it is graded on; of a test of another plan its CTCAE term."""
    terms = {one.code: one.term for one in gradings(ard.table("plan")["labs"]["terms"])}
    return TESTS.get(code) or terms[code]


def _used(found: Results, levels: tuple[str, ...], axis: str) -> list[str]:
    """The grades that somebody has; 0 to 4 always."""
    rare = [v for v in levels if v not in ("0", "1", "2", "3", "4")]

    def anybody(level: str) -> bool:
        places = [
            ArdKey(group="", paramcd=code, **{axis: level})  # type: ignore[misc]
            for code in _tests(found)
        ]
        if axis == "level":
            counts = [found.find("n", **p) for p in places if found.has("n", **p)]
        else:
            counts = [
                found.find("n", **p, level=base)  # type: ignore[misc]
                for p in places
                for base in found.values("level", paramcd=p["paramcd"])
                if found.has("n", **p, level=base)  # type: ignore[misc]
            ]
        return any(count.value > 0 for count in counts)

    return [v for v in levels if v not in rare or anybody(v)]


def worst() -> Table:
    """Table 14.3.4.1: patients by worst grade on treatment, for each test."""
    found = results("lab_grade")
    absent = not_recorded("lb", "laboratory value on treatment")
    if not len(found):
        return Table("tlf-lab-grade", "Test", [Column("n (%)")], [], absent=absent)
    severe = next(v for v in found.values("level") if v.startswith("Grade >= "))
    levels = [*_used(found, (*SHOWN, "NOT GRADED", "NOT MEASURED"), "level"), severe]
    rows = []
    for code in _tests(found):
        cells: list[Content] = []
        for level in levels:
            place = ArdKey(group="", paramcd=code, level=level)
            n = found.count(**place)
            share = level == severe and found.find("n", **place).estimable
            cells.append(n_pct(n, found.percent(**place)) if share else n)
        rows.append(Row(_label(code), _untold(levels, cells)))
    columns = [
        Column(HEADS.get(v, v), under="" if v == severe else "Worst grade, patients")
        for v in levels[:-1]
    ]
    columns.append(Column(f"{severe}, n (%)"))
    n = found.count("N", group="", paramcd=_tests(found)[0], level=severe)
    notes = _told_apart(levels)
    return Table("tlf-lab-grade", "Test", columns, rows, notes=notes, absent=absent, n=n)


def _untold(levels: Sequence[str], cells: Sequence[Content]) -> list[Content]:
    """The cells of one line; a 0 under grade 0 or 1 is a dash where patients stand under `0 or 1`."""
    texts = dict(zip(levels, (c.text for c in cells if isinstance(c, Cell | Number)), strict=False))
    if texts.get("0 OR 1", "0") in ("0", NE):
        return list(cells)
    return [
        NOT_CALCULATED if level in ("0", "1") and texts[level] == "0" else cell
        for level, cell in zip(levels, cells, strict=True)
    ]


def _told_apart(levels: Sequence[str]) -> list[Note]:
    """Who stands under `0 or 1`, where somebody does."""
    if "0 OR 1" not in levels:
        return []
    words = (
        "A patient whose grades 0 and 1 cannot be told apart, for want of a limit of normal, stands "
        f"under '0 or 1' and in neither of the two; {NOT_CALCULATED} there: how many is not known."
    )
    return [words]


def shift() -> Table:
    """Table 14.3.4.2: grade at baseline by worst grade on treatment."""
    found = results("lab_shift")
    absent = not_recorded("lb", "laboratory value at baseline and on treatment")
    if not len(found):
        return Table("tlf-lab-shift", "Grade at baseline", [Column("0")], [], absent=absent)
    worst_ = _used(found, (*SHOWN, "NOT GRADED"), "sublevel")
    rows: list[Row] = []
    unknown = []
    for code in _tests(found):
        lines = []
        for base in (*SHOWN, "NOT GRADED"):
            places = [ArdKey(group="", paramcd=code, level=base, sublevel=w) for w in worst_]
            counts = [found.find("n", **p) for p in places if found.has("n", **p)]
            if not any(count.value > 0 for count in counts):
                continue
            cells: list[Content] = [found.count_or_zero(**p) for p in places]
            words = f"Baseline {HEADS.get(base, base).lower()}"
            lines.append(Row(words, _untold(worst_, cells), "indent1"))
        if lines:
            rows += [Row(_label(code), kind="group"), *lines]
        else:
            unknown.append(_label(code).partition(",")[0])
    columns = [Column(HEADS.get(w, w), under="Worst grade on treatment, patients") for w in worst_]
    first = ArdKey(group="", paramcd=_tests(found)[0])
    places = [
        ArdKey(**first, level=b, sublevel=w)
        for b in found.values("level", **first)
        for w in found.values("sublevel", **first)
    ]
    n = next((found.count("N", **p) for p in places if found.has("N", **p)), None)
    notes = _told_apart(worst_)
    if unknown:
        words = "No patient has a value at baseline and one on treatment of"
        notes.append(f"{words}: {', '.join(unknown)}.")
    stub = "Test, grade at baseline"
    return Table("tlf-lab-shift", stub, columns, rows, notes=notes, absent=absent, n=n)


def reported() -> Table:
    """Table 14.3.4.3: low values by the laboratory and as adverse events: two views of one thing."""
    found = results("lab_reported")
    absent = not_recorded("lb", "laboratory value on treatment")
    if not len(found):
        return Table("tlf-lab-reported", "Test", [Column("n (%)")], [], absent=absent)
    kinds = {
        "laboratory": "Laboratory",
        "reported": "Reported",
        "both": "Both",
        "laboratory only": "Laboratory only",
        "reported only": "Reported only",
        "neither": "Neither",
    }
    rows: list[Row] = []
    for code in _tests(found):
        rows.append(Row(_label(code), kind="group"))
        for grade in found.values("sublevel", paramcd=code):
            cells: list[Content] = []
            for level in kinds:
                place = ArdKey(paramcd=code, level=level, sublevel=grade)
                cells.append(_perhaps_a_bound(found, place, level))
            rows.append(Row(grade, cells, "indent1"))
    first = _tests(found)[0]
    grade = found.values("sublevel", paramcd=first)[0]
    n = found.count("N", paramcd=first, level="both", sublevel=grade)
    columns = [Column(words) for words in kinds.values()]
    cells_of = [cell for row in rows for cell in row.cells if isinstance(cell, Cell)]
    bounds = any(" or " in cell.text for cell in cells_of)
    terms = ard.table("plan")["labs"]["reported_as"]
    counted = (
        f"{_label(code).lower()}: {', '.join(coded(term).lower() for term in terms[code])}"
        for code in _tests(found)
    )
    notes = [f"Terms that count as reported: {'; '.join(counted)}."]
    notes += [UNGRADED, *([OPEN] if bounds else [])]
    return Table("tlf-lab-reported", "Test, grade", columns, rows, notes=notes, absent=absent, n=n)


def _perhaps_a_bound(found: Results, place: ArdKey, level: str) -> Content:
    """Count and percent; the count as a bound where grade 1 cannot be told from 0 in some patient."""
    n = found.count(**place)
    if not found.find("n", **place).estimable:
        return n
    if found.find("estimate", **place).estimable:
        return n_pct(n, found.percent(**place))
    return Cell(n, " or fewer" if level in AT_MOST else " or more")
