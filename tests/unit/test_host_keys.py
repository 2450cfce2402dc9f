"""A host key that is not the known one: what is said is exact, and what it advises works."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.domain.host_keys import PublicKey, advice, known_as


def make(folder: Path, name: str, kind: str = "ed25519") -> tuple[PublicKey, str]:
    """A new key, and its fingerprint as OpenSSH has it."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    listed = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True)
    words = path.with_suffix(".pub").read_text().split()
    return PublicKey(words[0], words[1]), listed.stdout.split()[1]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_fingerprint_is_what_openssh_shows(tmp_path: Path, kind: str) -> None:
    key, fingerprint = make(tmp_path, "key", kind)
    assert str(key) == f"{key.kind} {fingerprint}"
    assert f"  ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub" in advice("h", "f", key, None)


@pytest.mark.parametrize(("port", "name"), [(22, "i-1.example.com"), (20713, "[i-1.example.com]:20713")])
def test_the_advised_command_replaces_the_old_key_and_leaves_the_others(
    tmp_path: Path, port: int, name: str
) -> None:
    (old, _), (new, fingerprint) = make(tmp_path, "old"), make(tmp_path, "new")
    file = tmp_path / "known hosts"
    other = f"other.example.com {old.kind} {old.base64}\n"
    # Written by hand, without a newline at the end.
    file.write_text(f"{name} {old.kind} {old.base64}\n{other}".rstrip())
    assert known_as("i-1.example.com", port) == name
    lines = advice(name, str(file), new, old)
    assert f"  presented: ssh-ed25519 {fingerprint}" in lines
    subprocess.run(["sh", "-c", lines[-1]], capture_output=True, check=True)
    keys = [line for line in file.read_text().splitlines() if line]
    assert keys == [other.rstrip(), f"{name} {new.kind} {new.base64}"]


def test_a_host_that_is_not_known_yet(tmp_path: Path) -> None:
    key, fingerprint = make(tmp_path, "key")
    file = tmp_path / "known_hosts"
    lines = advice("box", str(file), key, None)
    assert lines[:2] == [f"box is not in {file} yet.", f"  presented: ssh-ed25519 {fingerprint}"]
    assert "ssh-keygen -R" not in lines[-1]
    subprocess.run(["sh", "-c", lines[-1]], check=True)
    assert file.read_text().split() == ["box", key.kind, key.base64]
