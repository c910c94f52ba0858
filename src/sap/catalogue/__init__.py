"""The words of the field that the code reads: codelists of CDISC Controlled Terminology, cited."""

from sap.catalogue.codelists import Codelist, codelist, codelists, fold
from sap.catalogue.columns import Coded, coded_columns

__all__ = ["Coded", "Codelist", "coded_columns", "codelist", "codelists", "fold"]
