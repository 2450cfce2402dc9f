"""Chat, embedding and scoring on one host, side by side."""

import runpy

from lab import addresses
from provision.domain.validation import merged
from provision.inventory import check

_lab = runpy.run_path("inventories/lab.py")
dify = _lab["dify"]
_name, _data = _lab["embed"][0]
_ports = {"chat": 8081, "embed": 8080, "score": 8082}
_roles = {
    role: {
        **_data["embed"],
        "listen_port": port,
        "transport": "direct",
        "endpoint": f"http://{addresses.GPU_EMBED.ip}:{port}/v1",
    }
    for role, port in _ports.items()
}
chat = embed = score = [(_name, merged(_data, _roles))]

check(globals())
