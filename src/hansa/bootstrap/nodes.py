"""The nodes that share a log, as the registry knows them: who is there, and who owns the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from hansa.bootstrap.clock import SharedClock
from hansa.bootstrap.duties import Duties
from hansa.bootstrap.log import open_shared
from hansa.bootstrap.place import Place
from hansa.bootstrap.sharing import Shares
from hansa.errors import HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import CommitSet, Log, Put
from hansa.eventlog.owner import REPLIES, closed
from hansa.eventlog.ownership import Address, Ownership
from hansa.observe.node import NodeFacts
from hansa.registry import interface as registries
from hansa.registry.values import Node
from hansa.server.services import Standing

BEATS: Final = 5
"""How often a node says that it is there, while a session lasts."""
TURN_S: Final = 0.05
GONE_S: Final = 86_400.0
TIDY_S: Final = 600.0
"""How often it is looked for nodes that have been gone for long."""
SEATS: Final = "_seats"
"""The scope of the seat that each node has now."""
_report = logging.getLogger("hansa.nodes")


class LeasedOwnership(Ownership):
    """Who has the lease on a log is to own it. The lease's holder names the node, and where its channel is. By what the
    lease says of the registry's time, `clock` is set."""

    def __init__(
        self, registry: registries.Nodes, log: str, *, may_own: bool, session_s: float, clock: SharedClock
    ) -> None:
        self._registry, self._lease, self._clock = registry, f"log:{log}", clock
        self._may_own, self._session_s = may_own, session_s
        self._incarnation = uuid.uuid4().hex[:8]
        self._holder = ""

    def at(self, node: str, host: str, port: int) -> None:
        """Says where this node's channel is; before anything else."""
        self._holder = f"{node} {self._incarnation} {host} {port}"

    def take(self) -> bool:
        if not self._may_own:
            return False
        asked_us = self._clock.steady_us()
        lease = self._registry.take_lease(self._lease, self._holder, self._session_s)
        if lease is not None:
            self._clock.heard(lease.until_us - int(self._session_s * 1e6), asked_us)
        return lease is not None

    def release(self) -> None:
        self._registry.release_lease(self._lease, self._holder)

    def holder(self) -> str | None:
        """The node that owns the log now."""
        lease = self._registry.lease(self._lease)
        return lease.holder.partition(" ")[0] if lease else None

    def owner(self) -> Address | None:
        lease = self._registry.lease(self._lease)
        if lease is None or lease.holder == self._holder:
            return None
        _, _, host, port = lease.holder.split(" ")
        return Address(host, int(port))


