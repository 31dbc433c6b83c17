"""Where workers come from: a zygote per library set, spare workers ahead of need, and the loading of a revision."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.errors import HansaError, OperatorError
from hansa.model.product import ProductSpec
from hansa.runtime import wire
from hansa.runtime.link import Link
from hansa.runtime.zygote import LibrarySet, WorkerProcess, Zygote
from hansa.sdk.finding import Finding, plan_error

LOAD_TIMEOUT_S: Final = 60.0
REHEARSAL: Final = "hansa.runtime.rehearsal:rehearse_all"
REFILL_S: Final = 0.1
"""So long after a worker was taken is the next one forked: until then the processors are its own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Revision:
    """What a worker needs to serve a revision."""

    product: str
    hash: str
    folder: Path
    declared: ProductSpec
    libraries: LibrarySet
    lookups: dict[str, str]


class Workshop:
    """Makes workers. `spares` are kept forked per library set, so that a new revision starts in the time of its
    import."""

    def __init__(self, scratch: Path, *, isolation: str, spares: int = 1) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        self._scratch = scratch
        self._isolation = isolation
        self._spares_wanted = spares
        self._zygotes: dict[str, Zygote] = {}
        self._starting: dict[str, asyncio.Lock] = {}
        self._spares: dict[str, collections.deque[WorkerProcess]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.forks = 0
        """Workers that were forked."""

    async def worker(
        self,
        revision: Revision,
        on_message: Callable[[Any], None],
        on_lost: Callable[[], None],
        *,
        fresh: bool = False,
    ) -> tuple[Link, wire.Loaded]:
        """A worker that has loaded the revision: soon, or `fresh`, with as little memory of its own as can be. Raises
        `PlanError` with what is wrong with the product."""
        libraries = revision.libraries
        process = await self._fork(await self._zygote(libraries)) if fresh else await self._take(libraries)
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[wire.Loaded] = loop.create_future()

        def heard(message: Any) -> None:
            if loaded.done():
                on_message(message)
            elif isinstance(message, wire.Loaded):
                loaded.set_result(message)

        def lost() -> None:
            if loaded.done():
                on_lost()
            else:
                loaded.set_exception(_died(revision, process))

        link = Link(process, heard, lost)
        await link.open()
        load = self._load(revision, process.pid)
        process.exited.add_done_callback(lambda _: loop.run_in_executor(None, _remove, load.scratch))
        link.send(load)
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                answer = await loaded
        except TimeoutError:
            process.kill()
            raise _slow(revision) from None
        if answer.findings:
            link.close()
            raise plan_error([_finding(found) for found in answer.findings])
        return link, answer

    def _load(self, revision: Revision, pid: int) -> wire.Load:
        room = revision.libraries.room
        scratch = self._scratch if room is None else Path(room) / "scratch"
        return wire.Load(
            revision.product, revision.hash, str(revision.folder), msgspec.msgpack.encode(revision.declared),
            self._isolation,
            str(scratch / f"{revision.product}-{pid}"), revision.lookups,
        )  # fmt: skip

    async def _take(self, libraries: LibrarySet) -> WorkerProcess:
        zygote = await self._zygote(libraries)
        spares = self._spares.setdefault(libraries.name, collections.deque())
        while spares:
            process = spares.popleft()
            if not process.exited.done():
                self._refill(libraries)
                return process
        process = await self._fork(zygote)
        self._refill(libraries)
        return process

    def _refill(self, libraries: LibrarySet) -> None:
        task = asyncio.get_running_loop().create_task(self._refilled(libraries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refilled(self, libraries: LibrarySet) -> None:
        await asyncio.sleep(REFILL_S)
        await self._fork_spares(libraries)

    async def _fork(self, zygote: Zygote) -> WorkerProcess:
        self.forks += 1
        return await zygote.fork()

    async def _fork_spares(self, libraries: LibrarySet) -> None:
        spares = self._spares.setdefault(libraries.name, collections.deque())
        while len(spares) < self._spares_wanted:
            try:
                zygote = await self._zygote(libraries)
                process = await self._fork(zygote)
            except HansaError:
                return
            spares.append(process)
            with contextlib.suppress(OSError):  # it is gone already: `_take` sees that
                to_worker, _ = wire.halves(process.ring, process.cells)
                process.sock.send(wire.pack(wire.Rehearse(self._isolation), to_worker))

    async def _zygote(self, libraries: LibrarySet) -> Zygote:
        async with self._starting.setdefault(libraries.name, asyncio.Lock()):
            zygote = self._zygotes.get(libraries.name)
            if zygote is None or zygote.died.done():
                self._spares.pop(libraries.name, None)
                zygote = await Zygote.start(libraries, isolation=self._isolation, rehearsal=REHEARSAL)
                self._zygotes[libraries.name] = zygote
            return zygote

    async def prepare(self, libraries: LibrarySet) -> Zygote:
        """Starts the zygote of a library set and its spare workers."""
        zygote = await self._zygote(libraries)
        await self._fork_spares(libraries)
        return zygote

    async def close(self) -> None:
        """Ends the zygotes; their workers end with them."""
        for task in self._tasks:
            task.cancel()
        for zygote in self._zygotes.values():
            await zygote.stop()


def _remove(scratch: str) -> None:
    """What a worker left in its scratch folder goes with it."""
    shutil.rmtree(scratch, ignore_errors=True)


def _died(revision: Revision, process: WorkerProcess) -> OperatorError:
    return OperatorError(
        "worker.died",
        f"The worker of {revision.product} ended while it loaded: {process.stderr_tail().strip()[-500:] or 'no words'}",
        hint="`hansa doctor` shows what this machine offers workers.",
    )


def _slow(revision: Revision) -> OperatorError:
    return OperatorError(
        "worker.slow",
        f"{revision.product} was not loaded after {LOAD_TIMEOUT_S:g} s",
        hint="Move slow work out of the module into a @product.resource.",
    )


def _finding(found: dict[str, Any]) -> Finding:
    known = {name: found[name] for name in ("code", "message", "hint", "file", "line") if found.get(name) is not None}
    return Finding(**known)


def cpu_count() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
