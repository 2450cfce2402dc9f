"""This machine in place of a host: commands run here, in folders of a test, with a stand-in for Docker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, Any

from pyinfra.api import FactBase, Host, StringCommand
from pyinfra.connectors.util import CommandOutput, OutputLine

from provision.domain.settings import BackupSettings, DifySettings

# What a deploy asks of Docker, over a folder instead of an engine: "containers" holds the names of Dify's
# that exist, "running" of those that run, "folder" where compose was called for them, "project" what it calls
# them when not docker; "others" has lines of NAME PROJECT FOLDER. A file "fail" with a word of the arguments
# in it makes that fail.
DOCKER = r"""#!/bin/bash
cd "$DOCKER_STATE" || exit 99
echo "$*" >>calls
if [ -s fail ] && [[ " $* " == *" $(cat fail) "* ]]; then echo "no ${1} today" >&2; exit 1; fi

ps_() { # as each of --filter says, in the words of --format
    local which=running filters=() format='{{.ID}}' name project folder filter
    while [ $# -gt 0 ]; do
        case $1 in
        --all) which=containers ;;
        --filter) filters+=("$2"); shift ;;
        --format) format=$2; shift ;;
        --quiet | --no-trunc) ;;
        *) echo "what is docker ps $1?" >&2; exit 97 ;;
        esac
        shift
    done
    folder=$(cat folder 2>/dev/null || echo "${PWD%/*}/dify/docker")
    project=$(cat project 2>/dev/null || echo docker)
    { sed "s|$| $project $folder|" "$which" 2>/dev/null; cat others 2>/dev/null; } |
        while read -r name project folder; do
            for filter in "${filters[@]}"; do
                case ${filter#label=com.docker.compose.} in
                project | "project=$project" | "project.working_dir=$folder" | oneoff=False | service=api) ;;
                *) continue 2 ;;
                esac
            done
            line=${format//'{{.ID}}'/$name}
            line=${line//'{{.Label "com.docker.compose.project"}}'/$project}
            line=${line//'{{.Label "com.docker.compose.service"}}'/api}
            line=${line//'{{.Label "com.docker.compose.config-hash"}}'/hash}
            line=${line//'{{.Label "com.docker.compose.project.config_files"}}'/$folder/docker-compose.yaml}
            echo "${line//'{{.Label "com.docker.compose.project.working_dir"}}'/$folder}"
        done
}

without() { # FILE NAME...: the lines of a file whose first word is none of the names
    local file=$1 name
    shift
    [ -e "$file" ] || return 0
    for name; do awk -v gone="$name" '$1 != gone' "$file" >rest; cat rest >"$file"; done
    [ -s "$file" ] || rm "$file"
}

case " $* " in
*" volume create "*) mkdir -p "volumes/${!#}/_data" ;;
*" volume inspect "*"{{json .}}"*)
    [ -d "volumes/${!#}" ] || { echo "no such volume" >&2; exit 1; }
    if [ -e "volumes/${!#}/json" ]; then cat "volumes/${!#}/json"; else
        echo "{\"Driver\": \"local\", \"Options\": null, \"Mountpoint\": \"$PWD/volumes/${!#}/_data\"}"
    fi ;;
*" volume inspect "*)
    [ -d "volumes/${!#}" ] || exit 1
    if [ -e "volumes/${!#}/json" ]; then sed 's/.*"Mountpoint": "\([^"]*\)".*/\1/' "volumes/${!#}/json"; else
        echo "$PWD/volumes/${!#}/_data"
    fi ;;
*" compose "*"ps "*) cat running 2>/dev/null ;;
*" compose "*"stop "*) rm -f running ;;
*" compose "*"up "*"--no-recreate "*) cp containers running ;;
*" compose "*"up "*)
    grep -o 'image: .*' "$OLDPWD/docker-compose.yaml" | cut -d' ' -f2 >containers
    echo "$OLDPWD" >folder
    cp containers running ;;
