"""Quality rules out of ODCS 3.x: `quality` of a schema object and of its properties, at any depth of objects.

What could not be carried out when records are published is a finding here, so that it is refused at plan: a regular
expression that not every engine reads, a value where a number is needed, a property that there is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from hansa.contracts.custom import ACTIONS
from hansa.contracts.part import Part
from hansa.contracts.quality.threshold import OPERATORS, PAIRS
from hansa.model.ids import did_you_mean
from hansa.model.product import FieldSpec, OnViolation, ReferenceSpec, RuleSpec

R = TypeVar("R", RuleSpec, ReferenceSpec)
METRICS: Final = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")
KINDS: Final = ("library", "sql", "text", "custom")
UNITS: Final = ("rows", "percent")
_ARGUMENTS: Final = {
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
}
_LISTS: Final = frozenset({"missingValues", "validValues", "properties"})
_MILD: Final = frozenset({"info", "warn", "warning"})
_NOT_EVERYWHERE: Final = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|\\[1-9Zz]|(?<!\\)[*+?}]\+")
"""Look around, references, conditions, atomic groups, possessive repeats: RE2 and Rust have none of them."""


def read_rules(contract_object: Part, fields: Sequence[FieldSpec]) -> tuple[RuleSpec, ...]:
    """The rules of a schema object and of all its properties, each with an id of its own."""
    found = [rule for part in contract_object.parts("quality") if (rule := _rule(part, "", fields)) is not None]
    found += _of_properties(contract_object, "", fields)
    names = [name for key in ("name", "physicalName") if (name := contract_object.text(key))]
    found = [replace(r, arguments={**r.arguments, "objects": names}) if r.kind == "sql" else r for r in found]
    return tuple(with_ids(found))


def _of_properties(part: Part, above: str, fields: Sequence[FieldSpec]) -> list[RuleSpec]:
    found: list[RuleSpec] = []
    for item in part.parts("properties"):
        path = f"{above}{item.value.get('name', '')}"
        found += [rule for one in item.parts("quality") if (rule := _rule(one, path, fields)) is not None]
        if item.value.get("logicalType") == "object":
            found += _of_properties(item, f"{path}.", fields)
    return found


def with_ids(rules: Sequence[R]) -> list[R]:
    """Two that would be called the same get numbers."""
    taken: dict[str, int] = {}
    named = []
    for rule in rules:
        taken[rule.id] = number = taken.get(rule.id, 0) + 1
        named.append(rule if number == 1 else replace(rule, id=f"{rule.id}#{number}"))
    return named


def _rule(part: Part, path: str, fields: Sequence[FieldSpec]) -> RuleSpec | None:
    """The rule, None where something of it is wrong, which is reported then."""
    before = len(part.findings)
    kind, metric = _kind(part), part.text("metric")
    operator, operands = _comparison(part)
    arguments = _arguments(part, metric, fields) if kind == "library" else _foreign(part, kind)
    if metric == "rowCount" and path:
        part.report("quality.place", f"rowCount counts records, not {path}", "Put it under the object.", "metric")
    if kind == "library" and metric not in ("rowCount", "duplicateValues", "") and not path:
        part.report("quality.place", f"{metric} counts the values of a property", "Put it under one.", "metric")
    unit = part.text("unit", "rows")
    if unit not in UNITS and kind == "library":
        part.report("quality.unit", f"unit is {unit!r}", f"Use one of {', '.join(UNITS)}.", "unit")
    if len(part.findings) > before:
        return None
    return RuleSpec(
        id=part.text("id") or part.text("name") or ".".join(filter(None, (path, metric or kind))),
        path=path, kind=kind, metric=metric, arguments=arguments, operator=operator, operands=operands,
        unit="percent" if unit == "percent" else "rows", action=_action(part), dimension=part.text("dimension"),
        description=part.text("description"),
    )  # fmt: skip


def _kind(part: Part) -> Any:
    """ODCS takes a rule without a type as one of its library, and one without a metric as text."""
    kind = part.text("type") or "library"
    return "text" if kind not in KINDS or (kind == "library" and part.text("metric") not in METRICS) else kind


def _action(part: Part) -> OnViolation | None:
    """What Hansa's `onViolation` says, else what `severity` says; None leaves it to the port."""
    said = ACTIONS.get(part.custom().text("onViolation"))
    return said or ("warn" if part.text("severity").lower() in _MILD else None)


def _comparison(part: Part) -> tuple[str, tuple[Any, ...]]:
    given = [name for name in OPERATORS if name in part.value]
    if len(given) > 1:
        hint = "Make a rule of each."
        part.report("quality.operator", f"It says {' and '.join(given)}; a rule says one", hint, given[1])
    if not given or part.text("type") == "custom":
        return "", ()
    name, value = given[0], part.value[given[0]]
    operands = tuple(value) if name in PAIRS and isinstance(value, list) else (value,)
    if len(operands) != (2 if name in PAIRS else 1) or not all(map(_is_number, operands)):
        wanted = "two numbers, the lower first" if name in PAIRS else "a number"
        part.report("quality.operand", f"{name} is {value!r}, not {wanted}", None, name)
    elif name in PAIRS and operands[0] > operands[1]:
        part.report("quality.operand", f"{name} is {value!r}: nothing is between", "Turn them round.", name)
    return name, operands


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _arguments(part: Part, metric: str, fields: Sequence[FieldSpec]) -> dict[str, Any]:
    arguments = part.mapping("arguments")
    known = _ARGUMENTS.get(metric, ())
    for name, value in arguments.value.items():
        if name in _LISTS and name in known and (not isinstance(value, list) or not value):
            arguments.report("quality.argument", f"{name} is {value!r}, not a list of values", None, name)
    if metric == "invalidValues" and not {"validValues", "pattern"} & arguments.value.keys():
        part.report("quality.argument", "invalidValues does not say which are valid", "Give validValues or pattern.")
    if "pattern" in arguments.value and (wrong := wrong_pattern(str(arguments.value["pattern"]))):
        arguments.report("quality.pattern", *wrong, "pattern")
    _check_properties(arguments, fields)
    return {name: value for name, value in arguments.value.items() if name in known}


def _check_properties(arguments: Part, fields: Sequence[FieldSpec]) -> None:
    known = [field.name for field in fields]
    listed = arguments.value.get("properties")
    for name in listed if isinstance(listed, list) else ():
        if name not in known:
            hint = did_you_mean(str(name), known) or f"The schema has {', '.join(known)}."
            arguments.report(
                "contract.field_unknown", f"It counts {name!r}, which the schema lacks", hint, "properties"
            )


def wrong_pattern(pattern: str) -> tuple[str, str] | None:
    """Why a regular expression cannot be used, and what to do; None where every engine reads it alike."""
    try:
        re.compile(pattern)
    except re.error as failure:
        return f"{pattern!r} is no regular expression: {failure}", "It is matched against the whole value."
    if found := _NOT_EVERYWHERE.search(pattern):
        return f"{pattern!r} has {found[0]!r}, which not every engine knows", "Write it without; or list validValues."
    return None


def _foreign(part: Part, kind: str) -> dict[str, Any]:
    """What other engines need of it, and who is told."""
    name = {"custom": "engine", "sql": "query"}.get(kind)
    return {} if name is None else {name: part.text(name)}
