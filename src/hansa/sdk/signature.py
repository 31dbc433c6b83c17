"""What a function takes and returns, read from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from hansa.sdk.fit import NOTHING, listed, members
from hansa.sdk.process import MISSING, Input, Shape


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter after the star, before it is known where its value comes from."""

    name: str
    annotation: Any
    default: Any


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a signature: code, message, hint."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Signature:
    input: Input
    named: tuple[Named, ...]
    returns: Any
    faults: tuple[Fault, ...] = ()


def read_signature(function: Callable[..., Any]) -> Signature:
    """The first parameter, the named ones, the type returned, and the rules that the signature breaks."""
    name = function.__name__
    hints, faults = _hints(function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        message = f"{name} is 'async def'; logic is plain 'def'"
        faults.append(Fault("logic.async", message, "Write 'def': Hansa runs many at a time by itself."))
    first, named = Input(), []
    for index, parameter in enumerate(inspect.signature(function).parameters.values()):
        annotation = hints.get(parameter.name, Any)
        if parameter.kind is parameter.KEYWORD_ONLY:
            default = MISSING if parameter.default is parameter.empty else parameter.default
            named.append(Named(parameter.name, annotation, default))
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            message = f"{name} takes {parameter}; a logic names what it needs"
            faults.append(Fault("parameter.variadic", message, "Name each parameter after the star."))
        elif index == 0:
            first = _input(parameter.name, annotation)
        else:
            message = f"{name} takes {parameter.name!r} as its parameter {index + 1}; a logic takes one value"
            faults.append(Fault("parameter.position", message, f"Put a star before it: '*, {parameter.name}'."))
    return Signature(first, tuple(named), hints.get("return", Any), tuple(faults))


def _hints(function: Callable[..., Any]) -> tuple[dict[str, Any], list[Fault]]:
    try:
        return get_type_hints(function, include_extras=True), []
    except Exception as failure:  # annotations are the author's expressions and may raise anything
        message = f"An annotation of {function.__name__} cannot be read: {failure}"
        return {}, [Fault("annotation.unknown", message, "Import the name where product.py runs, not for typing only.")]


def _input(name: str, annotation: Any) -> Input:
    if (inner := listed(annotation)) is not None:
        return Input("list", inner, name)
    kinds = [kind for kind in members(annotation) if kind is not NOTHING]
    if len(kinds) == 1 and (table := _table(kinds[0])) is not None:
        return Input(table, kinds[0], name)
    return Input("one", annotation, name)


def _table(kind: Any) -> Shape | None:
    """ "arrow" or "polars" where the type is one of their tables; neither library is imported."""
    package, name = getattr(kind, "__module__", "").partition(".")[0], getattr(kind, "__name__", "")
    if package == "pyarrow" and name in ("Table", "RecordBatch"):
        return "arrow"
    return "polars" if package == "polars" and name in ("DataFrame", "LazyFrame") else None
