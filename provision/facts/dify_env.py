"""The environment files of Dify's docker folder."""

from __future__ import annotations

import shlex
from base64 import b64decode

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.env_merge import EnvFolder
from provision.domain.git import GIT


def assignments(*names: str) -> str:
    """A filter for the lines of an ``.env`` that set variables.

    Less what is no UTF-8 in them, over which pyinfra would print a traceback.

    Args:
        names: the variables.
    """
    return (
        f"LC_ALL=C grep -aE '^[[:space:]]*(export[[:space:]]+)?({'|'.join(names)})[[:space:]]*=' "
        "| iconv -c -f utf-8 -t utf-8"
    )


class ExampleEnv(FactBase[EnvFolder]):
    """What a tag of a clone says about its settings; empty where there is no clone or no such tag.

    From the tag and not from the work tree, which owners edit. Nothing in it is secret: it is published.
    (``envs/middleware.env.example`` is for another compose file.)
    """

    @staticmethod
    def default() -> EnvFolder:
        return EnvFolder("")

    def command(self, folder: str, tag: str) -> StringCommand:
        git = StringCommand(GIT, "-C", QuoteString(folder))
        return StringCommand(
            "tag=" + shlex.quote(f"refs/tags/{tag}") + ";",
            git, 'ls-tree -r --name-only "$tag" docker/ 2>/dev/null |',
            "grep -E '^docker/([.]env[.]example|docker-compose[.]yaml|envs/.+[.]env[.]example)$' |",
            "grep -v /middleware[.] | while read -r path; do",
            'printf "%s " "$path";', git, 'show "$tag:$path" | base64 -w0; echo; done; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> EnvFolder:
        found: dict[str, str] = {}
        for line in output:
            path, _, content = line.partition(" ")
            name = path.removeprefix("docker/").removesuffix(".example")
            found[name] = b64decode(content).decode(errors="replace")
        env, compose = found.pop(".env", ""), found.pop("docker-compose.yaml", "")
        return EnvFolder(env, found, compose)


class OptionalEnvFiles(FactBase[list[str]]):
    """The owner's copies below ``envs/``, as paths from the docker folder; their names only."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, folder: str) -> StringCommand:
        return StringCommand(
            "cd", QuoteString(folder), "2>/dev/null || exit 0;",
            "find envs -name '*.env' -type f 2>/dev/null | sort",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return list(output)
