"""What a worker says of itself in shared memory is never read as a task that has been running for ever."""

from __future__ import annotations

import mmap
import os
import signal
import time

from hansa.runtime import wire

WATCH_S = 0.5


def test_a_task_is_never_seen_with_an_earlier_time() -> None:
    cells = mmap.mmap(-1, 64)
    child = os.fork()
    if child == 0:
        seq = 0
        while True:
            seq += 1
            wire.mark(cells, seq, seq)
            wire.unmark(cells)
    try:
        end = time.monotonic() + WATCH_S
        seen = 0
        while time.monotonic() < end:
            seq, since = wire.marked(cells)
            assert since >= seq
            seen += seq > 0
        assert seen
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
