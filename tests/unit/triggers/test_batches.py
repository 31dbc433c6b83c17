"""What a subscription takes of chunks: from a position, a batch at a time, only what its filter wants."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.eventlog.interface import FORGOTTEN, Chunk, split
from hansa.runtime import wire
from hansa.triggers.batches import Batch, batches, taken

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


def numbers(batch: Batch) -> list[Any]:
    return [body for part in batch.records for body in bodies(part)]


def test_chunks_are_cut_into_batches_that_join_without_a_gap() -> None:
    chunks = [chunk(1, 2, base=10), chunk(3, 4, 5, 6, 7, base=12), chunk(8, base=17)]
    found = list(batches(chunks, 11, 3, None))
    assert [numbers(batch) for batch in found] == [[2, 3, 4], [5, 6, 7], [8]]
    assert [(batch.begin, batch.behind) for batch in found] == [(11, 14), (14, 17), (17, 18)]
    assert [[(part.base, part.count) for part in batch.records] for batch in found] == [
        [(11, 1), (12, 2)],
        [(14, 3)],
        [(17, 1)],
    ]


def test_a_filter_fills_batches_over_several_chunks() -> None:
    chunks = [chunk(1, 2, 3, base=10), chunk(4, 5, 6, base=13), chunk(7, 9, base=16)]
    found = list(batches(chunks, 10, 2, even))
    assert [(numbers(batch), batch.begin, batch.behind) for batch in found] == [([2, 4], 10, 14), ([6], 14, 18)]


def test_what_no_filter_wants_is_a_batch_without_records() -> None:
    assert list(batches([chunk(1, 3, base=10)], 10, 5, even)) == [Batch([], 10, 12)]


def test_where_there_is_nothing_there_is_no_batch() -> None:
    assert list(batches([], 10, 5, None)) == []


def test_of_a_person_who_is_forgotten_there_is_nothing_to_take() -> None:
    gone = chunk(None, None)._replace(person=4)
    assert taken(gone, gone.base, 100, None) == (None, gone.end)
    assert taken(gone._replace(header={"subject": "a.b#bo"}), gone.base, 100, None)[0] is not None


def test_entries_that_were_forgotten_one_by_one_are_passed_over() -> None:
    whole = chunk(1, 2, 3, 4)
    entries = ENCODE(("k1", 1)) + FORGOTTEN + ENCODE(("k3", 3)) + FORGOTTEN
    some = whole._replace(entries=entries)
    part, behind = taken(some, 10, 10, None)
    assert (bodies(part), behind) == ([1, 3], 14)
    assert [(bodies(p), b.begin, b.behind) for b in batches([some], 10, 1, None) for p in b.records] == [
        ([1], 10, 11),
        ([3], 11, 13),
    ]
    assert taken(some, 11, 1, even) == (None, 14)
    assert taken(whole._replace(entries=FORGOTTEN * 4), 10, 10, None) == (None, 14)
