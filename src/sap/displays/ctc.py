"""Circulating tumour cells on treatment: response, depths of fall, and AR-V7 conversion."""

from sap import ard
from sap.displays import formats
from sap.displays.addressed import Place, results
from sap.displays.response import ci_header, rate_cells
from sap.displays.table import Column, Row, Table


def response() -> Table:
    """Table 14.2.2.1: CTC response of the evaluable, and with missing as failure."""
    found = results("ctc_response")
    lines = {"CTCEVAL": "CTC-evaluable", "PRIMARY": "Primary, missing is failure"}
    rows = [Row(words, rate_cells(found, population=p)) for p, words in lines.items()]
    columns = [Column("n (%)"), Column("N"), Column(ci_header(found, population="PRIMARY"))]
    return Table("tlf-ctc-response", "Analysis set", columns, rows)


def course() -> Table:
    """Table 14.2.2.2: every other answer about cells of the primary set, with two denominators."""
    found = results("ctc_course")
    rule = ard.table("plan")["ctc"]
    lines = {
        "CTC0": "To 0 cells, from 1 or more",
        "CTCRVIS": f"CTC response at {rule['visit'].lower()}",
    }
    for depth in rule["depths_pct"]:
        text = formats.as_collected(depth)
        lines[f"CTCF{text}"] = f"Fall of at least {text} %"
    lines["ARV7NEG"] = "AR-V7 positive to negative"
    rows: list[Row] = []
    for paramcd, words in lines.items():
        rows.append(Row(words, kind="group"))
        for group in ("evaluable", "missing is failure"):
            here = Place(population="PRIMARY", paramcd=paramcd, group=group)
            rows.append(Row(group.capitalize(), rate_cells(found, **here), "indent1"))
    header = ci_header(found, population="PRIMARY", paramcd="CTC0", group="evaluable")
    columns = [Column("n (%)"), Column("N"), Column(header)]
    return Table("tlf-ctc-course", "Answer", columns, rows)
