"""What was begun with a whole installation and has not come to its end, as noted on its host."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

NOTE = "/var/lib/dify-vllm-deploy/unfinished.json"
"""Where the note lies. It holds no secret."""

Doing = Literal["upgrade", "restore"]
Phase = Literal["backing up", "changing files", "starting", "going back", "clearing up", "putting back"]

_NEXT: dict[Doing, str] = {
    "upgrade": "run deploys/upgrade.py again: it finishes or goes back",
    "restore": "run deploys/restore.py again with --data backup={backup}",
}


@dataclass(frozen=True)
class Unfinished:
    """An upgrade or a restore under way.

    Attributes:
        phase: what is being done. An upgrade goes "backing up" (Dify may be stopped), "changing files",
            "starting" (the new release's migrations may have begun); a failure makes it "going back".
            Both ways end with "clearing up": Dify runs. A restore is "putting back".
        before: the release that was running; empty where there was none.
        after: the release that is wanted.
        backup: the backup's name; empty while there is none.
        reason: why an upgrade goes back.
    """

    doing: Doing
    phase: Phase
    before: str
    after: str
    backup: str = ""
    reason: str = ""

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    def what_to_do(self) -> str:
        return _NEXT[self.doing].format(backup=self.backup)

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
