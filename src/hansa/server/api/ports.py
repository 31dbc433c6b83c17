"""Output ports: what they are, their records (JSON, HTTP Feeds, server-sent events), their lookups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final

import msgspec
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.discovery.readers import Reader
from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.model.ids import PortId, did_you_mean
from hansa.model.product import FieldSpec, OutputPortSpec
from hansa.outputs import feed, stream
from hansa.sdk.encode import key_text
from hansa.server.api.base import ApiRoute, Asked, Endpoint, base_url
from hansa.server.api.streaming import sse, sse_event
from hansa.server.api.windows import tell
from hansa.server.forms import ServerSentEvent
from hansa.server.merge import rfc3339
from hansa.server.operation import EVENT_STREAM, JSON
from hansa.server.port_forms import (
    FEED,
    Bounds,
    LookedUp,
    PortDetail,
    PortReader,
    PortSummary,
    ReaderItem,
    RecordEvent,
    RecordItem,
    RecordPage,
    RecordsQuery,
)
from hansa.views.condition import Condition, fields_of
from hansa.views.lookup import LookupReader

SEEN_S: Final = 10.0


RECORDS: Final = {JSON: RecordPage, FEED: list[RecordEvent], EVENT_STREAM: ServerSentEvent}


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/ports", ports, Action.CATALOGUE_READ),
        endpoint.route("GET", "/ports/{product}/{port}", port, Action.PORT_READ),
        endpoint.route("GET", "/ports/{product}/{port}/records", records, Action.PORT_READ, answers=RECORDS),
        endpoint.route("GET", "/ports/{product}/{port}/lookup", lookup, Action.PORT_READ),
        endpoint.route("GET", "/ports/{product}/{port}/readers", readers, Action.PORT_READERS),
    ]


async def ports(asked: Asked) -> list[PortSummary]:
    """All live output ports."""
    asked.allow()
    return [
        PortSummary(p.id, p.kind, p.version, spec.id, p.description)
        for spec in asked.services.mesh.specs()
        if asked.sees(spec.id)
        for p in spec.outputs
    ]


def _port(asked: Asked) -> OutputPortSpec:
    PortId.parse(f"{asked.path('product')}/{asked.path('port')}")
    asked.allow(asked.of(asked.path("product")))
    return _port_named(asked)


def _port_named(asked: Asked) -> OutputPortSpec:
    return asked.services.mesh.port(f"{asked.path('product')}/{asked.path('port')}")


async def port(asked: Asked) -> PortDetail:
    """A port with its contract, its bounds and who follows it how far behind."""
    found = _port(asked)
    log = asked.services.log.log
    bounds = {p: log.bounds(found.id, p) for p in range(log.topics()[found.id].partitions)}
    followers = [(name, log.positions(group)) for name, group in asked.services.mesh.followers(found.id)]
    return PortDetail(
        found.id, found.kind, found.version, found.description, found.contract, found.partitions,
        {str(p): Bounds(first, end) for p, (first, end) in bounds.items()},
        [
            PortReader(process, sum(end - at.get((found.id, p), 0) for p, (_, end) in bounds.items()))
            for process, at in followers
        ],
    )  # fmt: skip


async def records(asked: Asked, query: RecordsQuery) -> RecordPage | Response:
    """Records from a position or time on: JSON, an HTTP Feed, or a stream of server-sent events."""
    found = _port(asked)
    await tell(asked, found.id)
    accept = asked.request.headers.get("accept", "")
    where = stream.record_condition(query.where)
    wanted = _wanted(found, query.select)
    _check_fields(found, sorted(_top_fields(where)))
    used = None if wanted is None else {*wanted, *_top_fields(where)}
    log = asked.services.log
    await asked.token(query.token)  # what is known here can be read: there is no view to wait for
    if FEED in accept or query.lastEventId is not None:
        note_read(asked, found.id, None)
        return await _feed(asked, found, query)
    begin = query.position or query.time or asked.request.headers.get("last-event-id") or "earliest"
    cursor = await asyncio.to_thread(stream.start, log.log, found.id, begin)
    if "text/event-stream" in accept:
        return sse(asked, _followed(asked, found.id, cursor, where, wanted))
    page = await asyncio.to_thread(stream.read, log.log, found.id, cursor, query.limit or 100, where)
    note_read(asked, found.id, used)
    items = [record_item(record, wanted) for record in page.records]
    return RecordPage(items, stream.cursor_text(page.cursor), page.more)


def _wanted(port: OutputPortSpec, select: str | None) -> tuple[str, ...] | None:
    """The fields that are asked for, None for all. Raises `CallerError("field.unknown")`."""
    if not select:
        return None
    wanted = tuple(name.strip() for name in select.split(","))
    _check_fields(port, wanted)
    return wanted


def _check_fields(port: OutputPortSpec, names: Iterable[str]) -> None:
    """Raises `CallerError("field.unknown")` where the port's records have no such field."""
    known = [field.name for field in port.contract.fields]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"It has {', '.join(known)}."
            raise CallerError("field.unknown", f"{port.id} has no field {name!r}", hint=hint, details={"status": 422})


def _top_fields(where: Condition | None) -> set[str]:
    """The fields that a condition looks at."""
    return set() if where is None else {name.partition(".")[0] for name in fields_of(where)}


