"""What every resource is: something of Dify's that is compared, and written only when it differs."""

from __future__ import annotations

from typing import Protocol

# The provider of langgenius/openai_api_compatible. Always in three parts: with the short name Dify
# lists nothing and reports no error.
PROVIDER = "langgenius/openai_api_compatible/openai_api_compatible"


class Resource(Protocol):
    """One thing at Dify that is kept as wanted."""

    @property
    def title(self) -> str:
        """Imperative and the same on every host, for instance "Set the default models"."""

    def difference(self) -> str | None:
        """Say in one line, without secrets, what differs; None when nothing does. Only reads.

        Raises:
            DifyError: it could not be read.
        """

    def apply(self) -> None:
        """Write what differs, nothing else, and read it back.

        Raises:
            DifyError: refused, or the read-back still differs.
        """
