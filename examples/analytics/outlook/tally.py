"""How often each delay occurred: all that an outlook says is computed from this, exactly, without keeping flights."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Final, Literal

import msgspec

LATE_MIN = 15
Band = Literal["freezing", "cold", "mild", "warm", "hot", "unknown"]
BANDS: Final[tuple[Band, ...]] = ("freezing", "cold", "mild", "warm", "hot")
BORDERS_F = (32.0, 50.0, 68.0, 86.0)
UNKNOWN: Final = "unknown"


def band_of(temp_f: float | None) -> Band:
    """The name of the temperature's band; a border belongs to the warmer one."""
    return UNKNOWN if temp_f is None else BANDS[bisect_right(BORDERS_F, temp_f)]


class Tally(msgspec.Struct):
    """Counts of flights by their delay in minutes, and of those that were cancelled."""

    delays: dict[int, int] = {}
    cancelled: int = 0

    def add(self, delay_min: int | None, times: int = 1) -> None:
        """Counts a flight; `times` -1 takes one back."""
        if delay_min is None:
            self.cancelled += times
            return
        self.delays[delay_min] = self.delays.get(delay_min, 0) + times
        if not self.delays[delay_min]:
            del self.delays[delay_min]

    @property
    def departed(self) -> int:
        return sum(self.delays.values())

    @property
    def flights(self) -> int:
        return self.departed + self.cancelled

    @property
    def mean_delay_min(self) -> float | None:
        """None where no flight departed, as in the two below."""
        total = sum(delay * count for delay, count in self.delays.items())
        return total / self.departed if self.delays else None

    @property
    def median_delay_min(self) -> float | None:
        """The mean of the two in the middle where the number of flights is even."""
        if not self.delays:
            return None
        ordered = sorted(self.delays)
        behind = list(accumulate(self.delays[delay] for delay in ordered))
        middle = ((self.departed - 1) // 2, self.departed // 2)
        return sum(ordered[bisect_right(behind, index)] for index in middle) / 2

    @property
    def late_share(self) -> float | None:
        """The share of those that departed more than `LATE_MIN` minutes late."""
        late = sum(count for delay, count in self.delays.items() if delay > LATE_MIN)
        return late / self.departed if self.delays else None


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    found = Tally()
    for tally in tallies:
        found.cancelled += tally.cancelled
        for delay, count in tally.delays.items():
            found.add(delay, count)
    return found
