"""What an open report may hold: small counts, what tells them, and sums that would."""

import json
import math
from itertools import product

import pandas as pd
import pytest

from sap import ard
from sap.displays.ard_lookup import Number
from sap.displays.table import Column, Row, Table
from sap.plan import project_home, read_plan
from sap.results.protection import SameMen, _apart, open_rows, same_subjects
from sap.results.safety import toxicity_boundary_list

K = 5
GRADES = ("GR1", "GR2", "GR3", "GR4", "GR5", "GRMISS")


def rows(stats, **where) -> pd.DataFrame:
    given = {"analysis": "a", "section": "SAP 1", "population": "SAFETY", "method": "m"}
    return ard.rows(stats, **(given | where))


def opened(*parts: pd.DataFrame, analyses=("a", "ae_overview", "ae_soc_pt")) -> pd.DataFrame:
    return open_rows(pd.concat(parts, ignore_index=True), analyses, K, 3, summary_from=20)


def formatted(found: pd.DataFrame) -> list[float | str]:
    return [
        text if math.isnan(value) else value
        for value, text in zip(found["stat"], found["stat_text"], strict=True)
    ]


@pytest.mark.parametrize("count, said", [(0, 0), (1, "<5"), (4, "<5"), (5, 5), (12, 12)])
def test_counts_from_one_to_below_the_limit_are_hidden_and_nothing_else(count, said):
    assert formatted(opened(rows({"n": count}))) == [said]


def test_what_would_tell_a_hidden_count_goes_with_it_and_its_size_stays():
    stats = {
        "n": 3,
        "N": 25,
        "estimate": 0.12,
        "conf_low": 0.02,
        "conf_high": 0.31,
        "conf_level": 0.95,
    }
    assert formatted(opened(rows(stats))) == ["<5", 25, "<5", "<5", "<5", 0.95]


@pytest.mark.parametrize("n, n_missing", [(3, 14), (11, 3)])
def test_the_ends_of_a_rate_go_with_either_count_they_are_made_of(n, n_missing):
    """The lowest is n of N, the highest n and those without an answer of N."""
    stats = {"n": n, "n_missing": n_missing, "N": 25, "conf_low": 0.02, "conf_high": 0.9}
    ends = {"estimate_lowest": n / 25, "estimate_highest": (n + n_missing) / 25}
    found = opened(rows(stats | ends))
    told = dict(zip(found["stat_name"], formatted(found), strict=True))
    assert [told["estimate_highest"], told["conf_high"]] == ["<5", "<5"]
    lowest = [told["estimate_lowest"], told["conf_low"]]
    assert lowest == (["<5", "<5"] if n < K else [n / 25, 0.02])


def test_few_values_have_no_summary():
    """The mean of two ages with one known to somebody is the other age."""
    stats = {"n": 2, "n_missing": 0, "mean": 70.5, "min": 70, "max": 71}
    assert formatted(opened(rows(stats))) == ["<5", 0, "<5", "<5", "<5"]


def test_a_line_of_therapy_with_few_subjects_shows_neither_its_size_nor_that_of_the_other():
    """18 patients in all, 3 of one line: 18 - 15 would tell."""
    parts = [
        rows(
            {"n": n, "N": size, "estimate": n / size},
            analysis="ae_overview",
            level="Any",
            group=group,
        )
        for group, n, size in (("", 18, 18), ("second line", 15, 15), ("third line", 3, 3))
    ]
    found = opened(*parts)
    assert formatted(found[found["group"] == ""]) == [18, 18, 1.0]
    assert formatted(found[found["group"] == "second line"]) == ["<20", "<20", "<20"]
    assert formatted(found[found["group"] == "third line"]) == ["<5", "<5", "<5"]


def test_closed_analyses_and_counts_after_single_patients_are_gone():
    parts = [
        rows({"n": 9}, analysis="secret"),
        rows({"n": 9, "boundary": 3}, analysis="toxicity_monitoring", level="09"),
        rows({"n": 9}, analysis="toxicity_monitoring"),
    ]
    found = opened(*parts, analyses=("toxicity_monitoring",))
    assert found[["analysis", "level", "stat_name"]].to_numpy().tolist() == [
        ["toxicity_monitoring", "09", "boundary"],
        ["toxicity_monitoring", "", "n"],
    ]


