"""The assumed numbers of the simulation, each with its source.

None of these numbers is a result of the trial or a rule of the analysis: they only make a plausible
extract. Sources: TROPIC (NCT00417079, posted results, and the US label), CARD (NEJM 2019;381:2506),
CABA-V7 (the published patient-level supplement of NCT03050866, aggregates only), CARVE (the registry
entry NCT02621190), Ferron 2013 (Cancer Chemother Pharmacol 71:681). "ours" marks a choice of this
simulation, made so that each event occurs.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Screening:
    """Screening: accrual, samples, CTC counts and AR-V7."""

    first_consent: str = "2016-03-01"  # CARVE: planned start February to April 2016
    accrual_days: int = 913  # ours: two and a half years
    usual_screened: int = 117  # ours: patients screened in those days; sets the spacing of consents
    follow_up_days: int = 365  # ours: extraction a year after the last consent
    age_mean: float = 70.0  # TROPIC: median about 68; Dutch practice slightly older
    age_sd: float = 6.5
    no_sample: float = 0.02  # ours
    count_not_done: float = 0.03  # ours
    second_sample: float = 0.5  # ours: of those, a second sample is drawn
    not_eligible: float = 0.02  # ours: fails entry criteria before the sample is used
    three_or_more: float = 0.70  # CABA-V7: 96 of 137
    undetermined: float = 0.104  # CABA-V7: 10 of 96 with three or more cells
    not_tested: float = 0.02  # ours: three or more CTC, AR-V7 assay not done
    tested_below_three: float = 0.35  # ours: AR-V7 attempted with fewer than three CTC
    undetermined_below_three: float = 0.585  # CABA-V7: 24 of 41 below three CTC
    arv7_positive: float = 0.39  # CABA-V7: 40 of 103 determined
    median_count: float = 28.0  # ours: median of counts of three or more
    spread_count: float = 1.45  # ours: SD of the log count
    positive_not_eligible: float = 0.08  # ours
    positive_declined: float = 0.12  # CABA-V7: 14 of 40; lowered, since CARVE asks fewer visits
    # CABA-V7: why undetermined (26 + 4 + 2 + 1 + 1 of 34)
    undetermined_reasons: tuple[tuple[str, float], ...] = (
        ("INSUFFICIENT EPITHELIAL SIGNAL", 26),
        ("POOR RNA QUALITY", 4),
        ("TOO FEW CTC", 2),
        ("QPCR FAILURE", 1),
        ("UNSPECIFIED", 1),
    )


@dataclass(frozen=True)
class Treatment:
    """Study cabazitaxel: dosing, response, subsequent therapy and follow-up."""

    response_rate: float = 0.30  # ours: the p1 of the CARVE plan's assumed design
    dose: float = 25.0  # CARVE: 25 mg/m2 over 1 h every 3 weeks
    reduced_dose: float = 20.0  # label: one step to 20 mg/m2
    cycle_days: int = 21
    max_cycles: int = 10
    delayed: float = 0.10  # a cycle; TROPIC: 28 % of patients over a median of 6 cycles
    reduced: float = 0.022  # a cycle; TROPIC: 12 % of patients
    primary_gcsf: float = 0.25  # ours: G-CSF was considered, not mandated
    subsequent_therapy: float = 0.60  # ours
    months_after_progression: float = 4.0  # gives OS near the 9 months seen in CABA-V7
    months_after_response: float = 7.0  # ours
    lost: float = 0.05  # ours
    withdrawn: float = 0.05  # ours


@dataclass(frozen=True)
class Choice:
    """Group A: the physician's choice, and re-screening."""

    # ours; CABA-V7 names the same treatments among its untreated patients
    therapies: tuple[tuple[str, float], ...] = (
        ("ABIRATERONE", 0.22),
        ("ENZALUTAMIDE", 0.25),
        ("CABAZITAXEL", 0.22),
        ("DOCETAXEL", 0.08),
        ("RADIUM-223", 0.07),
        ("NONE", 0.16),
    )
    # CARD: median PFS 2.7 months on abiraterone or enzalutamide, 4.4 on cabazitaxel; others ours
    months_to_progression: tuple[tuple[str, float], ...] = (
        ("ABIRATERONE", 4.2),
        ("ENZALUTAMIDE", 4.2),
        ("CABAZITAXEL", 5.0),
        ("DOCETAXEL", 4.0),
        ("RADIUM-223", 4.0),
        ("NONE", 3.0),
    )
    months_after_progression: float = 6.0  # gives OS near 12 months
    arsi_response: float = (
        0.30  # CARD 13.5 % after both; AR-V7 negative and naive patients do better
    )
    cabazitaxel_response: float = 0.38  # CARD 35.7 %, TROPIC 39.2 %
    death_before_progression: float = 0.08  # ours
    partial_date: float = 0.05  # ours: the day a therapy began is not known
    rescreened: float = 0.74  # ours
    rescreened_not_eligible: float = 0.12  # ours
    rescreened_declined: float = 0.16  # ours
    # ours: positive with three or more CTC at re-screening, by first state
    converts: tuple[tuple[str, float], ...] = (
        ("NEGATIVE", 0.36),
        ("UNDETERMINED", 0.45),
        ("NOT DONE", 0.36),
    )


