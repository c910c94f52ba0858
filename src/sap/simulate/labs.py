"""Safety laboratory: at screening, before each cycle, at the nadir and at the end of treatment."""

from dataclasses import dataclass

from numpy.random import Generator

from sap.simulate.subject import Episode, Subject, chance, iso


@dataclass(frozen=True)
class Test:
    """A test with its limits of normal, and the median and spread (of the log) in these patients."""

    code: str
    name: str
    category: str
    unit: str
    low: float
    high: float
    median: float
    spread: float
    digits: int


HAEMATOLOGY, CHEMISTRY = "HEMATOLOGY", "CHEMISTRY"
# Limits of a Dutch laboratory (ours); medians near the CABA-V7 supplement where it has them.
TESTS: tuple[Test, ...] = (
    Test("HGB", "Hemoglobin", HAEMATOLOGY, "mmol/L", 8.5, 11.0, 7.4, 0.10, 1),
    Test("WBC", "Leukocytes", HAEMATOLOGY, "10^9/L", 4.0, 10.0, 7.4, 0.25, 1),
    Test("NEUT", "Neutrophils", HAEMATOLOGY, "10^9/L", 1.8, 7.2, 4.9, 0.28, 2),
    Test("LYM", "Lymphocytes", HAEMATOLOGY, "10^9/L", 1.0, 3.5, 1.15, 0.35, 2),
    Test("PLAT", "Platelets", HAEMATOLOGY, "10^9/L", 150, 400, 245, 0.28, 0),
    Test("ALT", "Alanine Aminotransferase", CHEMISTRY, "U/L", 0, 45, 21, 0.40, 0),
    Test("AST", "Aspartate Aminotransferase", CHEMISTRY, "U/L", 0, 35, 25, 0.35, 0),
    Test("ALP", "Alkaline Phosphatase", CHEMISTRY, "U/L", 0, 115, 135, 0.70, 0),
    Test("GGT", "Gamma Glutamyl Transferase", CHEMISTRY, "U/L", 0, 55, 42, 0.60, 0),
    Test("LDH", "Lactate Dehydrogenase", CHEMISTRY, "U/L", 0, 250, 255, 0.35, 0),
    Test("BILI", "Bilirubin", CHEMISTRY, "umol/L", 0, 17, 7.5, 0.28, 0),
    Test("CREAT", "Creatinine", CHEMISTRY, "umol/L", 64, 104, 80, 0.20, 0),
    Test("ALB", "Albumin", CHEMISTRY, "g/L", 35, 50, 39, 0.08, 0),
)
TESTOSTERONE = Test("TESTOS", "Testosterone", CHEMISTRY, "nmol/L", 8, 30, 0.5, 0.30, 2)
G_DL_PER_MMOL_L = 1.6114  # haemoglobin, monomer
GRADE_3_HGB = 4.9  # mmol/L; CTCAE 4.03, anaemia of grade 3: below 8.0 g/dL, 4.9 mmol/L

# Proportion of the patient's own value at the nadir without and with G-CSF.
NADIR = {"NEUT": (0.11, 0.40), "WBC": (0.24, 0.50), "LYM": (0.60, 0.65), "PLAT": (0.62, 0.62)}
# Possible changes of a chemistry value: multiples of the patient's own value.
CHANGES = {
    "ALT": (2.5, 5.0, 9.0, 24.0),
    "AST": (2.5, 5.0, 9.0),
    "GGT": (2.0, 4.0, 9.0),
    "ALP": (1.8, 3.0, 6.0),
    "BILI": (2.6, 4.5, 9.0),
    "CREAT": (1.4, 2.1, 3.2),
    "ALB": (0.82, 0.70, 0.48),
}


def screening_labs(subject: Subject) -> None:
    """All tests once, with testosterone, on the day of the first sample."""
    if subject.sample is None:
        return
    rng = subject.stream("labs")
    own = _own_values(rng)
    values = {test.code: own[test.code] * float(rng.lognormal(0, 0.04)) for test in TESTS}
    _write_all(subject, values, "SCREENING", subject.sample, [])
    low = TESTOSTERONE.median * float(rng.lognormal(0, TESTOSTERONE.spread))
    _write(subject, TESTOSTERONE, min(1.6, low), "SCREENING", subject.sample)


def treatment_labs(subject: Subject, episode: Episode) -> None:
    """Before each cycle and at the end; in half of the first three cycles at the nadir too.

    1. Haemoglobin decreases slightly with each cycle, the others stay near the patient's own value.
    2. One chemistry value in 25 is abnormal at one visit.
    3. One value in 80 is not done.
    """
    own = _own_values(subject.stream("labs"))
    rng = subject.stream("labs", 1 + episode.part)
    with_gcsf = chance(rng, 0.3)
    if "start at 20" in episode.scenario.marks:
        own["BILI"] = 21.0
    for number, day in enumerate(episode.infusions, start=1):
        _panel(subject, own, (f"CYCLE {number}", day, number), rng)
        if number <= 3 and chance(rng, 0.55):
            nadir_day = day + 8 + int(rng.random() * 5)
            _nadir(subject, own, (f"CYCLE {number} NADIR", nadir_day), with_gcsf, rng)
    end = ("END OF TREATMENT", episode.last + 21, len(episode.infusions) + 1)
    _panel(subject, own, end, rng)