def note_read(asked: Asked, port: str, fields: Iterable[str] | None) -> None:
    """Counts a read for who asks; None are all fields."""
    asked.services.meter.note(port, asked.principal.id, asked.principal.token, fields)


async def readers(asked: Asked) -> list[ReaderItem]:
    """Who reads the port: processes as their runs tell, accounts as they read over the API; when last, how often, and
    of accounts the fields they asked for (`*` is all of them)."""
    asked.allow(asked.of(asked.path("product")))
    found = _port_named(asked)
    return [_reader(r) for r in await asyncio.to_thread(asked.services.readers.readers, found.id)]


def _reader(reader: Reader) -> ReaderItem:
    last = rfc3339(reader.last_us)
    return ReaderItem(reader.who, reader.kind, reader.token, last, reader.count, sorted(reader.fields))


def record_item(record: stream.StreamRecord, wanted: tuple[str, ...] | None = None) -> RecordItem:
    """A record as JSON shows it, with the fields that are wanted."""
    value = record.value
    if wanted is not None and isinstance(value, dict):
        value = {name: value[name] for name in wanted if name in value}
    time = rfc3339(record.time_us)
    return RecordItem(record.position, record.partition, time, record.key, record.run, value)


async def _feed(asked: Asked, found: OutputPortSpec, query: RecordsQuery) -> Response:
    port_id = PortId.parse(found.id)
    url, last, limit = base_url(asked.request), query.lastEventId, query.limit or 1000
    log = asked.services.log
    batch = await asyncio.to_thread(feed.feed, log.log, port_id, url, last, limit)
    if not batch and query.timeout and await _committed(log, found.id, query.timeout / 1000):
        asked.again()
        batch = await asyncio.to_thread(feed.feed, log.log, port_id, url, last, limit)
    return Response(msgspec.json.encode(batch), media_type=FEED)


async def _committed(log: AwaitableLog, topic: str, timeout_s: float) -> bool:
    """Waits for something to be committed to a topic; False where nothing was."""
    woken = asyncio.Event()
    stop = log.watch(topic, woken.set)
    try:
        await asyncio.wait_for(woken.wait(), timeout_s)
    except TimeoutError:
        return False
    finally:
        stop()
    return True


async def _followed(
    asked: Asked,
    port_id: str,
    cursor: dict[int, int],
    where: Condition | None,
    wanted: tuple[str, ...] | None,
) -> AsyncGenerator[bytes, None]:
    """Records without end. After each page comes its cursor as the id, so that a client that comes back misses
    nothing."""
    log = asked.services.log
    woken = asyncio.Event()
    stop = log.watch(port_id, woken.set)
    used = None if wanted is None else {*wanted, *_top_fields(where)}
    note_read(asked, port_id, used)
    try:
        while True:
            woken.clear()
            page = await asyncio.to_thread(stream.read, log.log, port_id, cursor, 500, where)
            cursor = page.cursor
            if page.records:
                note_read(asked, port_id, used)
                told = [sse_event("record", record_item(record, wanted)) for record in page.records]
                at = stream.cursor_text(cursor)
                yield b"".join([*told, sse_event("position", {"next": at}, at)])
            elif not page.more:
                await woken.wait()
    finally:
        stop()


async def lookup(asked: Asked, query: dict[str, str]) -> LookedUp:
    """The latest record of a key, whose fields are the query. With `token` (or the header `Hansa-Token`) it waits until
    what was written with it can be seen; without, until all that is committed can."""
    found = _port(asked)
    await tell(asked, found.id)
    contract = found.contract
    if not contract.key:
        raise CallerError("lookup.no_key", f"{found.id} has no key", hint="Its contract names no primaryKey.")
    file = asked.services.lookups(found.id)
    await asked.services.followed.reach(await asked.token(query.get("token")), SEEN_S, found.id)
    fields = {field.name: field for field in contract.fields}
    values = [_value(query, fields[name]) for name in contract.key]
    record, position = await asyncio.to_thread(_look, file, key_text(values))
    note_read(asked, found.id, None)
    if record is None:
        raise CallerError(
            "record.unknown",
            f"{found.id} has no record with the key {key_text(values)}",
            hint="It was never published, or was deleted.",
        )
    return LookedUp(msgspec.msgpack.decode(record), position)


def _look(file: Any, key: str) -> tuple[bytes | None, int]:
    reader = LookupReader(file)
    try:
        position = reader.begin()
        return reader.get(key), position
    finally:
        reader.end()
        reader.close()


_NUMBERS: Final = {"integer": int, "number": float, "boolean": bool}


def _value(query: dict[str, str], field: FieldSpec) -> Any:
    """The value of a key field in the query, with the type that it has in the contract."""
    text = query.get(field.name)
    if text is None:
        raise CallerError("lookup.key", f"The key field {field.name!r} is missing", hint=f"Add ?{field.name}=…")
    kind = _NUMBERS.get(field.type)
    try:
        return text if kind is None else msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        hint = f"It is a {field.type}."
        raise CallerError(
            "lookup.key", f"{field.name}={text!r} does not fit", hint=hint, details={"status": 422}
        ) from None
