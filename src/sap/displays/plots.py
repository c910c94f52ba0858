"""The drawings: each takes tidy frames of values that are already computed, and draws them.

Nothing is estimated here. Frames are sorted for looks, long texts are shortened, values beyond an
axis are cut off and marked; no number is made that is not in the frame.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from sap.displays.escape import figure_text
from sap.displays.figure import (
    BLACK,
    BLUE,
    COLOURS,
    DASHES,
    FAMILY,
    FILLS,
    FILLS_OF_FIVE,
    GREY,
    LEAST_POINTS,
    PALE,
    SHAPES,
    SKY,
    SMALL_POINTS,
    TEXT_POINTS,
    Plot,
    drawing,
    look,
    plotnine,
)
from sap.displays.formats import as_collected, fixed, proportion, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def _ordered(frame: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    unknown = sorted(set(frame[column]) - set(order))
    if unknown:
        raise ValueError(f"{column} holds {unknown[0]!r}, which is not in its order")
    return frame.assign(**{column: pd.Categorical(frame[column], categories=list(order))})


def _text(**style: Any) -> dict[str, Any]:
    return {"family": FAMILY, "size": SMALL_POINTS, **style}


def _lines(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows of those who have more than one: a line needs two points."""
    return frame[frame.groupby(by, observed=True)[by].transform("size") > 1]


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
    summaries: Mapping[str, str] | None = None,
) -> Plot:
    """Kaplan-Meier curves with the numbers at risk under the axis, up to `shown_until`.

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
    summaries
        By group: the words in the corner of the panel, such as the median with its limits.

    The table of numbers is in the same panel because plotnine cannot stack panels of different
    heights; its row labels are labels of the y axis.
    """
    p9 = plotnine()

    groups = list(dict.fromkeys(steps["group"]))
    end = shown_until(at_risk)
    at_risk = at_risk if end is None else at_risk[at_risk["time"] <= end]
    ticks = sorted(set(at_risk["time"]))
    right = max(ticks[-1], float(steps["time"].max())) if end is None else end
    medians = {group: m for group, m in medians.items() if not m > right}
    steps, censored = _until(steps, right), censored[censored["time"] <= right]
    single = len(groups) == 1
    row_height, top_row = 0.085, -0.26
    first_row = top_row if single else top_row - row_height
    where = {group: first_row - i * row_height for i, group in enumerate(groups)}
    risk = at_risk.assign(y=at_risk["group"].map(where), label=[str(int(n)) for n in at_risk["n"]])
    axis = pd.DataFrame({"time": ticks, "label": [as_collected(t) for t in ticks]})
    marks = [
        {"group": g, "x": 0.0 if flat else m, "xend": m, "y": 0.5, "yend": 0.5 if flat else 0.0}
        for g, m in medians.items()
        if not isnan(m)
        for flat in (True, False)
    ]
    shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    rows = ["Number at risk" if single else figure_text(g, 30) for g in groups]
    heads = [] if single else [top_row]
    bottom = first_row - row_height * (len(groups) - 0.35)
    frame = _ordered(steps, "group", groups)
    limits = frame.dropna(subset=["conf_low", "conf_high"])
    band = _stepped(limits) if len(limits) else limits
    plot = (
        p9.ggplot(frame, p9.aes("time", "survival", color="group", linetype="group"))
        + [
            p9.annotate("segment", x=0, xend=right, y=s, yend=s, color="#E6E6E6", size=0.4)
            for s in shares
        ]
        + p9.geom_ribbon(
            p9.aes("time", ymin="conf_low", ymax="conf_high", fill="group"),
            data=band,
            alpha=0.16,
            color="none",
            inherit_aes=False,
        )
        + p9.geom_step(size=0.9)
        + p9.geom_segment(
            p9.aes("time", "survival - 0.018", xend="time", yend="survival + 0.018", color="group"),
            data=_ordered(censored, "group", groups),
            inherit_aes=False,
            size=0.7,
            show_legend=False,
        )
        + p9.annotate("segment", x=0, xend=right, y=0, yend=0, color=BLACK, size=0.5)
        + p9.annotate("segment", x=0, xend=0, y=0, yend=1, color=BLACK, size=0.5)
        + [
            p9.annotate("segment", x=t, xend=t, y=0, yend=-0.02, color=BLACK, size=0.5)
            for t in ticks
        ]
        + p9.geom_text(
            p9.aes("time", label="label"),
            data=axis,
            y=-0.06,
            inherit_aes=False,
            **_text(color=BLACK),
        )
        + p9.annotate("text", x=right / 2, y=-0.155, label=x_title, **_text(size=TEXT_POINTS))
        + p9.geom_text(
            p9.aes("time", "y", label="label"), data=risk, inherit_aes=False, **_text(color=BLACK)
        )
        + p9.scale_x_continuous(breaks=ticks, labels=["" for _ in ticks], expand=(0.02, 0, 0.02, 0))
        + p9.scale_y_continuous(
            breaks=[*shares, *heads, *where.values()],
            labels=[*(fixed(s, 1) for s in shares), *("Number at risk" for _ in heads), *rows],
            name=y_title,
            expand=(0, 0, 0.02, 0),
        )
        + p9.coord_cartesian(ylim=(bottom, 1.0), xlim=(0, right))
        + p9.scale_color_manual(values=COLOURS[: len(groups)])
        + p9.scale_fill_manual(values=COLOURS[: len(groups)])
        + p9.scale_linetype_manual(values=DASHES[: len(groups)])
        + look()
        + p9.theme(
            axis_line=p9.element_blank(),
            axis_ticks=p9.element_blank(),
            axis_title_x=p9.element_blank(),
            axis_text_x=p9.element_blank(),
            axis_title_y=p9.element_text(va=(0.5 - bottom) / (1 - bottom)),
            panel_grid_major_y=p9.element_blank(),
        )
    )
    if marks:
        lines = _ordered(pd.DataFrame(marks), "group", groups)
        plot += p9.geom_segment(
            p9.aes("x", "y", xend="xend", yend="yend"),
            data=lines,
            inherit_aes=False,
            linetype="dotted",
            color=GREY,
            size=0.6,
        )
    for i, (group, words) in enumerate((summaries or {}).items()):
        label = words if single else f"{figure_text(group, 30)}: {words}"
        place = {"x": right, "y": 0.985 - 0.075 * i, "label": label}
        plot += p9.annotate("text", **place, ha="right", va="top", **_text(color=BLACK))
    if single:
        plot += p9.guides(color=False, fill=False, linetype=False)
    return plot


