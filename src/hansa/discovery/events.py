"""The index of events: a row per event, its payload as JSON so that its fields can be searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hansa.eventlog.interface import Chunk, as_array
from hansa.model.run import EVENTS_TOPIC
from hansa.views.condition_sql import Column, SqlFields
from hansa.views.database import Connection
from hansa.views.interface import View
from hansa.views.keeping import Forget, Order, Prune
from hansa.views.table import Index, Insert, Table


class Event(msgspec.Struct, frozen=True):
    """One event, as the topic `_events` has it. `seq` is its place among the events that its logic emitted.

    `run`, `process` and `logic` are None where it came from outside.
    """

    id: str
    name: str
    source: str | None = None
    target: str | None = None
    payload: Any = None
    time_us: int = 0
    run: str | None = None
    product: str | None = None
    process: str | None = None
    logic: str | None = None
    revision: str | None = None
    principal: str | None = None
    seq: int = 0


EVENT_FIELDS: Final = SqlFields(
    {
        **{name: Column(name, "long") for name in ("name", "source", "target")},
        **{name: Column(name) for name in ("id", "run", "process", "logic", "product", "revision", "principal")},
        "time": Column("time_us", "time"),
        "seq": Column("seq", "number"),
    },
    "payload",
)
"""What can be searched, sorted and grouped by: these, and `payload.<path>`."""

EVENT_COLUMNS: Final = Event.__struct_fields__
_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode

_EVENT: Final = Table(
    "event",
    {
        "place": "number",
        "id": "long",
        "name": "long",
        "source": "long",
        "target": "long",
        "payload": "json",
        "time_us": "number",
        "run": "text",
        "product": "text",
        "process": "text",
        "logic": "text",
        "revision": "text",
        "principal": "text",
        "seq": "number",
    },
    key=("place",),
    indexes=(
        Index("event_time", ("time_us",)),
        Index("event_name", ("name", "time_us")),
        Index("event_source", ("source", "time_us"), "source IS NOT NULL"),
        Index("event_target", ("target", "time_us"), "target IS NOT NULL"),
        Index("event_run", ("run",), "run IS NOT NULL"),
        Index("event_id", ("id",), exact=True),
    ),
)
_ROWS: Final = Insert(_EVENT)


class EventsView(View):
    """A row per event, in the order of the log: `place` is its position there."""

    name = "events"
    version = 2
    prunes = True
    tables = (_EVENT,)

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(list[tuple[str | None, Event | None]]).decode

    def follows(self, topic: str) -> bool:
        return topic == EVENTS_TOPIC

    def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        entries = self._decode(as_array(b"".join([c.entries for c in chunks]), sum([c.count for c in chunks])))
        places = (position for chunk in chunks for position in range(chunk.base, chunk.end))
        placed = zip(places, entries, strict=True)
        db.write(_ROWS, [_row(place, event) for place, (_, event) in placed if event is not None])

    def keep(self, db: Connection, order: Order) -> None:
        if isinstance(order, Forget):
            db.execute(f"UPDATE event SET payload = NULL WHERE {db.dialect.among('id')}", (order.events,))
        elif isinstance(order, Prune) and order.topic == EVENTS_TOPIC:
            db.execute("DELETE FROM event WHERE place < ?", (order.first,))


def _row(place: int, event: Event) -> tuple[Any, ...]:
    payload = None if event.payload is None else _to_json(event.payload).decode()
    return (
        *(place, event.id, event.name, event.source, event.target, payload, event.time_us, event.run, event.product),
        *(event.process, event.logic, event.revision, event.principal, event.seq),
    )


def event_of(row: Sequence[Any]) -> Event:
    """The event of a row of `EVENT_COLUMNS`."""
    values = dict(zip(EVENT_COLUMNS, row, strict=True))
    if values["payload"] is not None:
        values["payload"] = _from_json(values["payload"])
    return Event(**values)
