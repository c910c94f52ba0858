"""Concomitant medication (cm) of treated patients: of the history, and begun during treatment."""

from sap.simulate.subject import Episode, Subject, chance, iso

# Condition of the history, the drug for it, its class and dose, and the share of patients who have it.
CONTINUED = (
    ("HYPERTENSION", "AMLODIPINE", "ANTIHYPERTENSIVES", 5, "mg", 0.85),
    ("DIABETES MELLITUS TYPE 2", "METFORMIN", "DRUGS USED IN DIABETES", 500, "mg", 0.9),
    ("ATRIAL FIBRILLATION", "APIXABAN", "ANTITHROMBOTIC AGENTS", 5, "mg", 0.8),
    ("CHRONIC OBSTRUCTIVE PULMONARY DISEASE", "TIOTROPIUM", "DRUGS FOR OBSTRUCTIVE AIRWAY DISEASES", 18, "ug", 0.8),
    ("HYPERCHOLESTEROLAEMIA", "SIMVASTATIN", "LIPID MODIFYING AGENTS", 40, "mg", 0.8),
    ("PAIN", "PARACETAMOL", "ANALGESICS", 1000, "mg", 0.55),
    ("PAIN", "OXYCODONE", "OPIOIDS", 10, "mg", 0.3),
    ("BONE METASTASES", "DENOSUMAB", "DRUGS AFFECTING BONE STRUCTURE", 120, "mg", 0.35),
)  # fmt: skip
# Given on the day of an infusion: premedication and antiemetics; drug, class, dose, share of courses.
WITH_INFUSION = (
    ("CLEMASTINE", "ANTIHISTAMINES FOR SYSTEMIC USE", 2, "mg", 0.95),
    ("DEXAMETHASONE", "CORTICOSTEROIDS FOR SYSTEMIC USE", 8, "mg", 0.95),
    ("ONDANSETRON", "ANTIEMETICS", 8, "mg", 0.6),
    ("LOPERAMIDE", "ANTIDIARRHOEALS", 2, "mg", 0.2),
)


def concomitant(subject: Subject, episode: Episode) -> None:
    """Medication that goes on from before the consent, and that of the day of the first infusion."""
    rng = subject.stream("concomitant", episode.part)
    history = {str(row["MHDECOD"]) for row in subject.rows.get("mh", [])}
    for condition, drug, kind, amount, unit, share in CONTINUED:
        taken, years = chance(rng, share), 1 + int(rng.random() * 4)
        known = condition in ("PAIN", "BONE METASTASES") or condition in history
        if taken and known and episode.part == 0:
            begin = iso(subject.consent - 365 * years)[:4]
            _write(subject, (drug, kind, condition, amount, unit), begin, None)
    for drug, kind, amount, unit, share in WITH_INFUSION:
        if chance(rng, share):
            day = iso(episode.first)
            _write(subject, (drug, kind, "PROPHYLAXIS", amount, unit), day, day)


def _write(
    subject: Subject, words: tuple[str, str, str, int, str], start: str, end: str | None
) -> None:
    drug, kind, why, amount, unit = words
    subject.write(
        "cm",
        CMTRT=drug,
        CMDECOD=drug,
        CMCAT="CONCOMITANT MEDICATION",
        CMCLAS=kind,
        CMINDC=why,
        CMDOSE=amount,
        CMDOSU=unit,
        CMSTDTC=start,
        CMENDTC=end,
        CMENRTPT=None if end else "ONGOING",
    )
