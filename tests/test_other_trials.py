"""SDTM of other trials: nothing crashes, nothing legal is called wrong, what is left are facts."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from sap.errors import ContractError
from sap.pipeline import commands
from sap.plan import project_home

PLAN = project_home() / "analysis" / "plan.yml"

# What both trials have not that this plan requires: its samples, markers, laboratory and follow-up.
NOT_COLLECTED = {
    # no CTC, no AR-V7, no survival follow-up in either; laboratory data are not in the folders
    ("critical", "cp", "extract-domain-missing"): 1,
    ("critical", "gf", "extract-domain-missing"): 1,
    ("critical", "lb", "extract-domain-missing"): 1,
    ("critical", "ss", "extract-domain-missing"): 1,
    # severity (AESEV) and not a CTCAE grade was recorded: AETOXGR is permissible in SDTMIG 3.4, and
    # this plan counts grades
    ("critical", "ae", "extract-column-missing"): 1,
    # DSSCAT is permissible; this plan tells screening, treatment and participation by it
    ("critical", "ds", "extract-column-missing"): 1,
}
EXPECTED = {
    "cdisc-pilot/sdtm": NOT_COLLECTED
    | {
        # the day of consent is in no record of DM (RFICDTC is expected, and empty)
        ("critical", "dm", "dm-consent-date"): 306,
        # the trial is in women and patients with Alzheimer's disease; 179 are women (README of the data)
        ("critical", "dm", "dm-sex"): 179,
        # arms Pbo, Xan_Lo, Xan_Hi and Scrnfail: only Scrnfail, 52 subjects, is an arm of this plan
        ("warning", "dm", "dm-armcd"): 254,
        # four events have no AEREL, three with AESDTH = Y have AESER = N: both are in the source
        ("warning", "ae", "ae-causality-missing"): 4,
        # no event has an action taken (AEACN is expected, and empty)
        ("warning", "ae", "ae-action-missing"): 961,
        ("warning", "ae", "ae-death-not-serious"): 3,
        # domains of SDTMIG that no rule of this plan reads
        ("info", "sc", "extract-domain-unknown"): 1,
        ("info", "suppae", "extract-domain-unknown"): 1,
        ("info", "suppdm", "extract-domain-unknown"): 1,
        ("info", "suppds", "extract-domain-unknown"): 1,
        ("info", "sv", "extract-domain-unknown"): 1,
    },
    "pharmaverse-onco/one-arm": NOT_COLLECTED
    | {
        ("critical", "dm", "dm-consent-date"): 84,
        # 40 of the 84 are women (README of the data)
        ("critical", "dm", "dm-sex"): 40,
        # all 84 are of the arm Xan_Hi
        ("warning", "dm", "dm-armcd"): 84,
        # no event has an action taken (AEACN is expected, and empty)
        ("warning", "ae", "ae-action-missing"): 455,
        # DIAMETER stands beside LDIAM or LPERP with another number in 605 records
        ("warning", "tr", "tr-axis-differs"): 300,
        ("warning", "tr", "tr-diameter-differs"): 305,
    },
}
# Rules about the plan: other drugs, another study. They are facts about these trials, and how many
# there are is the plan's matter.
OF_THE_PLAN = {"ex-extrt", "extract-study", "extract-study-drug"}


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("trial", EXPECTED)
def test_what_is_left_are_facts_about_the_trial(shared_data, tmp_path, trial):
    extract = commands.intake("sdtm", shared_data / Path(trial), tmp_path / "extract")
    with pytest.raises(ContractError):
        commands.check(extract, PLAN, tmp_path / "findings")
    found = pd.read_csv(tmp_path / "findings" / "findings.csv")
    found = found[~found["rule"].isin(OF_THE_PLAN)]
    columns = found[found["rule"] == "extract-column-unknown"]
    assert set(columns["severity"]) == {"info"}
    rest = found[(found["rule"] != "extract-column-unknown") & ~_of_plan_terms(found)]
    rows = rest[["severity", "domain", "rule"]].itertuples(index=False, name=None)
    assert Counter(rows) == Counter(EXPECTED[trial])


def _of_plan_terms(found: pd.DataFrame) -> pd.Series:
    """Terms of the plan that the data do not have, and words of the data the plan does not name."""
    return found["rule"].str.fullmatch(r"extract-[a-z-]+-(never-met|not-read|not-in-plan)")
