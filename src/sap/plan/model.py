"""The model of a plan: one class per entry, each with its section of the SAP and its source.

Unknown keys, numbers out of range and impossible designs are refused here, so that no other module
has to check a number of the plan.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from sap.catalogue import codelist, fold
from sap.catalogue.frequencies import FREQUENCIES, doses_per_day
from sap.plan.entry import Conflict, Entry, Part, check, valid
from sap.plan.estimands import Estimands, Strategy
from sap.plan.protocol import Protocol

Share = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[int, Field(ge=0)]
Origin = Literal["screening", "allocation", "first dose"]
Domain = Literal[
    "dm", "ds", "ex", "lb", "cp", "gf", "ss", "ae", "cm", "vs", "ie", "mh", "rs", "tr", "tu", "pc", "be",
    "dv", "fa", "qs", "ts", "is", "mi", "pf",
]  # fmt: skip
MarkerDomain = Literal["gf", "is", "mi", "pf"]
MARKER_DOMAINS: tuple[str, ...] = get_args(MarkerDomain)
"""Domains that only the results of a biomarker are read from: genomics, immunogenicity, microscopic findings, and
pharmacogenomics as SDTMIG-PGx 1.0 had it before GF."""


class Study(Entry):
    """Identity of the trial."""

    id: str = Field(pattern=r"^[A-Z0-9-]{2,20}$")
    studyid: list[str] = Field(
        min_length=1, description="values of STUDYID that are this trial; any other is refused"
    )
    registry: str
    title: str
    short_title: str
    sponsor: str
    registry_status: str
    groups: bool = Field(description="whether group A exists (physician's choice)")
    sexes: list[Literal["F", "M"]] = Field(
        default=["F", "M"], min_length=1, description="SEX of the patients of the trial"
    )
    written_after_results: bool = Field(
        description="whether the plan was written when the results were known"
    )
    dates: Literal["calendar", "days since registration"] = Field(
        default="calendar",
        description="how the report prints dates; days since registration where the data have no real dates",
    )
    report_status: str | None = Field(
        default=None,
        min_length=3,
        description="what header and title page say instead of the status of the cut-off and `Confidential`",
    )


class Wording(Entry):
    """Terms of the trial with which labels and sentences of the report are filled."""

    disease: str = Field(
        min_length=2, description="the disease, as in a sentence, without abbreviation"
    )
    disease_short: str = Field(min_length=2)
    treatment: str = Field(min_length=2, description="the study treatment, in lower case")
    control: str | None = Field(default=None, min_length=2, description="treatment of group A")
    groups: dict[Literal["A", "B"], Annotated[str, Field(min_length=2)]] | None = Field(
        default=None,
        description="names of the groups in tables and text; left out: Group A and Group B. Other words of "
        "allocations and arms in the data are terms of `data-contracts/terms.yaml` (PROTMLST, ARMCD)",
    )
    prior_treatment: str | None = Field(
        default=None, min_length=2, description="prior treatment of all patients"
    )
    abbreviations: dict[str, str] = Field(
        default_factory=dict,
        description="abbreviations of this study with their words, in addition to those of the catalogue",
    )

    @property
    def group_a(self) -> str:
        """The name of group A, as in a label."""
        return (self.groups or {}).get("A", "Group A")

    @property
    def group_b(self) -> str:
        """The name of group B, as in a label."""
        return (self.groups or {}).get("B", "Group B")

    @property
    def group_a_in_text(self) -> str:
        """The name of group A within a sentence."""
        return (self.groups or {}).get("A", "group A")

    @property
    def group_b_in_text(self) -> str:
        """The name of group B within a sentence."""
        return (self.groups or {}).get("B", "group B")


class Inputs(Entry):
    """The required domains, the intake, and the file of accepted findings in the folder of the plan."""

    intake: Literal["sdtm", "caba-v7"]
    required: list[Domain]
    accepted: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml$")

    @check
    def _required_by_code(self) -> Iterator[Conflict]:
        if "dm" not in self.required:
            yield Conflict.of("'required' must include dm, the list of the patients", "required")


class Drugs(Entry):
    """The drugs of the rules: each ingredient with its other names in extracts."""

    ingredients: dict[str, list[str]] = Field(
        min_length=1, description="ingredient: salts, hydrates and trade names"
    )

    @check
    def _one_meaning(self) -> Iterator[Conflict]:
        known: dict[str, str] = {}
        for ingredient, names in self.ingredients.items():
            for name in (ingredient, *names):
                if known.setdefault(fold(name), ingredient) != ingredient:
                    yield Conflict.of(
                        f"{name} means both {known[fold(name)]} and {ingredient}: keep one",
                        ("ingredients", ingredient),
                        ("ingredients", known[fold(name)]),
                    )

    @cached_property
    def _ingredients(self) -> dict[str, str]:
        return {
            fold(name): ingredient
            for ingredient, names in self.ingredients.items()
            for name in (ingredient, *names)
        }

    def ingredient(self, text: str) -> str | None:
        """The ingredient of a drug name; None when the plan does not list it."""
        return self._ingredients.get(fold(text))


class Visits(Entry):
    """Variants of the visits of this trial in extracts; {n} is the number of a cycle."""

    words: dict[str, list[str]] = Field(
        description='visit: variants; a visit "CYCLE {n}" applies to every number'
    )
    numbers: dict[str, str] = Field(
        default_factory=dict,
        description="VISITNUM: visit, of a record whose VISIT is missing or no visit of the plan",
    )

    @check
    def _numbers(self) -> Iterator[Conflict]:
        for number, visit in self.numbers.items():
            if not re.fullmatch(r"\d+(\.\d*[1-9])?", number):
                yield Conflict.of(
                    f"{number} is no VISITNUM: write it in quotes, as '3' or '9.2'",
                    ("numbers", number),
                )
            if self.visit(visit) is None and codelist("VISIT").standard(visit) is None:
                yield Conflict.of(
                    f"{visit} is no visit: add it to visits.words, or correct it",
                    ("numbers", number),
                )

    def of_record(self, visit: str | None, number: float | None) -> str | None:
        """The visit of a record by its VISIT, else by its VISITNUM; the text itself where neither is known."""
        known = None if visit is None else self.visit(visit) or codelist("VISIT").standard(visit)
        if known is None and number is not None:
            known = self.numbers.get(f"{number:g}")
        return known or visit

    @cached_property
    def _patterns(self) -> list[tuple[str, "re.Pattern[str]"]]:
        return [
            (visit, re.compile(re.escape(fold(word)).replace(r"\{n\}", "0*([1-9][0-9]?)")))
            for visit, words in self.words.items()
            for word in (visit, *words)
        ]

    def visit(self, text: str) -> str | None:
        """The visit of a term; None when the plan does not list it."""
        folded = fold(text)
        for visit, pattern in self._patterns:
            matched = pattern.fullmatch(folded)
            if matched is not None:
                return visit.replace("{n}", matched.group(1)) if matched.groups() else visit
        return None


class CutOff(Part):
    """One planned data cut-off: on a date, or when a number of patients has been treated for some weeks."""

    date: dt.date | None = None
    after_patients: int | None = Field(
        default=None,
        ge=1,
        description="in place of a date: treated patients of the primary set; the day is found in the data",
    )
    weeks: int | None = Field(
        default=None, ge=0, description="from the first dose of the last of these patients"
    )
    status: Literal["INTERIM", "FINAL"]

    @check
    def _one_way(self) -> Iterator[Conflict]:
        by_number = self.after_patients is not None
        if by_number != (self.weeks is not None):
            yield Conflict.of(
                "after_patients and weeks go together: add the other one", "after_patients", "weeks"
            )
        elif by_number == (self.date is not None):
            yield Conflict.of(
                "a cut-off is on a date, or after_patients with weeks: write one of them", "status"
            )

    @property
    def planned(self) -> str:
        """When it is planned, in words."""
        if self.date is not None:
            return self.date.isoformat()
        return f"when {self.after_patients} patients have {self.weeks} weeks from their first dose"


class CutOffs(Entry):
    """The planned cut-offs by name."""

    dates: dict[str, CutOff]

    def in_order(self) -> list[str]:
        """The names by date; where one has no date, interim ones before final ones, then by date."""
        if all(one.date is not None for one in self.dates.values()):
            return sorted(self.dates, key=lambda name: self.dates[name].date or dt.date.min)

        def place(name: str) -> tuple[bool, dt.date]:
            one = self.dates[name]
            return one.status == "FINAL", one.date or dt.date.min

        return sorted(self.dates, key=place)


class Design(Entry):
    """Simon's letters: stop after n1 when responders <= r1; reject p <= p0 after n when > r."""

    kind: Literal["single-stage", "two-stage"]
    criterion: Literal["minimax", "optimal", "none"]
    p0: Share
    p1: Share
    alpha: Share
    beta: Share
    r1: int | None = None
    n1: int | None = None
    r: int = Field(ge=0)
    n: int = Field(ge=1, le=2000, description="patients in all; more are no phase 2 trial")
    deviation: str | None = Field(
        default=None,
        min_length=10,
        description="why the protocol's design does not meet its own alpha, power or criterion",
    )
    pause_after_stage_1: bool | None = Field(
        default=None,
        description="whether accrual stops after stage 1 until the decision on futility; left out: not known",
    )

    @property
    def stages(self) -> bool | None:
        """True where the design has two stages, else None."""
        return True if self.kind == "two-stage" else None

    @check
    def _rates(self) -> Iterator[Conflict]:
        if self.p0 >= self.p1:
            yield Conflict.of(
                "p0 must be below p1: the desirable response rate is the higher one", "p0", "p1"
            )

    @check
    def _rejection(self) -> Iterator[Conflict]:
        if self.r >= self.n:
            yield Conflict.of("r must be below n: no outcome could reject p <= p0", "r", "n")

    @check
    def _one_stage(self) -> Iterator[Conflict]:
        if self.kind == "single-stage":
            for key in ("r1", "n1", "pause_after_stage_1"):
                if valid(self, key) is not None:
                    yield Conflict.of(f"a single-stage design has no {key}: remove it", key, "kind")

    @check
    def _two_stages(self) -> Iterator[Conflict]:
        if self.kind == "two-stage":
            for key in ("r1", "n1"):
                if key in vars(self) and getattr(self, key) is None:
                    yield Conflict.of(f"a two-stage design needs {key}: add it", "kind")

    @check
    def _first_stage(self) -> Iterator[Conflict]:
        if self.r1 is not None and self.n1 is not None and not 0 <= self.r1 < self.n1:
            yield Conflict.of(
                "r1 must be at least 0 and below n1: else stage 1 cannot go on", "r1", "n1"
            )

    @check
    def _second_stage(self) -> Iterator[Conflict]:
        if self.n1 is not None and not self.n1 < self.n:
            yield Conflict.of("n1 must be below n: stage 2 would have no patients", "n1", "n")

    @check
    def _going_on(self) -> Iterator[Conflict]:
        if self.r1 is not None and self.r1 > self.r:
            yield Conflict.of("r1 must not be above r: going on would already reject", "r1", "r")


