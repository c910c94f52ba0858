"""Medical history, prior anticancer therapy and concomitant medication."""

from sap.catalogue import fold
from sap.displays.ard_lookup import ArdKey, results
from sap.displays.disposition import columns_of, head
from sap.displays.escape import coded
from sap.displays.record import not_recorded
from sap.displays.table import Column, Content, Row, Table, n_pct


def _by_frequency(display_id: str, analysis: str, stub: str, absent: str) -> Table:
    """Any, then each level by descending frequency in the last column, its sublevels below it."""
    rows = results(analysis)
    if not len(rows):
        return Table(display_id, stub, [Column("n (%)")], [], absent=absent)
    columns = columns_of(rows, level="any", sublevel="")

    def line(label: Content, level: str, sublevel: str = "") -> Row:
        places: list[ArdKey] = [{**c, "level": level, "sublevel": sublevel} for c in columns]
        cells = [n_pct(rows.count(**place), rows.percent(**place)) for place in places]
        return Row(label, cells, "indent1" if sublevel else "")

    def frequency(level: str, sublevel: str = "") -> float:
        place: ArdKey = {**columns[-1], "level": level, "sublevel": sublevel}
        return rows.find("n", **place).value

    lines = [line(rows.label("level", "any"), "any")]
    levels = [level for level in rows.values("level") if level != "any"]
    for level in sorted(levels, key=lambda name: (-frequency(name), name)):
        lines.append(line(coded(rows.label("level", level)), level))
        drugs = [drug for drug in rows.values("sublevel", level=level) if drug]
        if [fold(drug) for drug in drugs] == [fold(level)]:  # the kind is all that was recorded
            continue
        lines += [
            line(coded(rows.label("sublevel", drug)), level, drug)
            for drug in sorted(drugs, key=lambda name: (-frequency(level, name), name))
        ]
    heads = [head(rows, column, level="any", sublevel="") for column in columns]
    return Table(display_id, stub, heads, lines)


def medical_history() -> Table:
    """Table 14.1.x: conditions of the medical history by term."""
    absent = not_recorded("mh", "condition of the medical history")
    return _by_frequency("tlf-medical-history", "medical_history", "Condition", absent)


def prior_therapy() -> Table:
    """Table 14.1.x: prior anticancer therapy by kind and drug."""
    absent = not_recorded("cm", "prior anticancer therapy")
    return _by_frequency("tlf-prior-therapy", "prior_therapy", "Kind and drug", absent)


def concomitant() -> Table:
    """Table 14.1.x: concomitant medication by class and drug."""
    absent = not_recorded("cm", "concomitant medication")
    return _by_frequency("tlf-concomitant", "concomitant_medication", "Class and drug", absent)
