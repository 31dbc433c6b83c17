"""What the owner of a log in Kafka keeps in memory: everything but the bodies of batches.

Kafka cannot be read or asked inside a transaction, so the owner decides from this copy. It is made of **facts**, each a
key and a value (None where it ended), which stand in a compacted topic. A fact takes effect here in one way alone,
`State.set`: when the topic is read at the start, and when the transaction that wrote it is committed.

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

import bisect
import heapq
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from hansa.eventlog.batch import Batch
from hansa.eventlog.interface import Partition, TopicConfig
from hansa.eventlog.plan import Plan, Stored
from hansa.eventlog.reading import unknown_topic

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


class State(Stored):
    """The facts as they stand now, in the form that decisions and readers need."""

    def __init__(self) -> None:
        self.configs: dict[str, TopicConfig] = {}
        self.kafka_topics: dict[str, str] = {}
        self.seqs: list[int] = []
        """Of all batches that are kept, in order."""
        self.rows: dict[int, tuple[Partition, Row]] = {}
        self.positions: dict[tuple[str, str, int], int] = {}
        self.scopes: dict[str, dict[str, bytes]] = {}
        self.persons: dict[int, tuple[str | None, bytes | None]] = {}
        self._numbers: dict[str, int] = {}
        self._batches: dict[Partition, list[Row]] = {}
        self._firsts: dict[Partition, int] = {}
        self._claims: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._ending: list[tuple[int, str, str]] = []
        self._epochs: dict[str, int] = {}
        self.mark = 0
        """The number of the last transaction."""

    def set(self, fact: Fact) -> None:
        """Takes a fact in the place of the one before it with the same key."""
        (kind, *name), value = fact
        getattr(self, f"_set_{kind}")(*name, value)

    def _set_topic(self, name: str, value: Any) -> None:
        config, self.kafka_topics[name] = value
        self.configs[name] = msgspec.convert(config, TopicConfig)

    def _set_batch(self, topic: str, partition: int, base: int, value: Any) -> None:
        rows = self._batches.setdefault((topic, partition), [])
        at = bisect.bisect_left(rows, base, key=lambda row: row.base)
        if at < len(rows) and rows[at].base == base:
            gone = rows.pop(at)
            del self.rows[gone.seq]
            if value is None or value[0] != gone.seq:
                del self.seqs[bisect.bisect_left(self.seqs, gone.seq)]
        if value is None:
            return
        row = Row(*value)
        rows.insert(at, row)
        self.rows[row.seq] = ((topic, partition), row)
        if not self.seqs or self.seqs[-1] < row.seq:
            self.seqs.append(row.seq)
        elif self.seqs[found := bisect.bisect_left(self.seqs, row.seq)] != row.seq:
            self.seqs.insert(found, row.seq)

    def _set_first(self, topic: str, partition: int, value: int) -> None:
        self._firsts[topic, partition] = value

    def _set_position(self, group: str, topic: str, partition: int, value: int) -> None:
        self.positions[group, topic, partition] = value

    def _set_state(self, scope: str, key: str, value: bytes | None) -> None:
        keys = self.scopes.setdefault(scope, {})
        if value is None:
            keys.pop(key, None)
        else:
            keys[key] = value

    def _set_claim(self, scope: str, key: str, value: Any) -> None:
        if value is None:
            self._claims.pop((scope, key), None)
        else:
            self._claims[scope, key] = value
            heapq.heappush(self._ending, (value[1], scope, key))

    def _set_epoch(self, resource: str, value: int) -> None:
        self._epochs[resource] = value

    def _set_mark(self, value: int) -> None:
        self.mark = value

    def _set_person(self, number: int, value: Any) -> None:
        before = self.persons.get(number, (None, None))[0]
        name, key = value
        self.persons[number] = name, key
        if name is not None:
            self._numbers[name] = number
        elif before is not None:
            del self._numbers[before]

    def facts(self, kind: str) -> Iterator[Fact]:
        """The facts of a kind beside batches, in no order, with what they are elsewhere: no names of Kafka."""
        held: dict[str, Mapping[Any, Any]] = {
            "topic": self.configs,
            "person": self.persons,
            "first": self._firsts,
            "position": self.positions,
            "state": {(scope, key): value for scope, keys in self.scopes.items() for key, value in keys.items()},
            "claim": {key: tuple(claim) for key, claim in self._claims.items()},
            "epoch": self._epochs,
        }
        for key, value in held[kind].items():
            yield (kind, *(key if isinstance(key, tuple) else (key,))), value

    # What is stored, for plans

    def topic(self, name: str) -> TopicConfig | None:
        return self.configs.get(name)

    def end(self, partition: Partition) -> int:
        rows = self._batches.get(partition)
        return rows[-1].end if rows else 0

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self.positions.get((group, topic, partition))

    def epoch(self, resource: str) -> int:
        return self._epochs.get(resource, 0)

    def get(self, scope: str, key: str) -> bytes | None:
        return self.scopes.get(scope, {}).get(key)

    def claimed(self, scope: str, key: str, now_us: int) -> bytes | None:
        value, until_us = self._claims.get((scope, key), (None, 0))
        return value if until_us > now_us else None

    # What else is asked

    @property
    def seq(self) -> int:
        """The number of the last batch."""
        return self.seqs[-1] if self.seqs else 0

    @property
    def time_us(self) -> int:
        """When the last batch was committed."""
        return self.rows[self.seq][1].time_us if self.seqs else 0

    def batches(self, topic: str, partition: int) -> list[Row]:
        """The rows of a partition, by position. Raises `CallerError("topic.unknown")`."""
        if topic not in self.configs:
            raise unknown_topic(topic)
        return self._batches.get((topic, partition), [])

    def first(self, partition: Partition) -> int:
        """The first position that is kept."""
        return self._firsts.get(partition, 0)

    def person(self, subject: str) -> int | None:
        """The number of a person whose key is kept."""
        return self._numbers.get(subject)

    def key_of(self, number: int) -> tuple[str | None, bytes | None]:
        """The name and the key of a person."""
        return self.persons[number]

    def ended_claims(self, now_us: int, at_most: int) -> Iterator[Fact]:
        """Facts that end claims whose time is over."""
        while self._ending and self._ending[0][0] <= now_us and at_most:
            until_us, scope, key = heapq.heappop(self._ending)
            if self._claims.get((scope, key), (b"", 0))[1] == until_us:
                at_most -= 1
                yield ("claim", scope, key), None


def moved(plan: Plan) -> Iterator[Fact]:
    """What a plan changes beside its batches and persons."""
    for (group, topic, partition), at in plan.positions.items():
        yield ("position", group, topic, partition), at
    for (scope, key), value in plan.puts.items():
        yield ("state", scope, key), value
    for (scope, key), claim in plan.claims.items():
        yield ("claim", scope, key), claim
