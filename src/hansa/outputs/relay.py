"""Brings the records of ports from the log to their topics: each once, in order, however often it is begun anew.

Flow of a turn: ports in which something was appended → what stands behind the position that was reached → messages →
one transaction writes them and the positions behind them. Whoever begins to relay has those before refused. What keeps
one port from its topic is said, and that port tried again later; the log and the other ports go on.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Final, NamedTuple

from hansa.errors import CallerError, HansaError, OperatorError, Unavailable
from hansa.eventlog.interface import Chunk, LogReader
from hansa.model.run import KEEPING_TOPIC
from hansa.outputs.topic import Encoding, Message, Published, keeps_latest
from hansa.views.keeping import Forget, orders_of

READ_BYTES: Final = 1 << 20
"""Of one partition in one turn."""
TURN_BYTES: Final = 4 << 20
REST_S: Final = 5.0
"""After which a port that could not be published is tried again."""
_TAKEN: Final = (
    "%s[%d]: retention took %d records before they stood on its topic; its contract, or HANSA_KEEP_RECORDS_DAYS, keeps"
    " them for longer"
)
_report = logging.getLogger("hansa.topics")

EncodingOf = Callable[[str, str], Encoding]
"""The encoding of a port (its id) by the revision that wrote. Raises `HansaError`."""


ORDERS: Final = (KEEPING_TOPIC, 0)
"""Where persons are named who are forgotten."""


class Ended(Exception):
    """Nothing more can be written here: another one relays, or what became of the last is not known. Whoever opens the
    topics again goes on where they stand."""


class Part(NamedTuple):
    """What one turn publishes of a partition, and the position behind it."""

    published: Published
    partition: int
    messages: list[Message]
    behind: int


class Topics(ABC):
    """Where ports are published. Its methods belong to one thread at a time."""

    @abstractmethod
    def open(self, published: Published) -> list[int]:
        """Has the topic of a port as its contract says; the position that was reached in each partition.
        Raises `OperatorError`."""

    @abstractmethod
    def write(self, parts: list[Part]) -> None:
        """Writes all of it or nothing. Raises `OperatorError` where it is nothing, `Ended`."""

    @abstractmethod
    def obeyed(self) -> int:
        """Up to which position in `ORDERS` persons were forgotten here."""

    @abstractmethod
    def forget(self, topics: Sequence[Published], persons: Set[int], behind: int) -> None:
        """Deletes from topics the keys whose last record is one of these persons', and has obeyed up to `behind`.
        Raises `OperatorError` where nothing was written, `Ended`."""

    @abstractmethod
    def close(self) -> None:
        """Ends connections."""


class Relay:
    """Belongs to one thread at a time. `encoding_of` is asked once for each revision of a port."""

    def __init__(
        self,
        log: LogReader,
        topics: Topics,
        encoding_of: EncodingOf,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._topics, self._encoding_of = log, topics, encoding_of
        self._monotonic = monotonic
        self._encodings: dict[tuple[str, str], Encoding] = {}
        self._reached: dict[str, tuple[Published, list[int]]] = {}
        self._resting: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def turn(self, ports: Mapping[str, Published], wanted: Iterable[str]) -> set[str]:
        """Publishes what stands in the `wanted` of these ports, up to `TURN_BYTES`; those that are not done.
        Raises `Ended`."""
        left = {port for port in wanted if port in ports}
        parts: list[Part] = []
        size = 0
        for port in sorted(left, key=lambda port: self._resting.get(port, 0.0)):
            if size >= TURN_BYTES or self._rests(port):
                continue
            found = self._parts(ports[port])
            parts += found
            size += sum(len(message.value or b"") for part in found for message in part.messages)
            if not found and not self._rests(port):
                left.discard(port)
        if parts:
            self._write(parts)
        return left

    def obey(self, ports: Iterable[Published]) -> bool:
        """Deletes what stands of persons who were forgotten from topics that keep the last record of each key; False
        where that is to be tried again. Raises `Ended`."""
        chunks = self._orders(self._topics.obeyed())
        persons = {o.person for o in orders_of(chunks) if isinstance(o, Forget) and o.person is not None}
        named = [one for one in ports if one.port.contract.subject is not None and keeps_latest(one.port)]
        if persons and named:
            try:
                self._topics.forget(named, persons, chunks[-1].end)
            except OperatorError as failure:
                self._rest({one.port.id for one in named}, failure)
                return False
        return True

    def _orders(self, position: int) -> list[Chunk]:
        found: list[Chunk] = []
        while chunks := self._log.read(*ORDERS, position):
            found += chunks
            position = chunks[-1].end
        return found

    def reached(self, port: str) -> list[int]:
        """The position that is published up to, in each partition; nothing where it is not known."""
        return list(self._reached[port][1]) if port in self._reached else []

    def resting_s(self, ports: Iterable[str]) -> float:
        """In how many seconds one of these ports is to be tried; 0 where one is now."""
        now = self._monotonic()
        return max(min((self._resting.get(port, now) - now for port in ports), default=0.0), 0.0)

    def _rests(self, port: str) -> bool:
        return self._resting.get(port, 0.0) > self._monotonic()

    def _parts(self, published: Published) -> list[Part]:
        try:
            reached = self._open(published)
            found = [self._part(published, partition, reached[partition]) for partition in range(len(reached))]
        except HansaError as failure:
            self._rest({published.port.id}, failure)
            return []
        return [part for part in found if part is not None]

    def _open(self, published: Published) -> list[int]:
        port = published.port.id
        if port not in self._reached or self._reached[port][0] != published:
            self._reached[port] = published, self._topics.open(published)
        return self._reached[port][1]

    def _part(self, published: Published, partition: int, position: int) -> Part | None:
        port = published.port.id
        try:
            chunks = self._log.read(port, partition, position, max_bytes=READ_BYTES)
        except CallerError as refusal:
            if refusal.code != "position.expired":
                raise
            first = int(refusal.details["first"])
            _report.warning(_TAKEN, port, partition, first - position)
            chunks = self._log.read(port, partition, first, max_bytes=READ_BYTES)
        if not chunks:
            return None
        messages = [message for chunk in chunks for message in self._encoding(port, chunk).messages(chunk, position)]
        return Part(published, partition, messages, chunks[-1].end)

    def _encoding(self, port: str, chunk: Chunk) -> Encoding:
        revision = str(chunk.header.get("revision", ""))
        found = self._encodings.get((port, revision))
        if found is None:
            found = self._encodings[port, revision] = self._encoding_of(port, revision)
        return found

    def _write(self, parts: list[Part]) -> None:
        ports = {part.published.port.id for part in parts}
        try:
            self._topics.write(parts)
        except OperatorError as failure:
            if isinstance(failure, Unavailable) or len(ports) == 1:
                self._rest(ports, failure)
                return
            for port in sorted(ports):
                self._write([part for part in parts if part.published.port.id == port])
            return
        for part in parts:
            port = part.published.port.id
            self._reached[port][1][part.partition] = part.behind
            if self._told.pop(port, None):
                _report.info("%s is published to the topic %s again", port, part.published.topic)

    def _rest(self, ports: set[str], failure: HansaError) -> None:
        """Says once what keeps ports from their topics, and leaves them for a while."""
        until = self._monotonic() + REST_S
        if any(self._told.get(port) != failure.message for port in ports):
            _report.warning("not published: %s. %s %s", ", ".join(sorted(ports)), failure.message, failure.hint or "")
        for port in ports:
            self._resting[port], self._told[port] = until, failure.message
            self._reached.pop(port, None)
