"""What a pool gives and to whom: a task with those who wait for it, and a worker with the tasks that it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hansa.runtime import wire
from hansa.runtime.link import Link
from hansa.runtime.rights import Meter


@dataclass(frozen=True, slots=True)
class Lost:
    """The task ended its worker. `reason`: crashed, timed_out, cancelled, overstepped."""

    reason: str
    detail: str


@dataclass(slots=True)
class Job:
    """A task and who waits for it. Callbacks come from the event loop and must not raise. `breach` says what is wrong
    with a frame of its worker, see `Rights`."""

    task: wire.Task
    timeout_s: float
    breach: Callable[[wire.Task, Any], str | None]
    on_done: Callable[[wire.Done | Lost], None]
    on_message: Callable[[Worker, Any], None]
    moves: int = 0


@dataclass(slots=True, eq=False)
class Worker:
    """One process and what it has been given, oldest first."""

    link: Link
    jobs: dict[int, Job] = field(default_factory=dict)
    mean_s: float = 0.0
    idle_since: float = 0.0
    heard_at: float = 0.0
    """When it last ended a task or a chunk, or was given one while it had none (monotonic s)."""
    ending: str | None = None
    """Why it was killed: timed_out, cancelled or overstepped."""
    fault: str = ""
    """What it said that it had no right to."""
    culprit: int = 0
    calls: int = 0
    """How many other processes its task waits for; branches may wait for several. While it does, it gets no more tasks
    and does not count as one of the pool's: the other process may need a worker here, and would wait for this one for
    ever."""
    meter: Meter = field(default_factory=Meter)
    is_fresh: bool = False
    """True while it has done nothing but load its product, in a process that was just forked."""

    def answer(self, answer: wire.Answer) -> None:
        """Answers one of its asks, or a chunk."""
        self.meter.answered()
        self.link.send(answer)

    @property
    def takes_tasks(self) -> bool:
        return self.ending is None and not self.calls
