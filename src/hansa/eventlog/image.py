"""A log as it is, batch for batch and fact for fact: what one kind of log gives and another kind takes.

Flow of a copy: what batches need (topics, keys of persons) → batches in the order of the log, behind the last one that
is there already → all other facts. Each portion is one transaction, so that a copy that was killed goes on from the
last. Bodies are not opened: what is sealed stays sealed, what is blank stays blank. Batches keep their numbers, so
cursors and tokens of the one log are good at the other.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from hansa.eventlog import batch
from hansa.eventlog.batch import Batch
from hansa.eventlog.interface import Partition

Fact = tuple[tuple[Any, ...], Any]
"""A key that begins with the kind of the fact, and its value:

    topic, name                        TopicConfig
    person, number                     (name, key); (None, None) once they are forgotten
    first, topic, partition            the first position that is kept, where retention took any
    position, group, topic, partition  where the group stands
    state, scope, key                  value
    claim, scope, key                  (value, until_us)
    epoch, resource                    epoch
"""
Numbered = tuple[int, Batch]
"""A batch with its number, which counts all batches of the log."""

BEFORE: Final = ("topic", "person")
"""The kinds of facts that stand before batches."""
BEHIND: Final = ("first", "position", "state", "claim", "epoch")
MARK_SCOPE: Final = "_migration"
"""The scope of state that says what becomes of this log itself; it belongs to no image."""
MARK_KEY: Final = "mark"
MARK: Final = ("state", MARK_SCOPE, MARK_KEY)
PORTION_BYTES: Final = 8 << 20
PORTION_COUNT: Final = 2_000
_encode: Final = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


class Image(ABC):
    """A log that nobody else uses meanwhile. What is read is checked: `InternalError("log.damaged")` where it is not as
    it was written. Memory is bounded by a portion, beside what a kind of log keeps of itself."""

    @abstractmethod
    def facts(self, kind: str) -> Iterator[Fact]:
        """The facts of a kind as they stand when it is called, in the order of their keys."""

    @abstractmethod
    def batches(self, behind: int) -> Iterator[Numbered]:
        """The batches whose number is above `behind`, in order."""

    @abstractmethod
    def reached(self) -> int:
        """The number of the last batch; 0 where there is none."""

    @abstractmethod
    def take(self, batches: Sequence[Numbered], facts: Sequence[Fact]) -> None:
        """Adds batches behind the last one and puts facts in their places, all or nothing; durable on return. The
        topics of the batches are there before. The value None removes a piece of state."""

    @abstractmethod
    def marked(self) -> bytes | None:
        """What `set_mark` said last, None where it said nothing."""

    @abstractmethod
    def close(self) -> None:
        """Gives the log free."""

    def set_mark(self, value: bytes | None) -> None:
        """Says what becomes of this log. Durable on return."""
        self.take((), [(MARK, value)])

    def is_blank(self) -> bool:
        """True where nothing was ever declared or written."""
        return not self.reached() and not any(True for kind in (*BEFORE, *BEHIND) for _ in self.facts(kind))


class Digest(NamedTuple):
    """How much there is of something, and the SHA-256 of it all, in hexadecimal."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks
    size_bytes: int
    sha256: str


class Digests:
    """SHA-256 of many things at once, each of its items in the order in which they come."""

    def __init__(self) -> None:
        self._hashes: dict[str, Any] = {}
        self._sums: dict[str, tuple[int, int]] = {}

    def add(self, name: str, item: bytes, *, count: int = 1, size_bytes: int | None = None) -> None:
        """One more item of `name`, which stands for `count` of what is told to people, and so many bytes."""
        self._hashes.setdefault(name, hashlib.sha256()).update(item)
        total, size = self._sums.get(name, (0, 0))
        self._sums[name] = total + count, size + (len(item) if size_bytes is None else size_bytes)

    def made(self) -> dict[str, Digest]:
        """The digests, by name."""
        return {name: Digest(*self._sums[name], found.hexdigest()) for name, found in sorted(self._hashes.items())}


Told = Callable[[int], None]
"""Told the number of the batch that was reached."""


def copy(source: Image, target: Image, told: Told = lambda _: None) -> None:
    """Brings the target to what the source is. What the target has already is not written again."""
    _copy_facts(source, target, BEFORE)
    for portion in portions(source.batches(target.reached()), _batch_bytes):
        target.take(portion, ())
        told(portion[-1][0])
    _copy_facts(source, target, BEHIND)


def _copy_facts(source: Image, target: Image, kinds: Iterable[str]) -> None:
    for kind in kinds:
        for portion in portions(missing(source.facts(kind), target.facts(kind)), _fact_bytes):
            target.take((), portion)


def digests(image: Image, told: Told = lambda _: None) -> dict[str, Digest]:
    """Of each partition the entries, and of each kind the facts; everything is read. Raises
    `InternalError("log.damaged")` where a batch is missing."""
    found = Digests()
    ends: dict[Partition, int] = {(topic, number): at for (_, topic, number), at in image.facts("first")}
    for seq, made in image.batches(0):
        at = made.topic, made.partition
        if made.base != ends.get(at, 0):
            raise batch.damaged(*at, ends.get(at, 0))
        ends[at] = made.end
        item = _encode((seq, *made[2:]))
        found.add(f"{made.topic}[{made.partition}]", item, count=made.count, size_bytes=len(made.body))
        told(seq)
    for kind in (*BEFORE, *BEHIND):
        for fact in image.facts(kind):
            found.add(kind, _encode(fact))
    return found.made()


def missing(wanted: Iterator[Fact], there: Iterator[Fact]) -> Iterator[Fact]:
    """The facts of `wanted` that are not `there`, or not so. Both are in the order of their keys."""
    at = next(there, None)
    for fact in wanted:
        while at is not None and at[0] < fact[0]:
            at = next(there, None)
        if at != fact:
            yield fact


def portions(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in their order, as lists that end once they reach `PORTION_BYTES` or `PORTION_COUNT`."""
    portion: list[T] = []
    size = 0
    for item in items:
        portion.append(item)
        size += size_of(item)
        if size >= PORTION_BYTES or len(portion) >= PORTION_COUNT:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _batch_bytes(numbered: Numbered) -> int:
    return len(numbered[1].body)


def _fact_bytes(fact: Fact) -> int:
    return len(_encode(fact[1]))
