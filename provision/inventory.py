"""From pyinfra's inventory to the checked :class:`~provision.domain.deployment.Deployment`.

Twice: at the end of an inventory file, before any connection (:func:`check`), and inside a run,
where ``--data`` overrides are known too (:func:`current`).
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pyinfra import inventory as pyinfra_inventory
from pyinfra.api.exceptions import DeployError, InventoryError

from provision import knowledge
from provision.connectors.host_keys import give_advice
from provision.domain.budget import budget_problems
from provision.domain.deployment import ROLES, Deployment, deployment
from provision.domain.packages import packages, unsafe
from provision.domain.settings import ServingSettings
from provision.domain.validation import SettingsError, merged
from provision.templates import ROOT, text

GROUP_DATA = Path("group_data")


def check(variables: Mapping[str, Any]) -> None:
    """Validate an inventory file; call it in the file's last line as ``check(globals())``.

    From then on a refused host key is explained, too.

    Args:
        variables: the file's global names; its lists are pyinfra's groups.

    Raises:
        InventoryError: pyinfra prints it and ends with exit code 1, before it connects.
    """
    give_advice()
    groups = {
        # pyinfra takes a group as a list of hosts, or as a pair of that list and the group's data.
        name: value if isinstance(value, tuple) else (value, {})
        for name, value in variables.items()
        if isinstance(value, list | tuple) and not name.startswith("_")
    }
    hosts: dict[str, dict[str, Any]] = {}
    members: dict[str, list[str]] = {}
    for group, (entries, _) in groups.items():
        members[group] = []
        for entry in entries:
            name, data = entry if isinstance(entry, tuple) else (entry, {})
            members[group].append(name)
            hosts.setdefault(name, {}).update(data)
    stem = Path(str(variables.get("__file__", "inventory"))).stem
    layers = {
        name: merged(
            _group_file("all"),
            *(
                merged(_group_file(group), groups[group][1])
                for group, names in members.items()
                if name in names
            ),
            _group_file(stem),
            data,
        )
        for name, data in hosts.items()
    }
    try:
        _checked(members, layers)
    except SettingsError as error:
        raise InventoryError(_report(error)) from None


def current(*takes: str) -> Deployment:
    """The deployment of the running pyinfra, ``--data`` included.

    Args:
        takes: names of ``--data`` that are no settings but say what this run is to do.

    Raises:
        DeployError: when an override is not valid; nothing has been changed yet.
    """
    groups = {role: [host.name for host in _group(role)] for role in ROLES}
    names = dict.fromkeys(name for names in groups.values() for name in names)
    try:
        return _checked(groups, {name: _layers(name, takes) for name in names})
    except SettingsError as error:
        raise DeployError(_report(error)) from None


def given(name: str, pattern: str) -> str | None:
    """What ``--data`` says of a name that is no setting; ``None`` when it says nothing.

    Args:
        pattern: what it has to match as a whole.

    Raises:
        DeployError: it is something else; nothing has been changed yet.
    """
    value = pyinfra_inventory.get_override_data().get(name)
    if value is None or (isinstance(value, str) and re.fullmatch(pattern, value)):
        return value
    taken = "" if isinstance(value, str) else f" (pyinfra takes it for {type(value).__name__}, not text)"
    raise DeployError(f"--data {name}={value}{taken}: that cannot be; it has to look like {pattern}")


def _checked(groups: Mapping[str, list[str]], data: Mapping[str, Mapping[str, Any]]) -> Deployment:
    """The deployment, with the files of this project that its settings name."""
    found = deployment(groups, data)
    named = {(found.dify_host, "dify.bot.prompt"): found.dify.bot.prompt} | {
        (server.host, "serving.vllm_requirements"): server.serving.vllm_requirements
        for server in found.servers.values()
    }
    problems = [
        f"{host}: {setting} = {path!r}: {problem}"
        for (host, setting), path in named.items()
        if (problem := _problem(path))
    ]
    painter = found.dify.stable_diffusion
    package_files = {
        "dify.plugin_package": found.dify.plugin_package,
        "dify.stable_diffusion.plugin_package": painter.plugin_package if painter else None,
    }
    problems += [
        f"{found.dify_host}: {setting} = {path!r}: there is no such file"
        for setting, path in package_files.items()
        if path and not (ROOT / path).is_file()
    ]
    problems = problems or [
        f"{server.host}: serving.vllm_requirements = {server.serving.vllm_requirements!r}: {danger}"
        for server in {server.host: server for server in found.servers.values()}.values()
        if (danger := _danger(server.serving))
    ]
    problems = problems or [
        *(
            f"{found.dify_host}: dify.knowledge.folders: {p}"
            for p in knowledge.problems(found.dify.knowledge)
        ),
        *budget_problems(found, text(found.dify.bot.prompt)),
    ]
    if problems:
        raise SettingsError(problems)
    return found


def _danger(serving: ServingSettings) -> str | None:
    return unsafe(packages(text(serving.vllm_requirements)), serving.allow_vulnerable_vllm)


def _problem(path: str) -> str | None:
    try:
        return None if text(path).strip() else "is empty"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _layers(name: str, takes: Iterable[str]) -> dict[str, Any]:
    host = pyinfra_inventory.get_host(name)
    override = pyinfra_inventory.get_override_data()
    return merged(
        pyinfra_inventory.get_data(),
        # One layer a group: pyinfra lets the last group's object win whole, we merge key by key.
        *(pyinfra_inventory.get_group_data(group) for group in host.groups),
        pyinfra_inventory.get_host_data(name),
        {key: value for key, value in override.items() if key not in takes},
    )


def _group(role: str) -> Iterable[Any]:
    return pyinfra_inventory.get_group(role, default=[])


def _group_file(group: str) -> dict[str, Any]:
    path = GROUP_DATA / f"{group}.py"
    if not path.exists():
        return {}
    return {
        name: value
        for name, value in runpy.run_path(str(path)).items()
        if not name.startswith("_") and isinstance(value, Mapping)
    }


def _report(error: SettingsError) -> str:
    lines = "\n".join(f"  {problem}" for problem in error.problems)
    return f"The settings are not right; nothing was touched:\n{lines}"
