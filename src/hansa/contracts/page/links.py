"""Which addresses of a contract a page makes links of."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = frozenset({"http", "https", "mailto"})


def is_safe(url: str) -> bool:
    """True for addresses that open a page or a mail. All others stay text: `javascript:` would run in the reader's
    browser."""
    try:
        return urlsplit(url.strip()).scheme in _SCHEMES and not any(ord(letter) <= 0x20 for letter in url.strip())
    except ValueError:
        return False
