"""Figures: what is drawn is what was handed over, with the same bytes everywhere, safe and described."""

import itertools
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import font_manager, pyplot
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from sap import ard
from sap.displays import escape, figure, flow_diagram, plots, register, survival
from sap.displays.ard_lookup import Number
from sap.displays.figure import Figure
from sap.displays.flow_diagram import Arrow, Box
from sap.errors import RenderError
from sap.plan import project_home, read_plan

SUBJECTS = [f"S-{i:02d}" for i in range(1, 7)]
ORDER = ["Confirmed", "Unconfirmed", "None"]


def steps():
    rows = [
        ("B", 0.0, 1.0, 1.0, 1.0),
        ("B", 2.0, 0.5, 0.2, 0.8),
        ("B", 5.0, 0.25, 0.1, 0.6),
        ("A", 0.0, 1.0, 1.0, 1.0),
        ("A", 3.0, 0.6, float("nan"), float("nan")),
    ]
    return pd.DataFrame(rows, columns=["group", "time", "survival", "conf_low", "conf_high"])


def km():
    censored = pd.DataFrame([("B", 4.0, 0.5)], columns=["group", "time", "survival"])
    risk = [
        ("B", 0.0, 4),
        ("B", 3.0, 2),
        ("B", 6.0, 0),
        ("A", 0.0, 5),
        ("A", 3.0, 4),
        ("A", 6.0, 0),
    ]
    at_risk = pd.DataFrame(risk, columns=["group", "time", "n"])
    medians = {"B": 3.5, "A": float("nan")}
    return plots.km_curves(
        steps(), censored, at_risk, medians, x_title="Months", y_title="Probability"
    )


def bars():
    change = [340.0, -20.0, -99.0, -50.0, 10.0, float("nan")]
    category = ["None", "None", "Confirmed", "Unconfirmed", "None", "None"]
    mark = ["", "", "*", "", "", ""]
    return pd.DataFrame({"subject": SUBJECTS, "change": change, "category": category, "mark": mark})


def waterfall(frame=None):
    return plots.waterfall(
        bars() if frame is None else frame,
        cap=100,
        lines=[-50],
        order=ORDER,
        y_title="Change (%)",
        x_title="Patients",
    )


def courses():
    rows = [
        (s, 3.0 * k, -7.0 * k * i, ORDER[i % 3]) for i, s in enumerate(SUBJECTS) for k in range(3)
    ]
    return pd.DataFrame(rows, columns=["subject", "time", "change", "category"])


def spider(frame=None):
    return plots.spider(
        courses() if frame is None else frame,
        lines=[-50],
        order=ORDER,
        x_title="Weeks",
        y_title="Change (%)",
    )


def swimmer(seed=None):
    lanes = pd.DataFrame(
        [(s, 0.0, 5.0 + i, "On") for i, s in enumerate(SUBJECTS)]
        + [(s, 5.0 + i, 9.0 + 2 * i, "After") for i, s in enumerate(SUBJECTS)],
        columns=["subject", "start", "end", "segment"],
    )
    events = pd.DataFrame(
        [(s, 4.0, "Response") for s in SUBJECTS[:3]], columns=["subject", "time", "event"]
    )
    ongoing = pd.DataFrame([(SUBJECTS[5], 19.0)], columns=["subject", "time"])
    if seed is not None:
        lanes, events = (f.sample(frac=1, random_state=seed) for f in (lanes, events))
    return plots.swimmer(
        lanes,
        events,
        ongoing,
        segments=["On", "After"],
        marks={"Response": ("o", "white")},
        x_title="Weeks",
        still="Alive",
    )


def forest(*, of_first=False):
    nan = float("nan")
    rows = [
        ("Head", "", "", nan, nan, nan),
        ("Primary", "3/25", "12.0 (2.5, 31.2)", 12.0, 2.5, 31.2),
    ]
    frame = pd.DataFrame(rows, columns=["label", "n_text", "text", "estimate", "low", "high"])
    return plots.forest(
        frame,
        reference=10,
        x_title="Response (%)",
        columns=("Rule", "n/N", "% (CI)"),
        of_first=of_first,
    )


def rates(term="Nausea"):
    rows = [(t, s, p) for t, p in ((term, 10.0), ("Fatigue", 30.0)) for s in ("Ours", "Theirs")]
    return pd.DataFrame(rows, columns=["term", "series", "percent"])


