"""What goes into Dify's ``.env``: settings on every run, secrets only when the file is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from provision.domain.secrets import DIFY
from provision.domain.settings import DifySettings

PUBLISHED_PORT = "EXPOSE_NGINX_PORT"
HTTPS = "NGINX_HTTPS_ENABLED"

_LINE = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*([^\r\n]*)", re.MULTILINE)


def managed(dify: DifySettings, public_url: str) -> dict[str, str]:
    """Variables that follow our settings at all times.

    With one name set absolutely, browsers that come by another name lose their cookies; so the
    console's and the web app's API addresses stay empty (calls are then relative) and only what
    the server itself turns into links is set.
    """
    values = {
        PUBLISHED_PORT: str(dify.port),
        "EXPOSE_NGINX_SSL_PORT": str(dify.ssl_port),
        # Published only when asked for (the override resets it otherwise); 5003 is Dify's own default.
        "EXPOSE_PLUGIN_DEBUGGING_PORT": str(dify.plugin_debugging_port or 5003),
        "APP_WEB_URL": public_url,
        "SERVICE_API_URL": public_url,
        "FILES_URL": public_url,
        "TRIGGER_URL": public_url,
        "ENDPOINT_URL_TEMPLATE": f"{public_url}/e/{{hook_id}}",
        "NEXT_PUBLIC_SOCKET_URL": f"{'wss' if public_url.startswith('https') else 'ws'}://{urlsplit(public_url).netloc}",
        "SERVER_CONSOLE_API_URL": "http://api:5001",
        "INTERNAL_FILES_URL": "http://api:5001",
        # A plugin's packages come from PyPI on its first start; 120 s of silence are too few on a slow line.
        "PLUGIN_PYTHON_ENV_INIT_TIMEOUT": "600",
    }
    # Without the second one the plugin's uv.lock wins, whose addresses are the public index. Both are
    # written either way, so that a mirror that is taken back is gone.
    values["PIP_MIRROR_URL"] = dify.pip_mirror_url or ""
    values["PLUGIN_IGNORE_UV_LOCK"] = "true" if dify.pip_mirror_url else "false"
    return {**values, **dify.env}


def initial(secrets: Mapping[str, str], init_password: str) -> dict[str, str]:
    """Variables that replace published secrets; only for an installation that does not exist yet.

    Args:
        secrets: name (as in :mod:`provision.domain.secrets`) to value.
        init_password: what guards the set-up page until the admin exists.
    """
    return {
        "SECRET_KEY": secrets["dify-secret-key"],
        "INIT_PASSWORD": init_password,
        "DB_PASSWORD": secrets["dify-db-password"],
        "REDIS_PASSWORD": secrets["dify-redis-password"],
        "CELERY_BROKER_URL": f"redis://:{secrets['dify-redis-password']}@redis:6379/1",
        "PLUGIN_DAEMON_KEY": secrets["dify-plugin-daemon-key"],
        "PLUGIN_DIFY_INNER_API_KEY": secrets["dify-plugin-inner-api-key"],
        "SANDBOX_API_KEY": secrets["dify-sandbox-api-key"],
        "CODE_EXECUTION_API_KEY": secrets["dify-sandbox-api-key"],
        "WEAVIATE_API_KEY": secrets["dify-weaviate-api-key"],
        "WEAVIATE_AUTHENTICATION_APIKEY_ALLOWED_KEYS": secrets["dify-weaviate-api-key"],
        "WEAVIATE_AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "DIFY_AGENT_API_TOKEN": secrets["dify-agent-api-token"],
        "DIFY_AGENT_SERVER_SECRET_KEY": secrets["dify-agent-server-secret-key"],
        "DIFY_AGENT_LOCAL_SANDBOX_AUTH_TOKEN": secrets["dify-agent-sandbox-token"],
    }


MANAGED = frozenset(
    {
        *managed(DifySettings(pip_mirror_url="http://mirror"), "http://host"),
        *initial(dict.fromkeys(DIFY, ""), ""),
    }
)
"""Every variable that is ours to set; in ``dify.env`` it would silently win over its setting."""


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Set variables in a ``.env`` file, leaving every other byte alone.

    A variable is set where it stands (each time it stands there), else appended. Values are plain
    words and URLs; a value with a character that compose would interpret is put in single quotes. (Quotes
    and backslashes in values are refused with the settings.)
    """
    missing = dict(values)
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = re.match(r"(?:export\s+)?([A-Za-z_]\w*)\s*=", line)
        if match and match[1] in values:
            lines[number] = f"{match[1]}={_quoted(values[match[1]])}" + ("\r" if line.endswith("\r") else "")
            missing.pop(match[1], None)
    result = "\n".join(lines)
    if missing:
        result += "" if result.endswith("\n") or not result else end
        added = [
            "",
            "# Added by dify-vllm-deploy",
            *(f"{name}={_quoted(value)}" for name, value in missing.items()),
        ]
        result += end.join(added) + end
    return result


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w.:/@{}%,+*=-]*", value) else f"'{value}'"


def published_port(variables: Mapping[str, str]) -> int | None:
    """The port that a ``.env`` has nginx publish; ``None`` when it names none.

    An owner's own file may bind an address as well (``127.0.0.1:8080``).
    """
    found = re.fullmatch(r"(?:[\d.]+:|\[[0-9A-Fa-f:.]+\]:)?(\d+)", variables.get(PUBLISHED_PORT, ""))
    return int(found[1]) if found else None


def has_https(variables: Mapping[str, str]) -> bool:
    """Whether Dify's nginx answers on its HTTPS port; its start script takes this one word only."""
    return variables.get(HTTPS) == "true"


def difference(before: str, after: str) -> list[str]:
    """Names of variables that differ between two texts; never their values."""
    old, new = parse(before), parse(after)
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def parse(text: str) -> dict[str, str]:
    """The variables of a ``.env`` file as Compose reads them: of a name that stands twice, the last one.

    Quotes go, and so does a comment behind a value. Nothing is put in for ``${...}``.
    """
    return {name: _plain(value) for name, value in _LINE.findall(text)}


def _plain(value: str) -> str:
    quoted = re.match(r"""(['"])(.*?)\1""", value)
    return quoted[2] if quoted else re.split(r"(?:^|\s)#", value, maxsplit=1)[0].rstrip()
