"""Documents of a mesh are put together from parts, one of each product, which are kept until it changes."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

Part: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What something adds to each section of a document, by name."""


def joined(parts: Iterable[Part]) -> defaultdict[str, dict[str, Any]]:
    """The sections of all parts together."""
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for part in parts:
        for section, members in part.items():
            found[section].update(members)
    return found


def encoded(part: Part) -> Part:
    """The part with each member in JSON already: documents are put together without looking into them again."""
    encode = msgspec.json.encode
    return {
        section: {name: msgspec.Raw(encode(member)) for name, member in members.items()}
        for section, members in part.items()
    }


class Parts:
    """Parts by what they are of, each made again when its key is another one. May be used from any thread."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, Part]] = {}
        self._lock = threading.Lock()

    def of(self, name: str, key: Hashable, make: Callable[[], Part]) -> Part:
        """The encoded part called `name`; what `make` gives where it is not there for that `key`."""
        known = self._kept.get(name)
        if known is None or known[0] != key:
            known = key, encoded(make())
            with self._lock:
                self._kept[name] = known
        return known[1]

    def keep(self, names: Collection[str]) -> None:
        """Drops all others: products that are gone."""
        with self._lock:
            for name in [name for name in self._kept if name not in names]:
                del self._kept[name]
