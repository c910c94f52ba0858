"""The synopsis in the layout of ICH E3, Annex I, and the lines of the page of key results."""

from collections.abc import Container
from dataclasses import replace

from sap import ard
from sap.displays import days, inline, plan_text, protocol, sentences
from sap.displays.ard_lookup import ArdKey, Number, results
from sap.displays.endpoint import had_it
from sap.displays.inline import RichText
from sap.displays.table import Cell, Column, Row, Table

Piece = str | Number | RichText
# The entries of the plan whose endpoints are those of safety, exposure and samples; the others are of efficacy.
OTHERS = ("safety", "exposure", "pk", "screening", "")
EFFICACY = (
    "objective_response",
    "rate_at",
    "psa_response",
    "psa_course",
    "psa_progression",
    "ctc",
    "tumour",
    "bone",
    "progression",
    "survival",
    "response",
)


def _joined(*pieces: Piece) -> RichText:
    parts: list[str | Number] = []
    for piece in pieces:
        parts += piece.parts if isinstance(piece, RichText) else [piece]
    return RichText(*parts)


def primary_result() -> RichText:
    """The primary result with its interval and its test; the conclusion has the decision of the design."""
    plan = ard.plan()
    analysis = plan.primary.endpoint
    place = ArdKey(population="PRIMARY", paramcd=plan.primary_parameter)
    if not results(analysis).find("N", **place).value:
        return sentences.empty_primary()
    return _joined(
        "Of the primary analysis set, ", inline.n_of_N(analysis, **place), f" patients {had_it(plan)}, ",
        sentences.primary_rate(), " (", sentences.primary_interval(), "; one-sided exact ",
        sentences.primary_test(), f" for H0: {sentences.rate_of_null()} ≤ ", plan_text.percent("design.p0"), ").",
    )  # fmt: skip


def patients() -> RichText:
    """Planned and analysed numbers of patients."""
    planned = protocol.text("planned_patients")
    sets, flow = results("analysis_sets"), results("flow")
    by_design: tuple[Piece, ...] = (
        "Planned: ", plan_text.number("design.n"), " patients of the primary set by the design",
        " (an assumption of the SAP)" if ard.plan().design.assumption else "",
    )  # fmt: skip
    by_protocol: tuple[Piece, ...] = ("; by the protocol: ", planned) if planned.plain else ()
    return _joined(
        *by_design, *by_protocol, ". Consented: ", flow.count(level="consented"), ". Analysed: ",
        sets.count(population="PRIMARY"), " in the primary set, ", sets.count(population="SAFETY"),
        " in the safety set.",
    )  # fmt: skip


def period() -> RichText:
    """Studied period: the dates of the first and the last patient, or that patients are still followed."""
    followed = _given_dates() is None and protocol.still_followed(ard.read("disposition"))
    last: tuple[Piece, ...] = (
        (f"; {protocol.ONGOING}.",)
        if followed
        else ("; last visit or contact: ", protocol.date("last_contact"), ".")
    )
    return _joined(
        "First patient, consent: ", protocol.date("first_consent"), "; first dose: ",
        protocol.date("first_dose"), ". Last patient, consent: ", protocol.date("last_consent"),
        *last,
    )  # fmt: skip


def _given_dates() -> object:
    """The published dates of the study, where the plan has them."""
    of_protocol = ard.plan().protocol
    return None if of_protocol is None else of_protocol.dates


def data_cut_off() -> RichText:
    """The data cut-off, which dates the report; the day of printing never does."""
    return RichText(days.cut_off())


def _lines_of(item: str, names: str, entries: Container[str] | None = None) -> RichText:
    """The names of the endpoints or objectives of each rank, in one text; of some entries alone."""
    if protocol.is_not_known(item):
        return RichText(protocol.NOT_KNOWN)
    listed = getattr(ard.plan().protocol, item, None) or ()
    pieces: list[Piece] = []
    for rank in protocol.RANKS:
        places = [
            i
            for i, one in enumerate(listed)
            if one.rank == rank and (entries is None or (one.entry or "") in entries)
        ]
        for turn, i in enumerate(places):
            pieces.append(f"{rank.capitalize()}: " if turn == 0 else "; ")
            pieces.append(plan_text.phrase(f"protocol.{item}.{i}.{names}", capital=False))
        pieces.append(". " if places else "")
    return _joined(*pieces)


