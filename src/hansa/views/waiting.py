"""Who waits for a token, until the views show what was committed with it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import msgspec

from hansa.errors import Unavailable


class _Waiter(msgspec.Struct, eq=False):
    """Someone who waits for `token`; `tell` gets None, or the error that makes waiting useless. One who `gives_up`
    does so when views fail."""

    token: str
    view: str | None
    tell: Callable[[Exception | None], None]
    gives_up: bool = False


class Awaited(ABC):
    """Views that one can wait for. Any thread."""

    def __init__(self) -> None:
        self._waiters: list[_Waiter] = []
        self._waiters_lock = threading.Lock()

    @abstractmethod
    def shows(self, token: str, view: str | None = None) -> bool:
        """True where what was committed with `token` can be seen in `view`, or in all views that are not broken.

        Raises `OperatorError("view.broken")` where `view` is.
        """

    @abstractmethod
    def hurry(self) -> None:
        """Someone waits: what is committed is applied now, and `_tell` called behind it."""

    @abstractmethod
    def failures(self) -> list[Exception]:
        """Why views do not advance at the moment."""

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

    async def reach(self, token: str, timeout_s: float, view: str | None = None, *, gives_up: bool = False) -> None:
        """`wait` for an event loop. Who `gives_up` does not wait while views fail."""
        if self.shows(token, view):
            return
        if gives_up and self.failures():
            raise self._behind(view, 0)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def tell(error: Exception | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, future, error)

        with self._waiting(_Waiter(token, view, tell, gives_up)):
            try:
                await asyncio.wait_for(future, timeout_s)
            except TimeoutError:
                raise self._behind(view, timeout_s) from None

    @contextlib.contextmanager
    def _waiting(self, waiter: _Waiter) -> Iterator[None]:
        with self._waiters_lock:
            self._waiters.append(waiter)
        self.hurry()
        try:
            yield
        finally:
            with self._waiters_lock, contextlib.suppress(ValueError):
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

    def _tell(self) -> None:
        """Ends the waiting of those whose token is shown, or never will be."""
        with self._waiters_lock:
            waiters = list(self._waiters)
        for waiter in waiters:
            try:
                error: Exception | None = None
                if not self.shows(waiter.token, waiter.view):
                    if not (waiter.gives_up and self.failures()):
                        continue
                    error = self._behind(waiter.view, 0)
            except Exception as failure:
                error = failure
            with self._waiters_lock, contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
            waiter.tell(error)


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
