"""A cut-off on any day: nothing that is known only later stands in the cut, and it can be frozen.

The rules are those of `snapshot.cut`. What is "known only later" is written down here a second time,
column by column, from SDTMIG 3.4: the date of each record, its end, and what is recorded with them.
"""

import datetime as dt
import json
import random
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.errors import ContractError
from sap.intake import sdtm
from sap.pipeline import commands
from sap.plan import read_plan
from sap.simulate import trial

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"
RULES = contracts.load()
SEED = 128
INTERIM = dt.date(2017, 6, 30)

DATES = {
    "ae": "AESTDTC", "be": "BEDTC", "cm": "CMSTDTC", "cp": "CPDTC", "ds": "DSSTDTC",
    "dv": "DVSTDTC", "ex": "EXSTDTC", "gf": "GFDTC", "ie": "IEDTC", "lb": "LBDTC", "mh": "MHSTDTC",
    "pc": "PCDTC", "rs": "RSDTC", "ss": "SSDTC", "tr": "TRDTC", "tu": "TUDTC", "vs": "VSDTC",
}  # fmt: skip
ENDS = {"ae": "AEENDTC", "cm": "CMENDTC", "ex": "EXENDTC", "mh": "MHENDTC"}
WITH_THE_END = {
    "ae": ["AEOUT", "AEENRTPT", "AEENTPT"], "cm": ["CMENRTPT", "CMENTPT", "CMRSDISC"],
}  # fmt: skip
# What says which record of a later day it is: of these an undated record of the same visit, course or
# episode is the neighbour.
NAMES = ["STUDYID", "DOMAIN", "USUBJID", "VISIT", "EXTRT", "DSCAT", "DSSCAT", "DSDECOD", "RSCAT",
         "RSTESTCD", "SSSTRESC"]  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> dict[str, pd.DataFrame]:
    minimum = read_plan(PLAN).plan.biomarker.cell_count.minimum
    return contracts.typed(trial.simulate(SEED, ctc_threshold=minimum), RULES)


@pytest.fixture(scope="module")
def found(whole) -> pd.DataFrame:
    return contracts.check(whole, RULES, read_plan(PLAN).plan.inputs.required)


def days_after(cells: pd.Series, day: dt.date) -> pd.Series:
    """Cells whose first possible day lies after `day`: the text is padded, so 2017-07 is its first."""
    padded = cells.fillna("").str.slice(0, 10).map(lambda c: c + "0000-01-01"[len(c) :] if c else c)
    return padded.gt(day.isoformat())


def written_anew(
    cells: pd.Series, rows: pd.Series, chance: random.Random, words: list
) -> pd.Series:
    """The column with those cells drawn anew: numbers as numbers, text from the words."""
    if pd.api.types.is_numeric_dtype(cells):
        drawn = [chance.random() for _ in cells]
        return cells.mask(rows, pd.Series(drawn, index=cells.index))
    return cells.mask(rows, pd.Series(chance.choices(words, k=len(cells)), index=cells.index))


def later_days(table: pd.DataFrame, column: str, rows: pd.Series, chance, day: dt.date) -> None:
    new = [(day + dt.timedelta(days=chance.randint(1, 900))).isoformat() for _ in table.index]
    table[column] = table[column].mask(rows, pd.Series(new, index=table.index, dtype=object))


def events_anew(ae: pd.DataFrame, late: pd.Series, died: set[str], chance, day: dt.date) -> None:
    """An event that proved fatal later may be recorded with any later end."""
    fatal = ~late & ae["USUBJID"].isin(died) & ae["AEOUT"].eq("FATAL")
    later_days(ae, "AEENDTC", fatal, chance, day)


def subjects_anew(dm: pd.DataFrame, ds: pd.DataFrame, chance, day: dt.date) -> None:
    """Doses and deaths of later days, and the arm of whoever was allocated later."""
    for column in ("RFSTDTC", "RFENDTC", "DTHDTC"):
        later_days(dm, column, days_after(dm[column], day), chance, day)
    decided = ds["DSDECOD"].str.startswith("ALLOCATED") | (
        ds["DSCAT"].eq("DISPOSITION EVENT") & ds["DSSCAT"].eq("SCREENING")
    )
    early = set(ds["USUBJID"][decided & ~days_after(ds["DSSTDTC"], day)])
    later = dm["USUBJID"].isin(set(ds["USUBJID"][decided]) - early)
    dm["ARMCD"] = written_anew(dm["ARMCD"], later, chance, ["A", "B", "SCRNFAIL"])
    dm["ARM"] = written_anew(dm["ARM"], later, chance, ["x", "y"])


