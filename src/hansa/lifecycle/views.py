"""Where views and lookups stand, and having one built anew from the log. Whoever writes them does it: see
`hansa.views.keeping`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from hansa.errors import CallerError, OperatorError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import CommitSet
from hansa.model.ids import did_you_mean
from hansa.outputs.lookup import VERSION, applied_in
from hansa.registry.interface import Registry
from hansa.views.database import Reader
from hansa.views.group import outlived, statuses_in
from hansa.views.interface import View, ViewStatus
from hansa.views.keeping import Rebuild, order_append


class Standing(msgspec.Struct, frozen=True):
    """Where a view stands. `behind` counts what it has not seen, in `unit`: batches of the whole log, or the records of
    a lookup's port. `error` is why it is broken, where it is: then it waits to be rebuilt."""

    name: str
    kind: str
    version: int
    cursor: str
    behind: int
    unit: str
    error: str | None = None


class Views:
    """The views of one Hansa. `lookups` gives the file of every lookup that was made, by port; it belongs to the event
    loop."""

    def __init__(
        self,
        log: AwaitableLog,
        registry: Registry,
        views: Sequence[View],
        store: Reader,
        lookups: Callable[[], Mapping[str, Path]],
    ) -> None:
        self._log = log
        self._registry = registry
        self._views = {view.name: view for view in views}
        self._store = store
        self.lookups = lookups

    def statuses(self) -> list[ViewStatus]:
        """The views as their file says."""
        with self._store.reading() as db:
            return statuses_in(db)

    def cursors(self) -> dict[str, str]:
        """The cursor of each view, broken or not: retention passes none of them."""
        return {status.name: status.cursor for status in self.statuses()}

    async def all(self) -> list[Standing]:
        """Views first, then lookups, each by name."""
        return await asyncio.to_thread(self.standings, self.lookups())

    def standings(self, lookups: Mapping[str, Path]) -> list[Standing]:
        """As `all`, of these lookups. Any thread."""
        log = self._log.log
        views = [
            Standing(s.name, "view", s.version, s.cursor, log.behind(s.cursor), "batches", s.error)
            for s in self.statuses()
        ]
        return [*views, *(self._lookup(port, path) for port, path in sorted(lookups.items()))]

    def _lookup(self, port: str, path: Path) -> Standing:
        log, applied = self._log.log, applied_in(path)
        config = log.topics().get(port)
        ends = {p: log.bounds(port, p)[1] for p in range(config.partitions if config else 0)}
        behind = sum(end - applied.get(partition, 0) for partition, end in ends.items())
        cursor = ",".join(f"{partition}:{position}" for partition, position in sorted(applied.items()))
        return Standing(port, "lookup", VERSION, cursor, behind, "records")

    async def rebuild(self, actor: str, name: str, *, partial: bool = False) -> str:
        """Orders a view or lookup to be built anew; a token that it shows when that is done. Lookups show what they
        have until then, views fill up.

        Raises `CallerError("view.unknown")`; `OperatorError("view.unrecoverable")` where retention took what it shows
        still, unless `partial` accepts to lose that.
        """
        taken = self._outlived(name, self.lookups())
        if taken and not partial:
            raise OperatorError(
                "view.unrecoverable",
                f"{name} cannot be rebuilt whole: retention took the beginning of {', '.join(taken)}",
                hint="Keep it as it is, or accept with `--partial` to have only what the log still has.",
                details={"view": name, "topics": taken, "status": 409},
            )
        await asyncio.to_thread(self._registry.record, actor, "view.rebuilt", name, None, {"partial": partial})
        return (await self._log.commit(CommitSet((order_append(Rebuild(name)),)))).token

    def _outlived(self, name: str, lookups: Mapping[str, Path]) -> list[str]:
        log = self._log.log
        if name in self._views:
            return outlived(log, self._views[name])
        if name in lookups:
            partitions = range(log.topics()[name].partitions)
            return [name] if any(log.bounds(name, partition)[0] for partition in partitions) else []
        known = [*self._views, *lookups]
        hint = did_you_mean(name, known) or f"There are: {', '.join(sorted(known))}."
        raise CallerError("view.unknown", f"There is no view {name!r}", hint=hint)
