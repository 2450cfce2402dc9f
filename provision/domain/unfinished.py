"""What was begun with a whole installation and has not come to its end, as noted on its host."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

NOTE = "/var/lib/dify-vllm-deploy/unfinished.json"
"""Where the note lies. It holds no secret."""

Doing = Literal["upgrade", "restore"]
Phase = Literal[
    "backing up", "changing files", "starting", "going back", "putting back", "proving", "clearing up"
]

_NEXT: dict[Doing, str] = {
    "upgrade": "run deploys/upgrade.py again with --data dify_version={after}: it finishes or goes back; or "
    "deploys/restore.py with a backup, which takes the upgrade's place",
    "restore": "run deploys/restore.py again with --data backup={backup}, or with another one in its place",
}


@dataclass(frozen=True)
class Unfinished:
    """An upgrade or a restore under way.

    Attributes:
        phase: what is being done. An upgrade goes "backing up" (Dify may be stopped), "changing files",
            "starting" (the new release's migrations may have begun), "clearing up" (it runs); a failure
            makes it "going back", "proving", "clearing up". A restore goes "putting back", "proving". While
            one is "proving", the backup is in its place and people may work with it: it is never put back
            again, only started and asked.
        before: the release that was running; empty where there was none.
        after: the release that is wanted.
        backup: the backup's name; empty while there is none.
        reason: why an upgrade goes back, or is going to unless another try succeeds.
    """

    doing: Doing
    phase: Phase
    before: str
    after: str
    backup: str = ""
    reason: str = ""

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @property
    def exchanging(self) -> bool:
        """Whether some parts may be a backup's already and others not yet."""
        return self.phase in ("going back", "putting back")

    def what_to_do(self) -> str:
        way = _NEXT[self.doing].format(after=self.after, backup=self.backup)
        return f"{way} (the note of it is {NOTE})"

    def __str__(self) -> str:
        way = f"to {self.after}" if self.doing == "upgrade" else f"from {self.backup}"
        article = "an" if self.doing == "upgrade" else "a"
        return f"{article} {self.doing} {way} is not finished ({self.phase})"


def parse(text: str) -> Unfinished | None:
    """Read a note; ``None`` for an empty text.

    Raises:
        ValueError: it is something else; what was begun cannot be known then.
    """
    if not text.strip():
        return None
    try:
        return Unfinished(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{NOTE} cannot be read: {error}") from None