def _until(steps: pd.DataFrame, right: float) -> pd.DataFrame:
    """The steps up to the end of the axis; a curve that goes on ends there."""
    curves = []
    for _, curve in steps.groupby("group", sort=False, observed=True):
        inside = curve[curve["time"] <= right]
        goes_on = len(inside) < len(curve)
        curves += [inside, inside.tail(1).assign(time=right)] if goes_on else [inside]
    return pd.concat(curves, ignore_index=True)


FEW_AT_RISK = 0.1


def shown_until(at_risk: pd.DataFrame) -> float | None:
    """The first time of the table at which each curve has fewer than a tenth of its patients at risk.

    A curve beyond it is drawn by so few patients that its steps mislead. None where no time is cut off.
    """
    wide = at_risk.pivot_table(index="time", columns="group", values="n").sort_index()
    few = (wide < FEW_AT_RISK * wide.iloc[0]).all(axis=1)
    later = [float(time) for time in wide.index[few]]
    return min(later) if later and min(later) < float(wide.index[-1]) else None


BLOCK_GAP = 2  # bars
MOST_UPRIGHT = 24  # bars: the words of more would overlap unless turned


def waterfall(
    bars: pd.DataFrame,
    *,
    cap: float,
    lines: Sequence[float],
    order: Sequence[str],
    y_title: str,
    x_title: str,
) -> Plot:
    """One bar per patient, from the largest increase to the largest decrease.

    Parameters
    ----------
    bars
        `subject, change, category` and, where there is one, `mark`: a sign printed at the bar's end
        (an asterisk for a second episode). A missing change has no bar. With `block` the bars of each
        block are grouped under its label, in the order in which the blocks come. With `strip` a code is
        printed below each bar.
    cap
        An increase above it is truncated there and its value printed on top.
    lines
        Where dashed lines are drawn: the decreases of the plan, as negative numbers.
    order
        The categories from the best (darkest) to the worst.
    """
    p9 = plotnine()

    fills = FILLS if len(order) <= len(FILLS) else FILLS_OF_FIVE
    known = bars.dropna(subset=["change"])
    blocks = list(dict.fromkeys(known["block"])) if "block" in known else []
    turn = known["block"].map(blocks.index) if blocks else 0
    known = known.assign(_turn=turn)
    known = known.sort_values(["_turn", "change", "subject"], ascending=[True, False, True])
    known = _ordered(known, "category", order).assign(
        place=[i + BLOCK_GAP * t for i, t in enumerate(known["_turn"], start=1)],
        height=known["change"].clip(upper=cap),
    )
    beyond = known[known["change"] > cap].copy()
    beyond["label"] = [fixed(x, 0) for x in beyond["change"]]
    present = [c for c in order if c in set(known["category"])]
    low = min([-100.0, *known["change"]]) if len(known) else -100.0
    breaks = [x for x in (-100, -75, -50, -25, 0, 25, 50, 75, 100) if x <= cap]
    plot = (
        p9.ggplot(known, p9.aes("place", "height", fill="category"))
        + p9.geom_hline(yintercept=list(lines), linetype="dashed", color=GREY, size=0.5)
        + p9.geom_col(width=0.82, color=BLACK, size=0.3)
        + p9.geom_hline(yintercept=0, color=BLACK, size=0.5)
        + p9.scale_fill_manual(values=dict(zip(order, fills, strict=False)), breaks=present)
        + p9.scale_y_continuous(breaks=breaks, labels=_signs)
        + p9.coord_cartesian(ylim=(low - cap * (0.22 if "strip" in known else 0.1), cap * 1.08))
        + p9.scale_x_continuous(breaks=[], expand=(0, 0.6))
        + _titles(x_title, y_title)
        + look()
        + p9.theme(axis_line_x=p9.element_blank())
    )
    if len(beyond):
        plot += p9.geom_text(
            p9.aes("place", "height", label="label"),
            data=beyond,
            inherit_aes=False,
            va="bottom",
            nudge_y=cap * 0.015,
            **_text(size=LEAST_POINTS, angle=90 if len(known) > MOST_UPRIGHT else 0),
        )
    if "strip" in known:
        plot += p9.geom_text(
            p9.aes("place", label="strip"),
            data=known,
            y=low - cap * 0.15,
            inherit_aes=False,
            **_text(size=LEAST_POINTS, angle=90 if len(known) > MOST_UPRIGHT else 0),
        )
    if len(blocks) > 1:
        heads = known.groupby("_turn")["place"].agg(["min", "max"])
        heads["label"] = [figure_text(block, 48) for block in blocks]
        # The label of a narrow block at an edge would be cut: it begins or ends with its block.
        heads["at"] = (heads["min"] + heads["max"]) / 2
        heads.loc[heads.index[0], "at"] = heads["min"].iloc[0] - 0.5
        heads.loc[heads.index[-1], "at"] = heads["max"].iloc[-1] + 0.5
        sides = {"left": heads.iloc[:1], "center": heads.iloc[1:-1], "right": heads.iloc[-1:]}
        for side, labels in sides.items():
            plot += p9.geom_text(
                p9.aes("at", label="label"),
                data=labels,
                y=cap * 1.04,
                ha=side,
                inherit_aes=False,
                **_text(),
            )
        ends = [float(at) + (BLOCK_GAP + 1) / 2 for at in heads["max"].iloc[:-1]]
        plot += p9.geom_vline(xintercept=ends, color=GREY, size=0.5)
    if "mark" in known and known["mark"].astype(bool).any():
        marked = known[known["mark"].astype(bool)].copy()
        marked["at"] = [h - cap * 0.07 if h < 0 else h + cap * 0.07 for h in marked["height"]]
        plot += p9.geom_text(
            p9.aes("place", "at", label="mark"), data=marked, inherit_aes=False, **_text(size=9)
        )
    return plot


