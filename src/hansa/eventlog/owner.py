"""What the owner of a log does for the nodes that share it, itself among them: it decides each frame of a node once.

A node has one **frame** of commit sets under way at a time, and asks again with the same number until it is answered,
by this owner or by the next one. What became of the sets of its last frame stands in the log's state, written by the
transactions that committed them; so a frame that is asked for again is answered from there, and only the sets of it
that were not decided are.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hansa.errors import HansaError
from hansa.eventlog.committer import Decided, Notice, Replies
from hansa.eventlog.interface import CommitSet, Committed, Log, Outcome, Refused, TopicConfig

REPLIES: Final = "_replies"
"""The scope of what became of the last frame of each node."""
_LOST: Final = frozenset({"log.fenced", "log.stopped"})
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int, dict[int, Any]]).decode


class Lost(Exception):
    """The owner did not answer: it is not the owner, or no more, or cannot be reached. `sent` is False where nothing of
    what was asked for can have been done."""

    def __init__(self, why: object, *, sent: bool) -> None:
        super().__init__(str(why))
        self.sent = sent


class Frame:
    """Sets of a node that are decided together, as far as that can be. `stored` is what became of them, by index."""

    def __init__(self, node: str, number: int, stored: Mapping[int, Any]) -> None:
        self.node, self.number = node, number
        self.stored = dict(stored)
        self.outcomes: dict[int, Outcome] = {}
        self.told = threading.Event()
        self.missing = 0


Ticket = tuple[Frame, int]


class FrameReplies(Replies):
    """Writes what becomes of the sets of a frame beside what they do."""

    def puts(self, decided: Decided) -> Mapping[tuple[str, str], bytes]:
        ends: dict[Frame, dict[int, Any]] = {}
        for (frame, index), end in decided:
            ends.setdefault(frame, dict(frame.stored))[index] = end
        return {(REPLIES, frame.node): _encode((frame.number, found)) for frame, found in ends.items()}

    def stored(self, decided: Decided) -> None:
        for (frame, index), end in decided:
            frame.stored[index] = end


class Owner:
    """Decides for nodes by `log`, which it starts, and which was opened with `FrameReplies`. Any thread."""

    def __init__(self, log: Log, mark: Callable[[], int] = lambda: 0) -> None:
        """`mark` numbers the transactions of the log, for who follows it."""
        self.log, self.mark = log, mark
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        log.start(_settle)

    def commit(self, node: str, number: int, sets: Sequence[CommitSet]) -> list[Outcome]:
        """What becomes of the sets of a frame. Raises `Lost`."""
        with self._turns[node]:  # a node that asked twice is answered twice, and served once
            last, stored = _replied(self.log.get(REPLIES, node))
            if last > number:
                raise Lost(f"{node} has gone on to frame {last}", sent=False)
            frame = Frame(node, number, stored if last == number else {})
            work = [(commit, (frame, index)) for index, commit in enumerate(sets) if index not in frame.stored]
            self._done(frame, work)
        return [self._outcome(frame, index) for index in range(len(sets))]

    def _done(self, frame: Frame, work: list[tuple[CommitSet, Ticket]]) -> None:
        frame.missing = len(work)
        if work:
            try:
                self.log.submit_all(list(work))
            except HansaError as stopped:
                raise Lost(stopped, sent=False) from stopped
            frame.told.wait()
        for outcome in frame.outcomes.values():
            if isinstance(outcome, HansaError) and outcome.code in _LOST:
                raise Lost(outcome, sent=True)

    def _outcome(self, frame: Frame, index: int) -> Outcome:
        return frame.outcomes[index] if index in frame.outcomes else restored(frame.stored[index], self.log.now())

    def control(self, operation: str, arguments: Sequence[Any]) -> Any:
        """Carries out what a node may ask for besides commits. Raises `HansaError`, `Lost`."""
        try:
            return CONTROL[operation](self.log, *arguments)
        except HansaError as failure:
            if failure.code in _LOST:
                raise Lost(failure, sent=True) from failure
            raise


CONTROL: Final[dict[str, Callable[..., Any]]] = {
    "declare": lambda log, topic, config: log.declare(topic, msgspec.convert(config, TopicConfig)),
    "acquire": lambda log, resource: log.acquire(resource),
    "epoch": lambda log, resource: log.epoch(resource),
    "trim": lambda log, topic, partition, before, seen: log.trim(topic, partition, before, seen=seen),
    "erase": lambda log, topic, partition, bodies: log.erase(topic, partition, bodies),
}


def _replied(value: bytes | None) -> tuple[int, dict[int, Any]]:
    return (0, {}) if value is None else _decode(value)


def last_frame(value: bytes | None) -> int:
    """The number of a node's last frame, of what stands in `REPLIES` for it."""
    return _replied(value)[0]


def closed(value: bytes) -> bytes:
    """What is to stand in `REPLIES` for a node that is gone, in place of what became of its last frame: whatever of
    that one should still ask for it is told that it has gone on."""
    number, outcomes = _decode(value)
    return _encode((number + 1, {})) if outcomes else value


def restored(end: Any, token: str) -> Committed | Refused:
    """The outcome whose end was stored."""
    if isinstance(end, list) and end and isinstance(end[0], str):
        return Refused(*end)
    return Committed(tuple(end), token)


def _settle(notice: Notice) -> None:
    for (frame, index), outcome in notice:
        frame.outcomes[index] = outcome
        frame.missing -= 1
        if not frame.missing:
            frame.told.set()
