"""`ctx`: the only door outwards. What a logic may do is what the class that it names permits.

`ReadContext` looks and never changes anything; `Context` adds what takes part in the run's commit. Effects are buffered
and committed together when the process has ended well; where the railway switches they are dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from hansa.sdk.ports import OutputPort, Port, Record

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class TriggerInfo:
    """What started the run. `kind` is http, port, event, schedule, once, manual or call; HTTP fields are empty for
    others.

    `detail` has what belongs to the kind: a port's id, partition and positions, an event's name, a schedule's time.
    Header names are lower case.
    """

    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    url: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run at work. `attempt` counts from 1; `principal` is who or what asked for it."""

    id: str
    process: str
    product: str
    revision: str
    attempt: int = 1
    principal: str = ""
    parent: str | None = None
    replay_of: str | None = None


class Output(ABC):
    """Lines of text kept with the run; `print` and `logging` arrive there too."""

    @abstractmethod
    def write(self, level: str, text: str, **fields: Any) -> None:
        """One line of that level: debug, info, warning or error."""

    def debug(self, text: str, **fields: Any) -> None:
        self.write("debug", text, **fields)

    def info(self, text: str, **fields: Any) -> None:
        self.write("info", text, **fields)

    def warning(self, text: str, **fields: Any) -> None:
        self.write("warning", text, **fields)

    def error(self, text: str, **fields: Any) -> None:
        self.write("error", text, **fields)


class State(ABC):
    """What the process keeps between runs, by key. Values are plain data (None, numbers, text, bytes, lists, dicts,
    times).

    A run reads its own changes; others see them when it has committed. Two runs that change one key do so one after the
    other: the later is refused at its commit and tried again.
    """

    @abstractmethod
    def get(self, key: str, default: Any = None) -> Any: ...

    @abstractmethod
    def put(self, key: str, value: Any) -> None: ...

    @abstractmethod
    def remove(self, key: str) -> None:
        """Removing a key that is not there is no error."""

    @abstractmethod
    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in order."""


class ReadContext(ABC):
    """What every logic may do: look, ask the time, write output."""

    trigger: TriggerInfo
    run: RunInfo
    scratch: MutableMapping[str, Any]
    """Shared by the logic of one run, and gone with it."""
    secrets: Mapping[str, str]
    output: Output
    position: Any
    """Where a load that yields chunks resumes: the position of the last chunk committed, or None at the start."""

    @abstractmethod
    def lookup(self, port: Port[R], /, **key: Any) -> R | None:
        """The latest record of that key, or None. All fields of the port's key are given by name.

        A replay sees what the run saw. Raises `AuthorError("lookup.key")` where the fields are not the port's key.
        """

    @abstractmethod
    def now(self) -> datetime:
        """The time of this attempt's start, with its zone (UTC): the same value throughout an attempt."""

    @abstractmethod
    def uuid(self) -> UUID:
        """A fresh id (UUIDv7); a run that is tried again gets the same ids in the same order."""


class Context(ReadContext):
    """`ReadContext` and what changes something."""

    state: State

    @abstractmethod
    def publish(self, port: OutputPort[R], records: R | Iterable[R]) -> int:
        """Records for one of the product's own ports; how many are published. One that breaks the port's contract
        raises `ContractViolation`, or is set aside where the contract says so."""

    @abstractmethod
    def emit(
        self,
        name: str,
        *,
        source: str | None = None,
        target: str | None = None,
        payload: Any = None,
        key: str | None = None,
    ) -> None:
        """A fact: `emit("order.shipped", source="order 17", target="customer 4")`. `source` is the product unless
        given; events of one `key` stay in order (that of `source` where none is given)."""

    @abstractmethod
    def call(self, process: str, payload: Any = None, *, key: str | None = None) -> Any:
        """Runs another process (`load`, or `operations.flights:load`) as a child run and returns its result.

        The child commits on its own, at most once for this run, logic and call. Raises the error that it failed with.
        """
