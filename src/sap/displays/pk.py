"""Concentrations of cabazitaxel, what they go with, and the blood samples drawn."""

import pandas as pd

from sap import ard
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.figure import Figure
from sap.displays.inline import RichText
from sap.displays.listing import Shown, coded, listing
from sap.displays.rates import ci_header
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct, pair, span

OUTCOMES = {
    "PSABEST": "Best change of PSA",
    "PSARESP": "Confirmed PSA response",
    "CTCBEST": "Best change of CTC",
    "CTCRESP": "CTC response",
    "ANC": "Worst grade of neutrophils",
}


def _parameters() -> dict[str, str]:
    """What each parameter is called, with the plan's times and reference dose."""
    rule = ard.table("plan")["pk"]
    first, second, dose = (
        f"{rule[name]:g}" for name in ("primary_h", "secondary_h", "reference_dose_mg_m2")
    )
    normal = f"normalised to {dose} mg/m2"
    return {
        "CMAX": "Maximum (ng/mL)",
        "CMAXN": f"Maximum, {normal} (ng/mL)",
        "TMAX": "Time of the maximum (h)",
        "AUC06": f"AUC, 0 to {second} h, secondary (ng h/mL)",
        "AUC07": f"AUC, 0 to {first} h, primary (ng h/mL)",
        "AUC07N": f"AUC, 0 to {first} h, {normal} (ng h/mL)",
        "C6H": f"Concentration at {second} h (ng/mL)",
        "C7H": f"Concentration at {first} h (ng/mL)",
    }


def _none() -> str:
    return not_recorded("pc", "concentration of cabazitaxel")


def _known(found: Results) -> bool:
    return found.has("N", paramcd="CMAX", level="", group="")


def _lines(found: Results, place: ArdKey, digits: int) -> list[Content]:
    """n, geometric mean with its coefficient, mean, median, range; NE once where nothing is known."""
    n = found.count("n", **place)
    if not found.find("median", **place).estimable:
        missing = found.fixed("median", digits, **place)
        return [n, missing, missing, missing, missing]
    geometric = (
        Cell(
            found.fixed("geometric_mean", digits, **place),
            " (",
            found.percent("geometric_cv", **place),
            ")",
        )
        if found.has("geometric_mean", **place)
        else Cell("")
    )
    return [
        n,
        geometric,
        pair(found.fixed("mean", digits, **place), found.fixed("sd", digits + 1, **place)),
        found.fixed("median", digits, **place),
        span(found.fixed("min", digits, **place), found.fixed("max", digits, **place)),
    ]


def concentrations() -> Table:
    """Table 14.2.8.1: concentrations by planned time and parameters of the first sampled infusion."""
    found = results("pk")
    columns = [
        Column("n"),
        Column("Geometric mean (CV %)"),
        Column("Mean (SD)"),
        Column("Median"),
        Column("Min, max"),
    ]
    if not _known(found):
        return Table("tlf-pk", "Quantity", columns, [], absent=_none())
    rows = [Row("Concentration (ng/mL) at the planned time", kind="group")]
    for time in found.values("level", paramcd="CONC", group=""):
        place = ArdKey(paramcd="CONC", group="", level=time, sublevel="")
        rows.append(Row(time, _lines(found, place, 1), "indent1"))
    rows.append(Row("Parameters", kind="group"))
    for paramcd, words in _parameters().items():
        place = ArdKey(paramcd=paramcd, group="", level="", sublevel="")
        if found.has("n", **place):
            digits = 2 if paramcd == "TMAX" else 1
            rows.append(Row(words, _lines(found, place, digits), "indent1"))
    n = found.count("N", paramcd="CMAX", level="", group="")
    return Table("tlf-pk", "Quantity", columns, rows, absent=_none(), n=n)


def samples_of_profile() -> Table:
    """Table 14.2.8.2: what became of the planned samples of each time."""
    found = results("pk")
    kinds = ("analysed", "below quantification", "off time", "left out", "not drawn")
    columns = [Column(kind.capitalize()) for kind in kinds]
    times = found.values("level", paramcd="SAMPLE", group="") if _known(found) else []
    rows = []
    for time in times:
        cells: list[Content] = []
        for kind in kinds:
            place = ArdKey(paramcd="SAMPLE", group="", level=time, sublevel=kind)
            cells.append(n_pct(found.count(**place), found.percent(**place)))
        rows.append(Row(time, cells))
    n = None
    if times:
        n = found.count("N", paramcd="SAMPLE", group="", level=times[0], sublevel=kinds[0])
    return Table("tlf-pk-samples", "Planned time", columns, rows, absent=_none(), n=n)


def _outcome(level: str) -> str:
    return OUTCOMES.get(level, f"Neutrophils of grade {level.removeprefix('ANC>=')} or more")


def _ratio(found: Results, place: ArdKey) -> tuple[Content, Content]:
    low, high = (found.find(s, **place) for s in ("conf_low", "conf_high"))
    if not found.find("estimate", **place).estimable and not (low.estimable or high.estimable):
        missing = found.fixed("estimate", 2, **place)
        return missing, missing
    between = limits(found.fixed("conf_low", 2, **place), found.fixed("conf_high", 2, **place))
    return found.fixed("estimate", 2, **place), between


