"""Arrays without equal elements (ODCS `logicalTypeOptions`: uniqueItems), as rules, at any depth.

msgspec has no such limit. They are of the schema, and so are never waived. Elements are equal as JSON Schema has it
(2020-12, section 4.2.2): numbers by their value, arrays element by element, objects field by field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from hansa.contracts.types import python_name
from hansa.model.product import ContractSpec, FieldSpec, RuleSpec

METRIC: Final = "uniqueItems"
ELEMENTS: Final = "[]"
VALUES: Final = "{}"
_STEP: Final = re.compile(r"\[\]|\{\}|[^.\[{]+")


def item_rules(contract: ContractSpec) -> tuple[RuleSpec, ...]:
    """A rule for each such array. Its path has `[]` for the elements of an array and `{}` for the values of a map."""
    action = "refuse" if contract.on_violation == "warn" else contract.on_violation
    return tuple(
        RuleSpec(
            f"{path}.uniqueItems", path, "library", METRIC, operator="mustBe", operands=(0,), action=action,
            description=f"{path} has equal elements",
        )
        for field in contract.fields
        for path in _arrays(field.name, field)
    )  # fmt: skip


def _arrays(path: str, field: FieldSpec) -> Iterator[str]:
    if field.type == "array" and field.options.get("uniqueItems") is True:
        yield path
    for inner in field.fields:
        yield from _arrays(f"{path}.{inner.name}", inner)
    if field.items is not None:
        yield from _arrays(path + (VALUES if field.type == "map" else ELEMENTS), field.items)


def steps_of(path: str) -> list[str]:
    """The names, `[]` and `{}` of a path, in order."""
    return _STEP.findall(path)


def repeating(path: str) -> Callable[[list[Any]], list[Any]]:
    """Gives of each record the first array at the path that has equal elements, None where there is none."""
    steps = steps_of(path)
    return lambda records: [next(filter(has_equal, _at(record, steps)), None) for record in records]


def _at(value: Any, steps: Sequence[str]) -> Iterator[Any]:
    if value is None:
        return
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    inner: Iterable[Any] = (
        value if step == ELEMENTS else value.values() if step == VALUES else (getattr(value, python_name(step)),)
    )
    for one in inner:
        yield from _at(one, rest)


def has_equal(elements: Sequence[Any]) -> bool:
    """Whether two of the elements are equal."""
    return len(set(map(_identity, elements))) < len(elements)


def _identity(value: Any) -> Any:
    """Something hashable that is the same for equal values alone; true is not 1."""
    if isinstance(value, msgspec.Struct):
        return tuple(_identity(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return frozenset((name, _identity(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return tuple(map(_identity, value))
    return (bool, value) if isinstance(value, bool) else value
