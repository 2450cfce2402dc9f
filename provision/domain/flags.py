"""Flags of ``vllm serve`` as its parser reads them: shortened, with underscores, with dotted keys.

vLLM's ``FlexibleArgumentParser`` (vllm/utils/argparse_utils.py, 0.32.0) turns underscores of a flag into
dashes, takes ``--flag.key value`` for one key of a JSON flag, and is an argparse parser with abbreviations
allowed: ``--conv`` means ``--convert``, ``-t`` means ``-tp``.
"""

from __future__ import annotations

from collections.abc import Sequence

MANAGED_FLAGS = (
    "--model",
    "--host",
    "--port",
    "--served-model-name",
    "--max-model-len",
    "--tensor-parallel-size",
    "-tp",
    "--task",
    "--runner",
    "--convert",
    "--uds",
    "--root-path",
    "--ssl-keyfile",
    "--ssl-certfile",
    "--api-key",
    "--default-chat-template-kwargs",
)


def managed(argument: str) -> str | None:
    """The managed flag that an argument sets, in full; ``None`` when it sets none.

    An abbreviation that could also mean another flag counts too: vLLM refuses to start with it anyway.
    """
    name = _name(argument)
    if name in MANAGED_FLAGS:
        return name
    return next((flag for flag in MANAGED_FLAGS if _abbreviates(name, flag)), None)


def given(arguments: Sequence[str], flag: str) -> str | None:
    """The value that arguments give a flag; the last one wins. A flag without a value has ``""``."""
    value = None
    for number, argument in enumerate(arguments):
        name = _name(argument)
        if name == flag or _abbreviates(name, flag):
            _, inline, rest = argument.partition("=")
            following = arguments[number + 1] if number + 1 < len(arguments) else ""
            value = rest if inline else "" if following.startswith("-") else following
    return value


def _name(argument: str) -> str:
    name = argument.split("=", 1)[0]
    return name.split(".", 1)[0].replace("_", "-") if name.startswith("--") else name


def _abbreviates(name: str, flag: str) -> bool:
    dashes = "--" if flag.startswith("--") else "-"
    return name == "--" or (name.startswith(dashes) and len(name) > len(dashes) and flag.startswith(name))
