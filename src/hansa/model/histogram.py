"""How many values fell into which range: cheap to add to, read by whoever shows it."""

from __future__ import annotations

from bisect import bisect_left


class Histogram:
    """Counts of values by upper bound, and their sum. `counts` has one more than `bounds`, for what is above all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...], counts: list[int] | None = None, total: float = 0.0) -> None:
        self.bounds = bounds
        self.counts = counts or [0] * (len(bounds) + 1)
        self.total = total

    def add(self, value: float) -> None:
        """Counts one value; one that is a bound belongs below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
