"""Lesions from TU and TR: whose readings count, baseline lesions, assessments, and sizes, by hand."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from sap.derivations.lesions import (
    Assessment,
    Lesion,
    assessments,
    by_subject,
    lesions,
    new_lesions,
    of_evaluator,
    of_link,
    records,
    state_of,
    sums_of,
)
from sap.errors import PlanError
from sap.plan import read_plan

RULE = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan.tumour
NON = "NON-CR/NON-PD"
DOSE = pd.Timestamp("2018-01-01")
Row = dict[str, Any]


def day(number: int | None) -> pd.Timestamp | None:
    return None if number is None else DOSE + pd.Timedelta(days=number)


class Course(NamedTuple):
    """The days of a course that decide on its lesions."""

    TRTSDT: pd.Timestamp = DOSE
    BEGINDT: Any = pd.NaT


COURSE = Course()


def tu(link: str, when: int | None, result: str | None = "TARGET", **more: Any) -> Row:
    row = {
        "TUSEQ": 1.0, "TUGRPID": None, "TULNKID": link, "TUTESTCD": "TUMIDENT", "TUSTRESC": result,
        "TULOC": "LIVER", "TUMETHOD": "CT SCAN", "DAY": day(when),
    }  # fmt: skip
    return row | more


def tr(link: str | None, when: int, size: float | None = None, **more: Any) -> Row:
    row = {
        "TRSEQ": 1.0, "TRLNKID": link, "TRTESTCD": "LDIAM", "TRORRES": None, "TRSTRESC": None,
        "TRSTRESN": size, "TRREASND": None, "DAY": day(when),
    }  # fmt: skip
    return row | more


def state(link: str, when: int, word: str, code: str = "TUMSTATE") -> Row:
    return tr(link, when, TRTESTCD=code, TRSTRESC=word)


# ---- whose readings count ------------------------------------------------------------------------

READERS = """
    TRSEQ | TREVAL               | TREVALID      | TRACPTFL
    ------+----------------------+---------------+---------
    1     | INVESTIGATOR         |               | Y
    2     |                      |               |
    3     | INDEPENDENT ASSESSOR | RADIOLOGIST 1 | Y
    4     | INDEPENDENT ASSESSOR | RADIOLOGIST 2 |
    5     | INVESTIGATOR         | SITE          | N
