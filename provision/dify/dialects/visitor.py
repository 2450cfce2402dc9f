"""How a visitor of a chat link shows the passport that the link gave."""

from __future__ import annotations


def as_bearer(passport: str) -> dict[str, str]:
    """In the header that the console's tokens travel in, too."""
    return {"Authorization": f"Bearer {passport}"}


def as_passport(passport: str) -> dict[str, str]:
    """In a header of its own; a bearer token alone is refused with 401."""
    return {"X-App-Passport": passport}
