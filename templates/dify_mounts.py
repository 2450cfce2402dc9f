"""Print where a compose project keeps its data, as one line of JSON.

    dify_mounts.py CLONE PROJECT [VARIABLE]...

What it has mounted from the host: both what its definition says, which holds after `docker compose down`,
too, and what its containers have, which may be made from another one. Links are followed: a source is where
the data lies. That of a volume which Docker does not simply keep in a folder is empty.

And what it reaches elsewhere: those variables of Dify's services, and the names of its own ones. Nothing else
of the definition is printed, and of a variable nothing that may be an account's: it holds secrets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any


def main(clone: str, project: str, *variables: str) -> None:
    def docker(*words: str) -> str:
        done = subprocess.run(
            ["docker", *words], cwd=f"{clone}/docker", capture_output=True, text=True, check=True
        )
        return done.stdout

    def place(source: str) -> str:
        """Where a path leads; below the clone as the caller names that."""
        real, top = os.path.realpath(source), os.path.realpath(clone)
        return clone + real[len(top) :] if f"{real}/".startswith(f"{top}/") else real

    definition: dict[str, Any] = json.loads(docker("compose", "config", "--format", "json"))
    services: dict[str, dict[str, Any]] = definition["services"]
    volumes = {each["name"] for each in (definition.get("volumes") or {}).values()}
    binds = {
        (place(each["source"]), not each.get("read_only"))
        for service in services.values()
        for each in service.get("volumes") or ()
        if each["type"] == "bind"
    }
    labels = [f"label=com.docker.compose.{each}" for each in (f"project={project}", "oneoff=False")]
    containers = docker("ps", "--all", "--quiet", "--filter", labels[0], "--filter", labels[1]).split()
    if containers:
        for line in docker("inspect", "--format", "{{json .Mounts}}", *containers).splitlines():
            for each in json.loads(line):
                if each["Type"] == "volume":
                    volumes.add(each["Name"])
                elif each["Type"] == "bind":
                    binds.add((place(each["Source"]), each["RW"]))

    found = [{"kind": "bind", "source": source, "writable": writable} for source, writable in sorted(binds)]
    for name in sorted(volumes):
        try:
            volume = json.loads(docker("volume", "inspect", "--format", "{{json .}}", name))
        except subprocess.CalledProcessError:  # the definition's, and never made
            continue
        kept = volume["Driver"] == "local" and not volume["Options"]
        source = volume["Mountpoint"] if kept else ""
        found.append({"kind": "volume", "source": source, "writable": True, "volume": name})
    print(json.dumps({"mounts": found, "variables": told(services, variables), "hosts": hosts(services)}))


def told(services: dict[str, dict[str, Any]], names: tuple[str, ...]) -> dict[str, str]:
    """What Dify's services are given of some variables; what the API is given counts where they differ."""
    found = {}
    for service in ("plugin_daemon", "api"):
        environment = services.get(service, {}).get("environment") or {}
        found |= {name: environment[name] for name in names if environment.get(name)}
    return {name: str(value).rpartition("@")[2].partition("?")[0] for name, value in found.items()}


def hosts(services: dict[str, dict[str, Any]]) -> list[str]:
    """Names by which the project's services are reached, and the host's own with each published port."""
    found = set(services)
    for service in services.values():
        found |= {service[key] for key in ("container_name", "hostname") if service.get(key)}
        for network in (service.get("networks") or {}).values():
            found |= set((network or {}).get("aliases") or ())
        for port in service.get("ports") or ():
            found.add(f"host.docker.internal:{port.get('published')}")
    return sorted(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