"""


@pytest.mark.parametrize(
    "evaluator, evaluator_id, expected",
    [
        ("INVESTIGATOR", None, [1]),  # accepted, of the investigator
        ("INVESTIGATOR", "SITE", [5]),  # named: the acceptance does not matter
        ("INDEPENDENT ASSESSOR", None, [3]),
        ("INDEPENDENT ASSESSOR", "RADIOLOGIST 2", [4]),
        ("INDEPENDENT ASSESSOR", "RADIOLOGIST 3", []),
    ],
)
def test_readings_of_the_evaluator_of_the_plan_are_kept(
    patients, evaluator, evaluator_id, expected
):
    rule = RULE.model_copy(update={"evaluator": evaluator, "evaluator_id": evaluator_id})
    assert of_evaluator(patients(READERS), "tr", rule)["TRSEQ"].tolist() == expected


def test_a_reading_without_an_evaluator_is_of_the_investigator_only(patients):
    table = patients(READERS).assign(TRACPTFL=None)
    assert of_evaluator(table, "tr", RULE)["TRSEQ"].tolist() == [1, 2, 5]
    other = RULE.model_copy(update={"evaluator": "INDEPENDENT ASSESSOR"})
    one = table[table["TRSEQ"] != 4]
    assert of_evaluator(one, "tr", other)["TRSEQ"].tolist() == [3]  # one reader needs no acceptance
    with pytest.raises(PlanError, match="RADIOLOGIST 1 and RADIOLOGIST 2"):
        of_evaluator(table, "tr", other)
    both = table.assign(TRACPTFL=["", "", "Y", "Y", ""])  # one accepted reader of each patient
    assert of_evaluator(both, "tr", other)["TRSEQ"].tolist() == [3, 4]
    bare = patients(READERS)[["TRSEQ"]]
    assert of_evaluator(bare, "tr", RULE)["TRSEQ"].tolist() == [1, 2, 3, 4, 5]
    assert of_evaluator(bare, "tr", other).empty


def test_records_are_dated_responses_are_known_and_a_lesion_takes_its_first_reading():
    tables = {
        "tu": pd.DataFrame(
            [
                ("01", "T01", "TARGET", None, None),
                ("01", "T02", None, "NON-TARGET", "2017-12-20"),
                ("01", "T03", "TARGET", "Measurable", None),
            ],
            columns=["USUBJID", "TULNKID", "TUSTRESC", "TUORRES", "TUDTC"],
        ),
        "tr": pd.DataFrame(
            [
                ("01", "T01", 30.0, "2018-03-26"),
                ("01", "T01", 30.0, "2017-12-22"),
                ("01", "T02", 10.0, "2017-12-01"),
                ("02", "T03", 10.0, "2017-12-01"),
                ("01", "T01", 20.0, None),
            ],
            columns=["USUBJID", "TRLNKID", "TRSTRESN", "TRDTC"],
        ),
        "rs": pd.DataFrame(
            [
                (1.0, "OVRLRESP", None, "NOT DONE", "2018-03-26"),
                (2.0, "OVRLRESP", "PR", "NOT DONE", "2018-03-26"),
                (3.0, "OVRLRESP", None, None, "2018-03-26"),
                (4.0, "OVRLRESP", "SD", None, None),
                (5.0, "ECOG", "1", None, "2018-03-26"),
                (6.0, "BESTRESP", "PR", None, None),
                (7.0, "TRGRESP", "SD", None, "2018-03-26"),
            ],
            columns=["RSSEQ", "RSTESTCD", "RSSTRESC", "RSSTAT", "RSDTC"],
        ).assign(USUBJID="01"),
    }
    found = records(tables, RULE)
    days = {r["TULNKID"]: r["DAY"] for r in found.tu["01"]}
    assert days == {
        "T01": pd.Timestamp("2017-12-22"),
        "T02": pd.Timestamp("2017-12-20"),
        "T03": None,
    }
    kinds = {r["TULNKID"]: r["TUSTRESC"] for r in found.tu["01"]}
    assert kinds == {"T01": "TARGET", "T02": "NON-TARGET", "T03": "TARGET"}
    assert {who: len(rows) for who, rows in found.tr.items()} == {"01": 3, "02": 1}
    given = [(r["RSSEQ"], r["RSTESTCD"], r["RSSTRESC"]) for r in found.rs["01"]]
    assert given == [(1, "OVRLRESP", "NE"), (2, "OVRLRESP", "PR"), (7, "TRGRESP", "SD")]
    assert [r["RSSEQ"] for r in found.best["01"]] == [6]
    assert records({}, RULE) == ({}, {}, {}, {})


def test_rows_of_a_subject_keep_their_order_and_missing_is_none():
    table = pd.DataFrame({"USUBJID": ["02", "01", "02"], "AVAL": [1.0, np.nan, 3.0]})
    assert by_subject(table) == {
        "02": [{"USUBJID": "02", "AVAL": 1.0}, {"USUBJID": "02", "AVAL": 3.0}],
        "01": [{"USUBJID": "01", "AVAL": None}],
    }


# ---- lesions at baseline -------------------------------------------------------------------------


def at_baseline(tu_rows: list[Row], tr_rows: list[Row], course: Course = COURSE) -> list[tuple]:
    """The lesions as tuples; a size that is not known is None."""
    return [
        (*x[:4], None if math.isnan(x.base) else x.base, x.organ)
        for x in lesions(tu_rows, tr_rows, course, RULE)
    ]


@pytest.mark.parametrize(
    "place, size, target",
    [
        ("LIVER", 10.0, True),  # exactly lesion_target_mm
        ("LIVER", 9.9, False),
        ("ILIAC LYMPH NODE", 20.0, True),  # exactly node_target_mm
        ("ILIAC LYMPH NODE", 19.9, False),
        ("LIVER", None, False),
    ],
)
def test_a_target_has_at_least_the_size_of_the_plan(place, size, target):
    node = place != "LIVER"
    reading = tr("T01", -5, size, TRTESTCD="LPERP" if node else "LDIAM")
    organ = "LYMPH NODE" if node else "LIVER"
    got = at_baseline([tu("T01", -5, TULOC=place)], [reading])
    assert got == [("T01", target, node, False, size, organ)]
    assert at_baseline([tu("T01", -5, "NON-TARGET", TULOC=place)], [reading])[0][1] is False


@pytest.mark.parametrize(
    "when, result, more, followed",
    [
        (0, "TARGET", {}, True),  # the day of the first dose
        (1, "TARGET", {}, False),
        (None, "TARGET", {}, True),  # never dated: a baseline lesion
        (-9, "NEW", {}, True),
        (-9, "BENIGN", {}, False),
        (-9, None, {}, False),
        (-9, "TARGET", {"TUTESTCD": "LESIDENT"}, True),
        (-9, "TARGET", {"TUTESTCD": "TUSPLIT"}, False),
        (-9, "NON-MEASURABLE", {}, True),
    ],
)
def test_lesions_identified_by_the_first_dose_are_followed(when, result, more, followed):
    assert len(at_baseline([tu("T01", when, result, **more)], [])) == followed


@pytest.mark.parametrize("when, followed", [(-31, False), (-30, True), (None, False), (0, True)])
def test_after_re_screening_only_lesions_of_that_screening_are_followed(when, followed):
    again = Course(BEGINDT=day(-30))
    assert len(at_baseline([tu("T01", when)], [], again)) == followed


@pytest.mark.parametrize(
    "readings, base",
    [
        ([(-20, 40.0), (-5, 30.0)], 30),  # the last
        ([(-5, 30.0), (-20, 40.0)], 30),  # by day, not by row
        ([(-20, 40.0), (-5, None)], 40),  # the last that was measured
        ([(-5, 30.0), (0, 25.0)], 25),  # on the day of the first dose
        ([(-5, 30.0), (1, 25.0)], 30),
        ([(1, 25.0)], None),
    ],
)
def test_the_baseline_is_the_last_size_by_the_first_dose(readings, base):
    rows = [tr("T01", when, size) for when, size in readings]
    other = tr("T02", -1, 99.0)
    assert at_baseline([tu("T01", -20)], [other, *rows, other])[0][4] == base


def test_two_lesions_have_their_own_sizes_places_and_methods():
    identified = [
        tu("T01", -9, "TARGET NODAL", TULOC="LIVER"),
        tu("T02", -9, "TARGET EXTRA NODAL", TULOC="ILIAC LYMPH NODE"),
        tu("T03", -9, TULOC="LEFT LUNG"),
        tu("T04", -9, TULOC="THE MASS"),
        tu("T05", -9, "TARGET EXTRA NODAL", TULOC="THE MASS"),
        tu("N01", -9, "NON-TARGET", TULOC="ILIAC LYMPH NODE", TUMETHOD="SCINTIGRAPHY"),
    ]
    readings = [
        tr("T01", -9, 25.0, TRTESTCD="LPERP"),
        tr("T01", -9, 60.0),
        tr("T02", -9, 11.0),
        tr("T03", -9, 12.0),
        tr("T04", -9, 13.0),
    ]
    assert at_baseline(identified, readings) == [
        ("T01", True, True, False, 25.0, "LYMPH NODE"),  # the short axis
        ("T02", True, False, False, 11.0, "LYMPH NODE"),
        ("T03", True, False, False, 12.0, "LUNG"),
        ("T04", True, False, False, 13.0, "THE MASS"),
        ("T05", False, False, False, None, "THE MASS"),
        ("N01", False, True, True, None, "LYMPH NODE"),
    ]


@pytest.mark.parametrize(
    "when, result, code, new",
    [
        (1, "NEW", "TUMIDENT", True),
        (1, "NEW", "LESIDENT", True),
        (0, "NEW", "TUMIDENT", False),  # on the day of the first dose
        (84, "PRESENT", "NEWTUMOR", True),
        (84, "TARGET", "TUMIDENT", False),
        (84, "NEW", "TUSPLIT", False),  # a part of a lesion
        (0, "NEW", "NEWTUMOR", False),
        (None, "NEW", "TUMIDENT", False),
    ],
)
def test_new_lesions_are_identified_as_new_after_the_first_dose(when, result, code, new):
    row = tu("W01", when, result, TUTESTCD=code)
    assert new_lesions([row], COURSE) == ([row] if new else [])


# ---- assessments ---------------------------------------------------------------------------------


def grouped(tr_rows: list[Row], rs: list[Row], new: list[Row], end: Any = pd.NaT) -> list[tuple]:
    """First and last day of each assessment, and the items of TR, TU and RS."""
    return [
        (
            (a.first - DOSE).days,
            (a.last - DOSE).days,
            [(r["TRLNKID"], r["TRTESTCD"]) for r in a.tr],
            [r["TULNKID"] for r in a.tu],
            [r["RSTESTCD"] for r in a.rs],
        )
        for a in assessments(tr_rows, rs, new, COURSE, end, RULE)
    ]


def rs(code: str, when: int) -> Row:
    return {"RSTESTCD": code, "DAY": day(when)}


def test_three_assessments_have_their_own_readings_in_the_order_of_days():
    """The window of 14 days counts from the first reading of the current assessment."""
    t1, t2, w = "T01", "T02", "W01"
    readings = [
        tr(t2, 203, 9), tr(t1, 189, 9), tr(t1, 84, 9), tr(t2, 94, 9), tr(t1, 112, 9), tr(t2, 113, 9),
    ]  # fmt: skip
    got = grouped(readings, [rs("OVRLRESP", 98), rs("OVRLRESP", 204)], [tu(w, 120, "NEW")])
    ldiam = [(t1, "LDIAM"), (t2, "LDIAM")]
    assert got == [
        (84, 98, ldiam, [], ["OVRLRESP"]),
        (112, 120, ldiam, [w], []),
        (189, 203, ldiam, [], []),
        (204, 204, [], [], ["OVRLRESP"]),
    ]


def test_an_item_read_again_on_a_later_day_begins_a_new_assessment():
    """Twice on one day is one assessment; another test of the lesion is another item."""
    area = {"TRTESTCD": "LPERP"}
    readings = [tr("T01", 84, 9), tr("T01", 84, 9), tr("T01", 85, 9, **area), tr("T01", 86, 9)]
    assert grouped(readings, [], []) == [
        (84, 85, [("T01", "LDIAM"), ("T01", "LDIAM"), ("T01", "LPERP")], [], []),
        (86, 86, [("T01", "LDIAM")], [], []),
    ]
    assert [g[0] for g in grouped([], [rs("TRGRESP", 84), rs("TRGRESP", 85)], [])] == [84, 85]


@pytest.mark.parametrize("end, days", [(None, [1, 84, 168]), (168, [1, 84]), (169, [1, 84, 168])])
def test_assessments_are_after_the_first_dose_and_before_the_next_course(end, days):
    readings = [tr("T01", when, 9) for when in (-5, 0, 1, 84, 168)]
    assert [g[0] for g in grouped(readings, [], [], day(end) or pd.NaT)] == days


# ---- one lesion at one assessment ----------------------------------------------------------------


def visit(*rows: Row) -> Assessment:
    days = [row["DAY"] for row in rows]
    return Assessment(min(days), max(days), list(rows), [], [])


SOFT, NODE = (Lesion("N01", False, node, False, math.nan, "LIVER") for node in (False, True))


@pytest.mark.parametrize(
    "lesion, size, response",
    [
        (SOFT, 0.0, "CR"), (SOFT, 0.5, NON), (SOFT, 1.0, NON), (SOFT, 9.0, NON), (SOFT, None, "NE"),
        (NODE, 0.0, "CR"), (NODE, 9.9, "CR"), (NODE, 10.0, NON), (NODE, 10.1, NON),
    ],
)  # fmt: skip
def test_a_non_target_lesion_by_its_diameter(lesion, size, response):
    code = "LPERP" if lesion.node else "LDIAM"
    assert state_of(visit(tr("N01", 84, size, TRTESTCD=code)), lesion, RULE) == response


def test_a_non_target_lesion_by_its_state():
    def of(*rows: Row, lesion: Lesion = SOFT) -> str:
        return state_of(visit(*rows), lesion, RULE)

    assert of(state("N01", 84, "PRESENT"), state("N01", 84, "UNEQUIVOCAL PROGRESSION")) == "PD"
    assert of(state("N01", 84, "PRESENT"), state("N01", 84, "ABSENT")) == "CR"
    assert (
        of(state("N01", 84, "ENLARGEMENT"), tr("N01", 84, 0.0)) == NON
    )  # the state before the size
    assert of(state("N01", 84, "NON-PATHOLOGICAL", "LNSTATE"), lesion=NODE) == "CR"
    assert of(state("N01", 84, "PATHOLOGICAL", "LNSTATE"), lesion=NODE) == NON
    assert of(state("N01", 84, "TOO SMALL TO MEASURE")) == NON
    assert of(state("N01", 84, "NOT EVALUABLE")) == "NE"
    assert of(state("N02", 84, "PRESENT")) == "NE"  # another lesion
    assert of(state("N01", 84, "UNEQUIVOCAL", "METVOL")) == "NE"  # no test of a state
    assert of(tr("N01", 84, TRREASND="ABSENT")) == "CR"  # no size, and the reason
    assert of(tr("N01", 84, TRORRES="TOO SMALL TO MEASURE")) == NON
    assert of(tr("N01", 84, TRORRES="TOO SMALL TO MEASURE", TRTESTCD="METVOL")) == "NE"


def test_readings_of_a_lesion_are_those_with_its_link():
    rows = [tr("T01", 84, 1.0), tr("T02", 84, 2.0), tr("T01", 85, 3.0)]
    assert of_link(visit(*rows), "T01") == [rows[0], rows[2]]
    assert of_link(visit(*rows), "T03") == []


def target(link: str, base: float = 30.0, *, node: bool = False) -> Lesion:
    return Lesion(link, True, node, False, base, "LYMPH NODE" if node else "LIVER")


def sums(followed: list[Lesion], tu_rows: list[Row], *visits: Assessment) -> list[tuple]:
    """TRGRESP, SUM, BASE, NADIR, NREAD and RECORDED of each assessment; None where not known."""
    names = ("TRGRESP", "SUM", "BASE", "NADIR", "NREAD", "RECORDED")
    return [
        tuple(None if row[n] != row[n] else row[n] for n in names)
        for row in sums_of(followed, tu_rows, list(visits), RULE)
    ]


def test_sums_have_their_baseline_nadir_and_number_of_lesions_read():
    """By hand: 30 + 30 mm; 20 + 20; one not read; 25 + 25 (125 % of 40); 20 + 19; ABSENT and ABSENT."""
    followed = [target("T01"), target("T02"), SOFT]
    visits = [
        visit(tr("T01", d, one), tr("T02", d, two))
        for d, one, two in (
            (84, 20.0, 20.0),
            (168, 5.0, None),
            (252, 25.0, 25.0),
            (336, 20.0, 19.0),
        )
    ]
    visits.append(visit(state("T01", 420, "ABSENT"), state("T02", 420, "ABSENT")))
    visits.append(visit(tr("T01", 504, 3.0), state("T02", 504, "ABSENT")))
    assert sums(followed, [], *visits) == [
        ("PR", 40, 60, 60, 2, None),
        ("NE", None, 60, 40, 1, None),
        ("PD", 50, 60, 40, 2, None),
        ("PR", 39, 60, 40, 2, None),
        ("CR", 0, 60, 39, 2, None),
        ("PR", 3, 60, 0, 2, None),  # 3 mm over 0 is not 5 mm
    ]


def test_without_a_target_there_is_no_sum_and_the_recorded_sum_is_kept():
    read = visit(
        tr(None, 84, TRTESTCD="SUMDIAM"),
        tr(None, 84, 42.0, TRTESTCD="SUMLDIAM"),
        tr(None, 84, 43.0, TRTESTCD="SUMDIAM"),
        tr("N01", 84, 7.0),
    )
    assert sums([SOFT], [], read) == [("", None, 0, 0, 0, 42)]


@pytest.mark.parametrize(
    "rows, size",
    [
        (
            [tr("T01", 84, None), tr("T01", 84, 21.0, TRTESTCD="DIAMETER")],
            21,
        ),  # the next of the plan
        ([tr("T01", 84, 22.0, TRTESTCD="DIAMETER"), tr("T01", 84, 21.0)], 21),
        ([tr("T01", 84, 22.0, TRTESTCD="LPERP")], None),  # no diameter of this lesion
        ([tr("T01", 84, None, TRSTRESC="ABSENT")], 0),
        ([tr("T01", 84, None, TRSTRESC="TOO SMALL TO MEASURE")], 5),
        ([tr("T01", 84, 12.0, TRORRES="TOO SMALL TO MEASURE")], 12),  # a size is a size
        ([tr("T01", 84, None)], None),
        ([tr("T01", 84, None, TRTESTCD="METVOL", TRSTRESC="ABSENT")], None),
        ([tr("T02", 84, 12.0)], None),
    ],
)
def test_the_diameter_that_counts(rows, size):
    assert sums([target("T01")], [], visit(*rows))[0][1] == size


@pytest.mark.parametrize(
    "sizes, expected",
    [
        ((9.0, 9.9), ("CR", 18.9)),  # both below node_normal_mm
        ((5.0, 10.0), ("PR", 15.0)),  # one is not
        ((10.0, 10.0), ("PR", 20.0)),
        ((5.0, None), ("NE", None)),
    ],
)
def test_a_node_that_split_has_resolved_when_each_part_is_normal(sizes, expected):
    parts = [tu(f"T01.{n}", 84, TUTESTCD="TUSPLIT") for n in (1, 2)]
    others = [tu("T02.1", 84, TUTESTCD="TUSPLIT"), tu("T01.3", 84), tu("T02", -9)]
    read = [tr(f"T01.{n}", 84, s, TRTESTCD="LPERP") for n, s in enumerate(sizes, start=1)]
    read += [tr("T02.1", 84, 50.0, TRTESTCD="LPERP"), tr("T01.3", 84, 50.0, TRTESTCD="LPERP")]
    got = sums([target("T01", node=True)], [*parts, *others], visit(*read))
    assert got[0][:2] == expected


@pytest.mark.parametrize(
    "sizes, expected",
    [((0.0, 0.0), ("CR", 0.0)), ((0.0, 1.0), ("PR", 1.0)), ((1.0, 0.0), ("PR", 1.0))],
)
def test_a_lesion_that_split_has_resolved_when_no_part_is_left(sizes, expected):
    """The parts are grouped with the lesion that split (TUGRPID); before the split it has its own size."""
    parts = [tu(link, 168, TUTESTCD="TUSPLIT", TUGRPID="T01") for link in ("A", "B")]
    parts.append(tu("C", 168, TUTESTCD="TUSPLIT", TUGRPID="T02"))
    later = [tr(link, 168, s) for link, s in zip("ABC", (*sizes, 50.0), strict=True)]
    got = sums([target("T01")], parts, visit(tr("T01", 84, 27.0)), visit(*later))
    assert [row[:2] for row in got] == [("SD", 27), expected]


MERGED = [tu("T01", -9), tu("T02", -9), tu("T03", -9), tu("T04", -9)]


@pytest.mark.parametrize(
    "merge, group",
    [
        (tu("T01/T02/T03", 84, TUTESTCD="TUMERGE"), None),
        (tu("M1", 84, TUTESTCD="TUMERGE", TUGRPID="T01, T02 & T03"), None),
        (tu("M1", 84, TUTESTCD="TUMERGE", TUGRPID="G1"), "G1"),
    ],
)
def test_the_size_of_merged_lesions_counts_once(merge, group):
    """Four lesions of 30 mm, three of them merged to 70 mm: 70 + 30 of 120; a third one is separate."""
    identified = [row | {"TUGRPID": group if n < 3 else "G2"} for n, row in enumerate(MERGED)]
    followed = [target(f"T0{n}") for n in (1, 2, 3, 4)]
    link = merge["TULNKID"]
    apart = visit(*(tr(f"T0{n}", 56, 30.0) for n in (1, 2, 3, 4)))
    joined = visit(tr(link, 84, 70.0), tr("T04", 84, 30.0))
    undone = visit(tr(link, 112, None), tr("T04", 112, 30.0))
    gone = visit(tr(link, 140, 0.0), tr("T04", 140, 0.0))
    got = sums(followed, [*identified, merge], apart, joined, undone, gone)
    assert [(row[0], row[1], row[4]) for row in got] == [
        ("SD", 120, 4),
        ("SD", 100, 4),
        ("NE", None, 1),  # none of the merged lesions was read
        ("CR", 0, 4),
    ]


def test_a_target_that_merged_with_a_non_target_lesion_has_the_size_of_both():
    """The non-target lesion is the first by name; the sum is that of the resulting lesion, not 0."""
    identified = [tu("N01", -9, "NON-TARGET"), tu("T01", -9)]
    merge = tu("N01/T01", 84, TUTESTCD="TUMERGE")
    read = visit(tr("N01/T01", 84, 33.0))
    got = sums([SOFT, target("T01")], [*identified, merge], read)
    assert got == [("SD", 33, 30, 30, 1, None)]


def test_lesions_without_any_type_have_none():
    """Both terms absent, in every row: no type, and no warning of pandas (warnings are errors)."""
    tu = pd.DataFrame({"USUBJID": ["01"], "TULNKID": ["T01"], "TUDTC": ["2017-12-20"]})
    rows = records({"tu": tu}, RULE).tu["01"]
    assert [row["TUSTRESC"] for row in rows] == [None]
