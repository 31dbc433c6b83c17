"""What a store's answers mean: `obstore` tells status and answer in the text of its error alone.

NoSuchBucket              bucket.unknown
RequestTimeTooSkewed      blob.clock
404                       the object is missing: what the caller says
401, 403                  blob.denied
507, StorageFull, Quota…  blob.full
other 5xx, 429, none      blob.unreachable
anything else             blob.failed
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from hansa.errors import HansaError, OperatorError, Unavailable

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]*)</Message>")
_FULL: Final = re.compile(r"StorageFull|InsufficientStorage|Quota")
_PASSING: Final = frozenset({408, 425, 429})


class Answer(NamedTuple):
    """`status` is 0 where there was no answer; `code` is S3's, empty where the answer had no body."""

    status: int
    code: str
    message: str


def answer(told: str) -> Answer:
    """What the store answered, by the text of an error."""
    status, code, message = (pattern.search(told) for pattern in (_STATUS, _CODE, _MESSAGE))
    line = told.partition("\n")[0].rstrip(": ")
    return Answer(int(status[1]) if status else 0, code[1] if code else "", message[1] if message else line)


def verdict(place: str, told: Answer) -> HansaError:
    """The error that says what happened at `place`, and what to do."""
    status, code, _ = told
    message = f"{place}: {' '.join(filter(None, (code, told.message)))}"
    if code == "NoSuchBucket":
        return OperatorError("bucket.unknown", message, hint="Make the bucket, or name another one in HANSA_BLOBS.")
    if code == "RequestTimeTooSkewed":
        return Unavailable("blob.clock", message, hint="Set the clock of this machine; then it goes on by itself.")
    if status in (401, 403):
        return OperatorError("blob.denied", message, hint="See AWS_ACCESS_KEY_ID, its secret and the bucket's policy.")
    if status == 507 or _FULL.search(code):
        return Unavailable("blob.full", message, hint="Give the object store room.")
    if status >= 500 or status in _PASSING or status == 0:
        return Unavailable(
            "blob.unreachable", message, hint="See AWS_ENDPOINT_URL and that the object store runs; it is tried again."
        )
    return OperatorError("blob.failed", message, hint="See that HANSA_BLOBS names an S3-compatible store and a bucket.")


@contextmanager
def translated(place: str, *, missing: HansaError | None = None) -> Iterator[None]:
    """Turns what `obstore` raises into our errors; an object that is not there into `missing`."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as failure:
        told = answer(str(failure))
        is_missing = told.status == 404 and told.code in ("", "NoSuchKey")
        raise (missing if missing and is_missing else verdict(place, told)) from failure
