"""Windows itself, behind its OpenSSH server: what it says of WSL, and a distribution that it is to start.

An administrator's session there has all the rights of an administrator (PowerShell/Win32-OpenSSH#1652), and
whoever starts a distribution hands them on: its init starts programs of Windows with that same token, for
everything in it and as long as it runs (WslCoreInstance.cpp in microsoft/WSL; that these are the full rights
is inferred). So no session starts one: a scheduled task does, which runs as its owner without elevation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from paramiko import Channel, SSHException
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.sshuserclient import SSHClient

from provision.domain.bootstrap import bootstrap_line
from provision.domain.wsl import Distribution, lines, meant, registered, trouble
from provision.domain.wsl_settings import HOLD_TASK

START_SECONDS = 60
LOOK_SECONDS = 1
# The task may still be ending, after `wsl --shutdown`, when it is asked to start; it does not start twice.
ASK_SECONDS = 10


@dataclass(frozen=True)
class Said:
    """What a command of Windows printed, and its exit code."""

    code: int
    lines: list[str]

    def __str__(self) -> str:
        return f"Windows said: {' '.join(' '.join(self.lines).split()).rstrip('.') or 'nothing'}"


class Output:
    """Lines of a command's output, whatever encoding each is in."""

    def __init__(self, channel: Channel, receive: Callable[[int], bytes]) -> None:
        self.channel = channel
        self._receive = receive

    def __iter__(self) -> Iterator[str]:
        return lines(iter(partial(self._receive, 65536), b""))


class Windows:
    """One connection to Windows.

    Args:
        ssh: connected.
    """

    def __init__(self, ssh: SSHClient) -> None:
        self.ssh = ssh

    def session(self) -> Channel:
        """A channel for one command.

        Raises:
            SSHException: the connection is closed, or breaks.
        """
        transport = self.ssh.get_transport()
        if transport is None:
            raise SSHException("the connection to Windows is closed")
        return transport.open_session()

    def run(self, line: str) -> Said:
        """Run a line of cmd.exe, without input."""
        channel = self.session()
        channel.set_combine_stderr(True)
        channel.exec_command(line)
        channel.shutdown_write()
        said = [line for line in Output(channel, channel.recv) if line.strip()]
        return Said(channel.recv_exit_status(), said)

    def have_running(self, wanted: Distribution) -> None:
        """Have a distribution run, started without elevation if it does not yet.

        One that Windows does not know is left to the first command, which says so.

        Raises:
            ConnectError: it cannot be seen whether it runs, it does not start, or it is of WSL 1.
        """
        listed = self.run(wanted.program("--list", "--verbose"))
        distributions = registered(listed.lines)
        if not distributions:
            raise ConnectError(self.explain(wanted, listed))
        found = meant(wanted.name, distributions)
        if found is None:
            return
        if found.version == 1:
            raise ConnectError(
                f"the distribution {found.name} is of WSL 1, in which no containers run. On Windows, run: "
                f"wsl --set-version {found.name} 2"
            )
        if not self._runs(wanted, found.name):
            self._start(wanted, found.name)

    def _runs(self, wanted: Distribution, name: str) -> bool:
        """Asked without starting anything, and without a word that a release might translate."""
        running = self.run(wanted.program("--list", "--running", "--quiet")).lines
        return name.lower() in (line.strip().lower() for line in running)

    def _start(self, wanted: Distribution, name: str) -> None:
        if self.run(f'schtasks.exe /query /tn "{HOLD_TASK}"').code:
            raise ConnectError(
                f"the distribution {name} does not run, and Windows has no task '{HOLD_TASK}' to start it. "
                f"Started over ssh, everything in it would be administrator of Windows. {bootstrap_line()}"
            )
        deadline = time.monotonic() + START_SECONDS
        ask_again = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= ask_again:
                said = self.run(f'schtasks.exe /run /tn "{HOLD_TASK}"')
                ask_again = now + ASK_SECONDS
            if self._runs(wanted, name):
                return
            time.sleep(LOOK_SECONDS)
        raise ConnectError(
            f"the distribution {name} does not run {START_SECONDS} s after the task '{HOLD_TASK}' was "
            f"started; its last result tells why. {said}. Should it hold another distribution: "
            f"{bootstrap_line(options=f'-Distribution {name}')}"
        )

    def explain(self, wanted: Distribution, said: Said) -> str:
        """Why a command could not be run in a distribution, and what to do."""
        found = trouble("\n".join(said.lines))
        if found is None:
            return f"`{wanted.inside('sh')}` does not work. {said}. {self._other_shell()}"
        cause = f"{found.cause} ({wanted.name or 'default'})"
        if found.names_help:
            cause += f"; it has {', '.join(self.run(wanted.program('--list', '--quiet')).lines)}"
        return f"{cause}. {found.advice}. {said}"

    def _other_shell(self) -> str:
        """Only cmd.exe replaces the variable; PowerShell and bash print the words as they are."""
        if "Windows_NT" in self.run("echo %OS%").lines:
            return "Try that line in a command prompt there, as the same account"
        return (
            "Its sshd must start cmd.exe, which is its default: take the value DefaultShell away from "
            r"HKLM\SOFTWARE\OpenSSH, and look whether this is a Windows at all"
        )
