"""Height, weight, body surface and performance status."""

from sap.simulate.subject import Episode, Subject, iso, pick

NAMES = {
    "HEIGHT": ("Height", "cm"),
    "WEIGHT": ("Weight", "kg"),
    "BSA": ("Body Surface Area", "m2"),
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
