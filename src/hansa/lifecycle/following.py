"""Brings into this node's mesh what other nodes have changed in the registry: what is live, its state, what is paused.

Flow: an entry of the audit, whoever made it → what the registry says is compared with what is served here, product by
product → what differs is served anew. Nothing rests on an entry being told: whoever asks again finds the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from hansa.errors import HansaError
from hansa.lifecycle.deploy import Locks
from hansa.lifecycle.ended import retirements
from hansa.lifecycle.mesh import Mesh
from hansa.model.product import ProductState
from hansa.registry.values import Product, TriggerKey

AGAIN_S: Final = 1.0
ANYWAY_S: Final = 30.0
"""How often it is compared though nothing was told."""
_report = logging.getLogger("hansa.lifecycle")


class Following:
    """Runs beside the server until it is cancelled. `paused` is told the triggers that are paused now."""

    def __init__(self, mesh: Mesh, locks: Locks, paused: Callable[[frozenset[TriggerKey]], None]) -> None:
        self._mesh, self._locks, self._paused = mesh, locks, paused
        self._known_paused = mesh.registry.paused_triggers()
        self._failed: dict[str, str] = {}
        """By product, the revision that could not be served."""

    async def run(self) -> None:
        """Never returns."""
        told, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(told.set)

        end = self._mesh.registry.audit_watch(wake)
        wait_s = ANYWAY_S
        try:
            while True:
                try:
                    async with asyncio.timeout(wait_s):
                        await told.wait()
                except TimeoutError:
                    pass
                told.clear()
                wait_s = ANYWAY_S if await self._turn() else AGAIN_S
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
        known = await asyncio.to_thread(lambda: mesh.registry.search(limit=100_000).products)
        for product in known:
            if not self._is_served(product):
                await self._serve(product.id)
        for port, retirement in retirements(mesh.log.log).items():
            if port not in mesh.ended:
                await mesh.leave(port, retirement)
        await self._pause()

    def _is_served(self, product: Product) -> bool:
        """Whether this node serves a product as the registry says, or knows why it cannot."""
        mesh, live = self._mesh, self._mesh.products.get(product.id)
        if product.state is ProductState.RETIRED:
            return live is None and mesh.retired.get(product.id, "") == product.successor
        if live is None:
            return self._failed.get(product.id) == product.live.hash
        return (live.revision, live.state, live.successor) == (product.live.hash, product.state, product.successor)

    async def _serve(self, product: str) -> None:
        mesh = self._mesh
        async with self._locks.of(product):
            found = await asyncio.to_thread(mesh.registry.product, product)
            if self._is_served(found):
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
