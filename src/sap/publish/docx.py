"""Word."""

from pathlib import Path

from sap.publish import facts, tree


def write_docx(parsed: tree.Json, page: facts.PageFacts, folder: Path, lua: Path) -> bytes:
    raise NotImplementedError
