"""Listings by patient: the rows of a dataset as recorded, each with its dataset and key."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from sap import ard
from sap.displays import availability, days, escape, plan_text
from sap.displays.absence import not_there
from sap.displays.ard_lookup import ArdKey, results
from sap.displays.endpoint import primary_endpoint
from sap.displays.formats import NEV, as_collected, fixed, response, typeset
from sap.displays.frame import Note
from sap.displays.marks import TiedNote
from sap.displays.record import not_recorded
from sap.displays.register import unavailable
from sap.displays.table import Column, Row, Table
from sap.plan.entry import stated

SETS = {
    "PRIMARY": "Primary",
    "PSAEVAL": "PSA-evaluable",
    "PERPROT": "Per protocol",
    "CTCEVAL": "CTC-evaluable",
    "MEASURABLE": "Measurable disease",
}


@dataclass(frozen=True)
class Shown:
    """A column of a listing: its header, and a column of the dataset or what makes its text."""

    header: str
    column: str
    under: str = ""
    make: Callable[[Any], str] | None = None
    digits: int | None = None

    @property
    def text(self) -> Callable[[Any], str]:
        """What prints a value: own words, a number of decimals, or the value as recorded."""
        if self.digits is not None:
            return lambda value: "" if pd.isna(value) else fixed(float(value), self.digits or 0)
        return self.make or words


def words(value: Any) -> str:
    """A value as it was recorded: dates after ISO 8601, numbers with the digits they have.

    A column of values that may have been converted from another unit has its own `digits` instead.

    >>> words(pd.Timestamp("2018-01-31")), words(7.50), words(None), words("cough")
    ('2018-01-31', '7.5', '', 'cough')
    """
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, int | float):
        return as_collected(float(value))
    return str(value)


def coded(value: Any) -> str:
    """A coded value in lower case with a capital: `FEBRILE NEUTROPENIA` as `Febrile neutropenia`."""
    return escape.coded(words(value))


def _response(value: Any) -> str:
    """A category of response."""
    return response(words(value))


def listing(  # noqa: PLR0913 - what a listing is made of
    display_id: str,
    frame: pd.DataFrame,
    shown: Sequence[Shown],
    *,
    dataset: str,
    key: Sequence[str],
    population: str,
    absent: str,
    notes: Sequence[Note | TiedNote] = (),
) -> Table:
    """One row per row of `frame`, in its order; the patient is printed once.

    A column is numeric when all its values are numbers, and its decimals are aligned.
    """
    dated = {s.column for s in shown if days.is_date(s.column, frame.get(s.column))}
    columns = [
        Column(
            days.heading(s.header) if s.column in dated else s.header,
            numeric=_is_numeric(s, frame, dated),
            under=s.under,
            id=s.column,
        )
        for s in shown
    ]
    if dated and days.relative():
        notes = [*notes, days.NOTE]
    rows = []
    records = frame.to_dict("records")
    shown, columns, left_out = _varied(shown, columns, records, dated)
    notes = [*notes, *left_out]
    for who, of_subject in groupby(records, key=lambda r: str(r["USUBJID"])):
        for i, record in enumerate(of_subject):
            cells = [
                days.printed(record.get(s.column), who)
                if s.column in dated
                else s.text(record.get(s.column))
                for s in shown
            ]
            keys = (_key(record.get(name), who) for name in key)
            place = "|".join([dataset, who, *keys])
            rows.append(Row("" if i else who, cells, address=place, again=who if i else ""))
    sets = results("analysis_sets")
    n = sets.count(population=population) if sets.has("n", population=population) else None
    flow, all_subjects = results("flow"), ArdKey(paramcd="BOX", level="consented")
    if population == "CONSENTED" and flow.has("n", **all_subjects):
        n = flow.count(**all_subjects)
    return Table(display_id, "Patient", columns, rows, notes=notes, absent=absent, n=n)


FEW_ROWS = 5


def _varied(
    shown: Sequence[Shown],
    columns: Sequence[Column],
    records: Sequence[Mapping[Any, Any]],
    dated: Collection[str],
) -> tuple[list[Shown], list[Column], list[Note]]:
    """The columns whose rows differ, and a note on the others: those without a value, or with one word alone.

    A listing of few rows has all its columns, and so has one that would have none.
    """
    kept: list[int] = []
    empty: list[str] = []
    constant: list[str] = []
    for i, one in enumerate(shown):
        values = {one.text(record.get(one.column)) for record in records}
        (only, *others) = values or {""}
        varied = others or one.column in dated or any(c.isdigit() for c in only)
        if varied and values != {""}:
            kept.append(i)
            continue
        head = f"{one.under}: {one.header.lower()}" if one.under else one.header
        if only:
            constant.append(f"{head} ({only})")
        else:
            empty.append(head)
    if len(records) < FEW_ROWS or not kept:
        return [*shown], [*columns], []
    notes: list[Note] = []
    if constant:
        notes.append(f"The same in all rows, and not shown: {'; '.join(constant)}.")
    if empty:
        notes.append(f"Without a value, and not shown: {'; '.join(empty)}.")
    return [shown[i] for i in kept], [columns[i] for i in kept], notes


def _key(value: Any, who: str) -> str:
    return days.printed(value, who) if isinstance(value, pd.Timestamp) else words(value)


def _is_numeric(shown: Shown, frame: pd.DataFrame, dated: Collection[str]) -> bool:
    if shown.column in dated:
        return days.relative()
    return shown.make is None and _is_number(frame.get(shown.column))


def _as_numbers(codes: pd.Series) -> pd.Series:
    """Codes of a scale as numbers, for their alignment; as they are if one is not a number."""
    numbers = pd.to_numeric(codes, errors="coerce")
    return numbers if numbers.notna().equals(codes.notna()) else codes


def _is_number(values: pd.Series | None) -> bool:
    return values is not None and pd.api.types.is_numeric_dtype(values)


def _members(frame: pd.DataFrame, flag: str) -> pd.DataFrame:
    adsl = ard.dataset("adsl")
    return frame[frame["USUBJID"].isin(adsl.loc[adsl[flag] == "Y", "USUBJID"])]


def _wide(frame: pd.DataFrame, index: Sequence[str], value: str = "AVAL") -> pd.DataFrame:
    """One row per place, one column per PARAMCD."""
    if frame.empty:
        return frame.reindex(columns=[*index])
    table = frame.pivot_table(
        index=list(index), columns="PARAMCD", values=value, aggfunc="first", dropna=False
    )
    return table.dropna(how="all").reset_index()


def _cycles() -> tuple[Shown, ...]:
    """The number of cycles; nothing under continuous dosing, whose intervals are no cycles."""
    return () if ard.plan().exposure.continuous else (Shown("Cycles", "NCYCLES"),)


def discontinued() -> Table:
    """Listing 16.2.1.1: when and why each treated patient discontinued treatment and the study."""
    adsl = ard.dataset("adsl")
    adsl = adsl[adsl["SAFFL"] == "Y"].sort_values("USUBJID")
    return listing(
        "tlf-l-discontinued",
        adsl,
        (
            *(
                (Shown("Group", "GROUP"), Shown("Treated after re-screening", "RESCTRFL"))
                if ard.plan().study.groups
                else ()
            ),
            Shown("First dose", "TRTSDT"),
            Shown("Last dose", "TRTEDT"),
            *_cycles(),
            Shown("Reason", "DCTREAS", "Treatment discontinuation", coded),
            Shown("Date", "DCTDT", "Treatment discontinuation"),
            Shown("Reason", "DCSREAS", "Study discontinuation", coded),
            Shown("Date", "DCSDT", "Study discontinuation"),
        ),
        dataset="ADSL",
        key=(),
        population="SAFETY",
        absent="No patient was treated.",
    )


def deviations() -> Table:
    """Listing 16.2.2.1: protocol deviations."""
    frame = ard.dataset("addv")
    recorded, term = (frame[name].astype("string").str.casefold() for name in ("DVTERM", "DVDECOD"))
    repeated = recorded == term
    return listing(
        "tlf-l-deviations",
        frame.assign(DVTERM=frame["DVTERM"].mask(repeated.fillna(False), None)),
        (
            Shown("Category", "DVCAT", make=coded),
            Shown("Deviation", "DVDECOD", make=coded),
            Shown("As recorded, where it differs", "DVTERM"),
            Shown("Date", "ADT"),
            Shown("Study day", "ADY"),
        ),
        dataset="ADDV",
        key=("DVSEQ",),
        population="SCREENED",
        absent=not_recorded("dv", "protocol deviation"),
    )


def excluded() -> Table:
    """Listing 16.2.3.1: patients excluded from an analysis set of efficacy."""
    frame = ard.dataset("adexcl")
    order = {name: i for i, name in enumerate(SETS)}
    frame = frame.assign(PLACE=frame["SET"].map(order)).sort_values(["USUBJID", "PLACE"])
    return listing(
        "tlf-l-excluded",
        frame,
        (
            Shown("Excluded from", "SET", make=lambda v: SETS.get(v, words(v))),
            Shown("Reason", "REASON"),
        ),
        dataset="ADEXCL",
        key=("SET",),
        population="SCREENED",
        absent="No eligible patient is excluded from an analysis set of efficacy.",
    )


def demographics() -> Table:
    """Listing 16.2.4.1: each patient at the first screening and at re-screening."""
    adbl = ard.dataset("adbl")
    at = ["USUBJID", "AVISIT"]
    numbers = _wide(adbl[adbl["AVAL"].notna()], at)
    texts = _wide(adbl[adbl["AVALC"].notna()], at, "AVALC")
    frame = numbers.merge(texts, on=at, how="outer", suffixes=("", "_C"))
    for scale in ("ECOG", "GLEASON"):
        if scale in frame:
            frame[scale] = _as_numbers(frame[scale])
    frame["FIRST"] = frame["AVISIT"] != "SCREENING"
    frame = frame.sort_values(["USUBJID", "FIRST"])
    prior = ard.plan().wording.prior_treatment or ""
    plan = ard.plan()
    of_class = plan.baseline.prior_class
    prior_class = plan_text.either("baseline.prior_class.drugs").plain if of_class else ""
    marker = plan.biomarker.name if plan.biomarker else ""
    columns = (
        Shown("Screening", "AVISIT", make=coded),
        Shown("Age", "AGE"),
        Shown("Sex", "SEX"),
        Shown("ECOG", "ECOG"),
        Shown("Gleason", "GLEASON"),
        Shown(marker, "MARKER", make=coded),
        Shown("CTC", "CTC"),
        Shown("PSA (ug/L)", "PSA"),
        Shown("Hb (mmol/L)", "HGB", digits=1),
        Shown("ALP (U/L)", "ALP"),
        Shown("LDH (U/L)", "LDH"),
        Shown(prior[:1].upper() + prior[1:], "PRIORTRT", "Prior therapy"),
        Shown(prior_class[:1].upper() + prior_class[1:], "PRIORCL", "Prior therapy"),
        Shown("Radiotherapy", "RADIO", "Prior therapy"),
    )
    shown = [s for s in columns if s.column in frame and s.header]
    return listing(
        "tlf-l-baseline",
        frame,
        shown,
        dataset="ADBL",
        key=("AVISIT",),
        population="SCREENED",
        notes=_baseline_notes([s.column for s in shown]),
        absent="No patient was screened.",
    )


MEASURED = {"ECOG": "ECOG", "HGB": "Hb", "ALP": "ALP", "LDH": "LDH", "PSA": "PSA"}
"""Columns of the listing of demographics that have the last value before treatment."""


def _baseline_notes(columns: Collection[str]) -> list[Note | TiedNote]:
    """What the columns of the listing of demographics are, as far as it has them."""
    plan = ard.plan()
    parts = ["Y yes, N no."] if {"PRIORTRT", "PRIORCL", "RADIO"} & {*columns} else []
    measured = [words for column, words in MEASURED.items() if column in columns]
    if measured:
        listed = " and ".join(filter(None, (", ".join(measured[:-1]), measured[-1])))
        after = " after that screening" if plan.study.groups else ""
        of_ecog = "ECOG" in measured and plan.biomarker is not None
        narrated = "; the narratives give ECOG at allocation" if of_ecog else ""
        parts.append(f"{listed}, the last before treatment{after}{narrated}.")
    return [" ".join(parts)] if parts else []


def therapies() -> Table:
    """Listing 16.2.4.2: prior and subsequent anticancer therapy of treated patients."""
    frame = _members(ard.dataset("adcm"), "SAFFL")
    frame = frame[frame["CMCAT"] != "SUPPORTIVE CARE"]
    return listing(
        "tlf-l-therapies",
        frame,
        (
            Shown("Category", "CMCAT", make=coded),
            Shown("Therapy", "CMDECOD", make=coded),
            Shown("Type", "CMSCAT", make=coded),
            Shown("Start", "CMSTDTC"),
            Shown("End", "CMENDTC"),
            Shown("Reason for discontinuation", "CMRSDISC", make=coded),
        ),
        dataset="ADCM",
        key=("CMSEQ",),
        population="SAFETY",
        absent=not_recorded("cm", "anticancer therapy"),
    )


DELAYS = {"N": "No", "MINOR": "Minor", "MAJOR": "Major", "U": "Not known"}


def _of_dosing() -> tuple[Shown, ...]:
    """The columns of a dose: an infusion, or an interval of continuous dosing."""
    rule = ard.plan().exposure
    size = {
        "mg/m2": (Shown("Body surface area (m2)", "BSA", digits=2),),
        "mg/kg": (Shown("Weight (kg)", "WEIGHT", digits=1),),
    }.get(rule.dose_unit, ())
    in_mg = () if rule.dose_unit == "mg" else (Shown("Dose (mg)", "DOSEMG", digits=1),)
    amount = (Shown(f"Dose ({rule.dose_unit})", "DOSE"), *size, *in_mg)
    if rule.dosing == "continuous":
        return (
            Shown("Interval", "ACYCLE"),
            Shown("Start", "ASTDT"),
            Shown("End", "AENDT"),
            Shown("Frequency", "ADOSFRQ", make=words),
            Shown("Doses", "NDOSES"),
            *amount,
        )
    return (
        Shown("Infusion", "ACYCLE"),
        Shown("Visit", "AVISIT", make=coded),
        Shown("Date", "ASTDT"),
        *amount,
    )


def _of_delays() -> tuple[Shown, ...]:
    if ard.plan().exposure.continuous:
        return ()
    return (
        Shown("Category of delay", "DELAYC", make=lambda v: DELAYS.get(v, words(v))),
        Shown("Delay (days)", "DELAYD"),
    )


def dosing() -> Table:
    """Listing 16.2.5.1: each infusion of study treatment."""
    frame = ard.dataset("adex")
    return listing(
        "tlf-l-dosing",
        frame,
        (
            *_of_dosing(),
            Shown("Dose level", "DOSEC", make=lambda v: "Not known" if v == "U" else coded(v)),
            *_of_delays(),
            Shown("Reason", "EXADJ", make=coded),
        ),
        dataset="ADEX",
        key=("EXSEQ",),
        population="SAFETY",
        absent="No patient was treated.",
    )


def supportive() -> Table:
    """Listing 16.2.5.3: growth factor and other supportive care of treated patients."""
    frame = _members(ard.dataset("adcm"), "SAFFL")
    frame = frame[frame["CMCAT"] == "SUPPORTIVE CARE"]
    return listing(
        "tlf-l-supportive",
        frame,
        (
            Shown("Drug", "CMDECOD", make=coded),
            Shown("Type", "CMSCAT"),
            Shown("Indication", "CMINDC", make=coded),
            Shown("Start", "CMSTDTC"),
            Shown("Study day", "ADY"),
            Shown("End", "CMENDTC"),
        ),
        dataset="ADCM",
        key=("CMSEQ",),
        population="SAFETY",
        absent=not_recorded("cm", "supportive care"),
    )


def _responses(names: Mapping[str, str]) -> pd.DataFrame:
    adrs = ard.dataset("adrs")
    selected = adrs[
        adrs["PARAMCD"].isin(names) & (adrs["COURSE"].isna() | (adrs["COURSE"] == "STUDY"))
    ]
    made = selected.assign(RESPONSE=[response(words(c)) or words(v) for c, v in zip(selected["AVALC"], selected["AVAL"], strict=True)])  # fmt: skip
    return made.drop_duplicates(["USUBJID", "PARAMCD"])


def _response_columns() -> dict[str, str]:
    """The parameters of the listing of responses with their heads, as far as the plan has them."""
    plan = ard.plan()
    marker = plan.biomarker.name if plan.biomarker else ""
    primary = plan.primary_parameter
    names = {} if primary == "PSARESP" else {primary: "Primary"}
    if plan.psa_response is not None:
        names |= {
            "PSARESP": "Conf.",
            "PSARESPU": "Unconf.",
            "PSABEST": "Best (%)",
            "PSAWK12": "Week 12 (%)",
        }
    names |= {"PSAPROG": "Progr."} if plan.psa_progression is not None else {}
    names |= {"CTCRESP": "CTC resp.", "MARKNEG": f"{marker} neg."} if plan.ctc is not None else {}
    names |= {} if unavailable("tlf-bor") else {"BOR": "Tumour"}
    return names


def _assessed() -> str:
    """What marks a response as the evaluator's: `inv.`, or the initials of another evaluator."""
    who = ard.plan().tumour.assessor
    return "inv." if who == "investigator" else "".join(word[0] for word in who.split()).upper()


