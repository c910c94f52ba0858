"""The CABA-V7 supplement as SDTM: the mapping on made-up patients, then the published counts."""

import csv
import datetime
import itertools
import re
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd
import pytest

from sap.errors import UsageError
from sap.intake import caba_v7
from sap.intake.caba_v7 import MAPPING, mapped, read, read_mapping

# The published headers, typed from the files and not taken from the mapping.
DAY = " [day from registration]"
HEADERS = {
    "clinical.csv": [
        "Subject Number",
        "Age at registration",
        "WHO/ECOG PS at registration",
        "PSA at primary diagnosis [ug/L]",
        "Response PSA",
        "Total Gleason",
        "Primary Gleason",
        "Secondary Gleason",
        "Primary diagnosis" + DAY,
        "Metastastic disease" + DAY,
        "M-stage primary diagnosis",
        "Radical prostactomy",
        "Bilateral orchiectomy",
        "Prior external radiotherapy prostate",
        "Prior RTX metastases",
        "Prior internal RTX",
        "Prior chemotherapy",
        "Prior hormonal therapy",
        "Prior other treatment",
        "Post-Treatment",
        "Start of Post-Treatment" + DAY,
        "End of Post-Treatment" + DAY,
        "Cycles of Cabazitaxel",
        "End of cabazitaxel cycles" + DAY,
        "Reason discontinuation",
        "Did patient experience disease progression",
        "Progression" + DAY,
        "Overall response",
        "End of study" + DAY,
        "Reason end of study",
        "Death" + DAY,
        "Survival",
        "Last follow-up" + DAY,
        "Pre-screening" + DAY,
        "Registration" + DAY,
    ],
    "sample_overview.csv": [
        "Subject Number",
        "cfDNA yield (ng)",
        "AR-V7 (Baseline)",
        "AR-V7 Conversion",
        "Inclusion (Treated with Caba)",
        "CTC Count (Baseline)",
        "CTC Count (Baseline – 7.5mL)",
        "Comments",
        "CTC – Treatment 3",
        "CTC – Treatment 4",
        "CTC – Treatment 5",
        "Response CTC",
        "Response CTC-Decline",
        "Max. VAF",
        "Nr. of coding mutations",
    ],
    "psa.csv": ["Subject Number", "PSA measurement" + DAY, "PSA [ug/L]"],
    "hematology.csv": ["Subject Number", "Measurement" + DAY, "HBG", "WBC", "ANC", "LYM", "TROMB"],
    "lab.csv": ["Subject Number", "Measurement" + DAY, "ALT", "AST", "ALP", "ALB", "LDH"],
    "ae.csv": [
        "Subject Number",
        "PERIOD",
        "CYCLE",
        "SPPERIOD",
        "AEDAT" + DAY,
        "SOC",
        "AETOXGR",
        "AETERM",
        "AEREL",
    ],
    "sae.csv": [
        "Subject Number",
        "SAETERM",
        "AESTDAT" + DAY,
        "SAESTDAT" + DAY,
        "AESER",
        "HOSPSTDAT" + DAY,
        "HOSPENDAT" + DAY,
        "SAETOXGR",
        "SAEREL",
        "SAEACN",
        "SAEOUT",
        "SAEENDAT" + DAY,
    ],
    "prior_chemo.csv": [
        "Subject Number",
        "Type of prior chemo",
        "Start prior chemo" + DAY,
        "End prior chemo" + DAY,
        "Prior cycles of chemo",
        "Discontinuation prior chemo",
    ],
    "prior_hormonal.csv": [
        "Subject Number",
        "Type of prior hormonal treatment",
        "Start prior hormonal treatment" + DAY,
        "End prior hormonal treatment" + DAY,
        "Discontinuation prior hormonal treatment",
    ],
    "auc.csv": [
        "Subject Number",
        "Cabazitaxel AUC_0-24h (ng*h/mL) – Dose Corrected",
        "Type",
    ],
}

