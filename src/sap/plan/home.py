"""The homes of the package's set and of the study, as `sap.catalogue.home` finds them."""

from sap.catalogue.home import (
    STUDY_OF_WHEEL,
    is_own_study,
    project_home,
    study_home,
    study_of_plan,
)

__all__ = ["STUDY_OF_WHEEL", "is_own_study", "project_home", "study_home", "study_of_plan"]
