#!/usr/bin/env python3
"""Windows of the lab: fills its drive C: at boot, then is its IP Helper, which forwards ports by rules, and
the firewall before it.

Runs where "Windows" has its network, on Python's standard library alone::

    forwarder.py [DRIVE]

Sources: a rule works as soon as it stands in the registry and IP Helper runs (documentation of netsh; bug
reports of a stopped service). Inferred: connections die with their rule, a target that cannot be reached just
closes the connection, a port that was taken is not tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
from pathlib import Path

from packet_filter import lets_in

STATE = Path("lab/state.json")
DOOR_FOLDER = Path("Program Files/dify-vllm-deploy")
POLL_SECONDS = 0.2
CONNECT_SECONDS = 10
RULES_KEY = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\PortProxy\\v4tov4\\tcp"

Pair = tuple[str, int]


def seed(drive: Path) -> None:
    """Put the programs onto drive C:, and at the very first boot the state that they share.

    Among them is the door's script: an administrator has run bootstrap/windows.ps1 of this checkout.
    """
    source = Path(__file__).resolve().parent / "drive"
    first_boot = not (drive / STATE).exists()
    ignored = shutil.ignore_patterns("__pycache__", *([] if first_boot else ["*.json", "Users"]))
    shutil.copytree(source, drive, ignore=ignored, dirs_exist_ok=True)
    shutil.copy(Path(__file__).resolve().parents[2] / "bootstrap/door.ps1", drive / DOOR_FOLDER)


def read_rules(state: Path) -> dict[Pair, Pair]:
    """Read the rules, listen pair to connect pair, from the stand-ins' state file."""
    values = json.loads(state.read_text("utf-8"))["registry"].get(RULES_KEY, {})
    return {_pair(name): _pair(value["data"]) for name, value in values.items()}


def _pair(text: str) -> Pair:
    address, _, port = text.partition("/")
    return ("0.0.0.0" if address == "*" else address), int(port)  # noqa: S104 - what the rule says


class Forwarder:
    """One listener for each rule, kept in step with the state file."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._listeners: dict[Pair, tuple[Pair, asyncio.Server]] = {}
        self._connections: dict[Pair, set[asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Follow the state file until cancelled."""
        seen = 0
        while True:
            changed = self._state.stat().st_mtime_ns
            if changed != seen:
                seen = changed
                await self._follow(read_rules(self._state))
            await asyncio.sleep(POLL_SECONDS)

    async def _follow(self, rules: dict[Pair, Pair]) -> None:
        for listen, (connect, _) in list(self._listeners.items()):
            if rules.get(listen) != connect:
                await self._close(listen)
        for listen, connect in rules.items():
            if listen not in self._listeners:
                await self._open(listen, connect)

    async def _open(self, listen: Pair, connect: Pair) -> None:
        connections = self._connections[listen] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                if self._lets_in(listen[1], writer):
                    await _forward(reader, writer, connect)
                else:
                    writer.transport.abort()
            finally:
                connections.discard(task)

        try:
            server = await asyncio.start_server(accepted, *listen)
        except OSError as error:
            print(f"{listen[0]}:{listen[1]} cannot be listened on: {error}", flush=True)
            return
        self._listeners[listen] = connect, server
        print(f"{listen[0]}:{listen[1]} -> {connect[0]}:{connect[1]}", flush=True)

    def _lets_in(self, port: int, writer: asyncio.StreamWriter) -> bool:
        machine = json.loads(self._state.read_text("utf-8"))
        return lets_in(machine, port, writer.get_extra_info("peername")[0])

    async def _close(self, listen: Pair) -> None:
        _, server = self._listeners.pop(listen)
        server.close()
        for task in self._connections.pop(listen):
            task.cancel()
        await server.wait_closed()
        print(f"{listen[0]}:{listen[1]} closed", flush=True)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connect: Pair) -> None:
    """Join a client to the target of its rule until both sides have finished."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            target_reader, target_writer = await asyncio.open_connection(*connect)
    except OSError:
        writer.close()
        return
    try:
        await asyncio.gather(_copy(reader, target_writer), _copy(target_reader, writer))
    except OSError:
        pass  # One side has hung up: so does the other.
    finally:
        target_writer.close()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def main(drive: Path) -> None:
    """Boot, then forward until the process is told to stop."""
    seed(drive)
    task = asyncio.create_task(Forwarder(drive / STATE).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    asyncio.run(main(Path(*sys.argv[1:] or ["/mnt/c"])))
