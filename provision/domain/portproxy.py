"""Windows' port proxy: what its registry says, and which rules have to change.

A rule lives in the registry as one string value: the name is ``listen address/listen port``, the data is
``connect address/connect port`` (layout known from PortProxyGUI's source and from forensic write-ups). So
there is at most one rule for a listen pair. ``*`` and ``0.0.0.0`` are two different listen addresses, may
stand side by side on one port, and which of them answers is then anybody's guess.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

REGISTRY_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\PortProxy\v4tov4\tcp"

# ``reg.exe`` prints the key in full, whatever short form it was asked with; rows under it belong to it.
_KEY_LINE_END = r"\portproxy\v4tov4\tcp"
_COLUMN_GAP = "    "


@dataclass(frozen=True, order=True)
class Rule:
    """One ``v4tov4`` rule.

    Args:
        listen_address: an IPv4 address of Windows, or ``*`` when the rule was added without one.
        listen_port: TCP port on Windows.
        connect_address: where Windows connects to: an IPv4 address or a name.
        connect_port: TCP port there.
    """

    listen_address: str
    listen_port: int
    connect_address: str
    connect_port: int

    @property
    def key(self) -> str:
        """The listen pair as the registry spells it; unique among the rules of a machine."""
        return f"{self.listen_address}/{self.listen_port}"

    @property
    def removal(self) -> str:
        """What an administrator runs to remove it."""
        listen_address = "" if self.listen_address == "*" else f" listenaddress={self.listen_address}"
        return f"netsh interface portproxy delete v4tov4 listenport={self.listen_port}{listen_address}"

    def __str__(self) -> str:
        return f"{self.listen_address}:{self.listen_port} -> {self.connect_address}:{self.connect_port}"


@dataclass(frozen=True)
class Difference:
    """What turns the present rules into the wanted ones; falsy when nothing has to change.

    Args:
        stale: rules of ours that are wanted no more, to be deleted before anything is set.
        missing: wanted rules that are not there or lead elsewhere, to be set.
    """

    stale: tuple[Rule, ...]
    missing: tuple[Rule, ...]

    def __bool__(self) -> bool:
        return bool(self.stale or self.missing)


class ForeignRuleError(ValueError):
    """A rule that is not ours occupies a port that we want."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        super().__init__(
            f"port {rule.listen_port} of Windows already belongs to the port proxy rule {rule}, which this "
            "deploy did not make. Keep it and choose another port, or remove it as administrator: "
            f"{rule.removal}"
        )


def decode_console(data: bytes) -> str:
    """Turn the output of a Windows console program into text; never fails.

    Windows' programs write the OEM code page (GBK on a Chinese Windows), some write UTF-16LE. Rules are ASCII
    in each of them, so only messages depend on the guess.
    """
    if b"\x00" in data:
        return data.decode("utf-16", errors="replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", errors="replace")


def parse_registry(output: bytes) -> list[Rule]:
    """Read the rules from what ``reg.exe query`` printed.

    Args:
        output: raw standard output. Nothing at all, or other keys only, means no rules. A row that is no rule
            (a default value, a damaged one) is skipped, because Windows' own service ignores it, too.
    """
    rules = []
    ours = False
    for line in decode_console(output).splitlines():
        if line.startswith("HKEY_"):
            ours = line.strip().lower().endswith(_KEY_LINE_END)
        elif ours and line.startswith(_COLUMN_GAP):
            rule = _parse_row(line)
            if rule is not None:
                rules.append(rule)
    return sorted(rules)


def _parse_row(line: str) -> Rule | None:
    match line.strip().split(_COLUMN_GAP):
        case [name, "REG_SZ", data]:
            listen_address, _, listen_port = name.partition("/")
            connect_address, _, connect_port = data.partition("/")
            if listen_port.isdecimal() and connect_port.isdecimal():
                return Rule(listen_address, int(listen_port), connect_address, int(connect_port))
    return None


def foreign(current: Iterable[Rule], wanted: Collection[Rule], owned: Collection[str]) -> list[Rule]:
    """Rules that are not ours. One that does just what we want is as good as ours.

    Args: as for :func:`difference`.
    """
    return [rule for rule in current if rule.key not in owned and rule not in wanted]


def difference(current: Iterable[Rule], wanted: Iterable[Rule], owned: Collection[str]) -> Difference:
    """Compare the rules that Windows has with the whole set that we want there.

    Args:
        current: every rule in the registry.
        wanted: every rule that the deploy wants; rules of ours that are not in it are stale.
        owned: listen pairs (``Rule.key``) that an earlier deploy has set; all other rules are foreign.

    Raises:
        ForeignRuleError: a foreign rule listens on a wanted port and is not just the wanted rule itself.
    """
    present = {rule.key: rule for rule in current}
    desired = {rule.key: rule for rule in wanted}
    ports = {rule.listen_port for rule in desired.values()}
    for rule in foreign(present.values(), desired.values(), owned):
        if rule.listen_port in ports:
            raise ForeignRuleError(rule)
    return Difference(
        stale=tuple(sorted(present[key] for key in owned if key in present and key not in desired)),
        missing=tuple(sorted(rule for key, rule in desired.items() if present.get(key) != rule)),
    )
