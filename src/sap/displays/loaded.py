"""Importing this module reads the catalogue and the register of displays, once for all chapters.

The kernel pool imports it before it forks the kernels, so that they find these files read. What is
wrong in a file is reported by the chapter that reads it.
"""

from sap.catalogue import coded_columns, codelists
from sap.catalogue.adam import datasets, parameters
from sap.catalogue.populations import populations
from sap.catalogue.reasons import reasons
from sap.catalogue.reporting import analyses, statistics
from sap.displays.register import register

for read in (
    codelists,
    coded_columns,
    populations,
    reasons,
    statistics,
    analyses,
    datasets,
    parameters,
    register,
):
    read()
