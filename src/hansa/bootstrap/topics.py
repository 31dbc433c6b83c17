"""Has the ports of a log in Kafka published to topics of their own, at the node that owns the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from hansa.bootstrap.place import Place
from hansa.errors import CallerError, HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Log, LogReader
from hansa.lifecycle.mesh import Mesh
from hansa.model.ids import PortId
from hansa.model.product import ProductSpec, ProductState
from hansa.model.run import KEEPING_TOPIC
from hansa.outputs.relay import Ended, Relay, Topics
from hansa.outputs.topic import Encoding, Published, Standing, published
from hansa.protocols.schema_registry.registry import SchemaRegistry

if TYPE_CHECKING:
    from hansa.outputs.kafka_groups import GroupOffsets

GATHER_S: Final = 0.05
"""So long do records gather for one transaction."""
AGAIN_S: Final = 5.0
GROUPS_S: Final = 1.0
"""How often groups are shown."""
_report = logging.getLogger("hansa.topics")


class Publishing:
    """Relays the ports of products that are no drafts. `run` is a duty of the log's owner."""

    def __init__(
        self,
        log: AwaitableLog,
        specs: Callable[[], Iterable[ProductSpec]],
        encoding_of: Callable[[str, str], Encoding],
        open_topics: Callable[[], Topics],
        prefix: str,
        followers: Callable[[str], Sequence[str]],
        open_groups: Callable[[], GroupOffsets],
    ) -> None:
        """`followers` are the groups that follow a port."""
        self._log, self._specs, self._encoding_of = log, specs, encoding_of
        self._open, self._prefix = open_topics, prefix
        self._followers, self._open_groups = followers, open_groups
        self._dirty: set[str] = set()
        self._woken = asyncio.Event()
        self._ordered = True
        log.watch(KEEPING_TOPIC, self._order)

    async def run(self) -> None:
        """Never returns."""
        while True:
            with contextlib.closing(_Watches(self._log, self._touch)) as watches:
                try:
                    await self._term(watches)
                except (Ended, HansaError) as ended:
                    _report.warning("ports are not published for %.0f s: %s", AGAIN_S, ended)
            await asyncio.sleep(AGAIN_S)

    def changed(self) -> None:
        """Something was deployed, or a product's state changed."""
        self._woken.set()

    def _touch(self, port: str) -> None:
        self._dirty.add(port)
        self._woken.set()

    def _order(self) -> None:
        self._ordered = True
        self._woken.set()

    async def _term(self, watches: _Watches) -> None:
        """Relays until that cannot go on. A turn that is under way when this is cancelled ends by itself."""
        thread = ThreadPoolExecutor(1, "hansa-topics")
        work = partial(asyncio.get_running_loop().run_in_executor, thread)
        ends: list[Callable[[], None]] = []
        try:
            topics = await work(self._open)
            ends.append(topics.close)
            groups = await work(self._open_groups)
            ends.append(groups.close)
            relay = Relay(self._log.log, topics, self._encoding_of)
            wanted: set[str] = set()
            due, self._ordered = 0.0, True
            while True:
                self._woken.clear()
                ports = published(self._specs(), self._prefix)
                wanted |= watches.watch(ports) | self._dirty
                self._dirty.clear()
                if wanted:
                    wanted = await work(relay.turn, ports, wanted)
                if ports and time.monotonic() >= due:
                    await self._obey(relay, work, list(ports.values()))
                    await work(self._show, groups, relay, [(p, self._followers(name)) for name, p in ports.items()])
                    due = time.monotonic() + GROUPS_S
                await self._wait(min(relay.resting_s(wanted), GROUPS_S) if wanted else GROUPS_S if ports else None)
        finally:
            for end in ends:
                thread.submit(end)
            thread.shutdown(wait=False)

    async def _obey(self, relay: Relay, work: Callable[..., Awaitable[Any]], ports: list[Published]) -> None:
        if self._ordered:
            self._ordered = False
            self._ordered = not await work(relay.obey, ports) or self._ordered

    async def _wait(self, timeout_s: float | None) -> None:
        """Until there is something to do, or for so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), timeout_s)
        await asyncio.sleep(GATHER_S)

    def _show(self, groups: GroupOffsets, relay: Relay, followed: Sequence[tuple[Published, Sequence[str]]]) -> None:
        standings = [
            standing
            for made, names in followed
            for standing in _standings(self._log.log, made, relay.reached(made.port.id), names)
        ]
        groups.show([one._replace(group=f"{self._prefix}{one.group}") for one in standings])


def _standings(log: Log, made: Published, reached: Sequence[int], groups: Sequence[str]) -> Iterator[Standing]:
    """Where groups stand that follow a port which is published up to `reached`."""
    port = made.port.id
    for group in groups:
        for partition, published_to in enumerate(reached):
            position = log.position(group, port, partition)
            if position is not None and position >= 0:
                is_level = position >= published_to
                time_us = 0 if is_level else _time_at(log, port, partition, position)
                yield Standing(group, made.topic, partition, position, is_level, time_us)


def _time_at(log: LogReader, port: str, partition: int, position: int) -> int:
    """When what stands at a position was committed; 0 where retention took it."""
    try:
        chunks = log.read(port, partition, position, max_bytes=1)
    except CallerError:
        return 0
    return chunks[0].time_us if chunks else 0


class _Watches:
    """Tells of what is appended to ports."""

    def __init__(self, log: AwaitableLog, touch: Callable[[str], None]) -> None:
        self._log, self._touch = log, touch
        self._watched: dict[str, tuple[Published, Callable[[], None]]] = {}

    def watch(self, ports: dict[str, Published]) -> set[str]:
        """Watches these ports and no others; those that are new here, or not as they were."""
        for gone in self._watched.keys() - ports.keys():
            self._watched.pop(gone)[1]()
        other = {port for port, found in ports.items() if port not in self._watched or self._watched[port][0] != found}
        for port in other:
            stop = (
                self._watched[port][1] if port in self._watched else self._log.watch(port, partial(self._touch, port))
            )
            self._watched[port] = ports[port], stop
        return other

    def close(self) -> None:
        """Watches none."""
        self.watch({})


def publishing(place: Place, log: AwaitableLog, mesh: Mesh, schemas: SchemaRegistry) -> Publishing | None:
    """What publishes ports; None where they are not to be published."""
    if place.topics is None or not place.is_shared:
        return None

    def open_topics() -> Topics:
        from hansa.outputs.kafka import PublishedTopics

        return PublishedTopics(*place.kafka_log(), place.replication, _report.warning)

    def encoding_of(port: str, revision: str) -> Encoding:
        found = schemas.written(port.partition("/")[0], revision, port)
        if found is None:
            raise CallerError("schema.unknown", f"{port} has no schema for a topic", hint="See its `wireFormat`.")
        return Encoding(PortId.parse(port), *found)

    def specs() -> list[ProductSpec]:
        return [live.spec for live in mesh.products.values() if live.state is not ProductState.DRAFT]

    def followers(port: str) -> list[str]:
        return [group for _, group in mesh.followers(port)]

    def open_groups() -> GroupOffsets:
        from hansa.outputs.kafka_groups import GroupOffsets

        return GroupOffsets(place.kafka_log()[0])

    made = Publishing(log, specs, encoding_of, open_topics, place.topics, followers, open_groups)
    mesh.on_change.append(made.changed)
    return made
