"""Workers without processes: real links that are never connected, over memory that a test writes for them."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any, cast

from hansa.runtime import wire
from hansa.runtime.link import Link
from hansa.runtime.zygote import WorkerProcess

LOADED = wire.Loaded(b"", [], {})


class Process:
    """The memory that a worker shares with the server."""

    def __init__(self) -> None:
        self.ring = mmap.mmap(-1, 1 << 20)
        self.cells = mmap.mmap(-1, 4096)
        self.killed = False

    def kill(self) -> None:
        self.killed = True

    def stderr_tail(self) -> str:
        return "last words"


def linked(process: Process, on_message: Callable[[Any], None], on_lost: Callable[[], None]) -> Link:
    """The server's end of a worker."""
    return Link(cast("WorkerProcess", process), on_message, on_lost)
