"""Disposition and protocol deviations: who left, when and why, and what was done against the protocol."""

from typing import Unpack

from sap import ard
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.escape import coded
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct

TREATED = "TREATED"
HEADS = {
    ("PRIMARY", ""): "Primary",
    ("RESCREENED", TREATED): "Re-screened, treated",
    ("RESCREENED", ""): "Re-screened, all",
    ("SAFETY", ""): "All treated",
    ("GROUPA", ""): "Group A",
    ("SCREENED", ""): "All screened",
}
OF_GROUPS = ("RESCREENED", "GROUPA")


def columns_of(found: Results, **where: Unpack[ArdKey]) -> list[ArdKey]:
    """The columns that an analysis has, in the order of `HEADS`; none of groups the trial has not."""
    groups = bool(ard.table("plan")["study"]["groups"])
    shown = []
    for population, group in HEADS:
        place = ArdKey(population=population, group=group)
        here: ArdKey = {**where, "population": population}
        there = group in found.values("group", **here)
        if there and (groups or population not in OF_GROUPS):
            shown.append(place)
    return shown


def head(found: Results, place: ArdKey, **where: Unpack[ArdKey]) -> Column:
    """A column header with the size of its set."""
    whole: ArdKey = {**place, **where}
    return Column(HEADS[place["population"], place["group"]], found.count("N", **whole))


def _ends(display_id: str, paramcd: str, ended: str, stub: str) -> Table:
    found = results("disposition")
    columns = columns_of(found, paramcd=paramcd)
    reasons = [
        level
        for level in found.values("level", paramcd=paramcd)
        if level != "Ended" and not level.startswith("No end")
    ]
    size = {
        r: sum(found.find("n", **ArdKey(**c, paramcd=paramcd, level=r)).value for c in columns)
        for r in reasons
    }
    reasons.sort(key=lambda r: (r == "Other", -size[r], r))
    open_end = next(
        v for v in found.values("level", paramcd=paramcd) if v.startswith("No end recorded")
    )

    def line(label: str, level: str, kind: str) -> Row:
        cells: list[Content] = []
        for column in columns:
            place = ArdKey(**column, paramcd=paramcd, level=level)
            cells.append(n_pct(found.count(**place), found.percent(**place)))
        return Row(label, cells, "indent1" if kind else "")

    rows = [line(ended, "Ended", "")]
    rows += [line(reason, reason, "indent1") for reason in reasons]
    rows.append(line(open_end, open_end, ""))
    heads = [head(found, c, paramcd=paramcd, level="Ended") for c in columns]
    return Table(display_id, stub, heads, rows)


def treatment() -> Table:
    """Table 14.1.5: end of study treatment, by reason."""
    return _ends("tlf-treatment-end", "TREATMENT", "Treatment ended", "Reason")


def participation() -> Table:
    """Table 14.1.6: end of participation in the study, by reason."""
    return _ends("tlf-study-end", "STUDY", "Participation ended", "Reason")


def deviations() -> Table:
    """Table 14.1.7: protocol deviations by category and term."""
    found = results("protocol_deviations")
    absent = not_recorded("dv", "protocol deviation")
    if not len(found):
        return Table("tlf-deviations", "Deviation", [Column("Patients, n (%)")], [], absent=absent)
    columns = columns_of(found)

    def line(label: str, level: str, sublevel: str, kind: str) -> Row:
        cells: list[Content] = []
        for column in columns:
            place = ArdKey(**column, level=level, sublevel=sublevel)
            share = n_pct(found.count(**place), found.percent(**place))
            events = found.count("n_events", **place)
            cells.append(share if events.text == "0" else Cell(*share.parts, "; ", events))
        return Row(label, cells, "indent1" if kind == "indent1" else "")

    rows = [line("Any deviation", "Any", "", "")]
    levels = [v for v in found.values("level") if v != "Any"]
    for level in sorted(levels, key=lambda v: (v != "Major", v)):
        rows.append(line(level, level, "", ""))
        terms = [v for v in found.values("sublevel", level=level) if v]
        everyone = columns[-1]
        size = {
            t: found.find("n", **ArdKey(**everyone, level=level, sublevel=t)).value for t in terms
        }
        for term in sorted(terms, key=lambda t: (-size[t], t)):
            rows.append(line(coded(term), level, term, "indent1"))
    heads = [head(found, c, level="Any", sublevel="") for c in columns]
    return Table("tlf-deviations", "Deviation", heads, rows)
