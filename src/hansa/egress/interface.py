"""What every kind of connection is to the broker, and the refusals that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from hansa.errors import AuthorError, Unavailable

ANSWER_MAX_BYTES: Final = 64 * 1024 * 1024
"""Most bytes that one call may bring back: it passes through the server's memory."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a connection: an operation, and its arguments in the order of `hansa.sdk.connections`.

    `key` is the same in each attempt of one call, so that the other side can tell a repetition.
    """

    operation: str
    arguments: list[Any]
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """What goes with a call over HTTP: the trace that it belongs to."""


class Exit(ABC):
    """An open connection. Blocking; called from several threads at once.

    Errors are `HansaError`s with a code `connection.*`; the broker takes the secrets out of their texts.
    """

    operations: ClassVar[tuple[str, ...]]
    uri: str
    """What the connection reaches, without credentials."""

    def target(self, call: Call) -> str:  # noqa: ARG002 - most kinds have one target
        """What the call reaches, without credentials. Raises where it would leave the connection."""
        return self.uri

    @abstractmethod
    def call(self, call: Call) -> Any:
        """Carries one of `operations` out and returns plain values."""

    def close(self) -> None:  # noqa: B027 - most kinds hold nothing open
        """Ends what is open. A call at work may fail."""


def refused(reason: str, message: str, hint: str, **details: Any) -> AuthorError:
    """A call that the author has to write differently."""
    return AuthorError(f"connection.{reason}", message, hint=hint, details=details)


def unavailable(message: str, hint: str, reason: str = "failed") -> Unavailable:
    """The other side cannot be reached, or not now."""
    return Unavailable(f"connection.{reason}", message, hint=hint)


def too_large(what: str, hint: str) -> AuthorError:
    return refused("too_large", f"{what} is larger than {ANSWER_MAX_BYTES // 1024**2} MiB", hint)
