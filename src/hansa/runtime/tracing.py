"""Who is told of calls and runs as they go. What stands here traces nothing: what a caller sent is handed on as it
came."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from hansa.eventlog.interface import Outcome
from hansa.model.run import RunEntry
from hansa.model.trace import TraceContext
from hansa.runtime import wire
from hansa.runtime.run import Run


class Outward:
    """One call to the outside. `headers` are to go with it; `status` is set to what HTTP answered."""

    __slots__ = ("headers", "status")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.status = 0


class Traces:
    """Called in the event loop, on the way of every run: each method is short, waits for nothing and raises nothing."""

    def call(self, method: str, route: str, path: str, came: TraceContext | None) -> TraceContext | None:
        """A call of a deployed route begins, as part of `came`; the context that its runs and its answer belong to."""
        del method, route, path
        return came

    def answered(self, call: TraceContext, status: int) -> bool:
        """A call was answered; True where the answer is to name its context."""
        del call, status
        return False

    def begin(self, run: Run) -> None:
        """A run begins, as part of `run.context`, which becomes its own. Told once for each run, and again for one that
        goes on after a restart."""

    def attempted(self, run: Run, done: wire.Done) -> None:
        """A worker's answer is there; what it made is about to be committed."""

    def ended(self, run: Run, entry: RunEntry, outcome: Outcome) -> None:
        """The last commit of a run came to `outcome`."""

    @contextlib.contextmanager
    def outward(self, run: Run, connection: str, operation: str, arguments: Any) -> Iterator[Outward]:
        """A call to the outside, for the length of a block."""
        del connection, operation, arguments
        yield Outward({} if run.context is None else run.context.headers)

    def close(self) -> None:
        """Nothing more comes. Blocks for seconds at most."""
