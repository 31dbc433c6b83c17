"""Who reads a port: processes, as their runs tell, and accounts, as the doors of the API count them.

A read over the API writes nothing of its own. The meter adds reads up in memory and stores them at most once in
`STORE_S`, one key of state for each port, account and token; so a server that is killed forgets at most the counts of
that moment, and what is kept grows with the number of readers and not with their reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

import msgspec

from hansa.errors import HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import CommitSet, Put
from hansa.views import database

STORE_S: Final = 1.0
ALL: Final = "*"
"""Stands for every field, in `Reader.fields`."""
_report = logging.getLogger("hansa.discovery")
_Key = tuple[str, str, str]


class Reader(msgspec.Struct, frozen=True, order=True):
    """One reader of a port: a process (`kind` process) by its id, or an account with the token that it came with.

    `count` are runs of a process, requests (and pages of a stream) of an account. `fields` has by field when it was
    last asked for, `*` standing for all of them; it is empty of a process, whose code tells (`ProcessSpec.fields`).
    """

    who: str
    kind: Literal["process", "account"]
    last_us: int
    count: int
    token: str = ""
    fields: dict[str, int] = {}


class _Reads(msgspec.Struct, array_like=True):
    """What is kept of a reader."""

    last_us: int = 0
    count: int = 0
    fields: dict[str, int] = {}

    def merged(self, later: _Reads) -> _Reads:
        return _Reads(later.last_us, self.count + later.count, {**self.fields, **later.fields})


_decode = msgspec.msgpack.Decoder(_Reads).decode


def scope_of(port: str) -> str:
    """The scope of state that has a port's readers."""
    return f"_reads:{port}"


class Meter:
    """Counts what is read over the API. Belongs to one event loop."""

    def __init__(self, log: AwaitableLog, clock_us: Callable[[], int]) -> None:
        self._log = log
        self._clock_us = clock_us
        self._noted: dict[_Key, _Reads] = {}
        self._any = asyncio.Event()

    def note(self, port: str, account: str, token: str | None, fields: Iterable[str] | None = None) -> None:
        """An account has read `fields` of a port, all of them where None."""
        now_us = self._clock_us()
        read = _Reads(now_us, 1, dict.fromkeys((ALL,) if fields is None else fields, now_us))
        key = (port, account, token or "")
        self._noted[key] = self._noted[key].merged(read) if key in self._noted else read
        self._any.set()

    def known(self, port: str) -> dict[tuple[str, str], _Reads]:
        """By account and token, all that was read of a port, what is not stored yet included."""
        stored = self._log.log.scan(scope_of(port))
        found = {(key.partition(" ")[0], key.partition(" ")[2]): _decode(value) for key, value in stored}
        for (of, account, token), read in list(self._noted.items()):
            if of == port:
                found[account, token] = found.get((account, token), _Reads()).merged(read)
        return found

    async def run(self) -> None:
        """Stores what is counted, until it is cancelled; sleeps where nothing is read."""
        while True:
            await self._any.wait()
            await asyncio.sleep(STORE_S)
            try:
                await self.store()
            except HansaError as failure:
                if failure.code != "state.moved":  # another node has counted meanwhile: with the next turn
                    _report.warning("reads are not counted at the moment: %s", failure)

    async def store(self) -> None:
        """Makes durable what was counted so far. What cannot be stored is kept for the next time."""
        noted, self._noted = self._noted, {}
        self._any.clear()
        try:
            if noted:
                await self._log.commit(CommitSet(puts=tuple(self._put(key, read) for key, read in noted.items())))
        except HansaError:
            for key, read in noted.items():
                self._noted[key] = read.merged(self._noted[key]) if key in self._noted else read
            self._any.set()
            raise

    def _put(self, key: _Key, read: _Reads) -> Put:
        port, account, token = key
        stored = self._log.log.get(scope_of(port), f"{account} {token}")
        whole = read if stored is None else _decode(stored).merged(read)
        return Put(scope_of(port), f"{account} {token}", msgspec.msgpack.encode(whole), expected=stored)


class Readers:
    """Who reads what. Its method is blocking work: call it from a thread."""

    def __init__(self, meter: Meter, views: database.Reader) -> None:
        self._meter = meter
        self._views = views

    def readers(self, port: str) -> list[Reader]:
        """Everyone who has ever read the port, the latest first. A process counts from its first run that has finished
        and that the view of lineage has seen, so within moments."""
        accounts = (
            Reader(account, "account", read.last_us, read.count, token, read.fields)
            for (account, token), read in self._meter.known(port).items()
        )
        return sorted((*accounts, *self._processes(port)), key=lambda reader: (-reader.last_us, reader.who))

    def _processes(self, port: str) -> Iterator[Reader]:
        with self._views.reading() as db:
            rows = db.execute(
                "SELECT target, MAX(last_us), CAST(SUM(count) AS BIGINT) FROM lineage_edge"
                " WHERE source = ? AND kind = 'read' GROUP BY target",
                (port,),
            ).fetchall()
        for process, last_us, count in rows:
            yield Reader(process, "process", last_us, count)