def _response_notes(names: Mapping[str, str]) -> list[Note | TiedNote]:
    """What the columns of the listing of responses are."""
    plan = ard.plan()
    primary, again = plan.primary_parameter, plan.study.groups
    marker = plan.biomarker.name if plan.biomarker else ""
    codes = "Y yes, N no, NEv not evaluable; NE not estimable; + censored. Set: in the primary set"
    parts = [f"{codes}; treated after re-screening" if again else codes]
    if primary != "PSARESP":
        parts.append(f"Primary: {primary_endpoint(plan)}")
    if "PSARESP" in names:
        progression = ", progression" if "PSAPROG" in names else ""
        of_psa = "PSA: confirmed and unconfirmed response, best change, change at week 12"
        parts.append(f"{of_psa}{progression}")
    if "CTCRESP" in names:
        parts.append(f"CTC response; {marker} conversion to negative")
    if "BOR" in names:
        parts.append(
            f"Tumour: best response by the algorithm of the SAP, else by the {plan.tumour.assessor} ({_assessed()})"
        )
    tied = [
        TiedNote(
            "A response requires the decrease within the planned time, the best change does not.",
            columns={"id": ["PSARESP", "PSARESPU", "PSABEST"]},
        )
    ]
    tied = tied if "PSARESP" in names else []
    if again:
        tied.append(
            TiedNote(
                "Of patients treated after re-screening, counted from the second allocation.",
                columns={"id": ["PFS", "OS"]},
            )
        )
    return [f"{'. '.join(parts)}.", *tied]


