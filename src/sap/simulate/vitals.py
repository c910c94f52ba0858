"""Height, weight, body surface and performance status."""

from sap.simulate.man import Episode, Man, iso, pick

NAMES = {
    "HEIGHT": ("Height", "cm"),
    "WEIGHT": ("Weight", "kg"),
    "BSA": ("Body Surface Area", "m2"),
}


def screening_vitals(man: Man) -> None:
    """Height, weight and performance status on the day of the first sample."""
    if man.sample is None:
        return
    rng = man.stream("vitals")
    _write(man, "HEIGHT", man.height, "SCREENING", man.sample)
    _write(man, "WEIGHT", man.weight, "SCREENING", man.sample)
    _ecog(man, pick(rng, ((0, 0.35), (1, 0.55), (2, 0.10))), "SCREENING", man.sample)


def treatment_vitals(man: Man, episode: Episode) -> None:
    """Weight, body surface and performance status before each cycle."""
    rng = man.stream("vitals", 1 + episode.part)
    ecog = pick(rng, ((0, 0.35), (1, 0.55), (2, 0.10)))
    for number, day in enumerate(episode.infusions, start=1):
        visit = f"CYCLE {number}"
        man.weight = round(max(50.0, man.weight + float(rng.normal(-0.3, 0.8))), 1)
        _write(man, "WEIGHT", man.weight, visit, day)
        episode.surfaces.append(round(man.body_surface, 2))
        _write(man, "BSA", episode.surfaces[-1], visit, day)
        worse, better = rng.random() < 0.08, rng.random() < 0.05
        ecog = min(3, max(0, ecog + int(worse) - int(better)))
        _ecog(man, ecog, visit, day)


def _write(man: Man, code: str, value: float, visit: str, day: int) -> None:
    name, unit = NAMES[code]
    man.write(
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


def _ecog(man: Man, grade: int, visit: str, day: int) -> None:
    man.write(
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
