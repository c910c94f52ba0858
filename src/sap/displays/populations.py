"""The definition of each population, with the numbers of the plan of the run."""

from sap import ard
from sap.catalogue import populations as catalogue
from sap.catalogue.reporting import filled
from sap.errors import RenderError

OF_RECIST = ("objective_response", "clinical_benefit")


def short(population: str) -> str:
    """The population in a word or two, as a column or a row of an efficacy table names it.

    Efficacy tables count only the treated patients of RESCREENED.
    """
    known = catalogue.populations()
    return known["AGAINTREATED" if population == "RESCREENED" else population].label


def caption(population: str) -> str:
    """The population as a caption names it: by its name, where its definition is long."""
    words(population)
    return filled(catalogue.populations()[population].name, ard.plan())


def words(population: str) -> str:
    """The population as the title of a display names it; empty for one that is not about patients.

    Raises
    ------
    RenderError
        The catalogue has no such population.
    """
    known = catalogue.populations()
    if population not in known:
        raise RenderError(
            f"The analysis set {population} has no words.\n"
            f"Name one of {', '.join(known)} in analysis/displays.yml."
        )
    plan = ard.plan()
    words_of = known[population].text(plan)
    rule = plan.objective_response
    limited = rule is not None and rule.population == "measurable"
    if population == "PRIMARY" and limited and plan.primary.endpoint in OF_RECIST:
        return f"{words_of.removesuffix(')')}, measurable disease at baseline)"
    return words_of
