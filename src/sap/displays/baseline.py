"""Demographics and baseline characteristics."""

from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, results
from sap.displays.disposition import columns_of
from sap.displays.disposition import head as head_of
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct, pair, span

# PARAMCD, its words, and with how many decimals it is collected; None: a category. {volume} is that of
# the blood in which the plan counts cells.
CHARACTERISTICS: tuple[tuple[str, str, int | None], ...] = (
    ("AGE", "Age (years)", 0),
    ("ECOG", "ECOG performance status", None),
    ("TSDIAG", "Time since diagnosis (years)", 1),
    ("TSMET", "Time since metastases (years)", 1),
    ("GLEASON", "Gleason score at diagnosis", None),
    ("DOCETAX", "Docetaxel before", None),
    ("ARSI", "Abiraterone or enzalutamide before", None),
    ("NARSI", "Of abiraterone and enzalutamide, how many before", None),
    ("RADIO", "Radiotherapy before", None),
    ("PSA", "PSA (ug/L)", 1),
    ("CTC", "CTC (per {volume})", 0),
    ("ARV7", "AR-V7", None),
)
LABORATORY: tuple[tuple[str, str, int | None], ...] = (
    ("HGB", "Haemoglobin (mmol/L)", 1),
    ("WBC", "Leukocytes (10^9/L)", 1),
    ("NEUT", "Neutrophils (10^9/L)", 1),
    ("LYM", "Lymphocytes (10^9/L)", 1),
    ("PLAT", "Platelets (10^9/L)", 0),
    ("ALP", "Alkaline phosphatase (U/L)", 0),
    ("LDH", "Lactate dehydrogenase (U/L)", 0),
    ("ALT", "ALT (U/L)", 0),
    ("AST", "AST (U/L)", 0),
    ("BILI", "Bilirubin (umol/L)", 0),
    ("CREAT", "Creatinine (umol/L)", 0),
    ("ALB", "Albumin (g/L)", 0),
    ("TESTOS", "Testosterone (nmol/L)", 1),
)
ORDER = {"Y": "0 Yes", "N": "1 No", "Missing": "9"}
WORDS = {"Y": "Yes", "N": "No"}


def _category(paramcd: str, columns: list[ArdKey]) -> list[Row]:
    found = results("baseline")
    rows: list[Row] = []
    for level in sorted(
        found.values("level", paramcd=paramcd),
        key=lambda v: (v == "Missing", ORDER.get(v, v.rjust(12))),
    ):
        cells: list[Content] = []
        for column in columns:
            place = ArdKey(**column, paramcd=paramcd, level=level)
            cells.append(n_pct(found.count(**place), found.percent(**place)))
        if level != "Missing" or any(cell.text != "0" for cell in cells if isinstance(cell, Cell)):
            rows.append(Row(WORDS.get(level, level), cells, "indent1"))
    return rows


def _number(paramcd: str, decimals: int, columns: list[ArdKey]) -> list[Row]:
    found = results("baseline")
    places = [ArdKey(**column, paramcd=paramcd) for column in columns]
    several = [bool(found.find("n", **p).value) for p in places]

    def only(p: ArdKey, there: bool, made: Cell) -> Content:
        return made if there else found.fixed("median", decimals, **p)

    rows = [
        Row("n", [found.count("n", **p) for p in places], "indent1"),
        Row(
            "Mean (SD)",
            [
                only(p, t, pair(found.fixed("mean", decimals + 1, **p), found.fixed("sd", decimals + 2, **p)))
                for p, t in zip(places, several, strict=True)
            ],
            "indent1",
        ),
        Row(
            "Median (Q1, Q3)",
            [
                only(
                    p,
                    t,
                    Cell(
                        found.fixed("median", decimals + 1, **p),
                        " (",
                        found.fixed("q1", decimals + 1, **p),
                        ", ",
                        found.fixed("q3", decimals + 1, **p),
                        ")",
                    ),
                )
                for p, t in zip(places, several, strict=True)
            ],
            "indent1",
        ),
        Row(
            "Min, max",
            [
                only(p, t, span(found.fixed("min", decimals, **p), found.fixed("max", decimals, **p)))
                for p, t in zip(places, several, strict=True)
            ],
            "indent1",
        ),
    ]  # fmt: skip
    return rows


def _table(display_id: str, asked: tuple[tuple[str, str, int | None], ...]) -> Table:
    found = results("baseline")
    known = set(found.values("paramcd"))
    columns = columns_of(found, paramcd="AGE")
    rows: list[Row] = []
    missing = []
    for paramcd, words, decimals in asked:
        if paramcd not in known:
            missing.append(words.partition(" (")[0])
            continue
        rows.append(Row(words.format(volume=plan_text.counted_in()), kind="group"))
        rows += (
            _category(paramcd, columns) if decimals is None else _number(paramcd, decimals, columns)
        )
    heads: list[Column] = [head_of(found, c, paramcd="AGE") for c in columns]
    notes = [f"Not in the data: {', '.join(missing)}."] if missing else []
    absent = not_recorded("lb", "laboratory value at baseline")
    return Table(display_id, "Characteristic", heads, rows, notes=notes, absent=absent)


def characteristics() -> Table:
    """Table 14.1.8: age, status, disease and what came before."""
    return _table("tlf-baseline", CHARACTERISTICS)


def laboratory() -> Table:
    """Table 14.1.9: laboratory values at baseline."""
    return _table("tlf-baseline-labs", LABORATORY)
