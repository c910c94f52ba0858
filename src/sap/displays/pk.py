"""Concentrations of the study treatment, what they go with, and the blood samples drawn."""

from math import isclose, isnan

import pandas as pd

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.listing import Shown, coded, listing
from sap.displays.rates import ci_header
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct, pair, span
from sap.plan.entry import stated

PARAMETERS = ("CMAX", "CMAXN", "TMAX")
"""The parameters of the table that do not depend on the hours of the plan."""


def _parameters() -> tuple[str, ...]:
    """The parameters of the table: those of the plan's primary and secondary time included."""
    rule = stated(ard.plan().pk)
    first, second = f"{rule.primary_h:g}", f"{rule.secondary_h:g}"
    hours = (f"AUC0{second}", f"AUC0{first}", f"AUC0{first}N", f"C{second}H", f"C{first}H")
    return (*PARAMETERS, *hours)


def _none() -> str:
    return not_recorded("pc", f"concentration of {ard.plan().wording.treatment}")


def _known(concentrations: Results) -> bool:
    return concentrations.has("N", paramcd="CMAX", level="", group="")


def _lines(values: Results, place: ArdKey, digits: int) -> list[Content]:
    """n, geometric mean (CV), mean (SD), median, range; NE where no value is known."""
    n = values.count("n", **place)
    if not values.find("median", **place).estimable:
        missing = values.fixed("median", digits, **place)
        return [n, missing, missing, missing, missing]
    geometric = (
        Cell(
            values.fixed("geometric_mean", digits, **place),
            " (",
            values.percent("geometric_cv", **place),
            ")",
        )
        if values.has("geometric_mean", **place)
        else Cell("")
    )
    return [
        n,
        geometric,
        pair(values.fixed("mean", digits, **place), values.fixed("sd", digits, **place)),
        values.fixed("median", digits, **place),
        span(values.fixed("min", digits, **place), values.fixed("max", digits, **place)),
    ]


def concentrations() -> Table:
    """`tlf-pk`: concentrations by planned time and parameters of the first sampled infusion."""
    pk = results("pk")
    columns = [
        Column("n"),
        Column("Geometric mean (CV%)"),
        Column("Mean (SD)"),
        Column("Median"),
        Column("Min, max"),
    ]
    if not _known(pk):
        return Table("tlf-pk", "Parameter", columns, [], absent=_none())
    rows = [Row(pk.label("paramcd", "CONC"), kind="group")]
    for time in pk.values("level", paramcd="CONC", group=""):
        place = ArdKey(paramcd="CONC", group="", level=time, sublevel="")
        rows.append(Row(pk.label("level", time), _lines(pk, place, 1), "indent1"))
    rows.append(Row("Parameters", kind="group"))
    same = _same_as_normalised(pk)
    for paramcd in _parameters():
        place = ArdKey(paramcd=paramcd, group="", level="", sublevel="")
        if paramcd in same:
            continue
        if pk.has("n", **place):
            is_time = paramcd == "TMAX"
            cells = _lines(pk, place, 2 if is_time else 1)
            # A time has a median and a range: its mean would be one of times planned to be equal.
            cells = [cells[0], "", "", *cells[3:]] if is_time else cells
            rows.append(Row(pk.label("paramcd", paramcd), cells, "indent1"))
    n = pk.count("N", paramcd="CMAX", level="", group="")
    notes: list[Note] = []
    if same:
        reference = plan_text.number("pk.reference_dose")
        names = ", ".join(pk.label("paramcd", code) for code in same)
        notes.append(RichText(names, ": as without normalisation, because every sampled infusion had ", reference, " mg/m2."))  # fmt: skip
    return Table("tlf-pk", "Parameter", columns, rows, notes=notes, absent=_none(), n=n)


def _same_as_normalised(pk: Results) -> list[str]:
    """The normalised parameters with the same values as those that they normalise."""
    names = ("n", "mean", "sd", "median", "min", "max")

    def values(paramcd: str) -> list[float] | None:
        place = ArdKey(paramcd=paramcd, group="", level="", sublevel="")
        known = all(pk.has(name, **place) for name in names)
        numbers = [pk.find(name, **place).value for name in names] if known else []
        return numbers if numbers and not any(map(isnan, numbers)) else None

    pairs = [(code, code.removesuffix("N")) for code in _parameters() if code.endswith("N")]
    return [
        code
        for code, plain in pairs
        if (one := values(code)) is not None
        and (other := values(plain)) is not None
        and all(isclose(a, b, rel_tol=1e-9) for a, b in zip(one, other, strict=True))
    ]


def samples_of_profile() -> Table:
    """`tlf-pk-samples`: the planned samples of each time, by their result."""
    samples = results("pk")
    times = samples.values("level", paramcd="SAMPLE", group="") if _known(samples) else []
    kinds = [item.id for item in analysis("pk").items("sublevel")]
    columns = [Column(samples.label("sublevel", kind)) for kind in kinds]
    rows = []
    for time in times:
        cells: list[Content] = []
        for kind in kinds:
            place = ArdKey(paramcd="SAMPLE", group="", level=time, sublevel=kind)
            cells.append(n_pct(samples.count(**place), samples.percent(**place)))
        rows.append(Row(samples.label("level", time), cells))
    n = None
    if times:
        n = samples.count("N", paramcd="SAMPLE", group="", level=times[0], sublevel=kinds[0])
    return Table("tlf-pk-samples", "Planned time", columns, rows, absent=_none(), n=n)