class CellCount(Part):
    """The count of circulating tumour cells that the biomarker criterion requires."""

    minimum: int = Field(ge=1)
    volume_ml: float = Field(gt=0, description="of blood, to which a count refers")


def _with_results(domain: Any) -> Any:
    """A domain with a contract of its own is refused with the reason."""
    if isinstance(domain, str) and domain in ("cp", "lb"):
        raise ValueError(
            f"{domain} has a contract of its own, for counts and graded tests: give the results of the biomarker in "
            f"{', '.join(MARKER_DOMAINS)}"
        )
    return domain


class Biomarker(Entry):
    """The biomarker by which patients are selected: its test, its results, the cell count required."""

    name: str = Field(min_length=1, description="as in tables and text")
    domain: Annotated[MarkerDomain, BeforeValidator(_with_results)] = Field(
        description="the domain of the results: GF (genomics), MI (microscopy, such as immunohistochemistry), IS "
        "(immunogenicity), PF (pharmacogenomics of SDTMIG-PGx 1.0)"
    )
    test: str = Field(
        pattern=r"^[A-Z][A-Z0-9_]{0,7}$",
        description="--TESTCD of the results; other tests are not read",
    )
    detail: str | None = Field(
        default=None,
        min_length=1,
        description="--TSTDTL of the results, where a test has several (STAINING INTENSITY); left out: any",
    )
    also: list[str] = Field(
        default_factory=list, description="variants of the test code in extracts"
    )
    positive: list[str] = Field(min_length=1, description="results (--STRESC) that are positive")
    negative: list[str] = Field(min_length=1, description="results that are negative")
    cell_count: CellCount | None = Field(
        default=None, description="left out where no count is required"
    )

    def name_of(self, name: str) -> str:
        """A variable of the results with the prefix of their domain: GFSTRESC of STRESC."""
        return f"{self.domain.upper()}{name}"

    def enough(self, count: float | None) -> bool:
        """Whether a count is enough for treatment; any is where the plan requires none."""
        return self.cell_count is None or (count is not None and count >= self.cell_count.minimum)

    @check
    def _one_meaning(self) -> Iterator[Conflict]:
        negative = {fold(one) for one in self.negative}
        for place, result in enumerate(self.positive):
            if fold(result) in negative:
                yield Conflict.of(
                    f"{result} is in positive and negative: keep it in one",
                    ("positive", place),
                    ("negative",),
                )

    def test_of(self, text: str) -> str | None:
        """`test` for it or one of its variants; None for any other test code."""
        return self.test if fold(text) in {fold(one) for one in (self.test, *self.also)} else None

    def result(self, text: str) -> str:
        """POSITIVE or NEGATIVE for a result of the plan; any other text unchanged."""
        if fold(text) in {fold(one) for one in self.positive}:
            return "POSITIVE"
        return "NEGATIVE" if fold(text) in {fold(one) for one in self.negative} else text


class Primary(Entry):
    """The primary endpoint, on which the design decides."""

    endpoint: Literal["psa_response", "objective_response", "clinical_benefit", "rate_at"]