def rewritten(tables: dict[str, pd.DataFrame], day: dt.date, seed: int) -> dict[str, pd.DataFrame]:
    """The tables with everything that is known only after `day` written anew."""
    chance = random.Random(seed)
    made = {name: table.copy() for name, table in tables.items()}
    died = set(made["dm"]["USUBJID"][days_after(made["dm"]["DTHDTC"], day)])
    for name, column in DATES.items():
        table = made[name]
        late = days_after(table[column], day)
        if name == "ae":
            events_anew(table, late, died, chance, day)
        if name in ENDS:
            open_end = ~late & days_after(table[ENDS[name]], day)
            later_days(table, ENDS[name], open_end, chance, day)
            for cell in WITH_THE_END.get(name, ()):
                table[cell] = written_anew(table[cell], open_end, chance, [None, "X", "Y"])
        for cell in table.columns.difference([*NAMES, column, f"{name.upper()}SEQ"]):
            table[cell] = written_anew(table[cell], late, chance, ["X", "Y", "Z"])
        later_days(table, column, late, chance, day)
        new = table[late].assign(**{f"{name.upper()}SEQ": 9000.0 + table.index[late]})
        made[name] = pd.concat([table, new], ignore_index=True)
    subjects_anew(made["dm"], tables["ds"], chance, day)
    return made


def cut_of(tables: dict[str, pd.DataFrame], day: dt.date) -> dict[str, pd.DataFrame]:
    return snapshot.in_order(snapshot.cut(tables, day), RULES)


@pytest.mark.parametrize("day", [dt.date(2016, 8, 1), INTERIM, dt.date(2018, 6, 30)])
def test_whatever_is_known_only_later_leaves_the_cut_as_it_is(whole, day):
    before = cut_of(whole, day)
    anew = rewritten(whole, day, seed=1)
    assert any(not anew[name].equals(whole[name]) for name in DATES)
    for name, table in cut_of(anew, day).items():
        pd.testing.assert_frame_equal(table, before[name], obj=name)


def test_whatever_was_known_before_is_in_the_cut(whole):
    """The reverse: each record that was there, and had not ended later, is kept as it is."""
    cut = cut_of(whole, INTERIM)
    there = whole["dm"]["USUBJID"][~days_after(whole["dm"]["RFICDTC"], INTERIM)]
    for name, column in DATES.items():
        table = whole[name][whole[name]["USUBJID"].isin(there)]
        over = table[column].notna() & ~days_after(table[column], INTERIM)
        if name in ENDS:
            over &= ~days_after(table[ENDS[name]], INTERIM)
            if (point := f"{name.upper()}ENTPT") in table:
                over &= ~days_after(table[point], INTERIM)
        kept = cut[name].merge(table[over], how="right", indicator=True)
        assert set(kept["_merge"]) <= {"both"}, name
        assert over.any(), f"{name}: the trial tries nothing"


def test_one_value_of_an_earlier_day_changes_the_cut(whole):
    for name in ("lb", "ae", "ds", "ex"):
        table = whole[name].copy()
        over = table.index[table[DATES[name]].notna() & ~days_after(table[DATES[name]], INTERIM)]
        table.loc[over[0], DATES[name]] = "2016-03-03"
        changed = cut_of(whole | {name: table}, INTERIM)
        assert not changed[name].equals(cut_of(whole, INTERIM)[name]), name


# ---- freezing on any day -------------------------------------------------------------------------


def names(findings: pd.DataFrame) -> set[tuple[str, ...]]:
    return set(findings[["domain", "rule", "usubjid", "seq"]].astype(str).itertuples(index=False))


def no_breach_of_its_own(whole, found, day: dt.date) -> pd.DataFrame:
    """The findings of a cut: none that the extract has not, and none critical."""
    required = [name for name in read_plan(PLAN).plan.inputs.required if name in whole]
    of_cut = contracts.check_cut(cut_of(whole, day), RULES, required, found)
    assert names(of_cut) <= names(found), day
    assert not of_cut["severity"].eq("critical").any(), day
    return of_cut


UNDATED = ("ex", "ex-date-missing", "CARVE-096", "6")


def test_an_undated_infusion_that_the_cut_makes_the_last_is_no_breach(whole, found):
    """data.md 12: between 2018-06-09 and 2018-07-21 the sixth infusion of CARVE-096 is the last."""
    of_cut = no_breach_of_its_own(whole, found, dt.date(2018, 6, 30))
    assert UNDATED in names(of_cut)
    ex = cut_of(whole, dt.date(2018, 6, 30))["ex"]
    row = of_cut[of_cut["rule"].eq("ex-date-missing") & of_cut["usubjid"].eq("CARVE-096")]["row"]
    record = ex.iloc[int(row.iloc[0]) - 1]
    assert (record["USUBJID"], record["EXSEQ"]) == ("CARVE-096", 6.0)
    mine = ex[ex["USUBJID"].eq("CARVE-096") & ex["EXTRT"].eq("CABAZITAXEL")]
    assert mine["EXSEQ"].max() == 6.0