class Membership:
    """Says again and again that this node is there, and knows which others are. `changed` is called in the event loop
    when nodes have come or gone; a node is gone when the registry has not heard of it for a session, twice."""

    def __init__(
        self, registry: registries.Nodes, node: Node, session_s: float, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._registry, self._node, self._session_s = registry, node, session_s
        self._changed = changed
        self._missing_since: dict[str, float] = {}
        self._shares = Shares()
        self._are_there({node.id: node})

    @property
    def nodes(self) -> list[Node]:
        """Who is there, this node too, by id."""
        return [self._nodes[name] for name in sorted(self._nodes)]

    def others(self) -> list[str]:
        """The other nodes that are there."""
        return [name for name in self._nodes if name != self._node.id]

    def is_lost(self, node: str, for_s: float | None = None) -> bool:
        """True where a node of that name was there, or is known from the log, and has not been there for so long (a
        session, where nothing is said)."""
        if node in self._nodes:
            self._missing_since.pop(node, None)
            return False
        since = self._missing_since.setdefault(node, time.monotonic())
        return time.monotonic() - since > (self._session_s if for_s is None else for_s)

    def shares(self, group: str, partition: int) -> bool:
        """Whether a partition of a group is this node's to follow."""
        return self._shares.node(f"{group}/{partition}") == self._node.id

    async def join(self) -> None:
        """Says that this node is there."""
        await asyncio.to_thread(self._registry.put_node, self._node, self._session_s)
        await self._look()

    async def run(self) -> None:
        """Goes on until it is cancelled. What fails is reported, and who was there counts as there meanwhile."""
        heard = True
        while True:
            await asyncio.sleep(self._session_s / BEATS)
            try:
                await asyncio.to_thread(self._registry.put_node, self._node, self._session_s)
                if await self._look():
                    await self._changed()
                heard = True
            except HansaError as failure:
                if heard:
                    _report.warning("the other nodes are not known: %s", failure)
                heard = False

    async def _look(self) -> bool:
        found = {node.id: node for node in await asyncio.to_thread(self._registry.nodes)}
        found.setdefault(self._node.id, self._node)
        is_other = found.keys() != self._nodes.keys()
        self._are_there(found)
        return is_other

    def _are_there(self, nodes: dict[str, Node]) -> None:
        self._nodes = nodes
        self._shares.among(node.id for node in nodes.values() if "worker" in node.roles)

    async def leave(self) -> None:
        """Says that this node ends."""
        await asyncio.to_thread(self._registry.remove_node, self._node.id)


class Turns:
    """The turns of nodes to change a product: a lease for each, kept as long as the change takes. `current` has this
    node serve what the one before has made of it."""

    def __init__(
        self, registry: registries.Nodes, node: str, session_s: float, current: Callable[[str], Awaitable[None]]
    ) -> None:
        self._registry, self._session_s, self._current = registry, session_s, current
        self._holder = f"{node} {uuid.uuid4().hex[:8]}"

    @contextlib.asynccontextmanager
    async def turn(self, product: str) -> AsyncIterator[None]:
        """Waits for the turn. Turns of one product at this node take turns among themselves: each asks as another."""
        name, holder = f"product:{product}", f"{self._holder} {uuid.uuid4().hex[:8]}"
        while not await self._take(name, holder):
            await asyncio.sleep(TURN_S)
        keeping = asyncio.create_task(self._keep(name, holder))
        try:
            await self._current(product)
            yield
        finally:
            keeping.cancel()
            with contextlib.suppress(HansaError):
                await asyncio.to_thread(self._registry.release_lease, name, holder)

    async def _keep(self, name: str, holder: str) -> None:
        while True:
            await asyncio.sleep(self._session_s / BEATS)
            with contextlib.suppress(HansaError):
                await self._take(name, holder)

    async def _take(self, name: str, holder: str) -> bool:
        return await asyncio.to_thread(self._registry.take_lease, name, holder, self._session_s) is not None


class Nodes:
    """This node's part among those that share a log: `join` once the event loop runs, `leave` before it ends."""

    def __init__(self, registry: registries.Registry, data: Path, place: Place, pepper: bytes, version: str) -> None:
        _, name = place.kafka_log()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._duties: Duties | None = None
        may_own = place.has("scheduler")
        self.clock = SharedClock()
        self._ownership = ownership = LeasedOwnership(
            registry, name, may_own=may_own, session_s=place.session_s, clock=self.clock
        )
        self.log = open_shared(data, place, ownership, pepper, self.clock, self._led)
        ownership.at(place.node, place.host, self.log.port)
        node = Node(place.node, place.url, place.roles, version)
        self._name = place.node
        self.seat = f"{place.node} {uuid.uuid4().hex[:8]}"
        """This start of this node: what it is at while it lasts, and what is left when it has ended."""
        self.reassigned: Callable[[], Awaitable[None]] = _nothing
        self.membership = Membership(registry, node, place.session_s, lambda: self.reassigned())
        self._running: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Says that the node is there, and asks for the log."""
        self._loop = asyncio.get_running_loop()
        await self.membership.join()
        self.log.own()
        self._running = self._loop.create_task(self.membership.run())

    async def sit(self, log: AwaitableLog) -> None:
        """Says in the log that what an earlier start of this node was at is left."""
        await log.commit(CommitSet(puts=(Put(SEATS, self._name, self.seat.encode()),)))

    def is_left(self, seat: str) -> bool:
        """True where nobody is at what this seat was at: its node is lost, or was started again."""
        name = seat.partition(" ")[0]
        return self.membership.is_lost(name) or self.log.get(SEATS, name) != seat.encode()

    async def tidy(self, log: AwaitableLog) -> None:
        """Never returns. What the log keeps for each node shrinks to a number once that is gone: where nodes get a new
        name with each start, there are ever more."""
        while True:
            for commit in untidied(self.log, lambda node: self.membership.is_lost(node, GONE_S)):
                with contextlib.suppress(HansaError):
                    await log.commit(commit)
            await asyncio.sleep(TIDY_S)

    def urls(self, role: str = "") -> list[str]:
        """Where the other nodes are: all, or those with a role."""
        others = set(self.membership.others())
        return [node.url for node in self.membership.nodes if node.id in others and (not role or role in node.roles)]

    def workers(self) -> list[str]:
        """Where nodes are that have workers."""
        return self.urls("worker")

    async def standing(self) -> list[Standing]:
        """Who is there, and who owns the log."""
        owner = await asyncio.to_thread(self._ownership.holder)
        return [Standing(*node, is_owner=node.id == owner) for node in self.membership.nodes]

    def facts(self) -> NodeFacts:
        """What this node is."""
        log, membership = self.log, self.membership
        return NodeFacts(
            self._name,
            owns_log=lambda: log.is_owner,
            knows_owner=lambda: log.knows_owner,
            takeovers=lambda: log.takeovers,
            unanswered=lambda: log.unanswered,
            nodes=lambda: len(membership.nodes),
        )

    def led_by(self, duties: Duties) -> None:
        """What this node does while it owns the log."""
        self._duties = duties
        duties.lead(leads=self.log.is_owner)

    def _led(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._lead)

    def _lead(self) -> None:
        if self._duties is not None:
            self._duties.lead(leads=self.log.is_owner)

    async def leave(self) -> None:
        """Has the others do what this node did."""
        if self._running is not None:
            self._running.cancel()
        with contextlib.suppress(HansaError):
            await self.membership.leave()


def untidied(log: Log, is_gone: Callable[[str], bool]) -> Iterator[CommitSet]:
    """What is to be done about each node that is gone for good."""
    for name, value in log.scan(REPLIES):
        less = closed(value)
        if less != value and is_gone(name):
            yield CommitSet(puts=(Put(REPLIES, name, less, expected=value), Put(SEATS, name, None)))


async def _nothing() -> None: ...