def test_results_that_are_missing_are_protected_like_subjects_and_words_stay():
    found = opened(
        rows({"n": 2, "N": 77, "n_missing": 2}, analysis="data_currency", paramcd="RESULTS"),
        rows({"decision": "not crossed", "p_value": 0.04}),
        analyses=("a", "data_currency"),
    )
    assert formatted(found) == ["<5", 77, "<5", "not crossed", 0.04]  # of 77 results 2 are there


def test_results_due_at_each_infusion_do_not_tell_the_hidden_cycles():
    """70 results due are 70 infusions, and 70 of 14 patients are the mean that is left out."""
    results = rows({"n": 69, "N": 70, "n_missing": 1}, analysis="data_currency", paramcd="RESULTS")
    cycles = by_cycles("", {3: 2, 5: 8, 6: 2, 8: 2})
    found = opened(results, *cycles, analyses=("exposure", "data_currency"))
    assert formatted(found[found["analysis"] == "data_currency"]) == ["<70", "<80", "<5"]
    found = opened(results, *by_cycles("", {5: 12, 6: 10}), analyses=("exposure", "data_currency"))
    assert formatted(found[found["analysis"] == "data_currency"]) == ["<70", 70, "<5"]


def test_a_rate_of_a_laboratory_grade_and_the_table_of_grades_hide_together():
    """8 patients, 4 of each line, had grade 3 or more: 8 would tell both fours, whoever prints it."""
    same = [SameMen(("ae_rates", "LABORATORY", "Low", ""), "NEUT", (), 3)]
    lines = {"": (20, 8), "second line": (10, 4), "third line": (10, 4)}
    parts = []
    for group, (size, low) in lines.items():
        any_event = {"n": size, "N": size, "estimate": 1.0}
        parts.append(rows(any_event, analysis="ae_overview", level="Any", group=group))
        where = {"analysis": "lab_grade", "paramcd": "NEUT", "level": "Grade >= 3", "group": group}
        parts.append(rows({"n": low, "N": size}, **where))
    rate = {"analysis": "ae_rates", "paramcd": "LABORATORY", "level": "Low"}
    parts.append(rows({"n": 8, "N": 20}, **rate))
    both = pd.concat(parts, ignore_index=True)
    names = ("lab_grade", "ae_rates", "ae_overview")
    found = open_rows(both, names, K, 3, same, summary_from=20)
    of = found[found["stat_name"] == "n"].set_index(["analysis", "level", "group"])["stat"]
    assert math.isnan(of["lab_grade", "Grade >= 3", ""])
    assert math.isnan(of["ae_rates", "Low", ""])


def test_a_count_that_is_not_in_the_data_adds_up_to_nothing():
    parts = [
        rows({"n": value}, analysis="ae_soc_pt", paramcd=code, level="S")
        for code, value in {
            "ANY": 6, "GR1": ard.NotEstimable("not in the data"), "GR2": 1, "GRSEV": 5, "GRMISS": 0,
        }.items()
    ]  # fmt: skip
    assert formatted(opened(*parts)) == [6, "not in the data", "<5", 5, 0]


def line(counts: tuple[int, ...]) -> list[pd.DataFrame]:
    """One line of events by worst grade with its total and its severe grades."""
    codes = dict(zip(GRADES, counts, strict=True))
    codes["ANY"] = sum(counts)
    codes["GRSEV"] = counts[2] + counts[3] + counts[4]
    return [rows({"n": n}, analysis="ae_soc_pt", paramcd=c, level="S") for c, n in codes.items()]


def possible(found: pd.DataFrame) -> list[tuple[int, ...]]:
    """Every set of grades that a reader of the open table could think of."""
    by = found.set_index("paramcd")

    def values(code: str) -> list[int]:
        if not math.isnan(by.loc[code, "stat"]):
            return [int(by.loc[code, "stat"])]
        bound = int(str(by.loc[code, "stat_text"]).removeprefix("<"))
        return list(range(1 if bound == K else K, bound))

    fits = []
    for guess in product(*(values(code) for code in GRADES)):
        whole, severe = sum(guess), sum(guess[2:5])
        if whole in values("ANY") and severe in values("GRSEV"):
            fits.append(guess)
    return fits


