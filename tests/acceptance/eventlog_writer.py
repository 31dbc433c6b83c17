"""A program that writes to a log until it is killed: set n appends body n, advances n → n+1 and puts n+1.

`python eventlog_writer.py FOLDER SETS`: every acknowledged n is written to FOLDER/acked (8 bytes each), every other
outcome as a line of JSON to standard output. A set goes to partition n % 2; every third is about a person.
"""

from __future__ import annotations

import json
import os
import queue
import sys
from pathlib import Path
from typing import Any

from hansa.eventlog.interface import Advance, Append, CommitSet, Committed, Log, Outcome, Put, TopicConfig, encode_entry
from hansa.eventlog.sqlite import SqliteLog

IN_FLIGHT = 16
BODY = "x" * 700


def numbered(n: int) -> CommitSet:
    """Set n; it commits only directly behind set n - 1."""
    header: dict[str, Any] = {"subject": f"person {n % 30}"} if n % 3 == 0 else {}
    return CommitSet(
        appends=(Append("t", n % 2, 1, encode_entry(str(n), [n, BODY]), header),),
        advances=(Advance("writer", "t", 0, n + 1, expected=n),),
        puts=(Put("writer", "next", str(n + 1).encode()),),
    )


def write(log: Log, acked: int, sets: int) -> None:
    """Commits up to `sets` sets behind those that are there, some in flight at a time; notes what was acknowledged."""
    outcomes: queue.SimpleQueue[tuple[int, Outcome]] = queue.SimpleQueue()
    log.declare("t", TopicConfig(partitions=2))
    first = log.position("writer", "t", 0) or 0
    log.start(lambda notice: note(notice, acked, outcomes))
    for n in range(first, first + sets):
        if n >= first + IN_FLIGHT:
            tell(*outcomes.get())
        log.submit(numbered(n), n)
    for _ in range(min(IN_FLIGHT, sets)):
        tell(*outcomes.get())
    log.stop()


def note(notice: list[tuple[int, Outcome]], acked: int, outcomes: queue.SimpleQueue[tuple[int, Outcome]]) -> None:
    os.write(acked, b"".join(n.to_bytes(8, "big") for n, outcome in notice if isinstance(outcome, Committed)))
    for told in notice:
        outcomes.put(told)


def tell(n: int, outcome: Outcome) -> None:
    """Prints what was not committed."""
    if not isinstance(outcome, Committed):
        print(json.dumps([n, getattr(outcome, "code", repr(outcome))]), flush=True)


def main(folder: Path, sets: int) -> None:
    """Writes to the log in `folder`."""
    acked = os.open(folder / "acked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    write(SqliteLog(folder), acked, sets)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
