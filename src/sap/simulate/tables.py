"""From each patient's rows to the tables of an extract: text, in a fixed order, dated, numbered."""

from collections.abc import Iterable
from datetime import date

import pandas as pd

from sap.simulate.reference import epoch, study_day
from sap.simulate.subject import Row, Subject, Value, iso

# Column order of every domain; STUDYID, DOMAIN, USUBJID and --SEQ precede these, EPOCH before
# the dates, and the study days (--DY, --STDY, --ENDY) after them.
COLUMNS: dict[str, str] = {
    "dm": "SUBJID SITEID RFICDTC RFSTDTC RFENDTC DTHDTC DTHFL AGE AGEU SEX ARMCD ARM COUNTRY DMDTC",
    "ds": "DSTERM DSDECOD DSCAT DSSCAT DSSTDTC",
    "ex": "EXTRT EXCAT EXDOSE EXDOSU EXROUTE EXSTDTC EXENDTC VISIT EXADJ",
    "cm": "CMTRT CMDECOD CMCAT CMSCAT CMCLAS CMINDC CMDOSE CMDOSU CMSTDTC CMENDTC CMENRTPT "
    "CMENTPT CMRSDISC",
    "lb": "LBTESTCD LBTEST LBCAT LBORRES LBORRESU LBSTRESC LBSTRESN LBSTRESU LBSTNRLO LBSTNRHI "
    "LBLLOQ LBSTAT LBREASND VISIT LBDTC",
    "cp": "CPTESTCD CPTEST CPORRES CPORRESU CPSTRESC CPSTRESN CPSTRESU CPSTAT CPREASND CPSPEC "
    "CPREFID VISIT CPDTC",
    "gf": "GFTESTCD GFTEST GFORRES GFSTRESC GFRESCAT GFSTAT GFREASND GFSPEC GFREFID VISIT GFDTC",
    "ss": "SSTESTCD SSTEST SSORRES SSSTRESC SSDTC",
    "ae": "AETERM AEDECOD AEBODSYS AESOC AETOXGR AESER AESDTH AESLIFE AESHOSP AESDISAB AESCONG AESMIE "
    "AEREL AEACN AEOUT AESTDTC AEENDTC AEENRTPT AEENTPT",
    "vs": "VSTESTCD VSTEST VSORRES VSORRESU VSSTRESN VSSTRESU VISIT VSDTC",
    "rs": "RSTESTCD RSTEST RSCAT RSORRES RSSTRESC RSSTRESN RSEVAL VISIT RSDTC",
    "tu": "TULNKID TUTESTCD TUORRES TULOC TULAT TUMETHOD TUEVAL VISIT TUDTC",
    "tr": "TRLNKID TRTESTCD TRORRES TRORRESU TRSTRESC TRSTRESN TRSTRESU TREVAL TRSTAT TRREASND "
    "VISIT TRDTC",
    "pc": "PCTESTCD PCTEST PCORRES PCORRESU PCSTRESC PCSTRESN PCSTRESU PCLLOQ PCSTAT PCREASND "
    "PCREFID VISIT PCTPT PCTPTNUM PCTPTREF PCRFTDTC PCDTC",
    "be": "BEREFID BETERM BEDECOD BECAT BEVOL VISIT BEDTC",
    "ie": "IETESTCD IETEST IECAT IEORRES IESTRESC VISIT IEDTC",
    "mh": "MHTERM MHDECOD MHCAT MHSTDTC MHENDTC",
    "dv": "DVTERM DVDECOD DVCAT DVSTDTC",
    "ts": "TSPARMCD TSPARM TSVAL",
}

# The start date and the end date of a record.
START: dict[str, str] = {
    "ds": "DSSTDTC",
    "ex": "EXSTDTC",
    "cm": "CMSTDTC",
    "lb": "LBDTC",
    "cp": "CPDTC",
    "gf": "GFDTC",
    "ss": "SSDTC",
    "ae": "AESTDTC",
    "vs": "VSDTC",
    "rs": "RSDTC",
    "tu": "TUDTC",
    "tr": "TRDTC",
    "pc": "PCDTC",
    "be": "BEDTC",
    "ie": "IEDTC",
    "mh": "MHSTDTC",
    "dv": "DVSTDTC",
}
# Domains whose records have no epoch: demographics, medical history, trial summary.
WITHOUT_EPOCH = ("dm", "mh", "ts")

END: dict[str, str] = {"ex": "EXENDTC", "cm": "CMENDTC", "ae": "AEENDTC", "mh": "MHENDTC"}


