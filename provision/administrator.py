"""The administrator's password: the one that the Dify host keeps, or the owner's own.

An installation that somebody else set up has an account whose password only its owner knows, and so has one
whose password was changed in the console. It is given once, in the environment of this computer, tried once,
and kept on the Dify host when Dify has accepted it.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from getpass import getpass

from provision.dify.errors import DifyError
from provision.domain.secrets import ADMIN_PASSWORD
from provision.domain.wiring.passwords import password_problem
from provision.keeper import secret

# The password itself, or ASK.
VARIABLE = "DIFY_ADMIN_PASSWORD"
ASK = "ask"
ADVICE = (
    f"Run again with {VARIABLE}={ASK} in the environment to be asked for the password that the account has "
    "now; it is kept when Dify has accepted it"
)


def password() -> str:
    """What to sign in with, and what a first administrator gets.

    Raises:
        DifyError: the one that was given cannot be one; nothing was sent.
        KeeperUnavailableError: none was given and the Dify host cannot be read.
    """
    given = given_password()
    return secret(ADMIN_PASSWORD) if given is None else given


def given_password() -> str | None:
    """The owner's own, from the environment or a prompt; None when none was given.

    Raises:
        DifyError: it cannot be one.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    if given == ASK:
        given = _answered()
    problem = password_problem(given)
    if not problem and given != given.strip():
        problem = "it begins or ends with white space"
    if problem:
        raise DifyError("Sign in to Dify", f"{VARIABLE} is no password: {problem}", "nothing was sent")
    return given


@cache
def _answered() -> str:
    """Asked once a run."""
    if not sys.stdin.isatty():
        raise DifyError(
            "Sign in to Dify",
            f"{VARIABLE} is {ASK!r}, but nobody can be asked here",
            "put the password in it",
        )
    return getpass("Password of Dify's administrator: ")
