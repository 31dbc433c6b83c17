"""Versions of ports as time goes on: how far each window is, who keeps it open, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from hansa.discovery.readers import Reader
from hansa.errors import CallerError
from hansa.eventlog.interface import CommitSet
from hansa.lifecycle.breaking import readers as products_reading
from hansa.lifecycle.ended import Retirement, ended, retirement_put
from hansa.lifecycle.filling import opened_us
from hansa.lifecycle.mesh import Mesh
from hansa.lifecycle.standing import Standing
from hansa.model.product import ProductSpec, versions_of
from hansa.model.window import Phase, phase_of

QUIET_S: Final = 7 * 86_400.0
"""An account that has not read a version for so long does not keep it open any more."""


class Retiring:
    """Versions of the ports of one mesh. `readers` tells who has read a port, see `discovery.readers`."""

    def __init__(self, mesh: Mesh, readers: Callable[[str], list[Reader]], clock_us: Callable[[], int]) -> None:
        self._mesh = mesh
        self._readers = readers
        self._clock_us = clock_us

    def standing(self, port: str) -> Standing | None:
        """How the window stands in which `port` is the older version; None where it is in none, or the newest."""
        live = self._mesh.products.get(port.partition("/")[0])
        older = None if live is None else live.spec.output(port)
        newer = None if live is None or older is None else live.spec.successor(port)
        if older is None or newer is None:
            return None
        versions, retirement = versions_of(older, newer), self._mesh.ended.get(port)
        now = datetime.fromtimestamp(self._clock_us() / 1e6, UTC)
        phase = phase_of(versions, now, retired=retirement is not None)
        if phase is Phase.ENDED and retirement is None:
            phase = phase_of(versions, now, self.readers(port))
        return Standing(versions, phase, opened_us(self._mesh.log.log, newer.id), retirement)

    def standings(self, spec: ProductSpec) -> dict[str, Standing]:
        """How the windows of a product stand, by the id of the older version."""
        found = ((older.id, self.standing(older.id)) for older, _ in spec.windows())
        return {port: standing for port, standing in found if standing is not None}

    def readers(self, port: str) -> list[str]:
        """Who keeps a version open: live products that read it, and accounts that have read it lately."""
        products = products_reading(self._mesh.specs()).get(port, [])
        since_us = self._clock_us() - QUIET_S * 1e6
        accounts = {r.who for r in self._readers(port) if r.kind == "account" and r.last_us >= since_us}
        return [*products, *sorted(accounts)]

    def check(self, port: str) -> Standing | None:
        """As `standing`. Raises `CallerError("port.ended")`, naming the successor, where the version has ended."""
        standing = self.standing(port)
        if standing is not None and standing.phase is Phase.ENDED:
            raise ended(port, standing.versions.newer)
        return standing

    async def retire(self, actor: str, port: str, approval: str) -> Standing:
        """Ends a version. Raises `CallerError` (`port.no_successor`; `port.in_use` while it is read, unless `approval`
        says who agreed and why)."""
        standing = await asyncio.to_thread(self.standing, port)
        if standing is None:
            raise CallerError(
                "port.no_successor",
                f"{port} is no older version of a port",
                hint="A version is retired within a window: its successor must be there.",
                details={"status": 409},
            )
        if standing.retirement is not None:
            return standing
        readers = await asyncio.to_thread(self.readers, port)
        if readers and not approval.strip():
            raise CallerError(
                "port.in_use",
                f"{port} is read by {', '.join(readers)}",
                hint=f"They move to {standing.versions.newer}, or --approval says who agreed to end it all the same.",
                details={"status": 409, "readers": readers},
            )
        successor, forced = standing.versions.newer, approval.strip() if readers else ""
        retirement = Retirement(actor, self._clock_us(), successor, forced)
        after = {"successor": successor, "approval": forced, "readers": readers}
        before = {"phase": standing.phase.value}
        await asyncio.to_thread(self._mesh.registry.record, actor, "port.retired", port, before, after)
        await self._mesh.log.commit(CommitSet(puts=(retirement_put(port, retirement),)))
        await self._mesh.leave(port, retirement)
        return msgspec.structs.replace(standing, phase=Phase.ENDED, retirement=retirement)