def conclusion() -> RichText:
    """The conclusion of the report: on the primary endpoint and on safety."""
    return _joined(sentences.conclusion(), " ", sentences.safety_conclusion())


def statistics() -> RichText:
    """Statistical methods."""
    return _joined(
        sentences.design(), sentences.design_deviation(), " ", sentences.interval_rule(),
        "; the test against p0 is one-sided and exact; times to events are estimated by the Kaplan-Meier "
        "method. A patient of the primary set whose response cannot be evaluated counts as a "
        "non-responder. All other analyses are descriptive.",
    )  # fmt: skip


def safety() -> RichText:
    """Adverse events of treated patients and late fatal ones."""
    late = sentences.late_fatal()
    return _joined(sentences.registered(), sentences.safety(), " " if late.plain else "", late)


def synopsis() -> Table:
    """Table 2-1: the synopsis in the order of ICH E3, Annex I."""
    product = protocol.text("dose_and_mode")
    batch = protocol.text("batch")
    named = [protocol.text(item) for item in ("product", "active_ingredient")]
    names = [one.plain for one in named if one.plain and one.plain != protocol.NOT_KNOWN]
    of_product: list[Piece] = [
        f"{' ('.join(names)}{')' * (len(names) - 1)}, " if names else "",
        product,
    ]
    if batch.plain:
        of_product += ["; batch number: ", batch]
    again: list[Piece] = [" ", sentences.rescreened()] if ard.plan().study.groups else []
    rows = [
        _row("Individual study table referring to part of the dossier", RichText("Volume: ____  Page: ____")),
        _row("For national authority use only", RichText("____")),
        _row("Name of sponsor", plan_text.value("study.sponsor")),
        _row("Name of finished product", protocol.text("product")),
        _row("Name of active ingredient", protocol.text("active_ingredient")),
        _row("Title of study", _joined(
            plan_text.value("study.title"), " (", plan_text.value("study.id"), "; ",
            plan_text.value("study.registry"), ")",
        )),
        _row("Investigators", protocol.text("coordinating_investigator")),
        _row("Study centres", _joined(protocol.centres(), protocol.centres_counted())),
        _row("Publication", protocol.text("publication")),
        _row("Studied period", period()),
        _row("Phase of development", protocol.text("phase")),
        _row("Objectives", _lines_of("objectives", "text")),
        _row("Methodology", protocol.text("design")),
        _row("Number of patients (planned and analysed)", patients()),
        _row("Diagnosis and main criteria for inclusion", protocol.text("diagnosis")),
        _row("Test product, dose and mode of administration, batch number", _joined(*of_product)),
        _row("Duration of treatment", protocol.text("duration")),
        _row(
            "Reference therapy, dose and mode of administration, batch number",
            protocol.text("reference_therapy"),
        ),
        Row("Criteria for evaluation", kind="group"),
        _row("Efficacy", _lines_of("endpoints", "name", EFFICACY)),
        _row("Safety and others", _lines_of("endpoints", "name", OTHERS)),
        _row("Statistical methods", statistics()),
        Row("Summary and conclusions", kind="group"),
        _row("Patients and exposure", _joined(sentences.baseline(), " ", sentences.exposure(), ".")),
        _row("Efficacy results", primary_result()),
        _row("", _joined(sentences.survival(), " ", sentences.other_efficacy(), *again)),
        _row("Not analysed", protocol.not_analysed()),
        _row("Safety results", safety()),
        _row("Conclusion", conclusion()),
        _row("Data cut-off", data_cut_off()),
    ]  # fmt: skip
    shown = [row for row in rows if row is not None]
    return Table("tlf-synopsis", "Item", [Column("Content", numeric=False)], shown)


def _row(label: str, words: RichText) -> Row | None:
    """One item; none where the plan leaves it out. The methods of its numbers are those of their tables."""
    if not words.plain.strip():
        return None
    parts = [replace(p, method="") if isinstance(p, Number) else p for p in words.parts]
    first = parts[0]
    if isinstance(first, str):
        parts[0] = first[:1].upper() + first[1:]
    return Row(label, (Cell(*parts),))
