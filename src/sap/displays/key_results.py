"""The page of key results after the title page: the primary result, the rates, and safety in five lines."""

import pandas as pd

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays import formats, inline, populations, protocol, sentences, survival
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.populations import short
from sap.displays.protocol import Lines
from sap.displays.rates import ci_header

OTHERS = (
    ("psa_response", "PRIMARY"),
    ("objective_response", "MEASURABLE"),
    ("ctc_response", "CTCEVAL"),
)


def _rates() -> list[tuple[str, str]]:
    """The rates of the figure: analysis and set, the primary one first."""
    primary = (ard.plan().primary.endpoint, "PRIMARY")
    return [primary, *(one for one in OTHERS if one[0] != primary[0])]


def shown_with_it() -> RichText:
    """What the figure has with the primary result: the other response rates, else the curve of survival."""
    others = [
        name
        for name, population in _rates()[1:]
        if len(results(name)) and _known(results(name), ArdKey(population=population, level=""))
    ]
    return RichText("the other response rates" if others else "overall survival")


def _known(rates: Results, place: ArdKey) -> bool:
    return rates.has("conf_low", **place) and rates.find("estimate", **place).estimable


def rates() -> Figure:
    """Figure 1-1: the primary response rate and the others, each with its interval, and overall survival."""
    from sap.displays.plots import forest, with_curve

    rows, numbers, words = [], [], []
    header = ""
    for name, population in _rates():
        of_analysis = results(name)
        place = ArdKey(population=population, level="")
        if not len(of_analysis) or not _known(of_analysis, place):
            continue
        values = [
            100 * of_analysis.find(one, **place).value
            for one in ("estimate", "conf_low", "conf_high")
        ]
        estimate, low, high = (
            of_analysis.rate(one, **place) for one in ("estimate", "conf_low", "conf_high")
        )
        n, total = (of_analysis.count(one, **place) for one in ("n", "N"))
        header = header or ci_header(of_analysis, **place).removesuffix(" (%)")
        label = f"{analysis(name).label.removesuffix(', confirmed')} ({short(population)})"
        rows.append(
            {
                "label": label,
                "n_text": f"{n.text}/{total.text}",
                "text": f"{estimate.text} ({low.text}, {high.text})",
                **dict(zip(("estimate", "low", "high"), values, strict=True)),
            }
        )
        numbers += [estimate, low, high]
        words.append(f"{label}: {n.text} of {total.text}, {estimate.text} percent")
    if not rows:
        absent = "No patient of the primary set has a response that can be rated."
        return Figure("tlf-key-rates", None, "", absent=absent)
    p0 = ard.plan().design.p0
    plot = forest(
        pd.DataFrame(rows),
        reference=100 * p0,
        x_title="Rate (%)",
        reference_words=f"p0 = {formats.proportion(p0)} %",
        columns=("Response", "n/N", f"% ({header})"),
        of_first=True,
    )
    alt = f"Forest plot of response rates. {'; '.join(words)}."
    notes: list[Note] = [f"Primary: {populations.words('PRIMARY')}."]
    below = survival.short_curve()
    if below is None:
        return Figure("tlf-key-rates", plot, alt, height=1.8, numbers=numbers, notes=notes)
    plot = with_curve(
        plot, below.steps, below.at_risk,
        x_title=below.x_title, y_title=below.y_title, words=f"Overall survival: {below.words}",
    )  # fmt: skip
    notes += survival.cut_note(below.at_risk, [survival.of_primary()])
    alt = f"{alt} Kaplan-Meier curve of overall survival: {below.words}."
    numbers += below.numbers
    return Figure("tlf-key-rates", plot, alt, height=2.9, numbers=numbers, notes=notes)


def other_results() -> RichText:
    """Survival, progression and the other responses in short."""
    pieces = (sentences.survival(), " ", sentences.other_efficacy())
    parts: list[str | Number] = []
    for piece in pieces:
        parts += [piece] if isinstance(piece, str) else piece.parts
    return RichText(*parts)


def not_analysed() -> RichText:
    """The endpoints of the protocol that have no result."""
    return protocol.not_analysed()


def safety() -> Lines:
    """Safety in five lines: exposure, severe and serious events, withdrawals, fatal events, and later ones."""
    overview = results("ae_overview")
    if not overview.find("N", level="any", group="").value:
        return Lines((), "No patient was treated.")

    def of(level: str) -> tuple[Number, str, Number]:
        here = ArdKey(level=level, group="")
        return overview.count(**here), " of ", overview.count("N", level="any", group="")

    late = sentences.late_fatal()
    fatal = RichText(
        "Treatment-emergent fatal adverse event: ",
        *of("fatal"),
        ".",
        " " if late.plain else "",
        *late.parts,
    )
    return Lines(
        [
            RichText(*sentences.exposure().parts, "."),
            RichText(
                "Treatment-emergent adverse event ", *sentences.that_is_severe().parts, ": ",
                *of("severe_grade"), " treated patients (",
                *inline.rate("ae_overview", level="severe_grade", group="").parts, ").",
            ),
            RichText(
                "Treatment-emergent serious adverse event: ", *of("serious"), " (",
                *inline.rate("ae_overview", level="serious", group="").parts, ").",
            ),
            RichText(
                "Withdrawal of study treatment as the action taken with a treatment-emergent adverse event: ",
                *of("drug_withdrawn"), ". ", *sentences.stopped_for_event().parts,
            ),
            fatal,
        ]
    )  # fmt: skip
