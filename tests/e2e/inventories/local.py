"""The lab for a pyinfra that runs on its Dify host, inside the distribution."""

import runpy

from provision.inventory import check

_lab = runpy.run_path("inventories/lab.py")
chat, embed, score = _lab["chat"], _lab["embed"], _lab["score"]
_name, _data = _lab["dify"][0]
dify = [("@local", {key: value for key, value in _data.items() if not key.startswith("ssh_")})]

check(globals())