# Three patients who never lived: 901 is treated and dies, 902 is positive and declines, 903 is
# undetermined and gets another therapy.
MADE_UP = {
    "clinical.csv": [
        {
            "Subject Number": "901",
            "Age at registration": "70",
            "WHO/ECOG PS at registration": "1",
            "Total Gleason": "8",
            "Primary diagnosis" + DAY: "-730",
            "Metastastic disease" + DAY: "-365.0",
            "M-stage primary diagnosis": "M1b",
            "Radical prostactomy": "Yes",
            "Bilateral orchiectomy": "No",
            "Prior internal RTX": "Yes",
            "Post-Treatment": "Cabazitaxel  (CABA-V7)",
            "Start of Post-Treatment" + DAY: "27.0",
            "End of Post-Treatment" + DAY: "69.0",
            "Cycles of Cabazitaxel": "3",
            "End of cabazitaxel cycles" + DAY: "75.0",
            "Reason discontinuation": "--- Other",
            "Overall response": "Stable Disease",
            "End of study" + DAY: "365.0",
            "Reason end of study": "Death",
            "Death" + DAY: "365.0",
            "Survival": "1",
            "Pre-screening" + DAY: "-1",
            "Registration" + DAY: "0",
        },
        {
            "Subject Number": "902",
            "Age at registration": "61",
            "WHO/ECOG PS at registration": "0",
            "Primary diagnosis" + DAY: "-31",
            "Radical prostactomy": "No",
            "Post-Treatment": "Unknown",
            "Survival": "0",
            "Last follow-up" + DAY: "58.0",
            "Pre-screening" + DAY: "0",
            "Registration" + DAY: "0",
        },
        {
            "Subject Number": "903",
            "Age at registration": "66",
            "WHO/ECOG PS at registration": "2",
            "Primary diagnosis" + DAY: "-32",
            "Post-Treatment": "Radation",
            "Start of Post-Treatment" + DAY: "9.0",
            "End of Post-Treatment" + DAY: "12.0",
            "End of study" + DAY: "40.0",
            "Reason end of study": "Lost to follow up",
            "Survival": "0",
            "Pre-screening" + DAY: "2",
            "Registration" + DAY: "0",
        },
    ],
    "sample_overview.csv": [
        {
            "Subject Number": "901",
            "AR-V7 (Baseline)": "Pos.",
            "AR-V7 Conversion": "Neg.",
            "Inclusion (Treated with Caba)": "Yes",
            "CTC Count (Baseline)": "6",
            "CTC Count (Baseline – 7.5mL)": "7",
            "Comments": "No plasma for genomic profiling.",
            "CTC – Treatment 4": "3.0",
        },
        {
            "Subject Number": "902",
            "AR-V7 (Baseline)": "Pos.",
            "Inclusion (Treated with Caba)": "No",
            "CTC Count (Baseline)": "30",
            "CTC Count (Baseline – 7.5mL)": "30",
            "Comments": "Patient declined further study.",
        },
        {
            "Subject Number": "903",
            "AR-V7 (Baseline)": "Und.",
            "CTC Count (Baseline)": "0",
            "CTC Count (Baseline – 7.5mL)": "0",
            "Comments": "Too few CTC at baseline.",
        },
    ],
    "psa.csv": [
        {"Subject Number": "901", "PSA measurement" + DAY: "48", "PSA [ug/L]": "10.50"},
        {"Subject Number": "901", "PSA measurement" + DAY: "20", "PSA [ug/L]": "100"},
        {"Subject Number": "901", "PSA measurement" + DAY: "48", "PSA [ug/L]": "11"},
    ],
    "hematology.csv": [
        {"Subject Number": "901", "Measurement" + DAY: "20", "HBG": "7.0", "ANC": "9", "WBC": "8"},
        {"Subject Number": "901", "Measurement" + DAY: "20", "HBG": "7.0", "ANC": "9", "WBC": "8"},
    ],
    "lab.csv": [
        {"Subject Number": "902", "Measurement" + DAY: "3", "ALP": "120.0"},
        {"Subject Number": "903", "Measurement" + DAY: "5"},
    ],
    "ae.csv": [
        {
            "Subject Number": "901",
            "AEDAT" + DAY: "31",
            "SOC": "Infections and infestations",
            "AETOXGR": "3",
            "AETERM": "Febrile neutropenia",
            "AEREL": "Unrelated",
        },
    ],
    "sae.csv": [
        {
            "Subject Number": "901",
            "SAETERM": "Neutropenial fever",
            "AESTDAT" + DAY: "30.0",
            "SAESTDAT" + DAY: "31",
            "AESER": "(Prolongation of) hospitalization",
            "SAETOXGR": "4",
            "SAEREL": "Likely related to cabazitaxel",
            "SAEACN": "None",
            "SAEOUT": "Resolved",
            "SAEENDAT" + DAY: "35.0",
        },
    ],
    "prior_chemo.csv": [
        {
            "Subject Number": "901",
            "Type of prior chemo": "Other (Docetaxel oral)",
            "Start prior chemo" + DAY: "-90.0",
            "End prior chemo" + DAY: "-31.0",
            "Discontinuation prior chemo": "Toxicity",
        },
    ],
    "prior_hormonal.csv": [
        {
            "Subject Number": "903",
            "Type of prior hormonal treatment": "Lucrin/Leuproreline",
            "Start prior hormonal treatment" + DAY: "-60.0",
        },
    ],
    "auc.csv": [
        {
            "Subject Number": "901",
            "Cabazitaxel AUC_0-24h (ng*h/mL) – Dose Corrected": "200.5",
            "Type": "AR-V7 - Pos.",
        },
        {
            "Subject Number": "R901",
            "Cabazitaxel AUC_0-24h (ng*h/mL) – Dose Corrected": "150.5",
            "Type": "Reference Cohort",
        },
    ],
}


def copied():
    return {file: [dict(row) for row in rows] for file, rows in MADE_UP.items()}


def written(directory, sheets, headers=HEADERS):
    for file, rows in sheets.items():
        with (directory / file).open("w", encoding="utf-8", newline="") as stream:
            sheet = csv.DictWriter(stream, headers[file], restval="", extrasaction="raise")
            sheet.writeheader()
            sheet.writerows(rows)
    return directory


@pytest.fixture
def made_up(tmp_path):
    return written(tmp_path, copied())


def of(table, subject, *columns, **equal):
    rows = table[table["USUBJID"] == f"CABA-V7-{subject}"]
    for column, value in equal.items():
        rows = rows[rows[column] == value]
    return [tuple(row) for row in rows[list(columns)].to_numpy()]


# Dates, numbers, missing values ------------------------------------------------------------------


def test_days_from_registration_count_from_1_january_2018(made_up):
    """By hand: day -1 is New Year's Eve, day 27 the 28th of January, day 365 the next New Year."""
    tables, _ = read(made_up)
    columns = ["DMDTC", "RFICDTC", "RFSTDTC", "RFENDTC", "DTHDTC"]
    assert of(tables["dm"], "901", *columns) == [
        ("2018-01-01", "2017-12-31", "2018-01-28", "2018-03-11", "2019-01-01")
    ]
    assert of(tables["dm"], "903", *columns) == [("2018-01-01", "2018-01-03", None, None, None)]