def severe_anaemia(subject: Subject, day: int, mark: float) -> None:
    """Haemoglobin on the day of an anaemia of grade 3 or more: below 4.9 mmol/L (CTCAE 4.03).

    It replaces a value of that day.
    """
    value = GRADE_3_HGB * (0.80 + 0.17 * mark)
    same_day = [
        row
        for row in subject.rows.get("lb", [])
        if row["LBTESTCD"] == "HGB" and str(row["LBDTC"])[:10] == iso(day)
    ]
    subject.rows["lb"] = [row for row in subject.rows.get("lb", []) if row not in same_day]
    _write(subject, TESTS[0], value, str(same_day[0]["VISIT"]) if same_day else "UNSCHEDULED", day)


def _own_values(rng: Generator) -> dict[str, float]:
    """The patient's usual values; eligible patients, so none starts with a grade 2 cytopenia."""
    own = {test.code: test.median * float(rng.lognormal(0, test.spread)) for test in TESTS}
    own["HGB"] = max(6.4, own["HGB"])
    own["NEUT"] = max(1.9, own["NEUT"])
    own["PLAT"] = max(118.0, own["PLAT"])
    own["BILI"] = min(16.0, own["BILI"])
    own["WBC"] = own["NEUT"] + own["LYM"] + 0.6
    return own


def _panel(
    subject: Subject, own: dict[str, float], visit: tuple[str, int, int], rng: Generator
) -> None:
    name, day, number = visit
    values: dict[str, float] = {}
    missed = []
    for test in TESTS:
        noise, strays, lost = float(rng.lognormal(0, 0.09)), rng.random(), chance(rng, 1 / 80)
        values[test.code] = own[test.code] * noise
        if test.code == "HGB":
            values["HGB"] *= 0.985**number
        steps = CHANGES.get(test.code)
        if steps and strays < 0.04 and number > 1:
            values[test.code] *= steps[int(strays / 0.04 * len(steps))]
        if lost:
            missed.append(test.code)
    _write_all(subject, values, name, day, missed)


def _nadir(
    subject: Subject, own: dict[str, float], visit: tuple[str, int], with_gcsf: bool, rng: Generator
) -> None:
    name, day = visit
    values = {"HGB": own["HGB"] * 0.9 * min(1.1, float(rng.lognormal(0, 0.08)))}
    for code, left in NADIR.items():
        noise = float(rng.lognormal(0, 0.55))
        values[code] = own[code] * min(0.98, left[int(with_gcsf)] * noise)
    _write_all(subject, values, name, day, [])


def _write_all(
    subject: Subject, values: dict[str, float], visit: str, day: int, missed: list[str]
) -> None:
    """The tests of one sample; leukocytes are at least the sum of their components."""
    values["WBC"] = max(values["WBC"], values["NEUT"] + values["LYM"] + 0.2)
    for test in (test for test in TESTS if test.code in values):
        if test.code in missed:
            _not_done(subject, test, visit, day)
        else:
            _write(subject, test, values[test.code], visit, day)


def _write(subject: Subject, test: Test, value: float, visit: str, day: int) -> None:
    """One value in the unit of the site, with the limits of the site where recorded."""
    sites = subject.given
    unit, low, high, digits = test.unit, test.low, test.high, test.digits
    if test.code == "HGB" and subject.site in sites.sites_with_g_dl:
        unit, value, low, high = "g/dL", value * G_DL_PER_MMOL_L, 13.7, 17.7
    known = not (subject.site in sites.sites_without_limits and test.code in ("ALP", "LDH", "NEUT"))
    shown = round(max(value, 10.0**-digits), digits)
    subject.write(
        "lb",
        **_test_columns(test),
        LBORRES=shown,
        LBORRESU=unit,
        LBSTRESC=f"{shown:g}",
        LBSTRESN=shown,
        LBSTRESU=unit,
        LBSTNRLO=low if known else None,
        LBSTNRHI=high if known else None,
        VISIT=visit,
        LBDTC=iso(day),
    )


def _not_done(subject: Subject, test: Test, visit: str, day: int) -> None:
    subject.write(
        "lb",
        **_test_columns(test),
        LBSTAT="NOT DONE",
        LBREASND="SAMPLE HAEMOLYSED",
        VISIT=visit,
        LBDTC=iso(day),
    )


def _test_columns(test: Test) -> dict[str, str]:
    return {"LBTESTCD": test.code, "LBTEST": test.name, "LBCAT": test.category}
