"""What the runs of a server came to since it began, in numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from hansa.model.histogram import Histogram
from hansa.model.run import CheckResult, RunEntry

RUN_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_RUN_US: Final = tuple(round(bound * 1e6) for bound in RUN_S)


class ProcessTally:
    """The runs of one process: how many ended in which state, and how long their last attempts took."""

    __slots__ = ("_counts", "_total_us", "states")

    def __init__(self) -> None:
        self.states: defaultdict[str, int] = defaultdict(int)
        self._counts = [0] * (len(_RUN_US) + 1)
        self._total_us = 0

    def ended(self, entry: RunEntry) -> None:
        """A run is over, and its end is in the log. On the way of every call: as short as can be."""
        took_us = entry.finished_us - entry.started_us
        self.states[entry.state] += 1
        self._counts[bisect_left(_RUN_US, took_us)] += 1
        self._total_us += took_us

    @property
    def duration_s(self) -> Histogram:
        """How long they took."""
        return Histogram(RUN_S, list(self._counts), self._total_us / 1e6)


class RunTally:
    """Belongs to one event loop; read by any thread."""

    def __init__(self) -> None:
        self.processes: defaultdict[str, ProcessTally] = defaultdict(ProcessTally)
        """By their ids; they outlive revisions."""
        self.retries = 0
        self.checks: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Results by port and state."""
        self.violations: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Records, or batches, that broke a rule, by port and what the contract does with them."""

    def checked(self, results: Sequence[CheckResult]) -> None:
        """What the rules of the ports came to that a run, or a chunk of it, has published to."""
        for result in results:
            self.checks[result.port, result.state] += 1
            if result.bad:
                self.violations[result.port, result.action] += result.bad