def test_ts_says_that_no_date_is_real(made_up):
    ts = read(made_up)[0]["ts"].set_index("TSPARMCD")["TSVAL"]
    assert ts["DATEANCH"].startswith("2018-01-01")
    assert "no date of a subject is real" in ts["DATEANCH"]


def test_another_anchor_moves_every_date_of_a_subject_and_nothing_else(made_up, tmp_path):
    text = MAPPING.read_text(encoding="utf-8").replace("date: 2018-01-01", "date: 2018-01-11")
    (tmp_path / "other.yml").write_text(text, encoding="utf-8")
    here, there = read(made_up)[0], read(made_up, tmp_path / "other.yml")[0]
    for name in set(here) - {"ts"}:
        for column in here[name]:
            one, other = here[name][column], there[name][column]
            if column.endswith("DTC"):
                apart = pd.to_datetime(other.dropna()) - pd.to_datetime(one.dropna())
                assert (apart == pd.Timedelta(days=10)).all()
            else:
                assert one.equals(other)


def test_everything_is_text_or_none_and_whole_numbers_have_no_point(made_up):
    tables, _ = read(made_up)
    for table in tables.values():
        assert all(type(v) is str or v is None for v in table.to_numpy().ravel())
        assert not any(v.endswith(".0") for v in table.to_numpy().ravel() if v is not None)
    assert of(tables["lb"], "901", "LBORRES", LBTESTCD="HGB") == [("7",), ("7",)]
    assert of(tables["lb"], "901", "LBSTRESN", LBTESTCD="PSA") == [("100",), ("10.5",), ("11",)]


def test_the_word_none_is_an_action_and_an_empty_cell_is_none(made_up):
    tables, _ = read(made_up)
    assert of(tables["ae"], "901", "AEACN", "AESDTH") == [("DOSE NOT CHANGED", None)]


# Records -----------------------------------------------------------------------------------------


def test_a_course_has_a_record_a_cycle_with_the_first_and_the_last_day(made_up):
    tables, _ = read(made_up)
    assert of(tables["ex"], "901", "EXSEQ", "VISIT", "EXSTDTC", "EXDOSE") == [
        ("1", "CYCLE 1", "2018-01-28", None),
        ("2", "CYCLE 2", None, None),
        ("3", "CYCLE 3", "2018-03-11", None),
    ]
    assert set(tables["ex"]["USUBJID"]) == {"CABA-V7-901"}


def test_a_course_of_one_cycle_has_its_first_day(tmp_path):
    sheets = copied()
    sheets["clinical.csv"][0]["Cycles of Cabazitaxel"] = "1"
    tables, _ = read(written(tmp_path, sheets))
    assert of(tables["ex"], "901", "VISIT", "EXSTDTC") == [("CYCLE 1", "2018-01-28")]


def test_milestones_and_dispositions_of_each_made_up_subject(made_up):
    tables, _ = read(made_up)
    both = {"INFORMED CONSENT OBTAINED", "SCREENED"}
    got = defaultdict(set)
    for subject, term in tables["ds"][["USUBJID", "DSDECOD"]].to_numpy():
        got[subject[-3:]].add(term)
    assert got == {
        "901": both | {"ALLOCATED TO GROUP B", "OTHER", "DEATH"},
        "902": both | {"DECLINED"},
        "903": both | {"NOT ELIGIBLE", "LOST TO FOLLOW-UP"},
    }
    assert of(tables["ds"], "901", "DSSTDTC", DSSCAT="STUDY TREATMENT") == [("2018-03-17",)]
    assert of(tables["ds"], "901", "DSSTDTC", DSDECOD="ALLOCATED TO GROUP B") == [("2018-01-28",)]
    arms = dict(tables["dm"][["SUBJID", "ARMCD"]].to_numpy())
    assert arms == {"901": "B", "902": "NOTASSGN", "903": "SCRNFAIL"}


def test_survival_status_of_each_made_up_subject(made_up):
    tables, _ = read(made_up)
    assert [tuple(row) for row in tables["ss"][["USUBJID", "SSSTRESC", "SSDTC"]].to_numpy()] == [
        ("CABA-V7-901", "DEAD", "2019-01-01"),
        ("CABA-V7-902", "ALIVE", "2018-02-28"),
        ("CABA-V7-903", "LOST TO FOLLOW-UP", "2018-02-10"),
    ]


def test_counts_and_ar_v7_stand_at_their_visits_with_the_same_sample(made_up):
    tables, _ = read(made_up)
    assert of(tables["cp"], "901", "VISIT", "CPORRES", "CPSTRESN", "CPDTC") == [
        ("SCREENING", "6", "7", "2017-12-31"),
        ("CYCLE 4", "3", "3", None),
    ]
    assert of(tables["gf"], "901", "VISIT", "GFSTRESC", "GFDTC") == [
        ("SCREENING", "POSITIVE", "2017-12-31"),
        ("CYCLE 4", "NEGATIVE", None),
    ]
    assert of(tables["gf"], "903", "GFSTRESC", "GFRESCAT") == [("UNDETERMINED", "TOO FEW CTC")]
    assert set(tables["gf"]["GFREFID"]) <= set(tables["cp"]["CPREFID"])


