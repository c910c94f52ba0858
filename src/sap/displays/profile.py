"""Patient profiles: one page for each treated patient, everything that happened on one time axis.

Drawn by own code, as the flow diagram is: a page holds few shapes and much text in fixed places,
and thirty of them must be ready in a second. Letters are outlines of the same font as in every
figure. Values are those of the datasets; nothing is estimated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log10
from typing import Any

import pandas as pd

from sap import ard
from sap.displays import days, frame
from sap.displays.ard_lookup import results
from sap.displays.endpoint import primary_endpoint
from sap.displays.escape import coded, figure_text, markdown_text
from sap.displays.figure import BLUE, GREY, ORANGE, VERMILION, Drawing, write_svg
from sap.displays.flow_diagram import glyph, text_width
from sap.displays.formats import as_collected, fixed
from sap.displays.formats import response as response_of
from sap.displays.listing import cause_of_death, words
from sap.displays.record import has_domain
from sap.displays.register import printed
from sap.plan.entry import stated

RESPONSES = ("PSARESP", "PSABEST", "PSAPEND", "BOR", "BORINV", "CTCRESP")
WIDTH = 468.0
LEFT, RIGHT = 92.0, 456.0
SIZE, SMALL = 7.8, 7.1
BEFORE, AFTER = -70, 180  # days shown before the first dose, and after the last at most
MOST_EVENTS = 16
WEEK = 7
SETS = (
    ("PRIMFL", "primary set"),
    ("RESCTRFL", "treated after re-screening"),
    ("PPROTFL", "per-protocol set"),
)
GRADE_FILL = {1: "#E3EEF6", 2: "#BBD7EA", 3: "#5FA3CC", 4: "#0072B2", 5: "#003A5C"}


@dataclass
class _Page:
    """Collects the shapes of one page; letters are kept once and used many times."""

    first: float
    last: float
    letters: dict[str, str] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def x(self, day: float) -> float:
        inside = min(max(day, self.first), self.last)
        return LEFT + (RIGHT - LEFT) * (inside - self.first) / (self.last - self.first)

    def text(
        self, text: str, x: float, y: float, *, size: float = SIZE, bold: bool = False,
        side: str = "left", fill: str = "#000000",
    ) -> None:  # fmt: skip
        self.words.append(text)
        width = text_width(text, size, bold=bold)
        at, uses = 0.0, []
        for letter in text:
            advance, outline = glyph(letter, bold=bold)
            name = f"p{'b' if bold else 'r'}{ord(letter):x}"
            if outline:
                self.letters[name] = outline
                uses.append(f'<use href="#{name}" x="{at:.0f}"/>')
            at += advance
        start = x - {"left": 0.0, "middle": width / 2, "right": width}[side]
        self.drawn.append(
            f'<g transform="translate({start:.1f} {y:.1f}) scale({size / 100:g})" fill="{fill}">'
            f"{''.join(uses)}</g>"
        )

    def label(
        self, text: str, x: float, y: float, *, size: float = SMALL, side: str = "left"
    ) -> None:
        """Text with white below it, where lines would run through the letters."""
        width = text_width(text, size, bold=False)
        start = x - {"left": 0.0, "middle": width / 2, "right": width}[side]
        if text:
            self.drawn.append(
                f'<path d="M{start - 1:.1f} {y - size * 0.8:.1f}h{width + 2:.1f}v{size:.1f}'
                f'h{-width - 2:.1f}z" fill="#FFFFFF"/>'
            )
        self.text(text, start, y, size=size)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, colour: str = "#000000",
        width: float = 0.6, dash: str = "",
    ) -> None:  # fmt: skip
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.drawn.append(
            f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width:g}" fill="none"{dashed}/>'
        )

    def path(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.drawn.append(f'<path d="M{steps}" stroke="{colour}" stroke-width="1.1" fill="none"/>')

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: str,
        edge: str = "#333333",
    ) -> None:  # fmt: skip
        self.drawn.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{fill}" stroke="{edge}" stroke-width="0.4"/>'
        )

    def dot(self, x: float, y: float, *, fill: str, edge: str = "#000000", r: float = 2.1) -> None:
        self.drawn.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}" fill="{fill}" stroke="{edge}" '
            'stroke-width="0.7"/>'
        )

    def wedge(self, x: float, y: float, fill: str) -> None:
        self.drawn.append(
            f'<path d="M{x:.1f} {y - 3.4:.1f}l3 5.4h-6z" fill="{fill}" stroke="#000000" '
            'stroke-width="0.5"/>'
        )

    def svg(self, height: float) -> str:
        letters = "".join(
            f'<path id="{name}" d="{outline}"/>' for name, outline in sorted(self.letters.items())
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}pt" height="{height:.1f}pt" '
            f'viewBox="0 0 {WIDTH:g} {height:.1f}">\n<defs>{letters}</defs>\n'
            + "\n".join(self.drawn)
            + "\n</svg>\n"
        )


@dataclass(frozen=True)
class _Subject:
    """What the datasets hold of one patient; days are counted from the first dose."""

    row: dict[str, Any]
    doses: list[dict[str, Any]]
    psa: list[dict[str, Any]]
    ctc: list[dict[str, Any]]
    scans: list[dict[str, Any]]
    events: list[dict[str, Any]]
    factor: list[dict[str, Any]]
    therapies: list[dict[str, Any]]
    responses: dict[str, str]

    def day(self, value: Any) -> float | None:
        """Days since the first dose; None when a day is not known."""
        first = self.row["TRTSDT"]
        return None if pd.isna(value) or pd.isna(first) else float((value - first).days)

    def days(self, rows: Sequence[dict[str, Any]], name: str = "ADT") -> list[tuple[float, dict[str, Any]]]:  # fmt: skip
        """The rows with a known day, each with it."""
        dated = [(self.day(row.get(name)), row) for row in rows]
        return sorted(((d, row) for d, row in dated if d is not None), key=lambda pair: pair[0])


def group_names() -> tuple[str, str, str, str]:
    """The groups of the profiles, in their order; the first has the primary endpoint."""
    named = primary_endpoint(ard.plan()).removeprefix("confirmed ")
    article = "an" if named.startswith("o") else "a"
    return (
        named,
        f"death without {article} {named}"
        if named.endswith("response")
        else f"death without {named}",
        "serious adverse event, neither of these",
        "all others",
    )


def groups() -> list[tuple[str, str]]:
    """Each treated patient with the group of `group_names` that is the first one true of it, in the order of the profiles.

    Groups are in their order, the patients of a group in the order of their identifiers.
    """
    adsl, adrs, adae = (ard.dataset(name) for name in ("adsl", "adrs", "adae"))
    treated = adsl[adsl["SAFFL"] == "Y"]
    code, names = ard.plan().primary_parameter, group_names()
    answered = adrs[(adrs["PARAMCD"] == code) & (adrs["AVALC"] == "Y")]
    members = (
        set(answered["USUBJID"]),
        set(treated.loc[treated["DTHFL"] == "Y", "USUBJID"]),
        set(adae.loc[adae["AESER"] == "Y", "USUBJID"]),
    )

    def rank(who: str) -> int:
        return next((i for i, those in enumerate(members) if who in those), len(members))

    order = sorted(treated["USUBJID"], key=lambda who: (rank(who), who))
    return [(str(who), names[rank(who)]) for who in order]


def _subjects() -> Iterator[_Subject]:
    adsl = ard.dataset("adsl").set_index("USUBJID", drop=False)
    adsl = adsl.loc[[who for who, _ in groups()]]
    plan = ard.plan()
    absent = {"adpsa": plan.psa_response is None, "adctc": plan.ctc is None}
    names = ("adex", "adpsa", "adctc", "adrs", "adae", "adcm")
    tables = {
        n: {} if absent.get(n) else dict(iter(ard.dataset(n).groupby("USUBJID"))) for n in names
    }

    def rows(name: str, who: str) -> list[dict[str, Any]]:
        of_subject = tables[name].get(who)
        return [] if of_subject is None else [{str(k): v for k, v in r.items()} for r in of_subject.to_dict("records")]  # fmt: skip

    for row in adsl.to_dict("records"):
        who = str(row["USUBJID"])
        responses = rows("adrs", who)
        drugs = rows("adcm", who)
        yield _Subject(
            row={str(k): v for k, v in row.items()},
            doses=rows("adex", who),
            psa=rows("adpsa", who),
            ctc=[r for r in rows("adctc", who) if not pd.isna(r["AVAL"])],
            scans=[r for r in responses if r["PARAMCD"] == "OVRLRESP" and r["COURSE"] == "STUDY"],
            events=rows("adae", who),
            factor=[r for r in drugs if r["CMSCAT"] == "G-CSF"],
            therapies=[r for r in drugs if r["CMCAT"] == "SUBSEQUENT ANTICANCER THERAPY"],
            responses={
                str(r["PARAMCD"]): (
                    words(r["AVAL"]) if r["PARAMCD"] == "PSABEST" else words(r["AVALC"])
                )
                for r in responses
                if r["PARAMCD"] in (*RESPONSES, plan.primary_parameter, plan.pending_parameter)
            },
        )


def _over(subject: _Subject) -> float | None:
    """The day after which nothing can be known: of the death, else of the data cut-off."""
    died = subject.day(subject.row["DTHDT"])
    cut = ard.run_facts().get("cut_off")
    return subject.day(pd.Timestamp(str(cut))) if died is None and cut else died


def _span(subject: _Subject) -> tuple[float, float]:
    """The first and the last day of the axis: to the death or the cut-off, if they come so early."""
    last = subject.day(subject.row["TRTEDT"]) or 0.0
    seen = [
        d
        for rows in (subject.doses, subject.psa, subject.ctc, subject.scans)
        for d, _ in subject.days(rows)
    ]
    seen += [d for d, _ in subject.days(subject.events, "ASTDT")]
    died, over = subject.day(subject.row["DTHDT"]), _over(subject)
    seen += [] if died is None else [died]
    end = min(max([last + 4 * WEEK, *seen]), last + AFTER)
    end = end if over is None else min(end, max(over, last))
    early = [d for rows in (subject.psa, subject.ctc) for d, _ in subject.days(rows)]
    first = max(min([-WEEK, *early]), BEFORE)
    return first - 3, end + 4


def _on_day(what: str, day: float, date: Any, who: str) -> str:
    """What occurred on a day of the axis (the first dose is day 1), with the day since registration where days are printed."""
    on = f"{what} on day {as_collected(day + 1)}"
    return f"{on} (day {days.printed(date, who)} from registration)" if days.relative() else on


def _head(page: _Page, subject: _Subject) -> float:
    row = subject.row
    sets = [label for flag, label in SETS if row.get(flag) == "Y"]
    page.text(f"{figure_text(words(row['USUBJID']), 24)}", 4, 12, size=11, bold=True)
    page.text(", ".join(sets), 4, 24, size=SIZE)
    died = subject.day(row["DTHDT"])
    alive = subject.day(row["LSTALVDT"])
    status = (
        _on_day("died", died, row["DTHDT"], words(row["USUBJID"]))
        if died is not None
        else "died, day not recorded"
        if row["DTHFL"] == "Y"
        else _on_day("last known alive", alive, row["LSTALVDT"], words(row["USUBJID"]))
        if alive is not None
        else "status not known"
    )
    left = coded(words(row["DCTREAS"])) or "no end recorded"
    infusions = words(row["NCYCLES"])
    parts = [
        f"age {words(row['AGE'])}",
        f"{infusions} {ard.plan().exposure.a_record}{'' if infusions == '1' else 's'}",
        f"treatment ended: {left.lower()}",
        status,
    ]
    page.text("; ".join(parts), 4, 35, size=SIZE)
    psa = subject.responses.get("PSABEST", "")
    best = f", best change {fixed(float(psa), 1)}%" if psa else ""
    labels = {"Y": "confirmed", "N": "none", "NE": "not evaluable"}
    plan = ard.plan()
    response = labels.get(subject.responses.get("PSARESP", ""), "not evaluable")
    if subject.responses.get("PSAPEND") == "Y":
        response = "still possible"
    tumour = _best(subject.responses, plan.tumour.assessor)
    ctc = labels.get(subject.responses.get("CTCRESP", ""), "not evaluable").replace(
        "confirmed", "yes"
    )
    stated_ = []
    if plan.primary.endpoint != "psa_response":
        stated_ = [f"{primary_endpoint(plan)}: {_primary_result(subject.responses)}"]
    stated_ += [f"PSA response: {response}{best}"] if plan.psa_response is not None else []
    stated_ += [f"CTC response: {ctc}"] if plan.ctc is not None else []
    lines = ["; ".join(stated_)]
    last = f"best tumour response: {tumour}"
    if text_width(joined := f"{lines[0]}; {last}", SIZE, bold=False) <= RIGHT - 4:
        lines = [joined]
    else:
        lines.append(last)
    cause = _cause(row) if row["DTHFL"] == "Y" else ""
    lines += [f"cause of death: {cause}"] if cause else []
    for place, line in enumerate(lines):
        page.text(line, 4, 46 + 11 * place, size=SIZE)
    return 51.0 + 11 * len(lines)


def _primary_result(responses: dict[str, str]) -> str:
    """The primary result of a patient in a word."""
    plan = ard.plan()
    if responses.get(plan.pending_parameter) == "Y":
        return "still possible"
    labels = {"Y": "yes", "N": "no"}
    return labels.get(responses.get(plan.primary_parameter, ""), "not evaluable")


def _cause(row: dict[str, Any]) -> str:
    """The cause of a death, with the term where one is recorded."""
    term = figure_text(coded(words(row.get("DTHTERM"))), 40)
    cause = coded(cause_of_death(row)).lower()
    return f"{cause} ({term})" if cause and term else cause or term


def _best(responses: dict[str, str], assessor: str = "investigator") -> str:
    """Best tumour response by the algorithm of the plan; where that is NE, the evaluator's."""
    algorithm, recorded = responses.get("BOR", "NE"), responses.get("BORINV", "NE")
    by_evaluator = algorithm == "NE" != recorded
    return f"{recorded} ({assessor})" if by_evaluator else response_of(algorithm)


