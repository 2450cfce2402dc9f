"""Everything that Dify keeps, packed: `pyinfra inventories/prod.py deploys/backup.py`."""

from pyinfra import host

from provision.connectors.tuning import without_delay
from provision.inventory import current
from tasks.backup import back_up
from tasks.dify import await_dify, runs
from tasks.ports import resolved

without_delay(host)
deployment = resolved(current())

ran = runs(deployment)
back_up(deployment)
if ran:  # what was stopped stays so
    await_dify(deployment)
