"""The text of an API key: `hansa_<id>_<secret>`, the secret followed by a checksum.

The id is ten characters and names the token in the registry; the secret is 43 characters of 62, which is 256 bits; the
checksum is the CRC-32 of all before it, so that a mistyped key, and a text that only looks like one, is told at once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from typing import Final, NamedTuple

from hansa.errors import CallerError

_KEY: Final = re.compile(r"(hansa_([0-9a-z]{10})_([0-9A-Za-z]{43}))([0-9a-f]{8})")
_ID_CHARS: Final = 10
_SECRET_CHARS: Final = 43
_ID_LETTERS: Final = string.digits + string.ascii_lowercase
_SECRET_LETTERS: Final = string.digits + string.ascii_letters


class Key(NamedTuple):
    """The id and the secret of an API key."""

    id: str
    secret: str

    @property
    def text(self) -> str:
        """What its owner keeps and sends."""
        text = f"hansa_{self.id}_{self.secret}"
        return text + _checksum(text)

    def hash(self, pepper: bytes) -> bytes:
        """What is stored: HMAC-SHA256 of the secret."""
        return hmac.digest(pepper, self.secret.encode(), hashlib.sha256)


def new_key() -> Key:
    """A key from the system's randomness."""
    return Key(
        "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_CHARS)),
        "".join(secrets.choice(_SECRET_LETTERS) for _ in range(_SECRET_CHARS)),
    )


def derived_key(pepper: bytes, purpose: str) -> Key:
    """The key that whoever has the pepper comes to; another for each purpose."""
    number = int.from_bytes(hmac.digest(pepper, f"key {purpose}".encode(), hashlib.sha512))
    letters = []
    for alphabet in (*[_ID_LETTERS] * _ID_CHARS, *[_SECRET_LETTERS] * _SECRET_CHARS):
        number, at = divmod(number, len(alphabet))
        letters.append(alphabet[at])
    return Key("".join(letters[:_ID_CHARS]), "".join(letters[_ID_CHARS:]))


def parse_key(text: str) -> Key:
    """Raises `CallerError("token.malformed")`; the error never repeats the text."""
    found = _KEY.fullmatch(text)
    if not found or not hmac.compare_digest(_checksum(found[1]), found[4]):
        raise CallerError(
            "token.malformed",
            f"What was sent as a token ({len(text)} characters) is not one of Hansa",
            hint="A token reads hansa_<id>_<secret>; see that it was copied whole.",
        )
    return Key(found[2], found[3])


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