def test_therapies_have_mended_names_and_keep_the_word_of_the_source(made_up):
    tables, _ = read(made_up)
    columns = ["CMTRT", "CMDECOD", "CMCAT", "CMSCAT"]
    assert of(tables["cm"], "903", *columns) == [
        ("Radation", "RADIOTHERAPY", "PHYSICIAN'S CHOICE", "RADIOTHERAPY"),
        ("Lucrin/Leuproreline", "LEUPRORELIN", "PRIOR ANTICANCER THERAPY", "HORMONAL"),
    ]
    assert sorted(of(tables["cm"], "901", "CMDECOD")) == [("DOCETAXEL",), ("RADIOTHERAPY",)]
    assert of(tables["cm"], "902", "CMDECOD") == []


@pytest.mark.parametrize(
    "term, day, ends, records",
    [
        ("Febrile neutropenia", "30", "35.0", 1),  # its first day
        ("Febrile neutropenia", "35", "35.0", 1),  # its last day
        ("Febrile neutropenia", "36", "35.0", 2),  # a day after it ended
        ("Febrile neutropenia", "29", "35.0", 2),  # a day before it began
        ("Febrile neutropenia", "99", "", 1),  # it never ended
        ("Pain", "31", "35.0", 2),  # another event
    ],
)
def test_one_event_in_two_files_is_one_record(tmp_path, term, day, ends, records):
    sheets = copied()
    sheets["ae.csv"][0] |= {"AETERM": term, "AEDAT" + DAY: day}
    sheets["sae.csv"][0] |= {"SAEENDAT" + DAY: ends}
    tables, _ = read(written(tmp_path, sheets))
    assert len(tables["ae"]) == records


def test_where_the_two_files_disagree_the_serious_report_stays_and_the_cell_is_listed(made_up):
    tables, unmapped = read(made_up)
    columns = ["AETERM", "AEDECOD", "AETOXGR", "AESER", "AEREL", "AESTDTC", "AEENDTC"]
    course = ("2018-01-31", "2018-02-05")
    assert of(tables["ae"], "901", *columns) == [
        ("Neutropenial fever", "Febrile neutropenia", "4", "Y", "PROBABLY RELATED", *course)
    ]
    listed = unmapped[(unmapped["file"] == "ae.csv") & unmapped["row"].notna()]
    assert set(listed["column"]) == {"AEDAT" + DAY, "SOC", "AETOXGR", "AETERM", "AEREL"}


def test_exact_duplicates_and_two_values_on_one_day_are_kept(made_up):
    tables, _ = read(made_up)
    assert len(of(tables["lb"], "901", "LBDTC", LBTESTCD="NEUT")) == 2
    assert len(of(tables["lb"], "901", "LBDTC", LBTESTCD="PSA", LBDTC="2018-02-18")) == 2


def test_the_row_order_of_the_source_reaches_no_table(made_up, tmp_path):
    backwards = tmp_path / "backwards"
    backwards.mkdir()
    written(backwards, {file: rows[::-1] for file, rows in copied().items()})
    here, there = read(made_up)[0], read(backwards)[0]
    for name in here:
        pd.testing.assert_frame_equal(here[name], there[name])


# What is not mapped ------------------------------------------------------------------------------


def test_a_cell_whose_loss_changes_nothing_was_dropped_in_silence(tmp_path):
    """Each cell in turn is emptied: tables or listing must change.

    Except where its whole column or row is listed as left out, and where the word means that
    nothing was done and its record therefore does not exist.
    """
    directory = written(tmp_path, copied())
    rules = read_mapping(MAPPING)
    tables, unmapped = mapped(directory, rules)
    whole = set(unmapped.loc[unmapped["row"].isna(), ["file", "column"]].apply(tuple, axis=1))
    rows = set(unmapped.loc[unmapped["column"].isna(), ["file", "row"]].apply(tuple, axis=1))
    silent = []
    for file, sheet in MADE_UP.items():
        for number, row in enumerate(sheet, start=1):
            for column in row:
                told = (file, column) in whole or (file, str(number)) in rows
                if told or column == "Subject Number" or row[column] == "No":
                    continue
                sheets = copied()
                sheets[file][number - 1][column] = ""
                written(directory, {file: sheets[file]})
                now, listing = mapped(directory, rules)
                if listing.equals(unmapped) and all(now[t].equals(tables[t]) for t in tables):
                    silent.append((file, number, column))
        written(directory, {file: sheet})
    assert silent == []


def test_a_row_of_another_cohort_and_the_columns_without_a_table_are_listed(made_up):
    _, unmapped = read(made_up)
    auc = unmapped[unmapped["file"] == "auc.csv"]
    assert list(auc.loc[auc["column"].isna(), "row"]) == ["2"]
    assert set(auc["column"].dropna()) == set(HEADERS["auc.csv"][1:])
    lost = unmapped[(unmapped["column"] == "Post-Treatment")]
    assert list(lost["row"]) == ["2"]


UNKNOWN = [
    ("sample_overview.csv", "AR-V7 (Baseline)", "gf", "GFSTRESC"),
    ("sample_overview.csv", "Inclusion (Treated with Caba)", "dm", "ARMCD"),
    ("sae.csv", "SAETERM", "ae", "AEDECOD"),
    ("sae.csv", "SAEACN", "ae", "AEACN"),
    ("prior_chemo.csv", "Type of prior chemo", "cm", "CMDECOD"),
    ("clinical.csv", "Reason discontinuation", "ds", "DSDECOD"),
    ("clinical.csv", "Overall response", "rs", "RSSTRESC"),
    ("clinical.csv", "Post-Treatment", "cm", "CMDECOD"),
    ("clinical.csv", "Survival", "ss", "SSSTRESC"),
]


