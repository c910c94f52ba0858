"""Medical history and prior therapy (mh, cm) before consent."""

from sap.simulate.subject import Subject, between, chance, iso, pick

ILLNESSES = (
    ("HYPERTENSION", 0.42),
    ("DIABETES MELLITUS TYPE 2", 0.16),
    ("ATRIAL FIBRILLATION", 0.11),
    ("CHRONIC OBSTRUCTIVE PULMONARY DISEASE", 0.08),
    ("HYPERCHOLESTEROLAEMIA", 0.22),
)
GLEASON = ((6, 0.06), (7, 0.27), (8, 0.23), (9, 0.36), (10, 0.08))


def medical_history(subject: Subject) -> None:
    """Diagnosis, metastases, Gleason score, illnesses; docetaxel, hormones, radiotherapy."""
    rng = subject.stream("history")
    castration = subject.consent - between(rng, 500, 3000)
    diagnosis = castration - between(rng, 0, 1800)
    metastatic = castration + between(rng, 0, 300)
    how_exact = rng.random()
    shown = iso(diagnosis)[: 10 if how_exact < 0.5 else 7 if how_exact < 0.85 else 4]
    _illness(subject, "PROSTATE CANCER", "PRIMARY DIAGNOSIS", shown)
    score = pick(rng, GLEASON)
    _illness(subject, f"GLEASON SCORE {score}", "PRIMARY DIAGNOSIS", shown)
    _illness(subject, "METASTATIC DISEASE", "PRIMARY DIAGNOSIS", iso(metastatic)[:7])
    for name, share in ILLNESSES:
        has, years = chance(rng, share), between(rng, 1, 15)
        if has:
            _illness(subject, name, "MEDICAL HISTORY", iso(subject.consent - 365 * years)[:4])
    _docetaxel(subject)
    _hormones(subject, castration)


def _illness(subject: Subject, decod: str, category: str, start: str) -> None:
    subject.write("mh", MHTERM=decod, MHDECOD=decod, MHCAT=category, MHSTDTC=start)


def _docetaxel(subject: Subject) -> None:
    """Prior docetaxel of every patient, with progression during or after it."""
    rng = subject.stream("history", 1)
    end = subject.consent - between(rng, 35, 500)
    start = end - 21 * between(rng, 3, 9)
    _prior(subject, ("DOCETAXEL", "CHEMOTHERAPY", 75, "mg/m2"), start, end)
    arsi = pick(rng, (("ABIRATERONE", 0.22), ("ENZALUTAMIDE", 0.18), ("", 0.60)))
    before, length, gap = chance(rng, 0.4), between(rng, 60, 300), between(rng, 5, 40)
    amount = 1000 if arsi == "ABIRATERONE" else 160
    if arsi and before:
        words = (arsi, "HORMONAL", amount, "mg")
        _prior(subject, words, start - gap - length, start - gap)
    elif arsi and subject.consent - end > 60:
        _prior(subject, (arsi, "HORMONAL", amount, "mg"), end + 7, subject.consent - 10)
    radiotherapy, days = chance(rng, 0.45), between(rng, 30, 900)
    if radiotherapy:
        day = subject.consent - days
        _prior(subject, ("RADIOTHERAPY", "RADIOTHERAPY", 8, "Gy"), day, day)


def _hormones(subject: Subject, castration: int) -> None:
    subject.write(
        "cm",
        CMTRT="GOSERELIN",
        CMDECOD="GOSERELIN",
        CMCAT="PRIOR ANTICANCER THERAPY",
        CMSCAT="HORMONAL",
        CMINDC="PROSTATE CANCER",
        CMDOSE=10.8,
        CMDOSU="mg",
        CMSTDTC=iso(castration)[:7],
        CMENRTPT="ONGOING",
    )


def _prior(subject: Subject, words: tuple[str, str, int, str], start: int, end: int) -> None:
    decod, kind, amount, unit = words
    subject.write(
        "cm",
        CMTRT=decod,
        CMDECOD=decod,
        CMCAT="PRIOR ANTICANCER THERAPY",
        CMSCAT=kind,
        CMINDC="PROSTATE CANCER",
        CMDOSE=amount,
        CMDOSU=unit,
        CMSTDTC=iso(start),
        CMENDTC=iso(end),
        CMENRTPT="BEFORE",
        CMRSDISC="PROGRESSION" if kind == "HORMONAL" else "COMPLETED",
    )
