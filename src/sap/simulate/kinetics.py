"""Cabazitaxel in plasma at cycle 1: before, at the end of the infusion, two and six hours later."""

import math
from dataclasses import dataclass

from numpy.random import Generator

from sap.simulate.assumptions import Kinetics
from sap.simulate.dosing import infusion_minute
from sap.simulate.subject import Episode, Subject, between, chance, iso

PLANNED_HOURS = (0, 1, 3, 7)
NAMES = {0: "PRE-INFUSION", 1: "END OF INFUSION", 3: "2 H AFTER END", 7: "6 H AFTER END"}


@dataclass(frozen=True)
class Body:
    """One patient's clearance (L/h), central volume (L) and exchange constants (1/h)."""

    clearance: float
    volume: float
    k12: float
    k21: float
    k13: float
    k31: float


def concentration(body: Body, dose_mg: float, infused_h: float, hours: float) -> float:
    """Plasma concentration (ng/mL) of a three-compartment model after a constant infusion.

    With l1, l2, l3 the roots of the characteristic cubic (all real; trigonometric solution) and
    A_i = (k21 - l_i)(k31 - l_i) / ((l_i - l_j)(l_i - l_k)) / V, the infusion of rate R for T hours
    gives sum A_i R / l_i (1 - exp(-l_i min(t, T))) exp(-l_i max(0, t - T)).

    The typical patient of Ferron 2013, 46 mg in 1 h; the same model integrated by another program
    gives 215.3 at 1 h, 15.49 at 3 h and 6.64 at 7 h.

    >>> typical = Body(48.5, 26.0, 2.48, 0.604, 4.84, 0.0266)
    >>> [round(concentration(typical, 46, 1, t), 1) for t in (0, 1, 3, 7)]
    [0.0, 215.3, 15.5, 6.6]
    """
    during, after = min(hours, infused_h), max(0.0, hours - infused_h)
    rate = dose_mg / infused_h * 1000
    total = 0.0
    slopes = _slopes(body)
    for place, slope in enumerate(slopes):
        one, two = (other for index, other in enumerate(slopes) if index != place)
        share = (body.k21 - slope) * (body.k31 - slope) / ((slope - one) * (slope - two))
        gained = (1 - math.exp(-slope * during)) * math.exp(-slope * after)
        total += share / body.volume * rate / slope * gained
    return max(0.0, total)


def _slopes(body: Body) -> tuple[float, ...]:
    """The three exponents, roots of the characteristic cubic."""
    k10 = body.clearance / body.volume
    square = k10 + body.k12 + body.k13 + body.k21 + body.k31
    linear = k10 * (body.k21 + body.k31) + body.k21 * (body.k31 + body.k13) + body.k31 * body.k12
    constant = k10 * body.k21 * body.k31
    p = linear - square**2 / 3
    q = 2 * square**3 / 27 - linear * square / 3 + constant
    radius = math.sqrt(-(p**3) / 27)
    angle = math.acos(max(-1.0, min(1.0, -q / 2 / radius))) / 3
    reach = 2 * radius ** (1 / 3)
    return tuple(square / 3 - reach * math.cos(angle + turn * 2 * math.pi / 3) for turn in range(3))


def _body(given: Kinetics, surface: float, rng: Generator) -> Body:
    """One patient of Ferron's population: log-normal around the typical values."""

    def around(typical: float, cv: float) -> float:
        return typical * math.exp(math.sqrt(math.log(1 + cv * cv)) * float(rng.normal()))

    return Body(
        around(given.clearance * surface / given.reference_bsa, given.cv_clearance),
        around(given.volume, given.cv_volume),
        around(given.k12, given.cv_k12),
        given.k21,
        around(given.k13, given.cv_k13),
        given.k31,
    )


def sample_plasma(subject: Subject, episode: Episode) -> None:
    """Four samples on the first infusion day, at times near the planned ones.

    1. Some patients have no samples; occasionally one sample is missing.
    2. The sample before the infusion is below quantification.
    3. The end-of-infusion sample deviates by a few minutes, occasionally by much more.
    4. In some scenarios a sample has no time, is collected on the wrong side of the start of the
       infusion, or is below quantification.
    """
    given, rng = subject.given.kinetics, subject.stream("kinetics", episode.part)
    odd = next((mark for mark in episode.scenario.marks if mark.startswith("plasma")), "")
    sampled = chance(rng, given.sampled) or bool(odd)
    body = _body(given, episode.surfaces[0], rng)
    dose_mg = episode.doses[0] * episode.surfaces[0]
    start = infusion_minute(subject)
    for hour in PLANNED_HOURS:
        off, late, missing = between(rng, -3, 4), chance(rng, 0.08), chance(rng, 0.03)
        error = max(0.4, 1 + given.proportional_error * float(rng.normal()))
        if not sampled:
            continue
        minutes = _minutes(hour, off, late=late, rng_free=subject.number)
        level = concentration(body, dose_mg, given.infusion_minutes / 60, max(0, minutes) / 60)
        shown = None if missing and not odd else float(f"{level * error:.3g}")
        if (odd, hour) == ("plasma below", 7):
            shown = given.lloq / 2
        if (odd, hour) == ("plasma late", 0):
            minutes = 5
        if (odd, hour) == ("plasma too early", 1):
            minutes = -5
        timed = (odd, hour) != ("plasma untimed", 3)
        _write(subject, episode, hour, start + minutes if timed else None, shown)


def _minutes(hour: int, off: int, *, late: bool, rng_free: int) -> int:
    """Minutes from the start of the infusion; never after the start for the first sample."""
    if hour == 0:
        return -15 - abs(off)
    if late:
        return hour * 60 + 9 + rng_free % 12
    return hour * 60 + (max(-1, off) if hour == 1 else off * 3)


def _write(
    subject: Subject, episode: Episode, hour: int, minute: int | None, level: float | None
) -> None:
    lloq = subject.given.kinetics.lloq
    low = level is not None and level < lloq
    shown = None if level is None else f"<{lloq:g}" if low else f"{level:g}"
    tube = f"{subject.usubjid}-PK-{episode.part + 1}-{hour}"
    when = iso(episode.first, minute)
    subject.write(
        "pc",
        PCTESTCD="CABAZ",
        PCTEST="Cabazitaxel",
        PCORRES=shown,
        PCORRESU=None if level is None else "ng/mL",
        PCSTRESC=shown,
        PCSTRESN=None if low else level,
        PCSTRESU=None if level is None else "ng/mL",
        PCLLOQ=None if level is None else lloq,
        PCSTAT="NOT DONE" if level is None else None,
        PCREASND="TUBE NOT DRAWN" if level is None else None,
        PCREFID=None if level is None else tube,
        VISIT="CYCLE 1",
        PCTPT=NAMES[hour],
        PCTPTNUM=hour,
        PCTPTREF="START OF THE FIRST INFUSION",
        PCRFTDTC=iso(episode.first, infusion_minute(subject)),
        PCDTC=when,
    )
    if level is not None:
        subject.write(
            "be",
            BEREFID=tube,
            BETERM="BLOOD SAMPLE COLLECTED",
            BEDECOD="COLLECTING",
            BECAT="PK",
            BEVOL=5,
            VISIT="CYCLE 1",
            BEDTC=when,
        )
