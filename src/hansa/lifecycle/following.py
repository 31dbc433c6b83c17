"""Brings into this node's mesh what other nodes have changed in the registry: what is live, its state, what is paused.

Flow: an entry of the audit, whoever made it → what the registry says is compared with what is served here, product by
product → what differs is served anew. Nothing rests on an entry being told: whoever asks again finds the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from hansa.errors import CallerError, HansaError
from hansa.eventlog.interface import CommitSet, Put
from hansa.lifecycle.deploy import Locks
from hansa.lifecycle.ended import retirements
from hansa.lifecycle.mesh import Mesh
from hansa.model.product import ProductState
from hansa.registry.values import Live, TriggerKey

AGAIN_S: Final = 1.0
ANYWAY_S: Final = 30.0
"""How often it is compared though nothing was told."""
SPREAD_S: Final = 3.0
LOOK_S: Final = 0.02
REACHED: Final = "_reached"
"""The scope of how far nodes have followed the audit."""
_report = logging.getLogger("hansa.lifecycle")


class Following:
    """Runs beside the server until it is cancelled. `node` is this one, `others` says which others are there. `paused`
    is told the triggers that are paused now."""

    def __init__(
        self,
        mesh: Mesh,
        locks: Locks,
        node: str,
        others: Callable[[], list[str]],
        paused: Callable[[frozenset[TriggerKey]], None],
    ) -> None:
        self._mesh, self._locks, self._paused = mesh, locks, paused
        self._node, self._others = node, others
        self._known_paused = mesh.registry.paused_triggers()
        self._failed: dict[str, str] = {}
        """By product, the revision that could not be served."""

    async def run(self) -> None:
        """Never returns."""
        told, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(told.set)

        end = self._mesh.registry.audit_watch(wake)
        due_s = 0.0
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S):
                        await told.wait()
                is_fenced = any(live.is_fenced for live in self._mesh.products.values())
                if told.is_set() or is_fenced or time.monotonic() > due_s:
                    told.clear()
                    due_s = time.monotonic() + (ANYWAY_S if await self._turn() else 0)
        finally:
            end()

    async def _turn(self) -> bool:
        try:
            await self.catch_up()
        except HansaError as failure:
            _report.warning("what other nodes change is not known: %s", failure)
            return False
        return True

    async def catch_up(self) -> None:
        """Has this node serve what the registry says."""
        mesh = self._mesh
        newest = await asyncio.to_thread(self._newest)
        for said in await asyncio.to_thread(mesh.registry.live):
            if not self._is_served(said):
                await self._serve(said.product)
            elif (live := mesh.products.get(said.product)) is not None and live.is_fenced:
                live.fence, live.is_fenced = await mesh.fence(said.product), False
        for port, retirement in retirements(mesh.log.log).items():
            if port not in mesh.ended:
                await mesh.leave(port, retirement)
        await self._pause()
        if self._reached(self._node) != newest:
            reached = Put(REACHED, self._node, msgspec.msgpack.encode(newest))
            await mesh.log.commit(CommitSet(puts=(reached,)))

    async def spread(self) -> None:
        """Waits until the other nodes that are there serve what the registry says now, for at most `SPREAD_S`."""
        newest = await asyncio.to_thread(self._newest)
        end_s = time.monotonic() + SPREAD_S
        while any(self._reached(node) < newest for node in self._others()) and time.monotonic() < end_s:
            await asyncio.sleep(LOOK_S)

    def _newest(self) -> int:
        entries = self._mesh.registry.audit_list(limit=1)
        return entries[0].seq if entries else 0

    def _reached(self, node: str) -> int:
        value = self._mesh.log.log.get(REACHED, node)
        return 0 if value is None else msgspec.msgpack.decode(value)

    def _is_served(self, said: Live) -> bool:
        """Whether this node serves a product as the registry says, or knows why it cannot."""
        mesh, live = self._mesh, self._mesh.products.get(said.product)
        if said.state is ProductState.RETIRED:
            return live is None and mesh.retired.get(said.product, "") == said.successor
        if live is None:
            return self._failed.get(said.product) == said.revision
        return Live(said.product, live.state, live.revision, live.successor) == said

    async def serve(self, product: str) -> None:
        """Has this node serve what the registry says of one product, where there is such a product."""
        try:
            found = await asyncio.to_thread(self._mesh.registry.product, product)
        except CallerError:
            return
        if not self._is_served(Live.of(found)):
            await self._serve(product)

    async def _serve(self, product: str) -> None:
        mesh = self._mesh
        async with self._locks.of(product):
            found = await asyncio.to_thread(mesh.registry.product, product)
            if self._is_served(Live.of(found)):
                return
            live = mesh.products.get(product)
            if found.state is ProductState.RETIRED or (live is not None and live.revision == found.live.hash):
                await mesh.restate(found)
                return
            try:
                await mesh.activate(found)
            except HansaError as failure:
                mesh.failures[product], self._failed[product] = failure, found.live.hash
                _report.error("%s is not served: %s", product, failure)

    async def _pause(self) -> None:
        """Follows what was paused and resumed elsewhere."""
        paused = await asyncio.to_thread(self._mesh.registry.paused_triggers)
        if paused != self._known_paused:
            changed = {key.product for key in paused ^ self._known_paused}
            self._known_paused = paused
            self._paused(paused)
            for product in changed:
                await self._mesh.resubscribe(product)
