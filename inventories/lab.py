"""The test hosts that `scripts/demo` boots: four machines like the owner's, on one."""

from lab import addresses as lab
from lab import paths, pip_settings
from provision.inventory import check

_SSH = {
    "ssh_user": "root",
    "ssh_key": str(paths.SSH_KEY),
    "ssh_known_hosts_file": str(paths.KNOWN_HOSTS),
    "ssh_strict_host_key_checking": "yes",
    "ssh_allow_agent": False,
}

# No GPU here: the smallest that vLLM on a CPU can do with.
_CPU = {
    "extra_args": ["--kv-cache-memory-bytes", "64M", "--enforce-eager"],
    "env": {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"},
}
_SERVING = {
    "vllm_requirements": "lab/vllm/requirements.txt",
    "find_links": pip_settings.find_links(),
    "index_url": pip_settings.index_url(),
    "package_cache": "/var/cache/uv",
    "link_mode": "symlink",
    "hub_endpoint": f"http://{lab.MODEL_HUB.ip}",
}


def _host(address, **data):
    return address.name, {**_SSH, "ssh_hostname": address.ip, "ssh_port": address.ssh_port, **data}


chat = [_host(lab.GPU_CHAT, chat=_CPU, serving=_SERVING)]
embed = [_host(lab.GPU_EMBED, embed=_CPU, serving=_SERVING)]
# Rented: no systemd, an odd ssh port, one port published under another number; nothing listens behind it.
# What vast.ai calls when a box starts, this box calls too.
_RENTED = {**_SERVING, "provider": "vast.ai", "data_dir": "/srv/dify-vllm"}
score = [_host(lab.GPU_SCORE, serving=_RENTED, score={**_CPU, "listen_port": lab.RENTED_INSIDE_PORT})]
dify = [
    _host(
        lab.dify_wsl(),
        dify={"public_url": f"http://{lab.WINDOWS.ip}:81", "bot": {"max_tokens": 64}},
    )
]

check(globals())
