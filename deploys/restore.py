"""A backup, put back: `pyinfra inventories/prod.py deploys/restore.py --data backup=NAME`.

Onto the host that it is of, or onto a fresh one; NAME may be a folder here that a backup was fetched to.
"""

from pyinfra import host

from provision.connectors.tuning import without_delay
from provision.inventory import current, given
from provision.operations.barrier import barrier
from tasks.dify import prepare_for_dify
from tasks.keys import keys
from tasks.ports import resolved
from tasks.restore import finish_restoring, restore_dify
from tasks.tunnel import open_tunnels
from tasks.verify import prove
from tasks.windows import open_to_the_lan
from tasks.wsl import follow_the_address, stay_up

without_delay(host)
deployment = resolved(current("backup"), replaced=True)

stay_up(deployment)
prepare_for_dify(deployment)
restore_dify(deployment, given("backup", r".+"))
finish_restoring(deployment)
keys(deployment)
barrier(name="Dify is back")

open_tunnels(deployment)
barrier(name="The tunnels are open")

open_to_the_lan(deployment)
follow_the_address(deployment)
prove(deployment)
