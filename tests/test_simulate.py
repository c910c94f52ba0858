"""The simulated extract: same seed same bytes, plausible, complete, and without contradictions.

The rules by which the extract is judged here are written anew from the trial description, not taken
from the simulation: a count, a date comparison, the PSA rule in ten lines.
"""

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import pandas as pd
import pytest

from sap import contracts
from sap.errors import UsageError
from sap.simulate.assumptions import Assumptions
from sap.simulate.data_errors import DATA_ERRORS, PLANTED_COLUMNS, with_errors
from sap.simulate.subject import stream
from sap.simulate.tables import END, START
from sap.simulate.trial import simulate
from sap.simulate.variants import CHOICES

DEFAULT_SEED = 128  # the seed of `make report`; every kind of event below occurs in its extract
SEEDS = (1, 7, DEFAULT_SEED)
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def default() -> Tables:
    return simulate(DEFAULT_SEED)


@pytest.fixture(scope="module")
def several() -> list[Tables]:
    return [simulate(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def many() -> Tables:
    """Six hundred patients, no patient turned away: enough to see a rate."""
    return simulate(11, n_screened=600, treated_target=10_000)


# --- the same seed, the same bytes -----------------------------------------------------------


def bytes_of(tables: Tables) -> str:
    text = "".join(f"{name}\n{table.to_csv(index=False)}" for name, table in tables.items())
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process_zone_and_hash_order(default):
    script = (
        "import hashlib; from sap.simulate.trial import simulate;"
        f"t = simulate({DEFAULT_SEED});"
        "s = ''.join(f'{n}\\n{d.to_csv(index=False)}' for n, d in t.items());"
        "print(hashlib.sha256(s.encode()).hexdigest())"
    )
    elsewhere = {"PYTHONHASHSEED": "7", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **elsewhere},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == bytes_of(default)


def test_another_seed_gives_other_subjects(several):
    assert len({bytes_of(tables) for tables in several}) == len(SEEDS)


def test_cells_are_text_or_nothing(default):
    for table in default.values():
        cells = table.to_numpy().ravel().tolist()
        assert all(cell is None or isinstance(cell, str) for cell in cells)
        assert "" not in cells


def test_the_extract_says_that_it_is_synthetic(default):
    ts = default["ts"].set_index("TSPARMCD")["TSVAL"]
    assert ts["SYNTHDAT"] == "Y"
    assert ts["SIMSEED"] == str(DEFAULT_SEED)


def test_the_seed_decides_in_which_legal_words_an_extract_is_written():
    """Of forty trials each choice is made in some and not in others; no number depends on it."""
    for place, choice in enumerate(CHOICES):
        made = {bool(stream(seed, 0, "words", place).random() < 0.5) for seed in range(40)}
        assert made == {True, False}, choice.__name__
    tables = {seed: simulate(seed, n_screened=60) for seed in range(6)}
    terms = [tables[seed]["ae"]["AEDECOD"].iloc[0] for seed in tables]
    assert {term.isupper() for term in terms} == {True, False}
    clocks = [tables[seed]["pc"]["PCRFTDTC"].str.len().max() for seed in tables]
    assert set(clocks) == {len("2017-01-01T09:30"), len("2017-01-01T09:30:00")}


def test_scipy_is_not_needed():
    script = (
        "import sys; from sap.simulate.trial import simulate; simulate(1);"
        "print('scipy' in sys.modules, 'great_expectations' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


# --- options ---------------------------------------------------------------------------------


def test_screening_goes_on_until_the_target_is_treated(several):
    for tables in several:
        assert len(first_treated(tables)) == 25


def test_n_screened_screens_exactly_so_many_and_turns_subjects_away_beyond_the_target():
    tables = simulate(3, n_screened=90, treated_target=4)
    ds = tables["ds"]
    assert len(tables["dm"]) == 90
    assert len(first_treated(tables)) == 4
    assert (ds["DSTERM"] == "ENROLMENT COMPLETE").sum() > 0


def subjects_who_differ(one: Tables, other: Tables) -> set[str]:
    """The patients with a row in one extract that the other has not."""
    found = set()
    for domain in one:
        if domain != "ts":
            rows = pd.concat([one[domain], other[domain]]).fillna("")
            found |= set(rows.loc[~rows.duplicated(keep=False), "USUBJID"])
    return found


def test_another_response_rate_changes_only_subjects_who_respond_then():
    """From 20 % to 60 %: no patient untreated, no patient who responds at 20 %, and not all the others."""
    low = simulate(5, n_screened=80, response_rate=0.2)
    high = simulate(5, n_screened=80, response_rate=0.6)
    before, after = psa_response(low, 28), psa_response(high, 28)
    changed = subjects_who_differ(low, high)
    assert {subject for subject in before if before[subject] != after[subject]} <= changed
    assert changed <= set(treated(low)) - {subject for subject in before if before[subject] == "Y"}
    assert 0 < len(changed) < len(treated(low)) - 5


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_true_response_rate_is_the_rate_of_the_analysis(rate):
    """The count lies within the binomial's central 99.9 %, computed exactly."""
    tables = simulate(2, n_screened=500, treated_target=10_000, response_rate=rate)
    answers = psa_response(tables, 28)
    first = first_treated(tables)
    n = len(first)
    responders = sum(answers[subject] == "Y" for subject in first)
    low, high = central_binomial(n, rate, 0.999)
    assert n > 80
    assert low <= responders <= high


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_at_rate_0_nobody_responds_and_at_rate_1_everybody(rate):
    tables = simulate(4, n_screened=90, response_rate=rate)
    answers = psa_response(tables, 28)
    wanted = {"Y"} if rate else {"N", "NE"}
    assert {answers[subject] for subject in first_treated(tables)} <= wanted


@pytest.mark.parametrize(
    "options",
    [
        {"n_screened": 0},
        {"treated_target": 0},
        {"response_rate": 1.2},
        {"arv7_prevalence": -0.1},
        {"arv7_prevalence": 0.0},
    ],
)
def test_an_impossible_option_is_refused_by_its_name(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        simulate(1, **options)


def test_a_trial_without_a_positive_patient_is_screened_and_treats_none_at_first():
    """Prevalence 0 with a number to screen: only who turns positive later is treated."""
    tables = simulate(1, n_screened=40, arv7_prevalence=0.0)
    assert len(tables["dm"]) == 40
    assert first_treated(tables) == []
    assert not tables["gf"].query("VISIT == 'SCREENING'")["GFSTRESC"].eq("POSITIVE").any()


# --- plausible rates, with exact binomial bounds ----------------------------------------------


def central_binomial(n: int, p: float, mass: float) -> tuple[int, int]:
    """The shortest run of counts, cut evenly at both ends, that holds `mass`; by summing terms."""
    terms = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    tail, low = 0.0, 0
    while tail + terms[low] < (1 - mass) / 2:
        tail += terms[low]
        low += 1
    tail, high = 0.0, n
    while tail + terms[high] < (1 - mass) / 2:
        tail += terms[high]
        high -= 1
    return low, high


def test_the_bounds_are_the_binomials_own():
    """By hand: of 4 fair coins, 0 and 4 heads have 1/16 each; 80 % leaves 1 to 3."""
    assert central_binomial(4, 0.5, 0.80) == (1, 3)


def share(tables: Tables, of: str, among: str) -> tuple[int, int]:
    counts = {
        "sampled": len(screening_counts(tables)),
        "three or more": int((screening_counts(tables) >= 3).sum()),
    }
    gf = screening_assays(tables)
    counts["determined"] = int(gf.isin(["POSITIVE", "NEGATIVE"]).sum())
    counts["positive"] = int((gf == "POSITIVE").sum())
    enough = gf[gf.index.isin(screening_counts(tables)[lambda count: count >= 3].index)]
    counts["tested from three"] = int(enough.notna().sum())
    counts["undetermined from three"] = int((enough == "UNDETERMINED").sum())
    return counts[of], counts[among]


@pytest.mark.parametrize(
    "of, among, rate",
    [
        ("three or more", "sampled", 96 / 137),  # CABA-V7 supplement, trial.md 1.6
        ("positive", "determined", 40 / 103),  # likewise
        ("undetermined from three", "tested from three", 10 / 96),  # likewise
    ],
)
def test_screening_gives_the_published_shares(many, of, among, rate):
    n, total = share(many, of, among)
    low, high = central_binomial(total, rate, 0.999)
    assert low <= n <= high


@pytest.mark.parametrize(
    "term, rate",
    [("DIARRHOEA", 0.47), ("NAUSEA", 0.34), ("VOMITING", 0.22), ("ALOPECIA", 0.10)],
)
def test_events_come_at_the_rates_of_tropic(many, term, rate):
    """TROPIC, cabazitaxel arm, any grade; doses change some patients' events, so a wide band."""
    subjects = treated(many)
    ae = many["ae"]
    of_term = ae["AEDECOD"].str.upper() == term
    n = ae.loc[of_term & ae["USUBJID"].isin(subjects), "USUBJID"].nunique()
    low, high = central_binomial(len(subjects), rate, 0.9999)
    assert low <= n <= high


def test_survival_is_that_of_the_disease(many):
    """Half of group A dies 9 to 16 months after allocation; a crude count, nearly all have died."""
    ds, dm = many["ds"], many["dm"].set_index("USUBJID")
    start = ds[ds["DSDECOD"] == "ALLOCATED TO GROUP A"].set_index("USUBJID")["DSSTDTC"]
    months = (days(dm.loc[start.index, "DTHDTC"]) - days(start)) / 30.4375
    assert 9 < months.fillna(99).median() < 16


# --- reading the tables, written anew ----------------------------------------------------------


def days(texts: pd.Series) -> pd.Series:
    """The day of ISO dates as a number, the time of day cut off; missing stays missing."""
    return texts.map(lambda text: day_of(text) if isinstance(text, str) else None).astype("Float64")


def infusions(tables: Tables) -> pd.DataFrame:
    """The dated infusions."""
    ex = tables["ex"]
    return ex[ex["EXTRT"].eq("CABAZITAXEL") & ex["EXSTDTC"].notna()].assign(
        DAY=lambda rows: days(rows["EXSTDTC"])
    )


def treated(tables: Tables) -> list[str]:
    return sorted(infusions(tables)["USUBJID"].unique())


def again(tables: Tables) -> set[str]:
    ds = tables["ds"]
    consent = ds["DSDECOD"].eq("TREATMENT CONSENT OBTAINED") & ds["DSSCAT"].eq("RE-SCREENING")
    return set(ds.loc[consent, "USUBJID"]) & set(treated(tables))


def first_treated(tables: Tables) -> list[str]:
    return [subject for subject in treated(tables) if subject not in again(tables)]


def screening_counts(tables: Tables) -> pd.Series:
    cp = tables["cp"]
    rows = cp[cp["VISIT"].eq("SCREENING") & cp["CPSTRESN"].notna()]
    return rows.set_index("USUBJID")["CPSTRESN"].astype(float)


def screening_assays(tables: Tables) -> pd.Series:
    gf = tables["gf"]
    last = gf[gf["VISIT"] == "SCREENING"].drop_duplicates("USUBJID", keep="last")
    return last.set_index("USUBJID")["GFSTRESC"]


def day_of(text: str) -> int:
    """The day of a date; of a month its first day."""
    return date.fromisoformat(text[:10] if len(text) > 7 else f"{text}-01").toordinal()


def psa(tables: Tables) -> dict[str, dict[int, float]]:
    """PSA of each patient by day: of several the last by time, without times the mean; BLQ = limit."""
    lb = tables["lb"]
    rows = lb[(lb["LBTESTCD"] == "PSA") & lb["LBSTRESC"].notna()].sort_values("LBDTC")
    seen: dict[str, dict[int, list[tuple[str, float]]]] = {}
    start = infusions(tables).groupby("USUBJID")["EXSTDTC"].min()
    for subject, when, value in zip(
        rows["USUBJID"], rows["LBDTC"], rows["LBSTRESN"].fillna("0.1"), strict=True
    ):
        if subject in start.index and after_the_start(when, start[subject]):
            continue
        seen.setdefault(subject, {}).setdefault(day_of(when), []).append((when, float(value)))
    return {
        subject: {day: one(values) for day, values in by.items()} for subject, by in seen.items()
    }


def after_the_start(when: str, start: str) -> bool:
    """A value of the first day, drawn after the infusion began."""
    return len(when) > 10 and when[:10] == start[:10] and when > start


def one(values: list[tuple[str, float]]) -> float:
    """The value of a day."""
    timed = [value for when, value in values if len(when) > 10]
    return timed[-1] if timed else sum(value for _, value in values) / len(values)


class Course(NamedTuple):
    base: float | None
    day: list[int]  # since the first dose
    value: list[float]


def courses(tables: Tables) -> dict[str, Course]:
    """Each treated patient's baseline and the values that count.

    Baseline is the last day with a value up to the first dose. What counts comes after that day, by
    21 days after the last cycle, and before a later anticancer therapy (issue 2, part 1).
    """
    values = psa(tables)
    cm = tables["cm"]
    later = cm[cm["CMCAT"] == "SUBSEQUENT ANTICANCER THERAPY"].groupby("USUBJID")["CMSTDTC"].min()
    cycles = infusions(tables).groupby("USUBJID")["DAY"].agg(["min", "max"])
    found = {}
    for subject, first, last in cycles.itertuples():
        own = values.get(subject, {})
        stop = min(last + 21, day_of(later[subject]) - 1 if subject in later.index else last + 21)
        before = [day for day in own if day <= first]
        after = sorted(day for day in own if first < day <= stop)
        base = own[max(before)] if before else None
        found[subject] = Course(base, [day - first for day in after], [own[day] for day in after])
    return found


def psa_response(tables: Tables, apart: int, first_by: float = 84) -> dict[str, str]:
    """Two falls by half `apart` days from each other, the first by day 84 (trial.md 3.1)."""
    answers = {}
    for subject, (base, day, value) in courses(tables).items():
        if base is None or not day:
            answers[subject] = "NE"
            continue
        low = [d for d, v in zip(day, value, strict=True) if round(100 * (v / base - 1), 9) <= -50]
        pair = any(b - a >= apart and a <= first_by for a in low for b in low)
        answers[subject] = "Y" if pair else "N"
    return answers


# --- every kind of event occurs -----------------------------------------------------------------


def some(rows: pd.DataFrame | pd.Series) -> bool:
    return bool(len(rows) if isinstance(rows, pd.DataFrame) else rows.any())


def cells(domain: str, **wanted: str | list[str]) -> Callable[[Tables], bool]:
    """At least one row of the domain has these values."""

    def present(tables: Tables) -> bool:
        table = tables[domain]
        for column, values in wanted.items():
            table = table[table[column].isin([values] if isinstance(values, str) else values)]
        return some(table)

    return present


def milestone(decod: str, part: str) -> Callable[[Tables], bool]:
    return cells("ds", DSDECOD=decod, DSSCAT=part)


def below_three_with_result(tables: Tables) -> bool:
    few = screening_counts(tables)[lambda count: count < 3].index
    return some(screening_assays(tables).reindex(few).isin(["POSITIVE", "NEGATIVE"]))


def converts_from(state: str) -> Callable[[Tables], bool]:
    """A patient of that first state is positive with three or more cells at re-screening."""

    def present(tables: Tables) -> bool:
        gf, cp = tables["gf"], tables["cp"]
        second = gf[gf["VISIT"].eq("RE-SCREENING") & gf["GFSTRESC"].eq("POSITIVE")]
        enough = cp[cp["VISIT"].eq("RE-SCREENING") & (cp["CPSTRESN"].astype(float) >= 3)]
        subjects = sorted(set(second["USUBJID"]) & set(enough["USUBJID"]))
        first = screening_assays(tables).reindex(subjects)
        if state == "fewer than 3":
            return some(screening_counts(tables).reindex(subjects) < 3)
        return some(first == state)

    return present


def only_between(low: int, high: int) -> Callable[[Tables], bool]:
    """A patient responds when falls `low` days apart suffice, not when they must be `high` apart."""

    def present(tables: Tables) -> bool:
        loose, strict = psa_response(tables, low), psa_response(tables, high)
        return any(loose[subject] == "Y" and strict[subject] == "N" for subject in loose)

    return present


def course(test: Callable[[float, list[float]], bool]) -> Callable[[Tables], bool]:
    """A treated patient's counted PSA values pass the test."""

    def present(tables: Tables) -> bool:
        told = courses(tables).values()
        return any(one.base is not None and one.value and test(one.base, one.value) for one in told)

    return present


def late_only(tables: Tables) -> bool:
    by_week_12, ever = psa_response(tables, 28), psa_response(tables, 28, math.inf)
    return any(ever[subject] == "Y" and by_week_12[subject] == "N" for subject in ever)


def flare(base: float, values: list[float]) -> bool:
    return values[0] > 1.25 * base and min(values) <= base / 2


def above_nadir(base: float, values: list[float]) -> list[tuple[float, float]]:
    """Each value with the lowest before it, baseline included."""
    return [(value, min([base, *values[:place]])) for place, value in enumerate(values)]


def no_baseline(tables: Tables) -> bool:
    return any(course.base is None for course in courses(tables).values())


def nothing_after(tables: Tables) -> bool:
    return any(not course.day for course in courses(tables).values())


def twice_a_day(timed: bool) -> Callable[[Tables], bool]:
    def present(tables: Tables) -> bool:
        lb = tables["lb"]
        rows = lb[lb["LBTESTCD"].eq("PSA") & lb["LBSTRESC"].notna()]
        rows = rows[(rows["LBDTC"].str.len() > 10) == timed]
        return some(rows.assign(DAY=rows["LBDTC"].str[:10]).duplicated(["USUBJID", "DAY"]))

    return present


def on_first_day(tables: Tables) -> bool:
    first = infusions(tables).groupby("USUBJID")["DAY"].min()
    values = psa(tables)
    return any(day in values.get(subject, {}) for subject, day in first.items())


def after_the_infusion(tables: Tables) -> bool:
    start = infusions(tables).groupby("USUBJID")["EXSTDTC"].min()
    lb = tables["lb"]
    lb = lb[(lb["LBTESTCD"] == "PSA") & lb["USUBJID"].isin(start.index)]
    both = zip(lb["LBDTC"], lb["USUBJID"].map(start), strict=True)
    return any(after_the_start(when, first) for when, first in both)


def under_new_therapy(tables: Tables) -> bool:
    """A patient would respond if values under a new therapy counted."""
    without = {**tables, "cm": tables["cm"].iloc[:0]}
    now, then = psa_response(tables, 28), psa_response(without, 28)
    return any(then[subject] == "Y" and now[subject] == "N" for subject in now)


def after_dose(low: int, high: int) -> Callable[[Tables], bool]:
    """An adverse event starts so many days after the last dose."""

    def present(tables: Tables) -> bool:
        last = infusions(tables).groupby("USUBJID")["DAY"].max()
        ae = tables["ae"]
        ae = ae[(ae["AESTDTC"].str.len() == 10) & ae["USUBJID"].isin(last.index)]
        gap = days(ae["AESTDTC"]) - ae["USUBJID"].map(last)
        return some(gap.between(low, high))

    return present


def before_first_dose(tables: Tables) -> pd.DataFrame:
    first = infusions(tables).groupby("USUBJID")["DAY"].min()
    ae = tables["ae"]
    ae = ae[(ae["AESTDTC"].str.len() == 10) & ae["USUBJID"].isin(first.index)]
    return ae[days(ae["AESTDTC"]) < ae["USUBJID"].map(first)]


def unknown_start(before: bool) -> Callable[[Tables], bool]:
    def present(tables: Tables) -> bool:
        first = infusions(tables).groupby("USUBJID")["DAY"].min()
        ae = tables["ae"]
        ae = ae[ae["AESTDTC"].isna() & ae["AEENDTC"].notna()]
        return some((days(ae["AEENDTC"]) < ae["USUBJID"].map(first)) == before)

    return present


def partial_and_over(tables: Tables) -> bool:
    first = infusions(tables).groupby("USUBJID")["EXSTDTC"].min()
    ae = tables["ae"]
    ae = ae[
        (ae["AESTDTC"].str.len() == 7) & ae["AEENDTC"].notna() & ae["USUBJID"].isin(first.index)
    ]
    dose = ae["USUBJID"].map(first)
    return some((ae["AESTDTC"] == dose.str[:7]) & (ae["AEENDTC"] < dose.str[:10]))


def second_sample(tables: Tables) -> bool:
    cp = tables["cp"]
    return some(cp[cp["VISIT"] == "SCREENING"].duplicated("USUBJID"))


def no_scan(tables: Tables) -> bool:
    return bool(set(treated(tables)) - set(tables["tu"]["USUBJID"]))


def worsening(tables: Tables) -> bool:
    early = before_first_dose(tables)[["USUBJID", "AEDECOD", "AETOXGR"]]
    both = early.merge(tables["ae"], on=["USUBJID", "AEDECOD"], suffixes=("_BEFORE", ""))
    return some(both["AETOXGR"].astype(int) > both["AETOXGR_BEFORE"].astype(int))


def psa_of_choice(therapies: list[str]) -> Callable[[Tables], bool]:
    def present(tables: Tables) -> bool:
        cm, lb = tables["cm"], tables["lb"]
        own = cm[cm["CMCAT"].eq("PHYSICIAN'S CHOICE") & cm["CMDECOD"].isin(therapies)]
        rows = lb[lb["LBTESTCD"].eq("PSA") & lb["LBSTRESN"].notna()].merge(own, on="USUBJID")
        falls = rows[rows["LBDTC"].str[:10] > rows["CMSTDTC"]].groupby("USUBJID").size()
        return some(falls >= 3)

    return present


def dose_changes(first: str, later: str) -> Callable[[Tables], bool]:
    def present(tables: Tables) -> bool:
        doses = infusions(tables).sort_values(["USUBJID", "DAY"]).groupby("USUBJID")["EXDOSE"]
        return some((doses.first() == first) & (doses.last() == later))

    return present


def longest_gap(tables: Tables) -> bool:
    rows = infusions(tables).sort_values(["USUBJID", "DAY"])
    return some(rows.groupby("USUBJID")["DAY"].diff().between(25, 41))


def first_cycles(n: int) -> Callable[[Tables], bool]:
    return lambda tables: some(infusions(tables).groupby("USUBJID").size() == n)


def ctc_falls_to_none(tables: Tables) -> bool:
    cp = tables["cp"]
    return some((cp["CPSTRESN"] == "0") & ~cp["VISIT"].isin(["SCREENING", "RE-SCREENING"]))


def arv7_turns_negative(tables: Tables) -> bool:
    gf = tables["gf"]
    later = ~gf["VISIT"].isin(["SCREENING", "RE-SCREENING"])
    return some(later & gf["GFSTRESC"].eq("NEGATIVE"))


def no_count_on_treatment(tables: Tables) -> bool:
    cp = tables["cp"]
    seen = set(cp.loc[cp["VISIT"].str.startswith(("CYCLE", "END")), "USUBJID"])
    return bool(set(treated(tables)) - seen)


def sum_of_targets(tables: Tables) -> pd.DataFrame:
    tr = tables["tr"]
    rows = tr[tr["TRLNKID"].str.startswith("T") & tr["TRSTRESN"].notna()]
    sums = rows.assign(SIZE=rows["TRSTRESN"].astype(float)).groupby(["USUBJID", "TRDTC"])["SIZE"]
    wide = sums.sum().reset_index()
    return wide.assign(BASE=wide.groupby("USUBJID")["SIZE"].transform("first"))


def new_on_bone_scan(first: int, then: int) -> Callable[[Tables], bool]:
    """So many new bone lesions at the first scan, so many more at a later one (None: no scan)."""

    def present(tables: Tables) -> bool:
        tu, tr = tables["tu"], tables["tr"]
        new = tu[tu["TUORRES"].eq("NEW") & tu["TUMETHOD"].eq("BONE SCAN")]
        for subject, rows in new.groupby("USUBJID"):
            scans = sorted(tr.loc[tr["USUBJID"] == subject, "TRDTC"].unique())
            at = [int((rows["TUDTC"] == scan).sum()) for scan in scans]
            if len(at) > 2 and at[1] >= first and (at[2] >= 2) == (then >= 2):
                return True
        return False

    return present


def limits_missing(tables: Tables) -> bool:
    lb = tables["lb"]
    return some(lb["LBTESTCD"].eq("NEUT") & lb["LBSTRESN"].notna() & lb["LBSTNRLO"].isna())


def late_sample(tables: Tables) -> bool:
    pc = tables["pc"]
    pc = pc[pc["PCDTC"].str.len() > 10]
    start, taken = pd.to_datetime(pc["PCRFTDTC"]), pd.to_datetime(pc["PCDTC"])
    off = (taken - start).dt.total_seconds() / 60 - pc["PCTPTNUM"].astype(float) * 60
    return some((pc["PCTPTNUM"] == "1") & (off > 5))


def alive_at_the_end(tables: Tables) -> bool:
    dm, ds = tables["dm"], tables["ds"]
    out = set(ds.loc[ds["DSSCAT"] == "STUDY PARTICIPATION", "USUBJID"])
    return bool(set(dm.loc[dm["ARMCD"].isin(["A", "B"]), "USUBJID"]) - out)


def half(base: float, values: list[float]) -> bool:
    return base / 2 in values


def positive_and_lost(decod: str) -> Callable[[Tables], bool]:
    """A patient allocated to B at the first screening who was not treated, for that reason."""

    def present(tables: Tables) -> bool:
        ds = tables["ds"]
        to_b = ds[ds["DSDECOD"].eq("ALLOCATED TO GROUP B") & ds["DSSCAT"].eq("SCREENING")]
        out = ds[ds["DSDECOD"].eq(decod) & ds["DSCAT"].eq("DISPOSITION EVENT")]
        out = out[out["DSSCAT"] == "SCREENING"]
        return bool(set(to_b["USUBJID"]) & set(out["USUBJID"]) - set(treated(tables)))

    return present


KINDS: dict[str, Callable[[Tables], bool]] = {
    "declined before the sample": milestone("DECLINED", "SCREENING"),
    "not eligible at screening": milestone("NOT ELIGIBLE", "SCREENING"),
    "count not done": cells("cp", VISIT="SCREENING", CPSTAT="NOT DONE"),
    "not assigned": cells("dm", ARMCD="NOTASSGN"),
    "screen failure": cells("dm", ARMCD="SCRNFAIL"),
    "AR-V7 not done, three cells": cells("gf", GFREASND="SAMPLE LOST IN TRANSPORT"),
    "AR-V7 undetermined": cells("gf", VISIT="SCREENING", GFSTRESC="UNDETERMINED"),
    "AR-V7 known below three": below_three_with_result,
    "criterion not met, screening": cells("ie", VISIT="SCREENING"),
    "criterion not met, re-screening": cells("ie", VISIT="RE-SCREENING"),
    "declined at re-screening": milestone("DECLINED", "RE-SCREENING"),
    "not eligible at re-screening": milestone("NOT ELIGIBLE", "RE-SCREENING"),
    "treated after re-screening": lambda tables: len(again(tables)) >= 5,
    "conversion from negative": converts_from("NEGATIVE"),
    "conversion from undetermined": converts_from("UNDETERMINED"),
    "conversion from fewer than 3": converts_from("fewer than 3"),
    "re-screened and negative": cells("gf", VISIT="RE-SCREENING", GFSTRESC="NEGATIVE"),
    "re-screened and undetermined": cells("gf", VISIT="RE-SCREENING", GFSTRESC="UNDETERMINED"),
    "re-screened with fewer than 3": cells("gf", VISIT="RE-SCREENING", GFSTAT="NOT DONE"),
    **{
        f"choice {name}": cells("cm", CMCAT="PHYSICIAN'S CHOICE", CMDECOD=name)
        for name in ("ABIRATERONE", "ENZALUTAMIDE", "CABAZITAXEL", "DOCETAXEL", "RADIUM-223")
    },
    "PSA on cabazitaxel off study": psa_of_choice(["CABAZITAXEL"]),
    "PSA on abiraterone or enzalutamide": psa_of_choice(["ABIRATERONE", "ENZALUTAMIDE"]),
    "new therapy after study treatment": cells("cm", CMCAT="SUBSEQUENT ANTICANCER THERAPY"),
    "confirmed on day 21 to 27 only": only_between(21, 28),
    "confirmed on day 20 only": only_between(20, 21),
    "fall never confirmed": only_between(0, 20),
    "confirmed on day 28 exactly": only_between(28, 29),
    "responds after week 12 only": late_only,
    "responds only under a new therapy": under_new_therapy,
    "flare, then fall": course(flare),
    "fall of exactly half": course(half),
    "no fall at all": course(lambda base, values: min(values) >= base),
    "rise without a fall, after week 12": course(
        lambda base, values: min(values) >= base and max(values) >= 1.25 * base
    ),
    "exactly 1.25 of the nadir": course(
        lambda base, values: any(v == 1.25 * low for v, low in above_nadir(base, values))
    ),
    "exactly 2 above the nadir": course(
        lambda base, values: any(v - low == 2 for v, low in above_nadir(base, values))
    ),
    "no baseline": no_baseline,
    "no value after the first dose": nothing_after,
    "two values a day with time": twice_a_day(timed=True),
    "two values a day without time": twice_a_day(timed=False),
    "below quantification": cells("lb", LBTESTCD="PSA", LBSTRESC="<0.1"),
    "PSA not done": cells("lb", LBTESTCD="PSA", LBSTAT="NOT DONE"),
    "value on the first dosing day": on_first_day,
    "value after the first infusion began": after_the_infusion,
    "PSA in ng/mL": cells("lb", LBTESTCD="PSA", LBORRESU="ng/mL"),
    "haemoglobin in g/dL": cells("lb", LBTESTCD="HGB", LBSTRESU="g/dL"),
    "limits missing": limits_missing,
    "test not done": cells("lb", LBTESTCD="NEUT", LBSTAT="NOT DONE"),
    "ten cycles": first_cycles(10),
    "one cycle": first_cycles(1),
    "starts at 20": dose_changes("20", "20"),
    "reduced to 20": dose_changes("25", "20"),
    "delayed": longest_gap,
    "infusion without day and dose": lambda t: some(t["ex"]["EXSTDTC"].isna()),
    "blood drawn at another time": cells("cp", VISIT="UNSCHEDULED"),
    "positive and declined": positive_and_lost("DECLINED"),
    "positive and not eligible": positive_and_lost("NOT ELIGIBLE"),
    "never a PSA": lambda t: bool(
        set(t["dm"].query("ARMCD == 'A'")["USUBJID"])
        - set(t["lb"].query("LBTESTCD == 'PSA' and LBSTRESC.notna()")["USUBJID"])
    ),
    "fatal event, not related": cells("ae", AEOUT="FATAL", AEREL="NOT RELATED"),
    "plasma below quantification after the infusion": cells("pc", PCSTRESC="<1", PCTPTNUM="7"),
    "plasma without a time": lambda t: some(t["pc"]["PCDTC"].str.len() == 10),
    "bone lesion gone again": lambda t: some(
        t["tr"]["TRLNKID"].str.startswith("NEW-B") & t["tr"]["TRSTRESC"].eq("ABSENT")
    ),
    "more than five targets": lambda t: some(
        t["tu"].query("TUORRES == 'TARGET'").groupby("USUBJID").size() > 5
    ),
    "response without lesions": lambda t: bool(
        set(t["rs"].query("RSTESTCD == 'TRGRESP'")["USUBJID"]) - set(t["tu"]["USUBJID"])
    ),
    **{
        f"stops: {reason}": milestone(reason, "STUDY TREATMENT")
        for reason in (
            "PROGRESSIVE DISEASE",
            "ADVERSE EVENT",
            "COMPLETED",
            "WITHDRAWAL BY SUBJECT",
            "PHYSICIAN DECISION",
            "DEATH",
        )
    },
    **{
        f"G-CSF: {why}": cells("cm", CMSCAT="G-CSF", CMINDC=why)
        for why in ("PRIMARY PROPHYLAXIS", "SECONDARY PROPHYLAXIS", "TREATMENT OF NEUTROPENIA")
    },
    "no cells left": ctc_falls_to_none,
    "AR-V7 turns negative": arv7_turns_negative,
    "no count on treatment": no_count_on_treatment,
    "count at the end of treatment": cells("cp", VISIT="END OF TREATMENT"),
    "target response": lambda t: some(sum_of_targets(t).eval("SIZE <= 0.7 * BASE")),
    "target progression": lambda t: some(sum_of_targets(t).eval("SIZE >= 1.2 * BASE + 5")),
    "complete response": cells("tr", TRTESTCD="LDIAM", TRSTRESN="0"),
    "non-target progression": cells("tr", TRSTRESC="UNEQUIVOCAL PROGRESSION"),
    "new soft-tissue lesion": cells("tu", TUORRES="NEW", TUMETHOD="CT SCAN"),
    "bone progression, 2 and 2": new_on_bone_scan(2, 2),
    "bone flare": new_on_bone_scan(2, 0),
    "lesion not evaluated": cells("tr", TRSTAT="NOT DONE"),
    "clinical progression": cells("rs", RSTESTCD="CLINPROG"),
    "performance status": cells("rs", RSTESTCD="ECOG", RSSTRESC=["2", "3"]),
    "sampled again after a failed count": second_sample,
    "month of a new therapy only": lambda t: some(t["cm"]["CMSTDTC"].str.len() == 7),
    "no scan at all": no_scan,
    "start of an event unknown, end on treatment": unknown_start(before=False),
    "start of an event unknown, end before it": unknown_start(before=True),
    "partial start, end before the first dose": partial_and_over,
    "day of an event unknown": lambda t: some(t["ae"]["AESTDTC"].str.len() == 7),
    "event before the first dose": lambda t: some(before_first_dose(t)),
    "event gets worse": worsening,
    "event after 30 days": after_dose(31, 400),
    "fatal event": cells("ae", AEOUT="FATAL", AETOXGR="5", AESDTH="Y"),
    "life-threatening event": cells("ae", AESLIFE="Y"),
    "event leads to reduction": cells("ae", AEACN="DOSE REDUCED"),
    "event leads to delay": cells("ae", AEACN="DRUG INTERRUPTED"),
    "event leads to stop": cells("ae", AEACN="DRUG WITHDRAWN"),
    "febrile neutropenia": cells("ae", AEDECOD="FEBRILE NEUTROPENIA"),
    "lost to follow-up": milestone("LOST TO FOLLOW-UP", "STUDY PARTICIPATION"),
    "withdrawn": milestone("WITHDRAWAL BY SUBJECT", "STUDY PARTICIPATION"),
    "alive at the end": alive_at_the_end,
    "plasma below quantification": cells("pc", PCSTRESC="<1"),
    "plasma sample missing": cells("pc", PCSTAT="NOT DONE"),
    "plasma sample late": late_sample,
    "tube of plasma": cells("be", BECAT="CFDNA PLASMA"),
    "major deviation": cells("dv", DVCAT="MAJOR"),
    "minor deviation": cells("dv", DVCAT="MINOR"),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_event_occurs_in_the_default_extract(default, kind):
    assert KINDS[kind](default)


# --- no contradictions -----------------------------------------------------------------------


def test_keys_are_unique_and_every_subject_stands_in_dm(several):
    for tables in several:
        subjects = tables["dm"]["USUBJID"]
        assert subjects.is_unique
        for domain, table in tables.items():
            if domain not in ("dm", "ts"):
                assert not table.duplicated(["USUBJID", f"{domain.upper()}SEQ"]).any(), domain
                assert table["USUBJID"].isin(subjects).all(), domain


@pytest.mark.parametrize("domain", list(START))
def test_nothing_is_dated_after_death_the_end_or_the_extraction(several, domain):
    for tables in several:
        table, ts = tables[domain], tables["ts"].set_index("TSPARMCD")["TSVAL"]
        ds = tables["ds"]
        ended = ds[ds["DSSCAT"] == "STUDY PARTICIPATION"].set_index("USUBJID")["DSSTDTC"]
        last = table["USUBJID"].map(ended).fillna(ts["DCUTDTC"])
        for column in filter(None, (START[domain], END.get(domain))):
            assert (table[column].fillna("").str[:10] <= last).all(), column


def test_nothing_but_the_past_comes_before_consent(several):
    for tables in several:
        consent = tables["dm"].set_index("USUBJID")["RFICDTC"]
        for domain in (
            "ds",
            "ex",
            "lb",
            "cp",
            "gf",
            "ss",
            "vs",
            "rs",
            "tu",
            "tr",
            "pc",
            "be",
            "ie",
        ):
            table = tables[domain].dropna(subset=[START[domain]])
            assert (table[START[domain]].str[:10] >= table["USUBJID"].map(consent)).all(), domain


def test_study_treatment_follows_both_consents_and_a_positive_sample(several):
    for tables in several:
        ds, gf = tables["ds"], tables["gf"]
        asked = ds[ds["DSDECOD"] == "TREATMENT CONSENT OBTAINED"].set_index("USUBJID")["DSSTDTC"]
        first = infusions(tables).groupby("USUBJID")["EXSTDTC"].min().str[:10]
        assert (asked.reindex(first.index) <= first).all()
        positive = set(gf.loc[gf["GFSTRESC"] == "POSITIVE", "USUBJID"])
        assert set(first.index) <= positive
        counts = screening_counts(tables).reindex(first_treated(tables))
        assert (counts >= 3).all()


def test_a_subject_is_dosed_at_most_ten_times_and_at_20_or_25(several):
    for tables in several:
        rows = infusions(tables)
        assert rows.groupby("USUBJID").size().max() <= 10
        assert set(rows["EXDOSE"]) <= {"20", "25"}
        gaps = rows.sort_values(["USUBJID", "DAY"]).groupby("USUBJID")["DAY"].diff().dropna()
        assert gaps.min() >= 19


def test_dm_agrees_with_the_other_domains(several):
    for tables in several:
        dm, ds = tables["dm"].set_index("USUBJID"), tables["ds"]
        first = infusions(tables).groupby("USUBJID")["EXSTDTC"].min().str[:10]
        assert dm["RFSTDTC"].dropna().to_dict() == first.to_dict()
        dead = ds[ds["DSDECOD"].eq("DEATH") & ds["DSSCAT"].eq("STUDY PARTICIPATION")]
        assert dm["DTHDTC"].dropna().to_dict() == dead.set_index("USUBJID")["DSSTDTC"].to_dict()
        allocated = ds[ds["DSDECOD"].str.startswith("ALLOCATED") & ds["DSSCAT"].eq("SCREENING")]
        groups = allocated.set_index("USUBJID")["DSDECOD"].str[-1]
        assert (dm.loc[groups.index, "ARMCD"] == groups).all()
        assert not dm.drop(groups.index)["ARMCD"].isin(["A", "B"]).any()


def test_every_result_belongs_to_a_drawn_tube(several):
    for tables in several:
        be = set(tables["be"]["BEREFID"])
        assert tables["be"]["BEREFID"].is_unique
        assert set(tables["gf"]["GFREFID"]) <= set(tables["cp"]["CPREFID"])
        assert set(tables["cp"]["CPREFID"]) <= be
        assert set(tables["pc"]["PCREFID"].dropna()) <= be


def test_measured_lesions_were_found_before(several):
    for tables in several:
        found = tables["tu"].set_index(["USUBJID", "TULNKID"])["TUDTC"]
        assert found.index.is_unique
        tr = tables["tr"].set_index(["USUBJID", "TRLNKID"])["TRDTC"]
        assert (found.reindex(tr.index) <= tr).all()


def test_white_cells_are_not_fewer_than_neutrophils(several):
    for tables in several:
        lb = tables["lb"][["USUBJID", "LBDTC", "LBTESTCD", "LBSTRESN"]].dropna()
        cells_of = {
            code: lb[lb["LBTESTCD"] == code].set_index(["USUBJID", "LBDTC"])["LBSTRESN"]
            for code in ("NEUT", "WBC")
        }
        both = pd.concat(cells_of, axis=1).dropna().astype(float)
        assert (both["NEUT"] <= both["WBC"]).all()


def test_the_volume_of_plasma_stays_within_the_plan(several):
    """100 mL in group B, 30 mL in group A (issue 4, part 9); a re-screened patient may have both."""
    for tables in several:
        be = tables["be"]
        plasma = be[be["BECAT"] == "CFDNA PLASMA"]
        drawn = plasma["BEVOL"].astype(float).groupby(plasma["USUBJID"]).sum()
        groups = tables["dm"].set_index("USUBJID")["ARMCD"].reindex(drawn.index)
        both = drawn.index.isin(sorted(again(tables)))
        assert (drawn[groups.eq("A") & ~both] <= 30).all()
        assert (drawn[both] <= 130).all()
        assert (drawn[groups.eq("B")] <= 100 + 30).all()


def psa_rows(tables: Tables) -> pd.DataFrame:
    lb = tables["lb"]
    rows = lb[lb["LBTESTCD"].eq("PSA") & lb["LBSTRESN"].notna()]
    return rows.assign(DAY=days(rows["LBDTC"]), VALUE=rows["LBSTRESN"].astype(float))


def test_psa_at_screening_and_at_baseline_belong_to_one_course(several):
    """PSA of castration-resistant disease doubles in months, not in days: from the last value before
    the first dose day to baseline it grows by less than three quarters and falls by less than half."""
    for tables in several:
        first = infusions(tables).groupby("USUBJID")["DAY"].min()
        rows = psa_rows(tables)
        rows = rows[rows["DAY"] <= rows["USUBJID"].map(first)].sort_values(["USUBJID", "LBDTC"])
        latest = rows.groupby("USUBJID")["VALUE"].apply(list)
        pairs = {subject: values[-2:] for subject, values in latest.items() if len(values) > 1}
        ratios = {subject: after / before for subject, (before, after) in pairs.items()}
        assert len(ratios) > 20
        assert {subject: ratio for subject, ratio in ratios.items() if not 0.5 < ratio < 1.75} == {}


def test_no_two_patients_share_a_course(several):
    """Neither the values after the first dose, nor their shares of the first of them."""
    for tables in several:
        first = infusions(tables).groupby("USUBJID")["DAY"].min()
        rows = psa_rows(tables)
        rows = rows[rows["DAY"] >= rows["USUBJID"].map(first)].sort_values(["USUBJID", "LBDTC"])
        told = rows.groupby("USUBJID")["VALUE"].apply(tuple)
        told = told[told.map(len) > 2]
        shares = told.map(lambda values: tuple(round(v / values[0], 3) for v in values))
        assert told.is_unique
        assert shares.is_unique


def test_febrile_neutropenia_and_anaemia_are_as_ctcae_grades_them(several):
    """CTCAE 4.03: febrile neutropenia has grade 3 to 5; anaemia of grade 3 is a haemoglobin below
    4.9 mmol/L (8.0 g/dL)."""
    for tables in several:
        ae, lb = tables["ae"], tables["lb"]
        febrile = ae[ae["AEDECOD"].str.upper() == "FEBRILE NEUTROPENIA"]
        assert set(febrile["AETOXGR"]) <= {"3", "4", "5"}
        low = lb[lb["LBTESTCD"].eq("HGB") & lb["LBSTRESN"].notna()]
        limit = low["LBSTRESU"].map({"mmol/L": 4.9, "g/dL": 8.0})
        low = low[low["LBSTRESN"].astype(float) < limit]
        seen = set(zip(low["USUBJID"], low["LBDTC"].str[:10], strict=True))
        severe = ae[ae["AEDECOD"].str.upper().eq("ANAEMIA") & (ae["AETOXGR"].astype(int) >= 3)]
        for who, day in zip(severe["USUBJID"], severe["AESTDTC"], strict=True):
            assert any(who == other and when.startswith(day) for other, when in seen)


def test_an_entry_criterion_is_not_met_at_entry(many):
    """On the day of the consent to treatment, which comes before the first dose."""
    dv, ds = many["dv"], many["ds"]
    entry = dv[dv["DVTERM"].str.startswith("ENTRY CRITERION")]
    consent = ds[ds["DSDECOD"] == "TREATMENT CONSENT OBTAINED"].groupby("USUBJID")["DSSTDTC"].max()
    assert len(entry) > 2
    assert (entry["DVSTDTC"] == entry["USUBJID"].map(consent)).all()


# --- planted defects -------------------------------------------------------------------------


def test_a_mess_has_n_defects_of_all_kinds_and_leaves_the_extract_alone(default):
    before = bytes_of(default)
    messed, planted = with_errors(default, 1, 2 * len(DATA_ERRORS))
    assert bytes_of(default) == before
    assert list(planted.columns) == PLANTED_COLUMNS
    assert len(planted) == 2 * len(DATA_ERRORS)
    assert set(planted["kind"]) == {defect.kind for defect in DATA_ERRORS}
    assert bytes_of(messed) != before


def test_a_planted_row_is_where_the_list_says(default):
    messed, planted = with_errors(default, 1, len(DATA_ERRORS))
    for line in planted.itertuples():
        row = messed[line.domain].iloc[line.row - 1]
        assert row["USUBJID"] == line.USUBJID
        if line.row <= len(default[line.domain]):
            assert not row.equals(default[line.domain].iloc[line.row - 1])


def test_no_subject_carries_two_defects(default):
    _, planted = with_errors(default, 1, 2 * len(DATA_ERRORS))
    subjects = planted.loc[planted["USUBJID"] != "CARVE-9999", "USUBJID"]
    assert subjects.is_unique


def test_the_same_seed_plants_the_same(default):
    first, second = with_errors(default, 4, 10), with_errors(default, 4, 10)
    assert bytes_of(first[0]) == bytes_of(second[0])
    pd.testing.assert_frame_equal(first[1], second[1])


def test_more_defects_than_subjects_is_refused(default):
    with pytest.raises(UsageError, match="n is too large"):
        with_errors(default, 1, 1000)


def findings(tables: Tables) -> pd.DataFrame:
    return contracts.check(tables, contracts.load(), sorted(tables))


def test_every_rule_a_defect_breaks_stands_in_the_contracts():
    rules = {rule.name for each in contracts.load().values() for rule in each.rules}
    assert {defect.rule for defect in DATA_ERRORS} <= rules


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_extract_breaks_no_critical_rule(seed):
    found = findings(simulate(seed))
    assert found[found["severity"] == "critical"].empty


@pytest.mark.slow
def test_the_contracts_find_every_planted_defect_in_its_row(default):
    messed, planted = with_errors(default, 1, 2 * len(DATA_ERRORS))
    found = findings(messed)
    seen = set(zip(found["domain"], found["rule"], found["row"], found["usubjid"], strict=True))
    wanted = planted[["domain", "rule", "row", "USUBJID"]].itertuples(index=False, name=None)
    assert [line for line in wanted if line not in seen] == []


def test_assumptions_can_be_replaced():
    given = Assumptions(study="OTHER")
    assert simulate(1, n_screened=3, assumptions=given)["dm"]["STUDYID"].tolist() == ["OTHER"] * 3
