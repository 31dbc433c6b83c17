"""Where a page ends, as a text that a caller gives back: the sort values of its last row."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from hansa.errors import CallerError

Scalar = None | bool | int | float | str


def encode_cursor(values: Sequence[Any]) -> str:
    """`values` as a short text that may stand in a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(list(values))).rstrip(b"=").decode()


def decode_cursor(text: str, width: int) -> list[Any]:
    """What `encode_cursor` was given. Raises `CallerError("query.malformed")` for another text or number of values."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        values = msgspec.msgpack.decode(raw, type=list[Scalar])
    except (binascii.Error, ValueError):
        values = []
    if len(values) != width:
        raise CallerError(
            "query.malformed",
            f"{text!r} is not a cursor of this query",
            hint="Give back `next` of the page before, with the same sorting; or begin without a cursor.",
        )
    return values