def _marks(page: _Page, subject: _Subject, top: float, bottom: float) -> None:
    """First and last dose, death, new therapy and cut-off as lines through all panels."""
    days = [
        (subject.day(subject.row["TRTSDT"]), "first dose", "#333333", ""),
        (subject.day(subject.row["TRTEDT"]), "last dose", "#333333", "3 2"),
        (subject.day(subject.row["DTHDT"]), "death", VERMILION, ""),
    ]
    new = subject.days(subject.therapies, "ASTDT")
    if new:
        days.append((new[0][0], f"new therapy ({coded(words(new[0][1]['CMDECOD'])).lower()})", ORANGE, "5 2"))  # fmt: skip
    died, over = subject.day(subject.row["DTHDT"]), _over(subject)
    if died is None and over is not None:
        days.append((over, "cut-off", GREY, "1 2"))
    elif died is not None and died > page.last:
        text = f"death on day {as_collected(died + 1)}, after the end of the axis"
        page.text(text, RIGHT, top - 19, size=SMALL, side="right", fill=VERMILION)
    taken: list[list[tuple[float, float]]] = []
    for day, label, colour, dash in sorted(
        (a for a in days if a[0] is not None), key=lambda a: (a[0] or 0.0, a[1])
    ):
        if day is None or not page.first <= day <= page.last:
            continue
        x = page.x(day)
        text = figure_text(label, 34)
        width = text_width(text, SMALL, bold=False)
        side = "right" if x + width > RIGHT + 6 else "left"
        low = x - width if side == "right" else x
        level = 0
        while level < len(taken) and any(
            low < b + 3 and low + width > a - 3 for a, b in taken[level]
        ):
            level += 1
        if level == len(taken):
            taken.append([])
        taken[level].append((low, low + width))
        page.line(x, top - 2, x, bottom, colour=colour, width=0.8, dash=dash)
        page.text(text, x, top - 5 - 7.4 * level, size=SMALL, side=side, fill="#000000")


