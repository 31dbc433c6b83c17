"""A type fits where every value of it does; what says nothing fits everything."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Protocol, TypedDict, TypeVar

import pytest

from hansa import Chunk, Drop, Record, Reply
from hansa.sdk.fit import fits, is_parameter, result_of, type_name


class Base(Record, frozen=True):
    a: int


class Derived(Base, frozen=True):
    b: int


class Colour(Enum):
    RED = 1


class Shape(TypedDict):
    a: int


class Sized(Protocol):
    def __len__(self) -> int: ...


T = TypeVar("T")
OrderId = NewType("OrderId", str)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (int, int), (int, float), (bool, int), (Any, int), (int, Any), (object, int), (T, int), (int, Sized),
        (Derived, Base), (int | str, str | int), (int, int | None), (None, int | None), (list[Derived], list[Base]),
        (list[int], list[int]), (list[int], list[Any]), (list, list[int]), (list[int], Sequence[float]),
        (dict[str, int], Mapping[str, int]), (dict[str, Any], dict[str, int]), (tuple[int, str], tuple[int, str]),
        (tuple[int, ...], tuple[int, int]), (Literal["a"], str), (str, Literal["a", "b"]), (OrderId, str),
        (Annotated[int, "x"], int), (Shape, dict[str, int]), (dict, Shape), (Callable[..., int], Any), (datetime, date),
    ],
)  # fmt: skip
def test_these_fit(given: Any, wanted: Any) -> None:
    assert fits(given, wanted)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (str, int), (float, int), (int, str), (None, int), (int, None), (Base, dict), (dict, Base), (Base, Colour),
        (list[int], list[str]), (list[int], int), (list[list[int]], list[list[str]]), (dict[str, int], dict[str, str]),
        (tuple[int], tuple[int, int]), (tuple[int, str], tuple[int, int]), (int | str, bytes), (Literal[1], str),
        (OrderId, int), (Annotated[int, "x"], str), (Shape, list), (Base, Derived), (int | str, str), (int | None, int),
        (list[int | str], list[int]), (Sequence[int], list[int]), (Shape, dict[str, str]),
    ],
)  # fmt: skip
def test_these_do_not_always_fit(given: Any, wanted: Any) -> None:
    assert not fits(given, wanted)


@pytest.mark.parametrize(
    ("returns", "seen"),
    [
        (int, int),
        (int | Drop, int),
        (Drop, Any),
        (Reply[int], int),
        (Reply, Any),
        (Iterator[Chunk[int]], int),
        (Generator[Chunk[int], None, None], int),
        (Iterator[Chunk], Any),
        (Iterator[int], Iterator[int]),
        (int | Drop | None, int | None),
    ],
)
def test_a_caller_sees_the_value_alone(returns: Any, seen: Any) -> None:
    assert result_of(returns) == seen


@pytest.mark.parametrize(
    "kind", [str, int, bool, date, Decimal, Colour, Literal["a"], int | None, list[int], OrderId, Any]
)
def test_these_can_be_read_from_a_url(kind: Any) -> None:
    assert is_parameter(kind)


@pytest.mark.parametrize("kind", [dict, Base, list[Base], Base | None, Iterator[int]])
def test_these_cannot(kind: Any) -> None:
    assert not is_parameter(kind)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int | None, "int | None"),
        (list[dict[str, Base]], "list[dict[str, Base]]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Annotated[int, "x"], "int"),
        (Any, "Any"),
        (None, "None"),
    ],
)
def test_types_are_shown_as_authors_write_them(annotation: Any, text: str) -> None:
    assert type_name(annotation) == text
