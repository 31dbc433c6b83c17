"""Which node is to have what, of those that there are: the same wherever it is asked, without asking one another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class Shares:
    """The node for a name is the one whose hash with it is the greatest, so that few names get another when one of many
    nodes comes or goes (rendezvous hashing). When one comes, a name that was asked for before costs one hash instead of
    one for each node; when one goes, only the names that it had cost more."""

    def __init__(self) -> None:
        self.nodes: frozenset[str] = frozenset()
        """Those that there are."""
        self._found: dict[str, _Found] = {}

    def among(self, nodes: Iterable[str]) -> None:
        """From now on there are these nodes."""
        if (now := frozenset(nodes)) != self.nodes:
            self.nodes = now

    def node(self, name: str) -> str | None:
        """The node for a name; None where there is none."""
        found = self._found.get(name)
        if found is None or found.among is not self.nodes:
            found = self._found[name] = self._again(name, found)
        return found.node

    def _again(self, name: str, before: _Found | None) -> _Found:
        """What stands is compared with the nodes that have come, or, where its node has gone, with none."""
        stays = before is not None and before.node in self.nodes
        weight, node, news = b"", None, self.nodes
        if before is not None and stays:
            weight, node, news = before.weight, before.node, self.nodes - before.among
        for one in news:
            if (heavy := _weight(one, name)) > weight:
                weight, node = heavy, one
        return _Found(self.nodes, weight, node)


class _Found(NamedTuple):
    among: frozenset[str]
    weight: bytes
    node: str | None


def _weight(node: str, name: str) -> bytes:
    return hashlib.blake2b(f"{node}\n{name}".encode(), digest_size=8).digest()