def _title(page: _Page, title: str, y: float, under: str = "") -> None:
    page.text(title, 4, y, bold=True)
    if under:
        page.text(under, 4, y + 9, size=SMALL)


def _in_time(
    page: _Page,
    subject: _Subject,
    rows: Sequence[dict[str, Any]],
    name: str,
    domain: str,
    top: float,
) -> list[tuple[float, dict[str, Any]]]:
    """The rows on days the page shows; where there is none, the lane gives the reason.

    1. Rows, but on no day that is shown. 2. No row of this patient. 3. The extract lacks the domain.
    """
    shown = [(d, row) for d, row in subject.days(rows, name) if page.first <= d <= page.last]
    if not shown:
        none = "none recorded" if has_domain(domain) else "not in the data"
        page.label("none within the axis" if rows else none, LEFT + 6, top + 9, size=SIZE)
    return shown


def _doses(page: _Page, subject: _Subject, top: float) -> float:
    plan = ard.plan()
    _title(page, plan.wording.treatment.capitalize(), top + 11, plan.exposure.unit)
    planned = plan.exposure.planned_dose
    for day, row in subject.days(subject.doses, "ASTDT"):
        x = page.x(day)
        low = row["DOSEC"] in ("REDUCED", "LOW", "LOW START")
        known = not pd.isna(row["DOSE"])
        height = 15.0 * (float(row["DOSE"]) / planned) if known else 15.0
        fill = "#FFFFFF" if not known else ORANGE if low else BLUE
        end = subject.day(row["AENDT"]) if plan.exposure.continuous else None
        if end is None:
            page.box(x - 2.2, top + 17 - height, 4.4, height, fill=fill)
        else:
            page.box(x, top + 17 - height, max(page.x(end + 1) - x, 1.5), height, fill=fill)
        page.label(words(row["DOSE"]) or "?", x, top + 24.5, size=SMALL, side="middle")
        if row["DELAYC"] in ("MINOR", "MAJOR"):
            page.label("late", x - 3.5, top + 5, size=SMALL, side="right")
    return top + 31


