"""What a consumer expects of a port that it reads: fields in the words of ODCS, held against contract and records.

They stand at the input port in product.yaml, in the custom property `expects`: each item is a property of ODCS with
`name`, `logicalType`, `required`, `enum` and `logicalTypeOptions`; what it leaves out is not expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from hansa.contracts.compatibility.contract import said
from hansa.contracts.odcs import read_field
from hansa.contracts.part import VENDOR, Part
from hansa.contracts.quality.rules import RowRule, compile_rules
from hansa.contracts.types import limits, struct_type
from hansa.model.ids import did_you_mean
from hansa.model.product import ContractSpec, Expectation, FieldSpec

_WORDS: Final = ("name", "logicalType", "required", "enum", "logicalTypeOptions", "description")
_OF_TYPES: Final = ("format", "physicalType", "timezone")
_LOWER: Final = ("ge", "gt")
_UPPER: Final = ("le", "lt")


def read_expectations(part: Part) -> tuple[Expectation, ...]:
    """The expectations of an input port; what cannot be meant is reported with its line, and left out."""
    found: dict[str, Expectation] = {}
    for item in _items(part):
        name = item.required("name", "Every expectation names its field.")
        known = len(item.findings)
        for word in item.value.keys() - {*_WORDS}:
            hint = did_you_mean(str(word), _WORDS) or f"There are {', '.join(_WORDS)}."
            item.report("expectation.word", f"An expectation has no {word!r}", hint, str(word))
        field = read_field(item, name)
        if name in found:
            item.report("expectation.twice", f"{name} is expected twice", "Put both into one.", "name")
        if (wrong := _impossible(field)) is not None:
            item.report("expectation.impossible", f"Nothing can be as {name} is expected: {wrong}", None, "name")
        if name and len(item.findings) == known:
            found[name] = Expectation(field, item.document.line((*item.place, "name")))
    return tuple(found.values())


def _items(part: Part) -> list[Part]:
    """The items of `expects`, at the place where they stand, so that findings have their lines."""
    for index, item in enumerate(part.parts("customProperties")):
        if item.value.get("vendor") == VENDOR and item.value.get("property") == "expects":
            place = (*part.place, "customProperties", index)
            return Part(part.document, part.findings, item.value, place).parts("value")
    return []


def _impossible(field: FieldSpec) -> str | None:
    found: dict[str, Any] = limits(field)
    for low, high in (("min_length", "max_length"), *((low, high) for low in _LOWER for high in _UPPER)):
        if low in found and high in found:
            is_open = low == "gt" or high == "lt"
            if found[low] > found[high] or (is_open and found[low] == found[high]):
                return f"it is at least {found[low]} and at most {found[high]}"
    return None


def contradiction(expected: FieldSpec, fields: Sequence[FieldSpec]) -> str | None:
    """Why records of these fields can never be as expected, None where they may be."""
    by_name = {field.name: field for field in fields}
    promised = by_name.get(expected.name)
    if promised is None:
        return f"there is no field {expected.name}"
    if expected.type not in ("any", promised.type) and (expected.type, promised.type) != ("number", "integer"):
        return f"{expected.name} is {said(promised)}, not {said(expected)}"
    wanted, given = expected.options.get("enum"), promised.options.get("enum")
    if wanted and given and not set(wanted) & set(given):
        return f"{expected.name} is one of {_listed(given)}, never of {_listed(wanted)}"
    try:
        _rules(_tried(expected, promised))
    except msgspec.ValidationError as wrong:
        return f"{expected.name} is {said(promised)}, and is held against something else: {wrong}"
    return _apart(expected, promised)


def _apart(expected: FieldSpec, promised: FieldSpec) -> str | None:
    """Why the ranges of two fields do not meet."""
    wanted, given = limits(complete(expected, promised)), limits(promised)
    for low, high in ((low, high) for low in _LOWER for high in _UPPER):
        for one, other, which in ((given, wanted, "at least"), (wanted, given, "at most")):
            if low in one and high in other and one[low] > other[high]:
                bound = given[low] if which == "at least" else given[high]
                return f"{expected.name} is {which} {bound} by its contract"
    return None


def complete(expected: FieldSpec, promised: FieldSpec) -> FieldSpec:
    """The expectation with the type of the contract where it names none."""
    return replace(expected, type=promised.type) if expected.type == "any" else expected


def check_of(expected: FieldSpec, promised: FieldSpec) -> Callable[[dict[str, Any]], str | None]:
    """What says why a record is not as expected; None where it is. A personal value is never named."""
    field = _tried(expected, promised)
    return partial(
        _failure, field, struct_type("Expected", [field]), _rules(field), expected.personal or promised.personal
    )


def _tried(expected: FieldSpec, promised: FieldSpec) -> FieldSpec:
    return replace(complete(expected, promised), options={**_types_of(promised), **expected.options})


def _rules(field: FieldSpec) -> tuple[RowRule, ...]:
    """What of the schema is no part of a type. Raises `msgspec.ValidationError` for a limit that is no value of it."""
    return compile_rules(ContractSpec("expected", "1.0.0", (field,))).rows


def _types_of(promised: FieldSpec) -> dict[str, Any]:
    """What of a field's options decides its type, and limits nothing."""
    return {name: promised.options[name] for name in _OF_TYPES if name in promised.options}


def _failure(
    field: FieldSpec, kind: type[Any], rules: Sequence[RowRule], is_personal: bool, record: dict[str, Any]
) -> str | None:
    value = record.get(field.name)
    if value is None:
        return f"{field.name} is missing" if field.required else None
    try:
        found = msgspec.convert({field.name: value}, kind)
        why = next((rule.message for rule in rules if rule.scan(rule.column([found]))), "")
    except msgspec.ValidationError as wrong:
        why = str(wrong).partition(" - at")[0]
    if not why:
        return None
    return f"{field.name} is not as expected" if is_personal else f"{field.name} is {value!r}: {why}"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))
