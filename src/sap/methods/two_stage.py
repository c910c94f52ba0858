"""Two-stage single-arm trials: designs, search, inference, conduct and interim looks.

This module is the door: every name can be imported from here. The rooms behind it are
`two_stage_design` (the designs and the law of their outcomes), `two_stage_search` (Simon's designs),
`two_stage_inference` (after the trial), `two_stage_conduct` (what did not go as planned) and
`interim` (before its end).

>>> from sap.methods.two_stage import simon_designs, two_stage_inference
>>> design = simon_designs(p0=0.1, p1=0.3, alpha=0.05, beta=0.2).optimal
>>> end = two_stage_inference(design, responders=6, p0=0.1, conf_level=0.9)
>>> f"{end.umvue:.4f} ({end.conf_low:.4f}, {end.conf_high:.4f}), p = {end.p_value:.4f}"
'0.2613 (0.1015, 0.4127), p = 0.0471'
"""

from sap.methods.interim import (
    MonitoringCharacteristics,
    PosteriorSummary,
    PredictiveBounds,
    conditional_bounds,
    conditional_power,
    posterior_comparison,
    posterior_summary,
    predictive_bounds,
    predictive_probability,
)
from sap.methods.two_stage_conduct import (
    AttainedDesign,
    AttainedRule,
    PendingBounds,
    TippingPoint,
    attained_design,
    pending_bounds,
    positive_predictive_value,
    power_under_dropout,
    power_under_misclassification,
    tipping_point,
)
from sap.methods.two_stage_design import (
    OperatingCharacteristics,
    SingleStageDesign,
    TwoStageDesign,
)
from sap.methods.two_stage_inference import (
    DO_NOT_REJECT,
    REJECT,
    KoyamaChen,
    TwoStageInference,
    coverage,
    inference_table,
    koyama_chen,
    two_stage_inference,
)
from sap.methods.two_stage_search import (
    AdmissibleDesign,
    SimonDesigns,
    constrained_designs,
    simon_designs,
)

__all__ = [
    "DO_NOT_REJECT",
    "REJECT",
    "AdmissibleDesign",
    "AttainedDesign",
    "AttainedRule",
    "KoyamaChen",
    "MonitoringCharacteristics",
    "OperatingCharacteristics",
    "PendingBounds",
    "PosteriorSummary",
    "PredictiveBounds",
    "SimonDesigns",
    "SingleStageDesign",
    "TippingPoint",
    "TwoStageDesign",
    "TwoStageInference",
    "attained_design",
    "conditional_bounds",
    "conditional_power",
    "constrained_designs",
    "coverage",
    "inference_table",
    "koyama_chen",
    "pending_bounds",
    "positive_predictive_value",
    "posterior_comparison",
    "posterior_summary",
    "power_under_dropout",
    "power_under_misclassification",
    "predictive_bounds",
    "predictive_probability",
    "simon_designs",
    "tipping_point",
    "two_stage_inference",
]
