"""``python -m lab``: boot, look at and take down the test hosts."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from lab import daemon, hosts, lifecycle
from lab.addresses import ALL, HOSTS
from lab.containers import name_of
from lab.docker import Docker, DockerError
from lab.trees import TreeError

FAILURES = (
    daemon.EngineError,
    DockerError,
    TreeError,
    hosts.BootError,
    TimeoutError,
    subprocess.SubprocessError,
)


def main() -> int:
    """Do what the command line asks; 0 when done, 1 when something failed."""
    given = _arguments()
    begun = time.monotonic()
    try:
        return _do(given)
    except FAILURES as error:
        print(f"lab {given.action} failed: {error}", file=sys.stderr)
        return 1
    finally:
        if given.action in ("up", "down"):
            print(f"[{time.monotonic() - begun:6.1f} s] lab {given.action} in total", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="The test hosts and their surroundings."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", help="boot the lab, or repair what is missing")
    down = actions.add_parser("down", help="remove it; the cache stays")
    down.add_argument("--cache", action="store_true", help="remove the cache and the images too")
    actions.add_parser("status", help="list its containers; exit 3 when there are none")
    names = [address.name for address in ALL]
    wipe = actions.add_parser("wipe", help="replace a host by a blank one with another ssh key")
    wipe.add_argument("host", choices=[address.name for address in HOSTS])
    for action, about in (("reboot", "restart a host and wait for it"), ("logs", "show what a host printed")):
        actions.add_parser(action, help=about).add_argument("host", choices=names)
    return parser.parse_args()


def _do(given: argparse.Namespace) -> int:
    if given.action == "up":
        lifecycle.up()
        return 0
    if given.action == "down":
        lifecycle.down(with_cache=given.cache)
        return 0
    docker = daemon.connect()
    if docker is None:
        print("The lab is down: no Docker engine answers.", file=sys.stderr)
        return 3
    if given.action == "reboot":
        hosts.reboot(given.host)
    elif given.action == "wipe":
        lifecycle.wipe(given.host)
    elif given.action == "logs":
        _show_logs(docker, name_of({address.name: address for address in ALL}[given.host]))
    else:
        table = lifecycle.status(docker)
        print(table, end="")
        return 0 if len(table.splitlines()) > 1 else 3
    return 0


def _show_logs(docker: Docker, container: str) -> None:
    """What the container printed, and where systemd runs inside, its journal."""
    print(docker.run("logs", container).stdout, end="")
    print(docker.exec(container, "journalctl", "--boot", "--no-pager", check=False).stdout, end="")


if __name__ == "__main__":
    sys.exit(main())
