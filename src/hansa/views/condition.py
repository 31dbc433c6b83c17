"""Conditions over the fields of something that is searched: what they may say, and what they mean for one thing.

    {"field": "name", "op": "eq", "value": "OrderPlaced"}
    {"and": [...]}   {"or": [...]}   {"not": ...}

A field is a name of the searched thing, or a path into its payload (`payload.a.b`, `payload.items.0`). Meaning, the
same for SQL (`condition_sql`) and here (`matches`): values compare only with their own kind (numbers, text, truth
values); what is missing or null equals only null, and is neither greater nor less than anything; `ne` and `not` are
exact opposites. `like` knows `*` for any text and `?` for one character, and minds case.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, TypeGuard, get_args

import msgspec

from hansa.errors import CallerError
from hansa.model.ids import did_you_mean

Op = Literal["eq", "ne", "gt", "gte", "lt", "lte", "like", "in", "exists"]
Scalar = None | bool | int | float | str


class Compare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field against one value; for `in` the value is a list, for `exists` true or false."""

    field: str
    op: Op = "eq"
    value: Scalar | list[Scalar] = None


class And(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them; an empty one is true."""

    all: list[Condition] = msgspec.field(name="and")


class Or(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At least one of them; an empty one is false."""

    any: list[Condition] = msgspec.field(name="or")


class Not(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The opposite."""

    condition: Condition = msgspec.field(name="not")


Condition = Compare | And | Or | Not

_FORMS: Final[dict[str, type[And | Or | Not]]] = {"and": And, "or": Or, "not": Not}
_COMPARE: Final = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_DEPTH_MAX: Final = 32
_TESTS_MAX: Final = 256
_STEP: Final = r"[A-Za-z0-9_-]+"
_PATH: Final = re.compile(rf"{_STEP}(\.{_STEP})*")


def malformed(message: str, hint: str | None = None, **details: Any) -> CallerError:
    """The error for a query that cannot be understood."""
    return CallerError("query.malformed", message, hint=hint, details=details)


class Fields:
    """The grammar of the fields of one kind of thing: `names`, and paths under `root` into what has no fixed shape.

    An empty root means that every path is one, as in the records of a port.
    """

    def __init__(self, names: Iterable[str], root: str) -> None:
        self.names = tuple(names)
        self.root = root

    def path(self, field: str) -> list[str] | None:
        """The path into the payload, or None where `field` is a name. Raises `CallerError("query.malformed")`."""
        if field in self.names:
            return None
        head, _, rest = field.partition(".")
        if not self.root and _PATH.fullmatch(field):
            return field.split(".")
        if self.root and head == self.root and (not rest if field == head else _PATH.fullmatch(rest)):
            return rest.split(".") if rest else []
        known = ", ".join(self.names) + (f" and {self.root}.<path>" if self.root else "")
        raise malformed(
            f"There is no field {field!r}",
            did_you_mean(field, self.names) or f"Fields are {known}." if self.root else "A field reads like `a.b`.",
            field=field,
        )

    def check(self, condition: Condition) -> None:
        """Raises `CallerError("query.malformed")` where a field or a value cannot be, or the condition is too large."""
        tests = list(_tests(condition, _DEPTH_MAX))
        if len(tests) > _TESTS_MAX:
            raise malformed(f"The condition has {len(tests)} tests", f"At most {_TESTS_MAX}; `in` takes many values.")
        for test in tests:
            self.path(test.field)
            _check_value(test)


def fields_of(condition: Condition) -> set[str]:
    """The fields that a condition looks at."""
    return {test.field for test in _tests(condition, _DEPTH_MAX)}


def _tests(condition: Condition, depth: int) -> Iterable[Compare]:
    if depth == 0:
        raise malformed(f"The condition is nested deeper than {_DEPTH_MAX}", "Write it flatter.")
    match condition:
        case Compare():
            yield condition
        case And(parts) | Or(parts):
            for part in parts:
                yield from _tests(part, depth - 1)
        case Not(part):
            yield from _tests(part, depth - 1)


def _check_value(test: Compare) -> None:
    op, value = test.op, test.value
    wanted = {"in": "a list", "exists": "true or false", "like": "a text"}.get(op, "one value")
    if op in ("gt", "gte", "lt", "lte"):
        wanted = "a number or a text"
        fits = isinstance(value, str) or is_number(value)
    elif op == "in":
        fits = isinstance(value, list)
    elif op == "exists":
        fits = isinstance(value, bool)
    elif op == "like":
        fits = isinstance(value, str)
    else:
        fits = not isinstance(value, list)
    if not fits:
        raise malformed(f"`{op}` of the field {test.field!r} has the value {value!r}", f"It takes {wanted}.")


def is_number(value: Any) -> TypeGuard[int | float]:
    """True for a number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


# From plain values


def parse_condition(raw: Any, depth: int = _DEPTH_MAX) -> Condition:
    """A condition from plain values (JSON). Raises `CallerError("query.malformed")` naming the part that is wrong."""
    if not isinstance(raw, dict) or depth == 0:
        what = f"{raw!r} is not a condition" if depth else f"The condition is nested deeper than {_DEPTH_MAX}"
        raise malformed(what, 'It reads like {"field": "name", "op": "eq", "value": "OrderPlaced"}.')
    for key, form in _FORMS.items():
        if key in raw:
            return _compound(key, form, raw, depth)
    if raw.get("op", "eq") not in get_args(Op):
        hint = did_you_mean(str(raw["op"]), get_args(Op)) or f"There are: {', '.join(get_args(Op))}."
        raise malformed(f"There is no comparison {raw['op']!r}", hint)
    try:
        return msgspec.convert(raw, Compare)
    except msgspec.ValidationError as failure:
        raise malformed(f"{raw!r} is not a condition: {failure}", "It has `field`, `op` and `value`.") from failure


def _compound(key: str, form: type[And | Or | Not], raw: dict[str, Any], depth: int) -> Condition:
    inner = raw[key]
    if len(raw) > 1:
        raise malformed(f"`{key}` stands beside {sorted(set(raw) - {key})}", f'Put them inside: {{"{key}": …}}.')
    if form is Not:
        return Not(parse_condition(inner, depth - 1))
    if not isinstance(inner, list):
        raise malformed(f"`{key}` has {inner!r}", f'It takes a list: {{"{key}": [condition, condition]}}.')
    return form([parse_condition(part, depth - 1) for part in inner])  # type: ignore[arg-type]


# Their meaning for one thing


def dig(value: Any, path: Sequence[str]) -> Any:
    """What stands at `path` in plain values; None where there is nothing. A step of digits indexes lists only."""
    for step in path:
        if isinstance(value, list | tuple) and step.isdecimal():
            value = value[int(step)] if int(step) < len(value) else None
        elif isinstance(value, dict) and not step.isdecimal():
            value = value.get(step)
        else:
            return None
    return value


def matches(condition: Condition, get: Callable[[str], Any]) -> bool:
    """True where the thing whose fields `get` gives fulfils a checked condition."""
    match condition:
        case And(parts):
            return all(matches(part, get) for part in parts)
        case Or(parts):
            return any(matches(part, get) for part in parts)
        case Not(part):
            return not matches(part, get)
        case Compare(field, op, value):
            return _holds(op, get(field), value)


def _holds(op: Op, found: Any, value: Any) -> bool:
    match op:
        case "eq":
            return _equal(found, value)
        case "ne":
            return not _equal(found, value)
        case "in":
            return any(_equal(found, one) for one in value)
        case "exists":
            return bool((found is not None) == value)
        case "like":
            return isinstance(found, str) and wildcard(value).fullmatch(found) is not None
    alike = (is_number(found) and is_number(value)) or (isinstance(found, str) and isinstance(value, str))
    return alike and bool(_COMPARE[op](found, value))


def _equal(found: Any, value: Any) -> bool:
    if is_number(found) and is_number(value):
        return found == value
    return type(found) is type(value) and bool(found == value)


def wildcard(pattern: str) -> re.Pattern[str]:
    """The regular expression of a `like` pattern."""
    return re.compile("".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in pattern), re.DOTALL)
