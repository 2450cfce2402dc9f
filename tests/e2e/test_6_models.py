"""Models: whole or not in place, in one revision, not downloaded twice, and the owner's left alone."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from conftest import LAB, apply, plan, processes

from lab import addresses
from lab.hub.repository import COMMIT

MODEL = "BAAI/bge-base-zh-v1.5"
WEIGHTS = "model.safetensors"
MODELS = "/srv/dify-vllm/models"
FOLDER = f"{MODELS}/BAAI--bge-base-zh-v1.5@master"
OTHER = f"{MODELS}/BAAI--bge-base-zh-v1.5@{COMMIT}"
HALF = f"{MODELS}/.staging/BAAI--bge-base-zh-v1.5@master/{WEIGHTS}.incomplete"

DOWNLOAD = {"Models | Download and verify the model": ["gpu-embed"]}
SERVE = {"Serving | Serve the model with vLLM": ["gpu-embed"]}
REMOVE = {"Models | Remove the model's old revisions": ["gpu-embed"]}

VERIFY = ("--data", 'serving={"verify_models": true}')
IMPATIENT = ("--data", 'serving={"stall_timeout": 10}')


class Hub:
    """The lab's model hub, as tests steer and question it."""

    def _ask(self, method: str, path: str, value: Any = None) -> Any:
        url = f"http://{addresses.MODEL_HUB.ip}{path}"
        return httpx.request(method, url, json=value, timeout=10).raise_for_status().json()

    def break_weights(self, kind: str, times: int | None = None) -> None:
        self._ask("POST", "/lab/faults", [{"model": MODEL, "file": WEIGHTS, "kind": kind, "times": times}])

    def repair(self) -> None:
        self._ask("POST", "/lab/faults", [])

    def forget(self) -> None:
        self._ask("DELETE", "/lab/requests")

    def sent(self) -> dict[str, int]:
        """Bytes of each file that left the hub since it was told to forget."""
        files = self._ask("GET", "/lab/requests")["files"].get(MODEL, {})
        return {path: count["bytes"] for path, count in files.items()}


@pytest.fixture(scope="module", autouse=True)
def _four_machines(converged: object) -> None:
    """As the inventory of the lab has it, whatever the tests before left behind."""
    del converged
    run = apply()
    assert run.code == 0, run.output[-4000:]


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    hub.forget()
    yield hub
    hub.repair()


def sums(on: Callable[..., str], folder: str) -> dict[str, str]:
    """File to SHA-256, as coreutils have it."""
    listed = on(
        "gpu-embed", "sh", "-c", f"cd {folder} && find . -type f ! -name .manifest.json | xargs sha256sum"
    )
    return {path.removeprefix("./"): digest for digest, path in map(str.split, listed.splitlines())}


def there(on: Callable[..., str], path: str) -> bool:
    return on("gpu-embed", "sh", "-c", f"[ -e {path} ] && echo yes || true").strip() == "yes"


def test_what_was_tampered_with_is_found_and_healed(hub: Hub, on: Callable[..., str]) -> None:
    whole, before = sums(on, FOLDER), processes(on)
    on("gpu-embed", "sh", "-c", f"printf tampered | dd of={FOLDER}/{WEIGHTS} conv=notrunc status=none")
    assert sums(on, FOLDER) != whole

    looked = plan(*VERIFY)
    assert (looked.code, looked.changed) == (0, {})
    assert f"files in {FOLDER} is compared when the deploy runs" in looked.output
    run = apply(*VERIFY)
    assert run.code == 0, run.output[-4000:]
    assert run.changed == DOWNLOAD | SERVE
    assert f"{WEIGHTS}: SHA-256" in run.output
    assert set(hub.sent()) == {WEIGHTS}
    assert sums(on, FOLDER) == whole
    # What runs had loaded the tampered weights, for all we know.
    after = processes(on)
    assert {name for name in after if after[name] != before[name]} == {"gpu-embed"}

    assert apply(*VERIFY).changed == {}
    assert apply().changed == {}
    assert processes(on) == after


