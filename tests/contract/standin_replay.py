"""The recorded requests, sent again to the stand-in; ids, tokens and cookies become the live ones."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import httpx
import shapes
import standin_scope
from standin_processes import Process
from standin_recording import Step

REPLACED = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|app-[A-Za-z0-9]{24}|[0-9]{20}|[0-9a-f]{128}|(?<=^)[A-Za-z0-9]{16}(?=$)"
)
# Steps that wait for something: sent again until they agree, for this many seconds at most.
WAITING = re.compile(
    r".*task poll.*|cache: plugin list \(waiting.*|document indexing-status"
    r"|documents list \(v1\)|retrieve \(v1.*"
)
WAIT_SECONDS = 8
PROFILE = "/console/api/account/profile"
CREDENTIALS = (
    "/console/api/workspaces/current/model-providers"
    "/langgenius/openai_api_compatible/openai_api_compatible/models/credentials"
)


@dataclass
class Outcome:
    """What became of a step.

    Args:
        problems: where the live answer departs from the recorded one.
        deviations: departures that are meant.
        reason: why it was not compared; ``None`` when it was.
    """

    step: Step
    problems: list[str] = field(default_factory=list)
    deviations: list[standin_scope.Deviation] = field(default_factory=list)
    reason: str | None = None


class Replay:
    """One recorded server against one live one.

    Args:
        replaced: recorded texts that are known beforehand to be others now.
        packages: package files by step name's pattern, the first that fits.
        keys: which step made the API key that a step uses, by the step name's pattern.
        version: what every answer has to say that it is of.
    """

    def __init__(
        self,
        api: Process,
        replaced: dict[str, str],
        packages: dict[str, bytes],
        keys: dict[str, str],
        version: str = standin_scope.NEWEST,
    ) -> None:
        self._http = httpx.Client(base_url=api.url, timeout=60, trust_env=False)
        self._replaced = dict(replaced)
        self._packages = packages
        self._keys = keys
        self._version = version
        self._older = version != standin_scope.NEWEST
        self._cookies: dict[str, str] = {}
        self._made: dict[str, str] = {}  # API keys and passports by the step that got them

    def run(self, step: Step) -> Outcome:
        """Send a step and compare the answers."""
        reason = standin_scope.reason_out_of_scope(step.name, step.url.path, self._version)
        if reason:
            return Outcome(step, reason=reason)
        deadline = time.monotonic() + (WAIT_SECONDS if WAITING.fullmatch(step.name) else 0)
        while True:
            answer = self._send(step)
            outcome = Outcome(step)
            outcome.problems += self._problems(outcome, answer)
            if not outcome.problems or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self._remember(step, answer)
        return outcome

    def make_app(self, step: Step, app_id: str, config: dict[str, Any]) -> None:
        """Make the app that an import made in the recording, through the routes that are in scope.

        Args:
            config: the imported configuration, but for the model.
        """
        model = _imported_model(step)
        name = step.json.get("name") or "Lab Chat"
        given = {"name": name, "mode": "chat", "description": "Provisioned chat", "icon_type": "emoji"}
        given |= {"icon": "🤖", "icon_background": "#FFEAD5"}
        headers = self._headers(step)
        made = self._http.post("/console/api/apps", json=given, headers=headers).raise_for_status().json()
        self._replaced[app_id] = made["id"]
        path = f"/console/api/apps/{made['id']}/model-config"
        with self._existing(model, headers):
            configured = config | {"model": config["model"] | {"name": model}}
            self._http.post(path, json=configured, headers=headers).raise_for_status()

    @contextmanager
    def _existing(self, model: str, headers: dict[str, str]) -> Iterator[None]:
        """A chat model that is there for a while: an import does not look whether it is."""
        path = f"{CREDENTIALS}?model={model}&model_type=llm"
        known = self._http.get(path, headers=headers).json()
        if known["credentials"]:
            yield
            return
        values = {"endpoint_url": f"{self._replaced['http://MODELS']}/v1", "endpoint_model_name": "qwen-lab"}
        values |= {"api_key": "lab-key", "context_size": "4096"}
        named = "current_credential_id" in known  # since 1.8.0
        place = CREDENTIALS if named else CREDENTIALS.removesuffix("/credentials")
        given = {"model": model, "model_type": "llm"}
        self._http.post(place, json={**given, "credentials": values}, headers=headers).raise_for_status()
        if named:
            given["credential_id"] = self._http.get(path, headers=headers).json()["current_credential_id"]
        yield
        self._http.request("DELETE", place, json=given, headers=headers).raise_for_status()

    def _send(self, step: Step) -> httpx.Response:
        path = self._now(step.url.raw_path.decode())
        options: dict[str, Any] = {"headers": self._headers(step)}
        if step.files:
            package = next(p for pattern, p in self._packages.items() if re.match(pattern, step.name))
            options["files"] = dict.fromkeys(step.files, ("p.difypkg", package))
        elif step.json is not None:
            options["json"] = self._now(step.json)
        elif step.headers.get("content-type") == "application/json":
            options["content"] = b"{}"
            options["headers"]["content-type"] = "application/json"
        self._http.cookies.clear()  # which cookies travel is the recording's business
        return self._http.request(step.method, path, **options)

    def _headers(self, step: Step) -> dict[str, str]:
        sent = step.headers
        headers: dict[str, str] = {}
        if "cookie" in sent:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self._jar(step).items())
        if "x-csrf-token" in sent:
            csrf = self._cookies.get("csrf_token") or self._cookies.get("__Host-csrf_token", "")
            headers["x-csrf-token"] = "stale" if step.name.startswith("stale csrf") else csrf
        if "authorization" in sent:
            headers["authorization"] = f"Bearer {self._token(step)}"
        if "x-app-code" in sent:
            headers["x-app-code"] = self._now(sent["x-app-code"])
        if "x-app-passport" in sent:
            headers["x-app-passport"] = self._made["passport"]
        if "content-type" in sent and step.json is None and not step.files:
            headers["content-type"] = sent["content-type"]
        return headers

    def _jar(self, step: Step) -> dict[str, str]:
        if "jar over plain http" in step.name:  # a correct client holds Secure cookies back
            return {name: value for name, value in self._cookies.items() if not name.startswith("__Host-")}
        if "no csrf cookie" in step.name:
            return {name: value for name, value in self._cookies.items() if "csrf" not in name}
        if "without __Host- prefix" in step.name:
            return {name.removeprefix("__Host-"): value for name, value in self._cookies.items()}
        return self._cookies

    def _token(self, step: Step) -> str:
        if "bad key" in step.name:
            return "app-000000000000000000000000"
        if step.url.path.startswith("/console/"):
            return self._cookies.get("access_token") or self._made["access_token"]
        if step.url.path.startswith("/api/"):
            return self._made["passport"]
        if step.url.path.startswith("/v1/datasets"):
            return self._made["dataset api key create"]
        return self._made[next(made for pattern, made in self._keys.items() if re.match(pattern, step.name))]

    def _remember(self, step: Step, answer: httpx.Response) -> None:
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value
                if not morsel.value:
                    del self._cookies[name]
        if "json" not in answer.headers.get("content-type", ""):
            return
        said = answer.json()
        if isinstance(said, dict) and str(said.get("token", "")).startswith(("app-", "dataset-")):
            self._made[step.name] = said["token"]
        if isinstance(said, dict) and step.url.path.endswith(("/login", "/refresh-token")):
            self._made |= said["data"] if isinstance(said.get("data"), dict) else {}
        if step.url.path == "/api/passport" and answer.is_success:
            self._made["passport"] = said["access_token"]
        self._pair(step.response.get("json"), said)

    def _pair(self, before: Any, now: Any) -> None:
        """Learn which live text stands for which recorded one."""
        if isinstance(before, dict) and isinstance(now, dict):
            for key in before.keys() & now.keys():
                self._pair(before[key], now[key])
        elif isinstance(before, list) and isinstance(now, list):
            for one, other in zip(before, now, strict=False):
                self._pair(one, other)
        elif isinstance(before, str) and isinstance(now, str) and REPLACED.fullmatch(before):
            self._replaced.setdefault(before, now)

    def _now(self, value: Any) -> Any:
        text = json.dumps(value)
        for before, now in self._replaced.items():
            text = text.replace(json.dumps(before)[1:-1], json.dumps(now)[1:-1])
        return json.loads(text)

    def _problems(self, outcome: Outcome, answer: httpx.Response) -> Iterator[str]:
        step = outcome.step
        before = step.response
        if answer.status_code != before["status"]:
            said = answer.text[:200]
            yield f"status {before['status']} was recorded, {answer.status_code} is there: {said}"
            return
        if answer.headers.get("x-version") != self._version:
            yield "no X-Version"
        kind = (before.get("headers") or {}).get("content-type", "").partition(";")[0]
        kind = kind or ("text/event-stream" if "event" in str(before.get("text")) else "application/json")
        if before["status"] != 204 and answer.headers["content-type"].partition(";")[0] != kind:
            yield f"content type {kind} was recorded, {answer.headers['content-type']} is there"
        yield from _cookie_problems(before.get("set_cookie") or [], answer, step)
        if kind == "text/event-stream":
            yield from _stream_problems(before["text"], answer.text)
        if before.get("json") is not None:
            yield from self._json_problems(outcome, before["json"], answer.json())

    def _json_problems(self, outcome: Outcome, before: Any, now: Any) -> Iterator[str]:
        step = outcome.step
        for difference in shapes.differences(before, now):
            if self._older and difference.endswith(": was not recorded"):
                continue  # a field of a later version, which clients of this one do not look at
            meant = standin_scope.deviation(step.name, difference, self._older)
            if meant:
                outcome.deviations.append(meant)
            else:
                yield difference
        if step.response["status"] >= 400:
            yield from _error_problems(step, self._now(before), now, self._older)
        task = before.get("task") if isinstance(before, dict) else None
        if task and task["status"] in {"success", "failed"} and now["task"]["status"] != task["status"]:
            yield f"task {task['status']} was recorded, {now['task']['status']} is there"


def _imported_model(step: Step) -> str:
    found = re.search(r"^ +mode: chat\n +name: (.+)\n +provider:", step.json["yaml_content"], re.M)
    assert found, f"no model in what step {step.number} imports"
    return found[1]


def _error_problems(step: Step, before: dict[str, Any], now: dict[str, Any], older: bool) -> Iterator[str]:
    for key in ("code", "status", "custom", "error", "result"):
        if before.get(key) != now.get(key):
            yield f".{key}: {before.get(key)!r} was recorded, {now.get(key)!r} is there"
    if not standin_scope.same_text(step.name, before.get("message"), now.get("message"), older):
        yield f".message: {before.get('message')!r} was recorded, {now.get('message')!r} is there"


def _cookie_problems(before: list[str], answer: httpx.Response, step: Step) -> Iterator[str]:
    if step.url.path == PROFILE:  # Flask renews its session cookie whenever it comes along
        return
    wanted = {_cookie(line) for line in before}
    found = {_cookie(line) for line in answer.headers.get_list("set-cookie")}
    if wanted != found:
        yield f"cookies {sorted(wanted)} were recorded, {sorted(found)} are there"


def _cookie(line: str) -> str:
    """A cookie's name and flags, without value and dates."""
    name, *attributes = re.sub(r"(?i)samesite=lax", "SameSite=Lax", line).split("; ")
    kept = sorted(a for a in attributes if not a.lower().startswith(("expires", "max-age")))
    return "; ".join([name.partition("=")[0], *kept])


def _stream_problems(before: str, now: str) -> Iterator[str]:
    """The first event of each stream; the recorder cut the rest off."""
    events = [json.loads(event[6:]) for event in now.split("\n\n") if event.startswith("data: ")]
    first = json.loads(before.split("\n\n")[0].removeprefix("data: "))
    yield from shapes.differences(first, events[0], ".events[0]")
    if events[-1]["event"] != "message_end":
        yield f"the stream ends with {events[-1]['event']}"
