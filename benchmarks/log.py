"""Durable append to the log: entries of 1 KiB, each writer waits until its own is on disk before it writes the next.

The writers live in one event loop, as runs do in the server; each commit set holds one entry. The limit in the same run
is a bare file: the same bytes appended 64 at a time and flushed with `fdatasync`, with no rows, checks or answers.
Everything is read back from the log and compared.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import msgspec
import uvloop

from benchmarks.environment import Say
from benchmarks.subject import data_folder

TOPIC = "bench.log/entries@1"
ENTRY_BYTES = 1024
WRITERS = 64
ROUNDS = 5
SECONDS = 0.8
Rates = list[float]
_PADDING = os.urandom(ENTRY_BYTES - 16)
_encode = msgspec.msgpack.Encoder().encode


def measure(say: Say, rounds: int = ROUNDS, seconds: float = SECONDS, writers: int = WRITERS) -> dict[str, float]:
    """The medians of interleaved rounds; raises `ValueError` where the log does not hold what was acknowledged."""
    say(f"log: {rounds} rounds of 1 writer, {writers} writers and a bare file, {seconds:g} s each")
    from hansa.bootstrap.hansa import SWITCH_S

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        with data_folder() as data:
            alone, many, bare = uvloop.run(_rounds(data, rounds, seconds, writers))
    finally:
        sys.setswitchinterval(before_s)
    return {
        "alone_entries_per_s": median(alone),
        "entries_per_s": median(many),
        "best_entries_per_s": max(many),
        "gain": median(many) / median(alone),
        "file_entries_per_s": median(bare),
        "ratio_to_file": median(ours / file for ours, file in zip(many, bare, strict=True)),
    }


async def _rounds(data: Path, rounds: int, seconds: float, writers: int) -> tuple[Rates, Rates, Rates]:
    """Entries per second of one writer, of many, and of the file, round by round."""
    alone, many = _Team(data / "alone", 1), _Team(data / "many", writers)
    found: tuple[Rates, Rates, Rates] = ([], [], [])
    try:
        for _ in range(rounds):
            found[0].append(await alone.write(seconds))
            found[1].append(await many.write(seconds))
            found[2].append(_bare(data / "file", writers, seconds))
        for team in (alone, many):
            team.check()
    finally:
        for team in (alone, many):
            await asyncio.to_thread(team.log.stop)
    return found


class _Team:
    """A log and its writers."""

    def __init__(self, folder: Path, writers: int) -> None:
        from hansa.eventlog.awaitable import AwaitableLog
        from hansa.eventlog.interface import TopicConfig
        from hansa.eventlog.sqlite import SqliteLog

        self.log = SqliteLog(folder)
        self.log.declare(TOPIC, TopicConfig())
        awaitable = AwaitableLog(self.log, asyncio.get_running_loop())
        self._writers = [_Writer(awaitable, number) for number in range(writers)]

    async def write(self, seconds: float) -> float:
        """Acknowledged entries per second."""
        before = sum(writer.count for writer in self._writers)
        began = perf_counter()
        await asyncio.gather(*(writer.write_until(began + seconds) for writer in self._writers))
        took_s = perf_counter() - began
        return (sum(writer.count for writer in self._writers) - before) / took_s

    def check(self) -> None:
        check(self.log, {writer.number: writer.count for writer in self._writers})


class _Writer:
    """Writes one entry behind the other, each when the one before was acknowledged."""

    def __init__(self, log: Any, number: int) -> None:
        from hansa.eventlog.interface import Append, CommitSet

        self._append, self._commit_set = Append, CommitSet
        self._log = log
        self.number = number
        self.count = 0
        self._end = 0.0
        self._done: asyncio.Future[None]

    def write_until(self, end: float) -> asyncio.Future[None]:
        """Done when the last one was acknowledged after the time was over."""
        self._end = end
        self._done = asyncio.get_running_loop().create_future()
        self._write()
        return self._done

    def _write(self) -> None:
        append = self._append(TOPIC, 0, 1, entry(self.number, self.count), {"run": "bench"})
        self._log.submit(self._commit_set(appends=(append,)), self._told)

    def _told(self, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            self._done.set_exception(outcome)
            return
        self.count += 1
        if perf_counter() < self._end:
            self._write()
        else:
            self._done.set_result(None)


def entry(writer: int, count: int) -> bytes:
    """An entry of about 1 KiB that says whose it is, and its number."""
    return _encode((f"{writer}", (count, _PADDING)))


def check(log: Any, counts: dict[int, int]) -> None:
    """Raises `ValueError` unless the log holds the entries of each writer, in its order, and no others."""
    from hansa.eventlog.interface import split

    found = dict.fromkeys(counts, 0)
    position = 0
    while chunks := log.read(TOPIC, 0, position, max_bytes=8 << 20):
        for chunk in chunks:
            for key, body in split(chunk.entries, chunk.count):
                writer = int(key or -1)
                if _encode((key, body)) != entry(writer, found[writer]):
                    raise ValueError(f"entry {found[writer]} of writer {writer} is not what was written")
                found[writer] += 1
        position = chunks[-1].end
    if found != counts:
        raise ValueError(f"the log holds {sum(found.values())} entries, {sum(counts.values())} were acknowledged")


def _bare(path: Path, at_once: int, seconds: float) -> float:
    data = b"".join(entry(0, number) for number in range(at_once))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        began = perf_counter()
        written = 0
        while perf_counter() < began + seconds:
            written += len(data) == os.write(handle, data) and at_once
            os.fdatasync(handle)
        return written / (perf_counter() - began)
    finally:
        os.close(handle)