@pytest.mark.parametrize(
    "counts",
    [
        (6, 1, 0, 0, 0, 0),  # one hidden part of a known total
        (1, 2, 3, 0, 0, 0),  # three hidden
        (7, 0, 5, 1, 0, 0),  # the severe sum would tell the 1
        (5, 4, 0, 0, 0, 0),
        (12, 6, 0, 0, 1, 0),
        (0, 1, 4, 4, 0, 3),
        (1, 1, 1, 1, 1, 0),  # five hidden ones that add up to five: each is 1
        (4, 4, 0, 0, 0, 0),  # two hidden fours that add up to eight
    ],
)
def test_no_hidden_grade_follows_from_what_is_formatted(counts):
    """Every table a reader could think of, enumerated: each hidden count has more than one number."""
    found = opened(*line(counts))
    fits = possible(found)
    assert counts in fits
    by = found.set_index("paramcd")["stat"]
    for place, code in enumerate(GRADES):
        if math.isnan(by[code]):
            assert len({fit[place] for fit in fits}) > 1, code


def test_a_laboratory_grade_does_not_follow_from_the_line_of_the_severe_ones():
    """By hand: of 14 patients 7 were severe; 7 - 5 would tell the 2 of grade 3 who are hidden."""
    grades = {
        "0": 3,
        "0 OR 1": 0,
        "1": 1,
        "2": 2,
        "3": 2,
        "4": 5,
        "Grade >= 3": 7,
        "NOT MEASURED": 1,
    }
    parts = [
        ard.rows(
            {"n": n, "N": 14},
            analysis="lab_grade",
            section="SAP 5.7.4",
            population="SAFETY",
            paramcd="NEUT",
            level=level,
            method="Count",
        )
        for level, n in grades.items()
    ]
    shown = open_rows(ard.bind(parts), ["lab_grade"], 5, 3, summary_from=20)
    texts = shown[shown["stat_name"] == "n"].set_index("level")["stat_text"]
    assert texts["3"] == "<5"
    assert texts["4"] == "<10"
    assert texts["NOT MEASURED"] == "<5"


def lab(analysis: str, n: int, level: str, sublevel: str = "", paramcd: str = "NEUT"):
    return rows(
        {"n": n, "N": 14}, analysis=analysis, paramcd=paramcd, level=level, sublevel=sublevel
    )


def test_a_fourfold_table_tells_no_hidden_corner():
    """By hand: 7 of 14 graded, 5 of them reported: 7 - 5 would tell the 2 of the laboratory alone."""
    counts = {
        "laboratory": 7, "reported": 5, "both": 5, "laboratory only": 2, "reported only": 0,
        "neither": 7,
    }  # fmt: skip
    parts = [lab("lab_reported", n, level, "Grade >= 3") for level, n in counts.items()]
    found = opened(*parts, analyses=["lab_reported"])
    texts = found[found["stat_name"] == "n"].set_index("level")["stat_text"]
    assert texts["laboratory only"] == "<5"
    assert texts["both"] == "<10"
    assert texts["reported"] == "<10"  # all of them are both
    assert texts["neither"] == ""  # 7 of 14: 5 and 2, or 6 and 1


def test_a_column_of_the_shift_table_does_not_tell_its_small_line():
    """By hand: grade 2 was the worst of 12; 10 came from grade 0, so 2 would come from grade 1."""
    parts = [
        lab("lab_grade", 12, "2"),
        lab("lab_shift", 10, "0", "2"),
        lab("lab_shift", 2, "1", "2"),
    ]
    found = opened(*parts, analyses=["lab_grade", "lab_shift"])
    assert found.loc[found["stat_name"] == "n", "stat_text"].tolist() == ["", "<20", "<5"]


