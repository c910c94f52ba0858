"""Which flag of ADSL makes which population of the ARD."""

import pandas as pd

FLAGS = {
    "SCREENED": "SCRFL",
    "MARKERPOS": "MPOSFL",
    "PRIMARY": "PRIMFL",
    "SAFETY": "SAFFL",
    "RESCREENED": "RESCFL",
    "PSAEVAL": "PSAEVFL",
    "PERPROT": "PPROTFL",
    "CTCEVAL": "CTCEVFL",
    "PKEVAL": "PKEVFL",
    "GROUPA": "GRPAFL",
}


def members(adsl: pd.DataFrame, population: str) -> pd.DataFrame:
    """The rows of ADSL that belong to a population; a set not derived for this data has nobody."""
    flag = FLAGS[population]
    return adsl[adsl[flag] == "Y"] if flag in adsl else adsl.iloc[0:0]
