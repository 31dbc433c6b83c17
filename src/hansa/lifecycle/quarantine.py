"""What people do with records that were set aside: correct one, publish it after all, discard it. Each is audited.

One thing at a time is done to an entry here, and the log lets it be settled once: a claim, taken in the same commit as
the record is published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from hansa.discovery.quarantine import Entry, QuarantineSearch
from hansa.errors import CallerError
from hansa.eventlog.interface import Append, Claim, CommitSet, encode_entry
from hansa.lifecycle.mesh import Mesh
from hansa.lifecycle.operations import SEEN_S
from hansa.model.ids import subject_name
from hansa.model.quarantine import WINDOW, Corrected, Settled, quarantine_topic, settled_scope
from hansa.model.run import RunState
from hansa.registry.interface import Registry
from hansa.runtime import wire
from hansa.runtime.engine import Engine
from hansa.runtime.live import LiveProcess
from hansa.runtime.run import Answer, Run
from hansa.views.waiting import Awaited

_encode: Final = msgspec.msgpack.Encoder().encode
FOR_GOOD_US: Final = 1 << 62


class Quarantine:
    """The quarantines of one mesh."""

    def __init__(
        self, mesh: Mesh, engine: Engine, registry: Registry, search: QuarantineSearch, views: Awaited
    ) -> None:
        self._mesh = mesh
        self._engine = engine
        self._registry = registry
        self._search = search
        self._views = views
        self._busy: set[str] = set()

    async def get(self, entry: str) -> tuple[Entry, Any]:
        """An entry and its record, as of everything committed. Raises `CallerError("quarantine.unknown")`."""
        await self._views.reach(self._mesh.log.log.now(), SEEN_S, "quarantine")
        return await asyncio.to_thread(self._search.get, entry)

    async def correct(self, actor: str, entry: str, record: Any) -> None:
        """Puts another record in its place, which waits as the first one did."""
        with self._alone(entry):
            found, _ = await self._waiting(entry)
            header: dict[str, Any] = {"product": found.product, "process": found.process, "run": found.run}
            subject = self._subject(found.port, record)
            if subject is not None:
                header["subject"] = subject_name(found.product, subject)
            change = Corrected(entry, msgspec.Raw(_encode(record)), actor)
            await self._record(actor, "quarantine.corrected", found)
            append = Append(quarantine_topic(found.port), 0, 1, encode_entry(entry, change), header)
            await self._mesh.log.commit(CommitSet((append,)))

    async def discard(self, actor: str, entry: str, reason: str) -> None:
        """It will not be published, for the reason given."""
        with self._alone(entry):
            found, _ = await self._waiting(entry)
            await self._record(actor, "quarantine.discarded", found, reason=reason)
            settled = Settled(entry, "discarded", actor, reason=reason)
            await self._mesh.log.commit(settling(found, settled, b""))

    async def replay(self, actor: str, entry: str, wait_s: float) -> Answer:
        """Checks the record again and publishes it, in a run of the process that made it, which is linked to that run.
        Where it breaks the contract still, the run fails with the reasons and the entry waits on."""
        with self._alone(entry) as hold:
            found, record = await self._waiting(entry)
            check_not_withheld(found)
            if record is None:
                raise _settled(f"The record of {entry} is not there any more", "Discard it.")
            live = self._mesh.process(f"{found.product}:{found.process}")
            self._mesh.port(found.port)
            run, answered = self._run(live, actor, found, record)
            await self._record(actor, "quarantine.replayed", found, run=run.id)
            self._engine.start(run)
            try:
                answer = await asyncio.wait_for(asyncio.shield(answered), wait_s)
            except TimeoutError:
                hold.append(answered)
                return Answer(run.id, RunState.RUNNING, 202, b"", "", accepted_us=run.accepted_us)
            if answer.run != run.id:
                raise _settled(f"{entry} was settled meanwhile", "`hansa quarantine show` says how.")
            is_broken_still = answer.error is not None and answer.error.code == "contract.violated"
            return msgspec.structs.replace(answer, status=422) if is_broken_still else answer

    def _run(self, live: LiveProcess, actor: str, entry: Entry, record: Any) -> tuple[Run, asyncio.Future[Answer]]:
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        source = _encode(wire.Source(wire.QUARANTINE, detail={"port": entry.port, "entry": entry.id}))
        run = Run(live, wire.QUARANTINE, source, actor, lambda a: None if answered.done() else answered.set_result(a))
        run.detail = {"port": entry.port, "entry": entry.id}
        run.records = [wire.Records(quarantine_topic(entry.port), 0, 0, 1, 0, encode_entry(entry.id, record))]
        run.replay_of = entry.run
        run.settles = settling(entry, Settled(entry.id, "replayed", actor, run.id), run.id.encode())
        return run, answered

    async def _waiting(self, entry: str) -> tuple[Entry, Any]:
        found, record = await self.get(entry)
        if found.state != "waiting":
            by = f" by the run {found.settled_run}" if found.settled_run else f" by {found.settled_by}"
            raise _settled(f"{entry} was {found.state} already{by}", "Nothing is left to do with it.")
        return found, record

    def _subject(self, port: str, record: Any) -> str | None:
        """The person whom the record names. Raises `CallerError("quarantine.subject")` where it must and does not."""
        name = self._mesh.port(port).contract.subject
        if name is None:
            return None
        subject = record.get(name) if isinstance(record, dict) else None
        if subject is None:
            raise CallerError(
                "quarantine.subject", f"The record does not say whose data it is in {name!r}",
                hint="Records of this port are kept under the key of the person whom they name.",
                details={"status": 422},
            )  # fmt: skip
        return str(subject)

    @contextmanager
    def _alone(self, entry: str) -> Iterator[list[asyncio.Future[Answer]]]:
        """Nobody else does anything to the entry meanwhile, nor until what is put in the list is done."""
        if entry in self._busy:
            raise _settled(f"Something is being done to {entry} at this moment", "Ask again in a moment.")
        self._busy.add(entry)
        longer: list[asyncio.Future[Answer]] = []
        try:
            yield longer
        finally:
            if longer:
                longer[0].add_done_callback(lambda _: self._busy.discard(entry))
            else:
                self._busy.discard(entry)

    async def _record(self, actor: str, action: str, entry: Entry, **after: str) -> None:
        before = {"entry": entry.id, "port": entry.port, "run": entry.run}
        await asyncio.to_thread(self._registry.record, actor, action, entry.product, before, after or None)


def check_not_withheld(entry: Entry) -> None:
    """Raises `CallerError("quarantine.withheld")` for a record that was published, in the newer version of its port."""
    if any(reason.rule == WINDOW for reason in entry.reasons):
        raise CallerError(
            "quarantine.withheld",
            f"The record of {entry.id} stands in the newer version of {entry.port}; only the older one has it not",
            hint="Publish a later state of it that both versions can say, or discard this one.",
            details={"status": 409},
        )


def settling(entry: Entry, settled: Settled, value: bytes) -> CommitSet:
    """Settles an entry, once."""
    header = {"product": entry.product, "process": entry.process, "run": settled.run or entry.run}
    append = Append(quarantine_topic(entry.port), 0, 1, encode_entry(entry.id, settled), header)
    return CommitSet((append,), claims=(Claim(settled_scope(entry.port), entry.id, value, FOR_GOOD_US),))


def _settled(message: str, hint: str) -> CallerError:
    return CallerError("quarantine.settled", message, hint=hint, details={"status": 409})
