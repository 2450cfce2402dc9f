"""Stand-in of ``reg.exe``: ``query`` only, because the deploy writes nothing by it.

Sources: exit codes and options from the documentation of ``reg query``; the shape of the output (a blank
line, the key in full, rows of name, type and data after four spaces each, a blank line, CRLF) from captured
outputs. Inferred: a key without values prints an empty line only.
"""

from __future__ import annotations

from standins import state
from standins.console import Console

_ROOTS = {"HKLM": "HKEY_LOCAL_MACHINE", "HKCU": "HKEY_CURRENT_USER"}


def main(arguments: list[str]) -> int:
    """Run ``reg.exe`` with these arguments; returns the exit code."""
    machine = state.read()
    code = _query(machine, Console(machine["locale"]), arguments)
    state.log_call("reg.exe", arguments, code=code, write=False)
    return code


def _query(machine: state.State, console: Console, arguments: list[str]) -> int:
    match arguments:
        case [verb, key] if verb.lower() == "query":
            wanted = None
        case [verb, key, option] if verb.lower() == "query" and option.lower() == "/s":
            return _query_below(machine, console, key)
        case [verb, key, option, wanted] if verb.lower() == "query" and option.lower() == "/v":
            pass
        case _:
            console.complain(console.text("reg syntax"))
            return 1
    full = _full(key)
    values = _find(machine["registry"], full)
    if values is not None and wanted is not None:
        values = {name: value for name, value in values.items() if name.lower() == wanted.lower()} or None
    if values is None:
        console.complain("", console.text("no such key"))
        return 1
    console.say("", *_listed(full, values))
    return 0


def _query_below(machine: state.State, console: Console, key: str) -> int:
    """``/s``: a key with all keys below it."""
    full = _full(key)
    if _find(machine["registry"], full) is None:
        console.complain("", console.text("no such key"))
        return 1
    for name, values in machine["registry"].items():
        if f"{name.lower()}\\".startswith(f"{full.lower()}\\"):
            console.say("", *_listed(name, values))
    return 0


def _full(key: str) -> str:
    root, _, rest = key.partition("\\")
    return f"{_ROOTS.get(root.upper(), root)}\\{rest}".rstrip("\\")


def _listed(key: str, values: dict[str, state.Value]) -> list[str]:
    rows = [f"    {name}    {value['type']}    {value['data']}" for name, value in values.items()]
    return [key, *rows, ""] if rows else []


def _find(registry: dict[str, dict[str, state.Value]], key: str) -> dict[str, state.Value] | None:
    for name, values in registry.items():
        if name.lower() == key.lower():
            return values
    # A key that is only a parent of others exists, too, and holds no values.
    parents = (name.lower().startswith(f"{key.lower()}\\") for name in registry)
    return {} if any(parents) else None