def responses() -> Table:
    """Listing 16.2.6.1: every response of each treated patient on one line."""
    adsl = ard.dataset("adsl")
    frame = adsl[adsl["SAFFL"] == "Y"].sort_values("USUBJID")
    plan = ard.plan()
    names = _response_columns()
    again = plan.study.groups
    by_parameter = _responses({**names, "BORINV": ""})
    adtte = ard.dataset("adtte")
    shown = [Shown("Primary", "PRIMFL", "Set")]
    shown += [Shown("Re-scr.", "RESCTRFL", "Set")] if again else []
    frame = frame[["USUBJID", "PRIMFL", "RESCTRFL"]].copy()
    for name, header in names.items():
        selected = by_parameter[by_parameter["PARAMCD"] == name].set_index("USUBJID")
        if name in ("PSABEST", "PSAWK12"):
            frame[name] = frame["USUBJID"].map(selected["AVAL"]).astype(float)
        else:
            frame[name] = frame["USUBJID"].map(selected["RESPONSE"])
        if name == "BOR":
            by = by_parameter[by_parameter["PARAMCD"] == "BORINV"].set_index("USUBJID")["RESPONSE"]
            theirs = frame["USUBJID"].map(by).astype(object).fillna(NEV)
            by_investigator = (frame[name].fillna(NEV) == NEV) & (theirs != NEV)
            frame[name] = frame[name].where(
                ~by_investigator, theirs.map(f"{{}} ({_assessed()})".format)
            )
        under = "PSA" if name.startswith("PSA") else ""
        shown.append(
            Shown(header, name, under, digits=1 if name in ("PSABEST", "PSAWK12") else None)
        )
    for stem, header in (("PFS", "PFS"), ("OS", "Overall")):
        one = adtte[adtte["PARAMCD"] == stem].set_index("USUBJID")
        two = adtte[adtte["PARAMCD"] == f"{stem}RE"].set_index("USUBJID")
        rescreened = frame["RESCTRFL"] == "Y"
        for column in ("AVAL", "CNSR"):
            first, second = (frame["USUBJID"].map(t[column]) for t in (one, two))
            frame[f"{stem}{column}"] = second.where(rescreened, first)
        frame[stem] = [
            "NE" if pd.isna(v) else f"{words(v)}{'+' if c else ''}"
            for v, c in zip(frame[f"{stem}AVAL"], frame[f"{stem}CNSR"], strict=True)
        ]
        if frame[f"{stem}AVAL"].notna().any():
            shown.append(Shown(header, stem, "Survival (days)"))
    return listing(
        "tlf-l-response",
        frame,
        shown,
        dataset="ADRS",
        key=(),
        population="SAFETY",
        notes=_response_notes(names),
        absent="No patient was treated.",
    )


