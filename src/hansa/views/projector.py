"""One thread that keeps followers up with the log, and tells who waits for a token when it can be seen.

It works when it is woken, after a short rest in which commits gather so that one transaction takes many of them; who
waits for a token ends the rest at once. Nothing here polls.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from hansa.errors import HansaError
from hansa.views.interface import Follower, ViewStatus, shows
from hansa.views.waiting import Awaited

STOP_S: Final = 2.0
_report = logging.getLogger("hansa.views")


def _nothing() -> None:
    """Nobody wants to know."""


class Projector(Awaited):
    """Call `wake()` after every commit. `covers` compares cursors and tokens of the log. `gather_s` is how long commits
    may gather before they are applied, `retry_s` how long a follower that failed (a full disk, say) is left in peace.
    """

    def __init__(
        self,
        covers: Callable[[str, str], bool],
        followers: Sequence[Follower] = (),
        *,
        gather_s: float = 0.1,
        retry_s: float = 1.0,
    ) -> None:
        super().__init__()
        self._covers = covers
        self._followers = tuple(followers)
        self._gather_s, self._retry_s = gather_s, retry_s
        self._on_progress: Callable[[], None] = _nothing
        self._adding = threading.Lock()
        self._failures: dict[Follower, tuple[Exception, float]] = {}
        self._work, self._hurry = threading.Event(), threading.Event()
        self._stopping, self._stop_at = False, math.inf
        self._thread = threading.Thread(target=self._run, name="hansa-projector", daemon=True)

    def start(self, on_progress: Callable[[], None] = _nothing) -> None:
        """`on_progress` is called on the thread behind each round, whether it found anything or not."""
        self._on_progress = on_progress
        self.hurry()
        self._thread.start()

    def stop(self) -> None:
        """Applies what is committed, for at most `STOP_S` where others go on, then ends the thread and closes
        the followers."""
        self._stop_at = time.monotonic() + STOP_S
        self._stopping = True
        self.hurry()
        if self._thread.is_alive():
            self._thread.join()
        for follower in self._followers:
            follower.close()

    def wake(self) -> None:
        """Something was committed. Costs next to nothing; any thread."""
        self._work.set()

    def hurry(self) -> None:
        self._hurry.set()
        self._work.set()

    def add(self, follower: Follower) -> None:
        """Follows one more from now on."""
        with self._adding:
            self._followers = (*self._followers, follower)
        self.hurry()

    def statuses(self) -> list[ViewStatus]:
        """Where the views of all followers stand."""
        return [status for follower in self._followers for status in follower.statuses()]

    def failures(self) -> list[Exception]:
        return [failure for failure, _ in list(self._failures.values())]

    def shows(self, token: str, view: str | None = None) -> bool:
        return shows(self.statuses(), self._covers, token, view)

    # The thread

    def _run(self) -> None:
        while not self._stopping:
            self._work.wait(self._retry_s if self._failures else None)
            self._hurry.wait(self._gather_s)
            self._hurry.clear()
            self._work.clear()
            self._catch_up()
        self._catch_up()

    def _catch_up(self) -> None:
        """Advances all followers until none of them finds anything new. Rounds begin `gather_s` apart at the least, so
        that commits gather while they come one by one, too."""
        progress = True
        while progress and time.monotonic() < self._stop_at:
            begun_s = time.monotonic()
            progress = sum(self._advance(follower) for follower in self._followers) > 0
            self._tell()
            self._on_progress()
            rest_s = begun_s + self._gather_s - time.monotonic()
            if progress and rest_s > 0 and not self._stopping:
                self._hurry.wait(rest_s)
                self._hurry.clear()

    def _advance(self, follower: Follower) -> bool:
        failed = self._failures.get(follower)
        if failed is not None and time.monotonic() < failed[1]:
            return False
        try:
            progress = follower.advance()
        except Exception as failure:
            if failed is None or str(failed[0]) != str(failure):
                _report.error(
                    "a follower of the log does not advance; it is tried again: %s",
                    failure,
                    exc_info=None if isinstance(failure, HansaError) else failure,
                )
            self._failures[follower] = (failure, time.monotonic() + self._retry_s)
            return False
        self._failures.pop(follower, None)
        return progress
