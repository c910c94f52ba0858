"""The simulated extract keeps the rules of SDTM that others check an extract by.

The rules are those of CDISC's "SDTM and SDTMIG Conformance Rules" 2.0 (CGnnnn) for SDTMIG 3.4 that
once reported an extract of the simulation, each written anew here from its words; and what SDTMIG
3.4 says of study days (4.4.4), of ends relative to a time point (4.4.7) and of locations (TULOC).
"""

import re
from collections.abc import Callable, Iterator
from datetime import date

import pandas as pd
import pytest

from sap.catalogue import codelist
from sap.simulate.trial import simulate

Tables = dict[str, pd.DataFrame]
Breach = tuple[str, int]  # domain, row

SEEDS = (1, 7, 128)
OBSERVATIONS = (
    *("ae", "be", "cm", "cp", "ds", "dv", "ex", "gf", "ie", "lb", "mh", "pc", "rs", "ss"),
    *("tr", "tu", "vs"),
)
NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)")


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed {seed}")
def extract(request) -> Tables:
    return simulate(request.param)


def rows(table: pd.DataFrame) -> Iterator[tuple[int, dict[str, str | None]]]:
    yield from enumerate(table.to_dict("records"), start=1)


def full(text: str | None) -> date | None:
    """The day of a complete date; a partial one, or none, has no day."""
    return date.fromisoformat(text[:10]) if text is not None and len(text) >= 10 else None


def by_subject(table: pd.DataFrame, column: str) -> dict[str, str | None]:
    return dict(zip(table["USUBJID"], table[column], strict=True))


# --- the rules ---------------------------------------------------------------------------------


def study_days(tables: Tables) -> Iterator[Breach]:
    """CG0006, CG0007, CG0220 to CG0223: beside each --DTC stands the day it makes, and no day 0."""
    start = {who: full(day) for who, day in by_subject(tables["dm"], "RFSTDTC").items()}
    for domain in (*OBSERVATIONS, "dm"):
        table, name = tables[domain], domain.upper()
        dates = [each for each in (f"{name}DTC", f"{name}STDTC", f"{name}ENDTC") if each in table]
        assert dates or domain == "dm", domain
        for number, row in rows(table):
            for column in dates:
                day, first = full(row[column]), start[str(row["USUBJID"])]
                wanted = None
                if day is not None and first is not None:
                    away = (day - first).days
                    wanted = str(away + 1 if away >= 0 else away)
                if row[column.replace("DTC", "DY")] != wanted:
                    yield domain, number


def epochs(tables: Tables) -> Iterator[Breach]:
    """CG0009 and SDTMIG 3.4: a dated record from consent on has an epoch, and a known one."""
    consent = by_subject(tables["dm"], "RFICDTC")
    for domain in set(OBSERVATIONS) - {"mh", "ds"}:
        table = tables[domain]
        dated = next(each for each in table if str(each).endswith("DTC") and "RF" not in str(each))
        for number, row in rows(table):
            known = row["EPOCH"] in ("SCREENING", "RE-SCREENING", "TREATMENT", "FOLLOW-UP")
            day = full(row[dated])
            if domain != "ex" and known != (
                day is not None and str(row[dated]) >= str(consent[str(row["USUBJID"])])
            ):
                yield domain, number


def one_disposition_an_epoch(tables: Tables) -> Iterator[Breach]:
    """CG0398, CG0536, CG0538, CG0539, CG0063: a disposition event has an epoch of its own.

    CG0536 counts all records of a subject, subcategory and epoch: a milestone has no epoch (CG0073).
    """
    ds = tables["ds"]
    event = ds["DSCAT"].eq("DISPOSITION EVENT")
    alone = ~ds[event].duplicated(["USUBJID", "EPOCH"], keep=False) & ds.loc[event, "EPOCH"].notna()
    beside = ds.duplicated(["USUBJID", "DSSCAT", "EPOCH"], keep=False) & event
    milestone = ds["DSCAT"].eq("PROTOCOL MILESTONE") & ds["EPOCH"].notna()
    for place in ds.index[(~alone.reindex(ds.index, fill_value=True)) | beside | milestone]:
        yield "ds", int(place) + 1


