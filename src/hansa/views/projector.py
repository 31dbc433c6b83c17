"""One thread that keeps followers up with the log, and tells who waits for a token when it can be seen.

It works when it is woken, after a short rest in which commits gather so that one transaction takes many of them; who
waits for a token ends the rest at once. Nothing here polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from hansa.errors import Unavailable
from hansa.views.interface import Follower

_report = logging.getLogger("hansa.views")


class _Waiter(msgspec.Struct, eq=False):
    """Someone who waits for `token`; `tell` gets None, or the error that makes waiting useless."""

    token: str
    view: str | None
    tell: Callable[[Exception | None], None]


class Projector:
    """Call `wake()` after every commit. `gather_s` is how long commits may gather before they are applied, `retry_s`
    how long a follower that failed (a full disk, say) is left in peace."""

    def __init__(self, followers: Sequence[Follower] = (), *, gather_s: float = 0.1, retry_s: float = 1.0) -> None:
        self._followers = tuple(followers)
        self._gather_s, self._retry_s = gather_s, retry_s
        self._lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._failures: dict[Follower, tuple[Exception, float]] = {}
        self._work, self._hurry = threading.Event(), threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="hansa-projector", daemon=True)

    def start(self) -> None:
        self._work.set()
        self._thread.start()

    def stop(self) -> None:
        """Applies what is committed, then ends the thread and closes the followers."""
        self._stopping = True
        self._hurry.set()
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()
        for follower in self._followers:
            follower.close()

    def wake(self) -> None:
        """Something was committed. Costs next to nothing; any thread."""
        self._work.set()

    def add(self, follower: Follower) -> None:
        """Follows one more from now on."""
        with self._lock:
            self._followers = (*self._followers, follower)
        self.wake()

    def failures(self) -> list[Exception]:
        """Why followers do not advance at the moment."""
        return [failure for failure, _ in list(self._failures.values())]

    # Waiting

    def shows(self, token: str, view: str | None = None) -> bool:
        """True where what was committed with `token` can be seen in `view`, or in all views that are not broken.

        Raises `OperatorError("view.broken")` where `view` is.
        """
        return all(follower.shows(token, view) for follower in self._followers)

    def wait(self, token: str, timeout_s: float, view: str | None = None) -> None:
        """Blocks until `shows` is true. Raises `Unavailable("view.behind")` after `timeout_s`, and as `shows` does."""
        if self.shows(token, view):
            return
        answered = threading.Event()
        errors: list[Exception | None] = []

        def tell(error: Exception | None) -> None:
            errors.append(error)
            answered.set()

        with self._waiting(_Waiter(token, view, tell)):
            if not answered.wait(timeout_s):
                raise self._behind(view, timeout_s)
        if errors[0] is not None:
            raise errors[0]

    async def reach(self, token: str, timeout_s: float, view: str | None = None) -> None:
        """`wait` for an event loop."""
        if self.shows(token, view):
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def tell(error: Exception | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, future, error)

        with self._waiting(_Waiter(token, view, tell)):
            try:
                await asyncio.wait_for(future, timeout_s)
            except TimeoutError:
                raise self._behind(view, timeout_s) from None

    @contextlib.contextmanager
    def _waiting(self, waiter: _Waiter) -> Iterator[None]:
        with self._lock:
            self._waiters.append(waiter)
        self._hurry.set()
        self._work.set()
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def _behind(self, view: str | None, timeout_s: float) -> Unavailable:
        reasons = "; ".join(str(failure) for failure in self.failures())
        return Unavailable(
            "view.behind",
            f"{f'The view {view!r}' if view else 'The views'} did not catch up within {timeout_s:g} s"
            + (f": {reasons}" if reasons else ""),
            hint="It is committed and will show; ask again. `hansa doctor` says how far behind the views are.",
            details={"view": view},
        )

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
        """Advances all followers until none of them finds anything new."""
        progress = True
        while progress:
            progress = sum(self._advance(follower) for follower in self._followers) > 0
            self._tell()

    def _advance(self, follower: Follower) -> bool:
        failed = self._failures.get(follower)
        if failed is not None and time.monotonic() < failed[1]:
            return False
        try:
            progress = follower.advance()
        except Exception as failure:
            if failed is None or str(failed[0]) != str(failure):
                _report.exception("a follower of the log does not advance; it is tried again")
            self._failures[follower] = (failure, time.monotonic() + self._retry_s)
            return False
        self._failures.pop(follower, None)
        return progress

    def _tell(self) -> None:
        with self._lock:
            waiters = list(self._waiters)
        for waiter in waiters:
            try:
                if not self.shows(waiter.token, waiter.view):
                    continue
                error = None
            except Exception as failure:
                error = failure
            with self._lock, contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
            waiter.tell(error)


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
