"""The words for data that are not there: one place, so that every display and text says the same.

Of a study itself they were "not collected". A re-analysis of published data (`study.report_status` of the
plan) knows only the extract that was published: what it lacks may have been collected.
"""

from sap import ard


def published() -> bool:
    """Whether the data are those of a publication; a run without a plan says nothing of it."""
    if not (ard.run_folder() / "tables" / "plan.json").is_file():
        return False
    return bool(ard.plan().study.report_status)


def not_there(*, capital: bool = False) -> str:
    """`not collected`, or `not in the published data`."""
    words = "not in the published data" if published() else "not collected"
    return f"{words[:1].upper()}{words[1:]}" if capital else words


def were_not(what: str) -> str:
    """A sentence about a plural: `{what} were not collected`, or `{what} are not in the published data`."""
    return f"{what} {'are' if published() else 'were'} {not_there()}"


def not_shown(labels: str) -> str:
    """The note of rows and columns that are left out."""
    return f"{not_there(capital=True)}, and not shown: {labels}."
