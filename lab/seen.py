"""What stands in the lab after a deploy, seen on the Dify host itself: past ssh, pyinfra and this tool."""

from __future__ import annotations

import re
from collections.abc import Callable

HANDOVER = "/etc/dify-vllm-deploy/handover.md"

# Requests that change nothing of Dify's configuration: signing in, lists that are asked for by POST, a
# question and the deletion of its conversation.
NO_WRITES = ("/login", "/plugin/list/installations/ids", "/plugin/list/latest-versions", "/chat-messages",
             "/v1/conversations/", "/retrieve")  # fmt: skip


def handed_over(on: Callable[..., str]) -> dict[str, str]:
    """Link, API address and key, as the owner reads them on the Dify host.

    Args:
        on: runs a program on a host of the lab, and returns what it printed: ``on("dify-wsl", "ps")``.
    """
    text = on("dify-wsl", "cat", HANDOVER)
    found = dict(re.findall(r"^\* (Chat link|API base|API key): (\S+)$", text, re.MULTILINE))
    assert set(found) == {"Chat link", "API base", "API key"}
    return found


def requests_at_the_door(on: Callable[..., str]) -> list[tuple[str, str]]:
    """Method and path of every request to Dify since its nginx was made, from the access log."""
    return re.findall(r'"([A-Z]+) ([^ "?]+)', on("dify-wsl", "docker", "logs", "docker-nginx-1"))


def writes_at_the_door(on: Callable[..., str]) -> list[str]:
    """The requests that changed Dify's configuration."""
    return [
        f"{method} {path}"
        for method, path in requests_at_the_door(on)
        if method in ("POST", "PUT", "PATCH", "DELETE") and not any(part in path for part in NO_WRITES)
    ]
