"""Events from outside and to outside, lineage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.discovery.event_pattern import PatternQuery, Sequences
from hansa.discovery.event_search import Bucket, CountQuery, EventPage, EventQuery, condition_of
from hansa.discovery.events import Event
from hansa.discovery.lineage_graph import Graph, without
from hansa.errors import CallerError
from hansa.eventlog.interface import Append, Claim, CommitSet, as_array, encode_entry
from hansa.model.run import EVENTS_TOPIC
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.api.streaming import sse, sse_event
from hansa.server.forms import Limit, ServerSentEvent, Time
from hansa.server.merge import rfc3339
from hansa.server.operation import EVENT_STREAM, Told
from hansa.views.condition import And, Compare, Condition, Not, Or, dig, matches
from hansa.views.times import parse_time

SEEN_S: Final = 10.0
KNOWN_S: Final = 7 * 24 * 3600
"""How long the id of an event from outside is known."""


EVENT: Final = "application/cloudevents+json"
EVENT_BATCH: Final = "application/cloudevents-batch+json"


class TokenQuery(msgspec.Struct):
    """`token` waits until what was written with it can be seen."""

    token: str | None = None


class EventsQuery(TokenQuery):
    q: str | None = None
    limit: Limit = 50
    after: str | None = None


class FollowQuery(msgspec.Struct):
    q: str | None = None


class LineageQuery(msgspec.Struct):
    """`at` is a time: the lineage as it was known then."""

    node: str
    direction: Literal["up", "down", "both"] = "both"
    depth: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    at: Time | None = None
    event: str | None = None


class CloudEvent(msgspec.Struct):
    """CloudEvents 1.0.2, structured mode. Extensions are taken and kept in the payload's place only where named
    here."""

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    data: Any = None
    partitionkey: str | None = None


class EventsTaken(msgspec.Struct, frozen=True):
    """The ids that were taken, those among them that were known already, and the token to read them with."""

    ids: list[str]
    duplicates: list[str]
    token: str


class EventsFound(msgspec.Struct, frozen=True):
    """A page of events; `next` is what `after` takes for the page behind, `total` counts all that fit. `behind` says
    why the newest may be missing."""

    items: list[Event]
    next: str | None
    total: int | None
    behind: str | None

    @staticmethod
    def of(page: EventPage, behind: str | None = None) -> EventsFound:
        return EventsFound(page.events, page.next, page.total, behind)


class EventCounts(msgspec.Struct, frozen=True):
    """How many events each group has."""

    buckets: list[Bucket]


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("POST", "/events", emit, Action.EVENT_EMIT, content=EVENT, status=202),
        endpoint.route("GET", "/events", find, Action.EVENT_READ),
        endpoint.route("POST", "/events/search", search, Action.EVENT_READ),
        endpoint.route("POST", "/events/count", count, Action.EVENT_READ),
        endpoint.route("POST", "/events/patterns", patterns, Action.EVENT_READ),
        endpoint.route("GET", "/events/follow", follow, Action.EVENT_READ, answers={EVENT_STREAM: ServerSentEvent}),
        endpoint.route("GET", "/lineage", lineage, Action.CATALOGUE_READ),
    ]


async def emit(asked: Asked) -> Told[EventsTaken]:
    """Takes CloudEvents, one (structured or binary) or a batch; durable before the answer. The same id from the same
    source is taken once within a week."""
    asked.within()
    events = _cloud_events(asked, await asked.body())
    now_us = time.time_ns() // 1000
    sets = [_taken_once(event, asked.principal.id, now_us, at) for at, event in enumerate(events)]
    told = await asyncio.gather(*[_commit(asked, commit) for commit in sets])
    token = asked.services.log.log.now()
    duplicates = [e.id for e, new in zip(events, told, strict=True) if not new]
    return Told(EventsTaken([e.id for e in events], duplicates, token), 202, {"hansa-token": token})


def _taken_once(event: CloudEvent, principal: str, now_us: int, at: int) -> CommitSet:
    """The event and the claim of its id, which its source may use once within `KNOWN_S` (CloudEvents 1.0.2, `id`)."""
    entry = encode_entry(event.partitionkey or event.source, _body(event, principal, now_us, at))
    claim = Claim("events", f"{event.source}\n{event.id}", b"", now_us + KNOWN_S * 1_000_000)
    return CommitSet(appends=(Append(EVENTS_TOPIC, 0, 1, entry, {"from": principal}),), claims=(claim,))


async def _commit(asked: Asked, commit: CommitSet) -> bool:
    """False where the event was taken before."""
    try:
        await asked.services.log.commit(commit)
    except CallerError as refusal:
        if refusal.code != "claim.taken":
            raise
        return False
    return True


def _cloud_events(asked: Asked, body: bytes) -> list[CloudEvent]:
    kind = asked.request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        if kind == EVENT_BATCH:
            found = msgspec.json.decode(body, type=list[CloudEvent])
        elif "ce-id" in asked.request.headers:
            found = [_binary(asked, kind, body)]
        else:
            found = [msgspec.json.decode(body, type=CloudEvent)]
    except msgspec.ValidationError as failure:
        hint = "CloudEvents 1.0 need id, source and type."
        raise CallerError("event.malformed", str(failure), hint=hint, details={"status": 422}) from None
    except msgspec.DecodeError as failure:
        raise CallerError("body.not_json", f"The body is not JSON: {failure}", hint="Send a CloudEvent.") from None
    for event in found:
        if event.specversion != "1.0" or not event.id or not event.source or not event.type:
            raise CallerError(
                "event.malformed",
                f"specversion {event.specversion!r}, id {event.id!r}, source {event.source!r}, type {event.type!r}",
                hint="CloudEvents 1.0 need specversion 1.0 and an id, a source and a type that are not empty.",
                details={"status": 422},
            )
    return found


def _binary(asked: Asked, kind: str, body: bytes) -> CloudEvent:
    headers = {n[3:]: v for n, v in asked.request.headers.items() if n.startswith("ce-")}
    data: Any = body.decode("utf-8", "replace") if body else None
    if body and "json" in kind:
        data = msgspec.json.decode(body)
    return msgspec.convert({**headers, "data": data, "datacontenttype": kind or None}, CloudEvent)


def _body(event: CloudEvent, principal: str, now_us: int, at: int) -> dict[str, Any]:
    return {
        "id": event.id, "name": event.type, "source": event.source, "target": event.subject, "payload": event.data,
        "time_us": parse_time(event.time) if event.time else now_us, "run": None, "product": None, "process": None,
        "logic": None, "revision": None, "principal": principal, "seq": at,
    }  # fmt: skip


def _visible(asked: Asked, where: Any) -> Condition:
    """The condition `where`, narrowed to what the caller may see: events of the domains in which it may read them, and
    those from outside, which belong to none."""
    domains, condition = asked.within(), condition_of(where)
    if domains is None:
        return condition
    own = [Compare("product", "like", f"{domain}.*") for domain in sorted(domains)]
    return And([condition, Or([*own, Not(Compare("product", "exists", True))])])


async def _seen(asked: Asked, token: str | None) -> str | None:
    """Waits until what the caller wrote can be seen; without a token, everything that is committed now, or why not."""
    return await asked.behind(asked.services.views, token, "events", SEEN_S)


async def find(asked: Asked, query: EventsQuery) -> EventsFound:
    """Events by a query in text: `name=OrderPlaced and payload.amount>100`. `behind` says why the newest may be
    missing, where the view could not follow the log."""
    wanted = EventQuery(_visible(asked, query.q), size=query.limit, after=query.after, total=True)
    behind = await _seen(asked, query.token)
    return EventsFound.of(await asyncio.to_thread(asked.services.events.find, wanted), behind)


async def search(asked: Asked, query: TokenQuery, body: EventQuery) -> EventsFound:
    """Events by a query in JSON, with sorting and paging."""
    wanted = msgspec.structs.replace(body, where=_visible(asked, body.where))
    await _seen(asked, query.token)
    return EventsFound.of(await asyncio.to_thread(asked.services.events.find, wanted))


async def count(asked: Asked, query: TokenQuery, body: CountQuery) -> EventCounts:
    """How many events there are in each group."""
    wanted = msgspec.structs.replace(body, where=_visible(asked, body.where))
    await _seen(asked, query.token)
    return EventCounts(await asyncio.to_thread(asked.services.events.count, wanted))


async def patterns(asked: Asked, query: TokenQuery, body: PatternQuery) -> Sequences:
    """Sequences of events: A, then B within a time, sharing a key."""
    wanted = msgspec.structs.replace(body, where=_visible(asked, body.where))
    await _seen(asked, query.token)
    return await asyncio.to_thread(asked.services.events.sequences, wanted)


async def follow(asked: Asked, query: FollowQuery) -> Response:
    """Events as they are committed: server-sent events, resumable by `Last-Event-ID`."""
    condition = _visible(asked, query.q)
    last = asked.request.headers.get("last-event-id")
    end = asked.services.log.log.bounds(EVENTS_TOPIC, 0)[1]
    position = int(last) + 1 if last and last.isdecimal() else end
    return sse(asked, _events(asked, condition, position))


async def _events(asked: Asked, condition: Condition, position: int) -> AsyncGenerator[bytes, None]:
    log = asked.services.log
    decode = msgspec.msgpack.Decoder(list[tuple[str | None, dict[str, Any] | None]]).decode
    woken = asyncio.Event()
    stop = log.watch(EVENTS_TOPIC, woken.set)
    try:
        while True:
            woken.clear()
            for chunk in await asyncio.to_thread(log.log.read, EVENTS_TOPIC, 0, position):
                for at, (_, body) in enumerate(decode(as_array(chunk.entries, chunk.count)), chunk.base):
                    if at >= position and body is not None and matches(condition, _getter(body)):
                        yield sse_event("event", {**body, "time": rfc3339(body["time_us"])}, str(at))
                position = chunk.end
            await woken.wait()
    finally:
        stop()


def _getter(body: dict[str, Any]) -> Any:
    return lambda field: body.get("time_us") if field == "time" else dig(body, field.split("."))


async def lineage(asked: Asked, query: LineageQuery) -> Graph:
    """What a node comes from and leads to. `behind` says why the newest may be missing, where the view could not follow
    the log."""
    asked.allow()
    at_us = parse_time(query.at) if query.at else None
    behind = await asked.behind(asked.services.views, None, "lineage", SEEN_S)
    specs = [] if query.at else asked.services.mesh.specs()
    graph = await asyncio.to_thread(
        lambda: asked.services.lineage.graph(
            query.node, query.direction, query.depth, at_us=at_us, event=query.event, declared=specs
        )
    )
    hidden = frozenset(product for product in asked.services.mesh.products if not asked.sees(product))
    told = without(graph, query.node, hidden) if hidden else graph
    return msgspec.structs.replace(told, behind=behind)
