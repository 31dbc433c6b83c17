"""Blobs as objects of an S3-compatible store: `PREFIX/ab/abcdef…`, with a folder of copies for who needs a file.

Objects are put with a SHA-256 that the store checks (`x-amz-checksum-sha256`), those above 8 MiB in parts, and held
against their name when they are read. What fails in passing is tried again for `retry_s`.
"""

from __future__ import annotations

import hashlib
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hansa.blobs.folder import HASH, FolderBlobs, damaged, unknown
from hansa.blobs.interface import Blobs
from hansa.blobs.s3_errors import translated
from hansa.errors import CallerError, OperatorError

if TYPE_CHECKING:
    from obstore.store import S3Store

PART_BYTES: Final = 8 << 20
CONNECT_S: Final = 3.0
READ_S: Final = 10.0
"""How long the store may say nothing."""
REQUEST_S: Final = 120.0
"""How long one request may take, with its body."""
RETRY_S: Final = 10.0
_PLACE: Final = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]*(/[^\s?#]*)?")
_ENDPOINT: Final = re.compile(r"https?://[^/\s@]+(/\S*)?")
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""The variables that the client reads."""
_MARK: Final = "hansa"
"""An object that is put at the start, so that a wrong address, key or bucket is said then."""


class S3Blobs(Blobs):
    """Blobs in `place`, which is `s3://BUCKET/PREFIX`; `copies` is a local folder, of which nothing is missed.

    Keys, region and address are those of the usual variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    `AWS_REGION`, `AWS_ENDPOINT_URL`, or come from the machine's role; `options` goes before them. Opening it raises
    `OperatorError`: `blob.address`, `bucket.unknown`, `blob.denied`, `blob.failed`; or
    `Unavailable("blob.unreachable")`.
    """

    def __init__(self, place: str, copies: Path, *, retry_s: float = RETRY_S, **options: Any) -> None:
        self._place = place
        self._store = _store(place, retry_s, options)
        self._copies = FolderBlobs(copies)
        with translated(place):
            self._store.put(_MARK, b"")

    def put(self, data: bytes) -> str:
        blob = hashlib.sha256(data).hexdigest()
        with translated(self._place):
            self._store.put(_key(blob), data, chunk_size=PART_BYTES, max_concurrency=4)
        return blob

    def get(self, blob: str) -> bytes:
        if not HASH.fullmatch(blob):
            raise unknown(blob)
        with translated(self._place, missing=unknown(blob)):
            data = bytes(self._store.get(_key(blob)).bytes())
        if hashlib.sha256(data).hexdigest() != blob:
            raise damaged(blob)
        return data

    def has(self, blob: str) -> bool:
        if not HASH.fullmatch(blob):
            return False
        try:
            with translated(self._place, missing=unknown(blob)):
                self._store.head(_key(blob))
        except CallerError:
            return False
        return True

    def path(self, blob: str) -> Path:
        try:
            return self._copies.path(blob)
        except (CallerError, OperatorError):  # it is not there, or was damaged
            self._copies.put(self.get(blob))
        return self._copies.path(blob)


def _key(blob: str) -> str:
    return f"{blob[:2]}/{blob}"


def _check(place: str, endpoint: str | None) -> None:
    """Raises `OperatorError("blob.address")` for what the client would not survive."""
    if not _PLACE.fullmatch(place):
        raise OperatorError(
            "blob.address",
            f"HANSA_BLOBS is not the address of a bucket: {place!r}",
            hint="It reads s3://BUCKET/PREFIX.",
        )
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise OperatorError(
            "blob.address",
            f"AWS_ENDPOINT_URL is not the address of an object store: {endpoint!r}",
            hint="It reads https://HOST:PORT.",
        )


def _store(place: str, retry_s: float, options: dict[str, Any]) -> S3Store:
    _check(place, options.get("endpoint") or next(filter(None, map(os.environ.get, _ENDPOINTS)), None))
    try:
        from obstore.store import S3Store
    except ImportError as missing:
        raise OperatorError(
            "blob.failed", f"{place} cannot be reached: obstore is not installed", hint="pip install 'hansa[s3]'"
        ) from missing
    with translated(place):
        return S3Store.from_url(
            place,
            checksum_algorithm="SHA256",
            client_options={
                "allow_http": True,
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "read_timeout": timedelta(seconds=READ_S),
                "timeout": timedelta(seconds=REQUEST_S),
            },
            retry_config={"max_retries": 10, "retry_timeout": timedelta(seconds=retry_s)},
            **options,
        )