@dataclass(frozen=True)
class Kinetics:
    """Cabazitaxel in plasma: Ferron 2013, three compartments, as transcribed in nlmixr2lib."""

    clearance: float = 48.5  # L/h at a body surface of 1.84 m2
    reference_bsa: float = 1.84
    volume: float = 26.0  # L, central
    k12: float = 2.48  # 1/h, as the three below
    k21: float = 0.604
    k13: float = 4.84
    k31: float = 0.0266
    cv_clearance: float = 0.388
    cv_volume: float = 0.60  # published 0.934; lowered, the four samples would look absurd
    cv_k12: float = 0.40  # published 0.840; lowered likewise
    cv_k13: float = 0.40  # published 0.642; lowered likewise
    proportional_error: float = 0.15  # published 0.278; lowered likewise
    lloq: float = 1.0  # ng/mL
    sampled: float = 0.85  # ours: 20 of 25 have an AUC in CABA-V7
    infusion_minutes: int = 60


@dataclass(frozen=True)
class EventRate:
    """One adverse event term: its rate at any grade and at grade 3 or worse."""

    decod: str
    soc: str
    any_grade: float
    severe: float
    verbatim: tuple[str, ...] = ()


BLOOD = "BLOOD AND LYMPHATIC SYSTEM DISORDERS"
GUT = "GASTROINTESTINAL DISORDERS"
GENERAL = "GENERAL DISORDERS AND ADMINISTRATION SITE CONDITIONS"
MUSCLE = "MUSCULOSKELETAL AND CONNECTIVE TISSUE DISORDERS"
NERVE = "NERVOUS SYSTEM DISORDERS"
RENAL = "RENAL AND URINARY DISORDERS"
INFECTION = "INFECTIONS AND INFESTATIONS"
CHEST = "RESPIRATORY, THORACIC AND MEDIASTINAL DISORDERS"
SKIN = "SKIN AND SUBCUTANEOUS TISSUE DISORDERS"
METABOLISM = "METABOLISM AND NUTRITION DISORDERS"

# TROPIC, cabazitaxel arm (label and posted results): any grade, grade 3 or worse. Neutropenia,
# leukopenia, anaemia and thrombocytopenia are laboratory rates there; as reported events they are
# about a third of that (ours).
TROPIC_EVENT_RATES: tuple[EventRate, ...] = (
    EventRate("NEUTROPENIA", BLOOD, 0.36, 0.28, ("neutropenia", "low neutrophils")),
    EventRate("LEUKOPENIA", BLOOD, 0.15, 0.10, ("leucopenia",)),
    EventRate("ANAEMIA", BLOOD, 0.35, 0.10, ("anemia", "low hemoglobin")),
    EventRate("THROMBOCYTOPENIA", BLOOD, 0.12, 0.03, ("thrombopenia",)),
    EventRate("FEBRILE NEUTROPENIA", BLOOD, 0.08, 0.08, ("neutropenic fever",)),
    EventRate("DIARRHOEA", GUT, 0.47, 0.06, ("diarrhea", "loose stools")),
    EventRate("NAUSEA", GUT, 0.34, 0.02, ("nausea",)),
    EventRate("VOMITING", GUT, 0.22, 0.02, ("vomiting",)),
    EventRate("CONSTIPATION", GUT, 0.20, 0.01, ("constipation",)),
    EventRate("ABDOMINAL PAIN", GUT, 0.17, 0.02, ("stomach ache", "abdominal pain")),
    EventRate("FATIGUE", GENERAL, 0.37, 0.05, ("tiredness", "fatigue")),
    EventRate("ASTHENIA", GENERAL, 0.20, 0.05, ("weakness",)),
    EventRate("PYREXIA", GENERAL, 0.12, 0.01, ("fever",)),
    EventRate("OEDEMA PERIPHERAL", GENERAL, 0.09, 0.01, ("edema of the legs",)),
    EventRate("BACK PAIN", MUSCLE, 0.16, 0.04, ("back pain",)),
    EventRate(
        "PERIPHERAL SENSORY NEUROPATHY", NERVE, 0.13, 0.01, ("tingling fingers", "neuropathy")
    ),
    EventRate("DYSGEUSIA", NERVE, 0.11, 0.0, ("taste change",)),
    EventRate("HAEMATURIA", RENAL, 0.17, 0.02, ("blood in urine",)),
    EventRate("RENAL FAILURE ACUTE", RENAL, 0.03, 0.02, ("acute kidney injury",)),
    EventRate("URINARY TRACT INFECTION", INFECTION, 0.08, 0.02, ("UTI",)),
    EventRate("DYSPNOEA", CHEST, 0.12, 0.01, ("short of breath",)),
    EventRate("ALOPECIA", SKIN, 0.10, 0.0, ("hair loss",)),
    EventRate("DECREASED APPETITE", METABOLISM, 0.16, 0.01, ("poor appetite",)),
)


@dataclass(frozen=True)
class Assumptions:
    """All assumptions."""

    study: str = "CARVE"
    screening: Screening = field(default_factory=Screening)
    treatment: Treatment = field(default_factory=Treatment)
    choice: Choice = field(default_factory=Choice)
    kinetics: Kinetics = field(default_factory=Kinetics)
    event_rates: tuple[EventRate, ...] = TROPIC_EVENT_RATES
    # ours: id, share of the patients, clock time kept with PSA, unit of PSA, unit of haemoglobin
    sites: tuple[tuple[str, float], ...] = (
        ("01", 0.34),
        ("02", 0.18),
        ("03", 0.16),
        ("04", 0.12),
        ("05", 0.10),
        ("06", 0.10),
    )
    sites_with_clock: tuple[str, ...] = ("01", "04")
    sites_with_ng_ml: tuple[str, ...] = ("03",)
    sites_with_g_dl: tuple[str, ...] = ("06",)
    sites_without_limits: tuple[str, ...] = ("05",)
