"""Bundles in a real object store: large ones, wrong settings, a server that keeps its revisions there."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import pytest
from engines.s3 import as_person, options
from server import Server, running

from hansa.blobs.s3 import S3Blobs
from hansa.errors import OperatorError, Unavailable

PRODUCTS = Path(__file__).parent / "products"


def test_a_blob_of_many_parts_comes_back(s3_address: str, tmp_path: Path) -> None:
    blobs = S3Blobs(copies=tmp_path, **options(s3_address, uuid.uuid4().hex))
    data = os.urandom(20 << 20)
    assert blobs.get(blobs.put(data)) == data


@pytest.mark.parametrize(
    ("change", "family", "code"),
    [
        ({"place": "s3://nowhere/x"}, OperatorError, "bucket.unknown"),
        ({"secret_access_key": "wrong"}, OperatorError, "blob.denied"),
        ({"endpoint": "http://127.0.0.1:9"}, Unavailable, "blob.unreachable"),
        ({"endpoint": "127.0.0.1:9"}, OperatorError, "blob.address"),
        ({"endpoint": "https://"}, OperatorError, "blob.address"),
        ({"place": "bucket/prefix"}, OperatorError, "blob.address"),
        ({"place": "s3:/bucket/prefix"}, OperatorError, "blob.address"),
        ({"place": "s3://a bucket"}, OperatorError, "blob.address"),
    ],
)
def test_wrong_settings_are_said_at_the_start(
    s3_address: str, tmp_path: Path, change: dict[str, str], family: type[OperatorError], code: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        S3Blobs(copies=tmp_path, retry_s=0.2, **{**options(s3_address, "x"), **change})
    assert (type(caught.value), caught.value.code) == (family, code)


@pytest.mark.skipif("HANSA_TEST_S3" in os.environ, reason="only our own server knows a person who may not write")
def test_who_may_not_write_is_told_so_at_the_start(s3_address: str, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"AccessDenied.*blob\.denied"):
        S3Blobs(copies=tmp_path, **options(as_person(s3_address, "reader"), "x"))


def test_a_server_finds_its_revisions_in_the_store(s3_address: str, tmp_path: Path) -> None:
    given = options(s3_address, uuid.uuid4().hex)
    environment = {
        "HANSA_BLOBS": given["place"],
        "AWS_ENDPOINT_URL": given["endpoint"],
        "AWS_REGION": given["region"],
        "AWS_ACCESS_KEY_ID": given["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": given["secret_access_key"],
    }
    with running(tmp_path / "data", environment=environment) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        server.kill()
        assert not (server.data / "blobs").exists()
        shutil.rmtree(server.data / "revisions")
        server.start()
        _works(server)


def _works(server: Server) -> None:
    assert server.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
