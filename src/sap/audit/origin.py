"""Where a bundle comes from, and with whose code it is audited: signature, fingerprint, installed package."""

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from sap.audit.findings import Audit
from sap.bundle.names import SIGNATURE, SUMS
from sap.bundle.opening import Bundle, sum_of
from sap.bundle.signature import Signed, checked, program
from sap.errors import UsageError

UNSIGNED = "Unsigned: who made it is not known."
HEX = re.compile(r"[0-9a-f]{64}")


class Trust(NamedTuple):
    """What the auditor knows from elsewhere: a list of signers, the fingerprint of the bundle."""

    signers: Path | None = None
    fingerprint: str | None = None

    @classmethod
    def given(cls, signers: Path | None, fingerprint: str | None) -> "Trust":
        """Check what was given before a bundle is opened.

        Raises
        ------
        UsageError
            The fingerprint is no SHA-256 sum, the list of signers is absent, or so is `ssh-keygen`.
        """
        plain = None if fingerprint is None else fingerprint.strip().lower()
        if plain is not None and not HEX.fullmatch(plain):
            raise UsageError(
                "--fingerprint is no SHA-256 sum of 64 hexadecimal digits. "
                f"Give the sum of {SUMS} that you received."
            )
        if signers is not None:
            program()
            if not signers.is_file():
                raise UsageError(
                    f"{signers}: no such file. Give a list of signers (ssh-keygen(1))."
                )
        return cls(signers, plain)


NO_TRUST = Trust()


def check_origin(audit: Audit, bundle: Bundle, trust: Trust) -> None:
    """The fingerprint is the one received, and the signature is good; the page states what holds.

    1. Another fingerprint than the one given.
    2. No signature although signers were given, one by none of their list, or a broken one.
    """
    sums = bundle.files[SUMS]
    if trust.fingerprint is not None:
        same = sum_of(sums) == trust.fingerprint
        audit.checks.append(("Fingerprint", "the one received" if same else "not the one received"))
        if not same:
            _fault(audit, SUMS, "does not have the fingerprint that was received")
    audit.facts["signature"], fault = _signature(bundle, trust)
    audit.checks.append(("Signature", audit.facts["signature"]))
    if fault:
        _fault(audit, SIGNATURE, fault)
    known = trust.signers is not None or trust.fingerprint is not None
    audit.facts["from_elsewhere"] = known and not audit.inputs_changed


def _fault(audit: Audit, name: str, words: str) -> None:
    audit.add_finding("input", name, words)
    audit.add_cause("signature", f"{name} {words}")


def _signature(bundle: Bundle, trust: Trust) -> tuple[str, str]:
    """What the page says of the signature, and the fault, empty where there is none."""
    signature = bundle.files.get(SIGNATURE)
    if signature is None:
        return UNSIGNED, "is missing, and signers were given" if trust.signers else ""
    try:
        answer = checked(bundle.files[SUMS], signature, trust.signers)
    except UsageError as error:
        if trust.signers:
            raise
        return f"Signed, not checked: {error}", ""
    return _words(answer)


def _words(answer: Signed) -> tuple[str, str]:
    key = f" ({answer.key})" if answer.key else ""
    if answer.state == "signed":
        return f"Signed by {answer.identity}{key}.", ""
    if answer.state == "unchecked":
        return f"Signed by a key that no list of signers was given for{key}.", ""
    if answer.state == "unknown":
        return f"Signed by none of the signers{key}.", "is by none of the signers"
    return "Broken: the signature is not of this list of checksums.", "is broken"


def check_auditor(audit: Audit, bundle: Bundle, *, run_code: bool) -> None:
    """State with whose code the audit runs: an own copy, or the bundle's own (`--run-code` or its wheel)."""
    wheels = {
        sum_of(bundle.files[n]) for n in bundle.of_role("wheel").values() if n in bundle.files
    }
    if run_code:
        words = "Audited with the bundle's own code (--run-code)"
    elif _installed_from() in wheels:
        words = "Audited with the bundle's own code (installed from its wheel)"
    else:
        audit.facts["auditor"] = "Audited with a copy of sap that is not from this bundle."
        return
    more = (
        "it proves as much as its signature or fingerprint does."
        if audit.facts["from_elsewhere"]
        else "against a forger this proves nothing."
    )
    audit.facts["auditor"] = f"{words}: {more}"


def _installed_from() -> str:
    """The SHA-256 of the wheel from which the running package was installed; empty where pip names none."""
    about = _direct_url()
    archive = about.get("archive_info")
    hashes = archive.get("hashes") if isinstance(archive, dict) else None
    return str(hashes.get("sha256", "")) if isinstance(hashes, dict) else ""


def _direct_url() -> dict[str, Any]:
    try:
        text = metadata.distribution("single-arm-sap").read_text("direct_url.json")
        about = json.loads(text or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}
