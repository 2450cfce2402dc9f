"""A git work tree on a host."""

from __future__ import annotations

from pyinfra.api import FactBase, QuoteString, StringCommand

from provision.domain.git import GIT

# Without a branch a clone of Dify's is on the newest commit, whose compose file names the newest release.
_SAME_FOLDER = r"""
tag=$(git_there show HEAD:docker/docker-compose.yaml 2>/dev/null |
    sed -n 's|^ *image: langgenius/dify-api:\([0-9.]*\) *$|\1|p' | head -n1)
[ -n "$tag" ] && git_there diff --quiet "refs/tags/$tag" HEAD -- docker 2>/dev/null && echo "$tag"
"""


class CheckedOutTag(FactBase[str]):
    """The tag that a clone of Dify's stands on, ``?`` for one on none, empty when there is no clone.

    A commit whose docker folder is that of the release that it names counts as that release's tag.
    """

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str) -> StringCommand:
        return StringCommand(
            "[ -e", QuoteString(f"{path}/.git"), "] || exit 0;",
            "git_there() {", GIT, "-C", QuoteString(path), '"$@"; };',
            "git_there describe --tags --exact-match --match '[0-9]*.[0-9]*.[0-9]*' 2>/dev/null ||",
            "{", _SAME_FOLDER, "} || echo '?'",
        )  # fmt: skip

    def process(self, output: list[str]) -> str:
        return output[0].strip() if output else ""


class EditedFiles(FactBase[list[str]]):
    """The files of a work tree that differ from its commit; untracked ones do not count."""

    @staticmethod
    def default() -> list[str]:
        return []

    def command(self, path: str) -> StringCommand:
        return StringCommand(
            GIT, "-c core.quotePath=false -C", QuoteString(path),
            "diff --name-only HEAD 2>/dev/null; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output
