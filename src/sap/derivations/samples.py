"""ADBE: blood samples scheduled by the protocol and samples collected, by patient and visit."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day
from sap.plan.entry import stated
from sap.plan.model import Plan, Samples, SampleSchedule

Tables = Mapping[str, pd.DataFrame]

COLUMNS = (
    "STUDYID", "USUBJID", "GROUP", "BECAT", "AVISIT", "DUEDT", "EXPTUBES", "EXPVOL", "TUBES", "VOLUME",
    "CASE",
)  # fmt: skip
SECOND_EPISODE = "B after re-screening"


def _collected(tables: Tables) -> pd.DataFrame:
    be = tables.get("be", pd.DataFrame()).reindex(
        columns=["USUBJID", "BESEQ", "BEDECOD", "BECAT", "BEVOL", "VISIT", "BEDTC"]
    )
    be = be[be["BEDECOD"] == "COLLECTING"]
    return be.assign(BEDT=full_day(be["BEDTC"]), BEVOL=be["BEVOL"].astype(float))


def _due(
    line: SampleSchedule, subjects: pd.DataFrame, adex: pd.DataFrame, plan: Plan
) -> pd.DataFrame:
    """USUBJID, AVISIT and due day of one line of the schedule, for the patients of one group."""
    usubjid = subjects["USUBJID"]
    doses = adex[
        adex["USUBJID"].isin(usubjid) & (adex["ACYCLE"] <= stated(plan.exposure.max_cycles))
    ]
    if line.when == "screening":
        rescreened = subjects["EPISODE"] == SECOND_EPISODE
        due = pd.DataFrame(
            {
                "USUBJID": usubjid,
                "AVISIT": np.where(rescreened, "RE-SCREENING", "SCREENING"),
                "DUEDT": subjects["RESCRDT"].where(rescreened, subjects["SCRDT"]),
            }
        )
        second = subjects[
            subjects["RESCRDT"].notna()
            & (subjects["EPISODE"] == "A")
            & (subjects["RESCTRFL"] != "Y")
        ]
        second = second[["USUBJID"]].assign(AVISIT="RE-SCREENING", DUEDT=second["RESCRDT"])
        due = pd.concat([due, second]) if len(second) else due
        return due[due["DUEDT"].notna()]
    if line.when in ("each cycle", "first cycle"):
        doses = doses if line.when == "each cycle" else doses[doses["ACYCLE"] == 1]
    elif line.when == "visit":
        number = float(str(line.visit).removeprefix("CYCLE "))
        doses = doses[doses["ACYCLE"] == number]
    else:
        return _due_under_choice(subjects, stated(plan.samples))
    cycle = "CYCLE " + doses["ACYCLE"].astype(int).astype(str)
    return pd.DataFrame({"USUBJID": doses["USUBJID"], "AVISIT": cycle, "DUEDT": doses["ASTDT"]})


def _due_under_choice(subjects: pd.DataFrame, rule: Samples) -> pd.DataFrame:
    """Samples at BASELINE, at the plan's day and at PROGRESSION of group A patients on their choice."""
    on_choice = subjects[subjects["CHOICEDT"].notna()]
    second = on_choice["CHOICEDT"] + pd.to_timedelta(rule.choice_days, unit="D")
    reached = (second <= on_choice["ENDDT"]) & ~(second >= on_choice["CHOICEEND"])
    progressed = on_choice[on_choice["CHOICEEND"].notna()]
    rescreened = progressed["RESCRDT"].notna()
    parts = [
        pd.DataFrame(
            {"USUBJID": on_choice["USUBJID"], "AVISIT": "BASELINE", "DUEDT": on_choice["CHOICEDT"]}
        ),
        pd.DataFrame({"USUBJID": on_choice["USUBJID"], "AVISIT": "WEEK 12", "DUEDT": second})[
            reached
        ],
        pd.DataFrame(
            {
                "USUBJID": progressed["USUBJID"],
                "AVISIT": np.where(rescreened, "RE-SCREENING", "PROGRESSION"),
                "DUEDT": progressed["CHOICEEND"],
            }
        ),
    ]
    return pd.concat([part for part in parts if len(part)] or parts[:1])