def psa() -> Table:
    """Listing 16.2.6.2: PSA values of treated patients."""
    frame = _members(ard.dataset("adpsa"), "SAFFL")
    frame = frame.sort_values(["USUBJID", "ADT", "LBSEQ"])
    above = (
        [Shown("Above upper limit of quantification", "ALQFL")]
        if (frame["ALQFL"] == "Y").any()
        else []
    )
    return listing(
        "tlf-l-psa",
        frame,
        (
            Shown("Date", "ADT"),
            Shown("Study day", "ADY"),
            Shown("PSA (ug/L)", "AVAL"),
            Shown("Below lower limit of quantification", "BLQFL"),
            *above,
            Shown("Baseline", "ABLFL"),
            Shown("Change (%)", "PCHG", digits=1),
            Shown("Included in response", "ANL01FL"),
            Shown("Case", "ANL01CAS"),
        ),
        dataset="ADPSA",
        key=("LBSEQ",),
        population="SAFETY",
        notes=[
            TiedNote(
                "The first that applies: 1 no first dose with a known date; 2 on or before the day of the first dose; 3 later than the planned days after the last infusion; 4 on or after the first day of a new anticancer therapy; 5 included in the assessment of response.",
                columns={"id": ["ANL01CAS"]},
            ),
            "Changes have one decimal.",
        ],
        absent=not_recorded("lb", "PSA value of a treated patient"),
    )


