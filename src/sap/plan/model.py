"""The model of a plan: one class per entry, each with its section of the SAP and its source.

Unknown keys, numbers out of range and impossible designs are refused here, so that no other module
has to check a number of the plan.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sap.catalogue import codelist, fold
from sap.plan.entry import Entry
from sap.plan.estimands import Estimands, Strategy
from sap.plan.protocol import Protocol

Share = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[int, Field(ge=0)]
Origin = Literal["screening", "allocation", "first dose"]
Domain = Literal[
    "dm", "ds", "ex", "lb", "cp", "gf", "ss", "ae", "cm", "vs", "ie", "mh", "rs", "tr", "tu", "pc", "be",
    "dv", "fa", "qs", "ts",
]  # fmt: skip


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
    marker: str = Field(min_length=1, description="the biomarker as in tables")
    treatment: str = Field(min_length=2, description="the study treatment, in lower case")
    control: str = Field(min_length=2, description="treatment of group A")
    prior_treatment: str = Field(min_length=2, description="prior treatment of all patients")


class Inputs(Entry):
    """The required domains, the intake, and the file of accepted findings in the folder of the plan."""

    intake: Literal["sdtm", "caba-v7"]
    required: list[Domain]
    accepted: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml$")

    @model_validator(mode="after")
    def _required_by_code(self) -> Self:
        if "dm" not in self.required:
            raise ValueError("'required' must include dm, the list of the patients")
        return self


class Drugs(Entry):
    """The drugs of the rules: each ingredient with its other names in extracts."""

    ingredients: dict[str, list[str]] = Field(
        min_length=1, description="ingredient: salts, hydrates and trade names"
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        known: dict[str, str] = {}
        for ingredient, names in self.ingredients.items():
            for name in (ingredient, *names):
                if known.setdefault(fold(name), ingredient) != ingredient:
                    raise ValueError(
                        f"ingredients: {name} means both {known[fold(name)]} and {ingredient}"
                    )
        return self

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


class CutOff(BaseModel):
    """One planned data cut-off."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    date: dt.date
    status: Literal["INTERIM", "FINAL"]