def ae(frame=None):
    return plots.ae_dot_plot(
        rates() if frame is None else frame, series=["Ours", "Theirs"], x_title="Patients (%)"
    )


def course(frame=None, scale="log1p"):
    frame = courses().assign(value=lambda f: -f["change"]) if frame is None else frame
    return plots.course(
        frame, scale=scale, lines=[5], order=ORDER, x_title="Weeks", y_title="CTC per 7.5 mL"
    )


def scatter():
    points = pd.DataFrame({"x": [1.0, 2.0], "y": [-3.0, 4.0], "category": ["None", "Confirmed"]})
    curve = pd.DataFrame({"x": [1.0, 2.0], "y": [0.0, 1.0], "low": [-1.0, 0.0], "high": [1.0, 2.0]})
    return plots.exposure_scatter(points, curve, order=ORDER, x_title="AUC", y_title="Change")


def oc():
    curves = pd.DataFrame(
        {"p": [0.0, 0.5, 1.0], "probability": [0.0, 0.5, 1.0], "series": ["Reject"] * 3}
    )
    marks = pd.DataFrame({"p": [0.5], "probability": [0.5], "label": ["p0"]})
    return plots.oc_curve(curves, marks, order=["Reject"], x_title="Rate", y_title="Probability")


ROWS = [
    [Box("top", "Screened", "137", 0, 2, [("CTC evaluable", "133")])],
    [Box("b", "Group B", "25", 0, tone="strong"), Box("a", "Group A", "60", 1)],
    [Box("out", "End", "48", 0, tone="side"), Box("again", "Re-screened", "12", 1)],
]
ARROWS = [
    Arrow("top", "b"),
    Arrow("top", "a"),
    Arrow("a", "again"),
    Arrow("again", "top", "loop", loop=True),
]


def flow():
    return flow_diagram.flow_diagram(ROWS, ARROWS, 2)


DRAWINGS = {
    f.__name__: f for f in (km, waterfall, spider, swimmer, forest, ae, course, scatter, oc, flow)
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_an_svg_that_loads_nothing_from_elsewhere(name):
    text = figure.svg(DRAWINGS[name](), 6.5, 3.8)
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"text", "script", "image", "metadata", "foreignObject"}
    links = [v for e in root.iter() for k, v in e.attrib.items() if k.rpartition("}")[2] == "href"]
    assert all(link.startswith("#") for link in links)
    ids = {e.attrib["id"] for e in root.iter() if "id" in e.attrib}
    assert {link[1:] for link in links} <= ids
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("name", ["waterfall", "forest", "flow"])
def test_settings_left_behind_by_others_change_nothing(name):
    before = figure.svg(DRAWINGS[name](), 6.5, 3.8)
    with pyplot.rc_context(
        {"svg.fonttype": "none", "font.family": "serif", "font.size": 20, "svg.hashsalt": "x"}
    ):
        assert figure.svg(DRAWINGS[name](), 6.5, 3.8) == before


def shuffled(frame):
    return frame.sample(frac=1, random_state=3)


@pytest.mark.parametrize(
    "drawn, again",
    [
        (waterfall, lambda: waterfall(shuffled(bars()))),
        (spider, lambda: spider(shuffled(courses()))),
        (swimmer, lambda: swimmer(seed=3)),
        (ae, lambda: ae(shuffled(rates()))),
        (course, lambda: course(shuffled(courses().assign(value=lambda f: -f["change"])))),
    ],
)
def test_the_order_of_the_rows_changes_nothing(drawn, again):
    assert figure.svg(drawn(), 6.5, 3.8) == figure.svg(again(), 6.5, 3.8)


