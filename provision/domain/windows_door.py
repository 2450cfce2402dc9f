"""The contract of the elevated door: what may be asked of Windows' administrator, and what comes back.

The door is a scheduled task that ``bootstrap/windows.ps1`` registers once. It runs ``bootstrap/door.ps1``
with highest rights, reads one request file that anybody who controls the distribution can write, and so
trusts nothing in it: every field is checked, and each refusal has one of the texts below. What form is good,
:class:`Request` says for the script and for the lab's stand-in of it, too; tests hold the three together.

A request names the *whole* set of port proxy rules that the deploy wants, or of firewall rules, or of both.
The door works out the difference by itself, from its own record of the rules that it has set before and from
the name that only its firewall rules have: a caller can never make it delete somebody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from provision.domain.firewall import ANY, LOCAL_SUBNET, Opening
from provision.domain.portproxy import Rule

VERSION: Final = 1
TASK_NAME = "dify-vllm-deploy door"

# Only administrators can write here, everybody may read. Paths are relative to the root of drive C:.
FOLDER = PurePosixPath("Program Files/dify-vllm-deploy")
SCRIPT = FOLDER / "door.ps1"
SETTINGS = FOLDER / "settings.json"
OWNED_RULES = FOLDER / "owned-rules.txt"
RESULT = FOLDER / "result.json"
# Only this one is the user's to write.
REQUEST = PurePosixPath("ProgramData/dify-vllm-deploy/request.json")

MAX_REQUEST_BYTES = 16384
# How many nonces a door remembers. They keep a request file that was left there, whose nonce is among the
# last ones, from being carried out when the task is started again. They need not keep anybody else out: who
# can put an old request back can as well write a new one.
REMEMBERED_NONCES = 1000

MALFORMED = "the request does not have the form that this door accepts"
REPLAYED = "this request was handled before"
PORT_REFUSED = "port {0} is not among the ports that the administrator allowed: {1}"
NO_ADAPTER = "Windows has no network adapter of WSL; with mirrored networking no rule is needed"
ADDRESS_REFUSED = "connect address {0} is no address of a distribution in the subnet of WSL, {1}"
FOREIGN_RULE = "listen port {0} belongs to a rule that this door did not make: {1}"
NOT_APPLIED = "netsh did not make the wanted change, the registry still has: {0}"
NOT_OPENED = "Windows did not make the wanted change of its firewall, the registry still has: {0}"

Port = Annotated[int, Field(ge=1, le=65535)]
# Dotted decimal only: no names, no octal or short forms, which Windows and Python read differently.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_DOTTED = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
Address = Annotated[str, Field(pattern=rf"\A{_DOTTED}\z")]
Remote = Annotated[
    str, Field(pattern=rf"\A(?:{ANY}|{LOCAL_SUBNET}|{_DOTTED}(?:/(?:3[0-2]|[12][0-9]|[1-9]))?)\z")
]
Profile = Literal["Domain", "Private", "Public"]


class DoorRefusedError(ValueError):
    """The door does not do what a request asks; the message is the text that its result file carries."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RequestedRule(_Message):
    """A port proxy rule as it may be asked for: addresses in full, never ``*``."""

    listen_address: Address
    listen_port: Port
    connect_address: Address
    connect_port: Port

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Raises pydantic's ``ValidationError`` for a rule that only the registry may hold."""
        return cls(
            listen_address=rule.listen_address,
            listen_port=rule.listen_port,
            connect_address=rule.connect_address,
            connect_port=rule.connect_port,
        )


