"""PSA progression, and the times to progression and of response."""

from collections.abc import Iterator

import pandas as pd

from sap.qc import psa_progression
from sap.qc.study import Place, QcRow, Source, Study
from sap.qc.survival import Time, curve_rows

METHOD = "visits read one by one in exact decimals; exact fractions, lifelines, statsmodels"
BY_PSA = ("TTPP", "DOR")
CODES = ("PFS", "RPFS", "TTPP", "DOR", "RDOR")
NAMES = ("USUBJID", "PARAMCD", "PARAM", "AVAL", "CNSR", "EVNTDESC", "CNSDTDSC")


def _source(code: str) -> Source:
    return "raw" if code in BY_PSA else "datasets"


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `psa_progression` and of the times to progression."""
    followed = psa_progression.followed(study.by_subject, study.subjects, study.plan)
    for population, paramcd, level, statistics in psa_progression.counted(
        followed, study.subjects, study.plan
    ):
        place = Place("psa_progression", population, paramcd=paramcd, level=level)
        yield from place.rows(statistics, METHOD)
    if study.adtte is None:
        return
    times = _own_times(study.adtte, psa_progression.times(followed, study.psa, study.plan))
    for code in CODES:
        asked = [("PRIMARY", code), ("RESCREENED", f"{code}RE")]
        if study.plan.study.groups and code in ("PFS", "TTPP"):
            asked.append(("GROUPA", code))
        for population, paramcd in asked:
            yield from _curves(times, population, code, paramcd, study)
            yield from _reasons(times, population, code, paramcd, study)
    yield from _other_definitions(times, study)


def _own_times(adtte: pd.DataFrame, own: Iterator[psa_progression.Time]) -> pd.DataFrame:
    """ADTTE with the times to PSA progression computed here in place of its own."""
    by_psa = adtte["PARAMCD"].str.startswith(BY_PSA)
    rows = [
        (
            one.who, one.paramcd, f"{one.paramcd}; {one.words}" if one.words else one.paramcd,
            float(one.days), 0 if one.event else 1, one.why if one.event else "",
            "" if one.event else one.why,
        )
        for one in own
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(NAMES)).astype({"AVAL": float, "CNSR": int})
    parts = [part for part in (adtte.loc[~by_psa, list(NAMES)], frame) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else frame


def _curves(
    times: pd.DataFrame, population: str, code: str, paramcd: str, study: Study
) -> Iterator[QcRow]:
    there = times["PARAMCD"].isin((code, f"{code}RE")).any()
    inside = times[(times["PARAMCD"] == paramcd) & times["USUBJID"].isin(study.inside(population))]
    followed: list[Time] = [
        (int(days), int(censored == 0))
        for days, censored in zip(inside["AVAL"], inside["CNSR"], strict=True)
    ]
    place = Place(code.lower(), population, paramcd=paramcd)
    # Without any response no subject has a duration of one; the data do not lack it.
    if not followed and not there and code != "DOR":
        none = dict.fromkeys(("N", "n_events", "median", "conf_low", "conf_high"))
        yield from place.rows(none, METHOD, _source(code))
        return
    yield from curve_rows(place, followed, study, METHOD, _source(code))


def _reasons(
    times: pd.DataFrame, population: str, code: str, paramcd: str, study: Study
) -> Iterator[QcRow]:
    inside = times[(times["PARAMCD"] == paramcd) & times["USUBJID"].isin(study.inside(population))]
    ends: dict[tuple[str, str], int] = {}
    for censored, event, reason in zip(
        inside["CNSR"], inside["EVNTDESC"], inside["CNSDTDSC"], strict=True
    ):
        key = ("Censored", str(reason)) if censored else ("Event", str(event))
        ends[key] = ends.get(key, 0) + 1
    for (how, reason), n in ends.items():
        place = Place(f"{code.lower()}_reasons", population, "", paramcd, reason, how)
        yield from place.rows({"n": n, "N": len(inside)}, METHOD, _source(code))


def _other_definitions(times: pd.DataFrame, study: Study) -> Iterator[QcRow]:
    primary = set(study.inside("PRIMARY"))
    by: dict[tuple[str, str, str], list[Time]] = {}
    names = ("USUBJID", "PARAMCD", "PARAM", "AVAL", "CNSR")
    for who, paramcd, param, days, censored in zip(*(times[n] for n in names), strict=True):
        code = next((c for c in ("PFS", "RPFS", "TTPP") if paramcd.startswith(c)), None)
        if code and who in primary and not paramcd.endswith("RE"):
            level = str(param).partition("; ")[2] or "As planned"
            by.setdefault((code, paramcd, level), []).append((int(days), int(censored == 0)))
    for (code, paramcd, level), followed in by.items():
        place = Place(f"{code.lower()}_sensitivity", "PRIMARY", paramcd=paramcd)
        for row in curve_rows(place, followed, study, METHOD, _source(code)):
            if row.analysis == place.analysis and not row.level:
                yield row._replace(level=level)
    for code in sorted({"PFS", "RPFS", "TTPP"} - {code for code, _, _ in by}):
        place = Place(f"{code.lower()}_sensitivity", "PRIMARY", "", code, "As planned")
        yield from place.rows({"median": None}, METHOD, _source(code))
