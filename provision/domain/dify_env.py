"""What goes into Dify's ``.env`` from our settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from provision.domain.dotenv import meaning
from provision.domain.env_merge import EnvFolder, Merged, merge
from provision.domain.published_secrets import NEVER_FOLLOW
from provision.domain.settings import DifySettings

PUBLISHED_PORT = "EXPOSE_NGINX_PORT"
PUBLISHED_SSL_PORT = "EXPOSE_NGINX_SSL_PORT"
HTTPS = "NGINX_HTTPS_ENABLED"
# Without it Dify counts 0 tokens for any text: it sends the whole conversation, and never lowers max_tokens,
# so that every conversation ends in the endpoint's "maximum context length" (all supported versions;
# langgenius/dify#17706). The plugin daemon's image brings the vocabulary along.
COUNTING = "PLUGIN_BASED_TOKEN_COUNTING_ENABLED"


def managed(dify: DifySettings, public_url: str, version: EnvFolder) -> dict[str, str]:
    """Variables that follow our settings at all times.

    Args:
        public_url: the address that links are made with.
        version: what is installed. Up to 1.14.0 Compose passes on what it lists and nothing else, so what
            a version does not know is left out; later ones pass on the whole file.
    """
    values = {**addresses(public_url), **_others(dify)}
    known = values if version.optional else version.names
    return {**{name: value for name, value in values.items() if name in known}, **dify.env}


def addresses(public_url: str) -> dict[str, str]:
    """Where Dify's parts are, for what the server itself turns into links.

    CONSOLE_API_URL and APP_API_URL are left alone: pages call what is there, and empty means relative, so
    that browsers that come by another name keep their cookies. CONSOLE_WEB_URL is in mails and redirects only
    (and in the ``__Host-`` cookies' rule, which asks for both): it may be absolute.
    """
    parts = urlsplit(public_url)
    return {
        "CONSOLE_WEB_URL": public_url,
        "APP_WEB_URL": public_url,
        "SERVICE_API_URL": public_url,
        "FILES_URL": public_url,
        "TRIGGER_URL": public_url,
        "ENDPOINT_URL_TEMPLATE": f"{public_url}/e/{{hook_id}}",
        "NEXT_PUBLIC_SOCKET_URL": f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}",
        "SERVER_CONSOLE_API_URL": "http://api:5001",
        "INTERNAL_FILES_URL": "http://api:5001",
    }


def _others(dify: DifySettings) -> dict[str, str]:
    return {
        PUBLISHED_PORT: str(dify.port),
        PUBLISHED_SSL_PORT: str(dify.ssl_port),
        # Published only when asked for (the override resets it otherwise); 5003 is Dify's own default.
        "EXPOSE_PLUGIN_DEBUGGING_PORT": str(dify.plugin_debugging_port or 5003),
        "PLUGIN_PYTHON_ENV_INIT_TIMEOUT": str(dify.plugin_silence_timeout),
        # In minutes (dify-plugin-daemon, ``internal/service/install_plugin.go``).
        "PLUGIN_INSTALL_TIMEOUT": str(-(-dify.plugin_install_timeout // 60)),
        COUNTING: "true",
        # Without the second one the plugin's uv.lock wins, whose addresses are the public index. Both are
        # written either way, so that a mirror that is taken back is gone.
        "PIP_MIRROR_URL": dify.pip_mirror_url or "",
        "PLUGIN_IGNORE_UV_LOCK": "true" if dify.pip_mirror_url else "false",
    }


def counts_tokens(owner: EnvFolder) -> bool:
    """Whether an installation's own files have Dify count tokens; see `COUNTING`."""
    return meaning(owner.default(COUNTING) or "").lower() in {"true", "1", "yes", "on"}


def published_port(variables: Mapping[str, str], variable: str = PUBLISHED_PORT) -> int | None:
    """A port that a ``.env`` has nginx publish; ``None`` when it names none.

    An owner's own file may bind an address as well (``127.0.0.1:8080``).
    """
    found = re.fullmatch(r"(?:[\d.]+:|\[[0-9A-Fa-f:.]+\]:)?(\d+)", variables.get(variable, ""))
    return int(found[1]) if found else None


def has_https(variables: Mapping[str, str]) -> bool:
    """Whether Dify's nginx answers on its HTTPS port; its start script takes this one word only."""
    return variables.get(HTTPS) == "true"


def wrong_links(public_url: str, site_url: str, api_url: str) -> list[str]:
    """What Dify makes links with where it is another address than ours, one line each.

    Args:
        site_url, api_url: as a running Dify tells them for an app; empty where it tells none.
    """
    wanted = addresses(public_url)
    return [
        f"Dify makes {links} with {made}, and dify.public_url says {public_url}; see {variable} in its .env"
        for links, variable, made in (
            ("chat links", "APP_WEB_URL", site_url),
            ("API addresses", "SERVICE_API_URL", api_url.removesuffix("/v1")),
        )
        if made and _place(made) != _place(wanted[variable])
    ]


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


MANAGED = frozenset({*addresses("http://host"), *_others(DifySettings()), *NEVER_FOLLOW})
"""Every variable that is ours to set; in ``dify.env`` it would silently win over its setting."""


def merged(old: EnvFolder, owner: EnvFolder, new: EnvFolder, values: Mapping[str, str]) -> Merged:
    """An owner's ``.env`` for a version, with our values; see :func:`provision.domain.env_merge.merge`.

    Raises:
        DotenvError: Compose would refuse one of the files.
    """
    return merge(old, owner, new, values, NEVER_FOLLOW)
