"""The plan as the code reads it: strict, sourced, hashed."""

from sap.plan.home import project_home
from sap.plan.model import Plan
from sap.plan.reading import PlanFile, read_plan

__all__ = ["Plan", "PlanFile", "project_home", "read_plan"]
