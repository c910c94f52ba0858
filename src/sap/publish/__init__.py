"""Chapters become HTML, PDF and DOCX, by the built-in engine or by Quarto.

`render` is the engine of record: pinned, offline, the same bytes everywhere. `render_quarto` renders
the same sources with Quarto where that is installed. The caller names the engine.
"""

from sap.publish.cache import folder as cache_folder
from sap.publish.quarto import render_quarto
from sap.publish.report import render, warm

__all__ = ["cache_folder", "render", "render_quarto", "warm"]
