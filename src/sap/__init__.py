"""The statistical analysis plan as code: from a data cut to a clinical study report."""

__version__ = "0.7.0"
