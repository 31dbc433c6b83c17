"""A run that this server is at, and how it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hansa.eventlog.interface import Advance, CommitSet, Committed, Outcome
from hansa.model.product import RetryPolicy
from hansa.model.run import RunError, RunState, new_run_id
from hansa.model.trace import TraceContext
from hansa.runtime import wire
from hansa.runtime.job import Job
from hansa.runtime.live import LiveProcess

_NOTHING: Final[dict[Any, Any]] = {}
"""Shared by all that have none; never written to."""


class Answer(msgspec.Struct, frozen=True):
    """How a run ended, for whoever waits: the result as it goes over the wire, and the run's id and state."""

    run: str
    state: RunState
    status: int
    result: bytes
    content_type: str
    headers: dict[str, str] | None = None
    error: RunError | None = None
    token: str = ""
    accepted_us: int = 0
    finished_us: int = 0


class Run:
    """A run that this server is at. What most runs have none of stands in the class."""

    started_us = 0
    attempt = 1
    detail: Mapping[str, Any] = _NOTHING
    records: Sequence[wire.Records] = ()
    reads: Sequence[tuple[str, int, int, int]] = ()
    advances: tuple[Advance, ...] = ()
    idempotency_key: str | None = None
    parent: str | None = None
    context: TraceContext | None = None
    """What it belongs to: of its caller, or once it has begun and is traced, its own."""
    sends: TraceContext | None = None
    """What its commit is traced as, which goes with all that it appends; None where it is not traced."""
    links: Sequence[TraceContext] = ()
    """Of what it has read from the log, each once."""
    span: Any = None
    """What whoever traces it has of it."""
    replay_of: str | None = None
    journalled: Mapping[int, bytes] = _NOTHING
    position: bytes | None = None
    at: Mapping[str, int] = _NOTHING
    uses: tuple[tuple[str, str, str, str], ...] = ()
    only: str | None = None
    settles: CommitSet | None = None
    """What is committed with its success, and only then."""
    dry = False
    noted = False
    """True once its payload stands in an entry of its history."""
    leaving: Callable[[], None] | None = None
    """Told when all that it did is on its way to the log, and nothing that a later run could read before that is there:
    what comes behind it may begin."""
    job: Job | None = None
    """What the pool has of it."""
    pending: bytes | None = None
    """What stands in `_pending` for it once something of it must survive."""
    reached: bytes | None = None
    """What stands in `_chunks` for it: its number of chunks, and the position of the last."""
    refusal: Outcome | None = None
    """What became of a chunk or a step that was not committed: the attempt ends with it."""
    claimed = False
    """True once its idempotency key was taken for it."""
    renewed = ""
    """The revision that it began anew in, because what it made before was not for all versions of a port."""
    cancelled = False
    answered = False
    children = 0
    depth = 0
    seq = 0

    def __init__(
        self, live: LiveProcess, kind: str, source: bytes, principal: str, tell: Callable[[Answer], None]
    ) -> None:
        self.id = new_run_id()
        self.live = live
        self.kind = kind
        self.source = source
        self.principal = principal
        self.tell = tell
        self.accepted_us = time.time_ns() // 1000
        self.retry: RetryPolicy = live.spec.retry

    @property
    def trace(self) -> str | None:
        """Its context, as its history has it."""
        return None if self.context is None else self.context.text

    @property
    def durable(self) -> bool:
        """True once the run goes on by itself after a crash."""
        return self.pending is not None

    @property
    def fence(self) -> tuple[str, int] | None:
        """What it commits with."""
        return self.live.product.fence

    @property
    def about(self) -> dict[str, str | None]:
        """What a line of output that speaks of it carries beside its text."""
        return {"run": self.id, "product": self.live.product.id, "trace": self.trace}

    def advance(self, **reached: Any) -> None:
        """Where another worker is to go on, should this one be lost before it is told that the run is done."""
        assert self.job is not None
        self.job.task = msgspec.structs.replace(self.job.task, **reached)

    def note_refusal(self, outcome: Outcome) -> None:
        """Keeps the first thing of it that was not committed."""
        if not isinstance(outcome, Committed) and self.refusal is None:
            self.refusal = outcome
