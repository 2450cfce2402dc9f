"""``@wsl/HOST``: a WSL distribution, reached through the OpenSSH server of Windows itself.

Nothing has to listen inside the distribution, and its changing address does not matter. ``HOST`` is the
address of Windows; ``ssh_…`` keys speak of Windows' sshd, ``wsl_…`` keys of the distribution.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Unpack, cast

from paramiko import AuthenticationException, SSHException, Transport
from paramiko.channel import ChannelStdinFile
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.util import get_file_io
from pyinfra.connectors.base import DataMeta
from pyinfra.connectors.ssh import ConnectorData, SSHConnector, connector_data_meta
from pyinfra.connectors.sshuserclient import SSHClient

from provision.connectors import slices
from provision.connectors.windows import Output, Said, Windows
from provision.domain.bootstrap import bootstrap_line
from provision.domain.wsl import PREFIX, Distribution

if TYPE_CHECKING:
    from pyinfra.api.arguments import ConnectorArguments

READY = "wsl-is-ready"

NEW_KEY = '-PublicKey "ssh-ed25519 AAAA…"'
KEY_ADVICE = (
    r"Windows takes the keys of administrators from C:\ProgramData\ssh\administrators_authorized_keys, a "
    r"file that only Administrators and SYSTEM may have rights on, and those of other accounts from "
    rf".ssh\authorized_keys in their profile. {bootstrap_line(options=NEW_KEY)}"
)


class WslConnectorData(ConnectorData):
    """Keys of a host in an inventory."""

    wsl_distribution: str
    wsl_user: str
    wsl_exe: str


class WslConnector(SSHConnector):
    """pyinfra's ssh connector, with every command taken through cmd.exe and wsl.exe."""

    handles_execution = True
    data_cls: type[Any] = WslConnectorData
    data_meta = {  # noqa: RUF012 - as pyinfra declares it
        **connector_data_meta,
        "wsl_distribution": DataMeta("Name of the distribution; without it the account's default one"),
        "wsl_user": DataMeta("Linux user", "root"),
        "wsl_exe": DataMeta("wsl.exe on Windows, by name or path", "wsl.exe"),
    }
    data: Any

    @staticmethod
    def make_names_data(name: str | None) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """The one host that an inventory means by ``@wsl/NAME``."""
        if not name:
            raise ConnectError(f"@wsl needs the address of Windows: {PREFIX}192.168.1.117")
        yield f"{PREFIX}{name}", {"ssh_hostname": name}, ["@wsl"]

    @property
    def distribution(self) -> Distribution:
        """What the host's data says of the distribution."""
        return Distribution(self.data["wsl_distribution"], self.data["wsl_user"], self.data["wsl_exe"])

    def connect(self) -> None:
        """Connect to Windows, and see that the distribution runs and answers.

        Raises:
            ConnectError: with what Windows said, and what to do.
        """
        try:
            super().connect()
        except ConnectError as error:
            if isinstance(error.__context__, AuthenticationException):
                raise ConnectError(f"{error}. {KEY_ADVICE}") from None
            raise
        windows = Windows(cast("SSHClient", self.client))
        try:
            self._enter(windows)
        except ConnectError:
            windows.ssh.close()
            raise
        except (OSError, EOFError, SSHException) as error:
            windows.ssh.close()
            raise ConnectError(f"the connection to Windows broke: {error!r}") from None

    def _enter(self, windows: Windows) -> None:
        windows.have_running(self.distribution)
        self.client = cast("SSHClient", _Inside(windows, self.distribution))
        done, output = self.run_shell_command(StringCommand("echo", READY))
        if not done or READY not in output.stdout_lines:
            raise ConnectError(windows.explain(self.distribution, Said(1, output.output_lines)))

    def shut_down(self) -> None:
        """Stop WSL, and end the connection.

        By Windows, which says when it is done. From inside nobody could tell, and a command that came in
        between would start the distribution again, with the rights of this session.

        Raises:
            OSError: Windows did not do it.
        """
        inside = cast("_Inside", self.client)
        said = inside.windows.run(self.distribution.program("--shutdown"))
        inside.close()
        if said.code:
            raise OSError(f"{self.host.name}: wsl --shutdown failed. {said}")

    def put_file(
        self,
        filename_or_io: Any,
        remote_filename: str,
        remote_temp_filename: str | None = None,  # noqa: ARG002 - only SFTP needs one
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Unpack[ConnectorArguments],
    ) -> bool:
        """Write a file in the distribution; Windows' SFTP would put it onto a Windows drive.

        Raises:
            OSError: it cannot be written; see :func:`slices.send`.
        """
        run = partial(self.run_shell_command, print_output=print_output, print_input=print_input, **arguments)
        with get_file_io(filename_or_io) as file:
            slices.send(run, file, remote_filename)
        return True

    def get_file(
        self,
        remote_filename: str,
        filename_or_io: Any,
        remote_temp_filename: str | None = None,  # noqa: ARG002 - only SFTP needs one
        print_output: bool = False,  # noqa: ARG002 - nobody wants to see base64
        print_input: bool = False,
        **arguments: Unpack[ConnectorArguments],
    ) -> bool:
        """Read a file of the distribution.

        Raises:
            OSError: it cannot be read; see :func:`slices.receive`.
        """
        run = partial(self.run_shell_command, print_output=False, print_input=print_input, **arguments)
        pieces = slices.receive(run, remote_filename)
        first = next(pieces, b"")  # what cannot be read leaves the file here as it was
        with get_file_io(filename_or_io, "wb") as file:
            for piece in chain([first], pieces):
                file.write(piece)
        return True

    def check_can_rsync(self) -> None:
        """pyinfra asks before it uses rsync, whose other end would be Windows."""
        raise NotImplementedError(f"{self.host.name}: rsync does not reach into a WSL distribution")


class _Inside:
    """What pyinfra's connector uses of its ssh client, with commands run in the distribution.

    Args:
        windows: the connection.
        distribution: where commands go.
    """

    def __init__(self, windows: Windows, distribution: Distribution) -> None:
        self.windows = windows
        self._distribution = distribution

    def get_transport(self) -> Transport | None:
        """The connection itself, for who opens channels on it."""
        return self.windows.ssh.get_transport()

    def close(self) -> None:
        """End the connection."""
        self.windows.ssh.close()

    def exec_command(
        self,
        command: str,
        get_pty: bool = False,  # noqa: ARG002 - with one, Windows reports exit code 0 (paramiko/paramiko#1743)
    ) -> tuple[ChannelStdinFile, Output, Output]:
        """Run a command; the results are used as those of paramiko."""
        line, first = self._distribution.invocation(command)
        channel = self.windows.session()
        channel.exec_command(line)
        stdin = channel.makefile_stdin("wb", -1)
        stdin.write(first)
        return stdin, Output(channel, channel.recv), Output(channel, channel.recv_stderr)
