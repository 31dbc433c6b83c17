"""The stream port: its records in the order of the log, from any position or time, resumable.

Records of one partition come in order; several partitions are merged by time of commit (see `order`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import WITHHELD, Entry, Log
from hansa.outputs.order import Cursor, PortEntries, partitions
from hansa.views.condition import Condition, Fields, dig, matches, parse_condition
from hansa.views.condition_text import parse_text
from hansa.views.times import parse_time

LIMIT_MAX: Final = 10_000
SCAN_MAX: Final = 50_000
"""Entries that one call looks at, so that a filter that nothing fits does not hold a thread for long."""

_CURSOR: Final = re.compile(r"\d+:\d+(,\d+:\d+)*")
_FIELDS: Final = Fields((), root="")
_decode = msgspec.msgpack.Decoder().decode


class StreamRecord(NamedTuple):
    """One record. `value` is None where it was deleted (or its person forgotten); `run` is what published it."""

    time_us: int
    partition: int
    position: int
    key: str | None
    value: Any
    run: str | None


class Page(NamedTuple):
    """`cursor` is where to go on; `more` is True where it is known that there is more to look at."""

    records: list[StreamRecord]
    cursor: dict[int, int]
    more: bool


def cursor_text(cursor: Cursor) -> str:
    """A cursor as text: `0:17,1:4`."""
    return ",".join(f"{partition}:{position}" for partition, position in sorted(cursor.items()))


def start(log: Log, port: str, where: str) -> dict[int, int]:
    """The cursor of `earliest`, `latest`, a time (RFC 3339), the position in a sole partition, or a cursor's text.

    Raises `CallerError` (`topic.unknown`, `position.malformed`).
    """
    numbers = range(partitions(log, port))
    if where in ("earliest", "latest"):
        return {p: log.bounds(port, p)[where == "latest"] for p in numbers}
    if where.isdecimal() and len(numbers) == 1:
        return {0: int(where)}
    if _CURSOR.fullmatch(where):
        given = {int(p): int(at) for p, at in (pair.split(":") for pair in where.split(","))}
        return {p: given[p] if p in given else log.bounds(port, p)[0] for p in numbers}
    try:
        at_us = parse_time(where)
    except CallerError as failure:
        raise CallerError(
            "position.malformed",
            f"{where!r} is not a position of {port}",
            hint="It is earliest, latest, a time like 2026-03-01T09:30:00Z, or the cursor of an earlier answer.",
        ) from failure
    return {p: log.find(port, p, at_us) for p in numbers}


def record_condition(where: Any) -> Condition | None:
    """The checked condition over the fields of records: None, its plain values or its text form.

    Raises `CallerError("query.malformed")`.
    """
    if where is None:
        return None
    found = parse_text(where) if isinstance(where, str) else parse_condition(where)
    _FIELDS.check(found)
    return found


def read(log: Log, port: str, cursor: Cursor, limit: int = 100, where: Condition | None = None) -> Page:
    """At most `limit` records from `cursor` on that fit `where` (see `record_condition`), and where to go on.

    Looks at no more than `SCAN_MAX` entries. Raises `CallerError` (`topic.unknown`; `position.expired` where retention
    took what stood at the cursor; `query.malformed`).
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise CallerError("query.malformed", f"limit is {limit}", hint=f"It is between 1 and {LIMIT_MAX}.")
    entries = PortEntries(log, port, cursor)
    fits = _fitting(where)
    looked_at: list[tuple[StreamRecord, bool]] = []
    left = limit
    walk = iter(entries)
    for entry in islice(walk, SCAN_MAX):
        record = _record(entry)
        fit = WITHHELD not in entry.header and fits(record)
        looked_at.append((record, fit))
        left -= fit
        if not left:
            break
    settled_us = entries.settled_us()
    is_cut = (not left or len(looked_at) == SCAN_MAX) and next(walk, None) is not None
    return _page(looked_at, dict(cursor), settled_us, is_cut=is_cut)


def _page(looked_at: list[tuple[StreamRecord, bool]], cursor: dict[int, int], settled_us: float, is_cut: bool) -> Page:
    records: list[StreamRecord] = []
    for record, fit in looked_at:
        if record.time_us >= settled_us:
            return Page(records, cursor, more=True)
        cursor[record.partition] = record.position + 1
        if fit:
            records.append(record)
    return Page(records, cursor, more=is_cut)


def _record(entry: Entry) -> StreamRecord:
    run = entry.header.get("run")
    return StreamRecord(entry.time_us, entry.partition, entry.position, entry.key, _decode(entry.body), run)


def _fitting(where: Condition | None) -> Callable[[StreamRecord], bool]:
    if where is None:
        return lambda _: True
    _FIELDS.check(where)
    return lambda record: matches(where, lambda field: dig(record.value, field.split(".")))


async def follow(
    log: AwaitableLog, port: str, cursor: Cursor, where: Condition | None = None, *, limit: int = 500
) -> AsyncGenerator[Page, None]:
    """Pages without end, each as soon as there is anything; between them it waits for commits and uses nothing.

    A page may be empty: its cursor passes what did not fit. Close the generator to end it. Raises as `read` does.
    """
    appended = asyncio.Event()
    unwatch = log.watch(port, appended.set)
    try:
        while True:
            appended.clear()
            page = await asyncio.to_thread(read, log.log, port, cursor, limit, where)
            if page.cursor != cursor:
                cursor = page.cursor
                yield page
            elif not page.more:
                await appended.wait()
    finally:
        unwatch()
