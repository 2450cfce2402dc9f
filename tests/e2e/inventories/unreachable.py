"""The lab with a wrong ssh port for the rented box."""

import runpy

from provision.inventory import check

_lab = runpy.run_path("inventories/lab.py")
chat, embed, dify = _lab["chat"], _lab["embed"], _lab["dify"]
_name, _data = _lab["score"][0]
score = [(_name, {**_data, "ssh_port": 20714})]

check(globals())
