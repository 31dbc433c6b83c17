"""Logic: one decorated function, still a callable with its own signature, and what a process binds of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, update_wrapper
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from hansa.errors import AuthorError
from hansa.model.ids import check_name
from hansa.sdk.context import Context
from hansa.sdk.ports import OutputPort, Port, Record
from hansa.sdk.source import digest_of

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

LogicKind = Literal["logic", "aggregator"]


class Logic(Generic[P, R]):
    """One user function. Called, it is the function; `using` gives it settings for one place in a process."""

    def __init__(self, function: Callable[P, R], kind: LogicKind, *, name: str = "", builtin: bool = False) -> None:
        self.name = check_name(name or function.__name__, kind)
        self.kind: LogicKind = kind
        self.function = function
        self.builtin = builtin
        self.file = function.__code__.co_filename
        self.line = function.__code__.co_firstlineno
        self.on_error_function: Callable[..., Any] | None = None
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def doc(self) -> str:
        """The function's docstring without its indentation, or nothing."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def digest(self) -> str:
        """Changes when the source of the function does, or of what runs in its place when something raised."""
        functions = (self.function, self.on_error_function)
        return digest_of(*(function for function in functions if function is not None))

    def using(self, **settings: Any) -> Bound:
        """This logic with settings: the same logic behaves differently in two places."""
        return Bound(self, settings)

    def on_error(self, function: F) -> F:
        """Declares what runs in place of this logic when it, or a logic before it, raised: `(error: Error, *, …)`."""
        if self.on_error_function is not None:
            raise AuthorError(
                "logic.on_error_twice", f"{self.name} has two on_error functions", hint="Keep one of them."
            )
        self.on_error_function = function
        return function

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


@dataclass(frozen=True, slots=True)
class Bound:
    """A logic in one place of a process, with the settings that it has there."""

    logic: Logic[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)


def publish_to(port: OutputPort[Any]) -> Logic[..., dict[str, int]]:
    """The aggregator that publishes what the logic before it made, one record or many, and answers how many."""

    Port.checked(port, "publish_to(…)")

    def publish(value: list[Record], *, ctx: Context) -> dict[str, int]:
        records = [value] if isinstance(value, Record) else list(value or ())
        return {"published": ctx.publish(port, records)}

    publish.__annotations__["value"] = list[port.record]  # type: ignore[name-defined]
    publish.__doc__ = f"Publishes to {port.id}."
    return Logic(publish, "aggregator", name=f"publish_{port.name}"[:63], builtin=True)


def _reply(value: Any) -> Any:
    """Answers with what the logic before it returned."""
    return value


reply: Logic[..., Any] = Logic(_reply, "aggregator", name="reply", builtin=True)
"""The aggregator that answers with what the logic before it returned, as it stands."""
