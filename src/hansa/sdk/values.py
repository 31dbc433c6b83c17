"""What logic may return besides a plain value, and what it may raise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from hansa.errors import HansaError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The answer to the caller, where its status or headers differ from 200 with none."""

    body: T
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Message(msgspec.Struct, frozen=True):
    """A message of another system's topic, whole, for logic that `on.kafka(…)` starts and that asks for it. `value` is
    what the trigger's `value` makes of it, None where the message deletes its key. `headers` are texts; attributes of
    CloudEvents are called `ce_…` in either mode. Times are microseconds UTC."""

    key: str | None
    value: Any
    topic: str
    partition: int
    offset: int
    time_us: int
    headers: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Drop:
    """Returned instead of a value: this record goes no further. `reason` is counted and kept with the run."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chunk(Generic[T]):
    """A part of a long load. Each chunk yielded is a child run with its own commit; `position` is plain data (numbers,
    text, lists, dicts) and comes back as `ctx.position` when the load resumes behind the last chunk committed."""

    records: Iterable[T]
    position: Any = None


class Problem(HansaError):
    """An answer to the caller, not a failure: `status` and a problem document (RFC 9457). Nothing is committed.

    Raise it for what the caller can mend: `raise Problem(400, "logs.empty", "The list of logs is empty")`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint, details=details)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return _problem, (self.status, self.code, self.message, self.hint, self.details)


def _problem(status: int, code: str, message: str, hint: str | None, details: dict[str, Any]) -> Problem:
    return Problem(status, code, message, hint=hint, details=details)


@dataclass(frozen=True, slots=True)
class Error:
    """What an `on_error` gets: why the railway switched. `origin` names the logic that raised, `traceback` shows the
    author's frames only."""

    code: str
    message: str
    origin: str = ""
    traceback: str = ""
    hint: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