class ObjectiveResponse(Entry):
    """Objective response and clinical benefit by RECIST 1.1, of the reader of `tumour`."""

    # `from` is a word of Python, which the syntax of a field does not take.
    __annotations__["from"] = Literal["RS", "lesions"]
    vars()["from"] = Field(
        description="RS: the overall response that the reader recorded; lesions: derived by the rules of "
        "`tumour`; the response by the other one is reported with it"
    )
    confirmed: bool = Field(description="whether a response needs a second one")
    confirm_after_days: Days = Field(description="from the response to the one that confirms it")
    stable_after_days: Days = Field(
        description="shortest time from the first dose to a reading of stable disease; 0: none"
    )
    population: Literal["all", "measurable"] = Field(
        description="whether the primary set is limited to patients with measurable disease"
    )

    @property
    def source_of_response(self) -> Literal["RS", "lesions"]:
        """The value of the key `from`."""
        given: Literal["RS", "lesions"] = getattr(self, "from")
        return given

    @check
    def _confirmation(self) -> Iterator[Conflict]:
        if self.confirmed and self.confirm_after_days == 0:
            yield Conflict.of(
                "confirm_after_days must be at least 1 where confirmed is true: a response cannot "
                "confirm itself",
                "confirm_after_days",
                "confirmed",
            )


class RateAt(Entry):
    """The share of patients free of an event at a landmark, counted without an estimate of survival."""

    event: Literal["progression", "death"]
    months: float = Field(gt=0, description="of `survival.days_per_month` days")
    not_observed: Literal["failure", "excluded"] = Field(
        description="a patient without the event who was not observed until the landmark"
    )


class PsaResponse(Entry):
    """A confirmed PSA decline."""

    decline_pct: float = Field(gt=0, le=100)
    confirm_after_days: Days
    confirmed_by: Literal["any later value", "next value"]
    first_fall_within_days: Days | None = Field(
        description="latest day after the first dose for the first decline; null: no limit"
    )
    days_after_last_cycle: Days
    stop_at_new_therapy: bool
    below_quantification: Literal["limit", "half the limit"]
    confirm_tolerance_days: Days = Field(
        description="how many days early a confirming value may be collected; 0: none"
    )
    sensitivity_confirm_days: list[Annotated[int, Field(ge=1)]]


class PsaCourse(Entry):
    """Descriptive PSA changes."""

    week_12_day: Days
    week_12_window_days: Days
    depths_pct: list[Annotated[float, Field(gt=0, le=100)]]
    display_cap_pct: float = Field(gt=0)


class PsaProgression(Entry):
    """A confirmed increase over the nadir, or over the baseline without any decline."""

    rise_pct: float = Field(gt=0)
    rise_ug_l: float = Field(ge=0)
    ignore_before_day: Days = Field(
        description="after a decline, increases before this day after the first dose do not count"
    )
    no_fall_from_day: Days = Field(
        description="without any decline, increases before this day after the first dose do not count"
    )
    visit_window_days: Days = Field(
        description="how many days early a value still counts as that of the visit planned on that day"
    )
    confirm_after_days: Days
    confirmed_by: Literal["any later value", "next value"]
    no_fall_confirmed: bool = Field(
        description="whether an increase without any decline needs confirmation"
    )


class Tumour(Entry):
    """Soft tissue by RECIST 1.1 as the protocol modifies it, and best overall response."""

    evaluator: Literal["INVESTIGATOR", "INDEPENDENT ASSESSOR", "ADJUDICATION COMMITTEE"]
    evaluator_id: str | None = Field(
        description="--EVALID of the analysed reader; null: not distinguished, or the accepted ones"
    )
    lesion_diameters: list[Literal["LDIAM", "DIAMETER"]] = Field(
        min_length=1, description="TRTESTCD of a lesion's size; the first that is recorded is used"
    )
    node_diameters: list[Literal["LPERP", "DIAMETER"]] = Field(
        min_length=1, description="TRTESTCD of a lymph node's short axis, in the same way"
    )
    too_small_mm: float = Field(gt=0, description="size of a lesion that is too small to measure")
    lesion_target_mm: float = Field(gt=0)
    node_target_mm: float = Field(gt=0)
    node_normal_mm: float = Field(gt=0, description="a node below it is normal")
    partial_pct: Annotated[float, Field(gt=0, lt=100)]
    progression_pct: float = Field(gt=0)
    progression_mm: float = Field(ge=0)
    assessment_days: Days = Field(description="readings within so many days are one assessment")
    response_confirm_days: Days
    stable_after_days: Days
    first_progression_confirm_days: Days = Field(
        description="days until a second scan must confirm the first progression; 0: not required"
    )
    targets_at_most: int = Field(ge=1)
    targets_per_organ_at_most: int = Field(ge=1)

    @check
    def _nodes(self) -> Iterator[Conflict]:
        if self.node_normal_mm > self.node_target_mm:
            yield Conflict.of(
                "node_normal_mm must not be above node_target_mm: no target is normal",
                "node_normal_mm",
                "node_target_mm",
            )

    @property
    def stable(self) -> bool | None:
        """True where stable disease has a shortest duration, else None."""
        return True if self.stable_after_days else None

    @property
    def assessor(self) -> str:
        """The evaluator within a sentence: `independent assessor`."""
        return self.evaluator.lower()

    @property
    def assessor_label(self) -> str:
        """The evaluator as a label: `Independent assessor`."""
        return self.evaluator.capitalize()


class Bone(Entry):
    """Bone scans by the 2 + 2 rule."""

    new_lesions: int = Field(ge=1)
    flare_window_days: Days = Field(description="latest day of a first scan that may show a flare")
    confirm_after_days: Days


class Progression(Entry):
    """Intervals and censoring of progression, and the sensitivity definitions."""

    scan_interval_days: Annotated[int, Field(ge=1)]
    psa_interval_days: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="left out where there is no PSA progression"
    )
    window_days: Days
    missed_assessments: int = Field(ge=1)
    new_therapy: Literal["censor", "event", "ignore"]
    sensitivity: list[
        Literal[
            "new therapy is an event",
            "new therapy is ignored",
            "missed assessments are ignored",
            "stopping treatment is an event",
            "unconfirmed progression is an event",
            "from the first dose",
            "at the next scheduled scan",
        ]
    ]


class Intervals(Entry):
    """Confidence levels and the interval of the primary result."""

    conf_level: Share
    primary_interval: Literal["clopper-pearson", "two-stage"]


class AnalysisSets(Entry):
    """Thresholds of the analysis sets."""

    per_protocol_cycles: int | None = Field(
        default=None, ge=1, description="of the per-protocol set, with `exposure.dosing: cycles`"
    )
    per_protocol_days: int | None = Field(
        default=None,
        ge=1,
        description="days of treatment for the per-protocol set, with `exposure.dosing: continuous`",
    )
    ctc_baseline_minimum: int | None = Field(
        default=None, ge=1, description="of the CTC-evaluable set; left out without `ctc`"
    )


class Rescreening(Entry):
    """Re-screening of group A: the therapies after which it is possible."""

    after: list[str]


class PriorTherapy(Part):
    """A class of prior therapy that is a baseline characteristic: its names and its drugs."""

    name: str = Field(min_length=2, description="of the class, as in tables")
    abbreviation: str = Field(min_length=2)
    drugs: list[str] = Field(min_length=1)


class Baseline(Entry):
    """Prior therapy, history, and the window of baseline characteristics."""

    of_dm: list[Literal["SEX", "RACE", "ETHNIC"]] = Field(
        default_factory=list, description="characteristics of DM, besides age"
    )
    prior_drug: str | None = Field(
        default=None,
        pattern=r"^[A-Z0-9 -]+$",
        description="the prior treatment that the trial requires; left out where it requires none",
    )
    prior_class: PriorTherapy | None = None
    diagnosis: str | None = Field(
        default=None, min_length=2, description="MHDECOD of the disease in the history"
    )
    metastatic: str | None = Field(default=None, min_length=2, description="MHDECOD of its spread")

    window_days: Days = Field(description="latest day after the reference day for a baseline value")
    window_measures: list[
        Literal[
            "ECOG",
            "HGB",
            "WBC",
            "NEUT",
            "LYM",
            "PLAT",
            "ALP",
            "LDH",
            "ALT",
            "AST",
            "BILI",
            "CREAT",
            "ALB",
            "TESTOS",
        ]
    ] = Field(description="the measures to which the window applies")


