"""Limits of dates, times and timestamps (ODCS `logicalTypeOptions`: minimum, maximum and the exclusive two), as rules.

msgspec has them for numbers alone. They are of the schema, and so are never waived. A timestamp without a zone is taken
as UTC; a time is compared as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from operator import ge, gt, le, lt
from typing import Any, Final

import msgspec

from hansa.model.product import ContractSpec, FieldSpec, RuleSpec

METRIC: Final = "limits"
TYPES: Final[dict[str, type]] = {"date": date, "timestamp": datetime, "time": time}
BROKEN: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "minimum": ("<", lt),
    "maximum": (">", gt),
    "exclusiveMinimum": ("<=", le),
    "exclusiveMaximum": (">=", ge),
}
"""By the limit, what a value that breaks it is to it: in SQL, and in Python and Polars."""


def limit_rules(contract: ContractSpec) -> tuple[RuleSpec, ...]:
    """A rule for each field with such limits, in objects, too. They are kept as values of the field's type."""
    action = "refuse" if contract.on_violation == "warn" else contract.on_violation
    return tuple(
        RuleSpec(
            f"{path}.limits", path, "library", METRIC, found, operator="mustBe", operands=(0,), action=action,
            description=f"{path} is not within {', '.join(f'{name} {value}' for name, value in given.items())}",
        )
        for path, found, given in _limited("", contract.fields)
    )  # fmt: skip


def _limited(above: str, fields: Sequence[FieldSpec]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for field in fields:
        path = f"{above}{field.name}"
        given = {name: field.options[name] for name in BROKEN if name in field.options and field.type in TYPES}
        if given:
            yield path, {name: limit_of(value, field.type) for name, value in given.items()}, given
        yield from _limited(f"{path}.", field.fields)


def limit_of(value: object, kind: str) -> Any:
    """A limit as it is compared. Raises `msgspec.ValidationError` where it is no value of the type."""
    return comparable(msgspec.convert(value, TYPES[kind]))


def comparable(value: Any) -> Any:
    """A value as it is compared with a limit."""
    if isinstance(value, time):
        return value.replace(tzinfo=None)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