@pytest.mark.parametrize("file, column, domain, variable", UNKNOWN)
def test_an_unknown_word_is_listed_without_the_word_and_its_variable_is_empty(
    tmp_path, file, column, domain, variable
):
    sheets = copied()
    sheets[file][0][column] = "Zyzzyva"
    tables, unmapped = read(written(tmp_path, sheets))
    assert None in [value for (value,) in of(tables[domain], "901", variable)]
    listed = unmapped[(unmapped["file"] == file) & (unmapped["column"] == column)]
    assert "1" in set(listed["row"])
    assert "Zyzzyva" not in unmapped.to_csv()


def test_a_number_that_is_none_goes_on_to_its_contract_and_a_day_that_is_none_is_listed(tmp_path):
    sheets = copied()
    sheets["psa.csv"][1]["PSA [ug/L]"] = "abc"
    sheets["psa.csv"][2]["PSA measurement" + DAY] = "12.5"
    tables, unmapped = read(written(tmp_path, sheets))
    assert sorted(of(tables["lb"], "901", "LBSTRESN", LBTESTCD="PSA")) == [
        ("10.5",),
        ("11",),
        ("abc",),
    ]
    listed = unmapped[(unmapped["file"] == "psa.csv")]
    assert [tuple(row) for row in listed[["row", "column"]].to_numpy()] == [
        ("3", "PSA measurement" + DAY)
    ]


@pytest.mark.parametrize("cycles", ["many", "-2", "0", "2.5", "100000"])
def test_a_number_of_cycles_that_is_none_is_listed(tmp_path, cycles):
    sheets = copied()
    sheets["clinical.csv"][0]["Cycles of Cabazitaxel"] = cycles
    tables, unmapped = read(written(tmp_path, sheets))
    assert tables["ex"].empty
    assert "Cycles of Cabazitaxel" in set(unmapped["column"])


# Refusals ----------------------------------------------------------------------------------------


def test_missing_files_are_named_all_at_once(made_up):
    (made_up / "psa.csv").unlink()
    (made_up / "sae.csv").unlink()
    with pytest.raises(UsageError, match=r"psa\.csv, sae\.csv"):
        read(made_up)


def test_unknown_and_missing_headers_are_named_all_at_once(tmp_path):
    headers = HEADERS | {"psa.csv": [*HEADERS["psa.csv"][:2], "PSA [ng/mL]", "Laboratory"]}
    sheets = copied() | {"psa.csv": []}
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path, sheets, headers))
    for said in ("lacks the column 'PSA [ug/L]'", "'PSA [ng/mL]'", "'Laboratory'"):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"Subject Number,PSA [ug/L]\n901,1\n", "lacks the column"),
        (b"", "lacks the column"),
        (b"\xff\xfe\x00", "cannot be read"),
        (
            f"Subject Number,PSA measurement{DAY},PSA [ug/L]\n901,1\n".encode(),
            "row 1: not as many fields",
        ),
    ],
)
def test_a_file_that_is_not_the_published_one_is_refused(made_up, content, said):
    (made_up / "psa.csv").write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        read(made_up)
    assert "psa.csv" in str(caught.value)


# The mapping -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("terms: arv7}", "terms: arv8}", "no terms are called arv8"),
        ("LBCAT: {text: TUMOR MARKER}", "LBKIND: {text: A}", "no variable LBKIND"),
        ("Response PSA: {why:", "Total Gleason: {why:", "read and left out"),
        ("of: clinical.csv", "of: psa.csv", "not once_per_subject"),
        ("from: psa.csv", "from: spa.csv", "spa.csv, which is not listed under files"),
        ("- domain: lb", "- domain: lab", "lab, which is no table"),
        ("Pos.: {as: POSITIVE, why: same meaning}", "Pos.: {as: POSITIVE}", "needs `why`"),
        ("Pos.: {as: POSITIVE, why: same meaning}", "Pos.: {why: x}", "give one of"),
        ("  why: >-\n    Only days", "  because: >-\n    Only days", "anchor"),
        ("text: Trial Title", "column: Trial Title", "has no `from`"),
        ("key: Subject Number", "key: Subject Number\nkey: Subject", "given twice"),
    ],
)
def test_a_faulty_mapping_is_refused_with_its_fault(tmp_path, old, new, said):
    text = MAPPING.read_text(encoding="utf-8")
    assert old in text
    other = tmp_path / "mapping.yml"
    other.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(said)):
        read_mapping(other)


def test_no_decision_stands_in_the_code():
    """No word of the source, no controlled term and no header is written in the module."""
    rules = read_mapping(MAPPING)
    words = {word for terms in rules.terms.values() for word in terms}
    words |= {
        term.becomes for terms in rules.terms.values() for term in terms.values() if term.becomes
    }
    words |= set(
        itertools.chain(*HEADERS.values()),
    ) | set(rules.files)
    code = Path(caba_v7.__file__).read_text(encoding="utf-8")
    spoken = {word for word in words if f'"{word}"' in code or f"'{word}'" in code}
    assert spoken == set()


def test_the_mapping_names_exactly_the_published_headers():
    rules = read_mapping(MAPPING)
    assert {file: set(rules.headers(file)) for file in rules.files} == {
        file: set(headers) for file, headers in HEADERS.items()
    }


