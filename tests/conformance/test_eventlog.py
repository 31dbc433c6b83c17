"""Every log passes the suite that `hansa.testing` ships."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hansa.eventlog.interface import Log
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.sqlite import SqliteLog
from hansa.testing.conformance_eventlog import DurableLogConformance, LogConformance


class TestMemoryLog(LogConformance):
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        return MemoryLog(clock_us=clock_us)


class TestSqliteLog(DurableLogConformance):
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        return SqliteLog(folder, clock_us=clock_us)
