"""What a process has committed since it began, in numbers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from hansa.model.histogram import Histogram

COMMIT_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SETS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class CommitTally:
    """Belongs to one event loop; read by any thread."""

    def __init__(self) -> None:
        self.committed = self.refused = self.failed = 0
        """Commit sets."""
        self.sets_together = Histogram(SETS)
        """Sets whose outcomes came in one notice: one transaction, unless a set in it was malformed."""
        self.duration_s = Histogram(COMMIT_S)
        """From when a set was queued until its outcome was told, of the first set in each notice."""
        self.entries: defaultdict[str, int] = defaultdict(int)
        """By topic."""
        self.size_bytes = 0

    def told(self, sets: int, failed: int, refused: int, queued_s: float) -> None:
        """The outcomes of `sets` came together, of which some were not committed; the first was queued at `queued_s`
        (`perf_counter`)."""
        self.committed += sets - failed - refused
        self.failed += failed
        self.refused += refused
        self.sets_together.add(sets)
        self.duration_s.add(time.perf_counter() - queued_s)

    def appended(self, entries: Mapping[str, int], size_bytes: int) -> None:
        """So many entries were appended, by topic."""
        self.size_bytes += size_bytes
        for topic, count in entries.items():
            self.entries[topic] += count
