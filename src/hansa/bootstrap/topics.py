"""Has the ports of a log in Kafka published to topics of their own, at the node that owns the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from hansa.bootstrap.place import Place
from hansa.errors import CallerError, HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.lifecycle.mesh import Mesh
from hansa.model.ids import PortId
from hansa.model.product import ProductSpec, ProductState
from hansa.outputs.relay import Ended, Relay, Topics
from hansa.outputs.topic import Encoding, Published, published
from hansa.protocols.schema_registry.registry import SchemaRegistry

GATHER_S: Final = 0.05
"""So long do records gather for one transaction."""
AGAIN_S: Final = 5.0
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
    ) -> None:
        self._log, self._specs, self._encoding_of = log, specs, encoding_of
        self._open, self._prefix = open_topics, prefix
        self._dirty: set[str] = set()
        self._woken = asyncio.Event()

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

    async def _term(self, watches: _Watches) -> None:
        """Relays until that cannot go on. A turn that is under way when this is cancelled ends by itself."""
        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, "hansa-topics")
        try:
            relay = Relay(self._log.log, await loop.run_in_executor(thread, self._open), self._encoding_of)
            wanted: set[str] = set()
            while True:
                self._woken.clear()
                ports = published(self._specs(), self._prefix)
                wanted |= watches.watch(ports) | self._dirty
                self._dirty.clear()
                if wanted:
                    wanted = await loop.run_in_executor(thread, relay.turn, ports, wanted)
                await self._wait(relay.resting_s(wanted) if wanted else None)
        finally:
            thread.shutdown(wait=False)

    async def _wait(self, timeout_s: float | None) -> None:
        """Until there is something to do, or for so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), timeout_s)
        await asyncio.sleep(GATHER_S)


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

    made = Publishing(log, specs, encoding_of, open_topics, place.topics)
    mesh.on_change.append(made.changed)
    return made
