"""The records in standard words, one cell after another, over the same codelists."""

from sap.audit.independent.people import Record
from sap.catalogue import coded_columns


def in_standard_words(tables: dict[str, list[Record]]) -> dict[str, list[Record]]:
    """Each record with the submission value in place of every word that its codelist knows.

    A word that no list knows stays. The first entry of a column whose conditions the record meets
    names its list; the conditions read what stands in the record by then.
    """
    return {name: [_record(name, row) for row in rows] for name, rows in tables.items()}


def _record(domain: str, row: Record) -> Record:
    said = dict(row)
    for column, entries in coded_columns().get(domain, {}).items():
        if not isinstance(said.get(column), str):
            continue
        for entry in entries:
            if all(said.get(name) in values for name, values in entry.where.items()):
                said[column] = entry.codelist.standard(said[column]) or said[column]
                break
    return said
