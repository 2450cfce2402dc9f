"""Requests, sessions and waiting, with scripted answers."""

from __future__ import annotations

import httpx
import pytest
from scripted import PASSWORD, REFUSED, SERVERS, Answer, Script, login, ok, refused

from provision.dify import Dify, DifyError, LoginRefusedError, wait_until_ready


def read(dify: Dify) -> object:
    return dify.console.send("Read", "GET", "apps", repeatable=True).body


@pytest.mark.parametrize(
    "broken", [httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), httpx.Response(502)]
)
def test_reads_are_repeated(broken: Answer) -> None:
    script = Script(ok(), login(), broken, broken, ok({"data": []}))
    assert read(script.dify()) == {"data": []}
    assert script.slept == [1.0, 2.0]


def test_reads_are_not_repeated_for_ever() -> None:
    script = Script(ok(), login(), *[REFUSED] * 6)
    with pytest.raises(DifyError, match="apps got no answer from http://dify:81"):
        read(script.dify())
    assert sum(script.slept) == 30, "an API that restarts needs up to 20 s"
    script = Script(*[REFUSED] * 4)
    with pytest.raises(DifyError, match="setup got no answer from http://dify:81"):
        read(script.dify())
    assert sum(script.slept) == 7, "where nothing was met there may be nothing"


@pytest.mark.parametrize("broken", [httpx.ReadTimeout("slow"), httpx.Response(502, text="<html>")])
def test_writes_are_not_repeated(broken: Answer) -> None:
    script = Script(ok(), login(), broken)
    with pytest.raises(DifyError, match="Write: POST /console/api/apps"):
        script.dify().console.send("Write", "POST", "apps", body={})
    assert len(script.requests) == 3


def test_every_request_has_time_outs() -> None:
    script = Script(ok(), login(), ok())
    read(script.dify())
    for request in script.requests:
        assert all(request.extensions["timeout"].values())


def test_expired_session_is_renewed_once() -> None:
    expired = refused(401)
    script = Script(ok(), login(), ok(), expired, login(), ok({"data": [1]}))
    dify = script.dify()
    read(dify)
    assert read(dify) == {"data": [1]}
    again = Script(ok(), login(), ok(), expired, login(), expired)
    dify = again.dify()
    read(dify)
    with pytest.raises(DifyError, match="401"):
        read(dify)


def clocked(script: Script, patience: float) -> Dify:
    """A client whose clock goes on by what it sleeps.

    Args:
        patience: seconds for which a login is repeated that nobody looks at.
    """
    http = httpx.Client(base_url="http://dify:81/", transport=httpx.MockTransport(script))
    server = f"scripted {next(SERVERS)}"
    dify = Dify(http, server=server, sleep=script.slept.append, clock=lambda: sum(script.slept))
    dify.sign_in("Admin@Example.com", PASSWORD)
    dify.console.patience = patience
    return dify


def paths(script: Script) -> list[str]:
    return [request.url.path.removeprefix("/console/api/") for request in script.requests]


@pytest.mark.parametrize("unseen", [refused(500, "unknown"), httpx.Response(502), httpx.Response(503)])
def test_a_login_that_nobody_looked_at_is_repeated_once_dify_answers(unseen: Answer) -> None:
    script = Script(ok(), unseen, httpx.Response(502), ok({"step": "finished"}), login(), ok({"data": []}))
    assert read(clocked(script, 60)) == {"data": []}
    assert paths(script) == ["setup", "login", "setup", "setup", "login", "apps"]
    assert script.slept == [2.0, 2.0]


def test_a_login_that_nobody_looks_at_is_not_repeated_for_ever() -> None:
    script = Script(ok(), *[answer for _ in range(50) for answer in (refused(500, "unknown"), ok())])
    with pytest.raises(DifyError, match="Sign in to Dify: POST /console/api/login answered 500 unknown"):
        read(clocked(script, 10))
    assert paths(script).count("login") == 6
    script = Script(ok(), refused(500, "unknown"))
    with pytest.raises(DifyError, match="answered 500 unknown"):
        read(clocked(script, 0))


@pytest.mark.parametrize(
    "verdict", [refused(401, "authentication_failed"), refused(400, "email_or_password_mismatch")]
)
def test_a_password_that_was_looked_at_is_not_sent_again(verdict: Answer) -> None:
    script = Script(ok(), refused(500, "unknown"), ok(), verdict)
    dify = clocked(script, 60)
    for _ in range(2):
        with pytest.raises(LoginRefusedError):
            read(dify)
    assert paths(script) == ["setup", "login", "setup", "login"]


@pytest.mark.parametrize("unclear", [httpx.Response(504), httpx.ReadTimeout("slow")])
def test_a_password_that_may_have_been_looked_at_is_not_sent_again(unclear: Answer) -> None:
    script = Script(ok(), unclear)
    with pytest.raises(DifyError, match="Sign in to Dify: POST"):
        read(clocked(script, 60))
    assert paths(script) == ["setup", "login"]


