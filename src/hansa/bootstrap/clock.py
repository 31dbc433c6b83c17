"""The time of day by which the owner of a shared log writes, fires schedules and takes what is old enough."""

from __future__ import annotations

import time
from collections.abc import Callable


class SharedClock:
    """Microseconds since 1970 as the registry has them, which all nodes ask, carried on by this machine's steady clock:
    that its time of day is set, or wrong, changes nothing. Until the registry was heard of it goes by the machine's.

    Any thread may read it; one tells it what was heard.
    """

    def __init__(
        self,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        steady_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ) -> None:
        self.steady_us = steady_us
        self._ahead_us = wall_us() - steady_us()

    def __call__(self) -> int:
        return self.steady_us() + self._ahead_us

    def heard(self, told_us: int, asked_us: int) -> None:
        """The registry's clock was at `told_us` somewhen between `asked_us`, by `steady_us`, and now. What fits that is
        left as it is, so that an answer that took long moves nothing."""
        earliest, latest = told_us - self.steady_us(), told_us - asked_us
        self._ahead_us = min(max(self._ahead_us, earliest), latest)
