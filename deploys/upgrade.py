"""Another release of Dify: `pyinfra inventories/prod.py deploys/upgrade.py --data dify_version=1.16.1`.

Without dify_version the release that the settings pin. What lies between and has to be thought of first is
refused with its reason and its name, and acknowledged by `--data acknowledge=NAME,NAME`.
"""

from pyinfra import host

from provision.connectors.tuning import without_delay
from provision.inventory import current, given
from provision.operations.upgrade import Wanted
from tasks.keys import keys
from tasks.ports import resolved
from tasks.upgrade import upgrade_dify

without_delay(host)
deployment = resolved(current("dify_version", "acknowledge"))
version = given("dify_version", r"\d+\.\d+\.\d+") or deployment.dify.version
acknowledged = given("acknowledge", r"[\w.,-]+") or ""

keys(deployment)
upgrade_dify(Wanted(deployment, version, [name for name in acknowledged.split(",") if name]))
