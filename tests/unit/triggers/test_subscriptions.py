"""What a subscription takes of a chunk: from a position, at most a batch, only what its filter wants."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.eventlog.interface import Chunk, split
from hansa.model.product import EventTrigger, PortTrigger
from hansa.runtime import wire
from hansa.triggers.subscriptions import filter_of, taken

ENCODE = msgspec.msgpack.encode


def chunk(*bodies: Any, base: int = 10) -> Chunk:
    entries = b"".join(ENCODE((f"k{body}", body)) for body in bodies)
    return Chunk("shop.orders/orders@1", 2, base, len(bodies), 99, {"run": "r"}, entries)


def bodies(part: wire.Records | None) -> list[Any]:
    return [] if part is None else [msgspec.msgpack.decode(body) for _, body in split(part.entries, part.count)]


def even(body: msgspec.Raw) -> bool:
    return bool(msgspec.msgpack.decode(body) % 2 == 0)


def test_a_chunk_that_fits_is_taken_as_it_stands() -> None:
    whole = Chunk("t", 0, 10, 3, 99, {"run": "r"}, b"never decoded")
    part, behind = taken(whole, 10, 3, None)
    assert part == wire.Records("t", 0, 10, 3, 99, b"never decoded", {"run": "r"})
    assert behind == 13


def test_what_was_read_before_is_skipped() -> None:
    part, behind = taken(chunk(1, 2, 3), 12, 100, None)
    assert part is not None
    assert (bodies(part), part.base, part.count, behind) == ([3], 12, 1, 13)


def test_no_more_than_there_is_room_for_is_taken_with_its_key() -> None:
    part, behind = taken(chunk(1, 2, 3), 10, 2, None)
    assert part is not None
    assert (bodies(part), part.base, behind) == ([1, 2], 10, 12)
    assert [key for key, _ in split(part.entries, part.count)] == ["k1", "k2"]
    assert (part.topic, part.partition, part.time_us, part.header) == ("shop.orders/orders@1", 2, 99, {"run": "r"})


def test_a_filter_passes_over_the_others_and_stops_behind_the_last_one_taken() -> None:
    part, behind = taken(chunk(1, 2, 3, 4, 5), 10, 1, even)
    assert (bodies(part), behind) == ([2], 12)
    part, behind = taken(chunk(1, 2, 3, 4, 5), behind, 5, even)
    assert (bodies(part), behind) == ([4], 15)


def test_where_nothing_is_wanted_the_position_still_moves_on() -> None:
    assert taken(chunk(1, 3, 5), 11, 5, even) == (None, 13)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"origin": "HAM", "gate": {"hall": 2}}, True),
        ({"origin": "HAM", "gate": {"hall": 1}}, False),
        ({"origin": "BER", "gate": {"hall": 2}}, False),
        ({"origin": "HAM", "gate": 2}, False),
        ({}, False),
        ([1], False),
    ],
)
def test_all_equalities_of_a_port_filter_count_also_within_objects(body: Any, wanted: bool) -> None:
    accepts = filter_of(PortTrigger("p", where={"origin": "HAM", "gate.hall": 2}))
    assert accepts is not None
    assert accepts(msgspec.Raw(ENCODE(body))) is wanted


def test_a_port_without_a_filter_is_not_looked_into() -> None:
    assert filter_of(PortTrigger("p")) is None


EVENT = {"name": "order.placed", "source": "web", "target": "shop", "payload": {"value": 42}}


@pytest.mark.parametrize(
    ("trigger", "wanted"),
    [
        (EventTrigger("order.placed"), True),
        (EventTrigger("order.paid"), False),
        (EventTrigger("order.placed", source="web", target="shop"), True),
        (EventTrigger("order.placed", source="app"), False),
        (EventTrigger("order.placed", target="app"), False),
        (EventTrigger("order.placed", where={"value": 42}), True),
        (EventTrigger("order.placed", where={"value": 41}), False),
        (EventTrigger("order.placed", where={"source": "web"}), False),
    ],
)
def test_events_are_wanted_by_name_ends_and_payload(trigger: EventTrigger, wanted: bool) -> None:
    accepts = filter_of(trigger)
    assert accepts is not None
    assert accepts(msgspec.Raw(ENCODE(EVENT))) is wanted


def test_an_event_without_a_payload_fits_no_equality() -> None:
    accepts = filter_of(EventTrigger("order.placed", where={"value": None}))
    assert accepts is not None
    assert not accepts(msgspec.Raw(ENCODE({**EVENT, "payload": None})))
