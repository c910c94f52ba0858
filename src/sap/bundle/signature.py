"""A detached signature of the list of checksums, in OpenSSH's format: `SHA256SUMS.sig`.

`ssh-keygen -Y` makes and checks it, so that an auditor can do so without this package:

    ssh-keygen -Y verify -f SIGNERS -I IDENTITY -n sap-bundle -s SHA256SUMS.sig < SHA256SUMS
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sap.bundle.names import SIGNATURE, SUMS
from sap.errors import UsageError

NAMESPACE = "sap-bundle"
PROGRAM = "ssh-keygen"
KEY = re.compile(r"with (\S+) key (SHA256:\S+)")


class Signed(NamedTuple):
    """The answer about a signature: its state, by whom, with which key."""

    state: Literal["signed", "unknown", "broken", "unchecked"]
    identity: str = ""
    key: str = ""


def program() -> str:
    """The path of ssh-keygen.

    Raises
    ------
    UsageError
        It is not installed; the message names the package.
    """
    path = shutil.which(PROGRAM)
    if path is None:
        raise UsageError(
            f"{PROGRAM} is not installed, which makes and checks signatures: install the package "
            "openssh-client (Debian, Ubuntu) or openssh-clients (Fedora, RHEL)."
        )
    return path


def signature_of(sums: bytes, key: Path) -> bytes:
    """The signature of a list of checksums by the key in a file; `ssh-keygen` asks for its passphrase.

    Any key that OpenSSH takes: RSA, ECDSA, Ed25519, one of a security key, or the public half of one that
    an agent holds.

    Raises
    ------
    UsageError
        `ssh-keygen` is absent, or refuses the key.
    """
    command = program()
    if not key.is_file():
        raise UsageError(f"{key}: no such file. Give the file of the key to sign with.")
    with tempfile.TemporaryDirectory(prefix="sap-sign-") as folder:
        place = Path(folder) / SUMS
        place.write_bytes(sums)
        call = [command, "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(place)]
        done = subprocess.run(call, capture_output=True, check=False)
        made = place.with_name(SIGNATURE)
        if done.returncode or not made.is_file():
            raise UsageError(f"{key} cannot sign: {_last_line(done.stderr)}.")
        return made.read_bytes()


def checked(sums: bytes, signature: bytes, signers: Path | None) -> Signed:
    """Who signed this list of checksums; the first case that applies.

    1. broken: it is no signature of this list in this namespace.
    2. unchecked: it is, and no list of signers was given.
    3. unknown: by a key that the list of signers does not have, or not for this namespace or day.
    4. signed: by the identity that the list of signers gives to the key.

    Raises
    ------
    UsageError
        `ssh-keygen` is absent, or the list of signers cannot be read.
    """
    command = program()
    if signers is not None and not signers.is_file():
        raise UsageError(f"{signers}: no such file. Give a list of signers (ssh-keygen(1)).")
    with tempfile.TemporaryDirectory(prefix="sap-sign-") as folder:
        place = Path(folder) / SIGNATURE
        place.write_bytes(signature)
        signed = ["-n", NAMESPACE, "-s", str(place)]
        good = _answer([command, "-Y", "check-novalidate", *signed], sums)
        if good is None:
            return Signed("broken")
        key = " ".join(KEY.findall(good)[0]) if KEY.search(good) else ""
        if signers is None:
            return Signed("unchecked", key=key)
        listed = ["-f", str(signers)]
        names = _answer([command, "-Y", "find-principals", "-s", str(place), *listed], b"") or ""
        for name in (one for line in names.splitlines() for one in line.split(",")):
            named = ["-I", name, *listed, *signed]
            if name and _answer([command, "-Y", "verify", *named], sums) is not None:
                return Signed("signed", name, key)
        return Signed("unknown", key=key)


def _answer(command: Sequence[str], given: bytes) -> str | None:
    """What the command printed; None where it failed."""
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    return None if done.returncode else done.stdout.decode("utf-8", "replace")


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else "ssh-keygen gave no reason"