def test_sums_that_share_a_count_are_solved_together():
    one, two, three, four, five = ({"stat": float(n)} for n in range(5))
    sums = [(one, [two]), (three, [four]), (five, [one]), (four, [three, two])]
    assert _apart(sums[:3]) == [[sums[0], sums[2]], [sums[1]]]
    assert _apart(sums) == [sums]


def test_a_rate_of_interest_does_not_show_the_severe_grades_another_table_hides():
    """By hand: two hidden grades of 4 patients each; of their sum, 8, both would follow, so it is hidden."""
    grades = {"0": 0, "1": 6, "2": 0, "3": 4, "4": 4, "Grade >= 3": 8}
    parts = [lab("lab_grade", n, level) for level, n in grades.items()]
    parts.append(lab("ae_rates", 8, "Low", paramcd="LABORATORY"))
    twice = [SameMen(("ae_rates", "LABORATORY", "Low", ""), "NEUT", (), 3)]
    both = ["lab_grade", "ae_rates"]
    bare = open_rows(pd.concat(parts, ignore_index=True), both, K, 3, summary_from=20)
    found = open_rows(pd.concat(parts, ignore_index=True), both, K, 3, twice, summary_from=20)
    for frame, said in ((bare, ""), (found, "<10")):
        n = frame[(frame["analysis"] == "ae_rates") & (frame["stat_name"] == "n")]
        assert n["stat_text"].tolist() == [said]


def test_the_plan_says_what_is_counted_twice():
    """From analysis/plan.yml: a laboratory rate, a reported one, and what is reported beside it."""
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")
    found = {one.place: one for one in same_subjects(plan)}
    severe = found["ae_rates", "LABORATORY", "Neutropenia, laboratory, grade >= 3", ""]
    assert (severe.testcd, severe.terms, severe.from_grade) == ("NEUT", (), 3)
    told = found["ae_rates", "REPORTED", "Diarrhoea", ""]
    assert (told.testcd, told.terms, told.from_grade) == ("", ("DIARRHOEA",), 1)
    assert found["lab_reported", "HGB", "reported", "Grade >= 3"].terms == ("ANAEMIA",)
    assert found["lab_reported", "HGB", "laboratory", "Grade >= 1"].testcd == "HGB"
    assert not any("death" in place[2].lower() for place in found)


# ---- how what is hidden is printed ---------------------------------------------------------------