def primary_class(tables: Tables) -> Iterator[Breach]:
    """CG0039: the body system is the primary system organ class, and both are given."""
    for number, row in rows(tables["ae"]):
        if row["AESOC"] is None or row["AESOC"] != row["AEBODSYS"]:
            yield "ae", number


def numbers_stand_twice(tables: Tables) -> Iterator[Breach]:
    """SDTMIG 3.4: --STRESN is --STRESC where that is a number, else missing."""
    for domain in ("rs", "lb", "cp", "pc", "tr"):
        name = domain.upper()
        for number, row in rows(tables[domain]):
            said, numeric = row[f"{name}STRESC"], row[f"{name}STRESN"]
            is_number = said is not None and NUMBER.fullmatch(said) is not None
            if (numeric is not None) != is_number or (
                is_number and float(str(said)) != float(str(numeric))
            ):
                yield domain, number


def reasons_not_done(tables: Tables) -> Iterator[Breach]:
    """CG0094: a reason not done belongs to what was not done. CG0427: a category to a result."""
    for domain in ("cp", "gf", "lb", "pc", "tr"):
        name = domain.upper()
        for number, row in rows(tables[domain]):
            if row[f"{name}REASND"] is not None and row[f"{name}STAT"] != "NOT DONE":
                yield domain, number
    for number, row in rows(tables["gf"]):
        undetermined = row["GFSTRESC"] == "UNDETERMINED"
        if undetermined != (row["GFRESCAT"] is not None):
            yield "gf", number


def deaths_agree(tables: Tables) -> Iterator[Breach]:
    """CG0069, CG0132 to CG0136, CG0171, CG0172, CG0435: one death, the same in each domain.

    A death that is an event (DSTERM says so) is a fatal event: AESDTH = Y, AEOUT = FATAL, grade 5,
    over on the day of death. No other event is.
    """
    dm, ds, ss, ae = (tables[name] for name in ("dm", "ds", "ss", "ae"))
    died = ds[ds["DSDECOD"].eq("DEATH")]
    latest = ds.groupby("USUBJID")["DSSTDTC"].max()
    day, flag = by_subject(dm, "DTHDTC"), by_subject(dm, "DTHFL")
    status = ss[ss["SSSTRESC"].eq("DEAD")]
    fatal = ae[ae["AEOUT"].eq("FATAL") | ae["AESDTH"].eq("Y") | ae["AETOXGR"].eq("5")]
    by_event = set(died.loc[died["DSTERM"].eq("DEATH DUE TO ADVERSE EVENT"), "USUBJID"])
    for number, row in rows(dm):
        who = row["USUBJID"]
        is_dead = who in set(died["USUBJID"])
        agree = (
            (flag[who] == "Y")
            == is_dead
            == (day[who] is not None)
            == (who in set(status["USUBJID"]))
        )
        if not agree or (who in by_event) != (who in set(fatal["USUBJID"])):
            yield "dm", number
    for number, row in rows(ds):
        if row["DSDECOD"] == "DEATH" and row["DSSTDTC"] != day[row["USUBJID"]]:
            yield "ds", number
    for place, row in status.iterrows():
        if row["SSDTC"] < day[row["USUBJID"]] or row["SSDTC"] < latest[row["USUBJID"]]:
            yield "ss", int(place) + 1
    for place, row in fatal.iterrows():
        said = (row["AEOUT"], row["AESDTH"], row["AETOXGR"], row["AESER"], row["AEENDTC"])
        if said != ("FATAL", "Y", "5", "Y", day[row["USUBJID"]]):
            yield "ae", int(place) + 1


def events_start_before_the_last_disposition(tables: Tables) -> Iterator[Breach]:
    """No event starts after the last record of disposition of its subject."""
    latest = tables["ds"].groupby("USUBJID")["DSSTDTC"].max()
    for number, row in rows(tables["ae"]):
        if str(row["AESTDTC"] or "") > latest[row["USUBJID"]]:
            yield "ae", number


