"""The swimmer figure: each treated patient's course, with response, progression, next therapy and death."""

import pandas as pd

from sap import ard
from sap.displays.ard_lookup import results
from sap.displays.endpoint import primary_endpoint
from sap.displays.escape import coded
from sap.displays.figure import BLACK, ORANGE, Figure
from sap.errors import UsageError

SEGMENTS = ("Study treatment", "Follow-up")
# A mark keeps its shape and fill whatever else occurs.
RESPONSE, OBJECTIVE = "PSA response", "Objective response"
RESPONSES = {"PSARESP": RESPONSE, "OBJRESP": OBJECTIVE}
"""The mark of a response by the parameter of the primary endpoint; others have no day of their own."""
PSA_PROGRESSION, PROGRESSION = "PSA progression", "Progression (PFS)"
NEXT_THERAPY, DEATH = "Next anticancer therapy", "Death"
MARKS = {
    RESPONSE: ("o", "white"),
    OBJECTIVE: ("v", "white"),
    PSA_PROGRESSION: ("^", BLACK),
    PROGRESSION: ("s", ORANGE),
    NEXT_THERAPY: ("D", "white"),
    DEATH: ("X", BLACK),
}
ONGOING = "Ongoing"
LANE_INCHES = 0.155


def _months(first: pd.Series, day: pd.Series, per_month: float) -> pd.Series:
    return (pd.to_datetime(day) - first).dt.days / per_month


def swimmer() -> Figure:
    """`tlf-swimmer`: one lane per treated patient, from the first dose to the last contact."""
    from sap.displays.plots import swimmer as draw

    adsl, adrs, adtte = ard.dataset("adsl"), ard.dataset("adrs"), ard.dataset("adtte")
    plan = ard.plan()
    per_month, cycle = plan.survival.days_per_month, plan.exposure.days_between
    subjects = adsl[(adsl["SAFFL"] == "Y") & adsl["TRTSDT"].notna()].set_index("USUBJID")
    if subjects.empty:
        return Figure("tlf-swimmer", None, "", absent="No patient was treated.")
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
    code = plan.primary_parameter
    of_psa, named = code == "PSARESP", RESPONSES.get(code)
    has_response = yes[yes["PARAMCD"] == code]
    responded = on(has_response, "ADT", named or "")
    events = pd.concat(
        [
            responded if named else responded.iloc[:0],
            on(yes[yes["PARAMCD"] == "PSAPROG"], "ADT", PSA_PROGRESSION),
            on(pfs, "ADT", PROGRESSION),
            on(_next_therapy(first), "ASTDT", NEXT_THERAPY),
            on(adsl[adsl["DTHFL"] == "Y"], "DTHDT", DEATH),
        ],
        ignore_index=True,
    )
    alive = subjects["DTHFL"] != "Y"
    ongoing = pd.DataFrame({"subject": label, "time": followed})[alive]
    known = subjects["DCTREAS"].notna()
    words = subjects["DCTREAS"].map(coded, na_action="ignore").fillna(ONGOING)
    reasons = pd.DataFrame({"subject": label, "reason": words}) if known.any() else None
    plot = draw(
        lanes,
        events,
        ongoing,
        segments=SEGMENTS,
        marks=MARKS,
        x_title="Months since the first dose",
        still="Last known alive",
        reasons=reasons,
    )
    n = results("analysis_sets").count(population="SAFETY")
    alt = (
        f"Swimmer plot of {n.text} treated patients, the longest followed on top: {len(has_response)} with "
        f"{primary_endpoint(plan) if code != 'PSARESP' else 'a confirmed PSA response'}, "
        f"{int((~alive).sum())} deaths. An arrow marks patients last known alive"
    )
    asterisk = len(rescreened) > 0
    alt += "; an asterisk patients treated after re-screening." if asterisk else "."
    notes = [
        ("* Treated after re-screening. " if asterisk else "")
        + "Arrow: last known alive. Overlapping symbols are offset."
    ]
    if of_psa:
        notes.append("PSA response is placed at the first decrease of a confirmed response.")
    elif named:
        notes.append("Objective response is placed at the first reading of a response.")
    if reasons is not None:
        notes.append(
            "Right column: reason for the end of study treatment; Ongoing, no end recorded at the data cut-off."
        )
    height = 1.3 + LANE_INCHES * len(subjects)
    return Figure("tlf-swimmer", plot, alt, height=height, notes=notes, n=n)


SUBSEQUENT = "SUBSEQUENT ANTICANCER THERAPY"


def _next_therapy(first: pd.Series) -> pd.DataFrame:
    """The first subsequent anticancer therapy of each patient after the first dose; none without ADCM."""
    try:
        therapies = ard.dataset("adcm")
    except UsageError:
        return pd.DataFrame(columns=["USUBJID", "ASTDT"])
    began = pd.to_datetime(therapies["ASTDT"])
    later = therapies[
        (therapies["CMCAT"] == SUBSEQUENT) & (began > therapies["USUBJID"].map(first))
    ]
    return later.sort_values(["USUBJID", "ASTDT"])