class Estimand(Entry):
    """Sensitivity of the primary result."""

    baseline_psa_minimum: float | None = Field(
        default=None, ge=0, description="of a sensitivity set; left out without `psa_response`"
    )
    prior: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = Field(strict=False)


class Ctc(Entry):
    """Circulating tumour cells under treatment."""

    response_below: int = Field(
        ge=1, description="a baseline count of at least this; response is a count below it"
    )
    depths_pct: list[Annotated[float, Field(gt=0, le=100)]]
    visit: str = Field(pattern=r"^(CYCLE \d+|END OF TREATMENT)$")


class AliveOn(Part):
    """One kind of record whose date shows that a patient was alive."""

    domain: str = Field(pattern=r"^[a-z][a-z0-9]$")
    date: str = Field(pattern=r"^[A-Z][A-Z0-9]{1,4}DTC$")
    only: dict[str, list[str]] | None = Field(
        default=None, description="column: the values of which a record must have one"
    )
    unless: dict[str, list[str]] | None = Field(
        default=None, description="column: the values of which a record must have none"
    )


class Survival(Entry):
    """Origins, month length and conventions of the Kaplan-Meier estimates."""

    alive_on: list[AliveOn] = Field(
        min_length=1, description="records and dates that show that a patient was alive"
    )

    os_origin: Origin
    pfs_origin: Origin
    days_per_month: float = Field(gt=0)
    landmarks_months: list[Annotated[float, Field(gt=0)]]
    rmst_months: float = Field(gt=0)
    transform: Literal["plain", "log", "log-log", "arcsin", "logit"]


class SurvivalComparison(Entry):
    """Exploratory: survival by marker status and by group, and guarantee-time sensitivity analyses."""

    covariates: list[Literal["marker_positive", "log2_ctc", "age_10_years", "ecog_1"]] = Field(
        description="of the Cox model by marker status"
    )
    events_per_coefficient: float = Field(ge=0, description="fewer: Firth's penalty")
    ph_transform: Literal["km", "rank", "identity", "log"]
    ph_doubt_below: Share = Field(
        description="a smaller p of the test of proportional hazards is reported with the hazard ratio"
    )
    guarantee_landmark_days: Annotated[int, Field(ge=1)]


class ComparisonRule(Part):
    """The PSA response rule of the published trial; all other rules are as in psa_response."""

    baseline_psa_minimum: float = Field(
        ge=0, description="patients with a lower baseline are not counted"
    )
    decline_pct: float = Field(gt=0, le=100)
    confirm_after_days: Days
    first_fall_within_days: Days | None = Field(
        description="latest day after the first dose for the first decline; null: no limit"
    )


class Comparison(Entry):
    """Descriptive comparison of the primary result with other results."""

    rule: ComparisonRule | None = Field(
        default=None,
        description="null: the response rule of this trial is compared with the published rate",
    )
    choice_drug: str | None = Field(
        default=None,
        pattern=r"^[A-Z0-9 -]+$",
        description="drug given outside of the study treatment to patients who do not qualify; left out "
        "where their response is not compared",
    )
    choice_marker: Literal["NEGATIVE"] | None = Field(
        default=None, description="result of the biomarker of these patients"
    )
    reference: str = Field(description="id of an entry of references.yml")

    @check
    def _drug_and_marker(self) -> Iterator[Conflict]:
        if (self.choice_drug is None) != (self.choice_marker is None):
            yield Conflict.of(
                "choice_drug and choice_marker go together: add the other one, or leave out both",
                "choice_drug",
                "choice_marker",
            )


SEVERITIES = ("MILD", "MODERATE", "SEVERE")
"""The severities of an event (AESEV), the mildest first."""


class Safety(Entry):
    """Treatment-emergent window, the scale of adverse events, and what of it counts as severe."""

    days_after_last_dose: Days
    by: Literal["grade", "severity"] = Field(
        default="grade",
        description="scale of adverse events: CTCAE grade (AETOXGR), or severity (AESEV: mild, moderate, "
        "severe), of which no grade is made",
    )
    severe_grade: int | None = Field(
        default=None,
        ge=1,
        le=5,
        description="lowest grade that is severe; left out with `by: severity`",
    )

    @check
    def _severe_by_grade(self) -> Iterator[Conflict]:
        if (self.by == "grade") != (self.severe_grade is not None):
            yield Conflict.of(
                "severe_grade must be given where events have a grade (by: grade), and be left out where "
                "they have a severity (by: severity)",
                "severe_grade",
                "by",
            )

    @property
    def by_grade(self) -> bool | None:
        """True where events have a grade; None where they have a severity."""
        return True if self.by == "grade" else None

    @property
    def by_severity(self) -> bool | None:
        """True where events have a severity; None where they have a grade."""
        return None if self.by == "grade" else True

    @property
    def severe_rank(self) -> int:
        """The lowest grade that is severe; of severities, the place of SEVERE (3)."""
        return len(SEVERITIES) if self.severe_grade is None else self.severe_grade

    @property
    def scale(self) -> str:
        """The scale of events, as in a label."""
        return "Grade" if self.by == "grade" else "Severity"

    @property
    def severe(self) -> str:
        """What counts as severe, as in a label: `Grade ≥ 3` or `Severe`."""
        return "Severe" if self.severe_grade is None else f"Grade ≥ {self.severe_grade}"

    @property
    def severe_in_text(self) -> str:
        """What counts as severe, within a sentence: `grade ≥ 3` or `severe`."""
        return self.severe[:1].lower() + self.severe[1:]


class Lines(Entry):
    """When the study treatment is third-line treatment; else it is second-line."""

    third_line_after: list[str] = Field(min_length=1)


class SafetyRate(Part):
    """One rate of interest: which events it counts, from which grade, and the published rate."""

    name: str = Field(min_length=3)
    kind: Literal["reported", "laboratory", "death"]
    terms: list[str] = Field(description="preferred terms, or CTCAE terms of laboratory values")
    from_grade: int | None = Field(
        default=None, ge=1, le=5, description="lowest grade; null for deaths"
    )
    from_severity: Literal["MILD", "MODERATE", "SEVERE"] | None = Field(
        default=None, description="lowest severity, in place of a grade, with `safety.by: severity`"
    )
    reference: str | None = Field(description="id of an entry of references.yml")

    @field_validator("terms")
    @classmethod
    def _of_ctcae(cls, terms: list[str], info: ValidationInfo) -> list[str]:
        laboratory = info.data.get("kind") == "laboratory"
        return [_standard(term) or term for term in terms] if laboratory else terms

    @check
    def _terms_of_ctcae(self) -> Iterator[Conflict]:
        for place, term in enumerate(self.terms if self.kind == "laboratory" else ()):
            if _standard(term) is None:
                yield Conflict.of(_no_term(term), ("terms", place), "kind")

    @check
    def _graded(self) -> Iterator[Conflict]:
        if self.from_severity is not None and self.kind != "reported":
            yield Conflict.of(
                "from_severity is of reported events: remove it", "from_severity", "kind"
            )
        elif (self.lowest is None) != (self.kind == "death"):
            yield Conflict.of(
                "from_grade must be given, except for deaths, where it must be null",
                "from_grade",
                "kind",
            )
        elif self.from_grade is not None and self.from_severity is not None:
            yield Conflict.of(
                "from_grade and from_severity are both given: remove one",
                "from_grade",
                "from_severity",
            )

    @property
    def lowest(self) -> int | None:
        """The lowest grade, or the place of the lowest severity; None for deaths."""
        if self.from_severity is not None:
            return SEVERITIES.index(self.from_severity) + 1
        return self.from_grade

    @property
    def id(self) -> str:
        """The id of the rate in results: its name in lower case, words joined by underscores."""
        return "_".join(re.findall(r"[a-z0-9]+", self.name.lower()))


