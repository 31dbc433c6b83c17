"""What every blob storage must do, written once: subclass the suite, say how a storage is opened."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable

import pytest

from hansa.blobs.interface import Blobs
from hansa.errors import CallerError, OperatorError


class BlobsConformance(ABC):
    """What holds for every storage of blobs."""

    @pytest.fixture
    @abstractmethod
    def open_blobs(self) -> Callable[[], Blobs]:
        """Opens the storage under test, each time the same one."""

    @pytest.fixture
    @abstractmethod
    def damage(self) -> Callable[[str], None]:
        """Changes what the storage holds under a name, behind its back."""

    @pytest.fixture
    def blobs(self, open_blobs: Callable[[], Blobs]) -> Blobs:
        return open_blobs()

    @pytest.mark.parametrize("data", [b"", b"one", bytes(range(256)) * 4096])
    def test_what_is_put_is_read(self, blobs: Blobs, data: bytes) -> None:
        blob = blobs.put(data)
        assert blob == hashlib.sha256(data).hexdigest()
        assert blobs.get(blob) == blobs.path(blob).read_bytes() == data
        assert blobs.has(blob)

    def test_the_same_bytes_are_kept_once(self, blobs: Blobs) -> None:
        assert blobs.put(b"one") == blobs.put(b"one") != blobs.put(b"two")

    @pytest.mark.parametrize("blob", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 64 + "\n"])
    def test_what_was_never_put_is_unknown(self, blobs: Blobs, blob: str) -> None:
        assert not blobs.has(blob)
        for read in (blobs.get, blobs.path):
            with pytest.raises(CallerError) as caught:
                read(blob)
            assert caught.value.code == "blob.unknown"

    def test_a_blob_survives_opening_again(self, open_blobs: Callable[[], Blobs]) -> None:
        blob = open_blobs().put(b"one")
        again = open_blobs()
        assert again.has(blob)
        assert again.get(blob) == again.path(blob).read_bytes() == b"one"

    def test_a_damaged_blob_is_said_and_mended_by_putting_it_again(
        self, blobs: Blobs, damage: Callable[[str], None]
    ) -> None:
        blob = blobs.put(b"one")
        damage(blob)
        for read in (blobs.get, blobs.path):
            with pytest.raises(OperatorError) as caught:
                read(blob)
            assert caught.value.code == "blob.damaged"
        assert blobs.put(b"one") == blob
        assert blobs.get(blob) == blobs.path(blob).read_bytes() == b"one"
