"""End of treatment and of participation, and protocol deviations, subject by subject."""

from collections.abc import Iterator

from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import share

METHOD = "records read one by one; statsmodels"
RESCREENED_TREATED = ("RESCREENED", "treated")
COLUMNS = {
    "TREATMENT": (("PRIMARY", ""), RESCREENED_TREATED, ("SAFETY", "")),
    "STUDY": (
        ("PRIMARY", ""), RESCREENED_TREATED, ("SAFETY", ""), ("GROUPA", ""), ("SCREENED", ""),
    ),
}  # fmt: skip
"""Population and group of each column, for the end of treatment and of participation."""
DEVIATION_COLUMNS = (("PRIMARY", ""), RESCREENED_TREATED, ("SCREENED", ""))


def _column(study: Study, population: str, group: str) -> list[str]:
    return study.treated_when_rescreened(population) if group else study.inside(population)


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `centres`, `eligibility`, `disposition` and `protocol_deviations`."""
    yield from _centres(study)
    yield from _eligibility(study)
    yield from _ends(study)
    yield from _deviations(study)


def _ends(study: Study) -> Iterator[QcRow]:
    for kind, columns in COLUMNS.items():
        reasons = {
            who: subject.stopped_for if kind == "TREATMENT" else subject.left_for
            for who, subject in study.subjects.items()
        }
        known = {str(reasons[who]) for who in study.inside("SCREENED") if reasons[who]}
        for population, group in columns:
            inside = [reasons[who] for who in _column(study, population, group)]
            counts = {reason: inside.count(reason) for reason in sorted(known)}
            counts |= {
                "ended": sum(1 for reason in inside if reason),
                "ongoing": inside.count(None),
            }
            for level, n in counts.items():
                place = Place("disposition", population, group, kind, level)
                yield from place.rows(share(n, len(inside)), METHOD)


def _deviations(study: Study) -> Iterator[QcRow]:
    records = study.records.get("dv", [])
    deviating: dict[tuple[str, str], list[str]] = {("any", ""): [r["USUBJID"] for r in records]}
    for record in records:
        category = record.get("DVCAT") or "not_classified"
        term = record.get("DVDECOD") or record.get("DVTERM")
        for level in {(category, ""), (category, term or "")}:
            deviating.setdefault(level, []).append(record["USUBJID"])
    for population, group in DEVIATION_COLUMNS if records else ():
        inside = set(_column(study, population, group))
        for (category, term), subjects in deviating.items():
            here = [who for who in subjects if who in inside]
            statistics = share(len(set(here)), len(inside)) | {"n_events": len(here)}
            place = Place("protocol_deviations", population, group, "", category, term)
            yield from place.rows(statistics, METHOD)


def _centres(study: Study) -> Iterator[QcRow]:
    centre = {row["USUBJID"]: row.get("SITEID") for row in study.records["dm"]}
    if not any(centre.values()):
        return
    stages = {
        "consented": list(centre),
        "screened": study.inside("SCREENED"),
        "marker_positive": study.inside("MARKERPOS"),
        "primary": study.inside("PRIMARY"),
        "rescreened_treated": [w for w, s in study.subjects.items() if s.treated_again],
        "treated": study.inside("SAFETY"),
    }
    names = {name or "not_recorded" for name in centre.values()}
    for stage, subjects in stages.items():
        here = [centre[who] or "not_recorded" for who in subjects]
        counts = {"total": len(here)} | {name: here.count(name) for name in names}
        for level, n in counts.items():
            place = Place("centres", "CONSENTED", level=level, sublevel=stage)
            yield from place.rows(share(n, len(here)), METHOD)
        with_patient = {"n_centres": len(set(here) - {"not_recorded"})}
        of_all = Place("centres", "CONSENTED", level="total", sublevel=stage)
        yield from of_all.rows(with_patient, METHOD)


def _eligibility(study: Study) -> Iterator[QcRow]:
    failed: dict[str, dict[tuple[str, str], set[str]]] = {"": {}, "rescreening": {}}
    texts: dict[str, str] = {}
    for row in study.records.get("ie", []):
        if (row.get("IECAT"), row.get("IESTRESC")) not in (("INCLUSION", "N"), ("EXCLUSION", "Y")):
            continue
        code, who = row["IETESTCD"], row["USUBJID"]
        text = row.get("IETEST") or code
        texts[code] = min(text, texts.get(code, text))
        group = "rescreening" if row.get("VISIT") == "RE-SCREENING" else ""
        for criterion in (("any", ""), (str(row["IECAT"]), str(code))):
            failed[group].setdefault(criterion, set()).add(who)
            failed["" if group else "rescreening"].setdefault(criterion, set())
    consented = [who for who, subject in study.subjects.items() if subject.consented]
    for group, here in (("", consented), ("rescreening", study.inside("RESCREENED"))):
        inside = set(here)
        for (level, sublevel), subjects in failed[group].items():
            statistics = share(len(subjects & inside), len(inside))
            if sublevel:
                statistics["term"] = texts[sublevel]
            place = Place("eligibility", "CONSENTED", group, "", level, sublevel)
            yield from place.rows(statistics, METHOD)