@pytest.fixture
def open_run(tmp_path, monkeypatch):
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    facts = {"cut_off": "2017-06-30", "cut_off_name": "interim", "audience": "open"}
    (tmp_path / "tables" / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    return tmp_path


def test_the_size_of_a_small_column_is_no_equation_and_marks_stand_by_size(open_run):
    few, mark, more = (Number(text, f"flow|{text}") for text in ("<5", "<20", "<100"))
    shown = Table(
        "tlf-flow", "Box", [Column("Patients", few)], [Row("a", (mark,)), Row("b", (more,))], n=few
    )
    said = shown._repr_markdown_()
    assert 'Patients<br>(N <span class="ard" data-ard="flow|&lt;5">&lt;5</span>)' in said
    assert "N=" not in said
    assert "\n- \\<5, \\<20, \\<100: small counts" in said
    whole = Table(
        "tlf-flow", "Box", [Column("Patients", Number("25", "flow|25"))], [Row("a", (mark,))]
    )
    assert "(N=<span" in whole._repr_markdown_()


def test_a_column_of_few_subjects_shows_no_extremes():
    """Exposure of four patients of a line: a minimum is the number of one of them."""
    numbers = {"mean": 4.5, "median": 4.5, "q1": 3, "q3": 6, "min": 1, "max": 8, "sd": 2.1}
    found = opened(rows({"n": 4, **numbers}, analysis="exposure", group="second line"), analyses=("exposure",))  # fmt: skip
    assert set(formatted(found)) == {"<5"}
    found = opened(rows({"n": 19, **numbers}, analysis="exposure"), analyses=("exposure",))
    assert formatted(found) == [19, numbers["median"]]
    found = opened(rows({"n": 20, **numbers}, analysis="exposure"), analyses=("exposure",))
    assert formatted(found) == [20, *numbers.values()]


def by_cycles(group: str, subjects: dict[int, int]) -> list[pd.DataFrame]:
    """Patients by the number of their cycles, with the summary that the run writes of them."""
    values = pd.Series([float(k) for k, n in subjects.items() for _ in range(n)])
    where = {"analysis": "exposure", "group": group}
    summary = {"n": len(values), "n_missing": 0, "mean": values.mean(), "sd": values.std(), "median": values.median(),
               "q1": values.quantile(0.25), "q3": values.quantile(0.75), "min": values.min(), "max": values.max(),
               "total": values.sum()}  # fmt: skip
    dose = {name: value * 25 for name, value in summary.items() if name not in ("n", "n_missing")}
    return [
        rows(summary, paramcd="NCYCLES", **where),
        rows({"n": len(values), **dose}, paramcd="CUMDOSE", **where),
        rows({"n": len(values), "mean": 98.4, "median": 100.0}, paramcd="RDI", **where),
        *(rows({"n": n}, paramcd="NCYCLES", level=f"{k:02}", **where) for k, n in subjects.items()),
    ]


def test_no_summary_of_cycles_tells_how_many_subjects_had_so_many():
    """Six patients, 5 to 7 cycles: 2 + 3 + 1 is the one way to 35 in all; their mean alone would tell it."""
    lines = {"": {5: 3, 6: 3, 7: 1, 8: 2}, "second line": {5: 2, 6: 3, 7: 1}}
    parts = [frame for group, subjects in lines.items() for frame in by_cycles(group, subjects)]
    found = opened(*parts, analyses=("exposure",))
    left = found[found["level"] == ""].groupby(["paramcd", "group"])["stat_name"].agg(set)
    assert left["NCYCLES", ""] == {"n", "n_missing", "median"}
    assert left["CUMDOSE", ""] == {"n", "median"}
    assert left["NCYCLES", "second line"] == {"n", "n_missing"}
    assert left["CUMDOSE", "second line"] == {"n"}
    assert left["RDI", "second line"] == {"n", "median"}


def test_cycles_of_many_subjects_keep_their_summary():
    found = opened(*by_cycles("", {5: 11, 6: 9}), analyses=("exposure",))
    names = set(found.loc[(found["paramcd"] == "NCYCLES") & (found["level"] == ""), "stat_name"])
    assert {"mean", "sd", "median", "q1", "q3", "min", "max", "total"} <= names


def test_the_number_of_reductions_does_not_tell_who_had_one():
    """One patient with one reduction: their total is 1."""
    where = {"analysis": "exposure", "group": ""}
    parts = [
        rows({"n": 14, "mean": 1 / 14, "median": 0.0, "max": 1.0, "total": 1.0}, paramcd="NREDUC", **where),
        rows({"n": 1, "N": 14, "estimate": 1 / 14}, paramcd="REDUCED", **where),
    ]  # fmt: skip
    found = opened(*parts, analyses=("exposure",))
    assert set(found.loc[found["paramcd"] == "NREDUC", "stat_name"]) == {"n", "median"}
    assert "<5" in formatted(found[found["paramcd"] == "REDUCED"])


def test_a_table_sorted_by_protected_counts_says_where_they_stand():
    from sap.displays.frame import order_notes

    assert order_notes([Number("12", "a"), Number("3", "b")]) == []
    assert order_notes([Number("12", "a"), Number("<5", "b")]) == [
        "Lines whose count is protected stand below those whose count is shown, by name."
    ]


def test_the_boundary_of_the_plan_is_no_count_of_people_and_an_ungraded_event_is_one():
    """3 of 3 stops a trial by its plan, whoever was treated; 2 with an event without a grade are few."""
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan
    boundary = pd.concat(toxicity_boundary_list(plan), ignore_index=True)
    found = opened(boundary, analyses=("toxicity_boundary",))
    assert formatted(found) == boundary["stat"].tolist()
    assert found[found["level"] == "01"].set_index("stat_name")["stat"].to_dict() == {
        "boundary": 3, "from_n": 3, "to_n": 3,
    }  # fmt: skip
    assert formatted(opened(rows({"n": 9, "N": 25, "n_ungraded": 2}))) == [9, 25, "<5"]
