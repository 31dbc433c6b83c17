"""What every blob storage must do; run against each implementation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hansa.blobs.folder import FolderBlobs
from hansa.blobs.interface import Blobs
from hansa.errors import CallerError


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.mark.parametrize("data", [b"", b"one", bytes(range(256)) * 4096])
def test_what_is_put_is_read(blobs: Blobs, data: bytes) -> None:
    blob = blobs.put(data)
    assert blob == hashlib.sha256(data).hexdigest()
    assert blobs.get(blob) == blobs.path(blob).read_bytes() == data
    assert blobs.has(blob)


def test_the_same_bytes_are_kept_once(blobs: Blobs) -> None:
    assert blobs.put(b"one") == blobs.put(b"one") != blobs.put(b"two")


@pytest.mark.parametrize("blob", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 64 + "\n"])
def test_what_was_never_put_is_unknown(blobs: Blobs, blob: str) -> None:
    assert not blobs.has(blob)
    for read in (blobs.get, blobs.path):
        with pytest.raises(CallerError) as caught:
            read(blob)
        assert caught.value.code == "blob.unknown"
