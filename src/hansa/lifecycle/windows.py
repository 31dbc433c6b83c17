"""Version windows of the mesh: tried before they are published, opened and closed with the revision that has them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hansa.contracts.odps import read_files
from hansa.errors import CallerError, HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import CommitSet
from hansa.lifecycle.filling import Fill, Translator
from hansa.lifecycle.mesh import Mesh
from hansa.lifecycle.samples import tried
from hansa.model.product import OutputPortSpec, ProductSpec
from hansa.runtime.pool import Pool
from hansa.sdk.finding import Finding, plan_error

LEFT_RECORDS: Final = 5_000
"""So little is brought behind the bar, where runs of the revision before wait."""
READINGS_MAX: Final = 1_000
"""So often the fill reads before the bar, however fast others write."""

FINDINGS_MAX: Final = 10

Pair = tuple[OutputPortSpec, OutputPortSpec]
"""The older and the newer version of a window."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A revision that is to be served: its spec, its hash and its workers."""

    spec: ProductSpec
    revision: str
    pool: Pool


class Windows:
    """Opens and closes the windows of products."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def tried(self, coming: Coming, folder: Path) -> None:
        """Raises `PlanError` where a translator of the coming revision does not do on samples; each finding says which
        one, and no value of it."""
        if not any(coming.spec.windows()):
            return
        files = await asyncio.to_thread(lambda: read_files(folder).contracts)
        documents = {port: file.document for port, file in files.items()}
        translator = self._translator(coming)
        findings: list[Finding] = []
        for older, newer in coming.spec.windows():
            findings += await tried(self._log.log, translator, older, newer, documents)
        if findings:
            raise plan_error(findings[:FINDINGS_MAX])

    @contextlib.asynccontextmanager
    async def switched(self, coming: Coming, progress: Callable[[str], None]) -> AsyncIterator[None]:
        """Within it, the windows are those of the coming revision: their newer versions are filled, and what is served
        now commits nothing to the ports of windows that begin or end. Runs that were held begin anew behind it. Where
        that, or what is done within it, fails, the workers of the coming revision leave."""
        try:
            before, after = await asyncio.to_thread(self._open, coming.spec.id), _windows(coming.spec)
            opening = [pair for key, pair in after.items() if key not in before]
            closing = [pair for key, pair in before.items() if key not in after]
            fills = await self._filled(coming, opening, progress)
            async with self._barred(coming.spec.id, (*opening, *closing)):
                for fill in fills:
                    await _rest(fill)
                for pair in closing:
                    await Fill(self._log, self._translator(coming), *pair).pass_over()
                yield
        except HansaError:
            await coming.pool.drain()
            raise

    @contextlib.asynccontextmanager
    async def _barred(self, product: str, pairs: Collection[Pair]) -> AsyncIterator[None]:
        """Nothing that is served now commits to these ports."""
        live = self._mesh.products.get(product)
        if live is None or not pairs:
            yield
            return
        live.barred = frozenset(port.id for pair in pairs for port in pair)
        try:
            assert live.fence is not None
            # in order: what was let through before the bar is in the log now; other nodes are fenced off
            epoch = await asyncio.to_thread(self._log.log.acquire, live.fence[0])
            await self._log.commit(CommitSet())
            live.fence = (live.fence[0], epoch)
            yield
        finally:
            self._mesh.engine.release(live, replaced=self._mesh.products.get(product) is not live)

    def _open(self, product: str) -> dict[tuple[str, str], Pair]:
        """The windows of the revision that is live, whether it is served or not."""
        try:
            return _windows(self._mesh.registry.product(product).live.spec)
        except CallerError:
            return {}

    def _translator(self, coming: Coming) -> Translator:
        return Translator(coming.spec.id, coming.revision, coming.pool)

    async def _filled(self, coming: Coming, opening: list[Pair], progress: Callable[[str], None]) -> list[Fill]:
        """The fills of windows that open, each near the end of what it reads."""
        if not opening:
            return []
        self._mesh.declare(coming.spec)
        translator = self._translator(coming)
        fills = [Fill(self._log, translator, *pair) for pair in opening]
        for fill in fills:
            await fill.begin()
            for _ in range(READINGS_MAX):
                if fill.left <= LEFT_RECORDS or not await fill.advance():
                    break
                progress(f"{fill.newer}: {fill.count} records of {fill.older} are brought, {fill.left} are left")
        return fills

    @property
    def _log(self) -> AwaitableLog:
        return self._mesh.log


async def _rest(fill: Fill) -> None:
    while await fill.advance():
        pass


def _windows(spec: ProductSpec) -> dict[tuple[str, str], Pair]:
    return {(older.id, newer.id): (older, newer) for older, newer in spec.windows()}