def _factor(page: _Page, subject: _Subject, top: float) -> float:
    _title(page, "G-CSF", top + 9)
    for day, row in _in_time(page, subject, subject.factor, "ASTDT", "cm", top):
        prophylaxis = "PROPHYLAXIS" in words(row["CMINDC"])
        page.wedge(page.x(day), top + 7, "#FFFFFF" if prophylaxis else VERMILION)
    return top + 18


def _log_panel(
    page: _Page, values: list[tuple[float, float]], top: float, height: float, *, from_zero: bool
) -> Any:
    """The place of a value on a logarithmic axis, and its ticks drawn."""
    known = [v for _, v in values]
    shift = 1.0 if from_zero else 0.0
    low = 0.0 if from_zero else min(known) * 0.7
    high = max(known) * 1.4 + shift
    a, b = log10(low + shift), log10(high + shift)

    def y(value: float) -> float:
        return top + height - height * (log10(value + shift) - a) / (b - a)

    marks = [0.0, 1, 5, 10, 50, 100, 500, 1000, 5000] if from_zero else [0.1 * 10**k * m for k in range(6) for m in (1, 3)]  # fmt: skip
    ticks = [t for t in marks if low <= t <= high]
    every = max(1, (len(ticks) + 4) // 5)
    for tick in ticks[::every]:
        page.line(LEFT, y(tick), RIGHT, y(tick), colour="#E2E2E2", width=0.4)
        page.text(
            as_collected(float(f"{tick:.6g}")), LEFT - 3, y(tick) + 2, size=SMALL, side="right"
        )
    return y


def _psa(page: _Page, subject: _Subject, top: float) -> float:
    height = 84.0
    _title(page, "PSA", top + 10, "µg/L, log")
    rows = [
        (d, r)
        for d, r in subject.days(subject.psa)
        if r["AVAL"] > 0 and page.first <= d <= page.last
    ]
    if not rows:
        page.text("no dated value", LEFT + 6, top + height / 2, size=SIZE)
        return top + height + 14
    y = _log_panel(page, [(d, float(r["AVAL"])) for d, r in rows], top, height, from_zero=False)
    base = [float(r["BASE"]) for _, r in rows if not pd.isna(r["BASE"])]
    if base:
        half = base[0] * (1 - stated(ard.plan().psa_response).decline_pct / 100)
        if top < y(half) < top + height:
            page.line(LEFT, y(half), RIGHT, y(half), colour=GREY, width=0.7, dash="4 2")
            page.text("dashed: response", 4, top + 28, size=SMALL)
    page.path([(page.x(d), y(float(r["AVAL"]))) for d, r in rows], BLUE)
    for day, row in rows:
        counts = row["ANL01FL"] == "Y" or row["ABLFL"] == "Y"
        page.dot(page.x(day), y(float(row["AVAL"])), fill=BLUE if counts else "#FFFFFF", edge=BLUE)
    return top + height + 14


def _ctc(page: _Page, subject: _Subject, top: float) -> float:
    height = 62.0
    _title(page, "CTC", top + 10, "count, log(1 + n)")
    rows = [(d, r) for d, r in subject.days(subject.ctc) if page.first <= d <= page.last]
    if not rows:
        page.text("no dated count", LEFT + 6, top + height / 2, size=SIZE)
        return top + height + 14
    y = _log_panel(page, [(d, float(r["AVAL"])) for d, r in rows], top, height, from_zero=True)
    page.path([(page.x(d), y(float(r["AVAL"]))) for d, r in rows], GREY)
    fills = {"POSITIVE": VERMILION, "NEGATIVE": "#FFFFFF"}
    marker = stated(ard.plan().biomarker).name
    signs = {"POSITIVE": f"{marker} +", "NEGATIVE": f"{marker} \u2212"}
    taken: list[tuple[float, float, float]] = []
    for day, row in rows:
        x, at = page.x(day), y(float(row["AVAL"]))
        sign = signs.get(words(row["MARKER"]), "")
        width = text_width(sign, SMALL, bold=False)
        side = "right" if x > RIGHT - 30 else "left"
        low = x - 4 - width if side == "right" else x + 4
        # Above the dot at its side, or below it where the letters of another count are.
        line = at - 3
        if any(low < b and low + width > a and abs(line - c) < SMALL for a, b, c in taken):
            line = at + 8
        if sign:
            taken.append((low, low + width, line))
        page.label(sign, low, line, size=SMALL)
    for day, row in rows:
        fill = fills.get(words(row["MARKER"]), "#BDBDBD")
        page.dot(page.x(day), y(float(row["AVAL"])), fill=fill, r=2.6)
    return top + height + 14


def _scans(page: _Page, subject: _Subject, top: float) -> float:
    _title(page, "Scans", top + 9)
    ends = [LEFT - 60.0]
    for day, row in _in_time(page, subject, subject.scans, "ADT", "rs", top):
        x, response = page.x(day), response_of(words(row["AVALC"]))
        fill = {"PD": VERMILION, "PR": BLUE, "CR": BLUE}.get(response, "#FFFFFF")
        page.box(x - 2.2, top + 3, 4.4, 5, fill=fill)
        half = text_width(response, SMALL, bold=False) / 2
        middle = min(max(x, LEFT + half), RIGHT - half)
        level = next((i for i, end in enumerate(ends) if middle - half > end + 2), len(ends))
        ends[level : level + 1] = [middle + half]
        page.label(response, middle, top + 15.5 + 7.4 * level, size=SMALL, side="middle")
    return top + 24.5 + 7.4 * (len(ends) - 1)


def _events(page: _Page, subject: _Subject, top: float) -> float:
    _title(page, "Adverse events", top + 9, f"{ard.plan().safety.by}; S serious")
    rows = _in_time(page, subject, subject.events, "ASTDT", "ae", top)
    if not rows:
        return top + 26
    terms: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    for day, row in rows:
        terms.setdefault(words(row["AEDECOD"]), []).append((day, row))
    worst = {t: max(_grade(r) for _, r in of_term) for t, of_term in terms.items()}
    kept = sorted(terms, key=lambda t: (-worst[t], terms[t][0][0]))[:MOST_EVENTS]
    y = top
    for term in sorted(kept, key=lambda t: terms[t][0][0]):
        bars = []
        for day, row in terms[term]:
            end = subject.day(row["AENDT"])
            over = _over(subject)
            last = page.last if over is None else min(page.last, over + 1)
            x1 = page.x(day)
            lasts = end is None and row["AEOUT"] == "NOT RECOVERED/NOT RESOLVED"
            x2 = max(page.x(min(end + 1, last)) if end is not None else page.x(last) if lasts else x1, x1 + 6.5)  # fmt: skip
            if end is None and not lasts:
                page.line(x2, y + 5.8, x2 + 8, y + 5.8, dash="1.2 1.2")
            grade = _grade(row)
            page.box(x1, y + 2, x2 - x1, 7.6, fill=GRADE_FILL.get(grade, "#FFFFFF"))
            light = "#FFFFFF" if grade >= 4 else "#000000"
            serious = "S" if row["AESER"] == "Y" else ""
            bars.append((x1, x2 if end is not None or lasts else x2 + 8, light))
            page.text(f"{grade or '?'}{serious}", x1 + 1.5, y + 8.1, size=SMALL, fill=light)
        _name(page, figure_text(coded(term), 34), bars, y + 8)
        y += 11.0
    if len(terms) > len(kept):
        page.text(f"and {len(terms) - len(kept)} further terms of lower grade", LEFT, y + 8, size=SMALL)  # fmt: skip
        y += 11.0
    later = sum(d > page.last for d, _ in subject.days(subject.events, "ASTDT"))
    if later:
        several = "event" if later == 1 else "events"
        page.text(f"and {later} {several} after the end of the axis", LEFT, y + 8, size=SMALL)
        y += 11.0
    return max(y, top + 22) + 4


def _name(page: _Page, term: str, bars: Sequence[tuple[float, float, str]], y: float) -> None:
    """The term after its last bar, else before its first, else inside the longest."""
    width = text_width(term, SMALL, bold=False)
    right, left = max(b for _, b, _ in bars), min(a for a, _, _ in bars)
    longest = max(bars, key=lambda bar: bar[1] - bar[0])
    if right + 4 + width < RIGHT:
        page.label(term, right + 4, y, size=SMALL)
    elif left - 4 - width > LEFT:
        page.label(term, left - 4, y, size=SMALL, side="right")
    else:
        page.text(term, longest[0] + 12, y, size=SMALL, fill=longest[2])


def _grade(row: dict[str, Any]) -> int:
    rank = row["ASEVN"] if pd.isna(row["ATOXGRN"]) else row["ATOXGRN"]
    return 0 if pd.isna(rank) else int(rank)


def _axis(page: _Page, y: float) -> float:
    page.line(LEFT, y, RIGHT, y, width=0.7)
    weeks = (page.last - page.first) / WEEK
    step = next((s for s in (3, 6, 12, 24) if weeks / s <= 10), 48)
    tick = -(int(-page.first) // (step * WEEK)) * step
    while tick * WEEK <= page.last:
        x = page.x(tick * WEEK)
        page.line(x, y, x, y + 3, width=0.7)
        page.text(str(tick).replace("-", "\u2212"), x, y + 11, size=SMALL, side="middle")
        tick += step
    page.text("Weeks since the first dose", (LEFT + RIGHT) / 2, y + 21, size=SIZE, side="middle")
    return y + 25


def draw(subject: _Subject) -> Drawing:
    """The page of one patient as SVG, and its texts."""
    page = _Page(*_span(subject))
    top = _head(page, subject) + 14
    y = top
    plan = ard.plan()
    panels = [_doses] if plan.exposure.continuous else [_doses, _factor]
    panels += [_psa] if plan.psa_response is not None else []
    panels += [_ctc] if plan.ctc is not None else []
    for panel in (*panels, _scans, _events):
        page.line(4, y - 3, RIGHT, y - 3, colour="#D5D5D5", width=0.4)
        y = panel(page, subject, y)
    above, page.drawn = page.drawn, []
    _marks(page, subject, top - 3, y)
    page.drawn += above
    bottom = _axis(page, y)
    return Drawing(page.svg(bottom), tuple(page.words))


def _alt(subject: _Subject) -> str:
    row = subject.row
    doses = words(row["NCYCLES"])
    values = [float(r["AVAL"]) for _, r in subject.days(subject.psa)]
    psa = f"; PSA from {as_collected(min(values))} to {as_collected(max(values))}" if values else ""
    rule = ard.plan().safety
    lowest, high = rule.severe_rank, f"of grade {rule.severe_grade} or more"
    high = high if rule.by == "grade" else "severe"
    severe = sum(_grade(r) >= lowest for r in subject.events)
    events = (
        "1 adverse event" if len(subject.events) == 1 else f"{len(subject.events)} adverse events"
    )
    counts = f"{len(subject.ctc)} CTC counts, " if ard.plan().ctc is not None else ""
    cause = _cause(row)
    died = f"died; cause of death: {cause}" if cause else "died"
    status = died if row["DTHFL"] == "Y" else "not known to have died"
    return (
        f"Profile of {words(row['USUBJID'])}: {doses} {ard.plan().exposure.a_record}{'' if doses == '1' else 's'}{psa}; "
        f"{counts}{len(subject.scans)} scan{'' if len(subject.scans) == 1 else 's'}, {events}, "
        f"{severe} of them {high}; {status}."
    )


def _part(i: int) -> str:
    """What the id of one patient's page ends with."""
    return "" if i == 1 else f"-{i}"


class Profiles:
    """Figure 16.2.9.1, one page per patient: all of them as one display of several parts."""

    id = "tlf-profiles"

    def _repr_markdown_(self) -> str:
        if not printed(self.id):
            return ""
        subjects = list(_subjects())
        if not subjects:
            return frame.absent(self.id, "No patient was treated.")
        n = results("analysis_sets").count(population="SAFETY")
        blocks = []
        for i, subject in enumerate(subjects, start=1):
            drawing = draw(subject)
            path = write_svg(f"{self.id}-{i:03d}", drawing.svg)
            body = f"![{markdown_text(_alt(subject))}](<{path}>){{width=100%}}\\\n"
            part = f"{words(subject.row['USUBJID'])}, {i} of {len(subjects)}"
            blocks.append(
                frame.block(self.id, body, part=(_part(i), part), n=n, words=drawing.words)
            )
        return "\n".join(blocks)


class Pages:
    """The patient identifiers by group, each with a link to the profile."""

    def _repr_markdown_(self) -> str:
        if not printed(Profiles.id):
            return ""
        listed: dict[str, list[str]] = {}
        for i, (who, group) in enumerate(groups(), start=1):
            link = f"[{markdown_text(words(who))}](#{Profiles.id}{_part(i)})"
            listed.setdefault(group, []).append(link)
        return "\n".join(
            f"- {group[0].upper()}{group[1:]}: {', '.join(links)}"
            for group, links in listed.items()
        )


def pages() -> Pages:
    """Links to the profiles, in their order; in the open report no patient is named."""
    return Pages()


def profiles() -> Profiles:
    """The profiles of all treated patients: responders, deaths and serious adverse events first."""
    return Profiles()