*" compose "*"config "*"--format json "*) cat definition 2>/dev/null || echo '{"services": {}}' ;;
*" compose "*"config --images "*) grep -o 'image: .*' "$OLDPWD/docker-compose.yaml" | cut -d' ' -f2 ;;
*" compose --profile "*"config --services "*) cat services running-services 2>/dev/null ;;
*" compose "*"config --services "*) cat running-services 2>/dev/null ;;
*" compose "*"exec -T api "*) ;;
*" compose "*"pull "* | *" compose "*"config "*) ;;
" image inspect "*) grep -qxF "$3" images 2>/dev/null || exit 1 ;;
" pull --quiet "*) echo "$3" >>images ;;
" ps "*) ps_ "${@:2}" ;;
*" inspect --format {{.Created}} "*) cat created 2>/dev/null || date --iso-8601=seconds ;;
" inspect --format {{json .Mounts}} "*) cat mounts 2>/dev/null ;;
" stop --time 30 "*) without running "${@:4}" ;;
" rm --force "*) for each in containers running others; do without "$each" "${@:3}"; done ;;
*) echo "what is docker $*?" >&2; exit 98 ;;
esac
exit 0
"""


class PowerCutError(BaseException):
    """The control machine is gone."""


class LocalHost:
    """What an operation asks of pyinfra's host, done here.

    Args:
        folder: everything lies in it.
        cut_before: which command, counted from 1, is not sent any more; 0 for none. Facts do not count: to
            be cut before one is to be cut before the next command.
    """

    def __init__(self, folder: Path, cut_before: int = 0) -> None:
        self.name, self.print_prefix = "here", "[here] "
        self.folder = folder
        self.cut_before = cut_before
        self.sent = 0
        self.said: list[str] = []
        self.docker = folder / "docker-engine"
        tools = folder / "bin"
        if not tools.exists():
            tools.mkdir(parents=True)
            self.docker.mkdir()
            (tools / "docker").write_text(DOCKER)
            (tools / "docker").chmod(0o755)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "PATH": f"{tools}:{os.environ['PATH']}",
            "DOCKER_STATE": str(self.docker),
            "GIT_CONFIG_GLOBAL": os.devnull,
        }

    def run_shell_command(self, command: StringCommand, **_: object) -> tuple[bool, CommandOutput]:
        self._count()
        return self._run(command)

    def _run(self, command: StringCommand) -> tuple[bool, CommandOutput]:
        done = subprocess.run(
            ["sh", "-c", command.get_raw_value()],
            env=self._environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        lines = [OutputLine("stdout", line) for line in done.stdout.splitlines()]
        lines += [OutputLine("stderr", line) for line in done.stderr.splitlines()]
        self.said += [line.line for line in lines]
        return done.returncode == 0, CommandOutput(lines)

    def get_fact(self, fact: type[FactBase[Any]], **arguments: Any) -> Any:
        command = fact().command(**arguments)
        done, output = self._run(command if isinstance(command, StringCommand) else StringCommand(command))
        assert done, output.stderr
        return fact().process(output.stdout_lines) if output.stdout_lines else fact().default()

    def get_file(self, path: str, file: IO[bytes]) -> bool:
        self._count()
        with Path(path).open("rb") as source:
            shutil.copyfileobj(source, file)
        file.flush()
        return True

    def put_file(self, source: str | IO[bytes], target: str) -> bool:
        self._count()
        content = Path(source).read_bytes() if isinstance(source, str) else source.read()
        Path(target).write_bytes(content)
        return True

    def noop(self, message: str) -> None:
        self.said.append(message)

    def log(self, message: str) -> None:
        self.said.append(message)

    def log_styled(self, message: str, **_: object) -> None:
        self.said.append(message)

    @property
    def calls(self) -> list[str]:
        """What Docker was asked for."""
        file = self.docker / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def running(self) -> list[str]:
        file = self.docker / "running"
        return file.read_text().split() if file.exists() else []

    def mounts(self, *mounts: dict[str, Any]) -> None:
        """Give the project's containers these mounts."""
        (self.docker / "mounts").write_text(json.dumps(mounts) + "\n")

    def defines(self, **definition: Any) -> None:
        """Have compose read this in Dify's files."""
        (self.docker / "definition").write_text(json.dumps({"services": {}, **definition}) + "\n")

    def fail(self, word: str) -> None:
        """Have Docker fail at what has this word among its arguments."""
        (self.docker / "fail").write_text(word)

    def _count(self) -> None:
        self.sent += 1
        if self.sent == self.cut_before:
            raise PowerCutError


def as_host(here: LocalHost) -> Host:
    return here  # type: ignore[return-value]


def settings(here: LocalHost) -> DifySettings:
    """Everything in the test's folder."""
    return DifySettings(
        folder=f"{here.folder}/dify", backup=BackupSettings(folder=f"{here.folder}/backups", keep=2)
    )
