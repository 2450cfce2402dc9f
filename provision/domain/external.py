"""Data of Dify's that is in no folder and no volume of the installation: no backup holds it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

# Where each vector store is reached (langgenius/dify: docker/.env.example, 1.3.1 to 1.17.1). Without such a
# variable it is a service of somebody's cloud, or one that is not known here.
_VECTORS = {
    "alibabacloud_mysql": "ALIBABACLOUD_MYSQL_HOST",
    "analyticdb": "ANALYTICDB_HOST",
    "baidu": "BAIDU_VECTOR_DB_ENDPOINT",
    "chroma": "CHROMA_HOST",
    "couchbase": "COUCHBASE_CONNECTION_STRING",
    "elasticsearch": "ELASTICSEARCH_HOST",
    "elasticsearch-ja": "ELASTICSEARCH_HOST",
    "hologres": "HOLOGRES_HOST",
    "huawei_cloud": "HUAWEI_CLOUD_HOSTS",
    "iris": "IRIS_HOST",
    "lindorm": "LINDORM_URL",
    "matrixone": "MATRIXONE_HOST",
    "milvus": "MILVUS_URI",
    "myscale": "MYSCALE_HOST",
    "oceanbase": "OCEANBASE_VECTOR_HOST",
    "opengauss": "OPENGAUSS_HOST",
    "opensearch": "OPENSEARCH_HOST",
    "oracle": "ORACLE_DSN",
    "pgvecto-rs": "PGVECTO_RS_HOST",
    "pgvector": "PGVECTOR_HOST",
    "qdrant": "QDRANT_URL",
    "relyt": "RELYT_HOST",
    "seekdb": "OCEANBASE_VECTOR_HOST",
    "tablestore": "TABLESTORE_ENDPOINT",
    "tencent": "TENCENT_VECTOR_DB_URL",
    "tidb_on_qdrant": "TIDB_ON_QDRANT_URL",
    "tidb_vector": "TIDB_VECTOR_HOST",
    "upstash": "UPSTASH_VECTOR_URL",
    "valkey": "VALKEY_HOST",
    "vastbase": "VASTBASE_HOST",
    "vikingdb": "VIKINGDB_HOST",
    "weaviate": "WEAVIATE_ENDPOINT",
}
# Storages that somebody may run as a service of the project, such as MinIO.
_FILES = {"s3": "S3_ENDPOINT", "opendal": "OPENDAL_S3_ENDPOINT", "azure-blob": "AZURE_BLOB_ACCOUNT_URL"}

VARIABLES = (
    "DB_HOST", "STORAGE_TYPE", "OPENDAL_SCHEME", "PLUGIN_STORAGE_TYPE", "ARCHIVE_STORAGE_ENABLED",
    "ARCHIVE_STORAGE_ENDPOINT", "VECTOR_STORE", *_FILES.values(), *sorted(set(_VECTORS.values())),
)  # fmt: skip
"""What is to be known of the environment that Dify's services get. None of it is secret."""


def relied_on(variables: Mapping[str, str]) -> dict[str, str]:
    """The hosts that a ``.env`` has Dify reach its database and its vectors by, by the variable that says so.

    Args:
        variables: of the ``.env``. What it leaves to the release is the service of the store's own name.
    """
    store = variables.get("VECTOR_STORE", "")
    endpoint = _VECTORS.get(store, "")
    told = {"DB_HOST": variables.get("DB_HOST", "")}
    told |= {endpoint: variables[endpoint]} if variables.get(endpoint) else {"VECTOR_STORE": store}
    return {name: _name(place) for name, places in told.items() for place in _places(places)[:1]}


def external(variables: Mapping[str, str], hosts: Collection[str]) -> Iterator[str]:
    """What Dify keeps elsewhere, in words. Redis does not count: sessions and work in progress.

    Args:
        variables: of :data:`VARIABLES` those that Dify's services are given.
        hosts: names by which the project's own services are reached, and what they publish on the host as
            ``host.docker.internal:PORT``. (Any other port of the host is somebody else's.)
    """

    def beyond(places: str) -> list[str]:
        return [place for place in _places(places) if not {place, _name(place)} & set(hosts)]

    if away := beyond(variables.get("DB_HOST", "")):
        yield f"the database on {', '.join(away)}"
    kind = variables.get("STORAGE_TYPE") or "local"
    scheme = variables.get("OPENDAL_SCHEME") or "fs"
    if kind != "local" and (kind, scheme) != ("opendal", "fs"):
        where = variables.get(_FILES.get(kind, ""), "")
        if not where or beyond(where):
            name = f"{kind} ({scheme})" if kind == "opendal" else kind
            yield _at(f"uploaded files in {name}", beyond(where))
    store = variables.get("VECTOR_STORE", "")
    where = variables.get(_VECTORS.get(store, "")) or store
    if store and beyond(where):
        yield _at(f"the vectors in {store}", beyond(where) if where != store else ())
    if variables.get("PLUGIN_STORAGE_TYPE", "local") not in ("", "local"):
        yield f"plugins in {variables['PLUGIN_STORAGE_TYPE']}"
    if variables.get("ARCHIVE_STORAGE_ENABLED", "").lower() == "true":
        where = variables.get("ARCHIVE_STORAGE_ENDPOINT", "")
        if not where or beyond(where):
            yield _at("archived runs", beyond(where))


def _at(what: str, places: Collection[str]) -> str:
    return f"{what} on {', '.join(places)}" if places else what


def _places(text: str) -> list[str]:
    """Hosts, with ports where they are told, of host names, URLs and connection strings."""
    bare = (re.sub(r"^[\w.+-]+://", "", each).split("/")[0] for each in re.split(r"[,;\s]+", text))
    return [place.lower() for place in bare if place]


def _name(place: str) -> str:
    return place.rpartition(":")[0] or place if re.search(r":\d+$", place) else place
