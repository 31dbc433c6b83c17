"""What an operation of the API is: declared once, served by `hansa.server.api.base`, told by documents."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

from starlette.responses import Response

from hansa.access.decide import Action

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"

Handler = Callable[..., Awaitable[Any]]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Told(Generic[Value]):
    """An answer in JSON with a status or headers of its own."""

    value: Value
    status: int
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API: what serves it, what it takes and answers, and which action it is.

    `query` and `body` are the types of the handler's parameters of those names: what fits them not is refused before
    the handler is asked. `content` is the media type of a body that the handler reads itself. `answers` has by media
    type what the handler answers with `status`, `also` what it answers with others, such as `202` or `2XX`; `Any` is
    anything, `list[T]` goes as `{"items": […]}`.
    """

    method: str
    path: str
    handler: Handler
    action: Action
    status: int
    answers: Mapping[str, Any]
    also: Mapping[str, Any]
    content: str | None
    query: Any
    body: Any

    @property
    def template(self) -> str:
        """The path as documents write it, without converters."""
        return re.sub(r":\w+\}", "}", self.path)

    @property
    def group(self) -> str:
        """The noun it belongs to: the name of the module of its handler."""
        return self.handler.__module__.rpartition(".")[2]


def answered_type(annotation: Any) -> Any:
    """What a handler with that annotation answers in JSON; `Any` where it makes the response itself."""
    if get_origin(annotation) is Told:
        return get_args(annotation)[0]
    return Any if annotation in (Response, inspect.Signature.empty) else annotation
