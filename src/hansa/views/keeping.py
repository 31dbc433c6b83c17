"""What a Hansa asks of everything that follows its log: orders, as entries of the topic `_keeping`.

A view obeys them where they stand among all other entries, in the transaction that moves its cursor. So a view that is
built anew from the log comes to the same rows as one that was there all along, whoever writes its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hansa.eventlog.interface import Append, Chunk, encode_entry, split
from hansa.model.run import KEEPING_TOPIC


class Prune(msgspec.Struct, tag="prune", frozen=True):
    """Retention took what stands before position `first` of a partition: a view drops its rows of it."""

    topic: str
    partition: int
    first: int


class Forget(msgspec.Struct, tag="forget", frozen=True):
    """A person is forgotten, known by the number that the log gave them. `runs` and `events` are ids of those that
    speak of them: what stands of their content goes, what says that they were stays. `rows` are (position, time in µs)
    of versions in the lookup of `port` that were written before its contract named a subject."""

    person: int | None = None
    runs: list[str] = []
    events: list[str] = []
    port: str = ""
    rows: list[tuple[int, int]] = []


class Rebuild(msgspec.Struct, tag="rebuild", frozen=True):
    """A view begins again at the log's start; a lookup is called by its port."""

    view: str


Order = Prune | Forget | Rebuild
_decode: Final = msgspec.msgpack.Decoder(Order).decode


def order_append(*orders: Order) -> Append:
    """Orders as one append of a commit set."""
    return Append(KEEPING_TOPIC, 0, len(orders), b"".join([encode_entry(None, order) for order in orders]), {})


def orders_of(chunks: Iterable[Chunk]) -> Iterator[Order]:
    """The orders in chunks of `_keeping`."""
    for chunk in chunks:
        for _, body in split(chunk.entries, chunk.count):
            yield _decode(body)