def _signed(value: float) -> str:
    return ("+" if value > 0 else "\u2212" if value < 0 else "") + as_collected(abs(value))


def _signs(breaks: Sequence[Any]) -> list[str]:
    return [_signed(float(b)) for b in breaks]


def _titles(x_title: str, y_title: str) -> Any:
    return plotnine().labs(x=typeset(x_title), y=typeset(y_title))


LOWEST_RATIO = 2.0**-7


def spider(
    courses: pd.DataFrame,
    *,
    lines: Sequence[float],
    order: Sequence[str],
    x_title: str,
    y_title: str,
) -> Plot:
    """The ratio to baseline over time on a logarithmic scale of base 2, one line per patient.

    `courses` holds `subject, time, change, category`, the row at time 0 included; `change` is in percent, and
    `lines` are changes. A halving and a doubling are equally far from no change, so no line leaves the
    panel; a ratio below 1/128 is drawn there.
    """
    p9 = plotnine()

    frame = _ordered(courses, "category", order).sort_values(["subject", "time"])
    frame = frame.assign(ratio=[max(1 + x / 100, LOWEST_RATIO) for x in frame["change"]])
    low, high = min([0.5, *frame["ratio"]]), max([2.0, *frame["ratio"]])
    steps = [k for k in range(-7, 15) if low * 0.99 <= 2.0**k <= high * 1.01]
    breaks = [2.0**k for k in steps[:: 1 + len(steps) // 10]]
    colours = {c: (BLUE, BLACK, GREY, COLOURS[1])[i % 4] for i, c in enumerate(order)}
    return (
        p9.ggplot(frame, p9.aes("time", "ratio", group="subject", color="category"))
        + p9.geom_hline(yintercept=1, color=BLACK, size=0.4)
        + p9.geom_hline(
            yintercept=[1 + x / 100 for x in lines], linetype="dashed", color=GREY, size=0.5
        )
        + p9.geom_line(p9.aes(linetype="category"), data=_lines(frame, "subject"), size=0.7)
        + p9.geom_point(
            p9.aes(shape="category"),
            data=frame.groupby("subject", sort=False, observed=True).tail(1),
            size=2,
        )
        + p9.scale_color_manual(values=colours)
        + p9.scale_linetype_manual(values=dict(zip(order, DASHES, strict=False)))
        + p9.scale_shape_manual(values=dict(zip(order, SHAPES, strict=False)))
        + p9.scale_y_continuous(trans="log2", breaks=breaks, labels=_ratios)
        + p9.scale_x_continuous(breaks=_ticks(frame["time"]), labels=_plain)
        + _titles(x_title, y_title)
        + look()
    )


def _ratios(breaks: Sequence[Any]) -> list[str]:
    """Powers of two: `1/4`, `1/2`, `1`, `2`."""
    return [
        as_collected(round(float(b))) if b > 0.9 else f"1/{as_collected(round(1 / float(b)))}"
        for b in breaks
    ]


def swimmer(  # noqa: PLR0913 - three frames, their legends and the words at their side
    lanes: pd.DataFrame,
    events: pd.DataFrame,
    ongoing: pd.DataFrame,
    *,
    segments: Sequence[str],
    marks: Mapping[str, tuple[str, str]],
    x_title: str,
    still: str,
    reasons: pd.DataFrame | None = None,
) -> Plot:
    """One lane per patient, the longest on top.

    Overlapping marks are offset, the earlier of `marks` on top.

    Parameters
    ----------
    lanes
        `subject, start, end, segment`: the bars, one row each.
    events
        `subject, time, event`: the marks.
    ongoing
        `subject, time`: where an arrow shows that the patient is still followed.
    segments
        The kinds of bars, dark to light; a kind has its colour whether or not those before it occur.
    marks
        The shape and the fill of each kind of mark, in the order of the legend, which has those that occur.
    still
        The label of the arrow in the legend.
    reasons
        `subject, reason`: words at the right of a lane, in a column.
    """
    p9 = plotnine()

    reach = pd.concat([lanes.set_index("subject")["end"], ongoing.set_index("subject")["time"]])
    longest = reach.groupby(level=0).max().reset_index(name="end")
    ranked = longest.sort_values(["end", "subject"], ascending=[True, False])["subject"]
    where = {subject: i + 1 for i, subject in enumerate(ranked)}
    bars = _ordered(lanes, "segment", segments).assign(y=lanes["subject"].map(where))
    points = _ordered(events, "event", list(marks)).assign(y=events["subject"].map(where))
    points["y"] = _side_by_side(points, float(longest["end"].max() if len(longest) else 1.0) * 0.02)
    bars = bars.sort_values(["y", "start"], ignore_index=True)
    points = points.sort_values(["y", "time", "event"], ignore_index=True)
    arrows = ongoing.assign(y=ongoing["subject"].map(where)).sort_values("y")
    right = float(longest["end"].max()) if len(longest) else 1.0
    arrows["further"] = arrows["time"] + right * 0.02
    arrows["event"] = still
    occurring = set(events["event"])
    legend = [*(m for m in marks if m in occurring), *([still] if len(arrows) else [])]
    fills = (BLUE, SKY, PALE)
    plot = (
        p9.ggplot(bars)
        + p9.geom_segment(
            p9.aes("start", "y", xend="end", yend="y", color="segment"), size=4.2, lineend="butt"
        )
        + p9.geom_point(
            p9.aes("time", "y", shape="event", fill="event"),
            data=points,
            color=BLACK,
            size=2.3,
            stroke=0.5,
        )
        + p9.scale_color_manual(
            values=dict(zip(segments, fills, strict=False)),
            breaks=[each for each in segments if each in set(lanes["segment"])],
        )
        + p9.scale_shape_manual(
            values={mark: shape for mark, (shape, _) in marks.items()} | {still: ">"}, breaks=legend
        )
        + p9.scale_fill_manual(
            values={mark: fill for mark, (_, fill) in marks.items()} | {still: BLACK}, breaks=legend
        )
        + p9.scale_y_continuous(
            breaks=list(where.values()),
            labels=[figure_text(str(s), 16) for s in where],
            expand=(0, 0.7),
        )
        + p9.scale_x_continuous(
            breaks=_ticks(reach),
            labels=_plain,
            expand=(0, 0, 0.04 if reasons is None else 0.3, 0),
        )
        + p9.guides(color=p9.guide_legend(order=1))
        + _titles(x_title, "")
        + look()
        + p9.theme(
            panel_grid_major_y=p9.element_blank(),
            axis_ticks_y=p9.element_blank(),
            axis_title_y=p9.element_blank(),
            legend_box="vertical",
        )
    )
    if reasons is not None and len(reasons):
        column = reasons.assign(
            y=reasons["subject"].map(where),
            label=[figure_text(str(words), 26) for words in reasons["reason"]],
        ).sort_values("y")
        plot += p9.geom_text(
            p9.aes(y="y", label="label"), data=column, x=right * 1.05, ha="left", **_text()
        )
    if len(arrows):
        plot += p9.geom_segment(
            p9.aes("time", "y", xend="further", yend="y"), data=arrows, size=0.6, color=BLACK
        )
        plot += p9.geom_point(
            p9.aes("further", "y", shape="event", fill="event"),
            data=arrows,
            color=BLACK,
            size=1.8,
            stroke=0.5,
        )
    return plot


def _side_by_side(points: pd.DataFrame, near: float) -> "pd.Series[float]":
    """The lane of each mark, offset where others of the lane are within `near`."""
    y = points["y"].astype(float)
    ordered = points.sort_values(["y", "time", "event"])
    close = (ordered.groupby("y")["time"].diff() > near) | (ordered["y"].diff() != 0)
    for _, together in ordered.groupby(close.cumsum()):
        ranked = together.sort_values("event").index
        step = 0.5 / max(len(ranked) - 1, 1)
        for i, place in enumerate(ranked):
            y[place] += (0.25 - i * step) if len(ranked) > 1 else 0.0
    return y


def forest(
    rows: pd.DataFrame,
    *,
    reference: float | None,
    x_title: str,
    columns: tuple[str, str, str],
    reference_words: str = "",
    of_first: bool = False,
) -> "Canvas":
    """Estimates with their intervals, between columns of text.

    Parameters
    ----------
    rows
        `label, n_text, text, estimate, low, high`, from top to bottom; a row without an estimate is
        the heading of a group.
    reference
        The value of no difference, or the null hypothesis: a dashed line with `reference_words` on
        top. It crosses all rows, or with `of_first` the first alone: a hypothesis of the primary endpoint.
    columns
        The headers over label, n_text and text.

    Drawn with matplotlib: text columns at the side of a panel are beyond plotnine.
    """
    from matplotlib.figure import Figure as Canvas

    with drawing():
        canvas = Canvas(figsize=(6.5, 0.62 + 0.235 * (len(rows) + 1)))
        top, bottom = 0.98, 0.52 / canvas.get_figheight()
        axes = canvas.add_axes((0.43, bottom, 0.33, top - bottom))
        places = list(range(len(rows), 0, -1))
        known = rows.assign(y=places).dropna(subset=["estimate"])
        axes.set_ylim(0.4, len(rows) + 1.6)
        ends = [*known["low"], *known["high"], *([reference] if reference is not None else [])]
        # Rates begin at 0, so that a reference below all of them does not lie on the edge.
        left, right = _span([0.0, *ends] if min(ends, default=0.0) >= 0 else ends)
        axes.set_xlim(left, right)
        if reference is not None:
            axes.vlines(
                reference,
                places[0] - 0.45 if of_first else axes.get_ylim()[0],
                len(rows) + 0.5,
                color=GREY,
                linewidths=0.8,
                linestyles="--",
                zorder=1,
            )
            axes.text(
                reference,
                len(rows) + 1,
                figure_text(typeset(reference_words), 30),
                ha="center",
                va="center",
                fontsize=SMALL_POINTS,
            )
        axes.hlines(known["y"], known["low"], known["high"], color=BLACK, linewidth=1.1, zorder=2)
        for limit in ("low", "high"):
            axes.vlines(
                known[limit], known["y"] - 0.13, known["y"] + 0.13, color=BLACK, linewidth=1.1
            )
        axes.scatter(known["estimate"], known["y"], marker="s", s=26, color=BLUE, zorder=3)
        axes.set_xlabel(typeset(x_title), fontsize=TEXT_POINTS)
        axes.tick_params(axis="x", labelsize=SMALL_POINTS, width=0.6)
        axes.yaxis.set_visible(False)
        for side in ("top", "left", "right"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_linewidth(0.6)
        label, n_text, text = map(typeset, columns)
        _forest_line(axes, (label, n_text, text), len(rows) + 1, weight="bold")
        for y, (_, row) in zip(places, rows.iterrows(), strict=True):
            texts = (
                figure_text(typeset(str(row["label"])), 46),
                figure_text(str(row["n_text"]), 14),
                figure_text(str(row["text"]), 26),
            )
            _forest_line(axes, texts, y, weight="normal" if y in set(known["y"]) else "bold")
        axes.axhline(
            len(rows) + 0.55, xmin=-1.28, xmax=1.72, color=BLACK, linewidth=0.6, clip_on=False
        )
    return canvas


CURVE_INCHES = 1.45


def with_curve(
    canvas: "Canvas",
    steps: pd.DataFrame,
    at_risk: pd.DataFrame,
    *,
    x_title: str,
    y_title: str,
    words: str,
) -> "Canvas":
    """A forest with one Kaplan-Meier curve below it, `words` (the median with its limits) in its corner.

    `steps` and `at_risk` as for `km_curves`, of one group; the axis ends where that of `km_curves` does.
    The numbers at risk are left to the figure of the curve itself.
    """
    with drawing():
        above = canvas.get_figheight()
        height = above + CURVE_INCHES
        canvas.set_figheight(height)
        for axes in canvas.axes:
            box = axes.get_position()
            axes.set_position(
                (
                    box.x0,
                    (box.y0 * above + CURVE_INCHES) / height,
                    box.width,
                    box.height * above / height,
                )
            )
        axes = canvas.add_axes((0.09, 0.45 / height, 0.89, (CURVE_INCHES - 0.55) / height))
        right = shown_until(at_risk) or float(steps["time"].max())
        curve = _until(steps, right)
        time = curve["time"]
        axes.fill_between(
            time,
            curve["conf_low"],
            curve["conf_high"],
            step="post",
            color=BLUE,
            alpha=0.2,
            linewidth=0,
        )
        axes.step(time, curve["survival"], where="post", color=BLUE, linewidth=1.2)
        axes.set_xlim(0, right)
        axes.set_ylim(0, 1.03)
        axes.set_yticks([0, 0.5, 1])
        axes.set_xticks([each for each in sorted(set(at_risk["time"])) if each <= right])
        axes.set_xlabel(typeset(x_title), fontsize=TEXT_POINTS)
        axes.set_ylabel(typeset(y_title), fontsize=TEXT_POINTS)
        axes.tick_params(labelsize=SMALL_POINTS, width=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.text(
            0.99, 0.97, figure_text(typeset(words), 60), ha="right", va="top",
            fontsize=SMALL_POINTS, transform=axes.transAxes,
        )  # fmt: skip
    return canvas


def _forest_line(axes: Any, texts: tuple[str, str, str], y: float, *, weight: str) -> None:
    across = axes.get_yaxis_transform()
    for x, text, side in zip((-1.28, -0.06, 1.05), texts, ("left", "right", "left"), strict=True):
        axes.text(
            x, y, text, ha=side, va="center", fontsize=SMALL_POINTS, weight=weight, transform=across
        )


def _ticks(values: pd.Series) -> list[float]:
    """Ticks of a time axis: the smallest round step that leaves at most nine."""
    top = float(values.max()) if len(values) else 1.0
    step = next((s for s in (1, 2, 3, 6, 12, 24, 48) if top / s <= 9), 96)
    return [float(t) for t in range(0, int(top) + 1, step)]


def _span(values: Sequence[float]) -> tuple[float, float]:
    known = [v for v in values if not isnan(v)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    margin = 0.04 * ((high - low) or 1.0)
    return (low if low == 0 else low - margin), high + margin


def _on_two_lines(words: str, width: int) -> str:
    """`words` broken at the last space that leaves the first line within `width`."""
    if len(words) <= width or " " not in words[: width + 1]:
        return words if len(words) <= width else f"{words[:width]}\n{words[width:]}"
    at = words.rindex(" ", 0, width + 1)
    return f"{words[:at]}\n{words[at + 1 :]}"


def ae_dot_plot(
    rates: pd.DataFrame, *, series: Sequence[str], x_title: str, panels: Sequence[str] = ()
) -> Plot:
    """Rates of adverse events of this trial and of a comparator; the most frequent of this trial on top.

    `rates` holds `term, series, percent`, where there are intervals `low, high`, and where there are
    panels (any grade, grade 3 or above) `panel`. The first of `series` is this trial: a filled dot; the
    others are open signs. A rate known to lie between `lowest` and `highest` has no `percent`: it is a
    thick line in place of a dot, and is placed by its lowest value.
    """
    p9 = plotnine()

    trial = rates[rates["series"] == series[0]]
    if panels:
        trial = trial[trial["panel"] == panels[0]]
    for end in ("low", "high", "lowest", "highest"):
        rates = rates if end in rates else rates.assign(**{end: float("nan")})
    trial = trial.assign(rank=trial["percent"].fillna(trial.get("lowest", float("nan"))))
    ranked = trial.sort_values(["rank", "term"], ascending=[True, False])["term"]
    rest = sorted(set(rates["term"]) - set(ranked), reverse=True)
    terms = [*rest, *ranked]
    # A grade stays on one line.
    printed = [typeset(term).replace(" ≥ ", "\u00a0≥\u00a0") for term in terms]
    labels = [_on_two_lines(figure_text(term, 64), 32) for term in printed]
    frame = rates.assign(at=rates["term"].map({term: i for i, term in enumerate(terms)}))
    frame = _ordered(frame, "series", series)
    apart = 0.26 * (len(series) - 1) / 2
    frame["at"] += [apart - 0.26 * list(series).index(one) for one in frame["series"]]
    if panels:
        frame = _ordered(frame, "panel", panels)
    keys = ["panel", "at"] if panels else ["at"]
    frame = frame.sort_values(keys, ignore_index=True)
    fills = dict(zip(series, (BLUE, "white", "white"), strict=False))
    largest = frame[["percent", "high", "highest"]].max().max()
    plot = (
        p9.ggplot(frame, p9.aes("percent", "at"))
        + p9.geom_segment(
            p9.aes("low", "at", xend="high", yend="at", color="series"),
            data=frame.dropna(subset=["low", "high"]),
            size=0.7,
            show_legend=False,
        )
        + p9.geom_segment(
            p9.aes("lowest", "at", xend="highest", yend="at", color="series"),
            data=frame.dropna(subset=["lowest", "highest"]),
            size=2.4,
            show_legend=False,
        )
        + p9.geom_point(
            p9.aes(shape="series", color="series", fill="series"),
            data=frame.dropna(subset=["percent"]),
            size=2.6,
            stroke=0.7,
        )
        + p9.scale_shape_manual(values=dict(zip(series, SHAPES, strict=False)))
        + p9.scale_color_manual(values=dict(zip(series, COLOURS, strict=False)))
        + p9.scale_fill_manual(values=fills)
        + p9.scale_x_continuous(
            limits=(0, 100 if largest > 75 else None), expand=(0.01, 0, 0.04, 0)
        )
        + p9.scale_y_continuous(breaks=list(range(len(terms))), labels=labels, expand=(0, 0.6))
        + _titles(x_title, "")
        + look()
        + p9.theme(panel_grid_major_x=p9.element_line(color="#E6E6E6", size=0.4))
    )
    return plot + p9.facet_wrap("panel") if panels else plot


def course(
    values: pd.DataFrame,
    *,
    scale: Literal["log", "log1p"],
    lines: Sequence[float],
    order: Sequence[str],
    x_title: str,
    y_title: str,
) -> Plot:
    """A marker over time, one line per patient, on a logarithmic axis.

    `values` holds `subject, time, value, category`. `log1p` is for counts, where 0 occurs; `log`
    needs values above 0.
    """
    from mizani.transforms import log1p_trans

    p9 = plotnine()

    if scale == "log" and (values["value"] <= 0).any():
        raise ValueError("value must be above 0 on a log axis: use log1p for counts")
    frame = _ordered(values, "category", order).sort_values(["subject", "time"])
    top = float(frame["value"].max()) if len(frame) else 1.0
    lowest = float(frame["value"].min()) if len(frame) else 1.0
    decades = [10.0**k * m for k in range(-2, 6) for m in (1, 3)]
    ticks = [t for t in decades if lowest / 2 <= t <= top * 1.2]
    if scale == "log1p":
        ticks = [
            0.0,
            *(
                t
                for t in (1.0, 5.0, 10.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
                if t <= top * 1.2
            ),
        ]
    colours = dict(zip(order, (BLUE, COLOURS[1], BLACK, GREY), strict=False))
    return (
        p9.ggplot(frame, p9.aes("time", "value", group="subject", color="category"))
        + p9.geom_hline(yintercept=list(lines), linetype="dashed", color=GREY, size=0.5)
        + p9.geom_line(
            p9.aes(linetype="category"), data=_lines(frame, "subject"), size=0.6, alpha=0.85
        )
        + p9.geom_point(p9.aes(shape="category"), size=1.5)
        + p9.scale_color_manual(values=colours)
        + p9.scale_linetype_manual(values=dict(zip(order, DASHES, strict=False)))
        + p9.scale_shape_manual(values=dict(zip(order, SHAPES, strict=False)))
        + p9.scale_y_continuous(
            trans=log1p_trans if scale == "log1p" else "log10",
            breaks=ticks,
            labels=_plain,
            limits=(0, max(top, *ticks, *lines)) if scale == "log1p" else None,
        )
        + p9.scale_x_continuous(breaks=_ticks(frame["time"]), labels=_plain)
        + _titles(x_title, y_title)
        + look()
    )


def medians_by_visit(frame: pd.DataFrame, visits: Sequence[str]) -> Plot:
    """A panel for each test: its median at each visit, and a line from Q1 to Q3.

    Parameters
    ----------
    frame
        `test, visit, median, q1, q3`; tests are drawn in the order of their first row.
    visits
        Every visit, in order.
    """
    p9 = plotnine()
    short = {visit: _short_visit(visit) for visit in visits}
    drawn = frame.assign(
        visit=pd.Categorical(frame["visit"].map(short), categories=list(short.values())),
        test=pd.Categorical(frame["test"], categories=list(dict.fromkeys(frame["test"]))),
    )
    return (
        p9.ggplot(drawn, p9.aes("visit", "median", group="test"))
        + p9.geom_linerange(p9.aes(ymin="q1", ymax="q3"), color=SKY, size=1.6)
        + p9.geom_line(color=BLUE, size=0.6, data=_lines(drawn, "test"))
        + p9.geom_point(color=BLUE, size=1.4)
        + p9.facet_wrap("test", ncol=2, scales="free_y")
        + p9.labs(x="Visit (B baseline, C cycle, E end of treatment)", y="Median; bar: Q1 to Q3")
        + look()
    )


def _short_visit(visit: str) -> str:
    """`Cycle 3` as C3, Baseline as B, End of treatment as E."""
    initial, _, number = visit.partition(" ")
    return f"{initial[0]}{number if number.isdigit() else ''}"


def exposure_scatter(
    points: pd.DataFrame,
    curve: pd.DataFrame | None,
    *,
    order: Sequence[str],
    x_title: str,
    y_title: str,
) -> Plot:
    """Exposure against an outcome: `points` holds `x, y, category`, `curve` a fit as `x, y, low, high`."""
    p9 = plotnine()

    plot = p9.ggplot(_ordered(points, "category", order), p9.aes("x", "y"))
    if curve is not None and len(curve):
        plot += p9.geom_ribbon(
            p9.aes("x", ymin="low", ymax="high"),
            data=curve,
            inherit_aes=False,
            fill=PALE,
            alpha=0.6,
        )
        plot += p9.geom_line(p9.aes("x", "y"), data=curve, inherit_aes=False, color=BLACK, size=0.8)
    return (
        plot
        + p9.geom_point(
            p9.aes(shape="category", color="category", fill="category"), size=2.4, stroke=0.7
        )
        + p9.scale_shape_manual(values=dict(zip(order, SHAPES, strict=False)))
        + p9.scale_color_manual(values=dict(zip(order, COLOURS, strict=False)))
        + p9.scale_fill_manual(
            values=dict(zip(order, (BLUE, "white", "white", BLACK), strict=False))
        )
        + p9.scale_x_continuous(labels=_plain)
        + p9.scale_y_continuous(labels=_plain)
        + _titles(x_title, y_title)
        + look()
    )


def oc_curve(
    curves: pd.DataFrame, marks: pd.DataFrame, *, order: Sequence[str], x_title: str, y_title: str
) -> Plot:
    """Operating characteristics: `curves` holds `p, probability, series`.

    `marks` holds `p, probability, label`: the points that the design fixes, with their labels.
    """
    p9 = plotnine()

    shares = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    labelled = marks.assign(label=[figure_text(typeset(str(text)), 48) for text in marks["label"]])
    return (
        p9.ggplot(_ordered(curves, "series", order), p9.aes("p", "probability"))
        + p9.geom_segment(
            p9.aes("p", "probability", xend="p", yend=0),
            data=labelled,
            inherit_aes=False,
            linetype="dotted",
            color=GREY,
            size=0.6,
        )
        + p9.geom_line(p9.aes(color="series", linetype="series"), size=0.9)
        + p9.geom_point(data=labelled, color=BLACK, size=2)
        + p9.geom_text(
            p9.aes(label="label"), data=labelled, ha="left", nudge_x=0.012, va="top", **_text()
        )
        + p9.scale_color_manual(values=dict(zip(order, COLOURS, strict=False)))
        + p9.scale_linetype_manual(values=dict(zip(order, DASHES, strict=False)))
        + p9.scale_x_continuous(labels=_as_percent)
        + p9.scale_y_continuous(breaks=shares, labels=[fixed(s, 1) for s in shares], limits=(0, 1))
        + _titles(x_title, y_title)
        + look()
    )


def _plain(breaks: Sequence[Any]) -> list[str]:
    # A tick that went through a logarithm and back is 100.00000000000003.
    return [as_collected(float(f"{b:.9g}")).replace("-", "\u2212") for b in breaks]


def _as_percent(breaks: Sequence[Any]) -> list[str]:
    return [f"{proportion(b, 0)}%" for b in breaks]


def _apart(values: pd.Series, least: float) -> list[float]:
    """The places of the labels of `values`, in their order, so that none covers another."""
    places: dict[int, float] = {}
    lowest = -least
    for i in sorted(range(len(values)), key=lambda i: (float(values.iloc[i]), -i)):
        lowest = max(float(values.iloc[i]), lowest + least)
        places[i] = lowest
    return [places[i] for i in range(len(values))]


def accrual(
    counts: pd.DataFrame,
    *,
    targets: Mapping[str, float],
    order: Sequence[str],
    x_title: str,
    y_title: str,
) -> Plot:
    """Cumulative numbers by month: `counts` holds `month` (text, in order), `step, n`.

    `targets` are dashed lines with their label: the sizes of the design. Each line carries its last number
    at its end.
    """
    p9 = plotnine()

    months = sorted(set(counts["month"]))
    where = {month: i for i, month in enumerate(months)}
    frame = _ordered(counts, "step", order).assign(at=counts["month"].map(where))
    frame = frame.sort_values(["step", "at"], ignore_index=True)
    every = max(1, -(-len(months) // 8))
    ticks = list(range(0, len(months), every))
    last = frame.groupby("step", observed=True, sort=False).tail(1)
    last = last.assign(label=[fixed(float(n), 0) for n in last["n"]])
    last["shown_at"] = _apart(last["n"], 0.13 * max([float(frame["n"].max()), *targets.values()]))
    plot = p9.ggplot(frame, p9.aes("at", "n", color="step", linetype="step"))
    for label, size in targets.items():
        plot += p9.geom_hline(yintercept=size, linetype=(0, (8, 3)), color=GREY, size=0.4)
        plot += p9.annotate(
            "text",
            x=0,
            y=size,
            label=f"{label}: {as_collected(size)}",
            ha="left",
            va="bottom",
            **_text(),
        )
    return (
        plot
        + p9.geom_step(size=0.9, data=_lines(frame, "step"))
        + p9.geom_point(data=last, size=1.6, show_legend=False)
        + p9.geom_text(
            p9.aes(y="shown_at", label="label"),
            data=last,
            ha="left",
            nudge_x=0.02 * len(months),
            color=BLACK,
            **_text(),
        )
        + p9.scale_color_manual(values=dict(zip(order, COLOURS, strict=False)))
        + p9.scale_linetype_manual(values=dict(zip(order, DASHES, strict=False)))
        + p9.scale_x_continuous(
            breaks=ticks,
            labels=[months[i] for i in ticks],
            limits=(0, 1.08 * max(len(months) - 1, 1)),
        )
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.16, 0))
        + _titles(x_title, y_title)
        + look()
    )
