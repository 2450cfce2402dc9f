"""One description of a long-running program, for systemd and for supervisord alike."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Of the service's folder only this subfolder belongs to its account: what root writes beside it (launcher,
# configuration, log) the account must not be able to replace by a link.
STATE = "state"

# Written by the launcher: its process id, which the program keeps, and the digest of the description.
# Comparing it with what runs and what is wanted tells whether a restart is due, even when the run that
# wrote the new files died before it restarted anything. (The environment would not do: nginx overwrites
# its own with the process title.)
STARTED = f"{STATE}/started"

# A supervisord kills the group of a program that it stops, not of one that died: vLLM's engine would live
# on and keep the GPU's memory. So would everything when supervisord itself is killed. Hence each start first
# ends what is left of the group of the start before. The group's number may be another's by now: ours have
# our folder as their working directory.
_END_LEFTOVERS = """\
[ -e started ] && read -r group _ <started && for process in /proc/[0-9]*; do
  [ "$(readlink "$process/cwd")" = "$(pwd -P)" ] && stat=$(cat "$process/stat") || continue
  set -- ${stat##*) } # state, parent, group
  [ "$3" = "$group" ] && [ "$process" != "/proc/$$" ] && kill -KILL "${process#/proc/}"
done 2>/dev/null"""


@dataclass(frozen=True)
class Service:
    """A program that must always run.

    Attributes:
        name: the unit's or program's name.
        description: one line for people.
        argv: program and arguments.
        user: the account it runs under.
        directory: its folder on the data disk, root's; the program's own things are in ``state`` below it.
        env: environment, added to the supervisor's own.
        inputs: fingerprints of everything else it reads at start (configuration, model,
            packages): a change there is a reason to restart.
        after: units that systemd starts before it.
    """

    name: str
    description: str
    argv: Sequence[str]
    user: str
    directory: str
    env: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    after: Sequence[str] = ()

    @property
    def state(self) -> str:
        return f"{self.directory}/{STATE}"

    @property
    def launcher(self) -> str:
        return f"{self.directory}/run"

    @property
    def digest(self) -> str:
        """Changes whenever the running process would be another one."""
        parts = [self.user, *self.argv, *(f"{k}={v}" for k, v in sorted(self.env.items())), *self.inputs]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def launcher_script(self) -> str:
        """A shell script both supervisors run, so that arguments are quoted once and by one rule."""
        return "\n".join(
            [
                "#!/bin/sh",
                f"# {self.description}",
                f"cd {shlex.quote(self.state)} || exit",
                _END_LEFTOVERS,
                *(f"export {name}={shlex.quote(value)}" for name, value in self.env.items()),
                f'echo "$$ {self.digest}" >started',
                f"exec {shlex.join(self.argv)}",
                "",
            ]
        )
