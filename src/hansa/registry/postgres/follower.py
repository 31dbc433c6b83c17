"""Hears of what other nodes change: the audit names it all. PostgreSQL tells of a new entry at once, and is asked four
times a second as well, so that nothing rests on what it tells."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg

from hansa.databases.postgres import Pool, Raw
from hansa.errors import HansaError

POLL_S: Final = 0.25
_report = logging.getLogger("hansa.registry")


class Follower:
    """Calls `catch_up` on a thread of its own, whenever there may be something new, and goes on when it fails."""

    def __init__(self, pool: Pool, schema: str, catch_up: Callable[[], None]) -> None:
        self._pool = pool
        self._listen = f'LISTEN "{schema}"'.encode()
        self._catch_up = catch_up
        self._ended = threading.Event()
        self._waiting, self._waking = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="hansa-registry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it; a second call does nothing."""
        if not self._ended.is_set():
            self._ended.set()
            self._waking.close()
            self._thread.join()
            self._waiting.close()

    def _run(self) -> None:
        is_told = False
        while not self._ended.is_set():
            try:
                with contextlib.closing(self._pool.connect()) as raw:
                    if is_told:
                        _report.warning("the registry answers again")
                        is_told = False
                    self._follow(raw)
            except (HansaError, psycopg.Error) as failure:
                if not is_told and not self._ended.is_set():
                    _report.warning("the registry does not answer: %s", failure)
                is_told = True
                self._ended.wait(POLL_S)

    def _follow(self, raw: Raw) -> None:
        raw.execute(self._listen)
        poll = select.poll()
        for source in (raw, self._waiting):
            poll.register(source.fileno(), select.POLLIN)
        while not self._ended.is_set():
            self._catch_up()
            poll.poll(POLL_S * 1000)
            for _ in raw.notifies(timeout=0):
                pass


class Age:
    """How long ago something was known, by the monotonic clock of this machine."""

    def __init__(self) -> None:
        self._known_s = time.monotonic()

    def known(self, at_s: float) -> None:
        """It was known at that time."""
        self._known_s = max(self._known_s, at_s)

    def seconds(self) -> float:
        return max(time.monotonic() - self._known_s, 0.0)
