"""The interface of the log, and the values that go in and out of it.

A topic has partitions; a partition is a dense sequence of positions from 0. What is stored is the **batch**: chunks of
entries that were committed together. An entry is msgpack `[key, body]`; a chunk is the entries that one run appended
to one partition, with one header. Nothing below the readers of a topic decodes a body.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

Partition = tuple[str, int]
"""(topic, partition)"""


WITHHELD: Final = "withheld"
"""In the header of entries without records: they keep the places that another version of the port has records at."""


class Append(msgspec.Struct, frozen=True, gc=False):
    """`count` entries for one partition. `entries` is their msgpack, one behind the other, each `[key, body]`; the log
    trusts `count`. An append of no entries adds nothing and gets the position where the next one would stand.

    `header` is what they share: `run`, `product`, `revision`, `process`, `contract`, `type`, `subject`, … Readers get
    it with every entry. Where it holds `subject`, the log encrypts the entries with that person's key and keeps the
    name beside the key alone: a header that is read names the subject as long as there is the key.
    """

    topic: str
    partition: int
    count: int
    entries: bytes | memoryview
    header: dict[str, Any]


class Advance(msgspec.Struct, frozen=True, gc=False):
    """Moves a group's position. Refused (`position.moved`) unless it stands at `expected`; None takes any."""

    group: str
    topic: str
    partition: int
    next: int
    expected: int | None = None


class Put(msgspec.Struct, frozen=True, gc=False):
    """Sets (or with None removes) one key of a scope's state. Refused (`state.moved`) unless it stands at `expected`,
    where that is given; None expects that there is no such key."""

    scope: str
    key: str
    value: bytes | None
    expected: bytes | msgspec.UnsetType | None = msgspec.UNSET


class Claim(msgspec.Struct, frozen=True, gc=False):
    """Takes a key that may be taken once until `until_us`. Refused (`claim.taken`) with the value that stands there."""

    scope: str
    key: str
    value: bytes
    until_us: int


class CommitSet(msgspec.Struct, frozen=True, gc=False):
    """What one run does, all or nothing. `fence` is (resource, epoch): refused (`epoch.fenced`) once a later one
    exists. `forgets` names persons whose keys are destroyed: what was written of them, up to this transaction, reads as
    `[None, None]` from now on, at the same positions. What is written of them later gets a new key."""

    appends: tuple[Append, ...] = ()
    advances: tuple[Advance, ...] = ()
    puts: tuple[Put, ...] = ()
    claims: tuple[Claim, ...] = ()
    fence: tuple[str, int] | None = None
    forgets: tuple[str, ...] = ()


class Committed(NamedTuple):
    """`bases`: the position of the first entry of each append. `token`: give it to a reader, to read what was
    written."""

    bases: tuple[int, ...]
    token: str


class Refused(NamedTuple):
    """The set did nothing. `code`: position.moved, state.moved, claim.taken, epoch.fenced, partition.unknown; `value`:
    what stood there."""

    code: str
    message: str
    value: bytes | int | None = None


Outcome = Committed | Refused | Exception
"""An exception says why the set was not decided. Nothing of it was written: `Unavailable("log.full")`, submit it again
later; `InternalError("commit.malformed")`, the set itself cannot be stored. Unknown whether it was written:
`Unavailable("log.stopped")`, the storage failed and the log takes no more commits."""


class Entry(NamedTuple):
    """One entry as a reader sees it. `body` is msgpack; `header` and `person` belong to the chunk and are shared."""

    topic: str
    partition: int
    position: int
    time_us: int
    key: str | None
    body: bytes
    header: Mapping[str, Any]
    person: int | None = None


class Chunk(NamedTuple):
    """The entries that one run appended to one partition. `entries` is their msgpack, one behind the other.

    `person` is the number of the person they speak of: a pseudonym, which outlives the person's key and name.
    """

    topic: str
    partition: int
    base: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks
    time_us: int
    header: Mapping[str, Any]
    entries: bytes
    person: int | None = None

    @property
    def end(self) -> int:
        """The position behind the last entry."""
        return self.base + self.count

    @property
    def is_forgotten(self) -> bool:
        """True where the person's key was destroyed: there is nothing to read but the number of entries."""
        return self.person is not None and "subject" not in self.header

    @property
    def is_blank(self) -> bool:
        """True where there is nothing to read but the number of entries: forgotten, or withheld from this version of
        its port."""
        return WITHHELD in self.header or self.is_forgotten


class TopicConfig(msgspec.Struct, frozen=True):
    """`retention_s` None keeps everything."""

    partitions: int = 1
    retention_s: float | None = None


class Finding(NamedTuple):
    """Something that is not as it was written; `topic` is None where it is in the store rather than in a batch."""

    topic: str | None
    partition: int
    position: int
    message: str


