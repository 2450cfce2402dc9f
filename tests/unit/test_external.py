"""What Dify keeps in no folder and no volume of its own."""

from __future__ import annotations

import pytest

from provision.domain.external import VARIABLES, external, relied_on

HOSTS = {"api", "db_postgres", "weaviate", "couchbase-server", "minio", "host.docker.internal:19530"}
AS_PUBLISHED = {
    "DB_HOST": "db_postgres", "STORAGE_TYPE": "opendal", "OPENDAL_SCHEME": "fs", "VECTOR_STORE": "weaviate",
    "WEAVIATE_ENDPOINT": "http://weaviate:8080", "QDRANT_URL": "http://qdrant:6333", "S3_ENDPOINT": "",
    "PLUGIN_STORAGE_TYPE": "local", "ARCHIVE_STORAGE_ENABLED": "false",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"DB_HOST": "pg.corp"}, ["the database on pg.corp"]),
        ({"DB_HOST": "DB_Postgres"}, []),
        ({"DB_HOST": "db"}, ["the database on db"]),
        ({"DB_HOST": "localhost"}, ["the database on localhost"]),
        ({"DB_HOST": "host.docker.internal"}, ["the database on host.docker.internal"]),
        ({"STORAGE_TYPE": "local"}, []),
        ({"STORAGE_TYPE": "s3"}, ["uploaded files in s3"]),
        ({"STORAGE_TYPE": "s3", "S3_ENDPOINT": "https://s3.corp/x"}, ["uploaded files in s3 on s3.corp"]),
        ({"STORAGE_TYPE": "s3", "S3_ENDPOINT": "http://minio:9000"}, []),
        ({"STORAGE_TYPE": "oci-storage", "S3_ENDPOINT": "http://minio:1"}, ["uploaded files in oci-storage"]),
        ({"OPENDAL_SCHEME": "webdav"}, ["uploaded files in opendal (webdav)"]),
        ({"WEAVIATE_ENDPOINT": "https://w.corp:443/v1"}, ["the vectors in weaviate on w.corp:443"]),
        ({"WEAVIATE_ENDPOINT": ""}, []),
        ({"VECTOR_STORE": "qdrant"}, ["the vectors in qdrant on qdrant:6333"]),
        ({"VECTOR_STORE": "pgvector"}, ["the vectors in pgvector"]),
        ({"VECTOR_STORE": "new-one"}, ["the vectors in new-one"]),
        ({"VECTOR_STORE": "milvus", "MILVUS_URI": "http://host.docker.internal:19530"}, []),
        (
            {"VECTOR_STORE": "milvus", "MILVUS_URI": "http://host.docker.internal:19531"},
            ["the vectors in milvus on host.docker.internal:19531"],
        ),
        ({"VECTOR_STORE": "couchbase", "COUCHBASE_CONNECTION_STRING": "couchbase://couchbase-server"}, []),
        (
            {"VECTOR_STORE": "huawei_cloud", "HUAWEI_CLOUD_HOSTS": "https://weaviate:1,https://10.0.0.9:9200"},
            ["the vectors in huawei_cloud on 10.0.0.9:9200"],
        ),
        ({"PLUGIN_STORAGE_TYPE": "aws_s3"}, ["plugins in aws_s3"]),
        ({"ARCHIVE_STORAGE_ENABLED": "true"}, ["archived runs"]),
        (
            {"ARCHIVE_STORAGE_ENABLED": "True", "ARCHIVE_STORAGE_ENDPOINT": "https://r2.corp"},
            ["archived runs on r2.corp"],
        ),
        (
            {"DB_HOST": "10.0.0.9", "STORAGE_TYPE": "azure-blob"},
            ["the database on 10.0.0.9", "uploaded files in azure-blob"],
        ),
    ],
)  # fmt: skip
def test_what_lies_elsewhere(changes: dict[str, str], expected: list[str]) -> None:
    assert set(changes) <= set(VARIABLES)
    assert list(external(AS_PUBLISHED | changes, HOSTS)) == expected


def test_where_nothing_is_told_nothing_is_claimed() -> None:
    assert list(external({}, ())) == []


@pytest.mark.parametrize(
    ("variables", "hosts"),
    [
        ({"DB_HOST": "db_postgres", "VECTOR_STORE": "weaviate"},
         {"DB_HOST": "db_postgres", "VECTOR_STORE": "weaviate"}),
        ({"VECTOR_STORE": "weaviate", "WEAVIATE_ENDPOINT": "http://10.0.0.9:8080"},
         {"WEAVIATE_ENDPOINT": "10.0.0.9"}),
        ({"VECTOR_STORE": "qdrant", "QDRANT_URL": "http://qdrant:6333"}, {"QDRANT_URL": "qdrant"}),
        ({}, {}),
    ],
)  # fmt: skip
def test_what_dify_relies_on(variables: dict[str, str], hosts: dict[str, str]) -> None:
    assert relied_on(variables) == hosts
