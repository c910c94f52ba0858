"""The words of the field that the code reads: codelists of CDISC Controlled Terminology, cited."""

from sap.catalogue.codelists import Codelist, codelist, codelists, fold, folded
from sap.catalogue.columns import Coded, coded_columns
from sap.catalogue.units import Unit, Units, units, units_of

__all__ = [
    "Coded",
    "Codelist",
    "Unit",
    "Units",
    "coded_columns",
    "codelist",
    "codelists",
    "fold",
    "folded",
    "units",
    "units_of",
]
