"""Taking turns: several ways of one run in one worker, of which one is at work at a time.

Each way has a thread of its own, and a turn passes from one to another only where author code asks the server for
something and waits. So waiting overlaps, and author code needs no locks: between two asks it has the worker to itself.
Turns go round in the order in which ways began to wait, whoever may go on.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from hansa.runtime.stops import Place, Turns, Way


class _Strand:
    """One thread and what it waits for: `is_ready()`, or its deadline (monotonic seconds)."""

    __slots__ = ("deadline", "is_ready", "turn")

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self.is_ready: Callable[[], bool] = lambda: True
        self.turn = threading.Semaphore(0)

    def may_go_on(self) -> bool:
        return self.is_ready() or self.is_late

    @property
    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


class Rota(Turns):
    """The turns of one worker. `hear(timeout_s)` waits for the server, at most so long, and sorts what it says.

    `place` is that of the logic whose turn it is.
    """

    def __init__(self, hear: Callable[[float | None], None]) -> None:
        self._hear = hear
        self.place = Place()
        self._waiting: deque[_Strand] = deque()
        self._mine = _Strand()
        """The strand whose turn it is."""
        self._gone: BaseException | None = None
        """Why the server cannot be heard any more: every strand is told so in its turn."""

    def until(self, is_ready: Callable[[], bool]) -> bool:
        """Lets others have their turns until `is_ready()`; False where the caller's own time was over first. Raises
        what `hear` raised."""
        mine, place = self._mine, self.place
        mine.is_ready = is_ready
        self._waiting.append(mine)
        following = self._following()
        if following is not mine:
            following.turn.release()
            mine.turn.acquire()
            self._mine, self.place = mine, place
        if self._gone is not None:
            raise self._gone
        return is_ready()

    def work(self, ways: Sequence[Way], *, at_once: int, timeout_s: float | None) -> None:
        """As it says; where there is only one at a time, in the caller's own thread."""
        pending, mine, place = deque(ways), self._mine, self.place
        count = min(at_once, len(ways))
        if count < 2:
            self._take(pending, timeout_s)
            self.place = place
            return
        open_ends = [count]
        for _ in range(count):
            strand = _Strand(mine.deadline)
            self._waiting.append(strand)
            body = partial(contextvars.copy_context().run, self._strand, strand, pending, timeout_s, open_ends)
            threading.Thread(target=body, daemon=True).start()
        with _deadline(mine, None):  # those it waits for keep to it in its stead
            self.until(lambda: not open_ends[0])

    def _strand(self, strand: _Strand, pending: deque[Way], timeout_s: float | None, open_ends: list[int]) -> None:
        """What a thread does: waits for its first turn, works ways until there are none, and passes its turn on."""
        strand.turn.acquire()
        self._mine = strand
        self._take(pending, timeout_s)
        open_ends[0] -= 1
        self._following().turn.release()

    def _take(self, pending: deque[Way], timeout_s: float | None) -> None:
        mine = self._mine
        outer = mine.deadline
        while pending:
            way = pending.popleft()
            with _deadline(mine, _earlier(outer, timeout_s)):
                self.place = way.place
                way.go()

    def _following(self) -> _Strand:
        """Who has waited longest of those that may go on; hears the server until there is one."""
        while True:
            for strand in self._waiting:
                if self._gone is not None or strand.may_go_on():
                    self._waiting.remove(strand)
                    return strand
            deadlines = [strand.deadline for strand in self._waiting if strand.deadline is not None]
            try:
                self._hear(max(min(deadlines) - time.monotonic(), 0.0) if deadlines else None)
            except BaseException as gone:  # raised in each strand's own turn
                self._gone = gone


def _earlier(deadline: float | None, timeout_s: float | None) -> float | None:
    """The deadline of what begins now and may take `timeout_s` within what has a deadline already."""
    if timeout_s is None:
        return deadline
    own = time.monotonic() + timeout_s
    return own if deadline is None else min(own, deadline)


@contextmanager
def _deadline(strand: _Strand, deadline: float | None) -> Iterator[None]:
    before, strand.deadline = strand.deadline, deadline
    try:
        yield
    finally:
        strand.deadline = before
