"""The words of the field that the code reads: codelists of CDISC Controlled Terminology, cited."""

from sap.catalogue.codelists import Codelist, codelist, codelists, fold

__all__ = ["Codelist", "codelist", "codelists", "fold"]
