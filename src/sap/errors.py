"""Every error a user can meet, with its exit code.

An error says what is wrong, where, and what to do; it never quotes a patient's value, because
messages travel to logs and mails. The command line prints the message alone, without a traceback.
"""

from typing import ClassVar


class SapError(Exception):
    """The family; `exit_code` is what the shell sees."""

    exit_code: ClassVar[int] = 2


class UsageError(SapError):
    """The call cannot be carried out: wrong words, unreadable file, engine absent, lock held, disk full."""

    exit_code = 2


class ContractError(SapError):
    """The data break a critical rule of a data contract."""

    exit_code = 10


class IntegrityError(SapError):
    """Frozen data, a bundle or a log is not what was written: changed, missing, added or hostile."""

    exit_code = 11


class ResultError(SapError):
    """A number moved, appeared or vanished against the record."""

    exit_code = 12


class PlanError(SapError):
    """The plan cannot be read as a plan: unknown key, missing source, impossible number."""

    exit_code = 13


class RenderError(SapError):
    """A chapter, pandoc or Typst failed; the last good report is untouched."""

    exit_code = 14
