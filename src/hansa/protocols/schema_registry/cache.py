"""What was made of a state that changes seldom, kept until it changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar, cast

_KEPT_MAX: Final = 10_000
Value = TypeVar("Value")


class Cache:
    """Answers by key. Any thread may ask, and forget: what was begun before is not kept behind it."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The answer of that key; made now where there is none. What `make` raises is raised, and not kept."""
        kept = self._kept
        if key in kept:
            return cast("Value", kept[key])
        made = make()
        if len(kept) < _KEPT_MAX:
            kept[key] = made
        return made

    def forget(self) -> None:
        """The state has changed."""
        self._kept = {}
