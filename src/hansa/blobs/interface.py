"""Content-addressed storage: the name of a blob is the SHA-256 of its bytes, in hexadecimal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class Blobs(ABC):
    """Guarantees: a blob is whole and durable once `put` returns, and never changes; what is read is what was put.

    `get` and `path` raise `CallerError("blob.unknown")` for a hash that was never put, and
    `OperatorError("blob.damaged")` where the bytes no longer match it. Methods may be called from any thread.
    """

    @abstractmethod
    def put(self, data: bytes) -> str:
        """Keeps the bytes and returns their hash. Putting the same bytes again mends a damaged blob.
        Raises `Unavailable("blob.full")` where the storage has no room, and nothing was kept."""

    @abstractmethod
    def get(self, blob: str) -> bytes:
        """The bytes of a blob."""

    @abstractmethod
    def has(self, blob: str) -> bool:
        """True where the blob was put; its bytes are not checked."""

    @abstractmethod
    def path(self, blob: str) -> Path:
        """A local file with the bytes of a blob, to be read only."""