def _ratio(estimates: Results, place: ArdKey) -> tuple[Content, Content]:
    low, high = (estimates.find(s, **place) for s in ("conf_low", "conf_high"))
    estimate = estimates.fixed("estimate", 2, **place)
    known = estimates.find("estimate", **place).estimable
    if not known and not (low.estimable or high.estimable):
        return estimate, estimate
    between = (estimates.fixed(s, 2, **place) for s in ("conf_low", "conf_high"))
    return estimate, limits(*between)


def response() -> Table:
    """`tlf-pk-response`: association of exposure with response and with neutropenia."""
    estimates = results("exposure_response")
    header = "CI"
    rows: list[Row] = []
    measures = [m for m in estimates.values("sublevel") if m]
    for paramcd in estimates.values("paramcd") if measures else ():
        rows.append(Row(estimates.label("paramcd", paramcd), kind="group"))
        for measure in measures:
            for level in estimates.values("level", paramcd=paramcd, sublevel=measure):
                place = ArdKey(paramcd=paramcd, level=level, sublevel=measure)
                header = ci_header(estimates, **place).replace(" (%)", "")
                estimate, between = _ratio(estimates, place)
                cells = (estimates.count("n", **place), estimate, between)
                label = f"{estimates.label('level', level)}: {estimates.label('sublevel', measure)}"
                rows.append(Row(label, cells, "indent1"))
    columns = [Column("n"), Column("Estimate"), Column(header)]
    pk = results("pk")
    n: Number | None = pk.count("N", paramcd="CMAX", level="", group="") if _known(pk) else None
    return Table("tlf-pk-response", "Exposure, outcome", columns, rows, absent=_none(), n=n)


def scatter() -> Figure:
    """`tlf-pk-scatter`: AUC and best percent change of PSA of each patient."""
    from sap.displays.plots import exposure_scatter

    if not _known(results("pk")):
        return Figure("tlf-pk-scatter", None, "", absent=_none())
    adpp, adrs = ard.dataset("adpp"), ard.dataset("adrs")
    auc = f"AUC0{stated(ard.plan().pk).primary_h:g}"
    areas = adpp[(adpp["PARAMCD"] == auc) & adpp["AVAL"].notna()].sort_values(["USUBJID", "ADT"])
    area = areas.drop_duplicates("USUBJID").set_index("USUBJID")["AVAL"]
    answers = {
        name: adrs[adrs["PARAMCD"] == name].drop_duplicates("USUBJID").set_index("USUBJID")
        for name in ("PSABEST", "PSARESP")
    }
    change = answers["PSABEST"]["AVAL"].reindex(area.index)
    yes = answers["PSARESP"]["AVALC"].reindex(area.index) == "Y"
    order = ("Confirmed PSA response", "No confirmed response")
    points = pd.DataFrame(
        {"x": area, "y": change, "category": yes.map({True: order[0], False: order[1]})}
    ).dropna()
    if points.empty:
        return Figure("tlf-pk-scatter", None, "", absent=_none())
    estimates = results("exposure_response")
    place = ArdKey(paramcd=auc, level="PSABEST", sublevel="rank_correlation")
    rank = estimates.fixed("estimate", 2, **place)
    low, high = (estimates.fixed(s, 2, **place) for s in ("conf_low", "conf_high"))
    plot = exposure_scatter(
        points.reset_index(drop=True), None, order=[o for o in order if o in set(points["category"])],
        x_title=results("pk").label("paramcd", auc),
        y_title="Best percent change of PSA",
    )  # fmt: skip
    n = estimates.count("n", **place)
    alt = (
        f"Scatter plot of exposure and best percent change of PSA in {n.text} patients: rank correlation "
        f"{rank.text}, from {low.text} to {high.text}. Patients with a confirmed response are filled dots."
    )
    notes = [RichText("Patients with both values: ", n, ".")]
    return Figure(
        "tlf-pk-scatter", plot, alt, height=3.6, notes=notes, numbers=(n, rank, low, high)
    )


def values() -> Table:
    """Listing 16.2.5.2: every concentration, with its actual time."""
    folder = ard.run_folder().resolve() / "adam" / "adpc.parquet"
    order = ["USUBJID", "ADT", "ATPTN"]
    frame = ard.dataset("adpc") if folder.is_file() else pd.DataFrame(columns=order)
    frame = frame.sort_values(order, kind="stable")
    flags = {"Y": "Yes"}
    return listing(
        "tlf-l-conc",
        frame,
        (
            Shown("Visit", "AVISIT", make=coded),
            Shown("Sample", "ATPT", make=coded),
            Shown("Planned (h)", "ATPTN"),
            Shown("Actual (h)", "AREL", digits=2),
            Shown("Deviation (min)", "DEVMIN"),
            Shown("Outside window", "DEVFL", make=lambda v: flags.get(v, "")),
            Shown("Concentration (ng/mL)", "AVAL"),
            Shown("Below quantification", "BLQFL", make=lambda v: flags.get(v, "")),
            Shown("Dose (mg)", "DOSEMG", digits=1),
        ),
        dataset="ADPC",
        key=("PCSEQ",),
        population="PKEVAL",
        absent=_none(),
    )