def ctc() -> Table:
    """Listing 16.2.6.3: CTC counts and marker status of treated patients."""
    frame = _members(ard.dataset("adctc"), "SAFFL")
    frame = frame.sort_values(["USUBJID", "ADT", "CPSEQ"])
    # Of a sample of a screening or before the first dose the change is no change on treatment.
    frame["PCHG"] = frame["PCHG"].where(frame["ANL01FL"] == "Y")
    return listing(
        "tlf-l-ctc",
        frame,
        (
            Shown("Visit", "AVISIT", make=coded),
            Shown("Date", "ADT"),
            Shown("CTC", "AVAL"),
            Shown(stated(ard.plan().biomarker).name, "MARKER", make=coded),
            Shown("Baseline count", "BASE"),
            Shown("Change (%)", "PCHG", digits=1),
            Shown("Included in response", "ANL01FL"),
        ),
        dataset="ADCTC",
        key=("CPSEQ",),
        population="SAFETY",
        notes=[
            TiedNote(f"Per {plan_text.counted_in()}.", columns={"id": ["AVAL", "BASE"]}),
            "Changes have one decimal.",
        ],
        absent=not_recorded("cp", "CTC count of a treated patient"),
    )


def tumour() -> Table:
    """Listing 16.2.6.4: tumour assessments, by the algorithm of the plan and by the evaluator."""
    plan, by_rule = ard.plan(), "Algorithm of the SAP"
    adrs = ard.dataset("adrs")
    names = ("TRGRESP", "NTRGRESP", "NEWLPROG", "SFTSRESP", "BONERESP", "OVRLRESP")
    selected = adrs[adrs["PARAMCD"].isin(names) & (adrs["COURSE"] == "STUDY") & adrs["ADT"].notna()]
    frame = _wide(selected, ["USUBJID", "ADT", "AVISIT"], "AVALC")
    adtr = ard.dataset("adtr")
    sums = _wide(adtr[adtr["COURSE"] == "STUDY"], ["USUBJID", "ADT", "AVISIT"])
    if len(sums):
        frame = frame.merge(sums, on=["USUBJID", "ADT", "AVISIT"], how="outer")
    over = adtr[(adtr["COURSE"] == "STUDY") & (adtr["LIMITFL"] == "Y")]
    if len(over):
        flags = over[["USUBJID", "ADT", "AVISIT", "LIMITFL"]]
        frame = frame.merge(flags, on=["USUBJID", "ADT", "AVISIT"], how="left")
    overall = selected[selected["PARAMCD"] == "OVRLRESP"].drop_duplicates(
        ["USUBJID", "ADT", "AVISIT"]
    )
    if len(overall):
        frame = frame.merge(
            overall[["USUBJID", "ADT", "AVISIT", "INVRESP"]],
            on=["USUBJID", "ADT", "AVISIT"],
            how="left",
        )
    frame = frame.sort_values(["USUBJID", "ADT"])
    columns = (
        Shown("Visit", "AVISIT", make=coded),
        Shown("Date", "ADT"),
        Shown("Sum of diameters (mm)", "SUMDIAM"),
        Shown("More targets than planned", "LIMITFL"),
        *((Shown("New bone lesions", "NEWBONE"),) if plan.bone is not None else ()),
        Shown("Target", "TRGRESP", by_rule, make=_response),
        Shown("Non-target", "NTRGRESP", by_rule, make=_response),
        Shown("New lesion", "NEWLPROG", by_rule),
        Shown("Soft tissue", "SFTSRESP", by_rule, make=_response),
        Shown("Bone", "BONERESP", by_rule, make=_response),
        Shown("Overall", "OVRLRESP", by_rule, make=_response),
        Shown(plan.tumour.assessor_label, "INVRESP", make=_response),
    )
    return listing(
        "tlf-l-tumour",
        frame,
        [s for s in columns if s.column in frame],
        dataset="ADRS",
        key=("AVISIT", "ADT"),
        population="SAFETY",
        absent=f"{not_there(capital=True)}: dated tumour assessments.",
    )


