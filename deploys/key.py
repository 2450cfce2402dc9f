"""API keys of the bot, listed: `pyinfra inventories/prod.py deploys/key.py`.

`--data key=add` makes one more, `--data revoke=NAME` takes one back; a name is what a line
of the list begins with, its dash included, or as much of the key's id as no other one begins with.
"""

from pyinfra import host

from provision.connectors.tuning import without_delay
from provision.inventory import current, given
from tasks.app_keys import manage_app_keys
from tasks.ports import resolved

without_delay(host)
deployment = resolved(current("key", "revoke"))

manage_app_keys(deployment, add=given("key", "add") is not None, revoke=given("revoke", r"[0-9a-f-]{4,36}"))
