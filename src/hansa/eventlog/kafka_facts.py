"""The facts of a log in Kafka: everything but the bodies of batches, in a compacted topic.

A **fact** is a key and a value (None where it ended). It takes effect in one way alone, in a `Copy`: when the topic is
read, and when the transaction that wrote it is given out.

    topic, name                        (configuration, name of the Kafka topic)
    batch, topic, partition, base      Row
    first, topic, partition            the first position that is kept
    position, group, topic, partition  where the group stands
    state, scope, key                  value
    claim, scope, key                  (value, until_us)
    epoch, resource                    epoch
    person, number                     (name, key); (None, None) once they are forgotten
    mark                               the number of the transaction, whose last fact it is
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from hansa.eventlog.batch import Batch
from hansa.eventlog.interface import Partition
from hansa.eventlog.plan import Plan

Key = tuple[Any, ...]
Fact = tuple[Key, Any]

MARK: Final[Key] = ("mark",)

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class Row(NamedTuple):
    """A batch without its body: `seq` numbers all batches of the log, `offset` is its place in the Kafka partition."""

    seq: int
    base: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks
    time_us: int
    checksum: int
    size: int
    offset: int

    @property
    def end(self) -> int:
        """The position behind the last entry."""
        return self.base + self.count

    def with_body(self, partition: Partition, body: bytes) -> Batch:
        """The batch that it stands for."""
        return Batch(*partition, self.base, self.count, self.time_us, self.checksum, body)


def written(fact: Fact) -> tuple[bytes, bytes | None]:
    """A fact as key and value of a Kafka record."""
    key, value = fact
    return _encode(key), None if value is None else _encode(value)


def read(key: bytes, value: bytes | None) -> Fact:
    """What `written` made."""
    return tuple(_decode(key)), None if value is None else _decode(value)


def moved(plan: Plan) -> Iterator[Fact]:
    """What a plan changes beside its batches and persons."""
    for (group, topic, partition), at in plan.positions.items():
        yield ("position", group, topic, partition), at
    for (scope, key), value in plan.puts.items():
        yield ("state", scope, key), value
    for (scope, key), claim in plan.claims.items():
        yield ("claim", scope, key), claim