class LogReader(ABC):
    """What reads a log, in the process that writes it or in another one. Positions are dense and never change; a
    damaged batch is an `InternalError("log.damaged")` naming it, never skipped. Any thread; reading never waits for
    writing."""

    @abstractmethod
    def topics(self) -> dict[str, TopicConfig]:
        """All topics."""

    def topic(self, name: str) -> TopicConfig | None:
        """One topic; None where there is none of that name. Where topics are many, this is to cost no more."""
        return self.topics().get(name)

    @abstractmethod
    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        """Chunks from the one that holds `position` on, at least one where there is any; the first may begin earlier.
        Raises `CallerError` (`topic.unknown`, `position.expired`: retention took it, details name the first left)."""

    @abstractmethod
    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        """What was committed to any topic behind `cursor` ("" is the beginning), in order, and the cursor behind it."""

    @abstractmethod
    def covers(self, cursor: str, token: str) -> bool:
        """True where a reader that has reached `cursor` has seen the commit that `token` came from.
        Raises `ValueError` for a text that is no token."""

    @abstractmethod
    def now(self) -> str:
        """The token of everything committed so far."""

    @abstractmethod
    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """(first position that is kept, position behind the last)."""

    @abstractmethod
    def find(self, topic: str, partition: int, time_us: int) -> int:
        """The first position committed at or after `time_us`; the end where there is none."""

    def watch(self, told: Callable[[set[str]], None]) -> bool:
        """`told` gets the topics that other processes have appended to, on a thread of the log's; there is one who is
        told. False where the log does not hear of it."""
        del told
        return False


class Log(LogReader):
    """Guarantees: an acknowledged set is durable, whole and in order. Methods may be called from any thread, but
    `submit` and `on_outcomes` belong to one event loop or thread each.
    """

    @abstractmethod
    def start(self, on_outcomes: Callable[[list[tuple[Any, Outcome]]], None]) -> None:
        """Begins to commit. `on_outcomes` gets (ticket, outcome) pairs from the committer's thread; what it raises is
        reported and never stops the committer."""

    def submit(self, commit: CommitSet, ticket: Any) -> None:
        """Queues one set, as `submit_all` does."""
        self.submit_all([(commit, ticket)])

    @abstractmethod
    def submit_all(self, work: list[tuple[CommitSet, Any]]) -> None:
        """Queues (set, ticket) pairs. Sets are decided in the order of submission, those from before `start` together.
        Raises `Unavailable("log.stopped")` once `stop` was called."""

    @abstractmethod
    def stop(self) -> None:
        """Commits what was submitted, then closes. A second call does nothing."""

    @abstractmethod
    def failure(self) -> str | None:
        """Why it takes no more commits, though nobody called `stop`; None where it takes them."""

    @abstractmethod
    def declare(self, topic: str, config: TopicConfig) -> None:
        """Creates a topic or changes its configuration; the number of partitions may only grow. Durable on return."""

    @abstractmethod
    def acquire(self, resource: str) -> int:
        """The next epoch of a resource; commits fenced with an earlier one are refused from now on. Durable on
        return."""

    @abstractmethod
    def epoch(self, resource: str) -> int:
        """The latest epoch of a resource, whichever process acquired it; 0 where none ever did."""

    @abstractmethod
    def position(self, group: str, topic: str, partition: int) -> int | None:
        """Where a group stands, or None where it never stood."""

    @abstractmethod
    def positions(self, group: str) -> dict[Partition, int]:
        """Where a group stands in every partition it has read."""

    @abstractmethod
    def get(self, scope: str, key: str) -> bytes | None:
        """The value of a key of a scope's state."""

    @abstractmethod
    def scan(self, scope: str) -> Iterator[tuple[str, bytes]]:
        """The keys and values of a scope, by key."""

    @abstractmethod
    def behind(self, cursor: str) -> int:
        """How many batches were committed behind `cursor`, those that retention took since included."""

    @abstractmethod
    def trim(self, topic: str, partition: int, before: int, *, seen: str | None = None) -> int:
        """Takes whole batches that end at or before position `before`, and that whoever has reached the cursor `seen`
        has seen; returns the first position that is kept. The last batch of a partition always stays."""

    @abstractmethod
    def person(self, subject: str) -> int | None:
        """The number of a person of whom something was written, None where there is no key of theirs."""

    @abstractmethod
    def erase(self, topic: str, partition: int, bodies: Mapping[int, bytes | None]) -> None:
        """Puts other msgpack bodies in place of those at these positions, for what must be forgotten and is not sealed;
        keys and headers stay. With None the key goes, too: the entry reads as one of a person who was forgotten,
        `[None, None]`. Durable on return; the bytes that stood there leave the file within a moment. Positions
        that retention took, or whose entries are sealed, are passed over."""

    @abstractmethod
    def verify(self) -> Iterator[Finding]:
        """Walks the whole log and tells everything that is not as it was written. Nothing is changed."""

    @abstractmethod
    def backup(self, target: Path) -> str | None:
        """A consistent copy of the log into the file `target`, while it is in use. A store that others back up writes
        none, and what is to be copied is returned."""


FORGOTTEN: Final = b"\x92\xc0\xc0"
"""What stands for an entry of a person who is forgotten: `[None, None]`."""
_decoder = msgspec.msgpack.Decoder(list[tuple[str | None, msgspec.Raw]])


def as_array(entries: bytes | memoryview, count: int) -> bytes:
    """Entries that stand one behind the other, as one msgpack array of `[key, body]`; decode it with any type."""
    return b"\xdd" + count.to_bytes(4, "big") + entries


def split(entries: bytes | memoryview, count: int) -> list[tuple[str | None, msgspec.Raw]]:
    """(key, msgpack body) of entries that stand one behind the other."""
    return _decoder.decode(as_array(entries, count))


def entries_of(chunk: Chunk) -> Iterator[Entry]:
    """The entries of a chunk, one by one."""
    for position, (key, body) in enumerate(split(chunk.entries, chunk.count), chunk.base):
        yield Entry(chunk.topic, chunk.partition, position, chunk.time_us, key, bytes(body), chunk.header, chunk.person)


def encode_entry(key: str | None, body: Any) -> bytes:
    """One entry as it stands in `Append.entries`."""
    return msgspec.msgpack.encode((key, body))