def response() -> Table:
    """Table 14.2.8.3: exposure against response and neutropenia."""
    found = results("exposure_response")
    plain = [Column("n"), Column("Estimate"), Column("CI"), Column("p")]
    if not found.values("sublevel") or not any(found.values("level")):
        return Table("tlf-pk-response", "Exposure, outcome", plain, [], absent=_none())
    rows: list[Row] = []
    parameters = _parameters()
    first: ArdKey | None = None
    for paramcd in found.values("paramcd"):
        rows.append(Row(parameters.get(paramcd, paramcd), kind="group"))
        for measure, words in (
            ("rank correlation", "rank correlation"),
            ("per doubling", "odds ratio, twice the exposure"),
            ("above the median", "odds ratio, above the median"),
        ):
            for level in found.values("level", paramcd=paramcd, sublevel=measure):
                place = ArdKey(paramcd=paramcd, level=level, sublevel=measure)
                first = first or place
                estimate, between = _ratio(found, place)
                p = found.p_value(**place) if found.has("p_value", **place) else ""
                cells = (found.count("n", **place), estimate, between, p)
                rows.append(Row(f"{_outcome(level)}: {words}", cells, "indent1"))
    header = ci_header(found, **first).replace(" (%)", "") if first else "CI"
    columns = [Column("n"), Column("Estimate"), Column(header), Column("p")]
    size = results("pk")
    n: Number | None = size.count("N", paramcd="CMAX", level="", group="") if _known(size) else None
    return Table("tlf-pk-response", "Exposure, outcome", columns, rows, absent=_none(), n=n)


def scatter() -> Figure:
    """Figure 14.2.8.4: AUC of each patient against his best change of PSA."""
    from sap.displays.plots import exposure_scatter

    if not _known(results("pk")):
        return Figure("tlf-pk-scatter", None, "", absent=_none())
    adpp, adrs = ard.dataset("adpp"), ard.dataset("adrs")
    areas = adpp[(adpp["PARAMCD"] == "AUC07") & adpp["AVAL"].notna()].sort_values(
        ["USUBJID", "ADT"]
    )
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
    found = results("exposure_response")
    place = ArdKey(paramcd="AUC07", level="PSABEST", sublevel="rank correlation")
    rank = found.fixed("estimate", 2, **place)
    low, high = (found.fixed(s, 2, **place) for s in ("conf_low", "conf_high"))
    plot = exposure_scatter(
        points.reset_index(drop=True), None, order=[o for o in order if o in set(points["category"])],
        x_title=_parameters()["AUC07"],
        y_title="Best change of PSA (%)",
    )  # fmt: skip
    n = found.count("n", **place)
    alt = (
        f"Scatter plot of exposure against the best change of PSA of {n.text} patients: rank correlation "
        f"{rank.text}, from {low.text} to {high.text}. Patients with a confirmed response are filled dots."
    )
    notes = [RichText("Patients with both values: ", n, ".")]
    return Figure(
        "tlf-pk-scatter", plot, alt, height=3.6, notes=notes, numbers=(n, rank, low, high)
    )


def inventory() -> Table:
    """Table 14.1.11: blood samples drawn of those due, by kind, group and time."""
    found = results("sample_inventory")
    columns = [Column("Drawn, n (%)"), Column("Due"), Column("Beyond plan"), Column("Volume (mL)")]
    rows: list[Row] = []
    estimable = [
        (group, kind)
        for kind in found.values("paramcd")
        for group in found.values("group", paramcd=kind)
        if found.has("N", group=group, paramcd=kind, level="")
        and found.find("N", group=group, paramcd=kind, level="").estimable
    ]
    kinds = {"CTC": "CTC", "CFDNA PLASMA": "Plasma for cell-free DNA", "PK": "Concentrations"}
    for kind, words in kinds.items():
        mine = [group for group, k in estimable if k == kind]
        if mine:
            rows.append(Row(words, kind="group"))
        for group in mine:
            place = ArdKey(group=group, paramcd=kind, level="")
            volume = ArdKey(group=group, paramcd=kind, level="volume")
            shown: Content = ""
            if found.has("total", **volume) and found.find("total", **volume).estimable:
                shown = found.fixed("total", 0, **volume)
            label = f"Group {group}" if group.startswith(("A", "B")) else group.capitalize()
            cells = (
                n_pct(found.count(**place), found.percent(**place)),
                found.count("N", **place),
                found.count("n_extra", **place),
                shown,
            )
            rows.append(Row(label, cells, "indent1"))
    sizes = results("analysis_sets")
    n = sizes.count(population="SCREENED")
    absent = not_recorded("be", "blood sample drawn")
    return Table("tlf-samples", "Sample, group", columns, rows, absent=absent, n=n)


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
            Shown("Minutes off", "DEVMIN"),
            Shown("Off time", "DEVFL", make=lambda v: flags.get(v, "")),
            Shown("Concentration (ng/mL)", "AVAL"),
            Shown("Below quantification", "BLQFL", make=lambda v: flags.get(v, "")),
            Shown("Dose (mg)", "DOSEMG", digits=1),
        ),
        dataset="ADPC",
        key=("PCSEQ",),
        population="PKEVAL",
        absent=_none(),
    )
