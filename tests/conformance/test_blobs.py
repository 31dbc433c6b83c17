"""Every storage of blobs passes the suite that `hansa.testing` ships."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from engines.s3 import options
from obstore.store import S3Store

from hansa.blobs.folder import FolderBlobs
from hansa.blobs.interface import Blobs
from hansa.blobs.s3 import S3Blobs
from hansa.testing.conformance_blobs import BlobsConformance


class TestFolderBlobs(BlobsConformance):
    @pytest.fixture
    def open_blobs(self, tmp_path: Path) -> Callable[[], Blobs]:
        return lambda: FolderBlobs(tmp_path)

    @pytest.fixture
    def damage(self, tmp_path: Path) -> Callable[[str], None]:
        return lambda blob: (tmp_path / blob[:2] / blob).write_bytes(b"onf") and None


class TestS3Blobs(BlobsConformance):
    @pytest.fixture
    def place(self) -> str:
        """A prefix that no other test has."""
        return uuid.uuid4().hex

    @pytest.fixture
    def open_blobs(self, s3_address: str, place: str, tmp_path: Path) -> Callable[[], Blobs]:
        return lambda: S3Blobs(copies=tmp_path, **options(s3_address, place))

    @pytest.fixture
    def damage(self, s3_address: str, place: str) -> Callable[[str], None]:
        given = options(s3_address, place)
        store = S3Store.from_url(given.pop("place"), client_options={"allow_http": True}, **given)
        return lambda blob: obstore.put(store, f"{blob[:2]}/{blob}", b"onf") and None
