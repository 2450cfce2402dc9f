"""Where the lab keeps its files: everything under the git-ignored folder `.lab/` of the repository."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".lab"

CACHE = STATE / "cache"  # survives `down`; each entry's name holds the hash of its recipe
RUN = STATE / "run"  # of the booted lab only
ENGINE = STATE / "docker"  # the lab's own dockerd, where the machine runs none

SSH_FOLDER = RUN / "ssh"
SSH_KEY = SSH_FOLDER / "id_ed25519"
# Where Windows has put its WSL, once that is another address than at first.
WSL_ADDRESS = RUN / "wsl-address"
KNOWN_HOSTS = SSH_FOLDER / "known_hosts"
# Windows' way into its WSL, which on a real machine needs no key.
WINDOWS_KEY = SSH_FOLDER / "id_windows"
