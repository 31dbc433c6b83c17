"""What can be read: the records of ports, events, lineage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from hansa.client.transport import Transport

_STRUCTURED: Final = {"content-type": "application/cloudevents+json"}
PAGE_RECORDS: Final = 500


class Ports:
    """`/ports`: output ports and their records. Ids are `domain.product/port@major`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[dict[str, Any]]:
        """Every output port."""
        return self._transport.items("/ports")

    def get(self, port: str) -> dict[str, Any]:
        """The port's contract, the bounds of its positions and its subscriptions."""
        return self._transport.get(f"/ports/{port}")

    def contract(self, port: str, form: str = "yaml", *, version: str | None = None) -> str:
        """The port's contract: `form` is yaml or json for the ODCS document, html or markdown for the page. `version`
        is an earlier one; it has no page."""
        query = {"format": form, "version": version}
        return self._transport.send("GET", f"/ports/{port}/contract", query).body.decode()

    def changes(self, port: str, older: str | None = None, newer: str | None = None) -> dict[str, Any]:
        """`{older, newer, mode, rules, entries}`: what changed between two versions of the contract; the last two
        unless named. Raises `CallerError("contract.unknown")`."""
        return self._transport.get(f"/ports/{port}/changes", {"older": older, "newer": newer})

    def page(self, port: str, **query: Any) -> dict[str, Any]:
        """`{items: [{position, partition, time, key, run, record}], next, more}`. `query`: position, time, limit,
        where, select (the fields wanted, comma between them)."""
        return self._transport.get(f"/ports/{port}/records", query)

    def read(self, port: str, *, limit: int | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """Records page by page, at most `limit`; `query` as for `page`."""
        left = limit
        while left is None or left > 0:
            page = self.page(port, **{**query, "limit": min(PAGE_RECORDS, left or PAGE_RECORDS)})
            yield from page["items"]
            left = left - len(page["items"]) if left is not None else None
            if not page.get("more"):
                return
            query = {**query, "position": page["next"], "time": None}

    def follow(self, port: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Records as they come, without end; `query` as for `page`."""
        for event in self._transport.events(f"/ports/{port}/records", query):
            if event.event == "record":
                yield msgspec.json.decode(event.data)

    def readers(self, port: str) -> list[dict[str, Any]]:
        """`{who, kind, token, last, count, fields}` of every reader of the port, the latest first; `fields` of an
        account are those it asked for, `*` being all."""
        return self._transport.items(f"/ports/{port}/readers")

    def window(self, port: str, *, position: str | None = None, last_event_id: str | None = None) -> dict[str, Any]:
        """How the window stands in which the port is the older version: `{older, newer, phase, …, readers}`. With the
        position or the event that was read last there, where to go on in the newer one. Raises `CallerError` where it
        is in none."""
        return self._transport.get(f"/ports/{port}/window", {"position": position, "lastEventId": last_event_id})

    def retire(self, port: str, approval: str = "") -> dict[str, Any]:
        """Ends the older version of a port. Refused while someone reads it, unless `approval` says who agreed."""
        return self._transport.post(f"/ports/{port}/retire", {"approval": approval})

    def lookup(self, port: str, key: Mapping[str, Any], *, token: str | None = None) -> dict[str, Any]:
        """`{record, position}` of a key, all fields of it given; `token` waits for a write of one's own. Raises
        `CallerError` where there is none."""
        return self._transport.get(f"/ports/{port}/lookup", {**key, "token": token})


class Events:
    """`/events`: facts that code emits, found again by what they say."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def emit(
        self,
        name: str,
        *,
        source: str,
        target: str | None = None,
        payload: Any = None,
        key: str | None = None,
        event_id: str,
    ) -> dict[str, Any]:
        """`{ids, token}`. Sent as a CloudEvent (1.0, structured): `type` is the name, `subject` the target,
        `partitionkey` the key. Two events of one source and `event_id` are one."""
        event = {"specversion": "1.0", "id": event_id, "source": source, "type": name}
        event |= {"datacontenttype": "application/json", "data": payload} if payload is not None else {}
        event |= {"subject": target} if target is not None else {}
        event |= {"partitionkey": key} if key is not None else {}
        return self._transport.post("/events", event, headers=_STRUCTURED)

    def find(self, query: str = "", **options: Any) -> dict[str, Any]:
        """`{items, next, total}` by a query such as `name=OrderPlaced and payload.amount>100`; `options`: limit, after,
        token."""
        return self._transport.get("/events", {"q": query or None, **options})

    def search(self, **search: Any) -> dict[str, Any]:
        """`{items, next, total}` by fields: where, sorts, size, after."""
        return self._transport.post("/events/search", search)

    def patterns(self, **pattern: Any) -> dict[str, Any]:
        """Sequences of events, as the API's pattern query says them: steps, within_s, sharing."""
        return self._transport.post("/events/patterns", pattern)

    def follow(self, query: str = "") -> Iterator[dict[str, Any]]:
        """Events as they come, without end."""
        for event in self._transport.events("/events/follow", {"q": query or None}):
            yield msgspec.json.decode(event.data)