# The published data ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(shared_data):
    return read(shared_data / "caba-v7")


def rows_of(shared_data, file):
    with (shared_data / "caba-v7" / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.shared
def test_data_readme_137_subjects_25_treated(published):
    tables, _ = published
    assert tables["dm"]["USUBJID"].nunique() == len(tables["dm"]) == 137
    assert Counter(tables["dm"]["ARMCD"]) == {"SCRNFAIL": 97, "B": 25, "NOTASSGN": 15}
    assert tables["ex"]["USUBJID"].nunique() == 25


@pytest.mark.shared
def test_trial_facts_1_3_and_1_6_ar_v7_and_counts_at_screening(published):
    tables, _ = published
    gf = tables["gf"][tables["gf"]["VISIT"] == "SCREENING"]
    assert Counter(gf["GFSTRESC"]) == {"POSITIVE": 40, "NEGATIVE": 63, "UNDETERMINED": 34}
    assert Counter(gf["GFRESCAT"].dropna()) == {
        "INSUFFICIENT EPITHELIAL SIGNAL": 26,
        "INSUFFICIENT RNA QUALITY": 4,
        "TOO FEW CTC": 2,
        "QPCR FAILURE": 1,
        "NOT SPECIFIED": 1,
    }
    cp = tables["cp"][tables["cp"]["VISIT"] == "SCREENING"]
    high = set(cp.loc[cp["CPSTRESN"].astype(float) >= 3, "USUBJID"])
    by_result = Counter(gf.loc[gf["USUBJID"].isin(high), "GFSTRESC"])
    assert by_result == {"POSITIVE": 35, "NEGATIVE": 51, "UNDETERMINED": 10}
    differ = (cp["CPORRES"] != cp["CPSTRESN"]).sum()
    assert differ == 4  # counted in the source: raw and per 7.5 mL differ for four patients


@pytest.mark.shared
def test_trial_facts_1_6_cycles_reasons_and_response(published):
    tables, _ = published
    cycles = Counter(tables["ex"].groupby("USUBJID").size())
    assert cycles == {2: 3, 3: 2, 4: 5, 5: 4, 6: 4, 8: 2, 10: 4, 14: 1}
    assert len(tables["ex"]) == 146
    off = tables["ds"][tables["ds"]["DSSCAT"] == "STUDY TREATMENT"]
    assert Counter(off["DSDECOD"]) == {
        "PROGRESSIVE DISEASE": 15,
        "ADVERSE EVENT": 4,
        "COMPLETED": 4,
        "WITHDRAWAL BY SUBJECT": 1,
        "OTHER": 1,
    }
    not_treated = tables["ds"][tables["ds"]["DSDECOD"].isin(["DECLINED", "NOT ELIGIBLE"])]
    assert Counter(not_treated["DSDECOD"]) == {"DECLINED": 14, "NOT ELIGIBLE": 97}
    best = tables["rs"][tables["rs"]["RSTESTCD"] == "BESTRESP"]
    assert Counter(best["RSSTRESC"]) == {"SD": 9, "PD": 16}


@pytest.mark.shared
def test_deaths_as_the_source_counts_them(published, shared_data):
    tables, _ = published
    dead = {
        row["Subject Number"]
        for row in rows_of(shared_data, "clinical.csv")
        if row["Survival"] == "1"
    }
    assert len(dead) == 95
    assert set(tables["dm"].loc[tables["dm"]["DTHFL"] == "Y", "SUBJID"]) == dead
    ss = tables["ss"]
    assert set(ss.loc[ss["SSSTRESC"] == "DEAD", "USUBJID"]) == {f"CABA-V7-{one}" for one in dead}
    assert len(ss) == 137
    assert ss["SSDTC"].notna().all()


def falls(values, start, end, window):
    """By the rule of the plan, literally: the days with a value at most half of the baseline."""
    baseline_day = max(day for day, _ in values if day <= start)
    on_day = [value for day, value in values if day == baseline_day]
    baseline = sum(on_day) / len(on_day)
    days = []
    for day, value in values:
        if day <= start:
            continue
        if window is not None and day > end + window:
            continue
        if value <= baseline / 2:
            days.append(day)
    return days


def responders(courses, values, window):
    """Patients with a fall, with one confirmed after 21 and after 28 days."""
    reached, after_21, after_28 = set(), set(), set()
    for subject, (start, end) in courses.items():
        days = falls(values[subject], start, end, window)
        if days:
            reached.add(subject)
        for one in days:
            for other in days:
                if other - one >= 21:
                    after_21.add(subject)
                if other - one >= 28:
                    after_28.add(subject)
    return reached, after_21, after_28


@pytest.mark.shared
@pytest.mark.parametrize("last", ["End of Post-Treatment", "End of cabazitaxel cycles"])
@pytest.mark.parametrize("window, counts", [(21, [4, 3, 2]), (None, [5, 4, 3])])
def test_data_readme_psa_responses_counted_by_hand_in_the_source(shared_data, last, window, counts):
    """Either column as the day of the last cycle gives the published counts and patients."""
    courses, published_subjects = {}, set()
    for row in rows_of(shared_data, "clinical.csv"):
        if row["Cycles of Cabazitaxel"]:
            start = float(row["Start of Post-Treatment" + DAY])
            courses[row["Subject Number"]] = start, float(row[last + DAY])
        if row["Response PSA"].startswith("Formal"):
            published_subjects.add(row["Subject Number"])
    values = defaultdict(list)
    for row in rows_of(shared_data, "psa.csv"):
        values[row["Subject Number"]].append(
            (float(row["PSA measurement" + DAY]), float(row["PSA [ug/L]"]))
        )
    got = responders(courses, values, window)
    assert [len(subjects) for subjects in got] == counts
    if window == 21:
        assert got[1] == published_subjects


@pytest.mark.shared
@pytest.mark.parametrize("window, counts", [(21, [4, 3, 2]), (None, [5, 4, 3])])
def test_data_readme_psa_responses_counted_by_hand_in_the_tables(published, window, counts):
    tables, _ = published

    def day(text):
        return datetime.date.fromisoformat(text).toordinal()

    courses = {}
    for subject, course in tables["ex"].dropna(subset="EXSTDTC").groupby("USUBJID"):
        courses[subject] = min(map(day, course["EXSTDTC"])), max(map(day, course["EXSTDTC"]))
    values = defaultdict(list)
    psa = tables["lb"][tables["lb"]["LBTESTCD"] == "PSA"]
    for subject, when, value in psa[["USUBJID", "LBDTC", "LBSTRESN"]].to_numpy():
        values[subject].append((day(when), float(value)))
    assert [len(subjects) for subjects in responders(courses, values, window)] == counts


@pytest.mark.shared
def test_data_readme_ctc_response_3_of_20(published):
    cp = published[0]["cp"]
    before = cp[cp["VISIT"] == "SCREENING"].set_index("USUBJID")["CPSTRESN"].astype(float)
    lowest = (
        cp[cp["VISIT"] != "SCREENING"]
        .groupby("USUBJID")["CPSTRESN"]
        .agg(lambda counts: min(map(float, counts)))
    )
    evaluable = [subject for subject in lowest.index if before[subject] >= 5]
    assert len(evaluable) == 20
    assert sum(lowest[subject] < 5 for subject in evaluable) == 3


@pytest.mark.shared
def test_rows_in_are_rows_out(published, shared_data):
    tables, unmapped = published

    def filled(file, columns):
        return sum(bool(row[c]) for row in rows_of(shared_data, file) for c in columns)

    lb = Counter(tables["lb"]["LBCAT"])
    assert len(rows_of(shared_data, "psa.csv")) == lb["TUMOR MARKER"] == 223
    assert filled("hematology.csv", HEADERS["hematology.csv"][2:]) == lb["HEMATOLOGY"]
    assert filled("lab.csv", HEADERS["lab.csv"][2:]) == lb["CHEMISTRY"]
    assert not unmapped["file"].isin(["psa.csv", "hematology.csv", "prior_hormonal.csv"]).any()
    cm = tables["cm"]
    assert len(rows_of(shared_data, "prior_hormonal.csv")) == 283
    prior = cm[(cm["CMCAT"] == "PRIOR ANTICANCER THERAPY") & (cm["CMSCAT"] == "HORMONAL")]
    assert len(prior) == 283
    prior = cm[(cm["CMCAT"] == "PRIOR ANTICANCER THERAPY") & (cm["CMSCAT"] == "CHEMOTHERAPY")]
    assert len(prior) == len(rows_of(shared_data, "prior_chemo.csv")) == 148
    # 137 patients: 25 on study, 4 with the word None, 5 unknown and listed.
    assert (cm["CMCAT"] == "PHYSICIAN'S CHOICE").sum() == 137 - 25 - 4 - 5
    assert (unmapped["column"] == "Post-Treatment").sum() == 5
    # 7 events and 12 serious ones, of which two are in both files (read by hand).
    assert len(tables["ae"]) == 7 + 12 - 2
    assert (tables["ae"]["AESER"] == "Y").sum() == 12
    assert (unmapped["file"] == "auc.csv").sum() == 69 + 2


def texts_of_each_subject(tables):
    """All that the tables say of a patient, whatever the variable."""
    texts = defaultdict(set)
    for table in tables.values():
        for row in table.to_dict("records"):
            texts[row.get("USUBJID")] |= {text for text in row.values() if text is not None}
    for subject, term in tables["mh"][["USUBJID", "MHTERM"]].to_numpy():
        texts[subject] |= {term.split()[-1]}
    for subject, cycles in tables["ex"].groupby("USUBJID").size().items():
        texts[subject] |= {str(cycles)}
    return texts


def words_become(rules):
    """Every term that a word of the source can become; a word that makes no record becomes it."""
    become = defaultdict(set)
    for record in rules.records:
        for column, made in record.columns.items():
            become[column, "Yes"] |= set(made.values())
        for value in record.variables.values():
            terms = rules.terms[value.terms] if isinstance(value.terms, str) else value.terms or {}
            for word, term in terms.items():
                become[value.column, word] |= {term.becomes or NO_RECORD}
    return become


NO_RECORD = "no record"
FLAGS = {"(Prolongation of) hospitalization": "AESHOSP", "Life-threatening": "AESLIFE"}
FLAGS |= {"Other medically important condition": "AESMIE", "Death": "AESDTH"}


def shapes_of(column, raw, become):
    """What a cell may look like in a table, worked out without the module."""
    if column.endswith(DAY):
        days = datetime.timedelta(days=int(float(raw)))
        return {(datetime.date(2018, 1, 1) + days).isoformat()}
    if re.fullmatch(r"-?[0-9]+([.][0-9]+)?", raw):
        return {raw, f"{float(raw):.10g}"}
    if raw == "No" and column.startswith(("Prior", "Radical", "Bilateral")):
        return {NO_RECORD}
    if column == "AESER":
        return {"Y"} if raw in FLAGS else set()
    return {raw} | become[column, raw]


@pytest.mark.shared
def test_every_cell_of_the_source_is_in_a_table_or_listed(published, shared_data):
    """Looked up by value: among all texts of the same patient, as itself, a date, or its term."""
    tables, unmapped = published
    texts, become = texts_of_each_subject(tables), words_become(read_mapping(MAPPING))
    listed = {tuple(row) for row in unmapped[["file", "row", "column"]].to_numpy()}
    lost = []
    for file, header in HEADERS.items():
        for number, row in enumerate(rows_of(shared_data, file), start=1):
            there = texts[f"CABA-V7-{row['Subject Number']}"] | {NO_RECORD}
            for column in header[1:]:
                told = {(file, n, c) for n in (None, str(number)) for c in (None, column)} & listed
                if row[column] and not told and not shapes_of(column, row[column], become) & there:
                    lost.append((file, number, column))
    assert lost == []


@pytest.mark.shared
def test_the_listing_holds_no_value_of_a_patient(published, shared_data):
    """Its reasons are sentences of the mapping or of the module, so none was made from a cell."""
    _, unmapped = published
    mapping = " ".join(MAPPING.read_text(encoding="utf-8").split())
    said = {caba_v7.NOT_READ, caba_v7.NOT_A_DAY, caba_v7.NOT_A_WORD, caba_v7.SAME_EVENT}
    assert all(reason in said or reason in mapping for reason in set(unmapped["reason"]))
    assert unmapped["row"].dropna().str.fullmatch(r"[0-9]+").all()
    assert unmapped["file"].isin(HEADERS).all()
    known = set(itertools.chain(*HEADERS.values()))
    assert unmapped["column"].dropna().isin(known).all()


# one event in both files, its days at most a few apart: febrile neutropenia is "Neutropenial fever" in sae.csv
IN_BOTH_FILES = {("035", "Hematuria"), ("127", "Febrile neutropenia")}


def twice(keys):
    """How many of them stand more than once, each counted."""
    return sum(count for count in Counter(keys).values() if count > 1)


@pytest.mark.shared
@pytest.mark.slow
def test_no_critical_finding_and_the_expected_warnings_counted_in_the_source(
    published, shared_data
):
    from sap import contracts

    subjects = rows_of(shared_data, "clinical.csv")
    samples = rows_of(shared_data, "sample_overview.csv")
    counts = rows_of(shared_data, "hematology.csv")
    cycles = [int(subject["Cycles of Cabazitaxel"] or 0) for subject in subjects]
    start = "Start of Post-Treatment" + DAY
    results = [
        (file, row["Subject Number"], row["Measurement" + DAY], test, row[test])
        for file in ("hematology.csv", "lab.csv")
        for row in rows_of(shared_data, file)
        for test in HEADERS[file][2:]
        if row[test]
    ]
    psa = rows_of(shared_data, "psa.csv")
    on_treatment = [column for column in HEADERS["sample_overview.csv"] if "Treatment " in column]
    expected = {
        # doses and days inside a course are not published; one patient has more than 10 cycles
        ("ex-dose-missing", "warning"): sum(cycles),
        ("ex-date-missing", "warning"): sum(max(n - 2, 0) for n in cycles),
        ("ex-too-many-cycles", "warning"): sum(max(n - 10, 0) for n in cycles),
        # one patient's treatment ends before the day taken for his last infusion
        ("ex-after-end-of-treatment", "warning"): sum(
            float(subject["End of cabazitaxel cycles" + DAY])
            < float(subject["End of Post-Treatment" + DAY])
            for subject, n in zip(subjects, cycles, strict=True)
            if n
        ),
        # nor are the days of samples on treatment and of patients found not eligible or declining
        ("cp-date-missing", "warning"): sum(bool(s[c]) for s in samples for c in on_treatment),
        ("gf-date-missing", "warning"): sum(bool(s["AR-V7 Conversion"]) for s in samples),
        ("ds-disposition-date", "warning"): 137 - 25,
        ("rs-progression-date", "warning"): sum(
            subject["Overall response"] == "Progressive Disease" for subject in subjects
        ),
        ("cm-start-missing", "warning"): sum(
            subject["Post-Treatment"] not in ("Unknown", "None") and not subject[start]
            for subject in subjects
        ),
        # ae.csv has no action taken; of its events those that stand in sae.csv too have one
        ("ae-action-missing", "warning"): len(
            {(row["Subject Number"], row["AETERM"]) for row in rows_of(shared_data, "ae.csv")}
            - IN_BOTH_FILES
        ),
        # the mess that the source has and the tables keep
        ("cp-raw-count", "info"): 4,
        ("lb-duplicate", "warning"): twice(results),
        ("lb-two-psa-on-a-day", "info"): twice(
            (row["Subject Number"], row["PSA measurement" + DAY]) for row in psa
        ),
        ("lb-neut-above-wbc", "warning"): sum(
            float(row["ANC"]) > float(row["WBC"]) for row in counts if row["ANC"] and row["WBC"]
        ),
    }
    plan_caba_v7_inputs = ["dm", "ds", "ex", "lb", "cp", "gf", "ss", "ae"]
    found = contracts.check(published[0], contracts.load(), plan_caba_v7_inputs)
    assert Counter(zip(found["rule"], found["severity"], strict=True)) == expected