SCRIPT = """
import sys, hashlib, importlib.util
spec = importlib.util.spec_from_file_location("figures", sys.argv[1])
them = importlib.util.module_from_spec(spec); spec.loader.exec_module(them)
for name, draw in them.DRAWINGS.items():
    print(name, hashlib.sha256(them.figure.svg(draw(), 6.5, 3.8).encode()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_with_other_settings_write_the_same_bytes(tmp_path):
    sums = []
    for seed, zone, language in (("1", "UTC", "C"), ("2", "Pacific/Auckland", "tr_TR.UTF-8")):
        env = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "TZ": zone,
            "LANG": language,
            "LC_ALL": language,
        }
        call = [sys.executable, "-c", SCRIPT, str(Path(__file__))]
        out = subprocess.run(
            call, env=env, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        sums.append(out.stdout)
    assert sums[0] == sums[1]
    assert len(sums[0].splitlines()) == len(DRAWINGS)


def test_letters_are_those_of_the_text_and_not_of_the_machine():
    with figure.drawing():
        path = font_manager.findfont(
            font_manager.FontProperties(family=[figure.FAMILY], weight="bold")
        )
    assert Path(path) == Path(figure.__file__).parent / "fonts/LibertinusSerif-Bold.otf"
    assert FT2Font(path).family_name == "Libertinus Serif"


def luminance(colour):
    """Relative luminance of WCAG 2.1, from the definition."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_fills_of_responses_differ_in_black_and_white():
    dark, middle, light = (luminance(colour) for colour in figure.FILLS[:3])
    assert middle - dark > 0.2
    assert light - middle > 0.2


# --- what is drawn is what was handed over ------------------------------------------------------


def drawn(plot):
    with figure.drawing():
        canvas = plot.draw()
    texts = [t.get_text() for t in canvas.findobj(Text) if t.get_text()]
    pyplot.close(canvas)
    return canvas.axes[0], texts


def test_the_band_of_a_curve_is_stepped_by_hand():
    """Three steps at 0, 2, 5 are five points: each value holds until the next time."""
    one = steps()[steps()["group"] == "B"]
    points = plots._stepped(one)[["time", "conf_low"]].to_numpy().tolist()
    assert points == [[0.0, 1.0], [2.0, 1.0], [2.0, 0.2], [5.0, 0.2], [5.0, 0.1]]


def test_a_survival_figure_shows_its_numbers_at_risk_and_its_median():
    axes, texts = drawn(km())
    assert [t for t in texts if t in {"4", "2", "5"}] == ["4", "2", "5", "4"]
    assert {"Number at risk", "A", "B", "Months", "Probability"} <= set(texts)
    segments = [
        [tuple(map(float, p)) for p in path.vertices]
        for c in axes.collections
        for path in c.get_paths()
        if len(path.vertices) == 2
    ]
    assert [(3.5, 0.5), (3.5, 0.0)] in segments
    assert not any(abs(a[1] - 0.5) < 1e-9 and a[0] != a[0] for a, _ in segments)


def test_a_waterfall_is_sorted_and_cut_at_its_cap_with_the_value_on_top():
    axes, texts = drawn(waterfall())
    outlines = [p.vertices for c in axes.collections for p in c.get_paths() if len(p.vertices) > 4]
    from_the_left = sorted(outlines, key=lambda corners: min(x for x, _ in corners))
    heights = [max((y for _, y in corners), key=abs) for corners in from_the_left]
    assert heights == pytest.approx([100, 10, -20, -50, -99])
    assert "340" in texts
    assert "*" in texts


def test_blocks_of_a_waterfall_are_separate_each_sorted_and_under_its_label():
    """Six bars, two of them of the second block: -99 and 340 (cut at 100) there, a gap before."""
    frame = bars().assign(block=["First", "Second", "First", "First", "First", "Second"])
    frame["change"] = [10.0, 340.0, -20.0, -50.0, -60.0, -99.0]
    axes, texts = drawn(waterfall(frame))
    outlines = [p.vertices for c in axes.collections for p in c.get_paths() if len(p.vertices) > 4]
    from_the_left = sorted(outlines, key=lambda corners: min(x for x, _ in corners))
    heights = [max((y for _, y in corners), key=abs) for corners in from_the_left]
    assert heights == pytest.approx([10, -20, -50, -60, 100, -99])
    middles = [sum(x for x, _ in c[:4]) / 4 for c in from_the_left]
    assert middles[4] - middles[3] > 2 * (middles[1] - middles[0])
    assert {"First", "Second"} <= set(texts)
    # A label at an edge ends with its block, so that it is not cut there.
    second = next(text for text in axes.texts if text.get_text() == "Second")
    assert second.get_ha() == "right"
    assert second.get_position()[0] <= max(x for x, _ in from_the_left[-1]) + 0.5


