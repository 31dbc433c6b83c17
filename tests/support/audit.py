"""Audits a Hansa with a till and its books against a ledger: what was acknowledged is there, and nothing is twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from ledger import Ledger, ids
from server import Server

from hansa.eventlog.interface import Log, as_array
from hansa.eventlog.sqlite import SqliteLog
from hansa.model.run import EVENTS_TOPIC, FINAL, RUNS_TOPIC, RunEntry
from hansa.runtime.journal import CHUNKS, PENDING, STEPS

SALES, RECEIPTS = "shop.till/sales@1", "shop.books/receipts@1"
VIEWS_S = 15.0
"""How long views may take to show what the log has, on a machine that is busy."""
COUNTING = {
    "sell": "sync", "sell_later": "async", "sell_in_steps": "steps", "sell_orders": "order", "sell_on_time": "at",
}  # fmt: skip
"""The processes that count what they sell, and how the ids of their sales begin."""


class Books:
    """Everything that stands in a log, in a folder or opened already, read while no server has it open."""

    def __init__(self, kept: Path | Log) -> None:
        log = SqliteLog(kept) if isinstance(kept, Path) else kept
        try:
            self.damage = [*(finding.message for finding in log.verify()), *_backwards(log)]
            self.sales = [body["id"] for body in bodies(log, SALES)]
            self.receipts = [body["id"] for body in bodies(log, RECEIPTS)]
            self.events = list(bodies(log, EVENTS_TOPIC))
            self.runs = [msgspec.convert(body, RunEntry) for body in bodies(log, RUNS_TOPIC)]
            self.unfinished = [(scope, key) for scope in (PENDING, STEPS, CHUNKS) for key, _ in log.scan(scope)]
            self.counts = {name: _count(log, f"shop.till:{name}", "count") for name in COUNTING}
            self.booked = _count(log, "shop.books:book", "booked")
        finally:
            log.stop()

    def named(self, name: str, field: str) -> list[str]:
        """A field of every event of a name."""
        return [event[field] for event in self.events if event["name"] == name]


def bodies(log: Log, topic: str) -> Iterator[Any]:
    """The bodies of a topic's only partition, in order."""
    position, end = log.bounds(topic, 0)
    while position < end:
        for chunk in log.read(topic, 0, position):
            yield from (body for _, body in msgspec.msgpack.decode(as_array(chunk.entries, chunk.count)))
            position = chunk.end


def _backwards(log: Log) -> Iterator[str]:
    """Where the log's own time goes back."""
    cursor, before_us = "", 0
    while (found := log.changes(cursor, max_bytes=8 << 20))[0]:
        chunks, cursor = found
        for chunk in chunks:
            if chunk.time_us < before_us:
                yield f"{chunk.topic} {chunk.base} is of {before_us - chunk.time_us} µs before what was written earlier"
            before_us = chunk.time_us


def _count(log: Log, process: str, key: str) -> int:
    value = log.get(f"state:{process}", key)
    return msgspec.msgpack.decode(value) if value is not None else 0


def audit(books: Books, ledger: Ledger) -> list[str]:
    """What is wrong, in words; nothing where all is well. Only for a Hansa that has come to rest."""
    return [
        *books.damage,
        *ledger.strange,
        *_sold(books, ledger),
        *_counted(books),
        *_ran(books, ledger),
        *(f"left unfinished: {left}" for left in books.unfinished),
    ]


def _sold(books: Books, ledger: Ledger) -> Iterator[str]:
    """Records and events: all that was acknowledged, each once, and downstream the same."""
    ordered = [sale for sale in ledger.accepted if sale.startswith("order ")]
    emitting = [sale for sale in books.sales if not sale.startswith("chunks")]
    yield from lacking("sales", books.sales, (part for sale in ledger.acknowledged for part in ids(sale)))
    yield from lacking("orders", books.named("ordered", "id"), ordered)
    yield from unlike("receipts", books.receipts, books.sales)
    yield from unlike("events of sales", books.named("sold", "source"), emitting)
    weighed = [sale for sale in books.sales if sale.startswith("steps ")]
    yield from unlike("events of steps", books.named("weighed", "source"), weighed)
    for name, found in (("sale", books.sales), ("receipt", books.receipts), ("order", books.named("ordered", "id"))):
        yield from doubled(name, found)


def _counted(books: Books) -> Iterator[str]:
    """State: each counter says what was committed with it."""
    begin = Counter(sale.partition(" ")[0] for sale in books.sales)
    yield from unlike_numbers({**books.counts, "book": books.booked}, {
        **{process: begin[kind] for process, kind in COUNTING.items()}, "book": len(books.sales),
    })  # fmt: skip


def _ran(books: Books, ledger: Ledger) -> Iterator[str]:
    """Runs: each acknowledged one succeeded, every one ended, each once, and knows what it was given."""
    ended = [run for run in books.runs if run.state in FINAL]
    succeeded = [run.id for run in ended if run.state == "succeeded"]
    yield from doubled("end of run", [run.id for run in ended])
    yield from lacking("runs that succeeded", succeeded, filter(None, ledger.acknowledged.values()))
    yield from lacking("ends of runs", [run.id for run in ended], {run.id for run in books.runs})
    given = {run.id for run in books.runs if run.payload}
    yield from lacking("payloads", given, [run.id for run in ended if run.trigger == "http"])


def audit_views(server: Server, books: Books) -> list[str]:
    """What the views of a running server show otherwise than the log, although they had the time to follow it."""
    end = time.monotonic() + VIEWS_S
    while (findings := _shown_otherwise(server, books)) and time.monotonic() < end:
        time.sleep(0.1)
    return findings


def _shown_otherwise(server: Server, books: Books) -> list[str]:
    latest = {run.id: run.state for run in books.runs}
    shown = {run["id"]: run["state"] for run in pages(server, "/runs")}
    events = [event["id"] for event in pages(server, "/events")]
    return [
        *unlike("runs shown", shown.items(), latest.items()),
        *unlike("events shown", events, [event["id"] for event in books.events]),
    ]


def pages(server: Server, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """All items of a paged answer."""
    after: str | None = ""
    while after is not None:
        answer = server.http.get(path, params={"limit": 1000, **query, **({"after": after} if after else {})})
        answer.raise_for_status()
        yield from answer.json()["items"]
        after = answer.json()["next"]


# Findings


def lacking(what: str, found: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Those that are wanted and not found."""
    there = set(found)
    return [f"{what} lack {one!r}" for one in wanted if one not in there]


def doubled(what: str, found: Iterable[str]) -> list[str]:
    """Those that are there more than once."""
    return [f"{what} {one!r} is there {times} times" for one, times in Counter(found).items() if times > 1]


def unlike(what: str, found: Iterable[Hashable], wanted: Iterable[Hashable]) -> list[str]:
    """Those that are there more often or less often than wanted."""
    there, due = Counter(found), Counter(wanted)
    return [f"{what}: {one!r} {there[one]} times, not {due[one]}" for one in there | due if there[one] != due[one]]


def unlike_numbers(found: Mapping[str, int], wanted: Mapping[str, int]) -> list[str]:
    return [f"{name} counts {found[name]}, not {wanted[name]}" for name in wanted if found[name] != wanted[name]]
