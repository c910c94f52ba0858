"""The drawings: each takes tidy frames of values that are already computed, and draws them.

Nothing is estimated here. Frames are sorted for looks, long texts are shortened, values beyond an
axis are cut off and marked; no number is made that is not in the frame.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from sap.displays.figure import (
    BLACK,
    BLUE,
    COLOURS,
    DASHES,
    FAMILY,
    FILLS,
    GREY,
    PALE,
    SHAPES,
    SMALL_POINTS,
    TEXT_POINTS,
    drawing,
    look,
)
from sap.displays.formats import as_collected, fixed
from sap.displays.free_text import figure_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from plotnine import ggplot

# plotnine measures text in points times this
_MM = 1.0


def _ordered(frame: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    unknown = sorted(set(frame[column]) - set(order))
    if unknown:
        raise ValueError(f"{column} holds {unknown[0]!r}, which is not in its order")
    return frame.assign(**{column: pd.Categorical(frame[column], categories=list(order))})


def _text(**style: Any) -> dict[str, Any]:
    return {"family": FAMILY, "size": SMALL_POINTS, **style}


def _stepped(steps: pd.DataFrame) -> pd.DataFrame:
    """Each step as two points, since a ribbon is drawn from point to point."""
    pieces = []
    for _, curve in steps.groupby("group", sort=False, observed=True):
        before = curve.assign(time=curve["time"].shift(-1)).iloc[:-1]
        both = pd.concat([curve.assign(_half=0), before.assign(_half=1)])
        both["_at"] = range(len(curve), len(curve) + len(both))
        both["_at"] = [*range(0, 2 * len(curve), 2), *range(1, 2 * len(before), 2)]
        pieces.append(both.sort_values("_at"))
    return pd.concat(pieces)


def km_curves(
    steps: pd.DataFrame,
    censored: pd.DataFrame,
    at_risk: pd.DataFrame,
    medians: Mapping[str, float],
    *,
    x_title: str,
    y_title: str,
) -> "ggplot":
    """Kaplan-Meier curves with the numbers at risk under the axis.

    Parameters
    ----------
    steps
        `group, time, survival, conf_low, conf_high`: one row a step, the first at time 0. A missing
        limit leaves its part of the band out.
    censored
        `group, time, survival`: one row a tick.
    at_risk
        `group, time, n`: its times are the ticks of the axis.
    medians
        By group; a group without (or with NaN) gets no line.

    The table of numbers stands in the same panel because plotnine cannot stack panels of different
    heights; its row labels are labels of the y axis.
    """
    from plotnine import (
        aes,
        annotate,
        coord_cartesian,
        element_text,
        geom_ribbon,
        geom_segment,
        geom_step,
        geom_text,
        ggplot,
        guides,
        scale_color_manual,
        scale_fill_manual,
        scale_linetype_manual,
        scale_x_continuous,
        scale_y_continuous,
        theme,
    )
    from plotnine import element_blank as blank

    groups = list(dict.fromkeys(steps["group"]))
    ticks = sorted(set(at_risk["time"]))
    right = max(ticks[-1], float(steps["time"].max()))
    single = len(groups) == 1
    row_height, top_row = 0.085, -0.26
    first_row = top_row if single else top_row - row_height
    where = {group: first_row - i * row_height for i, group in enumerate(groups)}
    risk = at_risk.assign(y=at_risk["group"].map(where), label=[str(int(n)) for n in at_risk["n"]])
    axis = pd.DataFrame({"time": ticks, "label": [as_collected(t) for t in ticks]})
    marks = [
        {"group": g, "x": 0.0 if flat else m, "xend": m, "y": 0.5, "yend": 0.5 if flat else 0.0}
        for g, m in medians.items()
        if m == m
        for flat in (True, False)
    ]
    shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    rows = ["Number at risk" if single else figure_text(g, 30) for g in groups]
    heads = [] if single else [top_row]
    bottom = first_row - row_height * (len(groups) - 0.35)
    frame = _ordered(steps, "group", groups)
    band = _stepped(frame.dropna(subset=["conf_low", "conf_high"]))
    plot = (
        ggplot(frame, aes("time", "survival", color="group", linetype="group"))
        + [annotate("segment", x=0, xend=right, y=s, yend=s, color="#E6E6E6", size=0.4) for s in shares]
        + geom_ribbon(
            aes("time", ymin="conf_low", ymax="conf_high", fill="group"),
            data=band,
            alpha=0.16,
            color="none",
            inherit_aes=False,
        )
        + geom_step(size=0.9)
        + geom_segment(
            aes("time", "survival - 0.018", xend="time", yend="survival + 0.018", color="group"),
            data=_ordered(censored, "group", groups),
            inherit_aes=False,
            size=0.7,
            show_legend=False,
        )
        + annotate("segment", x=0, xend=right, y=0, yend=0, color=BLACK, size=0.5)
        + annotate("segment", x=0, xend=0, y=0, yend=1, color=BLACK, size=0.5)
        + [annotate("segment", x=t, xend=t, y=0, yend=-0.02, color=BLACK, size=0.5) for t in ticks]
        + geom_text(
            aes("time", label="label"), data=axis, y=-0.06, inherit_aes=False, **_text(color=BLACK)
        )
        + annotate("text", x=right / 2, y=-0.155, label=x_title, **_text(size=TEXT_POINTS))
        + geom_text(
            aes("time", "y", label="label"), data=risk, inherit_aes=False, **_text(color=BLACK)
        )
        + scale_x_continuous(breaks=ticks, labels=["" for _ in ticks], expand=(0.02, 0, 0.02, 0))
        + scale_y_continuous(
            breaks=[*shares, *heads, *where.values()],
            labels=[*(fixed(s, 1) for s in shares), *("Number at risk" for _ in heads), *rows],
            name=y_title,
            expand=(0, 0, 0.02, 0),
        )
        + coord_cartesian(ylim=(bottom, 1.0), xlim=(0, right))
        + scale_color_manual(values=COLOURS[: len(groups)])
        + scale_fill_manual(values=COLOURS[: len(groups)])
        + scale_linetype_manual(values=DASHES[: len(groups)])
        + look()
        + theme(
            axis_line=blank(),
            axis_ticks=blank(),
            axis_title_x=blank(),
            axis_text_x=blank(),
            axis_title_y=element_text(va=(0.5 - bottom) / (1 - bottom)),
            panel_grid_major_y=blank(),
        )
    )
    if marks:
        lines = _ordered(pd.DataFrame(marks), "group", groups)
        plot += geom_segment(
            aes("x", "y", xend="xend", yend="yend"),
            data=lines,
            inherit_aes=False,
            linetype="dotted",
            color=GREY,
            size=0.6,
        )
    if single:
        plot += guides(color=False, fill=False, linetype=False)
    return plot