def _episodes(
    adsl: pd.DataFrame, courses: pd.DataFrame, collected: pd.DataFrame, cut_off: dt.date
) -> pd.DataFrame:
    """One row per patient and group with samples; a patient of A treated in B has two rows."""
    choice = courses[courses["COURSE"] == "CHOICE"].set_index("USUBJID")
    end = collected[(collected["BECAT"] == "CFDNA PLASMA") & (collected["VISIT"] == "PROGRESSION")]
    ended = end.groupby("USUBJID")["BEDT"].min()
    usubjid = adsl["USUBJID"]
    progressed = usubjid.map(ended).fillna(adsl["RESCRDT"])
    began = usubjid.map(choice["TRTSDT"]).where(usubjid.map(choice["DRUG"]).notna())
    later = usubjid.map(choice["NEWTHDT"])
    stop = pd.concat([adsl["LSTALVDT"], pd.Series(pd.Timestamp(cut_off), adsl.index)], axis=1)
    subjects = adsl.assign(
        CHOICEDT=began, CHOICEEND=progressed.fillna(later), ENDDT=stop.min(axis=1)
    )
    first = subjects[subjects["GROUP"].notna()].assign(EPISODE=subjects["GROUP"])
    after_rescreening = subjects[subjects["RESCTRFL"] == "Y"].assign(
        EPISODE=SECOND_EPISODE, GROUP="B"
    )
    unallocated = subjects[subjects["GROUP"].isna()].assign(EPISODE="", GROUP="A")
    parts = [part for part in (first, after_rescreening, unallocated) if len(part)]
    return pd.concat(parts) if parts else first


def adbe(
    tables: Tables,
    adsl: pd.DataFrame,
    adex: pd.DataFrame,
    courses: pd.DataFrame,
    plan: Plan,
    cut_off: dt.date,
) -> pd.DataFrame:
    """One row per patient, kind of sample (BECAT) and visit: tubes and mL expected and collected.

    Expected by the SAP's schedule, when due on or before the cut-off:

    1. At screening: for every patient of the group with a screening sample, and for every
       re-screened patient a second time at RE-SCREENING: in group A or, when treated, in group B
       after re-screening.
    2. At a visit, each cycle, the first cycle: at the infusions given, at most
       `exposure.max_cycles`.
    3. Under the physician's choice (group A): BASELINE when a choice began; WEEK 12 when follow-up
       reached day `choice_days` of it without progression on or before that day; PROGRESSION when it
       is known from a sample of that visit, a re-screening (whose sample it then is), or the next
       therapy. A progression without such a record in BE, DS or CM is not known here, so the proportion of
       collected PROGRESSION samples is an upper limit.

    The group is A, B, "B after re-screening", or "" for a patient never allocated, for whom only
    the screening sample is expected. Plasma before cycle 1 of a patient treated after re-screening
    is the progression sample and is not expected twice. CASE:

    1. Expected and collected (at least one tube).
    2. Expected, not collected.
    3. Collected, not expected.

    Collected tubes are assigned to the visit recorded (VISIT). Without BE in the data there is no
    row.
    """
    collected = _collected(tables)
    if collected.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    subjects = _episodes(adsl, courses, collected, cut_off)
    parts = []
    for line in stated(plan.samples).schedule:
        of_group = subjects[subjects["GROUP"] == line.group]
        if line.when != "screening":
            of_group = of_group[of_group["EPISODE"] != ""]
        for episode, of_episode in of_group.groupby("EPISODE"):
            due = _due(line, of_episode, adex, plan)
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
    expected = pd.concat([part for part in parts if len(part)])
    expected = expected[~(expected["DUEDT"] > pd.Timestamp(cut_off))]
    study = adsl.set_index("USUBJID")["STUDYID"]
    return _matched(expected, collected, subjects).assign(
        STUDYID=lambda made: made["USUBJID"].map(study)
    )[list(COLUMNS)]


def _matched(
    expected: pd.DataFrame, collected: pd.DataFrame, subjects: pd.DataFrame
) -> pd.DataFrame:
    key = ["USUBJID", "BECAT", "VISIT"]
    tubes = collected.groupby(key, as_index=False, dropna=False).agg(
        TUBES=("BEVOL", "size"), VOLUME=("BEVOL", "sum"), BEDT=("BEDT", "min")
    )
    tubes = tubes.rename(columns={"VISIT": "AVISIT"})
    both = expected.merge(tubes, on=["USUBJID", "BECAT", "AVISIT"], how="outer")
    unscheduled = both["EXPTUBES"].isna()
    first = subjects.sort_values("EPISODE", kind="stable").drop_duplicates("USUBJID")
    episode = both["USUBJID"].map(first.set_index("USUBJID")["EPISODE"])
    second = subjects[subjects["EPISODE"] == SECOND_EPISODE].set_index("USUBJID")["TRTSDT"]
    since = both["USUBJID"].map(second)
    group = both["GROUP"].fillna(episode).fillna("")
    group = group.where(~(unscheduled & (both["BEDT"] >= since)), SECOND_EPISODE)
    tubes_collected = both["TUBES"].fillna(0).astype(float)
    return both.assign(
        GROUP=group,
        TUBES=tubes_collected,
        VOLUME=both["VOLUME"].fillna(0.0),
        EXPTUBES=both["EXPTUBES"].fillna(0.0),
        EXPVOL=both["EXPVOL"].fillna(0.0),
        CASE=np.select([unscheduled, tubes_collected > 0], [3, 1], default=2),
    )
