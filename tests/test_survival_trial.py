"""Overall survival of a whole simulated trial against R's survfit, from the same times."""

import datetime as dt
import subprocess

import numpy as np
import pytest

from sap import ard, contracts, snapshot
from sap.derivations.population import adsl
from sap.derivations.survival import adtte
from sap.plan import project_home, read_plan
from sap.results.survival import overall_survival
from sap.simulate import trial

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
CUT = dt.date(2019, 6, 30)
SETS = {"SCREENED": "SCRFL", "PRIMARY": "PRIMFL", "GROUPA": "GRPAFL"}
R = """
suppressMessages(library(survival))
d <- read.csv(file("stdin"))
for (set in unique(d$set)) {
  one <- d[d$set == set, ]
  fit <- survfit(Surv(days / 30.4375, died) ~ 1, data = one, conf.type = "log-log")
  s <- summary(fit)$table
  at <- summary(fit, times = 6, extend = TRUE)
  cat(set, nrow(one), sum(one$died), sprintf("%.15g", c(s[["median"]], s[["0.95LCL"]],
      s[["0.95UCL"]], at$surv, at$lower, at$upper)), "\\n")
}
"""


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 128])
def test_medians_and_landmarks_are_those_of_survfit(seed):
    """R computes from dates of DM and the last day alive of ADSL; only those days are shared."""
    rules = contracts.load()
    typed = contracts.typed(trial.simulate(seed), rules)
    tables = snapshot.in_order(snapshot.cut(typed, CUT), rules)
    subjects = adsl(tables, PLAN)
    times = adtte(subjects, PLAN.survival)
    found = ard.bind(overall_survival(subjects, times, PLAN))
    found = (
        found[found["paramcd"] == "OS"]
        .set_index(["population", "level", "stat_name"])["stat"]
        .to_dict()
    )

    lines = ["set,days,died"]
    for name, flag in SETS.items():
        mine = subjects[(subjects[flag] == "Y") & subjects["ALLOCDT"].notna()]
        end = mine["DTHDT"].fillna(mine["LSTALVDT"])
        days = (end - mine["ALLOCDT"]).dt.days
        died = mine["DTHDT"].notna().astype(int)
        lines += [f"{name},{d},{e}" for d, e in zip(days, died, strict=True)]
    call = ["Rscript", "-e", R]
    got = subprocess.run(call, input="\n".join(lines), capture_output=True, text=True, check=True)
    seen = 0
    for line in got.stdout.splitlines():
        name, n, deaths, *numbers = line.split()
        assert (found[name, "", "N"], found[name, "", "n_events"]) == (float(n), float(deaths))
        keys = [("", "median"), ("", "conf_low"), ("", "conf_high")]
        keys += [("month_6", s) for s in ("estimate", "conf_low", "conf_high")]
        ours = [found[(name, *key)] for key in keys]
        theirs = [np.nan if text == "NA" else float(text) for text in numbers]
        if theirs[3] == 1:  # before the first event survfit says 1 to 1; ours are not estimable
            theirs[4:] = [np.nan, np.nan]
        assert ours == pytest.approx(theirs, rel=1e-9, nan_ok=True), name
        seen += 1
    assert seen == len(SETS)
