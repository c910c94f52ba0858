"""Survival analysis: all public functions of the modules of this package on time to an event.

Each is written in a module of its own and can be imported from there or from here; none of those
modules imports this one.
"""

from sap.methods.beta_product import beta_product, beta_product_moments
from sap.methods.competing_risks import AalenJohansen, aalen_johansen
from sap.methods.cox import (
    CoxFit,
    ProportionalHazards,
    cox,
    cox_efron,
    cox_firth,
    proportional_hazards_test,
)
from sap.methods.kaplan_meier import (
    KaplanMeier,
    QuantileEstimate,
    RestrictedMean,
    interval,
    kaplan_meier,
    quantile,
    reverse_kaplan_meier,
    rmst,
)
from sap.methods.logrank import LogRank, logrank
from sap.methods.proportion import Interval, Intervals

__all__ = [
    "AalenJohansen",
    "CoxFit",
    "Interval",
    "Intervals",
    "KaplanMeier",
    "LogRank",
    "ProportionalHazards",
    "QuantileEstimate",
    "RestrictedMean",
    "aalen_johansen",
    "beta_product",
    "beta_product_moments",
    "cox",
    "cox_efron",
    "cox_firth",
    "interval",
    "kaplan_meier",
    "logrank",
    "proportional_hazards_test",
    "quantile",
    "reverse_kaplan_meier",
    "rmst",
]