class CutOffs(Entry):
    """The planned cut-offs by name."""

    dates: dict[str, CutOff]


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
    n: int = Field(ge=1)
    deviation: str | None = Field(
        default=None,
        min_length=10,
        description="why the protocol's design does not meet its own alpha, power or criterion",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.p0 >= self.p1:
            raise ValueError("p0 must be below p1: the desirable response rate is the higher one")
        if self.r >= self.n:
            raise ValueError("r must be below n: no outcome could reject p <= p0")
        if self.kind == "single-stage":
            if self.r1 is not None or self.n1 is not None:
                raise ValueError("a single-stage design has no r1 and no n1: remove them")
            return self
        if self.r1 is None or self.n1 is None:
            raise ValueError("a two-stage design needs r1 and n1: add them")
        if not 0 <= self.r1 < self.n1:
            raise ValueError("r1 must be at least 0 and below n1: else stage 1 cannot go on")
        if not self.n1 < self.n:
            raise ValueError("n1 must be below n: stage 2 would have no patients")
        if self.r1 > self.r:
            raise ValueError("r1 must not be above r: going on would already reject")
        return self


class Screening(Entry):
    """Biomarker criteria: minimum CTC count, its volume, and the AR-V7 result."""

    ctc_minimum: int = Field(ge=1)
    volume_ml: float = Field(gt=0)
    arv7: Literal["POSITIVE"]


class PsaResponse(Entry):
    """The primary endpoint: a confirmed PSA decline."""

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

    @model_validator(mode="after")
    def _nodes(self) -> Self:
        if self.node_normal_mm > self.node_target_mm:
            raise ValueError("node_normal_mm must not be above node_target_mm: no target is normal")
        return self


class Bone(Entry):
    """Bone scans by the 2 + 2 rule."""

    new_lesions: int = Field(ge=1)
    flare_window_days: Days = Field(description="latest day of a first scan that may show a flare")
    confirm_after_days: Days


class Progression(Entry):
    """Intervals and censoring of progression, and the sensitivity definitions."""

    scan_interval_days: Annotated[int, Field(ge=1)]
    psa_interval_days: Annotated[int, Field(ge=1)]
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

    per_protocol_cycles: int = Field(ge=1)
    ctc_baseline_minimum: int = Field(ge=1)


class Rescreening(Entry):
    """Re-screening of group A: the therapies after which it is possible."""

    after: list[str]


class Baseline(Entry):
    """The window of baseline characteristics."""

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

    baseline_psa_minimum: float = Field(ge=0)
    prior: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = Field(strict=False)


class Ctc(Entry):
    """Circulating tumour cells under treatment."""

    response_below: int = Field(
        ge=1, description="a baseline count of at least this; response is a count below it"
    )
    depths_pct: list[Annotated[float, Field(gt=0, le=100)]]
    visit: str = Field(pattern=r"^(CYCLE \d+|END OF TREATMENT)$")


class AliveOn(BaseModel):
    """One kind of record whose date shows that a patient was alive."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

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


COVARIATES = ("marker_positive", "log2_ctc", "age_10_years", "ecog_1")


def _covariate(name: object) -> object:
    """The id of a covariate; plans of earlier versions name it in words."""
    earlier = ("AR-V7 positive", "log2(CTC + 1)", "Age, per 10 years", "ECOG >= 1")
    return dict(zip(earlier, COVARIATES, strict=True)).get(str(name), name)


class SurvivalComparison(Entry):
    """Exploratory: survival by marker status and by group, and guarantee-time sensitivity analyses."""

    covariates: list[
        Annotated[
            Literal["marker_positive", "log2_ctc", "age_10_years", "ecog_1"],
            BeforeValidator(_covariate),
        ]
    ] = Field(description="of the Cox model by marker status")
    events_per_coefficient: float = Field(ge=0, description="fewer: Firth's penalty")
    ph_transform: Literal["km", "rank", "identity", "log"]
    ph_doubt_below: Share = Field(
        description="a smaller p of the test of proportional hazards is reported with the hazard ratio"
    )
    guarantee_landmark_days: Annotated[int, Field(ge=1)]


class ComparisonRule(BaseModel):
    """The PSA response rule of the published trial; all other rules are as in psa_response."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

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
    choice_drug: str = Field(pattern=r"^[A-Z0-9 -]+$")
    choice_arv7: Literal["NEGATIVE"]
    reference: str = Field(description="id of an entry of references.yml")


class Safety(Entry):
    """Treatment-emergent window and the grade that counts as severe."""

    days_after_last_dose: Days
    severe_grade: int = Field(ge=1, le=5)


class Lines(Entry):
    """When cabazitaxel is third-line treatment; else it is second-line."""

    third_line_after: list[str] = Field(min_length=1)


class SafetyRate(BaseModel):
    """One rate of interest: which events it counts, from which grade, and the published rate."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=3)
    kind: Literal["reported", "laboratory", "death"]
    terms: list[str] = Field(description="preferred terms, or CTCAE terms of laboratory values")
    from_grade: int | None = Field(ge=1, le=5, description="lowest grade; null for deaths")
    reference: str | None = Field(description="id of an entry of references.yml")

    @field_validator("terms")
    @classmethod
    def _of_ctcae(cls, terms: list[str], info: ValidationInfo) -> list[str]:
        return [_ctcae(term) for term in terms] if info.data.get("kind") == "laboratory" else terms

    @model_validator(mode="after")
    def _graded(self) -> Self:
        if (self.from_grade is None) != (self.kind == "death"):
            raise ValueError("from_grade must be given, except for deaths, where it must be null")
        return self

    @property
    def id(self) -> str:
        """The id of the rate in results: its name in lower case, words joined by underscores."""
        return "_".join(re.findall(r"[a-z0-9]+", self.name.lower()))


class SafetyRates(Entry):
    """Rates with exact intervals, compared with published rates; descriptive."""

    collected_from_grade: int = Field(
        ge=1, le=5, description="lowest grade from which all events were recorded"
    )
    rates: list[SafetyRate]


class Deaths(Entry):
    """The preferred terms of disease progression."""

    progression_terms: list[str]


def _ctcae(term: str) -> str:
    """The CTCAE 4.03 spelling of a laboratory term, from any case, spelling or common synonym."""
    for direction in DIRECTIONS.values():
        standard_term = codelist(direction).standard(term)
        if standard_term is not None:
            return standard_term
    known = sorted(term for direction in DIRECTIONS.values() for term in codelist(direction).values)
    raise ValueError(
        f"{term} is no CTCAE 4.03 term of a laboratory value; there are {', '.join(known)}"
    )


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

    terms: dict[str, Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]] = Field(
        description="LBTESTCD: term of CTCAE 4.03, or one for low and one for high values"
    )
    reported_as: dict[str, list[str]] = Field(
        description="LBTESTCD (with L or H where it has two terms): preferred terms of AE"
    )

    @field_validator("terms")
    @classmethod
    def _of_ctcae(cls, terms: dict[str, list[str]]) -> dict[str, list[str]]:
        return {testcd: [_ctcae(term) for term in several] for testcd, several in terms.items()}

    @model_validator(mode="after")
    def _graded(self) -> Self:
        codes = [grading.code for grading in self.gradings]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(
                f"two terms grade the same direction of one test: {', '.join(twice)}; keep one"
            )
        unknown = sorted(set(self.reported_as) - set(codes))
        if unknown:
            raise ValueError(
                f"reported_as names tests without a term: {', '.join(unknown)}; there are "
                f"{', '.join(codes)}"
            )
        return self

    @property
    def gradings(self) -> tuple[Grading, ...]:
        """Every grading of `terms`."""
        return gradings(self.terms)


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

    @model_validator(mode="after")
    def _with_prior(self) -> Self:
        if (self.shape == "bayesian") != (self.prior is not None):
            raise ValueError(
                "prior must be given for the shape bayesian (two positive numbers), and for no other"
            )
        return self


class Accrual(Entry):
    """Planned accrual of the primary set, for the comparison with the actual one."""

    first_patient: dt.date = Field(description="planned date of the first treated patient")
    last_patient: dt.date = Field(description="planned date of the last of design.n patients")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_patient <= self.first_patient:
            raise ValueError("last_patient must be later than first_patient")
        return self


class Exposure(Entry):
    """Dose intensity, delays and reductions of study cabazitaxel."""

    drugs: list[str] = Field(min_length=1, description="EXTRT of the study drug")
    planned_dose_mg_m2: float = Field(gt=0)
    prednisone_mg_per_day: float = Field(gt=0, description="concomitant; not analysed")
    low_start_dose_mg_m2: float = Field(
        gt=0, description="planned dose of a patient with a reduced starting dose"
    )
    reduced_at_most_mg_m2: float = Field(gt=0)
    cycle_days: int = Field(ge=1)
    max_cycles: int = Field(ge=1)
    delay_after_days: Days = Field(
        description="more than this number of days after the due day: delayed"
    )
    major_delay_after_days: Days
    bsa_formula: Literal["Mosteller", "Du Bois"]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.major_delay_after_days <= self.delay_after_days:
            raise ValueError("major_delay_after_days must be above delay_after_days")
        if not self.low_start_dose_mg_m2 <= self.reduced_at_most_mg_m2 < self.planned_dose_mg_m2:
            raise ValueError(
                "reduced_at_most_mg_m2 must lie from low_start_dose_mg_m2 to below planned_dose_mg_m2"
            )
        return self


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
    reference_dose_mg_m2: float = Field(gt=0)


class ExposureResponse(Entry):
    """Exploratory: exposure against response and neutropenia."""

    parameters: list[str] = Field(min_length=1)
    anc_grade: int = Field(ge=1, le=4)


class SampleSchedule(BaseModel):
    """Samples scheduled by the protocol for one group."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

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


class Plan(BaseModel):
    """A plan: all entries."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    study: Study
    wording: Wording
    inputs: Inputs
    drugs: Drugs
    visits: Visits
    cut_offs: CutOffs
    design: Design
    screening: Screening
    analysis_sets: AnalysisSets
    psa_response: PsaResponse
    psa_course: PsaCourse
    psa_progression: PsaProgression
    tumour: Tumour
    bone: Bone
    progression: Progression
    ctc: Ctc
    rescreening: Rescreening
    baseline: Baseline
    estimand: Estimand
    intervals: Intervals
    survival: Survival
    survival_comparison: SurvivalComparison
    comparison: Comparison
    safety: Safety
    lines: Lines
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
    pk: Pk
    exposure_response: ExposureResponse
    samples: Samples
    protocol: Protocol | None = Field(
        default=None, description="left out: the report prints no facts of the protocol"
    )
    estimands: Estimands | None = Field(default=None, description="left out: no table of estimands")

    @model_validator(mode="after")
    def _drugs_are_listed(self) -> Self:
        named = {
            "exposure.drugs": self.exposure.drugs,
            "lines.third_line_after": self.lines.third_line_after,
            "rescreening.after": self.rescreening.after,
            "comparison.choice_drug": [self.comparison.choice_drug],
        }
        for key, drugs in named.items():
            for drug in drugs:
                if drug not in self.drugs.ingredients:
                    raise ValueError(
                        f"{key}: {drug} is no ingredient of drugs.ingredients: add it there with "
                        "its other names"
                    )
        return self

    @model_validator(mode="after")
    def _rates_are_graded(self) -> Self:
        graded = [grading.term for grading in self.labs.gradings]
        for rate in self.safety_rates.rates:
            if rate.kind == "laboratory" and not set(rate.terms) & set(graded):
                raise ValueError(
                    f"safety_rates.rates: {rate.name}: no term of it grades a test of labs.terms; "
                    f"there are {', '.join(graded)}"
                )
        return self

    @model_validator(mode="after")
    def _interval_of_the_design(self) -> Self:
        if self.intervals.primary_interval == "two-stage" and self.design.kind != "two-stage":
            raise ValueError(
                "intervals.primary_interval is two-stage, but the design has one stage: write"
                " clopper-pearson"
            )
        return self

    @model_validator(mode="after")
    def _endpoints_have_rules(self) -> Self:
        entries = [name for name in type(self).model_fields if name not in ("study", "protocol")]
        for endpoint in (self.protocol.endpoints if self.protocol else None) or ():
            if endpoint.entry is not None and endpoint.entry not in entries:
                raise ValueError(
                    f"protocol.endpoints: {endpoint.name}: no entry {endpoint.entry} in the plan"
                )
        return self

    @model_validator(mode="after")
    def _strategies_are_the_rules(self) -> Self:
        """The strategies for a new anticancer therapy are those of the rules of the analyses."""
        if self.estimands is None:
            return self
        censored: dict[str, Strategy] = {
            "censor": "hypothetical", "event": "composite", "ignore": "treatment policy",
        }  # fmt: skip
        by_rule: dict[str, Strategy] = {
            "psa_response": "composite" if self.psa_response.stop_at_new_therapy else "treatment policy",
            "os": "treatment policy",
            **dict.fromkeys(("pfs", "rpfs", "ttpp"), censored[self.progression.new_therapy]),
        }  # fmt: skip
        for estimand in self.estimands.defined:
            named = estimand.strategy("new anticancer therapy")
            wanted = by_rule.get(estimand.analysis)
            if named and wanted and named != wanted:
                raise ValueError(
                    f"estimands: {estimand.name}: the strategy for a new anticancer therapy is {named}, "
                    f"but the rule of the analysis makes it {wanted}: change one of them"
                )
        return self
