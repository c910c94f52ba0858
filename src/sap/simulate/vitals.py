"""Height, weight, body surface, performance status, blood pressure, pulse and temperature."""

from numpy.random import Generator

from sap.simulate.subject import Episode, Subject, iso, pick

NAMES = {
    "HEIGHT": ("Height", "cm"),
    "WEIGHT": ("Weight", "kg"),
    "BSA": ("Body Surface Area", "m2"),
    "SYSBP": ("Systolic Blood Pressure", "mmHg"),
    "DIABP": ("Diastolic Blood Pressure", "mmHg"),
    "PULSE": ("Pulse Rate", "beats/min"),
    "TEMP": ("Temperature", "C"),
}
# Mean and spread between patients and between visits, and decimals; ours, of outpatients of 70 years.
SIGNS = {
    "SYSBP": (138.0, 13.0, 8.0, 0),
    "DIABP": (78.0, 8.0, 5.0, 0),
    "PULSE": (76.0, 9.0, 6.0, 0),
    "TEMP": (36.6, 0.2, 0.3, 1),
}


def screening_vitals(subject: Subject) -> None:
    """Height, weight and performance status on the day of the first sample."""
    if subject.sample is None:
        return
    rng = subject.stream("vitals")
    _write(subject, "HEIGHT", subject.height, "SCREENING", subject.sample)
    _write(subject, "WEIGHT", subject.weight, "SCREENING", subject.sample)
    _ecog(subject, pick(rng, ((0, 0.35), (1, 0.55), (2, 0.10))), "SCREENING", subject.sample)


def treatment_vitals(subject: Subject, episode: Episode) -> None:
    """Weight, body surface and performance status before each cycle."""
    rng = subject.stream("vitals", 1 + episode.part)
    ecog = pick(rng, ((0, 0.35), (1, 0.55), (2, 0.10)))
    for number, day in enumerate(episode.infusions, start=1):
        visit = f"CYCLE {number}"
        subject.weight = round(max(50.0, subject.weight + float(rng.normal(-0.3, 0.8))), 1)
        _write(subject, "WEIGHT", subject.weight, visit, day)
        episode.surfaces.append(round(subject.body_surface, 2))
        _write(subject, "BSA", episode.surfaces[-1], visit, day)
        worse, better = rng.random() < 0.08, rng.random() < 0.05
        ecog = min(3, max(0, ecog + int(worse) - int(better)))
        _ecog(subject, ecog, visit, day)


def screening_signs(subject: Subject) -> None:
    """Blood pressure, pulse and temperature on the day of the first sample."""
    if subject.sample is not None:
        _signs(subject, "SCREENING", subject.sample, subject.stream("vital signs", 1))


def treatment_signs(subject: Subject, episode: Episode) -> None:
    """Blood pressure, pulse and temperature before each cycle."""
    rng = subject.stream("vital signs", 2 + episode.part)
    for number, day in enumerate(episode.infusions, start=1):
        _signs(subject, f"CYCLE {number}", day, rng)


def _signs(subject: Subject, visit: str, day: int, rng: Generator) -> None:
    own = subject.stream("vital signs")  # the patient's usual values
    for code, (mean, between, within, digits) in SIGNS.items():
        value = mean + between * float(own.normal()) + within * float(rng.normal())
        _write(subject, code, round(value, digits), visit, day)


def _write(subject: Subject, code: str, value: float, visit: str, day: int) -> None:
    name, unit = NAMES[code]
    subject.write(
        "vs",
        VSTESTCD=code,
        VSTEST=name,
        VSORRES=value,
        VSORRESU=unit,
        VSSTRESN=value,
        VSSTRESU=unit,
        VISIT=visit,
        VSDTC=iso(day),
    )


def _ecog(subject: Subject, grade: int, visit: str, day: int) -> None:
    subject.write(
        "rs",
        RSTESTCD="ECOG",
        RSTEST="ECOG Performance Status",
        RSCAT="ECOG",
        RSORRES=str(grade),
        RSSTRESC=str(grade),
        RSSTRESN=grade,
        RSEVAL="INVESTIGATOR",
        VISIT=visit,
        RSDTC=iso(day),
    )
