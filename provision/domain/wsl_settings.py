"""What has a WSL distribution stay up, and come back after a night.

WSL stops a distribution that no Windows program holds, whatever runs inside (documentation of WSL,
"systemd"): 15 s later by default, and the virtual machine after another 60 s
(``src/windows/common/WslCoreConfig.h`` in microsoft/WSL). Both can be switched off; besides, a scheduled task
holds the distribution.
"""

from __future__ import annotations

import re

from provision.domain.ini_file import Key

# Registered by bootstrap/windows.ps1: unelevated, at boot and at logon.
HOLD_TASK = "dify-vllm-deploy hold"

WSL_CONF = "/etc/wsl.conf"
WSL_CONF_KEYS: dict[Key, str] = {("boot", "systemd"): "true"}
# In the Windows user's profile. A negative number of milliseconds is "never".
WSLCONFIG = ".wslconfig"
WSLCONFIG_KEYS: dict[Key, str] = {
    ("wsl2", "vmIdleTimeout"): "-1",
    ("general", "instanceIdleTimeout"): "-1",
}

# systemd-binfmt clears every entry when it has one of its own to register, and with WSL's entry goes the way
# to Windows (microsoft/WSL#8843, #10389). Newer releases guard it; configured here, systemd brings it back.
BINFMT_CONF = "/etc/binfmt.d/WSLInterop.conf"
BINFMT_ENTRY = ":WSLInterop:M::MZ::/init:PF\n"


def mounted(path: str, drive: str) -> str | None:
    """Where a folder of Windows is found in the distribution; ``None`` for what is no path of a drive.

    Args:
        path: as Windows writes it, ``C:\\Users\\gx``.
        drive: where drive C: is mounted; the others are beside it.
    """
    found = re.fullmatch(r"([A-Za-z]):\\(.*?)\\?", path)
    if not found:
        return None
    root = drive.rsplit("/", 1)[0]
    return f"{root}/{found[1].lower()}/{found[2]}".replace("\\", "/").rstrip("/")