class SafetyRates(Entry):
    """Rates with exact intervals, compared with published rates; descriptive."""

    collected_from_grade: int | None = Field(
        default=None,
        ge=1,
        le=5,
        description="lowest grade from which all events were recorded; left out with `safety.by: severity`",
    )
    rates: list[SafetyRate]

    @property
    def collected_from(self) -> int:
        """The lowest grade from which all events were recorded; 1 where events have a severity."""
        return self.collected_from_grade or 1

    @property
    def published(self) -> bool | None:
        """True where a rate is compared with a published one, else None."""
        return True if any(rate.reference for rate in self.rates) else None

    @property
    def laboratory(self) -> bool | None:
        """True where a rate is that of a laboratory grade, else None."""
        return True if any(rate.kind == "laboratory" for rate in self.rates) else None


class Deaths(Entry):
    """The preferred terms of disease progression."""

    progression_terms: list[str]


def _standard(term: str) -> str | None:
    """The CTCAE 4.03 spelling of a laboratory term, from any case, spelling or common synonym."""
    for direction in DIRECTIONS.values():
        standard_term = codelist(direction).standard(term)
        if standard_term is not None:
            return standard_term
    return None


def _no_term(term: str) -> str:
    known = sorted(term for direction in DIRECTIONS.values() for term in codelist(direction).values)
    return f"{term} is no CTCAE 4.03 term of a laboratory value; there are {', '.join(known)}"


def _ctcae(term: str) -> str:
    standard_term = _standard(term)
    if standard_term is None:
        raise ValueError(_no_term(term))
    return standard_term


DIRECTIONS = {"L": "CTCAE_LAB_LOW", "H": "CTCAE_LAB_HIGH"}
"""The codelist of the terms that grade a low value, and of those that grade a high one."""


class Grading(NamedTuple):
    """One grading of a laboratory test: the CTCAE term and its direction (low or high values).

    `code` identifies it in results: the test, followed by L or H where a test is graded in both
    directions.
    """

    code: str
    testcd: str
    term: str
    direction: str


def gradings(terms: Mapping[str, Sequence[str]]) -> tuple[Grading, ...]:
    """Every grading of `labs.terms`, in the plan's order.

    >>> [one.code for one in gradings({"ALB": ["Hypoalbuminemia"], "K": ["Hypokalemia", "Hyperkalemia"]})]
    ['ALB', 'KL', 'KH']
    """
    rows = []
    for testcd, several in terms.items():
        for term in several:
            side = next(d for d, name in DIRECTIONS.items() if term in codelist(name).values)
            code = testcd if len(several) == 1 else f"{testcd}{side}"
            rows.append(Grading(code, testcd, term, side))
    return tuple(rows)


def _listed(value: Any) -> Any:
    """One term, or a list of them, as a list."""
    return [value] if isinstance(value, str) else value


class Labs(Entry):
    """The CTCAE terms of each laboratory test, and the corresponding reported events."""

    terms: dict[
        str,
        Annotated[
            list[Annotated[str, AfterValidator(_ctcae)]],
            BeforeValidator(_listed, json_schema_input_type=str | list[str]),
            Field(min_length=1),
        ],
    ] = Field(description="LBTESTCD: term of CTCAE 4.03, or one for low and one for high values")
    reported_as: dict[str, list[str]] = Field(
        description="LBTESTCD (with L or H where it has two terms): preferred terms of AE"
    )

    @check
    def _one_term_each(self) -> Iterator[Conflict]:
        codes = [grading.code for grading in self.gradings]
        for code in sorted({code for code in codes if codes.count(code) > 1}):
            testcd = next(one.testcd for one in self.gradings if one.code == code)
            yield Conflict.of(
                f"two terms grade the same direction of one test: {code}; keep one",
                ("terms", testcd),
            )

    @check
    def _reported_tests(self) -> Iterator[Conflict]:
        codes = [grading.code for grading in self.gradings]
        for code in self.reported_as:
            if code not in codes:
                yield Conflict.of(
                    f"reported_as names tests without a term: {code}; there are {', '.join(codes)}",
                    ("reported_as", code),
                    "terms",
                )

    @property
    def gradings(self) -> tuple[Grading, ...]:
        """Every grading of `terms`."""
        return gradings(self.terms)

    @property
    def graded(self) -> bool | None:
        """True where a test is graded, else None."""
        return True if self.terms else None


class ToxicityMonitoring(Entry):
    """A stopping boundary for toxicity, patient by patient, for the DSMB."""

    name: str = Field(min_length=3)
    terms: list[str] = Field(min_length=1)
    from_grade: int = Field(ge=1, le=5)
    patients: int = Field(ge=1)
    p0: Share
    alpha: Share
    shape: Literal["pocock", "obrien-fleming", "bayesian"]
    prior: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = Field(
        default=None, strict=False, description="beta prior of the rate; bayesian alone has one"
    )

    @check
    def _with_prior(self) -> Iterator[Conflict]:
        if (self.shape == "bayesian") != (self.prior is not None):
            yield Conflict.of(
                "prior must be given for the shape bayesian (two positive numbers), and for no other",
                "prior",
                "shape",
            )


class Accrual(Entry):
    """Planned accrual of the primary set, for the comparison with the actual one."""

    first_patient: dt.date = Field(description="planned date of the first treated patient")
    last_patient: dt.date = Field(description="planned date of the last of design.n patients")

    @check
    def _in_order(self) -> Iterator[Conflict]:
        if self.last_patient <= self.first_patient:
            yield Conflict.of(
                "last_patient must be later than first_patient", "last_patient", "first_patient"
            )


class Accompanying(Part):
    """A drug given with the study drug by the protocol."""

    drug: str = Field(pattern=r"^[A-Z0-9 -]+$")
    dose: float = Field(gt=0)
    unit: str = Field(min_length=1, description="of the dose, as in text")


DoseUnit = Literal["mg/m2", "mg/kg", "mg", "AUC"]


