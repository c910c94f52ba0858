"""Chapters become HTML, PDF and DOCX, by the built-in engine or by Quarto."""
