"""Every error of `sap`, with its exit code.

A message states what is wrong, where, and what to do. It never quotes a value of a patient, because
messages are copied into logs and e-mails. The command line prints the message without a traceback.
"""

from typing import ClassVar


class SapError(Exception):
    """The base class; `exit_code` is the exit code of the command."""

    exit_code: ClassVar[int] = 2


class UsageError(SapError):
    """The call cannot be carried out: wrong arguments, unreadable file, engine absent, lock held, disk full."""

    exit_code = 2


class ContractError(SapError):
    """The data break a critical rule of a data contract."""

    exit_code = 10


class IntegrityError(SapError):
    """Frozen data, a bundle or a log is not what was written: changed, missing, added or hostile."""

    exit_code = 11


class ResultError(SapError):
    """A number differs from the record, is new or is missing."""

    exit_code = 12


class PlanError(SapError):
    """The plan is invalid: unknown key, missing source, number out of range."""

    exit_code = 13


class RenderError(SapError):
    """A chapter, pandoc or Typst failed; the last good report is untouched."""

    exit_code = 14