def test_marks_of_one_day_do_not_cover_one_another_and_the_arrow_is_named():
    """Two marks on one day of one lane are at two heights; a single mark is on its lane."""
    events = pd.DataFrame(
        [("S-01", 4.0, "PSA"), ("S-01", 4.0, "Scan"), ("S-02", 4.0, "PSA")],
        columns=["subject", "time", "event"],
    )
    lanes = pd.DataFrame(
        [("S-01", 0.0, 9.0, "On"), ("S-02", 0.0, 8.0, "On")],
        columns=["subject", "start", "end", "segment"],
    )
    points = events.assign(y=[2, 2, 1], event=pd.Categorical(events["event"], ["PSA", "Scan"]))
    first, second, alone = plots._side_by_side(points, 0.1)
    assert first > 2 > second
    assert alone == 1
    drawing = plots.swimmer(
        lanes, events, pd.DataFrame([("S-02", 8.0)], columns=["subject", "time"]),
        segments=["On"], marks={"PSA": ("o", "white"), "Scan": ("s", "black")}, x_title="Weeks",
        still="Last known alive",
    )  # fmt: skip
    _, texts = drawn(drawing)
    assert "Last known alive" in texts


def test_a_mark_of_a_swimmer_keeps_its_shape_whatever_else_occurs():
    """Of three marks only the last occurs: a square filled in black, as where all three do."""
    marks = {"PSA": ("o", "white"), "Scan": ("^", "white"), "Death": ("s", "#000000")}
    lanes = pd.DataFrame(
        [("S-01", 0.0, 8.0, "On"), ("S-02", 0.0, 6.0, "On")],
        columns=["subject", "start", "end", "segment"],
    )
    alive = pd.DataFrame([("S-02", 6.0)], columns=["subject", "time"])
    some = [("S-01", 8.0, "Death")]
    every = [("S-01", 1.0, "PSA"), ("S-01", 4.0, "Scan"), *some]
    for events in (some, every):
        frame = pd.DataFrame(events, columns=["subject", "time", "event"])
        plot = plots.swimmer(
            lanes, frame, alive, segments=["On", "After"], marks=marks, x_title="Weeks", still="Alive",
            reasons=pd.DataFrame([("S-01", "Completed")], columns=["subject", "reason"]),
        )  # fmt: skip
        axes, texts = drawn(plot)
        dead = next(
            c for c in axes.collections
            if len(c.get_offsets()) == 1 and tuple(map(float, c.get_offsets()[0])) == (8.0, 2.0)
        )  # fmt: skip
        corners = {tuple(map(float, corner)) for corner in dead.get_paths()[0].vertices}
        assert {(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)} == corners
        assert dead.get_facecolor()[0][:3].tolist() == [0, 0, 0]
        assert ("PSA" in texts) == (events is every)
        assert "Completed" in texts


def test_a_curve_ends_where_each_group_has_fewer_than_a_tenth_at_risk():
    """Of 20 and 10 patients a tenth are 2 and 1: at month 18 there are 1 and 0, at 12 still 2 in A."""
    rows = [("A", 0.0, 20), ("A", 12.0, 2), ("A", 18.0, 1), ("A", 24.0, 1)]
    rows += [("B", 0.0, 10), ("B", 12.0, 0), ("B", 18.0, 0), ("B", 24.0, 0)]
    at_risk = pd.DataFrame(rows, columns=["group", "time", "n"])
    assert plots.shown_until(at_risk) == 18
    assert plots.shown_until(at_risk[at_risk["time"] <= 18]) is None
    assert plots.shown_until(at_risk[at_risk["time"] <= 12]) is None


def test_a_spider_shows_a_halving_and_a_doubling_equally_far_from_baseline():
    """Changes of -50 and +100 percent are ratios of 1/2 and 2; a value of 0 is drawn at 1/128."""
    rows = [("S-01", 0.0, 0.0), ("S-01", 3.0, -50.0), ("S-02", 0.0, 0.0), ("S-02", 3.0, 100.0)]
    rows += [("S-03", 0.0, 0.0), ("S-03", 3.0, -100.0)]
    frame = pd.DataFrame(rows, columns=["subject", "time", "change"]).assign(category="None")
    axes, texts = drawn(spider(frame))
    ends = {
        float(y) for c in axes.collections for _, y in c.get_offsets() if len(c.get_offsets()) == 3
    }
    assert ends == {-1.0, 1.0, -7.0}
    assert {"1/2", "1", "2"} <= set(texts)


