"""What drift makes of pyinfra's report."""

from __future__ import annotations

from provision.drift import Drift, read

PLAN = {
    "plan": [
        {"name": "Serve", "hosts_with_change": ["a", "b"], "hosts_with_conditional_change": []},
        {"name": "Prove", "hosts_with_change": [], "hosts_with_conditional_change": ["a"]},
    ]
}


def test_changes_by_host_and_operation() -> None:
    assert read(PLAN, "    [a] Connected\n") == Drift([("a", "Serve"), ("b", "Serve")], [])


def test_hosts_that_could_not_be_looked_at() -> None:
    said = (
        "    [\x1b[1mb\x1b[0m] \x1b[31mCould not connect ([Errno None] port 2)\x1b[0m\n    [a]  Connected\n"
    )
    assert read(PLAN, said).failures == [("b", "Could not connect ([Errno None] port 2)")]


def test_every_way_that_ssh_fails_counts() -> None:
    reasons = [
        "Could not resolve hostname (nowhere)",
        "SSH host key error (Server '10.0.0.1' not found in known_hosts)",
        "Authentication error ()",
        "EOF error ()",
        "Error: could not load fact: server.Which command=nginx",
    ]
    said = "\n".join(f"    [b] {reason}" for reason in reasons)
    assert [reason for _, reason in read(PLAN, said).failures] == reasons
