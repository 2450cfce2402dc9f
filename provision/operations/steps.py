"""Steps on a host that are taken back when a later one fails, and so are no operations of their own."""

from __future__ import annotations

from pathlib import Path

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api import Host, QuoteString, StringCommand

from provision.operations.watched import watch
from provision.templates import text

LOST = (OSError, EOFError, SSHException)
"""What a connection that is gone looks like."""

LAST_LINES = 5


class StepError(Exception):
    """A step failed. The message says what was found, and holds no secret."""


def run(host: Host, command: StringCommand, what: str) -> list[str]:
    """Run a command.

    Args:
        command: prints no secrets.
        what: is being done, for people.

    Returns:
        The lines of its stdout.

    Raises:
        StepError: it failed; with the last lines of its stderr.
    """
    done, output = host.run_shell_command(command, print_output=False, print_input=False)
    if not done:
        said = " / ".join(line.strip() for line in output.stderr_lines[-LAST_LINES:] if line.strip())
        raise StepError(f"{what}: {said or 'it failed without a word'}")
    return list(output.stdout_lines)


def run_visibly(host: Host, command: StringCommand, what: str) -> None:
    """Run a command that takes long, showing its output as it comes.

    Raises:
        StepError: it failed.
    """
    if not watch(host, command, what):
        raise StepError(f"{what} failed, see the lines above")


def program(name: str, *arguments: str) -> StringCommand:
    """A program of ``templates/`` for bash, to be run as it is."""
    script = text(f"templates/{name}")
    return StringCommand("bash -c", QuoteString(script), *map(QuoteString, (name, *arguments)))


def copied_here(host: Host, source: Path | str, target: Path | str) -> bool:
    """Copy a large file when the host is this machine, over a file whose mode stays; whether it is.

    pyinfra's own transfers to ``@local`` hold all of it in memory, and once more in the temporary folder.

    Raises:
        StepError: it could not be copied.
    """
    if host.name != "@local":
        return False
    words = [QuoteString(str(Path(path).absolute())) for path in (source, target)]
    run(host, StringCommand("cp", *words), f"copying {source}")
    return True


def put_text(host: Host, content: str, path: str) -> None:
    """Have a file hold a text without secrets, all of it or none; its folder is made.

    Raises:
        StepError: it could not be written.
    """
    staged = QuoteString(f"{path}.new")
    run(
        host,
        StringCommand(
            "mkdir -p", QuoteString(path.rsplit("/", 1)[0]), "&& (umask 077; printf %s", QuoteString(content),
            ">", staged, ") && sync", staged, "&& mv -T", staged, QuoteString(path),
        ),
        f"writing {path}",
    )  # fmt: skip


def fail(host: Host, message: str) -> bool:
    """Say in red why an operation fails; what a FunctionCommand returns then."""
    host.log_styled(message, fg="red", log_func=logger.error)
    return False
