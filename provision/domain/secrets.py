"""Which secrets there are, and how one of each kind is made on the host that keeps them."""

from __future__ import annotations

from typing import Literal

from provision.domain.settings import MODEL_ROLES, ModelRole

# Everything of ours that is configuration, on every host.
ETC = "/etc/dify-vllm-deploy"
FOLDER = f"{ETC}/secrets"

Kind = Literal["word", "short_word", "base64url", "ssh_key"]
SSH_KEY: Kind = "ssh_key"

# Letters and digits only: such a word needs no quoting in .env files, in nginx or in a URL. It begins
# with a letter and a digit because Dify's password rule wants one of each. Dify takes at most 30
# characters as INIT_PASSWORD, and 32 bytes in unpadded base64url as the agent server's key.
RECIPES: dict[Kind, str] = {
    "word": "{ printf k7; LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c 40; }",
    "short_word": "{ printf k7; LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c 26; }",
    "base64url": "head -c 32 /dev/urandom | base64 -w0 | tr '+/' '-_' | tr -d '='",
    "ssh_key": (
        "{ d=$(mktemp -d) && ssh-keygen -q -t ed25519 -N '' -C '' -f \"$d/k\" && cat \"$d/k\"; "
        's=$?; rm -rf "$d"; [ $s = 0 ]; }'
    ),
}

ADMIN_PASSWORD = "admin-password"  # noqa: S105 - names of secrets, not secrets
INIT_PASSWORD = "init-password"  # noqa: S105
FINGERPRINT_SALT = "fingerprint-salt"


def api_key_name(role: ModelRole) -> str:
    return f"{role}-api-key"


def tunnel_key_name(role: ModelRole) -> str:
    return f"{role}-tunnel-key"


OWN: dict[str, Kind] = {
    **{api_key_name(role): "word" for role in MODEL_ROLES},
    ADMIN_PASSWORD: "word",
    INIT_PASSWORD: "short_word",
    FINGERPRINT_SALT: "word",
}

# Secrets of Dify's own that its .env.example publishes with well-known values. Variables that must
# hold the same value share one secret.
DIFY: dict[str, Kind] = {
    "dify-secret-key": "word",
    "dify-db-password": "word",
    "dify-redis-password": "word",
    "dify-plugin-daemon-key": "word",
    "dify-plugin-inner-api-key": "word",
    "dify-sandbox-api-key": "word",
    "dify-weaviate-api-key": "word",
    "dify-agent-api-token": "word",
    "dify-agent-server-secret-key": "base64url",
    "dify-agent-sandbox-token": "word",
}

ALL: dict[str, Kind] = {**OWN, **DIFY}
