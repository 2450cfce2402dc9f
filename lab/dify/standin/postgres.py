"""The store in PostgreSQL: one table of JSON documents.

Nothing is asked of the database before the first request, and a failing query becomes the HTTP 500 that a
real api with a wrong password or a missing database gives (source: the migration at start is skipped by
all containers but one, and the others serve).
"""

from __future__ import annotations

import threading
from typing import Any

# Debian's package, in the image only.
import psycopg2  # type: ignore[import-untyped,unused-ignore]
import psycopg2.extras  # type: ignore[import-untyped,unused-ignore]
from psycopg2 import errorcodes, sql

from .settings import Database
from .store import Document

CONNECT_SECONDS = 5
# Not jsonb, which would forget the order of keys that clients see.
TABLE = """
create table if not exists standin_documents (
    kind text not null, id text not null, position bigserial, body json not null, primary key (kind, id))
"""


class PostgresStore:
    """A store that outlives the container.

    Args:
        database: where, and who we are.
        create: make the database itself when it is missing, as the plugin daemon does with its own.
    """

    def __init__(self, database: Database, create: bool = False) -> None:
        self._database = database
        self._create = create
        self._connection: Any = None
        self._lock = threading.Lock()

    def get(self, kind: str, key: str) -> Document | None:
        rows = self._query("select body from standin_documents where kind = %s and id = %s", kind, key)
        return rows[0][0] if rows else None

    def put(self, kind: str, key: str, document: Document) -> None:
        self._query(
            "insert into standin_documents (kind, id, body) values (%s, %s, %s)"
            " on conflict (kind, id) do update set body = excluded.body",
            kind, key, psycopg2.extras.Json(document),
        )  # fmt: skip

    def delete(self, kind: str, key: str) -> None:
        self._query("delete from standin_documents where kind = %s and id = %s", kind, key)

    def all(self, kind: str) -> list[Document]:
        rows = self._query("select body from standin_documents where kind = %s order by position", kind)
        return [row[0] for row in rows]

    def _query(self, statement: str, *arguments: object) -> list[Any]:
        with self._lock:
            try:
                return self._run(statement, arguments)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                # The server was restarted, or its container replaced: once more on a new connection.
                self._connection = None
                return self._run(statement, arguments)

    def _run(self, statement: str, arguments: tuple[object, ...]) -> list[Any]:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall()) if cursor.description else []

    def _connect(self) -> Any:
        try:
            connection = self._open(self._database.name)
        except psycopg2.OperationalError as error:
            if not self._create or f'"{self._database.name}" does not exist' not in str(error):
                raise
            self._make_database()
            connection = self._open(self._database.name)
        with connection.cursor() as cursor:
            try:
                cursor.execute(TABLE)
            except psycopg2.Error as error:  # another container made it at this very moment
                if error.pgcode not in {errorcodes.UNIQUE_VIOLATION, errorcodes.DUPLICATE_TABLE}:
                    raise
        return connection

    def _make_database(self) -> None:
        connection = self._open("postgres")
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(self._database.name)))
        connection.close()

    def _open(self, name: str) -> Any:
        connection = psycopg2.connect(
            host=self._database.host,
            port=self._database.port,
            user=self._database.user,
            password=self._database.password,
            dbname=name,
            connect_timeout=CONNECT_SECONDS,
        )
        connection.autocommit = True
        return connection
