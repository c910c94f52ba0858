"""Signatures of a list of checksums, made and checked by ssh-keygen: by whom, broken, or by nobody known."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sap.audit.origin import Trust
from sap.bundle.signature import NAMESPACE, checked, signature_of
from sap.errors import UsageError

pytestmark = pytest.mark.ssh
SUMS = b"%s  ard/ard.csv\n" % (b"0" * 64)


def new_key(folder: Path, kind: str = "ed25519", name: str = "key") -> Path:
    place = folder / name
    call = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(place)]
    subprocess.run(call, check=True)
    return place


def listed(folder: Path, *keys: tuple[str, Path], options: str = "") -> Path:
    """A list of signers: identity, options, public key in each line (ssh-keygen(1))."""
    lines = [f"{who} {options}{key.with_suffix('.pub').read_text().strip()}\n" for who, key in keys]
    place = folder / "signers"
    place.write_text("".join(lines))
    return place


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_of_any_kind_signs_and_the_list_of_signers_says_who(tmp_path, kind):
    key = new_key(tmp_path, kind)
    made = signature_of(SUMS, key)
    assert made.startswith(b"-----BEGIN SSH SIGNATURE-----\n")
    answer = checked(SUMS, made, listed(tmp_path, ("jo@example.org", key)))
    assert (answer.state, answer.identity) == ("signed", "jo@example.org")
    assert answer.key.split()[0] == kind.upper()
    assert answer.key.split()[1].startswith("SHA256:")


def test_openssh_alone_verifies_what_was_signed(tmp_path):
    """As the readme of a bundle says, without this package."""
    key = new_key(tmp_path)
    (tmp_path / "SHA256SUMS.sig").write_bytes(signature_of(SUMS, key))
    signers = listed(tmp_path, ("jo@example.org", key))
    call = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "jo@example.org"]
    call += ["-n", "sap-bundle", "-s", str(tmp_path / "SHA256SUMS.sig")]
    assert subprocess.run(call, input=SUMS, capture_output=True, check=False).returncode == 0
    changed = subprocess.run(call, input=SUMS + b"x", capture_output=True, check=False)
    assert changed.returncode != 0


def test_another_list_another_namespace_and_no_signature_are_broken(tmp_path):
    key = new_key(tmp_path)
    signers = listed(tmp_path, ("jo@example.org", key))
    made = signature_of(SUMS, key)
    assert checked(SUMS + b"x", made, signers).state == "broken"
    assert checked(SUMS, b"nothing", signers).state == "broken"
    assert checked(SUMS, b"", None).state == "broken"
    place = tmp_path / "other"
    place.write_bytes(SUMS)
    call = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", "file", str(place)]
    subprocess.run(call, check=True, capture_output=True)
    assert checked(SUMS, (tmp_path / "other.sig").read_bytes(), signers).state == "broken"


def test_a_key_that_the_list_does_not_have_is_by_nobody_known(tmp_path):
    key, other = new_key(tmp_path), new_key(tmp_path, name="other")
    made = signature_of(SUMS, other)
    assert checked(SUMS, made, listed(tmp_path, ("jo@example.org", key))).state == "unknown"
    assert checked(SUMS, made, None).state == "unchecked"
    (tmp_path / "signers").write_text("")
    assert checked(SUMS, made, tmp_path / "signers").state == "unknown"


def test_a_signer_for_another_namespace_or_of_another_day_is_unknown(tmp_path):
    key = new_key(tmp_path)
    made = signature_of(SUMS, key)
    who = ("jo@example.org", key)
    for options, state in (
        ('namespaces="git" ', "unknown"),
        (f'namespaces="git,{NAMESPACE}" ', "signed"),
        ('valid-before="20200101" ', "unknown"),
        ('valid-after="20200101" ', "signed"),
    ):
        assert checked(SUMS, made, listed(tmp_path, who, options=options)).state == state, options


def test_of_several_names_of_one_key_the_first_is_the_identity(tmp_path):
    key = new_key(tmp_path)
    signers = listed(tmp_path, ("jo@example.org,ann@example.org", key))
    assert checked(SUMS, signature_of(SUMS, key), signers).identity == "jo@example.org"


def test_no_key_no_list_and_no_program_are_named(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="no such file"):
        signature_of(SUMS, tmp_path / "absent")
    (tmp_path / "no-key").write_text("x")
    with pytest.raises(UsageError, match="cannot sign"):
        signature_of(SUMS, tmp_path / "no-key")
    with pytest.raises(UsageError, match="list of signers"):
        checked(SUMS, b"", tmp_path / "absent")
    with pytest.raises(UsageError, match="list of signers"):
        Trust.given(tmp_path / "absent", None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for call in (
        lambda: signature_of(SUMS, tmp_path / "no-key"),
        lambda: checked(SUMS, b"", None),
        lambda: Trust.given(tmp_path / "no-key", None),
    ):
        with pytest.raises(UsageError, match="install the package openssh-client") as refused:
            call()
        assert refused.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "g" * 64, "SHA256:" + "0" * 57])
def test_a_fingerprint_that_is_no_sum_is_wrong_use(text):
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        Trust.given(None, text)


def test_a_fingerprint_may_be_written_in_capitals():
    assert Trust.given(None, f" {'AB' * 32}\n").fingerprint == "ab" * 32
