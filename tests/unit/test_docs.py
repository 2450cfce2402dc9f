"""What README.md and docs/ say of themselves and of the code."""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from provision.domain.settings import MODEL_ROLES
from provision.domain.tunnel import Tunnel
from provision.operations.service import HOOK

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REMOVING = (ROOT / "docs/removing.md").read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_first() -> None:
    first = PAGES[0].read_text("utf-8")
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in first] == []


def names(settings: Mapping[str, object], inside: str = "") -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from names(value, f"{inside}{name}.")
        else:
            yield inside + name


@pytest.mark.parametrize("file", ["all", "chat", "dify"])
def test_every_setting_stands_in_the_tables(file: str) -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    told = set()
    for row in re.findall(r"(?m)^\| (`[^|]*`) \|", text):
        first, *others = re.findall(r"`([^`]+)`", row)
        told |= {first} | {
            first.rpartition(".")[0] + each if each.startswith(".") else each for each in others
        }
    [settings] = (v for k, v in runpy.run_path(str(ROOT / f"group_data/{file}.py")).items() if k[0] != "_")
    assert set(names(settings)) - told == set()


def edited(path: Path, line: str) -> str:
    """A file after the command of docs/removing.md that edits the one of this name in a home."""
    [command] = [each for each in REMOVING.splitlines() if each.startswith("sed ") and each.endswith(line)]
    subprocess.run(["sh", "-c", command.replace(line, str(path))], check=True)
    return path.read_text()


def test_the_line_in_a_start_hook_can_be_taken_out(tmp_path: Path) -> None:
    hook = tmp_path / "onstart.sh"
    hook.write_text(f"#!/bin/sh\n{HOOK}\nexec jupyter lab\n")
    assert edited(hook, "/root/onstart.sh") == "#!/bin/sh\nexec jupyter lab\n"


def test_the_keys_of_tunnels_can_be_taken_out(tmp_path: Path) -> None:
    keys = tmp_path / "authorized_keys"
    tunnel = Tunnel("box", 22, "root", 18001, 8080)
    ours = [tunnel.authorized("ssh-ed25519 AAAA", f"dify-vllm-deploy:{role}") for role in MODEL_ROLES]
    keys.write_text("\n".join(["ssh-ed25519 BBBB me@dify-vllm-deploy", *ours, ""]))
    assert edited(keys, "~/.ssh/authorized_keys") == "ssh-ed25519 BBBB me@dify-vllm-deploy\n"
