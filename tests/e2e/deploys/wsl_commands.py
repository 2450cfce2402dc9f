"""Run by pyinfra over ``@wsl/…``: every kind of command and file that a deploy may send, checked at once."""

from __future__ import annotations

import os
import time
from io import BytesIO

import gevent
import pytest
from paramiko import SSHException
from pyinfra import host as current_host
from pyinfra import inventory
from pyinfra.api import QuoteString, StringCommand

from provision.connectors.relay import http_client
from provision.connectors.slices import SLICE
from provision.connectors.wsl import WslConnector

# The host itself: pyinfra's own name for it has no meaning in jobs that run beside this file.
host = inventory.get_host(current_host.name)

FILE = "/root/名 with 'blanks'"
SIZE = SLICE + 1_000_000


def run(*words: str | QuoteString, **arguments: object) -> tuple[bool, list[str], list[str]]:
    done, output = host.run_shell_command(StringCommand(*words), **arguments)
    return done, output.stdout_lines, output.stderr_lines


def said(*words: str | QuoteString, **arguments: object) -> list[str]:
    done, out, err = run(*words, **arguments)
    assert done, err
    return out


assert isinstance(host.connector, WslConnector)
assert said("id -un; pwd; [ -t 0 ] || echo no terminal") == ["root", "/root", "no terminal"]

for code in (1, 2, 127, 255):
    assert run(f"exit {code}", _success_exit_codes=[code])[0]
    assert not run(f"exit {code}")[0]

done, out, err = run("echo 出; echo 错 >&2")
assert (done, out, err[-1]) == (True, ["出"], "错")
assert "localhost" in err[0], "the warning of wsl.exe has become part of standard output"
assert "\0" not in err[0]

assert said("printf %s", QuoteString('\'"$HOME" %PATH% ^& | `id` \\ 你好')) == [
    '\'"$HOME" %PATH% ^& | `id` \\ 你好'
]
assert said("echo $WHO", _env={"WHO": "a 'b' %c% 你"}) == ["a 'b' %c% 你"]
assert said("cat; echo end", _stdin="一\n二") == ["一", "二", "end"]
long = "x" * 100_000
assert said("printf %s", long, "| wc -c; cat", _stdin="after") == ["100000", "after"]

content = os.urandom(SIZE)
assert host.put_file(BytesIO(content), FILE)
assert said("sha256sum <", QuoteString(FILE), "| wc -w; stat -c %s", QuoteString(FILE)) == [
    "2",
    str(len(content)),
]
back = BytesIO()
assert host.get_file(FILE, back)
assert back.getvalue() == content
assert said("rm", QuoteString(FILE)) == []

jobs = [gevent.spawn(said, f"sleep 1; echo {number}") for number in range(6)]
assert [job.get() for job in jobs] == [[str(number)] for number in range(6)]

begun = time.monotonic()
with pytest.raises((TimeoutError, SSHException)):
    run("sleep 60", _timeout=3)
assert time.monotonic() - begun < 30

with http_client(host, "http://127.0.0.1:81") as client:
    assert client.get("/console/api/setup").status_code == 200
