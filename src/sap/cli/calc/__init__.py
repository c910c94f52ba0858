"""`sap calc`: design questions, as text, as the protocol's sentence, as JSON, CSV or a figure.

Options carry the names of the arguments in `sap.methods`, JSON keys the names of the result's fields;
a number that cannot be estimated is null in JSON and NE in text. JSON and CSV have every digit, text
six. Every answer ends with the rule applied, the critical value, the method and its reference, and the
defaults that were used.
"""

from sap.cli.calc import conduct, designs, sizes, survival
from sap.cli.calc.question import app

__all__ = ["app", "conduct", "designs", "sizes", "survival"]
