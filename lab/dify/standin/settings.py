"""What the containers get told by their environment, under the names of Dify's own compose file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import VERSION

# The one package that the lab's marketplace offers unless told otherwise; its checksum is the lab's own.
OFFERED = (
    "langgenius/openai_api_compatible:0.0.63@55002e78b2ae58aa53d0266f8a43d00d25c70034e29126e2c8ad2f6c43b9468c"
)
UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database as compose hands it to a container."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str


@dataclass(frozen=True)
class Redis:
    """The Redis server, database 0, that holds counters, sessions and cached lists."""

    host: str
    port: int
    password: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Settings of one container. Times are in seconds."""

    version: str = VERSION
    init_password: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    console_api_url: str = ""
    console_web_url: str = ""
    service_api_url: str = ""
    app_web_url: str = ""
    cookie_domain: str = ""
    deploy_env: str = "PRODUCTION"
    collaboration: bool = True
    learn_app: bool = True
    marketplace_enabled: bool = True
    counts_tokens: bool = False
    access_seconds: int = 3600
    refresh_seconds: int = 30 * 86400
    lockout_seconds: int = 86400
    database: Database | None = None
    redis: Redis | None = None
    storage: str = "/app/api/storage"
    daemon_url: str = ""
    daemon_key: str = field(default="", repr=False)
    verify_signatures: bool = True
    offered: tuple[str, ...] = (OFFERED,)
    install_seconds: float = 3.0
    index_seconds: float = 1.0
    bad_gateway_seconds: float = 0.0
    without_tables_seconds: float = 0.0
    migrating_elsewhere_seconds: float = 0.0
    migration_seconds: float = 2.0
    failing_migrations: tuple[str, ...] = ()
    runtime_seconds: float = 0.0
    expired_tasks: bool = False
    lost_writes: str = ""

    def since(self, version: str) -> bool:
        """Whether this Dify is of the given version or newer."""
        return parts(self.version) >= parts(version)

    @property
    def https(self) -> bool:
        """Whether cookies are Secure: both console URLs have to say https (source: ``libs/token.py``)."""
        return self.console_web_url.startswith("https") and self.console_api_url.startswith("https")

    @property
    def marketplace_reachable(self) -> bool:
        return self.offered != (UNREACHABLE,)


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from a container's environment.

    The lab's own are ``STANDIN_VERSION``, the Dify to speak like, from 1.3.1 on; ``STANDIN_MARKETPLACE``, the
    identifiers that the marketplace offers, oldest first, separated by commas (``unreachable`` makes it
    fail); ``STANDIN_INSTALL_SECONDS``, how long an installation takes; ``STANDIN_INDEX_SECONDS``, how long a
    document waits for its worker; ``STANDIN_MIGRATION_SECONDS``, how long the database of an older version
    takes to become this one's.

    Trouble (see `standin.faults`): ``STANDIN_BAD_GATEWAY_SECONDS``, ``STANDIN_WITHOUT_TABLES_SECONDS`` and
    ``STANDIN_MIGRATING_ELSEWHERE_SECONDS`` from the start on; ``STANDIN_RUNTIME_SECONDS``, how long after its
    start the plugin daemon has no plugin running; ``STANDIN_FAILING_MIGRATIONS``, the versions whose
    migration fails, separated by commas; ``STANDIN_EXPIRED_TASKS=true``, every task of an installation is
    gone at once; ``STANDIN_LOST_WRITES``, a pattern of paths whose writes succeed and do nothing.

    Raises:
        ValueError: a number is none.
    """
    get = environment.get
    return Settings(
        version=get("STANDIN_VERSION", VERSION),
        init_password=get("INIT_PASSWORD", ""),
        secret_key=get("SECRET_KEY", ""),
        console_api_url=get("CONSOLE_API_URL", ""),
        console_web_url=get("CONSOLE_WEB_URL", ""),
        service_api_url=get("SERVICE_API_URL", ""),
        app_web_url=get("APP_WEB_URL", ""),
        cookie_domain=get("COOKIE_DOMAIN", "").strip(),
        deploy_env=get("DEPLOY_ENV", "PRODUCTION"),
        collaboration=_true(get("ENABLE_COLLABORATION_MODE", "true")),
        learn_app=_true(get("ENABLE_LEARN_APP", "true")),
        marketplace_enabled=_true(get("MARKETPLACE_ENABLED", "true")),
        counts_tokens=_true(get("PLUGIN_BASED_TOKEN_COUNTING_ENABLED", "false")),
        access_seconds=60 * int(get("ACCESS_TOKEN_EXPIRE_MINUTES") or 60),
        refresh_seconds=86400 * int(get("REFRESH_TOKEN_EXPIRE_DAYS") or 30),
        lockout_seconds=int(get("LOGIN_LOCKOUT_DURATION") or 86400),
        database=_database(environment),
        redis=_redis(environment),
        daemon_url=get("PLUGIN_DAEMON_URL", ""),
        # The daemon itself is told its key under another name.
        daemon_key=get("SERVER_KEY") or get("PLUGIN_DAEMON_KEY", ""),
        verify_signatures=_true(get("FORCE_VERIFYING_SIGNATURE", "true")),
        offered=_listed(get("STANDIN_MARKETPLACE", OFFERED)),
        install_seconds=float(get("STANDIN_INSTALL_SECONDS") or 3),
        index_seconds=float(get("STANDIN_INDEX_SECONDS") or 1),
        bad_gateway_seconds=float(get("STANDIN_BAD_GATEWAY_SECONDS") or 0),
        without_tables_seconds=float(get("STANDIN_WITHOUT_TABLES_SECONDS") or 0),
        migrating_elsewhere_seconds=float(get("STANDIN_MIGRATING_ELSEWHERE_SECONDS") or 0),
        migration_seconds=float(get("STANDIN_MIGRATION_SECONDS") or 2),
        failing_migrations=_listed(get("STANDIN_FAILING_MIGRATIONS", "")),
        runtime_seconds=float(get("STANDIN_RUNTIME_SECONDS") or 0),
        expired_tasks=_true(get("STANDIN_EXPIRED_TASKS", "")),
        lost_writes=get("STANDIN_LOST_WRITES", ""),
    )


def parts(version: str) -> tuple[int, ...]:
    """A version's numbers, to compare it with another's."""
    return tuple(int(part) for part in version.split("."))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _true(text: str) -> bool:
    return text.strip().lower() in {"true", "1", "yes", "on"}


def _database(environment: Mapping[str, str]) -> Database | None:
    host = environment.get("DB_HOST", "")
    if not host:
        return None
    return Database(
        host,
        int(environment.get("DB_PORT") or 5432),
        environment.get("DB_USERNAME", "postgres"),
        environment.get("DB_PASSWORD", ""),
        environment.get("DB_DATABASE", "dify"),
    )


def _redis(environment: Mapping[str, str]) -> Redis | None:
    host = environment.get("REDIS_HOST", "")
    if not host:
        return None
    return Redis(host, int(environment.get("REDIS_PORT") or 6379), environment.get("REDIS_PASSWORD", ""))
