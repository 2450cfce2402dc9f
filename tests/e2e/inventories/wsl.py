"""The lab with its Dify host reached through Windows' own OpenSSH server."""

import runpy

from lab import addresses
from provision.inventory import check

_lab = runpy.run_path("inventories/lab.py")
chat, embed, score = _lab["chat"], _lab["embed"], _lab["score"]
_name, _data = _lab["dify"][0]
dify = [
    (
        f"@wsl/{addresses.WINDOWS.ip}",
        {
            **_data,
            "ssh_hostname": addresses.WINDOWS.ip,
            "ssh_user": "owner",
            "wsl_distribution": "Debian",
        },
    )
]

check(globals())
