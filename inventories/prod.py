"""Four machines, as in the owner's notes. Copy this file to one that git ignores, put your addresses in, run:

    pyinfra inventories/mine.local.py deploy.py

Every setting and its default stands in group_data/; a host's entry here overrides it key by key.
"""

from provision.inventory import check

_SSH = {
    "ssh_user": "root",
    "ssh_config_file": "inventories/ssh_config",
    "ssh_known_hosts_file": "inventories/known_hosts",
    # A key that is not in that file ends the connection; see known_hosts.example.
    "ssh_strict_host_key_checking": "yes",
}

# The GPU box. To use a model that you have already: "model_path": "/data/models/Qwen3-0___6B".
chat = [("gpu-box", {**_SSH, "ssh_hostname": "192.168.1.50", "chat": {"max_model_len": 1024}})]

# Two rented GPU servers (gpushare). Dify reaches them through ssh: nothing of them is public but their
# sshd, on the provider's odd port. Or, in clear text, by the one inside port that the provider publishes:
# "embed": {"transport": "public", "endpoint": "http://i-2.gpushare.com:42141/v1"}
# That port is known by the provider's name, and so is its data disk (/hy-tmp), where everything is gone a day
# after power-off until the next run.
_RENTED = {"provider": "gpushare", "index_url": "https://mirrors.aliyun.com/pypi/simple"}
embed = [
    (
        "rented-embed",
        {
            **_SSH,
            "ssh_hostname": "i-2.gpushare.com",
            "ssh_port": 20713,
            "serving": _RENTED,
        },
    )
]
score = [
    (
        "rented-score",
        {
            **_SSH,
            "ssh_hostname": "i-1.gpushare.com",
            "ssh_port": 20714,
            "serving": _RENTED,
        },
    )
]

# The Windows machine: an sshd inside its WSL distribution, which Windows forwards port 2222 to. People
# reach Dify at the LAN address of Windows. Through Windows' own sshd instead: name the host
# "@wsl/192.168.1.117" and take out ssh_hostname and ssh_port; docs/windows.md, "Three ways in".
dify = [
    (
        "dify-wsl",
        {
            **_SSH,
            "ssh_hostname": "192.168.1.117",
            "ssh_port": 2222,
            "dify": {
                "port": 81,
                "public_url": "http://192.168.1.117:81",
                "admin_email": "admin@example.com",
                "bot": {"name": "mofei"},
            },
        },
    )
]

# Chat in the same WSL as Dify instead of a box of its own: give that host both roles. Dify's containers then
# reach it as host.docker.internal; inventories/single.py shows a host with several roles.

check(globals())
