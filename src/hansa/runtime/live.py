"""What is live: products with the pool of their revision, and their processes."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Any

from hansa.model.product import ProcessSpec, ProductSpec, ProductState
from hansa.runtime.pool import Pool
from hansa.runtime.rights import Rights
from hansa.runtime.tally import ProcessTally, RunTally


@dataclass(slots=True, eq=False)
class LiveProduct:
    """One product's live revision. `successor` is where readers of a deprecated one are to go, `state_us` since when it
    has been in its state."""

    spec: ProductSpec
    revision: str
    pool: Pool
    state: ProductState = ProductState.ACTIVE
    successor: str | None = None
    state_us: int = 0
    processes: dict[str, LiveProcess] = field(default_factory=dict)
    windows: tuple[tuple[str, str], ...] = field(init=False)
    """The ports of each version window: older, newer."""
    barred: frozenset[str] = frozenset()
    """Ports to which nothing of this revision may be committed any more: the next one's windows begin or end there."""
    fence: tuple[str, int] | None = None
    """What its runs commit with: refused once the windows of its ports are those of another revision."""
    is_fenced: bool = False
    """True once such a commit was refused."""
    held: list[Any] = field(default_factory=list)
    """Runs that ended behind the bar, until the next revision takes them over."""

    def __post_init__(self) -> None:
        self.processes = {spec.name: LiveProcess(self, spec) for spec in self.spec.processes}
        self.windows = tuple((older.id, newer.id) for older, newer in self.spec.windows())

    @property
    def id(self) -> str:
        return self.spec.id


@dataclass(slots=True, eq=False)
class LiveProcess:
    """A process and the runs it has now. Runs over its concurrency limit wait, oldest first."""

    product: LiveProduct
    spec: ProcessSpec
    rights: Rights = field(init=False)
    running: int = 0
    waiting: collections.deque[Any] = field(default_factory=collections.deque)
    _tally: ProcessTally | None = None

    def __post_init__(self) -> None:
        self.rights = Rights(self.product.spec, self.product.revision, self.spec)

    @property
    def id(self) -> str:
        return f"{self.product.spec.id}:{self.spec.name}"

    def tally(self, runs: RunTally) -> ProcessTally:
        """Where its runs are counted: in those of the process, whatever its revision."""
        if self._tally is None:
            self._tally = runs.processes[self.id]
        return self._tally

    @property
    def state_scope(self) -> str:
        return f"state:{self.id}"

    @property
    def claim_scope(self) -> str:
        return f"idempotency:{self.id}"
