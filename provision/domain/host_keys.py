"""What to say about an ssh host key that is not the known one."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from shlex import quote


@dataclass(frozen=True)
class PublicKey:
    """A public key as it stands in known_hosts and authorized_keys.

    Attributes:
        kind: such as ``ssh-ed25519``.
        base64: the key itself.
    """

    kind: str
    base64: str

    @property
    def entry(self) -> str:
        """As such files have it."""
        return f"{self.kind} {self.base64}"

    def __str__(self) -> str:
        """Kind and fingerprint, the latter as OpenSSH writes it."""
        digest = hashlib.sha256(b64decode(self.base64)).digest()
        return f"{self.kind} SHA256:{b64encode(digest).decode().rstrip('=')}"


def known_as(hostname: str, port: int) -> str:
    """The name under which known_hosts has a host."""
    return hostname if port == 22 else f"[{hostname}]:{port}"


def advice(name: str, file: str, presented: PublicKey, expected: PublicKey | None) -> list[str]:
    """Lines that tell what was found and how to accept it.

    The key itself is written into the command: another look by ssh-keyscan could meet another machine.

    Args:
        name: the host's name in known_hosts.
        file: the known_hosts file that was read.
        presented: what the host shows now.
        expected: what the file has; ``None`` when the host is not in it.
    """
    server_file = f"/etc/ssh/ssh_host_{presented.kind.removeprefix('ssh-').split('-')[0]}_key.pub"
    # The newline first: the file's last line may be without one.
    line = quote(f"{name} {presented.entry}")
    accept = f"printf '\\n%s\\n' {line} >> {quote(file)}"
    if expected:
        found = [
            f"The ssh host key of {name} is not the one in {file}.",
            f"  expected:  {expected}",
            f"  presented: {presented}",
            "Has the box been wiped or replaced? Otherwise somebody may be between you and it.",
        ]
        accept = f"ssh-keygen -R {quote(name)} -f {quote(file)} && {accept}"
    else:
        found = [f"{name} is not in {file} yet.", f"  presented: {presented}"]
    return [
        *found,
        "Nothing was sent to it. Compare the presented fingerprint with what the machine shows by another",
        "way, such as its provider's console:",
        f"  ssh-keygen -lf {server_file}",
        "Only when they are equal, accept the key, and run again:",
        f"  {accept}",
    ]
