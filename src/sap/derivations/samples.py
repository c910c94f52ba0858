"""ADBE: blood the protocol asks of each patient, against what was drawn."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day
from sap.plan.model import Plan, Samples, SampleSchedule

Tables = Mapping[str, pd.DataFrame]

COLUMNS = (
    "USUBJID", "GROUP", "BECAT", "AVISIT", "DUEDT", "EXPTUBES", "EXPVOL", "TUBES", "VOLUME", "CASE",
)  # fmt: skip
SECOND_EPISODE = "B after re-screening"


def _drawn(tables: Tables) -> pd.DataFrame:
    be = tables.get("be", pd.DataFrame()).reindex(
        columns=["USUBJID", "BESEQ", "BEDECOD", "BECAT", "BEVOL", "VISIT", "BEDTC"]
    )
    be = be[be["BEDECOD"] == "COLLECTING"]
    return be.assign(BEDT=full_day(be["BEDTC"]), BEVOL=be["BEVOL"].astype(float))


def _due(
    line: SampleSchedule, subjects: pd.DataFrame, adex: pd.DataFrame, plan: Plan
) -> pd.DataFrame:
    """USUBJID, AVISIT and the day due of one line of the schedule, for the patients of one group."""
    who = subjects["USUBJID"]
    doses = adex[adex["USUBJID"].isin(who) & (adex["ACYCLE"] <= plan.exposure.max_cycles)]
    if line.when == "screening":
        again = subjects["EPISODE"] == SECOND_EPISODE
        made = pd.DataFrame(
            {
                "USUBJID": who,
                "AVISIT": np.where(again, "RE-SCREENING", "SCREENING"),
                "DUEDT": subjects["RESCRDT"].where(again, subjects["SCRDT"]),
            }
        )
        second = subjects[
            subjects["RESCRDT"].notna()
            & (subjects["EPISODE"] == "A")
            & (subjects["RESCTRFL"] != "Y")
        ]
        second = second[["USUBJID"]].assign(AVISIT="RE-SCREENING", DUEDT=second["RESCRDT"])
        made = pd.concat([made, second], ignore_index=True) if len(second) else made
        return made[made["DUEDT"].notna()]
    if line.when in ("each cycle", "first cycle"):
        doses = doses if line.when == "each cycle" else doses[doses["ACYCLE"] == 1]
    elif line.when == "visit":
        number = float(str(line.visit).removeprefix("CYCLE "))
        doses = doses[doses["ACYCLE"] == number]
    else:
        return _under_choice(subjects, plan.samples)
    cycle = "CYCLE " + doses["ACYCLE"].astype(int).astype(str)
    return pd.DataFrame({"USUBJID": doses["USUBJID"], "AVISIT": cycle, "DUEDT": doses["ASTDT"]})


def _under_choice(subjects: pd.DataFrame, rule: Samples) -> pd.DataFrame:
    """BASELINE, the plan's day and PROGRESSION of a patient of group A whose choice began."""
    begun = subjects[subjects["CHOICEDT"].notna()]
    second = begun["CHOICEDT"] + pd.to_timedelta(rule.choice_days, unit="D")
    there = (second <= begun["ENDDT"]) & ~(second >= begun["CHOICEEND"])
    came = begun[begun["CHOICEEND"].notna()]
    again = came["RESCRDT"].notna()
    parts = [
        pd.DataFrame(
            {"USUBJID": begun["USUBJID"], "AVISIT": "BASELINE", "DUEDT": begun["CHOICEDT"]}
        ),
        pd.DataFrame({"USUBJID": begun["USUBJID"], "AVISIT": "WEEK 12", "DUEDT": second})[there],
        pd.DataFrame(
            {
                "USUBJID": came["USUBJID"],
                "AVISIT": np.where(again, "RE-SCREENING", "PROGRESSION"),
                "DUEDT": came["CHOICEEND"],
            }
        ),
    ]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _episodes(
    adsl: pd.DataFrame, courses: pd.DataFrame, drawn: pd.DataFrame, cut_off: dt.date
) -> pd.DataFrame:
    """One row per patient and group he gave blood in; a patient of A treated in B has two."""
    choice = courses[courses["COURSE"] == "CHOICE"].set_index("USUBJID")
    end = drawn[(drawn["BECAT"] == "CFDNA PLASMA") & (drawn["VISIT"] == "PROGRESSION")]
    ended = end.groupby("USUBJID")["BEDT"].min()
    who = adsl["USUBJID"]
    progressed = who.map(ended).fillna(adsl["RESCRDT"])
    began = who.map(choice["TRTSDT"]).where(who.map(choice["DRUG"]).notna())
    later = who.map(choice["NEWTHDT"])
    stop = pd.concat([adsl["LSTALVDT"], pd.Series(pd.Timestamp(cut_off), adsl.index)], axis=1)
    subjects = adsl.assign(
        CHOICEDT=began, CHOICEEND=progressed.fillna(later), ENDDT=stop.min(axis=1)
    )
    first = subjects[subjects["GROUP"].notna()].assign(EPISODE=subjects["GROUP"])
    again = subjects[subjects["RESCTRFL"] == "Y"].assign(EPISODE=SECOND_EPISODE, GROUP="B")
    unallocated = subjects[subjects["GROUP"].isna()].assign(EPISODE="", GROUP="A")
    parts = [part for part in (first, again, unallocated) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else first


def adbe(
    tables: Tables,
    adsl: pd.DataFrame,
    adex: pd.DataFrame,
    courses: pd.DataFrame,
    plan: Plan,
    cut_off: dt.date,
) -> pd.DataFrame:
    """One row per patient, kind of sample (BECAT) and visit: tubes and mL expected, and drawn.

    Expected by the plan's schedule, when due on or before the cut-off:

    1. At screening: of every patient of the group with a screening sample, and of every
       re-screened patient once more at the RE-SCREENING: as a patient of A, or of B after
       re-screening when treated.
    2. At a visit, each cycle, the first cycle: at the infusions given, at most
       `exposure.max_cycles`.
    3. Of the choice (group A): BASELINE when a physician's choice began; WEEK 12 when follow-up
       reached day `choice_days` of it and no progression came before; PROGRESSION when it is
       known: a tube of that name, a re-screening (whose tube it then is), or the next therapy. A
       progression that left no trace in BE, DS or CM is not known here, so the share of drawn
       PROGRESSION tubes is an upper limit.

    The group is A, B, "B after re-screening", or "" for a patient never allocated, of whom only
    the screening sample is expected. Plasma before cycle 1 of a patient treated after re-screening
    is the progression tube and is not expected twice.

    1. Expected and drawn (one tube is enough).
    2. Expected, not drawn.
    3. Drawn, not expected.

    Drawn tubes belong to the visit they name. With no BE in the data there is no row.
    """
    drawn = _drawn(tables)
    if drawn.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    subjects = _episodes(adsl, courses, drawn, cut_off)
    parts = []
    for line in plan.samples.schedule:
        of_group = subjects[subjects["GROUP"] == line.group]
        if line.when != "screening":
            of_group = of_group[of_group["EPISODE"] != ""]
        for episode, mine in of_group.groupby("EPISODE"):
            due = _due(line, mine, adex, plan)
            if episode == SECOND_EPISODE and line.category == "CFDNA PLASMA":
                due = due[due["AVISIT"] != "CYCLE 1"]
            parts.append(
                due.assign(
                    GROUP=episode,
                    BECAT=line.category,
                    EXPTUBES=float(line.tubes),
                    EXPVOL=line.tubes * line.volume_ml,
                )
            )
    asked = pd.concat([part for part in parts if len(part)], ignore_index=True)
    asked = asked[~(asked["DUEDT"] > pd.Timestamp(cut_off))]
    return _matched(asked, drawn, subjects)


def _matched(asked: pd.DataFrame, drawn: pd.DataFrame, subjects: pd.DataFrame) -> pd.DataFrame:
    key = ["USUBJID", "BECAT", "VISIT"]
    tubes = drawn.groupby(key, as_index=False, dropna=False).agg(
        TUBES=("BEVOL", "size"), VOLUME=("BEVOL", "sum"), BEDT=("BEDT", "min")
    )
    tubes = tubes.rename(columns={"VISIT": "AVISIT"})
    both = asked.merge(tubes, on=["USUBJID", "BECAT", "AVISIT"], how="outer")
    extra = both["EXPTUBES"].isna()
    first = subjects.sort_values("EPISODE", kind="stable").drop_duplicates("USUBJID")
    episode = both["USUBJID"].map(first.set_index("USUBJID")["EPISODE"])
    second = subjects[subjects["EPISODE"] == SECOND_EPISODE].set_index("USUBJID")["TRTSDT"]
    since = both["USUBJID"].map(second)
    group = both["GROUP"].fillna(episode).fillna("")
    group = group.where(~(extra & (both["BEDT"] >= since)), SECOND_EPISODE)
    got = both["TUBES"].fillna(0).astype(float)
    return both.assign(
        GROUP=group,
        TUBES=got,
        VOLUME=both["VOLUME"].fillna(0.0),
        EXPTUBES=both["EXPTUBES"].fillna(0.0),
        EXPVOL=both["EXPVOL"].fillna(0.0),
        CASE=np.select([extra, got > 0], [3, 1], default=2),
    )[list(COLUMNS)]
