"""Field numbers that stay: a name keeps its number from version to version, and no number is given twice.

The schema that was published last is the only memory. A name that it has keeps its number; a new one gets the next
number above all that were ever given; the number and name of one that went are reserved. A field that comes back
under an old name is a new field: it gets a new number. The order of the contract's fields decides nothing but the
numbers of names that come at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hansa.contracts.schemas.protobuf_file import Reserved
from hansa.contracts.schemas.protobuf_text import parse

_KEPT_BY_PROTOBUF: Final = range(19000, 20000)
"""Numbers that Protobuf's implementations keep for themselves."""


@dataclass(frozen=True, slots=True)
class Known:
    """What one message or enum of the schema before had."""

    numbers: Mapping[str, int] = field(default_factory=dict)
    reserved: frozenset[int] = frozenset()
    reserved_names: frozenset[str] = frozenset()


Numbers = Mapping[str, Known]
"""By the path of a message or enum: `Departure.Crew`."""


def assigned(names: Iterable[str], known: Known, first: int = 1) -> tuple[dict[str, int], Reserved]:
    """A number for each name, and what is reserved from now on. Where nothing is known they count from `first`."""
    wanted = list(names)
    kept = {name: known.numbers[name] for name in wanted if name in known.numbers}
    gone = {name: number for name, number in known.numbers.items() if name not in kept}
    following = max([first - 1, *known.numbers.values(), *known.reserved]) + 1
    found: dict[str, int] = {}
    for name in wanted:
        if name not in kept:
            following = _KEPT_BY_PROTOBUF.stop if following in _KEPT_BY_PROTOBUF else following
        found[name] = kept.get(name, following)
        following += name not in kept
    numbers = sorted(known.reserved | set(gone.values()))
    return found, Reserved(tuple(numbers), tuple(sorted((known.reserved_names | gone.keys()) - set(wanted))))


def numbers_of(text: str) -> Numbers:
    """The numbers in a .proto file. Raises `AuthorError("schema.unreadable")` where it is none.

    Needs `proto-schema-parser`.
    """
    elements = parse(text).file_elements
    from proto_schema_parser import ast

    found: dict[str, Known] = {}
    for element in elements:
        if isinstance(element, ast.Message | ast.Enum):
            _collect(element, "", found)
    return found


def _collect(element: Any, scope: str, found: dict[str, Known]) -> None:
    from proto_schema_parser import ast

    path = f"{scope}.{element.name}".lstrip(".")
    numbered: dict[str, int] = {}
    reserved: set[int] = set()
    names: set[str] = set()
    for one in element.elements:
        if isinstance(one, ast.Message | ast.Enum):
            _collect(one, path, found)
        elif isinstance(one, ast.OneOf):
            numbered |= {inner.name: inner.number for inner in one.elements if isinstance(inner, ast.Field)}
        elif isinstance(one, ast.Field | ast.MapField | ast.EnumValue):
            numbered[one.name] = one.number
        elif isinstance(one, ast.Reserved | ast.EnumReserved):
            names |= {name.strip("\"'") for name in one.names}
            reserved |= {number for text in one.ranges for number in _range(str(text))}
    found[path] = Known(numbered, frozenset(reserved), frozenset(names))


def _range(text: str) -> range:
    """`3` or `5 to 7`. What runs to `max` ends where counting on would."""
    first, _, last = text.partition(" to ")
    return range(int(first), (int(first) if last in ("", "max") else int(last)) + 1)
