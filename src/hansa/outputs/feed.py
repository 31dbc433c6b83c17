"""A stream port as HTTP Feeds (http-feeds.org): batches of CloudEvents 1.0, polled by the id of the last one seen.

Pure but for the reading: `hansa.server` adds the route and the media type `application/cloudevents-batch+json`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hansa.errors import CallerError
from hansa.eventlog.interface import Log
from hansa.model.ids import PortId
from hansa.outputs.stream import StreamRecord, read, start
from hansa.views.condition import Condition
from hansa.views.times import time_text

_ID: Final = re.compile(r"(\d{1,6})-(\d{20})")


def event_id(record: StreamRecord) -> str:
    """`{partition}-{position}`, the position with 20 digits: unique and stable within the port."""
    return f"{record.partition}-{record.position:020d}"


def port_urn(port: PortId) -> str:
    """The CloudEvents `source` of a port's records."""
    return f"urn:hansa:{port}"


def event_type(port: PortId) -> str:
    """The CloudEvents `type` of a port's records: `{domain}.{product}.{port}.v{major}`."""
    return f"{port.product}.{port.name}.v{port.major}"


def as_cloudevent(record: StreamRecord, port: PortId, url: str) -> dict[str, Any]:
    """A record as a CloudEvents 1.0 envelope in plain values, its `dataschema` the contract in the Hansa at `url`. A
    deletion has `method: DELETE` and no data."""
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(record),
        "source": port_urn(port),
        "type": event_type(port),
        "time": time_text(record.time_us),
    }
    if record.key is not None:
        found["subject"] = record.key
    if record.run is not None:
        found["run"] = record.run
    if record.value is None:
        return found | {"method": "DELETE"}
    schema = f"{url}/ports/{port}/contract"
    return found | {"datacontenttype": "application/json", "dataschema": schema, "data": record.value}


def after_event(log: Log, port: str, last_event_id: str | None) -> dict[int, int]:
    """The cursor behind an event; that of the beginning for None. The event itself may be gone by retention.

    Other partitions go on behind its time of commit: before it stood those of lower number, behind it the others.
    Raises `CallerError` (`feed.malformed_id`, `topic.unknown`, `position.expired`).
    """
    cursor = start(log, port, "earliest")
    if last_event_id is None:
        return cursor
    match = _ID.fullmatch(last_event_id)
    if match is None or int(match[1]) not in cursor or int(match[2]) >= log.bounds(port, int(match[1]))[1]:
        raise CallerError(
            "feed.malformed_id",
            f"{last_event_id!r} is not the id of an event of {port}",
            hint="lastEventId is the `id` of the last event that you have handled; leave it out to begin.",
        )
    partition, position = int(match[1]), int(match[2])
    if len(cursor) > 1:
        at_us = log.read(port, partition, position, max_bytes=1)[0].time_us
        cursor = {p: log.find(port, p, at_us + (p < partition)) for p in cursor}
    return cursor | {partition: position + 1}


def feed(
    log: Log, port: PortId, url: str, last_event_id: str | None = None, limit: int = 1000,
    where: Condition | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The next batch of the Hansa at `url`; an empty one means that there is nothing more now. Raises as `after_event`
    and `read` do."""
    page = read(log, str(port), after_event(log, str(port), last_event_id), limit, where)
    while page.more and not page.records:
        page = read(log, str(port), page.cursor, limit, where)
    return [as_cloudevent(record, port, url) for record in page.records]