def test_a_strip_below_a_waterfall_names_the_response_of_each_bar():
    _, texts = drawn(waterfall(bars().assign(strip=["PD", "SD", "PR", "SD", "NEv", "CR"])))
    assert {"PD", "SD", "PR", "NEv"} <= set(texts)
    assert "CR" not in texts  # the patient without a change has no bar


def test_a_long_rate_is_named_in_full_on_two_lines():
    _, texts = drawn(ae(rates("Neutropenia, laboratory, grade 3 or worse")))
    assert "Neutropenia, laboratory, grade 3\nor worse" in texts


def test_a_rate_between_two_ends_is_a_thick_line_without_a_dot():
    """Between 44 and 100 percent, with an interval from 24; it is placed above the 36 of the other."""
    frame = pd.DataFrame(
        [("Any", "Ours", NAN, 24.0, 100.0, 44.0, 100.0), ("Severe", "Ours", 36.0, 18.0, 57.0, NAN, NAN)],
        columns=["term", "series", "percent", "low", "high", "lowest", "highest"],
    )  # fmt: skip
    axes, _ = drawn(plots.ae_dot_plot(frame, series=["Ours"], x_title="Patients (%)"))
    lines = [
        (round(start[0]), round(end[0]), round(float(width), 1), start[1])
        for c in axes.collections
        if hasattr(c, "get_segments")
        for (start, end), width in zip(c.get_segments(), itertools.cycle(c.get_linewidths()))
    ]
    thick = max(width for *_, width, _ in lines)
    assert [(a, b) for a, b, width, _ in lines if width == thick] == [(44, 100)]
    assert {(24, 100), (18, 57)} <= {(a, b) for a, b, width, _ in lines if width < thick}
    heights = {a: at for a, _, _, at in lines}
    assert heights[24] == heights[44] > heights[18]
    dots = [
        tuple(map(float, c.get_offsets()[0])) for c in axes.collections if len(c.get_offsets()) == 1
    ]
    assert [x for x, _ in dots if x > 0] == [36]


def test_the_line_of_a_forest_carries_its_words():
    rows = pd.DataFrame(
        [("Primary", "3/25", "12.0", 12.0, 2.5, 31.2)],
        columns=["label", "n_text", "text", "estimate", "low", "high"],
    )
    canvas = plots.forest(
        rows, reference=10, reference_words="p0 = 10.0", x_title="%", columns=("a", "b", "c")
    )
    assert "p₀ = 10.0" in {t.get_text() for t in canvas.findobj(Text)}


def test_a_curve_that_has_ended_has_no_patient_at_risk():
    """A ends at month 14, with a number every 2 months, B at 28 with one every 6."""
    a = [("A", t, n) for t, n in ((0.0, 5), (2.0, 5), (6.0, 3), (12.0, 1), (14.0, 1))]
    b = [("B", t, n) for t, n in ((0.0, 9), (6.0, 8), (12.0, 6), (18.0, 4), (24.0, 2))]
    given_ = pd.DataFrame(a + b, columns=["group", "time", "n"])
    got = survival.common_times(given_, {"A": 14.0, "B": 28.0})
    wide = got.pivot_table(index="time", columns="group", values="n")
    assert wide["A"].tolist() == [5, 3, 1, 0, 0]
    assert wide["B"].tolist() == [9, 8, 6, 4, 2]
    assert wide.index.tolist() == [0, 6, 12, 18, 24]


def test_a_category_without_a_place_in_the_order_is_refused():
    with pytest.raises(ValueError, match="category holds 'None', which is not in its order"):
        plots.waterfall(bars(), cap=100, lines=[], order=ORDER[:2], y_title="", x_title="")


def test_a_forest_prints_its_columns_and_its_reference():
    canvas = forest()
    texts = {t.get_text() for t in canvas.findobj(Text)}
    assert {"Rule", "n/N", "% (CI)", "Head", "Primary", "3/25", "12.0 (2.5, 31.2)"} <= texts
    for of_first, ends in ((False, (0.4, 2.5)), (True, (1.55, 2.5))):
        (axes,) = forest(of_first=of_first).axes
        lines = [each for group in axes.collections for each in group.get_paths()]
        (reference,) = (line.vertices for line in lines if set(line.vertices[:, 0]) == {10.0})
        assert sorted(reference[:, 1]) == pytest.approx(ends)  # two rows, at the heights 2 and 1


