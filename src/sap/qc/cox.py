"""Cox regression by statsmodels and lifelines; no second computation where the penalised fit is wanted."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc.dates import complete_day
from sap.qc.kaplan_meier import quantile_z
from sap.qc.subjects import Record, Subject
from sap.qc.summaries import Value

ROUNDS = 4  # each starts where the last one ended: the digits of Newton's method double
AGREE = 1e-4  # lifelines stops after seven or eight digits
FARTHEST = 15.0  # a coefficient beyond it is that of groups whose events do not overlap


def status(subject: Subject, rs: Sequence[Record], plan: Plan) -> float | None:
    """ECOG by the allocation, or the consent of a patient not allocated; else in the plan's window."""
    limit = subject.allocated or subject.consent or subject.first_dose
    if limit is None:
        return None
    known = []
    for row in rs:
        day = complete_day(row.get("RSDTC"))
        if row.get("RSTESTCD") == "ECOG" and day is not None:
            known.append((day, row["RSSEQ"], row.get("RSSTRESC")))
    known.sort(key=lambda one: one[:2])
    statuses = [value for day, _, value in known if day <= limit][-1:]
    if not statuses and "ECOG" in plan.baseline.window_measures:
        statuses = [
            value
            for day, _, value in known
            if 0 < (day - limit).days <= plan.baseline.window_days
            and (subject.first_dose is None or day <= subject.first_dose)
        ][:1]
    return None if not statuses or statuses[0] is None else float(statuses[0])


def covariates(subject: Subject, age: float | None, ecog: float | None) -> dict[str, float | None]:
    """Every covariate a plan can name, of one patient."""
    state = subject.first.marker if subject.first else ""
    count = subject.first.count if subject.first else None
    known = state in ("POSITIVE", "NEGATIVE")
    return {
        "marker_positive": float(state == "POSITIVE") if known else None,
        "log2_ctc": None if count is None else math.log2(count + 1),
        "age_10_years": None if age is None else float(age) / 10,
        "ecog_1": None if ecog is None else float(ecog >= 1),
        "group_b": None if subject.group is None else float(subject.group == "B"),
    }


def model(
    followed: Sequence[tuple[int, int]],
    rows: Sequence[Mapping[str, float | None]],
    names: Sequence[str],
    plan: Plan,
) -> Iterator[tuple[str, dict[str, Value]]]:
    """Statistics by covariate ("" the model's own); the fit only where both programs agree on it."""
    complete = [all(row[name] is not None for name in names) for row in rows]
    used = [one for one, is_complete in zip(followed, complete, strict=True) if is_complete]
    events = sum(event for _, event in used)
    yield "", {"N": len(used), "n_events": events, "n_missing": len(rows) - len(used)}
    if not events or events < stated(plan.survival_comparison).events_per_coefficient * len(names):
        return
    x = np.array(
        [[row[name] for name in names] for row, ok in zip(rows, complete, strict=True) if ok], float
    )
    fitted = _fitted([d for d, _ in used], [e for _, e in used], x)
    if fitted is None:
        return
    from scipy.stats import norm

    z = quantile_z(plan.intervals.conf_level)
    for place, name in enumerate(names):
        coef, error = float(fitted[0][place]), float(fitted[1][place])
        yield (
            name,
            {
                "hazard_ratio": math.exp(coef),
                "conf_low": math.exp(coef - z * error),
                "conf_high": math.exp(coef + z * error),
                "conf_level": plan.intervals.conf_level,
                "p_value": float(2 * norm.sf(abs(coef / error))),
            },
        )


def _fitted(
    days: Sequence[int],
    event: Sequence[int],
    x: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
) -> tuple[Sequence[float], Sequence[float]] | None:
    """Coefficients and standard errors; None without a unique maximum, or where the two disagree."""
    import warnings

    import pandas as pd
    from lifelines import CoxPHFitter
    from statsmodels.duration.hazard_regression import PHReg

    if np.linalg.matrix_rank(x - x.mean(axis=0)) < x.shape[1]:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            start = None
            for _ in range(ROUNDS):
                regression = PHReg(np.array(days, float), x, status=np.array(event), ties="efron")
                fit = regression.fit(disp=False, start_params=start)
                start = fit.params
            frame = pd.DataFrame(x).assign(days=days, event=event)
            other = CoxPHFitter().fit(frame, "days", "event").params_.to_numpy()
        except Exception:  # noqa: BLE001 - a fit that does not converge is no second answer
            return None
    one = np.asarray(fit.params, float)
    known = np.isfinite(one).all() and np.abs(one).max() < FARTHEST
    if not known or np.abs(one - other).max() > AGREE:
        return None
    return one.tolist(), np.asarray(fit.bse, float).tolist()
