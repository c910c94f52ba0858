"""The swimmer figure: each treated patient's course, with response, progression and death."""

import pandas as pd

from sap import ard
from sap.displays.ard_lookup import results
from sap.displays.figure import Figure

SEGMENTS = ("Study treatment", "Follow-up")
MARKS = ("PSA response", "PSA progression", "Progression (PFS)", "Death")
LANE_INCHES = 0.17


def _months(first: pd.Series, day: pd.Series, per_month: float) -> pd.Series:
    return (pd.to_datetime(day) - first).dt.days / per_month


def swimmer() -> Figure:
    """`tlf-swimmer`: one lane per treated patient, from the first dose to the last contact."""
    from sap.displays.plots import swimmer as draw

    adsl, adrs, adtte = ard.dataset("adsl"), ard.dataset("adrs"), ard.dataset("adtte")
    plan = ard.plan()
    per_month, cycle = plan.survival.days_per_month, plan.exposure.cycle_days
    subjects = adsl[(adsl["SAFFL"] == "Y") & adsl["TRTSDT"].notna()].set_index("USUBJID")
    if subjects.empty:
        return Figure("tlf-swimmer", None, "", absent="Not in the data: no patient was treated.")
    first = subjects["TRTSDT"]
    ended = subjects["TRTEDT"].fillna(first) + pd.to_timedelta(cycle, unit="D")
    seen = subjects["DTHDT"].fillna(subjects["LSTALVDT"]).fillna(ended)
    treated = _months(first, pd.concat([ended, seen], axis=1).min(axis=1), per_month)
    followed = _months(first, seen, per_month)
    mark = pd.Series("", subjects.index).mask(subjects["RESCTRFL"] == "Y", "*")
    label = pd.Series(subjects.index, subjects.index) + mark
    lanes = pd.concat(
        [
            pd.DataFrame({"subject": label, "start": 0.0, "end": treated, "segment": SEGMENTS[0]}),
            pd.DataFrame(
                {"subject": label, "start": treated, "end": followed, "segment": SEGMENTS[1]}
            )[followed > treated],
        ],
        ignore_index=True,
    )

    def on(records: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
        day = (
            records.drop_duplicates("USUBJID").set_index("USUBJID")[column].reindex(subjects.index)
        )
        time = _months(first, day, per_month)
        return pd.DataFrame({"subject": label, "time": time, "event": name})[time.notna()]

    study = adrs[adrs["COURSE"].isna() | (adrs["COURSE"] == "STUDY")]
    yes = study[study["AVALC"] == "Y"]
    rescreened = subjects.index[subjects["RESCTRFL"] == "Y"]
    pfs = adtte[
        ((adtte["PARAMCD"] == "PFSRE") & adtte["USUBJID"].isin(rescreened))
        | ((adtte["PARAMCD"] == "PFS") & ~adtte["USUBJID"].isin(rescreened))
    ]
    dead = subjects["DTHDT"]
    pfs = pfs[(pfs["CNSR"] == 0) & (pfs["ADT"] != pfs["USUBJID"].map(dead))]
    responded = on(yes[yes["PARAMCD"] == "PSARESP"], "ADT", MARKS[0])
    events = pd.concat(
        [
            responded,
            on(yes[yes["PARAMCD"] == "PSAPROG"], "ADT", MARKS[1]),
            on(pfs, "ADT", MARKS[2]),
            on(adsl[adsl["DTHFL"] == "Y"], "DTHDT", MARKS[3]),
        ],
        ignore_index=True,
    )
    alive = subjects["DTHFL"] != "Y"
    ongoing = pd.DataFrame({"subject": label, "time": followed})[alive]
    marks = [m for m in MARKS if m in set(events["event"])]
    segments = [s for s in SEGMENTS if s in set(lanes["segment"])]
    plot = draw(
        lanes,
        events,
        ongoing,
        segments=segments,
        marks=marks,
        x_title="Months since the first dose",
        still="Last known alive",
    )
    n = results("analysis_sets").count(population="SAFETY")
    alt = (
        f"Swimmer plot of {n.text} treated patients, the longest followed on top: {len(responded)} with a "
        f"confirmed PSA response, {int((~alive).sum())} deaths. An arrow marks patients last known alive"
    )
    asterisk = len(rescreened) > 0
    alt += "; an asterisk patients treated after re-screening." if asterisk else "."
    notes = [
        ("* Treated after re-screening. " if asterisk else "")
        + "Arrow: last known alive. Overlapping symbols are offset."
    ]
    height = 1.3 + LANE_INCHES * len(subjects)
    return Figure("tlf-swimmer", plot, alt, height=height, notes=notes, n=n)