def test_a_logarithmic_axis_refuses_zero_and_its_ticks_are_clean():
    with pytest.raises(ValueError, match="use log1p for counts"):
        course(scale="log")
    frame = courses().assign(value=[0.3, 29, 3100] * 6)
    _, texts = drawn(course(frame, scale="log"))
    assert {"1", "3", "10", "30", "100", "300", "1000", "3000"} <= set(texts)
    assert max(map(len, texts)) < 20


@pytest.mark.parametrize(
    "term",
    [
        *(r"$\frac{1}{0}$", "<script>", "x" * 10_000, "a\u202eb\x00", "\ue000", "#", "= x", "\\"),
        *("骨折 left", "🦴", "كسر", "e\u0301\u0328"),
    ],
)
def test_hostile_terms_are_text_in_a_figure(term):
    _, texts = drawn(ae(rates(term)))
    figure.svg(ae(rates(term)), 6.5, 3.8)
    assert max(len(line) for text in texts for line in text.split("\n")) <= 34
    assert "\u202e" not in "".join(texts)


def test_a_letter_that_the_font_lacks_is_a_box_and_no_error():
    """data.md 11: a coded term in Chinese ended the report. The font has no letter U+9AA8."""
    assert escape.figure_text("骨 x", 9) == "□ x"
    assert escape.without_letter(["骨 x", "ü"]) == ["U+9AA8"]
    box = flow_diagram.glyph("骨", bold=False)
    assert box == flow_diagram.glyph("折", bold=False)
    assert box[0] > 0
    assert box[1].startswith("M")
    assert box != flow_diagram.glyph("x", bold=False)


NAN = float("nan")
REASON_NO_PATIENT = pd.DataFrame({"group": [], "time": [], "survival": []})
SPARSE = {
    "no patient censored, no limits": lambda: plots.km_curves(
        steps().assign(conf_low=NAN, conf_high=NAN),
        REASON_NO_PATIENT,
        pd.DataFrame([("B", 0.0, 4), ("A", 0.0, 1)], columns=["group", "time", "n"]),
        {"B": NAN, "A": NAN},
        x_title="",
        y_title="",
    ),
    "one bar": lambda: waterfall(bars().head(1)),
    "baseline only": lambda: spider(courses()[lambda f: f["time"] == 0]),
    "one value": lambda: course(courses().assign(value=1.0).head(1)),
    "no comparator": lambda: ae(rates()[lambda f: f["series"] == "Ours"]),
    "nothing estimable": lambda: plots.forest(
        pd.DataFrame(
            [("a", "0/0", "NE", NAN, NAN, NAN)],
            columns=["label", "n_text", "text", "estimate", "low", "high"],
        ),
        reference=None,
        x_title="",
        columns=("", "", ""),
    ),
}


@pytest.mark.parametrize("case", SPARSE)
def test_sparse_data_are_drawn_without_a_warning(case):
    assert figure.svg(SPARSE[case](), 6.5, 3.8).startswith("<svg")


# --- the flow diagram ---------------------------------------------------------------------------

NS = "{http://www.w3.org/2000/svg}"
WORDS = st.text(alphabet="abcdefghij kl", min_size=1, max_size=110)


def rectangles(text):
    root = ET.fromstring(text)
    return [
        tuple(float(r.attrib[k]) for k in ("x", "y", "width", "height"))
        for r in root.iter(NS + "rect")
    ]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4), st.integers(0, 99999))
def test_boxes_hold_their_words_and_never_overlap(texts, n):
    rows = [
        [Box(f"{i}-{j}", heading, str(n), j, 1, [(detail, str(n))]) for j in range(3)]
        for i, (heading, detail) in enumerate(texts)
    ]
    drawn = flow_diagram.flow_diagram(rows, [], 3)
    boxes = rectangles(drawn)
    for i, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert x + w <= flow_diagram.WIDTH
        for x2, y2, w2, h2 in boxes[:i]:
            assert x >= x2 + w2 or x2 >= x + w or y >= y2 + h2 or y2 >= y + h
    for placed in flow_diagram._placed(rows, 3, flow_diagram.WIDTH):
        for bold, lines in ((True, placed.heading), (False, placed.details)):
            for line in lines:
                assert flow_diagram.text_width(line, 8.0, bold=bold) <= placed.width - 8
        assert flow_diagram._height(placed.heading, placed.details) <= placed.height


