"""Version numbers, of Dify and of its plugins."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Version:
    """A dotted version; a suffix such as ``-rc1`` or ``+build`` is ignored, missing parts count as 0."""

    major: int
    minor: int = 0
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``1.16.1``.

        Raises:
            ValueError: the text does not begin with a number.
        """
        found = re.match(r"\s*v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
        if found is None:
            raise ValueError(f"{text!r} is not a version number")
        return cls(*(int(part or 0) for part in found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


# The oldest Dify that the client was proven against; what it says to each is in `provision.dify.generations`.
OLDEST_DIFY = Version(1, 3, 1)