class RequestedOpening(_Message):
    """A port on which Windows' firewall is to let others in.

    Args:
        port: TCP port of Windows.
        remote_addresses: ``Any`` or ``LocalSubnet``, each alone, or IPv4 addresses and networks.
        profiles: of Windows' networks.
    """

    port: Port
    remote_addresses: Annotated[list[Remote], Field(min_length=1, max_length=32)]
    profiles: Annotated[list[Profile], Field(min_length=1, max_length=3)]

    @classmethod
    def of(cls, opening: Opening) -> Self:
        """Raises pydantic's ``ValidationError`` for one that a door would not accept."""
        return cls.model_validate(
            {
                "port": opening.port,
                "remote_addresses": list(opening.remote_addresses),
                "profiles": list(opening.profiles),
            }
        )

    @model_validator(mode="after")
    def _each_once_and_keywords_alone(self) -> Self:
        for values in (self.remote_addresses, self.profiles):
            if len({*values}) != len(values):
                raise ValueError("something is named twice")
        if len(self.remote_addresses) > 1 and {ANY, LOCAL_SUBNET} & {*self.remote_addresses}:
            raise ValueError("a keyword stands alone")
        return self


class Request(_Message):
    """What the deploy asks the door to do.

    Args:
        version: of this contract; a door of another version refuses.
        nonce: 32 hexadecimal digits, never used before. It ties the result to the request, and keeps an old
            request file from being carried out twice.
        port_proxy: every port proxy rule that the deploy wants; ``None`` leaves them as they are.
        firewall: every port that is to be let in; ``None`` leaves the firewall as it is.
    """

    version: Literal[1] = VERSION
    nonce: Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\z")]
    port_proxy: Annotated[list[RequestedRule], Field(max_length=16)] | None = None
    firewall: Annotated[list[RequestedOpening], Field(max_length=16)] | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.port_proxy is None and self.firewall is None:
            raise ValueError("nothing is asked for")
        return self

    @model_validator(mode="after")
    def _one_rule_for_a_place(self) -> Self:
        rules, openings = self.port_proxy or [], self.firewall or []
        pairs = {(rule.listen_address, rule.listen_port) for rule in rules}
        if len(pairs) != len(rules) or len({opening.port for opening in openings}) != len(openings):
            raise ValueError("two rules for the same place")
        return self

    @property
    def ports(self) -> list[int]:
        """Every port of Windows that it speaks of, in the order in which a door looks at them."""
        rules, openings = self.port_proxy or [], self.firewall or []
        return [rule.listen_port for rule in rules] + [opening.port for opening in openings]


class Result(_Message):
    """What the door did.

    Args:
        nonce: of the request that it answers; ``None`` when that could not be read.
        ok: whether Windows is now as the request wants it.
        message: why not, otherwise empty.
        applied: port proxy rules that were set, ``listen -> connect`` in the registry's spelling, and names
            of firewall rules.
        removed: listen pairs and names of rules that were deleted.
    """

    version: Literal[1] = VERSION
    nonce: str | None
    ok: bool
    message: str
    applied: list[str]
    removed: list[str]


class Settings(_Message):
    """What the administrator said when the door was built.

    Args:
        allowed_ports: TCP ports of Windows that may be forwarded and let in.
        owner: the Windows account whose distribution is held; the door itself does not care.
        distribution: name of that one.
    """

    version: Literal[1] = VERSION
    allowed_ports: list[Port]
    owner: str | None = None
    distribution: str | None = None


def parse_result(data: bytes) -> Result | None:
    """Read a result file; ``None`` when there is none, or only half of one yet."""
    try:
        return Result.model_validate_json(data)
    except ValidationError:
        return None


def parse_settings(data: bytes) -> Settings | None:
    """Read the door's settings; ``None`` when there are none that this version understands."""
    try:
        return Settings.model_validate_json(data)
    except ValidationError:
        return None


def parse_owned_rules(data: bytes) -> frozenset[str]:
    """Read the record of listen pairs that the door has set: one ``address/port`` a line."""
    return frozenset(data.decode("ascii", errors="replace").split())


def check_ports(ports: Iterable[int], *, allowed_ports: Collection[int]) -> None:
    """Raises ``DoorRefusedError`` for a port that the administrator has not allowed."""
    for port in ports:
        if port not in allowed_ports:
            raise DoorRefusedError(PORT_REFUSED.format(port, ", ".join(map(str, sorted(allowed_ports)))))
