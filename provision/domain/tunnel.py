"""An ssh tunnel from Dify's host to a model on a rented box: nothing is public there but its sshd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# As Dify's containers call the host that they run on; the override file teaches it to those of a Linux
# engine. A tunnel's near end listens there, on Docker's bridge.
DIFYS_HOST = "host.docker.internal"

# Where there is no bridge to listen on: with Docker Desktop that name is Windows, which reaches what listens
# on loopback inside WSL.
NO_BRIDGE = "127.0.0.1"


@dataclass(frozen=True)
class Tunnel:
    """A way to a model.

    Attributes:
        address: the box's sshd, as Dify's host reaches it.
        ssh_port: that sshd's port.
        user: the account to log in to; its key may do nothing but forward.
        port: the near end, on Dify's host.
        inside_port: the far end, on the box's loopback.
    """

    address: str
    ssh_port: int
    user: str
    port: int
    inside_port: int

    @property
    def endpoint(self) -> str:
        return f"http://{DIFYS_HOST}:{self.port}/v1"

    def authorized(self, public_key: str, mark: str) -> str:
        """The line of the box's ``authorized_keys``.

        ``restrict`` takes everything away but running commands; that, the forced command does. What
        ``port-forwarding`` gives back is more than wanted: ``permitopen`` bounds only the way in, so
        ``permitlisten`` names a port that nobody can want for the way back (OpenSSH 7.8 and newer).
        Unix sockets on the way back it does not bound; sshd has no option of a key for them.

        Args:
            public_key: type and base64, as OpenSSH writes them.
            mark: the comment by which the line is found again.
        """
        opens = f'permitopen="127.0.0.1:{self.inside_port}",permitlisten="127.0.0.1:1"'
        return f'restrict,port-forwarding,{opens},command="/bin/false" {public_key} {mark}'

    def command(self, bridge: str, alias: str, key: str, known_hosts: str) -> list[str]:
        """The ssh client's command line.

        Args:
            bridge: address of Dify's host that its containers reach.
            alias: the box's name in ``known_hosts``, whatever its address.
            key: path of the private key.
            known_hosts: path of a file that holds the box's key and no other.
        """
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "15",
            # Ends, and is started again, instead of staying without its purpose or on a dead connection.
            "ExitOnForwardFailure": "yes",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "3",
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": alias,
            "IdentitiesOnly": "yes",
            "IdentityFile": key,
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": known_hosts,
        }
        return [
            *("ssh", "-N", "-T", "-F", "none"),
            *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
            *("-L", f"{bridge}:{self.port}:127.0.0.1:{self.inside_port}"),
            *("-l", self.user, "-p", str(self.ssh_port), self.address),
        ]


def reason(log: Sequence[str], tunnel: Tunnel, role: str) -> str | None:
    """What ssh's last complaint means and what to do, ``None`` when it complained of nothing known.

    Args:
        log: the last lines of the client's output, oldest first (texts of OpenSSH's clientloop.c, channels.c,
            sshconnect.c and misc.c; unchanged from 8.2 to 9.9).
        tunnel: what was to be opened.
        role: whose settings to name.
    """
    place = f"{tunnel.address}:{tunnel.ssh_port}"
    meanings = {
        "administratively prohibited": (
            f"the sshd of {place} forbids forwarding; set AllowTcpForwarding to local (or yes) there, or "
            f"{role}.transport to public"
        ),
        "open failed: connect failed": f"nothing listens on port {tunnel.inside_port} of the box's loopback",
        "Host key verification failed": (
            f"{place} shows another host key than the box did when it was last reached; when the box was "
            f"replaced, accept its key in your known_hosts and run again, else look at {role}.tunnel_address"
        ),
        "Permission denied": (
            f"{place} does not take the tunnel's key for {tunnel.user}; look at AuthorizedKeysFile and "
            "PubkeyAuthentication there"
        ),
        "Address already in use": (
            f"port {tunnel.port} of Dify's host is taken; set {role}.tunnel_port to a free one"
        ),
        "Cannot assign requested address": (
            "Docker's bridge is not where it was; run again, it is asked for its address"
        ),
        "Could not resolve hostname": (
            f"Dify's host does not know the name {tunnel.address}; set {role}.tunnel_address"
        ),
        "connect to host": (
            f"Dify's host cannot reach {place}; set {role}.tunnel_address to how it can, or open its firewall"
        ),
    }
    for line in reversed(log):
        for text, meaning in meanings.items():
            if text in line:
                return meaning
    return None
