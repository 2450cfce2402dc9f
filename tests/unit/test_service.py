"""One description, and when a restart is due."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
from pyinfra.api import StringCommand

from provision.domain.service import STARTED, Service
from provision.facts.files import HoldsLine
from provision.operations.service import HOOK, hooked

ONE = Service(
    "n", "d", ["/bin/prog", "a b", '{"x": false}', "$HOME"], "u", "/d", {"K": "it's $5"}, ["model-1"]
)


@pytest.mark.parametrize(
    "change",
    [{"argv": ["/bin/prog"]}, {"user": "v"}, {"env": {}}, {"inputs": ["model-2"]}],
    ids=["arguments", "user", "environment", "model"],
)
def test_a_restart_is_due_when_the_process_would_be_another(change: dict[str, object]) -> None:
    assert dataclasses.replace(ONE, **change).digest != ONE.digest  # type: ignore[arg-type]


def test_words_for_people_are_no_reason_to_restart() -> None:
    assert dataclasses.replace(ONE, description="other").digest == ONE.digest


def test_the_launcher_passes_arguments_and_environment_unharmed(tmp_path: Path) -> None:
    program = tmp_path / "prog"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$K" "$$"\n')
    program.chmod(0o755)
    service = dataclasses.replace(ONE, argv=[str(program), *ONE.argv[1:]], directory=str(tmp_path))
    (tmp_path / "state").mkdir()
    launcher = tmp_path / "run"
    launcher.write_text(service.launcher_script())
    launcher.chmod(0o755)
    said = subprocess.run([str(launcher)], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:-1] == ["a b", '{"x": false}', "$HOME", "it's $5"]
    assert (tmp_path / STARTED).read_text() == f"{said[-1]} {service.digest}\n"


@pytest.fixture
def quick(tmp_path: Path) -> Service:
    """A service whose program ends at once."""
    service = dataclasses.replace(ONE, argv=["/bin/true"], directory=str(tmp_path), env={})
    Path(service.state).mkdir()
    return service


def start(service: Service) -> None:
    subprocess.run(["sh", "-c", service.launcher_script()], check=True)


def sleeper(folder: str | Path, group: int | None = None) -> subprocess.Popen[bytes]:
    """A process in a folder, in its own group or in another's."""
    return subprocess.Popen(["sleep", "60"], cwd=folder, process_group=group or 0)


def test_a_start_ends_what_is_left_of_the_one_before(quick: Service) -> None:
    leader = sleeper(quick.state)
    orphan = sleeper(quick.state, group=leader.pid)
    (Path(quick.directory) / STARTED).write_text(f"{leader.pid} digest\n")
    leader.kill()
    leader.wait()
    start(quick)
    assert orphan.wait(timeout=5) == -9


def test_a_start_leaves_everybody_else_alone(quick: Service, tmp_path: Path) -> None:
    elsewhere = sleeper(tmp_path)
    others = [elsewhere, sleeper(quick.state)]
    # The group's number is another's by now.
    (Path(quick.directory) / STARTED).write_text(f"{elsewhere.pid} digest\n")
    start(quick)
    try:
        assert [other.poll() for other in others] == [None, None]
    finally:
        for other in others:
            other.kill()
            other.wait()


def shell(command: StringCommand) -> str:
    done = subprocess.run(["sh", "-ec", command.get_raw_value()], capture_output=True, text=True, check=True)
    return done.stdout


def hooks(path: Path) -> bool:
    return HoldsLine().process(shell(HoldsLine().command(path=str(path), line=HOOK)).splitlines())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"#!/bin/bash\nenv\nexec sleep infinity\n", b"#!/bin/bash\n%s\nenv\nexec sleep infinity\n"),
        (b"#!/bin/bash\nexit 0\n\techo \\never", b"#!/bin/bash\n%s\nexit 0\n\techo \\never"),
        (b"#!/bin/bash", b"#!/bin/bash\n%s\n"),
        (b"echo \xff\r\n# no shell named", b"%s\necho \xff\r\n# no shell named"),
        (b"", b"#!/bin/sh\n%s\n"),
        (None, b"#!/bin/sh\n%s\n"),
    ],
    ids=["a script", "no last newline", "one line", "odd bytes", "empty", "no file"],
)
def test_the_start_hook_is_one_line_more(tmp_path: Path, before: bytes | None, after: bytes) -> None:
    script = tmp_path / "on start.sh"
    if before is not None:
        script.write_bytes(before)
    assert not hooks(script)
    shell(hooked(str(script)))
    assert script.read_bytes() == after % HOOK.encode()
    assert hooks(script)


def test_the_start_hook_keeps_mode_and_link(tmp_path: Path) -> None:
    """vast-ai/base-image may have moved the script and left a link."""
    script, link = tmp_path / "moved.sh", tmp_path / "onstart.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    link.symlink_to(script)
    shell(hooked(str(link)))
    assert link.is_symlink()
    assert HOOK in script.read_text()
    assert script.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("options", ["", "-eu"])
def test_the_start_hook_neither_fails_nor_waits(tmp_path: Path, options: str) -> None:
    """With nothing there that it could start, as after our folder was removed."""
    script = tmp_path / "hook.sh"
    shell(hooked(str(script)))
    with script.open("a") as more:
        more.write("echo reached the end\n")
    done = subprocess.run(
        ["bash", *options.split(), script], capture_output=True, text=True, timeout=5, check=True
    )
    assert (done.stdout, done.stderr) == ("reached the end\n", "")
