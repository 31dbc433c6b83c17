"""Which values a type can take: what fits here ends in no type error when it runs.

`Any`, what has no annotation, type variables and protocols say nothing, and fit everything. Every member of a union has
to fit, a class fits itself and its bases, and what stands inside of a list or dict has to fit as well.
"""

from __future__ import annotations

import types
from collections.abc import Generator, Iterable, Iterator, Sequence
from enum import Enum
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, is_typeddict

from hansa.sdk.values import Chunk, Drop, Reply

NOTHING: Final = type(None)
_LISTS: Final = (list, Sequence, Iterable)
_ITERATORS: Final = (Iterator, Generator, Iterable)
_NUMBERS: Final = {bool: (int, float, complex), int: (float, complex), float: (complex,)}


def bare(annotation: Any) -> Any:
    """The type without `Annotated`, `NewType` and type variables (those are `Any`, as are `object` and protocols)."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif annotation is None:
            return NOTHING
        elif _is_open(annotation):
            return Any
        else:
            return annotation


def _is_open(annotation: Any) -> bool:
    is_protocol = getattr(annotation, "_is_protocol", False)
    return is_protocol or annotation is object or isinstance(annotation, TypeVar | str)


def members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; of anything else, itself."""
    annotation = bare(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for member in get_args(annotation) for inner in members(member))
    return (annotation,)


def element(annotation: Any) -> Any | None:
    """The type of the elements where `annotation` is a list of something, else None."""
    annotation = bare(annotation)
    if annotation is list:
        return Any
    if get_origin(annotation) in _LISTS:
        return get_args(annotation)[0]
    return None


def listed(annotation: Any) -> Any | None:
    """The type of the items where `annotation` asks for a list, or for a list or None; else None."""
    kinds = [kind for kind in members(annotation) if kind is not NOTHING]
    return element(kinds[0]) if len(kinds) == 1 else None


def items_of(annotation: Any) -> Any | None:
    """The type of the items where every value of `annotation` is a list, else None."""
    annotation = bare(annotation)
    kind = _kind(annotation)
    if not isinstance(kind, type) or not issubclass(kind, list):
        return None
    return next(iter(get_args(annotation)), Any)


def union(kinds: Iterable[Any]) -> Any:
    """The type of what is of one of these."""
    found = tuple(kinds)
    return Union[found] if found else Any  # noqa: UP007  (made at run time)


def passed_on(returns: Any) -> Any:
    """What the next logic is given of what a logic returns: no `Drop`, and the records of `Chunk`s one by one."""
    return union(_passed_on(member) for member in members(returns) if member is not Drop)


def result_of(returns: Any) -> Any:
    """What a caller sees of what the last logic returns: the body of a `Reply`."""
    return union(_body(member) for member in members(passed_on(returns)))


def yields_chunks(returns: Any) -> bool:
    """True where a logic that returns this makes a long load."""
    return any(
        get_origin(member) in _ITERATORS and _chunk(get_args(member)[0]) is not None for member in members(returns)
    )


def _passed_on(member: Any) -> Any:
    if get_origin(member) in _ITERATORS and (record := _chunk(get_args(member)[0])) is not None:
        return record
    return member


def _body(member: Any) -> Any:
    if member is Reply:
        return Any
    return get_args(member)[0] if get_origin(member) is Reply else member


def _chunk(yielded: Any) -> Any | None:
    """The type of the records of a chunk, None where it is something else."""
    if yielded is Chunk:
        return Any
    return get_args(yielded)[0] if get_origin(yielded) is Chunk else None


def fits(given: Any, wanted: Any) -> bool:
    """True where every value of the type `given` can be one of the type `wanted`."""
    return all(any(_fits_one(g, w) for w in members(wanted)) for g in members(given))


def _fits_one(given: Any, wanted: Any) -> bool:
    if given is Any or wanted is Any:
        return True
    given_kind, wanted_kind = _kind(given), _kind(wanted)
    if not isinstance(given_kind, type) or not isinstance(wanted_kind, type):
        return True
    if wanted_kind in _NUMBERS.get(given_kind, ()):
        return True
    return issubclass(given_kind, wanted_kind) and _arguments_fit(given, wanted)


def _kind(annotation: Any) -> Any:
    """The class whose instances the values of a type are."""
    if get_origin(annotation) is Literal:
        kinds = {type(value) for value in get_args(annotation)}
        return kinds.pop() if len(kinds) == 1 else Any
    if is_typeddict(annotation):
        return dict
    return get_origin(annotation) or annotation


def _arguments_fit(given: Any, wanted: Any) -> bool:
    """Compares what is inside of two generic types, where both say it in the same way."""
    if is_typeddict(given) and not is_typeddict(wanted):
        given = dict[str, union(given.__annotations__.values())]  # type: ignore[misc]
    inside, outside = get_args(given), get_args(wanted)
    if get_origin(given) is Literal or get_origin(wanted) is Literal or _open(inside, given) or _open(outside, wanted):
        return True
    if issubclass(_kind(given), tuple) and issubclass(_kind(wanted), tuple) and len(inside) != len(outside):
        return Ellipsis in inside or Ellipsis in outside
    if len(inside) != len(outside):
        return True
    return all(fits(g, w) for g, w in zip(inside, outside, strict=True) if g is not Ellipsis and w is not Ellipsis)


def _open(arguments: tuple[Any, ...], annotation: Any) -> bool:
    return not arguments or bare(annotation) is Any


_SCALARS: Final = (str, int, float, bool, bytes)


def is_parameter(annotation: Any) -> bool:
    """True where text of a URL can become a value of the type: scalars, times, ids, enumerations and lists of these."""
    return any(
        kind is Any or _is_scalar(kind) or ((inner := element(kind)) is not None and is_parameter(inner))
        for kind in members(annotation)
    )


def _is_scalar(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return True
    named = isinstance(kind, type) and (kind.__module__, kind.__name__) in _TEXTUAL
    return named or (isinstance(kind, type) and issubclass(kind, (*_SCALARS, Enum)))


_TEXTUAL: Final = {
    ("datetime", "datetime"),
    ("datetime", "date"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("decimal", "Decimal"),
    ("uuid", "UUID"),
}


def type_name(annotation: Any) -> str:
    """The type as an author writes it."""
    annotation = bare(annotation)
    if annotation is NOTHING:
        return "None"
    if annotation is Ellipsis:
        return "..."
    if get_origin(annotation) is Literal:
        return f"Literal[{', '.join(map(repr, get_args(annotation)))}]"
    if len(members(annotation)) > 1:
        return " | ".join(type_name(member) for member in members(annotation))
    name = getattr(get_origin(annotation) or annotation, "__name__", str(annotation))
    inside = [type_name(argument) for argument in get_args(annotation)]
    return f"{name}[{', '.join(inside)}]" if inside else name
