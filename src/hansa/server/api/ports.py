"""Output ports: what they are, their records (JSON, HTTP Feeds, server-sent events), their lookups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from hansa.access.decide import Action
from hansa.errors import CallerError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.model.ids import PortId
from hansa.model.product import FieldSpec, OutputPortSpec
from hansa.outputs import feed, stream
from hansa.runtime.context import key_text
from hansa.server.api.base import Asked, Endpoint, json_response, sse, sse_event
from hansa.server.merge import rfc3339
from hansa.views.condition import Condition
from hansa.views.lookup import LookupReader

FEED: Final = "application/cloudevents-batch+json"
SEEN_S: Final = 10.0
STILL_HERE_S: Final = 15.0


def routes(endpoint: Endpoint) -> list[Route]:
    return [
        endpoint.route("GET", "/ports", ports),
        endpoint.route("GET", "/ports/{product}/{port}", port),
        endpoint.route("GET", "/ports/{product}/{port}/records", records),
        endpoint.route("GET", "/ports/{product}/{port}/lookup", lookup),
    ]


async def ports(asked: Asked) -> Any:
    """All live output ports."""
    asked.allow(Action.CATALOGUE_READ)
    return {
        "items": [
            {"id": p.id, "kind": p.kind, "version": p.version, "product": spec.id, "description": p.description}
            for spec in asked.services.mesh.specs()
            for p in spec.outputs
        ]
    }


def _port(asked: Asked) -> OutputPortSpec:
    port_id = f"{asked.path('product')}/{asked.path('port')}"
    PortId.parse(port_id)
    asked.allow(Action.PORT_READ, asked.of(asked.path("product")))
    return asked.services.mesh.port(port_id)


async def port(asked: Asked) -> Any:
    """A port with its contract, its bounds and who follows it how far behind."""
    found = _port(asked)
    log = asked.services.log.log
    bounds = {p: log.bounds(found.id, p) for p in range(log.topics()[found.id].partitions)}
    followers = asked.services.mesh.followers(found.id)
    return {
        "id": found.id, "kind": found.kind, "version": found.version, "description": found.description,
        "contract": found.contract, "partitions": found.partitions,
        "bounds": {str(p): {"first": first, "end": end} for p, (first, end) in bounds.items()},
        "subscriptions": [
            {"process": process, "lag_records": sum(end - positions.get((found.id, p), 0) for p, (_,
            end) in bounds.items())}
            for process, positions in ((name, log.positions(group)) for name, group in followers)
        ],
    }  # fmt: skip


async def records(asked: Asked) -> Any:
    """Records from a position or time on: JSON, an HTTP Feed, or a stream of server-sent events."""
    found = _port(asked)
    accept = asked.request.headers.get("accept", "")
    where = stream.record_condition(asked.query("where"))
    log = asked.services.log
    if FEED in accept or asked.query("lastEventId") is not None:
        return await _feed(asked, found)
    begin = asked.query("position") or asked.query("time") or asked.request.headers.get("last-event-id") or "earliest"
    cursor = await asyncio.to_thread(stream.start, log.log, found.id, begin)
    if "text/event-stream" in accept:
        return sse(_followed(asked, found.id, cursor, where))
    page = await asyncio.to_thread(stream.read, log.log, found.id, cursor, asked.number("limit", 100) or 100, where)
    return {
        "items": [record_plain(record) for record in page.records],
        "next": stream.cursor_text(page.cursor),
        "more": page.more,
    }


def record_plain(record: stream.StreamRecord) -> dict[str, Any]:
    """A record as JSON shows it."""
    return {
        "position": record.position, "partition": record.partition, "time": rfc3339(record.time_us), "key": record.key,
        "run": record.run, "record": record.value,
    }  # fmt: skip


async def _feed(asked: Asked, found: OutputPortSpec) -> Response:
    port_id = PortId.parse(found.id)
    last, limit = asked.query("lastEventId"), asked.number("limit", 1000, most=stream.LIMIT_MAX) or 1000
    timeout_ms = asked.number("timeout", 0, most=60_000) or 0
    log = asked.services.log
    batch = await asyncio.to_thread(feed.feed, log.log, port_id, last, limit)
    if not batch and timeout_ms and await _committed(log, found.id, timeout_ms / 1000):
        batch = await asyncio.to_thread(feed.feed, log.log, port_id, last, limit)
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
    asked: Asked, port_id: str, cursor: dict[int, int], where: Condition | None
) -> AsyncIterator[bytes]:
    """Records without end. After each page comes its cursor as the id, so that a client that comes back misses
    nothing."""
    log = asked.services.log
    woken = asyncio.Event()
    stop = log.watch(port_id, woken.set)
    try:
        while True:
            woken.clear()
            page = await asyncio.to_thread(stream.read, log.log, port_id, cursor, 500, where)
            cursor = page.cursor
            for record in page.records:
                yield sse_event("record", record_plain(record))
            if page.records:
                yield sse_event("position", {"next": stream.cursor_text(cursor)}, stream.cursor_text(cursor))
            if page.more or page.records:
                continue
            try:
                await asyncio.wait_for(woken.wait(), STILL_HERE_S)
            except TimeoutError:
                yield b": still here\n\n"
    finally:
        stop()


async def lookup(asked: Asked) -> Any:
    """The latest record of a key. With `token` it waits until what was written with it can be seen."""
    found = _port(asked)
    contract = found.contract
    if not contract.key:
        raise CallerError("lookup.no_key", f"{found.id} has no key", hint="Its contract names no primaryKey.")
    file = asked.services.lookups(found.id)
    token = asked.query("token") or asked.services.log.log.now()
    await asked.services.followed.reach(token, SEEN_S, found.id)
    fields = {field.name: field for field in contract.fields}
    values = [_value(asked, fields[name]) for name in contract.key]
    record, position = await asyncio.to_thread(_look, file, key_text(values))
    if record is None:
        raise CallerError("record.unknown", f"{found.id} has no record with the key {key_text(values)}")
    return json_response({"record": msgspec.msgpack.decode(record), "position": position})


def _look(file: Any, key: str) -> tuple[bytes | None, int]:
    reader = LookupReader(file)
    try:
        position = reader.begin()
        return reader.get(key), position
    finally:
        reader.end()
        reader.close()


_NUMBERS: Final = {"integer": int, "number": float, "boolean": bool}


def _value(asked: Asked, field: FieldSpec) -> Any:
    """The value of a key field in the query, with the type that it has in the contract."""
    text = asked.query(field.name)
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
