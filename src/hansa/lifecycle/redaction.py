"""What stays of a state when a person is taken out of it. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hansa.lifecycle.mentions import Sought

_GONE: Final = object()


def without_person(value: bytes, sought: Sought) -> bytes | None:
    """The state (msgpack) without what speaks of the person; None where nothing else stood there, or where it cannot
    be read. The items of lists, the keys of maps that name the person, and records of theirs go; where a field of
    something else speaks of them, None stands in its place."""
    try:
        plain = msgspec.msgpack.decode(value)
    except msgspec.DecodeError:
        return None
    left = _without(plain, sought)
    return None if left is _GONE else msgspec.msgpack.encode(left)


def _without(value: Any, sought: Sought, field: str | None = None) -> Any:
    if isinstance(value, dict):
        return _GONE if sought.is_of(value) else dict(_kept(value, sought))
    if isinstance(value, list):
        return [left for item in value if (left := _without(item, sought, field)) is not _GONE]
    return _GONE if sought.in_value(value, field) else value


def _kept(fields: dict[Any, Any], sought: Sought) -> list[tuple[Any, Any]]:
    kept = []
    for key, inner in fields.items():
        if not sought.in_value(key):
            left = _without(inner, sought, str(key))
            kept.append((key, None if left is _GONE else left))
    return kept