def started(*arguments: str, until: Callable[[], bool]) -> subprocess.Popen[str]:
    """A run that is under way, and has come to a certain point of its download."""
    run = subprocess.Popen(
        ["pyinfra", "-y", *arguments, LAB, "deploy.py"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not until():
        assert time.monotonic() < deadline, "the download never began"
        time.sleep(0.5)
    return run


def test_a_download_that_stalls_or_is_killed_goes_on_where_it_stopped(
    hub: Hub, on: Callable[..., str]
) -> None:
    whole = sums(on, FOLDER)
    size = int(on("gpu-embed", "stat", "-c", "%s", f"{FOLDER}/{WEIGHTS}"))
    on("gpu-embed", "rm", "-r", FOLDER)

    hub.break_weights("stall")
    told = re.compile(rf"{WEIGHTS}: \d+\.\d MB of \d+\.\d MB, \d+\.\d MB/s")
    with started(*IMPATIENT, until=lambda: WEIGHTS in hub.sent()) as run:
        assert run.stdout
        said = ""
        for line in run.stdout:
            if told.search(line):
                assert "Starting operation: Serving" not in said  # while it runs, not afterwards
                said += "TOLD\n"
            said += line
    assert run.returncode == 1
    assert "TOLD\n" in said
    assert f"no byte came for 10 s; {WEIGHTS}: " in said
    assert not there(on, FOLDER)

    hub.break_weights("stall")
    before = hub.sent()[WEIGHTS]
    with started(until=lambda: hub.sent()[WEIGHTS] > before) as run:
        run.kill()
        on("gpu-embed", "pkill", "-KILL", "-f", "fetch_model")
    assert run.returncode == -signal.SIGKILL
    assert not there(on, FOLDER)

    hub.repair()
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == DOWNLOAD | SERVE
    assert sums(on, FOLDER) == whole
    assert hub.sent()[WEIGHTS] == size  # no byte came twice
    assert apply().changed == {}


@pytest.mark.full
def test_a_copy_in_modelscopes_own_cache_is_adopted(hub: Hub, on: Callable[..., str]) -> None:
    whole = sums(on, FOLDER)
    cache = "/root/.cache/modelscope/hub/models/BAAI/bge-base-zh-v1___5"
    on("gpu-embed", "sh", "-c", f"mkdir -p {cache} && cp -r {FOLDER}/. {cache} && rm -r {FOLDER} && "
       f"rm {cache}/.manifest.json && chmod 600 {cache}/config.json")  # fmt: skip
    before = _touched(on, cache)
    try:
        run = apply()
        assert run.code == 0, run.output[-4000:]
        assert run.changed == DOWNLOAD | SERVE
        assert f"adopted {len(whole)} of {len(whole)} files from {cache}, verified" in run.output
        assert hub.sent() == {}
        assert sums(on, FOLDER) == whole
        assert _touched(on, cache) == before
    finally:
        on("gpu-embed", "rm", "-r", "/root/.cache/modelscope")
    assert sums(on, FOLDER) == whole
    assert apply().changed == {}


def _touched(on: Callable[..., str], folder: str) -> str:
    """What would differ if anything in a folder had been written."""
    return on("gpu-embed", "find", folder, "-printf", "%p %y %s %m %u %T@\n")


@pytest.mark.full
def test_an_own_folder_is_served_and_never_written_to(hub: Hub, on: Callable[..., str]) -> None:
    own = "/opt/models/bge"
    on("gpu-embed", "sh", "-c", f"mkdir -p {own} && cp -r {FOLDER}/. {own} && rm {own}/.manifest.json")
    before, ours = _touched(on, own), _touched(on, FOLDER)
    path = ("--data", f"embed={json.dumps({'model_path': own})}")
    try:
        run = apply(*path)
        assert run.code == 0, run.output[-4000:]
        assert run.changed == SERVE
        assert apply(*path, *VERIFY).changed == {}
        assert _touched(on, own) == before
        assert _touched(on, FOLDER) == ours
        assert hub.sent() == {}
        assert apply().changed == SERVE
    finally:
        on("gpu-embed", "rm", "-r", "/opt/models")
    assert apply().changed == {}


def revision(**more: object) -> tuple[str, str]:
    return ("--data", f"embed={json.dumps({'revision': COMMIT, **more})}")


@pytest.mark.full
def test_an_unproven_revision_leaves_the_old_one_to_go_back_to(hub: Hub, on: Callable[..., str]) -> None:
    broken = (*revision(extra_args=["--no-such-flag"]), "--data", 'serving={"start_timeout": 10}')
    run = apply(*broken)
    assert run.code == 1
    assert run.changed == DOWNLOAD | SERVE
    assert "adopted" in run.output
    assert hub.sent() == {}  # it holds the same files
    assert there(on, FOLDER)
    assert there(on, OTHER)

    hub.forget()
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == SERVE | REMOVE
    assert hub.sent() == {}
    assert not there(on, OTHER)
    assert apply().changed == {}


@pytest.mark.full
def test_a_proven_revision_takes_the_place_of_the_old_one(hub: Hub, on: Callable[..., str]) -> None:
    whole = sums(on, FOLDER)
    assert plan(*revision()).changed == DOWNLOAD | SERVE | REMOVE
    run = apply(*revision())
    assert run.code == 0, run.output[-4000:]
    assert run.changed == DOWNLOAD | SERVE | REMOVE
    assert not there(on, FOLDER)
    assert sums(on, OTHER) == whole
    assert json.loads(on("gpu-embed", "cat", f"{OTHER}/.manifest.json"))["commit"] == COMMIT[:8]
    assert apply(*revision()).changed == {}
    assert apply().changed == run.changed
    assert hub.sent() == {}
    assert apply().changed == {}


@pytest.mark.full
@pytest.mark.parametrize("kind", ["cut", "corrupt"])
def test_a_passing_fault_is_made_good_in_the_same_run(hub: Hub, on: Callable[..., str], kind: str) -> None:
    whole = sums(on, FOLDER)
    on("gpu-embed", "rm", "-r", FOLDER)
    hub.break_weights(kind, times=1)
    run = apply()
    assert run.code == 0, run.output[-4000:]
    assert run.changed == DOWNLOAD | SERVE
    assert sums(on, FOLDER) == whole
    assert apply().changed == {}


@pytest.mark.full
@pytest.mark.parametrize("kind", ["corrupt", "404", "500"])
def test_a_lasting_fault_stops_its_host_and_what_is_there_stays(
    hub: Hub, on: Callable[..., str], kind: str
) -> None:
    """The damaged model is served on: half a model in its place would be worse."""
    damaged = f"printf x >>{FOLDER}/{WEIGHTS}"
    whole, before = sums(on, FOLDER), processes(on)
    on("gpu-embed", "sh", "-c", damaged)
    found = sums(on, FOLDER)
    hub.break_weights(kind)
    run = apply()
    assert run.code == 1
    assert run.changed == {}
    assert f"{MODEL} is incomplete ({WEIGHTS}: " in run.output
    assert sums(on, FOLDER) == found
    assert processes(on) == before
    hub.repair()
    assert apply().changed == DOWNLOAD | SERVE
    assert sums(on, FOLDER) == whole
    assert apply().changed == {}


@pytest.fixture
def small_disk(on: Callable[..., str]) -> Iterator[Callable[[str], None]]:
    """Another disk in the place of the one that holds the models; the models on it come back afterwards."""
    mounted = []

    def mount(size: str) -> None:
        on("gpu-embed", "mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "models", MODELS)
        mounted.append(size)

    yield mount
    for _ in mounted:
        on("gpu-embed", "umount", "--lazy", MODELS)


def test_a_disk_that_is_too_small_is_named(
    hub: Hub, small_disk: Callable[[str], None], on: Callable[..., str]
) -> None:
    before = processes(on)
    small_disk("400k")
    run = apply()
    assert run.code == 1
    assert run.changed == {}
    assert "0.4 MB free, 0.6 MB are needed; free some space and run again" in run.output
    assert hub.sent() == {}
    assert processes(on) == before


@pytest.mark.full
def test_a_disk_that_fills_up_is_named(
    hub: Hub, small_disk: Callable[[str], None], on: Callable[..., str]
) -> None:
    before = processes(on)
    small_disk("1m")
    hub.break_weights("pause")
    with started(until=lambda: there(on, HALF)) as run:
        on("gpu-embed", "sh", "-c", f"head -c 1M /dev/zero >{MODELS}/filler 2>/dev/null || true")
        assert run.stdout
        said = run.stdout.read()
    assert run.returncode == 1
    assert f"{WEIGHTS}: [Errno 28] No space left on device" in said
    assert not there(on, FOLDER)
    assert processes(on) == before


def test_nothing_is_left_to_do() -> None:
    assert apply().changed == {}
