"""Dify's rules for the first administrator, checked before anything is sent.

Since 1.12 the server only answers "Validation error for parameter 'payload'" and does not say which rule
was broken (``api/libs/password.py``, ``api/controllers/console/setup.py``).
"""

from __future__ import annotations

import re

LONGEST_NAME = 30
LONGEST_INIT_PASSWORD = 30


def password_problem(password: str) -> str | None:
    """Say which rule a password breaks, without repeating the password; None when it is fine."""
    if len(password) < 8:
        return "it has fewer than 8 characters"
    if not re.search("[A-Za-z]", password):
        return "it has no letter (a-z, A-Z)"
    if not re.search("[0-9]", password):
        return "it has no digit"
    if "\n" in password or "\r" in password:
        return "it contains a line break"
    return None


def administrator_problem(email: str, name: str, password: str, init_password: str | None) -> str | None:
    """Say what Dify would refuse about the first administrator; None when nothing."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", email):
        return f"the e-mail address {email!r} is not one"
    if not 1 <= len(name) <= LONGEST_NAME:
        return f"the name {name!r} has {len(name)} characters, 1 to {LONGEST_NAME} are allowed"
    if init_password is not None and len(init_password) > LONGEST_INIT_PASSWORD:
        return f"INIT_PASSWORD has {len(init_password)} characters, {LONGEST_INIT_PASSWORD} are allowed"
    if problem := password_problem(password):
        return f"the password is refused: {problem}"
    return None