def test_an_undated_last_infusion_of_the_extract_is_critical_still(whole):
    """The rule itself holds: the last infusion of the extract without a date stops it."""
    ex = whole["ex"].copy()
    last = ex[ex["USUBJID"].eq("CARVE-096") & ex["EXTRT"].eq("CABAZITAXEL")]["EXSEQ"].idxmax()
    ex.loc[last, "EXSTDTC"] = None
    some = {name: whole[name] for name in ("dm", "ds", "cp", "gf")} | {"ex": ex}
    asked = contracts.check(some, RULES, ["dm", "ex"])
    assert "ex-first-last-date" in set(asked[asked["severity"] == "critical"]["rule"])


# Measurements are cut by their date alone and take most of the time of a check.
MEASURED = ("lb", "vs", "pc", "be", "mh")


@pytest.mark.parametrize(
    "step", [pytest.param(13, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.long)]
)
def test_every_week_of_the_trial_can_be_frozen(step, whole, found):
    """Every week in `make long`, one week of a quarter of a year else."""
    whole = {name: table for name, table in whole.items() if name not in MEASURED}
    for week in range(0, 174, step):
        no_breach_of_its_own(whole, found, dt.date(2016, 3, 5) + dt.timedelta(weeks=week))


@pytest.mark.slow
@pytest.mark.shared
def test_a_cut_of_caba_v7_in_the_middle_of_a_course_is_frozen(shared_data, tmp_path):
    """data.md 12: 2018-08-01 was refused."""
    plan = HOME / "analysis" / "plan-caba-v7.yml"
    commands.intake("caba-v7", shared_data / "caba-v7", tmp_path / "extract")
    folder = commands.freeze(tmp_path / "extract", plan, "2018-08-01", tmp_path / "frozen")
    assert json.loads((folder / "manifest.json").read_text())["cut_off"] == "2018-08-01"


def postponed(tables: dict[str, pd.DataFrame], day: dt.date) -> dict[str, pd.DataFrame]:
    """A later extract in which what came after `day` came a day later, with other values."""
    made = {name: table.copy() for name, table in tables.items()}
    columns = {**DATES, "dm": "DTHDTC"}
    for name, table in made.items():
        dates = [columns.get(name), ENDS.get(name), "RFENDTC" if name == "dm" else None]
        for column in [c for c in dates if c is not None]:
            late = days_after(table[column], day) & table[column].str.len().ge(10)
            moved = [
                (dt.date.fromisoformat(cell[:10]) + dt.timedelta(days=1)).isoformat() + cell[10:]
                for cell in table.loc[late, column]
            ]
            table.loc[late, column] = moved
    lb = made["lb"]
    late = days_after(lb["LBDTC"], day) & lb["LBTESTCD"].eq("PSA") & lb["LBSTRESN"].notna()
    lb.loc[late, ["LBSTRESN"]] *= 2
    return made


@pytest.mark.slow
def test_extracts_that_differ_only_in_later_things_freeze_to_the_same_folder(tmp_path):
    minimum = read_plan(PLAN).plan.biomarker.cell_count.minimum
    tables = trial.simulate(SEED, ctc_threshold=minimum)
    typed = contracts.typed(tables, RULES)
    early = typed["lb"].copy()
    first = early.index[early["LBTESTCD"].eq("PSA") & ~days_after(early["LBDTC"], INTERIM)][0]
    early.loc[first, "LBSTRESN"] += 1
    extracts = {
        "one": typed, "later": postponed(typed, INTERIM), "earlier": typed | {"lb": early},
    }  # fmt: skip
    folders = {}
    for name, parts in extracts.items():
        sdtm.write({each: contracts.text(table) for each, table in parts.items()}, tmp_path / name)
        folders[name] = commands.freeze(
            tmp_path / name, PLAN, "interim", tmp_path / f"frozen-{name}"
        )
    assert folders["one"].name == folders["later"].name
    for path in folders["one"].iterdir():
        assert path.read_bytes() == (folders["later"] / path.name).read_bytes(), path.name
    assert folders["one"].name != folders["earlier"].name


def test_a_refused_cut_names_the_rows_of_the_extract(whole, monkeypatch, tmp_path):
    """A rule that the cut breaks (none does: it is forced here) is told with the extract's row."""
    some = {name: whole[name] for name in ("dm", "ex")}
    cut = cut_of(some, INTERIM)["ex"]
    one = contracts.check({"dm": whole["dm"], "ex": cut}, RULES, ["dm"]).iloc[:0]
    record = cut.iloc[-1]
    one.loc[0] = {
        **dict.fromkeys(one.columns), "domain": "ex", "rule": "r", "description": "d",
        "severity": "critical", "row": len(cut), "usubjid": record["USUBJID"],
        "seq": contracts.number_text(record["EXSEQ"]),
    }  # fmt: skip
    told = commands._with_source_rows(one, some)
    at = int(told["row"].iloc[0]) - 1
    assert (
        whole["ex"].iloc[at][["USUBJID", "EXSEQ"]].tolist() == record[["USUBJID", "EXSEQ"]].tolist()
    )
    with pytest.raises(ContractError, match=f"row {at + 1}"):
        commands._refuse_critical(told, "The cut")
