"""From bare machines to an answered question: `pyinfra inventories/prod.py deploy.py`."""

from pyinfra import host

from provision.connectors.tuning import without_delay
from provision.inventory import current
from provision.operations.barrier import barrier
from tasks.dify import await_dify, install_dify, prepare_for_dify
from tasks.gate import nothing_public_by_accident
from tasks.keys import keys
from tasks.machine import prepare_machines
from tasks.model import download_models, forget_old_revisions
from tasks.ports import resolved
from tasks.preflight import preflight
from tasks.serve import prove_models, serve_models
from tasks.tunnel import open_tunnels
from tasks.verify import verify
from tasks.windows import open_to_the_lan
from tasks.wire import wire
from tasks.wsl import follow_the_address, stay_up

without_delay(host)
deployment = resolved(current())

preflight(deployment)
stay_up(deployment)
keys(deployment)
barrier(name="The keys exist")

prepare_machines(deployment)
download_models(deployment)
serve_models(deployment)
barrier(name="The models are starting")

prepare_for_dify(deployment)
install_dify(deployment)
open_tunnels(deployment)
barrier(name="Dify is starting")

prove_models(deployment)
forget_old_revisions(deployment)
await_dify(deployment)
barrier(name="The models answer and Dify is up")

wire(deployment)
open_to_the_lan(deployment)
follow_the_address(deployment)
nothing_public_by_accident(deployment)
verify(deployment)
