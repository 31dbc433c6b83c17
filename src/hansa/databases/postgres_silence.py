"""Connections to a PostgreSQL that may stand still: stopped, or frozen with its machine. The kernel keeps its
connections open and acknowledges what is sent, so that neither keep-alives nor time-outs of statements end the waiting.

Who has heard nothing for `SILENT_S` has the server asked on a connection of its own: one that answers there is at work,
and is waited for; where it does not, the connection is given up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, Self, TypeVar

import psycopg

SILENT_S: Final = 3.0
ASK_S: Final = 3
AGAIN_S: Final = 1.0
"""For how long a server that stands still is not asked again."""
T = TypeVar("T")


class Silent(psycopg.OperationalError):
    """The server stands still."""

    def __init__(self) -> None:
        super().__init__(f"it has not answered for {SILENT_S:g} s, nor anybody who asked anew")


class Patient(psycopg.Connection[tuple[Any, ...]]):
    """A connection that raises `Silent` where its server stands still, and is broken then."""

    beats: Callable[[float], bool]
    """Whether the server has answered anybody since a moment."""

    @classmethod
    def open(cls, settings: Mapping[str, Any], beats: Callable[[float], bool]) -> Self:
        """A connection in autocommit mode. Raises `psycopg.Error`."""
        made = cls.connect(autocommit=True, **settings)
        made.beats = beats
        return made

    def wait(self, gen: Generator[Any, Any, T], *options: Any, **more: Any) -> T:
        """As psycopg's own, which every use of a connection goes through."""
        return super().wait(self._heard(gen), *options, **more)

    def _heard(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        heard_s = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now_s = time.monotonic()
                if not ready and now_s > heard_s + SILENT_S and not self.beats(heard_s):
                    self.pgconn.finish()
                    raise Silent
                if ready or now_s > heard_s + SILENT_S:
                    heard_s = now_s
                wanted = gen.send(ready)
        except StopIteration as end:
            found: T = end.value
            return found


class Pulse:
    """Whether the server that `settings` lead to answers. Any thread may ask; those that wait for the same answer share
    it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {**settings, "connect_timeout": ASK_S}
        self._lock = threading.Lock()
        self._asked_s = self._told_s = float("-inf")
        self._answered = True

    def beats(self, since_s: float) -> bool:
        """Whether it has answered since a moment; it is asked where nobody has asked since."""
        with self._lock:
            if self._asked_s <= since_s:
                self._asked_s = time.monotonic()
                self._answered = self._asked()
                self._told_s = time.monotonic()
            return self._answered

    def check(self) -> None:
        """Raises `Silent` where it was asked a moment ago and did not answer."""
        if not self._answered and time.monotonic() < self._told_s + AGAIN_S:
            raise Silent

    def _asked(self) -> bool:
        try:
            with Patient.open(self._settings, lambda _: False) as raw:
                raw.execute(b"SELECT")
        except psycopg.Error:
            return False
        return True