@settings(derandomize=True, deadline=None, max_examples=60)
@given(WORDS, st.floats(20, 200))
def test_wrapping_loses_no_letter(words, width):
    lines = flow_diagram.wrapped(words, width, bold=False)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")


def test_the_width_of_a_text_is_that_of_the_font():
    """Libertinus Serif: a digit is 465 of 1000 units, a space 250 (the font's hmtx table)."""
    assert flow_diagram.text_width("137", 10, bold=False) == pytest.approx(3 * 4.65, abs=0.02)
    assert flow_diagram.text_width(" ", 10, bold=False) == pytest.approx(2.5, abs=0.02)


def test_a_curve_that_is_cut_says_how_many_events_are_later(monkeypatch):
    """The axis ends at month 18. Of A, 1 event at 18 is shown and 2 + 1 later ones are not; of B none is later."""
    rows = [("A", 0.0, 20), ("A", 18.0, 1), ("A", 24.0, 1), ("B", 0.0, 10), ("B", 18.0, 0), ("B", 24.0, 0)]  # fmt: skip
    at_risk = pd.DataFrame(rows, columns=["group", "time", "n"])
    of = {
        "os_curve": pd.DataFrame({"time": [3.0, 18.0, 19.0, 30.0], "n_events": [4, 1, 2, 1]}),
        "pfs_curve": pd.DataFrame({"time": [3.0, 18.0, 19.0], "n_events": [4, 1, 0]}),
    }
    monkeypatch.setattr(survival, "_wide", lambda analysis, place: of[analysis])
    a, b = survival.Curve("A", "os", {}), survival.Curve("B", "pfs", {})
    begin = "The axis ends at 18 months: from then on fewer than 10% of the patients are at risk."
    assert survival.cut_note(at_risk, [a, b]) == [
        f"{begin} Events after month 18 not shown: A 3, B 0."
    ]
    assert survival.cut_note(at_risk, [a]) == [f"{begin} 3 events after month 18 not shown."]
    assert survival.cut_note(at_risk, [b]) == [f"{begin} No event after month 18."]
    assert survival.cut_note(at_risk[at_risk["time"] <= 18], [a]) == []


def test_the_list_of_a_diagram_has_each_box_once_below_the_one_that_leads_to_it():
    """Screened 10 leads to treated 4 and to not treated 6 (2 declined); 1 of these comes again."""
    rows = [
        [Box("s", "Screened", Number("10", "flow|s"), 0, 2)],
        [
            Box("t", "Treated", "4", 0),
            Box("n", "Not <treated>", "6", 1, lines=[("declined", Number("2", "flow|d"))]),
        ],
    ]
    arrows = [Arrow("s", "t"), Arrow("s", "n"), Arrow("n", "s", "second sample", loop=True)]
    text = flow_diagram.flow_list(rows, arrows).replace("\u00a0", " ")
    ten, two = ('<span class="ard" data-ard="flow|{}">{}</span>'.format(*x) for x in (("s", 10), ("d", 2)))  # fmt: skip
    assert text == (
        f"<ul><li><strong><span>Screened</span> (n = {ten})</strong><ul>"
        "<li><strong><span>Treated</span> (n = 4)</strong></li>"
        "<li><strong><span>Not &lt;treated&gt;</span> (n = 6)</strong>, second sample"
        f'<ul class="details"><li><span>declined</span> (n = {two})</li></ul></li></ul></li></ul>'
    )


def test_an_arrow_through_a_box_is_refused():
    rows = [[Box("a", "A", "1", 0)], [Box("b", "B", "1", 0)], [Box("c", "C", "1", 0)]]
    with pytest.raises(ValueError, match="the arrow from a to c would run through b"):
        flow_diagram.flow_diagram(rows, [Arrow("a", "c")], 1)


