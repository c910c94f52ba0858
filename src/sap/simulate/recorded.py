"""Readers, sexes and the ends of treatment of the simulated trial as a study records them.

The simulated trial has an investigator who reads the scans, patients of one sex, and infusions. Nothing here draws a random number.
"""

import zlib
from collections.abc import Mapping

import pandas as pd

from sap.plan.model import Plan
from sap.simulate.reference import study_day

Tables = Mapping[str, pd.DataFrame]


def readers(tables: Tables, plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables with tumour assessments (tu, tr, rs) of the evaluator of the plan."""
    made = dict(tables)
    for name in ("tu", "tr", "rs"):
        column = f"{name.upper()}EVAL"
        if name not in made or column not in made[name]:
            continue
        known = made[name][column].notna()
        words: dict[str, str] = {column: plan.tumour.evaluator}
        if plan.tumour.evaluator_id is not None:
            words[f"{column}ID"] = plan.tumour.evaluator_id
        for key, word in words.items():
            cells = [word if one else None for one in known]
            made[name] = made[name].assign(**{key: pd.Series(cells, known.index, dtype=object)})
    return made


def sexes(tables: Tables, plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables with SEX by the identifier: without PSA response, F and M or those of `study.sexes`."""
    if plan.psa_response is not None:
        return dict(tables)
    dm, words = tables["dm"], sorted(plan.study.sexes or ("F", "M"))
    # crc32 is even for about half of the identifiers, whatever else is drawn.
    made = [words[zlib.crc32(str(who).encode()) % 2 % len(words)] for who in dm["USUBJID"]]
    return {**tables, "dm": dm.assign(SEX=pd.Series(made, dm.index, dtype=object))}


def ends_of_intervals(tables: Tables, plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables without doses after the end of treatment, under continuous dosing.

    1. An interval ends on the day of the end of study treatment (ds), of death (dm) or of the data (ts) where one
       of them is earlier, and not before it starts.
    2. RFENDTC is the last day of an interval.
    """
    if plan.exposure.dosing != "continuous":
        return dict(tables)
    ex, dm, ds, ts = (tables[name] for name in ("ex", "dm", "ds", "ts"))
    of_drug = ex["EXTRT"].isin(plan.exposure.drugs) & ex["EXSTDTC"].notna() & ex["EXENDTC"].notna()
    dated = ex[of_drug]
    subject = dated["USUBJID"]
    stops = ds[ds["DSCAT"].eq("DISPOSITION EVENT") & ds["DSSCAT"].eq("STUDY TREATMENT")]
    limits = pd.DataFrame(
        {
            "end": dated["EXENDTC"],
            "stop": subject.map(stops.groupby("USUBJID")["DSSTDTC"].max()),
            "death": subject.map(dm.set_index("USUBJID")["DTHDTC"]),
            "data": ts.loc[ts["TSPARMCD"].eq("DCUTDTC"), "TSVAL"].max(),
        }
    )
    end = limits.apply(pd.to_datetime).min(axis=1)
    texts = [
        max(str(start)[:10], day)
        for start, day in zip(dated["EXSTDTC"], end.dt.strftime("%Y-%m-%d"), strict=True)
    ]
    first = dm.set_index("USUBJID")["RFSTDTC"]
    days = [str(study_day(day, first.get(who))) for day, who in zip(texts, subject, strict=True)]
    ex = ex.copy()
    ex.loc[dated.index, "EXENDTC"], ex.loc[dated.index, "EXENDY"] = texts, days
    last = ex.loc[dated.index].groupby("USUBJID")["EXENDTC"].max()
    ends = pd.Series([last.get(who) for who in dm["USUBJID"]], dm.index, dtype=object)
    return {**tables, "ex": ex, "dm": dm.assign(RFENDTC=ends)}
