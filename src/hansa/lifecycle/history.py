"""What products and their contracts were: earlier versions, whole, and what changed between two of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from hansa.contracts.changelog import ChangeLog, change_log
from hansa.contracts.odcs import ContractFile
from hansa.contracts.odps import ProductFiles, read_files
from hansa.errors import CallerError
from hansa.lifecycle.breaking import earlier_contracts
from hansa.lifecycle.changes import Change, changes
from hansa.model.ids import PortId, did_you_mean
from hansa.registry.interface import Registry
from hansa.registry.values import Revision

KEPT_MAX: Final = 128
"""How many revisions are kept as they were read; the one that was read longest ago leaves."""


class Release(NamedTuple):
    """A version of a port's contract. `revision` is the last one with it, `since_us` when the first one was deployed;
    `port` is the port's id, which bears the major."""

    version: str
    port: str
    revision: Revision
    since_us: int


class History:
    """The past of the products in `registry`, whose files `folder` unpacks. May be used from any thread."""

    def __init__(self, registry: Registry, folder: Callable[[Revision], Path]) -> None:
        self._registry = registry
        self._folder = folder
        self._kept: dict[str, ProductFiles] = {}
        self._lock = threading.Lock()

    def files(self, revision: Revision) -> ProductFiles:
        """The files of a revision, read once."""
        found = self._kept.get(revision.hash) or read_files(self._folder(revision))
        with self._lock:
            self._kept.pop(revision.hash, None)
            self._kept[revision.hash] = found
            while len(self._kept) > KEPT_MAX:
                del self._kept[next(iter(self._kept))]
        return found

    def releases(self, port: PortId) -> list[Release]:
        """The versions of all majors of a port, the newest first."""
        return releases(self._registry.revisions(str(port.product)), port.name)

    def contract(self, port: PortId, version: str | None = None) -> ContractFile:
        """The contract that a port had in a version, of whatever major; the last one of its own major unless given.
        Raises `CallerError("contract.unknown")`."""
        return self._contract(self._release(self.releases(port), port, version))

    def contract_changes(self, port: PortId, older: str | None, newer: str | None) -> ChangeLog:
        """What changed between two versions of a port's contract: to the last one, from the one before, unless given.
        Raises `CallerError("contract.unknown")`."""
        known = self.releases(port)
        last = self._release(known, port, newer)
        before = known[known.index(last) + 1 :]
        first = self._release(known, port, older) if older else next(iter(before), last)
        return change_log(self._contract(first), self._contract(last))

    def logs(self, port: PortId, limit: int) -> list[ChangeLog]:
        """What each of the last versions of a port changed, the newest first; majors behind its own are left out."""
        known = [found for found in self.releases(port) if PortId.parse(found.port).major <= port.major]
        pairs = list(zip(known[1:], known, strict=False))[:limit]
        return [change_log(self._contract(older), self._contract(newer)) for older, newer in pairs]

    def product_changes(self, product: str, older: str | None, newer: str | None) -> tuple[str, str, list[Change]]:
        """What changed between two revisions of a product: to the live one, from the one deployed before, unless given;
        with the two hashes. Raises `CallerError` (`product.unknown`, `revision.unknown`)."""
        registry = self._registry
        last = registry.revision(product, newer) if newer else registry.product(product).live
        revisions = registry.revisions(product)
        before = [revision for revision in revisions if revision.number < last.number]
        first = registry.revision(product, older) if older else next(iter(before), last)
        earlier = earlier_contracts(revision for revision in before if revision.number < first.number)
        return first.hash, last.hash, changes(first.spec, last.spec, earlier)

    def _contract(self, release: Release) -> ContractFile:
        return self.files(release.revision).contracts[release.port]

    def _release(self, known: Sequence[Release], port: PortId, version: str | None) -> Release:
        fitting = [one for one in known if (one.port == str(port) if version is None else one.version == version)]
        if fitting:
            return fitting[0]
        versions = [one.version for one in known]
        hint = did_you_mean(version or "", versions) or f"There are: {', '.join(versions) or 'none'}."
        raise CallerError("contract.unknown", f"{port} has no contract of version {version or port.major}", hint=hint)


def releases(revisions: Iterable[Revision], name: str) -> list[Release]:
    """The versions that the contracts of ports of that name had, the newest first; `revisions` come newest first."""
    found: dict[tuple[str, str], Release] = {}
    for revision in revisions:
        for port in (port for port in revision.spec.outputs if port.name == name):
            known = found.get((port.id, port.contract.version))
            last = known.revision if known else revision
            found[port.id, port.contract.version] = Release(port.contract.version, port.id, last, revision.time_us)
    return sorted(found.values(), key=lambda one: (one.since_us, PortId.parse(one.port).major), reverse=True)
