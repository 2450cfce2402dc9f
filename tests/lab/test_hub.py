"""The lab's model hub against the real ModelScope client: what a download on a model host relies on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hub_process import MODEL, WEIGHTS, WEIGHTS_SIZE, Hub, contents

Download = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def download(hub: Hub, client_environment: dict[str, str], tmp_path: Path) -> Download:
    """Run ModelScope's own command line; return what became of it. The result is in ``tmp_path / "got"``."""
    program = Path(sys.executable).with_name("modelscope")
    environment = client_environment | {"MODELSCOPE_ENDPOINT": hub.endpoint}

    def run(model: str = MODEL) -> subprocess.CompletedProcess[str]:
        command = [program, "download", model, "--local-dir", tmp_path / "got"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_a_model_arrives_as_it_is_served(hub: Hub, download: Download, tmp_path: Path) -> None:
    assert download().returncode == 0
    assert contents(tmp_path / "got").items() >= hub.contents().items()


def test_a_complete_model_costs_one_listing(hub: Hub, download: Download) -> None:
    download()
    hub.forget()
    assert download().returncode == 0
    (request,) = hub.requests()
    assert request["path"].startswith(f"/api/v1/models/{MODEL}/repo/files?")


def test_a_file_that_arrived_damaged_once_is_fetched_again(
    hub: Hub, download: Download, tmp_path: Path
) -> None:
    hub.break_file("corrupt", times=1)
    assert download().returncode == 0
    assert (tmp_path / "got" / WEIGHTS).read_bytes() == hub.contents()[WEIGHTS]
    assert hub.file_bytes() == 2 * WEIGHTS_SIZE


def test_a_file_that_is_always_damaged_fails_the_download(hub: Hub, download: Download) -> None:
    hub.break_file("corrupt")
    assert download().returncode == 1


def test_a_cut_transfer_goes_on_where_it_stopped(hub: Hub, download: Download, tmp_path: Path) -> None:
    hub.break_file("cut", times=1)
    assert download().returncode == 0
    assert (tmp_path / "got" / WEIGHTS).read_bytes() == hub.contents()[WEIGHTS]
    assert hub.file_bytes() == WEIGHTS_SIZE
    assert [request["range"] for request in hub.requests() if request["status"] == 206] == [
        f"bytes={WEIGHTS_SIZE // 2}-"
    ]


def test_a_stalled_transfer_is_given_up_and_resumed(hub: Hub, download: Download) -> None:
    hub.break_file("stall", times=1)
    assert download().returncode == 0
    assert hub.file_bytes() == WEIGHTS_SIZE


@pytest.mark.parametrize("kind", ["404", "500"])
def test_a_file_that_the_hub_refuses_fails_the_download(hub: Hub, download: Download, kind: str) -> None:
    hub.break_file(kind)
    assert download().returncode == 1


def test_a_model_that_is_not_there_fails_the_download(download: Download) -> None:
    assert download("Owner/Nothing").returncode == 1


@pytest.mark.parametrize(
    ("asked", "status", "size"),
    [
        ("bytes=10-19", 206, 10),
        ("bytes=2999999-", 206, 1),
        ("bytes=3000000-", 416, 0),
        ("", 200, WEIGHTS_SIZE),
    ],
)
def test_ranges_of_a_large_file(hub: Hub, asked: str, status: int, size: int) -> None:
    answer = _get_file(hub, WEIGHTS, asked)
    assert (answer.status_code, len(answer.content)) == (status, size)


def test_a_small_file_is_sent_whole_whatever_is_asked(hub: Hub) -> None:
    answer = _get_file(hub, "config.json", "bytes=5-")
    assert (answer.status_code, answer.content) == (200, hub.contents()["config.json"])


def test_nothing_outside_the_served_folder_is_sent(hub: Hub) -> None:
    (hub.folder.parent / "secret").write_text("secret")
    assert _get_file(hub, "../secret").status_code == 404


def test_a_fault_that_makes_no_sense_is_refused(hub: Hub) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        hub.break_file("explode")


def _get_file(hub: Hub, name: str, asked: str = "") -> httpx.Response:
    url = f"{hub.endpoint}/api/v1/models/{MODEL}/repo"
    headers = {"Range": asked} if asked else {}
    return httpx.get(url, params={"Revision": "master", "FilePath": name}, headers=headers)