class Exposure(Entry):
    """Doses of the study drug: in cycles of one infusion each, or continuous by intervals."""

    drugs: list[str] = Field(min_length=1, description="EXTRT of the study drug")
    dosing: Literal["cycles", "continuous"] = Field(
        default="cycles",
        description="cycles: a record of ex is one dose; continuous: an interval of doses (EXDOSFRQ)",
    )
    dose_unit: DoseUnit = Field(
        default="mg/m2",
        description="of the planned dose; mg: one dose for all; AUC: target area of a formula of renal "
        "function, whose dose in mg is recorded",
    )
    planned_dose: float = Field(gt=0, description="each time")
    frequency: str | None = Field(
        default=None,
        description="of the planned dose as in EXDOSFRQ (QD, BID, QOD); with `dosing: continuous`",
    )
    accompanying: list[Accompanying] = Field(
        description="drugs that the protocol gives with the study drug; not analysed"
    )
    low_start_dose: float | None = Field(
        default=None, gt=0, description="planned dose of a patient with a reduced starting dose"
    )
    reduced_at_most: float | None = Field(
        default=None, gt=0, description="a dose up to it is reduced; left out: not assessed"
    )
    cycle_days: int | None = Field(default=None, ge=1)
    max_cycles: int | None = Field(default=None, ge=1)
    delay_after_days: Days | None = Field(
        default=None, description="more than this number of days after the due day: delayed"
    )
    major_delay_after_days: Days | None = None
    bsa_formula: Literal["Mosteller", "Du Bois"] | None = Field(
        default=None, description="with `dose_unit: mg/m2`"
    )

    @check
    def _of_dosing(self) -> Iterator[Conflict]:
        """Keys of cycles and of continuous dosing."""
        in_cycles = self.dosing == "cycles"
        for key in ("cycle_days", "max_cycles", "delay_after_days", "major_delay_after_days"):
            if key in vars(self) and in_cycles != (getattr(self, key) is not None):
                if in_cycles:
                    yield Conflict.of(f"dosing cycles needs {key}: add it", "dosing")
                else:
                    yield Conflict.of(f"dosing continuous has no {key}: remove it", key, "dosing")
        if in_cycles and valid(self, "frequency") is not None:
            yield Conflict.of("dosing cycles has no frequency: remove it", "frequency", "dosing")
        if not in_cycles and "frequency" in vars(self) and self.frequency is None:
            yield Conflict.of("dosing continuous needs frequency: add it", "dosing")

    @check
    def _frequency_is_known(self) -> Iterator[Conflict]:
        if self.frequency is not None and not doses_per_day(self.frequency):
            yield Conflict.of(
                f"{self.frequency} is no frequency of a planned dose; there are "
                f"{', '.join(FREQUENCIES)}",
                "frequency",
            )

    @check
    def _surface(self) -> Iterator[Conflict]:
        if (self.dose_unit == "mg/m2") != (self.bsa_formula is not None):
            yield Conflict.of(
                "bsa_formula must be given with dose_unit mg/m2, and with no other unit",
                "bsa_formula",
                "dose_unit",
            )

    @check
    def _area(self) -> Iterator[Conflict]:
        """A dose in mg has no area without the renal function of its day."""
        for key in ("reduced_at_most", "low_start_dose"):
            if self.dose_unit == "AUC" and valid(self, key) is not None:
                yield Conflict.of(
                    f"{key} cannot be compared with a dose in mg where dose_unit is AUC: remove it",
                    key,
                    "dose_unit",
                )
        if self.dose_unit == "AUC" and self.dosing == "continuous":
            yield Conflict.of("dose_unit AUC is of doses in cycles", "dose_unit", "dosing")

    @check
    def _delays(self) -> Iterator[Conflict]:
        if self.delay_after_days is None or self.major_delay_after_days is None:
            return
        if self.major_delay_after_days <= self.delay_after_days:
            yield Conflict.of(
                "major_delay_after_days must be above delay_after_days",
                "major_delay_after_days",
                "delay_after_days",
            )

    @check
    def _doses(self) -> Iterator[Conflict]:
        low, most = self.low_start_dose, self.reduced_at_most
        if low is not None and most is None:
            yield Conflict.of("low_start_dose needs reduced_at_most: add it", "low_start_dose")
        elif most is not None and not (0 if low is None else low) <= most < self.planned_dose:
            yield Conflict.of(
                "reduced_at_most must lie from low_start_dose to below planned_dose",
                "reduced_at_most",
                "low_start_dose",
                "planned_dose",
            )

    @property
    def days_between(self) -> int:
        """Days from a dose to the next contact: a cycle, or one day of continuous dosing."""
        return self.cycle_days or 1

    @property
    def doses_planned_a_day(self) -> float:
        """Planned doses a day under continuous dosing."""
        return doses_per_day(self.frequency or "") or 0.0

    @property
    def intensity_time(self) -> str:
        """The time of a dose intensity: a week of cycles, a day of continuous dosing."""
        return "week" if self.dosing == "cycles" else "day"

    @property
    def intensity(self) -> float:
        """The planned dose intensity, by week in cycles and by day under continuous dosing."""
        if self.cycle_days is None:
            return self.planned_dose * self.doses_planned_a_day
        return self.planned_dose / (self.cycle_days / 7)

    @property
    def continuous(self) -> bool | None:
        """True under continuous dosing, else None."""
        return True if self.dosing == "continuous" else None

    @property
    def measured(self) -> bool | None:
        """True where the unit of the planned dose can be computed from a dose; None with AUC."""
        return None if self.dose_unit == "AUC" else True

    @property
    def unit(self) -> str:
        """The unit of the planned dose as in tables."""
        return self.dose_unit.replace("m2", "m²")

    @property
    def a_record(self) -> str:
        """What a record of a dose is, in text: `infusion`, or `interval` of continuous dosing."""
        return "infusion" if self.dosing == "cycles" else "interval"

    @property
    def last_dose(self) -> str:
        """The end of treatment in text: `the last infusion`, or `the last day of treatment`."""
        return "the last infusion" if self.dosing == "cycles" else "the last day of treatment"

    @property
    def regimen(self) -> str:
        """Dose, unit and schedule of the study drug, as in a sentence: `25 mg/m² every 21 days`."""
        dose = (
            f"AUC {self.planned_dose:g}"
            if self.dose_unit == "AUC"
            else f"{self.planned_dose:g} {self.unit}"
        )
        if self.cycle_days is None:
            return f"{dose} {self.frequency}"
        return f"{dose} every {self.cycle_days} days"


class Pk(Entry):
    """Noncompartmental analysis of four samples; hours count from the start of the infusion."""

    analyte: str = Field(pattern=r"^[A-Z0-9]{1,8}$")
    end_of_infusion_h: float = Field(gt=0)
    primary_h: float = Field(gt=0)
    secondary_h: float = Field(gt=0)
    rule: Literal["linear", "linear-up/log-down", "linear-to-tmax-then-log"]
    deviation_minutes: float = Field(ge=0)
    carry_on_minutes: float = Field(
        ge=0, description="how far beyond the last sample the last segment may be extrapolated"
    )
    reference_dose: float = Field(gt=0, description="in the unit of `exposure.dose_unit`")


class ExposureResponse(Entry):
    """Exploratory: exposure against response and neutropenia."""

    parameters: list[str] = Field(min_length=1)
    anc_grade: int = Field(ge=1, le=4)


class SampleSchedule(Part):
    """Samples scheduled by the protocol for one group."""

    category: Literal["CTC", "CFDNA PLASMA", "PK"]
    group: Literal["A", "B"]
    when: Literal["screening", "visit", "each cycle", "first cycle", "choice"]
    visit: str | None
    tubes: int = Field(ge=1)
    volume_ml: float = Field(gt=0, description="of one tube")


class Samples(Entry):
    """Samples scheduled, for comparison with samples collected."""

    schedule: list[SampleSchedule]
    choice_days: int = Field(
        ge=1, description="day of the second sample under the physician's choice"
    )
    planned_ml: dict[str, dict[Literal["A", "B"], float]]


