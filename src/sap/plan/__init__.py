"""The plan as the code reads it: strict, sourced, hashed."""

from sap.plan.checking import PlanFile, read_plan
from sap.plan.home import project_home, study_home
from sap.plan.model import Plan

__all__ = ["Plan", "PlanFile", "project_home", "read_plan", "study_home"]