def ends_relative_to_a_time_point(tables: Tables) -> Iterator[Breach]:
    """CG0045, CG0057, CG0058, CG0234: an end relative to a time point and that point, or neither.

    An event or a medication without an end says that it goes on; what goes on has no end.
    """
    for domain in ("ae", "cm"):
        name = domain.upper()
        for number, row in rows(tables[domain]):
            end, way, point = row[f"{name}ENDTC"], row[f"{name}ENRTPT"], row[f"{name}ENTPT"]
            together = (way is None) == (point is None) and way in (None, "BEFORE", "ONGOING")
            if not together or (way == "ONGOING") != (end is None):
                yield domain, number


def planned_times(tables: Tables) -> Iterator[Breach]:
    """CG0026, CG0090: beside a reference time point stands what it is."""
    for number, row in rows(tables["pc"]):
        if (row["PCRFTDTC"] is None) != (row["PCTPTREF"] is None):
            yield "pc", number


def ranges_beside_numbers(tables: Tables) -> Iterator[Breach]:
    """CG0182, CG0184: limits of the normal range stand beside results that are numbers."""
    for number, row in rows(tables["lb"]):
        limited = row["LBSTNRLO"] is not None or row["LBSTNRHI"] is not None
        if limited and not NUMBER.fullmatch(str(row["LBORRES"])):
            yield "lb", number


def locations(tables: Tables) -> Iterator[Breach]:
    """CDISC codelist LOC (C74456): a location in its words and their order, the side apart."""
    for number, row in rows(tables["tu"]):
        place = str(row["TULOC"])
        if codelist("LOC").standard(place) != place or row["TULAT"] not in (None, "LEFT", "RIGHT"):
            yield "tu", number


def seriousness(tables: Tables) -> Iterator[Breach]:
    """CG0041, CG0042: an event is serious when, and only when, a criterion says so."""
    criteria = ["AESCONG", "AESDISAB", "AESDTH", "AESHOSP", "AESLIFE", "AESMIE"]
    for number, row in rows(tables["ae"]):
        if (row["AESER"] == "Y") != any(row[each] == "Y" for each in criteria):
            yield "ae", number


RULES: tuple[Callable[[Tables], Iterator[Breach]], ...] = (
    study_days,
    epochs,
    one_disposition_an_epoch,
    primary_class,
    numbers_stand_twice,
    reasons_not_done,
    deaths_agree,
    events_start_before_the_last_disposition,
    ends_relative_to_a_time_point,
    planned_times,
    ranges_beside_numbers,
    locations,
    seriousness,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.replace("_", " "))
def test_the_extract_keeps(rule, extract):
    assert sorted(rule(extract)) == []


# --- the rules see what they should: one cell changed, one breach ----------------------------------

CHANGES = {
    "study_days": ("lb", "LBDY", "0"),
    "epochs": ("vs", "EPOCH", None),
    "one_disposition_an_epoch": ("ds", "EPOCH", "SCREENING"),
    "primary_class": ("ae", "AESOC", None),
    "numbers_stand_twice": ("rs", "RSSTRESN", "9"),
    "reasons_not_done": ("gf", "GFREASND", "POOR RNA QUALITY"),
    "deaths_agree": ("dm", "DTHFL", None),
    "events_start_before_the_last_disposition": ("ae", "AESTDTC", "2099-01-01"),
    "ends_relative_to_a_time_point": ("cm", "CMENTPT", None),
    "planned_times": ("pc", "PCTPTREF", None),
    "ranges_beside_numbers": ("lb", "LBORRES", "<0.1"),
    "locations": ("tu", "TULOC", "LYMPH NODE RETROPERITONEAL"),
    "seriousness": ("ae", "AESER", "Y"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.replace("_", " "))
def test_each_rule_finds_a_breach(rule):
    tables = simulate(128)
    domain, column, value = CHANGES[rule.__name__]
    table = tables[domain].copy()
    fits = table[column].notna() if value is None else table[column].ne(value)
    if rule is seriousness:
        fits &= table["AESER"].eq("N")
    if rule is reasons_not_done:
        fits &= table["GFSTRESC"].notna()
    if rule is ranges_beside_numbers:
        fits &= table["LBSTNRHI"].notna()
    place = int(table.index[fits][0])
    table.loc[place, column] = value
    assert (domain, place + 1) in set(rule({**tables, domain: table}))
