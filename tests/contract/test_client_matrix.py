"""The client against nine versions, as far as status and error code tell something."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import client_matrix
import httpx
import pytest

from provision.dify import Dify, DifyError, LoginRefusedError
from provision.dify.resources import AdminAccount, DefaultModels, ModelCredential, Plugin

PASSWORD = "Lab-Passw0rd-1"
EMAIL = "admin@lab.example.com"
W = "/console/api/workspaces/current"
MODELS = f"{W}/model-providers/langgenius/openai_api_compatible/openai_api_compatible/models"
IDENTIFIER = f"langgenius/openai_api_compatible:0.0.16@{'b' * 64}"
TABLE = client_matrix.table()

every_version = pytest.mark.parametrize("version", client_matrix.versions())


def where_known(*steps: str) -> pytest.MarkDecorator:
    """The versions that were asked one of these."""
    return pytest.mark.parametrize("version", sorted({version for step in steps for version in TABLE[step]}))


def base64_login(version: str) -> bool:
    """Whether the matrix has the login of the newer kind only: the recorder sent that one Base64."""
    return version in TABLE["login"]


def accepts(version: str, sent: str) -> bool:
    right = base64.b64encode(PASSWORD.encode()).decode() if base64_login(version) else PASSWORD
    return sent == right


def carries_session(version: str, request: httpx.Request) -> bool:
    _, cookies = client_matrix.login_bodies()[version]
    if not cookies:
        return request.headers.get("authorization") == "Bearer acc"
    jar = request.headers.get("cookie", "")
    return "access_token=acc" in jar and "csrf_token=csr" in jar and request.headers["x-csrf-token"] == "csr"


class Server(client_matrix.Version):
    """Login and session as this version had them; the rest is up to the test."""

    def __init__(
        self,
        version: str,
        rest: Callable[[httpx.Request], httpx.Response],
        refusal: str = "login: wrong password",
    ) -> None:
        super().__init__(version)
        self._rest = rest
        self._refusal = refusal
        self.requests: list[httpx.Request] = []
        self.is_set_up = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if path == "/console/api/setup" and request.method == "GET":
            return self.answer(200, {"step": "finished"})
        if path == "/console/api/login":
            if not self.is_set_up:
                return self.recorded("before: login while not set up")
            if accepts(self.version, json.loads(request.content)["password"]):
                return self.good_login()
            return self.recorded(self._refusal)
        if path.startswith(W) and not carries_session(self.version, request):
            return self.answer(401, {"code": "unauthorized"})
        return self._rest(request)

    def dify(self, test: str, password: str = PASSWORD) -> Dify:
        http = httpx.Client(base_url="http://dify", transport=httpx.MockTransport(self))
        slept: list[float] = []
        server = f"matrix {self.version} {test}"
        dify = Dify(http, server=server, sleep=slept.append, clock=lambda: sum(slept))
        dify.sign_in(EMAIL, password)
        return dify

    def logins(self) -> int:
        return len([request for request in self.requests if request.url.path.endswith("/login")])


def nothing_else(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"not expected: {request.method} {request.url}")


@every_version
def test_signs_in_and_stays_signed_in(version: str) -> None:
    server = Server(version, lambda _: server.answer(200, {"data": []}))
    dify = server.dify("in")
    for _ in range(2):
        dify.console.send("Look", "GET", "workspaces/current/models", repeatable=True)
    assert server.logins() == 1


@every_version
def test_wrong_password_is_sent_once(version: str) -> None:
    server = Server(version, nothing_else)
    for _ in range(2):
        with pytest.raises(LoginRefusedError) as refused:
            server.dify("wrong", "Wrong-Passw0rd-1").apps.find("Bot")
        assert "Wrong" not in str(refused.value)
    assert server.logins() == 1


@pytest.mark.parametrize(
    ("version", "step"),
    [
        (version, step)
        for step in ("login: unknown user", "login: password that breaks the rule (short)")
        for version in TABLE[step]
    ],
)
def test_other_refusals_are_final_too(version: str, step: str) -> None:
    server = Server(version, nothing_else, step)
    for _ in range(2):
        with pytest.raises(LoginRefusedError):
            server.dify(step, "Wrong-Passw0rd-1").apps.find("Bot")
    assert server.logins() == 1


@every_version
def test_not_set_up_is_no_refusal(version: str) -> None:
    server = Server(version, lambda _: server.answer(200, {"data": []}))
    server.is_set_up = False
    with pytest.raises(DifyError, match="not_setup") as error:
        server.dify("fresh").apps.find("Bot")
    assert not isinstance(error.value, LoginRefusedError)
    server.is_set_up = True
    assert server.dify("fresh").apps.find("Bot") is None


@every_version
def test_model_is_added_where_this_version_takes_it(version: str) -> None:
    status, _ = TABLE["add llm"][version]
    # A 201 is the named credentials' answer; there a repetition under the same name is refused.
    assert (status == 201) == (version in TABLE["add llm: duplicate name"])
    where = f"{MODELS}/credentials" if status == 201 else MODELS
    written: list[dict[str, object]] = []

    def rest(request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path == f"{MODELS}/credentials":
            if not written:
                nothing = {} if status == 201 else None
                return server.answer(200, {"credentials": nothing, "current_credential_id": None})
            sent = written[0]
            shown = {**sent["credentials"], "api_key": "*" * 20}  # type: ignore[dict-item]
            named = {"current_credential_id": "1", "current_credential_name": sent.get("name")}
            available = [{"credential_id": "1", "credential_name": sent.get("name")}]
            more = {**named, "available_credentials": available} if status == 201 else {}
            return server.answer(200, {"credentials": shown, **more})
        if request.method == "GET":
            return server.answer(200, {"data": []})
        assert (request.method, request.url.path) == ("POST", where)
        written.append(json.loads(request.content))
        return server.answer(status, {"result": "success"})

    server = Server(version, rest)
    fields = {"endpoint_url": "http://m/v1", "context_size": "4096"}
    credential = ModelCredential(server.dify("model"), "m", "llm", fields, "lab-key", b"salt")
    credential.apply()
    assert credential.difference() is None
    credential.apply()
    assert len(written) == 1
    again = ModelCredential(server.dify("model"), "m", "llm", fields, "other-7", b"salt")
    assert again.difference() == "the API key is another (or was not set by this tool)"


@every_version
def test_missing_plugin_is_a_difference(version: str) -> None:
    status, code = TABLE["add model before plugin is installed"][version]
    missing = {"code": code, "message": "Provider x does not exist."}
    server = Server(version, lambda _: server.answer(status, missing))
    credential = ModelCredential(server.dify("missing"), "m", "llm", {}, "lab-key", b"salt")
    assert "is not installed" in (credential.difference() or "")


@every_version
def test_installing_what_is_installed_is_fine(version: str) -> None:
    status, code = TABLE["install pkg again (already installed)"][version]
    asked: list[str] = []

    def rest(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path.endswith("/installations/ids"):
            there = {"plugin_id": IDENTIFIER.partition(":")[0], "plugin_unique_identifier": IDENTIFIER}
            return server.answer(200, {"plugins": [there] if len(asked) > 1 else []})
        if status == 200:
            return server.answer(200, {"all_installed": True, "task_id": "", "task": None})
        message = "PluginDaemonBadRequestError: plugin already installed\nfailed on plugin installation"
        return server.answer(status, {"code": code, "message": message})

    server = Server(version, rest)
    Plugin(server.dify("again"), IDENTIFIER).apply()
    assert len(asked) == 3


@where_known("plugin task of unknown id")
def test_expired_task_is_looked_up_in_the_list(version: str) -> None:
    looked = 0

    def rest(request: httpx.Request) -> httpx.Response:
        nonlocal looked
        if request.url.path.endswith("/installations/ids"):
            looked += 1
            there = {"plugin_id": IDENTIFIER.partition(":")[0], "plugin_unique_identifier": IDENTIFIER}
            return server.answer(200, {"plugins": [there] if looked > 1 else []})
        if "/tasks/" in request.url.path:
            return server.recorded("plugin task of unknown id")
        return server.answer(200, {"all_installed": False, "task_id": "t"})

    server = Server(version, rest)
    Plugin(server.dify("task"), IDENTIFIER).apply()


@where_known("daemon down: plugin list")
def test_default_of_a_dead_plugin_daemon_is_not_unset(version: str) -> None:
    assert TABLE["daemon down: default-model get"][version] == (200, "")

    def rest(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/default-model"):
            return server.answer(200, {"data": None})
        return server.recorded("daemon down: plugin list")

    server = Server(version, rest)
    with pytest.raises(DifyError, match="plugin/list answered"):
        DefaultModels(server.dify("dead"), {"llm": "m"}).difference()


@every_version
def test_setup_done_by_somebody_else_is_fine(version: str) -> None:
    steps = iter(["not_started", "finished"])

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            done = {"step": next(steps), "status": "finished"} if request.url.path.endswith("setup") else {}
            return server.answer(200, {"status": "finished", **done})
        return server.recorded("setup: second time")

    server = Server(version, nothing_else)
    http = httpx.Client(base_url="http://dify", transport=httpx.MockTransport(handle))
    AdminAccount(Dify(http, sleep=lambda _: None), EMAIL, "Admin", PASSWORD).apply()


@where_known("webapp site with X-App-Passport", "webapp site with Authorization Bearer")
def test_visitor_shows_the_passport_as_this_version_wants_it(version: str) -> None:
    headers = {"X-App-Passport": "x-app-passport", "Authorization Bearer": "authorization"}
    taken = {
        header: TABLE[f"webapp site with {how}"][version][0]
        for how, header in headers.items()
        if version in TABLE[f"webapp site with {how}"]
    }

    def rest(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/passport":
            return server.answer(200, {"access_token": "pass"})
        shown = [header for header in taken if header in request.headers]
        assert len(shown) == 1
        return server.answer(taken[shown[0]], {"code": "unauthorized"})

    server = Server(version, rest)
    assert server.dify("visitor").service.link_works("code")