@pytest.mark.parametrize(
    "names", [("access_token", "csrf_token"), ("__Host-access_token", "__Host-csrf_token")]
)
def test_cookies_of_another_domain_are_sent(names: tuple[str, str]) -> None:
    attributes = "Domain=example.com; Expires=Mon, 23 Nov 2026 08:00:00 GMT; Path=/; Secure"
    cookies = [("set-cookie", f"{name}={name[-12:-6]}=; {attributes}") for name in names]
    script = Script(ok(), ok({"result": "success"}, extra=cookies), ok())
    read(script.dify())
    sent = script.requests[-1].headers
    assert sent["Cookie"] == "; ".join(f"{name}={name[-12:-6]}=" for name in names)
    assert sent["X-CSRF-Token"] == f"{names[1][-12:-6]}="


def test_password_never_shows() -> None:
    script = Script(ok(), refused(401, "authentication_failed", f"{PASSWORD} is wrong"))
    with pytest.raises(DifyError) as error:
        read(script.dify())
    assert PASSWORD not in f"{error.value!r} {error.value}"


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (httpx.Response(200, text="<html>hello</html>"), "without a version"),
        (ok(version="1.2.0"), "1.3.1 and newer"),
    ],
)
def test_password_is_not_sent_to_a_server_of_another_kind(first: Answer, told: str) -> None:
    script = Script(first)
    with pytest.raises(DifyError, match=told):
        read(script.dify())
    assert [request.method for request in script.requests] == ["GET"]


def test_login_without_workspace() -> None:
    script = Script(ok(), ok({"result": "fail", "data": "workspace not found"}))
    with pytest.raises(DifyError, match="has no workspace"):
        read(script.dify())


def test_unexpected_shape_is_told() -> None:
    script = Script(ok({"step": 3}))
    with pytest.raises(DifyError, match="'step' is int instead of str"):
        script.dify().transport.send("Look", "GET", "console/api/setup").get("step", str)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"error": {"type": "authorization_error", "message": "Forbidden"}},
            "403 authorization_error: Forbidden",
        ),
        ({"custom": "max_keys_exceeded", "message": "Too many"}, "403 max_keys_exceeded: Too many"),
        ({"code": "forbidden", "message": "No"}, "403 forbidden: No"),
        ({"errors": {"name": "Too long"}, "message": "Input failed"}, "403: Input failed; name: Too long"),
        ({"result": "fail", "data": "Invalid refresh token"}, "403: Invalid refresh token"),
        ([], "403: Forbidden"),
    ],
)
def test_error_shapes(body: object, told: str) -> None:
    script = Script(httpx.Response(403, json=body))
    with pytest.raises(DifyError, match=told):
        script.dify().transport.send("Look", "GET", "x")


def test_start_is_waited_out() -> None:
    starting: list[Answer] = [REFUSED, httpx.Response(502), refused(500, "unknown")]
    script = Script(*starting, ok({"step": "not_started"}))
    wait_until_ready(script.dify(), 60, script.slept.append)
    assert script.slept == [2.0, 2.0, 2.0]


def test_start_is_not_waited_for_ever() -> None:
    script = Script(*[httpx.Response(502, text="<html>") for _ in range(100)])
    with pytest.raises(DifyError, match=r"not ready after 10 s; last: GET /console/api/setup answered 502"):
        wait_until_ready(script.dify(), 10, script.slept.append)
    assert len(script.requests) <= 6


@pytest.mark.parametrize(
    ("foreign", "told"),
    [
        (httpx.Response(404, text="<html>"), "answered 404"),
        (httpx.Response(301, headers={"location": "https://x"}), "answered 301"),
        (httpx.Response(200, json={"hello": "world"}), "'step' is NoneType instead of str"),
        (httpx.Response(200, text="<html>"), "no JSON object"),
    ],
)
def test_what_is_no_dify_is_not_waited_for(foreign: Answer, told: str) -> None:
    script = Script(foreign)
    with pytest.raises(DifyError, match=f"Wait for Dify: .*{told}.* → another program or a proxy"):
        wait_until_ready(script.dify(), 900, script.slept.append)
    assert script.slept == []


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("name is required in input form", "made a variable of this chatbot required"),
        ("doc_form is different from the dataset doc_form.", "a document of another kind"),
        ("Failed to request plugin daemon, url: …", "plugin_daemon container does not answer"),
    ],
)
def test_words_that_are_known_come_with_what_to_do(message: str, advice: str) -> None:
    body = {"code": "invalid_param", "message": message, "status": 400}
    script = Script(httpx.Response(400, json=body))
    with pytest.raises(DifyError, match=f"400 invalid_param: {message[:20]}.* → .*{advice}"):
        script.dify().service.ask("app-canary", "hi", "me")
