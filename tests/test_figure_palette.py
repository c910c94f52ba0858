"""Categories of a figure are told apart in grey, and by readers who do not see red or green.

The colours of each pair of categories are compared as they are, in grey, and as seen with protanopia and
deuteranopia (Machado, Oliveira and Fernandes 2009, the matrices of severity 1.0 for linear RGB). A pair that is
too similar in one of them must differ in a sign that has no colour: shape, line or letters below the bars.
"""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from sap.displays import figure, plots, profile, response, swimmer, tumour

PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
AS_SEEN, LUMINANCE = np.eye(3), [[0.2126, 0.7152, 0.0722]] * 3  # sRGB, ITU-R BT.709
EYES = {
    "as it is": AS_SEEN,
    "grey": LUMINANCE,
    "protanopia": PROTANOPIA,
    "deuteranopia": DEUTERANOPIA,
}
LEAST = 12.0  # CIE 1976 colour difference; 2.3 is just noticeable side by side
COLOURED, OTHER = ("color", "fill"), ("shape", "linetype")


def linear(colour: str) -> np.ndarray:
    """Linear RGB of a colour (IEC 61966-2-1)."""
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, for the white point D65."""
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(a: str, b: str) -> float:
    """The smallest difference of two colours over all kinds of eyes and paper."""
    return min(
        float(np.linalg.norm(lab(np.array(eye) @ linear(a)) - lab(np.array(eye) @ linear(b))))
        for eye in EYES.values()
    )


def signs(plot: object, categories: list[str]) -> dict[str, dict[str, object]]:
    """What a plot gives each category: its colour, fill, shape and line."""
    of: dict[str, dict[str, object]] = {one: {} for one in categories}
    for scale in plot.scales:
        (aesthetic, *_) = [a for a in scale.aesthetics if a in (*COLOURED, *OTHER)] or [""]
        if not aesthetic:
            continue
        with warnings.catch_warnings():
            # A scale of the bars has fewer values than there are marks.
            warnings.simplefilter("ignore")
            values = scale.palette(len(categories))
        values = values if isinstance(values, dict) else dict(zip(categories, values, strict=True))
        for one in categories:
            if one in values:
                of[one][aesthetic] = values[one]
    return of


def alike(of: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
    """The pairs of categories that no sign and no colour tells apart."""

    def apart(a: dict[str, object], b: dict[str, object]) -> bool:
        both = set(a) & set(b)
        return any(a[s] != b[s] for s in both & set(OTHER)) or any(
            difference(str(a[s]), str(b[s])) >= LEAST for s in both & set(COLOURED)
        )

    return [
        pair
        for pair in itertools.combinations(of, 2)
        if set(of[pair[0]]) & set(of[pair[1]]) and not apart(of[pair[0]], of[pair[1]])
    ]


TUMOUR = [code.replace("NE", "NEv") for code in tumour.BEST]
PSA = list(response.CATEGORIES)


def waterfall(order: list[str]):
    rows = [(f"S-{i}", -10.0 * i, one) for i, one in enumerate(order)]
    bars = pd.DataFrame(rows, columns=["subject", "change", "category"])
    return plots.waterfall(bars, cap=100, lines=[], order=order, y_title="y", x_title="x")


def courses(order: list[str]) -> pd.DataFrame:
    rows = [(f"S-{i}", float(t), 1.0 + t, one) for i, one in enumerate(order) for t in (0, 1)]
    return pd.DataFrame(rows, columns=["subject", "time", "value", "category"])


def spider(order: list[str]):
    frame = courses(order).rename(columns={"value": "change"})
    return plots.spider(frame, lines=[], order=order, x_title="x", y_title="y")


def course(order: list[str]):
    return plots.course(
        courses(order), scale="log", lines=[], order=order, x_title="x", y_title="y"
    )


def scatter(order: list[str]):
    points = pd.DataFrame({"x": [1.0] * len(order), "y": 1.0, "category": order})
    return plots.exposure_scatter(points, None, order=order, x_title="x", y_title="y")


def survival(order: list[str]):
    rows = [(g, t, 1 - t / 9) for g in order for t in (0.0, 1.0)]
    steps = pd.DataFrame(rows, columns=["group", "time", "survival"])
    steps = steps.assign(conf_low=steps["survival"], conf_high=steps["survival"])
    at_risk = steps[["group", "time"]].assign(n=5)
    return plots.km_curves(steps, steps, at_risk, {}, x_title="x", y_title="y")


def lanes(order: list[str]):
    on = list(swimmer.MARKS)
    bars = pd.DataFrame({"subject": "S", "start": [0.0, 1.0], "end": [1.0, 2.0], "segment": swimmer.SEGMENTS})  # fmt: skip
    events = pd.DataFrame({"subject": "S", "time": range(len(on)), "event": on})
    alive = pd.DataFrame({"subject": ["S"], "time": [9.0]})
    return plots.swimmer(
        bars, events, alive, segments=swimmer.SEGMENTS, marks=swimmer.MARKS, x_title="x", still="Alive"
    )  # fmt: skip


def dots(order: list[str]):
    rates = pd.DataFrame({"term": "Nausea", "series": order, "percent": 10.0})
    return plots.ae_dot_plot(rates, series=order, x_title="x")


def probabilities(order: list[str]):
    curves = pd.DataFrame({"p": 0.1, "probability": 0.1, "series": order})
    marks = pd.DataFrame({"p": [0.1], "probability": [0.1], "label": ["p0"]})
    return plots.oc_curve(curves, marks, order=order, x_title="x", y_title="y")


def accrual(order: list[str]):
    counts = pd.DataFrame({"month": ["2018-01", "2018-02"] * len(order), "n": 1.0})
    counts["step"] = [one for one in order for _ in (0, 1)]
    return plots.accrual(counts, targets={}, order=order, x_title="x", y_title="y")


@pytest.mark.parametrize(
    "draw, order",
    [
        (waterfall, TUMOUR),
        (waterfall, PSA),
        (spider, PSA),
        (course, ["Response", "No response", "Unknown"]),
        (scatter, PSA),
        (survival, ["A", "B", "C", "D"]),
        (lanes, list(swimmer.SEGMENTS)),
        (lanes, [*swimmer.MARKS, "Alive"]),
        (dots, ["This study", "TROPIC", "Another"]),
        (probabilities, ["a", "b", "c"]),
        (accrual, ["a", "b", "c", "d"]),
    ],
)
def test_each_pair_of_categories_of_a_figure_is_told_apart_without_colour_vision(draw, order):
    of = signs(draw(order), order)
    assert all(of.values())
    assert alike(of) == []


def test_grades_in_a_profile_are_shades_and_numbers():
    """Each bar has its grade as a number, and each grade is darker than the one below it."""
    lightness = [lab(linear(profile.GRADE_FILL[grade]))[0] for grade in range(1, 6)]
    steps = [high - low for high, low in itertools.pairwise(lightness)]
    assert min(steps) > 6


def test_bars_are_told_apart_by_their_lightness_alone():
    for fills in (figure.FILLS, figure.FILLS_OF_FIVE):
        assert min(difference(a, b) for a, b in itertools.combinations(fills, 2)) >= LEAST


def test_the_palette_of_before_is_seen_to_fail():
    """Partial response and progression were sky blue and orange: as light as each other on grey paper."""
    of = {"PR": {"fill": "#56B4E9"}, "PD": {"fill": "#E69F00"}}
    assert alike(of) == [("PR", "PD")]
    assert alike({"a": {"fill": "#D55E00"}, "b": {"fill": "#009E73"}}) == [("a", "b")]
    with_shape = {"PR": {"fill": "#56B4E9", "shape": "o"}, "PD": {"fill": "#E69F00", "shape": "s"}}
    assert alike(with_shape) == []


@pytest.mark.parametrize(
    "colour, expected",
    [("white", (100.0, 0.0, 0.0)), ("black", (0.0, 0.0, 0.0)), ("red", (53.24, 80.09, 67.20))],
)
def test_cielab_of_known_colours(colour, expected):
    """Red of sRGB in CIELAB under D65: Lindbloom's calculator, 53.24 80.09 67.20."""
    assert lab(linear(colour)) == pytest.approx(expected, abs=0.02)
