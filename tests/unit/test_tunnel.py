"""What a tunnel's key may do, what its client is told, and what its complaints mean."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.domain.tunnel import Tunnel, reason

TUNNEL = Tunnel("i-1.gpushare.com", 20714, "root", 18002, 8080)


def test_the_key_opens_one_port_and_runs_nothing() -> None:
    assert TUNNEL.authorized("ssh-ed25519 AAAA", "dify-vllm-deploy:score") == (
        'restrict,port-forwarding,permitopen="127.0.0.1:8080",permitlisten="127.0.0.1:1",'
        'command="/bin/false" ssh-ed25519 AAAA dify-vllm-deploy:score'
    )


def test_ssh_understands_the_command_line(tmp_path: Path) -> None:
    """``ssh -G`` prints what the client would do."""
    command = TUNNEL.command("172.17.0.1", "score", str(tmp_path / "key"), str(tmp_path / "known_hosts"))
    said = subprocess.run(
        [command[0], "-G", *command[1:]], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {
        "hostname i-1.gpushare.com",
        "user root",
        "port 20714",
        "localforward [172.17.0.1]:18002 [127.0.0.1]:8080",
        "exitonforwardfailure yes",
        "stricthostkeychecking true",
        "hostkeyalias score",
        f"userknownhostsfile {tmp_path}/known_hosts",
        "globalknownhostsfile /dev/null",
        "batchmode yes",
        "serveraliveinterval 15",
    } <= set(said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "channel 2: open failed: administratively prohibited: open failed",
            "the sshd of i-1.gpushare.com:20714 forbids forwarding; set AllowTcpForwarding",
        ),
        ("channel 2: open failed: connect failed: Connection refused", "nothing listens on port 8080"),
        ("root@i-1.gpushare.com: Permission denied (publickey).", "does not take the tunnel's key for root"),
        ("bind [172.17.0.1]:18002: Address already in use", "set score.tunnel_port to a free one"),
        ("Host key verification failed.", "shows another host key than the box did when it was last reached"),
        (
            "ssh: connect to host i-1.gpushare.com port 20714: Connection timed out",
            "Dify's host cannot reach i-1.gpushare.com:20714; set score.tunnel_address",
        ),
        ("ssh: Could not resolve hostname i-1.gpushare.com: Name or service not known", "does not know the"),
    ],
)
def test_what_a_complaint_means(said: str, expected: str) -> None:
    meaning = reason(["Connection to i-1.gpushare.com closed by remote host.", said], TUNNEL, "score")
    assert meaning
    assert expected in meaning


def test_the_last_complaint_counts() -> None:
    log = ["Permission denied (publickey).", "channel 2: open failed: connect failed: Connection refused"]
    assert "nothing listens" in (reason(log, TUNNEL, "score") or "")
    assert reason(["Authenticated."], TUNNEL, "score") is None
