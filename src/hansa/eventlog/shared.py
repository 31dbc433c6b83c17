"""The log that several nodes share: one of them owns it at a time, all read it, and commits go to the owner.

Flow of a commit: sets gather while the frame before is decided → the next frame goes to the owner, here or over the
channel, again and again until it is answered → its outcomes are told when this node's copy shows them. Who is the owner
is said by `Ownership`; that only one is, is held by Kafka, which refuses every other.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hansa.errors import HansaError, OperatorError, Unavailable
from hansa.eventlog.channel import COMMIT, Desk, Line
from hansa.eventlog.committer import GroupCommit, Notice, Work, copied, malformed
from hansa.eventlog.interface import Chunk, Finding, Log, Outcome, Partition, TopicConfig
from hansa.eventlog.kafka import KafkaLog
from hansa.eventlog.kafka_access import prepare
from hansa.eventlog.kafka_copy import Copy
from hansa.eventlog.kafka_reading import KafkaLogReader, KafkaReading, facts_topic
from hansa.eventlog.owner import REPLIES, FrameReplies, Lost, Owner, last_frame
from hansa.eventlog.ownership import Address, Ownership
from hansa.eventlog.reading import walked

WAIT_S: Final = 10.0
"""How long commits wait for an owner: from the first that got no answer, those behind it do not wait anew."""
AGAIN_S: Final = 0.05
BEAT_S: Final = 0.5
"""How often it is asked who owns the log."""
_report = logging.getLogger("hansa.eventlog")


class SharedLog(Log):
    """This node's part in the log `name` of a Kafka cluster. No other node has the name `node`. Its copy is in
    `folder`. `changed()` is told of `is_owner` on a thread of its own.

    Where no owner can be found, sets end with `Unavailable`: `log.unowned`, nothing was written; `log.unknown`, the
    owner was lost with them.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        name: str,
        node: str,
        ownership: Ownership,
        *,
        host: str,
        port: int,
        key: bytes,
        folder: Path | None = None,
        replication: int = 1,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._name, self._node = settings, name, node
        self._ownership, self._replication, self._changed = ownership, replication, changed
        self._clock_us = clock_us
        self._told: Callable[[set[str]], None] = lambda _: None
        self._owner: Owner | None = None
        self.takeovers = 0
        """How often this node became the owner."""
        self.unanswered = 0
        """Questions to the owner that got no answer, and were asked again."""
        self._address: Address | None = None
        self._refused: HansaError | None = None
        """Why this node, which was to own the log, does not."""
        self._closing = threading.Event()
        self._look = threading.Event()
        self._lines = {COMMIT: _Lines(key), "control": _Lines(key)}
        self._control_turn = threading.Lock()
        self._on_outcomes: Callable[[Notice], None] = lambda _: None
        self._group = GroupCommit(self._commit)
        prepare(settings, facts_topic(name), replication)
        self._copy = Copy(folder)
        self._reading: KafkaReading = KafkaLogReader(settings, name, self._copy)
        self._number = max(time.time_ns(), last_frame(self._reading.get(REPLIES, node)))
        self._desk = Desk(host, port, key, lambda: self._owner)
        self._keeping = threading.Thread(target=self._keep, name="hansa-ownership", daemon=True)

    @property
    def port(self) -> int:
        """Where this node's channel listens."""
        return self._desk.port

    @property
    def is_owner(self) -> bool:
        """True where this node owns the log, as far as it knows."""
        return self._owner is not None

    @property
    def knows_owner(self) -> bool:
        """True where this node owns the log, or knows who does."""
        return self._owner is not None or self._address is not None

    # Owning

    def own(self) -> None:
        """Begins to ask who is the owner, and to be it where this node is to be."""
        self._keeping.start()

    def _keep(self) -> None:
        while not self._closing.is_set():
            try:
                self._settle()
                self._refused = None
            except HansaError as failure:
                if str(failure) != str(self._refused):
                    _report.warning("who owns the log %s is not known: %s", self._name, failure)
                self._refused = failure
            except Exception:  # a thread that ended would leave the log without an owner for good
                _report.exception("who owns the log %s could not be settled; it is tried again", self._name)
            self._look.wait(BEAT_S)
            self._look.clear()

    def _settle(self) -> None:
        if self._owner is not None and self._owner.log.failure() is not None:
            self._step_down()
            self._ownership.release()
        if self._ownership.take():
            self._address = None
            if self._owner is None:
                self._step_up()
            return
        if self._owner is not None:
            self._step_down()
        self._address = self._ownership.owner()
        if not isinstance(self._reading, KafkaLogReader) or self._reading.is_closed:
            self._read_from(KafkaLogReader(self._settings, self._name, self._copy))

    def _step_up(self) -> None:
        if isinstance(self._reading, KafkaLogReader):
            self._reading.close()
        log = KafkaLog(
            self._settings, self._name, replication=self._replication, clock_us=self._clock_us, copy=self._copy,
            replies=FrameReplies(),
        )  # fmt: skip
        self._read_from(log)
        self._owner = Owner(log, lambda: log.mark)
        self.takeovers += 1
        self._changed()
        _report.info("this node owns the log %s", self._name)

    def _step_down(self) -> None:
        """What it knew is read on, until it follows again."""
        owner, self._owner = self._owner, None
        if owner is not None:
            _report.info("this node owns the log %s no more", self._name)
            self._changed()
            owner.log.stop()

    def _read_from(self, reading: KafkaReading) -> None:
        reading.watch(self._told)
        self._reading = reading

    # Committing

    def start(self, on_outcomes: Callable[[Notice], None]) -> None:
        self._on_outcomes = on_outcomes
        self._group.start()

    def watch(self, told: Callable[[set[str]], None]) -> bool:
        self._told = told
        return self._reading.watch(told)

    def submit_all(self, work: Work) -> None:
        self._group.submit(work)

    def stop(self) -> None:
        self._group.stop()
        if not self._closing.is_set():
            self._closing.set()
            self._look.set()
            if self._keeping.is_alive():
                self._keeping.join()
            self._leave()

    def _leave(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.log.stop()
            with contextlib.suppress(HansaError):
                self._ownership.release()
        self._desk.close()
        for lines in self._lines.values():
            lines.close()
        if isinstance(self._reading, KafkaLogReader):
            self._reading.close()
        self._copy.close()

    def failure(self) -> str | None:
        return "it was closed" if self._closing.is_set() else None

    def _commit(self, work: Work) -> None:
        try:
            self._on_outcomes(self._outcomes(work))
        except Exception:
            _report.exception("an acknowledgement could not be delivered")

    def _outcomes(self, work: Work) -> Notice:
        """As `Committer` does: what cannot be told to the owner comes from one of the sets, so each is tried alone."""
        self._number += 1
        try:
            outcomes: Sequence[Outcome] = self._ask(COMMIT, self._number, [commit for commit, _ in work])
        except HansaError as failure:
            outcomes = [copied(failure) for _ in work]
        except Exception as failure:
            if len(work) > 1:
                return [told for item in work for told in self._outcomes([item])]
            outcomes = [malformed(failure)]
        return [(ticket, outcome) for (_, ticket), outcome in zip(work, outcomes, strict=True)]

    def _ask(self, operation: str, number: int, arguments: Sequence[Any]) -> Any:
        """The owner's answer, when this node's copy shows what it says."""
        lines = self._lines[COMMIT if operation == COMMIT else "control"]
        asked_s, sent = time.monotonic(), False
        while True:
            try:
                mark, answer = self._asked(lines, operation, number, arguments)
                lines.patience.answered()
                self._reach(mark, asked_s + WAIT_S)
                return answer
            except Lost as lost:
                sent = sent or lost.sent
                self.unanswered += 1
                if lines.patience.is_over(asked_s) or self._closing.is_set():
                    raise _unknown(lost) if sent else _unowned(self._refused or lost) from lost
            self._look.set()
            time.sleep(AGAIN_S)

    def _asked(self, lines: _Lines, operation: str, number: int, arguments: Sequence[Any]) -> tuple[int, Any]:
        owner, address = self._owner, self._address
        if owner is not None:
            if operation == COMMIT:
                return 0, owner.commit(self._node, number, arguments)
            return 0, owner.control(operation, arguments)
        if address is None:
            raise Lost("there is no owner", sent=False)
        return lines.ask(address, self._node, number, operation, arguments, lambda asked: asked == self._address)

    def _reach(self, mark: int, end_s: float) -> None:
        reading = self._reading
        if isinstance(reading, KafkaLogReader) and not reading.reach(mark, max(end_s - time.monotonic(), 1.0)):
            _report.warning("the log %s is not followed in time", self._name)

    # Control

    def _control(self, operation: str, *arguments: Any) -> Any:
        with self._control_turn:
            return self._ask(operation, 0, arguments)

    def declare(self, topic: str, config: TopicConfig) -> None:
        if self._reading.topic(topic) != config:
            self._control("declare", topic, config)

    def acquire(self, resource: str) -> int:
        return int(self._control("acquire", resource))

    def epoch(self, resource: str) -> int:
        return int(self._control("epoch", resource))

    def trim(self, topic: str, partition: int, before: int, *, seen: str | None = None) -> int:
        return int(self._control("trim", topic, partition, before, seen))

    def erase(self, topic: str, partition: int, bodies: Mapping[int, bytes | None]) -> None:
        self._control("erase", topic, partition, bodies)

    # Reading

    def topics(self) -> dict[str, TopicConfig]:
        return self._reading.topics()

    def topic(self, name: str) -> TopicConfig | None:
        return self._reading.topic(name)

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> list[Chunk]:
        return self._reading.read(topic, partition, position, max_bytes=max_bytes)

    def changes(self, cursor: str, *, max_bytes: int = 4 << 20) -> tuple[list[Chunk], str]:
        return self._reading.changes(cursor, max_bytes=max_bytes)

    def covers(self, cursor: str, token: str) -> bool:
        return self._reading.covers(cursor, token)

    def now(self) -> str:
        return self._reading.now()

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return self._reading.bounds(topic, partition)

    def find(self, topic: str, partition: int, time_us: int) -> int:
        return self._reading.find(topic, partition, time_us)

    def position(self, group: str, topic: str, partition: int) -> int | None:
        return self._reading.position(group, topic, partition)

    def positions(self, group: str) -> dict[Partition, int]:
        return self._reading.positions(group)

    def get(self, scope: str, key: str) -> bytes | None:
        return self._reading.get(scope, key)

    def scan(self, scope: str) -> Iterator[tuple[str, bytes]]:
        return self._reading.scan(scope)

    def behind(self, cursor: str) -> int:
        return self._reading.behind(cursor)

    def person(self, subject: str) -> int | None:
        return self._reading.person(subject)

    def verify(self) -> Iterator[Finding]:
        return walked(self)

    def backup(self, target: Path) -> str:
        del target
        return f"the topics {self._name}.* of the Kafka cluster, all of them or none"


class _Patience:
    """How long what is asked waits for an owner that does not answer; for one thread at a time."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._last_s = 0.0

    def answered(self) -> None:
        """There is an owner."""
        self._since_s = None

    def is_over(self, asked_s: float) -> bool:
        """Whether what was asked then, and got no answer again, is to wait no longer. What was asked long ago does not
        count."""
        now_s = time.monotonic()
        if self._since_s is None or asked_s - self._last_s > WAIT_S:
            self._since_s = asked_s
        self._last_s = now_s
        return now_s - self._since_s > WAIT_S


class _Lines:
    """The connection to whoever is the owner; for one thread at a time."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._line: Line | None = None
        self.patience = _Patience()

    def ask(self, address: Address, *question: Any) -> tuple[int, Any]:
        """As `Line.ask`, over the connection that there is, or a new one."""
        if self._line is not None and self._line.address != address:
            self.close()
        try:
            if self._line is None:
                self._line = Line(address, self._key)
            return self._line.ask(*question)
        except Lost:
            self.close()
            raise

    def close(self) -> None:
        """Ends the connection."""
        line, self._line = self._line, None
        if line is not None:
            line.close()


def _unowned(why: Lost | HansaError) -> OperatorError:
    """Nothing was written. `why` is what keeps this node from owning the log, or that it does not know who does."""
    known = why if isinstance(why, HansaError) else None
    return Unavailable(
        "log.unowned",
        f"No node owns the log: {known.message if known else why}",
        hint=(known and known.hint)
        or "Nothing was written. A node takes it within seconds; `hansa nodes` shows which are there.",
    )


def _unknown(lost: Lost) -> OperatorError:
    return Unavailable(
        "log.unknown",
        f"The owner of the log was lost, and whether it had written this is not known: {lost}",
        hint="Ask again with the same idempotency key: it is done once.",
    )
