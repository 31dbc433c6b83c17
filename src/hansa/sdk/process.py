"""A process as the runtime works it: every name and shape decided at plan time, nothing left to look up in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from hansa.model.product import RetryPolicy, Trigger
from hansa.sdk.fit import fits, members
from hansa.sdk.flow import Each, Flow, Node, Parallel, When, leaves
from hansa.sdk.logic import Bound, Logic


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Stands where a parameter has no default."""

Durability = Literal["run", "step", "none"]
Source = Literal["value", "ctx", "path", "query", "resource", "connection", "result", "payload", "setting", "default"]
Shape = Literal["none", "one", "list", "arrow", "polars"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter after the star and the one place where its value comes from. `annotation` is resolved, `Any` if
    absent. `is_batch`: a single value in its place is a batch of one."""

    name: str
    source: Source
    annotation: Any = Any
    default: Any = MISSING
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """The first parameter. For "list" `annotation` is that of an element; `Any` where there is none.

    What a logic gets: "one" that takes records is called for each record of a batch; "list" gets the batch, and a
    single value as a batch of one; "arrow" and "polars" get the batch as a table.
    """

    shape: Shape = "none"
    annotation: Any = Any
    name: str = ""

    @property
    def lifts(self) -> bool:
        """True where it takes one value that is no list, so that a list in its place means each of its items."""
        return self.shape == "one" and not any(fits(list, kind) for kind in members(self.annotation))


@dataclass(frozen=True, slots=True)
class Step:
    """One place in a process. `name` is unique in it: that of the logic, with `_2`, `_3`, … where it stands again."""

    name: str
    logic: Logic[..., Any]
    settings: dict[str, Any]
    parameters: tuple[Parameter, ...]
    input: Input
    on_error: Callable[..., Any] | None = None
    on_error_parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """How a process runs, whatever starts it."""

    use_case: str | None = None
    tags: tuple[str, ...] = ()
    timeout_s: float = 180.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    durability: Durability = "run"
    concurrency: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A process as its author wrote it in `product.process(…)`."""

    name: str
    flow: Flow[Bound]
    triggers: tuple[Trigger, ...]
    options: Options
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Process:
    """A compiled process: the last of its flow is the aggregator, triggers are complete."""

    name: str
    flow: Flow[Step]
    triggers: tuple[Trigger, ...] = ()
    description: str = ""
    use_case: str | None = None
    tags: tuple[str, ...] = ()
    timeout_s: float = 180.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    durability: Durability = "run"
    concurrency: int | None = None
    reads: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every place where a logic stands, in the order written; its index is that of the step in the run."""
        return tuple(leaves(self.flow))

    @property
    def input(self) -> Input:
        """What the process takes from its trigger."""
        return entry(self.flow[0]) if self.flow else Input()


def whole(given: Input) -> Any:
    """The type of a first parameter as its author wrote it."""
    return list[given.annotation] if given.shape == "list" else given.annotation  # type: ignore[name-defined]


def entry(node: Node[Step]) -> Input:
    """What a node takes: of branches the first that names a type says it, for `each` it is a list of that."""
    if isinstance(node, Parallel):
        return _first(branch[0] for branch in node.branches)
    if isinstance(node, When):
        return _first((node.predicate, *node.then[:1], *node.otherwise[:1]))
    if isinstance(node, Each):
        item = entry(node.body[0])
        return Input("list", whole(item), item.name)
    return node.input


def _first(nodes: Iterable[Node[Step]]) -> Input:
    found = [given for node in nodes if (given := entry(node)).shape != "none"]
    return next((given for given in found if whole(given) is not Any), found[0] if found else Input())
