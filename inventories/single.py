"""Everything on one Linux machine with a GPU (and Docker): chat, embedding, scoring and Dify."""

from provision.inventory import check

# Each role's gateway has its own port; Dify's containers reach them through the Docker bridge, at
# http://host.docker.internal:<listen_port>/v1.
_machine = (
    "one-box",
    {
        "ssh_hostname": "192.168.1.60",
        "ssh_user": "root",
        "ssh_config_file": "inventories/ssh_config",
        "ssh_known_hosts_file": "inventories/known_hosts",
        "ssh_strict_host_key_checking": "yes",
        # Three servers share one GPU: each takes a share of its whole memory.
        "chat": {
            "listen_port": 8080,
            "extra_args": ["--gpu-memory-utilization", "0.5"],
        },
        "embed": {
            "transport": "direct",
            "listen_port": 8081,
            "extra_args": ["--gpu-memory-utilization", "0.15"],
        },
        "score": {
            "transport": "direct",
            "listen_port": 8082,
            "extra_args": ["--gpu-memory-utilization", "0.15"],
        },
        "dify": {"port": 80},
    },
)

chat = embed = score = dify = [_machine]

check(globals())