@pytest.mark.parametrize(
    "rows, arrows, message",
    [
        ([[Box("a", "A", "1", 0), Box("a", "B", "1", 1)]], [], "two boxes have one id"),
        ([[Box("a", "A", "1", 0, 2), Box("b", "B", "1", 1)]], [], "box b overlaps another"),
        ([[Box("a", "A", "1", 1, 2)]], [], "box a overlaps another or is outside"),
        ([[Box("a", "A", "1", 0)]], [Arrow("a", "z")], "names the box z"),
    ],
)
def test_a_diagram_that_cannot_be_drawn_is_refused(rows, arrows, message):
    with pytest.raises(ValueError, match=message):
        flow_diagram.flow_diagram(rows, arrows, 2)


# --- the frame of a figure ----------------------------------------------------------------------

DISPLAYS = """
tlf-waterfall: {number: "14.2.1", kind: figure, title: Best change, population: PRIMARY,
  section: SAP 6.2, source: [ADPSA], analysis: [psa_change], audience: closed, orientation: landscape}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "tables").mkdir()
    facts = {"cut_off": "2018-06-30", "cut_off_name": "final", "audience": ""}
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")
    (tmp_path / "tables/run.json").write_text(json.dumps(facts))
    (tmp_path / "tables/plan.json").write_text(json.dumps(plan))
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis/displays.yml").write_text(DISPLAYS)
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    monkeypatch.setattr(register, "project_home", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_figure_is_written_into_the_run_and_named_by_its_path(run):
    n = Number("25", "psa|N", "Kaplan-Meier")
    shown = Figure("tlf-waterfall", waterfall(), "3 of 25 patients [below] 50 %", n=n, numbers=[n])
    markdown = shown._repr_markdown_()
    assert (
        "\n![3 of 25 patients \\[below\\] 50%](<figures/tlf-waterfall.svg>){width=100%}\\\n"
        in markdown
    )
    assert markdown.startswith("::: {#tlf-waterfall .tlf .tlf-figure .landscape .closed}\n")
    assert ', N=[25]{.ard data-ard="psa&#124;N"}]{.tlf-population}' in markdown
    assert "- Method: Kaplan\\-Meier." in markdown
    root = ET.fromstring((run / "figures/tlf-waterfall.svg").read_text(encoding="utf-8"))
    assert root.attrib["width"] == "691.2pt"  # 9.6 inches, landscape
    assert [p.name for p in (run / "figures").iterdir()] == ["tlf-waterfall.svg"]


def test_a_figure_without_numbers_in_its_words_is_refused():
    with pytest.raises(RenderError, match="tlf-x: the alternative text states no number"):
        Figure("tlf-x", waterfall(), "A waterfall plot")


def test_a_figure_without_data_says_why(run):
    shown = Figure(
        "tlf-waterfall", None, "", absent="Not in the data: no PSA after the first dose."
    )
    assert "Not in the data: no PSA after the first dose." in shown._repr_markdown_()


def test_a_closed_figure_leaves_no_file_in_an_open_report(run):
    facts = run / "tables/run.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "audience": "open"}))
    ard._json.cache_clear()
    assert Figure("tlf-waterfall", waterfall(), "3 of 25")._repr_markdown_() == ""
    assert not (run / "figures").exists()


def test_a_curve_below_a_forest_ends_at_its_axis_and_the_forest_keeps_its_height():
    steps = pd.DataFrame(
        {
            "group": "a", "time": [0.0, 2.0, 7.0], "survival": [1.0, 0.75, 0.5],
            "conf_low": [1.0, 0.5, 0.2], "conf_high": [1.0, 0.9, 0.8],
        }
    )  # fmt: skip
    at_risk = pd.DataFrame({"group": "a", "time": [0.0, 3.0, 6.0, 9.0], "n": [40, 20, 3, 0]})
    alone = forest()
    above = alone.axes[0].get_position().height * alone.get_figheight()
    canvas = plots.with_curve(forest(), steps, at_risk, x_title="Months", y_title="Alive", words="median 7.0 months")  # fmt: skip
    kept, curve = canvas.axes
    assert kept.get_position().height * canvas.get_figheight() == pytest.approx(above)
    assert kept.get_position().y0 > curve.get_position().y1
    (line,) = curve.lines
    # Fewer than a tenth of 40 are at risk from month 6 on, where the axis and the curve end.
    assert curve.get_xlim() == (0, 6)
    assert list(line.get_xdata()) == [0, 2, 6]
    assert list(line.get_ydata()) == [1, 0.75, 0.75]
    assert "median 7.0 months" in {text.get_text() for text in canvas.findobj(Text)}