def text(value: Value) -> str | None:
    """A value as text in the file: 25 not 25.0, None for a missing one.

    >>> text(25.0), text(0.1), text("A"), text(None)
    ('25', '0.1', 'A', None)
    """
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def truncate_records(subject: Subject, extraction: int) -> None:
    """Remove records after the last day of a patient in the data.

    That day is death, leaving the study or the day of extraction, whichever is first. A record that
    starts later is dropped; a later end is removed.
    """
    days = [day for day in (subject.death, subject.exit, extraction) if day is not None]
    last = date.fromordinal(min(days)).isoformat()
    for domain, rows in subject.rows.items():
        subject.rows[domain] = [row for row in rows if _when(row, START[domain])[:10] <= last]
        end = END.get(domain)
        for row in subject.rows[domain]:
            if end and row.get(end) and str(row[end])[:10] > last:
                _remove_end(domain, row, last)
    _relative_ends(subject, last)


def _when(row: Row, start: str) -> str:
    """The start of a record; of one without a recorded date, its true day (PLACE)."""
    return str(row.get(start) or row.get("PLACE") or "")


def _remove_end(domain: str, row: Row, last: str) -> None:
    """Remove an end after the last day of the patient."""
    if domain == "ex":
        row["EXENDTC"] = last
        return
    row[END[domain]] = None
    if domain == "cm":
        row["CMENRTPT"] = "ONGOING"
        row["CMRSDISC"] = None
    if domain == "ae" and row["AEOUT"] != "FATAL":
        row["AEOUT"] = "NOT RECOVERED/NOT RESOLVED"


def _relative_ends(subject: Subject, last: str) -> None:
    """Ends relative to a time point (SDTMIG 3.4, 4.4.7).

    1. An event without an end and not resolved: ONGOING on the last day of the patient.
    2. An ongoing medication: on that day. A medication that ended before: before the consent.
    """
    for row in subject.rows.get("ae", []):
        if row.get("AEENDTC") is None and row["AEOUT"] != "FATAL":
            row["AEENRTPT"], row["AEENTPT"] = "ONGOING", last
    for row in subject.rows.get("cm", []):
        if row.get("CMENRTPT"):
            row["CMENTPT"] = last if row["CMENRTPT"] == "ONGOING" else iso(subject.consent)


def to_tables(
    subjects: Iterable[Subject], study: str, summary: list[Row]
) -> dict[str, pd.DataFrame]:
    """All tables of the extract; rows in the order of patient, day and writing."""
    gathered: dict[str, list[Row]] = {domain: [] for domain in COLUMNS}
    for subject in subjects:
        for domain, rows in subject.rows.items():
            start = START.get(domain, "")
            ordered = sorted(rows, key=lambda row: _when(row, start))
            for number, row in enumerate(ordered, start=1):
                gathered[domain].append(
                    {
                        "USUBJID": subject.usubjid,
                        f"{domain.upper()}SEQ": number,
                        **_placed(subject, domain, row),
                        **row,
                    }
                )
    gathered["ts"] = [{"TSSEQ": number, **row} for number, row in enumerate(summary, start=1)]
    return {domain: _table(domain, study, rows) for domain, rows in gathered.items()}


def _placed(subject: Subject, domain: str, row: Row) -> Row:
    """The epoch of a record, and the study day of each of its dates."""
    reference = subject.rows["dm"][0]["RFSTDTC"]
    start = None if reference is None else str(reference)
    timing: Row = {"EPOCH": epoch(subject, _when(row, START.get(domain, "")))}
    for column in _dates(domain):
        timing[_day_of(column)] = study_day(str(row.get(column) or ""), start)
    return timing


def _dates(domain: str) -> list[str]:
    """The columns of a domain with the collection, start or end date of its records.

    >>> _dates("pc"), _dates("ex"), _dates("dm")
    (['PCDTC'], ['EXSTDTC', 'EXENDTC'], ['DMDTC'])
    """
    ends = tuple(f"{domain.upper()}{part}DTC" for part in ("", "ST", "EN"))
    return [column for column in COLUMNS[domain].split() if column in ends]


def _day_of(column: str) -> str:
    return column.removesuffix("DTC") + "DY"


def _columns(domain: str) -> list[str]:
    """The columns of a domain in the order of the standard."""
    columns, dates = COLUMNS[domain].split(), _dates(domain)
    if not dates:
        return columns
    first, last = columns.index(dates[0]), columns.index(dates[-1]) + 1
    placed = [] if domain in WITHOUT_EPOCH else ["EPOCH"]
    days = [_day_of(column) for column in dates]
    return [*columns[:first], *placed, *columns[first:last], *days, *columns[last:]]


def _table(domain: str, study: str, rows: list[Row]) -> pd.DataFrame:
    lead = {"dm": ["USUBJID"], "ts": ["TSSEQ"]}.get(domain, ["USUBJID", f"{domain.upper()}SEQ"])
    columns = [*lead, *_columns(domain)]
    cells = [
        [study, domain.upper(), *(text(row.get(column)) for column in columns)] for row in rows
    ]
    return pd.DataFrame(cells, columns=["STUDYID", "DOMAIN", *columns], dtype=object)