PARAMETERS = {
    "psa_response": "PSARESP",
    "objective_response": "OBJRESP",
    "clinical_benefit": "CLINBEN",
    "rate_at": "RATEAT",
}
"""PARAMCD of each primary endpoint in ADRS."""

ENTRY_OF = {
    "psa_response": "psa_response",
    "objective_response": "objective_response",
    "clinical_benefit": "objective_response",
    "rate_at": "rate_at",
}
"""The entry of the plan with the rule of each primary endpoint."""


DRUGS = (
    "exposure.drugs",
    "lines.third_line_after",
    "rescreening.after",
    "comparison.choice_drug",
    "baseline.prior_drug",
    "baseline.prior_class.drugs",
)
"""The keys that name a drug by its ingredient."""


NEEDS: Mapping[str, tuple[str, ...]] = {
    "psa_response": ("psa_course",),
    "psa_course": ("psa_response",),
    "psa_progression": ("psa_response",),
    "comparison": ("psa_response", "biomarker"),
    "ctc": ("biomarker",),
    "rescreening": ("biomarker",),
    "survival_comparison": ("biomarker",),
    "exposure_response": ("pk",),
}
"""Entries that read others."""


class Plan(Part):
    """A plan: all entries."""

    study: Study
    wording: Wording
    inputs: Inputs
    drugs: Drugs
    visits: Visits
    cut_offs: CutOffs
    design: Design
    biomarker: Biomarker | None = None
    analysis_sets: AnalysisSets
    primary: Primary
    objective_response: ObjectiveResponse | None = Field(
        default=None,
        description="left out: no objective response or clinical benefit by RECIST 1.1",
    )
    rate_at: RateAt | None = Field(default=None, description="left out: no rate at a landmark")
    psa_response: PsaResponse | None = None
    psa_course: PsaCourse | None = None
    psa_progression: PsaProgression | None = None
    tumour: Tumour
    bone: Bone | None = None
    progression: Progression
    ctc: Ctc | None = None
    rescreening: Rescreening | None = None
    baseline: Baseline
    estimand: Estimand | None = None
    intervals: Intervals
    survival: Survival
    survival_comparison: SurvivalComparison | None = None
    comparison: Comparison | None = None
    safety: Safety
    lines: Lines | None = None
    safety_rates: SafetyRates
    deaths: Deaths
    labs: Labs
    toxicity_monitoring: ToxicityMonitoring | None = Field(
        default=None,
        description="left out where the protocol has no stopping boundary for toxicity",
    )
    accrual: Accrual | None = Field(
        default=None, description="left out where no planned accrual is known"
    )
    exposure: Exposure
    pk: Pk | None = None
    exposure_response: ExposureResponse | None = None
    samples: Samples | None = None
    protocol: Protocol | None = Field(
        default=None, description="left out: the report prints no facts of the protocol"
    )
    estimands: Estimands | None = Field(default=None, description="left out: no table of estimands")

    @property
    def primary_parameter(self) -> str:
        """PARAMCD of the primary endpoint in ADRS."""
        return PARAMETERS[self.primary.endpoint]

    @property
    def primary_section(self) -> str:
        """The section of the SAP with the rule of the primary endpoint."""
        rule: Entry = getattr(self, ENTRY_OF[self.primary.endpoint])
        return rule.section

    @property
    def of_measurable(self) -> bool:
        """Whether the primary set is limited to patients with measurable disease."""
        rule = self.objective_response
        by_response = self.primary.endpoint in ("objective_response", "clinical_benefit")
        return by_response and rule is not None and rule.population == "measurable"

    @property
    def pending_parameter(self) -> str:
        """PARAMCD in ADRS of whether a patient can still have the primary response."""
        return "PSAPEND" if self.primary.endpoint == "psa_response" else "PRIMPEND"

    @property
    def two_stage_analysis(self) -> str:
        """The analysis with the two-stage inference on the primary endpoint."""
        endpoint = self.primary.endpoint
        return "psa_two_stage" if endpoint == "psa_response" else f"{endpoint}_two_stage"

    @property
    def posterior_analysis(self) -> str:
        """The analysis with the posterior distribution of the primary rate."""
        endpoint = self.primary.endpoint
        return "psa_posterior" if endpoint == "psa_response" else f"{endpoint}_posterior"

    @property
    def inference_section(self) -> str:
        """The section of the inference on the primary rate: of its estimand, else of the design."""
        return (self.estimand or self.design).section

    @property
    def cells_required(self) -> int:
        """The cell count that the biomarker criterion requires; 0 where there is none."""
        count = self.biomarker.cell_count if self.biomarker else None
        return count.minimum if count else 0

    @property
    def screening_section(self) -> str:
        """The section of screening and allocation: that of the biomarker, else of the sets."""
        return (self.biomarker or self.analysis_sets).section

    @property
    def follow_up_days(self) -> int:
        """The interval of contacts after treatment: of PSA, or of scans where no PSA is planned."""
        return self.progression.psa_interval_days or self.progression.scan_interval_days

    @check
    def _needed_entries(self) -> Iterator[Conflict]:
        """An entry that reads another one needs it."""
        for name, entries in NEEDS.items():
            if valid(self, name) is None:
                continue
            for needed in entries:
                if needed in vars(self) and getattr(self, needed) is None:
                    yield Conflict.of(
                        f"{name} needs {needed}: add it, or leave out {name}", (name,)
                    )

    @check
    def _parts_needed(self) -> Iterator[Conflict]:
        if self.ctc is not None and self.biomarker is not None and not self.cells_required:
            yield Conflict.of("ctc needs biomarker.cell_count: add it", ("ctc",))
        if self.ctc is not None and self.analysis_sets.ctc_baseline_minimum is None:
            yield Conflict.of("ctc needs analysis_sets.ctc_baseline_minimum: add it", ("ctc",))
        of_psa = self.psa_response is not None and self.estimand is not None
        if of_psa and valid(self, "estimand.baseline_psa_minimum") is None:
            yield Conflict.of(
                "estimand needs baseline_psa_minimum where there is psa_response: add it",
                ("estimand",),
            )
        if self.psa_progression is not None and self.progression.psa_interval_days is None:
            yield Conflict.of(
                "psa_progression needs progression.psa_interval_days: add it", ("psa_progression",)
            )

    @check
    def _results_of_the_biomarker(self) -> Iterator[Conflict]:
        """A domain of biomarker results that is required is the one that is read."""
        domain = valid(self, "biomarker.domain")
        for place, name in enumerate(valid(self, "inputs.required") or ()):
            if domain is not None and name in MARKER_DOMAINS and name != domain:
                yield Conflict.of(
                    f"{name} is not read: the results of the biomarker are in {domain}",
                    ("inputs", "required", place),
                    ("biomarker", "domain"),
                )

    @check
    def _cut_offs_within_the_design(self) -> Iterator[Conflict]:
        for name, one in self.cut_offs.dates.items():
            if (valid(one, "after_patients") or 0) > self.design.n:
                yield Conflict.of(
                    f"after_patients is above design.n ({self.design.n}): no such patient is planned",
                    ("cut_offs", "dates", name, "after_patients"),
                    ("design", "n"),
                )

    @check
    def _drugs_are_listed(self) -> Iterator[Conflict]:
        for key in DRUGS:
            named = valid(self, key)
            for place, drug in enumerate([named] if isinstance(named, str) else named or ()):
                if drug not in self.drugs.ingredients:
                    path = tuple(key.split("."))
                    yield Conflict.of(
                        f"{drug} is no ingredient of drugs.ingredients: add it there with its other "
                        "names",
                        path if isinstance(named, str) else (*path, place),
                        ("drugs", "ingredients"),
                    )

    @check
    def _accompanying_drugs_are_listed(self) -> Iterator[Conflict]:
        for place, one in enumerate(self.exposure.accompanying):
            if one.drug not in self.drugs.ingredients:
                yield Conflict.of(
                    f"{one.drug} is no ingredient of drugs.ingredients: add it there with its other "
                    "names",
                    ("exposure", "accompanying", place, "drug"),
                    ("drugs", "ingredients"),
                )

    @check
    def _per_protocol_by_dosing(self) -> Iterator[Conflict]:
        in_cycles = self.exposure.dosing == "cycles"
        wanted, other = "per_protocol_cycles", "per_protocol_days"
        if not in_cycles:
            wanted, other = other, wanted
        sets = self.analysis_sets
        if getattr(sets, wanted) is None:
            yield Conflict.of(
                f"analysis_sets needs {wanted} where exposure.dosing is {self.exposure.dosing}: add it",
                ("analysis_sets",),
                ("exposure", "dosing"),
            )
        if getattr(sets, other) is not None:
            yield Conflict.of(
                f"exposure.dosing is {self.exposure.dosing}: write {wanted} in its place",
                ("analysis_sets", other),
                ("exposure", "dosing"),
            )

    @check
    def _of_infusions(self) -> Iterator[Conflict]:
        """Entries that read infusions, which continuous dosing has not."""
        if self.exposure.dosing == "cycles":
            return
        for name in ("pk", "samples"):
            if valid(self, name) is not None:
                yield Conflict.of(
                    f"{name} is read by infusions, but exposure.dosing is continuous: leave it out",
                    (name,),
                    ("exposure", "dosing"),
                )

    @check
    def _scale_of_events(self) -> Iterator[Conflict]:
        """What needs a grade of events is refused where they have a severity."""
        if self.safety.by == "grade":
            if "collected_from_grade" in vars(self.safety_rates) and not valid(
                self, "safety_rates.collected_from_grade"
            ):
                yield Conflict.of(
                    "safety_rates needs collected_from_grade where safety.by is grade: add it",
                    ("safety_rates",),
                    ("safety",),
                )
            return
        if valid(self, "safety_rates.collected_from_grade") is not None:
            yield Conflict.of(
                "safety.by is severity: leave out collected_from_grade",
                ("safety_rates", "collected_from_grade"),
                ("safety", "by"),
            )
        if valid(self, "toxicity_monitoring") is not None:
            yield Conflict.of(
                "toxicity_monitoring counts events by grade, but safety.by is severity, of which no grade "
                "is made: leave it out",
                ("toxicity_monitoring",),
                ("safety", "by"),
            )
        for place, rate in enumerate(valid(self, "safety_rates.rates") or ()):
            if valid(rate, "kind") == "reported" and valid(rate, "from_grade") is not None:
                yield Conflict.of(
                    "safety.by is severity: write from_severity in place of from_grade",
                    ("safety_rates", "rates", place, "from_grade"),
                    ("safety", "by"),
                )

    @check
    def _severities_of_rates(self) -> Iterator[Conflict]:
        for place, rate in enumerate(valid(self, "safety_rates.rates") or ()):
            if self.safety.by == "grade" and valid(rate, "from_severity") is not None:
                yield Conflict.of(
                    "safety.by is grade: write from_grade in place of from_severity",
                    ("safety_rates", "rates", place, "from_severity"),
                    ("safety", "by"),
                )

    @check
    def _rates_are_graded(self) -> Iterator[Conflict]:
        graded = [grading.term for grading in self.labs.gradings]
        for place, rate in enumerate(self.safety_rates.rates):
            if valid(rate, "kind") != "laboratory" or valid(rate, "terms") is None:
                continue
            if not set(rate.terms) & set(graded):
                yield Conflict.of(
                    f"no term of it grades a test of labs.terms; there are {', '.join(graded)}",
                    ("safety_rates", "rates", place, "terms"),
                    ("labs", "terms"),
                )

    @check
    def _primary_has_its_entry(self) -> Iterator[Conflict]:
        needed = ENTRY_OF[self.primary.endpoint]
        if getattr(self, needed) is None:
            yield Conflict.of(
                f"the endpoint {self.primary.endpoint} needs the entry {needed}: add it",
                ("primary", "endpoint"),
            )

    @check
    def _stages_count_every_patient(self) -> Iterator[Conflict]:
        excluded = self.rate_at is not None and self.rate_at.not_observed == "excluded"
        if excluded and self.primary.endpoint == "rate_at" and self.design.kind == "two-stage":
            yield Conflict.of(
                "not_observed is excluded, but the design has two stages, whose patients are "
                "counted by their number: write failure",
                ("rate_at", "not_observed"),
                ("design", "kind"),
            )

    @check
    def _interval_of_the_design(self) -> Iterator[Conflict]:
        if self.intervals.primary_interval == "two-stage" and self.design.kind != "two-stage":
            yield Conflict.of(
                "primary_interval is two-stage, but the design has one stage: write clopper-pearson",
                ("intervals", "primary_interval"),
                ("design", "kind"),
            )

    @check
    def _endpoints_have_rules(self) -> Iterator[Conflict]:
        entries = [name for name in type(self).model_fields if name not in ("study", "protocol")]
        endpoints = (self.protocol.endpoints if self.protocol else None) or ()
        for place, endpoint in enumerate(endpoints):
            named = valid(endpoint, "entry")
            if named is not None and named not in entries:
                yield Conflict.of(
                    f"no entry {named} in the plan; there are {', '.join(entries)}",
                    ("protocol", "endpoints", place, "entry"),
                )

    @check
    def _strategies_are_the_rules(self) -> Iterator[Conflict]:
        """The strategies for a new anticancer therapy are those of the rules of the analyses."""
        for place, estimand in enumerate(self.estimands.defined if self.estimands else ()):
            analysis, named = valid(estimand, "analysis"), None
            for position, event in enumerate(valid(estimand, "intercurrent_events") or ()):
                if valid(event, "event") == "new anticancer therapy":
                    named, path = valid(event, "strategy"), (place, "intercurrent_events", position)
                    break
            key, wanted = self._rule(str(analysis))
            if named and wanted and named != wanted:
                yield Conflict.of(
                    f"the strategy for a new anticancer therapy is {named}, but the rule of the analysis "
                    f"makes it {wanted}: change one of them",
                    ("estimands", "defined", *path, "strategy"),
                    tuple(key.split(".")),
                )

    def _rule(self, analysis: str) -> tuple[str, Strategy | None]:
        """The key of the rule for a new anticancer therapy, and the strategy that it makes."""
        if analysis == "psa_response":
            key = "psa_response.stop_at_new_therapy"
            made: dict[object, Strategy] = {True: "composite", False: "treatment policy"}
            return key, made.get(valid(self, key))
        if analysis in ("pfs", "rpfs", "ttpp"):
            key = "progression.new_therapy"
            made = {"censor": "hypothetical", "event": "composite", "ignore": "treatment policy"}
            return key, made.get(valid(self, key))
        return "survival", "treatment policy" if analysis == "os" else None