def _event() -> tuple[Shown, ...]:
    """The columns of an event, with the plan's scale."""
    by_grade = ard.plan().safety.by == "grade"
    return (
        Shown("Term as reported", "AETERM"),
        Shown("Preferred term", "AEDECOD", make=coded),
        Shown("Grade", "ATOXGRN") if by_grade else Shown("Severity", "ASEV", make=coded),
        Shown("Start", "ASTDT"),
        Shown("End", "AENDT"),
        Shown("Relation", "AEREL", make=coded),
        Shown("Action taken", "AEACN", make=coded),
        Shown("Outcome", "AEOUT", make=coded),
    )


def is_severe(events: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each event is of the plan's high grade or worse, or severe."""
    rule = ard.plan().safety
    return events["ATOXGRN" if rule.by == "grade" else "ASEVN"] >= rule.severe_rank


CRITERIA = {
    "AESDTH": "death",
    "AESLIFE": "life-threatening",
    "AESHOSP": "hospitalisation",
    "AESDISAB": "disability",
    "AESCONG": "congenital anomaly",
    "AESMIE": "medically important",
}


def _events() -> pd.DataFrame:
    frame = ard.dataset("adae").sort_values(["USUBJID", "ASTDT", "AESEQ"])
    criteria = [
        ", ".join(label for name, label in CRITERIA.items() if row.get(name) == "Y")
        for row in frame.to_dict("records")
    ]
    return frame.assign(WHY=criteria)


def events() -> Table:
    """Listing 16.2.7.1: every adverse event."""
    serious = Shown("Serious", "AESER")
    emergent = Shown("Treatment-emergent", "TRTEMFL")
    return listing(
        "tlf-l-ae",
        _events(),
        (*_event(), serious, emergent),
        dataset="ADAE",
        key=("AESEQ",),
        population="CONSENTED",
        absent=not_recorded("ae", "adverse event"),
    )


PROGRESSION = "Progression"


def serious() -> Table:
    """`tlf-l-sae`: serious adverse events, with the seriousness criteria.

    The last column says which events the tables count: Y treatment-emergent, N not, Progression (of the
    disease, which is not counted as an adverse event, whatever its start).
    """
    frame = _events()
    counted = frame["TRTEMFL"].mask(frame["PROGFL"] == "Y", PROGRESSION)
    frame = frame.assign(EMERGENT=counted)
    return listing(
        "tlf-l-sae",
        frame[frame["AESER"] == "Y"],
        (*_event(), Shown("Seriousness criterion", "WHY"), Shown("Treatment-emergent", "EMERGENT")),
        dataset="ADAE",
        key=("AESEQ",),
        population="CONSENTED",
        absent=not_recorded("ae", "serious adverse event"),
    )


def severe() -> Table:
    """The DSMB's listing of adverse events of the plan's high grade and worse, of treated patients."""
    frame, rule = _events(), ard.plan().safety
    missed = f"adverse event of grade {rule.severe_grade} or worse"
    return listing(
        "tlf-dsmb-l-severe",
        _members(frame[is_severe(frame)], "SAFFL"),
        (*_event(), Shown("Serious", "AESER"), Shown("Treatment-emergent", "TRTEMFL")),
        dataset="ADAE",
        key=("AESEQ",),
        population="SAFETY",
        absent=not_recorded("ae", missed if rule.by == "grade" else "severe adverse event"),
    )


def _since_infusion(values: pd.DataFrame) -> list[float]:
    """Days from the last infusion on or before the day of each value."""
    doses = ard.dataset("adex")
    doses = doses[doses["DOSE"] > 0]
    by_subject = {str(who): sorted(of["ASTDT"].dropna()) for who, of in doses.groupby("USUBJID")}
    since = []
    for who, day in zip(values["USUBJID"], values["ADT"], strict=True):
        before = [dose for dose in by_subject.get(str(who), []) if dose.normalize() <= day]
        since.append(float((day - before[-1].normalize()).days) if before else float("nan"))
    return since


LIFE_THREATENING = 4
"""The grade of laboratory values that are listed where the plan has no high grade of events."""
LIVER, FROM_ULN, BILIRUBIN, BILIRUBIN_FROM_ULN = ("ALT", "AST"), 3, "BILI", 2


def _liver_cases(values: pd.DataFrame) -> list[str]:
    """Patients with ALT or AST of 3 ULN and bilirubin of 2 ULN on treatment, each at any time."""
    ratio = values["AVAL"] / values["ANRHI"]
    enzymes = values["PARAMCD"].isin(LIVER) & (ratio >= FROM_ULN)
    bilirubin = (values["PARAMCD"] == BILIRUBIN) & (ratio >= BILIRUBIN_FROM_ULN)
    both = set(values.loc[enzymes, "USUBJID"]) & set(values.loc[bilirubin, "USUBJID"])
    return sorted(map(str, both))


def severe_values() -> Table:
    """The DSMB's listing of laboratory values of concern: of the plan's high grade, on treatment."""
    lowest = ard.plan().safety.severe_grade or LIFE_THREATENING
    frame = _members(ard.dataset("adlb"), "SAFFL")
    frame = frame[frame["ONTRTFL"] == "Y"]
    liver = _liver_cases(frame)
    frame = frame[frame["ATOXGRN"] >= lowest].sort_values(["USUBJID", "ADT", "PARAMCD", "LBSEQ"])
    frame = frame.assign(
        TEST=[LABS.get(code, coded(code)) for code in frame["PARAMCD"]],
        LIMITS=[
            " to ".join(words(limit) for limit in pair if words(limit))
            for pair in zip(frame["ANRLO"], frame["ANRHI"], strict=True)
        ],
        SINCE=_since_infusion(frame),
        WORSE=[
            "" if pd.isna(grade) or not words(base).isdigit() else "Y" if grade > int(base) else "N"
            for grade, base in zip(frame["ATOXGRN"], frame["BTOXGR"], strict=True)
        ],
    )
    criterion = (
        "ALT or AST of at least 3 × ULN and bilirubin of at least 2 × ULN, at any time on treatment"
    )
    cases = f"{criterion}: {', '.join(liver) or 'no patient'}."
    return listing(
        "tlf-dsmb-l-labs",
        frame,
        (
            Shown("Test", "TEST", make=lambda text: text[:1].upper() + text[1:]),
            Shown("Date", "ADT"),
            Shown(
                f"Days since the {'infusion' if ard.plan().exposure.dosing == 'cycles' else 'start of the interval'}",
                "SINCE",
            ),
            Shown("Value", "AVAL", make=words),
            Shown("Unit", "AVALU", make=lambda unit: typeset(words(unit))),
            Shown("Limits of normal", "LIMITS", make=words),
            Shown("Grade", "ATOXGRN"),
            Shown("Value", "BASE", make=words, under="Baseline"),
            Shown("Grade", "BTOXGR", make=words, under="Baseline"),
            Shown("Worse than baseline", "WORSE"),
        ),
        dataset="ADLB",
        key=("PARAMCD", "ADT"),
        population="SAFETY",
        notes=["Grades by CTCAE 4.03 from the values. ULN, upper limit of normal.", cases],
        absent=f"No laboratory value of a treated patient on treatment has grade {lowest} or worse. {cases}",
    )


def significant() -> Table:
    """Listing 14.3.2.x: events that changed the treatment and are neither fatal nor serious."""
    frame = _events()
    return listing(
        "tlf-l-significant",
        frame[availability.significant(frame)],
        _event(),
        dataset="ADAE",
        key=("AESEQ",),
        population="CONSENTED",
        absent="No adverse event that was not serious led to drug withdrawal, dose reduction or drug interruption.",
    )


def cause_of_death(subject: Mapping[Any, Any]) -> str:
    """The cause of death of a row of ADSL, and that it is inferred where no event gives it."""
    cause = words(subject.get("DTHCGR1"))
    inferred = cause == "Progression" and not words(subject.get("DTHTERM"))
    return f"{cause} (inferred)" if inferred else cause


def _without_last_dose(value: Any) -> str:
    """The time of death without what the note at its column says: `Within 30 days of the last dose`."""
    return words(value).removesuffix(" of the last dose").removesuffix(" after the last dose")


def deaths() -> Table:
    """`tlf-l-deaths`: treated patients who died, with date and cause."""
    adsl = ard.dataset("adsl")
    dead = adsl[(adsl["SAFFL"] == "Y") & (adsl["DTHFL"] == "Y")].sort_values("USUBJID")
    since = (dead["DTHDT"] - dead["TRTEDT"]).dt.days
    return listing(
        "tlf-l-deaths",
        dead.assign(
            SINCE=since.astype(float), CAUSE=list(map(cause_of_death, dead.to_dict("records")))
        ),
        (
            Shown("First dose", "TRTSDT"),
            Shown("Last dose", "TRTEDT"),
            *_cycles(),
            Shown("Death", "DTHDT"),
            Shown("Days since the last dose", "SINCE"),
            Shown("Time of death", "LDDTHGR1", make=_without_last_dose),
            Shown("Cause", "CAUSE"),
        ),
        dataset="ADSL",
        key=(),
        population="SAFETY",
        absent="No treated patient died up to the cut-off.",
    )


def _commonest(units: pd.Series) -> str:
    counts = units.dropna().value_counts()
    return str(counts.index[0]) if len(counts) else ""


LABS = {
    "HGB": "haemoglobin",
    "WBC": "leukocytes",
    "NEUT": "neutrophils",
    "LYM": "lymphocytes",
    "PLAT": "platelets",
    "ALT": "alanine aminotransferase",
    "AST": "aspartate aminotransferase",
    "ALP": "alkaline phosphatase",
    "GGT": "gamma-glutamyltransferase",
    "BILI": "bilirubin",
    "CREAT": "creatinine",
    "ALB": "albumin",
}


def laboratory() -> Table:
    """Listing 16.2.8.1: laboratory values of treated patients, one line per day, with grades from 1."""
    frame = _members(ard.dataset("adlb"), "SAFFL")
    commonest = frame.groupby("PARAMCD")["AVALU"].agg(_commonest).to_dict()
    text = [
        words(v)
        + (f" {unit}" if unit != commonest.get(code) and words(unit) else "")
        + (f" [{g}]" if g in ("1", "2", "3", "4") else "")
        for v, g, unit, code in zip(
            frame["AVAL"], frame["ATOXGR"].fillna(""), frame["AVALU"], frame["PARAMCD"], strict=True
        )
    ]
    # Of a value that is graded on both sides of normal the higher grade is given.
    frame = frame.assign(TEXT=text, GRADE=-frame["ATOXGRN"].fillna(0))
    frame = frame.sort_values(["USUBJID", "ADT", "LBSEQ", "GRADE"], kind="stable")
    frame = frame[frame["AVAL"].notna()]
    frame = frame.assign(AVISIT=frame["AVISIT"].fillna(""))
    params = frame.groupby("PARAMCD")["PARAM"].first().to_dict()
    names = {str(code): LABS.get(str(code)) or coded(name) for code, name in params.items()}
    tests = sorted(names, key=lambda code: (code not in LABS, [*LABS, code].index(code), code))
    wide = _wide(frame, ["USUBJID", "ADT", "AVISIT"], "TEXT")
    if len(wide):
        wide = wide.sort_values(["USUBJID", "ADT"])
    visit = [Shown("Visit", "AVISIT", make=coded)] if (frame["AVISIT"] != "").any() else []
    columns = [*visit, Shown("Date", "ADT"), *(Shown(c, c, make=words) for c in tests)]
    tested = ", ".join(f"{c} {names[c]} ({commonest[c]})" for c in tests)
    notes = [
        f"In square brackets, the CTCAE 4.03 grade where it is known and not 0. Units, unless given with the value: {tested}.",
        "Of several values of one test on one day and visit the first is shown.",
    ]
    return listing(
        "tlf-l-labs",
        wide,
        columns,
        dataset="ADLB",
        key=("ADT", "AVISIT"),
        population="SAFETY",
        notes=notes if tests else [],
        absent=not_recorded("lb", "laboratory value of a treated patient"),
    )
